//! The program with a config: from the file to what is told.

use std::process::{Command, Output};

use super::*;

/// Runs the program with what it can tell, in a folder that holds these files.
async fn restlake(folder: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(folder).args(arguments).env("SECRET", "client-s3cret");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn config(server: &Server, auth: &Value) -> String {
    json!({
        "name": "p",
        "client": {"base_url": server.url(), "auth": auth, "paginator": "single_page", "retry": {"max_attempts": 1}},
        "resources": [{"name": "rows", "endpoint": {"data_selector": "data"},
            "schema": {"columns": [{"name": "id", "type": "int64"}]}}],
        "destination": {"url": "./lake"},
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dlts_own_oauth_config_runs_and_nothing_of_it_is_told_however_loud() {
    let server = api(60, |_| Reply::json(ROWS)).await;
    let folder = tempfile::tempdir().unwrap();
    let auth = json!({
        "type": "oauth2_client_credentials", "access_token_url": server.url().join("token").unwrap(),
        "client_id": "id", "client_secret": "${SECRET}", "access_token_request_data": {"scope": "read"},
        "default_token_expiration": 60,
    });
    fs::write(folder.path().join("c.json"), config(&server, &auth)).unwrap();
    let output = restlake(folder.path(), &["run", "c.json", "-vv", "--output", "json"]).await;
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(server.targets(), ["/token", "/rows"]);
    assert!(told.contains("token request answered"), "{told}");
    assert!(!told.contains("s3cret") && !told.contains("token-1"), "{told}");
    let lake = folder.path().join("lake");
    for (name, content) in crate::support::tables::walk(&lake) {
        let content = String::from_utf8_lossy(&content);
        assert!(!content.contains("s3cret") && !content.contains("token-1"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_kept_beside_the_config_and_its_loss_is_a_warning_of_the_summary() {
    let answer = json!({"access_token": "token-1", "refresh_token": "refresh-1"}).to_string();
    let server = Server::start(move |request| match request.path.as_str() {
        "/token" => Reply::json(answer.clone()),
        _ => Reply::json(ROWS),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("configs")).unwrap();
    let mut auth = json!({
        "type": "oauth2_refresh_token", "access_token_url": server.url().join("token").unwrap(),
        "refresh_token": "refresh-0", "token_file": "kept.json",
    });
    fs::write(folder.path().join("configs/c.json"), config(&server, &auth)).unwrap();
    let output = restlake(folder.path(), &["run", "configs/c.json", "--output", "json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read_to_string(folder.path().join("configs/kept.json")).unwrap().contains("refresh-1"));
    auth["token_file"] = Value::Null;
    fs::write(folder.path().join("configs/c.json"), config(&server, &auth)).unwrap();
    let output = restlake(folder.path(), &["run", "configs/c.json", "--output", "json"]).await;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let warning = document["resources"][0]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("the next run will be refused"), "{warning}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_the_key_of_the_credentials_that_were_sent() {
    let server = Server::start(|_| Reply::status(401).body("no")).await;
    let folder = tempfile::tempdir().unwrap();
    let plain = json!({"token": "of-the-client"});
    let config: Value = serde_json::from_str(&config(&server, &plain)).unwrap();
    let change = |pointer: &str, key: &str, value: Value| {
        let mut config = config.clone();
        config.pointer_mut(pointer).unwrap()[key] = value;
        config
    };
    let mut in_headers = change("/client", "headers", json!({"X-Api-Key": "of-a-header"}));
    in_headers["client"]["auth"] = Value::Null;
    let mut in_params = change("/resources/0/endpoint", "params", json!({"api_key": "of-a-param"}));
    in_params["client"]["auth"] = Value::Null;
    for (config, key) in [
        (config.clone(), "check `client.auth`"),
        (change("/resources/0/endpoint", "auth", json!({"token": "of-the-endpoint"})), "check `endpoint.auth`"),
        (in_headers, "check `client.headers`"),
        (in_params, "check `endpoint.params`"),
    ] {
        fs::write(folder.path().join("c.json"), config.to_string()).unwrap();
        let output = restlake(folder.path(), &["run", "c.json"]).await;
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains(key), "{key}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_client_is_the_users_to_mend() {
    let server = Server::start(|_| Reply::status(401).body(r#"{"error":"invalid_client"}"#)).await;
    let folder = tempfile::tempdir().unwrap();
    let auth = json!({
        "type": "oauth2_client_credentials", "access_token_url": server.url().join("token").unwrap(),
        "client_id": "id", "client_secret": "${SECRET}",
    });
    fs::write(folder.path().join("c.json"), config(&server, &auth)).unwrap();
    let output = restlake(folder.path(), &["run", "c.json", "--output", "json"]).await;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &document["resources"][0]["error"];
    assert_eq!((output.status.code(), &error["code"]), (Some(1), &json!("auth_request")));
    assert!(error["message"].as_str().unwrap().contains("401 Unauthorized: invalid_client"), "{error}");
    assert_eq!(server.targets(), ["/token"]);
}
