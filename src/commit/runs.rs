//! The record of each run on a table: `_restlake/runs/<run_id>.json`, the last hundred of them.
//!
//! They tell people what happened; nothing is decided by them. What else lies in that directory stays.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{CommitError, Workspace, attempts::delete_all};
use crate::{
    error::{Result, chain},
    model::Version,
    report::{Incomplete, Status},
};

/// Where they lie, relative to the table.
pub(super) const DIRECTORY: &str = "_restlake/runs";

/// How many are kept.
pub const RUNS_KEPT: usize = 100;

/// Records read at a time.
const READS: usize = 16;

/// How one run on one table ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// When the run began, to the millisecond, and a salt: `20261122T120000123Z-0badcafe`.
    pub run_id: String,
    pub pipeline: String,
    pub resource: String,
    pub status: Status,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub finished_at: String,
    /// What the run committed, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// By the names of the run's summary.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
    /// True if it is proved that all records came, false if more are known to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<Incomplete>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Workspace {
    /// Writes a run's record, over an earlier one of the same run, and deletes those older than the last hundred.
    ///
    /// # Errors
    /// The store's, and a run id that is none. The run is what it is whether its record is written or not.
    pub async fn record(&self, record: &RunRecord) -> Result<()> {
        let path = format!("{DIRECTORY}/{}.json", record.run_id);
        if !is_run_id(&record.run_id) {
            return Err(CommitError::RunId { table: self.table.shown(""), run_id: record.run_id.clone() }.into());
        }
        let content = serde_json::to_vec_pretty(record);
        let content = content.map_err(|error| CommitError::Store(self.table.error("write", &path, &error)))?;
        self.table.put(&path, content.into()).await.map_err(CommitError::from)?;
        if let Err(error) = self.forget_old_runs().await {
            tracing::warn!(error = %chain(&error), "old records of runs were not deleted");
        }
        Ok(())
    }

    /// The records of the last runs, the newest first, at most so many. One that cannot be read is left out.
    pub async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>> {
        let names = self.run_ids().await?;
        let paths = names.into_iter().rev().take(limit).map(|name| format!("{DIRECTORY}/{name}.json"));
        let reads = stream::iter(paths).map(|path| async move { self.table.get(&path).await });
        let records: Vec<_> = reads.buffered(READS).try_collect().await.map_err(CommitError::from)?;
        Ok(records.into_iter().flatten().filter_map(|record| serde_json::from_slice(&record).ok()).collect())
    }

    async fn forget_old_runs(&self) -> Result<(), CommitError> {
        let names = self.run_ids().await?;
        let surplus = names.len().saturating_sub(RUNS_KEPT);
        delete_all(&self.table, names.into_iter().take(surplus).map(|name| format!("{DIRECTORY}/{name}.json"))).await
    }

    /// In the order in which the runs began.
    async fn run_ids(&self) -> Result<Vec<String>, CommitError> {
        let listed: Vec<_> = self.table.list(DIRECTORY)?.try_collect().await?;
        let paths = listed.into_iter().filter_map(|object| self.table.path_of(&object.location));
        let names = paths.filter_map(|path| {
            let name = path.strip_prefix(DIRECTORY)?.strip_prefix('/')?.strip_suffix(".json")?;
            is_run_id(name).then(|| name.to_owned())
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// Whether a name in the directory is one of a run's record.
pub(super) fn is_record(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(is_run_id)
}

/// Whether a text is a run's id, and so no path either: `20261122T120000123Z-0badcafe`.
pub(super) fn is_run_id(text: &str) -> bool {
    let is = |digits: &str, length: usize, is_digit: fn(&u8) -> bool| {
        digits.len() == length && digits.as_bytes().iter().all(is_digit)
    };
    let parts = || {
        let (moment, salt) = text.split_once('-')?;
        let (date, time) = moment.strip_suffix('Z')?.split_once('T')?;
        Some((date, time, salt))
    };
    parts().is_some_and(|(date, time, salt)| {
        is(date, 8, u8::is_ascii_digit) && is(time, 9, u8::is_ascii_digit) && is(salt, 8, u8::is_ascii_hexdigit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_of_a_run_names_a_record() {
        assert!(is_run_id("20261122T120000123Z-0badcafe"));
        for other in [
            "",
            "20261122T120000123Z",
            "20261122T120000Z-0badcafe",
            "20261122T120000123Z-0badcafg",
            "20261122T120000123Z-0badcafe/x",
            "../commits/00000000000000000001",
        ] {
            assert!(!is_run_id(other), "{other}");
        }
    }
}
