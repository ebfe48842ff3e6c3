//! A lake, and an API whose rows the test sets: one table over several runs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use restlake::{
    error::ErrorKind,
    plan::{Overrides, Plan},
    report::ResourceSummary,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    pipeline::{only, plan_with, run_plan},
    server::{Server, list_by_offset},
    tables::{all_rows, data_files, read_table, sorted_texts},
};

pub struct Project {
    pub lake: TempDir,
    pub server: Server,
}

impl Project {
    pub async fn new(rows: Vec<Value>) -> Self {
        Self { lake: TempDir::new().unwrap(), server: serve(rows).await }
    }

    /// The API has these rows from now on.
    pub async fn has(&mut self, rows: Vec<Value>) {
        self.server = serve(rows).await;
    }

    pub fn config(&self, resource: &Value) -> Value {
        let mut config = json!({
            "name": "p",
            "client": {"base_url": self.server.url(), "paginator": {"type": "offset", "limit": 3}},
            "resources": [{"name": "items", "endpoint": {"path": "items", "data_selector": "data"}}],
            "destination": {"url": self.lake.path()},
        });
        for (key, value) in resource.as_object().unwrap() {
            config["resources"][0][key] = value.clone();
        }
        config
    }

    pub fn plan(&self, resource: &Value) -> Plan {
        plan_with(&self.config(resource).to_string(), &Overrides::default())
    }

    pub async fn run(&self, resource: &Value) -> ResourceSummary {
        only(run_plan(self.plan(resource)).await)
    }

    pub async fn refresh(&self, resource: &Value) -> ResourceSummary {
        let overrides = Overrides { full_refresh: true, ..Overrides::default() };
        only(run_plan(plan_with(&self.config(resource).to_string(), &overrides)).await)
    }

    /// The error of a run that fails: its code, and its message with its hint. The table stays as it was.
    pub async fn refused(&self, resource: &Value) -> (String, String) {
        let files = || if self.table().exists() { data_files(&self.table()) } else { Default::default() };
        let before = files();
        let outcome = run_plan(self.plan(resource)).await;
        assert_eq!(outcome.kinds, [ErrorKind::User], "{outcome:#?}");
        assert_eq!(files(), before);
        let error = outcome.summary.resources[0].error.clone().unwrap();
        (error.code, format!("{}\n{}", error.message, error.hint.unwrap_or_default()))
    }

    pub fn table(&self) -> PathBuf {
        self.lake.path().join("items")
    }

    pub fn rows(&self, columns: &[&str]) -> Vec<String> {
        rows(&self.table(), columns)
    }

    pub fn schema(&self) -> Vec<String> {
        schema(&self.table())
    }
}

async fn serve(rows: Vec<Value>) -> Server {
    Server::start(list_by_offset(rows, 3, true)).await
}

/// A table's rows in order, each as one text.
pub fn rows(table: &Path, columns: &[&str]) -> Vec<String> {
    let rows = sorted_texts(&all_rows(&read_table(table)), columns);
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    rows.into_iter().map(|row| row.into_iter().map(cell).collect::<Vec<_>>().join(" ")).collect()
}

/// The one schema of a table's files, as `name: type` of each column.
pub fn schema(table: &Path) -> Vec<String> {
    let schemas = schemas(table);
    assert_eq!(schemas.len(), 1, "{schemas:#?}");
    schemas.into_iter().next().unwrap()
}

/// The schemas in all footers of a table.
pub fn schemas(table: &Path) -> BTreeSet<Vec<String>> {
    let shown = |content| {
        let footer = ArrowReaderMetadata::load(content, Default::default()).unwrap();
        let fields = footer.schema().fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type()));
        fields.collect::<Vec<_>>()
    };
    data_files(table).values().map(shown).collect()
}
