//! What every table format works with: the table's place in the store, whose it is, and the attempt at its next version.

use std::{
    sync::{Arc, Mutex as StdMutex, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::Mutex;

use super::{
    Attempt, CommitError, DiedAfterCommit, HeldLease, Processes, RejectWriter,
    attempts::clear,
    owner::{Lease, Owner, Standing, timestamp},
};
use crate::{
    environment::Environment,
    error::{Result, chain},
    model::{TableIdentity, Version},
    store::{Store, TableStore},
};

/// How long what must be done after a commit waits before it is tried again, each time.
pub(super) const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16)];

/// The `_restlake/` directory of one opened table. One attempt at a time.
#[derive(Debug)]
pub struct Workspace {
    pub(super) table: TableStore,
    pub(super) identity: TableIdentity,
    pub(super) environment: Environment,
    pub(super) processes: Arc<dyn Processes>,
    /// Who we are in the records of all our attempts, from the first claim on.
    owner: Mutex<Option<Owner>>,
    /// The attempt that the next commit publishes.
    current: Mutex<Option<Arc<Lease>>>,
    /// The attempt that was published, until the run is over.
    pub(super) held: Mutex<Option<Arc<Lease>>>,
    /// Runs that died after their commit, by their attempts.
    pub(super) died: StdMutex<Vec<(String, DiedAfterCommit)>>,
    /// Whether something was kept for a commit that may yet arrive.
    pub(super) late: AtomicBool,
}

/// The lease of a commit, and whose it is.
pub(super) struct CommitLease {
    pub lease: Arc<Lease>,
    /// Whether it was claimed for this commit alone, so that nobody else will give it up.
    pub is_own: bool,
}

impl Workspace {
    pub(super) fn new(
        store: &Store,
        table: &str,
        identity: TableIdentity,
        environment: Environment,
        processes: Arc<dyn Processes>,
    ) -> Result<Self, CommitError> {
        let table = store.table(table)?;
        Ok(Self {
            table,
            identity,
            environment,
            processes,
            owner: Mutex::default(),
            current: Mutex::default(),
            held: Mutex::default(),
            died: StdMutex::default(),
            late: AtomicBool::default(),
        })
    }

    /// Claims a staging directory for version `base + 1`, which also proves that the store can be written. Once for each
    /// store that was opened it is proved, too, that its put-if-absent is one.
    pub async fn attempt(&self, base: Version) -> Result<Attempt> {
        let lease = self.claim(base + 1).await?;
        if !self.table.is_conditional() {
            if let Err(error) = lease.prove_put_if_absent().await {
                lease.release().await;
                // The error is what the user must hear of; what stays, the next run takes away.
                let _ = clear(&self.table, &lease.name).await;
                return Err(error.into());
            }
            self.table.set_conditional();
        }
        Ok(self.attempt_with(lease).await)
    }

    /// Where this run's rejects go.
    pub fn rejects(&self, run_id: &str) -> RejectWriter {
        RejectWriter::new(self.table.clone(), run_id)
    }

    /// The table's part of the store.
    pub fn table(&self) -> &TableStore {
        &self.table
    }

    /// The lease of the last commit, for who knows when the run is over. Until then other runs find its owner alive; if the
    /// process dies before, the next one finds [`DiedAfterCommit`]. `None` without a commit whose files are in place.
    pub async fn held(&self) -> Option<HeldLease> {
        let lease = self.held.lock().await.take()?;
        let doubtful = self.current.lock().await.clone().filter(|lease| lease.is_in_doubt());
        Some(HeldLease::new(self, lease, doubtful))
    }

    /// Makes an attempt's lease that of the next commit.
    pub(super) async fn attempt_with(&self, lease: Arc<Lease>) -> Attempt {
        *self.current.lock().await = Some(Arc::clone(&lease));
        Attempt::new(self.table.clone(), lease, self.environment.clone())
    }

    /// Makes the lease of an attempt that is already there that of the next commit.
    pub(super) async fn make_current(&self, lease: &Arc<Lease>) {
        *self.current.lock().await = Some(Arc::clone(lease));
    }

    pub(super) async fn claim(&self, version: Version) -> Result<Arc<Lease>, CommitError> {
        let lease = Lease::claim(&self.table, version, self.owner().await, &self.environment).await?;
        Ok(Arc::new(lease))
    }

    /// What the record of our next attempt says.
    pub(super) async fn owner(&self) -> Owner {
        let now = self.environment.clock.now();
        let mut owner = self.owner.lock().await;
        let owner = owner.get_or_insert_with(|| Owner::new(self.processes.this(), now, self.environment.random.next()));
        owner.renewed_at = timestamp(now);
        owner.clone()
    }

    /// That we work is said in the records of later attempts, too.
    pub(super) async fn set_working(&self) {
        if let Some(owner) = self.owner.lock().await.as_mut() {
            owner.standing = Standing::Working;
        }
    }

    /// The attempt that a commit belongs to; a commit without one gets one, so that it can be recovered like any other.
    pub(super) async fn lease_for(&self, base: Version) -> Result<CommitLease, CommitError> {
        let current = self.current.lock().await.clone();
        if let Some(lease) = current.filter(|lease| lease.version == base + 1)
            && lease.owner().is_some()
        {
            return Ok(CommitLease { lease, is_own: false });
        }
        Ok(CommitLease { lease: self.claim(base + 1).await?, is_own: true })
    }

    /// After a commit that was not made: what was claimed for it alone goes, if it certainly was not made.
    pub(super) async fn give_up(&self, commit: &CommitLease) {
        if !commit.is_own || commit.lease.is_in_doubt() {
            return;
        }
        commit.lease.release().await;
        if let Err(error) = clear(&self.table, &commit.lease.name).await {
            tracing::warn!(attempt = commit.lease.name, error = %chain(&error), "the attempt was not deleted");
        }
    }

    /// After a commit whose files are in place: the lease is kept to the end of the run, and what earlier runs left who
    /// died after theirs is no news any more.
    pub(super) async fn keep(&self, commit: CommitLease) {
        if let Err(error) = commit.lease.stand(Standing::Published).await {
            // Then the next one who opens the table looks whether all is in place.
            tracing::warn!(attempt = commit.lease.name, error = %chain(&error), "the commit was not noted as published");
        }
        self.current.lock().await.take();
        if let Err(error) = self.clear_late(&commit.lease).await {
            tracing::warn!(error = %chain(&error), "what another run has left was not deleted");
        }
        // A run that commits several times is found by its last commit.
        let earlier = self.held.lock().await.replace(commit.lease);
        if let Some(earlier) = earlier
            && let Err(error) = HeldLease::new(self, earlier, None).release().await
        {
            tracing::warn!(error = %chain(&error), "the record of the run's earlier commit was not deleted");
        }
        self.forget_older().await;
    }
}
