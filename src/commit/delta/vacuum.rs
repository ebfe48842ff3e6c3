//! The files of old versions: those that the log removed, and of them the ones that a vacuum deletes, long enough afterwards.
//!
//! Delta leaves a file that is removed where it is, so that older versions can still be read. Which files those are, the
//! objects of the log say; what has been taken out of the log by others is not known any more, and stays.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::{CommitError, DeltaTable, log, record::LoggedCommit};
use crate::commit::{StoredObject, inspect::objects_below, staging::data_file_name};

/// Objects of the log read at a time.
pub(super) const READS: usize = 16;

impl DeltaTable {
    /// The files that commits removed, by whomever, as far back as the log goes.
    pub(super) async fn removed_ever(&self) -> Result<BTreeSet<String>, CommitError> {
        let commits = self.logged().await?;
        let removes = commits.iter().flat_map(|commit| &commit.removes);
        Ok(removes.filter_map(|removed| self.kernel.path_of(&removed.path)).collect())
    }

    /// All objects of the log, in order.
    async fn logged(&self) -> Result<Vec<LoggedCommit>, CommitError> {
        let versions = log::versions(self.table()).await?;
        let read = |version| async move { log::read(self.table(), version).await };
        let commits = stream::iter(versions).map(read).buffered(READS);
        commits.try_filter_map(|commit| async { Ok(commit) }).try_collect().await
    }

    /// The files in the table's directory that commits removed at or before a moment and no later one added again.
    pub(super) async fn removed_until(&self, before: DateTime<Utc>) -> Result<Vec<StoredObject>, CommitError> {
        let commits = self.logged().await?;
        let mut removed: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        for commit in commits {
            for action in &commit.removes {
                let Some(path) = self.kernel.path_of(&action.path) else { continue };
                // What nobody says the time of stays; an earlier removal is no longer the one that counts.
                match commit.moment_of(action) {
                    Some(moment) => removed.insert(path, moment),
                    None => removed.remove(&path),
                };
            }
            for path in commit.adds.iter().filter_map(|add| self.kernel.path_of(&add.path)) {
                removed.remove(&path);
            }
        }
        let newest = self.newest_version().await?;
        let live: BTreeSet<String> =
            self.base(newest).await?.snapshot.files.into_iter().map(|file| file.path).collect();
        let goes = |object: &StoredObject| {
            let is_ours = data_file_name(self.table(), &object.path, newest).is_ok();
            is_ours && !live.contains(&object.path) && removed.get(&object.path).is_some_and(|moment| *moment <= before)
        };
        Ok(objects_below(self.table(), "").await?.into_iter().filter(goes).collect())
    }
}
