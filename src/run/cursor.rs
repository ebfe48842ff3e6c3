//! How far a resource's source has been read: where a run begins by its table's state, and what its commit says.
//!
//! ```text
//! state of the table ─► before ─► range of the run ─► sieve (each page, any order) ─► Tracker (page order) ─► state of the commit
//! ```
//!
//! The cursor moves with the commit of the rows that it stands for, or not at all. It stays where it is for a run that reads
//! a part of what is new: the first pages, an interval, a range that ends at an `end_value`.
//!
//! A resource that has a list for each record of its parent has a cursor for each of them: the latest of one list says nothing
//! of another, which may be new, or behind.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RunError, boundary::Boundaries, rows::Rows, verdict::Reach};
use crate::{
    decode::{DecodeError, Seen, Side, Sieve, Turn},
    plan::{
        CursorState, CursorValue, Identity, IncrementalPlan, LastValueFunc, ListStart, ListState, Range, Remembered,
        ResourcePlan, RowOrder, Towards, WriteDisposition,
    },
};

/// Records of one list that are remembered so that the next run does not load them again: some megabytes of the state.
const MOST_REMEMBERED: usize = 250_000;

/// What the pages so far tell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Of all lists together.
    all: Reached,
    /// Of each list, by its key, where there are many.
    lists: BTreeMap<String, Reached>,
    /// The ends of pages, of a resource with one list.
    #[serde(default)]
    boundaries: Boundaries,
    /// The first record ahead of the clock: its page, its number and its value.
    #[serde(default)]
    ahead: Option<(u64, u64, CursorValue)>,
}

/// How far a list, or several, have been read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) latest: Option<CursorValue>,
    /// Records that the next run gets again, with their values.
    pub(super) loaded: Remembered,
    /// Whether there were too many of them.
    pub(super) is_full: bool,
}

/// Puts together what pages tell of the cursor, in page order.
pub(super) struct Tracker {
    resource: String,
    appends: bool,
    plan: IncrementalPlan,
    sieve: Arc<Sieve>,
    progress: Progress,
    /// The keys of the resource's lists, by their numbers, if it has many.
    keys: Option<Vec<String>>,
    /// Whether lists that are not among them may come again.
    has_others: bool,
    /// Whether the commit says how far the run has read.
    moves: bool,
    /// Whether a page may show that it is the last that matters.
    ends_early: bool,
    /// What it says otherwise.
    stays: Option<Value>,
    order: Order,
    /// What was against the order in a list before this one.
    disordered: Option<Turn>,
    /// Whether a page that may be the last that matters ends its list.
    leaves_out: bool,
    /// Whether records came that have no value.
    has_missing: bool,
    /// The cursor moves to the end of a page that is not the last one, or not at all.
    is_held: bool,
}

