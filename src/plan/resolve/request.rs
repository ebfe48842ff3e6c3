//! What a resource asks the API for, page by page.

use url::Url;

use super::{
    body::Carried,
    placeholders::{Placeholders, report},
};
use crate::{
    config::{
        Findings, Section,
        tree::{Entry, Kind, Value},
    },
    plan::{Meaning, Method, RequestPlan, Template, request},
    secret::Secret,
};

/// The request of a resource whose endpoint this is. `name` stands in for a path that is left out, as in dlt.
pub fn resolve(
    endpoint: &Section<'_>,
    name: &str,
    base_url: Option<&Url>,
    placeholders: &mut Placeholders<'_>,
    secrets: &mut Vec<Secret<String>>,
    findings: &mut Findings,
) -> Option<RequestPlan> {
    let mut params = Params { endpoint, entries: endpoint.map("params"), taken: Vec::new() };
    let path = match endpoint.is_written("path") {
        true => endpoint.get("path").and_then(|path| params.fill_path(path, placeholders, findings)),
        false => Some(Template::literal(name)),
    };
    let params = params.rest(placeholders, secrets, findings);
    let mut carried = Carried { placeholders, secrets, findings };
    let (headers, body) = (carried.headers(endpoint), carried.body(endpoint));
    let without_headers = without_headers(endpoint);
    let (path, base_url) = (path?, base_url?.clone());
    if let Err(error) = request::join(&base_url, &path.to_string()) {
        findings.error(endpoint.place_of("path"), error.to_string(), None);
        return None;
    }
    let method = match endpoint.text("method")?.value.eq_ignore_ascii_case("post") {
        true => Method::Post,
        false => Method::Get,
    };
    Some(RequestPlan { method, base_url, path, params, headers: headers?, without_headers, body: body? })
}

/// Null takes a header of the client's away.
fn without_headers(endpoint: &Section<'_>) -> Vec<String> {
    let entries = endpoint.get("headers").map_or(&[][..], Value::entries);
    entries.iter().filter(|entry| entry.value.is_null()).map(|entry| entry.key.clone()).collect()
}

/// What `params` holds, and what of it the path has taken.
struct Params<'a> {
    endpoint: &'a Section<'a>,
    entries: Vec<&'a Entry>,
    taken: Vec<&'a str>,
}

impl<'a> Params<'a> {
    /// The path, its plain places filled by the parameters of their names, which are not sent then.
    fn fill_path(
        &mut self,
        path: &Value,
        placeholders: &mut Placeholders<'_>,
        findings: &mut Findings,
    ) -> Option<Template> {
        let text = path.as_text()?;
        let mut is_broken = false;
        let template = Template::parse(text, &path.inserted, |name| match self.entry(name) {
            Some(entry) => {
                self.taken.push(&entry.key);
                let filled = self.filling(entry, placeholders, findings);
                is_broken |= filled.is_none();
                Ok(filled.unwrap_or_else(|| Template::default().into()))
            }
            None if name.contains('.') => placeholders.reference(name, &path.place),
            None => Err(format!("nothing fills the place `{{{name}}}`: `params` has no `{name}`")),
        });
        match template {
            Ok(template) => Some(template).filter(|_| !is_broken),
            Err(error) => {
                report(error, text, &path.place, findings);
                None
            }
        }
    }

    fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.entries.iter().copied().find(|entry| entry.key == name)
    }

    /// What a parameter puts into the path; `None` if what is wrong with it has been reported.
    fn filling(&self, entry: &Entry, placeholders: &mut Placeholders<'_>, findings: &mut Findings) -> Option<Meaning> {
        let value = &entry.value;
        if let Some((kind, param)) = self.endpoint.tagged_item("params", value) {
            let field = match kind {
                "resolve" => {
                    let (resource, field) = (param.text("resource")?, param.text("field")?);
                    placeholders.field(&resource.value, &field.value, &value.place).map(Meaning::Place)
                }
                _ => Err(format!("a path is not filled by a parameter of the type `{kind}`")),
            };
            return field.map_err(|message| findings.error(&value.place, message, None)).ok();
        }
        if value.scalar().is_none_or(|text| text.is_empty()) {
            findings.error(&value.place, "it fills a place of the path: a text or a number is wanted", None);
            return None;
        }
        placeholders.scalar(value, findings).map(Meaning::Filled)
    }

    /// What is sent as the query.
    fn rest(
        &self,
        placeholders: &mut Placeholders<'_>,
        secrets: &mut Vec<Secret<String>>,
        findings: &mut Findings,
    ) -> Vec<(Template, Template)> {
        let mut params = Vec::new();
        for entry in self.entries.iter().filter(|entry| !self.taken.contains(&entry.key.as_str())) {
            if let Some(("resolve", param)) = self.endpoint.tagged_item("params", &entry.value) {
                unbound(entry, &param, findings);
                continue;
            }
            let values = match &entry.value.kind {
                Kind::List(items) => items.iter().collect(),
                _ => vec![&entry.value],
            };
            let Some(name) = placeholders.key(entry, findings) else { continue };
            for value in values {
                Carried { placeholders, secrets, findings }.keep_secret(&entry.key, value);
                params.extend(placeholders.scalar(value, findings).map(|text| (name.clone(), text)));
            }
        }
        params
    }
}

/// dlt binds such parameters to the path alone.
fn unbound(entry: &Entry, param: &Section<'_>, findings: &mut Findings) {
    let text = |key: &str| param.text(key).map(|text| text.value).unwrap_or_default();
    let help = format!(
        "put `{{{}}}` into the path, or give the parameter the value `\"{{resources.{}.{}}}\"`",
        entry.key,
        text("resource"),
        text("field")
    );
    findings.error(&entry.value.place, "a parameter of the type `resolve` fills a place of the path", Some(help));
}
