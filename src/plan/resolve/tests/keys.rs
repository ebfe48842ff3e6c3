//! Every key of the vocabulary: those that are supported change the plan, those that are not are refused or noted by name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{auths, everything, plan, problems, set, with};
use crate::config::{
    Source, Syntax,
    fields::{Field, ROOT, Shape, Status, Table},
    load,
};

/// Where in the config an object of each table stands, and what has to stand in it.
fn location(table: &str) -> (&'static str, Value) {
    match table {
        "config" => ("", Value::Null),
        "client" => ("/client", Value::Null),
        "rate_limit" => ("/client/rate_limit", json!({"requests": 1})),
        "retry" => ("/client/retry", json!({})),
        "api_key" => ("/client/auth", json!({"type": "api_key", "api_key": "k"})),
        "bearer" => ("/client/auth", json!({"type": "bearer", "token": "t"})),
        "http_basic" => ("/client/auth", json!({"type": "http_basic", "username": "u", "password": "p"})),
        "oauth2_client_credentials" => ("/client/auth", auths::client_credentials()),
        "oauth2_refresh_token" => ("/client/auth", auths::refresh_token()),
        "jwt_bearer" => ("/client/auth", auths::jwt_bearer()),
        "session" => ("/client/auth", auths::session()),
        "login" => ("/client/auth/login", json!({"path": "login"})),
        "tls" => {
            ("/client/tls", json!({"cert_file": auths::file("client.pem"), "key_file": auths::file("client.key")}))
        }
        "offset" => ("/client/paginator", json!({"type": "offset", "limit": 3})),
        "page_number" => ("/client/paginator", json!({"type": "page_number"})),
        "single_page" => ("/client/paginator", json!({"type": "single_page"})),
        "auto" => ("/client/paginator", json!({"type": "auto"})),
        "cursor" => ("/client/paginator", json!({"type": "cursor"})),
        "header_cursor" => ("/client/paginator", json!({"type": "header_cursor"})),
        "header_link" => ("/client/paginator", json!({"type": "header_link"})),
        "json_link" => ("/client/paginator", json!({"type": "json_link"})),
        "resource" => ("/resources/0", Value::Null),
        "endpoint" => ("/resources/0/endpoint", json!({})),
        "incremental" => ("/resources/0/endpoint/incremental", incremental()),
        "incremental_param" => (
            "/resources/0/endpoint/params/since",
            json!({"type": "incremental", "cursor_path": "at", "initial_value": "2026-01-01"}),
        ),
        "window" => ("/resources/0/endpoint/incremental/window", json!({"step": "1d"})),
        "convert" => ("/resources/0/endpoint/incremental/convert", json!({"format": "%Y"})),
        "processing_step" => ("/resources/0/processing_steps/0", Value::Null),
        "csv" => ("/resources/0/endpoint/csv", json!({"columns": ["a"]})),
        "response_action" => ("/resources/0/endpoint/response_actions/0", Value::Null),
        "column_hint" => ("/resources/0/columns/d", json!({})),
        "write_disposition" => ("/resources/0/write_disposition", json!({"disposition": "merge", "strategy": "scd2"})),
        "metadata_columns" => ("/resources/0/metadata_columns", json!({})),
        "compact" => ("/resources/0/compact", json!({"small_files": 1})),
        "resolve" => ("/resources/0/endpoint/params/x", json!({"type": "resolve", "resource": "u", "field": "id"})),
        "partition" => ("/resources/0/partition_by", json!({"column": "at"})),
        "schema" => ("/resources/0/schema", Value::Null),
        "column" => ("/resources/0/schema/columns/3", Value::Null),
        "schema_contract" => ("/resources/0/schema_contract", json!({})),
        "destination" => ("/destination", json!({})),
        "parquet" => ("/destination/parquet", json!({})),
        other => panic!("say where an object of the table `{other}` stands"),
    }
}

