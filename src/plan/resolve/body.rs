//! What a request carries besides its address: headers and a body.

use serde_json::Value as Json;

use super::{client::secrets_of, placeholders::Placeholders};
use crate::{
    config::{
        Findings, Section,
        notation::is_token,
        tree::{Entry, Kind, Value},
    },
    plan::{BodyPlan, JsonTemplate, Template},
    secret::{Secret, is_secret_name},
};

/// Reads the parts of one request, and keeps what must not be seen of them.
pub struct Carried<'a, 'b> {
    pub placeholders: &'a mut Placeholders<'b>,
    pub secrets: &'a mut Vec<Secret<String>>,
    pub findings: &'a mut Findings,
}

impl Carried<'_, '_> {
    pub fn body(&mut self, endpoint: &Section<'_>) -> Option<BodyPlan> {
        if endpoint.is_written("json") && endpoint.is_written("data") {
            let help = "keep the one that the API reads".to_owned();
            self.findings.error(endpoint.place_of("data"), "a request has one body: `json` or `data`", Some(help));
            return None;
        }
        if endpoint.is_written("json") {
            let body = endpoint.get("json")?;
            if body.as_text().is_some_and(is_document) {
                let help = "write the object or list itself: `json: {key: value}`; a text is sent as it is by `data`";
                self.findings.error(&body.place, "`json` is a text with JSON in it", Some(help.to_owned()));
                return None;
            }
            return self.json(body).map(BodyPlan::Json);
        }
        if endpoint.is_written("data") { self.data(endpoint.get("data")?) } else { Some(BodyPlan::None) }
    }

    fn json(&mut self, value: &Value) -> Option<JsonTemplate> {
        Some(match &value.kind {
            Kind::Null => JsonTemplate::Value(Json::Null),
            Kind::Bool(truth) => JsonTemplate::Value(Json::Bool(*truth)),
            Kind::Number(text) => JsonTemplate::Value(self.number(text, value)?),
            Kind::Text(_) => JsonTemplate::Text(self.body_text(value)?),
            Kind::List(items) => JsonTemplate::List(all(items.iter().map(|item| self.json(item)))?),
            Kind::Object(entries) => JsonTemplate::Object(all(entries.iter().map(|entry| self.entry(entry)))?),
            Kind::Broken => return None,
        })
    }

    fn entry(&mut self, entry: &Entry) -> Option<(Template, JsonTemplate)> {
        self.keep_secret(&entry.key, &entry.value);
        Some((self.placeholders.key(entry, self.findings)?, self.json(&entry.value)?))
    }

    /// A number that JSON can hold as it was written.
    fn number(&mut self, text: &str, value: &Value) -> Option<Json> {
        let number = serde_json::from_str::<serde_json::Number>(text).ok();
        let is_whole = text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if let Some(number) = number.filter(|number| !is_whole || number.to_string() == text) {
            return Some(Json::Number(number));
        }
        let help = "write it in quotes if the API takes it as a text".to_owned();
        self.findings.error(&value.place, format!("`{text}` is no number that a body can hold"), Some(help));
        None
    }

    fn data(&mut self, value: &Value) -> Option<BodyPlan> {
        match &value.kind {
            Kind::Object(entries) => {
                let written = entries.iter().filter(|entry| !entry.value.is_null());
                let fields = all(written.map(|entry| self.fields(entry)))?;
                Some(BodyPlan::Form(fields.into_iter().flatten().collect()))
            }
            Kind::List(pairs) => Some(BodyPlan::Form(all(pairs.iter().map(|pair| self.pair(pair)))?)),
            _ => self.body_text(value).map(BodyPlan::Raw),
        }
    }

    /// A list is a name that is repeated.
    fn fields(&mut self, entry: &Entry) -> Option<Vec<(Template, Template)>> {
        let name = self.placeholders.key(entry, self.findings)?;
        let values = match &entry.value.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![&entry.value],
        };
        let field = |value: &Value| {
            self.keep_secret(&entry.key, value);
            Some((name.clone(), self.body_text(value)?))
        };
        all(values.into_iter().map(field))
    }

    fn pair(&mut self, pair: &Value) -> Option<(Template, Template)> {
        let (name, value) = parts(pair, self.findings)?;
        self.keep_secret(&name.scalar().unwrap_or_default(), value);
        Some((self.scalar(name)?, self.body_text(value)?))
    }

    pub fn headers(&mut self, endpoint: &Section<'_>) -> Option<Vec<(Template, Secret<Template>)>> {
        all(endpoint.map("headers").into_iter().map(|entry| self.header(entry)))
    }

    fn header(&mut self, entry: &Entry) -> Option<(Template, Secret<Template>)> {
        let (name, value) = (self.placeholders.key(entry, self.findings)?, self.scalar(&entry.value)?);
        if name.as_literal().is_some_and(|name| !is_token(&name)) {
            self.findings.error(&entry.value.place, format!("`{}` is no name of a header", entry.key), None);
            return None;
        }
        if entry.value.scalar().is_some_and(|text| text.chars().any(|c| c.is_control() && c != '\t')) {
            self.findings.error(&entry.value.place, "a header's value is one line of text", None);
            return None;
        }
        if is_of_connection(entry, self.findings) {
            return None;
        }
        if let Some(text) = entry.value.scalar().filter(|_| is_secret_name(&entry.key)) {
            self.secrets.extend(secrets_of(&entry.key, &text));
        }
        Some((name, Secret::new(value)))
    }

    fn scalar(&mut self, value: &Value) -> Option<Template> {
        self.placeholders.scalar(value, self.findings)
    }

    fn body_text(&mut self, value: &Value) -> Option<Template> {
        self.placeholders.body(value, self.findings)
    }

    /// Keeps the value of a telling name, or each item of a list, from being shown, wherever a server or an error repeats it.
    pub fn keep_secret(&mut self, name: &str, value: &Value) {
        value.items().iter().for_each(|item| self.keep_secret(name, item));
        let Some(text) = value.scalar().filter(|_| is_secret_name(name)) else { return };
        self.findings.hide(value);
        self.secrets.push(Secret::new(text));
    }
}

/// Returns true if a text is an object or a list of JSON.
fn is_document(text: &str) -> bool {
    serde_json::from_str::<Json>(text).is_ok_and(|value| value.is_object() || value.is_array())
}

/// Reports headers that say how a message is sent: wrong ones make the server wait for what never comes.
pub fn is_of_connection(entry: &Entry, findings: &mut Findings) -> bool {
    let names = ["content-length", "transfer-encoding"];
    let is_one = names.iter().any(|name| entry.key.eq_ignore_ascii_case(name));
    if is_one {
        let message = format!("`{}` is for the connection to say, which knows it", entry.key);
        findings.error(&entry.value.place, message, Some("leave it out".to_owned()));
    }
    is_one
}

/// The name and the value that an item of a form's `data` is.
pub fn parts<'a>(pair: &'a Value, findings: &mut Findings) -> Option<(&'a Value, &'a Value)> {
    match pair.items() {
        [name, value] => Some((name, value)),
        _ if pair.is_broken() => None,
        _ => {
            let help = "write `[name, value]`".to_owned();
            findings.error(&pair.place, "an item of `data` is a name and a value", Some(help));
            None
        }
    }
}

/// All of them, or nothing if one is wrong; each is looked at, so that all that is wrong is reported.
fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = items.collect();
    items.into_iter().collect()
}
