//! TOML to tree.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{SyntaxError, too_deep};
use crate::config::tree::{Entry, Kind, Span, Value};

/// Tables and arrays within each other: a constant of the parser.
const DEEPEST: usize = 80;

/// The parser's messages beyond it, for arrays and for dotted keys.
const RECURSION: [&str; 2] = ["max recursion depth met", "recursion limit"];

pub fn parse(text: &str, source: usize) -> Result<Value, SyntaxError> {
    match DeTable::parse(text) {
        Ok(root) => {
            let span = span(source, root.span());
            Ok(Value::new(object(root.into_inner(), source), span))
        }
        Err(error) => {
            let message = error.message().lines().collect::<Vec<_>>().join(": ");
            let is_depth = RECURSION.iter().any(|said| message.contains(said));
            let message = if is_depth { too_deep(DEEPEST) } else { message };
            Err(SyntaxError { message, span: span(source, error.span().unwrap_or(0..0)) })
        }
    }
}

fn value(spanned: Spanned<DeValue<'_>>, source: usize) -> Value {
    let at = span(source, spanned.span());
    let kind = match spanned.into_inner() {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(number) => Kind::Number(integer(number.as_str(), number.radix())),
        DeValue::Float(number) => Kind::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Kind::Bool(value),
        DeValue::Datetime(moment) => Kind::Text(moment.to_string()),
        DeValue::Array(items) => Kind::List(items.into_iter().map(|item| value(item, source)).collect()),
        DeValue::Table(table) => object(table, source),
    };
    Value::new(kind, at)
}

/// `0x10` is 16; decimals stay as they are.
fn integer(digits: &str, radix: u32) -> String {
    i128::from_str_radix(digits, radix).map_or_else(|_| digits.to_owned(), |number| number.to_string())
}

fn object(table: DeTable<'_>, source: usize) -> Kind {
    let entry = |(key, inner): (Spanned<_>, _)| Entry {
        key_span: span(source, key.span()),
        key: String::from(key.into_inner()),
        value: value(inner, source),
    };
    let mut entries: Vec<Entry> = table.into_iter().map(entry).collect();
    // The parser's map is sorted by name; request parameters are sent in the order of the file.
    entries.sort_by_key(|entry| entry.key_span.start);
    Kind::Object(entries)
}

fn span(source: usize, range: Range<usize>) -> Span {
    Span { source, start: range.start, end: range.end }
}
