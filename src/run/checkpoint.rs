//! When a run leaves a checkpoint, and what is in it.
//!
//! A checkpoint is a stretch of pages all of whose rows are in staged files. The task that reads sends a mark behind the rows
//! of a page; the thread that writes closes its files there and adds what it knows of the rows; the task that stages writes
//! both down once all files before the mark are in the store. A run that takes over has what the dead one had at the mark.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{RunError, cursor::Progress, list_reads::ListReads, outcome::Counters, pipeline, resource::Export};
use crate::{
    commit::{Attempt, Checkpoint, CheckpointedFile},
    digest::sha256,
    environment::Clock,
    error::Result,
    fetch::Position,
    model::{Reject, StagedFile},
    plan::{ClientPlan, IncrementalPlan, Range, ResourcePlan},
    schema::TableSchema,
    secret::{Redactor, is_secret_name},
};

/// All checkpoints together may cost one part in so many of the run: 2 %.
const COST_FACTOR: u32 = 50;

/// Rejects that may wait for the next checkpoint; with more there is none any more.
const MOST_REJECTS: usize = 10_000;

/// What is known once all rows of a page were handed on.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) position: Position,
    pub(super) counters: Counters,
    /// What the rows tell of the cursor.
    pub(super) cursor: Option<Progress>,
    pub(super) lists: ListReads,
}

/// The state that a mark stores beside its position.
#[derive(Default)]
pub(super) struct Known {
    pub(super) counters: Counters,
    pub(super) cursor: Option<Progress>,
    pub(super) lists: ListReads,
}

/// A mark on its way through the stages.
#[derive(Debug)]
pub(super) struct Passing {
    pub(super) mark: Mark,
    /// Since the mark before.
    pub(super) rejects: Vec<Reject>,
    /// What the thread that writes knows, in its own encoding; empty until it has seen the mark.
    pub(super) state: Vec<u8>,
    /// When the thread that writes took it, on the meter's clock.
    pub(super) taken: Duration,
}

/// A checkpoint's own part of what the commit's staging directory keeps for it.
#[derive(Serialize, Deserialize)]
struct Payload {
    began: DateTime<Utc>,
    counters: Counters,
    #[serde(default)]
    cursor: Option<Progress>,
    #[serde(default)]
    lists: ListReads,
    /// What of a source that is read in windows the run was reading.
    #[serde(default)]
    range: Option<Range>,
    /// Base64 of [`Passing::state`].
    state: String,
}

/// The files staged so far, and the checkpoints that name them.
#[derive(Debug)]
pub(super) struct Checkpoints {
    fingerprint: String,
    run_id: String,
    began: DateTime<Utc>,
    range: Option<Range>,
    /// The time of the checkpoints, in place of the clock's.
    dated: Option<String>,
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
        Self {
            fingerprint,
            run_id: run_id.to_owned(),
            began,
            range: None,
            dated: None,
            meter,
            named: files.len(),
            files,
        }
    }

    /// Of this window.
    pub(super) fn of(self, range: Option<Range>) -> Self {
        Self { range, ..self }
    }

    /// Dates all checkpoints to this time, where it is one: `resume_within` counts from there.
    pub(super) fn dated(self, written_at: Option<String>) -> Self {
        Self { dated: written_at, ..self }
    }

    pub(super) fn add(&mut self, file: StagedFile) {
        self.files.push(file);
    }

    pub(super) fn into_files(self) -> Vec<StagedFile> {
        self.files
    }

    /// Writes a checkpoint that names all files that no earlier one does. All rows before the mark are in a file.
    pub(super) async fn write(&mut self, attempt: &Attempt, passing: Passing) -> Result<()> {
        let Passing { mark, rejects, state, taken } = passing;
        let new = self.files.get(self.named..).unwrap_or_default().iter().cloned();
        let Mark { position, counters, cursor, lists } = mark;
        let (range, state) = (self.range.clone(), STANDARD.encode(state));
        let payload = Payload { began: self.began, counters, cursor, lists, range, state };
        let now = || self.meter.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let checkpoint = Checkpoint {
            fingerprint: self.fingerprint.clone(),
            run_id: self.run_id.clone(),
            written_at: self.dated.clone().unwrap_or_else(now),
            position: serde_json::to_value(position).map_err(RunError::Stored)?,
            files: new.map(|staged| CheckpointedFile { staged, index: Vec::new() }).collect(),
            rejects,
            payload: serde_json::to_value(payload).map_err(RunError::Stored)?,
        };
        attempt.write_checkpoint(&checkpoint).await?;
        self.named = self.files.len();
        self.meter.written(taken);
        Ok(())
    }
}

