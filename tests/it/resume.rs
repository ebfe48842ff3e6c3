//! A run that fails behind a checkpoint is gone on with by the next one, whose table is that of a run that nothing disturbed.

pub mod faults;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use restlake::{
    ErrorKind,
    commit::TableFormat,
    environment::{Clock, Environment, FaultPoint, Faults},
    model::TableIdentity,
    plan::{AuthPlan, Plan, Template},
    report::ResourceSummary,
    run::{Held, Outcome, run, run_held},
    secret::Secret,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::Recorder,
    pipeline::{only, plan_of},
    server::{Reply, Server, list_by_offset},
    tables::{all_rows, read_table, sorted_texts, walk},
};

const PAGE: u64 = 5;

/// An API whose list breaks off behind so many records, until it is mended.
struct Api {
    server: Server,
    breaks_at: Arc<AtomicU64>,
}

impl Api {
    async fn start(rows: Vec<Value>) -> Self {
        let breaks_at = Arc::new(AtomicU64::new(u64::MAX));
        let limit = Arc::clone(&breaks_at);
        let pages = list_by_offset(rows, PAGE as usize, true);
        let server = Server::start(move |request| match request.number_param("offset") {
            Some(offset) if offset >= limit.load(Ordering::SeqCst) => Reply::status(403),
            _ => pages(request),
        })
        .await;
        Self { server, breaks_at }
    }

    fn breaks_at(&self, offset: u64) {
        self.breaks_at.store(offset, Ordering::SeqCst);
    }

    /// Offsets asked for since the last call.
    fn offsets_since(&self, before: usize) -> Vec<u64> {
        let mut offsets: Vec<_> =
            self.server.requests()[before..].iter().filter_map(|request| request.number_param("offset")).collect();
        offsets.sort_unstable();
        offsets
    }
}

/// Real time in which nothing takes any: a checkpoint costs nothing, so that one is due behind every page.
#[derive(Debug)]
struct StillClock {
    /// Between the real time and this one.
    ahead: Duration,
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.ahead
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub fn still() -> Environment {
    later(Duration::ZERO)
}

/// As [`still`], so much later.
pub fn later(ahead: Duration) -> Environment {
    Environment { clock: Arc::new(StillClock { ahead }), ..Environment::real() }
}

/// A run that has yet to tell of its end: dropped, it leaves what a process does that dies then.
async fn run_untold(plan: Plan) -> Held {
    run_held(plan, still(), Arc::new(Recorder::default())).await
}

async fn run_still(plan: Plan) -> Outcome {
    run(plan, still(), Arc::new(Recorder::default())).await
}

/// A plan over the API with a checkpoint behind every page.
fn plan(api: &Api, lake: &TempDir, resource: &Value) -> Plan {
    let mut all = json!({
        "name": "items", "endpoint": {"path": "items", "data_selector": "data"},
        "schema": {"columns": [
            {"name": "id", "type": "int64"}, {"name": "name", "type": "string"},
            {"name": "part", "type": "string"}, {"name": "gone", "type": "bool"},
        ]},
    });
    for (key, value) in resource.as_object().unwrap() {
        all[key] = value.clone();
    }
    let config = json!({
        "name": "p",
        "client": {
            "base_url": api.server.url(), "max_concurrency": 1,
            "paginator": {"type": "offset", "limit": PAGE, "total_path": "total"},
        },
        "resources": [all],
        "destination": {"url": lake.path().to_str().unwrap()},
    });
    let mut plan = plan_of(&config.to_string());
    plan.resources[0].checkpoint.interval = Duration::ZERO;
    plan
}

fn row(id: u64, name: &str) -> Value {
    let part = ["a", "b", "c"][(id % 3) as usize];
    json!({"id": id, "name": name, "part": part, "gone": false})
}

/// Keys that come again far behind, records that delete, values that do not fit.
fn eventful() -> Vec<Value> {
    let mut rows: Vec<Value> = (0..40).map(|id| row(id, &format!("first {id}"))).collect();
    rows[12]["id"] = json!("no number");
    rows.extend([row(3, "again 3"), row(7, "again 7"), row(38, "again 38")]);
    rows.push(json!({"id": 9, "gone": true, "part": "a"}));
    rows.extend((40..60).map(|id| row(id, &format!("late {id}"))));
    rows.extend([
        row(9, "back 9"),
        json!({"id": 41, "gone": true}),
        row(41, "no, here"),
        json!({"id": 5, "gone": true}),
    ]);
    rows
}

fn rows(lake: &TempDir) -> Vec<Vec<Option<String>>> {
    let table = read_table(&lake.path().join("items"));
    sorted_texts(&all_rows(&table), &["id", "name", "part"])
}

fn left_over(lake: &TempDir) -> Vec<String> {
    walk(lake.path()).into_keys().filter(|path| path.contains("/staging/")).collect()
}

/// The numbers of a summary that tell of rows.
fn numbers(summary: &ResourceSummary) -> BTreeMap<&'static str, u64> {
    BTreeMap::from([
        ("pages", summary.pages),
        ("fetched", summary.rows_fetched),
        ("written", summary.rows_written),
        ("duplicate", summary.rows_duplicate),
        ("rejected", summary.rows_rejected),
        ("filtered", summary.rows_filtered),
        ("unchanged", summary.rows_unchanged),
        ("deleted", summary.rows_deleted),
        ("table", summary.table_rows),
        ("version", summary.table_version),
    ])
}

