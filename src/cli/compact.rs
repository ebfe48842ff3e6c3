//! `restlake compact`: small files become large ones.

use clap::Args;
use indicatif::{DecimalBytes, HumanCount};

use super::{
    args::{Global, size},
    console::Console,
    failure,
    grid::grid,
    output::Answer,
    signals,
    tables::{self, TableArgs, Told},
};
use crate::{
    environment::Environment,
    maintain::{Compacted, Lake},
};

const EXAMPLES: &str = "\
Examples:
  restlake compact export.yaml
  restlake compact export.yaml --resource test_cases --target-size 64MB --min-files 8
  restlake compact export.yaml --rewrite-schema

All of it is one commit that changes no row; where there is nothing to do there is none. Readers see the old files or the \
new ones.";

/// Joins the small files of each partition, in one commit
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompactArgs {
    #[command(flatten)]
    pub tables: TableArgs,
    /// Make files of about this size; files of less than half of it are small. Default: parquet.target_file_size
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub target_size: Option<u64>,
    /// Leave partitions alone that have fewer small files
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(2..))]
    pub min_files: u64,
    /// In place of joining: write all files again with the columns that the config has now
    #[arg(long, conflicts_with_all = ["target_size", "min_files"])]
    pub rewrite_schema: bool,
}

pub async fn execute(args: &CompactArgs, global: &Global, console: &Console) -> Answer {
    let environment = Environment::real();
    signals::watch(environment.shutdown.clone(), console.clone());
    match args.tables.open(environment) {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok(lake) => compact(&lake, args, global).await,
    }
}

async fn compact(lake: &Lake, args: &CompactArgs, global: &Global) -> Answer {
    let told = tables::each(lake, async |resource| {
        let mut options = lake.compact_options(resource);
        options.target_size = args.target_size.unwrap_or(options.target_size);
        options.min_files = args.min_files;
        options.rewrite_schema = args.rewrite_schema;
        lake.compact(resource, &options).await
    })
    .await;
    let exit = tables::exit(&told);
    tables::answer(global, exit, || text(&told), || tables::document(lake, exit, &told, None))
}

fn text(told: &[Told<Compacted>]) -> String {
    let done: Vec<_> = told.iter().filter_map(|told| Some((told.table.as_str(), told.done()?))).collect();
    let mut text = String::new();
    if !done.is_empty() {
        let header = ["table", "done", "version", "partitions", "files", "rows", "bytes"];
        text += &grid(header, 2, done.iter().map(|(table, compacted)| row(table, compacted)));
    }
    text + &tables::errors(told)
}

fn row(table: &str, compacted: &Compacted) -> [String; 7] {
    let count = |number: u64| HumanCount(number).to_string();
    let change = |before: String, after: String| if before == after { before } else { format!("{before} → {after}") };
    let done = if compacted.files_removed == 0 { "nothing to do" } else { "compacted" };
    [
        table.to_owned(),
        done.to_owned(),
        count(compacted.version),
        count(compacted.partitions),
        change(count(compacted.files_removed), count(compacted.files_added)),
        count(compacted.rows),
        change(DecimalBytes(compacted.bytes_removed).to_string(), DecimalBytes(compacted.bytes_added).to_string()),
    ]
}
