//! The typed view of a checked tree: what a key says, in the type that its table gives it, or the table's default.
//!
//! A value that was reported as wrong reads as `None` everywhere, so who resolves a config goes on and finds the rest.

use std::time::Duration;

use super::{
    fields::{TYPE, Table},
    quantity,
    tree::{Entry, Kind, Place, Value},
};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub place: Place,
}

/// An object of the config, written or not: without one, every key has its default.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    table: &'static Table,
    value: Option<&'a Value>,
    place: Place,
}

impl<'a> Section<'a> {
    pub fn new(table: &'static Table, value: &'a Value) -> Self {
        Self { table, value: Some(value), place: value.place.clone() }
    }

    /// Where the object stands; where it would, if it is not written.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the object itself is known to be wrong.
    pub fn is_broken(&self) -> bool {
        self.value.is_some_and(Value::is_broken)
    }

    /// Whether the key is there and not null, right or wrong.
    pub fn is_written(&self, key: &str) -> bool {
        self.raw(key).is_some_and(|value| !value.is_null())
    }

    /// Whether the key is there and null: what stands in its place elsewhere is switched off.
    pub fn is_null(&self, key: &str) -> bool {
        self.raw(key).is_some_and(Value::is_null)
    }

    /// Where a key's value stands; the object's place if it is not written.
    pub fn place_of(&self, key: &str) -> &Place {
        self.raw(key).map_or(&self.place, |value| &value.place)
    }