fn rejects(lake: &TempDir) -> Vec<Value> {
    let files = walk(lake.path()).into_iter().filter(|(path, _)| path.contains("/_restlake/rejects/"));
    let newest = files.last().map(|(_, content)| String::from_utf8(content.to_vec()).unwrap());
    newest.unwrap_or_default().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exports `before`, then `after` with a break at each offset and a second try; compares with a run without a break.
async fn goes_on_everywhere(resource: Value, before: Vec<Value>, after: Vec<Value>) {
    let first = Api::start(before).await;
    let api = Api::start(after.clone()).await;
    let undisturbed = TempDir::new().unwrap();
    only(run_still(plan(&first, &undisturbed, &resource)).await);
    let expected = only(run_still(plan(&api, &undisturbed, &resource)).await);
    for broken in (PAGE..after.len() as u64).step_by(PAGE as usize) {
        let lake = TempDir::new().unwrap();
        only(run_still(plan(&first, &lake, &resource)).await);
        api.breaks_at(broken);
        let failed = run_still(plan(&api, &lake, &resource)).await;
        assert_eq!(failed.kinds, [ErrorKind::User], "{failed:#?}");
        assert!(!left_over(&lake).is_empty(), "{broken}: there is something to go on with");
        api.breaks_at(u64::MAX);
        let asked = api.server.requests().len();
        let summary = only(run_still(plan(&api, &lake, &resource)).await);
        assert_eq!(api.offsets_since(asked).first(), Some(&broken), "{broken}: nothing before is asked for again");
        assert!(summary.warnings.iter().any(|warning| warning.contains("resumed after")), "{:?}", summary.warnings);
        assert_eq!(numbers(&summary), numbers(&expected), "{broken}");
        assert_eq!(rows(&lake), rows(&undisturbed), "{broken}");
        assert_eq!(rejects(&lake), rejects(&undisturbed), "{broken}");
        assert_eq!(left_over(&lake), Vec::<String>::new(), "{broken}");
    }
}

fn discarding(disposition: Value) -> Value {
    json!({"primary_key": "id", "write_disposition": disposition, "schema_contract": {"data_type": "discard_row"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_gone_on_with_behind_every_page() {
    goes_on_everywhere(discarding(json!("append")), vec![row(1000, "before")], eventful()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replace_in_partitions_is_gone_on_with_behind_every_page() {
    // Keys that come twice would have the list read again.
    let mut resource = discarding(json!("replace"));
    resource["endpoint"] = json!({"path": "items", "data_selector": "data", "on_drift": "warn"});
    resource["partition_by"] = json!("part");
    goes_on_everywhere(resource, vec![row(1000, "before")], eventful()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_with_records_that_delete_is_gone_on_with_behind_every_page() {
    let mut resource = discarding(json!("merge"));
    resource["columns"] = json!({"gone": {"hard_delete": true}});
    let before = (0..70).step_by(3).map(|id| row(id, "before")).collect();
    goes_on_everywhere(resource, before, eventful()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_keeps_the_best_row_is_gone_on_with_behind_every_page() {
    let mut resource = discarding(json!({"disposition": "merge", "strategy": "insert-only"}));
    resource["columns"] = json!({"name": {"dedup_sort": "desc"}});
    let before = (0..70).step_by(7).map(|id| row(id, "before")).collect();
    goes_on_everywhere(resource, before, eventful()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replacement_of_ranges_is_gone_on_with_behind_every_page() {
    let mut resource = json!({
        "write_disposition": {"disposition": "merge", "strategy": "delete-insert"}, "merge_key": "part",
        "schema_contract": {"data_type": "discard_row"},
    });
    resource["partition_by"] = json!("part");
    let before = (100..130).map(|id| row(id, "before")).collect();
    goes_on_everywhere(resource, before, (0..30).map(|id| row(id * 3, "after")).collect()).await;
}

/// A run that broke off behind the third page, and what the next one says and asks for.
async fn next_after(change: impl Fn(&mut Plan), environment: Environment) -> (ResourceSummary, Vec<u64>) {
    next_between(|_| {}, change, environment).await
}

/// The same, with a change of the first run, too.
async fn next_between(
    first: impl Fn(&mut Plan),
    change: impl Fn(&mut Plan),
    environment: Environment,
) -> (ResourceSummary, Vec<u64>) {
    let api = api_of(30).await;
    let lake = TempDir::new().unwrap();
    let resource = json!({"write_disposition": "replace", "primary_key": "id"});
    api.breaks_at(15);
    let mut broken = plan(&api, &lake, &resource);
    first(&mut broken);
    assert_eq!(run_still(broken).await.kinds, [ErrorKind::User]);
    api.breaks_at(u64::MAX);
    let asked = api.server.requests().len();
    let mut plan = plan(&api, &lake, &resource);
    change(&mut plan);
    let outcome = run(plan, environment, Arc::new(Recorder::default())).await;
    assert_eq!(left_over(&lake), Vec::<String>::new());
    let summary = only(outcome);
    assert_eq!((summary.rows_written, summary.table_rows), (30, 30));
    (summary, api.offsets_since(asked))
}

fn says(summary: &ResourceSummary, words: &str) -> bool {
    summary.warnings.iter().any(|warning| warning.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_change_the_next_run_begins_where_the_last_one_broke_off() {
    let (summary, asked) = next_after(|_| {}, still()).await;
    assert_eq!(asked, [15, 20, 25]);
    assert!(says(&summary, "resumed after page 3"), "{:?}", summary.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_resume_starts_over_and_says_so() {
    let (summary, asked) = next_after(|plan| plan.resume = false, still()).await;
    assert_eq!(asked, [0, 5, 10, 15, 20, 25]);
    assert!(says(&summary, "--no-resume"), "{:?}", summary.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_config_starts_over_and_says_so() {
    let changed =
        |plan: &mut Plan| plan.resources[0].request.params.push((Template::literal("fresh"), Template::literal("1")));
    let (summary, asked) = next_after(changed, still()).await;
    assert_eq!(asked, [0, 5, 10, 15, 20, 25]);
    assert!(says(&summary, "the config or the schema has changed"), "{:?}", summary.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_header_or_user_starts_over_and_says_so() {
    let header = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
    let tenant = |plan: &mut Plan| plan.client.headers.push(header("Tenant", "b"));
    let user = |plan: &mut Plan| {
        plan.client.auth = AuthPlan::HttpBasic { username: "b".into(), password: Secret::new("secret".into()) };
    };
    let own = |plan: &mut Plan| {
        let header = (Template::literal("Tenant"), Secret::new(Template::literal("b")));
        plan.resources[0].request.headers.push(header);
    };
    for change in [&tenant as &dyn Fn(&mut Plan), &user, &own] {
        let (summary, asked) = next_after(change, still()).await;
        assert_eq!(asked, [0, 5, 10, 15, 20, 25]);
        assert!(says(&summary, "the config or the schema has changed"), "{:?}", summary.warnings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_value_of_a_resources_own_header_starts_over_and_another_credential_does_not() {
    let with = |name: &'static str, value: &'static str| {
        move |plan: &mut Plan| {
            let header = (Template::literal(name), Secret::new(Template::literal(value)));
            plan.resources[0].request.headers.push(header);
        }
    };
    for (name, asked) in [("Tenant", vec![0, 5, 10, 15, 20, 25]), ("X-Api-Key", vec![15, 20, 25])] {
        assert_eq!(next_between(with(name, "a"), with(name, "b"), still()).await.1, asked, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_decides_neither_rows_nor_files_may_change() {
    let changed = |plan: &mut Plan| {
        let resource = &mut plan.resources[0];
        resource.checkpoint.resume_within = Duration::from_secs(60);
        resource.checkpoint.interval = Duration::from_secs(1);
        (resource.rewrite_limit, resource.compact_above) = (1, Some(7));
        resource.max_rejects = Some(restlake::plan::MaxRejects::Rows(5));
        resource.warnings.push("something to know".into());
    };
    assert_eq!(next_after(changed, still()).await.1, [15, 20, 25]);
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_within_decides_how_old_checkpoints_may_be() {
    for (minutes, asked) in [(20, vec![15, 20, 25]), (5, vec![0, 5, 10, 15, 20, 25])] {
        let changed =
            move |plan: &mut Plan| plan.resources[0].checkpoint.resume_within = Duration::from_secs(minutes * 60);
        assert_eq!(next_after(changed, later(Duration::from_secs(600))).await.1, asked, "{minutes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_older_than_resume_within_are_not_used() {
    let (summary, asked) = next_after(|_| {}, later(Duration::from_secs(3601))).await;
    assert_eq!(asked, [0, 5, 10, 15, 20, 25]);
    assert!(says(&summary, "resume_within"), "{:?}", summary.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_run_leaves_no_checkpoint() {
    let api = api_of(30).await;
    let lake = TempDir::new().unwrap();
    api.breaks_at(15);
    let mut plan = plan(&api, &lake, &json!({}));
    plan.resources[0].checkpoint.interval = Duration::from_secs(30);
    assert_eq!(run_still(plan).await.kinds, [ErrorKind::User]);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

/// Commits something else to the table when a run is about to commit.
#[derive(Debug)]
struct Rival {
    lake: String,
    runtime: tokio::runtime::Handle,
    left: AtomicU64,
}

impl Faults for Rival {
    fn reach(&self, point: FaultPoint) -> std::io::Result<()> {
        let is_due = point == FaultPoint::BeforeCommit
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if !is_due {
            return Ok(());
        }
        let (lake, runtime) = (self.lake.clone(), self.runtime.clone());
        let committed = std::thread::spawn(move || runtime.block_on(commit_nothing(&lake))).join();
        committed.unwrap();
        Ok(())
    }
}

/// A version that changes no file, as a run on another machine might make whose lease was taken for dead.
async fn commit_nothing(lake: &str) {
    let destination = restlake::store::Destination { url: lake.to_owned(), options: Vec::new() };
    let store = restlake::store::open(&destination, &|_| None).unwrap();
    let identity = TableIdentity { pipeline: "p".into(), resource: "items".into() };
    let table =
        restlake::commit::ParquetTable::open(&store, "items", identity.clone(), Environment::real()).await.unwrap();
    let base = table.snapshot().await.unwrap();
    let commit = restlake::model::Commit {
        identity,
        run_id: "rival".into(),
        operation: restlake::model::Operation::Append,
        schema: base.schema.clone().unwrap(),
        partition_by: base.partition_by.clone(),
        adds: Vec::new(),
        removes: Vec::new(),
        state: base.state.clone(),
    };
    let committed = table.commit(base.version, commit).await.unwrap();
    assert!(matches!(committed, restlake::commit::CommitOutcome::Committed { .. }), "{committed:?}");
    table.workspace().held().await.unwrap().release().await.unwrap();
}

async fn against_a_rival(disposition: &str, rivals: u64) -> (Outcome, TempDir) {
    let lake = TempDir::new().unwrap();
    let resource = json!({"primary_key": "id", "write_disposition": disposition});
    let first = Api::start((0..10).map(|id| row(id, "first")).collect()).await;
    only(run_still(plan(&first, &lake, &resource)).await);
    let second = Api::start((5..20).map(|id| row(id, "second")).collect()).await;
    let rival = Rival {
        lake: lake.path().to_str().unwrap().to_owned(),
        runtime: tokio::runtime::Handle::current(),
        left: AtomicU64::new(rivals),
    };
    let environment = Environment { faults: Arc::new(rival), ..still() };
    (run(plan(&second, &lake, &resource), environment, Arc::new(Recorder::default())).await, lake)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_append_is_done_again_on_top_of_the_winner() {
    let (outcome, lake) = against_a_rival("append", 2).await;
    let summary = only(outcome);
    assert_eq!((summary.table_version, summary.rows_written, summary.table_rows), (4, 15, 25));
    assert_eq!(rows(&lake).len(), 25);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_merge_is_done_again_on_top_of_the_winner() {
    let (outcome, lake) = against_a_rival("merge", 1).await;
    let summary = only(outcome);
    assert_eq!((summary.table_version, summary.rows_written, summary.table_rows), (3, 15, 20));
    let names: Vec<_> = rows(&lake).into_iter().map(|row| row[1].clone().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| *name == "second").count(), 15);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_replace_ends_with_a_conflict_and_leaves_the_winners_table() {
    let (outcome, lake) = against_a_rival("replace", 1).await;
    assert_eq!(outcome.kinds, [ErrorKind::Conflict]);
    assert_eq!(rows(&lake).len(), 10);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_loses_again_and_again_gives_up() {
    let (outcome, lake) = against_a_rival("merge", 100).await;
    assert_eq!(outcome.kinds, [ErrorKind::Conflict]);
    assert_eq!(rows(&lake).len(), 10);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

const WAS_APPENDED: &str = "were not appended again";

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_end_nobody_heard_of_is_not_repeated_however_often_the_run_dies() {
    let api = api_of(30).await;
    let lake = TempDir::new().unwrap();
    let append = || plan(&api, &lake, &json!({"write_disposition": "append"}));
    let died = run_untold(append()).await;
    assert_eq!(died.outcome.summary.resources[0].rows_written, 30);
    drop(died);
    let asked = api.server.requests().len();
    for _ in 0..2 {
        let died = run_untold(append()).await;
        assert!(says(&died.outcome.summary.resources[0], WAS_APPENDED), "{:#?}", died.outcome);
    }
    let summary = only(run_still(append()).await);
    assert!(says(&summary, WAS_APPENDED), "{:?}", summary.warnings);
    assert_eq!((summary.table_rows, api.server.requests().len()), (30, asked));
    assert_eq!(left_over(&lake), Vec::<String>::new(), "its end was told");
    assert_eq!(only(run_still(append()).await).table_rows, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_end_nobody_heard_of_is_no_reason_to_skip_another_config() {
    let api = api_of(30).await;
    let lake = TempDir::new().unwrap();
    let append = || plan(&api, &lake, &json!({"write_disposition": "append"}));
    drop(run_untold(append()).await);
    let mut changed = append();
    changed.resources[0].request.params.push((Template::literal("fresh"), Template::literal("1")));
    let summary = only(run_still(changed).await);
    assert!(!says(&summary, WAS_APPENDED), "{:?}", summary.warnings);
    assert_eq!(summary.table_rows, 60);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

async fn api_of(rows: u64) -> Api {
    Api::start((0..rows).map(|id| row(id, "x")).collect()).await
}

/// Two resources, of which the second asks for a path of its own.
fn two(api: &Api, neighbour: &Api, lake: &TempDir) -> Plan {
    let mut both = plan(api, lake, &json!({"write_disposition": "append"}));
    let mut other = plan(neighbour, lake, &json!({"name": "other", "write_disposition": "append"}));
    both.resources.append(&mut other.resources);
    both
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_not_repeated_because_a_neighbour_failed_again_and_again() {
    let (api, neighbour) = (api_of(30).await, api_of(10).await);
    let lake = TempDir::new().unwrap();
    let run = || run_still(two(&api, &neighbour, &lake));
    neighbour.breaks_at(5);
    for first in [true, false, false] {
        let outcome = run().await;
        assert_eq!(outcome.kinds, [ErrorKind::User], "{outcome:#?}");
        let summary = &outcome.summary.resources[0];
        assert_eq!((says(summary, WAS_APPENDED), summary.rows_written, summary.table_rows), (!first, 30, 30));
    }
    neighbour.breaks_at(u64::MAX);
    let outcome = run().await;
    assert!(outcome.kinds.is_empty(), "{outcome:#?}");
    let tables: Vec<_> = outcome.summary.resources.iter().map(|summary| summary.table_rows).collect();
    assert_eq!(tables, [30, 10]);
    assert_eq!(left_over(&lake), Vec::<String>::new(), "all is done");
    let outcome = run().await;
    let tables: Vec<_> = outcome.summary.resources.iter().map(|summary| summary.table_rows).collect();
    assert_eq!(tables, [60, 20], "the next run is another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_are_joined_after_the_commit_where_that_is_wished() {
    let lake = TempDir::new().unwrap();
    let api = Api::start((0..9).map(|id| row(id, "x")).collect()).await;
    let resource = json!({"partition_by": "part", "compact": {"small_files": 2}});
    let mut summaries = Vec::new();
    for _ in 0..3 {
        let mut plan = plan(&api, &lake, &resource);
        plan.resources[0].checkpoint.interval = Duration::from_secs(30);
        summaries.push(only(run_still(plan).await));
    }
    let last = &summaries[2];
    assert_eq!(summaries.iter().map(|summary| summary.table_version).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!((last.rows_written, last.table_rows, rows(&lake).len()), (9, 27, 27));
    let told: Vec<_> = last.files.iter().map(|file| lake.path().join(&file.path)).collect();
    assert!(told.len() == 3 && told.iter().all(|path| path.exists()), "{told:?}");
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_nobody_declared_stay_those_of_the_run_that_died() {
    let contract = json!({"columns": "evolve", "data_type": "discard_row"});
    let resource = json!({"schema": null, "infer_rows": 1, "schema_contract": contract, "primary_key": "id"});
    let mut rows = eventful();
    rows.iter_mut().skip(30).for_each(|row| row["late"] = json!({"deep": 1}));
    rows.iter_mut().for_each(|row| row["within"] = json!({"a": 1}));
    rows.iter_mut().skip(20).for_each(|row| row["within"]["b"] = json!(2));
    goes_on_everywhere(resource, Vec::new(), rows).await;
}
