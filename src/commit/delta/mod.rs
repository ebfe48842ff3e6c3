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

mod audit;
mod engine;
mod error;
mod log;
mod moves;
mod record;
mod recover;
mod schema;
mod state;
mod stats;
mod vacuum;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

pub use self::error::DeltaError;
use self::{
    engine::Kernel,
    log::Put,
    moves::{Moves, in_turn},
    record::Record,
    schema::{ColumnChange, Layout},
    state::{Added, Base, Change},
};
use super::{
    AttemptRecord, CommitError, CommitOutcome, CommitRecord, Flaw, Processes, StoredObject, SystemProcesses,
    TableFormat, TableSnapshot, Workspace,
    attempts::{clear_files, newest_owner},
    check::{check_fits, check_staged},
    landing::Landing,
    owner::{Lease, owner_path},
    staging::reach,
};
use crate::{
    environment::{Environment, FaultPoint},
    error::{Result, chain},
    model::{Commit, DataFile, StagedFile, TableIdentity, Version},
    schema::TableSchema,
    store::{Store, TableStore},
};

/// Where the log of plain Parquet lies.
const PLAIN_LOG: &str = "_restlake/commits";

/// All that is not data lies below these directories of the table.
const HIDDEN: [&str; 2] = ["_restlake/", "_delta_log/"];

