//! Loading only what is new: what consecutive runs ask for, what they load, and where the cursor stands after each.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use restlake::{
    config::{self, Source},
    environment::{Clock, Environment, FaultPoint},
    plan::{self, Overrides, Plan},
    report::{ResourceSummary, Silent, Status},
    run::{Outcome, run},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::TestEnvironment,
    pipeline::{only, plan_with, variables},
    server::{Gate, Received, Reply, Server, list_by_offset},
    tables::{all_rows, read_table, sorted_texts},
};

/// A clock that stands at a moment.
#[derive(Debug)]
pub(crate) struct At(DateTime<Utc>);

#[async_trait]
impl Clock for At {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub(crate) fn at(now: &str) -> Environment {
    Environment { clock: Arc::new(At(now.parse().unwrap())), ..Environment::real() }
}

/// An API whose records can change between runs; it looks at its parameters only where a test wants it to.
pub(crate) struct Api {
    pub(crate) server: Server,
    rows: Arc<Mutex<Vec<Value>>>,
}

impl Api {
    /// Serves records from `since` on and before `until`, by `offset` and `limit`.
    pub(crate) async fn start(rows: Vec<Value>) -> Self {
        Self::answering(rows, |_| None).await
    }

    /// `answer` goes before the list.
    pub(crate) async fn answering(
        rows: Vec<Value>,
        answer: impl Fn(&Received) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let rows = Arc::new(Mutex::new(rows));
        let shared = Arc::clone(&rows);
        let server = Server::start(move |request| {
            if let Some(reply) = answer(request) {
                return reply;
            }
            let (since, until) = (request.param("since"), request.param("until"));
            let is_wanted = |row: &&Value| {
                let at = row["at"].as_str().map_or_else(|| row["at"].to_string(), str::to_owned);
                row["at"].is_null()
                    || (since.as_ref().is_none_or(|since| at >= *since)
                        && until.as_ref().is_none_or(|until| at < *until))
            };
            let wanted = shared.lock().unwrap().iter().filter(is_wanted).cloned().collect();
            list_by_offset(wanted, usize::MAX, false)(request)
        })
        .await;
        Self { server, rows }
    }

    pub(crate) fn set(&self, rows: Vec<Value>) {
        *self.rows.lock().unwrap() = rows;
    }

    pub(crate) fn add(&self, rows: impl IntoIterator<Item = Value>) {
        self.rows.lock().unwrap().extend(rows);
    }

