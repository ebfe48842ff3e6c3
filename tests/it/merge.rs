//! Merging into a table that has rows, over loopback: what the table holds afterwards, what was counted, what was touched.

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::AsArray;
use bytes::Bytes;
use restlake::{
    error::ErrorKind,
    plan::{MergeStrategy, Plan, Scd2Plan, WriteDisposition},
    report::ResourceSummary,
    run::run,
    schema::{Column, LoadColumn, Source},
    secret::Secret,
    store::Destination,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    environment::{Recorder, TestEnvironment},
    pipeline::{only, plan_of, run_plan},
    s3::{self, S3},
    server::{Received, Reply, Server, list_by_offset},
    tables::{all_rows, data_files, read_table, sorted_texts, walk},
};

/// A lake and what goes into it.
struct Lake {
    directory: TempDir,
    resource: Value,
    /// What the config cannot say.
    adjust: fn(&mut Plan),
}

impl Lake {
    /// A table of `id`, `name` and `part`, merged by `id`; `resource` overrides.
    fn new(resource: Value) -> Self {
        let columns = [("id", "int64"), ("name", "string"), ("part", "string")];
        let columns: Vec<_> = columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
        let mut all = json!({
            "name": "items", "endpoint": {"path": "items", "data_selector": "data"}, "schema": {"columns": columns},
            "primary_key": "id", "write_disposition": "merge",
        });
        for (key, value) in resource.as_object().unwrap() {
            all[key] = value.clone();
        }
        Self { directory: TempDir::new().unwrap(), resource: all, adjust: |_| {} }
    }

    fn adjusted(mut self, adjust: fn(&mut Plan)) -> Self {
        self.adjust = adjust;
        self
    }

    fn table(&self) -> std::path::PathBuf {
        self.directory.path().join("items")
    }

    fn plan(&self, server: &Server) -> Plan {
        let config = json!({
            "name": "p", "client": {"base_url": server.url(), "paginator": {"type": "offset", "limit": 3}},
            "resources": [self.resource], "destination": {"url": self.directory.path()},
        });
        let mut plan = plan_of(&config.to_string());
        (self.adjust)(&mut plan);
        plan
    }

    /// Exports these records.
    async fn run(&self, records: Vec<Value>) -> ResourceSummary {
        self.run_from(Server::start(list_by_offset(records, 3, true)).await).await
    }

    /// Exports what the server has.
    async fn run_from(&self, server: Server) -> ResourceSummary {
        let summary = only(run_plan(self.plan(&server)).await);
        let sum = summary.rows_written + summary.rows_duplicate + summary.rows_rejected;
        assert_eq!(summary.rows_fetched, sum + summary.rows_filtered + summary.rows_unchanged);
        assert_eq!(summary.table_rows, self.rows(&["id"]).len() as u64, "the commit and the files agree");
        summary
    }

    /// The table's rows as text, sorted.
    fn rows(&self, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        sorted_texts(&all_rows(&read_table(&self.table())), columns)
    }

    /// The rows in one text each, nulls as `-`.
    fn lines(&self, columns: &[&str]) -> Vec<String> {
        let line = |row: Vec<Option<String>>| {
            row.into_iter().map(|value| value.unwrap_or_else(|| "-".into())).collect::<Vec<_>>().join(" ")
        };
        self.rows(columns).into_iter().map(line).collect()
    }

    fn files(&self) -> BTreeMap<String, Bytes> {
        data_files(&self.table())
    }
}

fn item(id: i64, name: &str, part: &str) -> Value {
    json!({"id": id, "name": name, "part": part})
}

