//! Delta tables: the suite, and what lies in the log and beside it, read by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use bytes::Bytes;
use object_store::ObjectStoreExt;
use restlake::{
    commit::{CommitOutcome, DeltaTable, TableFormat},
    error::ErrorKind,
    model::Operation,
    plan::{Plan, TableFormatKind},
    schema::{Column, ColumnType, Source},
};
use serde_json::{Value, json};

use super::{
    crash,
    decorators::{Lost, Unclear, meanwhile_again},
    fixture::{
        Format, Lake, PARQUET, TABLE, World, assert_readable, assert_whole, commit, committed, end, files, stage_all,
        write,
    },
};
use crate::support::store::in_front;
use crate::support::{
    pipeline::{only, plan_of, run_plan},
    server::{Server, list_by_offset},
};

pub const DELTA: Format = Format {
    open: |store, identity, environment, processes| {
        Box::pin(async move {
            let table = DeltaTable::open_with(store, TABLE, identity, environment, processes).await?;
            Ok(Box::new(table) as Box<dyn TableFormat>)
        })
    },
    is_globbed: false,
    plain_name: without_turn,
};

/// `part-<version>-<position>-<sequence>-<turn>.parquet` without its turn.
fn without_turn(path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').unwrap();
    let parts: Vec<_> = name.trim_end_matches(".parquet").split('-').take(4).collect();
    format!("{directory}/{}.parquet", parts.join("-"))
}

conformance!(DELTA);

#[tokio::test]
async fn a_process_killed_before_any_operation_leaves_the_old_or_the_new_table_in_memory() {
    crash::a_process_killed_before_any_operation_leaves_the_old_or_the_new_table(Lake::memory(DELTA).await).await;
}

#[tokio::test]
async fn a_process_killed_before_any_operation_leaves_the_old_or_the_new_table_on_disk() {
    crash::a_process_killed_before_any_operation_leaves_the_old_or_the_new_table(Lake::local(DELTA).await).await;
}

/// The Delta log, replayed by its rules: the last action on a path counts.
#[derive(Debug, Default)]
struct Log {
    live: BTreeMap<String, Value>,
    removed: BTreeSet<String>,
    /// All actions, version by version.
    commits: Vec<Vec<Value>>,
}

impl Log {
    async fn read(lake: &Lake) -> Self {
        Self::of(lake.objects().await)
    }

    fn of(objects: BTreeMap<String, Bytes>) -> Self {
        let mut log = Self::default();
        let commits = objects.iter().filter(|(path, _)| path.starts_with("_delta_log/") && path.ends_with(".json"));
        for (number, (path, content)) in commits.enumerate() {
            assert_eq!(*path, format!("_delta_log/{number:020}.json"));
            let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let actions: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
            for action in &actions {
                if let Some(remove) = action.get("remove") {
                    let path = decode(&remove["path"]);
                    assert!(log.live.remove(&path).is_some(), "{path} is removed and was not there");
                    log.removed.insert(path);
                }
                if let Some(add) = action.get("add") {
                    assert!(log.live.insert(decode(&add["path"]), add.clone()).is_none(), "added twice");
                }
            }
            log.commits.push(actions);
        }
        log
    }

    /// The only action of a kind in a version, counted from 0.
    fn action(&self, version: usize, kind: &str) -> &Value {
        let found: Vec<_> = self.commits[version].iter().filter_map(|action| action.get(kind)).collect();
        assert_eq!(found.len(), 1, "{kind} in {:?}", self.commits[version]);
        found[0]
    }
}

/// A path in the log is a URL's.
fn decode(path: &Value) -> String {
    let url = url::Url::parse("memory:///").unwrap().join(path.as_str().unwrap()).unwrap();
    object_store::path::Path::from_url_path(url.path()).unwrap().to_string()
}

