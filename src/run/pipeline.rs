//! The stages between the first request and the commit, each with one owner, joined by bounded channels.
//!
//! ```text
//!   async task            blocking pool              one thread                 async task
//!   fetch, in order ──►   decode, in order   ──►     dedup + write     ──►      stage
//!     (page)              (batch + rejects)          (encoded file)             (staged file)
//! ```
//!
//! Pages are decoded side by side and handed on in page order. A stage that fails drops its ends of the channels, which ends
//! the others; the error that is reported is the one that began it. The thread that writes finishes its files only when it
//! was told that all pages are in: a channel that merely closes is a failure further up.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::{
    FutureExt, StreamExt, TryStreamExt,
    stream::{self, FuturesOrdered},
};
use tokio::{
    runtime::Handle,
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{Receiver, Sender, channel},
        oneshot,
    },
    task::{JoinError, spawn_blocking},
};

use serde::{Deserialize, Serialize};

use super::{
    RunError,
    checkpoint::{Checkpoints, Known, Meter, Pace, Passing},
    cursor::Tracker,
    empty_columns::EmptyColumns,
    evolving::{Eras, Evolving, Reading, Settled},
    list_reads::ListReads,
    load_columns::LoadColumns,
    outcome::Counters,
    rows::Rows,
    verdict,
};
use crate::{
    commit::{Attempt, RejectWriter},
    dedup::{self, Again, Dedup, Deduplicated, Origin},
    error::{Error, Result},
    fetch::{PageSource, Position},
    memory::Draining,
    merge::{self, Collector, Incoming, Sifted},
    model::{DataFile, EncodedFile, StagedFile},
    plan::{OnDrift, ResourcePlan},
    report::{Event, Reporter},
    schema::TableSchema,
    write::{FileIndex, TableWriter},
};

/// Batches between decode and write, files between write and stage: enough to even out, little enough not to count.
const QUEUE: usize = 2;

/// As many permits as a semaphore surely has; in KiB more than any machine's memory.
const MOST_PERMITS: u32 = 1 << 29;

/// Files that are staged at the same time.
const STAGED_AT_ONCE: usize = 4;

/// What goes through the stages.
pub(super) struct Pipeline<'a> {
    pub(super) resource: &'a ResourcePlan,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) pages: &'a mut dyn PageSource,
    pub(super) evolving: Evolving,
    /// What children need of the pages, as they are decoded.
    pub(super) kept: &'a mut Option<Rows>,
    pub(super) cursor: &'a mut Option<Tracker>,
    pub(super) empty: &'a mut EmptyColumns,
    pub(super) rejects: &'a mut RejectWriter,
    pub(super) attempt: &'a Attempt,
    pub(super) load_columns: LoadColumns,
    pub(super) table: TableStage,
    pub(super) pace: Pace,
    /// State of the run that this one resumes, if any.
    pub(super) lists: ListReads,
    pub(super) checkpoints: Checkpoints,
    /// Bytes of finished files that may wait for the store.
    pub(super) staging_memory: u64,
}

/// All that came of it, in the store but not in the table yet.
pub(super) struct Staged {
    pub(super) files: Vec<StagedFile>,
    pub(super) index: FileIndex,
    /// Ids of rows in the files that a later row of the same key replaced, ascending.
    pub(super) superseded: Vec<u64>,
    /// What the commit's state says of the cursor.
    pub(super) cursor: Option<serde_json::Value>,
    /// What a merge needs to know of the run; `None` if nothing is merged.
    pub(super) incoming: Option<Arc<Incoming>>,
    /// What the next file of this version would be numbered.
    pub(super) next_sequence: u64,
    /// Which of the files have which schema.
    pub(super) eras: Eras,
    /// Rows that were handed on, those that dedup left out included.
    pub(super) rows: u64,
    /// What dedup saw of keys that came twice.
    pub(super) again: Option<Again>,
    /// The id of the first row that an append may not commit, since the cursor does not move to it.
    pub(super) held: Option<u64>,
}

/// What the writing thread leaves behind.
struct Written {
    index: FileIndex,
    superseded: Vec<u64>,
    incoming: Option<Incoming>,
    next_sequence: u64,
    eras: Eras,
    duplicates: u64,
    rows: u64,
    again: Option<Again>,
}

