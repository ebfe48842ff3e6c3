//! What a resource asks the API for, page by page.

use url::Url;

use crate::{
    config::{Findings, Located, Section, tree::Kind},
    json::Selector,
    plan::{PaginatorPlan, RequestPlan, Template, request},
};

/// The request of a resource whose endpoint this is. `name` stands in for a path that is left out, as in dlt.
pub fn resolve(
    endpoint: &Section<'_>,
    name: &str,
    base_url: Option<&Url>,
    findings: &mut Findings,
) -> Option<RequestPlan> {
    let params = params(endpoint, findings);
    let path = if endpoint.is_written("path") {
        endpoint.text("path")?
    } else {
        Located { value: name.to_owned(), place: endpoint.place().clone() }
    };
    join(base_url, &path, findings)?;
    let path = Template::literal(path.value);
    Some(RequestPlan { path, params, ..RequestPlan::get(base_url?.clone(), "") })
}

/// What a path comes to below `base_url`.
fn join(base_url: Option<&Url>, path: &Located<String>, findings: &mut Findings) -> Option<Url> {
    if let Some(placeholder) = placeholder(&path.value) {
        let message = format!("the placeholder `{placeholder}` is not supported yet");
        findings.error(&path.place, message, Some("only a fixed path can be requested".into()));
        return None;
    }
    if path.value.contains("://") {
        let help = "give the path below `client.base_url`; credentials go to that origin only".to_owned();
        findings.error(&path.place, "an absolute URL as a path is not supported yet", Some(help));
        return None;
    }
    match request::join(base_url?, &path.value) {
        Ok(url) => Some(url),
        Err(error) => {
            findings.error(&path.place, error.to_string(), None);
            None
        }
    }
}

/// The first `{…}` of a text.
fn placeholder(text: &str) -> Option<&str> {
    let start = text.find('{')?;
    let end = text.get(start..)?.find('}')?;
    text.get(start..=start + end)
}

fn params(endpoint: &Section<'_>, findings: &mut Findings) -> Vec<(String, Template)> {
    let mut params = Vec::new();
    for entry in endpoint.map("params") {
        let values = match &entry.value.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![&entry.value],
        };
        for value in values {
            let Some(text) = value.scalar() else { continue };
            let later = placeholder(&text)
                .filter(|found| found.starts_with("{resources.") || found.starts_with("{incremental."));
            match later.filter(|_| !value.filled) {
                Some(found) => {
                    findings.error(&value.place, format!("the placeholder `{found}` is not supported yet"), None);
                }
                None => params.push((entry.key.clone(), Template::literal(text))),
            }
        }
    }
    params
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
