//! The kinds of auth: what each of them has to have, and what is wrong with one that cannot work.

use serde_json::{Value, json};

use super::{plan, problems, with};
use crate::{
    plan::{AuthPlan, JwtBearerPlan, LoginBody, Placement, SessionPlan, TokenSource},
    secret::Secret,
};

const URL: &str = "https://login.example.com/token";

/// A key or certificate of the tests.
pub fn file(name: &str) -> String {
    format!("{}/tests/support/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn client_credentials() -> Value {
    json!({"type": "oauth2_client_credentials", "access_token_url": URL, "client_id": "c", "client_secret": "s"})
}

pub fn refresh_token() -> Value {
    json!({"type": "oauth2_refresh_token", "access_token_url": URL, "refresh_token": "r", "client_id": "c",
        "client_secret": "s"})
}

pub fn jwt_bearer() -> Value {
    json!({"type": "jwt_bearer", "access_token_url": URL, "issuer": "i", "key_file": file("rsa.key")})
}

pub fn session() -> Value {
    json!({"type": "session", "login": {"path": "login"}, "token_path": "token"})
}

/// Two values of every key that mean different things; null leaves the key out.
pub fn cases(table: &str) -> Vec<(&'static str, Value, Value)> {
    let hmac = || json!("a secret of thirty-two bytes or more");
    let mut cases = match table {
        "oauth2_client_credentials" => vec![
            ("client_id", json!("a"), json!("b")),
            ("client_secret", json!("a"), json!("b")),
            ("access_token", json!("t"), Value::Null),
            ("audience", json!("a"), Value::Null),
            ("client_auth", json!("basic"), Value::Null),
        ],
        "oauth2_refresh_token" => vec![
            ("refresh_token", json!("a"), json!("b")),
            ("client_id", json!("a"), json!("b")),
            ("client_secret", json!("a"), Value::Null),
            ("token_file", json!("token.json"), Value::Null),
            ("client_auth", json!("basic"), Value::Null),
        ],
        "jwt_bearer" => vec![
            ("issuer", json!("a"), json!("b")),
            ("subject", json!("a"), Value::Null),
            ("audience", json!("a"), Value::Null),
            ("key", pem("rsa.key"), pem("rsa_pkcs1.key")),
            ("key_file", json!(file("rsa.key")), json!(file("rsa_pkcs1.key"))),
            ("key_id", json!("k"), Value::Null),
            ("algorithm", json!("RS256"), json!("HS256")),
            ("expires_in", json!("1m"), Value::Null),
        ],
        "session" => vec![
            ("login", json!({"path": "a"}), json!({"path": "b"})),
            ("token_path", json!("a"), json!("b")),
            ("token_header", json!("a"), json!("b")),
            ("token_cookie", json!("a"), json!("b")),
            ("header", json!("X-Token"), Value::Null),
            ("cookie", json!("sid"), Value::Null),
            ("default_token_expiration", json!(60), Value::Null),
        ],
        "login" => vec![
            ("path", json!("a"), json!("b")),
            ("url", json!("https://a.example/login"), json!("https://b.example/login")),
            ("method", json!("GET"), json!("post")),
            ("json", json!({"user": hmac()}), json!({"user": 1})),
            ("data", json!({"user": "a"}), json!({"user": "b"})),
            ("headers", json!({"X-A": "1"}), Value::Null),
        ],
        other => panic!("{other} is no auth"),
    };
    if !["session", "login"].contains(&table) {
        cases.extend([
            ("access_token_url", json!(URL), json!("https://other.example.com")),
            ("access_token_request_data", json!({"a": "1"}), Value::Null),
            ("default_token_expiration", json!(60), Value::Null),
            ("scope", json!("a"), json!(["a", "b"])),
        ]);
    }
    cases
}

/// The keys in place of which this one stands.
pub fn excluded(table: &str, key: &str) -> Vec<&'static str> {
    match (table, key) {
        ("session", "token_header" | "token_cookie") => vec!["token_path"],
        ("jwt_bearer", "key") => vec!["key_file"],
        ("login", "url") => vec!["path"],
        _ => Vec::new(),
    }
}

