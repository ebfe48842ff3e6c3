//! What the config does not say of a page sequence: where its records are, and how its pages follow each other. Detected from
//! the first page, confirmed by the second one, reported once, and kept with the position.
//!
//! ```text
//! page 1 ─► records at `data` ─► candidates [cursor `after`][page 1, 2, …]
//! page 2 ─► other records: the first candidate serves │ the same again, or refused: the next candidate's turn
//! ```
//!
//! Where more records are known to exist and nothing leads to them, the last candidates are probes: parameters that many APIs
//! have. A probe serves only if no record of page 1 comes back. Where no total shows what a walk leaves out, an offset has to
//! count records: the page at the position of the first page's last record begins with that one.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Pages,
    source::{Fetched, Found},
};
use crate::{
    fetch::{
        envelope::{self, Envelope},
        paginate::{self, Candidate, Detected, PageToken},
        records::{self, Located},
    },
    json::{Kind, Selector},
    plan::{Learned, PaginatorPlan},
    report::{Paging, grouped},
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FoundOut {
    /// The config leaves the paginator to the answers.
    pub(super) is_auto: bool,
    /// The paginator is still to be detected.
    pub(super) is_wanted: bool,
    /// The likeliest first. More than one only until the second page has come.
    pub(super) candidates: VecDeque<Candidate>,
    /// Where the records are.
    pub(super) selector: Option<Selector>,
    /// The pages so far are those of an empty list, and leave the place of records out.
    pub(super) is_nothing: bool,
    /// They are all of the answer, which is a list: there was nothing to choose.
    pub(super) is_bare: bool,
    /// Other lists that could be meant.
    pub(super) others: Vec<String>,
    /// Hashes of the first page's records, while the second page is to show which candidate serves.
    pub(super) first: Option<Vec<u64>>,
    /// The page that comes next is a check of the candidate, and none of the sequence.
    pub(super) is_checking: bool,
    /// The only page states that it is the last one.
    pub(super) states_end: bool,
    /// The first page has fewer records than its limit.
    pub(super) is_short: bool,
    /// Weak evidence of further pages, if there is no next page.
    pub(super) weak: Option<String>,
    /// Why more records are known to exist, from the first page.
    pub(super) promise: Option<String>,
    /// The same, once nothing has led to them.
    pub(super) more: Option<String>,
    /// A probe serves.
    pub(super) is_probed: bool,
    /// A second page has confirmed the paginator.
    pub(super) is_proved: bool,
}

impl FoundOut {
    pub(super) fn new(plan: &PaginatorPlan) -> Self {
        let is_auto = matches!(plan, PaginatorPlan::Auto);
        let is_wanted = is_auto || matches!(plan, PaginatorPlan::SingleEntity { .. });
        Self { is_auto, is_wanted, ..Self::default() }
    }

    /// What later runs may begin with: the place of records as soon as some came from it, the paginator once a second page
    /// has proved it.
    fn learned(&self, has_records: bool) -> Option<Learned> {
        let selector = self.selector.clone().filter(|_| has_records);
        let paginator = self.candidates.front().filter(|_| self.is_proved).map(|candidate| candidate.paginator.clone());
        let paginator = paginator.filter(|plan| self.is_auto && !matches!(plan, PaginatorPlan::SinglePage));
        (selector.is_some() || paginator.is_some()).then_some(Learned { selector, paginator })
    }
}

impl Pages {
    /// The page's records; where the config does not say where they are, the first page with an answer shows it.
    pub(super) fn located(&mut self, fetched: &mut Fetched) -> Found {
        if self.source.selector.is_none() {
            self.find_records(fetched);
        }
        self.source.locate(fetched);
        let found = fetched.found.take().unwrap_or_else(Found::nothing);
        let is_left_out = matches!(found.located, Ok(Located::Missing)) && self.found.selector.is_some();
        if is_left_out && self.envelope(fetched).is_nothing {
            return Found::nothing();
        }
        found
    }

    fn find_records(&mut self, fetched: &Fetched) {
        let Envelope { selector, others, is_nothing } = self.envelope(fetched);
        self.found.is_nothing = is_nothing;
        if is_nothing {
            // A later page, or a later run, shows where they are.
            return;
        }
        self.found.is_bare = fetched.document.root().kind() != Kind::Object;
        (self.found.selector, self.found.others) = (Some(selector), others);
        self.use_selector();
        if !self.found.is_bare && !self.found.is_wanted {
            self.tell_found(None);
        }
    }

    fn envelope(&self, fetched: &Fetched) -> Envelope {
        let names = self.source.names();
        match self.source.entity {
            Some(_) => envelope::find_beside_paging(&fetched.document, &names),
            None => envelope::find(&fetched.document, &names, self.source.is_paged()),
        }
    }

    fn use_selector(&mut self) {
        let Some(selector) = self.found.selector.clone() else { return };
        // In a list of bare arrays an object is no record, but an answer of another kind.
        self.source = Arc::new(self.source.with_selector(selector, self.found.is_bare));
    }

    /// Where the sequence goes on, if that is to be detected and this is its first page; the inner `None` is its end.
    pub(super) fn detect(&mut self, fetched: &Fetched, found: &Found) -> Option<Option<PageToken>> {
        if !std::mem::take(&mut self.found.is_wanted) {
            return None;
        }
        let root = fetched.document.root();
        let is_list = self.found.is_nothing
            || self.source.selector.as_ref().is_some_and(|selector| {
                selector.find(root).is_some_and(|found| selector.takes_elements() || found.kind() != Kind::Object)
            });
        let keys = self.source.record_keys();
        let asked = self.source.asked(Some(&*keys).filter(|_| is_list));
        let view = self.view(fetched, found.count(), self.known);
        let Detected { mut candidates, more, weak, states_end, is_short, .. } = match &self.source.entity {
            Some(list) => paginate::detect_entity(&view, asked, list),
            None => paginate::detect(&view, asked),
        };
        if self.source.entity.as_ref().is_some_and(|list| !is_list || *list != PaginatorPlan::Auto) {
            // The paginator itself looks for the next page.
            self.found.candidates = candidates;
            self.use_candidate();
            if is_list && self.found.selector.is_some() && !self.found.is_bare {
                self.tell_found(None);
            }
            return None;
        }
        if self.is_among {
            candidates.retain(|candidate| !candidate.is_probe);
        }
        (self.found.candidates, self.found.promise, self.found.weak) = (candidates, more, weak);
        (self.found.states_end, self.found.is_short) = (states_end, is_short);
        let next = self.use_candidate();
        match next {
            Some(_) => self.found.first = Some(found.hashes.clone()),
            None if self.found.candidates.is_empty() => self.give_up_guessing(),
            // The page states its end.
            None => self.settle_guess(false),
        }
        Some(next)
    }

    /// Reports what was detected, with the lines that pin it.
    pub(super) fn tell_found(&mut self, paginator: Option<&PaginatorPlan>) {
        let selector = self.found.selector.as_ref().filter(|_| !self.found.is_bare);
        let config = paginator.map(PaginatorPlan::to_config);
        let mut text = format!("detected {}", self.detected(selector, config.as_deref()).join(", "));
        let pins = [
            selector.map(|selector| format!("`data_selector: {selector}`")),
            config.filter(|_| self.found.more.is_none()).map(|config| format!("`paginator: {config}`")),
        ];
        let pins: Vec<_> = pins.into_iter().flatten().collect();
        if !pins.is_empty() && !self.found.is_nothing {
            text += &format!("; to pin it: {}", pins.join(", "));
        }
        if self.found.others.is_empty() {
            self.note(text);
        } else {
            text += &format!(" (records could also be at {})", records::quoted(&self.found.others));
            self.warn(text);
        }
    }

    /// The place of the records, unless the config names it, the paginator, and the total.
    fn detected(&self, selector: Option<&Selector>, paginator: Option<&str>) -> Vec<String> {
        let place = match (selector, &self.found.selector) {
            _ if self.found.is_nothing => Some("an empty list without a place for its records".to_owned()),
            (Some(selector), _) => Some(format!("records at `{selector}`")),
            (None, Some(_)) => Some("records at the top of the response".to_owned()),
            (None, None) => None,
        };
        let totals = &self.evidence.totals;
        let total = match (totals.place(), totals.records()) {
            (Some(place), Some(records)) => format!("total at {place} ({})", grouped(records)),
            _ => "no total".to_owned(),
        };
        place.into_iter().chain(paginator.map(|config| format!("paginator `{config}`"))).chain([total]).collect()
    }

    /// How the resource is paged, for the summary, and what later runs may begin with.
    pub(super) fn report_paging(&mut self, count: u64) {
        let plan = match self.found.candidates.front() {
            Some(candidate) => Some(&candidate.paginator),
            None if self.found.is_auto => Some(&PaginatorPlan::SinglePage),
            None => None,
        };
        let paginator = plan.unwrap_or(&self.source.plan).to_json();
        let records = self.source.selector.as_ref().map(Selector::to_string);
        let detected = self.found.is_auto || self.found.selector.is_some();
        self.findings.paging = Some(Paging { records, paginator: Some(paginator), detected });
        let has_records = count > 0 || self.findings.learned.as_ref().is_some_and(|learned| learned.selector.is_some());
        self.findings.learned = self.found.learned(has_records);
    }

    /// Takes in a first page that lacks its records where earlier runs had found them: true if the API answers in another way
    /// now, and the page is requested again to find out how.
    pub(super) fn forgets_learned(&mut self, token: &PageToken, fetched: &Fetched, found: &Found) -> bool {
        let view = self.view(fetched, found.count(), self.known);
        let leads_on = self.source.paginator.advance(&self.own_token(token), &view).is_ok_and(|next| next.is_some());
        let fits = found.count() > 0 && (leads_on || !self.found.is_auto || !self.found.is_proved);
        let Some(source) = self.unlearned.take().filter(|_| !fits && self.number == 0) else { return false };
        let is_record = || !self.source.scope.expected.shares_none(fetched.document.root());
        if matches!(found.located, Ok(Located::Missing)) && self.is_one_object(fetched) && is_record() {
            // The records are not elsewhere, but gone: an error, so that the response does not become a record of the table.
            return false;
        }
        self.found = FoundOut::new(&source.plan);
        self.next = Some(source.paginator.start());
        self.source = source;
        true
    }

    /// Returns true if the answer is an object in which no list of records is to be found.
    fn is_one_object(&self, fetched: &Fetched) -> bool {
        fetched.document.root().kind() == Kind::Object && self.envelope(fetched).selector.is_root()
    }

    /// Begins with what an earlier run has detected.
    pub(super) fn learned(&mut self, learned: &Learned) {
        self.unlearned = Some(Arc::clone(&self.source));
        if self.source.selector.is_none() {
            self.found.selector.clone_from(&learned.selector);
            self.found.is_bare = self.found.selector.as_ref().is_some_and(Selector::is_root);
            self.use_selector();
        }
        if let Some(paginator) = learned.paginator.clone().filter(|_| self.found.is_wanted) {
            self.found.is_wanted = false;
            self.found.is_proved = true;
            self.found.candidates = [Candidate::new(paginator, None)].into();
            self.use_candidate();
            self.next = self.next.take().map(|_| self.source.paginator.start());
        }
    }

    /// Resumes with what the run before this one has detected.
    pub(super) fn go_on_with(&mut self, found: FoundOut) {
        self.found = found;
        self.use_selector();
        if !self.found.candidates.is_empty() {
            self.use_candidate();
        }
    }
}
