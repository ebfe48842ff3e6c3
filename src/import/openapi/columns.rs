//! Columns of a table from the JSON Schema of its records.

use serde_json::{Value, json};

use super::document::Document;
use crate::schema::{ColumnType, Field};

/// Objects within objects that become structs; what is deeper is `json`.
const DEEPEST: usize = 6;

/// Fields within one column, at all depths; a column with more is `json`. Nobody reads a type that fills pages, and schemas that
/// name each other would grow without end.
const MOST_FIELDS: usize = 500;

/// The columns of records of this schema, in its order.
pub(super) fn columns(document: &Document, record: &Value) -> Vec<Value> {
    let object = object(document, record);
    let columns = object.properties.into_iter().map(|(name, schema)| {
        let mut column = json!({"name": name, "type": data_type(document, schema).to_string()});
        if object.required.contains(&name) && !is_nullable(document, schema) {
            column["nullable"] = json!(false);
        }
        column
    });
    columns.collect()
}

/// The schema's properties with those of all that it is made of.
#[derive(Default)]
pub(super) struct Object<'a> {
    pub(super) properties: Vec<(&'a str, &'a Value)>,
    pub(super) required: Vec<&'a str>,
}

impl<'a> Object<'a> {
    /// What comes later says more.
    fn add(&mut self, name: &'a str, property: &'a Value) {
        match self.properties.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = property,
            None => self.properties.push((name, property)),
        }
    }
}

pub(super) fn object<'a>(document: &'a Document, schema: &'a Value) -> Object<'a> {
    Walk::new(document).object(schema)
}

fn data_type(document: &Document, schema: &Value) -> ColumnType {
    let mut walk = Walk::new(document);
    let data_type = walk.data_type(schema, 0);
    if walk.left == 0 { ColumnType::Json } else { data_type }
}

/// A way down into a schema.
struct Walk<'a> {
    document: &'a Document,
    /// The references that lead here: what comes again leads to itself.
    path: Vec<&'a str>,
    /// Fields that there may be yet.
    left: usize,
}

/// `nullable: true` (3.0), `type: [string, "null"]` (3.1), or an alternative that is null.
fn is_nullable(document: &Document, schema: &Value) -> bool {
    let Some(schema) = document.follow(schema) else { return true };
    let says = schema.get("nullable").or_else(|| schema.get("x-nullable")) == Some(&Value::Bool(true));
    let has_null =
        schema.get("type").and_then(Value::as_array).is_some_and(|types| types.iter().any(|kind| kind == "null"));
    let alternatives = ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    says || has_null || alternatives.clone().any(|one| one.get("type") == Some(&json!("null")))
}

/// The one type of a schema, `null` aside; `None` if it may be several.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.next().filter(|_| kinds.next().is_none())
        }
        _ => None,
    }
}

impl<'a> Walk<'a> {
    fn new(document: &'a Document) -> Self {
        Self { document, path: Vec::new(), left: MOST_FIELDS }
    }

    /// What `look` makes of a schema, which is not entered again below itself; `None` if that would be.
    fn within<T>(&mut self, schema: &'a Value, look: impl FnOnce(&mut Self, &'a Value) -> T) -> Option<T> {
        let before = self.path.len();
        let path = &mut self.path;
        let followed = self.document.follow_by(schema, |reference| {
            let is_new = !path.contains(&reference);
            path.push(reference);
            is_new
        });
        let looked = followed.filter(|_| self.left > 0).map(|schema| look(self, schema));
        self.path.truncate(before);
        looked
    }

    fn object(&mut self, schema: &'a Value) -> Object<'a> {
        let mut object = Object::default();
        self.within(schema, |walk, schema| walk.add_parts(schema, &mut object));
        object
    }

    fn add_parts(&mut self, schema: &'a Value, object: &mut Object<'a>) {
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.left = self.left.saturating_sub(1);
            self.within(part, |walk, part| walk.add_parts(part, object));
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            object.add(name, property);
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        object.required.extend(required.filter_map(Value::as_str));
    }

    fn data_type(&mut self, schema: &'a Value, depth: usize) -> ColumnType {
        if depth >= DEEPEST {
            return ColumnType::Json;
        }
        self.within(schema, |walk, schema| walk.data_type_of(schema, depth)).unwrap_or(ColumnType::Json)
    }

    fn data_type_of(&mut self, schema: &'a Value, depth: usize) -> ColumnType {
        if let Some(only) = only_alternative(schema) {
            return self.data_type(only, depth + 1);
        }
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        match kind(schema) {
            Some("boolean") => ColumnType::Bool,
            Some("integer") => integer(schema, format),
            Some("number") => number(format),
            Some("string") => text(format),
            Some("array") => match schema.get("items") {
                Some(items) => ColumnType::List(Box::new(self.data_type(items, depth + 1))),
                None => ColumnType::Json,
            },
            Some("object") => self.structure(schema, depth),
            None if schema.get("properties").is_some() || schema.get("allOf").is_some() => {
                self.structure(schema, depth)
            }
            None => of_values(schema).unwrap_or(ColumnType::Json),
            _ => ColumnType::Json,
        }
    }

    fn structure(&mut self, schema: &'a Value, depth: usize) -> ColumnType {
        let mut object = Object::default();
        self.add_parts(schema, &mut object);
        if object.properties.is_empty() {
            return match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => ColumnType::Map(Box::new(self.data_type(values, depth + 1))),
                _ => ColumnType::Json,
            };
        }
        self.left = self.left.saturating_sub(object.properties.len());
        let fields = object.properties.into_iter().map(|(name, schema)| {
            let data_type = self.data_type(schema, depth + 1);
            Field { name: name.to_owned(), data_type }
        });
        ColumnType::Struct(fields.collect())
    }
}

/// The type of the values that are told one by one.
fn of_values(schema: &Value) -> Option<ColumnType> {
    let values = schema.get("enum")?.as_array()?.iter().filter(|value| !value.is_null());
    let mut types = values.map(|value| match value {
        Value::String(_) => Some(ColumnType::String),
        Value::Bool(_) => Some(ColumnType::Bool),
        Value::Number(number) if number.is_i64() => Some(ColumnType::Int64),
        _ => None,
    });
    let first = types.next()??;
    types.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// `oneOf` and `anyOf` of one thing and null.
fn only_alternative(schema: &Value) -> Option<&Value> {
    let alternatives = ["oneOf", "anyOf"].into_iter().find_map(|key| schema.get(key)?.as_array())?;
    let mut others = alternatives.iter().filter(|one| one.get("type") != Some(&json!("null")));
    others.next().filter(|_| others.next().is_none())
}

fn integer(schema: &Value, format: &str) -> ColumnType {
    let is_large = schema.get("maximum").and_then(Value::as_f64).is_some_and(|maximum| maximum > i64::MAX as f64);
    match format {
        "int32" => ColumnType::Int32,
        "uint64" => ColumnType::UInt64,
        _ if is_large => ColumnType::UInt64,
        _ => ColumnType::Int64,
    }
}

fn number(format: &str) -> ColumnType {
    // `float` is what many write for any number: a double holds it all the same.
    match format {
        "decimal" => ColumnType::Decimal { precision: 38, scale: 9 },
        _ => ColumnType::Float64,
    }
}

fn text(format: &str) -> ColumnType {
    match format {
        "date-time" => ColumnType::Timestamp,
        "date" => ColumnType::Date,
        "uuid" => ColumnType::Uuid,
        "byte" => ColumnType::Binary,
        _ => ColumnType::String,
    }
}
