//! The commit log: one object per version, written once, never changed.
//!
//! `_restlake/commits/00000000000000000007.json` holds what version 7 adds and removes, its schema and state, and the totals
//! of the table after it; every 50th also lists all files, so that a reader need not go back further. A version exists if
//! and only if its object does. Listing begins at the version that is [`noted`](super::noted).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{CommitError, CommitRecord, TableSnapshot, landing::Landing, noted::Note};
use crate::{
    model::{Commit, DataFile, Version},
    store::{Created, StoreError, TableStore},
};

/// The newest format of commit objects that this version of restlake writes and reads.
const FORMAT: u64 = 1;

/// Each commit whose version is a multiple of this lists all files.
pub(super) const FULL_LIST_EVERY: Version = 50;

/// Where the commits lie, relative to the table.
pub(super) const DIRECTORY: &str = "_restlake/commits";

/// The note of the newest commit.
pub(super) const NOTE: Note = Note("commits.json");

/// Commit objects read at a time.
const READS: usize = 16;

/// How often an unclear put is tried again.
const PUTS: usize = 4;

/// A commit as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CommitObject {
    pub format: u64,
    pub version: Version,
    /// The staging directory the adds come from.
    pub attempt: String,
    pub committed_at: String,
    #[serde(flatten)]
    pub commit: Commit,
    pub totals: Totals,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<DataFile>>,
}

/// The table after the commit: what replaying the log must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
}

/// Just enough to tell whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

/// What became of a put.
#[derive(Debug)]
pub(super) enum Put {
    Done,
    /// Somebody else's.
    Lost(Box<CommitObject>),
}

#[derive(Clone, Debug)]
pub(super) struct Log {
    table: TableStore,
    /// A version that was found to be there, 0 before.
    known: Arc<AtomicU64>,
    /// The noted version, read before the commits were listed for the first time.
    noted: Arc<AtomicU64>,
}

impl CommitObject {
    pub fn new(base: &TableSnapshot, attempt: &str, commit: Commit, now: DateTime<Utc>) -> Self {
        let version = base.version + 1;
        let files = apply(base.files.clone(), &commit);
        let totals = Totals::of(&files);
        let files = version.is_multiple_of(FULL_LIST_EVERY).then_some(files);
        let committed_at = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        Self { format: FORMAT, version, attempt: attempt.to_owned(), committed_at, commit, totals, files }
    }
}

impl From<CommitObject> for CommitRecord {
    fn from(object: CommitObject) -> Self {
        let CommitObject { version, committed_at, commit, .. } = object;
        let adds = commit.adds.into_iter().map(|add| add.file).collect();
        let Commit { run_id, operation, removes, schema, state, .. } = commit;
        Self { version, committed_at, run_id, operation, adds, removes, schema, state }
    }
}

impl Totals {
    pub fn of(files: &[DataFile]) -> Self {
        let sum = |value: fn(&DataFile) -> u64| files.iter().map(value).fold(0, u64::saturating_add);
        Self { files: files.len() as u64, rows: sum(|file| file.rows), bytes: sum(|file| file.bytes) }
    }
}

/// The files after a commit: what it does not remove, then what it adds.
pub(super) fn apply(mut files: Vec<DataFile>, commit: &Commit) -> Vec<DataFile> {
    let removes: BTreeSet<&str> = commit.removes.iter().map(String::as_str).collect();
    files.retain(|file| !removes.contains(file.path.as_str()));
    files.extend(commit.adds.iter().map(|add| add.file.clone()));
    files
}

impl Log {
    pub fn new(table: TableStore) -> Self {
        Self { table, known: Arc::default(), noted: Arc::default() }
    }

    /// The newest version, 0 if there is none. Lists the commits from the last version that is known to have been there, so that it
    /// does not depend on how many there are.
    pub async fn newest(&self) -> Result<Version, CommitError> {
        let newest = match self.known.load(Ordering::Relaxed) {
            0 => self.listed_newest().await?,
            known => self.newest_after(known).await?,
        };
        self.known.store(newest, Ordering::Relaxed);
        Ok(newest)
    }

    /// The newest version, by a look at those that follow one that was there when the commits were listed: versions are made one
    /// after another, and only old ones are deleted. One request where nobody commits meanwhile, as a list is.
    async fn newest_after(&self, known: Version) -> Result<Version, CommitError> {
        let mut newest = known;
        while self.table.size(&path_of(newest + 1)).await?.is_some() {
            newest += 1;
        }
        Ok(newest)
    }

