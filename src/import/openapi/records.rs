//! Where the records are in an answer.

use serde_json::Value;

use super::{
    document::{Document, Operation},
    objects::{Property, alternatives, is_object, items, object},
};
use crate::{import::name::snake, schema::file::selector};

/// Keys under which APIs put their records, the usual ones first.
const USUAL: [&str; 8] = ["data", "items", "results", "records", "entries", "content", "values", "list"];

/// Arrays that stand beside records and are none.
const BESIDE: [&str; 7] = ["errors", "warnings", "messages", "links", "_links", "included", "facets"];

/// Fields that identify an object by their names.
pub(super) const IDS: [&str; 6] = ["id", "ID", "Id", "_id", "uuid", "guid"];

/// The records of one answer.
pub(super) struct Records<'a> {
    pub(super) selector: String,
    pub(super) schema: &'a Value,
    pub(super) answer: &'a Value,
}

/// Why an answer gives no records.
pub(super) enum Missing {
    /// Nothing in it looks like a list.
    NoList,
    /// It holds an array that could not be taken.
    Skipped(String),
}

/// `is_wanted`: what holds no list is one record.
pub(super) fn records<'a>(
    document: &'a Document,
    operation: &Operation<'a>,
    is_wanted: bool,
) -> Result<Records<'a>, Missing> {
    let answer = document.answer(operation.get).ok_or(Missing::NoList)?;
    let (keys, schema) = match list_in(document, operation.path, answer) {
        Ok(found) => found,
        Err(_) if is_wanted => (Vec::new(), answer),
        Err(missing) => return Err(missing),
    };
    let selector = if keys.is_empty() { "$".to_owned() } else { selector(&keys) };
    Ok(Records { selector, schema: document.follow(schema).ok_or(Missing::NoList)?, answer })
}

/// The array of objects in an answer, and the keys that lead to it.
fn list_in<'a>(document: &'a Document, path: &str, answer: &'a Value) -> Result<(Vec<String>, &'a Value), Missing> {
    if items(document, answer).is_some() {
        let objects = objects_in(document, answer);
        return objects
            .map(|items| (Vec::new(), items))
            .ok_or_else(|| skipped("its array is not described as one of objects"));
    }
    if alternatives(answer).any(|one| items(document, one).is_some()) {
        return Err(skipped("its answer may be an array, or something else"));
    }
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    // Behind a placeholder stands one object, whatever lists it has of its own.
    if last.ends_with('}') {
        return Err(Missing::NoList);
    }
    list_below(document, last, answer, 2).ok_or_else(|| missing(document, answer))
}

fn skipped(why: &str) -> Missing {
    Missing::Skipped(why.to_owned())
}

/// Several arrays, of which no name tells which one holds the records; or one of something else.
fn missing(document: &Document, answer: &Value) -> Missing {
    let properties = object(document, answer).properties;
    if properties.iter().any(|property| IDS.contains(&property.name)) {
        return Missing::NoList;
    }
    let arrays = properties.iter().filter(|property| {
        !BESIDE.contains(&property.name) && property.schemas.iter().any(|schema| items(document, schema).is_some())
    });
    match arrays.map(|property| format!("`{}`", property.name)).collect::<Vec<_>>().as_slice() {
        [] => Missing::NoList,
        [only] => Missing::Skipped(format!("its array {only} is not described as one of objects")),
        several => Missing::Skipped(format!("any of its arrays may be the list: {}", several.join(", "))),
    }
}

/// The items of an array of objects.
fn objects_in<'a>(document: &'a Document, schema: &'a Value) -> Option<&'a Value> {
    items(document, schema).filter(|items| is_object(document, items))
}

/// The array that is called as the path is; a usual name; the only one there is; and the same within the objects of an object.
/// An object with an id is one thing, and what it has of others is no list of the API.
fn list_below<'a>(
    document: &'a Document,
    word: &str,
    schema: &'a Value,
    depth: usize,
) -> Option<(Vec<String>, &'a Value)> {
    let properties = object(document, schema).properties;
    let array = |property: &Property<'a>| property.schemas.iter().find_map(|schema| objects_in(document, schema));
    let arrays: Vec<_> = properties.iter().filter_map(|property| Some((property.name, array(property)?))).collect();
    let found = |(name, items): &(&'a str, &'a Value)| (vec![(*name).to_owned()], *items);
    if let Some(named) = arrays.iter().find(|(name, _)| snake(name) == snake(word)) {
        return Some(found(named));
    }
    if properties.iter().any(|property| IDS.contains(&property.name)) {
        return None;
    }
    if let Some(usual) = USUAL.iter().find_map(|usual| arrays.iter().find(|(name, _)| name == usual)) {
        return Some(found(usual));
    }
    let mut others = arrays.iter().filter(|(name, _)| !BESIDE.contains(name));
    if let (Some(only), None) = (others.next(), others.next()) {
        return Some(found(only));
    }
    let inner = properties.iter().filter(|property| depth > 0 && !BESIDE.contains(&property.name));
    inner.into_iter().find_map(|property| {
        let inner = property.schemas.iter().find_map(|schema| list_below(document, word, schema, depth - 1));
        let (mut keys, items) = inner?;
        keys.insert(0, property.name.to_owned());
        Some((keys, items))
    })
}