    /// What was asked for since so many requests.
    pub(crate) fn targets_since(&self, before: usize) -> Vec<String> {
        self.server.targets()[before..].to_vec()
    }
}

pub(crate) fn row(id: u64, at: &str) -> Value {
    json!({"id": id, "at": at, "name": format!("n{id}")})
}

/// A resource `items` with this cursor; `change` has the last word on the config.
pub(crate) fn config(api: &Api, lake: &TempDir, incremental: &Value, change: impl FnOnce(&mut Value)) -> String {
    let mut config = json!({
        "name": "p",
        "client": {"base_url": api.server.url(), "paginator": {"type": "single_page"}},
        "resources": [{
            "name": "items",
            "endpoint": {"path": "items", "data_selector": "data", "incremental": incremental},
            "schema": {"columns": [
                {"name": "id", "type": "int64"}, {"name": "at", "type": "string"}, {"name": "name", "type": "string"},
            ]},
        }],
        "destination": {"url": lake.path().to_str().unwrap()},
    });
    change(&mut config);
    config.to_string()
}

pub(crate) fn plan(config: &str) -> Plan {
    plan_with(config, &Overrides::default())
}

pub(crate) async fn run_at(plan: Plan, now: &str) -> Outcome {
    run(plan, at(now), Arc::new(Silent)).await
}

pub(crate) async fn run_now(config: &str) -> ResourceSummary {
    only(run_at(plan(config), "2026-02-01T00:00:00Z").await)
}

pub(crate) fn ids(lake: &TempDir) -> Vec<String> {
    let rows = sorted_texts(&all_rows(&read_table(&lake.path().join("items"))), &["id"]);
    rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
}

pub(crate) fn numbers(summary: &ResourceSummary) -> [u64; 3] {
    assert_eq!(
        summary.rows_fetched,
        summary.rows_written
            + summary.rows_duplicate
            + summary.rows_rejected
            + summary.rows_filtered
            + summary.rows_unchanged
    );
    [summary.rows_fetched, summary.rows_written, summary.rows_filtered]
}

#[tokio::test]
async fn each_run_begins_where_the_last_one_ended_and_rows_at_the_boundary_come_once() {
    for format in ["parquet", "delta"] {
        let (api, lake) = (Api::start(vec![row(1, "2026-01-01"), row(2, "2026-01-02")]).await, TempDir::new().unwrap());
        let cursor = json!({"cursor_path": "at", "initial_value": "2025-12-31", "start_param": "since"});
        let config = config(&api, &lake, &cursor, |config| config["destination"]["table_format"] = json!(format));
        let first = run_now(&config).await;
        assert_eq!((numbers(&first), &first.cursor), ([2, 2, 0], &Some(json!("2026-01-02"))));

        // One more of the same day: it is new, the one that was loaded is not.
        api.add([row(3, "2026-01-02"), row(4, "2026-01-05")]);
        let second = run_now(&config).await;
        assert_eq!((numbers(&second), &second.cursor), ([3, 2, 1], &Some(json!("2026-01-05"))));

        let third = run_now(&config).await;
        assert_eq!((numbers(&third), third.table_version, third.table_rows), ([1, 0, 1], 2, 4));
        assert_eq!(third.cursor, Some(json!("2026-01-05")));
        let since = ["2025-12-31", "2026-01-02", "2026-01-05"].map(|since| format!("/items?since={since}"));
        assert_eq!(api.server.targets(), since);
        assert_eq!(ids(&lake), ["1", "2", "3", "4"], "{format}");
    }
}

#[tokio::test]
async fn rows_at_the_boundary_that_are_not_shown_again_are_still_known_later() {
    let (api, lake) = (Api::start(vec![row(1, "2026-01-02")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |_| {});
    run_now(&config).await;
    api.set(vec![row(2, "2026-01-02")]);
    run_now(&config).await;
    api.set(vec![row(1, "2026-01-02"), row(2, "2026-01-02")]);
    assert_eq!(numbers(&run_now(&config).await), [2, 0, 2]);
}

#[tokio::test]
async fn the_cursor_in_a_parameter_is_dlts_other_style() {
    let (api, lake) = (Api::start(vec![row(1, "2026-01-03")]).await, TempDir::new().unwrap());
    let param =
        json!({"type": "incremental", "cursor_path": "at", "initial_value": "2026-01-01", "convert": "%d.%m.%Y"});
    let config = config(&api, &lake, &Value::Null, |config| {
        config["resources"][0]["endpoint"]["params"] = json!({"a": 1, "from": param});
    });
    run_now(&config).await;
    run_now(&config).await;
    assert_eq!(api.server.targets(), ["/items?a=1&from=01.01.2026", "/items?a=1&from=03.01.2026"]);
}

#[tokio::test]
async fn without_an_initial_value_the_first_run_asks_for_everything() {
    let (api, lake) = (Api::start(vec![row(1, "2026-01-03")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at", "start_param": "since"}), |_| {});
    run_now(&config).await;
    run_now(&config).await;
    assert_eq!(api.server.targets(), ["/items", "/items?since=2026-01-03"]);
}

#[tokio::test]
async fn numbers_are_cursors_too_and_the_column_of_a_renamed_field_names_one() {
    let numbered = |id: u64| json!({"id": id, "at": "x", "meta": {"seq": id}});
    let (api, lake) = (Api::start(vec![numbered(9), numbered(10)]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "seq", "initial_value": 9, "range_start": "open", "start_param": "after"});
    let config = config(&api, &lake, &cursor, |config| {
        let column = json!({"name": "seq", "source": "meta.seq", "type": "int64"});
        config["resources"][0]["schema"]["columns"].as_array_mut().unwrap().push(column);
    });
    let first = run_now(&config).await;
    assert_eq!((numbers(&first), first.cursor), ([2, 1, 1], Some(json!(10))));
    api.add([numbered(11)]);
    assert_eq!(numbers(&run_now(&config).await), [3, 1, 2]);
    assert_eq!(api.server.targets(), ["/items?after=9", "/items?after=10"]);
    assert_eq!(ids(&lake), ["10", "11"]);
}

#[tokio::test]
async fn with_a_lag_late_rows_come_and_none_comes_twice() {
    let moment = |id: u64, second: u64| row(id, &format!("2026-01-01T00:00:{second:02}Z"));
    let (api, lake) = (Api::start(vec![moment(1, 10), moment(2, 30)]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "start_param": "since", "lag": 20});
    let config = config(&api, &lake, &cursor, |_| {});
    run_now(&config).await;
    // It is older than the newest that was loaded.
    api.add([moment(3, 15)]);
    let second = run_now(&config).await;
    assert_eq!((numbers(&second), &second.cursor), ([3, 1, 2], &Some(json!("2026-01-01T00:00:30Z"))));
    assert_eq!(numbers(&run_now(&config).await), [3, 0, 3]);
    let since = "/items?since=2026-01-01T00%3A00%3A10Z";
    assert_eq!(api.server.targets(), ["/items", since, since]);
    assert_eq!(ids(&lake), ["1", "2", "3"]);
}

#[tokio::test]
async fn with_a_lag_a_row_of_a_known_key_comes_again_where_its_cursor_has_moved() {
    let moment = |id: u64, second: u64| row(id, &format!("2026-01-01T00:00:{second:02}Z"));
    let (api, lake) = (Api::start(vec![moment(1, 20), moment(2, 30)]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "start_param": "since", "lag": 20, "primary_key": "id"});
    let config = config(&api, &lake, &cursor, |_| {});
    run_now(&config).await;
    // It was changed before the newest that was loaded, and was not to be seen then.
    api.set(vec![moment(1, 25), moment(2, 30)]);
    assert_eq!(numbers(&run_now(&config).await), [2, 1, 1]);
    assert_eq!(numbers(&run_now(&config).await), [2, 0, 2]);
    // What it was before is known as well.
    api.add([moment(1, 20)]);
    assert_eq!(numbers(&run_now(&config).await), [3, 0, 3]);
    assert_eq!(ids(&lake), ["1", "1", "2"]);
}

#[tokio::test]
async fn a_changed_row_at_the_boundary_reaches_a_merge() {
    let (api, lake) = (Api::start(vec![row(1, "2026-01-02")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |config| {
        config["resources"][0]["primary_key"] = json!("id");
        config["resources"][0]["write_disposition"] = json!("merge");
    });
    run_now(&config).await;
    api.set(vec![json!({"id": 1, "at": "2026-01-02", "name": "changed"})]);
    assert_eq!(numbers(&run_now(&config).await), [1, 1, 0]);
    let rows = all_rows(&read_table(&lake.path().join("items")));
    assert_eq!(sorted_texts(&rows, &["name"]), [[Some("changed".to_owned())]]);
}

#[tokio::test]
async fn an_append_takes_the_row_of_a_known_key_at_the_boundary_for_the_known_one() {
    for (key, written) in [(json!(null), 0), (json!("name"), 1), (json!([]), 1)] {
        let (api, lake) = (Api::start(vec![row(1, "2026-01-02")]).await, TempDir::new().unwrap());
        let cursor = json!({"cursor_path": "at", "primary_key": key});
        let config = config(&api, &lake, &cursor, |config| config["resources"][0]["primary_key"] = json!("id"));
        run_now(&config).await;
        api.set(vec![json!({"id": 1, "at": "2026-01-02", "name": "changed"})]);
        assert_eq!(run_now(&config).await.rows_written, written, "{key}");
    }
}

#[tokio::test]
async fn a_failed_run_and_one_of_the_first_pages_leave_the_cursor_where_it_is() {
    let rows = vec![row(1, "2026-01-01"), row(2, "2026-01-02"), row(3, "2026-01-03")];
    let is_broken = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&is_broken);
    let answer = move |request: &Received| {
        let is_second = request.number_param("offset") == Some(1);
        (is_second && broken.load(Ordering::SeqCst)).then(|| Reply::status(403))
    };
    let (api, lake) = (Api::answering(rows, answer).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "start_param": "since"});
    let config = config(&api, &lake, &cursor, |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 1});
        config["client"]["max_concurrency"] = json!(1);
    });
    let first_page = plan_with(&config, &Overrides { max_pages: Some(1), ..Overrides::default() });
    let cut = only(run_at(first_page, "2026-02-01T00:00:00Z").await);
    assert_eq!((cut.rows_written, cut.cursor), (1, None));
    is_broken.store(true, Ordering::SeqCst);
    let failed = run_at(plan(&config), "2026-02-01T00:00:00Z").await;
    assert_eq!(failed.summary.resources[0].status, Status::Failed);
    is_broken.store(false, Ordering::SeqCst);
    let before = api.server.targets().len();
    let whole = run_now(&config).await;
    assert_eq!((whole.rows_written, whole.cursor), (3, Some(json!("2026-01-03"))));
    assert_eq!(api.targets_since(before)[0], "/items?offset=0&limit=1");
}

#[tokio::test]
async fn a_full_refresh_forgets_the_cursor_and_a_replace_has_none() {
    let (api, lake) = (Api::start(vec![row(1, "2026-01-01"), row(2, "2026-01-02")]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "initial_value": "2025-01-01", "start_param": "since"});
    let text = config(&api, &lake, &cursor, |_| {});
    run_now(&text).await;
    let refresh = plan_with(&text, &Overrides { full_refresh: true, ..Overrides::default() });
    let again = only(run_at(refresh, "2026-02-01T00:00:00Z").await);
    assert_eq!((again.rows_written, again.table_rows, again.cursor), (2, 2, Some(json!("2026-01-02"))));
    run_now(&text).await;
    let since = ["2025-01-01", "2025-01-01", "2026-01-02"].map(|since| format!("/items?since={since}"));
    assert_eq!(api.server.targets(), since);

    let elsewhere = TempDir::new().unwrap();
    let replaces = config(&api, &elsewhere, &cursor, |config| {
        config["resources"][0]["write_disposition"] = json!("replace");
    });
    for _ in 0..2 {
        assert_eq!(run_now(&replaces).await.table_rows, 2);
    }
}

#[tokio::test]
async fn a_cursor_of_another_field_is_not_taken_for_this_one() {
    let (api, lake) = (Api::start(vec![row(1, "2026-01-01")]).await, TempDir::new().unwrap());
    run_now(&config(&api, &lake, &json!({"cursor_path": "at"}), |_| {})).await;
    let other = config(&api, &lake, &json!({"cursor_path": "id", "initial_value": 0, "start_param": "after"}), |_| {});
    let summary = run_now(&other).await;
    assert_eq!(
        summary.warnings,
        ["starts at the initial value: the table's cursor is one of `at` by max, and not of `id` by max"]
    );
    assert_eq!((summary.cursor, api.server.targets()[1].as_str()), (Some(json!(1)), "/items?after=0"));
}

#[tokio::test]
async fn an_end_value_makes_every_run_the_same_and_keeps_no_cursor() {
    let rows = ["2026-01-01", "2026-01-02", "2026-01-03"].iter().zip(1..).map(|(at, id)| row(id, at)).collect();
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let cursor = json!({
        "cursor_path": "at", "initial_value": "2026-01-01", "end_value": "2026-01-03", "range_end": "closed",
        "start_param": "since", "end_param": "to",
    });
    let config = config(&api, &lake, &cursor, |_| {});
    for _ in 0..2 {
        let summary = run_now(&config).await;
        assert_eq!((numbers(&summary), summary.cursor), ([3, 3, 0], None));
    }
    assert_eq!(api.server.targets(), ["/items?since=2026-01-01&to=2026-01-03"; 2]);
}

#[tokio::test]
async fn with_the_newest_first_no_page_behind_the_start_is_asked_for() {
    let newest_first = |from: u64| (1..=from).rev().map(|id| row(id, &format!("2026-01-{id:02}"))).collect::<Vec<_>>();
    let (api, lake) = (Api::answering(newest_first(8), |_| None).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "row_order": "desc"});
    let config = config(&api, &lake, &cursor, |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 2});
    });
    assert_eq!(run_now(&config).await.rows_written, 8);
    api.set(newest_first(11));
    let before = api.server.targets().len();
    let second = run_now(&config).await;
    // The second page holds the row at the cursor, which others may share; the third one lies before it.
    assert_eq!(numbers(&second), [6, 3, 3]);
    let pages = ["/items?offset=0&limit=2", "/items?offset=2&limit=2", "/items?offset=4&limit=2"];
    assert_eq!(api.targets_since(before), pages);
}

