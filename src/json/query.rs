//! JSONPath by RFC 9535, for what a plain path cannot say. The only file that knows `serde_json_path`.
//!
//! The crate queries `serde_json` values, and a value has no place in the tape and no exact numbers. So the part of the
//! document that is asked about becomes a value, the crate says which of its nodes match, and a walk over value and tape side
//! by side gives their places in the tape, so that callers receive the bytes that the API wrote.

use hashbrown::HashSet;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::{Kind, Node};

/// A query that may match any number of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    path: JsonPath,
    /// The query for the holders of the elements, if the query selects all elements.
    holders: Option<JsonPath>,
    /// True if a filter or a slice may leave out matches.
    picks: bool,
}

impl Query {
    /// Fails with a message and the byte of `text` that it is about.
    pub(super) fn parse(text: &str) -> Result<Self, (String, usize)> {
        let wrong = |error: serde_json_path::ParseError| {
            let message = error.message().strip_prefix("in context: ").unwrap_or(error.message());
            (format!("no JSONPath of RFC 9535: {message}"), error.position().saturating_sub(1))
        };
        let path = JsonPath::parse(text).map_err(wrong)?;
        let holders = text.strip_suffix("[*]").and_then(|text| JsonPath::parse(text).ok());
        Ok(Self { path, holders, picks: text.contains(['?', ':']) })
    }

    /// Returns true if no match below `node` is expected: the list is empty, or the filter excludes all elements.
    pub(super) fn may_find_nothing(&self, node: Node<'_>) -> bool {
        let is_empty = node.items().next().is_none() && node.fields().next().is_none();
        self.picks || is_empty || self.holders.as_ref().is_some_and(|path| !path.query(&value(node)).is_empty())
    }

    /// All matches below `node`, in document order, each once.
    pub(super) fn find_all<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        matches(&self.path, node)
    }

    /// Returns the arrays and objects whose elements the query selects.
    pub(super) fn holders<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        self.holders.as_ref().map_or_else(Vec::new, |holders| matches(holders, node))
    }
}

fn matches<'a>(path: &JsonPath, node: Node<'a>) -> Vec<Node<'a>> {
    let value = value(node);
    let matches = path.query(&value).into_iter().map(address).collect();
    let mut found = Vec::new();
    collect(&value, node, &matches, &mut found);
    // Of an object with duplicate keys, a value has the place of the first and is the last.
    found.sort_unstable_by_key(|node| node.index());
    found
}

/// Returns the address of a value, which identifies it within its tree.
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
