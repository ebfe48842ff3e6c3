//! Local disk: a path becomes a file system store rooted at its nearest existing directory; and what cut-off writes leave
//! there goes.

use std::{
    collections::BTreeSet,
    fs::{self, DirEntry},
    io,
    path::{Component, Path as FilePath, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use object_store::{local::LocalFileSystem, path::Path};
use rustix::io::Errno;

use super::{Context, Kind, Store, StoreError};

/// Opens a local directory, which need not exist: it is created by the first write, so that a dry run leaves no trace.
///
/// The store is rooted at the nearest directory that exists: its clean-up of empty directories stops there, and so takes
/// away no directory that the user made. Writes are fsynced.
pub(super) fn open(path: &FilePath, shown: &str) -> Result<Store, StoreError> {
    let absolute = std::path::absolute(path).map_err(|error| StoreError::url(shown, error))?;
    let (existing, rest) = split(&absolute, shown)?;
    let root = Path::parse(rest.join("/")).map_err(|error| StoreError::url(shown, error))?;
    let store = LocalFileSystem::new_with_prefix(&existing).map_err(|error| StoreError::url(shown, error))?;
    let store = store.with_automatic_cleanup(true).with_fsync(true);
    let context = Context { disk: Some(existing), ..Context::plain(shown.to_owned(), Kind::Local) };
    Ok(Store::with_context(Arc::new(store), root, context))
}

/// The nearest existing directory at or above a path, and the names below it.
fn split(absolute: &FilePath, shown: &str) -> Result<(PathBuf, Vec<String>), StoreError> {
    let mut existing = absolute;
    while !existing.is_dir() {
        // Also a broken link and a directory that may not be looked into: neither can be told from a file by `exists`.
        if existing.symlink_metadata().is_ok() {
            return Err(StoreError::NotADirectory { path: existing.display().to_string(), what: found(existing) });
        }
        existing = existing.parent().ok_or_else(|| StoreError::url(shown, "no directory above it exists"))?;
    }
    let rest = absolute.strip_prefix(existing).unwrap_or(FilePath::new(""));
    let names = rest.components().map(|component| match component {
        Component::Normal(name) => name.to_str().map(str::to_owned).ok_or("it is not UTF-8"),
        _ => Err("`..` leads out of a directory that does not exist"),
    });
    let names = names.collect::<Result<_, _>>().map_err(|error| StoreError::url(shown, error))?;
    Ok((existing.to_path_buf(), names))
}

/// Describes an existing object that is not a directory.
fn found(path: &FilePath) -> &'static str {
    match path.metadata().map_err(|error| Errno::from_io_error(&error)) {
        Ok(_) => "not a directory",
        Err(Some(Errno::NOENT)) => "a link to something that is not there",
        Err(Some(Errno::LOOP)) => "a link that leads in a circle",
        Err(_) => "no directory that can be looked into",
    }
}

/// Deletes what cut-off writes left below a directory, and the directories that this empties, up to `disk`.
///
/// A write goes to `<name>#<number>`, which is renamed when it is whole; a process that is killed in between leaves it
/// there, and no listing of the store ever shows it. Only names for which `is_ours`, given the path relative to the
/// directory and without the `#`, and only files not written to since `before` go.
pub(super) fn sweep(
    disk: &FilePath,
    directory: &FilePath,
    before: Option<SystemTime>,
    is_ours: fn(&str) -> bool,
) -> io::Result<()> {
    let mut directories = vec![directory.to_path_buf()];
    while let Some(looked) = directories.pop() {
        for entry in entries(&looked)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else if object_of(&entry, directory).is_some_and(|object| is_ours(&object)) && is_before(&entry, before)?
            {
                unless_gone(fs::remove_file(entry.path()))?;
                remove_empty(disk, &looked);
            }
        }
    }
    Ok(())
}

/// Syncs the directories that files were deleted from.
pub(super) fn sync_deleted(files: &[PathBuf]) -> io::Result<()> {
    let synced = held_entries(files).into_iter().map(|directory| {
        // Another process may have emptied and removed it: then there is nothing in it that could come back.
        unless_gone(fs::File::open(directory).and_then(|directory| directory.sync_all()))
    });
    synced.collect()
}

/// The directories whose entries the files were, or the directories that went with them.
fn held_entries(files: &[PathBuf]) -> BTreeSet<&FilePath> {
    files.iter().filter_map(|file| file.ancestors().skip(1).find(|above| above.is_dir())).collect()
}

fn entries(directory: &FilePath) -> io::Result<impl Iterator<Item = io::Result<DirEntry>>> {
    Ok(unless_gone(fs::read_dir(directory).map(Some))?.into_iter().flatten())
}

/// The object that a file was to become, relative to a directory; `None` for a file that is whole.
fn object_of(entry: &DirEntry, directory: &FilePath) -> Option<String> {
    let path = entry.path();
    let (object, number) = path.strip_prefix(directory).ok()?.to_str()?.rsplit_once('#')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| object.to_owned())
}

fn is_before(entry: &DirEntry, moment: Option<SystemTime>) -> io::Result<bool> {
    let Some(moment) = moment else { return Ok(true) };
    unless_gone(entry.metadata().and_then(|metadata| metadata.modified()).map(|written| written < moment))
}

/// Another process may sweep as well.
fn unless_gone<T: Default>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        result => result,
    }
}

/// Removes a directory and those above it, as far as they are empty.
fn remove_empty(disk: &FilePath, directory: &FilePath) {
    let above = directory.ancestors().take_while(|above| above.starts_with(disk) && *above != disk);
    // One that is not empty ends it, as does one that cannot be removed, which does no harm.
    let _ = above.map(fs::remove_dir).take_while(Result::is_ok).count();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_stands_in_the_place_of_a_directory_is_named() {
        let disk = tempfile::tempdir().unwrap();
        let path = |path: &str| disk.path().join(path);
        fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink(path("nothing"), path("broken")).unwrap();
        std::os::unix::fs::symlink(path("circle"), path("circle")).unwrap();
        for (name, what) in [("file", "is not a directory"), ("broken", "not there"), ("circle", "in a circle")] {
            let error = open(&path(name).join("lake"), "lake").unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_deletion_is_synced_in_the_nearest_directory_that_is_left() {
        let disk = tempfile::tempdir().unwrap();
        let path = |path: &str| disk.path().join(path);
        fs::create_dir_all(path("table/day=1")).unwrap();
        let deleted = [path("table/day=1/a"), path("table/day=1/b"), path("table/day=2/hour=3/c")];
        assert_eq!(held_entries(&deleted), BTreeSet::from([path("table/day=1").as_path(), path("table").as_path()]));
        sync_deleted(&deleted).unwrap();
        sync_deleted(&[]).unwrap();
    }
}
