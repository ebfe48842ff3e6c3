//! One resource: its table is opened, its pages go through the stages, what came of them is committed.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    RunError,
    begin::{Beginning, Begun},
    checkpoint::{self, Checkpoints, Pace, Resumed},
    outcome::{Committed, Counters, Ended},
    pipeline::{Pipeline, TableStage},
    superseded::drop_superseded,
};
use crate::{
    commit::{self, Attempt, CommitOutcome, DiedAfterCommit, RejectWriter, RunRecord, TableFormat, TableSnapshot},
    decode::Decoder,
    dedup::Dedup,
    environment::Environment,
    error::{Error, ErrorKind, Result, chain},
    fetch::{Client, Pages},
    model::{Commit, DataFile, Operation, StagedFile, State, TableIdentity},
    plan::{MaxRejects, PartitionField, ResourcePlan, TableFormatKind, Transform, WriteDisposition},
    report::{Event, Reporter},
    schema::TableSchema,
    store::{Destination, Store},
    write::{TableWriter, WriteOptions},
};

/// One part in so many of the memory is for pages.
const PAGES_PART: u64 = 4;

/// And for finished files that wait to be staged. The rest is for rows and open files: a file is in memory until it is whole.
const FILES_PART: u64 = 4;

/// How often an append or a merge is done again because another writer committed first.
const REDOS: usize = 8;

/// What an export of one resource needs.
pub(super) struct Export<'a> {
    pub(super) pipeline: &'a str,
    pub(super) run_id: &'a str,
    pub(super) resource: &'a ResourcePlan,
    pub(super) destination: &'a Destination,
    pub(super) table_format: TableFormatKind,
    pub(super) partial_replace_allowed: bool,
    pub(super) wait: bool,
    pub(super) resume: bool,
    /// Bytes that this resource may hold.
    pub(super) memory: u64,
    pub(super) client: &'a Arc<Client>,
    pub(super) store: &'a Store,
    pub(super) environment: &'a Environment,
    pub(super) reporter: &'a dyn Reporter,
}

