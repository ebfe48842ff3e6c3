//! Where a page's records are, when nobody said: dlt's search, less its traps.
//!
//! As dlt, it takes a list under a key that records usually stand under, else the first list there is, else the whole answer
//! as one record. Unlike dlt, it looks at outer lists of objects before inner ones, whatever they are called, leaves lists
//! beside the records (`meta`, `links`, `errors`) alone, takes a list of scalars only under a usual key where there are no
//! objects, and does not take the `tags` of one record with an `id` for records. Arrays are records where the answer names
//! their columns (`{"columns": ["id"], "rows": [[1]]}`), and lists that describe the answer (`filters`, `suggested_facets`,
//! `fields`) are records only where there is no other list.

mod page;
mod words;

use hashbrown::HashMap;

use self::{
    page::{has_paging, is_nothing, is_page, is_wrapper},
    words::Word,
};
use super::records::{has_identity, has_names, is_place_of_names};
use crate::json::{Document, Kind, Node, Selector};

/// Keys that lead to a list, at most.
const DEPTH: usize = 3;

/// Where the records are, by all appearance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub selector: Selector,
    /// Other lists that could be meant.
    pub others: Vec<String>,
    /// The page of an empty list, which leaves the place of records out: where they are is not known.
    pub is_nothing: bool,
}

struct List<'a> {
    path: Vec<String>,
    node: Node<'a>,
    /// Its rows are arrays whose columns have names.
    has_names: bool,
}

impl List<'_> {
    fn is_usual(&self) -> bool {
        self.path.last().is_some_and(|key| Word::new(key).is_usual())
    }

    fn is_called(&self, names: &[String]) -> bool {
        self.path.last().is_some_and(|key| names.iter().any(|name| name.eq_ignore_ascii_case(key)))
    }

    fn is_likely(&self) -> bool {
        self.is_usual() || self.has_names
    }

    /// Records are objects, or rows whose columns have names.
    fn holds_records(&self) -> bool {
        self.has_names || self.node.items().next().is_some_and(|item| item.kind() == Kind::Object)
    }

    /// A list that is called as the records are is none.
    fn is_description(&self, names: &[String]) -> bool {
        let is_one = |key: &String| Word::new(key).is_description() || is_place_of_names(&key.to_ascii_lowercase());
        !self.is_called(names) && !self.is_usual() && self.path.iter().any(is_one)
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
    let named = lists.iter().find(|list| list.holds_records() && list.is_called(names));
    let (descriptions, rest): (Vec<_>, Vec<_>) = lists.iter().partition(|list| list.is_description(names));
    let is_page = |list: &List<'_>| (list.holds_records() || list.is_empty()) && is_page(root, &list.path, list.node);
    let is_record = has_identity(root) && !is_paged && !likeliest(&rest, false).is_some_and(is_page);
    let likeliest = likeliest(&rest, is_record).or_else(|| likeliest(&descriptions, is_record));
    if let Some(found) = likeliest.or(named) {
        return envelope(Selector::from_keys(&found.path), others(found, &rest));
    }
    if is_nothing(root) {
        return Envelope { is_nothing: true, ..envelope(Selector::root(), Vec::new()) };
    }
    let nothing = root.fields().filter(|(_, value)| value.kind() == Kind::Null);
    let nothing = nothing.filter_map(|(key, _)| key.text().ok()).find(|key| Word::new(key).is_usual());
    let selector = nothing.map_or_else(Selector::root, |key| Selector::from_keys(&[key.into_owned()]));
    envelope(selector, Vec::new())
}

/// The same for the path of one record: a list within an object counts only if the object has paging and no identity, or has
/// nothing but the list and words about it. `{"number": "A1", "items": [{…}]}` is an order.
pub(super) fn find_beside_paging(document: &Document, names: &[String]) -> Envelope {
    let root = document.root();
    let record = || Envelope { selector: Selector::root(), others: Vec::new(), is_nothing: false };
    if root.kind() == Kind::Object && has_identity(root) {
        return record();
    }
    let found = find(document, names, true);
    let top = found.selector.keys().and_then(|keys| keys.into_iter().next());
    match top {
        None if found.is_nothing && !has_paging(root) => record(),
        Some(top) if !is_wrapper(root, &top) => record(),
        _ => found,
    }
}

