//! The lists of a resource that has many, one for each record of its parent: fetched side by side, handed on one behind the
//! other.
//!
//! ```text
//! feed of requests ──► [list, its turn][list][list]    each a task that fetches the list's next page
//!                        │               └──┴── pages wait here until all lists before theirs are over
//!                        └─► handed on, numbered through
//! ```
//!
//! As many lists are under way as the client's window allows, as far as `memory_limit` goes; the one whose turn it is always
//! is. What is handed on depends on the feed and on the API's answers alone: an error waits for its turn like a page.

use std::{
    collections::{HashSet, VecDeque},
    panic,
    sync::Arc,
};

use async_trait::async_trait;
use tokio::task::{JoinError, JoinSet};

use super::{
    client::Client,
    completeness::{Findings, Suspicion, Verdict, VerdictOfAll},
    error::FetchError,
    include::include,
    pages::{FetchCounters, LeftOut, LeftOutOfAll, ListPlace, PageSource, Pages, Position},
    paginate,
    transport::{Scope, Surroundings, Transport},
};
use crate::{
    model::Page,
    plan::{BoundRequest, Learned, ResourcePlan},
    report::{Event, Silent},
};

/// Lists under way or waiting, per request in flight.
const LISTS_PER_WINDOW: usize = 4;

/// One part in so many of the memory is for what the lists ask for ahead within themselves, shared among them.
const AHEAD_PART: u64 = 2;

/// Lists among which that part is shared: as many as are under way, as a rule.
const SHARED_AMONG: u64 = 16;

/// Warnings of single lists that are told; of thousands of lists, many may have the same.
const MOST_WARNINGS: usize = 5;

/// One list: what is asked for, and what becomes of its pages.
pub struct ListRequest {
    /// What its pages name it by.
    pub number: u64,
    pub request: BoundRequest,
    /// What each of its records gets, as `"a":1,"b":null`.
    pub fields: Vec<u8>,
    /// Whether a page shows that no later one of the list is wanted: then none is asked for before that is known.
    pub ends: Option<Ends>,
}

/// Looks at a page as it came.
pub type Ends = Arc<dyn Fn(&Page) -> bool + Send + Sync>;

/// The lists of a resource in their order, made one by one.
pub type Feed = Box<dyn Iterator<Item = Result<ListRequest, FetchError>> + Send>;

/// The pages of all lists, in order of the lists. Requests under way are aborted on drop.
pub struct Lists {
    transport: Arc<dyn Transport>,
    surroundings: Surroundings,
    resource: Arc<ResourcePlan>,
    scope: Scope,
    feed: Feed,
    is_feed_over: bool,
    memory_limit: u64,
    places: VecDeque<Place>,
    tasks: JoinSet<Step>,
    last_id: u64,
    /// Bytes and number of all pages that have arrived: how large the next one will be.
    arrived: (u64, u64),
    /// Lists that were handed on whole.
    finished: u64,
    /// Pages handed on.
    number: u64,
    position: Option<Position>,
    /// Where the first list goes on, of a run that died.
    resumed: Option<Position>,
    findings: Findings,
    verdicts: VerdictOfAll,
    /// Warnings of lists, as they are said of the first.
    told: HashSet<String>,
    /// Of the lists that were handed on whole.
    left_out: LeftOutOfAll,
    /// Of the one that is being handed on.
    left_out_now: Option<LeftOut>,
    /// What an earlier run, or the first list, has detected.
    learned: Option<Learned>,
    is_over: bool,
}

/// A list that has begun.
struct Place {
    id: u64,
    list: Arc<List>,
    /// `None` while its next page is fetched, and at its end.
    pages: Option<Box<Pages>>,
    ready: VecDeque<Arrived>,
    end: Option<Result<Over, FetchError>>,
}

/// What is made of a list's pages.
struct List {
    number: u64,
    fields: Vec<u8>,
    ends: Option<Ends>,
}

struct Arrived {
    page: Page,
    /// Whether the list has no later page that is wanted.
    is_last: bool,
    /// Behind the page.
    position: Position,
    bytes: u64,
}

/// What a list leaves when it has ended.
struct Over {
    left_out: LeftOut,
    findings: Findings,
}

/// A list's next page has come, or its end.
struct Step {
    id: u64,
    pages: Box<Pages>,
    outcome: Option<Result<Arrived, FetchError>>,
}

