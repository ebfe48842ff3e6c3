//! One writer's attempt at a version: files are staged whole, can be read back and discarded, and are published by the commit.
//! How far they have come can be written down beside them, for a run that goes on where this one ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::Mutex;

use super::{
    Checkpoint, CommitError,
    attempts::{SUFFIX, clear, is_held},
    checkpoint,
    owner::{Lease, STAGING, Standing},
};
use crate::{
    digest,
    environment::{Environment, FaultPoint},
    error::Result,
    model::{DataFile, EncodedFile, StagedFile, Version},
    store::TableStore,
};

/// A claimed staging directory. Dropped without a commit and without [`abandon`](Self::abandon), it stays until its
/// process is gone and the table is opened again.
#[derive(Debug)]
pub struct Attempt {
    table: TableStore,
    pub(super) lease: Arc<Lease>,
    environment: Environment,
    names: Mutex<Names>,
    checkpoints: Mutex<Checkpoints>,
}

/// Names of data files.
#[derive(Debug, Default)]
struct Names {
    in_use: BTreeSet<String>,
    /// How often each was staged by this owner: no object is written twice, as a checkpoint may name the first.
    times: BTreeMap<String, u32>,
}

/// What the checkpoints of an attempt hold.
#[derive(Debug, Default)]
struct Checkpoints {
    written: u32,
    /// The staged objects that they name.
    files: BTreeSet<String>,
}

impl Attempt {
    pub(super) fn new(table: TableStore, lease: Arc<Lease>, environment: Environment) -> Self {
        Self { table, lease, environment, names: Mutex::default(), checkpoints: Mutex::default() }
    }

    /// One that goes on after these checkpoints.
    pub(super) fn resumed(
        table: TableStore,
        lease: Arc<Lease>,
        environment: Environment,
        checkpoints: &[Checkpoint],
    ) -> Self {
        let files = || checkpoints.iter().flat_map(|checkpoint| &checkpoint.files).map(|file| &file.staged);
        let names = Names { in_use: files().map(name_of).collect(), ..Names::default() };
        let written = u32::try_from(checkpoints.len()).unwrap_or(u32::MAX);
        let checkpoints = Checkpoints { written, files: files().map(|file| file.staged.clone()).collect() };
        Self { table, lease, environment, names: Mutex::new(names), checkpoints: Mutex::new(checkpoints) }
    }

    /// One that holds these files already.
    pub(super) async fn with_files(self, files: &[StagedFile]) -> Self {
        self.names.lock().await.in_use.extend(files.iter().map(name_of));
        self
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
        let staged = self.claim_name(name).await?;
        let content = file.content.clone();
        let sha256 = tokio::task::spawn_blocking(move || digest::sha256(&content));
        let sha256 = sha256.await.map_err(|error| self.invalid(error.to_string()))?;
        let bytes = file.content.len() as u64;
        self.table.put(&staged, file.content).await.map_err(CommitError::from)?;
        reach(&self.environment, &self.table, FaultPoint::FileStaged)?;
        let EncodedFile { path, partition, rows, keys, .. } = file;
        let file = DataFile { path, rows, bytes, sha256, partition, keys };
        Ok(StagedFile { file, staged })
    }

    /// The object that a data file is staged as: one that neither this owner nor another has written to.
    async fn claim_name(&self, name: String) -> Result<String, CommitError> {
        let mut names = self.names.lock().await;
        if !names.in_use.insert(name.clone()) {
            return Err(self.invalid(format!("`{name}` is staged already")));
        }
        let times = names.times.entry(name.clone()).or_default();
        *times += 1;
        let tag = match (self.lease.generation, *times) {
            (1, 1) => String::new(),
            (generation, times) => format!(".{generation}-{times}"),
        };
        Ok(staged_path(&self.lease.name, &format!("{name}{tag}")))
    }

