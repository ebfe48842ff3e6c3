//! Where a page's records are, when nobody said: dlt's search, less its traps.
//!
//! As dlt, it takes a list under a key that records usually stand under, else the first list there is, else the whole answer
//! as one record. Unlike dlt, it looks at outer lists of objects before inner ones, whatever they are called, leaves lists
//! beside the records (`meta`, `links`, `errors`) alone, takes a list of scalars only under a usual key where there are no
//! objects, and does not take the `tags` of one record with an `id` for records.

use crate::json::{Document, Kind, Node, Selector};

use super::{paginate::selector_of, records::has_identity};

/// Keys that a list of records usually stands under, the words of dlt.
const USUAL: [&str; 11] =
    ["data", "items", "results", "entries", "records", "rows", "entities", "payload", "content", "objects", "values"];

/// Keys under which something else stands.
const ASIDE: [&str; 12] = [
    "meta",
    "metadata",
    "pagination",
    "paging",
    "links",
    "_links",
    "extras",
    "headers",
    "errors",
    "warnings",
    "included",
    "facets",
];

/// Where HAL has the lists of a collection.
const EMBEDDED: &str = "_embedded";

/// Keys that lead to a list, at most.
const DEPTH: usize = 3;

/// Where the records are, by all appearance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub selector: Selector,
    /// Other lists that could be meant.
    pub others: Vec<String>,
    /// A list without records, which leaves their place out.
    pub is_nothing: bool,
}

struct List<'a> {
    path: Vec<String>,
    node: Node<'a>,
}

impl List<'_> {
    fn is_usual(&self) -> bool {
        self.path.last().is_some_and(|key| USUAL.contains(&key.to_ascii_lowercase().as_str()))
    }

    fn is_called(&self, names: &[String]) -> bool {
        self.path.last().is_some_and(|key| names.iter().any(|name| name.eq_ignore_ascii_case(key)))
    }

    fn holds_objects(&self) -> bool {
        self.node.items().next().is_some_and(|item| item.kind() == Kind::Object)
    }

    fn is_empty(&self) -> bool {
        self.node.items().next().is_none()
    }
}

/// `names`: what the list may be called besides the usual words. `is_paged`: the answer is no record by itself, whatever it
/// looks like.
pub(super) fn find(document: &Document, names: &[String], is_paged: bool) -> Envelope {
    let root = document.root();
    let envelope = |selector, others| Envelope { selector, others, is_nothing: false };
    if root.kind() != Kind::Object {
        return envelope(Selector::root(), Vec::new());
    }
    let lists = lists(root);
    let named = lists.iter().find(|list| list.holds_objects() && list.is_called(names));
    if let Some(found) = likeliest(&lists, has_identity(root) && !is_paged).or(named) {
        return envelope(selector_of(&found.path), others(found, &lists));
    }
    if is_empty_collection(root) {
        let selector = selector_of(&[EMBEDDED.to_owned()]);
        return Envelope { selector, others: Vec::new(), is_nothing: true };
    }
    let nothing = root.fields().filter(|(_, value)| value.kind() == Kind::Null);
    let nothing = nothing.filter_map(|(key, _)| key.text().ok()).find(|key| USUAL.contains(&key.as_ref()));
    let selector = nothing.map_or_else(Selector::root, |key| selector_of(&[key.into_owned()]));
    envelope(selector, Vec::new())
}

/// HAL leaves `_embedded` out of a collection of which there is nothing.
fn is_empty_collection(root: Node<'_>) -> bool {
    let totals = ["total", "totalElements", "total_elements", "totalItems", "total_items", "count"];
    let places = [Some(root), root.get("page")].into_iter().flatten();
    let is_zero = |node: Node<'_>| node.kind() == Kind::Number && node.raw() == b"0";
    let tells_zero = |place: Node<'_>| totals.iter().any(|key| place.get(key).is_some_and(is_zero));
    root.get("_links").is_some() && root.get(EMBEDDED).is_none() && places.into_iter().any(tells_zero)
}

/// `is_record`: the answer is one record, by all appearance. Lists under keys of the API's own are its fields then.
fn likeliest<'l, 'd>(lists: &'l [List<'d>], is_record: bool) -> Option<&'l List<'d>> {
    let of_objects = lists.iter().filter(|list| match list.is_usual() {
        true => list.holds_objects() || list.is_empty(),
        false => list.holds_objects() && !is_record,
    });
    let others = lists.iter().filter(|list| list.is_usual() || list.is_empty() && !is_record);
    // Of those that lie equally deep, the first under a usual key; `min_by_key` takes the first of equals.
    let place = |list: &&List<'_>| (list.path.len(), !list.is_usual());
    of_objects.min_by_key(place).or_else(|| others.min_by_key(place))
}

fn others(found: &List<'_>, lists: &[List<'_>]) -> Vec<String> {
    let is_as_likely = |list: &List<'_>| list.path.len() == found.path.len() && list.is_usual() == found.is_usual();
    let is_rival =
        |list: &&List<'_>| list.path != found.path && list.holds_objects() && (is_as_likely(list) || list.is_usual());
    lists.iter().filter(is_rival).map(|list| selector_of(&list.path).to_string()).collect()
}

