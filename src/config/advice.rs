//! Hints to a wrong key or value: the key that was meant, the object that it belongs to, the shape of a value.
//!
//! ```text
//! rate_limit: 5/s              ─► write `rate_limit: {requests: 5, per: 1s}`
//! resources: {users: …}        ─► write a list: `resources: [{name: users, …}]`
//! client: {primary_key: id}    ─► it belongs into `resources[…]`, or into `resource_defaults` for all resources
//! ```
//!
//! All of it is read off the tables of [`super::fields`]. Values that were filled in, or that may be secrets, are not shown.

use super::{
    check::{accepts, may_be_secret},
    fields::{Field, NAME, PAGINATOR, ROOT, Shape, Status, TYPE, Table, Union, Variant},
    slips::{COMMENTS, glued_key, invisible},
    tree::{Entry, Kind, Value},
};
use crate::{secret::is_secret_name, suggestion::nearest};

/// Names under which APIs take the number of records of a page.
const PAGE_SIZES: [&str; 10] = [
    "page_size",
    "pagesize",
    "per_page",
    "perpage",
    "page_limit",
    "pagelimit",
    "results_per_page",
    "max_results",
    "maxresults",
    "batch_size",
];

/// Words of other tools, and the key that has their meaning here.
const SYNONYMS: [(&str, &str); 20] = [
    ("type", "data_type"),
    ("data_type", "type"),
    ("dtype", "type"),
    ("dtype", "data_type"),
    ("url", "base_url"),
    ("host", "base_url"),
    ("url", "path"),
    ("path", "url"),
    ("query", "params"),
    ("query_params", "params"),
    ("body", "json"),
    ("data_path", "data_selector"),
    ("records_path", "data_selector"),
    ("record_path", "data_selector"),
    ("start_page", "base_page"),
    ("first_page", "base_page"),
    ("key", "primary_key"),
    ("keys", "primary_key"),
    ("unique_key", "primary_key"),
    ("format", "table_format"),
];

/// Options of stores that are no secrets, and are shown in a hint.
const PLAIN_OPTIONS: [&str; 3] = ["region", "endpoint", "allow_http"];

/// Units of durations and sizes, of which a number alone may be meant.
const UNITS: [&str; 2] = ["s", "MB"];

/// Words of other tools for a type or a choice, and the word that has their meaning here.
const WORDS: [(&str, &str); 20] = [
    ("basic", "http_basic"),
    ("oauth2", "oauth2_client_credentials"),
    ("oauth", "oauth2_client_credentials"),
    ("client_credentials", "oauth2_client_credentials"),
    ("refresh_token", "oauth2_refresh_token"),
    ("token", "bearer"),
    ("header", "api_key"),
    ("page", "page_number"),
    ("none", "single_page"),
    ("next", "json_link"),
    ("link", "header_link"),
    ("limit_offset", "offset"),
    ("upsert", "merge"),
    ("update", "merge"),
    ("insert", "append"),
    ("overwrite", "replace"),
    ("truncate", "replace"),
    ("error", "freeze"),
    ("ignore", "discard_value"),
    ("gz", "gzip"),
];

/// The word of these that was meant, in another tool's words or with slips.
pub fn nearest_word<'a>(written: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let lower = written.to_ascii_lowercase();
    let synonym =
        WORDS.iter().filter(|(word, _)| *word == lower).find_map(|(_, meant)| known.clone().find(|word| word == meant));
    synonym.or_else(|| nearest(written, known))
}

/// Prefix of hints that name the paginator of the endpoint.
const PAGINATOR_HOME: &str = "it belongs into `paginator`";

