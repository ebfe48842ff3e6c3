//! Loading only what is new: where a run begins and ends, and what its requests and its rows have to do with it.
//!
//! ```text
//! IncrementalPlan + last value of the table's state + now ──► ranges, one for each unit of commit ──► values of the places
//! ```
//!
//! A run without a `window` has one range, whose start is the last value less the `lag`. With a window, [start, end) is cut
//! into slices; each of them is committed before the next one.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    IncrementalValue, WriteDisposition,
    convert::Convert,
    cursor::{CursorValue, Step, Towards},
    remembered::Remembered,
    request::BindError,
};
use crate::json::Selector;

/// Ranges of one run; a window that is too small for its interval is a mistake, and not a reason to fill the memory.
const MOST_RANGES: usize = 100_000;

/// How far a cursor may lie ahead of the clock: dates of all time zones do, by less than a day.
const MOST_AHEAD: TimeDelta = TimeDelta::days(1);

/// How a resource loads only what is new.
#[derive(Clone, Debug, Serialize)]
pub struct IncrementalPlan {
    /// Where the cursor's value stands in a record.
    pub cursor_path: Selector,
    pub initial_value: Option<CursorValue>,
    /// With one and without a window, each run reads from the initial value to here, whatever was read before.
    pub end_value: Option<CursorValue>,
    pub last_value_func: LastValueFunc,
    /// How much before the last value a run begins.
    pub lag: Option<Step>,
    /// In which order the source gives its records, if it is known: what ends the list of pages early.
    pub row_order: Option<RowOrder>,
    pub on_missing: OnMissing,
    /// Whether records at the start of the range belong to it.
    pub range_start: RangeEdge,
    pub range_end: RangeEdge,
    /// What tells records at the start of the range apart.
    pub identity: Identity,
    pub convert: Option<Convert>,
    pub window: Option<Window>,
    /// What the config says of the table, where the command line replaces it for once: how slices behind the first are written,
    /// and whether the next run goes on.
    pub then: WriteDisposition,
    /// Whether both ends are of the command line: the table's cursor is neither looked at nor moved.
    pub is_interval: bool,
    /// What a run reads; `None` before it has looked at the table.
    pub range: Option<Range>,
    /// Where each list of a resource that has many is read from, by their numbers; `None` where all of them read the range.
    #[serde(skip)]
    pub lists: Option<Arc<[Arc<ListStart>]>>,
    /// Units of an epoch time in a second, if the cursor's column says that it is one.
    #[serde(skip)]
    pub epoch: Option<u32>,
    /// When the run began; `None` before it has looked at the table.
    #[serde(skip)]
    pub now: Option<DateTime<Utc>>,
}

/// Where one list is read from, and what of it has been loaded before.
#[derive(Clone, Debug, Default)]
pub struct ListStart {
    pub start: Option<CursorValue>,
    /// The latest value of the run before: where it has ended, or that of a record ahead of the clock.
    pub last: Option<CursorValue>,
    /// Records that it has loaded and that come again, as [`ListState`] has them.
    pub loaded: Remembered,
}

/// Which of two values comes later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastValueFunc {
    #[default]
    Max,
    Min,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// What comes later in the order of the cursor comes on later pages.
    Asc,
    Desc,
}

/// What becomes of a record whose cursor is missing or null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// The run fails.
    #[default]
    Raise,
    Include,
    Exclude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeEdge {
    /// The value itself belongs to the range.
    Closed,
    Open,
}

/// What tells that a record was loaded before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The values at these places.
    Key(Vec<Selector>),
    /// All of it.
    Content,
    /// Nothing does: records at the start of the range are loaded again.
    Off,
}

/// Slices of a range.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    pub step: Step,
    /// How much before the cursor a run begins.
    pub lookback: Option<Step>,
}

/// What is read: from `start` to `end`, each as far as there is one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Range {
    pub start: Option<CursorValue>,
    pub end: Option<CursorValue>,
    /// Whether the run reads another one behind it.
    #[serde(skip)]
    pub has_next: bool,
}

