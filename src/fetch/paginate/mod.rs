//! Where the next page is. Pure: no I/O, no clock, no interior state.
//!
//! ```text
//! start ─► token ─► apply ─► request … page ─► advance ─► the next token, or the end
//!            └────► ahead ─► tokens that can be asked for before that page has come
//! ```
//!
//! `advance` alone decides; what `ahead` says is a guess that the driver checks against it when the page's turn comes. So a
//! guess may cost a request and never a record.

mod guard;
mod offset;
mod page_number;
mod single_page;

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

pub(super) use self::guard::Guard;
use self::{offset::Offset, page_number::PageNumber, single_page::SinglePage};
use super::request::Request;
use crate::{
    json::{Kind, Node, Selector},
    plan::PaginatorPlan,
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
    pub headers: &'a HeaderMap,
    /// Records of this page.
    pub count: u64,
    /// Records of the list so far, this page's included.
    pub received: u64,
    /// What is known so far, this page's word included. The latest word counts.
    pub known: Extent,
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

/// How one API cuts a list into pages.
pub trait Paginator: Send + Sync {
    fn start(&self) -> PageToken;

    /// Puts the position into a request.
    fn apply(&self, token: &PageToken, request: &mut Request);

    /// Records asked for per page, where the size is known before any page has come; `None` by default.
    fn page_size(&self) -> Option<u64> {
        None
    }

    /// What this page tells of the list's length, `page_size` aside; nothing by default.
    fn extent(&self, _page: &PageView<'_>) -> Extent {
        Extent::default()
    }

    /// The position behind `page`, which came for `token`; `None` at the end of the list.
    fn advance(&self, token: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError>;

    /// Whether the page says that others follow it, whatever [`advance`](Self::advance) makes of that; never by default.
    fn promises_more(&self, _page: &PageView<'_>) -> bool {
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
    #[error("a position of another paginator ({})", position(.token))]
    ForeignToken { token: PageToken },
}

impl PaginateError {
    pub(super) fn hint(&self) -> String {
        match self {
            Self::RepeatedToken { .. } | Self::RepeatedPage { .. } => {
                "the API seems to ignore the parameter that names the position: check `offset_param` or `page_param`, or \
                 use the paginator `single_page` if the API gives everything at once"
            }
            Self::Endless => {
                "with `stop_after_empty_page: false` the page must tell a total (`total_path`, `total_header`) or whether \
                 there is more (`has_more_path`), or `maximum_offset` or `maximum_page` must be set"
            }
            Self::ForeignToken { .. } => "the paginator has changed since this position was stored: start anew",
        }
        .to_owned()
    }
}

fn position(token: &PageToken) -> String {
    match token {
        PageToken::Single => "the single page".to_owned(),
        PageToken::Offset(offset) => format!("offset {offset}"),
        PageToken::Page(number) => format!("page number {number}"),
    }
}

/// The paginator that a plan describes.
pub(super) fn from_plan(plan: &PaginatorPlan) -> Box<dyn Paginator> {
    match plan.clone() {
        PaginatorPlan::SinglePage => Box::new(SinglePage),
        PaginatorPlan::Offset {
            limit,
            offset,
            offset_param,
            limit_param,
            total_path,
            total_header,
            maximum_offset,
            stop_after_empty_page,
            has_more_path,
        } => Box::new(Offset {
            limit,
            start: offset,
            offset_param,
            limit_param,
            maximum: maximum_offset,
            end: EndMarks { total_path, total_header, has_more_path, stop_after_empty_page },
        }),
        PaginatorPlan::PageNumber {
            base_page,
            page,
            page_param,
            total_path,
            total_header,
            maximum_page,
            stop_after_empty_page,
            has_more_path,
        } => Box::new(PageNumber {
            base: base_page,
            start: page,
            page_param,
            maximum: maximum_page,
            end: EndMarks { total_path, total_header, has_more_path, stop_after_empty_page },
        }),
    }
}

/// Where pages tell about the end of their list: what `offset` and `page_number` have in common.
#[derive(Clone, Debug)]
struct EndMarks {
    total_path: Option<Selector>,
    total_header: Option<String>,
    has_more_path: Option<Selector>,
    stop_after_empty_page: bool,
}

impl EndMarks {
    fn total_in_body(&self, page: &PageView<'_>) -> Option<u64> {
        self.total_path.as_ref()?.find_count(page.root)
    }

    fn total_in_header(&self, page: &PageView<'_>) -> Option<u64> {
        page.headers.get(self.total_header.as_deref()?)?.to_str().ok()?.trim().parse().ok()
    }

    /// `None` where the page says nothing about it.
    fn has_more(&self, page: &PageView<'_>) -> Option<bool> {
        let found = self.has_more_path.as_ref()?.find(page.root)?;
        match found.kind() {
            Kind::Bool(more) => Some(more),
            Kind::Null => None,
            // dlt reads text too; some APIs write 0 and 1.
            _ => match found.string().ok()?.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
        }
    }

    /// Whether the page itself says that it is the last one.
    fn is_last(&self, page: &PageView<'_>) -> bool {
        (page.count == 0 && self.stop_after_empty_page) || self.has_more(page) == Some(false)
    }

    /// Fails if the list could go on for ever: empty pages do not end it, and nothing else would.
    fn must_end(&self, page: &PageView<'_>, maximum: Option<u64>) -> Result<(), PaginateError> {
        let told = page.known.records.or(page.known.pages).or(maximum).is_some() || self.has_more(page).is_some();
        if self.stop_after_empty_page || told { Ok(()) } else { Err(PaginateError::Endless) }
    }
}

#[cfg(test)]
mod tests;
