//! Credentials that are obtained at run time: the exact requests for them, when they are renewed, and where they are seen.

mod certificates;
mod client_credentials;
mod jwt_bearer;
mod origins;
mod program;
mod refresh_token;
mod renewal;
mod secrets;
mod session;
mod token_requests;

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
        Action, AuthPlan, ClientAuth, ClientCredentialsPlan, ClientPlan, JsonLinkPlan, JwtBearerPlan, LoginBody,
        Method, PaginatorPlan, Placement, RefreshTokenPlan, RequestPlan, ResourcePlan, ResponseAction, SessionPlan,
        SigningAlgorithm, SigningKey, Template, TlsPlan, TokenClient, TokenSource,
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
