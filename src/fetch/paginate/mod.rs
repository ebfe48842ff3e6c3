//! Where the next page is. Pure: no I/O, no clock, no interior state.
//!
//! ```text
//! start ─► token ─► apply ─► request … page ─► advance ─► the next token, or the end
//!            └────► ahead ─► tokens that can be asked for before that page has come
//! ```
//!
//! `advance` alone decides; what `ahead` says is a guess that the driver checks against it when the page's turn comes. So a
//! guess may cost a request and never a record.

mod cursor;
mod detect;
mod entity;
mod guard;
mod link;
mod offset;
mod page_number;
mod single_page;

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::cursor::CursorValue;
#[cfg(any(test, fuzzing))]
pub(super) use self::link::{follow, links};
use self::{
    cursor::{Cursor, HeaderCursor},
    link::{HeaderLink, JsonLink},
    offset::Offset,
    page_number::PageNumber,
    single_page::{Detecting, SinglePage},
};
pub(super) use self::{
    detect::{Asked, Candidate, Detected, detect},
    entity::detect_entity,
    guard::Guard,
};
use super::request::Request;
use crate::{
    json::{Kind, Node, Selector},
    plan::{PaginatorPlan, Slot},
};

/// The position of one page in its list. Serialises, so that a run can go on from a stored one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageToken {
    /// The one page there is.
    Single,
    /// Records before the page.
    Offset(u64),
    /// The page's number as the API counts.
    Page(u64),
    /// The first page of a list whose pages each tell of the next one.
    First,
    /// What the page before told.
    Cursor(CursorValue),
    /// Where the page before led to. Without credentials: what authentication adds is added anew.
    Link(Url),
}

impl PageToken {
    /// Whether only the page before it could tell of it: such a list may lead in a circle.
    pub fn is_told(&self) -> bool {
        matches!(self, Self::Cursor(_) | Self::Link(_))
    }
}

/// What is known of the length of a list, from its start token on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    pub records: Option<u64>,
    pub pages: Option<u64>,
    /// Records that a page holds in fact, whatever was asked for; `None` as long as that cannot be relied on.
    pub page_size: Option<u64>,
}

/// A page that has come, as a paginator sees it.
#[derive(Clone, Copy, Debug)]
pub struct PageView<'a> {
    pub root: Node<'a>,
    /// What was asked for, without credentials: links are relative to it.
    pub url: &'a Url,
    pub headers: &'a HeaderMap,
    /// Records of this page.
    pub count: u64,
    /// Records of the list so far, this page's included.
    pub received: u64,
    /// What is known so far, this page's word included. The latest word counts.
    pub known: Extent,
    /// Records of the whole result set, where a number of this page or of one before it states that.
    pub total: Option<u64>,
    /// Fewer records than the page size, as far as that is known.
    pub is_short: bool,
}

/// What can be said of the page behind a page that has not come yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ahead {
    /// It is probably this one.
    Next(PageToken),
    /// There is none, by all that is known.
    End,
    /// Only the page itself will tell.
    Unknown,
}

/// Where an answer tells of the end of its list.
#[derive(Clone, Copy, Debug)]
pub enum EndMark<'a> {
    Path(&'a Selector),
    Header(&'a str),
}

/// How one API cuts a list into pages.
pub trait Paginator: Send + Sync {
    fn start(&self) -> PageToken;

    /// Puts the position into a request.
    fn apply(&self, token: &PageToken, request: &mut Request);

    /// Records asked for per page, where the size is known before any page has come; `None` by default.
    fn page_size(&self) -> Option<u64> {
        None
    }

    /// Returns the length of the result set by this page, `page_size` aside; by default the total.
    fn extent(&self, page: &PageView<'_>) -> Extent {
        Extent { records: page.total, ..Extent::default() }
    }

    /// Records before the position that are asked for again: its page begins with them, or its
    /// [`lead_page`](Self::lead_page) ends with them. None by default.
    fn lead(&self, _token: &PageToken) -> u64 {
        0
    }

    /// The page that the lead is taken from, where the position's own page cannot begin with it; none by default.
    fn lead_page(&self, _token: &PageToken) -> Option<PageToken> {
        None
    }

    /// Where the config says that a page tells of the list's end and this one does not; nothing by default.
    fn silent(&self, _page: &PageView<'_>) -> Option<EndMark<'_>> {
        None
    }

    /// The position behind `page`, which came for `token`; `None` at the end of the list.
    fn advance(&self, token: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError>;

    /// Where in this page the next one's position is to stand, unless the page says that it is the last one; nowhere by
    /// default.
    fn goes_on_at(&self, _page: &PageView<'_>) -> Option<&Selector> {
        None
    }

    /// Returns the page's flag for another page after it, whatever [`advance`](Self::advance) makes of that; by default none.
    fn more(&self, _page: &PageView<'_>) -> Option<bool> {
        None
    }

    /// Returns true if the sequence ends after `page` by the config's maximum alone; by default never.
    fn is_at_maximum(&self, _token: &PageToken, _page: &PageView<'_>) -> bool {
        false
    }

    /// The position behind `token`'s page before that page has come.
    fn ahead(&self, token: &PageToken, known: &Extent) -> Ahead;
}

/// Why a list cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaginateError {
    #[error("the paginator asked for the same position twice ({})", position(.token))]
    RepeatedToken { token: PageToken },
    #[error("holds the same {count} records as the page before it, although another position was asked for ({})",
            position(.token))]
    RepeatedPage { token: PageToken, count: u64 },
    #[error("nothing tells where the list ends")]
    Endless,
    #[error("{pages} pages in a row hold no record, and each leads to a further one")]
    Empty { pages: u64 },
    #[error("a position of another paginator ({})", position(.token))]
    ForeignToken { token: PageToken },
    #[error("`{path}` finds {found}, where {wanted} was expected")]
    NoReference { path: String, found: &'static str, wanted: &'static str },
    #[error("the link to the next page is none: {cause}")]
    NoLink { cause: String },
    #[error("the link to the next page leads from https to `{scheme}`, which would send the request in the clear")]
    Downgrade { scheme: String },
    #[error("the link to the next page leads a request with a body to another host, {origin}")]
    Elsewhere { origin: String },
    #[error("the server gives {count} records a page, which is too few for an overlap of {overlap}")]
    OverlapTooLarge { count: u64, overlap: u64 },
}

