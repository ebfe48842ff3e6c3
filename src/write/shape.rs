//! The expected shape of a data file, for checks: its columns, its directory, and rows that belong there.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Scalar},
    compute::kernels::cmp::distinct,
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use parquet::{arrow::ArrowSchemaConverter, schema::types::SchemaDescriptor};

use super::{
    WriteError, hive, literal,
    partition::{arrow_schema, file_columns},
    transform,
};
use crate::{
    model::PartitionKey,
    plan::{PartitionField, Transform},
    schema::TableSchema,
};

/// The directory of a partition, with a slash at its end; empty for the table's root. `None` for a value that has none.
pub fn directory(partition: &PartitionKey) -> Option<String> {
    let mut path = String::new();
    for (key, value) in partition {
        path.push_str(&hive::directory(key, value.as_deref()).ok()?);
        path.push('/');
    }
    Some(path)
}

/// The shape of a table's data files.
#[derive(Clone, Debug)]
pub struct FileShape {
    schema: TableSchema,
    partition_by: Vec<PartitionField>,
    data: SchemaRef,
    all: SchemaRef,
}

/// A row that lies in the wrong directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// The partition key, e.g. `created_at_month`.
    pub key: String,
    /// The value in the directory name; `None` is null.
    pub told: Option<String>,
    /// The value of the row.
    pub value: Option<String>,
}

impl FileShape {
    pub fn new(schema: &TableSchema, partition_by: &[PartitionField]) -> Self {
        Self {
            data: arrow_schema(schema, &file_columns(schema, partition_by)),
            all: schema.to_arrow(),
            schema: schema.clone(),
            partition_by: partition_by.to_vec(),
        }
    }

    /// Returns the Arrow schema of a file. Columns in directory names are omitted, except in the file of an empty table.
    pub fn arrow(&self, is_empty_table: bool) -> &SchemaRef {
        if is_empty_table { &self.all } else { &self.data }
    }

    /// Returns the Parquet schema of a file.
    pub fn parquet(&self, is_empty_table: bool) -> Result<SchemaDescriptor, WriteError> {
        Ok(ArrowSchemaConverter::new().with_coerce_types(true).convert(self.arrow(is_empty_table))?)
    }

    /// Returns the columns that determine the partition of a row, as input for [`misplaced`](Self::misplaced).
    pub fn partition_columns(&self) -> Vec<&str> {
        let columns = self.derived().filter_map(|field| self.schema.columns.get(field.column));
        columns.map(|column| column.name.as_str()).collect()
    }

    /// Partition fields whose column is in the file.
    fn derived(&self) -> impl Iterator<Item = &PartitionField> {
        self.partition_by.iter().filter(|field| field.transform != Transform::Identity)
    }

    /// The first of these rows of a file that does not belong into its partition.
    ///
    /// # Errors
    /// Rows without a column that they should have, or of another type.
    pub fn misplaced(&self, rows: &RecordBatch, partition: &PartitionKey) -> Result<Option<Misplaced>, WriteError> {
        for field in self.derived() {
            let told = partition.iter().find(|(key, _)| *key == field.key).and_then(|(_, value)| value.clone());
            let values = self.values(field, rows)?;
            if let Some(value) = first_other(field.transform, &values, told.as_deref())? {
                return Ok(Some(Misplaced { key: field.key.clone(), told, value }));
            }
        }
        Ok(None)
    }

    fn values(&self, field: &PartitionField, rows: &RecordBatch) -> Result<ArrayRef, WriteError> {
        let missing = || WriteError::NoColumn { index: field.column };
        let column = self.schema.columns.get(field.column).ok_or_else(missing)?;
        let values = rows.column_by_name(&column.name).ok_or_else(missing)?;
        Ok(transform::apply(field.transform, &column.data_type, values)?)
    }
}

/// Returns the first value that differs from the directory name. Equal values are converted to text once.
fn first_other(
    transform: Transform,
    values: &ArrayRef,
    told: Option<&str>,
) -> Result<Option<Option<String>>, WriteError> {
    if values.is_empty() {
        return Ok(None);
    }
    let first = literal::text(transform, values, 0)?;
    if first.as_deref() != told {
        return Ok(Some(first));
    }
    let others = distinct(values, &Scalar::new(Arc::clone(&values.slice(0, 1))))?;
    let other = others.values().set_indices().next();
    Ok(other.map(|row| literal::text(transform, values, row)).transpose()?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, TimestampMicrosecondArray};

    use super::*;
    use crate::schema::{Column, Source};

    const DAY: i64 = 86_400_000_000;

    fn shape() -> FileShape {
        let column = |name: &str, data_type: &str| Column {
            name: name.into(),
            source: Source::Path(vec![name.into()]),
            data_type: data_type.parse().unwrap(),
            nullable: true,
            format: None,
        };
        let schema = TableSchema { columns: vec![column("zip", "int64"), column("at", "timestamp")] };
        let field = |column, transform, key: &str| PartitionField { column, transform, key: key.into() };
        FileShape::new(&schema, &[field(0, Transform::Identity, "zip"), field(1, Transform::Month, "at_month")])
    }

    fn rows(days: Vec<Option<i64>>) -> RecordBatch {
        let micros: Vec<_> = days.into_iter().map(|day| day.map(|day| day * DAY)).collect();
        let column = TimestampMicrosecondArray::from(micros).with_timezone("+00:00");
        RecordBatch::try_from_iter([("at", Arc::new(column) as ArrayRef)]).unwrap()
    }

    fn partition(month: Option<&str>) -> PartitionKey {
        vec![("zip".into(), Some("1".into())), ("at_month".into(), month.map(str::to_owned))]
    }

    #[test]
    fn a_directory_is_written_as_the_writer_writes_it() {
        assert_eq!(directory(&partition(None)).unwrap(), "zip=1/at_month=__HIVE_DEFAULT_PARTITION__/");
        assert_eq!(directory(&vec![("a".into(), Some("b/c".into()))]).unwrap(), "a=b%2Fc/");
        assert_eq!(directory(&Vec::new()).unwrap(), "");
        assert_eq!(directory(&vec![("a".into(), Some(String::new()))]), None);
    }

    #[test]
    fn a_file_lacks_the_columns_that_its_directory_tells_but_for_the_one_of_an_empty_table() {
        let names = |is_empty| {
            let parquet = shape().parquet(is_empty).unwrap();
            parquet.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["at"]);
        assert_eq!(names(true), ["zip", "at"]);
        assert_eq!(shape().partition_columns(), ["at"]);
    }

    #[test]
    fn the_first_row_of_another_partition_is_found_whichever_it_is() {
        let shape = shape();
        let january = partition(Some("1970-01"));
        assert_eq!(shape.misplaced(&rows(vec![Some(0), Some(30)]), &january).unwrap(), None);
        let found = |days, key: &PartitionKey| shape.misplaced(&rows(days), key).unwrap().map(|found| found.value);
        assert_eq!(found(vec![Some(0), Some(31)], &january), Some(Some("1970-02".into())));
        assert_eq!(found(vec![Some(0), None], &january), Some(None));
        assert_eq!(found(vec![Some(31), Some(31)], &january), Some(Some("1970-02".into())));
        assert_eq!(found(vec![None, None], &partition(None)), None);
        assert_eq!(found(vec![Some(0)], &partition(None)), Some(Some("1970-01".into())));
        assert_eq!(found(Vec::new(), &january), None);
    }

    #[test]
    fn rows_without_the_column_are_an_error_and_no_panic() {
        let other = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert!(matches!(shape().misplaced(&other, &partition(None)), Err(WriteError::NoColumn { index: 1 })));
    }
}
