//! `restlake check`: everything that can be said about a config without a request.

use clap::Args;
use serde::Serialize;

use super::{
    args::{ConfigArg, Global, OutputForm},
    console::Console,
    diagnostics::{self, CYAN, GREEN, RED, YELLOW, labelled},
    exit::Exit,
    failure::{self, Refusal},
    load,
    output::{self, Answer},
};
use crate::{
    config::{Loaded, Problem, Problems, Severity},
    error::{Error, chain},
    plan::{self, Overrides, Plan, ResourcePlan},
    report::counted,
};

/// Validates a config and its schemas, offline, and reports every problem
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub config: ConfigArg,
}

pub fn execute(args: &CheckArgs, global: &Global, console: &Console) -> Answer {
    match checked(args) {
        Ok((loaded, plan)) => accepted(&loaded, &plan, global),
        Err(refusal) => refused(&refusal, global, console),
    }
}

fn checked(args: &CheckArgs) -> Result<(Loaded, Plan), Refusal> {
    let loaded = load::load(&args.config.config)?;
    let plan = plan::resolve(&loaded, &Overrides::default())?;
    Ok((loaded, plan))
}

/// The document of `check --output json`.
#[derive(Debug, Serialize)]
struct Document {
    status: &'static str,
    /// What must be mended; empty exactly if the status is `ok`.
    problems: Vec<Problem>,
    /// What the user should know all the same: keys without a meaning here, and the plan's warnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Problem>,
}

fn accepted(loaded: &Loaded, plan: &Plan, global: &Global) -> Answer {
    let result = match global.output {
        OutputForm::Text => accepted_text(loaded, plan),
        OutputForm::Json => {
            let notes = [&loaded.notes[..], &warnings(loaded, plan)].concat();
            output::json(&Document { status: "ok", problems: Vec::new(), notes })
        }
    };
    Answer::new(Exit::Done, result)
}

/// The plan's warnings, which belong to a resource and not to a line (0).
fn warnings(loaded: &Loaded, plan: &Plan) -> Vec<Problem> {
    let file = loaded.sources.first().map(|source| source.name.clone()).unwrap_or_default();
    let warning = |resource: &ResourcePlan, message: &String| Problem {
        severity: Severity::Note,
        source: None,
        file: file.clone(),
        line: 0,
        column: 0,
        span: 0..0,
        path: format!("resources.{}", resource.name),
        message: message.clone(),
        help: None,
    };
    let all =
        |resource: &ResourcePlan| resource.warnings.iter().map(|text| warning(resource, text)).collect::<Vec<_>>();
    plan.resources.iter().flat_map(all).collect()
}

fn accepted_text(loaded: &Loaded, plan: &Plan) -> String {
    let mut text = diagnostics::problems(&loaded.notes, &loaded.sources);
    for resource in &plan.resources {
        for warning in &resource.warnings {
            text += &labelled(YELLOW, "warning", &format!("{}: {warning}", resource.name));
        }
    }
    text += &labelled(GREEN, "ok", &sizes(plan));
    for resource in &plan.resources {
        if let Some(line) = plan::reader::duckdb(&plan.destination, plan.table_format, resource) {
            text += &labelled(CYAN, "duckdb", &line);
        }
    }
    text
}

/// `test_management: 2 resources (test_cases: 18 columns, suites: columns inferred) into ./lake`.
fn sizes(plan: &Plan) -> String {
    let table = |resource: &ResourcePlan| match &resource.inference {
        None => format!("{}: {}", resource.table, counted(resource.schema.columns.len() as u64, "column")),
        Some(_) => format!("{}: columns inferred", resource.table),
    };
    let tables: Vec<_> = plan.resources.iter().map(table).collect();
    format!(
        "{}: {} ({}) into {}",
        plan.pipeline,
        counted(plan.resources.len() as u64, "table"),
        tables.join(", "),
        plan.destination.url
    )
}

fn refused(refusal: &Refusal, global: &Global, console: &Console) -> Answer {
    let result = match (refusal, global.output) {
        (Refusal::Other(_), OutputForm::Text) => return failure::answer(refusal, global, console),
        (Refusal::Other(error), OutputForm::Json) => output::json(&error_document(error)),
        (Refusal::Config(problems), OutputForm::Text) => refused_text(problems),
        (Refusal::Config(problems), OutputForm::Json) => output::json(&refused_document(problems)),
    };
    Answer::new(refusal.exit(), result)
}

