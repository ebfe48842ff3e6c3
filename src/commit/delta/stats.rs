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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    };
    use delta_kernel::schema::StructField;
    use parquet::arrow::ArrowWriter;
    use serde_json::{Value as Json, json};

    use super::*;

    type Row<'a> = (Option<i64>, Option<i128>, f64, Option<&'a str>, i32);

    fn batch(rows: &[Row<'_>]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
        let prices = rows.iter().map(|row| row.1).collect::<Decimal128Array>().with_precision_and_scale(20, 2).unwrap();
        let sizes = rows.iter().map(|row| row.2).collect::<Vec<_>>();
        let names = rows.iter().map(|row| row.3).collect::<StringArray>();
        let days = rows.iter().map(|row| row.4).collect::<Vec<_>>();
        RecordBatch::try_from_iter_with_nullable([
            ("id", ids, true),
            ("price", Arc::new(prices), true),
            ("size", Arc::new(Float64Array::from(sizes)), true),
            ("name", Arc::new(names), true),
            ("day", Arc::new(Date32Array::from(days)), true),
            ("flag", Arc::new(BooleanArray::from(vec![true; rows.len()])), true),
        ])
        .unwrap()
    }

    /// A file with a row group for each batch, and its statistics.
    fn written(groups: &[RecordBatch]) -> Json {
        let mut content = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut content, groups[0].schema(), None).unwrap();
        for group in groups {
            writer.write(group).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        let footer = ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(content)).unwrap();
        let rows = groups.iter().map(|group| group.num_rows() as u64).sum();
        serde_json::from_str(&stats(rows, Some(&footer), &columns())).unwrap()
    }

    fn columns() -> Vec<StatsColumn> {
        let types = [
            ("id", DataType::LONG),
            ("price", DataType::Primitive(PrimitiveType::decimal(20, 2).unwrap())),
            ("size", DataType::DOUBLE),
            ("name", DataType::STRING),
            ("day", DataType::DATE),
            ("flag", DataType::BOOLEAN),
        ];
        let schema =
            StructType::try_new(types.clone().map(|(name, data_type)| StructField::nullable(name, data_type))).unwrap();
        StatsColumn::all(&types.map(|(name, _)| ColumnName::new([name])), &schema)
    }

    #[test]
    fn bounds_are_those_of_all_row_groups_and_a_group_of_nulls_changes_none() {
        let stats = written(&[
            batch(&[(Some(3), Some(-1234), 0.5, Some("b\""), 0), (None, Some(5), 1e300, None, 1)]),
            batch(&[(None, None, -2.0, None, 20_000)]),
            batch(&[(Some(-7), Some(99), 0.0, Some("a"), -1)]),
        ]);
        assert_eq!(stats["numRecords"], 4);
        assert_eq!(stats["nullCount"], json!({"id": 2, "price": 1, "size": 0, "name": 2, "day": 0, "flag": 0}));
        assert_eq!(
            stats["minValues"].to_string(),
            r#"{"day":"1969-12-31","id":-7,"name":"a","price":-12.34,"size":-2.0}"#
        );
        let (greatest, expected) =
            (&stats["maxValues"], json!({"id": 3, "price": 0.99, "size": 1e300, "name": "b\"", "day": "2024-10-04"}));
        assert_eq!(*greatest, expected);
    }

    #[test]
    fn a_column_of_nulls_and_an_infinite_bound_have_no_bounds() {
        let stats = written(&[batch(&[(None, None, f64::INFINITY, None, i32::MAX), (None, None, 1.0, None, 0)])]);
        assert_eq!(stats["minValues"], json!({"size": 1.0, "day": "1970-01-01"}));
        assert_eq!(stats["maxValues"], json!({}));
        assert_eq!(stats["nullCount"]["name"], 2);
    }

    #[test]
    fn without_a_footer_the_rows_are_all_that_is_known() {
        assert_eq!(stats(5, None, &columns()), r#"{"numRecords":5,"tightBounds":true}"#);
    }

    #[test]
    fn a_decimal_has_its_point_where_its_scale_says() {
        let written =
            [(0, 2), (-5, 2), (-1234, 2), (1234, 0), (i128::MAX, 38)].map(|(value, scale)| unscaled(value, scale));
        assert_eq!(written, ["0.00", "-0.05", "-12.34", "1234", "1.70141183460469231731687303715884105727"]);
    }

    #[test]
    fn moments_before_1970_and_beyond_year_9999_are_dates_or_nothing() {
        let form = "%Y-%m-%dT%H:%M:%S%.6fZ";
        assert_eq!(moment(-1, form).as_deref(), Some("1969-12-31T23:59:59.999999Z"));
        assert_eq!(moment(i128::from(i64::MAX), form), None);
        assert_eq!(moment(i128::MAX, form), None);
    }
}
