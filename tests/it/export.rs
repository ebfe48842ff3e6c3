//! From config to table, over loopback: the whole way, every stage real.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use restlake::{
    config::{self, Source},
    error::ErrorKind,
    plan::{self, Overrides, Plan},
    report::Status,
    run::run,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::{Recorder, TestEnvironment},
    pipeline::{API_KEY, only, plan_of, plan_with, run_plan, variables},
    s3::S3,
    server::{Reply, Server, list_by_offset},
    tables::{all_rows, data_files, read_table, sorted_texts, walk},
};

const STATUSES: [&str; 4] = ["active", "draft", "in review", "deprecated"];

/// Test cases as the seed config's API serves them; every field of `schemas/test_cases.yaml`, with nulls here and there.
fn test_cases(count: u64) -> Vec<Value> {
    let estimates = [json!(null), json!(12.5), json!("3"), json!(45.25)];
    let case = |id: u64| {
        json!({
            "id": id,
            "name": format!("case {id} «ü»"),
            "description": if id.is_multiple_of(3) { Value::Null } else { json!(format!("text {}", id * 7919 % 1000)) },
            "suite_id": id % 11,
            "status": STATUSES[(id % 4) as usize],
            "priority": "high",
            "type": "smoke",
            "is_automated": id.is_multiple_of(2),
            "estimate_minutes": estimates[(id % 4) as usize],
            "pass_rate": id as f64 / 1000.0,
            "owner": {"id": id % 9, "email": format!("user{}@example.com", id % 9), "name": "Ö"},
            "tags": (0..id % 3).map(|tag| format!("tag{tag}")).collect::<Vec<_>>(),
            "steps": [{"position": 1, "action": "click", "expected": null}],
            "custom_fields": {"component": "login", "risk": id % 5},
            "created_at": format!("2025-{:02}-03T04:05:06Z", 1 + id % 12),
            "updated_at": "2025-12-31T23:59:59.123456Z",
            "deleted_at": null,
        })
    };
    (1..=count).map(case).collect()
}

fn schema_path() -> String {
    format!("{}/schemas/test_cases.yaml", env!("CARGO_MANIFEST_DIR"))
}

fn seed(server: &Server) -> Value {
    json!({
        "name": "test_management",
        "client": {
            "base_url": server.url(),
            "auth": {"type": "api_key", "name": "api_key", "api_key": "${API_KEY}", "location": "query"},
        },
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [{
            "name": "test_cases",
            "endpoint": {
                "path": "/v1/test_cases",
                "data_selector": "data",
                "paginator": {"type": "offset", "limit": 100},
            },
            "schema": schema_path(),
            "partition_by": ["status", {"column": "created_at", "transform": "month"}],
        }],
    })
}

/// The seed config, with `change` made to it, into `lake`.
fn seed_plan(server: &Server, lake: &Path, change: impl FnOnce(&mut Value)) -> Plan {
    let mut config = seed(server);
    config["destination"] = json!({"url": lake});
    change(&mut config);
    plan_of(&config.to_string())
}

async fn test_case_server(count: u64) -> Server {
    Server::start(list_by_offset(test_cases(count), 100, true)).await
}

/// The data files of the only table.
fn table(lake: &TempDir) -> BTreeMap<String, Bytes> {
    data_files(&lake.path().join("test_cases"))
}

/// A config of one resource `items` whose columns are `columns`, at a server that knows no paging parameters but offset.
fn items_plan(server: &Server, lake: &Path, resource: Value) -> Plan {
    let mut config = json!({
        "name": "p",
        "client": {"base_url": server.url(), "paginator": {"type": "offset", "limit": 3}},
        "resources": [{"name": "items", "endpoint": {"path": "items", "data_selector": "data"}}],
        "destination": {"url": lake},
    });
    for (key, value) in resource.as_object().unwrap() {
        config["resources"][0][key] = value.clone();
    }
    plan_of(&config.to_string())
}

async fn item_server(rows: Vec<Value>) -> Server {
    Server::start(list_by_offset(rows, 3, true)).await
}

