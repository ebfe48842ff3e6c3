//! Resources that need each other's records.

use serde_json::{Value, json};

use super::{plan, problems};

/// Resources by their names and those of their parents.
fn family(members: &[(String, Option<String>)]) -> Value {
    let resource = |(name, parent): &(String, Option<String>)| {
        let path = parent.as_ref().map_or_else(|| name.clone(), |parent| format!("{name}/{{resources.{parent}.id}}"));
        json!({"name": name, "endpoint": {"path": path}})
    };
    json!({
        "client": {"base_url": "https://api.example.com/v1", "paginator": "single_page"},
        "resources": members.iter().map(resource).collect::<Vec<_>>(),
    })
}

fn named(members: &[(&str, &str)]) -> Value {
    let member =
        |(name, parent): &(&str, &str)| ((*name).to_owned(), Some((*parent).to_owned()).filter(|p| !p.is_empty()));
    family(&members.iter().map(member).collect::<Vec<_>>())
}

#[test]
fn a_circle_is_told_once_by_its_first_member_and_not_by_who_leads_to_it() {
    let circle = |members: &[(&str, &str)]| problems(&named(members));
    let found = circle(&[("d", "b"), ("b", "c"), ("c", "b"), ("e", "d"), ("root", ""), ("f", "root")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`b` <- `c` <- `b`"), "{found:?}");
    let found = circle(&[("a", "a"), ("b", "c"), ("c", "d"), ("d", "b")]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("`a` <- `a`") && found[1].contains("`b` <- `c` <- `d` <- `b`"), "{found:?}");
}

/// Each step that looked through all resources for each one's parent took minutes.
#[test]
fn thousands_of_resources_in_one_line_are_resolved_at_once() {
    let name = |number: usize| format!("r{number}");
    let line = |first: Option<usize>| {
        let parent = |number: usize| if number == 0 { first.map(name) } else { Some(name(number - 1)) };
        family(&(0..3_000).map(|number| (name(number), parent(number))).collect::<Vec<_>>())
    };
    assert_eq!(plan(&line(None)).unwrap().resources.len(), 3_000);
    assert_eq!(problems(&line(Some(2_999))).len(), 1);
}
