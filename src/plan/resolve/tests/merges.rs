//! Write dispositions, load columns and upkeep: what right configs come to, and what wrong ones are told.

use std::time::Duration;

use serde_json::{Value, json};

use super::{base, plan, plan_with, problems, with};
use crate::{
    config::{Source, Syntax, load},
    plan::{MergeStrategy, Overrides, ResourcePlan, Scd2Plan, WriteDisposition},
    schema::{ColumnType, ColumnsContract, DataTypeContract, Format, LoadColumn, Source as ColumnSource},
};

/// The base config, whose resource has these keys too; a null leaves one out.
fn config(keys: &Value) -> Value {
    let mut config = base();
    for (key, value) in keys.as_object().unwrap() {
        config["resources"][0][key] = value.clone();
    }
    config
}

fn resource(keys: &Value) -> ResourcePlan {
    plan(&config(keys)).unwrap_or_else(|problems| panic!("{keys}: {problems:?}")).resources.remove(0)
}

/// The only problem of a resource with these keys.
fn only(keys: &Value) -> String {
    let mut found = problems(&config(keys));
    assert_eq!(found.len(), 1, "{keys}: {found:?}");
    found.remove(0)
}

fn merge(strategy: &str) -> Value {
    json!({"disposition": "merge", "strategy": strategy})
}

#[test]
fn every_disposition_is_a_word_or_an_object() {
    for (word, disposition) in [
        ("append", WriteDisposition::Append),
        ("replace", WriteDisposition::Replace),
        ("merge", WriteDisposition::Merge),
        ("skip", WriteDisposition::Skip),
    ] {
        assert_eq!(resource(&json!({"write_disposition": word})).write_disposition, disposition);
        assert_eq!(resource(&json!({"write_disposition": {"disposition": word}})).write_disposition, disposition);
    }
}

#[test]
fn a_merge_is_an_upsert_unless_it_has_a_merge_key_or_says_otherwise() {
    let strategy = |keys: Value| resource(&keys).merge.strategy;
    assert_eq!(strategy(json!({"write_disposition": "merge"})), MergeStrategy::Upsert);
    let by_day = json!({"write_disposition": "merge", "merge_key": "renamed", "primary_key": null});
    assert_eq!(strategy(by_day.clone()), MergeStrategy::DeleteInsert);
    assert_eq!(resource(&by_day).merge.merge_key, [5]);
    let hinted = json!({"write_disposition": "merge", "columns": {"at": {"merge_key": true}}});
    assert_eq!((strategy(hinted.clone()), resource(&hinted).merge.merge_key), (MergeStrategy::DeleteInsert, vec![3]));
    assert_eq!(strategy(json!({"write_disposition": merge("insert-only")})), MergeStrategy::InsertOnly);
    assert_eq!(
        strategy(json!({"write_disposition": merge("upsert"), "merge_key": "at"})),
        MergeStrategy::Upsert,
        "what is said goes before what is meant"
    );
}

#[test]
fn scd2_adds_its_two_columns_behind_all_others() {
    let plan = resource(&json!({
        "write_disposition": merge("scd2"), "primary_key": null, "metadata_columns": ["page"],
    }));
    let names: Vec<_> = plan.schema.columns.iter().skip(6).map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["page", "_dlt_valid_from", "_dlt_valid_to"]);
    assert_eq!(plan.schema.columns[7].source, ColumnSource::Load(LoadColumn::ValidFrom));
    assert_eq!((&plan.schema.columns[8].data_type, plan.schema.columns[8].nullable), (&ColumnType::Timestamp, true));
    let scd2 = Scd2Plan { valid_from: 7, valid_to: 8, active: None, boundary: None };
    assert_eq!(plan.merge.strategy, MergeStrategy::Scd2(scd2));
}

#[test]
fn scd2_takes_names_and_moments_of_its_own() {
    let plan = resource(&json!({"write_disposition": {
        "disposition": "merge", "strategy": "scd2", "validity_column_names": ["from", "to"],
        "active_record_timestamp": "9999-12-31", "boundary_timestamp": "2026-11-22T08:00:00+01:00",
    }}));
    assert_eq!((plan.schema.index_of("from"), plan.schema.index_of("to")), (Some(6), Some(7)));
    let MergeStrategy::Scd2(scd2) = plan.merge.strategy else { panic!("{:?}", plan.merge) };
    assert_eq!((scd2.active, scd2.boundary), (Some(253_402_214_400_000_000), Some(1_795_330_800_000_000)));
}

