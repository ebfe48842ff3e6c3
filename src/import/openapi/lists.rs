//! The lists of an API: which GETs they are, and what each resource is made of.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    Selection,
    columns::{columns, object},
    document::{Document, Operation},
    paginator::{self, Pages},
};
use crate::{
    import::{ImportError, Note, name::snake},
    schema::file::selector,
};

/// Keys under which APIs put their records, the usual ones first.
const USUAL: [&str; 8] = ["data", "items", "results", "records", "entries", "content", "values", "list"];

/// Arrays that stand beside records and are none.
const BESIDE: [&str; 7] = ["errors", "warnings", "messages", "links", "_links", "included", "facets"];

/// Fields that identify an object by their names.
const IDS: [&str; 6] = ["id", "ID", "Id", "_id", "uuid", "guid"];

/// Headers that are the client's own.
const OF_CLIENT: [&str; 3] = ["accept", "content-type", "authorization"];

/// One resource to be.
pub(super) struct List {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) selector: String,
    pub(super) params: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
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
    let (keys, schema) = match list_in(document, operation.path, answer) {
        Some(found) => found,
        None if is_wanted => (Vec::new(), answer),
        None => return None,
    };
    let selector = if keys.is_empty() { "$".to_owned() } else { selector(&keys) };
    Some(Records { selector, schema: document.follow(schema)?, answer })
}

/// The array of objects in an answer, and the keys that lead to it.
fn list_in<'a>(document: &'a Document, path: &str, answer: &'a Value) -> Option<(Vec<String>, &'a Value)> {
    if let Some(items) = items(document, answer) {
        return Some((Vec::new(), items));
    }
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    // Behind a placeholder stands one object, whatever lists it has of its own.
    if last.ends_with('}') { None } else { list_below(document, last, answer, 2) }
}

/// The items of an array of objects.
fn items<'a>(document: &'a Document, schema: &'a Value) -> Option<&'a Value> {
    let items = document.follow(document.follow(schema)?.get("items")?)?;
    let is_object = !object(document, items).properties.is_empty() || items.get("type") == Some(&json!("object"));
    is_object.then_some(items)
}

/// The array that is called as the path is; a usual name; the only one there is; and the same within the objects of an object.
/// An object with an id is one thing, and what it has of others is no list of the API.
fn list_below<'a>(
    document: &'a Document,
    word: &str,
    schema: &'a Value,
    depth: usize,
) -> Option<(Vec<String>, &'a Value)> {
    let properties = all_properties(document, schema);
    let arrays: Vec<_> =
        properties.iter().filter_map(|(name, property)| Some((*name, items(document, property)?))).collect();
    let found = |(name, items): &(&'a String, &'a Value)| (vec![(*name).clone()], *items);
    if let Some(named) = arrays.iter().find(|(name, _)| snake(name) == snake(word)) {
        return Some(found(named));
    }
    if properties.iter().any(|(name, _)| IDS.contains(&name.as_str())) {
        return None;
    }
    if let Some(usual) = USUAL.iter().find_map(|usual| arrays.iter().find(|(name, _)| name == usual)) {
        return Some(found(usual));
    }
    let mut others = arrays.iter().filter(|(name, _)| !BESIDE.contains(&name.as_str()));
    if let (Some(only), None) = (others.next(), others.next()) {
        return Some(found(only));
    }
    properties.iter().filter(|(name, _)| depth > 0 && !BESIDE.contains(&name.as_str())).find_map(|(name, property)| {
        let (mut keys, items) = list_below(document, word, document.follow(property)?, depth - 1)?;
        keys.insert(0, (*name).clone());
        Some((keys, items))
    })
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
            "the description does not tell the fields of its records: the columns are found out from the first ones",
        ));
    }
    let pages = paginator::pages(document, operation, found.answer, &found.selector);
    if pages.paginator.is_none() {
        let message = "the description does not tell how the list is paged: it is found out from the first page";
        notes.push(Note::new(format!("{place}.endpoint.paginator"), message));
    }
    let mut needed = needed(operation, &pages, &place, notes);
    if let Some((name, size)) = pages.page_size {
        needed.params.insert(name, json!(size));
    }
    let primary_key = primary_key(&columns, operation.path, &place, notes);
    let (path, selector, paginator) = (operation.path.to_owned(), found.selector, pages.paginator);
    List { name, path, selector, params: needed.params, headers: needed.headers, paginator, primary_key, columns }
}

