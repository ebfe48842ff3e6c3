//! Tables that nobody declared: columns from the first pages, kept by later runs, written down for those who want to declare
//! them.

use std::{
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use restlake::{
    ErrorKind,
    environment::{Environment, FaultPoint, Faults},
    plan::Overrides,
    report::Silent,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{
    pipeline::{only, plan_of, plan_with, run_plan},
    project::{Project, rows, schema},
    server::{Reply, Server},
    tables::{data_files, walk},
};

/// Rows of every kind; what is missing in some, and null in all.
fn mixed() -> Vec<Value> {
    let row = |id: u64| {
        let mut row = json!({
            "id": id, "title": format!("t{id}"), "open": id.is_multiple_of(2), "score": if id == 1 { json!(1) } else { json!(1.5) },
            "day": "2026-11-22", "at": format!("2026-11-22T07:00:0{id}Z"), "tags": [], "nothing": null,
            "owner": {"id": id, "email": null}, "mixed": if id == 2 { json!("two") } else { json!(id) },
        });
        if id > 4 {
            row["owner"]["email"] = json!("a@example.com");
            row["tags"] = json!(["a"]);
            row["late"] = json!(18_446_744_073_709_551_615_u64);
        }
        row
    };
    (1..=6).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_schema_gets_one_that_holds_all_values_of_its_first_pages() {
    let project = Project::new(mixed()).await;
    let summary = project.run(&json!({})).await;
    assert_eq!((summary.rows_fetched, summary.rows_written, summary.pages, summary.requests), (6, 6, 2, 2));
    let told = summary.notes.iter().find(|note| note.contains("inferred from the first 6 records"));
    assert!(told.is_some_and(|note| note.contains("--write-schema")), "{:?}", summary.notes);
    assert_eq!(summary.warnings, [] as [&str; 0]);
    assert_eq!(
        project.schema(),
        [
            "id: Int64",
            "title: Utf8",
            "open: Boolean",
            "score: Float64",
            "day: Date32",
            "at: Timestamp(µs, \"UTC\")",
            "tags: List(Utf8, field: 'element')",
            "nothing: Utf8",
            "owner: Struct(\"id\": Int64, \"email\": Utf8)",
            "mixed: Utf8",
            "late: Decimal128(38, 0)",
        ]
    );
    let columns = ["id", "score", "mixed", "owner", "tags", "late"];
    let found = project.rows(&columns);
    assert_eq!(found[0], "1 1.0 1 {id: 1, email: } [] -");
    assert_eq!(found[1], "2 1.5 \"two\" {id: 2, email: } [] -");
    assert_eq!(found[5], "6 1.5 6 {id: 6, email: a@example.com} [a] 18446744073709551615");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_records_are_looked_at_and_what_comes_later_evolves() {
    let project = Project::new(mixed()).await;
    let summary = project.run(&json!({"infer_rows": 2})).await;
    assert_eq!((summary.rows_written, summary.requests), (6, 2));
    assert!(summary.notes.iter().any(|note| note.contains("the first 3 records")), "{:?}", summary.notes);
    let schema = project.schema();
    assert!(schema.contains(&"tags: Utf8".to_owned()), "json, as no list had anything in it: {schema:?}");
    assert_eq!(schema.last().unwrap(), "late: Decimal128(38, 0)");
    // A later run keeps to what is recorded, and says nothing of it.
    let summary = project.run(&json!({"infer_rows": 2})).await;
    assert_eq!((summary.rows_written, summary.table_rows, summary.warnings.len()), (6, 12, 0));
    assert_eq!(project.schema(), schema);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_do_not_depend_on_the_concurrency() {
    let mut tables = Vec::new();
    for concurrency in [1, 16] {
        let project = Project::new((0..5).flat_map(|_| mixed()).collect()).await;
        let mut config = project.config(&json!({"infer_rows": 7, "partition_by": "open"}));
        config["client"]["max_concurrency"] = json!(concurrency);
        only(run_plan(plan_with(&config.to_string(), &Overrides::default())).await);
        tables.push(data_files(&project.table()));
    }
    assert_eq!(tables[0], tables[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_partitions_hints_and_merges_work_on_columns_that_were_inferred() {
    let row = |id: u64, status: &str| json!({"id": id, "status": status, "createdAt": "2026-11-22T07:00:00Z", "n": id});
    let mut project = Project::new((1..=4).map(|id| row(id, "open")).collect()).await;
    let resource = json!({
        "primary_key": "id", "write_disposition": "merge", "naming": "snake_case",
        "partition_by": ["status", {"column": "createdAt", "transform": "month"}],
        "columns": {"n": {"data_type": "decimal", "precision": 10, "scale": 2}, "ghost": {"data_type": "text"}},
        "metadata_columns": ["page"],
    });
    let summary = project.run(&resource).await;
    assert!(summary.files[0].path.contains("status=open/created_at_month=2026-11/"), "{:?}", summary.files);
    assert!(summary.duckdb.contains("'status': VARCHAR"), "{}", summary.duckdb);
    project.has((3..=6).map(|id| row(id, "done")).collect()).await;
    let summary = project.run(&resource).await;
    assert_eq!((summary.rows_written, summary.table_rows, summary.table_version), (4, 6, 2));
    assert_eq!(
        project.schema(),
        ["id: Int64", "created_at: Timestamp(µs, \"UTC\")", "n: Decimal128(10, 2)", "ghost: Utf8", "page: Int64"]
    );
    assert_eq!(project.rows(&["id", "n", "ghost"])[5], "6 6.00 -");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_rows_are_kept_of_columns_that_were_inferred() {
    let mut project = Project::new(vec![json!({"id": 1, "v": "a"}), json!({"id": 2, "v": "a"})]).await;
    let disposition = json!({"disposition": "merge", "strategy": "scd2", "active_record_timestamp": "9999-12-31"});
    let resource = json!({"write_disposition": disposition, "primary_key": "id"});
    project.run(&resource).await;
    project.has(vec![json!({"id": 1, "v": "b"}), json!({"id": 2, "v": "a"})]).await;
    let summary = project.run(&resource).await;
    assert_eq!((summary.rows_unchanged, summary.rows_written, summary.table_rows), (1, 1, 3));
    assert_eq!(project.rows(&["id", "v"]), ["1 a", "1 b", "2 a"]);
    let holds = project.rows(&["_dlt_valid_to"]).iter().filter(|until| until.starts_with("9999-12-31")).count();
    assert_eq!(holds, 2);
    project.has(vec![json!({"id": 1, "v": "b", "w": 1})]).await;
    let (code, message) = project.refused(&resource).await;
    assert_eq!(code, "undeclared_field", "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_without_a_type_tells_the_type() {
    let project = Project::new(vec![json!({"id": 1, "day": "03/02/2026", "at": 1_700_000_000_000_u64})]).await;
    let columns = json!({"day": {"format": "%d/%m/%Y"}, "at": {"format": "epoch_ms"}});
    project.run(&json!({ "columns": columns })).await;
    assert_eq!(project.rows(&["id", "day", "at"]), ["1 2026-02-03 2023-11-14T22:13:20Z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_later_falls_under_the_contract() {
    let mut project = Project::new(vec![json!({"id": 1})]).await;
    project.run(&json!({})).await;
    project.has(vec![json!({"id": 2}), json!({"id": "three"})]).await;
    let (code, message) = project.refused(&json!({})).await;
    assert_eq!(code, "data_mismatch", "{message}");
    let summary = project.run(&json!({"schema_contract": {"data_type": "discard_row"}})).await;
    assert_eq!((summary.rows_written, summary.rows_rejected, summary.table_rows), (1, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_refresh_infers_anew_and_a_replace_does_not() {
    let mut project = Project::new(vec![json!({"id": 1, "v": 1})]).await;
    let replace = json!({"write_disposition": "replace"});
    project.run(&replace).await;
    project.has(vec![json!({"id": 1, "v": 1, "w": true})]).await;
    project.run(&replace).await;
    assert_eq!(project.schema(), ["id: Int64", "v: Int64", "w: Boolean"]);
    project.has(vec![json!({"w": "x", "id": "one"})]).await;
    assert_eq!(project.refused(&replace).await.0, "data_mismatch");
    project.refresh(&replace).await;
    assert_eq!(project.schema(), ["w: Utf8", "id: Utf8"]);
    // Without a record there is nothing else to go by.
    project.has(Vec::new()).await;
    let summary = project.refresh(&replace).await;
    assert_eq!((summary.table_rows, summary.table_version), (0, 4));
    assert_eq!(project.schema(), ["w: Utf8", "id: Utf8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_no_table_is_made_and_the_run_says_so() {
    let mut project = Project::new(Vec::new()).await;
    let summary = project.run(&json!({"primary_key": "id", "write_disposition": "merge"})).await;
    assert_eq!((summary.table_version, summary.rows_fetched, summary.pages, summary.files.len()), (0, 0, 1, 0));
    assert!(summary.warnings[0].contains("no table was made"), "{:?}", summary.warnings);
    assert!(walk(&project.table()).keys().all(|path| !path.contains("staging") && !path.ends_with(".parquet")));
    project.has(vec![json!({"id": 1})]).await;
    let summary = project.run(&json!({"primary_key": "id", "write_disposition": "merge"})).await;
    assert_eq!((summary.table_version, summary.table_rows), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_config_says_of_columns_is_checked_against_those_that_came() {
    let project = Project::new(vec![json!({"id": 1, "owner": {"id": 2}, "name": "x"})]).await;
    for (resource, says) in [
        (json!({"primary_key": "idd"}), "resources[0].primary_key: there is no column `idd` (did you mean `id`?)"),
        (json!({"partition_by": "owner"}), "resources[0].partition_by: a column of the type struct<id: int64>"),
        (json!({"columns": {"gone": {"partition": true}}}), "no record has had a field `gone` yet"),
    ] {
        let (code, message) = project.refused(&resource).await;
        assert_eq!(code, "config");
        assert!(message.contains(says) && message.contains("<stdin>:1:"), "{message}");
        assert!(data_files(&project.table()).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fields_of_one_name_and_records_without_fields_are_told() {
    let mut project = Project::new(vec![json!({"userId": 1, "user_id": 2})]).await;
    let (code, message) = project.refused(&json!({"naming": "snake_case"})).await;
    assert_eq!(code, "column_clash");
    assert!(message.contains("`userId` and `user_id`"), "{message}");
    assert_eq!(project.run(&json!({})).await.rows_written, 1);
    project = Project::new(vec![json!({}), json!(7)]).await;
    assert_eq!(project.refused(&json!({})).await.0, "no_fields");
}

#[cfg(feature = "delta")]
#[tokio::test(flavor = "multi_thread")]
async fn a_delta_table_gets_columns_that_it_can_have() {
    let rows = |from: u64| (from..from + 3).map(|id| json!({"id": id, "a b": 1, "o": {"c d": id}})).collect::<Vec<_>>();
    let mut project = Project::new(rows(1)).await;
    let plan = |project: &Project| {
        let mut config = project.config(&json!({"primary_key": "id", "write_disposition": "merge"}));
        config["destination"]["table_format"] = json!("delta");
        plan_with(&config.to_string(), &Overrides::default())
    };
    only(run_plan(plan(&project)).await);
    project.has(rows(3)).await;
    let summary = only(run_plan(plan(&project)).await);
    assert_eq!((summary.rows_written, summary.table_rows), (3, 5));
}

fn restlake(project: &Project, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(project.lake.path()).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The config as a file in the lake's directory, with the lake in `lake`.
fn write_config(project: &Project, name: &str, resource: &Value) {
    let mut config = project.config(resource);
    config["destination"]["url"] = json!("lake");
    std::fs::write(project.lake.path().join(name), config.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_was_written_down_and_declared_gives_the_same_table() {
    let project = Project::new(mixed()).await;
    let resource = json!({"naming": "snake_case", "primary_key": "id", "metadata_columns": ["page"]});
    write_config(&project, "inferred.json", &resource);
    let output = restlake(&project, &["run", "inferred.json", "--write-schema", "items.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the schema of items is in items.yaml"), "{}", text(&output.stderr));
    let lake = project.lake.path().join("lake/items");
    let (before, found) = (schema(&lake), rows(&lake, &["id", "owner", "late"]));
    let mut declared = resource.clone();
    declared["schema"] = json!("items.yaml");
    declared["write_disposition"] = json!("replace");
    write_config(&project, "declared.json", &declared);
    let output = restlake(&project, &["run", "declared.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // The pipeline's name is the config's own: the same table.
    assert_eq!((schema(&lake), rows(&lake, &["id", "owner", "late"])), (before, found));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_written_over_nothing_and_into_a_format_that_a_config_can_name() {
    let project = Project::new(mixed()).await;
    write_config(&project, "c.json", &json!({}));
    for (file, says) in [
        ("c.json", "is there already"),
        ("schema.txt", "does not tell its format"),
        ("no/schema.yaml", "there is no directory"),
    ] {
        let output = restlake(&project, &["run", "c.json", "--write-schema", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
    let mut config = project.config(&json!({}));
    let more = json!({"name": "more", "endpoint": {"path": "items", "data_selector": "data"}});
    config["resources"].as_array_mut().unwrap().push(more);
    std::fs::write(project.lake.path().join("two.json"), config.to_string()).unwrap();
    let output = restlake(&project, &["run", "two.json", "--write-schema", "s.json"]);
    assert!(text(&output.stderr).contains("{resource}"), "{}", text(&output.stderr));
    let output = restlake(&project, &["infer", "two.json", "--write-schema", "{resource}.json", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(project.lake.path().join("more.json").is_file() && project.lake.path().join("items.json").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn infer_prints_the_schema_and_touches_no_table() {
    let project = Project::new(mixed()).await;
    write_config(&project, "c.json", &json!({"infer_rows": 3, "columns": {"id": {"nullable": false}}}));
    let output = restlake(&project, &["infer", "c.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.starts_with("columns:\n  - {name: id, type: int64, nullable: false}\n"), "{printed}");
    assert!(printed.ends_with("schema_contract: {columns: evolve, data_type: freeze}\n"), "{printed}");
    assert!(!project.lake.path().join("lake").exists());
    let document: Value =
        serde_json::from_slice(&restlake(&project, &["infer", "c.json", "--output", "json"]).stdout).unwrap();
    assert_eq!((&document["resources"][0]["records"], &document["resources"][0]["error"]), (&json!(3), &Value::Null));
    assert_eq!(document["resources"][0]["schema"]["columns"][1], json!({"name": "title", "type": "string"}));
    assert_eq!(project.server.requests().len(), 2, "a page each time");
    write_config(&project, "declared.json", &json!({"schema": {"columns": [{"name": "id", "type": "int64"}]}}));
    assert_eq!(restlake(&project, &["infer", "declared.json"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_before_a_run_copes_with_columns_that_are_not_known_yet() {
    let project = Project::new(mixed()).await;
    write_config(&project, "c.json", &json!({"primary_key": "id", "partition_by": "open"}));
    let check = restlake(&project, &["check", "c.json"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stdout));
    assert!(text(&check.stdout).contains("items: columns inferred"), "{}", text(&check.stdout));
    let dry = restlake(&project, &["run", "c.json", "--dry-run"]);
    assert!(text(&dry.stdout).contains("inferred from the first pages, until 1,000 records"), "{}", text(&dry.stdout));
    assert!(text(&dry.stdout).contains("partition_by           \"open\""), "{}", text(&dry.stdout));
    restlake(&project, &["run", "c.json"]);
    for command in ["verify", "compact", "status"] {
        let output = restlake(&project, &[command, "c.json"]);
        assert_eq!(output.status.code(), Some(0), "{command}: {}{}", text(&output.stdout), text(&output.stderr));
    }
    assert!(project.server.requests().len() == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_come_later_within_objects_widen_them_and_none_is_lost() {
    let rows = || {
        let row = |id: u64| {
            let mut row = json!({"id": id, "o": {"a": id}, "l": [{"b": 1}]});
            if id > 7 {
                row["o"]["late"] = json!({"deep": id});
                row["l"][0]["c"] = json!("x");
            }
            row
        };
        (1..=12).map(row).collect::<Vec<_>>()
    };
    let mut tables = Vec::new();
    for concurrency in [1, 16] {
        let project = Project::new(rows()).await;
        let mut config = project.config(&json!({"infer_rows": 3, "primary_key": "id"}));
        config["client"]["max_concurrency"] = json!(concurrency);
        config["destination"]["parquet"] = json!({"target_file_size": "1KB", "row_group_rows": 2});
        let summary = only(run_plan(plan_with(&config.to_string(), &Overrides::default())).await);
        assert_eq!((summary.rows_written, summary.requests), (12, 4));
        let found = project.rows(&["id", "o", "l"]);
        assert_eq!(found[0], "1 {a: 1, late: } [{b: 1, c: }]");
        assert!(found.contains(&"9 {a: 9, late: {deep: 9}} [{b: 1, c: x}]".to_owned()), "{found:?}");
        project.schema();
        tables.push(data_files(&project.table()));
    }
    assert!(tables[0].len() > 1, "{:?}", tables[0].keys());
    assert_eq!(tables[0], tables[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_a_later_run_finds_within_objects_fall_under_the_contract() {
    let mut project = Project::new(vec![json!({"id": 1, "o": {"a": 1}})]).await;
    project.run(&json!({})).await;
    project.has(vec![json!({"id": 2, "o": {"a": 2, "b": {"c": 3}}})]).await;
    let (code, message) = project.refused(&json!({"schema_contract": "freeze"})).await;
    assert_eq!(code, "undeclared_field");
    assert!(message.contains("`o.b`"), "{message}");
    let summary = project.run(&json!({"schema_contract": {"columns": "discard_row"}})).await;
    assert_eq!((summary.rows_rejected, summary.rows_written), (1, 0));
    let summary = project.run(&json!({})).await;
    assert_eq!((summary.table_rows, summary.rows_written), (2, 1));
    assert_eq!(project.rows(&["id", "o"]), ["1 {a: 1, b: }", "2 {a: 2, b: {c: 3}}"]);
    let pinned = json!({"columns": {"o": {"data_type": "struct<a: int64, b: struct<c: int64>>"}}});
    project.has(vec![json!({"id": 3, "o": {"a": 4, "z": 5}})]).await;
    project.run(&pinned).await;
    assert_eq!(project.rows(&["id", "o"])[2], "3 {a: 4, b: }", "a type that is given is kept to");
    project = Project::new(vec![json!({"id": 1, "o": {"b": 1}})]).await;
    project.run(&json!({})).await;
    project.has(vec![json!({"id": 3, "o": {"a": 2, "B": 3}})]).await;
    let (code, message) = project.refused(&json!({})).await;
    assert_eq!(code, "fixed_type");
    assert!(message.contains("data_type: json"), "{message}");
}

#[cfg(feature = "delta")]
#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_a_delta_table_does_not_widen_once_the_table_is_there() {
    let mut project = Project::new(vec![json!({"id": 1, "o": {"a": 1}})]).await;
    let plan = |project: &Project| {
        let mut config = project.config(&json!({}));
        config["destination"]["table_format"] = json!("delta");
        plan_with(&config.to_string(), &Overrides::default())
    };
    only(run_plan(plan(&project)).await);
    project.has(vec![json!({"id": 2, "o": {"a": 2, "b": 3}})]).await;
    let outcome = run_plan(plan(&project)).await;
    let error = outcome.summary.resources[0].error.clone().unwrap();
    assert!(error.message.contains("a Delta table keeps the types of its columns"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_evolve_beside_declared_ones_are_named_by_the_convention_too() {
    let project = Project::new(vec![json!({"id": 1, "createdBy": "x"})]).await;
    let schema = json!({"columns": [{"name": "id", "type": "int64"}]});
    let mut config = project.config(&json!({"schema": schema, "schema_contract": "evolve"}));
    config["naming"] = json!("snake_case");
    only(run_plan(plan_with(&config.to_string(), &Overrides::default())).await);
    assert_eq!(project.schema(), ["id: Int64", "created_by: Utf8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_by_the_name_of_the_convention_waits_for_its_field() {
    let row = |id: u64| if id > 4 { json!({"id": id, "newField": format!("{id}")}) } else { json!({"id": id}) };
    let hints = json!({"infer_rows": 3, "naming": "snake_case", "columns": {"new_field": {"data_type": "bigint"}}});
    let mut project = Project::new((1..=6).map(row).collect()).await;
    project.run(&hints).await;
    assert_eq!(project.schema(), ["id: Int64", "new_field: Int64"]);
    assert_eq!(project.rows(&["id", "new_field"])[3..], ["4 -", "5 5", "6 6"]);
    project.has(vec![row(7)]).await;
    project.run(&hints).await;
    assert_eq!(project.rows(&["id", "new_field"])[6], "7 7");
    // Two fields are not one column.
    let both = json!({"id": 1, "new_field": 1, "newField": 2});
    let project = Project::new((1..=3).map(row).chain([both]).collect()).await;
    assert_eq!(project.refused(&hints).await.0, "unfit_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn freeze_keeps_the_columns_that_a_table_has_and_a_new_one_has_none() {
    let row = |id: u64| if id > 4 { json!({"id": id, "late": true}) } else { json!({"id": id}) };
    let freeze = json!({"infer_rows": 3, "schema_contract": {"columns": "freeze"}});
    let mut project = Project::new((1..=6).map(row).collect()).await;
    project.run(&freeze).await;
    assert_eq!(project.schema(), ["id: Int64", "late: Boolean"]);
    project.has(vec![json!({"id": 7, "later": 1})]).await;
    assert_eq!(project.refused(&freeze).await.0, "undeclared_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_columns_that_were_inferred_is_told_with_them() {
    let project = Project::new(mixed()).await;
    let outcome = run_plan(project.plan(&json!({"primary_key": "key"}))).await;
    let hint = outcome.summary.resources[0].error.clone().unwrap().hint.unwrap();
    assert!(hint.contains("`id`, `title`") && !hint.contains("restlake infer"), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_records_were_all_filtered_says_so_and_tells_of_no_table() {
    let project = Project::new(mixed()).await;
    write_config(&project, "c.json", &json!({"processing_steps": [{"filter": "false"}]}));
    let output = restlake(&project, &["run", "c.json", "--write-schema", "items.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (told, beside) = (text(&output.stdout), text(&output.stderr));
    assert!(told.contains("came, and all were filtered: no table was made"), "{told}");
    assert!(told.contains("rows filtered") && !told.contains("duckdb"), "{told}");
    assert!(beside.contains("items.yaml was not written"), "{beside}");
    let output = restlake(&project, &["infer", "c.json"]);
    assert!(text(&output.stderr).contains("all were filtered"), "{}", text(&output.stderr));
}

/// Datasette's answer with 10 of 25 rows, the last of which come twice. `is_named`: later pages name the columns too.
async fn datasette(is_named: bool) -> Server {
    Server::start(move |request| {
        let first = request.number_param("_next").unwrap_or(0);
        let rows: Vec<_> = (first..(first + 11).min(25)).map(|id| json!([id, format!("v{id}"), {"a": 0.5}])).collect();
        let next =
            (first < 20).then(|| format!("http://{}/items?_next={}", request.header("host").unwrap(), first + 10));
        let mut answer = json!({"rows": rows, "suggested_facets": [{"name": "v"}], "next_url": next});
        if is_named || first == 0 {
            answer["columns"] = json!(["id", "v", "o"]);
        }
        Reply::json(answer.to_string())
    })
    .await
}

fn items(server: &Server, lake: &Path, rest: &Value) -> String {
    let mut resource = json!({"name": "items", "primary_key": "id", "endpoint": {"path": "items"}});
    resource.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    json!({"client": {"base_url": server.url()}, "resources": [resource], "destination": {"url": lake}}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_arrays_are_read_by_the_names_of_their_columns_over_all_pages() {
    let server = datasette(true).await;
    for rest in
        [json!({}), json!({"endpoint": {"path": "items", "data_selector": "rows"}, "write_disposition": "merge"})]
    {
        let lake = TempDir::new().unwrap();
        let summary = only(run_plan(plan_of(&items(&server, lake.path(), &rest))).await);
        assert_eq!((summary.rows_fetched, summary.rows_duplicate, summary.table_rows), (27, 2, 25), "{summary:?}");
        assert_eq!(schema(&lake.path().join("items")), ["id: Int64", "v: Utf8", "o: Struct(\"a\": Float64)"]);
        assert!(rows(&lake.path().join("items"), &["id", "v", "o"]).contains(&"24 v24 {a: 0.5}".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_page_of_arrays_without_the_names_of_their_columns_is_an_error() {
    let (server, lake) = (datasette(false).await, TempDir::new().unwrap());
    let outcome = run_plan(plan_of(&items(&server, lake.path(), &json!({})))).await;
    let error = outcome.summary.resources[0].error.clone().unwrap().message;
    assert!(error.contains("page 2") && error.contains("the answer has no names for their columns"), "{error}");
}

/// Asks the run to stop as soon as a page has come: what follows is the look at its records.
#[derive(Debug)]
struct StopsAtPage(CancellationToken);

impl Faults for StopsAtPage {
    fn reach(&self, point: FaultPoint) -> std::io::Result<()> {
        if point == FaultPoint::PageFetched {
            self.0.cancel();
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_heard_while_records_are_looked_at_for_their_columns() {
    let project = Project::new(mixed()).await;
    let stopping = || {
        let environment = Environment::real();
        Environment { faults: Arc::new(StopsAtPage(environment.shutdown.clone())), ..environment }
    };
    let inferred = restlake::run::infer(project.plan(&json!({})), stopping(), Arc::new(Silent)).await.unwrap();
    assert_eq!(inferred[0].result.as_ref().unwrap_err().kind(), ErrorKind::Interrupted);
    let outcome = restlake::run::run(project.plan(&json!({})), stopping(), Arc::new(Silent)).await;
    assert_eq!((outcome.kinds.as_slice(), data_files(&project.table()).len()), (&[ErrorKind::Interrupted][..], 0));
}
