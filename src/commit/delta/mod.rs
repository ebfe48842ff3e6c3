//! Delta tables: our own Parquet files, committed through the Delta log.
//!
//! ```text
//! staged files ─► _restlake/moves/<version>-<turn>.json ─► files in place ─► _delta_log/<20 digits>.json ─► attempt cleared
//!                 what goes where, put if absent            (moved)          put if absent: decides
//! ```
//!
//! Readers of Delta see what the log names and nothing else, so that files can be in place before the commit, and have to
//! be. `delta_kernel` reads the log, makes the lines of a commit and writes checkpoints; the files are written by restlake,
//! and the put of the lines is its own, so that an unclear answer is resolved as for plain Parquet.
//!
//! What stands where:
//! - Version `n` of restlake is version `n - 1` of the log.
//! - The domain `restlake.state` holds our record of the commit: whose the table is, its schema and partition spec, the
//!   cursor and counters, run and attempt. The application `restlake/<resource>` has our version as its transaction.
//! - An `add` has the statistics of its file's footer, and as its tag `restlake.file` the checksum and the key ranges.
//! - A file that leaves the table stays where it is, for readers of older versions, until a vacuum.
//! - A table without rows has no file.
//!
//! Others may write to the table: an `OPTIMIZE` is a version of the table like any other. What restlake can no longer read
//! (deletion vectors, mapped columns, files elsewhere) is refused with the reason.
//!
//! Invariant: a file that the log names is never deleted nor replaced by an attempt, neither its own nor another one, dead
//! or alive; what an attempt moved and the log does not name goes away, by its own hand or at the next open.

mod engine;
mod error;
mod log;
mod moves;
mod record;
mod recover;
mod schema;
mod state;
mod stats;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

pub use self::error::DeltaError;
use self::{
    engine::Kernel,
    log::Put,
    moves::{Moves, in_turn},
    record::Record,
    recover::Recovery,
    schema::Layout,
    state::{Added, Base, Change},
};
use super::{
    CommitError, CommitOutcome, Processes, SystemProcesses, TableFormat, TableSnapshot, Workspace,
    owner::Lease,
    staging::{clear, data_file_name, is_staged_in, reach},
};
use crate::{
    environment::{Environment, FaultPoint},
    error::{Result, chain},
    model::{Commit, DataFile, StagedFile, TableIdentity, Version},
    store::{Store, TableStore},
};

/// Where the log of plain Parquet lies.
const PLAIN_LOG: &str = "_restlake/commits";

/// All that is not data lies below these directories of the table.
const HIDDEN: [&str; 2] = ["_restlake/", "_delta_log/"];

/// Every version of the log whose number is a multiple of this gets a checkpoint, unless the table says otherwise.
const CHECKPOINT_EVERY: u64 = 10;

/// Footers read at a time.
const FOOTERS: usize = 16;

/// An opened Delta table.
#[derive(Debug)]
pub struct DeltaTable {
    workspace: Workspace,
    kernel: Kernel,
}

impl DeltaTable {
    /// Opens a table, which need not exist yet, and takes away what a dead run left over. Needs a tokio runtime.
    ///
    /// # Errors
    /// A store that cannot be read, a directory with files but without commits, a table of another resource, pipeline,
    /// format or program, and a log that cannot be read.
    pub async fn open(store: &Store, table: &str, identity: TableIdentity, environment: Environment) -> Result<Self> {
        Self::open_with(store, table, identity, environment, Arc::new(SystemProcesses)).await
    }

    /// [`open`](Self::open) with another view of which processes live.
    pub async fn open_with(
        store: &Store,
        table: &str,
        identity: TableIdentity,
        environment: Environment,
        processes: Arc<dyn Processes>,
    ) -> Result<Self> {
        let workspace = Workspace::new(store, table, identity, environment, processes)?;
        let kernel = Kernel::new(&workspace.table)?;
        let opened = Self { workspace, kernel };
        opened.check_owner().await?;
        opened.recovery().run().await?;
        opened.check_foreign_files().await?;
        Ok(opened)
    }

