//! What a config file says, whatever its format: one tree in which every key and value knows where it stands.
//!
//! ```text
//! YAML, JSON ──parse──┐
//!                     ├──► Value ──interpolate──► Value ──check──► Value, in which what is wrong is `Broken`
//! TOML       ──parse──┘
//! ```
//!
//! A value that has been reported becomes [`Kind::Broken`], so that nothing is reported twice and whoever reads on can tell
//! "wrong" from "left out".

use std::ops::Range;

use crate::secret::is_secret_name;

/// A stretch of one source's text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Index into the sources that were read.
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

/// Where a value stands: its text, and its dotted path from the root of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub span: Span,
    /// Such as `resources[0].endpoint.path`; empty for the root.
    pub path: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub kind: Kind,
    pub place: Place,
    /// True if a `${…}` was filled in: then a text may be read as a number or bool.
    pub filled: bool,
    /// True if what was filled in is secret by itself, wherever it is used.
    pub secret: bool,
    /// Which bytes of the text were: they stand for themselves, whatever the rest of it is read as.
    pub inserted: Vec<Range<usize>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    /// As the user wrote it: `1.10` as a request parameter is not `1.1`.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Object(Vec<Entry>),
    /// Something wrong stood here, and has been reported.
    Broken,
}

/// One key of an object, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Value,
}

impl Value {
    pub fn new(kind: Kind, span: Span) -> Self {
        Self::at(kind, Place { span, path: String::new() })
    }

    pub fn at(kind: Kind, place: Place) -> Self {
        Self { kind, place, filled: false, secret: false, inserted: Vec::new() }
    }

    /// Gives this value and all below it their dotted paths.
    pub fn set_paths(&mut self, path: String) {
        match &mut self.kind {
            Kind::List(items) => {
                items.iter_mut().enumerate().for_each(|(index, item)| item.set_paths(format!("{path}[{index}]")));
            }
            Kind::Object(entries) => {
                entries.iter_mut().for_each(|entry| entry.value.set_paths(join(&path, &entry.key)));
            }
            _ => {}
        }
        self.place.path = path;
    }

    /// Returns true if the value is not to be shown: it is secret by itself, or was filled into a place for secrets.
    pub fn is_confidential(&self) -> bool {
        let mut keys = self.place.path.split(['.', '[', ']', '\'']);
        self.secret || self.filled && keys.any(|key| key == "auth" || is_secret_name(key))
    }

    /// The value of a key; `None` where this is no object or has no such key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        match &mut self.kind {
            Kind::Object(entries) => entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value),
            _ => None,
        }
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Object(entries) => entries,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Value] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    pub fn is_broken(&self) -> bool {
        self.kind == Kind::Broken
    }

    /// A text, number or bool as text; `None` for everything else.
    pub fn scalar(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) | Kind::Number(text) => Some(text.clone()),
            Kind::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }
}

impl Kind {
    /// What it is, in words for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
            Self::Broken => "something wrong",
        }
    }
}

/// The path of a key below a path. A key with a dot or bracket in it is shown in brackets, as in `params['a.b']`.
pub fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && !key.contains(['.', '[', ']', ' ']);
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}['{key}']"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_keys_and_places_in_lists() {
        let text = |text: &str| Value::new(Kind::Text(text.into()), Span::default());
        let entry = |key: &str, value| Entry { key: key.into(), key_span: Span::default(), value };
        let list = Value::new(Kind::List(vec![text("x"), text("y")]), Span::default());
        let mut root = Value::new(Kind::Object(vec![entry("a", list), entry("b.c", text("z"))]), Span::default());
        root.set_paths(String::new());
        assert_eq!(root.get("a").unwrap().items()[1].place.path, "a[1]");
        assert_eq!(root.get("b.c").unwrap().place.path, "['b.c']");
        assert_eq!(join("p", "q"), "p.q");
    }

    #[test]
    fn only_scalars_have_a_text_form() {
        let scalar = |kind| Value::new(kind, Span::default()).scalar();
        assert_eq!(scalar(Kind::Bool(true)).unwrap(), "true");
        assert_eq!(scalar(Kind::Number("1.10".into())).unwrap(), "1.10");
        assert_eq!(scalar(Kind::Null), None);
        assert_eq!(scalar(Kind::List(vec![])), None);
    }
}