/// The lists of an object, outer ones first, those beside the records left out.
fn lists(root: Node<'_>) -> Vec<List<'_>> {
    let (mut lists, mut level) = (Vec::new(), vec![(Vec::new(), root)]);
    for _ in 0..DEPTH {
        let mut below = Vec::new();
        for (path, node) in level {
            for (key, value) in node.fields() {
                let Ok(key) = key.text() else { continue };
                if ASIDE.contains(&key.to_ascii_lowercase().as_str()) {
                    continue;
                }
                let path: Vec<String> = [&path[..], &[key.into_owned()]].concat();
                match value.kind() {
                    Kind::Array => lists.push(List { path, node: value }),
                    Kind::Object => below.push((path, value)),
                    _ => {}
                }
            }
        }
        level = below;
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        find(&Document::parse(text.into()).unwrap(), &["customers".to_owned()], false).selector.to_string()
    }

    #[test]
    fn records_are_found_where_they_usually_stand() {
        for (text, selector) in [
            (r"[]", "$"),
            (r#"[{"id":1}]"#, "$"),
            ("null", "$"),
            (r#"{"total":1,"data":[{"id":1}]}"#, "data"),
            (r#"{"data":[],"included":[{"id":1}]}"#, "data"),
            (r#"{"meta":{"values":[{"x":1}]},"users":[{"id":1}]}"#, "users"),
            (r#"{"a":{"b":{"items":[{"id":1}]}}}"#, "a.b.items"),
            (r#"{"_embedded":{"users":[{"id":1}]},"_links":{"next":[{"href":"/x"}]}}"#, "_embedded.users"),
            (r#"{"values":[1,2,3]}"#, "values"),
            (r#"{"d":{"results":[{"id":1}]}}"#, "d.results"),
            (r#"{"@odata.context":"x","value":[{"id":1}]}"#, "value"),
            (r#"{"odd.key":[{"id":1}]}"#, "$['odd.key']"),
            (r#"{"users":[],"count":0}"#, "users"),
            (r#"{"data":null}"#, "data"),
            (r#"{"tags":["a"],"rows":[{"id":1}]}"#, "rows"),
            (r#"{"tags":["a"],"people":[{"id":1}]}"#, "people"),
            (r#"{"users":[{"id":1}],"filters":{"values":[{"x":1}]}}"#, "users"),
            (r#"{"users":[{"id":1}],"columns":{"values":["a"]}}"#, "users"),
            (r#"{"filters":[{"x":1}],"items":[]}"#, "items"),
            (r#"{"messages":[],"result":{"items":[{"id":1}]}}"#, "result.items"),
            (r#"{"users":[],"columns":{"values":["a"]}}"#, "users"),
            (r#"{"messages":[],"data":["a"]}"#, "data"),
        ] {
            assert_eq!(found(text), selector, "{text}");
        }
    }

    #[test]
    fn an_answer_without_a_list_of_records_is_one_record() {
        for text in
            [r#"{"id":1,"tags":["a"]}"#, r#"{"id":1,"owners":[{"id":2}]}"#, r#"{"name":"x","tags":["a"]}"#, "{}"]
        {
            assert_eq!(found(text), "$", "{text}");
        }
    }

    #[test]
    fn lists_that_could_be_meant_as_well_are_told() {
        let text = r#"{"users":[{"id":1}],"groups":[{"id":1}],"tags":["x"],"a":{"b":[{"id":1}]}}"#;
        let envelope = find(&Document::parse(text.into()).unwrap(), &[], false);
        assert_eq!((envelope.selector.to_string().as_str(), envelope.others), ("users", vec!["groups".to_owned()]));
        let text = r#"{"users":[{"id":1}],"filters":{"values":[{"x":1}]}}"#;
        assert_eq!(find(&Document::parse(text.into()).unwrap(), &[], false).others, ["filters.values"]);
    }

    #[test]
    fn an_id_of_the_request_beside_the_list_makes_no_record_of_the_answer() {
        let text = r#"{"id":"req-7","people":[{"id":1}],"customers":[{"id":1}]}"#;
        assert_eq!(found(text), "customers");
        let paged = find(&Document::parse(text.into()).unwrap(), &[], true);
        assert_eq!((paged.selector.to_string().as_str(), paged.others), ("people", vec!["customers".to_owned()]));
        assert_eq!(found(r#"{"id":1,"people":[{"id":1}]}"#), "$");
    }

    #[test]
    fn a_collection_of_nothing_may_leave_out_the_place_of_its_records() {
        let is_nothing =
            |text: &str| find(&Document::parse(text.into()).unwrap(), &["customers".to_owned()], false).is_nothing;
        assert!(is_nothing(r#"{"_links":{"self":{"href":"/a"}},"page":{"size":20,"totalElements":0}}"#));
        assert!(!is_nothing(r#"{"_links":{"self":{"href":"/a"}},"name":"x"}"#));
    }
}
