//! Rows to Parquet files: partitioned, rolled by size, named and encoded the same way every time. Synchronous, no I/O.
//!
//! ```text
//! rows, ids ─► strides ─► partition ─► backlog ─► encoders ─► EncodedFile, FileIndex
//!              cut by     grouped by   until it   one per       │
//!              row count  directory    is enough  partition     ├─► rewrite: a file without superseded rows
//!                                                                └─► adapt: a file with a newer schema's columns
//! ```
//!
//! Invariants: the files depend on the rows and their order alone, not on the batches they come in nor on time; what is held
//! is bounded by [`WriteOptions::memory`], however many partitions there are; a name that comes from data is one escaped
//! directory level.

mod adapt;
mod backlog;
mod encode;
mod hive;
mod index;
mod join;
mod literal;
mod partition;
mod rewrite;
mod shape;
mod stride;
mod table;
#[cfg(test)]
mod tests;
mod transform;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

pub use self::{
    adapt::{adapt, adapt_with, has_large_integers, widen},
    index::{FileIndex, Stale},
    join::Joiner,
    partition::{file_columns, partition_values},
    rewrite::{Change, Patch, rewrite, rewrite_with},
    shape::{FileShape, Misplaced, directory},
    table::{Finished, Flushed, TableWriter, empty_file, renamed},
};
use crate::{
    error::{ErrorKind, Failure},
    plan::{ParquetPlan, PartitionField},
    schema::TableSchema,
};

/// Options for writing the rows of a table.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    pub schema: TableSchema,
    pub partition_by: Vec<PartitionField>,
    pub parquet: ParquetPlan,
    /// The table version that the commit of these files will make; part of their names.
    pub version: u64,
    /// Number of the slice of the run, 0 for a single one; part of the file names.
    pub position: u64,
    /// Bytes that rows and open files may take; a little more while they are copied. Less makes more and smaller files.
    pub memory: usize,
    /// Records the rows of each file, which is needed if rows may be superseded later.
    pub index: bool,
    /// Indexes of the columns whose ranges each file records, for the search of a merge.
    pub keys: Vec<usize>,
    /// Written to the footer of every file, like the resource.
    pub pipeline: String,
    pub resource: String,
}

/// The reason why rows could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    #[error("row {row} has an empty text in the partition column `{column}`, which readers take for a null")]
    EmptyPartition { column: String, row: u64 },
    #[error(
        "row {row} has the text `{}` in the partition column `{column}`, which means null to every reader",
        hive::NULL_VALUE
    )]
    ReservedPartition { column: String, row: u64 },
    #[error(
        "row {row} has a value in the partition column `{column}` whose directory name would take {bytes} bytes, \
         more than the 255 that file systems allow: `{start}…`"
    )]
    LongPartition { column: String, row: u64, bytes: usize, start: String },
    #[error("the column `{column}` of type {data_type} cannot be partitioned as `{key}`")]
    Transform { column: String, key: String, data_type: String },
    #[error("the column `{column}` is nested: neither `sort_by` nor `bloom_filter` can use it")]
    Nested { column: String },
    #[error("every column is a partition column, so that nothing is left for the data files")]
    NoDataColumn,
    #[error("the table's schema has no column {index}, which the plan names")]
    NoColumn { index: usize },
    #[error("{rows} rows came with {ids} ids, or with other columns than the table's")]
    Rows { rows: usize, ids: usize },
    #[error("the partition value `{value}` of the column `{column}` cannot be read back")]
    PartitionValue { column: String, value: String },
    #[error("the file {path} has {rows} rows, but {mask} were to be judged")]
    Mask { path: String, rows: usize, mask: usize },
    #[error("the schema could not be fingerprinted")]
    Fingerprint(#[from] serde_json::Error),
    #[error("rows could not be rearranged")]
    Arrow(#[from] ArrowError),
    #[error("a Parquet file could not be encoded or read back")]
    Parquet(#[from] ParquetError),
}

impl Failure for WriteError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::EmptyPartition { .. } | Self::ReservedPartition { .. } | Self::LongPartition { .. } => {
                ErrorKind::User
            }
            Self::Transform { .. } | Self::Nested { .. } | Self::NoDataColumn => ErrorKind::User,
            Self::NoColumn { .. } | Self::Rows { .. } | Self::Mask { .. } | Self::PartitionValue { .. } => {
                ErrorKind::Bug
            }
            // A value that the column's new type does not hold.
            Self::Arrow(ArrowError::CastError(_)) => ErrorKind::User,
            Self::Fingerprint(_) | Self::Arrow(_) | Self::Parquet(_) => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::EmptyPartition { .. } | Self::ReservedPartition { .. } | Self::LongPartition { .. } => {
                "partition_value"
            }
            Self::Transform { .. } => "partition_transform",
            Self::Nested { .. } => "nested_column",
            Self::NoDataColumn => "no_data_column",
            Self::NoColumn { .. } | Self::Rows { .. } | Self::Mask { .. } => "write_internal",
            Self::PartitionValue { .. } | Self::Fingerprint(_) => "write_internal",
            Self::Arrow(_) | Self::Parquet(_) => "encode",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::EmptyPartition { .. } => Some(
                "let the source send null, or set `schema_contract.data_type` to `discard_row` or `discard_value`"
                    .into(),
            ),
            Self::ReservedPartition { .. } => Some("partition by another column, or by a `bucket` of this one".into()),
            Self::LongPartition { column, .. } => Some(format!(
                "partition by the start of the text, with `{{column: {column}, transform: \"truncate[16]\"}}`, or by a `bucket`"
            )),
            Self::Transform { .. } => Some("choose another transform, or another column".into()),
            Self::Nested { .. } => Some("name a column that holds one plain value per row".into()),
            Self::Arrow(ArrowError::CastError(_)) => Some(
                "give the column a type that holds all its values (`columns: {NAME: {data_type: text}}` keeps every digit) and run with --full-refresh"
                    .into(),
            ),
            Self::NoDataColumn => Some("take a column out of `partition_by`, or add one to the schema".into()),
            _ => None,
        }
    }
}
