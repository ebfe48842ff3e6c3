//! The table's open files: which rows go where, and when a file is done.

use std::collections::BTreeMap;

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};

use super::{
    WriteError, WriteOptions,
    backlog::Backlog,
    encode::{Encoded, Encoding, FileEncoder},
    index::FileIndex,
    partition::{self, PartitionId, Partitioner},
    stride::{self, Stride, Strides},
};
use crate::{model::EncodedFile, schema::TableSchema};

/// Arrow's offsets are 32 bits: what is gathered at once stays well below.
const MAX_BACKLOG: usize = 1 << 30;

/// Rows in, Parquet files out. See the module above.
pub struct TableWriter {
    options: WriteOptions,
    schema: SchemaRef,
    strides: Strides,
    partitioner: Partitioner,
    backlog: Backlog,
    encoding: Encoding,
    open: BTreeMap<PartitionId, Open>,
    /// Bytes held by the open files.
    held: usize,
    sequence: u64,
    index: FileIndex,
    /// Files of the index that earlier flushes returned.
    flushed: usize,
}

/// A file that is being written.
struct Open {
    encoder: FileEncoder,
    held: usize,
}

/// The rest of a table after all rows were written.
#[derive(Debug)]
pub struct Finished {
    /// The files that were still open, by directory.
    pub files: Vec<EncodedFile>,
    /// Index of all files of this writer; empty unless [`WriteOptions::index`] is set.
    pub index: FileIndex,
    /// Number of the next file of this version and position.
    pub next_sequence: u64,
}

/// The result of a flush.
#[derive(Debug)]
pub struct Flushed {
    /// The files that were still open, by directory.
    pub files: Vec<EncodedFile>,
    /// Index of all files closed since the previous flush.
    pub index: FileIndex,
    /// The number of the next file in its name.
    pub next_sequence: u64,
}

impl TableWriter {
    /// # Errors
    /// Kind `User` if a column cannot play the role that the plan gives it, or if no column is left for the files.
    pub fn new(options: WriteOptions) -> Result<Self, WriteError> {
        let columns = partition::file_columns(&options.schema, &options.partition_by);
        if columns.is_empty() {
            return Err(WriteError::NoDataColumn);
        }
        let encoding = Encoding::new(&options, &columns)?;
        let schema = options.schema.to_arrow();
        Ok(Self {
            strides: Strides::new(SchemaRef::clone(&schema)),
            partitioner: Partitioner::new(&options.schema, &options.partition_by)?,
            backlog: Backlog::new(SchemaRef::clone(encoding.schema())),
            encoding,
            schema,
            open: BTreeMap::new(),
            held: 0,
            sequence: 0,
            index: FileIndex::default(),
            flushed: 0,
            options,
        })
    }

    /// Takes rows with one id each, and returns the files that they completed. Ids have no order to keep.
    ///
    /// # Errors
    /// A row whose partition value has no directory, by its id; rows of another schema than the table's. The writer is of no
    /// use then.
    pub fn write(&mut self, rows: &RecordBatch, ids: &[u64]) -> Result<Vec<EncodedFile>, WriteError> {
        if rows.num_rows() != ids.len() || rows.schema_ref().fields() != self.schema.fields() {
            return Err(WriteError::Rows { rows: rows.num_rows(), ids: ids.len() });
        }
        let mut files = Vec::new();
        let mut start = 0;
        while start < rows.num_rows() {
            let (taken, stride) = self.strides.fill(rows, ids, start)?;
            start += taken;
            if let Some(stride) = stride {
                self.add(stride, &mut files)?;
                self.relieve(&mut files)?;
            }
        }
        Ok(files)
    }

    /// Closes all files. A table without rows gets one file without rows, in its root, with all columns.
    pub fn finish(mut self) -> Result<Finished, WriteError> {
        let mut files = self.close_all()?;
        if self.sequence == 0 {
            files.push(empty_file(&self.options, 0)?);
            self.sequence += 1;
        }
        Ok(Finished { files, index: self.index, next_sequence: self.sequence })
    }

    /// Closes all files, so that every row is in one, and continues with new files. The index covers files closed since the previous
    /// call; the returned files are those that [`write`](Self::write) has not returned.
    pub fn flush(&mut self) -> Result<Flushed, WriteError> {
        let files = self.close_all()?;
        let index = self.index.since(self.flushed);
        self.flushed = self.index.len();
        Ok(Flushed { files, index, next_sequence: self.sequence })
    }

    /// Resumes after a flush of another writer. `index` covers all files until then.
    #[must_use]
    pub fn resume(mut self, index: FileIndex, next_sequence: u64) -> Self {
        self.flushed = index.len();
        (self.index, self.sequence) = (index, next_sequence);
        self
    }

    /// Closes all files, and continues with rows of this schema; the plan's columns keep their places in it. Returns the files
    /// that [`write`](Self::write) has not returned, and the number of the first file of the new schema.
    ///
    /// # Errors
    /// As [`TableWriter::new`].
    pub fn evolve(&mut self, schema: TableSchema) -> Result<(Vec<EncodedFile>, u64), WriteError> {
        let files = self.close_all()?;
        let mut next = Self::new(WriteOptions { schema, ..self.options.clone() })?;
        next.index = std::mem::take(&mut self.index);
        (next.sequence, next.flushed) = (self.sequence, self.flushed);
        *self = next;
        Ok((files, self.sequence))
    }

