//! PAGE → PAGE: takes out the records that a cursor says are not wanted, before anything is made of them.
//!
//! ```text
//! record ─► cursor's value ─┬─ missing ─────────────► as `on_cursor_value_missing` says
//!                           ├─ outside of the range ► out
//!                           ├─ loaded before ───────► out
//!                           └─ else ────────────────► stays;  the page's latest value, and which records have it: Seen
//! ```
//!
//! Pure and per page, so threads share a sieve. The caller combines the results of pages in order. The
//! records of a page that loses none are not touched; those of another are copied, as the API wrote them.

use std::{cmp::Ordering, sync::Arc};

use super::{DecodeError, error::CursorProblem};
use crate::{
    digest,
    json::{Document, Kind, Node},
    model::Page,
    plan::{CursorValue, Identity, IncrementalPlan, LastValueFunc, ListStart, OnMissing, Range, RangeEdge, RowOrder},
    secret::shortened,
    suggestion::missing_field,
};

/// Decides which records of a resource's pages stay.
#[derive(Debug)]
pub struct Sieve {
    resource: String,
    plan: IncrementalPlan,
    /// The start of the single list, or of all unknown lists.
    start: Arc<ListStart>,
    /// By what the records are remembered that were loaded before.
    known_by: Identity,
    /// True if the sieve returns the records that the next run will receive again.
    remembers: bool,
}

/// The cursor values of a page.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub page: u64,
    /// The list that the page is of.
    pub list: u64,
    /// The latest value, and the number of the first record that has it.
    pub latest: Option<(CursorValue, u64)>,
    /// The value that comes first in the cursor's order.
    pub earliest: Option<CursorValue>,
    /// The first value ahead of the clock, and the number of its record.
    pub ahead: Option<(CursorValue, u64)>,
    /// Records that the next run gets again if the latest value of all is this page's, by their values.
    pub loaded: Vec<(CursorValue, String)>,
    /// Records ahead of the clock, which come again in each run until it has reached them.
    pub later: Vec<(CursorValue, String)>,
    /// Records that an earlier run has loaded.
    pub known: u64,
    /// Position of the page's last record relative to the start.
    pub ends: Side,
    /// True if records without a value stay.
    pub has_missing: bool,
    /// The order of the values, if an order is declared.
    pub course: Course,
}

/// The order of a page's values, as received from the API.
#[derive(Clone, Debug, Default)]
pub struct Course {
    last: Option<CursorValue>,
    /// The first two values of which the second comes later, and of which it comes earlier.
    forward: Option<Turn>,
    backward: Option<Turn>,
}

/// Two values that follow each other, and the number of the second one's record.
#[derive(Clone, Debug)]
pub struct Turn {
    pub from: CursorValue,
    pub to: CursorValue,
    pub record: u64,
}

impl Course {
    fn go_on(&mut self, value: &CursorValue, record: u64, func: LastValueFunc) {
        let turn = |from: &CursorValue| Some(Turn { from: from.clone(), to: value.clone(), record });
        match self.last.as_ref().and_then(|last| Some((last, func.compare(value, last)?))) {
            Some((last, Ordering::Greater)) if self.forward.is_none() => self.forward = turn(last),
            Some((last, Ordering::Less)) if self.backward.is_none() => self.backward = turn(last),
            _ => {}
        }
        self.last = Some(value.clone());
    }

    /// Returns true if any two values are in this order.
    pub fn keeps(&self, order: RowOrder) -> bool {
        let kept = if order == RowOrder::Asc { &self.forward } else { &self.backward };
        kept.is_some()
    }

    /// Two values that are not, if none are.
    pub fn against(&self, order: RowOrder) -> Option<&Turn> {
        let against = if order == RowOrder::Asc { &self.backward } else { &self.forward };
        against.as_ref().filter(|_| !self.keeps(order))
    }
}

/// The position of a value relative to the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    BeforeRange,
    #[default]
    Inside,
    BehindRange,
}

/// The wanted part of one list.
struct List<'a> {
    start: &'a Arc<ListStart>,
    range: Range,
}

/// The decision on one record.
enum Fate {
    Stays,
    Goes,
}

impl Sieve {
    /// `start` is that of a resource with one list; the others' are in the plan. `known_by` is what the records in them are
    /// remembered by. `remembers` returns the records that the next run will receive again.
    pub fn new(resource: &str, plan: &IncrementalPlan, start: ListStart, known_by: Identity, remembers: bool) -> Self {
        Self {
            resource: resource.to_owned(),
            plan: plan.clone(),
            start: Arc::new(start),
            known_by,
            remembers: remembers && plan.identity != Identity::Off,
        }
    }

