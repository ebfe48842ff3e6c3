//! The config in a Python file, read as text: nothing of the file is run.
//!
//! ```text
//! text ─tree-sitter─► tree ─► the dict that is the config ─► Reader: literals, names that stand for literals, secrets ─► JSON
//! ```
//!
//! What is no literal (a lambda, the value of a call) leaves its key out and is told in a note with its line. Names are
//! looked up in their scopes where they are assigned once ([`scope`]), parameters in the calls of their functions
//! ([`calls`]); `dlt.secrets`, `dlt.config` and `os.environ` become references to environment variables, under the names that
//! dlt gives them, and so does a name without a value that is part of a text ([`unknown`]): only these are references ([`reference`]).
//! What the file does with the config besides is told, too ([`uses`]).

mod call;
mod calls;
mod condition;
mod date;
mod expression;
mod format;
mod reference;
mod scope;
mod text;
mod unknown;
mod uses;

use hashbrown::HashSet;
use serde_json::Value;
use tree_sitter::{Node, Parser, Tree};

use self::expression::{Found, Reader};
use super::{ImportError, Note};

/// Functions whose first argument is a config.
const TAKES_CONFIG: [&str; 2] = ["rest_api_source", "rest_api_resources"];

/// Functions whose named arguments are one.
const IS_CONFIG: [&str; 3] = ["RESTAPIConfig", "rest_api", "dict"];

/// Bytes of a Python file. Its tree takes a hundred times as much memory.
pub const LARGEST: u64 = 2_000_000;

/// Nodes of the tree within each other: a nested list is two of them, a statement in a block three.
const DEEPEST: usize = 1_000;

/// Lines with configs that an error lists.
const LINES_SHOWN: usize = 20;

/// The config and what could not be read of it. `line`: where it begins, if there are several.
///
/// # Errors
/// [`ImportError`] if the text is no Python, or not exactly one config is in it.
pub fn read(file: &str, text: &str, line: Option<usize>) -> Result<(Value, Vec<Note>), ImportError> {
    let wrong = |reason: String| ImportError::NoDltConfig { file: file.to_owned(), reason };
    let tree = parse(file, text)?;
    let nodes = all(tree.root_node());
    let mut reader = Reader::new(text, &nodes);
    let configs = configs(&reader, &nodes);
    let config = pick(file, &configs, line)?;
    let found = reader.read(config, "");
    if reader.is_spent() {
        return Err(wrong("its values are too large to be written out".to_owned()));
    }
    match found {
        Found::Hole(reason) => Err(wrong(reason)),
        Found::Value(mut value) => {
            uses::tell(&mut reader, &nodes, config, configs.len() == 1, &mut value);
            Ok((reference::finished(value), reader.notes))
        }
    }
}

fn parse(file: &str, text: &str) -> Result<Tree, ImportError> {
    let wrong = |line, found: &str| ImportError::NotPython { file: file.to_owned(), line, found: found.to_owned() };
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).map_err(|error| wrong(1, &error.to_string()))?;
    let tree = parser.parse(text, None).ok_or_else(|| wrong(1, "it could not be parsed"))?;
    if let Some(line) = line_nested_too_deep(&tree) {
        return Err(ImportError::TooDeep { file: file.to_owned(), line, limit: DEEPEST });
    }
    match first_error(tree.root_node()) {
        None => Ok(tree),
        Some(node) => {
            let found = text.get(node.byte_range()).unwrap_or_default().lines().next().unwrap_or_default();
            // A literal may be a credential.
            let found = found.split(['"', '\'']).next().unwrap_or_default();
            Err(wrong(line_of(node), &found.chars().take(60).collect::<String>()))
        }
    }
}

/// The first line on which nodes nest deeper than may be recursed over.
fn line_nested_too_deep(tree: &Tree) -> Option<usize> {
    let mut cursor = tree.walk();
    loop {
        if cursor.depth() as usize > DEEPEST {
            return Some(line_of(cursor.node()));
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return None;
            }
        }
    }
}

