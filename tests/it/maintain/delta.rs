//! Delta tables under runs whose config has changed, and kept: the log remembers what plain Parquet's files would not.

use std::sync::Arc;

use restlake::{environment::FaultPoint, error::ErrorKind, report::Silent, run::Outcome};

use super::*;
use crate::support::environment::TestEnvironment;

/// A Delta table `items` with this disposition.
fn delta(disposition: &str) -> Kept {
    let mut kept =
        Kept::new(json!({"write_disposition": disposition, "primary_key": "id", "partition_by": ["status"]}));
    kept.destination = json!({"table_format": "delta"});
    kept
}

fn with_columns(kept: &mut Kept, columns: &[(&str, &str)]) {
    let column = |(name, data_type): &(&str, &str)| match data_type.strip_suffix('!') {
        Some(data_type) => json!({"name": name, "type": data_type, "nullable": false}),
        None => json!({"name": name, "type": data_type}),
    };
    kept.resource["schema"] = json!({"columns": columns.iter().map(column).collect::<Vec<_>>()});
}

/// One run, and how many requests it sent.
async fn tried(kept: &Kept, rows: Vec<Value>) -> (Outcome, usize) {
    let server = Server::start(list_by_offset(rows, 50, true)).await;
    let outcome = run_plan(kept.plan(server.url().as_str())).await;
    (outcome, server.requests().len())
}

/// The error of a run that is refused before it requests anything, and leaves nothing but word of itself.
async fn refused(kept: &Kept) -> restlake::report::ErrorSummary {
    let objects = || {
        let mut objects = everything(&kept.table());
        objects.retain(|path, _| !path.starts_with("_restlake/runs/"));
        objects
    };
    let before = objects();
    let (outcome, requests) = tried(kept, items(1, 3)).await;
    assert_eq!((outcome.kinds.as_slice(), requests), ([ErrorKind::User].as_slice(), 0), "{outcome:#?}");
    assert_eq!(objects(), before);
    outcome.summary.resources[0].error.clone().unwrap()
}