/// Two values of every supported key that mean different things; null leaves the key out.
fn cases(table: &str) -> Vec<(&'static str, Value, Value)> {
    match table {
        "config" => vec![
            ("name", json!("a"), json!("b")),
            ("client", client("https://a.example"), client("https://b.example")),
            ("resource_defaults", json!({"max_rejects": 1}), Value::Null),
            ("resources", json!([resource("a")]), json!([resource("b")])),
            ("destination", json!({"url": "./a"}), json!({"url": "./b"})),
            ("memory_limit", json!("1GB"), Value::Null),
            ("max_columns", json!(100), Value::Null),
            ("checkpoint_interval", json!("1s"), Value::Null),
            ("resume_within", json!("1s"), Value::Null),
            ("rewrite_limit", json!("1MB"), Value::Null),
            ("naming", json!("snake_case"), Value::Null),
            ("on_incomplete", json!("keep"), json!("warn")),
        ],
        "client" => vec![
            ("base_url", json!("https://a.example"), json!("https://b.example")),
            ("headers", json!({"X-A": "1"}), json!({"X-A": 2})),
            ("auth", json!({"token": "t"}), Value::Null),
            ("allowed_hosts", json!("a.example.org"), json!(["a.example.org", "*.example.net"])),
            ("foreign_hosts", json!("warn"), json!("refuse")),
            ("tls", json!({"ca_file": auths::file("authority.pem")}), Value::Null),
            ("paginator", json!("page_number"), json!("single_page")),
            ("max_concurrency", json!(1), Value::Null),
            ("rate_limit", json!({"requests": 1}), Value::Null),
            ("timeout", json!("5s"), Value::Null),
            ("connect_timeout", json!("5s"), Value::Null),
            ("retry", json!({"max_attempts": 1}), Value::Null),
            ("max_body_size", json!("1MB"), Value::Null),
        ],
        "rate_limit" => vec![("requests", json!(1), json!(2)), ("per", json!("1m"), Value::Null)],
        "retry" => vec![
            ("max_attempts", json!(1), Value::Null),
            ("initial_backoff", json!("5s"), Value::Null),
            ("max_backoff", json!("5s"), Value::Null),
            ("max_elapsed", json!("5s"), Value::Null),
        ],
        "api_key" => vec![
            ("name", json!("key"), Value::Null),
            ("api_key", json!("a"), json!("b")),
            ("location", json!("query"), json!("cookie")),
        ],
        "bearer" => vec![("token", json!("a"), json!("b"))],
        "http_basic" => vec![("username", json!("a"), json!("b")), ("password", json!("a"), json!("b"))],
        "auto" | "single_page" | "offset" | "page_number" | "cursor" | "header_cursor" | "header_link"
        | "json_link" => paginator_cases(table),
        "tls" => vec![
            ("ca_file", json!(auths::file("authority.pem")), Value::Null),
            ("cert_file", json!(auths::file("client.pem")), json!(auths::file("server.pem"))),
            ("key_file", json!(auths::file("client.key")), json!(auths::file("server.key"))),
        ],
        "oauth2_client_credentials" | "oauth2_refresh_token" | "jwt_bearer" | "session" | "login" => {
            auths::cases(table)
        }
        _ => table_cases(table),
    }
}

fn paginator_cases(table: &str) -> Vec<(&'static str, Value, Value)> {
    match table {
        "offset" => vec![
            ("limit", json!(1), json!(2)),
            ("offset", json!(1), Value::Null),
            ("offset_param", json!("skip"), Value::Null),
            ("limit_param", json!("take"), json!("count")),
            ("total_path", json!("meta.total"), json!("count")),
            ("total_header", json!("X-Total"), Value::Null),
            ("maximum_offset", json!(10), Value::Null),
            ("stop_after_empty_page", json!(false), Value::Null),
            ("stop_after_short_page", json!(true), json!(false)),
            ("has_more_path", json!("more"), Value::Null),
            ("is_last_path", json!("isLast"), Value::Null),
            ("offset_body_path", json!("page.from"), Value::Null),
            ("limit_body_path", json!("page.size"), Value::Null),
            ("overlap", json!(1), json!(2)),
            ("on_drift", json!("fail"), json!("refetch")),
        ],
        "page_number" => vec![
            ("base_page", json!(1), Value::Null),
            ("page", json!(5), Value::Null),
            ("page_param", json!("p"), Value::Null),
            ("total_path", json!("meta.pages"), json!("count")),
            ("total_header", json!("X-Total"), Value::Null),
            ("maximum_page", json!(10), Value::Null),
            ("stop_after_empty_page", json!(false), Value::Null),
            ("stop_after_short_page", json!(true), Value::Null),
            ("has_more_path", json!("more"), Value::Null),
            ("is_last_path", json!("isLast"), Value::Null),
            ("page_body_path", json!("page"), Value::Null),
            ("overlap", json!(1), json!(2)),
            ("on_drift", json!("fail"), json!("refetch")),
        ],
        "cursor" => vec![
            ("cursor_path", json!("next"), Value::Null),
            ("cursor_param", json!("after"), Value::Null),
            ("cursor_body_path", json!("after"), Value::Null),
            ("stop_after_empty_page", json!(true), Value::Null),
            ("has_more_path", json!("more"), Value::Null),
            ("is_last_path", json!("isLast"), Value::Null),
            ("total_path", json!("meta.total"), json!("count")),
            ("total_header", json!("X-Total"), Value::Null),
        ],
        "auto" | "single_page" => {
            vec![("total_path", json!("meta.total"), json!("count")), ("total_header", json!("X-Total"), Value::Null)]
        }
        "header_cursor" => vec![
            ("cursor_key", json!("Next-Page"), Value::Null),
            ("cursor_param", json!("after"), Value::Null),
            ("total_path", json!("meta.total"), json!("count")),
            ("total_header", json!("X-Total"), Value::Null),
        ],
        "header_link" => vec![
            ("links_next_key", json!("following"), Value::Null),
            ("header", json!("Next-Page"), Value::Null),
            ("stop_after_empty_page", json!(true), Value::Null),
            ("total_path", json!("meta.total"), json!("count")),
            ("total_header", json!("X-Total"), Value::Null),
        ],
        "json_link" => vec![
            ("next_url_path", json!("links.next"), Value::Null),
            ("stop_after_empty_page", json!(true), Value::Null),
            ("has_more_path", json!("more"), Value::Null),
            ("is_last_path", json!("isLast"), Value::Null),
            ("total_path", json!("meta.total"), json!("count")),
            ("total_header", json!("X-Total"), Value::Null),
        ],
        _ => Vec::new(),
    }
}

