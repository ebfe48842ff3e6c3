//! The command line: what may be typed, and what is answered to anything else.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    check::{self, CheckArgs},
    compact::CompactArgs,
    demo::DemoArgs,
    exit::Exit,
    files::FilesArgs,
    import::ImportArgs,
    infer::InferArgs,
    output::{self, Answer},
    run::RunArgs,
    state::{ExportStateArgs, ImportStateArgs},
    status::StatusArgs,
    vacuum::VacuumArgs,
    verify::VerifyArgs,
};
use crate::config::quantity;

/// Exports REST APIs into a data lake of typed, deduplicated, partitioned Parquet.
#[derive(Debug, Parser)]
#[command(name = "restlake", version, after_help = EXIT_CODES, propagate_version = false)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 somebody has to mend something (config, credentials, a 4xx, a value that does not fit); 2 usage; \
3 a passing fault, safe to run again; 4 more rejects than max_rejects allows; 5 another writer won the commit; \
6 more records exist than were received; 130 interrupted, after a clean stop.";

#[derive(Debug, Subcommand)]
pub enum Command {
    Run(RunArgs),
    Check(CheckArgs),
    Infer(InferArgs),
    Status(StatusArgs),
    Verify(VerifyArgs),
    Files(FilesArgs),
    Compact(CompactArgs),
    Vacuum(VacuumArgs),
    ExportState(ExportStateArgs),
    ImportState(ImportStateArgs),
    Import(ImportArgs),
    Demo(DemoArgs),
}

impl Command {
    /// Returns true if the result only confirms success, so that `-q` omits it. Commands that list something print it always.
    pub fn confirms(&self) -> bool {
        match self {
            Self::Run(args) => !args.dry_run,
            Self::Vacuum(args) => !args.dry_run,
            Self::Check(_) | Self::Compact(_) | Self::Verify(_) | Self::ImportState(_) | Self::Demo(_) => true,
            Self::Infer(_) | Self::Status(_) | Self::Files(_) | Self::ExportState(_) | Self::Import(_) => false,
        }
    }
}

/// What every command understands.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Form of the result on stdout; with json, stdout is one JSON document and nothing else
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub output: OutputForm,
    /// Progress on stderr; auto: bars on a terminal, elsewhere only retries and waits
    #[arg(long, global = true, value_enum, default_value_t, value_name = "KIND")]
    pub progress: ProgressKind,
    /// Form of the log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub log_format: LogFormat,
    /// More log lines: -v tells what is done, -vv every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Nothing on success but results that were asked for; on stderr errors alone
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    #[default]
    Auto,
    /// A bar for each resource
    Bar,
    /// A line for each resource every few seconds
    Plain,
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Makes it the choice of every stream that the process opens from now on.
    pub fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// The config file of a command.
#[derive(Clone, Debug, Args)]
pub struct ConfigArg {
    /// The config: a .yaml, .toml or .json file; `-` reads YAML or JSON from stdin
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
}

/// The resources of a config that a command is about.
#[derive(Clone, Debug, Args)]
pub struct Chosen {
    #[command(flatten)]
    pub config: ConfigArg,
    /// Only this resource; may be given several times
    #[arg(long = "resource", value_name = "NAME")]
    pub resources: Vec<String>,
}

/// A duration as the config writes it.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    quantity::duration(text).ok_or("a duration is a whole number and a unit: `50ms`, `10s`, `5m`, `2h`, `7d`")
}

/// A size in bytes as the config writes it.
pub fn size(text: &str) -> Result<u64, &'static str> {
    quantity::size(text).filter(|size| *size > 0).ok_or("a size is a whole number and a unit: `300KB`, `256MB`, `1GiB`")
}

/// Answers a command line that is no command: help and version are results, anything else is a usage error.
pub fn refuse(error: &clap::Error, arguments: &[OsString]) -> Exit {
    if let Some(color) = asked(arguments, "--color").and_then(|text| Color::from_str(text, false).ok()) {
        color.write_global();
    }
    let text = error.render().ansi().to_string();
    if !error.use_stderr() {
        return output::print(&Answer::new(Exit::Done, text));
    }
    super::Console::stderr().write(&text);
    let wants_json = asked(arguments, "--output").is_some_and(|text| text == "json");
    let result = if wants_json { output::json(&usage_document(error, arguments)) } else { String::new() };
    output::print(&Answer::new(Exit::Usage, result))
}

const HINT: &str = "`restlake --help` lists the commands and options";

/// The command in arguments that could not be parsed: the first that is neither an option nor the value of a global one.
fn command(arguments: &[OsString]) -> Option<&str> {
    let with_values = |argument: &str| ["--output", "--progress", "--log-format", "--color"].contains(&argument);
    let mut arguments = arguments.iter().skip(1).map_while(|argument| argument.to_str());
    while let Some(argument) = arguments.next() {
        match argument {
            option if with_values(option) => _ = arguments.next(),
            option if option.starts_with('-') => {}
            command => return Some(command),
        }
    }
    None
}