    /// Returns the page without the dropped records, and the cursor values of all its records.
    ///
    /// # Errors
    /// A record without a value where that is none of the allowed things, and values that have no order.
    pub fn sift(&self, page: Page) -> Result<(Page, Seen), DecodeError> {
        let mut seen = Seen { page: page.number, list: page.list, ..Seen::default() };
        let list = self.list(page.list);
        let mut kept = Vec::new();
        for (index, record) in records(&page).enumerate() {
            let number =
                page.numbers.as_ref().and_then(|numbers| numbers.get(index)).copied().unwrap_or(index as u64 + 1);
            match self.judge(&list, record, number, &mut seen) {
                Ok(Fate::Stays) => kept.push((record, number)),
                Ok(Fate::Goes) => {}
                Err(problem) => return Err(self.error(page.number, number, problem)),
            }
        }
        self.forget_old(&mut seen);
        seen.loaded.append(&mut seen.later);
        let sifted = without(&page, &kept).map_err(|_| self.error(page.number, 0, CursorProblem::Lost))?;
        Ok((sifted.unwrap_or(page), seen))
    }

    /// Returns the position of the last record of an unprocessed page.
    pub fn side_of_last(&self, page: &Page) -> Side {
        let value = records(page).last().and_then(|record| self.value(record).ok()).flatten();
        value.and_then(|value| self.side(&self.list(page.list).range, &value).ok()).unwrap_or_default()
    }

