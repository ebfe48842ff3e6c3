//! How requests for tokens are sent: retried as all others are, never redirected, and nothing of them logged but the address.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use tokio::time::timeout;
use url::{Origin, Url};

use super::error::{AuthError, TokenRequestError};
use crate::{
    fetch::{
        body::{Body, without_mark},
        error::Trouble,
        limit::Limiter,
        retry::{Schedule, Verdict, limits, retry_after},
        transport::{Notices, Surroundings},
    },
    plan::{Method, RetryPlan},
    secret::Redactor,
};

/// Keys of an answer that an error text shows.
pub(super) const KEYS_SHOWN: usize = 20;

/// Bytes of an answer that are read: many times what a token takes.
const LARGEST: usize = 1 << 20;

/// What the authenticators of a client share.
#[derive(Clone)]
pub(in crate::fetch) struct Wire {
    pub http: reqwest::Client,
    pub limiter: Arc<Limiter>,
    /// The API's: requests for tokens that go there count against its limits.
    pub origin: Origin,
    pub timeout: Duration,
    pub retry: RetryPlan,
    pub surroundings: Surroundings,
    pub notices: Notices,
}

/// A request for a token.
pub(super) struct Ask {
    /// `an access token`, `a login`.
    pub what: &'static str,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<(Bytes, HeaderValue)>,
    /// Whether a redirect is an answer: it may bear a cookie.
    pub takes_redirect: bool,
}

pub(super) struct Answer {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// A run that waits for a token tells nobody else.
fn tell_wait(wait: Duration, reason: &'static str) {
    tracing::info!(?wait, reason, "a token request waits");
}

/// An attempt that gave no answer.
struct Failed {
    trouble: Trouble,
    retry_after: Option<Duration>,
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, retry_after: None }
    }
}

impl Wire {
    pub(super) fn redactor(&self) -> &Redactor {
        &self.surroundings.redactor
    }

    /// Sends until there is an answer, or none to be had. Ends early when the run is to stop, but not in the middle of an
    /// attempt.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Answer, AuthError> {
        let environment = &self.surroundings.environment;
        let mut schedule = Schedule::new(self.retry);
        let started = environment.clock.elapsed();
        let mut attempts = 0;
        loop {
            self.clear(ask).await?;
            attempts += 1;
            let Failed { trouble, retry_after: asked } = match self.attempt(ask).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let elapsed = environment.clock.elapsed().saturating_sub(started);
            let failed = |gave_up| self.failed(ask, attempts, elapsed, trouble.clone(), gave_up);
            if !trouble.is_passing() {
                return Err(failed(None));
            }
            match schedule.after(attempts, elapsed, asked, environment.random.next()) {
                Verdict::RetryIn(delay) => {
                    tracing::debug!(url = %self.shown(&ask.url), attempts, ?delay, reason = %trouble, "token request retry");
                    self.pause(ask, asked);
                    self.unless_stopped(environment.clock.sleep(delay)).await?;
                }
                Verdict::Exhausted => return Err(failed(None)),
                Verdict::GiveUp(reason) => return Err(failed(Some(reason))),
            }
        }
    }

    fn is_own(&self, ask: &Ask) -> bool {
        ask.url.origin() == self.origin
    }

    /// A token endpoint elsewhere has limits of its own.
    async fn clear(&self, ask: &Ask) -> Result<(), AuthError> {
        match self.is_own(ask) {
            true => self.unless_stopped(self.limiter.clear(&tell_wait)).await,
            false if self.surroundings.environment.shutdown.is_cancelled() => Err(AuthError::Interrupted),
            false => Ok(()),
        }
    }

    fn pause(&self, ask: &Ask, asked: Option<Duration>) {
        if let Some(wait) = asked.filter(|_| self.is_own(ask)) {
            self.limiter.pause(wait);
        }
    }

    async fn unless_stopped(&self, work: impl Future<Output = ()>) -> Result<(), AuthError> {
        tokio::select! {
            biased;
            () = self.surroundings.environment.shutdown.cancelled() => Err(AuthError::Interrupted),
            () = work => Ok(()),
        }
    }

    async fn attempt(&self, ask: &Ask) -> Result<Answer, Failed> {
        let late = |_| Err(Trouble::Timeout { after: self.timeout }.into());
        timeout(self.timeout, self.exchange(ask)).await.unwrap_or_else(late)
    }

    async fn exchange(&self, ask: &Ask) -> Result<Answer, Failed> {
        let method = match ask.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut headers = ask.headers.clone();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let mut sending = self.http.request(method, ask.url.clone());
        if let Some((body, content_type)) = &ask.body {
            headers.entry(CONTENT_TYPE).or_insert(content_type.clone());
            sending = sending.body(body.clone());
        }
        let answer = sending.headers(headers).send().await;
        let answer = answer.map_err(|error| self.surroundings.unsent(error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        tracing::debug!(url = %self.shown(&ask.url), %status, "token request answered");
        let body = self.body(answer).await?;
        if status.is_success() || (ask.takes_redirect && status.is_redirection()) {
            return Ok(Answer { headers, body });
        }
        Err(self.refused(status, &headers, &body))
    }

    async fn body(&self, answer: reqwest::Response) -> Result<Vec<u8>, Failed> {
        let (mut body, mut answer) = (Vec::new(), Body::new(answer));
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.surroundings.broken_off(error))? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Trouble::TooLarge { limit: LARGEST as u64 }.into());
            }
            body.extend_from_slice(&chunk);
        }
        let mark = body.len() - without_mark(&body).len();
        body.drain(..mark);
        Ok(body)
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failed {
        let now = self.surroundings.environment.clock.now();
        let retry_after = retry_after(headers, now);
        let is_limit = limits(status, retry_after.is_some());
        Failed { trouble: Trouble::Status { status, is_limit, body: self.words(body), asks: None }, retry_after }
    }

    /// What a server said to a refusal: the two fields that RFC 6749, section 5.2, has for it, or the first bytes; redacted.
    fn words(&self, body: &[u8]) -> String {
        let said = serde_json::from_slice::<serde_json::Value>(body).ok();
        let field = |name: &str| said.as_ref().and_then(|said| said.get(name)).and_then(|field| field.as_str());
        let text = match (field("error"), field("error_description")) {
            (Some(error), Some(description)) => format!("{error}: {description}"),
            (Some(error), None) => error.to_owned(),
            _ => String::from_utf8_lossy(body).into_owned(),
        };
        self.surroundings.excerpt(&text)
    }

    fn failed(
        &self,
        ask: &Ask,
        attempts: u32,
        elapsed: Duration,
        trouble: Trouble,
        gave_up: Option<String>,
    ) -> AuthError {
        let (method, url) = (ask.method.word(), self.shown(&ask.url));
        AuthError::Request(Box::new(TokenRequestError {
            method,
            url,
            what: ask.what,
            attempts,
            elapsed,
            trouble,
            gave_up,
        }))
    }

    /// A success without the token that was to be in it.
    pub(super) fn no_token(&self, ask: &Ask, problem: impl Into<String>) -> AuthError {
        let (method, url, problem) = (ask.method.word(), self.shown(&ask.url), problem.into());
        AuthError::NoToken { method, url, what: ask.what, problem: self.redactor().text(&problem) }
    }

    fn shown(&self, url: &Url) -> String {
        self.redactor().url(url)
    }
}
