//! A finished file with the columns of a newer schema: those that it lacks are null, those that are wider now are converted.
//!
//! Rows and their order stay, and so do row groups; where rows are to be sorted, they are within each row group.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray, new_null_array},
    buffer::BooleanBuffer,
    compute::{CastOptions, cast_with_options, max, min},
    datatypes::{DataType, Int64Type, SchemaRef},
    error::ArrowError,
};

use super::{Change, WriteError, WriteOptions, encode::Encoding, partition, rewrite, table};
use crate::{
    model::EncodedFile,
    plan::Transform,
    schema::{ColumnType, TableSchema, change::LARGEST_EXACT},
};

/// The file as the schema of `options` has it, under the same name; `from` is the schema that it was written with. The
/// partition spec is the same in both. The ranges of its keys are computed anew.
///
/// # Errors
/// [`WriteError::Parquet`] if the content is no such file, [`WriteError::Arrow`] if a column of it cannot become the new one.
pub fn adapt(file: EncodedFile, from: &TableSchema, options: &WriteOptions) -> Result<EncodedFile, WriteError> {
    let keep = BooleanBuffer::new_set(usize::try_from(file.rows).unwrap_or(usize::MAX));
    let (path, partition) = (file.path.clone(), file.partition.clone());
    let adapted = adapt_with(file, from, &Change { keep, patch: None }, options)?;
    // A file without rows stays one.
    adapted.map_or_else(|| Ok(EncodedFile { path, partition, ..table::empty_file(options, 0)? }), Ok)
}

/// As [`adapt`], and changed as [`rewrite_with`](super::rewrite_with) does.
///
/// # Errors
/// Those of both.
pub fn adapt_with(
    file: EncodedFile,
    from: &TableSchema,
    change: &Change,
    options: &WriteOptions,
) -> Result<Option<EncodedFile>, WriteError> {
    let encoding = Encoding::new(options, &partition::file_columns(&options.schema, &options.partition_by))?;
    let adapter = Adapter::new(from, options, &encoding);
    rewrite::changed(file, change, options, &encoding, Some(&adapter))
}

/// From the columns of a file to those of another schema.
pub(super) struct Adapter<'a> {
    from: &'a TableSchema,
    options: &'a WriteOptions,
    encoding: &'a Encoding,
    /// The schema of the file.
    written: SchemaRef,
}

impl<'a> Adapter<'a> {
    fn new(from: &'a TableSchema, options: &'a WriteOptions, encoding: &'a Encoding) -> Self {
        let in_directory = |name: &str| {
            let told = options.partition_by.iter().filter(|field| field.transform == Transform::Identity);
            let mut columns = told.filter_map(|field| options.schema.columns.get(field.column));
            columns.any(|column| column.name == name)
        };
        let columns = from.columns.iter().enumerate().filter(|(_, column)| !in_directory(&column.name));
        let written: Vec<usize> = columns.map(|(index, _)| index).collect();
        Self { from, options, encoding, written: partition::arrow_schema(from, &written) }
    }

    /// Returns the schema to read the rows of the file with.
    pub(super) fn written(&self) -> &SchemaRef {
        &self.written
    }

    pub(super) fn adapt(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let schema = self.encoding.schema();
        let columns = schema.fields().iter().map(|field| match rows.column_by_name(field.name()) {
            Some(array) => self.column(field.name(), array),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        });
        RecordBatch::try_new(SchemaRef::clone(schema), columns.collect::<Result<_, _>>()?)
    }

    fn column(&self, name: &str, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let data_type = |schema: &'a TableSchema| {
            let column = schema.index_of(name).and_then(|index| schema.columns.get(index));
            column.map(|column| &column.data_type).ok_or_else(|| unlike(name))
        };
        let widened = widen(array, data_type(self.from)?, data_type(&self.options.schema)?);
        widened.map_err(|error| match error {
            ArrowError::CastError(reason) => ArrowError::CastError(format!("the column `{name}`: {reason}")),
            other => other,
        })
    }
}

