//! Finds the numbers of an answer that state the size of the whole result set.
//!
//! ```text
//! {"meta": {"total": 3000, "count": 50}, "data": [ …50 records… ]}
//!      find ─► meta.total = 3000, meta.count = 50
//!    choose ─► meta.total         (a `count` of 50 beside 50 records is that of the page)
//! ```
//!
//! A number is a total by its name and its place: beside the list of records, in the object around that, or in an object
//! such as `meta` or `pagination` in either of them. Any other number, e.g. `unread_count` or `total_price`, is ignored: a
//! number that is wrongly taken for a total would make a complete run fail.

use std::fmt;

use reqwest::header::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::json::{Document, Kind, Node, Selector};

/// Words that a name may join with `total` or `count`, besides the name of the list itself.
const NOUNS: [&str; 14] = [
    "rows", "row", "records", "record", "items", "item", "entries", "entry", "results", "result", "elements",
    "element", "hits", "hit",
];

/// Words that say which or how many records are meant, e.g. in `totalNumberOfResults`.
const QUALIFIERS: [&str; 8] = ["size", "found", "filtered", "filter", "number", "num", "of", "in"];

/// Names of well-known APIs that the words above do not make: Solr, Algolia, OGC API, OData, DataTables.
const WELL_KNOWN: [&str; 7] =
    ["numfound", "nbhits", "numbermatched", "odatacount", "recordsfiltered", "itotalrecords", "itotaldisplayrecords"];

/// Names that are totals in some APIs and something else in others, e.g. `found` of Typesense.
const UNSURE: [&str; 2] = ["found", "hits"];

/// Objects with facts about the page sequence.
const PLACES: [&str; 9] =
    ["meta", "metadata", "pagination", "paging", "page", "pageinfo", "pager", "paginator", "info"];

/// Objects in one of [`PLACES`] that hold totals too, e.g. openFDA's `meta.results.total`.
const INNER_PLACES: [&str; 6] = ["pagination", "paging", "page", "pageinfo", "results", "metadata"];

/// Response headers with a total besides `X-Total…`. Kinto has `Total-Records` and `Total-Objects`, Yii the longest one.
const HEADERS: [&str; 7] = [
    "x-wp-total",
    "total-count",
    "total-records",
    "total-objects",
    "total-items",
    "x-pagination-total",
    "x-pagination-total-count",
];

/// Bytes of a name that may be that of a total.
const LONGEST_NAME: usize = 256;

const CONTENT_RANGE: &str = "content-range";

/// A place in an answer that holds the number of records of the whole result set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::fetch) enum TotalPlace {
    /// A path in the body, e.g. `meta.total`.
    Path(Selector),
    /// A response header, e.g. `X-Total-Count`. Of `Content-Range` the number after the slash.
    Header(String),
}

/// A number of records of the whole result set, as one answer states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fetch) struct Total {
    pub records: u64,
    pub place: TotalPlace,
    /// The answer says that the number is a bound or an estimate, e.g. by `relation: gte`, or its name is ambiguous.
    pub is_weak: bool,
}

impl TotalPlace {
    /// Returns the total of another page of the sequence; `None` if there is no whole number at this place.
    pub fn read(&self, root: Node<'_>, headers: &HeaderMap) -> Option<u64> {
        match self {
            Self::Path(path) => path.find_count(root),
            Self::Header(name) => headers.get_all(name).iter().find_map(|value| count_of_header(name, value)),
        }
    }

    /// Returns the key of the answer that the place is below; `None` for a header.
    pub fn top(&self) -> Option<String> {
        match self {
            Self::Path(path) => path.keys()?.into_iter().next(),
            Self::Header(_) => None,
        }
    }

    /// Returns the lower-case letters of the name: the last key, or the one before `value` in `hits.total.value`.
    fn name(&self) -> String {
        match self {
            Self::Header(name) => squeeze(name),
            Self::Path(path) => {
                let keys = path.keys().unwrap_or_default();
                let name = keys.iter().rev().find(|key| !key.eq_ignore_ascii_case("value"));
                name.map(|name| squeeze(name)).unwrap_or_default()
            }
        }
    }

    /// Returns `true` for `total` alone, which some APIs use for the number of pages.
    pub(in crate::fetch) fn is_bare_total(&self) -> bool {
        matches!(self, Self::Path(_)) && self.name() == "total"
    }

    /// Returns `true` if many APIs have the number of records of the page here, e.g. in `count` or `result_count`.
    pub(in crate::fetch) fn may_count_page(&self) -> bool {
        let name = self.name();
        let is_header = matches!(self, Self::Header(_));
        let is_of_all = ["total", "filter", "found", "match", "nbhits", "odata"].iter().any(|word| name.contains(word));
        !is_header && !is_of_all
    }
}

impl fmt::Display for TotalPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "`{path}`"),
            Self::Header(name) => write!(f, "the header `{name}`"),
        }
    }
}

