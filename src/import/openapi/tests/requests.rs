//! Where requests go, as whom, and with what.

use serde_json::{Value, json};

use super::{answer, imported, objects, things};
use crate::import::Imported;

fn needed(name: &str, place: &str, schema: Value) -> Value {
    json!({"name": name, "in": place, "required": true, "schema": schema})
}

#[test]
fn a_needed_parameter_has_a_value_that_the_description_tells_or_a_variable() {
    let mut in_parameter = needed("x", "query", json!({"type": "string"}));
    in_parameter["examples"] = json!({"e": {"value": "zz"}});
    let mut joined = needed("x", "query", json!({"type": "array"}));
    joined["explode"] = json!(false);
    joined["example"] = json!(["a", "b"]);
    for (parameter, value, is_told) in [
        (needed("x", "query", json!({"$ref": "#/components/schemas/X"})), json!("d"), false),
        (needed("x", "query", json!({"type": "string", "enum": ["only"]})), json!("only"), false),
        (needed("x", "query", json!({"type": "boolean", "default": false})), json!(false), false),
        (in_parameter, json!("zz"), true),
        (needed("x", "query", json!({"examples": ["2024-01-01"]})), json!("2024-01-01"), true),
        (joined, json!("a,b"), true),
        (needed("x", "query", json!({"enum": ["a", "b"]})), json!("${THE_SHOP_PARAMETER_X}"), true),
    ] {
        let mut document = things(json!({"parameters": [parameter], "responses": answer(objects())}));
        document["components"]["schemas"] = json!({"X": {"type": "string", "default": "d"}});
        document["info"] = json!({"title": "The Shop"});
        let imported = imported(document, &[]);
        assert_eq!(imported.config["resources"][0]["endpoint"]["params"]["x"], value, "{parameter}");
        let place = "resources.things.endpoint.params.x";
        assert_eq!(imported.notes.iter().any(|note| note.path == place), is_told, "{parameter}");
    }
}

#[test]
fn the_example_of_a_credential_is_not_copied_into_the_config() {
    for (name, value) in [("X-Token", "${THE_SHOP_HEADER_X_TOKEN}"), ("X-Team", "zz-1234")] {
        let mut parameter = needed(name, "header", json!({"type": "string"}));
        parameter["example"] = json!("zz-1234");
        let mut document = things(json!({"parameters": [parameter], "responses": answer(objects())}));
        document["info"] = json!({"title": "The Shop"});
        let imported = imported(document, &[]);
        assert_eq!(imported.config["resources"][0]["endpoint"]["headers"][name], value);
    }
}

#[test]
fn a_needed_cookie_is_told_and_an_object_in_a_query_is_its_fields() {
    let pageable = json!({"type": "object", "required": ["sort"], "properties": {
        "page": {"type": "integer", "default": 0}, "size": {"type": "integer", "maximum": 50}, "sort": {"type": "string", "default": "id"},
    }});
    let parameters = json!([needed("pageable", "query", pageable), needed("SID", "cookie", json!({}))]);
    let imported = imported(things(json!({"parameters": parameters, "responses": answer(objects())})), &[]);
    let endpoint = &imported.config["resources"][0]["endpoint"];
    assert_eq!(endpoint["paginator"]["page_param"], "page");
    assert_eq!(endpoint["params"], json!({"sort": "id", "size": 50}));
    assert!(imported.notes.iter().any(|note| note.message.contains("cookie `SID`")));
}

/// An API of these operations, by their `security`; null for none of their own.
fn secured(schemes: Value, root: Value, operations: &[Value]) -> Imported {
    let mut document =
        json!({"openapi": "3.0.0", "info": {"title": "The Shop API"}, "servers": [{"url": "https://a.example/v1"}]});
    for (number, security) in operations.iter().enumerate() {
        let mut get = json!({"responses": answer(objects())});
        if !security.is_null() {
            get["security"] = security.clone();
        }
        document["paths"][format!("/p{number}")] = json!({ "get": get });
    }
    document["components"]["securitySchemes"] = schemes;
    if !root.is_null() {
        document["security"] = root;
    }
    imported(document, &[])
}

