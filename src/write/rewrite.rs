//! A finished file without some of its rows.

use std::sync::Arc;

use arrow::{array::BooleanArray, buffer::BooleanBuffer, compute::filter_record_batch, record_batch::RecordBatch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{WriteError, WriteOptions, encode::Encoding, partition, stride};
use crate::model::EncodedFile;

/// The file with only those rows for which `keep` is true, under the same name and in the same order; `None` if that is no
/// row at all. `options` are those that the file was written with. Row groups keep their bounds, and so their order.
///
/// # Errors
/// [`WriteError::Parquet`] if the content is no such file, [`WriteError::Mask`] if `keep` is not of its length.
pub fn rewrite(
    file: EncodedFile,
    keep: &BooleanBuffer,
    options: &WriteOptions,
) -> Result<Option<EncodedFile>, WriteError> {
    let encoding = Encoding::new(options, &partition::file_columns(&options.schema, &options.partition_by))?;
    let reading = ArrowReaderOptions::new().with_schema(Arc::clone(encoding.schema()));
    let metadata = ArrowReaderMetadata::load(&file.content, reading)?;
    let rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(usize::MAX);
    if rows != keep.len() {
        return Err(WriteError::Mask { path: file.path, rows, mask: keep.len() });
    }
    let mut encoder = encoding.start()?;
    let mut start = 0;
    for group in 0..metadata.metadata().num_row_groups() {
        for batch in row_group(&file.content, &metadata, group)? {
            let batch = batch?;
            let kept = BooleanArray::new(keep.slice(start, batch.num_rows()), None);
            start += batch.num_rows();
            encoder.copy(&filter_record_batch(&batch, &kept)?)?;
        }
        encoder.end_row_group()?;
    }
    let rows = encoder.rows();
    let (content, _) = encoder.finish()?;
    let EncodedFile { path, partition, keys, .. } = file;
    // The ranges of all rows hold for those that are left.
    Ok((rows > 0).then_some(EncodedFile { path, partition, rows, keys, content }))
}

pub(super) fn row_group(
    content: &Bytes,
    metadata: &ArrowReaderMetadata,
    group: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, arrow::error::ArrowError>>, WriteError> {
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(content.clone(), metadata.clone());
    Ok(builder.with_row_groups(vec![group]).with_batch_size(stride::MAX_ROWS).build()?)
}
