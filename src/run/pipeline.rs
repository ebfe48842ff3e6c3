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
    StreamExt, TryStreamExt,
    stream::{self, FuturesOrdered},
};
use tokio::{
    runtime::Handle,
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{Receiver, Sender, channel},
    },
    task::{JoinError, spawn_blocking},
};

use super::{
    RunError,
    evolving::{Eras, Evolving, Reading, Settled},
    load_columns::LoadColumns,
    outcome::Counters,
};
use crate::{
    commit::{Attempt, RejectWriter},
    dedup::{Dedup, Deduplicated},
    error::{Error, Result},
    fetch::Pages,
    merge::{Collector, Incoming, Sifted},
    model::{DataFile, EncodedFile, StagedFile},
    plan::ResourcePlan,
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
    pub(super) pages: &'a mut Pages,
    pub(super) evolving: Evolving,
    pub(super) rejects: &'a mut RejectWriter,
    pub(super) attempt: &'a Attempt,
    pub(super) load_columns: LoadColumns,
    pub(super) table: TableStage,
    /// Bytes of finished files that may wait for the store.
    pub(super) staging_memory: u64,
}

/// All that came of it, in the store but not in the table yet.
pub(super) struct Staged {
    pub(super) files: Vec<StagedFile>,
    pub(super) index: FileIndex,
    /// Ids of rows in the files that a later row of the same key replaced, ascending.
    pub(super) superseded: Vec<u64>,
    /// What a merge needs to know of the run; `None` if nothing is merged.
    pub(super) incoming: Option<Arc<Incoming>>,
    /// What the next file of this version would be numbered.
    pub(super) next_sequence: u64,
    /// Which of the files have which schema.
    pub(super) eras: Eras,
}

/// What the writing thread leaves behind.
struct Written {
    index: FileIndex,
    superseded: Vec<u64>,
    incoming: Option<Incoming>,
    next_sequence: u64,
    eras: Eras,
    duplicates: u64,
}

