//! The scalars of a first page outside of lists, and the names by which they say something about the page sequence.

use url::Url;

use super::Asked;
use crate::{
    fetch::paginate::{PageView, flag, link::header_link},
    json::{Kind, Node, Selector},
};

/// Objects inside of objects that are searched.
const DEPTH: usize = 4;

/// Objects that hold facts about the page sequence, besides those around the list itself.
const PLACES: [&str; 20] = [
    "pageable",
    "meta",
    "metadata",
    "pagination",
    "paging",
    "page",
    "pageinfo",
    "pager",
    "paginator",
    "info",
    "links",
    "link",
    "cursor",
    "cursors",
    "responsemetadata",
    "properties",
    "params",
    "query",
    "responseheader",
    "response",
];

/// Flags that are true if another page follows.
const MORE: [&str; 16] = [
    "hasmore",
    "hasnext",
    "hasnextpage",
    "hasmorerecords",
    "hasmoreitems",
    "hasmoreresults",
    "hasmorepages",
    "hasmoredata",
    "more",
    "next",
    "moreavailable",
    "morerecords",
    "moreresults",
    "exceededtransferlimit",
    "istruncated",
    "morepages",
];

/// Flags that are true on the last page.
const LAST: [&str; 8] = ["islast", "islastpage", "last", "lastpage", "done", "isdone", "endofrecords", "endoflist"];

/// Flags that say that something is missing, which need not be a page, with the value that says so.
const UNSURE: [(&str, bool); 6] = [
    ("complete", false),
    ("iscomplete", false),
    ("partial", true),
    ("incomplete", true),
    ("incompleteresults", true),
    ("truncated", true),
];

/// Names after `next` that lead to a page, besides the endings: `next_run` and `next_invoice` do not.
const NEXT: [&str; 24] = [
    "",
    "start",
    "startat",
    "startindex",
    "startkey",
    "startid",
    "skip",
    "after",
    "from",
    "key",
    "index",
    "id",
    "maxid",
    "pageid",
    "scrollid",
    "position",
    "path",
    "results",
    "records",
    "batch",
    "pagenumber",
    "pagestart",
    "partitionkey",
    "rowkey",
];

const NEXT_ENDINGS: [&str; 10] =
    ["page", "cursor", "token", "link", "url", "uri", "href", "offset", "marker", "bookmark"];

/// The answer, the names of its scalars and of its request.
pub(super) struct Scan<'a> {
    pub page: &'a PageView<'a>,
    /// The keys that lead to the list of records; `None` if the answer is one record.
    pub records: Option<&'a [String]>,
    /// The request has a body.
    pub has_body: bool,
    /// All scalars outside of lists in document order, each with the keys that lead to it.
    pub values: Vec<(Vec<String>, Node<'a>)>,
}

/// A value that says if another page follows.
pub(super) struct Flag<'s, 'a> {
    keys: &'s [String],
    node: Node<'a>,
    pub says_more: bool,
    /// It is true on the last page.
    pub is_last: bool,
}

impl Flag<'_, '_> {
    pub fn path(&self) -> Selector {
        Selector::from_keys(self.keys)
    }

    pub fn text(&self) -> String {
        self.node.raw_text().unwrap_or_default().to_owned()
    }
}

impl<'a> Scan<'a> {
    pub fn new(page: &'a PageView<'a>, asked: &Asked<'a>) -> Self {
        let mut values = Vec::new();
        collect(page.root, &mut Vec::new(), &mut values);
        Self { page, records: asked.records, has_body: asked.has_body, values }
    }

    pub fn is_list(&self) -> bool {
        self.records.is_some()
    }

    pub fn numbers(&self) -> impl Iterator<Item = (&[String], u64)> {
        self.values.iter().filter_map(|(path, node)| match node.kind() {
            Kind::Number | Kind::String => Some((path.as_slice(), node.string().ok()?.trim().parse().ok()?)),
            _ => None,
        })
    }

    /// Returns the values of this name in an object around the list, or in one that holds facts about the sequence.
    pub fn near(&self, name: &'static str) -> impl Iterator<Item = (&[String], Node<'a>)> {
        let named = self.values.iter().filter(move |(path, _)| path.last().is_some_and(|key| squeezed(key) == name));
        named.filter(|(path, _)| self.is_near(path)).map(|(path, node)| (path.as_slice(), *node))
    }

    /// Returns `true` if the value at `path` is about the list: in an object around it, or in one of [`PLACES`].
    pub fn is_near(&self, path: &[String]) -> bool {
        let Some((_, parent)) = path.split_last() else { return false };
        let around = self.records.unwrap_or_default();
        around.starts_with(parent) || parent.last().is_some_and(|key| PLACES.contains(&squeezed(key).as_str()))
    }

