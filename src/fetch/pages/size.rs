//! How many records a page holds in fact, learnt from the pages: a server may give fewer than were asked for.

use serde::{Deserialize, Serialize};

/// Wrong guesses in a row after which guessing stops until pages are alike again.
const PATIENCE: u32 = 3;

/// A guess at the next page's size. One short page does not change it: a filter on the server may have taken some records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageSize {
    expected: Option<u64>,
    last: u64,
    misses: u32,
    #[serde(default)]
    largest: u64,
}

/// How a page compares with the page size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fullness {
    Full,
    Short,
    /// The page size is unknown: it is the first page, and the request names no limit.
    #[default]
    Unknown,
}

impl PageSize {
    /// Compares the next page's count with the limit that was asked for, or with the size that the server keeps to. To be
    /// called before [`learn`](Self::learn).
    pub(super) fn fullness(&self, count: u64, asked: Option<u64>) -> Fullness {
        match asked {
            Some(asked) if count >= asked => Fullness::Full,
            // A server that gives less than was asked for twice in a row keeps to that.
            _ if self.largest > 0 && count >= self.largest => Fullness::Full,
            None if self.largest == 0 => Fullness::Unknown,
            _ => Fullness::Short,
        }
    }

    /// Records of the largest page.
    pub(super) fn largest(&self) -> u64 {
        self.largest
    }

    /// Takes in the next page's count; the size to expect from now on, `None` if pages are too uneven to tell.
    pub(super) fn learn(&mut self, count: u64) -> Option<u64> {
        if self.expected == Some(count) {
            self.misses = 0;
        } else if count > 0 {
            self.misses += u32::from(self.expected.is_some());
            if self.expected.is_none_or(|expected| count > expected) || self.last == count {
                self.expected = Some(count);
            }
        }
        self.last = count;
        self.largest = self.largest.max(count);
        self.expected.filter(|_| self.misses < PATIENCE)
    }

    /// Records that the next page may begin with and that came already, where the position is a number of records: a server
    /// that has given as many as were asked for, and then fewer, has left records out of a piece of that size, and the piece
    /// behind those that came is a part of it.
    pub(super) fn slack(&self, asked: Option<u64>) -> u64 {
        let is_cut = |size: &u64| self.last > 0 && self.largest >= *size;
        asked.filter(is_cut).map_or(0, |size| size.saturating_sub(self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(counts: &[u64]) -> Option<u64> {
        let mut size = PageSize::default();
        counts.iter().fold(None, |_, &count| size.learn(count))
    }

    #[test]
    fn the_first_page_sets_the_size_and_a_larger_one_raises_it() {
        assert_eq!(learn(&[100]), Some(100));
        assert_eq!(learn(&[37, 100]), Some(100));
    }

    #[test]
    fn one_short_page_is_an_exception_and_two_alike_are_the_rule() {
        assert_eq!(learn(&[100, 37]), Some(100));
        assert_eq!(learn(&[100, 37, 100]), Some(100));
        assert_eq!(learn(&[100, 37, 37]), Some(37));
    }

    #[test]
    fn a_short_page_after_a_full_one_leaves_room_for_records_that_came() {
        let slack = |counts: &[u64]| {
            let mut size = PageSize::default();
            counts.iter().for_each(|&count| {
                size.learn(count);
            });
            size.slack(Some(10))
        };
        assert_eq!((slack(&[10, 8]), slack(&[10, 10]), slack(&[8, 8]), slack(&[10, 0])), (2, 0, 0, 0));
        assert_eq!(PageSize::default().slack(None), 0);
    }

    #[test]
    fn a_page_is_full_by_the_limit_or_by_the_largest_page_before_it() {
        let fullness = |before: &[u64], count, asked| {
            let mut size = PageSize::default();
            before.iter().for_each(|&count| {
                size.learn(count);
            });
            size.fullness(count, asked)
        };
        assert_eq!((fullness(&[], 10, Some(10)), fullness(&[], 9, Some(10))), (Fullness::Full, Fullness::Short));
        assert_eq!((fullness(&[30], 30, Some(100)), fullness(&[30], 5, Some(100))), (Fullness::Full, Fullness::Short));
        assert_eq!((fullness(&[], 3, None), fullness(&[3], 3, None)), (Fullness::Unknown, Fullness::Full));
        assert_eq!(fullness(&[3], 2, None), Fullness::Short);
    }

    #[test]
    fn an_empty_page_says_nothing() {
        assert_eq!(learn(&[0]), None);
        assert_eq!(learn(&[100, 0]), Some(100));
    }

    #[test]
    fn uneven_pages_end_the_guessing_until_they_are_even_again() {
        assert_eq!(learn(&[9, 8, 7, 6]), None);
        assert_eq!(learn(&[9, 8, 7, 6, 5, 5]), None);
        assert_eq!(learn(&[9, 8, 7, 6, 5, 5, 5]), Some(5));
    }
}