/// Without what the API does not answer.
#[derive(Default)]
struct Needed {
    params: Map<String, Value>,
    headers: Map<String, Value>,
}

fn needed(operation: &Operation<'_>, pages: &Pages, place: &str, notes: &mut Vec<Note>) -> Needed {
    let mut needed = Needed::default();
    for parameter in &operation.parameters {
        let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, kind) = (text("name"), text("in"));
        let is_own = pages.own_params.iter().any(|own| own == name)
            || pages.page_size.as_ref().is_some_and(|(size, _)| size == name);
        if parameter.get("required") != Some(&Value::Bool(true)) || is_own {
            continue;
        }
        let told = told(parameter).map(without_places);
        let (what, key, entries) = match kind {
            "query" => ("parameter", "params", &mut needed.params),
            "header" if OF_CLIENT.contains(&name.to_ascii_lowercase().as_str()) => continue,
            "header" => ("header", "headers", &mut needed.headers),
            _ => continue,
        };
        if told.is_none() {
            let message = format!("the API wants the {what} `{name}`, and the description does not tell a value");
            notes.push(Note::new(format!("{place}.endpoint.{key}.{name}"), message));
        }
        entries.insert(doubled(name), told.unwrap_or_else(|| json!("")));
    }
    needed
}

/// A value that the description tells for a parameter.
fn told(parameter: &Map<String, Value>) -> Option<Value> {
    let schema = parameter.get("schema");
    let told = ["default", "example"].into_iter().find_map(|key| parameter.get(key).or_else(|| schema?.get(key)))?;
    Some(told.clone()).filter(|told| !told.is_object() && !told.is_null())
}

/// Braces that stand for themselves: what fills places, no description knows.
fn without_places(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(doubled(&text)),
        Value::Array(items) => items.into_iter().map(without_places).collect(),
        other => other,
    }
}

fn doubled(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// The field that identifies a record by its name. Below a parent, it may do so among the parent's records only.
fn primary_key(columns: &[Value], path: &str, place: &str, notes: &mut Vec<Note>) -> Option<String> {
    let names = columns.iter().filter_map(|column| column["name"].as_str());
    let key = IDS.into_iter().find(|usual| names.clone().any(|name| name == *usual))?;
    let place = format!("{place}.primary_key");
    if path.contains('{') {
        let message =
            format!("`{key}` may be unique below one parent only: each run replaces the table, without a key");
        notes.push(Note::new(place, message));
        return None;
    }
    let message = format!("`{key}` is taken for what tells records apart, by its name: rows are merged by it");
    notes.push(Note::new(place, message));
    Some(key.to_owned())
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
    let Some(start) = path.find('{') else { return Ok(doubled(path)) };
    let place = path.get(start..).and_then(|rest| rest.get(..=rest.find('}')?)).unwrap_or_default();
    let rest = path.get(start + place.len()..).unwrap_or_default();
    let left_out = |why: &str| format!("{why}: the list {path} was left out");
    if rest.contains('{') {
        return Err(left_out("it has several placeholders, and a resource has one parent"));
    }
    let before = path.get(..start).unwrap_or_default();
    let parent = parents.iter().find(|(path, ..)| path.trim_end_matches('/') == before.trim_end_matches('/'));
    let Some((_, parent, columns)) = parent else {
        return Err(left_out(&format!("no list tells the values of `{place}`")));
    };
    let named = place.trim_matches(['{', '}']);
    let is_word = |name: &str| name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let has = |name: &str| is_word(name) && columns.iter().any(|column| column["name"] == name);
    let last_word = snake(named).rsplit('_').next().unwrap_or_default().to_owned();
    let field = [named.to_owned(), last_word, "id".to_owned()].into_iter().find(|field| has(field));
    let field = field.ok_or_else(|| left_out(&format!("`{parent}` has no field for `{place}`")))?;
    Ok(format!("{}{{resources.{parent}.{field}}}{}", doubled(before), doubled(rest)))
}