#[tokio::test]
async fn the_log_names_the_files_of_each_version_and_removed_ones_stay_for_older_versions() {
    for lake in [Lake::memory(DELTA).await, Lake::local(DELTA).await, Lake::s3(DELTA).await] {
        let table = lake.open(&World::new()).await;
        for operation in [Operation::Append, Operation::Merge, Operation::Replace] {
            let _ = write(&*table, operation, 3, "run").await.unwrap();
        }
        let log = Log::read(&lake).await;
        let snapshot = table.snapshot().await.unwrap();
        assert_eq!(log.live.keys().collect::<BTreeSet<_>>(), snapshot.files.iter().map(|file| &file.path).collect());
        assert_eq!((log.live.len(), log.removed.len()), (3, 6));
        let data = lake.data().await;
        assert!(log.removed.iter().all(|path| data.contains_key(path)));
        // The path in the log is encoded once more than the directory's name.
        let encoded = &log.live["status=a%2Fb/part-0000000003-00000-001.parquet"]["path"];
        assert_eq!(encoded, "status=a%252Fb/part-0000000003-00000-001.parquet");
        assert_eq!(log.action(0, "commitInfo")["operation"], "CREATE TABLE");
        assert_eq!(log.action(1, "commitInfo")["operation"], "MERGE");
        assert_eq!(log.action(2, "commitInfo")["operationParameters"], json!({"mode": "Overwrite"}));
        assert_eq!(log.action(2, "txn")["appId"], format!("restlake/{TABLE}"));
        assert_eq!(log.action(2, "txn")["version"], 3);
    }
}

#[tokio::test]
async fn a_file_that_was_in_the_table_goes_when_its_removal_is_old_enough() {
    let lake = Lake::memory(DELTA).await;
    let world = World::new();
    let table = lake.open(&world).await;
    let mut removed = Vec::new();
    for run in ["a", "b", "c"] {
        world.clock.advance(Duration::from_secs(3600));
        let _ = write(&*table, Operation::Replace, 1, run).await.unwrap();
        removed.push((world.environment().clock.now(), table.snapshot().await.unwrap().files[0].path.clone()));
    }
    let expired = async |at: usize| {
        let expired = table.expired(removed[at].0).await.unwrap();
        expired.into_iter().map(|object| object.path).collect::<Vec<_>>()
    };
    // The first file left with the second commit.
    assert_eq!(expired(0).await, Vec::<String>::new());
    assert_eq!(expired(1).await, [removed[0].1.clone()]);
    assert_eq!(expired(2).await, [removed[0].1.clone(), removed[1].1.clone()]);
    for path in expired(2).await {
        lake.delete(&path).await;
    }
    assert_eq!(expired(2).await, Vec::<String>::new(), "what is gone need not go again");
    assert_whole(&lake, &*table).await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_by_reading_it() {
    for lost in [Lost::WrittenButError, Lost::WrittenButAlreadyExists, Lost::NotWritten] {
        let lake = Lake::memory(DELTA).await;
        let store = lake.decorated(|inner| in_front(Arc::new(Unclear { inner, lost, times: AtomicI64::new(1) })));
        let table = store.open(&World::new()).await;
        let outcome = write(&*table, Operation::Append, 2, "run").await.unwrap();
        assert_eq!(committed(&outcome), Some((1, 21)), "{lost:?}");
        assert_whole(&lake, &*table).await;
        assert_eq!(Log::read(&lake).await.live.len(), 2);
    }
}

#[tokio::test]
async fn a_commit_that_stays_unclear_keeps_its_files_until_the_next_open() {
    let lake = Lake::memory(DELTA).await;
    let world = World::new();
    let times = AtomicI64::new(i64::MAX);
    let store = lake.decorated(|inner| in_front(Arc::new(Unclear { inner, lost: Lost::NotWritten, times })));
    let table = store.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let error = table.commit(0, commit(Operation::Replace, adds, vec![], "run")).await.unwrap_err();
    assert_eq!(error.code(), "commit_unclear");
    attempt.abandon().await.unwrap();
    assert_eq!(lake.data().await.len(), 2, "what may be the table's is not deleted");
    lake.open(&world.after_death()).await;
    assert!(lake.data().await.is_empty() && lake.staging().await.is_empty());
    let table = lake.open(&World::new()).await;
    let outcome = write(&*table, Operation::Append, 2, "next").await.unwrap();
    // That the first turn was taken shows in the names until the version is made.
    let log = Log::read(&lake).await;
    assert!(log.live.keys().all(|path| path.ends_with("-1.parquet")), "{log:?}");
    let told = |outcome| match outcome {
        CommitOutcome::Committed { files, .. } => files.into_iter().map(|file| file.path).collect(),
        CommitOutcome::Conflict { .. } => BTreeSet::new(),
    };
    assert_eq!(told(outcome), log.live.into_keys().collect::<BTreeSet<_>>());
    lake.open(&World::new()).await;
    assert!(
        lake.objects()
            .await
            .keys()
            .all(|path| !path.starts_with("_restlake/") || path.starts_with("_restlake/newest/"))
    );
}

#[tokio::test]
async fn a_commit_that_the_store_refuses_leaves_the_attempt_as_it_was() {
    let lake = Lake::memory(DELTA).await;
    let times = AtomicI64::new(i64::MAX);
    let store = lake.decorated(|inner| in_front(Arc::new(Unclear { inner, lost: Lost::Refused, times })));
    let table = store.open(&World::new()).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let error = table.commit(0, commit(Operation::Append, adds.clone(), vec![], "run")).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("store_permission", ErrorKind::User));
    assert!(lake.data().await.is_empty());
    assert_eq!(attempt.read(&adds[0]).await.unwrap(), "run 1 0");
    attempt.abandon().await.unwrap();
    lake.open(&World::new()).await;
    assert!(lake.data().await.is_empty() && lake.staging().await.is_empty());
}