fn schemes() -> Value {
    let key = |name: &str| json!({"type": "apiKey", "in": "header", "name": name});
    json!({"admin": {"type": "http", "scheme": "basic"}, "key": key("X-Key"), "tenant": key("aws-secret-access-key")})
}

#[test]
fn a_description_does_not_choose_the_variables_that_are_sent() {
    let (one, two) = (json!([{"key": []}]), json!([{"tenant": []}]));
    let config = secured(schemes(), one.clone(), &[one, two, json!([{"admin": []}])]).config;
    assert_eq!(config["client"]["auth"]["api_key"], "${THE_SHOP_API_KEY}");
    assert_eq!(config["resources"][1]["endpoint"]["auth"]["api_key"], "${THE_SHOP_API_KEY_2}");
    assert_eq!(config["resources"][2]["endpoint"]["auth"]["password"], "${THE_SHOP_API_PASSWORD}");
}

#[test]
fn the_client_has_the_auth_that_most_operations_want_and_others_have_their_own() {
    let (key, basic) = (json!([{"key": []}]), json!([{"admin": []}]));
    let imported = secured(schemes(), basic.clone(), &[key.clone(), Value::Null, key, json!([]), json!([{}])]);
    let config = &imported.config;
    assert_eq!(config["client"]["auth"]["name"], "X-Key");
    let auths: Vec<_> = (0..5).map(|number| config["resources"][number]["endpoint"].get("auth")).collect();
    assert_eq!(auths[1].unwrap()["type"], "http_basic");
    assert_eq!([auths[0], auths[2], auths[3], auths[4]], [None, None, Some(&Value::Null), Some(&Value::Null)]);
}

#[test]
fn what_is_open_to_all_sends_nothing_and_what_is_unsaid_the_first_scheme() {
    let auth = |root: Value| secured(schemes(), root, &[Value::Null]).config["client"].get("auth").cloned();
    assert_eq!((auth(json!([])), auth(json!([{}]))), (None, None));
    assert_eq!(auth(json!([{"not described": []}])).unwrap()["type"], "http_basic");
    assert_eq!(auth(Value::Null).unwrap()["type"], "http_basic");
}

#[test]
fn schemes_that_belong_together_are_told() {
    let imported = secured(schemes(), json!([{"key": [], "tenant": []}]), &[Value::Null]);
    let told = imported.notes.iter().find(|note| note.message.contains("`tenant`")).unwrap();
    assert!(told.path == "client.auth" && told.message.contains("`aws-secret-access-key`"), "{told:?}");
    let (alone, both) = (json!([{"key": []}]), json!([{"key": [], "tenant": []}]));
    let imported = secured(schemes(), Value::Null, &[alone, both.clone(), both]);
    let told: Vec<_> =
        imported.notes.iter().filter(|note| note.message.contains("`tenant`")).map(|note| &note.path).collect();
    assert_eq!(told, ["resources.p1.endpoint.auth"]);
    let alternatives = json!([{"key": [], "tenant": []}, {"admin": []}]);
    assert_eq!(secured(schemes(), alternatives, &[Value::Null]).config["client"]["auth"]["type"], "http_basic");
}

