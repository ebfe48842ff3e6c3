//! The status of a table, from its newest commit and the records of its last runs.

use std::collections::BTreeSet;

use chrono::{DateTime, FixedOffset};
use serde::Serialize;

use super::check_found;
use crate::{
    commit::{RunRecord, TableFormat, TableSnapshot},
    error::Result,
    model::{TableIdentity, Version},
    plan::{CursorState, ResourcePlan, TableFormatKind},
    report::{Incomplete, Status},
    schema::TableSchema,
};

/// Number of runs in the status.
const RUNS: usize = 5;

/// One table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableStatus {
    pub resource: String,
    pub table: String,
    /// True if there is a commit; otherwise the fields below are empty.
    pub exists: bool,
    pub format: TableFormatKind,
    pub version: Version,
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    /// Directories that have files; 1 for a table that is not partitioned.
    pub partitions: u64,
    /// As the commit has it, such as `month(created_at)`.
    pub partition_by: Vec<String>,
    pub schema_fingerprint: Option<String>,
    pub columns: Vec<ColumnStatus>,
    pub cursor: Option<serde_json::Value>,
    /// RFC 3339.
    pub committed_at: Option<String>,
    /// The last ones, the newest first.
    pub runs: Vec<RunStatus>,
}

/// One run on a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunStatus {
    pub run_id: String,
    pub status: Status,
    /// RFC 3339.
    pub started_at: String,
    /// `None` if its times cannot be read.
    pub duration_seconds: Option<f64>,
    /// Rows written; `None` if the run did not count them.
    pub rows: Option<u64>,
    /// The committed version, if any.
    pub version: Option<Version>,
    /// True if it is proved that all records came, false if more are known to exist, `None` if nothing shows the end.
    pub complete: Option<bool>,
    /// The missing records, if `complete` is false.
    pub incomplete: Option<Incomplete>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnStatus {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: String,
    pub nullable: bool,
}

/// Reads what a table is; one that does not exist yet is no error.
///
/// # Errors
/// A store or a commit that cannot be read, and a table of another resource.
pub async fn status(
    table: &dyn TableFormat,
    identity: &TableIdentity,
    resource: &ResourcePlan,
    format: TableFormatKind,
) -> Result<TableStatus> {
    let snapshot = table.snapshot().await?;
    check_found(table, &snapshot, identity).await?;
    let commit = if snapshot.version > 0 { table.commit_at(snapshot.version).await? } else { None };
    let runs = table.workspace().runs(RUNS).await?.into_iter().map(RunStatus::from).collect();
    let committed_at = commit.map(|commit| commit.committed_at);
    Ok(TableStatus { committed_at, runs, ..of(resource, format, &snapshot) })
}

/// Returns the part of the status that the snapshot contains.
fn of(resource: &ResourcePlan, format: TableFormatKind, snapshot: &TableSnapshot) -> TableStatus {
    let partitions: BTreeSet<_> = snapshot.files.iter().map(|file| &file.partition).collect();
    TableStatus {
        resource: resource.name.clone(),
        table: resource.table.clone(),
        exists: snapshot.version > 0,
        format,
        version: snapshot.version,
        rows: snapshot.rows,
        files: snapshot.files.len() as u64,
        bytes: snapshot.files.iter().map(|file| file.bytes).sum(),
        partitions: partitions.len() as u64,
        partition_by: snapshot.partition_by.clone(),
        schema_fingerprint: snapshot.schema.as_ref().and_then(|schema| schema.fingerprint().ok()),
        columns: snapshot.schema.as_ref().map(columns).unwrap_or_default(),
        cursor: snapshot.state.cursor.as_ref().map(CursorState::shown),
        committed_at: None,
        runs: Vec::new(),
    }
}

impl From<RunRecord> for RunStatus {
    fn from(record: RunRecord) -> Self {
        let duration = moment(&record.started_at).zip(moment(&record.finished_at));
        let milliseconds = duration.map(|(start, end)| end.signed_duration_since(start).num_milliseconds());
        Self {
            duration_seconds: milliseconds.map(|milliseconds| milliseconds as f64 / 1000.0),
            rows: record.counters.get("rows_written").copied(),
            run_id: record.run_id,
            status: record.status,
            started_at: record.started_at,
            version: record.version,
            complete: record.complete,
            incomplete: record.incomplete,
            error: record.error,
        }
    }
}

fn moment(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok()
}

fn columns(schema: &TableSchema) -> Vec<ColumnStatus> {
    let column = |column: &crate::schema::Column| ColumnStatus {
        name: column.name.clone(),
        data_type: column.data_type.to_string(),
        nullable: column.nullable,
    };
    schema.columns.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(started_at: &str, finished_at: &str) -> RunRecord {
        RunRecord {
            run_id: "20261122T120000123Z-0badcafe".into(),
            pipeline: "p".into(),
            resource: "cases".into(),
            status: Status::Ok,
            started_at: started_at.into(),
            finished_at: finished_at.into(),
            version: Some(3),
            counters: [("rows_written".to_owned(), 7)].into(),
            complete: Some(true),
            incomplete: None,
            error: None,
        }
    }

    #[test]
    fn a_run_is_told_with_how_long_it_took_and_what_it_wrote() {
        let run = RunStatus::from(record("2026-11-22T12:00:00Z", "2026-11-22T12:00:01.500Z"));
        assert_eq!((run.duration_seconds, run.rows, run.version), (Some(1.5), Some(7), Some(3)));
        assert_eq!(RunStatus::from(record("2026-11-22T12:00:00Z", "later")).duration_seconds, None);
    }
}
