//! One attempt: a request goes out, redirects are followed, the body is read and scanned.

use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use tokio::time::{Instant, timeout};

use super::{
    client::Client,
    error::{FetchError, Trouble},
    redirect::{self, MAX_REDIRECTS, RedirectError},
    request::Request,
    retry::retry_after,
    transport::{Response, Scope, Transport},
};
use crate::{error::chain, json::Document, plan::Method};

/// Bytes of an answer that an error text shows.
const SHOWN: usize = 500;

/// Bytes of an error's body that are read: enough that no secret is cut in two before it is redacted and shown.
const READ_OF_ERRORS: usize = 8 * SHOWN;

/// How long an error's body is waited for: its status and its headers are there, and say most.
const TIME_FOR_ERRORS: Duration = Duration::from_secs(3);

/// Bytes reserved on a server's word alone.
const MAX_RESERVED: u64 = 16 << 20;

pub(super) struct Exchange<'a> {
    client: &'a Client,
    scope: &'a Scope,
    request: Request,
    hops: u32,
    /// Of `timeout`.
    left: Duration,
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
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Attempt { trouble, retry_after: None }
    }
}

impl<'a> Exchange<'a> {
    pub(super) fn new(client: &'a Client, scope: &'a Scope, request: Request) -> Self {
        Self { client, scope, request, hops: 0, left: client.timeout }
    }

    /// Where the last hop went, redacted.
    pub(super) fn shown_url(&self) -> String {
        self.request
            .shown_url(self.client.credentials(self.scope).key_param.as_deref(), &self.client.surroundings().redactor)
    }

    /// Whether the last hop went to the origin that sees credentials, and there are some.
    pub(super) fn sent_credentials(&self) -> bool {
        self.client.is_own(&self.request) && self.client.has_credentials(self.scope)
    }

