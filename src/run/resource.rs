//! One resource: its table is opened, its pages go through the stages, what came of them is committed.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    RunError,
    evolving::{self, Evolving},
    load_columns::LoadColumns,
    merging::{self, Merged, Merging},
    outcome::{Committed, Counters, Ended},
    pipeline::{Pipeline, Staged, TableStage},
    superseded::drop_superseded,
};
use crate::{
    commit::{self, Attempt, CommitOutcome, RejectWriter, TableFormat, TableSnapshot},
    decode::Decoder,
    dedup::Dedup,
    environment::Environment,
    error::{Result, chain},
    fetch::{Client, Pages},
    merge::Collector,
    model::{Commit, DataFile, Operation, StagedFile, State, TableIdentity},
    plan::{MaxRejects, MergePlan, PartitionField, ResourcePlan, TableFormatKind, Transform, WriteDisposition},
    report::{Event, Reporter},
    schema::TableSchema,
    store::{Destination, Store},
    write::{TableWriter, WriteOptions},
};

/// One part in so many of the memory is for pages.
const PAGES_PART: u64 = 4;

/// And for finished files that wait to be staged. The rest is for rows and open files: a file is in memory until it is whole.
const FILES_PART: u64 = 4;

/// What an export of one resource needs.
#[derive(Clone, Copy)]
pub(super) struct Export<'a> {
    pub(super) pipeline: &'a str,
    pub(super) run_id: &'a str,
    /// When the run began.
    pub(super) began: DateTime<Utc>,
    pub(super) resource: &'a ResourcePlan,
    pub(super) destination: &'a Destination,
    pub(super) table_format: TableFormatKind,
    pub(super) partial_replace_allowed: bool,
    /// Bytes that this resource may hold.
    pub(super) memory: u64,
    pub(super) client: &'a Arc<Client>,
    pub(super) store: &'a Store,
    pub(super) environment: &'a Environment,
    pub(super) reporter: &'a dyn Reporter,
}

/// What a run does to its table.
struct Change {
    schema: TableSchema,
    adds: Vec<StagedFile>,
    removes: Vec<String>,
    /// Rows of the run itself, without those of files that are written again.
    rows_written: u64,
}

