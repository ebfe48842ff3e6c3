//! What can go wrong with a Delta table besides what can go wrong with any.

use delta_kernel::KernelError;

use super::CommitError;
use crate::{
    error::{ErrorKind, Failure},
    store::TableStore,
};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    #[error("{table} is a Delta table that restlake did not create")]
    Foreign { table: String },
    #[error("{table} is a table of plain Parquet")]
    PlainParquet { table: String },
    #[error("the Delta log cannot hold this commit of {table}: {reason}")]
    Refused { table: String, reason: String },
    #[error("{table} cannot be used as a Delta table: {reason}")]
    Unsupported { table: String, reason: String, hint: Option<&'static str> },
    #[error("cannot {action} the Delta log of {table}: {reason}")]
    Kernel { table: String, action: &'static str, reason: String },
}

impl DeltaError {
    /// The kernel's error; the store's own, if it was that.
    pub(super) fn kernel(table: &TableStore, action: &'static str, error: KernelError) -> CommitError {
        match error {
            KernelError::Backtraced { source, .. } => Self::kernel(table, action, *source),
            KernelError::ObjectStore(error) => table.error(action, LOG, &error).into(),
            KernelError::IOError(error) => table.error(action, LOG, &error).into(),
            error => {
                let table = table.shown("");
                CommitError::Delta(Self::Kernel { table, action, reason: error.to_string() })
            }
        }
    }
}

/// Where the Delta log lies, relative to the table.
pub(super) const LOG: &str = "_delta_log";

impl Failure for DeltaError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::User
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "foreign_files",
            Self::PlainParquet { .. } => "another_format",
            Self::Refused { .. } => "delta_refused",
            Self::Unsupported { .. } => "delta_unsupported",
            Self::Kernel { .. } => "delta_log",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Foreign { .. } => {
                "restlake never mixes with files of others: give the table another name or an empty directory"
            }
            Self::PlainParquet { .. } => {
                "leave `table_format` at `parquet`, or give the table another name, or delete its directory and export it anew"
            }
            Self::Refused { .. } => {
                "give the table another name, or delete its directory and export it anew; plain Parquet can do it in place"
            }
            Self::Unsupported { hint, .. } => return hint.map(str::to_owned),
            Self::Kernel { .. } => "restore the log from a backup, or delete the table's directory and export it anew",
        };
        Some(hint.to_owned())
    }
}
