//! Cursors of parents and of their children, over several runs: no list is lost where a child fails or is left out, and none
//! is asked for twice.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use restlake::{
    environment::FaultPoint,
    plan::{Overrides, Plan},
    report::{ResourceSummary, Silent, Status},
    run::Outcome,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::TestEnvironment,
    pipeline::{plan_with, run_plan},
    server::{Received, Reply, Server, list_by_offset},
    tables::{all_rows, read_table, sorted_texts},
};

/// Parents with an `at`, each with children that have one too; and a switch that refuses the lists of children.
struct Api {
    server: Server,
    parents: Arc<Mutex<Vec<Value>>>,
    /// Of all parents: `{"id", "of", "at"}`.
    children: Arc<Mutex<Vec<Value>>>,
    is_broken: Arc<AtomicBool>,
    /// Requests that were looked at.
    looked_at: AtomicUsize,
    /// What comes after the next list of parents has been read.
    then: Arc<Mutex<Vec<Value>>>,
}

impl Api {
    async fn start() -> Self {
        let parents = Arc::new(Mutex::new(vec![parent(1, 10), parent(2, 20)]));
        let children = Arc::new(Mutex::new(vec![child(11, 1, 5), child(21, 2, 50)]));
        let is_broken = Arc::new(AtomicBool::new(false));
        let then = Arc::new(Mutex::new(Vec::<Value>::new()));
        let then_now = Arc::clone(&then);
        let (all, of_all, broken) = (Arc::clone(&parents), Arc::clone(&children), Arc::clone(&is_broken));
        let server = Server::start(move |request| match parts(request).as_slice() {
            ["parents"] => {
                let reply = list(&all, request, |_| true);
                if let [parent, child] = then_now.lock().unwrap().split_off(0).as_slice() {
                    all.lock().unwrap().push(parent.clone());
                    of_all.lock().unwrap().push(child.clone());
                }
                reply
            }
            ["parents", _, "children"] if broken.load(Ordering::SeqCst) => Reply::status(403),
            ["parents", of, "children"] => list(&of_all, request, |row| row["of"].as_u64() == of.parse().ok()),
            ["children", id, "leaves"] => {
                Reply::json(json!({"data": [{"id": format!("leaf {id}"), "of": id}]}).to_string())
            }
            _ => Reply::status(404),
        })
        .await;
        Self { server, parents, children, is_broken, looked_at: AtomicUsize::new(0), then }
    }

    /// A parent and a child of it that come once the parents have been read the next time.
    fn add_after_reading(&self, parent: Value, child: Value) {
        self.then.lock().unwrap().extend([parent, child]);
    }

    fn add_parent(&self, id: u64, at: u64) {
        self.parents.lock().unwrap().push(parent(id, at));
    }

    fn add_child(&self, id: u64, of: u64, at: u64) {
        self.children.lock().unwrap().push(child(id, of, at));
    }

    fn break_children(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::SeqCst);
    }

    /// What has been asked for since the last call, sorted.
    fn asked(&self) -> Vec<String> {
        let all = self.server.targets();
        let mut asked = all[self.looked_at.swap(all.len(), Ordering::SeqCst)..].to_vec();
        asked.sort();
        asked
    }
}

fn parts(request: &Received) -> Vec<&str> {
    request.path.trim_matches('/').split('/').collect()
}

fn parent(id: u64, at: u64) -> Value {
    json!({"id": id, "at": at})
}

fn child(id: u64, of: u64, at: u64) -> Value {
    json!({"id": id, "of": of, "at": at})
}

/// Those `from` and before `to`, in one page; or by `offset` and `limit`.
fn list(rows: &Mutex<Vec<Value>>, request: &Received, is_of: impl Fn(&Value) -> bool) -> Reply {
    let bound = |name: &str| request.param(name).and_then(|text| text.parse::<u64>().ok());
    let (from, to) = (bound("from"), bound("to"));
    let is_wanted = |row: &&Value| {
        let at = row["at"].as_u64().unwrap();
        is_of(row) && from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
    };
    list_by_offset(rows.lock().unwrap().iter().filter(is_wanted).cloned().collect(), usize::MAX, false)(request)
}

fn parents() -> Value {
    json!({"name": "parents", "endpoint": {
        "path": "parents", "params": {"from": "{incremental.start_value}"},
        "incremental": {"cursor_path": "at", "initial_value": 0},
    }})
}

