//! `?offset=200&limit=100`: the position is a number of records.
//!
//! The next offset is this one plus the records that *came*: a server that gives 100 where 1000 were asked for loses no row.
//! A short page is not the end.

use super::{Ahead, EndMarks, Extent, PageToken, PageView, PaginateError, Paginator};
use crate::fetch::request::Request;

#[derive(Clone, Debug)]
pub(super) struct Offset {
    /// Records asked for per page.
    pub limit: u64,
    pub start: u64,
    pub offset_param: String,
    pub limit_param: Option<String>,
    /// No page is asked for at or beyond this offset.
    pub maximum: Option<u64>,
    pub end: EndMarks,
}

impl Offset {
    fn offset(token: &PageToken) -> Result<u64, PaginateError> {
        match token {
            PageToken::Offset(offset) => Ok(*offset),
            _ => Err(PaginateError::ForeignToken { token: token.clone() }),
        }
    }

    /// Whether nothing is to be asked for at `offset`, by the totals told and by the config.
    fn is_beyond(&self, offset: u64, known: &Extent) -> bool {
        let told = known.records.is_some_and(|records| offset.saturating_sub(self.start) >= records);
        told || self.maximum.is_some_and(|maximum| offset >= maximum)
    }
}

impl Paginator for Offset {
    fn start(&self) -> PageToken {
        PageToken::Offset(self.start)
    }

    fn apply(&self, token: &PageToken, request: &mut Request) {
        if let PageToken::Offset(offset) = token {
            request.set_param(&self.offset_param, &offset.to_string());
        }
        if let Some(name) = &self.limit_param {
            request.set_param(name, &self.limit.to_string());
        }
    }

    fn page_size(&self) -> Option<u64> {
        Some(self.limit)
    }

    fn extent(&self, page: &PageView<'_>) -> Extent {
        let total = self.end.total_in_body(page).or_else(|| self.end.total_in_header(page));
        let within = total.map(|total| self.maximum.map_or(total, |maximum| total.min(maximum)));
        Extent { records: within.map(|total| total.saturating_sub(self.start)), ..Extent::default() }
    }

    fn advance(&self, token: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        if self.end.is_last(page) {
            return Ok(None);
        }
        self.end.must_end(page, self.maximum)?;
        // An empty page that is not the end is a hole, as wide as what was asked for.
        let step = if page.count == 0 { self.limit } else { page.count };
        let next = Self::offset(token)?.saturating_add(step);
        Ok((!self.is_beyond(next, &page.known)).then_some(PageToken::Offset(next)))
    }

    fn promises_more(&self, page: &PageView<'_>) -> bool {
        self.end.has_more(page) == Some(true)
    }

    fn ahead(&self, token: &PageToken, known: &Extent) -> Ahead {
        let (Ok(offset), Some(size)) = (Self::offset(token), known.page_size) else { return Ahead::Unknown };
        let next = offset.saturating_add(size);
        if self.is_beyond(next, known) { Ahead::End } else { Ahead::Next(PageToken::Offset(next)) }
    }
}
