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
//! Where the config does not say how the list is paged, or where its records are, the first page tells (`detect.rs`); whether
//! the list moves meanwhile is watched at every seam of two pages (`drift.rs`).
//! So a wrong guess, an error beyond the end of the list and the order of the answers never show in what is handed on.

mod ahead;
mod detect;
mod drift;
mod end;
mod lead;
mod left_out;
mod line;
mod put_back;
mod shortfall;
mod size;
mod source;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub(super) use self::left_out::{LeftOut, LeftOutOfAll};
pub use self::{ahead::PagesAhead, put_back::PutBack};
use self::{
    detect::FoundOut,
    drift::{Drift, DriftState, Seam},
    line::Line,
    size::PageSize,
    source::{Fetched, Found, Source},
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
    json::Selector,
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

    /// Whether answers were ignored by `response_actions` that were to be pages.
    fn has_ignored(&self) -> bool;
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
    #[serde(default)]
    found: FoundOut,
    #[serde(default)]
    drift: DriftState,
    /// Pages of passes before this one.
    #[serde(default)]
    before: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shortfall: Option<String>,
    #[serde(default)]
    left_out: LeftOut,
    /// Where the list is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) list: Option<ListPlace>,
}

/// A list among those of its resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListPlace {
    /// Lists before it.
    pub finished: u64,
    /// Pages of all lists that were handed on.
    pub pages: u64,
    /// Of the lists before it.
    #[serde(default)]
    pub left_out: LeftOutOfAll,
}

impl Position {
    /// Handed on before it.
    pub fn pages(&self) -> u64 {
        self.list.as_ref().map_or(self.pages, |list| list.pages)
    }

    /// The same, told of all lists of the resource.
    pub(super) fn among(mut self, list: ListPlace, shortfall: Option<&String>) -> Self {
        self.list = Some(list);
        self.shortfall = shortfall.cloned().or(self.shortfall);
        self
    }

    /// Of a list of which nothing was handed on yet.
    pub(super) fn start(token: PageToken) -> Self {
        Self {
            next: Some(token),
            pages: 0,
            received: 0,
            known: Extent::default(),
            size: PageSize::default(),
            found: FoundOut::default(),
            drift: DriftState::default(),
            before: 0,
            shortfall: None,
            left_out: LeftOut::default(),
            list: None,
        }
    }

    pub(super) fn shortfall(&self) -> Option<&String> {
        self.shortfall.as_ref()
    }

    /// Of its list.
    pub(super) fn left_out(&self) -> &LeftOut {
        &self.left_out
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
    /// Whether pages are asked for ahead.
    looks_ahead: bool,
    /// The first page is late: the others are asked for without what it would tell.
    is_first_late: bool,
    /// Pages handed on.
    number: u64,
    /// Those of earlier passes over the list.
    before: u64,
    /// Records of this pass, those that came twice counted once.
    received: u64,
    known: Extent,
    size: PageSize,
    guard: Guard,
    found: FoundOut,
    drift: Drift,
    warnings: Vec<String>,
    /// Whether somebody else tells of its pages.
    is_silent: bool,
    /// Whether it is one list of several, and what is left out of it is told with theirs.
    is_among: bool,
    shortfall: Option<String>,
    /// What of that the config is the reason of.
    cut: Option<String>,
    /// Answers that `response_actions` left out.
    left_out: LeftOut,
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
        pages.is_among = true;
        Ok(pages.silent())
    }