#[test]
fn metadata_columns_are_listed_or_named_and_may_partition_and_sort() {
    let columns = |value: Value| -> Vec<_> {
        let columns = resource(&json!({"metadata_columns": value})).schema.columns;
        columns.into_iter().skip(6).map(|column| (column.name, column.source, column.data_type)).collect()
    };
    let column = |name: &str, load, data_type| (name.to_owned(), ColumnSource::Load(load), data_type);
    assert_eq!(
        columns(json!(["page", "run_id"])),
        [column("page", LoadColumn::Page, ColumnType::Int64), column("run_id", LoadColumn::RunId, ColumnType::String)]
    );
    assert_eq!(
        columns(json!({"extracted_at": "_seen", "page": null})),
        [column("_seen", LoadColumn::ExtractedAt, ColumnType::Timestamp)]
    );
    let mut config = config(&json!({
        "metadata_columns": ["run_id", "extracted_at"],
        "partition_by": {"column": "extracted_at", "transform": "day"},
    }));
    config["destination"] = json!({"parquet": {"sort_by": ["run_id"]}});
    let plan = plan(&config).unwrap().resources.remove(0);
    assert_eq!((plan.partition_by[0].column, plan.parquet.sort_by), (7, vec![6]));
}

#[test]
fn a_column_of_the_runs_own_clashes_with_no_other_and_is_no_key() {
    let problem = only(&json!({"metadata_columns": {"page": "ID"}}));
    assert!(problem.starts_with("resources[0].metadata_columns.page: the column `ID` of the run's own"), "{problem}");
    let problem = only(&json!({"metadata_columns": ["page", "page"]}));
    assert!(problem.starts_with("resources[0].metadata_columns[1]: "), "{problem}");
    let problem = only(&json!({"metadata_columns": {"run_id": ""}}));
    assert!(problem.contains("metadata_columns.run_id: a column's name is a line of text"), "{problem}");
    let problem = only(&json!({"metadata_columns": "page", "primary_key": ["id", "page"]}));
    assert_eq!(problem, "resources[0].primary_key[1]: `page` is filled in by the run, and cannot be a key");
    let scd2 = json!({"disposition": "merge", "strategy": "scd2", "validity_column_names": ["s", "to"]});
    let problem = only(&json!({"write_disposition": scd2}));
    assert!(problem.contains("validity_column_names[0]: the column `s` of the run's own would clash"), "{problem}");
    let problem = only(&json!({"write_disposition": merge("scd2"), "partition_by": "_dlt_valid_to"}));
    assert!(problem.starts_with("resources[0].partition_by: `_dlt_valid_to` changes when"), "{problem}");
}

#[test]
fn two_validity_columns_are_expected() {
    for names in [json!([]), json!(["a"]), json!(["a", "b", "c"])] {
        let scd2 = json!({"disposition": "merge", "strategy": "scd2", "validity_column_names": names});
        let problem = only(&json!({"write_disposition": scd2}));
        assert!(problem.contains("write_disposition.validity_column_names: expected two names"), "{problem}");
    }
}

#[test]
fn moments_are_iso_8601_and_old_versions_do_not_end_as_if_they_held() {
    for moment in ["tomorrow", "22.11.2026", "2026-11-22T07:00:00.0000001Z", "+12026-01-01"] {
        let scd2 = json!({"disposition": "merge", "strategy": "scd2", "boundary_timestamp": moment});
        let problem = only(&json!({"write_disposition": scd2}));
        assert!(problem.contains("write_disposition.boundary_timestamp: expected an ISO 8601 date"), "{problem}");
    }
    let scd2 = json!({"disposition": "merge", "strategy": "scd2", "boundary_timestamp": "2026-01-01",
        "active_record_timestamp": "2026-01-01T00:00:00Z"});
    assert!(only(&json!({"write_disposition": scd2})).contains("boundary_timestamp: old versions would end"));
}

