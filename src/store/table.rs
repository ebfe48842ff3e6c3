//! One table's part of a store: paths are relative to the table, errors name store and path.

use std::{
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart, path::Path,
};
use rustix::io::Errno;
use tokio::task::spawn_blocking;

use super::{Context, Kind, Store, StoreError, local};

/// Larger objects are sent to remote stores in parts, so that a lost connection costs one part.
const SINGLE_PUT: usize = 64 << 20;
const PART: usize = 16 << 20;
const PARTS_IN_FLIGHT: usize = 4;

/// Retries of a local write after another process removed its directory.
const DIRECTORY_RACES: usize = 16;

/// The answer to a put-if-absent that is clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    Yes,
    /// Something is there. It may be our own, if the client sent the request twice.
    AlreadyThere,
}

/// A table's directory in a store. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct TableStore {
    store: Arc<dyn ObjectStore>,
    root: Path,
    context: Arc<Context>,
    conditional: Arc<AtomicBool>,
}

impl TableStore {
    pub(super) fn new(store: &Store, table: &str) -> Result<Self, StoreError> {
        let root = relative(&store.root, table)?;
        if root == store.root {
            return Err(StoreError::Name { name: table.to_owned(), reason: "it is empty".into() });
        }
        let (context, conditional) = (Arc::clone(&store.context), Arc::clone(&store.conditional));
        Ok(Self { store: Arc::clone(&store.store), root, context, conditional })
    }

    /// The object store itself, for what needs a reader of its own.
    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Returns the location of a path of the table in the object store.
    ///
    /// # Errors
    /// A path that leaves the table or is no path: `..`, empty segments, control characters.
    pub fn location(&self, path: &str) -> Result<Path, StoreError> {
        relative(&self.root, path)
    }

    /// The table's own path of a location, `None` outside the table.
    pub fn path_of(&self, location: &Path) -> Option<String> {
        let rest = location.as_ref().strip_prefix(self.root.as_ref())?.strip_prefix('/')?;
        Some(rest.to_owned())
    }

    /// Returns true if a request can still arrive after its sender died, as on remote stores.
    pub fn is_remote(&self) -> bool {
        self.context.kind == Kind::Cloud
    }

    /// Returns true if the put-if-absent of the store was proved since it was opened.
    pub fn is_conditional(&self) -> bool {
        self.conditional.load(Ordering::Relaxed)
    }

    pub fn set_conditional(&self) {
        self.conditional.store(true, Ordering::Relaxed);
    }

    /// Returns a path of the table for messages.
    pub fn shown(&self, path: &str) -> String {
        let table = self.root.filename().unwrap_or_default();
        let separator = if path.is_empty() { "" } else { "/" };
        self.context.redactor.text(&format!("{}/{table}{separator}{path}", self.context.shown))
    }

    /// Returns a path of the table for readers: absolute on local disk, elsewhere appended to the URL of the destination.
    pub fn url(&self, path: &str) -> String {
        match &self.context.disk {
            Some(disk) => disk.join(self.root.as_ref()).join(path).display().to_string(),
            None => format!("{}/{}/{path}", self.context.shown, self.root.filename().unwrap_or_default()),
        }
    }

