//! Which lists are taken, and what is told of the others.

use serde_json::{Value, json};

use super::{Selection, answer, import, imported, objects, selectors, things};
use crate::import::ImportError;

fn get(schema: Value) -> Value {
    json!({"get": {"responses": answer(schema)}})
}

/// What is told of lists that were left out.
fn told(paths: Value, schemas: Value) -> Vec<String> {
    let mut document = things(json!({"responses": answer(objects())}));
    document["paths"].as_object_mut().unwrap().extend(paths.as_object().unwrap().clone());
    document["components"]["schemas"] = schemas;
    let notes = imported(document, &[]).notes.into_iter();
    notes.filter(|note| note.path == "resources").map(|note| note.message).collect()
}

#[test]
fn records_and_envelopes_may_be_one_of_several_objects() {
    let (cat, dog) =
        (json!({"properties": {"meow": {"type": "string"}}}), json!({"properties": {"bark": {"type": "string"}}}));
    let either = json!({"type": "array", "items": {"oneOf": [cat, dog]}});
    let found = selectors(json!({
        "/pets": get(either.clone()),
        "/enveloped": get(json!({"type": "object", "properties": {"data": either}})),
        "/envelopes": get(json!({"oneOf": [{"properties": {"data": objects()}}, {"properties": {"error": {"type": "string"}}}]})),
        "/made": get(json!({"allOf": [{"allOf": [{"allOf": [{"properties": {"rows": objects()}}]}]}, {"description": "x"}]})),
        "/array": get(json!({"allOf": [objects()]})),
    }));
    let expected = [("pets", "$"), ("enveloped", "data"), ("envelopes", "data"), ("made", "rows"), ("array", "$")];
    assert_eq!(found, expected.map(|(name, selector)| (name.to_owned(), selector.to_owned())));
}

#[test]
fn what_several_objects_have_not_in_common_may_be_missing() {
    let one = |properties: Value| json!({"type": "object", "required": ["id", "kind"], "properties": properties});
    let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
    let items = json!({"anyOf": [one(json!({"id": number, "kind": text})), one(json!({"id": text, "kind": text, "size": number}))]});
    let document = things(json!({"responses": answer(json!({"type": "array", "items": items}))}));
    let expected = json!([
        {"name": "id", "type": "json"}, {"name": "kind", "type": "string"},
        {"name": "size", "type": "int64"},
    ]);
    assert_eq!(imported(document, &[]).schemas[0].1["columns"], expected);
}