/// What the pages of a list so far tell of the order in which the API lists.
#[derive(Debug, Default)]
struct Order {
    list: u64,
    /// Whether any of them keeps the one that the config tells.
    is_kept: bool,
    /// Of a page that goes against it.
    against: Option<Turn>,
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

/// Gives the resource the first range that it has to read, unless it has one. `stored` is what its state says of the cursor.
///
/// # Errors
/// [`RunError::Cursor`] if the table's last value and the config's do not go together.
pub(super) fn bind(
    resource: &mut ResourcePlan,
    stored: Option<&Value>,
    rows: Option<&Rows>,
    now: DateTime<Utc>,
) -> Result<Bound, RunError> {
    if let Some(plan) = &mut resource.incremental {
        plan.now.get_or_insert(now);
    }
    let before = before(resource, stored);
    let ahead = before.as_ref().and(of_this(resource, stored)).and_then(|state| ahead_warning(resource, &state));
    let stored = stored.and_then(CursorState::of);
    let looks = resource.write_disposition != WriteDisposition::Replace;
    let comes_again = comes_again(resource);
    let name = resource.name.clone();
    let keys = keys(resource, rows);
    let nothing = Bound { later: Vec::new(), warning: None, is_idle: false };
    let Some(plan) = resource.incremental.as_mut().filter(|plan| plan.range.is_none()) else { return Ok(nothing) };
    let forgotten = stored.filter(|_| before.is_none() && looks && plan.moves_cursor());
    let warning = forgotten.map(|state| {
        let told = |path: &str, func: LastValueFunc| format!("`{path}` by {}", func.word());
        let (stored, now) = (
            told(&state.cursor_path, state.last_value_func),
            told(&plan.cursor_path.to_string(), plan.last_value_func),
        );
        format!("starts at the initial value: the table's cursor is one of {stored}, and not of {now}")
    });
    let ranges = match (keys, &before) {
        (Some(keys), Some(before)) => ranges_of_lists(plan, &keys, before, comes_again, now),
        _ => plan.ranges(before.as_ref().map(|state| &state.all.last_value), now),
    };
    let mut ranges = ranges.map_err(|reason| RunError::Cursor { resource: name, reason })?.into_iter();
    plan.range = ranges.next();
    Ok(Bound { is_idle: plan.range.is_none(), later: ranges.collect(), warning: warning.or(ahead) })
}

/// Gives the resource the window that a run which died was in, and has left checkpoints of; returns those behind it.
///
/// # Errors
/// [`RunError::Cursor`] as [`bind`].
pub(super) fn go_on(resource: &mut ResourcePlan, range: Range, now: DateTime<Utc>) -> Result<Vec<Range>, RunError> {
    let name = resource.name.clone();
    let Some(plan) = &mut resource.incremental else { return Ok(Vec::new()) };
    let later = plan.ranges_from(range.end.clone(), now);
    let later = later.map_err(|reason| RunError::Cursor { resource: name, reason })?;
    plan.range = Some(Range { has_next: !later.is_empty(), ..range });
    Ok(later)
}

/// The ranges of all lists together, and where each of them begins within these.
fn ranges_of_lists(
    plan: &mut IncrementalPlan,
    keys: &[String],
    before: &CursorState,
    comes_again: bool,
    now: DateTime<Utc>,
) -> Result<Vec<Range>, String> {
    let new = Arc::new(ListStart { start: plan.start(None)?, ..ListStart::default() });
    let start = |key: &String| {
        let Some(state) = before.lists.get(key) else { return Ok(Arc::clone(&new)) };
        let start = plan.start(Some(&state.last_value))?;
        Ok(Arc::new(known(plan, state, start, comes_again)))
    };
    let lists: Vec<_> = keys.iter().map(start).collect::<Result<_, String>>()?;
    let Some(first) = lists.first() else { return plan.ranges(Some(&before.all.last_value), now) };
    let mut first = first.start.clone();
    for list in &lists {
        first = match (first, &list.start) {
            (Some(first), Some(start)) => Some(earlier(plan, first, start)?),
            _ => None,
        };
    }
    plan.lists = Some(lists.into());
    plan.ranges_from(first, now)
}

/// What an earlier run has left of a list that is read from `start` on.
fn known(plan: &IncrementalPlan, state: &ListState, start: Option<CursorValue>, comes_again: bool) -> ListStart {
    let records = || state.records().filter(|_| comes_again);
    let loaded = records().map(|(record, value)| (record.clone(), value.clone())).collect();
    let later = |last, value| match plan.last_value_func.compare(value, last) {
        Some(Ordering::Greater) => value,
        _ => last,
    };
    let last = records().map(|(_, value)| value).fold(&state.last_value, later);
    ListStart { start, last: Some(last.clone()), loaded }
}

fn earlier(plan: &IncrementalPlan, first: CursorValue, start: &CursorValue) -> Result<CursorValue, String> {
    let order = plan.last_value_func.compare(start, &first);
    let order = order.ok_or_else(|| {
        format!("`{start}` is {}, and `{first}` is {}: the cursors of two lists", start.kind(), first.kind())
    })?;
    Ok(if order.is_lt() { start.clone() } else { first })
}

/// Tells the lists of a resource that has one for each record of its parent, where each has a cursor.
fn keys(resource: &ResourcePlan, rows: Option<&Rows>) -> Option<Vec<String>> {
    resource.incremental.as_ref().filter(|plan| plan.moves_cursor())?;
    Some(rows?.keys(resource.parent.as_ref()?))
}

/// Where the run before has ended; `None` where that does not matter.
fn before(resource: &ResourcePlan, stored: Option<&Value>) -> Option<CursorState> {
    // A table that is written anew needs all there is.
    if resource.write_disposition == WriteDisposition::Replace {
        return None;
    }
    let mut state = of_this(resource, stored)?;
    let plan = resource.incremental.as_ref()?;
    state.lists.values_mut().chain([&mut state.all]).for_each(|list| hold_back(list, plan));
    Some(state)
}

/// A cursor that lies ahead of the clock goes back to it.
fn hold_back(list: &mut ListState, plan: &IncrementalPlan) {
    if !plan.is_ahead(&list.last_value) {
        return;
    }
    let held = plan.now.and_then(|now| CursorValue::of_instant(now, &list.last_value, plan.epoch));
    let Some(held) = held else { return };
    let ahead = std::mem::replace(&mut list.last_value, held);
    list.loaded.drain(..).for_each(|record| list.earlier.insert(record, ahead.clone()));
}

/// What a cursor ahead of the clock has come to before this run.
fn ahead_warning(resource: &ResourcePlan, state: &CursorState) -> Option<String> {
    let plan = resource.incremental.as_ref()?;
    let mut values = state.lists.values().chain([&state.all]).map(|list| &list.last_value);
    let ahead = values.find(|value| plan.is_ahead(value))?.to_json();
    Some(format!(
        "the table's cursor at `{}` is {ahead}, more than a day ahead of the clock: the run reads from now on, and runs before may \
         have left out records; `--full-refresh` reads all of them",
        plan.cursor_path
    ))
}

/// What a state says, if it is of this cursor.
fn of_this(resource: &ResourcePlan, stored: Option<&Value>) -> Option<CursorState> {
    let plan = resource.incremental.as_ref().filter(|plan| plan.moves_cursor())?;
    let state = CursorState::of(stored?)?;
    let is_same = state.cursor_path == plan.cursor_path.to_string() && state.last_value_func == plan.last_value_func;
    is_same.then_some(state)
}

/// What the table's state says, if a run of the resource begins there.
pub(super) fn start(resource: &ResourcePlan, stored: Option<&Value>) -> Option<Value> {
    before(resource, stored).and(stored.cloned())
}

/// What the table's state says, if the next run of the resource may begin there.
pub(super) fn end(resource: &ResourcePlan, stored: Option<&Value>) -> Option<Value> {
    of_this(resource, stored).and(stored.cloned())
}

/// Whether the next run gets records at the start of its range that this one has loaded, and leaves them out.
fn comes_again(resource: &ResourcePlan) -> bool {
    let Some(plan) = &resource.incremental else { return false };
    let replaces = plan.then == WriteDisposition::Replace;
    // A merge that reads a stretch of the source again loses and doubles nothing.
    let merges_again = resource.write_disposition == WriteDisposition::Merge && plan.lag.is_some();
    // What a record stands for that is left out, the merge would take for gone.
    let by_merge_key = resource.write_disposition == WriteDisposition::Merge && !resource.merge.merge_key.is_empty();
    plan.window.is_none() && !replaces && !merges_again && !by_merge_key
}

impl Reached {
    fn of(state: &ListState, remembers: bool) -> Self {
        let records = state.records().filter(|_| remembers);
        let loaded = records.map(|(record, value)| (record.clone(), value.clone())).collect();
        Self { latest: Some(state.last_value.clone()), loaded, is_full: false }
    }

