//! Values that are not shown, though no name says that they are secrets: what variables filled in where a request carries it,
//! and what a login or a request for a token is made of.

use crate::{
    config::{
        Section,
        tree::{Kind, Value},
    },
    secret::Secret,
};

/// What a client or an endpoint sends.
const SENT: [&str; 5] = ["path", "headers", "params", "json", "data"];

/// Fields of logins and of requests for tokens that everybody may see, and that messages are full of.
const OPEN: [&str; 12] = [
    "grant_type",
    "scope",
    "audience",
    "resource",
    "response_type",
    "client_id",
    "username",
    "user",
    "email",
    "realm",
    "domain",
    "tenant",
];

/// Those of a client or an endpoint.
pub fn values(holder: &Section<'_>, values: &mut Vec<Secret<String>>) {
    SENT.iter().filter_map(|key| holder.get(key)).for_each(|sent| inserted(sent, values));
    let Some(auth) = holder.get("auth") else { return };
    auth.get("access_token_request_data").into_iter().for_each(|data| texts(data, values));
    let login = ["json", "data", "headers"].map(|key| auth.get("login").and_then(|login| login.get(key)));
    login.into_iter().flatten().for_each(|part| texts(part, values));
}

fn inserted(value: &Value, values: &mut Vec<Secret<String>>) {
    match &value.kind {
        Kind::Text(text) => {
            let parts = value.inserted.iter().filter_map(|range| text.get(range.clone()));
            values.extend(parts.map(|part| Secret::new(part.to_owned())));
        }
        Kind::List(items) => items.iter().for_each(|item| inserted(item, values)),
        Kind::Object(entries) => entries.iter().for_each(|entry| inserted(&entry.value, values)),
        _ => {}
    }
}

fn texts(value: &Value, values: &mut Vec<Secret<String>>) {
    match &value.kind {
        Kind::Text(text) | Kind::Number(text) => values.push(Secret::new(text.clone())),
        Kind::List(items) => items.iter().for_each(|item| texts(item, values)),
        Kind::Object(entries) => {
            let closed = entries.iter().filter(|entry| !OPEN.contains(&entry.key.to_ascii_lowercase().as_str()));
            closed.for_each(|entry| texts(&entry.value, values));
        }
        _ => {}
    }
}