/// For fuzzing: a text as what a checkpoint holds of the run.
#[cfg(any(test, fuzzing))]
pub(super) fn check_payload(text: &[u8]) {
    crate::commit::fuzzing::round_trip::<Payload>(text);
}

/// What a run that died left in its checkpoints.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) run_id: String,
    /// When the first run began whose pages these are.
    pub(super) began: DateTime<Utc>,
    pub(super) position: Position,
    pub(super) counters: Counters,
    pub(super) cursor: Option<Progress>,
    pub(super) lists: ListReads,
    /// The time of the last checkpoint.
    pub(super) written_at: String,
    /// The window that it was in, if it was in one.
    pub(super) range: Option<Range>,
    pub(super) files: Vec<StagedFile>,
    pub(super) rejects: Vec<Reject>,
    /// One for each checkpoint, in order.
    pub(super) states: Vec<Vec<u8>>,
    /// That of the first run's first rows.
    pub(super) schema: TableSchema,
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
            cursor: payload(last)?.cursor,
            lists: payload(last)?.lists,
            written_at: last.written_at.clone(),
            range: payload(last)?.range,
            files: files.map(|file| file.staged.clone()).collect(),
            rejects: checkpoints.iter().flat_map(|checkpoint| checkpoint.rejects.iter().cloned()).collect(),
            states: checkpoints.iter().map(state).collect::<Result<_, _>>()?,
            schema: pipeline::first_schema(&state(last)?)?,
        }))
    }
}

impl Export<'_> {
    /// [`fingerprint`] of the plan that the config makes together with the table. Columns that are inferred follow from it.
    pub(super) fn fingerprint(&self, memory: Option<u64>) -> Result<String, RunError> {
        let follows = self.configured.inference.is_some() || memory.is_none();
        // What is read by a cursor is another thing each time; what is asked for is the same.
        let range = self.resource.incremental.as_ref().filter(|_| memory.is_some());
        let range = range.and_then(|incremental| Some((incremental, incremental.range.clone()?)));
        // A window that ends now ends later the next time: what it was, its checkpoints tell.
        let range = range.map(|(incremental, range)| match incremental.ends_now() {
            true => Range { end: None, ..range },
            false => range,
        });
        // What has been appended stands in the table, whatever has become of the parent since.
        let rows = memory.and_then(|_| self.rows_digest());
        let resource = if follows { self.configured } else { self.resource };
        fingerprint(resource, self.source, &Read { range: range.as_ref(), memory, rows })
    }
}

/// What a run makes of its plan.
struct Read<'a> {
    /// The stretch of the source that is read by a cursor.
    range: Option<&'a Range>,
    memory: Option<u64>,
    /// Tells the values of the parent's records by which the resource is asked for.
    rows: Option<String>,
}