impl PaginateError {
    /// `body_key`: by which the position would go into the body of the request.
    pub(super) fn hint(&self, body_key: Option<&str>) -> String {
        match (self, body_key) {
            (Self::RepeatedToken { .. } | Self::RepeatedPage { .. }, Some(key)) => format!(
                "the request has a body, and the position is sent in the query: if the API reads it in the body, name its place \
                 there in place of the parameter, e.g. `{key}: page.next`; else {}",
                self.cause()
            ),
            _ => self.cause().to_owned(),
        }
    }

    fn cause(&self) -> &'static str {
        match self {
            Self::RepeatedToken { token } if token.is_told() => {
                "the list leads in a circle: does the paginator name the right place (`cursor_path`, `next_url_path`), and the \
                 right parameter (`cursor_param`)?"
            }
            Self::RepeatedPage { token, .. } if token.is_told() => {
                "the API seems to ignore the cursor: check `cursor_param`, or use the paginator `single_page` if the API gives \
                 everything at once"
            }
            Self::RepeatedPage { token: PageToken::Page(1), .. } => {
                "the API may count its pages from 1 (set `base_page: 1`), or ignore the parameter (check `page_param`, or use \
                 the paginator `single_page` if the API gives everything at once)"
            }
            Self::RepeatedToken { .. } | Self::RepeatedPage { .. } => {
                "the API seems to ignore the parameter that names the position: check `offset_param` or `page_param`, or \
                 use the paginator `single_page` if the API gives everything at once"
            }
            Self::Endless => {
                "with `stop_after_empty_page: false` the page must tell a total (`total_path`, `total_header`) or whether \
                 there is more (`has_more_path`), or `maximum_offset` or `maximum_page` must be set"
            }
            Self::Empty { .. } => {
                "the list seems to have no end: where the paginator has them, set `stop_after_empty_page: true`, or \
                 `has_more_path` to where a page tells whether another one follows"
            }
            Self::NoReference { .. } | Self::NoLink { .. } => {
                "check `next_url_path`, `links_next_key` or `cursor_path`: it has to name the link or the cursor itself"
            }
            Self::Downgrade { .. } => "set `client.base_url` to the address that answers over https",
            Self::Elsewhere { .. } => "set `client.base_url` to the address that it leads to, if that is the API's too",
            Self::OverlapTooLarge { .. } => "lower `overlap`, or ask for larger pages if the server allows them",
            Self::ForeignToken { .. } => "the paginator has changed since this position was stored: start anew",
        }
    }
}

fn position(token: &PageToken) -> String {
    match token {
        PageToken::Single => "the single page".to_owned(),
        PageToken::Offset(offset) => format!("offset {offset}"),
        PageToken::Page(number) => format!("page number {number}"),
        PageToken::First => "the first page".to_owned(),
        PageToken::Cursor(value) => format!("the cursor {value}"),
        // Its query may hold what only the server is to know.
        PageToken::Link(url) => format!("the link to {}", url.path()),
    }
}