enum Input {
    Rows(RecordBatch, Origin, Option<Draining>),
    /// Asks what the keys show, once all rows before it are in.
    Again(oneshot::Sender<Option<Again>>),
    /// That of all rows from now on.
    Schema(TableSchema),
    /// All rows up to here are to be in files.
    Mark(Box<Passing>),
    /// All pages are in. The rows with these ids, ascending, were read again since; those with a key were replaced then.
    End(Vec<u64>),
}

/// Why a stage ended without a result.
enum Stop {
    /// This stage failed.
    Failed(Error),
    /// The stage before or behind it did, and knows why.
    Elsewhere,
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Pipeline<'_> {
    /// Runs all stages to their end. `counters` tell how far it came, also on failure.
    pub(super) async fn run(self, counters: &mut Counters) -> Result<Staged> {
        let (rows, rows_in) = channel(QUEUE);
        let (files, files_in) = channel(QUEUE);
        let files = Outlet::new(files, self.staging_memory);
        let decoded = self.table.rows;
        let (table, meter) = (self.table, self.pace.meter());
        let writing = spawn_blocking(move || table.run(rows_in, &files, &meter));
        let staging = stage(self.attempt, self.resource, self.reporter, self.checkpoints, files_in);
        let reader = Reader {
            resource: self.resource,
            reporter: self.reporter,
            pages: self.pages,
            evolving: self.evolving,
            cursor: self.cursor,
            empty: self.empty,
            kept: self.kept,
            load_columns: self.load_columns,
            rejects: self.rejects,
            counters,
            pace: self.pace,
            lists: self.lists,
            retries_lists: verdict::retries_lists(self.resource),
            rows,
            decoded,
            rereads: self.resource.on_drift == OnDrift::Refetch,
        };
        let reading = reader.run();
        let (read, staged, written) = tokio::join!(reading, staging, writing);
        let written = written.unwrap_or(Err(Stop::Elsewhere));
        match (read, written, staged) {
            (Ok(()), Ok(written), Ok(files)) => {
                counters.rows_duplicate += written.duplicates;
                counters.rows_filtered += written.incoming.as_ref().map_or(0, Incoming::filtered);
                let Written { index, superseded, incoming, next_sequence, eras, rows, again, .. } = written;
                let incoming = incoming.map(Arc::new);
                Ok(Staged {
                    files,
                    index,
                    superseded,
                    cursor: None,
                    incoming,
                    next_sequence,
                    eras,
                    rows,
                    again,
                    held: None,
                })
            }
            (read, written, staged) => {
                let stops = [read.err(), written.err(), staged.err()];
                let resource = self.resource.name.clone();
                Err(first_failure(stops).unwrap_or_else(|| RunError::Worker { resource }.into()))
            }
        }
    }
}

/// The failure that the other stages' stops followed from.
fn first_failure(stops: [Option<Stop>; 3]) -> Option<Error> {
    stops.into_iter().flatten().find_map(|stop| match stop {
        Stop::Failed(error) => Some(error),
        Stop::Elsewhere => None,
    })
}

/// What the task that reads works with.
struct Reader<'a> {
    resource: &'a ResourcePlan,
    reporter: &'a dyn Reporter,
    pages: &'a mut dyn PageSource,
    evolving: Evolving,
    cursor: &'a mut Option<Tracker>,
    empty: &'a mut EmptyColumns,
    kept: &'a mut Option<Rows>,
    load_columns: LoadColumns,
    rejects: &'a mut RejectWriter,
    counters: &'a mut Counters,
    pace: Pace,
    lists: ListReads,
    /// Incomplete lists are left to the next run.
    retries_lists: bool,
    rows: Sender<Input>,
    /// Rows that were handed on, as their ids count them.
    decoded: u64,
    /// What a refetch may remove from the table depends on keys that came twice.
    rereads: bool,
}

