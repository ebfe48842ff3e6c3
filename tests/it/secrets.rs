//! Nothing that the program prints, logs or keeps shows a secret, and what a server sends steers no terminal.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::{Reply, Server};

mod scan;
mod spellings;

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(key, value)| merge(into.entry(key.clone()).or_insert(Value::Null), value));
        }
        (into, from) => *into = from.clone(),
    }
}

async fn restlake(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(folder).args(arguments).env("CLICOLOR_FORCE", "1");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn told(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
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
