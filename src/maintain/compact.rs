//! Small files of each partition become target-size ones, in one commit that changes no row.
//!
//! ```text
//!  snapshot ──► groups: small files, by partition ──► Joiner: file by file ──► staged ──► one commit: adds, removes
//! ```
//!
//! A file is read whole, checked against its checksum (damage must not be written on as if it were right), and joined to the
//! one before; so what is held is one file that is read and one that is written, never the table. A group that would not get
//! fewer files is left as it is. In place of joining, all files can be written with the columns of the config ([`adapt`]). If a run commits meanwhile, all is done again on its version.

mod adapt;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::{MaintainError, spec};
use crate::{
    commit::{Attempt, CommitError, CommitOutcome, TableFormat, TableSnapshot},
    digest,
    environment::Environment,
    error::Result,
    model::{Commit, DataFile, EncodedFile, Operation, PartitionKey, StagedFile, TableIdentity, Version},
    plan::{ParquetPlan, ResourcePlan},
    schema::TableSchema,
    write::{Joiner, WriteError, WriteOptions},
};

/// Attempts of a compaction while runs commit concurrently.
const TRIES: u32 = 3;

/// Options of a compaction.
#[derive(Clone, Debug)]
pub struct CompactOptions {
    /// Bytes; files of less than half of it are small.
    pub target_size: u64,
    /// A partition with fewer small files is left alone; at least 2.
    pub min_files: u64,
    /// Bytes that may be held.
    pub memory: u64,
    /// In place of joining: write all files again that have not the columns of the config.
    pub rewrite_schema: bool,
    /// Stands in the commit.
    pub run_id: String,
}

/// The result of a compaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// The table's version afterwards: a new one if anything was done.
    pub version: Version,
    /// Partitions that have fewer files now.
    pub partitions: u64,
    pub files_removed: u64,
    pub files_added: u64,
    /// Rows in these files.
    pub rows: u64,
    pub bytes_removed: u64,
    pub bytes_added: u64,
}

/// Returns true if a partition has more than `above` small files.
pub fn is_fragmented(snapshot: &TableSnapshot, target_size: u64, above: u64) -> bool {
    groups(&snapshot.files, target_size, above.saturating_add(1)).next().is_some()
}

/// Joins the small files of a table, or writes all of them with newer columns. Nothing to do is no commit, and no error.
///
/// # Errors
/// Among others, [`MaintainError::Damaged`] for a file that is not what its commit says, and [`MaintainError::Conflict`] if
/// other runs committed again and again. The table is as it was then.
pub async fn compact(
    table: &dyn TableFormat,
    identity: &TableIdentity,
    resource: &ResourcePlan,
    environment: &Environment,
    options: &CompactOptions,
) -> Result<Compacted> {
    let mut winner = 0;
    for _ in 0..TRIES {
        let snapshot = table.snapshot().await?;
        let unchanged = Compacted { version: snapshot.version, ..Compacted::default() };
        let Some(schema) = snapshot.schema.clone() else { return Ok(unchanged) };
        let resource = &resource.complete(&schema)?;
        let Some(aim) = aim(resource, &snapshot, &schema, options)? else { return Ok(unchanged) };
        if let Aim::Adapt(_, wanted) = &aim {
            table.check_shape(snapshot.version, wanted, &snapshot.partition_by).await?;
        }
        let attempt = table.attempt(snapshot.version).await?;
        let work = Work { table, identity, resource, environment, options, snapshot: &snapshot, attempt: &attempt };
        match work.run(&aim).await {
            Ok(Done::Committed(compacted)) => return Ok(compacted),
            Ok(Done::Unchanged) => {
                attempt.abandon().await?;
                return Ok(unchanged);
            }
            Ok(Done::Conflict(version)) => {
                attempt.abandon().await?;
                winner = version;
            }
            Err(error) => {
                // The failure is what the user must hear of; what it leaves behind, the next run takes away.
                let _ = attempt.abandon().await;
                return Err(error);
            }
        }
    }
    Err(MaintainError::Conflict { table: resource.table.clone(), version: winner, attempts: TRIES }.into())
}

