//! The fields beside the records of a page, and which of them tell where the next page is.

use serde_json::Value;

use super::{
    document::Document,
    objects::{object, only_alternative, parts, type_of},
    paginator::bare,
};
use crate::schema::file::selector;

/// Objects in which APIs put what they tell of pages.
const ENVELOPES: [&str; 11] = [
    "links",
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
    fn name(&self) -> String {
        self.keys.last().map(|key| bare(key)).unwrap_or_default()
    }

    pub(super) fn path(&self) -> String {
        selector(&self.keys)
    }

    /// JSON:API's `links.next`.
    fn is_among_links(&self) -> bool {
        self.keys.len() > 1 && self.keys.first().is_some_and(|envelope| bare(envelope) == "links")
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

/// The fields of an answer, and those in its usual envelopes.
pub(super) fn fields<'a>(document: &'a Document, answer: &'a Value) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    for property in object(document, answer).properties {
        let Some(&schema) = property.schemas.first() else { continue };
        fields.push(Field { keys: vec![property.name.to_owned()], schema });
        if !ENVELOPES.contains(&bare(property.name).as_str()) {
            continue;
        }
        for inner in object(document, schema).properties {
            let keys = vec![property.name.to_owned(), inner.name.to_owned()];
            fields.extend(inner.schemas.first().map(|&schema| Field { keys, schema }));
        }
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
