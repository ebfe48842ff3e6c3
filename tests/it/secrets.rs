//! A server that sends every secret back, in every spelling and at every place of an answer: nothing that the program prints,
//! logs or keeps shows one of them.

use std::{
    collections::HashSet,
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

/// Secrets of the shapes that APIs give out. The first has all that JSON, URLs and HTML escape in it.
const SECRETS: [&str; 12] = [
    r#"sk_live_P@ss"w/rd+7&x=<Zk93hQ>~Y"#,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiIsIm5hbWUiOiJ4In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "4929718830012345",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "a2V5IGZvciB0ZXN0cz8+Lw==",
    "correct horse battery staple",
    "100%25-off%2Fkey%zz",
    r"a\b'c`d$e{f}g|h^i",
    "Zk93hQx7",
    "p\u{e4}ssw\u{f6}rd-\u{43a}\u{43b}\u{44e}\u{447}-\u{5bc6}\u{7801}",
];

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
fn spellings(secret: &str) -> Vec<String> {
    let unicode = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let entities = |text: &str| text.chars().map(|c| format!("&#{};", u32::from(c))).collect::<String>();
    let hex_entities = |text: &str| text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect::<String>();
    vec![
        secret.to_owned(),
        secret.to_uppercase(),
        secret.to_lowercase(),
        percent(secret),
        percent(secret).to_lowercase(),
        percent(&percent(secret)),
        form(secret),
        form(&form(secret)),
        form(secret).to_lowercase(),
        in_json(secret),
        in_json(&in_json(secret)),
        in_json(secret).replace('/', "\\/"),
        unicode(secret),
        unicode(secret).to_uppercase(),
        in_json(&unicode(secret)),
        html(secret),
        html(&html(secret)),
        entities(secret),
        hex_entities(secret),
        in_json(&html(secret)),
        form(&in_json(secret)),
        hex(secret),
        hex(secret).to_uppercase(),
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD_NO_PAD.encode(secret),
        BASE64_URL_SAFE.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        form(&BASE64_STANDARD.encode(secret)),
        BASE64_STANDARD.encode(in_json(secret)),
        BASE64_URL_SAFE.encode(form(secret)),
    ]
}

/// Base64 of the secret with other text, in each of its alignments.
fn mixtures(secret: &str) -> Vec<String> {
    let texts =
        [format!("u:{secret}"), format!("id:{secret}"), format!("{secret}:"), format!("{{\"k\":\"{secret}\"}}")];
    texts.iter().flat_map(|text| [BASE64_STANDARD.encode(text), BASE64_URL_SAFE_NO_PAD.encode(text)]).collect()
}

fn echo(secret: &str) -> String {
    [spellings(secret), mixtures(secret)].concat().join(" ")
}

/// The parts that give a secret away: twelve letters of any spelling, or all of a shorter one.
fn parts(secret: &str) -> HashSet<String> {
    let windows = spellings(secret).into_iter().flat_map(|spelled| {
        let letters: Vec<char> = spelled.to_lowercase().chars().collect();
        letters.windows(letters.len().min(12)).map(|window| window.iter().collect::<String>()).collect::<Vec<_>>()
    });
    windows.chain(mixtures(secret).into_iter().map(|spelled| spelled.to_lowercase())).collect()
}

fn leak<'a>(text: &str, parts: &'a HashSet<String>) -> Option<&'a String> {
    let text = text.to_lowercase();
    parts.iter().find(|part| text.contains(*part))
}

