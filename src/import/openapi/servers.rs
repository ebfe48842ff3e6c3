//! Where an API is: of all paths, and of single ones.

use serde_json::Value;

use super::{document::Document, lists::List};
use crate::import::{Note, literal_text, name::variable, secrets::without_user};

/// The addresses of one API.
pub(super) struct Servers<'d> {
    /// What the names of variables begin with.
    api: &'d str,
    base_url: String,
}

impl<'d> Servers<'d> {
    pub(super) fn new(document: &Document, api: &'d str, notes: &mut Vec<Note>) -> Self {
        let root = document.root();
        let servers: Vec<_> = root.get("servers").map(|servers| Server::all(servers).collect()).unwrap_or_default();
        let written = match servers.as_slice() {
            [] => vec![of_host(root)],
            servers => servers.iter().map(Server::known).collect(),
        };
        if let Some(url) = written.iter().flatten().find_map(|url| whole(url)) {
            return Self { api, base_url: plain(&url, notes) };
        }
        let first = || servers.first().map(|server| server.url.to_owned());
        let described = written.into_iter().next().flatten().or_else(first).or_else(|| base_path(root));
        notes.push(unknown(api, described.as_deref()));
        Self { api, base_url: format!("${{{}}}", variable_of(api)) }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The server of a list that has one of its own.
    pub(super) fn own(&self, list: &List<'_>, notes: &mut Vec<Note>) -> Option<String> {
        let place = format!("resources.{}.endpoint.path", list.name);
        let server = Server::all(list.operation.own("servers")?).next()?;
        let written = server.of_environment(self.api, &place, notes);
        let Some(url) = whole(&written) else {
            let message = format!("the description tells the server `{written}` for it: the client's is asked");
            notes.push(Note::new(place, message));
            return None;
        };
        if url.trim_end_matches('/') == self.base_url.trim_end_matches('/') {
            return None;
        }
        let message = "another server than the client's: credentials go there if `client.allowed_hosts` names it";
        notes.push(Note::new(place, message));
        Some(url.trim_end_matches('/').to_owned())
    }
}

/// The variable of the environment that holds the base URL.
fn variable_of(api: &str) -> String {
    format!("{api}_BASE_URL")
}

/// No host is made up: a run that reached it would send credentials there.
fn unknown(api: &str, described: Option<&str>) -> Note {
    let variable = variable_of(api);
    let message = match described {
        None | Some("/") => {
            format!("the description has no server: set {variable} in the environment, e.g. to https://HOST")
        }
        Some(path) if path.starts_with('/') => {
            format!(
                "the description has no host, only `{path}`: set {variable} in the environment, e.g. to https://HOST{path}"
            )
        }
        Some(url) => {
            format!(
                "the description's server is `{url}`: set {variable} in the environment to the whole URL that is yours"
            )
        }
    };
    Note::new("client.base_url", message)
}

/// OpenAPI 3: one server, with the defaults of its variables.
struct Server<'d> {
    url: &'d str,
    variables: Option<&'d Value>,
}

impl<'d> Server<'d> {
    fn all(servers: &'d Value) -> impl Iterator<Item = Self> {
        let known =
            |server: &'d Value| Some(Self { url: server.get("url")?.as_str()?, variables: server.get("variables") });
        servers.as_array().into_iter().flatten().filter_map(known)
    }

