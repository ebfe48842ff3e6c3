//! The lists of an API: which GETs they are, and what each resource is made of.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    Selection,
    columns::{columns, object},
    document::{Document, Operation},
    paginator::{self, Pages},
};
use crate::import::{ImportError, Note, name::snake};

/// Keys under which APIs put their records, the usual ones first.
const USUAL: [&str; 8] = ["data", "items", "results", "records", "entries", "content", "values", "list"];

/// One resource to be.
pub(super) struct List {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) selector: String,
    pub(super) params: Map<String, Value>,
    pub(super) paginator: Option<Value>,
    pub(super) primary_key: Option<String>,
    pub(super) columns: Vec<Value>,
}

/// The lists of the selection, in the order of the file; parents are taken along.
///
/// # Errors
/// [`ImportError`] if there are none, or a path of the selection is not there.
pub(super) fn lists(
    file: &str,
    document: &Document,
    selection: &Selection,
    notes: &mut Vec<Note>,
) -> Result<Vec<List>, ImportError> {
    let operations: Vec<Operation<'_>> = document.gets().collect();
    known_paths(file, &operations, selection)?;
    let mut names = HashSet::new();
    let mut taken: Vec<(String, List)> = Vec::new();
    for operation in &operations {
        let is_named = selection.paths.iter().any(|path| path == operation.path);
        let is_taken = is_named || selection.paths.is_empty() || is_parent(operation, selection);
        let Some(found) = records(document, operation, is_named).filter(|_| is_taken) else { continue };
        let name = distinct(name(operation.path), &mut names);
        let list = list(document, operation, name, found, notes);
        taken.push((operation.path.to_owned(), list));
    }
    let taken = bind_parents(taken, notes);
    if taken.is_empty() {
        let among = if selection.paths.is_empty() { "" } else { " among these paths" };
        return Err(ImportError::NoLists { file: file.to_owned(), among: among.to_owned() });
    }
    Ok(taken)
}

fn known_paths(file: &str, operations: &[Operation<'_>], selection: &Selection) -> Result<(), ImportError> {
    let known = |path: &&String| operations.iter().any(|operation| operation.path == path.as_str());
    match selection.paths.iter().find(|path| !known(path)) {
        None => Ok(()),
        Some(path) => Err(ImportError::NoPath {
            file: file.to_owned(),
            path: path.clone(),
            known: operations.iter().map(|operation| operation.path.to_owned()).take(20).collect(),
        }),
    }
}

/// Whether a path of the selection goes on behind this one and a placeholder.
fn is_parent(operation: &Operation<'_>, selection: &Selection) -> bool {
    let begins = |path: &String| path.strip_prefix(operation.path).is_some_and(|rest| rest.starts_with("/{"));
    selection.paths.iter().any(begins)
}

/// Where the records of an answer are.
struct Records<'a> {
    selector: String,
    schema: &'a Value,
    answer: &'a Value,
}

/// `None` if the answer holds no list, unless it is wanted all the same.
fn records<'a>(document: &'a Document, operation: &Operation<'a>, is_wanted: bool) -> Option<Records<'a>> {
    let answer = document.answer(operation.get)?;
    let (selector, schema) = match list_in(document, answer, 2) {
        Some(found) => found,
        None if is_wanted => ("$".to_owned(), answer),
        None => return None,
    };
    Some(Records { selector, schema: document.follow(schema)?, answer })
}

/// The array of objects in a schema, and its path; the usual names before others, the outer before the inner.
fn list_in<'a>(document: &'a Document, schema: &'a Value, depth: usize) -> Option<(String, &'a Value)> {
    if let Some(items) = schema.get("items") {
        let items = document.follow(items)?;
        let is_object =
            !object(document, items, 0).properties.is_empty() || items.get("type") == Some(&json!("object"));
        return is_object.then(|| ("$".to_owned(), items));
    }
    // A reference into the document outlives the merged properties.
    let properties = all_properties(document, schema);
    let usual = USUAL.iter().filter_map(|usual| properties.iter().find(|(name, _)| name == usual));
    let mut candidates = usual.chain(properties.iter().filter(|(name, _)| !USUAL.contains(&name.as_str())));
    let direct = candidates.clone().find_map(|(name, property)| {
        let property = document.follow(property)?;
        let (path, items) = property.get("items").and_then(|_| list_in(document, property, 0))?;
        Some((joined(name, &path), items))
    });
    direct.or_else(|| {
        candidates.find_map(|(name, property)| {
            let property = document.follow(property).filter(|_| depth > 0)?;
            let (path, items) = list_in(document, property, depth - 1)?;
            Some((joined(name, &path), items))
        })
    })
}

fn joined(name: &str, path: &str) -> String {
    let name = if name.contains(['.', '[']) { format!("['{name}']") } else { name.to_owned() };
    if path == "$" { name } else { format!("{name}.{path}") }
}

/// The properties of a schema and of all that it is made of, where they stand in the document.
pub(super) fn all_properties<'a>(document: &'a Document, schema: &'a Value) -> Vec<(&'a String, &'a Value)> {
    let mut properties = Vec::new();
    let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    for part in parts.filter_map(|part| document.follow(part)).chain([schema]) {
        properties.extend(part.get("properties").and_then(Value::as_object).into_iter().flatten());
    }
    properties
}

