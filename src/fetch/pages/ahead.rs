//! A list whose pages are fetched before anybody wants them, up to a number of bytes.
//!
//! ```text
//! Pages ──task──► queue, bounded by bytes ──► next()
//! ```
//!
//! What comes out is what [`Pages`] would have handed on; an error waits for its turn like a page.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinSet,
};

use super::{FetchCounters, PageSource, Position};
use crate::{fetch::error::FetchError, model::Page};

/// As many permits as a semaphore surely has; in KiB more than any machine's memory.
const MOST_PERMITS: u32 = 1 << 29;

/// One step of the list, and how far it has come with it.
struct Step {
    page: Option<Result<Page, FetchError>>,
    position: Position,
    counters: FetchCounters,
    warnings: Vec<String>,
    shortfall: Option<String>,
    /// Its part of the bytes that may wait.
    _held: Option<OwnedSemaphorePermit>,
}

/// Pages under way. The list is given up on drop.
pub struct PagesAhead {
    steps: UnboundedReceiver<Step>,
    position: Position,
    counters: FetchCounters,
    warnings: Vec<String>,
    shortfall: Option<String>,
    _task: JoinSet<()>,
}

impl PagesAhead {
    /// Begins at once. Pages beyond `memory` bytes are not fetched before earlier ones were taken, the first of them apart. Must be
    /// used within a tokio runtime.
    pub fn new(pages: Box<dyn PageSource>, memory: u64) -> Self {
        let (sender, steps) = unbounded_channel();
        let (position, counters) = (pages.position(), pages.counters());
        let mut task = JoinSet::new();
        task.spawn(run(pages, memory, sender));
        Self { steps, position, counters, warnings: Vec::new(), shortfall: None, _task: task }
    }
}

async fn run(mut pages: Box<dyn PageSource>, memory: u64, steps: UnboundedSender<Step>) {
    let most = u32::try_from(memory / 1024).unwrap_or(u32::MAX).clamp(1, MOST_PERMITS);
    let room = Arc::new(Semaphore::new(most as usize));
    loop {
        let page = pages.next().await;
        let bytes = page.as_ref().and_then(|page| page.as_ref().ok()).map_or(0, |page| page.document.memory());
        // A page larger than all the room waits until it is alone.
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).min(most);
        let held = Arc::clone(&room).acquire_many_owned(kib).await.ok();
        let is_over = page.is_none();
        let (position, counters, warnings) = (pages.position(), pages.counters(), pages.warnings().to_vec());
        let shortfall = pages.shortfall().map(str::to_owned);
        let sent = steps.send(Step { page, position, counters, warnings, shortfall, _held: held });
        if is_over || sent.is_err() {
            return;
        }
    }
}

#[async_trait]
impl PageSource for PagesAhead {
    async fn next(&mut self) -> Option<Result<Page, FetchError>> {
        let step = self.steps.recv().await?;
        (self.position, self.counters) = (step.position, step.counters);
        (self.warnings, self.shortfall) = (step.warnings, step.shortfall);
        step.page
    }

    fn position(&self) -> Position {
        self.position.clone()
    }

    fn counters(&self) -> FetchCounters {
        self.counters
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn shortfall(&self) -> Option<&str> {
        self.shortfall.as_deref()
    }
}
