//! Where the records are in an answer.

use serde_json::Value;

use super::{
    document::{Document, Operation},
    objects::{Property, alternatives, is_object, items, object, type_of},
    pagination_fields::{is_about_pages, is_envelope},
    paginator::asks_for_page,
};
use crate::{import::name::snake, schema::file::selector};

/// Keys under which APIs put their records, the usual ones first.
const USUAL: [&str; 8] = ["data", "items", "results", "records", "entries", "content", "values", "list"];

/// Keys of [`USUAL`] that no record has for a list of its own.
const SURE: [&str; 3] = ["data", "results", "records"];

/// Words in the names of fields beside the records in an envelope. An object with any other field is a record, e.g. an order with
/// its `currency` and its `items`.
const ENVELOPE_WORDS: [&str; 40] = [
    "total",
    "count",
    "page",
    "pages",
    "per",
    "limit",
    "offset",
    "skip",
    "next",
    "prev",
    "previous",
    "self",
    "more",
    "has",
    "cursor",
    "token",
    "links",
    "link",
    "meta",
    "metadata",
    "status",
    "success",
    "ok",
    "code",
    "message",
    "error",
    "errors",
    "warnings",
    "object",
    "kind",
    "etag",
    "url",
    "href",
    "request",
    "took",
    "time",
    "timestamp",
    "version",
    "odata",
    "query",
];

/// Arrays that stand beside records and are none.
const BESIDE: [&str; 7] = ["errors", "warnings", "messages", "links", "_links", "included", "facets"];

/// Fields that identify an object by their names.
pub(super) const IDS: [&str; 6] = ["id", "ID", "Id", "_id", "uuid", "guid"];

/// Last words in names of fields that identify an object, e.g. `cart_id`.
const NAMES: [&str; 8] = ["id", "number", "key", "slug", "name", "title", "uuid", "code"];

/// The records of one answer.
pub(super) struct Records<'a> {
    pub(super) selector: String,
    /// The keys that lead to them; empty if the answer itself is the list, or the one record.
    pub(super) keys: Vec<String>,
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
    let answer = document.answer(operation).ok_or(Missing::NoList)?;
    let (keys, schema) = match list_in(document, operation, answer) {
        Ok(found) => found,
        Err(_) if is_wanted => (Vec::new(), answer),
        Err(missing) => return Err(missing),
    };
    let selector = if keys.is_empty() { "$".to_owned() } else { selector(&keys) };
    Ok(Records { selector, keys, schema: document.follow(schema).ok_or(Missing::NoList)?, answer })
}

/// The array of objects in an answer, and the keys that lead to it.
fn list_in<'a>(
    document: &'a Document,
    operation: &Operation<'a>,
    answer: &'a Value,
) -> Result<(Vec<String>, &'a Value), Missing> {
    if items(document, answer).is_some() {
        let objects = objects_in(document, answer);
        return objects
            .map(|items| (Vec::new(), items))
            .ok_or_else(|| skipped("its array is not described as one of objects"));
    }
    if alternatives(answer).any(|one| items(document, one).is_some()) {
        return Err(skipped("its answer may be an array, or something else"));
    }
    let last = operation.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    // A placeholder names one object, whatever lists it has of its own: `/orders/{id}`, `/orders/{id}.json`, `/Orders({key})`.
    if last.contains('{') {
        return Err(Missing::NoList);
    }
    let search = Search {
        document,
        word: snake(last),
        is_paged: asks_for_page(&operation.parameters),
        is_of_one: operation.path.contains('{'),
    };
    search.list_below(answer, 2).ok_or_else(|| missing(document, answer))
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
    let arrays: Vec<_> = arrays.collect();
    let is_of_objects =
        |property: &Property<'_>| property.schemas.iter().any(|one| objects_in(document, one).is_some());
    match arrays.iter().map(|property| format!("`{}`", property.name)).collect::<Vec<_>>().as_slice() {
        [] => Missing::NoList,
        [only] if arrays.iter().any(|property| is_of_objects(property)) => {
            Missing::Skipped(format!("its answer looks like one record, with the list {only} in it"))
        }
        [only] => Missing::Skipped(format!("its array {only} is not described as one of objects")),
        several => Missing::Skipped(format!("any of its arrays may be the list: {}", several.join(", "))),
    }
}