fn rows_of(lake: &TempDir, columns: &[&str]) -> Vec<Vec<Option<String>>> {
    sorted_texts(&all_rows(&read_table(&lake.path().join("items"))), columns)
}

fn cells(rows: &[&[&str]]) -> Vec<Vec<Option<String>>> {
    rows.iter().map(|row| row.iter().map(|cell| Some((*cell).to_owned())).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seed_config_exports_the_same_table_from_yaml_json_and_toml() {
    let server = test_case_server(950).await;
    let mut tables = Vec::new();
    for extension in ["yaml", "json", "toml"] {
        let lake = TempDir::new().unwrap();
        let destination = Some(lake.path().to_str().unwrap().to_owned());
        let overrides = Overrides { destination, ..Overrides::default() };
        let summary = only(run_plan(file_plan(&seed(&server), extension, &overrides)).await);
        assert_eq!((summary.rows_fetched, summary.rows_written, summary.pages), (950, 950, 10));
        tables.push(table(&lake));
    }
    assert_eq!(tables[0].len(), 12, "{:?}", tables[0].keys());
    assert_eq!(tables[0], tables[1]);
    assert_eq!(tables[0], tables[2]);
}

/// The plan of a config that stands in a file of this format.
fn file_plan(config: &Value, extension: &str, overrides: &Overrides) -> Plan {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(format!("export.{extension}"));
    std::fs::write(&path, seed_text(config, extension)).unwrap();
    let loaded = config::load(Source::File(path), &variables).unwrap();
    plan::resolve(&loaded, overrides).unwrap()
}

fn seed_text(config: &Value, extension: &str) -> String {
    match extension {
        "toml" => toml_text(config),
        // JSON is YAML too, but nobody writes it so: block style for the outer levels.
        "yaml" => config.as_object().unwrap().iter().map(|(key, value)| format!("{key}: {value}\n")).collect(),
        _ => config.to_string(),
    }
}

fn toml_text(config: &Value) -> String {
    let inline = |value: &Value| inline_toml(value);
    config.as_object().unwrap().iter().map(|(key, value)| format!("{key} = {}\n", inline(value))).collect()
}

fn inline_toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key} = {}", inline_toml(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline_toml).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_of_the_source_is_in_the_table_once() {
    let (server, lake) = (test_case_server(950).await, TempDir::new().unwrap());
    let summary = only(run_plan(seed_plan(&server, lake.path(), |_| ())).await);
    assert_eq!(summary.table_version, 1);
    assert_eq!(summary.files.iter().map(|file| file.rows).sum::<u64>(), 950);
    let columns = ["test_case_id", "name", "description", "status", "estimate", "owner_email", "created_at_month"];
    let found = sorted_texts(&all_rows(&read_table(&lake.path().join("test_cases"))), &columns);
    let mut wanted: Vec<Vec<Option<String>>> = test_cases(950).iter().map(expected_row).collect();
    wanted.sort();
    assert_eq!(found, wanted);
}

