//! What right configs come to.

use std::time::Duration;

use serde_json::{Value, json};

use super::{base, plan, plan_with, with};
use crate::{
    plan::{
        ApiKeyLocation, AuthPlan, Bindings, Compression, CursorPlan, DedupSort, JsonLinkPlan, MaxRejects, OffsetPlan,
        OnDrift, PageNumberPlan, PaginatorPlan, Plan, ResourcePlan, Slot, Transform, WriteDisposition,
        resolve::Overrides,
    },
    schema::{ColumnType, ColumnsContract, DataTypeContract, Format, Source},
};

fn resource_with(changes: &[(&str, Value)]) -> ResourcePlan {
    plan(&with(changes)).unwrap().resources.remove(0)
}

fn run(overrides: &Overrides, changes: &[(&str, Value)]) -> Result<Plan, Vec<String>> {
    plan_with(&with(changes).to_string(), overrides)
}

#[test]
fn the_defaults_are_those_of_the_interface() {
    let plan = plan(&base()).unwrap();
    assert_eq!((plan.pipeline.as_str(), plan.memory_limit, plan.max_columns), ("c", 2_000_000_000, 10_000));
    assert_eq!((plan.client.max_concurrency, plan.client.max_body), (16, 256_000_000));
    assert_eq!(plan.client.timeout, Duration::from_secs(60));
    assert_eq!(plan.client.retry.max_elapsed, Duration::from_secs(1_800));
    assert!(plan.client.rate_limit.is_none());
    assert_eq!(plan.destination.url, "./lake");
    let resource = &plan.resources[0];
    assert_eq!((resource.table.as_str(), resource.write_disposition), ("t", WriteDisposition::Append));
    assert_eq!(resource.request.bind(&Bindings::default()).unwrap().url.as_str(), "https://api.example.com/v1/t");
    assert!(resource.dedup && !resource.allow_missing_data);
    assert_eq!((resource.data_selector.as_ref(), resource.on_drift), (None, OnDrift::Warn));
    assert_eq!(resource.parquet.compression, Compression::Zstd(3));
    assert_eq!((resource.parquet.row_group_rows, resource.parquet.target_file_size), (250_000, 256_000_000));
    assert_eq!(resource.contract.columns, ColumnsContract::DiscardValue);
    assert_eq!(resource.contract.data_type, DataTypeContract::Freeze);
}

fn paginator(config: Value) -> PaginatorPlan {
    resource_with(&[("/client/paginator", config)]).paginator
}

#[test]
fn paginators_have_dlts_defaults() {
    let selector = |text: &str| text.parse().unwrap();
    let text = str::to_owned;
    for (config, plan) in [
        (json!({"type": "offset", "limit": 5}), PaginatorPlan::Offset(OffsetPlan::new(5))),
        (json!("page_number"), PaginatorPlan::PageNumber(PageNumberPlan::new(0))),
        (json!("single_page"), PaginatorPlan::SinglePage),
        (json!("json_link"), PaginatorPlan::JsonLink(JsonLinkPlan::new(selector("next")))),
        (json!("json_response"), PaginatorPlan::JsonLink(JsonLinkPlan::new(selector("next")))),
        (
            json!("header_link"),
            PaginatorPlan::HeaderLink {
                links_next_key: text("next"),
                header: text("Link"),
                stop_after_empty_page: false,
            },
        ),
        (
            json!("header_cursor"),
            PaginatorPlan::HeaderCursor { cursor_key: text("next"), cursor_param: text("cursor") },
        ),
        (json!("cursor"), PaginatorPlan::Cursor(CursorPlan::new(selector("cursors.next"), "cursor"))),
        (json!("auto"), PaginatorPlan::Auto),
        (json!({}), PaginatorPlan::Auto),
        (Value::Null, PaginatorPlan::Auto),
    ] {
        assert_eq!(paginator(config.clone()), plan, "{config}");
    }
}