/// The purpose of a compaction.
enum Aim {
    /// The table's schema stays.
    Join(TableSchema),
    /// From the table's schema to the other.
    Adapt(TableSchema, TableSchema),
}

fn aim(
    resource: &ResourcePlan,
    snapshot: &TableSnapshot,
    schema: &TableSchema,
    options: &CompactOptions,
) -> Result<Option<Aim>> {
    if options.rewrite_schema {
        let wanted = adapt::wanted(resource, snapshot, schema)?;
        return Ok(wanted.map(|wanted| Aim::Adapt(schema.clone(), wanted)));
    }
    let is_needed = groups(&snapshot.files, options.target_size, options.min_files).next().is_some();
    Ok(is_needed.then(|| Aim::Join(schema.clone())))
}

/// Removed files and their replacements.
#[derive(Default)]
struct Change<'a> {
    adds: Vec<StagedFile>,
    removes: Vec<&'a DataFile>,
    partitions: u64,
}

/// Small files of one partition that follow one another in the order of the table: no row may get past one of a larger file
/// between them.
type Group<'a> = (&'a PartitionKey, Vec<&'a DataFile>);

fn groups(files: &[DataFile], target_size: u64, min_files: u64) -> impl Iterator<Item = Group<'_>> {
    let mut neighbours: BTreeMap<&PartitionKey, Vec<Vec<&DataFile>>> = BTreeMap::new();
    // The file that stands for an empty table has no rows to join.
    for file in files.iter().filter(|file| file.rows > 0) {
        let groups = neighbours.entry(&file.partition).or_insert_with(|| vec![Vec::new()]);
        match groups.last_mut() {
            Some(group) if file.bytes < target_size / 2 => group.push(file),
            _ => groups.push(Vec::new()),
        }
    }
    let groups = neighbours.into_iter().flat_map(|(key, groups)| groups.into_iter().map(move |group| (key, group)));
    groups.filter(move |(_, files)| files.len() as u64 >= min_files.max(2))
}

enum Done {
    Committed(Compacted),
    Unchanged,
    /// Another run made this version.
    Conflict(Version),
}

/// One try.
struct Work<'a> {
    table: &'a dyn TableFormat,
    identity: &'a TableIdentity,
    resource: &'a ResourcePlan,
    environment: &'a Environment,
    options: &'a CompactOptions,
    snapshot: &'a TableSnapshot,
    attempt: &'a Attempt,
}

