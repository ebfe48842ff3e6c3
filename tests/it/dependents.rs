//! Parents, children and grandchildren, over loopback: what is asked for, in which order, and which rows come of it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use restlake::{
    ErrorKind,
    plan::{Overrides, Plan},
    report::{ResourceSummary, Silent, Status},
    run::{Outcome, run},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    resume::still,
    support::{
        pipeline::{plan_with, run_plan},
        server::{Received, Reply, Server, list_by_offset},
        tables::{all_rows, data_files, read_table, sorted_texts},
    },
};

const POSTS: u64 = 5;

/// Five posts; post N has N - 1 comments, and comment C has one reply, with the id 10 C.
fn blog(request: &Received) -> Reply {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let id = |text: &str| text.parse::<u64>().unwrap_or_default();
    match parts.as_slice() {
        ["posts"] => {
            let post =
                |id| json!({"id": id, "slug": format!("post {id}/ä"), "big": 12_345_678_901_234_567_u64, "no": null});
            list_by_offset((1..=POSTS).map(post).collect(), 2, true)(request)
        }
        ["posts", post, "comments"] => {
            let comment = |number| json!({"id": id(post) * 100 + number, "text": format!("c{number}")});
            list_by_offset((1..id(post)).map(comment).collect(), 2, true)(request)
        }
        ["comments", comment, "replies"] => {
            Reply::json(json!({"data": [{"id": id(comment) * 10, "of": id(comment)}]}).to_string())
        }
        ["others"] => Reply::json(r#"{"data": [{"id": 1}]}"#),
        _ => Reply::status(404),
    }
}

fn columns(names: &[&str]) -> Value {
    let column = |name: &&str| json!({"name": name.trim_start_matches('_'), "source": name, "type": "string"});
    json!({"columns": names.iter().map(column).collect::<Vec<_>>()})
}

fn posts() -> Value {
    json!({"name": "posts", "schema": columns(&["id", "slug"])})
}

fn comments() -> Value {
    json!({
        "name": "comments", "endpoint": "posts/{resources.posts.id}/comments", "include_from_parent": ["id", "big", "no"],
        "schema": columns(&["id", "text", "_posts_id", "_posts_big", "_posts_no"]),
    })
}

fn replies() -> Value {
    json!({
        "name": "replies",
        "endpoint": {"path": "comments/{resources.comments.id}/replies", "paginator": "single_page"},
        "include_from_parent": ["id", "_posts_id"],
        "schema": columns(&["id", "_comments_id", "_comments__posts_id"]),
    })
}

/// A config of these resources; `overrides` as from the command line.
fn plan_of(server: &Server, lake: &Path, resources: &[Value], concurrency: usize, overrides: &Overrides) -> Plan {
    let config = json!({
        "name": "blog",
        "client": {
            "base_url": server.url(), "max_concurrency": concurrency,
            "paginator": {"type": "offset", "limit": 2, "total_path": "total"},
            "retry": {"max_attempts": 1},
        },
        "resource_defaults": {"endpoint": {"data_selector": "data"}, "write_disposition": "replace"},
        "resources": resources,
        "destination": {"url": lake},
    });
    plan_with(&config.to_string(), overrides)
}

fn plan(server: &Server, lake: &TempDir, resources: &[Value]) -> Plan {
    plan_of(server, lake.path(), resources, 1, &Overrides::default())
}

fn rows(lake: &TempDir, table: &str, columns: &[&str]) -> Vec<String> {
    let rows = sorted_texts(&all_rows(&read_table(&lake.path().join(table))), columns);
    let text = |cell: Option<String>| cell.unwrap_or_else(|| "null".to_owned());
    rows.into_iter().map(|row| row.into_iter().map(text).collect::<Vec<_>>().join(" ")).collect()
}

fn summary<'a>(outcome: &'a Outcome, name: &str) -> &'a ResourceSummary {
    outcome.summary.resources.iter().find(|resource| resource.name == name).unwrap()
}

