//! The verdict on one page sequence, from how it ended and from what its pages state.
//!
//! ```text
//! more is known to exist (flag, token, total above what came) ─► incomplete
//! a total was reached, the end was stated, a walk ended empty ─► complete
//! anything else ───────────────────────────────────────────────► unproven
//! ```
//!
//! The rules are those of the interface's section "Complete or loud". Pure: one function from [`Facts`] to [`Judgement`].

use serde::{Deserialize, Serialize};

use crate::report::{Incomplete, counted, grouped};

/// APIs that stop at a depth do so at a multiple of this, e.g. 10,000 records in Elasticsearch.
const DEPTH_STEP: u64 = 1_000;

/// Sizes that pages usually have: as many records may be the first page of a longer sequence.
const USUAL_SIZES: [u64; 12] = [10, 20, 25, 30, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000];

/// Whether all records of a page sequence came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Proved: a total was reached, or the end was stated.
    Complete,
    /// Nothing shows the end.
    #[default]
    Unproven,
    /// More records are known to exist.
    Incomplete(Incomplete),
}

/// How a page sequence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fetch) enum End {
    /// As many records or pages came as a total states.
    Total,
    /// A link, a cursor or a flag states the end.
    Stated,
    /// A page without records ended a walk by number.
    Empty,
    /// A short page ended it, which `stop_after_short_page: true` does not confirm.
    Short,
    /// The API refuses the page after the last one.
    Refused {
        status: u16,
        /// The page before was short.
        is_confirmed: bool,
    },
    /// The page after the last one is the last one again.
    Repeated,
    /// One page came, and nothing leads on.
    Single,
    /// The answer is one record.
    Record,
}

/// How the pages of a sequence follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fetch) enum Walk {
    /// By offsets or page numbers.
    Number,
    /// By links or cursors.
    Chain,
    /// One page, by the config.
    ConfiguredPage,
    /// One page, as nothing leads to another one.
    OnePage,
}

/// What is known at the end of a page sequence.
#[derive(Clone, Debug)]
pub(in crate::fetch) struct Facts<'a> {
    pub end: End,
    pub walk: Walk,
    /// Records that came, those that were asked for twice counted once.
    pub received: u64,
    /// Records that exist, where a total states it.
    pub total: Option<u64>,
    /// A total that is a bound or an estimate.
    pub weak_total: Option<u64>,
    /// Records of the largest page.
    pub page_size: u64,
    /// The last page with records was as large as pages are.
    pub is_last_full: bool,
    /// Why more records are known to exist, e.g. "`hasMore` is true".
    pub more: Option<&'a str>,
    /// Weak evidence of further records, e.g. a flag of unknown meaning.
    pub weak: Option<&'a str>,
    /// The paginator was found by trying parameters.
    pub is_probed: bool,
    /// The config ends the sequence.
    pub is_cut: bool,
}

/// The verdict, and what the user should know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fetch) struct Judgement {
    pub verdict: Verdict,
    /// Why records may be missing, though more are not known to exist.
    pub doubt: Option<String>,
    pub note: Option<String>,
}

impl Judgement {
    fn complete() -> Self {
        Self { verdict: Verdict::Complete, doubt: None, note: None }
    }

    fn unproven(note: Option<String>) -> Self {
        Self { verdict: Verdict::Unproven, doubt: None, note }
    }

    fn doubted(why: String) -> Self {
        Self { verdict: Verdict::Unproven, doubt: Some(why), note: None }
    }

    fn with_note(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// Returns the verdict on a page sequence that has ended.
pub(in crate::fetch) fn judge(facts: &Facts<'_>) -> Judgement {
    if facts.is_cut {
        return Judgement::unproven(None);
    }
    if let Some(more) = facts.more {
        return missing(facts, format!("{more}, and {}", facts.way()));
    }
    match facts.total {
        Some(total) if total > facts.received => below_total(facts, total),
        Some(total) if total < facts.received => Judgement::doubted(format!(
            "the API reports {}, and {} came: the total is unreliable, or records came twice",
            counted(total, "record"),
            grouped(facts.received)
        )),
        _ => by_end(facts),
    }
}

/// More is known to exist. A page that the config declares to be the only one is taken at its word.
fn missing(facts: &Facts<'_>, reason: String) -> Judgement {
    if facts.walk == Walk::ConfiguredPage {
        return Judgement::doubted(format!("{reason}; `single_page` requests no other page"));
    }
    let verdict = Verdict::Incomplete(Incomplete { reason, received: facts.received, expected: facts.total });
    Judgement { verdict, doubt: None, note: None }
}

fn below_total(facts: &Facts<'_>, total: u64) -> Judgement {
    let (came, missed) = (grouped(facts.received), total - facts.received);
    let reason = format!("the API reports {}, and {came} came: {}", counted(total, "record"), facts.way());
    let is_page = missed >= facts.page_size.max(1);
    let is_known = match facts.walk {
        Walk::ConfiguredPage | Walk::OnePage => true,
        Walk::Chain => is_page,
        // A complete walk may lack records that the total counts, e.g. those that the user may not see. One that ends right
        // after a full page has met a limit, unless all but a part of a page came.
        Walk::Number => facts.is_probed || matches!(facts.end, End::Refused { .. }) || is_page && facts.is_last_full,
    };
    if is_known || facts.is_depth_limit() {
        return missing(facts, reason);
    }
    Judgement::doubted(reason)
}

fn by_end(facts: &Facts<'_>) -> Judgement {
    let received = grouped(facts.received);
    if let Some(weak) = facts.weak_total.filter(|weak| *weak >= facts.received) {
        let weak = grouped(weak);
        return Judgement::unproven(Some(format!(
            "the API estimates {weak} records or more, and {received} came: there may be more"
        )));
    }
    match facts.end {
        End::Total | End::Stated | End::Empty | End::Record => Judgement::complete(),
        End::Refused { status, is_confirmed: true } => {
            Judgement::complete().with_note(format!("the page after the last one is answered {status}: the end"))
        }
        End::Refused { status, .. } => Judgement::unproven(Some(format!(
            "the page after the last one is answered {status}, which is taken for the end; the last page was full"
        ))),
        End::Short => Judgement::unproven(Some(
            "the last page was short, which `stop_after_short_page: true` does not confirm".to_owned(),
        )),
        End::Repeated => Judgement::unproven(Some(
            "the page after the last one is the last one again, which is taken for the end".to_owned(),
        )),
        End::Single if facts.weak.is_some() => Judgement::unproven(facts.weak.map(str::to_owned)),
        End::Single if facts.total.is_some() && !is_usual_size(facts.received) => Judgement::complete(),
        End::Single if facts.total.is_some() => Judgement::unproven(Some(format!(
            "exactly {received} records came, as many as the API reports; a page of a longer result set often has as many, and its \
             size may be what is reported: there may be more"
        ))),
        End::Single if is_usual_size(facts.received) => Judgement::unproven(Some(format!(
            "exactly {received} records came, as a page of a longer result set often has: there may be more"
        ))),
        End::Single => Judgement::unproven(Some(format!(
            "{} came on one page, and nothing in the response shows the end of the result set",
            counted(facts.received, "record")
        ))),
    }
}

impl Facts<'_> {
    /// An API that gives nothing beyond a number of records has answered the page there with none.
    fn is_depth_limit(&self) -> bool {
        self.end == End::Empty && self.is_last_full && self.received > 0 && self.received.is_multiple_of(DEPTH_STEP)
    }

    /// Where the rest should have come from.
    fn way(&self) -> &'static str {
        match (self.walk, self.end) {
            (Walk::Number, End::Refused { .. }) => "the API refuses the next page",
            (Walk::Number, End::Empty) => "the next page is empty",
            (Walk::Chain, _) => "no link or cursor leads to the others",
            (Walk::Number, _) => "no page leads to the others",
            (Walk::ConfiguredPage | Walk::OnePage, _) => "nothing leads to the others",
        }
    }
}

