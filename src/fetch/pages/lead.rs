//! The records before a page that were asked for again with the page before it, since its own request could not begin with
//! them: what an `overlap` is where a position is the number of a page.
//!
//! ```text
//! page 1: … 8 9 10 │ then page 2: 12 13 …, then page 1 again: … 9 10 11     11 had gone to page 1 in between
//!                    with an overlap of 3, page 2 is taken for   9 10 11 │ 12 13 …
//! ```

use std::{borrow::Cow, iter::repeat_n, sync::Arc};

use super::{
    Pages,
    drift::{Asked, Seam},
    source::{Fetched, Found},
};
use crate::{
    fetch::{
        error::FetchError,
        paginate::{PageToken, PaginateError},
        records::{self, Located},
    },
    json::{Document, Node},
    model::Page,
};

/// The end of the page before, as it was once the page had come.
pub(super) struct Lead {
    document: Arc<Document>,
    records: Option<u32>,
    /// Of all its records, those that are part of the lead.
    is_taken: Vec<bool>,
    /// Of these.
    pub hashes: Vec<u64>,
}

impl Pages {
    /// Records that a page begins with and that came before.
    pub(super) fn own_lead(&self, token: &PageToken) -> u64 {
        let paginator = &self.source.paginator;
        if paginator.lead_page(token).is_some() { 0 } else { paginator.lead(token) }
    }

    /// How a page goes on from the one before it, and counts what is new of it.
    pub(super) fn join(&mut self, token: &PageToken, found: &Found, lead: Option<&Lead>, slack: u64) -> Seam {
        let (rows, known) = match lead {
            Some(lead) => (Cow::Owned([&lead.hashes[..], &found.hashes].concat()), lead.hashes.len()),
            None => (Cow::Borrowed(&found.hashes), usize::try_from(self.own_lead(token)).unwrap_or(usize::MAX)),
        };
        let slack = usize::try_from(slack).unwrap_or(usize::MAX);
        let seam = self.drift.page(&rows, Asked { lead: known, slack, is_told: token.is_told() });
        self.received += (rows.len() as u64).saturating_sub(seam.known);
        seam
    }

    /// The lead that came with a page, but for records that have gone from that page to its lead since: it has them.
    pub(super) fn lead_of(
        &mut self,
        token: &PageToken,
        fetched: &mut Fetched,
        found: &Found,
    ) -> Result<Option<Lead>, FetchError> {
        let Some(mut again) = fetched.again.take() else { return Ok(None) };
        let overlap = self.source.paginator.lead(token);
        // A list may be shorter than that: two pages tell how large pages are.
        let is_short = (1..overlap).contains(&(found.hashes.len() as u64));
        if let Some(count) = self.known.page_size.filter(|size| is_short && *size < overlap) {
            let problem = PaginateError::OverlapTooLarge { count, overlap };
            return Err(self.unfollowed(problem, fetched));
        }
        let Found { located, gathered, hashes } = self.located(&mut again);
        let records = match located {
            Ok(Located::Records { index, .. }) => Some(index),
            _ => None,
        };
        let first = hashes.len().saturating_sub(usize::try_from(overlap).unwrap_or(usize::MAX));
        let (_, end) = hashes.split_at(first);
        let is_taken: Vec<_> = repeat_n(false, first).chain(self.drift.leads(end, &found.hashes)).collect();
        let taken = hashes.iter().zip(&is_taken).filter(|(_, is_taken)| **is_taken);
        let hashes = taken.map(|(hash, _)| *hash).collect();
        let document = gathered.unwrap_or_else(|| again.document.clone());
        let lead = Lead { document, records, is_taken, hashes };
        Ok(Some(lead).filter(|lead| !lead.hashes.is_empty()))
    }
}

impl Lead {
    /// The page with its lead, as far as the records are `kept` (all if it is empty); the rest of them came before. The lead's
    /// are numbered behind the page's own, which are found in the answer by their numbers.
    pub(super) fn put_before(&self, page: &mut Page, kept: &[bool]) {
        let lead = each(&self.document, self.records).zip(&self.is_taken).filter(|(_, is_taken)| **is_taken);
        let own = each(&page.document, page.records);
        let number = page.count + 1;
        let all = lead.map(|(record, _)| record).zip(number..).chain(own.zip(1..));
        let is_kept = kept.iter().copied().chain(repeat_n(true, if kept.is_empty() { usize::MAX } else { 0 }));
        let kept = all.zip(is_kept).filter(|(_, is_kept)| *is_kept).map(|(record, _)| record);
        let Some((document, numbers)) = records::together(kept) else { return };
        let came = page.count + self.hashes.len() as u64;
        page.count = numbers.len() as u64;
        page.duplicates = came - page.count;
        (page.document, page.records, page.numbers) = (Arc::new(document), Some(0), Some(numbers.into()));
    }
}

/// The records of a page.
fn each(document: &Document, records: Option<u32>) -> impl Iterator<Item = Node<'_>> {
    records.map(|index| document.node(index)).into_iter().flat_map(records::elements)
}