#[test]
fn a_paginator_puts_its_values_into_the_body_where_it_says_so() {
    let body = |keys: &[&str]| Slot::Body(keys.iter().map(|&key| key.to_owned()).collect());
    let config =
        json!({"type": "offset", "limit": 5, "offset_body_path": "page.from", "limit_body_path": "['page.size']"});
    let PaginatorPlan::Offset(plan) = paginator(config) else { panic!() };
    assert_eq!((plan.offset_param, plan.limit_param), (body(&["page", "from"]), Some(body(&["page.size"]))));
    let PaginatorPlan::PageNumber(plan) = paginator(json!({"type": "page_number", "page_body_path": "page"})) else {
        panic!()
    };
    assert_eq!(plan.page_param, body(&["page"]));
    let PaginatorPlan::Cursor(plan) = paginator(json!({"type": "cursor", "cursor_body_path": "after"})) else {
        panic!()
    };
    assert_eq!(plan.cursor_param, body(&["after"]));
}

#[test]
fn null_switches_the_total_off_and_an_empty_name_the_limit_and_a_name_that_is_null_is_dlts() {
    let config = json!({"type": "offset", "limit": 5, "total_path": null, "offset_param": null, "limit_param": null});
    let PaginatorPlan::Offset(plan) = paginator(config) else { panic!() };
    assert_eq!(plan, OffsetPlan::new(5));
    let PaginatorPlan::Offset(plan) = paginator(json!({"type": "offset", "limit": 5, "limit_param": ""})) else {
        panic!()
    };
    assert_eq!(plan.limit_param, None);
    let PaginatorPlan::PageNumber(plan) = paginator(json!({"type": "page_number", "page_param": null})) else {
        panic!()
    };
    assert_eq!(plan.page_param, Slot::param("page"));
}

#[test]
fn a_maximum_that_is_not_above_the_first_page_is_told() {
    for (config, is_told) in [
        (json!({"type": "offset", "limit": 1, "offset": 5, "maximum_offset": 5}), true),
        (json!({"type": "page_number", "base_page": 1, "maximum_page": 1}), true),
        (json!({"type": "page_number", "base_page": 0, "maximum_page": 1}), false),
    ] {
        let warnings = resource_with(&[("/client/paginator", config.clone())]).warnings;
        assert_eq!(warnings.iter().any(|warning| warning.contains("one page is all")), is_told, "{config}");
    }
}

#[test]
fn a_list_of_links_may_end_by_its_empty_page_or_by_has_more() {
    let config = json!({"type": "json_link", "stop_after_empty_page": true, "has_more_path": "more"});
    let PaginatorPlan::JsonLink(plan) = paginator(config) else { panic!() };
    assert_eq!((plan.stop_after_empty_page, plan.has_more_path.unwrap().to_string().as_str()), (true, "more"));
}

#[test]
fn the_resources_paginator_goes_before_the_clients_and_that_before_finding_out() {
    let own = ("/resources/0/endpoint/paginator", json!({"type": "offset", "limit": 5}));
    let defaults = ("/resource_defaults/endpoint/paginator", json!({"type": "offset", "limit": 6}));
    let client = ("/client/paginator", json!({"type": "offset", "limit": 7}));
    let without = ("/client/paginator", Value::Null);
    let endpoint = ("/resources/0/endpoint/path", json!("p"));
    for (changes, limit) in [
        (vec![own.clone(), defaults.clone(), client.clone()], Some(5)),
        (vec![endpoint, defaults, client.clone()], Some(6)),
        (vec![client.clone()], Some(7)),
        (vec![without], None),
        (vec![client, ("/resources/0/endpoint/paginator", json!("auto"))], None),
    ] {
        let found = match resource_with(&changes).paginator {
            PaginatorPlan::Offset(plan) => Some(plan.limit),
            PaginatorPlan::Auto => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, limit);
    }
}

#[test]
fn what_a_paginator_says_of_drift_goes_before_its_endpoint_and_an_endpoint_before_its_resource() {
    let offset = |on_drift: Value| json!({"type": "offset", "limit": 5, "on_drift": on_drift});
    for (endpoint, paginator, found) in [
        (json!("fail"), Value::Null, OnDrift::Fail),
        (json!("fail"), json!("refetch"), OnDrift::Refetch),
        (json!("fail"), json!("warn"), OnDrift::Warn),
        (Value::Null, Value::Null, OnDrift::Warn),
    ] {
        let config = json!({"on_drift": endpoint, "paginator": offset(paginator)});
        assert_eq!(resource_with(&[("/resources/0/endpoint", config)]).on_drift, found);
    }
    for (resource, endpoint, found) in
        [(true, Value::Null, true), (true, json!(false), false), (false, json!(true), true)]
    {
        let changes = [
            ("/resources/0/allow_missing_data", json!(resource)),
            ("/resources/0/endpoint/allow_missing_data", endpoint),
        ];
        assert_eq!(resource_with(&changes).allow_missing_data, found);
    }
}

