//! What an API wants besides the parameters of its pages, and without which it does not answer.

use serde_json::{Map, Value, json};

use super::{paginator::Pages, parameters::Parameter, parents::doubled};
use crate::import::{Note, literal, name::variable};

/// Headers that are the client's own.
const OF_CLIENT: [&str; 3] = ["accept", "content-type", "authorization"];

/// Parameters and headers with their values: texts stand for themselves, and what has no value for a variable.
#[derive(Default)]
pub(super) struct Needed {
    pub(super) params: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
}

/// `api`: what the names of variables begin with. `place`: of the endpoint.
pub(super) fn needed(
    parameters: &[Parameter<'_>],
    pages: &Pages,
    api: &str,
    place: &str,
    notes: &mut Vec<Note>,
) -> Needed {
    let mut needed = Needed::default();
    for parameter in parameters.iter().filter(|parameter| parameter.is_required && !is_own(parameter, pages)) {
        let name = parameter.name;
        let (what, key, entries) = match parameter.place {
            "query" => ("parameter", "params", &mut needed.params),
            "header" if OF_CLIENT.contains(&name.to_ascii_lowercase().as_str()) => continue,
            "header" => ("header", "headers", &mut needed.headers),
            "cookie" => {
                let message = format!("the API wants the cookie `{name}`: write it as the header `Cookie`");
                notes.push(Note::new(format!("{place}.headers"), message));
                continue;
            }
            _ => continue,
        };
        let (value, note) = value(parameter, what, api);
        notes.extend(note.map(|message| Note::new(format!("{place}.{key}.{name}"), message)));
        entries.insert(doubled(name), value);
    }
    needed
}

fn is_own(parameter: &Parameter<'_>, pages: &Pages) -> bool {
    pages.own_params.iter().any(|own| own == parameter.name)
        || pages.page_size.as_ref().is_some_and(|(size, _)| size == parameter.name)
}

/// What the description tells of its value: a default, the only one there is, an example; or a variable in its place. And what
/// has to be said of it.
fn value(parameter: &Parameter<'_>, what: &str, api: &str) -> (Value, Option<String>) {
    let written = |value: &Value| literal(without_places(joined(parameter, value)));
    let is_plain = |value: &&Value| !value.is_object() && !value.is_null();
    let values = parameter.values();
    let only = values.first().copied().filter(|_| values.len() == 1);
    if let Some(value) = parameter.get("default").filter(is_plain).or(only) {
        return (written(value), None);
    }
    if let Some(value) = parameter.example().filter(is_plain) {
        let message = format!("the API wants the {what}: the description's example is sent, look whether it fits");
        return (written(value), Some(message));
    }
    let name = format!("{api}_{}_{}", what.to_uppercase(), variable(parameter.name));
    let one_of: Vec<String> = values.iter().map(ToString::to_string).collect();
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
        other => other,
    }
}
