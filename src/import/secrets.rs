//! Credentials that stand in a file become references to environment variables.
//!
//! What is a credential, the tables of the config tell ([`Shape::Secret`]); under keys of the user's own, and under unknown
//! ones, the name tells. Two credentials never become one variable, and one of them that stands in two places is one variable.

mod url;
mod variables;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub(super) use self::url::without_user;
use self::variables::Variables;
pub use self::variables::variables;
use super::{Note, below};
use crate::{
    config::fields::{ROOT, Shape, Table},
    secret::is_secret_name,
};

/// Keys below which any key may stand: what is sent, and not read.
pub(super) const FREE: [&str; 5] = ["headers", "params", "json", "data", "options"];

/// Keys below which columns are named, and nothing is sent.
const OF_COLUMNS: [&str; 4] = ["columns", "schema", "nested_hints", "references"];

/// What a token request says besides credentials.
const SAID_OPENLY: [&str; 4] = ["grant_type", "scope", "audience", "resource"];

/// Takes the credentials out of a config, at every depth, and tells which variables are to be set.
pub(super) fn hide(config: &mut Value, notes: &mut Vec<Note>) {
    let mut hider = Hider { known: known_keys(), variables: Variables::of(config), notes };
    hider.user_of_base_url(config);
    hider.walk(config, "", Inside::Config);
    let told = hider.variables.referenced();
    if !told.is_empty() {
        notes.push(Note::new("environment", format!("set {}", told.join(", "))));
    }
}

/// What keys mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// What the tables say.
    Config,
    /// What the user, or the API, means by them.
    Free,
    TokenRequest,
}

struct Hider<'n> {
    /// The keys of a config, and whether a credential stands under them.
    known: BTreeMap<&'static str, bool>,
    variables: Variables,
    notes: &'n mut Vec<Note>,
}

