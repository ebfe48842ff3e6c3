//! The rank of each key's winner under `dedup_sort`, as bytes that compare like the values of the column. The winner has the
//! greatest rank.

use arrow::{
    compute::SortOptions,
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
    row::{RowConverter, Rows, SortField},
};

use crate::{
    keys::{KeyError, comparable, normal},
    plan::DedupSort,
    schema::ColumnType,
};

pub(super) struct Ranks {
    column: usize,
    converter: RowConverter,
    values: Vec<u8>,
    /// The position of each slot's rank in `values`.
    spans: Vec<Span>,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    length: u32,
}

impl Ranks {
    pub(super) fn new(schema: &SchemaRef, sort: DedupSort) -> Result<Self, KeyError> {
        let data_type = comparable(schema, sort.column, "what duplicates are ordered by")?;
        // Nulls first makes them the least in both directions: a null loses to every value.
        let options = SortOptions { descending: !sort.descending, nulls_first: true };
        let converter = RowConverter::new(vec![SortField::new_with_options(data_type, options)])?;
        Ok(Self { column: sort.column, converter, values: Vec::new(), spans: Vec::new() })
    }

    /// The ranks of a batch's rows.
    pub(super) fn candidates(&self, rows: &RecordBatch) -> Result<Rows, KeyError> {
        let column = rows.columns().get(self.column).ok_or(KeyError::NoColumn { index: self.column })?;
        // -0.0 is not less than 0.0: of equal rows the last one stays.
        let column = match column.data_type() {
            DataType::Float32 => &normal(column, &ColumnType::Float32)?,
            DataType::Float64 => &normal(column, &ColumnType::Float64)?,
            _ => column,
        };
        Ok(self.converter.convert_columns(std::slice::from_ref(column))?)
    }

    /// The rank of the next slot.
    pub(super) fn push(&mut self, rank: &[u8]) {
        let span = self.store(rank);
        self.spans.push(span);
    }

    /// Returns true if `rank` is at least the rank of the slot, and stores it there.
    pub(super) fn improve(&mut self, slot: usize, rank: &[u8]) -> bool {
        let Some(span) = self.spans.get(slot).copied() else { return true };
        let end = span.start + span.length as usize;
        let Some(current) = self.values.get_mut(span.start..end) else { return true };
        if rank < &*current {
            return false;
        }
        // Ranks of one column are mostly of one length; where they are not, the old bytes are given up.
        if rank.len() == current.len() {
            current.copy_from_slice(rank);
            return true;
        }
        let moved = self.store(rank);
        self.spans.get_mut(slot).into_iter().for_each(|span| *span = moved);
        true
    }

    /// The rank of a slot, empty if it has none.
    pub(super) fn get(&self, slot: usize) -> &[u8] {
        let span = self.spans.get(slot).map(|span| span.start..span.start + span.length as usize);
        span.and_then(|span| self.values.get(span)).unwrap_or_default()
    }

    /// Gives a slot that there is another rank, whatever the one before.
    pub(super) fn set(&mut self, slot: usize, rank: &[u8]) {
        let stored = self.store(rank);
        self.spans.get_mut(slot).into_iter().for_each(|span| *span = stored);
    }

    pub(super) fn memory(&self) -> usize {
        self.values.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    fn store(&mut self, rank: &[u8]) -> Span {
        let span = Span { start: self.values.len(), length: rank.len() as u32 };
        self.values.extend_from_slice(rank);
        span
    }
}
