//! Logins: what is sent, where the token is found, where it goes.

use super::*;

fn plan(server: &Server, token: TokenSource, placement: Placement) -> AuthPlan {
    AuthPlan::Session(SessionPlan {
        method: Method::Post,
        url: server.url().join("login").unwrap(),
        headers: vec![("X-App".to_owned(), secret("restlake"))],
        body: LoginBody::Json(Secret::new(json!({"user": "u", "password": "pass-w0rd"}))),
        token,
        placement,
        expiration: None,
    })
}

/// Logs in by `login`, and gives rows to everybody else by `rows`.
async fn api(login: Reply, rows: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| if request.path == "/login" { login.clone() } else { rows(request) }).await
}

#[tokio::test]
async fn a_token_from_the_body_goes_where_the_config_says() {
    let cases = [
        (Placement::Bearer, "authorization", "Bearer t0ken"),
        (Placement::Header("X-Token".into()), "x-token", "t0ken"),
        (Placement::Cookie("sid".into()), "cookie", "sid=t0ken"),
    ];
    for (placement, header, value) in cases {
        let server = api(Reply::json(r#"{"data":{"token":"t0ken"}}"#), |_| Reply::json(ROWS)).await;
        let auth = plan(&server, TokenSource::Body(plans::selector("data.token")), placement);
        Fixture::new(&server, auth).fetch().await.unwrap();
        let [login, sent] = <[Received; 2]>::try_from(server.requests()).unwrap();
        assert_eq!((login.method.as_str(), login.target().as_str()), ("POST", "/login"));
        assert_eq!(login.body, r#"{"user":"u","password":"pass-w0rd"}"#);
        assert_eq!((login.header("x-app"), login.header("content-type")), (Some("restlake"), Some("application/json")));
        assert_eq!(sent.header(header), Some(value));
        assert_eq!(sent.header("x-app"), None);
    }
}

#[tokio::test]
async fn a_login_by_a_form_that_redirects_leaves_its_cookie() {
    let login = Reply::status(302)
        .header("location", "/home")
        .header("set-cookie", "other=1")
        .header("set-cookie", "sid=c00kie; Path=/; HttpOnly");
    let server = api(login, |_| Reply::json(ROWS)).await;
    let auth = plan(&server, TokenSource::Cookie("sid".into()), Placement::Cookie("sid".into()));
    let AuthPlan::Session(mut session) = auth else { panic!() };
    session.body = LoginBody::Form(vec![("user".into(), secret("u")), ("password".into(), secret("p w"))]);
    Fixture::new(&server, AuthPlan::Session(session)).fetch().await.unwrap();
    assert_eq!(server.targets(), ["/login", "/v1/rows"]);
    let [login, sent] = <[Received; 2]>::try_from(server.requests()).unwrap();
    assert_eq!((login.body.as_ref(), sent.header("cookie")), (&b"user=u&password=p+w"[..], Some("sid=c00kie")));
}

#[tokio::test]
async fn a_token_may_stand_in_a_header() {
    let server = api(Reply::status(204).header("X-Session", "t0ken"), |_| Reply::json(ROWS)).await;
    let auth = plan(&server, TokenSource::Header("x-session".into()), Placement::Header("x-session".into()));
    Fixture::new(&server, auth).fetch().await.unwrap();
    assert_eq!(server.requests()[1].header("x-session"), Some("t0ken"));
}

#[tokio::test]
async fn a_session_that_has_ended_is_begun_again_once() {
    let refused = AtomicUsize::new(0);
    let server = api(Reply::json(r#"{"token":"t0ken"}"#), move |_| {
        if refused.fetch_add(1, Ordering::SeqCst) == 1 { Reply::status(401) } else { Reply::json(ROWS) }
    })
    .await;
    let fixture = Fixture::new(&server, plan(&server, TokenSource::Body(plans::selector("token")), Placement::Bearer));
    fixture.fetch().await.unwrap();
    fixture.fetch().await.unwrap();
    assert_eq!(server.targets(), ["/login", "/v1/rows", "/v1/rows", "/login", "/v1/rows"]);
}

#[tokio::test]
async fn a_login_that_brings_nothing_is_told_without_what_it_brought() {
    let cases = [
        (TokenSource::Body(plans::selector("token")), "`token_path: token` finds nothing; its keys are `error`"),
        (TokenSource::Header("x-session".into()), "has no header `x-session`"),
        (TokenSource::Cookie("sid".into()), "sets no cookie `sid`"),
    ];
    for (source, expected) in cases {
        let server = api(Reply::json(r#"{"error":"hunter2"}"#), |_| Reply::json(ROWS)).await;
        let fixture = Fixture::new(&server, plan(&server, source, Placement::Bearer));
        let error = fixture.error().await;
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!said(&error, &fixture).contains("hunter2"));
    }
}