    fn default(&self, name: &str) -> Option<String> {
        match self.variables?.get(name)?.get("default")? {
            Value::String(text) => Some(text.clone()),
            number @ (Value::Number(_) | Value::Bool(_)) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The URL if each of its variables has a default. Texts are literal, and what several of them make together does
    /// too.
    fn known(&self) -> Option<String> {
        let text = |piece| match piece {
            Piece::Text(text) => Some(text.to_owned()),
            Piece::Name(name) => self.default(name),
        };
        let url: Option<String> = pieces(self.url).into_iter().map(text).collect();
        url.map(|url| literal_text(&url))
    }

    /// The URL with a variable of the environment for each of its own that has no default.
    fn of_environment(&self, api: &str, place: &str, notes: &mut Vec<Note>) -> String {
        let (mut url, mut text) = (String::new(), String::new());
        for piece in pieces(self.url) {
            let name = match piece {
                Piece::Text(piece) => {
                    text += piece;
                    continue;
                }
                Piece::Name(name) => name,
            };
            if let Some(default) = self.default(name) {
                text += &default;
                continue;
            }
            url += &literal_text(&std::mem::take(&mut text));
            let of_environment = format!("{api}_SERVER_{}", variable(name));
            url += &format!("${{{of_environment}}}");
            let message = format!(
                "the description has no default for `{name}` of the server: write it, or set {of_environment} in the environment"
            );
            notes.push(Note::new(place, message));
        }
        url + &literal_text(&text)
    }
}

enum Piece<'a> {
    Text(&'a str),
    /// Of a variable, in braces.
    Name(&'a str),
}

/// The parts of a server's URL. A brace behind a `$` is a text like others.
fn pieces(url: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (url, 0);
    while let Some(at) = rest.get(from..).and_then(|rest| rest.find('{')).map(|at| at + from) {
        let (before, behind) = rest.split_at(at);
        match behind.get(1..).and_then(|behind| behind.split_once('}')) {
            Some((name, after)) if !before.ends_with('$') => {
                pieces.extend([Piece::Text(before), Piece::Name(name)]);
                (rest, from) = (after, 0);
            }
            _ => from = at + 1,
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Swagger 2.
fn of_host(root: &Value) -> Option<String> {
    let base = base_path(root).unwrap_or_default();
    let host = root.get("host").and_then(Value::as_str)?;
    let schemes = root.get("schemes").and_then(Value::as_array);
    let first = schemes.and_then(|schemes| schemes.first()?.as_str());
    let is_secure = schemes.is_none_or(|schemes| schemes.iter().any(|scheme| scheme == "https"));
    let scheme = if is_secure { "https" } else { first.unwrap_or("https") };
    // Some descriptions contain a whole URL here.
    let host = ["https://", "http://"].iter().find_map(|scheme| host.strip_prefix(scheme)).unwrap_or(host);
    Some(literal_text(&format!("{scheme}://{host}{base}")))
}

fn base_path(root: &Value) -> Option<String> {
    root.get("basePath").and_then(Value::as_str).map(str::to_owned)
}

/// Returns the URL with a scheme, or `None` if it has no valid host. `v2.1/api` and `openapi.json` are relative paths (OpenAPI 3.0,
/// section 4.7.5).
fn whole(url: &str) -> Option<String> {
    let schemes = ["https://", "http://"];
    let scheme = schemes
        .into_iter()
        .find(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let rest = match scheme {
        Some(scheme) => url.get(scheme.len()..)?,
        None => url.strip_prefix("//").unwrap_or(url),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = without_references(authority.rsplit('@').next().unwrap_or_default());
    let is_bare = scheme.is_none() && !url.starts_with("//");
    let fits = is_host(&host) && (!is_bare || authority.starts_with("${") || has_domain(&host));
    fits.then(|| format!("{}{rest}", scheme.unwrap_or("https://")))
}

/// Replaces each `${NAME}` by a letter, so that the rest can be checked.
fn without_references(host: &str) -> String {
    let mut parts = host.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |before, part| match part.split_once('}') {
        Some((_, after)) => before + "x" + after,
        None => before + "${" + part,
    })
}

/// Returns true for a host name or an address, with or without a port. Returns false for placeholders such as
/// `<tenant>.example.com` and `your-domain.example.com`.
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return host.contains(']');
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let is_label = |label: &str| {
        let is_letter = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
        !label.is_empty() && label.chars().all(is_letter) && !label.to_ascii_lowercase().starts_with("your")
    };
    !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) && name.split('.').all(is_label)
}

/// Returns true if a name without a scheme ends with a top-level domain rather than a file extension or a version.
fn has_domain(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    let Some((_, top)) = name.rsplit_once('.') else { return name == "localhost" };
    top.len() >= 2 && top.chars().all(char::is_alphabetic) && !["json", "yaml", "yml"].contains(&top)
}

/// Without what a base URL cannot have.
fn plain(url: &str, notes: &mut Vec<Note>) -> String {
    let mut told = |message: &str| notes.push(Note::new("client.base_url", message));
    let mut plain = without_user(url);
    if plain != url {
        told("the user in the URL was left out: write it as `auth: {type: http_basic, …}`");
    }
    if let Some(at) = plain.find(['?', '#']) {
        told("the query of the URL was left out: write it into `params` of the endpoints");
        plain.truncate(at);
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_is_whole_or_told() {
        for (server, base_url, told) in [
            (
                json!({"url": "http://a.example:{port}/{v}", "variables": {"port": {"default": 8443}, "v": {"default": "v1"}}}),
                "http://a.example:8443/v1",
                0,
            ),
            (
                json!({"url": "https://{tenant}.example.com", "variables": {"tenant": {"description": "yours"}}}),
                "${SHOP_BASE_URL}",
                1,
            ),
            (json!({"url": "//host.example/v1"}), "https://host.example/v1", 0),
            (json!({"url": "host.example/v1"}), "https://host.example/v1", 0),
            (json!({"url": "host.example:8443"}), "https://host.example:8443", 0),
            (json!({"url": "HTTPS://host.example/v1"}), "https://host.example/v1", 0),
            (json!({"url": "http://10.0.0.1:80/v1"}), "http://10.0.0.1:80/v1", 0),
            (json!({"url": "http://localhost:80/v1"}), "http://localhost:80/v1", 0),
            (json!({"url": "openapi.json"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "v2.1/api"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "api/v1"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "x/v1"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": ""}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "wss://host.example"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "https://"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "https://https://host.example"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "https://<tenant>.example.com/api"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "https://your-domain.example.com/api"}), "${SHOP_BASE_URL}", 1),
            (
                json!({"url": "https://{tenant}.example.com", "variables": {"tenant": {"default": ""}}}),
                "${SHOP_BASE_URL}",
                1,
            ),
            (json!({"url": "/v3"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "../v3"}), "${SHOP_BASE_URL}", 1),
            (json!({"url": "https://u:p@a.example/x?key=1"}), "https://a.example/x", 2),
            (json!({"url": "https://a.example/${HOME}"}), "https://a.example/$${HOME}", 0),
            // What defaults make together is no reference either.
            (
                json!({"url": "http://a.example/{x}{HOME}", "variables": {"x": {"default": "$"}, "HOME": {"default": "{HOME}"}}}),
                "http://a.example/$${HOME}",
                0,
            ),
            (
                json!({"url": "http://a.example/{x}{y}", "variables": {"x": {"default": "$"}, "y": {"default": "{file:/etc/passwd}"}}}),
                "http://a.example/$${file:/etc/passwd}",
                0,
            ),
            (json!({"url": "http://a.example/{x}{y}", "variables": {"x": {"default": "a$"}}}), "${SHOP_BASE_URL}", 1),
        ] {
            let document = json!({"openapi": "3.0.0", "paths": {}, "servers": [server]});
            assert_eq!(base_url_of(document), (base_url.to_owned(), told));
        }
    }

    fn base_url_of(document: Value) -> (String, usize) {
        let document = Document::new("f", document).unwrap();
        let mut notes = Vec::new();
        (Servers::new(&document, "SHOP", &mut notes).base_url().to_owned(), notes.len())
    }

    #[test]
    fn the_first_server_that_is_whole_is_taken() {
        let servers = json!([{"url": "/"}, {"url": "wss://a.example"}, {"url": "https://b.example"}, {"url": "https://c.example"}]);
        let document = json!({"openapi": "3.0.0", "paths": {}, "servers": servers});
        assert_eq!(base_url_of(document), ("https://b.example".to_owned(), 0));
    }

    #[test]
    fn a_host_of_swagger_2_is_a_host_or_told() {
        for (host, base_url) in [
            ("a.example", "https://a.example/v1"),
            ("a.example:8443", "https://a.example:8443/v1"),
            ("https://a.example", "https://a.example/v1"),
            ("{tenant}.example.com", "${SHOP_BASE_URL}"),
            ("", "${SHOP_BASE_URL}"),
        ] {
            let document = json!({"swagger": "2.0", "paths": {}, "host": host, "basePath": "/v1"});
            assert_eq!(base_url_of(document).0, base_url, "{host}");
        }
    }
}
