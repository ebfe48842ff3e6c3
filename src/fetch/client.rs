//! The client of one API: what all requests of a run share.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{
    header::{ACCEPT, HeaderMap, HeaderValue},
    redirect::Policy,
};
use url::{Origin, Url};

use super::{
    auth::{Authenticator, Static},
    call::Call,
    error::FetchError,
    limit::Limiter,
    request::{self, Request, header},
    transport::{Response, Scope, Surroundings, Transport},
};
use crate::{
    environment::Environment,
    error::chain,
    json::MAX_BODY,
    plan::{AuthPlan, ClientPlan, RetryPlan},
    report::Reporter,
    secret::{Redactor, Secret, is_secret_name},
};

/// One per run, shared by all resources: its limits hold for all of them together.
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) credentials: Credentials,
    /// Of resources that have some of their own.
    own_credentials: HashMap<String, Credentials>,
    /// The only origin that sees credentials.
    origin: Origin,
    headers: HeaderMap,
    /// Headers that are credentials by their name.
    secret_headers: HeaderMap,
    pub(super) limiter: Limiter,
    pub(super) retry: RetryPlan,
    pub(super) timeout: std::time::Duration,
    /// In bytes, decoded.
    pub(super) max_body: u64,
    surroundings: Surroundings,
}

/// What makes a request ours.
pub(super) struct Credentials {
    pub(super) auth: Box<dyn Authenticator>,
    /// The query parameter that is a credential.
    pub(super) key_param: Option<String>,
    is_some: bool,
}

impl Credentials {
    fn new(plan: &AuthPlan) -> Self {
        let auth = Static::new(plan);
        let key_param = auth.param().map(str::to_owned);
        Self { auth: Box::new(auth), key_param, is_some: !matches!(plan, AuthPlan::None) }
    }
}

impl Client {
    /// Fails if a header cannot be sent, or if TLS cannot be set up.
    pub fn new(
        plan: &ClientPlan,
        redactor: Redactor,
        environment: Environment,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Self, FetchError> {
        let (headers, secret_headers) = split_headers(&plan.headers)?;
        let redactor = redactor.with(derived_secrets(&plan.auth));
        Ok(Self {
            http: http_client(plan)?,
            credentials: Credentials::new(&plan.auth),
            own_credentials: HashMap::new(),
            origin: plan.base_url.origin(),
            headers,
            secret_headers,
            limiter: Limiter::new(plan.max_concurrency, plan.rate_limit, environment.clock.clone()),
            retry: plan.retry,
            timeout: plan.timeout,
            max_body: plan.max_body.min(MAX_BODY as u64),
            surroundings: Surroundings { redactor, environment, reporter },
        })
    }

    /// Requests of `resource` carry credentials of its own in place of the client's.
    #[must_use]
    pub fn with_auth(mut self, resource: &str, plan: &AuthPlan) -> Self {
        self.surroundings.redactor = self.surroundings.redactor.with(derived_secrets(plan));
        self.own_credentials.insert(resource.to_owned(), Credentials::new(plan));
        self
    }

    pub(super) fn credentials(&self, scope: &Scope) -> &Credentials {
        self.own_credentials.get(&*scope.resource).unwrap_or(&self.credentials)
    }

    pub(super) fn has_credentials(&self, scope: &Scope) -> bool {
        self.credentials(scope).is_some || !self.secret_headers.is_empty()
    }

    pub(super) fn is_own(&self, request: &Request) -> bool {
        request.url.origin() == self.origin
    }

    /// The headers of one hop; to the own origin with all credentials, to any other with none.
    pub(super) async fn prepare(&self, request: &mut Request, scope: &Scope) -> Result<(), FetchError> {
        request.headers = self.headers.clone();
        let is_own = self.is_own(request);
        if is_own {
            request.headers.extend(self.secret_headers.clone());
        }
        request.add_own_headers(is_own);
        if is_own {
            self.credentials(scope).auth.authenticate(request).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Transport for Client {
    async fn fetch(&self, request: Request, scope: &Scope) -> Result<Response, FetchError> {
        Call::new(self, request, scope).run().await
    }

    fn window(&self) -> usize {
        self.limiter.window()
    }

    fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    fn without_credentials(&self, mut link: Url) -> Url {
        for credentials in self.own_credentials.values().chain([&self.credentials]) {
            request::drop_credentials(&mut link, credentials.key_param.as_deref(), &self.surroundings.redactor);
        }
        link
    }
}

/// reqwest without what it does on its own account: redirects, `Referer`, retries. Timeouts of whole attempts are ours too.
fn http_client(plan: &ClientPlan) -> Result<reqwest::Client, FetchError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("restlake/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(plan.connect_timeout);
    builder.build().map_err(|error| FetchError::Setup { cause: chain(&error) })
}

/// Headers for every host, and headers for the own origin only. A name that stands twice is sent twice.
fn split_headers(headers: &[(String, Secret<String>)]) -> Result<(HeaderMap, HeaderMap), FetchError> {
    let mut open = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    let mut secret = HeaderMap::new();
    if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
        open.clear();
    }
    for (name, value) in headers {
        let is_secret = is_secret_name(name);
        let (parsed, value) = header(name, value.expose(), is_secret)?;
        if is_secret {
            secret.append(parsed, value)
        } else {
            open.append(parsed, value)
        };
    }
    Ok((open, secret))
}

/// Secrets that only come into being on the wire, and that a server may send back in an error text.
fn derived_secrets(auth: &AuthPlan) -> Vec<String> {
    match auth {
        AuthPlan::HttpBasic { username, password } => {
            vec![password.expose().clone(), BASE64_STANDARD.encode(format!("{username}:{}", password.expose()))]
        }
        AuthPlan::Bearer { token } => vec![token.expose().clone()],
        AuthPlan::ApiKey { api_key, .. } => vec![api_key.expose().clone()],
        AuthPlan::None => Vec::new(),
    }
}