#[test]
fn a_token_url_is_whole_and_a_key_without_a_place_is_no_auth() {
    let flow = json!({"o": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/oauth/token"}}}});
    let auth = secured(flow, json!([{"o": []}]), &[Value::Null]).config["client"]["auth"].clone();
    assert_eq!(auth["access_token_url"], "https://a.example/oauth/token");
    let imported = secured(json!({"k": {"type": "apiKey", "name": "SID"}}), json!([{"k": []}]), &[Value::Null]);
    assert_eq!((imported.config["client"].get("auth"), imported.notes[0].path.as_str()), (None, "client.auth"));
}

#[test]
fn a_server_of_one_path_stands_before_it() {
    let mut document = things(json!({"responses": answer(objects())}));
    document["paths"]["/things"]["servers"] = json!([{"url": "https://files.example/v2/"}]);
    document["paths"]["/others"] =
        json!({"get": {"responses": answer(objects()), "servers": [{"url": "https://a.example/"}]}});
    document["paths"]["/relative"] = json!({"get": {"responses": answer(objects()), "servers": [{"url": "/v9"}]}});
    let imported = imported(document, &[]);
    let paths: Vec<_> = (0..3).map(|number| &imported.config["resources"][number]["endpoint"]["path"]).collect();
    assert_eq!(paths, ["https://files.example/v2/things", "/others", "/relative"]);
    let told: Vec<_> =
        imported.notes.iter().filter(|note| note.path.ends_with("endpoint.path")).map(|note| &note.path).collect();
    assert_eq!(told, ["resources.things.endpoint.path", "resources.relative.endpoint.path"]);
}

#[test]
fn a_prefix_that_is_described_is_sent_before_the_key() {
    let auth = |scheme: Value| secured(json!({ "s": scheme }), json!([{"s": []}]), &[Value::Null]);
    let key = |name: &str, description: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": description});
    let token = |name: &str, prefix: &str| json!({"type": "api_key", "name": name, "api_key": format!("{prefix} ${{THE_SHOP_API_KEY}}"), "location": "header"});
    let bearer = json!({"type": "bearer", "token": "${THE_SHOP_API_TOKEN}"});
    let of_django = "Token-based authentication with required prefix \"Token\"";
    for (scheme, expected) in [
        (key("Authorization", of_django), token("Authorization", "Token")),
        (key("X-Auth", of_django), token("X-Auth", "Token")),
        (key("authorization", "Example: `Authorization: Bearer {token}`"), bearer.clone()),
        (
            json!({"type": "http", "scheme": "bearer", "description": "`Authorization: Token <key>`"}),
            token("Authorization", "Token"),
        ),
        (json!({"type": "http", "scheme": "bearer", "bearerFormat": "token"}), bearer),
        (json!({"type": "http", "scheme": "ApiKey"}), token("Authorization", "ApiKey")),
    ] {
        assert_eq!(auth(scheme.clone()).config["client"]["auth"], expected, "{scheme}");
    }
    let plain = auth(key("Authorization", "Your key."));
    assert_eq!(plain.config["client"]["auth"]["api_key"], "${THE_SHOP_API_KEY}");
    assert!(plain.notes.iter().any(|note| note.path == "client.auth" && note.message.contains("no prefix")));
    assert_eq!(auth(json!({"type": "http", "scheme": "digest"})).config["client"].get("auth"), None);
}

#[test]
fn a_server_that_is_not_known_is_a_variable_and_no_host_is_made_up() {
    let client = |rest: Value| {
        let mut document =
            json!({"info": {"title": "The Shop"}, "paths": {"/things": {"get": {"responses": answer(objects())}}}});
        document.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let imported = imported(document, &[]);
        let told = imported.notes.iter().find(|note| note.path == "client.base_url").map(|note| note.message.clone());
        (imported.config["client"]["base_url"].clone(), told.unwrap_or_default())
    };
    for (rest, told) in [
        (json!({"openapi": "3.1.0"}), "https://HOST"),
        (json!({"openapi": "3.1.0", "servers": []}), "https://HOST"),
        (json!({"openapi": "3.1.0", "servers": [{"url": "/api"}]}), "https://HOST/api"),
        (
            json!({"openapi": "3.1.0", "servers": [{"url": "https://{tenant}.example.com"}]}),
            "https://{tenant}.example.com",
        ),
        (json!({"swagger": "2.0", "basePath": "/v1"}), "https://HOST/v1"),
    ] {
        let (base_url, message) = client(rest.clone());
        assert_eq!(base_url, "${THE_SHOP_BASE_URL}", "{rest}");
        assert!(message.contains("THE_SHOP_BASE_URL") && message.contains(told), "{message}");
    }
    let flow = json!({"o": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/oauth/token"}}}});
    let document = json!({"openapi": "3.1.0", "info": {"title": "Shop"}, "components": {"securitySchemes": flow},
        "paths": {"/things": {"get": {"responses": answer(objects())}}}});
    assert_eq!(imported(document, &[]).config["client"]["auth"]["access_token_url"], "${SHOP_BASE_URL}/oauth/token");
}
