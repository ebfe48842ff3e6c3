//! Plain Parquet tables: the files where readers look are the table, the commit log says which they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use super::{
    AttemptRecord, AttemptStatus, CommitError, CommitOutcome, Flaw, Processes, StoredObject, SystemProcesses,
    TableFormat, TableSnapshot, Workspace, inspect,
    log::{CommitObject, Log, Put},
    owner::{Lease, STAGING},
    publish::Publisher,
    staging::{clear, data_file_name, is_staged_in, reach},
};
use crate::{
    environment::{Environment, FaultPoint},
    error::{ErrorKind, Failure, Result, chain},
    model::{Commit, TableIdentity, Version},
    store::Store,
};

/// All that is not data lies below this directory of the table.
const HIDDEN: &str = "_restlake/";

/// How long publication waits before it is tried again, each time.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16)];

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
        opened.publisher().recover(opened.workspace.processes.as_ref()).await?;
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
        let mut newest = self.log.read(self.log.newest().await?).await?;
        if newest.is_none() {
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

    /// Refuses a commit that contradicts itself or its base: these are mistakes of the caller, and would corrupt the table.
    fn check(&self, base: &TableSnapshot, attempt: &str, commit: &Commit) -> Result<(), CommitError> {
        let version = base.version + 1;
        let invalid = |reason: String| CommitError::Invalid { table: self.workspace.table.shown(""), version, reason };
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
            data_file_name(&self.workspace.table, &add.file.path, version)?;
            if !is_staged_in(&add.staged, attempt) {
                return Err(invalid(format!("`{}` is not staged in {attempt}", add.staged)));
            }
            if commit.removes.contains(&add.file.path) || !paths.insert(&add.file.path) {
                return Err(invalid(format!("`{}` is added twice", add.file.path)));
            }
        }
        Ok(())
    }

    /// Whether all is where the commit will say it is. Somebody who took us for dead may have cleaned up.
    async fn check_staged(&self, lease: &Lease, commit: &Commit) -> Result<(), CommitError> {
        lease.renew().await?;
        let listed: Vec<_> = self.workspace.table.list(&format!("{STAGING}/{}", lease.name))?.try_collect().await?;
        let sizes: BTreeMap<_, _> = listed
            .into_iter()
            .filter_map(|object| Some((self.workspace.table.path_of(&object.location)?, object.size)))
            .collect();
        if commit.adds.iter().all(|add| sizes.get(&add.staged) == Some(&add.file.bytes)) {
            return Ok(());
        }
        Err(CommitError::AttemptLost { attempt: self.workspace.table.shown(&format!("{STAGING}/{}", lease.name)) })
    }

    /// Publishes a commit that stands. What fails in passing is tried again: else the user would have to see to it.
    async fn publish(&self, object: &CommitObject, base: &TableSnapshot) -> Result<(), CommitError> {
        reach(&self.workspace.environment, &self.workspace.table, FaultPoint::AfterCommit)?;
        let files = object.commit.adds.iter().map(|add| add.file.clone()).collect();
        let snapshot = TableSnapshot { version: object.version, files, ..base.clone() };
        let mut pauses = PAUSES.iter();
        loop {
            match (self.publisher().settle(object, &snapshot).await, pauses.next()) {
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

    async fn attempts(&self) -> Result<Vec<AttemptRecord>> {
        let mut attempts = self.workspace.attempts().await?;
        for attempt in &mut attempts {
            // A commit that cannot be read is the audit's to tell.
            let commit = self.log.read(attempt.version).await.unwrap_or_default();
            if commit.is_some_and(|object| object.attempt == attempt.name) {
                attempt.status = AttemptStatus::Committed;
            }
        }
        Ok(attempts)
    }

    async fn audit(&self) -> Result<Vec<Flaw>> {
        Ok(inspect::audit(&self.log).await?)
    }

    async fn expired(&self, before: DateTime<Utc>) -> Result<Vec<StoredObject>> {
        Ok(inspect::expired(&self.log, &self.workspace.table, before).await?)
    }

    async fn commit(&self, base: Version, commit: Commit) -> Result<CommitOutcome> {
        let lease = self.workspace.lease_for(base).await?;
        let base = self.log.snapshot_at(base).await?;
        self.check(&base, &lease.name, &commit)?;
        self.check_staged(&lease, &commit).await?;
        reach(&self.workspace.environment, &self.workspace.table, FaultPoint::BeforeCommit)?;
        let object = CommitObject::new(&base, &lease.name, commit, self.workspace.environment.clock.now());
        // From here on only the log knows whether these files are the table's.
        lease.set_in_doubt(true);
        let put = self.log.put(&object).await;
        if matches!(put, Err(CommitError::Store(_) | CommitError::Invalid { .. })) {
            lease.set_in_doubt(false);
        }
        let put = put?;
        lease.release().await;
        match put {
            Put::Done => self.publish(&object, &base).await.map_err(|error| self.unpublished(&object, error))?,
            Put::Lost(winner) => {
                lease.set_in_doubt(false);
                // That another run won is what the user must hear of; what stays behind, a later run takes away.
                if let Err(error) = clear(&self.workspace.table, &lease.name).await {
                    tracing::warn!(attempt = lease.name, error = %chain(&error), "the lost attempt was not deleted");
                }
                return Ok(CommitOutcome::Conflict { version: object.version, run_id: winner.commit.run_id });
            }
        }
        Ok(CommitOutcome::Committed { version: object.version, rows: object.totals.rows })
    }
}

impl ParquetTable {
    fn unpublished(&self, object: &CommitObject, error: CommitError) -> CommitError {
        let (version, operation) = (object.version, object.commit.operation);
        CommitError::Unpublished { table: self.workspace.table.shown(""), version, operation, source: Box::new(error) }
    }
}
