//! What an API wants besides the parameters of its pages, and without which it does not answer.

use serde_json::{Map, Value, json};

use super::{paginator::Pages, parameters::Parameter, parents::doubled};
use crate::import::{Note, literal, name::variable};

/// Headers that are the client's own.
const OF_CLIENT: [&str; 3] = ["accept", "content-type", "authorization"];

/// Parameters and headers with their values: texts stand for themselves, and what has no value for a variable.
#[derive(Default)]
pub(super) struct Required {
    pub(super) params: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
}

/// The place of a value.
#[derive(Clone, Copy)]
pub(super) struct Origin<'o> {
    /// Prefix of the variables' names.
    pub(super) api: &'o str,
    /// The endpoint in the config, for notes.
    pub(super) place: &'o str,
}

pub(super) fn required(
    parameters: &[Parameter<'_>],
    pages: &Pages<'_, '_>,
    origin: &Origin<'_>,
    notes: &mut Vec<Note>,
) -> Required {
    let (mut required, place) = (Required::default(), origin.place);
    for parameter in parameters.iter().filter(|parameter| parameter.is_required && !pages.sends(parameter)) {
        let name = parameter.name;
        let (what, key, entries) = match parameter.place {
            "query" => ("parameter", "params", &mut required.params),
            "header" if OF_CLIENT.contains(&name.to_ascii_lowercase().as_str()) => continue,
            "header" => ("header", "headers", &mut required.headers),
            "cookie" => {
                let message = format!("the API wants the cookie `{name}`: write it as the header `Cookie`");
                notes.push(Note::new(format!("{place}.headers"), message));
                continue;
            }
            _ => continue,
        };
        let (value, note) = described(parameter, what).unwrap_or_else(|| from_environment(parameter, what, origin.api));
        notes.extend(note.map(|message| Note::new(format!("{place}.{key}.{name}"), message)));
        entries.insert(doubled(name), value);
    }
    required
}

/// Returns the value that the description has: a default, the only one there is, or an example; and a note on it.
pub(super) fn described(parameter: &Parameter<'_>, what: &str) -> Option<(Value, Option<String>)> {
    let written = |value: &Value| literal(without_places(joined(parameter, value)));
    let fits = |value: &&Value| !value.is_null() && (parameter.is_body_field() || !value.is_object());
    let values = parameter.values();
    let only = values.first().copied().filter(|_| values.len() == 1);
    if let Some(value) = parameter.get("default").filter(fits).or(only) {
        return Some((written(value), None));
    }
    let value = parameter.example().filter(fits)?;
    let message = format!("the API wants the {what}: the description's example is sent, look whether it fits");
    Some((written(value), Some(message)))
}

/// Returns a reference to an environment variable in place of an unknown value, and a note on it.
pub(super) fn from_environment(parameter: &Parameter<'_>, what: &str, api: &str) -> (Value, Option<String>) {
    let name = format!("{api}_{}_{}", variable(what), variable(parameter.name));
    let one_of: Vec<String> = parameter.values().iter().map(ToString::to_string).collect();
    let one_of = if one_of.is_empty() { String::new() } else { format!(", one of {}", one_of.join(", ")) };
    let message = format!(
        "the API wants the {what}{one_of}, and the description does not tell its value: write it, or set {name} in the environment"
    );
    (json!(format!("${{{name}}}")), Some(message))
}

/// A list that is sent as one text.
fn joined(parameter: &Parameter<'_>, value: &Value) -> Value {
    let is_one = parameter.get("explode") == Some(&Value::Bool(false))
        || parameter.get("collectionFormat").is_some_and(|format| format == "csv");
    match value {
        Value::Array(items) if is_one => {
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            Value::String(items.iter().map(text).collect::<Vec<_>>().join(","))
        }
        other => other.clone(),
    }
}

/// Braces that stand for themselves: what fills places, no description knows.
fn without_places(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(doubled(&text)),
        Value::Array(items) => items.into_iter().map(without_places).collect(),
        Value::Object(entries) => {
            entries.into_iter().map(|(key, value)| (doubled(&key), without_places(value))).collect()
        }
        other => other,
    }
}