/// How far a resource has been read: what a table's state keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CursorState {
    pub cursor_path: String,
    pub last_value_func: LastValueFunc,
    /// The places of the key by which records are remembered; `None` if they are by all they hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
    #[serde(flatten)]
    pub all: ListState,
    /// Of a resource that has a list for each record of its parent, how far each of them has been read: the latest value of
    /// the one says nothing of the others. By a digest of what the parent's record fills into the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, ListState>,
}

/// How far one list has been read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListState {
    pub last_value: CursorValue,
    /// Digests of records of this value that were loaded, and that the next run will get again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loaded: Vec<String>,
    /// And of others, with their values: earlier ones, as far as the `lag` goes, and those ahead of the clock.
    #[serde(default, skip_serializing_if = "Remembered::is_empty")]
    pub earlier: Remembered,
}

impl ListState {
    /// One that has been read up to this value, and no record of it.
    pub fn at(last_value: CursorValue) -> Self {
        Self { last_value, loaded: Vec::new(), earlier: Remembered::default() }
    }

    /// All records that are remembered, with their values.
    pub fn records(&self) -> impl Iterator<Item = (&String, &CursorValue)> {
        self.loaded.iter().map(|record| (record, &self.last_value)).chain(self.earlier.iter())
    }
}

impl CursorState {
    /// What a table's state keeps; `None` if it is of something else.
    pub fn of(cursor: &Value) -> Option<Self> {
        Self::deserialize(cursor).ok()
    }

    /// By what the records are remembered.
    pub fn identity(&self) -> Identity {
        let place = |place: &String| place.parse().ok();
        let places = self.key.as_ref().and_then(|key| key.iter().map(place).collect::<Option<Vec<_>>>());
        places.map_or(Identity::Content, Identity::Key)
    }

    /// What people are shown of a table's cursor: its value.
    pub fn shown(cursor: &Value) -> Value {
        Self::of(cursor).map_or_else(|| cursor.clone(), |state| state.all.last_value.to_json())
    }
}

impl RowOrder {
    /// As the config calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }
}

impl LastValueFunc {
    /// As the config calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    /// Where what comes later lies.
    pub fn forward(self) -> Towards {
        match self {
            Self::Max => Towards::Higher,
            Self::Min => Towards::Lower,
        }
    }

    fn backward(self) -> Towards {
        match self {
            Self::Max => Towards::Lower,
            Self::Min => Towards::Higher,
        }
    }

    /// Whether `a` comes before, with or behind `b`; `None` if they have no order.
    pub fn compare(self, a: &CursorValue, b: &CursorValue) -> Option<std::cmp::Ordering> {
        let order = a.compare(b)?;
        Some(if self == Self::Max { order } else { order.reverse() })
    }
}

impl IncrementalPlan {
    /// Whether a run begins where the one before it ended, and says where it has ended itself.
    pub fn moves_cursor(&self) -> bool {
        !self.is_interval && (self.end_value.is_none() || self.window.is_some())
    }

    /// Whether a value is a time more than a day ahead of the clock. The cursor does not move to it: no record would come
    /// after it for years. An `end_value` that the config sets is an end that the user knows.
    pub fn is_ahead(&self, value: &CursorValue) -> bool {
        let is_bounded = self.end_value.is_some() || self.last_value_func == LastValueFunc::Min;
        let Some(now) = self.now.filter(|_| self.moves_cursor() && !is_bounded) else { return false };
        value.seconds(self.epoch).is_some_and(|seconds| seconds > (now + MOST_AHEAD).timestamp() as f64)
    }

    /// Whether the last slice of a run ends with the run's beginning.
    pub fn ends_now(&self) -> bool {
        self.window.is_some() && self.end_value.is_none()
    }

    /// The value so much before `value` as a run begins before the last value of the one before it; never before the initial
    /// value. `None` if the lag is none for such a value.
    pub fn lagged(&self, value: &CursorValue) -> Option<CursorValue> {
        match &self.lag {
            Some(lag) => self.back(value, lag),
            None => Some(value.clone()),
        }
    }

    fn back(&self, value: &CursorValue, step: &Step) -> Option<CursorValue> {
        let in_days = self.initial_value.as_ref().is_some_and(CursorValue::is_date);
        let back = value.stepped(step, self.last_value_func.backward(), in_days)?;
        let initial = self.initial_value.as_ref();
        let is_before = |initial: &&CursorValue| {
            self.last_value_func.compare(&back, initial).is_some_and(std::cmp::Ordering::is_lt)
        };
        Some(initial.filter(is_before).cloned().unwrap_or(back))
    }

