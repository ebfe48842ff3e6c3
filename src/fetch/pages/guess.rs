//! Choice among the candidates of `auto`, by the page after the first one and by a check.
//!
//! ```text
//! candidate ─► page 2 has other records ─► serves         the first page again, or refused ─► the next candidate's turn
//!           └► check: a page within the first one begins with a record of it, else an offset counts pages
//! ```
//!
//! Where more is known to exist the check goes before page 2: it fails sooner. Else most likely nothing follows, and page 2 is
//! empty. Nothing is requested ahead meanwhile.

use std::sync::Arc;

use reqwest::StatusCode;

use super::{Pages, source::Found};
use crate::{
    fetch::{completeness::verdict::End, error::Trouble, paginate::PageToken, records::Located},
    plan::{PaginatorPlan, Slot},
};

/// Statuses that say nothing of the parameters: credentials, timeouts, rates, gateways.
const NO_ANSWERS: [u16; 8] = [401, 407, 408, 425, 429, 502, 503, 504];

/// Result of a page that a candidate requested.
enum Judged {
    /// Nothing is to be judged.
    Settled,
    Serves,
    /// The check has shown that the position counts records.
    Checked,
    /// Nothing follows.
    Ended,
    Fails,
    /// No candidate with this parameter serves.
    FailsFor(Slot),
}

fn page_param(paginator: &PaginatorPlan) -> Option<&Slot> {
    match paginator {
        PaginatorPlan::PageNumber(plan) => Some(&plan.page_param),
        _ => None,
    }
}

impl Pages {
    /// Takes the likeliest candidate that is left, and returns its next position.
    pub(super) fn use_candidate(&mut self) -> Option<PageToken> {
        let Some(candidate) = self.found.candidates.front_mut() else {
            self.source = Arc::new(self.source.with_paginator(&PaginatorPlan::SinglePage));
            return None;
        };
        self.source = Arc::new(self.source.with_paginator(&candidate.paginator));
        let check = if self.found.promise.is_some() { candidate.check.take() } else { None };
        self.found.is_checking = check.is_some();
        // A link is kept as the driver has checked it, without credentials.
        check.or_else(|| candidate.next.take())
    }

    /// Returns true if it is still to be shown which candidate serves: no page is worth asking for beyond the one that shows it.
    pub(super) fn is_guessing(&self) -> bool {
        self.found.first.is_some()
    }

    /// Takes in the page after the first one: true if it only judges the candidate, and another page has its turn.
    pub(super) fn judges_guess(&mut self, found: &Found) -> bool {
        match self.judged(found) {
            Judged::Settled => return false,
            Judged::Serves => match self.check_of_candidate() {
                Some(check) => self.go_to_check(check),
                None => {
                    self.settle_guess(true);
                    return false;
                }
            },
            Judged::Checked => self.go_to_candidate(),
            Judged::Ended => {
                self.settle_guess(false);
                self.report_paging(0);
                self.next = self.end(End::Empty, None);
            }
            Judged::Fails => self.next_guess(),
            Judged::FailsFor(param) => self.next_guess_but(Some(&param)),
        }
        true
    }

    fn judged(&mut self, found: &Found) -> Judged {
        let (Some(first), Some(candidate)) = (&self.found.first, self.found.candidates.front()) else {
            return Judged::Settled;
        };
        if std::mem::take(&mut self.found.is_checking) {
            let begins_at = found.hashes.first().and_then(|hash| first.iter().rposition(|known| known == hash));
            return if begins_at.is_some_and(|place| place > 0) { Judged::Checked } else { Judged::Fails };
        }
        let is_same = found.hashes == *first;
        if !candidate.is_probe {
            // The guard reports a page that comes again where there is no other way.
            let serves = !is_same || found.count() == 0 || self.found.candidates.len() == 1;
            return if serves { Judged::Serves } else { Judged::Fails };
        }
        let is_new = || !found.hashes.iter().any(|hash| first.contains(hash));
        if found.count() > 0 && found.hashes.len() <= first.len() && is_new() {
            return Judged::Serves;
        }
        let is_empty = matches!(found.located, Ok(Located::Records { count: 0, .. } | Located::Nothing));
        if is_empty && self.found.promise.is_none() {
            // An API without the parameter would have given the first page again.
            return Judged::Ended;
        }
        // The API has this parameter, and begins with other pages than the first one: no later number of it serves either.
        let is_other = found.count() > 0 && !is_same;
        match page_param(&candidate.paginator).filter(|_| is_other) {
            Some(param) => Judged::FailsFor(param.clone()),
            None => Judged::Fails,
        }
    }

