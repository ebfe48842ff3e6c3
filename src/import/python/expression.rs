//! Expressions of Python as the values that they are.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Number, Value};
use tree_sitter::Node;

use super::{
    call, calls,
    calls::Given,
    children, condition, format, line_of, reference,
    scope::{Binding, Parameter, Scopes},
    text, unknown,
};
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
    scopes: Scopes<'t>,
    /// The names whose values were read.
    read: HashSet<&'t str>,
    /// Parameters whose values are being read.
    open: Vec<Node<'t>>,
    /// What the calls agree on for each parameter, once they were looked at.
    agreed: HashMap<Node<'t>, Option<Node<'t>>>,
    /// Whether nothing may stand for what is not known: it would be compared, or be a name.
    is_fixed: bool,
    /// Whether Python makes a text of what is read.
    is_text: bool,
    depth: u32,
    /// The credentials of the file by the variables that stand for them.
    credentials: HashMap<String, String>,
    /// What may be read yet, in bytes.
    left: usize,
    pub(super) notes: Vec<Note>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(source: &'t str, nodes: &[Node<'t>]) -> Self {
        let (scopes, read, open) = (Scopes::new(source, nodes), HashSet::new(), Vec::new());
        let (agreed, credentials, notes) = (HashMap::new(), HashMap::new(), Vec::new());
        Self {
            source,
            scopes,
            read,
            open,
            agreed,
            credentials,
            is_fixed: false,
            is_text: false,
            depth: 0,
            left: LARGEST,
            notes,
        }
    }

    pub(super) fn source(&self) -> &'t str {
        self.source
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
        let own = self.scopes.names_of(|node| self.resolve(node) == Some(value));
        self.read.iter().copied().chain(own).collect()
    }

    /// What a name stands for, through names; anything else is itself.
    pub(super) fn resolve(&self, node: Node<'t>) -> Option<Node<'t>> {
        let mut node = node;
        for _ in 0..DEEPEST {
            match node.kind() {
                "identifier" => node = self.scopes.expression(self.scopes.find(node)?)?,
                "parenthesized_expression" => node = children(node).into_iter().next()?,
                _ => return Some(node),
            }
        }
        None
    }

    pub(super) fn binding(&self, name: Node<'t>) -> Option<Binding<'t>> {
        self.scopes.find(name)
    }

    pub(super) fn given(&self, parameter: Parameter<'t>) -> Vec<Given<'t>> {
        self.scopes.given(parameter)
    }

    /// What the calls agree on for a parameter, looked for once: calls within calls would double it without end.
    pub(super) fn agreed(
        &mut self,
        parameter: Parameter<'t>,
        find: impl FnOnce(&mut Self) -> Option<Node<'t>>,
    ) -> Option<Node<'t>> {
        if let Some(known) = self.agreed.get(&parameter.node) {
            return *known;
        }
        let found = find(self);
        self.agreed.insert(parameter.node, found);
        found
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    pub(super) fn is_text(&self) -> bool {
        self.is_text
    }

    /// Reads what Python makes a text of.
    pub(super) fn as_text<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.is_text, true);
        let found = read(self);
        self.is_text = before;
        found
    }

    /// Reads what has to be known wholly.
    pub(super) fn fixed<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.is_fixed, true);
        let found = read(self);
        self.is_fixed = before;
        found
    }

    /// The variable for a credential: the one that it has already, or another one, where this one stands for another credential.
    pub(super) fn variable_of(&mut self, variable: String, credential: String) -> String {
        if let Some((known, _)) = self.credentials.iter().find(|(_, known)| **known == credential) {
            return known.clone();
        }
        let numbered = (2..).map(|number| format!("{variable}_{number}"));
        let is_free = |name: &String| !self.credentials.contains_key(name);
        let found = std::iter::once(variable.clone()).chain(numbered).find(is_free).unwrap_or(variable.clone());
        self.credentials.insert(found.clone(), credential);
        found
    }

    /// Reads to see what is there.
    pub(super) fn silently<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let told = self.notes.len();
        let found = self.fixed(read);
        self.notes.truncate(told);
        found
    }

    /// A value about which there is nothing to tell.
    pub(super) fn if_known(&mut self, read: impl FnOnce(&mut Self) -> Found) -> Option<Value> {
        let told = self.notes.len();
        let found = self.fixed(read);
        let is_told = self.notes.len() > told;
        self.notes.truncate(told);
        match found {
            Found::Value(value) if !is_told => Some(value),
            _ => None,
        }
    }

    /// What is written between two nodes.
    pub(super) fn between(&self, left: Node<'_>, right: Node<'_>) -> &'t str {
        self.source.get(left.end_byte()..right.start_byte()).unwrap_or_default()
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
        self.without_credential(node, found, path)
    }

    /// What a name holds, but for a credential.
    fn without_credential(&mut self, node: Node<'t>, found: Found, path: &str) -> Found {
        let name = match node.kind() {
            "identifier" => Some(self.text(node)),
            "attribute" => node.child_by_field_name("attribute").map(|name| self.text(name)),
            "subscript" => node.child_by_field_name("subscript").and_then(|key| text::plain(self.text(key))),
            _ => None,
        };
        match (name, found) {
            (Some(name), Found::Value(value)) => {
                Found::Value(unknown::credential(self, node, name, &value, path).unwrap_or(value))
            }
            (_, found) => found,
        }
    }

    fn expression(&mut self, node: Node<'t>, path: &str) -> Found {
        match node.kind() {
            "none" => Found::Value(Value::Null),
            "true" => Found::Value(Value::Bool(true)),
            "false" => Found::Value(Value::Bool(false)),
            "integer" | "float" => self.number(node),
            "unary_operator" => self.number(node),
            "string" => self.all_of(|reader| reader.string(node, path)),
            "concatenated_string" => self.all_of(|reader| reader.joined(children(node), path)),
            "binary_operator" => self.all_of(|reader| reader.operator(node, path)),
            "dictionary" => Found::Value(self.dict(node, path)),
            "list" | "tuple" | "set" => Found::Value(self.list(node, path)),
            "parenthesized_expression" => match children(node).into_iter().next() {
                Some(inner) => self.read(inner, path),
                None => self.hole(node),
            },
            "identifier" => self.name(node, path),
            "conditional_expression" => condition::read(self, node, path),
            "call" => call::read(self, node, path),
            "subscript" => self.subscript(node, path),
            "attribute" => self.attribute(node, path),
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

    /// All of a text, or nothing: then nothing is told of its parts.
    pub(super) fn all_of(&mut self, read: impl FnOnce(&mut Self) -> Found) -> Found {
        let told = self.notes.len();
        let found = read(self);
        if let Found::Hole(_) = found {
            self.notes.truncate(told);
        }
        found
    }

    fn string(&mut self, node: Node<'t>, path: &str) -> Found {
        let mut read = String::new();
        for piece in text::pieces(node, self.source) {
            match piece {
                text::Piece::Text(text) => read.push_str(&text),
                text::Piece::Formatted => return self.hole(node),
                text::Piece::Expression(inner) => match self.in_text(inner, path) {
                    Found::Value(value) => match in_text(&value) {
                        Some(text) => read.push_str(&text),
                        None => return self.hole(node),
                    },
                    hole @ Found::Hole(_) => return hole,
                },
            }
        }
        self.joined_text(read)
    }

    /// A text whose parts were joined.
    pub(super) fn joined_text(&mut self, text: String) -> Found {
        self.left = self.left.saturating_sub(text.len());
        if reference::is_behind_dollar(&text) {
            return Found::Hole(reference::BEHIND_DOLLAR.to_owned());
        }
        Found::Value(Value::String(text))
    }

    /// A part of a text.
    pub(super) fn in_text(&mut self, node: Node<'t>, path: &str) -> Found {
        let found = self.as_text(|reader| reader.read(node, path));
        self.or_variable(found, node, path)
    }

    fn or_variable(&mut self, found: Found, node: Node<'t>, path: &str) -> Found {
        match found {
            Found::Hole(reason) => {
                unknown::in_text(self, node, path).map_or(Found::Hole(reason), |text| Found::Value(text.into()))
            }
            value @ Found::Value(_) => value,
        }
    }

    pub(super) fn but_for_none(&self, conditional: Node<'t>) -> Option<Node<'t>> {
        let is_none = |node: &Node<'t>| self.resolve(*node).is_some_and(|node| node.kind() == "none");
        match children(conditional).as_slice() {
            [value, _, other] if is_none(other) => Some(*value),
            [other, _, value] if is_none(other) => Some(*value),
            _ => None,
        }
    }

    /// `DEFAULTS["params"]`, `os.environ["X"]`.
    fn subscript(&mut self, node: Node<'t>, path: &str) -> Found {
        if let Some(value) = call::reference(self, node) {
            return Found::Value(value);
        }
        self.holds_part(node);
        match self.entry(node, DEEPEST) {
            Some(value) => self.read(value, path),
            None => self.hole(node),
        }
    }

    /// The names by which a part of something is read: what changes it there changes the part.
    fn holds_part(&mut self, part: Node<'t>) {
        let mut node = part;
        for _ in 0..DEEPEST {
            node = match node.kind() {
                "subscript" => node.child_by_field_name("value").unwrap_or(node),
                "attribute" => node.child_by_field_name("object").unwrap_or(node),
                "identifier" => {
                    self.read.insert(self.text(node));
                    match self.binding(node).and_then(|binding| self.scopes.expression(binding)) {
                        Some(value) => value,
                        None => return,
                    }
                }
                _ => return,
            };
        }
    }

    /// What stands under the key of a subscript, in a dict that is written out, at most so many subscripts away.
    fn entry(&self, subscript: Node<'t>, deepest: u32) -> Option<Node<'t>> {
        let wanted = text::known(subscript.child_by_field_name("subscript")?, self.source)?;
        let holder = self.resolve(subscript.child_by_field_name("value")?)?;
        let holder = match holder.kind() {
            "subscript" => self.resolve(self.entry(holder, deepest.checked_sub(1)?)?)?,
            _ => holder,
        };
        let entries = if holder.kind() == "dictionary" { children(holder) } else { Vec::new() };
        // A later entry counts, and what is merged may have any key.
        for entry in entries.into_iter().rev() {
            let key = self.resolve(entry.child_by_field_name("key")?)?;
            match (key.kind(), text::known(key, self.source)) {
                (_, Some(key)) if key == wanted => return entry.child_by_field_name("value"),
                (_, Some(_)) | ("integer" | "float" | "true" | "false" | "none", None) => {}
                _ => return None,
            }
        }
        None
    }

    /// `Settings.LIMIT` of a class of the file.
    fn attribute(&mut self, node: Node<'t>, path: &str) -> Found {
        let parts = ["object", "attribute"].map(|part| node.child_by_field_name(part));
        let [Some(object), Some(name)] = parts else { return self.hole(node) };
        let class = if object.kind() == "identifier" { self.binding(object) } else { None };
        match class {
            Some(Binding::Definition(class)) => match self.scopes.of_class(class, self.text(name)) {
                Some(Binding::Value(value)) => {
                    self.holds_part(node);
                    self.read(value, path)
                }
                _ => self.hole(node),
            },
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
        self.joined_text(all)
    }

    /// `a + b` of texts and of lists, `a | b` of dicts, `a % b` of a text.
    fn operator(&mut self, node: Node<'t>, path: &str) -> Found {
        let sides = ["left", "right"].map(|side| node.child_by_field_name(side));
        let operator = node.child_by_field_name("operator").map(|operator| self.text(operator));
        let ([Some(left), Some(right)], Some(operator)) = (sides, operator) else {
            return self.hole(node);
        };
        if !matches!(operator, "+" | "|") {
            let filled = if operator == "%" { format::percent(self, left, right, path) } else { None };
            return filled.unwrap_or_else(|| self.hole(node));
        }
        let sides = match (self.read(left, path), self.read(right, path)) {
            (text @ Found::Value(Value::String(_)), found) => (text, self.or_variable(found, right, path)),
            (found, text @ Found::Value(Value::String(_))) => (self.or_variable(found, left, path), text),
            sides => sides,
        };
        match (operator, sides) {
            ("+", (Found::Value(Value::String(left)), Found::Value(Value::String(right)))) => {
                self.joined_text(left + &right)
            }
            ("+", (Found::Value(Value::Array(left)), Found::Value(Value::Array(right)))) => {
                Found::Value([left, right].concat().into())
            }
            ("|", (Found::Value(Value::Object(mut left)), Found::Value(Value::Object(right)))) => {
                left.extend(right);
                Found::Value(left.into())
            }
            _ => self.hole(node),
        }
    }

    fn name(&mut self, node: Node<'t>, path: &str) -> Found {
        let name = self.text(node);
        self.read.insert(name);
        match self.binding(node) {
            // A name whose value dlt fills in.
            Some(Binding::Value(value)) if call::is_injected(self.text(value)) => Found::Value(call::variable(&[name])),
            Some(Binding::Value(value)) => self.read(value, path),
            Some(Binding::Parameter(parameter)) => self.parameter(parameter, path),
            Some(Binding::Definition(code)) => {
                let what = if code.kind() == "class_definition" { "class" } else { "function" };
                let line = line_of(code);
                Found::Hole(format!("`{name}` is a Python {what} (line {line}), and what it does is not read"))
            }
            Some(Binding::Unknown) => Found::Hole(format!("`{name}` has no single value in the file")),
            None if ["max", "min"].contains(&name) && path.ends_with("last_value_func") => Found::Value(name.into()),
            None => Found::Hole(format!("the value of `{name}` is not in the file")),
        }
    }

    fn parameter(&mut self, parameter: Parameter<'t>, path: &str) -> Found {
        if self.open.contains(&parameter.node) {
            return Found::Hole("it leads to itself".to_owned());
        }
        self.open.push(parameter.node);
        let found = calls::read(self, parameter, path);
        self.open.pop();
        found
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
        let key = match self.fixed(|reader| reader.read(key, path)) {
            Found::Value(Value::String(text)) if reference::is_in(&text) => {
                return self.note(pair, path, "a key from the environment cannot be written");
            }
            Found::Value(value) => in_text(&value).unwrap_or_else(|| value.to_string()),
            Found::Hole(reason) => return self.note(pair, path, reason),
        };
        let path = below(path, &key);
        if let Some(value) = self.value(value, &path) {
            object.insert(key, value);
        }
    }

    /// What is to stand at a place of the config; what cannot is told.
    pub(super) fn value(&mut self, node: Node<'t>, path: &str) -> Option<Value> {
        match self.read(node, path) {
            Found::Value(value) => Some(value),
            Found::Hole(reason) => {
                let text = unknown::whole(self, node, path);
                if text.is_none() {
                    self.note(node, path, reason);
                }
                text.map(Value::String)
            }
        }
    }

    fn list(&mut self, node: Node<'t>, path: &str) -> Value {
        let mut items = Vec::new();
        for (index, item) in children(node).into_iter().enumerate() {
            let item_path = below(path, &index.to_string());
            match item.kind() {
                "list_splat" => items.extend(self.unpacked(item, path, &item_path)),
                _ => items.extend(self.value(item, &item_path)),
            }
        }
        Value::Array(items)
    }

    /// `*EXTRA` in a list. How much is missing without it, nobody knows.
    fn unpacked(&mut self, splat: Node<'t>, list: &str, path: &str) -> Vec<Value> {
        match children(splat).into_iter().next().map(|inner| self.read(inner, list)) {
            Some(Found::Value(Value::Array(items))) => return items,
            Some(Found::Hole(reason)) => self.note(splat, path, reason),
            _ => self.note(splat, path, "what is unpacked here is no list"),
        }
        if let Some(note) = self.notes.last_mut() {
            note.is_to_mend = true;
        }
        Vec::new()
    }

    pub(super) fn note(&mut self, node: Node<'_>, path: &str, message: impl Into<String>) {
        let reason = message.into();
        let is_to_mend = reason == reference::BEHIND_DOLLAR || is_needed(path);
        let message = format!("{reason}: it was left out{}", advice(path));
        self.notes.push(Note { line: Some(line_of(node)), is_to_mend, ..Note::new(path, message) });
    }

    pub(super) fn tell(&mut self, node: Node<'_>, path: &str, message: impl Into<String>) {
        self.notes.push(Note { line: Some(line_of(node)), ..Note::new(path, message) });
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
pub(super) fn in_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Number(number) => Some(number.to_string()).filter(|text| !text.contains('e')),
        _ => None,
    }
}

/// Whether a request without it asks for something else, so that the config cannot stay so.
fn is_needed(path: &str) -> bool {
    let steps: Vec<_> = path.split('.').collect();
    match steps.as_slice() {
        ["resources", _, "endpoint", rest @ ..] | ["resource_defaults", "endpoint", rest @ ..] => {
            matches!(rest, [] | ["path"] | ["incremental", "initial_value"] | ["params", _, "initial_value"])
        }
        _ => false,
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
