//! What wrong configs are told.

use serde_json::{Value, json};

use super::{base, plan_with, problems, with};
use crate::{
    config::{Source, Syntax, load},
    plan::{Overrides, resolve},
};

/// The problems of the base config with one change.
fn wrong(pointer: &str, value: Value) -> Vec<String> {
    problems(&with(&[(pointer, value)]))
}

/// The only problem.
fn only(pointer: &str, value: Value) -> String {
    let mut found = wrong(pointer, value);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_merge_needs_a_key_and_one_row_of_each() {
    let mut config = with(&[("/resources/0/write_disposition", json!("merge")), ("/resources/0/dedup", json!(false))]);
    assert!(problems(&config)[0].contains("merge keeps one row of each key"));
    config["resources"][0]["dedup"] = json!(true);
    for empty in [json!(null), json!([])] {
        config["resources"][0]["primary_key"] = empty;
        assert_eq!(
            problems(&config),
            ["resources[0].write_disposition: merge needs a key (set `primary_key`, or append)"]
        );
    }
}

#[test]
fn table_names_are_safe_directories() {
    for name in ["", ".", "..", "a/b", "a\\b", "_restlake", "_x", ".x", "a=b", "a*", "a\u{7}", &"x".repeat(256)] {
        let problem = only("/resources/0/table_name", json!(name));
        assert!(problem.starts_with("resources[0].table_name: a table's name cannot"), "{name}: {problem}");
    }
}

#[test]
fn two_resources_share_neither_a_name_nor_a_table() {
    let other = |name: &str, table: &str| {
        let mut config = base();
        let mut second = config["resources"][0].clone();
        second["name"] = json!(name);
        second["table_name"] = json!(table);
        config["resources"].as_array_mut().unwrap().push(second);
        problems(&config)
    };
    assert!(other("t", "u")[0].contains("the resource `t` stands here twice"));
    assert!(other("u", "T")[0].contains("another resource writes the table `T` already"));
}

#[test]
fn columns_that_differ_in_case_only_are_refused() {
    let columns = json!([{"name": "id", "type": "int64"}, {"name": "ID", "type": "int64"}]);
    assert!(only("/resources/0/schema/columns", columns).contains("the column `ID` is there already, as `id`"));
}

#[test]
fn a_name_that_means_two_columns_is_refused() {
    let columns =
        json!([{"name": "id", "source": "uuid", "type": "int64"}, {"name": "n", "source": "id", "type": "int64"}]);
    let problem = only("/resources/0/schema/columns", columns);
    assert!(problem.contains("`id` could mean the column `id` or the column `n`"), "{problem}");
}

#[test]
fn a_column_that_is_not_there_is_named_with_the_nearest() {
    let problem = only("/resources/0/partition_by", json!(["rename"]));
    assert_eq!(problem, "resources[0].partition_by[0]: there is no column `rename` (did you mean `renamed`?)");
    let problem = only("/destination/parquet/sort_by", json!(["rename"]));
    assert!(problem.starts_with("destination.parquet.sort_by[0]: no table has a column `rename`"), "{problem}");
}

#[test]
fn nested_columns_are_no_keys_no_partitions_and_have_no_order() {
    for (pointer, value) in [
        ("/resources/0/primary_key", json!("tags")),
        ("/resources/0/partition_by", json!("tags")),
        ("/destination/parquet/sort_by", json!("tags")),
        ("/destination/parquet/bloom_filter", json!("tags")),
        ("/resources/0/columns", json!({"tags": {"dedup_sort": "asc"}})),
    ] {
        let problem = only(pointer, value);
        assert!(problem.contains("list<string>") || problem.contains("have no order"), "{problem}");
    }
}

#[test]
fn a_transform_has_to_suit_the_type() {
    for (transform, suitable) in [
        ("identity", "id s d at renamed"),
        ("month", "at renamed"),
        ("hour", "at"),
        ("bucket[4]", "id s d at renamed"),
        ("truncate[4]", "id s d"),
    ] {
        for column in ["id", "s", "d", "at", "renamed", "tags"] {
            let config = with(&[("/resources/0/partition_by", json!([{"column": column, "transform": transform}]))]);
            let suits = suitable.split(' ').any(|name| name == column);
            assert_eq!(super::plan(&config).is_ok(), suits, "{transform} {column}");
        }
    }
    for data_type in ["float64", "binary", "json"] {
        let columns = json!([{"name": "id", "type": "int64"}, {"name": "x", "type": data_type}]);
        let changes = [("/resources/0/schema/columns", columns), ("/resources/0/partition_by", json!("x"))];
        assert!(problems(&with(&changes))[0].contains("cannot be partitioned by identity"));
    }
}

#[test]
fn partition_keys_do_not_collide_and_leave_a_column() {
    let twice = json!([{"column": "at", "transform": "month"}, {"column": "at", "transform": "month"}]);
    assert!(only("/resources/0/partition_by", twice).contains("partitioned by `at_month` already"));
    let columns =
        json!([{"name": "id", "type": "int64"}, {"name": "at", "type": "date"}, {"name": "at_year", "type": "int32"}]);
    let spec = json!([{"column": "at", "transform": "year"}]);
    let changes = [("/resources/0/schema/columns", columns), ("/resources/0/partition_by", spec)];
    assert!(problems(&with(&changes))[0].contains("`at_year` is the name of a column too"));
    let columns = json!([{"name": "id", "type": "int64"}]);
    let changes = [("/resources/0/schema/columns", columns), ("/resources/0/partition_by", json!("id"))];
    assert!(problems(&with(&changes))[0].contains("every column is a partition column"));
}

#[test]
fn a_format_has_to_suit_the_type() {
    for (data_type, format) in [
        ("int64", "%Y"),
        ("date", "epoch_s"),
        ("timestamp", "hex"),
        ("binary", "%Y"),
        ("timestamp", "iso"),
        ("date", "%Y-%!"),
        ("timestamp", "%F %T %Z"),
        ("timestamp", "%d/%m/%Y %H"),
        ("list<date>", "%Y-%m"),
    ] {
        let problem = only("/resources/0/schema/columns/1", json!({"name": "s", "type": data_type, "format": format}));
        assert!(problem.starts_with("resources[0].schema.columns[1].format: "), "{problem}");
    }
}

#[test]
fn a_type_error_says_what_is_wrong_with_it() {
    let problem = only("/resources/0/schema/columns/1/type", json!("list<strng>"));
    assert!(problem.starts_with("resources[0].schema.columns[1].type: `list<strng>`: "), "{problem}");
}

#[test]
fn a_base_url_is_http_and_has_neither_credentials_nor_a_query() {
    for (url, message) in [
        ("ftp://a.example", "http or https"),
        ("api.example.com", "`api.example.com` has no scheme"),
        ("api.example.com:8443/v1", "`api.example.com:8443/v1` has no scheme"),
        ("https://a b/", "`https://a b/` is no URL"),
        ("https://u:p@a.example", "credentials do not belong"),
        ("https://a.example/?key=1", "no query"),
    ] {
        assert!(only("/client/base_url", json!(url)).contains(message), "{url}");
    }
}

#[test]
fn a_list_of_pages_has_to_end() {
    let paginator = json!({"type": "offset", "limit": 1, "total_path": null, "stop_after_empty_page": false});
    assert!(only("/client/paginator", paginator).contains("nothing would ever end"));
}

#[test]
fn a_value_of_a_paginator_has_one_place_and_an_overlap_leaves_room() {
    for (paginator, problem) in [
        (
            json!({"type": "offset", "limit": 1, "offset_param": "o", "offset_body_path": "o"}),
            "two places for one value",
        ),
        (json!({"type": "page_number", "page_param": "p", "page_body_path": "p"}), "two places for one value"),
        (json!({"type": "cursor", "cursor_param": "c", "cursor_body_path": "c"}), "two places for one value"),
        (json!({"type": "page_number", "page_param": ""}), "cannot be empty"),
        (json!({"type": "offset", "limit": 1, "offset_body_path": "a[0]"}), "a path of keys"),
        (json!({"type": "offset", "limit": 5, "overlap": 5}), "`overlap` has to be less than `limit`"),
        (json!({"type": "header_cursor", "cursor_param": ""}), "cannot be empty"),
        (json!({"type": "header_cursor", "cursor_key": "X Next"}), "a header's name"),
        (json!({"type": "header_link", "header": "Next Page"}), "a header's name"),
        (json!({"type": "page_number", "total_header": "X-Total:"}), "a header's name"),
        (json!({"type": "offset", "limit": 1, "limit_param": "offset"}), "take each other's place"),
        (
            json!({"type": "offset", "limit": 1, "offset_body_path": "p", "limit_body_path": "p.q"}),
            "take each other's place",
        ),
        (json!({"type": "cursor", "cursor_path": "a[?(@.x=1]"}), "expected a path"),
    ] {
        let found = only("/client/paginator", paginator.clone());
        assert!(found.contains(problem), "{paginator}: {found}");
    }
}

#[test]
fn a_value_in_the_body_wants_an_object_there() {
    for (body, problem) in [(json!({"json": ["x"]}), "wants an object"), (json!({"data": "x"}), "wants a body of JSON")]
    {
        let mut endpoint = body;
        endpoint["paginator"] = json!({"type": "cursor", "cursor_body_path": "p"});
        let found = only("/resources/0/endpoint", endpoint);
        assert!(found.contains(problem), "{found}");
    }
}

#[test]
fn other_auths_and_paginators_are_told_apart_from_mistakes() {
    let problem = only("/client/paginator", json!({"type": "ofset", "limit": 1}));
    let expected = "client.paginator.type: there is no paginator `ofset` (did you mean `offset`? supported: `auto`, ";
    assert!(problem.starts_with(expected), "{problem}");
    assert!(only("/client/paginator", json!("offset")).contains("the paginator `offset` needs `limit`"));
    assert!(only("/client/paginator", json!({"limti": 1})).contains("unknown key `limti`"));
}

#[test]
fn credentials_are_not_empty_and_headers_are_one_line() {
    assert!(only("/client/auth", json!({"token": ""})).contains("`token` is empty"));
    assert!(only("/client/auth", json!({"token": "a\nb"})).contains("line break"));
    assert!(only("/client/headers", json!({"X A": "1"})).contains("no name of a header"));
    assert!(only("/client/headers", json!({"X-A": "1\r\nB: 2"})).contains("one line"));
}

#[test]
fn what_was_filled_in_is_shown_unless_its_place_or_the_variable_is_one_of_secrets() {
    for (pointer, value, is_shown) in [
        ("/client/timeout", json!("${KEY}"), true),
        ("/client/timeout", json!("${BOT_TOKEN}"), false),
        ("/client/max_concurrency", json!("${KEY}"), true),
        ("/resources/0/write_disposition", json!("${KEY}"), true),
        ("/resources/0/endpoint/data_selector", json!("a[?${BOT_TOKEN}]"), false),
        ("/client/base_url", json!("${KEY}"), true),
        ("/client/base_url", json!("a/${BOT_TOKEN}"), false),
        ("/client/auth", json!({"type": "${KEY}", "token": "x"}), false),
        ("/client/auth", json!({"type": "api_key", "api_key": "x", "location": "${KEY}"}), false),
    ] {
        let problem = only(pointer, value);
        assert_eq!(problem.contains("from-env"), is_shown, "{problem}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let config = with(&[
        ("/client/timeot", json!("5s")),
        ("/resources/0/partition_by", json!(["nothing"])),
        ("/resources/0/schema/columns/0/type", json!("int46")),
        ("/destination/parquet/compression", json!("zstd(99)")),
    ]);
    // The partition column is not looked up while the schema is wrong: it may be the very column that is.
    let paths: Vec<_> = problems(&config).iter().map(|problem| problem.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["client.timeot", "resources[0].schema.columns[0].type", "destination.parquet.compression"]);
}

#[test]
fn what_is_missing_as_a_whole_is_missing_once() {
    let missing = |key: &str| {
        let mut config = base();
        config.as_object_mut().unwrap().remove(key);
        problems(&config)
    };
    let found = missing("client");
    assert!(found.len() == 1 && found[0].contains("`client` is missing"), "{found:?}");
    assert_eq!(missing("resources").len(), 1);
    assert!(only("/resources", json!([])).contains("there is no resource to export"));
}

#[test]
fn a_secret_that_stands_in_the_file_is_neither_in_a_message_nor_in_the_text_beside_it() {
    let text = r#"{"client": {"base_url": "https://a.example", "auth": {"token": 987654321}, "headers": {"X-Api-Key": "häder"}},
        "destination": {"options": {"secret_access_key": "s3cr3t-k", "region": "us"}}, "resources": []}"#;
    let source = Source::Embedded { name: "c.yaml".into(), text: text.into(), syntax: Syntax::Yaml };
    let found = resolve(&load(source, &|_| None).unwrap(), &Overrides::default()).unwrap_err();
    let shown = format!("{found:?}");
    assert!(!shown.contains("987654321") && !shown.contains("häder") && !shown.contains("s3cr3t-k"), "{shown}");
    assert!(shown.contains("expected text, found a number") && shown.contains("us"), "{shown}");
    assert_eq!(found.sources[0].text.len(), text.len());
}

