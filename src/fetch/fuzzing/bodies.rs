//! Bodies of answers: CSV and the other formats, in any charset, to a document of records.
//!
//! ```text
//! byte 0: delimiter, quotes, header   byte 1: content type, format, charsets   the rest: the body
//! ```
//!
//! | compared | with | where |
//! |---|---|---|
//! | rows of CSV | those of the `csv` crate, which refuses rows of different widths | format and delimiter are given, and the body is UTF-8, not binary and neither JSON nor markup |
//! | rows of CSV without a delimiter | those with the delimiter of the first record | both give rows |
//! | NDJSON | each line alone | always |
//! | JSON | the scan of the same text | always |
//! | a body in another charset | the same body in UTF-8 | UTF-16 and windows-1252 of a text that they can hold |

use csv::ReaderBuilder;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::{
    fetch::format::{Room, Unreadable, read},
    json::{Document, Kind, Node},
    plan::{AnswerPlan, CsvPlan, ResponseFormat},
};

/// Bytes that a body may have as JSON.
const LIMIT: u64 = 64 << 10;

const DELIMITERS: [Option<u8>; 6] = [None, Some(b','), Some(b';'), Some(b'\t'), Some(b'|'), Some(b'"')];

const QUOTES: [Option<u8>; 3] = [Some(b'"'), None, Some(b'\'')];

const TYPES: [&str; 10] = [
    "text/csv",
    "text/csv; charset=utf-16",
    "text/csv; charset=utf-16le",
    "text/csv; charset=iso-8859-1",
    "text/csv; charset=shift_jis",
    "text/tab-separated-values",
    "text/plain",
    "application/x-ndjson",
    "application/json",
    "",
];

const FORMATS: [Option<ResponseFormat>; 4] =
    [Some(ResponseFormat::Csv), None, Some(ResponseFormat::Ndjson), Some(ResponseFormat::Json)];

/// Checks a body.
pub fn csv(data: &[u8]) {
    let [first, second, body @ ..] = data else { return };
    let (first, second) = (usize::from(*first), usize::from(*second));
    let csv = CsvPlan {
        delimiter: DELIMITERS.get(first % DELIMITERS.len()).copied().flatten(),
        quote: QUOTES.get(first / 8 % QUOTES.len()).copied().flatten(),
        header: first < 0x80,
        columns: if first & 0x40 == 0 { Vec::new() } else { vec!["a".to_owned(), "b".to_owned()] },
        bools: vec!["flag".to_owned()],
        ..CsvPlan::default()
    };
    let format = FORMATS.get(second / 16 % FORMATS.len()).copied().flatten();
    let plan = AnswerPlan { format, csv, ..AnswerPlan::default() };
    let content_type = TYPES.get(second % TYPES.len()).copied().unwrap_or_default();
    check(body, content_type, &plan);
    if second & 0x80 != 0 {
        check_charsets(body, &plan);
    }
}

fn read_as(body: &[u8], content_type: &'static str, plan: &AnswerPlan) -> Result<Document, Unreadable> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    read(body.to_vec(), &headers, plan, &Room::new(LIMIT, None))
}

fn check(body: &[u8], content_type: &'static str, plan: &AnswerPlan) {
    let found = read_as(body, content_type, plan);
    let document = found.as_ref().ok();
    if let Some(document) = document {
        assert!(document.bytes().len() as u64 <= LIMIT + 1);
    }
    // A gzip file or ZIP archive is its content.
    if body.starts_with(b"PK") || body.starts_with(b"\x1f\x8b") {
        return;
    }
    match plan.format {
        Some(ResponseFormat::Csv) => {
            compare_with_crate(body, content_type, plan, &found);
            check_delimiter(body, content_type, plan, document);
        }
        Some(ResponseFormat::Ndjson) if !content_type.contains("charset") => compare_lines(body, document),
        Some(ResponseFormat::Json) if !content_type.contains("charset") => {
            let scanned = Document::parse(body.to_vec()).ok().filter(|scanned| scanned.broken_name().is_none());
            assert_eq!(document.map(Document::bytes), scanned.as_ref().map(Document::bytes), "{found:?}");
        }
        _ => {}
    }
}

// ---- CSV

/// The rows of the `csv` crate, if all have one width.
fn rows(body: &[u8], plan: &CsvPlan, delimiter: u8) -> Option<Vec<csv::ByteRecord>> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .quote(plan.quote.unwrap_or_default())
        .quoting(plan.quote.is_some())
        .has_headers(false)
        .from_reader(body);
    reader.byte_records().collect::<Result<_, _>>().ok()
}

