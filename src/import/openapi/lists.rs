//! The lists of an API: which GETs they are, and what each resource is made of.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    Selection,
    columns::columns,
    document::{Document, Operation},
    external_refs::ExternalRefs,
    paginator::pages,
    parents::{Parent, bind, doubled},
    post,
    records::{IDS, Missing, Records, records},
    required_params::{Origin, required},
};
use crate::import::{ImportError, Note, literal_text, name::snake};

/// One resource to be. `params` and `headers` hold references where somebody has to fill them in; other texts stand for themselves.
pub(super) struct List<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) selector: String,
    pub(super) params: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
    /// The JSON body of a POST.
    pub(super) body: Option<Value>,
    pub(super) paginator: Option<Value>,
    pub(super) primary_key: Option<String>,
    pub(super) columns: Vec<Value>,
    notes: Vec<Note>,
}

/// The lists of the selection, in the order of the file; parents are taken along. `api`: what the names of variables begin with.
///
/// # Errors
/// [`ImportError`] if there are none, or a path of the selection is not there.
pub(super) fn lists<'a>(
    file: &str,
    document: &'a Document,
    selection: &Selection,
    api: &str,
    notes: &mut Vec<Note>,
) -> Result<Vec<List<'a>>, ImportError> {
    known_paths(file, document, selection)?;
    let taken = taken(document, selection, api, notes);
    let taken = bind_parents(taken, notes);
    if taken.is_empty() {
        let among = if selection.paths.is_empty() { "" } else { " among these paths" };
        let why = notes.iter().map(|note| note.message.clone()).collect();
        return Err(ImportError::NoLists { file: file.to_owned(), among: among.to_owned(), why });
    }
    Ok(taken)
}

fn taken<'a>(document: &'a Document, selection: &Selection, api: &str, notes: &mut Vec<Note>) -> Vec<List<'a>> {
    let mut external_refs = ExternalRefs::new(document);
    if selection.paths.is_empty() {
        external_refs.of_paths(notes);
    }
    let mut names = HashSet::new();
    let mut taken = Vec::new();
    for operation in document.operations() {
        if !is_selected(document, &operation, selection) {
            notes.extend(of_unknown(document, &operation, selection));
            continue;
        }
        let is_named = is_named(&operation, selection);
        external_refs.of_operation(&operation, notes);
        // An answer without a list is one record, of a GET only: a POST may change something.
        let found = records(document, &operation, is_named && !operation.is_post());
        let title = operation.title();
        let listed = found.map_err(|missing| why(missing, is_named || operation.is_post()));
        let listed = listed.and_then(|found| {
            let name = distinct(name(operation.path), &mut names);
            list(document, operation, name, &found, api).map_err(Some)
        });
        match listed {
            Ok(list) => taken.push(list),
            Err(why) => notes.extend(why.map(|why| Note::new("resources", format!("skipped {title}: {why}")))),
        }
    }
    taken
}

/// A POST at a path with a GET is not what a user means who names the path.
fn is_selected(document: &Document, operation: &Operation<'_>, selection: &Selection) -> bool {
    let is_named = is_named(operation, selection);
    let is_asked_for = selection.paths.is_empty() || is_named;
    if operation.is_post() {
        let is_alone = || !document.operations().any(|other| !other.is_post() && other.path == operation.path);
        return is_asked_for && (post::reads(operation) || is_named && is_alone());
    }
    is_asked_for || is_parent(operation, selection)
}

/// Returns a note about a POST that answers a list if neither its name nor its parameters show that it reads or writes.
fn of_unknown(document: &Document, operation: &Operation<'_>, selection: &Selection) -> Option<Note> {
    let is_unknown = operation.is_post() && selection.paths.is_empty() && !post::writes(operation);
    if !is_unknown || records(document, operation, false).is_err() {
        return None;
    }
    let (title, path) = (operation.title(), operation.path);
    let message =
        format!("skipped {title}: it returns a list but may write; if it only reads, import it with `--path {path}`");
    Some(Note::new("resources", message))
}

fn is_named(operation: &Operation<'_>, selection: &Selection) -> bool {
    selection.paths.iter().any(|path| is_path(path, operation.path))
}

/// Reason why an operation is skipped; `None` if it is not expected to be a resource.
fn why(missing: Missing, is_expected: bool) -> Option<String> {
    match missing {
        Missing::Skipped(why) => Some(why),
        Missing::NoList => {
            is_expected.then(|| "the description has no list of JSON objects that it answers".to_owned())
        }
    }
}

