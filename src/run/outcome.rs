//! From what happened to the summary.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::masked::masked;
use crate::{
    commit::TableSnapshot,
    error::{Error, ErrorKind},
    fetch::{PageSource, Suspicion, Verdict},
    model::{DataFile, Reject},
    plan::{
        CursorState, Learned, MergeStrategy, ResourcePlan, TableFormatKind, WriteDisposition,
        reader::{duckdb, renamed_partitions},
    },
    report::{Details, ErrorSummary, FileSummary, Paging, RejectKind, ResourceSummary, Status, Summary},
    schema::TableSchema,
    secret::Redactor,
    store::Destination,
};

/// The result of a run: the summary for people and scripts, the kinds of all failures for the exit code.
#[derive(Debug)]
pub struct Outcome {
    pub summary: Summary,
    /// Of each resource that failed; empty if none did.
    pub kinds: Vec<ErrorKind>,
    /// By resource, the schema of each table that was committed to.
    pub schemas: Vec<(String, TableSchema)>,
}

/// How one resource ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) summary: ResourceSummary,
    /// That of the table, if something was committed.
    pub(super) schema: Option<TableSchema>,
    pub(super) kind: Option<ErrorKind>,
    /// Its table could not be opened.
    pub(super) is_unopened: bool,
}

/// What a merge counted; all zero where nothing is merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Merge {
    pub(super) rows_unchanged: u64,
    pub(super) rows_deleted: u64,
    pub(super) files_considered: u64,
    pub(super) files_read: u64,
    pub(super) files_rewritten: u64,
}

impl Merge {
    fn add(&mut self, part: Self) {
        self.rows_unchanged += part.rows_unchanged;
        self.rows_deleted += part.rows_deleted;
        self.files_considered += part.files_considered;
        self.files_read += part.files_read;
        self.files_rewritten += part.files_rewritten;
    }
}

/// What was counted while a resource was exported, whether it was committed or not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) requests: u64,
    pub(super) retries: u64,
    pub(super) pages: u64,
    pub(super) bytes_received: u64,
    pub(super) rows_fetched: u64,
    pub(super) rows_rejected: u64,
    pub(super) rows_duplicate: u64,
    pub(super) rows_filtered: u64,
    /// Of what a merge found in the table.
    #[serde(skip)]
    pub(super) merged: Merge,
    pub(super) values_discarded: u64,
    /// Of `rows_filtered`: records at the cursor's boundary, which an earlier run has loaded.
    #[serde(skip)]
    pub(super) rows_at_boundary: u64,
    /// Rejects by column, expected type and reason.
    #[serde(skip)]
    pub(super) rejects: BTreeMap<RejectKind, u64>,
    pub(super) warnings: Vec<String>,
    #[serde(default)]
    pub(super) notes: Vec<String>,
    /// `None` as long as no page sequence has ended.
    #[serde(skip)]
    pub(super) verdict: Option<Verdict>,
    #[serde(skip)]
    pub(super) suspicion: Option<Suspicion>,
    /// The result set was read again, and both passes had the same pages.
    #[serde(skip)]
    pub(super) passes_agree: bool,
    /// The result set was read more than once.
    #[serde(skip)]
    pub(super) was_read_again: bool,
    /// The total that counts, and the records received against it.
    #[serde(skip)]
    pub(super) total: Option<(u64, u64)>,
    #[serde(skip)]
    pub(super) paging: Option<Paging>,
    #[serde(skip)]
    pub(super) learned: Option<Learned>,
    /// Why the pages may not be all that the source has.
    #[serde(skip)]
    pub(super) shortfall: Option<String>,
    /// A checkpoint holds all that came, and a run that resumes it reads only the incomplete lists again.
    #[serde(skip)]
    pub(super) retries_lists: bool,
    /// Whether answers were ignored that were to be pages.
    #[serde(skip)]
    pub(super) has_ignored: bool,
    /// What a run that died had sent, as it told in the checkpoint that this one goes on from.
    #[serde(skip)]
    pub(super) earlier: Sent,
    /// What the run has committed before it came to what it is at.
    #[serde(skip)]
    pub(super) committed: Option<Box<Committed>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sent {
    requests: u64,
    retries: u64,
    bytes_received: u64,
}

impl Counters {
    pub(super) fn count_reject(&mut self, reject: &Reject) {
        let Reject { column, expected, reason, .. } = reject;
        let kind = RejectKind { column: column.clone(), expected: expected.clone(), reason: reason.clone() };
        *self.rejects.entry(kind).or_default() += 1;
    }

