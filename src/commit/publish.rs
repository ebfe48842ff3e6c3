//! After the commit: files move to where readers look, superseded ones go, the attempt is cleared. Before anything else at
//! open: what others left behind is finished or deleted.
//!
//! Every step may be done twice, by two processes at once, and be cut off anywhere.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    CommitError, TableSnapshot,
    log::{CommitObject, Log},
    owner::{LEASE, OWNER, Owner, Processes, STAGING, owner_path},
    staging::{clear, data_file_name, is_attempts_own, is_staged_in, reach},
};
use crate::{
    environment::{Environment, FaultPoint},
    model::{StagedFile, Version},
    store::TableStore,
};

/// Objects moved or deleted at a time.
const MOVES: usize = 16;

/// What publication and recovery work with.
pub(super) struct Publisher<'a> {
    pub table: &'a TableStore,
    pub log: &'a Log,
    pub environment: &'a Environment,
}

impl Publisher<'_> {
    /// Publishes a version, and once more if another one was made meanwhile: what that one removed must not come back
    /// by our hand, and what its run has moved for us is not lost.
    pub async fn settle(&self, object: &CommitObject, snapshot: &TableSnapshot) -> Result<(), CommitError> {
        let published = self.publish(object, snapshot).await;
        if self.log.read(snapshot.version + 1).await?.is_none() {
            return published;
        }
        self.publish(object, &self.log.snapshot().await?).await
    }

    /// Brings a committed version's files into place, as far as `snapshot`, a version at or after it, still has them.
    async fn publish(&self, object: &CommitObject, snapshot: &TableSnapshot) -> Result<(), CommitError> {
        let live: BTreeSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
        check_paths(self.table, object)?;
        let adds = object.commit.adds.iter().cloned();
        let (adds, superseded): (Vec<_>, Vec<_>) = adds.partition(|add| live.contains(add.file.path.as_str()));
        self.move_all(object.version, adds).await?;
        // A file that a later version removed may have been moved after that by a publisher that was late.
        let superseded = superseded.into_iter().map(|add| add.file.path);
        let removes = object.commit.removes.iter().filter(|path| !live.contains(path.as_str())).cloned();
        self.remove_all(removes.chain(superseded).collect()).await?;
        clear(self.table, &object.attempt).await
    }

    async fn move_all(&self, version: Version, adds: Vec<StagedFile>) -> Result<(), CommitError> {
        let moves = stream::iter(adds.into_iter().enumerate()).map(|(index, add)| async move {
            if index > 0 {
                reach(self.environment, self.table, FaultPoint::BetweenMoves)?;
            }
            self.move_one(version, &add).await
        });
        moves.buffer_unordered(MOVES).try_collect().await
    }

    async fn move_one(&self, version: Version, add: &StagedFile) -> Result<(), CommitError> {
        let path = &add.file.path;
        if self.table.rename(&add.staged, path).await? || self.table.size(path).await? == Some(add.file.bytes) {
            return Ok(());
        }
        Err(CommitError::LostFile { table: self.table.shown(""), path: path.clone(), version })
    }

    async fn remove_all(&self, paths: Vec<String>) -> Result<(), CommitError> {
        let removals = stream::iter(paths.into_iter().enumerate()).map(|(index, path)| async move {
            if index > 0 {
                reach(self.environment, self.table, FaultPoint::BetweenRemovals)?;
            }
            Ok::<_, CommitError>(self.table.delete(&path).await?)
        });
        removals.buffer_unordered(MOVES).try_collect().await
    }

    /// Finishes what is committed and not published, and deletes attempts whose owners are dead.
    pub async fn recover(&self, processes: &dyn Processes) -> Result<(), CommitError> {
        let before = self.environment.clock.now() - LEASE;
        self.log.sweep(before).await?;
        // Also of attempts that died while they wrote their owner's record, and show in no listing.
        self.table.sweep(STAGING, Some(before), is_staged_by_us).await?;
        let attempts = self.attempts().await?;
        for (attempt, has_owner) in attempts {
            let Some(version) = version_of(&attempt) else { continue };
            let is_settled = self.settle_committed(&attempt, version).await?;
            if is_settled || !self.is_dead(&attempt, has_owner, processes).await? {
                continue;
            }
            // It may have committed after the first look, and died before the second. What is dead commits no more.
            if !self.settle_committed(&attempt, version).await? {
                clear(self.table, &attempt).await?;
            }
        }
        Ok(())
    }

    /// Settles an attempt if the commit of its version names it; `false` if none does.
    async fn settle_committed(&self, attempt: &str, version: Version) -> Result<bool, CommitError> {
        let committed = self.log.read(version).await?;
        let Some(object) = committed.filter(|object| object.attempt == attempt) else { return Ok(false) };
        self.settle(&object, &self.log.snapshot().await?).await?;
        Ok(true)
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

    async fn is_dead(&self, attempt: &str, had_owner: bool, processes: &dyn Processes) -> Result<bool, CommitError> {
        // Gone meanwhile: its owner, or another one who cleans, is at it. Gone before: nobody is.
        let Some(record) = self.table.get(&owner_path(attempt)).await? else { return Ok(!had_owner) };
        let owner: Option<Owner> = serde_json::from_slice(&record).ok();
        Ok(owner.is_none_or(|owner| owner.is_dead(processes, self.environment.clock.now())))
    }
}

/// The paths of a commit object come from a store that others may write to.
fn check_paths(table: &TableStore, object: &CommitObject) -> Result<(), CommitError> {
    let adds = object.commit.adds.iter().map(|add| &add.file.path);
    for path in adds.chain(&object.commit.removes) {
        data_file_name(table, path, object.version)?;
    }
    match object.commit.adds.iter().find(|add| !is_staged_in(&add.staged, &object.attempt)) {
        None => Ok(()),
        Some(add) => {
            let reason = format!("`{}` is not staged in its attempt", add.staged);
            Err(CommitError::Invalid { table: table.shown(""), version: object.version, reason })
        }
    }
}

/// Whether a path in the staging directory is one that restlake writes to.
pub(super) fn is_staged_by_us(path: &str) -> bool {
    path.split_once('/').is_some_and(|(attempt, name)| version_of(attempt).is_some() && is_attempts_own(name))
}

/// The version in an attempt's name; `None` for a name that restlake does not give.
pub(super) fn version_of(attempt: &str) -> Option<Version> {
    let (version, number) = attempt.split_once('-')?;
    let is_number = number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    (version.len() == 20 && is_number).then(|| version.parse().ok())?
}
