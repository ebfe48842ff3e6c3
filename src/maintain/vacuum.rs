//! Deletes what no kept version needs and no living run has: only names that restlake gave itself.
//!
//! | what | when it goes |
//! |---|---|
//! | staging of runs that are gone | at once; checkpoints that a run may go on with when they are older than `retain` |
//! | data files that no commit has any more | at once; their versions cannot be read without the others that went before |
//! | commits before the last full list, but never the newest 50 | when they are older than `retain` |
//! | rejects and records of runs | when their run began before `retain`; rejects only where no run is at work |
//!
//! Delta keeps the files of old versions until `retain` has passed: its table format lists them.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, NaiveDateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{HIDDEN, name_of, objects, version_of};
use crate::{
    commit::{AttemptRecord, AttemptStatus, CommitError, StoredObject, TableFormat, age},
    error::{Error, Result},
    plan::TableFormatKind,
};

/// Objects deleted at a time.
const DELETES: usize = 16;

/// Directory of the commits of plain Parquet, whose names sort by version.
const COMMITS: &str = "_restlake/commits/";

const REJECTS: &str = "_restlake/rejects/";

/// Options of a vacuum.
#[derive(Clone, Copy, Debug)]
pub struct VacuumOptions {
    pub retain: Duration,
    pub now: DateTime<Utc>,
    pub format: TableFormatKind,
}

/// The deleted objects, or with `dry_run` those to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Vacuumed {
    pub bytes: u64,
    /// By path.
    pub objects: Vec<StoredObject>,
}

impl Vacuumed {
    fn new(mut objects: Vec<StoredObject>) -> Self {
        objects.sort_unstable();
        objects.dedup();
        Self { bytes: objects.iter().map(|object| object.bytes).sum(), objects }
    }
}

/// Plans a vacuum. Changes nothing, so `table` may be opened for reading.
pub async fn vacuum_plan(table: &dyn TableFormat, options: &VacuumOptions) -> Result<Vacuumed> {
    let attempts = table.attempts().await?;
    let mut needless = abandoned(table, &attempts, options).await?;
    needless.extend(expired(table, &attempts, options).await?);
    Ok(Vacuumed::new(needless))
}

/// Executes a vacuum. `before` is the result of [`vacuum_plan`] before the table was opened, since opening deletes attempts of dead
/// runs.
///
/// # Errors
/// Among others [`CommitError::Interrupted`]: what had gone by then is gone, and the table is whole.
pub async fn vacuum(
    table: &dyn TableFormat,
    before: &Vacuumed,
    options: &VacuumOptions,
    shutdown: &CancellationToken,
) -> Result<Vacuumed> {
    let newest = table.newest().await?;
    table.workspace().discard_stale(newest, options.retain).await?;
    let attempts = table.attempts().await?;
    let expired = expired(table, &attempts, options).await?;
    let store = table.workspace().table();
    let (commits, others): (Vec<_>, Vec<_>) = expired.iter().partition(|object| object.path.starts_with(COMMITS));
    let delete = async |object: &&StoredObject| {
        if shutdown.is_cancelled() {
            return Err(Error::from(CommitError::Interrupted { table: store.shown("") }));
        }
        Ok(store.delete(&object.path).await?)
    };
    // The oldest first, one after another: wherever it ends, the log is without a hole.
    for commit in &commits {
        delete(commit).await?;
    }
    stream::iter(&others).map(delete).buffer_unordered(DELETES).try_collect::<()>().await?;
    let left: BTreeSet<String> = objects(store).await?.into_iter().map(|object| object.path).collect();
    let gone = before.objects.iter().chain(&expired).filter(|object| !left.contains(&object.path)).cloned();
    Ok(Vacuumed::new(gone.collect()))
}

/// Lists objects of dead runs in the staging directory.
async fn abandoned(
    table: &dyn TableFormat,
    attempts: &[AttemptRecord],
    options: &VacuumOptions,
) -> Result<Vec<StoredObject>> {
    let resumable = table.workspace().resumable(table.newest().await?).await?;
    let written = resumable.and_then(|resumable| resumable.written_at());
    let age = written.and_then(|moment| age(moment, options.now));
    let is_stale = written.is_some() && age.is_none_or(|age| age > options.retain);
    let goes = |attempt: &&AttemptRecord| match attempt.status {
        AttemptStatus::Dead => true,
        AttemptStatus::Resumable => is_stale,
        AttemptStatus::Living | AttemptStatus::Committed | AttemptStatus::Published => false,
    };
    Ok(attempts.iter().filter(goes).flat_map(|attempt| attempt.objects.clone()).collect())
}

