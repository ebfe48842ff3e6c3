//! What lies in the staging directory: whose attempts, at which versions, and which of their objects are restlake's.
//!
//! ```text
//! _restlake/staging/<version, 20 digits>-<8 hex digits>/
//!     owner.json, owner-00002.json, …            who works here; the highest number does
//!     part-….parquet.staged                      data files, whole
//!     checkpoint-00001.json, …                   how far the run has come
//! ```
//!
//! Whatever has another name is somebody else's, and stays.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    CommitError, Workspace, checkpoint,
    owner::{Lease, Owner, Predecessor, STAGING, generation_of, owner_path},
};
use crate::{model::Version, store::TableStore};

/// What staged files are called: no reader takes them for data, wherever it looks.
pub(super) const SUFFIX: &str = ".staged";

/// Objects deleted at a time.
const DELETES: usize = 16;

/// An attempt as a listing shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub name: String,
    pub version: Version,
    /// Sizes in bytes, by name in the attempt's directory.
    pub objects: BTreeMap<String, u64>,
}

/// An attempt's owner as somebody finds it.
#[derive(Debug)]
pub(super) enum Ownership {
    /// The record, and what it says; `None` if it can't be read, so that nobody can renew it.
    Record(Bytes, Option<Box<Owner>>),
    /// There was one in the listing, and it is gone: its owner, or another one who cleans, is at it.
    Gone,
    /// There is none: nobody is at it.
    None,
}

impl Found {
    /// How many owners the attempt has had.
    pub fn generation(&self) -> u32 {
        self.objects.keys().filter_map(|name| generation_of(name)).max().unwrap_or(0)
    }

    /// The record of the newest owner.
    pub fn owner_path(&self) -> String {
        owner_path(&self.name, self.generation())
    }

    pub fn has_checkpoints(&self) -> bool {
        self.objects.keys().any(|name| checkpoint::number_of(name).is_some())
    }

    /// Reads the record of the newest owner.
    pub async fn ownership(&self, table: &TableStore) -> Result<Ownership, CommitError> {
        let record = table.get(&self.owner_path()).await?;
        Ok(match record {
            Some(record) => {
                let owner = serde_json::from_slice(&record).ok().map(Box::new);
                Ownership::Record(record, owner)
            }
            None if self.generation() > 0 => Ownership::Gone,
            None => Ownership::None,
        })
    }

    /// What who wants the attempt for himself has to know.
    pub fn predecessor(&self, record: Bytes) -> Predecessor {
        Predecessor { name: self.name.clone(), version: self.version, generation: self.generation().max(1), record }
    }
}

impl Workspace {
    /// The attempts that there are, by name.
    pub(super) async fn attempts(&self) -> Result<Vec<Found>, CommitError> {
        let mut attempts: BTreeMap<String, Found> = BTreeMap::new();
        let mut listed = self.table.list(STAGING)?;
        while let Some(object) = listed.try_next().await? {
            let Some(path) = self.table.path_of(&object.location) else { continue };
            let parts = path.strip_prefix(STAGING).and_then(|rest| rest.strip_prefix('/')?.split_once('/'));
            let Some((name, file)) = parts else { continue };
            let Some(version) = version_of(name) else { continue };
            let found = attempts.entry(name.to_owned()).or_default();
            (found.name, found.version) = (name.to_owned(), version);
            found.objects.insert(file.to_owned(), object.size);
        }
        Ok(attempts.into_values().collect())
    }

    /// Whether a commit that a dead owner has sent may yet arrive: until another one has its version, or it is too late for
    /// it, nothing of the attempt may be deleted. `newest` is the table's version.
    pub(super) fn may_still_commit(&self, found: &Found, ownership: &Ownership, newest: Version) -> bool {
        let now = self.environment.clock.now();
        found.version > newest && matches!(ownership, Ownership::Record(_, Some(owner)) if owner.may_still_commit(now))
    }

    /// Whether nobody will come back to an attempt.
    pub(super) fn is_dead(&self, ownership: &Ownership) -> bool {
        match ownership {
            Ownership::Record(_, owner) => {
                owner.as_ref().is_none_or(|owner| owner.is_dead(self.processes.as_ref(), self.environment.clock.now()))
            }
            Ownership::Gone => false,
            Ownership::None => true,
        }
    }
}

/// Deletes what restlake put into an attempt, the owners' records last: as long as one is there, the attempt is not done.
pub(super) async fn clear(table: &TableStore, attempt: &str) -> Result<(), CommitError> {
    clear_files(table, attempt).await?;
    clear_owners(table, attempt).await
}

