//! When a run leaves a checkpoint, and what is in it.
//!
//! A checkpoint is a stretch of pages all of whose rows are in staged files. The task that reads sends a mark behind the rows
//! of a page; the thread that writes closes its files there and adds what it knows of the rows; the task that stages writes
//! both down once all files before the mark are in the store. A run that takes over has what the dead one had at the mark.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::outcome::Counters;
use crate::{environment::Clock, fetch::Position, model::Reject};

/// Between two checkpoints passes at least so many times what the last one cost, so that they stay under 2 % of the run.
const COST_FACTOR: u32 = 50;

/// Rejects that wait for the next checkpoint; with more there is one before its time.
const MOST_REJECTS: usize = 10_000;

/// What is known once all rows of a page were handed on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) position: Position,
    pub(super) counters: Counters,
}

/// A mark on its way through the stages.
#[derive(Debug)]
pub(super) struct Passing {
    pub(super) mark: Mark,
    /// Since the mark before.
    pub(super) rejects: Vec<Reject>,
    /// What the thread that writes knows, in its own encoding; empty until it has seen the mark.
    pub(super) state: Vec<u8>,
}

/// When the next checkpoint is due.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    interval: Duration,
    last: Duration,
    /// Nanoseconds that the last one took so far.
    cost: Arc<AtomicU64>,
    rejects: Vec<Reject>,
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>, interval: Duration) -> Self {
        let last = clock.elapsed();
        Self { clock, interval, last, cost: Arc::default(), rejects: Vec::new() }
    }

    /// What the stages behind add their time to.
    pub(super) fn meter(&self) -> Meter {
        Meter { clock: Arc::clone(&self.clock), cost: Arc::clone(&self.cost) }
    }

    /// Rejects that the next checkpoint has to hold.
    pub(super) fn keep(&mut self, rejects: &[Reject]) {
        self.rejects.extend_from_slice(rejects);
    }

    /// A mark behind this position, if it is time for one.
    pub(super) fn mark(&mut self, position: &Position, counters: impl FnOnce() -> Counters) -> Option<Passing> {
        let cost = Duration::from_nanos(self.cost.load(Ordering::Relaxed));
        let now = self.clock.elapsed();
        let is_due = now.saturating_sub(self.last) >= self.interval.max(cost * COST_FACTOR);
        if !is_due && self.rejects.len() < MOST_REJECTS {
            return None;
        }
        self.last = now;
        self.cost.store(0, Ordering::Relaxed);
        let mark = Mark { position: position.clone(), counters: counters() };
        Some(Passing { mark, rejects: std::mem::take(&mut self.rejects), state: Vec::new() })
    }
}

/// Measures what a checkpoint costs.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    clock: Arc<dyn Clock>,
    cost: Arc<AtomicU64>,
}

impl Meter {
    pub(super) fn start(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(super) fn stop(&self, started: Duration) {
        let nanos = u64::try_from(self.clock.elapsed().saturating_sub(started).as_nanos()).unwrap_or(u64::MAX);
        self.cost.fetch_add(nanos, Ordering::Relaxed);
    }
}
