//! Hashes of the content of all data columns, which distinguish versions of rows under `scd2`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, FixedSizeBinaryBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
};
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::MergeError;
use crate::{
    keys::{KeyError, normal},
    schema::{ColumnType, Source, TableSchema},
};

/// Reduces rows to the SHA-256 of their content. What is hashed is Arrow's row format, which no two contents of one schema
/// share, over values that have one form; nested values are part of it.
pub(super) struct ContentHasher {
    converter: RowConverter,
    types: Vec<ColumnType>,
}

impl ContentHasher {
    /// For batches with these of the schema's columns, in this order.
    pub(super) fn new(schema: &TableSchema, columns: &[usize]) -> Result<Self, MergeError> {
        let column = |&index: &usize| schema.columns.get(index).ok_or(KeyError::NoColumn { index });
        let types = columns.iter().map(|index| column(index).map(|column| column.data_type.clone()));
        let types = types.collect::<Result<Vec<_>, _>>()?;
        let fields = types.iter().map(|data_type| SortField::new(data_type.to_arrow()));
        Ok(Self { converter: RowConverter::new(fields.collect())?, types })
    }

    /// One digest a row, as the one column of [`digest_schema`].
    pub(super) fn digests(&self, columns: &[ArrayRef]) -> Result<RecordBatch, MergeError> {
        let columns = columns.iter().zip(&self.types).map(|(values, data_type)| normal(values, data_type));
        let rows = self.converter.convert_columns(&columns.collect::<Result<Vec<_>, _>>()?)?;
        let mut digests = FixedSizeBinaryBuilder::with_capacity(rows.num_rows(), LENGTH);
        for row in &rows {
            digests.append_value(digest(&SHA256, row.data()))?;
        }
        Ok(RecordBatch::try_new(digest_schema(), vec![Arc::new(digests.finish())])?)
    }
}

const LENGTH: i32 = SHA256_OUTPUT_LEN as i32;

pub(super) fn digest_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("content", DataType::FixedSizeBinary(LENGTH), false)]))
}

/// Indexes of the columns that are a row's content: all but what the run itself fills in.
pub(super) fn content_columns(schema: &TableSchema) -> Vec<usize> {
    let filled = |index: &usize| schema.columns.get(*index).is_some_and(|c| matches!(c.source, Source::Load(_)));
    (0..schema.columns.len()).filter(|index| !filled(index)).collect()
}