    fn observe(&mut self, value: &CursorValue, plan: &IncrementalPlan) -> Option<Ordering> {
        let order = match &self.latest {
            Some(latest) => plan.last_value_func.compare(value, latest)?,
            None => Ordering::Greater,
        };
        if order.is_gt() {
            self.advance(value.clone(), plan);
        }
        Some(order)
    }

    fn advance(&mut self, latest: CursorValue, plan: &IncrementalPlan) {
        if let Some(oldest) = plan.lagged(&latest) {
            let func = plan.last_value_func;
            self.loaded.retain(|value| func.compare(value, &oldest).is_some_and(Ordering::is_ge));
            self.is_full &= !self.loaded.is_empty();
        }
        self.latest = Some(latest);
    }

    fn remember(&mut self, seen: &Seen, plan: &IncrementalPlan) {
        // Without one, all that came lies ahead of the clock.
        let oldest = self.latest.as_ref().and_then(|latest| plan.lagged(latest));
        for (value, record) in &seen.loaded {
            let is_old = |oldest| plan.last_value_func.compare(value, oldest).is_none_or(Ordering::is_lt);
            if oldest.as_ref().is_some_and(is_old) {
                continue;
            }
            if self.loaded.len() < MOST_REMEMBERED {
                self.loaded.insert(record.clone(), value.clone());
            } else if !self.loaded.has(record, value) {
                self.is_full = true;
            }
        }
    }

