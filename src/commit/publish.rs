//! After the commit: files move to where readers look, superseded ones go, the attempt is cleared up to its owner's record.
//!
//! Every step may be done twice, by two processes at once, and be cut off anywhere.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    CommitError, CommitRecord, TableSnapshot,
    attempts::clear_files,
    log::{CommitObject, Log},
    recover::Publication,
    staging::{data_file_name, is_staged_in, reach},
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
    pub async fn settle_object(&self, object: &CommitObject, snapshot: &TableSnapshot) -> Result<(), CommitError> {
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
        clear_files(self.table, &object.attempt).await
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
        let removals = stream::iter(paths.clone().into_iter().enumerate()).map(|(index, path)| async move {
            if index > 0 {
                reach(self.environment, self.table, FaultPoint::BetweenRemovals)?;
            }
            Ok::<_, CommitError>(self.table.delete(&path).await?)
        });
        let () = removals.buffer_unordered(MOVES).try_collect().await?;
        // Once the commit is noted as published, nobody looks for them again.
        Ok(self.table.sync_deleted(paths).await?)
    }
}

#[async_trait]
impl Publication for Publisher<'_> {
    async fn committed(&self, attempt: &str, version: Version) -> Result<Option<CommitRecord>, CommitError> {
        let object = self.log.read(version).await?;
        Ok(object.filter(|object| object.attempt == attempt).map(CommitRecord::from))
    }

    async fn settle(&self, version: Version) -> Result<(), CommitError> {
        let object = self.log.existing(version).await?;
        self.settle_object(&object, &self.log.snapshot().await?).await
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
