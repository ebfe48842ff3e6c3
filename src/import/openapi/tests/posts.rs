//! Lists that are read with POST.

use serde_json::{Value, json};

use super::{Selection, answer, import, imported, objects, query};
use crate::import::{ImportError, Imported};

fn post(body: Value, schema: Value) -> Value {
    json!({"requestBody": {"content": {"application/json": {"schema": body}}}, "responses": answer(schema)})
}

/// The import of a GET, so that there is a list in any case, and of these POSTs.
fn posts(operations: Value) -> Imported {
    let mut paths = json!({"/known": {"get": {"responses": answer(objects())}}});
    for (path, operation) in operations.as_object().unwrap() {
        paths[path] = json!({ "post": operation });
    }
    imported(json!({"openapi": "3.0.0", "info": {"title": "Shop"}, "paths": paths}), &[])
}

fn endpoints(imported: &Imported) -> Vec<Value> {
    imported.config["resources"].as_array().unwrap()[1..].iter().map(|resource| resource["endpoint"].clone()).collect()
}

fn page(fields: Value) -> Value {
    let mut properties = json!({"items": objects()});
    properties.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"type": "object", "properties": properties})
}

#[test]
fn a_search_is_paged_in_its_body_wherever_the_values_are_in_it() {
    let (number, text) = (json!({"type": "integer"}), json!({"type": "string"}));
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let size = json!({"type": "integer", "maximum": 50});
    for (body, beside, paginator, sent) in [
        (
            object(json!({"filter": {"type": "object"}, "offset": number, "limit": size})),
            json!({"total": number}),
            json!({"type": "offset", "limit": 50, "offset_body_path": "offset", "limit_body_path": "limit", "total_path": "total"}),
            json!({}),
        ),
        (
            object(json!({"page": object(json!({"number": {"type": "integer", "default": 0}, "size": size}))})),
            json!({"totalPages": number}),
            json!({"type": "page_number", "base_page": 0, "page_body_path": "page.number", "total_path": "totalPages"}),
            json!({"page": {"size": 50}}),
        ),
        (
            object(
                json!({"pagination": object(json!({"page": {"type": "integer", "minimum": 1}, "page_size": size}))}),
            ),
            json!({}),
            json!({"type": "page_number", "base_page": 1, "page_body_path": "pagination.page"}),
            json!({"pagination": {"page_size": 50}}),
        ),
        (
            object(json!({"start_cursor": text, "page_size": size})),
            json!({"next_cursor": text}),
            json!({"type": "cursor", "cursor_path": "next_cursor", "cursor_body_path": "start_cursor"}),
            json!({"page_size": 50}),
        ),
    ] {
        let imported = posts(json!({"/orders/search": post(body.clone(), page(beside))}));
        let endpoint = &endpoints(&imported)[0];
        assert_eq!((&endpoint["method"], &endpoint["path"]), (&json!("POST"), &json!("/orders/search")));
        assert_eq!((&endpoint["paginator"], &endpoint["json"]), (&paginator, &sent), "{body}");
    }
}

#[test]
fn parameters_of_a_query_page_a_post_too_and_a_filter_is_no_paginator() {
    let mut operation =
        post(json!({"properties": {"filter": {"properties": {"limit": {"type": "integer"}}}}}), page(json!({})));
    operation["parameters"] =
        json!([query("offset", json!({"type": "integer"})), query("limit", json!({"type": "integer", "maximum": 9}))]);
    let endpoint = endpoints(&posts(json!({"/orders/search": operation})))[0].clone();
    assert_eq!(
        endpoint["paginator"],
        json!({"type": "offset", "limit": 9, "offset_param": "offset", "limit_param": "limit"})
    );
    assert_eq!(endpoint["json"], json!({}));
}

#[test]
fn what_a_body_requires_has_a_value_or_a_variable() {
    let body = json!({
        "type": "object", "required": ["tenant", "filter", "ids", "kind", "{x}", "offset"], "properties": {
            "tenant": {"type": "string"}, "ids": {"type": "array", "items": {"type": "string"}}, "offset": {"type": "integer"},
            "filter": {"type": "object", "required": ["deep"], "properties": {"deep": {"type": "string", "default": "${HOME}"}}},
            "kind": {"type": "string", "enum": ["order"]}, "{x}": {"type": "object", "example": {"{y}": "{z}"}},
            "limit": {"type": "integer", "maximum": 5},
        },
    });
    let imported = posts(json!({"/orders/search": post(body, page(json!({})))}));
    let expected = json!({
        "tenant": "${SHOP_BODY_FIELD_TENANT}", "filter": {"deep": "$${{HOME}}"}, "ids": [], "kind": "order",
        "{{x}}": {"{{y}}": "{{z}}"},
    });
    assert_eq!(endpoints(&imported)[0]["json"], expected);
    let place = "resources.orders_search.endpoint.json.tenant";
    assert!(imported.notes.iter().any(|note| note.path == place), "{:?}", imported.notes);
}