fn list(
    document: &Document,
    operation: &Operation<'_>,
    name: String,
    found: Records<'_>,
    notes: &mut Vec<Note>,
) -> List {
    let columns = columns(document, found.schema);
    let place = format!("resources.{name}");
    if columns.is_empty() {
        notes.push(Note::new(
            format!("{place}.schema"),
            "the description does not tell the fields of its records: declare the columns",
        ));
    }
    let Pages { paginator, own_params } = paginator::pages(document, operation, found.answer, &found.selector);
    if paginator.is_none() {
        let message = "the description does not tell how the list is paged: it is found out from the first page";
        notes.push(Note::new(format!("{place}.endpoint.paginator"), message));
    }
    let params = params(operation, &own_params, &place, notes);
    let primary_key = primary_key(&columns);
    let (path, selector) = (operation.path.to_owned(), found.selector);
    List { name, path, selector, params, paginator, primary_key, columns }
}

/// Parameters without which the API does not answer.
fn params(operation: &Operation<'_>, own: &[String], place: &str, notes: &mut Vec<Note>) -> Map<String, Value> {
    let mut params = Map::new();
    for parameter in &operation.parameters {
        let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        let is_needed = text("in") == "query" && parameter.get("required") == Some(&Value::Bool(true));
        if !is_needed || own.iter().any(|own| own == name) {
            continue;
        }
        let schema = parameter.get("schema");
        let told = ["default", "example"].into_iter().find_map(|key| parameter.get(key).or_else(|| schema?.get(key)));
        if told.is_none() {
            let message = format!("the API wants the parameter `{name}`, and the description does not tell a value");
            notes.push(Note::new(format!("{place}.endpoint.params.{name}"), message));
        }
        params.insert(name.to_owned(), told.cloned().unwrap_or_else(|| json!("")));
    }
    params
}

/// The field that identifies a record by its name.
fn primary_key(columns: &[Value]) -> Option<String> {
    let names = columns.iter().filter_map(|column| column["name"].as_str());
    let usual = ["id", "ID", "Id", "_id", "uuid", "guid"];
    usual.into_iter().find(|usual| names.clone().any(|name| name == *usual)).map(str::to_owned)
}

/// `/v1/projects/{id}/test-cases` as `projects_test_cases`.
fn name(path: &str) -> String {
    let is_version = |segment: &str| {
        segment.strip_prefix('v').is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
    };
    let fixed = path.split('/').filter(|segment| !segment.is_empty() && !segment.starts_with('{'));
    let words: Vec<String> = fixed.filter(|segment| !is_version(segment) && *segment != "api").map(snake).collect();
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "records".to_owned() } else { words.join("_") }
}

fn distinct(name: String, names: &mut HashSet<String>) -> String {
    let mut number = 2;
    let mut free = name.clone();
    while !names.insert(free.clone()) {
        free = format!("{name}_{number}");
        number += 1;
    }
    free
}

/// Placeholders of a path become fields of the list that stands before them; a list without one is told and left out.
fn bind_parents(taken: Vec<(String, List)>, notes: &mut Vec<Note>) -> Vec<List> {
    let parents: Vec<(String, String, Vec<Value>)> =
        taken.iter().map(|(path, list)| (path.clone(), list.name.clone(), list.columns.clone())).collect();
    let mut bound = Vec::new();
    for (path, list) in taken {
        match bind(&path, &parents) {
            Ok(path) => bound.push(List { path, ..list }),
            Err(message) => notes.push(Note::new(format!("resources.{}", list.name), message)),
        }
    }
    bound
}

fn bind(path: &str, parents: &[(String, String, Vec<Value>)]) -> Result<String, String> {
    let Some(start) = path.find('{') else { return Ok(path.to_owned()) };
    let place = path.get(start..).and_then(|rest| rest.get(..=rest.find('}')?)).unwrap_or_default();
    let rest = path.get(start + place.len()..).unwrap_or_default();
    let left_out = |why: &str| format!("{why}: the list {path} was left out");
    if rest.contains('{') {
        return Err(left_out("it has several placeholders, and a resource has one parent"));
    }
    let before = path.get(..start).unwrap_or_default().trim_end_matches('/');
    let parent = parents.iter().find(|(path, ..)| path.trim_end_matches('/') == before);
    let Some((_, parent, columns)) = parent else {
        return Err(left_out(&format!("no list tells the values of `{place}`")));
    };
    let named = place.trim_matches(['{', '}']);
    let has = |name: &str| columns.iter().any(|column| column["name"] == name);
    let last_word = snake(named).rsplit('_').next().unwrap_or_default().to_owned();
    let field = [named.to_owned(), last_word, "id".to_owned()].into_iter().find(|field| has(field));
    let field = field.ok_or_else(|| left_out(&format!("`{parent}` has no field for `{place}`")))?;
    Ok(path.replace(place, &format!("{{resources.{parent}.{field}}}")))
}
