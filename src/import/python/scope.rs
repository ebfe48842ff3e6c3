//! Where the names of a file get their values: by Python's scopes, without running anything.
//!
//! A name that gets values in several places of one scope has none that is known.

use std::collections::{HashMap, HashSet};

use tree_sitter::Node;

use super::{
    calls::{Calls, Given},
    children, targets,
};

/// What has names of its own.
const OPENS: [&str; 7] = [
    "function_definition",
    "lambda",
    "class_definition",
    "list_comprehension",
    "set_comprehension",
    "dictionary_comprehension",
    "generator_expression",
];

/// What a name stands for.
#[derive(Clone, Copy)]
pub(super) enum Binding<'t> {
    /// The only expression that is assigned to it.
    Value(Node<'t>),
    Parameter(Parameter<'t>),
    /// A function or a class of the file.
    Definition(Node<'t>),
    /// It gets values in several places, or by what is not read.
    Unknown,
}

/// A parameter of a function of the file.
#[derive(Clone, Copy)]
pub(super) struct Parameter<'t> {
    pub(super) node: Node<'t>,
    pub(super) name: &'t str,
    pub(super) default: Option<Node<'t>>,
    pub(super) function: Node<'t>,
    /// Among those that may be given without their names.
    pub(super) place: Option<usize>,
}

pub(super) struct Scopes<'t> {
    source: &'t str,
    root: usize,
    /// The scope that each node is in.
    of: HashMap<usize, usize>,
    /// The scope around each, and whether functions in it see its names.
    around: HashMap<usize, (usize, bool)>,
    /// Names that a scope takes from elsewhere.
    foreign: HashMap<(usize, &'t str), usize>,
    names: HashMap<(usize, &'t str), Binding<'t>>,
    calls: Calls<'t>,
}

impl<'t> Scopes<'t> {
    /// Of all nodes of a tree, the root first and parents before what is in them.
    pub(super) fn new(source: &'t str, nodes: &[Node<'t>]) -> Self {
        let root = nodes.first().map_or(0, Node::id);
        let calls = Calls::new(source, nodes);
        let (of, around, foreign, names) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        let mut scopes = Self { source, root, of, around, foreign, names, calls };
        nodes.iter().for_each(|node| scopes.place_children(*node));
        nodes.iter().for_each(|node| scopes.declare(*node));
        for node in nodes {
            for (name, binding) in scopes.bindings(*node) {
                scopes.bind(scopes.scope(*node), name, binding);
            }
        }
        nodes.iter().for_each(|node| scopes.import(*node));
        scopes
    }

    /// What a name stands for where it is written.
    pub(super) fn find(&self, name: Node<'t>) -> Option<Binding<'t>> {
        let (mut scope, text) = (self.scope(name), self.text(name));
        let mut is_seen = true;
        loop {
            if let Some(binding) = self.names.get(&(scope, text)).filter(|_| is_seen) {
                return Some(*binding);
            }
            (scope, _) = *self.around.get(&scope)?;
            is_seen = self.around.get(&scope).is_none_or(|(_, is_seen)| *is_seen);
        }
    }

    /// `NAME = value` in a class.
    pub(super) fn of_class(&self, class: Node<'t>, name: &'t str) -> Option<Binding<'t>> {
        self.names.get(&(class.id(), name)).copied()
    }

    /// What the calls of its function give a parameter.
    pub(super) fn given(&self, parameter: Parameter<'t>) -> Vec<Given<'t>> {
        let class = self.around.get(&parameter.function.id()).filter(|(scope, _)| self.is_class(*scope));
        let given = self.calls.of(parameter, class.is_some());
        // A function that calls itself hands its own value on.
        let is_itself = |value: Node<'t>| {
            value.kind() == "identifier"
                && matches!(self.find(value), Some(Binding::Parameter(own)) if own.node == parameter.node)
        };
        given.into_iter().filter(|given| !given.value.is_some_and(is_itself)).collect()
    }

    /// The one expression that a binding stands for.
    pub(super) fn expression(&self, binding: Binding<'t>) -> Option<Node<'t>> {
        let Binding::Parameter(parameter) = binding else {
            return if let Binding::Value(value) = binding { Some(value) } else { None };
        };
        let given = self.given(parameter);
        let Some((first, rest)) = given.split_first() else { return parameter.default };
        let first = first.value?;
        let is_same = |other: &Given<'t>| other.value.is_some_and(|other| self.text(other) == self.text(first));
        rest.iter().all(is_same).then_some(first)
    }

    /// The names of all expressions that a predicate picks.
    pub(super) fn names_of(&self, is_it: impl Fn(Node<'t>) -> bool) -> HashSet<&'t str> {
        let named = self.names.iter().filter(|(_, binding)| self.expression(**binding).is_some_and(&is_it));
        named.map(|((_, name), _)| *name).collect()
    }

    fn text(&self, node: Node<'_>) -> &'t str {
        self.source.get(node.byte_range()).unwrap_or_default()
    }

    fn scope(&self, node: Node<'_>) -> usize {
        self.of.get(&node.id()).copied().unwrap_or(self.root)
    }

    fn is_class(&self, scope: usize) -> bool {
        self.around.get(&scope).is_some_and(|(_, is_seen)| !is_seen)
    }

    /// Defaults, decorators and bases are read outside of what they belong to.
    fn place_children(&mut self, node: Node<'t>) {
        let (outer, kind) = (self.scope(node), node.kind());
        let opens = OPENS.contains(&kind);
        if opens {
            self.around.insert(node.id(), (outer, kind != "class_definition"));
        }
        let field = |name: &str| node.child_by_field_name(name).map(|child| child.id());
        let inside = match kind {
            "function_definition" | "class_definition" => vec![field("body"), field("parameters")],
            _ => Vec::new(),
        };
        let default = if kind.ends_with("default_parameter") { field("value") } else { None };
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            let scope = match Some(child.id()) {
                id if default.is_some() && id == default => self.around.get(&outer).map_or(outer, |(scope, _)| *scope),
                id if opens && (inside.is_empty() || inside.contains(&id)) => node.id(),
                _ => outer,
            };
            self.of.insert(child.id(), scope);
        }
    }

    /// `global x` and `nonlocal x`.
    fn declare(&mut self, node: Node<'t>) {
        let scope = self.scope(node);
        let home = match node.kind() {
            "global_statement" => self.root,
            "nonlocal_statement" => self.around.get(&scope).map_or(self.root, |(scope, _)| *scope),
            _ => return,
        };
        for name in children(node) {
            self.foreign.insert((scope, self.text(name)), home);
        }
    }

    fn bind(&mut self, scope: usize, name: &'t str, binding: Binding<'t>) {
        let scope = self.foreign.get(&(scope, name)).copied().unwrap_or(scope);
        self.names.entry((scope, name)).and_modify(|known| *known = Binding::Unknown).or_insert(binding);
    }

    /// A name that is imported, too, may have the value that is not in the file.
    fn import(&mut self, node: Node<'t>) {
        if !matches!(node.kind(), "import_statement" | "import_from_statement") {
            return;
        }
        let mut cursor = node.walk();
        for imported in node.children_by_field_name("name", &mut cursor) {
            let name = self.text(imported.child_by_field_name("alias").unwrap_or(imported));
            let scope = self.scope(node);
            let scope = self.foreign.get(&(scope, name)).copied().unwrap_or(scope);
            self.names.entry((scope, name)).and_modify(|known| *known = Binding::Unknown);
        }
    }

    fn bindings(&self, node: Node<'t>) -> Vec<(&'t str, Binding<'t>)> {
        let field = |name: &str| node.child_by_field_name(name);
        let (names, binding) = match node.kind() {
            "assignment" | "named_expression" => {
                let left = field("left").or_else(|| field("name"));
                let Some(right) = field("right").or_else(|| field("value")) else { return Vec::new() };
                let is_whole = left.is_some_and(|left| left.kind() == "identifier");
                (targets(left), if is_whole { Binding::Value(right) } else { Binding::Unknown })
            }
            "for_statement" | "for_in_clause" => (targets(field("left")), Binding::Unknown),
            "as_pattern_target" | "lambda_parameters" => (children(node), Binding::Unknown),
            "function_definition" | "class_definition" => (targets(field("name")), Binding::Definition(node)),
            "parameters" => return self.parameters(node),
            _ => return Vec::new(),
        };
        let names = names.into_iter().filter(|name| name.kind() == "identifier");
        names.map(|name| (self.text(name), binding)).collect()
    }

    fn parameters(&self, list: Node<'t>) -> Vec<(&'t str, Binding<'t>)> {
        let Some(function) = list.parent() else { return Vec::new() };
        let mut found = Vec::new();
        let mut next = Some(0);
        for node in children(list) {
            let named = match node.kind() {
                "default_parameter" | "typed_default_parameter" => node.child_by_field_name("name"),
                "identifier" => Some(node),
                _ => children(node).into_iter().next(),
            };
            match named.map(|named| (named, named.kind())) {
                Some((named, "identifier")) if !node.kind().ends_with("_pattern") => {
                    let (name, default) = (self.text(named), node.child_by_field_name("value"));
                    let parameter = Parameter { node, name, default, function, place: next };
                    found.push((name, Binding::Parameter(parameter)));
                    next = next.map(|place| place + 1);
                }
                _ if node.kind() == "positional_separator" => {}
                // What comes behind `*` is given by its name.
                other => {
                    next = None;
                    let inner = other.map(|(inner, _)| children(inner).into_iter().next().unwrap_or(inner));
                    found.extend(inner.map(|inner| (self.text(inner), Binding::Unknown)));
                }
            }
        }
        found
    }
}
