//! What can go wrong with a Delta table besides what can go wrong with any.

use std::{error::Error as StdError, io};

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
            // What the kernel will not write is nothing that is wrong with the log.
            KernelError::Unsupported(reason) | KernelError::Schema(reason) if action == "write" => {
                Self::Refused { table: table.shown(""), reason }.into()
            }
            error => match fault(&error) {
                Some(fault) => table.error(action, LOG, fault).into(),
                None => Self::Kernel { table: table.shown(""), action, reason: error.to_string() }.into(),
            },
        }
    }
}

/// The store's error that is the cause of one of the kernel's: what reads a checkpoint wraps it.
fn fault(error: &KernelError) -> Option<&(dyn StdError + 'static)> {
    let mut links = std::iter::successors(error.source(), |link| StdError::source(*link));
    links.find(|link| {
        // What decodes says so with errors of I/O, too; those of the operating system have a number.
        let is_systems = link.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some());
        is_systems || link.is::<object_store::Error>()
    })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use parquet::errors::ParquetError;

    use super::*;
    use crate::store::Store;

    fn judged(error: KernelError) -> (ErrorKind, &'static str) {
        let store = Store::new(Arc::new(InMemory::new()), "lake".into(), "memory://lake");
        let error = DeltaError::kernel(&store.table("t").unwrap(), "read", error);
        (error.kind(), error.code())
    }

    #[test]
    fn a_fault_of_the_store_behind_a_checkpoint_passes_and_a_damaged_one_does_not() {
        let reset = || object_store::Error::Generic { store: "S3", source: "connection reset by peer".into() };
        let behind_parquet = KernelError::Parquet(ParquetError::External(Box::new(reset())));
        let behind_arrow = KernelError::Arrow(arrow::error::ArrowError::ExternalError(Box::new(reset())));
        let of_the_system = ParquetError::External(Box::new(io::Error::from_raw_os_error(5)));
        for error in [KernelError::ObjectStore(reset()), behind_parquet, behind_arrow, of_the_system.into()] {
            assert_eq!(judged(error).0, ErrorKind::Transient);
        }
        let damaged = ParquetError::External(Box::new(io::Error::other("zstd: the frame is damaged")));
        for error in [damaged, ParquetError::EOF("no footer".into())] {
            assert_eq!(judged(error.into()), (ErrorKind::User, "delta_log"));
        }
    }
}
