//! Answers that `response_actions` took for no page: where the list goes on behind one, and what is told of them.
//!
//! An ignored page in the middle of a list is a hole, and never its end: positions that can be told without the page are
//! asked for. Where only the page would have told, or where several in a row look like what lies beyond the end, the list is
//! over. In either case what came may not be all, and that is said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Pages;
use crate::fetch::{
    paginate::{Ahead, Extent, PageToken},
    transport::Ruled,
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
    /// The position behind an answer that is no page.
    pub(super) fn pass_over(&mut self, token: &PageToken, ruled: &Ruled) -> Option<PageToken> {
        let status = match ruled {
            Ruled::Ignored(status) => status.as_u16(),
            Ruled::Stopped(message) => {
                if let Some(message) = message {
                    self.warn(format!("the list was ended at page {}: {message}", self.number));
                }
                self.check_total();
                return None;
            }
        };
        self.left_out.add(status);
        self.falls_short("pages were ignored by `response_actions`".to_owned());
        match self.ahead_of_ignored(token) {
            // A list whose first page is ignored is an empty one: there is nothing to go on from.
            Ahead::Next(next) if self.number > 1 && self.may_go_on() => {
                Some(next).filter(|_| self.max_pages.is_none_or(|max| self.number < max))
            }
            Ahead::End => {
                self.check_total();
                None
            }
            _ => {
                self.left_out.ended = self.number > 1;
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