fn table_cases(table: &str) -> Vec<(&'static str, Value, Value)> {
    match table {
        "resource" => vec![
            ("name", json!("a"), json!("b")),
            ("table_name", json!("other"), Value::Null),
            ("write_disposition", json!("replace"), json!("merge")),
            ("primary_key", json!(["id", "s"]), Value::Null),
            ("merge_key", json!("at"), json!(["at", "s"])),
            ("on_missing", json!("delete"), Value::Null),
            ("metadata_columns", json!(["page"]), json!({"page": "_page"})),
            ("infer_rows", json!(10), Value::Null),
            ("naming", json!("snake_case"), Value::Null),
            ("checkpoint_interval", json!("1s"), Value::Null),
            ("resume_within", json!("1s"), Value::Null),
            ("rewrite_limit", json!("1MB"), Value::Null),
            ("compact", json!("auto"), json!("off")),
            ("columns", json!({"s": {"nullable": false}}), Value::Null),
            ("endpoint", json!("a"), json!("b")),
            ("schema", schema("int64"), schema("string")),
            ("schema_contract", json!("discard_row"), json!("discard_value")),
            ("include_from_parent", json!("id"), json!(["id", "s"])),
            ("max_rejects", json!(3), json!("3%")),
            ("on_incomplete", json!("keep"), Value::Null),
            ("partition_by", json!("s"), json!(["id", "s"])),
            ("dedup", json!(false), Value::Null),
            ("processing_steps", json!([{"filter": ".a"}]), Value::Null),
            // Not alone: a config that exports nothing is refused.
            ("selected", json!(true), Value::Null),
            ("allow_missing_data", json!(true), Value::Null),
        ],
        "column_hint" => vec![
            ("data_type", json!("text"), Value::Null),
            ("precision", json!(20), Value::Null),
            ("scale", json!(5), Value::Null),
            ("nullable", json!(false), Value::Null),
            ("primary_key", json!(true), Value::Null),
            ("merge_key", json!(true), Value::Null),
            ("hard_delete", json!(true), Value::Null),
            ("partition", json!(true), Value::Null),
            ("dedup_sort", json!("asc"), json!("desc")),
            ("format", json!("epoch_s"), Value::Null),
        ],
        "write_disposition" => vec![
            ("disposition", json!("merge"), json!("append")),
            ("strategy", json!("upsert"), json!("insert-only")),
            ("on_missing", json!("delete"), json!("keep")),
            ("validity_column_names", json!(["a", "b"]), Value::Null),
            ("active_record_timestamp", json!("9999-12-31"), Value::Null),
            ("boundary_timestamp", json!("2026-01-01"), Value::Null),
        ],
        "metadata_columns" => vec![
            ("run_id", json!("a"), json!("b")),
            ("extracted_at", json!("a"), json!("b")),
            ("page", json!("a"), json!("b")),
        ],
        "compact" => vec![("small_files", json!(3), json!(4))],
        "resolve" => vec![("resource", json!("u"), json!("v")), ("field", json!("id"), json!("key"))],
        "partition" => {
            vec![("column", json!("at"), json!("renamed")), ("transform", json!("month"), json!("day"))]
        }
        "schema" => vec![
            ("columns", schema("int64")["columns"].clone(), schema("string")["columns"].clone()),
            ("schema_contract", json!({"columns": "freeze"}), Value::Null),
        ],
        "column" => vec![
            ("precision", json!("truncate"), Value::Null),
            ("name", json!("a"), json!("b")),
            ("source", json!("x.y"), Value::Null),
            ("type", json!("timestamp"), json!("timestamp_naive")),
            ("nullable", json!(false), Value::Null),
            ("format", json!("epoch_s"), Value::Null),
        ],
        "schema_contract" => vec![
            ("columns", json!("freeze"), json!("discard_row")),
            ("data_type", json!("discard_value"), json!("discard_row")),
        ],
        "destination" => vec![
            ("url", json!("s3://bucket/lake"), Value::Null),
            ("options", json!({"region": "a"}), json!({"region": "b"})),
            // The other format needs a cargo feature; that it is read shows in `a_build_without_delta_tables_says_so`.
            ("table_format", json!("parquet"), Value::Null),
            ("rewrite_limit", json!("1MB"), Value::Null),
            ("compact", json!("auto"), Value::Null),
            ("retain", json!("1d"), Value::Null),
            ("parquet", json!({"row_group_rows": 1}), Value::Null),
        ],
        "parquet" => vec![
            ("compression", json!("snappy"), json!("zstd(9)")),
            ("target_file_size", json!("1MB"), Value::Null),
            ("row_group_rows", json!(1000), Value::Null),
            ("bloom_filter", json!(["id"]), Value::Null),
            ("sort_by", json!("at"), json!(["at", "id"])),
        ],
        _ => request_cases(table),
    }
}