enum Head {
    Page(Page),
    Failed(FetchError),
    Waiting,
    /// There is no list.
    None,
}

impl Lists {
    /// `memory_limit`: bytes that pages which came before their turn may hold. Must be used within a tokio runtime.
    pub fn new(client: Arc<Client>, resource: &ResourcePlan, feed: Feed, memory_limit: u64) -> Self {
        Self::over(client, resource, feed, memory_limit)
    }

    fn over(transport: Arc<dyn Transport>, resource: &ResourcePlan, feed: Feed, memory_limit: u64) -> Self {
        Self {
            surroundings: transport.surroundings().clone(),
            transport,
            resource: Arc::new(resource.clone()),
            scope: Scope::new(resource),
            feed,
            is_feed_over: false,
            memory_limit,
            places: VecDeque::new(),
            tasks: JoinSet::new(),
            last_id: 0,
            arrived: (0, 0),
            finished: 0,
            number: 0,
            position: None,
            resumed: None,
            findings: Findings::default(),
            verdicts: VerdictOfAll::default(),
            told: HashSet::new(),
            left_out: LeftOutOfAll::default(),
            left_out_now: None,
            learned: resource.learned.clone(),
            is_over: resource.max_pages == Some(0),
        }
    }

    /// Goes on behind `position`, where the lists are those that it was told of.
    #[must_use]
    pub fn resume(mut self, position: Position) -> Self {
        if let Some(list) = position.list.clone() {
            (self.finished, self.number) = (list.finished, list.pages);
            for _ in 0..list.finished {
                self.is_feed_over |= self.feed.next().is_none();
            }
            self.findings.shortfall = self.findings.shortfall.or_else(|| position.shortfall().cloned());
            self.findings.suspicion = list.suspicion;
            self.verdicts = list.verdicts;
            self.left_out = list.left_out;
            self.left_out_now = Some(position.left_out().clone());
            self.is_over |= self.is_at_most();
            self.position = Some(position.clone());
            self.resumed = Some(position);
        }
        if self.is_over {
            self.stop();
        }
        self
    }

    /// What was taken from the parent may not be all that there is.
    #[must_use]
    pub fn short(mut self, why: Option<String>) -> Self {
        self.findings.shortfall = self.findings.shortfall.or(why);
        self
    }

