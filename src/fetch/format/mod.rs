//! From an answer's body to a document, whatever the body is written in.
//!
//! ```text
//! gzip, ZIP ──► its content
//! another charset ──► UTF-8 ──► JSON ──────────────────────────────► scan ──► Document
//!                               NDJSON, CSV ──► an array of records ──┘
//! ```
//!
//! Paginators, selectors and the decoder see one form alone. A body of another format is an error that names its place. Only a
//! truncated body is worth a retry.

mod archive;
mod binary;
mod charset;
mod csv;
mod ndjson;
mod room;
mod sample;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::IgnoredAny;

pub(super) use self::{binary::encoding, room::Room};
use super::body::without_mark;
use crate::{
    json::{Document, SyntaxError},
    memory::Refused,
    plan::{AnswerPlan, ResponseFormat},
};

/// Why a body gives no document.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The body has no bytes except whitespace.
    Empty,
    /// The body begins as expected and then breaks, e.g. because its rest is missing.
    Cut(String),
    /// The body is of another format than the expected one.
    Syntax(String),
    /// The body is of another format than the expected one, and looks like this one.
    Other(String, ResponseFormat),
    /// The body is a binary file of this format.
    Binary(&'static str),
    /// The name of a field is not valid text, so that the field would be lost.
    Name(String),
    /// It can be read in more than one way, and will be next time.
    Ambiguous(String),
    /// As JSON it is larger than a body may be.
    TooLarge,
    /// There is no memory for its records, or for their index.
    NoRoom(Refused),
    /// JSON nested deeper than it may be.
    TooDeep,
    /// A document of HTML or XML.
    Markup,
}

/// `room`: what the body may take as JSON.
pub(super) fn read(
    body: Vec<u8>,
    headers: &HeaderMap,
    plan: &AnswerPlan,
    room: &Room<'_>,
) -> Result<Document, Unreadable> {
    match unpacked(&body, plan, room)? {
        // The content type is that of the file around it.
        Some(content) => {
            drop(body);
            read_text(content, "", plan, room)
        }
        None => read_text(body, content_type(headers), plan, room),
    }
}

/// Returns the content of a compressed file; `None` for any other body.
fn unpacked(body: &[u8], plan: &AnswerPlan, room: &Room<'_>) -> Result<Option<Vec<u8>>, Unreadable> {
    Ok(match binary::signature(body) {
        Some("a gzip file") => Some(archive::gunzip(body, room)?),
        Some("a ZIP archive") if plan.format.is_none() || plan.member.is_some() => {
            Some(archive::unzip(body, plan.member.as_deref(), room)?)
        }
        Some(what @ "a ZIP archive") => return Err(archive::unchosen(body).unwrap_or(Unreadable::Binary(what))),
        _ => None,
    })
}

fn read_text(body: Vec<u8>, content_type: &str, plan: &AnswerPlan, room: &Room<'_>) -> Result<Document, Unreadable> {
    if let Some(what) = binary::signature(&body) {
        return Err(Unreadable::Binary(what));
    }
    let body = charset::decoded(body, content_type, plan.encoding, room)?;
    let told = essence(content_type);
    let format = match plan.format.or_else(|| format_of(&told)) {
        Some(format) => format,
        None => recognised(&told, &body, plan, room)?.unwrap_or(ResponseFormat::Json),
    };
    if begin_of(&body).is_empty() && !may_be_empty(format, plan) {
        return Err(Unreadable::Empty);
    }
    match format {
        ResponseFormat::Json => json(body, &told, plan, room),
        _ if is_markup(&told, begin_of(&body)) => Err(Unreadable::Markup),
        ResponseFormat::Ndjson => ndjson::read(&body, room).map_err(|unreadable| or_binary(unreadable, &body)),
        ResponseFormat::Csv => csv(&body, &told, plan, room),
    }
}

/// Reads CSV, after a check for bodies that parse as CSV and are something else.
fn csv(body: &[u8], told: &str, plan: &AnswerPlan, room: &Room<'_>) -> Result<Document, Unreadable> {
    if let Some(what) = binary::no_text(body) {
        return Err(Unreadable::Binary(what));
    }
    if is_json(told, body) {
        return Err(Unreadable::Other("not CSV but JSON".to_owned(), ResponseFormat::Json));
    }
    csv::read(body, &plan.csv, room)
}

/// Returns `true` if an empty body is a valid page without records: in formats where no line precedes the first record.
fn may_be_empty(format: ResponseFormat, plan: &AnswerPlan) -> bool {
    match format {
        ResponseFormat::Json => false,
        ResponseFormat::Ndjson => true,
        ResponseFormat::Csv => !plan.csv.header,
    }
}