#[tokio::test]
async fn with_the_oldest_first_no_page_behind_the_end_is_asked_for() {
    let rows = (1..=9).map(|id| row(id, &format!("2026-01-0{id}"))).collect();
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let cursor =
        json!({"cursor_path": "at", "row_order": "asc", "initial_value": "2026-01-01", "end_value": "2026-01-03"});
    let config = config(&api, &lake, &cursor, |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 2});
    });
    assert_eq!(numbers(&run_now(&config).await), [4, 2, 2]);
    assert_eq!(api.server.targets(), ["/items?offset=0&limit=2", "/items?offset=2&limit=2"]);
}

#[tokio::test]
async fn a_list_in_the_other_order_than_the_declared_one_is_no_end() {
    let (api, lake) = (Api::start(days(1, 8)).await, TempDir::new().unwrap());
    // It ignores what is asked for, and lists the oldest first.
    let cursor = json!({"cursor_path": "at", "row_order": "desc", "initial_value": "2026-01-05"});
    let by_twos = |cursor: &Value| {
        config(&api, &lake, cursor, |config| {
            config["client"]["paginator"] = json!({"type": "offset", "limit": 2, "total_path": null});
        })
    };
    let outcome = run_at(plan(&by_twos(&cursor)), "2026-02-01T00:00:00Z").await;
    let error = outcome.summary.resources[0].error.clone().unwrap();
    let says = "page 1, record 2: the cursor at `at` goes from \"2026-01-01T12:00:00Z\" to \"2026-01-02T12:00:00Z\"";
    assert!(error.code == "cursor" && error.message.contains(says), "{error:?}");
    assert!(error.message.contains("`row_order: desc`") && error.hint.unwrap().contains("row_order"));
    // Where nothing can be left out, it is told.
    let all = run_now(&by_twos(&json!({"cursor_path": "at", "row_order": "desc"}))).await;
    assert_eq!((all.rows_written, all.warnings.len()), (8, 1), "{:?}", all.warnings);
    assert!(all.warnings[0].contains("`row_order: desc` says the other way round"), "{:?}", all.warnings);
}

