//! The client: where the API is, and how it wants to know who asks.

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::import::{Note, literal_text, name::variable};

/// Stands for an address that the description does not tell.
const UNKNOWN: &str = "https://api.example.com";

pub(super) fn client(document: &Document, notes: &mut Vec<Note>) -> Value {
    let mut client = json!({"base_url": literal_text(&base_url(document.root(), notes))});
    if let Some(auth) = auth(document, notes) {
        client["auth"] = auth;
    }
    client
}

fn base_url(root: &Value, notes: &mut Vec<Note>) -> String {
    let found = of_servers(root).or_else(|| of_host(root));
    match found {
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => url,
        Some(path) => {
            notes.push(Note::new(
                "client.base_url",
                format!("the description tells the path `{path}` only: put the host before it"),
            ));
            format!("{UNKNOWN}/{}", path.trim_start_matches('/'))
        }
        None => {
            notes.push(Note::new("client.base_url", "the description does not tell where the API is"));
            UNKNOWN.to_owned()
        }
    }
}

/// OpenAPI 3: the first server, its variables by their defaults.
fn of_servers(root: &Value) -> Option<String> {
    let server = root.get("servers")?.as_array()?.first()?;
    let mut url = server.get("url")?.as_str()?.to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
        if let Some(default) = variable.get("default").and_then(Value::as_str) {
            url = url.replace(&format!("{{{name}}}"), default);
        }
    }
    Some(url)
}

/// Swagger 2.
fn of_host(root: &Value) -> Option<String> {
    let base = root.get("basePath").and_then(Value::as_str).unwrap_or_default();
    let Some(host) = root.get("host").and_then(Value::as_str) else {
        return (!base.is_empty()).then(|| base.to_owned());
    };
    let schemes = root.get("schemes").and_then(Value::as_array);
    let first = schemes.and_then(|schemes| schemes.first()?.as_str());
    let is_secure = schemes.is_none_or(|schemes| schemes.iter().any(|scheme| scheme == "https"));
    let scheme = if is_secure { "https" } else { first.unwrap_or("https") };
    Some(format!("{scheme}://{host}{base}"))
}

/// The first security scheme that can be written as an `auth`.
fn auth(document: &Document, notes: &mut Vec<Note>) -> Option<Value> {
    let root = document.root();
    let in_components = root.get("components").and_then(|components| components.get("securitySchemes"));
    let schemes = in_components.or_else(|| root.get("securityDefinitions"))?.as_object()?;
    let mut wanted = wanted(root);
    wanted.extend(schemes.keys().cloned());
    for name in wanted {
        let scheme = schemes.get(&name).and_then(|scheme| document.follow(scheme)?.as_object());
        let Some(scheme) = scheme else { continue };
        if let Some((auth, variables)) = of_scheme(scheme) {
            let variables = variables.join(", ");
            notes.push(Note::new(
                "client.auth",
                format!("of the security scheme `{name}`: set {variables} in the environment"),
            ));
            return Some(auth);
        }
    }
    if !schemes.is_empty() {
        let names = schemes.keys().cloned().collect::<Vec<_>>().join(", ");
        notes.push(Note::new(
            "client.auth",
            format!("the security schemes {names} are none that could be written down"),
        ));
    }
    None
}

/// Names of the schemes that all operations need.
fn wanted(root: &Value) -> Vec<String> {
    let security = root.get("security").and_then(Value::as_array).into_iter().flatten();
    security.filter_map(Value::as_object).flat_map(|one| one.keys().cloned()).collect()
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// And the variables that it wants.
fn of_scheme(scheme: &Map<String, Value>) -> Option<(Value, Vec<String>)> {
    let reference = |name: &str| json!(format!("${{{name}}}"));
    let one = |name: &str| vec![name.to_owned()];
    Some(match (text(scheme, "type"), text(scheme, "scheme").to_ascii_lowercase().as_str()) {
        ("http", "bearer") => (json!({"type": "bearer", "token": reference("API_TOKEN")}), one("API_TOKEN")),
        ("http", "basic") | ("basic", _) => {
            let auth =
                json!({"type": "http_basic", "username": reference("API_USER"), "password": reference("API_PASSWORD")});
            (auth, vec!["API_USER".to_owned(), "API_PASSWORD".to_owned()])
        }
        ("apiKey", _) => {
            let name = text(scheme, "name");
            let variable = variable(name);
            let location = text(scheme, "in");
            let written = literal_text(name);
            (
                json!({"type": "api_key", "name": written, "api_key": reference(&variable), "location": location}),
                vec![variable],
            )
        }
        ("oauth2", _) => {
            let url = token_url(scheme)?;
            let auth = json!({
                "type": "oauth2_client_credentials", "access_token_url": url,
                "client_id": reference("CLIENT_ID"), "client_secret": reference("CLIENT_SECRET"),
            });
            (auth, vec!["CLIENT_ID".to_owned(), "CLIENT_SECRET".to_owned()])
        }
        ("openIdConnect", _) => (json!({"type": "bearer", "token": reference("API_TOKEN")}), one("API_TOKEN")),
        _ => return None,
    })
}

fn token_url(scheme: &Map<String, Value>) -> Option<String> {
    let flow = scheme.get("flows").and_then(|flows| flows.get("clientCredentials"));
    let of_flow = flow.and_then(|flow| flow.get("tokenUrl"));
    let is_application = text(scheme, "flow") == "application";
    let url = of_flow.or_else(|| scheme.get("tokenUrl").filter(|_| is_application))?;
    Some(literal_text(url.as_str()?))
}
