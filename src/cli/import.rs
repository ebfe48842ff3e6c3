//! `restlake import`: configs of dlt, and descriptions of APIs, as configs of restlake.

mod target;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::{
    args::{Global, OutputForm},
    console::Console,
    diagnostics::{CYAN, GREEN, YELLOW, labelled},
    exit::Exit,
    failure::{self, CliError, Refusal},
    output::{self, Answer},
};
use crate::{
    config::{self, Problem, Severity, Source, Syntax},
    import::{self, ImportError, Imported, Note, openapi},
    plan::{self, Overrides},
    text_file::{self, LARGEST_DOCUMENT},
};

const EXAMPLES: &str = "\
Examples:
  restlake import dlt pipeline.py
  restlake import dlt config.json --to pipelines
  restlake import openapi api.json --to shop --path /v1/orders --path '/v1/orders/{id}/lines'

Nothing is requested, no Python is run, no credential is copied. What could not be known is told.";

/// Makes a config of one for dlt's rest_api, or of an API's OpenAPI description
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    #[command(subcommand)]
    pub from: From,
}

#[derive(Debug, Subcommand)]
pub enum From {
    /// A config of dlt's rest_api: JSON, YAML or TOML, or a Python file in which it stands as a literal
    Dlt(DltArgs),
    /// A description of an API: OpenAPI 3 or Swagger 2, as JSON or YAML
    Openapi(OpenApiArgs),
}

#[derive(Debug, Args)]
pub struct DltArgs {
    /// The .py, .json, .yaml or .toml file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The line of the Python file on which the config begins, if there are several
    #[arg(long, value_name = "N")]
    pub line: Option<usize>,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Args)]
pub struct OpenApiArgs {
    /// The .json or .yaml file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only this path, and the list that its placeholder is of; may be given several times
    #[arg(long = "path", value_name = "PATH")]
    pub paths: Vec<String>,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Args)]
pub struct Target {
    /// The directory that the config goes into, under the name of FILE, and its schemas into `schemas` there
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub to: PathBuf,
    /// Write over files that are there
    #[arg(long)]
    pub force: bool,
}

pub fn execute(args: &ImportArgs, global: &Global, console: &Console) -> Answer {
    match imported(&args.from) {
        Err(refusal) => failure::answer(&refusal, global, console),
        Ok(written) => {
            let result = match global.output {
                OutputForm::Text => text(&written),
                OutputForm::Json => output::json(&written),
            };
            Answer::new(Exit::Done, result)
        }
    }
}

/// What was made.
#[derive(Debug, Serialize)]
struct Written {
    status: &'static str,
    /// The config first.
    files: Vec<String>,
    /// What could not be known.
    notes: Vec<Note>,
    /// What `restlake check` finds in the config.
    problems: Vec<Problem>,
}

fn imported(from: &From) -> Result<Written, Refusal> {
    let (mut imported, target, file) = match from {
        From::Dlt(args) => (of_dlt(args)?, &args.target, &args.file),
        From::Openapi(args) => (of_openapi(args)?, &args.target, &args.file),
    };
    let config = target::place(&mut imported, &target.to, file);
    let files = write(&imported, target, config)?;
    let problems = problems(files.first().map_or(Path::new("."), PathBuf::as_path), &imported.config);
    let problems = left_out(file, &imported.notes).chain(problems).collect();
    let files = files.into_iter().map(|file| file.display().to_string()).collect();
    Ok(Written { status: "ok", files, notes: imported.notes, problems })
}

fn of_openapi(args: &OpenApiArgs) -> Result<Imported, Refusal> {
    let selection = openapi::Selection { paths: args.paths.clone() };
    let document = description(&args.file, &read(&args.file, LARGEST_DOCUMENT)?)?;
    let (file, name) = (args.file.display().to_string(), target::stem(&args.file));
    let mut imported = openapi::import(&file, &name, document, &selection).map_err(other)?;
    imported.notes.extend(set_already(&imported.config));
    Ok(imported)
}

/// Whoever wrote a description gave the API its name, which may be that of another one whose credentials are here.
fn set_already(config: &Value) -> Vec<Note> {
    let text = config.to_string();
    let set: BTreeSet<&str> = import::variables(&text).filter(|name| std::env::var_os(name).is_some()).collect();
    let base_url = config["client"]["base_url"].as_str().unwrap_or_default();
    let note = |name| Note::new("environment", format!("{name} is set already, and a run sends it to {base_url}"));
    set.into_iter().map(note).collect()
}

fn of_dlt(args: &DltArgs) -> Result<Imported, Refusal> {
    let is_python = args.file.extension().is_some_and(|extension| extension == "py");
    let largest = if is_python { import::LARGEST_PYTHON } else { LARGEST_DOCUMENT };
    let (file, text) = (args.file.display().to_string(), read(&args.file, largest)?);
    let (config, notes) = match is_python {
        true => import::read(&file, &text, args.line).map_err(other)?,
        false => {
            let (config, notes) = parsed(&args.file, &text)?;
            // What dlt sends as it stands is sent so.
            (import::literal(config), notes)
        }
    };
    import::adapt(&file, &target::stem(&args.file), config, notes).map_err(other)
}

