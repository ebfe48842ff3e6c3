//! Paths into a document, in the forms users write them: `data.items`, `$.data['odd.key']`, `results[0].rows[*]`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Kind, Node};

/// A path from a document's root to one value. Serialises as its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    pub message: String,
    /// Byte offset into the selector's text.
    pub offset: usize,
}

impl Selector {
    /// `$`, the document itself.
    pub fn root() -> Self {
        Self { text: "$".into(), steps: Vec::new() }
    }

    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// The keys of the path, outermost first; `None` if there is an index among them.
    pub fn keys(&self) -> Option<Vec<String>> {
        let key = |step: &Step| match step {
            Step::Key(key) => Some(key.clone()),
            Step::Index(_) => None,
        };
        self.steps.iter().map(key).collect()
    }

    /// The value at this path below `node`.
    pub fn find<'a>(&self, node: Node<'a>) -> Option<Node<'a>> {
        self.steps.iter().try_fold(node, |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.items().nth(*index),
        })
    }

    /// The whole number at this path, written as a number or as text; `None` if nothing or something else stands there.
    pub fn find_count(&self, node: Node<'_>) -> Option<u64> {
        let found = self.find(node)?;
        match found.kind() {
            Kind::Number | Kind::String => found.string().ok()?.trim().parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.text
    }
}

impl TryFrom<String> for Selector {
    type Error = SelectorError;

    fn try_from(text: String) -> Result<Self, SelectorError> {
        text.parse()
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { text, at: 0, steps: Vec::new() };
        parser.path()?;
        Ok(Self { text: text.to_owned(), steps: parser.steps })
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    steps: Vec<Step>,
}

impl Parser<'_> {
    fn path(&mut self) -> Result<(), SelectorError> {
        if self.text.is_empty() {
            return Err(self.error("a path was expected, such as `data` or `$`"));
        }
        let rooted = self.text == "$" || self.text.starts_with("$.") || self.text.starts_with("$[");
        if rooted {
            self.at = 1;
        } else if !self.text.starts_with('[') {
            self.key()?;
        }
        while self.at < self.text.len() {
            match self.rest().as_bytes()[0] {
                b'.' => {
                    self.at += 1;
                    self.key()?;
                }
                _ => self.bracket()?,
            }
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(), SelectorError> {
        let end = self.rest().find(['.', '[']).unwrap_or(self.rest().len());
        let key = self.rest()[..end].to_owned();
        if key.is_empty() {
            return Err(self.error("a key was expected here; `..` is not supported yet"));
        }
        if key == "*" {
            return Err(self.error("`*` is supported at the end only, as `[*]`"));
        }
        self.at += end;
        self.steps.push(Step::Key(key));
        Ok(())
    }

    fn bracket(&mut self) -> Result<(), SelectorError> {
        let rest = &self.text[self.at..];
        if !rest.starts_with('[') {
            return Err(self.error("a `.` or `[` was expected here"));
        }
        if rest == "[*]" {
            // All elements of the list: the list itself, to whoever takes its elements.
            self.at = self.text.len();
            return Ok(());
        }
        let quote = rest[1..].chars().next();
        if let Some(quote @ ('\'' | '"')) = quote {
            return self.quoted(quote);
        }
        let close = rest.find(']').ok_or_else(|| self.error("this bracket is never closed"))?;
        let index = rest[1..close]
            .parse()
            .map_err(|_| self.error("an index, a key in quotes or a final `[*]` was expected"))?;
        self.at += close + 1;
        self.steps.push(Step::Index(index));
        Ok(())
    }

    fn quoted(&mut self, quote: char) -> Result<(), SelectorError> {
        let inside = &self.text[self.at + 2..];
        let end = inside.find(&format!("{quote}]")).ok_or_else(|| self.error("this bracket is never closed"))?;
        self.steps.push(Step::Key(inside[..end].to_owned()));
        self.at += 2 + end + 2;
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error(&self, message: &str) -> SelectorError {
        SelectorError { message: message.to_owned(), offset: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn find(selector: &str) -> Option<String> {
        let text = r#"{"data": {"items": [{"id": 7}, {"id": 8}]}, "a.b": {"@count": "12"}, "$x": 1}"#;
        let document = Document::parse(text.into()).unwrap();
        let selector: Selector = selector.parse().unwrap();
        selector.find(document.root()).map(|node| String::from_utf8_lossy(node.raw()).into_owned())
    }

    #[test]
    fn dotted_and_jsonpath_forms_find_the_same_value() {
        for selector in ["data.items[1].id", "$.data.items[1].id", "$['data'][\"items\"][1].id"] {
            assert_eq!(find(selector).unwrap(), "8", "{selector}");
        }
        assert_eq!(find("data.items[*]"), find("data.items"));
        assert_eq!(find("['a.b'].@count").unwrap(), "\"12\"");
        assert_eq!(find("$x").unwrap(), "1");
        assert_eq!(find("data.nothing.there"), None);
    }

    #[test]
    fn a_count_may_be_a_number_or_text() {
        let document = Document::parse(br#"{"n": 12, "s": " 13 ", "x": 1.5, "y": null}"#.to_vec()).unwrap();
        let count = |text: &str| text.parse::<Selector>().unwrap().find_count(document.root());
        assert_eq!((count("n"), count("s"), count("x"), count("y")), (Some(12), Some(13), None, None));
    }

    #[test]
    fn what_is_no_path_is_told_with_its_offset() {
        let offset = |text: &str| text.parse::<Selector>().unwrap_err().offset;
        assert_eq!(["", "a..b", "a[", "a['b", "a[?(@.x)]", "a[*].b", "a.*"].map(offset), [0, 2, 1, 1, 1, 1, 2]);
        assert_eq!(["['a']]", "['a']é", "$['a']b"].map(offset), [5, 5, 6]);
    }
}
