//! After the commit: the lease is held until the run is over, and tells those who come later whether it was.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use super::{
    CommitRecord, Workspace,
    attempts::{Ownership, clear_owners},
    owner::{Lease, Standing},
    workspace::PAUSES,
};
use crate::{
    environment::Clock,
    error::{ErrorKind, Failure, Result, chain},
    model::{Operation, State, Version},
    store::TableStore,
};

/// The lease of a published commit, renewed until it is released or left. Dropped without either it leaves its record, as a
/// process does that dies.
#[derive(Debug)]
#[must_use = "dropped, it leaves the record of a run that died after its commit"]
pub struct HeldLease {
    table: TableStore,
    lease: Arc<Lease>,
    /// Of a later commit of the run that may stand or not.
    doubtful: Option<Arc<Lease>>,
    clock: Arc<dyn Clock>,
}

impl HeldLease {
    pub(super) fn new(workspace: &Workspace, lease: Arc<Lease>, doubtful: Option<Arc<Lease>>) -> Self {
        Self { table: workspace.table.clone(), lease, doubtful, clock: Arc::clone(&workspace.environment.clock) }
    }

    /// The run is over, and has not done all that it was to do: leaves the owner's record to the same command, run again,
    /// which finds what this one has done ([`DiedAfterCommit`]).
    ///
    /// # Errors
    /// The store's: the record says then what it does of a process that dies.
    pub async fn leave(self) -> Result<()> {
        let left = self.lease.stand(Standing::Unfinished).await;
        self.lease.release().await;
        Ok(left?)
    }

    /// Tells others that the run waits for another table, or (`None`) does no more: of runs that wait for each other, one
    /// must give up.
    ///
    /// # Errors
    /// The store's.
    pub async fn wait(&self, run: Option<String>) -> Result<()> {
        Ok(self.lease.wait(run).await?)
    }

    /// The run is over: deletes the owner's record, the last that is left of the attempt.
    ///
    /// # Errors
    /// The store's, after it was asked several times. If it does not even take a word of it, the next run
    /// takes this one for one that died after its commit.
    pub async fn release(self) -> Result<()> {
        self.end_doubtful().await;
        let owner = self.lease.release().await;
        let released = self.clear_owners().await;
        if let (Err(_), Some(owner)) = (&released, owner) {
            self.lease.end(owner).await?;
        }
        released
    }

    /// A commit that is found to stand when the table is opened next is then not one of a run that died.
    async fn end_doubtful(&self) {
        let Some(lease) = &self.doubtful else { return };
        let Some(owner) = lease.release().await else { return };
        if let Err(error) = lease.end(owner).await {
            tracing::warn!(attempt = lease.name, error = %chain(&error), "the end of the run was not noted");
        }
    }

    async fn clear_owners(&self) -> Result<()> {
        let mut pauses = PAUSES.iter();
        loop {
            match (clear_owners(&self.table, &self.lease.name).await, pauses.next()) {
                (Err(error), Some(pause)) if error.kind() == ErrorKind::Transient => self.clock.sleep(*pause).await,
                (released, _) => return Ok(released?),
            }
        }
    }
}

/// A run whose commit stands and is published, and which died before it was over or did not end well: somebody may think that
/// nothing was committed.
#[derive(Clone, Debug, PartialEq)]
pub struct DiedAfterCommit {
    pub version: Version,
    pub run_id: String,
    /// RFC 3339.
    pub committed_at: String,
    pub operation: Operation,
    /// By the names of the run's summary.
    pub counters: BTreeMap<String, u64>,
    /// Of the config that it went by, if it said.
    pub fingerprint: Option<String>,
}

impl From<CommitRecord> for DiedAfterCommit {
    fn from(record: CommitRecord) -> Self {
        let CommitRecord { version, run_id, committed_at, operation, state, .. } = record;
        let State { counters, fingerprint, .. } = state;
        Self { version, run_id, committed_at, operation, counters, fingerprint }
    }
}

impl Workspace {
    /// The newest commit whose run died after it, as it was found when the table was opened. It is found again at each open
    /// until somebody commits through this workspace, takes it for its own ([`take_died`](Self::take_died)) or calls
    /// [`forget_died`](Self::forget_died).
    pub fn died_after_commit(&self) -> Option<DiedAfterCommit> {
        let died = self.died.lock().unwrap_or_else(PoisonError::into_inner);
        died.iter().map(|(_, died)| died).max_by_key(|died| died.version).cloned()
    }

    /// Takes the newest commit whose run died after it for this run's own: until [`held`](Self::held) is released, others find
    /// this run alive, and one that dies as well leaves what it has found. Somebody else may have been faster: then it is
    /// theirs.
    pub async fn take_died(&self) -> Result<()> {
        let Some(attempt) = self.newest_died() else { return Ok(()) };
        let found = self.attempts().await?.into_iter().find(|found| found.name == attempt);
        let Some(found) = found else { return Ok(()) };
        let Ownership::Record(record, _) = found.ownership(&self.table).await? else { return Ok(()) };
        let mut owner = self.owner().await;
        owner.standing = Standing::Published;
        let lease = Lease::adopt(&self.table, &found.predecessor(record), owner, &self.environment).await?;
        self.died.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| *known != attempt);
        *self.held.lock().await = lease.map(Arc::new);
        self.forget_older().await;
        Ok(())
    }

    fn newest_died(&self) -> Option<String> {
        let died = self.died.lock().unwrap_or_else(PoisonError::into_inner);
        died.iter().max_by_key(|(_, died)| died.version).map(|(attempt, _)| attempt.clone())
    }

    /// Once a later commit is this run's, what earlier runs left who died after theirs is no news any more.
    pub(super) async fn forget_older(&self) {
        if let Err(error) = self.forget_died().await {
            tracing::warn!(error = %chain(&error), "the records of runs that died were not deleted");
        }
    }

    /// Deletes the records of runs that died after their commits.
    pub async fn forget_died(&self) -> Result<()> {
        let attempts: Vec<String> = {
            let died = self.died.lock().unwrap_or_else(PoisonError::into_inner);
            died.iter().map(|(attempt, _)| attempt.clone()).collect()
        };
        for attempt in attempts {
            clear_owners(&self.table, &attempt).await?;
            self.died.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| *known != attempt);
        }
        Ok(())
    }

    pub(super) fn set_died(&self, found: Vec<(String, DiedAfterCommit)>) {
        *self.died.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}