    /// The latest value that was read, or the end of the slice that was: one without a record was read as well as any other.
    fn until(self, end: Option<&CursorValue>, plan: &IncrementalPlan) -> Option<ListState> {
        let latest = match (self.latest, end) {
            (Some(latest), Some(end)) => {
                let is_behind = plan.last_value_func.compare(&latest, end).is_some_and(Ordering::is_gt);
                Some(if is_behind { latest } else { end.clone() })
            }
            (latest, end) => end.cloned().or(latest),
        };
        // Records ahead of the clock are remembered where the run began.
        let last_value = latest.or_else(|| plan.initial_value.clone().filter(|_| !self.loaded.is_empty()))?;
        let is_last = |value: &CursorValue| value.compare(&last_value).is_some_and(Ordering::is_eq);
        let (loaded, earlier): (Vec<_>, Vec<_>) = self.loaded.into_iter().partition(|(_, value)| is_last(value));
        let loaded = loaded.into_iter().map(|(record, _)| record).collect();
        Some(ListState { last_value, loaded, earlier: earlier.into_iter().collect() })
    }
}

impl Tracker {
    /// For a resource that has its range; `None` for one that reads all there is.
    pub(super) fn new(resource: &ResourcePlan, stored: Option<&Value>, rows: Option<&Rows>) -> Option<Self> {
        let plan = resource.incremental.clone()?;
        let before = before(resource, stored);
        let comes_again = comes_again(resource);
        let moves = plan.moves_cursor() && resource.max_pages.is_none();
        let keys = keys(resource, rows);
        let start = match &before {
            Some(state) if keys.is_none() => known(&plan, &state.all, None, comes_again),
            _ => ListStart::default(),
        };
        let known_by = before.as_ref().map_or_else(|| plan.identity.clone(), CursorState::identity);
        // What is remembered by something else than now is of no use to the run after this one.
        let remembers = comes_again && known_by == plan.identity;
        let sieve = Arc::new(Sieve::new(&resource.name, &plan, start, known_by, comes_again && moves));
        let progress = before.map(|state| Progress {
            all: Reached::of(&state.all, remembers),
            lists: state.lists.iter().map(|(key, list)| (key.clone(), Reached::of(list, remembers))).collect(),
            boundaries: Boundaries::default(),
            ahead: None,
        });
        // The cursor of a table that is replaced stands for rows that are gone.
        let stays = stored.filter(|_| resource.write_disposition != WriteDisposition::Replace).cloned();
        let appends = resource.write_disposition == WriteDisposition::Append;
        // One that comes again would be appended from its beginning.
        let has_others = appends || rows.is_some_and(|rows| rows.shortfall.is_some());
        let (progress, ends_early) = (progress.unwrap_or_default(), resource.may_end_early());
        // Steps may change what a record's cursor is: lists of a parent's records are then looked at to their end.
        let leaves_out = ends_early || plan.may_end_early() && resource.processing_steps.is_empty();
        let resource = resource.name.clone();
        Some(Self {
            resource,
            appends,
            plan,
            sieve,
            progress,
            keys,
            has_others,
            moves,
            ends_early,
            stays,
            order: Order::default(),
            disordered: None,
            leaves_out,
            has_missing: false,
            is_held: false,
        })
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
        let list = self.keys.as_ref().and_then(|keys| keys.get(usize::try_from(seen.list).ok()?));
        if let Some(earliest) = &seen.earliest {
            let latest = self.progress.all.latest.as_ref();
            let order = latest.and_then(|latest| self.plan.last_value_func.compare(earliest, latest));
            self.progress.boundaries.follow(order, self.plan.range_start);
        }
        if let Some((value, _)) = &seen.latest {
            let list = list.map(|key| self.progress.lists.entry(key.clone()).or_default());
            for reached in list.into_iter().chain([&mut self.progress.all]) {
                if let (None, Some(latest)) = (reached.observe(value, &self.plan), &reached.latest) {
                    return Err(self.sieve.mixed(seen, latest));
                }
            }
        }
        if let (Some((value, record)), None) = (&seen.ahead, &self.progress.ahead) {
            self.progress.ahead = Some((seen.page, *record, value.clone()));
        }
        let remembers = match list {
            Some(key) if !seen.loaded.is_empty() => Some(self.progress.lists.entry(key.clone()).or_default()),
            Some(key) => self.progress.lists.get_mut(key),
            None => Some(&mut self.progress.all),
        };
        if let Some(reached) = remembers {
            reached.remember(seen, &self.plan);
        }
        self.has_missing |= seen.has_missing;
        let ends = ends(&self.plan, seen.ends);
        self.check_order(seen, ends)?;
        Ok(ends)
    }

