//! Configs: texts to plans, or to problems.
//!
//! The input is a text, which is read as YAML and as TOML.
//!
//! | compared | with | where |
//! |---|---|---|
//! | tree of a text as YAML | the same text as JSON | serde_json takes it, no key comes twice, its characters are YAML's, and it is not nested too deep |
//! | tree and plan of a JSON text | those of the same content as TOML | there is no null in it, and the tree is an object |
//! | plan | itself, resolved again | there is one |
//! | places of problems | the text | always: each is a line and column that the text has |
//!
//! No file is read: texts with `${file:` are left out.

use serde_json::Value as Json;

use crate::{
    config::{Loaded, Problems, Source, Syntax, load, parse_other, tree},
    json::{Document, Kind, Node},
    plan::{Overrides, Plan, resolve},
};

/// Lists and objects within each other that every format takes.
const DEEPEST: usize = 60;

/// Checks a text.
pub fn config(data: &[u8]) {
    let Some(text) = std::str::from_utf8(data).ok().filter(|text| !text.contains("${file:")) else { return };
    let yaml = plan(text, Syntax::Yaml);
    let _ = plan(text, Syntax::Toml);
    if serde_json::from_str::<Json>(text).is_ok() {
        check_json(text, &yaml);
    }
}

fn plan(text: &str, syntax: Syntax) -> Result<Plan, Problems> {
    let name = if syntax == Syntax::Toml { "c.toml" } else { "c.yaml" };
    let source = Source::Embedded { name: name.to_owned(), text: text.to_owned(), syntax };
    let variable = |name: &str| ["KEY", "API_TOKEN"].contains(&name).then(|| "1".to_owned());
    let plan = load(source, &variable).and_then(|loaded| resolved(&loaded));
    if let Err(problems) = &plan {
        check_problems(problems, text);
    }
    plan
}

fn resolved(loaded: &Loaded) -> Result<Plan, Problems> {
    let plan = resolve(loaded, &Overrides::default());
    if let Ok(plan) = &plan {
        let again = resolve(loaded, &Overrides::default());
        assert_eq!(shown(&again), serde_json::to_string(plan).ok());
    }
    plan
}

fn shown(plan: &Result<Plan, Problems>) -> Option<String> {
    plan.as_ref().ok().and_then(|plan| serde_json::to_string(plan).ok())
}

/// There is one at least, each has words, and is in the text.
fn check_problems(problems: &Problems, text: &str) {
    assert!(problems.errors().next().is_some());
    let lines = text.lines().count() + 1;
    for problem in &problems.problems {
        assert!(!problem.message.is_empty());
        assert!((1..=lines).contains(&problem.line) && problem.column > 0, "{problem:?}");
        let source = problem.source.and_then(|source| problems.sources.get(source));
        assert!(source.is_some_and(|source| source.text.get(problem.span.clone()).is_some()), "{problem:?}");
    }
}

// ---- JSON is YAML, and may be TOML

fn check_json(text: &str, yaml: &Result<Plan, Problems>) {
    let Ok(document) = Document::parse(text.as_bytes().to_vec()) else { return };
    let root = document.root();
    if depth(text) > DEEPEST || !text.chars().all(is_of_yaml) {
        return;
    }
    let tree = parse_other(text, Syntax::Yaml);
    if has_repeated_keys(root) {
        assert!(tree.is_err(), "{text}");
        return;
    }
    assert!(tree.is_ok(), "{tree:?}");
    assert!(tree.is_ok_and(|tree| is_same(&tree, root)), "{text}");
    let Some(toml) = toml_of(root) else { return };
    let tree = parse_other(&toml, Syntax::Toml);
    assert!(tree.is_ok(), "{toml}: {tree:?}");
    assert!(tree.is_ok_and(|tree| is_same(&tree, root)), "{toml}");
    let toml = plan(&toml, Syntax::Toml);
    match (yaml, &toml) {
        (Ok(_), Ok(_)) => assert_eq!(shown(yaml), shown(&toml)),
        (Err(yaml), Err(toml)) => assert_eq!(messages(yaml), messages(toml)),
        _ => assert_eq!(yaml.is_ok(), toml.is_ok(), "{yaml:?} {toml:?}"),
    }
}

fn messages(problems: &Problems) -> Vec<(&str, &str)> {
    problems.problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect()
}

/// JSON may have any character from the blank on in its texts, YAML has no control characters among them.
fn is_of_yaml(letter: char) -> bool {
    !(letter.is_control() && !"\t\r\n".contains(letter) || "\u{fffe}\u{ffff}\u{feff}".contains(letter))
}

/// An upper bound.
fn depth(text: &str) -> usize {
    text.bytes().filter(|byte| b"[{".contains(byte)).count()
}

fn has_repeated_keys(node: Node<'_>) -> bool {
    let mut keys: Vec<_> = node.fields().filter_map(|(key, _)| key.text().ok()).collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    keys.len() < count || node.fields().map(|(_, value)| value).chain(node.items()).any(has_repeated_keys)
}

fn is_same(value: &tree::Value, node: Node<'_>) -> bool {
    let raw = || std::str::from_utf8(node.raw()).unwrap_or_default();
    match &value.kind {
        tree::Kind::Null => node.kind() == Kind::Null,
        tree::Kind::Bool(value) => node.kind() == Kind::Bool(*value),
        tree::Kind::Number(text) => {
            node.kind() == Kind::Number && (text == raw() || text.parse::<f64>() == raw().parse())
        }
        tree::Kind::Text(text) => node.kind() == Kind::String && node.string().is_ok_and(|ours| ours == text.as_str()),
        tree::Kind::List(items) => {
            node.kind() == Kind::Array
                && node.items().count() == items.len()
                && items.iter().zip(node.items()).all(|(item, node)| is_same(item, node))
        }
        tree::Kind::Object(entries) => {
            let is_entry = |(entry, (key, value)): (&tree::Entry, (crate::json::Key<'_>, _))| {
                key.is(&entry.key) && is_same(&entry.value, value)
            };
            node.kind() == Kind::Object
                && node.fields().count() == entries.len()
                && entries.iter().zip(node.fields()).all(is_entry)
        }
        tree::Kind::Broken => false,
    }
}

/// The same as TOML, tables inline; `None` for what TOML has no form for.
fn toml_of(root: Node<'_>) -> Option<String> {
    if root.kind() != Kind::Object {
        return None;
    }
    let lines =
        root.fields().map(|(key, value)| Some(format!("{} = {}\n", quoted(&key.text().ok()?), toml_value(value)?)));
    lines.collect()
}

fn toml_value(node: Node<'_>) -> Option<String> {
    let joined = |parts: Option<Vec<String>>| parts.map(|parts| parts.join(", "));
    Some(match node.kind() {
        Kind::Null | Kind::Word => return None,
        Kind::String => quoted(&node.string().ok()?),
        Kind::Array => format!("[{}]", joined(node.items().map(toml_value).collect())?),
        Kind::Object => {
            let field = |(key, value): (crate::json::Key<'_>, _)| {
                Some(format!("{} = {}", quoted(&key.text().ok()?), toml_value(value)?))
            };
            format!("{{{}}}", joined(node.fields().map(field).collect())?)
        }
        _ => String::from_utf8(node.raw().to_vec()).ok()?,
    })
}

/// A text of JSON is one of TOML, but for the one control character that JSON does not escape.
fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007f")
}
