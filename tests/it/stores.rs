//! Destinations that cannot be used are told before anything is fetched, in words that help and hold no secret.

use restlake::{
    ErrorKind,
    commit::{ParquetTable, TableFormat},
    environment::Environment,
    error::chain,
    model::TableIdentity,
    secret::Secret,
    store::Destination,
    store::{self, Store},
};

use crate::support::s3::{ACCESS_KEY, S3, SECRET_KEY};

fn plan(url: &str) -> Destination {
    Destination { url: url.to_owned(), options: Vec::new() }
}

/// What a run does before its first request.
async fn try_destination(store: &Store) -> restlake::Result<()> {
    let identity = TableIdentity { pipeline: "test_management".into(), resource: "test_cases".into() };
    let table = ParquetTable::open(store, "test_cases", identity, Environment::real()).await?;
    table.attempt(0).await?.abandon().await
}

/// Kind, code, the whole message and the hint, as a user gets them.
async fn refusal(plan: &Destination, variables: &[(&str, &str)]) -> (ErrorKind, String) {
    let lookup = |name: &str| variables.iter().find(|known| known.0 == name).map(|known| known.1.to_owned());
    let store = store::open(plan, &lookup).unwrap();
    let error = try_destination(&store).await.unwrap_err();
    let text = format!("{}: {}\nhint: {}", error.code(), chain(&error), error.hint().unwrap_or_default());
    (error.kind(), text)
}

#[tokio::test]
async fn a_good_destination_is_left_as_it_was() {
    let server = S3::start().await;
    let store = store::open(&server.plan("prefix"), &|_| None).unwrap();
    try_destination(&store).await.unwrap();
    let mut listed = store.store.list(None);
    assert!(futures::StreamExt::next(&mut listed).await.is_none());
}

#[tokio::test]
async fn credentials_of_the_environment_open_s3() {
    let server = S3::start().await;
    let variables = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some(server.endpoint.clone()),
        "AWS_ACCESS_KEY_ID" => Some(ACCESS_KEY.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(SECRET_KEY.to_owned()),
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "AWS_ALLOW_HTTP" => Some("true".to_owned()),
        _ => None,
    };
    try_destination(&store::open(&plan("s3://lake/prefix"), &variables).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_wrong_secret_is_told_without_showing_it() {
    let server = S3::start().await;
    let plan = server.plan_with("s3://lake/prefix", ACCESS_KEY, "wrong-secret-access-key");
    let (kind, text) = refusal(&plan, &[]).await;
    assert_eq!(kind, ErrorKind::User);
    insta::assert_snapshot!(text, @r"
    store_credentials: cannot list s3://lake/prefix/test_cases/_restlake/commits: the credentials are missing or wrong: SignatureDoesNotMatch
    hint: check the credentials under `destination.options` or in the environment
    ");
}

#[tokio::test]
async fn a_wrong_access_key_is_told_without_showing_it() {
    let server = S3::start().await;
    let (kind, text) = refusal(&server.plan_with("s3://lake/prefix", "AKIAWRONGKEY", SECRET_KEY), &[]).await;
    assert_eq!(kind, ErrorKind::User);
    assert!(!text.contains("AKIAWRONGKEY"), "{text}");
    insta::assert_snapshot!(text, @r"
    store_credentials: cannot list s3://lake/prefix/test_cases/_restlake/commits: the credentials are missing or wrong: NotSignedUp: Your account is not signed up
    hint: check the credentials under `destination.options` or in the environment
    ");
}

#[tokio::test]
async fn a_missing_bucket_is_told_by_its_name() {
    let server = S3::start().await;
    let (kind, text) = refusal(&server.plan_with("s3://no-such-bucket/prefix", ACCESS_KEY, SECRET_KEY), &[]).await;
    assert_eq!(kind, ErrorKind::User);
    insta::assert_snapshot!(text, @r"
    store_not_found: cannot list s3://no-such-bucket/prefix/test_cases/_restlake/commits: the bucket or the object does not exist: NoSuchBucket
    hint: create the bucket, or correct `destination.url`, `endpoint` or `region`
    ");
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_may_be_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let nobody = S3::nowhere(endpoint);
    let (kind, text) = refusal(&nobody.plan("prefix"), &[]).await;
    assert_eq!(kind, ErrorKind::Transient);
    assert!(
        text.starts_with("store_unreachable: cannot list s3://lake/prefix/test_cases/_restlake/commits: "),
        "{text}"
    );
}

#[tokio::test]
async fn missing_credentials_with_profiles_at_hand_say_how_to_export_them() {
    let server = S3::start().await;
    let option = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
    let options = vec![
        option("endpoint", &server.endpoint),
        option("allow_http", "true"),
        // Nobody's metadata service: the machine that runs the tests might have one.
        option("metadata_endpoint", &server.endpoint),
    ];
    let plan = Destination { options, ..plan("s3://lake/prefix") };
    let (kind, text) = refusal(&plan, &[("AWS_PROFILE", "work")]).await;
    assert_eq!(kind, ErrorKind::User);
    assert!(text.starts_with("store_permission: "), "{text}");
    assert!(text.ends_with("`eval \"$(aws configure export-credentials --format env)\"`"), "{text}");
}

#[tokio::test]
async fn a_store_that_lets_a_second_writer_overwrite_is_found_out_before_the_first_commit() {
    let server = S3::start().await;
    let mut plan = server.plan("prefix");
    plan.options.push(("conditional_put".into(), Secret::new("disabled".into())));
    let (kind, text) = refusal(&plan, &[]).await;
    assert_eq!(kind, ErrorKind::User);
    assert!(text.starts_with("store_unsupported: "), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_below_a_file_is_told_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("test_cases"), "a file").unwrap();
    let (kind, text) = refusal(&plan(directory.path().to_str().unwrap()), &[]).await;
    assert_eq!(kind, ErrorKind::User);
    assert!(text.contains("test_cases"), "{text}");
}
