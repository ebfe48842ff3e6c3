//! Files of one partition, one after another, become fewer and larger ones with the same rows.
//!
//! Rows stay in the order in which they come; where the table is sorted, they are sorted within each row group. Where a file
//! ends depends on the rows alone.

use std::{mem::take, sync::Arc};

use arrow::{compute::concat_batches, record_batch::RecordBatch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{
    WriteError, WriteOptions,
    encode::{Encoded, Encoding, FileEncoder},
    partition, stride,
    table::renamed,
};
use crate::model::{EncodedFile, PartitionKey};

/// Arrow's offsets are 32 bits: what is gathered at once stays well below.
const MAX_GATHERED: usize = 1 << 30;

/// Joins the files of one partition.
pub struct Joiner {
    options: Arc<WriteOptions>,
    encoding: Encoding,
    partition: PartitionKey,
    /// A file of the partition: the new ones lie beside it.
    beside: String,
    sequence: u64,
    /// Rows that do not make a row group yet; empty where rows are not sorted.
    gathered: Vec<RecordBatch>,
    rows: usize,
    weight: usize,
    open: Option<FileEncoder>,
}

impl Joiner {
    /// `beside` is the path of any file of the partition, `sequence` the number of the first new one.
    ///
    /// # Errors
    /// Kind `User` if a column cannot play the role that the plan gives it.
    pub fn new(
        options: Arc<WriteOptions>,
        partition: PartitionKey,
        beside: String,
        sequence: u64,
    ) -> Result<Self, WriteError> {
        let encoding = Encoding::new(&options, &partition::file_columns(&options.schema, &options.partition_by))?;
        let (gathered, open) = (Vec::new(), None);
        Ok(Self { options, encoding, partition, beside, sequence, gathered, rows: 0, weight: 0, open })
    }

    /// The number of the next file.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Takes a file's rows, and returns the files that they completed.
    ///
    /// # Errors
    /// [`WriteError::Parquet`] if the content is no file of the table.
    pub fn add(&mut self, content: &Bytes) -> Result<Vec<EncodedFile>, WriteError> {
        let reading = ArrowReaderOptions::new().with_schema(Arc::clone(self.encoding.schema()));
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(content.clone(), reading)?;
        let mut files = Vec::new();
        for batch in builder.with_batch_size(stride::MAX_ROWS).build()? {
            self.push(batch?, &mut files)?;
        }
        Ok(files)
    }

    /// Closes the last file.
    pub fn finish(&mut self) -> Result<Vec<EncodedFile>, WriteError> {
        let mut files = Vec::new();
        self.end_row_group(&mut files)?;
        self.close(&mut files)?;
        Ok(files)
    }

    fn push(&mut self, batch: RecordBatch, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        if !self.encoding.sorts() {
            self.encoder()?.copy(&batch)?;
            return self.close_if_full(files);
        }
        let mut start = 0;
        while start < batch.num_rows() {
            let room = self.options.parquet.row_group_rows.max(1).saturating_sub(self.rows);
            let part = batch.slice(start, room.min(batch.num_rows() - start));
            start += part.num_rows();
            self.rows += part.num_rows();
            self.weight += part.get_array_memory_size();
            self.gathered.push(part);
            let is_heavy = self.weight > (self.options.memory / 4).min(MAX_GATHERED);
            if self.rows >= self.options.parquet.row_group_rows || is_heavy {
                self.end_row_group(files)?;
            }
        }
        Ok(())
    }

    /// Sorts and writes what was gathered.
    fn end_row_group(&mut self, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let rows = concat_batches(self.encoding.schema(), &take(&mut self.gathered))?;
        (self.rows, self.weight) = (0, 0);
        let mut encoder = self.take_encoder()?;
        encoder.write(&self.encoding, &rows, &[])?;
        self.open = Some(encoder);
        self.close_if_full(files)
    }

    fn encoder(&mut self) -> Result<&mut FileEncoder, WriteError> {
        let encoder = self.take_encoder()?;
        Ok(self.open.insert(encoder))
    }

    fn take_encoder(&mut self) -> Result<FileEncoder, WriteError> {
        self.open.take().map_or_else(|| self.encoding.start(), Ok)
    }

    fn close_if_full(&mut self, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        let Some(open) = &self.open else { return Ok(()) };
        let is_full = open.encoded_size() as u64 >= self.options.parquet.target_file_size;
        // A file is in memory until it is whole.
        if is_full || open.held(&self.encoding) > self.options.memory / 2 { self.close(files) } else { Ok(()) }
    }

    fn close(&mut self, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let Encoded { content, rows, keys, .. } = open.finish()?;
        let path = renamed(&self.beside, &self.options, self.sequence);
        self.sequence += 1;
        files.push(EncodedFile { path, partition: self.partition.clone(), rows, keys, content });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, Int64Array};

    use super::{super::table::TableWriter, *};
    use crate::{
        plan::{Compression, ParquetPlan},
        schema::{Column, ColumnType, Source, TableSchema},
    };

    fn options(target_file_size: u64, sort_by: Vec<usize>) -> WriteOptions {
        let column = |name: &str| Column {
            name: name.into(),
            source: Source::Path(vec![name.into()]),
            data_type: ColumnType::Int64,
            nullable: true,
            format: None,
        };
        WriteOptions {
            schema: TableSchema { columns: vec![column("id"), column("n")] },
            partition_by: Vec::new(),
            parquet: ParquetPlan {
                compression: Compression::Uncompressed,
                target_file_size,
                row_group_rows: 40,
                bloom_filter: Vec::new(),
                sort_by,
            },
            version: 7,
            position: 0,
            memory: 64 << 20,
            index: false,
            keys: vec![0],
            pipeline: "p".into(),
            resource: "r".into(),
        }
    }

    /// A file of rows `first` to `first + 24`, whose `n` falls as `id` grows.
    fn file(first: i64) -> Bytes {
        let options = options(1 << 30, Vec::new());
        let ids: Vec<i64> = (first..first + 25).collect();
        let falling = ids.iter().map(|id| -id).collect::<Vec<_>>();
        let columns = vec![Arc::new(Int64Array::from(ids)) as _, Arc::new(Int64Array::from(falling)) as _];
        let rows = RecordBatch::try_new(options.schema.to_arrow(), columns).unwrap();
        let mut writer = TableWriter::new(options).unwrap();
        assert!(writer.write(&rows, &(0..25).collect::<Vec<_>>()).unwrap().is_empty());
        writer.finish().unwrap().files.remove(0).content
    }

    fn joined(target: u64, sort_by: Vec<usize>) -> Vec<EncodedFile> {
        let beside = "a=1/part-0000000001-00000-00000.parquet".to_owned();
        let partition = vec![("a".to_owned(), Some("1".to_owned()))];
        let mut joiner = Joiner::new(Arc::new(options(target, sort_by)), partition, beside, 3).unwrap();
        let mut files: Vec<_> = (0..4).flat_map(|file_number| joiner.add(&file(file_number * 25)).unwrap()).collect();
        files.extend(joiner.finish().unwrap());
        assert_eq!(joiner.sequence(), 3 + files.len() as u64);
        files
    }

    /// The values of `n`, row group by row group.
    fn values(file: &EncodedFile) -> Vec<Vec<i64>> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file.content.clone()).unwrap();
        let groups = builder.metadata().num_row_groups();
        let group = |group| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file.content.clone()).unwrap();
            let batches = builder.with_row_groups(vec![group]).build().unwrap();
            batches
                .flat_map(|batch| {
                    let batch = batch.unwrap();
                    let column = batch.column_by_name("n").unwrap();
                    (0..column.len())
                        .map(|row| column.as_primitive::<arrow::datatypes::Int64Type>().value(row))
                        .collect::<Vec<_>>()
                })
                .collect()
        };
        (0..groups).map(group).collect()
    }

    #[test]
    fn rows_stay_in_order_and_files_are_named_after_the_new_version() {
        let files = joined(1 << 30, Vec::new());
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].path, "a=1/part-0000000007-00000-00003.parquet");
        assert_eq!((files[0].rows, files[0].partition.len(), files[0].keys.len()), (100, 1, 1));
        assert_eq!(values(&files[0]).concat(), (0..100).map(|id| -id).collect::<Vec<_>>());
    }

    #[test]
    fn a_sorted_table_is_sorted_within_each_row_group() {
        let files = joined(1 << 30, vec![1]);
        let groups = values(&files[0]);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [40, 40, 20]);
        assert!(groups.iter().all(|group| group.is_sorted()), "{groups:?}");
        let mut all = groups.concat();
        all.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(all, (0..100).map(|id| -id).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_ends_when_it_is_large_enough() {
        let files = joined(1, Vec::new());
        assert!(files.len() > 1, "{}", files.len());
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 100);
        assert_eq!(files[1].path, "a=1/part-0000000007-00000-00004.parquet");
    }

    #[test]
    fn what_is_no_file_is_an_error() {
        let mut joiner = Joiner::new(Arc::new(options(1, Vec::new())), Vec::new(), "part-1.parquet".into(), 0).unwrap();
        assert!(matches!(joiner.add(&Bytes::from_static(b"PAR1 and no more")), Err(WriteError::Parquet(_))));
    }
}
