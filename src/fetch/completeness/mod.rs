//! Decides if a page sequence holds all records of its result set, from evidence that paginators, totals, links and bodies
//! give.
//!
//! ```text
//! each page ─► TotalTracker (which number is the total, does it change) ─┐
//!              flags, links, page sizes, refused pages ──────────────────┼─► judge ─► Verdict
//! the end ───► End ──────────────────────────────────────────────────────┘
//! ```
//!
//! [`verdict`] holds the rules, [`refusal`] reads answers that refuse a page, [`totals`] finds numbers that are totals. What a
//! source has found out in the end is its [`Findings`]; keys that came twice are seen by dedup alone, and are joined by `run`.

pub(super) mod refusal;
pub(super) mod totals;
pub(super) mod tracker;
pub(super) mod verdict;

use serde::{Deserialize, Serialize};

pub use self::verdict::Verdict;
use crate::{
    plan::Learned,
    report::{Incomplete, Paging},
};

/// A reason to doubt that all records came, though no more are known to exist: rows moved while pages were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspicion {
    pub what: String,
    /// Pages of the resource up to this number were read before it: the cursor may move to their end.
    pub trusted_pages: u64,
    /// The result set was read again, and both passes had the same pages.
    pub is_settled: bool,
}

/// What a source of pages has found out beside its records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    pub warnings: Vec<String>,
    pub notes: Vec<String>,
    /// Of what was handed on so far; a source that has not ended is unproven.
    pub verdict: Verdict,
    pub suspicion: Option<Suspicion>,
    /// The result set was read again, and both passes had the same pages.
    pub passes_agree: bool,
    /// The result set was read more than once.
    pub was_read_again: bool,
    /// Why a row of the table that did not come may still exist at the source.
    pub shortfall: Option<String>,
    /// Answers were ignored by `response_actions` that should have been pages.
    pub has_ignored: bool,
    pub paging: Option<Paging>,
    pub learned: Option<Learned>,
    /// The total that counts and the records received against it, for the join with the keys that came twice.
    pub total: Option<(u64, u64)>,
}

/// The verdicts of the sequences of a resource that has many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VerdictOfAll {
    /// No sequence is unproven.
    all_complete: bool,
    incomplete: Option<Incomplete>,
    /// Sequences that are incomplete.
    count: u64,
}

impl Default for VerdictOfAll {
    fn default() -> Self {
        Self { all_complete: true, incomplete: None, count: 0 }
    }
}

impl VerdictOfAll {
    /// Takes in the verdict of a sequence; `name` is what the user knows it by, e.g. `list 3`.
    pub(super) fn add(&mut self, verdict: &Verdict, name: &str) {
        self.all_complete &= *verdict != Verdict::Unproven;
        let Verdict::Incomplete(incomplete) = verdict else { return };
        self.count += 1;
        let Some(first) = &mut self.incomplete else {
            self.incomplete =
                Some(Incomplete { reason: format!("{name}: {}", incomplete.reason), ..incomplete.clone() });
            return;
        };
        first.received += incomplete.received;
        first.expected = first.expected.zip(incomplete.expected).map(|(known, further)| known + further);
    }

    /// The number of sequences that are incomplete.
    pub(super) fn incomplete(&self) -> u64 {
        self.count
    }

    /// The verdicts of the other sequences, where the incomplete ones are read again.
    pub(super) fn without_incomplete(&self) -> Self {
        Self { all_complete: self.all_complete, ..Self::default() }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match &self.incomplete {
            Some(incomplete) => {
                let others = match self.count {
                    1 => String::new(),
                    count => format!(" (and {} other page sequences are incomplete)", count - 1),
                };
                Verdict::Incomplete(Incomplete {
                    reason: format!("{}{others}", incomplete.reason),
                    ..incomplete.clone()
                })
            }
            None if self.all_complete => Verdict::Complete,
            None => Verdict::Unproven,
        }
    }
}

impl Findings {
    /// Records the first suspicion of all.
    pub(super) fn suspect(&mut self, what: String, trusted_pages: u64) {
        self.shortfall.get_or_insert_with(|| what.clone());
        self.suspicion.get_or_insert(Suspicion { what, trusted_pages, is_settled: self.passes_agree });
    }
}
