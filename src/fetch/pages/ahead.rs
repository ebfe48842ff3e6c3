//! A list whose pages are fetched before anybody wants them, up to a number of bytes.
//!
//! ```text
//! Pages ──task──► queue, bounded by bytes ──► next()
//! ```
//!
//! What comes out is what [`Pages`] would have handed on; an error waits for its turn like a page. Requests count once they are
//! answered, whether anybody takes their pages or not.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinSet,
};

use super::{FetchCounters, PageSource, Position};
use crate::{
    fetch::{completeness::Findings, error::FetchError},
    memory::PendingTurn,
    model::Page,
};

/// As many permits as a semaphore surely has; in KiB more than any machine's memory.
const MOST_PERMITS: u32 = 1 << 29;

/// One step of the list, and how far it has come with it.
struct Step {
    page: Option<Result<Page, FetchError>>,
    position: Position,
    pages: u64,
    findings: Findings,
    /// Known at the end.
    retry: Option<Position>,
    /// Its part of the bytes that may wait.
    _held: Option<OwnedSemaphorePermit>,
}

/// Pages under way. The list is given up on drop.
pub struct PagesAhead {
    steps: UnboundedReceiver<Step>,
    position: Position,
    /// Pages handed on.
    pages: u64,
    counters: Arc<Mutex<FetchCounters>>,
    findings: Findings,
    retry: Option<Position>,
    /// Given as soon as somebody wants a page.
    turn: Option<PendingTurn>,
    _task: JoinSet<()>,
}

impl PagesAhead {
    /// Begins at once. Pages beyond `memory` bytes are not fetched before earlier ones were taken, the first of them apart. Must be
    /// used within a tokio runtime.
    pub fn new(mut pages: Box<dyn PageSource>, memory: u64) -> Self {
        let (sender, steps) = unbounded_channel();
        let (position, counters) = (pages.position(), Arc::new(Mutex::new(pages.counters())));
        let count = pages.counters().pages;
        let turn = pages.wait_for_turn();
        let mut task = JoinSet::new();
        task.spawn(run(pages, memory, sender, Arc::clone(&counters)));
        let findings = Findings::default();
        Self { steps, position, pages: count, counters, findings, retry: None, turn, _task: task }
    }
}

async fn run(
    mut pages: Box<dyn PageSource>,
    memory: u64,
    steps: UnboundedSender<Step>,
    counters: Arc<Mutex<FetchCounters>>,
) {
    let most = u32::try_from(memory / 1024).unwrap_or(u32::MAX).clamp(1, MOST_PERMITS);
    let room = Arc::new(Semaphore::new(most as usize));
    loop {
        let page = pages.next().await;
        *counters.lock().unwrap_or_else(PoisonError::into_inner) = pages.counters();
        let fetched = page.as_ref().and_then(|page| page.as_ref().ok());
        let bytes = fetched.map_or(0, |page| page.document.memory());
        // It is counted here from now on.
        fetched.and_then(|page| page.hold.as_ref()).into_iter().for_each(|hold| hold.set(0));
        // A page larger than all the room waits until it is alone.
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).min(most);
        let held = Arc::clone(&room).acquire_many_owned(kib).await.ok();
        let is_over = page.is_none();
        let (position, count) = (pages.position(), pages.counters().pages);
        let findings = pages.findings().clone();
        let retry = if is_over { pages.retry_position() } else { None };
        let sent = steps.send(Step { page, position, pages: count, findings, retry, _held: held });
        if is_over || sent.is_err() {
            return;
        }
    }
}

#[async_trait]
impl PageSource for PagesAhead {
    async fn next(&mut self) -> Option<Result<Page, FetchError>> {
        self.turn.iter().for_each(PendingTurn::give);
        let step = self.steps.recv().await?;
        (self.position, self.pages, self.findings) = (step.position, step.pages, step.findings);
        self.retry = step.retry;
        step.page
    }

    fn position(&self) -> Position {
        self.position.clone()
    }

    fn counters(&self) -> FetchCounters {
        let counters = *self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        FetchCounters { pages: self.pages, ..counters }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn retry_position(&self) -> Option<Position> {
        self.retry.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fetch::paginate, json::Document};

    /// So many empty pages, a request each.
    struct Empty {
        asked: u64,
        most: u64,
        findings: Findings,
    }

    #[async_trait]
    impl PageSource for Empty {
        async fn next(&mut self) -> Option<Result<Page, FetchError>> {
            if self.asked == self.most {
                return None;
            }
            self.asked += 1;
            let document = Arc::new(Document::parse(b"[]".to_vec()).unwrap());
            let records = Some(document.root().index());
            Some(Ok(Page::new(self.asked, document, records, 0)))
        }

        fn position(&self) -> Position {
            Position::start(paginate::from_plan(&crate::plan::PaginatorPlan::SinglePage).start())
        }

        fn counters(&self) -> FetchCounters {
            FetchCounters { requests: self.asked, pages: self.asked, ..FetchCounters::default() }
        }

        fn findings(&self) -> &Findings {
            &self.findings
        }
    }

    #[tokio::test]
    async fn requests_count_before_anybody_takes_their_pages_and_pages_once_they_are_taken() {
        let mut ahead = PagesAhead::new(Box::new(Empty { asked: 0, most: 3, findings: Findings::default() }), 1 << 20);
        while ahead.counters().requests < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ahead.counters().pages, 0);
        ahead.next().await.unwrap().unwrap();
        assert_eq!((ahead.counters().requests, ahead.counters().pages), (3, 1));
    }
}
