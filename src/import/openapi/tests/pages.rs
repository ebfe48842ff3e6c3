//! How lists are paged.

use serde_json::{Value, json};

use super::{answer, imported, objects, query, things};

/// The endpoint of one list, and the paths of its notes but for the key's.
fn endpoint(parameters: &Value, schema: Value, headers: Value) -> (Value, Vec<String>) {
    let mut responses = answer(schema);
    responses["200"]["headers"] = headers;
    let imported = imported(things(json!({"parameters": parameters, "responses": responses})), &[]);
    let prefix = "resources.things.endpoint.";
    let notes = imported.notes.iter().filter_map(|note| note.path.strip_prefix(prefix)).map(str::to_owned);
    (imported.config["resources"][0]["endpoint"].clone(), notes.collect())
}

fn integer(name: &str) -> Value {
    query(name, json!({"type": "integer"}))
}

fn text(name: &str) -> Value {
    query(name, json!({"type": "string"}))
}

/// An object with records, and these fields beside them.
fn beside(fields: Value) -> Value {
    let records = json!({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}});
    let mut properties = json!({ "items": records });
    properties.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"type": "object", "properties": properties})
}

fn object(name: &str, schema: Value) -> Value {
    json!({"type": "object", "properties": {name: schema}})
}

#[test]
fn a_plain_array_is_whole_only_if_nothing_may_page_it() {
    let link = json!({"link": {"schema": {"type": "string"}}});
    for (parameters, headers, paginator) in [
        (json!([]), json!({}), json!("single_page")),
        (json!([text("status"), query("max", json!({"type": "boolean"}))]), json!({}), json!("single_page")),
        (json!([integer("fetchPageNr"), integer("rows")]), json!({}), Value::Null),
        (json!([text("syncToken")]), json!({}), Value::Null),
        (json!([integer("PageNumber"), integer("PageSize")]), link.clone(), json!("header_link")),
        (json!([]), link, json!("header_link")),
    ] {
        let (endpoint, notes) = endpoint(&parameters, objects(), headers);
        assert_eq!(endpoint["paginator"], paginator, "{parameters}");
        let is_told = notes.iter().any(|note| note == "paginator");
        assert_eq!(is_told, paginator.is_null() || endpoint["params"].get("PageSize").is_some(), "{notes:?}");
    }
}

#[test]
fn names_are_compared_without_signs_and_case() {
    for (page, size) in [("PageNumber", "PageSize"), ("page[number]", "page[size]"), ("page-number", "per_page")] {
        let (endpoint, _) = endpoint(&json!([integer(page), integer(size)]), objects(), json!({}));
        assert_eq!(endpoint["paginator"]["page_param"], page);
        assert_eq!(endpoint["params"], json!({size: 100}));
    }
}

#[test]
fn a_count_is_not_taken_for_the_lists_total() {
    let parameters = json!([integer("offset"), integer("limit")]);
    for (field, schema, total) in [
        ("count", json!({"type": "integer"}), None),
        ("count", json!({"type": "integer", "description": "Total number of orders"}), Some(json!("count"))),
        ("count", json!({"type": "integer", "description": "Total number on this page"}), None),
        (
            "count",
            json!({"type": "integer", "description": "Total number of matching records on all pages"}),
            Some(json!("count")),
        ),
        ("total", json!({"type": "integer", "description": "Records on the current page"}), None),
        ("total", json!({"type": "object"}), None),
        ("Total_Count", json!({"type": "integer"}), Some(json!("Total_Count"))),
        ("total_entries", json!({"type": "integer"}), Some(json!("total_entries"))),
        (
            "meta",
            object("pagination", object("total", json!({"type": "integer"}))),
            Some(json!("meta.pagination.total")),
        ),
    ] {
        let (endpoint, _) = endpoint(&parameters, beside(json!({ field: schema })), json!({}));
        assert_eq!(endpoint["paginator"].get("total_path"), total.as_ref(), "{field} {schema}");
    }
}