fn refused_text(problems: &Problems) -> String {
    let (errors, notes) = by_severity(problems);
    let mut text = diagnostics::problems(errors.iter().copied(), &problems.sources);
    text += &diagnostics::problems(notes, &problems.sources);
    text + &labelled(RED, "error", &counted(errors.len() as u64, "problem"))
}

fn refused_document(problems: &Problems) -> Document {
    let (errors, notes) = by_severity(problems);
    let owned = |found: Vec<&Problem>| found.into_iter().cloned().collect();
    Document { status: "error", problems: owned(errors), notes: owned(notes) }
}

/// What kept the config from being read at all, in the form of a problem.
fn error_document(error: &Error) -> Document {
    let problem = Problem::usage("CONFIG", chain(error), error.hint());
    Document { status: "error", problems: vec![problem], notes: Vec::new() }
}

/// What kept the command from being understood, in the form of a problem.
pub fn usage_document(message: &str, hint: &str) -> serde_json::Value {
    let problem = Problem::usage("", message, Some(hint.to_owned()));
    serde_json::json!({"status": "error", "problems": [problem]})
}

/// Errors first, then notes, each in the order of the file.
fn by_severity(problems: &Problems) -> (Vec<&Problem>, Vec<&Problem>) {
    problems.problems.iter().partition(|problem| problem.severity == Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{console::tests::Written, failure::CliError},
        config::SourceText,
    };

    fn problem(severity: Severity, message: &str) -> Problem {
        let (path, message) = ("client.base_ur".to_owned(), message.to_owned());
        let (source, file) = (Some(0), "a.yaml".to_owned());
        Problem { severity, source, file, line: 1, column: 1, span: 0..6, path, message, help: None }
    }

    fn problems() -> Problems {
        let problems = vec![problem(Severity::Note, "ignored"), problem(Severity::Error, "unknown key")];
        Problems { problems, sources: vec![SourceText { name: "a.yaml".into(), text: "client: {}\n".into() }] }
    }

    fn refuse(refusal: &Refusal, output: OutputForm) -> (Answer, String) {
        let written = Written::default();
        let answer = refused(refusal, &Global { output, ..Global::default() }, &written.console());
        (answer, anstream::adapter::strip_str(&written.text()).to_string())
    }

    #[test]
    fn the_document_of_a_wrong_config_has_its_errors_as_problems_and_its_notes_beside_them() {
        let (answer, stderr) = refuse(&problems().into(), OutputForm::Json);
        let document: serde_json::Value = serde_json::from_str(&answer.result).unwrap();
        let entry = |message: &str| {
            serde_json::json!([{
                "file": "a.yaml", "line": 1, "column": 1, "path": "client.base_ur", "message": message, "help": null,
            }])
        };
        assert_eq!(
            document,
            serde_json::json!({"status": "error", "problems": entry("unknown key"), "notes": entry("ignored")})
        );
        assert_eq!((answer.exit, stderr.as_str()), (Exit::Failed, ""));
    }

    #[test]
    fn the_text_of_a_wrong_config_ends_with_the_number_of_errors() {
        let (answer, _) = refuse(&problems().into(), OutputForm::Text);
        let text = anstream::adapter::strip_str(&answer.result).to_string();
        assert!(text.find("unknown key") < text.find("ignored"), "{text}");
        assert!(text.ends_with("error: 1 problem\n"), "{text}");
    }

    #[test]
    fn a_config_that_cannot_be_read_is_an_error_on_stderr_or_a_problem_in_the_document() {
        let refusal = || Refusal::from(CliError::Stdin { source: std::io::Error::other("closed") });
        let (answer, stderr) = refuse(&refusal(), OutputForm::Text);
        assert_eq!((answer.exit, answer.result.as_str()), (Exit::Failed, ""));
        assert!(stderr.starts_with("error: cannot read the config from stdin"), "{stderr}");
        let (answer, _) = refuse(&refusal(), OutputForm::Json);
        let document: serde_json::Value = serde_json::from_str(&answer.result).unwrap();
        assert_eq!(document["problems"][0]["message"], "cannot read the config from stdin: closed");
    }

    #[test]
    fn a_config_without_notes_is_exactly_ok() {
        let document = Document { status: "ok", problems: Vec::new(), notes: Vec::new() };
        assert_eq!(serde_json::to_string(&document).unwrap(), r#"{"status":"ok","problems":[]}"#);
    }
}