    fn table(&self) -> &TableStore {
        &self.workspace.table
    }

    fn recovery(&self) -> Recovery<'_> {
        let Workspace { table, environment, processes, .. } = &self.workspace;
        Recovery { table, kernel: &self.kernel, environment, processes: processes.as_ref() }
    }

    async fn newest(&self) -> Result<Version, CommitError> {
        Ok(log::versions(self.table()).await?.last().copied().unwrap_or_default())
    }

    async fn base(&self, version: Version) -> Result<Base, CommitError> {
        Base::read(&self.kernel, self.table(), version).await
    }

    /// A table belongs to one resource of one pipeline, and has one format.
    async fn check_owner(&self) -> Result<(), CommitError> {
        if self.table().list(PLAIN_LOG)?.try_next().await?.is_some() {
            return Err(DeltaError::PlainParquet { table: self.table().shown("") }.into());
        }
        let found = self.base(self.newest().await?).await?.snapshot.identity;
        match found.filter(|found| *found != self.workspace.identity) {
            None => Ok(()),
            Some(found) => Err(CommitError::AnotherTable {
                table: self.table().shown(""),
                found: Box::new(found),
                wanted: Box::new(self.workspace.identity.clone()),
            }),
        }
    }

    /// Before a table's first commit its directory holds nothing, but for what living attempts have moved.
    async fn check_foreign_files(&self) -> Result<(), CommitError> {
        if self.newest().await? > 0 {
            return Ok(());
        }
        let Some(file) = self.foreign_file().await? else { return Ok(()) };
        // Another first run may have made it the table's while we listed, or taken it back.
        let is_there = self.table().size(&file).await?.is_some();
        if is_there && self.newest().await? == 0 && self.foreign_file().await?.as_ref() == Some(&file) {
            return Err(CommitError::ForeignFiles { table: self.table().shown(""), file });
        }
        Ok(())
    }

    /// Any file where data lies that no attempt names.
    async fn foreign_file(&self) -> Result<Option<String>, CommitError> {
        let listed: Vec<_> = self.table().list("")?.try_collect().await?;
        let moves = Moves::all(self.table()).await?;
        let named: BTreeSet<&str> = moves.iter().flat_map(|moves| &moves.files).map(|(_, to)| to.as_str()).collect();
        let mut paths = listed.iter().filter_map(|object| self.table().path_of(&object.location));
        let is_data = |path: &String| !HIDDEN.iter().any(|hidden| path.starts_with(hidden));
        Ok(paths.find(|path| is_data(path) && !named.contains(path.as_str())))
    }

    /// Refuses a commit that contradicts itself or its base: these are mistakes of the caller, and would corrupt the table.
    fn check(&self, base: &TableSnapshot, attempt: &str, commit: &Commit) -> Result<(), CommitError> {
        let version = base.version + 1;
        let invalid = |reason: String| CommitError::Invalid { table: self.table().shown(""), version, reason };
        if commit.identity != self.workspace.identity {
            return Err(invalid("it is of another resource".into()));
        }
        let mut paths: BTreeSet<&str> = base.files.iter().map(|file| file.path.as_str()).collect();
        for path in &commit.removes {
            if !paths.remove(path.as_str()) {
                return Err(invalid(format!("`{path}` is to be removed and not there")));
            }
        }
        for add in &commit.adds {
            data_file_name(self.table(), &add.file.path, version)?;
            if !is_staged_in(&add.staged, attempt) {
                return Err(invalid(format!("`{}` is not staged in {attempt}", add.staged)));
            }
            if commit.removes.contains(&add.file.path) || !paths.insert(&add.file.path) {
                return Err(invalid(format!("`{}` is added twice", add.file.path)));
            }
        }
        Ok(())
    }

    /// What the table's columns must become for this commit.
    fn layout(
        &self,
        base: &Base,
        commit: &Commit,
    ) -> Result<(Layout, Vec<delta_kernel::schema::StructField>), CommitError> {
        let refused =
            |reason: String| CommitError::Delta(DeltaError::Refused { table: self.table().shown(""), reason });
        let layout = Layout::new(&commit.schema, &commit.partition_by).map_err(refused)?;
        let Some(columns) = base.columns() else { return Ok((layout, Vec::new())) };
        let (before, now) = (&base.snapshot.partition_by, &commit.partition_by);
        if before != now {
            let name = |spec: &[String]| if spec.is_empty() { "nothing".to_owned() } else { spec.join(", ") };
            return Err(refused(format!("it is partitioned by {}, and is to be by {}", name(before), name(now))));
        }
        let added = layout.added_to(&columns).map_err(refused)?;
        Ok((layout, added))
    }

    /// The files of the commit that have rows, where they will lie, and their footers. Reading them shows, too, that they
    /// are still there: somebody who took us for dead may have cleaned up.
    async fn added(&self, adds: &[StagedFile], turn: u64) -> Result<Vec<Added>, CommitError> {
        let read = stream::iter(adds.to_vec()).map(|add| async move {
            let lost = || CommitError::AttemptLost { attempt: self.table().shown(&add.staged) };
            if self.table().size(&add.staged).await? != Some(add.file.bytes) {
                return Err(lost());
            }
            let footer = stats::footer(self.table(), &add.staged, add.file.bytes).await?;
            if footer.is_none() {
                tracing::warn!(path = add.file.path, "a file without a readable footer gets no statistics");
            }
            Ok((DataFile { path: in_turn(&add.file.path, turn), ..add.file }, footer))
        });
        read.buffered(FOOTERS).try_collect().await
    }

    /// Everything up to the put: the files lie where the lines say.
    async fn prepare(
        &self,
        lease: &Lease,
        base: Base,
        commit: &Commit,
        moves: Option<&Moves>,
    ) -> Result<Bytes, CommitError> {
        let (layout, added_columns) = self.layout(&base, commit)?;
        let adds: Vec<_> = commit.adds.iter().filter(|add| add.file.rows > 0).cloned().collect();
        let now = self.workspace.environment.clock.now().timestamp_millis();
        let change = Change {
            operation: commit.operation,
            layout,
            record: Record::new(base.snapshot.version + 1, &lease.name, commit),
            adds: self.added(&adds, moves.map_or(0, |moves| moves.turn)).await?,
            removes: commit.removes.iter().cloned().collect(),
            now,
        };
        let lines = change.lines(&self.kernel, base, added_columns).await?;
        lease.renew().await?;
        if let Some(moves) = moves {
            moves.carry_out(self.table(), &self.workspace.environment).await?;
        }
        reach(&self.workspace.environment, self.table(), FaultPoint::BeforeCommit)?;
        Ok(lines.into())
    }

    /// Claims a turn for the files that are to be moved; a commit without any needs none.
    async fn claim(&self, lease: &Lease, commit: &Commit) -> Result<Option<Moves>, CommitError> {
        let adds: Vec<_> = commit.adds.iter().filter(|add| add.file.rows > 0).cloned().collect();
        if adds.is_empty() {
            return Ok(None);
        }
        Ok(Some(Moves::claim(self.table(), lease.version, &lease.name, &commit.run_id, &adds).await?))
    }

    /// Takes back what was moved; what fails is left to the next open.
    async fn give_up(&self, moves: Option<&Moves>, is_kept: impl Fn(&str) -> bool) {
        let Some(moves) = moves else { return };
        if let Err(error) = moves.undo(self.table(), is_kept).await {
            tracing::warn!(attempt = moves.attempt, error = %chain(&error), "files that were moved were not deleted");
        }
    }

    /// Another commit was first: what was moved goes, and the attempt.
    async fn lose(&self, lease: &Lease, moves: Option<&Moves>) {
        self.give_up(moves, |_| false).await;
        self.tidy(lease, moves).await;
    }

    /// Deletes the attempt and its record of moves. That the commit is made or lost is what the user must hear of; what
    /// stays behind, a later run takes away.
    async fn tidy(&self, lease: &Lease, moves: Option<&Moves>) {
        lease.release().await;
        let cleared = async {
            clear(self.table(), &lease.name).await?;
            match moves {
                Some(moves) => moves.forget(self.table()).await,
                None => Ok(()),
            }
        };
        if let Err(error) = cleared.await {
            tracing::warn!(attempt = lease.name, error = %chain(&error), "the attempt was not deleted");
        }
    }

    /// Writes a checkpoint of a version if one is due. Readers do without, so that a failure is only told.
    async fn checkpoint(&self, version: Version) {
        let Some(logged) = log::logged(version).filter(|logged| *logged > 0) else { return };
        let written = async {
            // Cheap to decide for most versions, and without a read of the log.
            if !logged.is_multiple_of(CHECKPOINT_EVERY) {
                return Ok(());
            }
            let snapshot = self.kernel.snapshot(Some(logged)).await?;
            self.kernel.call("write", move |engine| snapshot.checkpoint(engine, None).map(drop)).await
        };
        if let Err(error) = written.await {
            tracing::warn!(version, error = %chain(&error), "no checkpoint was written to the Delta log");
        }
    }
}

