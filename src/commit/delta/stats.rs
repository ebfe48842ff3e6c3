//! A file's statistics for the Delta log, from the footer of its Parquet file.
//!
//! Delta's form (<https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics>): the number of rows, and
//! by leaf column the number of nulls, the least and the greatest value. Lists and maps have none, nor have bool and binary
//! a least and a greatest value. The Parquet writer has shortened the bounds of long texts, the greatest one upwards: they
//! still are bounds.

use std::{collections::BTreeMap, fmt::Write};

use bytes::Bytes;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};
use delta_kernel::{
    expressions::ColumnName,
    schema::{DataType, PrimitiveType, StructType},
};
use object_store::ObjectStoreExt;
use parquet::{
    errors::ParquetError,
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
        statistics::{Statistics, ValueStatistics},
    },
};

use crate::{
    commit::CommitError,
    store::{StoreError, TableStore},
};

/// What is read of a file at first: most footers fit in.
const TAIL: u64 = 64 << 10;

/// A column that has statistics, by its path from the top.
#[derive(Clone, Debug)]
pub(super) struct StatsColumn {
    path: Vec<String>,
    data_type: PrimitiveType,
}

impl StatsColumn {
    /// Those of the columns that Delta wants statistics of that hold one value a row.
    pub fn all(names: &[ColumnName], schema: &StructType) -> Vec<Self> {
        let column = |name: &ColumnName| match schema.field_at(name).ok()?.data_type() {
            DataType::Primitive(data_type) => Some(Self { path: name.path().to_vec(), data_type: data_type.clone() }),
            _ => None,
        };
        names.iter().filter_map(column).collect()
    }
}

/// The footer of a Parquet file in the store, `None` if it has none that can be read.
pub(super) async fn footer(table: &TableStore, path: &str, bytes: u64) -> Result<Option<ParquetMetaData>, CommitError> {
    let mut wanted = TAIL.min(bytes);
    loop {
        let tail = tail(table, path, bytes, wanted).await?;
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&tail, bytes) {
            Err(ParquetError::NeedMoreData(more)) if more as u64 > wanted => wanted = bytes.min(more as u64),
            Ok(()) => return Ok(reader.finish().ok()),
            Err(_) => return Ok(None),
        }
    }
}

async fn tail(table: &TableStore, path: &str, bytes: u64, wanted: u64) -> Result<Bytes, StoreError> {
    let location = table.location(path)?;
    let read = table.object_store().get_range(&location, bytes - wanted..bytes).await;
    read.map_err(|error| table.error("read", path, &error))
}