    fn list(&self, number: u64) -> List<'_> {
        // What a run leaves out has no pages.
        let range = self.plan.range_of(number).unwrap_or_default();
        List { start: self.plan.list_start(number).unwrap_or(&self.start), range }
    }

    /// The error for values of two pages that have no order.
    pub fn mixed(&self, seen: &Seen, latest: &CursorValue) -> DecodeError {
        let (value, record) = seen.latest.clone().unwrap_or_else(|| (latest.clone(), 0));
        self.error(seen.page, record, mixed(&value, latest))
    }

    /// The error for a page that goes against the declared order.
    pub fn misordered(&self, page: u64, turn: &Turn, declared: RowOrder) -> DecodeError {
        let shown = |value: &CursorValue| value.to_json().to_string();
        let (from, to) = (shown(&turn.from), shown(&turn.to));
        self.error(page, turn.record, CursorProblem::Order { declared: declared.word(), from, to })
    }

    fn judge(&self, list: &List<'_>, record: Node<'_>, number: u64, seen: &mut Seen) -> Result<Fate, CursorProblem> {
        let Some(value) = self.value(record)? else {
            return match self.plan.on_missing {
                OnMissing::Raise => {
                    let path = self.plan.cursor_path.to_string();
                    let path = path.trim_start_matches("$.");
                    Err(CursorProblem::Missing { suggestion: missing_field(path, record) })
                }
                OnMissing::Include => {
                    seen.has_missing = true;
                    Ok(Fate::Stays)
                }
                OnMissing::Exclude => Ok(Fate::Goes),
            };
        };
        if self.plan.row_order.is_some() {
            seen.course.go_on(&value, number, self.plan.last_value_func);
        }
        seen.ends = self.side(&list.range, &value)?;
        if seen.ends != Side::Inside {
            return Ok(Fate::Goes);
        }
        let was_loaded = self.was_loaded(list.start, record, &value)?;
        self.remember(record, value, number, seen)?;
        seen.known += u64::from(was_loaded);
        Ok(if was_loaded { Fate::Goes } else { Fate::Stays })
    }

    /// The cursor's value of a record: of several, the one that comes last by `last_value_func`. An empty text is none.
    fn value(&self, record: Node<'_>) -> Result<Option<CursorValue>, CursorProblem> {
        let path = &self.plan.cursor_path;
        if !path.takes_elements() {
            return self.last_of(path.find(record));
        }
        let found = path.find_all(record);
        match found[..] {
            // A `[*]` at the end of a path leaves a list whole.
            [list] if !path.is_query() && list.kind() == Kind::Array => self.last_of(list.items()),
            _ => self.last_of(found),
        }
    }

    fn last_of<'a>(&self, nodes: impl IntoIterator<Item = Node<'a>>) -> Result<Option<CursorValue>, CursorProblem> {
        let mut last: Option<CursorValue> = None;
        for node in nodes.into_iter().filter(|node| node.kind() != Kind::Null && node.raw() != b"\"\"") {
            let value = CursorValue::of(node).ok_or_else(|| CursorProblem::Unordered { found: shown(node) })?;
            last = Some(match last {
                Some(last) if self.compare(&value, &last)?.is_le() => last,
                _ => value,
            });
        }
        Ok(last)
    }

    fn side(&self, range: &Range, value: &CursorValue) -> Result<Side, CursorProblem> {
        if let Some(end) = &range.end {
            let order = self.compare(value, end)?;
            if order.is_gt() || (order.is_eq() && self.plan.range_end == RangeEdge::Open) {
                return Ok(Side::BehindRange);
            }
        }
        if let Some(start) = &range.start {
            let order = self.compare(value, start)?;
            if order.is_lt() || (order.is_eq() && self.plan.range_start == RangeEdge::Open) {
                return Ok(Side::BeforeRange);
            }
        }
        Ok(Side::Inside)
    }

    fn was_loaded(&self, list: &ListStart, record: Node<'_>, value: &CursorValue) -> Result<bool, CursorProblem> {
        let Some(last) = list.last.as_ref().filter(|_| !list.loaded.is_empty()) else { return Ok(false) };
        if self.compare(value, last)?.is_gt() {
            return Ok(false);
        }
        Ok(list.loaded.has(&identify(record, &self.known_by)?, value))
    }

    fn remember(
        &self,
        record: Node<'_>,
        value: CursorValue,
        number: u64,
        seen: &mut Seen,
    ) -> Result<(), CursorProblem> {
        let order = match &seen.latest {
            Some((latest, _)) => self.compare(&value, latest)?,
            None => Ordering::Greater,
        };
        if order.is_gt() && self.plan.is_ahead(&value) {
            if self.remembers {
                seen.later.push((value.clone(), identify(record, &self.plan.identity)?));
            }
            seen.ahead.get_or_insert((value, number));
            return Ok(());
        }
        let comes_again = self.remembers && self.plan.range_start == RangeEdge::Closed;
        if comes_again && (order.is_ge() || self.plan.lag.is_some()) {
            if order.is_gt() && self.plan.lag.is_none() {
                seen.loaded.clear();
            }
            seen.loaded.push((value.clone(), identify(record, &self.plan.identity)?));
        }
        let is_earlier = match &seen.earliest {
            Some(earliest) => self.compare(&value, earliest)?.is_lt(),
            None => true,
        };
        if is_earlier {
            seen.earliest = Some(value.clone());
        }
        if order.is_gt() {
            seen.latest = Some((value, number));
        }
        Ok(())
    }

    /// With a lag, records of all values are remembered until the latest one is known.
    fn forget_old(&self, seen: &mut Seen) {
        let Some(oldest) = seen.latest.as_ref().and_then(|(latest, _)| self.plan.lagged(latest)) else { return };
        let func = self.plan.last_value_func;
        seen.loaded.retain(|(value, _)| func.compare(value, &oldest).is_some_and(Ordering::is_ge));
    }

    fn compare(&self, value: &CursorValue, other: &CursorValue) -> Result<Ordering, CursorProblem> {
        self.plan.last_value_func.compare(value, other).ok_or_else(|| mixed(value, other))
    }

    fn error(&self, page: u64, record: u64, problem: CursorProblem) -> DecodeError {
        DecodeError::Cursor {
            resource: self.resource.clone(),
            page,
            record,
            path: self.plan.cursor_path.to_string(),
            problem,
        }
    }
}

fn mixed(value: &CursorValue, other: &CursorValue) -> CursorProblem {
    if value.is_text() && other.is_text() {
        let [value, other] = [value, other].map(|value| value.to_json().to_string());
        return CursorProblem::UnsortedText { value, other };
    }
    CursorProblem::Mixed {
        value: value.to_json().to_string(),
        kind: value.kind(),
        other: other.to_json().to_string(),
        other_kind: other.kind(),
    }
}

fn records(page: &Page) -> Box<dyn Iterator<Item = Node<'_>> + '_> {
    let Some(index) = page.records else { return Box::new(std::iter::empty()) };
    let records = page.document.node(index);
    match records.kind() {
        Kind::Array => Box::new(records.items()),
        _ => Box::new(std::iter::once(records)),
    }
}

