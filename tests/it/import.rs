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
