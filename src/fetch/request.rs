//! One request as the paginator and the authenticator fill it in.

use std::fmt;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::error::FetchError;
use crate::{
    plan::{BoundBody, BoundRequest, Method},
    secret::{REDACTED, Redactor, is_secret_name, name_of},
};

/// Names of parameters that limit the records of a page, in any case.
const PAGE_LIMITS: [&str; 17] = [
    "limit",
    "per_page",
    "per-page",
    "perpage",
    "page_size",
    "page-size",
    "pagesize",
    "page[size]",
    "page[limit]",
    "pagination[pagesize]",
    "size",
    "count",
    "rows",
    "take",
    "maxresults",
    "max_results",
    "$top",
];

/// Where a request goes, and what it carries. `Debug` leaves query and body out: they may hold a key.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    /// Of this hop; made anew for each one from the client's and from `own_headers`.
    pub headers: HeaderMap,
    /// Of the resource, in place of the client's of the same name.
    pub(super) own_headers: HeaderMap,
    /// Of the client, and not of this resource.
    without_headers: Vec<HeaderName>,
    pub(super) body: BoundBody,
}

impl Request {
    /// The bound request's URL with its parameters behind the URL's own.
    ///
    /// # Errors
    /// [`FetchError::Header`] if a header cannot be sent.
    pub fn new(bound: &BoundRequest) -> Result<Self, FetchError> {
        let mut url = bound.url.clone();
        bound.params.iter().for_each(|(name, value)| append_param(&mut url, name, value));
        let mut own_headers = HeaderMap::new();
        for (name, value) in &bound.headers {
            let (name, value) = header(name, value.expose(), is_secret_name(name))?;
            own_headers.append(name, value);
        }
        let without_headers = bound.without_headers.iter().filter_map(|name| name.parse().ok()).collect();
        let body = bound.body.clone();
        Ok(Self { method: bound.method, url, headers: HeaderMap::new(), own_headers, without_headers, body })
    }

    /// The resource's headers take the place of the client's; those that are credentials by their name, or hold what is not to
    /// be shown, only where they may be seen.
    pub(super) fn add_own_headers(&mut self, with_credentials: bool, redactor: &Redactor) {
        for name in self.own_headers.keys().chain(&self.without_headers) {
            self.headers.remove(name);
        }
        let is_secret = |name: &HeaderName, value: &HeaderValue| {
            is_secret_name(name.as_str()) || value.to_str().is_ok_and(|value| redactor.knows(value))
        };
        let seen = self.own_headers.iter().filter(|(name, value)| with_credentials || !is_secret(name, value));
        for (name, value) in seen {
            self.headers.append(name, value.clone());
        }
    }

    /// Asks for answers of these types, unless the resource has a word of its own on that.
    pub(super) fn accept(&mut self, types: &'static str) {
        self.own_headers.entry(ACCEPT).or_insert(HeaderValue::from_static(types));
    }

    /// The same as a GET of `url`, without a body: what most redirects lead to.
    pub(super) fn follow(&mut self, url: Url) {
        self.url = url;
        self.method = Method::Get;
        self.body = BoundBody::None;
    }

    /// Puts a value into the JSON of the body, at a path of keys; what lies on the way and is no object becomes one.
    pub fn set_in_body(&mut self, path: &[String], value: Value) {
        let mut root = match std::mem::take(&mut self.body) {
            BoundBody::Json(json) => json,
            _ => Value::Null,
        };
        let mut at = &mut root;
        for key in path {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            // An object by now.
            let Value::Object(object) = at else { break };
            at = object.entry(key.clone()).or_insert(Value::Null);
        }
        *at = value;
        self.body = BoundBody::Json(root);
    }

    /// The body's bytes and their type; `None` for a request without a body.
    pub(super) fn encoded_body(&self) -> Option<(Bytes, HeaderValue)> {
        let (bytes, content_type) = match &self.body {
            BoundBody::None => return None,
            BoundBody::Json(json) => (json.to_string(), "application/json"),
            BoundBody::Form(fields) => {
                let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
                (encoded, "application/x-www-form-urlencoded")
            }
            BoundBody::Raw(text) => (text.clone(), "text/plain; charset=utf-8"),
        };
        Some((bytes.into(), HeaderValue::from_static(content_type)))
    }

    /// The number of records of a page that a parameter of the URL or a key of the JSON body asks for.
    pub(super) fn page_limit(&self) -> Option<u64> {
        let is_limit = |name: &str| PAGE_LIMITS.iter().any(|known| name.eq_ignore_ascii_case(known));
        let in_query =
            self.url.query_pairs().find(|(name, _)| is_limit(name)).and_then(|(_, value)| value.parse().ok());
        let in_body = || match &self.body {
            BoundBody::Json(Value::Object(object)) => {
                object.iter().find(|(name, _)| is_limit(name)).and_then(|(_, value)| value.as_u64())
            }
            _ => None,
        };
        in_query.or_else(in_body)
    }

    pub(super) fn has_body(&self) -> bool {
        self.body != BoundBody::None
    }

