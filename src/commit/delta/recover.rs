//! What dead runs left of a Delta table: committed files stay, others that were moved go back to where they were staged.
//!
//! That comes first. Then an attempt is what it was before its commit, and goes the way of any
//! ([`Workspace::recover`]): kept for who resumes it, or deleted.

use std::collections::BTreeMap;

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
        CommitRecord, Workspace,
        attempts::{Found, clear_files},
        owner::LEASE,
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
        let records = Moves::all(table).await?;
        if !records.is_empty() {
            let attempts = self.workspace.attempts().await?.into_iter();
            let attempts: BTreeMap<_, _> = attempts.map(|found| (found.name.clone(), found)).collect();
            for record in records {
                self.settle_moves(&record, attempts.get(&record.attempt)).await?;
            }
        }
        self.workspace.recover(self.newest_version().await?, self).await
    }

    async fn settle_moves(&self, moves: &Moves, attempt: Option<&Found>) -> Result<(), CommitError> {
        let table = &self.workspace.table;
        let mut is_committed = self.is_committed(moves).await?;
        if !is_committed {
            let is_free = match attempt {
                Some(found) => self.is_given_up(found).await?,
                None => true,
            };
            if !is_free {
                return Ok(());
            }
            // It may have committed after the first look, and died before the second. What is dead commits no more.
            is_committed = self.is_committed(moves).await?;
        }
        if !is_committed {
            match attempt {
                Some(_) => moves.take_back(table).await?,
                None => moves.delete(table).await?,
            }
        }
        // As long as the version may still be made, its turns are not to be taken again.
        if self.newest_version().await? < moves.version { Ok(()) } else { moves.forget(table).await }
    }

    /// Whether its owner is dead, and no commit of its on the way.
    async fn is_given_up(&self, found: &Found) -> Result<bool, CommitError> {
        let ownership = found.ownership(&self.workspace.table).await?;
        let newest = self.newest_version().await?;
        Ok(self.workspace.is_dead(&ownership) && !self.workspace.may_still_commit(found, &ownership, newest))
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
