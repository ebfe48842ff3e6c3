//! The end of a list: whether all of it came, and whether it is read again.

use super::Pages;
use crate::{
    fetch::{
        error::FetchError,
        paginate::{Extent, Guard, PageToken},
    },
    plan::ResourcePlan,
};

/// Why the config alone makes that not all of the list comes.
pub(super) fn cut_by_config(resource: &ResourcePlan) -> Option<String> {
    let paginator = &resource.paginator;
    let why = match () {
        () if paginator.starts_late() => "the paginator begins in the middle of the list",
        () if paginator.has_maximum() => "the paginator ends the list at a maximum",
        () if resource.max_pages.is_some() => "only the first pages are read",
        () => return None,
    };
    Some(why.to_owned())
}

impl Pages {
    /// No page is asked for beyond `max_pages`.
    pub(super) fn is_cut(&self) -> bool {
        self.max_pages.is_some_and(|max| self.number >= max)
    }

    /// Pages of this pass over the list.
    fn pages_of_pass(&self) -> u64 {
        self.number - self.before
    }

    /// The list is over: is there all of it? The position from which it is read again, if it is.
    pub(super) fn end(&mut self, says_more: bool) -> Option<PageToken> {
        if self.max_pages.is_none() && self.drift.begins_again() {
            (self.before, self.received, self.known.records, self.known.pages) = (self.number, 0, None, None);
            self.guard = Guard::default();
            return Some(self.source.paginator.start());
        }
        self.check_total();
        if says_more {
            self.fall_short("the last page says that there is more, and the list ended there".to_owned());
        }
        self.drift.unmended().into_iter().for_each(|text| self.fall_short(text));
        self.drift.mended().into_iter().for_each(|text| self.warn(text));
        None
    }

    /// Did as much come as was told?
    fn check_total(&mut self) {
        if let Some(records) = self.known.records.filter(|&records| records > self.received) {
            self.fall_short(format!("the API tells of {records} records, and its list ended after {}", self.received));
        }
        let number = self.pages_of_pass();
        // Many an API's `total` counts records where `page_number` expects pages.
        if let Some(pages) = self.known.pages.filter(|&pages| pages > number && pages != self.received) {
            self.fall_short(format!("the API tells of {pages} pages, and its list ended after {number}"));
        }
    }

    fn fall_short(&mut self, text: String) {
        self.short.get_or_insert_with(|| text.clone());
        self.warn(text);
    }

    /// Totals that change say that rows came or went; a list that goes on by cursors does not mind, and an overlap sees more.
    pub(super) fn watch_totals(&mut self, known: Extent, token: &PageToken) {
        if token.is_told() || self.source.paginator.lead(token) > 0 || self.pages_of_pass() == 1 {
            return;
        }
        for (what, before, now) in
            [("records", self.known.records, known.records), ("pages", self.known.pages, known.pages)]
        {
            if let Some((before, now)) = before.zip(now).filter(|(before, now)| before != now) {
                let page = self.number;
                self.drift.moved(format!("the API told of {before} {what}, and on page {page} of {now}"));
            }
        }
    }

    pub(super) fn check_drift(&self, page: u64) -> Result<(), FetchError> {
        match self.drift.failure() {
            Some(what) => Err(FetchError::Drift { page, what: what.to_owned() }),
            None => Ok(()),
        }
    }

    /// The config names a place that does not tell where the list ends: the first empty page has to.
    pub(super) fn warn_of_silence(&mut self, path: &str) {
        if self.number == 1 {
            self.warn(format!(
                "there is nothing at `{path}` that tells where the list ends: it is read to its first page without records; \
                 set `total_path`, or null"
            ));
        }
    }
}