#[test]
fn a_merge_needs_a_key_unless_it_goes_by_a_merge_key_or_by_whole_rows() {
    let keyless = |disposition: Value| json!({"write_disposition": disposition, "primary_key": null});
    for strategy in ["upsert", "insert-only"] {
        let problem = only(&keyless(merge(strategy)));
        assert_eq!(problem, "resources[0].write_disposition: merge needs a key (set `primary_key`, or append)");
    }
    assert!(only(&keyless(merge("delete-insert"))).contains("set `primary_key` or `merge_key`"));
    assert!(resource(&keyless(merge("scd2"))).primary_key.is_empty());
    let by_day = json!({"write_disposition": "merge", "merge_key": "at", "primary_key": null, "dedup": false});
    assert!(!resource(&by_day).dedup, "there is no key of which one row is kept");
    let with_key = json!({"write_disposition": merge("scd2"), "dedup": false});
    assert!(only(&with_key).starts_with("resources[0].dedup: merge keeps one row of each key"));
}

#[test]
fn what_contradicts_itself_is_refused_where_it_stands() {
    let deletes = json!({"s": {"hard_delete": true}});
    let both = json!({"s": {"hard_delete": true}, "at": {"hard_delete": true}});
    let never_null = json!({"s": {"hard_delete": true, "nullable": false}});
    let by_merge_key =
        json!({"write_disposition": "merge", "merge_key": "at", "primary_key": null, "on_missing": "delete"});
    for (keys, place, message) in [
        (json!({"write_disposition": merge("scd2"), "columns": deletes}), "columns.s.hard_delete", "`scd2` keeps"),
        (
            json!({"write_disposition": merge("insert-only"), "columns": deletes}),
            "columns.s.hard_delete",
            "never deletes",
        ),
        (json!({"write_disposition": "merge", "columns": both}), "columns.at.hard_delete", "only one column"),
        (json!({"write_disposition": "merge", "columns": never_null}), "columns.s.hard_delete", "never null"),
        (json!({"write_disposition": merge("insert-only"), "on_missing": "delete"}), "on_missing", "never deletes"),
        (json!({"write_disposition": merge("scd2"), "on_missing": "delete"}), "on_missing", "retires"),
        (json!({"write_disposition": "append", "on_missing": "delete"}), "on_missing", "`append` never deletes"),
        (
            json!({"write_disposition": merge("scd2"), "schema_contract": "evolve"}),
            "write_disposition",
            "while columns are added",
        ),
        (by_merge_key, "on_missing", "needs a `primary_key`"),
        (
            json!({"write_disposition": {"disposition": "merge", "on_missing": "keep"}, "on_missing": "delete"}),
            "write_disposition.on_missing",
            "said twice",
        ),
        (json!({"write_disposition": merge("delete-insert"), "merge_key": "day"}), "merge_key", "no column `day`"),
        (
            json!({"write_disposition": merge("delete-insert"), "merge_key": "tags"}),
            "merge_key",
            "cannot be a merge key",
        ),
        (
            json!({"write_disposition": merge("delete-isnert")}),
            "write_disposition.strategy",
            "did you mean `delete-insert`?",
        ),
        (json!({"write_disposition": merge("cdc")}), "write_disposition.strategy", "`cdc` is not supported yet"),
        (json!({"write_disposition": {"strategy": "upsert"}}), "write_disposition", "`disposition` is missing"),
        (json!({"write_disposition": "marge"}), "write_disposition", "did you mean `merge`?"),
        (json!({"compact": {"small_files": 0}}), "compact.small_files", "of at least 1"),
        (json!({"compact": "never"}), "compact", "expected `auto` or `off`"),
    ] {
        let problem = only(&keys);
        assert!(problem.starts_with(&format!("resources[0].{place}: ")) && problem.contains(message), "{problem}");
    }
}

#[test]
fn what_is_without_effect_is_a_warning() {
    for (keys, warning) in [
        (json!({"write_disposition": {"disposition": "append", "strategy": "upsert"}}), "`strategy` has no effect"),
        (json!({"write_disposition": "append", "merge_key": "at"}), "`merge_key` has no effect"),
        (
            json!({"write_disposition": "append", "columns": {"s": {"hard_delete": true}}}),
            "`hard_delete` has no effect",
        ),
        (json!({"write_disposition": merge("upsert"), "merge_key": "at"}), "`merge_key` has no effect"),
        (json!({"write_disposition": "replace", "on_missing": "delete"}), "`on_missing` has no effect"),
        (
            json!({"write_disposition": {"disposition": "merge", "boundary_timestamp": "2026-01-01"}}),
            "`boundary_timestamp` has no effect",
        ),
    ] {
        let warnings = resource(&keys).warnings;
        assert!(warnings.len() == 1 && warnings[0].contains(warning), "{keys}: {warnings:?}");
    }
    assert_eq!(resource(&json!({"write_disposition": "merge", "on_missing": "keep"})).warnings, [""; 0]);
}