    /// Goes on counting where a run that died had come to.
    pub(super) fn resume(dead: Self, own: Self) -> Self {
        let earlier = Sent {
            requests: dead.requests + own.earlier.requests,
            retries: dead.retries + own.earlier.retries,
            bytes_received: dead.bytes_received + own.earlier.bytes_received,
        };
        let warnings = [dead.warnings, own.warnings].concat();
        let notes = [dead.notes, own.notes].concat();
        Self { earlier, warnings, notes, rejects: own.rejects, rows_at_boundary: own.rows_at_boundary, ..dead }
    }

    pub(super) fn take(&mut self, pages: &dyn PageSource) {
        let counters = pages.counters();
        self.requests = self.earlier.requests + counters.requests;
        self.retries = self.earlier.retries + counters.retries;
        self.pages = counters.pages;
        self.bytes_received = self.earlier.bytes_received + counters.bytes_received;
        let findings = pages.findings();
        self.warnings.extend_from_slice(&findings.warnings);
        self.notes.extend_from_slice(&findings.notes);
        self.verdict = Some(findings.verdict.clone());
        self.suspicion.clone_from(&findings.suspicion);
        self.passes_agree = findings.passes_agree;
        self.was_read_again = findings.was_read_again;
        self.total = findings.total;
        self.paging = findings.paging.clone().or(self.paging.take());
        self.learned = findings.learned.clone().or(self.learned.take());
        self.shortfall.clone_from(&findings.shortfall);
        self.has_ignored |= findings.has_ignored;
    }

    /// Adds what another part of the run has counted.
    pub(super) fn add(&mut self, part: Self) {
        self.requests += part.requests;
        self.retries += part.retries;
        self.pages += part.pages;
        self.bytes_received += part.bytes_received;
        self.rows_fetched += part.rows_fetched;
        self.rows_rejected += part.rows_rejected;
        self.rows_duplicate += part.rows_duplicate;
        self.rows_filtered += part.rows_filtered;
        self.values_discarded += part.values_discarded;
        self.rows_at_boundary += part.rows_at_boundary;
        for (kind, count) in part.rejects {
            *self.rejects.entry(kind).or_default() += count;
        }
        self.merged.add(part.merged);
        let news = part.warnings.into_iter().filter(|warning| !self.warnings.contains(warning)).collect::<Vec<_>>();
        self.warnings.extend(news);
        let news = part.notes.into_iter().filter(|note| !self.notes.contains(note)).collect::<Vec<_>>();
        self.notes.extend(news);
        self.verdict = match (self.verdict.take(), part.verdict) {
            (Some(Verdict::Complete) | None, later) => later,
            (known, None | Some(Verdict::Complete | Verdict::Unproven)) => known,
            (Some(Verdict::Unproven), later) => later,
            (known, Some(Verdict::Incomplete(_))) => known,
        };
        self.suspicion = self.suspicion.take().or(part.suspicion);
        self.paging = self.paging.take().or(part.paging);
        self.learned = self.learned.take().or(part.learned);
    }

    /// Requests whose pages nobody takes any more.
    pub(super) fn add_vain(&mut self, pages: &dyn PageSource) {
        let counters = pages.counters();
        self.requests += counters.requests;
        self.retries += counters.retries;
        self.bytes_received += counters.bytes_received;
    }

    /// What was fetched for the resource before its own pages.
    pub(super) fn add_earlier(&mut self, pages: &dyn PageSource) {
        let counters = pages.counters();
        self.earlier.requests += counters.requests;
        self.earlier.retries += counters.retries;
        self.earlier.bytes_received += counters.bytes_received;
        self.count_earlier();
        self.warnings.extend_from_slice(&pages.findings().warnings);
        self.notes.extend_from_slice(&pages.findings().notes);
    }

    fn count_earlier(&mut self) {
        (self.requests, self.retries) = (self.earlier.requests, self.earlier.retries);
        self.bytes_received = self.earlier.bytes_received;
    }

    /// With what has gone over the wire until now.
    pub(super) fn with_requests(&self, pages: &dyn PageSource) -> Self {
        let mut counters = self.clone();
        counters.take(pages);
        counters
    }

