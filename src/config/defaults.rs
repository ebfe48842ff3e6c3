//! Puts `resource_defaults` under a resource, as dlt does.
//!
//! A key of the resource takes the place of the default's; an explicit null does too. `endpoint` is merged key by key,
//! `endpoint.params` and `endpoint.json` are merged entry by entry, `columns` hint by hint. Every value keeps its own place.

use super::tree::{Entry, Kind, Place, Value};

/// The resource with all that it takes from the defaults. A bare text is the resource's name (and so its path).
pub fn merge(defaults: Option<&Value>, resource: &Value) -> Value {
    let resource = object_of(resource, "name");
    let Some(defaults) = defaults.filter(|defaults| !defaults.is_null()) else {
        return with_endpoint(resource, |endpoint| endpoint);
    };
    let mut merged = override_entries(defaults, &resource);
    if let (Some(default), Some(own)) = (defaults.get("columns"), resource.get("columns")) {
        replace(&mut merged, "columns", merge_columns(default, own));
    }
    with_endpoint(merged, |own| match defaults.get("endpoint").filter(|_| resource.get("endpoint").is_some()) {
        Some(default) => merge_endpoints(&object_of(default, "path"), &own),
        None => own,
    })
}

fn with_endpoint(mut resource: Value, change: impl FnOnce(Value) -> Value) -> Value {
    if let Some(endpoint) = resource.get_mut("endpoint") {
        *endpoint = change(object_of(endpoint, "path"));
    }
    resource
}

fn merge_endpoints(default: &Value, own: &Value) -> Value {
    if !matches!(own.kind, Kind::Object(_)) {
        return own.clone();
    }
    let mut merged = override_entries(default, own);
    for key in ["params", "json"] {
        if let (Some(default), Some(own)) = (default.get(key), own.get(key)) {
            replace(&mut merged, key, merge_maps(default, own));
        }
    }
    merged
}

/// A column of both has the hints of both.
fn merge_columns(default: &Value, own: &Value) -> Value {
    let mut merged = merge_maps(default, own);
    for entry in own.entries() {
        if let Some(default) = default.get(&entry.key) {
            replace(&mut merged, &entry.key, merge_maps(default, &entry.value));
        }
    }
    merged
}

/// Null in place of a whole map takes the place of the default's map.
fn merge_maps(default: &Value, own: &Value) -> Value {
    if matches!(own.kind, Kind::Object(_)) { override_entries(default, own) } else { own.clone() }
}

/// The entries of `default`, in their order, with those of `own` in their places or behind them. The place is `own`'s.
fn override_entries(default: &Value, own: &Value) -> Value {
    let mut entries = default.entries().to_vec();
    for entry in own.entries() {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = entry.clone(),
            None => entries.push(entry.clone()),
        }
    }
    Value::at(Kind::Object(entries), own.place.clone())
}

fn replace(object: &mut Value, key: &str, value: Value) {
    if let Some(old) = object.get_mut(key) {
        *old = value;
    }
}

/// A text as the object that it stands for; anything else as it is.
fn object_of(value: &Value, key: &str) -> Value {
    let Kind::Text(_) = value.kind else { return value.clone() };
    let place: Place = value.place.clone();
    let entry = Entry { key: key.to_owned(), key_span: place.span, value: value.clone() };
    Value::at(Kind::Object(vec![entry]), place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        parse::{Syntax, parse},
        problem::Findings,
    };

    fn merged(defaults: &str, resource: &str) -> Value {
        let mut findings = Findings::default();
        let source = findings.add_source("f".into(), format!("{{defaults: {defaults}, resource: {resource}}}"));
        let root = parse(&mut findings, source, Syntax::Yaml).unwrap();
        merge(root.get("defaults"), root.get("resource").unwrap())
    }

    /// The tree as one line: `{name: a, endpoint: {path: p}}`.
    fn shown(value: &Value) -> String {
        let entry = |entry: &Entry| format!("{}: {}", entry.key, shown(&entry.value));
        match &value.kind {
            Kind::Object(entries) => format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", ")),
            Kind::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            _ => value.scalar().unwrap_or_else(|| "null".into()),
        }
    }

    #[test]
    fn a_key_of_the_resource_takes_the_place_of_the_default() {
        assert_eq!(
            shown(&merged("{primary_key: [a, b], dedup: false}", "{primary_key: c}")),
            "{primary_key: c, dedup: false}"
        );
        assert_eq!(shown(&merged("{primary_key: a}", "{primary_key: null}")), "{primary_key: null}");
    }

    #[test]
    fn params_json_and_columns_are_merged_entry_by_entry() {
        let merged = merged(
            "{endpoint: {path: d, params: {a: 1, b: 2}, json: {q: {x: 1}, n: 1}}, columns: {x: {nullable: true, scale: 1}, y: {nullable: true}}}",
            "{endpoint: {params: {b: 3, c: null}, json: {q: {y: 2}}}, columns: {x: {partition: true, scale: 2}}}",
        );
        assert_eq!(
            shown(&merged),
            "{endpoint: {path: d, params: {a: 1, b: 3, c: null}, json: {q: {y: 2}, n: 1}}, \
             columns: {x: {nullable: true, scale: 2, partition: true}, y: {nullable: true}}}"
        );
    }

    #[test]
    fn null_in_place_of_params_switches_the_defaults_off() {
        let merged = merged("{endpoint: {params: {a: 1}}}", "{endpoint: {params: null}}");
        assert_eq!(shown(&merged), "{endpoint: {params: null}}");
    }

    #[test]
    fn bare_texts_stand_for_objects() {
        assert_eq!(
            shown(&merged("{endpoint: {params: {a: 1}}}", "posts")),
            "{endpoint: {params: {a: 1}}, name: posts}"
        );
        assert_eq!(shown(&merged("null", "{endpoint: p}")), "{endpoint: {path: p}}");
        assert_eq!(shown(&merged("{endpoint: d}", "{name: n}")), "{endpoint: {path: d}, name: n}");
        assert_eq!(shown(&merged("{endpoint: {method: GET}}", "{endpoint: p}")), "{endpoint: {method: GET, path: p}}");
    }

    #[test]
    fn a_value_keeps_the_place_where_it_was_written() {
        let merged = merged("{dedup: false}", "{name: n}");
        assert_eq!(merged.get("dedup").unwrap().place.path, "defaults.dedup");
        assert_eq!(merged.place.path, "resource");
    }
}
