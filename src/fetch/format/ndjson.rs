//! A JSON value on each line. Empty lines are none.

use super::{Room, Unreadable, starts_json, without_mark};
use crate::json::{Document, Node};

/// A line with something on it, as it stands in the array of all.
struct Line {
    number: usize,
    start: usize,
}

pub(super) fn read(body: &[u8], room: &Room<'_>) -> Result<Document, Unreadable> {
    room.take_text(body.len(), body.len())?;
    let mut text = Vec::with_capacity(body.len() + 2);
    let mut lines: Vec<Line> = Vec::new();
    text.push(b'[');
    for (index, line) in without_mark(body).split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            text.push(b',');
        }
        lines.push(Line { number: index + 1, start: text.len() });
        text.extend_from_slice(line);
    }
    text.push(b']');
    let document = room.parse(text, body.len())?.map_err(|(error, _)| {
        if error.is_too_deep() {
            return Unreadable::TooDeep;
        }
        let line = lines.iter().rev().find(|line| line.start <= error.offset);
        let cause = cause(line.map_or(1, |line| line.number), error.message);
        // A body that does not begin with a record is of another format, and a retry returns the same.
        if starts_json(body) { Unreadable::Cut(cause) } else { Unreadable::Syntax(cause) }
    })?;
    if let Some(broken) = document.broken_name() {
        let line = lines.iter().rev().find(|line| line.start <= broken.offset);
        return Err(Unreadable::Name(format!("line {}: {broken}", line.map_or(1, |line| line.number))));
    }
    check(&lines, &document)?;
    Ok(document)
}

/// Every line has to be a value of its own: `{"a": 1` and `"b": 2}` would make one together.
fn check(lines: &[Line], document: &Document) -> Result<(), Unreadable> {
    let mut starts = document.root().items().map(Node::offset);
    for (index, line) in lines.iter().enumerate() {
        match starts.next() {
            Some(start) if start == line.start => {}
            Some(start) if start < line.start => {
                let before = index.checked_sub(1).and_then(|before| lines.get(before)).unwrap_or(line);
                return Err(wrong(before.number, "there is more than one value"));
            }
            _ => return Err(wrong(line.number, "it goes on with the value of the line before")),
        }
    }
    match (starts.next(), lines.last()) {
        (Some(_), Some(line)) => Err(wrong(line.number, "there is more than one value")),
        _ => Ok(()),
    }
}

fn wrong(line: usize, what: &str) -> Unreadable {
    Unreadable::Syntax(cause(line, what))
}

fn cause(line: usize, what: &str) -> String {
    format!("not NDJSON, line {line}: {what}")
}