    /// The value of a key that is there, not null, and not known to be wrong.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.raw(key).filter(|value| !value.is_null() && !value.is_broken())
    }

    pub fn text(&self, key: &str) -> Option<Located<String>> {
        if self.is_written(key) {
            let value = self.get(key)?;
            return value.as_text().map(|text| Located { value: text.to_owned(), place: value.place.clone() });
        }
        let default = self.default(key)?.to_owned();
        Some(Located { value: default, place: self.place.clone() })
    }

    /// Like [`Section::text`], but null switches the default off.
    pub fn text_or_off(&self, key: &str) -> Option<Located<String>> {
        if self.is_null(key) { None } else { self.text(key) }
    }

    pub fn count(&self, key: &str) -> Option<u64> {
        self.scalar(key)?.parse().ok()
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        self.scalar(key)?.parse().ok()
    }

    pub fn duration(&self, key: &str) -> Option<Duration> {
        quantity::duration(&self.text(key)?.value)
    }

    /// Bytes.
    pub fn size(&self, key: &str) -> Option<u64> {
        quantity::size(&self.text(key)?.value)
    }

    /// The texts of a list, or the only one; those that are wrong are left out.
    pub fn texts(&self, key: &str) -> Vec<Located<String>> {
        let text = |value: &Value| Some(Located { value: value.as_text()?.to_owned(), place: value.place.clone() });
        self.one_or_many(key).into_iter().filter_map(text).collect()
    }

    /// The values of a list, or the only one; those that are wrong are left out.
    pub fn one_or_many(&self, key: &str) -> Vec<&'a Value> {
        match self.get(key) {
            None => Vec::new(),
            Some(value) => match &value.kind {
                Kind::List(items) => items.iter().filter(|item| !item.is_broken()).collect(),
                _ => vec![value],
            },
        }
    }

    /// The entries of a map of the user's own keys, without those that are null or wrong.
    pub fn map(&self, key: &str) -> Vec<&'a Entry> {
        let entries = self.get(key).map_or(&[][..], Value::entries);
        entries.iter().filter(|entry| !entry.value.is_null() && !entry.value.is_broken()).collect()
    }

    /// The object under a key; one without anything in it if the key is not there.
    pub fn section(&self, key: &str) -> Section<'a> {
        let value = self.raw(key).filter(|value| !value.is_null());
        let place = value.map_or_else(|| self.place.clone(), |value| value.place.clone());
        Section { table: self.table_of(key), value, place }
    }

    /// One object among the values of [`Section::one_or_many`].
    pub fn item(&self, key: &str, value: &'a Value) -> Section<'a> {
        Section::new(self.table_of(key), value)
    }

    /// The objects of a list under a key.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let table = self.table_of(key);
        self.one_or_many(key).into_iter().map(|value| Section::new(table, value)).collect()
    }

    /// The objects of a map under a key.
    pub fn mapped(&self, key: &str) -> Vec<(&'a Entry, Section<'a>)> {
        let table = self.table_of(key);
        self.map(key).into_iter().map(|entry| (entry, Section::new(table, &entry.value))).collect()
    }

    /// The object under a key whose keys depend on its type, and the type.
    pub fn tagged(&self, key: &str) -> Option<(&'static str, Section<'a>)> {
        self.tagged_item(key, self.get(key)?)
    }

    /// The same of one value among several under the key.
    pub fn tagged_item(&self, key: &str, value: &'a Value) -> Option<(&'static str, Section<'a>)> {
        let union = self.table.field(key)?.shape.union()?;
        let word = value.get(TYPE).and_then(Value::as_text).or(union.default)?;
        let variant = union.variant(word)?;
        Some((variant.word, Section::new(variant.table, value)))
    }

    fn scalar(&self, key: &str) -> Option<String> {
        if self.is_written(key) { self.get(key)?.scalar() } else { self.default(key).map(str::to_owned) }
    }

    fn default(&self, key: &str) -> Option<&'static str> {
        self.table.field(key)?.default
    }

    fn raw(&self, key: &str) -> Option<&'a Value> {
        self.value?.get(key)
    }

    fn table_of(&self, key: &str) -> &'static Table {
        self.table.field(key).and_then(|field| field.shape.table()).unwrap_or(self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        check::check,
        fields::ROOT,
        parse::{Syntax, parse},
        problem::Findings,
    };

    fn with<T>(yaml: &str, look: impl FnOnce(Section<'_>) -> T) -> T {
        let mut findings = Findings::default();
        let source = findings.add_source("f".into(), yaml.into());
        let mut root = parse(&mut findings, source, Syntax::Yaml).unwrap();
        check(&mut root, &ROOT, &mut findings);
        look(Section::new(&ROOT, &root))
    }

    #[test]
    fn a_key_reads_as_written_or_as_its_default_and_as_nothing_if_it_is_wrong() {
        with("client: {timeout: 5s, max_concurrency: x, retry: {max_attempts: 3}}", |root| {
            let client = root.section("client");
            assert_eq!(client.duration("timeout"), Some(Duration::from_secs(5)));
            assert_eq!(client.duration("connect_timeout"), Some(Duration::from_secs(10)));
            assert_eq!(client.count("max_concurrency"), None);
            assert!(client.is_written("max_concurrency") && client.get("max_concurrency").is_none());
            assert_eq!(client.section("retry").count("max_attempts"), Some(3));
            assert_eq!(root.section("destination").text("url").unwrap().value, "./lake");
            assert_eq!(root.size("memory_limit"), Some(2_000_000_000));
        });
    }

    #[test]
    fn null_switches_a_default_off_where_that_means_something() {
        with("client: {paginator: {type: offset, limit: 1, total_path: null}}", |root| {
            let (word, paginator) = root.section("client").tagged("paginator").unwrap();
            assert_eq!(word, "offset");
            assert_eq!(paginator.text_or_off("total_path"), None);
            assert_eq!(paginator.text_or_off("limit_param").unwrap().value, "limit");
        });
    }

    #[test]
    fn an_auth_without_a_type_is_a_bearer_and_a_bare_word_is_an_object() {
        with("client: {auth: {token: t}, paginator: single_page}", |root| {
            assert_eq!(root.section("client").tagged("auth").unwrap().0, "bearer");
            assert_eq!(root.section("client").tagged("paginator").unwrap().0, "single_page");
        });
    }

    #[test]
    fn one_item_may_stand_for_a_list_of_it() {
        with("resources: [{primary_key: id}, {primary_key: [a, 1, b]}]", |root| {
            let keys = |section: &Section<'_>| {
                section.texts("primary_key").into_iter().map(|key| key.value).collect::<Vec<_>>()
            };
            let resources = root.sections("resources");
            assert_eq!(keys(&resources[0]), ["id"]);
            assert_eq!(keys(&resources[1]), ["a", "b"]);
        });
    }
}
