//! Whether a list moves while it is read: rows that come or go shift all rows behind them, so that the next page repeats some
//! or skips some.
//!
//! ```text
//! handed on:      … 17 18 19 20 │             with an overlap of 3 the next page has to begin with 18 19 20:
//! still:                        │ 18 19 20 21 22      what is known is taken out
//! two came:                     │ 16 17 18 19 20      the same; nothing is lost
//! two went:                     │ 20 21 22 23 24      the same; 18 and 19 are known
//! three or more went:           │ 22 23 24 25 26      none is known: rows may be lost
//! ```
//!
//! Without an overlap only the second kind shows, and totals that change. Rows are compared by hashes: of the key where the
//! table has one row of each, else of the whole record. With a key nothing is taken out: rows that come twice are duplicates,
//! and the later one may be newer. Without one, two rows in a row may simply be alike: a total that agrees with what came says
//! so, and so does a second pass whose pages are those of the first.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
};

use serde::{Deserialize, Serialize};

use crate::{plan::OnDrift, report::counted};

/// How often a list is read, the first time included, under `on_drift: refetch`.
const MOST_PASSES: u32 = 2;

/// Pages whose rows are remembered.
const PAGES_REMEMBERED: usize = 2;

#[derive(Debug)]
pub(super) struct Drift {
    on_drift: OnDrift,
    /// Whether rows that come twice are told apart by their key further on.
    has_key: bool,
    /// Hashes of the rows that came last, in their order.
    recent: VecDeque<u64>,
    /// Rows of the largest page.
    widest: usize,
    state: DriftState,
    /// How often each row was handed on, where that decides what a further pass hands on; `None` where it was not counted from
    /// the beginning.
    handed: Option<HashMap<u64, u32>>,
    /// How often each row came in this pass.
    passing: HashMap<u64, u32>,
    pass: Pass,
}

/// The pages of a pass, each as a hash of its rows.
#[derive(Debug, Default)]
struct Pass {
    pages: Vec<u64>,
    /// Those of the pass before, as long as this one has the same.
    before: Option<Vec<u64>>,
}

/// What a run that goes on has to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DriftState {
    /// Passes that are over.
    passes: u32,
    /// Of this pass, what was seen first of the list's moving, unless an overlap mended it.
    moved: Option<String>,
    /// Of this pass, what may have been its moving: rows that came twice in a row, which may also be alike.
    suspected: Option<String>,
    /// Rows that came twice in a row, and are alike by the API's total.
    alike: u64,
    /// Seams at which an overlap mended it.
    mended: u64,
    /// Rows that came twice in a row, without having been asked for again.
    repeated: u64,
    /// Rows with a key that came at the end of a page and again at the beginning of the next one: others came in before them.
    shifted: u64,
    /// Hashes of the rows before the position, as many as an overlap looks at.
    tail: Vec<u64>,
    /// Of the pages of this pass: their number, and a hash of all of them.
    chain: (u64, u64),
    /// The same of the pass before.
    chain_before: Option<(u64, u64)>,
}

/// What is known of the rows of a page before they are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Rows at its beginning that were asked for again.
    pub lead: usize,
    /// Rows at its beginning that may come again without having been asked for, see [`PageSize::slack`](super::PageSize).
    pub slack: usize,
    /// The page before led here: many a list that goes on by moments begins each page with rows of the moment at which the one
    /// before ended.
    pub is_told: bool,
}

/// What is to be done with the rows of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seam {
    /// Rows of the page that were asked for again, and came.
    pub known: u64,
    /// Of each row whether it is handed on; empty if all are.
    pub kept: Vec<bool>,
    /// Rows at the page's beginning that may have come on the page before.
    pub repeats: u64,
}

/// How a page goes on from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    /// As it should, or as far as can be told. So many rows of it are known.
    Still(usize),
    /// Rows came or went, and so many rows at the beginning of this page end in what came before: nothing is lost.
    Shifted(usize),
    /// What was asked for again is not there.
    Broken,
}

impl Drift {
    pub(super) fn new(on_drift: OnDrift, has_key: bool) -> Self {
        let handed = (on_drift == OnDrift::Refetch && !has_key).then(HashMap::new);
        let (recent, state) = (VecDeque::new(), DriftState::default());
        Self { on_drift, has_key, recent, widest: 0, state, handed, passing: HashMap::new(), pass: Pass::default() }
    }

