//! One attempt: a request goes out, redirects are followed, the body is read and scanned.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap, LOCATION},
};
use tokio::time::{Instant, timeout};

use super::{
    auth::Generation,
    body::Body,
    client::Client,
    error::{FetchError, Trouble, status::asked},
    error_answer::{self, AnswerVerdict, ErrorAnswer},
    format::{self, Room, Unreadable},
    quota::{self, Quota},
    redirect::{self, MAX_REDIRECTS, RedirectError},
    request::Request,
    retry::{limits, retry_after},
    transport::{Response, Ruled, SHOWN, Scope, Transport},
};
use crate::{
    json::Document,
    memory::Refused,
    plan::{Action, Method},
};

/// Bytes of an error's body that are read: enough that no secret is cut in two before it is redacted and shown.
const READ_OF_ERRORS: usize = 8 * SHOWN;

/// How long an error's body is waited for: its status and its headers are there, and say most.
const TIME_FOR_ERRORS: Duration = Duration::from_secs(3);

/// Bytes reserved on a server's word alone.
const MAX_RESERVED: u64 = 16 << 20;

/// Bytes of a body that are taken from the memory at a time.
const RESERVED_AT_ONCE: u64 = 256 << 10;

pub(super) struct Exchange<'a> {
    client: &'a Client,
    scope: &'a Scope,
    request: Request,
    /// Parameters of the request that only the API is to know, by name.
    secret_params: Vec<String>,
    hops: u32,
    /// Whether refused credentials are renewed, so that no rule has a say in that yet.
    renews: bool,
    /// Of `timeout`.
    left: Duration,
    /// What the last answer of the API's own said of its quotas.
    quotas: Vec<Quota>,
    /// The credentials that the last hop carried.
    signed: Option<Generation>,
}

/// Why an attempt did not give a document.
pub(super) enum Failed {
    Attempt {
        trouble: Trouble,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// No attempt would do better.
    Fatal(FetchError),
    /// The pages before it take the memory: so many bytes have to be free before it is requested again.
    NoRoom { bytes: u64 },
}

/// The result of `response_actions` for an answer that is no fault.
enum Judgement {
    Unruled,
    /// A page, whatever it holds.
    Accepted,
    /// An answer without a page.
    Ruled(Box<Response>),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::ForNow(bytes) => Self::NoRoom { bytes },
            Refused::ForGood { limit } => Trouble::Memory { limit }.into(),
        }
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Attempt { trouble, retry_after: None }
    }
}

impl<'a> Exchange<'a> {
    pub(super) fn new(client: &'a Client, scope: &'a Scope, request: Request) -> Self {
        let mut secret_params = request.secret_params(&client.surroundings().redactor);
        secret_params.extend(client.key_param(scope).map(str::to_owned));
        let left = client.timeout;
        Self { client, scope, request, secret_params, hops: 0, renews: false, left, quotas: Vec::new(), signed: None }
    }

    /// Whether credentials that are refused have not been renewed for this request.
    pub(super) fn renewing(self, may_renew: bool) -> Self {
        Self { renews: may_renew, ..self }
    }

    /// Where the last hop went, redacted.
    pub(super) fn shown_url(&self) -> String {
        self.request.shown_url(self.client.key_param(self.scope), &self.client.surroundings().redactor)
    }

    /// Whether the last hop went to the origin that sees credentials, and there are some.
    pub(super) fn sent_credentials(&self) -> bool {
        self.client.is_own(&self.request) && self.client.credentials(self.scope).is_some()
    }

    /// The credentials that the last hop carried.
    pub(super) fn signed(&self) -> Option<Generation> {
        self.signed
    }

    /// Follows redirects to a document. Sending and reading, of all hops together, take `timeout` at most, in real time: a
    /// network does not follow a test's clock. What the limits hold a hop back for is no part of that.
    pub(super) async fn run(&mut self) -> Result<Response, Failed> {
        loop {
            self.signed = self.client.prepare(&mut self.request, self.scope).await.map_err(Failed::Fatal)?;
            let started = Instant::now();
            let answer = self.in_time(self.left, self.send()).await?;
            self.left = self.left.saturating_sub(started.elapsed());
            self.quotas = self.quotas_of(answer.headers());
            let status = answer.status();
            if !status.is_redirection() || self.scope.answers.names(status.as_u16()) {
                return self.read(answer).await;
            }
            self.redirect(answer.status(), answer.headers()).map_err(Trouble::Redirect)?;
            // A hop is a request as well, and takes a token of the bucket.
            let told = |wait, reason| self.scope.tell_wait(self.client.surroundings(), wait, reason);
            self.client.limiter.clear(&told).await;
        }
    }

