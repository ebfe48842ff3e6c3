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
//!
//! Lists that end incomplete are remembered with their pages, so that a later run can read them again and no others:
//!
//! ```text
//! lists 1 2 3 4 5, of which 2 and 5 end incomplete ──► retry position [2, 5] ──► the next run reads 2 and 5
//! ```

mod notes;

use std::{
    collections::{HashSet, VecDeque},
    panic,
    sync::Arc,
};

use async_trait::async_trait;
use tokio::task::{JoinError, JoinSet};

pub(super) use self::notes::ListNotes;
use super::{
    client::Client,
    completeness::{Findings, Suspicion, Verdict, VerdictOfAll},
    error::FetchError,
    include::{include, size_with},
    pages::{FetchCounters, IncompleteList, LeftOut, LeftOutOfAll, ListPlace, PageSource, Pages, Position, Retry},
    paginate,
    transport::{Scope, Surroundings, Transport},
};
use crate::{
    json::ScanError,
    memory::{PageMemory, PendingTurn, Turn},
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

/// Incomplete lists that are remembered one by one. With more of them, the next run reads all lists: positions stay small.
const MOST_RETRIES: usize = 1_000;

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
    /// Lists taken from the feed, skipped ones included.
    fed: u64,
    memory_limit: u64,
    memory: Arc<PageMemory>,
    turn: Arc<Turn>,
    places: VecDeque<Place>,
    tasks: JoinSet<Step>,
    last_id: u64,
    /// Lists that were passed on whole, including those of an earlier run.
    finished: u64,
    /// The lists that are read again, where an earlier run has read the others.
    retry: Option<Retry>,
    /// Pages handed on.
    number: u64,
    position: Option<Position>,
    /// Where the first list goes on, of a run that died.
    resumed: Option<Position>,
    /// The number of the first page of the current list.
    first_page: Option<u64>,
    findings: Findings,
    verdicts: VerdictOfAll,
    /// Verdicts of the lists that were passed on whole and did not end incomplete.
    suspicion: Option<Suspicion>,
    shortfall: Option<String>,
    incomplete: Vec<IncompleteList>,
    notes: ListNotes,
    /// Warnings of lists, as they are said of the first.
    told: HashSet<String>,
    /// Suspicion of the lists that were passed on whole, except those in `incomplete`.
    left_out: LeftOutOfAll,
    /// Of the one that is being handed on.
    left_out_now: Option<LeftOut>,
    /// What an earlier run, or the first list, has detected.
    learned: Option<Learned>,
    is_over: bool,
    /// All lists were passed on whole.
    is_whole: bool,
}