impl Export<'_> {
    /// Exports and commits; the summary tells how far it came, whatever happened.
    pub(super) async fn run(&self) -> Ended {
        self.reporter.on_event(&Event::ResourceStarted { resource: &self.resource.name });
        let started = self.environment.clock.now();
        let mut counters = Counters::default();
        let table = match self.open().await {
            Ok(table) => table,
            Err(error) => return Ended::failed(self.resource, &counters, &error),
        };
        let exported = self.export(table.as_ref(), &mut counters).await;
        let mut ended = match exported {
            Ok(committed) => Ended::committed(self.resource, &counters, committed, self.destination),
            Err(error) => Ended::failed(self.resource, &counters, &error),
        };
        self.record(table.as_ref(), started, &counters, &ended).await;
        // Until the whole run is over, others find this one alive, also where this table is done.
        ended.held = table.workspace().held().await;
        ended
    }

    async fn export(&self, table: &dyn TableFormat, counters: &mut Counters) -> Result<Committed> {
        let mut work = match self.begin(table, counters).await? {
            Beginning::Work(begun) => Work::new(begun),
            Beginning::Done(died) => return self.committed_before(table, &died, counters).await,
        };
        let resumed = work.resumed.take();
        let committed = self.stage_and_commit(table, &mut work, resumed, counters).await;
        if let (Err(error), Some(attempt)) = (&committed, work.attempt) {
            // The failure is what the user must hear of; what it leaves behind, the next run takes away. Nothing is deleted
            // that a commit may name.
            let _ = if can_be_resumed(error) { attempt.leave().await } else { attempt.abandon().await };
        }
        committed
    }

    async fn stage_and_commit(
        &self,
        table: &dyn TableFormat,
        work: &mut Work,
        resumed: Option<Resumed>,
        counters: &mut Counters,
    ) -> Result<Committed> {
        let staged = self.stage(table, work.attempt()?, &work.base, resumed, counters).await?;
        self.commit(table, work, staged, counters).await
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
        table.workspace().forget_died().await?;
        counters.take_named(&died.counters);
        let files = record.map(|record| record.adds).unwrap_or_default();
        Ok(Committed { version: died.version, table_rows: snapshot.rows, files })
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
            error: summary.error.as_ref().map(|error| error.message.clone()),
        };
        if let Err(error) = table.workspace().record(&record).await {
            tracing::warn!(resource = self.resource.name, error = %chain(&error), "the run's record was not written");
        }
    }

    pub(super) fn check_shape(&self, base: &TableSnapshot) -> Result<()> {
        let changed = |what, before: String, now: String| {
            Error::from(RunError::ShapeChanged { table: self.resource.table.clone(), what, before, now })
        };
        let now = &self.resource.schema;
        match &base.schema {
            Some(before) if before.to_arrow() != now.to_arrow() => {
                return Err(changed("the schema", columns_apart(before, now), columns_apart(now, before)));
            }
            _ => {}
        }
        let spec = partition_spec(self.resource);
        if base.partition_by != spec {
            return Err(changed("the partition spec", base.partition_by.join(", "), spec.join(", ")));
        }
        Ok(())
    }

    /// Everything up to the commit: all files of the new version are staged.
    async fn stage(
        &self,
        table: &dyn TableFormat,
        attempt: &Attempt,
        base: &TableSnapshot,
        resumed: Option<Resumed>,
        counters: &mut Counters,
    ) -> Result<Vec<StagedFile>> {
        let mut rejects = table.workspace().rejects(self.run_id);
        let staged = self.fill(attempt, base, resumed, &mut rejects, counters).await;
        // Rejects are kept whatever became of the run: they say why.
        let written = rejects.finish().await;
        let files = staged?;
        self.check_rejects(counters, written?)?;
        self.without_needless(attempt, base, files).await
    }

    async fn fill(
        &self,
        attempt: &Attempt,
        base: &TableSnapshot,
        resumed: Option<Resumed>,
        rejects: &mut RejectWriter,
        counters: &mut Counters,
    ) -> Result<Vec<StagedFile>> {
        let options = self.write_options(base.version + 1);
        let mut table = TableStage::new(self.dedup()?, TableWriter::new(options.clone())?);
        let mut pages = Pages::new(Arc::clone(self.client), self.resource, self.memory / PAGES_PART)?;
        let mut files = Vec::new();
        if let Some(resumed) = resumed {
            for reject in &resumed.rejects {
                rejects.write(reject).await?;
            }
            table = table.resume(resumed.states.iter().map(Vec::as_slice))?;
            pages = pages.resume(resumed.mark.position);
            files = resumed.files;
        }
        let pace = Pace::new(Arc::clone(&self.environment.clock), self.resource.checkpoint.interval);
        let fingerprint = checkpoint::fingerprint(self.resource, self.memory)?;
        let pipeline = Pipeline {
            resource: self.resource,
            reporter: self.reporter,
            pages: &mut pages,
            decoder: Arc::new(self.decoder()?),
            rejects,
            attempt,
            table,
            checkpoints: Checkpoints::new(fingerprint, self.run_id, pace.meter(), files),
            pace,
            staging_memory: self.memory / FILES_PART,
        };
        let staged = pipeline.run(counters).await;
        counters.take(&pages);
        drop_superseded(self.resource, attempt, staged?, &Arc::new(options)).await
    }

    /// An export without rows stages the file that stands for an empty table; a table with rows needs none.
    async fn without_needless(
        &self,
        attempt: &Attempt,
        base: &TableSnapshot,
        files: Vec<StagedFile>,
    ) -> Result<Vec<StagedFile>> {
        if base.rows == 0 || self.resource.write_disposition == WriteDisposition::Replace {
            return Ok(files);
        }
        let (kept, needless): (Vec<_>, Vec<_>) = files.into_iter().partition(|staged| staged.file.rows > 0);
        for staged in &needless {
            attempt.discard(staged).await?;
        }
        Ok(kept)
    }

    fn write_options(&self, version: u64) -> WriteOptions {
        WriteOptions {
            schema: self.resource.schema.clone(),
            partition_by: self.resource.partition_by.clone(),
            parquet: self.resource.parquet.clone(),
            version,
            position: 0,
            memory: usize::try_from(self.memory - self.memory / PAGES_PART - self.memory / FILES_PART)
                .unwrap_or(usize::MAX),
            index: self.resource.dedup,
            keys: Vec::new(),
            pipeline: self.pipeline.to_owned(),
            resource: self.resource.name.clone(),
        }
    }

    fn decoder(&self) -> Result<Decoder> {
        let resource = self.resource;
        let required: &[usize] = if resource.dedup { &resource.primary_key } else { &[] };
        let decoder = Decoder::new(&resource.name, &resource.schema, resource.contract, required)?;
        let named = |field: &&PartitionField| matches!(field.transform, Transform::Identity | Transform::Truncate(_));
        let filled: Vec<usize> = resource.partition_by.iter().filter(named).map(|field| field.column).collect();
        Ok(decoder.with_filled(&filled))
    }

    fn dedup(&self) -> Result<Option<Dedup>> {
        if !self.resource.dedup {
            return Ok(None);
        }
        let schema = self.resource.schema.to_arrow();
        Ok(Some(Dedup::new(&schema, &self.resource.primary_key, self.resource.dedup_sort)?))
    }

    fn check_rejects(&self, counters: &Counters, rejects: Option<String>) -> Result<()> {
        let Some(max_rejects) = self.resource.max_rejects else { return Ok(()) };
        let rejected = counters.rows_rejected + counters.values_discarded;
        let (most, allowed) = match max_rejects {
            MaxRejects::Rows(rows) => (rows as f64, rows.to_string()),
            MaxRejects::Share(share) => (share * counters.rows_fetched as f64, percent(share)),
        };
        // 29 % of 100 is a little less than 29 in doubles; the margin is far below one row.
        let too_many = rejected as f64 > most + 1e-6;
        if !too_many {
            return Ok(());
        }
        let resource = self.resource.name.clone();
        Err(RunError::TooManyRejects { resource, rejected, fetched: counters.rows_fetched, allowed, rejects }.into())
    }

    /// One version of what was staged. Where another writer made that version first, an append or a merge is done again on
    /// top of it.
    async fn commit(
        &self,
        table: &dyn TableFormat,
        work: &mut Work,
        mut adds: Vec<StagedFile>,
        counters: &Counters,
    ) -> Result<Committed> {
        self.reporter.on_event(&Event::Committing { resource: &self.resource.name });
        for redo in (0..=REDOS).rev() {
            let files: Vec<DataFile> = adds.iter().map(|staged| staged.file.clone()).collect();
            self.check_numbers(counters, files.iter().map(|file| file.rows).sum())?;
            let commit = self.new_commit(&work.base, adds.clone(), counters);
            let version = match table.commit(work.base.version, commit).await? {
                CommitOutcome::Committed { version, rows } => {
                    return Ok(Committed { version, table_rows: rows, files });
                }
                CommitOutcome::Conflict { version, .. } => version,
            };
            if redo == 0 || self.resource.write_disposition == WriteDisposition::Replace {
                return Err(RunError::Conflict { table: self.resource.table.clone(), version }.into());
            }
            work.base = table.snapshot().await?;
            self.check_fits(&work.base)?;
            adds = work.rebase(table, adds).await?;
        }
        Err(RunError::Conflict { table: self.resource.table.clone(), version: work.base.version }.into())
    }

    fn check_numbers(&self, counters: &Counters, written: u64) -> Result<()> {
        let Counters { rows_fetched: fetched, rows_duplicate: duplicate, rows_rejected: rejected, .. } = *counters;
        if fetched == written + duplicate + rejected {
            return Ok(());
        }
        let resource = self.resource.name.clone();
        Err(RunError::Numbers { resource, fetched, written, duplicate, rejected }.into())
    }

    fn new_commit(&self, base: &TableSnapshot, adds: Vec<StagedFile>, counters: &Counters) -> Commit {
        let (operation, replaces) = match self.resource.write_disposition {
            WriteDisposition::Append => (Operation::Append, false),
            WriteDisposition::Replace => (Operation::Replace, true),
            WriteDisposition::Merge | WriteDisposition::Skip => (Operation::Merge, false),
        };
        // A file without rows stood for an empty table, and leaves with whatever comes in its place.
        let leaves = |file: &&DataFile| replaces || (file.rows == 0 && !adds.is_empty());
        let removes = base.files.iter().filter(leaves).map(|file| file.path.clone()).collect();
        Commit {
            identity: self.identity(),
            run_id: self.run_id.to_owned(),
            operation,
            schema: self.resource.schema.clone(),
            partition_by: partition_spec(self.resource),
            adds,
            removes,
            state: State { cursor: None, counters: counters.named() },
        }
    }

    fn identity(&self) -> TableIdentity {
        TableIdentity { pipeline: self.pipeline.to_owned(), resource: self.resource.name.clone() }
    }
}