    fn check_of_candidate(&mut self) -> Option<PageToken> {
        self.found.candidates.front_mut()?.check.take()
    }

    /// Requests a check of the candidate whose second page is at hand, and then returns to that page.
    fn go_to_check(&mut self, check: PageToken) {
        self.found.promise.get_or_insert_with(|| "another page has other records".to_owned());
        self.found.is_checking = true;
        let next = self.next.replace(check);
        if let Some(candidate) = self.found.candidates.front_mut() {
            candidate.next = next;
        }
        self.line.clear();
    }

    /// Takes in an answer that refuses the second page: true if it is the candidate that is refused. What has asked for nothing
    /// but an unknown parameter may be refused in any way.
    pub(super) fn refuses_guess(&mut self, trouble: &Trouble) -> bool {
        let Some(candidate) = self.found.candidates.front().filter(|_| self.found.first.is_some()) else {
            return false;
        };
        let is_trial = candidate.is_probe || self.found.is_checking;
        let is_refusal = match trouble {
            Trouble::Status { is_limit: true, .. } | Trouble::ErrorInSuccess { is_throttle: true, .. } => false,
            Trouble::Status { status, .. } if is_trial => !NO_ANSWERS.contains(&status.as_u16()),
            Trouble::Status { status, .. } => {
                let is_about_request = status.is_client_error() && *status != StatusCode::FORBIDDEN;
                is_about_request && !NO_ANSWERS.contains(&status.as_u16()) && self.found.candidates.len() > 1
            }
            Trouble::ErrorInSuccess { .. } | Trouble::Markup { .. } | Trouble::Empty { .. } => is_trial,
            _ => false,
        };
        if is_refusal {
            self.next_guess();
        }
        is_refusal
    }

    fn next_guess(&mut self) {
        self.next_guess_but(None);
    }

    /// `param`: of no candidate that is left.
    fn next_guess_but(&mut self, param: Option<&Slot>) {
        self.found.candidates.pop_front();
        self.found.candidates.retain(|candidate| param.is_none() || page_param(&candidate.paginator) != param);
        self.go_to_candidate();
        if self.next.is_none() {
            self.give_up_guessing();
            self.report_paging(0);
            let more = self.found.more.clone();
            self.next = self.end(End::Single, more);
        }
    }

    fn go_to_candidate(&mut self) {
        let from = self.source.first_url();
        let next = self.use_candidate().map(|next| self.source.checked(next, &from));
        self.next = next.and_then(Result::ok);
        self.line.keep_from(self.next.as_ref());
    }

    /// Nothing leads on: the first page is the only one.
    pub(super) fn give_up_guessing(&mut self) {
        self.found.first = None;
        self.found.more = self.found.promise.take();
        self.found.candidates.clear();
        self.source = Arc::new(self.source.with_paginator(&PaginatorPlan::SinglePage));
        self.tell_found(Some(&PaginatorPlan::SinglePage));
    }

    pub(super) fn settle_guess(&mut self, is_proved: bool) {
        self.found.first = None;
        self.found.is_proved = is_proved;
        self.found.candidates.truncate(1);
        let Some(candidate) = self.found.candidates.front().cloned() else { return };
        self.found.is_probed = candidate.is_probe;
        self.tell_found(Some(&candidate.paginator));
    }
}
