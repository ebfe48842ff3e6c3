//! Which requests each paginator sends, one after the other, and what it makes of the answers.

use restlake::{
    ErrorKind,
    environment::Environment,
    error::Failure,
    fetch::{Client, PageSource, Pages, Position, Verdict},
    plan::{
        ApiKeyLocation, AuthPlan, BodyPlan, ClientPlan, CursorPlan, JsonLinkPlan, JsonTemplate, Method, OffsetPlan,
        OnDrift, PageNumberPlan, PaginatorPlan, ResourcePlan, Slot, Template,
    },
    report::Silent,
    run::Outcome,
    secret::{Redactor, Secret},
};
use serde_json::{Value, json};

use super::pagination::{List, ids, read_with};
use crate::support::{
    environment::TestEnvironment,
    pipeline::{only, plan_of, run_plan},
    plans,
    server::{Received, Reply, Server, numbered_rows},
};

fn slow(server: &Server) -> ClientPlan {
    ClientPlan { max_concurrency: 1, ..plans::client(&server.url()) }
}

async fn read(server: &Server, paginator: PaginatorPlan) -> List {
    read_resource(server, &plans::resource(&server.url(), "rows?q=1", paginator)).await
}

async fn read_resource(server: &Server, resource: &ResourcePlan) -> List {
    read_with(slow(server), resource, 1 << 20, &TestEnvironment::new()).await
}

fn body(keys: &[&str]) -> Slot {
    Slot::Body(keys.iter().map(|&key| key.to_owned()).collect())
}

fn json_link(path: &str) -> PaginatorPlan {
    PaginatorPlan::JsonLink(JsonLinkPlan::new(plans::selector(path)))
}

fn header_link() -> PaginatorPlan {
    PaginatorPlan::HeaderLink {
        links_next_key: "next".to_owned(),
        header: "Link".to_owned(),
        stop_after_empty_page: false,
    }
}

/// Rows of page `page` of three, ten rows each and five on the last.
fn rows(page: u64) -> Value {
    numbered_rows(25).into_iter().skip((page as usize - 1) * 10).take(10).collect()
}

fn page(page: u64, rest: Value) -> Reply {
    let mut answer = rest;
    answer["data"] = rows(page);
    Reply::json(answer.to_string())
}

#[tokio::test]
async fn json_links_take_the_place_of_the_whole_url_and_end_where_there_is_none() {
    for end in [json!({}), json!({"next": null}), json!({"next": ""}), json!({"next": false})] {
        let replies = [page(1, json!({"next": "/v2/rows?page=2"})), page(2, json!({"next": "?page=3"})), page(3, end)];
        let server = Server::scripted(replies).await;
        let list = read(&server, json_link("next")).await;
        assert_eq!((list.ids, list.warnings), (ids(25), Vec::<String>::new()));
        assert_eq!(server.targets(), ["/rows?q=1", "/v2/rows?page=2", "/v2/rows?page=3"]);
    }
}