/// What an endpoint says of its requests and answers.
fn request_cases(table: &str) -> Vec<(&'static str, Value, Value)> {
    match table {
        "endpoint" => vec![
            ("path", json!("a"), json!("b")),
            ("method", json!("GET"), json!("post")),
            ("params", json!({"a": 1}), json!({"a": 2})),
            ("json", json!({"a": [1]}), json!({"a": [2]})),
            ("data", json!({"a": 1}), json!([["a", 2]])),
            // The values are secrets to whoever prints a plan.
            ("headers", json!({"X-A": "1"}), json!({"X-B": "1"})),
            ("auth", json!({"token": "t"}), Value::Null),
            ("data_selector", json!("data"), json!("items")),
            ("paginator", json!("page_number"), Value::Null),
            ("format", json!("ndjson"), json!("csv")),
            ("encoding", json!("windows-1252"), json!("utf-16le")),
            ("member", json!("a.csv"), Value::Null),
            ("csv", json!({"delimiter": ";"}), Value::Null),
            ("response_actions", json!([{"status_code": 404, "action": "ignore"}]), Value::Null),
            ("allow_missing_data", json!(true), Value::Null),
            ("on_drift", json!("fail"), json!("refetch")),
            ("incremental", incremental(), Value::Null),
        ],
        "incremental" => [
            incremental_cases(),
            vec![
                ("start_param", json!("a"), json!("b")),
                ("end_param", json!("a"), json!("b")),
                ("window", json!({"step": "1d"}), Value::Null),
            ],
        ]
        .concat(),
        "incremental_param" => incremental_cases(),
        "window" => vec![("step", json!("1d"), json!("2d")), ("lookback", json!("1d"), Value::Null)],
        "convert" => vec![
            ("format", json!("%Y-%m-%d"), json!("epoch_ms")),
            ("timezone", json!("Europe/Berlin"), json!("+02:00")),
        ],
        "csv" => vec![
            ("delimiter", json!(";"), json!("\t")),
            ("quote", json!("'"), Value::Null),
            ("header", json!(false), Value::Null),
            ("columns", json!(["a"]), json!(["b"])),
            ("null_values", json!("NA"), json!([])),
        ],
        "processing_step" => vec![
            ("filter", json!(".a"), json!(".b")),
            ("map", json!(".a"), json!(".c")),
            ("yield_map", json!(".a"), json!(".b")),
        ],
        "response_action" => vec![
            ("status_code", json!(404), json!("410")),
            ("content", json!("gone"), json!("away")),
            ("empty", json!(true), Value::Null),
            ("action", json!("retry"), json!("stop")),
            ("message", json!("a"), Value::Null),
        ],
        _ => Vec::new(),
    }
}

