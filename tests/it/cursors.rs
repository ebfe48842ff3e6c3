//! Cursors that could stop a feed or thin it out: values out of the order of time, ahead of the clock, several in a record, and
//! intervals in the hour that comes twice.

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use restlake::{
    report::{ResourceSummary, Status},
    run::Outcome,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    incremental::{Api, config, ids, numbers, plan, problems, row, run_at, run_now},
    support::{
        pipeline::only,
        server::{Received, Reply, list_by_offset},
    },
};

const NOW: &str = "2026-02-01T00:00:00Z";

fn error(outcome: &Outcome) -> (String, String) {
    let resource = &outcome.summary.resources[0];
    assert_eq!(resource.status, Status::Failed);
    let error = resource.error.clone().unwrap();
    (error.message, error.hint.unwrap_or_default())
}

/// A run of rows with these values of the cursor, one on a page.
async fn run_of(values: &[&str], change: impl FnOnce(&mut Value)) -> Outcome {
    let rows = values.iter().zip(1..).map(|(at, id)| row(id, at)).collect();
    let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 1});
        change(config);
    });
    run_at(plan(&config), NOW).await
}

#[tokio::test]
async fn texts_that_do_not_sort_by_time_fail_the_run_that_compares_them() {
    for values in [
        ["12/30/2025", "12/31/2025"],
        ["31.12.2025", "01.01.2026"],
        ["Tue, 15 Nov 1994 12:45:26 GMT", "Wed, 16 Nov 1994 12:45:26 GMT"],
        ["2026-01-01 01:00 PM", "2026-01-01 11:00 AM"],
        ["1.9", "1.10"],
        ["2025-9-30", "2025-10-1"],
    ] {
        let outcome = run_of(&values, |_| {}).await;
        let (message, hint) = error(&outcome);
        let place = format!(
            "resource `items`, page 2, record 1: the cursor at `at` is \"{}\", and cannot be compared with \"{}\"",
            values[1], values[0]
        );
        assert!(message.starts_with(&place) && hint.contains("`cursor_path`"), "{message} {hint}");
    }
}

