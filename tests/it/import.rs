//! `restlake import` as a user meets it: files in, a config that `check` accepts out.

use std::{fs, path::Path, process::Output};

use serde_json::Value;
use tempfile::TempDir;

fn import(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(directory).args(arguments).env_clear().output().unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

const PYTHON: &str = r#"
import dlt
from dlt.sources.rest_api import rest_api_source

source = rest_api_source({
    "client": {"base_url": "https://a.example/v1", "auth": {"token": dlt.secrets["token"]}},
    "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
    "resources": [{
        "name": "yes",
        "endpoint": {"path": "posts", "params": {"since": "2024-01-01", "q": "a: b # c", "n": "007"}, "paginator": {"type": "offset", "limit": 100}},
        "columns": {"id": {"data_type": "bigint"}},
        "processing_steps": [{"filter": lambda row: row["id"] > 1}],
    }],
})
"#;

#[test]
fn a_python_file_becomes_a_config_and_what_is_no_literal_is_told() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("pipeline.py"), PYTHON).unwrap();
    let output = import(directory.path(), &["import", "dlt", "pipeline.py", "--to", "new", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = document(&output);
    assert_eq!(written["files"], serde_json::json!(["new/pipeline.yaml"]));
    assert_eq!(written["notes"][0]["path"], "resources.0.processing_steps.0.filter");
    assert_eq!(written["notes"][0]["line"], 12);
    let config: Value =
        serde_saphyr::from_str(&fs::read_to_string(directory.path().join("new/pipeline.yaml")).unwrap()).unwrap();
    let params = &config["resources"][0]["endpoint"]["params"];
    assert_eq!(
        (&params["since"], &params["q"], &params["n"]),
        (&"2024-01-01".into(), &"a: b # c".into(), &"007".into())
    );
    assert_eq!(config["resources"][0]["name"], "yes");
    assert_eq!(config["client"]["auth"]["token"], "${TOKEN}");
}

#[test]
fn a_file_that_is_there_is_not_written_over_unless_it_is_forced() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a.json"), r#"{"client": {"base_url": "https://a.example"}, "resources": ["a"]}"#)
        .unwrap();
    fs::write(directory.path().join("a.yaml"), "mine").unwrap();
    let output = import(directory.path(), &["import", "dlt", "a.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--force"), "{output:?}");
    assert_eq!(fs::read_to_string(directory.path().join("a.yaml")).unwrap(), "mine");
    assert_eq!(import(directory.path(), &["import", "dlt", "a.json", "--force"]).status.code(), Some(0));
}

