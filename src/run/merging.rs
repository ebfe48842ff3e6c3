//! Between the pipeline and the commit: what a run merges into a table becomes files to add and files to remove.
//!
//! ```text
//!  table's files ──Search──► Found ─┬─► the table's files without the rows that go   ─┐
//!                                   └─► the run's own files without unchanged rows   ─┴─► Merged: adds, removes, counts
//! ```
//!
//! Neither the table nor the run's staged files are changed: what has to be written again is staged beside them, under
//! numbers that follow theirs. So all of it can be done again with a newer version of the table, once the files that the
//! first try made are [discarded](discard).

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{
    RunError,
    outcome::{Counters, Merge},
    pipeline::Staged,
};
use crate::{
    commit::{Attempt, TableFormat, TableSnapshot},
    digest,
    error::Result,
    merge::{Brought, FileChange, Found, Incoming, MergeError, Search},
    model::{DataFile, EncodedFile, StagedFile},
    plan::{MergePlan, MergeStrategy, ResourcePlan, WriteDisposition},
    report::{Event, Reporter, counted},
    schema::TableSchema,
    write::{Change, WriteOptions, adapt_with, empty_file, renamed, rewrite_with},
};

/// Files that are written again at the same time: while one is encoded, the next is read.
const REWRITES_AT_ONCE: usize = 2;

/// What a merge works with.
pub(super) struct Merging<'a> {
    pub(super) resource: &'a ResourcePlan,
    pub(super) table: &'a dyn TableFormat,
    pub(super) attempt: &'a Attempt,
    /// Those of the attempt's version.
    pub(super) options: Arc<WriteOptions>,
    pub(super) brought: Brought,
    /// The schema of the table's files, if it is not that of `options`: then all of them are written again.
    pub(super) older: Option<Arc<TableSchema>>,
    /// Bytes of the table's key columns that may be held at once.
    pub(super) memory: u64,
    /// Asked before each file that is written again: a merge may take longer than its export.
    pub(super) shutdown: &'a CancellationToken,
}

/// What a run does to one version of its table.
pub(super) struct Merged {
    pub(super) adds: Vec<StagedFile>,
    /// Paths of files of the version.
    pub(super) removes: Vec<String>,
    /// Rows of the run itself.
    pub(super) rows_written: u64,
    pub(super) counts: Merge,
    /// Those of the staged files that are not the run's own: they hold for this version only.
    pub(super) made: Vec<StagedFile>,
}

/// A file that is to be written again.
struct Job {
    source: Input,
    change: Change,
    sequence: u64,
}

enum Input {
    Own(StagedFile),
    Table(DataFile),
}

/// Refuses what can be known to be wrong before the first request.
pub(super) fn check(resource: &ResourcePlan, base: &TableSnapshot) -> Result<(), RunError> {
    let table = resource.table.clone();
    if resource.merge.delete_missing && resource.max_pages.is_some() && base.rows > 0 {
        return Err(RunError::PartialDelete { table, rows: base.rows });
    }
    let MergeStrategy::Scd2(plan) = &resource.merge.strategy else { return Ok(()) };
    if let Some(active) =
        base.state.active_record_timestamp.filter(|active| plan.active != Some(*active) && base.rows > 0)
    {
        let moment = |micros: Option<i64>| micros.and_then(DateTime::from_timestamp_micros).map(|it| it.to_rfc3339());
        let (was, is) = (moment(Some(active)), moment(plan.active));
        let text = |moment: Option<String>| moment.unwrap_or_else(|| "null".to_owned());
        return Err(RunError::ActiveTimestamp { table, was: text(was), is: text(is) });
    }
    match resource.partition_by.iter().find(|field| field.column == plan.valid_to) {
        None => Ok(()),
        Some(field) => {
            let column =
                resource.schema.columns.get(field.column).map_or_else(String::new, |column| column.name.clone());
            Err(RunError::ValidityPartition { table, column })
        }
    }
}

