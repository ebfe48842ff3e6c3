//! How far a resource's source has been read: where a run begins by its table's state, and what its commit says.
//!
//! ```text
//! state of the table ─► before ─► range of the run ─► sieve (each page, any order) ─► Tracker (page order) ─► state of the commit
//! ```
//!
//! The cursor moves with the commit of the rows that it stands for, or not at all. It stays where it is for a run that reads
//! a part of what is new: the first pages, an interval, a range that ends at an `end_value`.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunError;
use crate::{
    commit::TableSnapshot,
    decode::{DecodeError, Seen, Side, Sieve},
    plan::{CursorState, CursorValue, IncrementalPlan, Range, RangeEdge, ResourcePlan, RowOrder, WriteDisposition},
};

/// Records that are remembered so that the next run does not load them again; what is beyond it, a warning tells.
const MOST_REMEMBERED: usize = 10_000;

/// What the pages so far tell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    latest: Option<CursorValue>,
    /// Records that the next run gets again, with their values.
    loaded: BTreeMap<String, CursorValue>,
    /// Whether there were too many of them.
    is_full: bool,
}

/// Puts together what pages tell of the cursor, in page order.
pub(super) struct Tracker {
    plan: IncrementalPlan,
    sieve: Arc<Sieve>,
    progress: Progress,
    /// Whether the commit says how far the run has read.
    moves: bool,
    /// Whether a page may show that it is the last that matters.
    ends_early: bool,
    /// What it says otherwise.
    stays: Option<Value>,
}

/// Which run of a resource goes from where to where.
pub(super) struct Bound {
    /// Those behind the first, which the resource has now.
    pub(super) later: Vec<Range>,
    /// What the user should know.
    pub(super) warning: Option<String>,
    /// There is nothing to read.
    pub(super) is_idle: bool,
}

/// Gives the resource the first range that it has to read, unless it has one.
///
/// # Errors
/// [`RunError::Cursor`] if the table's last value and the config's do not go together.
pub(super) fn bind(resource: &mut ResourcePlan, base: &TableSnapshot, now: DateTime<Utc>) -> Result<Bound, RunError> {
    let before = before(resource, base);
    let stored = base.state.cursor.as_ref().and_then(CursorState::of);
    let looks = resource.write_disposition != WriteDisposition::Replace;
    let name = resource.name.clone();
    let nothing = Bound { later: Vec::new(), warning: None, is_idle: false };
    let Some(plan) = resource.incremental.as_mut().filter(|plan| plan.range.is_none()) else { return Ok(nothing) };
    let forgotten = stored.filter(|_| before.is_none() && looks && plan.moves_cursor());
    let warning = forgotten.map(|state| {
        format!(
            "starts at the initial value: the table's cursor is one of `{}`, and not of `{}`",
            state.cursor_path, plan.cursor_path
        )
    });
    let ranges = plan.ranges(before.as_ref().map(|state| &state.last_value), now);
    let mut ranges = ranges.map_err(|reason| RunError::Cursor { resource: name, reason })?.into_iter();
    plan.range = ranges.next();
    Ok(Bound { is_idle: plan.range.is_none(), later: ranges.collect(), warning })
}

/// Where the run before has ended; `None` where that does not matter.
fn before(resource: &ResourcePlan, base: &TableSnapshot) -> Option<CursorState> {
    let plan = resource.incremental.as_ref().filter(|plan| plan.moves_cursor())?;
    // A table that is written anew needs all there is.
    if resource.write_disposition == WriteDisposition::Replace {
        return None;
    }
    let state = CursorState::of(base.state.cursor.as_ref()?)?;
    let is_same = state.cursor_path == plan.cursor_path.to_string() && state.last_value_func == plan.last_value_func;
    is_same.then_some(state)
}

impl Tracker {
    /// For a resource that has its range; `None` for one that reads all there is.
    pub(super) fn new(resource: &ResourcePlan, base: &TableSnapshot) -> Option<Self> {
        let plan = resource.incremental.clone()?;
        let before = before(resource, base);
        let replaces = resource.write_disposition == WriteDisposition::Replace;
        let moves = plan.moves_cursor() && resource.max_pages.is_none();
        // A merge that reads a stretch of the source again loses and doubles nothing.
        let merges_again = resource.write_disposition == WriteDisposition::Merge && plan.lag.is_some();
        let comes_again = plan.range_start == RangeEdge::Closed && plan.window.is_none() && !replaces && !merges_again;
        let last = before.as_ref().map(|state| state.last_value.clone());
        let loaded = before.filter(|_| comes_again).map(|state| state.loaded).unwrap_or_default();
        let sieve = Sieve::new(&resource.name, &plan, last.clone(), loaded.clone(), comes_again && moves);
        // The cursor of a table that is replaced stands for rows that are gone.
        let stays = base.state.cursor.clone().filter(|_| !replaces);
        let loaded = last.iter().flat_map(|last| loaded.iter().map(|record| (record.clone(), last.clone()))).collect();
        let progress = Progress { latest: last, loaded, is_full: false };
        let ends_early = resource.may_end_early();
        Some(Self { plan, sieve: Arc::new(sieve), progress, moves, ends_early, stays })
    }