#[test]
fn a_description_becomes_a_config_that_check_accepts() {
    let directory = TempDir::new().unwrap();
    let description = r##"
openapi: 3.0.0
info: {title: Shop, version: "1"}
servers: [{url: "https://shop.example/v1"}]
paths:
  /orders:
    get:
      parameters:
        - {name: limit, in: query, schema: {type: integer, maximum: 50}}
        - {name: offset, in: query, schema: {type: integer}}
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema:
                type: object
                properties:
                  total: {type: integer}
                  data: {type: array, items: {$ref: "#/components/schemas/Order"}}
components:
  schemas:
    Order:
      type: object
      required: [id]
      properties:
        id: {type: integer}
        placed_at: {type: string, format: date-time}
"##;
    fs::write(directory.path().join("api.yaml"), description).unwrap();
    let output = import(directory.path(), &["import", "openapi", "api.yaml", "--to", "shop"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout);
    for line in ["wrote: shop/api.yaml", "wrote: shop/schemas/orders.yaml", "next: restlake check shop/api.yaml"] {
        assert!(told.contains(line), "{line} in {told}");
    }
    assert!(!told.contains("to mend"), "{told}");
    let checked = import(directory.path(), &["check", "shop/api.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}

#[test]
fn texts_of_yaml_stay_what_a_run_of_the_file_sends_and_references_in_them_are_texts() {
    let directory = TempDir::new().unwrap();
    let odd = [
        "NO",
        "007",
        "on",
        "1e3",
        "0x10",
        "~",
        "null",
        ".inf",
        "1_000",
        "2024-01-01",
        "- a",
        "a: b",
        "#",
        "",
        "true",
        "1.10",
    ];
    let params: String =
        odd.iter().enumerate().map(|(number, text)| format!("\"p{number}\": {}, ", Value::from(*text))).collect();
    let yaml = format!(
        "client: {{base_url: 'https://a.example'}}\nresources: [{{name: a, endpoint: {{params: {{{params} country: NO, zip: 007, home: '${{HOME}}'}}}}}}]\n"
    );
    fs::write(directory.path().join("a.yaml"), &yaml).unwrap();
    let output = import(directory.path(), &["import", "dlt", "a.yaml", "--to", "new"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = fs::read_to_string(directory.path().join("new/a.yaml")).unwrap();
    let (config, _) = restlake::import::document("a", &written, restlake::config::Syntax::Yaml).unwrap();
    let params = &config["resources"][0]["endpoint"]["params"];
    for (number, text) in odd.iter().enumerate() {
        assert_eq!(params[format!("p{number}")], *text, "{written}");
    }
    assert_eq!((&params["country"], &params["zip"]), (&"NO".into(), &"007".into()));
    assert_eq!(params["home"], "$${HOME}");
}

#[test]
fn what_waits_for_a_variable_is_not_told_as_wrong() {
    let directory = TempDir::new().unwrap();
    let text = "import os\nc = {'client': {'base_url': os.environ['URL']}, 'resources': [{'name': 'a', 'endpoint': {'path': 'a', 'pat': 'b'}}]}\n";
    fs::write(directory.path().join("a.py"), text).unwrap();
    let output = import(directory.path(), &["import", "dlt", "a.py", "--output", "json"]);
    let written = document(&output);
    let problems: Vec<_> = written["problems"].as_array().unwrap().iter().map(|problem| &problem["path"]).collect();
    assert_eq!(problems, ["resources[0].endpoint.pat"], "{written}");
    assert_eq!(written["notes"][0]["path"], "environment");
}

#[test]
fn a_pipeline_with_children_and_a_cursor_is_imported_as_it_runs() {
    let directory = TempDir::new().unwrap();
    let text = r#"
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source

config: RESTAPIConfig = {
    "client": {"base_url": "https://a.example"},
    "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
    "resources": [
        {"name": "issues", "endpoint": {
            "path": "issues",
            "params": {"since": "{incremental.start_value}"},
            "incremental": {"cursor_path": "updated_at", "initial_value": "2024-01-01T00:00:00Z"},
        }},
        {"name": "comments", "include_from_parent": ["id"], "endpoint": {"path": "issues/{resources.issues.number}/comments"}},
        {"name": "votes", "endpoint": {
            "path": "comments/{comment}/votes", "params": {"comment": {"type": "resolve", "resource": "comments", "field": "id"}},
        }},
    ],
}
source = rest_api_source(config)
"#;
    fs::write(directory.path().join("a.py"), text).unwrap();
    let output = import(directory.path(), &["import", "dlt", "a.py", "--output", "json"]);
    let written = document(&output);
    assert_eq!((&written["notes"], &written["problems"]), (&serde_json::json!([]), &serde_json::json!([])));
    let plan = import(directory.path(), &["run", "a.yaml", "--dry-run"]);
    assert_eq!(plan.status.code(), Some(0), "{plan:?}");
    let plan = String::from_utf8_lossy(&plan.stdout);
    for told in ["issues", "comments", "votes"] {
        assert!(plan.contains(told), "{told} in {plan}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let directory = TempDir::new().unwrap();
    fs::write(
        directory.path().join("a.json"),
        "\u{feff}{\"client\": {\"base_url\": \"https://a.example\"}, \"resources\": [\"a\"]}",
    )
    .unwrap();
    assert_eq!(import(directory.path(), &["import", "dlt", "a.json"]).status.code(), Some(0));
    fs::write(directory.path().join("b.json"), "\u{feff}{\"openapi\": \"3.0.0\", \"paths\": {}}").unwrap();
    let output = import(directory.path(), &["import", "openapi", "b.json"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("describes no list"), "{output:?}");
}

#[test]
fn what_a_request_needs_and_python_makes_is_to_be_mended_and_variables_are_to_be_set() {
    let directory = TempDir::new().unwrap();
    let text = r#"
def make(org, base_url="https://staging.example"):
    return rest_api_source({"client": {"base_url": base_url}, "resources": [
        {"name": "repos", "endpoint": {"path": f"orgs/{org}/repos"}},
        {"name": "issues", "endpoint": {"path": path_of("issues")}},
    ]})
make(sys.argv[1], base_url="https://prod.example")
"#;
    fs::write(directory.path().join("a.py"), text).unwrap();
    let output = import(directory.path(), &["import", "dlt", "a.py"]);
    let told = String::from_utf8_lossy(&output.stdout);
    for line in [
        "note: line 4, resources.0.endpoint.path: `org` has no single value in the file: set the environment variable ORG",
        "note: environment: set ORG",
        "to mend: a.py:5:1: resources[1].endpoint.path: `path_of(\"…\")` is no literal: it was left out",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
    assert_eq!(told.matches("to mend").count(), 1, "{told}");
    let written = fs::read_to_string(directory.path().join("a.yaml")).unwrap();
    assert!(written.contains("https://prod.example") && written.contains("orgs/${ORG}/repos"), "{written}");
}

const LIST: &str = r#"{"openapi": "3.0.0", "info": {"title": "A"}, "servers": [{"url": "https://a.example"}], "paths": {"/users": {"get": {"responses":
    {"200": {"content": {"application/json": {"schema": {"type": "array", "items": {"properties": {"NAME": {"type": "string"}}}}}}}}}}}}"#;

#[test]
fn what_is_read_is_never_written_over() {
    let directory = TempDir::new().unwrap();
    let dlt = "client: {base_url: 'https://a.example'}\nresources: [a]\n";
    fs::write(directory.path().join("api.yaml"), LIST).unwrap();
    fs::write(directory.path().join("c.yaml"), dlt).unwrap();
    for (from, file, config) in
        [("openapi", "api.yaml", "./api.restlake.yaml"), ("dlt", "./c.yaml", "./c.restlake.yaml")]
    {
        for force in [&[][..], &["--force"][..]] {
            let arguments = [&["import", from, file, "--output", "json"], force].concat();
            let written = document(&import(directory.path(), &arguments));
            assert_eq!((&written["files"][0], &written["problems"]), (&config.into(), &serde_json::json!([])));
            let notes = written["notes"].as_array().unwrap();
            assert!(notes.iter().any(|note| note["path"] == config), "{written}");
            fs::remove_file(directory.path().join(config)).unwrap();
        }
    }
    assert_eq!(fs::read_to_string(directory.path().join("api.yaml")).unwrap(), LIST);
    assert_eq!(fs::read_to_string(directory.path().join("c.yaml")).unwrap(), dlt);
}

#[test]
fn two_apis_in_one_directory_keep_their_schemas_apart() {
    let directory = TempDir::new().unwrap();
    for (file, column) in [("a.json", "id"), ("b.json", "key")] {
        fs::write(directory.path().join(file), LIST.replace("NAME", column)).unwrap();
    }
    let files = |arguments: &[&str]| {
        let written = document(&import(
            directory.path(),
            &[&["import", "openapi"], arguments, &["--to", "new", "--output", "json"]].concat(),
        ));
        written["files"].clone()
    };
    assert_eq!(files(&["a.json"]), serde_json::json!(["new/a.yaml", "new/schemas/users.yaml"]));
    for force in [&["b.json"][..], &["b.json", "--force"]] {
        assert_eq!(files(force), serde_json::json!(["new/b.yaml", "new/schemas/b/users.yaml"]));
    }
    assert_eq!(files(&["a.json", "--force"]), serde_json::json!(["new/a.yaml", "new/schemas/users.yaml"]));
    let columns = |name: &str| fs::read_to_string(directory.path().join("new").join(name)).unwrap();
    assert!(columns("schemas/users.yaml").contains("id") && columns("schemas/b/users.yaml").contains("key"));
    assert_eq!(import(directory.path(), &["check", "new/b.yaml"]).status.code(), Some(0));
}

#[test]
fn a_variable_that_is_set_already_is_told_with_where_it_goes() {
    let directory = TempDir::new().unwrap();
    let security =
        r#"{"security": [{"k": []}], "components": {"securitySchemes": {"k": {"type": "http", "scheme": "bearer"}}},"#;
    fs::write(directory.path().join("api.json"), LIST.replacen('{', security, 1)).unwrap();
    for (is_set, told) in [(true, 1), (false, 0)] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_restlake"));
        let arguments = ["import", "openapi", "api.json", "--force", "--output", "json"];
        command.current_dir(directory.path()).args(arguments).env_clear();
        if is_set {
            command.env("A_API_TOKEN", "secret-of-another");
        }
        let output = command.output().unwrap();
        assert!(!String::from_utf8_lossy(&output.stdout).contains("secret-of-another"));
        let notes = document(&output)["notes"].as_array().unwrap().clone();
        let of_environment = |note: &&Value| {
            note["path"] == "environment" && note["message"].as_str().unwrap().contains("https://a.example")
        };
        assert_eq!(notes.iter().filter(of_environment).count(), told, "{notes:?}");
    }
}
