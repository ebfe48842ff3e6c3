//! Pages that were looked at before their time, put back in front of those that follow.

use std::collections::VecDeque;

use async_trait::async_trait;

use super::{FetchCounters, PageSource, Position};
use crate::{
    fetch::{completeness::Findings, error::FetchError},
    model::Page,
};

/// A source of pages some of which were taken already: they come again, once, in their order, and are not asked for again.
pub struct PutBack {
    taken: VecDeque<(Page, Position)>,
    /// Behind the page that was handed on last.
    position: Position,
    /// What came in the place of the page behind those that were taken.
    failed: Option<FetchError>,
    rest: Box<dyn PageSource>,
}

impl PutBack {
    /// Over a source of which no page has been taken.
    pub fn new(rest: Box<dyn PageSource>) -> Self {
        Self { taken: VecDeque::new(), position: rest.position(), failed: None, rest }
    }

    /// The next page that was not taken yet, which stays to be handed on.
    pub async fn take(&mut self) -> Option<Result<&Page, FetchError>> {
        match self.rest.next().await? {
            Ok(page) => {
                self.taken.push_back((page, self.rest.position()));
                self.taken.back().map(|(page, _)| Ok(page))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// As [`take`](Self::take); an error comes when its turn does.
    pub async fn peek(&mut self) -> Option<&Page> {
        if self.failed.is_some() {
            return None;
        }
        match self.rest.next().await? {
            Ok(page) => {
                self.taken.push_back((page, self.rest.position()));
                self.taken.back().map(|(page, _)| page)
            }
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    /// Hands this one on in place of the one that was taken last.
    pub fn replace(&mut self, page: Page) {
        if let Some((taken, _)) = self.taken.back_mut() {
            *taken = page;
        }
    }

    /// Those that were taken and not handed on yet.
    pub fn taken(&self) -> impl Iterator<Item = &Page> {
        self.taken.iter().map(|(page, _)| page)
    }
}

#[async_trait]
impl PageSource for PutBack {
    async fn next(&mut self) -> Option<Result<Page, FetchError>> {
        if let Some((page, position)) = self.taken.pop_front() {
            self.position = position;
            return Some(Ok(page));
        }
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let next = self.rest.next().await;
        self.position = self.rest.position();
        next
    }

    fn position(&self) -> Position {
        self.position.clone()
    }

    fn counters(&self) -> FetchCounters {
        let counters = self.rest.counters();
        FetchCounters { pages: counters.pages.saturating_sub(self.taken.len() as u64), ..counters }
    }

    fn findings(&self) -> &Findings {
        self.rest.findings()
    }

    fn end_by_order(&mut self) {
        self.rest.end_by_order();
    }

    fn read_again(&mut self, why: &str) -> bool {
        self.rest.read_again(why)
    }

    fn retry_position(&self) -> Option<Position> {
        self.rest.retry_position()
    }
}
