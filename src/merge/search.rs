//! Goes through the files of a table version, several at a time, and finds the rows that go.

use std::{collections::HashMap, ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, new_null_array},
    datatypes::SchemaRef,
    record_batch::{RecordBatch, RecordBatchOptions},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use parquet::{
    arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
    errors::ParquetError,
    file::metadata::RowGroupMetaData,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    Brought, Incoming, MergeError, bloom,
    footer::{Footer, Parts, read_metadata, read_parts},
    incoming::Indexed,
    judge::{Findings, Judge},
};
use crate::{
    keys::{KeyError, exact_range},
    model::{DataFile, KeyRange},
    plan::{PartitionField, Transform},
    schema::TableSchema,
    store::TableStore,
    write::{Change, file_columns, partition_values, widen},
};

/// Files that are looked into at the same time.
const FILES_AT_ONCE: usize = 8;

/// Rows judged at a time.
const BATCH: usize = 8192;

/// As many permits as a semaphore surely has; in KiB more than any machine's memory.
const MOST_PERMITS: u32 = 1 << 29;

/// Looks for what a run changes in the files of a table. Reads, and changes nothing.
pub struct Search {
    table: TableStore,
    layout: Arc<Layout>,
    judge: Arc<Judge>,
    /// One permit for each KiB that may be held.
    room: Semaphore,
    kib: u32,
}

/// The result of a search.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Files whose keys were read.
    pub read: u64,
    /// In the order of the files.
    pub changes: Vec<FileChange>,
    /// Slots of the run's rows that the table knows already, ascending; see [`Incoming::dropped`].
    pub known: Vec<u32>,
    /// Rows that go without one in their place.
    pub deleted: u64,
    /// Rows that go.
    pub gone: u64,
}

/// A file that has to be written again, or has no row left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Index of the file.
    pub file: usize,
    pub change: Change,
}

/// The mapping from the columns of the table to its files.
struct Layout {
    schema: TableSchema,
    partition_by: Vec<PartitionField>,
    /// The table's columns when its files were written.
    written: TableSchema,
    /// The columns that the files contain.
    files: SchemaRef,
}

/// The source of a column for the judge.
enum Origin {
    /// The position in what is read of the file.
    File(usize),
    /// The directory.
    Partition(usize),
    /// Nowhere: the file was written before the column came.
    Nowhere,
}

/// The result for one file.
struct Looked {
    was_read: bool,
    findings: Findings,
}

impl Search {
    /// In a table of the run's schema that is partitioned so. `memory` is how many bytes of key columns may be held at once.
    ///
    /// # Errors
    /// Columns that cannot be compared.
    pub fn new(
        table: TableStore,
        incoming: Arc<Incoming>,
        partition_by: &[PartitionField],
        brought: Brought,
        memory: u64,
    ) -> Result<Self, MergeError> {
        let schema = incoming.schema.clone();
        let arrow = schema.to_arrow();
        let files = Arc::new(arrow.project(&file_columns(&schema, partition_by))?);
        let layout = Layout { written: schema.clone(), schema, partition_by: partition_by.to_vec(), files };
        let kib = u32::try_from(memory / 1024).unwrap_or(u32::MAX).clamp(1, MOST_PERMITS);
        let judge = Arc::new(Judge::new(incoming, brought)?);
        Ok(Self { table, layout: Arc::new(layout), judge, room: Semaphore::new(kib as usize), kib })
    }

    /// In files that were written with an older schema: columns that they lack are null, narrower ones are widened.
    ///
    /// # Errors
    /// A schema that cannot be projected, which none is known to be.
    pub fn in_older(self, older: &TableSchema) -> Result<Self, MergeError> {
        let Layout { schema, partition_by, .. } = self.layout.as_ref();
        let in_files = |name: &str| match schema.index_of(name) {
            Some(index) => file_columns(schema, partition_by).contains(&index),
            None => true,
        };
        let written = older.columns.iter().enumerate().filter(|(_, column)| in_files(&column.name));
        let written: Vec<usize> = written.map(|(index, _)| index).collect();
        let files = Arc::new(older.to_arrow().project(&written)?);
        let (schema, partition_by) = (schema.clone(), partition_by.clone());
        let layout = Layout { schema, partition_by, written: older.clone(), files };
        Ok(Self { layout: Arc::new(layout), ..self })
    }

