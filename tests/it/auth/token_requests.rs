//! What becomes of requests for tokens that fail, and who sees what.

use super::*;

#[tokio::test]
async fn passing_faults_are_retried_as_those_of_the_api_are() {
    let server = Server::scripted([
        Reply::status(503),
        Reply::status(429).header("retry-after", "7"),
        Reply::reset(),
        token(1, 60),
        Reply::json(ROWS),
    ])
    .await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    assert_eq!(fixture.fetch().await.unwrap(), 2);
    assert_eq!(fixture.slept(), [0.75, 7.0, 1.5]);
    assert_eq!(server.targets(), ["/token", "/token", "/token", "/token", "/v1/rows"]);
}

#[tokio::test]
async fn what_does_not_pass_fails_at_once_in_the_servers_words_without_secrets() {
    let refusal = json!({"error": "invalid_client", "error_description": "no client-s3cret here", "x": "hidden"});
    let server = Server::scripted([Reply::json(refusal.to_string()).with_status(400)]).await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    let error = fixture.error().await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::User, "auth_request"));
    let expected = format!(
        "POST {}token for an access token: the server answered 400 Bad Request: invalid_client: no *** here (1 \
         attempt in 0.0 s)",
        server.url()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("does not accept the credentials"));
    assert!(!said(&error, &fixture).contains("s3cret"));
}

#[tokio::test]
async fn who_waited_for_a_token_that_did_not_come_does_not_ask_again() {
    let gate = Gate::default();
    let late = gate.clone();
    let server = Server::start(move |_| Reply::status(400).after(&late)).await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    let open = async {
        server.requested(1).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        gate.open();
    };
    let (a, b, c, ()) = tokio::join!(fixture.error(), fixture.error(), fixture.error(), open);
    assert_eq!([a, b, c].map(|error| error.code()), ["auth_request"; 3]);
    assert_eq!(server.targets(), ["/token"]);
}

#[tokio::test]
async fn a_success_without_a_token_tells_its_keys_and_not_its_values() {
    for (answer, said) in [
        (r#"{"id_token":"hunter2","ok":true}"#, "has no `access_token`; its keys are `id_token`, `ok`"),
        ("<html>hunter2", "is no JSON object"),
        (r#"{"access_token":""}"#, "its `access_token` is empty"),
        (r#"{"access_token":12345,"x":"hunter2"}"#, "its `access_token` is no text"),
    ] {
        let server = Server::scripted([Reply::json(answer)]).await;
        let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
        let error = fixture.error().await;
        assert_eq!(error.code(), "auth_no_token");
        assert!(error.to_string().contains(said) && !super::said(&error, &fixture).contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn of_very_many_keys_some_are_told() {
    let answer: serde_json::Map<_, _> = (0..9999).map(|number| (format!("k{number}"), number.into())).collect();
    let server = Server::scripted([Reply::json(Value::from(answer).to_string())]).await;
    let error = Fixture::new(&server, client_credentials(token_client(&server))).error().await;
    assert!(error.to_string().contains("`k19`") && !error.to_string().contains("`k20`"), "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Server::scripted([token(1, 60)]).await;
    let to = other.url().join("token").unwrap();
    let server = Server::scripted([Reply::status(307).header("location", to.as_str())]).await;
    let error = Fixture::new(&server, client_credentials(token_client(&server))).error().await;
    assert!(error.to_string().contains("the server answered 307"), "{error}");
    assert!(error.hint().unwrap().contains("credentials are not sent on"));
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_token_endpoint_elsewhere_sees_its_own_credentials_only_and_the_api_sees_the_token_only() {
    let login = Server::scripted([token(1, 60)]).await;
    let api = Server::scripted([Reply::json(ROWS)]).await;
    let headers = [("X-Auth-Token", "a"), ("Cookie", "b"), ("X-Team", "qa")];
    let headers = headers.map(|(name, value)| (name.to_owned(), secret(value))).to_vec();
    let auth = client_credentials(token_client(&login));
    let fixture = Fixture::with(ClientPlan { auth, headers, ..plans::client(&api.url()) });
    fixture.fetch().await.unwrap();
    let asked = login.requests().remove(0);
    for name in ["authorization", "cookie", "x-auth-token", "x-team"] {
        assert_eq!(asked.header(name), None, "{name}");
    }
    let sent = api.requests().remove(0);
    assert_eq!((bearer(&sent), sent.query.as_str()), ("Bearer token-1", ""));
}

#[tokio::test]
async fn a_token_that_the_api_repeats_is_told_to_nobody() {
    let server = api(60, |_| Reply::status(403).body("token-1 may not, nor may Bearer token-1")).await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    let error = fixture.error().await;
    assert!(error.to_string().contains("*** may not, nor may Bearer ***"), "{error}");
    assert!(!said(&error, &fixture).contains("token-1"));
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_a_token() {
    let never = Gate::default();
    let late = never.clone();
    let server = Server::start(move |_| token(1, 60).after(&late)).await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    let stop = async {
        server.requested(1).await;
        fixture.test.shutdown.cancel();
    };
    let (error, ()) = tokio::join!(fixture.error(), stop);
    assert_eq!((error.kind(), error.code()), (ErrorKind::Interrupted, "interrupted"));
    fixture.client.settle().await;
}

#[tokio::test]
async fn those_to_the_apis_own_origin_take_tokens_of_its_rate_limit() {
    let server = api(60, |_| Reply::json(ROWS)).await;
    let auth = client_credentials(token_client(&server));
    let rate_limit = Some(restlake::plan::RateLimit { requests: 1, per: Duration::from_secs(10) });
    let fixture = Fixture::with(ClientPlan { auth, rate_limit, ..plans::client(&server.url()) });
    fixture.fetch().await.unwrap();
    assert_eq!(fixture.slept(), [10.0]);
}