/// Returns all numbers of this answer that are totals by their name and place, those of the body first.
///
/// `records` are the keys that lead to the records, e.g. `["result", "items"]`. Without keys the answer itself is the list,
/// and only headers can hold a total.
pub(in crate::fetch) fn find(root: Node<'_>, headers: &HeaderMap, records: &[String]) -> Vec<Total> {
    let own = own_names(records);
    let in_body = holders(root, records).into_iter().flat_map(|(path, holder)| in_object(root, &path, holder, &own));
    in_body.chain(in_headers(headers)).collect()
}

/// Returns the total that counts: of several the smallest that is not below `received`, the records of the sequence so far.
///
/// A number that equals `count`, the records of this page alone, is not chosen if many APIs have the page's own count under
/// its name and a larger total exists. A weak total is chosen only if there is no strong one.
pub(in crate::fetch) fn choose(totals: &[Total], count: u64, received: u64) -> Option<&Total> {
    let of_all = || totals.iter().filter(|total| !is_of_page(total, totals, count));
    let is_strong = of_all().any(|total| !total.is_weak);
    let candidates = of_all().filter(|total| total.is_weak != is_strong && total.records >= received);
    candidates.min_by_key(|total| total.records)
}

/// Returns the largest strong total if more records were received than every strong total states.
///
/// Such an API counts something else, or less than it has. A number that may be that of a page states nothing here.
#[cfg_attr(not(test), expect(dead_code, reason = "the driver does not compare yet"))]
pub(in crate::fetch) fn exceeded(totals: &[Total], received: u64) -> Option<&Total> {
    let of_all = totals.iter().filter(|total| !total.is_weak && !total.place.may_count_page());
    of_all.max_by_key(|total| total.records).filter(|total| total.records < received)
}

fn is_of_page(total: &Total, totals: &[Total], count: u64) -> bool {
    total.records == count && total.place.may_count_page() && totals.iter().any(|other| other.records > count)
}

type Path = Vec<String>;

/// Returns the objects that may hold a total, with the keys that lead to each of them.
fn holders<'a>(root: Node<'a>, records: &[String]) -> Vec<(Path, Node<'a>)> {
    let mut found: Vec<(Path, Node<'a>)> = Vec::new();
    let mut keep = |path: Path, node: Node<'a>| {
        if found.iter().all(|(other, _)| *other != path) {
            found.push((path, node));
        }
    };
    for up in 1..=2 {
        let Some(path) = records.len().checked_sub(up).and_then(|end| records.get(..end)) else { break };
        let Some(base) = path.iter().try_fold(root, |node, key| node.get(key)) else { continue };
        keep(path.to_vec(), base);
        for (path, place) in objects(path, base, &PLACES) {
            keep(path.clone(), place);
            objects(&path, place, &INNER_PLACES).into_iter().for_each(|(path, inner)| keep(path, inner));
        }
    }
    found
}

/// Returns the objects in `node` that have one of these names.
fn objects<'a>(path: &[String], node: Node<'a>, names: &[&str]) -> Vec<(Path, Node<'a>)> {
    let objects = node.fields().filter(|(_, value)| value.kind() == Kind::Object);
    let named = objects.filter_map(|(key, value)| Some((key.text().ok()?, value)));
    let wanted = named.filter(|(key, _)| names.contains(&squeeze(key).as_str()));
    wanted.map(|(key, value)| ([path, &[key.into_owned()]].concat(), value)).collect()
}

fn in_object(root: Node<'_>, path: &[String], holder: Node<'_>, own: &[String]) -> Vec<Total> {
    let mut totals = Vec::new();
    for (key, value) in holder.fields() {
        let Ok(key) = key.text() else { continue };
        let Some(is_unsure) = reading(&key, own) else { continue };
        let mut path = [path, &[key.into_owned()]].concat();
        let mut beside = holder;
        if value.kind() == Kind::Object {
            path.push("value".to_owned());
            beside = value;
        }
        let place = TotalPlace::Path(Selector::from_keys(&path));
        if let Some(records) = place.read(root, &HeaderMap::new()) {
            let is_weak = is_unsure || is_inexact(beside) || is_of_youtube(&path, holder);
            totals.push(Total { records, place, is_weak });
        }
    }
    totals
}

/// Returns `None` if the name is not that of a total, else `true` if it is one in some APIs only.
fn reading(key: &str, own: &[String]) -> Option<bool> {
    let name = squeeze(key);
    if WELL_KNOWN.contains(&name.as_str()) {
        return Some(false);
    }
    if UNSURE.contains(&name.as_str()) {
        return Some(true);
    }
    let is_counter = name.contains("total") || name.contains("count") || name.starts_with("num");
    (is_counter && is_name(&name, own)).then_some(false)
}

