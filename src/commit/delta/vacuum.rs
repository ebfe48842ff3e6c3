//! The files that a vacuum deletes: those that the log removed long enough ago.
//!
//! Delta leaves a file that is removed where it is, so that older versions can still be read. Which files those are, the
//! objects of the log say; what has been taken out of the log by others is not known any more, and stays.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::{CommitError, DeltaTable, log, record::LoggedCommit};
use crate::commit::{StoredObject, inspect::objects_below, staging::data_file_name};

/// Objects of the log read at a time.
const READS: usize = 16;

impl DeltaTable {
    /// The files in the table's directory that commits removed at or before a moment and no later one added again.
    pub(super) async fn removed_until(&self, before: DateTime<Utc>) -> Result<Vec<StoredObject>, CommitError> {
        let versions = log::versions(self.table()).await?;
        let read = |version| async move { log::read(self.table(), version).await };
        let commits = stream::iter(versions).map(read).buffered(READS);
        let commits: Vec<LoggedCommit> = commits.try_filter_map(|commit| async { Ok(commit) }).try_collect().await?;
        let mut removed: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        for commit in commits {
            let moment = commit.moment();
            removed.extend(commit.removes.iter().filter_map(|path| Some((self.kernel.path_of(path)?, moment))));
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
