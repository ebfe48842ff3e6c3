//! What stops a command before there is a summary: as lines for people, and as a document for scripts.

use std::io;

use serde_json::{Value, json};

use super::{
    args::{Global, OutputForm},
    console::Console,
    diagnostics,
    exit::Exit,
    output::{self, Answer},
};
use crate::{
    config::Problems,
    error::{Error, ErrorKind, Failure, chain},
};

/// What only the terminal part itself can fail at.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("cannot read the config from stdin")]
    Stdin {
        #[source]
        source: io::Error,
    },
    #[error("cannot read the state in {file}")]
    State {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file} is there already")]
    Exists { file: String },
    #[error("cannot write {file}: {cause}")]
    Unwritten { file: String, cause: String },
    #[error("cannot write the schema into {file}")]
    Schema {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot start the threads and timers that restlake works with")]
    Runtime {
        #[source]
        source: io::Error,
    },
    #[error("cannot start the demo's API on 127.0.0.1")]
    DemoApi {
        #[source]
        source: io::Error,
    },
}

impl Failure for CliError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Stdin { .. }
            | Self::State { .. }
            | Self::Exists { .. }
            | Self::Unwritten { .. }
            | Self::Schema { .. } => ErrorKind::User,
            Self::Runtime { .. } | Self::DemoApi { .. } => ErrorKind::Transient,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Stdin { .. } => "stdin",
            Self::State { .. } => "state_file",
            Self::Exists { .. } => "file_exists",
            Self::Unwritten { .. } => "file_unwritten",
            Self::Schema { .. } => "schema_file",
            Self::Runtime { .. } => "runtime",
            Self::DemoApi { .. } => "demo_api",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Stdin { .. } => Some("`-` expects the config as UTF-8 text on stdin".into()),
            Self::Runtime { .. } => Some("the system may be short of threads or file handles (`ulimit -a`)".into()),
            Self::State { .. } => Some("it has to be what `restlake export-state` printed".into()),
            Self::Exists { .. } => Some("move it away, or add `--force` to write over it".into()),
            Self::Schema { .. } => Some("`restlake infer` prints it".into()),
            Self::Unwritten { .. } | Self::DemoApi { .. } => None,
        }
    }
}

/// Why a command did not begin.
#[derive(Debug)]
pub enum Refusal {
    /// The config is wrong, at places in its files.
    Config(Problems),
    /// Anything else.
    Other(Error),
}

impl Refusal {
    /// A resource that was asked for and does not exist is a wrong command line, not a wrong config.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(problems) if problems.is_usage() => Exit::Usage,
            Self::Config(problems) => Exit::of(&[problems.kind()]),
            Self::Other(error) => Exit::of(&[error.kind()]),
        }
    }
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Self::Config(problems)
    }
}

impl From<CliError> for Refusal {
    fn from(error: CliError) -> Self {
        Self::Other(error.into())
    }
}

/// Tells stderr why, and gives the exit code and, with `--output json`, the document.
pub fn answer(refusal: &Refusal, global: &Global, console: &Console) -> Answer {
    console.write(&text(refusal));
    let result = match global.output {
        OutputForm::Text => String::new(),
        OutputForm::Json => output::json(&document(refusal)),
    };
    Answer::new(refusal.exit(), result)
}

fn text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Config(problems) => diagnostics::problems(problems.errors(), &problems.sources),
        Refusal::Other(error) => diagnostics::error(&chain_lines(error), error.hint().as_deref()),
    }
}

/// An error's own message, then its causes'.
fn chain_lines(error: &Error) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        lines.push(next.to_string());
        cause = next.source();
    }
    lines
}

/// A run's document without a run: `problems` has the places if the config is at fault.
fn document(refusal: &Refusal) -> Value {
    let (code, message, hint) = match refusal {
        Refusal::Config(problems) => (problems.code(), problems.to_string(), problems.hint()),
        Refusal::Other(error) => (error.code(), chain(error), error.hint()),
    };
    let problems: Vec<_> = match refusal {
        Refusal::Config(problems) => problems.errors().collect(),
        Refusal::Other(_) => Vec::new(),
    };
    json!({
        "pipeline": null, "run_id": null, "status": "failed", "elapsed_seconds": 0.0, "resources": [],
        "error": {"code": code, "message": message, "hint": hint},
        "problems": problems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::console::tests::Written,
        config::{Problem, Severity, SourceText},
    };

    fn stdin_refusal() -> Refusal {
        CliError::Stdin { source: io::Error::other("closed") }.into()
    }

    #[test]
    fn an_error_says_its_cause_and_its_hint_on_lines_of_their_own() {
        let written = Written::default();
        let answer = answer(&stdin_refusal(), &Global::default(), &written.console());
        let text = anstream::adapter::strip_str(&written.text()).to_string();
        assert_eq!(
            text,
            "error: cannot read the config from stdin\n  caused by: closed\n  hint: `-` expects the config as UTF-8 text \
             on stdin\n"
        );
        assert_eq!((answer.exit, answer.result.as_str()), (Exit::Failed, ""));
    }

    #[test]
    fn with_json_the_document_says_the_same_as_stderr() {
        let global = Global { output: OutputForm::Json, ..Global::default() };
        let answer = answer(&stdin_refusal(), &global, &Written::default().console());
        let document: Value = serde_json::from_str(&answer.result).unwrap();
        assert_eq!(document["status"], "failed");
        assert_eq!(document["error"]["code"], "stdin");
        assert_eq!(document["error"]["message"], "cannot read the config from stdin: closed");
        assert_eq!((&document["pipeline"], &document["problems"]), (&Value::Null, &json!([])));
    }

    #[test]
    fn what_the_machine_lacks_may_pass_and_what_the_user_wrote_may_not() {
        let runtime = CliError::Runtime { source: io::Error::other("no threads") };
        assert_eq!(Refusal::from(runtime).exit(), Exit::Transient);
        assert_eq!(stdin_refusal().exit(), Exit::Failed);
    }

    fn config_refusal(problem: Problem) -> Refusal {
        let note = Problem { severity: Severity::Note, message: "ignored".into(), ..problem.clone() };
        let sources = vec![SourceText { name: "a.yaml".into(), text: "nam: x\n".into() }];
        Problems { problems: vec![note, problem], sources }.into()
    }

    #[test]
    fn a_wrong_config_is_1_and_its_document_lists_the_places_of_what_must_be_mended() {
        let problem = Problem {
            source: Some(0),
            file: "a.yaml".into(),
            line: 1,
            column: 1,
            span: 0..3,
            ..Problem::usage("nam", "unknown key `nam`", Some("did you mean `name`?".into()))
        };
        let (written, global) = (Written::default(), Global { output: OutputForm::Json, ..Global::default() });
        let answer = answer(&config_refusal(problem), &global, &written.console());
        let document: Value = serde_json::from_str(&answer.result).unwrap();
        assert_eq!((answer.exit, &document["error"]["code"]), (Exit::Failed, &json!("config")));
        let place = json!([{
            "file": "a.yaml", "line": 1, "column": 1, "path": "nam", "message": "unknown key `nam`",
            "help": "did you mean `name`?",
        }]);
        assert_eq!(document["problems"], place);
        assert!(written.text().contains("unknown key") && !written.text().contains("ignored"), "{}", written.text());
    }

    #[test]
    fn an_override_that_names_nothing_is_a_usage_error() {
        let refusal = config_refusal(Problem::usage("--resource", "there is no resource `x`", None));
        let answer = answer(&refusal, &Global::default(), &Written::default().console());
        assert_eq!(answer.exit, Exit::Usage);
    }
}
