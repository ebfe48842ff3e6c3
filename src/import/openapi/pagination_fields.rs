//! The fields beside the records of a page, and which of them tell where the next page is.

use serde_json::Value;

use super::{
    document::Document,
    objects::{object, only_alternative, parts, type_of},
    paginator::bare,
    records::Records,
};
use crate::schema::file::selector;

/// Objects in which APIs put what they tell of pages.
const ENVELOPES: [&str; 14] = [
    "links",
    "info",
    "pager",
    "paginator",
    "paging",
    "pagination",
    "meta",
    "metadata",
    "responsemetadata",
    "pageinfo",
    "page",
    "cursors",
    "cursor",
    "pages",
];

/// Envelopes within envelopes.
const DEEPEST_ENVELOPE: usize = 2;

/// Fields that hold the next cursor by their names.
const CURSORS: [&str; 8] = [
    "nextcursor",
    "nextpagetoken",
    "nexttoken",
    "endcursor",
    "nextpagecursor",
    "continuationtoken",
    "cursor",
    "continue",
];

/// Fields that hold the next link by their names.
const LINKS: [&str; 6] = ["nexturl", "nextlink", ODATA, "nextpageurl", "nextpagelink", "nexthref"];

/// OData's link, beside which its `$top` says how many records there are in all.
const ODATA: &str = "odatanextlink";

/// Fields that hold one or the other, or a number.
const NEXT: [&str; 3] = ["next", "nextpage", "nextpagenumber"];

/// Fields that an object has only if it is a page, besides those that lead to the next one.
const OF_PAGE: [&str; 16] = [
    "previous",
    "hasmore",
    "hasnext",
    "hasnextpage",
    "page",
    "pageinfo",
    "pageable",
    "pagination",
    "paging",
    "perpage",
    "pagesize",
    "totalpages",
    "totalelements",
    "currentpage",
    "lastpage",
    "offset",
];
/// Formats of texts that are links.
const URLS: [&str; 5] = ["uri", "uri-reference", "url", "iri", "uri-template"];

/// One field beside the records.
pub(super) struct Field<'a> {
    keys: Vec<String>,
    schema: &'a Value,
}

/// What tells where the next page is, by its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Cursor(String),
    Link(String),
    ODataLink(String),
    /// The next page's number.
    Number(String),
    /// A text that may be a cursor or a link.
    Text(String),
}

impl Field<'_> {
    /// Its name without signs and case.
    pub(super) fn name(&self) -> String {
        self.keys.last().map(|key| bare(key)).unwrap_or_default()
    }

    pub(super) fn path(&self) -> String {
        selector(&self.keys)
    }

    /// Its last two keys: `meta` and `total` of `meta.total`.
    pub(super) fn ends(&self) -> Option<(&str, &str)> {
        match self.keys.as_slice() {
            [.., holder, name] => Some((holder, name)),
            _ => None,
        }
    }

    pub(super) fn description(&self, document: &Document) -> String {
        let followed = document.follow(self.schema).unwrap_or(self.schema);
        let texts = [self.schema, followed].into_iter().filter_map(|schema| schema.get("description")?.as_str());
        texts.collect::<Vec<_>>().join(" ")
    }

    /// JSON:API's `links.next`.
    fn is_among_links(&self) -> bool {
        self.keys.iter().rev().nth(1).is_some_and(|envelope| bare(envelope) == "links")
    }

    fn path_below(&self, key: &str) -> String {
        let mut keys = self.keys.clone();
        keys.push(key.to_owned());
        selector(&keys)
    }

    /// What it tells of the next page, if its name says that it does and its type does not say otherwise.
    fn next(&self, document: &Document) -> Option<Next> {
        let name = self.name();
        let is_one_of = |names: &[&str]| names.contains(&name.as_str());
        if !is_one_of(&CURSORS) && !is_one_of(&LINKS) && !is_one_of(&NEXT) {
            return None;
        }
        match type_of(document, self.schema) {
            Some("object") => self.next_within(document),
            Some("boolean" | "array") => None,
            _ if name == ODATA => Some(Next::ODataLink(self.path())),
            _ if is_one_of(&LINKS) => Some(Next::Link(self.path())),
            _ if is_one_of(&CURSORS) => Some(Next::Cursor(self.path())),
            Some("integer" | "number") => Some(Next::Number(self.path())),
            _ if self.is_among_links() || is_url(document, self.schema) => Some(Next::Link(self.path())),
            _ => Some(Next::Text(self.path())),
        }
    }

    /// `next: {href: …}` and `next: {after: …}`.
    fn next_within(&self, document: &Document) -> Option<Next> {
        let properties = object(document, self.schema).properties;
        let has = |wanted: &[&str]| properties.iter().map(|property| property.name).find(|name| wanted.contains(name));
        if let Some(cursor) = has(&["after", "cursor", "token"]) {
            return Some(Next::Cursor(self.path_below(cursor)));
        }
        has(&["href", "url"]).map(|link| Next::Link(self.path_below(link)))
    }
}