/// All that is told of a wrong config: its problems, and the texts that are shown beside them.
fn told(text: &str) -> String {
    told_of(text, Syntax::Yaml)
}

fn told_of(text: &str, syntax: Syntax) -> String {
    let source = Source::Embedded { name: "c".into(), text: text.into(), syntax };
    let found = resolve(&load(source, &|_| Some("from-env".into())).unwrap(), &Overrides::default()).unwrap_err();
    assert_eq!(found.sources[0].text.len(), text.len());
    format!("{found:?}")
}

#[test]
fn a_secret_under_a_key_that_is_misspelt_or_not_supported_is_not_in_the_text_beside_the_problem() {
    for client in [
        "auth: {type: http_basic, username: u, pasword: hunter2}",
        "auth: {type: http_basc, username: u, pasword: hunter2}",
        "auth: {tokn: hunter2}",
        "auth: {type: oauth2_client_credentials, client_secrt: hunter2}",
        "auth: [hunter2]",
        "auth: hunter2",
        "auht: {pasword: hunter2}",
        "heders: {Authorization: hunter2}",
        "session: {deep: [{password: hunter2}]}",
        "my_password: hunter2",
    ] {
        let text = format!("client: {{base_url: 'https://a.example', {client}}}\nresources: []\n");
        let told = told(&text);
        assert!(!told.contains("hunter2") && told.contains("https://a.example"), "{client}: {told}");
    }
}

