//! Columns of a table from the JSON Schema of its records.

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::schema::{ColumnType, Field};

/// Objects within objects that become structs; what is deeper is `json`.
const DEEPEST: usize = 6;

/// The columns of records of this schema, in its order.
pub(super) fn columns(document: &Document, record: &Value) -> Vec<Value> {
    let object = object(document, record, 0);
    let columns = object.properties.iter().map(|(name, schema)| {
        let data_type = data_type(document, schema, 0);
        let mut column = json!({"name": name, "type": data_type.to_string()});
        // A dot in a key would be a step of a path.
        if name.contains(['.', '[', '$']) {
            column["source"] = json!(format!("['{name}']"));
        }
        if object.required.contains(name) && !is_nullable(document, schema) {
            column["nullable"] = json!(false);
        }
        column
    });
    columns.collect()
}

/// The schema's properties with those of all that it is made of.
#[derive(Default)]
pub(super) struct Object {
    pub(super) properties: Map<String, Value>,
    pub(super) required: Vec<String>,
}

pub(super) fn object(document: &Document, schema: &Value, depth: usize) -> Object {
    let mut object = Object::default();
    let Some(schema) = document.follow(schema).filter(|_| depth <= DEEPEST) else { return object };
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        let part = self::object(document, part, depth + 1);
        object.properties.extend(part.properties);
        object.required.extend(part.required);
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        object.properties.extend(properties.clone());
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    object.required.extend(required.filter_map(|name| name.as_str().map(str::to_owned)));
    object
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

fn data_type(document: &Document, schema: &Value, depth: usize) -> ColumnType {
    let Some(schema) = document.follow(schema).filter(|_| depth < DEEPEST) else { return ColumnType::Json };
    if let Some(only) = only_alternative(schema) {
        return data_type(document, only, depth + 1);
    }
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    match kind(schema) {
        Some("boolean") => ColumnType::Bool,
        Some("integer") => integer(schema, format),
        Some("number") => number(format),
        Some("string") => text(format),
        Some("array") => match schema.get("items") {
            Some(items) => ColumnType::List(Box::new(data_type(document, items, depth + 1))),
            None => ColumnType::Json,
        },
        Some("object") => structure(document, schema, depth),
        None if schema.get("properties").is_some() || schema.get("allOf").is_some() => {
            structure(document, schema, depth)
        }
        _ => ColumnType::Json,
    }
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

fn structure(document: &Document, schema: &Value, depth: usize) -> ColumnType {
    let object = object(document, schema, depth);
    if object.properties.is_empty() {
        return match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => ColumnType::Map(Box::new(data_type(document, values, depth + 1))),
            _ => ColumnType::Json,
        };
    }
    let fields = object.properties.iter().map(|(name, schema)| {
        let data_type = data_type(document, schema, depth + 1);
        Field { name: name.clone(), data_type }
    });
    ColumnType::Struct(fields.collect())
}