/// The statistics of a file of `rows` rows, as JSON; without a footer the number of rows alone.
pub(super) fn stats(rows: u64, footer: Option<&ParquetMetaData>, columns: &[StatsColumn]) -> String {
    let mut json = format!(r#"{{"numRecords":{rows}"#);
    if let Some(footer) = footer {
        let leaves: Vec<_> = columns.iter().filter_map(|column| Leaf::find(column, footer)).collect();
        let section = |value: &dyn Fn(&Leaf<'_>) -> Option<String>| {
            leaves.iter().fold(Tree::default(), |tree, leaf| tree.with(&leaf.column.path, value(leaf))).json()
        };
        // Writing to a string cannot fail.
        let _ = write!(json, r#","minValues":{}"#, section(&|leaf| leaf.bound(Side::Least)));
        let _ = write!(json, r#","maxValues":{}"#, section(&|leaf| leaf.bound(Side::Greatest)));
        let _ = write!(json, r#","nullCount":{}"#, section(&|leaf| leaf.nulls()));
    }
    json.push_str(r#","tightBounds":true}"#);
    json
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Least,
    Greatest,
}

/// A bound; those of one column are of one variant.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Value {
    /// Whole numbers, decimals without their point, dates and timestamps in their unit.
    Integer(i128),
    Float(f64),
    Text(String),
}

/// A column's place in the file.
struct Leaf<'a> {
    column: &'a StatsColumn,
    index: usize,
    row_groups: &'a [RowGroupMetaData],
}

impl<'a> Leaf<'a> {
    fn find(column: &'a StatsColumn, footer: &'a ParquetMetaData) -> Option<Self> {
        let leaves = footer.file_metadata().schema_descr().columns();
        let index = leaves.iter().position(|leaf| leaf.path().parts() == column.path)?;
        Some(Self { column, index, row_groups: footer.row_groups() })
    }

    fn statistics(&self) -> impl Iterator<Item = Option<&'a Statistics>> {
        self.row_groups.iter().map(|group| group.columns().get(self.index)?.statistics())
    }

    fn nulls(&self) -> Option<String> {
        let counts = self.statistics().map(|statistics| statistics?.null_count_opt());
        Some(counts.sum::<Option<u64>>()?.to_string())
    }

    /// The bound of all row groups, as JSON; `None` if all is null, or one of them does not tell.
    fn bound(&self, side: Side) -> Option<String> {
        let mut bound: Option<Value> = None;
        for (statistics, group) in self.statistics().zip(self.row_groups) {
            let statistics = statistics?;
            // A row group of nulls has no bounds, and changes none.
            if statistics.null_count_opt() == u64::try_from(group.num_rows()).ok() {
                continue;
            }
            let value = value(statistics, side)?;
            let is_further = match side {
                Side::Least => bound.as_ref().is_none_or(|bound| value < *bound),
                Side::Greatest => bound.as_ref().is_none_or(|bound| value > *bound),
            };
            if is_further {
                bound = Some(value);
            }
        }
        json(&self.column.data_type, bound?)
    }
}

fn value(statistics: &Statistics, side: Side) -> Option<Value> {
    fn of<T>(statistics: &ValueStatistics<T>, side: Side) -> Option<&T> {
        match side {
            Side::Least => statistics.min_opt(),
            Side::Greatest => statistics.max_opt(),
        }
    }
    Some(match statistics {
        Statistics::Int32(statistics) => Value::Integer(i128::from(*of(statistics, side)?)),
        Statistics::Int64(statistics) => Value::Integer(i128::from(*of(statistics, side)?)),
        Statistics::Float(statistics) => Value::Float(f64::from(*of(statistics, side)?)),
        Statistics::Double(statistics) => Value::Float(*of(statistics, side)?),
        Statistics::ByteArray(statistics) => Value::Text(of(statistics, side)?.as_utf8().ok()?.to_owned()),
        // Decimals of many digits: big-endian two's complement.
        Statistics::FixedLenByteArray(statistics) => {
            let bytes = of(statistics, side)?.data();
            let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
            Value::Integer(bytes.iter().fold(sign, |value, byte| (value << 8) | i128::from(*byte)))
        }
        Statistics::Boolean(_) | Statistics::Int96(_) => return None,
    })
}

/// A bound as Delta writes it; `None` for a type that has none and a value that readers could not take in.
fn json(data_type: &PrimitiveType, value: Value) -> Option<String> {
    Some(match (data_type, value) {
        (PrimitiveType::String, Value::Text(text)) => serde_json::to_string(&text).ok()?,
        (PrimitiveType::Float | PrimitiveType::Double, Value::Float(value)) => {
            value.is_finite().then(|| format!("{value:?}"))?
        }
        (PrimitiveType::Decimal(decimal), Value::Integer(value)) => unscaled(value, usize::from(decimal.scale())),
        (PrimitiveType::Date, Value::Integer(days)) => {
            let day = NaiveDate::default().checked_add_signed(TimeDelta::try_days(i64::try_from(days).ok()?)?)?;
            is_common(&day).then(|| day.format("\"%Y-%m-%d\"").to_string())?
        }
        (PrimitiveType::Timestamp, Value::Integer(micros)) => moment(micros, "\"%Y-%m-%dT%H:%M:%S%.6fZ\"")?,
        (PrimitiveType::TimestampNtz, Value::Integer(micros)) => moment(micros, "\"%Y-%m-%dT%H:%M:%S%.6f\"")?,
        (
            PrimitiveType::Byte | PrimitiveType::Short | PrimitiveType::Integer | PrimitiveType::Long,
            Value::Integer(value),
        ) => value.to_string(),
        _ => return None,
    })
}

fn moment(micros: i128, format: &str) -> Option<String> {
    let moment = DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)?;
    is_common(&moment).then(|| moment.format(format).to_string())
}

/// Whether the year has four digits.
fn is_common(date: &impl Datelike) -> bool {
    (1..=9999).contains(&date.year())
}

/// A decimal with its point, as a JSON number.
fn unscaled(value: i128, scale: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    match digits.split_at(digits.len() - scale) {
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

/// Values by the path of their column, as nested JSON objects. Text and not `serde_json::Value`, which would round decimals.
#[derive(Debug, Default)]
struct Tree {
    leaf: Option<String>,
    children: BTreeMap<String, Tree>,
}

impl Tree {
    fn with(mut self, path: &[String], value: Option<String>) -> Self {
        if value.is_some() {
            let node = path.iter().fold(&mut self, |node, name| node.children.entry(name.clone()).or_default());
            node.leaf = value;
        }
        self
    }

    fn json(&self) -> String {
        if let Some(leaf) = &self.leaf {
            return leaf.clone();
        }
        let quoted = |name: &String| serde_json::Value::from(name.as_str()).to_string();
        let fields = self.children.iter().map(|(name, tree)| format!("{}:{}", quoted(name), tree.json()));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}