/// The paginator that a plan describes.
pub(super) fn from_plan(plan: &PaginatorPlan) -> Box<dyn Paginator> {
    match plan.clone() {
        PaginatorPlan::Auto | PaginatorPlan::SingleEntity { .. } => Box::new(Detecting),
        PaginatorPlan::SinglePage => Box::new(SinglePage),
        PaginatorPlan::Offset(plan) => Box::new(Offset::new(plan)),
        PaginatorPlan::PageNumber(plan) => Box::new(PageNumber::new(plan)),
        PaginatorPlan::Cursor(plan) => Box::new(Cursor::new(plan)),
        PaginatorPlan::HeaderCursor { cursor_key, cursor_param } => Box::new(HeaderCursor { cursor_key, cursor_param }),
        PaginatorPlan::JsonLink(plan) => Box::new(JsonLink::new(plan)),
        PaginatorPlan::HeaderLink { links_next_key, header, stop_after_empty_page } => {
            Box::new(HeaderLink { links_next_key, header, stop_after_empty_page })
        }
    }
}

/// Puts a number where a plan says.
fn set(request: &mut Request, slot: &Slot, number: u64) {
    match slot {
        Slot::Param(name) => request.set_param(name, &number.to_string()),
        Slot::Body(path) => request.set_in_body(path, number.into()),
    }
}

/// Where pages tell about the end of their list: what several paginators have in common.
#[derive(Clone, Debug, Default)]
struct EndMarks {
    total_path: Option<Selector>,
    total_header: Option<String>,
    has_more_path: Option<Selector>,
    /// A flag that is true on the last page.
    is_last_path: Option<Selector>,
    stop_after_empty_page: bool,
    /// A page that is shorter than the page size ends the result set.
    stop_after_short_page: bool,
}

impl EndMarks {
    fn total_in_body(&self, page: &PageView<'_>) -> Option<u64> {
        self.total_path.as_ref()?.find_count(page.root)
    }

    fn pages_in_header(&self, page: &PageView<'_>) -> Option<u64> {
        self.count_in_header(page).filter(|_| self.counts_pages())
    }

    fn count_in_header(&self, page: &PageView<'_>) -> Option<u64> {
        page.headers.get(self.total_header.as_deref()?)?.to_str().ok()?.trim().parse().ok()
    }

    /// The page's flags: true if another page follows, `None` where the page has none.
    fn has_more(&self, page: &PageView<'_>) -> Option<bool> {
        let flag = |path: &Option<Selector>| flag(path.as_ref()?.find(page.root)?);
        flag(&self.has_more_path).or_else(|| flag(&self.is_last_path).map(|is_last| !is_last))
    }

    /// Whether the page itself says that it is the last one. `fresh`: its records that were asked for the first time.
    fn is_last(&self, page: &PageView<'_>, fresh: u64) -> bool {
        // A total that states more goes before a page that is short, e.g. since the server gives fewer than were asked for.
        let has_more_records = page.known.records.is_some_and(|records| page.received < records);
        (fresh == 0 && self.stop_after_empty_page)
            || (page.is_short && self.stop_after_short_page && !has_more_records)
            || self.has_more(page) == Some(false)
    }

    /// Whether the header holds the number of pages, and not of records.
    fn counts_pages(&self) -> bool {
        self.total_header.as_deref().is_some_and(counts_pages)
    }

    /// Where the page was to tell of the list's end and says nothing, with nothing else to go by but an empty page.
    fn silent(&self, page: &PageView<'_>) -> Option<EndMark<'_>> {
        let told = page.known.records.or(page.known.pages).is_some() || self.has_more(page).is_some();
        let header = self.total_header.as_deref().map(EndMark::Header);
        let path = self.total_path.as_ref().or(self.has_more_path.as_ref()).or(self.is_last_path.as_ref());
        let path = path.map(EndMark::Path);
        header.or(path).filter(|_| !told && page.count > 0)
    }

    /// Fails if the list could go on for ever: empty pages do not end it, and nothing else would.
    fn must_end(&self, page: &PageView<'_>, maximum: Option<u64>) -> Result<(), PaginateError> {
        let told = page.known.records.or(page.known.pages).or(maximum).is_some() || self.has_more(page).is_some();
        if self.stop_after_empty_page || told { Ok(()) } else { Err(PaginateError::Endless) }
    }
}

/// Whether a header of this name holds a number of pages, as `X-WP-TotalPages` does.
pub(super) fn counts_pages(header: &str) -> bool {
    header.to_ascii_lowercase().contains("page")
}

/// A flag as APIs write it: a bool, a number or a text; `None` for anything else.
pub(super) fn flag(node: Node<'_>) -> Option<bool> {
    match node.kind() {
        Kind::Bool(flag) => Some(flag),
        Kind::Null | Kind::Array | Kind::Object => None,
        // dlt reads text too; some APIs write 0 and 1.
        _ => match node.string().ok()?.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "0" => Some(false),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;
