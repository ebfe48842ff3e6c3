//! Environment variables in place of credentials: which names are taken, and for what.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    config::{is_reference, is_variable_name},
    import::name::variable,
};

/// Names of variables. Those that the file itself refers to stand for values that nobody knows.
pub(super) struct Variables {
    taken: BTreeMap<String, Option<String>>,
}

impl Variables {
    /// With those that the config refers to.
    pub(super) fn of(config: &Value) -> Self {
        let mut taken = BTreeMap::new();
        collect(config, &mut taken);
        Self { taken }
    }

    /// Those without which the config cannot be read, and which it named itself.
    pub(super) fn referenced(&self) -> Vec<String> {
        self.taken.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.clone()).collect()
    }

    /// The variable that holds this value: the one that a default stands beside, or one named after the key.
    pub(super) fn for_value(&mut self, key: &str, value: &str) -> String {
        if let Some(name) = defaulted(value) {
            self.taken.entry(name.to_owned()).or_insert(None);
            return name.to_owned();
        }
        let base = variable(key);
        let mut name = base.clone();
        for number in 2.. {
            match self.taken.get(&name) {
                None => break,
                Some(Some(known)) if known == value => return name,
                Some(_) => name = format!("{base}_{number}"),
            }
        }
        self.taken.insert(name.clone(), Some(value.to_owned()));
        name
    }
}

/// `NAME` of `${NAME:-default}`.
fn defaulted(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix("${")?.strip_suffix('}')?.split_once(":-")?;
    is_variable_name(name).then_some(name)
}

fn collect(value: &Value, taken: &mut BTreeMap<String, Option<String>>) {
    match value {
        Value::Object(entries) => entries.values().for_each(|value| collect(value, taken)),
        Value::Array(items) => items.iter().for_each(|value| collect(value, taken)),
        Value::String(text) => {
            for name in variables(text) {
                taken.insert(name.to_owned(), None);
            }
        }
        _ => {}
    }
}

/// The environment variables that a text cannot be read without.
pub fn variables(text: &str) -> impl Iterator<Item = &str> {
    references(text).filter(|name| is_variable_name(name))
}

/// What stands in each `${…}` that is not escaped.
fn references(text: &str) -> impl Iterator<Item = &str> {
    let starts =
        text.match_indices("${").filter(|(at, _)| !text.get(..*at).is_some_and(|before| before.ends_with('$')));
    starts.filter_map(|(at, _)| text.get(at + 2..)?.split_once('}').map(|(inside, _)| inside))
}

/// Whether a text under a secret's name is none: it is empty, or a place or a reference, with an auth's scheme before it at most.
pub(super) fn holds_nothing(text: &str) -> bool {
    if ["{resources.", "{incremental."].iter().any(|place| text.contains(place)) {
        return true;
    }
    let mut rest = text.to_owned();
    for name in references(text) {
        let reference = format!("${{{name}}}");
        if is_reference(&reference) {
            rest = rest.replace(&reference, "");
        }
    }
    let rest = rest.trim();
    rest.is_empty() || text.len() > rest.len() && text.contains("${") && is_scheme(rest)
}

/// `Bearer`, `Token`, `Basic`, and others of the kind.
fn is_scheme(word: &str) -> bool {
    ["bearer", "token", "basic", "digest", "apikey", "api-key", "key", "jwt"]
        .contains(&word.to_ascii_lowercase().as_str())
}

/// Whether a header's value is a credential behind an auth's scheme.
pub(super) fn is_authorization(text: &str) -> bool {
    text.trim_start().split_once(char::is_whitespace).is_some_and(|(scheme, _)| is_scheme(scheme))
        && !holds_nothing(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_before_a_literal_makes_a_credential_of_it() {
        for (text, expected) in [
            ("Bearer abc", true),
            ("basic YTpi", true),
            ("Bearer abc${A}", true),
            ("Bearer ${A}", false),
            ("Bearer", false),
            ("application/json", false),
            ("no Bearer abc", false),
        ] {
            assert_eq!(is_authorization(text), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_holds_nothing_and_a_literal_beside_it_does() {
        for text in ["", "${A}", "Bearer ${A}", "token ${A}", "${A}${B}", "{resources.a.token}"] {
            assert!(holds_nothing(text), "{text}");
        }
        for text in ["abc", "Bearer abc", "abc${A}", "${A:-abc}", "$${A}", "Bearer"] {
            assert!(!holds_nothing(text), "{text}");
        }
    }
}
