//! `?page=3`: the position is a count of pages.
//!
//! As in dlt, `total_path` tells how many *pages* there are; `total_header`, ours, how many *records*, unless its name speaks
//! of pages, as `X-WP-TotalPages` does. An API whose
//! `total_path` counts records in fact is read right too: it only never says "the end", and the empty page does.
//! A number names a whole page and no records before it: an `overlap` is the end of the page before, asked for once more.

use super::{Ahead, EndMark, EndMarks, Extent, PageToken, PageView, PaginateError, Paginator, set};
use crate::{
    fetch::request::Request,
    plan::{PageNumberPlan, ShortPage, Slot},
};

#[derive(Clone, Debug)]
pub(super) struct PageNumber {
    /// The number of the list's first page: 0 or 1 as a rule.
    pub base: u64,
    /// The first page asked for.
    pub start: u64,
    pub page_param: Slot,
    /// No page of this number or above is asked for.
    pub maximum: Option<u64>,
    pub overlap: u64,
    pub end: EndMarks,
}

impl PageNumber {
    pub(super) fn new(plan: PageNumberPlan) -> Self {
        let end = EndMarks {
            total_path: plan.total_path,
            total_header: plan.total_header,
            has_more_path: plan.has_more_path,
            is_last_path: plan.is_last_path,
            stop_after_empty_page: plan.stop_after_empty_page,
            stop_after_short_page: plan.stop_after_short_page == ShortPage::Stop,
        };
        Self {
            base: plan.base_page,
            start: plan.page,
            page_param: plan.page_param,
            maximum: plan.maximum_page,
            overlap: plan.overlap,
            end,
        }
    }

    fn number(token: &PageToken) -> Result<u64, PaginateError> {
        match token {
            PageToken::Page(number) => Ok(*number),
            _ => Err(PaginateError::ForeignToken { token: token.clone() }),
        }
    }

    /// Whether no page of this number is to be asked for, by the pages told and by the config.
    fn is_beyond(&self, number: u64, known: &Extent) -> bool {
        let told = known.pages.is_some_and(|pages| number.saturating_sub(self.start) >= pages);
        told || self.maximum.is_some_and(|maximum| number >= maximum)
    }
}

impl Paginator for PageNumber {
    fn start(&self) -> PageToken {
        PageToken::Page(self.start)
    }

    fn apply(&self, token: &PageToken, request: &mut Request) {
        if let PageToken::Page(number) = token {
            set(request, &self.page_param, *number);
        }
    }

    fn extent(&self, page: &PageView<'_>) -> Extent {
        let pages = self.end.total_in_body(page).or_else(|| self.end.pages_in_header(page));
        let behind_last = pages.map(|pages| self.base.saturating_add(pages));
        let within = behind_last.map(|behind| self.maximum.map_or(behind, |maximum| behind.min(maximum)));
        // How many records stand before a start in the middle is not known: the total then says nothing about the rest.
        let records = page.total.filter(|_| self.start == self.base);
        Extent { pages: within.map(|behind| behind.saturating_sub(self.start)), records, page_size: None }
    }

    fn lead(&self, token: &PageToken) -> u64 {
        Self::number(token).map_or(0, |number| if number > self.start { self.overlap } else { 0 })
    }

    fn lead_page(&self, token: &PageToken) -> Option<PageToken> {
        let number = Self::number(token).ok().filter(|_| self.lead(token) > 0)?;
        Some(PageToken::Page(number - 1))
    }

    fn silent(&self, page: &PageView<'_>) -> Option<EndMark<'_>> {
        self.end.silent(page)
    }

    fn advance(&self, token: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        // Where pages are counted, a number of records may be that of this page.
        let is_all = page.known.pages.is_none() && page.known.records.is_some_and(|records| page.received >= records);
        if self.end.is_last(page, page.count) || is_all {
            return Ok(None);
        }
        self.end.must_end(page, self.maximum)?;
        let next = Self::number(token)?.saturating_add(1);
        Ok((!self.is_beyond(next, &page.known)).then_some(PageToken::Page(next)))
    }

    fn more(&self, page: &PageView<'_>) -> Option<bool> {
        self.end.has_more(page)
    }

    fn is_at_maximum(&self, token: &PageToken, page: &PageView<'_>) -> bool {
        let Ok(next) = Self::number(token).map(|number| number.saturating_add(1)) else { return false };
        let pages = self.end.total_in_body(page).or_else(|| self.end.pages_in_header(page));
        let is_last = pages.is_some_and(|pages| self.base.saturating_add(pages) <= next);
        let has_all = page.total.is_some_and(|total| self.start == self.base && page.received >= total);
        let is_all = is_last || has_all || self.end.is_last(page, page.count);
        !is_all && self.maximum.is_some_and(|maximum| next >= maximum)
    }

    fn ahead(&self, token: &PageToken, known: &Extent) -> Ahead {
        let Ok(next) = Self::number(token).map(|number| number.saturating_add(1)) else { return Ahead::Unknown };
        let before = known.page_size.map(|size| next.saturating_sub(self.start).saturating_mul(size));
        let records = known.records.filter(|_| known.pages.is_none());
        let all_asked = before.zip(records).is_some_and(|(before, records)| before >= records);
        if all_asked || self.is_beyond(next, known) { Ahead::End } else { Ahead::Next(PageToken::Page(next)) }
    }
}
