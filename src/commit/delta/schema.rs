//! Our columns as Delta's: types, partition columns, and how the schema of a table may change.
//!
//! A partition column of the identity transform is the column itself. The key of another transform (`created_at_month`) is a
//! column of its own behind the others, of the natural type of its text: `year` and `bucket` are integers, `day` a date, a
//! truncated number a decimal with room below its column's least value, and `month`, `hour` and truncated text are strings.

use delta_kernel::{
    KernelResult,
    expressions::Scalar,
    schema::{ArrayType, DataType, MapType, PrimitiveType, StructField, StructType},
};

use crate::{
    model::PartitionKey,
    schema::{Column, ColumnType, TableSchema},
};

/// The precision with which whole numbers are truncated: an int64 and a digit more.
const TRUNCATED_INTEGER: u8 = 20;

/// A table's columns in Delta, and which of them are partition columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    pub fields: Vec<StructField>,
    /// In the order of the partition spec.
    pub partition_columns: Vec<String>,
}

impl Layout {
    /// # Errors
    /// A type that Delta does not have, told as a sentence.
    pub fn new(schema: &TableSchema, partition_by: &[String]) -> Result<Self, String> {
        let mut fields = schema.columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
        let mut partition_columns = Vec::with_capacity(partition_by.len());
        for spec in partition_by {
            let key = Key::new(spec, schema)?;
            if !fields.iter().any(|field| *field.name() == key.name) {
                fields.push(StructField::nullable(&key.name, key.data_type));
            }
            partition_columns.push(key.name);
        }
        Ok(Self { fields, partition_columns })
    }

    /// The partition columns, in the order of the spec.
    pub fn keys(&self) -> Vec<KeyColumn> {
        let is_timestamp = |name: &str| {
            let field = self.fields.iter().find(|field| field.name() == name);
            let data_type = field.map(StructField::data_type);
            data_type.is_some_and(|found| [DataType::TIMESTAMP, DataType::TIMESTAMP_NTZ].contains(found))
        };
        let key = |name: &String| KeyColumn { name: name.clone(), is_timestamp: is_timestamp(name) };
        self.partition_columns.iter().map(key).collect()
    }

    /// What is to be done to a table of this schema so that it can hold ours.
    ///
    /// # Errors
    /// A change that the kernel cannot make, told as a sentence.
    pub fn changes_to(&self, table: &StructType) -> Result<Vec<ColumnChange>, String> {
        let added = self.fields.iter().filter(|field| !table.contains(field.name()));
        let mut changes = Vec::new();
        for field in table.fields() {
            let Some(ours) = self.fields.iter().find(|ours| ours.name() == field.name()) else {
                return Err(format!("the column `{}` is gone from the schema", field.name()));
            };
            if ours.data_type() != field.data_type() {
                let (before, now) = (field.data_type(), ours.data_type());
                return Err(format!("the column `{}` is {before}, and is to be {now}", field.name()));
            }
            if ours.is_nullable() && !field.is_nullable() {
                changes.push(ColumnChange::MayBeNull(field.name().clone()));
            }
        }
        // The rows that are there have no value.
        let added = added.map(|field| StructField::nullable(field.name(), field.data_type().clone()));
        changes.extend(added.map(ColumnChange::Add));
        Ok(changes)
    }
}

/// A partition column, as far as the texts of its values go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub name: String,
    pub is_timestamp: bool,
}

impl KeyColumn {
    /// A value as another writer may have written it, in the form in which restlake does.
    pub fn literal(&self, text: String) -> String {
        if self.is_timestamp { timestamp_literal(&text).unwrap_or(text) } else { text }
    }
}

/// `2026-11-22T10:00:00.000000Z`, and what else the protocol allows, as `2026-11-22 10:00:00`; the fraction only where there
/// is one.
fn timestamp_literal(text: &str) -> Option<String> {
    let (date, time) = text.split_once(['T', ' '])?;
    let time = time.strip_suffix('Z').unwrap_or(time);
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let is_zone = |character: char| !character.is_ascii_digit();
    if fraction.contains(is_zone) || fraction.len() > 6 || whole.contains(['+', '-']) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    Some(if fraction.is_empty() { format!("{date} {whole}") } else { format!("{date} {whole}.{fraction:0<6}") })
}

/// What the kernel can do to a table's columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ColumnChange {
    Add(StructField),
    /// A column that was never null.
    MayBeNull(String),
}

/// The partition values of a file as the kernel takes them.
pub(super) fn partition_values(
    key: &PartitionKey,
    columns: &[String],
    schema: &StructType,
) -> KernelResult<Vec<(String, Scalar)>> {
    let value_of = |name: &String| {
        let text = key.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref());
        let data_type = schema.field(name).map(StructField::data_type);
        let value = match (data_type, text) {
            (Some(DataType::Primitive(primitive)), Some(text)) => primitive.parse_scalar(text)?,
            (data_type, _) => Scalar::Null(data_type.cloned().unwrap_or(DataType::STRING)),
        };
        Ok((name.clone(), value))
    };
    columns.iter().map(value_of).collect()
}

