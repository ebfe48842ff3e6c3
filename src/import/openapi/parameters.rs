//! The parameters of an operation, each with all that is said of it, wherever that stands.

use serde_json::{Map, Value};

use super::{
    document::Document,
    objects::{Property, object},
};
use crate::schema::file::selector;

/// The place of a parameter that is a field of a JSON body.
pub(super) const BODY_FIELD: &str = "json";

/// One parameter.
#[derive(Clone)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    /// `query`, `header`, `path`, `cookie`, or [`BODY_FIELD`].
    pub(super) place: &'a str,
    /// The field of the body that holds it, e.g. `page` of `{"page": {"size": 50}}`.
    pub(super) holder: Option<&'a str>,
    pub(super) is_required: bool,
    /// The parameter itself, its schema, and what that is made of: Swagger 2 has all in the first.
    layers: Vec<&'a Map<String, Value>>,
}

impl<'a> Parameter<'a> {
    /// Returns true if it may page: it is sent in the query or in the body.
    pub(super) fn is_sent(&self) -> bool {
        self.place == "query" || self.is_body_field()
    }

    pub(super) fn is_body_field(&self) -> bool {
        self.place == BODY_FIELD
    }

    /// Returns the keys that lead to it in the body.
    pub(super) fn keys(&self) -> Vec<String> {
        self.holder.into_iter().chain([self.name]).map(str::to_owned).collect()
    }

    /// Returns its place as a user writes it: `limit`, or `page.size` of a body.
    pub(super) fn path(&self) -> String {
        if self.is_body_field() { selector(&self.keys()) } else { self.name.to_owned() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.layers.iter().find_map(|layer| layer.get(key))
    }

    fn text(&self, key: &str) -> &'a str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The one type that is not null; empty if none is told.
    pub(super) fn kind(&self) -> &'a str {
        match self.get("type") {
            Some(Value::String(kind)) => kind,
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("")
            }
            _ => "",
        }
    }

    /// Whether it takes a number: its type says so, or none, or it is a text whose example, bound or form is a number.
    pub(super) fn is_number(&self) -> bool {
        let is_digits =
            |value: &Value| value.is_u64() || value.as_str().is_some_and(|text| text.parse::<u64>().is_ok());
        match self.kind() {
            "integer" | "number" => true,
            "" => self.get("content").is_none() && self.get("enum").is_none(),
            "string" => {
                let is_told = ["default", "example"].into_iter().any(|key| self.get(key).is_some_and(is_digits));
                let pattern = self.text("pattern").trim_start_matches('^');
                let is_pattern = ["[0-9]", "\\d"].iter().any(|digit| pattern.starts_with(digit));
                self.get("enum").is_none() && (is_told || is_pattern || self.text("format").starts_with("int"))
            }
            _ => false,
        }
    }

    /// Whether it may take a cursor: a text or a number that is neither one of a few nor a time.
    pub(super) fn is_cursor(&self) -> bool {
        let is_one = matches!(self.kind(), "" | "string" | "integer");
        is_one && self.get("enum").is_none() && !self.text("format").starts_with("date")
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let value = self.get(key)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// The values that it may have, if they are told one by one.
    pub(super) fn values(&self) -> Vec<&'a Value> {
        match (self.get("enum"), self.get("const")) {
            (Some(Value::Array(values)), _) => values.iter().filter(|value| !value.is_null()).collect(),
            (_, only) => only.into_iter().collect(),
        }
    }

    /// An example of a value, wherever a version of OpenAPI has it.
    pub(super) fn example(&self) -> Option<&'a Value> {
        let of_many = |many: &'a Value| match many {
            Value::Array(values) => values.first(),
            Value::Object(named) => named.values().find_map(|one| one.get("value")),
            _ => None,
        };
        ["example", "x-example"].into_iter().find_map(|key| self.get(key)).or_else(|| of_many(self.get("examples")?))
    }
}

/// Those of a path and of its operation, whose own come in place of the path's.
pub(super) fn parameters<'a>(document: &'a Document, lists: [Option<&'a Value>; 2]) -> Vec<Parameter<'a>> {
    let mut all: Vec<Parameter<'a>> = Vec::new();
    for written in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
        let Some(own) = document.follow(written).and_then(Value::as_object) else { continue };
        for parameter in of_one(document, own) {
            all.retain(|other| (other.name, other.place) != (parameter.name, parameter.place));
            all.push(parameter);
        }
    }
    all
}

/// An object in a query is written as its fields, unless something else is said.
fn of_one<'a>(document: &'a Document, own: &'a Map<String, Value>) -> Vec<Parameter<'a>> {
    let text = |key: &str| own.get(key).and_then(Value::as_str).unwrap_or_default();
    let (name, place) = (text("name"), text("in"));
    let is_required = own.get("required") == Some(&Value::Bool(true));
    let mut layers = vec![own];
    if let Some(schema) = own.get("schema") {
        add_layers(document, schema, &mut layers);
    }
    let is_form = matches!(text("style"), "" | "form") && own.get("explode") != Some(&Value::Bool(false));
    let parameter = Parameter { name, place, holder: None, is_required, layers };
    match parameter.get("properties").and_then(Value::as_object).filter(|_| place == "query" && is_form) {
        None => vec![parameter],
        Some(properties) => {
            let required = parameter.layers.iter().find_map(|layer| layer.get("required")?.as_array());
            let required = required.map(Vec::as_slice).unwrap_or_default();
            properties.iter().map(|(name, schema)| of_property(document, name, schema, required)).collect()
        }
    }
}

fn of_property<'a>(document: &'a Document, name: &'a str, schema: &'a Value, required: &[Value]) -> Parameter<'a> {
    let mut layers = Vec::new();
    add_layers(document, schema, &mut layers);
    Parameter { name, place: "query", holder: None, is_required: required.iter().any(|one| one == name), layers }
}

/// Returns the fields of a JSON body, and those of the objects in it.
pub(super) fn of_body<'a>(document: &'a Document, schema: &'a Value) -> Vec<Parameter<'a>> {
    let mut all = Vec::new();
    for property in object(document, schema).properties {
        let inner = property.schemas.iter().flat_map(|schema| object(document, schema).properties);
        let inner: Vec<_> = inner.map(|inner| of_field(document, Some(property.name), &inner)).collect();
        if inner.is_empty() {
            all.push(of_field(document, None, &property));
        }
        all.extend(inner);
    }
    all
}

/// Returns one field of a body. Whether it is required is seen where the body is made, together with what it is in.
pub(super) fn of_field<'a>(document: &'a Document, holder: Option<&'a str>, field: &Property<'a>) -> Parameter<'a> {
    let mut layers = Vec::new();
    for schema in &field.schemas {
        // What is said beside a reference is said of the field.
        layers.extend(schema.as_object().filter(|schema| schema.contains_key("$ref")));
        add_layers(document, schema, &mut layers);
    }
    Parameter { name: field.name, place: BODY_FIELD, holder, is_required: false, layers }
}

/// A schema, and the one level that frameworks put a type under: `allOf: [$ref]`, `anyOf: [integer, null]`.
fn add_layers<'a>(document: &'a Document, schema: &'a Value, layers: &mut Vec<&'a Map<String, Value>>) {
    let Some(schema) = document.follow(schema).and_then(Value::as_object) else { return };
    layers.push(schema);
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let parts = parts.filter_map(|part| document.follow(part)?.as_object());
    layers.extend(parts.filter(|part| part.get("type") != Some(&Value::String("null".to_owned()))));
}
