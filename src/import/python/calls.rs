//! The calls of the file's functions, and what they give a parameter: a default is the value only where no call gives another.

use std::collections::HashMap;

use tree_sitter::Node;

use super::{
    call, children,
    expression::{Found, Reader},
    line_of,
    scope::Parameter,
};

/// Methods of a function of dlt's that is called with its arguments behind them.
const STILL_THE_FUNCTION: [&str; 2] = ["with_args", "clone"];

/// How many lines a note names.
const MOST_LINES: usize = 5;

/// What one call gives a parameter.
pub(super) struct Given<'t> {
    pub(super) call: Node<'t>,
    /// Its default, where the call says nothing; `None` if it cannot be told.
    pub(super) value: Option<Node<'t>>,
}

/// By what is called: a name, or a name behind a dot.
pub(super) struct Calls<'t> {
    source: &'t str,
    calls: HashMap<(&'t str, bool), Vec<Node<'t>>>,
    /// Functions that are arguments of calls: somebody else calls them.
    handed_on: HashMap<&'t str, Vec<Node<'t>>>,
    classes: Vec<Node<'t>>,
}

impl<'t> Calls<'t> {
    pub(super) fn new(source: &'t str, nodes: &[Node<'t>]) -> Self {
        let classes = nodes.iter().copied().filter(|node| node.kind() == "class_definition").collect();
        let mut calls = Self { source, calls: HashMap::new(), handed_on: HashMap::new(), classes };
        for node in nodes.iter().filter(|node| node.kind() == "call") {
            if let Some(called) = calls.called(*node) {
                calls.calls.entry(called).or_default().push(*node);
            }
            let (positional, named) = call::arguments(source, *node);
            let values = positional.into_iter().chain(named.into_iter().map(|(_, value)| value));
            for value in values.filter(|value| value.kind() == "identifier") {
                calls.handed_on.entry(calls.text(value)).or_default().push(*node);
            }
        }
        calls
    }

    /// What the calls of its function give a parameter, by the lines of the file.
    pub(super) fn of(&self, parameter: Parameter<'t>, is_method: bool) -> Vec<Given<'t>> {
        let Some(name) = parameter.function.child_by_field_name("name").map(|name| self.text(name)) else {
            return Vec::new();
        };
        let class = is_method.then(|| parameter.function.parent().and_then(|body| self.class_around(body))).flatten();
        let (called, is_behind_dot) = match class {
            Some(class) if name == "__init__" => (class, false),
            _ => (name, is_method),
        };
        let has_object = is_method && !self.is_static(parameter.function);
        let place = parameter.place.map(|place| place.checked_sub(usize::from(has_object)));
        let of_children = class.filter(|_| name == "__init__").map(|class| self.of_children(class)).unwrap_or_default();
        let calls = self.calls.get(&(called, is_behind_dot)).into_iter().flatten().chain(&of_children);
        let given = calls.map(|call| Given { call: *call, value: self.argument(*call, parameter, place.flatten()) });
        let handed_on = self.handed_on.get(called).filter(|_| !is_behind_dot).into_iter().flatten();
        let mut given: Vec<_> = given.chain(handed_on.map(|call| Given { call: *call, value: None })).collect();
        given.sort_by_key(|given| given.call.start_byte());
        given
    }

    fn text(&self, node: Node<'_>) -> &'t str {
        self.source.get(node.byte_range()).unwrap_or_default()
    }

    /// Whether a method is called without its object.
    fn is_static(&self, function: Node<'t>) -> bool {
        let decorated = function.parent().filter(|parent| parent.kind() == "decorated_definition");
        let decorators = decorated.map(children).unwrap_or_default();
        decorators.into_iter().any(|decorator| self.text(decorator).trim_start_matches('@').trim() == "staticmethod")
    }

    /// The calls by which the classes made of a class make it: `super().__init__(…)`, or their own where they have no `__init__`.
    fn of_children(&self, class: &str) -> Vec<Node<'t>> {
        let mut found = Vec::new();
        for child in self.classes.iter().filter(|child| self.has_base(**child, class)) {
            let field = |name: &str| child.child_by_field_name(name);
            let by_super = self.calls.get(&("__init__", true)).into_iter().flatten();
            found.extend(by_super.filter(|call| self.is_by_super(**call, *child)));
            let body = field("body").map(|body| self.text(body)).unwrap_or_default();
            if !body.contains("def __init__") {
                let name = field("name").map(|name| self.text(name)).unwrap_or_default();
                found.extend(self.calls.get(&(name, false)).into_iter().flatten());
            }
        }
        found
    }

    fn has_base(&self, class: Node<'t>, base: &str) -> bool {
        let bases = class.child_by_field_name("superclasses").map(children).unwrap_or_default();
        bases.into_iter().any(|known| self.text(known) == base)
    }

    fn is_by_super(&self, call: Node<'t>, class: Node<'t>) -> bool {
        let object = call.child_by_field_name("function").and_then(|function| function.child_by_field_name("object"));
        class.byte_range().contains(&call.start_byte())
            && object.is_some_and(|object| self.text(object).starts_with("super("))
    }

    fn called(&self, call: Node<'t>) -> Option<(&'t str, bool)> {
        let function = call.child_by_field_name("function")?;
        match function.kind() {
            "identifier" => Some((self.text(function), false)),
            "attribute" => Some((self.text(function.child_by_field_name("attribute")?), true)),
            "call" => {
                let inner = function.child_by_field_name("function")?;
                let (name, is_behind_dot) = self.called(function)?;
                let object = inner.child_by_field_name("object").filter(|object| object.kind() == "identifier")?;
                (is_behind_dot && STILL_THE_FUNCTION.contains(&name)).then(|| (self.text(object), false))
            }
            _ => None,
        }
    }

    fn class_around(&self, node: Node<'t>) -> Option<&'t str> {
        let mut node = node;
        while node.kind() != "class_definition" {
            node = node.parent()?;
        }
        node.child_by_field_name("name").map(|name| self.text(name))
    }

    fn argument(&self, call: Node<'t>, parameter: Parameter<'t>, place: Option<usize>) -> Option<Node<'t>> {
        let (positional, named) = call::arguments(self.source, call);
        if let Some((_, value)) = named.into_iter().find(|(name, _)| *name == parameter.name) {
            return Some(value);
        }
        let is_splat = |node: &Node<'t>| matches!(node.kind(), "list_splat" | "dictionary_splat");
        let before = place.map(|place| &positional[..positional.len().min(place + 1)]);
        match (before, place.and_then(|place| positional.get(place))) {
            (Some(before), Some(value)) if !before.iter().any(is_splat) => Some(*value),
            _ if positional.iter().any(is_splat) => None,
            _ => parameter.default,
        }
    }
}

