//! A table has its directory for itself. One within another would be read as a part of it by every reader that globs, and lost
//! with it.

use super::{CommitError, Workspace};

/// Directories that every table has: the commits of plain Parquet, and the log of Delta.
const LOGS: [&str; 2] = ["_restlake/commits", "_delta_log"];

impl Workspace {
    /// Before a table's first commit: whether a directory above it is a table.
    pub(super) async fn check_not_nested(&self) -> Result<(), CommitError> {
        let found = self.table.directory_above_with(&LOGS).await?;
        found.map_or(Ok(()), |outer| Err(CommitError::Nested { table: self.table.shown(""), outer }))
    }
}