fn well(outcome: &Outcome) {
    assert!(outcome.kinds.is_empty(), "{outcome:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn children_and_grandchildren_are_asked_for_by_each_record_and_no_list_twice() {
    let server = Server::start(blog).await;
    let lake = TempDir::new().unwrap();
    // In any order of the config.
    let outcome = run_plan(plan(&server, &lake, &[replies(), comments(), posts()])).await;
    well(&outcome);
    let names: Vec<_> = outcome.summary.resources.iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(names, ["replies", "comments", "posts"]);
    assert_eq!(rows(&lake, "posts", &["id"]), ["1", "2", "3", "4", "5"]);
    let expected = (1..=POSTS).flat_map(|post| (1..post).map(move |number| (post, post * 100 + number)));
    let comments: Vec<_> =
        expected.clone().map(|(post, id)| format!("{id} c{} {post} 12345678901234567 null", id % 100)).collect();
    assert_eq!(rows(&lake, "comments", &["id", "text", "posts_id", "posts_big", "posts_no"]), comments);
    let replies: Vec<_> = expected.map(|(post, id)| format!("{} {id} {post}", id * 10)).collect();
    assert_eq!(rows(&lake, "replies", &["id", "comments_id", "comments__posts_id"]), replies);
    let asked = |prefix: &str| server.targets().iter().filter(|target| target.starts_with(prefix)).count() as u64;
    assert_eq!(asked("/posts?"), 3);
    // Comments of a post that fill one page are confirmed by one more request.
    assert_eq!((asked("/posts"), asked("/comments/")), (3 + 8, 10));
    let counted = |name: &str| (summary(&outcome, name).requests, summary(&outcome, name).pages);
    assert_eq!((counted("posts"), counted("comments"), counted("replies")), ((3, 3), (8, 8), (10, 10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_the_same_to_the_byte_whatever_the_concurrency() {
    let server = Server::start(blog).await;
    let mut tables: Vec<BTreeMap<String, Bytes>> = Vec::new();
    for concurrency in [1, 16] {
        let lake = TempDir::new().unwrap();
        let resources = [posts(), comments(), replies()];
        well(&run_plan(plan_of(&server, lake.path(), &resources, concurrency, &Overrides::default())).await);
        tables.push(data_files(lake.path()));
    }
    assert_eq!(tables[0].len(), 3);
    assert_eq!(tables[0], tables[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_a_parent_that_is_not_exported_is_read_once_and_counted_with_a_child() {
    let mut likes = comments();
    likes["name"] = json!("likes");
    for (unselected, resource) in
        [(json!({"selected": false}), "posts"), (json!({"write_disposition": "skip"}), "posts")]
    {
        let server = Server::start(blog).await;
        let lake = TempDir::new().unwrap();
        let mut parent = posts();
        parent.as_object_mut().unwrap().extend(unselected.as_object().unwrap().clone());
        let outcome = run_plan(plan(&server, &lake, &[parent, comments(), likes.clone()])).await;
        well(&outcome);
        assert!(!lake.path().join(resource).exists());
        assert_eq!(rows(&lake, "comments", &["id"]), rows(&lake, "likes", &["id"]));
        assert_eq!(rows(&lake, "comments", &["id"]).len(), 10);
        assert_eq!(server.targets().iter().filter(|target| target.starts_with("/posts?")).count(), 3);
        assert_eq!(summary(&outcome, "comments").requests + summary(&outcome, "likes").requests, 3 + 2 * 8);
        assert_eq!(summary(&outcome, "comments").pages, 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grandchild_alone_reads_the_lists_of_all_above_it() {
    let server = Server::start(blog).await;
    let lake = TempDir::new().unwrap();
    let overrides = Overrides { resources: vec!["replies".to_owned()], ..Overrides::default() };
    let outcome = run_plan(plan_of(&server, lake.path(), &[posts(), comments(), replies()], 4, &overrides)).await;
    well(&outcome);
    assert_eq!(summary(&outcome, "replies").requests, 3 + 8 + 10);
    assert_eq!(rows(&lake, "replies", &["id"]).len(), 10);
    assert!(!lake.path().join("posts").exists() && !lake.path().join("comments").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_a_parent_that_failed_asks_for_nothing_and_the_others_go_on() {
    let server = Server::start(|request| match request.path.as_str() {
        "/posts" => Reply::status(503),
        _ => blog(request),
    })
    .await;
    let lake = TempDir::new().unwrap();
    let others = json!({"name": "others", "schema": columns(&["id"]), "endpoint": {"paginator": "single_page"}});
    let outcome = run_plan(plan(&server, &lake, &[posts(), comments(), replies(), others])).await;
    assert_eq!(outcome.kinds, [ErrorKind::Transient; 3]);
    let failed = summary(&outcome, "replies");
    assert_eq!((failed.status, failed.requests), (Status::Failed, 0));
    let error = summary(&outcome, "comments").error.as_ref().unwrap();
    assert_eq!(error.code, "parent_failed");
    assert!(error.message.contains("its parent `posts` was not exported"), "{error:?}");
    assert_eq!(summary(&outcome, "others").status, Status::Ok);
    let mut targets = server.targets();
    targets.sort();
    assert_eq!(targets, ["/others", "/posts?offset=0&limit=2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_parent_that_lacks_a_field_is_named_before_anything_is_asked_for() {
    for (field, wrong) in
        [("nothing", "it has no `nothing`, but `id`, `slug`, `big`, `no`"), ("no", "its `no` is null")]
    {
        let server = Server::start(blog).await;
        let lake = TempDir::new().unwrap();
        let mut child = comments();
        child["endpoint"] = json!(format!("posts/{{resources.posts.{field}}}/comments"));
        let outcome = run_plan(plan(&server, &lake, &[posts(), child])).await;
        let error = summary(&outcome, "comments").error.as_ref().unwrap();
        assert_eq!(error.code, "parent_field");
        assert!(error.message.contains(&format!("record 1 on page 1 of `posts`: {wrong}")), "{error:?}");
        assert_eq!(summary(&outcome, "posts").status, Status::Ok);
        assert_eq!(server.targets().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_parents_there_is_a_table_without_rows_and_one_missing_list_fails_the_resource() {
    let server = Server::start(|request| match request.path.as_str() {
        "/posts" => Reply::json(r#"{"data": []}"#),
        _ => blog(request),
    })
    .await;
    let lake = TempDir::new().unwrap();
    let outcome = run_plan(plan(&server, &lake, &[posts(), comments()])).await;
    well(&outcome);
    assert_eq!((rows(&lake, "comments", &["id"]).len(), data_files(&lake.path().join("comments")).len()), (0, 1));

    let server = Server::start(|request| match request.path.as_str() {
        "/posts/4/comments" => Reply::status(404),
        _ => blog(request),
    })
    .await;
    let outcome = run_plan(plan(&server, &lake, &[posts(), comments()])).await;
    let error = summary(&outcome, "comments").error.as_ref().unwrap();
    assert!(error.message.contains("/posts/4/comments") && error.message.contains("404"), "{error:?}");
    assert_eq!(outcome.kinds, [ErrorKind::User]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maximum_of_pages_holds_for_the_parent_and_for_all_lists_of_the_child_together() {
    let server = Server::start(blog).await;
    let lake = TempDir::new().unwrap();
    let overrides = Overrides { max_pages: Some(2), ..Overrides::default() };
    let outcome = run_plan(plan_of(&server, lake.path(), &[posts(), comments()], 1, &overrides)).await;
    well(&outcome);
    assert_eq!((summary(&outcome, "posts").pages, summary(&outcome, "comments").pages), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sent_as_the_config_writes_it_for_each_record_of_the_parent() {
    let form = |text: &str| ("application/x-www-form-urlencoded", text.to_owned());
    for (endpoint, target, content_type, body) in [
        (json!({"path": "c/{resources.posts.slug}"}), "GET /c/post%201%2F%C3%A4", "", String::new()),
        (
            json!({"path": "c", "params": {"b": true, "l": ["x", 2], "s": "{resources.posts.slug}", "n": null}}),
            "GET /c?b=true&l=x&l=2&s=post%201%2F%C3%A4",
            "",
            String::new(),
        ),
        (
            json!({"path": "{kind}/{p}", "params": {"kind": "c", "p": {"type": "resolve", "resource": "posts", "field": "id"}}}),
            "GET /c/1",
            "",
            String::new(),
        ),
        (
            json!({"path": "c", "method": "POST", "json": {"id": "{resources.posts.id}", "q": ["n{resources.posts.id}", {"{{": null}]}}),
            "POST /c",
            "application/json",
            json!({"id": 1, "q": ["n1", {"{": null}]}).to_string(),
        ),
        (
            json!({"path": "c", "method": "post", "data": {"id": "{resources.posts.id}", "t": [1, "a b"]}}),
            "POST /c",
            form("").0,
            form("id=1&t=1&t=a+b").1,
        ),
        (
            json!({"path": "c", "method": "POST", "data": [["a", "{resources.posts.id}"], ["a", 2]]}),
            "POST /c",
            form("").0,
            form("a=1&a=2").1,
        ),
        (
            json!({"path": "c", "method": "POST", "headers": {"Content-Type": "text/xml"}, "data": "<id>{resources.posts.id}</id>"}),
            "POST /c",
            "text/xml",
            "<id>1</id>".to_owned(),
        ),
    ] {
        let server = Server::start(|request| match request.path.as_str() {
            "/posts" => blog(request),
            _ => Reply::json(r#"{"data": []}"#),
        })
        .await;
        let lake = TempDir::new().unwrap();
        let mut endpoint = endpoint;
        endpoint["paginator"] = json!("single_page");
        let child = json!({"name": "c", "endpoint": endpoint, "schema": columns(&["id"])});
        well(&run_plan(plan(&server, &lake, &[posts(), child])).await);
        let requests = server.requests();
        assert_eq!(requests.len(), 3 + POSTS as usize);
        let first = &requests[3];
        assert_eq!(format!("{} {}", first.method, first.target()), target);
        assert_eq!(first.header("content-type").unwrap_or_default(), content_type);
        assert_eq!(String::from_utf8_lossy(&first.body), body);
        if content_type == form("").0 {
            assert!(first.form().iter().any(|(_, value)| value == "1"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_an_endpoint_take_the_place_of_the_clients_and_stay_with_the_api() {
    let (api, elsewhere) = (Server::start(blog).await, Server::start(blog).await);
    let lake = TempDir::new().unwrap();
    let resource = |name: &str, endpoint: Value| {
        let mut all = json!({"path": "others", "data_selector": "data", "paginator": "single_page"});
        all.as_object_mut().unwrap().extend(endpoint.as_object().unwrap().clone());
        json!({"name": name, "endpoint": all, "schema": columns(&["id"])})
    };
    let config = json!({
        "client": {
            "base_url": api.url(), "auth": {"token": "of-client"}, "max_concurrency": 1,
            "headers": {"X-Team": "qa", "X-Own": "client"},
        },
        "resources": [
            resource("a", json!({})),
            resource("b", json!({"auth": {"type": "api_key", "name": "k", "api_key": "of-b", "location": "query"}})),
            resource("c", json!({"auth": null, "headers": {"x-own": "c"}})),
            resource("d", json!({
                "path": format!("{}others", elsewhere.url()), "auth": {"token": "of-d"}, "headers": {"Cookie": "id=d", "X-D": "1"},
            })),
        ],
        "destination": {"url": lake.path()},
    });
    well(&run_plan(plan_with(&config.to_string(), &Overrides::default())).await);
    let seen = |server: &Server| {
        let mut seen: Vec<_> = server
            .requests()
            .iter()
            .map(|request| {
                let header = |name: &str| request.header(name).unwrap_or("-").to_owned();
                [request.target(), header("authorization"), header("x-own"), header("cookie"), header("x-d")].join(" ")
            })
            .collect();
        seen.sort();
        seen
    };
    assert_eq!(seen(&api), ["/others - c - -", "/others Bearer of-client client - -", "/others?k=of-b - client - -"]);
    assert_eq!(seen(&elsewhere), ["/others - client - 1"]);
}

/// An API of the blog in which one list is refused until it is mended.
async fn breaking() -> (Server, Arc<std::sync::atomic::AtomicBool>) {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let server = Server::start(move |request| match request.path.as_str() {
        "/posts/4/comments" if is_broken.load(std::sync::atomic::Ordering::SeqCst) => Reply::status(403),
        _ => blog(request),
    })
    .await;
    (server, broken)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_failed_in_the_middle_goes_on_with_the_list_that_failed_whatever_becomes_of_the_parent() {
    // What is appended is not appended again: then the parent's list is read for the child alone.
    for (disposition, parents_requests) in [("replace", 3), ("append", 3)] {
        let (server, broken) = breaking().await;
        let lake = TempDir::new().unwrap();
        let mut parent = posts();
        parent["write_disposition"] = json!(disposition);
        let mut child = comments();
        child["checkpoint_interval"] = json!("0s");
        let plan = || plan(&server, &lake, &[parent.clone(), child.clone()]);
        let outcome = run(plan(), still(), Arc::new(Silent)).await;
        assert_eq!(summary(&outcome, "comments").status, Status::Failed);
        let before = server.targets().len();
        broken.store(false, std::sync::atomic::Ordering::SeqCst);
        let outcome = run(plan(), still(), Arc::new(Silent)).await;
        well(&outcome);
        let warnings = &summary(&outcome, "comments").warnings;
        assert!(warnings.iter().any(|warning| warning.contains("resumed after page 4")), "{warnings:?}");
        assert_eq!(rows(&lake, "comments", &["id"]).len(), 10);
        assert_eq!(rows(&lake, "posts", &["id"]).len(), 5);
        let asked = server.targets()[before..].to_vec();
        let of = |path: &str| asked.iter().filter(|target| target.starts_with(path)).count();
        assert_eq!((of("/posts?"), of("/posts/4/"), of("/posts/5/")), (parents_requests, 2, 2), "{asked:?}");
        assert_eq!((of("/posts/1/"), of("/posts/2/")), (0, 0), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_asked_for_by_the_records_that_the_steps_of_their_parent_leave() {
    for is_exported in [true, false] {
        let server = Server::start(blog).await;
        let lake = TempDir::new().unwrap();
        let mut posts = posts();
        posts["processing_steps"] = json!([{"filter": ".id > 3"}]);
        posts["selected"] = json!(is_exported);
        well(&run_plan(plan(&server, &lake, &[posts, comments()])).await);
        let of_comments = server.targets().into_iter().filter(|target| target.contains("comments"));
        let asked: Vec<_> = of_comments.map(|target| target.split('?').next().unwrap_or_default().to_owned()).collect();
        assert!(
            asked.iter().all(|path| ["/posts/4/comments", "/posts/5/comments"].contains(&path.as_str())),
            "{asked:?}"
        );
        assert_eq!(rows(&lake, "comments", &["id"]).len(), 3 + 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_a_parent_that_is_read_by_a_cursor_are_those_of_its_new_records_and_nothing_is_taken_for_gone() {
    let is_later = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&is_later);
    let server = Server::start(move |request| {
        let is_later = flag.load(std::sync::atomic::Ordering::SeqCst);
        match request.path.as_str() {
            "/posts" if !is_later => {
                list_by_offset((1..=2).map(|id| json!({"id": id, "slug": "s"})).collect(), 2, true)(request)
            }
            "/posts" => list_by_offset((1..=3).map(|id| json!({"id": id, "slug": "s"})).collect(), 2, true)(request),
            _ => blog(request),
        }
    })
    .await;
    let lake = TempDir::new().unwrap();
    let mut posts = posts();
    posts["endpoint"] =
        json!({"path": "posts", "incremental": {"cursor_path": "id", "initial_value": 1, "start_param": "since"}});
    let mut comments = json!({
        "name": "comments", "endpoint": "posts/{resources.posts.id}/comments", "schema": columns(&["id"]),
        "on_missing": "delete",
    });
    for resource in [&mut posts, &mut comments] {
        resource["write_disposition"] = json!("merge");
        resource["primary_key"] = json!("id");
    }
    well(&run_plan(plan(&server, &lake, &[posts.clone(), comments.clone()])).await);
    assert_eq!(rows(&lake, "comments", &["id"]), ["201"]);
    is_later.store(true, std::sync::atomic::Ordering::SeqCst);
    let before = server.targets().len();
    let outcome = run_plan(plan(&server, &lake, &[posts, comments])).await;
    well(&outcome);
    let asked: Vec<_> =
        server.targets().split_off(before).into_iter().filter(|target| target.contains("comments")).collect();
    assert!(asked.iter().all(|target| target.starts_with("/posts/3/")), "{asked:?}");
    assert_eq!(rows(&lake, "comments", &["id"]), ["201", "301", "302"], "nothing is taken for gone");
    let warnings = &summary(&outcome, "comments").warnings;
    assert!(warnings.iter().any(|warning| warning.contains("read by a cursor")), "{warnings:?}");
}

/// An API of one list of parents, 1 and 2, and of what `child` answers elsewhere.
async fn parents_and(child: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.path.as_str() {
        "/posts" => Reply::json(r#"{"data": [{"id": 1}, {"id": 2}], "total": 2}"#),
        _ => child(request),
    })
    .await
}

/// The child's rows as `id` texts and the targets of its requests, or the error of its run.
async fn read_child(server: &Server, paginator: Value, endpoint: Value) -> (Vec<String>, Vec<String>) {
    let lake = TempDir::new().unwrap();
    let before = server.targets().len();
    let parent = json!({"path": "posts", "data_selector": "data", "paginator": "single_page"});
    let config = json!({
        "client": {"base_url": server.url(), "max_concurrency": 1, "paginator": paginator},
        "resources": [
            {"name": "posts", "endpoint": parent, "schema": columns(&["id"])},
            {"name": "child", "endpoint": endpoint, "schema": columns(&["id"])},
        ],
        "destination": {"url": lake.path()},
    });
    well(&run_plan(plan_with(&config.to_string(), &Overrides::default())).await);
    let targets = server.targets().into_iter().skip(before).collect();
    let ids = sorted_texts(&all_rows(&read_table(&lake.path().join("child"))), &["id"]);
    (ids.into_iter().map(|row| row[0].clone().unwrap_or_default()).collect(), targets)
}

/// Every paginator that a client may have for its lists.
fn paginators() -> [Value; 6] {
    [
        json!("auto"),
        json!({"type": "offset", "limit": 2, "total_path": "total"}),
        json!({"type": "page_number", "base_page": 1, "total_path": null}),
        json!({"type": "json_link", "next_url_path": "next"}),
        json!({"type": "cursor", "cursor_path": "next", "cursor_param": "c"}),
        json!("header_link"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_the_path_of_one_record_is_that_record_whatever_it_links_to_and_is_asked_for_without_a_position()
{
    for record in [
        json!({"id": 1, "next": "/next", "items": [{"id": 7}], "total": 9}),
        json!({"id": 1, "data": [{"id": 7}], "has_more": true}),
    ] {
        let (answer, link) = (record.to_string(), "</next>; rel=next");
        let server = parents_and(move |_| Reply::json(answer.clone()).header("Link", link)).await;
        for paginator in paginators() {
            let (ids, targets) = read_child(&server, paginator.clone(), json!("one/{resources.posts.id}")).await;
            assert_eq!(
                (ids.join(" ").as_str(), targets),
                ("1 1", wanted(&["/posts", "/one/1", "/one/2"])),
                "{paginator}"
            );
        }
    }
    let order = json!({"number": "A1", "items": [{"id": 7}, {"id": 8}], "total": 12}).to_string();
    let server = parents_and(move |_| Reply::json(order.clone())).await;
    let (ids, _) = read_child(&server, json!("auto"), json!("one/{resources.posts.id}")).await;
    assert_eq!(ids, ["", ""], "two orders, and none of their items");
}

fn wanted(targets: &[&str]) -> Vec<String> {
    targets.iter().map(|target| (*target).to_owned()).collect()
}

/// Five records of each parent, two a page, whatever way the page is asked for.
fn five(request: &Received) -> Reply {
    let page = request.number_param("page").map(|page| (page - 1) * 2);
    let first = request.number_param("offset").or(page).or_else(|| request.number_param("c")).unwrap_or(0);
    let ids: Vec<_> = (first..(first + 2).min(5)).map(|id| json!({ "id": id })).collect();
    let link = (first + 2 < 5).then(|| format!("{}?c={}", request.path, first + 2));
    let next = if request.header("x-next") == Some("cursor") { json!(first + 2) } else { json!(link) };
    let next = if link.is_some() { next } else { Value::Null };
    let answer = Reply::json(json!({"results": ids, "next": next, "total": 5}).to_string());
    match link {
        Some(link) => answer.header("Link", &format!("<{link}>; rel=next")),
        None => answer,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_at_the_path_of_one_record_goes_on_by_the_clients_paginator() {
    let server = parents_and(five).await;
    for paginator in paginators() {
        let headers = if paginator["type"] == "cursor" { json!({"X-Next": "cursor"}) } else { json!({}) };
        for selector in [Value::Null, json!("results")] {
            let mut endpoint = json!({"path": "one/{resources.posts.id}", "headers": headers});
            if !selector.is_null() {
                endpoint["data_selector"] = selector;
            }
            let (ids, targets) = read_child(&server, paginator.clone(), endpoint).await;
            assert_eq!(ids.join(" "), "0 0 1 1 2 2 3 3 4 4", "{paginator}");
            assert_eq!(targets[1], "/one/1", "{paginator}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_paginator_is_used_at_the_path_of_one_record_from_its_first_request_on() {
    let server = parents_and(five).await;
    let endpoint =
        json!({"path": "one/{resources.posts.id}", "paginator": {"type": "offset", "limit": 2, "total_path": "total"}});
    let (ids, targets) = read_child(&server, json!("auto"), endpoint).await;
    assert_eq!((ids.join(" ").as_str(), targets[1].as_str()), ("0 0 1 1 2 2 3 3 4 4", "/one/1?offset=0&limit=2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_query_or_for_the_cursor_filters_a_list() {
    for path in [
        "one?parent={resources.posts.id}",
        "one/{resources.posts.id}/{incremental.start_value}",
        "one?q={resources.posts.id}&since={incremental.start_value}",
    ] {
        let server = parents_and(|request| {
            let page = five(request);
            page.with_json(|answer| {
                answer["results"].as_array_mut().unwrap().iter_mut().for_each(|row| row["at"] = json!(5));
            })
        })
        .await;
        let mut endpoint = json!({"path": path});
        if path.contains("incremental") {
            endpoint["incremental"] = json!({"cursor_path": "at", "initial_value": 1});
        }
        let (ids, targets) =
            read_child(&server, json!({"type": "offset", "limit": 2, "total_path": "total"}), endpoint).await;
        assert_eq!(ids.join(" "), "0 0 1 1 2 2 3 3 4 4", "{path}");
        assert!(targets[1].ends_with("offset=0&limit=2"), "{targets:?}");
    }
}
