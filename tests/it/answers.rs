//! What answers may look like and what some of them mean: selectors, formats and `response_actions`, and
//! `processing_steps`, from request to table.

use std::sync::Arc;

use restlake::{
    error::ErrorKind,
    plan::Plan,
    report::{ResourceSummary, Silent},
    run::{Outcome, run},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::TestEnvironment,
    pipeline::{only, plan_of},
    server::{Received, Reply, Server},
    tables::{all_rows, read_table, sorted_texts},
};

/// One resource `items`, one request at a time; `id` is its only column unless `resource` says otherwise.
fn items_plan(server: &Server, lake: &TempDir, endpoint: Value, resource: Value) -> Plan {
    let mut config = json!({
        "name": "p",
        "client": {"base_url": server.url(), "max_concurrency": 1, "retry": {"max_attempts": 3}},
        "resources": [{
            "name": "items",
            "endpoint": {"path": "items", "data_selector": "data", "paginator": "single_page"},
            "schema": {"columns": [{"name": "id", "type": "int64"}]},
        }],
        "destination": {"url": lake.path()},
    });
    for (key, value) in endpoint.as_object().unwrap() {
        config["resources"][0]["endpoint"][key] = value.clone();
    }
    for (key, value) in resource.as_object().unwrap() {
        config["resources"][0][key] = value.clone();
    }
    plan_of(&config.to_string())
}

async fn outcome(plan: Plan) -> Outcome {
    run(plan, TestEnvironment::new().environment(), Arc::new(Silent)).await
}

fn texts(lake: &TempDir, columns: &[&str]) -> Vec<Vec<Option<String>>> {
    sorted_texts(&all_rows(&read_table(&lake.path().join("items"))), columns)
}

fn ids(lake: &TempDir) -> Vec<u64> {
    let mut ids: Vec<u64> =
        texts(lake, &["id"]).into_iter().filter_map(|row| row[0].clone()).map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn some(rows: &[&[&str]]) -> Vec<Vec<Option<String>>> {
    rows.iter().map(|row| row.iter().map(|cell| Some((*cell).to_owned())).collect()).collect()
}

fn failed(outcome: &Outcome) -> (String, String) {
    let error = outcome.summary.resources[0].error.as_ref().expect("the resource was to fail");
    (error.code.clone(), error.message.clone())
}

#[tokio::test]
async fn records_that_a_query_finds_all_over_a_page_become_rows_without_losing_a_digit() {
    let body = r#"{"groups": [{"open": true, "rows": [{"id": 9007199254740993, "d": 0.1000000000000000000001}]},
        {"open": false, "rows": [{"id": 5, "d": 1}]}, {"open": true, "rows": [{"id": 2, "d": 2.50}, {"id": 3, "d": null}]}]}"#;
    let server = Server::start(move |_| Reply::json(body)).await;
    let lake = TempDir::new().unwrap();
    let schema = json!({"columns": [{"name": "id", "type": "int64"}, {"name": "d", "type": "decimal(38,22)"}]});
    let endpoint = json!({"data_selector": "$.groups[?@.open == true].rows[*]"});
    let summary = only(outcome(items_plan(&server, &lake, endpoint, json!({"schema": schema}))).await);
    assert_eq!((summary.rows_fetched, summary.rows_written), (3, 3));
    let rows = texts(&lake, &["id", "d"]);
    assert_eq!(rows.len(), 3);
    let cell = |text: &str| Some(text.to_owned());
    assert!(rows.contains(&vec![cell("9007199254740993"), cell("0.1000000000000000000001")]), "{rows:?}");
    assert!(rows.contains(&vec![cell("2"), cell("2.5000000000000000000000")]), "{rows:?}");
}

