//! Delta tables with real Parquet files, and a reader of the log that is not the kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use restlake::{
    commit::{CommitOutcome, DeltaTable, TableFormat},
    model::{Commit, EncodedFile, Operation, StagedFile, State, Version},
    schema::{Column, ColumnType, Source, TableSchema},
};
use serde_json::Value;

use crate::table_formats::fixture::{Lake, TABLE, World, identity};

pub struct Table(pub DeltaTable);

pub fn column(name: &str, data_type: &str) -> Column {
    Column {
        name: name.into(),
        source: Source::Path(vec![name.into()]),
        data_type: data_type.parse::<ColumnType>().unwrap(),
        nullable: true,
        format: None,
    }
}

pub fn schema() -> TableSchema {
    TableSchema { columns: vec![column("id", "int64"), column("name", "string"), column("status", "string")] }
}

pub fn spec() -> Vec<String> {
    vec!["status".into()]
}

/// A file of `rows` rows whose ids begin at `first`, in the partition of a status.
pub fn file(version: Version, sequence: usize, status: &str, first: i64, rows: usize) -> EncodedFile {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows as i64));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("name {row}"))));
    let fields = vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![ids, names]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let directory = status.replace('%', "%25").replace('/', "%2F");
    EncodedFile {
        path: format!("status={directory}/part-{version:010}-00000-{sequence:03}.parquet"),
        partition: vec![("status".into(), Some(status.into()))],
        rows: rows as u64,
        keys: Vec::new(),
        content: writer.into_inner().unwrap().into(),
    }
}

pub fn commit(operation: Operation, adds: Vec<StagedFile>, removes: Vec<String>, run_id: &str) -> Commit {
    let state = State { cursor: Some(run_id.into()), ..State::default() };
    let (schema, partition_by, run_id) = (schema(), spec(), run_id.to_owned());
    Commit { identity: identity(), run_id, operation, schema, partition_by, adds, removes, state }
}

impl Table {
    pub async fn try_open(lake: &Lake, world: &World) -> restlake::Result<Self> {
        let opened =
            DeltaTable::open_with(&lake.store, TABLE, identity(), world.environment(), Arc::new(world.clone())).await;
        opened.map(Self)
    }

    pub async fn open(lake: &Lake, world: &World) -> Self {
        Self::try_open(lake, world).await.unwrap()
    }

    /// A whole run: one file of so many rows for each status.
    pub async fn write(
        &self,
        operation: Operation,
        parts: &[(&str, usize)],
        run_id: &str,
    ) -> restlake::Result<CommitOutcome> {
        let base = self.0.snapshot().await?;
        let attempt = self.0.attempt(base.version).await?;
        let mut adds = Vec::new();
        for (sequence, (status, rows)) in parts.iter().enumerate() {
            let first = base.version as i64 * 1000 + sequence as i64 * 100;
            adds.push(attempt.stage(file(base.version + 1, sequence, status, first, *rows)).await?);
        }
        let removes = match operation {
            Operation::Replace => base.files.into_iter().map(|file| file.path).collect(),
            _ => Vec::new(),
        };
        self.0.commit(base.version, commit(operation, adds, removes, run_id)).await
    }

    /// The snapshot is what the log says, read by hand; every file is there, and nothing else but what the log removed.
    pub async fn assert_whole(&self, lake: &Lake) {
        let snapshot = self.0.snapshot().await.unwrap();
        let objects = lake.objects().await;
        let log = Log::read(&objects);
        assert_eq!(log.version + 1, snapshot.version);
        let files: BTreeSet<_> = snapshot.files.iter().map(|file| file.path.clone()).collect();
        assert_eq!(log.live.keys().cloned().collect::<BTreeSet<_>>(), files);
        for file in &snapshot.files {
            assert_eq!(objects[&file.path].len() as u64, file.bytes);
            assert_eq!(rows(&objects[&file.path]), file.rows);
        }
        let left: Vec<_> = objects.keys().filter(|path| path.starts_with("_restlake/")).collect();
        assert_eq!(left, Vec::<&String>::new());
        let hidden =
            |path: &String| path.starts_with("_delta_log/") || files.contains(path) || log.removed.contains(path);
        let foreign: Vec<_> = objects.keys().filter(|path| !hidden(path)).collect();
        assert_eq!(foreign, Vec::<&String>::new());
    }
}

pub fn rows(content: &Bytes) -> u64 {
    crate::support::tables::read_parquet(content).num_rows() as u64
}

/// The Delta log, replayed by its rules: the last action on a path counts.
#[derive(Debug, Default)]
pub struct Log {
    pub version: u64,
    pub live: BTreeMap<String, Value>,
    pub removed: BTreeSet<String>,
    /// All actions, version by version.
    pub commits: Vec<Vec<Value>>,
}

impl Log {
    pub fn read(objects: &BTreeMap<String, Bytes>) -> Self {
        let mut log = Self::default();
        let commits = objects.iter().filter(|(path, _)| path.starts_with("_delta_log/") && path.ends_with(".json"));
        for (number, (path, content)) in commits.enumerate() {
            assert_eq!(*path, format!("_delta_log/{number:020}.json"));
            log.version = number as u64;
            log.commits.push(
                content
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(|line| serde_json::from_slice(line).unwrap())
                    .collect(),
            );
            for action in log.commits.last().unwrap() {
                if let Some(remove) = action.get("remove") {
                    let path = decode(remove["path"].as_str().unwrap());
                    assert!(log.live.remove(&path).is_some(), "{path}");
                    log.removed.insert(path);
                }
                if let Some(add) = action.get("add") {
                    assert!(log.live.insert(decode(add["path"].as_str().unwrap()), add.clone()).is_none());
                }
            }
        }
        log
    }
}

/// A path in the log is a URL's.
fn decode(path: &str) -> String {
    let url = url::Url::parse("memory:///").unwrap().join(path).unwrap();
    object_store::path::Path::from_url_path(url.path()).unwrap().to_string()
}