    fn close_all(&mut self) -> Result<Vec<EncodedFile>, WriteError> {
        let mut files = Vec::new();
        if let Some(stride) = self.strides.finish()? {
            self.add(stride, &mut files)?;
        }
        let waiting: Vec<_> = self.backlog.partitions().map(|(partition, _)| partition).collect();
        if waiting.len() > 1 {
            self.backlog.compact()?;
        }
        let mut partitions: Vec<_> = self.open.keys().copied().chain(waiting).collect();
        partitions.sort_unstable_by_key(|&partition| self.partitioner.directory(partition));
        partitions.dedup();
        for partition in partitions {
            self.drain(partition, &mut files)?;
            self.close(partition, &mut files)?;
        }
        Ok(files)
    }

    /// Bytes held between calls, about.
    pub fn memory(&self) -> usize {
        self.strides.weight() + self.backlog.held() + self.held + self.index.memory()
    }

    fn add(&mut self, stride: Stride, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        let grouped = self.partitioner.split(stride)?;
        let partitions: Vec<_> = grouped.spans.iter().map(|span| span.partition).collect();
        self.backlog.add(grouped);
        let enough = self.portion();
        for partition in partitions {
            while self.backlog.rows(partition) >= enough {
                self.encode(partition, enough, files)?;
            }
        }
        Ok(())
    }

    /// Rows that an encoder is given at once: a row group where it has to be sorted.
    fn portion(&self) -> usize {
        let row_group = self.options.parquet.row_group_rows.max(1);
        if self.encoding.sorts() { row_group } else { stride::MAX_ROWS.min(row_group) }
    }

    /// Moves up to `most` waiting rows of the partition into its file, and closes that if it is large enough then.
    fn encode(&mut self, partition: PartitionId, most: usize, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        let Some(rows) = self.backlog.take(partition, most)? else { return Ok(()) };
        let mut open = match self.open.remove(&partition) {
            Some(open) => open,
            None => Open { encoder: self.encoding.start()?, held: 0 },
        };
        let ids = if self.options.index { rows.ids.as_slice() } else { &[] };
        open.encoder.write(&self.encoding, &rows.rows, ids)?;
        let held = open.encoder.held(&self.encoding);
        self.held = self.held - open.held + held;
        open.held = held;
        let full = open.encoder.encoded_size() as u64 >= self.options.parquet.target_file_size;
        self.open.insert(partition, open);
        if full { self.close(partition, files) } else { Ok(()) }
    }

    /// Moves all waiting rows of the partition into its file.
    fn drain(&mut self, partition: PartitionId, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        while self.backlog.rows(partition) > 0 {
            self.encode(partition, self.portion(), files)?;
        }
        Ok(())
    }

    fn close(&mut self, partition: PartitionId, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        let Some(open) = self.open.remove(&partition) else { return Ok(()) };
        self.held -= open.held;
        let Encoded { content, rows, ids, keys } = open.encoder.finish()?;
        let Some(place) = self.partitioner.partition(partition) else { return Ok(()) };
        let path = format!("{}{}", place.directory, file_name(&self.options, self.sequence));
        self.sequence += 1;
        if self.options.index {
            self.index.add(path.clone(), ids);
        }
        files.push(EncodedFile { path, partition: place.key.clone(), rows, keys, content });
        Ok(())
    }

    /// Bytes for rows that wait: a quarter of the memory, less what the columns of a file take in any case.
    fn backlog_budget(&self) -> usize {
        let quarter = self.options.memory / 4;
        quarter.saturating_sub(self.encoding.fixed_bytes()).max(quarter / 4).min(MAX_BACKLOG)
    }

    /// Brings memory back below the budget: a quarter is for rows that wait, a half for open files, the rest for copies made
    /// on the way. What goes is the largest, which makes the fewest and largest files.
    fn relieve(&mut self, files: &mut Vec<EncodedFile>) -> Result<(), WriteError> {
        let budget = self.backlog_budget();
        if self.backlog.held() > budget {
            for (partition, _) in self.largest_first(self.backlog.partitions().collect()) {
                // Down to half, so that it takes a while to be full again.
                if self.backlog.live() <= budget / 2 {
                    break;
                }
                self.drain(partition, files)?;
            }
            self.backlog.compact()?;
        }
        let budget = self.options.memory / 2;
        if self.held > budget {
            let open = self.open.iter().map(|(&partition, open)| (partition, open.held)).collect();
            for (partition, _) in self.largest_first(open) {
                if self.held <= budget {
                    break;
                }
                self.drain(partition, files)?;
                self.close(partition, files)?;
            }
        }
        Ok(())
    }

    fn largest_first(&self, mut partitions: Vec<(PartitionId, usize)>) -> Vec<(PartitionId, usize)> {
        let name = |partition| self.partitioner.directory(partition);
        partitions.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| name(a.0).cmp(name(b.0))));
        partitions
    }
}

/// Creates the file of an empty table: in the root, with all columns including partition columns.
pub fn empty_file(options: &WriteOptions, sequence: u64) -> Result<EncodedFile, WriteError> {
    let all: Vec<usize> = (0..options.schema.columns.len()).collect();
    let Encoded { content, .. } = Encoding::new(options, &all)?.start()?.finish()?;
    let path = file_name(options, sequence);
    Ok(EncodedFile { path, partition: Vec::new(), rows: 0, keys: Vec::new(), content })
}

/// Returns the path for the remaining rows of the file at `path`: the same directory, and a name with the version of `options`.
pub fn renamed(path: &str, options: &WriteOptions, sequence: u64) -> String {
    let directory = path.rfind('/').and_then(|slash| path.get(..=slash)).unwrap_or_default();
    format!("{directory}{}", file_name(options, sequence))
}

/// Never repeats in a table: the version is the one that the commit will make, the position the writer's part in it.
fn file_name(options: &WriteOptions, sequence: u64) -> String {
    format!("part-{:010}-{:05}-{sequence:05}.parquet", options.version, options.position)
}