/// Where a secret can be configured; `${S}` and `${API_TOKEN}` hold it, and so does the file `secret`.
fn places(server: &Server, secret: &str) -> Vec<(&'static str, Value)> {
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
        ("bearer as it is written", auth(json!({ "token": secret }))),
        ("api_key in a header", auth(json!({"type": "api_key", "name": "X-K", "api_key": "v1 ${S}"}))),
        ("api_key in the query", auth(json!({"type": "api_key", "name": "k", "api_key": "${S}", "location": "query"}))),
        ("password", auth(json!({"type": "http_basic", "username": "someone", "password": "${S}"}))),
        ("user", auth(json!({"type": "http_basic", "username": "${S}", "password": ""}))),
        ("user as it is written", auth(json!({"type": "http_basic", "username": secret, "password": ""}))),
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
const MODES: [&str; 13] = [
    "fine", "refused", "error", "markup", "mismatch", "step", "linked", "moved", "cut", "cursor", "keys", "retried",
    "left",
];

fn resource(mode: &str) -> Value {
    let mut resource = json!({"name": mode, "endpoint": {"path": mode, "data_selector": "data"}});
    match mode {
        "mismatch" => resource["schema"] = json!({"columns": [{"name": "id", "type": "int64"}]}),
        "left" => {
            resource["schema"] = json!({"columns": [{"name": "id", "type": "int64"}]});
            resource["endpoint"]["paginator"] = json!({"type": "page_number", "base_page": 1, "total_path": null});
        }
        "step" => resource["processing_steps"] = json!([{"map": "error(.id)"}]),
        "linked" => {
            resource["schema"] = json!({"columns": [{"name": "id", "type": "int64"}]});
            resource["endpoint"]["paginator"] = json!({"type": "json_link", "next_url_path": "next"});
        }
        "cursor" => {
            resource["schema"] = json!({"columns": [{"name": "id", "type": "int64"}]});
            resource["endpoint"]["paginator"] =
                json!({"type": "cursor", "cursor_path": "next", "cursor_param": "after"});
        }
        _ => {}
    }
    resource
}

fn answer(request: &Received, secret: &str) -> Reply {
    let mode = request.path.trim_start_matches('/');
    let rows = |id: Value, next: Value| Reply::json(json!({"data": [{"id": id}], "next": next}).to_string());
    match mode {
        "token" | "login" => Reply::json(json!({"access_token": format!("t-{secret}")}).to_string()),
        "refused" => Reply::status(400).body(echo(secret)).header("content-type", "text/plain"),
        "error" => Reply::json(json!({"error": {"message": echo(secret)}}).to_string()),
        "markup" => Reply::json(format!("<html>{}", echo(secret))).header("content-type", "text/html"),
        "mismatch" => rows(format!("{} {}", "x".repeat(150), echo(secret)).into(), Value::Null),
        "step" => rows(format!("{} {}", "x".repeat(150), echo(secret)).into(), Value::Null),
        "linked" if request.param("page").is_none() => {
            let echoed: Vec<_> = spellings(secret).iter().map(|spelled| format!("e={}", form(spelled))).collect();
            rows(1.into(), format!("/linked?page=2&{}", echoed.join("&")).into())
        }
        "linked" => Reply::status(503).body(echo(secret)),
        "left" if request.number_param("page") == Some(1) => rows(1.into(), Value::Null),
        "left" => Reply::status(503).body(echo(secret)),
        "moved" => Reply::status(302).header("location", &format!("/gone/{}?to={}", form(secret), form(&form(secret)))),
        "cut" => Reply::status(400).body(format!("{}{secret}{}", "x".repeat(485), percent(secret).repeat(90))),
        "cursor" => rows(1.into(), format!("{}{secret}", "c".repeat(25)).into()),
        "keys" => Reply::json(json!({ secret: [], percent(secret): 1 }).to_string()),
        "retried" => Reply::status(503).body(echo(secret)).header("retry-after", "0"),
        "fine" => rows(1.into(), Value::Null),
        _ => Reply::status(404).body(echo(secret)),
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
        "name": "p", "checkpoint_interval": "1ms",
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

async fn restlake(folder: &Path, arguments: &[&str], secret: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(folder).args(arguments).env("S", secret).env("API_TOKEN", secret).env("CLICOLOR_FORCE", "1");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn told(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs the program with a secret at one place, and finds no part of it in what is printed, logged or kept.
async fn scan(server: &Server, secret: &str, (place, changes): &(&str, Value), commands: &[&[&str]]) {
    let parts = parts(secret);
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
    std::fs::write(folder.path().join("c.json"), config(server, changes).to_string()).unwrap();
    for arguments in commands {
        let told = told(&restlake(folder.path(), arguments, secret).await);
        assert_eq!(leak(&told, &parts), None, "{place}, {secret}, {arguments:?}: {told}");
        if arguments.contains(&"-vv") {
            assert!(told.contains("***") && told.contains("refused"), "{place}, {secret}: {told}");
        }
        // Between runs, as the last one may leave no checkpoint.
        for (path, content) in walk(&folder.path().join("lake")).iter().filter(|(path, _)| path.contains("_restlake")) {
            let leak = leak(path, &parts).or_else(|| leak(&String::from_utf8_lossy(content), &parts));
            assert_eq!(leak, None, "{place}, {secret}, {path}");
        }
    }
    let kept = walk(&folder.path().join("lake"));
    assert!(kept.iter().any(|(path, _)| path.contains("/runs/")), "{place}");
    assert!(kept.iter().any(|(path, _)| path.contains("/checkpoint-")), "{place}: {:?}", kept.keys());
}

/// Whether a header can carry the secret there.
fn fits(place: &str, secret: &str) -> bool {
    secret.is_ascii() || !["bearer", "header", "authorization"].iter().any(|header| place.contains(header))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_printed_logged_or_kept_however_and_wherever_a_server_sends_it_back() {
    assert!(
        SECRETS.iter().all(|secret| spellings(secret).iter().all(|spelled| leak(spelled, &parts(secret)).is_some()))
    );
    for (turn, secret) in SECRETS.iter().enumerate() {
        let server = Server::start(|request| answer(request, secret)).await;
        // Each place has some of the secrets, and is asked about in some of the ways.
        let places = places(&server, secret).into_iter().enumerate();
        for (number, place) in places.filter(|(number, (place, _))| number % 12 == turn && fits(place, secret)) {
            let commands = [COMMANDS[0], COMMANDS[1], COMMANDS[2 + number % (COMMANDS.len() - 2)]];
            scan(&server, secret, &place, &commands).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten minutes: each secret at each place, with each command"]
async fn no_secret_at_any_place_is_shown_by_any_command() {
    for secret in SECRETS {
        let server = Server::start(move |request| answer(request, secret)).await;
        for place in places(&server, secret).iter().filter(|(place, _)| fits(place, secret)) {
            scan(&server, secret, place, &COMMANDS).await;
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
        let told = told(&restlake(folder.path(), arguments, SECRETS[0]).await);
        let is_odd = |letter: char| {
            letter.is_control() && !['\n', '\t', '\u{1b}'].contains(&letter)
                || "\u{202e}\u{2066}\u{200b}\u{61c}\u{feff}".contains(letter)
        };
        assert!(!told.contains(is_odd) && !told.contains("\u{1b}[2J") && !told.contains("\u{1b}[31mj"), "{told:?}");
    }
}
