//! A run's result for people: a table of its resources, then what went wrong, what to look at, and how to read the tables.

use anstyle::Style;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{DecimalBytes, HumanCount};

use super::diagnostics::{CYAN, GREEN, RED, YELLOW, labelled};
use crate::report::{ResourceSummary, Status, Summary};

const HEADER: [&str; 10] =
    ["resource", "status", "written", "duplicate", "rejected", "pages", "requests", "files", "bytes", "version"];

/// The summary as text, which may hold colours. `destination` is where the tables lie, as the user wrote it.
pub fn text(summary: &Summary, destination: &str) -> String {
    let mut text = String::new();
    if !summary.resources.is_empty() {
        text += &format!("{}\n", table(summary).trim_fmt());
    }
    for resource in &summary.resources {
        text += &notes(resource, summary, destination);
    }
    text += &conclusion(summary);
    text
}

fn table(summary: &Summary) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(HEADER);
    for resource in &summary.resources {
        table.add_row(row(resource));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(resource: &ResourceSummary) -> [String; 10] {
    let count = |number: u64| HumanCount(number).to_string();
    let requests = match resource.retries {
        0 => count(resource.requests),
        1 => format!("{} (1 retry)", count(resource.requests)),
        retries => format!("{} ({} retries)", count(resource.requests), count(retries)),
    };
    [
        resource.name.clone(),
        status_text(resource),
        count(resource.rows_written),
        count(resource.rows_duplicate),
        count(resource.rows_rejected),
        count(resource.pages),
        requests,
        count(resource.files.len() as u64),
        DecimalBytes(resource.bytes_written).to_string(),
        count(resource.table_version),
    ]
}

/// `1 file`, `2 files`.
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(number), if number == 1 { "" } else { "s" })
}

/// The word for a status, as in the JSON document.
pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Incomplete => "incomplete",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
        Status::Interrupted => "interrupted",
    }
}

/// The status, with the numbers of records of one that is incomplete: `incomplete (100 of 3,000)`.
fn status_text(resource: &ResourceSummary) -> String {
    let word = status_word(resource.status);
    let Some(incomplete) = resource.incomplete.as_ref().filter(|_| resource.status == Status::Incomplete) else {
        return word.to_owned();
    };
    let received = HumanCount(incomplete.received);
    match incomplete.expected {
        Some(expected) => format!("{word} ({received} of {})", HumanCount(expected)),
        None => format!("{word} ({received} received)"),
    }
}

/// What the table has no column for.
fn notes(resource: &ResourceSummary, summary: &Summary, destination: &str) -> String {
    let about = |style: Style, label: &str, text: &str| labelled(style, label, &format!("{}: {text}", resource.name));
    let mut text = String::new();
    for note in &resource.notes {
        text += &about(CYAN, "note", note);
    }
    for warning in &resource.warnings {
        text += &about(YELLOW, "warning", warning);
    }
    if let Some(what) = rarities(resource) {
        text += &about(YELLOW, "note", &what);
    }
    if resource.rows_rejected + resource.values_discarded > 0 {
        text += &about(YELLOW, "rejects", &rejects_path(resource, summary, destination));
    }
    if let Some(error) = &resource.error {
        text += &about(RED, "error", &error.message);
        if let Some(hint) = &error.hint {
            text += &labelled(CYAN, "  hint", hint);
        }
    }
    if let Some(what) = stopped(resource, summary.status) {
        text += &about(YELLOW, "interrupted", &what);
    }
    if resource.status == Status::Ok && !resource.duckdb.is_empty() {
        text += &labelled(CYAN, "duckdb", &resource.duckdb);
    }
    text
}