fn first_error(root: Node<'_>) -> Option<Node<'_>> {
    if !root.has_error() {
        return None;
    }
    all(root).into_iter().find(|node| node.is_error() || node.is_missing())
}

/// The configs of the file, in its order.
fn configs<'t>(reader: &Reader<'t>, nodes: &[Node<'t>]) -> Vec<Node<'t>> {
    let mut known = HashSet::new();
    let configs = nodes.iter().filter_map(|node| config_at(reader, *node));
    let mut found: Vec<Node<'t>> = configs.filter(|config| known.insert(config.id())).collect();
    found.sort_by_key(Node::start_byte);
    found
}

/// The only config, or the one that begins on the line.
fn pick<'t>(file: &str, configs: &[Node<'t>], line: Option<usize>) -> Result<Node<'t>, ImportError> {
    let lines = || {
        let first = configs.iter().take(LINES_SHOWN).map(|config| line_of(*config).to_string());
        let more =
            configs.len().checked_sub(LINES_SHOWN).filter(|more| *more > 0).map(|more| format!("and {more} more"));
        first.chain(more).collect::<Vec<_>>().join(", ")
    };
    let file = file.to_owned();
    let mut wanted = configs.iter().filter(|config| line.is_none_or(|line| line_of(**config) == line));
    match (wanted.next(), wanted.next(), line) {
        (Some(only), None, _) => Ok(*only),
        (Some(_), Some(_), _) => Err(ImportError::SeveralConfigs { file, lines: lines() }),
        (None, _, Some(line)) if !configs.is_empty() => Err(ImportError::NotOnLine { file, line, lines: lines() }),
        (None, ..) => Err(ImportError::NoConfig { file }),
    }
}

/// The config that a node is, or names.
fn config_at<'t>(reader: &Reader<'t>, node: Node<'t>) -> Option<Node<'t>> {
    match node.kind() {
        "dictionary" => reader.has_keys(node, &["client", "resources"]).then_some(node),
        "call" if is_config_call(reader, node) => Some(node),
        "call" => config_of_call(reader, node),
        _ => None,
    }
}

/// `RESTAPIConfig(client=…, resources=…)`.
fn is_config_call<'t>(reader: &Reader<'t>, call: Node<'t>) -> bool {
    let named = call::named(reader, call);
    IS_CONFIG.contains(&call::name(reader, call))
        && ["client", "resources"].iter().all(|key| named.iter().any(|(name, _)| name == key))
}

/// The config that a call takes.
fn config_of_call<'t>(reader: &Reader<'t>, call: Node<'t>) -> Option<Node<'t>> {
    let takes = TAKES_CONFIG.contains(&call::name(reader, call));
    let argument = takes.then(|| call::argument(reader, call, "config", 0)).flatten()?;
    let config = reader.resolve(argument)?;
    (config.kind() == "dictionary" || config.kind() == "call" && is_config_call(reader, config)).then_some(config)
}