#[test]
fn a_hidden_table_keeps_its_keys_whatever_the_format_counts_to_it() {
    let text = "resources = []\n[client]\nbase_url = 'https://a.example'\n[client.auht]\npasword = 'hunter2'\n";
    let told = told_of(text, Syntax::Toml);
    assert!(!told.contains("hunter2") && told.contains("[client.auht]") && told.contains("pasword = "), "{told}");
}

#[test]
fn a_filled_in_credential_in_place_of_an_auth_is_not_told() {
    let told = told("client: {base_url: 'https://a.example', auth: '${KEY}'}\nresources: []\n");
    assert!(!told.contains("from-env") && told.contains("there is no such auth"), "{told}");
}

#[test]
fn what_is_misspelt_and_no_secret_stays_readable() {
    let told = told("client: {base_url: 'https://a.example', timeot: 17s}\nresources: []\n");
    assert!(told.contains("timeot: 17s"), "{told}");
}

#[test]
fn a_password_in_a_base_url_is_not_shown_by_the_error_that_forbids_it() {
    for url in ["https://user:hunter2@a.example", "https://user:hunter2", "ftp://u:hunter2@a", "https://a/?key=hunter2"]
    {
        let told = told(&format!("client: {{base_url: '{url}'}}\nresources: []\n"));
        assert!(!told.contains("hunter2") && told.contains("client.base_url"), "{told}");
    }
}

