//! What every page of a resource is fetched with.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use url::Url;

use crate::{
    fetch::{
        completeness::{
            totals::TotalPlace,
            tracker::{Timing, TotalsSource},
            verdict::Walk,
        },
        error::FetchError,
        paginate::{self, Asked, PageToken, PaginateError, Paginator},
        records::{Located, Locator, Objects, Placed, RecordsError, hashes},
        redirect::{over_https, told_over_https},
        request::{Request, drop_credentials},
        transport::{Ruled, Scope, Transport},
    },
    json::{Document, Selector},
    memory::{Hold, Refused},
    plan::{Method, PaginatorPlan, ResourcePlan, ShortPage, Slot, WriteDisposition},
    schema::Source as ColumnSource,
};

#[derive(Clone)]
pub(super) struct Source {
    pub transport: Arc<dyn Transport>,
    pub paginator: Arc<dyn Paginator>,
    /// `None` until it is found out.
    pub selector: Option<Selector>,
    pub scope: Scope,
    /// Paths of the key's columns within a record, where rows of one key are one row; else empty.
    pub key: Vec<Vec<String>>,
    /// Before the paginator's part.
    request: Request,
    locator: Locator,
    /// Pages without records may lack the place of the records.
    is_missing_allowed: bool,
    pub walk: Walk,
    /// As the config has it.
    pub plan: PaginatorPlan,
    pub totals: TotalsSource,
    /// The position of the first record, where a detected paginator counts from 1: a total counts all the same.
    pub first_position: u64,
    /// A short page does not end the walk, and holds no request back.
    pub walks_to_empty_page: bool,
    /// The paginator of the list that an answer to the path of one record may be; `None` for any other path.
    pub entity: Option<PaginatorPlan>,
}

/// A page that waits for its turn.
pub(super) struct Fetched {
    pub document: Arc<Document>,
    pub headers: HeaderMap,
    /// What was asked for, before authentication.
    pub asked: Url,
    /// The same for people.
    pub url: String,
    /// Of the decoded body.
    pub bytes: u64,
    /// `None` as long as nobody knows where to look.
    pub found: Option<Found>,
    /// What `response_actions` made of it, if it is no page.
    pub ruled: Option<Ruled>,
    /// Whether `response_actions` take it for a page, whatever it holds.
    pub is_accepted: bool,
    /// The page that its lead is taken from, asked for after it had come.
    pub again: Option<Box<Self>>,
    /// When it was requested and when it arrived.
    pub timing: Timing,
    pub hold: Arc<Hold>,
}

/// The records of a page.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// An error here counts only if the page's turn comes.
    pub located: Result<Located, RecordsError>,
    /// The document that the records stand in, if it is not the answer.
    pub gathered: Option<Arc<Document>>,
    /// A hash of each record.
    pub hashes: Vec<u64>,
}

impl Source {
    pub(super) fn new(transport: Arc<dyn Transport>, resource: &ResourcePlan, mut request: Request) -> Self {
        if let Some(accept) = resource.answers.accept {
            request.accept(accept);
        }
        Self {
            transport,
            paginator: paginate::from_plan(&resource.paginator).into(),
            selector: resource.data_selector.clone(),
            scope: Scope::new(resource),
            key: key_of(resource),
            request,
            locator: Locator::new(resource),
            is_missing_allowed: resource.allow_missing_data,
            walk: walk(&resource.paginator, false),
            plan: resource.paginator.clone(),
            totals: totals(resource),
            first_position: 0,
            walks_to_empty_page: walks_to_empty_page(&resource.paginator),
            entity: match &resource.paginator {
                PaginatorPlan::SingleEntity { list } => Some((**list).clone()),
                _ => None,
            },
        }
    }

    /// What the first page is requested with, before the paginator's part.
    pub(super) fn first_url(&self) -> Url {
        self.request.url.clone()
    }

