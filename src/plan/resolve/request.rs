//! What a resource asks the API for, page by page.

use url::Url;

use crate::{
    config::{Findings, Located, Section, tree::Kind},
    plan::{RequestPlan, Template, request},
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