#[test]
fn a_default_of_a_secret_and_a_text_beside_a_variable_are_hidden_and_a_variable_alone_is_not() {
    let told = told(
        "client: {base_url: 'https://a.example', auth: {type: api_key, api_key: '${NONE:-hunter2}'}, headers: \
         {X-Api-Key: 'hunter3${KEY}', X-Token: '${KEY}'}}\nresources: []\n",
    );
    assert!(!told.contains("hunter") && told.contains("X-Token: '${KEY}'"), "{told}");
}

#[test]
fn an_option_that_the_store_does_not_know_is_found_without_asking_the_store() {
    let changes =
        |url: &str| with(&[("/destination/url", json!(url)), ("/destination/options", json!({"acces_key_id": "x"}))]);
    let plan = |url: &str| plan_with(&changes(url).to_string(), &Overrides::default());
    let problems = plan("s3://bucket/lake").unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("destination.options.acces_key_id") && problems[0].contains("access_key_id"),
        "{problems:?}"
    );
    assert!(plan("ftp://host/lake").unwrap_err()[0].contains("destination.url"));
    let local = plan("./lake").unwrap();
    assert!(local.resources[0].warnings[0].contains("no effect"), "{:?}", local.resources[0].warnings);
}

#[test]
fn a_destination_of_the_command_line_is_judged_as_the_command_lines() {
    let overrides = Overrides { destination: Some("ftp://host".into()), ..Overrides::default() };
    let problems = plan_with(&base().to_string(), &overrides).unwrap_err();
    assert!(problems[0].contains("--destination"), "{problems:?}");
}