impl Work<'_> {
    async fn run(&self, aim: &Aim) -> Result<Done> {
        if let Some(owner) = self.table.workspace().living(self.attempt).await? {
            return Err(self.table.workspace().busy(owner).into());
        }
        let (schema, change) = match aim {
            Aim::Join(schema) => (schema, self.joined(&Arc::new(self.write_options(schema)?)).await?),
            Aim::Adapt(from, to) => (to, self.adapted(from, &Arc::new(self.write_options(to)?)).await?),
        };
        if change.adds.is_empty() {
            return Ok(Done::Unchanged);
        }
        self.commit(schema, change).await
    }

    /// The small files of each partition that follow one another, joined.
    async fn joined(&self, write: &Arc<WriteOptions>) -> Result<Change<'_>> {
        let (mut change, mut sequence) = (Change::default(), 0);
        for (partition, files) in groups(&self.snapshot.files, write.parquet.target_file_size, self.options.min_files) {
            let joined = self.join(write, partition, &files, &mut sequence).await?;
            if joined.len() >= files.len() {
                for staged in &joined {
                    self.attempt.discard(staged).await?;
                }
                continue;
            }
            change.adds.extend(joined);
            change.removes.extend(files);
        }
        change.partitions = change.removes.iter().map(|file| &file.partition).collect::<BTreeSet<_>>().len() as u64;
        Ok(change)
    }

    /// The files of one partition, joined and staged.
    async fn join(
        &self,
        write: &Arc<WriteOptions>,
        partition: &PartitionKey,
        files: &[&DataFile],
        sequence: &mut u64,
    ) -> Result<Vec<StagedFile>> {
        let beside = files.first().map(|file| file.path.clone()).unwrap_or_default();
        let mut joiner = Joiner::new(Arc::clone(write), partition.clone(), beside, *sequence)?;
        let mut staged = Vec::new();
        for file in files {
            self.check_stop()?;
            let content = read_checked(self.table, &self.resource.table, file).await?;
            let (returned, whole) = self.apart(file, joiner, move |joiner| joiner.add(&content)).await?;
            joiner = returned;
            self.stage(whole, &mut staged).await?;
        }
        let last = files.last().copied();
        let Some(last) = last else { return Ok(staged) };
        let (joiner, whole) = self.apart(last, joiner, Joiner::finish).await?;
        self.stage(whole, &mut staged).await?;
        *sequence = joiner.sequence();
        self.check_rows(files, &staged)?;
        Ok(staged)
    }

    fn check_stop(&self) -> Result<(), CommitError> {
        if self.environment.shutdown.is_cancelled() {
            return Err(CommitError::Interrupted { table: self.table.workspace().table().shown("") });
        }
        Ok(())
    }

    /// Encodes on a thread that may be busy for long.
    async fn apart(
        &self,
        file: &DataFile,
        mut joiner: Joiner,
        work: impl FnOnce(&mut Joiner) -> Result<Vec<EncodedFile>, WriteError> + Send + 'static,
    ) -> Result<(Joiner, Vec<EncodedFile>)> {
        let done = spawn_blocking(move || work(&mut joiner).map(|files| (joiner, files))).await;
        let worker = || MaintainError::Worker { table: self.resource.table.clone(), file: file.path.clone() };
        let damaged = |error: WriteError| MaintainError::Damaged {
            table: self.resource.table.clone(),
            file: file.path.clone(),
            reason: error.to_string(),
        };
        Ok(done.map_err(|_| worker())?.map_err(damaged)?)
    }

    async fn stage(&self, files: Vec<EncodedFile>, staged: &mut Vec<StagedFile>) -> Result<()> {
        for file in files {
            staged.push(self.attempt.stage(file).await?);
        }
        Ok(())
    }

    /// Not a row more or less.
    fn check_rows(&self, files: &[&DataFile], staged: &[StagedFile]) -> Result<(), MaintainError> {
        let before = files.iter().map(|file| file.rows).sum();
        let after = staged.iter().map(|staged| staged.file.rows).sum();
        if before == after {
            return Ok(());
        }
        Err(MaintainError::Numbers { table: self.resource.table.clone(), before, after })
    }

    async fn commit(&self, schema: &TableSchema, change: Change<'_>) -> Result<Done> {
        let Change { adds, removes, partitions } = change;
        let mut compacted = Compacted {
            partitions,
            files_removed: removes.len() as u64,
            files_added: adds.len() as u64,
            rows: removes.iter().map(|file| file.rows).sum(),
            bytes_removed: removes.iter().map(|file| file.bytes).sum(),
            bytes_added: adds.iter().map(|staged| staged.file.bytes).sum(),
            version: 0,
        };
        let commit = Commit {
            identity: self.identity.clone(),
            run_id: self.options.run_id.clone(),
            operation: Operation::Compact,
            schema: schema.clone(),
            partition_by: self.snapshot.partition_by.clone(),
            adds,
            removes: removes.iter().map(|file| file.path.clone()).collect(),
            state: self.snapshot.state.clone(),
        };
        Ok(match self.table.commit(self.snapshot.version, commit).await? {
            CommitOutcome::Committed { version, .. } => {
                compacted.version = version;
                Done::Committed(compacted)
            }
            CommitOutcome::Conflict { version, .. } => Done::Conflict(version),
        })
    }

    /// As runs write this table, but for the size; columns by their places in the table's own schema.
    fn write_options(&self, schema: &TableSchema) -> Result<WriteOptions> {
        // A file that is encoded takes at most half of the memory.
        let target_file_size = self.options.target_size.min(self.options.memory / 2).max(1);
        let parquet = ParquetPlan {
            target_file_size,
            sort_by: moved(&self.resource.parquet.sort_by, &self.resource.schema, schema),
            bloom_filter: moved(&self.resource.parquet.bloom_filter, &self.resource.schema, schema),
            ..self.resource.parquet.clone()
        };
        let ranges = self.snapshot.files.iter().flat_map(|file| &file.keys);
        let mut keys: Vec<usize> = ranges.filter_map(|range| schema.index_of(&range.column)).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(WriteOptions {
            partition_by: spec::parse(&self.resource.table, &self.snapshot.partition_by, schema)?,
            schema: schema.clone(),
            parquet,
            version: self.attempt.version(),
            position: 0,
            memory: usize::try_from(self.options.memory).unwrap_or(usize::MAX),
            index: false,
            keys,
            pipeline: self.identity.pipeline.clone(),
            resource: self.identity.resource.clone(),
        })
    }
}

