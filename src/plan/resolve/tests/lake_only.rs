//! The plan of a config for commands that only look at tables.

use crate::{
    config::{Source, load, load_lake},
    plan::{self, Overrides},
};

/// Variables under many keys, none of which is about tables.
const CONFIG: &str = r#"
name: p
client:
  base_url: ${BASE}
  headers: {X-Team: "${TEAM}"}
  auth: {type: bearer, token: "${TOKEN}"}
  paginator: {type: offset, limit: "${LIMIT}"}
  max_concurrency: ${N}
resource_defaults:
  endpoint: {params: {key: "${KEY}"}}
resources:
  - {name: a, endpoint: "v1/${TENANT}/a", processing_steps: [{filter: '.a == "${STEP}"'}]}
  - name: b
    primary_key: id
    write_disposition: merge
    endpoint:
      path: v1/${TENANT}/a/{resources.a.id}/b
      params: {since: "${SINCE}", page: 1}
      paginator: {type: page_number, base_page: "${FIRST}"}
      headers: {X-Key: "${file:no/such/file}"}
      incremental: {cursor_path: at, initial_value: "${START}"}
    include_from_parent: [id]
destination: {url: ./lake}
"#;

fn text(text: &str) -> Source {
    Source::Stdin { text: text.to_owned() }
}

#[test]
fn tables_are_looked_at_without_the_variables_of_requests() {
    let none = |_: &str| None;
    assert!(plan::resolve(&load(text(CONFIG), &none).unwrap(), &Overrides::default()).is_err());
    let loaded = load_lake(text(CONFIG), &none).unwrap();
    let plan = plan::resolve(&loaded, &Overrides::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let tables: Vec<_> = plan.resources.iter().map(|resource| resource.table.as_str()).collect();
    assert_eq!((plan.pipeline.as_str(), tables), ("p", vec!["a", "b"]));
    assert_eq!(plan.destination.url, "./lake");
}

#[test]
fn where_tables_are_has_to_be_known_as_ever_and_a_mistake_beside_a_variable_is_found() {
    let none = |_: &str| None;
    for (from, to, said) in [("url: ./lake", "url: \"${LAKE}\"", "`LAKE`"), ("name: p", "nam: p", "unknown key `nam`")]
    {
        let loaded = load_lake(text(&CONFIG.replace(from, to)), &none).unwrap();
        let problems = plan::resolve(&loaded, &Overrides::default()).unwrap_err();
        assert!(problems.errors().any(|problem| problem.message.contains(said)), "{problems:#?}");
    }
}

#[test]
fn with_all_variables_nothing_is_left_out() {
    let all = |name: &str| Some(if name == "BASE" { "https://a.example".to_owned() } else { "7".to_owned() });
    let config = CONFIG.replace("${file:no/such/file}", "x").replace("${START}", "2024-01-01");
    let resolve = |loaded| plan::resolve(&loaded, &Overrides::default()).unwrap();
    let (plan, lake) = (resolve(load(text(&config), &all).unwrap()), resolve(load_lake(text(&config), &all).unwrap()));
    assert_eq!(format!("{:?}", plan.client), format!("{:?}", lake.client));
    assert_eq!(format!("{:?}", plan.resources[1].request), format!("{:?}", lake.resources[1].request));
}
