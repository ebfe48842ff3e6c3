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
}

impl PageSize {
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
        self.expected.filter(|_| self.misses < PATIENCE)
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
