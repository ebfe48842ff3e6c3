//! The pages of one resource: asked for ahead, handed on in page order.
//!
//! ```text
//! position (true) ──► line: [next][ahead][ahead][ahead]    each a task; answers wait in their place
//!      ▲                     │ its turn
//!      └── advance ◄── page ─┴─► handed on
//! ```
//!
//! The first page comes alone, unless it is late: it tells how long the list is and how large its pages are in fact. From then on the line is
//! filled as far as the client's window and `memory_limit` allow, the head of the line always. When a page's turn comes,
//! the paginator says from the page itself where the next one is: places in the line that do not fit this are cancelled.
//! So a wrong guess, an error beyond the end of the list and the order of the answers never show in what is handed on.

mod line;
mod shortfall;
mod size;
mod source;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use self::{
    line::Line,
    size::PageSize,
    source::{Fetched, Source},
};
use super::{
    client::Client,
    error::FetchError,
    paginate::{Ahead, Extent, Guard, PageToken, PageView},
    records::{self, Located},
    request::Request,
    transport::{Scope, Surroundings, Transport},
};
use crate::{
    environment::FaultPoint,
    model::Page,
    plan::{BoundRequest, PaginatorPlan, ResourcePlan},
    report::{Event, Silent},
};

/// Places of the line per request in flight while the head is late, where the end of the list is known.
const LINE_PER_WINDOW: usize = 4;

/// How long the first page is waited for before others are asked for. Most first pages are quicker, and tell where to stop.
const FIRST_PAGE_ALONE: Duration = Duration::from_secs(1);

/// What has gone over the wire for one resource so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchCounters {
    /// Sent, retries, redirects and pages asked for in vain included.
    pub requests: u64,
    pub retries: u64,
    /// Handed on.
    pub pages: u64,
    /// Of decoded bodies.
    pub bytes_received: u64,
}

/// What gives a resource's pages in page order: one list, or several.
#[async_trait]
pub trait PageSource: Send {
    /// The next page; `None` at the end, and after an error. Safe to cancel: no page is lost.
    async fn next(&mut self) -> Option<Result<Page, FetchError>>;

    /// How far pages have been handed on.
    fn position(&self) -> Position;

    fn counters(&self) -> FetchCounters;

    /// Things the user should know, found so far.
    fn warnings(&self) -> &[String];

    /// Why what was handed on may not be all that the source has, as far as can be told; to be asked at the end.
    fn shortfall(&self) -> Option<&str>;
}

/// How far a list was handed on: enough to go on behind it, in another process too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// `None`: the list is over.
    next: Option<PageToken>,
    pages: u64,
    received: u64,
    known: Extent,
    size: PageSize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shortfall: Option<String>,
    /// Where the list is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) list: Option<ListPlace>,
}

/// A list among those of its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListPlace {
    /// Lists before it.
    pub finished: u64,
    /// Pages of all lists that were handed on.
    pub pages: u64,
}

impl Position {
    /// Handed on before it.
    pub fn pages(&self) -> u64 {
        self.list.map_or(self.pages, |list| list.pages)
    }

    /// The same, told of all lists of the resource.
    pub(super) fn among(mut self, list: ListPlace, shortfall: Option<&String>) -> Self {
        self.list = Some(list);
        self.shortfall = shortfall.cloned().or(self.shortfall);
        self
    }

    /// Of a list of which nothing was handed on yet.
    pub(super) fn start(token: PageToken) -> Self {
        let (known, size) = (Extent::default(), PageSize::default());
        Self { next: Some(token), pages: 0, received: 0, known, size, shortfall: None, list: None }
    }

    pub(super) fn shortfall(&self) -> Option<&String> {
        self.shortfall.as_ref()
    }
}

/// The pages of one resource, in page order. Requests under way are aborted on drop.
pub struct Pages {
    source: Arc<Source>,
    surroundings: Surroundings,
    line: Line,
    memory_limit: u64,
    max_pages: Option<u64>,
    /// Where the next page is; `None` at the end of the list and after an error.
    next: Option<PageToken>,
    /// The first page is late: the others are asked for without what it would tell.
    is_first_late: bool,
    /// Pages handed on.
    number: u64,
    /// Records handed on.
    received: u64,
    known: Extent,
    size: PageSize,
    guard: Guard,
    warnings: Vec<String>,
    shortfall: Option<String>,
}

impl Pages {
    /// `memory_limit`: bytes that pages which came before their turn may hold. Must be used within a tokio runtime.
    ///
    /// # Errors
    /// [`FetchError`] if the request cannot be sent as it is.
    pub fn new(
        client: Arc<Client>,
        resource: &ResourcePlan,
        request: &BoundRequest,
        memory_limit: u64,
    ) -> Result<Self, FetchError> {
        Self::over(client, resource, Request::new(request)?, memory_limit)
    }