fn cutoff(options: &VacuumOptions) -> DateTime<Utc> {
    let retain = chrono::TimeDelta::from_std(options.retain).unwrap_or(chrono::TimeDelta::MAX);
    options.now.checked_sub_signed(retain).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// All but the staging directory.
async fn expired(
    table: &dyn TableFormat,
    attempts: &[AttemptRecord],
    options: &VacuumOptions,
) -> Result<Vec<StoredObject>> {
    let before = cutoff(options);
    let mut expired = table.expired(before).await?;
    // Listed first: what a run publishes after this is not in the list, what it published before is in the snapshot.
    let listed = objects(table.workspace().table()).await?;
    let snapshot = table.snapshot().await?;
    let live: BTreeSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
    let named = named(table, options).await?;
    let is_quiet = attempts.iter().all(|attempt| attempt.status != AttemptStatus::Living);
    // A run may be long, and writes its rejects while it goes on.
    let is_over = attempts.iter().all(|attempt| !attempt.is_living);
    for object in listed {
        let may_go = is_over || !object.path.starts_with(REJECTS);
        let is_old = may_go && run_began(&object.path).is_some_and(|began| began < before);
        let is_orphan = !live.contains(object.path.as_str())
            && named.contains(object.path.as_str())
            && is_orphan(&object.path, snapshot.version, is_quiet);
        if is_old || is_orphan {
            expired.push(object);
        }
    }
    Ok(expired)
}

/// The files that commits name. A name alone does not make a file ours: it may be somebody's copy. None where the format
/// itself lists those to delete.
async fn named(table: &dyn TableFormat, options: &VacuumOptions) -> Result<BTreeSet<String>> {
    if options.format != TableFormatKind::Parquet {
        return Ok(BTreeSet::new());
    }
    let history = table.history(usize::MAX).await?.into_iter();
    Ok(history.flat_map(|record| record.adds.into_iter().map(|file| file.path).chain(record.removes)).collect())
}

/// Returns true if a file outside of the newest version belongs to an earlier version or to a dead run.
fn is_orphan(path: &str, newest: u64, is_quiet: bool) -> bool {
    let version = version_of(path).filter(|_| !path.starts_with(HIDDEN));
    version.is_some_and(|version| version <= newest || is_quiet)
}

/// When the run began whose rejects or record this is, by its id `20261122T120000123Z-0badcafe`; `None` for anything else.
fn run_began(path: &str) -> Option<DateTime<Utc>> {
    let rejects = path.strip_prefix(REJECTS).and_then(|name| name.strip_suffix(".jsonl"));
    let record = path.strip_prefix("_restlake/runs/").and_then(|name| name.strip_suffix(".json"));
    let (moment, salt) = rejects.or(record)?.split_once('-')?;
    let is_salt = salt.len() == 8 && salt.bytes().all(|byte| byte.is_ascii_hexdigit());
    let moment = NaiveDateTime::parse_from_str(moment, "%Y%m%dT%H%M%S%3fZ").ok()?;
    (is_salt && name_of(path).len() == path.len() - path.rfind('/')? - 1).then(|| moment.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "a=1/part-0000000005-00000-00000.parquet";

    #[test]
    fn files_of_earlier_versions_are_orphans_and_those_of_later_ones_only_where_nobody_writes() {
        assert!(is_orphan(FILE, 5, false) && is_orphan(FILE, 9, false));
        assert!(!is_orphan(FILE, 4, false));
        assert!(is_orphan(FILE, 4, true));
    }

    #[test]
    fn only_names_of_data_files_where_readers_look_are_orphans() {
        for path in ["data.parquet", "part-1.parquet", "_restlake/x/part-0000000005-00000-00000.parquet", "notes.txt"] {
            assert!(!is_orphan(path, 9, true), "{path}");
        }
    }

    #[test]
    fn rejects_and_records_tell_when_their_run_began() {
        let began = |path: &str| run_began(path).map(|moment| moment.to_rfc3339());
        let expected = Some("2026-11-22T12:00:00.123+00:00".to_owned());
        assert_eq!(began("_restlake/rejects/20261122T120000123Z-0badcafe.jsonl"), expected);
        assert_eq!(began("_restlake/runs/20261122T120000123Z-0badcafe.json"), expected);
        for other in [
            "_restlake/runs/notes.json",
            "_restlake/runs/20261122T120000123Z-mine.json",
            "_restlake/runs/20261322T120000123Z-0badcafe.json",
            "_restlake/20261122T120000123Z-0badcafe.json",
            "runs/20261122T120000123Z-0badcafe.json",
        ] {
            assert_eq!(began(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_told_is_in_order_once_and_adds_up() {
        let object = |path: &str, bytes| StoredObject { path: path.into(), bytes };
        let vacuumed = Vacuumed::new(vec![object("b", 2), object("a", 1), object("b", 2)]);
        assert_eq!((vacuumed.bytes, vacuumed.objects.len()), (3, 2));
        assert_eq!(vacuumed.objects[0].path, "a");
    }

    #[test]
    fn a_retention_longer_than_time_keeps_everything() {
        let options = VacuumOptions { retain: Duration::MAX, now: Utc::now(), format: TableFormatKind::Parquet };
        assert_eq!(cutoff(&options), DateTime::<Utc>::MIN_UTC);
    }
}
