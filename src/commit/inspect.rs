//! What lies in a table's own directory, told without changing any of it: attempts and their owners, and what is wrong with
//! the record of the versions.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::Serialize;

use super::{
    CommitError, LivingOwner, Workspace,
    attempts::{Found, Ownership},
    log::{CommitObject, DIRECTORY, FULL_LIST_EVERY, Log, NOTE, Totals, apply, path_of, version_of},
    owner::STAGING,
    recover::Publication,
};
use crate::{
    error::{Failure, Result, chain},
    model::{DataFile, Version},
    store::TableStore,
};

/// An object of the table that is no data file of its newest version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StoredObject {
    /// Relative to the table's root.
    pub path: String,
    pub bytes: u64,
}

/// A directory in which files of a version are staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    pub name: String,
    /// The version that it is to make, or has made.
    pub version: Version,
    pub status: AttemptStatus,
    /// Whether its owner is still at it, be it only to bring a commit's files into place.
    pub is_living: bool,
    /// `None` if it has no owner's record that can be read.
    pub owner: Option<LivingOwner>,
    /// The owner's record and the staged files, by path; and what has been moved to where data lies and no version names.
    pub objects: Vec<StoredObject>,
}

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptStatus {
    /// Its owner may still commit it.
    Living,
    /// Nobody will: the next open deletes it.
    Dead,
    /// Nobody will, but a run may go on with what is in it.
    Resumable,
    /// A commit names it, and its files are not known to be all in place: the next open finishes that.
    Committed,
    /// Its commit is published; what is left tells the next run so, if this one died.
    Published,
}

/// Something wrong with the record of the versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Relative to the table's root.
    pub object: String,
    pub code: &'static str,
    pub found: String,
    pub expected: String,
}

impl Workspace {
    /// The attempts that lie in the staging directory, by name. `newest` is the table's version; without `publication` none
    /// is known to be committed.
    pub(super) async fn attempt_records(
        &self,
        newest: Version,
        publication: Option<&dyn Publication>,
    ) -> Result<Vec<AttemptRecord>, CommitError> {
        let mut records = Vec::new();
        for found in self.attempts().await? {
            let ownership = found.ownership(&self.table).await?;
            let status = self.attempt_status(&found, &ownership, newest, publication).await?;
            let is_living = !self.is_dead(&ownership);
            let path = |name: &String| format!("{STAGING}/{}/{name}", found.name);
            let object = |(name, &bytes): (&String, &u64)| StoredObject { path: path(name), bytes };
            let objects = found.objects.iter().map(object).collect();
            let owner = match ownership {
                Ownership::Record(_, Some(owner)) => Some(LivingOwner::new(*owner, found.owner_path())),
                _ => None,
            };
            let Found { name, version, .. } = found;
            records.push(AttemptRecord { name, version, status, is_living, owner, objects });
        }
        Ok(records)
    }

    async fn attempt_status(
        &self,
        found: &Found,
        ownership: &Ownership,
        newest: Version,
        publication: Option<&dyn Publication>,
    ) -> Result<AttemptStatus, CommitError> {
        let committed = match publication {
            // A commit that cannot be read is the audit's to tell.
            Some(publication) => publication.committed(&found.name, found.version).await.unwrap_or_default(),
            None => None,
        };
        let is_published = match ownership {
            Ownership::Record(_, owner) => owner.as_ref().is_some_and(|owner| owner.is_published()),
            Ownership::Gone => true,
            Ownership::None => false,
        };
        Ok(match committed {
            Some(_) if is_published => AttemptStatus::Published,
            Some(_) => AttemptStatus::Committed,
            None if !self.is_dead(ownership) => AttemptStatus::Living,
            None if found.version == newest + 1 && self.is_resumable(found).await? => AttemptStatus::Resumable,
            None => AttemptStatus::Dead,
        })
    }
}

/// The objects below a directory of the table, by path.
pub(super) async fn objects_below(table: &TableStore, directory: &str) -> Result<Vec<StoredObject>, CommitError> {
    let listed: Vec<_> = table.list(directory)?.try_collect().await?;
    let object =
        |meta: object_store::ObjectMeta| Some(StoredObject { path: table.path_of(&meta.location)?, bytes: meta.size });
    let mut objects: Vec<_> = listed.into_iter().filter_map(object).collect();
    objects.sort_unstable();
    Ok(objects)
}