fn json(body: Vec<u8>, told: &str, plan: &AnswerPlan, room: &Room<'_>) -> Result<Document, Unreadable> {
    let document = room.parse(body, 0)?.map_err(|(error, body): (SyntaxError, _)| {
        let begin = begin_of(&body);
        let cause = error.to_string();
        match () {
            () if error.is_too_deep() => Unreadable::TooDeep,
            () if is_markup(told, begin) || begin.first() == Some(&b'<') => Unreadable::Markup,
            () if is_ndjson(&body, room).unwrap_or(false) => Unreadable::Other(cause, ResponseFormat::Ndjson),
            () if starts_json(&body) => Unreadable::Cut(cause),
            () if is_csv(&body, plan) => Unreadable::Other(cause, ResponseFormat::Csv),
            () => or_binary(Unreadable::Syntax(cause), &body),
        }
    })?;
    match document.broken_name() {
        None => Ok(document),
        Some(broken) => Err(Unreadable::Name(broken.to_string())),
    }
}

fn or_binary(unreadable: Unreadable, body: &[u8]) -> Unreadable {
    match (unreadable, binary::no_text(body)) {
        (Unreadable::Syntax(_), Some(what)) => Unreadable::Binary(what),
        (other, _) => other,
    }
}

/// The format that the first lines show, for a content type that names no format.
fn recognised(
    essence: &str,
    body: &[u8],
    plan: &AnswerPlan,
    room: &Room<'_>,
) -> Result<Option<ResponseFormat>, Unreadable> {
    let says_nothing =
        ["", "text/plain", "application/octet-stream", "binary/octet-stream", "application/vnd.ms-excel"];
    if !says_nothing.contains(&essence) {
        return Ok(None);
    }
    if starts_json(body) {
        return Ok(is_ndjson(body, room)?.then_some(ResponseFormat::Ndjson));
    }
    Ok((!is_markup(essence, begin_of(body)) && is_csv(body, plan)).then_some(ResponseFormat::Csv))
}

/// Returns `true` for text whose rows are consistent as CSV.
fn is_csv(body: &[u8], plan: &AnswerPlan) -> bool {
    binary::no_text(body).is_none() && sample::is_csv(without_mark(body), &plan.csv)
}

/// Returns `true` if the first line is a complete object and more lines follow, so that the body as a whole is not JSON.
fn is_ndjson(body: &[u8], room: &Room<'_>) -> Result<bool, Unreadable> {
    let begin = begin_of(body);
    let Some(end) = memchr::memchr(b'\n', begin) else { return Ok(false) };
    let (line, rest) = begin.split_at(end);
    let (line, rest) = (line.trim_ascii(), rest.trim_ascii());
    let is_like_object = !rest.is_empty() && line.starts_with(b"{") && line.ends_with(b"}");
    Ok(is_like_object && room.parse(line.to_vec(), body.len())?.is_ok())
}

/// Returns `true` if the first byte opens a JSON object or array.
fn starts_json(body: &[u8]) -> bool {
    begin_of(body).first().is_some_and(|byte| b"{[".contains(byte))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What an answer says it is, without parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// For fuzzing: the format and the charset that a content type declares.
#[cfg(any(test, fuzzing))]
pub(super) fn declared(content_type: &str) -> (Option<ResponseFormat>, Option<&'static str>) {
    (format_of(&essence(content_type)), charset::declared(content_type))
}

fn format_of(essence: &str) -> Option<ResponseFormat> {
    match essence {
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonl"
        | "application/jsonlines"
        | "application/x-jsonlines"
        | "application/stream+json" => Some(ResponseFormat::Ndjson),
        "text/csv" | "text/x-csv" | "application/csv" | "text/comma-separated-values" | "text/tab-separated-values" => {
            Some(ResponseFormat::Csv)
        }
        _ => None,
    }
}

/// Returns `true` for a JSON body under another format: usually an error message of the API.
fn is_json(essence: &str, body: &[u8]) -> bool {
    let is_told = || essence == "application/json" || essence.ends_with("+json");
    // Without a copy of the body, and without an index of it.
    let is_valid = || serde_json::from_slice::<IgnoredAny>(without_mark(body)).is_ok();
    starts_json(body) && (is_told() || is_valid())
}

/// A login, a landing page, another address than the API's.
fn is_markup(essence: &str, begin: &[u8]) -> bool {
    let begin = begin.get(..9.min(begin.len())).unwrap_or_default().to_ascii_lowercase();
    essence == "text/html" || [&b"<!doctype"[..], b"<html", b"<?xml"].iter().any(|start| begin.starts_with(start))
}

fn begin_of(body: &[u8]) -> &[u8] {
    without_mark(body).trim_ascii_start()
}

#[cfg(test)]
mod tests;
