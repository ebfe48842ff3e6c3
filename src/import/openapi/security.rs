//! How an API wants to know who asks: one auth for the client, others where an operation has its own.
//!
//! Names of schemes and keys choose no environment variable: each begins with the API's name and ends with a word of ours, or a
//! description could have any secret of this machine sent to its server.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use url::Url;

use super::{
    document::Document,
    lists::List,
    prefix::{prefix, token_of_http},
};
use crate::import::{Note, literal_text};

/// The schemes of one API, with those that were written down so far.
pub(super) struct Security<'d> {
    document: &'d Document,
    schemes: Option<&'d Map<String, Value>>,
    api: &'d str,
    base_url: &'d str,
    written: Vec<Written<'d>>,
    variables: BTreeSet<String>,
    /// Schemes that belong to others, as far as they were told.
    told: BTreeSet<&'d str>,
}

/// A scheme as an auth, with the variables that it wants.
#[derive(Clone)]
struct Written<'d> {
    scheme: &'d str,
    auth: Value,
    variables: Vec<String>,
    /// Note about the prefix.
    prefix: Option<String>,
}

/// An auth without its credentials.
struct Form {
    auth: Value,
    /// The keys of its credentials, with the last words of their variables.
    keys: Vec<(&'static str, &'static str)>,
    /// The word before the credential in its header.
    prefix: Option<String>,
}

impl Form {
    fn new(auth: Value, keys: &[(&'static str, &'static str)]) -> Self {
        Self { auth, keys: keys.to_vec(), prefix: None }
    }
}

const AUTHORIZATION: &str = "Authorization";

/// Schemes of the header `Authorization` that sign a request, or answer a challenge, in place of sending a key.
const SIGNED: [&str; 11] =
    ["digest", "negotiate", "ntlm", "hoba", "mutual", "vapid", "oauth", "dpop", "hawk", "hmac", "aws4-hmac-sha256"];

/// What an operation wants.
enum Wanted<'d> {
    /// Nothing is said.
    Unsaid,
    /// It is for everybody.
    Nothing,
    /// One scheme, with others that belong to it and cannot be written beside it.
    Scheme(&'d str, Vec<&'d str>),
    Unwritable,
}