#[test]
fn an_array_that_is_no_list_is_told() {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let both = json!({"properties": {"rows": objects(), "columns": objects()}});
    for (schema, why) in [
        (texts.clone(), "not described as one of objects"),
        (json!({"properties": {"names": texts}}), "`names`"),
        (
            json!({"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "object"}]}}),
            "not described as one of objects",
        ),
        (both, "`rows`, `columns`"),
        (json!({"oneOf": [objects(), {"type": "object"}]}), "or something else"),
    ] {
        let told = told(json!({"/x": get(schema)}), json!({}));
        assert!(matches!(told.as_slice(), [only] if only.contains(why) && only.contains("/x")), "{told:?}");
    }
    let one = json!({"type": "object", "properties": {"id": {"type": "integer"}, "tags": texts}});
    assert_eq!(told(json!({"/me": get(one)}), json!({})), Vec::<String>::new());
}

#[test]
fn references_are_decoded_and_those_that_cannot_be_followed_are_told() {
    let refers = |to: &str| get(json!({ "$ref": to }));
    let schemas = json!({"Page<Cat>": objects(), "a/b~c %": objects()});
    let paths = json!({
        "/a": refers("#/components/schemas/Page%3CCat%3E"), "/b": refers("#/components/schemas/a~1b~0c%20%25"),
        "/c": refers("pets.yaml#/Pets"), "/d": refers("#/nope"), "/e": {"$ref": "paths/e.yaml"},
    });
    let told = told(paths.clone(), schemas.clone());
    for (note, reference) in told.iter().zip(["paths/e.yaml", "pets.yaml#/Pets", "#/nope"]) {
        assert!(note.contains(&format!("`{reference}`")), "{note}");
    }
    assert_eq!(told.len(), 3);
    let document = json!({"openapi": "3.0.0", "paths": paths, "components": {"schemas": schemas}});
    assert_eq!(imported(document, &[]).config["resources"].as_array().unwrap().len(), 2);
}

#[test]
fn a_child_is_left_out_if_no_field_of_its_parent_is_surely_the_place() {
    let users =
        json!({"type": "array", "items": {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}});
    let mut document = things(json!({"responses": answer(users)}));
    document["paths"]["/things/{username}/repos"] =
        get(json!({"type": "array", "items": {"properties": {"id": {"type": "integer"}}}}));
    document["paths"]["/things/{thing_id}/parts"] = get(objects());
    let imported = imported(document, &[]);
    let paths: Vec<_> =
        imported.config["resources"].as_array().unwrap().iter().map(|one| &one["endpoint"]["path"]).collect();
    assert_eq!(paths, ["/things", "/things/{resources.things.id}/parts"]);
    let of_repos: Vec<_> = imported.notes.iter().filter(|note| note.path.contains("repos")).collect();
    assert!(matches!(of_repos.as_slice(), [only] if only.message.contains("`{username}`")), "{of_repos:?}");
}

#[test]
fn a_slash_at_the_end_of_a_path_makes_no_other_and_why_one_was_not_taken_is_told() {
    let document = json!({"openapi": "3.0.0", "paths": {
        "/orders/": get(json!({"type": "array", "items": {"properties": {"id": {"type": "integer"}}}})),
        "/orders/{order_id}/lines/": get(objects()), "/a/{b}/{c}/d": get(objects()),
    }});
    for asked in ["/orders/{order_id}/lines", "/orders/{order_id}/lines/"] {
        let resources = imported(document.clone(), &[asked]).config["resources"].clone();
        assert_eq!(resources[1]["endpoint"]["path"], "/orders/{resources.orders.id}/lines/");
    }
    let selection = Selection { paths: vec!["/a/{b}/{c}/d".to_owned()] };
    let error = import("f", "n", document, &selection).unwrap_err();
    assert!(
        matches!(error, ImportError::NoLists { .. }) && error.to_string().contains("several placeholders"),
        "{error}"
    );
}

#[test]
fn a_list_within_one_record_is_not_the_resource() {
    let text = json!({"type": "string"});
    let record = |fields: Value| {
        let mut properties = json!({"number": text, "currency": text, "total": {"type": "number"}, "items": objects()});
        properties.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        get(json!({"type": "object", "properties": properties}))
    };
    let mut paged = record(json!({}));
    paged["get"]["parameters"] = json!([super::query("page", json!({"type": "integer"}))]);
    let found = selectors(json!({
        "/orders": get(json!({"type": "object", "properties": {"items": objects(), "total": {"type": "integer"}, "request_id": text}})),
        "/orders/{id}": record(json!({})),
        "/orders/{id}.json": record(json!({})),
        "/Orders({key})": record(json!({})),
        "/cart": record(json!({})),
        "/calendar": record(json!({"nextPageToken": text})),
        "/feed": paged,
        "/report": get(json!({"type": "object", "properties": {"title": text, "data": objects()}})),
        "/checkout": get(json!({"type": "object", "properties": {"customer": {"type": "object"}, "due": text, "lines": objects()}})),
        "/orders/open": get(json!({"type": "object", "properties": {"shop": text, "items": objects()}})),
        "/carts": record(json!({})),
        "/orders/latest": get(json!({"type": "object", "properties": {"number": text, "total": {"type": "number"}, "items": objects()}})),
        "/basket": get(json!({"type": "object", "properties": {"basketId": text, "items": objects()}})),
        "/orders/{id}/details": get(json!({"type": "object", "properties": {"order_number": text, "customer": text, "items": objects()}})),
        "/settings": get(json!({"type": "object", "properties": {"locale": text, "rules": objects()}})),
        "/profile": get(json!({"type": "object", "properties": {"result":
            {"type": "object", "properties": {"first_name": text, "last_name": text, "data": objects()}}}})),
        "/balance": get(json!({"type": "object", "properties": {"live": {"type": "boolean"}, "available": objects()}})),
    }));
    let expected = [
        ("orders", "items"),
        ("calendar", "items"),
        ("feed", "items"),
        ("report", "data"),
        ("orders_open", "items"),
        ("carts", "items"),
    ];
    assert_eq!(found, expected.map(|(name, selector)| (name.to_owned(), selector.to_owned())));
    let skipped = told(json!({"/cart": record(json!({}))}), json!({}));
    assert!(skipped[0].starts_with("skipped /cart:") && skipped[0].contains("one record"), "{skipped:?}");
    let document = json!({"openapi": "3.0.0", "paths": {"/cart": record(json!({}))}});
    let cart = &imported(document, &["/cart"]).config["resources"][0];
    assert_eq!(
        (&cart["endpoint"]["data_selector"], &cart["endpoint"]["paginator"]),
        (&json!("$"), &json!("single_page"))
    );
}