    /// What a run reads that finds this last value, and begins now; with a window, none where all has been read.
    ///
    /// # Errors
    /// What is wrong with the values that came together here.
    pub fn ranges(&self, last: Option<&CursorValue>, now: DateTime<Utc>) -> Result<Vec<Range>, String> {
        self.ranges_from(self.start(last)?, now)
    }

    /// Where a run begins to read that finds this last value.
    ///
    /// # Errors
    /// As [`ranges`](Self::ranges).
    pub fn start(&self, last: Option<&CursorValue>) -> Result<Option<CursorValue>, String> {
        let Some(last) = last.filter(|_| self.moves_cursor()) else { return Ok(self.initial_value.clone()) };
        let start = match &self.window {
            None => self.lagged(last).ok_or_else(|| unfit("lag", self.lag.as_ref(), last))?,
            Some(Window { lookback: None, .. }) => last.clone(),
            Some(Window { lookback: Some(lookback), .. }) => {
                self.back(last, lookback).ok_or_else(|| unfit("window.lookback", Some(lookback), last))?
            }
        };
        Ok(Some(start))
    }

    /// As [`ranges`](Self::ranges), from a start that is known.
    ///
    /// # Errors
    /// As [`ranges`](Self::ranges).
    pub fn ranges_from(&self, start: Option<CursorValue>, now: DateTime<Utc>) -> Result<Vec<Range>, String> {
        let Some(window) = &self.window else {
            return Ok(vec![Range { start, end: self.end_value.clone(), has_next: false }]);
        };
        let start = start.ok_or("`window` needs an `initial_value`")?;
        let end = self.end_value.clone().or_else(|| CursorValue::of_moment(now, &start));
        let end = end.ok_or("`window` needs an `end_value`: the cursor is no time")?;
        slices(start, &end, &window.step)
    }

    /// What a run reads of the list with this number; `None` where an earlier run has read more of it than the range.
    pub fn range_of(&self, list: u64) -> Option<Range> {
        let range = self.range.clone().unwrap_or_default();
        let own = self.list_start(list).and_then(|own| own.start.clone());
        let Some(own) = own else { return Some(range) };
        let is_before = |a: &CursorValue, b: &CursorValue| {
            self.last_value_func.compare(a, b).is_some_and(std::cmp::Ordering::is_lt)
        };
        if self.window.is_some() && range.end.as_ref().is_some_and(|end| !is_before(&own, end)) {
            return None;
        }
        let is_cut = range.start.as_ref().is_some_and(|start| is_before(&own, start));
        Some(if is_cut { range } else { Range { start: Some(own), ..range } })
    }

    /// What is known of the list with this number, where they are read from different places.
    pub fn list_start(&self, list: u64) -> Option<&Arc<ListStart>> {
        self.lists.as_ref()?.get(usize::try_from(list).ok()?)
    }

    /// What the places of a request are filled with.
    ///
    /// # Errors
    /// [`BindError::Unconvertible`] if `convert` is none for a value.
    pub fn bindings(&self) -> Result<BTreeMap<IncrementalValue, Value>, BindError> {
        self.bindings_of(&self.range.clone().unwrap_or_default())
    }

    /// [`bindings`](Self::bindings) of another range than that of the run.
    ///
    /// # Errors
    /// As [`bindings`](Self::bindings).
    pub fn bindings_of(&self, range: &Range) -> Result<BTreeMap<IncrementalValue, Value>, BindError> {
        let values = [
            (IncrementalValue::InitialValue, &self.initial_value, self.last_value_func.backward()),
            (IncrementalValue::StartValue, &range.start, self.last_value_func.backward()),
            (IncrementalValue::LastValue, &range.start, self.last_value_func.backward()),
            (IncrementalValue::EndValue, &range.end, self.last_value_func.forward()),
        ];
        let bound = values.into_iter().map(|(place, value, outwards)| {
            let value = value.as_ref().map(|value| self.converted(value, outwards)).transpose()?;
            Ok((place, value.unwrap_or(Value::Null)))
        });
        bound.collect()
    }

