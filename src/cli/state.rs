//! `restlake export-state` and `restlake import-state`: how far the source has been read moves from one place to another.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    args::Global,
    console::Console,
    diagnostics::{GREEN, labelled},
    exit::Exit,
    failure::{self, CliError, Refusal},
    output::{self, Answer},
    tables::{self, TableArgs, Told},
};
use crate::{
    environment::Environment,
    maintain::{self, Imported, Lake, PipelineState},
    text_file,
};

const EXPORT_EXAMPLES: &str = "\
Examples:
  restlake export-state export.yaml > state.json
  restlake export-state export.yaml --resource test_cases > state.json

The document is the same with --output text and json. It holds identity, schema, cursor and counters of each table; no row \
and no secret.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  restlake import-state export.yaml state.json --destination s3://bucket/lake
  restlake import-state export.yaml state.json --resource test_cases --force

Each table gets a version with the same rows and the imported state; a table that does not exist yet is made, without rows.";

/// Prints the state of the tables, for import-state elsewhere
#[derive(Debug, Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub struct ExportStateArgs {
    #[command(flatten)]
    pub tables: TableArgs,
}

/// Gives the tables the state that export-state printed
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct ImportStateArgs {
    #[command(flatten)]
    pub tables: TableArgs,
    /// What export-state printed
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Take the state of a pipeline or resource of another name
    #[arg(long)]
    pub force: bool,
}

pub async fn export(args: &ExportStateArgs, global: &Global, console: &Console) -> Answer {
    match exported(args).await {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok(state) => Answer::new(Exit::Done, output::json(&state)),
    }
}

/// All or nothing: half a state would be taken for a whole one.
async fn exported(args: &ExportStateArgs) -> Result<PipelineState, Refusal> {
    let lake = args.tables.open(Environment::real())?;
    let mut states = Vec::new();
    for resource in &lake.plan().resources {
        let table = lake.look(resource).map_err(Refusal::Other)?;
        let state = maintain::export_state(table.as_ref(), &lake.identity(resource), resource).await;
        states.extend(state.map_err(Refusal::Other)?);
    }
    Ok(PipelineState::new(lake.plan().pipeline.clone(), states))
}

pub async fn import(args: &ImportStateArgs, global: &Global, console: &Console) -> Answer {
    let read = read(args).and_then(|state| Ok((args.tables.open(Environment::real())?, state)));
    match read {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok((lake, state)) => import_into(&lake, &state, args.force, global).await,
    }
}

fn read(args: &ImportStateArgs) -> Result<PipelineState, Refusal> {
    let file = args.file.display().to_string();
    let text = text_file::read(&args.file, text_file::LARGEST_DOCUMENT)
        .map_err(|source| CliError::State { file: file.clone(), source })?;
    PipelineState::parse(text.as_bytes(), &file).map_err(Refusal::Other)
}

async fn import_into(lake: &Lake, state: &PipelineState, force: bool, global: &Global) -> Answer {
    let plan = lake.plan();
    let is_only = plan.resources.len() == 1;
    let told = tables::each(lake, async |resource| {
        let table = state.for_table(&plan.pipeline, resource, is_only, force)?;
        lake.import(resource, table).await
    })
    .await;
    let exit = tables::exit(&told);
    let more = Some(("imported_from", json!(state.pipeline)));
    tables::answer(global, exit, || text(&told), || tables::document(lake, exit, &told, more))
}

fn text(told: &[Told<Imported>]) -> String {
    let line = |table: &str, imported: &Imported| {
        let made = if imported.is_new { ", the table's first, without rows" } else { "" };
        labelled(GREEN, "ok", &format!("{table}: the state is in version {}{made}", imported.version))
    };
    let done = told.iter().filter_map(|told| Some(line(&told.table, told.done()?)));
    done.collect::<String>() + &tables::errors(told)
}
