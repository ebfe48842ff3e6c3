//! Staged files and state become one atomic version of a table.
//!
//! ```text
//! claim ─► is another run living? ─► EncodedFile ──Attempt::stage──► _restlake/staging/<attempt>/<name>.staged
//!                                     checkpoints beside them, for a run that goes on after this one died
//!                                          │
//! Commit (adds, removes, state) ──put-if-absent──► _restlake/commits/<20 digits>.json      ← decides
//!        │ lost: rebase onto the winner's version, or abandon
//!                                          │
//!                 publish: move adds into place ► delete removes ► delete staging but for the owner's record
//!                                          │
//!                 the run is over: HeldLease::release deletes the record
//! ```
//!
//! The invariant: nothing lies where readers look that no commit names, and a version takes effect whole or not at all.
//! The commit object decides; publication only follows it and may be cut off anywhere. Who opens the table next settles what
//! others left ([`TableFormat::recover`]): an attempt that a commit names is published to the end, and if its owner is dead,
//! its run is known to have died after its commit; an attempt that no commit names is deleted if its owner is dead and its
//! checkpoints are of no use, and left alone otherwise.

mod attempts;
mod check;
mod checkpoint;
#[cfg(feature = "delta")]
mod delta;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod held;
mod inspect;
mod landing;
mod living;
mod log;
mod nesting;
mod noted;
mod owner;
mod parquet;
mod process;
mod publish;
mod rebase;
mod recover;
mod rejects;
mod renewal;
mod resume;
mod runs;
mod staging;
mod workspace;

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    environment::Environment,
    error::Result,
    model::{Commit, DataFile, Operation, State, TableIdentity, Version},
    plan::TableFormatKind,
    schema::TableSchema,
    store::Store,
};

#[cfg(feature = "delta")]
pub use self::delta::{DeltaError, DeltaTable};
pub use self::{
    checkpoint::{Checkpoint, CheckpointedFile},
    error::CommitError,
    held::{DiedAfterCommit, HeldLease},
    inspect::{AttemptRecord, AttemptStatus, Flaw, StoredObject},
    living::LivingOwner,
    owner::{LEASE, RENEWAL, age},
    parquet::ParquetTable,
    process::{Process, Processes, SystemProcesses},
    rejects::RejectWriter,
    resume::Resumable,
    runs::{RUNS_KEPT, RunRecord},
    staging::Attempt,
    workspace::Workspace,
};

/// Opens a table in its format, see [`ParquetTable::open`].
pub async fn open(
    store: &Store,
    table: &str,
    identity: TableIdentity,
    environment: Environment,
    format: TableFormatKind,
) -> Result<Box<dyn TableFormat>> {
    match format {
        TableFormatKind::Parquet => Ok(Box::new(ParquetTable::open(store, table, identity, environment).await?)),
        #[cfg(feature = "delta")]
        TableFormatKind::Delta => Ok(Box::new(DeltaTable::open(store, table, identity, environment).await?)),
        #[cfg(not(feature = "delta"))]
        TableFormatKind::Delta => Err(CommitError::NoDelta.into()),
    }
}

/// Opens a table to look at it: nothing is created, claimed, finished or deleted, and nothing is asked of the store yet.
///
/// # Errors
/// A table name that is no path, and a format that this build does not have.
pub fn look(
    store: &Store,
    table: &str,
    identity: TableIdentity,
    environment: Environment,
    format: TableFormatKind,
) -> Result<Box<dyn TableFormat>> {
    match format {
        TableFormatKind::Parquet => Ok(Box::new(ParquetTable::look(store, table, identity, environment)?)),
        #[cfg(feature = "delta")]
        TableFormatKind::Delta => Ok(Box::new(DeltaTable::look(store, table, identity, environment)?)),
        #[cfg(not(feature = "delta"))]
        TableFormatKind::Delta => Err(CommitError::NoDelta.into()),
    }
}

/// How versions of a table are recorded.
#[async_trait]
pub trait TableFormat: Send + Sync {
    /// Where the table's versions are made.
    fn workspace(&self) -> &Workspace;

    /// See [`Workspace::attempt`].
    async fn attempt(&self, base: Version) -> Result<Attempt> {
        self.workspace().attempt(base).await
    }

    /// The newest version.
    async fn snapshot(&self) -> Result<TableSnapshot>;

