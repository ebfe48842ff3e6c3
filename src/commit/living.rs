//! One run at a time: whether another one works on the table, and waiting until none does.
//!
//! Every run claims its attempt first and looks at those of others then, so that of two that begin at once at least one sees
//! the other. Who has looked and found nobody marks itself as working; a run that finds one at work gives up, and of runs
//! that have yet to decide, the one whose claim is older goes on, so that never all of them give up.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    Attempt, CommitError, Workspace,
    attempts::Ownership,
    owner::{LEASE, Owner, Standing},
};
use crate::error::{ErrorKind, Failure, Result, chain};

/// How long a younger run may take to find out that it is not the first, and how often it is looked at.
const LOOKS: usize = 10;
const LOOK: Duration = Duration::from_millis(200);

/// How often a run that waits looks whether the table is free.
const WAIT: Duration = Duration::from_secs(2);

/// Who works on a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivingOwner {
    pub host: String,
    pub pid: u32,
    /// RFC 3339.
    pub since: String,
    /// Its run, if that is done with this table, and waits for another one before it lets go of this.
    pub waiting: Option<String>,
    /// Its lease, relative to the table.
    pub record: String,
}

/// What a look at the other attempts tells.
enum Sight {
    Alone,
    /// A younger run has yet to find out about us, or about nobody: it may have looked before we came.
    Undecided,
    Taken(LivingOwner),
}

impl Workspace {
    /// Whether another run works on this table, or was there before this one; `None` is the way on, and told to others.
    ///
    /// An owner on another machine counts as living as long as its lease is fresh.
    pub async fn living(&self, attempt: &Attempt) -> Result<Option<LivingOwner>> {
        Ok(self.find_living(attempt).await?)
    }

    async fn find_living(&self, attempt: &Attempt) -> Result<Option<LivingOwner>, CommitError> {
        for _ in 0..LOOKS {
            match self.look(attempt).await? {
                Sight::Taken(owner) => return Ok(Some(owner)),
                Sight::Alone => break,
                Sight::Undecided => self.environment.clock.sleep(LOOK).await,
            }
        }
        attempt.lease.stand(Standing::Working).await?;
        self.set_working().await;
        Ok(None)
    }

    /// Returns when no other run works on this table any more, or with the one for which `gives_up` says that it is not to be
    /// waited for. The table may then be at another version, and its last writer
    /// may have died: [`recover`](super::TableFormat::recover) it, look at it anew and [`rebase`](Self::rebase).
    ///
    /// # Errors
    /// The store's, if it does not pass before our own lease runs out, and [`CommitError::Interrupted`] when `shutdown` is cancelled.
    pub async fn wait_until_free(
        &self,
        attempt: &Attempt,
        shutdown: &CancellationToken,
        gives_up: &(dyn Fn(&LivingOwner) -> bool + Sync),
    ) -> Result<Option<LivingOwner>> {
        loop {
            match self.find_living(attempt).await {
                Ok(None) => return Ok(None),
                Ok(Some(owner)) if gives_up(&owner) => return Ok(Some(owner)),
                Ok(Some(_)) => {}
                // Who waits for hours is not sent home by a store that fails for a minute.
                Err(CommitError::Store(error))
                    if error.kind() == ErrorKind::Transient && attempt.lease.age() < LEASE =>
                {
                    tracing::warn!(error = %chain(&error), "the table could not be looked at, and is looked at again");
                }
                Err(error) => return Err(error.into()),
            }
            let pause = shutdown.run_until_cancelled(self.environment.clock.sleep(WAIT)).await;
            if pause.is_none() || shutdown.is_cancelled() {
                return Err(CommitError::Interrupted { table: self.table.shown("") }.into());
            }
        }
    }

    /// The error for a run that does not wait.
    pub fn busy(&self, owner: LivingOwner) -> CommitError {
        let LivingOwner { host, pid, since, record, .. } = owner;
        CommitError::Busy { table: self.table.shown(""), host, pid, since, lease: self.table.shown(&record) }
    }

    async fn look(&self, attempt: &Attempt) -> Result<Sight, CommitError> {
        let lost = || CommitError::AttemptLost { attempt: self.table.shown(&attempt.lease.name) };
        let ours = attempt.lease.owner().ok_or_else(lost)?;
        let (mut sight, mut taken) = (Sight::Alone, None);
        for found in self.attempts().await? {
            let ownership = found.ownership(&self.table).await?;
            if self.is_dead(&ownership) {
                continue;
            }
            let Ownership::Record(_, Some(other)) = ownership else { continue };
            if other.is_same(&ours) || matches!(other.standing, Standing::Clearing | Standing::Over) {
                continue;
            }
            if other.standing != Standing::Claimed || other.is_before(&ours) {
                taken = Some(more_telling(taken, LivingOwner::new(*other, found.owner_path())));
            } else {
                sight = Sight::Undecided;
            }
        }
        Ok(taken.map_or(sight, Sight::Taken))
    }
}

/// Of two that have the table: one that waits itself, the older of such runs first. Who waits must know of it.
fn more_telling(known: Option<LivingOwner>, other: LivingOwner) -> LivingOwner {
    match known {
        None => other,
        Some(known) => match (&known.waiting, &other.waiting) {
            (None, Some(_)) => other,
            (Some(before), Some(run)) if run < before => other,
            _ => known,
        },
    }
}

impl LivingOwner {
    pub(super) fn new(owner: Owner, record: String) -> Self {
        // Parts of a second are nothing to people.
        let since = match owner.started_at.split_once('.') {
            Some((seconds, _)) => format!("{seconds}Z"),
            None => owner.started_at,
        };
        Self { host: owner.process.host, pid: owner.process.pid, since, waiting: owner.waiting, record }
    }
}
