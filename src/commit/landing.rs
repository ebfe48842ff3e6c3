//! The put that makes a version, from the last look at the lease until it can arrive no more.
//!
//! It names staged files, which must not be deleted as long as it may arrive. So it has a time limit well below the lease, is
//! sent again only by one who still owns the attempt, and behind a network it is announced in the owner's record: who finds
//! the owner dead deletes nothing until somebody has the version, which refuses a late put, or until the lease has run out
//! ([`Workspace::may_still_commit`]). On local disk nothing is on its way once the process is gone.

use std::time::Duration;

use bytes::Bytes;

use super::{
    CommitError, Workspace,
    attempts::newest_owner,
    check::check_staged,
    owner::{LEASE, Lease, Standing},
    renewal::within,
};
use crate::{
    model::StagedFile,
    store::{Created, StoreError, TableStore},
};

/// How long one put may take.
const PUT: Duration = Duration::from_secs(60);

/// How old the lease may be when a put is sent: it then ends while others take its owner for living.
const FRESH: Duration = Duration::from_secs(LEASE.as_secs() / 2);

/// A commit that is about to be sent, and the lease that it needs.
pub(super) struct Landing<'a> {
    workspace: &'a Workspace,
    lease: &'a Lease,
    /// Files that lie staged until the put is answered.
    staged: &'a [StagedFile],
}

impl<'a> Landing<'a> {
    pub fn new(workspace: &'a Workspace, lease: &'a Lease, staged: &'a [StagedFile]) -> Self {
        Self { workspace, lease, staged }
    }

    fn table(&self) -> &TableStore {
        &self.workspace.table
    }

    /// Tells others of it, who may find its sender dead.
    pub async fn announce(&self) -> Result<(), CommitError> {
        if self.table().is_remote() {
            return self.lease.stand(Standing::Committing).await;
        }
        if self.lease.age() < FRESH { Ok(()) } else { self.lease.renew_at_once().await }
    }

    pub async fn put(&self, path: &str, content: Bytes) -> Result<Created, StoreError> {
        let clock = self.workspace.environment.clock.as_ref();
        within(PUT, self.table(), path, clock, self.table().put_if_absent(path, content)).await
    }

    /// Whether the attempt is still ours, so that what was not answered may be sent once more.
    ///
    /// A store that does not answer this either leaves a lease that is fresh as good as it was.
    pub async fn may_be_tried_again(&self) -> bool {
        let held = async {
            // Before the renewal: whoever deletes an attempt deletes the record of its owner, too.
            if newest_owner(self.table(), &self.lease.name).await? != Some(self.lease.generation) {
                return Ok(false);
            }
            check_staged(self.workspace, self.lease, self.staged).await.map(|()| true)
        };
        let clock = self.workspace.environment.clock.as_ref();
        let is_held = match within(PUT, self.table(), &self.lease.name, clock, held).await {
            Err(CommitError::AttemptLost { .. }) => false,
            held => held.unwrap_or(true),
        };
        is_held && self.lease.age() < FRESH
    }
}
