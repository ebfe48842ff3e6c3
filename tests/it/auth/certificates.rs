//! Private authorities and certificates of our own, against a server that speaks TLS.

use super::*;

fn pem(names: &[&str]) -> Option<Secret<String>> {
    let read =
        |name: &&str| fs::read_to_string(format!("{}/tests/support/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    Some(Secret::new(names.iter().map(read).collect()))
}

async fn fetch(url: &Url, tls: TlsPlan) -> Result<u64, FetchError> {
    let mut plan = ClientPlan { tls, ..plans::client(url) };
    plan.retry.max_attempts = 1;
    Fixture::with(plan).fetch().await
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_the_config_names_it() {
    let server = TlsServer::start(ROWS, false).await;
    let error = fetch(&server.url(), TlsPlan::default()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("http_certificate", ErrorKind::User));
    assert!(error.hint().unwrap().contains("client.tls.ca_file"));
    let tls = TlsPlan { authorities: pem(&["authority.pem"]), identity: None };
    assert_eq!(fetch(&server.url(), tls.clone()).await.unwrap(), 2);
    let mut other_name = server.url();
    other_name.set_host(Some("[::ffff:127.0.0.1]")).unwrap();
    assert_eq!(fetch(&other_name, tls).await.unwrap_err().code(), "http_certificate");
}

#[tokio::test]
async fn our_certificate_is_shown_to_a_server_that_asks_for_it() {
    let server = TlsServer::start(ROWS, true).await;
    let tls = TlsPlan { authorities: pem(&["authority.pem"]), identity: None };
    for identity in [None, pem(&["stranger.pem", "stranger.key"])] {
        let error = fetch(&server.url(), TlsPlan { identity, ..tls.clone() }).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("http_certificate", ErrorKind::User), "{error}");
        assert!(error.to_string().contains("the server refused the TLS handshake"), "{error}");
        assert!(error.hint().unwrap().contains("client.tls.cert_file"));
    }
    let tls = TlsPlan { identity: pem(&["client.pem", "client.key"]), ..tls };
    assert_eq!(fetch(&server.url(), tls).await.unwrap(), 2);
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_and_asked_once() {
    let server = Server::start(|_| Reply::json(ROWS)).await;
    let mut url = server.url();
    url.set_scheme("https").unwrap();
    let error = fetch(&url, TlsPlan::default()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("http_no_tls", ErrorKind::User), "{error}");
    assert!(error.hint().unwrap().contains("http://"));
}

#[tokio::test]
async fn our_certificate_is_not_shown_elsewhere() {
    let elsewhere = TlsServer::start(ROWS, true).await;
    let api = Server::start(|_| Reply::json(ROWS)).await;
    let tls = TlsPlan { authorities: pem(&["authority.pem"]), identity: pem(&["client.pem", "client.key"]) };
    let mut plan = ClientPlan { tls, ..plans::client(&api.url()) };
    plan.retry.max_attempts = 1;
    let mut fixture = Fixture::with(plan.clone());
    fixture.resource.request = RequestPlan::get(elsewhere.url(), "rows");
    assert_eq!(fixture.error().await.code(), "http_certificate");
    plan.allowed_hosts = vec![elsewhere.url().as_str().trim_end_matches('/').parse().unwrap()];
    let mut fixture = Fixture::with(plan);
    fixture.resource.request = RequestPlan::get(elsewhere.url(), "rows");
    assert_eq!(fixture.fetch().await.unwrap(), 2);
}

#[tokio::test]
async fn a_key_that_is_not_the_certificates_is_told_before_the_first_request() {
    let tls = TlsPlan { authorities: None, identity: pem(&["client.pem", "server.key"]) };
    let plan = ClientPlan { tls, ..plans::client(&"https://127.0.0.1:1".parse().unwrap()) };
    let test = TestEnvironment::new();
    let client = Client::new(&plan, Redactor::default(), test.environment(), Arc::new(Recorder::default()));
    let Err(error) = client else { panic!("the client was to be refused") };
    assert_eq!(error.code(), "http_setup");
}
