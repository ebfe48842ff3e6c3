//! The one guard against lists that never end: an API that ignores the position gives the same page for ever, and one whose
//! links or cursors lead in a circle gives the same pages.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use super::{PageToken, PaginateError};

/// Tokens that are remembered one by one: a few MB. A circle that is longer is found by [`Circle::mark`].
const REMEMBERED: usize = 1 << 18;

/// Pages without records in a row that a list may have which nothing bounds: an API that looks through all it has, piece by
/// piece, for what was asked for may give many.
pub const MOST_EMPTY: u64 = 1_000;

/// Pages in a row that may be the one before them again where each asks for some of its rows, or where the API is known to heed
/// the position: rows that come in as fast as the list is read do that.
const MOST_SHIFTED: u32 = 3;

/// Remembers the page before; the positions of `offset` and `page_number` only grow, so a neighbour is all that can repeat.
/// Of lists whose pages tell of the next one, remembers the tokens.
#[derive(Debug, Default)]
pub struct Guard {
    last: Option<(PageToken, u64)>,
    circle: Circle,
    /// Whether pages at two positions were different: then the API does not ignore the position, and a page that comes again
    /// has been shifted by a row that came in before it.
    is_varied: bool,
    /// In a row.
    repeated: u32,
    /// In a row.
    empty: u64,
}

impl Guard {
    /// Of the page that was checked last.
    pub fn fingerprint(&self) -> Option<u64> {
        self.last.as_ref().map(|(_, fingerprint)| *fingerprint)
    }

    /// Whether pages at two positions were different.
    pub fn is_varied(&self) -> bool {
        self.is_varied
    }

    /// `fingerprint` is of the page's records as the API wrote them. Pages without records are all alike. `count` are its records
    /// besides the `lead` of them that were asked for again.
    pub fn check(&mut self, token: &PageToken, fingerprint: u64, count: u64, lead: u64) -> Result<(), PaginateError> {
        let before = self.last.replace((token.clone(), fingerprint));
        let is_known = token.is_told() && self.circle.closes(token);
        match before {
            _ if is_known => Err(PaginateError::RepeatedToken { token: token.clone() }),
            Some((last, _)) if last == *token => Err(PaginateError::RepeatedToken { token: token.clone() }),
            Some((_, same)) if same == fingerprint && count > 0 => self.repeated(token, count + lead, lead),
            before => {
                self.is_varied |= before.is_some();
                self.repeated = 0;
                Ok(())
            }
        }
    }

    fn repeated(&mut self, token: &PageToken, count: u64, lead: u64) -> Result<(), PaginateError> {
        self.repeated += 1;
        let most = if lead > 0 || self.is_varied { MOST_SHIFTED } else { 0 };
        if self.repeated <= most { Ok(()) } else { Err(PaginateError::RepeatedPage { token: token.clone(), count }) }
    }

    /// The list goes on behind pages that were looked at before.
    pub fn resume(&mut self, pages: u64) {
        self.is_varied = pages > 1;
    }

    /// A page of so many records, in a list of which nothing tells how long it is.
    pub fn check_empty(&mut self, count: u64) -> Result<(), PaginateError> {
        self.empty = if count == 0 { self.empty + 1 } else { 0 };
        if self.empty < MOST_EMPTY { Ok(()) } else { Err(PaginateError::Empty { pages: self.empty }) }
    }
}

/// Finds out whether a chain of tokens leads back to itself, in bounded memory.
#[derive(Debug, Default)]
struct Circle {
    hasher: RandomState,
    seen: HashSet<u64>,
    /// Brent's: a token that stays while the chain goes on as far again as it had come. A circle of any length meets it.
    mark: Option<u64>,
    steps: u64,
}

impl Circle {
    fn closes(&mut self, token: &PageToken) -> bool {
        let hash = self.hasher.hash_one(token);
        let is_known = self.mark == Some(hash) || self.seen.contains(&hash);
        if self.seen.len() < REMEMBERED {
            self.seen.insert(hash);
        }
        self.steps += 1;
        if self.steps.is_power_of_two() {
            self.mark = Some(hash);
        }
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::paginate::CursorValue;

    fn cursor(number: usize) -> PageToken {
        PageToken::Cursor(CursorValue::Text(number.to_string()))
    }

    #[test]
    fn a_chain_that_leads_back_to_any_token_before_is_a_circle() {
        for length in [1, 2, 3, 100] {
            let mut guard = Guard::default();
            // Three pages lead into the circle.
            let at = |step: usize| cursor(if step < 3 { step } else { 3 + (step - 3) % length });
            let found = (0..1000).find(|&step| guard.check(&at(step), step as u64, 1, 0).is_err());
            assert_eq!(found, Some(3 + length), "{length}");
        }
    }

    #[test]
    fn a_page_that_comes_again_is_an_error_at_once_if_no_other_came_before_and_else_the_fourth_time() {
        let found = |pages: &[u64]| {
            let mut guard = Guard::default();
            pages.iter().zip(0..).position(|(page, at)| guard.check(&PageToken::Offset(at), *page, 1, 0).is_err())
        };
        assert_eq!((found(&[1, 1]), found(&[1, 2, 2, 2, 2]), found(&[1, 2, 2, 2, 2, 2])), (Some(1), None, Some(5)));
        assert_eq!((found(&[1, 2, 2, 3, 3, 4]), found(&[1, 2, 3, 3, 4])), (None, None));
        let mut guard = Guard::default();
        let overlapping = (0..9).position(|at| guard.check(&PageToken::Offset(at), 7, 1, 2).is_err());
        assert_eq!(overlapping, Some(4));
        let mut guard = Guard::default();
        guard.resume(2);
        assert!([0, 1].iter().all(|at| guard.check(&PageToken::Offset(*at), 7, 1, 0).is_ok()));
    }

    #[test]
    fn pages_without_records_come_to_an_end() {
        let mut guard = Guard::default();
        let pages = [0; MOST_EMPTY as usize - 1];
        assert!(pages.iter().chain(&[1]).chain(&pages).all(|count| guard.check_empty(*count).is_ok()));
        assert!(matches!(guard.check_empty(0), Err(PaginateError::Empty { pages: MOST_EMPTY })));
    }

    #[test]
    fn a_circle_that_is_longer_than_what_is_remembered_is_found_all_the_same() {
        let mut circle = Circle { seen: (0..REMEMBERED as u64).collect(), ..Circle::default() };
        let found = (0..1_000_000).find(|step| circle.closes(&cursor(step % 100_000)));
        assert!(found.is_some_and(|step| step < 400_000), "{found:?}");
        assert_eq!(circle.seen.len(), REMEMBERED);
    }
}
