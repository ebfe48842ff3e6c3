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

    /// The columns to be added to a table of this schema so that it can hold ours.
    ///
    /// # Errors
    /// A change that the kernel cannot make, told as a sentence.
    pub fn added_to(&self, table: &StructType) -> Result<Vec<StructField>, String> {
        let added = self.fields.iter().filter(|field| !table.contains(field.name()));
        for field in table.fields() {
            let Some(ours) = self.fields.iter().find(|ours| ours.name() == field.name()) else {
                return Err(format!("the column `{}` is gone from the schema", field.name()));
            };
            if ours.data_type() != field.data_type() {
                let (before, now) = (field.data_type(), ours.data_type());
                return Err(format!("the column `{}` is {before}, and is to be {now}", field.name()));
            }
            if ours.is_nullable() && !field.is_nullable() {
                return Err(format!("the column `{}` may not be null, and is to be", field.name()));
            }
        }
        // The rows that are there have no value.
        Ok(added.map(|field| StructField::nullable(field.name(), field.data_type().clone())).collect())
    }
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
