//! Keys that distinguish the envelope of a response from its records. Case, `_`, `-` and `.` do not count.

use crate::json::{Key, Node};

/// Usual keys of the records: dlt's words, and `result` of JSON-RPC and CKAN.
const USUAL: [&str; 12] = [
    "data", "items", "results", "entries", "records", "rows", "entities", "payload", "content", "objects", "values",
    "result",
];

/// Keys of values other than the records.
const ASIDE: [&str; 11] = [
    "meta",
    "metadata",
    "pagination",
    "paging",
    "links",
    "extras",
    "headers",
    "errors",
    "warnings",
    "included",
    "facets",
];

/// Keys of lists that describe the answer, where it has another list: facets, the query, the names of columns.
const DESCRIPTIONS: [&str; 15] = [
    "suggestedfacets",
    "facetcounts",
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
    "shards",
];

/// Keys of an object that describe its list, besides [`ASIDE`] and [`DESCRIPTIONS`].
const AROUND: [&str; 40] = [
    "@odatacontext",
    "@odatacount",
    "code",
    "count",
    "currentpage",
    "etag",
    "from",
    "incompleteresults",
    "incompletesearch",
    "itemsperpage",
    "kind",
    "lastpage",
    "limit",
    "message",
    "object",
    "offset",
    "ok",
    "page",
    "pagecount",
    "pagenumber",
    "pagesize",
    "pages",
    "perpage",
    "prev",
    "previous",
    "query",
    "requestid",
    "self",
    "size",
    "skip",
    "start",
    "startindex",
    "status",
    "success",
    "took",
    "total",
    "totalcount",
    "totalitems",
    "totalresults",
    "url",
];

/// Keys that lead to a next page, and objects about paging.
const PAGING: [&str; 18] = [
    "@odatanextlink",
    "next",
    "cursor",
    "hasmore",
    "hasnext",
    "hasnextpage",
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
    "pagetoken",
];

/// Keys that say what kind of answer it is: of Google, OData, SCIM, FHIR.
const KINDS: [&str; 5] = ["kind", "@odatacontext", "@context", "schemas", "resourcetype"];

/// Keys of an answer that go with [`KINDS`], and say nothing of its records.
const VERSIONS: [&str; 3] = ["etag", "apiversion", "version"];

/// A key of an answer, as the lists above spell it.
#[derive(PartialEq, Eq)]
pub(super) struct Word(String);

impl Word {
    pub fn of(key: Key<'_>) -> Option<Self> {
        Some(Self::new(&key.text().ok()?))
    }

    pub fn new(key: &str) -> Self {
        let letters = key.chars().filter(|letter| !matches!(letter, '_' | '-' | '.'));
        Self(letters.map(|letter| letter.to_ascii_lowercase()).collect())
    }

    pub fn is_usual(&self) -> bool {
        self.is_in(&USUAL)
    }

    pub fn is_aside(&self) -> bool {
        self.is_in(&ASIDE)
    }

    pub fn is_description(&self) -> bool {
        self.is_in(&DESCRIPTIONS)
    }

    pub fn is_paging(&self) -> bool {
        self.is_in(&PAGING)
    }

    pub fn tells_kind(&self) -> bool {
        self.is_in(&KINDS)
    }

    pub fn is_kind(&self) -> bool {
        self.is_in(&KINDS) || self.is_in(&VERSIONS)
    }

    /// About a list, or about the answer that has it.
    pub fn is_around(&self) -> bool {
        self.is_aside() || self.is_description() || self.is_in(&AROUND)
    }

    pub fn is(&self, word: &str) -> bool {
        self.0 == word
    }

    fn is_in(&self, words: &[&str]) -> bool {
        words.contains(&self.0.as_str())
    }
}

pub(super) fn words(object: Node<'_>) -> impl Iterator<Item = Word> {
    object.fields().filter_map(|(key, _)| Word::of(key))
}