/// The value of a parameter: what all calls give it, or its default.
pub(super) fn read<'t>(reader: &mut Reader<'t>, parameter: Parameter<'t>, path: &str) -> Found {
    let given = reader.given(parameter);
    let agreed = match given.is_empty() {
        true => parameter.default,
        false => reader.agreed(parameter, |reader| agreed(reader, parameter, &given, path)),
    };
    match agreed {
        Some(value) => read_value(reader, parameter, value, path),
        None if given.is_empty() => Found::Hole(format!("the file gives the parameter `{}` no value", parameter.name)),
        None => undecided(reader, parameter, &given, path),
    }
}

/// What all calls give, if it is known and one value.
fn agreed<'t>(reader: &mut Reader<'t>, parameter: Parameter<'t>, given: &[Given<'t>], path: &str) -> Option<Node<'t>> {
    let mut agreed: Option<(Node<'t>, Found)> = None;
    for given in given {
        let value = given.value?;
        if agreed.as_ref().is_some_and(|(known, _)| *known == value) {
            continue;
        }
        let found = reader.silently(|reader| read_value(reader, parameter, value, path));
        match (&found, &agreed) {
            (Found::Hole(_), _) => return None,
            (_, None) => agreed = Some((value, found)),
            (Found::Value(value), Some((_, Found::Value(known)))) if value == known => {}
            _ => return None,
        }
    }
    agreed.map(|(value, _)| value)
}

