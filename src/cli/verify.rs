//! `restlake verify`: whether the tables are what their commits say.

use clap::Args;
use indicatif::{DecimalBytes, HumanCount};
use serde_json::json;

use super::{
    args::Global,
    console::Console,
    diagnostics::{CYAN, GREEN, RED, labelled},
    exit::Exit,
    failure,
    grid::grid,
    output::Answer,
    tables::{self, TableArgs, Told},
};
use crate::{
    environment::Environment,
    maintain::{self, Finding, Lake, Verified, VerifyOptions},
    report::counted,
};

const EXAMPLES: &str = "\
Examples:
  restlake verify export.yaml
  restlake verify export.yaml --quick --resource test_cases
  restlake verify export.yaml --output json | jq '.findings[]'

Every finding is listed, and the exit code is 1 if there is any, or if a table does not exist. What runs that died have left \
is a note. Nothing is changed.";

/// Compares the tables with their commits: files, sizes, rows, checksums, schemas, keys
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub tables: TableArgs,
    /// Judge files by their footers: no checksums, no look at the keys
    #[arg(long)]
    pub quick: bool,
}

pub async fn execute(args: &VerifyArgs, global: &Global, console: &Console) -> Answer {
    match args.tables.open(Environment::real()) {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok(lake) => verify(&lake, args.quick, global).await,
    }
}

async fn verify(lake: &Lake, quick: bool, global: &Global) -> Answer {
    let options = VerifyOptions { quick, memory: lake.plan().memory_limit, format: lake.plan().table_format };
    let told = tables::each(lake, async |resource| {
        let table = lake.look(resource)?;
        maintain::verify(table.as_ref(), &lake.identity(resource), resource, &options).await
    })
    .await;
    let exit = exit(&told);
    let more = [("findings", json!(failures(&told))), ("notes", json!(notes(&told)))];
    tables::answer(global, exit, || text(&told), || tables::document(lake, exit, &told, more))
}

/// What was found has to be mended by somebody, like what failed for good.
fn exit(told: &[Told<Verified>]) -> Exit {
    let failed = tables::exit(told);
    if failures(told).is_empty() || failed == Exit::Interrupted { failed } else { Exit::Failed }
}

fn failures(told: &[Told<Verified>]) -> Vec<&Finding> {
    all(told).filter(|finding| !finding.problem.is_note()).collect()
}

/// The findings that are notes: they do not fail the command.
fn notes(told: &[Told<Verified>]) -> Vec<&Finding> {
    all(told).filter(|finding| finding.problem.is_note()).collect()
}

fn all(told: &[Told<Verified>]) -> impl Iterator<Item = &Finding> {
    told.iter().filter_map(Told::done).flat_map(|verified| &verified.findings)
}

fn text(told: &[Told<Verified>]) -> String {
    let done = || told.iter().filter_map(|told| Some((told.table.as_str(), told.done()?)));
    let mut text = String::new();
    if done().next().is_some() {
        let header = ["table", "version", "files", "rows", "bytes", "findings"];
        text += &grid(header, 1, done().map(|(table, verified)| row(table, verified)));
    }
    text += &tables::errors(told);
    text += &notes(told).into_iter().map(note).collect::<String>();
    let findings = failures(told);
    text += &findings.iter().map(|finding| line(finding)).collect::<String>();
    text += &hints(&findings);
    text + &conclusion(findings.len(), told)
}

fn row(table: &str, verified: &Verified) -> [String; 6] {
    let count = |number: u64| HumanCount(number).to_string();
    let version = if verified.version == 0 { "none yet".to_owned() } else { count(verified.version) };
    [
        table.to_owned(),
        version,
        count(verified.files),
        count(verified.rows),
        DecimalBytes(verified.bytes).to_string(),
        count(verified.findings.iter().filter(|finding| !finding.problem.is_note()).count() as u64),
    ]
}

fn line(finding: &Finding) -> String {
    let place = finding.file.as_ref().map(|file| format!("/{file}")).unwrap_or_default();
    let Finding { table, problem, found, expected, .. } = finding;
    labelled(RED, &problem.to_string(), &format!("{table}{place}: {found}; expected: {expected}"))
}

fn note(finding: &Finding) -> String {
    let place = finding.file.as_ref().map(|file| format!("/{file}")).unwrap_or_default();
    let Finding { table, found, hint, .. } = finding;
    labelled(CYAN, "note", &format!("{table}{place}: {found}; {hint}"))
}

/// What to do about each kind of problem, once.
fn hints(findings: &[&Finding]) -> String {
    let mut problems: Vec<_> = findings.iter().map(|finding| (finding.problem, finding.hint.as_str())).collect();
    problems.sort_unstable();
    problems.dedup();
    problems.iter().map(|(problem, hint)| labelled(CYAN, "hint", &format!("{problem}: {hint}"))).collect()
}

fn conclusion(findings: usize, told: &[Told<Verified>]) -> String {
    let tables = counted(told.len() as u64, "table");
    match findings {
        0 if told.iter().all(|told| told.result.is_ok()) => {
            labelled(GREEN, "ok", &format!("{tables}, nothing is wrong"))
        }
        0 => labelled(RED, "failed", "not every table could be looked at"),
        _ => labelled(RED, "failed", &counted(findings as u64, "finding")),
    }
}
