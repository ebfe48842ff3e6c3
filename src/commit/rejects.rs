//! The rejects of a run: one JSON line each, written while the run goes on, kept whether it commits or not.

use std::{future::poll_fn, pin::Pin, time::Duration};

use bytes::Bytes;
use object_store::buffered::BufWriter;
use tokio::io::AsyncWrite;

use super::{CommitError, runs::is_run_id};
use crate::{error::Result, model::Reject, store::TableStore};

/// Lines are handed to the store in pieces of about this size; the store buffers up to 10 MB before it sends a part.
const PIECE: usize = 64 << 10;

/// Where they lie, relative to the table.
pub(super) const DIRECTORY: &str = "_restlake/rejects";

/// How long a file that was begun may take to be whole. One that rejects little is not written to for as long as its run takes.
pub(super) const TAKES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Whether a name in the directory is one of a run's file.
pub(super) fn is_file(name: &str) -> bool {
    name.strip_suffix(".jsonl").is_some_and(is_run_id)
}

/// Writes `_restlake/rejects/<run_id>.jsonl`; there is no such file without a reject.
///
/// The file appears when [`finish`](Self::finish) returns, which is to be called when the run fails as well.
pub struct RejectWriter {
    table: TableStore,
    path: String,
    lines: Vec<u8>,
    /// Opened by the first reject.
    file: Option<BufWriter>,
}

impl RejectWriter {
    pub(super) fn new(table: TableStore, run_id: &str) -> Self {
        Self { table, path: format!("{DIRECTORY}/{run_id}.jsonl"), lines: Vec::new(), file: None }
    }

    /// Relative to the table.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Adds a line.
    pub async fn write(&mut self, reject: &Reject) -> Result<()> {
        serde_json::to_writer(&mut self.lines, reject).map_err(|error| self.error(&error))?;
        self.lines.push(b'\n');
        if self.lines.len() >= PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    /// Completes the file; returns its path in the table, `None` if there was no reject.
    pub async fn finish(mut self) -> Result<Option<String>> {
        self.flush().await?;
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let closed = poll_fn(|context| Pin::new(&mut file).poll_shutdown(context)).await;
        closed.map_err(|error| self.error(&error))?;
        Ok(Some(self.path))
    }

    async fn flush(&mut self) -> Result<(), CommitError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        // A run that commits several times writes several times into its file.
        let earlier = if self.file.is_none() { self.table.get(&self.path).await? } else { None };
        let lines = std::mem::take(&mut self.lines);
        let lines = Bytes::from([earlier.unwrap_or_default().as_ref(), &lines].concat());
        let location = self.table.location(&self.path)?;
        let store = self.table.object_store();
        let file = self.file.get_or_insert_with(|| BufWriter::new(store.clone(), location));
        let written = file.put(lines).await;
        written.map_err(|error| self.error(&error))
    }

    fn error(&self, error: &(dyn std::error::Error + 'static)) -> CommitError {
        CommitError::Store(self.table.error("write", &self.path, error))
    }
}