    pub(super) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Its pages are not told to the reporter.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.surroundings.reporter = Arc::new(Silent);
        self.is_silent = true;
        self
    }

    fn over(
        transport: Arc<dyn Transport>,
        resource: &ResourcePlan,
        request: Request,
        memory_limit: u64,
    ) -> Result<Self, FetchError> {
        if matches!(&resource.paginator, PaginatorPlan::Offset(plan) if plan.limit == 0) {
            return Err(FetchError::NothingAsked);
        }
        let surroundings = transport.surroundings().clone();
        let source = Arc::new(Source::new(transport, resource, request));
        let cut = shortfall::by_config(resource);
        let drift = Drift::new(resource.on_drift, !source.key.is_empty());
        Ok(Self {
            next: Some(source.paginator.start()).filter(|_| resource.max_pages != Some(0)),
            source,
            surroundings,
            line: Line::default(),
            memory_limit,
            max_pages: resource.max_pages,
            looks_ahead: true,
            is_first_late: false,
            number: 0,
            before: 0,
            received: 0,
            known: Extent::default(),
            size: PageSize::default(),
            guard: Guard::default(),
            found: FoundOut::new(&resource.paginator),
            drift,
            warnings: Vec::new(),
            is_silent: false,
            is_among: false,
            shortfall: cut.clone(),
            cut,
            left_out: LeftOut::default(),
        })
    }

    /// Goes on behind `position` in place of at the beginning. What the guard knew of the page before is not known again.
    #[must_use]
    pub fn resume(mut self, position: Position) -> Self {
        let Position { next, pages, received, known, size, found, drift, before, shortfall, left_out, list: _ } =
            position;
        self.shortfall = self.shortfall.or(shortfall);
        self.next = next.filter(|_| self.max_pages.is_none_or(|max| pages < max));
        (self.number, self.received, self.known, self.size, self.before) = (pages, received, known, size, before);
        self.left_out = left_out;
        self.guard.resume(pages.saturating_sub(before));
        self.drift.resume(drift);
        self.go_on_with(found);
        if self.next.is_none() {
            self.tell_left_out();
        }
        self
    }

    /// Asks for no page before the one before it was handed on and the next one is wanted.
    #[must_use]
    pub fn one_by_one(self) -> Self {
        Self { looks_ahead: false, ..self }
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
        self.looks_ahead
            && (self.number > 0 || self.is_first_late)
            && self.line.in_flight() < window
            && self.line.len() < places
            && self.max_pages.is_none_or(|max| asked < max)
            && self.line.memory_with_one_more() <= self.memory_limit
            && !self.line.seems_over()
    }

    /// A page's turn has come: finds out where the next one is, and tells about it. `None` if it only showed a guess wrong.
    fn accept(&mut self, token: &PageToken, mut fetched: Fetched) -> Result<Option<Page>, FetchError> {
        if let Some(ruled) = fetched.ruled.take() {
            return self.leave_out(token, &ruled, &fetched).map(Some);
        }
        let found = self.located(&mut fetched);
        if self.disproves_guess(&found, &fetched.asked) {
            return Ok(None);
        }
        let mut page = self.page(token, &fetched, &found)?;
        self.number = page.number;
        self.left_out.end_row();
        let lead = self.lead_of(token, &mut fetched, &found)?;
        self.check_repeated(token, &fetched, &found)?;
        let slack = Some(self.slack()).filter(|slack| *slack > 0 && self.tells_records_apart(&fetched, &found));
        self.known.page_size = self.size.learn(page.count);
        let seam = self.join(token, &found, lead.as_ref(), slack.unwrap_or_default());
        self.next = self.follow(token, &fetched, page.count)?;
        self.line.keep_from(self.next.as_ref());
        self.check_drift(page.number)?;
        self.tell(&page, fetched.bytes);
        match lead {
            Some(lead) => lead.put_before(&mut page, &seam.kept),
            None => take_out(&mut page, &seam),
        }
        self.reach_fault(page.number)?;
        Ok(Some(page))
    }

    /// Whether records that look the same are the same: else they may be rows that are alike.
    fn tells_records_apart(&self, fetched: &Fetched, found: &Found) -> bool {
        let Ok(Located::Records { index, .. }) = found.located else { return false };
        let node = found.gathered.as_ref().unwrap_or(&fetched.document).node(index);
        !self.source.key.is_empty() || records::elements(node).all(records::has_identity)
    }

    fn slack(&self) -> u64 {
        self.size.slack(self.source.paginator.page_size())
    }

    fn reach_fault(&self, page: u64) -> Result<(), FetchError> {
        let reached = self.surroundings.environment.faults.reach(FaultPoint::PageFetched);
        reached.map_err(|source| FetchError::Fault { page, source })
    }

    fn page(&self, token: &PageToken, fetched: &Fetched, found: &Found) -> Result<Page, FetchError> {
        let number = self.number + 1;
        let located = match &found.located {
            Ok(Located::Missing) if !self.is_behind_end(number - self.before, fetched) => {
                let selector = self.source.selector.clone().unwrap_or_else(Selector::root);
                Err(records::missing(&fetched.document, &selector))
            }
            other => other.clone(),
        };
        let located = located.map_err(|problem| FetchError::Records {
            page: number,
            url: fetched.url.clone(),
            problem: problem.redacted(&self.surroundings.redactor),
            is_told: token.is_told(),
        })?;
        let (records, count) = match located {
            Located::Records { index, count } => (Some(index), count),
            Located::Missing | Located::Nothing => (None, 0),
        };
        let document = found.gathered.as_ref().unwrap_or(&fetched.document).clone();
        Ok(Page::new(number, document, records, count))
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
        let records = self.found.total(fetched).or(told.records);
        Extent { records: records.or(self.known.records), pages: told.pages.or(self.known.pages), ..self.known }
    }

    fn view<'a>(&self, fetched: &'a Fetched, count: u64, known: Extent) -> PageView<'a> {
        let Fetched { document, asked, headers, .. } = fetched;
        PageView { root: document.root(), url: asked, headers, count, received: self.received, known, is_short: false }
    }

    /// Fails where the list leads nowhere.
    fn check_repeated(&mut self, token: &PageToken, fetched: &Fetched, found: &Found) -> Result<(), FetchError> {
        let lead = self.own_lead(token);
        let fresh = (found.hashes.len() as u64).saturating_sub(lead);
        let is_bounded = self.known.records.or(self.known.pages).is_some() && !token.is_told() || self.cut.is_some();
        let checked = self.guard.check(token, found.fingerprint(), fresh, lead);
        let checked = checked.and_then(|()| if is_bounded { Ok(()) } else { self.guard.check_empty(fresh) });
        checked.map_err(|problem| FetchError::Paginate { page: self.number, url: fetched.url.clone(), problem })
    }

    /// The position behind the page that was just counted.
    fn follow(&mut self, token: &PageToken, fetched: &Fetched, count: u64) -> Result<Option<PageToken>, FetchError> {
        let detected = self.detect(fetched, count);
        let known = self.known_with(fetched, count);
        let view = self.view(fetched, count, known);
        let next = detected.map_or_else(|| self.source.paginator.advance(token, &view), Ok);
        let next = next.and_then(|next| next.map(|next| self.source.checked(next, &fetched.asked)).transpose());
        let url = || fetched.url.clone();
        let next = next.map_err(|problem| FetchError::Paginate { page: self.number, url: url(), problem })?;
        let silent = self.source.paginator.silent(&view).map(|mark| self.silence(mark, fetched));
        let led_nowhere = self.leads_nowhere(&view);
        let promises_more = self.source.paginator.promises_more(&view);
        self.learn(known, token);
        match next {
            None => {
                led_nowhere.into_iter().for_each(|told| self.warn(told));
                Ok(self.end(promises_more))
            }
            Some(next) => {
                silent.into_iter().for_each(|told| self.warn_of_silence(&told));
                if self.is_cut() {
                    self.tell_drift();
                    return Ok(None);
                }
                Ok(Some(next))
            }
        }
    }

    fn learn(&mut self, known: Extent, token: &PageToken) {
        let is_news = (known.records, known.pages) != (self.known.records, self.known.pages);
        if is_news {
            self.watch_totals(known, token);
            let Extent { records: rows, pages, .. } = known;
            self.report(&Event::TotalKnown { resource: &self.source.scope.resource, rows, pages });
        }
        self.known = known;
    }

    fn tell(&self, page: &Page, bytes: u64) {
        let resource = &*self.source.scope.resource;
        tracing::debug!(resource, page = page.number, records = page.count, bytes, "page");
        self.report(&Event::PageFetched { resource, page: page.number, rows: page.count, bytes });
    }

    fn warn(&mut self, message: String) {
        if !self.is_silent {
            tracing::warn!(resource = &*self.source.scope.resource, "{message}");
        }
        self.report(&Event::Warning { resource: &self.source.scope.resource, message: &message });
        self.warnings.push(message);
    }

    /// What is as it should be, and good to know.
    fn note(&self, message: &str) {
        if !self.is_silent {
            tracing::info!(resource = &*self.source.scope.resource, "{message}");
        }
        self.report(&Event::Note { resource: &self.source.scope.resource, message });
    }

    fn report(&self, event: &Event<'_>) {
        self.surroundings.reporter.on_event(event);
    }
}

