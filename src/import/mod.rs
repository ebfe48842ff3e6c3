//! Configs of other tools become configs of restlake: dlt's, from JSON or from a Python file, and descriptions of APIs.
//!
//! ```text
//! dlt: JSON ───────────────┐
//! dlt: Python ─► literals ─┴─► adapt ──┐
//! OpenAPI 2, 3 ─► document ─► resources ┴─► Imported: config, schemas, notes on what could not be known
//! ```
//!
//! Nothing is requested and nothing is run: a Python file is read as text, and what is no literal in it is told as a note. A
//! credential that stands in a file is not copied: the config gets a reference to an environment variable in its place. All
//! other texts stand for themselves, `${…}` in them included: a file of others reads no variable and no file of this machine.

mod dlt;
mod document;
mod error;
mod name;
pub mod openapi;

mod python;
mod secrets;

use serde::Serialize;
use serde_json::Value;

pub use self::{
    dlt::adapt, document::document, error::ImportError, python::LARGEST as LARGEST_PYTHON, python::read,
    secrets::variables,
};

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The config, in the order in which it is to be written.
    pub config: Value,
    /// Schema files by their paths relative to the config.
    pub schemas: Vec<(String, Value)>,
    /// What could not be known, or was left out.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Puts the schema files into another directory, relative to the config as before.
    pub fn put_schemas_into(&mut self, directory: &str) {
        for (path, _) in &mut self.schemas {
            let moved = format!("{directory}/{}", path.rsplit('/').next().unwrap_or_default());
            for resource in self.config["resources"].as_array_mut().into_iter().flatten() {
                if resource.get("schema").is_some_and(|schema| schema == path.as_str()) {
                    resource["schema"] = Value::String(moved.clone());
                }
            }
            *path = moved;
        }
    }
}

/// Something that the user has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// 1 for the first line of the file; `None` where it has no lines worth telling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Where it is in the config, dotted.
    pub path: String,
    pub message: String,
    /// Whether the config asks for something else until it is mended.
    #[serde(skip)]
    pub is_to_mend: bool,
}

impl Note {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { line: None, path: path.into(), message: message.into(), is_to_mend: false }
    }

    /// What is told, behind its line if there is one.
    pub fn with_line(&self) -> String {
        self.line.map_or_else(|| self.message.clone(), |line| format!("line {line}: {}", self.message))
    }
}

/// Texts that stand for themselves: a run fills in nothing that looks like a reference in them.
#[must_use]
pub fn literal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal_text(&text)),
        Value::Array(items) => items.into_iter().map(literal).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, literal(value))).collect(),
        other => other,
    }
}

/// `${` as `$${`.
fn literal_text(text: &str) -> String {
    text.replace("${", "$${")
}

/// A path one step longer.
fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
