//! From an answer's body to a document, whatever the body is written in.
//!
//! ```text
//! another charset ──► UTF-8 ──► JSON ──────────────────────────────► scan ──► Document
//!                               NDJSON, CSV ──► an array of records ──┘
//! ```
//!
//! Paginators, selectors and the decoder see one form alone. A body that is no such thing is told with its line.

mod charset;
mod csv;
mod ndjson;

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use crate::{
    json::Document,
    plan::{AnswerPlan, ResponseFormat},
};

/// Why a body gives no document.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is not what it should be: says what it is not, and where.
    Syntax(String),
    /// It can be read in more than one way, and will be next time.
    Ambiguous(String),
    /// As JSON it is larger than a body may be.
    TooLarge,
    /// A document of HTML or XML.
    Markup,
}

/// `limit`: bytes that the body may have as JSON.
pub(super) fn read(body: Vec<u8>, headers: &HeaderMap, plan: &AnswerPlan, limit: u64) -> Result<Document, Unreadable> {
    let body = charset::decoded(body, content_type(headers), limit)?;
    let told = essence(headers);
    let begin = begin_of(&body);
    let format = plan.format.or_else(|| format_of(&told)).unwrap_or(ResponseFormat::Json);
    // Almost any text is CSV: what is clearly something else is not taken for it.
    if format != ResponseFormat::Json && is_markup(&told, begin) {
        return Err(Unreadable::Markup);
    }
    if format == ResponseFormat::Csv && is_json(&told) && begin.first().is_some_and(|byte| b"{[".contains(byte)) {
        return Err(Unreadable::Syntax("not CSV but JSON".to_owned()));
    }
    match format {
        ResponseFormat::Json => {
            let is_markup = is_markup(&told, begin) || begin.first() == Some(&b'<');
            let unreadable = |error: crate::json::SyntaxError| match is_markup {
                true => Unreadable::Markup,
                false => Unreadable::Syntax(error.to_string()),
            };
            Document::parse(body).map_err(unreadable)
        }
        ResponseFormat::Ndjson => ndjson::read(&body),
        ResponseFormat::Csv => csv::read(&body, &plan.csv, limit),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What an answer says it is, without parameters, in lower case.
fn essence(headers: &HeaderMap) -> String {
    content_type(headers).split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
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
        "text/csv" | "application/csv" => Some(ResponseFormat::Csv),
        _ => None,
    }
}

fn is_json(essence: &str) -> bool {
    essence == "application/json" || essence.ends_with("+json")
}

/// A login, a landing page, another address than the API's.
fn is_markup(essence: &str, begin: &[u8]) -> bool {
    let begin = begin.get(..9.min(begin.len())).unwrap_or_default().to_ascii_lowercase();
    essence == "text/html" || [&b"<!doctype"[..], b"<html", b"<?xml"].iter().any(|start| begin.starts_with(start))
}

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

fn begin_of(body: &[u8]) -> &[u8] {
    without_mark(body).trim_ascii_start()
}

#[cfg(test)]
mod tests;
