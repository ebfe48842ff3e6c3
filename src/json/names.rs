//! Field names that are not valid text: broken UTF-8, a lone surrogate, an unknown escape.
//!
//! ```text
//! {"data":[{"id":1},{"n\ud800":2}]}  ──►  `data[1]`, byte 19, "it has a lone surrogate, which is no character"
//! ```

use super::{Fields, Items, Key, Kind, Node, StringError};
use crate::secret::shortened;

/// Characters of a name that an error shows.
const SHOWN: usize = 60;

/// A field name that is not valid text, so that no column can be named after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name `{name}` of a field in `{path}` (byte {offset}) cannot be read: {problem}")]
pub struct BrokenName {
    /// The name, with broken UTF-8 replaced.
    pub name: String,
    /// The object that has the field, e.g. `data[1].owner`; `$` for the document itself.
    pub path: String,
    /// The byte offset of the name in the body.
    pub offset: usize,
    pub problem: StringError,
}

/// An object or array whose values are being visited.
enum Open<'a> {
    Object { fields: Fields<'a>, at: Option<Key<'a>> },
    Array { items: Items<'a>, at: Option<usize> },
}

impl<'a> Open<'a> {
    fn of(node: Node<'a>) -> Option<Self> {
        match node.kind() {
            Kind::Object => Some(Self::Object { fields: node.fields(), at: None }),
            Kind::Array => Some(Self::Array { items: node.items(), at: None }),
            _ => None,
        }
    }
}

/// Returns the first broken name in document order. Uses no recursion, so that nesting depth costs no call stack.
pub(super) fn first_broken(root: Node<'_>) -> Option<BrokenName> {
    let mut open: Vec<Open<'_>> = Open::of(root).into_iter().collect();
    while let Some(top) = open.last_mut() {
        let value = match top {
            Open::Array { items, at } => {
                *at = Some(at.map_or(0, |at| at + 1));
                items.next()
            }
            Open::Object { fields, at } => match fields.next() {
                None => None,
                Some((key, value)) => {
                    if let Err(problem) = key.text() {
                        return Some(BrokenName {
                            name: shortened(&String::from_utf8_lossy(key.raw()), SHOWN),
                            path: path(&open),
                            offset: key.offset(),
                            problem,
                        });
                    }
                    *at = Some(key);
                    Some(value)
                }
            },
        };
        match value {
            Some(value) => open.extend(Open::of(value)),
            None => drop(open.pop()),
        }
    }
    None
}

/// Returns the path of the innermost open container.
fn path(open: &[Open<'_>]) -> String {
    let mut path = String::new();
    let outer = open.split_last().map_or(open, |(_, outer)| outer);
    for container in outer {
        match container {
            Open::Object { at, .. } => {
                let name = at.and_then(|key| key.text().ok()).unwrap_or_default();
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(&name);
            }
            Open::Array { at, .. } => path.push_str(&format!("[{}]", at.unwrap_or_default())),
        }
    }
    if path.is_empty() { "$".to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn broken(text: &[u8]) -> Option<(String, usize, StringError)> {
        let broken = Document::parse(text.to_vec()).unwrap().broken_name();
        broken.map(|broken| (broken.path, broken.offset, broken.problem))
    }

    #[test]
    fn a_broken_name_is_found_with_its_place_however_deep_it_is() {
        let found = |path: &str, offset, problem| Some((path.to_owned(), offset, problem));
        assert_eq!(broken(b"{\"\xff\":1}"), found("$", 1, StringError::Utf8));
        assert_eq!(broken(br#"[{"a":1},{"b\ud800":1}]"#), found("[1]", 10, StringError::Surrogate));
        assert_eq!(broken(br#"{"d":[[],{"o":{"x":[1,{"\q":0}]}}]}"#), found("d[1].o.x[1]", 23, StringError::Escape));
        let deep = format!("{}{{\"\\x\":1}}{}", "[".repeat(900), "]".repeat(900));
        assert_eq!(broken(deep.as_bytes()).unwrap().1, 901);
    }

    #[test]
    fn broken_values_and_good_escapes_break_no_name() {
        assert_eq!(broken(b"{\"a\":\"\xff\",\"b\":[\"\\ud800\"]}"), None);
        assert_eq!(broken(br#"{"\u00e9\/":{"\ud83d\ude00":"\ud800"}}"#), None);
        assert_eq!(broken(br#""\ud800""#), None);
    }
}