/// `is_record`: the answer is one record, by all appearance. Lists under keys of the API's own are its fields then.
fn likeliest<'l, 'd>(lists: &[&'l List<'d>], is_record: bool) -> Option<&'l List<'d>> {
    let of_records = lists.iter().copied().filter(|list| match list.is_usual() {
        true => list.holds_records() || list.is_empty(),
        false => list.holds_records() && (!is_record || list.has_names),
    });
    let others = lists.iter().copied().filter(|list| list.is_usual() || list.is_empty() && !is_record);
    // Of those that lie equally deep, the first under a usual key; `min_by_key` takes the first of equals.
    let place = |list: &&List<'_>| (list.path.len(), !list.is_likely());
    of_records.min_by_key(place).or_else(|| others.min_by_key(place))
}

fn others(found: &List<'_>, lists: &[&List<'_>]) -> Vec<String> {
    let is_as_likely = |list: &List<'_>| list.path.len() == found.path.len() && list.is_likely() == found.is_likely();
    let is_rival =
        |list: &&List<'_>| list.path != found.path && list.holds_records() && (is_as_likely(list) || list.is_usual());
    lists.iter().copied().filter(is_rival).map(|list| Selector::from_keys(&list.path).to_string()).collect()
}

/// The lists of an object, outer ones first, those beside the records left out.
fn lists(root: Node<'_>) -> Vec<List<'_>> {
    let (mut lists, mut level) = (Vec::new(), vec![(Vec::new(), root)]);
    for _ in 0..DEPTH {
        let mut below = Vec::new();
        for (path, node) in level {
            for (key, value) in distinct_fields(node) {
                if Word::new(&key).is_aside() {
                    continue;
                }
                let path: Vec<String> = [&path[..], &[key]].concat();
                match value.kind() {
                    Kind::Array => lists.push(List { path, node: value, has_names: has_names(root, value) }),
                    Kind::Object => below.push((path, value)),
                    _ => {}
                }
            }
        }
        level = below;
    }
    lists
}

/// Of duplicate keys the last counts: a path leads to none of the others.
fn distinct_fields(node: Node<'_>) -> Vec<(String, Node<'_>)> {
    let (mut fields, mut places): (Vec<(String, Node<'_>)>, HashMap<String, usize>) = Default::default();
    for (key, value) in node.fields() {
        let Ok(key) = key.text() else { continue };
        let place = *places.entry_ref(&*key).or_insert(fields.len());
        match fields.get_mut(place) {
            Some((_, known)) => *known = value,
            None => fields.push((key.into_owned(), value)),
        }
    }
    fields
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
    fn records_are_found_in_the_answers_of_well_known_apis() {
        for (api, text, selector) in [
            (
                "datasette",
                r#"{"database":"d","rows":[[1,"a"]],"columns":["id","v"],"suggested_facets":[{"name":"v"}],"filtered_table_rows_count":1,"next":"1"}"#,
                "rows",
            ),
            (
                "datasette, without rows",
                r#"{"rows":[],"columns":["id","v"],"suggested_facets":[{"name":"v"}],"facet_results":{"results":[]}}"#,
                "rows",
            ),
            (
                "Elasticsearch",
                r#"{"took":1,"_shards":{"total":1,"failures":[{"shard":0}]},"hits":{"total":{"value":1,"relation":"eq"},"hits":[{"_id":"1","_source":{}}]},"aggregations":{"a":{"buckets":[{"key":1}]}},"suggest":{"s":[{"text":"a"}]}}"#,
                "hits.hits",
            ),
            (
                "Solr",
                r#"{"responseHeader":{"status":0,"params":{"fq":["a"]}},"response":{"numFound":1,"start":0,"docs":[{"id":1}]},"facet_counts":{"facet_queries":[{"a":1}]}}"#,
                "response.docs",
            ),
            (
                "Solr, without docs",
                r#"{"responseHeader":{"params":{"fq":["a"]}},"response":{"docs":[]}}"#,
                "response.docs",
            ),
            (
                "CKAN",
                r#"{"help":"h","success":true,"result":{"fields":[{"id":"a","type":"text"}],"records":[{"a":1}],"_links":{"next":"/n"},"total":1}}"#,
                "result.records",
            ),
            (
                "CKAN, records_format=lists",
                r#"{"success":true,"result":{"fields":[{"id":"a","type":"text"}],"records":[[1]],"total":1}}"#,
                "result.records",
            ),
            (
                "Reddit",
                r#"{"kind":"Listing","data":{"after":"t3_1","dist":1,"children":[{"kind":"t3","data":{"id":"1"}}]}}"#,
                "data.children",
            ),
            (
                "ArcGIS",
                r#"{"objectIdFieldName":"OBJECTID","geometryType":"p","fields":[{"name":"OBJECTID"}],"features":[{"attributes":{"OBJECTID":1}}],"exceededTransferLimit":true}"#,
                "features",
            ),
            (
                "MediaWiki",
                r#"{"batchcomplete":true,"continue":{"apcontinue":"B"},"query":{"normalized":[{"from":"a"}],"allpages":[{"pageid":1}]}}"#,
                "query.allpages",
            ),
            (
                "Salesforce",
                r#"{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account"},"Id":"1"}]}"#,
                "records",
            ),
            (
                "DataTables",
                r#"{"draw":1,"recordsTotal":1,"data":[{"id":1}],"searchBuilder":{"options":[{"x":1}]}}"#,
                "data",
            ),
            ("CouchDB", r#"{"total_rows":1,"offset":0,"rows":[{"id":"a","key":"a","value":{"rev":"1"}}]}"#, "rows"),
            (
                "Algolia",
                r#"{"hits":[{"objectID":"1"}],"nbHits":1,"page":0,"nbPages":1,"hitsPerPage":20,"query":"","facets":{"a":{"x":1}}}"#,
                "hits",
            ),
            ("Airtable", r#"{"records":[{"id":"r","createdTime":"t","fields":{"a":1}}],"offset":"i/r"}"#, "records"),
            (
                "Trino",
                r#"{"id":"q1","columns":[{"name":"a","type":"bigint"}],"data":[[1]],"stats":{"state":"RUNNING","rootStage":{"subStages":[{"x":1}]}}}"#,
                "data",
            ),
            (
                "Databricks",
                r#"{"statement_id":"s","manifest":{"schema":{"columns":[{"name":"a","position":0}]},"chunks":[{"row_offset":0}]},"result":{"data_array":[["1"]]}}"#,
                "result.data_array",
            ),
            (
                "Snowflake",
                r#"{"resultSetMetaData":{"numRows":1,"rowType":[{"name":"A"}],"partitionInfo":[{"rowCount":1}]},"data":[["1"]]}"#,
                "data",
            ),
            (
                "a catalog",
                r#"{"breadcrumbs":[{"t":"a"}],"filters":[{"t":"a"}],"sort":[{"t":"a"}],"products":[{"sku":1}]}"#,
                "products",
            ),
            (
                "a catalog without products",
                r#"{"breadcrumbs":[{"t":"a"}],"filters":[{"t":"a"}],"products":[]}"#,
                "products",
            ),
        ] {
            let found = find(&Document::parse(text.into()).unwrap(), &["t".to_owned()], false);
            assert_eq!((found.selector.to_string().as_str(), found.others), (selector, Vec::<String>::new()), "{api}");
        }
    }

    #[test]
    fn a_list_that_describes_others_is_the_records_where_it_is_alone_or_called_so() {
        assert_eq!(found(r#"{"filters":[{"id":1}],"count":1}"#), "filters");
        assert_eq!(found(r#"{"fields":[{"name":"a"}]}"#), "fields");
        let text = r#"{"fields":[{"name":"a"}],"groups":[{"name":"b"}]}"#;
        assert_eq!(found(text), "groups");
        let named = find(&Document::parse(text.into()).unwrap(), &["fields".to_owned()], false);
        assert_eq!(named.selector.to_string(), "fields");
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
    fn a_list_that_a_later_key_of_the_same_name_hides_is_none() {
        assert_eq!(found(r#"{"page":{"rows":[{"id":1}]},"users":[{"id":1}],"page":{"size":1}}"#), "users");
        assert_eq!(found(r#"{"users":{"size":1},"people":[],"users":[{"id":1}]}"#), "users");
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
    fn an_answer_with_an_id_is_a_page_where_it_leads_to_others_or_counts_the_records() {
        for (text, selector) in [
            (r#"{"id":"b","people":[{"id":1}],"next":"/p?o=1"}"#, "people"),
            (r#"{"id":"b","people":[{"id":1}],"next":null}"#, "people"),
            (r#"{"id":"b","people":[{"id":1}],"total":57}"#, "people"),
            (r#"{"id":"b","people":[{"id":1},{"id":2}],"count":1}"#, "$"),
            (r#"{"id":"b","people":[{"id":1}],"meta":{"total_count":1}}"#, "people"),
            (
                r#"{"resourceType":"Bundle","id":"x","type":"searchset","link":[{"relation":"self","url":"/a"},{"relation":"next","url":"/b"}],"entry":[{"resource":{"id":"1"}}]}"#,
                "entry",
            ),
            (
                r#"{"@context":"https://www.w3.org/ns/activitystreams","id":"https://a/outbox?page=1","type":"OrderedCollectionPage","next":"https://a/outbox?page=2","orderedItems":[{"id":"1"}]}"#,
                "orderedItems",
            ),
            (
                r#"{"type":"FeatureCollection","id":"s","features":[{"id":"1"}],"links":[{"rel":"next","href":"/b"}]}"#,
                "features",
            ),
            (r#"{"id":"b","people":[],"next":null}"#, "people"),
            (r#"{"id":"b","people":[],"total":0}"#, "people"),
            (r#"{"id":"b","people":[],"tags":[]}"#, "$"),
            (
                r#"{"type":"OrderedCollectionPage","id":"https://a/o","partOf":"https://a","orderedItems":[{"id":"1"}]}"#,
                "orderedItems",
            ),
            (r#"{"type":"FeatureCollection","id":"s","features":[{"id":"1"}],"links":[]}"#, "features"),
            (r#"{"id":1,"links":[{"rel":"self","href":"/a"}],"people":[{"id":1}]}"#, "$"),
            (r#"{"id":1,"_links":{"self":{"href":"/a"}},"people":[{"id":1}]}"#, "$"),
        ] {
            assert_eq!(found(text), selector, "{text}");
        }
    }

    #[test]
    fn a_page_of_an_empty_list_may_leave_out_the_place_of_its_records() {
        let is_nothing =
            |text: &str| find(&Document::parse(text.into()).unwrap(), &["customers".to_owned()], false).is_nothing;
        for text in [
            r#"{"_links":{"self":{"href":"/a"}},"page":{"size":20,"totalElements":0}}"#,
            r#"{"schemas":["urn:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0}"#,
            r#"{"kind":"calendar#events","etag":"x"}"#,
            r#"{"kind":"drive#fileList","nextPageToken":"t","incompleteSearch":false}"#,
            r#"{"meta":{"result_count":0}}"#,
            r#"{"resourceType":"Bundle","id":"x","type":"searchset","total":0,"link":[{"relation":"first","url":"/a"}]}"#,
            r#"{"success":true,"total_count":0}"#,
            r#"{"resourceType":"Bundle","id":"x","type":"searchset","link":[{"relation":"self","url":"/a"}]}"#,
        ] {
            assert!(is_nothing(text), "{text}");
        }
        for text in [
            r#"{"_links":{"self":{"href":"/a"}},"name":"x"}"#,
            r#"{"count":0}"#,
            r#"{"name":"x","count":0}"#,
            r#"{"id":1,"count":0}"#,
            r#"{"meta":{"result_count":2}}"#,
            r#"{"kind":"k","name":"x"}"#,
            r#"{"status":"ok"}"#,
            "{}",
        ] {
            assert!(!is_nothing(text), "{text}");
        }
        let of_one = |text: &str| find_beside_paging(&Document::parse(text.into()).unwrap(), &[]).is_nothing;
        assert!(of_one(r#"{"_links":{"self":{"href":"/a"}},"page":{"size":20,"totalElements":0}}"#));
        assert!(!of_one(r#"{"status":"ok","count":0}"#));
    }

    #[test]
    fn a_list_of_scalars_is_the_records_under_the_result_of_an_answer() {
        assert_eq!(found(r#"{"help":"h","success":true,"result":["a","b"]}"#), "result");
        assert_eq!(found(r#"{"jsonrpc":"2.0","id":1,"result":[{"id":1}]}"#), "result");
    }
}