/// Returns true if a field of this name says that its object is a page.
pub(super) fn is_about_pages(name: &str) -> bool {
    let name = bare(name);
    [&CURSORS[..], &LINKS, &NEXT, &OF_PAGE].iter().any(|names| names.contains(&name.as_str()))
}

/// Returns true if APIs put facts about the pages into an object of this name.
pub(super) fn is_envelope(name: &str) -> bool {
    ENVELOPES.contains(&bare(name).as_str())
}

/// The fields of an answer and of each object around its records, and those in their usual envelopes.
pub(super) fn fields<'a>(document: &'a Document, records: &Records<'a>) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    let mut above: Vec<String> = Vec::new();
    let mut schemas = vec![records.answer];
    for key in &records.keys {
        fields.extend(schemas.iter().flat_map(|schema| within(document, &above, schema, DEEPEST_ENVELOPE)));
        let properties = schemas.iter().flat_map(|schema| object(document, schema).properties);
        let found = properties.filter(|property| property.name == key).flat_map(|property| property.schemas);
        schemas = found.collect();
        above.push(key.clone());
    }
    fields
}

/// The fields of one object, `depth` envelopes deep: `meta.pagination.total` is two of them.
fn within<'a>(document: &'a Document, above: &[String], schema: &'a Value, depth: usize) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    for property in object(document, schema).properties {
        let Some(&schema) = property.schemas.first() else { continue };
        let keys = [above, &[property.name.to_owned()]].concat();
        let inner = if depth > 0 && is_envelope(property.name) {
            within(document, &keys, schema, depth - 1)
        } else {
            Vec::new()
        };
        fields.push(Field { keys, schema });
        fields.extend(inner);
    }
    fields
}

/// All that tell of the next page, by names that say most first.
pub(super) fn nexts(document: &Document, fields: &[Field<'_>]) -> Vec<Next> {
    let names = CURSORS.iter().chain(&LINKS).chain(&NEXT);
    names
        .flat_map(|name| fields.iter().filter(move |field| field.name() == **name))
        .filter_map(|field| field.next(document))
        .collect()
}

/// The first field of one of these names whose type is one of these, or is not told.
pub(super) fn of_type(document: &Document, fields: &[Field<'_>], names: &[&str], types: &[&str]) -> Option<String> {
    let is_one = |field: &&Field<'_>| type_of(document, field.schema).is_none_or(|kind| types.contains(&kind));
    names.iter().find_map(|name| fields.iter().filter(is_one).find(|field| field.name() == *name)).map(Field::path)
}

/// Whether a text is said to be a URL.
fn is_url(document: &Document, schema: &Value) -> bool {
    let followed = document.follow(schema).unwrap_or(schema);
    let layers = [schema, followed].into_iter().chain(parts(followed)).chain(only_alternative(followed));
    layers.into_iter().any(|layer| {
        let text = |key: &str| layer.get(key).and_then(Value::as_str).unwrap_or_default();
        let description = text("description").to_ascii_lowercase();
        let mut words = description.split(|letter: char| !letter.is_alphanumeric());
        let is_example = ["http://", "https://", "/"].iter().any(|start| text("example").starts_with(start));
        URLS.contains(&text("format")) || is_example || words.any(|word| ["url", "uri", "link"].contains(&word))
    })
}