    /// A value as requests have it. What an edge has that its form has not, is asked for too: what is outside goes later.
    ///
    /// # Errors
    /// [`BindError::Unconvertible`] if `convert` is none for it.
    pub fn converted(&self, value: &CursorValue, outwards: Towards) -> Result<Value, BindError> {
        let Some(convert) = &self.convert else { return Ok(value.to_json()) };
        convert.apply(value, outwards).ok_or_else(|| BindError::Unconvertible {
            value: value.to_string(),
            kind: value.kind(),
            convert: convert.to_string(),
        })
    }

    /// Whether a page may show that no later one holds a record of the range.
    pub fn may_end_early(&self) -> bool {
        let range = self.range.as_ref();
        match self.row_order {
            Some(RowOrder::Desc) => range.is_some_and(|range| range.start.is_some()),
            Some(RowOrder::Asc) => range.is_some_and(|range| range.end.is_some()),
            None => false,
        }
    }
}

fn unfit(key: &str, step: Option<&Step>, value: &CursorValue) -> String {
    let step = step.map(ToString::to_string).unwrap_or_default();
    format!("`{key}: {step}` cannot be taken from `{value}`, which is {}", value.kind())
}

/// From `start` to `end`, in steps; none if there is nothing between them.
fn slices(start: CursorValue, end: &CursorValue, step: &Step) -> Result<Vec<Range>, String> {
    let (mut slices, mut start) = (Vec::new(), start);
    loop {
        let order = start
            .compare(end)
            .ok_or_else(|| format!("`{start}` is {}, and the end `{end}` is {}", start.kind(), end.kind()))?;
        if order.is_ge() {
            return Ok(slices);
        }
        let next = start.stepped(step, Towards::Higher, false);
        let next = next.ok_or_else(|| unfit("window.step", Some(step), &start))?;
        if slices.len() == MOST_RANGES || next.compare(&start).is_none_or(std::cmp::Ordering::is_le) {
            return Err(format!("`window.step: {step}` is too small for the interval to `{end}`"));
        }
        let is_last = next.compare(end).is_none_or(std::cmp::Ordering::is_ge);
        let slice_end = if is_last { end.clone() } else { next };
        slices.push(Range { start: Some(start), end: Some(slice_end.clone()), has_next: !is_last });
        start = slice_end;
    }
}

