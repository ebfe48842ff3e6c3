//! How values are written, as columns say it: choices that a type alone leaves open.

use serde_json::json;

use crate::support::{
    project::Project,
    server::{Reply, Server},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_column_says_how_its_values_are_written_in_a_schema_and_in_a_hint() {
    let record = json!({
        "id": 1, "at": "2024-01-01T00:00:00.500000Z", "cut": "2024-01-01T00:00:00.123456789Z",
        "token": "-_8", "ratio": "NaN", "limit": "-Infinity",
    });
    let project = Project::new(vec![record.clone()]).await;
    let columns = json!([
        {"name": "id", "type": "int64"},
        {"name": "at", "type": "timestamp", "format": "%Y-%m-%dT%H:%M:%S.%fZ"},
        {"name": "cut", "type": "timestamp", "precision": "truncate"},
        {"name": "token", "type": "binary", "format": "base64url"},
        {"name": "ratio", "type": "float64", "format": "non_finite"},
        {"name": "limit", "type": "float32", "format": "non_finite"},
    ]);
    let all = ["at", "cut", "token", "ratio", "limit"];
    let row = "2024-01-01T00:00:00.500Z 2024-01-01T00:00:00.123456Z fbff NaN -inf";
    let summary = project.run(&json!({"schema": {"columns": columns}})).await;
    assert!(summary.error.is_none(), "{:?}", summary.error);
    assert_eq!(project.rows(&all), [row]);
    let project = Project::new(vec![record]).await;
    let hints = json!({
        "at": {"format": "%Y-%m-%dT%H:%M:%S.%fZ"}, "cut": {"precision": "truncate"}, "token": {"format": "base64url"},
        "ratio": {"format": "non_finite"}, "limit": {"data_type": "float32", "format": "non_finite"},
    });
    let summary = project.run(&json!({"columns": hints})).await;
    assert!(summary.error.is_none(), "{:?}", summary.error);
    assert_eq!(project.rows(&all), [row]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_choice_such_values_do_not_fit() {
    for (value, data_type) in
        [("2024-01-01T00:00:00.1234567Z", "timestamp"), ("-_8", "binary"), ("NaN", "float64"), ("Infinity", "float32")]
    {
        let project = Project::new(vec![json!({"id": 1, "v": value})]).await;
        let columns = json!([{"name": "id", "type": "int64"}, {"name": "v", "type": data_type}]);
        let (code, message) = project.refused(&json!({"schema": {"columns": columns}})).await;
        assert!(code == "data_mismatch" && message.contains("`v`"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_be_a_field_within_an_object_of_a_table_without_a_schema() {
    let row = |id: &str, n: u64| json!({"_id": {"$oid": id}, "data": {"id": n}, "n": n});
    let mut project = Project::new(vec![row("a", 1), row("b", 2)]).await;
    for (key, column) in [("_id.$oid", "_id__$oid"), ("data.id", "data__id")] {
        let merged = json!({"table_name": "items", "primary_key": key, "write_disposition": "merge"});
        project.has(vec![row("a", 1), row("b", 2)]).await;
        let summary = project.refresh(&merged).await;
        assert!(summary.error.is_none(), "{:?}", summary.error);
        project.has(vec![row("b", 2), row("c", 3)]).await;
        let summary = project.run(&merged).await;
        assert_eq!((summary.rows_written, summary.table_rows), (2, 3), "{:?}", summary.error);
        assert!(
            project.schema().iter().any(|shown| shown.starts_with(&format!("{column}: "))),
            "{:?}",
            project.schema()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_columns_have_the_types_that_all_of_their_cells_have_and_texts_stay_texts() {
    let body = "id,zip,n,f,ok,day,at,mixed,none\n\
        1,01234,5,1,true,2026-11-22,2026-11-22T07:00:00Z,1,\n\
        2,99999,,2.5,FALSE,2026-11-23,2026-11-22T08:00:00Z,x,\n";
    let server = Server::start(move |_| Reply::status(200).body(body).header("content-type", "text/csv")).await;
    let mut project = Project::new(Vec::new()).await;
    project.server = server;
    let summary = project.run(&json!({"endpoint": {"path": "items", "paginator": "single_page"}})).await;
    assert!(summary.error.is_none(), "{:?}", summary.error);
    let types = [
        "id: Int64",
        "zip: Utf8",
        "n: Int64",
        "f: Float64",
        "ok: Boolean",
        "day: Date32",
        "at: Timestamp(µs, \"UTC\")",
        "mixed: Utf8",
        "none: Utf8",
    ];
    assert_eq!(project.schema(), types);
    let rows = project.rows(&["id", "zip", "n", "f", "ok", "mixed", "none"]);
    assert_eq!(rows, ["1 01234 5 1.0 true 1 -", "2 99999 - 2.5 false x -"]);
}
