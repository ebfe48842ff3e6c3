//! Expressions of Python as the values that they are.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Number, Value};
use tree_sitter::Node;

use super::{call, children, line_of, targets, text};
use crate::import::{Note, below};

/// Names that lead to names, and values within values.
const DEEPEST: u32 = 64;

/// Bytes of values that are read, however often they are named: names of names could double them without end.
const LARGEST: usize = 4 << 20;

/// What reading an expression costs beside its text.
const COST: usize = 16;

/// What an expression is.
pub(super) enum Found {
    Value(Value),
    /// No literal: says what in its place.
    Hole(String),
}

/// Reads the expressions of one file.
pub(super) struct Reader<'t> {
    source: &'t str,
    /// Where each name gets a value; `None` if it gets one in several places, or one that is not known.
    names: HashMap<&'t str, Option<Node<'t>>>,
    /// The names whose values were read.
    read: HashSet<&'t str>,
    depth: u32,
    /// What may be read yet, in bytes.
    left: usize,
    pub(super) notes: Vec<Note>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(source: &'t str, nodes: &[Node<'t>]) -> Self {
        let (names, read) = (HashMap::new(), HashSet::new());
        let mut reader = Self { source, names, read, depth: 0, left: LARGEST, notes: Vec::new() };
        for node in nodes {
            for (name, value) in reader.bindings(*node) {
                reader.names.entry(name).and_modify(|known| *known = None).or_insert(value);
            }
        }
        reader
    }

    pub(super) fn text(&self, node: Node<'_>) -> &'t str {
        self.source.get(node.byte_range()).unwrap_or_default()
    }

    /// Whether there was too much to read.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// The names of a value, and those that were read for it.
    pub(super) fn names_of(&self, value: Node<'t>) -> HashSet<&'t str> {
        let is_it = |node: &Option<Node<'t>>| node.and_then(|node| self.resolve(node)) == Some(value);
        let own = self.names.iter().filter(|(_, node)| is_it(node)).map(|(name, _)| *name);
        self.read.iter().copied().chain(own).collect()
    }

    /// `name = value` and `name: T = value`, as statements and as parameters; and names that a call or a loop gives values to.
    fn bindings(&self, node: Node<'t>) -> Vec<(&'t str, Option<Node<'t>>)> {
        let field = |name: &str| node.child_by_field_name(name);
        let (names, value) = match node.kind() {
            "assignment" if field("right").is_some() => (
                targets(field("left")),
                field("right").filter(|_| field("left").is_some_and(|left| left.kind() == "identifier")),
            ),
            "default_parameter" | "typed_default_parameter" => (field("name").into_iter().collect(), field("value")),
            "for_statement" | "for_in_clause" => (targets(field("left")), None),
            "parameters" | "lambda_parameters" => (children(node), None),
            "typed_parameter" => (children(node).into_iter().take(1).collect(), None),
            _ => (Vec::new(), None),
        };
        let names = names.into_iter().filter(|name| name.kind() == "identifier");
        names.map(|name| (self.text(name), value)).collect()
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
        self.left = self.left.saturating_sub(COST);
        if self.is_spent() {
            return Found::Hole("there is too much in it".to_owned());
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
            "conditional_expression" => self.conditional(node, path),
            "call" => call::read(self, node, path),
            "subscript" | "attribute" => call::reference(self, node).map_or_else(|| self.hole(node), Found::Value),
            _ => self.hole(node),
        }
    }

    pub(super) fn hole(&self, node: Node<'_>) -> Found {
        Found::Hole(format!("`{}` is no literal", self.shown(node)))
    }

    /// The beginning of what stands there, without what its literals say: it may be a credential.
    pub(super) fn shown(&self, node: Node<'_>) -> String {
        let mut text = String::new();
        let mut at = node.start_byte();
        let hidden = |node: &Node<'_>| matches!(node.kind(), "string" | "comment");
        for node in super::all(node).iter().filter(|node| hidden(node)) {
            if node.start_byte() >= at {
                text += self.source.get(at..node.start_byte()).unwrap_or_default();
                text += if node.kind() == "string" { "\"…\"" } else { "" };
                at = node.end_byte();
            }
        }
        text += self.source.get(at..node.end_byte()).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.chars().take(80).collect()
    }

    fn number(&self, node: Node<'_>) -> Found {
        let digits: String = self.text(node).chars().filter(|c| !matches!(c, '_' | ' ')).collect();
        let digits = digits.strip_prefix('+').unwrap_or(&digits);
        let number = match digits.trim_start_matches('-').bytes().all(|digit| digit.is_ascii_digit()) {
            true => digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from)).ok(),
            false => in_other_base(digits).or_else(|| digits.parse::<f64>().ok().and_then(Number::from_f64)),
        };
        number.map_or_else(|| self.hole(node), |number| Found::Value(Value::Number(number)))
    }

    fn string(&mut self, node: Node<'t>, path: &str) -> Found {
        let mut read = String::new();
        for piece in text::pieces(node, self.source) {
            match piece {
                text::Piece::Text(text) => read.push_str(&text),
                text::Piece::Formatted => return self.hole(node),
                text::Piece::Expression(inner) => match self.read(inner, path) {
                    Found::Value(value) => match in_text(&value) {
                        Some(text) => read.push_str(&text),
                        None => return self.hole(node),
                    },
                    hole @ Found::Hole(_) => return hole,
                },
            }
        }
        self.left = self.left.saturating_sub(read.len());
        Found::Value(Value::String(read))
    }

    /// `value if condition else None`: what it is, where it is.
    fn conditional(&mut self, node: Node<'t>, path: &str) -> Found {
        let sides = children(node);
        let is_none = |node: &Node<'t>| self.resolve(*node).is_some_and(|node| node.kind() == "none");
        match sides.as_slice() {
            [value, _, other] if is_none(other) => self.read(*value, path),
            [other, _, value] if is_none(other) => self.read(*value, path),
            _ => self.hole(node),
        }
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
        self.read.insert(name);
        match self.names.get(name).copied() {
            // A parameter whose value dlt fills in.
            Some(Some(value)) if call::is_injected(self.text(value)) => Found::Value(call::variable(&[name])),
            Some(Some(value)) => self.read(value, path),
            Some(None) => Found::Hole(format!("`{name}` has no single value in the file")),
            None if ["max", "min"].contains(&name) && path.ends_with("last_value_func") => Found::Value(name.into()),
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
            Found::Value(value) => in_text(&value).unwrap_or_else(|| value.to_string()),
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
        self.tell(node, path, message);
    }

    pub(super) fn tell(&mut self, node: Node<'_>, path: &str, message: impl Into<String>) {
        self.notes.push(Note { line: Some(line_of(node)), path: path.to_owned(), message: message.into() });
    }
}

/// `0x10`, `0o17`, `0b101`.
fn in_other_base(digits: &str) -> Option<Number> {
    let digits = digits.to_ascii_lowercase();
    let bases = [("0x", 16), ("0o", 8), ("0b", 2)];
    let (digits, base) = bases.iter().find_map(|(prefix, base)| Some((digits.strip_prefix(prefix)?, *base)))?;
    i64::from_str_radix(digits, base).ok().map(Number::from)
}

/// As Python writes a value into a text; `None` if it would write it otherwise than JSON does.
fn in_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Number(number) => Some(number.to_string()).filter(|text| !text.contains('e')),
        _ => None,
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
