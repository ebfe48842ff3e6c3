//! Columns of a table from the JSON Schema of its records.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    document::Document,
    objects::{Property, Walk, alternatives, kind, object, only_alternative, parts, says_type},
};
use crate::{
    import::Note,
    schema::{ColumnType, Field},
};

/// Objects within objects that become structs; what is deeper is `json`.
const DEEPEST: usize = 6;

/// The columns of records of this schema, in its order. `place`: of the resource.
pub(super) fn columns(document: &Document, record: &Value, place: &str, notes: &mut Vec<Note>) -> Vec<Value> {
    let object = object(document, record);
    let mut folded = HashSet::new();
    let mut columns = Vec::new();
    for property in &object.properties {
        match fault(property.name, &mut folded) {
            Some(fault) => {
                let message = format!("the field `{}` was left out: {fault}", property.name);
                notes.push(Note::new(format!("{place}.schema"), message));
            }
            None => columns.push(column(document, property)),
        }
    }
    columns
}

/// Why a field cannot be a column under its name.
fn fault(name: &str, folded: &mut HashSet<String>) -> Option<&'static str> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Some("a column's name is a line of text; name it, and write its field as `source`");
    }
    let is_new = folded.insert(name.to_lowercase());
    (!is_new).then_some(
        "readers do not tell it from a column whose name differs by case only; give it another name, and its field as `source`",
    )
}

/// Nullable whatever the description says: many APIs send null, or nothing, for fields that are `required` and not `nullable`.
fn column(document: &Document, property: &Property<'_>) -> Value {
    json!({"name": property.name, "type": data_type(document, property).to_string()})
}

fn data_type(document: &Document, property: &Property<'_>) -> ColumnType {
    let mut walk = Walk::new(document);
    let data_type = property_type(&mut walk, property, 0);
    if walk.is_spent() { ColumnType::Json } else { data_type }
}

/// The type that all say; `json` if it may be of several.
fn property_type<'a>(walk: &mut Walk<'a>, property: &Property<'a>, depth: usize) -> ColumnType {
    let telling = property.schemas.iter().filter(|schema| says_type(schema));
    let mut types = telling.map(|schema| schema_type(walk, schema, depth));
    let first = types.next().unwrap_or(ColumnType::Json);
    if types.all(|other| other == first) { first } else { ColumnType::Json }
}

fn schema_type<'a>(walk: &mut Walk<'a>, schema: &'a Value, depth: usize) -> ColumnType {
    if depth >= DEEPEST {
        return ColumnType::Json;
    }
    walk.within(schema, |walk, schema| entered_type(walk, schema, depth)).unwrap_or(ColumnType::Json)
}

fn entered_type<'a>(walk: &mut Walk<'a>, schema: &'a Value, depth: usize) -> ColumnType {
    let is_open = kind(schema).is_none() && schema.get("properties").is_none();
    if let Some(only) = only_alternative(schema).filter(|_| is_open) {
        return schema_type(walk, only, depth + 1);
    }
    if is_open && alternatives(schema).next().is_some() {
        return common_type(walk, schema, depth);
    }
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    match kind(schema) {
        Some("boolean") => ColumnType::Bool,
        Some("integer") => integer(schema, format),
        Some("number") => number(format),
        Some("string") => text(format),
        Some("array") => match schema.get("items") {
            Some(items) => ColumnType::List(Box::new(schema_type(walk, items, depth + 1))),
            None => ColumnType::Json,
        },
        Some("object") => structure(walk, schema, depth),
        None if schema.get("properties").is_some() => structure(walk, schema, depth),
        None if schema.get("allOf").is_some() => match structure(walk, schema, depth) {
            ColumnType::Json => part_type(walk, schema, depth),
            structure => structure,
        },
        None => of_values(schema).unwrap_or(ColumnType::Json),
        _ => ColumnType::Json,
    }
}

/// The type that all alternatives have: Django's choices are `oneOf` an enum, the empty text and null. Objects that differ are
/// `json`.
fn common_type<'a>(walk: &mut Walk<'a>, schema: &'a Value, depth: usize) -> ColumnType {
    let types: Vec<_> = alternatives(schema).filter_map(|one| some_type(walk, one, depth)).collect();
    let mut types = types.into_iter();
    let first = types.next().unwrap_or(ColumnType::Json);
    if types.all(|other| other == first) { first } else { ColumnType::Json }
}

/// `None` if the schema allows null only.
fn some_type<'a>(walk: &mut Walk<'a>, schema: &'a Value, depth: usize) -> Option<ColumnType> {
    let is_null = |schema: &Value| schema.get("enum") == Some(&json!([null])) || schema["type"] == "null";
    let found = walk.within(schema, |_, schema| is_null(schema));
    (found != Some(true)).then(|| schema_type(walk, schema, depth + 1))
}

/// `allOf` of one thing that is no object, with what is said of it in this place.
fn part_type<'a>(walk: &mut Walk<'a>, schema: &'a Value, depth: usize) -> ColumnType {
    let mut types = parts(schema).map(|part| schema_type(walk, part, depth));
    types.find(|data_type| *data_type != ColumnType::Json).unwrap_or(ColumnType::Json)
}

fn structure<'a>(walk: &mut Walk<'a>, schema: &'a Value, depth: usize) -> ColumnType {
    let object = walk.object_of(schema);
    if object.properties.is_empty() {
        return match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => ColumnType::Map(Box::new(schema_type(walk, values, depth + 1))),
            _ => ColumnType::Json,
        };
    }
    walk.spend(object.properties.len());
    let mut folded = HashSet::new();
    if object.properties.iter().any(|property| fault(property.name, &mut folded).is_some()) {
        return ColumnType::Json;
    }
    let field = |property: &Property<'a>| {
        let data_type = property_type(walk, property, depth + 1);
        Field { name: property.name.to_owned(), data_type }
    };
    ColumnType::Struct(object.properties.iter().map(field).collect())
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