/// All of them in each run.
fn every_parent() -> Value {
    json!({"name": "parents", "endpoint": "parents", "write_disposition": "replace"})
}

fn children() -> Value {
    json!({"name": "children", "endpoint": "parents/{resources.parents.id}/children"})
}

fn leaves() -> Value {
    json!({"name": "leaves", "endpoint": "children/{resources.children.id}/leaves"})
}

/// Children with a cursor of their own.
fn moving_children() -> Value {
    let mut children = children();
    children["endpoint"] = json!({
        "path": "parents/{resources.parents.id}/children", "params": {"from": "{incremental.start_value}"},
        "incremental": {"cursor_path": "at", "initial_value": 0},
    });
    children
}

/// A resource with a `schema` of its own is one without any.
fn plan_of(api: &Api, lake: &TempDir, resources: &[Value], overrides: &Overrides) -> Plan {
    let with_schema = |resource: &Value| {
        let mut resource = resource.clone();
        if resource.as_object_mut().unwrap().remove("schema").is_some() {
            return resource;
        }
        let types = json!([{"name": "id", "type": "string"}, {"name": "of", "type": "string"}, {"name": "at", "type": "string"}]);
        resource["schema"] = json!({"columns": types});
        resource
    };
    let config = json!({
        "name": "p",
        "client": {"base_url": api.server.url(), "paginator": {"type": "single_page"}, "retry": {"max_attempts": 1}},
        "resource_defaults": {"endpoint": {"data_selector": "data"}},
        "resources": resources.iter().map(with_schema).collect::<Vec<_>>(),
        "destination": {"url": lake.path()},
    });
    plan_with(&config.to_string(), overrides)
}

fn plan(api: &Api, lake: &TempDir, resources: &[Value]) -> Plan {
    plan_of(api, lake, resources, &Overrides::default())
}

async fn run(api: &Api, lake: &TempDir, resources: &[Value], overrides: &Overrides) -> Outcome {
    run_plan(plan_of(api, lake, resources, overrides)).await
}

async fn well(api: &Api, lake: &TempDir, resources: &[Value]) -> Outcome {
    let outcome = run(api, lake, resources, &Overrides::default()).await;
    assert!(outcome.kinds.is_empty(), "{outcome:#?}");
    outcome
}

fn ids(lake: &TempDir, table: &str) -> Vec<String> {
    let rows = sorted_texts(&all_rows(&read_table(&lake.path().join(table))), &["id"]);
    rows.into_iter().map(|row| row[0].clone().unwrap_or_default()).collect()
}

fn of<'a>(outcome: &'a Outcome, name: &str) -> &'a ResourceSummary {
    outcome.summary.resources.iter().find(|resource| resource.name == name).unwrap()
}