impl Reader<'_> {
    /// Takes pages as they come in order, decodes a few of them side by side, and hands their rows on in page order.
    ///
    /// What fails first in page order is the failure: the pages before one that cannot be had are still judged. Where a page may
    /// show that it is the last that matters, none is asked for before it was looked at.
    async fn run(mut self) -> Result<(), Stop> {
        let one_by_one = self.cursor.as_ref().is_some_and(Tracker::may_end_early);
        let side_by_side = match one_by_one {
            true => 1,
            false => std::thread::available_parallelism().map_or(1, usize::from) + 1,
        };
        while self.read_pass(one_by_one, side_by_side).await? {
            if !self.reads_again().await? {
                break;
            }
        }
        self.pages.end_by_order();
        self.mark_retry().await?;
        let replaced = self.lists.replaced_rows();
        self.rows.send(Input::End(replaced)).await.map_err(|_| Stop::Elsewhere)
    }

    /// Leaves a checkpoint after the last page, where the next run can read the incomplete lists again and keep the others.
    async fn mark_retry(&mut self) -> Result<(), Stop> {
        let Some(position) = self.pages.retry_position().filter(|_| self.retries_lists) else { return Ok(()) };
        self.lists.end(&position, position.pages(), self.decoded, self.counters);
        let known = known(self.counters, self.pages, self.cursor, &self.lists);
        if let Some(mark) = self.pace.last_mark(&position, known) {
            self.rows.send(Input::Mark(Box::new(mark))).await.map_err(|_| Stop::Elsewhere)?;
            self.counters.retries_lists = true;
        }
        Ok(())
    }

    /// Whether the keys show that rows moved, and the result set is read once more for it.
    async fn reads_again(&mut self) -> Result<bool, Stop> {
        if !self.rereads {
            return Ok(false);
        }
        let (answer, again) = oneshot::channel();
        self.rows.send(Input::Again(answer)).await.map_err(|_| Stop::Elsewhere)?;
        let again = again.await.map_err(|_| Stop::Elsewhere)?;
        let why = again.and_then(|again| again.first).map(|(rows, _)| verdict::came_twice(rows));
        Ok(why.is_some_and(|why| self.pages.read_again(&why)))
    }

    /// Takes pages to the end of the source; false if a page showed that no later one is wanted.
    async fn read_pass(&mut self, one_by_one: bool, side_by_side: usize) -> Result<bool, Stop> {
        let mut decoding = FuturesOrdered::new();
        let ended = loop {
            tokio::select! {
                biased;
                () = self.rows.closed() => return Err(Stop::Elsewhere),
                Some((read, position)) = decoding.next() => match self.hand_on(read, &position).await? {
                    // The rest of the list, and what was asked for of it, is nobody's concern.
                    true if one_by_one => break Ok(false),
                    _ => {}
                },
                page = self.pages.next(), if decoding.len() < side_by_side => match page {
                    Some(Ok(page)) => {
                        // The one behind the page.
                        let position = self.pages.position();
                        decoding.push_back(self.evolving.spawn(page).map(|read| (read, position)));
                    }
                    Some(Err(error)) => break Err(error),
                    None => break Ok(true),
                },
            }
        };
        while let Some((read, position)) = decoding.next().await {
            self.hand_on(read, &position).await?;
        }
        Ok(ended?)
    }

    /// One page's rejects are written, its rows handed on; behind them a mark, if it is time for a checkpoint. Says whether no
    /// later page can hold rows that are wanted.
    async fn hand_on(&mut self, read: Result<Reading, JoinError>, position: &Position) -> Result<bool, Stop> {
        let Settled { batch, page, seen, fields, grown, said, draining } =
            self.evolving.settle(read.map_err(|_| Stop::Elsewhere)?).await?;
        for message in said {
            tracing::warn!(resource = self.resource.name, "{message}");
            self.reporter.on_event(&Event::Warning { resource: &self.resource.name, message: &message });
            self.counters.warnings.push(message);
        }
        self.lists.enter(position, self.decoded, self.counters);
        self.counters.rows_fetched += batch.rows_fetched;
        self.counters.rows_filtered += batch.rows_filtered;
        self.counters.rows_duplicate += batch.rows_duplicate;
        self.counters.rows_rejected += batch.rows_rejected;
        self.counters.values_discarded += batch.values_discarded;
        if let (Some(kept), Some(page)) = (self.kept.as_mut(), &page) {
            kept.take(page);
        }
        let is_last = match (self.cursor.as_mut(), &seen) {
            (Some(cursor), Some(seen)) => cursor.observe(seen)?,
            _ => false,
        };
        self.counters.rows_at_boundary += seen.as_ref().map_or(0, |seen| seen.known);
        for reject in &batch.rejects {
            self.counters.count_reject(reject);
            self.rejects.write(reject).await?;
        }
        self.pace.keep(batch.rejects);
        if let Some(schema) = grown {
            self.rows.send(Input::Schema(schema)).await.map_err(|_| Stop::Elsewhere)?;
        }
        self.empty.observe(&batch.rows, fields);
        let filled = self.load_columns.fill(batch.rows, batch.page)?;
        let origin = Origin { page: batch.page, sequence: batch.sequence, repeats: batch.repeats };
        self.decoded += filled.num_rows() as u64;
        if let Some(cursor) = self.cursor.as_mut() {
            cursor.reach_page(batch.page, self.decoded);
        }
        self.rows.send(Input::Rows(filled, origin, draining)).await.map_err(|_| Stop::Elsewhere)?;
        let known = || known(self.counters, self.pages, self.cursor, &self.lists);
        if let Some(mark) = self.pace.mark(position, known) {
            self.rows.send(Input::Mark(Box::new(mark))).await.map_err(|_| Stop::Elsewhere)?;
        }
        Ok(is_last)
    }
}