    /// Reads the note before the list, so that the noted version must be in the list.
    async fn listed_newest(&self) -> Result<Version, CommitError> {
        let noted = NOTE.read(&self.table).await;
        let newest = match self.newest_from(noted).await? {
            0 if noted > 0 => self.newest_from(0).await?,
            newest => newest,
        };
        self.noted.store(noted, Ordering::Relaxed);
        Ok(newest)
    }

    /// Returns the newest version.
    ///
    /// # Errors
    /// [`CommitError::NewestLost`] if it is older than the [noted](super::noted) version.
    pub async fn current(&self) -> Result<Version, CommitError> {
        let newest = self.newest().await?;
        match self.noted.load(Ordering::Relaxed) {
            noted if noted > newest => {
                Err(CommitError::NewestLost { object: self.table.shown(&path_of(noted)), newest })
            }
            _ => Ok(newest),
        }
    }

    /// The newest of the versions from `first` on, 0 if there is none.
    async fn newest_from(&self, first: Version) -> Result<Version, CommitError> {
        let mut listed = match first {
            0 => self.table.list(DIRECTORY)?,
            first => self.table.list_after(DIRECTORY, &path_of(first - 1))?,
        };
        let (mut newest, mut has_first) = (0, first == 0);
        while let Some(object) = listed.try_next().await? {
            let version = object.location.filename().and_then(version_of).unwrap_or(0);
            newest = newest.max(version);
            has_first |= version == first;
        }
        Ok(if has_first { newest } else { 0 })
    }

    /// All versions there are commits of, in order.
    pub async fn versions(&self) -> Result<Vec<Version>, CommitError> {
        let listed = self.table.list(DIRECTORY)?;
        let version = |object: object_store::ObjectMeta| object.location.filename().and_then(version_of);
        let mut versions: Vec<_> = listed.try_filter_map(async |object| Ok(version(object))).try_collect().await?;
        versions.sort_unstable();
        Ok(versions)
    }

    /// Deletes what commits that were cut off left on local disk, if nobody has written to it since `before`.
    pub async fn sweep(&self, before: DateTime<Utc>) -> Result<(), CommitError> {
        Ok(self.table.sweep(DIRECTORY, Some(before), |name| version_of(name).is_some()).await?)
    }

    /// One version's commit, `None` if there is no such version.
    pub async fn read(&self, version: Version) -> Result<Option<CommitObject>, CommitError> {
        let path = path_of(version);
        let Some(bytes) = self.table.get(&path).await? else { return Ok(None) };
        let corrupt = |reason: String| CommitError::Corrupt { object: self.table.shown(&path), reason };
        let head: Head = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
        if head.format > FORMAT {
            let object = self.table.shown(&path);
            return Err(CommitError::NewerFormat { object, format: head.format, known: FORMAT });
        }
        let object: CommitObject = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
        if object.version != version {
            return Err(corrupt(format!("it says that it is version {}", object.version)));
        }
        Ok(Some(object))
    }

    /// One version's commit, which must be there.
    pub async fn existing(&self, version: Version) -> Result<CommitObject, CommitError> {
        let gap = || CommitError::Gap { object: self.table.shown(&path_of(version)) };
        self.read(version).await?.ok_or_else(gap)
    }

    /// The table at its newest version.
    pub async fn snapshot(&self) -> Result<TableSnapshot, CommitError> {
        self.snapshot_at(self.current().await?).await
    }

    /// The table at a version: the last full list, and the changes after it.
    pub async fn snapshot_at(&self, version: Version) -> Result<TableSnapshot, CommitError> {
        if version == 0 {
            return Ok(TableSnapshot::default());
        }
        let first = (version - version % FULL_LIST_EVERY).max(1);
        let objects = stream::iter(first..=version).map(|version| self.existing(version)).buffered(READS);
        let mut objects = std::pin::pin!(objects);
        let mut files = Vec::new();
        let mut newest = None;
        while let Some(mut object) = objects.try_next().await? {
            files = object.files.take().unwrap_or_else(|| apply(files, &object.commit));
            newest = Some(object);
        }
        let newest = newest.ok_or_else(|| CommitError::Gap { object: self.table.shown(&path_of(version)) })?;
        self.check_totals(&newest, &files)?;
        Ok(TableSnapshot {
            version,
            rows: newest.totals.rows,
            files,
            identity: Some(newest.commit.identity),
            schema: Some(newest.commit.schema),
            partition_by: newest.commit.partition_by,
            state: newest.commit.state,
        })
    }

    fn check_totals(&self, newest: &CommitObject, files: &[DataFile]) -> Result<(), CommitError> {
        let found = Totals::of(files);
        if found == newest.totals {
            return Ok(());
        }
        let reason = format!(
            "the log comes to {} files with {} rows, it says {} with {}",
            found.files, found.rows, newest.totals.files, newest.totals.rows
        );
        Err(CommitError::Corrupt { object: self.table.shown(&path_of(newest.version)), reason })
    }

