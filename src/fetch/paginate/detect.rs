//! Finds from the first page how a page sequence goes on, and if more records exist than came.
//!
//! ```text
//! first page ─► signs that lead on     Link header, link, page count, cursor, echoed offset    candidates
//!            ├► signs of more          total, flag, token                                      more
//!            └► more, but nothing leads on ─► offset, page, skip, … one after the other        candidates, is_probe
//! ```
//!
//! The order is dlt's, from the surest sign to the least sure one. dlt guesses once; here there are several [`Candidate`]s: one
//! whose second page is the first one again was wrong, costs a request, and makes room for the next. So neither a page number
//! that counts from 1 nor a cursor under another name than `cursor` repeats or loses a page.

mod echoes;
mod known;
mod probe;
mod scan;
mod signs;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use self::scan::Scan;
use super::{PageToken, PageView, from_plan};
use crate::{
    fetch::completeness::{
        totals::{self, Total},
        verdict::is_usual_size,
    },
    plan::{OffsetPlan, PaginatorPlan, Slot},
    report::grouped,
};

/// A paginator that may be the right one, and the position that it has after the first page; `None`: the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub paginator: PaginatorPlan,
    pub next: Option<PageToken>,
    /// Nothing in the answer says that the API has this parameter: its second page proves it by new records, and nothing else.
    #[serde(default)]
    pub is_probe: bool,
    /// A position within the first page: if the paginator is right, the page there begins with a record of the first page, but
    /// not with its first one. An offset that counts pages fails. Set where no total would show what such a walk leaves out.
    #[serde(default)]
    pub check: Option<PageToken>,
}

impl Candidate {
    pub fn new(paginator: PaginatorPlan, next: Option<PageToken>) -> Self {
        Self { paginator, next, is_probe: false, check: None }
    }
}

/// The request of the first page, as far as the answer cannot say it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The keys that lead to the list of records, none if the answer is the list; `None`: the answer is one record, so that
    /// the fields beside it are its own.
    pub records: Option<&'a [String]>,
    /// A GET, which may be sent again with another parameter.
    pub is_get: bool,
    pub has_body: bool,
    /// The config says that no number is a total.
    pub has_no_total: bool,
}

/// The facts that the first page states about its sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The likeliest first; empty if nothing leads on.
    pub candidates: VecDeque<Candidate>,
    /// Why more records are known to exist than this page has, e.g. "`total_entries` says 3,000 records". It says nothing about
    /// the candidates: with them it is what they have to fulfil, without them the result set is incomplete.
    pub more: Option<String>,
    /// Weak evidence of further pages: a flag of unknown meaning. Set only if there is no next page and `more` is `None`.
    pub weak: Option<String>,
    /// A flag, an empty link or an empty cursor says that no page follows.
    pub states_end: bool,
    /// Fewer records came than the page may have, by the limit that the request or the answer names.
    pub is_short: bool,
}

/// Returns what the first page of a sequence says about the pages after it.
pub fn detect(page: &PageView<'_>, asked: Asked<'_>) -> Detected {
    let scan = Scan::new(page, &asked);
    let totals = if asked.has_no_total { Vec::new() } else { scan.totals() };
    let chosen = totals::choose(&totals, page.count, page.received).filter(|_| !scan.is_last_of_many());
    let strong = chosen.filter(|total| !total.is_weak);
    let above = strong.filter(|total| total.records > scan.reached());
    let more = scan.more(above);
    let found = |(plan, token)| candidate(plan, token, page).map(|found| scan.checked(found, above));
    let mut candidates: VecDeque<_> = scan.plans(above).into_iter().filter_map(found).collect();
    let leads_on = candidates.iter().any(|candidate| candidate.next.is_some());
    if !leads_on && asked.is_get && !asked.has_body {
        let probes = if more.is_some() { scan.probes(above) } else { scan.confirmation(strong) };
        let probes = probes.into_iter().filter_map(found);
        let probes: VecDeque<_> = probes.filter(|found| found.next.is_some()).collect();
        if !probes.is_empty() {
            candidates =
                probes.into_iter().take(probe::MAX).map(|found| Candidate { is_probe: true, ..found }).collect();
        }
    }
    let goes_on = more.is_some() || candidates.iter().any(|candidate| candidate.next.is_some());
    let weak = if goes_on { None } else { scan.unsure_flag() };
    let (states_end, is_short) = (more.is_none() && scan.proves_end(), scan.is_short_of_limit());
    Detected { candidates, more, weak, states_end, is_short }
}

/// A paginator that gives up on the very page that it was found on is none.
fn candidate(paginator: PaginatorPlan, token: PageToken, page: &PageView<'_>) -> Option<Candidate> {
    let driver = from_plan(&paginator);
    let mut view = *page;
    view.known = driver.extent(page);
    let next = driver.advance(&token, &view).ok()?;
    Some(Candidate::new(paginator, next))
}

/// A paginator and the position of the first page.
type Plan = (PaginatorPlan, PageToken);

impl Scan<'_> {
    /// Returns the candidate with its check, where one is due: the parameters of ArcGIS are known to count records.
    fn checked(&self, candidate: Candidate, above: Option<&Total>) -> Candidate {
        let is_arcgis = |plan: &OffsetPlan| plan.offset_param == Slot::param("resultOffset");
        let check = match &candidate.paginator {
            PaginatorPlan::Offset(plan) if above.is_none() && self.page.count > 1 && !is_arcgis(plan) => {
                Some(PageToken::Offset(plan.offset.saturating_add(self.page.count - 1)))
            }
            _ => None,
        };
        Candidate { check: check.filter(|_| candidate.next.is_some()), ..candidate }
    }

    /// Returns the totals of this answer. One that equals the page's records beside a larger count of pages counts the page.
    fn totals(&self) -> Vec<Total> {
        let Some(records) = self.records else { return Vec::new() };
        let is_of_page = self.pages().is_some_and(|(_, pages)| pages > 1);
        let totals = totals::find(self.page.root, self.page.headers, records).into_iter();
        totals.filter(|total| !is_of_page || total.records != self.page.count).collect()
    }

    /// Returns the paginator that shows whether a full page is all there is, where nothing says that more follow: what the page
    /// repeats of its position. Under a total that equals its records, and may be their number, the likeliest parameter does.
    fn confirmation(&self, total: Option<&Total>) -> Vec<Plan> {
        let echoes = self.echoes_of_full_page(total);
        let is_all = total.is_some_and(|total| total.records == self.page.count) && is_usual_size(self.page.count);
        let is_doubtful = is_all && !self.is_short_of_limit() && !self.states_end();
        if !echoes.is_empty() || !is_doubtful {
            return echoes;
        }
        self.probes(None).into_iter().take(1).collect()
    }

    fn more(&self, above: Option<&Total>) -> Option<String> {
        let total = above.map(|total| format!("{} says {} records", total.place, grouped(total.records)));
        let flag =
            || self.flags().find(|flag| flag.says_more).map(|flag| format!("`{}` is {}", flag.path(), flag.text()));
        total.or_else(flag).or_else(|| self.next_token())
    }
}

#[cfg(test)]
mod tests;