/// The page with these of its records alone; `None` if that is all of them.
fn without(page: &Page, kept: &[(Node<'_>, u64)]) -> Result<Option<Page>, crate::json::SyntaxError> {
    let gone = page.count - kept.len() as u64;
    if gone == 0 {
        return Ok(None);
    }
    let mut text = vec![b'['];
    for (index, (record, _)) in kept.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(record.raw());
    }
    text.push(b']');
    let document = Document::parse(text)?.with_cells_of(&page.document);
    Ok(Some(Page {
        number: page.number,
        list: page.list,
        repeats: kept.iter().filter(|(_, number)| page.is_repeated(*number)).count() as u64,
        pass: page.pass,
        records: Some(document.root().index()),
        document: Arc::new(document),
        count: kept.len() as u64,
        filtered: page.filtered + gone,
        duplicates: page.duplicates,
        rejects: page.rejects.clone(),
        numbers: Some(kept.iter().map(|(_, number)| *number).collect()),
        hold: page.hold.clone(),
    }))
}

/// Returns an identifier of a record that does not depend on the order of its keys.
fn identify(record: Node<'_>, by: &Identity) -> Result<String, CursorProblem> {
    let mut bytes = Vec::new();
    match by {
        Identity::Key(places) => {
            for place in places {
                let missing = || CursorProblem::NoKey { field: place.to_string() };
                place.find(record).ok_or_else(missing)?.write_canonical(&mut bytes);
                bytes.push(b'\n');
            }
        }
        Identity::Content | Identity::Off => record.write_canonical(&mut bytes),
    }
    Ok(digest::key(&bytes))
}

fn shown(node: Node<'_>) -> String {
    shortened(&String::from_utf8_lossy(node.raw()), 200)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::Step;

    fn plan() -> IncrementalPlan {
        IncrementalPlan::of_tests()
    }

    fn range(start: Value, end: Value) -> Option<Range> {
        Some(Range { start: CursorValue::of_json(&start), end: CursorValue::of_json(&end), has_next: false })
    }

    fn page(text: &str) -> Page {
        let document = Document::parse(text.as_bytes().to_vec()).unwrap();
        let (records, count) = (Some(document.root().index()), document.root().items().count() as u64);
        Page { filtered: 1, ..Page::new(4, Arc::new(document), records, count) }
    }

    fn sieve(plan: &IncrementalPlan) -> Sieve {
        Sieve::new("r", plan, ListStart::default(), plan.identity.clone(), true)
    }

    fn start(last: Value, loaded: Vec<(CursorValue, String)>) -> ListStart {
        let loaded = loaded.into_iter().map(|(value, record)| (record, value)).collect();
        ListStart { start: None, last: CursorValue::of_json(&last), loaded }
    }

    fn kept(sieve: &Sieve, text: &str) -> String {
        let (page, _) = sieve.sift(page(text)).unwrap();
        String::from_utf8(page.document.bytes().to_vec()).unwrap()
    }

    #[test]
    fn records_outside_of_the_range_go_and_the_others_keep_their_numbers() {
        let plan = IncrementalPlan { range: range(json!(2), json!(5)), ..plan() };
        let (page, seen) = sieve(&plan).sift(page(r#"[{"at":1},{"at": 2},{"at":4},{"at":5},{"at":6}]"#)).unwrap();
        assert_eq!(page.document.bytes(), br#"[{"at": 2},{"at":4}]"#);
        assert_eq!((page.count, page.filtered, page.numbers.as_deref()), (2, 4, Some(&[2, 3][..])));
        assert_eq!(seen.latest.map(|(value, record)| (value.to_json(), record)), Some((json!(4), 3)));
        assert_eq!(seen.ends, Side::BehindRange);
    }

    #[test]
    fn the_edges_of_the_range_belong_to_it_as_they_are_told() {
        let edges = |start, end| IncrementalPlan {
            range: range(json!(2), json!(4)),
            range_start: start,
            range_end: end,
            ..plan()
        };
        let text = r#"[{"at":2},{"at":3},{"at":4}]"#;
        assert_eq!(kept(&sieve(&edges(RangeEdge::Closed, RangeEdge::Open)), text), r#"[{"at":2},{"at":3}]"#);
        assert_eq!(kept(&sieve(&edges(RangeEdge::Open, RangeEdge::Closed)), text), r#"[{"at":3},{"at":4}]"#);
    }

    #[test]
    fn under_min_the_range_is_the_other_way_round() {
        let plan = IncrementalPlan { last_value_func: LastValueFunc::Min, range: range(json!(5), json!(2)), ..plan() };
        assert_eq!(kept(&sieve(&plan), r#"[{"at":6},{"at":5},{"at":3},{"at":2}]"#), r#"[{"at":5},{"at":3}]"#);
    }

    #[test]
    fn records_that_were_loaded_go_however_their_keys_are_ordered_and_changed_ones_stay() {
        let first = r#"[{"at":1,"v":0},{"at":3,"v":1},{"at":3,"v":2}]"#;
        let (_, seen) = sieve(&plan()).sift(page(first)).unwrap();
        assert_eq!(seen.loaded.len(), 2);
        let plan = IncrementalPlan { range: range(json!(3), json!(null)), ..plan() };
        let next = Sieve::new("r", &plan, start(json!(3), seen.loaded), plan.identity.clone(), true);
        assert_eq!(
            kept(&next, r#"[{"v": 1, "at": 3},{"at":3,"v":9},{"at":4,"v":2}]"#),
            r#"[{"at":3,"v":9},{"at":4,"v":2}]"#
        );
    }

    #[test]
    fn numbers_that_a_double_would_make_equal_stay_two_records() {
        let (_, seen) = sieve(&plan()).sift(page(r#"[{"at":3,"v":20000000000000000001}]"#)).unwrap();
        let plan = IncrementalPlan { range: range(json!(3), json!(null)), ..plan() };
        let next = Sieve::new("r", &plan, start(json!(3), seen.loaded), plan.identity.clone(), true);
        let other = r#"[{"at":3,"v":20000000000000000002}]"#;
        assert_eq!(kept(&next, other), other);
    }

    #[test]
    fn with_a_key_a_changed_record_is_the_one_that_was_loaded() {
        let plan = IncrementalPlan { identity: Identity::Key(vec!["id".parse().unwrap()]), ..plan() };
        let (_, seen) = sieve(&plan).sift(page(r#"[{"id":7,"at":3}]"#)).unwrap();
        let next = Sieve::new("r", &plan, start(json!(3), seen.loaded), plan.identity.clone(), true);
        assert_eq!(kept(&next, r#"[{"id":7,"at":3,"v":2},{"id":8,"at":3}]"#), r#"[{"id":8,"at":3}]"#);
    }

    #[test]
    fn with_a_lag_a_known_key_is_a_change_where_the_cursor_has_moved() {
        let key = Identity::Key(vec!["id".parse().unwrap()]);
        let plan = IncrementalPlan { identity: key, lag: Some(Step::Plain(20.0)), ..plan() };
        let (_, seen) = sieve(&plan).sift(page(r#"[{"id":1,"at":100},{"id":2,"at":110}]"#)).unwrap();
        let next = Sieve::new("r", &plan, start(json!(110), seen.loaded), plan.identity.clone(), true);
        let moved = r#"[{"id":1,"at":108},{"id":2,"at":110}]"#;
        assert_eq!(kept(&next, moved), r#"[{"id":1,"at":108}]"#);
    }

    #[test]
    fn with_a_lag_records_of_all_values_that_come_again_are_remembered() {
        let plan = IncrementalPlan { lag: Some(Step::Plain(2.0)), ..plan() };
        let (_, seen) = sieve(&plan).sift(page(r#"[{"at":1},{"at":4},{"at":3},{"at":5}]"#)).unwrap();
        let values: Vec<_> = seen.loaded.iter().map(|(value, _)| value.to_json()).collect();
        assert_eq!(values, [json!(4), json!(3), json!(5)]);
    }

    #[test]
    fn a_page_goes_against_an_order_if_no_two_of_its_values_keep_it() {
        let against = |order, func, text: &str| {
            let plan = IncrementalPlan { row_order: Some(order), last_value_func: func, ..plan() };
            let (_, seen) = sieve(&plan).sift(page(text)).unwrap();
            seen.course.against(order).map(|turn| (turn.from.to_string(), turn.to.to_string(), turn.record))
        };
        let turn = |from: &str, to: &str, record| Some((from.to_owned(), to.to_owned(), record));
        let rising = r#"[{"at":1},{"at":1},{"at":2},{"at":4}]"#;
        assert_eq!(against(RowOrder::Desc, LastValueFunc::Max, rising), turn("1", "2", 3));
        assert_eq!(against(RowOrder::Asc, LastValueFunc::Max, rising), None);
        assert_eq!(against(RowOrder::Asc, LastValueFunc::Min, rising), turn("1", "2", 3));
        assert_eq!(against(RowOrder::Desc, LastValueFunc::Max, r#"[{"at":1},{"at":3},{"at":2},{"at":4}]"#), None);
        assert_eq!(against(RowOrder::Desc, LastValueFunc::Max, r#"[{"at":1},{"at":1}]"#), None);
    }

    #[test]
    fn a_record_without_a_value_stays_goes_or_fails_the_run() {
        let with = |on_missing| IncrementalPlan { on_missing, ..plan() };
        let text = r#"[{"at":1},{"at":null},{"x":1},{"at":""}]"#;
        assert_eq!(kept(&sieve(&with(OnMissing::Include)), text), text);
        assert_eq!(kept(&sieve(&with(OnMissing::Exclude)), text), r#"[{"at":1}]"#);
        let error = sieve(&with(OnMissing::Raise)).sift(page(text)).unwrap_err().to_string();
        assert_eq!(error, "resource `r`, page 4, record 2: there is no value at `at`, where the cursor stands");
    }

    #[test]
    fn of_several_values_the_last_one_counts() {
        let text = r#"[{"days":[{"at":2},{"at":7},{"at":null}]},{"days":[{"at":1}]},{"days":[{"at":5},{"at":3}]}]"#;
        let several = |path: &str, func, start: Value| IncrementalPlan {
            cursor_path: path.parse().unwrap(),
            last_value_func: func,
            range: range(start, json!(null)),
            ..plan()
        };
        let (kept, seen) = sieve(&several("days[*].at", LastValueFunc::Max, json!(4))).sift(page(text)).unwrap();
        assert_eq!((kept.count, seen.latest.unwrap().0.to_json()), (2, json!(7)));
        let (kept, seen) = sieve(&several("$.days[*]['at']", LastValueFunc::Min, json!(2))).sift(page(text)).unwrap();
        assert_eq!((kept.count, seen.latest.unwrap().0.to_json()), (2, json!(1)));
        let list = sieve(&several("at[*]", LastValueFunc::Max, json!(null)));
        let (_, seen) = list.sift(page(r#"[{"at":[3,9,4]},{"at":[5]}]"#)).unwrap();
        assert_eq!(seen.latest.unwrap().0.to_json(), json!(9));
        assert!(list.sift(page(r#"[{"at":[]}]"#)).is_err());
    }

    #[test]
    fn texts_that_do_not_sort_by_time_are_refused_when_they_are_compared() {
        let text = r#"[{"at":"12/31/2025"},{"at":"12/31/2025"},{"at":"01/02/2026"}]"#;
        let error = sieve(&plan()).sift(page(text)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "resource `r`, page 4, record 3: the cursor at `at` is \"01/02/2026\", and cannot be compared with \"12/31/2025\": \
             as texts they do not sort by time or by number, and newer records would be left out"
        );
    }

    #[test]
    fn a_record_ahead_of_the_clock_stays_and_is_remembered_beside_the_latest_value() {
        let now = "2026-01-04T00:00:00Z".parse().ok();
        let plan = IncrementalPlan { now, ..plan() };
        let text = r#"[{"at":"2999-01-01"},{"at":"2026-01-02"},{"at":"2026-01-05"},{"at":"2026-01-05T00:00:01Z"}]"#;
        let (page, seen) = sieve(&plan).sift(page(text)).unwrap();
        assert_eq!((page.count, seen.latest.unwrap().0.to_json()), (4, json!("2026-01-05")));
        assert_eq!(seen.ahead.map(|(value, record)| (value.to_json(), record)), Some((json!("2999-01-01"), 1)));
        assert_eq!(seen.loaded.len(), 3);
        let next = Sieve::new("r", &plan, start(json!("2999-01-01"), seen.loaded), plan.identity.clone(), true);
        assert_eq!(kept(&next, text), r#"[{"at":"2026-01-02"}]"#);
    }

    #[test]
    fn values_without_an_order_are_named() {
        let plan = IncrementalPlan { range: range(json!("2026-01-01"), json!(null)), ..plan() };
        let error = sieve(&plan).sift(page(r#"[{"at":"2026-01-02"},{"at":17}]"#)).unwrap_err().to_string();
        assert_eq!(
            error,
            "resource `r`, page 4, record 2: the cursor at `at` is 17, a number, and cannot be compared with \"2026-01-01\", a date"
        );
        let error = sieve(&plan).sift(page(r#"[{"at":[1]}]"#)).unwrap_err().to_string();
        assert_eq!(error, "resource `r`, page 4, record 1: the cursor at `at` is [1], which has no order");
    }
}