fn field(column: &Column) -> Result<StructField, String> {
    let data_type = data_type(&column.data_type)
        .ok_or_else(|| format!("the column `{}` is {}, which Delta does not have", column.name, column.data_type))?;
    Ok(StructField::new(&column.name, data_type, column.nullable))
}

/// Delta's type, `None` if there is none.
fn data_type(column: &ColumnType) -> Option<DataType> {
    Some(match column {
        ColumnType::Bool => DataType::BOOLEAN,
        ColumnType::Int8 => DataType::BYTE,
        ColumnType::Int16 => DataType::SHORT,
        ColumnType::Int32 => DataType::INTEGER,
        ColumnType::Int64 => DataType::LONG,
        ColumnType::Float32 => DataType::FLOAT,
        ColumnType::Float64 => DataType::DOUBLE,
        ColumnType::Decimal { precision, scale } => decimal(*precision, *scale)?,
        ColumnType::String | ColumnType::Json | ColumnType::Uuid => DataType::STRING,
        ColumnType::Binary => DataType::BINARY,
        ColumnType::Date => DataType::DATE,
        ColumnType::Timestamp => DataType::TIMESTAMP,
        ColumnType::TimestampNaive => DataType::TIMESTAMP_NTZ,
        ColumnType::List(item) => ArrayType::new(data_type(item)?, true).into(),
        ColumnType::Map(value) => MapType::new(DataType::STRING, data_type(value)?, true).into(),
        ColumnType::Struct(fields) => {
            let fields =
                fields.iter().map(|field| Some(StructField::nullable(&field.name, data_type(&field.data_type)?)));
            DataType::try_struct_type(fields.collect::<Option<Vec<_>>>()?).ok()?
        }
        ColumnType::UInt8 | ColumnType::UInt16 | ColumnType::UInt32 | ColumnType::UInt64 | ColumnType::Time => {
            return None;
        }
    })
}

fn decimal(precision: u8, scale: u8) -> Option<DataType> {
    PrimitiveType::decimal(precision, scale).ok().map(DataType::Primitive)
}

/// A partition column.
struct Key {
    name: String,
    data_type: DataType,
}

impl Key {
    /// Reads what [`PartitionField::spec`](crate::plan::PartitionField::spec) writes.
    fn new(spec: &str, schema: &TableSchema) -> Result<Self, String> {
        let unknown = || format!("`{spec}` is no partition that this version of restlake knows");
        let call = spec.strip_suffix(')').and_then(|spec| spec.split_once('('));
        let Some((transform, column)) = call.filter(|_| schema.index_of(spec).is_none()) else {
            let data_type = column_type(schema, spec).map_or(Some(DataType::STRING), data_type);
            return Ok(Self { name: spec.to_owned(), data_type: data_type.ok_or_else(unknown)? });
        };
        let word = transform.split('[').next().unwrap_or_default();
        let data_type = match word {
            "year" | "bucket" => DataType::INTEGER,
            "day" => DataType::DATE,
            "month" | "hour" => DataType::STRING,
            "truncate" => truncated(column_type(schema, column)).ok_or_else(unknown)?,
            _ => return Err(unknown()),
        };
        Ok(Self { name: format!("{column}_{word}"), data_type })
    }
}

fn column_type<'a>(schema: &'a TableSchema, name: &str) -> Option<&'a ColumnType> {
    schema.columns.iter().find(|column| column.name == name).map(|column| &column.data_type)
}

