//! What stops a command before there is a summary: as lines for people, and as a document for scripts.

use std::io;

use serde_json::{Value, json};

use super::{
    args::{Global, OutputForm},
    console::Console,
    diagnostics::{self, PlacedProblem},
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
            Self::Stdin { .. } => ErrorKind::User,
            Self::Runtime { .. } | Self::DemoApi { .. } => ErrorKind::Transient,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Stdin { .. } => "stdin",
            Self::Runtime { .. } => "runtime",
            Self::DemoApi { .. } => "demo_api",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Stdin { .. } => Some("`-` expects the config as UTF-8 text on stdin".into()),
            Self::Runtime { .. } => Some("the system may be short of threads or file handles (`ulimit -a`)".into()),
            Self::DemoApi { .. } => None,
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
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(problems) => problems.kind(),
            Self::Other(error) => error.kind(),
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
    Answer { exit: Exit::of(&[refusal.kind()]), result }
}

fn text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Config(problems) => diagnostics::problems(&problems.problems, &problems.sources),
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
    let (code, message, hint, problems) = match refusal {
        Refusal::Config(problems) => (
            problems.code(),
            problems.to_string(),
            problems.hint(),
            diagnostics::placed(&problems.problems, &problems.sources),
        ),
        Refusal::Other(error) => (error.code(), chain(error), error.hint(), Vec::<PlacedProblem>::new()),
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
    use crate::cli::console::tests::Written;

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
        assert_eq!(Refusal::from(runtime).kind(), ErrorKind::Transient);
        assert_eq!(stdin_refusal().kind(), ErrorKind::User);
    }
}