/// Converts values to a type that holds all of them, see [`schema::change::widens`](crate::schema::change::widens).
///
/// # Errors
/// An array that is not of the type `from`, or a value that `to` does not hold.
pub fn widen(array: &ArrayRef, from: &ColumnType, to: &ColumnType) -> Result<ArrayRef, ArrowError> {
    let (before, now) = (from.to_arrow(), to.to_arrow());
    if before == now {
        return Ok(Arc::clone(array));
    }
    // A column that held no value may become whatever its first values are.
    if array.null_count() == array.len() {
        return Ok(new_null_array(&now, array.len()));
    }
    match (from, to, now) {
        (ColumnType::Int64, ColumnType::Float64, _) if has_large_integers(array) => {
            Err(ArrowError::CastError("it holds whole numbers beyond 2^53, which no float64 equals".to_owned()))
        }
        (ColumnType::List(from), ColumnType::List(to), DataType::List(field)) => {
            let list = array.as_list_opt::<i32>().ok_or_else(|| unlike("a list"))?;
            let values = widen(list.values(), from, to)?;
            Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?))
        }
        (ColumnType::Map(from), ColumnType::Map(to), DataType::Map(field, sorted)) => {
            let map = array.as_map_opt().ok_or_else(|| unlike("a map"))?;
            let values = widen(map.values(), from, to)?;
            let DataType::Struct(fields) = field.data_type() else { return Err(unlike("a map")) };
            let entries = StructArray::try_new(fields.clone(), vec![Arc::clone(map.keys()), values], None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(field, offsets, entries, nulls, sorted)?))
        }
        (ColumnType::Struct(from), ColumnType::Struct(to), DataType::Struct(fields)) => {
            let object = array.as_struct_opt().ok_or_else(|| unlike("a struct"))?;
            let columns = to.iter().map(|field| match from.iter().find(|before| before.name == field.name) {
                Some(before) => {
                    let values = object.column_by_name(&field.name).ok_or_else(|| unlike(&field.name))?;
                    widen(values, &before.data_type, &field.data_type)
                }
                None => Ok(new_null_array(&field.data_type.to_arrow(), object.len())),
            });
            let columns = columns.collect::<Result<_, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields, columns, object.nulls().cloned(), object.len())?))
        }
        (_, _, now) => cast_with_options(array, &now, &CastOptions { safe: false, ..CastOptions::default() }),
    }
}

/// Returns true if whole numbers are in the array, at any depth, that a float64 may not equal.
pub fn has_large_integers(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Int64 => {
            let values = array.as_primitive::<Int64Type>();
            let is_large =
                |value: Option<i64>| value.is_some_and(|value| value.unsigned_abs() > LARGEST_EXACT.unsigned_abs());
            is_large(min(values)) || is_large(max(values))
        }
        DataType::List(_) => has_large_integers(array.as_list::<i32>().values()),
        DataType::Struct(_) => array.as_struct().columns().iter().any(has_large_integers),
        _ => false,
    }
}