fn incremental() -> Value {
    json!({"cursor_path": "at", "initial_value": "2026-01-01", "start_param": "since", "end_param": "until"})
}

fn incremental_cases() -> Vec<(&'static str, Value, Value)> {
    vec![
        ("cursor_path", json!("at"), json!("data.at")),
        ("initial_value", json!("2026-01-01"), json!("2026-01-02")),
        ("end_value", json!("2027-01-01"), Value::Null),
        ("last_value_func", json!("min"), Value::Null),
        ("lag", json!(5), json!("1d")),
        ("row_order", json!("asc"), json!("desc")),
        ("on_cursor_value_missing", json!("include"), json!("exclude")),
        ("range_start", json!("open"), Value::Null),
        ("range_end", json!("closed"), Value::Null),
        ("primary_key", json!("s"), json!([])),
        ("convert", json!("%Y"), json!("epoch_s")),
    ]
}

fn client(url: &str) -> Value {
    json!({"base_url": url, "paginator": "single_page"})
}

fn schema(data_type: &str) -> Value {
    json!({"columns": [{"name": "id", "type": data_type}]})
}

fn resource(name: &str) -> Value {
    json!({"name": name, "schema": schema("int64")})
}

/// What has to be in the config for a key to mean anything.
fn needs(table: &str, key: &str) -> Vec<(&'static str, Value)> {
    match (table, key) {
        ("resource", "on_missing") | ("column_hint", "hard_delete") => {
            vec![("/resources/0/write_disposition", json!("merge"))]
        }
        ("column_hint", "format") => vec![("/resources/0/schema/columns/2/type", json!("timestamp"))],
        ("login", _) => vec![("/client/auth", auths::session())],
        ("window" | "convert", _) => vec![
            ("/resources/0/write_disposition", json!("merge")),
            ("/resources/0/endpoint/incremental", incremental()),
        ],
        ("processing_step", _) => vec![("/resources/0/processing_steps", json!([{"map": ".b"}]))],
        ("response_action", _) => {
            let actions = json!([{"status_code": 500, "action": "fail"}]);
            vec![("/resources/0/endpoint", json!({"response_actions": actions}))]
        }
        ("resource", "include_from_parent") => {
            vec![("/resources/0/endpoint", json!("u/{resources.u.id}")), ("/resources/1", resource("u"))]
        }
        ("resolve", _) => vec![
            ("/resources/0/endpoint/path", json!("u/{x}")),
            ("/resources/1", resource("u")),
            ("/resources/2", resource("v")),
        ],
        _ => Vec::new(),
    }
}

/// The keys with one value that does anything; a test of their own shows that they are read.
const ALONE: [(&str, &str); 2] = [("resource", "selected"), ("destination", "table_format")];