/// Returns the key that was meant, the place where the key belongs, or the keys that there are.
pub fn unknown_key(key: &str, value: &Value, table: &'static Table, beside: &[&str]) -> String {
    let is_request = table.name == "endpoint" || is_paginator(table);
    if let Some(hint) = invisible(key) {
        return hint;
    }
    if key.starts_with("//") {
        return COMMENTS.to_owned();
    }
    if PAGE_SIZES.contains(&key.to_ascii_lowercase().as_str()) {
        if is_request {
            return page_size(key, value, table);
        }
        if ["client", "resource"].contains(&table.name) {
            let size = shown(value).unwrap_or_else(|| "100".to_owned());
            return format!(
                "it is a parameter of the API: `endpoint: {{params: {{{key}: {size}}}}}` in the resource, or in \
                 `resource_defaults` for all resources"
            );
        }
    }
    if table.name == "destination" && crate::store::is_option(key) {
        let value = shown(value).filter(|_| PLAIN_OPTIONS.contains(&key));
        let value = value.unwrap_or_else(|| format!("${{{}}}", key.to_ascii_uppercase()));
        return format!("it is an option of the store: `options: {{{key}: {value}}}`");
    }
    let is_here = |meant: &str| table.supported().any(|field| field.key == meant);
    if let Some((_, meant)) = SYNONYMS.iter().find(|(word, meant)| *word == key && is_here(meant)) {
        return format!("did you mean `{meant}`?");
    }
    let meant = table.fields.iter().filter(|field| !matches!(field.status, Status::Ignored(_))).map(|field| field.key);
    let near = nearest(key, meant.chain(beside.iter().copied()));
    let home = Homes::new().nearest(key, table, &value.place.path);
    match (near, home) {
        // One letter off is a slip, even if another object has exactly this key.
        (Some(near), home) if home.is_none() || strsim::osa_distance(near, key) <= 1 => {
            format!("did you mean `{near}`?")
        }
        // Many an API has a parameter of the same name.
        (_, Some(home)) if table.name == "endpoint" && home.starts_with(PAGINATOR_HOME) && value.scalar().is_some() => {
            format!("{home}; a parameter of the API belongs into {}", params(key, value, table))
        }
        (_, Some(home)) => home,
        _ if table.name == "resource" && value.as_text().is_some_and(|text| text.starts_with('/')) => {
            let path = shown(value).filter(|_| !may_be_secret(key, table)).unwrap_or_else(|| "PATH".to_owned());
            format!("a resource is `{{name: {key}, endpoint: {path}}}`; {}", keys_here(table))
        }
        // Without its type, a paginator is the default one, which has few keys of its own.
        _ if Some(table.name) == PAGINATOR.default => format!("{}; is a `{TYPE}` missing?", keys_here(table)),
        _ if is_request && value.scalar().is_some() => {
            format!("{}; a parameter of the API belongs into {}", keys_here(table), params(key, value, table))
        }
        _ => keys_here(table),
    }
}

/// Returns what to write in place of an object that lacks this required key.
pub fn missing(field: &Field, entries: &[Entry]) -> String {
    let named = match field.shape {
        // `{id: int64}` in place of `{columns: [{name: id, type: int64}]}`.
        Shape::List(item) => item.table().and_then(|table| {
            let first = entries.first().filter(|first| matches!(first.value.kind, Kind::Text(_)))?;
            let rest = table.supported().find(|field| field.required && field.key != NAME)?;
            Some(format!("{}: [{{{NAME}: {}, {}: {}}}]", field.key, first.key, rest.key, shown(&first.value)?))
        }),
        _ => None,
    };
    let line = named.unwrap_or_else(|| format!("{}: {}", field.key, example(field)));
    format!("write `{line}`: {}", field.doc)
}