/// Every version of the log whose number is a multiple of this gets a checkpoint, unless `delta.checkpointInterval` of the
/// table says otherwise.
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
        let opened = Self::bind(store, table, identity, environment, processes)?;
        opened.check_owner().await?;
        opened.recover_all().await?;
        opened.check_foreign_files().await?;
        Ok(opened)
    }

    /// A table to look at: nothing is created, claimed, finished or deleted. Needs a tokio runtime.
    ///
    /// # Errors
    /// A table name that is no path, or none for the kernel.
    pub fn look(store: &Store, table: &str, identity: TableIdentity, environment: Environment) -> Result<Self> {
        Ok(Self::bind(store, table, identity, environment, Arc::new(SystemProcesses))?)
    }

    fn bind(
        store: &Store,
        table: &str,
        identity: TableIdentity,
        environment: Environment,
        processes: Arc<dyn Processes>,
    ) -> Result<Self, CommitError> {
        let workspace = Workspace::new(store, table, identity, environment, processes)?;
        let kernel = Kernel::new(&workspace.table)?;
        Ok(Self { workspace, kernel })
    }

    fn table(&self) -> &TableStore {
        &self.workspace.table
    }

    async fn newest_version(&self) -> Result<Version, CommitError> {
        Ok(log::versions(self.table()).await?.last().copied().unwrap_or_default())
    }

    /// Returns the newest version.
    ///
    /// # Errors
    /// [`CommitError::NewestLost`] if it is older than the noted version, [`CommitError::Corrupt`] if an object of the log is empty.
    async fn current_version(&self) -> Result<Version, CommitError> {
        // Read before the log, so that the noted version must be in it.
        let noted = log::NOTE.read(self.table()).await;
        let newest = log::newest(self.table()).await?;
        if newest < noted {
            return Err(CommitError::NewestLost { object: self.table().shown(&log::path_of(noted)), newest });
        }
        Ok(newest)
    }

    async fn base(&self, version: Version) -> Result<Base, CommitError> {
        Base::read(&self.kernel, self.table(), version).await
    }

    /// A table belongs to one resource of one pipeline, and has one format.
    async fn check_owner(&self) -> Result<(), CommitError> {
        self.check_not_plain().await?;
        let found = self.base(self.current_version().await?).await?.snapshot.identity;
        match found.filter(|found| *found != self.workspace.identity) {
            None => Ok(()),
            Some(found) => Err(CommitError::AnotherTable {
                table: self.table().shown(""),
                found: Box::new(found),
                wanted: Box::new(self.workspace.identity.clone()),
            }),
        }
    }

    async fn check_not_plain(&self) -> Result<(), CommitError> {
        match self.table().list(PLAIN_LOG)?.try_next().await? {
            Some(_) => Err(DeltaError::PlainParquet { table: self.table().shown("") }.into()),
            None => Ok(()),
        }
    }

    /// Before a table's first commit its directory holds nothing, but for what living attempts have moved.
    async fn check_foreign_files(&self) -> Result<(), CommitError> {
        if self.newest_version().await? > 0 {
            return Ok(());
        }
        self.workspace.check_not_nested().await?;
        let Some(file) = self.foreign_file().await? else { return Ok(()) };
        // Another first run may have made it the table's while we listed, or taken it back.
        let is_there = self.table().size(&file).await?.is_some();
        if is_there && self.newest_version().await? == 0 && self.foreign_file().await?.as_ref() == Some(&file) {
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

    /// What the table's columns must become for these.
    fn layout(
        &self,
        base: &Base,
        schema: &TableSchema,
        now: &[String],
    ) -> Result<(Layout, Vec<ColumnChange>), CommitError> {
        let refused =
            |reason: String| CommitError::Delta(DeltaError::Refused { table: self.table().shown(""), reason });
        let layout = Layout::new(schema, now).map_err(refused)?;
        let Some(columns) = base.columns() else { return Ok((layout, Vec::new())) };
        let before = &base.snapshot.partition_by;
        if before != now {
            let name = |spec: &[String]| if spec.is_empty() { "nothing".to_owned() } else { spec.join(", ") };
            return Err(refused(format!("it is partitioned by {}, and is to be by {}", name(before), name(now))));
        }
        let changes = layout.changes_to(&columns).map_err(refused)?;
        Ok((layout, changes))
    }

    /// Files where they will lie, and their footers.
    async fn added(&self, adds: Vec<StagedFile>, turn: u64) -> Result<Vec<Added>, CommitError> {
        let read = stream::iter(adds).map(|add| async move {
            let footer = stats::footer(self.table(), &add.staged, add.file.bytes).await?;
            if footer.is_none() {
                tracing::warn!(path = add.file.path, "a file without a readable footer gets no statistics");
            }
            Ok((DataFile { path: in_turn(&add.file.path, turn), ..add.file }, footer))
        });
        read.buffered(FOOTERS).try_collect().await
    }

    /// The lines that make the version after `base`, with the files where their turn has them.
    async fn lines(
        &self,
        lease: &Lease,
        base: Base,
        commit: &Commit,
        adds: Vec<StagedFile>,
        moves: Option<&Moves>,
    ) -> Result<Bytes, CommitError> {
        let (layout, columns) = self.layout(&base, &commit.schema, &commit.partition_by)?;
        let now = self.workspace.environment.clock.now();
        let change = Change {
            operation: commit.operation,
            layout,
            columns,
            record: Record::new(base.snapshot.version + 1, &lease.name, commit, now),
            adds: self.added(adds, moves.map_or(0, |moves| moves.turn)).await?,
            removes: commit.removes.iter().cloned().collect(),
            now: now.timestamp_millis(),
        };
        Ok(change.lines(&self.kernel, base).await?.into())
    }

    /// Brings the files into place and puts the lines. What was moved goes back if the version certainly was not made by us.
    async fn move_and_put(
        &self,
        lease: &Lease,
        commit: &Commit,
        moves: Option<&Moves>,
        lines: &Bytes,
    ) -> Result<Put, CommitError> {
        let put = async {
            if let Some(moves) = moves {
                moves.carry_out(self.table(), &self.workspace.environment).await?;
            }
            reach(&self.workspace.environment, self.table(), FaultPoint::BeforeCommit)?;
            let landing = Landing::new(&self.workspace, lease, &[]);
            landing.announce().await?;
            // From here on only the log knows whether these files are the table's.
            lease.set_in_doubt(true);
            let check = || self.check_ours(lease, moves).boxed();
            log::put(self.table(), lease.version, commit.operation, lines, &landing, &check).await
        };
        let put = put.await;
        let is_ours_perhaps =
            matches!(put, Ok(Put::Done) | Err(CommitError::Unclear { .. } | CommitError::NotConditional { .. }));
        if let Some(moves) = moves.filter(|_| !is_ours_perhaps) {
            self.tidy(self.undo(moves, matches!(put, Ok(Put::Lost(_))))).await;
        }
        // One who went on in our place may have won: then the attempt is his.
        let is_successors = matches!(&put, Ok(Put::Lost(winner)) if winner.record.as_ref().is_some_and(|record| record.attempt == lease.name));
        if !is_ours_perhaps && !is_successors {
            lease.set_in_doubt(false);
        }
        put
    }

    /// Makes sure that nobody has taken the attempt over: who does takes its files away, and may even be done with it, so
    /// that no record is left of it.
    async fn check_ours(&self, lease: &Lease, moves: Option<&Moves>) -> Result<(), CommitError> {
        lease.renew_at_once().await?;
        let is_ours = newest_owner(self.table(), &lease.name).await? == Some(lease.generation)
            && match moves {
                Some(moves) => moves.are_in_place(self.table()).await?,
                None => true,
            };
        if is_ours {
            Ok(())
        } else {
            Err(CommitError::AttemptLost { attempt: self.table().shown(&owner_path(&lease.name, lease.generation)) })
        }
    }

    /// Takes moves back. The record goes with them only if its version is made, by whomever: until then its turn is taken,
    /// and a file that could not be moved is in it for the next open.
    async fn undo(&self, moves: &Moves, is_made: bool) -> Result<(), CommitError> {
        moves.take_back(self.table()).await?;
        if is_made { moves.forget(self.table()).await } else { Ok(()) }
    }

    /// Deletes the record of moves of a version that is made.
    async fn forget(&self, moves: Option<&Moves>) {
        if let Some(moves) = moves {
            self.tidy(moves.forget(self.table())).await;
        }
    }

    /// What stays behind after a commit, a later run takes away: that there is one is what matters.
    async fn tidy(&self, step: impl Future<Output = Result<(), CommitError>>) {
        if let Err(error) = step.await {
            tracing::warn!(table = self.table().shown(""), error = %chain(&error), "an attempt was not all cleared away");
        }
    }

    /// Writes a checkpoint of a version if one is due. Readers do without, so that a failure is only told.
    async fn checkpoint(&self, version: Version, every: u64) {
        let Some(logged) = log::logged(version).filter(|logged| *logged > 0) else { return };
        let written = async {
            if !logged.is_multiple_of(every) {
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
        Ok(self.base(self.current_version().await?).await?.snapshot)
    }

    async fn snapshot_at(&self, version: Version) -> Result<TableSnapshot> {
        if version > self.newest_version().await? {
            return Err(CommitError::Gap { object: self.table().shown(&log::path_of(version)) }.into());
        }
        Ok(self.base(version).await?.snapshot)
    }

    async fn newest(&self) -> Result<Version> {
        Ok(self.newest_version().await?)
    }

    async fn commit_at(&self, version: Version) -> Result<Option<CommitRecord>> {
        let commit = if version == 0 { None } else { log::read(self.table(), version).await? };
        match commit {
            Some(commit) => Ok(Some(state::commit_record(&self.kernel, self.table(), version, commit).await?)),
            None => Ok(None),
        }
    }

    async fn recover(&self) -> Result<()> {
        Ok(self.recover_all().await?)
    }

    async fn attempts(&self) -> Result<Vec<AttemptRecord>> {
        let mut attempts = self.workspace.attempt_records(self.newest_version().await?, Some(self)).await?;
        self.add_moved(&mut attempts).await?;
        Ok(attempts)
    }

    async fn audit(&self) -> Result<Vec<Flaw>> {
        Ok(self.flaws().await?)
    }

    async fn removed(&self) -> Result<BTreeSet<String>> {
        Ok(self.removed_ever().await?)
    }

    async fn check_format(&self) -> Result<()> {
        Ok(self.check_not_plain().await?)
    }

    fn keeps_removed(&self) -> bool {
        true
    }

    async fn check_shape(&self, base: Version, schema: &TableSchema, partition_by: &[String]) -> Result<()> {
        let base = self.base(base).await?;
        let (_, columns) = self.layout(&base, schema, partition_by)?;
        Ok(base.check_changes(&self.kernel, columns).await?)
    }

    async fn expired(&self, before: DateTime<Utc>) -> Result<Vec<StoredObject>> {
        Ok(self.removed_until(before).await?)
    }

    async fn commit(&self, base: Version, commit: Commit) -> Result<CommitOutcome> {
        let lease = self.workspace.lease_for(base).await?;
        let mut checkpoints = CHECKPOINT_EVERY;
        let outcome = self.commit_with(&lease.lease, base, commit, &mut checkpoints).await;
        match &outcome {
            Ok(CommitOutcome::Committed { version, .. }) => {
                self.workspace.keep(lease).await;
                self.checkpoint(*version, checkpoints).await;
            }
            _ => self.workspace.give_up(&lease).await,
        }
        Ok(outcome?)
    }
}

impl DeltaTable {
    /// `checkpoints` becomes what the table says of them.
    async fn commit_with(
        &self,
        lease: &Lease,
        base: Version,
        commit: Commit,
        checkpoints: &mut u64,
    ) -> Result<CommitOutcome, CommitError> {
        let version = base + 1;
        if let Some(winner) = log::read(self.table(), version).await? {
            return Ok(CommitOutcome::Conflict { version, run_id: winner.author() });
        }
        let base = self.base(base).await?;
        *checkpoints = base.checkpoint_every().unwrap_or(*checkpoints);
        check_fits(&self.workspace, &base.snapshot, &lease.name, &commit)?;
        check_staged(&self.workspace, lease, &commit.adds).await?;
        let rows = rows_after(&base.snapshot, &commit);
        // A file without rows stands for an empty table where readers look for files; here the log does.
        let adds: Vec<_> = commit.adds.iter().filter(|add| add.file.rows > 0).cloned().collect();
        let moves = self.claim(lease, &commit, &adds).await?;
        let turn = moves.as_ref().map_or(0, |moves| moves.turn);
        let files =
            adds.iter().map(|add| DataFile { path: in_turn(&add.file.path, turn), ..add.file.clone() }).collect();
        let put = match self.lines(lease, base, &commit, adds, moves.as_ref()).await {
            Ok(lines) => self.move_and_put(lease, &commit, moves.as_ref(), &lines).await?,
            // The kernel looks whether the version is there, too, and does not say it apart.
            Err(error) => match log::read(self.table(), version).await? {
                // Nothing has been moved yet.
                Some(winner) => {
                    self.forget(moves.as_ref()).await;
                    Put::Lost(Box::new(winner))
                }
                None => return Err(error),
            },
        };
        match put {
            Put::Done => {
                log::NOTE.write(self.table(), version).await;
                let reached = reach(&self.workspace.environment, self.table(), FaultPoint::AfterCommit);
                reached.map_err(|source| self.unpublished(version, &commit, source))?;
                self.tidy(clear_files(self.table(), &lease.name)).await;
                self.forget(moves.as_ref()).await;
                Ok(CommitOutcome::Committed { version, rows, files })
            }
            Put::Lost(winner) => Ok(CommitOutcome::Conflict { version, run_id: winner.author() }),
        }
    }

    /// Takes a turn for the files that are to be moved; a commit without any needs none.
    async fn claim(&self, lease: &Lease, commit: &Commit, adds: &[StagedFile]) -> Result<Option<Moves>, CommitError> {
        if adds.is_empty() {
            return Ok(None);
        }
        Ok(Some(Moves::claim(self.table(), lease.version, &lease.name, &commit.run_id, adds).await?))
    }

    fn unpublished(&self, version: Version, commit: &Commit, source: CommitError) -> CommitError {
        let (table, operation) = (self.table().shown(""), commit.operation);
        CommitError::Unpublished { table, version, operation, source: Box::new(source) }
    }
}

/// The rows of the whole table after a commit.
fn rows_after(base: &TableSnapshot, commit: &Commit) -> u64 {
    let removes: BTreeSet<&str> = commit.removes.iter().map(String::as_str).collect();
    let kept = base.files.iter().filter(|file| !removes.contains(file.path.as_str()));
    let added = commit.adds.iter().map(|add| &add.file);
    kept.chain(added).map(|file| file.rows).fold(0, u64::saturating_add)
}