fn compare_with_crate(body: &[u8], content_type: &str, plan: &AnswerPlan, found: &Result<Document, Unreadable>) {
    let csv = &plan.csv;
    let Some(delimiter) = csv.delimiter.filter(|delimiter| csv.quote != Some(*delimiter)) else { return };
    let mut text = body;
    while let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf") {
        text = rest;
    }
    if content_type.contains("charset") || std::str::from_utf8(text).is_err() {
        return;
    }
    let Some(rows) = rows(text, csv, delimiter) else { return };
    let names: Vec<Vec<u8>> = match rows.first() {
        Some(first) if csv.header && csv.columns.is_empty() => first.iter().map(<[u8]>::to_vec).collect(),
        _ => csv.columns.iter().map(|name| name.as_bytes().to_vec()).collect(),
    };
    let width = rows.first().map_or(names.len(), csv::ByteRecord::len);
    let rows = rows.get(usize::from(csv.header)..).unwrap_or_default();
    match found {
        Ok(document) => {
            let records: Vec<_> = document.root().items().collect();
            assert_eq!(records.len(), rows.len(), "{document:?}");
            for (record, row) in records.iter().zip(rows) {
                assert_eq!(record.fields().count(), row.len());
                let cells = names.iter().zip(record.fields()).zip(row);
                for ((name, (key, value)), cell) in cells {
                    assert!(key.text().is_ok_and(|key| key.as_bytes() == name), "{record:?}");
                    assert!(is_cell(value, cell, name == b"flag"), "{record:?} {cell:?}");
                }
            }
        }
        Err(Unreadable::Syntax(cause) | Unreadable::Cut(cause)) => {
            // The crate takes the end of the body for the end of a quoted cell.
            let may_be_open = csv.quote.is_some_and(|quote| text.contains(&quote)) && cause.contains("within quotes");
            assert!(width != names.len() || may_be_open, "{found:?}");
        }
        Err(_) => {}
    }
}

fn is_cell(value: Node<'_>, cell: &[u8], is_bool: bool) -> bool {
    match value.kind() {
        Kind::Null => cell.is_empty(),
        Kind::Bool(value) => is_bool && cell.eq_ignore_ascii_case(value.to_string().as_bytes()),
        _ => value.kind() == Kind::String && value.string().is_ok_and(|text| text.as_bytes() == cell),
    }
}

/// The delimiter that was found gives the same rows if the config names it.
fn check_delimiter(body: &[u8], content_type: &'static str, plan: &AnswerPlan, document: Option<&Document>) {
    let (None, Some(document)) = (plan.csv.delimiter, document) else { return };
    let given = |delimiter: u8| {
        let csv = CsvPlan { delimiter: Some(delimiter), ..plan.csv.clone() };
        read_as(body, content_type, &AnswerPlan { csv, ..plan.clone() })
    };
    let is_same = |delimiter: u8| given(delimiter).is_ok_and(|other| other.bytes() == document.bytes());
    assert!(b",;\t|".iter().any(|delimiter| is_same(*delimiter)), "{document:?}");
}

// ---- NDJSON

/// Each line by itself is the record.
fn compare_lines(body: &[u8], document: Option<&Document>) {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let Some(document) = document else { return };
    let records: Vec<_> = document.root().items().map(Node::raw).collect();
    assert!(lines.clone().eq(records.iter().copied()), "{document:?}");
    assert!(lines.clone().all(|line| Document::parse(line.to_vec()).is_ok()), "{document:?}");
}

// ---- charsets

fn check_charsets(body: &[u8], plan: &AnswerPlan) {
    let Some(text) = std::str::from_utf8(body).ok().filter(|text| !text.starts_with('\u{feff}')) else { return };
    let plain = read_as(body, "text/csv", plan);
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    // An archive is what is in it.
    if text.is_ascii() && text.len() > 4 && !text.starts_with("PK") {
        let wide = read_as(&wide, "text/csv; charset=utf-16be", plan);
        assert!(is_same(&plain, &wide), "{plain:?} {wide:?}");
        let narrow = read_as(body, "text/csv; charset=windows-1252", plan);
        assert!(is_same(&plain, &narrow), "{plain:?} {narrow:?}");
    }
}

fn is_same(a: &Result<Document, Unreadable>, b: &Result<Document, Unreadable>) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => a.bytes() == b.bytes(),
        // A body that is a binary file by its first bytes is none in another charset.
        (Err(Unreadable::Binary(_)), _) | (_, Err(Unreadable::Binary(_))) => true,
        (Err(a), Err(b)) => std::mem::discriminant(a) == std::mem::discriminant(b),
        _ => false,
    }
}
