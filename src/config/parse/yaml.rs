//! YAML and JSON to tree.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{SyntaxError, too_deep};
use crate::config::tree::{Entry, Kind, Span, Value};

/// Lists and objects within each other.
const DEEPEST: usize = 64;

/// Bytes of all texts, after the expansion of aliases.
const LARGEST_TEXT: usize = 64_000_000;

/// With so many values at most, those that aliases stand for included.
pub fn parse(text: &str, source: usize, most_nodes: usize) -> Result<Value, SyntaxError> {
    let reader = Reader { text, source };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options(most_nodes)) {
        Ok(root) => Ok(reader.value(root)),
        Err(error) => {
            let span = error.location().map_or_else(|| reader.span(0, 0), |location| reader.located(location));
            let message = breach(&error, most_nodes, text).unwrap_or_else(|| first_line(&error));
            Err(reader.tab(&message, span).unwrap_or(SyntaxError { message, span }))
        }
    }
}

/// `yes`, `on` and `007` stay text; duplicate keys are errors. What counts is the size after the expansion of aliases: libraries
/// dump hundreds of aliases to one object.
fn options(most_nodes: usize) -> serde_saphyr::Options {
    let most_events = most_nodes.saturating_mul(4);
    serde_saphyr::options! {
        strict_booleans: true, leading_zero_numbers_as_strings: true, with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: most_nodes, max_events: most_events, max_depth: DEEPEST, flow_nesting_limit: DEEPEST,
            max_aliases: most_nodes, max_anchors: most_nodes, max_merge_keys: most_nodes, enforce_alias_anchor_ratio: false,
            max_recorded_anchor_events: most_events, max_recorded_anchor_bytes: LARGEST_TEXT,
            max_total_scalar_bytes: LARGEST_TEXT,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: most_events, max_replay_stack_depth: DEEPEST,
        },
    }
}

/// A budget that is exceeded, in words that name it. By the parser's text: within an alias its error has no variant.
fn breach(error: &serde_saphyr::Error, most_nodes: usize, text: &str) -> Option<String> {
    let message = error.to_string();
    let expanded = if text.contains('*') { " after the expansion of aliases" } else { "" };
    let is_of = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if is_of(&["budget breached: Depth", "recursion limit exceeded", "alias replay stack depth"]) {
        return Some(too_deep(DEEPEST));
    }
    if is_of(&["ScalarBytes {", "RecordedAnchorBytes {"]) {
        return Some(format!("more than {} MB of text{expanded}", LARGEST_TEXT / 1_000_000));
    }
    let is_breach = is_of(&["budget breached: ", "alias replay limit"]);
    is_breach.then(|| format!("more than {most_nodes} values{expanded}"))
}

/// The parser's message without the place that it repeats at its end, and without words for programmers.
fn first_line(error: &serde_saphyr::Error) -> String {
    let message = error.to_string();
    let line = message.lines().next().unwrap_or_default();
    let cut = [" at line ", " (line ", ", set DuplicateKeyPolicy", "; use "]
        .iter()
        .filter_map(|place| line.find(place))
        .min();
    cut.and_then(|cut| line.get(..cut)).unwrap_or(line).trim_end_matches([':', ' ']).to_owned()
}

/// A node without its place, which `Spanned` adds.
enum Raw {
    Null,
    Bool(bool),
    Integer(String),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Object(Vec<(Spanned<String>, Spanned<Raw>)>),
}

struct Reader<'a> {
    text: &'a str,
    source: usize,
}

impl Reader<'_> {
    fn value(&self, node: Spanned<Raw>) -> Value {
        let span = self.located(node.defined);
        let kind = match node.value {
            Raw::Null => Kind::Null,
            Raw::Bool(value) => Kind::Bool(value),
            Raw::Integer(number) => Kind::Number(number),
            Raw::Float(number) => Kind::Number(self.float(number, span)),
            Raw::Text(text) => Kind::Text(text),
            Raw::List(items) => Kind::List(items.into_iter().map(|item| self.value(item)).collect()),
            Raw::Object(entries) => Kind::Object(entries.into_iter().map(|entry| self.entry(entry)).collect()),
        };
        Value::new(kind, span)
    }

    fn entry(&self, (key, value): (Spanned<String>, Spanned<Raw>)) -> Entry {
        Entry { key_span: self.located(key.defined), key: key.value, value: self.value(value) }
    }

    /// Finds the tab of which the parser complains: of a continued line, it reports the place of the line before.
    fn tab(&self, message: &str, error: Span) -> Option<SyntaxError> {
        if !message.contains("tab") {
            return None;
        }
        let before = self.text.get(..error.start)?.rfind('\n').map_or(0, |at| at + 1);
        let mut start = before;
        for line in self.text.get(before..)?.split_inclusive('\n') {
            let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line.find('\t').filter(|at| *at < indentation && !line.trim().is_empty()) {
                let message = "a tab indents this line, and YAML is indented by spaces only: replace it by spaces";
                return Some(SyntaxError {
                    message: message.to_owned(),
                    span: self.span(start + tab, start + tab + 1),
                });
            }
            start += line.len();
        }
        None
    }

    /// As the user wrote it, if that is a number; else as Rust writes it.
    fn float(&self, number: f64, span: Span) -> String {
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        if written.parse() == Ok(number) { written.to_owned() } else { number.to_string() }
    }

    fn located(&self, location: Location) -> Span {
        let known = location.span().byte_offset().and_then(|at| usize::try_from(at).ok());
        let start = known.unwrap_or_else(|| self.offset(location));
        let length = location.span().byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        self.span(start, start.saturating_add(length))
    }

    /// The byte of a line and column, for errors that have no more.
    fn offset(&self, location: Location) -> usize {
        let lines = usize::try_from(location.line().saturating_sub(1)).unwrap_or(0);
        let columns = usize::try_from(location.column().saturating_sub(1)).unwrap_or(0);
        let before: usize = self.text.split_inclusive('\n').take(lines).map(str::len).sum();
        let line = self.text.get(before..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        before + line.char_indices().nth(columns).map_or(line.len(), |(at, _)| at)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { source: self.source, start, end }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Integer(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Integer(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Object(entries))
    }
}
