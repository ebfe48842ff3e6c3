//! All pages of a resource become staged files: the stages are made as the plan says, and run.

use std::sync::Arc;

use super::{
    RunError,
    checkpoint::{Checkpoints, Pace},
    cursor::Tracker,
    empty_columns::EmptyColumns,
    evolving::Evolving,
    gathering,
    inferring::{Start, most_fields},
    list_reads::ListReads,
    load_columns::LoadColumns,
    merging,
    outcome::Counters,
    pipeline::{Pipeline, Staged, TableStage},
    resource::Export,
    source::Sources,
    verdict,
};
use crate::{
    commit::{Attempt, RejectWriter, TableFormat, TableSnapshot},
    decode::Decoder,
    dedup::Dedup,
    error::Result,
    fetch::{PageSource, Position},
    merge::Collector,
    plan::{MaxRejects, MergePlan, MergeStrategy, PartitionField, Range, Transform, WriteDisposition},
    store::TableStore,
    write::{TableWriter, WriteOptions},
};

/// One part in so many of the memory is for pages.
pub(super) const PAGES_PART: u64 = 4;

/// And for finished files that wait to be staged. The rest is for rows and open files: a file is in memory until it is whole.
pub(super) const FILES_PART: u64 = 4;

impl Export<'_> {
    /// Everything that depends on the source alone, and not on what the table holds.
    pub(super) async fn stage(
        &self,
        table: &dyn TableFormat,
        attempt: &Attempt,
        base: &TableSnapshot,
        start: Start,
        counters: &mut Counters,
    ) -> Result<Staged> {
        let mut rejects = table.workspace().rejects(self.run_id);
        let store = table.workspace().table();
        let staged = self.fill(attempt, (store, base), start, &mut rejects, counters).await;
        // Rejects are kept whatever became of the run: they say why.
        let written = rejects.finish().await;
        let staged = staged?;
        self.check_rejects(counters, written?)?;
        Ok(staged)
    }

    async fn fill(
        &self,
        attempt: &Attempt,
        (table, base): (&TableStore, &TableSnapshot),
        start: Start,
        rejects: &mut RejectWriter,
        counters: &mut Counters,
    ) -> Result<Staged> {
        let clock = &self.environment.clock;
        let (resumed, taken) = match start {
            Start::First => (None, None),
            Start::Behind(resumed) => (Some(*resumed), None),
            Start::Taken(pages) => (None, Some(pages)),
            Start::Observed(pages, _) => (None, Some(pages as Box<dyn PageSource>)),
        };
        // Versions of rows begin when the run did that brought the first of them.
        let began = resumed.as_ref().map_or(self.began, |resumed| resumed.began);
        let merge = merging::plan(self.resource, began);
        let writer = TableWriter::new(self.write_options(attempt.version()))?;
        let schema = self.resource.schema.clone();
        let mut stage =
            TableStage::new(self.dedup()?, self.collector(&merge)?, writer, schema, (&self.resource.name, self.memory));
        let mut cursor = Tracker::new(self.resource, base.state.cursor.as_ref(), self.rows.map(Arc::as_ref));
        let sieve = cursor.as_ref().map(Tracker::sieve);
        // Of all pages, or of none.
        let mut rows = self.family.rows_for(&self.resource.name).filter(|_| resumed.is_none());
        let (processor, decoder) = (self.processor(), self.decoder()?);
        let evolving = Evolving::new(self.resource, self.table_format, (table, base), processor, decoder, sieve);
        let evolving = evolving.within(self.max_columns);
        let mut evolving = if rows.is_some() { evolving.watched() } else { evolving };
        let mut pages = match taken {
            Some(pages) => pages,
            None => self.pages(resumed.as_ref().map(|resumed| resumed.position.clone()))?,
        };
        let (mut files, mut lists, mut dated) = (Vec::new(), ListReads::default(), None);
        if let Some(resumed) = resumed {
            lists = resumed.lists;
            if resumed.position.begins_retry() {
                lists.replace_incomplete(self.deduplicates(), counters);
            }
            // However often lists are read again, the others are no younger than at their first read.
            dated = resumed.position.retries().map(|_| resumed.written_at);
            for reject in resumed.rejects.iter().filter(|reject| !lists.is_replaced(reject.page)) {
                counters.count_reject(reject);
                rejects.write(reject).await?;
            }
            stage = stage.resume(resumed.states.iter().map(Vec::as_slice))?;
            if resumed.position.begins_retry() {
                stage = stage.reading_again();
            }
            evolving.resume(stage.schema())?;
            files = resumed.files;
            if let (Some(cursor), Some(progress)) = (&mut cursor, resumed.cursor) {
                cursor.resume(progress);
            }
        }
        let mut empty = EmptyColumns::new(self.resource, base);
        let redactor = self.client.redactor().clone();
        let pace = Pace::new(Arc::clone(clock), self.resource.checkpoint.interval, redactor);
        let fingerprint = self.fingerprint(Some(self.memory))?;
        let pipeline = Pipeline {
            resource: self.resource,
            reporter: self.reporter,
            pages: pages.as_mut(),
            evolving,
            kept: &mut rows,
            cursor: &mut cursor,
            empty: &mut empty,
            rejects,
            attempt,
            load_columns: LoadColumns::new(self.resource, &merge, self.run_id, Arc::clone(clock)),
            table: stage,
            checkpoints: Checkpoints::new(fingerprint, self.run_id, began, pace.meter(), files)
                .of(self.window())
                .dated(dated),
            pace,
            lists,
            staging_memory: self.memory / FILES_PART,
        };
        // All stages in one future: too large for the stack of every future around it.
        let staged = Box::pin(pipeline.run(counters)).await;
        counters.take(pages.as_ref());
        verdict::join(counters, staged.as_ref().ok().and_then(|staged| staged.again));
        counters.warnings.extend(cursor.iter().flat_map(Tracker::warnings));
        let reach = counters.reach(self.resource);
        let held = cursor.as_mut().and_then(|cursor| cursor.hold(reach));
        let cursor = cursor.map(Tracker::state).transpose()?.flatten();
        if staged.is_ok() {
            counters.warnings.extend(empty.warnings());
            let shortfall = gathering::shortfall(self.resource, pages.as_ref());
            self.family.keep(&self.resource.name, rows.map(|rows| rows.short(shortfall)));
        }
        staged.map(|staged| Staged { cursor, held, ..staged })
    }

    /// What is being read of a source that is read in windows.
    fn window(&self) -> Option<Range> {
        let plan = self.resource.incremental.as_ref().filter(|plan| plan.window.is_some())?;
        plan.range.clone()
    }

    /// The resource's pages: all of them, or those behind a position.
    pub(super) fn pages(&self, behind: Option<Position>) -> Result<Box<dyn PageSource>> {
        self.sources().open(self.resource, self.rows, behind)
    }

    /// All pages, of which so many bytes may wait.
    pub(super) fn pages_within(&self, memory: u64) -> Result<Box<dyn PageSource>> {
        Sources { memory, ..self.sources() }.open(self.resource, self.rows, None)
    }

    pub(super) fn sources(&self) -> Sources<'_> {
        Sources { client: self.client, memory: self.memory / PAGES_PART, is_silent: false }
    }

    /// Of the values by which the resource is asked for, if it has a parent.
    pub(super) fn rows_digest(&self) -> Option<String> {
        Some(self.rows?.digest(self.resource.parent.as_ref()?))
    }

    pub(super) fn write_options(&self, version: u64) -> WriteOptions {
        WriteOptions {
            schema: self.resource.schema.clone(),
            partition_by: self.resource.partition_by.clone(),
            parquet: self.resource.parquet.clone(),
            version,
            position: 0,
            memory: usize::try_from(self.memory - self.memory / PAGES_PART - self.memory / FILES_PART)
                .unwrap_or(usize::MAX),
            // Rows of a list may go again that is read a second time.
            index: self.deduplicates()
                || merging::drops_rows(self.resource)
                || self.holds_rows()
                || self.resource.parent.is_some(),
            keys: merging::key_columns(self.resource),
            pipeline: self.pipeline.to_owned(),
            resource: self.resource.name.clone(),
        }
    }

    /// Whether rows after those that the cursor moves to may have to go again.
    fn holds_rows(&self) -> bool {
        self.resource.write_disposition == WriteDisposition::Append && self.resource.incremental.is_some()
    }

    fn decoder(&self) -> Result<Decoder> {
        let resource = self.resource;
        let required: &[usize] = if self.deduplicates() { &resource.primary_key } else { &[] };
        let decoder = Decoder::new(&resource.name, &resource.schema, resource.contract, required)?;
        let named = |field: &&PartitionField| matches!(field.transform, Transform::Identity | Transform::Truncate(_));
        let filled: Vec<usize> = resource.partition_by.iter().filter(named).map(|field| field.column).collect();
        Ok(decoder.with_filled(&filled).with_most_undeclared(most_fields(self.max_columns)))
    }

    fn deduplicates(&self) -> bool {
        self.resource.deduplicates()
    }

    fn dedup(&self) -> Result<Option<Dedup>> {
        if !self.deduplicates() {
            return Ok(None);
        }
        let schema = &self.resource.schema;
        Ok(Some(Dedup::of_table(schema, &self.resource.primary_key, self.resource.dedup_sort)?))
    }

    fn collector(&self, merge: &MergePlan) -> Result<Option<Collector>> {
        let resource = self.resource;
        // A table that is replaced holds no row that was deleted at the source, as little as one that is merged into.
        // And none that holds twice.
        let is_scd2 = matches!(merge.strategy, MergeStrategy::Scd2(_));
        let strategy = if is_scd2 { merge.strategy.clone() } else { MergeStrategy::default() };
        let within = MergePlan { hard_delete: merge.hard_delete, strategy, ..MergePlan::default() };
        let plan = match resource.write_disposition {
            WriteDisposition::Merge => merge,
            _ if within.hard_delete.is_some() || is_scd2 => &within,
            _ => return Ok(None),
        };
        Ok(Some(Collector::new(&resource.schema, plan, &resource.primary_key)?))
    }

    pub(super) fn check_rejects(&self, counters: &Counters, rejects: Option<String>) -> Result<()> {
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
}

/// A share as it was written: `7%`, and not `7.000000000000001%`.
fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}
