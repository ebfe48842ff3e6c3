//! Errors of maintenance.

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
    #[error("{before} rows of the table `{table}` became {after} while they were rewritten; nothing was committed")]
    Numbers { table: String, before: u64, after: u64 },
    #[error(
        "a run on the table `{table}` died at {committed_at}, after it had committed version {version}, and nobody was told yet"
    )]
    DiedRun { table: String, version: Version, committed_at: String },
    #[error("a run on the table `{table}` that died left {rows} rows which another run can go on with")]
    Resumable { table: String, rows: u64 },
    #[error("the rows of the table `{table}` cannot have the schema of the config: {reasons}\n{shapes}")]
    Schema { table: String, reasons: String, shapes: String },
    #[error("{file} is not the state of a pipeline: {reason}")]
    StateFile { file: String, reason: String },
    #[error("{file} was written by a newer restlake (format {format}, this one reads up to {known})")]
    NewerState { file: String, format: u64, known: u64 },
    #[error("this is the state of the pipeline `{found}`, not of `{wanted}`")]
    AnotherPipeline { found: String, wanted: String },
    #[error("there is no state of the resource `{resource}` in it (there is of: {known})")]
    NoState { resource: String, known: String },
    #[error("the table `{table}` keeps changing while it is looked at")]
    Changing { table: String },
    #[error("another run made version {version} of the table `{table}` meanwhile, {attempts} times in a row")]
    Conflict { table: String, version: Version, attempts: u32 },
}

impl Failure for MaintainError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Changing { .. } => ErrorKind::Transient,
            Self::Worker { .. } | Self::Numbers { .. } => ErrorKind::Bug,
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
            Self::Numbers { .. } => "numbers",
            Self::DiedRun { .. } => "run_died_after_commit",
            Self::Resumable { .. } => "run_can_be_resumed",
            Self::Schema { .. } => "schema_changed",
            Self::StateFile { .. } => "state_file",
            Self::NewerState { .. } => "state_newer_format",
            Self::AnotherPipeline { .. } => "another_pipeline",
            Self::NoState { .. } => "no_state",
            Self::Changing { .. } => "table_changing",
            Self::Conflict { .. } => "commit_conflict",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoTable { .. } => "`restlake run` makes it",
            Self::VersionGone { readable, .. } => return Some(format!("versions that can be read: {readable}")),
            Self::Damaged { .. } => "`restlake verify` lists everything that is damaged",
            Self::Conflict { .. } | Self::Changing { .. } => "try again when no run is at work on the table",
            Self::DiedRun { .. } => {
                "`restlake run` first: it tells what became of that run, which a new version would hide"
            }
            Self::Resumable { .. } => {
                "`restlake run` first, which goes on with them, or `restlake run --no-resume`, which drops them: a new version \
                 would make them useless"
            }
            Self::Schema { .. } => {
                "`restlake run --full-refresh` exports the table anew, with the schema of the config"
            }
            Self::StateFile { .. } => "it has to be what `restlake export-state` printed",
            Self::NewerState { .. } => "use that version of restlake or a newer one",
            Self::AnotherPipeline { .. } => "`--force` imports it all the same",
            Self::NoState { .. } => {
                "`--resource` chooses resources; with `--force`, one state may go to a resource of another name"
            }
            Self::Partition { .. } | Self::NoVersion { .. } | Self::Worker { .. } | Self::Numbers { .. } => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}
