//! `restlake run`: exports what a config describes.

use std::sync::Arc;

use clap::Args;

use super::{
    args::{Chosen, Global, OutputForm},
    console::Console,
    diagnostics::{self, CYAN, labelled},
    dry_run,
    exit::Exit,
    failure::{self, Refusal},
    faults, load,
    output::{self, Answer},
    progress,
    schema_files::SchemaFiles,
    signals, summary,
};
use crate::{
    config::Loaded,
    plan::{self, Overrides, Plan},
    run::{Held, Outcome, run_held},
};

/// Exports the resources of a config into its destination
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub chosen: Chosen,
    /// Write here in place of the config's destination.url
    #[arg(long, value_name = "URL")]
    pub destination: Option<String>,
    /// Forget cursors and replace what the tables hold
    #[arg(long)]
    pub full_refresh: bool,
    /// Stop each resource after so many pages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pages: Option<u64>,
    /// Read the interval from here, and leave the cursors alone; needs --end
    #[arg(long, value_name = "VALUE", requires = "end")]
    pub start: Option<String>,
    /// Where the interval ends; its last value does not belong to it
    #[arg(long, value_name = "VALUE", requires = "start")]
    pub end: Option<String>,
    /// Wait for another run of the same table to end, in place of exit code 5
    #[arg(long)]
    pub wait: bool,
    /// Start over, even where a run that died could be gone on with
    #[arg(long)]
    pub no_resume: bool,
    /// Write the table's schema into this new .yaml or .json file; `{resource}` in it stands for the resource's name
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub write_schema: Option<String>,
    /// Print what would happen; no request is sent, nothing is created
    #[arg(long)]
    pub dry_run: bool,
}

pub async fn execute(args: RunArgs, global: &Global, console: &Console) -> Answer {
    match prepare(&args, global, console) {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok((plan, _)) if args.dry_run => dry_run::answer(&plan, global),
        Ok((plan, files)) => {
            let destination = plan.destination.url.clone();
            let held = export(plan, global, console).await;
            let mut answer = answer(&held.outcome, &destination, global);
            let is_written = files.is_none_or(|files| files.write(&held.outcome.schemas, console, global.quiet));
            if answer.exit == Exit::Done && !is_written {
                answer.exit = Exit::Failed;
            }
            Answer { held: Some(held), ..answer }
        }
    }
}

fn prepare(args: &RunArgs, global: &Global, console: &Console) -> Result<(Plan, Option<SchemaFiles>), Refusal> {
    let loaded = load::load(&args.chosen.config.config)?;
    if !global.quiet {
        tell_notes(&loaded, console);
    }
    let overrides = Overrides {
        resources: args.chosen.resources.clone(),
        destination: args.destination.clone(),
        full_refresh: args.full_refresh,
        max_pages: args.max_pages,
        interval: args.start.clone().zip(args.end.clone()),
        wait: args.wait,
        no_resume: args.no_resume,
    };
    let plan = plan::resolve(&loaded, &overrides)?;
    let files = args.write_schema.as_ref().map(|name| SchemaFiles::new(name, &plan)).transpose()?;
    Ok((plan, files))
}

fn tell_notes(loaded: &Loaded, console: &Console) {
    for note in &loaded.notes {
        console.write(&labelled(CYAN, "note", &diagnostics::one_line(note)));
    }
}

/// Runs a plan with everything that a terminal adds: progress, and signals that stop it.
pub async fn export(plan: Plan, global: &Global, console: &Console) -> Held {
    let environment = faults::environment();
    signals::watch(environment.shutdown.clone(), console.clone());
    let reporter = progress::reporter(global, console, &environment.clock);
    let held = run_held(plan, environment, Arc::clone(&reporter)).await;
    // The summary says all that the bars said; where they cannot be cleared, nobody sees them.
    let _ = console.bars().clear();
    held
}

/// The outcome in the form that was asked for.
pub fn answer(outcome: &Outcome, destination: &str, global: &Global) -> Answer {
    let result = match global.output {
        OutputForm::Text => summary::text(&outcome.summary, destination),
        OutputForm::Json => output::json(&outcome.summary),
    };
    Answer::new(Exit::of(&outcome.kinds), result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::summary::tests::resource_summary,
        error::ErrorKind,
        report::{Status, Summary},
    };

    fn outcome(kinds: Vec<ErrorKind>) -> Outcome {
        let summary = Summary {
            pipeline: "p".into(),
            run_id: "r".into(),
            status: Status::Failed,
            elapsed_seconds: 0.0,
            resources: vec![resource_summary("cases")],
        };
        Outcome { summary, kinds, schemas: Vec::new() }
    }

    #[test]
    fn with_json_a_failed_run_prints_its_document_too() {
        let global = Global { output: OutputForm::Json, ..Global::default() };
        let answer = answer(&outcome(vec![ErrorKind::Transient, ErrorKind::User]), "./lake", &global);
        let document: serde_json::Value = serde_json::from_str(&answer.result).unwrap();
        assert_eq!((answer.exit, &document["status"]), (Exit::Failed, &"failed".into()));
        assert_eq!(document["resources"][0]["rows_written"], 2988);
    }

    #[test]
    fn as_text_the_summary_is_the_result() {
        let answer = answer(&outcome(Vec::new()), "./lake", &Global::default());
        assert_eq!(answer.exit, Exit::Done);
        assert!(answer.result.contains("./lake/cases/_restlake/rejects/r.jsonl"), "{}", answer.result);
    }
}
