//! Why a file cannot be imported.

use crate::error::{ErrorKind, Failure};

/// What is wrong with the file as a whole; what is wrong with parts of it is told in notes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    #[error("{file} cannot be read: {cause}")]
    Unreadable { file: String, cause: String },
    #[error("{file}, line {line}: this is no Python: {found}")]
    NotPython { file: String, line: usize, found: String },
    #[error("{file}, line {line}: nested more than {limit} levels deep")]
    TooDeep { file: String, line: usize, limit: usize },
    #[error("{file} holds no config of dlt's rest_api")]
    NoConfig { file: String },
    #[error("{file} holds several configs of dlt's rest_api, on the lines {lines}")]
    SeveralConfigs { file: String, lines: String },
    #[error("{file} holds no config of dlt's rest_api that begins on line {line}")]
    NotOnLine { file: String, line: usize, lines: String },
    #[error("{file} is no config of dlt's rest_api: {reason}")]
    NoDltConfig { file: String, reason: String },
    #[error("{file} is no OpenAPI description: {reason}")]
    NoOpenApi { file: String, reason: String },
    #[error("{file} describes no list to export{among}{}", told(why))]
    NoLists { file: String, among: String, why: Vec<String> },
    #[error("{file} has no path {path}")]
    NoPath { file: String, path: String, known: Vec<String> },
}

/// Reasons that were told for parts of the file, as far as anybody reads them.
fn told(why: &[String]) -> String {
    let shown: String = why.iter().take(MOST_REASONS).map(|reason| format!("\n  {reason}")).collect();
    match why.len().saturating_sub(MOST_REASONS) {
        0 => shown,
        more => format!("{shown}\n  and {more} more"),
    }
}

const MOST_REASONS: usize = 10;

impl Failure for ImportError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::User
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "import_unreadable",
            Self::NotPython { .. } | Self::TooDeep { .. } => "import_python",
            Self::NoConfig { .. } | Self::NoDltConfig { .. } => "import_no_config",
            Self::SeveralConfigs { .. } | Self::NotOnLine { .. } => "import_several_configs",
            Self::NoOpenApi { .. } => "import_no_openapi",
            Self::NoLists { .. } => "import_no_lists",
            Self::NoPath { .. } => "import_no_path",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => None,
            Self::TooDeep { .. } => Some("dump the config to JSON".to_owned()),
            Self::NotPython { .. } => Some("name a .py file that Python itself reads, or dump the config to JSON".to_owned()),
            Self::NoConfig { .. } => Some(
                "a config is an argument of `rest_api_source` or `rest_api_resources`, or a dict with the keys `client` and \
                 `resources`"
                    .to_owned(),
            ),
            Self::SeveralConfigs { .. } => Some("pick one: `--line N` names the line on which it begins".to_owned()),
            Self::NotOnLine { lines, .. } => Some(format!("configs begin on the lines {lines}")),
            Self::NoDltConfig { .. } => Some("it is an object with the keys `client` and `resources`".to_owned()),
            Self::NoOpenApi { .. } => Some("OpenAPI 3.0 and 3.1 and Swagger 2.0 are read, as JSON or YAML".to_owned()),
            Self::NoLists { among, .. } => {
                let list = "a list is a GET, or a POST that searches, whose answer is an array, or an object with an array of objects in it";
                let instead = if among.is_empty() { "; name one with `--path`" } else { "" };
                Some(format!("{list}{instead}"))
            }
            Self::NoPath { known, .. } if known.is_empty() => None,
            Self::NoPath { known, .. } => Some(format!("the paths are {}", known.join(", "))),
        }
    }
}
