//! The client of one API: what all requests of a run share.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use reqwest::{
    Certificate, ClientBuilder, Identity,
    header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue},
    redirect::Policy,
};
use url::{Origin, Url};

use super::{
    auth::{self, Authenticator, Generation, Wire},
    body,
    call::Call,
    cookies::OwnCookies,
    error::FetchError,
    foreign::{self, ForeignHost, ForeignResolver},
    limit::Limiter,
    request::{self, Request, header},
    transport::{Notices, Response, Scope, Surroundings, Transport},
};
use crate::{
    environment::Environment,
    error::chain,
    json::MAX_BODY,
    memory::PageLimits,
    plan::{AllowedHost, AuthPlan, ClientPlan, ForeignHosts, RetryPlan},
    report::Reporter,
    secret::{Redactor, Secret, is_secret_name},
};

/// JSON is preferred. A server that names its JSON otherwise, such as `application/vnd.api+json`, refuses a type alone.
const ACCEPTED: &str = "application/json, */*;q=0.5";

/// One per run, shared by all resources: its limits hold for all of them together.
pub struct Client {
    http: reqwest::Client,
    /// For hosts that may not know who we are: without a certificate of ours.
    http_elsewhere: reqwest::Client,
    pub(super) auth: Option<Arc<dyn Authenticator>>,
    /// Of resources with credentials of their own.
    own_auth: HashMap<String, Option<Arc<dyn Authenticator>>>,
    /// What was made of which plan: equal ones share one, and one token.
    made: Vec<(AuthPlan, Option<Arc<dyn Authenticator>>)>,
    origin: Origin,
    /// Who sees credentials besides `origin`.
    allowed_hosts: Vec<AllowedHost>,
    foreign_hosts: ForeignHosts,
    headers: HeaderMap,
    /// Headers that are credentials by their name, or hold what is not to be shown.
    secret_headers: HeaderMap,
    pub(super) limiter: Arc<Limiter>,
    pub(super) retry: RetryPlan,
    pub(super) timeout: std::time::Duration,
    /// In bytes, decoded.
    pub(super) max_body: u64,
    page_limits: Arc<PageLimits>,
    surroundings: Surroundings,
    notices: Notices,
}

impl Client {
    /// Fails if a header cannot be sent, or if TLS cannot be set up.
    pub fn new(
        plan: &ClientPlan,
        redactor: Redactor,
        environment: Environment,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Self, FetchError> {
        let (headers, secret_headers) = split_headers(&plan.headers, &redactor)?;
        let clock = environment.clock.clone();
        let limiter = Limiter::new(plan.max_concurrency, plan.rate_limit, plan.retry.max_elapsed, clock);
        let mut client = Self {
            http: own_http(plan)?,
            http_elsewhere: foreign_http(plan)?,
            auth: None,
            own_auth: HashMap::new(),
            made: Vec::new(),
            origin: plan.base_url.origin(),
            allowed_hosts: plan.allowed_hosts.clone(),
            foreign_hosts: plan.foreign_hosts,
            headers,
            secret_headers,
            limiter: Arc::new(limiter),
            retry: plan.retry,
            timeout: plan.timeout,
            max_body: plan.max_body.min(MAX_BODY as u64),
            page_limits: PageLimits::new(u64::MAX),
            surroundings: Surroundings { redactor, environment, reporter },
            notices: Notices::default(),
        };
        client.auth = client.authenticator(&plan.auth);
        Ok(client)
    }

    /// A page may take `most` bytes of memory, with the index of its values.
    #[must_use]
    pub fn with_largest_page(self, most: u64) -> Self {
        Self { page_limits: PageLimits::new(most), ..self }
    }

    /// Requests of `resource` carry credentials of its own in place of the client's.
    #[must_use]
    pub fn with_auth(mut self, resource: &str, plan: &AuthPlan) -> Self {
        let auth = self.authenticator(plan);
        self.own_auth.insert(resource.to_owned(), auth);
        self
    }

    fn authenticator(&mut self, plan: &AuthPlan) -> Option<Arc<dyn Authenticator>> {
        if let Some((_, made)) = self.made.iter().find(|(known, _)| known == plan) {
            return made.clone();
        }
        let made = auth::from_plan(plan, &self.wire());
        self.made.push((plan.clone(), made.clone()));
        made
    }

    /// Waits for an exchange of credentials under way whose answer would not come twice. To be called before the runtime ends.
    pub async fn settle(&self) {
        for auth in self.own_auth.values().chain([&self.auth]).flatten() {
            auth.settle().await;
        }
    }

    pub fn environment(&self) -> &Environment {
        &self.surroundings.environment
    }

    /// Of all that has been learnt since.
    pub fn redactor(&self) -> &Redactor {
        &self.surroundings.redactor
    }

    fn wire(&self) -> Wire {
        Wire {
            http: self.http.clone(),
            limiter: Arc::clone(&self.limiter),
            origin: self.origin.clone(),
            timeout: self.timeout,
            retry: self.retry,
            surroundings: self.surroundings.clone(),
            notices: self.notices.clone(),
        }
    }

    /// Who signs the requests of a resource.
    pub(super) fn auth(&self, scope: &Scope) -> Option<&Arc<dyn Authenticator>> {
        self.own_auth.get(&*scope.resource).unwrap_or(&self.auth).as_ref()
    }

    /// The query parameter that is a credential.
    pub(super) fn key_param(&self, scope: &Scope) -> Option<&str> {
        self.auth(scope)?.param()
    }

    /// The key of the config that has credentials for a resource.
    pub(super) fn credentials(&self, scope: &Scope) -> Option<&'static str> {
        match self.own_auth.get(&*scope.resource) {
            Some(Some(_)) => Some("endpoint.auth"),
            None if self.auth.is_some() => Some("client.auth"),
            _ => (!self.secret_headers.is_empty()).then_some("client.headers"),
        }
    }

