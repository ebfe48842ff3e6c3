use object_store::path::Path;

use super::{Kind, Store, StoreError, open};
use crate::{
    error::{ErrorKind, Failure, chain},
    secret::Secret,
    store::Destination,
};

fn plan(url: &str, options: &[(&str, &str)]) -> Destination {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned())));
    Destination { url: url.to_owned(), options: options.collect() }
}

fn open_with(url: &str, options: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Store, StoreError> {
    let lookup = |wanted: &str| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| (*value).to_owned())
    };
    open(&plan(url, options), &lookup)
}

fn error(url: &str, options: &[(&str, &str)]) -> StoreError {
    open_with(url, options, &[]).map(|store| store.shown().to_owned()).unwrap_err()
}

/// Returns the debug text of the client, which contains its configuration.
fn configured(store: &Store) -> String {
    format!("{:?}", store.store)
}

#[test]
fn every_scheme_opens_its_store_at_the_path_of_its_url() {
    let cases = [
        ("memory:///lake", &[][..], "lake"),
        ("s3://bucket/some/prefix/", &[("region", "eu-west-1")][..], "some/prefix"),
        ("gs://bucket/lake", &[][..], "lake"),
        ("az://container/lake", &[("account_name", "acct"), ("account_key", "c2VjcmV0")][..], "lake"),
    ];
    for (url, options, root) in cases {
        let store = open_with(url, options, &[]).unwrap();
        assert_eq!(store.root.as_ref(), root, "{url}");
        assert_eq!(store.shown(), url.trim_end_matches('/'));
    }
}

#[test]
fn a_local_directory_is_not_made_by_opening_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a b/lake#1");
    for url in [path.display().to_string(), url::Url::from_file_path(&path).unwrap().to_string()] {
        let store = open_with(&url, &[], &[]).unwrap();
        assert_eq!(store.root, Path::parse("a b/lake#1").unwrap());
        assert_eq!(store.context.kind, Kind::Local);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_destination_that_is_a_file_or_leaves_a_missing_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(error(file.to_str().unwrap(), &[]).code(), "destination_not_a_directory");
    assert_eq!(error(file.join("lake").to_str().unwrap(), &[]).code(), "destination_not_a_directory");
    assert_eq!(error(directory.path().join("missing/../lake").to_str().unwrap(), &[]).code(), "destination_url");
}

