//! A server that sends every secret back, in every spelling and at every place of an answer: nothing that the program prints,
//! logs or keeps shows one of them.

use std::{
    path::Path,
    process::{Command, Output},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::form_urlencoded;

use crate::support::{
    server::{Received, Reply, Server},
    tables::walk,
};

/// With all that JSON, URLs and HTML escape in it.
const SECRET: &str = r#"sk_live_P@ss"w/rd+7&x=<Zk93hQ>~Y"#;

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn form(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The secret by itself, as servers, proxies and logs write it.
fn spellings() -> Vec<String> {
    let unicode = |text: &str| text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<String>();
    let entities = |text: &str| text.bytes().map(|byte| format!("&#{byte};")).collect::<String>();
    let hex_entities = |text: &str| text.bytes().map(|byte| format!("&#x{byte:x};")).collect::<String>();
    vec![
        SECRET.to_owned(),
        SECRET.to_uppercase(),
        SECRET.to_lowercase(),
        percent(SECRET),
        percent(SECRET).to_lowercase(),
        percent(&percent(SECRET)),
        form(SECRET),
        form(&form(SECRET)),
        form(SECRET).to_lowercase(),
        in_json(SECRET),
        in_json(&in_json(SECRET)),
        in_json(SECRET).replace('/', "\\/"),
        unicode(SECRET),
        unicode(SECRET).to_uppercase(),
        in_json(&unicode(SECRET)),
        html(SECRET),
        html(&html(SECRET)),
        entities(SECRET),
        hex_entities(SECRET),
        in_json(&html(SECRET)),
        form(&in_json(SECRET)),
        hex(SECRET),
        hex(SECRET).to_uppercase(),
        BASE64_STANDARD.encode(SECRET),
        BASE64_STANDARD_NO_PAD.encode(SECRET),
        BASE64_URL_SAFE.encode(SECRET),
        BASE64_URL_SAFE_NO_PAD.encode(SECRET),
        form(&BASE64_STANDARD.encode(SECRET)),
        BASE64_STANDARD.encode(in_json(SECRET)),
        BASE64_URL_SAFE.encode(form(SECRET)),
    ]
}

/// Base64 of the secret with other text, in each of its alignments.
fn mixtures() -> Vec<String> {
    let texts =
        [format!("u:{SECRET}"), format!("id:{SECRET}"), format!("{SECRET}:"), format!("{{\"k\":\"{SECRET}\"}}")];
    texts.iter().flat_map(|text| [BASE64_STANDARD.encode(text), BASE64_URL_SAFE_NO_PAD.encode(text)]).collect()
}

fn echo() -> String {
    [spellings(), mixtures()].concat().join(" ")
}

/// A part of a secret in a text, if there is one: twelve letters of any spelling.
fn leak(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let windows = spellings().into_iter().flat_map(|spelled| {
        let letters: Vec<char> = spelled.to_lowercase().chars().collect();
        letters.windows(12).map(|window| window.iter().collect::<String>()).collect::<Vec<_>>()
    });
    let whole = mixtures().into_iter().map(|spelled| spelled.to_lowercase());
    windows.chain(whole).find(|part| text.contains(part))
}

/// Where a secret can be configured; `${S}` and `${API_TOKEN}` hold it, and so does the file `secret`.
fn places(server: &Server) -> Vec<(&'static str, Value)> {
    let token_url = server.url().join("token").unwrap();
    let oauth = |changes: Value| {
        let mut auth = json!({
            "type": "oauth2_client_credentials", "access_token_url": token_url, "client_id": "app", "client_secret": "0ther-s3cret",
        });
        changes.as_object().unwrap().iter().for_each(|(key, value)| auth[key] = value.clone());
        json!({ "client": {"auth": auth} })
    };
    let login = |part: Value| {
        let mut login = json!({"path": "login"});
        part.as_object().unwrap().iter().for_each(|(key, value)| login[key] = value.clone());
        json!({"client": {"auth": {"type": "session", "token_path": "access_token", "login": login}}})
    };
    let auth = |auth: Value| json!({ "client": {"auth": auth} });
    vec![
        ("bearer", auth(json!({"token": "${S}"}))),
        ("bearer from a file", auth(json!({"token": "${file:secret}"}))),
        ("bearer as it is written", auth(json!({ "token": SECRET }))),
        ("api_key in a header", auth(json!({"type": "api_key", "name": "X-K", "api_key": "v1 ${S}"}))),
        ("api_key in the query", auth(json!({"type": "api_key", "name": "k", "api_key": "${S}", "location": "query"}))),
        ("password", auth(json!({"type": "http_basic", "username": "someone", "password": "${S}"}))),
        ("user", auth(json!({"type": "http_basic", "username": "${S}", "password": ""}))),
        ("user as it is written", auth(json!({"type": "http_basic", "username": SECRET, "password": ""}))),
        ("user of a password", auth(json!({"type": "http_basic", "username": "a-${S}", "password": "0ther-s3cret"}))),
        ("client_secret", oauth(json!({"client_secret": "${S}"}))),
        ("client_secret in basic", oauth(json!({"client_secret": "${S}", "client_auth": "basic"}))),
        ("client_id", oauth(json!({"client_id": "${S}"}))),
        ("request data", oauth(json!({"access_token_request_data": {"tenant": "${S}"}}))),
        ("login", login(json!({"json": {"user": {"name": "${S}"}}}))),
        ("login form", login(json!({"data": [["username", "${S}"]]}))),
        ("login header", login(json!({"headers": {"X-Pin": "${S}"}}))),
        ("authorization", json!({"client": {"headers": {"Authorization": "Token token=\"${S}\", v=1"}}})),
        ("header of an endpoint", json!({"endpoint": {"headers": {"X-Api-Key": "${S}"}}})),
        ("parameter", json!({"endpoint": {"params": {"access_token": "${S}"}}})),
        ("variable in a parameter", json!({"endpoint": {"params": {"q": "${API_TOKEN}"}}})),
        ("body", json!({"endpoint": {"method": "POST", "json": {"a": {"password": "${S}"}}}})),
        ("form", json!({"endpoint": {"method": "POST", "data": {"api_key": "${S}"}}})),
    ]
}

/// One resource for each way in which an answer can speak.
const MODES: [&str; 12] =
    ["fine", "refused", "error", "markup", "mismatch", "step", "linked", "moved", "cut", "cursor", "keys", "retried"];

fn resource(mode: &str) -> Value {
    let mut resource = json!({"name": mode, "endpoint": {"path": mode, "data_selector": "data"}});
    match mode {
        "mismatch" => resource["schema"] = json!({"columns": [{"name": "id", "type": "int64"}]}),
        "step" => resource["processing_steps"] = json!([{"map": "error(.id)"}]),
        "linked" => resource["endpoint"]["paginator"] = json!({"type": "json_link", "next_url_path": "next"}),
        "cursor" => {
            resource["endpoint"]["paginator"] =
                json!({"type": "cursor", "cursor_path": "next", "cursor_param": "after"});
        }
        _ => {}
    }
    resource
}

fn answer(request: &Received) -> Reply {
    let mode = request.path.trim_start_matches('/');
    let rows = |id: Value, next: Value| Reply::json(json!({"data": [{"id": id}], "next": next}).to_string());
    match mode {
        "token" | "login" => Reply::json(json!({"access_token": format!("t-{SECRET}")}).to_string()),
        "refused" => Reply::status(400).body(echo()).header("content-type", "text/plain"),
        "error" => Reply::json(json!({"error": {"message": echo()}}).to_string()),
        "markup" => Reply::json(format!("<html>{}", echo())).header("content-type", "text/html"),
        "mismatch" => rows(format!("{} {}", "x".repeat(150), echo()).into(), Value::Null),
        "step" => rows(format!("{} {}", "x".repeat(150), echo()).into(), Value::Null),
        "linked" if request.param("page").is_none() => {
            let echoed: Vec<_> = spellings().iter().map(|spelled| format!("e={}", form(spelled))).collect();
            rows(1.into(), format!("/linked?page=2&{}", echoed.join("&")).into())
        }
        "linked" => Reply::status(503).body(echo()),
        "moved" => Reply::status(302).header("location", &format!("/gone/{}?to={}", form(SECRET), form(&form(SECRET)))),
        "cut" => Reply::status(400).body(format!("{}{SECRET}{}", "x".repeat(485), percent(SECRET).repeat(90))),
        "cursor" => rows(1.into(), format!("{}{SECRET}", "c".repeat(25)).into()),
        "keys" => Reply::json(json!({ SECRET: [], percent(SECRET): 1 }).to_string()),
        "retried" => Reply::status(503).body(echo()).header("retry-after", "0"),
        "fine" => rows(1.into(), Value::Null),
        _ => Reply::status(404).body(echo()),
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(key, value)| merge(into.entry(key.clone()).or_insert(Value::Null), value));
        }
        (into, from) => *into = from.clone(),
    }
}

