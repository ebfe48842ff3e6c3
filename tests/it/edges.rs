//! Where cursors, windows, keys and columns that are found out meet: what each combination loads, run after run.

use std::sync::Arc;

use restlake::{
    environment::Environment,
    maintain::{self, Lake},
    plan::Overrides,
    report::{ResourceSummary, Silent, Status},
    run::{Outcome, run},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    incremental::{Api, at, config, days, numbers, plan, row, run_at, run_now, windowed, windows_asked},
    support::{
        pipeline::{only, plan_with},
        server::{Received, Reply, list_by_offset},
        tables::{all_rows, read_table, sorted_texts},
    },
};

const NOW: &str = "2026-01-10T00:00:00Z";

fn ids(lake: &TempDir) -> Vec<u64> {
    let rows = sorted_texts(&all_rows(&read_table(&lake.path().join("items"))), &["id"]);
    let mut ids: Vec<u64> = rows.into_iter().map(|mut row| row.remove(0).unwrap().parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn in_config(change: impl Fn(&mut Value)) -> impl Fn(&mut Value) {
    move |config| change(&mut config["resources"][0])
}

fn merge(resource: &mut Value) {
    (resource["write_disposition"], resource["primary_key"]) = (json!("merge"), json!("id"));
}

fn inferred(resource: &mut Value) {
    resource.as_object_mut().unwrap().remove("schema");
}

fn failure(outcome: &Outcome) -> &str {
    &outcome.summary.resources[0].error.as_ref().unwrap().message
}

fn warns(summary: &ResourceSummary, of: &str) -> bool {
    summary.warnings.iter().any(|warning| warning.contains(of))
}

/// What the newest commit's state says of the cursor.
fn cursor(lake: &TempDir) -> Value {
    let commits = std::fs::read_dir(lake.path().join("items/_restlake/commits")).unwrap();
    let newest = commits.map(|entry| entry.unwrap().path()).max().unwrap();
    serde_json::from_slice::<Value>(&std::fs::read(newest).unwrap()).unwrap()["state"]["cursor"].clone()
}

#[tokio::test]
async fn a_form_that_is_coarser_than_the_windows_loses_no_row() {
    for (step, format) in [("12h", json!("%Y-%m-%d")), ("7d", json!("%Y-%m-%d")), ("36h", json!("epoch_s"))] {
        let day_of = |row: &Value| row["at"].as_str().unwrap()[..10].to_owned();
        let epoch_of =
            |row: &Value| row["at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp();
        let rows: Vec<_> = (0..96)
            .map(|hour| row(hour, &format!("2026-01-{:02}T{:02}:30:00.5Z", 1 + hour / 12, hour % 12 * 2)))
            .collect();
        let shown = rows.clone();
        // The end is exclusive, by the unit of the form.
        let api = Api::answering(rows, move |request: &Received| {
            let (since, until) = (request.param("since")?, request.param("until")?);
            let is_wanted = |row: &&Value| match since.parse::<i64>() {
                Ok(since) => (since..until.parse().unwrap()).contains(&epoch_of(row)),
                Err(_) => (since.clone()..until.clone()).contains(&day_of(row)),
            };
            Some(list_by_offset(shown.iter().filter(is_wanted).cloned().collect(), usize::MAX, false)(request))
        })
        .await;
        let lake = TempDir::new().unwrap();
        let mut cursor = windowed(step);
        cursor["convert"] = format;
        let config = config(&api, &lake, &cursor, |_| {});
        only(run_at(plan(&config), "2026-01-08T20:22:00Z").await);
        only(run_at(plan(&config), "2026-01-09T10:00:00Z").await);
        assert_eq!(ids(&lake), (0..96).collect::<Vec<_>>(), "{cursor}");
    }
}

#[tokio::test]
async fn rows_at_the_boundary_stay_where_their_merge_key_is_brought_again() {
    for strategy in ["delete-insert", "scd2"] {
        let (api, lake) = (Api::start(vec![row(1, "a"), row(2, "a"), row(3, "a")]).await, TempDir::new().unwrap());
        let config = config(
            &api,
            &lake,
            &json!({"cursor_path": "at"}),
            in_config(|resource| {
                resource["write_disposition"] = json!({"disposition": "merge", "strategy": strategy});
                resource["merge_key"] = json!("at");
            }),
        );
        run_now(&config).await;
        api.add([row(4, "a")]);
        run_now(&config).await;
        assert_eq!(ids(&lake), [1, 2, 3, 4], "{strategy}");
    }
}

#[tokio::test]
async fn what_is_remembered_within_a_lag_is_forgotten_behind_it() {
    let number = |id: u64| json!({"id": id, "at": id});
    let (api, lake) = (Api::start((0..5).map(number).collect()).await, TempDir::new().unwrap());
    let cursor_config = json!({"cursor_path": "at", "initial_value": 0, "lag": 3});
    let config = config(&api, &lake, &cursor_config, |_| {});
    for id in 5..20 {
        run_now(&config).await;
        api.add([number(id)]);
    }
    run_now(&config).await;
    assert_eq!(ids(&lake), (0..20).collect::<Vec<_>>());
    let state = cursor(&lake);
    assert_eq!((state["loaded"].as_array().unwrap().len(), state["earlier"].as_object().unwrap().len()), (1, 3));
}

#[tokio::test]
async fn a_record_without_its_key_is_no_known_one() {
    let (api, lake) = (Api::start(vec![row(1, "a")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at", "primary_key": "nosuch"}), |_| {});
    let outcome = run_at(plan(&config), NOW).await;
    assert!(failure(&outcome).contains("there is no `nosuch`, which is part of the key"), "{}", failure(&outcome));
}

#[tokio::test]
async fn the_key_of_columns_that_are_found_out_is_that_of_the_fields_they_come_from() {
    let record = |id: u64, at: &str| json!({"id": id, "userId": id, "at": at});
    let keys: [fn(&mut Value); 2] = [
        |resource| resource["primary_key"] = json!("user_id"),
        |resource| resource["columns"] = json!({"user_id": {"primary_key": true}}),
    ];
    for key in keys {
        let (api, lake) = (Api::start(vec![record(1, "a"), record(2, "a")]).await, TempDir::new().unwrap());
        let config = config(
            &api,
            &lake,
            &json!({"cursor_path": "at"}),
            in_config(move |resource| {
                inferred(resource);
                resource["naming"] = json!("snake_case");
                key(resource);
            }),
        );
        run_now(&config).await;
        assert_eq!(cursor(&lake)["key"], json!(["userId"]));
        // Another record of the same value is new, a changed one of a known key is not: this appends.
        api.set(vec![record(1, "a"), record(3, "a"), json!({"id": 9, "userId": 2, "at": "a"})]);
        assert_eq!(numbers(&run_now(&config).await), [3, 1, 2]);
        assert_eq!(ids(&lake), [1, 2, 3]);
    }
}

#[tokio::test]
async fn a_cursor_is_named_by_a_column_that_is_found_out() {
    let record = |id: u64| json!({"id": id, "updatedAt": id});
    let (api, lake) = (
        Api::answering(vec![], move |request| {
            Some(list_by_offset((1..4).map(record).collect(), usize::MAX, false)(request))
        })
        .await,
        TempDir::new().unwrap(),
    );
    let config = config(
        &api,
        &lake,
        &json!({"cursor_path": "updated_at"}),
        in_config(|resource| {
            inferred(resource);
            resource["naming"] = json!("snake_case");
        }),
    );
    assert_eq!(run_now(&config).await.cursor, Some(json!(3)));
    let again = run_now(&config).await;
    assert_eq!((numbers(&again), again.warnings), ([3, 0, 3], Vec::<String>::new()));
}

#[tokio::test]
async fn another_key_than_before_takes_no_known_record_for_a_new_one() {
    let (api, lake) = (Api::start(vec![row(1, "a"), row(2, "a")]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at"});
    run_now(&config(&api, &lake, &cursor, |_| {})).await;
    let keyed = config(&api, &lake, &cursor, in_config(|resource| resource["primary_key"] = json!("id")));
    assert_eq!(numbers(&run_now(&keyed).await), [2, 0, 2]);
    api.add([row(3, "a")]);
    run_now(&keyed).await;
    run_now(&keyed).await;
    assert_eq!(ids(&lake), [1, 2, 3]);
}

#[tokio::test]
async fn an_append_that_leaves_the_cursor_says_that_it_appends_again() {
    let (api, lake) = (Api::start(days(1, 3)).await, TempDir::new().unwrap());
    let text = |change: fn(&mut Value)| config(&api, &lake, &windowed("1d"), in_config(change));
    let pages = Overrides { max_pages: Some(1), ..Overrides::default() };
    let interval = Some(("2026-01-01".to_owned(), "2026-01-02".to_owned()));
    let interval = Overrides { interval, ..Overrides::default() };
    for (overrides, of) in [(pages, "of the first pages alone"), (interval, "of an interval")] {
        let appended = only(run_at(plan_with(&text(|_| {}), &overrides), NOW).await);
        assert!(warns(&appended, of), "{:?}", appended.warnings);
        let merged = only(run_at(plan_with(&text(merge), &overrides), NOW).await);
        assert!(!warns(&merged, of), "{:?}", merged.warnings);
    }
}

#[tokio::test]
async fn a_maximum_of_pages_is_one_of_all_windows_together() {
    let (api, lake) = (Api::start(days(1, 9)).await, TempDir::new().unwrap());
    for (change, most) in [(merge as fn(&mut Value), 1), (merge, 3)] {
        let before = api.server.targets().len();
        let config = config(&api, &lake, &windowed("1d"), in_config(change));
        let overrides = Overrides { max_pages: Some(most), ..Overrides::default() };
        let summary = only(run_at(plan_with(&config, &overrides), NOW).await);
        assert_eq!((summary.pages, api.targets_since(before).len() as u64, summary.rows_written), (most, most, most));
    }
}

#[tokio::test]
async fn a_maximum_of_rejects_is_one_of_all_windows_together() {
    let mut rows = days(1, 9);
    for bad in [1, 4, 7] {
        rows[bad]["id"] = json!("x");
    }
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let config = |most: u64| {
        config(
            &api,
            &lake,
            &windowed("2d"),
            in_config(move |resource| {
                resource["schema_contract"] = json!("discard_row");
                resource["max_rejects"] = json!(most);
            }),
        )
    };
    let outcome = run_at(plan(&config(1)), NOW).await;
    assert_eq!(outcome.summary.resources[0].status, Status::Failed);
    assert!(failure(&outcome).contains("reject"), "{}", failure(&outcome));
    assert!(run_at(plan(&config(2)), NOW).await.kinds.is_empty());
}

#[tokio::test]
async fn the_columns_of_windows_are_those_of_as_many_of_them_as_it_takes() {
    // The first window is empty, and the second one alone would make integers.
    let mut rows = days(3, 9);
    rows[5]["v"] = json!(10.5);
    rows.iter_mut().take(4).for_each(|row| row["v"] = json!(1));
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("2d"), in_config(inferred));
    let first = only(run_at(plan(&config), NOW).await);
    assert_eq!((first.rows_written, first.table_rows), (7, 7));
    assert!(!warns(&first, "no table was made"), "{:?}", first.warnings);
    let asked = windows_asked(&api.server.targets());
    assert_eq!(asked, ["01-01..01-03", "01-03..01-05", "01-05..01-07", "01-07..01-09", "01-09..01-10"]);
    // And a refresh replaces the table once.
    let refresh = Overrides { full_refresh: true, ..Overrides::default() };
    let again = only(run_at(plan_with(&config, &refresh), NOW).await);
    assert_eq!((again.rows_written, again.table_rows), (7, 7));
    assert!(warns(&again, "replaced by its first window"), "{:?}", again.warnings);
}

#[tokio::test]
async fn an_inferred_delta_table_is_refreshed_whatever_its_log_has() {
    let (api, lake) = (Api::start(days(1, 3)).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |config| {
        inferred(&mut config["resources"][0]);
        config["resources"][0]["partition_by"] = json!("name");
        config["destination"]["table_format"] = json!("delta");
    });
    run_now(&config).await;
    let refresh = Overrides { full_refresh: true, ..Overrides::default() };
    assert_eq!(only(run_at(plan_with(&config, &refresh), NOW).await).table_rows, 3);
}

#[tokio::test]
async fn the_newest_window_is_gone_on_with_although_now_is_later() {
    let refuses = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_refused = Arc::clone(&refuses);
    let answer = move |request: &Received| {
        let is_second = request.param("offset").is_some_and(|offset| offset == "4");
        (is_second && is_refused.load(std::sync::atomic::Ordering::SeqCst)).then(|| Reply::status(403))
    };
    let (api, lake) = (Api::answering(days(1, 8), answer).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("30d"), |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 4, "total_path": null});
        config["resources"][0]["checkpoint_interval"] = json!("0s");
    });
    let outcome = run(plan(&config), at("2026-01-08T20:00:00Z"), Arc::new(Silent)).await;
    assert_eq!(outcome.summary.resources[0].status, Status::Failed);
    refuses.store(false, std::sync::atomic::Ordering::SeqCst);
    api.add(days(9, 9));
    let before = api.server.targets().len();
    let summary = only(run(plan(&config), at("2026-01-08T20:30:00Z"), Arc::new(Silent)).await);
    assert!(warns(&summary, "resumed after page 1"), "{:?}", summary.warnings);
    assert_eq!(ids(&lake), (1..=8).collect::<Vec<_>>());
    let asked = api.targets_since(before);
    assert!(asked[0].contains("until=2026-01-08T20%3A00") && asked[0].contains("offset=4"), "{asked:?}");
    assert!(asked.iter().any(|target| target.contains("since=2026-01-08T20%3A00")), "{asked:?}");
    assert_eq!(summary.cursor, Some(json!("2026-01-08T20:30:00Z")));
}

#[tokio::test]
async fn a_cursor_that_the_next_run_could_not_send_stops_the_first_one() {
    let (api, lake) = (Api::start(vec![json!({"id": 1, "at": 5})]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "start_param": "since", "convert": "%Y-%m-%d"});
    let outcome = run_at(plan(&config(&api, &lake, &cursor, |_| {})), NOW).await;
    assert!(failure(&outcome).contains("%Y-%m-%d"), "{}", failure(&outcome));
}

#[tokio::test]
async fn another_function_of_the_last_value_is_named_where_it_starts_anew() {
    let (api, lake) = (Api::start(days(1, 2)).await, TempDir::new().unwrap());
    run_now(&config(&api, &lake, &json!({"cursor_path": "at"}), |_| {})).await;
    let min = json!({"cursor_path": "at", "last_value_func": "min"});
    let summary = run_now(&config(&api, &lake, &min, |_| {})).await;
    assert!(warns(&summary, "one of `at` by max, and not of `at` by min"), "{:?}", summary.warnings);
}

#[tokio::test]
async fn an_interval_is_cut_into_windows_by_a_merge_and_leaves_the_cursor_where_it_was() {
    let (api, lake) = (Api::start(days(1, 9)).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("2d"), in_config(merge));
    let committed = only(run_at(plan(&config), "2026-01-04T00:00:00Z").await);
    let before = api.server.targets().len();
    let interval = Some(("2026-01-05T00:00:00Z".to_owned(), "2026-01-09T00:00:00Z".to_owned()));
    let interval = Overrides { interval, ..Overrides::default() };
    let summary = only(run_at(plan_with(&config, &interval), NOW).await);
    assert_eq!((summary.rows_written, &summary.cursor), (4, &committed.cursor));
    assert_eq!(windows_asked(&api.targets_since(before)), ["01-05..01-07", "01-07..01-09"]);
    // The next run goes on where the one before the interval had ended.
    let before = api.server.targets().len();
    only(run_at(plan(&config), "2026-01-06T00:00:00Z").await);
    assert_eq!(windows_asked(&api.targets_since(before)), ["01-04..01-06"]);
    assert_eq!(ids(&lake), (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_pipeline_that_has_moved_goes_on_where_it_was() {
    let (api, from, to) = (Api::start(days(1, 3)).await, TempDir::new().unwrap(), TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "initial_value": "2026-01-01", "start_param": "since"});
    let config = |lake: &TempDir| config(&api, lake, &cursor, |_| {});
    run_now(&config(&from)).await;
    let lake = |lake: &TempDir| Lake::open(plan(&config(lake)), Environment::real()).unwrap();
    let (old, new) = (lake(&from), lake(&to));
    let resource = &old.plan().resources[0];
    let table = old.table(resource).await.unwrap();
    let state = maintain::export_state(table.as_ref(), &old.identity(resource), resource).await.unwrap().unwrap();
    new.import(&new.plan().resources[0], &state).await.unwrap();
    api.add(days(4, 4));
    let before = api.server.targets().len();
    assert_eq!(numbers(&run_now(&config(&to)).await), [2, 1, 1]);
    assert!(api.targets_since(before)[0].contains("since=2026-01-03"), "{:?}", api.targets_since(before));
    assert_eq!(ids(&to), [4]);
}

#[tokio::test]
async fn a_first_window_that_cannot_be_looked_at_leaves_nothing_behind() {
    let answer = |_: &Received| Some(Reply::status(403));
    let (api, lake) = (Api::answering(Vec::new(), answer).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &windowed("2d"), in_config(inferred));
    let outcome = run_at(plan(&config), NOW).await;
    let failed = &outcome.summary.resources[0];
    assert_eq!((failed.status, failed.requests), (Status::Failed, 1));
    let staging = lake.path().join("items/_restlake/staging");
    let left = std::fs::read_dir(&staging).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{}", staging.display());
}