    /// Finds the changes of the run in these files.
    ///
    /// # Errors
    /// The store's, a file that is gone or is no longer what its commit says.
    pub async fn run(&self, files: &[DataFile]) -> Result<Found, MergeError> {
        let looks = files.iter().map(|file| self.look(file));
        let mut looked = stream::iter(looks).buffered(FILES_AT_ONCE).enumerate();
        let mut found = Found::default();
        let mut removed: HashMap<u32, u64> = HashMap::new();
        while let Some((file, looked)) = looked.next().await {
            let Some(Looked { was_read, mut findings }) = looked? else { continue };
            found.read += u64::from(was_read);
            found.deleted += findings.deleted;
            found.gone += findings.gone;
            found.known.append(&mut findings.known);
            findings.removed.drain().for_each(|(slot, rows)| *removed.entry(slot).or_default() += rows);
            found.changes.extend(self.judge.change(&mut findings).map(|change| FileChange { file, change }));
        }
        found.known.sort_unstable();
        found.known.dedup();
        found.deleted += self.not_replaced(&removed);
        Ok(found)
    }

    /// Returns the number of rows removed by merge key without a replacement.
    fn not_replaced(&self, removed: &HashMap<u32, u64>) -> u64 {
        let written = |slot: &u32| self.judge.incoming.written.get(*slot as usize).copied().unwrap_or(0);
        removed.iter().map(|(slot, rows)| rows.saturating_sub(written(slot))).sum()
    }

    /// `None` if the file was ruled out without opening it.
    async fn look(&self, file: &DataFile) -> Result<Option<Looked>, MergeError> {
        let mut ranges = file.keys.clone();
        ranges.extend(self.layout.partition_ranges(file)?);
        if file.rows == 0 || !self.judge.may_concern(&ranges) {
            return Ok(None);
        }
        let footer = self.footer(file).await?;
        if footer.rows() as u64 != file.rows {
            let reason = format!("it has {} rows and not {}", footer.rows(), file.rows);
            return Err(MergeError::Changed { path: file.path.clone(), reason });
        }
        let mut looked = Looked { was_read: false, findings: Findings::new(footer.rows()) };
        let names: Vec<&str> = self.layout.names(&self.judge.ranged).collect();
        let exact = self.layout.partition_ranges(file)?;
        for (group, mut ranges) in footer.ranges(&names).into_iter().enumerate() {
            ranges.extend(exact.iter().cloned());
            let Some(metadata) = footer.row_groups().get(group) else { continue };
            if self.judge.may_concern(&ranges) && self.filters_allow(file, metadata, &ranges).await? {
                looked.was_read = true;
                looked.findings = self.judge_group(file, &footer, group, looked.findings).await?;
            } else {
                looked.findings.skip(usize::try_from(metadata.num_rows()).unwrap_or(0));
            }
        }
        Ok(Some(looked))
    }

    async fn footer(&self, file: &DataFile) -> Result<Footer, MergeError> {
        let damaged = |source| MergeError::Parquet { path: file.path.clone(), source };
        Footer::new(read_metadata(&self.table, file).await?, &self.layout.files).map_err(damaged)
    }

    /// Parts of a file with their offsets.
    async fn parts(&self, file: &DataFile, ranges: Vec<Range<u64>>) -> Result<Vec<(u64, Bytes)>, MergeError> {
        read_parts(&self.table, file, ranges).await
    }

