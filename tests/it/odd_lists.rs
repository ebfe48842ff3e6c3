//! Lists that behave oddly: pages that come again, that never end, that lack what the config names, and what is said then.

use std::sync::Mutex;

use restlake::{
    ErrorKind,
    error::Failure,
    plan::{
        AllowedHost, BodyPlan, ClientPlan, CursorPlan, JsonLinkPlan, JsonTemplate, Method, OffsetPlan, OnDrift,
        PageNumberPlan, PaginatorPlan, ResourcePlan,
    },
    schema::{Column, ColumnType, Source},
};
use serde_json::{Value, json};

use super::pagination::{List, ids, read_with};
use crate::support::{
    environment::TestEnvironment,
    pipeline::{only, plan_of, run_plan},
    plans,
    server::{Received, Reply, Server, numbered_rows},
};

async fn read(server: &Server, change: impl FnOnce(&mut ResourcePlan), paginator: PaginatorPlan) -> List {
    let mut resource = plans::resource(&server.url(), "rows", paginator);
    change(&mut resource);
    let client = ClientPlan { max_concurrency: 1, ..plans::client(&server.url()) };
    read_with(client, &resource, 1 << 20, &TestEnvironment::new()).await
}

fn json_link() -> JsonLinkPlan {
    JsonLinkPlan::new(plans::selector("next"))
}

fn rows(ids: &[u64]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "id": id })).collect()
}

/// Pages of three rows from a list, which `change` changes before the answer to the request of a number.
fn threes(
    list: Vec<u64>,
    total: Option<u64>,
    change: impl Fn(usize, &mut Vec<u64>) + Send + Sync + 'static,
) -> impl Fn(&Received) -> Reply {
    let list = Mutex::new(list);
    move |request| {
        let mut list = list.lock().unwrap();
        change(request.number, &mut list);
        let offset = request.number_param("offset").unwrap() as usize;
        let page: Vec<u64> = list.iter().copied().skip(offset).take(3).collect();
        let mut answer = json!({ "data": rows(&page) });
        if let Some(total) = total {
            answer["total"] = total.into();
        }
        Reply::json(answer.to_string())
    }
}

fn by_threes(tells_total: bool) -> PaginatorPlan {
    PaginatorPlan::Offset(OffsetPlan {
        total_path: tells_total.then(|| plans::selector("total")),
        ..OffsetPlan::new(3)
    })
}

#[tokio::test]
async fn one_row_that_comes_in_at_the_tail_is_no_list_that_ignores_its_position() {
    for (on_drift, expected) in [(OnDrift::Warn, vec![1, 2, 3, 4, 5, 6, 7, 7]), (OnDrift::Refetch, (0..8).collect())] {
        let server = Server::start(threes(ids(7), None, |number, list| {
            if number == 4 {
                list.insert(0, 0);
            }
        }))
        .await;
        let mut list = read(&server, |resource| resource.on_drift = on_drift, by_threes(false)).await;
        list.ids.sort_unstable();
        assert_eq!((list.error.map(|error| error.to_string()), list.ids), (None, expected));
        assert!(!list.warnings.is_empty() || !list.notes.is_empty());
    }
}

#[tokio::test]
async fn a_list_that_stops_counting_behind_its_end_is_an_error_the_second_time() {
    let server = Server::start(|request| {
        let offset = request.number_param("offset").unwrap().min(6);
        Reply::json(json!({ "data": rows(&[offset + 1]) }).to_string())
    })
    .await;
    let error = read(&server, |_| (), by_threes(false)).await.error.unwrap();
    assert!(error.to_string().contains("holds the same 1 records"), "{error}");
}

#[tokio::test]
async fn rows_that_are_alike_at_a_seam_are_all_handed_on_if_the_list_rests() {
    let alike = vec![1, 2, 3, 3, 4];
    for on_drift in [OnDrift::Warn, OnDrift::Fail, OnDrift::Refetch] {
        let server = Server::start(threes(alike.clone(), Some(5), |_, _| ())).await;
        let mut list = read(&server, |resource| resource.on_drift = on_drift, by_threes(true)).await;
        list.ids.sort_unstable();
        assert_eq!((&list.ids, list.error.is_none(), list.shortfall), (&alike, true, None), "{on_drift:?}");
        assert_eq!(list.notes.len(), 1, "{:?}", list.notes);
        assert!(list.notes[0].contains("alike"), "{:?}", list.notes);
    }
    let server = Server::start(threes(alike, None, |_, _| ())).await;
    let list = read(&server, |resource| resource.on_drift = OnDrift::Fail, by_threes(false)).await;
    assert_eq!(list.error.unwrap().code(), "list_moved");
}