    /// A page that goes against the declared order throughout must not end the list: what is wanted may come behind it. In a
    /// list that has kept to the order, it is noise.
    fn check_order(&mut self, seen: &Seen, ends: bool) -> Result<(), DecodeError> {
        let Some(declared) = self.plan.row_order else { return Ok(()) };
        if self.order.list != seen.list {
            self.disordered = self.disordered.take().or(self.order.against.take().filter(|_| !self.order.is_kept));
            self.order = Order { list: seen.list, ..Order::default() };
        }
        self.order.is_kept |= seen.course.keeps(declared);
        let Some(turn) = seen.course.against(declared).filter(|_| !self.order.is_kept) else { return Ok(()) };
        if ends && self.leaves_out {
            return Err(self.sieve.misordered(seen.page, turn, declared));
        }
        self.order.against.get_or_insert_with(|| turn.clone());
        Ok(())
    }

    /// Takes note of the end of a page; `rows` are those of all pages up to it.
    pub(super) fn reach_page(&mut self, page: u64, rows: u64) {
        if self.moves && self.keys.is_none() {
            self.progress.boundaries.push(page, rows, &self.progress.all);
        }
    }

    /// Moves the cursor back to where `reach` allows it; the number of rows up to there, if it is not at the end.
    pub(super) fn hold(&mut self, reach: Reach) -> Option<u64> {
        let Reach::Page(page) = reach else { return None };
        if !self.moves {
            return None;
        }
        self.is_held = true;
        // Windows remember no records: an append that begins within one again would double those at the boundary.
        let is_cut_window = self.plan.window.is_some() && self.appends;
        let boundary = self.progress.boundaries.up_to(page).filter(|_| self.keys.is_none() && !is_cut_window);
        match boundary {
            Some(boundary) => {
                let rows = boundary.rows;
                self.progress.all = boundary.reached.clone();
                Some(rows)
            }
            None => {
                self.moves = false;
                Some(0)
            }
        }
    }

    /// Whether there were more records to remember than are.
    fn is_full(&self) -> bool {
        self.progress.all.is_full || self.progress.lists.values().any(|list| list.is_full)
    }

    /// What the user should know at the end.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let full = (self.moves && self.is_full()).then(|| too_many("the next run may load them again"));
        full.into_iter().chain(self.ahead()).chain(self.disorder()).chain(self.appended_again())
    }

    /// A time that the clock has not reached is wrong, or that of an event to come.
    fn ahead(&self) -> Option<String> {
        let (page, record, value) =
            self.progress.ahead.as_ref().filter(|_| self.plan.then != WriteDisposition::Replace)?;
        let (path, value) = (&self.plan.cursor_path, value.to_json());
        Some(format!(
            "page {page}, record {record}: the cursor at `{path}` is {value}, more than a day ahead of the clock: the record is \
             loaded, and the cursor does not move to it; correct the value at the source, or use a `cursor_path` that says when \
             a record was changed"
        ))
    }

    /// What no run can tell from what it has loaded.
    fn appended_again(&self) -> Option<String> {
        let comes_again = self.has_missing && self.appends && self.plan.moves_cursor();
        let path = &self.plan.cursor_path;
        comes_again.then(|| {
            format!(
                "records without a value at `{path}` are appended again by each run that gets them: `write_disposition: merge` by a key \
                 does not, and `on_cursor_value_missing: exclude` leaves them out"
            )
        })
    }

    /// What a wrong order comes to where nothing was left out by it yet.
    fn disorder(&self) -> Option<String> {
        let last = self.order.against.as_ref().filter(|_| !self.order.is_kept);
        let (declared, turn) = (self.plan.row_order?, self.disordered.as_ref().or(last)?);
        let (path, declared) = (&self.plan.cursor_path, declared.word());
        let (from, to) = (turn.from.to_json(), turn.to.to_json());
        Some(format!(
            "`{path}` goes from {from} to {to}, and `row_order: {declared}` says the other way round: a run that it may end early would end with its first page"
        ))
    }

