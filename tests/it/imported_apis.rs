//! Descriptions of APIs from import to table: `import openapi`, then `check`, then `run` against a server that behaves as
//! described, and as such servers do.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::{Received, Reply, Server};

/// The rows of each list of the servers.
const ROWS: u64 = 57;

fn restlake(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(directory).args(arguments).env_clear().envs(variables.iter().copied()).output().unwrap()
}

/// The summary of a run of what the import of a description has made.
fn run(description: &str, variables: &[(&str, &str)]) -> (Value, TempDir) {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("api.yaml"), description).unwrap();
    for arguments in [&["import", "openapi", "api.yaml", "--to", "new"][..], &["check", "new/api.yaml"][..]] {
        let output = restlake(directory.path(), arguments, variables);
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !told.contains("to mend"), "{told}");
    }
    let output = restlake(directory.path(), &["run", "new/api.yaml", "--output", "json"], variables);
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}")), directory)
}

/// Name, status, rows and completeness of each resource.
fn outcomes(summary: &Value) -> Vec<Value> {
    let resources = summary["resources"].as_array().unwrap().iter();
    resources.map(|one| json!([one["name"], one["status"], one["rows_written"], one["complete"]])).collect()
}

fn slice(from: u64, size: u64, row: impl Fn(u64) -> Value) -> Vec<Value> {
    (from + 1..=ROWS.min(from + size)).map(row).collect()
}

/// As drf-spectacular writes it: no server, a prefix in words, `required` for what is null, enums with a blank and null.
const DJANGO: &str = r##"
openapi: 3.0.3
info: {title: Inventory, version: 1.0.0}
paths:
  /products/:
    get:
      operationId: products_list
      parameters: [{name: page, in: query, schema: {type: integer}}, {name: page_size, in: query, schema: {type: integer, maximum: 20}}]
      security: [{tokenAuth: []}]
      responses: {"200": {description: "", content: {application/json: {schema: {$ref: "#/components/schemas/Products"}}}}}
  /movements/:
    get:
      operationId: movements_list
      parameters: [{name: limit, in: query, schema: {type: integer, maximum: 20}}, {name: offset, in: query, schema: {type: integer}}]
      security: [{tokenAuth: []}]
      responses: {"200": {description: "", content: {application/json: {schema: {$ref: "#/components/schemas/Products"}}}}}
components:
  schemas:
    Status: {type: string, enum: [active]}
    Blank: {enum: [""]}
    Nothing: {enum: [null]}
    Product:
      type: object
      required: [id, name, status, supplier, created]
      properties:
        id: {type: integer}
        name: {type: string}
        status: {oneOf: [{$ref: "#/components/schemas/Status"}, {$ref: "#/components/schemas/Blank"}, {$ref: "#/components/schemas/Nothing"}]}
        supplier: {type: integer}
        created: {type: string, format: date-time}
    Products:
      type: object
      properties:
        count: {type: integer}
        next: {type: string, nullable: true, format: uri}
        previous: {type: string, nullable: true, format: uri}
        results: {type: array, items: {$ref: "#/components/schemas/Product"}}
  securitySchemes:
    tokenAuth: {type: apiKey, in: header, name: Authorization, description: Token-based authentication with required prefix "Token"}
"##;

