//! Errors of decoding: a value that does not fit under `freeze`, or an unsupported schema.

use arrow::error::ArrowError;

use crate::{
    error::{ErrorKind, Failure},
    json::Document,
    model::Reject,
    suggestion::missing_field,
};

/// The reason why a page has no batch, or a schema no decoder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A value, a field or a record that does not fit, where the contract says `freeze`.
    #[error(
        "resource `{}`, page {}, record {}, column `{}`: {} at `{}` does not fit {}: {}",
        .0.resource, .0.page, .0.record, .0.column, .0.found, .0.path, .0.expected, .0.reason
    )]
    Mismatch(Box<Reject>),

    /// A field that the schema does not declare, where the contract says `freeze`.
    #[error(
        "resource `{}`, page {}, record {}: the schema declares no column for the field `{}`, which holds {}",
        .0.resource, .0.page, .0.record, .0.path, .0.found
    )]
    UndeclaredField(Box<Reject>),

    /// A record's cursor is missing or cannot be compared with the others.
    #[error("resource `{resource}`, page {page}, record {record}: {}", .problem.at(.path))]
    Cursor { resource: String, page: u64, record: u64, path: String, problem: CursorProblem },

    /// A column's `format` is none for its type.
    #[error("resource `{resource}`, column `{column}` of type {data_type}: {problem}")]
    Format { resource: String, column: String, data_type: String, problem: String },

    /// A key names a column that the schema lacks; what resolves the config checks that before.
    #[error("resource `{resource}`: the key names column {index}, and the schema has {columns}")]
    NoSuchColumn { resource: String, index: usize, columns: usize },

    /// The rows of a page, or its rejects, take more memory than those of one page may.
    #[error(
        "resource `{resource}`, page {page}: its {rows} rows or their rejects take more than {limit} bytes of memory, the third of `memory_limit` that one page may have"
    )]
    Memory { resource: String, page: u64, rows: u64, limit: usize },

    /// A value of which a writer could not hold its copies.
    #[error(
        "resource `{resource}`, page {page}, column `{column}`: a value has {bytes} bytes, more than the ninth of `memory_limit` that one value may have, {limit} bytes"
    )]
    LargeValue { resource: String, page: u64, column: String, bytes: usize, limit: usize },

    /// The columns of a page do not make a batch.
    #[error("resource `{resource}`, page {page}: the decoded columns do not make a batch")]
    Batch { resource: String, page: u64, source: ArrowError },
}

/// The problem with a record's cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorProblem {
    /// The record has no value at the path. `suggestion`: a hint to the field that was meant.
    Missing {
        suggestion: Option<String>,
    },
    /// A record lacks a field of the key that identifies loaded records.
    NoKey {
        field: String,
    },
    /// A bool, a list or an object.
    Unordered {
        found: String,
    },
    Mixed {
        value: String,
        kind: &'static str,
        other: String,
        other_kind: &'static str,
    },
    /// Texts whose bytes are not in the order of what they mean.
    UnsortedText {
        value: String,
        other: String,
    },
    /// No two values of a page are in the configured order, by which the list would end here.
    Order {
        declared: &'static str,
        from: String,
        to: String,
    },
    /// The records that stay do not make a page.
    Lost,
}

impl CursorProblem {
    fn at(&self, path: &str) -> String {
        match self {
            Self::Missing { .. } => format!("there is no value at `{path}`, where the cursor stands"),
            Self::NoKey { field } => {
                format!(
                    "there is no `{field}`, which is part of the key that tells whether the record was loaded before"
                )
            }
            Self::Unordered { found } => format!("the cursor at `{path}` is {found}, which has no order"),
            Self::Mixed { value, kind, other, other_kind } => {
                format!("the cursor at `{path}` is {value}, {kind}, and cannot be compared with {other}, {other_kind}")
            }
            Self::UnsortedText { value, other } => format!(
                "the cursor at `{path}` is {value}, and cannot be compared with {other}: as texts they do not sort by time or by \
                 number, and newer records would be left out"
            ),
            Self::Order { declared, from, to } => format!(
                "the cursor at `{path}` goes from {from} to {to}, as it does on the whole page, and `row_order: {declared}` says \
                 the other way round: the pages behind would be left out"
            ),
            Self::Lost => "the records that stay do not make a page".to_owned(),
        }
    }
}

