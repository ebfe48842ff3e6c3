//! One GET request as the paginator and the authenticator fill it in.

use std::fmt;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::error::FetchError;
use crate::{
    plan::RequestPlan,
    secret::{REDACTED, Redactor},
};

/// Where a request goes, and its headers. `Debug` leaves the query out: it may hold a key.
#[derive(Clone)]
pub struct Request {
    pub url: Url,
    pub headers: HeaderMap,
}

impl Request {
    /// The plan's URL with the plan's parameters behind its own.
    pub fn new(plan: &RequestPlan) -> Self {
        let mut url = plan.url.clone();
        if !plan.params.is_empty() {
            url.query_pairs_mut().extend_pairs(&plan.params);
        }
        Self { url, headers: HeaderMap::new() }
    }

    /// Sets a query parameter; whatever stood under this name before is gone, all else stays as it was written.
    pub fn set_param(&mut self, name: &str, value: &str) {
        self.retain_params(|pair| name_of(pair) != name);
        self.url.query_pairs_mut().append_pair(name, value);
    }

    /// Sets a header that is a credential: its value stays out of every debug output.
    pub fn set_secret_header(&mut self, name: &str, value: &str) -> Result<(), FetchError> {
        let (name, value) = header(name, value, true)?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// Drops the parameter of this name, and every one that holds a value which `redactor` knows.
    pub(super) fn drop_credentials(&mut self, name: Option<&str>, redactor: &Redactor) {
        self.retain_params(|pair| Some(name_of(pair).as_str()) != name && redactor.text(pair) == pair);
    }

    /// The URL for people: redacted, and the parameter that is a credential by its name, however short its value is.
    pub(super) fn shown_url(&self, credential: Option<&str>, redactor: &Redactor) -> String {
        let mut url = self.url.clone();
        if let (Some(name), Some(query)) = (credential, self.url.query()) {
            let mask = |pair: &str| if name_of(pair) == name { masked(pair) } else { pair.to_owned() };
            url.set_query(Some(&query.split('&').map(mask).collect::<Vec<_>>().join("&")));
        }
        redactor.url(&url)
    }

    fn retain_params(&mut self, keep: impl Fn(&str) -> bool) {
        let Some(query) = self.url.query() else { return };
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && keep(pair)).collect();
        let kept = kept.join("&");
        self.url.set_query((!kept.is_empty()).then_some(kept.as_str()));
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({}{})", self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// The decoded name of one `name=value` of a query.
fn name_of(pair: &str) -> String {
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// `name=value` without the value.
fn masked(pair: &str) -> String {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    format!("{name}={REDACTED}")
}

/// A header from texts of the config.
pub(super) fn header(name: &str, value: &str, secret: bool) -> Result<(HeaderName, HeaderValue), FetchError> {
    let refused = || FetchError::Header { name: name.to_owned() };
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
    value.set_sensitive(secret);
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, params: &[(&str, &str)]) -> Request {
        let params = params.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Request::new(&RequestPlan { url: Url::parse(url).unwrap(), params })
    }

    #[test]
    fn parameters_follow_those_of_the_path_in_the_order_of_the_config_and_repeat() {
        let request = request("http://a/b?x=1&flag", &[("tag", "a b"), ("tag", "c&d")]);
        assert_eq!(request.url.as_str(), "http://a/b?x=1&flag&tag=a+b&tag=c%26d");
    }

    #[test]
    fn a_parameter_that_is_set_replaces_every_one_of_its_name_however_it_is_encoded() {
        let mut request = request("http://a/b?%6Fffset=1&x=%2F&offset=2", &[]);
        request.set_param("offset", "300");
        assert_eq!(request.url.as_str(), "http://a/b?x=%2F&offset=300");
    }

    #[test]
    fn credentials_are_dropped_by_name_and_by_value_and_the_rest_stays() {
        let mut request = request("http://a/?k=1&next=sec%2Fret&page=2", &[]);
        request.drop_credentials(Some("k"), &Redactor::new(["sec/ret".to_owned()]));
        assert_eq!(request.url.as_str(), "http://a/?page=2");
        request.drop_credentials(Some("page"), &Redactor::default());
        assert_eq!(request.url.as_str(), "http://a/");
    }

    #[test]
    fn a_shown_url_hides_the_credential_by_its_name() {
        let request = request("http://a/?page=2&k=x&q=sec%2Fret", &[]);
        let redactor = Redactor::new(["sec/ret".to_owned()]);
        assert_eq!(request.shown_url(Some("k"), &redactor), "http://a/?page=2&k=***&q=***");
        assert_eq!(request.shown_url(None, &redactor), "http://a/?page=2&k=x&q=***");
    }

    #[test]
    fn a_header_that_http_does_not_allow_is_refused_without_its_value() {
        let error = request("http://a", &[]).set_secret_header("X-Key", "hunter2\n").unwrap_err();
        assert!(error.to_string().contains("X-Key") && !format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn debug_shows_neither_query_nor_header_values() {
        let mut request = request("http://a/b?api_key=hunter2", &[]);
        request.set_secret_header("X-Key", "hunter3").unwrap();
        assert_eq!(format!("{request:?}"), "Request(http://a/b)");
    }
}
