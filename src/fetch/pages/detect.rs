//! What the config does not say of a list, found out from its first page, told once, and kept with the position.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Pages,
    source::{Fetched, Found},
};
use crate::{
    fetch::{
        envelope::{self, Envelope},
        paginate::{self, Candidate, Detected, PageToken},
        records,
    },
    json::{Kind, Selector},
    plan::PaginatorPlan,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FoundOut {
    /// Whether the paginator is still to be found out.
    is_wanted: bool,
    /// The likeliest first. More than one only until the second page has come.
    candidates: VecDeque<Candidate>,
    total_path: Option<Selector>,
    total_header: Option<String>,
    /// Where the records are.
    selector: Option<Selector>,
    /// They are all of the answer, which is a list: there was nothing to choose.
    is_bare: bool,
    /// What else could have been meant.
    others: Vec<String>,
    /// Of the first page's records, while the second page is to show which candidate is right.
    first: Option<u64>,
}

impl FoundOut {
    pub(super) fn new(plan: &PaginatorPlan) -> Self {
        Self { is_wanted: matches!(plan, PaginatorPlan::Auto), ..Self::default() }
    }

    /// What the page tells of all records, where a detected list has such a place.
    pub(super) fn total(&self, fetched: &Fetched) -> Option<u64> {
        let in_body = self.total_path.as_ref().and_then(|path| path.find_count(fetched.document.root()));
        in_body.or_else(|| fetched.headers.get(self.total_header.as_ref()?)?.to_str().ok()?.trim().parse().ok())
    }
}

impl Pages {
    /// The page's records; where nobody has said where they are, the first page with an answer tells.
    pub(super) fn located(&mut self, fetched: &mut Fetched) -> Found {
        if self.source.selector.is_none() {
            self.find_records(fetched);
        }
        self.source.locate(fetched);
        let found = fetched.found.take();
        found.unwrap_or_else(|| Found { located: Ok(records::Located::Nothing), gathered: None, hashes: Vec::new() })
    }

    fn find_records(&mut self, fetched: &Fetched) {
        let (names, is_paged) = (self.source.names(), self.source.is_paged());
        let Envelope { selector, others, is_nothing } = envelope::find(&fetched.document, &names, is_paged);
        if is_nothing {
            self.source = Arc::new(self.source.with_missing_allowed());
        }
        self.found.is_bare = fetched.document.root().kind() != Kind::Object;
        (self.found.selector, self.found.others) = (Some(selector), others);
        self.use_selector();
        if !self.found.is_bare && !self.found.is_wanted {
            self.tell_found(None);
        }
    }

    fn use_selector(&mut self) {
        let Some(selector) = self.found.selector.clone() else { return };
        // In a list of bare arrays an object is no record, but an answer of another kind.
        self.source = Arc::new(self.source.with_selector(selector, self.found.is_bare));
    }

    /// How the list goes on, if that is to be found out and this is its first page: where the next one is, or that there
    /// is none.
    pub(super) fn detect(&mut self, fetched: &Fetched, count: u64) -> Option<Option<PageToken>> {
        if !std::mem::take(&mut self.found.is_wanted) {
            return None;
        }
        let root = fetched.document.root();
        let is_list = self.source.selector.as_ref().is_some_and(|selector| {
            selector.find(root).is_some_and(|found| selector.takes_elements() || found.kind() != Kind::Object)
        });
        let Detected { candidates, total_path, total_header, is_stuck } =
            paginate::detect(&self.view(fetched, count, self.known), is_list);
        (self.found.candidates, self.found.total_path, self.found.total_header) =
            (candidates, total_path, total_header);
        let next = self.use_candidate();
        if self.found.candidates.len() > 1 && next.is_some() {
            self.found.first = self.guard.fingerprint();
        } else {
            self.settle_guess();
        }
        if is_stuck {
            self.falls_short(
                "the first page says that there is more, and nothing in it tells where: set `paginator`".to_owned(),
            );
        }
        Some(next)
    }

    /// Takes the likeliest candidate that is left; where it goes on.
    fn use_candidate(&mut self) -> Option<PageToken> {
        let Candidate { paginator, next } = self.found.candidates.front()?.clone();
        self.source = Arc::new(self.source.with_paginator(&paginator));
        next
    }

    /// Whether this page, the second one, is the first one again: then what was guessed is wrong, and the next guess counts.
    pub(super) fn disproves_guess(&mut self, found: &Found, from: &Url) -> bool {
        let Some(first) = self.found.first else { return false };
        if first == found.fingerprint() && self.found.candidates.len() > 1 {
            self.found.candidates.pop_front();
            let next = self.use_candidate().map(|next| self.source.checked(next, from));
            self.next = next.and_then(Result::ok);
            self.line.keep_from(self.next.as_ref());
            if self.next.is_some() {
                return true;
            }
        }
        self.settle_guess();
        false
    }

    fn settle_guess(&mut self) {
        self.found.first = None;
        self.found.candidates.truncate(1);
        // It has been gone to, and a link is kept as it was checked alone.
        self.found.candidates.iter_mut().for_each(|candidate| candidate.next = None);
        let plan = self.found.candidates.front().map(|candidate| candidate.paginator.clone());
        self.tell_found(plan.as_ref());
    }

    fn tell_found(&mut self, paginator: Option<&PaginatorPlan>) {
        let mut found = Vec::new();
        let selector = self.found.selector.as_ref().filter(|_| !self.found.is_bare);
        found.extend(selector.map(|selector| format!("`data_selector: {selector}`")));
        found.extend(paginator.map(|plan| format!("`paginator: {}`", plan.to_config())));
        let mut text =
            format!("found out from the first page: {}; write it into the config to pin it", found.join(", "));
        if self.found.others.is_empty() {
            self.note(&text);
        } else {
            text += &format!(" (records could also be at {})", records::quoted(&self.found.others));
            self.warn(text);
        }
    }

    /// What the run before this one has found out.
    pub(super) fn go_on_with(&mut self, found: FoundOut) {
        self.found = found;
        self.use_selector();
        self.use_candidate();
    }
}
