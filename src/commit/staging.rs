//! One writer's attempt at a version: files are staged whole, can be read back and discarded, and are published by the commit.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use super::{
    CommitError,
    owner::{Lease, OWNER, STAGING},
};
use crate::{
    environment::{Environment, FaultPoint},
    error::Result,
    model::{DataFile, EncodedFile, StagedFile, Version},
    store::TableStore,
};

/// What staged files are called: no reader takes them for data, wherever it looks.
const SUFFIX: &str = ".staged";

/// Objects deleted at a time.
const DELETES: usize = 16;

/// A claimed staging directory. Dropped without a commit and without [`abandon`](Self::abandon), it stays until its
/// process is gone and the table is opened again.
#[derive(Debug)]
pub struct Attempt {
    table: TableStore,
    lease: Arc<Lease>,
    environment: Environment,
    names: Mutex<BTreeSet<String>>,
}

impl Attempt {
    pub(super) fn new(table: TableStore, lease: Arc<Lease>, environment: Environment) -> Self {
        Self { table, lease, environment, names: Mutex::default() }
    }

    /// The version that a commit of this attempt makes.
    pub fn version(&self) -> Version {
        self.lease.version
    }

    /// Writes a file to the staging directory.
    ///
    /// # Errors
    /// The store's, and a file name that was staged before.
    pub async fn stage(&self, file: EncodedFile) -> Result<StagedFile> {
        let name = data_file_name(&self.table, &file.path, self.version())?;
        if !self.names.lock().await.insert(name.clone()) {
            return Err(self.invalid(format!("`{name}` is staged already")).into());
        }
        let staged = format!("{STAGING}/{}/{name}{SUFFIX}", self.lease.name);
        let content = file.content.clone();
        let sha256 = tokio::task::spawn_blocking(move || sha256(&content));
        let sha256 = sha256.await.map_err(|error| self.invalid(error.to_string()))?;
        let bytes = file.content.len() as u64;
        self.table.put(&staged, file.content).await.map_err(CommitError::from)?;
        reach(&self.environment, &self.table, FaultPoint::FileStaged)?;
        let EncodedFile { path, partition, rows, keys, .. } = file;
        let file = DataFile { path, rows, bytes, sha256, partition, keys };
        Ok(StagedFile { file, staged })
    }

    /// Reads a staged file back.
    ///
    /// # Errors
    /// The store's, and a file that is gone or has changed.
    pub async fn read(&self, staged: &StagedFile) -> Result<Bytes> {
        let lost = || CommitError::AttemptLost { attempt: self.table.shown(&staged.staged) };
        let bytes = self.table.get(&staged.staged).await.map_err(CommitError::from)?.ok_or_else(lost)?;
        if bytes.len() as u64 == staged.file.bytes && sha256(&bytes) == staged.file.sha256 {
            Ok(bytes)
        } else {
            Err(lost().into())
        }
    }

    /// Deletes a staged file that the commit will not name; its name may be staged again.
    pub async fn discard(&self, staged: &StagedFile) -> Result<()> {
        self.table.delete(&staged.staged).await.map_err(CommitError::from)?;
        self.names.lock().await.remove(staged.file.path.rsplit('/').next().unwrap_or_default());
        Ok(())
    }

    /// Gives up: deletes all that was staged, and the claim. After a commit whose outcome is unclear or whose publication
    /// was cut off it deletes nothing, as the table may name these files; the next open finds out.
    pub async fn abandon(self) -> Result<()> {
        if self.lease.is_in_doubt() {
            return Ok(());
        }
        self.lease.release().await;
        Ok(clear(&self.table, &self.lease.name).await?)
    }

    fn invalid(&self, reason: String) -> CommitError {
        CommitError::Invalid { table: self.table.shown(""), version: self.version(), reason }
    }
}

/// Treats an injected fault as the store's own.
pub(super) fn reach(environment: &Environment, table: &TableStore, point: FaultPoint) -> Result<(), CommitError> {
    let reached = environment.faults.reach(point);
    reached.map_err(|error| CommitError::Store(table.error("write", "", &error)))
}

/// Deletes what restlake put into an attempt, the owner's record last: as long as it is there, the attempt is not done.
pub(super) async fn clear(table: &TableStore, attempt: &str) -> Result<(), CommitError> {
    let directory = format!("{STAGING}/{attempt}");
    table.sweep(&directory, None, is_attempts_own).await?;
    let listed: Vec<_> = table.list(&directory)?.try_collect().await?;
    let paths = listed.into_iter().filter_map(|object| table.path_of(&object.location));
    let staged: Vec<String> = paths.filter(|path| path.ends_with(SUFFIX)).collect();
    let deletes = stream::iter(staged).map(|path| async move { table.delete(&path).await });
    deletes.buffer_unordered(DELETES).try_collect::<()>().await?;
    Ok(table.delete(&format!("{directory}/{OWNER}")).await?)
}

/// Whether restlake puts a file of this name into an attempt's directory.
pub(super) fn is_attempts_own(name: &str) -> bool {
    name == OWNER || name.ends_with(SUFFIX) && !name.contains('/')
}

/// The last part of a data file's path, after a check that the path is one restlake may move to and delete.
pub(super) fn data_file_name(table: &TableStore, path: &str, version: Version) -> Result<String, CommitError> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_hidden = path.split('/').next().is_some_and(|first| first.starts_with(['_', '.']));
    if table.location(path).is_ok() && name.ends_with(".parquet") && !is_hidden {
        return Ok(name.to_owned());
    }
    let reason = format!("`{path}` is no path of a data file");
    Err(CommitError::Invalid { table: table.shown(""), version, reason })
}

/// Whether a path is one that `stage` makes in this attempt.
pub(super) fn is_staged_in(path: &str, attempt: &str) -> bool {
    let name =
        path.strip_prefix(STAGING).and_then(|rest| rest.strip_prefix('/')?.strip_prefix(attempt)?.strip_prefix('/'));
    name.and_then(|name| name.strip_suffix(SUFFIX)).is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

fn sha256(content: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, content);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
