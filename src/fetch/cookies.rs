//! Cookies of a run: what the API sets comes back with later requests, as in a session of `requests`.
//!
//! Those of the origins that see credentials only: a cookie is one. Neither stored nor shared between runs.

use reqwest::{
    cookie::{CookieStore, Jar},
    header::HeaderValue,
};
use url::{Origin, Url};

use crate::plan::AllowedHost;

/// A jar that other origins neither fill nor see.
#[derive(Debug)]
pub(super) struct OwnCookies {
    jar: Jar,
    origin: Origin,
    allowed_hosts: Vec<AllowedHost>,
}

impl OwnCookies {
    pub(super) fn new(origin: Origin, allowed_hosts: Vec<AllowedHost>) -> Self {
        Self { jar: Jar::default(), origin, allowed_hosts }
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.origin || self.allowed_hosts.iter().any(|host| host.allows(url))
    }
}

impl CookieStore for OwnCookies {
    fn set_cookies(&self, headers: &mut dyn Iterator<Item = &HeaderValue>, url: &Url) {
        if self.is_own(url) {
            self.jar.set_cookies(headers, url);
        }
    }

    fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        self.jar.cookies(url).filter(|_| self.is_own(url))
    }
}