/// dlt fills in what is `dlt.secrets.value`.
fn read_value<'t>(reader: &mut Reader<'t>, parameter: Parameter<'t>, value: Node<'t>, path: &str) -> Found {
    if call::is_injected(reader.text(value)) {
        return Found::Value(call::variable(&[parameter.name]));
    }
    reader.read(value, path)
}

/// The default, and a note on the calls that give another value.
fn undecided<'t>(reader: &mut Reader<'t>, parameter: Parameter<'t>, given: &[Given<'t>], path: &str) -> Found {
    let others: Vec<_> =
        given.iter().filter(|given| given.value.is_none() || given.value != parameter.default).collect();
    let lines = others.iter().map(|given| line_of(given.call).to_string()).take(MOST_LINES);
    let lines = lines.chain((others.len() > MOST_LINES).then(|| "…".to_owned())).collect::<Vec<_>>().join(", ");
    let (name, line) = (parameter.name, line_of(parameter.node));
    // A default of None is no value where each call gives one.
    let is_open = |default: &Node<'t>| default.kind() == "none" && others.len() == given.len();
    match parameter.default.filter(|default| !is_open(default)) {
        Some(default) => {
            let message = format!(
                "the default of `{name}` (line {line}) was taken, and a call may give another value (line {lines}): look which counts"
            );
            reader.tell(others.first().map_or(parameter.node, |given| given.call), path, message);
            read_value(reader, parameter, default, path)
        }
        None => Found::Hole(format!(
            "the calls give the parameter `{name}` (line {line}) no value that is known (line {lines})"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::import::{Note, python::read};

    /// What `make`, called by these lines, says of a parameter `start`.
    fn start(parameter: &str, calls: &str) -> (Option<Value>, Vec<Note>) {
        let text = format!(
            "def make({parameter}):\n    return rest_api_source({{'client': {{'x': start}}, 'resources': []}})\n{calls}\n"
        );
        let (value, notes) = read("f.py", &text, None).unwrap();
        (value["client"].get("x").cloned(), notes)
    }

    #[test]
    fn what_all_calls_give_a_parameter_is_its_value() {
        for (parameter, calls, expected) in [
            ("start='2020'", "", "2020"),
            ("start='2020'", "make()", "2020"),
            ("start='2020'", "make('2025')", "2025"),
            ("base, start='2020'", "make('a', start='2025')", "2025"),
            ("base, *, start='2020'", "make('a', start='2025')", "2025"),
            ("start='2020', *rest", "make('2025', *more)", "2025"),
            ("start", "S = '2025'\nmake(S)\nmake('2025')", "2025"),
            ("start='2020'", "p.run(make.with_args(name='x')('2025'))", "2025"),
            ("start=dlt.config.value", "make(start='2025')", "2025"),
            ("start=dlt.config.value", "make()", "${START}"),
            ("start: str = None", "def outer(start='2025'): make(start)\nouter()", "2025"),
            ("start='2020'", "def make_all(start): return make(start)\nmake_all('2025')", "2025"),
            ("start='2020'", "def again(make): make('2025')\nmake(start='2025')", "2025"),
        ] {
            let (value, notes) = start(parameter, calls);
            assert_eq!((value, notes.as_slice()), (Some(json!(expected)), &[][..]), "{parameter}: {calls}");
        }
    }

    #[test]
    fn a_default_that_a_call_may_give_another_value_is_told_with_both_lines() {
        for calls in [
            "make('2025')\nmake()",
            "make('2025')\nmake('2026')",
            "make(today())",
            "make(*all)",
            "make(**all)",
            "partial(make, '2025')",
            "for start in x: make(start)",
        ] {
            let (value, notes) = start("start='2020'", calls);
            assert_eq!(value, Some(json!("2020")), "{calls}");
            let [note] = notes.as_slice() else { panic!("{calls}: {notes:?}") };
            assert_eq!((note.line, note.path.as_str()), (Some(3), "client.x"), "{calls}");
            assert!(note.message.contains("(line 1)") && note.message.contains("(line 3"), "{notes:?}");
        }
    }

    #[test]
    fn a_default_of_none_is_no_value_where_each_call_gives_one() {
        let (value, notes) = start("start=None", "make(today())");
        assert_eq!((value, notes.len()), (None, 1));
        assert_eq!(start("start=None", "make(today())\nmake()").0, Some(json!(null)));
    }

    #[test]
    fn methods_are_called_by_their_objects_or_as_their_class() {
        let text = "class Source:\n    def __init__(self, start='2020'):\n        self.c = {'client': {'x': start}, 'resources': []}\n";
        let (value, _) = read("f.py", &format!("{text}Source('2025')"), None).unwrap();
        assert_eq!(value["client"]["x"], "2025");
        let text = "class Source:\n    def make(self, start='2020'):\n        return {'client': {'x': start}, 'resources': []}\n";
        let (value, _) = read("f.py", &format!("{text}Source().make('2025')\nmake('2026')"), None).unwrap();
        assert_eq!(value["client"]["x"], "2025");
    }

    #[test]
    fn a_static_method_has_no_object_before_its_arguments() {
        for (decorator, call) in [
            ("@staticmethod", "Source.make('a', '2025')"),
            ("@staticmethod", "Source().make('a', start='2025')"),
            ("@classmethod", "Source.make('2025')"),
        ] {
            let first = if decorator == "@classmethod" { "cls" } else { "org" };
            let text = format!(
                "class Source:\n    {decorator}\n    def make({first}, start='2020'):\n        return {{'client': {{'x': start}}, 'resources': []}}\n{call}"
            );
            assert_eq!(read("f.py", &text, None).unwrap().0["client"]["x"], "2025", "{decorator}: {call}");
        }
    }

    #[test]
    fn a_class_is_made_by_those_that_are_made_of_it() {
        let text = "class Source:\n    def __init__(self, start='2020'):\n        self.c = {'client': {'x': start}, 'resources': []}\n";
        for (child, expected, told) in [
            ("class Own(Source):\n    def __init__(self):\n        super().__init__('2025')\nOwn()", "2025", 0),
            (
                "class Own(Source):\n    def __init__(self, s):\n        super().__init__(start=s)\nOwn('2025')",
                "2025",
                0,
            ),
            ("class Own(Source): pass\nOwn('2025')", "2025", 0),
            ("class Own(Source): pass\nOwn('2025')\nSource()", "2020", 1),
            ("class Own(Other):\n    def __init__(self):\n        super().__init__('2025')\nOwn()", "2020", 0),
        ] {
            let (value, notes) = read("f.py", &format!("{text}{child}"), None).unwrap();
            assert_eq!((&value["client"]["x"], notes.len()), (&json!(expected), told), "{child}");
        }
    }

    #[test]
    fn a_function_that_calls_itself_has_the_value_of_the_call_from_elsewhere() {
        let (value, notes) = start("start='2020'", "make('2025')\ndef f(start): f(start), f(start)");
        assert_eq!((value, notes.len()), (Some(json!("2025")), 0));
        let text = "def make(start='2020'):\n    make(start)\n    return {'client': {'x': start}, 'resources': []}\nmake('2025')";
        assert_eq!(read("f.py", text, None).unwrap().0["client"]["x"], "2025");
    }

    #[test]
    fn values_that_are_handed_from_call_to_call_are_read_once() {
        let chain: String = (0..30).map(|n| format!("def f{n}(a):\n    f{0}(a)\n    f{0}(a)\n", n + 1)).collect();
        let text = format!("{chain}def f30(a):\n    return {{'client': {{'x': a}}, 'resources': []}}\nf0('top')\n");
        assert_eq!(read("f.py", &text, None).unwrap().0["client"]["x"], "top");
    }
}
