//! Text to tree: YAML and JSON (one parser, JSON being YAML) and TOML.

mod toml;
mod yaml;

use std::path::Path;

use super::{
    problem::{Findings, Severity, line_and_column},
    slips,
    tree::{Span, Value},
};
use crate::jq::on_own_stack;

/// How a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// JSON included.
    Yaml,
    Toml,
}

impl Syntax {
    /// By file extension: `yaml`, `yml`, `json` or `toml`.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" | "json" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Why a text is no document of its format, and where.
struct SyntaxError {
    message: String,
    span: Span,
}

fn too_deep(levels: usize) -> String {
    format!("nested more than {levels} levels deep")
}

/// Values in a YAML file. A config is far from it.
const MOST_NODES: usize = 250_000;

/// Values in a file that somebody's program wrote, such as the description of a large API.
const MOST_NODES_OF_OTHERS: usize = 10_000_000;

/// The tree of a file that is no config, and may be larger than one: by the rules of configs, so that `no` and `007` are texts.
///
/// # Errors
/// What is wrong with the text, and where.
pub(crate) fn parse_other(text: &str, syntax: Syntax) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match read(text, 0, syntax, MOST_NODES_OF_OTHERS) {
        Ok(mut root) => {
            root.set_paths(String::new());
            Ok(root)
        }
        Err(error) => {
            let (line, column) = line_and_column(text, error.span.start);
            Err(format!("line {line}, column {column}: {}", error.message))
        }
    }
}

/// On a stack of its own: the parsers recurse, and a caller's thread may have little left.
fn read(text: &str, source: usize, syntax: Syntax, most_nodes: usize) -> Result<Value, SyntaxError> {
    let read = on_own_stack(|| match syntax {
        Syntax::Yaml => yaml::parse(text, source, most_nodes),
        Syntax::Toml => toml::parse(text, source),
    });
    read.unwrap_or_else(|| {
        let message = "it cannot be parsed: no thread could be started".to_owned();
        Err(SyntaxError { message, span: Span { source, start: 0, end: 0 } })
    })
}