#[test]
fn an_auth_without_a_type_is_a_bearer_as_in_dlt() {
    let plan = plan(&with(&[("/client/auth", json!({"token": "${KEY}"}))])).unwrap();
    let AuthPlan::Bearer { token } = &plan.client.auth else { panic!() };
    assert_eq!(token.expose(), "from-env");
    assert!(plan.secrets.iter().any(|secret| secret.expose() == "from-env"));
}

#[test]
fn an_api_key_goes_into_the_authorization_header_by_default() {
    let plan = plan(&with(&[("/client/auth", json!({"type": "api_key", "api_key": "k1"}))])).unwrap();
    let AuthPlan::ApiKey { name, location, .. } = &plan.client.auth else { panic!() };
    assert_eq!((name.as_str(), *location), ("Authorization", ApiKeyLocation::Header));
}

#[test]
fn secrets_are_auth_values_telling_headers_and_telling_options() {
    let plan = plan(&with(&[
        ("/client/auth", json!({"type": "http_basic", "username": "user", "password": "pass"})),
        ("/client/headers", json!({"X-Team": "qa", "X-Api-Key": "header-key"})),
        ("/destination/options", json!({"region": "us", "secret_access_key": "option-key"})),
    ]))
    .unwrap();
    let secrets: Vec<_> = plan.secrets.iter().map(|secret| secret.expose().as_str()).collect();
    assert_eq!(secrets, ["header-key", "pass", "dXNlcjpwYXNz", "option-key"]);
}

