//! What every table format works with: the table's place in the store, whose it is, and the attempt at its next version.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Attempt, CommitError, Processes, RejectWriter, owner::Lease};
use crate::{
    environment::Environment,
    error::Result,
    model::{TableIdentity, Version},
    store::{Store, TableStore},
};

/// The `_restlake/` directory of one opened table. One attempt at a time.
#[derive(Debug)]
pub struct Workspace {
    pub(super) table: TableStore,
    pub(super) identity: TableIdentity,
    pub(super) environment: Environment,
    pub(super) processes: Arc<dyn Processes>,
    /// The attempt that the next commit publishes.
    current: Mutex<Option<Arc<Lease>>>,
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
        Ok(Self { table, identity, environment, processes, current: Mutex::default() })
    }

    /// Claims a staging directory for version `base + 1`, which also proves that the store can be written. Before a table's
    /// first commit it is proved, too, that the store's put-if-absent is one.
    pub async fn attempt(&self, base: Version) -> Result<Attempt> {
        let lease = Lease::claim(&self.table, base + 1, &self.environment, self.processes.as_ref()).await?;
        let lease = Arc::new(lease);
        if base == 0 {
            lease.prove_put_if_absent().await?;
        }
        *self.current.lock().await = Some(Arc::clone(&lease));
        Ok(Attempt::new(self.table.clone(), lease, self.environment.clone()))
    }

    /// Where this run's rejects go.
    pub fn rejects(&self, run_id: &str) -> RejectWriter {
        RejectWriter::new(self.table.clone(), run_id)
    }

    /// The table's part of the store.
    pub fn table(&self) -> &TableStore {
        &self.table
    }

    /// The attempt that a commit belongs to; a commit without one gets one, so that it can be recovered like any other.
    pub(super) async fn lease_for(&self, base: Version) -> Result<Arc<Lease>> {
        let current = self.current.lock().await.take();
        if let Some(lease) = current.filter(|lease| lease.version == base + 1) {
            return Ok(lease);
        }
        Ok(Arc::new(Lease::claim(&self.table, base + 1, &self.environment, self.processes.as_ref()).await?))
    }
}