    /// What a commit tells of the run that made it.
    pub(super) fn take_named(&mut self, named: &BTreeMap<String, u64>) {
        let count = |name: &str| named.get(name).copied().unwrap_or_default();
        self.requests = count("requests");
        self.retries = count("retries");
        self.pages = count("pages");
        self.bytes_received = count("bytes_received");
        self.rows_fetched = count("rows_fetched");
        self.rows_rejected = count("rows_rejected");
        self.rows_duplicate = count("rows_duplicate");
        self.rows_filtered = count("rows_filtered");
        self.values_discarded = count("values_discarded");
    }

    /// Rows that an append writes: older files that it adapts to its schema are added too, and are not counted.
    pub(super) fn rows_appended(&self) -> u64 {
        self.rows_fetched.saturating_sub(self.rows_duplicate + self.rows_rejected + self.rows_filtered)
    }

    /// By the names of the summary, for the commit's record of the run that made it.
    pub(super) fn named(&self) -> BTreeMap<String, u64> {
        let counters = [
            ("requests", self.requests),
            ("retries", self.retries),
            ("pages", self.pages),
            ("bytes_received", self.bytes_received),
            ("rows_fetched", self.rows_fetched),
            ("rows_rejected", self.rows_rejected),
            ("rows_duplicate", self.rows_duplicate),
            ("rows_filtered", self.rows_filtered),
            ("rows_unchanged", self.merged.rows_unchanged),
            ("rows_deleted", self.merged.rows_deleted),
            ("values_discarded", self.values_discarded),
        ];
        counters.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

/// What a commit made of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Committed {
    pub(super) version: u64,
    pub(super) table_rows: u64,
    /// Rows of the version that the run began with; `None` if unknown.
    pub(super) rows_before: Option<u64>,
    /// Rows of the run itself: files that were written again are in `files`, their rows are not counted here.
    pub(super) rows_written: u64,
    pub(super) files: Vec<DataFile>,
    /// The table's cursor, as its state has it.
    pub(super) cursor: Option<serde_json::Value>,
    /// The resource with the columns that the table has now.
    pub(super) plan: Option<Box<ResourcePlan>>,
}

impl Committed {
    /// A table as it is, to which nothing was added.
    pub(super) fn of(table: &TableSnapshot, plan: &ResourcePlan) -> Self {
        Self {
            version: table.version,
            table_rows: table.rows,
            rows_before: None,
            rows_written: 0,
            files: Vec::new(),
            cursor: table.state.cursor.clone(),
            plan: Some(Box::new(plan.clone())),
        }
    }
}

impl Outcome {
    pub(super) fn new(pipeline: String, run_id: String, elapsed: Duration, ended: Vec<Ended>) -> Self {
        let kinds: Vec<ErrorKind> = ended.iter().filter_map(|ended| ended.kind).collect();
        let status = match kinds.as_slice() {
            [] => Status::Ok,
            kinds if kinds.contains(&ErrorKind::Interrupted) => Status::Interrupted,
            kinds if kinds.iter().all(|kind| *kind == ErrorKind::Incomplete) => Status::Incomplete,
            _ => Status::Failed,
        };
        let schema = |ended: &Ended| Some((ended.summary.name.clone(), ended.schema.clone()?));
        let schemas = ended.iter().filter_map(schema).collect();
        let resources = ended.into_iter().map(|ended| ended.summary).collect();
        let summary = Summary { pipeline, run_id, status, elapsed_seconds: elapsed.as_secs_f64(), resources };
        Self { summary, kinds, schemas }
    }
}

impl Ended {
    pub(super) fn committed(
        resource: &ResourcePlan,
        counters: &Counters,
        committed: Committed,
        destination: &Destination,
        format: TableFormatKind,
    ) -> Self {
        let resource = committed.plan.as_deref().unwrap_or(resource);
        let mut summary = summary(resource, Status::Ok, counters);
        tell(&mut summary, &committed);
        summary.details.new_rows = new_rows(resource, counters, &committed);
        // Nobody reads a table that was not made.
        if committed.version > 0 {
            summary.duckdb = duckdb(destination, format, resource).unwrap_or_default();
            summary.notes.extend(renamed_partitions(format, resource));
        }
        let schema = Some(resource.schema.clone()).filter(|schema| !schema.columns.is_empty());
        Self { summary, schema, kind: None, is_unopened: false }
    }

