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
const OPEN: [&str; 18] = [
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
    "accept",
    "accept-language",
    "content-type",
    "user-agent",
    "origin",
    "referer",
];

/// Those of a client or an endpoint.
pub fn values(holder: &Section<'_>, values: &mut Vec<Secret<String>>) {
    SENT.iter().filter_map(|key| holder.get(key)).for_each(|sent| inserted(sent, values));
    let Some(auth) = holder.get("auth") else { return };
    auth.get("access_token_request_data").into_iter().for_each(|data| texts(data, values));
    let Some(login) = auth.get("login") else { return };
    ["json", "headers"].iter().filter_map(|key| login.get(key)).for_each(|part| texts(part, values));
    login.get("data").into_iter().for_each(|data| form(data, values));
}

/// Fields, or pairs of names and values, or a text.
fn form(data: &Value, values: &mut Vec<Secret<String>>) {
    for pair in data.items() {
        match pair.items() {
            [name, value] => texts_of(&name.scalar().unwrap_or_default(), value, values),
            _ => texts(pair, values),
        }
    }
    if data.items().is_empty() {
        texts(data, values);
    }
}

fn texts_of(name: &str, value: &Value, values: &mut Vec<Secret<String>>) {
    if !OPEN.contains(&name.to_ascii_lowercase().as_str()) {
        texts(value, values);
    }
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
        Kind::Object(entries) => entries.iter().for_each(|entry| texts_of(&entry.key, &entry.value, values)),
        _ => {}
    }
}