    /// Whether a request goes where credentials may be seen.
    pub(super) fn is_own(&self, request: &Request) -> bool {
        self.sees_credentials(&request.url)
    }

    /// The connections for a request: a certificate is a credential too.
    pub(super) fn http(&self, request: &Request) -> &reqwest::Client {
        if self.is_own(request) { &self.http } else { &self.http_elsewhere }
    }

    /// Lets a request go to a host that the config does not name, with a warning, or refuses it.
    ///
    /// # Errors
    /// [`FetchError::ForeignHost`].
    fn check_host(&self, url: &Url) -> Result<(), FetchError> {
        if self.sees_credentials(url) {
            return Ok(());
        }
        let origin = url.origin().ascii_serialization();
        let refused = |reason| Err(FetchError::ForeignHost { origin: origin.clone(), reason });
        if foreign::is_link_local(url) {
            return refused(ForeignHost::LinkLocal);
        }
        if self.foreign_hosts == ForeignHosts::Refuse {
            return refused(ForeignHost::Refused);
        }
        self.notice_once(format!(
            "requests go to {origin}, which is not `base_url`, without credentials; `allowed_hosts` names hosts that may have \
             them, and `foreign_hosts: refuse` forbids all others"
        ));
        Ok(())
    }

    /// The headers of one hop; where credentials may be seen with all of them, anywhere else with none. Tells which were put in.
    pub(super) async fn prepare(&self, request: &mut Request, scope: &Scope) -> Result<Option<Generation>, FetchError> {
        self.check_host(&request.url)?;
        request.headers = self.headers.clone();
        let is_own = self.is_own(request);
        if is_own {
            request.headers.extend(self.secret_headers.clone());
        }
        request.add_own_headers(is_own, &self.surroundings.redactor);
        match self.auth(scope).filter(|_| is_own) {
            Some(auth) => auth.authenticate(request).await.map(Some),
            None => Ok(None),
        }
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

    fn page_limits(&self) -> Arc<PageLimits> {
        Arc::clone(&self.page_limits)
    }

    fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    fn without_credentials(&self, mut link: Url, scope: &Scope) -> Url {
        let key: Vec<String> = self.key_param(scope).map(str::to_owned).into_iter().collect();
        request::drop_credentials(&mut link, &key, &self.surroundings.redactor);
        link
    }

    fn sees_credentials(&self, url: &Url) -> bool {
        url.origin() == self.origin || self.allowed_hosts.iter().any(|host| host.allows(url))
    }

    fn notice_once(&self, notice: String) {
        self.notices.add_once(notice);
    }

    fn take_notices(&self) -> Vec<String> {
        self.notices.take()
    }
}

/// reqwest without what it does on its own account: redirects, `Referer`, retries. Timeouts of whole attempts are ours too.
fn http_client(plan: &ClientPlan) -> Result<ClientBuilder, FetchError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("restlake/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .no_gzip()
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(body::ACCEPTED))]))
        .retry(reqwest::retry::never())
        .connect_timeout(plan.connect_timeout);
    if let Some(authorities) = &plan.tls.authorities {
        let authorities = Certificate::from_pem_bundle(authorities.expose().as_bytes()).map_err(setup)?;
        builder = builder.tls_certs_merge(authorities);
    }
    Ok(builder)
}

fn setup(error: reqwest::Error) -> FetchError {
    FetchError::Setup { cause: chain(&error) }
}

/// For hosts that see credentials.
fn own_http(plan: &ClientPlan) -> Result<reqwest::Client, FetchError> {
    let cookies = OwnCookies::new(plan.base_url.origin(), plan.allowed_hosts.clone());
    let mut builder = http_client(plan)?.cookie_provider(Arc::new(cookies));
    if let Some(identity) = &plan.tls.identity {
        builder = builder.identity(Identity::from_pem(identity.expose().as_bytes()).map_err(setup)?);
    }
    builder.build().map_err(setup)
}

fn foreign_http(plan: &ClientPlan) -> Result<reqwest::Client, FetchError> {
    http_client(plan)?.dns_resolver(ForeignResolver::shared()).build().map_err(setup)
}

/// Headers for every host, and headers for the own origin only. A name that stands twice is sent twice.
fn split_headers(
    headers: &[(String, Secret<String>)],
    redactor: &Redactor,
) -> Result<(HeaderMap, HeaderMap), FetchError> {
    let mut open = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(ACCEPTED))]);
    let mut secret = HeaderMap::new();
    if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
        open.clear();
    }
    for (name, value) in headers {
        let is_secret = is_secret_name(name) || redactor.knows(value.expose());
        let (parsed, value) = header(name, value.expose(), is_secret)?;
        if is_secret {
            secret.append(parsed, value)
        } else {
            open.append(parsed, value)
        };
    }
    Ok((open, secret))
}
