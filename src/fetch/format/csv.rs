//! Rows of text. The only file that knows the `csv` crate.
//!
//! A row becomes an object whose values are texts, or null: the decoder's exact conversions make them what the schema says. A
//! bool alone is no text in any form, so the columns of bools are known here.

use std::{
    collections::HashSet,
    io::{Chain, Cursor, Read},
};

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::{Room, Unreadable, sample, without_mark};
use crate::{json::Document, plan::CsvPlan};

/// `room`: what the rows may take as JSON, where every one of them repeats the columns' names.
pub(super) fn read(body: &[u8], plan: &CsvPlan, room: &Room<'_>) -> Result<Document, Unreadable> {
    let body = without_marks(body);
    let mut rows = Rows::new(body, plan);
    let mut keys = keys(plan.columns.iter().map(String::as_bytes), plan);
    let mut is_header = plan.header;
    let mut text = vec![b'['];
    while let Some(row) = rows.next()? {
        if is_header && plan.columns.is_empty() {
            check_names(row)?;
            distinct(row)?;
            keys = self::keys(row.iter(), plan);
        }
        same_width(row, keys.len(), body)?;
        if !is_header {
            push_row(&mut text, row, &keys, plan);
        }
        is_header = false;
        room.take_text(body.len(), text.len())?;
    }
    text.push(b']');
    let parsed = room.parse(text, body.len())?;
    parsed.map(Document::with_cells).map_err(|(error, _)| Unreadable::Syntax(error.to_string()))
}

/// Two programs that each write a byte order mark leave two. The crate takes a part of a body that is nothing but a mark for
/// its end.
fn without_marks(mut body: &[u8]) -> &[u8] {
    while without_mark(body).len() < body.len() {
        body = without_mark(body);
    }
    body
}

/// An iterator over the rows of a body that rejects a body which ends within quotes. The `csv` crate takes the end of the body
/// for the end of a quoted cell. So a row of a single letter is appended: a cell with open quotes swallows it.
///
/// ```text
/// 1,"ab⏎ + X   ──►  [1, "ab⏎X"]      cut within quotes
/// 1,"ab"⏎ + X  ──►  [1, "ab"] [X]    whole
/// ```
struct Rows<'a> {
    reader: Reader<Chain<&'a [u8], Cursor<[u8; 2]>>>,
    row: ByteRecord,
    /// The row after it: without one, `row` is the appended row.
    ahead: ByteRecord,
    end: u8,
    is_started: bool,
}

impl<'a> Rows<'a> {
    fn new(body: &'a [u8], plan: &CsvPlan) -> Self {
        let delimiter = plan.delimiter.unwrap_or_else(|| sample::delimiter(body, plan));
        let end = b"XYZ".iter().copied().find(|letter| *letter != delimiter && Some(*letter) != plan.quote);
        let end = end.unwrap_or(b'X');
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .quote(plan.quote.unwrap_or_default())
            .quoting(plan.quote.is_some())
            .has_headers(false)
            .flexible(true)
            .from_reader(body.chain(Cursor::new([b'\n', end])));
        Self { reader, row: ByteRecord::new(), ahead: ByteRecord::new(), end, is_started: false }
    }

    fn next(&mut self) -> Result<Option<&ByteRecord>, Unreadable> {
        let broken = |error: csv::Error| Unreadable::Syntax(format!("not CSV: {error}"));
        if !self.is_started {
            self.reader.read_byte_record(&mut self.ahead).map_err(broken)?;
            self.is_started = true;
        }
        std::mem::swap(&mut self.row, &mut self.ahead);
        if self.reader.read_byte_record(&mut self.ahead).map_err(broken)? {
            return Ok(Some(&self.row));
        }
        if self.row.iter().eq([[self.end].as_slice()]) {
            return Ok(None);
        }
        let cause = format!("cut off: the CSV ends within quotes, in the row that starts on line {}", line(&self.row));
        Err(Unreadable::Cut(cause))
    }
}

fn line(row: &ByteRecord) -> u64 {
    row.position().map_or(0, csv::Position::line)
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

/// Rejects a header with a name that is not UTF-8: the cells of that column would be lost.
fn check_names(header: &ByteRecord) -> Result<(), Unreadable> {
    let Some(index) = header.iter().position(|name| std::str::from_utf8(name).is_err()) else { return Ok(()) };
    let name = String::from_utf8_lossy(header.get(index).unwrap_or_default());
    Err(Unreadable::Name(format!(
        "line {}: the name `{name}` of column {} of the CSV header cannot be read: it is not UTF-8",
        line(header),
        index + 1
    )))
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

fn same_width(row: &ByteRecord, width: usize, body: &[u8]) -> Result<(), Unreadable> {
    if row.len() == width {
        return Ok(());
    }
    let cells = row.len();
    let cause = format!("not CSV, line {}: the number of cells is {cells}, and that of columns {width}", line(row));
    Err(if cells < width && is_unended(row, body) { Unreadable::Cut(cause) } else { Unreadable::Syntax(cause) })
}

/// Returns `true` if the body ends with this row and without a line end: the rest of the row may be missing.
fn is_unended(row: &ByteRecord, body: &[u8]) -> bool {
    let start = row.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or_default();
    let rest = body.get(start..).unwrap_or_default().trim_ascii_start();
    memchr::memchr2(b'\n', b'\r', rest).is_none()
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
