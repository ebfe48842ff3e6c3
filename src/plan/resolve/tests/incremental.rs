//! What is wrong with `endpoint.incremental`, all of it before anything is requested.

use serde_json::{Value, json};

use super::{plan, problems, with};
use crate::plan::{Identity, IncrementalPlan};

const AT: &str = "/resources/0/endpoint/incremental";

/// The problems of the base config with this cursor, beside what every one has.
fn wrong(keys: Value, changes: &[(&str, Value)]) -> Vec<String> {
    problems(&with(&[&[(AT, cursor(keys))], changes].concat()))
}

fn cursor(keys: Value) -> Value {
    let mut cursor = json!({"cursor_path": "at", "initial_value": "2026-01-01"});
    keys.as_object().unwrap().iter().for_each(|(key, value)| cursor[key] = value.clone());
    cursor
}

fn planned(keys: Value, changes: &[(&str, Value)]) -> IncrementalPlan {
    let config = with(&[&[(AT, cursor(keys))], changes].concat());
    plan(&config).unwrap().resources.remove(0).incremental.unwrap()
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (keys, expected) in [
        (
            json!({"initial_value": null, "end_value": 5}),
            "endpoint.incremental.end_value: an `end_value` needs an `initial_value`",
        ),
        (json!({"end_value": "2025-01-01"}), "incremental.end_value: `end_value` comes before `initial_value`"),
        (json!({"end_value": 5}), "incremental.end_value: `initial_value` is a date, and `end_value` is a number"),
        (
            json!({"initial_value": true}),
            "incremental.initial_value: `initial_value` is a number or a text, which have an order",
        ),
        (
            json!({"initial_value": "x", "lag": 5}),
            "incremental.lag: `lag: 5` cannot be taken from `initial_value`, which is a text",
        ),
        (json!({"initial_value": 5, "lag": "1d"}), "cannot be taken from `initial_value`, which is a number"),
        (json!({"lag": -1}), "incremental.lag: `lag` is a number that is not below zero, or a duration such as `1d`"),
        (
            json!({"start_param": "a", "end_param": "a"}),
            "incremental.end_param: `end_param` is the parameter `a`, which is sent already",
        ),
        (json!({"convert": "%Q"}), "incremental.convert: this is no form of a moment"),
        (json!({"convert": {"format": "%Y", "timezone": "X/Y"}}), "convert.timezone: there is no such time zone"),
        (
            json!({"initial_value": 5, "convert": "%Y"}),
            "`convert` is for dates and timestamps, and `initial_value` is a number",
        ),
        (json!({"cursor_path": "renamed"}), "whose order is not that of time"),
        (json!({"cursor_path": "$.api.field"}), "whose order is not that of time"),
        (json!({"initial_value": "12/31/2025"}), "a date whose text does not sort by time"),
        (json!({"end_value": "Tue, 15 Nov 1994 12:45:26 GMT"}), "a date whose text does not sort by time"),
        (json!({"row_order": "up"}), "incremental.row_order"),
        (json!({"last_value_func": "avg"}), "incremental.last_value_func"),
        (json!({"corsor_path": "at"}), "unknown key `corsor_path`"),
    ] {
        let format = [("/resources/0/schema/columns/5/format", json!("%d.%m.%Y"))];
        let found = wrong(keys, &format);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_window_says_what_it_lacks() {
    let ends = |keys: Value| {
        let mut all = json!({"start_param": "a", "end_param": "b", "window": {"step": "1d"}});
        keys.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
        all
    };
    for (keys, expected) in [
        (json!({"end_param": null}), "the API has to be told both ends"),
        (json!({"initial_value": null}), "it needs an `initial_value`"),
        (json!({"initial_value": 1, "window": {"step": 5}}), "numbers have no now to end at"),
        (json!({"initial_value": 1, "end_value": 9}), "cannot be taken from `initial_value`, which is a number"),
        (json!({"last_value_func": "min"}), "its slices go upwards"),
        (json!({"range_start": "open"}), "slices meet at one value"),
        (json!({"window": {"step": "0s"}}), "its slices are not to be empty"),
        (json!({"lag": 1}), "`lag` has no place beside a `window`"),
        (json!({"window": {"step": "1d", "lookback": "1d"}}), "`append` would add them again"),
    ] {
        let found = wrong(ends(keys), &[]);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
    let replaces = wrong(ends(json!({})), &[("/resources/0/write_disposition", json!("replace"))]);
    assert!(replaces[0].contains("each slice would replace the one before"), "{replaces:?}");
}

#[test]
fn a_window_does_not_part_the_rows_of_a_merge_key_unless_that_is_the_cursor() {
    let window = json!({"start_param": "a", "end_param": "b", "window": {"step": "1d"}});
    let merged = |strategy: &str, key: &str| {
        let disposition = json!({"disposition": "merge", "strategy": strategy});
        [("/resources/0/write_disposition", disposition), ("/resources/0/merge_key", json!(key))]
    };
    for strategy in ["delete-insert", "scd2"] {
        assert!(planned(window.clone(), &merged(strategy, "at")).window.is_some());
        let found = wrong(window.clone(), &merged(strategy, "s"));
        assert!(found.len() == 1 && found[0].contains("for the same `merge_key`"), "{found:?}");
    }
}

#[test]
fn an_endpoint_has_one_cursor() {
    let param = json!({"type": "incremental", "cursor_path": "at"});
    let found = wrong(json!({}), &[("/resources/0/endpoint/params/since", param.clone())]);
    assert!(found[0].contains("endpoint.params.since: an endpoint has one cursor"), "{found:?}");
    let two = [("/resources/0/endpoint/params", json!({"a": param, "b": param}))];
    assert!(problems(&with(&two))[0].contains("endpoint.params.b: an endpoint has one cursor"));
    let with_end = json!({"type": "incremental", "cursor_path": "at", "end_param": "until"});
    let found = problems(&with(&[("/resources/0/endpoint/params/a", with_end)]));
    assert!(found[0].contains("unknown key `end_param`"), "{found:?}");
}

#[test]
fn what_looks_like_a_date_and_is_none_and_parameters_without_a_name_are_refused() {
    for wrong_date in ["2026-13-45", "2026-02-30T00:00:00Z"] {
        let found = wrong(json!({"initial_value": wrong_date}), &[]);
        assert!(found[0].contains("endpoint.incremental.initial_value"), "{found:?}");
        assert!(found[0].contains("looks like a date, and is none"), "{found:?}");
    }
    for fine in ["2026-13-45x", "2026-12-31", "2026/13/45", "17"] {
        planned(json!({"initial_value": fine}), &[]);
    }
    let empty = wrong(json!({"start_param": "", "end_param": ""}), &[]);
    assert_eq!(empty.len(), 2, "{empty:?}");
    assert!(empty[0].contains("endpoint.incremental.start_param: `start_param` is empty"), "{empty:?}");
}

#[test]
fn what_a_run_does_not_bring_is_not_taken_for_gone() {
    let merge = |options: Value| [("/resources/0/write_disposition", options)];
    let missing = wrong(json!({}), &merge(json!({"disposition": "merge", "on_missing": "delete"})));
    assert!(missing[0].contains("`on_missing: delete` takes rows that a run does not bring for gone"), "{missing:?}");
    let scd2 = wrong(json!({}), &merge(json!({"disposition": "merge", "strategy": "scd2"})));
    assert!(scd2[0].contains("`scd2` without a `merge_key`"), "{scd2:?}");
}

#[test]
fn a_column_or_a_field_names_the_cursor_and_the_key() {
    assert_eq!(planned(json!({"cursor_path": "renamed"}), &[]).cursor_path.to_string(), "api.field");
    assert_eq!(planned(json!({"cursor_path": "$.meta['at']"}), &[]).cursor_path.to_string(), "$.meta['at']");
    let key = |name: &str| Identity::Key(vec![name.parse().unwrap()]);
    assert_eq!(planned(json!({}), &[]).identity, key("id"));
    assert_eq!(planned(json!({"primary_key": "renamed"}), &[]).identity, key("api.field"));
    assert_eq!(planned(json!({"primary_key": []}), &[]).identity, Identity::Off);
    let merge = [("/resources/0/write_disposition", json!("merge"))];
    assert_eq!(planned(json!({}), &merge).identity, Identity::Content);
    assert_eq!(planned(json!({"lag": 1}), &[]).identity, Identity::Content);
}

#[test]
fn what_the_environment_fills_in_is_a_number_where_it_looks_like_one() {
    let config = with(&[(AT, json!({"cursor_path": "id", "initial_value": "${N:-17}", "lag": "${L:-3}"}))]);
    let incremental = plan(&config).unwrap().resources.remove(0).incremental.unwrap();
    assert!(incremental.initial_value.unwrap().is_number() && incremental.lag.unwrap().to_string() == "3");
}

#[test]
fn a_format_in_a_column_hint_has_to_sort_by_time_too() {
    let hinted = |format: &str, path: &str| {
        let hint = json!({"made": {"data_type": "timestamp", "format": format}});
        let cursor = (AT, cursor(json!({"cursor_path": path})));
        let config = with(&[cursor, ("/resources/0/columns", hint), ("/resources/0/schema", Value::Null)]);
        plan(&config).err().unwrap_or_default()
    };
    for format in [
        "%m/%d/%Y",
        "%d.%m.%Y %H:%M",
        "%Y-%d-%m",
        "%Y-%m-%d %I:%M %p",
        "%a, %d %b %Y %T GMT",
        "%y%m%d",
        "%Y-%-m-%-d",
        "%Y/%m/%d %T %z",
    ] {
        for path in ["made", "$.made", "$['made']"] {
            let found = hinted(format, path);
            assert!(found.iter().any(|found| found.contains("whose order is not that of time")), "{format}: {found:?}");
        }
    }
    for format in ["%Y-%m-%d", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%FT%T%.3fZ", "%FT%T%z", "epoch_s"] {
        assert_eq!(hinted(format, "made"), Vec::<String>::new(), "{format}");
    }
    assert_eq!(hinted("%m/%d/%Y", "at"), Vec::<String>::new());
}
