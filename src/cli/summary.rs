//! A run's result for people: a table of its resources, then what went wrong, what to look at, and how to read the tables.

use anstyle::Style;
use indicatif::{DecimalBytes, HumanCount};

use super::{
    diagnostics::{CYAN, GREEN, RED, YELLOW, labelled},
    grid,
    visible::foreign,
};
use crate::report::{RejectKind, ResourceSummary, Status, Summary, counted};

/// Columns of a terminal that the table keeps to, where names allow it.
const WIDTH: usize = 80;

/// Groups of rejects that are shown.
const MOST_REJECTS: usize = 10;

/// The column that `new` and `replaced` take the place of where all resources have these numbers.
const WRITTEN: &str = "written";

/// A column of numbers; one that is zero for all resources is left out.
struct Column {
    heading: &'static str,
    cell: fn(&ResourceSummary) -> u64,
    is_size: bool,
    /// The highest goes first where the table is too wide.
    rank: u8,
}

const fn column(heading: &'static str, rank: u8, cell: fn(&ResourceSummary) -> u64) -> Column {
    Column { heading, cell, is_size: false, rank }
}

/// In the order of the table. `new` and `replaced` are the written rows of a merge by key, where the numbers are known;
/// a replaced row came again, changed or not.
const COLUMNS: [Column; 13] = [
    column(WRITTEN, 0, |resource| resource.rows_written),
    column("new", 0, |resource| resource.details.new_rows.unwrap_or_default()),
    column("replaced", 0, |resource| {
        resource.details.new_rows.map_or(0, |new| resource.rows_written.saturating_sub(new))
    }),
    column("unchanged", 1, |resource| resource.rows_unchanged),
    column("deleted", 1, |resource| resource.rows_deleted),
    column("duplicate", 2, |resource| resource.rows_duplicate),
    column("rejected", 1, |resource| resource.rows_rejected),
    column("in table", 0, |resource| resource.table_rows),
    column("pages", 6, |resource| resource.pages),
    column("requests", 3, |resource| resource.requests),
    column("retries", 4, |resource| resource.retries),
    column("files", 5, |resource| resource.files.len() as u64),
    Column { is_size: true, ..column("size", 7, |resource| resource.bytes_written) },
];

impl Column {
    fn is_empty(&self, summary: &Summary) -> bool {
        summary.resources.iter().all(|resource| (self.cell)(resource) == 0)
    }

    fn text(&self, resource: &ResourceSummary) -> String {
        let number = (self.cell)(resource);
        if self.is_size { DecimalBytes(number).to_string() } else { HumanCount(number).to_string() }
    }
}

/// The summary as text, which may hold colours. `destination` is where the tables lie, as the user wrote it.
pub fn text(summary: &Summary, destination: &str) -> String {
    let mut text = String::new();
    let columns = columns(summary);
    if !summary.resources.is_empty() {
        text += &coloured(&table(summary, &columns), summary);
    }
    for resource in &summary.resources {
        text += &notes(resource, summary, destination, &columns);
    }
    text += &conclusion(summary);
    text
}

/// The columns that say something, as many of them as have room.
fn columns(summary: &Summary) -> Vec<&'static Column> {
    let is_split = summary.resources.iter().all(|resource| resource.details.new_rows.is_some());
    let is_needed = |column: &&Column| !(column.is_empty(summary) || is_split && column.heading == WRITTEN);
    let mut columns: Vec<_> = COLUMNS.iter().filter(is_needed).collect();
    while width(summary, &columns) > WIDTH {
        let widest = columns.iter().map(|column| column.rank).max().filter(|rank| *rank > 0);
        let Some(rank) = widest else { break };
        columns.retain(|column| column.rank != rank);
    }
    columns
}

fn width(summary: &Summary, columns: &[&Column]) -> usize {
    let table = table(summary, columns);
    table.lines().map(|line| line.chars().filter(|c| *c != MARK).count()).max().unwrap_or_default()
}

/// Marks both ends of a status until the table is laid out. It has no width, as colours would.
const MARK: char = '\u{200b}';

fn table(summary: &Summary, columns: &[&Column]) -> String {
    let headings = ["resource", "status"].into_iter().chain(columns.iter().map(|column| column.heading));
    let rows = summary.resources.iter().map(|resource| {
        let cells = columns.iter().map(|column| column.text(resource));
        [foreign(&resource.name).into_owned(), format!("{MARK}{}{MARK}", status_text(resource))]
            .into_iter()
            .chain(cells)
            .collect()
    });
    grid::of(headings.map(str::to_owned).collect(), 2, rows)
}

