//! A table's schema over time, from config to files: columns that are added, declared or not, types that widen, and what is
//! refused.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use restlake::{error::ErrorKind, plan::Overrides, report::Silent, run::run};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::TestEnvironment,
    pipeline::{only, plan_with, run_plan},
    project::Project,
    server::{Gate, Reply, Server, list_by_offset},
    tables::data_files,
};

/// How many checkpoints the table's attempts have.
fn checkpoints(table: &Path) -> usize {
    let entries =
        |directory: &Path| std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = entries(&table.join("_restlake/staging")).flat_map(|attempt| entries(&attempt).collect::<Vec<_>>());
    let is_checkpoint = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("checkpoint-") && name.ends_with(".json")
    };
    files.filter(is_checkpoint).count()
}

fn columns(columns: &[(&str, &str)]) -> Value {
    let column = |(name, data_type): &(&str, &str)| json!({"name": name, "type": data_type});
    json!({"columns": columns.iter().map(column).collect::<Vec<_>>()})
}

fn numbered(ids: std::ops::RangeInclusive<u64>, row: impl Fn(u64) -> Value) -> Vec<Value> {
    let with_id = |id: u64| {
        let mut row = row(id);
        row["id"] = json!(id);
        row
    };
    ids.map(with_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_config_adds_is_null_in_older_rows_and_in_all_files() {
    let mut project = Project::new(numbered(1..=4, |id| json!({"n": id * 10, "p": id % 2}))).await;
    let before = json!({"schema": columns(&[("id", "int64"), ("n", "int64"), ("p", "int64")]), "partition_by": "p"});
    project.run(&before).await;
    let mut after = before.clone();
    after["schema"] = columns(&[("id", "int64"), ("extra", "list<string>"), ("n", "int64"), ("p", "int64")]);
    project.has(numbered(5..=5, |_| json!({"n": 50, "p": 1, "extra": ["x"]}))).await;
    let summary = project.run(&after).await;
    assert_eq!((summary.rows_written, summary.table_rows, summary.table_version), (1, 5, 2));
    assert_eq!(project.rows(&["id", "n", "p"]), ["1 10 1", "2 20 0", "3 30 1", "4 40 0", "5 50 1"]);
    assert_eq!(project.rows(&["extra"]).iter().filter(|extra| *extra == "-").count(), 4);
    assert_eq!(project.schema().len(), 3, "{:?}", project.schema());
    assert!(data_files(&project.table()).keys().all(|path| path.contains("part-0000000002-")), "new names");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_widen_and_keep_their_values() {
    let mut project = Project::new(numbered(
        1..=4,
        |id| json!({"f": 0.5, "d": "1.25", "s": {"a": id}, "l": [id], "m": {"k": id}, "part": id % 2}),
    ))
    .await;
    let narrow = columns(&[
        ("id", "int32"),
        ("f", "float32"),
        ("d", "decimal(5,2)"),
        ("s", "struct<a: int8>"),
        ("l", "list<uint8>"),
        ("m", "map<string, int16>"),
        ("part", "int16"),
    ]);
    let wide = columns(&[
        ("id", "int64"),
        ("f", "float64"),
        ("d", "decimal(9,3)"),
        ("s", "struct<b: string, a: int64>"),
        ("l", "list<uint32>"),
        ("m", "map<string, int64>"),
        ("part", "int64"),
    ]);
    project.run(&json!({"schema": narrow, "partition_by": "part"})).await;
    project.has(numbered(5..=5, |_| json!({"f": 1.5, "s": {"a": 1000, "b": "x"}, "l": [70000], "part": 0}))).await;
    project.run(&json!({"schema": wide, "partition_by": "part"})).await;
    assert_eq!(
        project.rows(&["id", "f", "d", "s", "l", "m", "part"]),
        [
            "1 0.5 1.250 {b: , a: 1} [1] {k: 1} 1",
            "2 0.5 1.250 {b: , a: 2} [2] {k: 2} 0",
            "3 0.5 1.250 {b: , a: 3} [3] {k: 3} 1",
            "4 0.5 1.250 {b: , a: 4} [4] {k: 4} 0",
            "5 1.5 - {b: x, a: 1000} [70000] - 0",
        ]
    );
    assert!(project.schema()[0].starts_with("id: Int64"), "{:?}", project.schema());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_finds_its_keys_in_files_of_an_older_schema() {
    let mut project = Project::new(numbered(1..=9, |id| json!({"v": format!("old {id}")}))).await;
    let resource = |columns: Value| json!({"schema": columns, "primary_key": "id", "write_disposition": "merge"});
    let bloom = |project: &Project, resource: &Value| {
        let mut config = project.config(resource);
        config["destination"]["parquet"] = json!({"bloom_filter": ["id"], "sort_by": ["v"]});
        plan_with(&config.to_string(), &Overrides::default())
    };
    let narrow = resource(columns(&[("id", "int32"), ("v", "string")]));
    only(run_plan(bloom(&project, &narrow)).await);
    project.has(numbered(8..=10, |id| json!({"v": format!("new {id}"), "w": true}))).await;
    let wide = resource(columns(&[("id", "int64"), ("v", "string"), ("w", "bool")]));
    let summary = only(run_plan(bloom(&project, &wide)).await);
    assert_eq!((summary.rows_written, summary.table_rows, summary.rows_duplicate), (3, 10, 0));
    let rows = project.rows(&["id", "v", "w"]);
    assert_eq!(rows.len(), 10, "{rows:?}");
    assert!(rows.contains(&"8 new 8 true".to_owned()) && rows.contains(&"7 old 7 -".to_owned()), "{rows:?}");
    assert_eq!(project.schema().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_rows_survive_a_column_more() {
    let mut project = Project::new(numbered(1..=3, |_| json!({"v": 1}))).await;
    let scd2 = |columns: Value| {
        let disposition = json!({"disposition": "merge", "strategy": "scd2"});
        json!({"schema": columns, "write_disposition": disposition, "primary_key": "id"})
    };
    project.run(&scd2(columns(&[("id", "int64"), ("v", "int32")]))).await;
    project.has(numbered(1..=3, |id| if id == 1 { json!({"v": 1, "w": "x"}) } else { json!({"v": 1}) })).await;
    let summary = project.run(&scd2(columns(&[("id", "int64"), ("v", "int64"), ("w", "string")]))).await;
    assert_eq!((summary.rows_unchanged, summary.rows_written, summary.table_rows), (2, 1, 4));
    assert_eq!(project.rows(&["id", "v", "w"]), ["1 1 -", "1 1 x", "2 1 -", "3 1 -"]);
    assert_eq!(project.schema().len(), 5);
}

const EVOLVE: &str = "evolve";

/// Fifteen rows on five pages: one more field on the third page, another on the fourth, a list that is empty at first.
fn drifting(offset: u64) -> Vec<Value> {
    numbered(offset + 1..=offset + 15, |id| {
        let mut row = json!({"n": id, "nothing": null, "tags": []});
        if id - offset > 6 {
            row["score"] = if id % 2 == 0 { json!(1) } else { json!(0.5) };
        }
        if id - offset > 10 {
            row["tags"] = json!(["a"]);
            row["at"] = json!("2026-11-22T07:00:00Z");
        }
        row
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_appear_midway_become_columns_of_all_files_whatever_the_concurrency() {
    let mut tables = Vec::new();
    for concurrency in [1, 16] {
        let project = Project::new(drifting(0)).await;
        let mut config = project.config(&json!({
            "schema": columns(&[("id", "int64"), ("n", "int64")]),
            "schema_contract": EVOLVE,
            "primary_key": "id",
            "partition_by": {"column": "id", "transform": "bucket[2]"},
        }));
        config["client"]["max_concurrency"] = json!(concurrency);
        config["destination"]["parquet"] = json!({"target_file_size": "1KB", "row_group_rows": 2});
        let summary = only(run_plan(plan_with(&config.to_string(), &Overrides::default())).await);
        assert_eq!((summary.rows_written, summary.rows_rejected), (15, 0));
        let names: Vec<_> =
            project.schema().iter().map(|column| column.split(':').next().unwrap().to_owned()).collect();
        assert_eq!(names, ["id", "n", "score", "tags", "at"]);
        let rows = project.rows(&["id", "score", "tags"]);
        assert_eq!((rows[0].as_str(), rows.len()), ("1 - -", 15));
        assert!(rows.contains(&"7 0.5 []".to_owned()) || rows.contains(&"7 0.5 -".to_owned()), "{rows:?}");
        assert!(rows.contains(&"11 0.5 [a]".to_owned()), "{rows:?}");
        tables.push(data_files(&project.table()));
    }
    assert!(tables[0].len() > 4, "{:?}", tables[0].keys());
    assert_eq!(tables[0], tables[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_evolved_is_filled_kept_and_may_be_declared_later() {
    let mut project = Project::new(numbered(1..=2, |_| json!({"x": 1.5}))).await;
    let evolving = json!({"schema": columns(&[("id", "int64")]), "schema_contract": EVOLVE});
    project.run(&evolving).await;
    project.has(numbered(3..=4, |_| json!({"x": 2, "y": "new"}))).await;
    project.run(&evolving).await;
    assert_eq!(project.rows(&["id", "x", "y"]), ["1 1.5 -", "2 1.5 -", "3 2.0 new", "4 2.0 new"]);
    // Without evolve the columns stay, and are filled.
    project.has(numbered(5..=5, |_| json!({"x": 3, "z": 1}))).await;
    project.run(&json!({"schema": columns(&[("id", "int64")])})).await;
    assert_eq!(project.rows(&["id", "x", "y"])[4], "5 3.0 -");
    project.has(numbered(6..=6, |_| json!({"x": 4}))).await;
    let declared = columns(&[("id", "int64"), ("x", "float64"), ("y", "string")]);
    let summary = project.run(&json!({"schema": declared})).await;
    assert_eq!(summary.files.len(), 1, "nothing has to be rewritten");
    assert_eq!(project.schema().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_a_type_that_was_inferred_is_the_contracts() {
    let rows = || numbered(1..=6, |id| if id < 4 { json!({"x": id}) } else { json!({"x": "text"}) });
    let project = Project::new(rows()).await;
    let frozen = json!({"schema": columns(&[("id", "int64")]), "schema_contract": EVOLVE});
    let outcome = run_plan(project.plan(&frozen)).await;
    let error = outcome.summary.resources[0].error.clone().unwrap();
    assert!(error.message.contains("page 2, record 1, column `x`"), "{}", error.message);
    let discarding = json!({
        "schema": columns(&[("id", "int64")]),
        "schema_contract": {"columns": EVOLVE, "data_type": "discard_value"},
    });
    let summary = project.run(&discarding).await;
    assert_eq!((summary.rows_written, summary.values_discarded), (6, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_whose_name_is_taken_is_named_and_nothing_is_committed() {
    let project = Project::new(numbered(1..=1, |_| json!({"ID": 7}))).await;
    let (code, message) = {
        let resource = json!({"schema": columns(&[("id", "int64")]), "schema_contract": EVOLVE});
        let outcome = run_plan(project.plan(&resource)).await;
        let error = outcome.summary.resources[0].error.clone().unwrap();
        (error.code, error.message)
    };
    assert_eq!(code, "unfit_field");
    assert!(message.contains("page 1: the field `ID` cannot become a column: the column `id` is there"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_lose_something_are_refused_with_both_schemas() {
    let project = Project::new(numbered(1..=2, |_| json!({"n": 1, "gone": true}))).await;
    let before = json!({"schema": columns(&[("id", "int64"), ("n", "int64"), ("gone", "bool")])});
    project.run(&before).await;
    for (schema, reason) in [
        (columns(&[("id", "int64"), ("n", "int64")]), "the column `gone` is gone"),
        (columns(&[("id", "int64"), ("n", "int32"), ("gone", "bool")]), "`n` is int64 in the table"),
        (columns(&[("id", "string"), ("n", "int64"), ("gone", "bool")]), "`id` is int64 in the table, which string"),
    ] {
        let (code, message) = project.refused(&json!({"schema": schema})).await;
        assert_eq!(code, "schema_changed");
        assert!(message.contains(reason), "{message}");
        assert!(message.contains("column  table  config") && message.contains("\n  * "), "{message}");
    }
    let mut partitioned = before.clone();
    partitioned["partition_by"] = json!("n");
    let (_, message) = project.refused(&partitioned).await;
    assert!(message.contains("partition spec") && message.contains("config: n"), "{message}");
    assert!(project.server.requests().len() <= 1, "only the first run asked for pages");
    let summary = project.run(&json!({"schema": columns(&[("id", "string")]), "write_disposition": "replace"})).await;
    assert_eq!((summary.table_rows, project.schema().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_rewrite_limit_a_run_stops_and_names_the_command() {
    let mut project = Project::new(numbered(1..=2, |_| json!({}))).await;
    project.run(&json!({"schema": columns(&[("id", "int32")])})).await;
    project.has(numbered(3..=3, |_| json!({"x": 1}))).await;
    let declared = json!({"schema": columns(&[("id", "int64")]), "rewrite_limit": "1B"});
    let (code, message) = project.refused(&declared).await;
    assert_eq!(code, "rewrite_limit");
    assert!(message.contains("`rewrite_limit` allows 1B"), "{message}");
    assert!(project.server.requests().is_empty(), "what is known before the first request costs none");
    let evolving = json!({"schema": columns(&[("id", "int32")]), "rewrite_limit": "1B", "schema_contract": EVOLVE});
    let (code, message) = project.refused(&evolving).await;
    assert_eq!(code, "rewrite_limit");
    assert!(message.contains("`{name: x, type: int64}`"), "what to declare, so that compact can write it: {message}");
    let replacing =
        json!({"schema": columns(&[("id", "int64")]), "rewrite_limit": "1B", "write_disposition": "replace"});
    project.run(&replacing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_behind_a_checkpoint_knows_the_columns_that_had_come() {
    let mends = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mends);
    let checkpointed = Gate::default();
    let shut = checkpointed.clone();
    let pages = list_by_offset(
        numbered(1..=15, |id| if id < 13 { json!({"x": 1.5}) } else { json!({"x": 2, "y": "new"}) }),
        3,
        true,
    );
    let server = Server::start(move |request| match request.number_param("offset") {
        Some(12) if !is_mended.load(Ordering::SeqCst) => Reply::status(403).after(&shut),
        _ => pages(request),
    })
    .await;
    let project = Project { lake: TempDir::new().unwrap(), server };
    let resource = json!({
        "schema": columns(&[("id", "int64"), ("n", "int64")]),
        "schema_contract": EVOLVE,
        "primary_key": "id",
        "checkpoint_interval": "0ms",
    });
    // The first checkpoint is due behind the first page, which has a column already that nobody declared.
    let still = async || run(project.plan(&resource), TestEnvironment::new().environment(), Arc::new(Silent)).await;
    let one_checkpoint = async {
        while checkpoints(&project.table()) == 0 {
            tokio::task::yield_now().await;
        }
        checkpointed.open();
    };
    let (died, ()) = tokio::join!(still(), one_checkpoint);
    assert_eq!(died.kinds, [ErrorKind::User]);
    mends.store(true, Ordering::SeqCst);
    let summary = only(still().await);
    assert!(summary.warnings.iter().any(|warning| warning.contains("resumed after page")), "{summary:#?}");
    assert_eq!((summary.rows_written, summary.table_rows), (15, 15));
    assert_eq!(project.schema().len(), 4);
    let rows = project.rows(&["id", "x", "y"]);
    assert!(rows.contains(&"1 1.5 -".to_owned()) && rows.contains(&"15 2.0 new".to_owned()), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_rows_changes_the_schema_too() {
    let mut project = Project::new(numbered(1..=2, |_| json!({}))).await;
    project.run(&json!({"schema": columns(&[("id", "int32")])})).await;
    project.has(Vec::new()).await;
    let summary = project.run(&json!({"schema": columns(&[("id", "int64"), ("x", "bool")])})).await;
    assert_eq!((summary.rows_written, summary.table_rows), (0, 2));
    assert_eq!(project.schema().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_nobody_declared_keeps_the_fields_that_come_into_it_later() {
    let mut project = Project::new(numbered(1..=1, |_| json!({"o": {"p": 1}}))).await;
    let resource = json!({"schema": columns(&[("id", "int64")]), "schema_contract": EVOLVE});
    project.run(&resource).await;
    project.has(numbered(2..=2, |_| json!({"o": {"p": 1, "q": "not lost"}}))).await;
    project.run(&resource).await;
    assert!(project.rows(&["o"]).iter().any(|object| object.contains("not lost")), "{:?}", project.rows(&["o"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_evolved_is_known_when_no_row_is_left() {
    let mut project = Project::new(numbered(1..=1, |_| json!({"n": 7, "gone": false}))).await;
    let resource = json!({
        "schema": columns(&[("id", "int64"), ("gone", "bool")]), "schema_contract": EVOLVE, "primary_key": "id",
        "write_disposition": "merge", "columns": {"gone": {"hard_delete": true}},
    });
    project.run(&resource).await;
    project.has(numbered(1..=1, |_| json!({"gone": true}))).await;
    assert_eq!(project.run(&resource).await.table_rows, 0);
    project.has(Vec::new()).await;
    project.run(&resource).await;
    assert_eq!(project.schema().len(), 3, "{:?}", project.schema());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_does_not_become_a_uuid_in_silence() {
    let mut project = Project::new(vec![json!({"id": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"})]).await;
    project.run(&json!({"schema": columns(&[("id", "string")])})).await;
    project.has(Vec::new()).await;
    assert_eq!(project.refused(&json!({"schema": columns(&[("id", "uuid")])})).await.0, "schema_changed");
}