    /// Writes a version if there is none yet, and finds out what an unclear answer meant.
    ///
    /// The client repeats a put whose answer it did not get, so that "already there" may mean our own, and an error that
    /// the object was written after all. Reading tells: our run and attempt are ours, another's is lost, none is to be
    /// written again.
    ///
    /// # Errors
    /// [`CommitError::Store`] if the version was certainly not written, [`CommitError::Unclear`] if nobody can tell.
    pub async fn put(&self, object: &CommitObject, landing: &Landing<'_>) -> Result<Put, CommitError> {
        let path = path_of(object.version);
        let content = serde_json::to_vec_pretty(object).map_err(|error| self.invalid(object, &error.to_string()))?;
        let content = Bytes::from(content);
        let mut unanswered = None;
        for turn in 0..PUTS {
            if turn > 0 && !landing.may_be_tried_again().await {
                break;
            }
            let mut refusal = None;
            match landing.put(&path, content.clone()).await {
                Ok(Created::Yes) => return Ok(Put::Done),
                Ok(Created::AlreadyThere) => {}
                Err(error) if error.is_refusal() => refusal = Some(error),
                Err(error) => unanswered = Some(error),
            }
            match (self.read(object.version).await, refusal) {
                (Ok(Some(found)), _) if is_same(&found, object) => return Ok(Put::Done),
                (Ok(Some(found)), _) => return Ok(Put::Lost(Box::new(found))),
                // A store that says no, and has nothing, leaves nothing in doubt, unless an earlier put may yet arrive.
                (Ok(None), Some(refusal)) if unanswered.is_none() => return Err(CommitError::Store(refusal)),
                (Ok(None), refusal) => unanswered = refusal.or(unanswered),
                (Err(CommitError::Store(error)), _) => unanswered = Some(error),
                (Err(error), _) => return Err(error),
            }
        }
        Err(match unanswered {
            Some(source) => self.unclear(object, source),
            None => CommitError::NotConditional { store: self.table.shown("") },
        })
    }

    fn unclear(&self, object: &CommitObject, source: StoreError) -> CommitError {
        let (version, operation) = (object.version, object.commit.operation);
        let name = self.table.shown(&path_of(version));
        CommitError::Unclear { table: self.table.shown(""), version, object: name, operation, source }
    }

    pub fn invalid(&self, object: &CommitObject, reason: &str) -> CommitError {
        CommitError::Invalid { table: self.table.shown(""), version: object.version, reason: reason.to_owned() }
    }
}

fn is_same(found: &CommitObject, ours: &CommitObject) -> bool {
    found.commit.run_id == ours.commit.run_id && found.attempt == ours.attempt
}

pub(super) fn path_of(version: Version) -> String {
    format!("{DIRECTORY}/{version:020}.json")
}

pub(super) fn version_of(name: &str) -> Option<Version> {
    let digits = name.strip_suffix(".json").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use object_store::{memory::InMemory, path::Path};

    use super::*;
    use crate::store::Store;

    async fn log(versions: impl IntoIterator<Item = Version>, noted: Version) -> Log {
        let table = Store::new(Arc::new(InMemory::new()), Path::default(), "memory://").table("t").unwrap();
        for version in versions {
            table.put(&path_of(version), Bytes::from_static(b"{}")).await.unwrap();
        }
        if noted > 0 {
            NOTE.write(&table, noted).await;
        }
        Log::new(table)
    }

    #[tokio::test]
    async fn the_newest_version_is_found_from_a_note_that_lags_behind() {
        for noted in [0, 1, 50, 100, 120] {
            assert_eq!(log(1..=120, noted).await.newest().await.unwrap(), 120, "{noted}");
            // A gap after the noted version is not the end: reading the log reports it.
            assert_eq!(log((1..=120).filter(|version| *version != 110), noted).await.newest().await.unwrap(), 120);
        }
        assert_eq!(log([], 0).await.newest().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_newest_version_that_is_gone_is_an_error_and_no_step_back() {
        for (left, noted) in [(119, 120), (50, 120), (0, 1), (0, 120)] {
            let error = log(1..=left, noted).await.current().await.unwrap_err();
            assert!(
                matches!(error, CommitError::NewestLost { newest, .. } if newest == left),
                "{left}, {noted}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn versions_that_come_after_a_look_are_seen_at_the_next() {
        let log = log(1..=3, 0).await;
        assert_eq!(log.newest().await.unwrap(), 3);
        log.table.put(&path_of(4), Bytes::from_static(b"{}")).await.unwrap();
        log.table.put(&path_of(5), Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(log.newest().await.unwrap(), 5);
    }
}