    pub(super) fn resume(&mut self, state: DriftState) {
        self.recent = state.tail.iter().copied().collect();
        self.widest = self.recent.len();
        self.state = state;
        // Which rows went before is not known.
        self.handed = None;
    }

    /// `lead`: rows that the next page asks for again.
    pub(super) fn state(&self, lead: u64) -> DriftState {
        let tail = if lead > 0 { self.recent.iter().copied().collect() } else { Vec::new() };
        DriftState { tail, ..self.state.clone() }
    }

    /// Of the rows that were asked for again after the next page had come, which of them lead to it: rows that stand on that
    /// page too, and never came before it, have gone from there to where they were asked for.
    pub(super) fn leads(&self, again: &[u64], page: &[u64]) -> Vec<bool> {
        again.iter().map(|row| self.recent.contains(row) || !page.contains(row)).collect()
    }

    /// Takes in the rows of the next page.
    pub(super) fn page(&mut self, rows: &[u64], asked: Asked) -> Seam {
        let Asked { lead, slack, is_told } = asked;
        let (pages, chain) = self.state.chain;
        self.state.chain = (pages + 1, BuildHasherDefault::<DefaultHasher>::new().hash_one((chain, rows)));
        // What stands in the same place in two passes has not moved there.
        let is_again = self.pass.add(rows) && lead == 0;
        let joined = self.join(rows, lead);
        // As good as asked for again, where the page goes on behind them.
        let is_slack = lead == 0 && matches!(joined, Join::Shifted(known) if known <= slack && known < rows.len());
        let end = match joined {
            Join::Still(known) => known,
            Join::Shifted(known) if is_slack => known,
            Join::Shifted(_) if is_again => 0,
            Join::Shifted(known) => {
                match lead {
                    0 if is_told && self.has_key => {}
                    0 => self.came_again(known as u64),
                    _ => self.state.mended += 1,
                }
                known
            }
            Join::Broken => {
                self.moved(format!("none of the {lead} rows that were asked for again came again"));
                0
            }
        };
        self.widest = self.widest.max(rows.len());
        let known = self.known(rows, end);
        let count = known.iter().filter(|is_known| **is_known).count() as u64;
        self.remember(rows, &known);
        let is_again = lead > 0 || is_slack;
        // Rows that others have shifted are counted once where a key shows that they are the same.
        let is_counted = is_again || self.has_key;
        let repeats = if joined == Join::Broken { 0 } else { end as u64 };
        Seam { known: if is_counted { count } else { 0 }, kept: self.kept(rows, &known, is_again), repeats }
    }

    /// Nobody asked for these rows again. With a key they are the same; without one they may only look so.
    fn came_again(&mut self, rows: u64) {
        self.state.repeated += rows;
        let what = format!("{} came on one page and again on the next one", counted(rows, "row"));
        match self.has_key {
            // Nothing is lost by rows that come in, and the key takes out what came twice.
            true if self.on_drift != OnDrift::Fail => self.state.shifted += rows,
            true => self.moved(what),
            false => drop(self.state.suspected.get_or_insert(what)),
        }
    }

    /// The next page does not go on from the one that came last.
    pub(super) fn skip(&mut self) {
        self.recent.clear();
    }

    fn join(&self, rows: &[u64], lead: usize) -> Join {
        let lead = lead.min(self.recent.len());
        if lead == 0 {
            let last = self.recent.back();
            let ends = rows.iter().enumerate().filter(|(_, row)| Some(*row) == last).map(|(at, _)| at + 1);
            // All that comes before it on this page has to be what came before it then.
            let repeats =
                ends.filter(|&end| self.recent.iter().rev().zip(rows.iter().take(end).rev()).all(|(a, b)| a == b));
            return repeats.filter(|&end| end <= self.recent.len()).max().map_or(Join::Still(0), Join::Shifted);
        }
        let tail: Vec<u64> = self.recent.iter().skip(self.recent.len() - lead).copied().collect();
        if rows.get(..lead) == Some(&tail[..]) {
            return Join::Still(lead);
        }
        for (place, row) in tail.iter().enumerate().rev() {
            let found = rows.iter().enumerate().filter(|(_, found)| *found == row).map(|(at, _)| at);
            if let Some(at) = found.min_by_key(|at| at.abs_diff(place)) {
                return Join::Shifted(at + 1);
            }
        }
        let is_all_known = !rows.is_empty() && rows.iter().all(|row| self.recent.contains(row));
        if is_all_known { Join::Shifted(rows.len()) } else { Join::Broken }
    }

