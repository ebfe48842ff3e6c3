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

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{RunError, outcome::Counters};
use crate::{
    commit::{Attempt, Checkpoint, CheckpointedFile},
    digest::sha256,
    environment::Clock,
    error::Result,
    fetch::Position,
    model::{Reject, StagedFile},
    plan::{ClientPlan, ResourcePlan, Template},
    secret::{Secret, is_secret_name},
};

/// Between two checkpoints passes at least so many times what the last one cost, so that they stay under 2 % of the run.
const COST_FACTOR: u32 = 50;

/// Rejects that may wait for the next checkpoint; with more there is none any more.
const MOST_REJECTS: usize = 10_000;

/// What is known once all rows of a page were handed on.
#[derive(Clone, Debug)]
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

/// A checkpoint's own part of what the commit's staging directory keeps for it.
#[derive(Serialize, Deserialize)]
struct Payload {
    began: DateTime<Utc>,
    counters: Counters,
    /// Base64 of [`Passing::state`].
    state: String,
}

/// The files staged so far, and the checkpoints that name them.
#[derive(Debug)]
pub(super) struct Checkpoints {
    fingerprint: String,
    run_id: String,
    began: DateTime<Utc>,
    meter: Meter,
    files: Vec<StagedFile>,
    /// How many of them the checkpoints name.
    named: usize,
}

impl Checkpoints {
    /// `files` are those that a run that died had named.
    pub(super) fn new(
        fingerprint: String,
        run_id: &str,
        began: DateTime<Utc>,
        meter: Meter,
        files: Vec<StagedFile>,
    ) -> Self {
        Self { fingerprint, run_id: run_id.to_owned(), began, meter, named: files.len(), files }
    }

    pub(super) fn add(&mut self, file: StagedFile) {
        self.files.push(file);
    }

    pub(super) fn into_files(self) -> Vec<StagedFile> {
        self.files
    }

    /// Writes a checkpoint that names all files that no earlier one does. All rows before the mark are in a file.
    pub(super) async fn write(&mut self, attempt: &Attempt, passing: Passing) -> Result<()> {
        let started = self.meter.start();
        let Passing { mark, rejects, state } = passing;
        let new = self.files.get(self.named..).unwrap_or_default().iter().cloned();
        let payload = Payload { began: self.began, counters: mark.counters, state: STANDARD.encode(state) };
        let checkpoint = Checkpoint {
            fingerprint: self.fingerprint.clone(),
            run_id: self.run_id.clone(),
            written_at: self.meter.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true),
            position: serde_json::to_value(mark.position).map_err(RunError::Stored)?,
            files: new.map(|staged| CheckpointedFile { staged, index: Vec::new() }).collect(),
            rejects,
            payload: serde_json::to_value(payload).map_err(RunError::Stored)?,
        };
        attempt.write_checkpoint(&checkpoint).await?;
        self.named = self.files.len();
        self.meter.stop(started);
        Ok(())
    }
}

/// What a run that died left in its checkpoints.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) run_id: String,
    /// When the first run began whose pages these are.
    pub(super) began: DateTime<Utc>,
    pub(super) position: Position,
    pub(super) counters: Counters,
    pub(super) files: Vec<StagedFile>,
    pub(super) rejects: Vec<Reject>,
    /// One for each checkpoint, in order.
    pub(super) states: Vec<Vec<u8>>,
}

impl Resumed {
    /// # Errors
    /// [`RunError::Stored`] if a checkpoint holds something else than a run of this version writes.
    pub(super) fn new(checkpoints: &[Checkpoint]) -> Result<Option<Self>, RunError> {
        let Some(last) = checkpoints.last() else { return Ok(None) };
        let payload = |checkpoint: &Checkpoint| Payload::deserialize(&checkpoint.payload).map_err(RunError::Stored);
        let state = |checkpoint: &Checkpoint| {
            let state = STANDARD.decode(payload(checkpoint)?.state);
            state.map_err(|error| RunError::Stored(serde::de::Error::custom(error)))
        };
        let position = Position::deserialize(&last.position).map_err(RunError::Stored)?;
        let files = checkpoints.iter().flat_map(|checkpoint| &checkpoint.files);
        Ok(Some(Self {
            run_id: last.run_id.clone(),
            began: payload(last)?.began,
            position,
            counters: payload(last)?.counters,
            files: files.map(|file| file.staged.clone()).collect(),
            rejects: checkpoints.iter().flat_map(|checkpoint| checkpoint.rejects.iter().cloned()).collect(),
            states: checkpoints.iter().map(state).collect::<Result<_, _>>()?,
        }))
    }
}