#[test]
fn a_count_beside_links_to_both_sides_is_the_lists_total_also_around_nested_records() {
    let link = json!({"type": "string", "nullable": true, "format": "uri"});
    let page = json!({"count": {"type": "integer"}, "next": link, "previous": link});
    let parameters = json!([integer("offset"), integer("limit")]);
    let (of_django, _) = endpoint(&parameters, beside(page.clone()), json!({}));
    assert_eq!(of_django["paginator"]["total_path"], "count");
    let (nested, _) =
        endpoint(&parameters, json!({"type": "object", "properties": {"result": beside(page.clone())}}), json!({}));
    assert_eq!(
        (&nested["data_selector"], &nested["paginator"]["total_path"]),
        (&json!("result.items"), &json!("result.count"))
    );
    let (by_link, _) = endpoint(&json!([integer("page")]), beside(page), json!({}));
    assert_eq!(by_link["paginator"], json!({"type": "json_link", "next_url_path": "next"}));
}

#[test]
fn a_total_that_a_parameter_switches_on_is_asked_for() {
    let total = json!({"meta": object("total_count", json!({"type": "integer"}))});
    let parameters =
        |meta: Value| json!([integer("offset"), query("limit", json!({"type": "integer", "maximum": 9})), meta]);
    let (switched, _) = endpoint(&parameters(text("meta")), beside(total.clone()), json!({}));
    assert_eq!(switched["params"], json!({"meta": "total_count"}));
    for other in [integer("meta"), text("metadata"), query("meta", json!({"type": "string", "enum": ["a", "b"]}))] {
        let (endpoint, _) = endpoint(&parameters(other.clone()), beside(total.clone()), json!({}));
        assert_eq!(endpoint.get("params"), None, "{other}");
    }
}

#[test]
fn page_numbers_end_by_the_number_of_pages_and_never_by_that_of_records() {
    let number = json!({"type": "integer"});
    for (fields, total) in [
        (json!({"total": number}), None),
        (json!({"total": number, "total_pages": number}), Some(json!("total_pages"))),
        (json!({"meta": object("last_page", number.clone())}), Some(json!("meta.last_page"))),
        (json!({"pages": {"type": "array", "items": number}}), None),
    ] {
        let (endpoint, _) = endpoint(&json!([integer("page")]), beside(fields.clone()), json!({}));
        assert_eq!(endpoint["paginator"]["type"], "page_number", "{fields}");
        assert_eq!(endpoint["paginator"].get("total_path"), total.as_ref(), "{fields}");
    }
}

#[test]
fn the_first_page_has_the_number_that_the_description_tells_or_a_note() {
    for (schema, base, is_told) in [
        (json!({"type": "integer"}), 1, true),
        (json!({"type": "integer", "default": 7}), 1, true),
        (json!({"type": "integer", "default": 0}), 0, false),
        (json!({"type": "integer", "minimum": 1}), 1, false),
        (json!({"type": "integer", "example": 0}), 0, false),
        (json!({"type": "integer", "description": "Zero-based."}), 0, false),
        (json!({"type": "integer", "description": "of the page, 1-based"}), 1, false),
    ] {
        let (endpoint, notes) = endpoint(&json!([query("page", schema.clone())]), objects(), json!({}));
        assert_eq!(endpoint["paginator"]["base_page"], base, "{schema}");
        assert_eq!(notes.iter().any(|note| note == "paginator.base_page"), is_told, "{schema}");
    }
}

#[test]
fn a_parameter_pages_only_if_it_takes_a_number() {
    let sizes = json!({"type": "integer", "enum": [10, 50, 20]});
    for (parameters, params, offset) in [
        (
            json!([integer("page"), query("size", json!({"type": "string", "enum": ["S", "L"]}))]),
            Value::Null,
            Value::Null,
        ),
        (json!([integer("page"), query("count", json!({"type": "boolean"}))]), Value::Null, Value::Null),
        (json!([integer("page"), query("size", sizes)]), json!({"size": 50}), Value::Null),
        (
            json!([query("start", json!({"type": "string", "format": "date-time"})), integer("limit")]),
            Value::Null,
            Value::Null,
        ),
        (
            json!([query("start", json!({"type": "string", "default": "0"})), integer("limit")]),
            Value::Null,
            json!("start"),
        ),
        (json!([query("start", json!({})), integer("limit")]), Value::Null, json!("start")),
        (
            json!([query("offset", json!({"anyOf": [{"type": "integer"}, {"type": "null"}]})), integer("limit")]),
            Value::Null,
            json!("offset"),
        ),
    ] {
        let (endpoint, _) = endpoint(&parameters, objects(), json!({}));
        assert_eq!(endpoint.get("params").unwrap_or(&Value::Null), &params, "{parameters}");
        assert_eq!(endpoint["paginator"].get("offset_param").unwrap_or(&Value::Null), &offset, "{parameters}");
    }
}