    /// Its pages are not told to the reporter.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.surroundings.reporter = Arc::new(Silent);
        self
    }

    fn is_at_most(&self) -> bool {
        self.resource.max_pages.is_some_and(|max| self.number >= max)
    }

    /// Asks for what there is room for, the list whose turn it is first.
    fn top_up(&mut self) {
        if self.places.is_empty() {
            self.open();
        }
        if self.places.front().is_some_and(|head| head.ready.is_empty()) {
            self.ask(0);
        }
        for index in 0..self.places.len() {
            if !self.has_room() {
                return;
            }
            self.ask(index);
        }
        while self.may_open() && self.has_room() {
            self.open();
            self.ask(self.places.len().saturating_sub(1));
        }
    }

    /// Begins the next list of the feed.
    fn open(&mut self) {
        let Some(next) = self.feed.next() else {
            self.is_feed_over = true;
            return;
        };
        self.last_id += 1;
        let opened = next.and_then(|list| Ok((self.pages(&list)?, list)));
        let (pages, list, end) = match opened {
            Ok((pages, ListRequest { number, fields, ends, .. })) => (Some(pages), List { number, fields, ends }, None),
            Err(error) => (None, List { number: 0, fields: Vec::new(), ends: None }, Some(Err(error))),
        };
        self.places.push_back(Place { id: self.last_id, list: Arc::new(list), pages, ready: VecDeque::new(), end });
    }

    fn pages(&mut self, list: &ListRequest) -> Result<Box<Pages>, FetchError> {
        let (transport, scope) = (Arc::clone(&self.transport), self.scope.clone());
        let memory = self.memory_limit / AHEAD_PART / SHARED_AMONG;
        let pages = Pages::among(transport, &self.resource, &list.request, memory, scope)?;
        let pages = if list.ends.is_some() { pages.one_by_one() } else { pages };
        let pages = pages.with_learned(self.learned.as_ref());
        Ok(Box::new(match self.resumed.take() {
            Some(position) => pages.resume(position),
            None => pages,
        }))
    }

    fn may_open(&self) -> bool {
        let most = self.transport.window().saturating_mul(LISTS_PER_WINDOW);
        // Each list has a page at least.
        let pages = self.number + self.places.len() as u64;
        !self.is_feed_over
            && self.places.len() < most
            && self.resource.max_pages.is_none_or(|max| pages < max)
            && !self.places.iter().any(|place| matches!(place.end, Some(Err(_))))
    }

    fn has_room(&self) -> bool {
        let ready = self.places.iter().flat_map(|place| &place.ready);
        let held: u64 = ready.map(|arrived| arrived.page.document.memory() as u64).sum();
        let (bytes, pages) = self.arrived;
        let coming = (bytes / pages.max(1)).saturating_mul(self.tasks.len() as u64 + 1);
        self.tasks.len() < self.transport.window()
            && held.saturating_add(coming) <= self.memory_limit - self.memory_limit / AHEAD_PART
    }

    /// Asks a list for its next page, unless it is asked already or over.
    fn ask(&mut self, index: usize) {
        let Some(place) = self.places.get_mut(index) else { return };
        let Some(mut pages) = place.pages.take() else { return };
        let (id, list) = (place.id, Arc::clone(&place.list));
        self.tasks.spawn(async move {
            let outcome = pages.next().await;
            let outcome = outcome.map(|page| arrive(page?, &list, pages.position()));
            Step { id, pages, outcome }
        });
    }

    /// Waits until something has arrived. Safe to cancel.
    async fn arrival(&mut self) {
        if let Some(joined) = self.tasks.join_next().await {
            self.put(joined);
        }
    }

    /// Puts all that has arrived into its places, without waiting.
    fn collect(&mut self) {
        while let Some(joined) = self.tasks.try_join_next() {
            self.put(joined);
        }
    }

    fn put(&mut self, joined: Result<Step, JoinError>) {
        let step = match joined {
            Ok(step) => step,
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            // Aborted: its place is gone already.
            Err(_) => return,
        };
        let Some(place) = self.places.iter_mut().find(|place| place.id == step.id) else { return };
        match step.outcome {
            Some(Ok(arrived)) => {
                self.arrived.0 += arrived.page.document.memory() as u64;
                self.arrived.1 += 1;
                match arrived.is_last {
                    true => place.end = Some(Ok(Over::of(&step.pages))),
                    false => place.pages = Some(step.pages),
                }
                place.ready.push_back(arrived);
            }
            Some(Err(error)) => place.end = Some(Err(error)),
            None => place.end = Some(Ok(Over::of(&step.pages))),
        }
    }

    /// What the list whose turn it is has to hand on; lists that are over make way.
    fn take_head(&mut self) -> Head {
        while let Some(head) = self.places.front_mut() {
            if let Some(arrived) = head.ready.pop_front() {
                return Head::Page(self.hand_on(arrived));
            }
            match head.end.take() {
                None => return Head::Waiting,
                Some(Err(error)) => return Head::Failed(error),
                Some(Ok(over)) => {
                    self.places.pop_front();
                    self.finish(over);
                }
            }
        }
        Head::None
    }

    fn hand_on(&mut self, arrived: Arrived) -> Page {
        let Arrived { mut page, position, bytes, .. } = arrived;
        self.number += 1;
        page.number = self.number;
        self.left_out_now = Some(position.left_out().clone());
        self.position = Some(position.among(self.place(), self.findings.shortfall.as_ref()));
        let resource = &*self.scope.resource;
        tracing::debug!(resource, page = page.number, records = page.count, bytes, list = self.finished + 1, "page");
        let rows = page.count;
        self.surroundings.reporter.on_event(&Event::PageFetched { resource, page: page.number, rows, bytes });
        page
    }

    fn place(&self) -> ListPlace {
        ListPlace {
            finished: self.finished,
            pages: self.number,
            left_out: self.left_out.clone(),
            verdicts: self.verdicts.clone(),
            suspicion: self.findings.suspicion.clone(),
        }
    }

    fn finish(&mut self, over: Over) {
        self.finished += 1;
        self.left_out_now = None;
        self.left_out.add(&over.left_out);
        let Findings { warnings, notes, verdict, suspicion, shortfall, paging, learned, .. } = over.findings;
        self.verdicts.add(&verdict, &format!("list {}", self.finished));
        self.findings.verdict = self.verdicts.verdict();
        self.findings.shortfall = self.findings.shortfall.take().or(shortfall);
        // Which pages of other lists came before it says nothing of this one.
        let suspicion = suspicion.map(|suspicion| Suspicion { trusted_pages: 0, ..suspicion });
        self.findings.suspicion = self.findings.suspicion.take().or(suspicion);
        self.findings.paging = self.findings.paging.take().or(paging);
        self.findings.learned = self.findings.learned.take().or(learned);
        if self.finished == 1 {
            notes.into_iter().for_each(|note| self.note(format!("list 1: {note}")));
        }
        for warning in warnings {
            // What is so of all lists is said of the first.
            if self.findings.warnings.len() > MOST_WARNINGS || !self.told.insert(warning.clone()) {
                continue;
            }
            match self.findings.warnings.len() {
                told if told < MOST_WARNINGS => self.warn(format!("list {}: {warning}", self.finished)),
                MOST_WARNINGS => self.warn("further lists have warnings like these".to_owned()),
                _ => {}
            }
        }
    }

    fn warn(&mut self, message: String) {
        let message = self.surroundings.redactor.credentials(&message);
        let resource = &*self.scope.resource;
        tracing::warn!(resource, "{message}");
        self.surroundings.reporter.on_event(&Event::Warning { resource, message: &message });
        self.findings.warnings.push(message);
    }

    fn note(&mut self, message: String) {
        let message = self.surroundings.redactor.credentials(&message);
        let resource = &*self.scope.resource;
        tracing::info!(resource, "{message}");
        self.surroundings.reporter.on_event(&Event::Note { resource, message: &message });
        self.findings.notes.push(message);
    }

    fn stop(&mut self) {
        self.is_over = true;
        self.places.clear();
        self.tasks.abort_all();
        self.tell_left_out();
        self.findings.has_ignored = self.left_out.has_ignored();
        if self.is_feed_over && self.finished == 0 && self.findings.shortfall.is_none() {
            // Without a parent's record there is nothing to request.
            self.findings.verdict = Verdict::Complete;
        }
    }

    /// Once for all lists, at the end: of thousands, each may lack a page.
    fn tell_left_out(&mut self) {
        if let Some(begun) = self.left_out_now.take() {
            self.left_out.add(&begun);
        }
        let told = self.left_out.told();
        told.into_iter().take(MOST_WARNINGS).for_each(|line| self.warn(line));
    }
}

