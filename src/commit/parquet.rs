//! Plain Parquet tables: the files where readers look are the table, the commit log says which they are.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use super::{
    AttemptRecord, CommitError, CommitOutcome, CommitRecord, Flaw, Processes, StoredObject, SystemProcesses,
    TableFormat, TableSnapshot, Workspace,
    check::{check_fits, check_staged},
    inspect,
    landing::Landing,
    log::{CommitObject, Log, NOTE, Put},
    owner::LEASE,
    publish::Publisher,
    staging::reach,
    workspace::{CommitLease, PAUSES},
};
use crate::{
    environment::{Environment, FaultPoint},
    error::{ErrorKind, Failure, Result},
    model::{Commit, TableIdentity, Version},
    store::Store,
};

/// All that is not data lies below this directory of the table.
const HIDDEN: &str = "_restlake/";

/// Where a Delta table has its log.
const DELTA_LOG: &str = "_delta_log";

/// An opened table.
#[derive(Debug)]
pub struct ParquetTable {
    workspace: Workspace,
    log: Log,
}

impl ParquetTable {
    /// Opens a table, which need not exist yet, finishes what a dead run left unfinished and deletes what it left over.
    ///
    /// # Errors
    /// A store that cannot be read, a directory with files but without commits, a table of another resource or pipeline,
    /// and a log that cannot be read.
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
        let log = Log::new(workspace.table.clone());
        let opened = Self { workspace, log };
        opened.check_owner().await?;
        opened.recover().await?;
        Ok(opened)
    }

    /// See [`look`](super::look).
    pub(super) fn look(
        store: &Store,
        table: &str,
        identity: TableIdentity,
        environment: Environment,
    ) -> Result<Self, CommitError> {
        let workspace = Workspace::new(store, table, identity, environment, Arc::new(SystemProcesses))?;
        Ok(Self { log: Log::new(workspace.table.clone()), workspace })
    }

    fn publisher(&self) -> Publisher<'_> {
        Publisher { table: &self.workspace.table, log: &self.log, environment: &self.workspace.environment }
    }

    /// A table belongs to one resource of one pipeline, and a directory of somebody else's files is none.
    async fn check_owner(&self) -> Result<(), CommitError> {
        let mut newest = self.log.read(self.log.current().await?).await?;
        if newest.is_none() {
            self.check_no_delta().await?;
            self.workspace.check_not_nested().await?;
            let Some(file) = self.first_file().await? else { return Ok(()) };
            // Another first run may have made it the table's while we listed.
            newest = self.log.read(self.log.newest().await?).await?;
            if newest.is_none() {
                return Err(CommitError::ForeignFiles { table: self.workspace.table.shown(""), file });
            }
        }
        match newest.map(|object| object.commit.identity).filter(|found| *found != self.workspace.identity) {
            None => Ok(()),
            Some(found) => Err(CommitError::AnotherTable {
                table: self.workspace.table.shown(""),
                found: Box::new(found),
                wanted: Box::new(self.workspace.identity.clone()),
            }),
        }
    }

    async fn check_no_delta(&self) -> Result<(), CommitError> {
        match self.workspace.table.list(DELTA_LOG)?.try_next().await? {
            Some(_) => Err(CommitError::DeltaTable { table: self.workspace.table.shown("") }),
            None => Ok(()),
        }
    }

    /// Any file where readers look.
    async fn first_file(&self) -> Result<Option<String>, CommitError> {
        let mut listed = self.workspace.table.list("")?;
        while let Some(object) = listed.try_next().await? {
            let path = self.workspace.table.path_of(&object.location).unwrap_or_default();
            if !path.starts_with(HIDDEN) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Publishes a commit that stands. What fails in passing is tried again: else the user would have to see to it.
    async fn publish(&self, object: &CommitObject, base: &TableSnapshot) -> Result<(), CommitError> {
        reach(&self.workspace.environment, &self.workspace.table, FaultPoint::AfterCommit)?;
        let files = object.commit.adds.iter().map(|add| add.file.clone()).collect();
        let snapshot = TableSnapshot { version: object.version, files, ..base.clone() };
        let mut pauses = PAUSES.iter();
        loop {
            match (self.publisher().settle_object(object, &snapshot).await, pauses.next()) {
                (Err(error), Some(pause)) if error.kind() == ErrorKind::Transient => {
                    self.workspace.environment.clock.sleep(*pause).await;
                }
                (settled, _) => return settled,
            }
        }
    }
}

#[async_trait]
impl TableFormat for ParquetTable {
    fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    async fn snapshot(&self) -> Result<TableSnapshot> {
        Ok(self.log.snapshot().await?)
    }

    async fn snapshot_at(&self, version: Version) -> Result<TableSnapshot> {
        Ok(self.log.snapshot_at(version).await?)
    }

    async fn newest(&self) -> Result<Version> {
        Ok(self.log.newest().await?)
    }

    async fn commit_at(&self, version: Version) -> Result<Option<CommitRecord>> {
        Ok(self.log.read(version).await?.map(CommitRecord::from))
    }

    async fn recover(&self) -> Result<()> {
        self.log.sweep(self.workspace.environment.clock.now() - LEASE).await?;
        Ok(self.workspace.recover(self.log.newest().await?, &self.publisher()).await?)
    }

    async fn attempts(&self) -> Result<Vec<AttemptRecord>> {
        let newest = self.log.newest().await?;
        Ok(self.workspace.attempt_records(newest, Some(&self.publisher())).await?)
    }

    async fn check_format(&self) -> Result<()> {
        Ok(self.check_no_delta().await?)
    }

    async fn audit(&self) -> Result<Vec<Flaw>> {
        Ok(inspect::audit(&self.log, &self.workspace.table).await?)
    }

    async fn expired(&self, before: DateTime<Utc>) -> Result<Vec<StoredObject>> {
        Ok(inspect::expired(&self.log, &self.workspace.table, before).await?)
    }

    async fn commit(&self, base: Version, commit: Commit) -> Result<CommitOutcome> {
        let lease = self.workspace.lease_for(base).await?;
        let outcome = self.commit_with(&lease, base, commit).await;
        match &outcome {
            Ok(CommitOutcome::Committed { .. }) => self.workspace.keep(lease).await,
            _ => self.workspace.give_up(&lease).await,
        }
        Ok(outcome?)
    }
}

impl ParquetTable {
    async fn commit_with(
        &self,
        CommitLease { lease, .. }: &CommitLease,
        base: Version,
        commit: Commit,
    ) -> Result<CommitOutcome, CommitError> {
        let base = self.log.snapshot_at(base).await?;
        check_fits(&self.workspace, &base, &lease.name, &commit)?;
        check_staged(&self.workspace, lease, &commit.adds).await?;
        reach(&self.workspace.environment, &self.workspace.table, FaultPoint::BeforeCommit)?;
        let object = CommitObject::new(&base, &lease.name, commit, self.workspace.environment.clock.now());
        let landing = Landing::new(&self.workspace, lease, &object.commit.adds);
        landing.announce().await?;
        // From here on only the log knows whether these files are the table's.
        lease.set_in_doubt(true);
        let put = self.log.put(&object, &landing).await;
        let is_refused = matches!(put, Err(CommitError::Store(_) | CommitError::Invalid { .. }));
        // One who went on in our place may have won: then the table names these files.
        let is_lost = matches!(&put, Ok(Put::Lost(winner)) if winner.attempt != lease.name);
        if is_refused || is_lost {
            lease.set_in_doubt(false);
        }
        match put? {
            Put::Done => {
                NOTE.write(&self.workspace.table, object.version).await;
                self.publish(&object, &base).await.map_err(|error| self.unpublished(&object, error))?;
            }
            Put::Lost(winner) => {
                return Ok(CommitOutcome::Conflict { version: object.version, run_id: winner.commit.run_id });
            }
        }
        let files = object.commit.adds.into_iter().map(|add| add.file).collect();
        Ok(CommitOutcome::Committed { version: object.version, rows: object.totals.rows, files })
    }

    fn unpublished(&self, object: &CommitObject, error: CommitError) -> CommitError {
        let (version, operation) = (object.version, object.commit.operation);
        CommitError::Unpublished { table: self.workspace.table.shown(""), version, operation, source: Box::new(error) }
    }
}
