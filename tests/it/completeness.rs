//! What a run says of the completeness of what it read, and what it commits by that: `complete`, `incomplete`, exit codes, and
//! `on_incomplete` under each disposition.

mod auto;
mod commits;
mod moves;
mod records;
mod retries;

use std::{
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
};

use restlake::{
    cli::Exit,
    plan::Overrides,
    report::{ResourceSummary, Status},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    pipeline::{plan_with, run_plan},
    project::rows,
    server::{Received, Reply, Server, numbered_rows},
    tables::data_files,
};

/// One resource over an API that the test scripts, and its lake.
struct Case {
    server: Server,
    lake: TempDir,
    config: Value,
}

/// How a run of one resource ended.
#[derive(Debug)]
struct Ran {
    exit: u8,
    summary: ResourceSummary,
}

impl Case {
    /// A resource `items` at `/items` whose records are at `data`; `endpoint` and `resource` add keys.
    async fn new(
        answer: impl Fn(&Received) -> Reply + Send + Sync + 'static,
        endpoint: Value,
        resource: Value,
    ) -> Self {
        let (server, lake) = (Server::start(answer).await, TempDir::new().unwrap());
        let mut config = json!({
            "name": "p",
            "client": {"base_url": server.url(), "max_concurrency": 1, "retry": {"max_attempts": 1}},
            "resources": [{
                "name": "items", "primary_key": "id", "endpoint": {"path": "items"},
                "schema": {"columns": [{"name": "id", "type": "int64"}, {"name": "v", "type": "string"}]},
            }],
            "destination": {"url": lake.path()},
        });
        add(&mut config["resources"][0]["endpoint"], &endpoint);
        add(&mut config["resources"][0], &resource);
        Self { server, lake, config }
    }

    /// The same with other keys of the resource.
    fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.config);
        self
    }

    async fn run(&self) -> Ran {
        self.run_with(&Overrides::default()).await
    }

    async fn run_with(&self, overrides: &Overrides) -> Ran {
        let outcome = run_plan(plan_with(&self.config.to_string(), overrides)).await;
        let exit = Exit::of(&outcome.kinds) as u8;
        let [summary] = <[ResourceSummary; 1]>::try_from(outcome.summary.resources).unwrap();
        Ran { exit, summary }
    }

    fn table(&self) -> PathBuf {
        self.lake.path().join("items")
    }

    /// The ids in the table, ascending.
    fn ids(&self) -> Vec<u64> {
        if !self.table().exists() || data_files(&self.table()).is_empty() {
            return Vec::new();
        }
        let mut ids: Vec<u64> = rows(&self.table(), &["id"]).iter().filter_map(|id| id.parse().ok()).collect();
        ids.sort_unstable();
        ids
    }
}

impl Ran {
    /// Exit code, `complete`, and the rows of the table.
    fn ended(&self) -> (u8, Option<bool>, u64) {
        (self.exit, self.summary.complete, self.summary.table_rows)
    }

    fn warns(&self, text: &str) -> bool {
        self.summary.warnings.iter().any(|warning| warning.contains(text))
    }

    fn notes(&self, text: &str) -> bool {
        self.summary.notes.iter().any(|note| note.contains(text))
    }

    /// Received and expected, of what is incomplete.
    fn missing(&self) -> Option<(u64, Option<u64>)> {
        self.summary.incomplete.as_ref().map(|incomplete| (incomplete.received, incomplete.expected))
    }
}

fn add(to: &mut Value, further: &Value) {
    for (key, value) in further.as_object().unwrap() {
        to[key] = value.clone();
    }
}

fn data(ids: impl IntoIterator<Item = u64>) -> Value {
    json!({"data": ids.into_iter().map(|id| json!({"id": id, "v": "x"})).collect::<Vec<_>>()})
}

fn reply(answer: &Value) -> Reply {
    Reply::json(answer.to_string())
}

/// The page of 1 to `rows` that the request asks for, 10 records at most.
fn ids_at(request: &Received, rows: u64) -> std::ops::RangeInclusive<u64> {
    let start = request.number_param("offset").unwrap_or(0);
    start + 1..=rows.min(start + 10)
}

/// The same, with further keys beside the records.
fn page(request: &Received, rows: u64, beside: &Value) -> Reply {
    let mut answer = data(ids_at(request, rows));
    add(&mut answer, beside);
    reply(&answer)
}

fn tens() -> Value {
    json!({"data_selector": "data", "paginator": {"type": "offset", "limit": 10}})
}

fn up_to(rows: u64) -> Vec<u64> {
    (1..=rows).collect()
}

