//! Before anything else at open: what others left behind is finished, kept for who resumes it, or deleted.
//!
//! ```text
//! attempt ─► named by a commit? ─yes─► published? ─no─► settle ─► owner dead? ─yes─► died after its commit: remembered
//!                └─no─► owner dead? ─yes─► checkpoints at the next version? ─yes─► kept for who resumes
//!                                                  └─no─► its commit on its way? ─no─► deleted
//! ```
//!
//! What lives is left alone. Every step may be done twice, by two processes at once, and be cut off anywhere.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{
    CommitError, CommitRecord, DiedAfterCommit, Workspace,
    attempts::{Found, Ownership, clear, is_staged_by_us},
    noted,
    owner::{LEASE, Lease, STAGING, Standing},
    rejects, runs,
};
use crate::model::Version;

/// What a table format knows of an attempt's commit.
#[async_trait]
pub(super) trait Publication: Sync {
    /// The commit of a version, if this attempt made it.
    async fn committed(&self, attempt: &str, version: Version) -> Result<Option<CommitRecord>, CommitError>;

    /// Brings a commit's files into place, removes those that it removed, and clears the attempt up to its owners' records.
    async fn settle(&self, version: Version) -> Result<(), CommitError>;
}

impl Workspace {
    /// Finishes what is committed and not published, and deletes attempts of dead owners that nobody can go on with.
    /// `newest` is the table's version.
    pub(super) async fn recover(&self, newest: Version, publication: &dyn Publication) -> Result<(), CommitError> {
        self.sweep().await?;
        let mut died = Vec::new();
        for found in self.attempts().await? {
            if let Some(record) = self.recover_one(&found, newest, publication).await? {
                died.push((found.name, record));
            }
        }
        self.set_died(died);
        Ok(())
    }

    /// Deletes what writes that were cut off left on local disk, and no listing shows.
    async fn sweep(&self) -> Result<(), CommitError> {
        let now = self.environment.clock.now();
        // Also of attempts that died while they wrote their owner's record.
        self.table.sweep(STAGING, Some(now - LEASE), is_staged_by_us).await?;
        noted::sweep(&self.table, now - LEASE).await?;
        self.table.sweep(runs::DIRECTORY, Some(now - LEASE), runs::is_record).await?;
        Ok(self.table.sweep(rejects::DIRECTORY, Some(now - rejects::TAKES), rejects::is_file).await?)
    }

    async fn recover_one(
        &self,
        found: &Found,
        newest: Version,
        publication: &dyn Publication,
    ) -> Result<Option<DiedAfterCommit>, CommitError> {
        let mut committed = publication.committed(&found.name, found.version).await?;
        let ownership = found.ownership(&self.table).await?;
        let is_dead = self.is_dead(&ownership);
        if committed.is_none() && is_dead {
            // It may have committed after the first look, and died before the second. What is dead commits no more.
            committed = publication.committed(&found.name, found.version).await?;
        }
        match committed {
            Some(record) => {
                let has_died = self.settle(found, &ownership, publication).await?;
                Ok(has_died.then(|| record.into()))
            }
            None if is_dead => self.clear_dead(found, ownership, newest).await.map(|()| None),
            None => Ok(None),
        }
    }

    /// Returns whether the run of a commit died before it was over, or left word that it did not end well.
    async fn settle(
        &self,
        found: &Found,
        ownership: &Ownership,
        publication: &dyn Publication,
    ) -> Result<bool, CommitError> {
        let is_published = match ownership {
            Ownership::Record(_, owner) => owner.as_ref().is_some_and(|owner| owner.is_published()),
            // The record goes when all else is done.
            Ownership::Gone => true,
            Ownership::None => false,
        };
        if !is_published {
            publication.settle(found.version).await?;
        }
        let has_told = matches!(ownership, Ownership::Record(_, Some(owner)) if owner.has_told());
        let is_dead = self.is_dead(ownership);
        if matches!(ownership, Ownership::None) || has_told && is_dead {
            clear(&self.table, &found.name).await?;
        }
        Ok(matches!(ownership, Ownership::Record(..)) && is_dead && !has_told)
    }

    /// Deletes what was kept for commits that could still arrive, once another one has their version.
    pub(super) async fn clear_late(&self, committed: &Lease) -> Result<(), CommitError> {
        if !self.late.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        for found in self.attempts().await? {
            if found.version != committed.version || found.name == committed.name {
                continue;
            }
            let ownership = found.ownership(&self.table).await?;
            match &ownership {
                Ownership::Record(record, Some(owner))
                    if owner.standing == Standing::Committing && self.is_dead(&ownership) =>
                {
                    self.take_and_clear(&found.predecessor(record.clone())).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn clear_dead(&self, found: &Found, ownership: Ownership, newest: Version) -> Result<(), CommitError> {
        if self.may_still_commit(found, &ownership, newest) {
            self.late.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if found.version == newest + 1 && self.is_resumable(found).await? {
            return Ok(());
        }
        match ownership {
            // Somebody may be about to resume it, or its owner only have been slow: then that one sees that it has lost it.
            Ownership::Record(record, _) => self.take_and_clear(&found.predecessor(record)).await,
            _ => clear(&self.table, &found.name).await,
        }
    }
}