/// What tells whether two runs are of the same plan: everything that decides which rows come and how they are written, but
/// for credentials, which change and stay the same user's. `memory` decides where files end; `None` where only the rows matter.
/// `parent` tells the values of the parent's records by which the resource is asked for.
///
/// # Errors
/// [`RunError::Stored`] if the plan cannot be serialised.
pub(super) fn fingerprint(
    resource: &ResourcePlan,
    source: &ClientPlan,
    memory: Option<u64>,
    parent: Option<String>,
) -> Result<String, RunError> {
    // Secrets are serialised as a word that says nothing; a header's value is one, whether it is a credential or not.
    let value = |name: &str, value: &Secret<String>| (!is_secret_name(name)).then(|| value.expose().clone());
    let headers: Vec<_> = source.headers.iter().map(|(name, secret)| (name, value(name, secret))).collect();
    let client = (&source.base_url, headers, &source.auth);
    let own = &resource.request.headers;
    let own: Vec<_> = own.iter().map(|(name, secret)| (name, own_value(&name.to_string(), secret))).collect();
    let plan = serde_json::to_vec(&(env!("CARGO_PKG_VERSION"), resource, client, own, memory, parent))
        .map_err(RunError::Stored)?;
    Ok(sha256(&plan))
}

fn own_value<'a>(name: &str, value: &'a Secret<Template>) -> Option<&'a Template> {
    (!is_secret_name(name)).then(|| value.expose())
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
    /// There were too many rejects to keep: what comes from here on cannot be gone on with.
    is_over: bool,
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>, interval: Duration) -> Self {
        let last = clock.elapsed();
        Self { clock, interval, last, cost: Arc::default(), rejects: Vec::new(), is_over: false }
    }

    /// What the stages behind add their time to.
    pub(super) fn meter(&self) -> Meter {
        Meter { clock: Arc::clone(&self.clock), cost: Arc::clone(&self.cost) }
    }

    /// Rejects that the next checkpoint has to hold.
    pub(super) fn keep(&mut self, rejects: &[Reject]) {
        if !self.is_over {
            self.rejects.extend_from_slice(rejects);
        }
    }

    /// A mark behind this position, if it is time for one.
    pub(super) fn mark(&mut self, position: &Position, counters: impl FnOnce() -> Counters) -> Option<Passing> {
        let cost = Duration::from_nanos(self.cost.load(Ordering::Relaxed));
        let now = self.clock.elapsed();
        let is_due = now.saturating_sub(self.last) >= self.interval.max(cost * COST_FACTOR);
        if !self.is_over && !is_due && self.rejects.len() > MOST_REJECTS {
            (self.rejects, self.is_over) = (Vec::new(), true);
            tracing::debug!("no further checkpoint: more than {MOST_REJECTS} rejects since the last one");
        }
        if self.is_over || !is_due {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::environment::Environment;

    fn rejects(count: usize) -> Vec<Reject> {
        let reject = json!({
            "resource": "r", "page": 1, "record": 1, "path": "id", "column": "id", "expected": "int64", "found": "x",
            "reason": "no number", "row": Value::Null,
        });
        vec![serde_json::from_value(reject).unwrap(); count]
    }

    /// What a mark behind a page holds of rejects, `None` without a mark.
    fn marked(pace: &mut Pace) -> Option<usize> {
        let position = json!({
            "next": null, "pages": 1, "received": 5,
            "known": {"records": null, "pages": null, "page_size": null},
            "size": {"expected": null, "last": 5, "misses": 0},
        });
        let position = serde_json::from_value(position).unwrap();
        pace.mark(&position, Counters::default).map(|passing| passing.rejects.len())
    }

    fn pace(interval: Duration) -> Pace {
        Pace::new(Environment::real().clock, interval)
    }

    #[test]
    fn many_rejects_force_no_checkpoint_and_end_them() {
        let mut pace = pace(Duration::from_secs(3_600));
        pace.keep(&rejects(MOST_REJECTS));
        assert_eq!((marked(&mut pace), pace.rejects.len()), (None, MOST_REJECTS));
        pace.keep(&rejects(1));
        assert_eq!((marked(&mut pace), pace.rejects.len()), (None, 0));
        // What is not kept would be missing in every later one.
        pace.interval = Duration::ZERO;
        pace.keep(&rejects(1));
        assert_eq!((marked(&mut pace), pace.rejects.len()), (None, 0));
    }

    #[test]
    fn a_checkpoint_that_is_due_takes_the_rejects_with_it() {
        let mut pace = pace(Duration::ZERO);
        pace.keep(&rejects(MOST_REJECTS + 1));
        assert_eq!(marked(&mut pace), Some(MOST_REJECTS + 1));
        assert_eq!(marked(&mut pace), Some(0));
    }
}
