//! What the staged files do to the table, and the commit of it: again on top of a version that another writer made first.

use std::sync::Arc;

use super::{
    RunError,
    begin::Begun,
    checkpoint::Resumed,
    detected, evolving,
    fill::FILES_PART,
    inferring::Start,
    merging::{self, Merging},
    outcome::{Committed, Counters},
    pipeline::Staged,
    resource::Export,
    shape::partition_spec,
    span::Marks,
    superseded::drop_superseded,
    verdict,
};
use crate::{
    commit::{Attempt, CommitOutcome, TableFormat, TableSnapshot},
    error::{Error, Result},
    merge::{Brought, DATA_FILE_GONE},
    model::{Commit, DataFile, Operation, StagedFile, State, Version},
    plan::{MergeStrategy, ResourcePlan, WriteDisposition},
    report::{Event, counted, grouped},
    write::empty_file,
};

/// How often an append or a merge is done again because another writer committed first.
const REDOS: usize = 8;

/// What a run does to its table.
struct Change {
    adds: Vec<StagedFile>,
    removes: Vec<String>,
    /// Rows of the run itself, without those of files that are written again.
    rows_written: u64,
    /// Staged files that hold for one version of the table only.
    made: Vec<StagedFile>,
    /// What the state says of the cursor.
    cursor: Option<serde_json::Value>,
    /// And of those of the resources above.
    parents: Marks,
}

/// An attempt at a version, and the version that it builds on.
pub(super) struct Work {
    base: TableSnapshot,
    /// `None` if it was lost on the way to a newer version.
    attempt: Option<Attempt>,
}

impl Work {
    /// And the resource as the table makes it, and what a run that died has left of the pages.
    pub(super) fn new(begun: Begun) -> (Self, Box<ResourcePlan>, Option<Resumed>) {
        let Begun { base, attempt, asked, resumed } = begun;
        (Self { base, attempt: Some(attempt) }, asked.resource, resumed)
    }

    pub(super) fn into_attempt(self) -> Option<Attempt> {
        self.attempt
    }

    pub(super) fn base(&self) -> &TableSnapshot {
        &self.base
    }