fn pem(name: &str) -> Value {
    std::fs::read_to_string(file(name)).unwrap().into()
}

/// The auth with these keys set, or removed by null.
fn changed(mut auth: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        auth[key] = value.clone();
    }
    auth
}

fn auth(auth: Value) -> AuthPlan {
    plan(&with(&[("/client/auth", auth)])).unwrap().client.auth
}

/// What is wrong with an auth.
fn wrong(auth: Value) -> String {
    problems(&with(&[("/client/auth", auth)])).join("\n")
}

#[test]
fn an_assertion_is_for_its_issuer_and_for_the_token_endpoint_unless_they_are_named() {
    let AuthPlan::JwtBearer(JwtBearerPlan { subject, audience, .. }) = auth(jwt_bearer()) else { panic!() };
    assert_eq!((subject.as_str(), audience.as_str()), ("i", URL));
}

#[test]
fn keys_are_read_in_every_form_that_their_algorithm_has() {
    for (algorithm, key) in [
        ("RS256", pem("rsa.key")),
        ("RS256", pem("rsa_pkcs1.key")),
        ("ES256", pem("ec.key")),
        ("ES256", pem("ec_sec1.key")),
        ("HS256", json!("a secret of thirty-two bytes or more")),
    ] {
        auth(changed(jwt_bearer(), json!({"key_file": null, "key": key, "algorithm": algorithm})));
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused_with_its_place_and_never_shown() {
    for (algorithm, key, said) in [
        ("RS256", json!("hunter2"), "this is no private key in PEM"),
        ("RS256", pem("ec.key"), "the key does not fit RS256: it is no RSA key"),
        ("ES256", pem("rsa.key"), "the key does not fit ES256: it is no key on the curve P-256"),
        ("RS256", pem("authority.pem"), "this is no private key in PEM"),
        ("HS256", json!("hunter2"), "shorter than 32 bytes"),
        ("RS256", json!("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"), "encrypted by a passphrase"),
    ] {
        let said_of = wrong(changed(jwt_bearer(), json!({"key_file": null, "key": key, "algorithm": algorithm})));
        assert!(said_of.starts_with("client.auth.key: ") && said_of.contains(said), "{said_of}");
        assert!(!said_of.contains("hunter2"), "{said_of}");
    }
    let missing = wrong(changed(jwt_bearer(), json!({"key_file": "nowhere.pem"})));
    assert!(missing.starts_with("client.auth.key_file: the file `nowhere.pem` cannot be read"), "{missing}");
}

#[test]
fn what_is_missing_or_excludes_something_else_is_told() {
    for (auth, said) in [
        (json!({"type": "oauth2_client_credentials"}), "`access_token_url` is missing"),
        (changed(client_credentials(), json!({"client_secret": ""})), "`client_secret` is empty"),
        (changed(client_credentials(), json!({"client_auth": "post"})), "expected `body` or `basic`"),
        (changed(refresh_token(), json!({"client_id": null})), "`client_id` is missing"),
        (changed(jwt_bearer(), json!({"key_file": null})), "one of `key`, `key_file` is missing"),
        (changed(jwt_bearer(), json!({"key": "k"})), "`key`, `key_file` exclude each other"),
        (changed(jwt_bearer(), json!({"algorithm": "none"})), "expected `RS256`, `ES256` or `HS256`"),
        (changed(jwt_bearer(), json!({"expires_in": "1ms"})), "has to be a second or longer"),
        (
            changed(session(), json!({"token_path": null})),
            "one of `token_path`, `token_header`, `token_cookie` is missing",
        ),
        (changed(session(), json!({"token_cookie": "a"})), "exclude each other"),
        (changed(session(), json!({"header": "a", "cookie": "b"})), "`header` and `cookie` exclude each other"),
        (changed(session(), json!({"header": "a b"})), "`a b` is no name of a header or cookie"),
        (changed(session(), json!({"login": {}})), "one of `path`, `url` is missing"),
        (changed(session(), json!({"login": {"path": "https://a.example"}})), "a path is below `client.base_url`"),
        (changed(session(), json!({"login": {"path": "a", "json": {}, "data": {}}})), "exclude each other"),
        (changed(session(), json!({"login": {"path": "a", "headers": {"X-A": "1\n2"}}})), "is not one line of text"),
    ] {
        let found = wrong(auth.clone());
        assert!(found.starts_with("client.auth") && found.contains(said), "{auth}: {found}");
    }
}

#[test]
fn a_token_endpoint_is_an_address_without_credentials() {
    for (url, said) in [
        ("login.example.com", "this is no URL"),
        ("ftp://login.example.com", "not `ftp`"),
        ("https://u:p@login.example.com", "credentials do not belong in the URL"),
    ] {
        let found = wrong(changed(client_credentials(), json!({"access_token_url": url})));
        assert!(found.starts_with("client.auth.access_token_url: ") && found.contains(said), "{found}");
    }
}

#[test]
fn a_token_from_a_cookie_goes_back_as_that_cookie_and_any_other_as_a_bearer() {
    let placement = |changes: Value| match auth(changed(session(), changes)) {
        AuthPlan::Session(session) => (session.token, session.placement),
        other => panic!("{other:?}"),
    };
    let (token, place) = placement(json!({"token_path": null, "token_cookie": "sid"}));
    assert_eq!((token, place), (TokenSource::Cookie("sid".into()), Placement::Cookie("sid".into())));
    assert_eq!(placement(json!({})).1, Placement::Bearer);
    assert_eq!(placement(json!({"header": "X-Token"})).1, Placement::Header("X-Token".into()));
}

#[test]
fn secrets_of_every_kind_are_known_and_in_no_form_of_the_plan() {
    let login = json!({"path": "login", "json": {"user": "u", "password": "hunter2-a"}});
    for auth in [
        changed(client_credentials(), json!({"client_secret": "hunter2-a", "access_token": "hunter2-a"})),
        changed(refresh_token(), json!({"refresh_token": "hunter2-a"})),
        changed(client_credentials(), json!({"access_token_request_data": {"password": "hunter2-a"}})),
        changed(jwt_bearer(), json!({"key_file": null, "key": "hunter2-a".repeat(4), "algorithm": "HS256"})),
        changed(session(), json!({"login": login})),
    ] {
        let plan = plan(&with(&[("/client/auth", auth.clone())])).unwrap();
        assert!(plan.secrets.iter().any(|secret| secret.expose().contains("hunter2-a")), "{auth}");
        let shown = format!("{plan:?} {}", serde_json::to_string(&plan).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn each_item_of_a_list_under_a_telling_name_is_a_secret() {
    for (key, body) in [
        ("json", json!({"a": {"tokens": ["hunter2-a", ["hunter2-b"]]}})),
        ("data", json!({"token": ["hunter2-a", "hunter2-b"]})),
    ] {
        let endpoint = json!({"path": "a", "method": "POST", key: body});
        let plan = plan(&with(&[("/resources/0/endpoint", endpoint)])).unwrap();
        assert_eq!(plan.redactor().text("hunter2-a, hunter2-b"), "***, ***", "{key}");
    }
}

#[test]
fn what_logins_and_token_requests_send_is_not_shown_whatever_it_is_called() {
    let private = |auth: Value| -> Vec<String> {
        let plan = plan(&with(&[("/client/auth", auth)])).unwrap();
        plan.private.iter().map(|value| value.expose().clone()).collect()
    };
    let login = json!({"path": "login", "json": {"user": "someone", "card": {"no": ["hunter2-a", 12345678]}}});
    assert_eq!(private(changed(session(), json!({"login": login}))), ["hunter2-a", "12345678"]);
    let pairs = json!([["username", "someone"], ["pin", "hunter2-c"]]);
    let login = json!({"path": "login", "data": pairs, "headers": {"Accept": "application/json", "X-A": "hunter2-d"}});
    assert_eq!(private(changed(session(), json!({"login": login}))), ["hunter2-d", "hunter2-c"]);
    let data = json!({"grant_type": "password", "pin": "hunter2-b"});
    assert_eq!(private(changed(client_credentials(), json!({"access_token_request_data": data}))), ["hunter2-b"]);
}

#[test]
fn what_variables_fill_into_requests_is_shown_and_goes_to_no_other_host_unless_a_name_says_that_it_is_secret() {
    let open = json!({"path": "a/${KEY}", "params": {"q": ["${KEY}"]}, "headers": {"X-A": "is ${KEY}!"}});
    let open = plan(&with(&[("/resources/0/endpoint", open)])).unwrap();
    assert_eq!(open.confined.iter().map(|value| value.expose().as_str()).collect::<Vec<_>>(), ["from-env"; 3]);
    let redactor = open.redactor();
    assert_eq!(redactor.text("it is from-env"), "it is from-env");
    assert!(redactor.knows("it is from-env") && redactor.is_secret_pair("q=from-env"));
    for endpoint in [
        json!({"path": "a", "params": {"appid": ["is ${KEY}!"]}}),
        json!({"path": "a", "headers": {"Authorization": "Token token=${KEY}, x=1"}}),
        json!({"path": "a/{token}", "params": {"token": "${KEY}"}}),
        json!({"path": "a/${BOT_TOKEN}"}),
        json!({"path": "a", "data": [["password", "v1:${KEY}"]], "method": "POST"}),
        json!({"path": "a", "json": {"a": {"api_key": "v1:${KEY}"}}, "method": "POST"}),
    ] {
        let plan = plan(&with(&[("/resources/0/endpoint", endpoint.clone())])).unwrap();
        assert_eq!(plan.redactor().text("x from-env y"), "x *** y", "{endpoint}");
    }
}

#[test]
fn what_variables_fill_into_auth_is_secret_at_any_depth_but_for_words_and_hosts() {
    let basic = json!({"type": "http_basic", "username": "${KEY}", "password": "pass"});
    let login = |login: Value| changed(session(), json!({ "login": login }));
    for auth in [
        basic,
        changed(client_credentials(), json!({"client_id": "app-${KEY}"})),
        changed(client_credentials(), json!({"audience": "https://${KEY}"})),
        changed(client_credentials(), json!({"access_token_url": "https://a.example/${KEY}"})),
        changed(client_credentials(), json!({"access_token_request_data": {"tenant": "${KEY}"}})),
        login(json!({"path": "login", "json": {"user": {"names": ["${KEY}"]}}})),
        login(json!({"path": "login", "data": [["username", "${KEY}"]]})),
        login(json!({"path": "login/${KEY}"})),
    ] {
        let plan = plan(&with(&[("/client/auth", auth.clone())])).unwrap();
        assert_eq!(plan.redactor().text("x from-env y"), "x *** y", "{auth}");
    }
    let host = changed(client_credentials(), json!({"access_token_url": "https://${KEY}.example/token"}));
    let plan = plan(&with(&[("/client/auth", host)])).unwrap();
    assert_eq!(plan.redactor().text("it is from-env"), "it is from-env");
}

#[test]
fn a_user_with_an_empty_password_is_a_key_however_it_is_written() {
    let auth = json!({"type": "http_basic", "username": "sk_live_1", "password": ""});
    let header = json!({"Authorization": "Basic c2tfbGl2ZV8xOg=="});
    for (pointer, value) in [("/client/auth", auth), ("/client/headers", header)] {
        let plan = plan(&with(&[(pointer, value)])).unwrap();
        assert_eq!(plan.redactor().text("it is sk_live_1"), "it is ***", "{pointer}");
    }
}

#[test]
fn a_login_sends_json_and_forms_as_an_endpoint_does() {
    let sent = |login: Value| match auth(changed(session(), json!({ "login": login }))) {
        AuthPlan::Session(SessionPlan { body, .. }) => body,
        other => panic!("{other:?}"),
    };
    let json = json!({"user": {"name": "u", "roles": ["a", 1, true, null]}, "n": 1.5});
    assert_eq!(sent(json!({"path": "l", "json": json})), LoginBody::Json(Secret::new(json)));
    let fields = |fields: &[(&str, &str)]| {
        LoginBody::Form(
            fields.iter().map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned()))).collect(),
        )
    };
    let form = json!({"a": ["1", 2], "b": null, "c": true});
    assert_eq!(sent(json!({"path": "l", "data": form})), fields(&[("a", "1"), ("a", "2"), ("c", "true")]));
    assert_eq!(sent(json!({"path": "l", "data": [["a", 1], ["a", "2"]]})), fields(&[("a", "1"), ("a", "2")]));
    assert_eq!(sent(json!({"path": "l", "data": "a raw text"})), LoginBody::Raw(Secret::new("a raw text".to_owned())));
    let wrong = json!({"path": "l", "data": [["a"]]});
    let told = problems(&with(&[("/client/auth", changed(session(), json!({"login": wrong})))])).join("\n");
    assert!(told.contains("client.auth.login.data[0]: an item of `data` is a name and a value"), "{told}");
}

#[test]
fn credentials_that_cannot_work_are_told_at_once() {
    let found = |auth: Value| problems(&with(&[("/client/auth", auth)])).join("\n");
    let user = found(json!({"type": "http_basic", "username": "a:b", "password": "p"}));
    assert!(user.starts_with("client.auth.username: a user has no colon in it"), "{user}");
    let file = found(changed(refresh_token(), json!({"token_file": ""})));
    assert!(file.starts_with("client.auth.token_file: `token_file` is empty"), "{file}");
}

#[test]
fn an_absolute_path_to_an_allowed_host_is_no_surprise() {
    let warnings = |allowed: Value| {
        let path = ("/resources/0/endpoint/path", json!("https://files.example.org/rows"));
        plan(&with(&[path, ("/client/allowed_hosts", allowed)])).unwrap().resources[0].warnings.join("\n")
    };
    assert!(warnings(json!(["other.example.org"])).contains("`path` leads to https://files.example.org"));
    assert_eq!(warnings(json!(["*.example.org"])), "");
}

#[test]
fn hosts_and_certificates_that_make_no_sense_are_told_with_their_place() {
    let found = |pointer, value| problems(&with(&[(pointer, value)])).join("\n");
    let hosts = found("/client/allowed_hosts", json!(["a.example.com", "*"]));
    assert!(hosts.starts_with("client.allowed_hosts[1]: `*`"), "{hosts}");
    let ca = found("/client/tls", json!({"ca_file": file("ec.key")}));
    assert!(ca.starts_with("client.tls.ca_file: there is no certificate"), "{ca}");
    let half = found("/client/tls", json!({"cert_file": file("client.pem")}));
    assert!(half.contains("`key_file` is missing"), "{half}");
    let key = found("/client/tls", json!({"cert_file": file("client.pem"), "key_file": file("client.pem")}));
    assert!(key.starts_with("client.tls.key_file: there is no private key"), "{key}");
    let mixed = found("/client/tls", json!({"cert_file": file("client.pem"), "key_file": file("server.key")}));
    assert!(mixed.starts_with("client.tls.key_file: the key is not that of the certificate"), "{mixed}");
    let v1 = found("/client/tls", json!({"cert_file": file("client_v1.pem"), "key_file": file("client.key")}));
    assert!(v1.starts_with("client.tls.cert_file: TLS cannot use the first certificate of this file"), "{v1}");
    assert!(v1.contains("this file: UnsupportedCertVersion"), "{v1}");
    let nowhere = found("/client/tls", json!({"ca_file": "nowhere.pem"}));
    assert!(nowhere.starts_with("client.tls.ca_file: the file `nowhere.pem` cannot be read"), "{nowhere}");
    let plan = plan(&with(&[(
        "/client/tls",
        json!({"ca_file": file("authority.pem"), "cert_file": file("client.pem"), "key_file": file("client.key")}),
    )]))
    .unwrap();
    assert!(plan.client.tls.authorities.is_some() && plan.client.tls.identity.is_some());
    assert!(!plan.secrets.contains(&Secret::new(String::new())));
}
