//! A place that should lead to the next page and is not there: which fields are there in its stead.

use crate::{
    fetch::{completeness::verdict::is_usual_size, paginate::PageView, records},
    json::{Kind, Node, Selector},
};

/// Parts of names under which APIs lead to the next page.
const LEADS: [&str; 5] = ["cursor", "next", "token", "after", "continuation"];

/// Returns the fields of the innermost object on the way to `path` that the page has, and a field there whose name and value
/// lead on by their looks.
pub(super) fn fields_instead(path: &Selector, root: Node<'_>) -> (String, Option<String>) {
    let (mut object, mut way) = (root, Vec::new());
    for key in path.keys().unwrap_or_default() {
        let Some(inner) = object.get(&key).filter(|inner| inner.kind() == Kind::Object) else { break };
        object = inner;
        way.push(key);
    }
    let keys = records::quoted(&records::keys(object, |_| true));
    let fields = match way.is_empty() {
        true => format!("the answer has the fields {keys}"),
        false => format!("`{}` has the fields {keys}", way.join(".")),
    };
    let leading = object.fields().find(|(name, value)| name.text().is_ok_and(|name| leads(&name)) && is_filled(*value));
    let leading = leading.and_then(|(name, _)| Some(name.text().ok()?.into_owned()));
    (fields, leading.map(|name| way.into_iter().chain([name]).collect::<Vec<_>>().join(".")))
}

fn leads(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    LEADS.iter().any(|lead| name.contains(lead))
}

fn is_filled(value: Node<'_>) -> bool {
    match value.kind() {
        Kind::String => value.string().is_ok_and(|text| !text.is_empty()),
        Kind::Number => true,
        _ => false,
    }
}

/// Returns true if there are as many records as the request asks for, or as a page often holds.
pub(super) fn looks_full(page: &PageView<'_>) -> bool {
    let count = page.count.to_string();
    let is_asked = || page.url.query_pairs().any(|(_, value)| *value == count);
    page.count > 0 && (is_usual_size(page.count) || is_asked())
}
