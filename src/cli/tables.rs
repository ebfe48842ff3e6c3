//! What the commands that keep tables share: which tables, one after another, and how a failure of one is told.

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    args::{Chosen, Global, OutputForm},
    diagnostics::{CYAN, RED, labelled},
    exit::Exit,
    failure::Refusal,
    load,
    output::{self, Answer},
};
use crate::{
    environment::Environment,
    error::{Error, ErrorKind, Result, chain},
    maintain::Lake,
    plan::{self, Overrides, ResourcePlan},
};

/// The tables of a config.
#[derive(Clone, Debug, Args)]
pub struct TableArgs {
    #[command(flatten)]
    pub chosen: Chosen,
    /// Look here in place of the config's destination.url
    #[arg(long, value_name = "URL")]
    pub destination: Option<String>,
}

impl TableArgs {
    /// The destination, with the tables that were asked for.
    pub fn open(&self, environment: Environment) -> Result<Lake, Refusal> {
        let loaded = load::load_lake(&self.chosen.config.config)?;
        let overrides = Overrides {
            resources: self.chosen.resources.clone(),
            destination: self.destination.clone(),
            ..Overrides::default()
        };
        let plan = plan::resolve(&loaded, &overrides)?;
        Lake::open(plan, environment).map_err(Refusal::Other)
    }
}

/// What became of one table.
#[derive(Debug)]
pub struct Told<T> {
    pub resource: String,
    pub table: String,
    pub result: Result<T>,
}

/// Does the work for each table, one after another; a failing one does not stop the others.
pub async fn each<T>(lake: &Lake, work: impl AsyncFn(&ResourcePlan) -> Result<T>) -> Vec<Told<T>> {
    let mut told = Vec::new();
    for resource in &lake.plan().resources {
        let result = work(resource).await;
        told.push(Told { resource: resource.name.clone(), table: resource.table.clone(), result });
    }
    told
}

impl<T> Told<T> {
    pub fn done(&self) -> Option<&T> {
        self.result.as_ref().ok()
    }
}

/// The exit code for all of them.
pub fn exit<T>(told: &[Told<T>]) -> Exit {
    let kinds: Vec<ErrorKind> = told.iter().filter_map(|told| told.result.as_ref().err().map(Error::kind)).collect();
    Exit::of(&kinds)
}

/// The failures for people.
pub fn errors<T>(told: &[Told<T>]) -> String {
    let failed = told.iter().filter_map(|told| Some((&told.table, told.result.as_ref().err()?)));
    failed.map(|(table, error)| error_text(table, error)).collect()
}

fn error_text(table: &str, error: &Error) -> String {
    let hint = error.hint().map(|hint| labelled(CYAN, "  hint", &hint));
    labelled(RED, "error", &format!("{table}: {}", chain(error))) + &hint.unwrap_or_default()
}

/// The answer in the form that was asked for.
pub fn answer(global: &Global, exit: Exit, text: impl FnOnce() -> String, document: impl FnOnce() -> Value) -> Answer {
    let result = match global.output {
        OutputForm::Text => text(),
        OutputForm::Json => output::json(&document()),
    };
    Answer::new(exit, result)
}

/// The document: the pipeline, where, `ok` or `failed`, each table with what it came to or its `error`, and what else the
/// command has to tell.
pub fn document<'a, T: Serialize>(
    lake: &Lake,
    exit: Exit,
    told: &[Told<T>],
    more: impl IntoIterator<Item = (&'a str, Value)>,
) -> Value {
    let status = if exit == Exit::Done { "ok" } else { "failed" };
    let tables: Vec<Value> = told.iter().map(entry).collect();
    let pipeline = &lake.plan().pipeline;
    let mut document = json!({"pipeline": pipeline, "destination": lake.shown(), "status": status, "tables": tables});
    if let Value::Object(document) = &mut document {
        document.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
    }
    document
}

fn entry<T: Serialize>(told: &Told<T>) -> Value {
    let mut entry = json!({"resource": told.resource, "table": told.table});
    let error = match &told.result {
        Ok(done) => {
            let fields = serde_json::to_value(done).unwrap_or_default();
            if let (Value::Object(entry), Value::Object(fields)) = (&mut entry, fields) {
                entry.extend(fields);
            }
            Value::Null
        }
        Err(error) => json!({"code": error.code(), "message": chain(error), "hint": error.hint()}),
    };
    if let Value::Object(entry) = &mut entry {
        entry.insert("error".to_owned(), error);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maintain::MaintainError;

    #[derive(Serialize)]
    struct Rows {
        rows: u64,
    }

    fn told() -> Vec<Told<Rows>> {
        let failed = MaintainError::NoTable { table: "b".into() }.into();
        [("a", Ok(Rows { rows: 3 })), ("b", Err(failed))]
            .map(|(name, result)| Told { resource: name.into(), table: name.into(), result })
            .into()
    }

    #[test]
    fn a_table_is_told_with_what_it_came_to_and_a_failed_one_with_its_error() {
        let entries: Vec<_> = told().iter().map(entry).collect();
        assert_eq!(entries[0], json!({"resource": "a", "table": "a", "rows": 3, "error": null}));
        assert_eq!(entries[1]["error"]["code"], "no_table");
        assert_eq!(entries[1].get("rows"), None);
    }

    #[test]
    fn a_failed_table_decides_the_exit_code_and_is_told_with_its_hint() {
        assert_eq!(exit(&told()), Exit::Failed);
        let text = anstream::adapter::strip_str(&errors(&told())).to_string();
        assert_eq!(text, "error: b: the table `b` does not exist yet\n  hint: `restlake run` makes it\n");
    }
}