    /// Follows redirects to a document. Sending and reading, of all hops together, take `timeout` at most, in real time: a
    /// network does not follow a test's clock. What the limits hold a hop back for is no part of that.
    pub(super) async fn run(&mut self) -> Result<Response, Failed> {
        loop {
            self.client.prepare(&mut self.request, self.scope).await.map_err(Failed::Fatal)?;
            let started = Instant::now();
            let answer = self.in_time(self.send()).await?;
            self.left = self.left.saturating_sub(started.elapsed());
            if !answer.status().is_redirection() {
                return self.read(answer).await;
            }
            self.redirect(answer.status(), answer.headers()).map_err(Trouble::Redirect)?;
            // A hop is a request as well, and takes a token of the bucket.
            self.client.limiter.clear().await;
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        let late = |_| Err(Trouble::Timeout { after: self.client.timeout }.into());
        timeout(self.left, work).await.unwrap_or_else(late)
    }

    async fn send(&self) -> Result<reqwest::Response, Failed> {
        self.scope.counters.add_request();
        let url = self.request.url.clone();
        let method = match self.request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let (body, content_type) = self.request.encoded_body().unzip();
        let mut sending = self.client.http.request(method, url).headers(self.request.sent_headers(content_type));
        if let Some(body) = body {
            sending = sending.body(body);
        }
        let answer = sending.send().await.map_err(|error| self.unsent(error))?;
        tracing::debug!(resource = %self.scope.resource, url = %self.shown_url(), status = %answer.status(), "answered");
        Ok(answer)
    }

    fn unsent(&self, error: reqwest::Error) -> Failed {
        let is_ours = error.is_builder();
        let cause = self.cause(error);
        if is_ours { Failed::Fatal(FetchError::Setup { cause }) } else { Trouble::Connection { cause }.into() }
    }

    fn redirect(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), RedirectError> {
        let to = redirect::target(&self.request.url, status, headers)?;
        self.hops += 1;
        if self.hops > MAX_REDIRECTS {
            return Err(RedirectError::TooMany);
        }
        if redirect::keeps_method(status) {
            self.request.url = to;
        } else {
            self.request.follow(to);
        }
        if !self.client.is_own(&self.request) {
            // It was meant for the API alone, and may hold what only the API is to know.
            if self.request.has_body() {
                return Err(RedirectError::Elsewhere { origin: self.request.url.origin().ascii_serialization() });
            }
            // A server may copy our whole query into its `Location`.
            let redactor = &self.client.surroundings().redactor;
            self.request.drop_credentials(self.client.credentials(self.scope).key_param.as_deref(), redactor);
        }
        Ok(())
    }

    async fn read(&self, answer: reqwest::Response) -> Result<Response, Failed> {
        let status = answer.status();
        if !status.is_success() {
            return Err(self.refused(answer).await);
        }
        let headers = answer.headers().clone();
        let body = match status {
            StatusCode::NO_CONTENT => b"null".to_vec(),
            _ => self.in_time(self.body(answer)).await?,
        };
        let bytes = body.len() as u64;
        let document = self.scan(body, &headers)?;
        Ok(Response { document, headers, bytes })
    }

    /// The decoded body; no byte more than `max_body` is kept.
    async fn body(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, Failed> {
        let limit = self.client.max_body;
        let mut body = Vec::with_capacity(answer.content_length().unwrap_or(0).min(limit).min(MAX_RESERVED) as usize);
        while let Some(chunk) = answer.chunk().await.map_err(|error| Trouble::Body { cause: self.cause(error) })? {
            self.scope.counters.add_bytes(chunk.len());
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(Trouble::TooLarge { limit }.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn scan(&self, body: Vec<u8>, headers: &HeaderMap) -> Result<Document, Failed> {
        // Taken first: the scan owns the body, and a failed one does not give it back.
        let begin = body.get(..READ_OF_ERRORS.min(body.len())).unwrap_or_default().to_vec();
        Document::parse(body).map_err(|error| {
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no type");
            let is_markup = is_markup(content_type, &begin);
            let (content_type, body) = (self.excerpt(content_type.as_bytes()), self.excerpt(&begin));
            let cause = error.to_string();
            if is_markup {
                Trouble::Markup { content_type, body }.into()
            } else {
                Trouble::NotJson { cause, content_type, body }.into()
            }
        })
    }

    /// An answer that is no success: its status and what it asks for, whatever becomes of its body.
    async fn refused(&self, mut answer: reqwest::Response) -> Failed {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        // What cannot be read of an error's body, or not in time, is not worth an error of its own.
        let reading = async {
            while let (true, Ok(Some(chunk))) = (body.len() < READ_OF_ERRORS, answer.chunk().await) {
                self.scope.counters.add_bytes(chunk.len());
                body.extend_from_slice(&chunk);
            }
        };
        let is_whole = timeout(self.left.min(TIME_FOR_ERRORS), reading).await.is_ok();
        tracing::debug!(resource = %self.scope.resource, %status, bytes = body.len(), is_whole, "refused");
        let trouble = Trouble::Status { status, body: self.excerpt(&body) };
        let now = self.client.surroundings().environment.clock.now();
        Failed::Attempt { trouble, retry_after: retry_after(&headers, now) }
    }

    /// The first bytes of what a server sent: redacted, and without characters that would move a terminal's cursor.
    fn excerpt(&self, bytes: &[u8]) -> String {
        let text = self.client.surroundings().redactor.text(&String::from_utf8_lossy(bytes));
        let text = text.trim().replace(char::is_control, " ");
        let end = text.floor_char_boundary(SHOWN);
        if end == text.len() { text } else { format!("{}…", text.get(..end).unwrap_or_default()) }
    }

    /// reqwest's errors without the URL that they carry: it has the whole query in it.
    fn cause(&self, error: reqwest::Error) -> String {
        self.client.surroundings().redactor.text(&chain(&error.without_url()))
    }
}

/// Whether a body that is not JSON is a document of HTML or XML: a login, a landing page, another address than the API's.
fn is_markup(content_type: &str, begin: &[u8]) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let text = begin.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(begin).trim_ascii_start();
    essence.eq_ignore_ascii_case("text/html") || text.starts_with(b"<")
}