fn other(error: ImportError) -> Refusal {
    Refusal::Other(error.into())
}

fn unreadable(file: &Path, cause: impl ToString) -> Refusal {
    other(ImportError::Unreadable { file: file.display().to_string(), cause: cause.to_string() })
}

fn read(file: &Path, largest: u64) -> Result<String, Refusal> {
    text_file::read(file, largest).map_err(|error| unreadable(file, error))
}

/// JSON, TOML or YAML, by the file's extension.
fn parsed(file: &Path, text: &str) -> Result<(Value, Vec<Note>), Refusal> {
    let syntax = Syntax::of(file).unwrap_or(Syntax::Yaml);
    import::document(&file.display().to_string(), text, syntax).map_err(other)
}

/// Of an API. JSON may be much deeper than a config.
fn description(file: &Path, text: &str) -> Result<Value, Refusal> {
    if file.extension().is_some_and(|extension| extension == "json") {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        return serde_json::from_str(text).map_err(|error| unreadable(file, error));
    }
    Ok(parsed(file, text)?.0)
}

/// All files or none: an existing one is found before the first is written.
fn write(imported: &Imported, target: &Target, config: PathBuf) -> Result<Vec<PathBuf>, Refusal> {
    let mut files = vec![(config, &imported.config)];
    files.extend(imported.schemas.iter().map(|(path, schema)| (target.to.join(path), schema)));
    if let Some((file, _)) = files.iter().find(|(file, _)| !target.force && file.exists()) {
        return Err(CliError::Exists { file: file.display().to_string() }.into());
    }
    for (file, value) in &files {
        write_one(file, value).map_err(|cause| CliError::Unwritten { file: file.display().to_string(), cause })?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

fn write_one(file: &Path, value: &Value) -> Result<(), String> {
    let text = serde_saphyr::to_string(value).map_err(|error| error.to_string())?;
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    }
    fs::write(file, text).map_err(|error| error.to_string())
}

/// What the config cannot be without, by the lines of the file that it came from.
fn left_out<'n>(file: &Path, notes: &'n [Note]) -> impl Iterator<Item = Problem> + 'n {
    let file = file.display().to_string();
    notes.iter().filter(|note| note.is_to_mend).map(move |note| Problem {
        severity: Severity::Error,
        source: None,
        file: file.clone(),
        line: note.line.unwrap_or_default(),
        column: usize::from(note.line.is_some()),
        span: 0..0,
        path: note.path.split('.').fold(String::new(), |path, step| match step.parse::<usize>() {
            Ok(index) => format!("{path}[{index}]"),
            Err(_) => config::tree::join(&path, step),
        }),
        message: note.message.clone(),
        help: None,
    })
}

/// What is wrong with the config, but for what environment variables that are still to be set are in.
fn problems(file: &Path, config: &Value) -> Vec<Problem> {
    let mut open = Open::default();
    open.collect(config, "");
    let stand_in = |name: &str| open.variables.contains(name).then(|| format!("value-of-{name}"));
    let variable = |name: &str| std::env::var(name).ok().or_else(|| stand_in(name));
    let found = match config::load(Source::File(file.to_owned()), &variable) {
        Ok(loaded) => plan::resolve(&loaded, &Overrides::default()).err(),
        Err(problems) => Some(problems),
    };
    let is_known = |problem: &&Problem| !open.paths.contains(&problem.path);
    found.map(|problems| problems.errors().filter(is_known).cloned().collect()).unwrap_or_default()
}

/// What waits for environment variables that are not set, and have no default.
#[derive(Default)]
struct Open {
    variables: BTreeSet<String>,
    /// Of the texts that they are in.
    paths: BTreeSet<String>,
}

impl Open {
    fn collect(&mut self, value: &Value, path: &str) {
        match value {
            Value::Object(entries) => {
                entries.iter().for_each(|(key, value)| self.collect(value, &config::tree::join(path, key)));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| self.collect(item, &format!("{path}[{index}]")));
            }
            Value::String(text) => {
                let unset: Vec<&str> = import::variables(text).filter(|name| std::env::var(name).is_err()).collect();
                if !unset.is_empty() {
                    self.paths.insert(path.to_owned());
                }
                self.variables.extend(unset.into_iter().map(str::to_owned));
            }
            _ => {}
        }
    }
}

fn text(written: &Written) -> String {
    let mut text: String = written.files.iter().map(|file| labelled(GREEN, "wrote", file)).collect();
    for Note { line, path, message, .. } in written.notes.iter().filter(|note| !note.is_to_mend) {
        let line = line.map(|line| format!("line {line}, ")).unwrap_or_default();
        text += &labelled(YELLOW, "note", &format!("{line}{path}: {message}"));
    }
    for problem in &written.problems {
        text += &labelled(YELLOW, "to mend", &super::diagnostics::one_line(problem));
    }
    let config = written.files.first().map(String::as_str).unwrap_or_default();
    text + &labelled(CYAN, "next", &format!("restlake check {config}"))
}
