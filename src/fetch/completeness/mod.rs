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
    /// The names of those after the first, as many as are reported.
    #[serde(default)]
    others: Vec<String>,
}

/// Incomplete sequences that are named.
const MOST_NAMES: usize = 5;

impl Default for VerdictOfAll {
    fn default() -> Self {
        Self { all_complete: true, incomplete: None, count: 0, others: Vec::new() }
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
        if self.others.len() < MOST_NAMES - 1 {
            self.others.push(name.to_owned());
        }
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
            Some(incomplete) => Verdict::Incomplete(Incomplete {
                reason: format!("{}{}", incomplete.reason, self.also()),
                ..incomplete.clone()
            }),
            None if self.all_complete => Verdict::Complete,
            None => Verdict::Unproven,
        }
    }
}

impl VerdictOfAll {
    /// The incomplete sequences after the first, e.g. ` (also incomplete: list 5, list 9)`.
    fn also(&self) -> String {
        let names = self.others.join(", ");
        match self.count.saturating_sub(1 + self.others.len() as u64) {
            0 if names.is_empty() => String::new(),
            0 => format!(" (also incomplete: {names})"),
            more => format!(" (also incomplete: {names} and {more} more)"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_sequences_are_named_up_to_a_handful() {
        let of = |lists: &[u64]| {
            let mut all = VerdictOfAll::default();
            all.add(&Verdict::Complete, "list 1");
            for list in lists {
                let incomplete = Incomplete { reason: "cut".into(), received: 10, expected: Some(30) };
                all.add(&Verdict::Incomplete(incomplete), &format!("list {list}"));
            }
            let Verdict::Incomplete(incomplete) = all.verdict() else { panic!("{:?}", all.verdict()) };
            (incomplete.reason, incomplete.received, all.without_incomplete().verdict())
        };
        assert_eq!(of(&[2]), ("list 2: cut".to_owned(), 10, Verdict::Complete));
        assert_eq!(of(&[2, 9]).0, "list 2: cut (also incomplete: list 9)");
        let many = of(&[2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(many.0, "list 2: cut (also incomplete: list 3, list 4, list 5, list 6 and 2 more)");
        assert_eq!(many.1, 70);
    }
}