#[test]
fn the_digits_of_a_decimal_are_told_at_the_hint_that_is_wrong() {
    for (hint, at) in [
        (json!({"precision": 39}), "precision: a decimal has at most 38"),
        (json!({"precision": 0}), "precision: a decimal has at least one"),
        (json!({"precision": 1}), "precision: a decimal of 1 digits"),
        (json!({"scale": 11}), "scale: a decimal of 10 digits"),
    ] {
        let problem = only("/resources/0/columns", json!({"d": hint}));
        assert!(problem.starts_with(&format!("resources[0].columns.d.{at}")), "{problem}");
    }
}

#[test]
fn a_list_of_hints_is_judged_item_by_item_at_the_places_of_the_list() {
    let told = |hints: Value| only("/resources/0/columns", hints);
    assert!(told(json!([{"name": "nothing"}])).starts_with("resources[0].columns[0]: there is no column `nothing`"));
    assert!(told(json!([{"data_type": "text"}])).starts_with("resources[0].columns[0]: `name` is missing"));
    let twice = told(json!([{"name": "s"}, {"name": "s"}]));
    assert!(twice.starts_with("resources[0].columns[1].name: the column `s` is there already"), "{twice}");
    assert!(told(json!([{"name": 5}])).starts_with("resources[0].columns[0].name: expected text"));
    assert!(told(json!(["s"])).starts_with("resources[0].columns[0]: expected an object"));
    let typo = told(json!([{"name": "s", "data_typ": "text"}]));
    assert!(typo.starts_with("resources[0].columns[0].data_typ: unknown key"), "{typo}");
}

#[test]
fn credentials_in_the_destinations_url_are_refused_and_not_shown() {
    for url in ["s3://KEY:hunter2@bucket/x", "az://c/p?sig=hunter2", "s3://bucket/x#hunter2"] {
        let told =
            told(&format!("client: {{base_url: 'https://a.example'}}\nresources: []\ndestination: {{url: '{url}'}}\n"));
        assert!(!told.contains("hunter2") && told.contains("`destination.options`"), "{told}");
    }
}

#[test]
fn response_actions_say_which_answers_they_are_for_and_are_no_functions() {
    let actions = "/resources/0/endpoint";
    let problem = |action: Value| only(actions, json!({"response_actions": [action]}));
    assert!(problem(json!({"action": "ignore"})).contains("nothing says which answers this is for"));
    assert!(problem(json!({"action": "ignore", "content": ""})).contains("nothing says which answers"));
    assert!(problem(json!({"status_code": 404})).contains("`action` is missing"));
    assert!(problem(json!({"status_code": 99, "action": "stop"})).contains("from 100 to 599"));
    assert!(problem(json!({"status_code": "4xx", "action": "stop"})).contains("a status from 100 to 599"));
    let message = problem(json!({"status_code": 404, "action": "ignore", "message": "m"}));
    assert!(message.contains("tells no message"), "{message}");
    let dumped = problem(json!("<function set_encoding at 0x7f>"));
    assert!(dumped.contains("response_actions[0]") && dumped.contains("expected an object"), "{dumped}");
    let dumped = problem(json!({"status_code": 200, "action": "<function f at 0x7f>"}));
    assert!(dumped.contains("response_actions[0].action") && dumped.contains("`ignore`, `retry`"), "{dumped}");
}

