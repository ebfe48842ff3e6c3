//! What dead runs left of a Delta table: committed files stay, others that were moved go, and so do their attempts.
//!
//! Every step may be done twice, by two processes at once, and be cut off anywhere.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;

use super::{
    CommitError,
    engine::Kernel,
    log,
    moves::{self, Moves},
    state::Base,
};
use crate::{
    commit::{
        Processes,
        owner::{LEASE, OWNER, Owner, STAGING, owner_path},
        publish::{is_staged_by_us, version_of},
        staging::clear,
    },
    environment::Environment,
    model::Version,
    store::TableStore,
};

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The version it wanted to make is its own.
    Committed,
    /// It is somebody else's.
    Lost,
    /// There is no such version yet.
    Open,
}

/// What recovery works with.
pub(super) struct Recovery<'a> {
    pub table: &'a TableStore,
    pub kernel: &'a Kernel,
    pub environment: &'a Environment,
    pub processes: &'a dyn Processes,
}

impl Recovery<'_> {
    /// Finishes or takes back what is named by a record of moves, then deletes the attempts of dead owners.
    pub async fn run(&self) -> Result<(), CommitError> {
        self.sweep().await?;
        for moves in Moves::all(self.table).await? {
            self.settle_moves(&moves).await?;
        }
        for (attempt, has_owner) in self.attempts().await? {
            let Some(version) = version_of(&attempt) else { continue };
            let fate = self.fate(&attempt, version).await?;
            if fate == Fate::Committed || self.is_dead(&attempt, has_owner).await? {
                clear(self.table, &attempt).await?;
            }
        }
        Ok(())
    }

    /// Deletes what writes that were cut off left on local disk, if nobody has written to it for a lease's time.
    async fn sweep(&self) -> Result<(), CommitError> {
        let before = Some(self.environment.clock.now() - LEASE);
        self.table.sweep(super::error::LOG, before, |name| log::version_of(name).is_some()).await?;
        self.table.sweep(moves::DIRECTORY, before, moves::is_record).await?;
        Ok(self.table.sweep(STAGING, before, is_staged_by_us).await?)
    }

    async fn settle_moves(&self, moves: &Moves) -> Result<(), CommitError> {
        let mut fate = self.fate(&moves.attempt, moves.version).await?;
        if fate != Fate::Committed {
            if !self.is_dead(&moves.attempt, false).await? {
                return Ok(());
            }
            // It may have committed after the first look, and died before the second. What is dead commits no more.
            fate = self.fate(&moves.attempt, moves.version).await?;
        }
        if fate != Fate::Committed {
            let live = self.live().await?;
            moves.undo(self.table, |path| live.contains(path)).await?;
        }
        clear(self.table, &moves.attempt).await?;
        // As long as the version may still be made, the turn is not to be taken again.
        if fate == Fate::Open { Ok(()) } else { moves.forget(self.table).await }
    }

    async fn fate(&self, attempt: &str, version: Version) -> Result<Fate, CommitError> {
        if let Some(commit) = log::read(self.table, version).await? {
            let is_own = commit.record.is_some_and(|record| record.attempt == attempt);
            return Ok(if is_own { Fate::Committed } else { Fate::Lost });
        }
        // Another writer may have taken old objects out of the log: then it is not known whose the version was, and the
        // files that are still the table's stay.
        let newest = log::versions(self.table).await?.last().copied();
        Ok(if newest.is_some_and(|newest| newest >= version) { Fate::Lost } else { Fate::Open })
    }

    /// The paths of the table's files.
    async fn live(&self) -> Result<BTreeSet<String>, CommitError> {
        let newest = log::versions(self.table).await?.last().copied().unwrap_or_default();
        let base = Base::read(self.kernel, self.table, newest).await?;
        Ok(base.snapshot.files.into_iter().map(|file| file.path).collect())
    }

    /// The attempts there are, and whether each has an owner's record.
    async fn attempts(&self) -> Result<BTreeMap<String, bool>, CommitError> {
        let mut attempts = BTreeMap::new();
        let mut listed = self.table.list(STAGING)?;
        while let Some(object) = listed.try_next().await? {
            let Some(path) = self.table.path_of(&object.location) else { continue };
            let parts = path.strip_prefix(STAGING).and_then(|rest| rest.strip_prefix('/')?.split_once('/'));
            if let Some((attempt, name)) = parts {
                *attempts.entry(attempt.to_owned()).or_default() |= name == OWNER;
            }
        }
        Ok(attempts)
    }

    async fn is_dead(&self, attempt: &str, had_owner: bool) -> Result<bool, CommitError> {
        // Gone meanwhile: its owner, or another one who cleans, is at it. Gone before: nobody is.
        let Some(record) = self.table.get(&owner_path(attempt)).await? else { return Ok(!had_owner) };
        let owner: Option<Owner> = serde_json::from_slice(&record).ok();
        Ok(owner.is_none_or(|owner| owner.is_dead(self.processes, self.environment.clock.now())))
    }
}
