//! What a request asks for: parameters, bodies, headers, places, and who is whose parent.

use serde_json::{Value, json};

use super::{plan, plan_with, problems, with};
use crate::plan::{AuthPlan, Bindings, BoundBody, BoundRequest, Overrides, Plan, ResourcePlan};

/// The base config with this endpoint, and two resources beside it that may be parents.
fn config(endpoint: Value) -> Value {
    let mut config = with(&[("/resources/0/endpoint", endpoint)]);
    for name in ["posts", "users"] {
        let mut other = config["resources"][0].clone();
        (other["name"], other["endpoint"]) = (json!(name), json!(name));
        config["resources"].as_array_mut().unwrap().push(other);
    }
    config
}

fn resource(endpoint: Value) -> ResourcePlan {
    plan(&config(endpoint)).unwrap_or_else(|problems| panic!("{problems:#?}")).resources.remove(0)
}

/// The request of a record of the parent whose fields are these.
fn request(endpoint: Value, fields: Value) -> BoundRequest {
    let mut bindings = Bindings::default();
    bindings.parent.extend(fields.as_object().unwrap().clone());
    resource(endpoint).request.bind(&bindings).unwrap()
}

fn url(endpoint: Value, fields: Value) -> String {
    request(endpoint, fields).url.into()
}

