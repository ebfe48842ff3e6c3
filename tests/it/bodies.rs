//! Truncated bodies and bodies of another format, from the answer to the error or the table.

use std::sync::Arc;

use restlake::{
    error::ErrorKind,
    report::{ErrorSummary, Silent},
    run::{Outcome, run},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::TestEnvironment,
    pipeline::{only, plan_of},
    server::{Reply, Server},
    tables::{all_rows, read_table, sorted_texts},
};

fn reply(content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let reply = Reply::status(200).body(body);
    if content_type.is_empty() { reply } else { reply.header("content-type", content_type) }
}

/// One resource `items` of one page, whose columns are inferred; three attempts.
async fn read_with(server: &Server, lake: &TempDir, endpoint: Value) -> Outcome {
    let mut config = json!({
        "name": "p",
        "client": {"base_url": server.url(), "retry": {"max_attempts": 3}},
        "resources": [{"name": "items", "endpoint": {"path": "items", "paginator": "single_page"}}],
        "destination": {"url": lake.path()},
    });
    for (key, value) in endpoint.as_object().unwrap() {
        config["resources"][0]["endpoint"][key] = value.clone();
    }
    run(plan_of(&config.to_string()), TestEnvironment::new().environment(), Arc::new(Silent)).await
}

/// The rows of `columns` that an answer becomes, as texts.
async fn rows(reply: Reply, endpoint: Value, columns: &[&str]) -> Vec<Vec<String>> {
    let server = Server::start(move |_| reply.clone()).await;
    let lake = TempDir::new().unwrap();
    only(read_with(&server, &lake, endpoint).await);
    let rows = sorted_texts(&all_rows(&read_table(&lake.path().join("items"))), columns);
    rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect()
}

/// The error of an answer, the kind of it, and the number of requests.
async fn failure(reply: Reply, endpoint: Value) -> (ErrorSummary, ErrorKind, usize) {
    let server = Server::start(move |_| reply.clone()).await;
    let outcome = read_with(&server, &TempDir::new().unwrap(), endpoint).await;
    let error = outcome.summary.resources[0].error.clone().expect("the resource was to fail");
    (error, outcome.kinds[0], server.requests().len())
}

