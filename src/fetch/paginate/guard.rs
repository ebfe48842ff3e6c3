//! The one guard against lists that never end: an API that ignores the position gives the same page for ever.

use super::{PageToken, PaginateError};

/// Remembers the page before. Only a neighbour is compared: the positions of `offset` and `page_number` only grow.
#[derive(Debug, Default)]
pub struct Guard {
    last: Option<(PageToken, u64)>,
}

impl Guard {
    /// `fingerprint` is of the page's records as the API wrote them. Pages without records are all alike.
    pub fn check(&mut self, token: &PageToken, fingerprint: u64, count: u64) -> Result<(), PaginateError> {
        let before = self.last.replace((token.clone(), fingerprint));
        match before {
            Some((last, _)) if last == *token => Err(PaginateError::RepeatedToken { token: token.clone() }),
            Some((_, same)) if same == fingerprint && count > 0 => {
                Err(PaginateError::RepeatedPage { token: token.clone(), count })
            }
            _ => Ok(()),
        }
    }
}