/// The only problem of a config with this endpoint.
fn wrong(endpoint: Value) -> String {
    let mut found = problems(&config(endpoint));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn parameters_are_texts_lists_are_repeated_and_null_is_left_out() {
    let params = json!({"archived": false, "n": 1.5, "tag": ["a", null, 2], "none": null, "brace": "{{x}}"});
    let expected = pairs(&[("archived", "false"), ("n", "1.5"), ("tag", "a"), ("tag", "2"), ("brace", "{x}")]);
    assert_eq!(request(json!({"params": params}), json!({})).params, expected);
}

#[test]
fn a_parameter_that_the_path_names_fills_it_and_is_not_sent() {
    let endpoint = json!({"path": "repos/{repo}/issues/{id}", "params": {"repo": "a/b", "id": 7, "state": "all"}});
    let request = request(endpoint, json!({}));
    // As dlt has it: what the config itself writes into a path is a piece of path.
    assert_eq!(request.url.as_str(), "https://api.example.com/v1/repos/a/b/issues/7");
    assert_eq!(request.params, pairs(&[("state", "all")]));
}

#[test]
fn a_field_of_the_parent_fills_the_path_however_it_is_written() {
    let fields = json!({"id": "a b/c"});
    for endpoint in [
        json!("posts/{resources.posts.id}/comments"),
        json!({"path": "posts/{ resources.posts.id }/comments"}),
        json!({"path": "posts/{x}/comments", "params": {"x": {"type": "resolve", "resource": "posts", "field": "id"}}}),
        json!({"path": "posts/{x}/comments", "params": {"x": "{resources.posts.id}"}}),
    ] {
        let plan = resource(endpoint.clone());
        assert_eq!(plan.parent.unwrap().resource, "posts");
        assert_eq!(url(endpoint, fields.clone()), "https://api.example.com/v1/posts/a%20b%2Fc/comments");
    }
}

#[test]
fn places_stand_in_parameters_headers_and_bodies() {
    let endpoint = json!({
        "method": "post", "params": {"p": "x{resources.posts.id}", "f[{resources.posts.k}]": 1},
        "headers": {"X-{resources.posts.k}": "{resources.posts.id}", "X-Team": null},
        "json": {"id": "{resources.posts.id}", "text": "n{resources.posts.id}", "k{resources.posts.k}": [{"deep": "{resources.posts.o}"}]},
    });
    let request = request(endpoint, json!({"id": 7, "k": "y", "o": {"a": 1}}));
    assert_eq!(request.method.word(), "POST");
    assert_eq!(request.params, pairs(&[("p", "x7"), ("f[y]", "1")]));
    assert_eq!(request.without_headers, ["X-Team"]);
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
    assert_eq!(headers, [("X-y", "7")]);
    assert_eq!(request.body, BoundBody::Json(json!({"id": 7, "text": "n7", "ky": [{"deep": {"a": 1}}]})));
}

#[test]
fn any_json_is_a_body_and_keeps_its_types() {
    for body in [json!({"a": null, "b": [true, 1, 1.5, "x"], "c": {"d": []}}), json!([1]), json!("text"), json!(0)] {
        let request = request(json!({"json": body}), json!({}));
        assert_eq!(request.body, BoundBody::Json(body));
    }
}

#[test]
fn data_is_a_form_as_an_object_or_as_pairs_or_a_text() {
    let body = |data: Value| request(json!({"method": "POST", "data": data}), json!({"id": 7})).body;
    let form = BoundBody::Form(pairs(&[("a", "1"), ("a", "true"), ("id", "7")]));
    assert_eq!(body(json!({"a": [1, true], "none": null, "id": "{resources.posts.id}"})), form);
    assert_eq!(body(json!([["a", 1], ["a", true], ["id", "{resources.posts.id}"]])), form);
    assert_eq!(body(json!("id={resources.posts.id}&{{}}")), BoundBody::Raw("id=7&{}".to_owned()));
}

#[test]
fn a_request_has_one_body_and_pairs_are_pairs() {
    assert!(wrong(json!({"json": {}, "data": "x"})).starts_with("resources[0].endpoint.data: a request has one body"));
    assert!(wrong(json!({"data": [["a"]]})).starts_with("resources[0].endpoint.data[0]: an item of `data` is a name"));
    assert!(wrong(json!({"headers": {"X A": "1"}})).contains("no name of a header"));
    let problem = plan_with(
        &config(json!({"json": {"n": 1}})).to_string().replace(r#"{"n":1}"#, "{n: 18446744073709551616}"),
        &Overrides::default(),
    );
    assert!(problem.unwrap_err()[0].contains("no number that a body can hold"));
}

#[test]
fn what_fills_no_place_is_told_with_its_own_place_and_what_would() {
    for (endpoint, expected) in [
        (
            json!("posts/{id}"),
            "resources[0].endpoint: nothing fills the place `{id}`: `params` has no `id` (a place is",
        ),
        (json!("posts/{resource.posts.id}"), "resources[0].endpoint: nothing fills the place `{resource.posts.id}`"),
        (
            json!("posts/{resources.post.id}"),
            "resources[0].endpoint: there is no resource `post`: did you mean `posts`?",
        ),
        (json!("posts/{resources.posts}"), "resources[0].endpoint: `{resources.posts}` names no field"),
        (json!("posts/{resources.posts.a[}"), "resources[0].endpoint: `a[` is no field of a record"),
        (json!({"params": {"a": "{id}"}}), "resources[0].endpoint.params.a: nothing fills the place `{id}`"),
        (
            json!({"json": {"a": ["{x"]}}),
            "resources[0].endpoint.json.a[0]: braces in this text are read as placeholders: this `{` is never closed",
        ),
        (
            json!({"data": "{}"}),
            "resources[0].endpoint.data: braces in this text are read as placeholders: nothing fills the place `{}`",
        ),
        (json!({"headers": {"X-A": "{x}"}}), "resources[0].endpoint.headers.X-A: nothing fills"),
        (json!({"params": {"a": "{incremental.start_value}"}}), "needs an `incremental` on the endpoint"),
        (json!({"params": {"a": "{incremental.begin}"}}), "`incremental` has no `begin`, but `initial_value`"),
        (json!({"path": "x/{a}", "params": {"a": []}}), "resources[0].endpoint.params.a: it fills a place of the path"),
    ] {
        let problem = wrong(endpoint);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn a_parameter_of_the_type_resolve_fills_the_path_and_nothing_else() {
    let resolve = |resource: &str| json!({"type": "resolve", "resource": resource, "field": "id"});
    let problem = wrong(json!({"path": "x", "params": {"a": resolve("posts")}}));
    assert!(problem.contains("put `{a}` into the path") && problem.contains("{resources.posts.id}"), "{problem}");
    let problem = wrong(json!({"path": "x/{a}", "params": {"a": resolve("post")}}));
    assert!(problem.starts_with("resources[0].endpoint.params.a: there is no resource `post`"), "{problem}");
}

#[test]
fn a_resource_has_one_parent() {
    let endpoint = json!({"path": "{resources.posts.id}/{resources.posts.x}", "params": {"u": "{resources.users.id}"}});
    let problem = wrong(endpoint);
    assert!(problem.starts_with("resources[0].endpoint.params.u: a resource has one parent"), "{problem}");
}

#[test]
fn resources_that_wait_for_themselves_are_told_once() {
    let mut config = config(json!("x/{resources.posts.id}"));
    config["resources"][1]["endpoint"] = json!("y/{resources.users.id}");
    config["resources"][2]["endpoint"] = json!("z/{resources.t.id}");
    let found = problems(&config);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`t` <- `posts` <- `users` <- `t`"), "{found:?}");
    assert!(wrong(json!("x/{resources.t.id}")).contains("`t` <- `t`"));
}

#[test]
fn fields_of_the_parent_are_included_under_its_name() {
    let mut config = config(json!("posts/{resources.posts.id}/comments"));
    config["resources"][0]["include_from_parent"] = json!(["id", "title", "id"]);
    let parent = plan(&config).unwrap().resources.remove(0).parent.unwrap();
    let names: Vec<_> = parent.include.iter().map(|field| (field.field.as_str(), field.name.as_str())).collect();
    assert_eq!(names, [("id", "_posts_id"), ("title", "_posts_title")]);
    config["resources"][0]["endpoint"] = json!("comments");
    assert!(problems(&config)[0].contains("the resource has no parent"));
}

#[test]
fn parents_that_are_not_exported_are_known_all_the_same() {
    let mut config = config(json!("x/{resources.posts.id}"));
    config["resources"][1]["endpoint"] = json!("y/{resources.users.id}");
    let names = |plan: Plan| {
        let names =
            |resources: Vec<ResourcePlan>| resources.into_iter().map(|resource| resource.name).collect::<Vec<_>>();
        (names(plan.resources), names(plan.parents))
    };
    let named = |resources: &[&str]| {
        let resources = resources.iter().map(|&name| name.to_owned()).collect();
        names(plan_with(&config.to_string(), &Overrides { resources, ..Overrides::default() }).unwrap())
    };
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(named(&["t"]), (owned(&["t"]), owned(&["posts", "users"])));
    assert_eq!(named(&["t", "posts"]), (owned(&["t", "posts"]), owned(&["users"])));
    config["resources"][2]["selected"] = json!(false);
    assert_eq!(names(plan(&config).unwrap()), (owned(&["t", "posts"]), owned(&["users"])));
}

#[test]
fn what_was_filled_in_from_outside_is_no_place_and_what_stands_beside_it_is() {
    let text = |path: &str, value: &str| {
        let config = config(json!({"path": path})).to_string();
        let source = crate::config::Source::Stdin { text: config };
        let loaded = crate::config::load(source, &|_| Some(value.to_owned())).unwrap();
        let plan = crate::plan::resolve(&loaded, &Overrides::default()).unwrap();
        let mut bindings = Bindings::default();
        bindings.parent.insert("id".to_owned(), json!(7));
        plan.resources[0].request.bind(&bindings).unwrap().url.path().to_owned()
    };
    assert_eq!(text("${A}/{resources.posts.id}", "{x}"), "/v1/%7Bx%7D/7");
    assert_eq!(text("${A}", "{resources.posts.id}"), "/v1/%7Bresources.posts.id%7D");
}

#[test]
fn a_path_may_be_a_whole_url_and_another_origin_is_told() {
    let plan = resource(json!("https://other.example/x/{resources.posts.id}"));
    let warning = "`path` leads to https://other.example, which is neither the origin of `base_url` nor among \
                   `allowed_hosts`: no credentials go there";
    assert!(plan.warnings.contains(&warning.to_owned()), "{:?}", plan.warnings);
    assert_eq!(url(json!("https://api.example.com/v2/x"), json!({})), "https://api.example.com/v2/x");
    assert_eq!(resource(json!("https://api.example.com/v2/x")).warnings, Vec::<String>::new());
    assert!(
        wrong(json!({"path": "https://"})).starts_with("resources[0].endpoint.path: `https://` is no path of a URL")
    );
}

#[test]
fn an_endpoint_has_credentials_of_its_own_the_clients_or_none() {
    let auth = |endpoint: Value| resource(endpoint).auth;
    assert!(auth(json!({})).is_none());
    assert!(matches!(auth(json!({"auth": null})), Some(AuthPlan::None)));
    assert!(matches!(auth(json!({"auth": {"token": "t"}})), Some(AuthPlan::Bearer { .. })));
    let mut config = config(json!({}));
    config["resource_defaults"] = json!({"endpoint": {"auth": {"token": "default"}}});
    assert!(matches!(plan(&config).unwrap().resources[0].auth, Some(AuthPlan::Bearer { .. })));
}

#[test]
fn values_under_telling_names_are_secrets_wherever_a_request_carries_them() {
    let plan = plan(&config(json!({
        "params": {"token": "in-params"}, "headers": {"Authorization": "Custom in-headers"},
        "json": {"a": [{"password": "in-json"}]},
    })))
    .unwrap();
    let form = super::plan(&config(json!({"data": [["api_key", "in-pairs"]]}))).unwrap();
    let secrets: Vec<_> = plan.secrets.iter().chain(&form.secrets).map(|secret| secret.expose().as_str()).collect();
    for secret in ["in-params", "in-headers", "in-json", "in-pairs"] {
        assert!(secrets.contains(&secret), "{secret} in {secrets:?}");
    }
}