#[test]
fn csv_needs_names_and_a_format_that_is_csv() {
    let problem = |endpoint: Value| only("/resources/0/endpoint", endpoint);
    assert!(problem(json!({"csv": {"header": false}})).contains("nothing tells the columns' names"));
    assert!(problem(json!({"csv": {"columns": ["a", "a"]}})).contains("the column `a` stands here twice"));
    assert!(problem(json!({"csv": {}, "format": "ndjson"})).contains("and `format` is `ndjson`"));
    assert!(problem(json!({"csv": {"delimiter": "ab"}})).contains("one ASCII character"));
    assert!(problem(json!({"csv": {"delimiter": "\""}})).contains("cannot both part cells and quote them"));
    assert!(problem(json!({"format": "xml"})).contains("expected `json`, `ndjson` or `csv`"));
}

#[test]
fn programs_and_paths_are_compiled_where_they_stand() {
    let step = |step: Value| only("/resources/0/processing_steps", json!([step]));
    assert!(step(json!({"filter": ".a | foo"})).contains("jq knows no filter `foo`"));
    assert!(step(json!({"map": "env.HOME"})).contains("a program sees its record and nothing else"));
    assert!(step(json!({})).contains("this step does nothing"));
    assert!(step(json!({"yield_map": "<function f at 0x7f>"})).contains("processing_steps[0].yield_map"));
    let path = only("/resources/0/endpoint", json!({"data_selector": "data[?@.a = 1]"}));
    assert!(path.contains("no JSONPath of RFC 9535"), "{path}");
}

/// The base config without a schema, with these keys of its resource.
fn undeclared(keys: Value) -> Vec<String> {
    let mut config = base();
    config["resources"][0].as_object_mut().unwrap().remove("schema");
    for (key, value) in keys.as_object().unwrap() {
        config["resources"][0][key] = value.clone();
    }
    match plan_with(&config.to_string(), &Overrides::default()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    }
}

#[test]
fn what_no_column_could_mend_is_told_before_the_columns_are_known() {
    let scd2 = |key: &str, value: Value| json!({"disposition": "merge", "strategy": "scd2", key: value});
    for (keys, problem) in [
        (json!({"write_disposition": scd2("validity_column_names", json!(["a"]))}), "expected two names"),
        (json!({"columns": {"t": {"data_type": "timestamp", "format": "%Q"}}}), "format"),
        (json!({"columns": {"t": {"data_type": "text", "format": "%d/%m/%Y"}}}), "does not suit the type string"),
        (json!({"columns": {"n": {"data_type": "decimal", "precision": 5, "scale": 7}}}), "a decimal of 5 digits"),
        (json!({"columns": {"n": {"data_type": "decimal", "precision": 50, "scale": 2}}}), "at most 38 digits"),
        (json!({"columns": {"n": {"dedup_sort": "asc"}}, "primary_key": null}), "`dedup_sort` needs a `primary_key`"),
        (json!({"on_missing": "delete", "write_disposition": "append"}), "`append` never deletes a row"),
        (json!({"partition_by": ["id", "id"]}), "partition_by"),
        (
            json!({"partition_by": [{"column": "d", "transform": "hour"}], "columns": {"d": {"data_type": "date"}}}),
            "hour",
        ),
        (
            json!({"partition_by": "_extracted_at", "metadata_columns": {"extracted_at": "_extracted_at"}}),
            "readers skip",
        ),
    ] {
        let found = undeclared(keys.clone());
        assert!(found.len() == 1 && found[0].contains(problem), "{keys}: {found:?}");
    }
}