fn django(request: &Received) -> Reply {
    let key = request.header("authorization").unwrap_or_default();
    if key != "Token key-of-the-inventory" {
        let quoted = key.rsplit(' ').next().unwrap_or_default();
        return Reply::json(json!({"detail": format!("wrong token {quoted}")}).to_string()).with_status(401);
    }
    let number = |name: &str, default: u64| request.number_param(name).unwrap_or(default);
    let (page, size) = (number("page", 1), number("page_size", number("limit", 10)));
    let from = number("offset", (page - 1) * size);
    let row = |id| json!({"id": id, "name": format!("p{id}"), "status": null, "supplier": null, "created": null});
    let more = from + size < ROWS;
    let next = more.then(|| match request.path.as_str() {
        "/products/" => format!("?page={}&page_size={size}", page + 1),
        _ => format!("?limit={size}&offset={}", from + size),
    });
    Reply::json(json!({"count": ROWS, "next": next, "previous": null, "results": slice(from, size, row)}).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_of_django_rest_framework_runs_with_its_prefix_and_its_nulls() {
    let server = Server::start(django).await;
    let url = server.url().to_string();
    let variables = [("INVENTORY_BASE_URL", url.as_str()), ("INVENTORY_API_KEY", "key-of-the-inventory")];
    let (summary, _) = run(DJANGO, &variables);
    let expected = [json!(["products", "ok", ROWS, true]), json!(["movements", "ok", ROWS, true])];
    assert_eq!(outcomes(&summary), expected, "{summary:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_server_quotes_without_its_prefix_is_not_shown() {
    let server = Server::start(django).await;
    let url = server.url().to_string();
    let variables = [("INVENTORY_BASE_URL", url.as_str()), ("INVENTORY_API_KEY", "not-the-right-one")];
    let (summary, directory) = run(DJANGO, &variables);
    let told = summary.to_string();
    assert!(told.contains("wrong ***") && !told.contains("not-the-right-one"), "{told}");
    let shown = restlake(directory.path(), &["run", "new/api.yaml", "-vv"], &variables);
    let shown = [shown.stdout, shown.stderr].concat();
    assert!(!String::from_utf8_lossy(&shown).contains("not-the-right-one"));
}

/// A relative server, an envelope with page numbers, records with lists in them, and a search with POST.
const SHOP: &str = r##"
openapi: 3.1.0
info: {title: Corner Shop API, version: "1"}
servers: [{url: /api/v1}]
paths:
  /orders:
    get:
      parameters: [{name: page, in: query, schema: {type: integer, default: 1}}, {name: per_page, in: query, schema: {type: integer, maximum: 20}}]
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema:
                type: object
                properties:
                  orders: {type: array, items: {$ref: "#/components/schemas/Order"}}
                  pagination: {type: object, properties: {total_pages: {type: integer}, total_entries: {type: integer}}}
  /orders/{id}:
    get: {responses: {"200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}}}
  /cart:
    get:
      responses: {"200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Cart"}}}}}
  /products/search:
    post:
      requestBody:
        content:
          application/json:
            schema:
              type: object
              required: [query]
              properties: {query: {type: string, default: "*"}, offset: {type: integer}, limit: {type: integer, maximum: 15}}
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema:
                type: object
                properties:
                  total_entries: {type: integer}
                  products: {type: array, items: {type: object, required: [id, brand], properties: {id: {type: integer}, brand: {type: string}}}}
components:
  schemas:
    Item: {type: object, properties: {sku: {type: string}}}
    Order:
      type: object
      required: [id, coupon]
      properties: {id: {type: integer}, coupon: {type: string}, items: {type: array, items: {$ref: "#/components/schemas/Item"}}}
    Cart:
      type: object
      properties: {currency: {type: string}, subtotal: {type: number}, items: {type: array, items: {$ref: "#/components/schemas/Item"}}}
"##;

fn shop(request: &Received) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let of_body = |name: &str| body[name].as_u64().unwrap_or_default();
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/api/v1/orders") => {
            let size = request.number_param("per_page").unwrap_or(10);
            let from = (request.number_param("page").unwrap_or(1) - 1) * size;
            let orders = slice(from, size, |id| json!({"id": id, "coupon": null, "items": [{"sku": "a"}]}));
            let pagination = json!({"total_pages": ROWS.div_ceil(size), "total_entries": ROWS});
            Reply::json(json!({"orders": orders, "pagination": pagination}).to_string())
        }
        ("POST", "/api/v1/products/search") if body["query"] == "*" => {
            let products = slice(of_body("offset"), of_body("limit"), |id| json!({"id": id, "brand": null}));
            Reply::json(json!({"total_entries": ROWS, "products": products}).to_string())
        }
        _ => Reply::status(404),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_and_searches_become_tables_and_records_with_lists_in_them_do_not() {
    let server = Server::start(shop).await;
    let url = server.url().join("api/v1").unwrap().to_string();
    let (summary, _) = run(SHOP, &[("CORNER_SHOP_BASE_URL", &url)]);
    let expected = [json!(["orders", "ok", ROWS, true]), json!(["products_search", "ok", ROWS, true])];
    assert_eq!(outcomes(&summary), expected, "{summary:#}");
}
