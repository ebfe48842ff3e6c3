//! A finished file with the columns of a newer schema: those that it lacks are null, those that are wider now are converted.
//!
//! Rows and their order stay, and so do row groups; where rows are to be sorted, they are within each row group.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray, new_null_array},
    buffer::BooleanBuffer,
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};

use super::{Change, WriteError, WriteOptions, encode::Encoding, partition, rewrite, table};
use crate::{
    model::EncodedFile,
    plan::Transform,
    schema::{ColumnType, TableSchema},
};

/// The file as the schema of `options` has it, under the same name; `from` is the schema that it was written with. The
/// partition spec is the same in both. The ranges of its keys are told anew.
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
    /// That of the file.
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

    /// What the file's rows are read as.
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
        widen(array, data_type(self.from)?, data_type(&self.options.schema)?)
    }
}

/// The same values in a type that holds them all, see [`schema::change::widens`](crate::schema::change::widens).
///
/// # Errors
/// An array that is not of the type `from`, or a value that `to` does not hold.
pub fn widen(array: &ArrayRef, from: &ColumnType, to: &ColumnType) -> Result<ArrayRef, ArrowError> {
    let (before, now) = (from.to_arrow(), to.to_arrow());
    if before == now {
        return Ok(Arc::clone(array));
    }
    match (from, to, now) {
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

fn unlike(what: &str) -> ArrowError {
    ArrowError::SchemaError(format!("the file does not have {what} where its schema says so"))
}