#[tokio::test]
async fn a_lost_commit_leaves_its_files_staged_and_touches_none_of_the_winners() {
    let lake = Lake::local(DELTA).await;
    let world = World::new();
    let (table, other) = (lake.open(&world).await, lake.open(&world.another_process()).await);
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "loser")).await.unwrap();
    let _ = write(&*other, Operation::Append, 2, "winner").await.unwrap();
    let outcome = table.commit(0, commit(Operation::Append, adds.clone(), vec![], "loser")).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Conflict { version: 1, run_id: "winner".into() });
    assert_eq!(attempt.read(&adds[1]).await.unwrap(), "loser 1 1");
    attempt.abandon().await.unwrap();
    assert!(lake.data().await.values().all(|content| content.starts_with(b"winner")));
    assert_whole(&lake, &*table).await;
}

#[tokio::test]
async fn who_is_taken_for_dead_between_its_moves_and_its_put_commits_nothing() {
    let lake = Lake::memory(DELTA).await;
    let world = World::new();
    let (thought_dead, seen) = (world.clone(), as_format(&lake, DELTA));
    // Its files are in place, and it is about to look whether the attempt is still its own.
    let store = meanwhile_again(&lake, "/_restlake/staging/", async move {
        assert_eq!(seen.data().await.len(), 2);
        seen.open(&thought_dead.after_death()).await;
        assert!(seen.data().await.is_empty());
    });
    let table = store.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "slow")).await.unwrap();
    let error = table.commit(0, commit(Operation::Append, adds, vec![], "slow")).await.unwrap_err();
    assert_eq!(error.code(), "attempt_lost");
    attempt.abandon().await.unwrap();
    assert!(Log::read(&lake).await.commits.is_empty() && lake.data().await.is_empty());
    let next = lake.open(&World::new()).await;
    let _ = write(&*next, Operation::Append, 2, "next").await.unwrap();
    assert_whole(&lake, &*next).await;
}

/// What a test does to a commit.
type Change<'a> = &'a dyn Fn(&mut restlake::model::Commit);