fn coloured(table: &str, summary: &Summary) -> String {
    let mut statuses = summary.resources.iter().map(|resource| style(resource.status));
    let mut pieces = table.split(MARK);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    while let (Some(status), Some(rest)) = (pieces.next(), pieces.next()) {
        let style = statuses.next().unwrap_or_default();
        text += &format!("{style}{status}{style:#}{rest}");
    }
    text
}

fn style(status: Status) -> Style {
    match status {
        Status::Ok => GREEN,
        Status::Failed | Status::Incomplete => RED,
        Status::Skipped | Status::Interrupted => YELLOW,
    }
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
fn notes(resource: &ResourceSummary, summary: &Summary, destination: &str, columns: &[&Column]) -> String {
    let about = |style: Style, label: &str, text: &str| labelled(style, label, &named(resource, text));
    let mut text = String::new();
    for note in &resource.notes {
        text += &about(CYAN, "note", note);
    }
    for warning in &resource.warnings {
        text += &about(YELLOW, "warning", warning);
    }
    if let Some(what) = rarities(resource, columns) {
        text += &about(CYAN, "note", &what);
    }
    for line in reject_sums(&resource.details.rejects) {
        text += &about(YELLOW, "rejects", &line);
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

/// A text about a resource, which may name it already.
pub fn named(resource: &ResourceSummary, text: &str) -> String {
    let quoted = format!("resource `{}`", resource.name);
    let is_named = [&resource.name, &resource.table, &quoted]
        .iter()
        .any(|name| text.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with([':', ','])));
    if is_named { text.to_owned() } else { format!("{}: {text}", resource.name) }
}

/// The counters that the table has no column for, so that rows never vanish without a word.
fn rarities(resource: &ResourceSummary, columns: &[&Column]) -> Option<String> {
    let counters = [
        ("", resource.values_discarded, "value", "discarded"),
        ("", resource.rows_filtered, "row", "filtered"),
        ("unchanged", resource.rows_unchanged, "row", "unchanged"),
        ("deleted", resource.rows_deleted, "row", "deleted"),
        ("duplicate", resource.rows_duplicate, "row", "duplicate"),
        ("rejected", resource.rows_rejected, "row", "rejected"),
    ];
    let is_shown = |heading: &str| columns.iter().any(|column| column.heading == heading);
    let occurred = counters.iter().filter(|(heading, number, ..)| *number > 0 && !is_shown(heading));
    let told: Vec<_> = occurred
        .map(|(_, number, what, how)| match *how {
            "filtered" => filtered(*number, resource.details.rows_at_boundary),
            how => format!("{} {how}", counted(*number, what)),
        })
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Describes the filtered rows. Those at the cursor's boundary come again with each run, whose range begins where the one before
/// ended.
fn filtered(rows: u64, at_boundary: u64) -> String {
    let text = format!("{} filtered", counted(rows, "row"));
    match (at_boundary, rows == at_boundary) {
        (0, _) => text,
        (1, true) => format!("{text} (at the cursor's boundary: an earlier run has loaded it)"),
        (_, true) => format!("{text} (at the cursor's boundary: an earlier run has loaded them)"),
        (some, false) => {
            format!("{text} ({} of them at the cursor's boundary: loaded by an earlier run)", HumanCount(some))
        }
    }
}

/// The groups with the most rejects first: `2 in column `price` (expected int64): it is not a whole number`.
fn reject_sums(rejects: &[(RejectKind, u64)]) -> Vec<String> {
    let mut groups: Vec<_> = rejects.iter().collect();
    groups.sort_by(|(a, first), (b, second)| second.cmp(first).then(a.cmp(b)));
    let line = |(kind, count): &&(RejectKind, u64)| {
        let RejectKind { column, expected, reason } = kind;
        let place = if column.is_empty() { String::new() } else { format!(" in column `{column}`") };
        // Of an undeclared field, the reason says it.
        let expected = match expected.as_str() {
            "" | "no such column" => String::new(),
            expected => format!(" (expected {expected})"),
        };
        format!("{}{place}{expected}: {reason}", HumanCount(*count))
    };
    let mut lines: Vec<_> = groups.iter().take(MOST_REJECTS).map(line).collect();
    let more = groups.len().saturating_sub(MOST_REJECTS) as u64;
    if more > 0 {
        lines.push(format!("and {} more", counted(more, "kind")));
    }
    lines
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
    let style = style(summary.status);
    let seconds = summary.elapsed_seconds;
    let text = format!("{} in {seconds:.1} s (run {})", summary.pipeline, summary.run_id);
    labelled(style, status_word(summary.status), &text)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::report::{Details, ErrorSummary, FileSummary};

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
            details: Details::default(),
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
        resource.details.rejects = vec![(kind("price", "it is not a whole number"), 5), (kind("id", "found null"), 1)];
        insta::assert_snapshot!(plain(&summary(Status::Ok, vec![resource])), @r###"
        ────────────────────────────────────────────────────────────────────────────
         resource     status   written   duplicate   rejected   in table   requests
        ════════════════════════════════════════════════════════════════════════════
         test_cases   ok         2,988          10          2      2,988         31
        ────────────────────────────────────────────────────────────────────────────
        warning: test_cases: the total shrank while reading
        note: test_cases: 4 values discarded
        rejects: test_cases: 5 in column `price` (expected int64): it is not a whole number
        rejects: test_cases: 1 in column `id` (expected int64): found null
        rejects: test_cases: s3://bucket/lake/test_cases/_restlake/rejects/run-1.jsonl
        duckdb: SELECT * FROM read_parquet('lake/test_cases/**/*.parquet')
        ok: test_management in 1.2 s (run run-1)
        "###);
    }

    fn kind(column: &str, reason: &str) -> RejectKind {
        RejectKind { column: column.into(), expected: "int64".into(), reason: reason.into() }
    }

    #[test]
    fn a_merge_shows_new_replaced_and_unchanged_rows_and_no_column_of_zeros() {
        let mut merged = resource_summary("test_cases");
        (merged.rows_duplicate, merged.rows_rejected, merged.retries) = (0, 0, 0);
        (merged.table_rows, merged.details.new_rows, merged.rows_unchanged) = (12_345, Some(988), 12);
        insta::assert_snapshot!(plain(&summary(Status::Ok, vec![merged])), @r###"
        ────────────────────────────────────────────────────────────────────────────────
         resource     status   new   replaced   unchanged   in table   requests   files
        ════════════════════════════════════════════════════════════════════════════════
         test_cases   ok       988      2,000          12     12,345         31       1
        ────────────────────────────────────────────────────────────────────────────────
        duckdb: SELECT * FROM read_parquet('lake/test_cases/**/*.parquet')
        ok: test_management in 1.2 s (run run-1)
        "###);
    }

    #[test]
    fn the_table_fits_80_columns_and_what_has_no_column_is_told() {
        let mut wide = resource_summary("a_resource_with_a_name_of_forty_letters_");
        (wide.rows_unchanged, wide.rows_deleted) = (1_000_000, 7);
        let text = plain(&summary(Status::Ok, vec![wide]));
        let table = text.lines().take_while(|line| !line.starts_with("note"));
        assert!(table.map(|line| line.chars().count()).max().unwrap() <= 80, "{text}");
        for told in ["1,000,000 rows unchanged", "7 rows deleted", "10 rows duplicate", "2 rows rejected"] {
            let is_column = text.lines().nth(1).unwrap().contains(told.rsplit(' ').next().unwrap());
            assert!(is_column || text.contains(told), "{told} in {text}");
        }
    }

    #[test]
    fn a_name_is_not_said_twice() {
        let mut orders = resource_summary("orders");
        orders.warnings = vec![
            "orders: rows moved".into(),
            "orders, page 3: a field".into(),
            "resource `orders`, page 3: a value".into(),
            "ordersx: other".into(),
        ];
        let text = plain(&summary(Status::Ok, vec![orders]));
        for line in [
            "warning: orders: rows moved",
            "warning: orders, page 3: a field",
            "warning: resource `orders`, page 3: a value",
            "warning: orders: ordersx: other",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }

    #[test]
    fn filtered_rows_at_the_boundary_are_told_to_be_those() {
        let line = |rows, at_boundary| filtered(rows, at_boundary);
        assert_eq!(line(1, 1), "1 row filtered (at the cursor's boundary: an earlier run has loaded it)");
        assert_eq!(line(3, 1), "3 rows filtered (1 of them at the cursor's boundary: loaded by an earlier run)");
        assert_eq!(line(2, 0), "2 rows filtered");
    }

    #[test]
    fn a_status_is_coloured_and_takes_no_more_room_for_it() {
        let resources =
            vec![resource_summary("a"), ResourceSummary { status: Status::Failed, ..resource_summary("b") }];
        let text = text(&summary(Status::Failed, resources), "lake");
        assert!(
            text.contains(&format!("{GREEN}ok{GREEN:#}")) && text.contains(&format!("{RED}failed{RED:#}")),
            "{text:?}"
        );
        assert!(!text.contains(MARK), "{text:?}");
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