fn unlike(what: &str) -> ArrowError {
    ArrowError::SchemaError(format!("the file does not have {what} where its schema says so"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::{
        array::{Int64Array, StringArray},
        compute::cast,
    };
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::{
        plan::{Compression, ParquetPlan, PartitionField},
        schema::{Column, Source},
        write::TableWriter,
    };

    fn schema(columns: &[(&str, &str)]) -> TableSchema {
        let column = |(name, data_type): &(&str, &str)| Column {
            name: (*name).to_owned(),
            source: Source::Path(vec![(*name).to_owned()]),
            data_type: data_type.parse().unwrap(),
            nullable: true,
            format: None,
        };
        TableSchema { columns: columns.iter().map(column).collect() }
    }

    fn options(schema: TableSchema) -> WriteOptions {
        WriteOptions {
            schema,
            partition_by: Vec::new(),
            parquet: ParquetPlan {
                compression: Compression::Snappy,
                target_file_size: 1 << 30,
                row_group_rows: 3,
                bloom_filter: Vec::new(),
                sort_by: Vec::new(),
            },
            version: 1,
            position: 0,
            memory: 1 << 24,
            index: false,
            keys: vec![0],
            pipeline: "p".into(),
            resource: "r".into(),
        }
    }

    /// The one file of these rows; columns are `id` and, as text, `s`.
    fn file(options: &WriteOptions, ids: &[i64]) -> EncodedFile {
        let mut writer = TableWriter::new(options.clone()).unwrap();
        let arrow = options.schema.to_arrow();
        let id: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let text: ArrayRef = Arc::new(ids.iter().map(|id| Some(format!("s{id}"))).collect::<StringArray>());
        let arrays =
            [id, text].into_iter().zip(arrow.fields()).map(|(array, field)| cast(&array, field.data_type()).unwrap());
        let rows = RecordBatch::try_new(Arc::clone(&arrow), arrays.collect()).unwrap();
        writer.write(&rows, &(0..ids.len() as u64).collect::<Vec<_>>()).unwrap();
        writer.finish().unwrap().files.remove(0)
    }

    /// Rows of each row group, and all rows as text, column by column.
    fn read(content: &Bytes) -> (Vec<i64>, HashMap<String, Vec<String>>) {
        let builder = ParquetRecordBatchReaderBuilder::try_new(content.clone()).unwrap();
        let groups =
            builder.metadata().row_groups().iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).collect();
        let mut columns: HashMap<String, Vec<String>> = HashMap::new();
        for batch in builder.build().unwrap() {
            let batch = batch.unwrap();
            for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                let texts =
                    (0..array.len()).map(|row| arrow::util::display::array_value_to_string(array, row).unwrap());
                columns.entry(field.name().clone()).or_default().extend(texts);
            }
        }
        (groups, columns)
    }

    #[test]
    fn values_row_groups_and_names_stay_and_columns_come_and_widen() {
        let narrow = options(schema(&[("id", "int32"), ("s", "string")]));
        let wide = options(schema(&[("new", "list<int64>"), ("id", "int64"), ("s", "string")]));
        let before = file(&narrow, &[3, 1, 2, 5]);
        let after = adapt(before.clone(), &narrow.schema, &WriteOptions { keys: vec![1], ..wide.clone() }).unwrap();
        assert_eq!((&after.path, after.rows, &after.keys), (&before.path, 4, &before.keys));
        let ((old_groups, old), (groups, rows)) = (read(&before.content), read(&after.content));
        assert_eq!((groups, &rows["id"], &rows["s"]), (old_groups, &old["id"], &old["s"]));
        assert_eq!(rows["new"], [""; 4]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(after.content).unwrap();
        let types: Vec<_> = reader.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(types[1], DataType::Int64);
        let footer = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let fingerprint = wide.schema.fingerprint().unwrap();
        assert!(
            footer.iter().any(|entry| entry.value.as_deref() == Some(&fingerprint)),
            "the footer tells the new schema"
        );
    }

    #[test]
    fn rows_are_sorted_by_what_they_are_to_be_sorted_by_now() {
        let narrow = options(schema(&[("id", "int32"), ("s", "string")]));
        let mut wide = options(schema(&[("id", "int64"), ("s", "string")]));
        wide.parquet.sort_by = vec![0];
        let adapted = adapt(file(&narrow, &[3, 1, 2, 5, 4]), &narrow.schema, &wide).unwrap();
        assert_eq!(read(&adapted.content).1["id"], ["1", "2", "3", "4", "5"]);
    }

    #[test]
    fn a_change_is_of_the_rows_as_the_file_has_them() {
        let narrow = options(schema(&[("id", "int32"), ("s", "string")]));
        let mut wide = options(schema(&[("id", "int64"), ("s", "string")]));
        wide.parquet.sort_by = vec![0];
        let keep = BooleanBuffer::from(vec![false, true, true, false]);
        let change = Change { keep, patch: None };
        let adapted = adapt_with(file(&narrow, &[9, 4, 3, 1]), &narrow.schema, &change, &wide).unwrap().unwrap();
        assert_eq!(
            (read(&adapted.content).1["id"].as_slice(), adapted.rows),
            (["3", "4"].map(str::to_owned).as_slice(), 2)
        );
    }

    #[test]
    fn a_partition_column_widens_though_no_file_has_it() {
        let field = PartitionField { column: 0, transform: Transform::Identity, key: "id".into() };
        let partitioned = |types: &str| WriteOptions {
            partition_by: vec![field.clone()],
            keys: Vec::new(),
            ..options(schema(&[("id", types), ("s", "string")]))
        };
        let (narrow, wide) = (partitioned("int32"), partitioned("int64"));
        let before = file(&narrow, &[7, 7]);
        let after = adapt(before.clone(), &narrow.schema, &wide).unwrap();
        assert_eq!((&after.partition, &after.path), (&before.partition, &before.path));
        assert_eq!(read(&after.content).1.keys().collect::<Vec<_>>(), ["s"]);
    }

    #[test]
    fn a_file_of_another_schema_than_it_says_is_an_error_and_no_panic() {
        let narrow = options(schema(&[("id", "int32"), ("s", "string")]));
        let wide = options(schema(&[("id", "int64"), ("s", "string")]));
        let wrong = schema(&[("id", "string"), ("s", "string")]);
        assert!(adapt(file(&narrow, &[1]), &wrong, &wide).is_err());
        let narrowed = adapt(file(&wide, &[1 << 40]), &wide.schema, &narrow);
        assert!(matches!(narrowed, Err(WriteError::Arrow(_))), "a value that does not fit is no null");
    }
}