    pub(super) fn failed(resource: &ResourcePlan, counters: &Counters, error: &Error, redactor: &Redactor) -> Self {
        let error = masked(error, redactor);
        let status = match error.kind() {
            ErrorKind::Interrupted => Status::Interrupted,
            ErrorKind::Incomplete => Status::Incomplete,
            _ => Status::Failed,
        };
        let mut summary = summary(resource, status, counters);
        if let Some(committed) = &counters.committed {
            tell(&mut summary, committed);
        }
        summary.error =
            Some(ErrorSummary { code: error.code().to_owned(), message: error.to_string(), hint: error.hint() });
        Self { summary, schema: None, kind: Some(error.kind()), is_unopened: false }
    }

    /// The same after a failure that leaves the table as another run made it.
    pub(super) fn of_table(mut self, table: &TableSnapshot) -> Self {
        if self.summary.table_version == 0 {
            self.summary.table_version = table.version;
            self.summary.table_rows = table.rows;
            self.summary.cursor = table.state.cursor.as_ref().map(CursorState::shown);
        }
        self
    }

    /// As the config wants it.
    pub(super) fn left_out(resource: &ResourcePlan) -> Self {
        Self {
            summary: summary(resource, Status::Skipped, &Counters::default()),
            schema: None,
            kind: None,
            is_unopened: false,
        }
    }

    pub(super) fn skipped(resource: &ResourcePlan) -> Self {
        let summary = summary(resource, Status::Skipped, &Counters::default());
        Self { summary, schema: None, kind: Some(ErrorKind::Interrupted), is_unopened: false }
    }
}

fn tell(summary: &mut ResourceSummary, committed: &Committed) {
    summary.rows_written = committed.rows_written;
    summary.bytes_written = committed.files.iter().map(|file| file.bytes).sum();
    summary.table_version = committed.version;
    summary.table_rows = committed.table_rows;
    summary.files = committed.files.iter().map(|file| file_summary(&summary.table, file)).collect();
    summary.cursor = committed.cursor.as_ref().map(CursorState::shown);
}

/// Rows of a merge whose keys the table did not have; `None` where the others are not rows of known keys.
fn new_rows(resource: &ResourcePlan, counters: &Counters, committed: &Committed) -> Option<u64> {
    let is_by_key = match resource.merge.strategy {
        MergeStrategy::Upsert | MergeStrategy::InsertOnly => true,
        MergeStrategy::DeleteInsert => resource.merge.merge_key.is_empty(),
        MergeStrategy::Scd2(_) => false,
    };
    if resource.write_disposition != WriteDisposition::Merge || !is_by_key {
        return None;
    }
    let after = committed.table_rows.checked_add(counters.merged.rows_deleted)?;
    after.checked_sub(committed.rows_before?).filter(|new| *new <= committed.rows_written)
}

fn file_summary(table: &str, file: &DataFile) -> FileSummary {
    FileSummary { path: format!("{table}/{}", file.path), rows: file.rows, bytes: file.bytes }
}

fn summary(resource: &ResourcePlan, status: Status, counters: &Counters) -> ResourceSummary {
    let (complete, incomplete) = match &counters.verdict {
        Some(Verdict::Complete) => (Some(true), None),
        Some(Verdict::Incomplete(incomplete)) => (Some(false), Some(incomplete.clone())),
        Some(Verdict::Unproven) | None => (None, None),
    };
    ResourceSummary {
        name: resource.name.clone(),
        table: resource.table.clone(),
        status,
        requests: counters.requests,
        retries: counters.retries,
        pages: counters.pages,
        rows_fetched: counters.rows_fetched,
        rows_written: 0,
        rows_duplicate: counters.rows_duplicate,
        rows_rejected: counters.rows_rejected,
        rows_filtered: counters.rows_filtered,
        rows_unchanged: counters.merged.rows_unchanged,
        rows_deleted: counters.merged.rows_deleted,
        values_discarded: counters.values_discarded,
        bytes_received: counters.bytes_received,
        bytes_written: 0,
        files: Vec::new(),
        files_considered: counters.merged.files_considered,
        files_read: counters.merged.files_read,
        files_rewritten: counters.merged.files_rewritten,
        table_version: 0,
        table_rows: 0,
        cursor: None,
        complete,
        incomplete,
        paging: counters.paging.clone(),
        notes: counters.notes.clone(),
        // What the plan warns of, `check` has said: here stands what came up on the way.
        warnings: counters.warnings.clone(),
        error: None,
        duckdb: String::new(),
        details: Details {
            new_rows: None,
            rows_at_boundary: counters.rows_at_boundary,
            rejects: counters.rejects.clone().into_iter().collect(),
        },
    }
}