    /// Another host's quotas are none of ours. Who says how long to wait in one word means it, whatever else it says.
    fn quotas_of(&self, headers: &HeaderMap) -> Vec<Quota> {
        let is_own = self.client.is_own(&self.request);
        if is_own && self.retry_after(headers).is_none() { quota::read(headers, self.now()) } else { Vec::new() }
    }

    /// What the last answer said of the quotas that are left.
    pub(super) fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    fn now(&self) -> DateTime<Utc> {
        self.client.surroundings().environment.clock.now()
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        retry_after(headers, self.now())
    }

    async fn in_time<T>(&self, left: Duration, work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        let late = |_| Err(Trouble::Timeout { after: self.client.timeout }.into());
        timeout(left, work).await.unwrap_or_else(late)
    }

    async fn send(&self) -> Result<reqwest::Response, Failed> {
        self.scope.counters.add_request();
        let url = self.request.url.clone();
        let method = match self.request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let (body, content_type) = self.request.encoded_body().unzip();
        let mut sending =
            self.client.http(&self.request).request(method, url).headers(self.request.sent_headers(content_type));
        if let Some(body) = body {
            sending = sending.body(body);
        }
        let answer = sending.send().await.map_err(|error| self.unsent(error))?;
        tracing::debug!(resource = %self.scope.resource, url = %self.shown_url(), status = %answer.status(), "answered");
        Ok(answer)
    }

    fn unsent(&self, error: reqwest::Error) -> Failed {
        let surroundings = self.client.surroundings();
        if error.is_builder() {
            return Failed::Fatal(FetchError::Setup { cause: surroundings.cause(error) });
        }
        surroundings.unsent(error).into()
    }

    fn redirect(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), RedirectError> {
        let from = &self.request.url;
        let to = redirect::target(from, status, headers)?;
        let written = headers.get(LOCATION).and_then(|value| from.join(value.to_str().ok()?).ok());
        if let Some(written) = written.filter(|written| written.scheme() != to.scheme()) {
            self.client.notice_once(redirect::told_over_https(&written));
        }
        self.hops += 1;
        if self.hops > MAX_REDIRECTS {
            return Err(RedirectError::TooMany);
        }
        let before = self.request.url.clone();
        if redirect::keeps_method(status) {
            self.request.url = to;
        } else {
            self.request.follow(to);
        }
        if !self.client.is_own(&self.request) {
            // It was meant for the API alone, and may hold what only the API is to know.
            if self.request.has_body() {
                // Nothing went there.
                let to = std::mem::replace(&mut self.request.url, before);
                return Err(RedirectError::Elsewhere { origin: to.origin().ascii_serialization() });
            }
            // A server may copy our whole query into its `Location`.
            let redactor = &self.client.surroundings().redactor;
            self.request.drop_credentials(&self.secret_params, redactor);
        }
        Ok(())
    }

    async fn read(&self, answer: reqwest::Response) -> Result<Response, Failed> {
        let status = answer.status();
        if !status.is_success() {
            return self.refused(answer).await;
        }
        let headers = answer.headers().clone();
        if status == StatusCode::NO_CONTENT {
            return match self.judge(status, &headers, b"")? {
                Judgement::Ruled(nothing) => Ok(*nothing),
                Judgement::Unruled | Judgement::Accepted => Ok(Response::nothing(headers, 0, None)),
            };
        }
        let body = self.body(answer).await?;
        match self.judge(status, &headers, &body)? {
            Judgement::Ruled(stopped) if matches!(stopped.ruled, Some(Ruled::Stopped(_))) => {
                Ok(self.stopped(status, *stopped, body))
            }
            Judgement::Ruled(nothing) => Ok(*nothing),
            Judgement::Accepted => self.accepted(body, headers),
            Judgement::Unruled => {
                let bytes = body.len() as u64;
                let document = self.scan(body, &headers)?;
                self.check_errors(status, &headers, &document)?;
                Ok(Response { document, headers, bytes, ruled: None, is_accepted: false })
            }
        }
    }

    /// A success that ends the page sequence, with its records as far as it has any.
    fn stopped(&self, status: StatusCode, stopped: Response, body: Vec<u8>) -> Response {
        match self.scan(body, &stopped.headers) {
            // A message is no record.
            Ok(document) if self.check_errors(status, &stopped.headers, &document).is_ok() => {
                Response { document, is_accepted: true, ..stopped }
            }
            _ => stopped,
        }
    }

    fn accepted(&self, body: Vec<u8>, headers: HeaderMap) -> Result<Response, Failed> {
        let bytes = body.len() as u64;
        let document = self.scan(body, &headers)?;
        Ok(Response { document, headers, bytes, ruled: None, is_accepted: true })
    }

