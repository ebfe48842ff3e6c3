//! Where a redirect leads: our own rules, because reqwest's keep custom headers and send a `Referer` with the whole query.

use reqwest::{StatusCode, header::HeaderMap, header::LOCATION};
use url::Url;

/// Hops that one request may take.
pub(super) const MAX_REDIRECTS: u32 = 10;

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    #[error("the server redirected more than {MAX_REDIRECTS} times")]
    TooMany,
    #[error("the server answered {status} without a usable `Location`")]
    NoLocation { status: StatusCode },
    #[error("the server redirected from https to `{scheme}`, which would send the request in the clear")]
    Downgrade { scheme: String },
    #[error("the server redirected a request with a body to another host, {origin}")]
    Elsewhere { origin: String },
}

impl RedirectError {
    pub(super) fn hint(&self) -> String {
        match self {
            Self::TooMany => "often the server wants credentials or a cookie; set `client.base_url` to where it leads",
            Self::NoLocation { .. } => "check `client.base_url` and `endpoint.path`",
            Self::Elsewhere { .. } => "set `client.base_url` to the address that it leads to, if that is the API's too",
            Self::Downgrade { .. } => "set `client.base_url` to the address that answers over https",
        }
        .to_owned()
    }
}

/// Whether the request goes on as what it is; else as a GET, as browsers and Python's requests have it.
pub(super) fn keeps_method(status: StatusCode) -> bool {
    matches!(status.as_u16(), 307 | 308)
}

/// Where an answer with a 3xx status sends a request that went to `from`.
pub(super) fn target(from: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Url, RedirectError> {
    let missing = || RedirectError::NoLocation { status };
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Err(missing());
    }
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let to = from.join(location).map_err(|_| missing())?;
    if let Some(secured) = over_https(from, &to) {
        return Ok(secured);
    }
    match (from.scheme(), to.scheme()) {
        ("http", "http") | (_, "https") => Ok(to),
        ("https", scheme) => Err(RedirectError::Downgrade { scheme: scheme.to_owned() }),
        _ => Err(missing()),
    }
}

/// `to` over https, where what came over https leads to its own host in the clear: an API behind a proxy that ends TLS often
/// does not know better. Nothing goes over the wire in the clear by that, nor to anybody else.
pub(super) fn over_https(from: &Url, to: &Url) -> Option<Url> {
    let is_same_host = from.host() == to.host() && from.port() == to.port();
    let leaves = from.scheme() == "https" && to.scheme() == "http" && is_same_host;
    let mut secured = to.clone();
    (leaves && secured.set_scheme("https").is_ok()).then_some(secured)
}

/// What the user is told of it.
pub(super) fn told_over_https(to: &Url) -> String {
    format!(
        "the API leads from https to `http://{}`, its own host: that is asked over https as well (does it know that it stands \
         behind a proxy?)",
        to.host_str().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, status: u16, location: Option<&str>) -> Result<String, RedirectError> {
        let headers = location.map(|location| (LOCATION, location.parse().unwrap())).into_iter().collect();
        let status = StatusCode::from_u16(status).unwrap();
        target(&Url::parse(from).unwrap(), status, &headers).map(String::from)
    }

    #[test]
    fn relative_and_absolute_locations_are_followed_for_the_five_statuses() {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(follow("http://a/b/c?d=1", status, Some("../e?f=2")).unwrap(), "http://a/e?f=2");
        }
        assert_eq!(follow("http://a/", 302, Some("https://b/")).unwrap(), "https://b/");
    }

    #[test]
    fn https_is_never_left() {
        for to in ["http://b/", "http://a:8080/", "http://a.b/"] {
            let error = follow("https://a/", 302, Some(to)).unwrap_err();
            assert_eq!(error, RedirectError::Downgrade { scheme: "http".into() }, "{to}");
        }
    }

    #[test]
    fn the_own_host_is_asked_over_https_where_it_leads_to_itself_in_the_clear() {
        assert_eq!(follow("https://a/", 302, Some("http://a/x?y=1")).unwrap(), "https://a/x?y=1");
        assert_eq!(follow("https://a:8443/", 302, Some("http://a:8443/x")).unwrap(), "https://a:8443/x");
    }

    #[test]
    fn other_3xx_and_unusable_locations_are_errors() {
        for (status, location) in
            [(304, Some("http://a/")), (302, None), (302, Some("http://")), (302, Some("file:///x"))]
        {
            let refused = matches!(follow("http://a/", status, location), Err(RedirectError::NoLocation { .. }));
            assert!(refused, "{status} {location:?}");
        }
    }
}