    /// The paginator's key by which the position would go into the body, where there is one and the position is a parameter.
    pub(super) fn body_key(&self) -> Option<&'static str> {
        let (key, slot) = match &self.plan {
            PaginatorPlan::Cursor(plan) => ("cursor_body_path", &plan.cursor_param),
            PaginatorPlan::Offset(plan) => ("offset_body_path", &plan.offset_param),
            PaginatorPlan::PageNumber(plan) => ("page_body_path", &plan.page_param),
            _ => return None,
        };
        (matches!(slot, Slot::Param(_)) && self.request.has_body()).then_some(key)
    }

    /// Records of a page as they are asked for: by the paginator, or by a parameter that limits pages.
    pub(super) fn page_size(&self) -> Option<u64> {
        self.paginator.page_size().or_else(|| self.request.page_limit()).filter(|size| *size > 0)
    }

    /// The keys that lead to the records; of a query and of a place that is not known yet, whatever the answer has beside it
    /// counts.
    pub(super) fn record_keys(&self) -> Vec<String> {
        self.selector.as_ref().and_then(Selector::keys).unwrap_or_else(|| vec![String::new()])
    }

    /// `is_bare`: pages are lists and nothing else.
    pub(super) fn with_selector(&self, selector: Selector, is_bare: bool) -> Self {
        let mut locator = self.locator.clone();
        if is_bare {
            locator.objects = Objects::Wrappers;
        }
        let expected = Arc::new(self.scope.expected.with_selector(selector.clone()));
        let scope = Scope { expected, ..self.scope.clone() };
        Self { selector: Some(selector), locator, scope, ..self.clone() }
    }

    /// What a list of the records may be called: as the resource, or as its path ends.
    pub(super) fn names(&self) -> [String; 2] {
        let segment = self.request.url.path_segments().and_then(|mut segments| segments.next_back());
        [self.scope.resource.to_string(), segment.unwrap_or_default().to_owned()]
    }

    /// The request as detection sees it. `records`: the keys that lead to the list of records, if they are one.
    pub(super) fn asked<'a>(&self, records: Option<&'a [String]>) -> Asked<'a> {
        Asked {
            records,
            is_get: self.request.method == Method::Get,
            has_body: self.request.has_body(),
            has_no_total: !self.totals.by_name && self.totals.places.is_empty(),
        }
    }

    /// Whether the paginator is for lists alone.
    pub(super) fn is_paged(&self) -> bool {
        self.locator.objects == Objects::Wrappers
    }

    pub(super) fn with_paginator(&self, plan: &PaginatorPlan) -> Self {
        let first_position = match plan {
            PaginatorPlan::Offset(plan) => plan.offset,
            _ => 0,
        };
        Self { paginator: paginate::from_plan(plan).into(), walk: walk(plan, true), first_position, ..self.clone() }
    }

    /// The page before is asked for after this one has come: a row that went from it in between then shows at its end.
    pub(super) async fn fetch(self: Arc<Self>, token: PageToken, hold: Arc<Hold>) -> Result<Fetched, FetchError> {
        let mut fetched = self.fetch_one(&token, hold).await?;
        if let Some(before) = self.paginator.lead_page(&token).filter(|_| fetched.ruled.is_none()) {
            let again = self.fetch_one(&before, fetched.hold.beside()).await?;
            fetched.bytes += again.bytes;
            fetched.again = Some(Box::new(again)).filter(|again| again.ruled.is_none());
        }
        Ok(fetched)
    }

    async fn fetch_one(&self, token: &PageToken, hold: Arc<Hold>) -> Result<Fetched, FetchError> {
        let mut request = self.request.clone();
        let redactor = &self.transport.surroundings().redactor;
        self.paginator.apply(token, &mut request);
        if matches!(token, PageToken::Link(_)) {
            request.add_secrets_of(&self.request, redactor);
        }
        let (asked, url) = (request.url.clone(), redactor.url(&request.url));
        let scope = Scope { hold: Some(Arc::clone(&hold)), ..self.scope.clone() };
        let response = self.transport.fetch(request, &scope).await?;
        hold.finish(response.document.memory() as u64);
        let (bytes, ruled, is_accepted) = (response.bytes, response.ruled, response.is_accepted);
        let (document, headers, timing) = (Arc::new(response.document), response.headers, Timing::default());
        let mut fetched = Fetched {
            document,
            headers,
            asked,
            url,
            bytes,
            ruled,
            is_accepted,
            found: None,
            again: None,
            timing,
            hold,
        };
        self.locate_early(&mut fetched);
        Ok(fetched)
    }

    /// Looks for the records, if it is known where, and has not been done.
    pub(super) fn locate(&self, fetched: &mut Fetched) {
        // What memory other pages have is of no matter now: the page cannot be put off any more.
        let hold = Arc::clone(&fetched.hold);
        self.locate_within(fetched, &|bytes| match hold.grow(bytes) {
            Err(Refused::ForNow(bytes)) => {
                hold.set(bytes);
                Ok(())
            }
            outcome => outcome,
        });
    }

    /// As [`locate`](Self::locate), before the page's turn: where there is no memory for it yet, it is left for later.
    fn locate_early(&self, fetched: &mut Fetched) {
        let hold = Arc::clone(&fetched.hold);
        self.locate_within(fetched, &|bytes| hold.grow(bytes));
    }

    fn locate_within(&self, fetched: &mut Fetched, grow: &dyn Fn(u64) -> Result<(), Refused>) {
        let Some(selector) = self.selector.as_ref().filter(|_| fetched.found.is_none()) else { return };
        let (held, mut refused) = (fetched.document.memory() as u64, None);
        let mut room = |bytes: usize| {
            refused = grow(held.saturating_add(bytes as u64)).err();
            refused.is_none()
        };
        let Placed { located, gathered } = self.locator.locate(&fetched.document, selector, &mut room);
        if let Some(Refused::ForNow(_)) = refused {
            fetched.hold.set(held);
            return;
        }
        let located = match located {
            Ok(Located::Missing) if self.is_missing_allowed => Ok(Located::Nothing),
            Ok(Located::Missing) | Err(_) if fetched.is_accepted => Ok(Located::Nothing),
            located => located,
        };
        let seen = located.as_ref().copied().unwrap_or(Located::Nothing);
        let hashes = hashes(gathered.as_ref().unwrap_or(&fetched.document), seen, &self.key);
        let more = gathered.as_ref().map_or(0, Document::memory) + hashes.len() * size_of::<u64>();
        fetched.hold.set(held.saturating_add(more as u64));
        fetched.found = Some(Found { located, gathered: gathered.map(Arc::new), hashes });
    }

    /// A token as it may be kept, and followed with this resource's request. `from`: where its page came from.
    pub(super) fn checked(&self, token: PageToken, from: &Url) -> Result<PageToken, PaginateError> {
        let PageToken::Link(mut link) = token else { return Ok(token) };
        if let Some(secured) = over_https(from, &link) {
            self.transport.notice_once(told_over_https(&link));
            link = secured;
        }
        let is_home = link.origin() == self.request.url.origin() || self.transport.sees_credentials(&link);
        if self.request.has_body() && !is_home {
            // It was meant for the API alone, and may hold what only the API is to know.
            return Err(PaginateError::Elsewhere { origin: link.origin().ascii_serialization() });
        }
        let mut link = self.transport.without_credentials(link, &self.scope);
        if !is_home {
            let redactor = &self.transport.surroundings().redactor;
            drop_credentials(&mut link, &self.request.secret_params(redactor), redactor);
        }
        Ok(PageToken::Link(link))
    }
}