fn expected_row(case: &Value) -> Vec<Option<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let estimate = match &case["estimate_minutes"] {
        Value::Null => None,
        Value::String(text) => Some(format!("{text}.00")),
        number => Some(format!("{:.2}", number.as_f64().unwrap())),
    };
    vec![
        Some(case["id"].to_string()),
        text(&case["name"]),
        text(&case["description"]),
        text(&case["status"]),
        estimate,
        text(&case["owner"]["email"]),
        Some(case["created_at"].as_str().unwrap()[..7].to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_bytes_of_a_table_do_not_depend_on_concurrency() {
    let server = test_case_server(950).await;
    let mut tables = Vec::new();
    for concurrency in [1, 16] {
        let lake = TempDir::new().unwrap();
        let plan = seed_plan(&server, lake.path(), |config| config["client"]["max_concurrency"] = concurrency.into());
        only(run_plan(plan).await);
        tables.push(table(&lake));
    }
    assert_eq!(tables[0], tables[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seed_config_exports_to_s3_what_it_exports_to_local_disk_from_all_three_formats() {
    let (server, s3, lake) = (test_case_server(250).await, S3::start().await, TempDir::new().unwrap());
    only(run_plan(seed_plan(&server, lake.path(), |_| ())).await);
    let options = json!({
        "endpoint": s3.endpoint, "access_key_id": "${KEY}", "secret_access_key": "${SECRET}",
        "allow_http": true, "region": "us-east-1",
    });
    for extension in ["yaml", "json", "toml"] {
        let mut config = seed(&server);
        config["destination"] = json!({"url": format!("s3://lake/{extension}"), "options": options});
        let plan = file_plan(&config, extension, &Overrides::default());
        let store = restlake::store::open(&plan.destination, &|_| None).unwrap();
        only(run_plan(plan).await);
        let remote = store.table("test_cases").unwrap();
        for (path, content) in table(&lake) {
            assert_eq!(remote.get(&path).await.unwrap().as_ref(), Some(&content), "{extension}: {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_lake_the_summary_or_the_events() {
    let (server, lake) =
        (Server::start(|_| Reply::status(403).body(format!("no {API_KEY}"))).await, TempDir::new().unwrap());
    let recorder = std::sync::Arc::new(Recorder::default());
    let plan = seed_plan(&server, lake.path(), |_| ());
    let outcome = run(plan, TestEnvironment::new().environment(), recorder.clone()).await;
    assert_eq!(outcome.kinds, [ErrorKind::User]);
    let shown = format!("{outcome:?} {:?}", recorder.events());
    assert!(shown.contains("403") && !shown.contains(API_KEY), "{shown}");
    assert!(server.targets()[0].contains(API_KEY), "the API itself gets the key");

    let server = test_case_server(20).await;
    only(run_plan(seed_plan(&server, lake.path(), |_| ())).await);
    for (path, content) in walk(lake.path()) {
        assert!(!String::from_utf8_lossy(&content).contains(API_KEY), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn append_adds_replace_replaces_and_merge_merges() {
    let (server, lake) = (item_server(vec![json!({"id": 1}), json!({"id": 2})]).await, TempDir::new().unwrap());
    let with = |disposition: &str| {
        items_plan(
            &server,
            lake.path(),
            json!({"primary_key": "id", "write_disposition": disposition, "schema": {"columns": [{"name": "id", "type": "int64"}]}}),
        )
    };
    let merged = only(run_plan(with("merge")).await);
    assert_eq!((merged.table_version, merged.table_rows), (1, 2));
    let appended = only(run_plan(with("append")).await);
    assert_eq!((appended.table_version, appended.rows_written, appended.table_rows), (2, 2, 4));
    assert_eq!(rows_of(&lake, &["id"]), cells(&[&["1"], &["1"], &["2"], &["2"]]));
    let replaced = only(run_plan(with("replace")).await);
    assert_eq!((replaced.table_version, replaced.table_rows), (3, 2));
    assert_eq!(rows_of(&lake, &["id"]), cells(&[&["1"], &["2"]]));

    let merged = only(run_plan(with("merge")).await);
    assert_eq!((merged.table_version, merged.rows_written, merged.table_rows), (4, 2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_record_of_a_key_stays_wherever_the_earlier_ones_lie() {
    let row = |id: u64, part: &str, text: &str| json!({"id": id, "part": part, "text": text});
    let rows = vec![
        row(1, "a", "old"),
        row(2, "a", "kept"),
        row(1, "a", "older page"),
        row(3, "b", "moves away"),
        row(4, "b", "kept"),
        row(3, "a", "moved"),
        row(1, "c", "last"),
    ];
    let (server, lake) = (item_server(rows).await, TempDir::new().unwrap());
    let columns = json!({"columns": [{"name": "id", "type": "int64"}, {"name": "part", "type": "string"}, {"name": "text", "type": "string"}]});
    let resource = json!({"primary_key": "id", "schema": columns, "partition_by": ["part"]});
    let summary = only(run_plan(items_plan(&server, lake.path(), resource.clone())).await);
    assert_eq!((summary.rows_fetched, summary.rows_written, summary.rows_duplicate), (7, 4, 3));
    let wanted = cells(&[&["1", "last", "c"], &["2", "kept", "a"], &["3", "moved", "a"], &["4", "kept", "b"]]);
    assert_eq!(rows_of(&lake, &["id", "text", "part"]), wanted);

    let lake = TempDir::new().unwrap();
    let mut all = resource;
    all["dedup"] = json!(false);
    let summary = only(run_plan(items_plan(&server, lake.path(), all)).await);
    assert_eq!((summary.rows_written, summary.rows_duplicate), (7, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_without_rows_leaves_a_file_that_says_what_the_columns_are() {
    let (server, lake) = (item_server(Vec::new()).await, TempDir::new().unwrap());
    let resource = |disposition: &str| {
        let columns = json!({"columns": [{"name": "id", "type": "int64"}, {"name": "part", "type": "string"}]});
        json!({"schema": columns, "partition_by": ["part"], "write_disposition": disposition})
    };
    let summary = only(run_plan(items_plan(&server, lake.path(), resource("append"))).await);
    assert_eq!((summary.rows_written, summary.files.len()), (0, 1));
    let file = &read_table(&lake.path().join("items"))[0];
    assert!(!file.path.contains('/'), "{}", file.path);
    let names: Vec<_> = file.rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "part"]);

    let full = item_server(vec![json!({"id": 1, "part": "x"})]).await;
    only(run_plan(items_plan(&full, lake.path(), resource("append"))).await);
    let files = data_files(&lake.path().join("items"));
    assert_eq!(files.len(), 1, "the empty file leaves with the first row: {:?}", files.keys());

    only(run_plan(items_plan(&server, lake.path(), resource("append"))).await);
    assert_eq!(data_files(&lake.path().join("items")), files, "an append of nothing changes no file");
    only(run_plan(items_plan(&server, lake.path(), resource("replace"))).await);
    assert_eq!(rows_of(&lake, &["id"]).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_is_frozen_rejected_or_discarded_as_the_contract_says() {
    let rows = vec![json!({"id": 1, "n": 5}), json!({"id": 2, "n": "x"}), json!({"id": 3, "n": 7})];
    let server = item_server(rows).await;
    let resource = |contract: &str| {
        let columns = json!([{"name": "id", "type": "int64"}, {"name": "n", "type": "int32"}]);
        json!({"schema": {"columns": columns}, "schema_contract": {"data_type": contract}})
    };

    let lake = TempDir::new().unwrap();
    let frozen = run_plan(items_plan(&server, lake.path(), resource("freeze"))).await;
    assert_eq!(frozen.kinds, [ErrorKind::User]);
    let message = &frozen.summary.resources[0].error.as_ref().unwrap().message;
    for part in ["items", "page 1", "record 2", "n", "int32", "x"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(data_files(lake.path()).is_empty());
    assert!(!walk(lake.path()).keys().any(|path| path.contains("staging")), "{:?}", walk(lake.path()).keys());

    let lake = TempDir::new().unwrap();
    let row = only(run_plan(items_plan(&server, lake.path(), resource("discard_row"))).await);
    assert_eq!((row.rows_fetched, row.rows_written, row.rows_rejected), (3, 2, 1));
    let reject = &rejects(&lake)[0];
    assert_eq!(
        (&reject["page"], &reject["record"], &reject["path"], &reject["found"], &reject["row"]["id"]),
        (&json!(1), &json!(2), &json!("n"), &json!("\"x\""), &json!(2))
    );

    let lake = TempDir::new().unwrap();
    let value = only(run_plan(items_plan(&server, lake.path(), resource("discard_value"))).await);
    assert_eq!((value.rows_written, value.rows_rejected, value.values_discarded), (3, 0, 1));
    let kept = rows_of(&lake, &["id", "n"]);
    assert!(kept.contains(&vec![Some("2".to_owned()), None]), "{kept:?}");
}

fn rejects(lake: &TempDir) -> Vec<Value> {
    let files = walk(lake.path());
    let (_, content) = files.iter().find(|(path, _)| path.ends_with(".jsonl")).expect("a rejects file");
    String::from_utf8_lossy(content).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rejects_than_allowed_commit_nothing_and_keep_the_rejects() {
    let rows = (0..10).map(|id| json!({"id": if id % 2 == 0 { json!(id) } else { json!("odd") }})).collect();
    let server = item_server(rows).await;
    let resource = |max_rejects: Value| {
        let schema = json!({"columns": [{"name": "id", "type": "int64"}]});
        json!({"schema": schema, "schema_contract": {"data_type": "discard_row"}, "max_rejects": max_rejects})
    };
    for allowed in [json!(4), json!("40%")] {
        let lake = TempDir::new().unwrap();
        let outcome = run_plan(items_plan(&server, lake.path(), resource(allowed))).await;
        assert_eq!(outcome.kinds, [ErrorKind::TooManyRejects]);
        assert!(data_files(lake.path()).is_empty());
        assert_eq!(rejects(&lake).len(), 5);
    }
    for allowed in [json!(5), json!("50%")] {
        let lake = TempDir::new().unwrap();
        assert_eq!(only(run_plan(items_plan(&server, lake.path(), resource(allowed))).await).rows_rejected, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_cannot_be_written_costs_no_request() {
    let (server, lake) = (item_server(vec![json!({"id": 1})]).await, TempDir::new().unwrap());
    let schema = json!({"schema": {"columns": [{"name": "id", "type": "int64"}]}});
    std::fs::create_dir(lake.path().join("items")).unwrap();
    std::fs::write(lake.path().join("items/mine.parquet"), "somebody's").unwrap();
    let outcome = run_plan(items_plan(&server, lake.path(), schema)).await;
    assert_eq!(outcome.kinds, [ErrorKind::User]);
    assert!(server.requests().is_empty());
    assert_eq!(walk(lake.path()).len(), 1, "nothing was added, nothing taken away");
}

/// A resource of ids; in a test's time, in which hours pass at once, a checkpoint would soon be due.
fn ids_without_checkpoints() -> Value {
    json!({"checkpoint_interval": "36500d", "schema": {"columns": [{"name": "id", "type": "int64"}]}})
}

/// What lies in a lake besides the records of runs.
fn left_over(lake: &TempDir) -> Vec<String> {
    walk(lake.path()).into_keys().filter(|path| !path.contains("/_restlake/runs/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_is_asked_for_leaves_nothing_and_says_so() {
    let lake = TempDir::new().unwrap();
    let environment = TestEnvironment::new();
    let shutdown = environment.shutdown.clone();
    let pages = list_by_offset((0..30).map(|id| json!({"id": id})).collect(), 3, true);
    let server = Server::start(move |request| {
        if request.number_param("offset") == Some(9) {
            shutdown.cancel();
        }
        pages(request)
    })
    .await;
    let plan = items_plan(&server, lake.path(), ids_without_checkpoints());
    let outcome = run(plan, environment.environment(), std::sync::Arc::new(Recorder::default())).await;
    assert_eq!(outcome.kinds, [ErrorKind::Interrupted]);
    assert_eq!(outcome.summary.status, Status::Interrupted);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_resource_that_fails_does_not_stop_the_others() {
    let lake = TempDir::new().unwrap();
    let server = Server::start(|request| match request.path.as_str() {
        "/good" => Reply::json(r#"[{"id": 1}]"#),
        _ => Reply::status(404).body("no such thing"),
    })
    .await;
    let resource = |name: &str| json!({"name": name, "endpoint": {"path": name, "paginator": "single_page"}, "schema": {"columns": [{"name": "id", "type": "int64"}]}});
    let config = json!({
        "client": {"base_url": server.url()}, "resources": [resource("bad"), resource("good")],
        "destination": {"url": lake.path()}, "name": "p",
    });
    let outcome = run_plan(plan_of(&config.to_string())).await;
    assert_eq!(outcome.kinds, [ErrorKind::User]);
    let statuses: Vec<_> = outcome.summary.resources.iter().map(|resource| resource.status).collect();
    assert_eq!(statuses, [Status::Failed, Status::Ok]);
    assert!(outcome.summary.resources[0].error.as_ref().unwrap().message.contains("404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_partition_values_are_no_problem_within_a_small_memory_limit() {
    let rows: Vec<Value> = (0..15_000).map(|id| json!({"id": id, "part": format!("p{}", id % 5_000)})).collect();
    let (server, lake) = (Server::start(list_by_offset(rows, 1_000, true)).await, TempDir::new().unwrap());
    let columns = json!({"columns": [{"name": "id", "type": "int64"}, {"name": "part", "type": "string"}]});
    let config = json!({
        "name": "p", "memory_limit": "64MB",
        "client": {"base_url": server.url(), "paginator": {"type": "offset", "limit": 1000}},
        "resources": [{"name": "items", "endpoint": {"path": "items", "data_selector": "data"}, "schema": columns, "partition_by": ["part"]}],
        "destination": {"url": lake.path()},
    });
    let summary = only(run_plan(plan_of(&config.to_string())).await);
    assert_eq!((summary.rows_written, summary.files.len()), (15_000, 5_000));
    assert_eq!(data_files(&lake.path().join("items")).len(), 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_string_under_identity_partitioning_is_a_mismatch_for_the_contract() {
    let rows = vec![json!({"id": 1, "part": ""}), json!({"id": 2, "part": "x"}), json!({"id": 3, "part": null})];
    let (server, lake) = (item_server(rows).await, TempDir::new().unwrap());
    let resource = |contract: &str| {
        let columns = json!({"columns": [{"name": "id", "type": "int64"}, {"name": "part", "type": "string"}]});
        json!({"schema": columns, "partition_by": ["part"], "schema_contract": {"data_type": contract}})
    };
    let frozen = run_plan(items_plan(&server, lake.path(), resource("freeze"))).await;
    let message = &frozen.summary.resources[0].error.as_ref().unwrap().message;
    assert!(message.contains("part") && message.contains("empty"), "{message}");
    let summary = only(run_plan(items_plan(&server, lake.path(), resource("discard_row"))).await);
    assert_eq!((summary.rows_written, summary.rows_rejected), (2, 1));
    assert_eq!(rejects(&lake)[0]["record"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_pages_stops_the_run_early() {
    let (server, lake) = (test_case_server(950).await, TempDir::new().unwrap());
    let mut config = seed(&server);
    config["destination"] = json!({"url": lake.path()});
    let plan = plan_with(&config.to_string(), &Overrides { max_pages: Some(2), ..Overrides::default() });
    let summary = only(run_plan(plan).await);
    assert_eq!((summary.pages, summary.rows_written), (2, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_schema_is_refused_under_append_and_taken_by_a_full_refresh() {
    let (server, lake) = (item_server(vec![json!({"id": 1})]).await, TempDir::new().unwrap());
    let resource = |data_type: &str| json!({"schema": {"columns": [{"name": "id", "type": data_type}]}});
    only(run_plan(items_plan(&server, lake.path(), resource("int64"))).await);
    let refused = run_plan(items_plan(&server, lake.path(), resource("string"))).await;
    let error = refused.summary.resources[0].error.as_ref().unwrap();
    assert_eq!((refused.kinds, error.code.as_str()), (vec![ErrorKind::User], "schema_changed"));
    assert!(error.message.contains("id      int64  string"), "{}", error.message);
    let mut replace = resource("string");
    replace["write_disposition"] = json!("replace");
    assert_eq!(only(run_plan(items_plan(&server, lake.path(), replace)).await).table_version, 2);
}

/// Pages of three: the first as given, any other answered by this status.
async fn server_failing_behind(first_page: Value, status: u16) -> Server {
    let body = json!({"data": first_page, "total": 6}).to_string();
    Server::start(move |request| match request.number_param("offset") {
        Some(0) => Reply::json(body.clone()),
        _ => Reply::status(status).body("no"),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_first_in_page_order_is_the_failure() {
    let lake = TempDir::new().unwrap();
    let server = server_failing_behind(json!([{"id": 1}, {"id": "x"}, {"id": 3}]), 403).await;
    let schema = json!({"schema": {"columns": [{"name": "id", "type": "int64"}]}});
    let outcome = run_plan(items_plan(&server, lake.path(), schema)).await;
    assert_eq!(outcome.summary.resources[0].error.as_ref().unwrap().code, "data_mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rejects_of_pages_before_one_that_fails_are_kept_and_counted() {
    let lake = TempDir::new().unwrap();
    let server = server_failing_behind(json!([{"id": 1}, {"id": "x"}, {"id": 3}]), 403).await;
    let schema = json!({"columns": [{"name": "id", "type": "int64"}]});
    let resource = json!({"schema": schema, "schema_contract": {"data_type": "discard_row"}});
    let outcome = run_plan(items_plan(&server, lake.path(), resource)).await;
    let summary = &outcome.summary.resources[0];
    assert_eq!(summary.error.as_ref().unwrap().code, "http_status");
    assert_eq!((summary.rows_fetched, summary.rows_rejected), (3, 1));
    assert_eq!(rejects(&lake).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_rejects_allows_as_many_as_it_says() {
    let rows = (0..100).map(|id| json!({"id": if id < 29 { json!(format!("x{id}")) } else { json!(id) }})).collect();
    let (server, lake) = (Server::start(list_by_offset(rows, 50, true)).await, TempDir::new().unwrap());
    let schema = json!({"columns": [{"name": "id", "type": "int64"}]});
    let with = |share: &str| json!({"schema": schema, "schema_contract": {"data_type": "discard_row"}, "max_rejects": share, "write_disposition": "replace"});
    let summary = only(run_plan(items_plan(&server, lake.path(), with("29%"))).await);
    assert_eq!((summary.rows_rejected, summary.rows_written), (29, 71));
    let outcome = run_plan(items_plan(&server, lake.path(), with("28.5%"))).await;
    let error = outcome.summary.resources[0].error.as_ref().unwrap();
    assert!(error.code == "too_many_rejects" && error.message.contains("28.5%"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_leaves_no_staged_file_behind() {
    let lake = TempDir::new().unwrap();
    let server = server_failing_behind(json!([{"id": 1}, {"id": 2}, {"id": 3}]), 403).await;
    let resource = ids_without_checkpoints();
    assert_eq!(run_plan(items_plan(&server, lake.path(), resource)).await.kinds, [ErrorKind::User]);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_pages_never_replace_a_table_that_has_rows() {
    let (server, lake) = (item_server((0..9).map(|id| json!({"id": id})).collect()).await, TempDir::new().unwrap());
    let resource = json!({"write_disposition": "replace", "schema": {"columns": [{"name": "id", "type": "int64"}]}});
    let first_page = || {
        let mut plan = items_plan(&server, lake.path(), resource.clone());
        plan.resources[0].max_pages = Some(1);
        plan
    };
    assert_eq!(only(run_plan(first_page()).await).rows_written, 3, "an empty table has nothing to lose");
    let refused = run_plan(first_page()).await;
    let error = refused.summary.resources[0].error.as_ref().unwrap();
    assert_eq!((refused.kinds, error.code.as_str()), (vec![ErrorKind::User], "partial_replace"));
    let elsewhere = Plan { partial_replace_allowed: true, ..first_page() };
    assert_eq!(only(run_plan(elsewhere).await).table_version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_at_its_commit_takes_its_staged_files_away() {
    let (server, lake) = (item_server(vec![json!({"id": 1})]).await, TempDir::new().unwrap());
    let resource = ids_without_checkpoints();
    let environment = TestEnvironment::new().with_fault(restlake::environment::FaultPoint::BeforeCommit, 1);
    let plan = items_plan(&server, lake.path(), resource);
    let outcome = run(plan, environment.environment(), std::sync::Arc::new(Recorder::default())).await;
    assert_eq!(outcome.summary.status, Status::Failed);
    assert_eq!(left_over(&lake), Vec::<String>::new());
}
