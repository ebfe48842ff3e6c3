//! Credentials that are obtained at run time: the exact requests for them, when they are renewed, and where they are seen.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use restlake::{
    ErrorKind,
    environment::Clock,
    error::Failure,
    fetch::{Client, FetchError, PageSource, Pages},
    plan::{
        AuthPlan, ClientAuth, ClientCredentialsPlan, ClientPlan, JwtBearerPlan, LoginBody, Method, PaginatorPlan,
        Placement, RefreshTokenPlan, RequestPlan, ResourcePlan, SessionPlan, SigningAlgorithm, SigningKey, TlsPlan,
        TokenClient, TokenSource,
    },
    secret::{Redactor, Secret},
};
use serde_json::{Value, json};
use url::Url;

use crate::support::{
    environment::{Recorder, TestEnvironment},
    plans,
    server::{Gate, Received, Reply, Server, list_by_offset, numbered_rows},
    tls::TlsServer,
};

const ROWS: &str = r#"{"data":[{"id":1},{"id":2}]}"#;

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn token_client(server: &Server) -> TokenClient {
    TokenClient {
        access_token_url: server.url().join("token").unwrap(),
        client_id: Some("id:1".to_owned()),
        client_secret: Some(secret("client-s3cret")),
        client_auth: ClientAuth::Body,
        scope: None,
        request_data: Vec::new(),
        default_expiration: Duration::from_secs(3600),
    }
}

fn client_credentials(client: TokenClient) -> AuthPlan {
    AuthPlan::ClientCredentials(ClientCredentialsPlan { client, audience: None, access_token: None })
}

/// The answer of a token endpoint: `token-1`, `token-2`, …
fn token(number: usize, lifetime: u64) -> Reply {
    Reply::json(json!({"access_token": format!("token-{number}"), "expires_in": lifetime}).to_string())
}