    /// Reads a staged file back.
    ///
    /// # Errors
    /// The store's, and a file that is gone or has changed.
    pub async fn read(&self, staged: &StagedFile) -> Result<Bytes> {
        let lost = || CommitError::AttemptLost { attempt: self.table.shown(&staged.staged) };
        let bytes = self.table.get(&staged.staged).await.map_err(CommitError::from)?.ok_or_else(lost)?;
        if bytes.len() as u64 == staged.file.bytes && digest::is_as_committed(&bytes, &staged.file.sha256) {
            Ok(bytes)
        } else {
            Err(lost().into())
        }
    }

    /// Deletes a staged file that the commit will not name; its name may be staged again. One that a checkpoint names stays
    /// until the attempt is over, so that the checkpoint keeps its worth.
    pub async fn discard(&self, staged: &StagedFile) -> Result<()> {
        if !self.checkpoints.lock().await.files.contains(&staged.staged) {
            self.table.delete(&staged.staged).await.map_err(CommitError::from)?;
        }
        self.names.lock().await.in_use.remove(&name_of(staged));
        Ok(())
    }

    /// Writes down how far the run has come, after the checkpoints before.
    ///
    /// # Errors
    /// The store's; the same or a longer segment may then be written again. [`CommitError::AttemptLost`] if another run,
    /// that took this one for dead, goes on in its place.
    pub async fn write_checkpoint(&self, checkpoint: &Checkpoint) -> Result<()> {
        let mut checkpoints = self.checkpoints.lock().await;
        let number = checkpoints.written + 1;
        checkpoint::write(&self.table, &self.lease.name, number, self.lease.generation, checkpoint).await?;
        checkpoints.written = number;
        checkpoints.files.extend(checkpoint.files.iter().map(|file| file.staged.staged.clone()));
        Ok(reach(&self.environment, &self.table, FaultPoint::CheckpointWritten)?)
    }

    /// Gives up: deletes all that was staged, and the claim. After a commit whose outcome is unclear or whose publication
    /// was cut off it deletes nothing, as the table may name these files; the next open finds out. Neither does it where
    /// another run, that took this one for dead, goes on in its place.
    pub async fn abandon(self) -> Result<()> {
        if self.lease.is_in_doubt() || !is_held(&self.table, &self.lease).await? {
            return Ok(());
        }
        self.lease.release().await;
        Ok(clear(&self.table, &self.lease.name).await?)
    }

    /// Gives up, and leaves what the checkpoints name to a run that resumes; without a checkpoint, like
    /// [`abandon`](Self::abandon).
    pub async fn leave(self) -> Result<()> {
        if self.lease.is_in_doubt() || !is_held(&self.table, &self.lease).await? {
            return Ok(());
        }
        if self.checkpoints.lock().await.written == 0 {
            return self.abandon().await;
        }
        let left = self.lease.stand(Standing::Left).await;
        self.lease.release().await;
        Ok(left?)
    }

    fn invalid(&self, reason: String) -> CommitError {
        CommitError::Invalid { table: self.table.shown(""), version: self.version(), reason }
    }
}

/// The name of the data file that a staged file becomes.
fn name_of(staged: &StagedFile) -> String {
    staged.file.path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Treats an injected fault as the store's own.
pub(super) fn reach(environment: &Environment, table: &TableStore, point: FaultPoint) -> Result<(), CommitError> {
    let reached = environment.faults.reach(point);
    reached.map_err(|error| CommitError::Store(table.error("write", "", &error)))
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

/// Where an attempt keeps what will be a data file.
pub(super) fn staged_path(attempt: &str, name: &str) -> String {
    format!("{STAGING}/{attempt}/{name}{SUFFIX}")
}

/// Whether a path is one that `stage` makes in this attempt.
pub(super) fn is_staged_in(path: &str, attempt: &str) -> bool {
    let name =
        path.strip_prefix(STAGING).and_then(|rest| rest.strip_prefix('/')?.strip_prefix(attempt)?.strip_prefix('/'));
    name.and_then(|name| name.strip_suffix(SUFFIX)).is_some_and(|name| !name.is_empty() && !name.contains('/'))
}