/// The resource's merge with all that was left to the run: when versions begin and end.
pub(super) fn plan(resource: &ResourcePlan, began: DateTime<Utc>) -> MergePlan {
    let mut plan = resource.merge.clone();
    if let MergeStrategy::Scd2(scd2) = &mut plan.strategy {
        scd2.boundary.get_or_insert(began.timestamp_micros());
    }
    plan
}

/// Columns that a merge looks for rows by: each data file tells their range.
pub(super) fn key_columns(resource: &ResourcePlan) -> Vec<usize> {
    let mut columns: Vec<usize> = resource.primary_key.iter().chain(&resource.merge.merge_key).copied().collect();
    if let MergeStrategy::Scd2(plan) = &resource.merge.strategy {
        columns.push(plan.valid_to);
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Whether rows that were written may turn out to be in the table already.
pub(super) fn drops_rows(resource: &ResourcePlan) -> bool {
    resource.write_disposition == WriteDisposition::Merge
        && matches!(resource.merge.strategy, MergeStrategy::InsertOnly | MergeStrategy::Scd2(_))
}

/// How much of the source the run brought. Where it is less than was asked for, and that matters, a warning says what was left
/// undone.
pub(super) fn brought(resource: &ResourcePlan, reporter: &dyn Reporter, counters: &mut Counters) -> Brought {
    let why = match (counters.rows_rejected, &counters.shortfall) {
        (0, None) => return Brought::Everything,
        (0, Some(why)) => why.clone(),
        (rejected, _) => format!("{} rejected", counted(rejected, "row")),
    };
    if let Some(undone) = left_undone(resource) {
        let message = format!("{why}: {undone}");
        reporter.on_event(&Event::Warning { resource: &resource.name, message: &message });
        counters.warnings.push(message);
    }
    Brought::Part
}

/// What a merge of less than everything does not do.
fn left_undone(resource: &ResourcePlan) -> Option<&'static str> {
    let MergePlan { strategy, merge_key, delete_missing, .. } = &resource.merge;
    match strategy {
        _ if *delete_missing => Some("no row of the table was deleted for being missing at the source"),
        MergeStrategy::Scd2(_) if merge_key.is_empty() => {
            Some("no version of a row that is missing at the source was retired")
        }
        MergeStrategy::Scd2(_) => Some("of the rows of a `merge_key`, only versions whose own key came were retired"),
        MergeStrategy::DeleteInsert if merge_key.is_empty() => None,
        MergeStrategy::DeleteInsert if resource.primary_key.is_empty() => {
            Some("what came has taken the place of all rows of its `merge_key`, those among them that did not come")
        }
        MergeStrategy::DeleteInsert => {
            Some("of the rows of a `merge_key`, only those whose own key came were replaced")
        }
        MergeStrategy::Upsert | MergeStrategy::InsertOnly => None,
    }
}

impl Merging<'_> {
    /// What the staged run does to the table as it is in `base`.
    ///
    /// # Errors
    /// The store's, files of the table that are gone or damaged, and kind `Interrupted` on shutdown.
    pub(super) async fn merge(&self, base: &TableSnapshot, staged: &Staged) -> Result<Merged> {
        let found = self.find(base, staged).await?;
        let dropped = staged.incoming.as_deref().map(|incoming| incoming.dropped(&found.known));
        let (ids, unchanged) = dropped.map_or((Vec::new(), 0), |dropped| (dropped.ids, dropped.unchanged));
        let mut sequence = staged.next_sequence;
        let (mut own, jobs) = own_files(staged, &ids, &mut sequence);
        let mut made = self.rewrite(jobs).await?;
        own.extend(made.iter().cloned());
        let rows_written = own.iter().map(|staged| staged.file.rows).sum();

        let changes = self.changes(base, &found.changes);
        let rewritten = self.rewrite(table_jobs(base, &changes, &mut sequence)).await?;
        let mut merged = Merged {
            removes: changed_paths(base, &changes),
            adds: own,
            rows_written,
            counts: Merge {
                rows_unchanged: unchanged,
                rows_deleted: found.deleted,
                files_considered: base.files.len() as u64,
                files_read: found.read,
                files_rewritten: changes.len() as u64,
            },
            made: Vec::new(),
        };
        merged.adds.extend(rewritten.iter().cloned());
        made.extend(rewritten);
        merged.made = made;
        let rows = base.rows.saturating_sub(found.gone) + rows_written;
        self.settle_emptiness(base, staged, rows, sequence, &mut merged).await?;
        Ok(merged)
    }

    /// The table's files for another schema, and the paths of those in whose place they come: what an append has to do.
    pub(super) async fn adapt_older(
        &self,
        base: &TableSnapshot,
        mut sequence: u64,
    ) -> Result<(Vec<StagedFile>, Vec<String>)> {
        let changes = self.changes(base, &[]);
        let adapted = self.rewrite(table_jobs(base, &changes, &mut sequence)).await?;
        Ok((adapted, changed_paths(base, &changes)))
    }

    /// What has to be done to the table's files: what was found, and for another schema to every one with rows.
    fn changes(&self, base: &TableSnapshot, found: &[FileChange]) -> Vec<FileChange> {
        if self.older.is_none() {
            return found.to_vec();
        }
        let with_rows = base.files.iter().enumerate().filter(|(_, file)| file.rows > 0);
        let change = |(index, file): (usize, &DataFile)| {
            let keep = BooleanBuffer::new_set(usize::try_from(file.rows).unwrap_or(usize::MAX));
            let unchanged = || FileChange { file: index, change: Change { keep, patch: None } };
            found.iter().find(|change| change.file == index).cloned().unwrap_or_else(unchanged)
        };
        with_rows.map(change).collect()
    }

    async fn find(&self, base: &TableSnapshot, staged: &Staged) -> Result<Found> {
        let Some(incoming) = staged.incoming.as_ref().filter(|_| base.rows > 0) else { return Ok(Found::default()) };
        let table = self.table.workspace().table().clone();
        let incoming: Arc<Incoming> = Arc::clone(incoming);
        let search = Search::new(table, incoming, &self.resource.partition_by, self.brought, self.memory)?;
        let search = match &self.older {
            Some(older) => search.in_older(older)?,
            None => search,
        };
        Ok(search.run(&base.files).await?)
    }

    /// A table without rows has one file without rows, and a table with rows none.
    async fn settle_emptiness(
        &self,
        base: &TableSnapshot,
        staged: &Staged,
        rows: u64,
        sequence: u64,
        merged: &mut Merged,
    ) -> Result<()> {
        let empty: Vec<&DataFile> = base.files.iter().filter(|file| file.rows == 0).collect();
        if rows > 0 {
            if !merged.adds.is_empty() {
                merged.removes.extend(empty.into_iter().map(|file| file.path.clone()));
            }
            return Ok(());
        }
        let has_its_columns =
            base.schema.as_ref().is_some_and(|schema| schema.to_arrow() == self.options.schema.to_arrow());
        if !empty.is_empty() && has_its_columns {
            return Ok(());
        }
        merged.removes.extend(empty.into_iter().map(|file| file.path.clone()));
        let stands_for_it = staged.files.iter().find(|staged| staged.file.rows == 0).cloned();
        let file = match stands_for_it {
            Some(file) => file,
            None => {
                let file = self.attempt.stage(empty_file(&self.options, sequence)?).await?;
                merged.made.push(file.clone());
                file
            }
        };
        merged.adds.push(file);
        Ok(())
    }

    /// Does the jobs, in order; a file of which no row is left is not there any more.
    async fn rewrite(&self, jobs: Vec<Job>) -> Result<Vec<StagedFile>> {
        let rewritten = stream::iter(jobs).map(|job| self.rewrite_one(job)).buffered(REWRITES_AT_ONCE);
        let staged: Vec<Option<StagedFile>> = rewritten.try_collect().await?;
        Ok(staged.into_iter().flatten().collect())
    }

    async fn rewrite_one(&self, job: Job) -> Result<Option<StagedFile>> {
        if self.shutdown.is_cancelled() {
            return Err(RunError::Interrupted { resource: self.resource.name.clone() }.into());
        }
        let Job { source, change, sequence } = job;
        if change.keep.count_set_bits() == 0 {
            return Ok(None);
        }
        let (file, content, older) = match source {
            Input::Own(staged) => {
                let content = self.attempt.read(&staged).await?;
                (staged.file, content, None)
            }
            Input::Table(file) => {
                let content = self.read(&file).await?;
                (file, content, self.older.clone())
            }
        };
        let options = Arc::clone(&self.options);
        let rewritten = spawn_blocking(move || {
            let path = renamed(&file.path, &options, sequence);
            let DataFile { partition, rows, keys, .. } = file;
            let file = EncodedFile { path, partition, rows, keys, content };
            match older {
                Some(from) => adapt_with(file, &from, &change, &options),
                None => rewrite_with(file, &change, &options),
            }
        });
        match rewritten.await.map_err(|_| self.worker())?? {
            Some(file) => Ok(Some(self.attempt.stage(file).await?)),
            None => Ok(None),
        }
    }

    /// A file of the table, as its commit has it.
    async fn read(&self, file: &DataFile) -> Result<Bytes> {
        let table = self.table.workspace().table();
        let shown = table.shown(&file.path);
        let content = table.get(&file.path).await?.ok_or_else(|| MergeError::Gone { path: shown.clone() })?;
        let (expected, hashed) = (file.sha256.clone(), content.clone());
        let is_the_same = spawn_blocking(move || digest::is_as_committed(&hashed, &expected));
        if is_the_same.await.map_err(|_| self.worker())? {
            return Ok(content);
        }
        Err(MergeError::Changed { path: shown, reason: "its SHA-256 is another one".to_owned() }.into())
    }

    fn worker(&self) -> RunError {
        RunError::Worker { resource: self.resource.name.clone() }
    }
}