impl Fetched {
    pub(super) fn memory(&self) -> u64 {
        let gathered = self.found.as_ref().and_then(|found| found.gathered.as_ref());
        let documents = [Some(&self.document), gathered];
        let own: u64 = documents.into_iter().flatten().map(|document| document.memory() as u64).sum();
        own + self.again.as_ref().map_or(0, |again| again.memory())
    }
}

/// How pages follow each other under a paginator that the config names, or that was detected.
fn walk(plan: &PaginatorPlan, is_detected: bool) -> Walk {
    match plan {
        PaginatorPlan::SingleEntity { .. } => Walk::OnePage,
        PaginatorPlan::Offset(_) | PaginatorPlan::PageNumber(_) => Walk::Number,
        PaginatorPlan::SinglePage if !is_detected => Walk::ConfiguredPage,
        PaginatorPlan::SinglePage | PaginatorPlan::Auto => Walk::OnePage,
        _ => Walk::Chain,
    }
}

fn walks_to_empty_page(plan: &PaginatorPlan) -> bool {
    match plan {
        PaginatorPlan::Offset(plan) => plan.stop_after_short_page == ShortPage::GoOn,
        PaginatorPlan::PageNumber(plan) => plan.stop_after_short_page == ShortPage::GoOn,
        _ => false,
    }
}

/// Where the config says that totals of records are.
fn totals(resource: &ResourcePlan) -> TotalsSource {
    let (path, header) = match &resource.paginator {
        PaginatorPlan::Offset(plan) => (plan.total_path.as_ref(), plan.total_header.as_ref()),
        // Its path holds a number of pages.
        PaginatorPlan::PageNumber(plan) => (None, plan.total_header.as_ref()),
        _ => (resource.totals.path.as_ref(), resource.totals.header.as_ref()),
    };
    let header = header.filter(|name| !paginate::counts_pages(name)).cloned().map(TotalPlace::Header);
    let places = path.cloned().map(TotalPlace::Path).into_iter().chain(header).collect();
    TotalsSource { places, by_name: resource.totals.by_name }
}

impl Found {
    pub(super) fn nothing() -> Self {
        Self { located: Ok(Located::Nothing), gathered: None, hashes: Vec::new() }
    }

    pub(super) fn count(&self) -> u64 {
        match self.located {
            Ok(Located::Records { count, .. }) => count,
            _ => 0,
        }
    }

    /// Of the page as a whole; of no meaning without records.
    pub(super) fn fingerprint(&self) -> u64 {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        BuildHasherDefault::<DefaultHasher>::new().hash_one(&self.hashes)
    }
}

fn key_of(resource: &ResourcePlan) -> Vec<Vec<String>> {
    let is_one_row = resource.dedup || resource.write_disposition == WriteDisposition::Merge;
    let path = |index: &usize| match &resource.schema.columns.get(*index)?.source {
        ColumnSource::Path(path) => Some(path.clone()),
        ColumnSource::Evolved(key) | ColumnSource::Unseen(key) => Some(vec![key.clone()]),
        _ => None,
    };
    // Columns that are not known yet are fields by their names.
    if let Some(inference) = &resource.inference {
        return inference.key.clone();
    }
    let paths: Option<Vec<_>> = resource.primary_key.iter().map(path).collect();
    paths.filter(|_| is_one_row).unwrap_or_default()
}