#[test]
fn what_some_columns_would_suit_is_left_to_those_that_come() {
    for keys in [
        json!({"primary_key": ["id", "userId"], "naming": "snake_case", "columns": {"userId": {"nullable": false}}}),
        json!({"partition_by": ["id"]}),
        json!({"partition_by": [{"column": "t", "transform": "hour"}, {"column": "n", "transform": "truncate[3]"}, "b"]}),
        json!({"columns": {"t": {"format": "%d/%m/%Y"}, "h": {"format": "hex"}, "e": {"format": "epoch_ms"}}}),
        json!({"columns": {"gone": {"hard_delete": true}, "v": {"dedup_sort": "desc"}}, "write_disposition": "merge", "primary_key": "id"}),
        json!({"write_disposition": {"disposition": "merge", "strategy": "scd2"}, "merge_key": "id"}),
        json!({
            "metadata_columns": {"extracted_at": "loaded_at"},
            "partition_by": [{"column": "loaded_at", "transform": "day"}],
        }),
        json!({"metadata_columns": ["page"], "partition_by": ["page"]}),
        json!({
            "write_disposition": {"disposition": "merge", "strategy": "scd2", "validity_column_names": ["valid_from", "valid_to"]},
            "partition_by": [{"column": "valid_from", "transform": "month"}],
        }),
        json!({
            "columns": {"deleted_at": {"hard_delete": true}},
            "partition_by": [{"column": "deleted_at", "transform": "month"}],
            "write_disposition": "merge",
            "primary_key": "id",
        }),
    ] {
        assert_eq!(undeclared(keys.clone()), Vec::<String>::new(), "{keys}");
    }
}

#[test]
fn what_is_wrong_with_a_cursor_is_told_whatever_is_wrong_with_the_paginator() {
    let endpoint = json!({
        "path": "a",
        "paginator": {"type": "offset", "limit": 0},
        "incremental": {"cursor_path": "at", "initial_value": 5, "end_value": 3},
    });
    let found = undeclared(json!({ "endpoint": endpoint })).join("\n");
    assert!(found.contains("paginator.limit") && found.contains("end_value"), "{found}");
}

#[test]
fn how_a_message_is_sent_is_not_said_by_its_headers() {
    for pointer in ["/client/headers", "/resources/0/endpoint/headers"] {
        let kept = with(&[(pointer, json!({"Connection": "keep-alive"}))]).to_string();
        assert!(plan_with(&kept, &Overrides::default()).is_ok());
        for name in ["Content-Length", "transfer-encoding"] {
            assert!(only(pointer, json!({name: "5"})).contains("is for the connection to say"), "{pointer} {name}");
        }
    }
}

#[test]
fn a_resource_that_is_nothing_but_a_path_of_several_parts_has_a_table_of_one() {
    let mut config = base();
    config["resources"][0] = json!("v1/users");
    let plan = plan_with(&config.to_string(), &Overrides::default()).unwrap();
    assert_eq!((plan.resources[0].name.as_str(), plan.resources[0].table.as_str()), ("v1/users", "v1_users"));
    config["resources"] = json!(["v1/users", {"name": "/v1/users", "endpoint": "a"}, "v1_users"]);
    let found = problems(&config).join("\n");
    assert_eq!(found.matches("another resource writes the table `v1_users` already").count(), 2, "{found}");
}

#[test]
fn what_was_meant_in_another_place_shape_or_unit_is_told() {
    let resource = |key: &str, value: Value| (format!("/resources/0/{key}"), value);
    let client = |key: &str, value: Value| (format!("/client/{key}"), value);
    for ((place, written), wanted) in [
        (resource("incremental", json!({"cursor_path": "at"})), "it belongs into `endpoint`"),
        (resource("columns", json!({"id": {"type": "int64"}})), "did you mean `data_type`?"),
        (resource("page_size", json!(100)), "`endpoint: {params: {page_size: 100}}` in the resource"),
        (client("per_page", json!(50)), "`endpoint: {params: {per_page: 50}}` in the resource"),
        (("/destination/region".to_owned(), json!("eu-west-1")), "`options: {region: eu-west-1}`"),
        (client("rate_limit", json!("10/5s")), "write `rate_limit: {requests: 10, per: 5s}`"),
        (resource("write_disposition", json!("upsert")), "did you mean `merge`?"),
        (resource("write_disposition", json!("overwrite")), "did you mean `replace`?"),
        (client("timeout", json!(60)), "write it with its unit: `timeout: 60s`"),
        (client("max_concurrency", json!("16")), "write it without quotes: `max_concurrency: 16`"),
        (client("base_url", json!("localhost:8080")), "write it whole: `http://localhost:8080`"),
        (client("base_url", json!("“https://a.example”")), "quotes nothing"),
        (("/destination/url".to_owned(), json!("~/lake")), "write `${HOME}/lake`"),
        (
            resource("endpoint", json!({"path": "a", "params": {"filter": {"status": "open"}}})),
            "`\"filter[status]\": open`",
        ),
        (resource("endpoint", json!({"method": "POST", "json": "{\"a\": 1}"})), "`json: {key: value}`"),
        (resource("primary_key", json!("")), "expected the name of a column"),
    ] {
        let told = only(&place, written);
        assert!(told.contains(wanted), "{place}: {told}");
    }
}