/// The counters that are rarely anything but 0, so that rows never vanish without a word.
fn rarities(resource: &ResourceSummary) -> Option<String> {
    let counters = [
        (resource.values_discarded, "value", "discarded"),
        (resource.rows_filtered, "row", "filtered"),
        (resource.rows_unchanged, "row", "unchanged"),
        (resource.rows_deleted, "row", "deleted"),
    ];
    let occurred = counters.iter().filter(|(number, ..)| *number > 0);
    let told: Vec<_> = occurred.map(|(number, what, how)| format!("{} {how}", counted(*number, what))).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn rejects_path(resource: &ResourceSummary, summary: &Summary, destination: &str) -> String {
    format!("{}/{}/_restlake/rejects/{}.jsonl", destination.trim_end_matches('/'), resource.table, summary.run_id)
}

/// After a stop: whether the resource was finished or abandoned.
fn stopped(resource: &ResourceSummary, run: Status) -> Option<String> {
    match (run, resource.status) {
        (Status::Interrupted, Status::Ok) => {
            Some(format!("finished before the stop, version {}", resource.table_version))
        }
        (Status::Interrupted, Status::Interrupted) if resource.table_version > 0 => {
            let (rows, version) = (counted(resource.rows_written, "row"), resource.table_version);
            Some(format!("abandoned behind version {version}: {rows} had been committed, and stay"))
        }
        (Status::Interrupted, Status::Interrupted) => Some("abandoned, nothing of it was committed".into()),
        (Status::Interrupted, Status::Skipped) => Some("not begun".into()),
        _ => None,
    }
}

fn conclusion(summary: &Summary) -> String {
    let style = match summary.status {
        Status::Ok => GREEN,
        Status::Failed | Status::Incomplete => RED,
        Status::Skipped | Status::Interrupted => YELLOW,
    };
    let seconds = summary.elapsed_seconds;
    let text = format!("{} in {seconds:.1} s (run {})", summary.pipeline, summary.run_id);
    labelled(style, status_word(summary.status), &text)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::report::{ErrorSummary, FileSummary};

    /// A finished resource, for tests of whatever shows one.
    pub fn resource_summary(name: &str) -> ResourceSummary {
        ResourceSummary {
            name: name.into(),
            table: name.into(),
            status: Status::Ok,
            requests: 31,
            retries: 2,
            pages: 30,
            rows_fetched: 3000,
            rows_written: 2988,
            rows_duplicate: 10,
            rows_rejected: 2,
            rows_filtered: 0,
            rows_unchanged: 0,
            rows_deleted: 0,
            values_discarded: 0,
            bytes_received: 812_345,
            bytes_written: 90_211,
            files: vec![FileSummary { path: format!("{name}/part-1.parquet"), rows: 2988, bytes: 90_211 }],
            files_considered: 0,
            files_read: 0,
            files_rewritten: 0,
            table_version: 1,
            table_rows: 2988,
            cursor: None,
            complete: Some(true),
            incomplete: None,
            paging: None,
            notes: Vec::new(),
            warnings: Vec::new(),
            error: None,
            duckdb: format!("SELECT * FROM read_parquet('lake/{name}/**/*.parquet')"),
        }
    }

    fn summary(status: Status, resources: Vec<ResourceSummary>) -> Summary {
        let (pipeline, run_id) = ("test_management".to_owned(), "run-1".to_owned());
        Summary { pipeline, run_id, status, elapsed_seconds: 1.234, resources }
    }

    fn plain(summary: &Summary) -> String {
        anstream::adapter::strip_str(&text(summary, "s3://bucket/lake/")).to_string()
    }

    #[test]
    fn a_run_is_a_table_then_warnings_rejects_and_the_line_for_duckdb() {
        let mut resource = resource_summary("test_cases");
        resource.warnings.push("the total shrank while reading".into());
        resource.values_discarded = 4;
        insta::assert_snapshot!(plain(&summary(Status::Ok, vec![resource])), @r"
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────
         resource     status   written   duplicate   rejected   pages         requests   files      bytes   version
        ════════════════════════════════════════════════════════════════════════════════════════════════════════════
         test_cases   ok         2,988          10          2      30   31 (2 retries)       1   90.21 kB         1
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────
        warning: test_cases: the total shrank while reading
        note: test_cases: 4 values discarded
        rejects: test_cases: s3://bucket/lake/test_cases/_restlake/rejects/run-1.jsonl
        duckdb: SELECT * FROM read_parquet('lake/test_cases/**/*.parquet')
        ok: test_management in 1.2 s (run run-1)
        ");
    }

    #[test]
    fn a_failed_resource_says_why_and_what_to_do_and_not_how_to_read_it() {
        let mut failed = resource_summary("suites");
        failed.status = Status::Failed;
        failed.rows_rejected = 0;
        let hint = Some("check the api_key".to_owned());
        failed.error = Some(ErrorSummary { code: "http_status".into(), message: "401 from /suites".into(), hint });
        let text = plain(&summary(Status::Failed, vec![failed]));
        assert!(text.contains("error: suites: 401 from /suites\n  hint: check the api_key\n"), "{text}");
        assert!(!text.contains("duckdb") && !text.contains("rejects:"), "{text}");
    }

    #[test]
    fn after_a_stop_every_resource_says_whether_it_was_finished_or_abandoned() {
        let with = |name, status| ResourceSummary { status, ..resource_summary(name) };
        let nothing = ResourceSummary { table_version: 0, rows_written: 0, ..with("b", Status::Interrupted) };
        let windows = with("d", Status::Interrupted);
        let resources = vec![with("a", Status::Ok), nothing, with("c", Status::Skipped), windows];
        let text = plain(&summary(Status::Interrupted, resources));
        for line in [
            "a: finished before the stop, version 1",
            "b: abandoned, nothing of it",
            "c: not begun",
            "d: abandoned behind version 1: 2,988 rows had been committed, and stay",
        ] {
            assert!(text.contains(&format!("interrupted: {line}")), "{line} in {text}");
        }
    }

    #[test]
    fn the_words_for_a_status_are_those_of_the_json_document() {
        for status in [Status::Ok, Status::Incomplete, Status::Failed, Status::Skipped, Status::Interrupted] {
            assert_eq!(serde_json::to_value(status).unwrap(), status_word(status));
        }
    }
}
