//! Answers that `response_actions` took for no page: where the list goes on behind one, and what is told of them.
//!
//! An ignored page is a hole, and never the end of its list: positions that can be told without the page are asked for. Where
//! only the page would have told, or where several in a row look like what lies beyond the end, the list is over; so is one
//! that is not there at all, by the word of its first page. In any case what came may not be all, and that is said, of the lists
//! of a resource that has many once for all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Pages,
    source::{Fetched, Found},
    take_out,
};
use crate::{
    fetch::{
        completeness::verdict::End,
        error::FetchError,
        paginate::{Ahead, Extent, PageToken},
        transport::Ruled,
    },
    model::Page,
    report::counted,
};

/// Ignored pages in a row that end a list whose length is not known.
const MOST_IN_A_ROW: u32 = 3;

/// First pages of lists that are not there, or not for us: what lies behind them would be refused alike.
const NO_LIST: [u16; 3] = [403, 404, 410];

/// Counts of what was ignored, for the summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fetch) struct LeftOut {
    /// By status.
    ignored: BTreeMap<u16, u64>,
    in_a_row: u32,
    /// Whether the list ended with them, for want of a word on how it goes on.
    ended: bool,
    /// The action `stop` ended it.
    #[serde(default)]
    is_stopped: bool,
    /// What is told of the answer that ended it well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
}

impl LeftOut {
    pub(super) fn end_row(&mut self) {
        self.in_a_row = 0;
    }

    pub(super) fn has_ignored(&self) -> bool {
        !self.ignored.is_empty()
    }

    /// Whether the config took pages out of the sequence, or ended it: that all records came is not proved then.
    pub(super) fn has_cut(&self) -> bool {
        self.has_ignored() || self.is_stopped
    }

    fn add(&mut self, status: u16) {
        *self.ignored.entry(status).or_default() += 1;
        self.in_a_row += 1;
    }

    /// What the summary says; nothing if nothing was left out.
    fn told(&self) -> Option<String> {
        let statuses = statuses(&self.ignored);
        let told = match self.ignored.values().sum() {
            0 => return None,
            1_u64 => format!("1 page was ignored ({statuses})"),
            pages => format!("{pages} pages were ignored ({statuses})"),
        };
        Some(if self.ended { format!("{told}; the list ended there, {BEHIND}") } else { told })
    }
}

/// What a list that ended with an ignored page may have lost, and what to do about it.
const BEHIND: &str = "and may go on behind it (if such an answer means its end, use the action `stop`)";

fn statuses(ignored: &BTreeMap<u16, u64>) -> String {
    ignored.keys().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

/// The same of all lists of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::fetch) struct LeftOutOfAll {
    ignored: BTreeMap<u16, u64>,
    /// Lists with such pages.
    lists: u64,
    /// Those that ended with them.
    ended: u64,
    /// Lists that were ended well, by what is told of it.
    stopped: BTreeMap<String, u64>,
}

impl LeftOutOfAll {
    pub(in crate::fetch) fn add(&mut self, list: &LeftOut) {
        for (status, pages) in &list.ignored {
            *self.ignored.entry(*status).or_default() += pages;
        }
        self.lists += u64::from(!list.ignored.is_empty());
        self.ended += u64::from(list.ended);
        if let Some(message) = &list.stopped {
            *self.stopped.entry(message.clone()).or_default() += 1;
        }
    }

    pub(in crate::fetch) fn has_ignored(&self) -> bool {
        !self.ignored.is_empty()
    }

    /// What the summary says, a line for each kind of answer.
    pub(in crate::fetch) fn told(&self) -> Vec<String> {
        let stopped = self.stopped.iter().map(|(message, lists)| match lists {
            1 => format!("1 list was ended: {message}"),
            _ => format!("{lists} lists were ended: {message}"),
        });
        self.told_of_ignored().into_iter().chain(stopped).collect()
    }