#[tokio::test]
async fn a_page_out_of_order_behind_one_that_is_not_ends_the_list_as_any_other() {
    let at = [9, 8, 3, 4, 2, 1];
    let rows = at.iter().map(|&id| row(id, &format!("2026-01-0{id}"))).collect();
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "row_order": "desc", "initial_value": "2026-01-05"});
    let config = config(&api, &lake, &cursor, |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 2, "total_path": null});
    });
    let summary = run_now(&config).await;
    assert_eq!((numbers(&summary), summary.pages, summary.warnings.len()), ([4, 2, 2], 2, 0));
}

#[tokio::test]
async fn records_without_a_cursor_are_what_the_config_makes_of_them() {
    for (missing, written) in [("include", Some(2)), ("exclude", Some(1)), ("raise", None)] {
        let rows = vec![row(1, "2026-01-01"), json!({"id": 2, "at": null})];
        let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
        let cursor = json!({"cursor_path": "at", "on_cursor_value_missing": missing});
        let outcome = run_at(plan(&config(&api, &lake, &cursor, |_| {})), "2026-02-01T00:00:00Z").await;
        let resource = &outcome.summary.resources[0];
        match written {
            Some(written) => assert_eq!(resource.rows_written, written, "{missing}"),
            None => assert_eq!(
                resource.error.as_ref().unwrap().message,
                "resource `items`, page 1, record 2: there is no value at `at`, where the cursor stands"
            ),
        }
    }
}