#[tokio::test]
async fn a_result_set_is_complete_by_a_total_by_a_stated_end_by_an_empty_page_and_as_one_record() {
    let by_total = Case::new(|request| page(request, 25, &json!({"total": 25})), tens(), json!({})).await;
    let by_empty_page = Case::new(|request| page(request, 20, &json!({})), tens(), json!({})).await;
    let by_short_page = Case::new(|request| page(request, 25, &json!({})), tens(), json!({})).await;
    let linked = |request: &Received| {
        let next = (request.number < 3).then(|| format!("/items?page={}", request.number + 1));
        let mut answer = data([request.number as u64]);
        answer["next"] = json!(next);
        reply(&answer)
    };
    let by_link = json!({"data_selector": "data", "paginator": {"type": "json_link", "next_url_path": "next"}});
    let by_link = Case::new(linked, by_link, json!({})).await;
    let cursors = |request: &Received| {
        let mut answer = data([request.number as u64]);
        answer["cursor"] = json!((request.number < 3).then_some("c"));
        answer["cursor"] = if request.number < 3 { json!(format!("c{}", request.number)) } else { Value::Null };
        reply(&answer)
    };
    let by_cursor = json!({"data_selector": "data",
        "paginator": {"type": "cursor", "cursor_path": "cursor", "cursor_param": "after"}});
    let by_cursor = Case::new(cursors, by_cursor, json!({})).await;
    let one = Case::new(|_| reply(&json!({"id": 7, "v": "x"})), json!({}), json!({})).await;
    for (case, rows) in
        [(by_total, 25), (by_empty_page, 20), (by_short_page, 25), (by_link, 3), (by_cursor, 3), (one, 1)]
    {
        let ran = case.run().await;
        assert_eq!((ran.ended(), ran.summary.status), ((0, Some(true), rows), Status::Ok), "{ran:#?}");
        assert_eq!((ran.missing(), &ran.summary.warnings), (None, &Vec::new()));
        assert!(ran.summary.paging.is_some(), "{ran:#?}");
    }
}

#[tokio::test]
async fn an_end_that_nothing_shows_is_unproven_with_a_note_or_a_warning() {
    let bare = |_: &Received| Reply::json(Value::from(numbered_rows(100)).to_string());
    let cases = [
        ("a bare array of a round size", Case::new(bare, json!({}), json!({})).await, 100),
        (
            "a short page that nothing confirms",
            Case::new(
                |request| page(request, 25, &json!({})),
                json!({"data_selector": "data",
                    "paginator": {"type": "offset", "limit": 10, "stop_after_short_page": true}}),
                json!({}),
            )
            .await,
            25,
        ),
        (
            "a refusal after a full page",
            Case::new(
                |request| match request.number_param("offset") {
                    Some(20) => Reply::status(404),
                    _ => page(request, 20, &json!({})),
                },
                tens(),
                json!({}),
            )
            .await,
            20,
        ),
        (
            "the last page again",
            Case::new(
                |request| {
                    let start = request.number_param("offset").unwrap().min(10);
                    reply(&data(start + 1..=start + 10))
                },
                tens(),
                json!({}),
            )
            .await,
            20,
        ),
        (
            "maximum_offset",
            Case::new(
                |request| page(request, 95, &json!({"total": 95})),
                json!({"data_selector": "data",
                    "paginator": {"type": "offset", "limit": 10, "maximum_offset": 30}}),
                json!({}),
            )
            .await,
            30,
        ),
        (
            "a start in the middle",
            Case::new(
                |request| page(request, 25, &json!({"total": 25})),
                json!({"data_selector": "data", "paginator": {"type": "offset", "limit": 10, "offset": 20}}),
                json!({}),
            )
            .await,
            5,
        ),
    ];
    for (what, case, rows) in cases {
        let ran = case.run().await;
        assert_eq!((ran.ended(), ran.missing()), ((0, None, rows), None), "{what}: {ran:#?}");
        assert!(!ran.summary.notes.is_empty() || !ran.summary.warnings.is_empty(), "{what}: {ran:#?}");
    }
}

