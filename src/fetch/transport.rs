//! What the driver of pages needs of a client: the seam at which pagination is tested without HTTP.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{StatusCode, header::HeaderMap};
use url::Url;

use super::{
    body::BodyError,
    error::{FetchError, Trouble},
    error_answer::ExpectedRecords,
    handshake::{self, Handshake},
    request::Request,
};
use crate::{
    environment::Environment,
    error::chain,
    json::Document,
    memory::{Hold, PageLimits},
    plan::{AnswerPlan, ResourcePlan},
    report::{Event, Reporter},
    secret::{Redactor, shortened},
};

/// Sends requests until they are answered.
#[async_trait]
pub(super) trait Transport: Send + Sync {
    async fn fetch(&self, request: Request, scope: &Scope) -> Result<Response, FetchError>;

    /// How many requests may be in flight at this moment, those of all resources together; at least 1.
    fn window(&self) -> usize;

    fn surroundings(&self) -> &Surroundings;

    /// Memory limits of the pages of all resources together.
    fn page_limits(&self) -> Arc<PageLimits> {
        PageLimits::new(u64::MAX)
    }

    /// A link as it may be kept and sent anywhere: without what is a credential by its name or its value.
    fn without_credentials(&self, link: Url, _scope: &Scope) -> Url {
        link
    }

    /// Whether requests to this URL carry credentials.
    fn sees_credentials(&self, _url: &Url) -> bool {
        false
    }

    /// To be told to the user, once, however often it comes up.
    fn notice_once(&self, _notice: String) {}

    /// What the user should know and no request can say; each is given once, to who asks first.
    fn take_notices(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Things that come up between requests, such as a credential that has to be renewed by hand.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    waiting: Vec<String>,
    /// Those that come once.
    once: HashSet<String>,
}

impl Notices {
    pub(super) fn add(&self, notice: impl Into<String>) {
        self.told().waiting.push(notice.into());
    }

    pub(super) fn add_once(&self, notice: String) {
        let mut told = self.told();
        if told.once.insert(notice.clone()) {
            told.waiting.push(notice);
        }
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.told().waiting)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that ended its request.
pub(super) struct Response {
    /// Null where a rule took the answer for no page.
    pub document: Document,
    pub headers: HeaderMap,
    /// Of the decoded body.
    pub bytes: u64,
    pub ruled: Option<Ruled>,
    /// Whether a rule takes it for a page, whatever it holds.
    pub is_accepted: bool,
}

impl Response {
    /// An answer that stands for no records.
    pub(super) fn nothing(headers: HeaderMap, bytes: u64, ruled: Option<Ruled>) -> Self {
        Self { document: Document::null(), headers, bytes, ruled, is_accepted: false }
    }
}

/// What the config's `response_actions` made of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ruled {
    Ignored(StatusCode),
    /// With what the user is told about it.
    Stopped(Option<String>),
}

impl Ruled {
    /// Returns true if the answer may be a page as well.
    pub(super) fn may_have_records(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }
}

/// What a client was given from outside, shared with the drivers that use it.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub redactor: Redactor,
    pub environment: Environment,
    pub reporter: Arc<dyn Reporter>,
}

/// Characters of an answer that an error text shows.
pub(super) const SHOWN: usize = 500;

/// Characters that are looked at for that: a body may be as large as memory.
const REDACTED_CHARS: usize = 8 * SHOWN;

impl Surroundings {
    /// The first bytes of what a server sent: redacted, and without characters that would move a terminal's cursor.
    pub(super) fn excerpt(&self, text: &str) -> String {
        // Where the text is cut before it is redacted, the mark of the cut says that a secret may have lost its end.
        let text = self.redactor.text(&shortened(text, REDACTED_CHARS));
        shortened(&text.trim().replace(char::is_control, " "), SHOWN)
    }

    /// reqwest's errors without the URL that they carry: it has the whole query in it.
    pub(super) fn cause(&self, error: reqwest::Error) -> String {
        self.redactor.text(&chain(&error.without_url()))
    }

    /// Why an answer ended before its end.
    pub(super) fn broken_off(&self, error: BodyError) -> Trouble {
        let cause = match error {
            BodyError::Cut(error) => self.cause(error),
            BodyError::Decoder(error) => format!("its compression is broken: {error}"),
        };
        Trouble::Body { cause }
    }

    /// Why there was no answer.
    pub(super) fn unsent(&self, error: reqwest::Error) -> Trouble {
        let failed = handshake::failed(&error);
        let cause = self.cause(error);
        match failed {
            Some(Handshake::Untrusted) => Trouble::Certificate { cause },
            Some(Handshake::Refused) => Trouble::Refused { cause },
            Some(Handshake::Plain) => Trouble::Plain { cause },
            None => Trouble::Connection { cause },
        }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// Whose request it is.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub resource: Arc<str>,
    pub counters: Arc<Counters>,
    /// How its answers are read.
    pub answers: Arc<AnswerPlan>,
    /// What an answer that is no error holds.
    pub expected: Arc<ExpectedRecords>,
    /// The memory for the answer, where that is counted.
    pub hold: Option<Arc<Hold>>,
}

impl Scope {
    pub(super) fn new(resource: &ResourcePlan) -> Self {
        Self {
            resource: resource.name.as_str().into(),
            counters: Arc::default(),
            answers: Arc::new(resource.answers.clone()),
            expected: Arc::new(ExpectedRecords::new(resource)),
            hold: None,
        }
    }

    /// A request is held back for long before it goes out.
    pub(super) fn tell_wait(&self, surroundings: &Surroundings, delay: Duration, reason: &'static str) {
        tracing::info!(resource = %self.resource, ?delay, reason, "waits");
        surroundings.reporter.on_event(&Event::RequestDelayed { resource: &self.resource, delay, reason });
    }
}

/// Counts what goes over the wire for one resource, pages asked for in vain included.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    bytes_received: AtomicU64,
    has_partial: AtomicBool,
}

impl Counters {
    /// Returns `true` for the first of the resource's answers with errors beside its records.
    pub(super) fn is_first_partial(&self) -> bool {
        !self.has_partial.swap(true, Ordering::Relaxed)
    }

    pub(super) fn add_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_bytes(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Requests, retries, bytes received.
    pub(super) fn read(&self) -> (u64, u64, u64) {
        let [requests, retries, bytes] =
            [&self.requests, &self.retries, &self.bytes_received].map(|counter| counter.load(Ordering::Relaxed));
        (requests, retries, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_that_comes_once_does_not_come_again_when_it_was_taken() {
        let notices = Notices::default();
        for expected in [vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()]] {
            notices.add_once("a".to_owned());
            notices.add_once("a".to_owned());
            notices.add("b");
            assert_eq!(notices.take(), expected);
        }
    }
}