/// Deletes staged files that held for one version of the table only.
pub(super) async fn discard(made: &[StagedFile], attempt: &Attempt) -> Result<()> {
    for staged in made {
        attempt.discard(staged).await?;
    }
    Ok(())
}

/// The run's files that stay as they are, and what has to be done to the others.
fn own_files(staged: &Staged, dropped: &[u64], sequence: &mut u64) -> (Vec<StagedFile>, Vec<Job>) {
    let mut stale = staged.index.stale(dropped).into_iter().peekable();
    let (mut whole, mut jobs) = (Vec::new(), Vec::new());
    for (position, file) in staged.files.iter().enumerate() {
        match stale.next_if(|stale| stale.position == position) {
            Some(stale) => {
                let change = Change { keep: stale.keep, patch: None };
                jobs.push(Job { source: Input::Own(file.clone()), change, sequence: take(sequence) });
            }
            None if file.file.rows > 0 => whole.push(file.clone()),
            None => {}
        }
    }
    (whole, jobs)
}

fn table_jobs(base: &TableSnapshot, changes: &[FileChange], sequence: &mut u64) -> Vec<Job> {
    let job = |FileChange { file, change }: &FileChange| {
        let file = base.files.get(*file)?.clone();
        Some(Job { source: Input::Table(file), change: change.clone(), sequence: take(sequence) })
    };
    changes.iter().filter_map(job).collect()
}