fn config(server: &Server, place: &Value) -> Value {
    let mut resources: Vec<Value> = MODES.iter().map(|mode| resource(mode)).collect();
    for resource in &mut resources {
        merge(&mut resource["endpoint"], place.get("endpoint").unwrap_or(&json!({})));
    }
    let mut config = json!({
        "name": "p",
        "client": {
            "base_url": server.url(), "paginator": "single_page",
            "retry": {"max_attempts": 2, "initial_backoff": "1ms", "max_backoff": "1ms"},
        },
        "resources": resources,
        "destination": {"url": "./lake"},
    });
    merge(&mut config["client"], place.get("client").unwrap_or(&json!({})));
    config
}

/// What is asked of the program.
const COMMANDS: [&[&str]; 7] = [
    &["run", "c.json", "-vv", "--progress", "plain"],
    &["run", "c.json", "--dry-run", "--output", "json"],
    &["run", "c.json", "-vv", "--log-format", "json", "--output", "json"],
    &["run", "c.json", "--dry-run"],
    &["check", "c.json"],
    &["infer", "c.json"],
    &["status", "c.json", "--output", "json"],
];

async fn restlake(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(folder).args(arguments).env("S", SECRET).env("API_TOKEN", SECRET).env("CLICOLOR_FORCE", "1");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn told(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_printed_logged_or_kept_however_and_wherever_a_server_sends_it_back() {
    let server = Server::start(answer).await;
    assert!([spellings(), mixtures()].concat().iter().all(|spelled| leak(spelled).is_some()));
    for (number, (place, changes)) in places(&server).into_iter().enumerate() {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
        std::fs::write(folder.path().join("c.json"), config(&server, &changes).to_string()).unwrap();
        // Each place is asked about in some of the ways, and each way about some of the places.
        let turn = [COMMANDS[0], COMMANDS[1], COMMANDS[2 + number % (COMMANDS.len() - 2)]];
        for arguments in turn {
            let told = told(&restlake(folder.path(), arguments).await);
            assert_eq!(leak(&told), None, "{place}, {arguments:?}: {told}");
            if arguments.contains(&"-vv") {
                assert!(told.contains("***") && told.contains("refused"), "{place}: {told}");
            }
        }
        let kept: Vec<_> =
            walk(&folder.path().join("lake")).into_iter().filter(|(path, _)| path.contains("_restlake")).collect();
        assert!(kept.iter().any(|(path, _)| path.contains("/runs/")), "{place}");
        for (path, content) in kept {
            assert_eq!(leak(&String::from_utf8_lossy(&content)), None, "{place}, {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_variable_that_is_no_secret_is_shown_in_the_messages_about_it() {
    let server = Server::start(|_| Reply::status(400).body("no such team: quality-7")).await;
    let folder = TempDir::new().unwrap();
    let mut config = json!({
        "name": "p", "client": {"base_url": server.url(), "paginator": "single_page"},
        "resources": [{"name": "rows", "endpoint": {"path": "teams/${S}", "params": {"team": "${S}"}}}],
        "destination": {"url": "./lake"},
    });
    let run = async |config: &Value, value: &str| {
        std::fs::write(folder.path().join("c.json"), config.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
        command.current_dir(folder.path()).args(["run", "c.json"]).env("S", value).env("NO_COLOR", "1");
        told(&tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
    };
    let shown = run(&config, "quality-7").await;
    assert!(shown.contains("/teams/quality-7?team=quality-7") && shown.contains("no such team: quality-7"), "{shown}");
    config["client"]["base_url"] = json!("${S}");
    let shown = run(&config, "api.example.com").await;
    assert!(shown.contains("`api.example.com` has no scheme"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_character_of_a_server_moves_the_cursor_or_turns_the_direction_of_a_terminal() {
    const ODD: &str = "a\u{202e}b\u{2066}c\u{200b}d\u{61c}e\u{feff}f\u{9b}31mg\u{7f}h\u{1b}[2Ji\u{1b}[31mj\u{7}k";
    let server = Server::start(|request| match request.path.as_str() {
        "/refused" => Reply::status(400).body(ODD),
        "/keys" => Reply::json(json!({ ODD: [] }).to_string()),
        "/step" => Reply::json(json!([{"id": ODD}]).to_string()),
        _ => Reply::json(json!([{"id": ODD, "updated": ODD}]).to_string()),
    })
    .await;
    let folder = TempDir::new().unwrap();
    let resource = |name: &str, more: Value| {
        let mut resource = json!({"name": name, "endpoint": {"path": name}});
        merge(&mut resource, &more);
        resource
    };
    let columns = |kind: &str| json!({"columns": [{"name": "id", "type": kind}]});
    let config = json!({
        "name": "p", "client": {"base_url": server.url(), "paginator": "single_page"},
        "resources": [
            resource("refused", json!({})),
            resource("keys", json!({"endpoint": {"data_selector": "data"}})),
            resource("step", json!({"processing_steps": [{"map": "error(.id)"}]})),
            resource("mismatch", json!({"schema": columns("int64")})),
            resource("fine", json!({"incremental": {"cursor_path": "updated", "start_param": "since"}})),
        ],
        "destination": {"url": "./lake"},
    });
    std::fs::write(folder.path().join("c.json"), config.to_string()).unwrap();
    for arguments in [
        &["run", "c.json", "-vv", "--progress", "plain", "--color", "always"][..],
        &["run", "c.json", "-vv", "--log-format", "json", "--output", "json"],
        &["status", "c.json", "--color", "always"],
        &["status", "c.json", "--output", "json"],
        &["infer", "c.json"],
    ] {
        let told = told(&restlake(folder.path(), arguments).await);
        let is_odd = |letter: char| {
            letter.is_control() && !['\n', '\t', '\u{1b}'].contains(&letter)
                || "\u{202e}\u{2066}\u{200b}\u{61c}\u{feff}".contains(letter)
        };
        assert!(!told.contains(is_odd) && !told.contains("\u{1b}[2J") && !told.contains("\u{1b}[31mj"), "{told:?}");
    }
}