#[test]
fn a_post_that_may_change_something_is_not_taken_and_a_search_that_is_not_is_told() {
    let number = json!({"type": "integer"});
    let any = json!({"type": "object"});
    let paged = json!({"properties": {"page": number}});
    let mut created = post(any.clone(), objects());
    created["responses"] = json!({"201": created["responses"]["200"]});
    let mut named = post(any.clone(), objects());
    named["operationId"] = json!("createShoppingList");
    let mut form = post(any.clone(), objects());
    form["requestBody"] = json!({"content": {"multipart/form-data": {"schema": any}}});
    let flag = json!({"type": "object", "required": ["exact"], "properties": {"exact": {"type": "boolean"}}});
    let imported = posts(json!({
        "/orders": post(any.clone(), any.clone()), "/orders/bulk": post(paged.clone(), objects()), "/coupons": post(any.clone(), objects()),
        "/lists": named, "/made": created, "/orders/search": post(any.clone(), json!({})), "/a/search": form,
        "/b/search": post(flag, objects()), "/c/search": post(any, json!({"type": "array", "items": {"type": "string"}})),
    }));
    assert_eq!(endpoints(&imported), Vec::<Value>::new());
    let told: Vec<_> =
        imported.notes.iter().filter(|note| note.path == "resources").map(|note| &note.message).collect();
    for (path, why) in [
        ("/coupons", "`--path /coupons`"),
        ("/orders/search", "no list"),
        ("/a/search", "`multipart/form-data`"),
        ("/b/search", "`exact`"),
        ("/c/search", "one of objects"),
    ] {
        let is_told = told.iter().any(|note| note.starts_with(&format!("skipped POST {path}:")) && note.contains(why));
        assert!(is_told, "{path} {why}: {told:?}");
    }
    assert_eq!(told.len(), 5, "{told:?}");
}

#[test]
fn a_post_that_gets_or_filters_is_taken_and_what_it_requires_is_told() {
    let (number, ids) = (json!({"type": "integer"}), json!({"type": "array", "items": {"type": "integer"}}));
    let body = |required: &str, schema: &Value| json!({"type": "object", "required": [required], "properties": {required: schema}});
    let mut of_nest = post(json!({"properties": {"query": {"type": "string"}}}), objects());
    of_nest["responses"] = json!({"201": of_nest["responses"]["200"]});
    let mut by_id = post(body("filters", &json!({"type": "object"})), objects());
    by_id["operationId"] = json!("getReport");
    let imported = posts(json!({
        "/getItems": post(body("ids", &ids), objects()),
        "/users/retrieve": post(body("filters", &json!({"type": "object"})), objects()),
        "/report": by_id,
        "/x/search": of_nest,
        "/deals/filter": post(body("limit", &number), objects()),
    }));
    let sent = |endpoint: &Value| (endpoint["path"].clone(), endpoint["json"].clone());
    assert_eq!(
        endpoints(&imported).iter().map(sent).collect::<Vec<_>>(),
        [
            (json!("/getItems"), json!({"ids": []})),
            (json!("/users/retrieve"), json!({"filters": {}})),
            (json!("/report"), json!({"filters": {}})),
            (json!("/x/search"), json!({})),
            (json!("/deals/filter"), json!({"limit": 100})),
        ]
    );
    let place = "resources.get_items.endpoint.json.ids";
    assert!(imported.notes.iter().any(|note| note.path == place), "{:?}", imported.notes);
}

#[test]
fn a_path_that_is_named_brings_its_get_and_a_post_only_where_there_is_no_get() {
    let list = json!({"responses": answer(objects())});
    let one = json!({"responses": answer(json!({"type": "object"}))});
    let document = json!({"openapi": "3.0.0", "paths": {
        "/both": {"get": list, "post": list}, "/alone": {"post": list}, "/one": {"post": one},
    }});
    let methods = |path: &str| {
        let resources = imported(document.clone(), &[path]).config["resources"].clone();
        resources.as_array().unwrap().iter().map(|one| one["endpoint"].get("method").cloned()).collect::<Vec<_>>()
    };
    assert_eq!((methods("/both"), methods("/alone")), (vec![None], vec![Some(json!("POST"))]));
    let selection = Selection { paths: vec!["/one".to_owned()] };
    assert!(matches!(import("f", "n", document, &selection), Err(ImportError::NoLists { .. })));
}

#[test]
fn the_body_of_swagger_2_is_a_parameter() {
    let body =
        json!({"properties": {"page": {"type": "integer", "default": 1}, "limit": {"type": "integer", "maximum": 20}}});
    let document = json!({"swagger": "2.0", "host": "a.example", "paths": {"/orders/search": {"post": {
        "parameters": [{"name": "body", "in": "body", "required": true, "schema": body}],
        "responses": {"200": {"description": "", "schema": objects()}},
    }}}});
    let endpoint = imported(document, &[]).config["resources"][0]["endpoint"].clone();
    assert_eq!(endpoint["paginator"], json!({"type": "page_number", "base_page": 1, "page_body_path": "page"}));
    assert_eq!(endpoint["json"], json!({"limit": 20}));
}
