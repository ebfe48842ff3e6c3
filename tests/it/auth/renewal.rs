//! When a token is asked for again, and by how many workers.

use super::*;

#[tokio::test]
async fn a_token_is_renewed_when_a_tenth_of_its_time_is_left() {
    let server = api(100, |_| Reply::json(ROWS)).await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    for wait in [0, 89, 1, 89] {
        fixture.test.clock.sleep(Duration::from_secs(wait)).await;
        fixture.fetch().await.unwrap();
    }
    let requests = server.requests();
    let sent: Vec<_> = requests.iter().filter(|request| request.path != "/token").map(bearer).collect();
    assert_eq!(sent, ["Bearer token-1", "Bearer token-1", "Bearer token-2", "Bearer token-2"]);
}

#[tokio::test]
async fn at_most_a_minute_of_a_long_life_is_left_unused_and_the_default_stands_in_for_none() {
    for (answer, lifetime) in
        [(json!({"expires_in": "7200"}), 7200), (json!({}), 3600), (json!({"expires_in": -1}), 3600)]
    {
        let server = Server::start(move |request| {
            let mut answer = answer.clone();
            answer["access_token"] = "token".into();
            if request.path == "/token" { Reply::json(answer.to_string()) } else { Reply::json(ROWS) }
        })
        .await;
        let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
        fixture.fetch().await.unwrap();
        fixture.test.clock.sleep(Duration::from_secs(lifetime - 61)).await;
        fixture.fetch().await.unwrap();
        assert_eq!(server.targets(), ["/token", "/v1/rows", "/v1/rows"]);
        fixture.test.clock.sleep(Duration::from_secs(1)).await;
        fixture.fetch().await.unwrap();
        assert_eq!(server.targets()[3..], ["/token", "/v1/rows"]);
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let server =
        api(3600, |request| if bearer(request) == "Bearer token-1" { Reply::status(401) } else { Reply::json(ROWS) })
            .await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    assert_eq!(fixture.fetch().await.unwrap(), 2);
    assert_eq!(server.targets(), ["/token", "/v1/rows", "/token", "/v1/rows"]);
    assert!(fixture.slept().is_empty());

    let server = api(3600, |_| Reply::status(401).body("no, not token-2")).await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    let error = fixture.error().await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::User, "http_status"));
    assert_eq!(server.targets(), ["/token", "/v1/rows", "/token", "/v1/rows"]);
    assert!(error.to_string().contains("no, not ***"), "{error}");
}

#[tokio::test]
async fn a_retry_that_waited_longer_than_its_token_lives_takes_a_new_one() {
    let server = api(100, |request| match bearer(request) {
        "Bearer token-1" => Reply::status(429).header("retry-after", "120"),
        _ => Reply::json(ROWS),
    })
    .await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    assert_eq!(fixture.fetch().await.unwrap(), 2);
    assert_eq!(server.targets(), ["/token", "/v1/rows", "/token", "/v1/rows"]);
}

#[tokio::test]
async fn a_rule_renews_the_token_after_any_answer_that_it_names_and_once() {
    let rule = |status: Option<u16>| ResponseAction {
        status,
        content: Some("expired".to_owned()),
        empty: false,
        action: Action::RefreshToken,
        message: None,
    };
    for (status, named) in [(403, Some(403)), (200, None)] {
        let refused = move || Reply::json(r#"{"error": "token expired"}"#).with_status(status);
        let answer = move |request: &Received| match bearer(request) {
            "Bearer token-1" => refused(),
            _ => Reply::json(ROWS),
        };
        let server = api(3600, answer).await;
        let mut fixture = Fixture::new(&server, client_credentials(token_client(&server)));
        fixture.resource.answers.actions = vec![rule(named)];
        assert_eq!(fixture.fetch().await.unwrap(), 2, "{status}");
        assert_eq!(server.targets(), ["/token", "/v1/rows", "/token", "/v1/rows"], "{status}");
        let server = api(3600, move |_| refused()).await;
        let mut fixture = Fixture::new(&server, client_credentials(token_client(&server)));
        fixture.resource.answers.actions = vec![rule(named)];
        let error = fixture.error().await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::User, "response_action"), "{status}");
        assert!(error.hint().unwrap().contains("`client.auth`"), "{status}: {error}");
        assert_eq!(server.targets(), ["/token", "/v1/rows", "/token", "/v1/rows"], "{status}");
    }
}

#[tokio::test]
async fn a_tokens_answer_may_begin_with_a_byte_order_mark() {
    let server = Server::start(|request| match request.path.as_str() {
        "/token" => Reply::json("\u{feff}{\"access_token\": \"t\", \"expires_in\": 60}"),
        _ => Reply::json(ROWS),
    })
    .await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    assert_eq!(fixture.fetch().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_refused_together_renew_the_token_together() {
    let refusals = Gate::default();
    let gate = refusals.clone();
    let server = api(3600, move |request| match bearer(request) {
        "Bearer token-1" => Reply::status(401).after(&gate),
        _ => Reply::json(ROWS),
    })
    .await;
    let fixture = Arc::new(Fixture::new(&server, client_credentials(token_client(&server))));
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.fetch().await.unwrap() })
        })
        .collect();
    // The token, and as many requests as the window lets through at first.
    server.requested(5).await;
    refusals.open();
    for worker in workers {
        assert_eq!(worker.await.unwrap(), 2);
    }
    let targets = server.targets();
    assert_eq!(targets.iter().filter(|target| *target == "/token").count(), 2, "{targets:?}");
}
