//! Tables made by real runs, then looked at, damaged, made smaller and moved.

use std::path::{Path, PathBuf};

use restlake::{
    environment::Environment,
    maintain::{self, Finding, Lake, Problem, Verified, VerifyOptions},
    plan::Plan,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    pipeline::{only, plan_of, run_plan},
    server::{Server, list_by_offset},
    tables::walk,
};

mod cli;
mod compact;
#[cfg(feature = "delta")]
mod delta;
mod status;
mod vacuum;
mod verify;

/// Rows `first` to `last`, in two statuses and two months.
pub fn items(first: u64, last: u64) -> Vec<Value> {
    let item = |id: u64| {
        json!({
            "id": id,
            "name": format!("item {}", id * 7919 % 1000),
            "status": if id.is_multiple_of(2) { "open" } else { "done" },
            "created_at": format!("2025-{:02}-03T04:05:06Z", 1 + id % 4 / 2),
        })
    };
    (first..=last).map(item).collect()
}

pub const COLUMNS: [&str; 4] = ["id", "name", "status", "created_at"];

/// A lake in a folder of its own, and what is written into it.
pub struct Kept {
    pub folder: TempDir,
    /// Keys of the resource.
    pub resource: Value,
    /// Keys of the destination's `parquet`.
    pub parquet: Value,
    /// Other keys of the destination.
    pub destination: Value,
}

impl Kept {
    /// A table `items` that `resource` says more about.
    pub fn new(resource: Value) -> Self {
        Self { folder: TempDir::new().unwrap(), resource, parquet: json!({}), destination: json!({}) }
    }

    /// One that is partitioned, with a key.
    pub fn partitioned(disposition: &str) -> Self {
        Self::new(json!({
            "primary_key": "id",
            "write_disposition": disposition,
            "partition_by": ["status", {"column": "created_at", "transform": "month"}],
        }))
    }

    pub fn config(&self, url: &str) -> Value {
        let mut config = json!({
            "name": "p",
            "client": {"base_url": url, "paginator": {"type": "offset", "limit": 50}},
            "resources": [{
                "name": "items",
                "endpoint": {"path": "items", "data_selector": "data"},
                "schema": {"columns": [
                    {"name": "id", "type": "int64", "nullable": false},
                    {"name": "name", "type": "string"},
                    {"name": "status", "type": "string"},
                    {"name": "created_at", "type": "timestamp"},
                ]},
            }],
            "destination": {"url": self.lake(), "parquet": self.parquet},
        });
        for (key, value) in self.resource.as_object().unwrap() {
            config["resources"][0][key] = value.clone();
        }
        for (key, value) in self.destination.as_object().unwrap() {
            config["destination"][key] = value.clone();
        }
        config
    }

    pub fn plan(&self, url: &str) -> Plan {
        plan_of(&self.config(url).to_string())
    }

    /// One run over these rows.
    pub async fn run(&self, rows: Vec<Value>) {
        let server = Server::start(list_by_offset(rows, 50, true)).await;
        only(run_plan(self.plan(server.url().as_str())).await);
    }

    pub fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    pub fn table(&self) -> PathBuf {
        self.lake().join("items")
    }

    pub fn keeper(&self) -> Lake {
        self.keeper_in(Environment::real())
    }

    pub fn keeper_in(&self, environment: Environment) -> Lake {
        Lake::open(self.plan("http://127.0.0.1:1"), environment).unwrap()
    }

    pub async fn verify(&self, quick: bool) -> restlake::Result<Verified> {
        self.verify_within(quick, 1 << 30).await
    }

    pub async fn verify_within(&self, quick: bool, memory: u64) -> restlake::Result<Verified> {
        let lake = self.keeper();
        let resource = &lake.plan().resources[0];
        let table = lake.look(resource).unwrap();
        let options = VerifyOptions { quick, memory, format: lake.plan().table_format };
        maintain::verify(table.as_ref(), &lake.identity(resource), resource, &options).await
    }

    pub async fn findings(&self) -> Vec<Finding> {
        self.verify(false).await.unwrap().findings
    }

    /// What is wrong, in short.
    pub async fn problems(&self) -> Vec<Problem> {
        self.findings().await.into_iter().map(|finding| finding.problem).collect()
    }

    /// Data files where readers look, by path in the table.
    pub fn data_files(&self) -> Vec<String> {
        walk(&self.table()).into_keys().filter(|path| !path.starts_with("_restlake/")).collect()
    }

    pub fn first_file(&self) -> String {
        self.data_files().remove(0)
    }

    /// Changes the bytes of a file of the table.
    pub fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.table().join(path);
        let mut content = std::fs::read(&path).unwrap();
        change(&mut content);
        std::fs::write(&path, content).unwrap();
    }

    /// Changes the commit of a version.
    pub fn change_commit(&self, version: u64, change: impl FnOnce(&mut Value)) {
        self.change(&format!("_restlake/commits/{version:020}.json"), |content| {
            let mut commit = serde_json::from_slice(content).unwrap();
            change(&mut commit);
            *content = serde_json::to_vec(&commit).unwrap();
        });
    }
}

/// All files below a folder and their contents: to see that nothing was touched.
pub fn everything(folder: &Path) -> std::collections::BTreeMap<String, bytes::Bytes> {
    walk(folder)
}