    /// An error of the store about a path of the table.
    pub fn error(&self, action: &'static str, path: &str, error: &(dyn std::error::Error + 'static)) -> StoreError {
        StoreError::access(&self.context, action, self.shown(path), error)
    }

    /// Notes that the store served us, if it did; that there is no such object, or one already, is an answer as well.
    fn noted<T>(&self, answer: object_store::Result<T>) -> object_store::Result<T> {
        if matches!(
            answer,
            Ok(_) | Err(Error::NotFound { .. } | Error::AlreadyExists { .. } | Error::Precondition { .. })
        ) {
            self.context.set_answered();
        }
        answer
    }

    /// Lists all objects below a directory of the table, in no particular order. A missing directory is empty.
    pub fn list(&self, directory: &str) -> Result<BoxStream<'_, Result<ObjectMeta, StoreError>>, StoreError> {
        let prefix = if directory.is_empty() { self.root.clone() } else { self.location(directory)? };
        let directory = directory.to_owned();
        let listed = self.store.list(Some(&prefix));
        let listed = listed.inspect_ok(|_| self.context.set_answered());
        Ok(listed.map_err(move |error| self.error("list", &directory, &error)).boxed())
    }

    /// As [`list`](Self::list), of the objects whose paths sort after one of the table. Stores in the cloud begin there; on local
    /// disk the names before it are passed over without a look at their files.
    pub fn list_after(
        &self,
        directory: &str,
        after: &str,
    ) -> Result<BoxStream<'_, Result<ObjectMeta, StoreError>>, StoreError> {
        let directory = directory.to_owned();
        let listed = self.store.list_with_offset(Some(&self.location(&directory)?), &self.location(after)?);
        let listed = listed.inspect_ok(|_| self.context.set_answered());
        Ok(listed.map_err(move |error| self.error("list", &directory, &error)).boxed())
    }

    /// The nearest directory above the table in which one of these directories has something in it, as messages call it. What
    /// may not be looked at is none: credentials are often good below a prefix only.
    pub async fn directory_above_with(&self, inner: &[&str]) -> Result<Option<String>, StoreError> {
        let parts: Vec<_> = self.root.parts().collect();
        for depth in (0..parts.len()).rev() {
            let directory: Path = parts.iter().take(depth).cloned().collect();
            for inner in inner {
                let listed = self.store.list(Some(&relative(&directory, inner)?)).try_next().await;
                if matches!(listed, Ok(Some(_))) {
                    return Ok(Some(self.shown_above(&directory)));
                }
            }
        }
        // The store begins in the nearest directory that existed; those above it are no part of it.
        let above = self.context.disk.iter().flat_map(|disk| disk.ancestors().skip(1));
        let mut found = above.filter(|above| inner.iter().any(|inner| above.join(inner).is_dir()));
        Ok(found.next().map(|found| found.display().to_string()))
    }

    fn shown_above(&self, directory: &Path) -> String {
        match &self.context.disk {
            Some(disk) => disk.join(directory.as_ref()).display().to_string(),
            None => {
                let scheme = self.context.shown.split_once("://").map_or("", |(scheme, _)| scheme);
                let bucket = self.context.shown.split('/').nth(2).unwrap_or_default();
                self.context.redactor.text(&format!("{scheme}://{bucket}/{directory}"))
            }
        }
    }

    /// The whole object, `None` if there is none.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let location = self.location(path)?;
        let read = async { self.store.get(&location).await?.bytes().await };
        match self.noted(read.await) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error("read", path, &error)),
        }
    }

    /// Parts of an object, in the order of `ranges`; `None` if there is no such object.
    ///
    /// # Errors
    /// The store's, among them a range that goes beyond the object's end.
    pub async fn get_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>, StoreError> {
        match self.noted(self.store.get_ranges(&self.location(path)?, ranges).await) {
            Ok(parts) => Ok(Some(parts)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error("read", path, &error)),
        }
    }

    /// The object's size in bytes, `None` if there is none.
    pub async fn size(&self, path: &str) -> Result<Option<u64>, StoreError> {
        match self.noted(self.store.head(&self.location(path)?).await) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error("read", path, &error)),
        }
    }

    /// Writes an object whole, over whatever is there.
    pub async fn put(&self, path: &str, content: Bytes) -> Result<(), StoreError> {
        let location = self.location(path)?;
        let written = if content.len() > SINGLE_PUT && self.context.kind == Kind::Cloud {
            self.put_in_parts(&location, content).await
        } else {
            self.put_with(&location, &content, PutMode::Overwrite).await
        };
        self.noted(written).map_err(|error| self.error("write", path, &error))
    }

    async fn put_in_parts(&self, location: &Path, content: Bytes) -> object_store::Result<()> {
        let upload = self.store.put_multipart(location).await?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        for start in (0..content.len()).step_by(PART) {
            // A part that failed shows here; `finish` is not reached, and the upload is given up.
            if let Err(error) = parts.wait_for_capacity(PARTS_IN_FLIGHT).await {
                let _ = parts.abort().await;
                return Err(error);
            }
            parts.put(content.slice(start..content.len().min(start + PART)));
        }
        parts.finish().await?;
        Ok(())
    }

    /// Writes an object if there is none. Every error but a refusal leaves open whether the object was written.
    pub async fn put_if_absent(&self, path: &str, content: Bytes) -> Result<Created, StoreError> {
        match self.noted(self.put_with(&self.location(path)?, &content, PutMode::Create).await) {
            Ok(()) => Ok(Created::Yes),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Created::AlreadyThere),
            Err(error) if self.context.kind == Kind::Local && lacks_hard_links(&error) => {
                Err(StoreError::unsupported(&self.context, "write", self.shown(path), &error))
            }
            Err(error) => Err(self.error("write", path, &error)),
        }
    }

    /// On local disk, another process that deletes the last file of a directory takes the directory with it, perhaps
    /// between our making it and our writing into it; then it is made again.
    async fn put_with(&self, location: &Path, content: &Bytes, mode: PutMode) -> object_store::Result<()> {
        let mut races = 0;
        loop {
            let options = PutOptions { mode: mode.clone(), ..PutOptions::default() };
            match self.store.put_opts(location, PutPayload::from(content.clone()), options).await {
                Err(error) if races < DIRECTORY_RACES && self.lost_directory(&error) => races += 1,
                answer => return answer.map(drop),
            }
        }
    }

    fn lost_directory(&self, error: &Error) -> bool {
        let links = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
        let not_found = |kind| kind == io::ErrorKind::NotFound;
        let mut kinds = links.filter_map(|link| link.downcast_ref::<io::Error>()).map(io::Error::kind);
        self.context.kind == Kind::Local && kinds.any(not_found)
    }

    /// Moves an object: atomically on local disk, elsewhere by a copy on the server. `false`: there is none at `from`.
    pub async fn rename(&self, from: &str, to: &str) -> Result<bool, StoreError> {
        match self.noted(self.store.rename(&self.location(from)?, &self.location(to)?).await) {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) if self.lost_directory(&error) => Ok(false),
            Err(error) => Err(self.error("move", from, &error)),
        }
    }

    /// Makes sure that what was deleted at these paths stays so when the power goes out, on local disk: deletions alone are
    /// not synced there. Elsewhere what the store has confirmed is done.
    pub async fn sync_deleted(&self, paths: Vec<String>) -> Result<(), StoreError> {
        let Some(disk) = self.context.disk.clone() else { return Ok(()) };
        let locations = paths.iter().map(|path| Ok(disk.join(self.location(path)?.as_ref())));
        let deleted: Vec<_> = locations.collect::<Result<_, StoreError>>()?;
        let synced = spawn_blocking(move || local::sync_deleted(&deleted)).await;
        synced.map_err(io::Error::from).flatten().map_err(|error| self.error("delete", "", &error))
    }

    /// Deletes what writes that were cut off left below a directory of the table, on local disk; other stores keep nothing
    /// of such a write under a name.
    ///
    /// Only what `is_ours` names, by its path relative to the directory, goes, and only if nobody has written to it since
    /// `before`; without a `before`, the caller knows that nobody writes there.
    pub async fn sweep(
        &self,
        directory: &str,
        before: Option<DateTime<Utc>>,
        is_ours: fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let location = self.location(directory)?;
        let Some(disk) = self.context.disk.clone() else { return Ok(()) };
        let before = before.map(SystemTime::from);
        let swept = spawn_blocking(move || local::sweep(&disk, &disk.join(location.as_ref()), before, is_ours)).await;
        swept.map_err(io::Error::from).flatten().map_err(|error| self.error("delete", directory, &error))
    }

    /// Deletes an object; it may be gone already.
    pub async fn delete(&self, path: &str) -> Result<(), StoreError> {
        match self.noted(self.store.delete(&self.location(path)?).await) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error("delete", path, &error)),
        }
    }
}

