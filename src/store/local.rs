//! Local disk: a path becomes a file system store rooted at its nearest existing directory.

use std::{
    path::{Component, Path as FilePath, PathBuf},
    sync::Arc,
};

use object_store::{local::LocalFileSystem, path::Path};

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
    Ok(Store::with_context(Arc::new(store), root, Context::plain(shown.to_owned(), Kind::Local)))
}

/// The nearest existing directory at or above a path, and the names below it.
fn split(absolute: &FilePath, shown: &str) -> Result<(PathBuf, Vec<String>), StoreError> {
    let mut existing = absolute;
    while !existing.is_dir() {
        // Also a broken link and a directory that may not be looked into: neither can be told from a file by `exists`.
        if existing.symlink_metadata().is_ok() {
            return Err(StoreError::NotADirectory { path: existing.display().to_string() });
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
