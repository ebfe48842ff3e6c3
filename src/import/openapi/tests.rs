//! Descriptions in, configs out.

use serde_json::json;

use super::*;
use crate::import::Note;

fn imported(document: Value, paths: &[&str]) -> Imported {
    let selection = Selection { paths: paths.iter().map(|&path| path.to_owned()).collect() };
    import("api.json", "api", document, &selection).unwrap()
}

fn answer(schema: Value) -> Value {
    json!({"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}})
}

fn query(name: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "schema": schema})
}

fn shop() -> Value {
    let orders = json!({
        "allOf": [
            {"$ref": "#/components/schemas/Page"},
            {"properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}},
        ],
    });
    json!({
        "openapi": "3.0.3", "info": {"title": "The Shop", "version": "1"},
        "servers": [{"url": "https://{region}.shop.example/v2", "variables": {"region": {"default": "eu"}}}],
        "security": [{"key": []}],
        "paths": {
            "/orders": {"get": {
                "parameters": [
                    {"$ref": "#/components/parameters/limit"}, query("offset", json!({"type": "integer"})),
                    {"name": "tenant", "in": "query", "required": true, "schema": {"type": "string", "default": "main"}},
                ],
                "responses": answer(orders),
            }},
            "/orders/{order_id}": {"get": {"responses": answer(json!({"$ref": "#/components/schemas/Order"}))}},
            "/orders/{order_id}/lines": {"get": {
                "responses": answer(json!({"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}})),
            }},
            "/health": {"get": {"responses": answer(json!({"type": "object", "properties": {"ok": {"type": "boolean"}}}))}},
            "/orders/import": {"post": {}},
        },
        "components": {
            "parameters": {"limit": query("limit", json!({"type": "integer", "maximum": 250}))},
            "securitySchemes": {
                "other": {"type": "mutualTLS"}, "key": {"type": "apiKey", "name": "X-Api-Key", "in": "header"},
            },
            "schemas": {
                "Page": {"type": "object", "properties": {"meta": {"type": "object", "properties": {"total": {"type": "integer"}}}}},
                "Order": {
                    "type": "object", "required": ["id", "note"],
                    "properties": {
                        "id": {"type": "integer", "format": "int64"}, "note": {"type": "string", "nullable": true},
                        "placed_at": {"type": "string", "format": "date-time"}, "due": {"type": "string", "format": "date"},
                        "price": {"type": "number"}, "paid": {"type": "boolean"},
                        "tags": {"type": "array", "items": {"type": "string"}},
                        "customer": {"type": "object", "properties": {"name": {"type": "string"}, "vip": {"type": "boolean"}}},
                        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                        "extra": {"type": "object"}, "parent": {"$ref": "#/components/schemas/Order"},
                        "mixed": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
                        "maybe": {"anyOf": [{"type": "integer", "format": "int32"}, {"type": "null"}]},
                    },
                },
            },
        },
    })
}

#[test]
fn lists_become_resources_with_selector_paginator_key_and_parent() {
    let imported = imported(shop(), &[]);
    let expected = json!({
        "name": "the_shop",
        "client": {
            "base_url": "https://eu.shop.example/v2",
            "auth": {"type": "api_key", "name": "X-Api-Key", "api_key": "${X_API_KEY}", "location": "header"},
        },
        "resources": [
            {
                "name": "orders",
                "endpoint": {
                    "path": "/orders", "params": {"tenant": "main"}, "data_selector": "data",
                    "paginator": {"type": "offset", "limit": 250, "offset_param": "offset", "limit_param": "limit", "total_path": "meta.total"},
                },
                "schema": "schemas/orders.yaml", "primary_key": "id", "write_disposition": "merge",
            },
            {
                "name": "orders_lines",
                "endpoint": {"path": "/orders/{resources.orders.id}/lines", "data_selector": "$", "paginator": "single_page"},
                "schema": "schemas/orders_lines.yaml", "write_disposition": "replace",
            },
        ],
        "destination": {"url": "./lake"},
    });
    assert_eq!(imported.config, expected, "{:#}", imported.config);
    assert_eq!(imported.notes.iter().map(|note| note.path.as_str()).collect::<Vec<_>>(), ["client.auth"]);
}

#[test]
fn json_schema_becomes_columns() {
    let imported = imported(shop(), &["/orders"]);
    let (path, schema) = &imported.schemas[0];
    assert_eq!(path, "schemas/orders.yaml");
    let types: Vec<_> = schema["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["name"].as_str().unwrap(), column["type"].as_str().unwrap()))
        .collect();
    let parent = types[10].1;
    assert!(parent.starts_with("struct<id: int64, note: string") && parent.contains("parent: json"), "{parent}");
    assert_eq!(
        types[..10],
        [
            ("id", "int64"),
            ("note", "string"),
            ("placed_at", "timestamp"),
            ("due", "date"),
            ("price", "float64"),
            ("paid", "bool"),
            ("tags", "list<string>"),
            ("customer", "struct<name: string, vip: bool>"),
            ("labels", "map<string, string>"),
            ("extra", "json"),
        ]
    );
    assert_eq!(types[11..], [("mixed", "json"), ("maybe", "int32")]);
    let required: Vec<_> = schema["columns"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|column| column.get("nullable").is_some())
        .map(|column| &column["name"])
        .collect();
    assert_eq!(required, ["id"], "what may be null is nullable, required or not");
}

#[test]
fn a_path_that_is_asked_for_brings_its_parent_and_one_that_is_not_there_is_refused() {
    let names = |paths: &[&str]| {
        let config = imported(shop(), paths).config;
        config["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&["/orders/{order_id}/lines"]), ["orders", "orders_lines"]);
    assert_eq!(names(&["/health"]), ["health"]);
    let selection = Selection { paths: vec!["/ordersx".to_owned()] };
    assert!(matches!(import("f", "n", shop(), &selection), Err(ImportError::NoPath { .. })));
}

fn pages(parameters: Value, schema: Value) -> (Value, Vec<Note>) {
    let get = json!({"parameters": parameters, "responses": answer(schema)});
    let document = json!({"openapi": "3.1.0", "paths": {"/things": {"get": get}}, "servers": [{"url": "/api"}]});
    let mut imported = imported(document, &[]);
    imported.notes.retain(|note| note.path.starts_with("resources"));
    (imported.config["resources"][0]["endpoint"]["paginator"].clone(), imported.notes)
}

#[test]
fn paginators_are_found_by_the_names_of_parameters_and_fields() {
    let items = json!({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}});
    let with = |name: &str, schema: Value| json!({"type": "object", "properties": {"items": items, name: schema}});
    let text = json!({"type": "string"});
    let number = json!({"type": "integer"});
    let cursor = pages(json!([query("cursor", text.clone())]), with("next_cursor", text.clone())).0;
    assert_eq!(cursor, json!({"type": "cursor", "cursor_path": "next_cursor", "cursor_param": "cursor"}));
    let link = pages(json!([]), with("links", json!({"type": "object", "properties": {"next": text}}))).0;
    assert_eq!(link, json!({"type": "json_link", "next_url_path": "links.next"}));
    let odata = pages(json!([]), with("@odata.nextLink", text.clone())).0;
    assert_eq!(odata, json!({"type": "json_link", "next_url_path": "['@odata.nextLink']"}));
    let numbered = pages(json!([query("page", number.clone())]), with("x", text)).0;
    assert_eq!(numbered, json!({"type": "page_number", "base_page": 1, "page_param": "page", "total_path": null}));
    let (unknown, notes) = pages(json!([]), with("x", number));
    assert_eq!((unknown, notes.len()), (Value::Null, 1));
}

#[test]
fn swagger_2_is_read_too() {
    let document = json!({
        "swagger": "2.0", "info": {"title": "", "version": "1"}, "host": "api.example.com", "basePath": "/v1", "schemes": ["https"],
        "securityDefinitions": {"app": {"type": "oauth2", "flow": "application", "tokenUrl": "https://login.example.com/token"}},
        "paths": {"/pets": {"get": {"responses": {"200": {"description": "", "schema": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}}}}}},
        "definitions": {"Pet": {"properties": {"id": {"type": "integer"}}}},
    });
    let config = imported(document, &[]).config;
    assert_eq!(config["name"], "api");
    assert_eq!(config["client"]["base_url"], "https://api.example.com/v1");
    assert_eq!(config["client"]["auth"]["access_token_url"], "https://login.example.com/token");
    assert_eq!(config["resources"][0]["primary_key"], "id");
}

#[test]
fn what_is_no_description_is_refused() {
    let refused = |document| import("f", "n", document, &Selection::default()).unwrap_err();
    assert!(matches!(refused(json!({"paths": {}})), ImportError::NoOpenApi { .. }));
    assert!(matches!(refused(json!({"openapi": "3.0.0"})), ImportError::NoOpenApi { .. }));
    assert!(matches!(refused(json!({"openapi": "3.0.0", "paths": {}})), ImportError::NoLists { .. }));
}
