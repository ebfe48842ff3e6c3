//! Credentials that stand in a file become references to environment variables.

use serde_json::{Map, Value};

use super::{Note, below, name::variable};
use crate::secret::is_secret_name;

/// Keys of an auth that are credentials.
const CREDENTIALS: [&str; 8] =
    ["token", "api_key", "password", "client_secret", "access_token", "refresh_token", "private_key", "key"];

/// Takes the credentials out of `client.auth`, the auths of endpoints, and headers of telling names.
pub(super) fn hide(config: &mut Value, notes: &mut Vec<Note>) {
    if let Some(client) = config.get_mut("client") {
        hide_in(client, "client", notes);
    }
    if let Some(defaults) = config.get_mut("resource_defaults").and_then(|defaults| defaults.get_mut("endpoint")) {
        hide_in(defaults, "resource_defaults.endpoint", notes);
    }
    let resources = config.get_mut("resources").and_then(Value::as_array_mut);
    for (index, resource) in resources.into_iter().flatten().enumerate() {
        if let Some(endpoint) = resource.get_mut("endpoint") {
            hide_in(endpoint, &format!("resources.{index}.endpoint"), notes);
        }
    }
}

fn hide_in(holder: &mut Value, path: &str, notes: &mut Vec<Note>) {
    if let Some(Value::Object(auth)) = holder.get_mut("auth") {
        hide_entries(auth, &below(path, "auth"), |key| CREDENTIALS.contains(&key), notes);
    }
    for of_names in ["headers", "params"] {
        if let Some(Value::Object(entries)) = holder.get_mut(of_names) {
            hide_entries(entries, &below(path, of_names), is_secret_name, notes);
        }
    }
}

fn hide_entries(entries: &mut Map<String, Value>, path: &str, is_secret: impl Fn(&str) -> bool, notes: &mut Vec<Note>) {
    for (key, value) in entries.iter_mut().filter(|(key, _)| is_secret(key)) {
        let Value::String(text) = value else { continue };
        if text.contains("${") || text.is_empty() {
            continue;
        }
        let variable = variable(key);
        let message = format!("the credential in the file was not copied: set the environment variable {variable}");
        notes.push(Note::new(below(path, key), message));
        *value = Value::String(format!("${{{variable}}}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_credential_is_copied_and_references_stay() {
        let mut config = json!({
            "client": {"auth": {"type": "bearer", "token": "hunter2"}, "headers": {"X-Api-Key": "hunter3", "Accept": "a"}},
            "resources": ["a", {"endpoint": {"auth": {"type": "http_basic", "username": "u", "password": "${PW}"}}}],
        });
        let mut notes = Vec::new();
        hide(&mut config, &mut notes);
        assert!(!config.to_string().contains("hunter"), "{config}");
        assert_eq!(config["client"]["auth"]["token"], "${TOKEN}");
        assert_eq!(config["resources"][1]["endpoint"]["auth"]["password"], "${PW}");
        assert_eq!(
            notes.iter().map(|note| note.path.as_str()).collect::<Vec<_>>(),
            ["client.auth.token", "client.headers.X-Api-Key"]
        );
    }
}
