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
    json::Selector,
    plan::{Meaning, Method, PaginatorPlan, RequestPlan, Template, request},
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
    let (path, base_url) = (path?, base_url?.clone());
    if let Err(error) = request::join(&base_url, &path.to_string()) {
        findings.error(endpoint.place_of("path"), error.to_string(), None);
        return None;
    }
    let method = match endpoint.text("method")?.value.eq_ignore_ascii_case("post") {
        true => Method::Post,
        false => Method::Get,
    };
    Some(RequestPlan { method, base_url, path, params, headers: headers?, body: body? })
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
    ) -> Vec<(String, Template)> {
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
            for value in values {
                Carried { placeholders, secrets, findings }.keep_secret(&entry.key, value);
                params.extend(placeholders.scalar(value, findings).map(|text| (entry.key.clone(), text)));
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

/// The resource's paginator, or the client's.
pub fn paginator(
    endpoint: &Section<'_>,
    client: &Section<'_>,
    resource: &Section<'_>,
    findings: &mut Findings,
) -> Option<PaginatorPlan> {
    let holder = if endpoint.is_written("paginator") { endpoint } else { client };
    if holder.is_broken() {
        return None;
    }
    if !holder.is_written("paginator") {
        let help = "set `paginator` on the endpoint or the client: `offset`, `page_number`, or `single_page` if one request is all";
        let message = "there is no paginator; finding out how an API pages is not supported yet";
        findings.error(resource.place_of("name"), message, Some(help.to_owned()));
        return None;
    }
    let (kind, section) = holder.tagged("paginator")?;
    match kind {
        "single_page" => Some(PaginatorPlan::SinglePage),
        "offset" => offset(&section, findings),
        "page_number" => page_number(&section, findings),
        _ => None,
    }
}

fn offset(section: &Section<'_>, findings: &mut Findings) -> Option<PaginatorPlan> {
    ends(section, "maximum_offset", findings)?;
    Some(PaginatorPlan::Offset {
        limit: section.count("limit")?,
        offset: section.count("offset")?,
        offset_param: section.text("offset_param")?.value,
        limit_param: section.text_or_off("limit_param").map(|name| name.value),
        total_path: selector(section, "total_path"),
        total_header: section.text("total_header").map(|name| name.value),
        maximum_offset: section.count("maximum_offset"),
        stop_after_empty_page: section.flag("stop_after_empty_page")?,
        has_more_path: selector(section, "has_more_path"),
    })
}

fn page_number(section: &Section<'_>, findings: &mut Findings) -> Option<PaginatorPlan> {
    ends(section, "maximum_page", findings)?;
    let base_page = section.count("base_page")?;
    Some(PaginatorPlan::PageNumber {
        base_page,
        page: section.count("page").unwrap_or(base_page),
        page_param: section.text("page_param")?.value,
        total_path: selector(section, "total_path"),
        total_header: section.text("total_header").map(|name| name.value),
        maximum_page: section.count("maximum_page"),
        stop_after_empty_page: section.flag("stop_after_empty_page")?,
        has_more_path: selector(section, "has_more_path"),
    })
}

fn selector(section: &Section<'_>, key: &str) -> Option<Selector> {
    section.text_or_off(key)?.value.parse().ok()
}

/// Refuses a paginator that nothing ends.
fn ends(section: &Section<'_>, maximum: &str, findings: &mut Findings) -> Option<()> {
    let told = section.text_or_off("total_path").is_some()
        || [maximum, "total_header", "has_more_path"].iter().any(|key| section.is_written(key));
    if told || section.flag("stop_after_empty_page")? {
        return Some(());
    }
    let help =
        format!("set `total_path`, `total_header`, `{maximum}`, `has_more_path` or `stop_after_empty_page: true`");
    findings.error(section.place(), "nothing would ever end this list of pages", Some(help));
    None
}
