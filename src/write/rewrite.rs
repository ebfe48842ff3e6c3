//! A finished file without some of its rows, or with another value in some of them.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, Scalar},
    buffer::BooleanBuffer,
    compute::{cast, concat_batches, filter_record_batch, kernels::zip::zip},
    record_batch::RecordBatch,
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{
    WriteError, WriteOptions,
    adapt::Adapter,
    encode::{Encoded, Encoding, FileEncoder},
    partition, stride,
};
use crate::model::EncodedFile;

/// The change of a file's rows, in file order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For each row, whether it stays.
    pub keep: BooleanBuffer,
    pub patch: Option<Patch>,
}

/// A moment that some rows get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Index of a timestamp column of the table.
    pub column: usize,
    /// For each row of the file, whether it gets the moment.
    pub rows: BooleanBuffer,
    /// Microseconds since 1970.
    pub micros: i64,
}

/// The file with only those rows for which `keep` is true, see [`rewrite_with`].
pub fn rewrite(
    file: EncodedFile,
    keep: &BooleanBuffer,
    options: &WriteOptions,
) -> Result<Option<EncodedFile>, WriteError> {
    rewrite_with(file, &Change { keep: keep.clone(), patch: None }, options)
}

/// The changed file, under the same name and in the same order; `None` if no row is left. `options` are those of the table:
/// the schema and the partition columns are the ones that the file was written with. Row groups keep their bounds, and with
/// them their order; where rows are sorted by the patched column, they are sorted anew.
///
/// # Errors
/// [`WriteError::Parquet`] if the content is no such file, [`WriteError::Mask`] if the change is not of its length,
/// [`WriteError::NoColumn`] if the file does not have the patched column.
pub fn rewrite_with(
    file: EncodedFile,
    change: &Change,
    options: &WriteOptions,
) -> Result<Option<EncodedFile>, WriteError> {
    let encoding = Encoding::new(options, &partition::file_columns(&options.schema, &options.partition_by))?;
    changed(file, change, options, &encoding, None)
}

/// The changed file; what was written with other columns goes through the adapter first.
pub(super) fn changed(
    file: EncodedFile,
    change: &Change,
    options: &WriteOptions,
    encoding: &Encoding,
    adapter: Option<&Adapter<'_>>,
) -> Result<Option<EncodedFile>, WriteError> {
    let written = adapter.map_or_else(|| encoding.schema(), |adapter| adapter.written());
    let reading = ArrowReaderOptions::new().with_schema(Arc::clone(written));
    let metadata = ArrowReaderMetadata::load(&file.content, reading)?;
    let rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(usize::MAX);
    let masks = [Some(change.keep.len()), change.patch.as_ref().map(|patch| patch.rows.len())];
    if let Some(mask) = masks.into_iter().flatten().find(|mask| *mask != rows) {
        return Err(WriteError::Mask { path: file.path, rows, mask });
    }
    let mut changing = Changing { encoding, change, adapter, column: patched_column(change, options, encoding)? };
    let mut encoder = encoding.start()?;
    let mut start = 0;
    for group in 0..metadata.metadata().num_row_groups() {
        let batches = row_group(&file.content, &metadata, group)?;
        // A file that was written before the table was sorted must not claim an order that it does not have.
        let is_sorted = metadata.metadata().row_group(group).sorting_columns() == encoding.sorting_columns();
        changing.row_group(batches, is_sorted, &mut start, &mut encoder)?;
    }
    let Encoded { content, rows, keys, .. } = encoder.finish()?;
    let EncodedFile { path, partition, .. } = file;
    Ok((rows > 0).then_some(EncodedFile { path, partition, rows, keys, content }))
}

struct Changing<'a> {
    encoding: &'a Encoding,
    change: &'a Change,
    adapter: Option<&'a Adapter<'a>>,
    /// The patched column's position in the file.
    column: Option<usize>,
}

impl Changing<'_> {
    /// `start` is the file's row at which the row group begins, and then the one at which the next one does.
    fn row_group(
        &mut self,
        batches: impl Iterator<Item = Result<RecordBatch, arrow::error::ArrowError>>,
        is_sorted: bool,
        start: &mut usize,
        encoder: &mut FileEncoder,
    ) -> Result<(), WriteError> {
        // What rows are sorted by may have changed with their columns.
        let has_changed = self.column.is_some() || self.adapter.is_some() || !is_sorted;
        let sorts_anew = has_changed && self.encoding.sorts();
        let mut unsorted = Vec::new();
        for batch in batches {
            let batch = batch?;
            let batch = self.adapter.map_or(Ok(batch.clone()), |adapter| adapter.adapt(&batch))?;
            let changed = self.apply(&batch, *start)?;
            *start += batch.num_rows();
            if sorts_anew { unsorted.push(changed) } else { encoder.copy(&changed)? }
        }
        if sorts_anew {
            let rows = concat_batches(self.encoding.schema(), &unsorted)?;
            if rows.num_rows() > 0 {
                encoder.write(self.encoding, &rows, &[])?;
            }
            return Ok(());
        }
        encoder.end_row_group()
    }

    fn apply(&self, batch: &RecordBatch, start: usize) -> Result<RecordBatch, WriteError> {
        let rows = batch.num_rows();
        let patched = match (&self.change.patch, self.column) {
            (Some(patch), Some(column)) => patched(batch, column, &patch.rows.slice(start, rows), patch.micros)?,
            _ => batch.clone(),
        };
        let kept = BooleanArray::new(self.change.keep.slice(start, rows), None);
        Ok(filter_record_batch(&patched, &kept)?)
    }
}

fn patched_column(change: &Change, options: &WriteOptions, encoding: &Encoding) -> Result<Option<usize>, WriteError> {
    let Some(patch) = &change.patch else { return Ok(None) };
    let missing = || WriteError::NoColumn { index: patch.column };
    let column = options.schema.columns.get(patch.column).ok_or_else(missing)?;
    encoding.schema().index_of(&column.name).map(Some).map_err(|_| missing())
}

fn patched(batch: &RecordBatch, column: usize, rows: &BooleanBuffer, micros: i64) -> Result<RecordBatch, WriteError> {
    let mut columns = batch.columns().to_vec();
    let values = columns.get_mut(column).ok_or(WriteError::NoColumn { index: column })?;
    let moment: ArrayRef = Arc::new(Int64Array::from(vec![micros]));
    let moment = Scalar::new(cast(&moment, values.data_type())?);
    *values = zip(&BooleanArray::new(rows.clone(), None), &moment, values)?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

fn row_group(
    content: &Bytes,
    metadata: &ArrowReaderMetadata,
    group: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, arrow::error::ArrowError>>, WriteError> {
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(content.clone(), metadata.clone());
    Ok(builder.with_row_groups(vec![group]).with_batch_size(stride::MAX_ROWS).build()?)
}
