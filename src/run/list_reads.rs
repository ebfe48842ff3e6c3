//! The pages and rows that belong to incomplete lists, which the next run reads again, of a resource with a list for each record
//! of its parent.
//!
//! ```text
//! list 1 ──► list 2 (incomplete) ──► list 3      run 1: pages 1 to 6, the rows of list 2 are those with the ids 10 to 19
//!                                    list 2      run 2: pages 7 to 8; what list 2 left in run 1 is void
//! ```
//!
//! Rows with a key stay: those of the second read replace them. Rows without one are dropped before the commit, and whatever was
//! counted of the first read is subtracted, so that the numbers of a run add up however often a list was read.

use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};

use super::outcome::Counters;
use crate::fetch::Position;

/// The lists of a run whose rows may be void by its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ListReads {
    /// The list at hand.
    current: Option<ListRead>,
    /// Reads that ended incomplete.
    incomplete: Vec<ListRead>,
    /// Incomplete reads that a later one replaced.
    replaced: Vec<ListRead>,
}

/// The pages and rows of one read of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ListRead {
    first_page: u64,
    /// `None` until the list has ended.
    last_page: Option<u64>,
    /// Ids.
    rows: Range<u64>,
    /// Counts before it, and its own once it has ended.
    tally: Tally,
}

/// Counts that [`Counters`] has of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    fetched: u64,
    filtered: u64,
    duplicate: u64,
    rejected: u64,
    values_discarded: u64,
}

impl ListReads {
    /// Records the list of the page at `position`. `rows` is the id of the page's first row, and `counters` do not
    /// count the page yet.
    pub(super) fn enter(&mut self, position: &Position, rows: u64, counters: &Counters) {
        let Some(first_page) = position.list_began_at() else { return };
        if self.current.as_ref().is_some_and(|read| read.first_page == first_page) {
            return;
        }
        self.end(position, first_page.saturating_sub(1), rows, counters);
        self.current = Some(ListRead { first_page, last_page: None, rows: rows..rows, tally: Tally::of(counters) });
    }

    /// Ends the list at hand before the row with the id `rows`.
    pub(super) fn end(&mut self, position: &Position, last_page: u64, rows: u64, counters: &Counters) {
        let Some(mut read) = self.current.take().filter(|read| position.is_of_incomplete_list(read.first_page)) else {
            return;
        };
        read.last_page = Some(last_page);
        read.rows.end = rows;
        read.tally = Tally::of(counters).minus(read.tally);
        self.incomplete.push(read);
    }

    /// The incomplete lists are read again: subtracts what they have left. Rows with a key stay, and are counted as duplicates when
    /// the second read brings them.
    pub(super) fn replace_incomplete(&mut self, has_key: bool, counters: &mut Counters) {
        self.current = None;
        for read in self.incomplete.drain(..) {
            read.tally.subtract_from(counters, has_key);
            self.replaced.push(read);
        }
    }

    /// Returns true if the records of the page were replaced by a later read.
    pub(super) fn is_replaced(&self, page: u64) -> bool {
        self.replaced
            .iter()
            .any(|read| RangeInclusive::new(read.first_page, read.last_page.unwrap_or(read.first_page)).contains(&page))
    }

    /// The ids of the rows that were read again since, ascending.
    pub(super) fn replaced_rows(&self) -> Vec<u64> {
        let mut rows: Vec<_> = self.replaced.iter().flat_map(|read| read.rows.clone()).collect();
        rows.sort_unstable();
        rows
    }
}

impl Tally {
    fn of(counters: &Counters) -> Self {
        Self {
            fetched: counters.rows_fetched,
            filtered: counters.rows_filtered,
            duplicate: counters.rows_duplicate,
            rejected: counters.rows_rejected,
            values_discarded: counters.values_discarded,
        }
    }

    fn minus(self, before: Self) -> Self {
        Self {
            fetched: self.fetched.saturating_sub(before.fetched),
            filtered: self.filtered.saturating_sub(before.filtered),
            duplicate: self.duplicate.saturating_sub(before.duplicate),
            rejected: self.rejected.saturating_sub(before.rejected),
            values_discarded: self.values_discarded.saturating_sub(before.values_discarded),
        }
    }

    fn subtract_from(self, counters: &mut Counters, keeps_rows: bool) {
        let left_out = self.filtered + self.duplicate + self.rejected;
        let fetched = if keeps_rows { left_out } else { self.fetched };
        let less = |count: &mut u64, by: u64| *count = count.saturating_sub(by);
        less(&mut counters.rows_fetched, fetched);
        less(&mut counters.rows_filtered, self.filtered);
        less(&mut counters.rows_duplicate, self.duplicate);
        less(&mut counters.rows_rejected, self.rejected);
        less(&mut counters.values_discarded, self.values_discarded);
    }
}