impl Export<'_> {
    /// Exports and commits; the summary tells how far it came, whatever happened.
    pub(super) async fn run(&self) -> Ended {
        self.reporter.on_event(&Event::ResourceStarted { resource: &self.resource.name });
        let mut counters = Counters::default();
        match self.export(&mut counters).await {
            Ok(committed) => Ended::committed(self.resource, &counters, committed, self.destination),
            Err(error) => Ended::failed(self.resource, &counters, &error),
        }
    }

    async fn export(&self, counters: &mut Counters) -> Result<Committed> {
        let table = self.open().await?;
        let base = table.snapshot().await?;
        self.check_fits(&base)?;
        let resource = evolving::in_table(self.resource, self.table_format, &base)?;
        let attempt = table.attempt(base.version).await?;
        let committed =
            Export { resource: &resource, ..*self }.stage_and_commit(table.as_ref(), &attempt, &base, counters).await;
        if committed.is_err() {
            // The failure is what the user must hear of; what it leaves behind, the next run takes away. Nothing is deleted
            // that a commit may name.
            let _ = attempt.abandon().await;
        }
        if let Some(held) = table.workspace().held().await
            && let Err(error) = held.release().await
        {
            tracing::warn!(table = self.resource.table, error = %chain(&error), "the run's claim was not deleted");
        }
        committed
    }

    async fn stage_and_commit(
        &self,
        table: &dyn TableFormat,
        attempt: &Attempt,
        base: &TableSnapshot,
        counters: &mut Counters,
    ) -> Result<Committed> {
        let change = self.stage(table, attempt, base, counters).await?;
        self.commit(table, base, change, counters).await
    }

    async fn open(&self) -> Result<Box<dyn TableFormat>> {
        let table = &self.resource.table;
        commit::open(self.store, table, self.identity(), self.environment.clone(), self.table_format).await
    }

    /// Whether what this run will write belongs into the table as it is.
    fn check_fits(&self, base: &TableSnapshot) -> Result<()> {
        let disposition = self.resource.write_disposition;
        let is_partial = self.resource.max_pages.is_some() && !self.partial_replace_allowed;
        if disposition == WriteDisposition::Replace && is_partial && base.rows > 0 {
            return Err(RunError::PartialReplace { table: self.resource.table.clone(), rows: base.rows }.into());
        }
        if disposition == WriteDisposition::Merge {
            merging::check(self.resource, base)?;
        }
        Ok(())
    }

    /// Everything up to the commit: all files of the new version are staged.
    async fn stage(
        &self,
        table: &dyn TableFormat,
        attempt: &Attempt,
        base: &TableSnapshot,
        counters: &mut Counters,
    ) -> Result<Change> {
        let mut rejects = table.workspace().rejects(self.run_id);
        let staged = self.fill(attempt, base, &mut rejects, counters).await;
        // Rejects are kept whatever became of the run: they say why.
        let written = rejects.finish().await;
        let staged = staged?;
        self.check_rejects(counters, written?)?;
        let resource = ResourcePlan { schema: staged.eras.schema().clone(), ..self.resource.clone() };
        Export { resource: &resource, ..*self }.change(table, attempt, base, staged, counters).await
    }

    /// What the staged files do to the table.
    async fn change(
        &self,
        table: &dyn TableFormat,
        attempt: &Attempt,
        base: &TableSnapshot,
        staged: Staged,
        counters: &mut Counters,
    ) -> Result<Change> {
        let options = Arc::new(self.write_options(attempt.version()));
        let staged = evolving::level(self.resource, attempt, staged, &options).await?;
        let older = evolving::older_schema(self.resource, base).map(Arc::new);
        let memory = self.memory / FILES_PART;
        if self.resource.write_disposition == WriteDisposition::Merge {
            let is_whole = merging::is_whole(self.resource, self.reporter, counters);
            let merging = Merging { resource: self.resource, table, attempt, options, is_whole, older, memory };
            let merged = merging.merge(base, &staged).await?;
            counters.merged = merged.counts;
            let Merged { adds, removes, rows_written, .. } = merged;
            return Ok(Change { schema: self.resource.schema.clone(), adds, removes, rows_written });
        }
        let next_sequence = staged.next_sequence;
        let files = drop_superseded(self.resource, attempt, staged, &options).await?;
        let mut adds = self.without_needless(attempt, base, files).await?;
        let rows_written = adds.iter().map(|staged| staged.file.rows).sum();
        let mut removes = self.removes(base, &adds);
        if older.is_some() {
            let merging = Merging { resource: self.resource, table, attempt, options, is_whole: false, older, memory };
            let (adapted, replaced) = merging.adapt_older(base, next_sequence).await?;
            adds.extend(adapted);
            removes.extend(replaced);
        }
        Ok(Change { schema: self.resource.schema.clone(), adds, removes, rows_written })
    }

    /// What leaves the table where nothing is merged.
    fn removes(&self, base: &TableSnapshot, adds: &[StagedFile]) -> Vec<String> {
        let replaces = self.resource.write_disposition == WriteDisposition::Replace;
        // A file without rows stood for an empty table, and leaves with whatever comes in its place.
        let leaves = |file: &&DataFile| replaces || (file.rows == 0 && !adds.is_empty());
        base.files.iter().filter(leaves).map(|file| file.path.clone()).collect()
    }

    async fn fill(
        &self,
        attempt: &Attempt,
        base: &TableSnapshot,
        rejects: &mut RejectWriter,
        counters: &mut Counters,
    ) -> Result<Staged> {
        let options = self.write_options(base.version + 1);
        let merge = merging::plan(self.resource, self.began);
        let table = TableStage::new(
            self.dedup()?,
            self.collector(&merge)?,
            TableWriter::new(options)?,
            self.resource.schema.clone(),
        );
        let mut pages = Pages::new(Arc::clone(self.client), self.resource, self.memory / PAGES_PART)?;
        let evolving = Evolving::new(self.resource, self.table_format, base, self.decoder()?);
        let clock = Arc::clone(&self.environment.clock);
        let pipeline = Pipeline {
            resource: self.resource,
            reporter: self.reporter,
            pages: &mut pages,
            evolving,
            rejects,
            attempt,
            load_columns: LoadColumns::new(self.resource, &merge, self.run_id, clock),
            table,
            staging_memory: self.memory / FILES_PART,
        };
        let staged = pipeline.run(counters).await;
        counters.take(&pages);
        staged
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
            index: self.deduplicates() || merging::drops_rows(self.resource),
            keys: merging::key_columns(self.resource),
            pipeline: self.pipeline.to_owned(),
            resource: self.resource.name.clone(),
        }
    }

    fn decoder(&self) -> Result<Decoder> {
        let resource = self.resource;
        let required: &[usize] = if self.deduplicates() { &resource.primary_key } else { &[] };
        let decoder = Decoder::new(&resource.name, &resource.schema, resource.contract, required)?;
        let named = |field: &&PartitionField| matches!(field.transform, Transform::Identity | Transform::Truncate(_));
        let filled: Vec<usize> = resource.partition_by.iter().filter(named).map(|field| field.column).collect();
        Ok(decoder.with_filled(&filled))
    }

    /// A merge has one row of each key, whatever else is wished for.
    fn deduplicates(&self) -> bool {
        let merges = self.resource.write_disposition == WriteDisposition::Merge;
        self.resource.dedup || merges && !self.resource.primary_key.is_empty()
    }

    fn dedup(&self) -> Result<Option<Dedup>> {
        if !self.deduplicates() {
            return Ok(None);
        }
        let schema = self.resource.schema.to_arrow();
        Ok(Some(Dedup::new(&schema, &self.resource.primary_key, self.resource.dedup_sort)?))
    }

    fn collector(&self, merge: &MergePlan) -> Result<Option<Collector>> {
        let resource = self.resource;
        let merges = resource.write_disposition == WriteDisposition::Merge;
        let collector = merges.then(|| Collector::new(&resource.schema, merge, &resource.primary_key));
        Ok(collector.transpose()?)
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

    /// One version of what was staged.
    async fn commit(
        &self,
        table: &dyn TableFormat,
        base: &TableSnapshot,
        change: Change,
        counters: &Counters,
    ) -> Result<Committed> {
        self.reporter.on_event(&Event::Committing { resource: &self.resource.name });
        let files: Vec<DataFile> = change.adds.iter().map(|staged| staged.file.clone()).collect();
        let rows_written = change.rows_written;
        self.check_numbers(counters, rows_written)?;
        let commit = self.new_commit(change, counters);
        match table.commit(base.version, commit).await? {
            CommitOutcome::Committed { version, rows: table_rows } => {
                Ok(Committed { version, table_rows, rows_written, files })
            }
            CommitOutcome::Conflict { version, .. } => {
                Err(RunError::Conflict { table: self.resource.table.clone(), version }.into())
            }
        }
    }

    fn check_numbers(&self, counters: &Counters, written: u64) -> Result<()> {
        let Counters { rows_fetched: fetched, rows_duplicate: duplicate, rows_rejected: rejected, .. } = *counters;
        let (filtered, unchanged) = (counters.rows_filtered, counters.merged.rows_unchanged);
        if fetched == written + duplicate + rejected + filtered + unchanged {
            return Ok(());
        }
        let resource = self.resource.name.clone();
        Err(RunError::Numbers { resource, fetched, written, duplicate, rejected, filtered, unchanged }.into())
    }

    fn new_commit(&self, change: Change, counters: &Counters) -> Commit {
        let operation = match self.resource.write_disposition {
            WriteDisposition::Append => Operation::Append,
            WriteDisposition::Replace => Operation::Replace,
            WriteDisposition::Merge | WriteDisposition::Skip => Operation::Merge,
        };
        Commit {
            identity: self.identity(),
            run_id: self.run_id.to_owned(),
            operation,
            schema: change.schema,
            partition_by: partition_spec(self.resource),
            adds: change.adds,
            removes: change.removes,
            state: State { cursor: None, counters: counters.named() },
        }
    }

    fn identity(&self) -> TableIdentity {
        TableIdentity { pipeline: self.pipeline.to_owned(), resource: self.resource.name.clone() }
    }
}

/// A share as it was written: `7%`, and not `7.000000000000001%`.
fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

/// The partition spec as a user writes it.
fn partition_spec(resource: &ResourcePlan) -> Vec<String> {
    resource.partition_by.iter().map(|field| field.spec(&resource.schema)).collect()
}