#[test]
fn no_hint_shows_what_may_be_a_secret() {
    for (place, written) in [
        ("/resources/0/endpoint", json!({"path": "a", "params": {"api_key": {"value": "hunter2"}}})),
        ("/resources/0/endpoint", json!({"path": "a", "params": {"a": {"token": "hunter2"}}})),
        ("/resources/0/secret", json!("/hunter2")),
        ("/resources/0/passwd", json!("hunter2")),
        ("/destination/account_key", json!("hunter2")),
        ("/destination/access_key_id", json!("hunter2")),
        ("/client/token", json!("hunter2")),
        ("/client/auth", json!({"username": "hunter2", "password": "hunter2"})),
        ("/client/auth", json!({"type": "hunter2"})),
    ] {
        let told = only(place, written);
        assert!(!told.contains("hunter2"), "{place}: {told}");
    }
}

#[test]
fn a_name_that_looks_like_several_columns_or_a_transform_is_told_before_columns_are_inferred() {
    let plan = |keys: &[(&str, Value)]| plan_with(&with(keys).to_string(), &Overrides::default()).unwrap();
    let inferred = plan(&[
        ("/resources/0/schema", Value::Null),
        ("/resources/0/primary_key", json!("id, name")),
        ("/resources/0/partition_by", json!("months(created_at)")),
    ]);
    let warnings = inferred.resources[0].warnings.join("\n");
    assert!(warnings.contains("several columns are a list: `[id, name]`"), "{warnings}");
    assert!(warnings.contains("`{column: created_at, transform: month}`"), "{warnings}");
    let told = only("/resources/0/primary_key", json!("id, name"));
    assert!(told.contains("several columns are a list: `[id, name]`"), "{told}");
}

#[test]
fn keys_of_a_paginator_or_an_auth_tell_the_type_that_is_missing() {
    for (place, written, wanted) in [
        ("/client/paginator", json!({"limit": 100}), "a paginator with these keys needs a `type` (add `type: offset`)"),
        ("/client/paginator", json!({"next_url_path": "next"}), "(add `type: json_link`)"),
        (
            "/client/auth",
            json!({"username": "u", "password": "p"}),
            "an auth with these keys needs a `type` (add `type: http_basic`)",
        ),
        (
            "/client/auth",
            json!({"type": "basic", "username": "u"}),
            "there is no auth `basic` (did you mean `http_basic`?",
        ),
    ] {
        let told = only(place, written);
        assert!(told.contains(wanted), "{told}");
    }
    let told = only("/client/paginator", json!({"limti": 100}));
    assert!(told.contains("(keys here: `total_path`, `total_header`; is a `type` missing?)"), "{told}");
}

#[test]
fn who_wants_to_know_of_a_list_that_moves_is_told_where_nothing_shows_it() {
    let warnings = |paginator: Value| {
        let endpoint = json!({"path": "a", "on_drift": "fail", "paginator": paginator});
        let plan = plan_with(&with(&[("/resources/0/endpoint", endpoint)]).to_string(), &Overrides::default()).unwrap();
        plan.resources[0].warnings.iter().filter(|warning| warning.contains("none that go")).count()
    };
    for kind in ["offset", "page_number"] {
        let paginator = |rest: Value| {
            let mut paginator = rest;
            paginator["type"] = kind.into();
            if kind == "offset" {
                paginator["limit"] = json!(10);
            }
            paginator
        };
        assert_eq!(warnings(paginator(json!({"total_path": null}))), 1, "{kind}");
        assert_eq!(warnings(paginator(json!({"total_path": null, "overlap": 1}))), 0, "{kind}");
        assert_eq!(warnings(paginator(json!({}))), 0, "{kind}");
    }
}