/// Returns a hint to the field that was meant where the record lacks the field of a column.
fn meant(reject: &Reject) -> Option<String> {
    let record = Document::parse(reject.row.to_string().into_bytes()).ok()?;
    missing_field(&reject.path, record.root())
}

fn unsorted_text_hint(path: &str) -> String {
    let field = path.trim_start_matches("$.");
    format!(
        "set `cursor_path` to a field that sorts (a number, an ISO 8601 date or timestamp), or make one of this: \
         `processing_steps: [{{map: '.{field} |= (strptime(\"%m/%d/%Y\") | mktime | todate)'}}]` with the form of the API, and \
         `convert: \"%m/%d/%Y\"` if the API is asked in that form; without `incremental`, each run reads everything"
    )
}

impl Failure for DecodeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Mismatch(_) | Self::UndeclaredField(_) | Self::Format { .. } => ErrorKind::User,
            Self::Memory { .. } | Self::LargeValue { .. } => ErrorKind::User,
            Self::Cursor { problem: CursorProblem::Lost, .. } => ErrorKind::Bug,
            Self::Cursor { .. } => ErrorKind::User,
            Self::NoSuchColumn { .. } | Self::Batch { .. } => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Mismatch(_) => "data_mismatch",
            Self::UndeclaredField(_) => "undeclared_field",
            Self::Cursor { .. } => "cursor",
            Self::Format { .. } => "column_format",
            Self::NoSuchColumn { .. } => "no_such_column",
            Self::Batch { .. } => "decode_batch",
            Self::Memory { .. } | Self::LargeValue { .. } => "memory_limit",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Mismatch(reject) if reject.path == "$" && reject.column == "$" => {
                Some("`data_selector` names the array of records, which are objects".to_owned())
            }
            Self::Mismatch(reject) if let Some(suggestion) = meant(reject) => Some(format!(
                "the record has no field `{}`; {suggestion} (a column that may be null is `nullable: true`; to go on without \
                 such records, `schema_contract: {{data_type: discard_row}}` on the resource)",
                reject.path
            )),
            Self::Mismatch(reject) if reject.reason.contains("not UTF-8") => Some(
                "set the charset of the API on the endpoint, e.g. `encoding: windows-1252`, or drop such values with \
                 `schema_contract: {data_type: discard_value}` on the resource"
                    .to_owned(),
            ),
            Self::Mismatch(_) => Some(
                "fix the column in the schema (its type, or `nullable`; of an inferred one, `columns: {NAME: {data_type: …}}` \
                 on the resource, or a larger `infer_rows`, and --full-refresh), or go on without what does not fit: \
                 `schema_contract: {data_type: discard_row}` (or `discard_value`) on the resource"
                    .to_owned(),
            ),
            Self::Memory { .. } => Some("ask for smaller pages, or raise `memory_limit`".to_owned()),
            Self::LargeValue { bytes, .. } => Some(format!(
                "set `memory_limit: {}MB`, or leave the field out",
                (bytes * 9).div_ceil(1_000_000)
            )),
            Self::UndeclaredField(_) => Some(
                "declare the field as a column (without a schema, `columns: {NAME: {data_type: …}}` on the resource), or set `schema_contract: {columns: discard_value}` on the resource to ignore it"
                    .to_owned(),
            ),
            Self::Cursor { problem: CursorProblem::Missing { suggestion }, .. } => {
                let otherwise = "`on_cursor_value_missing: include` (or `exclude`) says what becomes of records without a cursor";
                Some(match suggestion {
                    Some(suggestion) => format!("{suggestion} ({otherwise})"),
                    None => otherwise.to_owned(),
                })
            }
            Self::Cursor { problem: CursorProblem::NoKey { .. }, .. } => Some(
                "set `incremental.primary_key` to fields that every record has".to_owned(),
            ),
            Self::Cursor { problem: CursorProblem::Mixed { .. }, .. } => {
                Some("values of one cursor are all numbers, all ISO 8601 dates and timestamps, or all other texts".to_owned())
            }
            Self::Cursor { problem: CursorProblem::UnsortedText { .. }, path, .. } => Some(unsorted_text_hint(path)),
            Self::Cursor { problem: CursorProblem::Order { .. }, .. } => Some(
                "set `row_order` to the order in which the API lists, have it sort (its parameters are `endpoint.params`), or leave \
                 `row_order` out: all pages are read then".to_owned(),
            ),
            _ => None,
        }
    }
}