#[tokio::test]
async fn a_text_of_an_earlier_run_that_does_not_sort_fails_the_next_one() {
    let (api, lake) = (Api::start(vec![row(1, "12/31/2025")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |_| {});
    assert_eq!(run_now(&config).await.rows_written, 1);
    api.set(vec![row(1, "12/31/2025"), row(2, "01/02/2026")]);
    let (message, _) = error(&run_at(plan(&config), NOW).await);
    assert!(message.contains("record 2: the cursor at `at` is \"01/02/2026\""), "{message}");
}

#[tokio::test]
async fn texts_that_sort_as_they_are_stay_cursors() {
    for values in [
        ["2026-01-01T00:00:00Z", "2026-01-02"],
        ["9", "10"],
        ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FB0"],
        ["507f1f77bcf86cd799439011", "65dec1f3bcf86cd799439011"],
        ["20260101T100000Z", "20260102T100000Z"],
        ["2025/12/31", "2026/01/01"],
        ["alpha", "beta"],
    ] {
        let summary = only(run_of(&values, |_| {}).await);
        assert_eq!(summary.cursor, Some(json!(values[1])), "{values:?}");
    }
}

#[tokio::test]
async fn a_step_makes_a_cursor_of_a_date_that_does_not_sort() {
    let american = |config: &mut Value| {
        let resource = &mut config["resources"][0];
        resource["processing_steps"] = json!([{"map": r#".at |= (strptime("%m/%d/%Y") | mktime | todate)"#}]);
        resource["endpoint"]["incremental"] =
            json!({"cursor_path": "at", "start_param": "from", "convert": "%m/%d/%Y"});
    };
    let (api, lake) = (Api::start(vec![row(1, "12/31/2025"), row(2, "12/30/2025")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &Value::Null, american);
    assert_eq!(run_now(&config).await.cursor, Some(json!("2025-12-31T00:00:00Z")));
    api.add([row(3, "01/02/2026")]);
    let second = run_now(&config).await;
    assert_eq!((second.rows_written, second.cursor), (1, Some(json!("2026-01-02T00:00:00Z"))));
    assert_eq!(api.server.targets()[1], "/items?from=12%2F31%2F2025");
}

#[tokio::test]
async fn a_hinted_format_that_does_not_sort_is_refused_before_anything_is_requested() {
    let (api, lake) = (Api::start(Vec::new()).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |config| {
        config["resources"][0]["schema"] = Value::Null;
        config["resources"][0]["columns"] = json!({"at": {"data_type": "timestamp", "format": "%m/%d/%Y"}});
    });
    let found = problems(&config, &Default::default());
    assert!(
        found.len() == 1 && found[0].contains("`at` is written as `%m/%d/%Y`, whose order is not that of time"),
        "{found:?}"
    );
}

#[tokio::test]
async fn of_several_values_in_a_record_the_newest_moves_the_cursor_and_is_filtered_by() {
    let days = |id: u64, days: &[&str]| {
        let days: Vec<_> = days.iter().map(|day| json!({"date": day})).collect();
        json!({"id": id, "at": "x", "days": days})
    };
    let (api, lake) = (Api::start(vec![days(1, &["2026-01-13", "2026-01-12"])]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "days[*].date", "initial_value": "2026-01-01"});
    let text = config(&api, &lake, &cursor, |_| {});
    assert_eq!(run_now(&text).await.cursor, Some(json!("2026-01-13")));
    // The first value of both new ones lies before the cursor.
    api.add([days(2, &["2026-01-02", "2026-01-20"]), days(3, &["2026-01-13", "2026-01-02"]), days(4, &["2026-01-03"])]);
    let second = run_now(&text).await;
    assert_eq!((numbers(&second), &second.cursor), ([4, 2, 2], &Some(json!("2026-01-20"))));
    assert_eq!(ids(&lake), ["1", "2", "3"]);

    let elsewhere = TempDir::new().unwrap();
    let cursor = json!({"cursor_path": "days[*].date", "last_value_func": "min"});
    let min = run_now(&config(&api, &elsewhere, &cursor, |_| {})).await;
    assert_eq!(min.cursor, Some(json!("2026-01-02")));
}

#[tokio::test]
async fn an_empty_text_is_a_missing_cursor() {
    for (missing, written) in [("include", Some(2)), ("exclude", Some(1)), ("raise", None)] {
        let outcome = run_of(&["2026-01-01", ""], |config| {
            config["resources"][0]["endpoint"]["incremental"]["on_cursor_value_missing"] = json!(missing);
        })
        .await;
        match written {
            Some(written) => assert_eq!(only(outcome).rows_written, written, "{missing}"),
            None => assert!(error(&outcome).0.contains("record 1: there is no value at `at`")),
        }
    }
}

fn ahead_of_clock(summary: &ResourceSummary) -> bool {
    summary.warnings.iter().any(|warning| warning.contains("more than a day ahead of the clock"))
}

#[tokio::test]
async fn a_record_ahead_of_the_clock_is_loaded_once_and_does_not_stop_the_feed() {
    for start in ["closed", "open"] {
        for lag in [Value::Null, json!("1h")] {
            let rows = vec![row(1, "2026-01-02T00:00:00Z"), row(2, "2999-12-31T00:00:00Z")];
            let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
            let cursor = json!({
                "cursor_path": "at", "start_param": "since", "initial_value": "2026-01-01T00:00:00Z", "range_start": start,
                "lag": if start == "open" { Value::Null } else { lag },
            });
            let config = config(&api, &lake, &cursor, |_| {});
            let first = run_now(&config).await;
            assert_eq!((numbers(&first), &first.cursor), ([2, 2, 0], &Some(json!("2026-01-02T00:00:00Z"))));
            let says =
                "page 1, record 2: the cursor at `at` is \"2999-12-31T00:00:00Z\", more than a day ahead of the clock";
            assert!(first.warnings.len() == 1 && first.warnings[0].starts_with(says), "{:?}", first.warnings);
            api.add([row(3, "2026-01-05T00:00:00Z")]);
            for _ in 0..2 {
                let next = run_now(&config).await;
                assert_eq!(next.cursor, Some(json!("2026-01-05T00:00:00Z")));
                assert!(ahead_of_clock(&next));
            }
            assert_eq!(ids(&lake), ["1", "2", "3"], "{start}");
        }
    }
}

#[tokio::test]
async fn a_record_that_the_clock_has_reached_moves_the_cursor_and_is_not_loaded_again() {
    let (api, lake) = (Api::start(vec![row(1, "2026-02-10"), row(2, "2026-02-02")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at"}), |_| {});
    let first = run_now(&config).await;
    assert_eq!((first.rows_written, &first.cursor, ahead_of_clock(&first)), (2, &Some(json!("2026-02-02")), true));
    let second = only(run_at(plan(&config), "2026-02-11T00:00:00Z").await);
    assert_eq!((numbers(&second), &second.cursor), ([2, 0, 2], &Some(json!("2026-02-10"))));
    assert!(!ahead_of_clock(&second));
    let third = only(run_at(plan(&config), "2026-02-11T00:00:00Z").await);
    assert_eq!(numbers(&third), [2, 0, 2]);
}

#[tokio::test]
async fn where_all_records_are_ahead_of_the_clock_the_cursor_does_not_move() {
    let (api, lake) = (Api::start(vec![row(1, "2999-01-01"), row(2, "2998-01-01")]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "start_param": "since", "initial_value": "2026-01-01"});
    let config = config(&api, &lake, &cursor, |config| {
        config["client"]["paginator"] = json!({"type": "offset", "limit": 1});
    });
    assert_eq!(run_now(&config).await.rows_written, 2);
    api.add([row(3, "2026-01-02")]);
    let second = run_now(&config).await;
    assert_eq!((second.rows_written, &second.cursor), (1, &Some(json!("2026-01-02"))));
    assert_eq!(run_now(&config).await.rows_written, 0);
    assert!(api.server.targets()[0].contains("since=2026-01-01"));
}

#[tokio::test]
async fn a_list_of_a_child_that_is_all_ahead_of_the_clock_holds_back_its_own_cursor_alone() {
    for parents in [vec![1, 2], vec![1]] {
        let listed = parents.iter().map(|id| json!({"id": id})).collect::<Vec<_>>();
        let answer = move |request: &Received| {
            (request.path == "/parents").then(|| Reply::json(json!({"data": listed}).to_string())).or_else(|| {
                let row = if request.path.ends_with("/1") { row(1, "2999-01-01") } else { row(2, "2026-01-02") };
                Some(Reply::json(json!({"data": [row]}).to_string()))
            })
        };
        let (api, lake) = (Api::answering(Vec::new(), answer).await, TempDir::new().unwrap());
        let cursor = json!({"cursor_path": "at", "start_param": "since", "initial_value": "2026-01-01"});
        let config = config(&api, &lake, &cursor, |config| {
            config["resources"][0]["endpoint"]["path"] = json!("items/{resources.parents.id}");
            let parents =
                json!({"name": "parents", "selected": false, "endpoint": {"path": "parents", "data_selector": "data"}});
            config["resources"].as_array_mut().unwrap().push(parents);
        });
        for expected in [parents.len(), 0] {
            let before = api.server.targets().len();
            let outcome = run_at(plan(&config), NOW).await;
            let items = outcome.summary.resources.iter().find(|resource| resource.name == "items").unwrap();
            assert_eq!((items.status, items.rows_written), (Status::Ok, expected as u64), "{items:?}");
            assert!(
                ahead_of_clock(items) && api.targets_since(before).contains(&"/items/1?since=2026-01-01".to_owned())
            );
        }
    }
}

#[tokio::test]
async fn an_end_that_the_config_sets_may_lie_ahead_of_the_clock() {
    let (api, lake) = (Api::start(vec![row(1, "2026-05-01"), row(2, "2026-01-02")]).await, TempDir::new().unwrap());
    let cursor = json!({"cursor_path": "at", "initial_value": "2026-01-01", "end_value": "2026-06-01"});
    let summary = run_now(&config(&api, &lake, &cursor, |_| {})).await;
    assert_eq!((summary.rows_written, summary.warnings.len()), (2, 0), "{:?}", summary.warnings);
}

#[tokio::test]
async fn an_epoch_time_ahead_of_the_clock_is_one_where_the_column_says_so() {
    let timed = |id: u64, at: i64| json!({"id": id, "at": at});
    for (format, expected) in [(json!("epoch_s"), json!(1_767_225_600)), (Value::Null, json!(32_503_680_000_i64))] {
        let rows = vec![timed(1, 1_767_225_600), timed(2, 32_503_680_000)];
        let (api, lake) = (Api::start(rows).await, TempDir::new().unwrap());
        let config = config(&api, &lake, &json!({"cursor_path": "at"}), |config| {
            let column = &mut config["resources"][0]["schema"]["columns"][1];
            *column = json!({"name": "at", "type": "int64"});
            if !format.is_null() {
                *column = json!({"name": "at", "type": "timestamp", "format": format});
            }
        });
        let summary = run_now(&config).await;
        assert_eq!(ahead_of_clock(&summary), !format.is_null());
        assert_eq!(summary.cursor, Some(expected));
    }
}

#[tokio::test]
async fn a_cursor_that_was_moved_ahead_of_the_clock_goes_back_to_it() {
    let (api, lake) = (Api::start(vec![row(1, "2999-01-01T00:00:00Z")]).await, TempDir::new().unwrap());
    let config = config(&api, &lake, &json!({"cursor_path": "at", "start_param": "since"}), |_| {});
    // By its clock, it was not ahead.
    only(run_at(plan(&config), "2999-01-01T00:00:00Z").await);
    api.add([row(2, "2026-02-01T10:00:00Z")]);
    let second = run_now(&config).await;
    assert_eq!((numbers(&second), &second.cursor), ([2, 1, 1], &Some(json!("2026-02-01T10:00:00Z"))));
    assert!(second.warnings.iter().any(|warning| warning.contains("--full-refresh")), "{:?}", second.warnings);
    assert_eq!(api.server.targets()[1], "/items?since=2026-02-01T00%3A00%3A00Z");
}

/// A server that reads local times of a zone, of two instants as the earlier or as the later one.
async fn local_api(zone: Tz, takes_later: bool, rows: Vec<Value>) -> Api {
    let all = Arc::new(rows.clone());
    Api::answering(rows, move |request| {
        let read = |name: &str| {
            let text = request.param(name)?;
            let local = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").unwrap();
            let read = zone.from_local_datetime(&local);
            Some(if takes_later { read.latest() } else { read.earliest() }.unwrap().to_utc())
        };
        let (since, until) = (read("since"), read("until"));
        let is_wanted = |row: &&Value| {
            let at: DateTime<Utc> = row["at"].as_str().unwrap().parse().unwrap();
            since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
        };
        let wanted = all.iter().filter(is_wanted).cloned().collect();
        Some(list_by_offset(wanted, usize::MAX, false)(request))
    })
    .await
}

/// A row each ten minutes of the hours around a change of clocks.
fn around(change: &str) -> Vec<Value> {
    let change: DateTime<Utc> = change.parse().unwrap();
    let at = |tens: i64| (change + chrono::TimeDelta::minutes(tens * 10)).to_rfc3339().replace("+00:00", "Z");
    (-18..18).zip(1..).map(|(tens, id)| row(id, &at(tens))).collect()
}

const CHANGES: [(&str, &str); 6] = [
    ("Europe/Berlin", "2024-10-27T01:00:00Z"),
    ("America/New_York", "2024-11-03T06:00:00Z"),
    ("Australia/Lord_Howe", "2024-04-06T15:00:00Z"),
    ("Europe/Berlin", "2024-03-31T01:00:00Z"),
    ("America/New_York", "2024-03-10T07:00:00Z"),
    ("Australia/Lord_Howe", "2024-10-05T15:30:00Z"),
];

#[tokio::test]
async fn a_start_in_an_hour_that_comes_twice_loses_no_row_and_brings_none_twice() {
    for ((zone, change), takes_later) in CHANGES.into_iter().flat_map(|change| [(change, false), (change, true)]) {
        let rows = around(change);
        for reached in [rows.len() / 2 - 5, rows.len() / 2 - 2, rows.len() / 2 + 1, rows.len() / 2 + 4] {
            for lag in [Value::Null, json!("20m")] {
                let api = local_api(zone.parse().unwrap(), takes_later, rows.clone()).await;
                let first = Api::start(rows[..reached].to_vec()).await;
                let lake = TempDir::new().unwrap();
                let cursor = json!({
                    "cursor_path": "at", "start_param": "since", "lag": lag,
                    "convert": {"format": "%Y-%m-%d %H:%M:%S", "timezone": zone},
                });
                run_now(&config(&first, &lake, &cursor, |_| {})).await;
                let second = run_now(&config(&api, &lake, &cursor, |_| {})).await;
                let case = format!("{zone} {takes_later} {reached} {lag}: {:?}", api.server.targets());
                assert_eq!((second.table_rows, ids(&lake).len()), (36, 36), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn windows_over_a_change_of_clocks_leave_no_gap() {
    for ((zone, change), takes_later) in CHANGES.into_iter().flat_map(|change| [(change, false), (change, true)]) {
        let rows = around(change);
        let api = local_api(zone.parse().unwrap(), takes_later, rows.clone()).await;
        for step in ["1h", "15m"] {
            let lake = TempDir::new().unwrap();
            let cursor = json!({
                "cursor_path": "at", "initial_value": rows[0]["at"], "start_param": "since", "end_param": "until",
                "window": {"step": step}, "convert": {"format": "%Y-%m-%d %H:%M:%S", "timezone": zone},
            });
            let now: DateTime<Utc> = change.parse().unwrap();
            let now = (now + chrono::TimeDelta::hours(3)).to_rfc3339();
            let summary = only(run_at(plan(&config(&api, &lake, &cursor, |_| {})), &now).await);
            assert_eq!((summary.table_rows, ids(&lake).len()), (36, 36), "{zone} {takes_later} {step}");
        }
        for target in api.server.targets() {
            let (since, until) = target.split_once("&until=").unwrap();
            assert!(since.split_once("since=").unwrap().1 < until, "{target}");
        }
    }
}