    /// Returns the object that has the list in it.
    pub fn holder(&self) -> Option<Node<'a>> {
        let (_, above) = self.records?.split_last()?;
        above.iter().try_fold(self.page.root, |node, key| node.get(key))
    }

    pub fn flags(&self) -> impl Iterator<Item = Flag<'_, 'a>> {
        self.values.iter().filter_map(|(keys, node)| {
            let name = squeezed(keys.last()?);
            let is_last = LAST.contains(&name.as_str());
            let is_plain = name.starts_with("has") || name.starts_with("is");
            // `done` and `more` have other meanings elsewhere; in one record alone all but `has_more` are fields of it.
            let is_meant = name.starts_with("has") || self.is_list() && (is_plain || self.is_near(keys));
            if !(is_last || MORE.contains(&name.as_str())) || !is_meant {
                return None;
            }
            // `last_page: 1` is a number of pages, and `next: 1` a position.
            let is_number = node.string().is_ok_and(|text| text.parse::<f64>().is_ok());
            let value = flag(*node).filter(|_| !is_number || is_plain)?;
            Some(Flag { keys, node: *node, says_more: value != is_last, is_last })
        })
    }

    /// Returns a flag that says that something is missing, and not what.
    pub fn unsure_flag(&self) -> Option<String> {
        let found = UNSURE.into_iter().filter(|_| self.is_list()).find_map(|(name, value)| {
            self.near(name)
                .find(|(_, node)| node.kind() == Kind::Bool(value))
                .map(|(path, _)| (Selector::from_keys(path), value))
        });
        found.map(|(path, value)| format!("`{path}` is {value}: there may be more"))
    }

    /// Returns the values under a key that is about the next page, or right below it as `href`, `url` and the like.
    pub fn next_values(&self) -> impl Iterator<Item = (&[String], Node<'a>)> {
        let found = self.values.iter().filter(|(path, _)| match path.as_slice() {
            [.., above, last] if is_target(last) && self.is_next(above) => true,
            [.., last] => self.is_next(last),
            [] => false,
        });
        found.map(|(path, node)| (path.as_slice(), *node))
    }

    /// Beside one record alone, `next_step` is more likely a field of it.
    fn is_next(&self, key: &str) -> bool {
        let lower = key.to_ascii_lowercase();
        let is_link = lower == "next" || lower == "__next" || lower.ends_with(".nextlink");
        is_link || self.is_list() && is_next_name(&lower)
    }

    /// Returns `true` if the page says that it is the last one, or that all is here: as [`proves_end`](Self::proves_end), or by
    /// links without a next one.
    pub fn states_end(&self) -> bool {
        let has_other_link =
            ["prev", "previous", "first", "last"].into_iter().any(|name| self.near(name).next().is_some());
        self.proves_end() || has_other_link || self.pages().is_some()
    }

    /// Returns `true` if a link or a cursor that is null, a flag, or a `Link` header without a next one states the end.
    pub fn proves_end(&self) -> bool {
        let is_nothing = |node: Node<'_>| match node.kind() {
            Kind::Null | Kind::Bool(false) => true,
            Kind::String => node.raw() == b"\"\"",
            _ => false,
        };
        let has_empty_next = self.next_values().any(|(_, node)| is_nothing(node));
        let has_header =
            ["prev", "first", "last"].into_iter().any(|relation| header_link(self.page.headers, relation).is_some());
        has_empty_next || has_header || self.flags().any(|flag| !flag.says_more)
    }

    /// Returns `true` if the request may have asked for this position. Without it an API begins with 0 or 1, and a larger number
    /// under the name of a position is of something else.
    pub fn is_asked_value(&self, value: u64) -> bool {
        value <= 1 || self.has_body || self.page.url.query_pairs().any(|(_, text)| text.parse() == Ok(value))
    }

    /// Returns the value of a parameter of the request.
    pub fn asked(&self, name: &str) -> Option<String> {
        param(self.page.url, name)
    }
}

fn collect<'a>(node: Node<'a>, path: &mut Vec<String>, values: &mut Vec<(Vec<String>, Node<'a>)>) {
    for (key, value) in node.fields() {
        let Ok(key) = key.text() else { continue };
        path.push(key.into_owned());
        match value.kind() {
            Kind::Array => {}
            Kind::Object if path.len() < DEPTH => collect(value, path, values),
            Kind::Object => {}
            _ => values.push((path.clone(), value)),
        }
        path.pop();
    }
}

/// `next_page`, `nextPageToken`, `@nextLink`. A sync or delta token leads to the next run and to no page.
pub(super) fn is_next_name(key: &str) -> bool {
    let name = squeezed(key);
    let Some(rest) = name.trim_start_matches(['@', '$']).strip_prefix("next") else { return false };
    let is_of_a_run = rest.starts_with("sync") || rest.starts_with("delta");
    !is_of_a_run && (NEXT.contains(&rest) || NEXT_ENDINGS.iter().any(|end| rest.ends_with(end)))
}

/// Names of the reference to the next page in an object such as `next` or `next_page`.
fn is_target(key: &str) -> bool {
    const NAMES: [&str; 12] =
        ["link", "after", "cursor", "uri", "path", "page", "number", "offset", "token", "start", "skip", "pagetoken"];
    let key = squeezed(key);
    key.starts_with("href") || key.starts_with("url") || NAMES.contains(&key.as_str())
}

/// Returns the lower-case letters of a name: `total_pages`, `totalPages` and `total-pages` are one name.
pub(super) fn squeezed(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

fn param(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
