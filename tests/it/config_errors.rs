//! What a user sees of a config that is wrong: the same problems at the right places in YAML, JSON and TOML, all at once.

use std::{fs, path::Path, process::Command};

use insta::assert_snapshot;
use restlake::{
    config::{Loaded, Problems, Source, load},
    plan::{Overrides, Transform, resolve},
    write::{TableWriter, WriteOptions},
};
use serde_json::json;
use tempfile::TempDir;

const SEED_YAML: &str = r#"
name: test_management
client:
  base_url: https://api.example.com
  headers: {X-Team: qa}
  auth: {type: api_key, name: api_key, api_key: "${API_KEY}", location: query}
  paginator: {type: offset, limit: 100}
  max_concurrency: 16
  rate_limit: {requests: 10, per: 1s}
  timeout: 60s
  retry: {max_attempts: 5, initial_backoff: 1s, max_backoff: 300s, max_elapsed: 30m}
resource_defaults:
  primary_key: id
  write_disposition: merge
resources:
  - name: test_cases
    endpoint:
      path: /v1/test_cases
      params: {archived: false}
      data_selector: data
      paginator: {type: offset, limit: 100}
    schema: schemas/test_cases.yaml
    partition_by: [status, {column: created_at, transform: month}]
destination:
  url: ./lake
  options: {endpoint: "http://127.0.0.1:9000", access_key_id: "${KEY}", secret_access_key: "${SECRET}", allow_http: true, region: us-east-1}
  table_format: parquet
  parquet: {compression: zstd(3), target_file_size: 256MB, row_group_rows: 250000, bloom_filter: [test_case_id], sort_by: [created_at]}
"#;

const SEED_TOML: &str = r#"
name = "test_management"

[client]
base_url = "https://api.example.com"
headers = {X-Team = "qa"}
auth = {type = "api_key", name = "api_key", api_key = "${API_KEY}", location = "query"}
paginator = {type = "offset", limit = 100}
max_concurrency = 16
rate_limit = {requests = 10, per = "1s"}
timeout = "60s"
retry = {max_attempts = 5, initial_backoff = "1s", max_backoff = "300s", max_elapsed = "30m"}

[resource_defaults]
primary_key = "id"
write_disposition = "merge"

[[resources]]
name = "test_cases"
schema = "schemas/test_cases.yaml"
partition_by = ["status", {column = "created_at", transform = "month"}]

[resources.endpoint]
path = "/v1/test_cases"
params = {archived = false}
data_selector = "data"
paginator = {type = "offset", limit = 100}

[destination]
url = "./lake"
options = {endpoint = "http://127.0.0.1:9000", access_key_id = "${KEY}", secret_access_key = "${SECRET}", allow_http = true, region = "us-east-1"}
table_format = "parquet"
parquet = {compression = "zstd(3)", target_file_size = "256MB", row_group_rows = 250000, bloom_filter = ["test_case_id"], sort_by = ["created_at"]}
"#;

const SEED_JSON: &str = r#"{
  "name": "test_management",
  "client": {
    "base_url": "https://api.example.com",
    "headers": {"X-Team": "qa"},
    "auth": {"type": "api_key", "name": "api_key", "api_key": "${API_KEY}", "location": "query"},
    "paginator": {"type": "offset", "limit": 100},
    "max_concurrency": 16,
    "rate_limit": {"requests": 10, "per": "1s"},
    "timeout": "60s",
    "retry": {"max_attempts": 5, "initial_backoff": "1s", "max_backoff": "300s", "max_elapsed": "30m"}
  },
  "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
  "resources": [{
    "name": "test_cases",
    "endpoint": {
      "path": "/v1/test_cases", "params": {"archived": false}, "data_selector": "data",
      "paginator": {"type": "offset", "limit": 100}
    },
    "schema": "schemas/test_cases.yaml",
    "partition_by": ["status", {"column": "created_at", "transform": "month"}]
  }],
  "destination": {
    "url": "./lake",
    "options": {"endpoint": "http://127.0.0.1:9000", "access_key_id": "${KEY}", "secret_access_key": "${SECRET}",
                "allow_http": true, "region": "us-east-1"},
    "table_format": "parquet",
    "parquet": {"compression": "zstd(3)", "target_file_size": "256MB", "row_group_rows": 250000,
                "bloom_filter": ["test_case_id"], "sort_by": ["created_at"]}
  }
}"#;

/// A directory with these files, and the seed's schema.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("schemas")).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/test_cases.yaml");
    fs::copy(schema, directory.path().join("schemas/test_cases.yaml")).unwrap();
    files.iter().for_each(|(name, text)| fs::write(directory.path().join(name), text).unwrap());
    directory
}