fn truncated(column: Option<&ColumnType>) -> Option<DataType> {
    match column? {
        ColumnType::Decimal { scale, .. } => decimal(crate::schema::types::MAX_DECIMAL_PRECISION, *scale),
        ColumnType::String | ColumnType::Json => Some(DataType::STRING),
        _ => decimal(TRUNCATED_INTEGER, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Source;

    fn schema(columns: &[(&str, ColumnType, bool)]) -> TableSchema {
        let column = |(name, data_type, nullable): &(&str, ColumnType, bool)| Column {
            name: (*name).to_owned(),
            source: Source::Path(vec![(*name).to_owned()]),
            data_type: data_type.clone(),
            nullable: *nullable,
            format: None,
        };
        TableSchema { columns: columns.iter().map(column).collect() }
    }

    fn layout(columns: &[(&str, ColumnType, bool)], partition_by: &[&str]) -> Result<Layout, String> {
        let partition_by: Vec<String> = partition_by.iter().map(|spec| (*spec).to_owned()).collect();
        Layout::new(&schema(columns), &partition_by)
    }

    fn cases() -> [(&'static str, ColumnType, bool); 4] {
        let price = ColumnType::Decimal { precision: 10, scale: 2 };
        [
            ("id", ColumnType::Int64, false),
            ("at", ColumnType::Timestamp, true),
            ("price", price, true),
            ("name", ColumnType::String, true),
        ]
    }

    #[test]
    fn keys_of_transforms_are_columns_behind_the_others_and_an_identity_is_its_own_column() {
        let specs =
            ["name", "year(at)", "month(at)", "day(at)", "bucket[4](id)", "truncate[10](id)", "truncate[1](price)"];
        let layout = layout(&cases(), &specs).unwrap();
        let keys: Vec<_> =
            layout.fields[4..].iter().map(|field| (field.name().as_str(), field.data_type().to_string())).collect();
        let key = |name: &'static str, data_type: &str| (name, data_type.to_owned());
        assert_eq!(
            keys,
            [
                key("at_year", "integer"),
                key("at_month", "string"),
                key("at_day", "date"),
                key("id_bucket", "integer"),
                key("id_truncate", "decimal(20,0)"),
                key("price_truncate", "decimal(38,2)"),
            ]
        );
        assert_eq!(layout.partition_columns[..2], ["name", "at_year"]);
        assert!(!layout.fields[0].is_nullable() && layout.fields[1].is_nullable());
    }

    #[test]
    fn a_type_or_a_partition_that_delta_lacks_is_told_by_name() {
        let error = layout(&[("n", ColumnType::UInt8, true)], &[]).unwrap_err();
        assert!(error.contains("`n` is uint8"), "{error}");
        let nested = ColumnType::List(Box::new(ColumnType::Time));
        assert!(layout(&[("n", nested, true)], &[]).is_err());
        assert!(layout(&cases(), &["week(at)"]).unwrap_err().contains("week(at)"));
    }

    /// A column's name and type, and whether it may be null.
    type Declared = (&'static str, ColumnType, bool);

    #[test]
    fn a_table_takes_new_columns_and_null_where_there_was_none_and_no_other_change() {
        let layout = |columns: &[(&str, ColumnType, bool)]| layout(columns, &[]).unwrap();
        let table = StructType::try_new(layout(&cases()).fields).unwrap();
        let grown = [&cases()[..], &[("new", ColumnType::Date, false)]].concat();
        let changes = layout(&grown).changes_to(&table).unwrap();
        assert_eq!(changes, [ColumnChange::Add(StructField::nullable("new", DataType::DATE))]);
        let refused = |change: &dyn Fn(&mut Vec<Declared>)| {
            let mut columns = cases().to_vec();
            change(&mut columns);
            layout(&columns).changes_to(&table).unwrap_err()
        };
        assert!(refused(&|columns| drop(columns.remove(1))).contains("`at` is gone"));
        assert!(refused(&|columns| columns[0].1 = ColumnType::String).contains("`id` is long, and is to be string"));
        let mut relaxed = cases();
        relaxed[0].2 = true;
        assert_eq!(layout(&relaxed).changes_to(&table).unwrap(), [ColumnChange::MayBeNull("id".to_owned())]);
    }

    #[test]
    fn partition_values_are_of_their_columns_types_and_null_without_a_text() {
        let layout = layout(&cases(), &["name", "day(at)"]).unwrap();
        let table = StructType::try_new(layout.fields).unwrap();
        let key = vec![("name".to_owned(), None), ("at_day".to_owned(), Some("1970-01-02".to_owned()))];
        let values = partition_values(&key, &layout.partition_columns, &table).unwrap();
        let value = |name: &str, value: Scalar| (name.to_owned(), value);
        assert_eq!(values, [value("name", Scalar::Null(DataType::STRING)), value("at_day", Scalar::Date(1))]);
        let wrong = vec![("at_day".to_owned(), Some("x".to_owned()))];
        assert!(partition_values(&wrong, &layout.partition_columns, &table).is_err());
    }

    #[test]
    fn timestamps_of_other_writers_are_read_in_every_form_that_the_protocol_has() {
        let keys = layout(&cases(), &["at", "name"]).unwrap().keys();
        let literals = |text: &str| (keys[0].literal(text.to_owned()), keys[1].literal(text.to_owned()));
        let whole = "2026-11-22 10:00:00".to_owned();
        for text in
            ["2026-11-22T10:00:00.000000Z", "2026-11-22T10:00:00Z", "2026-11-22 10:00:00", "2026-11-22 10:00:00.0"]
        {
            assert_eq!(literals(text), (whole.clone(), text.to_owned()));
        }
        assert_eq!(literals("2026-11-22T10:00:00.12Z").0, "2026-11-22 10:00:00.120000");
        for other in ["soon", "2026-11-22T10:00:00+01:00", "2026-11-22T10:00:00.1+01:00"] {
            assert_eq!(literals(other).0, other);
        }
    }
}
