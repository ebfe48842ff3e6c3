//! What the driver of pages needs of a client: the seam at which pagination is tested without HTTP.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use url::Url;

use super::{error::FetchError, request::Request};
use crate::{environment::Environment, json::Document, report::Reporter, secret::Redactor};

/// Sends requests until they are answered.
#[async_trait]
pub(super) trait Transport: Send + Sync {
    async fn fetch(&self, request: Request, scope: &Scope) -> Result<Response, FetchError>;

    /// How many requests may be in flight at this moment, those of all resources together; at least 1.
    fn window(&self) -> usize;

    fn surroundings(&self) -> &Surroundings;

    /// A link as it may be kept and sent anywhere: without what is a credential by its name or its value.
    fn without_credentials(&self, link: Url) -> Url {
        link
    }
}

/// A successful answer.
pub(super) struct Response {
    pub document: Document,
    pub headers: HeaderMap,
    /// Of the decoded body.
    pub bytes: u64,
}

/// What a client was given from outside, shared with the drivers that use it.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub redactor: Redactor,
    pub environment: Environment,
    pub reporter: Arc<dyn Reporter>,
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
}

/// Counts what goes over the wire for one resource, pages asked for in vain included.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    bytes_received: AtomicU64,
}

impl Counters {
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