#[async_trait]
impl PageSource for Pages {
    async fn next(&mut self) -> Option<Result<Page, FetchError>> {
        loop {
            let token = self.next.clone()?;
            let fetched = self.head(&token).await;
            self.source.transport.take_notices().into_iter().for_each(|notice| self.warn(notice));
            let page = fetched.and_then(|fetched| self.accept(&token, fetched));
            if page.is_err() {
                self.next = None;
                self.line.clear();
            }
            if self.next.is_none() {
                self.tell_left_out();
            }
            if let Some(page) = page.transpose() {
                return Some(page);
            }
        }
    }

    fn position(&self) -> Position {
        Position {
            next: self.next.clone(),
            pages: self.number,
            received: self.received,
            known: self.known,
            size: self.size.clone(),
            found: self.found.clone(),
            drift: self
                .drift
                .state(self.next.as_ref().map_or(0, |next| self.source.paginator.lead(next)).max(self.slack())),
            before: self.before,
            shortfall: self.shortfall.clone(),
            left_out: self.left_out.clone(),
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

    fn has_ignored(&self) -> bool {
        self.left_out.has_ignored()
    }
}

/// Takes the rows that came before out of a page, and counts them.
fn take_out(page: &mut Page, seam: &Seam) {
    let Some(index) = page.records.filter(|_| !seam.kept.is_empty()) else { return };
    let Some((document, numbers)) = records::keep(&page.document, index, &seam.kept) else { return };
    let left = numbers.len() as u64;
    page.duplicates = page.count - left;
    (page.document, page.records, page.count) = (Arc::new(document), Some(0), left);
    page.numbers = Some(numbers.into());
}

#[cfg(test)]
mod tests;