/// Replays the whole log, as far back as it is kept, and compares it with what it says of itself.
///
/// # Errors
/// The store's. A log that cannot be read is what this is to find, and no error.
pub(super) async fn audit(log: &Log, table: &TableStore) -> Result<Vec<Flaw>, CommitError> {
    let noted = NOTE.read(table).await;
    let versions = log.versions().await?;
    let first = versions.first().copied().unwrap_or(noted);
    let last = versions.last().copied().unwrap_or(noted).max(noted);
    let mut replay = Replay { files: (first == 1).then(Vec::new), flaws: Vec::new() };
    for version in first.max(1)..=last {
        match log.read(version).await {
            Ok(Some(object)) => replay.take(object),
            Ok(None) => replay.lose(path_of(version), "commit_missing", "no such object".into()),
            Err(CommitError::Store(error)) => return Err(CommitError::Store(error)),
            Err(error) => replay.lose(path_of(version), error.code(), chain(&error)),
        }
    }
    Ok(replay.flaws)
}

/// The files as far as the log could be followed.
struct Replay {
    /// `None` behind a commit that could not be read, until the next full list.
    files: Option<Vec<DataFile>>,
    flaws: Vec<Flaw>,
}

impl Replay {
    fn lose(&mut self, object: String, code: &'static str, found: String) {
        self.files = None;
        self.flaws.push(Flaw { object, code, found, expected: "a commit that can be read".into() });
    }

    fn take(&mut self, object: CommitObject) {
        let name = path_of(object.version);
        self.check_removes(&object);
        let replayed = self.files.take().map(|files| apply(files, &object.commit));
        if let (Some(replayed), Some(listed)) = (&replayed, &object.files)
            && replayed != listed
        {
            let found = format!("a full list of {} files", listed.len());
            let expected = format!("the {} files that the commits before it come to", replayed.len());
            self.flaws.push(Flaw { object: name.clone(), code: "full_list", found, expected });
        }
        // The full list is what readers go by.
        self.files = object.files.or(replayed);
        if let Some(files) = &self.files {
            let totals = Totals::of(files);
            if totals != object.totals {
                let (found, expected) = (totals_text(&object.totals), totals_text(&totals));
                self.flaws.push(Flaw { object: name, code: "totals", found, expected });
            }
        }
    }

    /// What a commit removes has to be there.
    fn check_removes(&mut self, object: &CommitObject) {
        let Some(files) = &self.files else { return };
        let known: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let unknown = object.commit.removes.iter().filter(|path| !known.contains(path.as_str()));
        self.flaws.extend(unknown.map(|path| Flaw {
            object: path_of(object.version),
            code: "removes",
            found: format!("it removes `{path}`"),
            expected: "a file of the version before".into(),
        }));
    }
}

fn totals_text(totals: &Totals) -> String {
    format!("{} files with {} rows in {} bytes", totals.files, totals.rows, totals.bytes)
}

/// How many of the newest commits are kept whatever their age: one full list and the changes since the one before it.
const KEPT: Version = FULL_LIST_EVERY;

/// Commit objects made before a moment that no reader needs: those before the last full list that is not among the newest
/// [`KEPT`]. What is left begins with a full list.
///
/// Superseded data files of plain Parquet are gone since their version was published.
pub(super) async fn expired(
    log: &Log,
    table: &TableStore,
    before: DateTime<Utc>,
) -> Result<Vec<StoredObject>, CommitError> {
    let newest = log.newest().await?;
    let first_kept = newest.saturating_sub(KEPT - 1);
    // Rounded down: the full list that the oldest kept version builds on stays.
    let limit = first_kept - first_kept % FULL_LIST_EVERY;
    let versions = log.versions().await?;
    let mut limit = limit.max(versions.first().copied().unwrap_or(0));
    // A commit within `before` keeps the full list that it builds on as well.
    for version in versions.into_iter().filter(|version| *version < limit).collect::<Vec<_>>() {
        let object = log.read(version).await?;
        let committed_at = object.and_then(|object| DateTime::parse_from_rfc3339(&object.committed_at).ok());
        if committed_at.is_none_or(|moment| moment >= before) {
            limit = version - version % FULL_LIST_EVERY;
            break;
        }
    }
    let objects = objects_below(table, DIRECTORY).await?.into_iter();
    let version = |object: &StoredObject| object.path.rsplit('/').next().and_then(version_of);
    Ok(objects.filter(|object| version(object).is_some_and(|version| version < limit)).collect())
}