impl<'d> Security<'d> {
    pub(super) fn new(document: &'d Document, api: &'d str, base_url: &'d str) -> Self {
        let root = document.root();
        let in_components = root.get("components").and_then(|components| components.get("securitySchemes"));
        let schemes = in_components.or_else(|| root.get("securityDefinitions")).and_then(Value::as_object);
        Self {
            document,
            schemes,
            api,
            base_url,
            written: Vec::new(),
            variables: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    /// The auth that most lists want; the first one that can be written, if nothing is said.
    pub(super) fn of_client(&mut self, lists: &[List<'_>], notes: &mut Vec<Note>) -> Option<Value> {
        let all: Vec<Wanted<'d>> = lists.iter().map(|list| self.wanted(list)).collect();
        if let Some((scheme, dropped)) = most_wanted(&all) {
            return self.use_scheme(scheme, dropped, "client.auth", notes);
        }
        if all.iter().all(|wanted| matches!(wanted, Wanted::Nothing)) {
            return None;
        }
        let is_unsaid = !all.iter().any(|wanted| matches!(wanted, Wanted::Nothing));
        if let Some(scheme) = self.first().filter(|_| is_unsaid) {
            return self.use_scheme(scheme, &[], "client.auth", notes);
        }
        let names = self.schemes?.keys().cloned().collect::<Vec<_>>().join(", ");
        if !names.is_empty() {
            let message = format!("the security schemes {names} are none that could be written down");
            notes.push(Note::new("client.auth", message));
        }
        None
    }

    /// What a list has in place of the client's auth.
    pub(super) fn own(&mut self, list: &List<'_>, client: Option<&Value>, notes: &mut Vec<Note>) -> Option<Value> {
        let place = format!("resources.{}.endpoint.auth", list.name);
        match self.wanted(list) {
            Wanted::Nothing => client.map(|_| Value::Null),
            Wanted::Scheme(scheme, dropped) => {
                let is_clients = self.written.iter().any(|known| known.scheme == scheme && Some(&known.auth) == client);
                if is_clients {
                    self.tell_dropped(&dropped, &place, notes);
                    return None;
                }
                self.use_scheme(scheme, &dropped, &place, notes)
            }
            Wanted::Unwritable if client.is_some() => {
                let message = "what it wants to know of who asks could not be written down: the client's auth is sent";
                notes.push(Note::new(place, message));
                None
            }
            Wanted::Unsaid | Wanted::Unwritable => None,
        }
    }

    /// The operation's own, or that of all.
    fn wanted(&self, list: &List<'_>) -> Wanted<'d> {
        let security = list.operation.details.get("security").or_else(|| self.document.root().get("security"));
        let Some(alternatives) = security.and_then(Value::as_array) else { return Wanted::Unsaid };
        let is_open = |one: &Value| one.as_object().is_some_and(Map::is_empty);
        if alternatives.iter().all(is_open) {
            return Wanted::Nothing;
        }
        let sets: Vec<Vec<&'d str>> = alternatives.iter().map(|one| self.names(one)).collect();
        let mut best: Option<(&'d str, Vec<&'d str>)> = None;
        for set in &sets {
            let Some(scheme) = set.iter().copied().find(|name| self.auth(name).is_some()) else { continue };
            let dropped: Vec<&'d str> = set.iter().copied().filter(|name| *name != scheme).collect();
            if best.as_ref().is_none_or(|(_, known)| dropped.len() < known.len()) {
                best = Some((scheme, dropped));
            }
        }
        match best {
            Some((scheme, dropped)) => Wanted::Scheme(scheme, dropped),
            None if alternatives.iter().any(is_open) => Wanted::Nothing,
            None => Wanted::Unwritable,
        }
    }

    /// The schemes of one alternative, by the names under which they are described.
    fn names(&self, alternative: &Value) -> Vec<&'d str> {
        let named = alternative.as_object().into_iter().flat_map(Map::keys);
        let known = self.schemes.into_iter().flat_map(Map::keys);
        named.filter_map(|name| known.clone().find(|known| *known == name).map(String::as_str)).collect()
    }

    fn first(&self) -> Option<&'d str> {
        self.schemes?.keys().map(String::as_str).find(|scheme| self.auth(scheme).is_some())
    }

    /// The auth of a scheme, told as the one of this place.
    fn use_scheme(
        &mut self,
        scheme: &'d str,
        dropped: &[&'d str],
        place: &str,
        notes: &mut Vec<Note>,
    ) -> Option<Value> {
        let written = match self.written.iter().find(|known| known.scheme == scheme) {
            Some(known) => known.clone(),
            None => self.write(scheme)?,
        };
        let variables = written.variables.join(", ");
        let prefix = written.prefix.map(|prefix| format!("; {prefix}")).unwrap_or_default();
        let message = format!("of the security scheme `{scheme}`: set {variables} in the environment{prefix}");
        notes.push(Note::new(place, message));
        self.tell_dropped(dropped, place, notes);
        Some(written.auth)
    }

    fn tell_dropped(&mut self, dropped: &[&'d str], place: &str, notes: &mut Vec<Note>) {
        for other in dropped {
            if self.told.insert(other) {
                let shown = self.shown(other);
                let message = format!("the API wants the security scheme `{other}` besides: {shown}");
                notes.push(Note::new(place, message));
            }
        }
    }

    /// Two schemes never become one variable.
    fn write(&mut self, scheme: &'d str) -> Option<Written<'d>> {
        let Form { mut auth, keys, prefix } = self.auth(scheme)?;
        let mut variables = Vec::new();
        for (key, word) in keys {
            let base = format!("{}_{word}", self.api);
            let numbered = (2..).map(|number| format!("{base}_{number}"));
            let free = std::iter::once(base.clone()).chain(numbered).find(|name| !self.variables.contains(name))?;
            let before = prefix.as_ref().map(|prefix| format!("{prefix} ")).unwrap_or_default();
            auth[key] = json!(format!("{before}${{{free}}}"));
            self.variables.insert(free.clone());
            variables.push(free);
        }
        let prefix = said_of_prefix(&auth, prefix);
        let written = Written { scheme, auth, variables, prefix };
        self.written.push(written.clone());
        Some(written)
    }

    fn scheme(&self, name: &str) -> Option<&'d Map<String, Value>> {
        self.document.follow(self.schemes?.get(name)?)?.as_object()
    }

    /// Where a credential that has no place in an `auth` is to be written.
    fn shown(&self, scheme: &str) -> String {
        let scheme = self.scheme(scheme);
        let get = |key| scheme.map(|scheme| text(scheme, key)).unwrap_or_default();
        match get("in") {
            "header" => format!("write its header `{}` into `client.headers`", get("name")),
            "query" => format!("write its parameter `{}` into `params` of the endpoints", get("name")),
            _ => "it was left out".to_owned(),
        }
    }

    fn auth(&self, scheme: &str) -> Option<Form> {
        let scheme = self.scheme(scheme)?;
        Some(match (text(scheme, "type"), text(scheme, "scheme").to_ascii_lowercase().as_str()) {
            ("http", "basic") | ("basic", _) => {
                Form::new(json!({"type": "http_basic"}), &[("username", "API_USER"), ("password", "API_PASSWORD")])
            }
            ("http", "bearer") => prefixed(prefix(scheme, AUTHORIZATION).as_deref().unwrap_or("Bearer")),
            ("http", kind) => {
                let is_key = !kind.is_empty() && !SIGNED.contains(&kind) && !kind.starts_with("scram-");
                let own = token_of_http(text(scheme, "scheme")).filter(|_| is_key)?;
                prefixed(&prefix(scheme, AUTHORIZATION).unwrap_or(own))
            }
            ("openIdConnect", _) => prefixed("Bearer"),
            ("apiKey", _) => api_key(scheme)?,
            ("oauth2", _) => {
                let auth = json!({"type": "oauth2_client_credentials", "access_token_url": self.token_url(scheme)?});
                Form::new(auth, &[("client_id", "CLIENT_ID"), ("client_secret", "CLIENT_SECRET")])
            }
            _ => return None,
        })
    }

    /// Whole: relative to the server, as the description has it.
    fn token_url(&self, scheme: &Map<String, Value>) -> Option<String> {
        let flow = scheme.get("flows").and_then(|flows| flows.get("clientCredentials"));
        let of_flow = flow.and_then(|flow| flow.get("tokenUrl"));
        let is_application = text(scheme, "flow") == "application";
        let url = of_flow.or_else(|| scheme.get("tokenUrl").filter(|_| is_application))?.as_str()?;
        if url.starts_with("http://") || url.starts_with("https://") {
            return Some(literal_text(url));
        }
        if self.base_url.starts_with("${") {
            return Some(format!("{}/{}", self.base_url, literal_text(url.trim_start_matches('/'))));
        }
        let base = Url::parse(self.base_url).ok()?;
        Some(literal_text(base.join(url).ok()?.as_str()))
    }
}

/// A key in the header `Authorization`, after this word.
fn prefixed(prefix: &str) -> Form {
    if prefix.eq_ignore_ascii_case("bearer") {
        return Form::new(json!({"type": "bearer"}), &[("token", "API_TOKEN")]);
    }
    let auth = json!({"type": "api_key", "name": AUTHORIZATION, "api_key": null, "location": "header"});
    Form { prefix: Some(prefix.to_owned()), ..Form::new(auth, &[("api_key", "API_KEY")]) }
}

fn api_key(scheme: &Map<String, Value>) -> Option<Form> {
    let (name, location) = (text(scheme, "name"), text(scheme, "in"));
    if name.is_empty() || !["header", "query", "cookie"].contains(&location) {
        return None;
    }
    let prefix = prefix(scheme, name).filter(|_| location == "header");
    if let Some(prefix) = prefix.as_ref().filter(|_| name.eq_ignore_ascii_case(AUTHORIZATION)) {
        return Some(prefixed(prefix));
    }
    let auth = json!({"type": "api_key", "name": literal_text(name), "api_key": null, "location": location});
    Some(Form { prefix, ..Form::new(auth, &[("api_key", "API_KEY")]) })
}

/// The prefix that is sent, or that none is known where most APIs have one.
fn said_of_prefix(auth: &Value, prefix: Option<String>) -> Option<String> {
    if let Some(prefix) = prefix {
        return Some(format!("`{prefix} ` is sent before it"));
    }
    let is_open =
        auth["type"] == "api_key" && auth["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(AUTHORIZATION));
    is_open
        .then(|| "the description names no prefix such as `Token`: write one before it if the API wants it".to_owned())
}

/// The scheme that comes most often, the first one of several, with what belongs to it.
fn most_wanted<'w, 'd>(all: &'w [Wanted<'d>]) -> Option<(&'d str, &'w [&'d str])> {
    let schemes = all.iter().filter_map(|wanted| match wanted {
        Wanted::Scheme(scheme, dropped) => Some((*scheme, dropped.as_slice())),
        _ => None,
    });
    let count = |scheme: &str| schemes.clone().filter(|(other, _)| *other == scheme).count();
    let most = schemes.clone().map(|(scheme, _)| count(scheme)).max()?;
    schemes.clone().find(|(scheme, _)| count(scheme) == most)
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}