#[test]
fn the_credentials_inside_a_header_are_secrets_without_the_words_around_them() {
    let secrets = |headers: Value| -> Vec<String> {
        let plan = plan(&with(&[("/client/headers", headers)])).unwrap();
        plan.secrets.iter().map(|secret| secret.expose().clone()).collect()
    };
    assert_eq!(secrets(json!({"Authorization": "Bearer abc123"})), ["Bearer abc123", "abc123"]);
    let basic = secrets(json!({"authorization": "Basic dXNlcjpwYXNz"}));
    assert_eq!(basic, ["Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "pass"]);
    assert_eq!(secrets(json!({"Cookie": "sid=s1d; theme=dark"})), ["sid=s1d; theme=dark", "s1d", "dark"]);
    assert_eq!(secrets(json!({"X-Api-Key": "abc"})), ["abc"]);
}

#[test]
fn params_are_texts_repeated_for_lists_and_left_out_for_null() {
    let params = json!({"archived": false, "ids": [1, 2], "none": null, "rate": 1.50, "q": "a b"});
    let request = resource_with(&[("/resources/0/endpoint/params", params)]).request;
    let pairs: Vec<_> = request.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(pairs, ["archived=false", "ids=1", "ids=2", "rate=1.5", "q=a b"]);
}

#[test]
fn paths_are_joined_as_dlt_joins_them() {
    for (base, path, joined) in [
        ("https://a.example", "/v1/t", "https://a.example/v1/t"),
        ("https://a.example/", "v1/t", "https://a.example/v1/t"),
        ("https://a.example/api", "/v1/t/", "https://a.example/api/v1/t/"),
        ("https://a.example/api/", "//v1", "https://a.example/api/v1"),
        ("https://a.example/api", "v1:list", "https://a.example/api/v1:list"),
        ("https://a.example/api", "t?fixed=1", "https://a.example/api/t?fixed=1"),
    ] {
        let changes = [("/client/base_url", json!(base)), ("/resources/0/endpoint", json!(path))];
        assert_eq!(
            resource_with(&changes).request.bind(&Bindings::default()).unwrap().url.as_str(),
            joined,
            "{base} {path}"
        );
    }
}

#[test]
fn a_bare_text_is_a_resource_of_that_name_and_path() {
    let schema = base()["resources"][0]["schema"].clone();
    let plan = plan(&with(&[("/resources", json!(["posts"])), ("/resource_defaults/schema", schema)])).unwrap();
    assert_eq!(plan.resources[0].name, "posts");
    assert_eq!(plan.resources[0].request.bind(&Bindings::default()).unwrap().url.path(), "/v1/posts");
}

#[test]
fn a_column_may_be_named_by_its_field() {
    let resource = resource_with(&[
        ("/resources/0/primary_key", json!(["id", "api.field"])),
        ("/resources/0/partition_by", json!({"column": "api.field", "transform": "month"})),
        ("/destination/parquet/sort_by", json!(["api.field"])),
    ]);
    assert_eq!(resource.primary_key, [0, 5]);
    assert_eq!(resource.partition_by[0].key, "renamed_month");
    assert_eq!(resource.parquet.sort_by, [5]);
}

#[test]
fn partition_keys_are_the_column_and_the_transform() {
    let spec = json!(["s", {"column": "at", "transform": "hour"}, {"column": "id", "transform": "bucket[16]"},
                      {"column": "s", "transform": "truncate[2]"}]);
    let fields = resource_with(&[("/resources/0/partition_by", spec)]).partition_by;
    let keys: Vec<_> = fields.iter().map(|field| (field.key.as_str(), field.transform)).collect();
    assert_eq!(
        keys,
        [
            ("s", Transform::Identity),
            ("at_hour", Transform::Hour),
            ("id_bucket", Transform::Bucket(16)),
            ("s_truncate", Transform::Truncate(2))
        ]
    );
}

#[test]
fn dlts_hints_set_type_key_partition_and_order() {
    let resource = resource_with(&[
        ("/resources/0/primary_key", Value::Null),
        (
            "/resources/0/columns",
            json!({"id": {"primary_key": true}, "s": {"partition": true, "nullable": false},
                   "d": {"precision": 20, "scale": 4}, "at": {"dedup_sort": "desc"}, "api.field": {"data_type": "text"}}),
        ),
    ]);
    assert_eq!(resource.primary_key, [0]);
    assert_eq!(resource.partition_by[0].key, "s");
    assert_eq!(resource.dedup_sort, Some(DedupSort { column: 3, descending: true }));
    assert!(!resource.schema.columns[1].nullable && resource.schema.columns[2].nullable);
    assert_eq!(resource.schema.columns[2].data_type, ColumnType::Decimal { precision: 20, scale: 4 });
    assert_eq!(resource.schema.columns[5].data_type, ColumnType::String);
}

#[test]
fn the_contract_of_the_resource_goes_over_the_schemas_key_by_key() {
    let resource = resource_with(&[
        ("/resources/0/schema/schema_contract", json!("discard_row")),
        ("/resources/0/schema_contract", json!({"data_type": "discard_value"})),
    ]);
    assert_eq!(resource.contract.columns, ColumnsContract::DiscardRow);
    assert_eq!(resource.contract.data_type, DataTypeContract::DiscardValue);
}

#[test]
fn sources_are_dotted_paths_and_formats_words_or_patterns() {
    let columns = json!([{"name": "a.b", "type": "int64"}, {"name": "c", "source": "x['y.z']", "type": "int64"},
        {"name": "raw", "source": "$", "type": "json"}, {"name": "t", "type": "date", "format": "%d/%m/%Y"},
        {"name": "e", "type": "list<timestamp>", "format": "epoch_ms"}]);
    let changes = [("/resources/0/schema", json!({"columns": columns})), ("/resources/0/primary_key", Value::Null)];
    let columns = resource_with(&changes).schema.columns;
    assert_eq!(columns[0].source, Source::Path(vec!["a.b".into()]));
    assert_eq!(columns[1].source, Source::Path(vec!["x".into(), "y.z".into()]));
    assert_eq!(columns[2].source, Source::Record);
    assert_eq!(columns[3].format, Some(Format::Strftime("%d/%m/%Y".into())));
    assert_eq!(columns[4].format, Some(Format::EpochMillis));
}

#[test]
fn rejects_are_bounded_by_a_number_or_a_share() {
    assert_eq!(resource_with(&[("/resources/0/max_rejects", json!(7))]).max_rejects, Some(MaxRejects::Rows(7)));
    assert_eq!(resource_with(&[("/resources/0/max_rejects", json!("1%"))]).max_rejects, Some(MaxRejects::Share(0.01)));
    assert_eq!(resource_with(&[]).max_rejects, None);
}

#[test]
fn a_filled_in_text_stands_for_a_number_a_bool_or_a_choice() {
    let resource = resource_with(&[
        ("/resources/0/dedup", json!("${NONE:-false}")),
        ("/resources/0/max_rejects", json!("${NONE:-7}")),
        ("/resources/0/write_disposition", json!("${NONE:-replace}")),
        ("/client/paginator", json!({"type": "offset", "limit": "${NONE:-50}"})),
    ]);
    assert!(!resource.dedup);
    assert_eq!(resource.max_rejects, Some(MaxRejects::Rows(7)));
    assert_eq!(resource.write_disposition, WriteDisposition::Replace);
    assert!(matches!(&resource.paginator, PaginatorPlan::Offset(plan) if plan.limit == 50));
}

#[test]
fn the_user_is_warned_of_partitions_that_readers_guess_of_times_and_of_columns_left_out() {
    let mut columns = base()["resources"][0]["schema"]["columns"].clone();
    columns.as_array_mut().unwrap().push(json!({"name": "starts", "type": "struct<at: time>"}));
    let warnings = resource_with(&[
        ("/resources/0/schema", json!({"columns": columns})),
        ("/resources/0/partition_by", json!(["s"])),
        ("/destination/parquet", json!({"sort_by": ["s", "id"], "bloom_filter": ["id"]})),
    ])
    .warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("hive_types={'s': VARCHAR}"));
    assert!(warnings[1].contains("`starts`") && warnings[1].contains("spark.sql.timeType.enabled"));
    assert!(warnings[2].starts_with("`sort_by` leaves out `s`"));
}

#[test]
fn the_command_line_goes_over_the_config() {
    let overrides = Overrides {
        destination: Some("./other".into()),
        full_refresh: true,
        max_pages: Some(2),
        ..Overrides::default()
    };
    let plan = run(&overrides, &[("/resources/0/write_disposition", json!("append"))]).unwrap();
    assert_eq!(plan.destination.url, "./other");
    assert_eq!(plan.resources[0].write_disposition, WriteDisposition::Replace);
    assert_eq!(plan.resources[0].max_pages, Some(2));
}

#[test]
fn a_named_resource_runs_even_if_it_is_not_selected() {
    let overrides = Overrides { resources: vec!["t".into()], ..Overrides::default() };
    assert_eq!(run(&overrides, &[("/resources/0/selected", json!(false))]).unwrap().resources.len(), 1);
}

#[test]
fn an_unknown_resource_on_the_command_line_is_a_usage_error() {
    let overrides = Overrides { resources: vec!["tt".into()], ..Overrides::default() };
    assert_eq!(
        run(&overrides, &[]).unwrap_err(),
        ["<command line>: --resource: there is no resource `tt` (did you mean `t`?)"]
    );
}

#[test]
fn a_few_pages_may_replace_a_table_with_rows_only_at_a_destination_of_the_command_lines() {
    let overrides = Overrides { max_pages: Some(1), full_refresh: true, ..Overrides::default() };
    assert!(!run(&overrides, &[]).unwrap().partial_replace_allowed);
    let elsewhere = Overrides { destination: Some("./try".into()), ..overrides };
    assert!(run(&elsewhere, &[]).unwrap().partial_replace_allowed);
}

#[test]
fn dlts_hints_may_be_a_list_of_columns_that_name_themselves() {
    let hints = json!([{"name": "id", "data_type": "bigint"}, {"name": "s", "nullable": false}]);
    let resource = resource_with(&[
        ("/resource_defaults/columns", json!({"s": {"partition": true}, "at": {"dedup_sort": "desc"}})),
        ("/resources/0/columns", hints),
    ]);
    assert_eq!(resource.schema.columns[0].data_type, ColumnType::Int64);
    assert!(!resource.schema.columns[1].nullable && resource.partition_by.len() == 1, "a column has the hints of both");
    assert_eq!(resource.dedup_sort, Some(DedupSort { column: 3, descending: true }));
}

#[test]
fn a_precision_that_dlt_knows_and_parquet_does_not_is_a_warning_at_most() {
    let warnings = |hints: Value| resource_with(&[("/resources/0/columns", hints)]).warnings;
    assert_eq!(warnings(json!({"at": {"precision": 6}})), [""; 0]);
    let told = warnings(json!({"s": {"data_type": "text", "precision": 255}, "id": {"precision": 64, "scale": 0}}));
    assert_eq!(
        told,
        [
            "the hint `precision` of `s` has no effect on the type string",
            "the hint `precision` of `id` has no effect on the type int64",
            "the hint `scale` of `id` has no effect on the type int64",
        ]
    );
    assert_eq!(warnings(json!({"at": {"precision": 3}})).len(), 1);
}