impl Hider<'_> {
    fn walk(&mut self, value: &mut Value, path: &str, inside: Inside) {
        match value {
            Value::Object(entries) => self.entries(entries, path, inside),
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let path = below(path, &index.to_string());
                    match pair(item).filter(|_| inside == Inside::Free) {
                        Some((name, value)) if is_secret_name(&name) => self.all(value, &name, &path),
                        _ => self.walk(item, &path, inside),
                    }
                }
            }
            Value::String(text) => match header(path).filter(|_| variables::is_authorization(text)) {
                Some(name) => self.all(value, name, path),
                None => self.within(text, path),
            },
            _ => {}
        }
    }

    fn entries(&mut self, entries: &mut Map<String, Value>, path: &str, inside: Inside) {
        for (key, value) in entries.iter_mut() {
            let path = below(path, key);
            if self.is_credential(key, inside) && !is_param(value) {
                self.all(value, key, &path);
            } else if inside != Inside::Config || !OF_COLUMNS.contains(&key.as_str()) {
                self.walk(value, &path, inside_of(key, inside));
            }
        }
    }

    fn is_credential(&self, key: &str, inside: Inside) -> bool {
        match inside {
            Inside::Config => self.known.get(key).copied().unwrap_or_else(|| is_secret_name(key)),
            Inside::Free => is_secret_name(key),
            Inside::TokenRequest => !SAID_OPENLY.contains(&key),
        }
    }

    /// Every text and number of a credential.
    fn all(&mut self, value: &mut Value, key: &str, path: &str) {
        match value {
            Value::Object(entries) => entries.values_mut().for_each(|value| self.all(value, key, path)),
            Value::Array(items) => items.iter_mut().for_each(|value| self.all(value, key, path)),
            Value::String(text) => {
                if let Some(reference) = self.reference(text, key, path) {
                    *text = reference;
                }
            }
            Value::Number(number) => {
                if let Some(reference) = self.reference(&number.to_string(), key, path) {
                    *value = Value::String(reference);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// What stands in place of a credential; `None` if nothing has to.
    fn reference(&mut self, text: &str, key: &str, path: &str) -> Option<String> {
        if variables::holds_nothing(text) {
            return None;
        }
        let variable = self.variables.for_value(key, text);
        let message = format!("the credential in the file was not copied: set the environment variable {variable}");
        self.notes.push(Note::new(path, message));
        Some(format!("${{{variable}}}"))
    }

    /// Credentials in URLs and in forms.
    fn within(&mut self, text: &mut String, path: &str) {
        if url::user(text).is_some() {
            *text = without_user(text);
            let message = "the user in the URL was left out: write it as `auth: {type: http_basic, …}`";
            self.notes.push(Note::new(path, message));
        }
        let is_form = path.ends_with(".data");
        *text = url::map_query(text, is_form, |name, value| {
            is_secret_name(name).then(|| self.reference(value, name, path)).flatten()
        });
    }

    /// Who stands in the URL logs in by it.
    fn user_of_base_url(&mut self, config: &mut Value) {
        let Some(client) = config.get_mut("client").and_then(Value::as_object_mut) else { return };
        let Some(Value::String(url)) = client.get_mut("base_url") else { return };
        let Some((user, password)) = url::user(url) else { return };
        *url = without_user(url);
        if client.get("auth").is_some_and(|auth| !auth.is_null()) {
            let message = "the user in the URL was left out: the client has an auth";
            return self.notes.push(Note::new("client.base_url", message));
        }
        let [user, password] = [("username", "API_USER", user), ("password", "API_PASSWORD", password)]
            .map(|(key, name, value)| self.reference(&value, name, &format!("client.auth.{key}")).unwrap_or(value));
        let message = "the user in the URL stands here now: credentials do not belong in a URL";
        self.notes.push(Note::new("client.auth", message));
        client.insert("auth".to_owned(), json!({"type": "http_basic", "username": user, "password": password}));
    }
}

fn inside_of(key: &str, inside: Inside) -> Inside {
    match inside {
        Inside::Config if key == "access_token_request_data" => Inside::TokenRequest,
        Inside::Config if FREE.contains(&key) => Inside::Free,
        inside => inside,
    }
}

/// The header whose value stands at a path.
fn header(path: &str) -> Option<&str> {
    let (before, name) = path.rsplit_once('.')?;
    (before == "headers" || before.ends_with(".headers")).then_some(name)
}

/// One field of a form that is a list of pairs.
fn pair(item: &mut Value) -> Option<(String, &mut Value)> {
    match item.as_array_mut().map(Vec::as_mut_slice) {
        Some([Value::String(name), value]) => Some((name.clone(), value)),
        _ => None,
    }
}

/// A parameter that is filled in by the cursor or from a parent.
fn is_param(value: &Value) -> bool {
    value.get("type").is_some_and(|kind| kind == "resolve" || kind == "incremental")
}

/// The keys of all tables, and whether a credential stands under them in any.
fn known_keys() -> BTreeMap<&'static str, bool> {
    let mut known = BTreeMap::new();
    add_keys(&ROOT, &mut known);
    known
}

fn add_keys(table: &'static Table, known: &mut BTreeMap<&'static str, bool>) {
    for field in table.fields {
        let is_secret = matches!(field.shape, Shape::Secret);
        *known.entry(field.key).or_default() |= is_secret;
        if !OF_COLUMNS.contains(&field.key) {
            add_keys_of(&field.shape, known);
        }
    }
}

fn add_keys_of(shape: &'static Shape, known: &mut BTreeMap<&'static str, bool>) {
    match shape {
        Shape::Object(table) => add_keys(table, known),
        Shape::Tagged(union) => union.variants.iter().for_each(|variant| add_keys(variant.table, known)),
        Shape::List(item) | Shape::OneOrMany(item) | Shape::Map(item) | Shape::Keyed(item) => add_keys_of(item, known),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| add_keys_of(shape, known)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(mut config: Value) -> (Value, Vec<String>) {
        let mut notes = Vec::new();
        hide(&mut config, &mut notes);
        assert!(!config.to_string().contains("hunter"), "{config}");
        assert!(notes.iter().all(|note| !note.message.contains("hunter")), "{notes:?}");
        (config, notes.into_iter().map(|note| note.path).collect())
    }

    #[test]
    fn no_credential_is_copied_and_references_stay() {
        let (config, notes) = hidden(json!({
            "client": {"auth": {"type": "bearer", "token": "hunter2"}, "headers": {"X-Api-Key": "hunter3", "Accept": "a"}},
            "resources": ["a", {"endpoint": {"auth": {"type": "http_basic", "username": "u", "password": "${PW}"}}}],
        }));
        assert_eq!(config["client"]["auth"]["token"], "${TOKEN}");
        assert_eq!(config["resources"][1]["endpoint"]["auth"]["password"], "${PW}");
        assert_eq!(notes, ["client.auth.token", "client.headers.X-Api-Key", "environment"]);
    }

    #[test]
    fn credentials_are_found_wherever_a_request_carries_them() {
        let (config, _) = hidden(json!({
            "client": {
                "base_url": "https://hunter:hunter2@a.example/v1",
                "headers": {"X-Auth": "hunter3", "Authorization": "Bearer ${TOK}"},
            },
            "resources": [{
                "name": "a", "columns": {"token": {"data_type": "text"}},
                "endpoint": {
                    "path": "a?token=hunter4&page=1",
                    "params": {"api_key": ["hunter5", "hunter6"], "cursor_key": {"type": "resolve", "resource": "b", "field": "key"}},
                    "json": {"login": {"password": "hunter7", "pin": {"secret": 1}}, "page_key": "{resources.b.key}"},
                    "paginator": {"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "next"},
                    "auth": {
                        "type": "oauth2_client_credentials", "access_token_url": "https://a.example/token?secret=hunter8",
                        "access_token_request_data": {"grant_type": "password", "username": "hunter9"},
                    },
                },
            }, {"endpoint": {"data": [["password", "hunter10"], ["a", "b"]]}}, {"endpoint": {"data": "a=b&password=hunter11"}}],
        }));
        assert_eq!(config["client"]["base_url"], "https://a.example/v1");
        assert_eq!(config["client"]["auth"]["password"], "${API_PASSWORD}");
        assert_eq!(config["client"]["headers"]["Authorization"], "Bearer ${TOK}");
        let resource = &config["resources"][0];
        assert_eq!(resource["columns"]["token"]["data_type"], "text");
        let endpoint = &resource["endpoint"];
        assert_eq!(endpoint["path"], "a?token=${TOKEN}&page=1");
        assert_eq!(endpoint["params"]["api_key"], json!(["${API_KEY}", "${API_KEY_2}"]));
        assert_eq!(endpoint["params"]["cursor_key"]["field"], "key");
        assert_eq!(endpoint["json"]["login"]["pin"]["secret"], "${SECRET}");
        assert_eq!(endpoint["json"]["page_key"], "{resources.b.key}");
        assert_eq!(endpoint["paginator"]["cursor_key"], "X-Next");
        assert_eq!(endpoint["auth"]["access_token_request_data"]["grant_type"], "password");
        assert_eq!(config["resources"][2]["endpoint"]["data"].as_str().unwrap().split('&').next(), Some("a=b"));
    }

    #[test]
    fn a_header_with_an_auths_scheme_is_a_credential_under_any_name() {
        let headers = json!({"X-Custom": "Bearer hunter2", "X-Other": "Token ${T}", "Accept": "application/json"});
        let (config, notes) =
            hidden(json!({"client": {"headers": headers}, "resources": [{"description": "Basic b"}]}));
        let expected = json!({"X-Custom": "${X_CUSTOM}", "X-Other": "Token ${T}", "Accept": "application/json"});
        assert_eq!(config, json!({"client": {"headers": expected}, "resources": [{"description": "Basic b"}]}));
        assert_eq!(notes, ["client.headers.X-Custom", "environment"]);
    }

    #[test]
    fn references_in_a_url_stay_what_they_are() {
        for (url, user, password) in [
            ("https://${USER}:${PW}@a.example", "${USER}", "${PW}"),
            ("https://${USER:-me}:hunter2@a.example", "${USER}", "${API_PASSWORD}"),
            ("https://hunter@a.example", "${API_USER}", ""),
        ] {
            let (config, _) = hidden(json!({"client": {"base_url": url}}));
            let auth = json!({"type": "http_basic", "username": user, "password": password});
            assert_eq!(config["client"], json!({"base_url": "https://a.example", "auth": auth}), "{url}");
        }
    }

    #[test]
    fn two_credentials_are_two_variables_and_one_in_two_places_is_one() {
        let auth = |token: &str| json!({"endpoint": {"auth": {"token": token}}});
        let (config, _) = hidden(json!({
            "client": {"auth": {"token": "hunter2"}, "headers": {"X": "${TOKEN_2}"}},
            "resources": [auth("hunter3"), auth("hunter2"), auth("${TOKEN_9:-hunter4}")],
        }));
        let token = |at: usize| &config["resources"][at]["endpoint"]["auth"]["token"];
        assert_eq!(config["client"]["auth"]["token"], "${TOKEN}");
        assert_eq!([token(0), token(1), token(2)], ["${TOKEN_3}", "${TOKEN}", "${TOKEN_9}"]);
    }
}