/// Every table that a config can have objects of.
fn tables() -> Vec<&'static Table> {
    fn visit(table: &'static Table, found: &mut Vec<&'static Table>) {
        if found.iter().any(|known| known.name == table.name) {
            return;
        }
        found.push(table);
        for field in table.supported() {
            visit_shape(&field.shape, found);
        }
    }
    fn visit_shape(shape: &'static Shape, found: &mut Vec<&'static Table>) {
        match shape {
            Shape::Object(table) => visit(table, found),
            Shape::Tagged(union) => {
                let supported = union.variants.iter().filter(|variant| variant.status == Status::Supported);
                supported.for_each(|variant| visit(variant.table, found));
            }
            Shape::List(item) | Shape::OneOrMany(item) | Shape::Map(item) | Shape::Keyed(item) => {
                visit_shape(item, found);
            }
            Shape::Either(shapes) => shapes.iter().for_each(|shape| visit_shape(shape, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    visit(&ROOT, &mut found);
    found
}

fn fields(wanted: impl Fn(Status) -> bool) -> Vec<(&'static Table, &'static Field)> {
    let fields = tables().into_iter().flat_map(|table| table.fields.iter().map(move |field| (table, field)));
    fields.filter(|(_, field)| wanted(field.status)).collect()
}

/// A config in which one key of one table has this value; null leaves it out.
fn config_with(table: &str, key: &str, value: &Value) -> Value {
    let (pointer, object) = location(table);
    let mut config = with(&needs(table, key));
    if !object.is_null() {
        set(&mut config, pointer, object);
    }
    if (table, key) == ("write_disposition", "on_missing") {
        set(&mut config, "/resources/0/write_disposition/strategy", json!("upsert"));
    }
    if table == "tls" && [auths::file("server.pem"), auths::file("server.key")].iter().any(|file| value == file) {
        // A certificate and its key change together.
        set(
            &mut config,
            pointer,
            json!({"cert_file": auths::file("server.pem"), "key_file": auths::file("server.key")}),
        );
    }
    if !value.is_null() {
        set(&mut config, &format!("{pointer}/{key}"), value.clone());
        auths::excluded(table, key)
            .into_iter()
            .for_each(|key| set(&mut config, &format!("{pointer}/{key}"), Value::Null));
    }
    config
}

#[test]
fn every_supported_key_changes_the_plan() {
    for table in tables() {
        for (key, a, b) in cases(table.name).iter().filter(|(key, ..)| !ALONE.contains(&(table.name, key))) {
            let plan_of = |value: &Value| {
                let config = config_with(table.name, key, value);
                everything(&plan(&config).unwrap_or_else(|problems| panic!("{}.{key}: {problems:?}", table.name)))
            };
            assert_ne!(plan_of(a), plan_of(b), "{}.{key}", table.name);
        }
    }
}

#[test]
fn every_supported_key_has_a_case() {
    let supported: BTreeSet<_> =
        fields(|status| status == Status::Supported).iter().map(|(table, field)| (table.name, field.key)).collect();
    let tested: BTreeSet<_> =
        tables().iter().flat_map(|table| cases(table.name).into_iter().map(|(key, ..)| (table.name, key))).collect();
    assert_eq!(supported, tested);
}

#[test]
fn every_key_of_a_later_version_is_refused_by_name() {
    let later = fields(|status| status == Status::NotYet);
    assert!(!later.is_empty());
    for (table, field) in later {
        let problems = problems(&config_with(table.name, field.key, &json!("x")));
        let message = format!("`{}` is not supported yet", field.key);
        assert_eq!(problems.len(), 1, "{}.{}: {problems:?}", table.name, field.key);
        assert!(problems[0].contains(&message), "{problems:?}");
        assert!(plan(&config_with(table.name, field.key, &Value::Null)).is_ok());
    }
}

#[test]
fn every_key_without_effect_is_noted_once_and_changes_nothing() {
    let ignored = fields(|status| matches!(status, Status::Ignored(_)));
    assert!(ignored.len() > 15);
    for (table, field) in ignored {
        let config = config_with(table.name, field.key, &json!({"a": [1]}));
        let source = Source::Embedded { name: "c.yaml".into(), text: config.to_string(), syntax: Syntax::Yaml };
        let notes = load(source, &|_| None).unwrap().notes;
        assert_eq!(notes.len(), 1, "{}.{}: {notes:?}", table.name, field.key);
        assert!(notes[0].message.starts_with(&format!("`{}` has no effect", field.key)), "{}", notes[0]);
        let without = config_with(table.name, field.key, &Value::Null);
        assert_eq!(everything(&plan(&config).unwrap()), everything(&plan(&without).unwrap()));
    }
}

#[test]
fn a_resource_that_is_not_selected_is_left_out() {
    let mut config = with(&[("/resources/0/selected", json!(false))]);
    assert!(problems(&config)[0].contains("there is no resource to export"));
    config["resources"].as_array_mut().unwrap().push(resource("u"));
    let names: Vec<_> = plan(&config).unwrap().resources.into_iter().map(|resource| resource.name).collect();
    assert_eq!(names, ["u"]);
}

#[test]
fn methods_that_change_something_or_bring_no_records_are_refused_with_the_reason() {
    let only_reads = "it changes what is there, and restlake only reads";
    for (method, reason) in [("put", only_reads), ("DELETE", only_reads), ("HEAD", "its answer has no records")] {
        let problems = problems(&config_with("endpoint", "method", &json!(method)));
        assert!(
            problems[0].starts_with(&format!("resources[0].endpoint.method: `{method}`: {reason}")),
            "{problems:?}"
        );
    }
}

#[test]
fn hints_that_begin_with_x_have_no_effect() {
    let config = config_with("column_hint", "x-normalizer", &json!({"a": 1}));
    assert!(plan(&config).is_ok());
}
