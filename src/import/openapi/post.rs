//! Lists that are read with POST: which operations those are, and the body of their requests.
//!
//! ```text
//! POST /orders/search {"page": …, "size": …, "filter": {…}} ─► reads ─► body {"filter": {}, "size": 100}, paginator in `page`
//! POST /orders/bulk   {"orders": […]}                       ─► skipped: it may create what it answers
//! ```
//!
//! A run sends what an import wrote, so that an operation is taken only if its name or its body shows that it reads.

use serde_json::{Map, Value, json};

use super::{
    document::{Body, Document, Operation},
    objects::{Property, object, type_of},
    paginator::{Pages, asks_for_page, size_of},
    parameters::{Parameter, of_field},
    parents::doubled,
    required_params::{Origin, described, from_environment},
};
use crate::import::{Note, name::snake};

/// Words of operations that search, even if another word suggests a write.
const SEARCHES: [&str; 5] = ["search", "query", "find", "filter", "lookup"];

/// Words of operations that read unless another word suggests a write, as in `get-or-create`.
const READS: [&str; 5] = ["list", "get", "fetch", "retrieve", "read"];

/// Words of operations that change something, whatever they answer.
const WRITES: [&str; 18] = [
    "create", "add", "update", "delete", "remove", "bulk", "batch", "import", "upload", "send", "generate", "set",
    "put", "merge", "save", "insert", "upsert", "replace",
];

/// Name of a field in notes and in variables: `SHOP_BODY_FIELD_TENANT`.
const WHAT: &str = "body field";

/// Objects within objects of a body.
const DEEPEST: usize = 6;

/// Returns true if a POST reads records, by its path, its `operationId` or a parameter for the page. Status 201 is then accepted
/// too, since some frameworks use it for every POST.
pub(super) fn reads(operation: &Operation<'_>) -> bool {
    let (last, id) = (last(operation), id(operation));
    // `/lists` and `/mailing-list` are things, `/orders/list` is what to do with them.
    if has_word(last, &SEARCHES) || snake(last) == "list" {
        return true;
    }
    let is_named_so = || has_word(id, &SEARCHES) || has_word(id, &READS) || has_word(last, &READS[1..]);
    !writes(operation) && (is_named_so() || asks_for_page(&operation.parameters))
}

/// Returns true if the name of a POST suggests a write.
pub(super) fn writes(operation: &Operation<'_>) -> bool {
    has_word(last(operation), &WRITES) || has_word(id(operation), &WRITES)
}

fn last<'a>(operation: &Operation<'a>) -> &'a str {
    operation.path.rsplit('/').find(|part| !part.is_empty() && !part.starts_with('{')).unwrap_or_default()
}

fn id<'a>(operation: &Operation<'a>) -> &'a str {
    operation.details.get("operationId").and_then(Value::as_str).unwrap_or_default()
}

fn has_word(name: &str, words: &[&str]) -> bool {
    snake(name).split('_').any(|word| words.contains(&word))
}

/// Returns the body: the fields that it requires and the page size; `None` if the operation takes none.
///
/// # Errors
/// Why it cannot be made.
pub(super) fn body(
    document: &Document,
    operation: &Operation<'_>,
    pages: &Pages<'_, '_>,
    origin: &Origin<'_>,
    notes: &mut Vec<Note>,
) -> Result<Option<Value>, String> {
    let schema = match operation.body {
        None => return Ok(None),
        Some(Body::Other(media)) => {
            return Err(format!("its body is `{media}`, and pages are requested with JSON only"));
        }
        Some(Body::Json(schema)) => schema,
    };
    let mut maker = Maker { document, pages, origin, notes };
    let mut body = maker.object(schema, &[])?;
    if let Some((parameter, size)) = pages.page_size.filter(|(parameter, _)| parameter.is_body_field()) {
        put(&mut body, &parameter.keys(), json!(size));
    }
    Ok(Some(Value::Object(body)))
}

fn put(body: &mut Map<String, Value>, keys: &[String], value: Value) {
    match keys {
        [] => {}
        [key] => {
            body.insert(doubled(key), value);
        }
        [key, below @ ..] => {
            let inner = body.entry(doubled(key)).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                put(inner, below, value);
            }
        }
    }
}

struct Maker<'m, 'a> {
    document: &'a Document,
    pages: &'m Pages<'m, 'a>,
    origin: &'m Origin<'m>,
    notes: &'m mut Vec<Note>,
}

impl<'a> Maker<'_, 'a> {
    fn object(&mut self, schema: &'a Value, above: &[&'a str]) -> Result<Map<String, Value>, String> {
        let object = object(self.document, schema);
        let mut made = Map::new();
        if above.len() >= DEEPEST {
            return Ok(made);
        }
        for property in object.properties.iter().filter(|property| object.required.contains(&property.name)) {
            let parameter = of_field(self.document, above.last().copied(), property);
            if above.len() > 1 || !self.pages.sends(&parameter) {
                made.insert(doubled(property.name), self.field(&parameter, property, above)?);
            }
        }
        Ok(made)
    }

    /// The value that the description has, an empty list, what an object requires, or a variable.
    fn field(&mut self, field: &Parameter<'a>, property: &Property<'a>, above: &[&'a str]) -> Result<Value, String> {
        let kind = property.schemas.iter().find_map(|schema| type_of(self.document, schema)).unwrap_or_default();
        if let Some(known) = described(field, WHAT) {
            return Ok(self.noted(known, above, property.name));
        }
        match kind {
            "array" => {
                let message = format!("the API requires this {WHAT}; an empty list is sent");
                Ok(self.noted((json!([]), Some(message)), above, property.name))
            }
            "object" => {
                let schema = property.schemas.first().copied().unwrap_or(&Value::Null);
                self.object(schema, &[above, &[property.name]].concat()).map(Value::Object)
            }
            "string" => Ok(self.noted(from_environment(field, WHAT, self.origin.api), above, property.name)),
            _ if let Some(size) = size_of(field, self.origin.place, self.notes) => Ok(json!(size)),
            _ => Err(format!("its body requires `{}`, and the description has no value for it", property.name)),
        }
    }

    fn noted(&mut self, (value, note): (Value, Option<String>), above: &[&str], name: &str) -> Value {
        let place = format!("{}.json.{}", self.origin.place, [above, &[name]].concat().join("."));
        self.notes.extend(note.map(|message| Note::new(place, message)));
        value
    }
}
