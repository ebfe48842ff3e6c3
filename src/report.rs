//! What a run tells while it goes on, and what it says at its end. No terminal code: [`Reporter`] is the only way out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Hears what happens. Called from several threads; must not block.
pub trait Reporter: Send + Sync {
    fn on_event(&self, _event: &Event<'_>) {}
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {}

/// One thing that happened. URLs and texts in it are redacted already.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    ResourceStarted {
        resource: &'a str,
    },
    /// The source told how much there is; told again when it changes.
    TotalKnown {
        resource: &'a str,
        rows: Option<u64>,
        pages: Option<u64>,
    },
    PageFetched {
        resource: &'a str,
        page: u64,
        rows: u64,
        bytes: u64,
    },
    RequestRetried {
        resource: &'a str,
        url: &'a str,
        attempt: u32,
        delay: Duration,
        reason: &'a str,
    },
    /// A request is held back for some seconds: by `rate_limit`, by the server's quota, or because the server asked for it.
    RequestDelayed {
        resource: &'a str,
        delay: Duration,
        reason: &'a str,
    },
    FileStaged {
        resource: &'a str,
        path: &'a str,
        rows: u64,
        bytes: u64,
    },
    /// All pages are in; what remains is the commit.
    Committing {
        resource: &'a str,
    },
    Warning {
        resource: &'a str,
        message: &'a str,
    },
    /// Worth knowing, and nothing to mend.
    Note {
        resource: &'a str,
        message: &'a str,
    },
    ResourceFinished {
        summary: &'a ResourceSummary,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    /// More records are known to exist than were received.
    Incomplete,
    Failed,
    Skipped,
    Interrupted,
}

/// The result of a run: what `restlake run --output json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub pipeline: String,
    pub run_id: String,
    pub status: Status,
    pub elapsed_seconds: f64,
    pub resources: Vec<ResourceSummary>,
}

/// The result of one resource. `rows_fetched` is the sum of written, duplicate, rejected, filtered and unchanged.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceSummary {
    pub name: String,
    pub table: String,
    pub status: Status,
    pub requests: u64,
    pub retries: u64,
    pub pages: u64,
    pub rows_fetched: u64,
    pub rows_written: u64,
    pub rows_duplicate: u64,
    pub rows_rejected: u64,
    pub rows_filtered: u64,
    pub rows_unchanged: u64,
    pub rows_deleted: u64,
    pub values_discarded: u64,
    pub bytes_received: u64,
    pub bytes_written: u64,
    pub files: Vec<FileSummary>,
    /// Files of the table that a merge had to think about: all of the version it began with.
    pub files_considered: u64,
    /// Of them, those whose keys were read: neither statistics nor Bloom filters ruled them out.
    pub files_read: u64,
    /// Of them, those that were written again without superseded rows or for another schema, or whose rows were all superseded.
    /// An append tells those that it wrote again for another schema.
    pub files_rewritten: u64,
    pub table_version: u64,
    pub table_rows: u64,
    pub cursor: Option<serde_json::Value>,
    /// True if it is proved that all records came, false if more are known to exist, `None` if nothing shows the end.
    pub complete: Option<bool>,
    /// Where `complete` is false.
    pub incomplete: Option<Incomplete>,
    /// How the resource was paged; `None` if no page came.
    pub paging: Option<Paging>,
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    pub error: Option<ErrorSummary>,
    /// The line with which DuckDB reads the table, partition types included.
    pub duckdb: String,
    /// For people: no part of the document.
    #[serde(skip)]
    pub details: Details,
}

/// Facts that only the text of a summary has.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Rows of a merge whose keys the table did not have; `None` if unknown.
    pub new_rows: Option<u64>,
    /// Filtered records at the cursor's boundary, which an earlier run has loaded.
    pub rows_at_boundary: u64,
    pub rejects: Vec<(RejectKind, u64)>,
}

/// Rejects that have all but their values in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectKind {
    pub column: String,
    pub expected: String,
    pub reason: String,
}

/// What is known of the records that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    pub reason: String,
    /// Records received, those that came twice counted once.
    pub received: u64,
    /// Records that exist, where a total says so.
    pub expected: Option<u64>,
}

/// Where a resource's records are, and how its pages follow each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paging {
    /// The `data_selector`; `None` as long as it is unknown.
    pub records: Option<String>,
    /// The paginator as the config writes it; `None` as long as it is unknown.
    pub paginator: Option<serde_json::Value>,
    /// Whether one of the two was detected from the answers.
    pub detected: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct FileSummary {
    /// Relative to the destination.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct ErrorSummary {
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

/// Returns a number with its noun, e.g. `1 row` and `3,000 rows`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number as people read it, e.g. `3,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([1, 999, 1_000, 1_234_567].map(grouped), ["1", "999", "1,000", "1,234,567"]);
    }
}