/// Returns true if a put-if-absent failed at its last step, the hard link: file systems without them answer `ENOTSUP` or, as FAT does,
/// `EPERM`. A user who lacks a permission gets `EACCES`, or fails at the file before.
fn lacks_hard_links(error: &Error) -> bool {
    let links = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let codes = links.filter_map(|link| link.downcast_ref::<io::Error>()?.raw_os_error());
    let is_not_permitted = codes.into_iter().any(|code| code == Errno::PERM.raw_os_error());
    is_not_permitted && error.to_string().contains("Unable to rename file")
}

/// Appends a path to another one, without encoding its segments.
fn relative(root: &Path, path: &str) -> Result<Path, StoreError> {
    let invalid = |reason: String| StoreError::Name { name: path.to_owned(), reason };
    if path.starts_with('/') || path.ends_with('/') {
        return Err(invalid("it begins or ends with a slash".into()));
    }
    let joined = if root.is_root() { path.to_owned() } else { format!("{root}/{path}") };
    let joined = joined.trim_end_matches('/');
    Path::parse(joined).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("Unable to {step} file: {source}")]
    struct Local {
        step: &'static str,
        source: io::Error,
    }

    fn error(step: &'static str, code: Errno) -> Error {
        Error::Generic { store: "Local", source: Local { step, source: code.into() }.into() }
    }

    #[test]
    fn a_hard_link_that_is_not_permitted_is_a_file_system_without_hard_links() {
        assert!(lacks_hard_links(&error("rename", Errno::PERM)));
        assert!(!lacks_hard_links(&error("rename", Errno::ACCESS)), "EACCES is a permission");
        assert!(!lacks_hard_links(&error("create", Errno::PERM)), "an immutable directory");
        let context = Context::plain("lake".into(), Kind::Local);
        let error = StoreError::unsupported(&context, "write", "lake/t/a".into(), &error("rename", Errno::PERM));
        assert!(crate::error::Failure::hint(&error).unwrap().contains("hard links"));
        assert_eq!(error.cause(), Some(super::super::Cause::Unsupported));
    }
}
