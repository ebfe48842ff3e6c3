//! Where a cursor may be held: the ends of pages, as long as values ascend from page to page.
//!
//! Rows that moved while pages were read, or that are missing, lie after a page that is known. Up to there the cursor may move;
//! an append commits the rows up to there as well, so that the next run neither loses nor doubles a row.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::cursor::Reached;
use crate::plan::RangeEdge;

/// Ends that are kept: of more pages every second one is given up, which holds a cursor earlier and never later.
const MOST: usize = 1_024;

/// Records at an end that are remembered, so that the next run leaves them out; with more of them the end is not used.
const MOST_REMEMBERED: usize = 1_000;

/// The ends of pages so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Boundaries {
    ends: Vec<Boundary>,
    /// A page has begun before the newest value of the pages before it.
    descends: bool,
    /// One in so many pages is kept.
    #[serde(default)]
    step: u64,
}

/// The end of a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Boundary {
    page: u64,
    /// Rows of all pages up to it, as their ids count them.
    pub(super) rows: u64,
    pub(super) reached: Reached,
}

impl Boundaries {
    /// Takes in how the next page's first value in order compares with the newest one before it.
    pub(super) fn follow(&mut self, order: Option<Ordering>, start: RangeEdge) {
        match order {
            Some(Ordering::Less) => self.descends = true,
            // A run that begins after the value would leave these records out.
            Some(Ordering::Equal) if start == RangeEdge::Open => drop(self.ends.pop()),
            _ => {}
        }
        if self.descends {
            self.ends = Vec::new();
        }
    }

    pub(super) fn push(&mut self, page: u64, rows: u64, reached: &Reached) {
        let is_kept = page.is_multiple_of(self.step.max(1)) && reached.loaded.len() <= MOST_REMEMBERED;
        if self.descends || !is_kept || reached.latest.is_none() {
            return;
        }
        self.ends.push(Boundary { page, rows, reached: reached.clone() });
        if self.ends.len() >= MOST {
            self.step = self.step.max(1) * 2;
            let step = self.step;
            self.ends.retain(|end| end.page.is_multiple_of(step));
        }
    }

    /// The last end that is not after this page.
    pub(super) fn up_to(&self, page: u64) -> Option<&Boundary> {
        self.ends.iter().rev().find(|end| end.page <= page)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::CursorValue;

    fn reached(value: u64) -> Reached {
        Reached { latest: CursorValue::of_json(&json!(value)), ..Reached::default() }
    }

    /// The rows up to which a cursor is held at page 2, for pages with these first and last values.
    fn held(pages: &[(u64, u64)], start: RangeEdge) -> Option<u64> {
        let (mut boundaries, mut latest) = (Boundaries::default(), None::<u64>);
        for (number, (first, last)) in (1..).zip(pages) {
            boundaries.follow(latest.map(|latest| first.cmp(&latest)), start);
            latest = latest.max(Some(*last));
            boundaries.push(number, number * 10, &reached(latest.unwrap_or_default()));
        }
        boundaries.up_to(2).map(|end| end.rows)
    }

    #[test]
    fn a_cursor_is_held_at_the_end_of_a_page_if_values_ascend() {
        assert_eq!(held(&[(1, 3), (3, 5), (6, 9)], RangeEdge::Closed), Some(20));
        assert_eq!(held(&[(1, 3), (3, 5), (4, 9)], RangeEdge::Closed), None);
        assert_eq!(held(&[(1, 3), (4, 5), (5, 9)], RangeEdge::Open), Some(10));
    }

    #[test]
    fn of_very_many_pages_the_ends_that_are_kept_are_never_too_late() {
        let mut boundaries = Boundaries::default();
        (1..=100_000).for_each(|page| boundaries.push(page, page, &reached(page)));
        assert!(boundaries.ends.len() <= MOST);
        let held = boundaries.up_to(77_777).unwrap().page;
        assert!(held <= 77_777 && held > 77_000, "{held}");
    }
}
