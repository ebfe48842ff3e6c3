//! What can go wrong while a table is kept.

use crate::{
    error::{ErrorKind, Failure},
    model::Version,
};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintainError {
    #[error("the table `{table}` does not exist yet")]
    NoTable { table: String },
    #[error("the table `{table}` is partitioned by `{spec}`, which is no field of its own schema")]
    Partition { table: String, spec: String },
    #[error("the table `{table}` has no version {version} ({exist})")]
    NoVersion { table: String, version: Version, exist: String },
    #[error("{missing} of the {files} files of version {version} of the table `{table}` are gone, such as `{file}`")]
    VersionGone { table: String, version: Version, files: usize, missing: usize, file: String, readable: String },
    #[error("`{file}` of the table `{table}` is not what its commit says: {reason}")]
    Damaged { table: String, file: String, reason: String },
    #[error("a worker thread ended while it worked on `{file}` of the table `{table}`")]
    Worker { table: String, file: String },
    #[error("another run made version {version} of the table `{table}` meanwhile, {attempts} times in a row")]
    Conflict { table: String, version: Version, attempts: u32 },
}

impl Failure for MaintainError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Worker { .. } => ErrorKind::Bug,
            _ => ErrorKind::User,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoTable { .. } => "no_table",
            Self::Partition { .. } => "partition_spec",
            Self::NoVersion { .. } => "no_version",
            Self::VersionGone { .. } => "version_gone",
            Self::Damaged { .. } => "file_damaged",
            Self::Worker { .. } => "worker",
            Self::Conflict { .. } => "commit_conflict",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoTable { .. } => Some("`restlake run` makes it".into()),
            Self::VersionGone { readable, .. } => Some(format!("versions that can be read: {readable}")),
            Self::Damaged { .. } => Some("`restlake verify` lists everything that is damaged".into()),
            Self::Conflict { .. } => Some("try again when no run is at work on the table".into()),
            Self::Partition { .. } | Self::NoVersion { .. } | Self::Worker { .. } => None,
        }
    }
}