/// An attempt at a version, and the version that it builds on.
struct Work {
    base: TableSnapshot,
    /// `None` if it was lost on the way to a newer version.
    attempt: Option<Attempt>,
    resumed: Option<Resumed>,
}

impl Work {
    fn new(begun: Begun) -> Self {
        let Begun { base, attempt, resumed } = begun;
        Self { base, attempt: Some(attempt), resumed }
    }

    fn attempt(&self) -> Result<&Attempt, RunError> {
        self.attempt.as_ref().ok_or(RunError::NoAttempt)
    }

    /// Moves what was staged to an attempt at the version behind the new base.
    async fn rebase(&mut self, table: &dyn TableFormat, files: Vec<StagedFile>) -> Result<Vec<StagedFile>> {
        let attempt = self.attempt.take().ok_or(RunError::NoAttempt)?;
        let (attempt, files) = table.workspace().rebase(attempt, files, self.base.version).await?;
        self.attempt = Some(attempt);
        Ok(files)
    }
}

/// Whether the same command, run again, can go on from the checkpoints; after the last page there is nothing to go on with.
fn can_be_resumed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Transient | ErrorKind::Interrupted | ErrorKind::User)
}

/// A share as it was written: `7%`, and not `7.000000000000001%`.
fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

/// The partition spec as a user writes it.
fn partition_spec(resource: &ResourcePlan) -> Vec<String> {
    resource.partition_by.iter().map(|field| field.spec(&resource.schema)).collect()
}

/// The columns in which two schemas differ, as a user declares them.
fn columns_apart(schema: &TableSchema, other: &TableSchema) -> String {
    let (fields, others) = (schema.to_arrow(), other.to_arrow());
    let apart = schema.columns.iter().enumerate().filter(|(index, _)| {
        let field = fields.fields().get(*index);
        field != others.fields().get(*index)
    });
    let columns = apart.map(|(_, column)| format!("{}: {}", column.name, column.data_type)).collect::<Vec<_>>();
    if columns.is_empty() { "(no such columns)".to_owned() } else { columns.join(", ") }
}