    /// Fails if a success carries an error, and warns of errors beside records, once per resource.
    fn check_errors(&self, status: StatusCode, headers: &HeaderMap, document: &Document) -> Result<(), Failed> {
        let names = || {
            let segment = self.request.url.path_segments().and_then(|mut segments| segments.next_back());
            [self.scope.resource.to_string(), segment.unwrap_or_default().to_owned()]
        };
        match error_answer::judge(document, &self.scope.expected, names) {
            AnswerVerdict::Records => Ok(()),
            AnswerVerdict::Partial(text) => {
                if self.scope.counters.is_first_partial() {
                    let (resource, text) = (&self.scope.resource, self.excerpt(text.as_bytes()));
                    self.client.notice_once(format!("`{resource}`: an answer has errors beside its records: {text}"));
                }
                Ok(())
            }
            AnswerVerdict::Error(error) => Err(self.error_in_success(status, headers, error)),
        }
    }

    fn error_in_success(&self, status: StatusCode, headers: &HeaderMap, error: ErrorAnswer) -> Failed {
        let ErrorAnswer { text, is_throttle, content } = error;
        let retry_after = self.retry_after(headers).or_else(|| self.reset_after(is_throttle));
        // A part that would show a secret is no part to paste.
        // It may also be the part of a secret after a quote or another letter that bodies escape.
        let shown = self.client.surroundings().redactor.text(&text);
        let content = content.filter(|content| self.excerpt(content.as_bytes()) == *content);
        let content = content.filter(|content| shown == text || shown.contains(content.as_str()));
        let body = self.excerpt(text.as_bytes());
        Failed::Attempt { trouble: Trouble::ErrorInSuccess { status, is_throttle, body, content }, retry_after }
    }

    /// Applies `response_actions` to an answer; a fault is an error.
    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Judgement, Failed> {
        if self.is_renewed_after(status) {
            return Ok(Judgement::Unruled);
        }
        let Some(rule) = self.scope.answers.action(status.as_u16(), body) else { return Ok(Judgement::Unruled) };
        let ruled = match rule.action {
            Action::Accept => return Ok(Judgement::Accepted),
            Action::Ignore => Ruled::Ignored(status),
            Action::Stop => Ruled::Stopped(rule.message.clone()),
            action @ (Action::Retry | Action::Fail | Action::RefreshToken) => {
                let (message, body) = (rule.message.clone(), self.excerpt(body));
                let trouble = Trouble::Ruled { status, action, message, body };
                let retry_after =
                    self.retry_after(headers).or_else(|| self.reset_after(self.is_limit(status, headers)));
                return Err(Failed::Attempt { trouble, retry_after });
            }
        };
        let bytes = body.len() as u64;
        tracing::debug!(resource = %self.scope.resource, %status, ?ruled, "no page, by response_actions");
        Ok(Judgement::Ruled(Box::new(Response::nothing(headers.clone(), bytes, Some(ruled)))))
    }

    /// A token that has expired is no answer to the request: rules are for what comes of it with a new one.
    fn is_renewed_after(&self, status: StatusCode) -> bool {
        let is_renewable = || self.client.auth(self.scope).is_some_and(|auth| auth.is_renewable());
        status == StatusCode::UNAUTHORIZED && self.renews && self.signed.is_some() && is_renewable()
    }

    /// The decoded body; no byte more than `max_body` and the memory of the page allow is kept. The time in which it waits for
    /// memory is no part of `timeout`.
    async fn body(&self, answer: reqwest::Response) -> Result<Vec<u8>, Failed> {
        let limit = self.client.max_body;
        let declared = answer.content_length().unwrap_or(0);
        self.reserve(declared.min(limit)).await?;
        let mut body = Vec::with_capacity(declared.min(limit).min(MAX_RESERVED) as usize);
        let (mut answer, mut left) = (Body::new(answer), self.left);
        loop {
            let started = Instant::now();
            let broken_off = |error| Failed::from(self.client.surroundings().broken_off(error));
            let chunk = self.in_time(left, async { answer.chunk().await.map_err(broken_off) }).await?;
            let Some(chunk) = chunk else { return Ok(body) };
            left = left.saturating_sub(started.elapsed());
            self.scope.counters.add_bytes(chunk.len());
            let bytes = (body.len() + chunk.len()) as u64;
            if bytes > limit {
                return Err(Trouble::TooLarge { limit }.into());
            }
            self.reserve(bytes).await?;
            body.extend_from_slice(&chunk);
        }
    }