const ALL: [&str; 3] = ["id", "name", "part"];

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_replaces_rows_of_known_keys_and_adds_the_others() {
    let lake = Lake::new(json!({}));
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x"), item(3, "c", "y")]).await;
    let summary = lake.run(vec![item(2, "B", "x"), item(4, "d", "y")]).await;
    assert_eq!(lake.lines(&ALL), ["1 a x", "2 B x", "3 c y", "4 d y"]);
    assert_eq!((summary.rows_written, summary.rows_unchanged, summary.rows_deleted), (2, 0, 0));
    assert_eq!((summary.files_considered, summary.files_read, summary.files_rewritten), (1, 1, 1));
    assert_eq!((summary.table_version, summary.table_rows), (2, 4));
    let hidden = walk(&lake.table()).into_keys().filter(|path| path.contains("staging")).collect::<Vec<_>>();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_changed_row_keep_their_names_and_bytes() {
    let lake = Lake::new(json!({"partition_by": ["part"]}));
    lake.run((0..30).map(|id| item(id, "a", ["x", "y", "z"][id as usize / 10])).collect()).await;
    let before = lake.files();
    let summary = lake.run(vec![item(12, "A", "y"), item(13, "A", "y")]).await;
    assert_eq!((summary.files_considered, summary.files_read, summary.files_rewritten), (3, 1, 1));
    let after = lake.files();
    for (path, content) in before {
        assert_eq!(after.get(&path) == Some(&content), !path.starts_with("part=y"), "{path}");
    }
    assert_eq!(after.len(), 4, "one file more: that of the run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_to_another_partition_leaves_no_copy_behind() {
    let lake = Lake::new(json!({"partition_by": ["part"]}));
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x"), item(3, "c", "y")]).await;
    lake.run(vec![item(1, "a", "y"), item(3, "c", "z")]).await;
    assert_eq!(lake.lines(&ALL), ["1 a y", "2 b x", "3 c z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_run_again_changes_no_row_under_any_strategy() {
    let strategies: [fn(&mut Plan); 4] = [
        |_| {},
        |plan| plan.resources[0].merge.strategy = MergeStrategy::DeleteInsert,
        |plan| plan.resources[0].merge.strategy = MergeStrategy::InsertOnly,
        with_versions,
    ];
    let records = || (0..10).map(|id| item(id, "a", ["x", "y"][id as usize % 2])).collect::<Vec<_>>();
    for adjust in strategies {
        let lake = Lake::new(json!({"partition_by": ["part"]})).adjusted(adjust);
        lake.run(records()).await;
        let (rows, files) = (lake.lines(&ALL), lake.files());
        let again = lake.run(records()).await;
        assert_eq!((lake.lines(&ALL), again.table_version), (rows, 2));
        if again.rows_unchanged > 0 {
            assert_eq!((again.rows_written, again.rows_unchanged, again.files_rewritten), (0, 10, 0));
            assert_eq!(lake.files(), files, "nothing was touched");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_run_makes_a_version_and_touches_nothing() {
    let lake = Lake::new(json!({}));
    lake.run(vec![item(1, "a", "x")]).await;
    let files = lake.files();
    let summary = lake.run(Vec::new()).await;
    assert_eq!((summary.table_version, summary.table_rows, summary.files.len()), (2, 1, 0));
    assert_eq!((summary.files_considered, summary.files_read), (1, 0));
    assert_eq!(lake.files(), files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_on_several_pages_is_merged_once() {
    let lake = Lake::new(json!({"partition_by": ["part"]}));
    lake.run(vec![item(1, "a", "x"), item(2, "b", "y")]).await;
    let records =
        vec![item(1, "old", "x"), item(5, "e", "x"), item(6, "f", "x"), item(1, "new", "y"), item(7, "g", "y")];
    let summary = lake.run(records).await;
    assert_eq!(lake.lines(&ALL), ["1 new y", "2 b y", "5 e x", "6 f x", "7 g y"]);
    assert_eq!((summary.rows_written, summary.rows_duplicate), (4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn insert_only_leaves_known_keys_as_they_are() {
    let insert_only = |plan: &mut Plan| plan.resources[0].merge.strategy = MergeStrategy::InsertOnly;
    let lake = Lake::new(json!({"partition_by": ["part"]})).adjusted(insert_only);
    lake.run(vec![item(1, "a", "x"), item(2, "b", "y")]).await;
    let before = lake.files();
    let summary = lake.run(vec![item(1, "A", "x"), item(3, "c", "x"), item(3, "C", "x"), item(2, "B", "z")]).await;
    assert_eq!(lake.lines(&ALL), ["1 a x", "2 b y", "3 C x"]);
    assert_eq!((summary.rows_written, summary.rows_duplicate, summary.rows_unchanged), (1, 1, 2));
    assert_eq!((summary.files_rewritten, summary.files.len()), (0, 1));
    let after = lake.files();
    assert!(before.iter().all(|(path, content)| after.get(path) == Some(content)), "known rows are not written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_insert_replaces_all_rows_of_a_merge_key() {
    let by_part = |plan: &mut Plan| {
        let resource = &mut plan.resources[0];
        resource.merge.strategy = MergeStrategy::DeleteInsert;
        resource.merge.merge_key = vec![2];
    };
    let lake = Lake::new(json!({})).adjusted(by_part);
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x"), item(3, "c", "y"), item(4, "d", "z")]).await;
    let summary = lake.run(vec![item(1, "A", "x"), item(3, "C", "z")]).await;
    assert_eq!(lake.lines(&ALL), ["1 A x", "3 C z"], "by key 3, by merge key 2 and 4");
    assert_eq!((summary.rows_written, summary.rows_deleted), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_merge_key_alone_rows_need_no_key_of_their_own() {
    let keyless = |plan: &mut Plan| {
        let resource = &mut plan.resources[0];
        resource.merge.strategy = MergeStrategy::DeleteInsert;
        (resource.merge.merge_key, resource.primary_key, resource.dedup) = (vec![2], Vec::new(), false);
    };
    let lake = Lake::new(json!({"partition_by": ["part"]})).adjusted(keyless);
    lake.run(vec![item(1, "a", "x"), item(1, "a", "x"), item(1, "b", "x"), item(2, "c", "y")]).await;
    let summary = lake.run(vec![item(9, "i", "x"), item(9, "i", "x")]).await;
    assert_eq!(lake.lines(&ALL), ["2 c y", "9 i x", "9 i x"]);
    assert_eq!((summary.rows_written, summary.rows_duplicate, summary.rows_deleted), (2, 0, 1));
    assert_eq!((summary.files_read, summary.files_rewritten), (1, 1), "the partition tells which file it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_on_an_object_store_makes_the_files_that_it_makes_on_disk() {
    let (lake, s3) = (Lake::new(json!({"partition_by": ["part"]})), S3::start().await);
    let options = [
        ("endpoint", s3.endpoint.as_str()),
        ("access_key_id", s3::ACCESS_KEY),
        ("secret_access_key", s3::SECRET_KEY),
        ("allow_http", "true"),
        ("region", "us-east-1"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
    let remote = Destination { url: "s3://lake/merged".to_owned(), options: options.to_vec() };
    for records in [vec![item(1, "a", "x"), item(2, "b", "y"), item(3, "c", "y")], vec![item(2, "B", "x")]] {
        let server = Server::start(list_by_offset(records, 3, true)).await;
        for destination in [lake.plan(&server).destination, remote.clone()] {
            only(run_plan(Plan { destination, ..lake.plan(&server) }).await);
        }
    }
    let table = restlake::store::open(&remote, &|_| None).unwrap().table("items").unwrap();
    for (path, content) in lake.files() {
        assert_eq!(table.get(&path).await.unwrap().as_ref(), Some(&content), "{path}");
    }
}

/// Records whose part is `gone` delete.
fn with_hard_delete(plan: &mut Plan) {
    plan.resources[0].merge.hard_delete = Some(2);
}

fn kept(id: i64, name: &str) -> Value {
    json!({"id": id, "name": name, "part": null})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_deleted_record_takes_its_row_away_and_is_never_written() {
    let lake = Lake::new(json!({})).adjusted(with_hard_delete);
    lake.run(vec![kept(1, "a"), kept(2, "b"), kept(3, "c")]).await;
    let records = vec![
        item(1, "a", "gone"),
        item(2, "b", "gone"),
        kept(2, "back"),
        kept(4, "d"),
        item(4, "d", "gone"),
        item(9, "", "gone"),
    ];
    let summary = lake.run(records).await;
    assert_eq!(lake.lines(&ALL), ["2 back -", "3 c -"]);
    assert_eq!((summary.rows_written, summary.rows_duplicate, summary.rows_filtered), (1, 2, 3));
    assert_eq!(summary.rows_deleted, 1, "4 and 9 were not in the table");
}

#[tokio::test(flavor = "multi_thread")]
async fn which_record_of_a_key_deletes_is_for_dedup_sort_to_say() {
    let sorted = json!({"columns": {"name": {"dedup_sort": "desc"}}});
    let lake = Lake::new(sorted).adjusted(with_hard_delete);
    lake.run(vec![kept(1, "a"), kept(2, "a")]).await;
    lake.run(vec![item(1, "9", "gone"), kept(1, "5"), kept(2, "9"), item(2, "5", "gone")]).await;
    assert_eq!(lake.lines(&ALL), ["2 9 -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_loses_all_rows_keeps_one_file_without_rows_until_some_come() {
    let lake = Lake::new(json!({"partition_by": ["name"]})).adjusted(with_hard_delete);
    lake.run(vec![kept(1, "a"), kept(2, "b")]).await;
    let gone = || vec![item(1, "a", "gone"), item(2, "b", "gone")];
    let summary = lake.run(gone()).await;
    assert_eq!((summary.table_rows, summary.rows_deleted, summary.files_rewritten), (0, 2, 2));
    let empty: Vec<String> = lake.files().into_keys().collect();
    assert!(empty.len() == 1 && !empty[0].contains('/'), "{empty:?}");
    lake.run(gone()).await;
    assert_eq!(lake.files().into_keys().collect::<Vec<_>>(), empty, "still empty: the same file");
    lake.run(vec![kept(3, "c")]).await;
    assert_eq!(lake.files().into_keys().filter(|path| empty.contains(path)).count(), 0);
    assert_eq!(lake.lines(&["id"]), ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_whole_export_does_not_bring_is_deleted_if_missing_rows_are_to_go() {
    let lake =
        Lake::new(json!({"partition_by": ["part"]})).adjusted(|plan| plan.resources[0].merge.delete_missing = true);
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x"), item(3, "c", "y")]).await;
    let summary = lake.run(vec![item(1, "A", "x")]).await;
    assert_eq!(lake.lines(&ALL), ["1 A x"]);
    assert_eq!((summary.rows_deleted, summary.files_read, summary.files_rewritten), (2, 2, 2));
    assert!(summary.warnings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_for_missing_where_rows_were_rejected() {
    let lake = Lake::new(json!({"schema_contract": {"data_type": "discard_row"}}))
        .adjusted(|plan| plan.resources[0].merge.delete_missing = true);
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x")]).await;
    let summary = lake.run(vec![item(1, "A", "x"), json!({"id": "two"})]).await;
    assert_eq!(lake.lines(&ALL), ["1 A x", "2 b x"]);
    assert_eq!((summary.rows_deleted, summary.rows_rejected), (0, 1));
    assert!(summary.warnings.iter().any(|warning| warning.contains("1 row rejected")), "{:?}", summary.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rows_are_never_deleted_by_the_first_pages() {
    let lake = Lake::new(json!({})).adjusted(|plan| plan.resources[0].merge.delete_missing = true);
    lake.run(vec![item(1, "a", "x")]).await;
    let server = Server::start(list_by_offset(vec![item(1, "A", "x")], 3, true)).await;
    let mut plan = lake.plan(&server);
    plan.resources[0].max_pages = Some(1);
    let outcome = run_plan(plan).await;
    assert_eq!(outcome.kinds, [ErrorKind::User]);
    assert_eq!(outcome.summary.resources[0].error.as_ref().unwrap().code, "partial_delete");
    assert!(server.requests().is_empty(), "refused before the first request");
}

/// Adds the columns of `scd2`.
fn with_versions(plan: &mut Plan) {
    let resource = &mut plan.resources[0];
    for load in [LoadColumn::ValidFrom, LoadColumn::ValidTo] {
        resource.schema.columns.push(load_column(load, "timestamp"));
    }
    let (valid_from, valid_to) = (resource.schema.columns.len() - 2, resource.schema.columns.len() - 1);
    resource.merge.strategy = MergeStrategy::Scd2(Scd2Plan { valid_from, valid_to, active: None, boundary: None });
}

fn load_column(load: LoadColumn, data_type: &str) -> Column {
    let (name, source) = (load.name().to_owned(), Source::Load(load));
    Column { name, source, data_type: data_type.parse().unwrap(), nullable: true, format: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn scd2_ends_the_version_of_what_changed_or_went_and_begins_a_new_one() {
    let lake = Lake::new(json!({"partition_by": ["part"]})).adjusted(|plan| {
        with_versions(plan);
        if let MergeStrategy::Scd2(scd2) = &mut plan.resources[0].merge.strategy {
            (scd2.boundary, scd2.active) = (Some(1_000_000), Some(253_402_300_799_000_000));
        }
    });
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x"), item(3, "c", "y")]).await;
    let columns = ["id", "name", "_dlt_valid_from", "_dlt_valid_to"];
    let active = "9999-12-31T23:59:59Z";
    let (one, two) = ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z");
    assert_eq!(lake.lines(&columns)[0], format!("1 a {one} {active}"));

    let server = Server::start(list_by_offset(vec![item(1, "a", "x"), item(2, "B", "x")], 3, true)).await;
    let mut plan = lake.plan(&server);
    if let MergeStrategy::Scd2(scd2) = &mut plan.resources[0].merge.strategy {
        scd2.boundary = Some(2_000_000);
    }
    let summary = only(run_plan(plan).await);
    let expected = [
        format!("1 a {one} {active}"),
        format!("2 B {two} {active}"),
        format!("2 b {one} {two}"),
        format!("3 c {one} {two}"),
    ];
    assert_eq!(lake.lines(&columns), expected);
    assert_eq!((summary.rows_written, summary.rows_unchanged, summary.rows_deleted), (1, 1, 0));
    assert_eq!(summary.files_rewritten, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_begins_when_the_run_began_unless_the_plan_says_when() {
    let lake = Lake::new(json!({})).adjusted(with_versions);
    let server = Server::start(list_by_offset(vec![item(1, "a", "x")], 3, true)).await;
    let outcome = run(lake.plan(&server), TestEnvironment::new().environment(), Arc::new(Recorder::default())).await;
    only(outcome);
    assert_eq!(lake.lines(&["_dlt_valid_from", "_dlt_valid_to"]), ["2026-01-01T00:00:00Z -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_moment_a_version_ends_cannot_partition_the_table() {
    let lake = Lake::new(json!({"partition_by": ["part"]})).adjusted(|plan| {
        with_versions(plan);
        plan.resources[0].partition_by[0].column = 4;
    });
    let server = Server::start(list_by_offset(vec![item(1, "a", "x")], 3, true)).await;
    let outcome = run_plan(lake.plan(&server)).await;
    assert_eq!(outcome.summary.resources[0].error.as_ref().unwrap().code, "validity_partition");
    assert!(server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn load_columns_tell_run_moment_and_page_of_a_row() {
    let lake = Lake::new(json!({})).adjusted(|plan| {
        let columns = &mut plan.resources[0].schema.columns;
        columns.push(load_column(LoadColumn::RunId, "string"));
        columns.push(load_column(LoadColumn::ExtractedAt, "timestamp"));
        columns.push(load_column(LoadColumn::Page, "int64"));
    });
    let server = Server::start(list_by_offset((0..4).map(|id| item(id, "a", "x")).collect(), 3, true)).await;
    let outcome = run(lake.plan(&server), TestEnvironment::new().environment(), Arc::new(Recorder::default())).await;
    let run_id = outcome.summary.run_id.clone();
    only(outcome);
    let line = |id: u64, page: u64| format!("{id} {run_id} {page}");
    assert_eq!(lake.lines(&["id", "run_id", "page"]), [line(0, 1), line(1, 1), line(2, 1), line(3, 2)]);
    // The clock of the test moves on with everybody who waits.
    assert!(lake.lines(&["extracted_at"]).iter().all(|moment| moment.starts_with("2026-01-01T")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_merges_make_the_same_files_at_any_concurrency() {
    let mut tables = Vec::new();
    for concurrency in [1, 16] {
        let lake = Lake::new(json!({"partition_by": ["part"]}));
        let first: Vec<_> = (0..60).map(|id| item(id, "a", ["x", "y", "z"][id as usize % 3])).collect();
        let second: Vec<_> = (0..60).step_by(4).map(|id| item(id, "b", ["y", "z"][id as usize / 4 % 2])).collect();
        for records in [first, second] {
            let server = Server::start(list_by_offset(records, 3, true)).await;
            let mut plan = lake.plan(&server);
            plan.client.max_concurrency = concurrency;
            only(run_plan(plan).await);
        }
        tables.push(lake.files());
    }
    assert_eq!(tables[0].len(), 5);
    assert!(tables[0] == tables[1], "{:?} and {:?}", tables[0].keys(), tables[1].keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_schema_is_not_merged_into() {
    let lake = Lake::new(json!({}));
    lake.run(vec![item(1, "a", "x")]).await;
    let other =
        Lake { adjust: |plan| plan.resources[0].schema.columns[2].data_type = "int64".parse().unwrap(), ..lake };
    let server = Server::start(list_by_offset(vec![json!({"id": 1, "part": 1})], 3, true)).await;
    let outcome = run_plan(other.plan(&server)).await;
    assert_eq!(outcome.summary.resources[0].error.as_ref().unwrap().code, "schema_changed");
    assert_eq!(other.lines(&ALL), ["1 a x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_file_that_somebody_changed_is_not_merged_from() {
    let lake = Lake::new(json!({}));
    lake.run(vec![item(1, "a", "x"), item(2, "b", "x")]).await;
    let (path, content) = lake.files().pop_first().unwrap();
    let mut changed = content.to_vec();
    // Within the first page: the footer is as it was.
    changed[8] ^= 0xff;
    std::fs::write(lake.table().join(&path), changed).unwrap();
    let server = Server::start(list_by_offset(vec![item(3, "c", "x"), item(2, "B", "x")], 3, true)).await;
    let outcome = run_plan(lake.plan(&server)).await;
    assert_eq!(outcome.kinds, [ErrorKind::User]);
    assert_eq!(outcome.summary.resources[0].error.as_ref().unwrap().code, "data_file_damaged");
    assert_eq!(lake.files().len(), 1, "nothing was committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_merge_key_takes_no_row_of_the_table_away() {
    let lake = Lake::new(json!({
        "write_disposition": {"disposition": "merge", "strategy": "delete-insert"}, "merge_key": "part",
    }));
    let nameless = |id: i64| json!({"id": id, "name": "a"});
    lake.run(vec![nameless(1), nameless(2), item(3, "a", "x"), item(4, "a", "x")]).await;
    let summary = lake.run(vec![nameless(5), item(3, "b", "x")]).await;
    assert_eq!(lake.lines(&ALL), ["1 a -", "2 a -", "3 b x", "5 a -"]);
    assert_eq!(summary.rows_deleted, 1, "the other row of the key that was named");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_list_may_be_cut_nothing_is_deleted_for_being_missing() {
    let mut lake = Lake::new(json!({"on_missing": "delete"}));
    lake.run((0..6).map(|id| item(id, "a", "x")).collect()).await;
    lake.resource["endpoint"]["paginator"] = json!({"type": "offset", "limit": 3, "maximum_offset": 3});
    let summary = lake.run((0..6).map(|id| item(id, "b", "x")).collect()).await;
    assert_eq!((summary.rows_deleted, summary.table_rows), (0, 6));
    assert!(summary.warnings.iter().any(|warning| warning.contains("`maximum_offset`")), "{:?}", summary.warnings);
}

/// Answers of a list that is not all there is.
fn page(records: &[Value], rest: Value) -> Reply {
    let mut body = rest;
    body["data"] = json!(records);
    Reply::json(body.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_known_to_be_short_deletes_nothing_for_being_missing() {
    let all: Vec<Value> = (0..6).map(|id| item(id, "a", "x")).collect();
    let (first, second) = all.split_at(3);
    let ended_early = vec![page(first, json!({"total": 6})), page(&[], json!({"total": 6}))];
    let promised_more = vec![page(first, json!({"more": true})), page(&[], json!({"more": true}))];
    // A record was deleted there meanwhile: the list moved up, and one was skipped.
    let moved = vec![page(first, json!({"total": 6})), page(&second[1..], json!({"total": 5}))];
    for (replies, why) in [(ended_early, "6 records"), (promised_more, "another one follows"), (moved, "from 6 to 5")] {
        let mut lake = Lake::new(json!({"on_missing": "delete", "on_incomplete": "warn"}));
        lake.run(all.clone()).await;
        lake.resource["endpoint"]["paginator"] = json!({"type": "offset", "limit": 3, "has_more_path": "more"});
        // By their offset: pages may be asked for ahead, in any order.
        let at = move |request: &Received| {
            let offset = request.number_param("offset").unwrap_or_default();
            replies[usize::from(offset > 0)].clone()
        };
        let summary = lake.run_from(Server::start(at).await).await;
        assert_eq!((summary.rows_deleted, summary.table_rows), (0, 6), "{why}");
        let told = summary.warnings.iter().any(|warning| warning.contains(why) && warning.contains("no row of"));
        assert!(told, "{why}: {:?}", summary.warnings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_read_from_its_middle_deletes_nothing_for_being_missing() {
    let mut lake = Lake::new(json!({"on_missing": "delete"}));
    let all: Vec<Value> = (0..6).map(|id| item(id, "a", "x")).collect();
    lake.run(all.clone()).await;
    lake.resource["endpoint"]["paginator"] = json!({"type": "offset", "limit": 3, "offset": 3});
    let summary = lake.run(all).await;
    assert_eq!((summary.rows_fetched, summary.rows_deleted, summary.table_rows), (3, 0, 6));
    assert!(summary.warnings.iter().any(|warning| warning.contains("`offset` is set")), "{:?}", summary.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_successor_was_rejected_stays_though_its_merge_key_came() {
    let mut lake = Lake::new(json!({
        "write_disposition": {"disposition": "merge", "strategy": "delete-insert"}, "merge_key": "part",
        "schema_contract": {"data_type": "discard_row"},
    }));
    lake.run(vec![item(1, "a", "x"), item(2, "a", "x"), item(3, "a", "x")]).await;
    let summary = lake.run(vec![item(1, "b", "x"), json!({"id": 2, "name": {}, "part": "x"})]).await;
    assert_eq!(lake.lines(&ALL), ["1 b x", "2 a x", "3 a x"]);
    assert_eq!((summary.rows_rejected, summary.rows_deleted), (1, 0));
    assert!(summary.warnings.iter().any(|warning| warning.contains("own key came")), "{:?}", summary.warnings);
    lake.resource["schema_contract"] = json!({"data_type": "freeze"});
    assert_eq!(lake.run(vec![item(1, "c", "x")]).await.rows_deleted, 2, "a whole list tells of all rows of the key");
}

fn versions(options: Value) -> Value {
    let mut disposition = json!({"disposition": "merge", "strategy": "scd2"});
    for (key, value) in options.as_object().unwrap() {
        disposition[key] = value.clone();
    }
    disposition
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tells_that_a_version_holds_cannot_change_under_a_table() {
    let forever = versions(json!({"active_record_timestamp": "9999-12-31"}));
    let mut lake = Lake::new(json!({"write_disposition": forever}));
    lake.run(vec![item(1, "a", "x")]).await;
    for other in [json!({}), json!({"active_record_timestamp": "9999-12-30"})] {
        lake.resource["write_disposition"] = versions(other);
        let server = Server::start(list_by_offset(vec![item(1, "a", "x")], 3, true)).await;
        let error = run_plan(lake.plan(&server)).await.summary.resources.remove(0).error.unwrap();
        assert_eq!(error.code, "active_record_timestamp");
        assert!(error.hint.unwrap().contains("9999-12-31"));
        assert!(server.requests().is_empty(), "what is known before the first request costs none");
    }
    lake.resource["write_disposition"] = versions(json!({"active_record_timestamp": "9999-12-31"}));
    assert_eq!(lake.run(vec![item(1, "a", "x")]).await.rows_unchanged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_refresh_of_versions_keeps_one_of_equal_records() {
    let lake = Lake::new(json!({"write_disposition": versions(json!({})), "primary_key": null}));
    lake.run(vec![item(1, "a", "x"), item(1, "a", "x")]).await;
    let refreshed = lake.adjusted(|plan| plan.resources[0].write_disposition = WriteDisposition::Replace);
    let summary = refreshed.run(vec![item(1, "a", "x"), item(1, "a", "x")]).await;
    assert_eq!((summary.rows_written, summary.rows_duplicate), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replace_all_of_whose_rows_were_deleted_leaves_the_one_file_of_an_empty_table() {
    let lake = Lake::new(json!({"columns": {"part": {"hard_delete": true}}}))
        .adjusted(|plan| plan.resources[0].write_disposition = WriteDisposition::Replace);
    let deleted = item(1, "a", "gone");
    let records =
        [json!({"id": 1, "name": "a"}), json!({"id": 1, "name": "b"}), json!({"id": 1, "name": "c"}), deleted];
    let summary = lake.run(records.to_vec()).await;
    assert_eq!((summary.table_rows, summary.rows_filtered, summary.rows_duplicate), (0, 1, 3));
    assert_eq!(lake.files().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_skipped_asks_for_nothing_and_touches_nothing() {
    let lake = Lake::new(json!({"write_disposition": "skip"}));
    let server = Server::start(list_by_offset(vec![item(1, "a", "x")], 3, true)).await;
    let outcome = run_plan(lake.plan(&server)).await;
    assert!(outcome.kinds.is_empty());
    assert_eq!(outcome.summary.resources[0].status, restlake::report::Status::Skipped);
    assert!(server.requests().is_empty() && !lake.table().exists());
    let lake = lake.adjusted(|plan| plan.resources[0].write_disposition = WriteDisposition::Merge);
    lake.run(vec![item(1, "a", "x")]).await;
    let lake = lake.adjusted(|plan| plan.resources[0].write_disposition = WriteDisposition::Skip);
    let outcome = run_plan(lake.plan(&server)).await;
    let summary = &outcome.summary.resources[0];
    assert_eq!((summary.table_version, summary.table_rows), (1, 1), "of the table as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_rows_has_the_columns_of_the_last_merge() {
    let mut lake = Lake::new(json!({}));
    lake.run(Vec::new()).await;
    let columns = ["id", "name", "part", "more"].map(|name| json!({"name": name, "type": "string"}));
    lake.resource["schema"] = json!({"columns": columns});
    lake.run(Vec::new()).await;
    let files = read_table(&lake.table());
    assert_eq!(files.len(), 1, "the one file that stands for it");
    assert_eq!(all_rows(&files).num_columns(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_from_before_the_table_was_sorted_is_sorted_when_it_is_rewritten() {
    let lake = Lake::new(json!({})).adjusted(|plan| plan.resources[0].write_disposition = WriteDisposition::Merge);
    lake.run(vec![item(1, "d", "x"), item(2, "c", "x"), item(3, "a", "x"), item(4, "b", "x")]).await;
    let sorted = lake.adjusted(|plan| plan.resources[0].parquet.sort_by = vec![1]);
    sorted.run(vec![item(4, "e", "x")]).await;
    for content in sorted.files().into_values() {
        let rows = crate::support::tables::read_parquet(&content);
        let names: Vec<_> = rows.column_by_name("name").unwrap().as_string::<i32>().iter().flatten().collect();
        assert!(names.is_sorted(), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_equal_by_content_whatever_the_order_of_fields_and_the_sign_of_zero() {
    let columns = json!([
        {"name": "id", "type": "json"}, {"name": "name", "type": "float64"}, {"name": "part", "type": "string"},
    ]);
    let lake = Lake::new(json!({"schema": {"columns": columns}, "primary_key": ["id", "name"]}));
    let item = |id: &str, zero: f64, part: &str| {
        let id: Value = serde_json::from_str(id).unwrap();
        json!({"id": id, "name": zero, "part": part})
    };
    let summary = lake
        .run(vec![
            item(r#"{"a": 1, "b": [{"x": 1, "y": 2}]}"#, 0.0, "x"),
            item(r#"{"b": [{"y": 2, "x": 1}], "a": 1}"#, -0.0, "again"),
            item(r#"{"a": 1}"#, 0.0, "other"),
        ])
        .await;
    assert_eq!((summary.rows_written, summary.rows_duplicate), (2, 1));
    assert_eq!(lake.lines(&["part"]), ["again", "other"]);
    let summary = lake.run(vec![item(r#"{"b": [{"x": 1, "y": 2}], "a": 1}"#, 0.0, "replaced")]).await;
    assert_eq!((summary.rows_written, summary.files_rewritten, summary.table_rows), (1, 1, 2));
    assert_eq!(lake.lines(&["part"]), ["other", "replaced"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_a_row_is_the_same_whatever_the_order_of_fields_and_the_sign_of_zero() {
    let columns = json!([
        {"name": "id", "type": "int64"}, {"name": "name", "type": "json"}, {"name": "part", "type": "float64"},
        {"name": "map", "type": "map<string, float64>"},
    ]);
    let scd2 = json!({"disposition": "merge", "strategy": "scd2"});
    let lake = Lake::new(json!({"schema": {"columns": columns}, "write_disposition": scd2}));
    let item = |record: &str| serde_json::from_str::<Value>(record).unwrap();
    lake.run(vec![item(r#"{"id": 1, "name": {"a": 1, "b": 2}, "part": 0.0, "map": {"k": 0.0, "l": 1}}"#)]).await;
    let same = item(r#"{"id": 1, "name": {"b": 2, "a": 1}, "part": -0.0, "map": {"l": 1, "k": -0.0}}"#);
    let summary = lake.run(vec![same]).await;
    assert_eq!((summary.rows_unchanged, summary.table_rows), (1, 1));
    let other = item(r#"{"id": 1, "name": {"b": 2, "a": 3}, "part": 0.0, "map": {"k": 0.0, "l": 1}}"#);
    assert_eq!(lake.run(vec![other]).await.table_rows, 2);
}