#[tokio::test]
async fn an_added_column_is_added_to_the_log_and_a_change_that_the_kernel_cannot_make_is_refused() {
    let lake = Lake::memory(DELTA).await;
    let table = lake.open(&World::new()).await;
    let _ = write(&*table, Operation::Append, 1, "first").await.unwrap();
    let column = |name: &str, data_type: ColumnType| Column {
        name: name.into(),
        source: Source::Path(vec![name.into()]),
        data_type,
        nullable: true,
        format: None,
    };
    let with = |change: &dyn Fn(&mut restlake::model::Commit)| {
        let mut commit = commit(Operation::Append, vec![], vec![], "second");
        change(&mut commit);
        commit
    };
    let refused: [(Change<'_>, &str); 4] = [
        (
            &|commit| commit.schema.columns[0].data_type = ColumnType::String,
            "`test_case_id` is long, and is to be string",
        ),
        (&|commit| commit.schema.columns.clear(), "`test_case_id` is gone"),
        (
            &|commit| commit.partition_by = vec!["test_case_id".into()],
            "partitioned by status, and is to be by test_case_id",
        ),
        (
            &|commit| commit.schema.columns.push(column("count", ColumnType::UInt8)),
            "`count` is uint8, which Delta does not",
        ),
    ];
    for (change, expected) in refused {
        let error = table.commit(1, with(change)).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("delta_refused", ErrorKind::User));
        assert!(error.to_string().contains(expected), "{error}");
    }
    let grown = with(&|commit| commit.schema.columns.insert(0, column("extra", ColumnType::Date)));
    let outcome = table.commit(1, grown.clone()).await.unwrap();
    assert_eq!(committed(&outcome), Some((2, 10)));
    end(&*table).await.unwrap();
    assert_eq!(table.snapshot().await.unwrap().schema, Some(grown.schema));
    let schema: Value =
        serde_json::from_str(Log::read(&lake).await.action(1, "metaData")["schemaString"].as_str().unwrap()).unwrap();
    let names: Vec<_> =
        schema["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["test_case_id", "status", "extra"]);
}

/// The same lake, taken for one of another format.
fn as_format(lake: &Lake, format: Format) -> Lake {
    let mut seen = lake.decorated(|inner| inner);
    seen.format = format;
    seen
}

#[tokio::test]
async fn a_table_of_another_format_or_program_is_refused() {
    let lake = Lake::memory(PARQUET).await;
    let _ = write(&*lake.open(&World::new()).await, Operation::Append, 1, "run").await.unwrap();
    let seen = as_format(&lake, DELTA);
    let error = seen.try_open(&World::new()).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), ("another_format", ErrorKind::User));

    let lake = Lake::memory(DELTA).await;
    let _ = write(&*lake.open(&World::new()).await, Operation::Append, 1, "run").await.unwrap();
    let seen = as_format(&lake, PARQUET);
    let error = seen.try_open(&World::new()).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), ("another_format", ErrorKind::User));
    assert!(error.to_string().ends_with("is a Delta table"), "{error}");
    assert!(error.hint().unwrap().starts_with("set `table_format: delta`"), "{error}");

    let objects = lake.objects().await;
    let log = std::str::from_utf8(&objects["_delta_log/00000000000000000000.json"]).unwrap();
    let theirs: Vec<_> = log.lines().filter(|line| !line.contains("domainMetadata\":{")).collect();
    lake.put("_delta_log/00000000000000000000.json", &theirs.join("\n")).await;
    let error = lake.try_open(&World::new()).await.err().unwrap();
    assert!(error.to_string().contains("did not create"), "{error}");
}