fn changed_paths(base: &TableSnapshot, changes: &[FileChange]) -> Vec<String> {
    changes.iter().filter_map(|change| base.files.get(change.file)).map(|file| file.path.clone()).collect()
}

fn take(sequence: &mut u64) -> u64 {
    let taken = *sequence;
    *sequence += 1;
    taken
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use object_store::{memory::InMemory, path::Path};

    use super::*;
    use crate::{
        commit,
        environment::Environment,
        keys::KeySet,
        merge::Collector,
        model::{Commit, Operation, State, TableIdentity},
        plan::{Compression, ParquetPlan, TableFormatKind},
        schema::{Column, Source, TableSchema},
        store::Store,
        write::TableWriter,
    };

    fn schema() -> TableSchema {
        let source = Source::Path(vec!["id".to_owned()]);
        let data_type = "int64".parse().unwrap();
        TableSchema { columns: vec![Column { name: "id".to_owned(), source, data_type, nullable: true, format: None }] }
    }

    fn resource() -> ResourcePlan {
        let source = r#"{"name": "p", "client": {"base_url": "http://127.0.0.1/", "paginator": "single_page"},
            "resources": [{"name": "t", "primary_key": "id", "write_disposition": "merge",
                           "schema": {"columns": [{"name": "id", "type": "int64"}]}}]}"#;
        let loaded = crate::config::load(crate::config::Source::Stdin { text: source.to_owned() }, &|_| None).unwrap();
        let plan = crate::plan::resolve(&loaded, &crate::plan::Overrides::default()).unwrap();
        let mut resource = plan.resources.into_iter().next().unwrap();
        resource.merge.strategy = MergeStrategy::InsertOnly;
        resource
    }

    fn options(version: u64) -> WriteOptions {
        WriteOptions {
            schema: schema(),
            partition_by: Vec::new(),
            parquet: ParquetPlan {
                compression: Compression::Snappy,
                target_file_size: 1 << 20,
                row_group_rows: 1000,
                bloom_filter: Vec::new(),
                sort_by: Vec::new(),
            },
            version,
            position: 0,
            memory: 1 << 24,
            index: true,
            keys: vec![0],
            pipeline: "p".to_owned(),
            resource: "t".to_owned(),
        }
    }

    async fn staged(attempt: &Attempt, resource: &ResourcePlan, ids: &[i64]) -> Staged {
        let column: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let rows = RecordBatch::try_new(schema().to_arrow(), vec![column]).unwrap();
        let mut keys = KeySet::new(&schema().to_arrow(), &[0]).unwrap();
        keys.slots(&rows, &mut Vec::new()).unwrap();
        let row_ids: Vec<u64> = (0..ids.len() as u64).collect();
        let mut writer = TableWriter::new(options(attempt.version())).unwrap();
        let mut encoded = writer.write(&rows, &row_ids).unwrap();
        let finished = writer.finish().unwrap();
        encoded.extend(finished.files);
        let mut files = Vec::new();
        for file in encoded {
            files.push(attempt.stage(file).await.unwrap());
        }
        let collector = Collector::new(&schema(), &resource.merge, &[0]).unwrap();
        let incoming = collector.finish(Some((keys, row_ids)), Vec::new()).unwrap();
        let (index, next_sequence) = (finished.index, finished.next_sequence);
        let eras = crate::run::evolving::Eras::new(schema());
        let incoming = Some(Arc::new(incoming));
        Staged {
            files,
            index,
            superseded: Vec::new(),
            cursor: None,
            incoming,
            next_sequence,
            eras,
            rows: 0,
            again: None,
            held: None,
        }
    }

    async fn open() -> Box<dyn TableFormat> {
        let store = Store::new(Arc::new(InMemory::new()), Path::default(), "memory");
        let identity = TableIdentity { pipeline: "p".to_owned(), resource: "t".to_owned() };
        commit::open(&store, "t", identity, Environment::real(), TableFormatKind::Parquet).await.unwrap()
    }

    async fn commit(table: &dyn TableFormat, adds: Vec<StagedFile>, removes: Vec<String>) -> TableSnapshot {
        let base = table.snapshot().await.unwrap();
        let commit = Commit {
            identity: base.identity.clone().unwrap_or(TableIdentity { pipeline: "p".into(), resource: "t".into() }),
            run_id: "r".to_owned(),
            operation: Operation::Merge,
            schema: schema(),
            partition_by: Vec::new(),
            adds,
            removes,
            state: State::default(),
        };
        let _ = table.commit(base.version, commit).await.unwrap();
        if let Some(held) = table.workspace().held().await {
            held.release().await.unwrap();
        }
        table.snapshot().await.unwrap()
    }

    fn merging<'a>(
        resource: &'a ResourcePlan,
        table: &'a dyn TableFormat,
        attempt: &'a Attempt,
        shutdown: &'a CancellationToken,
    ) -> Merging<'a> {
        let options = Arc::new(options(attempt.version()));
        Merging {
            resource,
            table,
            attempt,
            options,
            brought: Brought::Everything,
            older: None,
            memory: 1 << 20,
            shutdown,
        }
    }

    #[tokio::test]
    async fn a_merge_is_done_again_with_another_version_of_the_table() {
        let (resource, table) = (resource(), open().await);
        let attempt = table.attempt(0).await.unwrap();
        let first = staged(&attempt, &resource, &[1, 2]).await;
        let base = commit(table.as_ref(), first.files, Vec::new()).await;

        let attempt = table.attempt(base.version).await.unwrap();
        let run = staged(&attempt, &resource, &[2, 3]).await;
        let shutdown = CancellationToken::new();
        let merging = merging(&resource, table.as_ref(), &attempt, &shutdown);
        let merged = merging.merge(&base, &run).await.unwrap();
        assert_eq!((merged.rows_written, merged.counts.rows_unchanged), (1, 1));
        let names: Vec<String> = merged.adds.iter().map(|add| add.file.path.clone()).collect();
        discard(&merged.made, &attempt).await.unwrap();

        // A version in which another key is known: what the first try dropped is there again.
        let emptied = TableSnapshot { files: Vec::new(), rows: 0, ..base.clone() };
        let merged = merging.merge(&emptied, &run).await.unwrap();
        assert_eq!((merged.rows_written, merged.counts.rows_unchanged), (2, 0));
        discard(&merged.made, &attempt).await.unwrap();
        let merged = merging.merge(&base, &run).await.unwrap();
        assert_eq!(
            merged.adds.iter().map(|add| add.file.path.clone()).collect::<Vec<_>>(),
            names,
            "the same as at first"
        );

        let snapshot = commit(table.as_ref(), merged.adds, merged.removes).await;
        assert_eq!(snapshot.rows, 3);
        let left = table.workspace().table().list("_restlake/staging").unwrap();
        assert_eq!(left.try_collect::<Vec<_>>().await.unwrap().len(), 0, "the run's first files are cleared away");
    }

    #[tokio::test]
    async fn a_merge_stops_between_files_when_the_run_is_to_end() {
        let (resource, table) = (resource(), open().await);
        let attempt = table.attempt(0).await.unwrap();
        let first = staged(&attempt, &resource, &[1, 2]).await;
        let base = commit(table.as_ref(), first.files, Vec::new()).await;
        let attempt = table.attempt(base.version).await.unwrap();
        let run = staged(&attempt, &resource, &[2, 3]).await;
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let stopped = merging(&resource, table.as_ref(), &attempt, &shutdown).merge(&base, &run).await;
        assert_eq!(stopped.err().unwrap().kind(), crate::ErrorKind::Interrupted);
    }

    #[test]
    fn ranges_are_kept_of_all_columns_that_a_merge_looks_at() {
        let mut resource = resource();
        assert_eq!(key_columns(&resource), [0]);
        resource.merge.merge_key = vec![2, 0];
        resource.merge.strategy = MergeStrategy::Scd2(crate::plan::Scd2Plan { valid_to: 5, ..Default::default() });
        assert_eq!(key_columns(&resource), [0, 2, 5]);
    }
}