#[tokio::test]
async fn links_in_headers_are_followed_by_their_relation() {
    let link = |link: &str| ("link", format!(r#"<{link}>; rel="prev", <{link}&a=1,2>; rel="next""#));
    let replies = [(1, "/rows?page=2"), (2, "/rows?page=3"), (3, "")].map(|(number, next)| {
        let reply = page(number, json!({}));
        let (name, value) = link(next);
        if next.is_empty() { reply } else { reply.header(name, &value) }
    });
    let server = Server::scripted(replies).await;
    assert_eq!(read(&server, header_link()).await.ids, ids(25));
    assert_eq!(server.targets(), ["/rows?q=1", "/rows?page=2&a=1,2", "/rows?page=3&a=1,2"]);
    let replies = [page(1, json!({})).header("link", "</x>; rel=next, </y>; rel=following"), page(2, json!({}))];
    let server = Server::scripted(replies).await;
    read(
        &server,
        PaginatorPlan::HeaderLink {
            links_next_key: "following".to_owned(),
            header: "Link".to_owned(),
            stop_after_empty_page: false,
        },
    )
    .await;
    assert_eq!(server.targets(), ["/rows?q=1", "/y"]);
}

#[tokio::test]
async fn cursors_go_into_the_parameter_or_the_body_that_the_config_names() {
    let replies = || {
        [
            page(1, json!({"c": {"next": "a b"}})),
            page(2, json!({"c": {"next": 30}})),
            page(3, json!({"c": {"next": 0}})),
        ]
    };
    let cursor = CursorPlan::new(plans::selector("c.next"), "after");
    let server = Server::scripted(replies()).await;
    assert_eq!(read(&server, PaginatorPlan::Cursor(cursor.clone())).await.ids, ids(25));
    assert_eq!(server.targets(), ["/rows?q=1", "/rows?q=1&after=a%20b", "/rows?q=1&after=30"]);
    let in_body = CursorPlan { cursor_param: body(&["page", "after"]), ..cursor };
    let server = Server::scripted(replies()).await;
    let mut resource = plans::resource(&server.url(), "rows", PaginatorPlan::Cursor(in_body));
    resource.request.method = Method::Post;
    resource.request.body = BodyPlan::Json(JsonTemplate::Value(json!({"query": "x"})));
    assert_eq!(read_resource(&server, &resource).await.ids, ids(25));
    let bodies: Vec<Value> =
        server.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let with = |after: Value| json!({"query": "x", "page": {"after": after}});
    assert_eq!(bodies, [json!({"query": "x"}), with(json!("a b")), with(json!(30))]);
}

#[tokio::test]
async fn a_cursor_list_may_end_by_its_empty_page_or_by_has_more() {
    let plan = CursorPlan::new(plans::selector("next"), "cursor");
    let empty = || Reply::json(r#"{"data":[],"next":"c"}"#);
    let server = Server::scripted([page(1, json!({"next": "b"})), empty()]).await;
    let stops = CursorPlan { stop_after_empty_page: true, ..plan.clone() };
    assert_eq!(read(&server, PaginatorPlan::Cursor(stops)).await.ids, ids(10));
    // As in dlt, an empty page is no end by itself.
    let server = Server::scripted([page(1, json!({"next": "b"})), empty(), page(2, json!({}))]).await;
    assert_eq!(read(&server, PaginatorPlan::Cursor(plan.clone())).await.ids, ids(20));
    let server =
        Server::scripted([page(1, json!({"next": "b", "more": true})), page(2, json!({"next": "c", "more": false}))])
            .await;
    let has_more_path = Some(plans::selector("more"));
    assert_eq!(read(&server, PaginatorPlan::Cursor(CursorPlan { has_more_path, ..plan })).await.ids, ids(20));
}

#[tokio::test]
async fn cursors_in_headers_end_where_the_header_is_empty_or_missing() {
    let plan = PaginatorPlan::HeaderCursor { cursor_key: "Next-Page".to_owned(), cursor_param: "from".to_owned() };
    for last in [Some(""), None] {
        let reply = page(2, json!({}));
        let reply = last.into_iter().fold(reply, |reply, last| reply.header("next-page", last));
        let server = Server::scripted([page(1, json!({})).header("next-page", "x/y"), reply]).await;
        assert_eq!(read(&server, plan.clone()).await.ids, ids(20));
        assert_eq!(server.targets(), ["/rows?q=1", "/rows?q=1&from=x%2Fy"]);
    }
}

#[tokio::test]
async fn offsets_and_page_numbers_go_into_the_body_where_the_config_says_so() {
    let offset =
        OffsetPlan { offset_param: body(&["page", "from"]), limit_param: Some(body(&["size"])), ..OffsetPlan::new(10) };
    let number = PageNumberPlan { page_param: body(&["page"]), ..PageNumberPlan::new(1) };
    for (plan, bodies) in [
        (
            PaginatorPlan::Offset(offset),
            [json!({"page": {"from": 0}, "size": 10}), json!({"page": {"from": 10}, "size": 10})],
        ),
        (PaginatorPlan::PageNumber(number), [json!({"page": 1}), json!({"page": 2})]),
    ] {
        let server = Server::scripted([page(1, json!({})), Reply::json(r#"{"data":[]}"#)]).await;
        assert_eq!(read(&server, plan).await.ids, ids(10));
        let sent: Vec<Value> =
            server.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
        assert_eq!((sent, server.targets()), (bodies.to_vec(), vec!["/rows?q=1".to_owned(); 2]));
    }
}

#[tokio::test]
async fn a_link_keeps_the_method_the_body_and_the_headers_and_no_parameter() {
    let server = Server::scripted([page(1, json!({"next": "/rows?page=2"})), page(2, json!({}))]).await;
    let mut resource = plans::resource(&server.url(), "rows", json_link("next"));
    resource.request.method = Method::Post;
    resource.request.params = vec![(Template::literal("archived"), Template::literal("false"))];
    resource.request.headers = vec![(Template::literal("x-own"), Secret::new(Template::literal("1")))];
    resource.request.body = BodyPlan::Json(JsonTemplate::Value(json!({"query": "x"})));
    assert_eq!(read_resource(&server, &resource).await.ids, ids(20));
    let sent: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| {
            (request.method.clone(), request.target(), request.body.clone(), request.header("x-own").is_some())
        })
        .collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(
        (sent[1].0.as_str(), sent[1].1.as_str(), &sent[1].2[..], sent[1].3),
        ("POST", "/rows?page=2", &br#"{"query":"x"}"#[..], true)
    );
    // Elsewhere the body has no business.
    let other = Server::scripted([]).await;
    let server = Server::scripted([page(1, json!({"next": other.url().join("x").unwrap().as_str()}))]).await;
    resource.request.base_url = server.url();
    let error = read_resource(&server, &resource).await.error.unwrap();
    assert!(error.to_string().contains("to another host") && error.kind() == ErrorKind::User, "{error}");
    // A redirect does not lead it there either, and is told as an answer of who was asked.
    let to = other.url();
    let server = Server::scripted([Reply::status(307).header("location", to.as_str())]).await;
    resource.request.base_url = server.url();
    let error = read_resource(&server, &resource).await.error.unwrap().to_string();
    assert!(error.contains(&format!("POST {}", server.url())) && error.contains("to another host"), "{error}");
    assert_eq!(other.requests().len(), 0);
}

const KEY: &str = "s3cret-value";

fn with_key(server: &Server, location: ApiKeyLocation) -> ClientPlan {
    let auth = AuthPlan::ApiKey { name: "api_key".to_owned(), api_key: Secret::new(KEY.to_owned()), location };
    ClientPlan { auth, ..slow(server) }
}

fn pages(client: &ClientPlan, resource: &ResourcePlan) -> Pages {
    let redactor = Redactor::new([KEY.to_owned()]);
    let client = Client::new(client, redactor, Environment::real(), std::sync::Arc::new(Silent)).unwrap();
    Pages::new(client.into(), resource, &plans::bound(resource), 1 << 20).unwrap()
}

#[tokio::test]
async fn a_link_with_the_key_in_it_is_stored_without_it_and_followed_with_it_at_home_only() {
    let other = Server::scripted([page(3, json!({}))]).await;
    let away = format!("{}rows?page=3&api_key={KEY}&copy={KEY}", other.url());
    let home = format!("/rows?api_key={KEY}&page=2");
    let server = Server::scripted([page(1, json!({"next": home})), page(2, json!({"next": away}))]).await;
    let client = with_key(&server, ApiKeyLocation::Query);
    // Found out, it is kept no other way than where the config names it.
    let resource = plans::resource(&server.url(), "rows", PaginatorPlan::Auto);
    let mut first = pages(&client, &resource);
    first.next().await.unwrap().unwrap();
    let stored = serde_json::to_string(&first.position()).unwrap();
    assert!(stored.contains("page=2") && !stored.contains(KEY), "{stored}");
    let position: Position = serde_json::from_str(&stored).unwrap();
    let mut rest = pages(&client, &resource).resume(position);
    while let Some(page) = rest.next().await {
        page.unwrap();
    }
    assert_eq!(server.targets()[1], format!("/rows?page=2&api_key={KEY}"));
    assert_eq!(other.targets(), ["/rows?page=3"]);
}

#[tokio::test]
async fn a_secret_parameter_of_the_resource_goes_along_with_its_links_at_home() {
    let server =
        Server::scripted([page(1, json!({"next": format!("/rows?token={KEY}&page=2")})), page(2, json!({}))]).await;
    let mut resource = plans::resource(&server.url(), "rows", json_link("next"));
    resource.request.params = vec![(Template::literal("token"), Template::literal(KEY))];
    let mut pages = pages(&slow(&server), &resource);
    pages.next().await.unwrap().unwrap();
    assert!(!serde_json::to_string(&pages.position()).unwrap().contains(KEY));
    pages.next().await.unwrap().unwrap();
    assert_eq!(server.targets()[1], format!("/rows?page=2&token={KEY}"));
}

#[tokio::test]
async fn lists_that_lead_in_a_circle_and_cursors_that_are_ignored_are_errors_with_a_hint() {
    let circle = |request: &Received| {
        let number = request.number as u64;
        page(number.min(3), json!({"next": if number % 2 == 1 { "/rows?page=b" } else { "/rows?page=a" }}))
    };
    let server = Server::start(circle).await;
    let error = read(&server, json_link("next")).await.error.unwrap();
    assert!(error.to_string().contains("the same position twice (the link to /rows)"), "{error}");
    assert!(error.hint().unwrap().contains("in a circle") && server.requests().len() == 4);
    let server = Server::start(|request| page(1, json!({"next": request.number}))).await;
    let error =
        read(&server, PaginatorPlan::Cursor(CursorPlan::new(plans::selector("next"), "c"))).await.error.unwrap();
    assert!(error.to_string().contains("holds the same 10 records as the page before it"), "{error}");
    assert!(error.hint().unwrap().contains("`cursor_param`"));
}

#[tokio::test]
async fn what_is_no_link_and_no_cursor_is_told_and_https_is_not_left() {
    for (plan, next, said) in [
        (json_link("next"), json!({"x": "/x"}), "`next` finds an object, where a link was expected"),
        (json_link("next"), json!(5), "neither text nor null"),
        (json_link("next"), json!("ftp://x/y"), "scheme is `ftp`"),
        (
            PaginatorPlan::Cursor(CursorPlan::new(plans::selector("next"), "c")),
            json!(true),
            "finds `true`, where a cursor was expected",
        ),
    ] {
        let server = Server::scripted([page(1, json!({"next": next}))]).await;
        let list = read(&server, plan).await;
        let error = list.error.unwrap();
        assert!(error.to_string().contains(said) && error.hint().is_some(), "{error}");
    }
}

#[tokio::test]
async fn chains_go_on_from_a_stored_position() {
    for (plan, next, second) in [
        (json_link("next"), json!("/rows?page=2"), "/rows?page=2"),
        (
            PaginatorPlan::Cursor(CursorPlan::new(plans::selector("next"), "c")),
            json!(12345678901234567890123_u128 as f64),
            "",
        ),
        (PaginatorPlan::Cursor(CursorPlan::new(plans::selector("next"), "c")), json!("b"), "/rows?q=1&c=b"),
        (PaginatorPlan::Auto, json!("/rows?page=2"), "/rows?page=2"),
        (PaginatorPlan::Auto, json!("b"), "/rows?q=1&cursor=b"),
    ] {
        let server = Server::scripted([page(1, json!({"next": next})), page(2, json!({}))]).await;
        let resource = plans::resource(&server.url(), "rows?q=1", plan);
        let mut first = pages(&slow(&server), &resource);
        first.next().await.unwrap().unwrap();
        let stored = serde_json::to_string(&first.position()).unwrap();
        let mut rest = pages(&slow(&server), &resource).resume(serde_json::from_str(&stored).unwrap());
        assert_eq!(rest.next().await.unwrap().unwrap().number, 2);
        assert!(second.is_empty() || server.targets()[1] == second, "{:?}", server.targets());
        assert!(rest.next().await.is_none());
    }
}

mod found_out {
    use super::*;

    /// Neither the paginator nor the selector is given.
    async fn read_unknown(server: &Server) -> List {
        let resource =
            ResourcePlan { data_selector: None, ..plans::resource(&server.url(), "rows", PaginatorPlan::Auto) };
        read_resource(server, &resource).await
    }

    #[tokio::test]
    async fn envelopes_of_every_kind_are_followed_to_their_end_and_told_once() {
        type Envelope = fn(u64) -> Reply;
        let hal: Envelope = |number| {
            let next = (number < 3).then(|| json!({"href": format!("/rows?page={}", number + 1)}));
            Reply::json(json!({"_embedded": {"rows": rows(number)}, "_links": {"next": next}}).to_string())
        };
        let json_api: Envelope = |number| {
            let next = (number < 3).then(|| format!("/rows?page={}", number + 1));
            Reply::json(json!({"data": rows(number), "links": {"next": next}}).to_string())
        };
        let odata: Envelope = |number| {
            let mut answer = json!({"@odata.count": 25, "value": rows(number)});
            if number < 3 {
                answer["@odata.nextLink"] = format!("rows?page={}", number + 1).into();
            }
            // dlt reads no relative link of that name either: whole ones are the rule.
            let text = answer.to_string().replace("rows?page", "/rows?page");
            Reply::json(text)
        };
        let links: Envelope = |number| {
            let reply = Reply::json(rows(number).to_string());
            let link = format!(r#"</rows?page={}>; rel="next""#, number + 1);
            if number < 3 { reply.header("link", &link) } else { reply }
        };
        for (envelope, said) in [
            (
                hal,
                "`data_selector: _embedded.rows`, `paginator: {type: json_link, next_url_path: \"_links.next.href\"}`",
            ),
            (json_api, "`data_selector: data`, `paginator: {type: json_link, next_url_path: \"links.next\"}`"),
            (odata, "`data_selector: value`, `paginator: {type: json_link, next_url_path: \"$['@odata.nextLink']\"}`"),
            (links, "to pin it: `paginator: {type: header_link, links_next_key: \"next\", header: \"Link\"}`"),
        ] {
            let server = Server::start(move |request| envelope(request.number as u64)).await;
            let list = read_unknown(&server).await;
            assert_eq!((list.ids, list.error.map(|error| error.to_string())), (ids(25), None), "{said}");
            assert!(list.notes.len() == 1 && list.notes[0].contains(said), "{said}: {:?}", list.notes);
            assert_eq!(list.warnings, Vec::<String>::new());
            assert_eq!(server.targets(), ["/rows", "/rows?page=2", "/rows?page=3"]);
        }
    }

    /// Three pages that count from `base`; a request without a number gets the first.
    fn counted(base: u64, tells_number: bool) -> impl Fn(&Received) -> Reply {
        move |request| {
            let number = request.number_param("page").unwrap_or(base);
            if number < base || number > base + 2 {
                return Reply::status(404);
            }
            let mut answer = json!({"data": rows(number - base + 1), "total_pages": 3});
            if tells_number {
                answer["page"] = number.into();
            }
            Reply::json(answer.to_string())
        }
    }

    #[tokio::test]
    async fn page_numbers_from_0_or_1_are_read_once_each() {
        for (base, tells_number, targets) in [
            (1, true, &["/rows", "/rows?page=2", "/rows?page=3"][..]),
            (0, true, &["/rows", "/rows?page=1", "/rows?page=2"]),
            (0, false, &["/rows", "/rows?page=1", "/rows?page=2"]),
            // Which one the first page was shows when page 1 is asked for.
            (1, false, &["/rows", "/rows?page=1", "/rows?page=2", "/rows?page=3"]),
        ] {
            let server = Server::start(counted(base, tells_number)).await;
            let list = read_unknown(&server).await;
            assert_eq!((list.ids, list.error.map(|error| error.to_string())), (ids(25), None), "{base} {tells_number}");
            assert_eq!(server.targets(), targets);
            assert!(list.notes[0].contains(&format!("base_page: {base}")), "{:?}", list.notes);
        }
    }

    #[tokio::test]
    async fn a_cursors_parameter_that_the_api_ignores_makes_room_for_the_next_name() {
        let server = Server::start(|request| match request.param("after").as_deref() {
            None => page(1, json!({"pageInfo": {"hasNextPage": true, "endCursor": "a"}})),
            Some("a") => page(2, json!({"pageInfo": {"hasNextPage": true, "endCursor": "b"}})),
            _ => page(3, json!({"pageInfo": {"hasNextPage": false, "endCursor": "c"}})),
        })
        .await;
        let list = read_unknown(&server).await;
        assert_eq!((list.ids, list.error.map(|error| error.to_string())), (ids(25), None));
        assert_eq!(server.targets(), ["/rows", "/rows?cursor=a", "/rows?after=a", "/rows?after=b"]);
        assert!(list.notes[0].contains("cursor_param: \"after\", has_more_path: \"pageInfo.hasNextPage\""));
        let ignores_all = Server::start(|_| page(1, json!({"cursors": {"next": "a"}}))).await;
        let error = read_unknown(&ignores_all).await.error.unwrap();
        assert!(error.to_string().contains("holds the same 10 records"), "{error}");
    }

    #[tokio::test]
    async fn offsets_that_the_answer_repeats_are_gone_on_with() {
        let server = Server::start(|request| {
            let offset = request.number_param("offset").unwrap_or(0);
            page(offset / 10 + 1, json!({"offset": offset, "limit": 10, "total": 25}))
        })
        .await;
        assert_eq!(read_unknown(&server).await.ids, ids(25));
        assert_eq!(server.targets(), ["/rows", "/rows?offset=10&limit=10", "/rows?offset=20&limit=10"]);
    }

    #[tokio::test]
    async fn a_list_without_signs_is_one_page_and_a_total_that_says_more_is_told() {
        for (rest, said) in
            [(json!({"total": 25}), "`total` says 25 records"), (json!({"has_more": true}), "`has_more` is true")]
        {
            let first = page(1, rest);
            let server = Server::start(move |request| match request.target().contains('?') {
                true => Reply::status(404),
                false => first.clone(),
            })
            .await;
            let list = read_unknown(&server).await;
            assert_eq!((list.ids, list.error.is_none()), (ids(10), true));
            let Verdict::Incomplete(incomplete) = list.verdict else { panic!("{said}") };
            assert!(incomplete.reason.contains(said) && list.shortfall.is_some(), "{incomplete:?}");
            assert!((2..=9).contains(&server.requests().len()), "at most eight probes");
        }
        let server = Server::scripted([Reply::json(r#"{"id": 7, "tags": ["a"], "next_run": "/x"}"#)]).await;
        let list = read_unknown(&server).await;
        assert_eq!((server.requests().len(), list.error.is_none()), (1, true));
    }

    #[tokio::test]
    async fn in_a_list_of_bare_arrays_an_object_is_an_error_and_no_record() {
        let first = || Reply::json(rows(1).to_string()).header("link", "</rows?page=2>; rel=next");
        let server = Server::scripted([first(), Reply::json(r#"{"error": "overloaded"}"#)]).await;
        let list = read_unknown(&server).await;
        assert!(list.error.unwrap().to_string().contains("an error in place of records: overloaded"));
        // Nor behind a stored position.
        let resource =
            ResourcePlan { data_selector: None, ..plans::resource(&server.url(), "rows", PaginatorPlan::Auto) };
        let server = Server::scripted([first(), Reply::json(r#"{"error": "overloaded"}"#)]).await;
        let resource =
            ResourcePlan { request: plans::resource(&server.url(), "rows", PaginatorPlan::Auto).request, ..resource };
        let mut before = pages(&slow(&server), &resource);
        before.next().await.unwrap().unwrap();
        let mut rest = pages(&slow(&server), &resource).resume(before.position());
        assert!(
            rest.next().await.unwrap().unwrap_err().to_string().contains("an error in place of records: overloaded")
        );
    }

    #[tokio::test]
    async fn records_are_found_for_a_paginator_that_is_given() {
        let server = Server::start(|request| {
            let first = request.number_param("offset").unwrap() as usize;
            let rows: Vec<_> = numbered_rows(25).into_iter().skip(first).take(10).collect();
            Reply::json(json!({"meta": {"tags": [{"x": 1}]}, "people": rows, "total": 25}).to_string())
        })
        .await;
        let resource = ResourcePlan {
            data_selector: None,
            ..plans::resource(&server.url(), "rows", plans::offset_with_total(10))
        };
        let list = read_with(plans::client(&server.url()), &resource, 1 << 20, &TestEnvironment::new()).await;
        assert_eq!((list.ids, list.warnings.len(), list.notes.len()), (ids(25), 0, 1));
        let server = Server::scripted([Reply::json(r#"{"error": "overloaded"}"#)]).await;
        let resource =
            ResourcePlan { data_selector: None, ..plans::resource(&server.url(), "rows", plans::offset(10)) };
        let error = read_resource(&server, &resource).await.error.unwrap();
        assert!(error.to_string().contains("an error in place of records: overloaded"), "{error}");
    }
}

#[tokio::test]
async fn data_that_is_missing_is_an_error_unless_it_is_allowed() {
    let replies = || [Reply::json(r#"{"next": "/rows?page=2"}"#), page(1, json!({}))];
    for allow_missing_data in [false, true] {
        let server = Server::scripted(replies()).await;
        let resource = ResourcePlan { allow_missing_data, ..plans::resource(&server.url(), "rows", json_link("next")) };
        let list = read_resource(&server, &resource).await;
        let expected = if allow_missing_data { ids(10) } else { Vec::new() };
        assert_eq!((list.ids, list.error.is_none()), (expected, allow_missing_data));
    }
}

#[tokio::test]
async fn a_total_that_is_not_there_is_a_warning_once() {
    let server = Server::scripted([page(1, json!({})), page(2, json!({})), Reply::json(r#"{"data":[]}"#)]).await;
    let list = read(&server, plans::offset_with_total(10)).await;
    assert_eq!((list.ids, list.warnings.len()), (ids(20), 1), "{:?}", list.warnings);
    assert!(list.warnings[0].contains("`total` is missing"));
}

#[tokio::test]
async fn has_more_and_a_maximum_both_hold() {
    let plan = |maximum| {
        let (maximum_offset, has_more_path) = (Some(maximum), Some(plans::selector("more")));
        PaginatorPlan::Offset(OffsetPlan { maximum_offset, has_more_path, ..OffsetPlan::new(10) })
    };
    for (maximum, rows, requests) in [(10, 10, 1), (20, 20, 2), (90, 20, 2)] {
        let server = Server::start(|request| {
            let number = request.number as u64;
            page(number, json!({"more": number < 2}))
        })
        .await;
        assert_eq!(read(&server, plan(maximum)).await.ids, ids(rows), "{maximum}");
        assert_eq!(server.requests().len(), requests);
    }
}

mod moving {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A list that `change` changes before the answer to the request of a number.
    async fn moving(
        rows: Vec<u64>,
        tells_total: bool,
        change: impl Fn(usize, &mut Vec<u64>) + Send + Sync + 'static,
    ) -> Server {
        let rows = Arc::new(Mutex::new(rows));
        Server::start(move |request| {
            let mut rows = rows.lock().unwrap();
            change(request.number, &mut rows);
            let (offset, limit) = match request.number_param("page") {
                Some(page) => ((page - 1) * 10, 10),
                None => (request.number_param("offset").unwrap(), request.number_param("limit").unwrap()),
            };
            let page: Vec<_> =
                rows.iter().skip(offset as usize).take(limit as usize).map(|id| json!({"id": id})).collect();
            let mut answer = json!({ "data": page });
            if tells_total {
                answer["total"] = rows.len().into();
            }
            Reply::json(answer.to_string())
        })
        .await
    }

    async fn read_moving(server: &Server, overlap: u64, on_drift: OnDrift) -> List {
        let total_path = Some(plans::selector("total"));
        let plan = PaginatorPlan::Offset(OffsetPlan { overlap, total_path, ..OffsetPlan::new(10) });
        let resource = ResourcePlan { on_drift, ..plans::resource(&server.url(), "rows", plan) };
        read_resource(server, &resource).await
    }

    /// The same by page numbers.
    async fn read_numbered(server: &Server, overlap: u64, on_drift: OnDrift) -> List {
        let plan = PaginatorPlan::PageNumber(PageNumberPlan { overlap, ..PageNumberPlan::new(1) });
        let resource = ResourcePlan { on_drift, ..plans::resource(&server.url(), "rows", plan) };
        read_resource(server, &resource).await
    }

    fn deleted(before: usize, count: usize) -> impl Fn(usize, &mut Vec<u64>) + Send + Sync + 'static {
        move |number, rows| {
            if number == before {
                rows.drain(..count);
            }
        }
    }

    fn inserted(before: usize, count: u64) -> impl Fn(usize, &mut Vec<u64>) + Send + Sync + 'static {
        move |number, rows| {
            if number == before {
                rows.splice(0..0, (0..count).map(|new| 100 + new));
            }
        }
    }

    fn sorted(list: &List) -> Vec<u64> {
        let mut ids = list.ids.clone();
        ids.sort_unstable();
        ids
    }

    #[tokio::test]
    async fn an_overlap_asks_for_rows_again_and_hands_them_on_once() {
        let server = moving(ids(25), true, |_, _| {}).await;
        let list = read_moving(&server, 3, OnDrift::Fail).await;
        assert_eq!((list.ids, list.duplicates, list.warnings.len()), (ids(25), 9, 0));
        let targets = [0, 7, 14, 21].map(|offset| format!("/rows?offset={offset}&limit=10"));
        assert_eq!((&server.targets()[..], list.shortfall), (&targets[..], None));
    }

    #[tokio::test]
    async fn an_overlap_ends_a_list_without_a_total_where_nothing_new_comes() {
        for rows in [0, 7, 10, 17, 24, 25] {
            let server = moving(ids(rows), false, |_, _| {}).await;
            assert_eq!(read_moving(&server, 3, OnDrift::Fail).await.ids, ids(rows), "{rows}");
        }
    }

    #[tokio::test]
    async fn rows_that_go_or_come_within_the_overlap_lose_and_repeat_nothing() {
        for count in 1..=3 {
            let server = moving(ids(40), false, deleted(2, count)).await;
            let list = read_moving(&server, 4, OnDrift::Fail).await;
            assert_eq!((&list.ids, list.error.is_none()), (&ids(40), true), "{count}");
            assert!(list.notes.iter().any(|note| note.contains("the overlap mended it")), "{:?}", list.notes);
            let server = moving(ids(40), false, inserted(3, count as u64)).await;
            let list = read_moving(&server, 4, OnDrift::Fail).await;
            assert_eq!((&list.ids, list.error.is_none()), (&ids(40), true), "{count}");
        }
    }

    #[tokio::test]
    async fn an_overlap_of_numbered_pages_asks_for_the_page_before_once_more() {
        let server = moving(ids(25), false, |_, _| {}).await;
        let list = read_numbered(&server, 3, OnDrift::Fail).await;
        assert_eq!((list.ids, list.duplicates, list.warnings.len()), (ids(25), 9, 0));
        let targets = [1, 2, 1, 3, 2, 4, 3].map(|page| format!("/rows?page={page}"));
        assert_eq!((&server.targets()[..], list.shortfall), (&targets[..], None));
    }

    #[tokio::test]
    async fn an_overlap_may_be_larger_than_a_list_and_than_its_first_page() {
        let server = moving(ids(3), false, |_, _| {}).await;
        let list = read_numbered(&server, 5, OnDrift::Fail).await;
        assert_eq!((list.ids, list.error.is_none()), (ids(3), true));
        let server = Server::start(|request| {
            let rows: Vec<u64> = match request.number_param("page").unwrap() {
                1 => vec![1, 2],
                2 => (3..=12).collect(),
                _ => Vec::new(),
            };
            let rows: Vec<_> = rows.into_iter().map(|id| json!({"id": id})).collect();
            Reply::json(json!({ "data": rows }).to_string())
        })
        .await;
        assert_eq!(read_numbered(&server, 5, OnDrift::Fail).await.ids, ids(12));
    }

    #[tokio::test]
    async fn rows_that_go_or_come_between_any_two_requests_for_numbered_pages_are_neither_lost_nor_doubled() {
        for (rows, count, before) in iproduct(&[20, 34, 40], 1..=3, 2..=9) {
            let server = moving(ids(rows), false, deleted(before, count)).await;
            let list = read_numbered(&server, 4, OnDrift::Fail).await;
            assert_eq!(
                (sorted(&list), list.error.is_none()),
                (ids(rows), true),
                "{count} of {rows} go before {before}"
            );
            let server = moving(ids(rows), false, inserted(before, count as u64)).await;
            let list = read_numbered(&server, 4, OnDrift::Fail).await;
            assert_eq!((sorted(&list), list.error.is_none()), (ids(rows), true), "{count} to {rows} before {before}");
        }
    }

    fn iproduct(
        rows: &[u64],
        counts: std::ops::RangeInclusive<usize>,
        befores: std::ops::RangeInclusive<usize>,
    ) -> Vec<(u64, usize, usize)> {
        let mut all = Vec::new();
        for &rows in rows {
            for count in counts.clone() {
                all.extend(befores.clone().map(|before| (rows, count, before)));
            }
        }
        all
    }

    #[tokio::test]
    async fn a_run_that_goes_on_sees_what_went_from_numbered_pages_before_its_position() {
        let server = moving(ids(40), false, deleted(4, 2)).await;
        let plan = PaginatorPlan::PageNumber(PageNumberPlan { overlap: 3, ..PageNumberPlan::new(1) });
        let resource = plans::resource(&server.url(), "rows", plan);
        let mut first = pages(&slow(&server), &resource).one_by_one();
        for _ in 0..2 {
            first.next().await.unwrap().unwrap();
        }
        let stored = serde_json::to_string(&first.position()).unwrap();
        let mut rest = pages(&slow(&server), &resource).one_by_one().resume(serde_json::from_str(&stored).unwrap());
        let third = rest.next().await.unwrap().unwrap();
        assert_eq!((third.count, third.duplicates), (12, 1));
    }

    #[tokio::test]
    async fn without_an_overlap_a_row_that_goes_between_two_numbered_pages_is_lost() {
        let server = moving(ids(40), false, deleted(2, 1)).await;
        assert_eq!(read_numbered(&server, 0, OnDrift::Fail).await.ids.len(), 39);
    }

    #[tokio::test]
    async fn a_shift_beyond_the_overlap_is_told_and_is_a_reason_to_delete_nothing() {
        let server = moving(ids(40), false, deleted(2, 9)).await;
        let list = read_moving(&server, 2, OnDrift::Warn).await;
        assert!(list.error.is_none() && list.ids.len() < 40);
        assert!(
            list.shortfall.unwrap().contains("none of the 2 rows that were asked for again"),
            "{:?}",
            list.warnings
        );
    }

    #[tokio::test]
    async fn totals_that_change_and_rows_that_come_again_are_told_or_end_the_run() {
        for change in [true, false] {
            let make = || async {
                match change {
                    true => moving(ids(25), true, deleted(2, 1)).await,
                    false => moving(ids(25), false, inserted(2, 2)).await,
                }
            };
            let said = if change { "the total went from 25 to 24" } else { "2 rows came on one page and again" };
            let list = read_moving(&make().await, 0, OnDrift::Warn).await;
            assert!(
                list.error.is_none() && list.warnings.iter().any(|warning| warning.contains(said)),
                "{:?}",
                list.warnings
            );
            let error = read_moving(&make().await, 0, OnDrift::Fail).await.error.unwrap();
            assert_eq!((error.code(), error.kind()), ("list_moved", ErrorKind::Transient));
            assert!(error.to_string().contains(said) && error.hint().unwrap().contains("refetch"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_list_that_moved_is_read_again_and_nothing_is_handed_on_twice() {
        let server = moving(ids(25), true, deleted(2, 1)).await;
        let list = read_moving(&server, 0, OnDrift::Refetch).await;
        assert_eq!((sorted(&list), list.duplicates, list.shortfall.as_deref()), (ids(25), 23, None));
        assert!(list.notes.iter().any(|note| note.contains("it was read 2 times")), "{:?}", list.notes);
        let server = moving(ids(25), false, inserted(2, 2)).await;
        let list = read_moving(&server, 0, OnDrift::Refetch).await;
        let all: Vec<u64> = (1..=25).chain([100, 101]).collect();
        assert_eq!((sorted(&list), list.shortfall), (all, None));
    }

    #[tokio::test]
    async fn a_list_that_never_rests_is_read_twice_and_reported() {
        let server = moving(ids(25), true, |number, rows| {
            rows.remove(usize::from(number > 3));
        })
        .await;
        let list = read_moving(&server, 0, OnDrift::Refetch).await;
        let starts = server.requests().iter().filter(|request| request.number_param("offset") == Some(0)).count();
        assert_eq!((starts, list.error.is_none()), (2, true));
        assert!(list.shortfall.unwrap().contains("read 2 times, and moved each time"));
        let mut once = list.ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), list.ids.len());
    }

    /// A whole run over the list, with these keys of the resource and of its paginator.
    async fn export(server: &Server, resource: Value, paginator: Value) -> Outcome {
        let lake = tempfile::TempDir::new().unwrap();
        let mut config = json!({
            "name": "p",
            "client": {"base_url": server.url(), "max_concurrency": 1},
            "resources": [{"name": "items", "endpoint": {"paginator": paginator}, "schema": {"columns": [{"name": "id", "type": "int64"}]}}],
            "destination": {"url": lake.path()},
        });
        for (key, value) in resource.as_object().unwrap() {
            config["resources"][0][key] = value.clone();
        }
        let paginator = &mut config["resources"][0]["endpoint"]["paginator"];
        if paginator.get("type").is_none() {
            (paginator["type"], paginator["limit"]) = (json!("offset"), json!(10));
        }
        run_plan(plan_of(&config.to_string())).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_numbers_of_a_run_add_up_whatever_came_twice() {
        let numbered = json!({"type": "page_number", "base_page": 1, "overlap": 3, "total_path": null});
        for (resource, paginator, rows, duplicates) in [
            (json!({}), json!({"overlap": 3}), 25, 4),
            (json!({"primary_key": "id"}), json!({"overlap": 3}), 25, 4),
            (json!({"primary_key": "id", "dedup": false}), json!({"overlap": 3}), 25, 4),
            (json!({}), numbered.clone(), 25, 7),
            (json!({"primary_key": "id"}), numbered, 25, 7),
            (json!({}), json!({"on_drift": "refetch"}), 25, 21),
            (json!({"primary_key": "id"}), json!({"on_drift": "refetch"}), 25, 21),
            (json!({}), json!({"on_drift": "warn"}), 23, 0),
        ] {
            let server = moving(ids(25), true, deleted(2, 2)).await;
            let summary = only(export(&server, resource.clone(), paginator.clone()).await);
            let numbers = (summary.table_rows, summary.rows_written, summary.rows_duplicate, summary.rows_fetched);
            assert_eq!(
                numbers,
                (rows, rows, duplicates, rows + duplicates),
                "{resource} {paginator}: {:?}",
                summary.warnings
            );
            let said: Vec<_> = summary.warnings.iter().chain(&summary.notes).collect();
            assert!(said.iter().any(|text| text.contains("rows came or went")), "{said:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_that_shall_not_move_fails_as_a_passing_fault_and_commits_nothing() {
        let server = moving(ids(25), true, deleted(2, 2)).await;
        let outcome = export(&server, json!({}), json!({"on_drift": "fail"})).await;
        assert_eq!(outcome.kinds, [ErrorKind::Transient]);
        let [resource] = &outcome.summary.resources[..] else { panic!() };
        assert_eq!((resource.error.as_ref().unwrap().code.as_str(), resource.table_version), ("list_moved", 0));
    }

    #[tokio::test]
    async fn pages_that_are_no_larger_than_the_overlap_are_an_error() {
        let server = Server::start(|request| {
            let offset = request.number_param("offset").unwrap() as usize;
            let rows: Vec<_> = numbered_rows(25).into_iter().skip(offset).take(3).collect();
            Reply::json(json!({ "data": rows }).to_string())
        })
        .await;
        let error = read_moving(&server, 3, OnDrift::Warn).await.error.unwrap();
        assert!(error.to_string().contains("gives 3 records a page, which is too few for an overlap of 3"), "{error}");
        let server = moving(ids(25), false, |_, _| {}).await;
        let error = read_numbered(&server, 11, OnDrift::Warn).await.error.unwrap();
        assert!(
            error.to_string().contains("gives 10 records a page, which is too few for an overlap of 11"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn links_are_followed_in_every_form() {
    let list =
        |number: u64| json!([{"rel": "self", "href": "/"}, {"rel": ["next"], "href": format!("rows?page={number}")}]);
    let object = |number: u64| json!({"href": format!("/rows{{/id}}?page={number}{{&sort}}"), "templated": true});
    let forms: [&dyn Fn(u64) -> Value; 4] =
        [&list, &object, &|number| json!([object(number)]), &|number| json!(format!("rows?page={number}"))];
    for form in forms {
        let next = |number| page(number, if number < 3 { json!({"next": form(number + 1)}) } else { json!({}) });
        let server = Server::scripted([next(1), next(2), next(3)]).await;
        assert_eq!(read(&server, json_link("next")).await.ids, ids(25));
        assert_eq!(server.targets(), ["/rows?q=1", "/rows?page=2", "/rows?page=3"]);
    }
}

#[tokio::test]
async fn a_header_that_links_to_a_page_without_results_ends_the_list() {
    let linked = |number: u64, more: &str| {
        let link = format!("</rows?page={}>; rel='next'; results=\"{more}\"", number + 1);
        page(number, json!({})).header("Link", &link)
    };
    let server = Server::scripted([linked(1, "true"), linked(2, "true"), linked(3, "false")]).await;
    assert_eq!(read(&server, header_link()).await.ids, ids(25));
    assert_eq!(server.requests().len(), 3);
}
