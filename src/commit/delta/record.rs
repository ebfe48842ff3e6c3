//! What restlake writes into the Delta log besides Delta's own: a record per commit, and one per file.
//!
//! The commit's [`Record`] is the configuration of the domain `restlake.state`; each commit replaces it, checkpoints keep
//! it, other writers pass it on. A file's [`FileRecord`] is the tag `restlake.file` of its `add`. The kernel writes neither
//! tags nor, for files that it has not written, statistics: [`complete`] puts both into the lines it makes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    model::{Commit, DataFile, KeyRange, Operation, PartitionKey, State, TableIdentity, Version},
    schema::TableSchema,
};

/// The domain of our record.
pub(super) const DOMAIN: &str = "restlake.state";

/// The tag of our record of a file.
pub(super) const TAG: &str = "restlake.file";

/// The newest format of records that this version of restlake writes and reads.
pub(super) const FORMAT: u64 = 1;

/// Our part of a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub format: u64,
    /// Ours: the log's own counts from 0.
    pub version: Version,
    /// The staging directory the files come from.
    pub attempt: String,
    pub run_id: String,
    pub operation: Operation,
    pub identity: TableIdentity,
    pub schema: TableSchema,
    pub partition_by: Vec<String>,
    pub state: State,
}

impl Record {
    pub fn new(version: Version, attempt: &str, commit: &Commit) -> Self {
        Self {
            format: FORMAT,
            version,
            attempt: attempt.to_owned(),
            run_id: commit.run_id.clone(),
            operation: commit.operation,
            identity: commit.identity.clone(),
            schema: commit.schema.clone(),
            partition_by: commit.partition_by.clone(),
            state: commit.state.clone(),
        }
    }
}

/// What of a [`DataFile`] Delta's `add` does not say, or not in our form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    /// The version that added it, and the file's place among those of that commit: the order of a table's files.
    pub version: Version,
    pub index: usize,
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition: PartitionKey,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyRange>,
}

impl FileRecord {
    pub fn new(version: Version, index: usize, file: &DataFile) -> Self {
        let DataFile { sha256, partition, keys, .. } = file.clone();
        Self { version, index, sha256, partition, keys }
    }
}

/// What is added to the kernel's `add` of a path.
#[derive(Clone, Debug)]
pub(super) struct Completion {
    pub record: FileRecord,
    /// JSON.
    pub stats: String,
}

/// The kernel's lines, with statistics and our tag in each `add`; `adds` is by the path in the log.
///
/// # Errors
/// Lines that are not JSON.
pub(super) fn complete(lines: &[u8], adds: &BTreeMap<String, Completion>) -> serde_json::Result<Vec<u8>> {
    let mut completed = Vec::with_capacity(lines.len() * 2);
    for line in serde_json::Deserializer::from_slice(lines).into_iter::<Value>() {
        let mut line = line?;
        if let Some(add) = line.get_mut("add").and_then(Value::as_object_mut) {
            let path = add.get("path").and_then(Value::as_str).unwrap_or_default();
            if let Some(completion) = adds.get(path) {
                add.insert("stats".to_owned(), completion.stats.clone().into());
                add.insert("tags".to_owned(), json!({ TAG: serde_json::to_string(&completion.record)? }));
            }
        }
        serde_json::to_writer(&mut completed, &line)?;
        completed.push(b'\n');
    }
    Ok(completed)
}

/// One version's object in the log, as far as restlake looks at it.
#[derive(Clone, Debug, Default)]
pub(super) struct LoggedCommit {
    /// Ours, if the commit is restlake's.
    pub record: Option<Record>,
    /// Who says to have made it, such as `Apache-Spark/4.0`.
    pub engine: Option<String>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    pub adds: Vec<String>,
    pub removes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    add: Option<FileAction>,
    remove: Option<FileAction>,
    commit_info: Option<CommitInfo>,
    domain_metadata: Option<DomainMetadata>,
}

#[derive(Deserialize)]
struct FileAction {
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo {
    timestamp: Option<i64>,
    engine_info: Option<String>,
}

#[derive(Deserialize)]
struct DomainMetadata {
    domain: String,
    configuration: String,
    #[serde(default)]
    removed: bool,
}

impl LoggedCommit {
    /// # Errors
    /// Lines that are not JSON, and a record of ours that cannot be read.
    pub fn read(lines: &[u8]) -> serde_json::Result<Self> {
        let mut commit = Self::default();
        for line in serde_json::Deserializer::from_slice(lines).into_iter::<Line>() {
            let Line { add, remove, commit_info, domain_metadata } = line?;
            commit.adds.extend(add.map(|add| add.path));
            commit.removes.extend(remove.map(|remove| remove.path));
            if let Some(info) = commit_info {
                (commit.timestamp, commit.engine) = (info.timestamp, info.engine_info);
            }
            if let Some(ours) = domain_metadata.filter(|domain| domain.domain == DOMAIN && !domain.removed) {
                commit.record = Some(serde_json::from_str(&ours.configuration)?);
            }
        }
        Ok(commit)
    }

    /// Who made it: the run, or the program if it was not restlake.
    pub fn author(self) -> String {
        let run_id = self.record.map(|record| record.run_id);
        run_id.or(self.engine).unwrap_or_else(|| "an unknown writer".to_owned())
    }
}