    /// An earlier version: 0 is the empty table.
    ///
    /// # Errors
    /// Among others, a version that is not in the log ([`CommitError::Gap`]).
    async fn snapshot_at(&self, version: Version) -> Result<TableSnapshot>;

    /// The number of the newest version, 0 for a table without commits.
    async fn newest(&self) -> Result<Version>;

    /// What one version changed, `None` if the log has no such version.
    async fn commit_at(&self, version: Version) -> Result<Option<CommitRecord>>;

    /// What the last versions changed, the newest first, at most so many; it ends where the log does.
    async fn history(&self, limit: usize) -> Result<Vec<CommitRecord>> {
        let mut records = Vec::new();
        for version in (1..=self.newest().await?).rev().take(limit) {
            let Some(record) = self.commit_at(version).await? else { break };
            records.push(record);
        }
        Ok(records)
    }

    /// Finishes what a dead run left unfinished and deletes what it left over: done at open, and to be done again after
    /// another run was waited for.
    async fn recover(&self) -> Result<()>;

    /// The attempts that lie in the staging directory, by name.
    async fn attempts(&self) -> Result<Vec<AttemptRecord>> {
        Ok(self.workspace().attempt_records(self.newest().await?, None).await?)
    }

    /// Whether a table without versions of this format is none of another one: it would look as if there were no table.
    ///
    /// # Errors
    /// The store's, and a table of another format.
    async fn check_format(&self) -> Result<()>;

    /// What is wrong with the record of the versions; a format whose record checks itself has nothing to tell.
    ///
    /// # Errors
    /// The store's. A record that cannot be read is a flaw, and no error.
    async fn audit(&self) -> Result<Vec<Flaw>> {
        Ok(Vec::new())
    }

    /// Whether files that a commit removes stay until they are vacuumed.
    fn keeps_removed(&self) -> bool {
        false
    }

    /// Whether the table at a version can take on these columns and this partition spec: told before the work that a commit
    /// ends. A format whose record takes whatever its files have refuses nothing.
    ///
    /// # Errors
    /// What [`commit`](Self::commit) would say of them.
    async fn check_shape(&self, _base: Version, _schema: &TableSchema, _partition_by: &[String]) -> Result<()> {
        Ok(())
    }

    /// Files of earlier versions that may lie where they were, as far back as the record goes; none where a format deletes them
    /// with the commit that removes them.
    async fn removed(&self) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }

    /// What neither the newest version needs nor any that was made after `before`: objects of the format's own record, and
    /// data files of old versions where the format keeps those. None of them is a living writer's.
    async fn expired(&self, _before: DateTime<Utc>) -> Result<Vec<StoredObject>> {
        Ok(Vec::new())
    }

    /// Makes version `base + 1` of the table, unless somebody else did.
    ///
    /// # Errors
    /// Among others, a commit that stands but whose publication did not finish ([`CommitError::Unpublished`]), and one that
    /// may or may not stand ([`CommitError::Unclear`]). Both are mended by opening the table again.
    async fn commit(&self, base: Version, commit: Commit) -> Result<CommitOutcome>;
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum CommitOutcome {
    Committed {
        version: Version,
        /// Of the whole table at that version.
        rows: u64,
        /// What the commit added, as the table has it: a format may give a file another name, or do without one that has
        /// no rows.
        files: Vec<DataFile>,
    },
    /// Another run made that version; nothing of this one was published. Its attempt is as it was, to be moved onto the new
    /// version ([`Workspace::rebase`]) or given up ([`Attempt::abandon`]).
    Conflict {
        version: Version,
        /// Who made it.
        run_id: String,
    },
}

/// One version of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableSnapshot {
    /// 0 for a table without commits; then all else is empty.
    pub version: Version,
    pub identity: Option<TableIdentity>,
    pub schema: Option<TableSchema>,
    /// As the commit has it.
    pub partition_by: Vec<String>,
    /// In the order in which they were added.
    pub files: Vec<DataFile>,
    pub rows: u64,
    pub state: State,
}

/// What one version changed.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitRecord {
    pub version: Version,
    /// RFC 3339.
    pub committed_at: String,
    pub run_id: String,
    pub operation: Operation,
    pub adds: Vec<DataFile>,
    /// Paths of the files that left the table.
    pub removes: Vec<String>,
    pub schema: TableSchema,
    pub state: State,
}