    /// Which of the first `end` rows came before: one that came in among them is new.
    fn known(&self, rows: &[u64], end: usize) -> Vec<bool> {
        let mut left: HashMap<u64, u32> = HashMap::new();
        if end > 0 {
            self.recent.iter().for_each(|row| *left.entry(*row).or_default() += 1);
        }
        let mut is_known = |row: &u64| match left.get_mut(row) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        };
        rows.iter().enumerate().map(|(at, row)| at < end && is_known(row)).collect()
    }

    /// The list as it stands now: this page in the place of what of it came before. What came behind the last of these is gone
    /// if the page goes on with new rows, and still lies behind the page if that ends before it.
    fn remember(&mut self, rows: &[u64], known: &[bool]) {
        let last = rows.last().filter(|_| known.last() == Some(&true));
        let end = last.and_then(|last| self.recent.iter().rposition(|row| row == last)).unwrap_or(self.recent.len());
        let mut again: HashMap<u64, u32> = HashMap::new();
        let known = rows.iter().zip(known).filter(|(_, is_known)| **is_known);
        known.for_each(|(row, _)| *again.entry(*row).or_default() += 1);
        let mut is_gone = |row: &u64| match again.get_mut(row) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        let left = self.recent.drain(..).enumerate().rev().filter(|(_, row)| is_gone(row));
        let (mut behind, mut before): (Vec<_>, Vec<_>) = left.partition(|(at, _)| *at > end);
        behind.reverse();
        before.reverse();
        let pages = before.iter().map(|(_, row)| row).chain(rows).chain(behind.iter().map(|(_, row)| row));
        self.recent.extend(pages);
        let beyond = self.recent.len().saturating_sub(self.widest * PAGES_REMEMBERED);
        self.recent.drain(..beyond);
    }

    fn kept(&mut self, rows: &[u64], known: &[bool], is_again: bool) -> Vec<bool> {
        if self.has_key {
            return Vec::new();
        }
        // Rows that nobody asked for again may be alike: they go only where the list is read until it rests, and come then.
        let drops_known = is_again || self.handed.is_some();
        let mut kept: Vec<bool> = known.iter().map(|is_known| !(drops_known && *is_known)).collect();
        if let Some(handed) = &mut self.handed {
            for (row, kept) in rows.iter().zip(&mut kept).filter(|(_, kept)| **kept) {
                let came = self.passing.entry(*row).or_default();
                *came += 1;
                let before = handed.entry(*row).or_default();
                *kept = *came > *before;
                *before = (*before).max(*came);
            }
        }
        if kept.iter().all(|kept| *kept) { Vec::new() } else { kept }
    }

    /// Says that rows came or went, and that no overlap has mended it.
    pub(super) fn moved(&mut self, what: String) {
        self.state.moved.get_or_insert(what);
    }

    /// What of it must end the run: where the list would have to be read again, and cannot be, the next run reads it from its
    /// beginning. `is_total_known`: whether rows that came twice are alike will show at the end.
    pub(super) fn failure(&self, is_total_known: bool) -> Option<&str> {
        let suspected = self.state.suspected.as_deref().filter(|_| !is_total_known);
        self.state.moved.as_deref().or(suspected).filter(|_| self.on_drift == OnDrift::Fail || self.cannot_refetch())
    }

    /// A run that goes on from a checkpoint does not know which rows went before, and cannot tell them apart without a key.
    fn cannot_refetch(&self) -> bool {
        self.on_drift == OnDrift::Refetch && !self.has_key && self.handed.is_none()
    }

    /// Takes in a doubt that the end of the first pass raises: the second one shows if it is due to rows that moved.
    pub(super) fn doubt(&mut self, what: &str) {
        if self.on_drift == OnDrift::Refetch && !self.cannot_refetch() && self.state.passes == 0 {
            self.moved(what.to_owned());
        }
    }

    /// The pass is over. `is_whole`: as many rows came as the API tells, and told all the time. Rows that were not handed on for
    /// a suspicion need a further pass in any case.
    pub(super) fn settle(&mut self, is_whole: bool) {
        let Some(suspected) = self.state.suspected.take() else { return };
        if is_whole && self.state.moved.is_none() && self.handed.is_none() {
            self.state.alike = std::mem::take(&mut self.state.repeated);
        } else {
            self.moved(suspected);
        }
    }

    /// Passes over the result set before this one.
    pub(super) fn passes(&self) -> u32 {
        self.state.passes
    }

    /// Whether rows were seen to move, and no overlap has mended it.
    pub(super) fn has_moved(&self) -> bool {
        self.state.moved.is_some()
    }

    /// Takes in a page that other rows have shifted as a whole, and that was not handed on again.
    pub(super) fn shift(&mut self, rows: u64) {
        self.state.shifted += rows;
    }

    /// Rows of the table that others have shifted onto the next page, see [`DriftState`].
    pub(super) fn shifted(&self) -> u64 {
        self.state.shifted
    }

    /// Whether the result set was read more than once, and its last two passes had the same pages.
    pub(super) fn is_settled(&self) -> bool {
        self.state.passes > 0 && self.state.chain_before == Some(self.state.chain)
    }

    /// The list is over. Whether it is read again: from here on for what follows.
    pub(super) fn begins_again(&mut self) -> bool {
        let refetches = self.on_drift == OnDrift::Refetch && !self.cannot_refetch();
        let again = refetches && self.state.passes + 1 < MOST_PASSES;
        if self.state.moved.is_none() || !again {
            return false;
        }
        self.recent.clear();
        self.passing.clear();
        self.pass = Pass { pages: Vec::new(), before: Some(std::mem::take(&mut self.pass.pages)) };
        let DriftState { passes, mended, chain, .. } = self.state;
        self.state = DriftState { passes: passes + 1, mended, chain_before: Some(chain), ..DriftState::default() };
        true
    }

    /// What the list lacks or has twice, for all that could be seen.
    pub(super) fn unmended(&self) -> Option<String> {
        let moved = self.state.moved.as_deref()?;
        let DriftState { passes, repeated, .. } = self.state;
        let mut text = format!("rows came or went while the list was read, and rows may be missing: {moved}");
        if repeated > 0 && !self.has_key && self.handed.is_none() {
            text += &format!(" ({} in all may be in the table twice)", counted(repeated, "row"));
        }
        if passes > 0 {
            text += &format!("; it was read {} times, and moved each time", passes + 1);
        }
        Some(text)
    }

    /// What was mended, or was not amiss, for the user to know.
    pub(super) fn mended(&self) -> Option<String> {
        let DriftState { passes, mended, alike, .. } = self.state;
        match (passes, mended) {
            (0, 0) if alike == 0 => None,
            (0, 0) => Some(format!(
                "{} came on one page and again on the next one; as many came in all as the API tells, so they are taken for \
                 rows that are alike (a `primary_key`, or an `overlap`, would tell for sure)",
                counted(alike, "row")
            )),
            (0, seams) => {
                Some(format!("rows came or went while the list was read; the overlap mended it, {seams} times"))
            }
            _ if self.pass.is_the_same() => Some(
                "rows came on one page and again on the next one; the list was read again, and was the same: they are rows of \
                 their own, which are alike"
                    .to_owned(),
            ),
            (passes, _) => Some(format!("rows came or went while the list was read: it was read {} times", passes + 1)),
        }
    }
}