    /// Takes memory for so many bytes of the body. The page whose turn it is waits for it; any other is put off, so that its
    /// connection is not kept waiting for long.
    async fn reserve(&self, bytes: u64) -> Result<(), Failed> {
        let Some(hold) = self.scope.hold.as_ref().filter(|hold| bytes > hold.bytes()) else { return Ok(()) };
        let rounded = bytes.next_multiple_of(RESERVED_AT_ONCE);
        match hold.grow(if rounded > hold.most() { bytes } else { rounded }) {
            Err(Refused::ForNow(bytes)) if hold.has_turn() => hold.wait(bytes).await,
            outcome => outcome,
        }
        .map_err(Failed::from)
    }

    fn scan(&self, body: Vec<u8>, headers: &HeaderMap) -> Result<Document, Failed> {
        // Taken first: the scan owns the body, and a failed one does not give it back.
        let begin = body.get(..READ_OF_ERRORS.min(body.len())).unwrap_or_default().to_vec();
        let room = Room::new(self.client.max_body, self.scope.hold.as_deref());
        format::read(body, headers, &self.scope.answers, &room).map_err(|unreadable| {
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no type");
            let (content_type, body) = (self.excerpt(content_type.as_bytes()), self.excerpt(&begin));
            match unreadable {
                Unreadable::Empty => Trouble::Empty { content_type },
                Unreadable::Markup => Trouble::Markup { content_type, body },
                Unreadable::Binary(what) => Trouble::Binary { what, content_type },
                Unreadable::Name(cause) => Trouble::Name { cause: self.excerpt(cause.as_bytes()) },
                Unreadable::Ambiguous(cause) => Trouble::Ambiguous { cause, body },
                Unreadable::Cut(cause) => Trouble::Broken { cause, content_type, body },
                Unreadable::Syntax(cause) => Trouble::Format { cause, content_type, body, looks_like: None },
                Unreadable::Other(cause, format) => {
                    Trouble::Format { cause, content_type, body, looks_like: Some(format) }
                }
                Unreadable::TooDeep => Trouble::TooDeep,
                Unreadable::TooLarge => Trouble::TooLarge { limit: self.client.max_body },
                Unreadable::NoRoom(refused) => return refused.into(),
            }
            .into()
        })
    }

    /// An answer that is no success: its status and what it asks for, whatever becomes of its body. A rule may still make a
    /// page without records of it.
    async fn refused(&self, answer: reqwest::Response) -> Result<Response, Failed> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = match self.scope.answers.reads_body_of(status.as_u16()) {
            true => self.body(answer).await?,
            false => self.body_of_error(answer).await,
        };
        match self.judge(status, &headers, &body)? {
            Judgement::Ruled(nothing) => return Ok(*nothing),
            Judgement::Accepted => return self.accepted(body, headers),
            Judgement::Unruled => {}
        }
        let is_limit = self.is_limit(status, &headers);
        let trouble = Trouble::Status { status, is_limit, body: self.excerpt(&body), asks: asked(status, &headers) };
        let retry_after = self.retry_after(&headers).or_else(|| self.reset_after(is_limit));
        Err(Failed::Attempt { trouble, retry_after })
    }

    /// Whether the server refuses for the rate of the requests.
    fn is_limit(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        limits(status, self.retry_after(headers).is_some() || self.quotas.iter().any(Quota::is_used_up))
    }

    /// As much of it as is shown. What cannot be read of it, or not in time, is not worth an error of its own.
    async fn body_of_error(&self, answer: reqwest::Response) -> Vec<u8> {
        let (status, mut body) = (answer.status(), Vec::new());
        let mut answer = Body::new(answer);
        let reading = async {
            while let (true, Ok(Some(chunk))) = (body.len() < READ_OF_ERRORS, answer.chunk().await) {
                self.scope.counters.add_bytes(chunk.len());
                body.extend_from_slice(&chunk);
            }
        };
        let is_whole = timeout(self.left.min(TIME_FOR_ERRORS), reading).await.is_ok();
        tracing::debug!(resource = %self.scope.resource, %status, bytes = body.len(), is_whole, "refused");
        body
    }

    /// A server that refuses for the rate and does not say `Retry-After` may tell when its quota is reset. Not taken at its word
    /// beyond what a request may take: what many a server writes there is no time.
    fn reset_after(&self, is_limit: bool) -> Option<Duration> {
        let reset = quota::reset(&self.quotas).filter(|_| is_limit)?;
        (!reset.is_zero() && reset <= self.client.retry.max_elapsed).then_some(reset)
    }

    fn excerpt(&self, bytes: &[u8]) -> String {
        self.client.surroundings().excerpt(&String::from_utf8_lossy(bytes))
    }
}