fn variables(name: &str) -> Option<String> {
    ["API_KEY", "KEY", "SECRET"].contains(&name).then(|| format!("value-of-{name}"))
}

fn loaded(directory: &TempDir, file: &str) -> Result<Loaded, Problems> {
    load(Source::File(directory.path().join(file)), &variables)
}

/// The problems of a config, a line each, without the directory that the test made.
fn problems(directory: &TempDir, file: &str) -> String {
    let problems = match loaded(directory, file) {
        Ok(loaded) => resolve(&loaded, &Overrides::default()).expect_err("the config should be wrong"),
        Err(problems) => problems,
    };
    lines(directory, &problems)
}

fn lines(directory: &TempDir, problems: &Problems) -> String {
    let lines: Vec<_> = problems.problems.iter().map(ToString::to_string).collect();
    lines.join("\n").replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn the_seed_config_gives_one_plan_in_three_formats() {
    let files = [("export.yaml", SEED_YAML), ("export.json", SEED_JSON), ("export.toml", SEED_TOML)];
    let directory = directory(&files);
    let plans = files.map(|(file, _)| {
        let loaded = loaded(&directory, file).unwrap();
        assert_eq!(loaded.notes, []);
        let plan = resolve(&loaded, &Overrides::default()).map_err(|found| lines(&directory, &found)).unwrap();
        serde_json::to_string_pretty(&plan).unwrap()
    });
    assert_eq!(plans[0], plans[1]);
    assert_eq!(plans[0], plans[2]);
    assert!(plans[0].contains("\"path\": \"/v1/test_cases\""), "{}", plans[0]);
    assert!(!plans[0].contains("value-of-"), "a secret is in the plan's JSON");
}

#[test]
fn the_same_mistakes_are_found_in_the_three_formats_each_at_its_place() {
    let yaml = "client:
  base_url: https://a.example
  timeout: 60
  paginatr: {type: offset, limit: 100}
resources:
  - name: t
    endpoint: {path: /t, paginator: {type: offset, limit: many}}
    schema: {columns: [{name: id, type: \"list<intt>\"}]}
";
    let json = r#"{
  "client": {"base_url": "https://a.example", "timeout": 60,
    "paginatr": {"type": "offset", "limit": 100}},
  "resources": [{"name": "t",
    "endpoint": {"path": "/t", "paginator": {"type": "offset", "limit": "many"}},
    "schema": {"columns": [{"name": "id", "type": "list<intt>"}]}}]
}"#;
    let toml = "[client]
base_url = \"https://a.example\"
timeout = 60
paginatr = {type = \"offset\", limit = 100}
[[resources]]
name = \"t\"
endpoint = {path = \"/t\", paginator = {type = \"offset\", limit = \"many\"}}
schema = {columns = [{name = \"id\", type = \"list<intt>\"}]}
";
    let directory = directory(&[("c.yaml", yaml), ("c.json", json), ("c.toml", toml)]);
    assert_snapshot!(problems(&directory, "c.yaml"), @r###"
    c.yaml:3:12: client.timeout: expected a duration such as `50ms`, `10s`, `5m`, `2h` or `7d`, found the number 60 (write it with its unit: `timeout: 60s`)
    c.yaml:4:3: client.paginatr: unknown key `paginatr` (did you mean `paginator`?)
    c.yaml:7:59: resources[0].endpoint.paginator.limit: expected a whole number, found `many`
    c.yaml:8:47: resources[0].schema.columns[0].type: `list<intt>`: unknown type `intt`, did you mean `int8`? (expected a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`)
    "###);
    assert_snapshot!(problems(&directory, "c.json"), @r###"
    c.json:2:58: client.timeout: expected a duration such as `50ms`, `10s`, `5m`, `2h` or `7d`, found the number 60 (write it with its unit: `timeout: 60s`)
    c.json:3:5: client.paginatr: unknown key `paginatr` (did you mean `paginator`?)
    c.json:5:73: resources[0].endpoint.paginator.limit: expected a whole number, found `many`
    c.json:6:57: resources[0].schema.columns[0].type: `list<intt>`: unknown type `intt`, did you mean `int8`? (expected a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`)
    "###);
    assert_snapshot!(problems(&directory, "c.toml"), @r###"
    c.toml:3:11: client.timeout: expected a duration such as `50ms`, `10s`, `5m`, `2h` or `7d`, found the number 60 (write it with its unit: `timeout: 60s`)
    c.toml:4:1: client.paginatr: unknown key `paginatr` (did you mean `paginator`?)
    c.toml:7:64: resources[0].endpoint.paginator.limit: expected a whole number, found `many`
    c.toml:8:49: resources[0].schema.columns[0].type: `list<intt>`: unknown type `intt`, did you mean `int8`? (expected a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`)
    "###);
}

#[test]
fn a_data_file_that_s3_could_not_copy_is_refused_where_its_size_stands() {
    let config = |size: &str| {
        format!(
            "client: {{base_url: \"https://a.example\", paginator: single_page}}
resources: [{{name: t, schema: {{columns: [{{name: id, type: int64}}]}}}}]
destination:
  url: ./lake
  parquet: {{target_file_size: {size}}}
"
        )
    };
    let directory = directory(&[("large.yaml", &config("6GB")), ("largest.yaml", &config("5GB"))]);
    assert_snapshot!(problems(&directory, "large.yaml"), @"large.yaml:5:31: destination.parquet.target_file_size: expected a size of at most 5GB, such as `256MB` or `1GiB`, found `6GB`");
    assert!(loaded(&directory, "largest.yaml").is_ok());
}

#[test]
fn problems_of_the_config_and_of_the_schema_files_it_names_come_together() {
    let yaml =
        "client: {base_url: \"${BASE}\", auth: {token: \"${TOKEN:-}\"}, retry: {max_attempts: 0, max_backoff: 5 min}}
resource_defaults: {schema: common.yaml, paginator: offset}
resources:
  - name: a
    primary_key: idd
    write_disposition: upsert
  - {name: b, schema: missing.yaml, dedup: yes, columns: {id: {data_typ: text}}}
  - 7
destination: {url: ./lake, parquet: {compression: brotli, sort_by: {a: b}}}
";
    let schema = "columns:
  - {name: id, type: int64, nulable: false}
  - {nam: x, type: decimal(50,2)}
  - {name: ID, type: struct<a int64>}
contract: {columns: evolve}
";
    let directory = directory(&[("c.yaml", yaml), ("common.yaml", schema)]);
    assert_snapshot!(problems(&directory, "c.yaml"), @r###"
    c.yaml:1:21: client.base_url: the environment variable `BASE` is not set (set it (`export BASE=…`), or give it a default: `${BASE:-…}`)
    c.yaml:1:45: client.auth.token: `token` is empty
    c.yaml:1:82: client.retry.max_attempts: expected a whole number of at least 1, found the number 0
    c.yaml:1:98: client.retry.max_backoff: expected a duration such as `50ms`, `10s`, `5m`, `2h` or `7d`, found `5 min`
    c.yaml:2:42: resource_defaults.paginator: unknown key `paginator` (it belongs into `endpoint`)
    c.yaml:6:24: resources[0].write_disposition: expected `append`, `replace`, `merge` or `skip`, found `upsert` (did you mean `merge`?)
    c.yaml:7:23: resources[1].schema: the schema file missing.yaml cannot be read: it is not there (the path is relative to the config file)
    c.yaml:7:44: resources[1].dedup: expected `true` or `false`, found `yes` (bools are `true` and `false`, without quotes)
    c.yaml:7:64: resources[1].columns.id.data_typ: unknown key `data_typ` (did you mean `data_type`?)
    c.yaml:8:5: resources[2]: expected text or an object, found the number 7
    c.yaml:9:51: destination.parquet.compression: expected `none`, `snappy`, `lz4`, `gzip(0…9)` or `zstd(1…22)`, found `brotli`
    c.yaml:9:68: destination.parquet.sort_by: expected the name of a column, found an object
    common.yaml:2:29: columns[0].nulable: unknown key `nulable` (did you mean `nullable`?)
    common.yaml:3:5: columns[1]: `name` is missing (write `name: …`: The column's name in the table.)
    common.yaml:3:6: columns[1].nam: unknown key `nam` (did you mean `name`?)
    common.yaml:3:30: columns[1].type: `decimal(50`: `,` was expected here (between braces, a text with a comma in it needs quotes)
    common.yaml:3:31: columns[1].2): unknown key `2)` (keys here: `name`, `source`, `type`, `nullable`, `format`, `precision`)
    common.yaml:4:12: columns[2].name: the column `ID` is there already, as `id` (DuckDB and Spark do not tell names apart by case; give it another name, and its field as `source`)
    common.yaml:4:31: columns[2].type: `struct<a int64>`: `:` was expected here (expected a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`)
    common.yaml:5:1: contract: unknown key `contract` (keys here: `columns`, `schema_contract`)
    "###);
}

#[test]
fn references_to_columns_are_checked_where_they_stand() {
    let yaml = "client: {base_url: https://a.example, paginator: single_page}
resource_defaults:
  schema: schemas/test_cases.yaml
  primary_key: test_case
resources:
  - {name: a, partition_by: [{column: created_at, transform: bucket}, {column: status, transform: month}, tags]}
  - {name: a, write_disposition: merge, primary_key: [], columns: {owner.emial: {dedup_sort: up}}}
destination: {parquet: {sort_by: [creatd_at], bloom_filter: [is_automated]}}
";
    let directory = directory(&[("c.yaml", yaml)]);
    assert_snapshot!(problems(&directory, "c.yaml"), @r###"
    c.yaml:4:16: resource_defaults.primary_key: there is no column `test_case` (did you mean `test_case_id`?)
    c.yaml:6:62: resources[0].partition_by[0].transform: expected `identity`, `year`, `month`, `day`, `hour`, `bucket[n]` or `truncate[n]`, found `bucket`
    c.yaml:6:80: resources[0].partition_by[1].column: a column of the type string cannot be partitioned by month (it can be by identity, bucket, truncate)
    c.yaml:6:107: resources[0].partition_by[2]: a column of the type list<string> cannot be partitioned by identity (partition by another column)
    c.yaml:7:12: resources[1].name: the resource `a` stands here twice (the first is resources[0].name; give one another name)
    c.yaml:7:34: resources[1].write_disposition: merge needs a key (set `primary_key`, or append)
    c.yaml:7:81: resources[1].columns['owner.emial']: there is no column `owner.emial` (did you mean `owner_email`?)
    c.yaml:7:94: resources[1].columns['owner.emial'].dedup_sort: expected `asc` or `desc`, found `up`
    c.yaml:8:62: destination.parquet.bloom_filter[0]: a bool column cannot have a Bloom filter (leave it out)
    "###);
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_problem() {
    let broken = [
        ("a.yaml", "a: [1,\nb: 2\n"),
        ("b.json", "{\"a\": 1,\n \"a\": 2}"),
        ("c.toml", "[client\n"),
        ("d.txt", ""),
        ("e.yaml", "- 1\n"),
        ("f.yaml", ""),
        ("g.yaml", "a: 1\n---\na: 2\n"),
    ];
    let directory = directory(&broken);
    let found: Vec<_> = broken.iter().map(|(file, _)| problems(&directory, file)).collect();
    assert_snapshot!(found.join("\n"), @r###"
    a.yaml:1:4: unclosed bracket '['
    b.json:2:2: duplicate mapping key: a
    c.toml:1:8: unclosed table, expected `]`
    d.txt:1:1: the file's extension does not tell its format (name it .yaml, .yml, .json or .toml)
    e.yaml:1:1: expected an object, found a list (write `key: value` lines, as the example in the README has them)
    f.yaml:1:1: there is nothing in it (write `key: value` lines, as the example in the README has them)
    g.yaml:3:1: multiple YAML documents detected (a config is one document: `---` begins another one, which belongs into a file of its own)
    "###);
}

#[test]
fn a_config_that_is_not_there_is_led_to_where_it_was_looked_for() {
    let directory = directory(&[("export.yaml", SEED_YAML)]);
    assert_snapshot!(problems(&directory, "exprot.yaml"), @r###"
    exprot.yaml:1:1: the file is not there: looked for exprot.yaml (did you mean `export.yaml`?)
    "###);
    assert_snapshot!(problems(&directory, "nowhere/at_all.yaml"), @r###"
    nowhere/at_all.yaml:1:1: the file is not there: looked for nowhere/at_all.yaml, and its directory is missing too (name the config file, e.g. `restlake run configs/export.yaml`; `restlake demo` exports from a built-in API without one)
    "###);
}

#[test]
fn a_tab_in_the_indentation_is_named_with_its_place() {
    let files = [
        ("a.yaml", "client:\n\tbase_url: https://a.example\nresources: []\n"),
        ("b.yaml", "client:\n  base_url: https://a.example\n  headers:\n  \tX-Team: qa\n"),
        ("c.yaml", "client:\n  base_url: https://a.example\n\ttimeout: 5s\n"),
        ("d.json", "{\n\t\"client\": {\"base_url\": \"https://a.example\"},\n\t\"resources\": 7\n}"),
    ];
    let directory = directory(&files);
    let found: Vec<_> = files.iter().map(|(file, _)| problems(&directory, file)).collect();
    assert_snapshot!(found.join("\n"), @r###"
    a.yaml:2:1: a tab indents this line, and YAML is indented by spaces only: replace it by spaces
    b.yaml:4:3: a tab indents this line, and YAML is indented by spaces only: replace it by spaces
    c.yaml:3:1: a tab indents this line, and YAML is indented by spaces only: replace it by spaces
    d.json:3:15: resources: expected a list, found the number 7
    "###);
}

#[test]
fn a_key_in_a_wrong_object_is_led_to_the_right_one() {
    let yaml = "client:
  base_url: https://a.example
  primary_key: id
  params: {a: b}
  paginator: {type: page_number, page_size: 100}
memory_limit: 1GB
timeout: 5s
resources:
  - name: t
    data_selector: data
    timeout: 5s
    endpoint:
      path: /t
      primary_key: id
      page_size: 100
      sort: name
      limit: 100
      paginator: {type: offset, limit: 10, page_size: 10}
destination:
  ulr: ./lake
  sort_by: id
";
    let directory = directory(&[("c.yaml", yaml)]);
    assert_snapshot!(problems(&directory, "c.yaml"), @r###"
    c.yaml:3:3: client.primary_key: unknown key `primary_key` (it belongs into `resources[…]`, or into `resource_defaults` for all resources)
    c.yaml:4:3: client.params: unknown key `params` (it belongs into `resources[…].endpoint`, or into `resource_defaults.endpoint` for all resources)
    c.yaml:5:34: client.paginator.page_size: unknown key `page_size` (it is a parameter of the API and belongs into the endpoint's `params`: `params: {page_size: 100}`)
    c.yaml:7:1: timeout: unknown key `timeout` (it belongs into `client`)
    c.yaml:10:5: resources[0].data_selector: unknown key `data_selector` (it belongs into `endpoint`)
    c.yaml:11:5: resources[0].timeout: unknown key `timeout` (it belongs into `client`)
    c.yaml:14:7: resources[0].endpoint.primary_key: unknown key `primary_key` (it belongs one object up, beside `endpoint`)
    c.yaml:15:7: resources[0].endpoint.page_size: unknown key `page_size` (it is a parameter of the API and belongs into `params`: `params: {page_size: 100}`)
    c.yaml:16:7: resources[0].endpoint.sort: unknown key `sort` (keys here: `path`, `method`, `params`, `json`, `data`, `headers`, `auth`, `data_selector`, `paginator`, `allow_missing_data`, `on_drift`, `incremental`, `format`, `encoding`, `member`, `csv`, `response_actions`; a parameter of the API belongs into `params`: `params: {sort: name}`)
    c.yaml:17:7: resources[0].endpoint.limit: unknown key `limit` (it belongs into `paginator`, with `type: offset`; a parameter of the API belongs into `params`: `params: {limit: 100}`)
    c.yaml:18:44: resources[0].endpoint.paginator.page_size: unknown key `page_size` (the page size is `limit`, and `limit_param` names its parameter: `limit: 10, limit_param: page_size`)
    c.yaml:20:3: destination.ulr: unknown key `ulr` (did you mean `url`?)
    c.yaml:21:3: destination.sort_by: unknown key `sort_by` (it belongs into `parquet`)
    "###);
}

#[test]
fn a_value_of_a_wrong_shape_is_shown_in_the_right_one() {
    let yaml = "client:
  base_url: https://a.example
  auth: bearer
  paginator: offset
  rate_limit: 5/s
  retry: 3
  headers: \"X-Team: qa\"
resources:
  users: {endpoint: /users}
  posts: {endpoint: /posts}
destination: ./lake
";
    let one = "client: https://a.example
resources: {name: users}
destination: [{url: ./lake}]
";
    let schema = "client: {base_url: https://a.example, auth: api_key, rate_limit: fast}
resources:
  - {name: users, schema: {columns: {id: int64}}, endpoint: {incremental: updated_at}}
";
    let list = "client: {base_url: https://a.example}
resources: users
";
    let directory = directory(&[("a.yaml", yaml), ("b.yaml", one), ("c.yaml", schema), ("d.yaml", list)]);
    let found = ["a.yaml", "b.yaml", "c.yaml", "d.yaml"].map(|file| problems(&directory, file));
    assert_snapshot!(found.join("\n"), @r###"
    a.yaml:3:9: client.auth: the auth `bearer` needs `token` (write `auth: {type: bearer, token: "${TOKEN}"}`)
    a.yaml:4:14: client.paginator: the paginator `offset` needs `limit` (write `paginator: {type: offset, limit: 100}`)
    a.yaml:5:15: client.rate_limit: expected an object, found `5/s` (write `rate_limit: {requests: 5, per: 1s}`)
    a.yaml:6:10: client.retry: expected an object, found the number 3 (write `retry: {max_attempts: 3}`)
    a.yaml:7:12: client.headers: expected an object, found text (write `headers: {NAME: VALUE}`)
    a.yaml:9:3: resources: expected a list, found an object (write a list whose items have a `name`: `resources: [{name: users, …}]`)
    a.yaml:11:14: destination: expected an object, found `./lake` (write `destination: {url: ./lake}`)
    b.yaml:1:9: client: expected an object, found `https://a.example` (write `client: {base_url: …}`)
    b.yaml:2:12: resources: expected a list, found an object (write a list: `resources: [{name: users}]`)
    b.yaml:3:14: destination: expected an object, found a list (write one object, and no list: `destination: {url: ./lake}`)
    c.yaml:1:45: client.auth: the auth `api_key` needs `api_key` (write `auth: {type: api_key, api_key: "${API_KEY}"}`)
    c.yaml:1:66: client.rate_limit: expected an object, found `fast` (write `rate_limit: {requests: 100}`)
    c.yaml:3:37: resources[0].schema.columns: expected a list, found an object (write a list whose items have a `name`: `columns: [{name: id, type: int64}]`)
    c.yaml:3:75: resources[0].endpoint.incremental: expected an object, found `updated_at` (write `incremental: {cursor_path: updated_at}`)
    d.yaml:2:12: resources: expected a list, found `users` (write a list: `resources: [users]`)
    "###);
}

#[test]
fn a_type_that_nobody_knows_is_shown_those_that_there_are() {
    let yaml = "client: {base_url: https://a.example, auth: {type: beerer, token: t}, paginator: {type: pages}}
resources:
  - {name: a, schema: {columns: [{name: at, type: timestmap}, {name: b, type: list<strnig>}, {name: c, type: varchar}]}}
  - {name: b, endpoint: {paginator: {type: ofset, limit: 1}}, columns: {d: {data_type: bigitn}}}
";
    let directory = directory(&[("c.yaml", yaml)]);
    assert_snapshot!(problems(&directory, "c.yaml"), @r###"
    c.yaml:1:52: client.auth.type: there is no auth `beerer` (did you mean `bearer`? supported: `api_key`, `bearer`, `http_basic`, `oauth2_client_credentials`, `oauth2_refresh_token`, `jwt_bearer`, `session`)
    c.yaml:1:89: client.paginator.type: there is no paginator `pages` (did you mean `page_number`? supported: `auto`, `cursor`, `header_cursor`, `header_link`, `json_link`, `json_response`, `offset`, `page_number`, `single_page`)
    c.yaml:3:51: resources[0].schema.columns[0].type: `timestmap`: unknown type `timestmap`, did you mean `timestamp`? (expected a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`)
    c.yaml:3:84: resources[0].schema.columns[1].type: `list<strnig>`: unknown type `strnig`, did you mean `string`? (expected a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`)
    c.yaml:3:110: resources[0].schema.columns[2].type: `varchar`: unknown type `varchar`, did you mean `string`? (expected a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`)
    c.yaml:4:44: resources[1].endpoint.paginator.type: there is no paginator `ofset` (did you mean `offset`? supported: `auto`, `cursor`, `header_cursor`, `header_link`, `json_link`, `json_response`, `offset`, `page_number`, `single_page`)
    c.yaml:4:88: resources[1].columns.d.data_type: `bigitn`: unknown type `bigitn`, did you mean `bigint`? (expected a type: `bool`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `string`, `binary`, `date`, `time`, `timestamp`, `timestamp_naive`, `json`, `uuid`, `list<T>`, `struct<name: T>`, `map<string, T>`)
    "###);
}

#[test]
fn braces_of_a_query_in_a_body_are_shown_doubled() {
    let yaml = "client: {base_url: https://a.example, paginator: single_page}
resources:
  - {name: a, endpoint: {method: POST, json: {query: \"{ users { id name } }\"}}}
  - {name: b, endpoint: {method: POST, data: \"query($id: ID!) { user(id: {resources.a.id}) { id } }\"}}
  - name: c
    endpoint:
      method: POST
      json:
        query: |
          query Users($after: String) {
            users(first: 10, after: $after) { id }
          }
  - {name: d, endpoint: {method: POST, json: {query: \"{{ user(id: {resources.nobody.id}) {{ id }} }}\"}}}
";
    let directory = directory(&[("c.yaml", yaml)]);
    assert_snapshot!(problems(&directory, "c.yaml"), @r###"
    c.yaml:3:63: resources[0].endpoint.json.query: braces in this text are read as placeholders: conversions and formats inside of placeholders are not supported (braces that belong to the text, as in GraphQL, are doubled: `{{ users {{ id name }} }}`; only placeholders have single ones)
    c.yaml:4:72: resources[1].endpoint.data: braces in this text are read as placeholders: conversions and formats inside of placeholders are not supported (braces that belong to the text, as in GraphQL, are doubled: `query($id: ID!) {{ user(id: {resources.a.id}) {{ id }} }}`; only placeholders have single ones)
    c.yaml:10:11: resources[2].endpoint.json.query: braces in this text are read as placeholders: conversions and formats inside of placeholders are not supported (braces that belong to the text, as in GraphQL, are doubled, e.g. `{{ users }}`; only placeholders have single ones)
    c.yaml:13:67: resources[3].endpoint.json.query: there is no resource `nobody`: resources: `a`, `b`, `c`, `d` (a place is `{resources.NAME.FIELD}`, or `{incremental.start_value}` where the endpoint has an `incremental`; a brace that is meant is doubled: `{{`)
    "###);
}

#[test]
fn a_missing_variable_is_named_with_its_key() {
    let directory = directory(&[("export.yaml", &SEED_YAML.replace("API_KEY", "OTHER_KEY"))]);
    assert_snapshot!(problems(&directory, "export.yaml"), @r###"
    export.yaml:6:50: client.auth.api_key: the environment variable `OTHER_KEY` is not set (set it (`export OTHER_KEY=…`), or give it a default: `${OTHER_KEY:-…}`)
    "###);
}

#[test]
fn a_config_of_dlt_runs_with_a_note_for_each_key_that_has_no_meaning_here() {
    let yaml = "client: {base_url: https://a.example, paginator: {type: json_link, next_url_path: next}}
resource_defaults: {parallelized: true, max_table_nesting: 1, endpoint: {params: {per_page: 100}}}
resources:
  - posts
  - name: comments
    merge_key: id
    endpoint:
      path: \"posts/{resources.posts.id}/comments\"
      response_actions: [{status_code: 404, action: ignore}]
      incremental: {cursor_path: updated_at}
    include_from_parent: [id]
    columns: {id: {description: the id, x-mine: 1, hard_delete: true}}
";
    let directory = directory(&[("c.yaml", yaml)]);
    let loaded = loaded(&directory, "c.yaml").unwrap();
    resolve(&loaded, &Overrides::default()).map_err(|found| lines(&directory, &found)).unwrap();
    let notes: Vec<_> = loaded.notes.iter().map(|note| format!("{}: {}", note.path, note.message)).collect();
    assert_snapshot!(notes.join("\n"), @r###"
    resource_defaults.parallelized: `parallelized` has no effect: `max_concurrency` of the client says how many requests are in flight
    resource_defaults.max_table_nesting: `max_table_nesting` has no effect: nested data stays nested, or is declared as columns
    resources[1].columns.id.description: `description` has no effect: Parquet has no place for it
    resources[1].columns.id.x-mine: `x-mine` has no effect
    "###);
}

#[test]
fn standard_input_is_yaml_or_json() {
    let directory = directory(&[]);
    for text in ["client: {base_url: 1}\nresources: []\n", "{\"client\": {\"base_url\": 1}, \"resources\": []}"] {
        let loaded = load(Source::Stdin { text: text.into() }, &variables).unwrap();
        let found = lines(&directory, &resolve(&loaded, &Overrides::default()).unwrap_err());
        assert!(found.starts_with("<stdin>:1:"), "{found}");
        assert!(found.contains("client.base_url: expected text, found the number 1 (put it in quotes)"), "{found}");
    }
}

#[test]
fn a_schema_file_may_be_json_or_toml_and_serve_several_resources() {
    let yaml = "client: {base_url: https://a.example, paginator: single_page}
resources: [{name: a, schema: s.json}, {name: b, schema: s.toml}, {name: c, schema: s.json}]
";
    let json = r#"{"columns": [{"name": "id", "type": "bigint"}]}"#;
    let directory =
        directory(&[("c.yaml", yaml), ("s.json", json), ("s.toml", "columns = [{name = \"id\", type = \"int64\"}]")]);
    let plan = resolve(&loaded(&directory, "c.yaml").unwrap(), &Overrides::default()).unwrap();
    assert_eq!(plan.resources[0].schema, plan.resources[1].schema);
    assert_eq!(plan.resources[0].schema, plan.resources[2].schema);
}

#[test]
fn what_is_filled_in_from_files_and_variables_is_among_the_secrets() {
    let yaml = "client: {base_url: https://a.example, paginator: single_page, auth: {token: \"${API_KEY}\"}, headers: {X-Plain: \"${file:header}\"}}
resources: [{name: a, schema: schemas/test_cases.yaml}]
";
    let directory = directory(&[("c.yaml", yaml), ("header", "from-a-file\n")]);
    let plan = resolve(&loaded(&directory, "c.yaml").unwrap(), &Overrides::default()).unwrap();
    let secrets: Vec<_> = plan.secrets.iter().map(|secret| secret.expose().as_str()).collect();
    assert_eq!(secrets, ["value-of-API_KEY", "from-a-file", "value-of-API_KEY"]);
}

/// Every type there is, nested ones by one each.
const TYPES: [&str; 23] = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "decimal(10,2)",
    "string",
    "binary",
    "date",
    "time",
    "timestamp",
    "timestamp_naive",
    "json",
    "uuid",
    "list<string>",
    "struct<a: int64>",
    "map<string, int64>",
];

const TRANSFORMS: [&str; 7] = ["identity", "year", "month", "day", "hour", "bucket[4]", "truncate[4]"];

#[test]
fn whatever_partition_the_plan_accepts_the_writer_accepts_too() {
    let directory = directory(&[]);
    let mut accepted = Vec::new();
    for (data_type, transform) in TYPES.iter().flat_map(|data_type| TRANSFORMS.map(|transform| (*data_type, transform)))
    {
        let text = format!(
            "client: {{base_url: 'https://a.example', paginator: single_page}}
resources:
  - name: t
    partition_by: {{column: x, transform: '{transform}'}}
    schema: {{columns: [{{name: id, type: int64}}, {{name: x, type: '{data_type}'}}]}}
"
        );
        let plan = match resolve(&load(Source::Stdin { text }, &variables).unwrap(), &Overrides::default()) {
            Ok(plan) => plan,
            Err(problems) => {
                let told = lines(&directory, &problems);
                assert!(told.contains("cannot be partitioned by"), "{data_type} {transform}: {told}");
                continue;
            }
        };
        let resource = &plan.resources[0];
        accepted.push((data_type, resource.partition_by[0].transform));
        let options = WriteOptions {
            schema: resource.schema.clone(),
            partition_by: resource.partition_by.clone(),
            parquet: resource.parquet.clone(),
            version: 0,
            position: 0,
            memory: 1 << 20,
            index: false,
            keys: Vec::new(),
            pipeline: plan.pipeline.clone(),
            resource: resource.name.clone(),
        };
        let writer = TableWriter::new(options).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(writer, Ok(()), "{data_type} {transform}");
    }
    assert!(accepted.contains(&("binary", Transform::Bucket(4))), "{accepted:?}");
    assert!(!accepted.contains(&("binary", Transform::Truncate(4))), "{accepted:?}");
    assert!(accepted.len() > 40, "{accepted:?}");
}

#[test]
fn a_credential_in_a_wrong_place_is_in_no_message() {
    for (key, value) in [
        ("auth", json!("Bearer s3cr3tvalue")),
        ("auth", json!({"type": "Bearer s3cr3tvalue"})),
        ("auth", json!({"type": "bearers3cr3tvalue", "token": "s3cr3tvalue"})),
        ("headers", json!("Authorization: Bearer s3cr3tvalue")),
        ("headers", json!(["s3cr3tvalue"])),
        ("options", json!("secret_access_key=s3cr3tvalue")),
        ("options", json!(["s3cr3tvalue"])),
    ] {
        let mut config = json!({
            "client": {"base_url": "https://a.example"}, "resources": ["a"], "destination": {"url": "./lake"},
        });
        config[if key == "options" { "destination" } else { "client" }][key] = value.clone();
        let directory = directory(&[("c.json", &config.to_string())]);
        let output =
            Command::new(env!("CARGO_BIN_EXE_restlake")).args(["check", "c.json"]).current_dir(&directory).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(key) && !said.contains("s3cr3tvalue"), "{value}: {said}");
    }
}

#[test]
fn words_of_other_tools_lead_to_the_key_or_type_of_the_same_meaning() {
    let yaml = "client: {url: https://a.example}
resources:
  - name: a
    key: id
    schema: {columns: [{name: n, type: int}, {name: t, type: datetime}, {name: s, type: varchar}]}
    endpoint: {url: /a, query: {b: 1}, data_path: data, paginator: {type: page_number, start_page: 1}}
destination: {path: ./lake}
";
    let directory = directory(&[("c.yaml", yaml)]);
    let said = problems(&directory, "c.yaml");
    for (wrong, meant) in [
        ("client.url", "base_url"),
        ("resources[0].key", "primary_key"),
        ("columns[0].type", "int64"),
        ("columns[1].type", "timestamp"),
        ("columns[2].type", "string"),
        ("endpoint.url", "path"),
        ("endpoint.query", "params"),
        ("endpoint.data_path", "data_selector"),
        ("paginator.start_page", "base_page"),
        ("destination.path", "url"),
    ] {
        let line = said.lines().find(|line| line.contains(wrong)).unwrap_or_else(|| panic!("{wrong}: {said}"));
        assert!(line.contains(&format!("did you mean `{meant}`?")), "{line}");
    }
}
