//! Merging into a table that has rows, over loopback: what the table holds afterwards, what was counted, what was touched.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use restlake::{
    error::ErrorKind,
    plan::{MergeStrategy, Plan, Scd2Plan},
    report::ResourceSummary,
    run::run,
    schema::{Column, LoadColumn, Source},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::{Recorder, TestEnvironment},
    pipeline::{only, plan_of, run_plan},
    server::{Server, list_by_offset},
    tables::{all_rows, data_files, read_table, sorted_texts, walk},
};

/// A lake and what goes into it.
struct Lake {
    directory: TempDir,
    resource: Value,
    /// What the config cannot say.
    adjust: fn(&mut Plan),
}

impl Lake {
    /// A table of `id`, `name` and `part`, merged by `id`; `resource` overrides.
    fn new(resource: Value) -> Self {
        let columns = [("id", "int64"), ("name", "string"), ("part", "string")];
        let columns: Vec<_> = columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
        let mut all = json!({
            "name": "items", "endpoint": {"path": "items", "data_selector": "data"}, "schema": {"columns": columns},
            "primary_key": "id", "write_disposition": "merge",
        });
        for (key, value) in resource.as_object().unwrap() {
            all[key] = value.clone();
        }
        Self { directory: TempDir::new().unwrap(), resource: all, adjust: |_| {} }
    }

    fn adjusted(mut self, adjust: fn(&mut Plan)) -> Self {
        self.adjust = adjust;
        self
    }

    fn table(&self) -> std::path::PathBuf {
        self.directory.path().join("items")
    }

    fn plan(&self, server: &Server) -> Plan {
        let config = json!({
            "name": "p", "client": {"base_url": server.url(), "paginator": {"type": "offset", "limit": 3}},
            "resources": [self.resource], "destination": {"url": self.directory.path()},
        });
        let mut plan = plan_of(&config.to_string());
        (self.adjust)(&mut plan);
        plan
    }

    /// Exports these records.
    async fn run(&self, records: Vec<Value>) -> ResourceSummary {
        let server = Server::start(list_by_offset(records, 3, true)).await;
        let summary = only(run_plan(self.plan(&server)).await);
        let sum = summary.rows_written + summary.rows_duplicate + summary.rows_rejected;
        assert_eq!(summary.rows_fetched, sum + summary.rows_filtered + summary.rows_unchanged);
        assert_eq!(summary.table_rows, self.rows(&["id"]).len() as u64, "the commit and the files agree");
        summary
    }

    /// The table's rows as text, sorted.
    fn rows(&self, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        sorted_texts(&all_rows(&read_table(&self.table())), columns)
    }

    /// The rows in one text each, nulls as `-`.
    fn lines(&self, columns: &[&str]) -> Vec<String> {
        let line = |row: Vec<Option<String>>| {
            row.into_iter().map(|value| value.unwrap_or_else(|| "-".into())).collect::<Vec<_>>().join(" ")
        };
        self.rows(columns).into_iter().map(line).collect()
    }

    fn files(&self) -> BTreeMap<String, Bytes> {
        data_files(&self.table())
    }
}

fn item(id: i64, name: &str, part: &str) -> Value {
    json!({"id": id, "name": name, "part": part})
}

const ALL: [&str; 3] = ["id", "name", "part"];

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_replaces_rows_of_known_keys_and_adds_the_others() {
    let lake = Lake::new(json!({}));
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x"), item(3, "c", "y")]).await;
    let summary = lake.run(vec![item(2, "B", "x"), item(4, "d", "y")]).await;
    assert_eq!(lake.lines(&ALL), ["1 a x", "2 B x", "3 c y", "4 d y"]);
    assert_eq!((summary.rows_written, summary.rows_unchanged, summary.rows_deleted), (2, 0, 0));
    assert_eq!((summary.files_considered, summary.files_read, summary.files_rewritten), (1, 1, 1));
    assert_eq!((summary.table_version, summary.table_rows), (2, 4));
    let hidden = walk(&lake.table()).into_keys().filter(|path| path.contains("staging")).collect::<Vec<_>>();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_changed_row_keep_their_names_and_bytes() {
    let lake = Lake::new(json!({"partition_by": ["part"]}));
    lake.run((0..30).map(|id| item(id, "a", ["x", "y", "z"][id as usize / 10])).collect()).await;
    let before = lake.files();
    let summary = lake.run(vec![item(12, "A", "y"), item(13, "A", "y")]).await;
    assert_eq!((summary.files_considered, summary.files_read, summary.files_rewritten), (3, 1, 1));
    let after = lake.files();
    for (path, content) in before {
        assert_eq!(after.get(&path) == Some(&content), !path.starts_with("part=y"), "{path}");
    }
    assert_eq!(after.len(), 4, "one file more: that of the run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_to_another_partition_leaves_no_copy_behind() {
    let lake = Lake::new(json!({"partition_by": ["part"]}));
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x"), item(3, "c", "y")]).await;
    lake.run(vec![item(1, "a", "y"), item(3, "c", "z")]).await;
    assert_eq!(lake.lines(&ALL), ["1 a y", "2 b x", "3 c z"]);
}