#[test]
fn a_merge_that_takes_the_missing_for_gone_needs_every_page() {
    let run = |keys: &Value, destination: Option<&str>| {
        let overrides =
            Overrides { max_pages: Some(1), destination: destination.map(str::to_owned), ..Overrides::default() };
        plan_with(&config(keys).to_string(), &overrides)
    };
    let delete = json!({"write_disposition": "merge", "on_missing": "delete"});
    for destination in [None, Some("./try")] {
        let problems = run(&delete, destination).unwrap_err();
        assert!(problems[0].starts_with("<command line>: --max-pages: `t` has `on_missing: delete`"), "{problems:?}");
    }
    for keys in [json!({"write_disposition": merge("scd2")}), json!({"write_disposition": "merge", "merge_key": "at"})]
    {
        assert!(run(&keys, None).unwrap_err()[0].contains("taken for gone"));
        assert!(run(&keys, Some("./try")).is_ok(), "elsewhere it is a try-out");
    }
    let full_refresh = Overrides { max_pages: Some(1), full_refresh: true, ..Overrides::default() };
    assert!(plan_with(&config(&delete).to_string(), &full_refresh).is_ok(), "the run refuses it if rows would be lost");
}

#[test]
fn a_full_refresh_replaces_what_would_be_merged_and_skips_what_would_be_skipped() {
    let overrides = Overrides { full_refresh: true, ..Overrides::default() };
    let refreshed = |keys: Value| plan_with(&config(&keys).to_string(), &overrides).unwrap().resources.remove(0);
    let merged = refreshed(json!({"write_disposition": "merge", "columns": {"s": {"hard_delete": true}}}));
    assert_eq!((merged.write_disposition, merged.merge.hard_delete), (WriteDisposition::Replace, Some(1)));
    assert_eq!(refreshed(json!({"write_disposition": "skip"})).write_disposition, WriteDisposition::Skip);
}

#[test]
fn upkeep_is_set_for_all_or_for_one_and_the_nearest_counts() {
    let day = Duration::from_secs(86_400);
    let changes = [
        ("/checkpoint_interval", json!("1m")),
        ("/resume_within", json!("7d")),
        ("/rewrite_limit", json!("1GB")),
        ("/destination", json!({"compact": "auto"})),
    ];
    let far = plan(&with(&changes)).unwrap().resources.remove(0);
    assert_eq!((far.checkpoint.interval, far.checkpoint.resume_within), (Duration::from_secs(60), 7 * day));
    assert_eq!((far.rewrite_limit, far.compact_above), (1_000_000_000, Some(20)));
    let mut near = with(&changes);
    near["destination"]["rewrite_limit"] = json!("2GB");
    let second = plan(&near).unwrap().resources.remove(0);
    assert_eq!(second.rewrite_limit, 2_000_000_000);
    near["resource_defaults"] = json!({"checkpoint_interval": "2m", "resume_within": "1d", "rewrite_limit": "3GB"});
    near["resources"][0]["compact"] = json!({"small_files": 5});
    let near = plan(&near).unwrap().resources.remove(0);
    assert_eq!((near.checkpoint.interval, near.checkpoint.resume_within), (Duration::from_secs(120), day));
    assert_eq!((near.rewrite_limit, near.compact_above), (3_000_000_000, Some(5)));
    assert_eq!(resource(&json!({"compact": "off"})).compact_above, None);
}

#[test]
fn the_defaults_of_upkeep_are_those_of_the_interface() {
    let plan = plan(&base()).unwrap();
    assert_eq!(plan.retain, Duration::from_secs(7 * 86_400));
    let resource = &plan.resources[0];
    assert_eq!(resource.checkpoint.interval, Duration::from_secs(30));
    assert_eq!(resource.checkpoint.resume_within, Duration::from_secs(3_600));
    assert_eq!((resource.rewrite_limit, resource.compact_above), (10_000_000_000, None));
    assert!(plan.resume && !plan.wait);
    let overrides = Overrides { wait: true, no_resume: true, ..Overrides::default() };
    let plan = plan_with(&base().to_string(), &overrides).unwrap();
    assert!(plan.wait && !plan.resume);
}