enum Input {
    Rows(RecordBatch),
    /// That of all rows from now on.
    Schema(TableSchema),
    /// All pages are in.
    End,
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
        let table = self.table;
        let writing = spawn_blocking(move || table.run(rows_in, &files));
        let staging = stage(self.attempt, self.resource, self.reporter, files_in);
        let reading = read(self.pages, self.evolving, self.load_columns, self.rejects, counters, rows);
        let (read, staged, written) = tokio::join!(reading, staging, writing);
        let written = written.unwrap_or(Err(Stop::Elsewhere));
        match (read, written, staged) {
            (Ok(()), Ok(written), Ok(files)) => {
                counters.rows_duplicate = written.duplicates;
                counters.rows_filtered = written.incoming.as_ref().map_or(0, Incoming::filtered);
                let Written { index, superseded, incoming, next_sequence, eras, .. } = written;
                Ok(Staged { files, index, superseded, incoming: incoming.map(Arc::new), next_sequence, eras })
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

/// Takes pages as they come in order, decodes a few of them side by side, and hands their rows on in page order.
///
/// What fails first in page order is the failure: the pages before one that cannot be had are still judged.
async fn read(
    pages: &mut Pages,
    mut evolving: Evolving,
    load_columns: LoadColumns,
    rejects: &mut RejectWriter,
    counters: &mut Counters,
    rows: Sender<Input>,
) -> Result<(), Stop> {
    let side_by_side = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    let mut decoding = FuturesOrdered::new();
    let ended = loop {
        tokio::select! {
            biased;
            () = rows.closed() => return Err(Stop::Elsewhere),
            Some(read) = decoding.next() => hand_on(read, &mut evolving, &load_columns, rejects, counters, &rows).await?,
            page = pages.next(), if decoding.len() < side_by_side => match page {
                Some(Ok(page)) => decoding.push_back(evolving.spawn(page)),
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            },
        }
    };
    while let Some(read) = decoding.next().await {
        hand_on(read, &mut evolving, &load_columns, rejects, counters, &rows).await?;
    }
    ended?;
    rows.send(Input::End).await.map_err(|_| Stop::Elsewhere)
}

/// One page's rejects are written, its rows handed on.
async fn hand_on(
    read: Result<Reading, JoinError>,
    evolving: &mut Evolving,
    load_columns: &LoadColumns,
    rejects: &mut RejectWriter,
    counters: &mut Counters,
    rows: &Sender<Input>,
) -> Result<(), Stop> {
    let Settled { batch, grown } = evolving.settle(read.map_err(|_| Stop::Elsewhere)?).await?;
    counters.rows_fetched += batch.rows_fetched;
    counters.rows_rejected += batch.rows_rejected;
    counters.values_discarded += batch.values_discarded;
    for reject in &batch.rejects {
        rejects.write(reject).await?;
    }
    if let Some(schema) = grown {
        rows.send(Input::Schema(schema)).await.map_err(|_| Stop::Elsewhere)?;
    }
    let filled = load_columns.fill(batch.rows, batch.page)?;
    rows.send(Input::Rows(filled)).await.map_err(|_| Stop::Elsewhere)
}

/// Stages files as they are finished, several at a time, and returns them in the order in which they were finished.
async fn stage(
    attempt: &Attempt,
    resource: &ResourcePlan,
    reporter: &dyn Reporter,
    files: Receiver<Finished>,
) -> Result<Vec<StagedFile>, Stop> {
    let files = stream::unfold(files, |mut files| async { files.recv().await.map(|file| (file, files)) });
    let staged = files.map(async |finished| {
        let staged = attempt.stage(finished.file).await?;
        let DataFile { path, rows, bytes, .. } = &staged.file;
        reporter.on_event(&Event::FileStaged { resource: &resource.name, path, rows: *rows, bytes: *bytes });
        Ok(staged)
    });
    staged.buffered(STAGED_AT_ONCE).try_collect().await
}

/// A finished file, and its part of the bytes that may wait to be staged.
struct Finished {
    file: EncodedFile,
    _held: OwnedSemaphorePermit,
}

/// Where the writing thread leaves finished files: a store that is slower than the encoder holds it up, by bytes.
struct Outlet {
    files: Sender<Finished>,
    /// One permit for each KiB.
    room: Arc<Semaphore>,
    kib: u32,
    runtime: Handle,
}

impl Outlet {
    fn new(files: Sender<Finished>, bytes: u64) -> Self {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, MOST_PERMITS);
        Self { files, room: Arc::new(Semaphore::new(kib as usize)), kib, runtime: Handle::current() }
    }

    /// Must be called on a thread that may block.
    fn send(&self, files: Vec<EncodedFile>) -> Result<(), Stop> {
        files.into_iter().try_for_each(|file| {
            // A file larger than all the room waits until it is alone.
            let kib = u32::try_from(file.content.len() / 1024).unwrap_or(u32::MAX).min(self.kib);
            let room = self.runtime.block_on(Arc::clone(&self.room).acquire_many_owned(kib));
            let finished = Finished { file, _held: room.map_err(|_| Stop::Elsewhere)? };
            self.files.blocking_send(finished).map_err(|_| Stop::Elsewhere)
        })
    }
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
}

impl TableStage {
    /// `schema` is that of the first rows.
    pub(super) fn new(
        dedup: Option<Dedup>,
        collector: Option<Collector>,
        writer: TableWriter,
        schema: TableSchema,
    ) -> Self {
        Self { dedup, collector, writer, eras: Eras::new(schema), rows: 0 }
    }

    fn run(mut self, mut input: Receiver<Input>, files: &Outlet) -> Result<Written, Stop> {
        loop {
            match input.blocking_recv() {
                None => return Err(Stop::Elsewhere),
                Some(Input::Rows(rows)) => files.send(self.write(rows)?)?,
                Some(Input::Schema(schema)) => files.send(self.evolve(schema)?)?,
                Some(Input::End) => break,
            }
        }
        let finished = self.writer.finish()?;
        files.send(finished.files)?;
        let repeated = self.collector.as_ref().map_or(0, Collector::repeated);
        let duplicates = self.dedup.as_ref().map_or(0, Dedup::duplicates) + repeated;
        let (superseded, keys) = match self.dedup.map(Dedup::finish) {
            Some(Deduplicated { superseded, keys, winners }) => (superseded, Some((keys, winners))),
            None => (Vec::new(), None),
        };
        let incoming = self.collector.map(|collector| collector.finish(keys, superseded.clone())).transpose()?;
        let (index, next_sequence) = (finished.index, finished.next_sequence);
        Ok(Written { index, superseded, incoming, next_sequence, eras: self.eras, duplicates })
    }

    /// Key columns keep their places in a schema that grows: dedup and merge need not know of it.
    fn evolve(&mut self, schema: TableSchema) -> Result<Vec<EncodedFile>> {
        let (files, first) = self.writer.evolve(schema.clone())?;
        self.eras.begin(first, schema);
        Ok(files)
    }

    fn write(&mut self, rows: RecordBatch) -> Result<Vec<EncodedFile>> {
        let first = self.rows;
        self.rows += rows.num_rows() as u64;
        if let Some(collector) = &mut self.collector {
            collector.arrive(&rows)?;
        }
        let (mut rows, mut ids) = match &mut self.dedup {
            Some(dedup) => {
                let kept = dedup.push(&rows)?;
                (kept.rows, kept.ids)
            }
            None => (rows, (first..self.rows).collect()),
        };
        if let Some(collector) = &mut self.collector {
            Sifted { rows, ids } = collector.sift(rows, ids)?;
        }
        Ok(self.writer.write(&rows, &ids)?)
    }
}
