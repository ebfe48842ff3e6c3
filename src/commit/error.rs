//! What can go wrong between staged files and a published version.

use crate::{
    error::{ErrorKind, Failure},
    model::{Operation, TableIdentity, Version},
    store::StoreError,
};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{table} holds files that no commit of restlake names, such as `{file}`")]
    ForeignFiles { table: String, file: String },
    #[error("{table} would lie within the table {outer}")]
    Nested { table: String, outer: String },
    #[error("{table} is a Delta table")]
    DeltaTable { table: String },
    #[error(
        "{table} belongs to the resource `{}` of the pipeline `{}`, not to `{}` of `{}`",
        found.resource, found.pipeline, wanted.resource, wanted.pipeline
    )]
    AnotherTable { table: String, found: Box<TableIdentity>, wanted: Box<TableIdentity> },
    #[error("{object} is not a commit that can be read: {reason}")]
    Corrupt { object: String, reason: String },
    #[error("{object} was written by a newer restlake (format {format}, this one reads up to {known})")]
    NewerFormat { object: String, format: u64, known: u64 },
    #[error("{object} is missing, and the newer commits build on it")]
    Gap { object: String },
    #[error("the newest commit {object} is missing; the last existing commit is {}", shown_version(*newest))]
    NewestLost { object: String, newest: Version },
    #[error("`{path}` of version {version} of {table} is neither staged nor in place")]
    LostFile { table: String, path: String, version: Version },
    #[error("the staged files of {attempt} were taken away before the commit")]
    AttemptLost { attempt: String },
    #[error("the put-if-absent of {store} lets a second writer overwrite the first")]
    NotConditional { store: String },
    #[error("this restlake was built without Delta tables")]
    NoDelta,
    #[cfg(feature = "delta")]
    #[error(transparent)]
    Delta(#[from] super::DeltaError),
    #[error("it is not known whether version {version} of {table} was committed")]
    Unclear { table: String, version: Version, object: String, operation: Operation, source: StoreError },
    #[error("version {version} of {table} is committed, but its files are not all in place yet")]
    Unpublished { table: String, version: Version, operation: Operation, source: Box<CommitError> },
    #[error("{table} is being written by the process {pid} on {host} since {since}, whose lease is {lease}")]
    Busy { table: String, host: String, pid: u32, since: String, lease: String },
    #[error("stopped on request while another run wrote {table}")]
    Interrupted { table: String },
    #[error("`{run_id}` is no id of a run on {table}")]
    RunId { table: String, run_id: String },
    #[error("the commit of version {version} does not fit {table}: {reason}")]
    Invalid { table: String, version: Version, reason: String },
}

impl Failure for CommitError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            #[cfg(feature = "delta")]
            Self::Delta(error) => error.kind(),
            // A schedule's next run would append its rows a second time: it takes somebody who runs it again before.
            Self::Unpublished { operation: Operation::Append, .. }
            | Self::Unclear { operation: Operation::Append, .. } => ErrorKind::User,
            Self::Unpublished { source, .. } => source.kind(),
            Self::Unclear { .. } | Self::AttemptLost { .. } => ErrorKind::Transient,
            Self::Busy { .. } => ErrorKind::Conflict,
            Self::Interrupted { .. } => ErrorKind::Interrupted,
            Self::Invalid { .. } | Self::RunId { .. } => ErrorKind::Bug,
            _ => ErrorKind::User,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            #[cfg(feature = "delta")]
            Self::Delta(error) => error.code(),
            Self::ForeignFiles { .. } => "foreign_files",
            Self::Nested { .. } => "nested_table",
            Self::DeltaTable { .. } => "another_format",
            Self::AnotherTable { .. } => "another_table",
            Self::Corrupt { .. } => "commit_corrupt",
            Self::NewerFormat { .. } => "commit_newer_format",
            Self::Gap { .. } | Self::NewestLost { .. } => "commit_missing",
            Self::LostFile { .. } => "data_file_lost",
            Self::AttemptLost { .. } => "attempt_lost",
            Self::NoDelta => "no_delta",
            Self::NotConditional { .. } => "store_not_conditional",
            Self::Unclear { .. } => "commit_unclear",
            Self::Unpublished { .. } => "commit_unpublished",
            Self::Busy { .. } => "table_busy",
            Self::Interrupted { .. } => "interrupted",
            Self::RunId { .. } => "run_id",
            Self::Invalid { .. } => "commit_invalid",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint(),
            #[cfg(feature = "delta")]
            Self::Delta(error) => return error.hint(),
            Self::ForeignFiles { .. } => {
                "restlake never mixes with files of others: give the table another name or an empty directory"
            }
            Self::Nested { .. } => {
                "set `destination.url` to a directory that is no table, such as the one above that table"
            }
            Self::DeltaTable { .. } => {
                "set `table_format: delta` if restlake made it; otherwise give the table another name or an empty directory"
            }
            Self::AnotherTable { found, wanted, .. } if found.resource == wanted.resource => {
                return Some(format!(
                    "if the config was renamed, set `name: {}` at its top; otherwise give this resource another `table_name`, or \
                     its pipeline another destination",
                    yaml_text(&found.pipeline)
                ));
            }
            Self::AnotherTable { .. } => "give this resource another `table_name`, or its pipeline another destination",
            Self::Corrupt { .. } | Self::Gap { .. } | Self::NewestLost { .. } | Self::LostFile { .. } => {
                "restore the object from a backup, or delete the table's directory and export it anew"
            }
            Self::NewerFormat { .. } => "use that version of restlake or a newer one",
            Self::NotConditional { .. } => {
                "two runs could overwrite each other there: use a store with conditional puts"
            }
            Self::NoDelta => "use `table_format: parquet`, or a restlake built with its feature `delta`",
            Self::AttemptLost { .. } => "the run stood still for longer than its lease; run again",
            Self::Unclear { operation: Operation::Append, object, .. } => {
                return Some(format!(
                    "run the same command again before `resume_within` is over: if {object} is there and names this run, its \
                     rows are committed and not appended again; if it is not, they are appended"
                ));
            }
            Self::Unclear { .. } => "run again: the next run finds out, and goes on from there",
            Self::Unpublished { operation: Operation::Append, .. } => {
                "the rows are committed: the same command, run again before `resume_within` is over, finishes the move and \
                 appends nothing; a later run appends"
            }
            Self::Unpublished { .. } => "the next run on this table finishes the move before it does anything else",
            Self::Busy { .. } => {
                "wait for it with `--wait`, or run again when it is done; a lease that is not renewed for 5 min ends by itself"
            }
            Self::Interrupted { .. } | Self::RunId { .. } | Self::Invalid { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn shown_version(version: Version) -> String {
    if version == 0 { "none".to_owned() } else { format!("version {version}") }
}

/// A text as YAML, in quotes where it could be read as something else.
fn yaml_text(text: &str) -> String {
    let is_plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !["true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