/// A page as it is handed on, but for its number.
fn arrive(page: Page, list: &List, position: Position) -> Result<Arrived, FetchError> {
    let (number, bytes) = (page.number, page.document.bytes().len() as u64);
    let page = Page { list: list.number, ..page };
    let is_last = list.ends.as_ref().is_some_and(|ends| ends(&page));
    let page = include(page, &list.fields).map_err(|source| FetchError::Included { page: number, source })?;
    Ok(Arrived { page, is_last, position, bytes })
}

impl Over {
    fn of(pages: &Pages) -> Self {
        Self { left_out: pages.left_out().clone(), findings: pages.findings().clone() }
    }
}

#[async_trait]
impl PageSource for Lists {
    async fn next(&mut self) -> Option<Result<Page, FetchError>> {
        while !self.is_over {
            self.collect();
            self.top_up();
            match self.take_head() {
                Head::Page(page) => {
                    if self.is_at_most() {
                        self.stop();
                    }
                    return Some(Ok(page));
                }
                Head::Failed(error) => {
                    self.stop();
                    return Some(Err(error));
                }
                Head::Waiting => self.arrival().await,
                Head::None if self.is_feed_over => self.stop(),
                Head::None => {}
            }
        }
        None
    }

    fn position(&self) -> Position {
        let start = || Position::start(paginate::from_plan(&self.resource.paginator).start());
        self.position.clone().unwrap_or_else(|| start().among(self.place(), self.findings.shortfall.as_ref()))
    }

    fn counters(&self) -> FetchCounters {
        let (requests, retries, bytes_received) = self.scope.counters.read();
        FetchCounters { requests, retries, pages: self.number, bytes_received }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

#[cfg(test)]
mod tests;