#[tokio::test]
async fn records_without_a_cursor_that_are_appended_by_each_run_are_told() {
    let api = Api::start(vec![row(1, "2026-01-01"), json!({"id": 2, "at": null})]).await;
    for (missing, disposition, warnings) in
        [("include", "append", 1), ("exclude", "append", 0), ("include", "merge", 0)]
    {
        let lake = TempDir::new().unwrap();
        let cursor = json!({"cursor_path": "at", "start_param": "since", "on_cursor_value_missing": missing});
        let config = config(&api, &lake, &cursor, |config| {
            config["resources"][0]["primary_key"] = json!("id");
            config["resources"][0]["write_disposition"] = json!(disposition);
        });
        let summary = run_now(&config).await;
        assert_eq!(summary.warnings.len(), warnings, "{missing} {disposition}: {:?}", summary.warnings);
        assert!(summary.warnings.iter().all(|warning| warning.contains("without a value at `at` are appended again")));
    }
}

#[tokio::test]
async fn values_of_two_pages_that_have_no_order_stop_the_run() {
    let rows = vec![row(1, "2026-01-01"), json!({"id": 2, "at": 17})];
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 1});
    });
    let outcome = run_at(plan(&config), "2026-02-01T00:00:00Z").await;
    let error = outcome.summary.resources[0].error.as_ref().unwrap();
    assert_eq!(
        error.message,
        "resource `items`, page 2, record 1: the cursor at `at` is 17, a number, and cannot be compared with \"2026-01-01\", \
         a date"
    );
}