/// The type that was meant by an object without one: the only one that has all of its keys, where the default one has not.
pub fn type_by_keys(value: &Value, union: &'static Union) -> Option<&'static str> {
    let has_all = |variant: &&Variant| {
        let has = |entry: &Entry| variant.table.supported().any(|field| field.key == entry.key);
        variant.status == Status::Supported && value.entries().iter().all(has)
    };
    let is_default = |variant: &&Variant| Some(variant.word) == union.default;
    if value.entries().is_empty() || union.variants.iter().filter(is_default).any(|variant| has_all(&variant)) {
        return None;
    }
    // Some have two names.
    let mut all = union.variants.iter().filter(has_all);
    let first = all.next()?;
    all.all(|other| std::ptr::eq(other.table, first.table)).then_some(first.word)
}

/// Returns the line to write for an object among the parameters of a request: its keys become parts of names.
pub fn nested_param(value: &Value, union: &Union) -> Option<String> {
    let key = key_of(&value.place.path)?;
    let entry = value.entries().first().filter(|_| union.default.is_none() && value.get(TYPE).is_none())?;
    let is_secret = [key, &entry.key].into_iter().any(is_secret_name);
    let inner = shown(&entry.value).filter(|_| !is_secret).unwrap_or_else(|| "…".to_owned());
    Some(format!(
        "a parameter is one value or a list; nested names are written out: `\"{key}[{}]\": {inner}`",
        entry.key
    ))
}

fn keys_here(table: &Table) -> String {
    list_of("keys here", table.supported().map(|field| field.key))
}

/// `a: `x`, `y``, for the words of a choice.
pub fn list_of<'a>(what: &str, words: impl Iterator<Item = &'a str>) -> String {
    format!("{what}: {}", words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
}

fn is_paginator(table: &Table) -> bool {
    PAGINATOR.variants.iter().any(|variant| std::ptr::eq(variant.table, table))
}

/// Hint to a page size: `offset` has a key for it, with any other paginator it is a parameter.
fn page_size(key: &str, value: &Value, table: &'static Table) -> String {
    match table.field("limit") {
        Some(_) => {
            let size = shown(value).unwrap_or_else(|| "100".to_owned());
            format!(
                "the page size is `limit`, and `limit_param` names its parameter: `limit: {size}, limit_param: {key}`"
            )
        }
        None => format!("it is a parameter of the API and belongs into {}", params(key, value, table)),
    }
}

fn params(key: &str, value: &Value, table: &'static Table) -> String {
    let value = shown(value).filter(|_| !may_be_secret(key, table)).unwrap_or_else(|| "…".to_owned());
    match is_paginator(table) {
        true => format!("the endpoint's `params`: `params: {{{key}: {value}}}`"),
        false => format!("`params`: `params: {{{key}: {value}}}`"),
    }
}

/// Returns the line to write where a value of another kind is expected; `None` where nothing is known of what was meant.
pub fn shape(value: &Value, shape: &'static Shape) -> Option<String> {
    let key = key_of(&value.place.path)?;
    match (shape, &value.kind) {
        (Shape::Object(table), Kind::Text(text)) if let Some(hint) = glued_key(text, table) => Some(hint),
        (Shape::Count { .. }, Kind::Text(text)) if text.parse::<u64>().is_ok() => {
            Some(format!("write it without quotes: `{key}: {text}`"))
        }
        (Shape::Parsed(grammar), Kind::Number(number)) => {
            let with_unit = UNITS.map(|unit| format!("{number}{unit}"));
            let meant = with_unit.iter().find(|text| (grammar.check)(text).is_ok())?;
            Some(format!("write it with its unit: `{key}: {meant}`"))
        }
        (Shape::Either(shapes), _) => shapes.iter().find_map(|shape| self::shape(value, shape)),
        (Shape::OneOrMany(item), _) => self::shape(value, item),
        (Shape::Object(table), Kind::List(items))
            if items.len() == 1 && matches!(items.first()?.kind, Kind::Object(_)) =>
        {
            Some(format!("write one object, and no list: `{key}: {}`", object(table, None)))
        }
        (Shape::Object(table), Kind::Text(_) | Kind::Number(_) | Kind::Bool(_)) => {
            let known = Some(value).filter(|_| !shape.holds_secret());
            Some(format!("write `{key}: {}`", object(table, known)))
        }
        (Shape::Map(_), Kind::Text(_) | Kind::List(_)) => Some(format!("write `{key}: {{NAME: VALUE}}`")),
        (Shape::List(item), Kind::Object(_)) => listed(key, value, item.table()?),
        (Shape::List(item), kind) if accepts(item, kind) => {
            Some(format!("write a list: `{key}: [{}]`", shown(value).unwrap_or_else(|| "…".to_owned())))
        }
        _ => None,
    }
}

/// A map in place of a list of objects that name themselves, or the only object of such a list.
fn listed(key: &str, value: &Value, item: &'static Table) -> Option<String> {
    let entry = value.entries().first()?;
    if item.field(NAME).is_none() || value.entries().iter().any(|entry| item.field(&entry.key).is_some()) {
        let own = shown(&entry.value).filter(|_| !may_be_secret(&entry.key, item)).unwrap_or_else(|| "…".to_owned());
        return Some(format!("write a list: `{key}: [{{{}: {own}}}]`", entry.key));
    }
    let other = item.supported().find(|field| field.required && field.key != NAME);
    let other = other.filter(|field| accepts(&field.shape, &entry.value.kind));
    let rest = match (other, shown(&entry.value)) {
        (Some(field), Some(value)) => format!("{}: {value}", field.key),
        _ => "…".to_owned(),
    };
    Some(format!("write a list whose items have a `{NAME}`: `{key}: [{{{NAME}: {}, {rest}}}]`", entry.key))
}

/// Returns the line to write in place of the bare word for an object that has keys of its own.
pub fn bare_word(path: &str, variant: &Variant) -> String {
    let key = key_of(path).unwrap_or(TYPE);
    let keys = variant.table.supported().filter(|field| field.required);
    let keys = keys.map(|field| format!(", {}: {}", field.key, example(field)));
    format!("write `{key}: {{{TYPE}: {}{}}}`", variant.word, keys.collect::<String>())
}

/// Returns an object of the table with its required keys, one of which takes `value` if it can.
fn object(table: &Table, value: Option<&Value>) -> String {
    let read = value.and_then(Value::as_text).filter(|_| value.is_some_and(|value| !value.filled));
    if let Some(object) = read.and_then(|text| table.reads_text?(text)) {
        return object;
    }
    let required: Vec<&Field> = table.supported().filter(|field| field.required).collect();
    let keys = if required.is_empty() { table.supported().take(1).collect() } else { required };
    let taker = keys.iter().position(|field| value.is_some_and(|value| accepts(&field.shape, &value.kind)));
    let pair = |(at, field): (usize, &&Field)| {
        let value = value.filter(|_| Some(at) == taker).and_then(shown);
        format!("{}: {}", field.key, value.unwrap_or_else(|| example(field)))
    };
    format!("{{{}}}", keys.iter().enumerate().map(pair).collect::<Vec<_>>().join(", "))
}

/// A value that the field takes.
fn example(field: &Field) -> String {
    match (&field.shape, field.default) {
        (Shape::Secret, _) => format!("\"${{{}}}\"", field.key.to_uppercase()),
        (_, Some(default)) => default.to_owned(),
        (Shape::Count { .. }, _) => "100".to_owned(),
        (Shape::Bool, _) => "true".to_owned(),
        (Shape::Object(_) | Shape::Map(_) | Shape::Any, _) => "{…}".to_owned(),
        (Shape::List(_), _) => "[…]".to_owned(),
        _ => "…".to_owned(),
    }
}

/// A scalar as the config writes it, unless it was filled in.
fn shown(value: &Value) -> Option<String> {
    let text = value.scalar().filter(|text| !value.filled && text.chars().count() <= 60)?;
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "./_-".contains(c))
            && !text.starts_with('-')
    };
    match value.kind {
        Kind::Text(_) if !is_plain(&text) => Some(serde_json::Value::from(text).to_string()),
        _ => Some(text),
    }
}

