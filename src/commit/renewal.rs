//! How a lease is kept fresh: its record is written again every minute, by a task that ends with the lease.
//!
//! No answer is waited for without end: a store that hangs must not let a living writer be taken for dead. A renewal that
//! fails is tried again soon, so that the lease outlives several of them; one that hangs makes way for who is about to commit.

use std::{
    io,
    sync::{
        Arc, Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    select,
    sync::{Mutex, Notify},
};
use tokio_util::sync::CancellationToken;

use super::{
    CommitError,
    attempts::newest_owner,
    owner::{Owner, RENEWAL, encode, owner_path, timestamp},
};
use crate::{
    environment::Clock,
    error::chain,
    store::{StoreError, TableStore},
};

/// How long one try may take.
const TRY: Duration = Duration::from_secs(20);
/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The record of a lease's owner: what who holds the lease and the task that renews it share.
#[derive(Debug)]
pub(super) struct Renewal {
    table: TableStore,
    attempt: String,
    generation: u32,
    clock: Arc<dyn Clock>,
    /// `None` once released.
    owner: StdMutex<Option<Owner>>,
    /// Who writes the record; who releases it waits, so that no renewal writes it again after its deletion.
    writing: Mutex<()>,
    /// Who commits does not wait for a try that hangs.
    hurry: Notify,
    /// When the last renewal began that the store has answered, in nanoseconds of the clock.
    renewed: AtomicU64,
    stop: CancellationToken,
}

/// What became of a renewal.
enum Renewed {
    Yes,
    NotYet,
    /// There is nothing to renew any more.
    Over,
}

impl Renewal {
    /// Of a record that was just written.
    pub fn new(table: TableStore, attempt: String, generation: u32, owner: Owner, clock: Arc<dyn Clock>) -> Self {
        let renewed = AtomicU64::new(nanos(clock.elapsed()));
        let (owner, writing, hurry) = (StdMutex::new(Some(owner)), Mutex::default(), Notify::new());
        let stop = CancellationToken::new();
        Self { table, attempt, generation, clock, owner, writing, hurry, renewed, stop }
    }

    pub fn path(&self) -> String {
        owner_path(&self.attempt, self.generation)
    }

    /// What stands in the record, `None` once it is released.
    pub fn owner(&self) -> Option<Owner> {
        self.record().clone()
    }

    fn record(&self) -> MutexGuard<'_, Option<Owner>> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long others have had to think that the owner may be dead.
    pub fn age(&self) -> Duration {
        let renewed = Duration::from_nanos(self.renewed.load(Ordering::Acquire));
        self.clock.elapsed().saturating_sub(renewed)
    }

    /// Renews now; a released lease stays released.
    pub async fn renew(&self) -> Result<(), CommitError> {
        self.update(|_| ()).await
    }

    /// Renews now, in place of a try that may be under way.
    pub async fn renew_at_once(&self) -> Result<(), CommitError> {
        self.hurry.notify_waiters();
        self.renew().await
    }

    /// Changes the record, also where the store does not take it now: then the next renewal tells of it.
    pub async fn update(&self, change: impl FnOnce(&mut Owner)) -> Result<(), CommitError> {
        let _writing = self.writing.lock().await;
        if let Some(owner) = self.record().as_mut() {
            change(owner);
        }
        self.write().await
    }

    /// Stops renewing; returns when no renewal is under way any more, with what stands in the record.
    pub async fn release(&self) -> Option<Owner> {
        self.stop();
        let _writing = self.writing.lock().await;
        self.record().take()
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Renews until stopped, or until somebody else owns the attempt or has deleted it.
    pub async fn keep(self: Arc<Self>) {
        let mut is_behind = false;
        loop {
            let pause =
                async { if is_behind { self.clock.patience(AGAIN).await } else { self.clock.sleep(RENEWAL).await } };
            if self.stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
            is_behind = match self.renew_unless_taken().await {
                Renewed::Yes => false,
                Renewed::NotYet => true,
                Renewed::Over => return,
            };
        }
    }

    async fn renew_unless_taken(&self) -> Renewed {
        let hurry = self.hurry.notified();
        let _writing = self.writing.lock().await;
        // A sleep that ends in the moment of the stop counts as ended.
        if self.stop.is_cancelled() {
            return Renewed::Over;
        }
        let renewal = async {
            let path = self.path();
            let taken = within(TRY, &self.table, &path, self.clock.as_ref(), self.is_taken()).await;
            if taken.unwrap_or_default() {
                tracing::warn!(attempt = self.attempt, "another run has taken the attempt");
                return Renewed::Over;
            }
            match self.write().await {
                Ok(()) => Renewed::Yes,
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(attempt = self.attempt, error, "the lease of the attempt was not renewed");
                    Renewed::NotYet
                }
            }
        };
        select! {
            biased;
            // Whoever is in a hurry renews it.
            () = hurry => Renewed::Yes,
            renewed = renewal => renewed,
        }
    }

    /// Whether an owner's record is gone, or a later owner's there; an error if nobody can tell.
    async fn is_taken(&self) -> Result<bool, CommitError> {
        Ok(newest_owner(&self.table, &self.attempt).await? != Some(self.generation))
    }

    async fn write(&self) -> Result<(), CommitError> {
        let Some(mut owner) = self.owner() else { return Ok(()) };
        owner.renewed_at = timestamp(self.clock.now());
        let (path, began) = (self.path(), self.clock.elapsed());
        within(TRY, &self.table, &path, self.clock.as_ref(), self.table.put(&path, encode(&owner))).await?;
        self.renewed.fetch_max(nanos(began), Ordering::AcqRel);
        Ok(())
    }
}

/// Gives up what the store does not answer in time: whether it was done is then as open as after a lost answer.
pub(super) async fn within<T, E: From<StoreError>>(
    limit: Duration,
    table: &TableStore,
    path: &str,
    clock: &dyn Clock,
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    select! {
        biased;
        answer = request => answer,
        () = clock.patience(limit) => {
            let late = io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {} s", limit.as_secs()));
            Err(table.error("write", path, &late).into())
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
