//! How far a page sequence was handed on: what a run has to know that resumes, in another process too.

use std::{collections::VecDeque, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use super::{
    detect::FoundOut,
    drift::DriftState,
    left_out::{LeftOut, LeftOutOfAll},
    size::{Fullness, PageSize},
};
use crate::fetch::{
    completeness::{Suspicion, Verdict, VerdictOfAll, tracker::TotalTracker},
    lists::ListNotes,
    paginate::{Extent, PageToken},
};
use crate::secret::Redactor;

/// How far a list was handed on: enough to go on behind it, in another process too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// `None`: the list is over.
    pub(super) next: Option<PageToken>,
    pub(super) pages: u64,
    pub(super) received: u64,
    pub(super) known: Extent,
    pub(super) size: PageSize,
    #[serde(default)]
    pub(super) found: FoundOut,
    #[serde(default)]
    pub(super) drift: DriftState,
    /// Pages of passes before this one.
    #[serde(default)]
    pub(super) before: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shortfall: Option<String>,
    #[serde(default)]
    pub(super) evidence: Evidence,
    #[serde(default)]
    pub(super) left_out: LeftOut,
    /// Where the list is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::fetch) list: Option<ListPlace>,
}

/// What the pages so far show of the end, as a run has to know that resumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Evidence {
    pub(super) totals: TotalTracker,
    /// The total from the first page asked for on.
    pub(super) stated: Option<u64>,
    /// How large the last page with records was.
    pub(super) last: Fullness,
    /// A full page came twice in a row: the page after it shows if that is the end.
    pub(super) is_repeated: bool,
    /// Only the next page can confirm that a total is one.
    pub(super) is_confirming: bool,
    /// The pages of this pass before the first sign that rows moved.
    pub(super) trusted_pages: Option<u64>,
    /// The sequence has ended, with this verdict.
    pub(super) verdict: Verdict,
    pub(super) suspicion: Option<Suspicion>,
    /// It has ended, with this total and as many records.
    pub(super) total: Option<(u64, u64)>,
    pub(super) passes_agree: bool,
    pub(super) was_read_again: bool,
}

/// A list among those of its resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fetch) struct ListPlace {
    /// Lists before it.
    pub finished: u64,
    /// Pages of all lists that were handed on.
    pub pages: u64,
    /// The number of the first page of the list at hand, 1 for the first page of all lists.
    #[serde(default)]
    pub first_page: u64,
    /// Skipped pages of the lists before it, except those in `incomplete`.
    #[serde(default)]
    pub left_out: LeftOutOfAll,
    /// Verdicts of all lists before it.
    #[serde(default)]
    pub verdicts: VerdictOfAll,
    /// Suspicion of the lists before it, except those in `incomplete`.
    #[serde(default)]
    pub suspicion: Option<Suspicion>,
    /// Missing records of the parent and of the lists before it, except those in `incomplete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<String>,
    /// Notes that are reported once all lists were read.
    #[serde(default, skip_serializing_if = "ListNotes::is_empty")]
    pub notes: ListNotes,
    /// Lists before it that ended incomplete, the first [`MOST_RETRIES`](crate::fetch::lists) of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<IncompleteList>,
    /// The lists that are read again, where the others were read by an earlier run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// A list that ended incomplete, and what it showed: void once the list is read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fetch) struct IncompleteList {
    /// Its number in the feed, 1 for the first list.
    pub list: u64,
    /// The first and the last of its pages.
    pub pages: (u64, u64),
    #[serde(default)]
    pub left_out: LeftOut,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion: Option<Suspicion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<String>,
}

/// The incomplete lists of an earlier run that are read again, e.g. the lists 2 and 5 of 300.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fetch) struct Retry {
    /// Numbers in the feed of those that have not ended yet, ascending.
    pub lists: VecDeque<u64>,
    /// The first of them is the list of the position; else none has begun.
    pub has_begun: bool,
}

impl Position {
    /// Handed on before it.
    pub fn pages(&self) -> u64 {
        self.list.as_ref().map_or(self.pages, |list| list.pages)
    }

    /// Returns true if the server put credentials into the cursor or link of the next page.
    pub fn has_credentials(&self, redactor: &Redactor) -> bool {
        match &self.next {
            Some(PageToken::Cursor(cursor)) => redactor.has_credentials(cursor.text()),
            Some(PageToken::Link(link)) => redactor.has_credentials(link.as_str()),
            _ => false,
        }
    }

    /// The number of the first page of the list at hand, of a resource that has many lists.
    pub fn list_began_at(&self) -> Option<u64> {
        self.list.as_ref().map(|list| list.first_page)
    }

    /// Returns true if the list that a page belongs to has ended incomplete.
    pub fn is_of_incomplete_list(&self, page: u64) -> bool {
        let mut incomplete = self.list.iter().flat_map(|list| &list.incomplete);
        incomplete.any(|list| RangeInclusive::new(list.pages.0, list.pages.1).contains(&page))
    }

    /// The number of lists that are read again, where an earlier run has read the others.
    pub fn retries(&self) -> Option<usize> {
        Some(self.list.as_ref()?.retry.as_ref()?.lists.len())
    }

    /// Returns true if all lists were read, and nothing was read again of those that ended incomplete.
    pub fn begins_retry(&self) -> bool {
        let retry = self.list.as_ref().and_then(|list| list.retry.as_ref());
        retry.is_some_and(|retry| !retry.has_begun)
    }

    /// The same, told of all lists of the resource.
    pub(in crate::fetch) fn among(self, list: ListPlace) -> Self {
        Self { list: Some(list), ..self }
    }

    /// Of a list of which nothing was handed on yet.
    pub(in crate::fetch) fn start(token: PageToken) -> Self {
        Self {
            next: Some(token),
            pages: 0,
            received: 0,
            known: Extent::default(),
            size: PageSize::default(),
            found: FoundOut::default(),
            drift: DriftState::default(),
            before: 0,
            shortfall: None,
            evidence: Evidence::default(),
            left_out: LeftOut::default(),
            list: None,
        }
    }

    /// Of its list.
    pub(in crate::fetch) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }
}