/// Whether a page of so many records may be one of many.
pub(in crate::fetch) fn is_usual_size(records: u64) -> bool {
    USUAL_SIZES.contains(&records)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'static> = Facts {
        end: End::Empty,
        walk: Walk::Number,
        received: 60,
        total: None,
        weak_total: None,
        page_size: 20,
        is_last_full: true,
        more: None,
        weak: None,
        is_probed: false,
        is_cut: false,
    };

    fn word(facts: &Facts<'_>) -> &'static str {
        let judgement = judge(facts);
        match (judgement.verdict, judgement.doubt, judgement.note) {
            (Verdict::Complete, None, _) => "complete",
            (Verdict::Incomplete(_), None, None) => "incomplete",
            (Verdict::Unproven, Some(_), None) => "doubt",
            (Verdict::Unproven, None, Some(_)) => "note",
            (Verdict::Unproven, None, None) => "cut",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_total_the_end_decides() {
        for (end, expected) in [
            (End::Empty, "complete"),
            (End::Stated, "complete"),
            (End::Record, "complete"),
            (End::Refused { status: 404, is_confirmed: true }, "complete"),
            (End::Refused { status: 404, is_confirmed: false }, "note"),
            (End::Short, "note"),
            (End::Repeated, "note"),
            (End::Single, "note"),
        ] {
            assert_eq!(word(&Facts { end, ..FACTS }), expected, "{end:?}");
        }
        assert_eq!(word(&Facts { is_cut: true, total: Some(90), ..FACTS }), "cut");
    }

    #[test]
    fn a_total_above_what_came_is_incomplete_unless_a_complete_walk_lacks_a_part_of_a_page() {
        let total = |total, facts: Facts<'static>| word(&Facts { total: Some(total), ..facts });
        assert_eq!(total(60, FACTS), "complete");
        assert_eq!(total(61, FACTS), "doubt");
        assert_eq!(total(80, FACTS), "incomplete");
        assert_eq!(total(80, Facts { is_last_full: false, ..FACTS }), "doubt");
        assert_eq!(total(61, Facts { is_probed: true, ..FACTS }), "incomplete");
        assert_eq!(total(1_010, Facts { received: 1_000, page_size: 50, ..FACTS }), "incomplete");
        let chain = Facts { walk: Walk::Chain, end: End::Stated, ..FACTS };
        assert_eq!((total(79, chain.clone()), total(80, chain)), ("doubt", "incomplete"));
        let one = Facts { walk: Walk::OnePage, end: End::Single, ..FACTS };
        assert_eq!(total(61, one.clone()), "incomplete");
        assert_eq!(total(61, Facts { walk: Walk::ConfiguredPage, ..one }), "doubt");
        assert_eq!(total(59, FACTS), "doubt");
    }

    #[test]
    fn an_estimate_proves_nothing() {
        assert_eq!(word(&Facts { weak_total: Some(60), ..FACTS }), "note");
        assert_eq!(word(&Facts { weak_total: Some(59), ..FACTS }), "complete");
    }

    #[test]
    fn a_sign_that_more_exists_goes_before_every_end() {
        let facts = Facts { more: Some("`hasMore` is true"), end: End::Stated, walk: Walk::Chain, ..FACTS };
        let Verdict::Incomplete(Incomplete { reason, received, expected }) = judge(&facts).verdict else {
            panic!("incomplete")
        };
        assert_eq!(reason, "`hasMore` is true, and no link or cursor leads to the others");
        assert_eq!((received, expected), (60, None));
    }
}