#[tokio::test]
async fn the_newest_of_all_pages_counts_whatever_their_order() {
    let rows = vec![row(1, "2026-01-05"), row(2, "2026-01-09"), row(3, "2026-01-07")];
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 1});
    });
    assert_eq!(run_now(&config).await.cursor, Some(json!("2026-01-09")));
    let min = config.replace("\"cursor_path\":\"at\"", "\"cursor_path\":\"at\",\"last_value_func\":\"min\"");
    assert_eq!(run_now(&min.replace("\"items\"", "\"others\"")).await.cursor, Some(json!("2026-01-05")));
}

/// Days of January 2026, one row a day.
pub(crate) fn days(from: u64, to: u64) -> Vec<Value> {
    (from..=to).map(|day| row(day, &format!("2026-01-{day:02}T12:00:00Z"))).collect()
}

pub(crate) fn windowed(step: &str) -> Value {
    json!({
        "cursor_path": "at", "initial_value": "2026-01-01T00:00:00Z", "start_param": "since", "end_param": "until",
        "window": {"step": step},
    })
}

pub(crate) fn windows_asked(targets: &[String]) -> Vec<String> {
    let day = |text: &str| text.split("2026-").nth(1).map_or(String::new(), |rest| rest[..5].to_owned());
    let mut windows: Vec<_> = targets
        .iter()
        .map(|target| {
            let (since, until) = target.split_once("&until=").unwrap();
            format!("{}..{}", day(since), day(until))
        })
        .collect();
    windows.sort();
    windows
}

#[tokio::test]
async fn windows_are_committed_one_by_one_and_the_next_run_goes_on_behind_them() {
    for format in ["parquet", "delta"] {
        let (api, lake) = (Api::start(days(1, 9)).await, TempDir::new().unwrap());
        let config =
            config(&api, &lake, &windowed("4d"), |config| config["destination"]["table_format"] = json!(format));
        let first = only(run_at(plan(&config), "2026-01-08T00:00:00Z").await);
        assert_eq!((numbers(&first), first.table_version, first.files.len()), ([7, 7, 0], 2, 2), "{format}");
        assert_eq!((first.requests, first.cursor), (2, Some(json!("2026-01-08T00:00:00Z"))));
        assert_eq!(windows_asked(&api.server.targets()), ["01-01..01-05", "01-05..01-08"]);

        let second = only(run_at(plan(&config), "2026-01-10T00:00:00Z").await);
        assert_eq!((numbers(&second), second.table_rows), ([2, 2, 0], 9));
        let third = only(run_at(plan(&config), "2026-01-10T00:00:00Z").await);
        assert_eq!((third.requests, third.table_version, third.cursor), (0, 3, Some(json!("2026-01-10T00:00:00Z"))));
        assert_eq!(windows_asked(&api.targets_since(2)), ["01-08..01-10"]);
    }
}

#[tokio::test]
async fn a_failing_window_leaves_those_before_it_and_is_where_the_next_run_begins() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    let answer = move |request: &Received| {
        let is_third = request.param("since").is_some_and(|since| since.starts_with("2026-01-05"));
        (is_third && broken.load(Ordering::SeqCst)).then(|| Reply::status(403))
    };
    let (api, lake) = (Api::answering(days(1, 8), answer).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("2d"), |_| {});
    let outcome = run_at(plan(&config), "2026-01-09T00:00:00Z").await;
    let failed = &outcome.summary.resources[0];
    assert_eq!((failed.status, failed.rows_written, failed.table_version), (Status::Failed, 4, 2));
    assert_eq!(failed.cursor, Some(json!("2026-01-05T00:00:00Z")));
    is_broken.store(false, Ordering::SeqCst);
    let before = api.server.targets().len();
    let second = only(run_at(plan(&config), "2026-01-09T00:00:00Z").await);
    assert_eq!((second.rows_written, second.table_version, second.table_rows), (4, 4, 8));
    assert_eq!(windows_asked(&api.targets_since(before)), ["01-05..01-07", "01-07..01-09"]);
}

