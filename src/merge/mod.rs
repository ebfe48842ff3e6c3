//! Compares the rows of a run with the table and finds the rows of data files to remove. Copy-on-write: no file changes in place.
//!
//! ```text
//! batches ──► Collector ──► Incoming (keys of the run) ──┐
//!               └─► the rows that are written            ▼
//! files of the table ─► ranges, partition values ─► footers, Bloom filters ─► key columns ─► Found: a Change a file,
//!                       (no I/O)                    (a few KB a file)         (some row groups)   which keys it knew
//! ```
//!
//! Each step rules out files or row groups, and only the last one decides: a hash finds a candidate, the whole key says
//! whether it is one. A file without a row that goes is not touched, and files are looked for by key alone, never by where the
//! run's rows go, so a row that moves to another partition leaves no copy. Held are the keys of the run and the key
//! columns of a few row groups, never the table. Looking changes nothing: it can be done again with a newer version.

mod bloom;
mod collect;
mod content;
mod exact;
mod footer;
mod incoming;
mod judge;
mod search;
mod segment;
#[cfg(test)]
mod tests;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

pub use self::{
    collect::{Collector, Sifted},
    exact::are_doubles,
    incoming::{Dropped, Incoming},
    search::{FileChange, Found, Search},
    segment::Segment,
};
use crate::{
    error::{ErrorKind, Failure},
    keys::KeyError,
    store::StoreError,
    write::WriteError,
};

/// The part of the source that a run brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// All there is: what did not come has gone there.
    Everything,
    /// All that was asked for, which is not all there is.
    Selection,
    /// Part of the requested rows: some were rejected, or the list ended early. Missing rows have no meaning.
    Part,
}

/// The code of [`MergeError::Gone`].
pub const DATA_FILE_GONE: &str = "data_file_gone";

/// The reason why a run could not be compared with the table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the data file {path} belongs to the table and is gone")]
    Gone { path: String },
    #[error("the data file {path} is not what its commit says: {reason}")]
    Changed { path: String, reason: String },
    #[error("the data file {path} could not be read")]
    Parquet { path: String, source: ParquetError },
    #[error("rows of a data file could not be compared")]
    Arrow(#[from] ArrowError),
    #[error("a thread that compared rows ended without a result")]
    Worker,
}

impl Failure for MergeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Key(error) => error.kind(),
            Self::Write(error) => error.kind(),
            Self::Gone { .. } | Self::Changed { .. } | Self::Parquet { .. } => ErrorKind::User,
            Self::Arrow(_) | Self::Worker => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Write(error) => error.code(),
            Self::Gone { .. } => DATA_FILE_GONE,
            Self::Changed { .. } | Self::Parquet { .. } => "data_file_damaged",
            Self::Arrow(_) | Self::Worker => "merge_internal",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Write(error) => error.hint(),
            Self::Gone { .. } => Some(
                "restore it from a backup, or write the table anew with `--full-refresh`; `restlake verify` lists all that is missing"
                    .to_owned(),
            ),
            Self::Changed { .. } | Self::Parquet { .. } => {
                Some("somebody changed it: restore it, or run with --full-refresh to write the table anew".to_owned())
            }
            Self::Arrow(_) | Self::Worker => None,
        }
    }
}