/// The last key of a dotted path; `None` at the root and for an item of a list.
fn key_of(path: &str) -> Option<&str> {
    path.rsplit('.').next().filter(|key| !key.is_empty() && !key.ends_with(']'))
}

/// The objects of a config, each below the one that holds it.
struct Homes {
    homes: Vec<Home>,
}

struct Home {
    table: &'static Table,
    /// Its key, as messages write it: `endpoint`, `resources[…]`.
    key: String,
    parent: Option<usize>,
    /// The type by which a paginator or an auth has these keys.
    tag: Option<&'static str>,
}

impl Homes {
    fn new() -> Self {
        let mut homes = vec![Home { table: &ROOT, key: String::new(), parent: None, tag: None }];
        let mut at = 0;
        while let Some(table) = homes.get(at).map(|home| home.table) {
            for field in table.supported() {
                below(&field.shape, field.key.to_owned(), &mut |key, table, tag| {
                    homes.push(Home { table, key, parent: Some(at), tag });
                });
            }
            at += 1;
        }
        Self { homes }
    }

    /// Describes the object nearest to this one that has the key; of two that are equally near, the one that holds it.
    fn nearest(&self, key: &str, table: &'static Table, path: &str) -> Option<String> {
        let own = self.own(table, path)?;
        // A key of another type of paginator or auth is no key at a wrong level.
        let kind = self.homes.get(own).filter(|home| home.tag.is_some()).map(|home| home.key.as_str());
        let has_key = |home: &Home| {
            let is_other = !std::ptr::eq(home.table, table) && (home.tag.is_none() || Some(home.key.as_str()) != kind);
            is_other && home.table.supported().any(|field| field.key == key)
        };
        let near = (0..self.homes.len()).filter(|at| self.homes.get(*at).is_some_and(has_key));
        let near = near.min_by_key(|at| self.distance(own, *at))?;
        Some(self.describe(own, near))
    }

    /// The object that a path is in; the branch of its first key goes before others with the same table.
    fn own(&self, table: &'static Table, path: &str) -> Option<usize> {
        let branch = path.split(['.', '[']).next().unwrap_or_default();
        let is_own = |at: &usize| self.homes.get(*at).is_some_and(|home| std::ptr::eq(home.table, table));
        let mut own = (0..self.homes.len()).filter(is_own);
        let in_branch = |at: &usize| {
            let chain = self.chain(*at);
            let top = chain.iter().rev().nth(1).and_then(|top| self.homes.get(*top));
            top.is_some_and(|top| top.key.split('[').next() == Some(branch))
        };
        own.clone().find(in_branch).or_else(|| own.next())
    }