#[tokio::test]
async fn later_windows_are_fetched_while_the_first_one_waits() {
    let gate = Gate::default();
    let held = gate.clone();
    let answer = move |request: &Received| {
        let is_first = request.param("since").is_some_and(|since| since.starts_with("2026-01-01"));
        is_first.then(|| Reply::json(json!({"data": days(1, 1)}).to_string()).after(&held))
    };
    let (api, lake) = (Api::answering(days(1, 4), answer).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("1d"), |_| {});
    let waiting = async {
        api.server.requested(4).await;
        assert!(!lake.path().join("items/_restlake/commits/00000000000000000001.json").exists());
        gate.open();
    };
    let (outcome, ()) = tokio::join!(run_at(plan(&config), "2026-01-05T00:00:00Z"), waiting);
    let summary = only(outcome);
    assert_eq!((summary.rows_written, summary.table_version), (4, 4));
    let files: Vec<_> = read_table(&lake.path().join("items")).into_iter().map(|file| file.rows.num_rows()).collect();
    assert_eq!(files, [1, 1, 1, 1]);
}

#[tokio::test]
async fn windows_are_fetched_ahead_while_the_columns_are_inferred_from_them() {
    let gate = Gate::default();
    let held = gate.clone();
    let answer = move |request: &Received| {
        let is_late = request.param("since").is_some_and(|since| since.starts_with("2026-01-10"));
        is_late.then(|| Reply::json(json!({"data": days(10, 10)}).to_string()).after(&held))
    };
    let (api, lake) = (Api::answering(days(1, 14), answer).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("1d"), |config| {
        config["client"]["max_concurrency"] = json!(4);
        config["resources"][0]["schema"] = Value::Null;
    });
    let waiting = async {
        api.server.requested(13).await;
        gate.open();
    };
    let (outcome, ()) = tokio::join!(run_at(plan(&config), "2026-01-15T00:00:00Z"), waiting);
    assert_eq!(only(outcome).rows_written, 14);
}

#[tokio::test]
async fn windows_none_of_whose_records_is_left_count_each_of_them_once() {
    let (api, lake) = (Api::start(days(1, 4)).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("2d"), |config| {
        config["resources"][0]["schema"] = Value::Null;
        config["resources"][0]["processing_steps"] = json!([{"filter": "false"}]);
    });
    let summary = only(run_at(plan(&config), "2026-01-05T00:00:00Z").await);
    assert_eq!((numbers(&summary), summary.pages, summary.table_version), ([4, 0, 4], 2, 0));
}

#[tokio::test]
async fn a_lookback_reads_again_and_a_merge_takes_it_up() {
    let (api, lake) = (Api::start(days(1, 6)).await, TempDir::new().unwrap());
    let mut cursor = windowed("3d");
    cursor["window"]["lookback"] = json!("2d");
    let config = config(&api, &lake, &cursor, |config| {
        config["resources"][0]["primary_key"] = json!("id");
        config["resources"][0]["write_disposition"] = json!("merge");
    });
    only(run_at(plan(&config), "2026-01-07T00:00:00Z").await);
    let before = api.server.targets().len();
    let second = only(run_at(plan(&config), "2026-01-08T00:00:00Z").await);
    assert_eq!(windows_asked(&api.targets_since(before)), ["01-05..01-08"]);
    assert_eq!((second.table_rows, second.cursor), (6, Some(json!("2026-01-08T00:00:00Z"))));
}

#[tokio::test]
async fn a_full_refresh_of_windows_replaces_once() {
    let (api, lake) = (Api::start(days(1, 4)).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("2d"), |_| {});
    only(run_at(plan(&config), "2026-01-05T00:00:00Z").await);
    let refresh = plan_with(&config, &Overrides { full_refresh: true, ..Overrides::default() });
    let summary = only(run_at(refresh, "2026-01-05T00:00:00Z").await);
    assert_eq!((summary.rows_written, summary.table_rows, summary.table_version), (4, 4, 4));
}