/// An API that gives tokens at `/token`, numbered, and rows to everybody else by `rows`.
async fn api(lifetime: u64, rows: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Server {
    let tokens = AtomicUsize::new(0);
    Server::start(move |request| match request.path.as_str() {
        "/token" => token(tokens.fetch_add(1, Ordering::SeqCst) + 1, lifetime),
        _ => rows(request),
    })
    .await
}

fn bearer(request: &Received) -> &str {
    request.header("authorization").unwrap_or_default()
}

/// A client whose API is `server`.
struct Fixture {
    client: Arc<Client>,
    resource: ResourcePlan,
    test: TestEnvironment,
    recorder: Arc<Recorder>,
}

impl Fixture {
    fn new(server: &Server, auth: AuthPlan) -> Self {
        Self::with(ClientPlan { auth, ..plans::client(&server.url()) })
    }

    fn with(plan: ClientPlan) -> Self {
        let (test, recorder) = (TestEnvironment::new(), Arc::new(Recorder::default()));
        let client = Client::new(&plan, Redactor::default(), test.environment(), recorder.clone()).unwrap();
        let resource = plans::resource(&plan.base_url, "v1/rows", PaginatorPlan::SinglePage);
        Self { client: Arc::new(client), resource, test, recorder }
    }

    fn pages(&self) -> Pages {
        Pages::new(Arc::clone(&self.client), &self.resource, &plans::bound(&self.resource), 1 << 20).unwrap()
    }

    /// Records of the first page.
    async fn fetch(&self) -> Result<u64, FetchError> {
        self.pages().next().await.unwrap().map(|page| page.count)
    }

    async fn error(&self) -> FetchError {
        self.fetch().await.expect_err("the fetch was to fail")
    }

    fn slept(&self) -> Vec<f64> {
        self.test.clock.slept().iter().map(Duration::as_secs_f64).collect()
    }
}

/// All that is told of an error and of what came before it.
fn said(error: &FetchError, fixture: &Fixture) -> String {
    format!("{error} {error:?} {:?} {:?}", error.hint(), fixture.recorder.events())
}

mod client_credentials {
    use super::*;

    #[tokio::test]
    async fn a_token_is_asked_for_by_a_form_and_sent_as_a_bearer() {
        let server = api(60, |_| Reply::json(ROWS)).await;
        let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
        assert_eq!(fixture.fetch().await.unwrap(), 2);
        assert_eq!(server.targets(), ["/token", "/v1/rows"]);
        let [asked, sent] = <[Received; 2]>::try_from(server.requests()).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&asked.body),
            "grant_type=client_credentials&client_id=id%3A1&client_secret=client-s3cret"
        );
        assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!((asked.method.as_str(), asked.header("authorization")), ("POST", None));
        assert_eq!(bearer(&sent), "Bearer token-1");
    }

    #[tokio::test]
    async fn basic_sends_id_and_secret_encoded_in_a_header_and_not_in_the_form() {
        let server = api(60, |_| Reply::json(ROWS)).await;
        let client = TokenClient { client_auth: ClientAuth::Basic, ..token_client(&server) };
        Fixture::new(&server, client_credentials(client)).fetch().await.unwrap();
        let asked = server.requests().remove(0);
        // base64 of `id%3A1:client-s3cret` (RFC 6749, 2.3.1).
        assert_eq!(asked.header("authorization"), Some("Basic aWQlM0ExOmNsaWVudC1zM2NyZXQ="));
        assert_eq!(String::from_utf8_lossy(&asked.body), "grant_type=client_credentials");
    }

    #[tokio::test]
    async fn scope_audience_and_data_go_along_and_data_outranks_the_rest() {
        let server = api(60, |_| Reply::json(ROWS)).await;
        let request_data = vec![("resource".to_owned(), secret("r")), ("client_id".to_owned(), secret("other"))];
        let client = TokenClient { scope: Some("a b".into()), request_data, ..token_client(&server) };
        let plan = ClientCredentialsPlan { client, audience: Some("api".into()), access_token: None };
        Fixture::new(&server, AuthPlan::ClientCredentials(plan)).fetch().await.unwrap();
        let form = server.requests()[0].form();
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            form,
            [
                ("grant_type", "client_credentials"),
                ("audience", "api"),
                ("client_secret", "client-s3cret"),
                ("scope", "a b"),
                ("resource", "r"),
                ("client_id", "other")
            ]
        );
    }

    #[tokio::test]
    async fn a_token_that_is_there_already_is_used_until_it_is_refused() {
        let server =
            api(60, |request| if bearer(request) == "Bearer old" { Reply::status(401) } else { Reply::json(ROWS) })
                .await;
        let client = token_client(&server);
        let plan = ClientCredentialsPlan { client, audience: None, access_token: Some(secret("old")) };
        assert_eq!(Fixture::new(&server, AuthPlan::ClientCredentials(plan)).fetch().await.unwrap(), 2);
        assert_eq!(server.targets(), ["/v1/rows", "/token", "/v1/rows"]);
    }

    #[tokio::test]
    async fn all_pages_are_asked_for_with_one_token() {
        let rows = list_by_offset(numbered_rows(30), 10, true);
        let server = api(3600, rows).await;
        let mut fixture = Fixture::new(&server, client_credentials(token_client(&server)));
        fixture.resource.paginator = plans::offset_with_total(10);
        let mut pages = fixture.pages();
        while let Some(page) = pages.next().await {
            page.unwrap();
        }
        let tokens = server.targets().iter().filter(|target| *target == "/token").count();
        assert_eq!((tokens, pages.counters().requests), (1, 3));
    }
}

mod renewal {
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
            api(
                3600,
                |request| {
                    if bearer(request) == "Bearer token-1" { Reply::status(401) } else { Reply::json(ROWS) }
                },
            )
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
}

mod token_requests {
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
            (r#"{"access_token":""}"#, "has no `access_token`"),
        ] {
            let server = Server::scripted([Reply::json(answer)]).await;
            let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
            let error = fixture.error().await;
            assert_eq!(error.code(), "auth_no_token");
            assert!(error.to_string().contains(said) && !super::said(&error, &fixture).contains("hunter2"), "{error}");
        }
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
}

