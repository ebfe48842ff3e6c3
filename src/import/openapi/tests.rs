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
            "auth": {"type": "api_key", "name": "X-Api-Key", "api_key": "${THE_SHOP_API_KEY}", "location": "header"},
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
    let told: Vec<_> = imported.notes.iter().map(|note| note.path.as_str()).collect();
    assert_eq!(told, ["client.auth", "resources.orders.primary_key"]);
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
    assert_eq!(required, ["id"], "all but the key is nullable, required or not");
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
    imported.notes.retain(|note| note.path.starts_with("resources") && !note.path.ends_with("primary_key"));
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
    assert_eq!(odata, json!({"type": "json_link", "next_url_path": "$['@odata.nextLink']"}));
    let numbered = pages(json!([query("page", number.clone())]), with("x", text)).0;
    assert_eq!(numbered, json!({"type": "page_number", "base_page": 1, "page_param": "page"}));
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

fn things(get: Value) -> Value {
    json!({"openapi": "3.0.0", "servers": [{"url": "https://a.example"}], "paths": {"/things": {"get": get}}})
}

fn objects() -> Value {
    json!({"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}})
}

/// The names of resources, and their selectors.
fn selectors(paths: Value) -> Vec<(String, String)> {
    let document = json!({"openapi": "3.0.0", "servers": [{"url": "https://a.example"}], "paths": paths});
    let config = imported(document, &[]).config;
    let resources = config["resources"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    resources.map(|resource| (text(&resource["name"]), text(&resource["endpoint"]["data_selector"]))).collect()
}

#[test]
fn a_description_reads_neither_environment_nor_files_and_fills_no_places() {
    let evil = "${HOME}-${file:/etc/hostname}-{incremental.start_value}";
    let parameter = |name: &str| json!({"name": name, "in": "query", "required": true, "schema": {"default": evil}});
    let get = json!({"parameters": [parameter("a"), parameter("${b}")], "responses": answer(json!({"properties": {"${x}": objects()}}))});
    let mut document = things(get.clone());
    document["servers"][0]["url"] = json!("https://a.example/${HOME}");
    document["paths"]["/t$}x"] = json!({"get": get});
    document["components"]["securitySchemes"]["k"] = json!({"type": "apiKey", "name": "${HOME}", "in": "header"});
    let config = imported(document, &[]).config;
    assert_eq!(config["client"]["base_url"], "https://a.example/$${HOME}");
    assert_eq!(config["client"]["auth"]["name"], "$${HOME}");
    assert_eq!(config["client"]["auth"]["api_key"], "${API_API_KEY}");
    let endpoint = &config["resources"][1]["endpoint"];
    assert_eq!(endpoint["path"], "/t$}}x");
    assert_eq!(endpoint["data_selector"], "$['$${x}']");
    let escaped = "$${{HOME}}-$${{file:/etc/hostname}}-{{incremental.start_value}}";
    assert_eq!(endpoint["params"], json!({"a": escaped, "${{b}}": escaped}));
}

#[test]
fn schemas_that_name_each_other_end() {
    let names: Vec<String> = (0..9).map(|number| format!("S{number}")).collect();
    let reference = |name: &String| (name.clone(), json!({"$ref": format!("#/components/schemas/{name}")}));
    let all: Value = Value::Object(names.iter().map(reference).collect());
    let parts: Vec<Value> = names.iter().map(|name| reference(name).1).collect();
    let schema = json!({"type": "object", "properties": all, "allOf": parts});
    let mut document =
        things(json!({"responses": answer(json!({"type": "array", "items": {"$ref": "#/components/schemas/S0"}}))}));
    document["components"]["schemas"] =
        Value::Object(names.iter().map(|name| (name.clone(), schema.clone())).collect());
    let imported = imported(document, &[]);
    assert!(imported.schemas[0].1.to_string().len() < 10_000);
}

#[test]
fn bounds_of_parameters_are_read_in_swagger_2_too() {
    let responses = json!({"200": {"description": "", "schema": objects()}});
    let get = |parameters: Value| json!({"get": {"parameters": parameters, "responses": responses}});
    let document = json!({
        "swagger": "2.0", "host": "a.example",
        "paths": {
            "/a": get(json!([{"name": "page", "in": "query", "type": "integer", "default": 0, "minimum": 0}])),
            "/b": get(json!([{"name": "limit", "in": "query", "type": "integer", "maximum": 50}, {"name": "offset", "in": "query"}])),
        },
    });
    let config = imported(document, &[]).config;
    assert_eq!(config["resources"][0]["endpoint"]["paginator"]["base_page"], 0);
    assert_eq!(config["resources"][1]["endpoint"]["paginator"]["limit"], 50);
}

#[test]
fn a_list_is_what_the_path_says_and_an_object_of_its_own_is_none() {
    let object =
        |properties: Value| json!({"get": {"responses": answer(json!({"type": "object", "properties": properties}))}});
    let id = json!({"type": "integer"});
    let found = selectors(json!({
        "/pets": object(json!({"pets": objects()})),
        "/pets/{petId}": object(json!({"name": id, "tags": objects()})),
        "/me": object(json!({"id": id, "roles": objects()})),
        "/things": object(json!({"errors": objects(), "things": objects()})),
        "/x": object(json!({"errors": objects(), "rows": objects()})),
        "/y": object(json!({"rows": objects(), "columns": objects()})),
        "/z": object(json!({"response": {"type": "object", "properties": {"items": objects()}}})),
        "/quoted": object(json!({"it's.x": objects()})),
    }));
    let expected =
        [("pets", "pets"), ("things", "things"), ("x", "rows"), ("z", "response.items"), ("quoted", "$['it\\'s.x']")];
    assert_eq!(found, expected.map(|(name, selector)| (name.to_owned(), selector.to_owned())));
}

#[test]
fn what_the_api_wants_besides_pages_is_sent_or_told() {
    let needed =
        |name: &str, place: &str, schema: Value| json!({"name": name, "in": place, "required": true, "schema": schema});
    let next = json!({"type": "object", "properties": {"items": objects(), "next_cursor": {"type": "string"}}});
    let parameters = json!([
        query("cursor", json!({})),
        needed("limit", "query", json!({"maximum": 20})),
        needed("X-Version", "header", json!({"default": "2"})),
        needed("X-Tenant", "header", json!({})),
    ]);
    let imported = imported(things(json!({"parameters": parameters, "responses": answer(next)})), &[]);
    let endpoint = &imported.config["resources"][0]["endpoint"];
    assert_eq!(endpoint["params"], json!({"limit": 20}));
    assert_eq!(endpoint["headers"], json!({"X-Version": "2", "X-Tenant": "${API_HEADER_X_TENANT}"}));
    assert!(imported.notes.iter().any(|note| note.path == "resources.things.endpoint.headers.X-Tenant"));
}

#[test]
fn a_key_that_was_guessed_is_told_and_below_a_parent_there_is_none() {
    let mut shop = shop();
    shop["paths"]["/orders/{order_id}/lines"]["get"]["responses"] =
        answer(json!({"type": "array", "items": {"properties": {"id": {"type": "integer"}}}}));
    let imported = imported(shop, &[]);
    let lines = &imported.config["resources"][1];
    assert_eq!((lines.get("primary_key"), &lines["write_disposition"]), (None, &json!("replace")));
    for name in ["orders", "orders_lines"] {
        let path = format!("resources.{name}.primary_key");
        assert!(imported.notes.iter().any(|note| note.path == path), "{path}");
    }
}

#[test]
fn records_without_fields_get_no_schema_and_any_media_type_counts() {
    let responses = json!({"200": {"content": {"*/*": {"schema": {"type": "array", "items": {"type": "object"}}}}}});
    let imported = imported(things(json!({"responses": responses})), &[]);
    assert_eq!((imported.schemas.len(), imported.config["resources"][0].get("schema")), (0, None));
}

#[test]
fn values_that_are_told_one_by_one_have_their_type() {
    let properties = json!({"a": {"enum": ["x", null]}, "b": {"enum": [1, 2]}, "c": {"enum": [1, "x"]}});
    let imported = imported(
        things(json!({"responses": answer(json!({"type": "array", "items": {"properties": properties}}))})),
        &[],
    );
    let types: Vec<_> = imported.schemas[0].1["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["string", "int64", "json"]);
}

mod fields;
mod lists;
mod pages;
mod posts;
mod requests;