#[test]
fn evolve_is_for_columns_alone() {
    for value in [json!("evolve"), json!({"columns": "evolve"})] {
        let contract = resource(&json!({"schema_contract": value})).contract;
        assert_eq!((contract.columns, contract.data_type), (ColumnsContract::Evolve, DataTypeContract::Freeze));
    }
}

#[test]
fn evolve_of_types_is_dlts_default_and_is_read_as_freeze_with_a_note() {
    let keys = json!({"schema_contract": {"tables": "evolve", "columns": "discard_row", "data_type": "evolve"}});
    let contract = resource(&keys).contract;
    assert_eq!((contract.columns, contract.data_type), (ColumnsContract::DiscardRow, DataTypeContract::Freeze));
    let source = Source::Embedded { name: "c.yaml".into(), text: config(&keys).to_string(), syntax: Syntax::Yaml };
    let notes = load(source, &|_| None).unwrap().notes;
    let paths: Vec<_> = notes.iter().map(|note| note.path.as_str()).collect();
    assert_eq!(paths, ["resources[0].schema_contract.tables", "resources[0].schema_contract.data_type"]);
}

#[test]
fn a_number_that_is_too_large_is_told_by_how_much_there_may_be() {
    for number in ["10000000000000", "99999999999999999999999"] {
        let text = config(&json!({"infer_rows": 1, "schema": null})).to_string();
        let text = text.replace("\"infer_rows\":1", &format!("\"infer_rows\":{number}"));
        let problems = plan_with(&text, &Overrides::default()).unwrap_err();
        assert!(problems.iter().any(|problem| problem.contains("of at most 4294967295")), "{problems:?}");
    }
}

#[test]
fn a_hint_tells_how_its_column_is_read_and_has_to_suit_its_type() {
    let hint = |hint: Value| json!({"columns": {"s": hint}});
    let read = resource(&hint(json!({"data_type": "timestamp", "format": "epoch_ms"})));
    assert_eq!(read.schema.columns[1].format, Some(Format::EpochMillis));
    let problem = only(&hint(json!({"format": "epoch_ms"})));
    assert!(problem.contains("columns.s.format: this format does not suit the type string"), "{problem}");
}

/// A config whose tables are Delta's, with these columns.
fn delta(columns: &Value) -> Value {
    with(&[("/destination", json!({"table_format": "delta"})), ("/resources/0/schema/columns", columns.clone())])
}

#[test]
#[cfg(not(feature = "delta"))]
fn a_build_without_delta_tables_says_so() {
    let problems = problems(&delta(&json!([{"name": "id", "type": "int64"}])));
    assert_eq!(
        problems,
        [
            "destination.table_format: this restlake was built without Delta tables (use `parquet`, or a restlake that was \
             built with the cargo feature `delta`)"
        ]
    );
}

#[test]
#[cfg(feature = "delta")]
fn what_delta_lacks_is_refused_where_it_is_declared() {
    for (column, place, message) in [
        (json!({"name": "x", "type": "time"}), "type", "`x` holds time, a type that Delta tables lack (use string"),
        (json!({"name": "x", "type": "list<struct<a: uint32>>"}), "type", "`x` holds uint32"),
        (json!({"name": "x", "type": "map<string, uint64>"}), "type", "(use decimal(20,0)"),
        (json!({"name": "a b", "type": "int64"}), "type", "the name `a b`"),
        (json!({"name": "x", "type": "struct<`p=q`: int64>"}), "type", "the name `p=q`"),
    ] {
        let problems = problems(&delta(&json!([{"name": "id", "type": "int64"}, column])));
        let start = format!("resources[0].schema.columns[1].{place}: ");
        assert!(problems.len() == 1 && problems[0].starts_with(&start), "{problems:?}");
        assert!(problems[0].contains(message), "{problems:?}");
    }
    let fine = delta(&json!([{"name": "id", "type": "int64"}, {"name": "at", "type": "timestamp_naive"}]));
    assert_eq!(plan(&fine).unwrap().table_format, crate::plan::TableFormatKind::Delta);
}
