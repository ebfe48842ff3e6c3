//! A list that comes whole in one answer.

use super::{Ahead, Extent, PageToken, PageView, PaginateError, Paginator};
use crate::fetch::request::Request;

#[derive(Clone, Copy, Debug)]
pub(super) struct SinglePage;

impl Paginator for SinglePage {
    fn start(&self) -> PageToken {
        PageToken::Single
    }

    fn apply(&self, _: &PageToken, _: &mut Request) {}

    fn extent(&self, page: &PageView<'_>) -> Extent {
        Extent { records: page.total, pages: Some(1), page_size: None }
    }

    fn advance(&self, _: &PageToken, _: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        Ok(None)
    }

    fn ahead(&self, _: &PageToken, _: &Extent) -> Ahead {
        Ahead::End
    }
}

/// Asks for the first page as it stands, and leaves it to that page how the list goes on: the driver puts another paginator in
/// the place of this one before it advances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detecting;

impl Paginator for Detecting {
    fn start(&self) -> PageToken {
        PageToken::First
    }

    fn apply(&self, _: &PageToken, _: &mut Request) {}

    fn advance(&self, _: &PageToken, _: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        Ok(None)
    }

    fn ahead(&self, _: &PageToken, _: &Extent) -> Ahead {
        Ahead::Unknown
    }
}
