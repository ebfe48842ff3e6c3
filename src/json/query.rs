//! JSONPath by RFC 9535, for what a plain path cannot say. The only file that knows `serde_json_path`.
//!
//! The crate queries `serde_json` values, and a value has no place in the tape and no exact numbers. So the part of the
//! document that is asked about becomes a value, the crate says which of its nodes match, and a walk over value and tape side
//! by side gives their places in the tape: what is handed on are the bytes that the API wrote.

use hashbrown::HashSet;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::{Kind, Node};

/// A query that may match any number of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query(JsonPath);

impl Query {
    /// Fails with a message and the byte of `text` that it is about.
    pub(super) fn parse(text: &str) -> Result<Self, (String, usize)> {
        let wrong = |error: serde_json_path::ParseError| {
            let message = error.message().strip_prefix("in context: ").unwrap_or(error.message());
            (format!("no JSONPath of RFC 9535: {message}"), error.position().saturating_sub(1))
        };
        JsonPath::parse(text).map(Self).map_err(wrong)
    }

    /// All matches below `node`, in document order, each once.
    pub(super) fn find_all<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        let value = value(node);
        let matches = self.0.query(&value).into_iter().map(address).collect();
        let mut found = Vec::new();
        collect(&value, node, &matches, &mut found);
        found
    }
}

/// What tells a value from all others of its tree.
fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

/// Close enough for a filter to compare: what is no JSON becomes null.
fn value(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Object => {
            let fields = node.fields().filter_map(|(key, field)| Some((key.text().ok()?.into_owned(), value(field))));
            Value::Object(fields.collect())
        }
        Kind::Array => node.items().map(value).collect(),
        Kind::String => node.string().map_or(Value::Null, |text| text.into_owned().into()),
        _ => serde_json::from_slice(node.raw()).unwrap_or_default(),
    }
}

fn collect<'a>(value: &Value, node: Node<'a>, matches: &HashSet<usize>, found: &mut Vec<Node<'a>>) {
    if matches.contains(&address(value)) {
        found.push(node);
    }
    match value {
        Value::Array(items) => {
            items.iter().zip(node.items()).for_each(|(value, node)| collect(value, node, matches, found));
        }
        Value::Object(fields) if fields.len() == node.fields().count() => {
            let pairs = fields.values().zip(node.fields());
            pairs.for_each(|(value, (_, node))| collect(value, node, matches, found));
        }
        // Duplicate keys, of which the last counts, or ones that are no text.
        Value::Object(fields) => {
            let pairs = fields.iter().filter_map(|(key, value)| Some((value, node.get(key)?)));
            pairs.for_each(|(value, node)| collect(value, node, matches, found));
        }
        _ => {}
    }
}
