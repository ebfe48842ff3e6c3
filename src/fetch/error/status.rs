//! Hints to answers that are no success, by their status and by what was sent.

use reqwest::{
    StatusCode,
    header::{ALLOW, HeaderMap, WWW_AUTHENTICATE},
};
use url::Url;

use super::RequestError;
use crate::fetch::records::quoted;

/// Messages of servers that get plain HTTP on a port of HTTPS.
const PLAIN_TO_TLS: [&str; 2] = ["plain http request was sent to https port", "http request to an https server"];

const BASIC: &str = "`client: {auth: {type: http_basic, username: \"${API_USER}\", password: \"${API_PASSWORD}\"}}`";
const BEARER: &str = "`client: {auth: {type: bearer, token: \"${API_TOKEN}\"}}`";

impl RequestError {
    /// `asks`: see [`Trouble::Status`](super::Trouble::Status).
    pub(super) fn status_hint(&self, status: StatusCode, body: &str, asks: Option<&str>) -> Option<String> {
        let hint = match status.as_u16() {
            401 | 403 if self.credentials().is_none() => return Some(self.no_credentials(asks)),
            401 | 403 if self.credentials.is_some() && !self.credentials_sent => {
                "no credentials were sent here: they go to the origin (scheme, host, port) of `client.base_url` and to \
                 `client.allowed_hosts` only"
            }
            401 => return Some(self.wrong_credentials(asks)),
            403 => "the server knows the credentials and refuses: may they read this resource?",
            404 | 400 | 416 if self.page.is_some_and(|page| page > 1) => {
                "the pages before it came, so the list may end here: let the paginator know the end (`total_path`, \
                 `total_header`, `has_more_path`, `maximum_offset` or `maximum_page`)"
            }
            400 if PLAIN_TO_TLS.iter().any(|words| body.to_ascii_lowercase().contains(words)) => {
                "the server wants TLS on this port: let `client.base_url` begin with `https://`"
            }
            400 | 422 => return Some(self.unaccepted(body)),
            404 => return Some(self.not_found()),
            405 => return Some(other_method(asks)),
            500..=599 => "the server is at fault: try again later",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// The key of the config that has credentials for the request.
    fn credentials(&self) -> Option<&'static str> {
        self.credentials.or_else(|| self.url.contains("=***").then_some("endpoint.params"))
    }

    fn no_credentials(&self, asks: Option<&str>) -> String {
        let lines = match asks.map(str::to_ascii_lowercase).as_deref() {
            Some("basic") => BASIC.to_owned(),
            Some("bearer") => BEARER.to_owned(),
            _ => {
                format!("{BEARER} or `client: {{auth: {{type: api_key, name: X-API-Key, api_key: \"${{API_KEY}}\"}}}}`")
            }
        };
        format!("the config has no credentials: add those of the API, e.g. {lines}")
    }

    fn wrong_credentials(&self, asks: Option<&str>) -> String {
        let key = self.credentials().unwrap_or("client.auth");
        let asks = asks.map(|scheme| format!(" (the server asks for `{scheme}`)")).unwrap_or_default();
        format!("the server does not accept the credentials: check `{key}` and the variables that it reads{asks}")
    }

    /// Hint that names the parts of a refused request that were sent, and no others.
    fn unaccepted(&self, body: &str) -> String {
        let names = self.params();
        let words = body.to_ascii_lowercase();
        let is_missing =
            ["required", "missing", "must be provided", "must be set"].iter().any(|word| words.contains(word));
        let more =
            if is_missing { "; what it names as missing belongs into `endpoint.params`, or into its body" } else { "" };
        let checks = match (names.as_slice(), self.has_body) {
            ([], false) => {
                return format!("the request has no parameters: check `endpoint.path` and `client.headers`{more}");
            }
            ([], true) => "its body (`endpoint.json` or `endpoint.data`)".to_owned(),
            ([_], false) => format!("its parameter {}", quoted(&names)),
            (_, false) => format!("its parameters {}", quoted(&names)),
            (_, true) => format!("its body and its parameters {}", quoted(&names)),
        };
        format!("the server does not accept the request: check {checks}{more}")
    }

    /// Names of the parameters that were sent, credentials aside.
    fn params(&self) -> Vec<String> {
        let Ok(url) = Url::parse(&self.url) else { return Vec::new() };
        let mut names: Vec<String> = Vec::new();
        for (name, value) in url.query_pairs().filter(|(_, value)| !value.contains("***")) {
            if !value.is_empty() && !names.iter().any(|known| *known == name) {
                names.push(name.into_owned());
            }
        }
        names
    }

    /// Names the path with a slash at its end where it has none: frameworks such as Django answer 404 without it. Which of
    /// the two the API knows, only another request would show.
    fn not_found(&self) -> String {
        let check = "check `client.base_url` and `endpoint.path`";
        let url = Url::parse(&self.url).ok();
        let path = url.as_ref().map_or("/", |url| url.path());
        let last = path.rsplit('/').next().unwrap_or_default();
        match last.is_empty() || last.contains('.') {
            true if path.len() > 1 && last.is_empty() => {
                format!("{check}; where paths of the API have no slash at their end, this one has one too many")
            }
            true => check.to_owned(),
            false => format!(
                "{check}; where paths of the API end with a slash, as Django's do, `endpoint.path` needs it too: `{path}/`"
            ),
        }
    }
}

fn other_method(allowed: Option<&str>) -> String {
    match allowed {
        Some(allowed) => format!("the API takes {allowed} here: set `endpoint.method: {allowed}`"),
        None => "the API wants another method here: set `endpoint.method`".to_owned(),
    }
}

/// Schemes of RFC 7617, RFC 6750 and RFC 7616, and methods that a config can have.
const SCHEMES: [&str; 3] = ["Basic", "Bearer", "Digest"];
const METHODS: [&str; 2] = ["GET", "POST"];

/// Returns what the headers of a refusal ask for, if it is one of few words: others would be the server's own.
pub(in crate::fetch) fn asked(status: StatusCode, headers: &HeaderMap) -> Option<&'static str> {
    let (header, words) = match status {
        StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, &SCHEMES[..]),
        StatusCode::METHOD_NOT_ALLOWED => (ALLOW, &METHODS[..]),
        _ => return None,
    };
    let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    let mut asked = values.flat_map(|value| value.split([',', ' '])).map(str::trim);
    asked.find_map(|asked| words.iter().find(|word| word.eq_ignore_ascii_case(asked))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_scheme_or_method_is_what_headers_ask_for() {
        let of = |status: u16, name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            asked(StatusCode::from_u16(status).unwrap(), &headers)
        };
        assert_eq!(of(401, "www-authenticate", "basic realm=\"x\", Bearer"), Some("Basic"));
        assert_eq!(of(401, "www-authenticate", "Own realm=x"), None);
        assert_eq!(of(405, "allow", "PUT, POST"), Some("POST"));
        assert_eq!(of(403, "www-authenticate", "Basic"), None);
    }
}