#[tokio::test]
async fn a_version_of_another_writer_is_one_of_the_table() {
    let lake = Lake::memory(DELTA).await;
    let table = lake.open(&World::new()).await;
    let _ = write(&*table, Operation::Append, 2, "run").await.unwrap();
    let before = table.snapshot().await.unwrap();
    // As an OPTIMIZE writes it: two files become one.
    lake.put("part-0.parquet", "optimized").await;
    let remove = |path: &str| json!({"remove": {"path": path, "deletionTimestamp": 1, "dataChange": false}});
    let add = json!({"add": {
        "path": "part-0.parquet", "partitionValues": {"status": "active"}, "size": 9, "modificationTime": 1,
        "dataChange": false, "stats": "{\"numRecords\":21}",
    }});
    let log = Log::read(&lake).await;
    let mut lines: Vec<_> = log.live.values().map(|live| remove(live["path"].as_str().unwrap())).collect();
    lines.push(add);
    lines.push(json!({"commitInfo": {"timestamp": 1_700_000_000_000_i64, "engineInfo": "Somebody/1", "operation": "OPTIMIZE"}}));
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    lake.put("_delta_log/00000000000000000001.json", &lines.join("\n")).await;

    let table = lake.open(&World::new()).await;
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!((snapshot.version, snapshot.rows, snapshot.state), (2, 21, before.state));
    assert_eq!(snapshot.files[0].partition, [("status".to_owned(), Some("active".to_owned()))]);
    assert_eq!(table.history(1).await.unwrap()[0].run_id, "Somebody/1");
    let outcome = write(&*table, Operation::Replace, 1, "next").await.unwrap();
    assert_eq!(committed(&outcome), Some((3, 10)));
    assert_readable(&lake, &*table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tenth_version_has_a_checkpoint_from_which_the_table_is_read() {
    checkpoints(&Lake::local(DELTA).await).await;
}

#[tokio::test]
async fn a_checkpoint_is_written_on_one_thread_as_well() {
    checkpoints(&Lake::memory(DELTA).await).await;
}

async fn checkpoints(lake: &Lake) {
    let table = lake.open(&World::new()).await;
    for version in 1..=12_u64 {
        let _ = write(&*table, Operation::Append, 1, &format!("run {version}")).await.unwrap();
    }
    let before = table.snapshot().await.unwrap();
    let objects = lake.objects().await;
    assert!(objects.contains_key("_delta_log/00000000000000000010.checkpoint.parquet"), "{:?}", objects.keys());
    // Nobody needs what lies before it.
    for version in 0..10 {
        lake.store.store.delete(&lake.path(&format!("_delta_log/{version:020}.json"))).await.unwrap();
    }
    let table = lake.open(&World::new()).await;
    assert_eq!(table.snapshot().await.unwrap(), before);
    assert_eq!(before.files.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_checkpoints_as_often_as_it_says() {
    let lake = Lake::memory(DELTA).await;
    let table = lake.open(&World::new()).await;
    let _ = write(&*table, Operation::Append, 1, "first").await.unwrap();
    let first = "_delta_log/00000000000000000000.json";
    let log = String::from_utf8(lake.objects().await[first].to_vec()).unwrap();
    assert!(log.contains(r#""configuration":{}"#), "{log}");
    lake.put(first, &log.replace(r#""configuration":{}"#, r#""configuration":{"delta.checkpointInterval":"2"}"#)).await;
    for version in 2..=5 {
        let _ = write(&*table, Operation::Append, 1, &format!("run {version}")).await.unwrap();
    }
    let checkpoints: Vec<_> = lake.objects().await.into_keys().filter(|path| path.contains(".checkpoint.")).collect();
    assert_eq!(checkpoints, [2, 4].map(|logged| format!("_delta_log/{logged:020}.checkpoint.parquet")));
}

/// A config of one resource, `rows`, of every type that Delta has.
fn every_type(server: &Server, lake: &Path, disposition: &str) -> Plan {
    let types = [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "float32",
        "float64",
        "decimal(20,4)",
        "string",
        "binary",
        "date",
        "timestamp",
        "timestamp_naive",
        "json",
        "uuid",
        "list<int32>",
        "struct<a: string, b: int64>",
        "map<string, int64>",
    ];
    let column = |(index, data_type): (usize, &&str)| json!({"name": format!("c{index}"), "type": data_type});
    let mut columns: Vec<_> = types.iter().enumerate().map(column).collect();
    columns.insert(0, json!({"name": "id", "type": "int64", "nullable": false}));
    let config = json!({
        "name": "p",
        "client": {"base_url": server.url(), "paginator": {"type": "offset", "limit": 2}},
        "resources": [{
            "name": "rows",
            "endpoint": {"path": "rows", "data_selector": "data"},
            "write_disposition": disposition,
            "primary_key": "id",
            "schema": {"columns": columns},
            "partition_by": [
                "c0", {"column": "c11", "transform": "month"}, {"column": "c10", "transform": "day"},
                {"column": "id", "transform": "truncate[10]"},
            ],
        }],
        "destination": {"url": lake},
    });
    let mut plan = plan_of(&config.to_string());
    plan.table_format = TableFormatKind::Delta;
    plan
}

fn record(id: i64) -> Value {
    json!({
        "id": id, "c0": id % 2 == 0, "c1": -8, "c2": 16, "c3": 32, "c4": id, "c5": 0.5, "c6": 1e300, "c7": "-12.3456",
        "c8": format!("text {id}"), "c9": "AAEC", "c10": "2026-11-22", "c11": "2026-11-22T10:00:00.123456Z",
        "c12": "2026-11-22T10:00:00", "c13": {"k": [1, null]}, "c14": "f79c3e09-677c-4bbd-a479-3f349cb785e7",
        "c15": [1, null], "c16": {"a": "x", "b": null}, "c17": {"k": 1},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_into_a_delta_table_writes_every_type_with_statistics_and_partition_columns() {
    let mut rows: Vec<_> = (-3..5).map(record).collect();
    rows.push(json!({"id": 99}));
    let server = Server::start(list_by_offset(rows, 2, true)).await;
    let lake = tempfile::tempdir().unwrap();
    for (version, disposition) in [(1, "append"), (2, "replace")] {
        let resource = only(run_plan(every_type(&server, lake.path(), disposition)).await);
        assert_eq!((resource.table_version, resource.table_rows), (version, 9));
    }
    let log = Log::of(crate::support::tables::walk(&lake.path().join("rows")));
    let metadata = log.action(0, "metaData");
    assert_eq!(metadata["partitionColumns"], json!(["c0", "c11_month", "c10_day", "id_truncate"]));
    let add = log.live.values().find(|add| add["partitionValues"]["c0"] == "true").unwrap();
    assert_eq!(add["partitionValues"]["c11_month"], "2026-11");
    assert_eq!(add["partitionValues"]["c10_day"], "2026-11-22");
    let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(stats["minValues"]["c7"].to_string(), "-12.3456");
    assert_eq!(stats["maxValues"]["c11"], "2026-11-22T10:00:00.123456Z");
    assert_eq!(stats["maxValues"]["c16"], json!({"a": "x"}));
    assert_eq!((&stats["nullCount"]["c4"], &stats["nullCount"]["c16"]["b"]), (&json!(0), &stats["numRecords"]));
    let nulls = log.live.values().find(|add| add["partitionValues"]["c0"].is_null()).unwrap();
    assert_eq!(nulls["partitionValues"]["c11_month"], Value::Null);
    assert_eq!(nulls["partitionValues"]["id_truncate"], "90");
}

#[tokio::test]
async fn an_export_without_rows_makes_a_table_without_files() {
    let server = Server::start(list_by_offset(Vec::new(), 2, true)).await;
    let lake = tempfile::tempdir().unwrap();
    let resource = only(run_plan(every_type(&server, lake.path(), "append")).await);
    assert_eq!((resource.table_version, resource.table_rows), (1, 0));
    assert!(resource.files.is_empty() && resource.bytes_written == 0, "{:?}", resource.files);
    assert_eq!(resource.duckdb, format!("SELECT * FROM delta_scan('{}/rows')", lake.path().display()));
    let log = Log::of(crate::support::tables::walk(&lake.path().join("rows")));
    assert!(log.live.is_empty());
    assert_eq!(log.action(0, "metaData")["partitionColumns"][0], "c0");
}