/// Columns of one schema by their names in another; one that is not there is left out.
fn moved(columns: &[usize], from: &TableSchema, to: &TableSchema) -> Vec<usize> {
    let index = |column: &usize| to.index_of(&from.columns.get(*column)?.name);
    columns.iter().filter_map(index).collect()
}

/// A data file that is what its commit says.
pub(super) async fn read_checked(table: &dyn TableFormat, name: &str, file: &DataFile) -> Result<Bytes> {
    let damaged = |reason: &str| MaintainError::Damaged {
        table: name.to_owned(),
        file: file.path.clone(),
        reason: reason.to_owned(),
    };
    let content = table.workspace().table().get(&file.path).await?.ok_or_else(|| damaged("there is no such file"))?;
    let (hashed, expected) = (content.clone(), file.sha256.clone());
    let is_the_same = spawn_blocking(move || digest::is_as_committed(&hashed, &expected));
    if is_the_same.await.map_err(|_| damaged("its checksum was not made"))? {
        Ok(content)
    } else {
        Err(damaged("its checksum is another").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(partition: &str, bytes: u64, rows: u64) -> DataFile {
        let partition = vec![("a".to_owned(), Some(partition.to_owned()))];
        DataFile { path: format!("{bytes}"), rows, bytes, sha256: String::new(), partition, keys: Vec::new() }
    }

    fn grouped(files: &[DataFile], min_files: u64) -> Vec<(String, Vec<u64>)> {
        let value = |key: &PartitionKey| key[0].1.clone().unwrap();
        groups(files, 100, min_files)
            .map(|(key, files)| (value(key), files.iter().map(|file| file.bytes).collect()))
            .collect()
    }

    #[test]
    fn files_of_less_than_half_the_target_are_small_and_grouped_by_partition_in_their_order() {
        let files = [file("x", 49, 1), file("y", 10, 1), file("x", 3, 1), file("x", 50, 1), file("y", 9, 1)];
        assert_eq!(grouped(&files, 2), [("x".into(), vec![49, 3]), ("y".into(), vec![10, 9])]);
    }

    #[test]
    fn rows_do_not_get_past_those_of_a_larger_file_between_them() {
        assert!(grouped(&[file("x", 1, 1), file("x", 70, 1), file("x", 2, 1)], 2).is_empty());
        let files = [1, 2, 70, 3, 80, 4, 5].map(|bytes| file("x", bytes, 1));
        assert_eq!(grouped(&files, 2), [("x".into(), vec![1, 2]), ("x".into(), vec![4, 5])]);
    }

    #[test]
    fn one_small_file_is_never_joined_and_fewer_than_asked_for_are_left() {
        let files = [file("x", 1, 1), file("y", 1, 1), file("y", 2, 1), file("y", 3, 1)];
        assert_eq!(grouped(&files, 0), [("y".into(), vec![1, 2, 3])]);
        assert!(grouped(&files, 4).is_empty());
    }

    #[test]
    fn files_without_rows_are_left_alone() {
        assert!(grouped(&[file("x", 1, 0), file("x", 2, 0)], 2).is_empty());
    }

    #[test]
    fn a_table_is_fragmented_if_a_partition_has_more_small_files_than_that() {
        let files = vec![file("x", 1, 1), file("x", 2, 1), file("x", 3, 1)];
        let snapshot = TableSnapshot { files, ..TableSnapshot::default() };
        assert!(is_fragmented(&snapshot, 100, 2));
        assert!(!is_fragmented(&snapshot, 100, 3));
        assert!(!is_fragmented(&snapshot, 2, 2));
    }
}
