//! Pages asked for, in page order: those under way and those that wait for their turn.

use std::{collections::VecDeque, panic, sync::Arc};

use tokio::task::{AbortHandle, JoinError, JoinSet};

use super::source::{Fetched, Source};
use crate::{
    fetch::{completeness::tracker::Timing, error::FetchError, paginate::PageToken, records::Located},
    memory::Hold,
};

type Outcome = Result<Fetched, FetchError>;

/// Tasks that leave the line are aborted, and all of them on drop.
#[derive(Default)]
pub(super) struct Line {
    places: VecDeque<Place>,
    tasks: JoinSet<(u64, Outcome)>,
    last_id: u64,
    /// Number of all pages that have arrived.
    arrived: u64,
}

struct Place {
    id: u64,
    token: PageToken,
    task: AbortHandle,
    hold: Arc<Hold>,
    /// Answers that had arrived when it was requested.
    before: u64,
    outcome: Option<Outcome>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn last(&self) -> Option<&PageToken> {
        self.places.back().map(|place| &place.token)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.places.iter().filter(|place| place.outcome.is_none()).count()
    }

    /// Bytes that the line would hold with one place more: what has arrived as it is, what has not by the expected size.
    pub(super) fn memory_with_one_more(&self, expected: u64) -> u64 {
        let held: u64 = self.places.iter().filter_map(|place| place.outcome.as_ref()).map(memory).sum();
        held.saturating_add(expected.saturating_mul(self.in_flight() as u64 + 1))
    }

    /// Whether an answer that waits looks as if the list were over: there is no point in asking beyond it.
    pub(super) fn seems_over(&self) -> bool {
        self.places.iter().any(|place| match &place.outcome {
            Some(Ok(fetched)) => {
                let found = fetched.found.as_ref();
                found.is_some_and(|found| !matches!(found.located, Ok(Located::Records { count: 1.., .. })))
            }
            Some(Err(_)) => true,
            None => false,
        })
    }

    /// Whether an answer that waits holds records.
    pub(super) fn has_records(&self) -> bool {
        let answers = self.places.iter().filter_map(|place| place.outcome.as_ref()?.as_ref().ok());
        answers.filter_map(|fetched| fetched.found.as_ref()).any(|found| found.count() > 0)
    }

    pub(super) fn ask(&mut self, source: &Arc<Source>, token: PageToken, hold: Arc<Hold>) {
        self.last_id += 1;
        let (id, page) = (self.last_id, Arc::clone(source).fetch(token.clone(), Arc::clone(&hold)));
        let task = self.tasks.spawn(async move { (id, page.await) });
        self.places.push_back(Place { id, token, task, hold, before: self.arrived, outcome: None });
    }

    /// Lets the first place that has no answer yet go beyond the share of memory: it is the next whose turn comes.
    pub(super) fn lead(&self) {
        if let Some(place) = self.places.iter().find(|place| place.outcome.is_none()) {
            place.hold.take_turn();
        }
    }

    /// Waits until all that was requested has arrived. Safe to cancel.
    pub(super) async fn settle(&mut self) {
        while self.in_flight() > 0 {
            self.lead();
            self.arrival().await;
        }
    }

    /// Waits until something has arrived. Safe to cancel.
    pub(super) async fn arrival(&mut self) {
        if let Some(joined) = self.tasks.join_next().await {
            self.put(joined);
        }
    }

    /// Puts all that has arrived into its places, without waiting.
    pub(super) fn collect(&mut self) {
        while let Some(joined) = self.tasks.try_join_next() {
            self.put(joined);
        }
    }

    fn put(&mut self, joined: Result<(u64, Outcome), JoinError>) {
        let (id, mut outcome) = match joined {
            Ok(arrived) => arrived,
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            // Aborted: its place is gone already.
            Err(_) => return,
        };
        if let Some(place) = self.places.iter_mut().find(|place| place.id == id) {
            self.arrived += u64::from(outcome.is_ok());
            let timing = Timing { before: place.before, number: self.arrived };
            outcome.iter_mut().for_each(|fetched| fetched.timing = timing);
            place.outcome = Some(outcome);
        }
    }

    /// The answer of the first place, if it has arrived.
    pub(super) fn take_head(&mut self) -> Option<Outcome> {
        let outcome = self.places.front_mut()?.outcome.take()?;
        self.places.pop_front();
        Some(outcome)
    }

    /// Drops the places before `token`'s, or all of them if it has none.
    pub(super) fn keep_from(&mut self, token: Option<&PageToken>) {
        let found = token.and_then(|token| self.places.iter().position(|place| place.token == *token));
        self.places.drain(..found.unwrap_or(self.places.len())).for_each(|place| place.task.abort());
    }

    pub(super) fn clear(&mut self) {
        self.keep_from(None);
    }
}

fn memory(outcome: &Outcome) -> u64 {
    outcome.as_ref().map_or(0, Fetched::memory)
}