/// The value of an option in arguments that could not be parsed.
fn asked<'a>(arguments: &'a [OsString], option: &str) -> Option<&'a str> {
    let mut arguments = arguments.iter().map_while(|argument| argument.to_str());
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix(option) {
            Some("") => return arguments.next(),
            Some(rest) if rest.starts_with('=') => return rest.get(1..),
            _ => {}
        }
    }
    None
}

/// The command's own document: a wrong `check` has problems, anything else is a run that failed.
fn usage_document(error: &clap::Error, arguments: &[OsString]) -> serde_json::Value {
    let text = error.render().to_string();
    // What is missing stands on lines of its own.
    let said: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = &said.join(" ");
    let message = message.trim_start_matches("error: ");
    if command(arguments) == Some("check") {
        return check::usage_document(message, HINT);
    }
    json!({
        "pipeline": null, "run_id": null, "status": "failed", "elapsed_seconds": 0.0, "resources": [], "problems": [],
        "error": {"code": "usage", "message": message, "hint": HINT},
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_of_the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_are_understood_before_and_after_the_command() {
        for line in ["restlake --output json -vv check a.yaml", "restlake check --output=json a.yaml -v -v"] {
            let cli = parse(line).unwrap();
            assert_eq!((cli.global.output, cli.global.verbose), (OutputForm::Json, 2), "{line}");
        }
    }

    #[test]
    fn every_option_of_run_reaches_its_field() {
        let cli = parse(
            "restlake run - --resource a --resource b --destination s3://b/p --full-refresh --max-pages 3 --dry-run --wait --no-resume \
             --progress plain --log-format json -q --color never",
        )
        .unwrap();
        assert_eq!(cli.global.progress, ProgressKind::Plain);
        assert_eq!(cli.global.log_format, LogFormat::Json);
        assert_eq!((cli.global.quiet, cli.global.color), (true, Color::Never));
        let Command::Run(run) = cli.command else { panic!("not run") };
        assert_eq!(run.chosen.config.config, PathBuf::from("-"));
        assert_eq!(run.chosen.resources, ["a", "b"]);
        assert_eq!(run.destination.as_deref(), Some("s3://b/p"));
        assert_eq!((run.full_refresh, run.max_pages, run.dry_run), (true, Some(3), true));
        assert!(run.wait && run.no_resume);
    }

    #[test]
    fn quiet_and_verbose_contradict_each_other_and_no_page_is_no_number_of_pages() {
        assert!(parse("restlake run a.yaml -q -v").is_err());
        assert!(parse("restlake run a.yaml --max-pages 0").is_err());
        assert!(parse("restlake mend a.yaml").is_err());
    }

    #[test]
    fn the_output_asked_for_is_found_in_a_command_line_that_is_wrong() {
        let arguments = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(asked(&arguments("restlake run --output json --nope"), "--output"), Some("json"));
        assert_eq!(asked(&arguments("restlake run --output=json --nope"), "--output"), Some("json"));
        assert_eq!(asked(&arguments("restlake run --outputs json"), "--output"), None);
        assert_eq!(asked(&arguments("restlake run --output"), "--output"), None);
    }

    #[test]
    fn a_usage_error_is_a_failed_document_whose_message_names_the_argument() {
        let document =
            usage_document(&parse("restlake run a.yaml --nope").unwrap_err(), &["restlake".into(), "run".into()]);
        assert_eq!(document["status"], "failed");
        assert_eq!(document["error"]["code"], "usage");
        assert!(document["error"]["message"].as_str().unwrap().contains("--nope"), "{document}");
    }

    #[test]
    fn a_usage_error_names_the_arguments_that_are_missing() {
        let document = usage_document(&parse("restlake run").unwrap_err(), &["restlake".into(), "run".into()]);
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.ends_with("were not provided: <CONFIG>"), "{message}");
    }

    #[test]
    fn a_usage_error_of_check_is_the_document_of_check() {
        for line in [
            "restlake check --bogus x.yaml --output json",
            "restlake --output json --color=never -q check --bogus",
            "restlake check --output json",
        ] {
            let arguments: Vec<_> = line.split(' ').map(OsString::from).collect();
            let document = usage_document(&parse(line).unwrap_err(), &arguments);
            assert_eq!((&document["status"], document.get("error")), (&json!("error"), None), "{document}");
            assert_eq!(document["problems"].as_array().map(Vec::len), Some(1), "{document}");
            assert_eq!(document["problems"][0]["file"], "<command line>");
        }
        let arguments = ["restlake", "--output", "json", "run", "check", "--bogus"].map(OsString::from);
        assert_eq!(command(&arguments), Some("run"));
    }
}