fn hint(error: &ErrorSummary) -> &str {
    error.hint.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn csv_that_ends_within_quotes_is_cut_and_makes_no_row() {
    for body in ["id,n,s\n1,5,\"abc\"\n2,6,\"de", "id,s\n1,\"a\"\"", "id,s\n\"", "id,s\n1,\"a\nb,c\n2,d\n"] {
        let (error, kind, requests) = failure(reply("text/csv", body), json!({})).await;
        assert_eq!((error.code.as_str(), kind, requests), ("http_not_json", ErrorKind::Transient, 3), "{body}");
        assert!(error.message.contains("is cut off: the CSV ends within quotes"), "{}", error.message);
        assert!(hint(&error).contains("`csv: {quote: null}`"), "{error:?}");
    }
    let unquoted = json!({"csv": {"quote": null}});
    assert_eq!(rows(reply("text/csv", "id,s\n1,\"de"), unquoted, &["id", "s"]).await, [["1", "\"de"]]);
    let whole = reply("text/csv", "id,s\n1,\"a\n\"\"b\"\"\"\n");
    assert_eq!(rows(whole, json!({}), &["id", "s"]).await, [["1", "a\n\"b\""]]);
}

#[tokio::test]
async fn a_cut_body_is_asked_for_again() {
    for (content_type, cut, whole) in [
        ("text/csv", "id,s\n1,\"a", "id,s\n1,\"a\"\n"),
        ("text/csv", "id,s\n1", "id,s\n1,a\n"),
        ("application/json", "[{\"id\":\"1\",\"s", "[{\"id\":\"1\",\"s\":\"a\"}]"),
        ("application/x-ndjson", "{\"id\":\"1\"", "{\"id\":\"1\",\"s\":\"a\"}\n"),
    ] {
        let server = Server::scripted([reply(content_type, cut), reply(content_type, whole)]).await;
        let lake = TempDir::new().unwrap();
        let summary = only(read_with(&server, &lake, json!({})).await);
        assert_eq!((summary.rows_written, summary.retries), (1, 1), "{content_type} {cut}");
    }
}

#[tokio::test]
async fn a_binary_body_is_named_in_one_attempt_under_every_format() {
    let files: [(&[u8], &str); 5] = [
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml\0xl/workbook.xml", "an Excel workbook (XLSX)"),
        (b"%PDF-1.7\n1,2\n3,4\n", "a PDF document"),
        (b"PAR1\x15\x04\x15PAR1", "a Parquet file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"id,s\n1,\0\0\x01\n", "binary data"),
    ];
    for (body, what) in files {
        for (content_type, endpoint) in [
            ("application/zip", json!({"format": "csv"})),
            ("text/csv", json!({})),
            ("application/json", json!({"format": "ndjson"})),
            ("application/octet-stream", json!({})),
            ("", json!({"format": "json"})),
        ] {
            let (error, kind, requests) = failure(reply(content_type, body), endpoint).await;
            assert_eq!((error.code.as_str(), kind, requests), ("http_binary_body", ErrorKind::User, 1), "{what}");
            assert!(error.message.contains(&format!("it looks like {what}")), "{}", error.message);
            assert!(hint(&error).contains("request a text form"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_name_of_a_field_that_cannot_be_read_is_an_error_with_its_place() {
    let bodies: [(&str, &[u8], &str); 5] = [
        ("application/json", b"[{\"id\":1},{\"id\":2,\"n\xff\":3}]", "in `[1]` (byte 18)"),
        ("application/json", br#"{"data":[{"id":1,"o":{"\ud800":2}}]}"#, "in `data[0].o`"),
        ("application/json", br#"[{"id":1,"\x":2}]"#, "an escape that JSON does not know"),
        ("application/x-ndjson", b"{\"id\":1}\n{\"id\":2,\"\xe9\":3}\n", "line 2"),
        ("text/csv", b"id,caf\xe9\n1,2\n", "column 2 of the CSV header"),
    ];
    for (content_type, body, place) in bodies {
        let (error, kind, requests) = failure(reply(content_type, body), json!({})).await;
        assert_eq!((error.code.as_str(), kind, requests), ("http_field_name", ErrorKind::User, 1), "{place}");
        assert!(error.message.contains(place) && error.message.contains("page 1"), "{}", error.message);
    }
    let good = reply("application/json", br#"[{"id":1,"caf\u00e9\/\ud83d\ude00":"x"}]"#);
    assert_eq!(rows(good, json!({}), &["café/😀"]).await, [["x"]]);
}

#[tokio::test]
async fn an_empty_answer_fails_at_once_and_a_rule_may_accept_it() {
    for body in ["", " \r\n"] {
        for content_type in ["application/json", "text/csv", "text/plain", ""] {
            let (error, kind, requests) = failure(reply(content_type, body), json!({})).await;
            assert_eq!((error.code.as_str(), kind, requests), ("http_empty_body", ErrorKind::User, 1));
            assert!(error.message.contains("the answer is empty"), "{}", error.message);
            assert!(hint(&error).contains("[{status_code: 200, empty: true, action: ignore}]"), "{error:?}");
        }
    }
    let accepts = json!({"response_actions": [{"status_code": 200, "empty": true, "action": "ignore"}]});
    let server = Server::start(|_| reply("application/json", "")).await;
    assert_eq!(only(read_with(&server, &TempDir::new().unwrap(), accepts.clone()).await).rows_fetched, 0);
    assert_eq!(rows(reply("application/json", "[{\"id\":1}]"), accepts, &["id"]).await, [["1"]]);
}

#[tokio::test]
async fn an_empty_page_after_others_may_be_the_end() {
    let server = Server::start(|request| match request.number_param("page").unwrap() {
        page @ 0..2 => Reply::json(json!([{"id": page}]).to_string()),
        _ => reply("application/json", ""),
    })
    .await;
    let paginator = json!({"type": "page_number", "total_path": null});
    let outcome = read_with(&server, &TempDir::new().unwrap(), json!({"paginator": paginator})).await;
    let error = outcome.summary.resources[0].error.clone().unwrap();
    assert!(error.message.contains("page 3") && hint(&error).contains("empty: true, action: stop"), "{error:?}");
    let stops = json!([{"status_code": 200, "empty": true, "action": "stop"}]);
    let endpoint = json!({"paginator": paginator, "response_actions": stops});
    assert_eq!(only(read_with(&server, &TempDir::new().unwrap(), endpoint).await).rows_written, 2);
}

#[tokio::test]
async fn no_content_and_a_header_alone_are_no_records() {
    for answer in [Reply::status(204), reply("text/csv", "id,s\n"), reply("application/x-ndjson", "")] {
        let server = Server::start(move |_| answer.clone()).await;
        assert_eq!(only(read_with(&server, &TempDir::new().unwrap(), json!({})).await).rows_fetched, 0);
    }
}

#[tokio::test]
async fn lines_under_a_type_that_says_nothing_are_read_as_what_they_are() {
    for content_type in ["text/plain", "text/plain; charset=utf-8", "application/octet-stream", ""] {
        for body in [
            "{\"id\":\"1\",\"s\":\"a\"}\n{\"id\":\"2\",\"s\":\"b\"}\n",
            "id,s\n1,a\n2,b\n",
            "id\ts\r\n1\ta\r\n2\tb",
            "[{\"id\":\"1\",\"s\":\"a\"},\n{\"id\":\"2\",\"s\":\"b\"}]",
        ] {
            let read = rows(reply(content_type, body), json!({}), &["id", "s"]).await;
            assert_eq!(read, [["1", "a"], ["2", "b"]], "{content_type} {body}");
        }
    }
}

#[tokio::test]
async fn a_text_that_is_no_data_fails_in_one_attempt_with_the_format_to_set() {
    for (content_type, body, line) in [
        ("text/plain", "id\n1\n2\n", "`format: csv`"),
        ("text/plain", "Sorry, we are closed", "`format: csv`"),
        ("application/json", "id,s\n1,a\n2,b\n", "`format: csv`"),
        ("application/json", "{\"id\":1}\n{\"id\":2}\n", "`format: ndjson`"),
        ("application/json", "callback([])", "`endpoint.path`"),
    ] {
        let (error, kind, requests) = failure(reply(content_type, body), json!({})).await;
        assert_eq!((error.code.as_str(), kind, requests), ("http_not_json", ErrorKind::User, 1), "{body}");
        assert!(hint(&error).contains(line), "{error:?}");
    }
    let (error, _, requests) = failure(reply("text/csv", "{\"error\":\"no\"}"), json!({"format": "csv"})).await;
    assert_eq!(requests, 1);
    assert!(error.message.contains("not CSV but JSON"), "{}", error.message);
}

#[tokio::test]
async fn the_delimiter_of_csv_is_found_unless_the_config_sets_it() {
    for body in
        ["id;s\n1;1,5\n2;a, b\n", "id\ts\n1\t1,5\n2\ta, b\n", "id|s\n1|1,5\n2|a, b\n", "id,s\n1,\"1,5\"\n2,\"a, b\"\n"]
    {
        let read = rows(reply("text/csv", body), json!({}), &["id", "s"]).await;
        assert_eq!(read, [["1", "1,5"], ["2", "a, b"]], "{body}");
    }
    let set = json!({"csv": {"delimiter": ","}});
    assert_eq!(rows(reply("text/csv", "a;b\n1;2\n"), set, &["a;b"]).await, [["1;2"]]);
    let named = json!({"csv": {"header": false, "columns": ["x", "y"]}});
    assert_eq!(rows(reply("text/csv", "1,5;2,5\n"), named, &["x", "y"]).await, [["1,5", "2,5"]]);
    // A row of too few cells is an error, and never one wide column.
    let (error, _, requests) = failure(reply("text/csv", "a;b\n1;2\n3\n4;5\n"), json!({})).await;
    assert!(error.message.contains("line 3: the number of cells is 1, and that of columns 2"), "{}", error.message);
    assert_eq!(requests, 1);
}