    /// What the commit's state says.
    ///
    /// # Errors
    /// [`RunError::Stored`] if it cannot be written down.
    pub(super) fn state(mut self) -> Result<Option<Value>, RunError> {
        if !self.moves {
            return Ok(self.stays);
        }
        // The end of a window was reached only if all of it was.
        let window = self.plan.window.as_ref().filter(|_| !self.is_held);
        let end = window.and(self.plan.range.as_ref()).and_then(|range| range.end.as_ref());
        let is_full = self.is_full();
        let lists = lists(&mut self.progress, self.keys.as_deref(), self.has_others, end, &self.plan);
        let all = std::mem::take(&mut self.progress.all).until(end, &self.plan);
        // All that is new may lie ahead of the clock, in each of the lists.
        let unmoved = || self.plan.initial_value.clone().filter(|_| !lists.is_empty());
        let all = all.or_else(|| Some(ListState::at(unmoved()?)));
        let Some(all) = all else { return Ok(self.stays) };
        self.check_goes_on(&all.last_value)?;
        if is_full && self.appends {
            let reason = too_many(
                "the next run would append them again; set `range_start: open` if no record comes late, or merge by a key",
            );
            return Err(RunError::Cursor { resource: self.resource, reason });
        }
        let key = match &self.plan.identity {
            Identity::Key(places) => Some(places.iter().map(ToString::to_string).collect()),
            Identity::Content | Identity::Off => None,
        };
        let (cursor_path, last_value_func) = (self.plan.cursor_path.to_string(), self.plan.last_value_func);
        let state = CursorState { cursor_path, last_value_func, key, all, lists };
        serde_json::to_value(state).map(Some).map_err(RunError::Stored)
    }
}

impl Tracker {
    /// A value that the next run could not ask for is a mistake of this one.
    fn check_goes_on(&self, last: &CursorValue) -> Result<(), RunError> {
        let start = self.plan.start(Some(last)).and_then(|start| match start {
            Some(start) => self.plan.converted(&start, Towards::Lower).map(drop).map_err(|error| error.to_string()),
            None => Ok(()),
        });
        start.map_err(|reason| RunError::Cursor { resource: self.resource.clone(), reason })
    }
}

fn too_many(what_follows: &str) -> String {
    format!(
        "more than {MOST_REMEMBERED} records are as new as the newest: those beyond that number are not remembered, and {what_follows}"
    )
}

/// Whether no page behind one that ends there can hold a record of the range.
pub(super) fn ends(plan: &IncrementalPlan, side: Side) -> bool {
    match plan.row_order {
        Some(RowOrder::Desc) => side == Side::BeforeRange,
        Some(RowOrder::Asc) => side == Side::BehindRange,
        None => false,
    }
}

/// How far each list has been read. Those that are no more are forgotten.
fn lists(
    progress: &mut Progress,
    keys: Option<&[String]>,
    has_others: bool,
    end: Option<&CursorValue>,
    plan: &IncrementalPlan,
) -> BTreeMap<String, ListState> {
    let mut reached = std::mem::take(&mut progress.lists);
    let mut lists = BTreeMap::new();
    let mut keep = |key: &String, list: Reached, end: Option<&CursorValue>| {
        if let Some(list) = list.until(end, plan) {
            lists.insert(key.clone(), list);
        }
    };
    for key in keys.unwrap_or_default() {
        let list = reached.remove(key);
        keep(key, list.unwrap_or_default(), end);
    }
    if has_others {
        reached.into_iter().for_each(|(key, list)| keep(&key, list, None));
    }
    lists
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> IncrementalPlan {
        IncrementalPlan::of_tests()
    }

    #[test]
    fn what_is_too_much_to_remember_is_known_until_the_cursor_moves_on() {
        let value = |value| CursorValue::of_json(&json!(value)).unwrap();
        let mut reached = Reached::default();
        let mut observe = |at: u64, records: usize| {
            let loaded = (0..records).map(|record| (value(at), record.to_string())).collect();
            reached.observe(&value(at), &plan());
            reached.remember(&Seen { loaded, ..Seen::default() }, &plan());
            (reached.loaded.len(), reached.is_full)
        };
        assert_eq!(observe(1, MOST_REMEMBERED), (MOST_REMEMBERED, false));
        assert_eq!(observe(1, MOST_REMEMBERED + 1), (MOST_REMEMBERED, true));
        assert_eq!(observe(2, 1), (1, false));
    }
}
