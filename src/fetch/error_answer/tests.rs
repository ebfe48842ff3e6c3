use super::*;

fn expected(selector: Option<&str>, fields: Option<&[&str]>) -> ExpectedRecords {
    let fields = fields.map(|fields| fields.iter().map(|field| (*field).to_owned()).collect());
    ExpectedRecords { selector: selector.map(|selector| selector.parse().unwrap()), is_paged: false, fields }
}

fn verdict(selector: Option<&str>, fields: Option<&[&str]>, text: &str) -> AnswerVerdict {
    let document = Document::parse(text.into()).unwrap();
    judge(&document, &expected(selector, fields), || ["items".to_owned(), "v1".to_owned()])
}

/// With the columns `id` and `name`.
fn quote(selector: Option<&str>, text: &str) -> Option<String> {
    match verdict(selector, Some(&["id", "name"]), text) {
        AnswerVerdict::Error(error) => Some(error.text),
        AnswerVerdict::Records | AnswerVerdict::Partial(_) => None,
    }
}

fn error(text: &str) -> ErrorAnswer {
    match verdict(Some("data"), None, text) {
        AnswerVerdict::Error(error) => error,
        other => panic!("{other:?} for {text}"),
    }
}

#[test]
fn an_answer_without_records_and_with_errors_is_an_error_in_the_words_of_the_api() {
    for (text, quoted) in [
        (r#"{"data": null, "errors": [{"message": "no such field"}]}"#, "no such field"),
        (r#"{"errors": [{"message": "a"}, {"message": "b"}], "data": null}"#, "a; b"),
        (r#"{"data": [], "error": "denied"}"#, "denied"),
        (r#"{"data": {}, "error": {"code": 7, "message": "denied"}}"#, "denied"),
        (r#"{"Errors": {"name": ["is too long"]}, "Data": null}"#, "is too long"),
        (r#"{"error": "invalid_request", "message": "the date is wrong"}"#, "invalid_request; the date is wrong"),
        (r#"{"error": true, "detail": "the date is wrong", "data": null}"#, "the date is wrong"),
        (r#"{"data": "", "errorMessage": "denied"}"#, "denied"),
        (r#"{"data": null, "error": 5}"#, r#"{"data": null, "error": 5}"#),
        (r#"{"data": {"items": null}, "errors": [{"message": "no"}]}"#, "no"),
    ] {
        for selector in [Some("data"), Some("data.items"), None] {
            assert_eq!(quote(selector, text).as_deref(), Some(quoted), "{text} at {selector:?}");
        }
    }
}

#[test]
fn an_answer_that_says_it_failed_and_has_no_records_is_an_error() {
    for text in [
        r#"{"success": false, "data": null, "message": "denied"}"#,
        r#"{"ok": false, "data": [], "message": "denied"}"#,
        r#"{"status": "Error", "data": {}, "message": "denied"}"#,
        r#"{"stat": "fail", "code": 100, "message": "denied"}"#,
        r#"{"isSuccess": "false", "title": "denied", "requestId": "7"}"#,
        r#"{"status": "failed", "data": null, "detail": "denied", "timestamp": "2026-01-01"}"#,
        r#"{"code": 403, "msg": "denied", "data": null}"#,
    ] {
        for selector in [Some("data"), None] {
            assert_eq!(quote(selector, text).as_deref(), Some("denied"), "{text} at {selector:?}");
        }
    }
    assert_eq!(
        quote(Some("result.data"), r#"{"result": {"data": null, "error": {"detail": "denied"}}}"#).as_deref(),
        Some("denied")
    );
}

#[test]
fn a_single_object_is_an_error_if_it_has_only_messages_or_no_field_of_the_table() {
    for (text, quoted) in [
        (r#"{"error": "rate limit exceeded"}"#, "rate limit exceeded"),
        (r#"{"status": "error", "code": 3, "type": "x", "message": "denied"}"#, "denied"),
        (r#"{"statusCode": 400, "error": "Bad Request", "message": "denied"}"#, "Bad Request"),
        (r#"{"message": "denied", "documentation_url": "https://a.example"}"#, "denied"),
        (r#"{"jsonrpc": "2.0", "id": 7, "error": {"code": -32000, "message": "denied"}}"#, "denied"),
        (r#"{"Note": "try again tomorrow"}"#, r#"{"Note": "try again tomorrow"}"#),
        ("{}", "{}"),
    ] {
        for selector in [Some("$"), None] {
            assert_eq!(quote(selector, text).as_deref(), Some(quoted), "{text} at {selector:?}");
        }
        assert_eq!(quote(Some("data"), &format!("{{\"data\": {text}}}")).as_deref(), Some(quoted), "{text}");
    }
    assert_eq!(verdict(None, None, r#"{"note": "x"}"#), AnswerVerdict::Records, "no columns are known");
}

#[test]
fn records_with_such_fields_are_records() {
    for (selector, text) in [
        (None, r#"[{"error": "x"}, {"message": "y"}]"#),
        (None, r#"{"data": [{"error": "x", "status": "failed"}]}"#),
        (None, r#"{"id": 1, "error": "x", "success": false}"#),
        (None, r#"{"id": 1, "status": "failed", "message": "disk full"}"#),
        (Some("data"), r#"{"status": "failed", "data": [{"error": "x"}]}"#),
        (Some("data"), r#"{"success": false, "data": {"id": 1, "error": "x"}}"#),
        (Some("data[*]"), r#"{"success": false, "data": [{"error": "x"}]}"#),
        (Some("$..rows[*]"), r#"{"success": false, "a": {"rows": [{"error": "x"}]}}"#),
        (Some("errors"), r#"{"errors": [{"message": "x"}]}"#),
        (Some("errors"), r#"{"errors": []}"#),
        (Some("status.rows"), r#"{"status": {"rows": []}}"#),
    ] {
        assert_eq!(verdict(selector, Some(&["id", "name"]), text), AnswerVerdict::Records, "{text}");
    }
}

#[test]
fn an_answer_without_records_and_without_a_sign_of_failure_is_an_empty_page() {
    for text in [
        r#"{"data": []}"#,
        r#"{"data": null, "errors": [], "error": null, "success": true}"#,
        r#"{"data": [], "errors": {}, "error": "", "status": "ok", "code": 200}"#,
        r#"{"data": [], "error": {"code": 0, "message": "Success"}}"#,
        r#"{"data": [], "error": false, "status": 0, "message": "nothing found"}"#,
        r#"{"data": [], "error": "none"}"#,
        r#"{"status": "ok", "code": 200}"#,
        r#"{"total": 0}"#,
    ] {
        assert_eq!(verdict(Some("data"), Some(&["id"]), text), AnswerVerdict::Records, "{text}");
    }
}

#[test]
fn errors_beside_records_leave_them_a_page() {
    let partial = |text: &str| AnswerVerdict::Partial(text.to_owned());
    let text = r#"{"data": {"items": [{"id": 1}]}, "errors": [{"message": "one shard failed"}]}"#;
    for selector in [Some("data.items"), None] {
        assert_eq!(verdict(selector, None, text), partial("one shard failed"));
    }
    assert_eq!(verdict(Some("data"), None, r#"{"data": {"id": 1}, "error": "late"}"#), partial("late"));
    assert_eq!(verdict(Some("data"), None, r#"{"data": [1], "error": true}"#), partial("true"));
}

#[test]
fn a_throttle_is_recognised_by_its_words_or_its_code() {
    for (text, is_throttle) in [
        (r#"{"errors": [{"message": "THROTTLED"}]}"#, true),
        (r#"{"errors": [{"message": "x", "extensions": {"code": "RATE_LIMITED"}}]}"#, true),
        (r#"{"error": {"code": 429, "message": "x"}}"#, true),
        (r#"{"status": "429", "message": "x"}"#, true),
        (r#"{"error": "You've exceeded your rate limit"}"#, true),
        (r#"{"error": "Too Many Requests"}"#, true),
        (r#"{"success": false, "message": "Please slow down.", "data": null}"#, true),
        (r#"{"error": {"errors": [{"reason": "quotaExceeded"}]}}"#, true),
        (r#"{"errors": [{"message": "Field 'rateLimit' doesn't exist on type 'Query'"}]}"#, false),
        (r#"{"message": "denied", "documentation_url": "https://a.example/rate-limits"}"#, false),
        (r#"{"error": {"code": 401, "message": "denied"}}"#, false),
    ] {
        assert_eq!(error(text).is_throttle, is_throttle, "{text}");
    }
}

#[test]
fn the_proposed_content_is_a_part_of_the_body_and_of_no_other_answer() {
    for (text, content) in [
        (r#"{"errors": [{"message": "Field \"foo\" does not exist"}]}"#, "does not exist"),
        (r#"{"error": "no"}"#, r#""error": "no""#),
        (r#"{"errors": [{"message": "no"}]}"#, r#""errors""#),
        (r#"{"success":false,"data":null}"#, r#""success":false"#),
        (r#"{"error": "нет доступа"}"#, r#""error""#),
        (r#"{"error": "costs ${A} and more"}"#, "{A} and more"),
    ] {
        let found = error(text).content.unwrap();
        assert!(found == content && text.contains(&found), "{found} for {text}");
    }
}

#[test]
fn fields_are_known_by_the_sources_of_the_columns() {
    let known = expected(None, Some(&["owner"]));
    let document = Document::parse(br#"{"owner": {"email": "x"}}"#.to_vec()).unwrap();
    assert!(!known.shares_none(document.root()));
    assert!(!expected(None, None).shares_none(document.root()));
}