    fn told_of_ignored(&self) -> Option<String> {
        let pages = match self.ignored.values().sum() {
            0 => return None,
            1_u64 => "1 page of 1 list was".to_owned(),
            pages => format!("{pages} pages of {} list{} were", self.lists, if self.lists == 1 { "" } else { "s" }),
        };
        let told = format!("{pages} ignored ({})", statuses(&self.ignored));
        Some(match self.ended {
            0 => told,
            1 => format!("{told}; 1 list ended there, {BEHIND}"),
            ended => format!("{told}; {ended} lists ended there, {BEHIND}"),
        })
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
        let page = Page::new(number, document, None, 0);
        self.number = number;
        self.next = self.pass_over(token, ruled);
        self.line.keep_from(self.next.as_ref());
        // This may have ended the list, and settled what was suspected of it.
        self.check_drift(number)?;
        self.tell(&page, fetched.bytes);
        self.reach_fault(number)?;
        Ok(page)
    }

    /// An answer that ends the page sequence has its turn: its records are the last ones, unless they are those of the page
    /// before, which many an API repeats after its end.
    pub(super) fn accept_last(
        &mut self,
        token: &PageToken,
        ruled: &Ruled,
        fetched: &Fetched,
        found: &Found,
    ) -> Result<Page, FetchError> {
        let is_again = self.guard.fingerprint() == Some(found.fingerprint());
        if found.count() == 0 || is_again {
            return self.leave_out(token, ruled, fetched);
        }
        let mut page = self.page(token, fetched, found)?;
        self.number = page.number;
        self.left_out.end_row();
        let seam = self.join(token, found, None, 0);
        (page.repeats, page.pass) = (seam.repeats, self.drift.passes());
        self.report_paging(page.count);
        self.next = self.pass_over(token, ruled);
        if !self.is_among {
            self.note(format!("kept {} of page {}, at which it stopped", counted(page.count, "record"), page.number));
        }
        self.line.keep_from(self.next.as_ref());
        self.check_drift(page.number)?;
        self.tell(&page, fetched.bytes);
        take_out(&mut page, &seam);
        self.reach_fault(page.number)?;
        Ok(page)
    }

    /// The position behind an answer that is no page.
    fn pass_over(&mut self, token: &PageToken, ruled: &Ruled) -> Option<PageToken> {
        let status = match ruled {
            Ruled::Ignored(status) => status.as_u16(),
            Ruled::Stopped(message) => {
                self.left_out.is_stopped = true;
                self.tell_stopped(message.as_deref());
                return self.end(End::Stated, None);
            }
        };
        self.left_out.add(status);
        self.findings.has_ignored = true;
        // The page after the hole asks for rows of the hole, not for such as came.
        self.drift.skip();
        self.findings.shortfall.get_or_insert_with(|| "pages were ignored by `response_actions`".to_owned());
        match self.ahead_of_ignored(token) {
            Ahead::End => self.end(End::Total, None),
            _ if self.is_no_list(status) => self.end_with_ignored(false),
            Ahead::Next(_) if self.is_cut() => self.end_with_ignored(false),
            Ahead::Next(next) if self.may_go_on() => Some(next),
            _ => self.end_with_ignored(true),
        }
    }

    fn is_no_list(&self, status: u16) -> bool {
        self.number - self.before == 1 && NO_LIST.contains(&status)
    }

    fn end_with_ignored(&mut self, may_go_on_behind: bool) -> Option<PageToken> {
        self.left_out.ended = may_go_on_behind;
        self.tell_drift();
        None
    }

    fn tell_stopped(&mut self, message: Option<&str>) {
        match message {
            Some(message) if self.is_among => self.left_out.stopped = Some(message.to_owned()),
            Some(message) => self.warn(format!("the list was ended at page {}: {message}", self.number)),
            // It may be how each of thousands of page sequences ends.
            None if self.is_among => {}
            None => self.note(format!("`response_actions` stopped the page sequence at page {}", self.number)),
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

    /// Of one list among others, who joins them tells.
    pub(super) fn tell_left_out(&mut self) {
        if let Some(told) = self.left_out.told().filter(|_| !self.is_among) {
            self.warn(told);
        }
    }
}
