//! `restlake status`: what the tables are at this moment.

use clap::Args;
use indicatif::{DecimalBytes, HumanCount};

use super::{
    args::Global,
    console::Console,
    failure,
    grid::grid,
    output::Answer,
    summary::status_word,
    tables::{self, TableArgs, Told},
};
use crate::{
    environment::Environment,
    maintain::{self, Lake, RunStatus, TableStatus},
    plan::TableFormatKind,
    report::Incomplete,
};

const EXAMPLES: &str = "\
Examples:
  restlake status export.yaml
  restlake status export.yaml --resource test_cases --output json

Nothing is created, finished or deleted. A table that does not exist yet says so, and is no error.";

/// Shows what the tables are: version, rows, files, cursor, last runs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    #[command(flatten)]
    pub tables: TableArgs,
}

pub async fn execute(args: &StatusArgs, global: &Global, console: &Console) -> Answer {
    match args.tables.open(Environment::real()) {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok(lake) => look(&lake, global).await,
    }
}

async fn look(lake: &Lake, global: &Global) -> Answer {
    let redactor = lake.plan().redactor();
    let told = tables::each(lake, async |resource| {
        let table = lake.look(resource)?;
        let status =
            maintain::status(table.as_ref(), &lake.identity(resource), resource, lake.plan().table_format).await?;
        let cursor = status.cursor.map(|cursor| redactor.json_credentials(cursor));
        Ok(TableStatus { cursor, ..status })
    })
    .await;
    let exit = tables::exit(&told);
    tables::answer(global, exit, || text(&told), || tables::document(lake, exit, &told, None))
}

fn text(told: &[Told<TableStatus>]) -> String {
    let done: Vec<&TableStatus> = told.iter().filter_map(Told::done).collect();
    let mut text = String::new();
    if !done.is_empty() {
        let header =
            ["table", "format", "committed", "cursor", "version", "rows", "columns", "partitions", "files", "bytes"];
        text += &grid(header, 4, done.iter().map(|table| row(table)));
    }
    if done.iter().any(|table| !table.runs.is_empty()) {
        let header = ["table", "run", "status", "complete", "started", "duration", "rows", "version"];
        text += &grid(header, 4, done.iter().flat_map(|table| table.runs.iter().map(|run| run_row(table, run))));
    }
    text + &tables::errors(told)
}

fn row(table: &TableStatus) -> [String; 10] {
    let count = |number: usize| HumanCount(number as u64).to_string();
    if !table.exists {
        let none = || "-".to_owned();
        let committed = "does not exist yet".to_owned();
        return [
            table.table.clone(),
            word(table.format),
            committed,
            none(),
            none(),
            none(),
            none(),
            none(),
            none(),
            none(),
        ];
    }
    [
        table.table.clone(),
        word(table.format),
        table.committed_at.clone().unwrap_or_else(|| "-".to_owned()),
        table.cursor.as_ref().map_or_else(|| "-".to_owned(), cursor),
        HumanCount(table.version).to_string(),
        HumanCount(table.rows).to_string(),
        count(table.columns.len()),
        HumanCount(table.partitions).to_string(),
        HumanCount(table.files).to_string(),
        DecimalBytes(table.bytes).to_string(),
    ]
}

fn run_row(table: &TableStatus, run: &RunStatus) -> [String; 8] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        table.table.clone(),
        run.run_id.clone(),
        status_word(run.status).to_owned(),
        completeness(run),
        run.started_at.clone(),
        or_none(run.duration_seconds.map(|seconds| format!("{seconds:.1} s"))),
        or_none(run.rows.map(|rows| HumanCount(rows).to_string())),
        or_none(run.version.map(|version| version.to_string())),
    ]
}

/// `yes`, `no` or `100 of 3,000`; `-` if nothing shows the end.
fn completeness(run: &RunStatus) -> String {
    let numbers = |incomplete: &Incomplete| {
        let expected = incomplete.expected.map(HumanCount)?;
        Some(format!("{} of {expected}", HumanCount(incomplete.received)))
    };
    match run.complete {
        Some(true) => "yes".to_owned(),
        Some(false) => run.incomplete.as_ref().and_then(numbers).unwrap_or_else(|| "no".to_owned()),
        None => "-".to_owned(),
    }
}

fn word(format: TableFormatKind) -> String {
    match format {
        TableFormatKind::Parquet => "parquet".to_owned(),
        TableFormatKind::Delta => "delta".to_owned(),
    }
}

/// A text without its quotes, anything else as JSON.
fn cursor(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
