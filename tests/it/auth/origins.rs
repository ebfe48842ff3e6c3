//! Who sees credentials, and whose they are.

use super::*;

#[tokio::test]
async fn allowed_hosts_see_credentials_behind_redirects_and_at_absolute_addresses() {
    let other = Server::start(|_| Reply::json(ROWS)).await;
    let to = other.url().join("landed").unwrap();
    let server = Server::start(move |_| Reply::status(302).header("location", to.as_str())).await;
    for (allowed, expected) in
        [(vec![other.url().as_str().trim_end_matches('/').parse().unwrap()], Some("Bearer t")), (vec![], None)]
    {
        let auth = AuthPlan::Bearer { token: secret("t") };
        let mut fixture = Fixture::with(ClientPlan { auth, allowed_hosts: allowed, ..plans::client(&server.url()) });
        fixture.fetch().await.unwrap();
        fixture.resource.request = RequestPlan::get(other.url(), "rows");
        fixture.fetch().await.unwrap();
        let seen = other.requests();
        let last: Vec<_> = seen[seen.len() - 2..].iter().map(|request| request.header("authorization")).collect();
        assert_eq!(last, [expected, expected]);
    }
}

#[tokio::test]
async fn equal_credentials_of_several_resources_share_one_token() {
    let server = api(60, |_| Reply::json(ROWS)).await;
    let auth = client_credentials(token_client(&server));
    let other = client_credentials(TokenClient { scope: Some("other".to_owned()), ..token_client(&server) });
    let plan = ClientPlan { auth: auth.clone(), ..plans::client(&server.url()) };
    let test = TestEnvironment::new();
    let client = Client::new(&plan, Redactor::default(), test.environment(), Arc::new(Recorder::default())).unwrap();
    let client = Arc::new(client.with_auth("same", &auth).with_auth("other", &other).with_auth("again", &other));
    for name in ["rows", "same", "other", "again"] {
        let mut resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        resource.name = name.to_owned();
        let mut pages = Pages::new(Arc::clone(&client), &resource, &plans::bound(&resource), 0).unwrap();
        pages.next().await.unwrap().unwrap();
    }
    assert_eq!(server.targets().iter().filter(|target| *target == "/token").count(), 2);
}

#[tokio::test]
async fn a_401_from_where_no_credentials_went_renews_none() {
    let other = Server::start(|_| Reply::status(401)).await;
    let server = api(60, |_| Reply::json(ROWS)).await;
    let mut fixture = Fixture::new(&server, client_credentials(token_client(&server)));
    fixture.resource.request = RequestPlan::get(other.url(), "rows");
    let error = fixture.error().await;
    assert!(error.hint().unwrap().starts_with("no credentials were sent here"));
    assert!(server.requests().is_empty() && other.requests().len() == 1);
}

#[tokio::test]
async fn a_resource_may_have_credentials_of_its_own_or_none() {
    let server = Server::start(|_| Reply::json(ROWS)).await;
    let plan = ClientPlan { auth: AuthPlan::Bearer { token: secret("t") }, ..plans::client(&server.url()) };
    let test = TestEnvironment::new();
    let client = Client::new(&plan, Redactor::default(), test.environment(), Arc::new(Recorder::default())).unwrap();
    let client =
        Arc::new(client.with_auth("own", &AuthPlan::Bearer { token: secret("u") }).with_auth("none", &AuthPlan::None));
    for name in ["own", "none", "rows"] {
        let mut resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        resource.name = name.to_owned();
        let mut pages = Pages::new(Arc::clone(&client), &resource, &plans::bound(&resource), 0).unwrap();
        pages.next().await.unwrap().unwrap();
    }
    let sent: Vec<_> = server.requests().iter().map(|request| bearer(request).to_owned()).collect();
    assert_eq!(sent, ["Bearer u", "", "Bearer t"]);
}