#[tokio::test]
async fn a_maximum_that_is_not_reached_leaves_the_end_proved() {
    for (paginator, beside) in [
        (json!({"type": "offset", "limit": 10, "maximum_offset": 1000}), json!({})),
        (json!({"type": "offset", "limit": 10, "maximum_offset": 1000}), json!({"total": 25})),
        (json!({"type": "offset", "limit": 10, "maximum_offset": 30}), json!({"total": 25})),
        (json!({"type": "offset", "limit": 10, "maximum_offset": 25}), json!({"total": 25})),
    ] {
        let shown = format!("{paginator} {beside}");
        let endpoint = json!({"data_selector": "data", "paginator": paginator});
        let case = Case::new(move |request| page(request, 25, &beside), endpoint, json!({})).await;
        let ran = case.run().await;
        assert_eq!((ran.ended(), ran.notes("may have ended")), ((0, Some(true), 25), false), "{shown}: {ran:#?}");
    }
    let answer = |request: &Received| {
        let start = (request.number_param("page").unwrap() - 1) * 10;
        reply(&data(start + 1..=25.min(start + 10).max(start)))
    };
    for (maximum, complete, rows) in [(9, Some(true), 25), (3, None, 20), (4, None, 25)] {
        let paginator = json!({"type": "page_number", "base_page": 1, "total_path": null, "maximum_page": maximum});
        let case = Case::new(answer, json!({"data_selector": "data", "paginator": paginator}), json!({})).await;
        let ran = case.run().await;
        assert_eq!((ran.ended(), ran.notes("`maximum_page`")), ((0, complete, rows), complete.is_none()), "{ran:#?}");
    }
    let case = Case::new(|request| page(request, 25, &json!({"total": 25})), tens(), json!({})).await;
    let ran = case.run_with(&Overrides { max_pages: Some(3), ..Overrides::default() }).await;
    assert_eq!((ran.ended(), ran.notes("maximum number of pages")), ((0, Some(true), 25), false), "{ran:#?}");
}

#[tokio::test]
async fn max_pages_leaves_the_end_unproven() {
    let case = Case::new(|request| page(request, 95, &json!({"total": 95})), tens(), json!({})).await;
    let ran = case.run_with(&Overrides { max_pages: Some(2), ..Overrides::default() }).await;
    assert_eq!(ran.ended(), (0, None, 20));
    assert!(ran.notes("maximum number of pages"), "{ran:#?}");
}

#[tokio::test]
async fn pages_that_response_actions_leave_out_leave_the_end_unproven() {
    for action in ["ignore", "stop"] {
        let endpoint = json!({"data_selector": "data", "paginator": {"type": "offset", "limit": 10},
            "response_actions": [{"status_code": 418, "action": action}]});
        let answer = |request: &Received| match request.number_param("offset") {
            Some(10) => Reply::status(418),
            _ => page(request, 25, &json!({"total": 25})),
        };
        let ran = Case::new(answer, endpoint, json!({})).await.run().await;
        assert_eq!((ran.exit, ran.summary.complete), (0, None), "{action}: {ran:#?}");
        let said = [&ran.summary.notes[..], &ran.summary.warnings[..]].concat();
        assert!(!said.is_empty(), "{action}: {ran:#?}");
    }
}

#[tokio::test]
async fn one_page_under_a_larger_total_is_incomplete_and_commits_nothing() {
    let answer = |_: &Received| {
        let mut answer = data(1..=100);
        answer["meta"] = json!({"total": 3_000});
        reply(&answer)
    };
    let case = Case::new(answer, json!({}), json!({})).await;
    let ran = case.run().await;
    assert_eq!(ran.ended(), (6, Some(false), 0));
    assert_eq!((ran.missing(), ran.summary.status), (Some((100, Some(3_000))), Status::Incomplete));
    let error = ran.summary.error.clone().unwrap();
    assert_eq!(error.code, "incomplete");
    assert!(error.message.contains("100 of 3,000 records"), "{error:#?}");
    let hint = error.hint.unwrap();
    assert!(hint.contains("paginator: {type: ") && hint.contains("total_path: null"), "{hint}");
    assert_eq!((case.ids(), ran.summary.table_version), (Vec::new(), 0));
    // Page 1, and eight probes at most.
    assert!((2..=9).contains(&case.server.requests().len()), "{:?}", case.server.targets());
}

#[tokio::test]
async fn links_that_end_a_page_or_more_below_the_total_are_incomplete_and_less_is_a_doubt() {
    for (total, expected) in [(30, Some(false)), (21, None), (20, Some(true))] {
        let answer = move |request: &Received| {
            let start = (request.number as u64 - 1) * 10;
            let mut answer = data(start + 1..=start + 10);
            answer["total"] = total.into();
            answer["next"] = json!((request.number < 2).then_some("/items?page=2"));
            reply(&answer)
        };
        let endpoint = json!({"data_selector": "data", "paginator": {"type": "json_link", "next_url_path": "next"}});
        let ran = Case::new(answer, endpoint, json!({})).await.run().await;
        assert_eq!(ran.summary.complete, expected, "{total}: {ran:#?}");
        assert_eq!(ran.exit, if total == 30 { 6 } else { 0 });
        assert_eq!(ran.missing(), (total == 30).then_some((20, Some(30))));
        assert_eq!(ran.warns("21 records, and 20 came"), total == 21, "{ran:#?}");
    }
}

