//! Placeholders of a path, as fields of the list that stands before them.

use serde_json::Value;

use super::paginator::bare;
use crate::import::name::snake;

/// What may be a parent: the path in the description, the resource's name, its columns.
pub(super) struct Parent {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) columns: Vec<Value>,
}

/// Braces that stand for themselves.
pub(super) fn doubled(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// The path with the parent's field in its place.
///
/// # Errors
/// Why it cannot be filled in.
pub(super) fn bind(path: &str, parents: &[Parent]) -> Result<String, String> {
    let Some(start) = path.find('{') else { return Ok(doubled(path)) };
    let place = path.get(start..).and_then(|rest| rest.get(..=rest.find('}')?)).unwrap_or_default();
    let rest = path.get(start + place.len()..).unwrap_or_default();
    let left_out = |why: &str| format!("{why}: the list {path} was left out");
    if rest.contains('{') {
        return Err(left_out("it has several placeholders, and a resource has one parent"));
    }
    let before = path.get(..start).unwrap_or_default();
    let parent = parents.iter().find(|parent| parent.path.trim_end_matches('/') == before.trim_end_matches('/'));
    let parent = parent.ok_or_else(|| left_out(&format!("no list tells the values of `{place}`")))?;
    let field = field(place.trim_matches(['{', '}']), parent).ok_or_else(|| {
        left_out(&format!(
            "`{}` has no field that is surely `{place}`, which would be written `{{resources.{}.FIELD}}`",
            parent.name, parent.name
        ))
    })?;
    Ok(format!("{}{{resources.{}.{field}}}{}", doubled(before), parent.name, doubled(rest)))
}

/// The parent's field of the placeholder's name; of its last word, where the words before it name the parent.
fn field<'a>(placeholder: &str, parent: &'a Parent) -> Option<&'a str> {
    let is_word = |name: &&str| name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let names: Vec<&str> = parent.columns.iter().filter_map(|column| column["name"].as_str()).filter(is_word).collect();
    let named = |wanted: &str| names.iter().copied().find(|name| bare(name) == bare(wanted));
    if let Some(exact) = names.iter().copied().find(|name| *name == placeholder).or_else(|| named(placeholder)) {
        return Some(exact);
    }
    if bare(placeholder) == "username" {
        return named("login");
    }
    let words = snake(placeholder);
    // `/customers/{customer}`: an object is named by its id.
    if names_parent(&words, parent) && parent.path.trim_end_matches('/').ends_with('s') {
        return named("id");
    }
    if let Some((prefix, last)) = words.rsplit_once('_') {
        return named(last).filter(|_| last == "id" || names_parent(prefix, parent));
    }
    named("id").filter(|_| words.strip_suffix("id").is_some_and(|prefix| names_parent(prefix, parent)))
}

/// Whether a word is one of what the parent's path has many of: `user` of `/users`, `company` of `/companies`.
fn names_parent(word: &str, parent: &Parent) -> bool {
    let path = parent.path.trim_end_matches('/');
    let many = bare(path.rsplit('/').next().unwrap_or_default());
    let word = bare(word);
    !word.is_empty() && many.contains(word.strip_suffix('y').unwrap_or(&word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_a_field_of_its_name_or_of_the_parents_and_nothing_else() {
        for (path, placeholder, columns, field) in [
            ("/users", "username", vec!["id", "username"], Some("username")),
            ("/users", "username", vec!["id", "login"], Some("login")),
            ("/users", "username", vec!["id", "name"], None),
            ("/users", "user_id", vec!["id"], Some("id")),
            ("/users", "user_id", vec!["id", "user_id"], Some("user_id")),
            ("/users", "userId", vec!["user_id"], Some("user_id")),
            ("/users", "userid", vec!["id"], Some("id")),
            ("/users", "slug", vec!["id"], None),
            ("/v1/customers", "customer", vec!["id", "name"], Some("id")),
            ("/v1/customers", "customer", vec!["code"], None),
            ("/companies", "company", vec!["id"], Some("id")),
            ("/v1/companies/", "company_key", vec!["id", "key"], Some("key")),
            ("/users", "project_key", vec!["id", "key"], None),
            ("/people", "personId", vec!["ID"], Some("ID")),
            ("/users", "id", vec!["_id"], Some("_id")),
        ] {
            let columns = columns.iter().map(|name| json!({ "name": name })).collect();
            let parent = Parent { path: path.to_owned(), name: "p".to_owned(), columns };
            assert_eq!(super::field(placeholder, &parent), field, "{path} {placeholder}");
        }
    }
}
