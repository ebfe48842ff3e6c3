//! Delta tables under runs whose config has changed, and kept: the log remembers what plain Parquet's files would not.

use restlake::{error::ErrorKind, run::Outcome};

use super::*;

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