impl Pass {
    /// Takes in the next page's rows. Whether all so far are those of the pass before.
    fn add(&mut self, rows: &[u64]) -> bool {
        let page = BuildHasherDefault::<DefaultHasher>::new().hash_one(rows);
        let place = self.pages.len();
        self.pages.push(page);
        self.before = self.before.take().filter(|before| before.get(place) == Some(&page));
        self.before.is_some()
    }

    /// As a whole.
    fn is_the_same(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.len() == self.pages.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of pages, each with the rows that it asks for again.
    fn read(drift: &mut Drift, pages: &[(&[u64], usize)]) -> Vec<u64> {
        let mut all = Vec::new();
        for (rows, lead) in pages {
            let seam = drift.page(rows, Asked { lead: *lead, ..Asked::default() });
            let kept = rows.iter().enumerate().filter(|(at, _)| seam.kept.get(*at).copied().unwrap_or(true));
            all.extend(kept.map(|(_, row)| *row));
        }
        all
    }

    fn overlapping(second: &[u64]) -> (Vec<u64>, Option<String>, u64) {
        let mut drift = Drift::new(OnDrift::Warn, false);
        let rows = read(&mut drift, &[(&[1, 2, 3, 4, 5, 6], 0), (second, 3)]);
        (rows, drift.unmended(), drift.state.mended)
    }

    #[test]
    fn an_overlap_takes_out_what_is_known_wherever_the_rows_have_shifted_to() {
        for (second, new, mended) in [
            (&[4, 5, 6, 7, 8][..], &[7, 8][..], 0),
            (&[4, 5, 6], &[], 0),
            // One and two rows came.
            (&[3, 4, 5, 6, 7], &[7], 1),
            (&[2, 3, 4, 5, 6], &[], 1),
            // One and two rows went.
            (&[5, 6, 7, 8, 9], &[7, 8, 9], 1),
            (&[6, 7, 8, 9], &[7, 8, 9], 1),
            // The last row that came has gone, or has changed.
            (&[4, 5, 7, 8], &[7, 8], 1),
            (&[4, 5, 66, 7], &[66, 7], 1),
            // A row came in between.
            (&[4, 44, 5, 6, 7], &[44, 7], 1),
            // So many came that all of the page is known.
            (&[1, 2, 3], &[], 1),
        ] {
            let (rows, unmended, seams) = overlapping(second);
            assert_eq!((&rows[6..], unmended, seams), (new, None, mended), "{second:?}");
        }
    }

    #[test]
    fn a_shift_beyond_the_overlap_keeps_all_rows_and_is_told() {
        for second in [&[7, 8, 9][..], &[8, 9], &[]] {
            let (rows, unmended, _) = overlapping(second);
            assert_eq!(&rows[6..], second);
            assert!(unmended.unwrap().contains("none of the 3 rows"), "{second:?}");
        }
    }

    #[test]
    fn rows_that_are_alike_do_not_look_like_a_shift_under_an_overlap() {
        let mut drift = Drift::new(OnDrift::Warn, false);
        assert_eq!(read(&mut drift, &[(&[7, 7, 7, 7], 0), (&[7, 7, 7, 7], 2), (&[7, 7, 8], 2)]), [7, 7, 7, 7, 7, 7, 8]);
        assert_eq!((drift.unmended(), drift.mended()), (None, None));
    }

    #[test]
    fn without_an_overlap_rows_that_come_again_are_told_and_kept() {
        let mut drift = Drift::new(OnDrift::Warn, false);
        assert_eq!(read(&mut drift, &[(&[1, 2, 3], 0), (&[2, 3, 4], 0), (&[5], 0)]), [1, 2, 3, 2, 3, 4, 5]);
        drift.settle(false);
        let told = drift.unmended().unwrap();
        assert!(
            told.contains("2 rows came on one page and again") && told.contains("may be in the table twice"),
            "{told}"
        );
        let mut drift = Drift::new(OnDrift::Warn, false);
        read(&mut drift, &[(&[1, 2, 3], 0), (&[1, 4, 5], 0)]);
        drift.settle(false);
        assert_eq!(drift.unmended(), None, "a row like an older one is no shift");
    }

    #[test]
    fn a_further_pass_hands_on_only_what_the_passes_before_did_not() {
        let mut drift = Drift::new(OnDrift::Refetch, false);
        // 0 came, and 4 went: 3 came twice, 5 was skipped.
        assert_eq!(read(&mut drift, &[(&[1, 2, 3], 0), (&[3, 4, 6], 0)]), [1, 2, 3, 4, 6]);
        drift.settle(true);
        assert!(drift.begins_again());
        assert_eq!(read(&mut drift, &[(&[0, 1, 2], 0), (&[3, 5, 6], 0), (&[6], 0)]), [0, 5]);
        drift.settle(false);
        assert!(!drift.begins_again(), "a result set is read once more, and not again");
        assert!(drift.unmended().is_some() && !drift.is_settled());
    }

    #[test]
    fn rows_that_are_alike_at_a_seam_are_rows_of_their_own_if_the_total_or_a_second_pass_says_so() {
        let pages: [(&[u64], usize); 2] = [(&[1, 2, 3], 0), (&[3, 4], 0)];
        for on_drift in [OnDrift::Warn, OnDrift::Fail] {
            let mut drift = Drift::new(on_drift, false);
            assert_eq!(read(&mut drift, &pages), [1, 2, 3, 3, 4]);
            assert_eq!((drift.failure(true), drift.failure(false).is_some()), (None, on_drift == OnDrift::Fail));
            drift.settle(true);
            assert!(drift.failure(false).is_none() && drift.unmended().is_none());
            assert!(drift.mended().unwrap().starts_with("1 row came"));
        }
        let mut drift = Drift::new(OnDrift::Refetch, false);
        assert_eq!(read(&mut drift, &pages), [1, 2, 3, 4]);
        drift.settle(true);
        assert!(drift.begins_again());
        assert_eq!(read(&mut drift, &pages), [3]);
        drift.settle(false);
        assert!(!drift.begins_again() && drift.unmended().is_none());
        assert!(drift.mended().unwrap().contains("was the same"));
    }

    #[test]
    fn rows_of_a_piece_that_was_not_full_come_again_and_go() {
        let mut drift = Drift::new(OnDrift::Fail, false);
        drift.page(&[1, 2, 3], Asked::default());
        let seam = drift.page(&[3, 4, 5], Asked { slack: 1, ..Asked::default() });
        assert_eq!((seam, drift.failure(false)), (Seam { known: 1, kept: vec![false, true, true], repeats: 1 }, None));
        drift.page(&[4, 5, 6], Asked { slack: 1, ..Asked::default() });
        assert!(drift.failure(false).is_some());
    }

    #[test]
    fn a_row_that_came_in_among_known_ones_is_known_from_then_on() {
        let mut drift = Drift::new(OnDrift::Warn, false);
        let pages: [(&[u64], usize); 4] =
            [(&[1, 2, 3, 4], 0), (&[2, 3, 99, 4], 3), (&[3, 99, 4, 5], 3), (&[99, 4, 5, 6], 3)];
        assert_eq!(read(&mut drift, &pages), [1, 2, 3, 4, 99, 5, 6]);
        assert_eq!(drift.state.mended, 1);
    }

    #[test]
    fn a_row_behind_a_page_that_was_shifted_back_stays_known() {
        let mut drift = Drift::new(OnDrift::Warn, false);
        // 2 came in, so that the second page ends before the first one did; then it went again.
        let pages: [(&[u64], usize); 3] = [(&[3, 4, 5, 6], 0), (&[2, 3, 4, 5], 3), (&[3, 4, 5, 6], 3)];
        assert_eq!(read(&mut drift, &pages), [3, 4, 5, 6, 2]);
    }

    #[test]
    fn a_result_set_that_never_rests_is_read_twice_and_reported() {
        let mut drift = Drift::new(OnDrift::Refetch, true);
        for again in [true, false] {
            drift.moved("it moved".to_owned());
            assert_eq!(drift.begins_again(), again);
        }
        assert!(drift.unmended().unwrap().contains("read 2 times"));
    }

    #[test]
    fn with_a_key_nothing_is_taken_out() {
        let mut drift = Drift::new(OnDrift::Refetch, true);
        assert_eq!(read(&mut drift, &[(&[1, 2, 3], 0), (&[2, 3, 4], 2)]), [1, 2, 3, 2, 3, 4]);
        assert_eq!(drift.unmended(), None);
    }

    #[test]
    fn a_run_that_goes_on_knows_the_rows_before_its_position() {
        let mut drift = Drift::new(OnDrift::Warn, false);
        read(&mut drift, &[(&[1, 2, 3, 4], 0)]);
        let stored = serde_json::to_string(&drift.state(2)).unwrap();
        let mut drift = Drift::new(OnDrift::Warn, false);
        drift.resume(serde_json::from_str(&stored).unwrap());
        assert_eq!(read(&mut drift, &[(&[2, 3, 4, 5], 2)]), [5]);
        assert!(drift.mended().is_some());
    }

    #[test]
    fn a_run_that_goes_on_and_cannot_read_the_list_again_leaves_that_to_the_next_one() {
        for (has_key, fails) in [(false, true), (true, false)] {
            let mut drift = Drift::new(OnDrift::Refetch, has_key);
            read(&mut drift, &[(&[1, 2, 3, 4], 0)]);
            let stored = serde_json::to_string(&drift.state(0)).unwrap();
            let mut drift = Drift::new(OnDrift::Refetch, has_key);
            drift.resume(serde_json::from_str(&stored).unwrap());
            drift.moved("the total went from 9 to 8".to_owned());
            assert_eq!((drift.failure(false).is_some(), drift.begins_again()), (fails, !fails));
        }
    }
}
