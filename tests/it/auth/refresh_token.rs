//! Refresh tokens that the server replaces: used next, kept in a file, never lost.

use super::*;

fn plan(server: &Server, token_file: Option<std::path::PathBuf>) -> AuthPlan {
    let (client, refresh_token) = (token_client(server), secret("refresh-0"));
    AuthPlan::RefreshToken(RefreshTokenPlan { client, refresh_token, token_file })
}

/// Replaces the refresh token with every answer, and takes each one once.
async fn rotating() -> Server {
    let current = Mutex::new(0);
    Server::start(move |request| {
        if request.path != "/token" {
            return Reply::json(ROWS);
        }
        let mut current = current.lock().unwrap();
        let sent = request.form().into_iter().find(|(name, _)| name == "refresh_token");
        if sent != Some(("refresh_token".to_owned(), format!("refresh-{current}"))) {
            return Reply::status(400).body(r#"{"error":"invalid_grant"}"#);
        }
        *current += 1;
        let answer = json!({
            "access_token": format!("token-{current}"), "expires_in": 100, "refresh_token": format!("refresh-{current}"),
        });
        Reply::json(answer.to_string())
    })
    .await
}

#[tokio::test]
async fn a_replaced_token_is_used_next_and_outlives_the_run_in_its_file() {
    let (server, directory) = (rotating().await, tempfile::tempdir().unwrap());
    let path = directory.path().join("token.json");
    for _ in 0..2 {
        let fixture = Fixture::new(&server, plan(&server, Some(path.clone())));
        for _ in 0..2 {
            fixture.fetch().await.unwrap();
            fixture.test.clock.sleep(Duration::from_secs(100)).await;
        }
        assert!(fixture.recorder.events().iter().all(|event| !event.starts_with("Warning")));
    }
    let asked: Vec<_> = server.requests().into_iter().filter(|request| request.path == "/token").collect();
    let sent: Vec<_> = asked.iter().map(|request| request.form()[1].1.clone()).collect();
    assert_eq!(sent, ["refresh-0", "refresh-1", "refresh-2", "refresh-3"]);
    let kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept["refresh_token"], "refresh-4");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn who_finds_the_file_in_use_waits_for_the_token_that_comes_and_not_for_ever() {
    let server = rotating().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token.json");
    let lock = fs::File::create(directory.path().join("token.json.lock")).unwrap();
    lock.lock().unwrap();
    let fixture = Fixture::new(&server, plan(&server, Some(path)));
    let error = fixture.error().await;
    assert_eq!((error.code(), error.kind()), ("auth_token_file", ErrorKind::Transient));
    assert!(error.to_string().contains("has held the token file"), "{error}");
    assert!(server.requests().is_empty());
    lock.unlock().unwrap();
    assert!(fixture.fetch().await.is_ok());
}

#[tokio::test]
async fn without_a_file_a_warning_says_once_that_the_next_run_will_be_refused() {
    let server = rotating().await;
    let fixture = Fixture::new(&server, plan(&server, None));
    let mut warnings = Vec::new();
    for _ in 0..3 {
        let mut pages = fixture.pages();
        pages.next().await.unwrap().unwrap();
        warnings.extend(pages.findings().warnings.clone());
        fixture.test.clock.sleep(Duration::from_secs(100)).await;
    }
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("`auth.token_file`") && !warnings[0].contains("refresh-"), "{warnings:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_before_the_token_is_spent() {
    let (server, directory) = (rotating().await, tempfile::tempdir().unwrap());
    let fixture = Fixture::new(&server, plan(&server, Some(directory.path().join("nowhere/token.json"))));
    let error = fixture.error().await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::User, "auth_token_file"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_request_does_not_lose_what_it_brings() {
    let (gate, directory) = (Gate::default(), tempfile::tempdir().unwrap());
    let late = gate.clone();
    let answer = json!({"access_token": "token-1", "refresh_token": "refresh-1"}).to_string();
    let server = Server::start(move |_| Reply::json(answer.clone()).after(&late)).await;
    let path = directory.path().join("token.json");
    let fixture = Fixture::new(&server, plan(&server, Some(path.clone())));
    let stop = async {
        server.requested(1).await;
        fixture.test.shutdown.cancel();
    };
    let (error, ()) = tokio::join!(fixture.error(), stop);
    assert_eq!(error.code(), "interrupted");
    gate.open();
    fixture.client.settle().await;
    assert!(fs::read_to_string(&path).unwrap().contains("refresh-1"));
}
