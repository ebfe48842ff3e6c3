//! Staged files and state become one atomic version of a table.
//!
//! ```text
//! EncodedFile ──Attempt::stage──► _restlake/staging/<attempt>/<name>.staged
//!                                          │
//! Commit (adds, removes, state) ──put-if-absent──► _restlake/commits/<20 digits>.json      ← decides
//!                                          │
//!                 publish: move adds into place ► delete removes ► delete staging, the owner's record last
//! ```
//!
//! The invariant: nothing lies where readers look that no commit names, and a version takes effect whole or not at all.
//! The commit object decides; publication only follows it and may be cut off anywhere. The attempt's `owner.json` is deleted
//! last, so that an attempt that still has one and is named by a commit is a publication to be finished: whoever opens the
//! table next does that. An attempt that no commit names is deleted if its owner is dead, and left alone otherwise.

#[cfg(feature = "delta")]
mod delta;
mod error;
mod log;
mod owner;
mod parquet;
mod publish;
mod rejects;
mod staging;
mod workspace;

use async_trait::async_trait;

use crate::{
    environment::Environment,
    error::Result,
    model::{Commit, DataFile, State, TableIdentity, Version},
    plan::TableFormatKind,
    schema::TableSchema,
    store::Store,
};

#[cfg(feature = "delta")]
pub use self::delta::{DeltaError, DeltaTable};
pub use self::{
    error::CommitError,
    owner::{LEASE, Process, Processes, RENEWAL, SystemProcesses},
    parquet::ParquetTable,
    rejects::RejectWriter,
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
    },
    /// Another run made that version; nothing of this one was published, and what it staged is deleted, if not now, then
    /// by a later run.
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
