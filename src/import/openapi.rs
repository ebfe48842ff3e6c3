//! Resources of an API from its description: OpenAPI 3.0 and 3.1, Swagger 2.0.
//!
//! ```text
//! document ─► lists: GETs, and POSTs that search, which answer an array of objects
//!    │          ├─► name, path, body, selector, paginator, parameters ─┐
//!    │          └─► columns of the records ─► schema files            ─┤
//!    └──────► servers, security ─► client                             ─┴─► Imported
//! ```
//!
//! What a description does not tell (where pages end, what a parent is) is found by names that are usual, or told in a note.
//! References within the file are followed; those that lead to themselves end as `json`, those that lead elsewhere are told.
//! Environment variables are named after the API: `SHOP_API_KEY`, `SHOP_BASE_URL`, `SHOP_PARAMETER_TENANT`.

mod client;
mod columns;
mod document;
mod external_refs;
mod lists;
mod objects;
mod pagination_fields;
mod paginator;
mod parameters;
mod parents;
mod post;
mod prefix;
mod records;
mod required_params;
mod security;
mod servers;

use serde_json::{Value, json};

use self::{
    client::{Own, client},
    document::Document,
    lists::{List, lists},
};
use super::{
    ImportError, Imported, literal,
    name::{snake, variable},
};

/// What to take of a description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These paths, whatever they answer; empty: all lists.
    pub paths: Vec<String>,
}

/// A config and schemas for the lists of an API.
///
/// # Errors
/// [`ImportError`] if it is no description, or describes no list.
pub fn import(file: &str, name: &str, document: Value, selection: &Selection) -> Result<Imported, ImportError> {
    let document = Document::new(file, document)?;
    let title = document.title().map(|title| snake(&title)).filter(|name| !name.is_empty());
    let name = title.unwrap_or_else(|| name.to_owned());
    let api = api_name(&name);
    let mut of_lists = Vec::new();
    let lists = lists(file, &document, selection, &api, &mut of_lists)?;
    let mut notes = Vec::new();
    let (client, own) = client(&document, &lists, &api, &mut notes);
    notes.append(&mut of_lists);
    let known = lists.iter().filter(|list| !list.columns.is_empty());
    let schemas = known.map(|list| (schema_path(list), json!({"columns": list.columns}))).collect();
    let resources: Vec<Value> = lists.iter().zip(own).map(|(list, own)| resource(list, own)).collect();
    let config = json!({
        "name": name, "client": client, "resources": resources, "destination": {"url": "./lake"},
    });
    Ok(Imported { config, schemas, notes })
}

/// What the names of an API's environment variables begin with: they end with `_API_KEY` and the like.
fn api_name(name: &str) -> String {
    let name = variable(name);
    name.strip_suffix("_API").map_or(name.clone(), str::to_owned)
}

fn schema_path(list: &List) -> String {
    format!("schemas/{}.yaml", list.name)
}

/// Whoever wrote the description is not to read this machine's environment: what comes from there stands for itself.
fn resource(list: &List<'_>, own: Own) -> Value {
    let path = literal(json!(list.path));
    let path = own.server.map_or(path.clone(), |server| json!(server + path.as_str().unwrap_or_default()));
    let mut endpoint = json!({"path": path});
    if list.operation.is_post() {
        endpoint["method"] = json!("POST");
    }
    if !list.params.is_empty() {
        endpoint["params"] = Value::Object(list.params.clone());
    }
    if !list.headers.is_empty() {
        endpoint["headers"] = Value::Object(list.headers.clone());
    }
    if let Some(body) = &list.body {
        endpoint["json"] = body.clone();
    }
    if let Some(auth) = own.auth {
        endpoint["auth"] = auth;
    }
    endpoint["data_selector"] = literal(json!(list.selector));
    if let Some(paginator) = &list.paginator {
        endpoint["paginator"] = literal(paginator.clone());
    }
    let mut resource = json!({"name": list.name, "endpoint": endpoint});
    // Without one, the columns are inferred.
    if !list.columns.is_empty() {
        resource["schema"] = json!(schema_path(list));
    }
    match &list.primary_key {
        Some(key) => {
            resource["primary_key"] = literal(json!(key));
            resource["write_disposition"] = json!("merge");
        }
        None => resource["write_disposition"] = json!("replace"),
    }
    resource
}

#[cfg(test)]
mod tests;
