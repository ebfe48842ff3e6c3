//! Objects in a table's directory besides its files: attempts of runs, unpublished commits, foreign files.

use std::collections::BTreeSet;

use super::{
    super::{HIDDEN, name_of, version_in_log},
    finding::{Findings, Problem},
};
use crate::commit::{AttemptRecord, AttemptStatus, StoredObject, TableFormat, TableSnapshot};

const STAGED: &str = ".staged";
const PARQUET: &str = ".parquet";

/// Objects that belong to unpublished commits.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Names of files that will be moved into place.
    pub(super) awaited: BTreeSet<String>,
    /// Paths of files that will go.
    leaving: BTreeSet<String>,
    /// Paths of files that attempts have brought to where data lies, for a commit that is to come.
    moved: BTreeSet<String>,
}

impl Pending {
    fn explains(&self, path: &str) -> bool {
        self.leaving.contains(path) || self.moved.contains(path)
    }
}

/// Tells of attempts that a run that is gone left, and of commits whose files are not all in place and nobody is at it.
pub(super) async fn check_attempts(
    table: &dyn TableFormat,
    snapshot: &TableSnapshot,
    attempts: &[AttemptRecord],
    objects: &[StoredObject],
    pending: &mut Pending,
    findings: &mut Findings,
) {
    for attempt in attempts {
        let paths = attempt.objects.iter().map(|object| &object.path);
        pending.moved.extend(paths.filter(|path| !path.starts_with(HIDDEN)).cloned());
        match attempt.status {
            AttemptStatus::Living | AttemptStatus::Resumable | AttemptStatus::Published => {}
            AttemptStatus::Dead => {
                let found = format!("{} objects of a run that is gone ({})", attempt.objects.len(), owner(attempt));
                findings.add(Problem::DeadAttempt, &place(attempt), found, "nothing");
            }
            AttemptStatus::Committed => {
                let leaving = leaving(table, snapshot, attempt, objects).await;
                add_unpublished(attempt, leaving, pending, findings);
            }
        }
    }
}

fn place(attempt: &AttemptRecord) -> String {
    format!("_restlake/staging/{}", attempt.name)
}

fn owner(attempt: &AttemptRecord) -> String {
    match &attempt.owner {
        Some(owner) => format!("process {} on {}, since {}", owner.pid, owner.host, owner.since),
        None => "nobody".to_owned(),
    }
}

/// Files that the attempt's commit removed and that are still there.
async fn leaving(
    table: &dyn TableFormat,
    snapshot: &TableSnapshot,
    attempt: &AttemptRecord,
    objects: &[StoredObject],
) -> BTreeSet<String> {
    // Those of a Delta table stay until its log forgets them.
    if table.keeps_removed() {
        return BTreeSet::new();
    }
    // A commit that cannot be read is the audit's to tell.
    let Some(commit) = table.commit_at(attempt.version).await.unwrap_or_default() else { return BTreeSet::new() };
    let mut leaving: BTreeSet<String> = commit.removes.into_iter().collect();
    let live: BTreeSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
    let present: BTreeSet<&str> = objects.iter().map(|object| object.path.as_str()).collect();
    leaving.retain(|path| present.contains(path.as_str()) && !live.contains(path.as_str()));
    leaving
}

/// An attempt of which only its owner's record is left is published, whether its owner knows or not.
fn add_unpublished(attempt: &AttemptRecord, leaving: BTreeSet<String>, pending: &mut Pending, findings: &mut Findings) {
    let staged = attempt.objects.iter().map(|object| staged_name(&object.path)).filter(|name| !name.is_empty());
    let awaited: BTreeSet<String> = staged.map(str::to_owned).collect();
    if awaited.is_empty() && leaving.is_empty() {
        return;
    }
    let found = format!(
        "version {} is committed, {} of its files are not in place and {} that it removed are",
        attempt.version,
        awaited.len(),
        leaving.len()
    );
    // Who publishes it is no fault of the table.
    if !attempt.is_living {
        let expected = "all files of the version in place, and no others";
        findings.add(Problem::UnpublishedCommit, &place(attempt), found, expected);
    }
    pending.awaited.extend(awaited);
    pending.leaving.extend(leaving);
}

/// The name of the data file that a staged object becomes, such as `part-….parquet.2-1.staged`; empty for other objects.
fn staged_name(path: &str) -> &str {
    let name = name_of(path).strip_suffix(STAGED).unwrap_or_default();
    let end = name.find(PARQUET).map_or(0, |start| start + PARQUET.len());
    name.get(..end).unwrap_or_default()
}

/// Finds foreign files that readers would take for data of the table.
pub(super) fn check_foreign(
    snapshot: &TableSnapshot,
    objects: &[StoredObject],
    pending: &Pending,
    removed: &BTreeSet<String>,
    keeps_old: bool,
    findings: &mut Findings,
) {
    let files: BTreeSet<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
    for object in objects {
        let path = object.path.as_str();
        let is_named_old = keeps_old && version_in_log(path).is_some_and(|version| version <= snapshot.version);
        let is_old = is_named_old || removed.contains(path);
        let is_known = files.contains(path) || pending.explains(path) || is_old;
        // Some readers open every file of a directory whose name does not begin with `_`, DuckDB's glob every `.parquet`.
        let is_hidden = path.starts_with(HIDDEN) || path.starts_with("_delta_log/");
        let is_seen = !is_hidden || path.starts_with(HIDDEN) && path.ends_with(PARQUET);
        if is_seen && !is_known {
            findings.add(Problem::ForeignFile, path, format!("{} bytes that no commit names", object.bytes), "no file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staged_object_becomes_the_file_of_its_name() {
        let staged = "_restlake/staging/x/part-0000000001-00000-00000.parquet.staged";
        assert_eq!(staged_name(staged), "part-0000000001-00000-00000.parquet");
        let again = "_restlake/staging/x/part-0000000001-00000-00000.parquet.2-1.staged";
        assert_eq!(staged_name(again), "part-0000000001-00000-00000.parquet");
        assert_eq!(staged_name("_restlake/staging/x/owner.json"), "");
    }

    #[test]
    fn old_files_are_foreign_only_where_old_versions_are_not_kept() {
        let snapshot = TableSnapshot { version: 3, ..TableSnapshot::default() };
        let old = ["a=1/part-0000000002-00000-00000.parquet", "part-0000000002-00000-00000-1.parquet"];
        let objects = [old[0], old[1], "_delta_log/1.json", "_restlake/x.json"]
            .map(|path| StoredObject { path: path.into(), bytes: 1 });
        let foreign = |keeps_old| {
            let mut findings = Findings::new("t");
            check_foreign(&snapshot, &objects, &Pending::default(), &BTreeSet::new(), keeps_old, &mut findings);
            findings.list.len()
        };
        assert_eq!((foreign(true), foreign(false)), (0, 2));
    }
}
