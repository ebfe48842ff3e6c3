//! What a table is at this moment, by its newest commit and the records of its last runs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::check_identity;
use crate::{
    commit::{TableFormat, TableSnapshot},
    error::Result,
    model::{TableIdentity, Version},
    plan::{ResourcePlan, TableFormatKind},
    schema::TableSchema,
};

/// One table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableStatus {
    pub resource: String,
    pub table: String,
    /// Whether there is a commit; without one, all below is empty.
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
    check_identity(table.workspace().table(), &snapshot, identity)?;
    Ok(of(resource, format, &snapshot))
}

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
        cursor: snapshot.state.cursor.clone(),
        committed_at: None,
    }
}

fn columns(schema: &TableSchema) -> Vec<ColumnStatus> {
    let column = |column: &crate::schema::Column| ColumnStatus {
        name: column.name.clone(),
        data_type: column.data_type.to_string(),
        nullable: column.nullable,
    };
    schema.columns.iter().map(column).collect()
}
