//! Where a page's records are, when nobody said: dlt's search, less its traps.
//!
//! As dlt, it takes a list under a key that records usually stand under, else the first list there is, else the whole answer
//! as one record. Unlike dlt, it looks at outer lists of objects before inner ones, whatever they are called, leaves lists
//! beside the records (`meta`, `links`, `errors`) alone, takes a list of scalars only under a usual key where there are no
//! objects, and does not take the `tags` of one record with an `id` for records. Arrays are records where the answer names
//! their columns (`{"columns": ["id"], "rows": [[1]]}`), and lists that describe the answer (`filters`, `suggested_facets`,
//! `fields`) are records only where there is no other list.

use crate::json::{Document, Kind, Node, Selector};

use super::{
    paginate::selector_of,
    records::{has_identity, has_names, is_place_of_names},
};

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

/// Keys of lists that describe the answer, where it has another list: facets, the query, the names of columns.
const DESCRIPTIONS: [&str; 15] = [
    "suggested_facets",
    "facet_counts",
    "filters",
    "aggregations",
    "aggs",
    "sort",
    "sorts",
    "sorting",
    "breadcrumb",
    "breadcrumbs",
    "link",
    "normalized",
    "suggest",
    "schema",
    "_shards",
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
    /// Its rows are arrays whose columns have names.
    has_names: bool,
}

impl List<'_> {
    fn is_usual(&self) -> bool {
        self.path.last().is_some_and(|key| USUAL.contains(&key.to_ascii_lowercase().as_str()))
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
        let is_one = |key: &String| {
            let key = key.to_ascii_lowercase();
            DESCRIPTIONS.contains(&key.as_str()) || is_place_of_names(&key)
        };
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
    let is_record = has_identity(root) && !is_paged;
    let (descriptions, rest): (Vec<_>, Vec<_>) = lists.iter().partition(|list| list.is_description(names));
    let likeliest = likeliest(&rest, is_record).or_else(|| likeliest(&descriptions, is_record));
    if let Some(found) = likeliest.or(named) {
        return envelope(selector_of(&found.path), others(found, &rest));
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
        Some(top) if !is_wrapper(root, &top) && !found.is_nothing => record(),
        _ => found,
    }
}

/// Keys of an object that describe its list, besides [`ASIDE`] and [`DESCRIPTIONS`].
const AROUND: [&str; 36] = [
    "@odata.context",
    "@odata.count",
    "code",
    "count",
    "current_page",
    "etag",
    "from",
    "kind",
    "last_page",
    "limit",
    "message",
    "object",
    "offset",
    "ok",
    "page",
    "page_count",
    "page_number",
    "page_size",
    "pages",
    "per_page",
    "prev",
    "previous",
    "query",
    "request_id",
    "self",
    "size",
    "skip",
    "start",
    "status",
    "success",
    "took",
    "total",
    "total_count",
    "total_items",
    "total_results",
    "url",
];

/// Keys that lead to a next page, and objects about paging. Underscores and case do not count.
const PAGING: [&str; 18] = [
    "@odata.nextlink",
    "__next",
    "cursor",
    "hasmore",
    "hasnext",
    "hasnextpage",
    "next",
    "nextcursor",
    "nextlink",
    "nextpage",
    "nextpagetoken",
    "nextpageurl",
    "nexttoken",
    "nexturl",
    "pageinfo",
    "pagination",
    "paging",
    "totalpages",
];

/// Returns true if the object is about the list below its key `top`, and no record that has a list.
fn is_wrapper(object: Node<'_>, top: &str) -> bool {
    let keys: Vec<String> =
        object.fields().filter_map(|(key, _)| Some(key.text().ok()?.to_ascii_lowercase())).collect();
    let squeezed = |key: &str| key.trim_start_matches('_').replace(['_', '-'], "");
    let is_paging = |key: &String| PAGING.iter().any(|known| squeezed(known) == squeezed(key));
    let is_around = |key: &String| {
        let mut known = ASIDE.iter().chain(&DESCRIPTIONS).chain(&AROUND);
        key.eq_ignore_ascii_case(top) || is_place_of_names(key) || known.any(|known| squeezed(known) == squeezed(key))
    };
    keys.iter().any(is_paging) || keys.iter().all(is_around)
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
    lists.iter().copied().filter(is_rival).map(|list| selector_of(&list.path).to_string()).collect()
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
