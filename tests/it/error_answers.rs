//! Errors that come with the status of a success: quoted, retried where they pass, and never taken for records or for their end.

use std::sync::Arc;

use restlake::{
    ErrorKind,
    plan::Plan,
    report::{ErrorSummary, ResourceSummary, Silent},
    run::{Outcome, run},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::TestEnvironment,
    pipeline::{API_KEY, only, plan_of},
    server::{Reply, Server},
    tables::{all_rows, read_table, sorted_texts},
};

/// Each is an error in place of the records of `data`, or of the whole answer.
const ERRORS: [(&str, &str); 7] = [
    (r#"{"data": null, "errors": [{"message": "no such field"}]}"#, "no such field"),
    (r#"{"data": [], "error": {"message": "denied"}}"#, "denied"),
    (r#"{"error": "denied"}"#, "denied"),
    (r#"{"success": false, "message": "denied", "data": null}"#, "denied"),
    (r#"{"status": "error", "message": "denied"}"#, "denied"),
    (r#"{"type": "about:blank", "title": "Denied", "detail": "no access"}"#, "no access"),
    (r#"{"stat": "fail", "code": 100, "message": "denied"}"#, "denied"),
];

fn config(server: &Server, lake: &TempDir, endpoint: Value, resource: Value) -> Value {
    let mut config = json!({
        "name": "p",
        "client": {"base_url": server.url(), "max_concurrency": 1, "retry": {"max_attempts": 3}},
        "resources": [{"name": "items", "endpoint": {"path": "items"}}],
        "destination": {"url": lake.path()},
    });
    let merge = |place: &mut Value, with: &Value| {
        with.as_object().unwrap().iter().for_each(|(key, value)| place[key] = value.clone());
    };
    merge(&mut config["resources"][0]["endpoint"], &endpoint);
    merge(&mut config["resources"][0], &resource);
    config
}

async fn outcome(plan: Plan) -> Outcome {
    run(plan, TestEnvironment::new().environment(), Arc::new(Silent)).await
}

async fn run_items(server: &Server, lake: &TempDir, endpoint: Value, resource: Value) -> Outcome {
    outcome(plan_of(&config(server, lake, endpoint, resource).to_string())).await
}

fn failed(outcome: &Outcome) -> &ErrorSummary {
    assert_eq!(outcome.kinds, [ErrorKind::User], "{outcome:#?}");
    let error = outcome.summary.resources[0].error.as_ref().unwrap();
    assert_eq!(error.code, "http_error_in_success", "{error:?}");
    error
}

fn ids(lake: &TempDir) -> Vec<u64> {
    let rows = sorted_texts(&all_rows(&read_table(&lake.path().join("items"))), &["id"]);
    let mut ids: Vec<u64> = rows.into_iter().filter_map(|row| row[0].clone()).map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn rows(ids: std::ops::Range<u64>) -> Vec<Value> {
    ids.map(|id| json!({"id": id, "name": format!("n{id}")})).collect()
}

/// The first answer is `first`, all others are `then`.
async fn changing(first: String, then: String) -> Server {
    Server::start(move |request| Reply::json(if request.number == 1 { first.clone() } else { then.clone() })).await
}

#[tokio::test]
async fn the_first_answer_is_an_error_whatever_the_config_says_of_its_records() {
    for (body, quoted) in ERRORS {
        for endpoint in [
            json!({}),
            json!({"data_selector": "data", "paginator": "single_page"}),
            json!({"data_selector": "data", "paginator": "single_page", "method": "POST", "json": {"query": "x"}}),
            json!({"data_selector": "data", "paginator": {"type": "offset", "limit": 2, "total_path": null}}),
            json!({"paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "c"}}),
        ] {
            let server = Server::start(move |_| Reply::json(body)).await;
            let lake = TempDir::new().unwrap();
            let outcome = run_items(&server, &lake, endpoint.clone(), json!({})).await;
            let error = failed(&outcome);
            assert!(error.message.contains(quoted), "{body} {endpoint}: {}", error.message);
            assert_eq!(server.requests().len(), 1, "no error of this kind passes");
        }
    }
}

#[tokio::test]
async fn no_error_empties_or_fills_a_table_that_is_replaced() {
    for (body, _) in ERRORS.iter().chain(&[(r#"{"unknown": "shape"}"#, "")]) {
        for (first, endpoint) in [
            (json!(rows(1..4)), json!({})),
            (json!({"data": rows(1..4)}), json!({})),
            (json!({"data": {"items": rows(1..4)}}), json!({})),
            (json!({"data": rows(1..4)}), json!({"data_selector": "data", "paginator": "single_page"})),
        ] {
            // The answer of an unknown shape is told from an empty page only where it would be the record.
            if body.contains("unknown") && endpoint != json!({}) {
                continue;
            }
            let server = changing(first.to_string(), (*body).to_owned()).await;
            let lake = TempDir::new().unwrap();
            let replace = json!({"write_disposition": "replace"});
            only(run_items(&server, &lake, endpoint.clone(), replace.clone()).await);
            failed(&run_items(&server, &lake, endpoint.clone(), replace).await);
            assert_eq!(ids(&lake), [1, 2, 3], "{body} {endpoint}");
        }
    }
}

#[tokio::test]
async fn no_row_is_missing_because_an_error_came_in_place_of_records() {
    for (body, _) in ERRORS {
        let server = changing(json!({"data": rows(1..4)}).to_string(), body.to_owned()).await;
        let lake = TempDir::new().unwrap();
        let merge = json!({"write_disposition": "merge", "primary_key": "id", "on_missing": "delete"});
        let endpoint = json!({"data_selector": "data", "paginator": "single_page", "allow_missing_data": true});
        only(run_items(&server, &lake, endpoint.clone(), merge.clone()).await);
        failed(&run_items(&server, &lake, endpoint, merge).await);
        assert_eq!(ids(&lake), [1, 2, 3], "{body}");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_sequence_does_not_end_it() {
    for (body, quoted) in ERRORS {
        for data_selector in [json!({"data_selector": "data"}), json!({})] {
            let server = Server::start(move |request| match request.number_param("page").unwrap() {
                page @ (0 | 2) => Reply::json(json!({"data": rows(page * 2..page * 2 + 2)}).to_string()),
                1 => Reply::json(body),
                _ => Reply::json(r#"{"data": []}"#),
            })
            .await;
            let lake = TempDir::new().unwrap();
            let mut endpoint = json!({"paginator": {"type": "page_number", "total_path": null}});
            endpoint.as_object_mut().unwrap().extend(data_selector.as_object().unwrap().clone());
            let outcome = run_items(&server, &lake, endpoint, json!({"write_disposition": "replace"})).await;
            let error = failed(&outcome);
            assert!(error.message.contains("page 2") && error.message.contains(quoted), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn a_list_of_a_child_that_is_an_error_fails_the_child() {
    let server = Server::start(|request| match request.path.as_str() {
        "/items" => Reply::json(json!({"data": rows(1..4)}).to_string()),
        "/items/2/parts" => Reply::json(r#"{"data": null, "errors": [{"message": "part store is down"}]}"#),
        _ => Reply::json(json!({"data": [{"id": 7}]}).to_string()),
    })
    .await;
    let lake = TempDir::new().unwrap();
    let mut config = config(&server, &lake, json!({"data_selector": "data", "paginator": "single_page"}), json!({}));
    let child = json!({"name": "parts", "include_from_parent": ["id"], "endpoint": {
        "path": "items/{resources.items.id}/parts", "data_selector": "data", "paginator": "single_page"}});
    config["resources"].as_array_mut().unwrap().push(child);
    let outcome = outcome(plan_of(&config.to_string())).await;
    let error = outcome.summary.resources[1].error.as_ref().unwrap();
    assert!(error.code == "http_error_in_success" && error.message.contains("part store is down"), "{error:?}");
    assert_eq!(outcome.summary.resources[0].error.as_ref().map(|error| &error.code), None);
}

#[tokio::test]
async fn a_throttle_in_a_success_is_retried_like_a_429() {
    for body in [
        r#"{"data": null, "errors": [{"message": "THROTTLED"}]}"#,
        r#"{"error": "rate limit exceeded"}"#,
        r#"{"code": 429, "message": "later", "data": []}"#,
        r#"{"status": "error", "message": "Too many requests, slow down"}"#,
    ] {
        let busy = move || Reply::json(body).header("retry-after", "7");
        let server = Server::scripted([busy(), busy(), Reply::json(json!({"data": rows(1..3)}).to_string())]).await;
        let lake = TempDir::new().unwrap();
        let test = TestEnvironment::new();
        let endpoint = json!({"data_selector": "data", "paginator": "single_page"});
        let plan = plan_of(&config(&server, &lake, endpoint.clone(), json!({})).to_string());
        let summary = only(run(plan, test.environment(), Arc::new(Silent)).await);
        assert_eq!((summary.retries, ids(&lake)), (2, vec![1, 2]), "{body}");
        assert!(test.clock.slept().contains(&std::time::Duration::from_secs(7)), "{:?}", test.clock.slept());
        // The attempts are used up.
        let server = Server::start(move |_| busy()).await;
        let outcome = run_items(&server, &TempDir::new().unwrap(), endpoint, json!({})).await;
        assert_eq!((outcome.kinds.as_slice(), server.requests().len()), ([ErrorKind::Transient].as_slice(), 3));
        let error = outcome.summary.resources[0].error.as_ref().unwrap();
        assert_eq!(error.code, "http_error_in_success", "{error:?}");
    }
}

#[tokio::test]
async fn records_with_fields_of_messages_stay_records() {
    for (body, endpoint, count) in [
        (json!([{"error": "x", "message": "y"}, {"status": "failed", "message": "z"}]), json!({}), 2),
        (json!({"data": [{"error": "rate limit exceeded"}]}), json!({"data_selector": "data"}), 1),
        (json!({"id": 1, "error": "disk full", "status": "failed"}), json!({"paginator": "single_page"}), 1),
        (json!({"success": true, "error": null, "data": []}), json!({"data_selector": "data"}), 0),
    ] {
        let server = Server::start(move |_| Reply::json(body.to_string())).await;
        let lake = TempDir::new().unwrap();
        let summary = only(run_items(&server, &lake, endpoint, json!({})).await);
        assert_eq!(summary.rows_written, count);
    }
}

#[tokio::test]
async fn an_object_is_a_record_of_a_declared_table_if_a_column_reads_one_of_its_fields() {
    let columns = json!([{"name": "key", "source": "owner.id", "type": "int64"}]);
    let resource = |columns: &Value| json!({"schema": {"columns": columns}});
    let server = Server::start(|_| Reply::json(r#"{"owner": {"id": 5}, "x": 1}"#)).await;
    let endpoint = json!({"paginator": "single_page"});
    let summary = only(run_items(&server, &TempDir::new().unwrap(), endpoint.clone(), resource(&columns)).await);
    assert_eq!(summary.rows_written, 1);
    let whole = json!([{"name": "raw", "source": "$", "type": "json"}]);
    let summary = only(run_items(&server, &TempDir::new().unwrap(), endpoint.clone(), resource(&whole)).await);
    assert_eq!(summary.rows_written, 1);
    let other = json!([{"name": "id", "type": "int64"}]);
    let refused = run_items(&server, &TempDir::new().unwrap(), endpoint.clone(), resource(&other)).await;
    assert!(failed(&refused).message.contains(r#"{"owner": {"id": 5}, "x": 1}"#), "{refused:?}");
    // What a step makes of the object is another record.
    let mut mapped = resource(&other);
    mapped["processing_steps"] = json!([{"map": "{id: .x}"}]);
    assert_eq!(only(run_items(&server, &TempDir::new().unwrap(), endpoint, mapped).await).rows_written, 1);
}

#[tokio::test]
async fn errors_beside_records_are_one_warning_and_lose_no_record() {
    let server = Server::start(|request| {
        let page = request.number_param("page").unwrap();
        let data = if page < 3 { rows(page * 2..page * 2 + 2) } else { Vec::new() };
        let errors = json!([{"message": format!("shard {page} is late")}]);
        Reply::json(json!({"data": data, "errors": if page < 3 { errors } else { Value::Null }}).to_string())
    })
    .await;
    let lake = TempDir::new().unwrap();
    let endpoint = json!({"data_selector": "data", "paginator": {"type": "page_number", "total_path": null}});
    let summary: ResourceSummary = only(run_items(&server, &lake, endpoint, json!({})).await);
    assert_eq!(ids(&lake), [0, 1, 2, 3, 4, 5]);
    let partial: Vec<_> = summary.warnings.iter().filter(|warning| warning.contains("is late")).collect();
    assert_eq!(partial, ["`items`: an answer has errors beside its records: shard 0 is late"]);
}

/// The text between the backquotes of the hint's rule.
fn line_of(hint: &str) -> &str {
    let start = hint.find("response_actions: ").unwrap();
    hint[start..].split('`').next().unwrap()
}

#[tokio::test]
async fn the_line_of_the_hint_accepts_the_answer() {
    let others = [
        r#"{"data": null, "errors": [{"message": "Field \"a\" is not 'b'"}]}"#,
        r#"{"data": [], "error": "нет"}"#,
        r#"{"success":false,"data":[]}"#,
        r#"{"error": "${HOME}: \\ no"}"#,
    ];
    for body in ERRORS.iter().map(|(body, _)| *body).chain(others) {
        for endpoint in [
            "data_selector: data, paginator: single_page",
            "data_selector: data, paginator: {type: offset, limit: 5, total_path: null}",
            "paginator: single_page",
        ] {
            let server = Server::start(move |_| Reply::json(body)).await;
            let lake = TempDir::new().unwrap();
            let config = |line: &str| {
                let (url, lake) = (server.url(), lake.path().display());
                format!(
                    "name: p\nclient: {{base_url: '{url}'}}\nresources:\n- name: items\n  endpoint: {{path: items, {endpoint}{line}}}\ndestination: {{url: '{lake}'}}\n"
                )
            };
            let refused = outcome(plan_of(&config(""))).await;
            let hint = failed(&refused).hint.clone().unwrap();
            let accepted = only(outcome(plan_of(&config(&format!(", {}", line_of(&hint))))).await);
            // Without a selector the object is the record.
            assert!(accepted.rows_written <= 1 && accepted.pages == 1, "{body} {endpoint} {hint}");
        }
    }
}

#[tokio::test]
async fn an_accepted_answer_is_a_page_whatever_its_status() {
    let server =
        Server::start(|_| Reply::json(json!({"data": rows(1..3), "error": "x"}).to_string()).with_status(404)).await;
    let lake = TempDir::new().unwrap();
    let endpoint = json!({"data_selector": "data", "paginator": "single_page",
        "response_actions": [{"status_code": 404, "action": "accept"}]});
    let summary = only(run_items(&server, &lake, endpoint, json!({})).await);
    assert_eq!(ids(&lake), [1, 2]);
    assert!(!summary.warnings.iter().any(|warning| warning.contains("errors")), "{:?}", summary.warnings);
}

#[tokio::test]
async fn rules_decide_before_an_answer_is_taken_for_an_error() {
    for (action, is_failed) in [("ignore", false), ("stop", false), ("accept", false), ("fail", true)] {
        let server = Server::start(|_| Reply::json(r#"{"data": null, "errors": [{"message": "nothing yet"}]}"#)).await;
        let endpoint = json!({"data_selector": "data", "paginator": "single_page",
            "response_actions": [{"content": "nothing yet", "action": action}]});
        let outcome = run_items(&server, &TempDir::new().unwrap(), endpoint, json!({})).await;
        let error = outcome.summary.resources[0].error.as_ref().map(|error| error.code.as_str());
        assert_eq!(error, is_failed.then_some("response_action"), "{action}");
    }
}

#[tokio::test]
async fn a_secret_in_the_answer_is_in_no_message_and_in_no_hint() {
    let body = json!({"data": null, "errors": [{"message": format!("the key {API_KEY} is not known")}]}).to_string();
    let server = Server::start(move |_| Reply::json(body.clone())).await;
    let lake = TempDir::new().unwrap();
    let mut config = config(&server, &lake, json!({"data_selector": "data", "paginator": "single_page"}), json!({}));
    config["client"]["auth"] = json!({"type": "bearer", "token": "${API_KEY}"});
    let outcome = outcome(plan_of(&config.to_string())).await;
    let error = failed(&outcome);
    let hint = error.hint.as_deref().unwrap();
    assert!(error.message.contains("is not known"), "{error:?}");
    assert!(!error.message.contains(API_KEY) && !hint.contains(API_KEY), "{error:?}");
    assert!(hint.contains("status_code: 200, action: accept") || hint.contains("content"), "{hint}");
}

#[tokio::test]
async fn csv_and_ndjson_are_no_objects_and_never_such_an_error() {
    for (content_type, body) in [("text/csv", "error,message\nx,y\n"), ("application/x-ndjson", "{\"error\": \"x\"}\n")]
    {
        let server = Server::start(move |_| Reply::status(200).header("content-type", content_type).body(body)).await;
        let endpoint = json!({"data_selector": "$", "paginator": "single_page"});
        assert_eq!(only(run_items(&server, &TempDir::new().unwrap(), endpoint, json!({})).await).rows_written, 1);
    }
}
