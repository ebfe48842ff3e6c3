//! One resource: its table is opened, its pages go through the stages, what came of them is committed.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::{
    begin::{Beginning, Begun},
    change::Work,
    claims::{self, Claims},
    cursor, evolving,
    family::Family,
    inferring::Start,
    outcome::{Committed, Counters, Ended},
    rows::Rows,
    span::{Marks, Span},
    verdict,
};
use crate::{
    commit::{self, DiedAfterCommit, RunRecord, TableFormat},
    environment::Environment,
    error::{Error, ErrorKind, Result, chain},
    fetch::{Client, Verdict},
    model::TableIdentity,
    plan::{ClientPlan, OnIncomplete, ResourcePlan, TableFormatKind, WriteDisposition},
    report::{Event, Reporter},
    store::{Destination, Store},
};

/// What an export of one resource needs.
#[derive(Clone, Copy)]
pub(super) struct Export<'a> {
    pub(super) pipeline: &'a str,
    pub(super) run_id: &'a str,
    /// When the run began.
    pub(super) began: DateTime<Utc>,
    pub(super) resource: &'a ResourcePlan,
    /// The same as the config has it, whatever the table and the pages make of it.
    pub(super) configured: &'a ResourcePlan,
    pub(super) source: &'a ClientPlan,
    pub(super) destination: &'a Destination,
    pub(super) table_format: TableFormatKind,
    pub(super) partial_replace_allowed: bool,
    /// Whether a living run of the same table is waited for.
    pub(super) wait: bool,
    /// Whether what a dead run left may be gone on with.
    pub(super) resume: bool,
    /// What the run holds of the tables that it is done with.
    pub(super) claims: &'a Claims,
    /// Bytes that this resource may hold.
    pub(super) memory: u64,
    /// Columns that its table may have.
    pub(super) max_columns: u64,
    pub(super) client: &'a Arc<Client>,
    pub(super) store: &'a Store,
    pub(super) environment: &'a Environment,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) family: &'a Family<'a>,
    /// What the parent's records hold for it, once that is known.
    pub(super) rows: Option<&'a Arc<Rows>>,
}