    /// Goes on behind what a run that died had seen.
    pub(super) fn resume(&mut self, progress: Progress) {
        self.progress = progress;
    }

    pub(super) fn sieve(&self) -> Arc<Sieve> {
        Arc::clone(&self.sieve)
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Whether a page may show that it is the last that matters, so that none should be asked for before it is looked at.
    pub(super) fn may_end_early(&self) -> bool {
        self.ends_early
    }

    /// Takes in the next page in page order; says whether no later one can hold a record of the range.
    ///
    /// # Errors
    /// Values that have no order among those before.
    pub(super) fn observe(&mut self, seen: &Seen) -> Result<bool, DecodeError> {
        if let Some((value, _)) = &seen.latest {
            let order = match &self.progress.latest {
                Some(latest) => self.plan.last_value_func.compare(value, latest),
                None => Some(Ordering::Greater),
            };
            match (order, &self.progress.latest) {
                (None, Some(latest)) => return Err(self.sieve.mixed(seen, latest)),
                (Some(Ordering::Greater), _) => self.advance(value.clone()),
                _ => {}
            }
        }
        self.remember(seen);
        Ok(match self.plan.row_order {
            Some(RowOrder::Desc) => seen.ends == Side::BeforeRange,
            Some(RowOrder::Asc) => seen.ends == Side::BehindRange,
            None => false,
        })
    }

    fn advance(&mut self, latest: CursorValue) {
        if let Some(oldest) = self.plan.lagged(&latest) {
            let func = self.plan.last_value_func;
            self.progress.loaded.retain(|_, value| func.compare(value, &oldest).is_some_and(Ordering::is_ge));
            self.progress.is_full &= !self.progress.loaded.is_empty();
        }
        self.progress.latest = Some(latest);
    }

    fn remember(&mut self, seen: &Seen) {
        let Some(oldest) = self.progress.latest.as_ref().and_then(|latest| self.plan.lagged(latest)) else { return };
        let func = self.plan.last_value_func;
        for (value, record) in &seen.loaded {
            if func.compare(value, &oldest).is_none_or(Ordering::is_lt) {
                continue;
            }
            if self.progress.loaded.len() < MOST_REMEMBERED {
                self.progress.loaded.insert(record.clone(), value.clone());
            } else if !self.progress.loaded.contains_key(record) {
                self.progress.is_full = true;
            }
        }
    }

    /// What the user should know at the end.
    pub(super) fn warning(&self) -> Option<String> {
        (self.moves && self.progress.is_full).then(|| {
            format!(
                "more than {MOST_REMEMBERED} records are as new as the newest: those beyond that number are not remembered, \
                 and the next run may load them again"
            )
        })
    }

    /// What the commit's state says.
    ///
    /// # Errors
    /// [`RunError::Stored`] if it cannot be written down.
    pub(super) fn state(self) -> Result<Option<Value>, RunError> {
        if !self.moves {
            return Ok(self.stays);
        }
        let end = self.plan.window.as_ref().and(self.plan.range.as_ref()).and_then(|range| range.end.clone());
        let latest = match (self.progress.latest, end) {
            // A slice without a record was read as well as any other.
            (Some(latest), Some(end)) => {
                let is_behind = self.plan.last_value_func.compare(&latest, &end).is_some_and(Ordering::is_gt);
                Some(if is_behind { latest } else { end })
            }
            (latest, end) => end.or(latest),
        };
        let Some(last_value) = latest else { return Ok(self.stays) };
        let state = CursorState {
            cursor_path: self.plan.cursor_path.to_string(),
            last_value_func: self.plan.last_value_func,
            last_value,
            loaded: self.progress.loaded.into_keys().collect(),
        };
        serde_json::to_value(state).map(Some).map_err(RunError::Stored)
    }
}
