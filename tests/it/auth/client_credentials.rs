//! The grant of a program that speaks for itself: what is asked for, and how.

use super::*;

#[tokio::test]
async fn a_token_is_asked_for_by_a_form_and_sent_as_a_bearer() {
    let server = api(60, |_| Reply::json(ROWS)).await;
    let fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    assert_eq!(fixture.fetch().await.unwrap(), 2);
    assert_eq!(server.targets(), ["/token", "/v1/rows"]);
    let [asked, sent] = <[Received; 2]>::try_from(server.requests()).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&asked.body),
        "grant_type=client_credentials&client_id=id%3A1&client_secret=client-s3cret"
    );
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((asked.method.as_str(), asked.header("authorization")), ("POST", None));
    assert_eq!(bearer(&sent), "Bearer token-1");
}

#[tokio::test]
async fn basic_sends_id_and_secret_encoded_in_a_header_and_not_in_the_form() {
    let server = api(60, |_| Reply::json(ROWS)).await;
    let client = TokenClient { client_auth: ClientAuth::Basic, ..token_client(&server) };
    Fixture::new(&server, client_credentials(client)).fetch().await.unwrap();
    let asked = server.requests().remove(0);
    // base64 of `id%3A1:client-s3cret` (RFC 6749, 2.3.1).
    assert_eq!(asked.header("authorization"), Some("Basic aWQlM0ExOmNsaWVudC1zM2NyZXQ="));
    assert_eq!(String::from_utf8_lossy(&asked.body), "grant_type=client_credentials");
}

#[tokio::test]
async fn scope_audience_and_data_go_along_and_data_outranks_the_rest() {
    let server = api(60, |_| Reply::json(ROWS)).await;
    let request_data = vec![("resource".to_owned(), secret("r")), ("client_id".to_owned(), secret("other"))];
    let client = TokenClient { scope: Some("a b".into()), request_data, ..token_client(&server) };
    let plan = ClientCredentialsPlan { client, audience: Some("api".into()), access_token: None };
    Fixture::new(&server, AuthPlan::ClientCredentials(plan)).fetch().await.unwrap();
    let form = server.requests()[0].form();
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        form,
        [
            ("grant_type", "client_credentials"),
            ("audience", "api"),
            ("client_secret", "client-s3cret"),
            ("scope", "a b"),
            ("resource", "r"),
            ("client_id", "other")
        ]
    );
}

#[tokio::test]
async fn a_token_that_is_there_already_is_used_until_it_is_refused() {
    let server =
        api(60, |request| if bearer(request) == "Bearer old" { Reply::status(401) } else { Reply::json(ROWS) }).await;
    let client = token_client(&server);
    let plan = ClientCredentialsPlan { client, audience: None, access_token: Some(secret("old")) };
    assert_eq!(Fixture::new(&server, AuthPlan::ClientCredentials(plan)).fetch().await.unwrap(), 2);
    assert_eq!(server.targets(), ["/v1/rows", "/token", "/v1/rows"]);
}

#[tokio::test]
async fn all_pages_are_asked_for_with_one_token() {
    let rows = list_by_offset(numbered_rows(30), 10, true);
    let server = api(3600, rows).await;
    let mut fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    fixture.resource.paginator = plans::offset_with_total(10);
    let mut pages = fixture.pages();
    while let Some(page) = pages.next().await {
        page.unwrap();
    }
    let tokens = server.targets().iter().filter(|target| *target == "/token").count();
    assert_eq!((tokens, pages.counters().requests), (1, 3));
}
