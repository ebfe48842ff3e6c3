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
fn all_columns_but_the_key_are_nullable_whatever_is_required() {
    let text = json!({"type": "string"});
    let imported =
        of_records(json!({"uuid": {"type": "string", "format": "uuid"}, "name": text, "note": text}), json!({}));
    let nullable: Vec<_> =
        imported.schemas[0].1["columns"].as_array().unwrap().iter().map(|column| column.get("nullable")).collect();
    assert_eq!(nullable, [Some(&json!(false)), None, None]);
    let without_key = of_records(json!({"code": text, "note": text}), json!({}));
    assert!(!without_key.schemas[0].1.to_string().contains("nullable"));
}

#[test]
fn alternatives_of_one_type_have_it_and_null_or_nothing_is_none() {
    let schemas = json!({
        "Status": {"type": "string", "enum": ["a", "b"]}, "Blank": {"enum": [""]}, "Null": {"enum": [null]},
        "Cat": {"properties": {"meow": {"type": "string"}}}, "Dog": {"properties": {"bark": {"type": "string"}}},
    });
    let all = |names: &[&str]| {
        let refs = names.iter().map(|name| json!({"$ref": format!("#/components/schemas/{name}")}));
        refs.collect::<Vec<_>>()
    };
    for (schema, data_type) in [
        (json!({"oneOf": all(&["Status", "Blank", "Null"]), "nullable": true}), "string"),
        (json!({"oneOf": all(&["Null", "Status"])}), "string"),
        (json!({"anyOf": all(&["Cat", "Dog"])}), "json"),
        (json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}), "json"),
    ] {
        let columns = of_records(json!({ "x": schema }), schemas.clone()).schemas[0].1["columns"].clone();
        assert_eq!(columns[0]["type"], data_type, "{schema}");
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