#[test]
fn an_unknown_scheme_is_told_with_those_there_are() {
    let text = error("ftp://user:hunter2@host/lake", &[]).to_string();
    assert!(text.contains("`ftp://`") && text.contains("s3://"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn an_unknown_option_is_an_error_that_proposes_a_known_one() {
    let wrong = error("s3://bucket/lake", &[("acces_key_id", "x")]);
    assert_eq!(wrong.to_string(), "`acces_key_id` is no option of S3");
    assert_eq!(wrong.hint().unwrap(), "did you mean `access_key_id`?");
    assert_eq!(error("s3://bucket/lake", &[("bucket", "other")]).code(), "destination_options");
    assert_eq!(error("s3://bucket/lake", &[("xyzzy", "x")]).hint(), None);
    assert_eq!(error("gs://bucket/lake", &[("access_key_id", "x")]).code(), "destination_options");
}

#[test]
fn what_needs_no_store_to_be_told_is_told_by_check() {
    let check =
        |url: &str, options: &[(&str, &str)]| super::check(&plan(url, options)).map_err(|error| error.to_string());
    assert_eq!(check("s3://bucket/lake", &[("acces_key_id", "x")]).unwrap_err(), "`acces_key_id` is no option of S3");
    assert!(check("ftp://host/lake", &[]).unwrap_err().contains("s3://"));
    for local in ["./lake", "file:///lake", "memory:///"] {
        assert_eq!(check(local, &[("region", "x")]), Ok(()), "the same config may go to a local path for a try");
        assert!(!super::has_options(local));
    }
}

#[test]
fn a_cloud_url_with_credentials_or_a_query_is_refused_without_showing_them() {
    for url in [
        "s3://KEY:hunter2@bucket/lake",
        "s3://hunter2@bucket/lake",
        "gs://bucket/lake?token=hunter2",
        "az://container/lake?sv=2024&sig=hunter2",
        "az://hunter2@container/lake",
        "abfss://container:hunter2@account.dfs.core.windows.net/lake",
        "s3://bucket/lake#hunter2",
    ] {
        let wrong = error(url, &[]);
        assert_eq!(super::check(&plan(url, &[])).unwrap_err().to_string(), wrong.to_string());
        assert_eq!(wrong.code(), "destination_url");
        let told = chain(&wrong);
        assert!(told.contains("`destination.options`") && !told.contains("hunter2"), "{url}: {told}");
    }
    assert!(super::check(&plan("abfss://container@account.dfs.core.windows.net/lake", &[])).is_ok());
}

#[test]
fn options_may_have_the_names_of_the_environment_variables() {
    let store =
        open_with("s3://bucket/lake", &[("AWS_REGION", "eu-north-1"), ("aws_endpoint", "https://s3.test")], &[]);
    assert!(configured(&store.unwrap()).contains("https://s3.test"));
}

#[test]
fn credentials_come_from_the_environment_unless_the_options_have_some() {
    let variables =
        [("AWS_ACCESS_KEY_ID", "from-env"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t"), ("AWS_SESSION_TOKEN", "t0k3n")];
    let from_environment = open_with("s3://bucket/lake", &[], &variables).unwrap();
    assert!(from_environment.context.has_credentials);
    let settings = super::cloud::settings_for_test("s3://bucket/lake", &[], &variables);
    assert_eq!(settings, ["access_key_id", "secret_access_key", "session_token"]);
    let options = [("access_key_id", "from-options"), ("secret_access_key", "other")];
    let settings = super::cloud::settings_for_test("s3://bucket/lake", &options, &variables);
    assert_eq!(
        settings,
        ["access_key_id", "secret_access_key"],
        "a session token of somebody else must not come along"
    );
}

#[test]
fn an_endpoint_over_plain_http_wants_to_be_allowed() {
    let refused = error("s3://bucket/lake", &[("endpoint", "http://127.0.0.1:9000")]);
    assert_eq!(refused.kind(), ErrorKind::User);
    assert!(refused.hint().unwrap().contains("allow_http: true"));
    let options = [("endpoint", "http://127.0.0.1:9000"), ("allow_http", "true")];
    assert!(open_with("s3://bucket/lake", &options, &[]).is_ok());
}

#[test]
fn aws_profiles_are_named_with_the_command_that_exports_them() {
    let home = tempfile::tempdir().unwrap();
    let hint = |store: Store| store.context.credentials_hint.clone();
    let variables = [("HOME", home.path().to_str().unwrap())];
    let without = hint(open_with("s3://bucket/lake", &[], &variables).unwrap()).unwrap();
    assert!(without.contains("destination.options"), "{without}");
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/credentials"), "[default]").unwrap();
    for variables in [variables, [("AWS_PROFILE", "work")]] {
        let with = hint(open_with("s3://bucket/lake", &[], &variables).unwrap()).unwrap();
        assert!(with.contains("aws configure export-credentials --format env"), "{with}");
    }
    let given = [("access_key_id", "AKIA"), ("secret_access_key", "s3cr3t")];
    assert_eq!(hint(open_with("s3://bucket/lake", &given, &variables).unwrap()), None);
}

#[test]
fn an_option_that_cannot_be_read_is_told_without_its_neighbours_secrets() {
    let wrong = error("s3://bucket/lake", &[("secret_access_key", "s3cr3t"), ("allow_http", "perhaps s3cr3t")]);
    assert_eq!(wrong.code(), "destination_options");
    assert!(!chain(&wrong).contains("s3cr3t"), "{wrong}");
}

#[test]
fn paths_of_a_table_stay_in_the_table_and_are_not_encoded() {
    let table = open_with("memory:///lake", &[], &[]).unwrap().table("cases").unwrap();
    assert_eq!(table.location("status=a%2Fb/part.parquet").unwrap().as_ref(), "lake/cases/status=a%2Fb/part.parquet");
    for path in ["../other", "a/../../other", "/etc/passwd", "a//b", "a/", "."] {
        assert!(table.location(path).is_err(), "{path}");
    }
    assert_eq!(table.path_of(&Path::from("lake/cases/a/b")), Some("a/b".into()));
    assert_eq!(table.path_of(&Path::from("lake/cases_of_others/a")), None);
}

#[test]
fn a_table_needs_a_name_that_is_a_path() {
    let store = open_with("memory:///lake", &[], &[]).unwrap();
    for name in ["", "..", "/cases", "a//b"] {
        assert!(store.table(name).is_err(), "{name}");
    }
}

/// A cloud without given credentials, and memory in its place.
fn with_the_machines_credentials() -> Store {
    let store = open_with("s3://bucket/lake", &[], &[]).unwrap();
    store.decorate(|_| std::sync::Arc::new(object_store::memory::InMemory::new()))
}

#[tokio::test]
async fn a_failure_means_missing_credentials_only_until_an_access_has_succeeded() {
    use super::Cause;
    let store = with_the_machines_credentials();
    let table = store.table("cases").unwrap();
    let passing = std::io::Error::other("503");
    let error = table.error("write", "a", &passing);
    assert_eq!((error.cause(), error.kind()), (Some(Cause::Unauthenticated), ErrorKind::User));
    assert!(!error.is_refusal(), "that it was not carried out is a guess");
    // Another table of the store finds it empty.
    assert_eq!(store.table("other").unwrap().get("a").await.unwrap(), None);
    let error = table.error("write", "a", &passing);
    assert_eq!((error.cause(), error.kind()), (Some(Cause::Unreachable), ErrorKind::Transient));
    assert!(!error.is_refusal());
}

#[tokio::test]
async fn every_access_that_succeeds_proves_the_credentials() {
    use futures::TryStreamExt;
    let listing = with_the_machines_credentials();
    let other = listing.decorate(std::convert::identity);
    assert!(!listing.context.has_answered());
    let location = Path::from("lake/cases/a");
    object_store::ObjectStoreExt::put(&other.store, &location, "x".into()).await.unwrap();
    let listed: Vec<_> = listing.table("cases").unwrap().list("").unwrap().try_collect().await.unwrap();
    assert_eq!((listed.len(), listing.context.has_answered()), (1, true));
    for number in 0..5 {
        let store = with_the_machines_credentials();
        let table = store.table("cases").unwrap();
        let answer = match number {
            0 => table.put("a", "x".into()).await,
            1 => table.put_if_absent("a", "x".into()).await.map(drop),
            2 => table.size("a").await.map(drop),
            3 => table.rename("a", "b").await.map(drop),
            _ => table.delete("a").await,
        };
        assert_eq!((answer.is_ok(), store.context.has_answered()), (true, true), "{number}");
    }
}

#[test]
fn only_an_answer_that_says_no_is_a_refusal() {
    use futures::FutureExt;
    let denied = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let generic = |source| object_store::Error::Generic { store: "test", source };
    let local = open_with("memory:///lake", &[], &[]).unwrap().table("cases").unwrap();
    assert!(local.error("write", "a", &generic(Box::new(denied()))).is_refusal());
    let cloud = with_the_machines_credentials().table("cases").unwrap();
    let forbidden = object_store::Error::PermissionDenied { path: "a".into(), source: "403".into() };
    assert!(cloud.error("write", "a", &forbidden).is_refusal());
    assert!(!cloud.error("write", "a", &generic(Box::new(denied()))).is_refusal(), "the connection was refused");
    assert!(!cloud.error("write", "a", &generic("500".into())).is_refusal());
    for (status, kind) in [("400", ErrorKind::User), ("408", ErrorKind::Transient), ("429", ErrorKind::Transient)] {
        cloud.size("none").now_or_never().unwrap().unwrap();
        let error = cloud.error("write", "a", &generic(format!("status code: {status} because").into()));
        assert_eq!((error.kind(), error.is_refusal()), (kind, kind == ErrorKind::User), "{status}");
    }
    let slow = "status code: 400 because <Error><Code>RequestTimeout</Code><Message>slow</Message></Error>";
    let error = cloud.error("write", "a", &generic(slow.into()));
    assert_eq!((error.kind(), error.is_refusal()), (ErrorKind::Transient, false));
}

#[tokio::test]
async fn only_cut_off_writes_of_ours_are_swept_and_only_old_ones() {
    let directory = tempfile::tempdir().unwrap();
    let table = open_with(directory.path().to_str().unwrap(), &[], &[]).unwrap().table("cases").unwrap();
    let staging = directory.path().join("cases/staging");
    std::fs::create_dir_all(staging.join("deep")).unwrap();
    let names = ["ours#1", "deep/ours#22", "ours", "ours#", "ours#1a", "theirs#1"];
    for name in names {
        std::fs::write(staging.join(name), "half").unwrap();
    }
    let left = || names.into_iter().filter(|name| staging.join(name).exists()).collect::<Vec<_>>();
    let is_ours = |path: &str| path.ends_with("ours");
    let before = |age: i64| Some(chrono::Utc::now() - chrono::TimeDelta::hours(age));
    table.sweep("staging", before(1), is_ours).await.unwrap();
    assert_eq!(left(), names);
    table.sweep("staging", before(-1), is_ours).await.unwrap();
    assert_eq!(left(), names[2..]);
    assert!(!staging.join("deep").exists());
    table.sweep("staging", None, |path| path == "theirs").await.unwrap();
    assert_eq!(left(), names[2..5]);
    table.sweep("no_such_directory", None, is_ours).await.unwrap();
    assert!(table.sweep("../other", None, is_ours).await.is_err());
}

#[tokio::test]
async fn a_full_or_unwritable_disk_is_the_users_to_mend() {
    use super::{Cause, TableStore};
    let table: TableStore = open_with("memory:///lake", &[], &[]).unwrap().table("cases").unwrap();
    let cases = [
        (std::io::ErrorKind::StorageFull, Cause::Full, "store_full"),
        (std::io::ErrorKind::ReadOnlyFilesystem, Cause::ReadOnly, "store_read_only"),
        (std::io::ErrorKind::PermissionDenied, Cause::PermissionDenied, "store_permission"),
    ];
    for (io, cause, code) in cases {
        let source = object_store::Error::Generic { store: "test", source: Box::new(std::io::Error::from(io)) };
        let error = table.error("write", "a", &source);
        assert_eq!((error.cause(), error.code(), error.kind()), (Some(cause), code, ErrorKind::User));
        assert!(error.to_string().starts_with("cannot write memory:///lake/cases/a: "), "{error}");
        assert!(error.hint().is_some());
    }
    let other = table.error("write", "a", &std::io::Error::other("odd"));
    assert_eq!((other.code(), other.kind()), ("store_failed", ErrorKind::Transient));
}

#[tokio::test]
async fn parts_of_an_object_come_in_the_order_they_were_asked_for() {
    let table = open_with("memory:///lake", &[], &[]).unwrap().table("t").unwrap();
    table.put("a", bytes::Bytes::from_static(b"0123456789")).await.unwrap();
    let parts = table.get_ranges("a", &[7..10, 0..2, 1..4]).await.unwrap().unwrap();
    assert_eq!(parts, ["789", "01", "123"]);
    assert!(table.get_ranges("b", &[0..1, 1..2]).await.unwrap().is_none());
    assert!(table.get_ranges("a", &[0..1, 20..30]).await.is_err(), "beyond the end");
}
