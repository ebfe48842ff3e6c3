//! What is secret is told to nobody, however it is spelled and whatever it is called.

use restlake::{environment::Environment, plan::Overrides};
use tempfile::TempDir;

use super::*;
use crate::support::{
    pipeline::{plan_with, run_plan},
    tables::walk,
};

const KEY: &str = "sek/ret+one=";

/// The spellings that servers have for it.
const SPELLINGS: [&str; 5] =
    ["sek/ret+one=", "sek/ret%2Bone%3D", "sek%2fret%2bone%3d", r"sek\/ret\u002Bone=", "sek%252Fret%252Bone%253D"];

fn is_there(text: &str) -> bool {
    let text = text.to_lowercase();
    ["sek/ret", "sek%2fret", r"sek\/ret", "sek%252fret"].iter().any(|spelling| text.contains(spelling))
}

/// A client that has learnt the key as the parameter `api_key` of its own.
fn fixture(server: &Server) -> Fixture {
    let plan = plans::client(&server.url());
    let (test, recorder) = (TestEnvironment::new(), Arc::new(Recorder::default()));
    let redactor = Redactor::new([KEY.to_owned()]);
    let client = Client::new(&plan, redactor, test.environment(), recorder.clone()).unwrap();
    let paginator = PaginatorPlan::JsonLink(JsonLinkPlan::new("next".parse().unwrap()));
    let mut resource = plans::resource(&plan.base_url, "v1/rows", paginator);
    resource.request.params = vec![(Template::literal("api_key"), Template::literal(KEY))];
    Fixture { client: Arc::new(client), resource, test, recorder }
}

#[tokio::test]
async fn a_key_that_a_link_or_a_redirect_repeats_in_any_spelling_goes_to_no_other_host() {
    let other = Server::start(|_| Reply::json(r#"{"data":[{"id":9}]}"#)).await;
    for spelling in SPELLINGS.iter().chain(&["another"]).filter(|spelling| !spelling.contains('\\')) {
        let link = format!("{}more?page=2&api_key={spelling}", other.url());
        let to = link.clone();
        let server = Server::start(move |request| match request.path.as_str() {
            "/v1/moved" => Reply::status(302).header("location", &to),
            _ => Reply::json(json!({"data": [{"id": 1}], "next": link}).to_string()),
        })
        .await;
        let mut fixture = fixture(&server);
        let mut pages = fixture.pages();
        pages.next().await.unwrap().unwrap();
        assert!(!is_there(&serde_json::to_string(&pages.position()).unwrap()), "{spelling}");
        pages.next().await.unwrap().unwrap();
        fixture.resource.request.path = Template::literal("v1/moved");
        fixture.pages().next().await.unwrap().unwrap();
        let targets = other.targets();
        assert_eq!(targets[targets.len() - 2..], ["/more?page=2", "/more?page=2"], "{spelling}");
    }
}

#[tokio::test]
async fn a_record_that_holds_the_key_is_told_without_it() {
    let server = Server::start(|_| Reply::json(json!([{"id": KEY}]).to_string())).await;
    for (resource, code) in [
        (json!({"schema": {"columns": [{"name": "id", "type": "int64"}]}}), "data_mismatch"),
        (json!({"processing_steps": [{"map": "error(.id)"}]}), "processing_step"),
    ] {
        let lake = TempDir::new().unwrap();
        let mut config = json!({
            "client": {
                "base_url": server.url(), "paginator": "single_page",
                "auth": {"type": "api_key", "name": "api_key", "api_key": KEY, "location": "query"},
            },
            "resources": [{"name": "rows"}],
            "destination": {"url": lake.path()},
        });
        for (key, value) in resource.as_object().unwrap() {
            config["resources"][0][key] = value.clone();
        }
        let plan = || plan_with(&config.to_string(), &Overrides::default());
        let outcome = run_plan(plan()).await;
        let error = outcome.summary.resources[0].error.clone().unwrap();
        assert!(error.code == code && error.message.contains("***") && !is_there(&error.message), "{error:?}");
        if code == "processing_step" {
            let inferred = restlake::run::infer(plan(), Environment::real(), Arc::new(restlake::report::Silent)).await;
            let error = inferred.unwrap().remove(0).result.unwrap_err();
            assert!(error.code() == code && !is_there(&error.to_string()), "{error}");
        }
        let told: Vec<_> = walk(lake.path()).into_iter().filter(|(path, _)| path.contains("/runs/")).collect();
        assert!(!told.is_empty() && told.iter().all(|(_, text)| !is_there(&String::from_utf8_lossy(text))), "{told:?}");
    }
}

#[tokio::test]
async fn a_key_that_the_server_quotes_is_told_in_no_spelling() {
    for spelling in SPELLINGS {
        let body = format!(r#"{{"message":"invalid key {spelling}"}}"#);
        let server = Server::start(move |_| Reply::status(400).body(body.clone())).await;
        let fixture = fixture(&server);
        let error = fixture.error().await;
        assert!(error.to_string().contains("invalid key ***"), "{error}");
        assert!(!is_there(&said(&error, &fixture)), "{error}");
    }
}

#[tokio::test]
async fn headers_that_are_credentials_by_their_name_or_hold_a_secret_do_not_follow_a_redirect_to_another_host() {
    let other = Server::start(|_| Reply::json(ROWS)).await;
    let to = other.url().join("landed").unwrap();
    let server = Server::start(move |_| Reply::status(302).header("location", to.as_str())).await;
    let names = ["X-Auth", "X-JWT", "X-Session-Id", "Session", "X-Custom"];
    let headers = names.map(|name| (name.to_owned(), secret("filled-in-1"))).to_vec();
    let plan = ClientPlan { headers, ..plans::client(&server.url()) };
    let (test, redactor) = (TestEnvironment::new(), Redactor::default());
    redactor.hide(["filled-in-1".to_owned()]);
    let recorder = Arc::new(Recorder::default());
    let client = Arc::new(Client::new(&plan, redactor, test.environment(), recorder.clone()).unwrap());
    let resource = plans::resource(&plan.base_url, "v1/rows", PaginatorPlan::SinglePage);
    Fixture { client, resource, test, recorder }.fetch().await.unwrap();
    assert!(names.iter().all(|name| server.requests()[0].header(name).is_some()));
    assert!(names.iter().all(|name| other.requests()[0].header(name).is_none()));
}