    /// From an object to the root.
    fn chain(&self, at: usize) -> Vec<usize> {
        std::iter::successors(Some(at), |at| self.homes.get(*at)?.parent).collect()
    }

    /// Steps between two objects, and those of them that lead down.
    fn distance(&self, from: usize, to: usize) -> (usize, usize) {
        let (up, down) = (self.chain(from), self.chain(to));
        let shared = up.iter().rev().zip(down.iter().rev()).take_while(|(a, b)| a == b).count();
        let (up, down) = (up.len() - shared, down.len() - shared);
        (up + down, down)
    }

    fn describe(&self, own: usize, home: usize) -> String {
        let (up, down) = (self.chain(own), self.chain(home));
        if let Some(child) = up.iter().position(|at| *at == home).and_then(|at| up.get(at.checked_sub(1)?)) {
            let key = self.homes.get(*child).map_or("", |home| home.key.as_str());
            let key = key.split('[').next().unwrap_or_default();
            return match self.homes.get(home).is_some_and(|home| home.parent.is_none()) {
                true => format!("it belongs to the top level, beside `{key}`"),
                false => format!("it belongs one object up, beside `{key}`"),
            };
        }
        let steps = match down.iter().position(|at| *at == own) {
            Some(at) => down.get(..at).unwrap_or_default(),
            None => down.split_last().map_or(&[][..], |(_, steps)| steps),
        };
        let keys = steps.iter().rev().filter_map(|at| self.homes.get(*at)).map(|home| home.key.as_str());
        let place = keys.collect::<Vec<_>>().join(".");
        let tag = self.homes.get(home).and_then(|home| home.tag);
        let tag = tag.map(|tag| format!(", with `{TYPE}: {tag}`")).unwrap_or_default();
        match place.strip_prefix("resource_defaults") {
            Some(rest) => format!("it belongs into `resources[…]{rest}`, or into `{place}` for all resources{tag}"),
            None => format!("it belongs into `{place}`{tag}"),
        }
    }
}

/// Calls `add` for every table of the objects that a shape allows.
fn below(shape: &'static Shape, key: String, add: &mut impl FnMut(String, &'static Table, Option<&'static str>)) {
    match shape {
        Shape::Object(table) => add(key, table, None),
        Shape::List(item) => below(item, format!("{key}[…]"), add),
        Shape::OneOrMany(item) => below(item, key, add),
        Shape::Map(item) | Shape::Keyed(item) => below(item, format!("{key}.NAME"), add),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| below(shape, key.clone(), add)),
        Shape::Tagged(union) => {
            let variants = union.variants.iter().filter(|variant| variant.status == Status::Supported);
            variants.for_each(|variant| add(key.clone(), variant.table, Some(variant.word)));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::{Place, Span};

    fn help(path: &str, table: &'static Table) -> String {
        let place = Place { span: Span::default(), path: path.to_owned() };
        let key = path.rsplit('.').next().unwrap();
        unknown_key(key, &Value::at(Kind::Text("id".into()), place), table, &[])
    }

    fn table(path: &[&str]) -> &'static Table {
        path.iter().fold(&ROOT, |table, key| table.field(key).unwrap().shape.table().unwrap())
    }

    #[test]
    fn a_key_at_a_wrong_level_is_led_to_the_nearest_object_that_has_it() {
        let client = table(&["client"]);
        let resource = table(&["resources"]);
        let endpoint = resource.field("endpoint").unwrap().shape.table().unwrap();
        for (path, table, wanted) in [
            (
                "client.primary_key",
                client,
                "it belongs into `resources[…]`, or into `resource_defaults` for all resources",
            ),
            ("resources[0].endpoint.primary_key", endpoint, "it belongs one object up, beside `endpoint`"),
            ("resources[0].timeout", resource, "it belongs into `client`"),
            ("resources[0].data_selector", resource, "it belongs into `endpoint`"),
            ("client.memory_limit", client, "it belongs to the top level, beside `client`"),
            (
                "client.params",
                client,
                "it belongs into `resources[…].endpoint`, or into `resource_defaults.endpoint` for all resources",
            ),
            (
                "resources[0].endpoint.has_more_path",
                endpoint,
                "it belongs into `paginator`, with `type: cursor`; a parameter of the API belongs into `params`: \
                 `params: {has_more_path: id}`",
            ),
        ] {
            assert_eq!(help(path, table), wanted, "{path}");
        }
    }
}