    /// The headers of this hop with the type of the body, where the config does not name it.
    pub(super) fn sent_headers(&self, content_type: Option<HeaderValue>) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(content_type) = content_type {
            headers.entry(CONTENT_TYPE).or_insert(content_type);
        }
        headers
    }

    /// Sets a query parameter; whatever stood under this name before is gone, all else stays as it was written.
    pub fn set_param(&mut self, name: &str, value: &str) {
        retain_params(&mut self.url, |pair| name_of(pair) != name);
        append_param(&mut self.url, name, value);
    }

    /// Sets a header that is a credential: its value stays out of every debug output.
    pub fn set_secret_header(&mut self, name: &str, value: &str) -> Result<(), FetchError> {
        let (name, value) = header(name, value, true)?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// Drops the parameters of these names, and every one that holds a value which `redactor` knows.
    pub(super) fn drop_credentials(&mut self, names: &[String], redactor: &Redactor) {
        drop_credentials(&mut self.url, names, redactor);
    }

    /// The names of its parameters that are secrets, by what they are called or by their values.
    pub(super) fn secret_params(&self, redactor: &Redactor) -> Vec<String> {
        let pairs = self.url.query().into_iter().flat_map(|query| query.split('&'));
        let named = pairs.map(|pair| (name_of(pair), pair));
        let secret = named.filter(|(name, pair)| is_secret_name(name) || redactor.is_secret_pair(pair));
        secret.map(|(name, _)| name).collect()
    }

    /// Adds what `first` has of parameters that hold a secret and that this one lacks: a link is kept without them, and goes on
    /// with the rights that its list was begun with. To the same origin only.
    pub(super) fn add_secrets_of(&mut self, first: &Self, redactor: &Redactor) {
        if self.url.origin() != first.url.origin() {
            return;
        }
        let pairs = first.url.query().into_iter().flat_map(|query| query.split('&'));
        for pair in pairs.filter(|pair| redactor.is_secret_pair(pair)) {
            let name = name_of(pair);
            if !self.url.query_pairs().any(|(known, _)| known == name) {
                let value = form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
                self.set_param(&name, &value.unwrap_or_default());
            }
        }
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
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, path) = (self.url.origin().ascii_serialization(), self.url.path());
        write!(f, "Request({} {origin}{path})", self.method.word())
    }
}

/// Drops the parameters of these names, and every one that holds a value which `redactor` knows.
pub(super) fn drop_credentials(url: &mut Url, names: &[String], redactor: &Redactor) {
    retain_params(url, |pair| !names.contains(&name_of(pair)) && !redactor.is_secret_pair(pair));
}

/// Appends a query parameter, with `%20` for a space. A form's `+` is a plus to servers that take queries by RFC 3986, such as
/// those of OData.
fn append_param(url: &mut Url, name: &str, value: &str) {
    // A literal plus is `%2B` here: a remaining one means a space.
    let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish().replace('+', "%20");
    let query = match url.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("{query}&{pair}"),
        None => pair,
    };
    url.set_query(Some(&query));
}

fn retain_params(url: &mut Url, keep: impl Fn(&str) -> bool) {
    let Some(query) = url.query() else { return };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && keep(pair)).collect();
    let kept = kept.join("&");
    url.set_query((!kept.is_empty()).then_some(kept.as_str()));
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
        let url = Url::parse(url).unwrap();
        let (headers, without_headers, body) = (Vec::new(), vec!["X-Team".to_owned()], BoundBody::None);
        Request::new(&BoundRequest { method: Method::Get, url, params, headers, without_headers, body }).unwrap()
    }

    #[test]
    fn parameters_follow_those_of_the_path_in_the_order_of_the_config_and_repeat() {
        let request = request("http://a/b?x=1&flag", &[("tag", "a b"), ("tag", "c&d")]);
        assert_eq!(request.url.as_str(), "http://a/b?x=1&flag&tag=a%20b&tag=c%26d");
    }

    #[test]
    fn a_header_of_the_client_that_the_resource_does_without_is_not_sent() {
        let mut request = request("http://a", &[]);
        request.headers.insert("x-team", HeaderValue::from_static("qa"));
        request.headers.insert("x-other", HeaderValue::from_static("1"));
        request.add_own_headers(true, &Redactor::default());
        assert_eq!(request.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other"]);
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
        request.drop_credentials(&["k".to_owned()], &Redactor::new(["sec/ret".to_owned()]));
        assert_eq!(request.url.as_str(), "http://a/?page=2");
        request.drop_credentials(&["page".to_owned()], &Redactor::default());
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
        assert_eq!(format!("{request:?}"), "Request(GET http://a/b)");
    }

    #[test]
    fn a_value_in_the_body_makes_its_way_and_leaves_the_rest() {
        let mut request = request("http://a", &[]);
        let set = |request: &mut Request, path: &[&str], value: Value| {
            request.set_in_body(&path.iter().map(|&key| key.to_owned()).collect::<Vec<_>>(), value);
        };
        set(&mut request, &["page", "after"], 7.into());
        set(&mut request, &["page", "size"], 2.into());
        set(&mut request, &["page", "after"], "x".into());
        let (body, content_type) = request.encoded_body().unwrap();
        assert_eq!(body, r#"{"page":{"after":"x","size":2}}"#);
        assert_eq!(content_type, "application/json");
    }

    #[test]
    fn a_form_is_encoded_and_a_link_is_followed_without_it() {
        let mut request = request("http://a", &[]);
        request.method = Method::Post;
        request.body = BoundBody::Form(vec![("a b".to_owned(), "c&d".to_owned())]);
        assert_eq!(request.encoded_body().unwrap().0, "a+b=c%26d");
        request.follow(Url::parse("http://b").unwrap());
        assert!(request.encoded_body().is_none() && request.method == Method::Get);
    }
}