#[async_trait]
impl TableFormat for DeltaTable {
    fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    async fn snapshot(&self) -> Result<TableSnapshot> {
        Ok(self.base(self.newest().await?).await?.snapshot)
    }

    async fn commit(&self, base: Version, commit: Commit) -> Result<CommitOutcome> {
        let version = base + 1;
        let lease = self.workspace.lease_for(base).await?;
        if let Some(winner) = log::read(self.table(), version).await? {
            self.lose(&lease, None).await;
            return Ok(CommitOutcome::Conflict { version, run_id: winner.author() });
        }
        let base = self.base(base).await?;
        self.check(&base.snapshot, &lease.name, &commit)?;
        let rows = rows_after(&base.snapshot, &commit);
        let moves = self.claim(&lease, &commit).await?;
        let prepared = self.prepare(&lease, base, &commit, moves.as_ref()).await;
        let lines = match prepared {
            Ok(lines) => lines,
            Err(error) => {
                self.give_up(moves.as_ref(), |_| false).await;
                return Err(error.into());
            }
        };
        // From here on only the log knows whether these files are the table's.
        lease.set_in_doubt(true);
        let put = log::put(self.table(), version, commit.operation, &lines).await;
        if matches!(put, Err(CommitError::Store(_))) {
            self.give_up(moves.as_ref(), |_| false).await;
            lease.set_in_doubt(false);
        }
        match put? {
            Put::Done => {
                let reached = reach(&self.workspace.environment, self.table(), FaultPoint::AfterCommit);
                reached.map_err(|source| CommitError::Unpublished {
                    table: self.table().shown(""),
                    version,
                    operation: commit.operation,
                    source: Box::new(source),
                })?;
                self.tidy(&lease, moves.as_ref()).await;
                self.checkpoint(version).await;
                Ok(CommitOutcome::Committed { version, rows })
            }
            Put::Lost(winner) => {
                lease.set_in_doubt(false);
                self.lose(&lease, moves.as_ref()).await;
                Ok(CommitOutcome::Conflict { version, run_id: winner.author() })
            }
        }
    }
}

/// The rows of the whole table after a commit.
fn rows_after(base: &TableSnapshot, commit: &Commit) -> u64 {
    let removes: BTreeSet<&str> = commit.removes.iter().map(String::as_str).collect();
    let kept = base.files.iter().filter(|file| !removes.contains(file.path.as_str()));
    let added = commit.adds.iter().map(|add| &add.file);
    kept.chain(added).map(|file| file.rows).fold(0, u64::saturating_add)
}