/// A list that has begun.
struct Place {
    id: u64,
    /// Its number in the feed, 1 for the first list.
    ordinal: u64,
    list: Arc<List>,
    turn: Arc<Turn>,
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
            memory: PageMemory::new(transport.page_limits(), memory_limit),
            turn: Turn::new(true),
            transport,
            resource: Arc::new(resource.clone()),
            scope: Scope::new(resource),
            feed,
            is_feed_over: false,
            fed: 0,
            memory_limit,
            places: VecDeque::new(),
            tasks: JoinSet::new(),
            last_id: 0,
            finished: 0,
            retry: None,
            number: 0,
            position: None,
            resumed: None,
            first_page: None,
            findings: Findings::default(),
            verdicts: VerdictOfAll::default(),
            suspicion: None,
            shortfall: None,
            incomplete: Vec::new(),
            notes: ListNotes::default(),
            told: HashSet::new(),
            left_out: LeftOutOfAll::default(),
            left_out_now: None,
            learned: resource.learned.clone(),
            is_over: resource.max_pages == Some(0),
            is_whole: false,
        }
    }

    /// Resumes after `position`. The feed must be the one that the position was made with.
    #[must_use]
    pub fn resume(mut self, position: Position) -> Self {
        if let Some(list) = position.list.clone() {
            self.resume_lists(list);
            if self.first_page.is_some() {
                self.left_out_now = Some(position.left_out().clone());
                self.resumed = Some(position.clone());
            }
            self.join_findings();
            self.is_over |= self.is_at_most();
            self.position = Some(position);
        }
        if self.is_over {
            self.stop();
        }
        self
    }

    fn resume_lists(&mut self, list: ListPlace) {
        let has_begun = list.retry.as_ref().is_none_or(|retry| retry.has_begun);
        (self.finished, self.number) = (list.finished, list.pages);
        self.first_page = has_begun.then_some(list.first_page);
        (self.suspicion, self.left_out, self.notes) = (list.suspicion, list.left_out, list.notes);
        self.shortfall = self.shortfall.take().or(list.shortfall);
        (self.verdicts, self.incomplete) = match has_begun {
            true => (list.verdicts, list.incomplete),
            false => (list.verdicts.without_incomplete(), Vec::new()),
        };
        self.retry = list.retry;
        if self.retry.is_none() {
            self.skip_lists(list.finished);
        }
    }

    /// Takes lists from the feed that an earlier run has read, up to this number.
    fn skip_lists(&mut self, last: u64) {
        while self.fed < last {
            self.fed += 1;
            self.is_feed_over |= self.feed.next().is_none();
        }
    }

    /// The next list of the feed that is to be read, and its number.
    fn next_list(&mut self) -> Option<(u64, Result<ListRequest, FetchError>)> {
        if let Some(retry) = &self.retry {
            // Those that have begun are the first of them.
            let next = *retry.lists.get(self.places.len())?;
            self.skip_lists(next.saturating_sub(1));
        }
        self.fed += 1;
        Some((self.fed, self.feed.next()?))
    }

    /// What was taken from the parent may not be all that there is.
    #[must_use]
    pub fn short(mut self, why: Option<String>) -> Self {
        self.shortfall = self.shortfall.or(why);
        self.join_findings();
        self
    }

    /// Its pages are not told to the reporter.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.surroundings.reporter = Arc::new(Silent);
        self
    }

    /// The position of a list of which nothing was passed on yet.
    fn start(&self) -> Position {
        Position::start(paginate::from_plan(&self.resource.paginator).start())
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
        let Some((ordinal, next)) = self.next_list() else {
            self.is_feed_over = true;
            return;
        };
        self.last_id += 1;
        let turn = Turn::within(&self.turn);
        let opened = next.and_then(|list| Ok((self.pages(&list, &turn)?, list)));
        let (pages, list, end) = match opened {
            Ok((pages, ListRequest { number, fields, ends, .. })) => (Some(pages), List { number, fields, ends }, None),
            Err(error) => (None, List { number: 0, fields: Vec::new(), ends: None }, Some(Err(error))),
        };
        let (id, list, ready) = (self.last_id, Arc::new(list), VecDeque::new());
        self.places.push_back(Place { id, ordinal, list, turn, pages, ready, end });
    }

    fn pages(&mut self, list: &ListRequest, turn: &Arc<Turn>) -> Result<Box<Pages>, FetchError> {
        let (transport, scope) = (Arc::clone(&self.transport), self.scope.clone());
        let memory = self.memory_limit / AHEAD_PART / SHARED_AMONG;
        let memory = (Arc::clone(&self.memory), Arc::clone(turn), memory);
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
        let coming = self.memory.expected().saturating_mul(self.tasks.len() as u64 + 1);
        self.tasks.len() < self.transport.window()
            && held.saturating_add(coming) <= self.memory_limit - self.memory_limit / AHEAD_PART
            && self.memory.has_room()
    }

    /// Asks a list for its next page, unless it is asked already or over.
    fn ask(&mut self, index: usize) {
        let Some(place) = self.places.get_mut(index) else { return };
        let Some(mut pages) = place.pages.take() else { return };
        let (id, list) = (place.id, Arc::clone(&place.list));
        self.tasks.spawn(async move {
            let outcome = match pages.next().await {
                Some(Ok(page)) => Some(arrive(page, &list, pages.position()).await),
                Some(Err(error)) => Some(Err(error)),
                None => None,
            };
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
            self.memory.give_turn(&head.turn);
            let ordinal = head.ordinal;
            if let Some(arrived) = head.ready.pop_front() {
                return Head::Page(self.hand_on(arrived, ordinal));
            }
            match head.end.take() {
                None => return Head::Waiting,
                Some(Err(error)) => return Head::Failed(error),
                Some(Ok(over)) => {
                    self.places.pop_front();
                    self.finish(ordinal, over);
                }
            }
        }
        Head::None
    }

    fn hand_on(&mut self, arrived: Arrived, list: u64) -> Page {
        let Arrived { mut page, position, bytes, .. } = arrived;
        self.number += 1;
        page.number = self.number;
        self.first_page.get_or_insert(self.number);
        self.left_out_now = Some(position.left_out().clone());
        self.position = Some(position.among(self.place()));
        let resource = &*self.scope.resource;
        tracing::debug!(resource, page = page.number, records = page.count, bytes, list, "page");
        let rows = page.count;
        self.surroundings.reporter.on_event(&Event::PageFetched { resource, page: page.number, rows, bytes });
        page
    }

    fn place(&self) -> ListPlace {
        ListPlace {
            finished: self.finished,
            pages: self.number,
            first_page: self.first_page.unwrap_or(self.number + 1),
            left_out: self.left_out.clone(),
            verdicts: self.verdicts.clone(),
            suspicion: self.suspicion.clone(),
            shortfall: self.shortfall.clone(),
            notes: self.notes.clone(),
            incomplete: self.incomplete.clone(),
            retry: self.retry.as_ref().map(|retry| Retry { has_begun: true, ..retry.clone() }),
        }
    }

    fn finish(&mut self, list: u64, over: Over) {
        match &mut self.retry {
            Some(retry) => drop(retry.lists.pop_front()),
            None => self.finished += 1,
        }
        self.left_out_now = None;
        let pages = (self.first_page.take().unwrap_or(self.number + 1), self.number);
        let Over { left_out, findings } = over;
        let Findings { warnings, notes, verdict, suspicion, shortfall, paging, learned, .. } = findings;
        self.verdicts.add(&verdict, &format!("list {list}"));
        // Which pages of other lists came before it says nothing of this one.
        let suspicion = suspicion.map(|suspicion| Suspicion { trusted_pages: 0, ..suspicion });
        let ended = IncompleteList { list, pages, left_out, suspicion, shortfall };
        match verdict {
            Verdict::Incomplete(_) if self.incomplete.len() < MOST_RETRIES => self.incomplete.push(ended),
            _ => self.join_list(ended),
        }
        self.findings.verdict = self.verdicts.verdict();
        self.join_findings();
        self.findings.paging = self.findings.paging.take().or(paging);
        self.findings.learned = self.findings.learned.take().or(learned);
        self.notes.add(list, notes);
        self.warn_of_list(list, warnings);
    }

    /// Adds the final results of a list that was passed on whole.
    fn join_list(&mut self, list: IncompleteList) {
        self.left_out.add(&list.left_out);
        self.suspicion = self.suspicion.take().or(list.suspicion);
        self.shortfall = self.shortfall.take().or(list.shortfall);
    }

    /// Updates the findings from what is known of all lists so far.
    fn join_findings(&mut self) {
        let suspicion = || self.incomplete.iter().find_map(|list| list.suspicion.clone());
        let shortfall = || self.incomplete.iter().find_map(|list| list.shortfall.clone());
        self.findings.suspicion = self.suspicion.clone().or_else(suspicion);
        self.findings.shortfall = self.shortfall.clone().or_else(shortfall);
    }

    fn warn_of_list(&mut self, list: u64, warnings: Vec<String>) {
        for warning in warnings {
            // What is so of all lists is said of the first.
            if self.findings.warnings.len() > MOST_WARNINGS || !self.told.insert(warning.clone()) {
                continue;
            }
            match self.findings.warnings.len() {
                told if told < MOST_WARNINGS => self.warn(format!("list {list}: {warning}")),
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
        self.report_left_out();
        let notes = std::mem::take(&mut self.notes);
        notes.lines().for_each(|note| self.note(note));
        if self.is_feed_over && self.finished == 0 && self.findings.shortfall.is_none() {
            // Without a parent's record there is nothing to request.
            self.findings.verdict = Verdict::Complete;
        }
    }

    /// Once for all lists, at the end: of thousands, each may lack a page.
    fn report_left_out(&mut self) {
        if let Some(begun) = self.left_out_now.take() {
            self.left_out.add(&begun);
        }
        let mut all = self.left_out.clone();
        self.incomplete.iter().for_each(|list| all.add(&list.left_out));
        self.findings.has_ignored = all.has_ignored();
        all.told().into_iter().take(MOST_WARNINGS).for_each(|line| self.warn(line));
    }
}

/// A page as it is handed on, but for its number.
async fn arrive(page: Page, list: &List, position: Position) -> Result<Arrived, FetchError> {
    let (number, bytes) = (page.number, page.document.bytes().len() as u64);
    let page = Page { list: list.number, ..page };
    let is_last = list.ends.as_ref().is_some_and(|ends| ends(&page));
    if let Some(hold) = &page.hold {
        // It is the next page of its list: only those of other lists come before it.
        hold.take_turn();
        // A page that is too large for good is an error of what follows.
        _ = hold.wait(size_with(&page, &list.fields).min(hold.most())).await;
    }
    let limit = page.most();
    let page = include(page, &list.fields).map_err(|error| match error {
        ScanError::Syntax(source) => FetchError::Included { page: number, source },
        ScanError::NoRoom => FetchError::IncludedMemory { page: number, limit },
    })?;
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
                Head::None if self.is_feed_over => {
                    self.is_whole = true;
                    self.stop();
                }
                Head::None => {}
            }
        }
        None
    }

    fn position(&self) -> Position {
        self.position.clone().unwrap_or_else(|| self.start().among(self.place()))
    }

    fn counters(&self) -> FetchCounters {
        let (requests, retries, bytes_received) = self.scope.counters.read();
        FetchCounters { requests, retries, pages: self.number, bytes_received }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn wait_for_turn(&mut self) -> Option<PendingTurn> {
        self.turn = Turn::new(false);
        Some(PendingTurn::new(&self.memory, &self.turn))
    }

    fn retry_position(&self) -> Option<Position> {
        let incomplete = self.incomplete.len() as u64;
        // Where a maximum of pages ends the lists, the same pages have to count each time.
        let can_retry = self.is_whole && self.resource.max_pages.is_none();
        let saves_requests = self.retry.is_some() || incomplete < self.finished;
        if !can_retry || !saves_requests || incomplete == 0 || incomplete < self.verdicts.incomplete() {
            return None;
        }
        let lists = self.incomplete.iter().map(|list| list.list).collect();
        let place = ListPlace { retry: Some(Retry { lists, has_begun: false }), ..self.place() };
        Some(self.start().among(place))
    }
}

#[cfg(test)]
mod tests;