/// Returns the state that a checkpoint stores beside the rows.
fn known(counters: &Counters, pages: &dyn PageSource, cursor: &Option<Tracker>, lists: &ListReads) -> Known {
    Known {
        counters: counters.with_requests(pages),
        cursor: cursor.as_ref().map(Tracker::progress),
        lists: lists.clone(),
    }
}

/// Stages files as they are finished, several at a time, and returns them in the order in which they were finished. A mark
/// becomes a checkpoint once the files before it are staged.
async fn stage(
    attempt: &Attempt,
    resource: &ResourcePlan,
    reporter: &dyn Reporter,
    mut checkpoints: Checkpoints,
    outputs: Receiver<Output>,
) -> Result<Vec<StagedFile>, Stop> {
    let outputs = stream::unfold(outputs, |mut outputs| async { outputs.recv().await.map(|output| (output, outputs)) });
    let staged = outputs.map(async |output| match output {
        Output::File(finished) => attempt.stage(finished.file).await.map(|file| (Some(file), None)),
        Output::Mark(mark) => Ok((None, Some(mark))),
    });
    let mut staged = std::pin::pin!(staged.buffered(STAGED_AT_ONCE));
    while let Some((file, mark)) = staged.try_next().await? {
        if let Some(file) = file {
            let DataFile { path, rows, bytes, .. } = &file.file;
            reporter.on_event(&Event::FileStaged { resource: &resource.name, path, rows: *rows, bytes: *bytes });
            checkpoints.add(file);
        }
        if let Some(mark) = mark {
            checkpoints.write(attempt, *mark).await?;
        }
    }
    Ok(checkpoints.into_files())
}

/// What the thread that writes leaves behind.
enum Output {
    File(Finished),
    Mark(Box<Passing>),
}

/// A finished file, and its part of the bytes that may wait to be staged.
struct Finished {
    file: EncodedFile,
    _held: OwnedSemaphorePermit,
}

/// Where the writing thread leaves finished files: a store that is slower than the encoder holds it up, by bytes.
struct Outlet {
    outputs: Sender<Output>,
    /// One permit for each KiB.
    room: Arc<Semaphore>,
    kib: u32,
    runtime: Handle,
}

impl Outlet {
    fn new(outputs: Sender<Output>, bytes: u64) -> Self {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, MOST_PERMITS);
        Self { outputs, room: Arc::new(Semaphore::new(kib as usize)), kib, runtime: Handle::current() }
    }

    /// Must be called on a thread that may block.
    fn send(&self, files: Vec<EncodedFile>) -> Result<(), Stop> {
        files.into_iter().try_for_each(|file| {
            // A file larger than all the room waits until it is alone.
            let kib = u32::try_from(file.content.len() / 1024).unwrap_or(u32::MAX).min(self.kib);
            let room = self.runtime.block_on(Arc::clone(&self.room).acquire_many_owned(kib));
            let finished = Finished { file, _held: room.map_err(|_| Stop::Elsewhere)? };
            self.outputs.blocking_send(Output::File(finished)).map_err(|_| Stop::Elsewhere)
        })
    }

    /// Behind all files that were sent before.
    fn mark(&self, mark: Box<Passing>) -> Result<(), Stop> {
        self.outputs.blocking_send(Output::Mark(mark)).map_err(|_| Stop::Elsewhere)
    }
}

