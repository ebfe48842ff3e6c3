//! After a lost commit: what was staged moves to a new attempt, under the names of the version that is to come.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Attempt, CommitError, Workspace,
    attempts::{clear, is_held},
    owner::{Lease, STAGING},
    staging::{data_file_name, staged_path},
};
use crate::{
    error::{Error, Result, chain},
    model::{StagedFile, Version},
};

/// Objects moved at a time.
const MOVES: usize = 16;

impl Workspace {
    /// A new attempt, for version `new_base + 1`, that holds these files of an attempt in whose place another run has
    /// committed. Their names tell the new version, their content is the same; the old attempt is gone, what else it held
    /// with it, now or when the table is opened next. When it fails, both are given up.
    ///
    /// # Errors
    /// The store's, a file that is gone, an attempt that is another run's by now, and a file whose name does not tell the
    /// old version.
    pub async fn rebase(
        &self,
        attempt: Attempt,
        files: Vec<StagedFile>,
        new_base: Version,
    ) -> Result<(Attempt, Vec<StagedFile>)> {
        let old = Arc::clone(&attempt.lease);
        if old.is_in_doubt() || !is_held(&self.table, &old).await? {
            let attempt = self.table.shown(&format!("{STAGING}/{}", old.name));
            return Err(CommitError::AttemptLost { attempt }.into());
        }
        let lease = match self.claim(new_base + 1).await {
            Ok(lease) => lease,
            Err(error) => return Err(self.give_up_rebase(error, attempt, None).await),
        };
        match self.move_files(files, &old, &lease).await {
            Ok(moved) => {
                old.release().await;
                // All that counts has moved: what stays is the next run's to delete.
                if let Err(error) = clear(&self.table, &old.name).await {
                    tracing::warn!(attempt = old.name, error = %chain(&error), "the attempt was not deleted");
                }
                Ok((self.attempt_with(lease).await.with_files(&moved).await, moved))
            }
            Err(error) => {
                let new = self.attempt_with(lease).await;
                Err(self.give_up_rebase(error, attempt, Some(new)).await)
            }
        }
    }

    /// Deletes what it can; the first error is what the user must hear of.
    async fn give_up_rebase(&self, error: CommitError, old: Attempt, new: Option<Attempt>) -> Error {
        for attempt in [Some(old), new].into_iter().flatten() {
            if let Err(error) = attempt.abandon().await {
                tracing::warn!(error = %chain(&error), "an attempt that could not be rebased was not deleted");
            }
        }
        error.into()
    }

    async fn move_files(
        &self,
        files: Vec<StagedFile>,
        old: &Lease,
        new: &Lease,
    ) -> Result<Vec<StagedFile>, CommitError> {
        let moves = stream::iter(files).map(|staged| self.move_file(staged, old, new));
        moves.buffered(MOVES).try_collect().await
    }

    async fn move_file(&self, mut staged: StagedFile, old: &Lease, new: &Lease) -> Result<StagedFile, CommitError> {
        let path = renamed(&staged.file.path, old.version, new.version).ok_or_else(|| CommitError::Invalid {
            table: self.table.shown(""),
            version: old.version,
            reason: format!("`{}` does not tell its version", staged.file.path),
        })?;
        let target = staged_path(&new.name, &data_file_name(&self.table, &path, new.version)?);
        // A request that was sent twice finds that it was moved already.
        let moved = self.table.rename(&staged.staged, &target).await?
            || self.table.size(&target).await? == Some(staged.file.bytes);
        if !moved {
            return Err(CommitError::AttemptLost { attempt: self.table.shown(&staged.staged) });
        }
        staged.file.path = path;
        staged.staged = target;
        Ok(staged)
    }
}

/// A data file's path with another version in its name: `part-<version, 10 digits>-…`.
fn renamed(path: &str, old: Version, new: Version) -> Option<String> {
    let (directory, name) = path.rsplit_once('/').map_or(("", path), |(directory, name)| (directory, name));
    let rest = name.strip_prefix(&format!("part-{old:010}-"))?;
    let separator = if directory.is_empty() { "" } else { "/" };
    Some(format!("{directory}{separator}part-{new:010}-{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_in_the_name_changes() {
        let renamed = |path| renamed(path, 7, 8);
        assert_eq!(
            renamed("status=part-0000000007-x/part-0000000007-00002-001.parquet").as_deref(),
            Some("status=part-0000000007-x/part-0000000008-00002-001.parquet")
        );
        assert_eq!(renamed("part-0000000007-00000-000.parquet").as_deref(), Some("part-0000000008-00000-000.parquet"));
        for other in ["part-0000000006-00000-000.parquet", "part-7-00000-000.parquet", "part-0000000007.parquet"] {
            assert_eq!(renamed(other), None, "{other}");
        }
    }
}
