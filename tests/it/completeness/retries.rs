//! Of a resource with a list for each parent, the next run requests only the lists again that were incomplete.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use restlake::{environment::Environment, plan::Plan, run::run};

use super::*;
use crate::{
    resume::{
        faults::{POINTS, broken_at},
        later, still,
    },
    support::environment::Recorder,
};

/// Lists of `/parents/{id}/items`, four records on a page.
#[derive(Clone)]
struct Family {
    state: Arc<Mutex<State>>,
    case: Arc<Case>,
}

#[derive(Default)]
struct State {
    lists: BTreeMap<u64, Vec<Value>>,
    /// Parents whose lists are refused at a depth, after the first page.
    broken: BTreeSet<u64>,
    /// Only requests are refused that ask for records from here on.
    broken_from: u64,
    /// The parent whose list is forbidden after the first page.
    forbidden: Option<u64>,
}

impl State {
    fn answer(&self, request: &Received) -> Reply {
        let offset = request.number_param("offset").unwrap_or(0);
        let (from, to) = (request.number_param("from").unwrap_or(0), request.number_param("to").unwrap_or(u64::MAX));
        let page = |rows: &[Value]| {
            let rows = rows.iter().filter(|row| row["at"].as_u64().is_none_or(|at| from <= at && at < to));
            let rows: Vec<_> = rows.skip(offset as usize).take(4).cloned().collect();
            reply(&json!({ "data": rows }))
        };
        let Some(parent) = request.path.split('/').nth(2) else {
            return page(&self.lists.keys().map(|id| json!({ "id": id })).collect::<Vec<_>>());
        };
        let parent = parent.parse().unwrap();
        match offset {
            1.. if self.broken.contains(&parent) && from >= self.broken_from => {
                Reply::json(r#"{"error": "Result window is too large"}"#).with_status(400)
            }
            1.. if self.forbidden == Some(parent) => Reply::status(403),
            _ => page(&self.lists[&parent]),
        }
    }
}

/// Six records, e.g. 301 to 306 for the parent 3.
fn list(parent: u64) -> Vec<Value> {
    (1..=6).map(|number| child(parent * 100 + number, parent)).collect()
}

fn child(id: u64, parent: u64) -> Value {
    json!({"id": id, "v": format!("of {parent}"), "at": id % 100})
}

impl Family {
    /// Of so many parents, where the lists of `broken` are incomplete. `resource` are keys of the children.
    async fn new(parents: u64, broken: &[u64], resource: Value) -> Self {
        let lists = (1..=parents).map(|parent| (parent, list(parent))).collect();
        let state = State { lists, broken: broken.iter().copied().collect(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let api = Arc::clone(&state);
        let case = Case::new(move |request| api.lock().unwrap().answer(request), json!({}), json!({})).await;
        let case = case.with(|config| {
            let paged = |path: &str| json!({"path": path, "data_selector": "data", "paginator": {"type": "offset", "limit": 4}});
            let mut items = json!({
                "name": "items", "endpoint": paged("parents/{resources.parents.id}/items"),
                "schema": {"columns": [{"name": "id", "type": "int64"}, {"name": "v", "type": "string"}]},
            });
            add(&mut items, &resource);
            let parents = json!({
                "name": "parents", "selected": false, "endpoint": paged("parents"),
                "schema": {"columns": [{"name": "id", "type": "int64"}]},
            });
            config["resources"] = json!([parents, items]);
        });
        Self { state, case: Arc::new(case) }
    }

    /// With a checkpoint after every page.
    fn with_checkpoints(self) -> Self {
        let mut case = Arc::try_unwrap(self.case).ok().unwrap();
        case.config["resources"][1]["checkpoint_interval"] = json!("0s");
        Self { case: Arc::new(case), ..self }
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn breaks(&self, broken: &[u64]) {
        self.set(|state| state.broken = broken.iter().copied().collect());
    }

    /// Runs, and returns the parents whose lists were requested, too.
    async fn run(&self) -> (Ran, Vec<u64>) {
        self.run_in(still(), &Overrides::default()).await
    }

    fn plan(&self, overrides: &Overrides) -> Plan {
        plan_with(&self.case.config.to_string(), overrides)
    }

    async fn run_in(&self, environment: Environment, overrides: &Overrides) -> (Ran, Vec<u64>) {
        let before = self.case.server.targets().len();
        let outcome = run(self.plan(overrides), environment, Arc::new(Recorder::default())).await;
        let exit = Exit::of(&outcome.kinds) as u8;
        let summary = outcome.summary.resources.into_iter().find(|resource| resource.name == "items").unwrap();
        let targets = self.case.server.targets()[before..].to_vec();
        let asked: BTreeSet<_> = targets.iter().filter_map(|target| target.split('/').nth(2)?.parse().ok()).collect();
        (Ran { exit, summary }, asked.into_iter().collect())
    }

    /// `id v` of all rows.
    fn rows(&self) -> Vec<String> {
        rows(&self.case.table(), &["id", "v"])
    }

    /// All rows of all lists as they are now.
    fn expected(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let text = |row: &Value| format!("{} {}", row["id"], row["v"].as_str().unwrap());
        let mut rows: Vec<_> = state.lists.values().flatten().map(text).collect();
        rows.sort();
        rows
    }

    /// Whether anything is kept that no commit names.
    fn has_staged(&self) -> bool {
        crate::support::tables::walk(self.case.lake.path()).into_keys().any(|path| path.contains("/staging/"))
    }

    /// A run that is complete, and whose table has each row of the API once.
    async fn completes(&self, asked: &[u64]) -> Ran {
        let (ran, requested) = self.run().await;
        assert_eq!((ran.exit, ran.summary.complete), (0, Some(true)), "{ran:#?}");
        assert_eq!((requested, self.rows()), (asked.to_vec(), self.expected()), "{ran:#?}");
        let summary = &ran.summary;
        let counted = summary.rows_written + summary.rows_duplicate + summary.rows_rejected + summary.rows_filtered;
        assert_eq!(summary.rows_fetched, counted + summary.rows_unchanged, "{ran:#?}");
        assert!(!self.has_staged());
        ran
    }

    /// A run that is incomplete and commits nothing.
    async fn is_incomplete(&self, asked: &[u64]) -> Ran {
        let (ran, requested) = self.run().await;
        assert_eq!((ran.exit, ran.summary.table_rows, requested), (6, 0, asked.to_vec()), "{ran:#?}");
        ran
    }
}

/// Every way in which rows are told apart and written.
fn dispositions() -> Vec<Value> {
    vec![
        json!({"write_disposition": "append"}),
        json!({"write_disposition": "append", "primary_key": "id"}),
        json!({"write_disposition": "append", "primary_key": "id", "dedup": false}),
        json!({"write_disposition": "replace"}),
        json!({"write_disposition": "replace", "primary_key": "id", "on_incomplete": "keep"}),
        json!({"write_disposition": "append", "on_incomplete": "keep"}),
        json!({"write_disposition": "merge", "primary_key": "id"}),
        json!({"write_disposition": {"disposition": "merge", "strategy": "scd2"}, "primary_key": "id"}),
        json!({"write_disposition": "append", "partition_by": "v"}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_lists_the_incomplete_one_is_requested_again_and_its_rows_are_in_the_table_once() {
    for resource in dispositions() {
        for broken in [1, 2, 3] {
            let family = Family::new(3, &[broken], resource.clone()).await;
            let ran = family.is_incomplete(&[1, 2, 3]).await;
            let message = &ran.summary.error.as_ref().unwrap().message;
            assert!(message.contains("the next run requests only the incomplete lists again"), "{message}");
            family.breaks(&[]);
            let ran = family.completes(&[broken]).await;
            assert!(ran.warns("requests only 1 incomplete list again"), "{ran:#?}");
            assert_eq!(ran.summary.rows_written, 18, "{resource}: {ran:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_incomplete_again_is_requested_alone_each_time() {
    for resource in dispositions() {
        let family = Family::new(3, &[2], resource).await;
        family.is_incomplete(&[1, 2, 3]).await;
        for _ in 0..3 {
            let ran = family.is_incomplete(&[2]).await;
            assert!(ran.summary.incomplete.as_ref().unwrap().reason.contains("list 2:"), "{ran:#?}");
            assert_eq!(ran.missing(), Some((4, None)));
        }
        family.breaks(&[]);
        family.completes(&[2]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_incomplete_lists_of_five_the_one_that_is_complete_then_is_not_requested_a_third_time() {
    for resource in dispositions() {
        let family = Family::new(5, &[2, 5], resource).await;
        let ran = family.is_incomplete(&[1, 2, 3, 4, 5]).await;
        assert!(ran.summary.incomplete.as_ref().unwrap().reason.contains("(also incomplete: list 5)"), "{ran:#?}");
        family.breaks(&[5]);
        let ran = family.is_incomplete(&[2, 5]).await;
        let reason = ran.summary.incomplete.unwrap().reason;
        assert!(reason.contains("list 5:") && !reason.contains("also"), "{reason}");
        family.breaks(&[]);
        family.completes(&[5]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_lists_are_incomplete_nothing_is_kept() {
    let family = Family::new(2, &[1, 2], json!({})).await;
    family.is_incomplete(&[1, 2]).await;
    assert!(!family.has_staged());
    family.breaks(&[]);
    family.completes(&[1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_parents_in_between_have_all_lists_read_again() {
    let added = |state: &mut State| drop(state.lists.insert(4, list(4)));
    let removed = |state: &mut State| drop(state.lists.remove(&1));
    for change in [&added as &dyn Fn(&mut State), &removed] {
        let family = Family::new(3, &[2], json!({})).await;
        family.is_incomplete(&[1, 2, 3]).await;
        family.set(change);
        family.breaks(&[]);
        let all: Vec<_> = family.state.lock().unwrap().lists.keys().copied().collect();
        let ran = family.completes(&all).await;
        assert!(ran.warns("the parent's records have changed"), "{ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_config_a_full_refresh_and_no_resume_have_all_lists_read_again() {
    let full_refresh = || Overrides { full_refresh: true, ..Overrides::default() };
    let no_resume = Overrides { no_resume: true, ..Overrides::default() };
    for (name, first, overrides) in [
        ("config", Overrides::default(), Overrides::default()),
        ("refresh", Overrides::default(), full_refresh()),
        ("two refreshes", full_refresh(), full_refresh()),
        ("no resume", Overrides::default(), no_resume),
    ] {
        let resource = json!({"write_disposition": "replace"});
        let mut family = Family::new(3, &[2], resource).await;
        let (ran, _) = family.run_in(still(), &first).await;
        assert_eq!(ran.exit, 6, "{ran:#?}");
        family.breaks(&[]);
        if name == "config" {
            let mut case = Arc::try_unwrap(family.case).ok().unwrap();
            case.config["resources"][1]["endpoint"]["params"] = json!({"state": "open"});
            family.case = Arc::new(case);
        }
        let (ran, requested) = family.run_in(still(), &overrides).await;
        assert_eq!((ran.exit, requested), (0, vec![1, 2, 3]), "{name}: {ran:#?}");
        assert_eq!(family.rows(), family.expected(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_warn_set_in_between_the_incomplete_list_alone_is_read_again_and_all_is_committed() {
    for resource in dispositions() {
        let mut family = Family::new(3, &[2], resource.clone()).await;
        family.is_incomplete(&[1, 2, 3]).await;
        let mut case = Arc::try_unwrap(family.case).ok().unwrap();
        case.config["resources"][1]["on_incomplete"] = json!("warn");
        family.case = Arc::new(case);
        let (ran, requested) = family.run().await;
        assert_eq!((ran.exit, ran.summary.complete, requested), (0, Some(false), vec![2]), "{ran:#?}");
        assert_eq!((ran.summary.table_rows, ran.summary.rows_written), (16, 16), "{resource}: {ran:#?}");
        assert!(ran.warns("incomplete: list 2:"), "{ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_table_has_the_lists_of_both_runs() {
    let mut family = Family::new(3, &[2], json!({"write_disposition": "merge", "primary_key": "id"})).await;
    let mut case = Arc::try_unwrap(family.case).ok().unwrap();
    case.config["destination"]["table_format"] = json!("delta");
    family.case = Arc::new(case);
    family.is_incomplete(&[1, 2, 3]).await;
    family.breaks(&[]);
    let (ran, requested) = family.run().await;
    assert_eq!((ran.exit, requested, ran.summary.table_rows), (0, vec![2], 18), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_within_counts_from_the_first_read_however_often_lists_are_read_again() {
    let family = Family::new(3, &[2], json!({})).await;
    family.is_incomplete(&[1, 2, 3]).await;
    for (minutes, asked) in [(25, vec![2]), (50, vec![2]), (75, vec![1, 2, 3])] {
        let (ran, requested) = family.run_in(later(Duration::from_secs(minutes * 60)), &Overrides::default()).await;
        assert_eq!((ran.exit, requested), (6, asked), "{minutes}: {ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_breaks_off_after_an_incomplete_list_still_leaves_that_one_to_be_read_again() {
    for resource in dispositions() {
        let family = Family::new(4, &[2], resource.clone()).await.with_checkpoints();
        family.set(|state| state.forbidden = Some(4));
        let (ran, requested) = family.run().await;
        assert_eq!((ran.exit, requested), (1, vec![1, 2, 3, 4]), "{resource}: {ran:#?}");
        family.set(|state| state.forbidden = None);
        family.is_incomplete(&[4]).await;
        family.breaks(&[]);
        family.completes(&[2]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_breaks_off_within_an_incomplete_list_has_that_one_read_again_whole() {
    // The first page of the list is in a checkpoint, and is void with the rest of the list.
    for resource in dispositions() {
        let family = Family::new(3, &[], resource.clone()).await.with_checkpoints();
        family.set(|state| state.forbidden = Some(2));
        let (ran, requested) = family.run().await;
        assert_eq!((ran.exit, requested), (1, vec![1, 2]), "{resource}: {ran:#?}");
        family.set(|state| state.forbidden = None);
        family.breaks(&[2]);
        family.is_incomplete(&[2, 3]).await;
        family.breaks(&[]);
        let ran = family.completes(&[2]).await;
        assert_eq!(ran.summary.rows_written, 18, "{resource}: {ran:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_read_that_breaks_off_is_resumed_where_it_was() {
    for resource in dispositions() {
        let family = Family::new(5, &[2, 4], resource.clone()).await.with_checkpoints();
        family.is_incomplete(&[1, 2, 3, 4, 5]).await;
        family.set(|state| (state.broken, state.forbidden) = (BTreeSet::new(), Some(4)));
        let (ran, requested) = family.run().await;
        assert_eq!((ran.exit, requested), (1, vec![2, 4]), "{resource}: {ran:#?}");
        family.set(|state| state.forbidden = None);
        family.completes(&[4]).await;
    }
}

/// Breaks the first run, or the second one, wherever it can be broken; the runs after it make the table of undisturbed ones.
async fn recovers_from_every_fault(resource: Value, breaks_second: bool) {
    let mut broken = 0;
    for point in POINTS {
        for nth in 1.. {
            let family = Family::new(3, &[2], resource.clone()).await.with_checkpoints();
            if breaks_second {
                family.is_incomplete(&[1, 2, 3]).await;
                family.breaks(&[]);
            }
            let Some(failed) = broken_at(point, nth, family.plan(&Overrides::default())).await else { break };
            assert!(!failed.kinds.is_empty(), "{point:?} {nth}: {failed:#?}");
            if !breaks_second {
                let (ran, _) = family.run().await;
                assert_eq!(ran.exit, 6, "{point:?} {nth}: {ran:#?}");
                family.breaks(&[]);
            }
            let (ran, requested) = family.run().await;
            assert_eq!(ran.exit, 0, "{point:?} {nth}: {ran:#?}");
            // A merge that was committed before the fault is done anew; after a checkpoint at its last page, nothing is missing.
            let has_committed = failed.summary.resources.iter().any(|resource| resource.table_version > 0);
            assert!(has_committed || requested.is_empty() || requested == [2], "{point:?} {nth}: {requested:?}");
            assert_eq!(family.rows(), family.expected(), "{point:?} {nth}");
            assert!(!family.has_staged(), "{point:?} {nth}");
            broken += 1;
        }
    }
    assert!(broken > 8, "{broken} faults");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_without_a_key_recovers_from_every_fault_in_either_run() {
    recovers_from_every_fault(json!({}), false).await;
    recovers_from_every_fault(json!({}), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_recovers_from_every_fault_of_the_run_that_reads_a_list_again() {
    recovers_from_every_fault(json!({"write_disposition": "merge", "primary_key": "id"}), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_window_only_the_incomplete_lists_are_requested_again_and_then_the_windows_after_it() {
    for (disposition, broken_from) in [("append", 0), ("append", 3), ("merge", 3), ("merge", 6)] {
        let resource = json!({"write_disposition": disposition, "primary_key": "id"});
        let mut family = Family::new(3, &[2], resource).await;
        let mut case = Arc::try_unwrap(family.case).ok().unwrap();
        let endpoint = &mut case.config["resources"][1]["endpoint"];
        endpoint["params"] = json!({"from": "{incremental.start_value}", "to": "{incremental.end_value}"});
        endpoint["incremental"] =
            json!({"cursor_path": "at", "initial_value": 0, "end_value": 9, "window": {"step": 3}});
        family.case = Arc::new(case);
        family.set(|state| state.broken_from = broken_from);
        let (ran, _) = family.run().await;
        assert_eq!(ran.exit, 6, "{broken_from}: {ran:#?}");
        family.breaks(&[]);
        let before = family.case.server.targets().len();
        let (ran, _) = family.run().await;
        assert_eq!((ran.exit, ran.summary.complete), (0, Some(true)), "{broken_from}: {ran:#?}");
        assert_eq!(family.rows(), family.expected(), "{disposition} {broken_from}");
        let targets = family.case.server.targets()[before..].to_vec();
        let of_window = |target: &&String| target.contains(&format!("from={broken_from}&"));
        let asked: BTreeSet<_> =
            targets.iter().filter(of_window).filter_map(|target| target.split('/').nth(2)).collect();
        assert_eq!(asked, BTreeSet::from(["2"]), "{broken_from}: {targets:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_two_lists_has_the_row_of_the_later_one_whichever_was_read_last() {
    for resource in [
        json!({"write_disposition": "append", "primary_key": "id"}),
        json!({"write_disposition": "merge", "primary_key": "id", "columns": {"id": {"dedup_sort": "desc"}}}),
    ] {
        let family = Family::new(3, &[2], resource).await;
        family.set(|state| {
            for parent in 1..=3 {
                state.lists.get_mut(&parent).unwrap()[1] = child(7, parent);
                state.lists.get_mut(&parent).unwrap()[5] = child(8, parent);
            }
        });
        family.is_incomplete(&[1, 2, 3]).await;
        family.breaks(&[]);
        let (ran, requested) = family.run().await;
        assert_eq!((ran.exit, requested), (0, vec![2]), "{ran:#?}");
        let shared: Vec<_> =
            family.rows().into_iter().filter(|row| row.starts_with("7 ") || row.starts_with("8 ")).collect();
        assert_eq!(shared, ["7 of 3", "8 of 3"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_and_discarded_values_of_the_first_read_are_not_counted_twice() {
    let resource = json!({"schema_contract": {"data_type": "discard_row"}, "primary_key": "id", "max_rejects": 2});
    for key in ["id", "none"] {
        let mut resource = resource.clone();
        if key == "none" {
            resource.as_object_mut().unwrap().remove("primary_key");
        }
        let family = Family::new(3, &[2], resource).await;
        family.set(|state| {
            state.lists.get_mut(&2).unwrap()[0]["id"] = json!("no number");
            state.lists.get_mut(&3).unwrap()[0]["id"] = json!("no number");
        });
        family.is_incomplete(&[1, 2, 3]).await;
        family.is_incomplete(&[2]).await;
        family.breaks(&[]);
        let (ran, requested) = family.run().await;
        assert_eq!((ran.exit, requested), (0, vec![2]), "{ran:#?}");
        assert_eq!((ran.summary.rows_rejected, ran.summary.rows_written), (2, 16), "{ran:#?}");
        let rejects = crate::support::tables::walk(family.case.lake.path()).into_iter();
        let last =
            rejects.filter(|(path, _)| path.contains("/rejects/")).map(|(_, content)| content).next_back().unwrap();
        assert_eq!(String::from_utf8(last.to_vec()).unwrap().lines().count(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_about_a_complete_list_holds_after_the_others_were_read_again() {
    let family = Family::new(3, &[2], json!({"primary_key": "id"})).await;
    family.set(|state| {
        let mut rows: Vec<_> = (1..=11).map(|number| child(100 + number, 1)).collect();
        rows.push(child(101, 1));
        state.lists.insert(1, rows);
    });
    family.is_incomplete(&[1, 2, 3]).await;
    family.breaks(&[]);
    let (ran, requested) = family.run().await;
    assert_eq!((ran.exit, ran.summary.complete, requested), (0, None, vec![2]), "{ran:#?}");
    assert!(ran.warns("1 key came twice"), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_from_a_list_before_its_second_read_is_not_in_a_table_without_a_key() {
    let family = Family::new(3, &[2], json!({})).await;
    family.is_incomplete(&[1, 2, 3]).await;
    family.set(|state| drop(state.lists.get_mut(&2).unwrap().remove(0)));
    family.breaks(&[]);
    family.completes(&[2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keep_has_committed_leaves_no_checkpoint_and_a_merge_without_a_key_none_either() {
    for (resource, rows) in [
        (json!({"write_disposition": "merge", "primary_key": "id", "on_incomplete": "keep"}), 16),
        (json!({"write_disposition": {"disposition": "merge", "strategy": "delete-insert"}, "merge_key": "v"}), 0),
    ] {
        let family = Family::new(3, &[2], resource.clone()).await;
        let (ran, _) = family.run().await;
        assert_eq!((ran.exit, ran.summary.table_rows), (6, rows), "{ran:#?}");
        assert!(!ran.summary.error.as_ref().unwrap().message.contains("next run"), "{ran:#?}");
        assert!(!family.has_staged(), "{resource}");
        family.breaks(&[]);
        family.completes(&[1, 2, 3]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursors_of_all_lists_stand_where_a_run_without_incomplete_lists_leaves_them() {
    let incremental = json!({"cursor_path": "id", "start_param": "since"});
    for disposition in ["append", "merge"] {
        let mut cursors = Vec::new();
        for broken in [&[][..], &[2]] {
            let resource = json!({"write_disposition": disposition, "primary_key": "id"});
            let mut family = Family::new(3, broken, resource).await;
            let mut case = Arc::try_unwrap(family.case).ok().unwrap();
            case.config["resources"][1]["endpoint"]["incremental"] = incremental.clone();
            family.case = Arc::new(case);
            if !broken.is_empty() {
                family.is_incomplete(&[1, 2, 3]).await;
                family.breaks(&[]);
            }
            let all = if broken.is_empty() { vec![1, 2, 3] } else { vec![2] };
            let ran = family.completes(&all).await;
            let (again, _) = family.run().await;
            assert_eq!((again.exit, again.summary.table_rows), (0, 18), "{again:#?}");
            cursors.push((ran.summary.cursor, again.summary.rows_written));
        }
        assert_eq!(cursors[0], cursors[1], "{disposition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_nobody_declared_are_those_of_the_first_run() {
    let mut family = Family::new(3, &[1], json!({"write_disposition": "append"})).await;
    let mut case = Arc::try_unwrap(family.case).ok().unwrap();
    case.config["resources"][1].as_object_mut().unwrap().remove("schema");
    family.case = Arc::new(case);
    family.is_incomplete(&[1, 2, 3]).await;
    family.set(|state| state.lists.get_mut(&1).unwrap().iter_mut().for_each(|row| row["new"] = json!(1)));
    family.breaks(&[]);
    family.completes(&[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_of_lists_are_reported_once_with_their_number_and_those_of_the_parents_list_too() {
    let mut family = Family::new(3, &[], json!({})).await;
    let mut case = Arc::try_unwrap(family.case).ok().unwrap();
    for resource in [0, 1] {
        case.config["resources"][resource]["endpoint"]["paginator"]["stop_after_short_page"] = json!(true);
    }
    family.case = Arc::new(case);
    let (ran, _) = family.run().await;
    let short = "the last page was short, which `stop_after_short_page: true` does not confirm";
    assert_eq!(ran.summary.notes, [short.to_owned(), format!("list 1 and 2 others: {short}")], "{ran:#?}");
}
