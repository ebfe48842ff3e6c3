//! What a run holds of the tables that it has appended to, until all of it is over.
//!
//! An append that is run again appends again, so that others must find out, as long as the run has not told of its end,
//! whether it lives. A run that holds a table and waits for another one could wait for a run that waits for this one: every
//! run that waits says so in the claims that it holds, and gives up where one that began before it, and waits too, is in its
//! way. In every circle of runs there is one that waits for an older one.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use crate::{
    commit::{HeldLease, LivingOwner},
    error::{Result, chain},
};

/// The claims of one run.
#[derive(Debug)]
pub(super) struct Claims {
    /// Ids of runs are in the order in which the runs began.
    run_id: String,
    /// Whether there is one.
    any: AtomicBool,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    leases: Vec<HeldLease>,
    /// How many resources of the run wait for their tables.
    waiting: usize,
}

impl Claims {
    pub(super) fn new(run_id: String) -> Self {
        Self { run_id, any: AtomicBool::new(false), held: Mutex::default() }
    }

    /// Keeps the claim of a table that was appended to.
    pub(super) async fn hold(&self, lease: HeldLease) {
        let mut held = self.held.lock().await;
        self.any.store(true, Ordering::Release);
        if held.waiting > 0 {
            best_effort(lease.wait(Some(self.run_id.clone()))).await;
        }
        held.leases.push(lease);
    }

    /// A resource of the run waits for its table.
    pub(super) async fn begin_to_wait(&self) {
        let mut held = self.held.lock().await;
        held.waiting += 1;
        if held.waiting == 1 {
            held.tell(Some(&self.run_id)).await;
        }
    }

    /// It has it, or has given up.
    pub(super) async fn end_to_wait(&self) {
        let mut held = self.held.lock().await;
        held.waiting -= 1;
        if held.waiting == 0 {
            held.tell(None).await;
        }
    }

    /// Whether a run that has the table may be waiting for one of ours, and is not the one to give up.
    pub(super) fn are_in_the_way_of(&self, owner: &LivingOwner) -> bool {
        self.any.load(Ordering::Acquire) && owner.waiting.as_ref().is_some_and(|run_id| *run_id < self.run_id)
    }

    /// The run is over. What was appended to one table must not be appended again because another one failed.
    pub(super) async fn end(self, is_ok: bool) {
        for lease in self.held.into_inner().leases {
            if is_ok { best_effort(lease.release()).await } else { best_effort(lease.leave()).await }
        }
    }
}

impl Held {
    async fn tell(&self, run_id: Option<&String>) {
        for lease in &self.leases {
            best_effort(lease.wait(run_id.cloned())).await;
        }
    }
}

/// What is said or done about a claim is no reason for the run to fail.
pub(super) async fn best_effort(step: impl Future<Output = Result<()>>) {
    if let Err(error) = step.await {
        tracing::warn!(error = %chain(&error), "the claim of the run was not ended");
    }
}