mod refresh_token {
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
    async fn without_a_file_a_warning_says_once_that_the_next_run_will_be_refused() {
        let server = rotating().await;
        let fixture = Fixture::new(&server, plan(&server, None));
        let mut warnings = Vec::new();
        for _ in 0..3 {
            let mut pages = fixture.pages();
            pages.next().await.unwrap().unwrap();
            warnings.extend(pages.warnings().to_vec());
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
}

mod jwt_bearer {
    use super::*;

    fn key(name: &str) -> Vec<u8> {
        fs::read(format!("{}/tests/support/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    async fn assertion(pem: &str, algorithm: SigningAlgorithm) -> (Received, String) {
        let server = api(60, |_| Reply::json(ROWS)).await;
        let client =
            TokenClient { client_id: None, client_secret: None, scope: Some("read".into()), ..token_client(&server) };
        let plan = JwtBearerPlan {
            client,
            issuer: "me".into(),
            subject: "you".into(),
            audience: "them".into(),
            key: SigningKey::new(pem, algorithm).unwrap(),
            key_id: Some("k1".into()),
            expires_in: Duration::from_secs(300),
        };
        Fixture::new(&server, AuthPlan::JwtBearer(plan)).fetch().await.unwrap();
        assert_eq!(server.targets(), ["/token", "/v1/rows"]);
        assert_eq!(bearer(&server.requests()[1]), "Bearer token-1");
        let asked = server.requests().remove(0);
        let assertion = asked.form().into_iter().find(|(name, _)| name == "assertion").unwrap().1;
        (asked, assertion)
    }

    fn part(assertion: &str, index: usize) -> Value {
        let part = assertion.split('.').nth(index).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn the_assertion_says_who_for_whom_to_whom_and_until_when() {
        let pem = String::from_utf8(key("rsa.key")).unwrap();
        let (asked, assertion) = assertion(&pem, SigningAlgorithm::Rs256).await;
        let form = asked.form();
        assert_eq!(form[0], ("grant_type".into(), "urn:ietf:params:oauth:grant-type:jwt-bearer".into()));
        assert_eq!(form[2], ("scope".into(), "read".into()));
        assert_eq!(part(&assertion, 0), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        // The clock stands at 2026-01-01T00:00:00Z.
        let claims = json!({
            "iss": "me", "sub": "you", "aud": "them", "iat": 1_767_225_600, "exp": 1_767_225_900,
            "jti": "6955b900-8000000000000", "scope": "read",
        });
        assert_eq!(part(&assertion, 1), claims);
    }

    #[tokio::test]
    async fn signatures_hold_against_the_public_key() {
        let cases: [(_, _, &str, &'static dyn VerificationAlgorithm); 2] = [
            ("rsa.key", SigningAlgorithm::Rs256, "rsa.public.der", &RSA_PKCS1_2048_8192_SHA256),
            ("ec.key", SigningAlgorithm::Es256, "ec.public.bin", &ECDSA_P256_SHA256_FIXED),
        ];
        for (private, algorithm, public, verification) in cases {
            let pem = String::from_utf8(key(private)).unwrap();
            let (_, assertion) = assertion(&pem, algorithm).await;
            let (signed, signature) = assertion.rsplit_once('.').unwrap();
            let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
            let public = UnparsedPublicKey::new(verification, key(public));
            assert!(public.verify(signed.as_bytes(), &signature).is_ok(), "{private}");
            assert!(public.verify(b"something else", &signature).is_err(), "{private}");
        }
    }

    #[tokio::test]
    async fn a_shared_secret_signs_as_well() {
        let secret = "a secret of thirty-two bytes or more";
        let (_, assertion) = assertion(secret, SigningAlgorithm::Hs256).await;
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(aws_lc_rs::hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
    }
}

mod session {
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
            assert_eq!(
                (login.header("x-app"), login.header("content-type")),
                (Some("restlake"), Some("application/json"))
            );
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
        let fixture =
            Fixture::new(&server, plan(&server, TokenSource::Body(plans::selector("token")), Placement::Bearer));
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
}

mod origins {
    use super::*;

    #[tokio::test]
    async fn allowed_hosts_see_credentials_behind_redirects_and_at_absolute_addresses() {
        let other = Server::start(|_| Reply::json(ROWS)).await;
        let to = other.url().join("landed").unwrap();
        let server = Server::start(move |_| Reply::status(302).header("location", to.as_str())).await;
        for (allowed, expected) in
            [(vec![other.url().as_str().trim_end_matches('/').parse().unwrap()], Some("Bearer t")), (vec![], None)]
        {
            let auth = AuthPlan::Bearer { token: secret("t") };
            let mut fixture =
                Fixture::with(ClientPlan { auth, allowed_hosts: allowed, ..plans::client(&server.url()) });
            fixture.fetch().await.unwrap();
            fixture.resource.request = RequestPlan::get(other.url(), "rows");
            fixture.fetch().await.unwrap();
            let seen = other.requests();
            let last: Vec<_> = seen[seen.len() - 2..].iter().map(|request| request.header("authorization")).collect();
            assert_eq!(last, [expected, expected]);
        }
    }

    #[tokio::test]
    async fn a_401_from_where_no_credentials_went_renews_none() {
        let other = Server::start(|_| Reply::status(401)).await;
        let server = api(60, |_| Reply::json(ROWS)).await;
        let mut fixture = Fixture::new(&server, client_credentials(token_client(&server)));
        fixture.resource.request = RequestPlan::get(other.url(), "rows");
        let error = fixture.error().await;
        assert!(error.hint().unwrap().starts_with("no credentials were sent here"));
        assert!(server.requests().is_empty() && other.requests().len() == 1);
    }

    #[tokio::test]
    async fn a_resource_may_have_credentials_of_its_own_or_none() {
        let server = Server::start(|_| Reply::json(ROWS)).await;
        let plan = ClientPlan { auth: AuthPlan::Bearer { token: secret("t") }, ..plans::client(&server.url()) };
        let test = TestEnvironment::new();
        let client =
            Client::new(&plan, Redactor::default(), test.environment(), Arc::new(Recorder::default())).unwrap();
        let client = Arc::new(
            client.with_auth("own", &AuthPlan::Bearer { token: secret("u") }).with_auth("none", &AuthPlan::None),
        );
        for name in ["own", "none", "rows"] {
            let mut resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
            resource.name = name.to_owned();
            let mut pages = Pages::new(Arc::clone(&client), &resource, &plans::bound(&resource), 0).unwrap();
            pages.next().await.unwrap().unwrap();
        }
        let sent: Vec<_> = server.requests().iter().map(|request| bearer(request).to_owned()).collect();
        assert_eq!(sent, ["Bearer u", "", "Bearer t"]);
    }
}

mod certificates {
    use super::*;

    fn pem(names: &[&str]) -> Option<Secret<String>> {
        let read = |name: &&str| {
            fs::read_to_string(format!("{}/tests/support/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        Some(Secret::new(names.iter().map(read).collect()))
    }

    async fn fetch(url: &Url, tls: TlsPlan) -> Result<u64, FetchError> {
        let mut plan = ClientPlan { tls, ..plans::client(url) };
        plan.retry.max_attempts = 1;
        Fixture::with(plan).fetch().await
    }

    #[tokio::test]
    async fn a_private_authority_is_trusted_where_the_config_names_it() {
        let server = TlsServer::start(ROWS, false).await;
        let error = fetch(&server.url(), TlsPlan::default()).await.unwrap_err();
        assert_eq!(error.code(), "http_connection");
        let tls = TlsPlan { authorities: pem(&["authority.pem"]), identity: None };
        assert_eq!(fetch(&server.url(), tls).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn our_certificate_is_shown_to_a_server_that_asks_for_it() {
        let server = TlsServer::start(ROWS, true).await;
        let tls = TlsPlan { authorities: pem(&["authority.pem"]), identity: None };
        assert_eq!(fetch(&server.url(), tls.clone()).await.unwrap_err().code(), "http_connection");
        let tls = TlsPlan { identity: pem(&["client.pem", "client.key"]), ..tls };
        assert_eq!(fetch(&server.url(), tls).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn our_certificate_is_not_shown_elsewhere() {
        let elsewhere = TlsServer::start(ROWS, true).await;
        let api = Server::start(|_| Reply::json(ROWS)).await;
        let tls = TlsPlan { authorities: pem(&["authority.pem"]), identity: pem(&["client.pem", "client.key"]) };
        let mut plan = ClientPlan { tls, ..plans::client(&api.url()) };
        plan.retry.max_attempts = 1;
        let mut fixture = Fixture::with(plan.clone());
        fixture.resource.request = RequestPlan::get(elsewhere.url(), "rows");
        assert_eq!(fixture.error().await.code(), "http_connection");
        plan.allowed_hosts = vec![elsewhere.url().as_str().trim_end_matches('/').parse().unwrap()];
        let mut fixture = Fixture::with(plan);
        fixture.resource.request = RequestPlan::get(elsewhere.url(), "rows");
        assert_eq!(fixture.fetch().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_key_that_is_not_the_certificates_is_told_before_the_first_request() {
        let tls = TlsPlan { authorities: None, identity: pem(&["client.pem", "server.key"]) };
        let plan = ClientPlan { tls, ..plans::client(&"https://127.0.0.1:1".parse().unwrap()) };
        let test = TestEnvironment::new();
        let client = Client::new(&plan, Redactor::default(), test.environment(), Arc::new(Recorder::default()));
        let Err(error) = client else { panic!("the client was to be refused") };
        assert_eq!(error.code(), "http_setup");
    }
}