/// A slash at the end makes no other path.
fn is_path(asked: &str, path: &str) -> bool {
    asked.trim_end_matches('/') == path.trim_end_matches('/')
}

fn known_paths(file: &str, document: &Document, selection: &Selection) -> Result<(), ImportError> {
    let mut known: Vec<&str> = document.operations().map(|operation| operation.path).collect();
    known.dedup();
    match selection.paths.iter().find(|asked| !known.iter().any(|path| is_path(asked, path))) {
        None => Ok(()),
        Some(path) => Err(ImportError::NoPath {
            file: file.to_owned(),
            path: path.clone(),
            known: known.into_iter().map(str::to_owned).take(20).collect(),
        }),
    }
}

/// Whether a path of the selection goes on behind this one and a placeholder.
fn is_parent(operation: &Operation<'_>, selection: &Selection) -> bool {
    let path = operation.path.trim_end_matches('/');
    selection.paths.iter().any(|asked| asked.strip_prefix(path).is_some_and(|rest| rest.starts_with("/{")))
}

fn list<'a>(
    document: &'a Document,
    operation: Operation<'a>,
    name: String,
    found: &Records<'a>,
    api: &str,
) -> Result<List<'a>, String> {
    let mut notes = Vec::new();
    let place = format!("resources.{name}");
    let mut columns = columns(document, found.schema, &place, &mut notes);
    if columns.is_empty() {
        notes.push(Note::new(
            format!("{place}.schema"),
            "the description does not tell the fields of its records: the columns are found out from the first ones",
        ));
    }
    let place_of_pages = format!("{place}.endpoint.paginator");
    let pages = pages(document, &operation, found, &columns, &place_of_pages, &mut notes);
    if pages.paginator.is_none() {
        let message = "the description does not tell how the list is paged: it is found out from the first page";
        notes.push(Note::new(place_of_pages.as_str(), message));
    }
    let origin = Origin { api, place: &format!("{place}.endpoint") };
    let mut required = required(&operation.parameters, &pages, &origin, &mut notes);
    if let Some((parameter, size)) = pages.page_size.filter(|(parameter, _)| !parameter.is_body_field()) {
        required.params.insert(parameter.name.to_owned(), json!(size));
    }
    if let Some((parameter, value)) = &pages.total_switch {
        required.params.insert(parameter.name.to_owned(), json!(literal_text(&doubled(value))));
    }
    let body = post::body(document, &operation, &pages, &origin, &mut notes)?;
    let primary_key = primary_key(&columns, operation.path, &place, &mut notes);
    for column in columns.iter_mut().filter(|column| primary_key.as_ref().is_some_and(|key| column["name"] == *key)) {
        column["nullable"] = json!(false);
    }
    let (path, selector, paginator) = (operation.path.to_owned(), found.selector.clone(), pages.paginator);
    let (params, headers) = (required.params, required.headers);
    Ok(List { operation, name, path, selector, params, headers, body, paginator, primary_key, columns, notes })
}

/// The field that identifies a record by its name. Below a parent, it may do so among the parent's records only.
fn primary_key(columns: &[Value], path: &str, place: &str, notes: &mut Vec<Note>) -> Option<String> {
    let usual = |usual: &str| columns.iter().find(|column| column["name"] == usual);
    let (key, column) = IDS.iter().find_map(|name| Some((*name, usual(name)?)))?;
    let place = format!("{place}.primary_key");
    let kind = column["type"].as_str().unwrap_or_default();
    if kind == "json" || kind.contains('<') {
        let message = format!("`{key}` is {kind} and cannot be a key: each run replaces the table, without a key");
        notes.push(Note::new(place, message));
        return None;
    }
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

/// Placeholders of a path become fields of the list that stands before them; a list without one is told and left out, and of it
/// nothing else is told.
fn bind_parents<'a>(taken: Vec<List<'a>>, notes: &mut Vec<Note>) -> Vec<List<'a>> {
    let parent = |list: &List<'_>| Parent {
        path: list.operation.path.to_owned(),
        name: list.name.clone(),
        columns: list.columns.clone(),
    };
    let parents: Vec<Parent> = taken.iter().map(parent).collect();
    let mut bound = Vec::new();
    for mut list in taken {
        match bind(list.operation.path, &parents) {
            Ok(path) => {
                notes.append(&mut list.notes);
                bound.push(List { path, ..list });
            }
            Err(message) => notes.push(Note::new(format!("resources.{}", list.name), message)),
        }
    }
    bound
}