const TYPES: [(&str, &str); 4] =
    [("id", "int64!"), ("name", "string"), ("status", "string"), ("created_at", "timestamp")];

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_partitions_that_the_log_cannot_change_are_refused_before_the_export_whatever_it_replaces() {
    let wider = [&TYPES[..1], &[("name", "json"), ("status", "string"), ("created_at", "date")]].concat();
    for (disposition, rows) in [("append", 4), ("append", 0), ("replace", 4), ("merge", 4)] {
        let mut kept = delta(disposition);
        kept.run(items(1, rows)).await;
        with_columns(&mut kept, &wider);
        let retyped = refused(&kept).await;
        assert_eq!(retyped.code, "schema_changed");
        assert!(retyped.message.contains("* created_at  timestamp"), "side by side: {}", retyped.message);
        assert!(!retyped.message.contains("`name`"), "json and string are stored alike: {}", retyped.message);
        let hint = retyped.hint.unwrap();
        assert!(hint.starts_with("give the resource another `table_name`, or delete the table"), "{hint}");
        with_columns(&mut kept, &TYPES[..3]);
        assert!(refused(&kept).await.message.contains("the column `created_at` is gone"));
        with_columns(&mut kept, &TYPES);
        kept.resource["partition_by"] = json!(["name"]);
        let moved = refused(&kept).await;
        assert!(moved.message.contains("partition spec") && moved.hint.unwrap().contains("another `table_name`"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_refresh_does_not_change_the_columns_of_a_delta_table_either() {
    let mut kept = delta("append");
    kept.run(items(1, 4)).await;
    with_columns(&mut kept, &TYPES[..3]);
    let mut plan = kept.plan("http://127.0.0.1:1");
    plan.resources[0].write_disposition = restlake::plan::WriteDisposition::Replace;
    let outcome = run_plan(plan).await;
    assert_eq!(outcome.summary.resources[0].error.clone().unwrap().code, "schema_changed", "{outcome:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_was_never_null_may_be_from_now_on() {
    for disposition in ["append", "replace"] {
        let mut kept = delta(disposition);
        with_columns(&mut kept, &[("id", "int64!"), ("name", "string!"), ("status", "string")]);
        kept.run(items(1, 4)).await;
        with_columns(&mut kept, &TYPES[..3]);
        kept.run(vec![json!({"id": 9, "name": null, "status": "open"})]).await;
        let verified = kept.verify(false).await.unwrap();
        let rows = if disposition == "append" { 5 } else { 1 };
        assert_eq!((verified.version, verified.rows, verified.findings), (2, rows, Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_naive_timestamps_comes_into_a_table_that_has_none() {
    let mut kept = delta("append");
    kept.run(items(1, 4)).await;
    with_columns(&mut kept, &[&TYPES[..], &[("seen", "timestamp_naive")]].concat());
    kept.run(vec![json!({"id": 9, "seen": "2026-11-22T10:00:00"})]).await;
    assert_eq!(kept.verify(false).await.unwrap().rows, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_that_a_table_of_an_older_restlake_lacks_is_missed_before_the_export() {
    let mut kept = delta("append");
    kept.run(items(1, 4)).await;
    kept.change("_delta_log/00000000000000000000.json", |log| {
        *log = std::str::from_utf8(log).unwrap().replace("\"timestampNtz\"", "").replace(",]", "]").into_bytes();
    });
    with_columns(&mut kept, &[&TYPES[..], &[("seen", "timestamp_naive")]].concat());
    let error = refused(&kept).await;
    assert_eq!(error.code, "delta_refused");
    assert!(error.message.contains("timestampNtz"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_that_the_log_cannot_hold_is_refused_before_a_file_is_written() {
    let mut kept = delta("append");
    with_columns(&mut kept, &[("id", "int32"), ("name", "string"), ("status", "string")]);
    kept.run(items(1, 4)).await;
    // Nobody could read this file, to write it again.
    let file = kept.data_files().into_iter().find(|path| path.starts_with("status=")).unwrap();
    kept.change(&file, Vec::clear);
    with_columns(&mut kept, &[("id", "int64"), ("name", "string"), ("status", "string")]);
    let lake = kept.keeper();
    let resource = &lake.plan().resources[0];
    let options = maintain::CompactOptions { rewrite_schema: true, ..lake.compact_options(resource) };
    let error = lake.compact(resource, &options).await.unwrap_err();
    assert_eq!(error.code(), "delta_refused");
    assert!(error.to_string().contains("`id` is integer, and is to be long"), "{error}");
    assert!(error.hint().unwrap().starts_with("give the table another name"), "{error}");
}

async fn verified(kept: &Kept) -> Vec<Finding> {
    kept.verify(false).await.unwrap().findings
}

/// What each command that only looks says of a table.
async fn looks(kept: &Kept) -> Vec<Result<(), &'static str>> {
    let lake = kept.keeper();
    let resource = &lake.plan().resources[0];
    let (table, identity) = (lake.look(resource).unwrap(), lake.identity(resource));
    let format = lake.plan().table_format;
    vec![
        kept.verify(true).await.map(drop).map_err(|error| error.code()),
        maintain::status(&*table, &identity, resource, format).await.map(drop).map_err(|error| error.code()),
        maintain::files(&*table, &identity, resource, None).await.map(drop).map_err(|error| error.code()),
        maintain::export_state(&*table, &identity, resource).await.map(drop).map_err(|error| error.code()),
        lake.vacuum(resource, WEEK, true).await.map(drop).map_err(|error| error.code()),
    ]
}

const WEEK: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_the_other_format_is_told_by_every_command_that_looks() {
    for (format, other) in [("delta", "parquet"), ("parquet", "delta")] {
        let mut kept = delta("append");
        kept.destination = json!({"table_format": format});
        kept.run(items(1, 4)).await;
        assert_eq!(looks(&kept).await, vec![Ok(()); 5]);
        kept.destination = json!({"table_format": other});
        assert_eq!(looks(&kept).await, vec![Err("another_format"); 5], "{format} as {other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_table_is_kept_like_any_other() {
    let kept = delta("append");
    for first in [1, 11, 21] {
        kept.run(items(first, first + 9)).await;
    }
    assert_eq!(verified(&kept).await, []);
    let lake = kept.keeper();
    let resource = &lake.plan().resources[0];
    let (identity, format) = (lake.identity(resource), lake.plan().table_format);
    let look = || lake.look(resource).unwrap();
    let files = async |version| maintain::files(&*look(), &identity, resource, version).await.unwrap().files.len();
    assert_eq!((files(None).await, files(Some(1)).await), (6, 2));
    let compacted = lake.compact(resource, &lake.compact_options(resource)).await.unwrap();
    assert_eq!((compacted.version, compacted.files_removed, compacted.files_added, compacted.rows), (4, 6, 2, 30));
    let status = maintain::status(&*look(), &identity, resource, format).await.unwrap();
    assert_eq!((status.version, status.rows, status.files, status.runs.len()), (4, 30, 2, 3));
    assert_eq!((verified(&kept).await, files(Some(3)).await), (vec![], 6), "older versions can be read still");
    let none: Vec<String> = Vec::new();
    let vacuumed = async |retain| {
        let objects = lake.vacuum(resource, retain, false).await.unwrap().objects;
        objects.into_iter().map(|object| object.path).filter(|path| path.starts_with("status=")).collect::<Vec<_>>()
    };
    assert_eq!(vacuumed(WEEK).await, none);
    let gone = vacuumed(std::time::Duration::ZERO).await;
    assert_eq!((gone.len(), files(None).await), (6, 2), "{gone:?}");
    let error = maintain::files(&*look(), &identity, resource, Some(3)).await.unwrap_err();
    assert_eq!((error.code(), error.hint().as_deref()), ("version_gone", Some("versions that can be read: 4")));
    assert_eq!(verified(&kept).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_moves_from_one_delta_table_to_another() {
    let (from, to) = (delta("append"), delta("append"));
    from.run(items(1, 4)).await;
    let lake = from.keeper();
    let resource = &lake.plan().resources[0];
    let state = maintain::export_state(&*lake.look(resource).unwrap(), &lake.identity(resource), resource).await;
    let state = state.unwrap().unwrap();
    let lake = to.keeper();
    let resource = &lake.plan().resources[0];
    let imported = lake.import(resource, &state).await.unwrap();
    assert_eq!((imported.version, imported.is_new, verified(&to).await), (1, true, vec![]));
    to.run(items(5, 6)).await;
    assert_eq!(lake.import(resource, &state).await.unwrap().version, 3);
    assert_eq!((verified(&to).await, to.verify(false).await.unwrap().rows), (vec![], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_is_a_finding() {
    for damage in [|log: &mut Vec<u8>| log.truncate(40), Vec::clear] {
        let kept = delta("append");
        kept.run(items(1, 4)).await;
        kept.run(items(5, 6)).await;
        kept.change("_delta_log/00000000000000000000.json", damage);
        let findings = verified(&kept).await;
        assert_eq!(findings[0].problem, Problem::Commit, "{findings:#?}");
        assert!(findings[0].file.as_ref().unwrap().starts_with("_delta_log"), "{findings:#?}");
    }
    let kept = delta("append");
    for id in 1..4 {
        kept.run(items(id, id)).await;
    }
    std::fs::remove_file(kept.table().join("_delta_log/00000000000000000001.json")).unwrap();
    let findings = verified(&kept).await;
    assert_eq!(findings[0].file.as_deref(), Some("_delta_log/00000000000000000001.json"), "{findings:#?}");
}

/// An owner on another machine that has renewed its lease just now.
fn living_owner() -> String {
    let now = chrono::Utc::now().to_rfc3339();
    json!({"host": "elsewhere", "machine": "m", "pid": 1, "started": 1, "started_at": now, "renewed_at": now})
        .to_string()
}

fn put(kept: &Kept, path: &str, content: &str) {
    let path = kept.table().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_commit_has_brought_into_place_are_its_own_until_it_stands() {
    let kept = delta("append");
    kept.run(items(1, 4)).await;
    let attempt = "_restlake/staging/00000000000000000002-0badcafe";
    let moved = "status=open/part-0000000002-00000-00000.parquet";
    put(&kept, moved, "rows");
    let files = json!([[format!("{attempt}/part-0000000002-00000-00000.parquet.staged"), moved]]);
    let name = attempt.rsplit('/').next().unwrap();
    let moves = json!({"version": 2, "turn": 0, "attempt": name, "run_id": "r", "files": files});
    put(&kept, "_restlake/moves/00000000000000000002-0.json", &moves.to_string());
    put(&kept, &format!("{attempt}/owner.json"), &living_owner());
    assert_eq!(verified(&kept).await, []);
    assert!(kept.keeper().vacuum(&kept.keeper().plan().resources[0], WEEK, false).await.unwrap().objects.is_empty());
    assert!(kept.table().join(moved).is_file(), "its run lives");
    for is_named in [true, false] {
        put(&kept, moved, "rows");
        put(&kept, "_restlake/moves/00000000000000000002-0.json", &moves.to_string());
        let _ = std::fs::remove_dir_all(kept.table().join(attempt));
        if is_named {
            put(&kept, &format!("{attempt}/part-0000000002-00000-00001.parquet.staged"), "more");
        }
        let findings = verified(&kept).await;
        assert_eq!((findings.len(), findings[0].problem), (1, Problem::DeadAttempt), "{findings:#?}");
        assert_eq!(findings[0].file.as_deref(), Some(attempt));
        let vacuumed = kept.keeper().vacuum(&kept.keeper().plan().resources[0], WEEK, false).await.unwrap();
        assert!(vacuumed.objects.iter().any(|object| object.path == moved), "{vacuumed:?}");
        assert_eq!(verified(&kept).await, []);
    }
}

/// Another writer's version of the log: files go, and one that has all of their bytes comes.
fn optimized(kept: &Kept, version: u64, removes: &[&str], add: &Value, times: (Option<i64>, Option<i64>)) {
    let remove = |path: &&str| json!({"remove": {"path": path, "dataChange": false, "deletionTimestamp": times.1}});
    let mut lines: Vec<_> = removes.iter().map(remove).collect();
    lines.push(json!({"add": add}));
    lines.push(json!({"commitInfo": {"timestamp": times.0, "engineInfo": "Somebody/1", "operation": "OPTIMIZE"}}));
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    put(kept, &format!("_delta_log/{:020}.json", version - 1), &lines.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_another_writer_has_optimized_is_whole_and_its_old_files_go_in_time() {
    let mut kept = delta("append");
    kept.resource["partition_by"] = json!(["status", "created_at"]);
    kept.run(vec![json!({"id": 1, "status": "open", "created_at": "2026-11-22T10:00:00Z"})]).await;
    let ours = kept.data_files().into_iter().find(|path| path.starts_with("status=")).unwrap();
    let encoded = ours.replace('%', "%25").replace(' ', "%20");
    let long_ago = 1_700_000_000_000;
    let copies = ["one.parquet", "two.parquet", "three.parquet", "four.parquet"];
    let times = [(Some(long_ago), Some(long_ago)), (None, Some(long_ago)), (None, None)];
    let mut removed = encoded.as_str();
    for ((version, copy), times) in (2..).zip(copies).zip(times) {
        std::fs::copy(kept.table().join(&ours), kept.table().join(copy)).unwrap();
        let add = json!({
            "path": copy, "size": std::fs::metadata(kept.table().join(copy)).unwrap().len(), "modificationTime": 1,
            "partitionValues": {"created_at": "2026-11-22T10:00:00.000000Z", "status": "open"},
            "dataChange": false, "stats": "{\"numRecords\":1}",
        });
        optimized(&kept, version, &[removed], &add, times);
        removed = copy;
        assert_eq!(verified(&kept).await, [], "version {version}");
    }
    let vacuumed = kept.keeper().vacuum(&kept.keeper().plan().resources[0], WEEK, false).await.unwrap();
    let gone: Vec<_> = vacuumed.objects.iter().map(|object| object.path.as_str()).collect();
    assert_eq!(gone, ["one.parquet", &ours], "of two.parquet nobody knows when it went");
    assert_eq!(verified(&kept).await, []);
    kept.run(vec![json!({"id": 2, "status": "open", "created_at": "2026-11-22T10:00:00Z"})]).await;
    assert_eq!((verified(&kept).await, kept.verify(false).await.unwrap().rows), (vec![], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_that_died_after_its_commit_removed_is_no_finding_where_the_log_keeps_it() {
    let mut kept = delta("merge");
    kept.resource["endpoint"] =
        json!({"path": "items", "data_selector": "data", "incremental": {"cursor_path": "created_at"}});
    kept.run(items(1, 4)).await;
    let mut changed = items(1, 4);
    changed[3]["created_at"] = json!("2025-04-03T04:05:06Z");
    let server = Server::start(list_by_offset(changed, 50, true)).await;
    let dies = TestEnvironment::new().with_fault(FaultPoint::AfterCommit, 1);
    let plan = || kept.plan(server.url().as_str());
    restlake::run::run(plan(), dies.environment(), Arc::new(Silent)).await;
    let version = only(run_plan(plan()).await).table_version;
    assert_eq!((version, verified(&kept).await), (2, vec![]));
}