/// What tells whether two runs are of the same plan: everything that decides which rows come and how they are written, but
/// for credentials, which change and stay the same user's. `memory` decides where files end; `None` where only the rows matter.
///
/// # Errors
/// [`RunError::Stored`] if the plan cannot be serialised.
fn fingerprint(resource: &ResourcePlan, source: &ClientPlan, read: &Read<'_>) -> Result<String, RunError> {
    // All fields by name: one that is added must be put on one side or the other.
    let ResourcePlan {
        name,
        table,
        request,
        auth,
        parent,
        paginator,
        data_selector,
        allow_missing_data,
        on_drift,
        totals,
        answers,
        max_pages,
        incremental,
        processing_steps,
        schema,
        inference,
        naming,
        contract,
        write_disposition,
        merge,
        primary_key,
        dedup,
        dedup_sort,
        partition_by,
        parquet,
        // How far a run may go, what it does beside its rows, and what it says.
        max_rejects: _,
        on_incomplete: _,
        // The position holds what was detected.
        learned: _,
        detects_anew: _,
        checkpoint: _,
        rewrite_limit: _,
        compact_above: _,
        warnings: _,
    } = resource;
    let shared = source.headers.iter().map(|(name, value)| (name.clone(), value.expose().clone()));
    let own = request.headers.iter().map(|(name, value)| (name.to_string(), value.expose().to_string()));
    let headers = (shared.map(told).collect::<Vec<_>>(), own.map(told).collect::<Vec<_>>());
    let client = (&source.base_url, auth.as_ref().unwrap_or(&source.auth), headers);
    let family = (parent, &read.rows);
    let pages = (request, paginator, data_selector, allow_missing_data, answers, on_drift, totals, max_pages);
    let incremental = incremental.as_ref().map(|plan| IncrementalPlan { range: None, ..plan.clone() });
    let rows = (incremental, read.range, processing_steps, schema, inference, naming, contract);
    let keys = (write_disposition, merge, primary_key, dedup, dedup_sort);
    let files = (name, table, partition_by, parquet, read.memory);
    let plan = serde_json::to_vec(&(env!("CARGO_PKG_VERSION"), client, family, pages, rows, keys, files));
    Ok(sha256(&plan.map_err(RunError::Stored)?))
}

/// A header as it tells runs apart. Secrets are serialised as a word that says nothing; a header's value is one, whether it
/// is a credential or not.
fn told((name, value): (String, String)) -> (String, Option<String>) {
    let value = (!is_secret_name(&name)).then_some(value);
    (name, value)
}

/// When the next checkpoint is due.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    interval: Duration,
    began: Duration,
    last: Duration,
    costs: Arc<Mutex<Costs>>,
    rejects: Vec<Reject>,
    /// Finds credentials, which a checkpoint must not store.
    redactor: Redactor,
    /// There were too many rejects to keep: what comes from here on cannot be gone on with.
    is_over: bool,
}

/// What checkpoints cost: the time from the moment in which the thread that writes takes a mark until the checkpoint is
/// written. The files that the mark closes are encoded and staged in it. Stages that go on meanwhile make it less, never more.
#[derive(Debug, Default)]
struct Costs {
    spent: Duration,
    /// Of the last one.
    last: Duration,
    /// When the marks were set whose checkpoints are not written yet.
    open: VecDeque<Duration>,
}

impl Costs {
    /// Whether the next one, if it costs what the last one did or what one under way has cost by now, stays within bounds.
    fn allow_another(&self, began: Duration, now: Duration) -> bool {
        let under_way = self.open.front().map_or(Duration::ZERO, |since| now.saturating_sub(*since));
        (self.spent + self.last.max(under_way)) * COST_FACTOR <= now.saturating_sub(began)
    }
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>, interval: Duration, redactor: Redactor) -> Self {
        let began = clock.elapsed();
        let (costs, rejects) = (Arc::default(), Vec::new());
        Self { clock, interval, began, last: began, costs, rejects, redactor, is_over: false }
    }

    /// What the stages behind add their time to.
    pub(super) fn meter(&self) -> Meter {
        Meter { clock: Arc::clone(&self.clock), costs: Arc::clone(&self.costs) }
    }

    /// Rejects that the next checkpoint has to hold.
    pub(super) fn keep(&mut self, rejects: Vec<Reject>) {
        if !self.is_over {
            self.rejects.extend(rejects);
        }
    }

    /// Returns a mark after this position if it is time for one, unless its cursor or link holds credentials.
    pub(super) fn mark(&mut self, position: &Position, known: impl FnOnce() -> Known) -> Option<Passing> {
        let now = self.clock.elapsed();
        let costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = now.saturating_sub(self.last) >= self.interval
            && costs.allow_another(self.began, now)
            && !position.has_credentials(&self.redactor);
        if !self.is_over && !is_due && self.rejects.len() > MOST_REJECTS {
            (self.rejects, self.is_over) = (Vec::new(), true);
            tracing::debug!("no further checkpoint: more than {MOST_REJECTS} rejects since the last one");
        }
        if self.is_over || !is_due {
            return None;
        }
        drop(costs);
        Some(self.mark_now(position, known()))
    }

    /// Returns a mark after all pages, whatever the pace; `None` if rejects were lost that it has to hold, or if the position
    /// holds credentials.
    pub(super) fn last_mark(&mut self, position: &Position, known: Known) -> Option<Passing> {
        (!self.is_over && !position.has_credentials(&self.redactor)).then(|| self.mark_now(position, known))
    }

    fn mark_now(&mut self, position: &Position, known: Known) -> Passing {
        let now = self.clock.elapsed();
        self.last = now;
        self.costs.lock().unwrap_or_else(PoisonError::into_inner).open.push_back(now);
        let Known { counters, cursor, lists } = known;
        let mark = Mark { position: position.clone(), counters, cursor, lists };
        Passing { mark, rejects: std::mem::take(&mut self.rejects), state: Vec::new(), taken: now }
    }
}