    /// One list of several of a resource: counted with the others, and silent, since who joins them tells of their pages.
    pub(super) fn among(
        transport: Arc<dyn Transport>,
        resource: &ResourcePlan,
        request: &BoundRequest,
        memory_limit: u64,
        scope: Scope,
    ) -> Result<Self, FetchError> {
        let mut pages = Self::over(transport, resource, Request::new(request)?, memory_limit)?;
        // Nobody else has it before the first request.
        if let Some(source) = Arc::get_mut(&mut pages.source) {
            source.scope = scope;
        }
        Ok(pages.silent())
    }

    /// Its pages are not told to the reporter.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.surroundings.reporter = Arc::new(Silent);
        self
    }

    fn over(
        transport: Arc<dyn Transport>,
        resource: &ResourcePlan,
        request: Request,
        memory_limit: u64,
    ) -> Result<Self, FetchError> {
        if matches!(resource.paginator, PaginatorPlan::Offset { limit: 0, .. }) {
            return Err(FetchError::NothingAsked);
        }
        let surroundings = transport.surroundings().clone();
        let source = Arc::new(Source::new(transport, resource, request));
        Ok(Self {
            next: Some(source.paginator.start()).filter(|_| resource.max_pages != Some(0)),
            source,
            surroundings,
            line: Line::default(),
            memory_limit,
            max_pages: resource.max_pages,
            is_first_late: false,
            number: 0,
            received: 0,
            known: Extent::default(),
            size: PageSize::default(),
            guard: Guard::default(),
            warnings: Vec::new(),
            shortfall: shortfall::by_config(resource),
        })
    }

    /// Goes on behind `position` in place of at the beginning. What the guard knew of the page before is not known again.
    #[must_use]
    pub fn resume(mut self, position: Position) -> Self {
        let Position { next, pages, received, known, size, shortfall, list: _ } = position;
        self.shortfall = self.shortfall.or(shortfall);
        self.next = next.filter(|_| self.max_pages.is_none_or(|max| pages < max));
        (self.number, self.received, self.known, self.size) = (pages, received, known, size);
        self
    }

    /// Waits for the answer whose turn it is, and keeps the line filled meanwhile.
    async fn head(&mut self, token: &PageToken) -> Result<Fetched, FetchError> {
        let shutdown = self.surroundings.environment.shutdown.clone();
        let clock = self.surroundings.environment.clock.clone();
        loop {
            if shutdown.is_cancelled() {
                return Err(FetchError::Interrupted);
            }
            self.line.collect();
            self.top_up(token);
            if let Some(outcome) = self.line.take_head() {
                return outcome.map_err(|error| error.at_page(self.number + 1));
            }
            let is_alone = self.number == 0 && !self.is_first_late;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = self.line.arrival() => {}
                () = clock.patience(FIRST_PAGE_ALONE), if is_alone => self.give_up_on_first(),
            }
        }
    }

    /// Looks ahead by what was asked for: a slow first page holds nobody up, at the price of requests that may be in vain.
    fn give_up_on_first(&mut self) {
        self.is_first_late = true;
        self.known.page_size = self.source.paginator.page_size();
    }

    fn top_up(&mut self, token: &PageToken) {
        if self.line.is_empty() {
            self.line.ask(&self.source, token.clone());
        }
        while self.has_room() {
            let last = self.line.last().unwrap_or(token);
            let Ahead::Next(guess) = self.source.paginator.ahead(last, &self.known) else { return };
            self.line.ask(&self.source, guess);
        }
    }

    fn has_room(&self) -> bool {
        let window = self.source.transport.window();
        let is_bounded = self.known.records.is_some() || self.known.pages.is_some();
        let places = if is_bounded { window.saturating_mul(LINE_PER_WINDOW) } else { window };
        let asked = self.number + self.line.len() as u64;
        (self.number > 0 || self.is_first_late)
            && self.line.in_flight() < window
            && self.line.len() < places
            && self.max_pages.is_none_or(|max| asked < max)
            && self.line.memory_with_one_more() <= self.memory_limit
            && !self.line.seems_over()
    }

    /// A page's turn has come: finds out where the next one is, and tells about it.
    fn accept(&mut self, token: &PageToken, fetched: Fetched) -> Result<Page, FetchError> {
        let page = self.page(&fetched)?;
        self.number = page.number;
        self.received += page.count;
        self.known.page_size = self.size.learn(page.count);
        self.next = self.follow(token, &fetched, page.count)?;
        self.line.keep_from(self.next.as_ref());
        self.tell(&page, fetched.bytes);
        let reached = self.surroundings.environment.faults.reach(FaultPoint::PageFetched);
        reached.map_err(|source| FetchError::Fault { page: page.number, source })?;
        Ok(page)
    }

    fn page(&self, fetched: &Fetched) -> Result<Page, FetchError> {
        let number = self.number + 1;
        let located = match &fetched.located {
            Ok(Located::Missing) if !self.is_behind_end(number, fetched) => {
                Err(records::missing(&fetched.document, &self.source.selector))
            }
            other => other.clone(),
        };
        let located = located.map_err(|problem| FetchError::Records {
            page: number,
            url: fetched.url.clone(),
            problem: problem.redacted(&self.surroundings.redactor),
        })?;
        let (records, count) = match located {
            Located::Records { index, count } => (Some(index), count),
            Located::Missing | Located::Nothing => (None, 0),
        };
        Ok(Page { number, document: fetched.document.clone(), records, count, filtered: 0, numbers: None })
    }

    /// Whether a page without a place for records is one behind the end of its list, by all that is known: many an API
    /// leaves the records out there. Anywhere else their lack is an error, lest the rest of the list is lost in silence.
    fn is_behind_end(&self, number: u64, fetched: &Fetched) -> bool {
        let known = self.known_with(fetched, 0);
        let is_told = known.records.is_some_and(|records| self.received >= records)
            || known.pages.is_some_and(|pages| number > pages);
        number > 1 && (is_told || records::is_empty_array(&fetched.document))
    }

    /// What is known of the list, this page's word included.
    fn known_with(&self, fetched: &Fetched, count: u64) -> Extent {
        let told = self.source.paginator.extent(&self.view(fetched, count, self.known));
        Extent {
            records: told.records.or(self.known.records),
            pages: told.pages.or(self.known.pages),
            page_size: self.known.page_size,
        }
    }

    fn view<'a>(&self, fetched: &'a Fetched, count: u64, known: Extent) -> PageView<'a> {
        PageView { root: fetched.document.root(), headers: &fetched.headers, count, received: self.received, known }
    }

    /// The position behind the page that was just counted.
    fn follow(&mut self, token: &PageToken, fetched: &Fetched, count: u64) -> Result<Option<PageToken>, FetchError> {
        let located = |problem| FetchError::Paginate { page: self.number, url: fetched.url.clone(), problem };
        self.guard.check(token, fetched.fingerprint, count).map_err(located)?;
        let known = self.known_with(fetched, count);
        let view = self.view(fetched, count, known);
        let next = self.source.paginator.advance(token, &view).map_err(located)?;
        let promises_more = next.is_none() && self.source.paginator.promises_more(&view);
        self.learn(known);
        if next.is_none() {
            self.check_total();
        }
        if promises_more {
            self.falls_short("the API tells of more pages, and its list ended".to_owned());
        }
        Ok(next.filter(|_| self.max_pages.is_none_or(|max| self.number < max)))
    }

    fn learn(&mut self, known: Extent) {
        if let Some(change) = shortfall::by_change(&self.known, &known) {
            self.falls_short(change);
        }
        let is_news = (known.records, known.pages) != (self.known.records, self.known.pages);
        self.known = known;
        if is_news {
            let Extent { records: rows, pages, .. } = known;
            self.report(&Event::TotalKnown { resource: &self.source.scope.resource, rows, pages });
        }
    }

    /// The list is over: did as much come as was told?
    fn check_total(&mut self) {
        if let Some(records) = self.known.records.filter(|&records| records > self.received) {
            let short = format!("the API tells of {records} records, and its list ended after {}", self.received);
            self.warn(short.clone());
            self.falls_short(short);
        }
        // Many an API's `total` counts records where `page_number` expects pages.
        let told = self.known.pages.filter(|&pages| pages > self.number && pages != self.received);
        if let Some(pages) = told {
            let short = format!("the API tells of {pages} pages, and its list ended after {}", self.number);
            self.warn(short.clone());
            self.falls_short(short);
        }
    }

    /// The first reason is told.
    fn falls_short(&mut self, why: String) {
        self.shortfall.get_or_insert(why);
    }

    fn tell(&self, page: &Page, bytes: u64) {
        let resource = &*self.source.scope.resource;
        tracing::debug!(resource, page = page.number, records = page.count, bytes, "page");
        self.report(&Event::PageFetched { resource, page: page.number, rows: page.count, bytes });
    }

    fn warn(&mut self, message: String) {
        tracing::warn!(resource = &*self.source.scope.resource, "{message}");
        self.report(&Event::Warning { resource: &self.source.scope.resource, message: &message });
        self.warnings.push(message);
    }

    fn report(&self, event: &Event<'_>) {
        self.surroundings.reporter.on_event(event);
    }
}

#[async_trait]
impl PageSource for Pages {
    async fn next(&mut self) -> Option<Result<Page, FetchError>> {
        let token = self.next.clone()?;
        let fetched = self.head(&token).await;
        let page = fetched.and_then(|fetched| self.accept(&token, fetched));
        if page.is_err() {
            self.next = None;
            self.line.clear();
        }
        Some(page)
    }

    fn position(&self) -> Position {
        Position {
            next: self.next.clone(),
            pages: self.number,
            received: self.received,
            known: self.known,
            size: self.size.clone(),
            shortfall: self.shortfall.clone(),
            list: None,
        }
    }

    fn counters(&self) -> FetchCounters {
        let (requests, retries, bytes_received) = self.source.scope.counters.read();
        FetchCounters { requests, retries, pages: self.number, bytes_received }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn shortfall(&self) -> Option<&str> {
        self.shortfall.as_deref()
    }
}

#[cfg(test)]
mod tests;