    /// Returns true if the Bloom filters may contain a key of the run in this row group.
    async fn filters_allow(
        &self,
        file: &DataFile,
        group: &RowGroupMetaData,
        ranges: &[KeyRange],
    ) -> Result<bool, MergeError> {
        let Some(sets) = self.judge.decisive() else { return Ok(true) };
        for set in sets {
            // A set that statistics rule out needs no filter.
            if set.may_meet(ranges) && self.filters_allow_set(file, group, ranges, set).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn filters_allow_set(
        &self,
        file: &DataFile,
        group: &RowGroupMetaData,
        ranges: &[KeyRange],
        set: &Indexed,
    ) -> Result<bool, MergeError> {
        for probe in bloom::probes(set, ranges) {
            let chunk =
                group.columns().iter().find(|chunk| chunk.column_path().parts() == [probe.column.name.as_str()]);
            let Some((chunk, location)) = chunk.and_then(|chunk| Some((chunk, bloom::location(chunk)?))) else {
                continue;
            };
            let Ok(field) = self.layout.files.field_with_name(&probe.column.name) else { continue };
            let parts = Parts::new(file.bytes, self.parts(file, std::iter::once(location).collect()).await?);
            let damaged = |source| MergeError::Parquet { path: file.path.clone(), source };
            if !bloom::may_hold(&probe, chunk, field.data_type(), &parts).map_err(damaged)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads the judge's columns of one row group, and judges its rows.
    async fn judge_group(
        &self,
        file: &DataFile,
        footer: &Footer,
        group: usize,
        mut findings: Findings,
    ) -> Result<Findings, MergeError> {
        let roots = self.layout.roots(&self.judge.columns);
        let (ranges, bytes) = chunks(footer, group, &roots);
        // The bytes as they are stored, and what they become.
        let kib = u32::try_from(bytes / 512).unwrap_or(u32::MAX).clamp(1, self.kib);
        let _held = self.room.acquire_many(kib).await.map_err(|_| MergeError::Worker)?;
        let parts = Parts::new(file.bytes, self.parts(file, ranges).await?);
        let reading = Reading { footer: footer.clone(), group, roots, parts };
        let (layout, judge, file) = (Arc::clone(&self.layout), Arc::clone(&self.judge), file.clone());
        let judged = spawn_blocking(move || {
            reading.judge(&layout, &judge, &file, &mut findings)?;
            Ok(findings)
        });
        judged.await.map_err(|_| MergeError::Worker)?
    }
}

/// A row group of which some columns have been fetched.
struct Reading {
    footer: Footer,
    group: usize,
    roots: Vec<usize>,
    parts: Parts,
}

impl Reading {
    fn judge(self, layout: &Layout, judge: &Judge, file: &DataFile, findings: &mut Findings) -> Result<(), MergeError> {
        let damaged = |source: ParquetError| MergeError::Parquet { path: file.path.clone(), source };
        let metadata = self.footer.metadata;
        let mask = ProjectionMask::roots(metadata.parquet_schema(), self.roots.iter().copied());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.parts, metadata);
        let batches = builder.with_row_groups(vec![self.group]).with_projection(mask).with_batch_size(BATCH);
        for batch in batches.build().map_err(damaged)? {
            let rows = batch.map_err(|error| damaged(ParquetError::from(error)))?;
            judge.judge(&layout.complete(&rows, &judge.columns, file)?, findings)?;
        }
        Ok(())
    }
}

impl Layout {
    fn names(&self, columns: &[usize]) -> impl Iterator<Item = &str> {
        columns.iter().filter_map(|&index| self.schema.columns.get(index)).map(|column| column.name.as_str())
    }

    /// Positions in the file of those of the columns that it has.
    fn roots(&self, columns: &[usize]) -> Vec<usize> {
        self.names(columns).filter_map(|name| self.files.index_of(name).ok()).collect()
    }

    /// Returns the partition field whose directory holds the exact value of a column.
    fn partition_field(&self, column: usize) -> Option<&PartitionField> {
        self.partition_by.iter().find(|field| field.column == column && field.transform == Transform::Identity)
    }

    fn partition_value(&self, field: &PartitionField, file: &DataFile, rows: usize) -> Result<ArrayRef, MergeError> {
        let value = file.partition.iter().find(|(key, _)| *key == field.key).map(|(_, value)| value.as_deref());
        let missing = || MergeError::Changed {
            path: file.path.clone(),
            reason: format!("its commit has no value of the partition key `{}`", field.key),
        };
        Ok(partition_values(&self.schema, field, value.ok_or_else(missing)?, rows)?)
    }

    /// Returns the ranges of the columns in the directory name, each with a single value.
    fn partition_ranges(&self, file: &DataFile) -> Result<Vec<KeyRange>, MergeError> {
        let mut ranges = Vec::new();
        // The file without rows lies in no partition.
        let fields = self.partition_by.iter().filter(|_| file.rows > 0);
        for field in fields.filter(|field| field.transform == Transform::Identity) {
            let column = self.schema.columns.get(field.column).ok_or(KeyError::NoColumn { index: field.column })?;
            ranges.extend(exact_range(&column.name, &self.partition_value(field, file, 1)?));
        }
        Ok(ranges)
    }

    /// Returns the source of a column if the columns of the file are read in order.
    fn origin(&self, column: usize, read: &RecordBatch) -> Result<Origin, KeyError> {
        let missing = || KeyError::NoColumn { index: column };
        if self.partition_field(column).is_some() {
            return Ok(Origin::Partition(column));
        }
        let name = &self.schema.columns.get(column).ok_or_else(missing)?.name;
        Ok(read.schema_ref().index_of(name).map_or(Origin::Nowhere, Origin::File))
    }

    fn widened(&self, index: usize, values: &ArrayRef) -> Result<ArrayRef, MergeError> {
        let missing = || KeyError::NoColumn { index };
        let now = self.schema.columns.get(index).ok_or_else(missing)?;
        let before = self.written.index_of(&now.name).and_then(|index| self.written.columns.get(index));
        Ok(widen(values, &before.ok_or_else(missing)?.data_type, &now.data_type)?)
    }

    /// Returns the rows with all columns, including those from the directory name.
    fn complete(&self, read: &RecordBatch, columns: &[usize], file: &DataFile) -> Result<RecordBatch, MergeError> {
        let rows = read.num_rows();
        let column = |&index: &usize| match self.origin(index, read)? {
            Origin::File(position) => {
                let values = read.columns().get(position).ok_or(KeyError::NoColumn { index })?;
                self.widened(index, values)
            }
            Origin::Nowhere => {
                let column = self.schema.columns.get(index).ok_or(KeyError::NoColumn { index })?;
                Ok(new_null_array(&column.data_type.to_arrow(), rows))
            }
            Origin::Partition(index) => {
                let field = self.partition_field(index).ok_or(KeyError::NoColumn { index })?;
                self.partition_value(field, file, rows)
            }
        };
        let arrays = columns.iter().map(column).collect::<Result<Vec<_>, MergeError>>()?;
        let schema = Arc::new(self.schema.to_arrow().project(columns)?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }
}

/// Returns the byte ranges of these columns of a row group, and their decompressed size in bytes.
fn chunks(footer: &Footer, group: usize, roots: &[usize]) -> (Vec<Range<u64>>, u64) {
    let descriptor = footer.metadata.parquet_schema();
    let chunks = footer.row_groups().get(group).into_iter().flat_map(RowGroupMetaData::columns).enumerate();
    let wanted = chunks.filter(|(leaf, _)| roots.contains(&descriptor.get_column_root_idx(*leaf)));
    let (mut ranges, mut bytes) = (Vec::new(), 0);
    for (_, chunk) in wanted {
        let (start, length) = chunk.byte_range();
        ranges.push(start..start + length);
        bytes += u64::try_from(chunk.uncompressed_size()).unwrap_or(0);
    }
    (ranges, bytes)
}
