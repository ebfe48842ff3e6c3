//! Rows of text. The only file that knows the `csv` crate.
//!
//! A row becomes an object whose values are texts, or null: the decoder's exact conversions make them what the schema says. A
//! bool alone is no text in any form, so the columns of bools are known here.

use std::collections::HashSet;

use csv::{ByteRecord, ReaderBuilder};

use super::{Unreadable, without_mark};
use crate::{json::Document, plan::CsvPlan};

/// `limit`: bytes that the rows may have as JSON, where every one of them repeats the columns' names.
pub(super) fn read(body: &[u8], plan: &CsvPlan, limit: u64) -> Result<Document, Unreadable> {
    let mut reader = ReaderBuilder::new()
        .delimiter(plan.delimiter)
        .quote(plan.quote.unwrap_or_default())
        .quoting(plan.quote.is_some())
        .has_headers(false)
        .flexible(true)
        .from_reader(without_mark(body));
    let mut row = ByteRecord::new();
    let mut keys = keys(plan.columns.iter().map(String::as_bytes), plan);
    let mut is_header = plan.header;
    let mut text = vec![b'['];
    while reader.read_byte_record(&mut row).map_err(|error| Unreadable::Syntax(format!("not CSV: {error}")))? {
        if is_header && plan.columns.is_empty() {
            distinct(&row)?;
            keys = self::keys(row.iter(), plan);
        }
        same_width(&row, keys.len())?;
        if !is_header {
            push_row(&mut text, &row, &keys, plan);
        }
        is_header = false;
        if text.len() as u64 > limit {
            return Err(Unreadable::TooLarge);
        }
    }
    text.push(b']');
    Document::parse(text).map_err(|error| Unreadable::Syntax(error.to_string()))
}

/// A column.
struct Key {
    /// Its name as JSON, with the colon.
    text: Vec<u8>,
    is_bool: bool,
}

fn keys<'a>(names: impl Iterator<Item = &'a [u8]>, plan: &CsvPlan) -> Vec<Key> {
    let is_bool = |name: &[u8]| {
        let named = plan.naming.column(&String::from_utf8_lossy(name), |_| true);
        plan.bools.iter().any(|known| known.as_bytes() == name || *known == named)
    };
    let key = |name: &[u8]| {
        let mut text = Vec::new();
        push_string(&mut text, name);
        text.push(b':');
        Key { text, is_bool: is_bool(name) }
    };
    names.map(key).collect()
}

/// Of two columns of one name an object could hold one.
fn distinct(header: &ByteRecord) -> Result<(), Unreadable> {
    let mut seen = HashSet::new();
    let Some(name) = header.iter().find(|name| !seen.insert(*name)) else { return Ok(()) };
    let name = String::from_utf8_lossy(name);
    Err(Unreadable::Ambiguous(format!(
        "CSV whose header names the column `{name}` twice, so that one of them would be lost"
    )))
}

fn same_width(row: &ByteRecord, width: usize) -> Result<(), Unreadable> {
    if row.len() == width {
        return Ok(());
    }
    let line = row.position().map_or(0, csv::Position::line);
    let cells = row.len();
    Err(Unreadable::Syntax(format!(
        "not CSV, line {line}: the number of cells is {cells}, and that of columns {width}"
    )))
}

fn push_row(text: &mut Vec<u8>, row: &ByteRecord, keys: &[Key], plan: &CsvPlan) {
    text.extend_from_slice(if text.len() > 1 { b",{" } else { b"{" });
    for (index, (key, cell)) in keys.iter().zip(row).enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&key.text);
        let word = |word: &[u8]| key.is_bool && cell.eq_ignore_ascii_case(word);
        match cell {
            _ if plan.null_values.iter().any(|null| null.as_bytes() == cell) => text.extend_from_slice(b"null"),
            _ if word(b"true") => text.extend_from_slice(b"true"),
            _ if word(b"false") => text.extend_from_slice(b"false"),
            _ => push_string(text, cell),
        }
    }
    text.push(b'}');
}

/// Bytes as a JSON string. What is not UTF-8 stays so: it is a mismatch of its value alone.
fn push_string(text: &mut Vec<u8>, bytes: &[u8]) {
    text.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', byte]),
            0..0x20 => text.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => text.push(byte),
        }
    }
    text.push(b'"');
}