/// The node and all below it, in the order of the text.
fn all(root: Node<'_>) -> Vec<Node<'_>> {
    let (mut nodes, mut open) = (Vec::new(), vec![root]);
    while let Some(node) = open.pop() {
        nodes.push(node);
        let mut cursor = node.walk();
        let children: Vec<_> = node.children(&mut cursor).collect();
        open.extend(children.into_iter().rev());
    }
    nodes
}

/// The named children that are no comments.
fn children<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

/// What an assignment or a loop gives values to, each for itself.
fn targets(left: Option<Node<'_>>) -> Vec<Node<'_>> {
    match left.map(|left| (left, left.kind())) {
        Some((left, "pattern_list" | "tuple_pattern" | "list_pattern")) => children(left),
        left => left.into_iter().map(|(left, _)| left).collect(),
    }
}

/// 1 for the first.
fn line_of(node: Node<'_>) -> usize {
    node.start_position().row + 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(text: &str) -> (Value, Vec<(usize, String)>) {
        let (value, notes) = read("f.py", text, None).unwrap();
        (value, notes.into_iter().map(|note| (note.line.unwrap(), note.path)).collect())
    }

    #[test]
    fn a_literal_config_is_read_as_it_is() {
        let (value, notes) = config(
            r#"
import dlt
from dlt.sources.rest_api import rest_api_source

# the API
source = rest_api_source({
    "client": {
        "base_url": "https://a.example/"  # a comment
        "v1",
        'paginator': {"type": "offset", "limit": 100, "total_path": None,},
    },
    "resources": ["posts", {"name": "c", "selected": False, "primary_key": ("a", "b"), "endpoint": {"params": {"x": -1.5, "t": r"\d", "u": "a\n\u00e9"}}}],
})
"#,
        );
        let expected = json!({
            "client": {"base_url": "https://a.example/v1", "paginator": {"type": "offset", "limit": 100, "total_path": null}},
            "resources": ["posts", {
                "name": "c", "selected": false, "primary_key": ["a", "b"],
                "endpoint": {"params": {"x": -1.5, "t": "\\d", "u": "a\né"}},
            }],
        });
        assert_eq!((value, notes), (expected, Vec::new()));
    }

    #[test]
    fn names_secrets_and_classes_stand_for_what_they_are() {
        let (value, notes) = config(
            r#"
BASE = "https://a.example"
DEFAULTS = {"primary_key": "id", "write_disposition": "merge"}

@dlt.source
def mine(token: str = dlt.secrets.value, limit=50):
    config: RESTAPIConfig = {
        "client": {
            "base_url": f"{BASE}/v1/{limit}",
            "auth": BearerTokenAuth(token=token),
            "headers": {"X-Key": dlt.secrets["github.api_key"], "X-E": os.environ["E"], "X-D": os.getenv("D", "d")},
            "paginator": JSONLinkPaginator("links.next"),
        },
        "resource_defaults": {**DEFAULTS, "selected": True},
        "resources": [{
            "name": "a",
            "endpoint": {"params": {"since": dlt.sources.incremental("updated_at", initial_value="2024-01-01")}},
        }],
    }
    yield from rest_api_resources(config)
"#,
        );
        let expected = json!({
            "client": {
                "base_url": "https://a.example/v1/50",
                "auth": {"type": "bearer", "token": "${TOKEN}"},
                "headers": {"X-Key": "${GITHUB__API_KEY}", "X-E": "${E}", "X-D": "${D:-d}"},
                "paginator": {"type": "json_link", "next_url_path": "links.next"},
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge", "selected": true},
            "resources": [{
                "name": "a",
                "endpoint": {"params": {"since": {
                    "type": "incremental", "cursor_path": "updated_at", "initial_value": "2024-01-01",
                }}},
            }],
        });
        assert_eq!((value, notes), (expected, Vec::new()));
    }

    #[test]
    fn what_is_no_literal_leaves_its_key_out_and_is_told_with_its_line() {
        let (value, notes) = config(
            r#"config = {
    "client": {"base_url": make_url(), "session": Session()},
    "resources": [
        {"name": "a", "processing_steps": [{"filter": lambda x: x["id"] > 1}], "endpoint": {"path": "a", "params": {k: 1}}},
        custom_resource,
    ],
}
"#,
        );
        let expected = json!({"client": {}, "resources": [{"name": "a", "processing_steps": [{}], "endpoint": {"path": "a", "params": {}}}]});
        assert_eq!(value, expected);
        let told = [
            (2, "client.base_url"),
            (2, "client.session"),
            (4, "resources.0.processing_steps.0.filter"),
            (4, "resources.0.endpoint.params"),
            (5, "resources.1"),
        ];
        assert_eq!(notes, told.map(|(line, path)| (line, path.to_owned())));
    }

    #[test]
    fn a_list_within_a_list_is_unpacked_or_has_to_be_mended() {
        let text = |list: &str| format!("EXTRA = ['b', 'c']\nc = {{'client': {{}}, 'resources': ['a', {list}, 'd']}}");
        let (value, notes) = config(&text("*EXTRA"));
        assert_eq!((&value["resources"], notes.len()), (&json!(["a", "b", "c", "d"]), 0));
        let (_, notes) = read("f.py", &text("*[{'endpoint': {'path': get()}}]"), None).unwrap();
        assert!(matches!(notes.as_slice(), [note] if note.is_to_mend), "{notes:?}");
        for list in ["*OTHERS", "*make()", "*'ab'", "*EXTRA_OF['x']"] {
            let (value, notes) = read("f.py", &text(list), None).unwrap();
            assert_eq!(value["resources"], json!(["a", "d"]), "{list}");
            assert!(matches!(notes.as_slice(), [note] if note.is_to_mend && note.line == Some(2)), "{list}: {notes:?}");
        }
    }

    #[test]
    fn a_file_without_one_config_is_refused() {
        let refused = |text: &str| read("f.py", text, None).unwrap_err();
        assert!(matches!(refused("x = 1"), ImportError::NoConfig { .. }));
        assert!(matches!(refused("x = {\n  'a': (\n"), ImportError::NotPython { .. }));
        let two = "a = {'client': {}, 'resources': []}\nb = {'client': {'x': 1}, 'resources': []}\n";
        assert!(matches!(refused(two), ImportError::SeveralConfigs { lines, .. } if lines == "1, 2"));
        assert_eq!(read("f.py", two, Some(2)).unwrap().0["client"]["x"], 1);
        let elsewhere = read("f.py", two, Some(3)).unwrap_err();
        assert!(matches!(elsewhere, ImportError::NotOnLine { line: 3, lines, .. } if lines == "1, 2"));
    }

    #[test]
    fn a_file_nested_too_deep_is_an_error_with_the_limit_and_the_line() {
        for (open, inner, close) in
            [("[", "", "]"), ("(", "1", ")"), ("", "a", "()"), ("", "a", "[0]"), ("1 + ", "1", ""), ("f(", "", ")")]
        {
            for levels in [3_000, 20_000] {
                let value = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
                let text = format!("import dlt\nc = {{'client': {{'x': {value}}}, 'resources': []}}\n");
                let error = read("f.py", &text, None).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "f.py, line 2: nested more than 1000 levels deep",
                    "{open}{inner}{close}"
                );
            }
        }
    }

    #[test]
    fn of_very_many_configs_the_first_lines_are_listed() {
        let text = "c = {'client': {}, 'resources': []}\n".repeat(5_000);
        let error = read("f.py", &text, None).unwrap_err();
        assert!(matches!(error, ImportError::SeveralConfigs { lines, .. } if lines.ends_with("20, and 4980 more")));
    }

    #[test]
    fn a_config_may_be_the_arguments_of_a_call() {
        let expected = json!({"client": {"base_url": "https://a.example"}, "resources": ["a"]});
        for text in [
            "c = RESTAPIConfig(client={'base_url': 'https://a.example'}, resources=['a'])\ns = rest_api_source(c)",
            "p.run(rest_api(client={'base_url': 'https://a.example'}, resources=['a']))",
            "s = rest_api_source(dict(client=dict(base_url='https://a.example'), resources=['a']))",
        ] {
            assert_eq!(config(text), (expected.clone(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn a_value_that_may_be_none_is_taken_for_what_it_else_is() {
        let (value, notes) = config(
            "def f(token: str = dlt.secrets.value):\n    c = {'client': {'auth': ({'token': token} if token else None)}, 'resources': []}",
        );
        assert_eq!((&value["client"]["auth"]["token"], notes.len()), (&json!("${TOKEN}"), 0));
    }

    #[test]
    fn what_would_be_another_value_in_python_is_left_out_and_told() {
        let values = [
            ("f'{N:03d}'", None),
            ("f'{N!r}'", None),
            ("f'{N=}'", None),
            ("f'{N}-{True}'", Some(json!("5-True"))),
            (r"'\101\x42'", Some(json!("AB"))),
            (r"'\N{BULLET}'", None),
            ("[0x10, 0o17, 0b1_0, -7, 1e3]", Some(json!([16, 15, 2, -7, 1000.0]))),
            ("12345678901234567890123", None),
            ("18446744073709551615", Some(json!(18446744073709551615_u64))),
            ("loop", None),
            ("argument", Some(json!(1))),
        ];
        for (text, expected) in values {
            let text = format!(
                "N = 5\nloop = 1\nargument = 1\nfor loop in x: pass\ndef f(argument): pass\nc = {{'client': {{'x': {text}}}, 'resources': []}}"
            );
            let (value, notes) = config(&text);
            assert_eq!(
                (value["client"].get("x"), notes.len()),
                (expected.as_ref(), usize::from(expected.is_none())),
                "{text}"
            );
        }
    }

    #[test]
    fn builtins_that_a_cursor_is_compared_by_are_their_names() {
        let (value, notes) = config(
            "c = {'client': {}, 'resources': [{'endpoint': {'incremental': {'last_value_func': min}, 'params': {'a': dlt.sources.incremental('b', last_value_func=max)}}}]}",
        );
        let endpoint = &value["resources"][0]["endpoint"];
        assert_eq!((&endpoint["incremental"]["last_value_func"], notes.len()), (&json!("min"), 0));
        assert_eq!(endpoint["params"]["a"]["last_value_func"], "max");
    }

    #[test]
    fn notes_show_no_literal() {
        let text =
            "c = {'client': {'auth': make_auth(\"hunter2\", f'hunter3{x}'), 'x': 'hunter4' * 2}, 'resources': []}";
        let (_, notes) = read("f.py", text, None).unwrap();
        assert!(notes.iter().all(|note| !note.message.contains("hunter")), "{notes:?}");
        assert!(notes[0].message.contains("make_auth"), "{notes:?}");
    }

    #[test]
    fn values_that_double_with_each_name_are_refused() {
        let doubled = |empty: &str, join: &str| {
            let lines: String =
                (1..60).map(|n| format!("x{n} = {}\n", join.replace('y', &format!("x{}", n - 1)))).collect();
            format!("x0 = {empty}\n{lines}c = {{'client': {{'x': x59}}, 'resources': []}}")
        };
        for text in [doubled("'ab'", "y + y"), doubled("[]", "[y, y]"), doubled("{}", "{'a': y, 'b': y}")] {
            let error = read("f.py", &text, None).unwrap_err();
            assert!(error.to_string().contains("too large"), "{error}");
        }
    }

    #[test]
    fn names_that_lead_to_themselves_end() {
        for names in ["a = b\nb = a", "a = a['x']", "a = a['x']['y']", "a = a.b", "def f(a): f(g(a))\na = f(a)"] {
            let (value, notes) = config(&format!("{names}\nc = {{'client': a, 'resources': []}}\n"));
            assert_eq!((value, notes.len()), (json!({"resources": []}), 1), "{names}");
        }
    }
}