impl Export<'_> {
    /// Exports and commits; the summary tells how far it came, whatever happened.
    pub(super) async fn run(&self) -> Ended {
        self.reporter.on_event(&Event::ResourceStarted { resource: &self.resource.name });
        let started = self.environment.clock.now();
        let mut counters = Counters::default();
        let table = match self.open().await {
            Ok(table) => table,
            Err(error) => return Ended { is_unopened: true, ..self.failed(&counters, &error) },
        };
        let exported = Box::pin(self.export(table.as_ref(), &mut counters)).await;
        let ended = match exported {
            Ok(committed) if self.keeps_a_part(&counters) => {
                counters.committed = Some(Box::new(committed));
                self.failed(&counters, &verdict::incomplete_error(self.resource, &counters).into())
            }
            Ok(committed) => Ended::committed(self.resource, &counters, committed, self.destination, self.table_format),
            Err(error) => self.failed(&counters, &error),
        };
        let ended = match (&ended.kind, table.snapshot().await) {
            (Some(_), Ok(snapshot)) => ended.of_table(&snapshot),
            _ => ended,
        };
        self.record(table.as_ref(), started, &counters, &ended).await;
        if let Some(lease) = table.workspace().held().await {
            // With a cursor the same once more asks for what comes after this.
            let appends = self.resource.write_disposition == WriteDisposition::Append && !self.asks_for_new_rows();
            if appends { self.claims.hold(lease).await } else { claims::best_effort(lease.release()).await }
        }
        ended
    }

    /// Whether the result set is incomplete, and what surely is right of it was committed all the same.
    fn keeps_a_part(&self, counters: &Counters) -> bool {
        matches!(counters.verdict, Some(Verdict::Incomplete(_))) && self.resource.on_incomplete == OnIncomplete::Keep
    }

    fn failed(&self, counters: &Counters, error: &Error) -> Ended {
        Ended::failed(self.resource, counters, error, self.client.redactor())
    }

    async fn export(&self, table: &dyn TableFormat, counters: &mut Counters) -> Result<Committed> {
        match self.begin(table, counters).await? {
            Beginning::Work(mut begun) => {
                let from = cursor::start(self.resource, begun.base.state.cursor.as_ref());
                let from = self.marks(from, begun.asked.rows.as_deref(), |span| &span.from);
                let rows = begun.asked.rows.clone();
                let committed = match std::mem::take(&mut begun.asked.later) {
                    later if later.is_empty() => Box::pin(self.work(table, *begun, None, counters)).await?,
                    later => Box::pin(self.work_in_windows(table, *begun, later, counters)).await?,
                };
                let to = cursor::end(self.resource, committed.cursor.as_ref());
                let to = self.marks(to, rows.as_deref(), |span| &span.to);
                self.family.settle(&self.resource.name, Span { from, to });
                Ok(committed)
            }
            Beginning::Done(died) => self.committed_before(table, &died, counters).await,
            Beginning::Nothing(table, rows) => {
                let mark = cursor::end(self.resource, table.state.cursor.as_ref());
                let marks = self.marks(mark, rows.as_deref(), |span| &span.to);
                self.family.settle(&self.resource.name, Span::at(marks));
                let plan = evolving::in_table(self.resource, self.table_format, &table)?;
                Ok(Committed::of(&table, &plan))
            }
        }
    }

    /// What was begun, to its commit. `start` has the pages of the range, where they are on their way already.
    pub(super) async fn work(
        &self,
        table: &dyn TableFormat,
        begun: Begun,
        start: Option<Start>,
        counters: &mut Counters,
    ) -> Result<Committed> {
        let rows = begun.asked.rows.clone();
        let (mut work, resource, resumed) = Work::new(begun);
        let export = Export { resource: &resource, rows: rows.as_ref(), ..*self };
        let start = match resumed {
            Some(resumed) => Start::Behind(Box::new(resumed)),
            None => start.unwrap_or(Start::First),
        };
        // All of a run in one future: too large for the stack of every future around it.
        let committed = Box::pin(export.infer_and_commit(table, &mut work, start, counters)).await;
        if let (Err(error), Some(attempt)) = (&committed, work.into_attempt()) {
            // The failure is what the user must hear of; what it leaves behind, the next run takes away. Nothing is deleted
            // that a commit may name.
            let _ = if can_be_resumed(error, counters) { attempt.leave().await } else { attempt.abandon().await };
        }
        // Not where a run that died had committed: its commit is to stay the newest, so that it is found.
        Ok(self.compacted(table, committed?, counters).await)
    }

    async fn open(&self) -> Result<Box<dyn TableFormat>> {
        let table = &self.resource.table;
        commit::open(self.store, table, self.identity(), self.environment.clone(), self.table_format).await
    }

    /// What the run that died had written: its numbers are those of this one.
    async fn committed_before(
        &self,
        table: &dyn TableFormat,
        died: &DiedAfterCommit,
        counters: &mut Counters,
    ) -> Result<Committed> {
        let snapshot = table.snapshot().await?;
        let record = table.commit_at(died.version).await?;
        counters.take_named(&died.counters);
        let mut files = record.map(|record| record.adds).unwrap_or_default();
        // It may have joined some of them after that.
        files.retain(|file| snapshot.files.contains(file));
        let rows_written = counters.rows_appended();
        let plan = evolving::in_table(self.resource, self.table_format, &snapshot)?;
        Ok(Committed { rows_written, files, ..Committed::of(&snapshot, &plan) })
    }

    /// The record of the run is for people: that it can't be written changes nothing.
    async fn record(&self, table: &dyn TableFormat, started: DateTime<Utc>, counters: &Counters, ended: &Ended) {
        let text = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Millis, true);
        let summary = &ended.summary;
        let mut named = counters.named();
        named.insert("rows_written".to_owned(), summary.rows_written);
        let record = RunRecord {
            run_id: self.run_id.to_owned(),
            pipeline: self.pipeline.to_owned(),
            resource: self.resource.name.clone(),
            status: summary.status,
            started_at: text(started),
            finished_at: text(self.environment.clock.now()),
            version: Some(summary.table_version).filter(|&version| version > 0),
            counters: named,
            complete: summary.complete,
            incomplete: summary.incomplete.clone(),
            error: summary.error.as_ref().map(|error| error.message.clone()),
        };
        if let Err(error) = table.workspace().record(&record).await {
            tracing::warn!(resource = self.resource.name, error = %chain(&error), "the run's record was not written");
        }
    }

    /// Whether what one run has loaded is not asked for again by the next one.
    pub(super) fn asks_for_new_rows(&self) -> bool {
        self.resource.goes_on() || self.family.has_marks(self.resource)
    }

    /// Where the cursors stand that tell which records the resource's children have: those above it, and its own.
    fn marks(&self, own: Option<Value>, rows: Option<&Rows>, above: fn(&Span) -> &Marks) -> Marks {
        let mut marks = rows.map(|rows| above(&rows.span).clone()).unwrap_or_default();
        let own = own.filter(|_| self.resource.goes_on());
        marks.extend(own.map(|mark| (self.resource.name.clone(), mark)));
        marks
    }

    pub(super) fn identity(&self) -> TableIdentity {
        TableIdentity { pipeline: self.pipeline.to_owned(), resource: self.resource.name.clone() }
    }
}

/// Whether the same command, run again, can go on from the checkpoints; after the last page there is nothing to go on with.
///
/// A result set that changed is read from its beginning: after a checkpoint it would stay the changed one. Of many lists, those that
/// are incomplete are read again, each from its beginning.
fn can_be_resumed(error: &Error, counters: &Counters) -> bool {
    match error.kind() {
        ErrorKind::Incomplete => counters.retries_lists,
        kind => {
            error.code() != "list_moved"
                && matches!(kind, ErrorKind::Transient | ErrorKind::Interrupted | ErrorKind::User)
        }
    }
}
