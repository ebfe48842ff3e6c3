//! Distinguishes a page of records from one record that has a list, and from an empty page, which may lack the place of its
//! records.

use reqwest::header::HeaderMap;

use super::words::{Word, words};
use crate::{
    fetch::{completeness::totals, records::is_place_of_names},
    json::{Kind, Node},
};

/// Kinds of answers that are pages of lists, and the keys that say so: GeoJSON, ActivityPub, FHIR, Stripe.
const PAGE_KINDS: [(&str, &str); 6] = [
    ("type", "FeatureCollection"),
    ("type", "OrderedCollection"),
    ("type", "OrderedCollectionPage"),
    ("type", "CollectionPage"),
    ("resourceType", "Bundle"),
    ("object", "list"),
];

/// Relations of links between the pages of a list.
const RELATIONS: [&str; 5] = ["next", "prev", "previous", "first", "last"];

/// Returns true if the object is about the list below its key `top`, and no record that has a list.
pub(super) fn is_wrapper(object: Node<'_>, top: &str) -> bool {
    let top_word = Word::new(top);
    let is_around = |(key, word): (String, Word)| {
        word == top_word || is_place_of_names(&key.to_ascii_lowercase()) || word.is_around()
    };
    let mut keys = object.fields().filter_map(|(key, _)| Some((key.text().ok()?.into_owned(), Word::of(key)?)));
    words(object).any(|word| word.is_paging()) || keys.all(is_around)
}

/// Returns true if the object is a page of the list at `path` by what it says of other pages, whatever else it has: a bundle
/// of FHIR has an `id` too.
pub(super) fn is_page(object: Node<'_>, path: &[String], list: Node<'_>) -> bool {
    let count = list.items().count() as u64;
    let states_total = || {
        let totals = totals::find(object, &HeaderMap::new(), path);
        totals.iter().any(|total| !total.is_weak && total.records >= count && (count > 0 || total.records == 0))
    };
    words(object).any(|word| word.is_paging()) || has_page_links(object) || has_kind(object) || states_total()
}

/// Returns true if the object speaks of pages.
pub(super) fn has_paging(object: Node<'_>) -> bool {
    words(object).any(|word| word.is_paging() || word.is("links"))
}

/// Returns true if the object is a page without records which leaves their place out: it states a total of 0, or has nothing
/// but words about answers, as Google's `{"kind": "…", "etag": "…"}`.
pub(super) fn is_nothing(object: Node<'_>) -> bool {
    let totals = totals::find(object, &HeaderMap::new(), &[String::new()]);
    let tops: Vec<Word> = totals.iter().filter_map(|total| Some(Word::new(&total.place.top()?))).collect();
    let is_total = |word: &Word| tops.contains(word);
    let is_bundle = has_kind(object) || words(object).any(|word| word.is("link") || word.is("links"));
    let is_about = |word: &Word| {
        word.is_around() || word.is_paging() || word.is_kind() || word.is("type") || is_total(word)
            // Of the bundle, and not of a record.
            || word.is("id") && is_bundle
    };
    let is_zero = totals.iter().any(|total| total.records == 0) && totals.iter().all(|total| total.records == 0);
    let is_told =
        is_zero && !is_lone_number(object) || totals.is_empty() && words(object).any(|word| word.tells_kind());
    is_told && words(object).all(|word| is_about(&word))
}

fn has_kind(object: Node<'_>) -> bool {
    let is_kind = |(key, kind): &(&str, &str)| {
        object.get(key).is_some_and(|node| node.kind() == Kind::String && node.string().is_ok_and(|text| text == *kind))
    };
    PAGE_KINDS.iter().any(is_kind)
}

/// `{"count": 0}` is the record of an API that counts.
fn is_lone_number(object: Node<'_>) -> bool {
    let mut fields = object.fields();
    fields.next().is_some_and(|(_, value)| value.kind() == Kind::Number) && fields.next().is_none()
}

/// `links: {next: …}`, `link: [{relation: self, …}]`, `_links: {first: …}`.
fn has_page_links(object: Node<'_>) -> bool {
    let places =
        object.fields().filter(|(key, _)| Word::of(*key).is_some_and(|word| word.is("links") || word.is("link")));
    places.into_iter().any(|(_, links)| match links.kind() {
        Kind::Array => links.items().any(|link| ["rel", "relation"].iter().any(|name| is_relation(link.get(name)))),
        _ => RELATIONS.iter().any(|relation| links.get(relation).is_some()),
    })
}

fn is_relation(node: Option<Node<'_>>) -> bool {
    let text = node.filter(|node| node.kind() == Kind::String).and_then(|node| node.string().ok());
    text.is_some_and(|text| RELATIONS.contains(&text.as_ref()))
}
