//! Moving a pipeline: how far its source has been read goes into a file, and from there into tables elsewhere.
//!
//! What is moved is identity, schema, partition spec and state of each table; never rows, and nothing secret: none of it is
//! in a commit. An import is a commit without files, or a table's first version with the single file of an empty table.

use serde::{Deserialize, Serialize};

use super::{MaintainError, check_found, spec};
use crate::{
    commit::{Attempt, CommitOutcome, TableFormat, TableSnapshot},
    error::Result,
    model::{Commit, Operation, StagedFile, State, TableIdentity, Version},
    plan::ResourcePlan,
    schema::TableSchema,
    write::{WriteOptions, empty_file},
};

/// The newest format that this version of restlake writes and reads.
const FORMAT: u64 = 1;

/// The state of a pipeline: what `export-state` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineState {
    pub format: u64,
    pub pipeline: String,
    pub tables: Vec<TableState>,
}

/// One table's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableState {
    pub resource: String,
    pub table: String,
    /// The version that it was taken from.
    pub version: Version,
    pub schema: TableSchema,
    pub partition_by: Vec<String>,
    pub state: State,
}

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    pub version: Version,
    /// True if the import created the table.
    pub is_new: bool,
}

/// The fields that show whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

impl PipelineState {
    pub fn new(pipeline: String, tables: Vec<TableState>) -> Self {
        Self { format: FORMAT, pipeline, tables }
    }

    /// Reads what was exported; `file` is what messages call it.
    ///
    /// # Errors
    /// A text that is no such document, or one of a newer restlake.
    pub fn parse(text: &[u8], file: &str) -> Result<Self> {
        let wrong =
            |error: serde_json::Error| MaintainError::StateFile { file: file.to_owned(), reason: error.to_string() };
        let head: Head = serde_json::from_slice(text).map_err(wrong)?;
        if head.format > FORMAT {
            let file = file.to_owned();
            return Err(MaintainError::NewerState { file, format: head.format, known: FORMAT }.into());
        }
        Ok(serde_json::from_slice(text).map_err(wrong)?)
    }

    /// The part for a table of the pipeline `pipeline`. With `force` names need not agree, as long as it is clear what is
    /// meant: the resource's, or the only one where one is wanted (`is_only`).
    ///
    /// # Errors
    /// Another pipeline's state, and one without the resource.
    pub fn for_table(
        &self,
        pipeline: &str,
        resource: &ResourcePlan,
        is_only: bool,
        force: bool,
    ) -> Result<&TableState> {
        if self.pipeline != pipeline && !force {
            let (found, wanted) = (self.pipeline.clone(), pipeline.to_owned());
            return Err(MaintainError::AnotherPipeline { found, wanted }.into());
        }
        let named = self.tables.iter().find(|table| table.resource == resource.name);
        let only = self.tables.first().filter(|_| force && is_only && self.tables.len() == 1);
        let known = || self.tables.iter().map(|table| table.resource.clone()).collect::<Vec<_>>().join(", ");
        let missing = || MaintainError::NoState { resource: resource.name.clone(), known: known() };
        Ok(named.or(only).ok_or_else(missing)?)
    }
}

/// A table's state; `None` for one that does not exist yet. Changes nothing.
pub async fn export_state(
    table: &dyn TableFormat,
    identity: &TableIdentity,
    resource: &ResourcePlan,
) -> Result<Option<TableState>> {
    let snapshot = table.snapshot().await?;
    check_found(table, &snapshot, identity).await?;
    let Some(schema) = snapshot.schema else { return Ok(None) };
    Ok(Some(TableState {
        resource: resource.name.clone(),
        table: resource.table.clone(),
        version: snapshot.version,
        schema,
        partition_by: snapshot.partition_by,
        // What is told of a run stays with its commit.
        state: State { fingerprint: None, ..snapshot.state },
    }))
}

/// Makes a version of the table that has its rows and the imported state.
///
/// # Errors
/// Among others, a run that is at work on the table, and a commit of another that came before.
pub async fn import_state(
    table: &dyn TableFormat,
    identity: &TableIdentity,
    resource: &ResourcePlan,
    run_id: &str,
    imported: &TableState,
) -> Result<Imported> {
    let snapshot = table.snapshot().await?;
    let attempt = table.attempt(snapshot.version).await?;
    let import = Import { table, identity, resource, run_id, imported, snapshot: &snapshot, attempt: &attempt };
    let done = import.run().await;
    if done.is_err() {
        // The failure is what the user must hear of; what it leaves behind, the next run takes away.
        let _ = attempt.abandon().await;
    }
    done
}

struct Import<'a> {
    table: &'a dyn TableFormat,
    identity: &'a TableIdentity,
    resource: &'a ResourcePlan,
    run_id: &'a str,
    imported: &'a TableState,
    snapshot: &'a TableSnapshot,
    attempt: &'a Attempt,
}

impl Import<'_> {
    async fn run(&self) -> Result<Imported> {
        if let Some(owner) = self.table.workspace().living(self.attempt).await? {
            return Err(self.table.workspace().busy(owner).into());
        }
        let is_new = self.snapshot.version == 0;
        let adds = if is_new { vec![self.empty_file().await?] } else { Vec::new() };
        // A table keeps its own shape: a new one gets the one that was exported.
        let (schema, partition_by) = match &self.snapshot.schema {
            Some(schema) => (schema.clone(), self.snapshot.partition_by.clone()),
            None => (self.imported.schema.clone(), self.imported.partition_by.clone()),
        };
        let commit = Commit {
            identity: self.identity.clone(),
            run_id: self.run_id.to_owned(),
            operation: Operation::Import,
            schema,
            partition_by,
            adds,
            removes: Vec::new(),
            state: self.imported.state.clone(),
        };
        match self.table.commit(self.snapshot.version, commit).await? {
            CommitOutcome::Committed { version, .. } => Ok(Imported { version, is_new }),
            CommitOutcome::Conflict { version, .. } => {
                Err(MaintainError::Conflict { table: self.resource.table.clone(), version, attempts: 1 }.into())
            }
        }
    }

    /// Stages the file of an empty table.
    async fn empty_file(&self) -> Result<StagedFile> {
        let TableState { schema, partition_by, .. } = self.imported;
        let options = WriteOptions {
            schema: schema.clone(),
            partition_by: spec::parse(&self.resource.table, partition_by, schema)?,
            parquet: crate::plan::ParquetPlan {
                sort_by: Vec::new(),
                bloom_filter: Vec::new(),
                ..self.resource.parquet.clone()
            },
            version: self.attempt.version(),
            position: 0,
            memory: 0,
            index: false,
            keys: Vec::new(),
            pipeline: self.identity.pipeline.clone(),
            resource: self.identity.resource.clone(),
        };
        self.attempt.stage(empty_file(&options, 0)?).await
    }
}