#[tokio::test]
async fn a_selector_that_leads_nowhere_fails_and_one_that_picks_nothing_is_an_empty_page() {
    let server = Server::start(|_| Reply::json(r#"{"rows": [{"id": 1, "t": "a"}]}"#)).await;
    let lake = TempDir::new().unwrap();
    let picks = json!({"data_selector": "rows[?@.t == 'b']"});
    assert_eq!(only(outcome(items_plan(&server, &lake, picks, json!({}))).await).rows_fetched, 0);
    let wrong = json!({"data_selector": "rows[*].inner[*]"});
    let outcome = outcome(items_plan(&server, &lake, wrong, json!({"table_name": "other"}))).await;
    assert_eq!(failed(&outcome).0, "records_not_found");
}

#[tokio::test]
async fn totals_and_the_sign_of_more_may_be_found_by_a_query() {
    let server = Server::start(|request| {
        let offset = request.number_param("offset").unwrap();
        let rows: Vec<_> = (offset + 1..=5).take(2).map(|id| json!({"id": id})).collect();
        Reply::json(json!({"data": rows, "meta": [{"k": "x", "n": 99}, {"k": "total", "n": 5}]}).to_string())
    })
    .await;
    let lake = TempDir::new().unwrap();
    let paginator = json!({"type": "offset", "limit": 2, "total_path": "meta[?@.k == 'total'].n"});
    only(outcome(items_plan(&server, &lake, json!({"paginator": paginator}), json!({}))).await);
    assert_eq!(ids(&lake), [1, 2, 3, 4, 5]);
    assert_eq!(server.targets(), ["/items?offset=0&limit=2", "/items?offset=2&limit=2", "/items?offset=4&limit=2"]);
}

#[tokio::test]
async fn scalars_become_rows_of_the_column_that_reads_value_and_a_mismatch_where_none_does() {
    let server = Server::start(|_| Reply::json(r#"["a", "b", null]"#)).await;
    let lake = TempDir::new().unwrap();
    let root = json!({"data_selector": "$"});
    let schema = json!({"schema": {"columns": [{"name": "tag", "source": "value", "type": "string"}]}});
    let summary = only(outcome(items_plan(&server, &lake, root.clone(), schema)).await);
    assert_eq!(summary.rows_written, 3);
    assert_eq!(texts(&lake, &["tag"])[1..], some(&[&["a"], &["b"]]));
    let outcome = outcome(items_plan(&server, &lake, root, json!({"table_name": "other"}))).await;
    assert_eq!(failed(&outcome).0, "data_mismatch");
}

/// Five rows by offset, two a page, written by `write`; their number stands in a header.
fn pages_of(content_type: &'static str, write: fn(u64) -> String) -> impl Fn(&Received) -> Reply {
    move |request| {
        let offset = request.number_param("offset").unwrap();
        let body: String = std::iter::once(0).chain((offset + 1..=5).take(2)).map(write).collect();
        Reply::status(200).header("content-type", content_type).header("x-total-count", "5").body(body)
    }
}

#[tokio::test]
async fn ndjson_and_csv_are_paged_and_typed_like_json() {
    let ndjson = |id: u64| {
        if id == 0 { String::new() } else { format!("{{\"id\": {id}, \"n\": \"{id}.50\", \"b\": true}}\n\n") }
    };
    let csv = |id: u64| if id == 0 { "id,n,b\n".to_owned() } else { format!("{id},{id}.50,True\n") };
    for (content_type, write) in
        [("application/x-ndjson", ndjson as fn(u64) -> String), ("text/csv; charset=utf-8", csv)]
    {
        let server = Server::start(pages_of(content_type, write)).await;
        let lake = TempDir::new().unwrap();
        let paginator = json!({"type": "offset", "limit": 2, "total_path": null, "total_header": "X-Total-Count"});
        let endpoint = json!({"data_selector": "$", "paginator": paginator});
        let column = |name: &str, data_type: &str| json!({"name": name, "type": data_type});
        let columns = json!([column("id", "int64"), column("n", "decimal(10,2)"), column("b", "bool")]);
        let summary =
            only(outcome(items_plan(&server, &lake, endpoint, json!({"schema": {"columns": columns}}))).await);
        assert_eq!((summary.rows_written, summary.pages), (5, 3), "{content_type}");
        let expected: [&[&str]; 5] = [
            &["1", "1.50", "true"],
            &["2", "2.50", "true"],
            &["3", "3.50", "true"],
            &["4", "4.50", "true"],
            &["5", "5.50", "true"],
        ];
        assert_eq!(texts(&lake, &["id", "n", "b"]), some(&expected), "{content_type}");
    }
}

#[tokio::test]
async fn a_format_that_is_written_is_asked_for_and_outranks_the_type_of_the_answer() {
    let server = Server::start(|_| Reply::json("1;x\n2;NA\n").header("x-ignored", "1")).await;
    let lake = TempDir::new().unwrap();
    let csv = json!({"delimiter": ";", "header": false, "columns": ["id", "s"], "null_values": ["NA"]});
    let endpoint = json!({"data_selector": "$", "format": "csv", "csv": csv});
    let columns = json!([{"name": "id", "type": "int64"}, {"name": "s", "type": "string"}]);
    let plan = items_plan(&server, &lake, endpoint.clone(), json!({"schema": {"columns": columns}}));
    only(outcome(plan).await);
    assert_eq!(
        texts(&lake, &["id", "s"]),
        [vec![Some("1".to_owned()), Some("x".to_owned())], vec![Some("2".to_owned()), None]]
    );
    assert_eq!(server.requests()[0].header("accept"), Some("text/csv, */*;q=0.5"));
}

#[tokio::test]
async fn a_line_that_is_no_json_is_tried_again_and_named_in_the_end() {
    let server =
        Server::start(|_| Reply::status(200).header("content-type", "application/jsonl").body("{\"id\":1}\n{\"id\":"))
            .await;
    let lake = TempDir::new().unwrap();
    let outcome = outcome(items_plan(&server, &lake, json!({"data_selector": "$"}), json!({}))).await;
    let (code, message) = failed(&outcome);
    assert_eq!((code.as_str(), server.requests().len()), ("http_not_json", 3));
    assert!(message.contains("not NDJSON, line 2: a value was expected"), "{message}");
}

/// Pages of two of ten rows by number, `holes` of which are answered with `hole`; empty behind the end.
fn numbered(holes: &'static [u64], hole: fn() -> Reply) -> impl Fn(&Received) -> Reply {
    move |request| {
        let page = request.number_param("page").unwrap();
        if holes.contains(&page) {
            return hole();
        }
        let rows: Vec<_> = (page * 2 + 1..=10).take(2).map(|id| json!({"id": id})).collect();
        Reply::json(json!({ "data": rows }).to_string())
    }
}

async fn run_numbered(server: &Server, lake: &TempDir, actions: Value) -> Outcome {
    let paginator = json!({"type": "page_number", "total_path": null});
    let endpoint = json!({"paginator": paginator, "response_actions": actions});
    outcome(items_plan(server, lake, endpoint, json!({}))).await
}

fn ignored(summary: &ResourceSummary) -> &str {
    let [warning] = summary.warnings.as_slice() else { panic!("{:?}", summary.warnings) };
    warning
}

#[tokio::test]
async fn an_ignored_page_in_the_middle_is_counted_and_not_the_end() {
    let server = Server::start(numbered(&[1, 3], || Reply::status(404))).await;
    let lake = TempDir::new().unwrap();
    let summary = only(run_numbered(&server, &lake, json!([{"status_code": "404", "action": "ignore"}])).await);
    assert_eq!(ids(&lake), [1, 2, 5, 6, 9, 10]);
    assert_eq!(server.targets().len(), 6);
    assert_eq!((summary.rows_fetched, summary.rows_written, summary.pages), (6, 6, 6));
    assert_eq!(ignored(&summary), "2 pages were ignored (404)");
}

#[tokio::test]
async fn an_offset_steps_over_an_ignored_page_by_the_size_that_pages_have() {
    let server = Server::start(|request| match request.number_param("offset").unwrap() {
        2 => Reply::json(r#"{"error": "corrupt shard"}"#),
        offset => {
            let rows: Vec<_> = (offset + 1..=6).take(2).map(|id| json!({"id": id})).collect();
            Reply::json(json!({"data": rows, "total": 6}).to_string())
        }
    })
    .await;
    let lake = TempDir::new().unwrap();
    let actions = json!([{"content": "corrupt shard", "status_code": 200, "action": "ignore"}]);
    // The server gives fewer than are asked for.
    let endpoint = json!({"paginator": {"type": "offset", "limit": 50}, "response_actions": actions});
    let summary = only(outcome(items_plan(&server, &lake, endpoint, json!({}))).await);
    assert_eq!(ids(&lake), [1, 2, 5, 6]);
    assert_eq!(summary.warnings, ["1 page was ignored (200)"]);
    assert_eq!(summary.complete, None, "what the config leaves out is known, and what came is not proved to be all");
}

#[tokio::test]
async fn ignored_pages_behind_the_end_do_not_go_on_for_ever() {
    let server = Server::start(|request| {
        if request.number_param("page").unwrap() > 4 {
            return Reply::status(404);
        }
        numbered(&[], || Reply::status(500))(request)
    })
    .await;
    let lake = TempDir::new().unwrap();
    let summary = only(run_numbered(&server, &lake, json!([{"status_code": 404, "action": "ignore"}])).await);
    assert_eq!((ids(&lake).len(), server.targets().len()), (10, 8));
    let warning = ignored(&summary);
    assert!(warning.starts_with("3 pages were ignored (404); the list ended there"), "{warning}");
}

#[tokio::test]
async fn a_list_whose_first_page_is_ignored_is_empty() {
    let server = Server::start(|_| Reply::status(404).body("no such list")).await;
    let lake = TempDir::new().unwrap();
    let summary = only(run_numbered(&server, &lake, json!([{"content": "no such", "action": "ignore"}])).await);
    assert_eq!((summary.rows_fetched, server.targets().len()), (0, 1));
    assert_eq!(ignored(&summary), "1 page was ignored (404)");
}

#[tokio::test]
async fn an_ignored_first_page_is_a_hole_as_well_unless_there_is_no_such_list() {
    let server = Server::start(numbered(&[0], || Reply::status(503))).await;
    let lake = TempDir::new().unwrap();
    let summary = only(run_numbered(&server, &lake, json!([{"status_code": 503, "action": "ignore"}])).await);
    assert_eq!(ids(&lake), [3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(ignored(&summary), "1 page was ignored (503)");
    // Only the page itself would have told where the next one is.
    let server = Server::start(|_| Reply::status(503)).await;
    let actions = json!([{"status_code": 503, "action": "ignore"}]);
    let paginator = json!({"type": "json_link", "next_url_path": "next"});
    let endpoint = json!({"paginator": paginator, "response_actions": actions});
    let summary = only(outcome(items_plan(&server, &TempDir::new().unwrap(), endpoint, json!({}))).await);
    assert!(ignored(&summary).starts_with("1 page was ignored (503); the list ended there"), "{:?}", summary.warnings);
}

#[tokio::test]
async fn a_table_is_not_replaced_by_nothing_because_pages_were_ignored() {
    let whole = Server::start(numbered(&[], || Reply::status(404))).await;
    let gone = Server::start(|_| Reply::status(404)).await;
    let lake = TempDir::new().unwrap();
    let actions = json!([{"status_code": 404, "action": "ignore"}]);
    let paginator = json!({"type": "page_number", "total_path": null});
    let endpoint = json!({"paginator": paginator, "response_actions": actions});
    let replace = json!({"write_disposition": "replace"});
    only(outcome(items_plan(&whole, &lake, endpoint.clone(), replace.clone())).await);
    let refused = outcome(items_plan(&gone, &lake, endpoint, replace.clone())).await;
    let (code, message) = failed(&refused);
    assert!(code == "empty_replace" && message.contains("the 10 rows of the table stay"), "{code} {message}");
    assert_eq!(ids(&lake).len(), 10);
    let endpoint = json!({"response_actions": [{"status_code": 404, "action": "stop"}]});
    only(outcome(items_plan(&gone, &lake, endpoint, replace)).await);
    assert_eq!(ids(&lake).len(), 0);
}

#[tokio::test]
async fn an_ignored_page_does_not_look_like_a_list_that_moves() {
    let server = Server::start(|request| {
        let (offset, limit) = (request.number_param("offset").unwrap(), request.number_param("limit").unwrap());
        // The page at 17 begins three rows before.
        if offset == 14 {
            return Reply::status(500);
        }
        let rows: Vec<_> = (offset..50).take(limit as usize).map(|id| json!({"id": id})).collect();
        Reply::json(json!({ "data": rows }).to_string())
    })
    .await;
    let lake = TempDir::new().unwrap();
    let paginator = json!({"type": "offset", "limit": 10, "overlap": 3, "total_path": null});
    let actions = json!([{"status_code": 500, "action": "ignore"}]);
    let endpoint = json!({"paginator": paginator, "response_actions": actions, "on_drift": "fail"});
    let outcome = outcome(items_plan(&server, &lake, endpoint, json!({}))).await;
    assert_eq!(ignored(&only(outcome)), "1 page was ignored (500)");
    // What the page behind the hole begins with is new.
    let rest: Vec<u64> = (0..17).chain(21..50).collect();
    assert_eq!(ids(&lake), rest);
}

#[tokio::test]
async fn a_list_that_was_stopped_and_may_have_moved_is_a_failure_where_it_must_not_move() {
    let server = Server::start(|request| match request.number_param("offset").unwrap() {
        0 => Reply::json(json!({"data": [{"id": 1}, {"id": 2}], "total": 9}).to_string()),
        // The total might say in the end that these are two rows that are alike.
        2 => Reply::json(json!({"data": [{"id": 2}, {"id": 3}], "total": 9}).to_string()),
        _ => Reply::status(422),
    })
    .await;
    let lake = TempDir::new().unwrap();
    for (on_drift, is_failed) in [("fail", true), ("warn", false)] {
        let actions = json!([{"status_code": 422, "action": "stop"}]);
        let paginator = json!({"type": "offset", "limit": 2});
        let endpoint = json!({"paginator": paginator, "response_actions": actions, "on_drift": on_drift});
        let outcome = outcome(items_plan(&server, &lake, endpoint, json!({}))).await;
        let [summary] = &outcome.summary.resources[..] else { panic!() };
        let code = summary.error.as_ref().map(|error| error.code.as_str());
        assert_eq!(code, is_failed.then_some("list_moved"), "{:?}", summary.warnings);
    }
}

#[tokio::test]
async fn a_list_with_an_ignored_page_takes_no_row_for_gone() {
    let whole = Server::start(numbered(&[], || Reply::status(404))).await;
    let holed = Server::start(numbered(&[2], || Reply::status(410))).await;
    let lake = TempDir::new().unwrap();
    let merge = json!({"write_disposition": "merge", "on_missing": "delete", "primary_key": "id"});
    for server in [&whole, &holed] {
        let paginator = json!({"type": "page_number", "total_path": null});
        let actions = json!([{"status_code": 410, "action": "ignore"}]);
        let endpoint = json!({"paginator": paginator, "response_actions": actions});
        let summary = only(outcome(items_plan(server, &lake, endpoint, merge.clone())).await);
        assert_eq!(summary.rows_deleted, 0);
    }
    assert_eq!(ids(&lake).len(), 10);
}

#[tokio::test]
async fn stop_ends_a_list_well_and_the_message_is_told() {
    let server = Server::start(numbered(&[2, 3], || Reply::status(422).body("page beyond the window"))).await;
    let lake = TempDir::new().unwrap();
    let actions = json!([
        {"status_code": 422, "content": "something else", "action": "fail"},
        {"status_code": 422, "content": "beyond the window", "action": "stop", "message": "the API shows two pages"},
    ]);
    let summary = only(run_numbered(&server, &lake, actions).await);
    assert_eq!((ids(&lake), server.targets().len()), (vec![1, 2, 3, 4], 3));
    assert_eq!(ignored(&summary), "the list was ended at page 3: the API shows two pages");
    let quiet = json!([{"status_code": 422, "action": "stop"}]);
    let summary = only(run_numbered(&server, &TempDir::new().unwrap(), quiet).await);
    assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
}

#[tokio::test]
async fn stop_keeps_the_records_of_a_success_and_those_that_come_again_are_no_news() {
    let pages = |last: Value, is_first: bool| {
        move |request: &Received| {
            let page = request.number_param("page").unwrap_or(1);
            let body = match page {
                1 if !is_first => json!({"data": [{"id": 1}, {"id": 2}]}),
                _ => last.clone(),
            };
            Reply::json(body.to_string())
        }
    };
    let run = async |last: Value, is_first: bool| {
        let server = Server::start(pages(last, is_first)).await;
        let lake = TempDir::new().unwrap();
        let endpoint = json!({
            "data_selector": "data", "paginator": {"type": "page_number", "base_page": 1, "total_path": null},
            "response_actions": [{"status_code": 200, "content": "last", "action": "stop"}],
        });
        let summary = only(outcome(items_plan(&server, &lake, endpoint, json!({}))).await);
        (ids(&lake), server.targets().len(), summary.complete, summary.notes)
    };
    let (found, requests, complete, notes) = run(json!({"data": [{"id": 3}], "state": "last"}), false).await;
    assert_eq!((found, requests, complete), (vec![1, 2, 3], 2, None));
    assert!(notes.iter().any(|note| note.contains("kept 1 record of page 2")), "{notes:?}");
    let (found, requests, ..) = run(json!({"data": [{"id": 3}], "state": "last"}), true).await;
    assert_eq!((found, requests), (vec![3], 1));
    let (found, requests, ..) = run(json!({"data": [{"id": 1}, {"id": 2}], "state": "last"}), false).await;
    assert_eq!((found, requests), (vec![1, 2], 2));
    let (found, requests, ..) = run(json!({"message": "that was the last page"}), false).await;
    assert_eq!((found, requests), (vec![1, 2], 2));
}

#[tokio::test]
async fn a_rule_for_401_is_for_credentials_that_are_new() {
    for (action, accepted, rows) in [("ignore", 2, 1), ("stop", 2, 1), ("fail", 2, 1), ("ignore", 9, 0)] {
        let tokens = std::sync::atomic::AtomicUsize::new(0);
        let server = Server::start(move |request| match request.path.as_str() {
            "/token" => {
                let number = tokens.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                Reply::json(json!({"access_token": format!("token-{number}"), "expires_in": 86400}).to_string())
            }
            _ if request.header("authorization") == Some(format!("Bearer token-{accepted}").as_str()) => {
                Reply::json(r#"{"data": [{"id": 1}]}"#)
            }
            _ => Reply::status(401),
        })
        .await;
        let auth = json!({"type": "oauth2_client_credentials", "access_token_url": server.url().join("token").unwrap(),
            "client_id": "c", "client_secret": "s"});
        let endpoint = json!({"auth": auth, "response_actions": [{"status_code": 401, "action": action}]});
        let summary = only(outcome(items_plan(&server, &TempDir::new().unwrap(), endpoint, json!({}))).await);
        assert_eq!((summary.rows_written, summary.warnings.len() as u64), (rows, 1 - rows), "{action} {accepted}");
        assert_eq!(server.targets(), ["/token", "/items", "/token", "/items"]);
    }
}

#[tokio::test]
async fn an_action_retry_waits_for_the_reset_of_the_quota() {
    let busy = Reply::status(403).header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", "40");
    let server = Server::scripted([busy, Reply::json(r#"{"data": [{"id": 1}]}"#)]).await;
    let lake = TempDir::new().unwrap();
    let endpoint = json!({"response_actions": [{"status_code": 403, "action": "retry"}]});
    let test = TestEnvironment::new();
    let plan = items_plan(&server, &lake, endpoint, json!({}));
    only(run(plan, test.environment(), Arc::new(Silent)).await);
    assert!(test.clock.slept().contains(&std::time::Duration::from_secs(40)), "{:?}", test.clock.slept());
}

#[tokio::test]
async fn retry_takes_a_success_for_a_passing_fault_until_the_attempts_are_used_up() {
    let busy = || Reply::json(r#"{"status": "pending"}"#).header("retry-after", "7");
    let server = Server::scripted([busy(), busy(), Reply::json(r#"{"data": [{"id": 1}]}"#)]).await;
    let lake = TempDir::new().unwrap();
    let actions = json!([{"content": "\"pending\"", "action": "retry", "message": "the report is not ready"}]);
    let endpoint = json!({ "response_actions": actions });
    let summary = only(outcome(items_plan(&server, &lake, endpoint.clone(), json!({}))).await);
    assert_eq!((summary.retries, ids(&lake)), (2, vec![1]));
    let server = Server::start(move |_| busy()).await;
    let outcome = outcome(items_plan(&server, &TempDir::new().unwrap(), endpoint, json!({}))).await;
    assert_eq!((outcome.kinds.as_slice(), server.targets().len()), ([ErrorKind::Transient].as_slice(), 3));
    let (code, message) = failed(&outcome);
    assert_eq!(code, "response_action");
    assert!(message.contains("the report is not ready (the server answered 200 OK)"), "{message}");
}

#[tokio::test]
async fn fail_fails_at_once_and_the_first_rule_that_fits_counts() {
    let server = Server::start(|_| Reply::status(503).body("licence expired")).await;
    let lake = TempDir::new().unwrap();
    let fail = json!({"content": "licence", "action": "fail"});
    let ignore = json!({"status_code": 503, "action": "ignore"});
    let outcome = run_numbered(&server, &lake, json!([fail, ignore])).await;
    assert_eq!((outcome.kinds.as_slice(), server.targets().len()), ([ErrorKind::User].as_slice(), 1));
    let (_, message) = failed(&outcome);
    assert!(message.contains("`response_actions` says `fail`: licence expired"), "{message}");
    only(run_numbered(&server, &TempDir::new().unwrap(), json!([ignore, fail])).await);
}

#[tokio::test]
async fn a_redirect_that_a_rule_names_is_not_followed() {
    let server = Server::start(|request| match request.number_param("page") {
        Some(0) => numbered(&[], || Reply::status(500))(request),
        _ => Reply::status(302).header("location", "/login"),
    })
    .await;
    let lake = TempDir::new().unwrap();
    only(run_numbered(&server, &lake, json!([{"status_code": 302, "action": "stop"}])).await);
    assert_eq!((ids(&lake), server.targets().len()), (vec![1, 2], 2));
}

/// Nine rows by offset, three a page.
async fn row_server() -> Server {
    Server::start(|request| {
        let offset = request.number_param("offset").unwrap();
        let row = |id| json!({"id": id, "kind": if id % 2 == 0 { "even" } else { "odd" }, "tags": vec!["t"; id as usize % 3]});
        let rows: Vec<_> = (offset + 1..=9).take(3).map(row).collect();
        Reply::json(json!({"data": rows, "total": 9}).to_string())
    })
    .await
}

async fn run_steps(server: &Server, lake: &TempDir, steps: Value, resource: Value) -> Outcome {
    let mut resource = resource;
    resource["processing_steps"] = steps;
    let endpoint = json!({"paginator": {"type": "offset", "limit": 3}});
    outcome(items_plan(server, lake, endpoint, resource)).await
}

#[tokio::test]
async fn processing_steps_filter_change_and_multiply_records_and_the_numbers_add_up() {
    let server = row_server().await;
    let lake = TempDir::new().unwrap();
    let steps = json!([
        {"filter": ".kind == \"odd\""},
        {"yield_map": ".id as $id | .tags[] | {id: ($id * 10), tag: .}", "map": "if .id == 5 then null else . end"},
    ]);
    let columns = json!([{"name": "id", "type": "int64"}, {"name": "tag", "type": "string"}]);
    let summary = only(run_steps(&server, &lake, steps, json!({"schema": {"columns": columns}})).await);
    // Of 9 rows 4 are even and one is mapped to null; 1 and 7 have a tag each, 3 and 9 none.
    assert_eq!((summary.rows_fetched, summary.rows_written, summary.rows_filtered), (7, 2, 5));
    assert_eq!(texts(&lake, &["id", "tag"]), some(&[&["10", "t"], &["70", "t"]]));
    assert_eq!(server.targets().len(), 3);
}

#[tokio::test]
async fn a_page_that_a_filter_empties_is_not_the_end_of_the_list() {
    let server = row_server().await;
    let lake = TempDir::new().unwrap();
    let summary = only(run_steps(&server, &lake, json!([{"filter": ".id > 8"}]), json!({})).await);
    assert_eq!((ids(&lake), summary.rows_fetched, summary.rows_filtered), (vec![9], 9, 8));
    assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
}

#[tokio::test]
async fn a_step_that_fails_names_page_and_record_and_so_does_what_does_not_fit_behind_it() {
    let server = row_server().await;
    let outcome = run_steps(
        &server,
        &TempDir::new().unwrap(),
        json!([{"map": ".id |= (. + 1 / (5 - .))"}, {"map": "if .id then .x.y.z = .kind.z else . end"}]),
        json!({}),
    )
    .await;
    let (code, message) = failed(&outcome);
    assert_eq!(code, "processing_step");
    assert!(message.contains("resource `items`, page 1, record 1: `processing_steps[1].map` fails"), "{message}");
    // Record 8 is the second of page 3, and the first one that is left of it.
    let steps = json!([{"filter": ".id == 8"}, {"map": ".id = \"eight\""}]);
    let outcome = run_steps(&server, &TempDir::new().unwrap(), steps, json!({})).await;
    let (code, message) = failed(&outcome);
    assert_eq!(code, "data_mismatch");
    assert!(message.contains("page 3, record 2"), "{message}");
}

#[tokio::test]
async fn a_record_that_a_step_fails_on_is_a_reject_where_the_contract_says_so() {
    let server = row_server().await;
    let lake = TempDir::new().unwrap();
    let steps = json!([{"map": "if .id % 4 == 0 then error(\"no fours\") else . end"}]);
    let contract = json!({"schema_contract": {"data_type": "discard_row"}});
    let summary = only(run_steps(&server, &lake, steps.clone(), contract).await);
    assert_eq!((summary.rows_fetched, summary.rows_written, summary.rows_rejected), (9, 7, 2));
    let rejects = std::fs::read_dir(lake.path().join("items/_restlake/rejects")).unwrap().next().unwrap().unwrap();
    let lines = std::fs::read_to_string(rejects.path()).unwrap();
    let rejects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<_> = rejects.iter().map(|reject| (reject["page"].clone(), reject["record"].clone())).collect();
    assert_eq!(places, [(json!(2), json!(1)), (json!(3), json!(2))]);
    assert_eq!((&rejects[0]["column"], &rejects[0]["row"]["id"]), (&json!("processing_steps[0].map"), &json!(4)));
    assert!(rejects[0]["reason"].as_str().unwrap().contains("no fours"));
    let outcome = run_steps(&server, &TempDir::new().unwrap(), steps, json!({})).await;
    assert_eq!(failed(&outcome).0, "processing_step");
}

fn reject_lines(lake: &TempDir) -> usize {
    let rejects = std::fs::read_dir(lake.path().join("items/_restlake/rejects")).unwrap();
    let lines = |path: &std::path::Path| std::fs::read_to_string(path).unwrap().lines().count();
    rejects.map(|file| lines(&file.unwrap().path())).sum()
}

#[tokio::test]
async fn records_that_are_all_rejected_before_a_column_is_known_are_counted_and_bounded() {
    let server = row_server().await;
    let steps = json!([{"filter": "if .id == 9 then false else error(\"no\") end"}]);
    let contract = json!({"schema": null, "schema_contract": {"data_type": "discard_row"}});
    let lake = TempDir::new().unwrap();
    let summary = only(run_steps(&server, &lake, steps.clone(), contract.clone()).await);
    let numbers = (summary.rows_fetched, summary.rows_rejected, summary.rows_filtered, summary.table_version);
    assert_eq!((numbers, summary.pages, reject_lines(&lake)), ((9, 8, 1, 0), 3, 8));
    assert!(summary.warnings[0].contains("1 were filtered, 8 rejected: no table was made"), "{:?}", summary.warnings);

    let lake = TempDir::new().unwrap();
    let mut bounded = contract;
    bounded["max_rejects"] = json!(7);
    let outcome = run_steps(&server, &lake, steps, bounded).await;
    assert_eq!((failed(&outcome).0.as_str(), reject_lines(&lake)), ("too_many_rejects", 8));
    assert_eq!(outcome.kinds, [ErrorKind::TooManyRejects]);
}

#[tokio::test]
async fn a_program_without_end_fails_the_run() {
    let server = row_server().await;
    let outcome = run_steps(&server, &TempDir::new().unwrap(), json!([{"filter": "def f: f; f"}]), json!({})).await;
    let (code, message) = failed(&outcome);
    assert_eq!((code.as_str(), outcome.kinds.as_slice()), ("processing_step", [ErrorKind::User].as_slice()));
    assert!(message.contains("record 1: `processing_steps[0].filter` fails: the program takes more than"), "{message}");
}

#[tokio::test]
async fn columns_are_inferred_from_what_the_steps_make_of_the_records() {
    let server = row_server().await;
    let lake = TempDir::new().unwrap();
    let steps = json!([{"map": "{n: .id, label: .kind}"}]);
    let summary = only(run_steps(&server, &lake, steps, json!({"schema": null})).await);
    assert_eq!(summary.rows_written, 9);
    assert_eq!(texts(&lake, &["n", "label"])[0], [Some("1".to_owned()), Some("odd".to_owned())]);
    assert_eq!(all_rows(&read_table(&lake.path().join("items"))).num_columns(), 2);
}