/// Measures what a checkpoint costs.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    clock: Arc<dyn Clock>,
    costs: Arc<Mutex<Costs>>,
}

impl Meter {
    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The checkpoint is written whose mark was taken then.
    fn written(&self, taken: Duration) {
        let cost = self.now().saturating_sub(taken);
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        costs.open.pop_front();
        (costs.spent, costs.last) = (costs.spent + cost, cost);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use async_trait::async_trait;

    use super::*;

    /// Stands where it is set.
    #[derive(Debug, Default)]
    struct Hand(Mutex<Duration>);

    impl Hand {
        fn set(&self, seconds: u64) {
            *self.0.lock().unwrap() = Duration::from_secs(seconds);
        }
    }

    #[async_trait]
    impl Clock for Hand {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH + self.elapsed()
        }

        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        async fn sleep(&self, _: Duration) {}
    }

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
        pace.mark(&position, Default::default).map(|passing| passing.rejects.len())
    }

    fn pace(interval: Duration) -> Pace {
        Pace::new(Arc::new(Hand::default()), interval, Redactor::default())
    }

    #[test]
    fn a_checkpoint_is_due_once_all_of_them_and_the_next_stay_under_two_percent_of_the_run() {
        let clock = Arc::new(Hand::default());
        let mut pace = Pace::new(Arc::clone(&clock) as Arc<dyn Clock>, Duration::from_secs(30), Redactor::default());
        let meter = pace.meter();
        let mut is_due_at = |seconds| {
            clock.set(seconds);
            marked(&mut pace).is_some()
        };
        assert!(!is_due_at(29) && is_due_at(30), "the first one, whose cost nobody knows");
        clock.set(40);
        meter.written(Duration::from_secs(30));
        // 10 s were spent, and as much is to be.
        assert!(!is_due_at(999) && is_due_at(1_000));
        assert!(!is_due_at(1_100), "one is under way, and has cost 100 s by now");
        clock.set(1_101);
        meter.written(Duration::from_secs(1_100));
        // 11 s were spent, and one more is to be.
        assert!(is_due_at(1_130));
    }

    #[test]
    fn many_rejects_force_no_checkpoint_and_end_them() {
        let mut pace = pace(Duration::from_secs(3_600));
        pace.keep(rejects(MOST_REJECTS));
        assert_eq!((marked(&mut pace), pace.rejects.len()), (None, MOST_REJECTS));
        pace.keep(rejects(1));
        assert_eq!((marked(&mut pace), pace.rejects.len()), (None, 0));
        // What is not kept would be missing in every later one.
        pace.interval = Duration::ZERO;
        pace.keep(rejects(1));
        assert_eq!((marked(&mut pace), pace.rejects.len()), (None, 0));
    }

    #[test]
    fn a_checkpoint_that_is_due_takes_the_rejects_with_it() {
        let mut pace = pace(Duration::ZERO);
        pace.keep(rejects(MOST_REJECTS + 1));
        assert_eq!(marked(&mut pace), Some(MOST_REJECTS + 1));
        assert_eq!(marked(&mut pace), Some(0));
    }
}
