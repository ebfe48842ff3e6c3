//! How far a page sequence was handed on: what a run has to know that resumes, in another process too.

use serde::{Deserialize, Serialize};

use super::{
    detect::FoundOut,
    drift::DriftState,
    left_out::{LeftOut, LeftOutOfAll},
    size::{Fullness, PageSize},
};
use crate::fetch::{
    completeness::{Suspicion, Verdict, VerdictOfAll, tracker::TotalTracker},
    paginate::{Extent, PageToken},
};

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
    /// Of the lists before it.
    #[serde(default)]
    pub left_out: LeftOutOfAll,
    /// Of the lists before it.
    #[serde(default)]
    pub verdicts: VerdictOfAll,
    #[serde(default)]
    pub suspicion: Option<Suspicion>,
}

impl Position {
    /// Handed on before it.
    pub fn pages(&self) -> u64 {
        self.list.as_ref().map_or(self.pages, |list| list.pages)
    }

    /// The same, told of all lists of the resource.
    pub(in crate::fetch) fn among(mut self, list: ListPlace, shortfall: Option<&String>) -> Self {
        self.list = Some(list);
        self.shortfall = shortfall.cloned().or(self.shortfall);
        self
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

    pub(in crate::fetch) fn shortfall(&self) -> Option<&String> {
        self.shortfall.as_ref()
    }

    /// Of its list.
    pub(in crate::fetch) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }
}
