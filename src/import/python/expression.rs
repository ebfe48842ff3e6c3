//! Expressions of Python as the values that they are.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};
use tree_sitter::Node;

use super::{call, children, line_of, text};
use crate::import::{Note, below};

/// Names that lead to names, and values within values.
const DEEPEST: u32 = 64;

/// What an expression is.
pub(super) enum Found {
    Value(Value),
    /// No literal: says what in its place.
    Hole(String),
}

/// Reads the expressions of one file.
pub(super) struct Reader<'t> {
    source: &'t str,
    /// Where each name gets a value; `None` if it gets one in several places.
    names: HashMap<&'t str, Option<Node<'t>>>,
    depth: u32,
    pub(super) notes: Vec<Note>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(source: &'t str, root: Node<'t>) -> Self {
        let mut reader = Self { source, names: HashMap::new(), depth: 0, notes: Vec::new() };
        for node in super::all(root) {
            if let Some((name, value)) = reader.binding(node) {
                reader.names.entry(name).and_modify(|known| *known = None).or_insert(Some(value));
            }
        }
        reader
    }

    pub(super) fn text(&self, node: Node<'_>) -> &'t str {
        self.source.get(node.byte_range()).unwrap_or_default()
    }

    /// `name = value` and `name: T = value`, as statements and as parameters.
    fn binding(&self, node: Node<'t>) -> Option<(&'t str, Node<'t>)> {
        let (name, value) = match node.kind() {
            "assignment" => ("left", "right"),
            "default_parameter" | "typed_default_parameter" => ("name", "value"),
            _ => return None,
        };
        let name = node.child_by_field_name(name).filter(|name| name.kind() == "identifier")?;
        Some((self.text(name), node.child_by_field_name(value)?))
    }

    /// What a name stands for, through names; anything else is itself.
    pub(super) fn resolve(&self, node: Node<'t>) -> Option<Node<'t>> {
        let mut node = node;
        for _ in 0..DEEPEST {
            match node.kind() {
                "identifier" => node = (*self.names.get(self.text(node))?)?,
                "parenthesized_expression" => node = children(node).into_iter().next()?,
                _ => return Some(node),
            }
        }
        None
    }

    /// Whether a dict has these keys, written as texts.
    pub(super) fn has_keys(&self, dict: Node<'t>, wanted: &[&str]) -> bool {
        let pairs = children(dict).into_iter().filter(|pair| pair.kind() == "pair");
        let keys: Vec<_> = pairs.filter_map(|pair| text::plain(self.text(pair.child_by_field_name("key")?))).collect();
        wanted.iter().all(|wanted| keys.iter().any(|key| key == wanted))
    }

    /// The value at `path` of the config.
    pub(super) fn read(&mut self, node: Node<'t>, path: &str) -> Found {
        if self.depth >= DEEPEST {
            return Found::Hole("it leads to itself".to_owned());
        }
        self.depth += 1;
        let found = self.expression(node, path);
        self.depth -= 1;
        found
    }

    fn expression(&mut self, node: Node<'t>, path: &str) -> Found {
        match node.kind() {
            "none" => Found::Value(Value::Null),
            "true" => Found::Value(Value::Bool(true)),
            "false" => Found::Value(Value::Bool(false)),
            "integer" | "float" => self.number(node),
            "unary_operator" => self.number(node),
            "string" => self.string(node, path),
            "concatenated_string" => self.joined(children(node), path),
            "binary_operator" => self.sum(node, path),
            "dictionary" => Found::Value(self.dict(node, path)),
            "list" | "tuple" | "set" => Found::Value(self.list(node, path)),
            "parenthesized_expression" => match children(node).into_iter().next() {
                Some(inner) => self.read(inner, path),
                None => self.hole(node),
            },
            "identifier" => self.name(node, path),
            "call" => call::read(self, node, path),
            "subscript" | "attribute" => call::reference(self, node).map_or_else(|| self.hole(node), Found::Value),
            _ => self.hole(node),
        }
    }

    pub(super) fn hole(&self, node: Node<'_>) -> Found {
        let text: String = self.text(node).split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = text.chars().take(80).collect();
        Found::Hole(format!("`{shown}` is no literal"))
    }

    fn number(&self, node: Node<'_>) -> Found {
        let digits: String = self.text(node).chars().filter(|c| !matches!(c, '_' | ' ')).collect();
        let digits = digits.strip_prefix('+').unwrap_or(&digits);
        let integer = digits.parse::<i64>().ok().map(Number::from);
        let number = integer.or_else(|| digits.parse::<f64>().ok().and_then(Number::from_f64));
        number.map_or_else(|| self.hole(node), |number| Found::Value(Value::Number(number)))
    }

    fn string(&mut self, node: Node<'t>, path: &str) -> Found {
        let mut read = String::new();
        for piece in text::pieces(node, self.source) {
            match piece {
                text::Piece::Text(text) => read.push_str(&text),
                text::Piece::Expression(inner) => match self.read(inner, path) {
                    Found::Value(Value::String(text)) => read.push_str(&text),
                    Found::Value(value @ (Value::Number(_) | Value::Bool(_))) => read.push_str(&value.to_string()),
                    Found::Value(_) => return self.hole(node),
                    Found::Hole(reason) => return Found::Hole(reason),
                },
            }
        }
        Found::Value(Value::String(read))
    }

    /// Texts side by side.
    fn joined(&mut self, parts: Vec<Node<'t>>, path: &str) -> Found {
        let mut all = String::new();
        for part in parts {
            match self.read(part, path) {
                Found::Value(Value::String(text)) => all.push_str(&text),
                Found::Value(_) => return self.hole(part),
                hole @ Found::Hole(_) => return hole,
            }
        }
        Found::Value(Value::String(all))
    }

    /// `a + b` of texts and of lists.
    fn sum(&mut self, node: Node<'t>, path: &str) -> Found {
        let operands = ["left", "right"].map(|side| node.child_by_field_name(side));
        let is_plus = node.child_by_field_name("operator").is_some_and(|operator| self.text(operator) == "+");
        let [Some(left), Some(right)] = operands else { return self.hole(node) };
        if !is_plus {
            return self.hole(node);
        }
        match (self.read(left, path), self.read(right, path)) {
            (Found::Value(Value::String(left)), Found::Value(Value::String(right))) => {
                Found::Value((left + &right).into())
            }
            (Found::Value(Value::Array(left)), Found::Value(Value::Array(right))) => {
                Found::Value([left, right].concat().into())
            }
            _ => self.hole(node),
        }
    }

    fn name(&mut self, node: Node<'t>, path: &str) -> Found {
        let name = self.text(node);
        match self.names.get(name).copied() {
            // A parameter whose value dlt fills in.
            Some(Some(value)) if call::is_injected(self.text(value)) => Found::Value(call::variable(&[name])),
            Some(Some(value)) => self.read(value, path),
            Some(None) => Found::Hole(format!("`{name}` gets its value in several places")),
            None => Found::Hole(format!("the value of `{name}` is not in the file")),
        }
    }

    fn dict(&mut self, node: Node<'t>, path: &str) -> Value {
        let mut object = Map::new();
        for entry in children(node) {
            match entry.kind() {
                "pair" => self.pair(entry, path, &mut object),
                "dictionary_splat" => match children(entry).into_iter().next().map(|inner| self.read(inner, path)) {
                    Some(Found::Value(Value::Object(more))) => object.extend(more),
                    Some(Found::Hole(reason)) => self.note(entry, path, reason),
                    _ => self.note(entry, path, "what is merged here is no dict"),
                },
                _ => self.note(entry, path, "this is no entry of a dict"),
            }
        }
        Value::Object(object)
    }

    fn pair(&mut self, pair: Node<'t>, path: &str, object: &mut Map<String, Value>) {
        let (Some(key), Some(value)) = (pair.child_by_field_name("key"), pair.child_by_field_name("value")) else {
            return self.note(pair, path, "this is no entry of a dict");
        };
        let key = match self.read(key, path) {
            Found::Value(Value::String(key)) => key,
            Found::Value(value) => value.to_string(),
            Found::Hole(reason) => return self.note(pair, path, reason),
        };
        let path = below(path, &key);
        match self.read(value, &path) {
            Found::Value(value) => {
                object.insert(key, value);
            }
            Found::Hole(reason) => self.note(value, &path, reason),
        }
    }

    fn list(&mut self, node: Node<'t>, path: &str) -> Value {
        let mut items = Vec::new();
        for (index, item) in children(node).into_iter().enumerate() {
            let path = below(path, &index.to_string());
            match self.read(item, &path) {
                Found::Value(value) => items.push(value),
                Found::Hole(reason) => self.note(item, &path, reason),
            }
        }
        Value::Array(items)
    }

    pub(super) fn note(&mut self, node: Node<'_>, path: &str, message: impl Into<String>) {
        let message = format!("{}: it was left out{}", message.into(), advice(path));
        self.notes.push(Note { line: Some(line_of(node)), path: path.to_owned(), message });
    }
}

/// What stands here for what is a function there.
fn advice(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("filter" | "map" | "yield_map") => "; write it as a jq program",
        Some("convert" | "transform") => "; `convert` takes a strftime format or `epoch_s`, `epoch_ms`, `epoch_us`",
        Some("last_value_func") => "; `max` and `min` are known",
        _ => "",
    }
}