/// Returns `true` if the name consists of words for a number of records, and says by one of them that it is a number.
fn is_name(name: &str, own: &[String]) -> bool {
    let Some(words) = words(name, own) else { return false };
    let has = |word: &str| words.contains(&word);
    let has_noun = words.iter().any(|word| NOUNS.contains(word) || own.iter().any(|own| own == word));
    // `num_results`, but not Spring's `numberOfElements`, which is always the page's own count.
    let is_number_of = words.first() == Some(&"num") && words.len() == 2 && has_noun;
    let is_count = has("count") && !has("number") && !has("num");
    has("total") || is_count || is_number_of
}

/// Splits a name into known words; `None` if there is any other text in it, or if it is longer than a name.
fn words<'a>(name: &'a str, own: &'a [String]) -> Option<Vec<&'a str>> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let known = ["total", "count"].into_iter().chain(NOUNS).chain(QUALIFIERS).chain(own.iter().map(String::as_str));
    let known: Vec<_> = known.filter(|word| !word.is_empty()).collect();
    // From the end, each rest once: rests of rests would be split anew for each way that leads to them.
    let mut splits: Vec<Option<&str>> = vec![None; name.len()];
    let is_split = |splits: &[Option<&str>], at: usize| at == name.len() || splits.get(at).is_some_and(Option::is_some);
    for at in (0..name.len()).rev() {
        let rest = name.get(at..).unwrap_or_default();
        let word = known.iter().copied().find(|word| rest.starts_with(word) && is_split(&splits, at + word.len()));
        if let Some(split) = splits.get_mut(at) {
            *split = word;
        }
    }
    let mut words = Vec::new();
    let mut at = 0;
    while at < name.len() {
        let word = splits.get(at).copied().flatten()?;
        words.push(word);
        at += word.len();
    }
    Some(words)
}

/// Returns what a name may call the records: `issues` and `issue`. A count of pages stays one, even of a list `pages`.
fn own_names(records: &[String]) -> Vec<String> {
    let Some(name) = records.last().map(|key| squeeze(key)).filter(|name| name != "pages") else { return Vec::new() };
    let singular = |end: &str, with: &str| name.strip_suffix(end).map(|stem| format!("{stem}{with}"));
    let singulars = [singular("ies", "y"), singular("es", ""), singular("s", "")];
    singulars.into_iter().flatten().chain([name.clone()]).filter(|name| name.len() > 1).collect()
}

/// Returns `true` if the object says that its total is a bound or an estimate: Elasticsearch, Solr, Algolia.
fn is_inexact(holder: Node<'_>) -> bool {
    holder.fields().any(|(key, value)| {
        let Ok(key) = key.text() else { return false };
        match squeeze(&key).as_str() {
            "relation" | "totalrelation" => value.string().is_ok_and(|text| ["gte", "gt"].contains(&text.as_ref())),
            "eq" | "numfoundexact" | "exhaustivenbhits" | "totalexact" | "istotalexact" => {
                value.kind() == Kind::Bool(false)
            }
            "isestimate" | "isestimated" | "estimated" | "totalisestimate" | "totalisestimated" => {
                value.kind() == Kind::Bool(true)
            }
            _ => false,
        }
    })
}

/// YouTube documents its `pageInfo: {totalResults, resultsPerPage}` as an approximation.
fn is_of_youtube(path: &[String], holder: Node<'_>) -> bool {
    matches!(path, [.., place, name] if place == "pageInfo" && name == "totalResults")
        && holder.get("resultsPerPage").is_some()
}

fn in_headers(headers: &HeaderMap) -> impl Iterator<Item = Total> {
    let is_total = |name: &str| {
        let is_count = name.starts_with("x-total") && !name.contains("page");
        is_count || HEADERS.contains(&name) || name == CONTENT_RANGE
    };
    let found = headers.keys().filter(move |name| is_total(name.as_str()));
    found.filter_map(|name| {
        let place = TotalPlace::Header(display_name(name.as_str()));
        let records = place.read(Document::null().root(), headers)?;
        Some(Total { records, place, is_weak: false })
    })
}

fn count_of_header(name: &str, value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?.trim();
    if !name.eq_ignore_ascii_case(CONTENT_RANGE) {
        return text.parse().ok();
    }
    let (range, total) = text.rsplit_once('/')?;
    // A range of bytes is a part of the body, and says nothing about records.
    let is_of_bytes = range.trim_start().get(..5).is_some_and(|unit| unit.eq_ignore_ascii_case("bytes"));
    total.trim().parse().ok().filter(|_| !is_of_bytes)
}

/// Returns a header's name as documentation writes it: `X-Total-Count`, `X-WP-Total`.
fn display_name(name: &str) -> String {
    let capital = |word: &str| match word {
        "wp" => "WP".to_owned(),
        word => word.get(..1).unwrap_or_default().to_ascii_uppercase() + word.get(1..).unwrap_or_default(),
    };
    name.split('-').map(capital).collect::<Vec<_>>().join("-")
}

/// Returns the letters and digits of a name in lower case: `total_count`, `totalCount` and `total-count` are one name.
fn squeeze(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests;
