//! A server that sends every secret of a config back, in every spelling and at every place of an answer: nothing that the program
//! prints, logs or keeps shows one of them.

use std::{
    collections::HashMap,
    path::Path,
    process::{Command, Output},
    sync::{Arc, LazyLock, Mutex, OnceLock},
};

use futures::{StreamExt, stream};
use restlake::secret::Redactor;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    merge,
    spellings::{Finder, Spelling, all, form},
    told,
};
use crate::support::{
    server::{Received, Reply, Server},
    tables::walk,
};

/// Secrets of every shape, by the variable that holds each. `FILE` is in a file.
const SECRETS: [(&str, &str); 16] = [
    ("WITH_SIGNS", r#"sk_live_P@ss"w/rd+7&x=<Zk93hQ>~Y"#),
    ("WITH_SCHEME", "ghp16C7e42F292c6912E7710c838347Ae178B4a"),
    ("WITH_LETTERS", "clé+ß/=&\"<ü% 日本😀Zq7"),
    ("WITH_ESCAPES", r"pw:a%41\n\\b'&amp;%2B c\u0041d"),
    ("SHORT", "c9Z#"),
    ("NUMBER", "73029184650218"),
    ("HEX", "3f2a9b8c7d6e5f4a3b2c1d0e9f8a7b6c"),
    ("JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
    ("REFRESH", "1//0e-XyZ_~Q.r*t'(u)!kLmN"),
    (
        "PEM",
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n-----END PRIVATE KEY-----",
    ),
    ("HEADER", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
    ("FILE", "Zm9vYmFyYmF6cXV4LTEyMw=="),
    ("BODY", r#"{"type":"service","id":"x9y8z7w6","n":[1,2]}"#),
    ("PHRASE", "correct Horse battery-staple"),
    ("S3", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("SAS", "sv=2022-11-02&sig=aB3%2Fd%2BeF5gH7%3D&se=2030"),
];

/// Knows all of them: it takes a while to make.
static FINDER: LazyLock<Finder> = LazyLock::new(|| Finder::new(SECRETS.map(|(_, value)| value)));

fn secret(name: &str) -> &'static str {
    SECRETS.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn no_spelling_of_a_secret_of_any_shape_is_left_in_a_text() {
    let mut shown = Vec::new();
    for (name, value) in SECRETS {
        let redactor = Redactor::new([value.to_owned()]);
        let finder = Finder::new([value]);
        for spelled in all(value) {
            for text in [format!("refused: {}", spelled.text), format!("[{}] is no key", spelled.text)] {
                assert!(finder.find(&text).is_some(), "{name}, {}: {text}", spelled.name);
                let text = redactor.text(&text);
                if finder.find(&text).is_some() && shown.last() != Some(&format!("{name}, {}: {text}", spelled.name)) {
                    shown.push(format!("{name}, {}: {text}", spelled.name));
                }
            }
        }
    }
    assert!(shown.is_empty(), "{} shown:\n{}", shown.len(), shown.join("\n"));
}

/// What a config signs its requests with, and the secrets in it.
fn signatures(server: &Server) -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let url = |path: &str| server.url().join(path).unwrap();
    let oauth = |changes: Value| {
        let mut auth = json!({
            "type": "oauth2_client_credentials", "access_token_url": url("token"), "client_id": "${NUMBER}",
            "client_secret": "${HEX}",
        });
        merge(&mut auth, &changes);
        auth
    };
    let login = |login: Value| json!({"type": "session", "token_path": "access_token", "login": login});
    let refresh = json!({
        "type": "oauth2_refresh_token", "access_token_url": url("token"), "refresh_token": "${REFRESH}",
        "client_id": "app", "client_secret": "${PHRASE}", "token_file": "kept.json",
    });
    let bearer = json!({
        "type": "jwt_bearer", "access_token_url": url("token"), "issuer": "${NUMBER}", "key": "${PEM}", "algorithm": "HS256",
    });
    vec![
        ("bearer", json!({"token": "${WITH_SIGNS}"}), vec!["WITH_SIGNS"]),
        ("bearer from a file", json!({"token": "${file:secret}"}), vec!["FILE"]),
        ("bearer as it is written", json!({"token": secret("JWT")}), vec!["JWT"]),
        (
            "key in a header",
            json!({"type": "api_key", "name": "X-K", "api_key": "v1 ${WITH_SCHEME}"}),
            vec!["WITH_SCHEME"],
        ),
        (
            "key in the query",
            json!({"type": "api_key", "name": "k", "api_key": "${WITH_LETTERS}", "location": "query"}),
            vec!["WITH_LETTERS"],
        ),
        (
            "key in a cookie",
            json!({"type": "api_key", "name": "k", "api_key": "${HEX}", "location": "cookie"}),
            vec!["HEX"],
        ),
        (
            "password",
            json!({"type": "http_basic", "username": "someone", "password": "${WITH_ESCAPES}"}),
            vec!["WITH_ESCAPES"],
        ),
        ("user", json!({"type": "http_basic", "username": "${SHORT}", "password": ""}), vec!["SHORT"]),
        (
            "user of a password",
            json!({"type": "http_basic", "username": "a-${PHRASE}", "password": "${WITH_LETTERS}"}),
            vec!["PHRASE", "WITH_LETTERS"],
        ),
        ("client", oauth(json!({})), vec!["NUMBER", "HEX", "JWT"]),
        (
            "client in basic",
            oauth(json!({"client_secret": "${WITH_ESCAPES}", "client_auth": "basic"})),
            vec!["NUMBER", "WITH_ESCAPES", "JWT"],
        ),
        (
            "request data",
            oauth(json!({"access_token_request_data": {"tenant": "${PHRASE}", "assertion": "${SAS}"}})),
            vec!["NUMBER", "HEX", "PHRASE", "SAS", "JWT"],
        ),
        ("refused client", oauth(json!({"access_token_url": url("token/refused")})), vec!["NUMBER", "HEX"]),
        ("client without a token", oauth(json!({"access_token_url": url("token/odd")})), vec!["NUMBER", "HEX"]),
        ("client with markup", oauth(json!({"access_token_url": url("token/markup")})), vec!["NUMBER", "HEX"]),
        ("refresh token", refresh, vec!["REFRESH", "PHRASE", "JWT"]),
        ("assertion", bearer, vec!["PEM", "NUMBER", "JWT"]),
        ("login", login(json!({"path": "token", "json": {"user": {"name": "${PHRASE}"}}})), vec!["PHRASE", "JWT"]),
        (
            "login by a form",
            login(json!({"path": "token", "data": [["username", "${SHORT}"]], "headers": {"X-Pin": "${PHRASE}"}})),
            vec!["SHORT", "PHRASE", "JWT"],
        ),
        ("authorization", Value::Null, vec!["WITH_SIGNS"]),
    ]
}

/// One resource for each way in which an answer can speak.
const MODES: [&str; 31] = [
    "fine",
    "refused",
    "objection",
    "page",
    "error",
    "beside",
    "markup",
    "syntax",
    "text",
    "empty",
    "packed",
    "freeze",
    "discard",
    "reject",
    "step",
    "index",
    "wrong_link",
    "away",
    "linked",
    "moved",
    "moved_wrong",
    "moved_away",
    "cursor",
    "object",
    "keys",
    "lists",
    "total",
    "since",
    "retried",
    "cut",
    "left",
];

fn resource(mode: &str) -> Value {
    let mut resource = json!({"name": mode, "endpoint": {"path": mode, "data_selector": "data"}});
    let columns = json!({"columns": [{"name": "id", "type": "int64"}]});
    let more = match mode {
        "freeze" => json!({"schema": columns}),
        "discard" => json!({"schema": columns, "schema_contract": {"data_type": "discard_value"}}),
        "reject" => json!({"schema": columns, "schema_contract": {"data_type": "discard_row"}}),
        "step" => json!({"processing_steps": [{"map": "error(.id)"}]}),
        "index" => json!({"processing_steps": [{"map": ".id.x"}]}),
        "wrong_link" | "away" | "linked" => {
            json!({"endpoint": {"paginator": {"type": "json_link", "next_url_path": "next"}}})
        }
        "cursor" | "object" => {
            json!({"endpoint": {"paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "after"}}})
        }
        "since" => json!({"endpoint": {"incremental": {"cursor_path": "id", "start_param": "since"}}}),
        "left" => {
            json!({"schema": columns, "endpoint": {"paginator": {"type": "page_number", "base_page": 1, "total_path": null}}})
        }
        "total" => json!({"endpoint": {"paginator": {"type": "offset", "limit": 2, "total_path": "total"}}}),
        _ => json!({}),
    };
    merge(&mut resource, &more);
    if mode == "lists" {
        resource["endpoint"].as_object_mut().unwrap().remove("data_selector");
    }
    resource
}

/// What is sent back: the next few spellings with each answer of a kind.
struct Echo {
    parts: Vec<Vec<String>>,
    served: Mutex<HashMap<String, usize>>,
}

/// A message shows 500 characters of 4,000; the mark of a secret has three.
const LONGEST: usize = 3_500;

impl Echo {
    fn new(secrets: &[&str]) -> Self {
        let mut parts = vec![Vec::new()];
        let mut length = 0;
        let spelled: Vec<Vec<Spelling>> = secrets.iter().map(|name| all(secret(name))).collect();
        let longest = spelled.iter().map(Vec::len).max().unwrap();
        for text in (0..longest).flat_map(|at| spelled.iter().filter_map(move |all| Some(&all.get(at)?.text))) {
            length += text.len() + 1;
            if length > LONGEST {
                parts.push(Vec::new());
                length = text.len();
            }
            parts.last_mut().unwrap().push(text.clone());
        }
        Self { parts, served: Mutex::default() }
    }

    fn next(&self, mode: &str) -> &[String] {
        let mut served = self.served.lock().unwrap();
        let turn = served.entry(mode.to_owned()).or_insert(mode.len());
        *turn += 1;
        &self.parts[*turn % self.parts.len()]
    }

    fn answer(&self, request: &Received) -> Reply {
        let mode = request.path.trim_start_matches('/');
        let rows = |id: Value, next: Value| Reply::json(json!({"data": [{"id": id}], "next": next}).to_string());
        let spelled = self.next(mode);
        let text = &*spelled.join(" ");
        let query = spelled.iter().map(|spelled| format!("e={}", form(spelled))).collect::<Vec<_>>().join("&");
        // What a header takes.
        let is_ascii = |spelled: &&String| spelled.chars().all(|letter| (' '..='~').contains(&letter));
        let header = spelled.iter().filter(is_ascii).cloned().collect::<Vec<_>>().join(" ");
        let long = || Value::from(format!("{} {text}", "x".repeat(150)));
        match mode {
            "token" => {
                Reply::json(json!({"access_token": secret("JWT"), "refresh_token": secret("REFRESH")}).to_string())
            }
            "token/refused" => {
                Reply::json(json!({"error": text, "error_description": text}).to_string()).with_status(400)
            }
            "token/odd" => Reply::json(json!({"access_token": {text: text}, "token_type": text}).to_string()),
            "token/markup" => Reply::status(200).body(format!("<html>{text}")).header("content-type", "text/html"),
            "refused" => Reply::status(400).body(text).header("content-type", "text/plain").header("x-why", &header),
            "objection" => {
                let body = json!({"error": {"message": text, "details": [{text: "x"}]}}).to_string();
                Reply::json(body).with_status(422).in_pieces_of(7)
            }
            "page" => Reply::status(403).body(format!("<html><h1>{text}")).header("content-type", "text/html"),
            "error" => Reply::json(json!({"error": {"message": text}}).to_string()),
            "beside" => Reply::json(json!({"data": [{"id": 1}], "errors": [{"message": text}]}).to_string()),
            "markup" => Reply::json(format!("<html>{text}")).header("content-type", "text/html"),
            "syntax" => Reply::json(format!("{{\"data\": [{{\"id\": {text}")),
            "text" => Reply::json(text).header("content-type", &header),
            "empty" => Reply::status(200).header("content-type", &header),
            "packed" => Reply::json(text).header("content-encoding", &header),
            "freeze" | "discard" | "reject" | "step" | "index" => rows(long(), Value::Null),
            "wrong_link" => rows(1.into(), format!("http://[{text}").into()),
            "away" => rows(1.into(), format!("http://127.0.0.9:9/away?{query}").into()),
            "linked" if request.param("page").is_none() => rows(1.into(), format!("/linked?page=2&{query}").into()),
            "linked" => Reply::status(400).body(text),
            "moved" => Reply::status(302).header("location", &format!("/gone/{}?{query}", form(&header))),
            "moved_wrong" => Reply::status(302).header("location", &format!("http://[{header}")),
            "moved_away" => Reply::status(302).header("location", &format!("http://127.0.0.9:9/?{query}")),
            "cursor" => rows(1.into(), text.into()),
            "object" => rows(1.into(), json!({text: [text]})),
            "keys" => Reply::json(json!({text: [], "more": {text: 1}}).to_string()),
            "lists" => Reply::json(json!({text: [{"id": 1}]}).to_string()),
            // A cursor is data, and is kept; what is told of it is not.
            "since" => rows(long(), Value::Null),
            "total" => Reply::json(json!({"data": [{"id": 1}, {"id": 2}], "total": text}).to_string()),
            "retried" => {
                let reply = Reply::status(503).body(text).header("retry-after", &header);
                reply.header("x-ratelimit-reset", &header).header("set-cookie", &format!("a={header}"))
            }
            // The cut that a message makes falls into each letter of a spelling in turn.
            "cut" => Reply::status(400).body(format!("{}{text}", "x".repeat(440 + request.number % 60))),
            // A checkpoint is left.
            "left" if request.number_param("page") == Some(1) => rows(1.into(), Value::Null),
            "left" => Reply::status(503).body(text),
            "fine" => rows(1.into(), Value::Null),
            _ => Reply::status(404).body(text),
        }
    }
}

/// Secrets of each config beside those that sign its requests.
const COMMON: [&str; 3] = ["HEADER", "BODY", "FILE"];

fn config(server: &Server, auth: &Value) -> Value {
    let mut resources: Vec<Value> = MODES.iter().map(|mode| resource(mode)).collect();
    for (number, resource) in resources.iter_mut().enumerate() {
        resource["endpoint"]["params"] = json!({"access_token": "${file:secret}"});
        if number % 2 == 1 {
            merge(&mut resource["endpoint"], &json!({"method": "POST", "json": {"a": {"password": "${BODY}"}}}));
        }
    }
    let mut client = json!({
        "base_url": server.url(), "paginator": "single_page", "headers": {"X-Api-Key": "${HEADER}"},
        "retry": {"max_attempts": 2, "initial_backoff": "1ms", "max_backoff": "1ms"},
    });
    match auth {
        Value::Null => client["headers"]["Authorization"] = json!("Token token=\"${WITH_SIGNS}\", v=1"),
        auth => client["auth"] = auth.clone(),
    }
    json!({
        "name": "p", "client": client, "resources": resources, "destination": {"url": "./lake"},
        "checkpoint_interval": "1ms",
    })
}

/// What is asked of the program: each config asks for the first, and for two others in turn.
const COMMANDS: [&[&str]; 13] = [
    &["run", "-vvv", "--progress", "plain"],
    &["run", "-vvv", "--log-format", "json", "--output", "json"],
    &["run", "--dry-run", "--output", "json", "-vvv"],
    &["run", "--dry-run"],
    &["check", "-vvv"],
    &["files"],
    &["check", "--output", "json"],
    &["infer", "-vvv"],
    &["infer", "--output", "json"],
    &["status", "--output", "json", "-vvv"],
    &["verify", "-vvv"],
    &["export-state", "-vvv"],
    &["vacuum", "-vvv", "--output", "json"],
];

async fn restlake(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(folder).args(&arguments[..1]).arg("c.json").args(&arguments[1..]);
    command.envs(SECRETS).env("CLICOLOR_FORCE", "1").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What a config's runs say and keep of its secrets: the place and the part that is seen.
async fn leaks(number: usize) -> Vec<String> {
    let echo = Arc::new(OnceLock::<Echo>::new());
    let answering = Arc::clone(&echo);
    let server = Server::start(move |request| answering.get().unwrap().answer(request)).await;
    let (name, auth, mut secrets) = signatures(&server).swap_remove(number);
    secrets.extend(COMMON);
    secrets.sort_unstable();
    secrets.dedup();
    let _ = echo.set(Echo::new(&secrets));
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{}\n", secret("FILE"))).unwrap();
    std::fs::write(folder.path().join("c.json"), config(&server, &auth).to_string()).unwrap();
    let mut found = Vec::new();
    let others = [1 + number % 12, 1 + (number + 6) % 12].map(|at| COMMANDS[at]);
    for arguments in [COMMANDS[0]].into_iter().chain(others) {
        let told = told(&restlake(folder.path(), arguments).await);
        // The columns that `infer` prints are named by the records' fields, and `export-state` prints the cursor as it is.
        let data = if arguments[0] == "infer" { "- {name: " } else { "\"last_value\": " };
        for line in told.lines().filter(|line| !line.trim_start().starts_with(data)) {
            if let Some(part) = FINDER.find(line) {
                found.push(format!("{name}, {}: {part} in {line}", arguments.join(" ")));
            }
        }
        if arguments.contains(&"plain") {
            assert!(told.contains("answered"), "{name}: {told}");
        }
    }
    let kept = walk(&folder.path().join("lake"));
    let keeps = |part| kept.keys().any(|path| path.contains(part));
    assert!(keeps("/runs/") && keeps("/part-") == keeps("/checkpoint-"), "{name}: {:?}", kept.keys());
    for (path, content) in kept {
        // A table and its rejects hold what the API sent.
        let is_data =
            path.ends_with(".parquet") || path.contains("/rejects/") || path.starts_with("since/_restlake/commits/");
        let content = if is_data { String::new() } else { String::from_utf8_lossy(&content).into_owned() };
        for text in [path.as_str(), &content] {
            if let Some(part) = FINDER.find(text) {
                let at = text.to_lowercase().find(part).unwrap_or_default();
                let around: String = text.chars().skip(at.saturating_sub(60)).take(200).collect();
                found.push(format!("{name}, {path}: {part} in {around}"));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_printed_logged_or_kept_however_and_wherever_a_server_sends_it_back() {
    let count = signatures(&Server::start(|_| Reply::status(404)).await).len();
    let found: Vec<_> = stream::iter(0..count).map(leaks).buffer_unordered(3).collect().await;
    let found = found.concat();
    assert!(found.is_empty(), "{} shown:\n{}", found.len(), found.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_of_a_store_is_printed_or_logged_however_the_store_sends_it_back() {
    for (url, keys) in [
        (
            "s3://lake/x",
            vec![("secret_access_key", "S3"), ("session_token", "WITH_SIGNS"), ("access_key_id", "WITH_SCHEME")],
        ),
        ("az://lake/x", vec![("sas_token", "SAS")]),
        ("az://lake/x", vec![("account_key", "FILE")]),
    ] {
        let secrets: Vec<_> = keys.iter().map(|(_, name)| *name).collect();
        let echo = Echo::new(&secrets);
        let server = Server::start(move |_| Reply::status(403).body(echo.next("").join(" "))).await;
        let mut options = json!({"endpoint": server.url(), "allow_http": "true"});
        options[if url.starts_with("s3") { "region" } else { "account_name" }] = "here".into();
        keys.iter().for_each(|(key, name)| options[key] = format!("${{{name}}}").into());
        let mut config = config(&server, &Value::Null);
        config["destination"] = json!({"url": url, "options": options});
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("secret"), "s-e-c-r-e-t").unwrap();
        std::fs::write(folder.path().join("c.json"), config.to_string()).unwrap();
        for arguments in [&["run", "-vvv"][..], &["status", "-vvv", "--output", "json"], &["run", "--dry-run"]] {
            let told = told(&restlake(folder.path(), arguments).await);
            assert_eq!(FINDER.find(&told), None, "{url}, {arguments:?}: {told}");
        }
        assert!(!server.requests().is_empty());
    }
}
