//! The JSON Schema of a config file, made from the tables: what editors complete and check against.
//!
//! Keys that are not supported yet are not in it; keys without effect are, as deprecated.

use serde_json::{Map, Value, json};

use super::fields::{Field, NAME, ROOT, Shape, Status, TYPE, Table, Union, Word};

/// The schema of a config file; `#/$defs/schema` in it is that of a schema file.
pub fn config_schema() -> Value {
    let mut builder = Builder { definitions: Map::new() };
    let root = builder.table(&ROOT, None);
    builder.definitions.insert(
        "filled_in".into(),
        json!({"type": "string", "pattern": r"\$\{", "description": "Filled in from the environment or a file."}),
    );
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "restlake config".into());
    if let Value::Object(root) = root {
        schema.extend(root);
    }
    schema.insert("$defs".into(), Value::Object(builder.definitions));
    Value::Object(schema)
}

struct Builder {
    definitions: Map<String, Value>,
}

impl Builder {
    /// An object of this table; of this type, where it is one of a union.
    fn table(&mut self, table: &'static Table, tag: Option<&str>) -> Value {
        let mut properties = Map::new();
        if let Some(tag) = tag {
            properties.insert(TYPE.into(), json!({"const": tag}));
        }
        for field in table.fields.iter().filter(|field| field.status != Status::NotYet) {
            properties.insert(field.key.into(), self.field(field));
        }
        let required: Vec<_> = table.fields.iter().filter(|field| field.required).map(|field| field.key).collect();
        let mut schema = json!({"type": "object", "description": table.doc, "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if let Some(prefix) = table.ignored_prefix {
            schema["patternProperties"] = json!({ format!("^{prefix}"): {} });
        }
        schema["additionalProperties"] = json!(false);
        schema
    }

    fn field(&mut self, field: &'static Field) -> Value {
        if let Status::Ignored(note) = field.status {
            return json!({"description": format!("No effect: {note}."), "deprecated": true});
        }
        let shape = self.shape(&field.shape);
        let mut schema = if field.required { shape } else { any_of(vec![shape, json!({"type": "null"})]) };
        schema["description"] = field.doc.into();
        if let Some(default) = field.default {
            schema["default"] = default_value(&field.shape, default);
        }
        schema
    }

    fn shape(&mut self, shape: &'static Shape) -> Value {
        match shape {
            Shape::Text | Shape::Secret | Shape::File => json!({"type": "string"}),
            Shape::Bool => or_filled_in(json!({"type": "boolean"})),
            Shape::Count { min, max } => or_filled_in(count(*min, *max)),
            Shape::Any => json!({}),
            Shape::Scalar => json!({"type": ["string", "number", "boolean"]}),
            Shape::Parsed(grammar) => json!({"type": "string", "description": format!("Expects {}.", grammar.what)}),
            Shape::Choice(words) => or_filled_in(json!({"enum": accepted(words)})),
            Shape::Object(table) => self.reference(table, None),
            Shape::Tagged(union) => self.union(union),
            Shape::List(item) => json!({"type": "array", "items": self.shape(item)}),
            // Null among them is left out.
            Shape::OneOrMany(item @ Shape::Scalar) => {
                let item = self.shape(item);
                let items = any_of(vec![item.clone(), json!({"type": "null"})]);
                any_of(vec![item, json!({"type": "array", "items": items})])
            }
            Shape::OneOrMany(item) => {
                let item = self.shape(item);
                any_of(vec![item.clone(), json!({"type": "array", "items": item})])
            }
            Shape::Map(item) => self.map(item),
            Shape::Keyed(item) => {
                let named = json!({"allOf": [self.shape(item)], "required": [NAME]});
                any_of(vec![self.map(item), json!({"type": "array", "items": named})])
            }
            Shape::Either(shapes) => any_of(shapes.iter().map(|shape| self.shape(shape)).collect()),
        }
    }

    fn map(&mut self, item: &'static Shape) -> Value {
        let item = any_of(vec![self.shape(item), json!({"type": "null"})]);
        json!({"type": "object", "additionalProperties": item})
    }

    fn union(&mut self, union: &'static Union) -> Value {
        let variants = union.variants.iter().filter(|variant| variant.status == Status::Supported);
        let mut alternatives = Vec::new();
        for variant in variants {
            let tag = Some(variant.word).filter(|word| union.default != Some(word));
            alternatives.push(self.reference(variant.table, Some((variant.word, tag.is_some()))));
            if !variant.table.fields.iter().any(|field| field.required) {
                alternatives.push(json!({"const": variant.word}));
            }
        }
        any_of(alternatives)
    }

    /// A reference to the table's definition, which is made on first use. The tag: its word, and whether it must be written.
    fn reference(&mut self, table: &'static Table, tag: Option<(&str, bool)>) -> Value {
        if !self.definitions.contains_key(table.name) {
            let mut schema = self.table(table, tag.map(|(word, _)| word));
            if let Some((_, true)) = tag {
                let mut required = vec![json!(TYPE)];
                required.extend(schema["required"].as_array().into_iter().flatten().cloned());
                schema["required"] = Value::Array(required);
            }
            self.definitions.insert(table.name.into(), schema);
        }
        json!({"$ref": format!("#/$defs/{}", table.name)})
    }
}

fn count(min: u64, max: u64) -> Value {
    let mut schema = json!({"type": "integer", "minimum": min});
    if max < u64::from(u32::MAX) {
        schema["maximum"] = max.into();
    }
    schema
}

fn accepted(words: &[Word]) -> Vec<&'static str> {
    words.iter().filter(|word| word.status != Status::NotYet).map(|word| word.word).collect()
}

