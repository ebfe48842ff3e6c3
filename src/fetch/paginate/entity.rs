//! The answer to the path of one record: that record, or a list after all.

use std::collections::VecDeque;

use super::{Asked, Candidate, Detected, PageView, detect::detect};
use crate::plan::PaginatorPlan;

/// Returns the pages that follow such an answer: none if it is a record, else those of the list's paginator, which `list` is.
///
/// A record has no next page, even where it has a field `next` or a `Link` header. A paginator that was configured starts at
/// its own first position, whose page is the one that was received.
pub fn detect_entity(page: &PageView<'_>, asked: Asked<'_>, list: &PaginatorPlan) -> Detected {
    let is_list = asked.records.is_some();
    let only = match list {
        PaginatorPlan::Auto if is_list => return detect(page, asked),
        list if is_list => list.clone(),
        _ => PaginatorPlan::SinglePage,
    };
    let candidates = VecDeque::from([Candidate::new(only, None)]);
    Detected { candidates, more: None, weak: None, states_end: false, is_short: false }
}
