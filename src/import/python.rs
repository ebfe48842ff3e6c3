//! The config in a Python file, read as text: nothing of the file is run.
//!
//! ```text
//! text ─tree-sitter─► tree ─► the dict that is the config ─► Reader: literals, names that stand for literals, secrets ─► JSON
//! ```
//!
//! What is no literal (a lambda, the value of a call) leaves its key out and is told in a note with its line. Names are
//! looked up where they are assigned once; `dlt.secrets`, `dlt.config` and `os.environ` become references to environment
//! variables, under the names that dlt gives them.

mod call;
mod expression;
mod text;

use serde_json::Value;
use tree_sitter::{Node, Parser, Tree};

use self::expression::{Found, Reader};
use super::{ImportError, Note};

/// Functions whose first argument is a config.
const TAKES_CONFIG: [&str; 2] = ["rest_api_source", "rest_api_resources"];

/// The config and what could not be read of it. `line`: where it begins, if there are several.
///
/// # Errors
/// [`ImportError`] if the text is no Python, or not exactly one config is in it.
pub fn read(file: &str, text: &str, line: Option<usize>) -> Result<(Value, Vec<Note>), ImportError> {
    let tree = parse(file, text)?;
    let mut reader = Reader::new(text, tree.root_node());
    let config = config(file, &reader, tree.root_node(), line)?;
    match reader.read(config, "") {
        Found::Value(value) => Ok((value, reader.notes)),
        Found::Hole(reason) => Err(ImportError::NoDltConfig { file: file.to_owned(), reason }),
    }
}

fn parse(file: &str, text: &str) -> Result<Tree, ImportError> {
    let wrong = |line, found: &str| ImportError::NotPython { file: file.to_owned(), line, found: found.to_owned() };
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).map_err(|error| wrong(1, &error.to_string()))?;
    let tree = parser.parse(text, None).ok_or_else(|| wrong(1, "it could not be parsed"))?;
    match first_error(tree.root_node()) {
        None => Ok(tree),
        Some(node) => {
            let found = text.get(node.byte_range()).unwrap_or_default().lines().next().unwrap_or_default();
            Err(wrong(line_of(node), &found.chars().take(60).collect::<String>()))
        }
    }
}

fn first_error(root: Node<'_>) -> Option<Node<'_>> {
    if !root.has_error() {
        return None;
    }
    all(root).into_iter().find(|node| node.is_error() || node.is_missing())
}

/// The dict that is the config.
fn config<'t>(file: &str, reader: &Reader<'t>, root: Node<'t>, line: Option<usize>) -> Result<Node<'t>, ImportError> {
    let mut found: Vec<Node<'t>> = Vec::new();
    for node in all(root) {
        if let Some(dict) = config_at(reader, node).filter(|dict| !found.contains(dict)) {
            found.push(dict);
        }
    }
    found.sort_by_key(Node::start_byte);
    found.retain(|dict| line.is_none_or(|line| line_of(*dict) == line));
    match found.as_slice() {
        [] => Err(ImportError::NoConfig { file: file.to_owned() }),
        [only] => Ok(*only),
        several => {
            let lines = several.iter().map(|dict| line_of(*dict).to_string()).collect::<Vec<_>>().join(", ");
            Err(ImportError::SeveralConfigs { file: file.to_owned(), lines })
        }
    }
}

/// The config that a node is, or names.
fn config_at<'t>(reader: &Reader<'t>, node: Node<'t>) -> Option<Node<'t>> {
    match node.kind() {
        "dictionary" => reader.has_keys(node, &["client", "resources"]).then_some(node),
        "call" => {
            let function = reader.text(node.child_by_field_name("function")?);
            let takes = TAKES_CONFIG.contains(&function.rsplit('.').next().unwrap_or_default());
            let argument = takes.then(|| call::argument(reader, node, "config", 0)).flatten()?;
            reader.resolve(argument).filter(|node| node.kind() == "dictionary")
        }
        _ => None,
    }
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
    fn a_file_without_one_config_is_refused() {
        let refused = |text: &str| read("f.py", text, None).unwrap_err();
        assert!(matches!(refused("x = 1"), ImportError::NoConfig { .. }));
        assert!(matches!(refused("x = {\n  'a': (\n"), ImportError::NotPython { .. }));
        let two = "a = {'client': {}, 'resources': []}\nb = {'client': {'x': 1}, 'resources': []}\n";
        assert!(matches!(refused(two), ImportError::SeveralConfigs { lines, .. } if lines == "1, 2"));
        assert_eq!(read("f.py", two, Some(2)).unwrap().0["client"]["x"], 1);
    }

    #[test]
    fn names_that_lead_to_themselves_end() {
        let (value, notes) = config("a = b\nb = a\nc = {'client': a, 'resources': []}\n");
        assert_eq!((value, notes.len()), (json!({"resources": []}), 1));
    }
}