fn or_filled_in(schema: Value) -> Value {
    any_of(vec![schema, json!({"$ref": "#/$defs/filled_in"})])
}

/// One level, however the alternatives came about.
fn any_of(alternatives: Vec<Value>) -> Value {
    let flat = alternatives.into_iter().flat_map(|mut schema| match schema.get_mut("anyOf").map(Value::take) {
        Some(Value::Array(inner)) => inner,
        _ => vec![schema],
    });
    let mut unique: Vec<Value> = Vec::new();
    for schema in flat {
        if !unique.contains(&schema) {
            unique.push(schema);
        }
    }
    json!({ "anyOf": unique })
}

fn default_value(shape: &Shape, default: &str) -> Value {
    match shape {
        Shape::Bool | Shape::Count { .. } => serde_json::from_str(default).unwrap_or_else(|_| default.into()),
        _ => default.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;

    #[test]
    fn the_schema_that_is_checked_in_is_the_one_that_the_tables_make() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/config.schema.json");
        let mut made = serde_json::to_string_pretty(&config_schema()).unwrap();
        made.push('\n');
        if env::var_os("RESTLAKE_BLESS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let checked_in = fs::read_to_string(&path).unwrap_or_default();
        assert!(made == checked_in, "{} is stale: RESTLAKE_BLESS=1 cargo test rewrites it", path.display());
    }

    #[test]
    fn every_reference_has_its_definition() {
        let schema = config_schema();
        let text = schema.to_string();
        let names: Vec<_> = text.split("\"#/$defs/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(names.len() > 10);
        for name in names {
            assert!(schema["$defs"].get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn keys_of_a_later_version_are_absent_and_keys_without_effect_deprecated() {
        let resource = &config_schema()["$defs"]["resource"]["properties"];
        assert!(resource.get("data_from").is_none());
        assert_eq!(resource["file_format"]["deprecated"], true);
        assert_eq!(resource["dedup"]["default"], true);
        let client = &config_schema()["$defs"]["client"]["properties"];
        assert_eq!((&client["timeout"]["default"], &client["max_concurrency"]["default"]), (&json!("60s"), &json!(16)));
    }
}
