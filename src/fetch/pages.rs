//! The pages of one resource: asked for ahead, handed on in page order.
//!
//! ```text
//! position (true) ──► line: [next][ahead][ahead][ahead]    each a task; answers wait in their place
//!      ▲                     │ its turn
//!      └── advance ◄── page ─┴─► handed on
//! ```
//!
//! The first page is requested alone: it shows how long the result set is and how large its pages are. Pages are requested
//! ahead once a full page or a total shows that more exist, as far as the client's window and `memory_limit` allow. When a
//! page's turn comes, the paginator reads from the page itself where the next one is: places in the line that do not fit are
//! cancelled. Where the config names neither paginator nor records, the first page is searched for them (`detect.rs`); rows
//! that move meanwhile are looked for at every seam of two pages (`drift.rs`); `end.rs` collects what shows the end.
//! So a wrong guess, an error beyond the end of the list and the order of the answers never show in what is handed on.

mod ahead;
mod detect;
mod drift;
mod end;
mod guess;
mod lead;
mod left_out;
mod line;
mod lost_way;
mod position;
mod put_back;
mod shortfall;
mod size;
mod source;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::{ahead::PagesAhead, position::Position, put_back::PutBack};
use self::{
    detect::FoundOut,
    drift::{Drift, Seam},
    line::Line,
    position::Evidence,
    shortfall::Cut,
    size::{Fullness, PageSize},
    source::{Fetched, Found, Source},
};
pub(super) use self::{
    left_out::{LeftOut, LeftOutOfAll},
    position::{IncompleteList, ListPlace, Retry},
};
use super::{
    client::Client,
    completeness::{
        Findings,
        tracker::{Shrunk, TotalsView},
        verdict::{End, Walk},
    },
    error::FetchError,
    paginate::{Ahead, Extent, Guard, PageToken, PageView, PaginateError},
    records::{self, Located},
    request::Request,
    transport::{Scope, Surroundings, Transport},
};
use crate::{
    environment::FaultPoint,
    json::Selector,
    memory::{PageMemory, PendingTurn, Turn},
    model::Page,
    plan::{BoundRequest, Learned, PaginatorPlan, ResourcePlan},
    report::{Event, Silent, grouped},
};

/// Places of the line per request in flight while the head is late, where the end of the list is known.
const LINE_PER_WINDOW: usize = 4;

/// Places of the line where the end is not known: the first ones, and one more for so many pages that came. No more than a
/// third of all requests are in vain, or these first ones.
const FIRST_PLACES: u64 = 4;
const PAGES_PER_PLACE: u64 = 2;

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

    /// What is known beside the pages, so far.
    fn findings(&self) -> &Findings;

    /// Ends the result set before its end, where no later page is wanted.
    fn end_by_order(&mut self) {}

    /// Reads the result set once more after its end, since `why` makes its pages doubtful; false if that is not to be done.
    fn read_again(&mut self, _why: &str) -> bool {
        false
    }

    /// The position from which only the page sequences are read again that ended incomplete, after all of them were read.
    /// `None` if none did, or if nothing would be saved by it.
    fn retry_position(&self) -> Option<Position> {
        None
    }

    /// Keeps all its pages within their share of the memory until the turn is given; `None` if that is not counted. To be
    /// called before the first page is requested.
    fn wait_for_turn(&mut self) -> Option<PendingTurn> {
        None
    }
}