#[tokio::test]
async fn windows_of_numbers_end_at_the_end_value() {
    let rows = (0..10).map(|id| json!({"id": id, "at": "x"})).collect();
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let cursor = json!({
        "cursor_path": "id", "initial_value": 0, "end_value": 8, "start_param": "from", "end_param": "to",
        "window": {"step": 5},
    });
    let summary = run_now(&config(&api, &lake, &cursor, |_| {})).await;
    assert_eq!((summary.rows_written, summary.rows_filtered, summary.cursor), (8, 12, Some(json!(8))));
    let mut targets = api.server.targets();
    targets.sort();
    assert_eq!(targets, ["/items?from=0&to=5", "/items?from=5&to=8"]);
}

fn interval(start: &str, end: &str) -> Overrides {
    Overrides { interval: Some((start.to_owned(), end.to_owned())), ..Overrides::default() }
}

#[tokio::test]
async fn an_interval_is_read_and_leaves_the_cursor_alone() {
    let (api, lake) = (Api::start(days(1, 6)).await, TempDir::new().unwrap());
    let cursor = json!({
        "cursor_path": "at", "initial_value": "2026-01-05T00:00:00Z", "start_param": "since", "end_param": "until",
    });
    let config = config(&api, &lake, &cursor, |_| {});
    assert_eq!(run_now(&config).await.rows_written, 2);
    let before = api.server.targets().len();
    let part = plan_with(&config, &interval("2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z"));
    let part = only(run_at(part, "2026-02-01T00:00:00Z").await);
    assert_eq!((part.rows_written, part.cursor), (2, Some(json!("2026-01-06T12:00:00Z"))));
    assert_eq!(windows_asked(&api.targets_since(before)), ["01-02..01-04"]);
    assert_eq!(numbers(&run_now(&config).await), [1, 0, 1]);
    assert_eq!(ids(&lake), ["2", "3", "5", "6"]);
}

/// What a config is refused for, with this on the command line.
pub(crate) fn problems(config: &str, overrides: &Overrides) -> Vec<String> {
    let loaded = config::load(Source::Stdin { text: config.to_owned() }, &variables).unwrap();
    let problems = plan::resolve(&loaded, overrides).unwrap_err();
    problems.errors().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

#[tokio::test]
async fn an_interval_that_makes_no_sense_is_refused_before_anything_is_asked() {
    let (api, lake) = (Api::start(Vec::new()).await, TempDir::new().unwrap());
    let with = |cursor: Value, disposition: &str| {
        config(&api, &lake, &cursor, |config| config["resources"][0]["write_disposition"] = json!(disposition))
    };
    let cursor = json!({"cursor_path": "at", "initial_value": "2026-01-01"});
    let days = interval("2026-01-02", "2026-01-03");
    let refused = |cursor: &Value, disposition: &str, interval: &Overrides| {
        problems(&with(cursor.clone(), disposition), interval).remove(0)
    };
    assert_eq!(
        refused(&cursor, "append", &interval("2026-01-03", "2026-01-02")),
        "--end: the interval ends before it starts"
    );
    assert_eq!(
        refused(&cursor, "replace", &days),
        "--start: `items` replaces its table, and an interval is not all of it"
    );
    let elsewhere = Overrides { destination: Some("elsewhere".to_owned()), ..days.clone() };
    plan_with(&with(cursor, "replace"), &elsewhere);
    let none = refused(&Value::Null, "append", &days);
    assert_eq!(none, "--start: none of these resources has a cursor that an interval could be of");
    let number = json!({"cursor_path": "id", "initial_value": 1});
    let refusal = refused(&number, "append", &days);
    assert_eq!(refusal, "--start: `items` has a number as its `initial_value`: its interval is one of numbers");
    assert!(api.server.requests().is_empty());
}

#[tokio::test]
async fn a_run_that_dies_after_its_commit_appends_nothing_twice() {
    let (api, lake) = (Api::start(vec![row(1, "2026-01-01")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |_| {});
    let dies = TestEnvironment::new().with_fault(FaultPoint::AfterCommit, 1);
    let outcome = run(plan(&config), dies.environment(), Arc::new(Silent)).await;
    assert_eq!(outcome.summary.resources[0].status, Status::Failed);
    api.add([row(2, "2026-01-02")]);
    let next = only(run(plan(&config), TestEnvironment::new().environment(), Arc::new(Silent)).await);
    assert_eq!((numbers(&next), next.table_rows), ([2, 1, 1], 2));
}
