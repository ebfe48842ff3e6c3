//! `?offset=200&limit=100`: the position is a number of records.
//!
//! The next offset is this one plus the records that *came*: a server that gives 100 where 1000 were asked for loses no row.
//! A short page is not the end. With an `overlap` each page begins with records before its position, which came already.

use super::{Ahead, EndMark, EndMarks, Extent, PageToken, PageView, PaginateError, Paginator, set};
use crate::{
    fetch::request::Request,
    plan::{OffsetPlan, ShortPage, Slot},
};

#[derive(Clone, Debug)]
pub(super) struct Offset {
    /// Records asked for per page.
    pub limit: u64,
    pub start: u64,
    pub offset_param: Slot,
    pub limit_param: Option<Slot>,
    /// No page is asked for at or beyond this offset.
    pub maximum: Option<u64>,
    pub overlap: u64,
    pub end: EndMarks,
}

impl Offset {
    pub(super) fn new(plan: OffsetPlan) -> Self {
        let end = EndMarks {
            total_path: plan.total_path,
            total_header: plan.total_header,
            has_more_path: plan.has_more_path,
            is_last_path: plan.is_last_path,
            stop_after_empty_page: plan.stop_after_empty_page,
            stop_after_short_page: plan.stop_after_short_page == ShortPage::Stop,
        };
        Self {
            limit: plan.limit,
            start: plan.offset,
            offset_param: plan.offset_param,
            limit_param: plan.limit_param,
            maximum: plan.maximum_offset,
            overlap: plan.overlap,
            end,
        }
    }

    fn offset(token: &PageToken) -> Result<u64, PaginateError> {
        match token {
            PageToken::Offset(offset) => Ok(*offset),
            _ => Err(PaginateError::ForeignToken { token: token.clone() }),
        }
    }

    /// The offset after a page of `fresh` records. An empty page that is not the end is a hole, as wide as what was asked for.
    fn behind(&self, token: &PageToken, fresh: u64) -> Result<u64, PaginateError> {
        let step = if fresh == 0 { self.limit - self.overlap } else { fresh };
        Ok(Self::offset(token)?.saturating_add(step))
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
            set(request, &self.offset_param, offset - self.lead(token));
        }
        if let Some(slot) = &self.limit_param {
            set(request, slot, self.limit);
        }
    }

    fn page_size(&self) -> Option<u64> {
        Some(self.limit)
    }

    fn extent(&self, page: &PageView<'_>) -> Extent {
        let within = page.total.map(|total| self.maximum.map_or(total, |maximum| total.min(maximum)));
        Extent { records: within.map(|total| total.saturating_sub(self.start)), ..Extent::default() }
    }

    fn lead(&self, token: &PageToken) -> u64 {
        Self::offset(token).map_or(0, |offset| self.overlap.min(offset.saturating_sub(self.start)))
    }

    fn silent(&self, page: &PageView<'_>) -> Option<EndMark<'_>> {
        self.end.silent(page)
    }

    fn advance(&self, token: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        let lead = self.lead(token);
        let fresh = page.count.saturating_sub(lead);
        if fresh == 0 && page.known.page_size.is_some_and(|size| 0 < size && size <= lead) {
            return Err(PaginateError::OverlapTooLarge { count: page.count, overlap: self.overlap });
        }
        if self.end.is_last(page, fresh) {
            return Ok(None);
        }
        self.end.must_end(page, self.maximum)?;
        let next = self.behind(token, fresh)?;
        Ok((!self.is_beyond(next, &page.known)).then_some(PageToken::Offset(next)))
    }

    fn more(&self, page: &PageView<'_>) -> Option<bool> {
        self.end.has_more(page)
    }

    fn is_at_maximum(&self, token: &PageToken, page: &PageView<'_>) -> bool {
        let fresh = page.count.saturating_sub(self.lead(token));
        let Ok(next) = self.behind(token, fresh) else { return false };
        let is_all = page.total.is_some_and(|total| total <= next) || self.end.is_last(page, fresh);
        !is_all && self.maximum.is_some_and(|maximum| next >= maximum)
    }

    fn ahead(&self, token: &PageToken, known: &Extent) -> Ahead {
        let (Ok(offset), Some(size)) = (Self::offset(token), known.page_size) else { return Ahead::Unknown };
        let Some(fresh) = size.checked_sub(self.lead(token)).filter(|fresh| *fresh > 0) else { return Ahead::Unknown };
        let next = offset.saturating_add(fresh);
        if self.is_beyond(next, known) { Ahead::End } else { Ahead::Next(PageToken::Offset(next)) }
    }
}
