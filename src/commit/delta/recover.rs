//! What dead runs left of a Delta table: committed files stay, others that were moved go back to where they were staged.
//!
//! That comes first, and by who has become the attempt's owner. Then an attempt is what it was before its commit, and goes the way of any
//! ([`Workspace::recover`]): kept for who resumes it, or deleted.

use async_trait::async_trait;

use super::{
    CommitError, DeltaTable,
    error::LOG,
    log,
    moves::{self, Moves},
    state,
};
use crate::{
    commit::{
        AttemptRecord, AttemptStatus, CommitRecord, Workspace,
        attempts::{Found, Ownership, clear_files},
        owner::{LEASE, Lease, Standing, owner_path},
        recover::Publication,
    },
    model::Version,
};

impl DeltaTable {
    /// Takes back what dead attempts moved, and finishes or deletes the attempts.
    pub(super) async fn recover_all(&self) -> Result<(), CommitError> {
        let Workspace { table, environment, .. } = &self.workspace;
        // What writes that were cut off left on local disk.
        let before = Some(environment.clock.now() - LEASE);
        table.sweep(LOG, before, |name| log::version_of(name).is_some()).await?;
        table.sweep(moves::DIRECTORY, before, moves::is_record).await?;
        for moves in Moves::all(table).await? {
            // Anew for each: an attempt may have moved files several times, and what is done about one changes its owner.
            let attempts = self.workspace.attempts().await?;
            let attempt = attempts.iter().find(|found| found.name == moves.attempt);
            self.settle_moves(&moves, attempt).await?;
        }
        self.workspace.recover(self.newest_version().await?, self).await
    }

    async fn settle_moves(&self, moves: &Moves, attempt: Option<&Found>) -> Result<(), CommitError> {
        let table = &self.workspace.table;
        if !self.is_committed(moves).await? {
            let is_settled = match attempt {
                Some(found) => self.take_back(moves, found).await?,
                // An attempt that is over before its record was read has committed before, if at all.
                None => moves.delete(table).await.map(|()| true)?,
            };
            if !is_settled {
                return Ok(());
            }
        }
        // As long as the version may still be made, its turns are not to be taken again.
        if self.newest_version().await? < moves.version { Ok(()) } else { moves.forget(table).await }
    }

    /// Brings a dead attempt's files back to where they were staged; `false` if it is not dead, or somebody else is at it.
    ///
    /// By becoming its owner first: one that was only slow finds out before it puts its lines, which would name files that
    /// are not there any more.
    async fn take_back(&self, moves: &Moves, found: &Found) -> Result<bool, CommitError> {
        let Workspace { table, environment, .. } = &self.workspace;
        let ownership = found.ownership(table).await?;
        let newest = self.newest_version().await?;
        if !self.workspace.is_dead(&ownership) || self.workspace.may_still_commit(found, &ownership, newest) {
            return Ok(false);
        }
        let Ownership::Record(record, _) = ownership else {
            // Nobody's: no owner's record is there to be renewed.
            return moves.take_back(table).await.map(|()| true);
        };
        let mut owner = self.workspace.owner().await;
        owner.standing = Standing::Clearing;
        let lease = Lease::adopt(table, &found.predecessor(record), owner, environment).await?;
        let Some(lease) = lease else { return Ok(false) };
        // It may have committed after the first look, and died before it was ours.
        if self.is_committed(moves).await? {
            lease.release().await;
            table.delete(&owner_path(&lease.name, lease.generation)).await?;
            return Ok(true);
        }
        moves.take_back(table).await?;
        // It is what it was before its commit: who wants to may go on with it.
        let left = lease.stand(Standing::Left).await;
        lease.release().await;
        left.map(|()| true)
    }

    /// Adds to attempts what they have moved to where data lies, as long as no version names it. An attempt of which nothing
    /// else is left comes behind the others.
    pub(super) async fn add_moved(&self, attempts: &mut Vec<AttemptRecord>) -> Result<(), CommitError> {
        for moves in Moves::all(&self.workspace.table).await? {
            if self.is_committed(&moves).await? {
                continue;
            }
            let moved = moves.moved(&self.workspace.table).await?;
            match attempts.iter_mut().find(|attempt| attempt.name == moves.attempt) {
                Some(attempt) => attempt.objects.extend(moved),
                None if moved.is_empty() => {}
                None => attempts.push(AttemptRecord {
                    name: moves.attempt,
                    version: moves.version,
                    status: AttemptStatus::Dead,
                    is_living: false,
                    owner: None,
                    objects: moved,
                }),
            }
        }
        Ok(())
    }

    /// Whether the log names the files.
    async fn is_committed(&self, moves: &Moves) -> Result<bool, CommitError> {
        if let Some(commit) = log::read(&self.workspace.table, moves.version).await? {
            return Ok(commit.record.is_some_and(|record| record.attempt == moves.attempt));
        }
        // Another writer may have taken old objects out of the log. Then nobody knows, and the files stay.
        Ok(self.newest_version().await? >= moves.version)
    }
}

#[async_trait]
impl Publication for DeltaTable {
    async fn committed(&self, attempt: &str, version: Version) -> Result<Option<CommitRecord>, CommitError> {
        let Some(commit) = log::read(&self.workspace.table, version).await? else { return Ok(None) };
        match &commit.record {
            Some(record) if record.attempt == attempt => {
                Ok(Some(state::commit_record(&self.kernel, &self.workspace.table, version, commit).await?))
            }
            _ => Ok(None),
        }
    }

    /// The files are in place: what is left is the attempt.
    async fn settle(&self, version: Version) -> Result<(), CommitError> {
        let commit = log::read(&self.workspace.table, version).await?;
        match commit.and_then(|commit| commit.record) {
            Some(record) => clear_files(&self.workspace.table, &record.attempt).await,
            None => Ok(()),
        }
    }
}
