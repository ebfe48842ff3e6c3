//! Resources of an API from its description: OpenAPI 3.0 and 3.1, Swagger 2.0.
//!
//! ```text
//! document ─► lists: GETs whose answer holds an array of objects ─► name, path, selector, paginator, parameters ─┐
//!    └──────► servers, security ─► client                          └─► columns of the records ─► schema files    ┴─► Imported
//! ```
//!
//! What a description does not tell (where pages end, what a parent is) is found by names that are usual, or told in a note.
//! References within the file are followed; those that lead to themselves end as `json`.

mod client;
mod columns;
mod document;
mod lists;
mod paginator;

use serde_json::{Value, json};

use self::{
    document::Document,
    lists::{List, lists},
};
use super::{ImportError, Imported, literal, name::snake};

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
    let mut notes = Vec::new();
    let client = client::client(&document, &mut notes);
    let lists = lists(file, &document, selection, &mut notes)?;
    let known = lists.iter().filter(|list| !list.columns.is_empty());
    let schemas = known.map(|list| (schema_path(list), json!({"columns": list.columns}))).collect();
    // Whoever wrote the description is not to read this machine's environment.
    let resources: Vec<Value> = lists.iter().map(resource).map(literal).collect();
    let name =
        document.title().map(|title| snake(&title)).filter(|name| !name.is_empty()).unwrap_or_else(|| name.to_owned());
    let config = json!({
        "name": name, "client": client, "resources": resources, "destination": {"url": "./lake"},
    });
    Ok(Imported { config, schemas, notes })
}

fn schema_path(list: &List) -> String {
    format!("schemas/{}.yaml", list.name)
}

fn resource(list: &List) -> Value {
    let mut endpoint = json!({"path": list.path});
    if !list.params.is_empty() {
        endpoint["params"] = Value::Object(list.params.clone());
    }
    if !list.headers.is_empty() {
        endpoint["headers"] = Value::Object(list.headers.clone());
    }
    endpoint["data_selector"] = json!(list.selector);
    if let Some(paginator) = &list.paginator {
        endpoint["paginator"] = paginator.clone();
    }
    let mut resource = json!({"name": list.name, "endpoint": endpoint});
    // Without one, the columns are inferred.
    if !list.columns.is_empty() {
        resource["schema"] = json!(schema_path(list));
    }
    match &list.primary_key {
        Some(key) => {
            resource["primary_key"] = json!(key);
            resource["write_disposition"] = json!("merge");
        }
        None => resource["write_disposition"] = json!("replace"),
    }
    resource
}

#[cfg(test)]
mod tests;
