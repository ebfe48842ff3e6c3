//! Columns and keys of records.

use serde_json::{Value, json};

use super::{answer, imported, things};
use crate::import::Imported;

/// The import of a list of records with these fields, all of them required.
fn of_records(properties: Value, schemas: Value) -> Imported {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let items = json!({"type": "object", "required": required, "properties": properties});
    let mut document = things(json!({"responses": answer(json!({"type": "array", "items": items}))}));
    document["components"]["schemas"] = schemas;
    imported(document, &[])
}

#[test]
fn a_type_is_found_through_all_that_it_is_made_of() {
    let schemas = json!({
        "Status": {"type": "string", "enum": ["a", "b"]}, "Base": {"properties": {"id": {"type": "integer"}, "status": {"type": "string"}}},
    });
    let status = json!({"$ref": "#/components/schemas/Status"});
    for (schema, data_type) in [
        (json!({"allOf": [status], "description": "x"}), "string"),
        (json!({"allOf": [{"allOf": [status]}, {"nullable": true}]}), "string"),
        (
            json!({"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"status": {"description": "x"}, "id": {"example": 4}}}]}),
            "struct<id: int64, status: string>",
        ),
        (json!({"type": "object", "properties": {"a": {"type": "string"}, "A": {"type": "string"}}}), "json"),
        (json!({"type": "object", "properties": {"": {"type": "string"}}}), "json"),
    ] {
        let columns = of_records(json!({ "x": schema }), schemas.clone()).schemas[0].1["columns"].clone();
        assert_eq!(columns[0]["type"], data_type, "{schema}");
    }
}

#[test]
fn what_may_be_null_or_missing_is_nullable_though_it_is_required() {
    let schemas = json!({
        "E": {"type": "string", "enum": ["a"]}, "Null": {"type": "string", "nullable": true}, "None": {"enum": [null]},
    });
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    for (schema, may_be_null) in [
        (json!({"type": "string"}), false),
        (reference("E"), false),
        (json!({"type": "string", "writeOnly": true}), true),
        (json!({"$ref": "#/components/schemas/E", "nullable": true}), true),
        (json!({"allOf": [reference("Null")]}), true),
        (json!({"allOf": [reference("E"), {"description": "x"}]}), false),
        (json!({"oneOf": [reference("E"), {"description": "x"}]}), true),
        (json!({"allOf": [reference("E")], "nullable": true}), true),
        (json!({"enum": ["a", null]}), true),
        (json!({"oneOf": [reference("E"), reference("None")]}), true),
        (json!({"type": "null"}), true),
        (json!(true), true),
        (json!({"description": "anything"}), true),
    ] {
        let columns = of_records(json!({ "x": schema }), schemas.clone()).schemas[0].1["columns"].clone();
        assert_eq!(columns[0].get("nullable").is_none(), may_be_null, "{schema}");
    }
}

#[test]
fn a_field_that_can_be_no_column_is_left_out_and_told() {
    let text = json!({"type": "string"});
    let imported = of_records(json!({"id": {"type": "integer"}, "ID": text, "": text, "name": text}), json!({}));
    let columns = imported.schemas[0].1["columns"].as_array().unwrap();
    assert_eq!(columns.iter().map(|column| &column["name"]).collect::<Vec<_>>(), ["id", "name"]);
    let told = imported.notes.iter().filter(|note| note.path == "resources.things.schema");
    assert_eq!(told.count(), 2);
}

#[test]
fn an_object_is_no_key() {
    for schema in [
        json!({"type": "object", "properties": {"oid": {"type": "string"}}}),
        json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
    ] {
        let imported = of_records(json!({ "id": schema }), json!({}));
        let resource = &imported.config["resources"][0];
        assert_eq!((resource.get("primary_key"), &resource["write_disposition"]), (None, &json!("replace")));
        assert!(imported.notes.iter().any(|note| note.path == "resources.things.primary_key"));
    }
}