/// The items of an array of objects.
fn objects_in<'a>(document: &'a Document, schema: &'a Value) -> Option<&'a Value> {
    items(document, schema).filter(|items| is_object(document, items))
}

/// A search for the list of an answer.
struct Search<'a> {
    document: &'a Document,
    /// The last word of the path.
    word: String,
    /// The operation takes the number of a page, an offset or a cursor.
    is_paged: bool,
    /// Whether the path has a placeholder, so that it belongs to one object.
    is_of_one: bool,
}

impl<'a> Search<'a> {
    /// Returns the array that is called as the path is; one under a usual name; the only one; and the same within the objects of an
    /// object. An object with an id, or with fields that no envelope has, is one record, and its arrays are no lists of the API.
    fn list_below(&self, schema: &'a Value, depth: usize) -> Option<(Vec<String>, &'a Value)> {
        let properties = object(self.document, schema).properties;
        let arrays: Vec<_> =
            properties.iter().filter_map(|property| Some((property.name, self.array(property)?))).collect();
        let found = |(name, items): &(&'a str, &'a Value)| (vec![(*name).to_owned()], *items);
        if let Some(named) = arrays.iter().find(|(name, _)| snake(name) == self.word) {
            return Some(found(named));
        }
        if properties.iter().any(|property| IDS.contains(&property.name)) {
            return None;
        }
        let usual = USUAL.iter().find_map(|usual| arrays.iter().find(|(name, _)| name == usual));
        if !self.is_envelope(&properties, usual.map(|(name, _)| *name), !arrays.is_empty()) {
            return None;
        }
        if let Some(usual) = usual {
            return Some(found(usual));
        }
        let mut others = arrays.iter().filter(|(name, _)| !BESIDE.contains(name));
        if let (Some(only), None) = (others.next(), others.next()) {
            return Some(found(only));
        }
        let inner = properties.iter().filter(|property| depth > 0 && !BESIDE.contains(&property.name));
        inner.into_iter().find_map(|property| {
            let inner = property.schemas.iter().find_map(|schema| self.list_below(schema, depth - 1));
            let (mut keys, items) = inner?;
            keys.insert(0, property.name.to_owned());
            Some((keys, items))
        })
    }

    fn array(&self, property: &Property<'a>) -> Option<&'a Value> {
        property.schemas.iter().find_map(|schema| objects_in(self.document, schema))
    }

    /// Returns true if an object is made of its pages rather than of a record's fields.
    fn is_envelope(&self, properties: &[Property<'a>], usual: Option<&str>, has_list: bool) -> bool {
        if self.is_paged || properties.iter().any(|property| is_about_pages(property.name)) {
            return true;
        }
        let others: Vec<_> = properties.iter().filter(|property| !self.is_of_envelope(property, has_list)).collect();
        let is_sure = usual.is_some_and(|usual| SURE.contains(&usual));
        // Below one object, a plural may name its parts: `/orders/{id}/details`.
        if usual.is_some() && self.is_plural() && (is_sure || !self.is_of_one) {
            return true;
        }
        match others.as_slice() {
            [] => true,
            [only] => is_sure || usual.is_some() && !names_one(only.name),
            _ => false,
        }
    }

    /// Returns true if the path names many: `/orders`, and not `/cart`.
    fn is_plural(&self) -> bool {
        self.word.ends_with('s') && !self.word.ends_with("ss")
    }

    /// Arrays may be of either, and so may be an object without a list beside it: `{"response": {"items": […]}}`.
    fn is_of_envelope(&self, property: &Property<'a>, has_list: bool) -> bool {
        let is_open = |kind: &str| kind == "array" || kind == "object" && !has_list;
        let mut kinds = property.schemas.iter().filter_map(|schema| type_of(self.document, schema));
        let words = snake(property.name);
        kinds.any(is_open)
            || BESIDE.contains(&property.name)
            || is_envelope(property.name)
            || words.split('_').any(|word| ENVELOPE_WORDS.contains(&word))
    }
}

/// Returns true if a field identifies its object, e.g. `cart_id` or `number`.
fn names_one(name: &str) -> bool {
    snake(name).rsplit('_').next().is_some_and(|word| NAMES.contains(&word))
}
