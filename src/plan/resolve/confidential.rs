//! Values of a config that are not shown although their keys do not say so.
//!
//! | what a variable filled in | is |
//! |---|---|
//! | below `auth` | not shown: a credential, or who asks |
//! | under a telling name: a header `X-Api-Key`, a parameter `token`, an option of the store | a secret |
//! | elsewhere in a request | shown, and sent to no other host |
//!
//! What a login or a request for a token sends is not shown either, whether a variable filled it in or not.

use std::ops::Range;

use crate::{
    config::{
        Section,
        tree::{Kind, Value},
    },
    secret::{Secret, is_secret_name},
};

/// Values that a client or an endpoint sends.
const SENT: [&str; 5] = ["path", "headers", "params", "json", "data"];

/// Keys of `auth` that take a word of ours or a length of time.
const WORDS: [&str; 7] =
    ["type", "location", "method", "algorithm", "client_auth", "default_token_expiration", "expires_in"];

/// Keys of `auth` that take an address.
const ADDRESSES: [&str; 2] = ["access_token_url", "url"];

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

/// Values by what becomes of them.
#[derive(Default)]
pub struct Confidential {
    pub secrets: Vec<Secret<String>>,
    pub identities: Vec<Secret<String>>,
    pub private: Vec<Secret<String>>,
    pub confined: Vec<Secret<String>>,
}

impl Confidential {
    /// Takes in those of a client or an endpoint.
    pub fn add(&mut self, holder: &Section<'_>) {
        for sent in SENT.iter().filter_map(|key| holder.get(key)) {
            self.add_sent(sent, false);
        }
        self.add_named(holder);
        let Some(auth) = holder.get("auth") else { return };
        identities("auth", auth, &mut self.identities);
        auth.get("access_token_request_data").into_iter().for_each(|data| texts(data, &mut self.private));
        let Some(login) = auth.get("login") else { return };
        ["json", "headers"].iter().filter_map(|key| login.get(key)).for_each(|part| texts(part, &mut self.private));
        login.get("data").into_iter().for_each(|data| form(data, &mut self.private));
    }

    /// Takes in those of the store's options.
    pub fn add_options(&mut self, destination: &Section<'_>) {
        let options = destination.map("options");
        let telling = options.iter().filter(|entry| is_secret_name(&entry.key));
        self.secrets.extend(telling.flat_map(|entry| inserted(&entry.value)));
    }

    /// `is_secret`: whether a name above says so.
    fn add_sent(&mut self, value: &Value, is_secret: bool) {
        for entry in value.entries() {
            self.add_sent(&entry.value, is_secret || is_secret_name(&entry.key));
        }
        value.items().iter().for_each(|item| self.add_sent(item, is_secret));
        let values = if is_secret { &mut self.secrets } else { &mut self.confined };
        values.extend(inserted(value));
    }

    /// Parameters, which may fill places of the path, and pairs of a form.
    fn add_named(&mut self, holder: &Section<'_>) {
        let params = holder.map("params");
        let params = params.iter().filter(|entry| is_secret_name(&entry.key)).filter_map(|entry| entry.value.scalar());
        let known = |text: &String| self.secrets.iter().any(|secret| secret.expose() == text);
        let unknown: Vec<_> = params.filter(|text| !known(text)).map(Secret::new).collect();
        self.secrets.extend(unknown);
        for pair in holder.get("data").map(Value::items).unwrap_or_default() {
            if let [name, value] = pair.items()
                && name.scalar().is_some_and(|name| is_secret_name(&name))
            {
                self.secrets.extend(inserted(value));
            }
        }
    }
}

/// All that variables filled in at a key of `auth` and below.
fn identities(key: &str, value: &Value, values: &mut Vec<Secret<String>>) {
    value.entries().iter().for_each(|entry| identities(&entry.key, &entry.value, values));
    value.items().iter().for_each(|item| identities(key, item, values));
    match key {
        _ if WORDS.contains(&key) => {}
        _ if ADDRESSES.contains(&key) => values.extend(behind_the_host(value)),
        _ => values.extend(inserted(value)),
    }
}

/// Values that were filled into a URL after its host, which is part of every message about it.
fn behind_the_host(url: &Value) -> Vec<Secret<String>> {
    let text = url.as_text().unwrap_or_default();
    let authority = text.find("://").map_or(0, |at| at + 3);
    let rest = text.get(authority..).unwrap_or_default();
    let host_end = authority + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let query = text.find('?').unwrap_or(text.len());
    let hidden = |range: &Range<usize>| match range.start < host_end {
        // A whole URL in a variable: its path is an address as well.
        true => range.start.max(query)..range.end.max(query),
        false => range.clone(),
    };
    parts(text, url.inserted.iter().map(hidden))
}

fn inserted(value: &Value) -> Vec<Secret<String>> {
    parts(value.as_text().unwrap_or_default(), value.inserted.iter().cloned())
}

fn parts(text: &str, ranges: impl Iterator<Item = Range<usize>>) -> Vec<Secret<String>> {
    let parts = ranges.filter_map(|range| text.get(range)).filter(|part| !part.is_empty());
    parts.map(|part| Secret::new(part.to_owned())).collect()
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

fn texts(value: &Value, values: &mut Vec<Secret<String>>) {
    match &value.kind {
        Kind::Text(text) | Kind::Number(text) => values.push(Secret::new(text.clone())),
        Kind::List(items) => items.iter().for_each(|item| texts(item, values)),
        Kind::Object(entries) => entries.iter().for_each(|entry| texts_of(&entry.key, &entry.value, values)),
        _ => {}
    }
}
