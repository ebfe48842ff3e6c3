//! Bloom filters of row groups: whether a few keys are surely not there.

use std::ops::Range;

use arrow::{array::StringArray, datatypes::DataType};
use parquet::{bloom_filter::Sbbf, errors::Result, file::metadata::ColumnChunkMetaData};

use super::{footer::Parts, incoming::Indexed};
use crate::{
    keys::{KeyColumn, Values},
    model::KeyRange,
};

/// More values than this are not asked for: at one false answer in a hundred, a filter says "perhaps" to one of them almost
/// surely, and reading it would be for nothing.
const MAX_PROBES: usize = 256;

/// A question to one column's filter: whether any of some values may be in the row group.
pub(super) struct Probe<'a> {
    pub(super) column: &'a KeyColumn,
    values: Range<usize>,
}

/// The questions worth asking about a row group with these ranges: if one is denied, none of the set's keys is in it.
pub(super) fn probes<'a>(set: &'a Indexed, ranges: &[KeyRange]) -> Vec<Probe<'a>> {
    set.columns.iter().filter_map(|column| probe(column, ranges)).collect()
}

fn probe<'a>(column: &'a KeyColumn, ranges: &[KeyRange]) -> Option<Probe<'a>> {
    let range = ranges.iter().find(|range| range.column == column.name)?;
    // Filters know no nulls.
    if column.has_null && range.has_null || column.values == Values::Unknown {
        return None;
    }
    let (low, high) = range.values.as_ref()?;
    let values = column.between(low, high);
    (values.len() <= MAX_PROBES).then_some(Probe { column, values })
}

/// Returns the byte range of a column's filter, or `None` if it has none or its length is unknown.
pub(super) fn location(chunk: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = u64::try_from(chunk.bloom_filter_offset()?).ok()?;
    let length = u64::try_from(chunk.bloom_filter_length()?).ok()?;
    Some(start..start.checked_add(length)?)
}

/// Returns true if the filter may contain one of the values. `data_type` is the type of the column.
pub(super) fn may_hold(
    probe: &Probe<'_>,
    chunk: &ColumnChunkMetaData,
    data_type: &DataType,
    file: &Parts,
) -> Result<bool> {
    let Some(filter) = Sbbf::read_from_column_chunk(chunk, file)? else { return Ok(true) };
    Ok(match &probe.column.values {
        Values::Integers(values) => {
            let mut values = values.get(probe.values.clone()).unwrap_or_default().iter();
            values.any(|value| may_hold_integer(&filter, *value, data_type))
        }
        Values::Texts(values) => texts(values, &probe.values).any(|text| filter.check(text)),
        Values::Unknown => true,
    })
}

fn texts<'a>(values: &'a StringArray, range: &Range<usize>) -> impl Iterator<Item = &'a str> {
    range.clone().map(|row| values.value(row))
}

/// Parquet stores what has up to 32 bits in 32, all else in 64.
fn may_hold_integer(filter: &Sbbf, value: i64, data_type: &DataType) -> bool {
    use DataType::{Date32, Int8, Int16, Int32, Int64, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64};
    match data_type {
        Int8 | Int16 | Int32 | Date32 | UInt8 | UInt16 | UInt32 => filter.check(&(value as i32)),
        Int64 | UInt64 | Time64(_) | Timestamp(_, _) => filter.check(&value),
        _ => true,
    }
}