#[cfg(test)]
impl IncrementalPlan {
    /// One of the field `at` that says nothing else: what tests begin with.
    pub fn of_tests() -> Self {
        Self {
            cursor_path: "at".parse().unwrap(),
            initial_value: None,
            end_value: None,
            last_value_func: LastValueFunc::Max,
            lag: None,
            row_order: None,
            on_missing: OnMissing::Raise,
            range_start: RangeEdge::Closed,
            range_end: RangeEdge::Open,
            identity: Identity::Content,
            convert: None,
            window: None,
            then: WriteDisposition::Append,
            is_interval: false,
            range: None,
            lists: None,
            epoch: None,
            now: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    pub(super) fn plan(initial: Value) -> IncrementalPlan {
        IncrementalPlan { initial_value: CursorValue::of_json(&initial), ..IncrementalPlan::of_tests() }
    }

    fn now() -> DateTime<Utc> {
        "2026-01-04T12:34:56.789Z".parse().unwrap()
    }

    fn ranges(plan: &IncrementalPlan, last: Value) -> Vec<[Value; 2]> {
        let shown = |value: &Option<CursorValue>| value.as_ref().map_or(Value::Null, CursorValue::to_json);
        let ranges = plan.ranges(CursorValue::of_json(&last).as_ref(), now()).unwrap();
        ranges.iter().map(|range| [shown(&range.start), shown(&range.end)]).collect()
    }

    #[test]
    fn a_run_begins_at_the_last_value_less_the_lag_and_never_before_the_initial_one() {
        let mut plan = plan(json!("2026-01-01T00:00:00Z"));
        assert_eq!(ranges(&plan, json!(null)), [[json!("2026-01-01T00:00:00Z"), json!(null)]]);
        plan.lag = Some(Step::Plain(30.0));
        assert_eq!(ranges(&plan, json!("2026-01-02T00:00:00Z"))[0][0], "2026-01-01T23:59:30Z");
        assert_eq!(ranges(&plan, json!("2026-01-01T00:00:10Z"))[0][0], "2026-01-01T00:00:00Z");
        // A date as the initial value makes days of it, as in dlt.
        plan.initial_value = CursorValue::of_json(&json!("2025-01-01"));
        plan.lag = Some(Step::Plain(1.0));
        assert_eq!(ranges(&plan, json!("2026-01-02T10:00:00Z"))[0][0], "2026-01-01T00:00:00Z");
    }

    #[test]
    fn under_min_the_lag_goes_the_other_way() {
        let mut plan = plan(json!(100));
        (plan.last_value_func, plan.lag) = (LastValueFunc::Min, Some(Step::Plain(5.0)));
        assert_eq!(ranges(&plan, json!(50))[0][0], 55);
        assert_eq!(ranges(&plan, json!(98))[0][0], 100);
    }

    #[test]
    fn an_end_value_makes_each_run_begin_anew() {
        let mut plan = plan(json!(1));
        plan.end_value = CursorValue::of_json(&json!(9));
        assert_eq!(ranges(&plan, json!(5)), [[json!(1), json!(9)]]);
        assert!(!plan.moves_cursor());
    }

    #[test]
    fn windows_go_from_the_cursor_to_now_and_the_last_one_is_cut() {
        let mut plan = plan(json!("2026-01-01T06:00:00Z"));
        plan.window = Some(Window { step: Step::Time(DAY * 2), lookback: None });
        let expected = [
            [json!("2026-01-01T06:00:00Z"), json!("2026-01-03T06:00:00Z")],
            [json!("2026-01-03T06:00:00Z"), json!("2026-01-04T12:34:56Z")],
        ];
        assert_eq!(ranges(&plan, json!(null)), expected);
        assert_eq!(ranges(&plan, json!("2026-01-04T12:34:56Z")), Vec::<[Value; 2]>::new());
        plan.window = Some(Window { step: Step::Time(DAY * 2), lookback: Some(Step::Time(DAY)) });
        assert_eq!(ranges(&plan, json!("2026-01-04T00:00:00Z"))[0][0], "2026-01-03T00:00:00Z");
    }

    #[test]
    fn windows_of_dates_end_with_yesterday_and_those_of_numbers_at_the_end_value() {
        let mut dates = plan(json!("2026-01-03"));
        dates.window = Some(Window { step: Step::Time(DAY), lookback: None });
        assert_eq!(ranges(&dates, json!(null)), [[json!("2026-01-03"), json!("2026-01-04")]]);
        let mut numbers = plan(json!(0));
        numbers.window = Some(Window { step: Step::Plain(10.0), lookback: None });
        assert!(numbers.ranges(None, now()).is_err());
        numbers.end_value = CursorValue::of_json(&json!(15));
        assert_eq!(ranges(&numbers, json!(null)), [[json!(0), json!(10)], [json!(10), json!(15)]]);
        assert!(numbers.moves_cursor());
    }

    #[test]
    fn a_state_gives_back_its_value_exactly() {
        let large = CursorValue::of_number("123456789012345678901234567891").unwrap();
        for last in [CursorValue::of_text("2026-01-01"), CursorValue::of_number("7").unwrap(), large] {
            let state = CursorState {
                cursor_path: "at".to_owned(),
                last_value_func: LastValueFunc::Max,
                key: Some(vec!["id".to_owned()]),
                all: ListState {
                    last_value: last.clone(),
                    loaded: vec!["h".to_owned()],
                    earlier: [("i".to_owned(), last.clone())].into_iter().collect(),
                },
                lists: BTreeMap::new(),
            };
            let stored = serde_json::to_value(&state).unwrap();
            let read = CursorState::of(&stored).unwrap();
            assert!(read.all.last_value.compare(&last).unwrap().is_eq() && read.all.loaded == state.all.loaded);
            assert_eq!(read.all.records().count(), 2);
            assert_eq!(read.identity(), Identity::Key(vec!["id".parse().unwrap()]));
            assert_eq!(CursorState::shown(&stored), last.to_json());
        }
        assert_eq!(CursorState::shown(&json!("other")), "other");
    }
}
