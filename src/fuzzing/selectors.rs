//! Selectors of records and values: dotted paths and JSONPath over a document.
//!
//! ```text
//! $.a[?@.b > 1]      the first line: a selector
//! {"a": [{"b": 2}]}  the rest: a document
//! ```
//!
//! | compared | with | where |
//! |---|---|---|
//! | selector | the one of its own text | always |
//! | what it finds | what `serde_json_path` finds in serde_json's value | the text is a JSONPath that begins with `$`, and no name comes twice |
//! | first match, whether one exists | all matches | always |

use serde_json_path::JsonPath;

use crate::{
    json::{Document, Kind, Node, Selector},
    secret::shortened,
};

/// Checks a selector over a document.
pub fn selectors(data: &[u8]) {
    let Some(end) = memchr::memchr(b'\n', data) else { return };
    let (line, body) = data.split_at(end);
    let Ok(text) = std::str::from_utf8(line) else { return };
    let selector = match text.parse::<Selector>() {
        Ok(selector) => selector,
        Err(error) => {
            assert!(text.is_char_boundary(error.offset) && !error.message.is_empty(), "{error:?}");
            return;
        }
    };
    assert_eq!(selector.to_string(), text);
    if let Some(keys) = selector.keys() {
        assert_eq!(Selector::from_keys(&keys).keys(), Some(keys));
    }
    let Ok(document) = Document::parse(body.trim_ascii().to_vec()) else { return };
    let root = document.root();
    let all = selector.find_all(root);
    let first = selector.find(root);
    assert_eq!(first.map(Node::index), all.first().map(|node| node.index()));
    let indexes: Vec<_> = all.iter().map(|node| node.index()).collect();
    assert!(indexes.is_sorted_by(|a, b| a < b), "{indexes:?}");
    selector.may_find_nothing(root);
    selector.object_taken_apart(root);
    let _ = selector.find_count(root);
    compare(text, &selector, root, &all);
}

/// With the crate, which knows neither our steps nor our tape.
fn compare(text: &str, selector: &Selector, root: Node<'_>, found: &[Node<'_>]) {
    if !text.starts_with("$.") && !text.starts_with("$[") || selector.takes_elements() && !selector.is_query() {
        return;
    }
    // A backslash before a letter is itself in our keys, and an error or a letter in JSONPath; `items.[0]` is ours alone. Blanks
    // around a bare key are of the key, as in dlt.
    let has_blanks = text.split(['.', '[', ']']).any(|part| part != part.trim());
    if text.contains('\\') || text.contains(".[") || has_blanks {
        return;
    }
    let Ok(path) = JsonPath::parse(text) else { return };
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(root.raw()) else { return };
    if has_repeated_names(root) {
        return;
    }
    let mut theirs: Vec<_> = path.query(&value).all().into_iter().map(ToString::to_string).collect();
    theirs.sort_unstable();
    theirs.dedup();
    let own =
        |node: &Node<'_>| serde_json::from_slice::<serde_json::Value>(node.raw()).ok().map(|value| value.to_string());
    let mut ours: Vec<_> = found.iter().filter_map(own).collect();
    ours.sort_unstable();
    ours.dedup();
    assert_eq!(ours, theirs, "{}", shortened(text, 200));
}

fn has_repeated_names(node: Node<'_>) -> bool {
    let mut names: Vec<_> = node.fields().filter_map(|(key, _)| key.text().ok()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    let is_scalar = !matches!(node.kind(), Kind::Array | Kind::Object);
    !is_scalar
        && (names.len() < count || node.fields().map(|(_, value)| value).chain(node.items()).any(has_repeated_names))
}