#[test]
fn what_next_is_its_type_tells() {
    let string = json!({"type": "string"});
    let link = |path: &str| json!({"type": "json_link", "next_url_path": path});
    let cursor = |path: &str, param: &str| json!({"type": "cursor", "cursor_path": path, "cursor_param": param});
    let uri = json!({"type": "string", "format": "uri", "nullable": true});
    for (parameters, fields, paginator, told) in [
        (json!([]), json!({"_links": object("next", object("href", string.clone()))}), link("_links.next.href"), None),
        (
            json!([text("after"), integer("limit")]),
            json!({"paging": object("next", object("after", string.clone()))}),
            cursor("paging.next.after", "after"),
            None,
        ),
        (json!([text("cursor")]), json!({"next": uri}), link("next"), None),
        (
            json!([text("cursor")]),
            json!({"next": {"type": "string", "description": "URL of more"}}),
            link("next"),
            None,
        ),
        (json!([text("cursor")]), json!({"next": string}), cursor("next", "cursor"), Some("paginator.cursor_path")),
        (json!([]), json!({"next": string}), link("next"), Some("paginator.next_url_path")),
        (
            json!([integer("page")]),
            json!({"pagination": object("next", json!({"type": ["integer", "null"]}))}),
            cursor("pagination.next", "page"),
            None,
        ),
        (
            json!([text("cursor")]),
            json!({"response_metadata": object("next_cursor", string.clone())}),
            cursor("response_metadata.next_cursor", "cursor"),
            None,
        ),
        (json!([text("page[cursor]")]), json!({"links": object("next", string.clone())}), link("links.next"), None),
        (json!([]), json!({"next": {"type": "boolean"}}), Value::Null, Some("paginator")),
        (
            json!([text("page")]),
            json!({"next_page": string}),
            cursor("next_page", "page"),
            Some("paginator.cursor_path"),
        ),
    ] {
        let (endpoint, notes) = endpoint(&parameters, beside(fields.clone()), json!({}));
        let found = endpoint.get("paginator").unwrap_or(&Value::Null);
        assert_eq!(found, &paginator, "{fields}");
        let told_of: Vec<&str> =
            notes.iter().map(String::as_str).filter(|note| *note != "paginator" || found.is_null()).collect();
        assert_eq!(told_of, told.into_iter().collect::<Vec<_>>(), "{fields}");
    }
}

#[test]
fn beside_a_link_no_top_is_sent() {
    let next = json!({"@odata.nextLink": {"type": "string"}});
    let parameters = json!([integer("$top"), integer("$skip")]);
    let (with_link, _) = endpoint(&parameters, beside(next), json!({}));
    assert_eq!(with_link["paginator"], json!({"type": "json_link", "next_url_path": "$['@odata.nextLink']"}));
    assert_eq!(with_link.get("params"), None);
    let (without, _) = endpoint(&parameters, beside(json!({})), json!({}));
    assert_eq!(without["paginator"]["limit_param"], "$top");
}

#[test]
fn has_more_with_the_last_id_is_a_cursor() {
    let more = beside(json!({"has_more": {"type": "boolean"}}));
    for param in ["starting_after", "after_id", "lastId"] {
        let (endpoint, _) = endpoint(&json!([text(param), integer("limit")]), more.clone(), json!({}));
        let paginator = json!({
            "type": "cursor", "cursor_path": "$.items[-1].id", "cursor_param": param, "has_more_path": "has_more",
        });
        assert_eq!((&endpoint["paginator"], &endpoint["params"]), (&paginator, &json!({"limit": 100})));
    }
}

#[test]
fn an_operations_parameter_comes_in_place_of_the_paths() {
    let limit = |maximum: u64| query("limit", json!({"type": "integer", "maximum": maximum}));
    let mut document = things(json!({"parameters": [limit(25), integer("offset")], "responses": answer(objects())}));
    document["paths"]["/things"]["parameters"] = json!([limit(1000)]);
    assert_eq!(imported(document, &[]).config["resources"][0]["endpoint"]["paginator"]["limit"], 25);
}