/// What one checkpoint holds of the stage below.
#[derive(Serialize, Deserialize)]
struct StageState {
    dedup: Option<dedup::Segment>,
    collector: Option<merge::Segment>,
    /// Of the files since the checkpoint before.
    index: FileIndex,
    next_sequence: u64,
    rows: u64,
    /// As JSON: how columns are written down leaves out what they have not, which this encoding has no way to tell.
    eras: String,
}

/// Dedup and write: owned by one thread, so that neither needs a lock.
pub(super) struct TableStage {
    dedup: Option<Dedup>,
    /// Gathers what a merge has to know.
    collector: Option<Collector>,
    writer: TableWriter,
    eras: Eras,
    /// Rows seen so far: the id of the next one, where dedup does not number them.
    rows: u64,
    resource: String,
    /// Bytes that keys may take.
    key_memory: u64,
}

/// For fuzzing: bytes as the state of this stage, which is taken in or is another's, and is written down as it came.
#[cfg(any(test, fuzzing))]
pub(super) fn check_state(bytes: &[u8]) {
    use arrow::datatypes::{DataType, Field, Schema};
    let Ok(state) = postcard::from_bytes::<StageState>(bytes) else { return };
    let written = postcard::to_stdvec(&state).unwrap_or_default();
    let again = postcard::from_bytes::<StageState>(&written).and_then(|again| postcard::to_stdvec(&again));
    assert_eq!(again, Ok(written));
    let _ = first_schema(bytes);
    let Some(segment) = state.dedup else { return };
    let schema = Schema::new(vec![Field::new("i", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]);
    let dedup = Dedup::new(&Arc::new(schema), &[usize::from(bytes.len() % 2 == 1)], None);
    let restored = dedup.and_then(|mut dedup| dedup.restore(segment).map(|()| dedup));
    restored.into_iter().for_each(|mut dedup| drop((dedup.segment(), dedup.again(), dedup.duplicates())));
}

/// The schema of the first rows, from what a checkpoint holds.
pub(super) fn first_schema(state: &[u8]) -> Result<TableSchema, RunError> {
    let state: StageState = postcard::from_bytes(state)?;
    let eras: Eras = serde_json::from_str(&state.eras).map_err(RunError::Stored)?;
    Ok(eras.first().clone())
}

impl TableStage {
    /// `schema` is that of the first rows; keys of the resource may take `key_memory` bytes.
    pub(super) fn new(
        dedup: Option<Dedup>,
        collector: Option<Collector>,
        writer: TableWriter,
        schema: TableSchema,
        (resource, key_memory): (&str, u64),
    ) -> Self {
        let (resource, eras) = (resource.to_owned(), Eras::new(schema));
        Self { dedup, collector, writer, eras, rows: 0, resource, key_memory }
    }

    fn run(mut self, mut input: Receiver<Input>, files: &Outlet, meter: &Meter) -> Result<Written, Stop> {
        let replaced = loop {
            match input.blocking_recv() {
                None => return Err(Stop::Elsewhere),
                Some(Input::Mark(mut mark)) => {
                    mark.taken = meter.now();
                    let flushed = self.flush(&mut mark)?;
                    files.send(flushed)?;
                    files.mark(mark)?;
                }
                Some(Input::Rows(rows, origin, _draining)) => files.send(self.write(rows, origin)?)?,
                Some(Input::Again(answer)) => drop(answer.send(self.dedup.as_ref().and_then(Dedup::again))),
                Some(Input::Schema(schema)) => files.send(self.evolve(schema)?)?,
                Some(Input::End(replaced)) => break replaced,
            }
        };
        let finished = self.writer.finish()?;
        files.send(finished.files)?;
        let repeated = self.collector.as_ref().map_or(0, Collector::repeated);
        let duplicates = self.dedup.as_ref().map_or(0, Dedup::duplicates) + repeated;
        let again = self.dedup.as_ref().and_then(Dedup::again);
        let (superseded, keys) = match self.dedup.map(Dedup::finish) {
            Some(Deduplicated { superseded, keys, winners }) => (superseded, Some((keys, winners))),
            None => (replaced, None),
        };
        let incoming = self.collector.map(|collector| collector.finish(keys, superseded.clone())).transpose()?;
        let (index, next_sequence) = (finished.index, finished.next_sequence);
        Ok(Written { index, superseded, incoming, next_sequence, eras: self.eras, duplicates, rows: self.rows, again })
    }

    /// Closes all files, and adds to the mark what a stage that goes on behind it has to know.
    fn flush(&mut self, mark: &mut Passing) -> Result<Vec<EncodedFile>> {
        let flushed = self.writer.flush()?;
        let state = StageState {
            dedup: self.dedup.as_mut().map(Dedup::segment),
            collector: self.collector.as_mut().map(Collector::segment),
            index: flushed.index,
            next_sequence: flushed.next_sequence,
            rows: self.rows,
            eras: serde_json::to_string(&self.eras).map_err(RunError::Stored)?,
        };
        mark.state = postcard::to_stdvec(&state).map_err(RunError::from)?;
        Ok(flushed.files)
    }

    /// Goes on behind checkpoints of another run, all there are, in their order.
    pub(super) fn resume<'a>(mut self, states: impl IntoIterator<Item = &'a [u8]>) -> Result<Self> {
        let mut index = FileIndex::default();
        let mut next_sequence = 0;
        for state in states {
            let state: StageState = postcard::from_bytes(state).map_err(RunError::from)?;
            if let (Some(dedup), Some(segment)) = (&mut self.dedup, state.dedup) {
                dedup.restore(segment)?;
            }
            if let (Some(collector), Some(segment)) = (&mut self.collector, state.collector) {
                collector.restore(segment)?;
            }
            index.append(state.index);
            self.eras = serde_json::from_str(&state.eras).map_err(RunError::Stored)?;
            (next_sequence, self.rows) = (state.next_sequence, state.rows);
        }
        self.writer.evolve(self.eras.schema().clone())?;
        self.writer = self.writer.resume(index, next_sequence);
        Ok(self)
    }

    /// The next rows are those of lists that are read again.
    #[must_use]
    pub(super) fn reading_again(mut self) -> Self {
        self.dedup.iter_mut().for_each(Dedup::end_sequence);
        self
    }

    /// What the schema has become.
    pub(super) fn schema(&self) -> &TableSchema {
        self.eras.schema()
    }

    /// Key columns keep their places in a schema that grows: dedup and merge need not know of it.
    fn evolve(&mut self, schema: TableSchema) -> Result<Vec<EncodedFile>> {
        let (files, first) = self.writer.evolve(schema.clone())?;
        self.eras.begin(first, schema);
        Ok(files)
    }

    /// Keys of all rows are held until the end of the run, so that they cannot wait for room.
    fn check_keys(&self) -> Result<(), RunError> {
        let (dedup, collector) = (self.dedup.as_ref(), self.collector.as_ref());
        let bytes = dedup.map_or(0, Dedup::memory) + collector.map_or(0, Collector::memory);
        let (bytes, limit) = (bytes as u64, self.key_memory);
        if bytes <= limit {
            return Ok(());
        }
        let keys = dedup.map_or(0, Dedup::keys) + collector.map_or(0, Collector::keys);
        Err(RunError::KeyMemory { resource: self.resource.clone(), keys: keys as u64, bytes, limit })
    }

    fn write(&mut self, rows: RecordBatch, origin: Origin) -> Result<Vec<EncodedFile>> {
        let first = self.rows;
        self.rows += rows.num_rows() as u64;
        if let Some(collector) = &mut self.collector {
            collector.arrive(&rows)?;
        }
        let (mut rows, mut ids) = match &mut self.dedup {
            Some(dedup) => {
                let kept = dedup.push(&rows, origin)?;
                (kept.rows, kept.ids)
            }
            None => (rows, (first..self.rows).collect()),
        };
        if let Some(collector) = &mut self.collector {
            Sifted { rows, ids } = collector.sift(rows, ids)?;
        }
        self.check_keys()?;
        Ok(self.writer.write(&rows, &ids)?)
    }
}
