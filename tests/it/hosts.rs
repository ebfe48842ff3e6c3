//! What requests of one run share, and where they may go: cookies, and hosts that the config does not name.

use restlake::{cli::Exit, plan::Overrides, report::ResourceSummary};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    pipeline::{plan_with, run_plan},
    server::{Received, Reply, Server},
};

async fn run(server: &Server, client: Value, endpoint: Value) -> (u8, ResourceSummary) {
    let lake = TempDir::new().unwrap();
    let mut config = json!({
        "client": {"base_url": server.url(), "retry": {"max_attempts": 1}},
        "resources": [{"name": "items", "endpoint": {"path": "items", "data_selector": "data"}}],
        "destination": {"url": lake.path()},
    });
    let add = |to: &mut Value, further: Value| {
        further.as_object().unwrap().iter().for_each(|(key, value)| to[key] = value.clone());
    };
    add(&mut config["client"], client);
    add(&mut config["resources"][0]["endpoint"], endpoint);
    let outcome = run_plan(plan_with(&config.to_string(), &Overrides::default())).await;
    let exit = Exit::of(&outcome.kinds) as u8;
    (exit, outcome.summary.resources.into_iter().next().unwrap())
}

fn links() -> Value {
    json!({"paginator": {"type": "json_link", "next_url_path": "next"}})
}

fn page(ids: std::ops::Range<u64>, next: Option<String>) -> Reply {
    let records: Vec<_> = ids.map(|id| json!({"id": id})).collect();
    Reply::json(json!({"data": records, "next": next}).to_string())
}

fn error_of(summary: &ResourceSummary) -> (String, String) {
    let error = summary.error.as_ref().unwrap();
    (error.code.clone(), error.message.clone())
}

#[tokio::test]
async fn a_cookie_comes_back_with_later_requests_of_the_run_and_with_none_of_the_next_run() {
    let server = Server::start(|request| match (request.number_param("page"), request.header("cookie")) {
        (None, None) => page(0..3, Some("/items?page=2".to_owned())).header("set-cookie", "sess=abc; Path=/; HttpOnly"),
        (Some(2), Some("sess=abc")) => page(3..5, None),
        _ => Reply::status(400),
    })
    .await;
    for _ in 0..2 {
        let (exit, summary) = run(&server, json!({}), links()).await;
        assert_eq!((exit, summary.rows_written), (0, 5), "{summary:#?}");
    }
    let other = Server::start(|request| match request.header("cookie") {
        None => page(3..5, None).header("set-cookie", "other=1; Path=/"),
        Some(_) => Reply::status(400),
    })
    .await;
    let next = other.url().join("items").unwrap().to_string();
    let server = Server::start(move |_| page(0..3, Some(next.clone())).header("set-cookie", "sess=abc; Path=/")).await;
    let (exit, summary) = run(&server, json!({}), links()).await;
    assert_eq!((exit, summary.rows_written), (0, 5), "of the own origin only: {summary:#?}");
}

#[tokio::test]
async fn the_cookie_of_the_config_goes_before_those_of_the_server() {
    let server = Server::start(|request| match request.header("cookie") {
        Some("own=1") => page(0..3, None).header("set-cookie", "sess=abc; Path=/"),
        _ => Reply::status(400),
    })
    .await;
    let (exit, _) = run(&server, json!({"headers": {"Cookie": "own=1"}}), links()).await;
    assert_eq!(exit, 0);
}

#[tokio::test]
async fn another_host_is_told_once_and_may_be_refused_or_allowed() {
    let other = Server::start(|request| match request.number_param("page") {
        Some(2) => page(3..5, Some(format!("{}&page=3", request.target().replace("page=2", "x=1")))),
        _ => page(5..6, None),
    })
    .await;
    let origin = other.url().as_str().trim_end_matches('/').to_owned();
    let first = move |_: &Received| page(0..3, Some(format!("{origin}/items?page=2")));
    let server = Server::start(first).await;
    let origin = other.url().as_str().trim_end_matches('/').to_owned();
    let told = |summary: &ResourceSummary| summary.warnings.iter().filter(|warning| warning.contains(&origin)).count();
    let (exit, summary) = run(&server, json!({}), links()).await;
    assert_eq!((exit, summary.rows_written, told(&summary)), (0, 6, 1), "{summary:#?}");
    let (exit, summary) = run(&server, json!({"allowed_hosts": [origin]}), links()).await;
    assert_eq!((exit, summary.rows_written, told(&summary)), (0, 6, 0), "{summary:#?}");
    let before = other.requests().len();
    let (exit, summary) = run(&server, json!({"foreign_hosts": "refuse"}), links()).await;
    let (code, message) = error_of(&summary);
    assert_eq!((exit, code.as_str(), other.requests().len()), (1, "http_foreign_host", before), "{summary:#?}");
    assert!(message.contains(&origin) && message.contains("`foreign_hosts: refuse`"), "{message}");
}

#[tokio::test]
async fn no_link_and_no_redirect_leads_to_a_metadata_service() {
    for target in
        ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://metadata.google.internal/"]
    {
        let link = Server::start(move |_| page(0..3, Some(target.to_owned()))).await;
        let redirect = Server::start(move |_| Reply::status(302).header("location", target)).await;
        for server in [link, redirect] {
            let (exit, summary) = run(&server, json!({}), links()).await;
            assert_eq!((exit, error_of(&summary).0.as_str()), (1, "http_foreign_host"), "{target}: {summary:#?}");
        }
    }
}

#[tokio::test]
async fn spaces_are_percent_encoded_and_any_type_of_json_is_accepted() {
    let server = Server::start(|request| {
        assert_eq!(request.header("accept"), Some("application/json, */*;q=0.5"));
        page(0..1, None)
    })
    .await;
    let params = json!({"params": {"$filter": "modified ge 2020", "plus": "a+b"}, "paginator": "single_page"});
    assert_eq!(run(&server, json!({}), params).await.0, 0);
    assert_eq!(server.targets(), ["/items?%24filter=modified%20ge%202020&plus=a%2Bb"]);
}
