//! Whom we show ourselves to, and whom we believe: hosts that may see credentials, certificates of our own and of others.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use url::{Host, Url};

use crate::secret::Secret;

/// Certificates in PEM; none of them: what the machine trusts, and no certificate of ours.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TlsPlan {
    /// Authorities that are trusted besides the machine's own.
    pub authorities: Option<Secret<String>>,
    /// Our certificate, those that vouch for it, and its private key. Shown to the hosts that may see credentials.
    pub identity: Option<Secret<String>>,
}

/// Treatment of links to hosts that the config does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignHosts {
    /// Requests go there without credentials, with a warning for each host.
    #[default]
    Warn,
    Refuse,
}

/// A host that may see the credentials, as `allowed_hosts` names it.
///
/// A bare name means `https`: credentials go in the clear only where somebody wrote `http://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    scheme: Scheme,
    host: Pattern,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Host(Host),
    /// Every host below this domain, and not the domain itself.
    Below(String),
}

impl AllowedHost {
    pub fn allows(&self, url: &Url) -> bool {
        let is_host = match (&self.host, url.host()) {
            (Pattern::Host(host), Some(other)) => *host == other.to_owned(),
            (Pattern::Below(domain), Some(Host::Domain(other))) => {
                other.strip_suffix(domain.as_str()).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
            }
            _ => false,
        };
        is_host && url.scheme() == self.scheme.word() && url.port_or_known_default() == Some(self.port)
    }
}

impl Scheme {
    fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The reason is for a message; the text itself is left to who writes it.
impl FromStr for AllowedHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(_) => return Err("an origin is `https://…` or `http://…`"),
            None => (Scheme::Https, text),
        };
        let (is_pattern, name) = match rest.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, rest),
        };
        let url = Url::parse(&format!("{}://{name}", scheme.word())).map_err(|_| "this is no name of a host")?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !rest.contains('/');
        if !is_bare || !url.username().is_empty() || url.password().is_some() || name.contains(['*', '@']) {
            return Err("a host has neither path nor credentials, and `*` stands for its first part only");
        }
        let host = url.host().ok_or("this is no name of a host")?.to_owned();
        let port = url.port_or_known_default().ok_or("this is no name of a host")?;
        let host = if is_pattern { below(host)? } else { Pattern::Host(host) };
        Ok(Self { scheme, host, port })
    }
}

/// `*.com` would be half of the world.
fn below(host: Host) -> Result<Pattern, &'static str> {
    match host {
        Host::Domain(domain) if domain.trim_matches('.').contains('.') => Ok(Pattern::Below(domain)),
        _ => Err("`*.` stands before a domain of two parts or more, such as `*.example.com`"),
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.word())?;
        match &self.host {
            Pattern::Host(host) => write!(f, "{host}")?,
            Pattern::Below(domain) => write!(f, "*.{domain}")?,
        }
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

impl Serialize for AllowedHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, url: &str) -> bool {
        entry.parse::<AllowedHost>().unwrap().allows(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_bare_host_is_https_at_its_own_port_and_nothing_else() {
        assert!(allows("cdn.example.com", "https://CDN.example.com/x"));
        for other in [
            "http://cdn.example.com",
            "https://cdn.example.com:8443",
            "https://example.com",
            "https://a.cdn.example.com",
        ] {
            assert!(!allows("cdn.example.com", other), "{other}");
        }
        assert!(allows("cdn.example.com:8443", "https://cdn.example.com:8443"));
        assert!(allows("[::1]:8443", "https://[::1]:8443/"));
    }

    #[test]
    fn only_an_origin_that_says_http_is_http() {
        assert!(allows("http://127.0.0.1:8080", "http://127.0.0.1:8080/a"));
        assert!(!allows("http://127.0.0.1:8080", "https://127.0.0.1:8080/a"));
        assert!(allows("https://example.com", "https://example.com"));
    }

    #[test]
    fn a_wildcard_is_every_host_below_the_domain_and_not_the_domain() {
        assert!(allows("*.example.com", "https://a.example.com"));
        assert!(allows("*.example.com", "https://a.b.example.com"));
        for other in
            ["https://example.com", "https://evilexample.com", "https://a.example.com.evil.org", "http://a.example.com"]
        {
            assert!(!allows("*.example.com", other), "{other}");
        }
    }

    #[test]
    fn what_is_no_host_or_too_many_hosts_is_refused() {
        for wrong in [
            "",
            "*",
            "*.",
            "*.com",
            "a.*.com",
            "*.*.example.com",
            "example.com/path",
            "user@example.com",
            "ftp://a.b",
            "https://a.b/?q",
            "*.127.0.0.1",
            "a b",
            "https://u:p@a.b",
            "example.com/",
        ] {
            assert!(wrong.parse::<AllowedHost>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_shown_as_an_origin() {
        for (written, shown) in [
            ("Example.com", "https://example.com"),
            ("*.example.com:8443", "https://*.example.com:8443"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
        ] {
            assert_eq!(written.parse::<AllowedHost>().unwrap().to_string(), shown);
        }
    }
}