/// Deletes what restlake put into an attempt, all but the owners' records.
pub(super) async fn clear_files(table: &TableStore, attempt: &str) -> Result<(), CommitError> {
    table.sweep(&format!("{STAGING}/{attempt}"), None, is_attempts_own).await?;
    let own = names(table, attempt).await?.into_iter();
    let own = own.filter(|name| is_attempts_own(name) && generation_of(name).is_none());
    delete_all(table, own.map(|name| format!("{STAGING}/{attempt}/{name}"))).await
}

/// Deletes the owners' records, the newest last: it says whose the attempt is.
pub(super) async fn clear_owners(table: &TableStore, attempt: &str) -> Result<(), CommitError> {
    let names = names(table, attempt).await?;
    let mut generations: Vec<u32> = names.iter().filter_map(|name| generation_of(name)).collect();
    generations.sort_unstable();
    for generation in generations {
        table.delete(&owner_path(attempt, generation)).await?;
    }
    Ok(())
}

pub(super) async fn delete_all(table: &TableStore, paths: impl IntoIterator<Item = String>) -> Result<(), CommitError> {
    let deletes = stream::iter(paths).map(|path| async move { Ok(table.delete(&path).await?) });
    deletes.buffer_unordered(DELETES).try_collect().await
}

/// Whether a lease's owner is still the attempt's: renews it, and looks for a successor. One who comes later finds it living.
pub(super) async fn is_held(table: &TableStore, lease: &Lease) -> Result<bool, CommitError> {
    lease.renew().await?;
    Ok(newest_owner(table, &lease.name).await?.is_none_or(|newest| newest <= lease.generation))
}

/// The generation of an attempt's newest owner, `None` if no record of one is there.
pub(super) async fn newest_owner(table: &TableStore, attempt: &str) -> Result<Option<u32>, CommitError> {
    Ok(names(table, attempt).await?.iter().filter_map(|name| generation_of(name)).max())
}

/// What lies in an attempt's directory.
pub(super) async fn names(table: &TableStore, attempt: &str) -> Result<Vec<String>, CommitError> {
    let directory = format!("{STAGING}/{attempt}");
    let listed: Vec<_> = table.list(&directory)?.try_collect().await?;
    let paths = listed.into_iter().filter_map(|object| table.path_of(&object.location));
    Ok(paths.filter_map(|path| Some(path.strip_prefix(&directory)?.strip_prefix('/')?.to_owned())).collect())
}

/// Whether restlake puts a file of this name into an attempt's directory.
pub(super) fn is_attempts_own(name: &str) -> bool {
    let is_staged = name.ends_with(SUFFIX) && !name.contains('/');
    is_staged || generation_of(name).is_some() || checkpoint::number_of(name).is_some()
}

/// Whether a path in the staging directory is one that restlake writes to.
pub(super) fn is_staged_by_us(path: &str) -> bool {
    path.split_once('/').is_some_and(|(attempt, name)| version_of(attempt).is_some() && is_attempts_own(name))
}

/// The version in an attempt's name; `None` for a name that restlake does not give.
fn version_of(attempt: &str) -> Option<Version> {
    let (version, number) = attempt.split_once('-')?;
    let is_number = number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    (version.len() == 20 && is_number).then(|| version.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_restlake_gives_are_its_own() {
        for own in [
            "owner.json",
            "owner-00002.json",
            "checkpoint-00001.json",
            "part-0000000001-00000-000.parquet.staged",
            "part-0000000001-00000-000.parquet.2-1.staged",
        ] {
            assert!(is_attempts_own(own), "{own}");
        }
        for other in [
            "notes.txt",
            "owner-2.json",
            "owner-00001.json",
            "owner-0000x.json",
            "checkpoint-1.json",
            "checkpoint-00000.json",
            "checkpoint-00001.json.bak",
            "below/part.parquet.staged",
            "owner.json.old",
        ] {
            assert!(!is_attempts_own(other), "{other}");
        }
    }

    #[test]
    fn only_directories_that_restlake_names_are_attempts() {
        assert_eq!(version_of("00000000000000000007-0badcafe"), Some(7));
        for other in ["archive", "7-0badcafe", "00000000000000000007-0badcafg", "0000000000000000000x-0badcafe"] {
            assert_eq!(version_of(other), None, "{other}");
        }
        assert!(is_staged_by_us("00000000000000000007-0badcafe/owner.json"));
        assert!(!is_staged_by_us("archive/owner.json"));
    }

    #[test]
    fn the_newest_owner_is_the_one_with_the_highest_number() {
        let names = ["owner.json", "owner-00010.json", "owner-00002.json", "owner-x.json"];
        let objects = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        assert_eq!(Found { objects, ..Found::default() }.generation(), 10);
        assert_eq!(Found::default().generation(), 0);
    }
}