#[tokio::test]
async fn a_flag_that_says_more_without_a_way_on_is_incomplete() {
    for flag in ["has_more", "hasMore", "hasNextPage"] {
        let answer = move |request: &Received| {
            // Whatever is asked for, page 1 comes.
            let mut answer = data(1..=7);
            answer[flag] = (request.number > 0).into();
            reply(&answer)
        };
        let ran = Case::new(answer, json!({}), json!({})).await.run().await;
        assert_eq!((ran.ended(), ran.missing()), ((6, Some(false), 0), Some((7, None))), "{flag}: {ran:#?}");
    }
}

#[tokio::test]
async fn flags_that_the_config_names_end_a_walk_and_prove_it() {
    for (key, value) in [("has_more_path", [true, true, false]), ("is_last_path", [false, false, true])] {
        for name in ["offset", "page_number"] {
            let answer = move |request: &Received| {
                let mut answer = data([request.number as u64]);
                answer["flag"] = value[request.number - 1].into();
                reply(&answer)
            };
            let paginator = match name {
                "offset" => json!({"type": name, "limit": 1, "total_path": null, key: "flag"}),
                _ => json!({"type": name, "base_page": 1, "total_path": null, key: "flag"}),
            };
            let case = Case::new(answer, json!({"data_selector": "data", "paginator": paginator}), json!({})).await;
            let ran = case.run().await;
            assert_eq!(ran.ended(), (0, Some(true), 3), "{name} {key}: {ran:#?}");
            assert_eq!(case.server.requests().len(), 3);
        }
    }
}

#[tokio::test]
async fn stop_after_empty_page_ends_links_in_headers_that_never_end() {
    let answer = |request: &Received| {
        let ids = if request.number <= 2 { vec![request.number as u64] } else { Vec::new() };
        let link = format!("</items?page={}>; rel=\"next\"", request.number + 1);
        reply(&data(ids)).header("link", &link)
    };
    let endpoint =
        json!({"data_selector": "data", "paginator": {"type": "header_link", "stop_after_empty_page": true}});
    let case = Case::new(answer, endpoint, json!({})).await;
    let ran = case.run().await;
    assert_eq!((ran.ended(), case.server.requests().len()), ((0, Some(true), 2), 3), "{ran:#?}");
}

#[tokio::test]
async fn a_number_is_a_total_by_its_name_and_place_alone() {
    for beside in [
        json!({"total": 95}),
        json!({"count": 95}),
        json!({"Total_Count": 95}),
        json!({"totalRecords": 95}),
        json!({"total_items": 95}),
        json!({"recordCount": 95}),
        json!({"totalHits": 95}),
        json!({"dataTotal": 95}),
        json!({"meta": {"total": 95}}),
        json!({"pagination": {"total_entries": 95}}),
        json!({"paging": {"total": 95}}),
        json!({"page": {"totalElements": 95, "size": 10}}),
    ] {
        let shown = beside.to_string();
        let ran = Case::new(move |request| page(request, 10, &beside), json!({}), json!({})).await.run().await;
        assert_eq!((ran.exit, ran.missing()), (6, Some((10, Some(95)))), "{shown}: {ran:#?}");
    }
    for beside in [
        json!({"unread_count": 95}),
        json!({"total_price": 95}),
        json!({"total_pages_viewed": 95}),
        json!({"rate": {"total": 95}}),
        json!({"stats": {"count": 95}}),
        json!({"totalUnread": 95}),
        json!({"discount": 95}),
        json!({"accounts": 95}),
        json!({"total": "many"}),
    ] {
        let shown = beside.to_string();
        let ran = Case::new(move |request| page(request, 7, &beside), json!({}), json!({})).await.run().await;
        assert_eq!((ran.exit, ran.summary.complete, ran.summary.table_rows), (0, None, 7), "{shown}: {ran:#?}");
    }
}

#[tokio::test]
async fn headers_of_totals_count_too() {
    for (name, value) in [
        ("X-Total-Count", "95"),
        ("X-Total", "95"),
        ("X-WP-Total", "95"),
        ("Content-Range", "items 0-9/95"),
        ("Content-Range", "0-9/95"),
    ] {
        let answer = move |request: &Received| page(request, 10, &json!({})).header(name, value);
        let ran = Case::new(answer, json!({}), json!({})).await.run().await;
        assert_eq!((ran.exit, ran.missing()), (6, Some((10, Some(95)))), "{name}: {value}: {ran:#?}");
    }
    let bytes = |request: &Received| page(request, 7, &json!({})).header("content-range", "bytes 0-9/95");
    assert_eq!(Case::new(bytes, json!({}), json!({})).await.run().await.ended(), (0, None, 7));
}