/// The pages of one resource, in page order. Requests under way are aborted on drop.
pub struct Pages {
    source: Arc<Source>,
    surroundings: Surroundings,
    line: Line,
    memory: Arc<PageMemory>,
    turn: Arc<Turn>,
    /// Bytes that may be held ahead.
    memory_limit: u64,
    max_pages: Option<u64>,
    /// Where the next page is; `None` at the end of the list and after an error.
    next: Option<PageToken>,
    /// Whether pages are asked for ahead.
    looks_ahead: bool,
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
    evidence: Evidence,
    findings: Findings,
    /// The source without what an earlier run has detected, until a page shows that this still holds.
    unlearned: Option<Arc<Source>>,
    /// Whether somebody else tells of its pages.
    is_silent: bool,
    /// Whether it is one list of several, and what is left out of it is told with theirs.
    is_among: bool,
    /// Why the config ends or begins the sequence elsewhere than the API.
    cut: Cut,
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
        let client: Arc<dyn Transport> = client;
        Self::over(client, resource, Request::new(request)?, memory_limit)
    }

    /// One list of several of a resource: counted with the others, and silent, since who joins them tells of their pages.
    pub(super) fn among(
        transport: Arc<dyn Transport>,
        resource: &ResourcePlan,
        request: &BoundRequest,
        (memory, turn, ahead): (Arc<PageMemory>, Arc<Turn>, u64),
        scope: Scope,
    ) -> Result<Self, FetchError> {
        let mut pages = Self::over(transport, resource, Request::new(request)?, ahead)?;
        (pages.memory, pages.turn) = (memory, turn);
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
        let learned = resource.learned.clone();
        let surroundings = transport.surroundings().clone();
        let memory = PageMemory::new(transport.page_limits(), memory_limit);
        let source = Arc::new(Source::new(transport, resource, request));
        let cut = Cut::by_config(resource);
        let drift = Drift::new(resource.on_drift, !source.key.is_empty());
        Ok(Self {
            next: Some(source.paginator.start()).filter(|_| resource.max_pages != Some(0)),
            source,
            surroundings,
            line: Line::default(),
            memory,
            turn: Turn::new(true),
            memory_limit,
            max_pages: resource.max_pages,
            looks_ahead: true,
            number: 0,
            before: 0,
            received: 0,
            known: Extent::default(),
            size: PageSize::default(),
            guard: Guard::default(),
            found: FoundOut::new(&resource.paginator),
            drift,
            evidence: Evidence::default(),
            findings: Findings { shortfall: cut.reason().cloned(), ..Findings::default() },
            unlearned: None,
            is_silent: false,
            is_among: false,
            cut,
            left_out: LeftOut::default(),
        }
        .with_learned(learned.as_ref()))
    }

    /// Begins with what an earlier run has detected.
    #[must_use]
    pub fn with_learned(mut self, learned: Option<&Learned>) -> Self {
        if let Some(learned) = learned {
            self.learned(learned);
        }
        self
    }

    /// Goes on behind `position` in place of at the beginning. What the guard knew of the page before is not known again.
    #[must_use]
    pub fn resume(mut self, position: Position) -> Self {
        let Position { next, pages, received, known, size, found, drift, before, evidence, left_out, .. } = position;
        self.cut.is_reached |= next.is_some() && self.max_pages.is_some_and(|max| pages >= max);
        self.findings.shortfall = position.shortfall.or_else(|| self.cut.reason().cloned());
        self.findings.verdict = evidence.verdict.clone();
        self.findings.suspicion = evidence.suspicion.clone();
        self.findings.total = evidence.total;
        (self.findings.passes_agree, self.findings.was_read_again) = (evidence.passes_agree, evidence.was_read_again);
        self.evidence = evidence;
        self.next = next.filter(|_| !self.cut.is_reached);
        (self.number, self.received, self.known, self.size, self.before) = (pages, received, known, size, before);
        self.left_out = left_out;
        self.guard.resume(pages.saturating_sub(before));
        self.drift.resume(drift);
        self.go_on_with(found);
        if self.number > 0 {
            self.report_paging(self.received);
        }
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
        loop {
            if shutdown.is_cancelled() {
                return Err(FetchError::Interrupted);
            }
            self.line.collect();
            self.top_up(token);
            if let Some(outcome) = self.line.take_head() {
                return outcome.map_err(|error| error.at_page(self.number + 1, token));
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = self.line.arrival() => {}
            }
        }
    }

    fn top_up(&mut self, token: &PageToken) {
        if self.line.is_empty() {
            self.ask(token.clone());
        }
        self.line.lead();
        while self.has_room() {
            let last = self.line.last().unwrap_or(token);
            let Ahead::Next(guess) = self.source.paginator.ahead(last, &self.known) else { return };
            self.ask(guess);
        }
    }

    fn ask(&mut self, token: PageToken) {
        self.line.ask(&self.source, token, self.memory.hold(&self.turn));
    }

    fn has_room(&self) -> bool {
        let window = self.source.transport.window();
        let is_bounded = self.known.records.is_some() || self.known.pages.is_some();
        let unbounded = FIRST_PLACES.max(self.pages_of_pass() / PAGES_PER_PLACE);
        let unbounded = usize::try_from(unbounded).map_or(window, |places| places.min(window));
        let places = if is_bounded { window.saturating_mul(LINE_PER_WINDOW) } else { unbounded };
        let asked = self.number + self.line.len() as u64;
        // A page after a short one confirms the end, and one after a total that may be of a page does: each alone.
        // Where short pages are no end, they lead on as full ones do from the second page on: a sequence of one short page
        // costs no more than the request that confirms its end.
        let goes_on = self.source.walks_to_empty_page && self.pages_of_pass() > 1;
        let is_likely = is_bounded || self.evidence.last == Fullness::Full || goes_on;
        self.looks_ahead
            && self.number > self.before
            && is_likely
            && !self.is_guessing()
            && !self.evidence.is_confirming
            && self.line.in_flight() < window
            && self.line.len() < places
            && self.max_pages.is_none_or(|max| asked < max)
            && self.line.memory_with_one_more(self.memory.expected()) <= self.memory_limit
            && self.memory.has_room()
            && !self.line.seems_over()
    }

    /// A page's turn has come: finds out where the next one is, and tells about it. `None` if it only showed a guess wrong.
    fn accept(&mut self, token: &PageToken, mut fetched: Fetched) -> Result<Option<Page>, FetchError> {
        let ruled = fetched.ruled.take();
        if let Some(ruled) = ruled.as_ref().filter(|ruled| !ruled.may_have_records()) {
            return self.leave_out(token, ruled, &fetched).map(Some);
        }
        let found = self.located(&mut fetched);
        if let Some(ruled) = &ruled {
            return self.accept_last(token, ruled, &fetched, &found).map(Some);
        }
        if self.forgets_learned(token, &fetched, &found) || self.judges_guess(&found) {
            return Ok(None);
        }
        if self.is_last_again(token, &fetched, &found) {
            self.next = self.after_repeated(token, &found);
            return Ok(None);
        }
        if std::mem::take(&mut self.evidence.is_repeated) {
            self.drift.shift(self.size.largest());
        }
        let mut page = self.page(token, &fetched, &found)?;
        self.number = page.number;
        self.left_out.end_row();
        let lead = self.lead_of(token, &mut fetched, &found)?;
        self.check_repeated(token, &fetched, &found)?;
        let slack = Some(self.slack()).filter(|slack| *slack > 0 && self.tells_records_apart(&fetched, &found));
        let fullness = match token {
            // It was requested before the paginator was known, and without its limit.
            PageToken::First => Fullness::Unknown,
            _ => self.size.fullness(page.count, self.source.page_size()),
        };
        self.known.page_size = self.size.learn(page.count);
        let seam = self.join(token, &found, lead.as_ref(), slack.unwrap_or_default());
        let pass = self.drift.passes();
        if seam.repeats > 0 && lead.is_none() && slack.is_none() {
            // Pages that were answered before rows came in do not continue this one.
            self.line.clear();
        }
        self.next = self.follow(token, &fetched, &found, fullness)?;
        (page.repeats, page.pass) = (seam.repeats, pass);
        self.report_paging(page.count);
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
            Located::Records { index, count, .. } => (Some(index), count),
            Located::Missing | Located::Nothing => (None, 0),
        };
        let document = found.gathered.as_ref().unwrap_or(&fetched.document).clone();
        let hold = Some(Arc::clone(&fetched.hold));
        Ok(Page { hold, ..Page::new(number, document, records, count) })
    }

    /// Whether a page without a place for records is one behind the end of its list, by all that is known: many an API
    /// leaves the records out there. Anywhere else their lack is an error, lest the rest of the list is lost in silence.
    fn is_behind_end(&self, number: u64, fetched: &Fetched) -> bool {
        let known = self.known_with(fetched, 0, self.evidence.totals.records());
        let is_told = known.records.is_some_and(|records| self.received >= records)
            || self.source.totals.is_reached(&self.totals_view(fetched, 0, &self.source.record_keys()))
            || known.pages.is_some_and(|pages| number > pages);
        number > 1 && (is_told || records::is_empty_array(&fetched.document))
    }

    /// What is known of the result set, with `total` records and what this page states of pages.
    fn known_with(&self, fetched: &Fetched, count: u64, total: Option<u64>) -> Extent {
        let total = total.map(|total| total.saturating_add(self.source.first_position));
        let view = PageView { total, ..self.view(fetched, count, self.known) };
        let Extent { records, pages, .. } = self.source.paginator.extent(&view);
        Extent { records, pages: pages.or(self.known.pages), ..self.known }
    }

    fn view<'a>(&self, fetched: &'a Fetched, count: u64, known: Extent) -> PageView<'a> {
        let Fetched { document, asked, headers, .. } = fetched;
        let (root, received) = (document.root(), self.received);
        PageView { root, url: asked, headers, count, received, known, total: None, is_short: false }
    }

    /// Fails where the list leads nowhere.
    fn check_repeated(&mut self, token: &PageToken, fetched: &Fetched, found: &Found) -> Result<(), FetchError> {
        let lead = self.own_lead(token);
        let fresh = (found.hashes.len() as u64).saturating_sub(lead);
        let is_bounded = self.known.records.or(self.known.pages).is_some() && !token.is_told() || self.cut.is_bounded();
        let checked = self.guard.check(token, found.fingerprint(), fresh, lead);
        let checked = checked.and_then(|()| if is_bounded { Ok(()) } else { self.guard.check_empty(fresh) });
        checked.map_err(|problem| self.unfollowed(problem, fetched))
    }

    fn unfollowed(&self, problem: PaginateError, fetched: &Fetched) -> FetchError {
        FetchError::Paginate { page: self.number, url: fetched.url.clone(), problem, body_key: self.source.body_key() }
    }

    /// The position after the page that was just counted.
    fn follow(
        &mut self,
        token: &PageToken,
        fetched: &Fetched,
        found: &Found,
        fullness: Fullness,
    ) -> Result<Option<PageToken>, FetchError> {
        let count = found.count();
        self.observe_totals(token, fetched, count);
        // Before the end is judged, which this page may be.
        self.mark_move();
        let detected = self.detect(fetched, found);
        let fullness = if *token == PageToken::First && self.found.is_short { Fullness::Short } else { fullness };
        let total = self.evidence.totals.records();
        self.evidence.stated = self.known_with(fetched, count, total).records;
        self.evidence.is_confirming = self.must_confirm(token, count, fullness);
        let known = self.known_with(fetched, count, total.filter(|_| !self.evidence.is_confirming));
        let is_short = fullness == Fullness::Short;
        let view = PageView { is_short, ..self.view(fetched, count, known) };
        let next = detected.map_or_else(|| self.source.paginator.advance(&self.own_token(token), &view), Ok);
        let next = next.and_then(|next| next.map(|next| self.source.checked(next, &fetched.asked)).transpose());
        let next = next.map_err(|problem| self.unfollowed(problem, fetched))?;
        let silent = self.source.paginator.silent(&view).filter(|_| total.is_none());
        let silent = silent.map(|mark| self.silence(mark, fetched));
        let led_nowhere = self.leads_nowhere(&view);
        let end = self.end_of(&view, found, led_nowhere.is_some());
        // Some links never end: past the total, the first page without records does.
        let is_past_total = self.source.walk == Walk::Chain && count == 0 && end == End::Total;
        let next = next.filter(|_| !is_past_total);
        let more = self.more_after(&view, found).filter(|_| next.is_none());
        let by_maximum = PageView { total, ..view };
        self.cut.is_reached |=
            next.is_none() && self.source.paginator.is_at_maximum(&self.own_token(token), &by_maximum);
        self.learn(known);
        if count > 0 {
            self.evidence.last = fullness;
        }
        match next {
            None => {
                led_nowhere.into_iter().for_each(|told| self.warn(told));
                Ok(self.end(end, more))
            }
            Some(next) => {
                silent.into_iter().for_each(|told| self.warn_of_silence(&told));
                if self.is_cut() {
                    self.conclude_cut();
                    return Ok(None);
                }
                Ok(Some(next))
            }
        }
    }

    /// The position of a page in terms of the paginator: a first page that was requested before the paginator was known is
    /// the paginator's first.
    pub(super) fn own_token(&self, token: &PageToken) -> PageToken {
        match token {
            PageToken::First => self.source.paginator.start(),
            token => token.clone(),
        }
    }

    fn totals_view<'a>(&self, fetched: &'a Fetched, count: u64, records: &'a [String]) -> TotalsView<'a> {
        let Fetched { document, headers, timing, .. } = fetched;
        TotalsView { root: document.root(), headers, records, count, received: self.received, timing: *timing }
    }

    /// Takes in what the page states of the number of all records.
    fn observe_totals(&mut self, token: &PageToken, fetched: &Fetched, count: u64) {
        let keys = self.source.record_keys();
        let view = self.totals_view(fetched, count, &keys);
        let Some(Shrunk { from, to }) = self.evidence.totals.observe(&self.source.totals, &view) else { return };
        let change = format!("the total went from {} to {}", grouped(from), grouped(to));
        self.watch_change(change, token);
    }

    fn learn(&mut self, known: Extent) {
        let is_news = (known.records, known.pages) != (self.known.records, self.known.pages);
        if is_news {
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
        let message = self.surroundings.redactor.credentials(&message);
        if !self.is_silent {
            tracing::warn!(resource = &*self.source.scope.resource, "{message}");
        }
        self.report(&Event::Warning { resource: &self.source.scope.resource, message: &message });
        self.findings.warnings.push(message);
    }

    /// Reports what is as it should be, and good to know.
    fn note(&mut self, message: String) {
        let message = self.surroundings.redactor.credentials(&message);
        if !self.is_silent {
            tracing::info!(resource = &*self.source.scope.resource, "{message}");
        }
        self.report(&Event::Note { resource: &self.source.scope.resource, message: &message });
        self.findings.notes.push(message);
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
            if fetched.as_ref().is_err_and(FetchError::is_refusal) {
                // What later pages hold decides, and not which of them happen to have arrived.
                self.line.settle().await;
            }
            if fetched.as_ref().err().is_some_and(|error| self.is_end_or_refused_guess(&token, error)) {
                continue;
            }
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

    fn wait_for_turn(&mut self) -> Option<PendingTurn> {
        self.turn = Turn::new(false);
        Some(PendingTurn::new(&self.memory, &self.turn))
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
            shortfall: self.findings.shortfall.clone(),
            evidence: Evidence {
                verdict: self.findings.verdict.clone(),
                suspicion: self.findings.suspicion.clone(),
                total: self.findings.total,
                passes_agree: self.findings.passes_agree,
                was_read_again: self.findings.was_read_again,
                ..self.evidence.clone()
            },
            left_out: self.left_out.clone(),
            list: None,
        }
    }

    fn counters(&self) -> FetchCounters {
        let (requests, retries, bytes_received) = self.source.scope.counters.read();
        FetchCounters { requests, retries, pages: self.number, bytes_received }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn end_by_order(&mut self) {
        if self.next.is_some() {
            self.conclude_by_order();
        }
    }

    fn read_again(&mut self, why: &str) -> bool {
        if self.next.is_some() || self.max_pages.is_some() || self.cut.reason().is_some() {
            return false;
        }
        self.drift.moved(why.to_owned());
        let again = self.drift.begins_again();
        if again {
            self.next = Some(self.begin_pass());
        }
        again
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