    /// Leaves the table as it is.
    pub(super) async fn abandon(&mut self) -> Result<()> {
        match self.attempt.take() {
            Some(attempt) => attempt.abandon().await,
            None => Ok(()),
        }
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

/// Adds the rows that an append may not commit yet to those that go from the staged files; true if there are any.
fn hold_back(resource: &ResourcePlan, staged: &mut Staged) -> bool {
    let appends = resource.write_disposition == WriteDisposition::Append;
    let Some(first) = staged.held.filter(|first| appends && *first < staged.rows) else { return false };
    staged.superseded.retain(|id| *id < first);
    staged.superseded.extend(first..staged.rows);
    true
}

impl Export<'_> {
    pub(super) async fn stage_and_commit(
        &self,
        table: &dyn TableFormat,
        work: &mut Work,
        start: Start,
        counters: &mut Counters,
    ) -> Result<Committed> {
        let staged = self.stage(table, work.attempt()?, &work.base, start, counters).await?;
        verdict::check(self.resource, counters)?;
        // From here on the schema is the one that came out of the pages.
        let resource = ResourcePlan { schema: staged.eras.schema().clone(), ..self.resource.clone() };
        Export { resource: &resource, ..*self }.commit_staged(table, work, staged, counters).await
    }

    async fn commit_staged(
        &self,
        table: &dyn TableFormat,
        work: &mut Work,
        staged: Staged,
        counters: &mut Counters,
    ) -> Result<Committed> {
        let options = Arc::new(self.write_options(work.attempt()?.version()));
        let mut staged = evolving::level(self.resource, work.attempt()?, staged, &options).await?;
        let rows = staged.files.iter().map(|file| file.file.rows).sum();
        self.check_replaces(work.base(), rows, counters)?;
        let is_merge = self.resource.write_disposition == WriteDisposition::Merge;
        if !is_merge {
            // Counted as duplicates already, those among the rows that are held back included.
            let superseded = staged.superseded.len() as u64;
            let is_held = hold_back(self.resource, &mut staged);
            let before: u64 = staged.files.iter().map(|file| file.file.rows).sum();
            staged.files = drop_superseded(self.resource, work.attempt()?, &mut staged, &options).await?;
            let after: u64 = staged.files.iter().map(|file| file.file.rows).sum();
            if is_held {
                let held = counted(before - after, "row");
                self.warn(counters, format!("{held} held back, which the next run reads again"));
                counters.rows_filtered += (before - after).saturating_sub(superseded);
            }
        }
        // Said once, however often the merge is done.
        let brought = match is_merge {
            true => merging::brought(self.resource, self.reporter, counters),
            false => Brought::Everything,
        };
        self.reporter.on_event(&Event::Committing { resource: &self.resource.name });
        let mut redos = 0;
        loop {
            let change = match is_merge {
                true => self.merged(table, work, &staged, brought, counters).await?,
                false => self.added(table, work, &mut staged, counters).await?,
            };
            if self.changes_nothing(&work.base, &change) {
                work.abandon().await?;
                return Ok(Committed::of(work.base(), self.resource));
            }
            let made = change.made.clone();
            let version = match self.commit(table, &work.base, change, counters).await? {
                Ok(committed) => {
                    self.note_appended(&work.base, &committed, counters);
                    return Ok(committed);
                }
                Err(version) => version,
            };
            redos += 1;
            if redos > REDOS || self.resource.write_disposition == WriteDisposition::Replace {
                return Err(RunError::Conflict { table: self.resource.table.clone(), version }.into());
            }
            tracing::info!(resource = self.resource.name, version, "another writer committed first: once more");
            merging::discard(&made, work.attempt()?).await?;
            let before = std::mem::replace(&mut work.base, table.snapshot().await?).state;
            // Who has moved the cursor has loaded what this run has.
            if (&before.cursor, &before.parents) != (&work.base.state.cursor, &work.base.state.parents) {
                return Err(RunError::Conflict { table: self.resource.table.clone(), version }.into());
            }
            self.check_fits(&work.base)?;
            self.check_still_fits(&work.base, version)?;
            staged.files = work.rebase(table, staged.files).await?;
        }
    }

    /// A run that appends all that the source has does so each time, which few people want.
    fn note_appended(&self, base: &TableSnapshot, committed: &Committed, counters: &mut Counters) {
        let appends = self.resource.write_disposition == WriteDisposition::Append;
        let reads_news = self.resource.incremental.is_some() || self.family.has_marks(self.resource);
        if !appends || reads_news || base.rows == 0 || committed.rows_written == 0 {
            return;
        }
        let merge = match self.resource.primary_key.is_empty() {
            true => "`primary_key` and `write_disposition: merge`",
            false => "`write_disposition: merge`",
        };
        let (written, rows) = (counted(committed.rows_written, "row"), grouped(base.rows));
        self.note(
            counters,
            format!(
                "appended {written} to the {rows} of the table, and each run appends them again: set {merge} to \
                 update rows by their key, or `write_disposition: replace`"
            ),
        );
    }

    /// Whether a run that looked for news has found none, so that a version would tell nothing.
    fn changes_nothing(&self, base: &TableSnapshot, change: &Change) -> bool {
        let has_shape = base.partition_by == partition_spec(self.resource)
            && base.schema.as_ref().is_some_and(|schema| *schema == self.resource.schema);
        (self.resource.incremental.is_some() || self.family.has_marks(self.resource))
            && base.version > 0
            && has_shape
            && change.adds.is_empty()
            && change.removes.is_empty()
            && change.cursor == base.state.cursor
            && change.parents == base.state.parents
    }

    /// Whether the version that another writer made leaves the schema as it is: else the run's files would have to change too.
    fn check_still_fits(&self, base: &TableSnapshot, version: Version) -> Result<(), RunError> {
        let wanted = evolving::in_table(self.resource, self.table_format, base)?.schema;
        if wanted.to_arrow() == self.resource.schema.to_arrow() {
            return Ok(());
        }
        Err(RunError::Conflict { table: self.resource.table.clone(), version })
    }

    /// What a merge does to the version that it builds on.
    async fn merged(
        &self,
        table: &dyn TableFormat,
        work: &Work,
        staged: &Staged,
        brought: Brought,
        counters: &mut Counters,
    ) -> Result<Change> {
        let attempt = work.attempt()?;
        let options = Arc::new(self.write_options(attempt.version()));
        let memory = self.memory / FILES_PART;
        let older = evolving::older_schema(self.resource, &work.base).map(Arc::new);
        let shutdown = &self.environment.shutdown;
        let merging = Merging { resource: self.resource, table, attempt, options, brought, older, memory, shutdown };
        let merged = match merging.merge(&work.base, staged).await {
            Err(error) => return Err(self.explained(error, table, work.base.version).await),
            merged => merged?,
        };
        counters.merged = merged.counts;
        let (adds, removes, rows_written) = (merged.adds, merged.removes, merged.rows_written);
        let (cursor, parents) = (staged.cursor.clone(), self.parents(&work.base));
        Ok(Change { adds, removes, rows_written, made: merged.made, cursor, parents })
    }

    /// A file of the table that is gone was deleted by somebody, unless another run has replaced it since the version was read.
    async fn explained(&self, error: Error, table: &dyn TableFormat, base: Version) -> Error {
        match table.newest().await {
            Ok(version) if error.code() == DATA_FILE_GONE && version > base => {
                RunError::Conflict { table: self.resource.table.clone(), version: base + 1 }.into()
            }
            _ => error,
        }
    }

    /// What an append or a replace does.
    async fn added(
        &self,
        table: &dyn TableFormat,
        work: &Work,
        staged: &mut Staged,
        counters: &mut Counters,
    ) -> Result<Change> {
        let replaces = self.resource.write_disposition == WriteDisposition::Replace;
        // An export without rows stages the file that stands for an empty table; a table with rows needs none.
        if work.base.rows > 0 && !replaces {
            for needless in staged.files.extract_if(.., |staged| staged.file.rows == 0) {
                work.attempt()?.discard(&needless).await?;
            }
        }
        let mut adds = staged.files.clone();
        // A file without rows stood for an empty table, and leaves with whatever comes in its place.
        let leaves = |file: &&DataFile| replaces || (file.rows == 0 && !adds.is_empty());
        let mut removes: Vec<_> = work.base.files.iter().filter(leaves).map(|file| file.path.clone()).collect();
        let rows_written = adds.iter().map(|staged| staged.file.rows).sum();
        let (mut made, replaced) = self.adapt_older(table, work, staged).await?;
        counters.merged.files_rewritten = made.len() as u64;
        if (replaces || work.base.version == 0) && adds.is_empty() {
            // Every row that came was deleted by a later record, or is held back.
            let file = empty_file(&self.write_options(work.attempt()?.version()), staged.next_sequence)?;
            made.push(work.attempt()?.stage(file).await?);
        }
        adds.extend(made.iter().cloned());
        removes.extend(replaced);
        let (cursor, parents) = (staged.cursor.clone(), self.parents(&work.base));
        Ok(Change { adds, removes, rows_written, made, cursor, parents })
    }

    /// The table's files in the schema of the run, and those in whose place they come; none if they have it already.
    async fn adapt_older(
        &self,
        table: &dyn TableFormat,
        work: &Work,
        staged: &Staged,
    ) -> Result<(Vec<StagedFile>, Vec<String>)> {
        let Some(older) = evolving::older_schema(self.resource, &work.base) else { return Ok(Default::default()) };
        let attempt = work.attempt()?;
        let merging = Merging {
            resource: self.resource,
            table,
            attempt,
            options: Arc::new(self.write_options(attempt.version())),
            brought: Brought::Part,
            older: Some(Arc::new(older)),
            memory: self.memory / FILES_PART,
            shutdown: &self.environment.shutdown,
        };
        merging.adapt_older(&work.base, staged.next_sequence).await
    }

    /// How far the resources above have been read, once all lists have been.
    fn parents(&self, base: &TableSnapshot) -> Marks {
        // A table that is written anew has the rows of this run alone.
        let replaces = self.resource.write_disposition == WriteDisposition::Replace;
        let mut parents = if replaces { Marks::new() } else { base.state.parents.clone() };
        let is_interval = self.resource.incremental.as_ref().is_some_and(|plan| plan.is_interval);
        let range = self.resource.incremental.as_ref().and_then(|plan| plan.range.as_ref());
        let is_whole = self.resource.max_pages.is_none() && !is_interval && range.is_none_or(|range| !range.has_next);
        if let Some(rows) = self.rows.filter(|_| is_whole) {
            parents.extend(rows.span.to.clone());
        }
        parents
    }

    /// One version of what was staged; the inner error is the version that another writer made first.
    async fn commit(
        &self,
        table: &dyn TableFormat,
        base: &TableSnapshot,
        change: Change,
        counters: &Counters,
    ) -> Result<Result<Committed, Version>> {
        let (rows_written, cursor) = (change.rows_written, change.cursor.clone());
        self.check_numbers(counters, rows_written)?;
        Ok(match table.commit(base.version, self.new_commit(change, counters)?).await? {
            CommitOutcome::Committed { version, rows: table_rows, files } => {
                let plan = Some(Box::new(self.resource.clone()));
                Ok(Committed { version, table_rows, rows_before: Some(base.rows), rows_written, files, cursor, plan })
            }
            CommitOutcome::Conflict { version, .. } => Err(version),
        })
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

    /// What tells that a version of a row still holds, if that is not null.
    fn active(&self) -> Option<i64> {
        match &self.resource.merge.strategy {
            MergeStrategy::Scd2(plan) => plan.active,
            _ => None,
        }
    }

    fn new_commit(&self, change: Change, counters: &Counters) -> Result<Commit> {
        let operation = match self.resource.write_disposition {
            WriteDisposition::Append => Operation::Append,
            WriteDisposition::Replace => Operation::Replace,
            WriteDisposition::Merge | WriteDisposition::Skip => Operation::Merge,
        };
        let fingerprint = Some(self.fingerprint(None)?);
        Ok(Commit {
            identity: self.identity(),
            run_id: self.run_id.to_owned(),
            operation,
            schema: self.resource.schema.clone(),
            partition_by: partition_spec(self.resource),
            adds: change.adds,
            removes: change.removes,
            state: State {
                detected: detected::state(self.resource, counters.learned.as_ref()),
                cursor: change.cursor,
                counters: counters.named(),
                active_record_timestamp: self.active(),
                fingerprint,
                parents: change.parents,
            },
        })
    }
}