/// The tree of a source. A text that cannot be read has one problem, and no tree.
pub fn parse(findings: &mut Findings, source: usize, syntax: Syntax) -> Option<Value> {
    let text = findings.text(source);
    match read(text, source, syntax, MOST_NODES) {
        Ok(mut root) => {
            root.set_paths(String::new());
            Some(root)
        }
        Err(error) => {
            let help = slips::of_syntax(text, error.span.start, &error.message).filter(|_| syntax == Syntax::Yaml);
            findings.add(Severity::Error, error.span, "", error.message, help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::Kind;

    fn tree(syntax: Syntax, text: &str) -> Result<Value, String> {
        let mut findings = Findings::default();
        let source = findings.add_source("f".into(), text.into());
        parse(&mut findings, source, syntax).ok_or_else(|| findings.problems[0].to_string())
    }

    /// The text that a value's span covers.
    fn covered<'a>(text: &'a str, value: &Value) -> &'a str {
        &text[value.place.span.start..value.place.span.end]
    }

    #[test]
    fn the_three_formats_give_one_tree_with_spans_over_keys_and_values() {
        let yaml = "é: 1\na:\n  b: [x, \"y z\"]\n  c: 1.10\n  d: true\n  e: -3\n";
        let json = r#"{"é": 1, "a": {"b": ["x", "y z"], "c": 1.10, "d": true, "e": -3}}"#;
        let toml = "\"é\" = 1\n[a]\nb = [\"x\", \"y z\"]\nc = 1.10\nd = true\ne = -3\n";
        for (syntax, text) in [(Syntax::Yaml, yaml), (Syntax::Yaml, json), (Syntax::Toml, toml)] {
            let root = tree(syntax, text).unwrap();
            let a = root.get("a").unwrap();
            assert_eq!(a.get("c").unwrap().kind, Kind::Number("1.10".into()), "{text}");
            assert_eq!(a.get("d").unwrap().kind, Kind::Bool(true));
            assert_eq!(a.get("e").unwrap().kind, Kind::Number("-3".into()));
            let items = a.get("b").unwrap().items();
            assert_eq!(items[1].as_text(), Some("y z"));
            assert_eq!(items[1].place.path, "a.b[1]");
            assert_eq!(covered(text, &items[1]), "\"y z\"");
            let key = a.entries()[1].key_span;
            assert_eq!(text[key.start..key.end].trim_matches('"'), "c");
        }
    }

    #[test]
    fn json_may_have_tabs_and_pairs_of_surrogates() {
        let root = tree(Syntax::Yaml, "{\n\t\"a\": \"\\ud83d\\ude00\\/\\u00e9\",\n\t\"b\": 1e3\n}").unwrap();
        assert_eq!(root.get("a").unwrap().as_text(), Some("😀/é"));
        assert_eq!(root.get("b").unwrap().kind, Kind::Number("1e3".into()));
    }

    #[test]
    fn keys_keep_the_order_of_the_file() {
        for (syntax, text) in [(Syntax::Yaml, "z: 1\na: 2\nm: 3\n"), (Syntax::Toml, "z = 1\na = 2\nm = 3\n")] {
            let root = tree(syntax, text).unwrap();
            let keys: Vec<_> = root.entries().iter().map(|entry| entry.key.as_str()).collect();
            assert_eq!(keys, ["z", "a", "m"]);
        }
    }

    #[test]
    fn yaml_booleans_are_true_and_false_only_and_leading_zeros_stay_text() {
        let root = tree(Syntax::Yaml, "a: yes\nb: off\nc: true\nd: 007\ne: ~\nf: \"true\"\n").unwrap();
        let kinds: Vec<_> = root.entries().iter().map(|entry| entry.value.kind.clone()).collect();
        let text = |text: &str| Kind::Text(text.into());
        assert_eq!(kinds, [text("yes"), text("off"), Kind::Bool(true), text("007"), Kind::Null, text("true")]);
    }

    #[test]
    fn an_alias_stands_for_the_value_it_names() {
        let root = tree(Syntax::Yaml, "a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n  l: 2\n").unwrap();
        assert_eq!(root.get("b").unwrap().get("k").unwrap().kind, Kind::Number("1".into()));
        assert_eq!(root.get("c").unwrap().get("k").unwrap().kind, Kind::Number("1".into()));
    }

    #[test]
    fn a_text_that_cannot_be_read_is_told_with_its_place() {
        for (syntax, text, place) in [
            (Syntax::Yaml, "a: 1\nb: [1, 2\n", "f:"),
            (Syntax::Yaml, "a: 1\na: 2\n", "f:2:1: "),
            (Syntax::Yaml, "{\"a\": 1, \"a\": 2}", "f:1:10: "),
            (Syntax::Toml, "a = 1\nb = \n", "f:2:"),
            (Syntax::Toml, "a = 1\na = 2\n", "f:2:1: "),
        ] {
            let problem = tree(syntax, text).unwrap_err();
            assert!(problem.starts_with(place), "{text:?}: {problem}");
            assert_eq!(problem.lines().count(), 1, "{problem}");
        }
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        let problem = tree(Syntax::Yaml, &text).unwrap_err();
        assert!(problem.contains("more than 250000 values after the expansion of aliases"), "{problem}");
        let text = format!("s: &s \"{}\"\nl: [{}]\n", "x".repeat(10_000), vec!["*s"; 7_000].join(","));
        let problem = tree(Syntax::Yaml, &text).unwrap_err();
        assert!(problem.contains("more than 64 MB of text after the expansion of aliases"), "{problem}");
        let problem = tree(Syntax::Yaml, &format!("l: [{}]\n", vec!["1"; 250_000].join(","))).unwrap_err();
        assert!(problem.contains("more than 250000 values") && !problem.contains("aliases"), "{problem}");
    }

    #[test]
    fn any_number_of_aliases_is_read_as_long_as_what_they_stand_for_is_no_bomb() {
        let text = format!("s: &s {{a: [1, 2]}}\nl: [{}]\n", vec!["*s"; 30_000].join(","));
        let root = tree(Syntax::Yaml, &text).unwrap();
        assert_eq!(root.get("l").unwrap().items().len(), 30_000);
        let anchors: String = (0..60_000).map(|at| format!("k{at}: &k{at} 1\n")).collect();
        assert_eq!(tree(Syntax::Yaml, &anchors).unwrap().entries().len(), 60_000);
    }

    #[test]
    fn a_text_nested_too_deep_is_an_error_with_the_limit_and_the_place() {
        let blocks: String = (0..3_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        let toml = format!("a = {}{}", "[".repeat(20_000), "]".repeat(20_000));
        for (syntax, text, limit) in [
            (Syntax::Yaml, "[".repeat(20_000) + &"]".repeat(20_000), 64),
            (Syntax::Yaml, "{a: ".repeat(3_000) + &"}".repeat(3_000), 64),
            (Syntax::Yaml, "- ".repeat(3_000), 64),
            (Syntax::Yaml, blocks, 64),
            (Syntax::Toml, toml, 80),
            (Syntax::Toml, vec!["a"; 20_000].join(".") + " = 1", 80),
        ] {
            let problem = tree(syntax, &text).unwrap_err();
            assert!(problem.contains(&format!("nested more than {limit} levels deep")), "{problem}");
            assert!(problem.starts_with("f:"), "{problem}");
        }
    }

    #[test]
    fn the_extension_tells_the_format() {
        let of = |path: &str| Syntax::of(Path::new(path));
        assert_eq!(
            (of("a.yml"), of("a.JSON"), of("a.toml")),
            (Some(Syntax::Yaml), Some(Syntax::Yaml), Some(Syntax::Toml))
        );
        assert_eq!((of("a.txt"), of("a")), (None, None));
    }
}
