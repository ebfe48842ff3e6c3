//! Answers that `response_actions` took for no page: where the list goes on behind one, and what is told of them.
//!
//! An ignored page in the middle of a list is a hole, and never its end: positions that can be told without the page are
//! asked for. Where only the page would have told, or where several in a row look like what lies beyond the end, the list is
//! over. In either case what came may not be all, and that is said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Pages, source::Fetched};
use crate::{
    fetch::{
        error::FetchError,
        paginate::{Ahead, Extent, PageToken},
        transport::Ruled,
    },
    model::Page,
};

/// Ignored pages in a row that end a list whose length is not known.
const MOST_IN_A_ROW: u32 = 3;

/// Counts of what was ignored, for the summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOut {
    /// By status.
    ignored: BTreeMap<u16, u64>,
    in_a_row: u32,
    /// Whether the list ended with them, for want of a word on how it goes on.
    ended: bool,
}

impl LeftOut {
    pub(super) fn end_row(&mut self) {
        self.in_a_row = 0;
    }

    fn add(&mut self, status: u16) {
        *self.ignored.entry(status).or_default() += 1;
        self.in_a_row += 1;
    }

    /// What the summary says; nothing if nothing was left out.
    fn told(&self) -> Option<String> {
        let pages: u64 = self.ignored.values().sum();
        let statuses: Vec<_> = self.ignored.keys().map(u16::to_string).collect();
        let statuses = statuses.join(", ");
        let told = match pages {
            0 => return None,
            1 => format!("1 page was ignored ({statuses})"),
            _ => format!("{pages} pages were ignored ({statuses})"),
        };
        let ended =
            "; the list ended there, and may go on behind it (if such an answer means its end, use the action `stop`)";
        Some(if self.ended { told + ended } else { told })
    }
}

impl Pages {
    /// An answer that is no page has its turn: it is handed on as a page without records.
    pub(super) fn leave_out(
        &mut self,
        token: &PageToken,
        ruled: &Ruled,
        fetched: &Fetched,
    ) -> Result<Page, FetchError> {
        let (number, document) = (self.number + 1, fetched.document.clone());
        let page =
            Page { number, list: 0, document, records: None, count: 0, filtered: 0, duplicates: 0, numbers: None };
        self.number = number;
        self.next = self.pass_over(token, ruled);
        self.line.keep_from(self.next.as_ref());
        self.tell(&page, fetched.bytes);
        self.reach_fault(number)?;
        Ok(page)
    }

    /// The position behind an answer that is no page.
    fn pass_over(&mut self, token: &PageToken, ruled: &Ruled) -> Option<PageToken> {
        let status = match ruled {
            Ruled::Ignored(status) => status.as_u16(),
            Ruled::Stopped(message) => {
                if let Some(message) = message {
                    self.warn(format!("the list was ended at page {}: {message}", self.number));
                }
                return self.end(false);
            }
        };
        self.left_out.add(status);
        self.shortfall.get_or_insert_with(|| "pages were ignored by `response_actions`".to_owned());
        match self.ahead_of_ignored(token) {
            Ahead::End => self.end(false),
            // A list whose first page is ignored is an empty one: there is nothing to go on from.
            Ahead::Next(next) if self.number > 1 && self.may_go_on() && !self.is_cut() => Some(next),
            Ahead::Next(_) if self.is_cut() => {
                self.tell_drift();
                None
            }
            _ => {
                self.left_out.ended = self.number > 1;
                self.tell_drift();
                None
            }
        }
    }

    fn ahead_of_ignored(&self, token: &PageToken) -> Ahead {
        let page_size = self.known.page_size.or(self.source.paginator.page_size());
        self.source.paginator.ahead(token, &Extent { page_size, ..self.known })
    }

    fn may_go_on(&self) -> bool {
        let is_bounded = self.known.records.is_some() || self.known.pages.is_some();
        is_bounded || self.left_out.in_a_row < MOST_IN_A_ROW
    }

    pub(super) fn tell_left_out(&mut self) {
        if let Some(told) = self.left_out.told() {
            self.warn(told);
        }
    }
}