#[tokio::test]
async fn of_several_totals_the_smallest_that_is_not_below_what_came_counts() {
    let answer = |request: &Received| page(request, 25, &json!({"total": 900, "totalCount": 25, "count": 10}));
    let ran = Case::new(answer, tens(), json!({})).await.run().await;
    assert_eq!(ran.ended(), (0, Some(true), 25), "{ran:#?}");
}

#[tokio::test]
async fn a_total_that_is_a_lower_bound_proves_nothing_and_refutes_nothing() {
    for total in [
        json!({"hits": {"total": {"value": 25, "relation": "gte"}}}),
        json!({"hits": {"total": {"value": 900, "relation": "gte"}}}),
    ] {
        let answer = move |request: &Received| {
            let mut answer = total.clone();
            answer["hits"]["hits"] = data(ids_at(request, 25))["data"].clone();
            reply(&answer)
        };
        let endpoint = json!({"data_selector": "hits.hits", "paginator": {"type": "offset", "limit": 10}});
        let ran = Case::new(answer, endpoint, json!({})).await.run().await;
        assert_eq!((ran.ended(), ran.summary.warnings.is_empty()), ((0, None, 25), true), "{ran:#?}");
        assert!(ran.notes("estimates"), "{ran:#?}");
    }
}

#[tokio::test]
async fn total_path_null_says_that_no_number_is_a_total() {
    for paginator in [
        json!({"type": "offset", "limit": 10, "total_path": null}),
        json!({"type": "page_number", "base_page": 1, "total_path": null}),
        json!({"type": "single_page", "total_path": null}),
        json!({"type": "auto", "total_path": null}),
        json!({"type": "json_link", "next_url_path": "next", "total_path": null}),
    ] {
        let shown = paginator.to_string();
        let answer = |request: &Received| match request.number {
            1 => page(request, 7, &json!({"total": 900, "next": null})),
            _ => reply(&json!({"data": [], "total": 900})),
        };
        let case = Case::new(answer, json!({"data_selector": "data", "paginator": paginator}), json!({})).await;
        let ran = case.run().await;
        assert_eq!((ran.exit, ran.missing(), ran.summary.table_rows), (0, None, 7), "{shown}: {ran:#?}");
        assert!(!ran.warns("900"), "{shown}: {ran:#?}");
    }
}

#[tokio::test]
async fn an_explicit_single_page_turns_a_larger_total_into_a_warning() {
    let endpoint = json!({"data_selector": "data", "paginator": "single_page"});
    let case = Case::new(|request| page(request, 10, &json!({"total": 95})), endpoint, json!({})).await;
    let ran = case.run().await;
    assert_eq!((ran.ended(), case.server.requests().len()), ((0, None, 10), 1), "{ran:#?}");
    assert!(ran.warns("95") && ran.warns("single_page"), "{ran:#?}");
}

#[tokio::test]
async fn a_paginator_that_names_a_wrong_place_is_incomplete_where_another_field_leads_on() {
    let cursor = json!({"type": "cursor", "cursor_path": "meta.nxt"});
    let link = json!({"type": "json_link", "next_url_path": "paging.next"});
    let leading = [json!({"links": {"next": "/items?page=2"}}), json!({"meta": {"next_cursor": "abc"}})];
    for paginator in [cursor, link, json!("json_link"), json!("cursor"), json!("header_link")] {
        for sign in &leading {
            let mut first = data(1..8);
            add(&mut first, sign);
            let endpoint = json!({"data_selector": "data", "paginator": paginator.clone()});
            let case =
                Case::new(move |_| reply(&first), endpoint.clone(), json!({"write_disposition": "replace"})).await;
            let ran = case.run().await;
            assert_eq!(ran.ended(), (6, Some(false), 0), "{paginator} {sign}: {ran:?}");
            let message = &ran.summary.error.as_ref().unwrap().message;
            assert!(message.contains("leads on by `paginator: "), "{message}");
            // A place that is there and empty states the end, whatever else the page says.
            let mut last = data(1..8);
            add(&mut last, &json!({"links": {"next": null}, "meta": {"next_cursor": null, "nxt": null}}));
            let case = Case::new(move |_| reply(&last), endpoint, json!({})).await;
            assert_eq!(case.run().await.ended().0, 0, "{paginator}");
        }
    }
}