fn count(asked: &[String], start: &str) -> usize {
    asked.iter().filter(|target| target.starts_with(start)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_failed_is_asked_for_by_the_parents_that_its_parent_has_left_behind() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let resources = [parents(), children()];
    api.break_children(true);
    let outcome = run(&api, &lake, &resources, &Overrides::default()).await;
    assert_eq!((of(&outcome, "parents").status, of(&outcome, "children").status), (Status::Ok, Status::Failed));
    api.break_children(false);
    api.add_parent(3, 30);
    api.add_child(31, 3, 1);
    let outcome = well(&api, &lake, &resources).await;
    assert_eq!(ids(&lake, "parents"), ["1", "2", "3"]);
    assert_eq!(ids(&lake, "children"), ["11", "21", "31"]);
    assert!(of(&outcome, "children").warnings.is_empty(), "{outcome:#?}");
    // From now on they go together.
    api.add_parent(4, 40);
    api.add_child(41, 4, 1);
    api.asked();
    let outcome = well(&api, &lake, &resources).await;
    assert_eq!(api.asked(), ["/parents/4/children", "/parents?from=30"]);
    assert!(of(&outcome, "children").warnings.is_empty());
    assert_eq!(ids(&lake, "children"), ["11", "21", "31", "41"]);
    // And nothing new makes no version.
    let version = of(&outcome, "children").table_version;
    assert_eq!(of(&well(&api, &lake, &resources).await, "children").table_version, version);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_was_left_out_of_a_run_misses_none_of_its_parents() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let resources = [parents(), children()];
    well(&api, &lake, &resources).await;
    api.add_parent(3, 30);
    api.add_child(31, 3, 1);
    let alone = |name: &str| Overrides { resources: vec![name.to_owned()], ..Overrides::default() };
    run(&api, &lake, &resources, &alone("parents")).await;
    assert_eq!(ids(&lake, "children"), ["11", "21"]);
    api.asked();
    let outcome = well(&api, &lake, &resources).await;
    let warnings = &of(&outcome, "children").warnings;
    assert!(warnings.iter().any(|warning| warning.contains("by the same records that `parents` has")), "{warnings:?}");
    assert_eq!(ids(&lake, "children"), ["11", "21", "31"]);
    assert_eq!(count(&api.asked(), "/parents/"), 1);
    // And the other way round: the child has gone before.
    api.add_parent(4, 40);
    api.add_child(41, 4, 1);
    run(&api, &lake, &resources, &alone("children")).await;
    assert_eq!(
        (ids(&lake, "children"), ids(&lake, "parents")),
        (vec!["11".into(), "21".into(), "31".into(), "41".into()], vec!["1".into(), "2".into(), "3".into()])
    );
    well(&api, &lake, &resources).await;
    assert_eq!(ids(&lake, "children"), ["11", "21", "31", "41"]);
    assert_eq!(ids(&lake, "parents"), ["1", "2", "3", "4"]);
    api.asked();
    well(&api, &lake, &resources).await;
    assert_eq!(api.asked(), ["/parents?from=40"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_not_exported_is_read_from_where_its_children_have_come_to() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let mut parents = parents();
    parents["selected"] = json!(false);
    let resources = [parents, children()];
    well(&api, &lake, &resources).await;
    assert_eq!(api.asked(), ["/parents/1/children", "/parents/2/children", "/parents?from=0"]);
    api.add_parent(3, 30);
    api.add_child(31, 3, 1);
    well(&api, &lake, &resources).await;
    assert_eq!(api.asked(), ["/parents/3/children", "/parents?from=20"]);
    assert_eq!(ids(&lake, "children"), ["11", "21", "31"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_a_parent_in_windows_are_asked_for_by_the_records_of_all_of_them_once() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let in_windows = |end: u64| {
        let mut parents = parents();
        parents["endpoint"] = json!({
            "path": "parents", "params": {"from": "{incremental.start_value}", "to": "{incremental.end_value}"},
            "incremental": {"cursor_path": "at", "initial_value": 0, "end_value": end, "window": {"step": 10}},
        });
        [parents, children()]
    };
    well(&api, &lake, &in_windows(30)).await;
    let windows = ["/parents?from=0&to=10", "/parents?from=10&to=20", "/parents?from=20&to=30"];
    assert_eq!(api.asked(), [&["/parents/1/children", "/parents/2/children"][..], &windows].concat());
    api.add_parent(3, 30);
    api.add_child(31, 3, 1);
    well(&api, &lake, &in_windows(40)).await;
    assert_eq!(api.asked(), ["/parents/3/children", "/parents?from=30&to=40"]);
    // Where there is no new window, nothing is asked for.
    well(&api, &lake, &in_windows(40)).await;
    assert_eq!(api.asked(), [""; 0]);
    // And what a child has missed is read in windows too.
    api.add_parent(4, 45);
    api.add_child(41, 4, 1);
    api.break_children(true);
    run(&api, &lake, &in_windows(60), &Overrides::default()).await;
    api.break_children(false);
    api.asked();
    well(&api, &lake, &in_windows(60)).await;
    assert_eq!(api.asked(), ["/parents/4/children", "/parents?from=40&to=50", "/parents?from=50&to=60"]);
    assert_eq!(ids(&lake, "children"), ["11", "21", "31", "41"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grandchild_that_was_left_out_is_asked_for_by_what_its_parent_has_got_without_it() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    well(&api, &lake, &[parents(), children(), leaves()]).await;
    api.add_parent(3, 30);
    api.add_child(31, 3, 1);
    well(&api, &lake, &[parents(), children()]).await;
    api.add_parent(4, 40);
    api.add_child(41, 4, 1);
    well(&api, &lake, &[parents(), children(), leaves()]).await;
    assert_eq!(ids(&lake, "leaves"), ["leaf 11", "leaf 21", "leaf 31", "leaf 41"]);
    assert_eq!(ids(&lake, "children"), ["11", "21", "31", "41"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_and_a_maximum_of_pages_leave_what_a_child_knows_of_its_parents_as_it_is() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let mut resources = [parents(), children()];
    for resource in &mut resources {
        (resource["write_disposition"], resource["primary_key"]) = (json!("merge"), json!("id"));
    }
    well(&api, &lake, &resources).await;
    api.add_parent(3, 30);
    api.add_child(31, 3, 1);
    let pages = Overrides { max_pages: Some(1), ..Overrides::default() };
    run(&api, &lake, &resources, &pages).await;
    assert_eq!(ids(&lake, "children"), ["11", "21", "31"]);
    api.asked();
    well(&api, &lake, &resources).await;
    assert_eq!(api.asked(), ["/parents/3/children", "/parents?from=20"], "the cursor had not moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_list_of_a_child_has_a_cursor_and_a_new_parent_is_read_from_the_beginning() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let every_parent = every_parent();
    let resources = [every_parent, moving_children()];
    well(&api, &lake, &resources).await;
    api.asked();
    api.add_parent(3, 30);
    [child(12, 1, 6), child(31, 3, 2)].into_iter().for_each(|child| api.children.lock().unwrap().push(child));
    let outcome = well(&api, &lake, &resources).await;
    // The one's 50 says nothing of the other's 5.
    let asked = ["/parents", "/parents/1/children?from=5", "/parents/2/children?from=50", "/parents/3/children?from=0"];
    assert_eq!(api.asked(), asked);
    assert_eq!(ids(&lake, "children"), ["11", "12", "21", "31"]);
    assert_eq!((of(&outcome, "children").rows_written, of(&outcome, "children").rows_filtered), (2, 2));
    assert_eq!(of(&outcome, "children").cursor, Some(json!(50)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_comes_again_is_new_to_a_merge_and_known_to_an_append() {
    for (disposition, expected) in [("append", "/parents/2/children?from=50"), ("merge", "/parents/2/children?from=0")]
    {
        let (api, lake) = (Api::start().await, TempDir::new().unwrap());
        let every_parent = every_parent();
        let mut children = moving_children();
        (children["write_disposition"], children["primary_key"]) = (json!(disposition), json!("id"));
        let resources = [every_parent, children];
        well(&api, &lake, &resources).await;
        let gone = api.parents.lock().unwrap().remove(1);
        api.add_child(12, 1, 9);
        well(&api, &lake, &resources).await;
        api.parents.lock().unwrap().push(gone);
        api.asked();
        well(&api, &lake, &resources).await;
        assert_eq!(api.asked()[2], expected);
        assert_eq!(ids(&lake, "children"), ["11", "12", "21"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_listed_twice_has_its_children_once() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    api.add_parent(1, 30);
    well(&api, &lake, &[parents(), children()]).await;
    assert_eq!(ids(&lake, "children"), ["11", "21"]);
    assert_eq!(count(&api.asked(), "/parents/"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_a_parent_that_went_on_from_a_checkpoint_are_those_of_all_its_new_records() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let mut by_pages = parents();
    by_pages["endpoint"]["paginator"] = json!({"type": "offset", "limit": 1, "total_path": null});
    by_pages["checkpoint_interval"] = json!("0s");
    let resources = [by_pages, children()];
    well(&api, &lake, &resources).await;
    (3..=6).for_each(|id| api.add_parent(id, id * 10));
    (3..=6).for_each(|id| api.add_child(id * 10 + 1, id, 1));
    let dies = TestEnvironment::new().with_fault(FaultPoint::PageFetched, 4);
    restlake::run::run(plan(&api, &lake, &resources), dies.environment(), Arc::new(Silent)).await;
    let outcome =
        restlake::run::run(plan(&api, &lake, &resources), TestEnvironment::new().environment(), Arc::new(Silent)).await;
    assert!(outcome.kinds.is_empty(), "{outcome:#?}");
    let warnings = &of(&outcome, "parents").warnings;
    assert!(warnings.iter().any(|warning| warning.contains("resumed after page")), "{warnings:?}");
    assert_eq!(ids(&lake, "parents"), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(ids(&lake, "children"), ["11", "21", "31", "41", "51", "61"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_parent_without_columns_brought_nothing_for_a_reason_its_children_are_not_taken_for_gone() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let mut every_parent = parents();
    every_parent["endpoint"] = json!({
        "path": "parents", "response_actions": [{"status_code": 404, "action": "ignore"}],
    });
    every_parent["name"] = json!("parents");
    let mut children = children();
    (children["write_disposition"], children["primary_key"]) = (json!("merge"), json!("id"));
    children["on_missing"] = json!("delete");
    let alone = Overrides { resources: vec!["children".to_owned()], ..Overrides::default() };
    run(&api, &lake, &[every_parent.clone(), children.clone()], &alone).await;
    assert_eq!(ids(&lake, "children"), ["11", "21"]);
    every_parent["endpoint"]["path"] = json!("nowhere/at/all");
    every_parent["schema"] = json!(null);
    well(&api, &lake, &[every_parent, children]).await;
    assert_eq!(ids(&lake, "children"), ["11", "21"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_in_windows_begin_where_each_of_them_stands() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let in_windows = |end: u64| {
        let every_parent = every_parent();
        let mut children = moving_children();
        children["endpoint"]["params"]["to"] = json!("{incremental.end_value}");
        children["endpoint"]["incremental"]["end_value"] = json!(end);
        children["endpoint"]["incremental"]["window"] = json!({"step": 50});
        [every_parent, children]
    };
    well(&api, &lake, &in_windows(100)).await;
    assert_eq!(ids(&lake, "children"), ["11", "21"]);
    api.add_parent(3, 30);
    api.add_child(31, 3, 60);
    api.add_child(22, 2, 120);
    api.asked();
    well(&api, &lake, &in_windows(130)).await;
    let asked = [
        "/parents",
        "/parents/1/children?from=100&to=130",
        "/parents/2/children?from=100&to=130",
        "/parents/3/children?from=0&to=50",
        "/parents/3/children?from=100&to=130",
        "/parents/3/children?from=50&to=100",
    ];
    assert_eq!(api.asked(), asked);
    assert_eq!(ids(&lake, "children"), ["11", "21", "22", "31"]);
    well(&api, &lake, &in_windows(130)).await;
    assert_eq!(api.asked(), ["/parents"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_rows_ends_each_list_for_itself() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    *api.children.lock().unwrap() =
        (0..6).rev().flat_map(|at| [child(10 + at, 1, at), child(20 + at, 2, at)]).collect();
    let every_parent = every_parent();
    let mut children = children();
    children["endpoint"] = json!({
        "path": "parents/{resources.parents.id}/children",
        "paginator": {"type": "offset", "limit": 2, "total_path": null},
        "incremental": {"cursor_path": "at", "initial_value": 0, "row_order": "desc"},
    });
    let resources = [every_parent, children];
    well(&api, &lake, &resources).await;
    assert_eq!(ids(&lake, "children").len(), 12);
    api.children.lock().unwrap().insert(0, child(99, 2, 9));
    api.asked();
    well(&api, &lake, &resources).await;
    assert_eq!(ids(&lake, "children").len(), 13);
    let asked = api.asked();
    // The first page of the one ends with what is older than its cursor, and so does that of the other.
    assert_eq!((count(&asked, "/parents/1/"), count(&asked, "/parents/2/")), (1, 2), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_in_the_declared_order_says_nothing_of_another_one() {
    for (steps, is_refused) in [(json!([]), true), (json!([{"map": "."}]), false)] {
        let (api, lake) = (Api::start().await, TempDir::new().unwrap());
        let descending = (0..6).rev().map(|at| child(10 + at, 1, at));
        *api.children.lock().unwrap() = descending.chain((0..6).map(|at| child(20 + at, 2, at))).collect();
        let mut children = children();
        children["endpoint"] = json!({
            "path": "parents/{resources.parents.id}/children",
            "paginator": {"type": "offset", "limit": 2, "total_path": null},
            "incremental": {"cursor_path": "at", "initial_value": 3, "row_order": "desc"},
        });
        children["processing_steps"] = steps;
        let outcome = run(&api, &lake, &[every_parent(), children], &Overrides::default()).await;
        let children = &outcome.summary.resources[1];
        let code = children.error.as_ref().map(|error| error.code.as_str());
        assert_eq!(code, is_refused.then_some("cursor"), "{outcome:#?}");
        // Where every page is looked at, nothing is left out, and the order is a warning.
        if !is_refused {
            assert_eq!(ids(&lake, "children").len(), 6);
            assert!(children.warnings.iter().any(|warning| warning.contains("the other way round")), "{children:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_refresh_knows_what_it_has_read_for_the_runs_after_it() {
    for resources in [[parents(), children(), leaves()], [parents(), moving_children(), leaves()]] {
        let (api, lake) = (Api::start().await, TempDir::new().unwrap());
        well(&api, &lake, &resources).await;
        let refresh = |resources: &[&str]| Overrides {
            full_refresh: true,
            resources: resources.iter().map(|&name| name.to_owned()).collect(),
            ..Overrides::default()
        };
        for refreshed in [&[][..], &["children", "leaves"]] {
            run(&api, &lake, &resources, &refresh(refreshed)).await;
            well(&api, &lake, &resources).await;
            assert_eq!(ids(&lake, "parents"), ["1", "2"], "{refreshed:?}");
            assert_eq!(ids(&lake, "children"), ["11", "21"], "{refreshed:?}");
            assert_eq!(ids(&lake, "leaves"), ["leaf 11", "leaf 21"], "{refreshed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_between_a_parent_and_what_its_child_catches_up_on_comes_once() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let resources = [parents(), children()];
    well(&api, &lake, &resources).await;
    api.add_parent(3, 30);
    api.add_child(31, 3, 1);
    let alone = Overrides { resources: vec!["parents".to_owned()], ..Overrides::default() };
    run(&api, &lake, &resources, &alone).await;
    // Between the two readings of one run a parent with the newest value comes, and its like behind them.
    api.add_after_reading(parent(4, 30), child(41, 4, 1));
    well(&api, &lake, &resources).await;
    assert_eq!(ids(&lake, "parents"), ["1", "2", "3"]);
    api.add_parent(5, 30);
    api.add_child(51, 5, 1);
    well(&api, &lake, &resources).await;
    well(&api, &lake, &resources).await;
    assert_eq!(ids(&lake, "parents"), ["1", "2", "3", "4", "5"]);
    assert_eq!(ids(&lake, "children"), ["11", "21", "31", "41", "51"]);
    // They have come together again.
    api.asked();
    well(&api, &lake, &resources).await;
    assert_eq!(api.asked(), ["/parents?from=30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_of_a_child_is_one_of_all_its_lists() {
    let (api, lake) = (Api::start().await, TempDir::new().unwrap());
    let mut children = moving_children();
    (children["write_disposition"], children["primary_key"]) = (json!("merge"), json!("id"));
    let resources = [parents(), children];
    well(&api, &lake, &resources).await;
    api.add_child(12, 1, 8);
    let interval = Some(("0".to_owned(), "9".to_owned()));
    let interval = Overrides { interval, resources: vec!["children".to_owned()], ..Overrides::default() };
    let outcome = run(&api, &lake, &resources, &interval).await;
    assert!(outcome.kinds.is_empty(), "{outcome:#?}");
    assert_eq!(ids(&lake, "children"), ["11", "12", "21"]);
    api.asked();
    well(&api, &lake, &resources).await;
    assert_eq!(api.asked(), ["/parents?from=20"], "what the child knows of its parents is as it was");
}

#[test]
fn windows_over_the_lists_of_new_records_are_refused_and_repeats_are_told() {
    let text = |children: &Value, parents: &Value| {
        json!({"name": "p", "client": {"base_url": "http://localhost"}, "resources": [parents, children]}).to_string()
    };
    let mut in_windows = moving_children();
    let incremental = &mut in_windows["endpoint"]["incremental"];
    (incremental["window"], incremental["end_value"]) = (json!({"step": 5}), json!(50));
    in_windows["endpoint"]["params"]["to"] = json!("{incremental.end_value}");
    let source = restlake::config::Source::Stdin { text: text(&in_windows, &parents()) };
    let loaded = restlake::config::load(source, &|_| None).unwrap();
    let problems = restlake::plan::resolve(&loaded, &Overrides::default()).unwrap_err();
    let told = problems.errors().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(told.contains("resources[1].endpoint.incremental.window: this `window` cannot be: `parents`"), "{told}");

    let mut lagging = parents();
    lagging["endpoint"]["incremental"]["lag"] = json!(5);
    let warned = |children: &Value| {
        let plan = plan_with(&text(children, &lagging), &Overrides::default());
        plan.resources[1].warnings.iter().any(|warning| warning.contains("appended again"))
    };
    assert!(warned(&children()));
    let mut merged = children();
    (merged["write_disposition"], merged["primary_key"]) = (json!("merge"), json!("id"));
    assert!(!warned(&merged));
}
