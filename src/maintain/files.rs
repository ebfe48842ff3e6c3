//! The data files of a version: what a reader passes to `read_parquet([...])` to see one version and no mixture.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{MaintainError, check_found, objects};
use crate::{
    commit::{TableFormat, TableSnapshot},
    error::Result,
    model::{DataFile, TableIdentity, Version},
    plan::ResourcePlan,
};

/// Versions looked at, from the newest back, to say which can be read when one cannot.
const LOOKED_BACK: u64 = 100;

/// The files of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableFiles {
    pub table: String,
    pub version: Version,
    pub files: Vec<FileEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// Relative to the table's root.
    pub path: String,
    /// As a reader opens it: an absolute path on local disk, a URL elsewhere.
    pub url: String,
    pub rows: u64,
    pub bytes: u64,
    /// The directory's keys and values; `None` is null.
    pub partition: BTreeMap<String, Option<String>>,
}

/// The files of a version, of the newest if none is named.
///
/// # Errors
/// A table or version that does not exist, and a version of which files are gone: it says which can be read.
pub async fn files(
    table: &dyn TableFormat,
    identity: &TableIdentity,
    resource: &ResourcePlan,
    version: Option<Version>,
) -> Result<TableFiles> {
    let store = table.workspace().table();
    let newest = table.snapshot().await?;
    check_found(table, &newest, identity).await?;
    if newest.version == 0 {
        return Err(MaintainError::NoTable { table: resource.table.clone() }.into());
    }
    let newest_version = newest.version;
    let snapshot = match version.filter(|version| *version != newest_version) {
        None => newest,
        Some(version) if version == 0 || version > newest_version => {
            let exist = format!("there are 1 to {newest_version}");
            return Err(MaintainError::NoVersion { table: resource.table.clone(), version, exist }.into());
        }
        Some(version) => table.snapshot_at(version).await?,
    };
    let present: BTreeMap<String, u64> =
        objects(store).await?.into_iter().map(|object| (object.path, object.bytes)).collect();
    if let Some((missing, file)) = gone(&snapshot, &present) {
        let readable = readable(table, newest_version, &present).await;
        let (table, version) = (resource.table.clone(), snapshot.version);
        return Err(MaintainError::VersionGone {
            table,
            version,
            files: snapshot.files.len(),
            missing,
            file,
            readable,
        }
        .into());
    }
    let entry = |file: DataFile| {
        let url = store.url(&file.path);
        let partition = file.partition.into_iter().collect();
        FileEntry { path: file.path, url, rows: file.rows, bytes: file.bytes, partition }
    };
    let (version, files) = (snapshot.version, snapshot.files.into_iter().map(entry).collect());
    Ok(TableFiles { table: resource.table.clone(), version, files })
}

/// Returns the number of missing files of a version, and the path of one.
fn gone(snapshot: &TableSnapshot, present: &BTreeMap<String, u64>) -> Option<(usize, String)> {
    let gone = || snapshot.files.iter().filter(|file| present.get(&file.path) != Some(&file.bytes));
    gone().next().map(|file| (gone().count(), file.path.clone()))
}

/// The versions whose files are all there, as `3, 5 to 7`.
async fn readable(table: &dyn TableFormat, newest: Version, present: &BTreeMap<String, u64>) -> String {
    let mut versions = Vec::new();
    for version in newest.saturating_sub(LOOKED_BACK).max(1)..=newest {
        // What is too old to be known cannot be read either.
        let snapshot = table.snapshot_at(version).await.ok();
        if snapshot.is_some_and(|snapshot| gone(&snapshot, present).is_none()) {
            versions.push(version);
        }
    }
    ranges(&versions)
}

/// `3, 5 to 7`; `none`.
fn ranges(ascending: &[Version]) -> String {
    let runs = ascending.chunk_by(|before, after| before + 1 == *after);
    let texts: Vec<_> = runs
        .filter_map(|run| match (run.first()?, run.last()?) {
            (first, last) if first == last => Some(first.to_string()),
            (first, last) => Some(format!("{first} to {last}")),
        })
        .collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_a_row_are_told_as_a_range() {
        assert_eq!(ranges(&[]), "none");
        assert_eq!(ranges(&[3]), "3");
        assert_eq!(ranges(&[3, 5, 6, 7, 9]), "3, 5 to 7, 9");
    }

    #[test]
    fn a_version_is_whole_if_all_its_files_are_there_in_their_size() {
        let file = |path: &str, bytes| DataFile {
            path: path.into(),
            rows: 1,
            bytes,
            sha256: String::new(),
            partition: Vec::new(),
            keys: Vec::new(),
        };
        let snapshot = TableSnapshot { files: vec![file("a", 1), file("b", 2)], ..TableSnapshot::default() };
        let present = |files: &[(&str, u64)]| files.iter().map(|(path, bytes)| ((*path).to_owned(), *bytes)).collect();
        assert_eq!(gone(&snapshot, &present(&[("a", 1), ("b", 2), ("c", 3)])), None);
        assert_eq!(gone(&snapshot, &present(&[("a", 1), ("b", 3)])), Some((1, "b".into())));
        assert_eq!(gone(&snapshot, &present(&[])), Some((2, "a".into())));
    }
}
