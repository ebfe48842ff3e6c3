//! Columns that nobody declared and whose type changes with the values that come: no value is altered by it.

use serde_json::{Value, json};

use crate::support::project::Project;

fn merged() -> Value {
    json!({"primary_key": "id", "write_disposition": "merge"})
}

async fn after_two_runs(resource: &Value, first: Vec<Value>, second: Vec<Value>) -> Project {
    let mut project = Project::new(first).await;
    let summary = project.run(resource).await;
    assert!(summary.error.is_none(), "{:?}", summary.error);
    project.has(second).await;
    let summary = project.run(resource).await;
    assert!(summary.error.is_none(), "{:?}", summary.error);
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_held_no_value_takes_the_type_of_its_first_ones_in_all_files() {
    let nothing = |id: u64| json!({"id": id, "n": null, "s": null, "t": null, "l": null, "o": null, "b": null});
    let full = json!({"id": 9, "n": 7, "s": "x", "t": "2026-11-22T07:00:00Z", "l": [1], "o": {"a": 1}, "b": false});
    let project = after_two_runs(&merged(), (1..=4).map(nothing).collect(), vec![full]).await;
    let types = [
        "id: Int64",
        "n: Int64",
        "s: Utf8",
        "t: Timestamp(µs, \"UTC\")",
        "l: List(Int64, field: 'element')",
        "o: Struct(\"a\": Int64)",
        "b: Boolean",
    ];
    assert_eq!(project.schema(), types);
    assert_eq!(project.rows(&["id", "n", "s", "l", "o", "b"])[3..], ["4 - - - - -", "9 7 x [1] {a: 1} false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_values_type_a_column_within_a_run_too_and_an_empty_list_is_a_value() {
    let row = |id: u64| match id {
        1..=5 => json!({"id": id, "n": null, "l": null}),
        6 => json!({"id": id, "n": null, "l": []}),
        _ => json!({"id": id, "n": id, "l": ["a"]}),
    };
    let project = Project::new((1..=9).map(row).collect()).await;
    let summary = project.run(&json!({"infer_rows": 3})).await;
    assert_eq!((summary.rows_written, summary.error.is_none()), (9, true));
    assert_eq!(project.schema(), ["id: Int64", "n: Int64", "l: Utf8"]);
    assert_eq!(project.rows(&["id", "n", "l"])[5..], ["6 - []", "7 7 [\"a\"]", "8 8 [\"a\"]", "9 9 [\"a\"]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inferred_type_widens_to_hold_what_comes_where_every_value_stays_what_it_is() {
    let first =
        |id: u64| json!({"id": id, "n": -(1_i64 << 53), "l": [id], "o": {"a": id}, "big": id, "day": "2026-11-22"});
    let second = json!({
        "id": 9, "n": 2.5, "l": [0.5], "o": {"a": 1.5, "new": true}, "big": 18_446_744_073_709_551_615_u64,
        "day": "2026-11-23T07:00:00Z",
    });
    let project = after_two_runs(&merged(), (1..=4).map(first).collect(), vec![first(3), second]).await;
    let types = [
        "id: Int64",
        "n: Float64",
        "l: List(Float64, field: 'element')",
        "o: Struct(\"a\": Float64, \"new\": Boolean)",
        "big: Decimal128(38, 0)",
        "day: Timestamp(µs, \"UTC\")",
    ];
    assert_eq!(project.schema(), types);
    let rows = project.rows(&["id", "n", "l", "o", "big", "day"]);
    assert_eq!(rows[3], "4 -9007199254740992.0 [4.0] {a: 4.0, new: } 4 2026-11-22T00:00:00Z");
    assert_eq!(rows[4], "9 2.5 [0.5] {a: 1.5, new: true} 18446744073709551615 2026-11-23T07:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_widens_within_a_run_as_well_and_a_replace_needs_no_other_rows_to_agree() {
    let row = |id: u64| json!({"id": id, "n": if id == 8 { json!(0.5) } else { json!(id) }});
    let project = Project::new((1..=9).map(row).collect()).await;
    let summary = project.run(&json!({"infer_rows": 3})).await;
    assert_eq!((summary.rows_written, summary.error.is_none()), (9, true));
    assert_eq!(project.rows(&["id", "n"])[6..], ["7 7.0", "8 0.5", "9 9.0"]);
    let replaced = json!({"write_disposition": "replace"});
    let large = json!({"id": 1, "n": (1_i64 << 53) + 1});
    let project = after_two_runs(&replaced, vec![large], vec![json!({"id": 1, "n": 0.5})]).await;
    assert_eq!(
        (project.schema(), project.rows(&["n"])),
        (vec!["id: Int64".into(), "n: Float64".into()], vec!["0.5".into()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_that_no_float_equals_keep_their_type_and_the_error_names_the_way() {
    let large = (1_i64 << 53) + 1;
    let mut project = Project::new(vec![json!({"id": 1, "n": large})]).await;
    project.run(&merged()).await;
    project.has(vec![json!({"id": 2, "n": 2.5})]).await;
    let (code, message) = project.refused(&merged()).await;
    assert_eq!(code, "fixed_type");
    for part in ["`n` is int64", "float64", "2^53", "columns: {n: {data_type: string}}", "--full-refresh"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // What the contract rejects is no error.
    let mut lenient = merged();
    lenient["schema_contract"] = json!({"data_type": "discard_value"});
    let summary = project.run(&lenient).await;
    assert_eq!((summary.rows_written, summary.values_discarded, summary.error.is_none()), (1, 1, true));
    assert_eq!((project.rows(&["n"]), project.schema()[1].as_str()), (vec!["-".into(), large.to_string()], "n: Int64"));
    // The numbers of the run itself count too.
    let rows = [json!(large), json!(1), json!(1), json!(2.5)].into_iter().zip(1..);
    let project = Project::new(rows.map(|(n, id)| json!({"id": id, "n": n})).collect()).await;
    assert_eq!(project.refused(&json!({"infer_rows": 1})).await.0, "fixed_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_by_which_rows_are_told_apart_and_those_of_versions_keep_their_types() {
    let mut project = Project::new(vec![json!({"id": 1, "n": 1})]).await;
    project.run(&merged()).await;
    project.has(vec![json!({"id": 1.5, "n": 1})]).await;
    let (code, message) = project.refused(&merged()).await;
    assert!(code == "data_mismatch" && message.contains("data_type"), "{message}");
    let versions = json!({"primary_key": "id", "write_disposition": {"disposition": "merge", "strategy": "scd2"}});
    let mut project = Project::new(vec![json!({"id": 1, "n": 1, "s": null})]).await;
    project.run(&versions).await;
    project.has(vec![json!({"id": 1, "n": 1.5, "s": null})]).await;
    assert_eq!(project.refused(&versions).await.0, "data_mismatch");
    project.has(vec![json!({"id": 1, "n": 1, "s": "x"})]).await;
    let summary = project.run(&versions).await;
    assert_eq!((summary.rows_written, summary.table_rows, summary.error.is_none()), (1, 2, true));
}

#[cfg(feature = "delta")]
#[tokio::test(flavor = "multi_thread")]
async fn a_delta_table_keeps_its_types_and_the_run_says_what_to_do() {
    use crate::support::{
        pipeline::{only, plan_of, run_plan},
        project::schemas,
    };
    let mut project = Project::new(vec![json!({"id": 1, "n": null, "i": 1})]).await;
    let delta = |project: &Project| {
        let mut config = project.config(&merged());
        config["destination"]["table_format"] = json!("delta");
        plan_of(&config.to_string())
    };
    only(run_plan(delta(&project)).await);
    project.has(vec![json!({"id": 2, "n": 7, "i": 1, "late": {"a": 1}})]).await;
    let summary = only(run_plan(delta(&project)).await);
    let [warning] = summary.warnings.as_slice() else { panic!("{:?}", summary.warnings) };
    for part in ["`n`", "stays text", "data_type: int64", "table_name"] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    let newest = schemas(&project.table()).into_iter().max_by_key(Vec::len).unwrap();
    assert_eq!(newest, ["id: Int64", "n: Utf8", "i: Int64", "late: Utf8"]);
    project.has(vec![json!({"id": 3, "n": 7, "i": 1.5})]).await;
    let outcome = run_plan(delta(&project)).await;
    let error = outcome.summary.resources[0].error.clone().unwrap();
    assert!(error.code == "fixed_type" && error.message.contains("Delta"), "{error:?}");
    assert!(error.hint.unwrap().contains("table_name"));
}
