//! `restlake vacuum`: what no kept version needs goes.

use std::time::Duration;

use clap::Args;
use indicatif::DecimalBytes;

use super::{
    args::{Global, duration},
    console::Console,
    diagnostics::{GREEN, labelled},
    failure,
    output::Answer,
    signals,
    tables::{self, TableArgs, Told},
};
use crate::{
    environment::Environment,
    maintain::{Lake, Vacuumed},
    report::counted,
};

const EXAMPLES: &str = "\
Examples:
  restlake vacuum export.yaml --dry-run
  restlake vacuum export.yaml --retain 30d

Only what restlake named itself goes, and nothing that a living run has or the newest 50 versions need.";

/// Deletes what dead runs left and what no kept version needs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VacuumArgs {
    #[command(flatten)]
    pub tables: TableArgs,
    /// Keep old commits, files of old versions of Delta tables, rejects and records of runs for so long [default: the
    /// config's `destination.retain`]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub retain: Option<Duration>,
    /// Tell what would go; nothing is deleted
    #[arg(long)]
    pub dry_run: bool,
}

pub async fn execute(args: &VacuumArgs, global: &Global, console: &Console) -> Answer {
    let environment = Environment::real();
    signals::watch(environment.shutdown.clone(), console.clone());
    match args.tables.open(environment) {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok(lake) => vacuum(&lake, args, global).await,
    }
}

async fn vacuum(lake: &Lake, args: &VacuumArgs, global: &Global) -> Answer {
    let retain = args.retain.unwrap_or(lake.plan().retain);
    let told = tables::each(lake, async |resource| lake.vacuum(resource, retain, args.dry_run).await).await;
    let exit = tables::exit(&told);
    let more = Some(("dry_run", args.dry_run.into()));
    tables::answer(global, exit, || text(&told, args.dry_run), || tables::document(lake, exit, &told, more))
}

fn text(told: &[Told<Vacuumed>], dry_run: bool) -> String {
    let (word, done) = if dry_run { ("would delete", "would go") } else { ("deleted", "went") };
    let mut text = String::new();
    for (table, vacuumed) in told.iter().filter_map(|told| Some((&told.table, told.done()?))) {
        for object in &vacuumed.objects {
            text += &format!("{word} {table}/{} ({})\n", object.path, DecimalBytes(object.bytes));
        }
        let objects = counted(vacuumed.objects.len() as u64, "object");
        text += &labelled(GREEN, "ok", &format!("{table}: {objects} {done}, {}", DecimalBytes(vacuumed.bytes)));
    }
    text + &tables::errors(told)
}