#[tokio::test]
async fn more_records_than_the_total_tells_are_reported() {
    let server = Server::start(threes(ids(7), Some(4), |_, _| ())).await;
    let list = read(&server, |_| (), by_threes(true)).await;
    assert_eq!(list.ids, ids(7));
    assert!(list.warnings[0].contains("reports 4 records, and 7 came"), "{:?}", list.warnings);
    assert!(list.shortfall.is_some());
    // What the config cuts off is no news.
    let server = Server::start(threes(ids(7), Some(7), |_, _| ())).await;
    let plan = OffsetPlan { maximum_offset: Some(4), total_path: Some(plans::selector("total")), ..OffsetPlan::new(3) };
    let list = read(&server, |_| (), PaginatorPlan::Offset(plan)).await;
    assert_eq!((list.ids, list.warnings), (ids(6), Vec::<String>::new()));
}

/// Two rows, then pages without any, each of which leads on.
fn endless(request: &Received) -> Reply {
    let found = if request.number == 1 { rows(&[1, 2]) } else { Vec::new() };
    let next = format!("/rows?page={}", request.number + 1);
    Reply::json(json!({ "data": found, "next": next, "has_more": request.number < 3 }).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_without_records_that_lead_on_for_ever_are_an_error() {
    let server = Server::start(endless).await;
    let error = read(&server, |_| (), PaginatorPlan::JsonLink(json_link())).await.error.unwrap();
    assert!(error.to_string().contains("1000 pages in a row hold no record"), "{error}");
    assert!(error.hint().unwrap().contains("has_more_path"));
}

#[tokio::test]
async fn links_end_by_their_empty_page_by_has_more_and_by_what_is_found_of_it() {
    let by_page = JsonLinkPlan { stop_after_empty_page: true, ..json_link() };
    let by_flag = JsonLinkPlan { has_more_path: Some(plans::selector("has_more")), ..json_link() };
    let plans = [PaginatorPlan::JsonLink(by_page), PaginatorPlan::JsonLink(by_flag), PaginatorPlan::Auto];
    for (plan, requests) in plans.into_iter().zip([2, 3, 3]) {
        let server = Server::start(endless).await;
        let list = read(&server, |_| (), plan).await;
        assert_eq!((list.ids, list.error.is_none(), server.requests().len()), (ids(2), true, requests));
    }
    // One that says from the beginning that there is no more is believed where nothing comes.
    let server = Server::start(|request| {
        let found = if request.number < 3 { rows(&[request.number as u64]) } else { Vec::new() };
        let next = format!("/rows?page={}", request.number + 1);
        Reply::json(json!({ "data": found, "next": next, "has_more": false }).to_string())
    })
    .await;
    let list = read(&server, |_| (), PaginatorPlan::Auto).await;
    assert_eq!((list.ids, server.requests().len()), (ids(2), 3));
}

#[tokio::test]
async fn one_object_is_a_record_under_a_paginator_of_links_unless_it_wraps_the_records() {
    for selector in [None, Some(plans::selector("$"))] {
        for (answer, keeps) in [
            (json!({"id": 1, "orgs": [{"id": 2}]}), true),
            (json!({"login": "a", "roles": ["x"]}), true),
            (json!({"page": 1, "people": [{"id": 2}]}), selector.is_none()),
        ] {
            let server = Server::scripted([Reply::json(answer.to_string())]).await;
            let resource = |resource: &mut ResourcePlan| resource.data_selector.clone_from(&selector);
            let list = read(&server, resource, PaginatorPlan::JsonLink(json_link())).await;
            assert_eq!(list.error.is_none(), keeps, "{answer}: {:?}", list.error);
        }
    }
    let server = Server::scripted([Reply::json(r#"{"id": 1}"#)]).await;
    let list = read(&server, |resource| resource.data_selector = Some(plans::selector("$")), plans::offset(10)).await;
    assert!(list.error.unwrap().to_string().contains("an object, not an array of records"));
}

#[tokio::test]
async fn a_link_to_an_allowed_host_takes_the_body_along() {
    let other = Server::scripted([Reply::json(json!({"data": rows(&[2])}).to_string())]).await;
    let next = other.url().join("more").unwrap();
    let host: AllowedHost = other.url().as_str().trim_end_matches('/').parse().unwrap();
    for is_allowed in [false, true] {
        let allowed_hosts = if is_allowed { vec![host.clone()] } else { Vec::new() };
        let server = Server::scripted([Reply::json(json!({"data": rows(&[1]), "next": next}).to_string())]).await;
        let mut resource = plans::resource(&server.url(), "rows", PaginatorPlan::JsonLink(json_link()));
        resource.request.method = Method::Post;
        resource.request.body = BodyPlan::Json(JsonTemplate::Value(json!({"a": 1})));
        let client = ClientPlan { allowed_hosts, ..plans::client(&server.url()) };
        let list = read_with(client, &resource, 1 << 20, &TestEnvironment::new()).await;
        assert_eq!((list.error.is_none(), list.ids), (is_allowed, if is_allowed { ids(2) } else { Vec::new() }));
    }
    assert_eq!(other.requests()[0].body, r#"{"a":1}"#);
}

#[tokio::test]
async fn a_full_first_page_that_leads_nowhere_is_told_and_a_short_one_is_not() {
    let cursor = || PaginatorPlan::Cursor(CursorPlan::new(plans::selector("meta.next"), "cursor"));
    for (count, is_told) in [(10, true), (9, false)] {
        let answer = json!({"data": numbered_rows(count), "paging": {"next": "b"}}).to_string();
        let server = Server::scripted([Reply::json(answer)]).await;
        let list = read(&server, |_| (), cursor()).await;
        assert_eq!((list.ids.len() as u64, list.error.is_none()), (count, true));
        let told =
            list.warnings.iter().any(|text| text.contains("`meta.next` is missing") && text.contains("`paging`"));
        assert_eq!(told, is_told, "{:?}", list.warnings);
    }
    // Null is an end that the API tells, and so is that there is no more.
    let has_more_path = Some(plans::selector("more"));
    let with_more = CursorPlan { has_more_path, ..CursorPlan::new(plans::selector("meta.next"), "cursor") };
    for (plan, rest) in
        [(cursor(), json!({"meta": {"next": null}})), (PaginatorPlan::Cursor(with_more), json!({"more": false}))]
    {
        let mut answer = rest;
        answer["data"] = numbered_rows(10).into();
        let server = Server::scripted([Reply::json(answer.to_string())]).await;
        assert_eq!(read(&server, |_| (), plan).await.warnings, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_cursor_that_is_missing_is_told_with_the_field_that_leads_on_in_its_place() {
    let cursor = PaginatorPlan::Cursor(CursorPlan::new(plans::selector("meta.next"), "cursor"));
    for (meta, is_told) in [(json!({"next_cursor": "b", "size": 2}), true), (json!({"next_cursor": null}), false)] {
        let answer = json!({"data": numbered_rows(2), "meta": meta}).to_string();
        let server = Server::scripted([Reply::json(answer)]).await;
        let list = read(&server, |_| (), cursor.clone()).await;
        let wanted = "if `meta.next_cursor` leads to the next page, name it in its place; `meta` has the fields \
                      `next_cursor`, `size`";
        assert_eq!(list.warnings.iter().any(|text| text.ends_with(wanted)), is_told, "{:?}", list.warnings);
    }
}

#[tokio::test]
async fn a_list_by_moments_may_begin_each_page_with_rows_of_the_moment_before_where_a_key_tells_them() {
    let pages = || {
        let page = |ids: &[u64], next: Value| Reply::json(json!({"data": rows(ids), "next": next}).to_string());
        [page(&[1, 2, 3], json!("/rows?from=3")), page(&[3, 4], json!("/rows?from=4")), page(&[4, 5], json!(null))]
    };
    let plan = || PaginatorPlan::JsonLink(JsonLinkPlan::new(plans::selector("next")));
    for (has_key, is_told) in [(true, false), (false, true)] {
        let server = Server::scripted(pages()).await;
        let with_key = |resource: &mut ResourcePlan| {
            resource.on_drift = OnDrift::Warn;
            if has_key {
                let source = Source::Path(vec!["id".to_owned()]);
                let (name, data_type) = ("id".to_owned(), ColumnType::Int64);
                resource.schema.columns = vec![Column { name, source, data_type, nullable: true, format: None }];
                (resource.primary_key, resource.dedup) = (vec![0], true);
            }
        };
        let list = read(&server, with_key, plan()).await;
        assert_eq!((list.ids.len(), list.warnings.is_empty()), (7, !is_told), "{:?}", list.warnings);
    }
}

#[tokio::test]
async fn a_total_that_is_no_number_is_shown() {
    let page = |rows: Value| Reply::json(json!({"data": rows, "total": "many"}).to_string());
    let server = Server::scripted([page(json!(rows(&[1, 2, 3]))), page(json!([]))]).await;
    let list = read(&server, |_| (), by_threes(true)).await;
    assert!(list.warnings[0].contains("`total` is `\"many\"`, which does not state the end"), "{:?}", list.warnings);
}

#[tokio::test]
async fn a_later_page_of_a_list_by_cursors_that_lacks_its_records_is_told_of_what_allows_it() {
    let replies = [json!({"data": rows(&[1]), "next": "b"}), json!({"next": null})];
    let server = Server::scripted(replies.map(|reply| Reply::json(reply.to_string()))).await;
    let plan = CursorPlan::new(plans::selector("next"), "cursor");
    let hint = read(&server, |_| (), PaginatorPlan::Cursor(plan)).await.error.unwrap().hint().unwrap();
    assert!(hint.contains("allow_missing_data: true") && !hint.contains("total_path"), "{hint}");
}

#[tokio::test]
async fn whether_there_is_more_may_be_said_in_words() {
    let replies = [("yes", 1), ("Y", 2), ("no", 3)];
    let replies = replies.map(|(more, id)| Reply::json(json!({"data": rows(&[id]), "more": more}).to_string()));
    let server = Server::scripted(replies).await;
    let plan = OffsetPlan { has_more_path: Some(plans::selector("more")), ..OffsetPlan::new(1) };
    assert_eq!(read(&server, |_| (), PaginatorPlan::Offset(plan)).await.ids, ids(3));
}

#[tokio::test]
async fn a_csv_that_names_a_column_twice_is_the_users_to_mend_and_not_asked_for_again() {
    let server =
        Server::scripted([Reply::status(200).header("content-type", "text/csv").body("id,n,id\n1,a,2\n")]).await;
    let error = read(&server, |_| (), PaginatorPlan::SinglePage).await.error.unwrap();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::User, 1));
    assert!(
        error.to_string().contains("the column `id` twice") && error.hint().unwrap().contains("columns"),
        "{error}"
    );
}

/// Ten rows of 25 a page, by number, with this beside them.
async fn tens(beside: impl Fn(u64) -> (Option<&'static str>, Value) + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let number = request.number_param("page").unwrap_or(1);
        let (header, mut answer) = beside(number);
        answer["data"] = numbered_rows(25).into_iter().skip((number as usize - 1) * 10).take(10).collect();
        let reply = Reply::json(answer.to_string());
        match header {
            Some(count) => reply.header("X-WP-TotalPages", count).header("X-Total-Count", "25"),
            None => reply,
        }
    })
    .await
}

fn by_number(total_header: &str) -> PaginatorPlan {
    PaginatorPlan::PageNumber(PageNumberPlan { total_header: Some(total_header.to_owned()), ..PageNumberPlan::new(1) })
}

#[tokio::test]
async fn a_header_that_counts_pages_is_no_number_of_records_and_one_that_is_not_there_is_told() {
    let server = tens(|_| (Some("3"), json!({}))).await;
    for header in ["X-WP-TotalPages", "X-Total-Count"] {
        let list = read(&server, |_| (), by_number(header)).await;
        assert_eq!((list.ids, list.warnings), (ids(25), Vec::new()), "{header}");
    }
    assert_eq!(server.requests().len(), 6);
    // It is no number of records for an offset either, which would end the list after so many.
    let by_offset = Server::start(|request| {
        let offset = request.number_param("offset").unwrap() as usize;
        let page: Vec<_> = numbered_rows(25).into_iter().skip(offset).take(3).collect();
        Reply::json(json!({ "data": page }).to_string()).header("X-WP-TotalPages", "9")
    })
    .await;
    let total_header = Some("X-WP-TotalPages".to_owned());
    let plan = PaginatorPlan::Offset(OffsetPlan { total_header, ..OffsetPlan::new(3) });
    let list = read(&by_offset, |_| (), plan).await;
    assert_eq!(list.ids, ids(25));
    assert!(list.warnings[0].contains("one that counts records"), "{:?}", list.warnings);
    let list = read(&server, |resource| resource.totals.by_name = false, by_number("X-Pages")).await;
    assert_eq!(list.ids, ids(25));
    assert!(list.warnings[0].contains("the header `X-Pages` is missing"), "{:?}", list.warnings);
}

#[tokio::test]
async fn a_total_of_each_page_ends_no_list_whose_pages_are_counted() {
    let server = tens(|number| (None, json!({"page": number, "total": 10, "total_pages": 3}))).await;
    let list = read(&server, |resource| resource.data_selector = None, PaginatorPlan::Auto).await;
    assert_eq!((list.ids, list.warnings), (ids(25), Vec::new()));
}

#[tokio::test]
async fn a_header_that_counts_pages_leads_on_where_nothing_in_the_answer_does() {
    let server = tens(|_| (Some("3"), json!({}))).await;
    let list = read(&server, |resource| resource.data_selector = None, PaginatorPlan::Auto).await;
    assert_eq!((list.ids, list.shortfall), (ids(25), None));
}

#[tokio::test]
async fn a_collection_of_nothing_has_no_record() {
    let empty = json!({"_links": {"self": {"href": "/rows"}}, "page": {"totalElements": 0, "totalPages": 0}});
    let server = Server::start(move |_| Reply::json(empty.to_string())).await;
    let list = read(&server, |resource| resource.data_selector = None, PaginatorPlan::Auto).await;
    assert_eq!((list.ids, list.error.is_none()), (Vec::new(), true));
}

#[tokio::test]
async fn a_cursor_with_nothing_in_it_is_the_end() {
    for end in [json!({}), json!([]), json!(""), json!(0)] {
        let server = Server::scripted([Reply::json(json!({"data": rows(&[1]), "next": end}).to_string())]).await;
        let cursor = PaginatorPlan::Cursor(CursorPlan::new(plans::selector("next"), "cursor"));
        assert_eq!(read(&server, |_| (), cursor).await.ids, ids(1), "{end}");
        let server = Server::scripted([Reply::json(json!({"data": rows(&[1]), "next": end}).to_string())]).await;
        if end != json!(0) {
            assert_eq!(read(&server, |_| (), PaginatorPlan::JsonLink(json_link())).await.ids, ids(1), "{end}");
        }
    }
}

#[tokio::test]
async fn rows_that_the_server_hides_behind_its_paging_neither_double_nor_disorder_those_that_it_shows() {
    let hidden = [34, 35, 61];
    let server = Server::start(move |request| {
        let (offset, limit) = (request.number_param("offset").unwrap(), request.number_param("limit").unwrap());
        let piece = (offset + 1..=95).take(limit as usize).filter(|id| !hidden.contains(id)).collect::<Vec<_>>();
        Reply::json(json!({"data": rows(&piece), "total": 95}).to_string())
    })
    .await;
    for on_drift in [OnDrift::Warn, OnDrift::Fail, OnDrift::Refetch] {
        let total_path = Some(plans::selector("total"));
        let plan = PaginatorPlan::Offset(OffsetPlan { total_path, ..OffsetPlan::new(10) });
        let list = read(&server, |resource| resource.on_drift = on_drift, plan).await;
        let shown: Vec<u64> = (1..=95).filter(|id| !hidden.contains(id)).collect();
        assert_eq!((list.ids, list.error.is_none()), (shown, true), "{on_drift:?}");
        assert_eq!(
            list.warnings,
            [
                "the API reports 95 records, and 92 came: no page leads to the others; if that number is no total of these records, \
             set `total_path: null` on the paginator"
            ],
            "{on_drift:?}"
        );
    }
}

#[tokio::test]
async fn rows_that_are_alike_behind_a_page_that_is_not_full_are_rows_of_their_own() {
    let values: Vec<Value> = ["a", "b", "c", "d", "e", "e", "f", "g"].map(|v| json!({ "v": v })).to_vec();
    let server = Server::start(move |request| {
        let offset = request.number_param("offset").unwrap() as usize;
        let size = if offset == 3 { 2 } else { 3 };
        let page: Vec<_> = values.iter().skip(offset).take(size).cloned().collect();
        Reply::json(json!({"data": page, "total": 8}).to_string())
    })
    .await;
    let lake = tempfile::TempDir::new().unwrap();
    let config = json!({
        "client": {"base_url": server.url(), "max_concurrency": 1},
        "resources": [{"name": "rows", "endpoint": {"data_selector": "data", "paginator": {"type": "offset", "limit": 3}}}],
        "destination": {"url": lake.path()},
    });
    assert_eq!(only(run_plan(plan_of(&config.to_string())).await).table_rows, 8);
}
