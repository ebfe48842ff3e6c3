//! The parser of selectors: JSONPath by RFC 9535, the dotted paths of dlt, and mixtures of both.
//!
//! Segments that the tape can follow become steps; from the first other one on, all of them are written anew as the text of
//! a JSONPath, with the origin of each, so that an error is reported at its place in the text of the user.

use super::{SelectorError, Step};
use crate::json::query::Query;

/// Brackets and parentheses within a query that may be open at once: the parser of JSONPath takes twice as long with each level
/// of `[?@[?@…]]`, and overflows the stack with some thousands.
const DEEPEST_QUERY: usize = 12;

/// Namespaces of annotations in OData, whose names have dots: `@odata.nextLink` is one key.
const ANNOTATIONS: [&str; 2] = ["@odata.", "@microsoft."];

pub(super) struct Parsed {
    pub(super) steps: Vec<Step>,
    /// True if a single `[*]` follows the steps.
    pub(super) takes_elements: bool,
    pub(super) query: Option<Query>,
}

pub(super) fn parse(text: &str) -> Result<Parsed, SelectorError> {
    let mut parser =
        Parser { text, at: 0, steps: Vec::new(), takes_elements: false, query: String::new(), origins: Vec::new() };
    parser.path()?;
    parser.finish()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    steps: Vec<Step>,
    takes_elements: bool,
    /// The text of the query without its `$`; empty while all segments are steps.
    query: String,
    /// The origin of each part of the query: (byte of the query, byte of the text).
    origins: Vec<(usize, usize)>,
}

impl<'a> Parser<'a> {
    fn path(&mut self) -> Result<(), SelectorError> {
        if self.text.is_empty() {
            return Err(self.error("a path was expected, such as `data` or `$`"));
        }
        let rooted = self.text == "$" || self.text.starts_with("$.") || self.text.starts_with("$[");
        if rooted {
            self.at = 1;
        } else if !self.text.starts_with('[') {
            self.key("")?;
        }
        while !self.rest().is_empty() {
            self.segment()?;
        }
        Ok(())
    }

    fn segment(&mut self) -> Result<(), SelectorError> {
        if self.rest().starts_with("..") {
            self.at += 2;
            return if self.rest().starts_with('[') { self.bracket("..") } else { self.key("..") };
        }
        if self.rest().starts_with('.') {
            self.at += 1;
            // As jsonpath-ng writes it: `items.[0]`.
            return if self.rest().starts_with('[') { self.bracket("") } else { self.key("") };
        }
        self.bracket("")
    }

    /// A bare name, one in quotes, or `*`; `before` is `..` for a descendant.
    fn key(&mut self, before: &str) -> Result<(), SelectorError> {
        let start = self.at;
        if let Some(quote @ ('\'' | '"')) = self.rest().chars().next() {
            let inside = self.quoted_text(self.rest(), quote)?;
            self.at += inside.len() + 2;
            if !self.rest().is_empty() && !self.rest().starts_with(['.', '[']) {
                return Err(self.error("a `.` or `[` was expected here"));
            }
            return self.push_key(before, start, unescaped(inside));
        }
        let key = self.bare_key();
        if key.is_empty() {
            return Err(self.error("a key was expected here"));
        }
        self.at += key.len();
        if key == "*" {
            self.push_query(start, &format!("{before}[*]"));
            return Ok(());
        }
        self.push_key(before, start, key.to_owned())
    }

    fn bare_key(&self) -> &'a str {
        let rest = self.rest();
        let is_annotation = ANNOTATIONS.iter().any(|namespace| rest.starts_with(namespace));
        let end = if is_annotation { rest.find('[') } else { rest.find(['.', '[']) };
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }

    fn push_key(&mut self, before: &str, start: usize, key: String) -> Result<(), SelectorError> {
        if before.is_empty() && self.query.is_empty() {
            self.steps.push(Step::Key(key));
        } else {
            self.push_query(start, &format!("{before}[{}]", in_quotes(&key)));
        }
        Ok(())
    }

    fn bracket(&mut self, before: &str) -> Result<(), SelectorError> {
        let (rest, start) = (self.rest(), self.at);
        if !rest.starts_with('[') {
            return Err(self.error("a `.` or `[` was expected here"));
        }
        let inside = self.bracketed(rest)?;
        self.at += inside.len() + 2;
        let is_plain = before.is_empty() && self.query.is_empty();
        if is_plain && inside == "*" && self.rest().is_empty() {
            self.takes_elements = true;
            return Ok(());
        }
        match plain(inside.trim()).filter(|_| is_plain) {
            Some(step) => self.steps.push(step),
            None => self.push_query(start + before.len(), &format!("{before}[{inside}]")),
        }
        Ok(())
    }

    /// Returns the text between the bracket at the start of `rest` and its closing bracket.
    fn bracketed(&self, rest: &'a str) -> Result<&'a str, SelectorError> {
        let (mut depth, mut nested) = (0_usize, 0_usize);
        let mut quote = None;
        let mut is_escaped = false;
        for (at, letter) in rest.char_indices() {
            match (quote, letter) {
                _ if is_escaped => is_escaped = false,
                (Some(_), '\\') => is_escaped = true,
                (Some(open), _) if letter == open => quote = None,
                (None, '\'' | '"') => quote = Some(letter),
                (None, '[') => (depth, nested) = (depth + 1, nested + 1),
                (None, '(') => nested += 1,
                (None, ')') => nested = nested.saturating_sub(1),
                (None, ']') if depth > 1 => (depth, nested) = (depth - 1, nested.saturating_sub(1)),
                (None, ']') => return Ok(rest.get(1..at).unwrap_or_default()),
                _ => {}
            }
            if nested > DEEPEST_QUERY {
                let message = format!("JSONPath nested more than {DEEPEST_QUERY} levels deep");
                return Err(SelectorError { message, offset: self.at + at });
            }
        }
        Err(self.error("this bracket is never closed"))
    }

    /// Returns the text between the quote at the start of `rest` and the next one, with escapes as written.
    fn quoted_text(&self, rest: &'a str, quote: char) -> Result<&'a str, SelectorError> {
        let inside = rest.get(1..).unwrap_or_default();
        end_of_quoted(inside, quote)
            .and_then(|end| inside.get(..end))
            .ok_or_else(|| self.error("this quote is never closed"))
    }

    fn push_query(&mut self, start: usize, text: &str) {
        // One more for the `$` before all.
        self.origins.push((self.query.len() + 1, start));
        self.query.push_str(text);
    }

    fn finish(mut self) -> Result<Parsed, SelectorError> {
        if self.query.is_empty() {
            return Ok(Parsed { steps: self.steps, takes_elements: self.takes_elements, query: None });
        }
        // A filter that looks at the root needs all of the document.
        let mut before = String::from("$");
        if self.query.contains('$') {
            before.extend(self.steps.drain(..).map(|step| step_text(&step)));
        }
        let shift = before.len() - 1;
        let query = Query::parse(&format!("{before}{}", self.query));
        let query = query.map_err(|(message, at)| SelectorError { message, offset: self.origin(at, shift) })?;
        Ok(Parsed { steps: self.steps, takes_elements: false, query: Some(query) })
    }

    /// Returns the byte of the text that a byte of the query comes from.
    fn origin(&self, at: usize, shift: usize) -> usize {
        // What is wrong with all of it is wrong with its first part.
        let at = at.saturating_sub(shift).max(1);
        let before = self.origins.iter().rev().find(|(start, _)| *start <= at);
        let offset = before.map_or(0, |(start, origin)| origin + (at - start));
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, message: &str) -> SelectorError {
        SelectorError { message: message.to_owned(), offset: self.at }
    }
}

/// A bracket's content as a step, if it is an index or one key in quotes.
fn plain(inside: &str) -> Option<Step> {
    if let Some(quote @ ('\'' | '"')) = inside.chars().next() {
        let text = inside.get(1..)?;
        let end = end_of_quoted(text, quote).filter(|end| end + 1 == text.len())?;
        return Some(Step::Key(unescaped(text.get(..end)?)));
    }
    match inside.strip_prefix('-') {
        Some(back) => back.parse().ok().filter(|back| *back > 0).map(Step::FromEnd),
        None => inside.parse().ok().map(Step::Index),
    }
}

fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let ends = letter == quote && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// Removes backslashes before quotes and backslashes. All other backslashes are literal.
fn unescaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some(&next @ ('\'' | '"' | '\\')) if letter == '\\' => {
                value.push(next);
                letters.next();
            }
            _ => value.push(letter),
        }
    }
    value
}

/// The text of a path of keys; [`parse`] reads it as these keys.
pub(super) fn text_of(keys: &[String]) -> String {
    let special = ['.', '[', ']', '*', '$', '\'', '"', '\\'];
    if keys.iter().all(|key| !key.is_empty() && !key.contains(special)) {
        return keys.join(".");
    }
    keys.iter().fold("$".to_owned(), |text, key| text + "[" + &in_own_quotes(key) + "]")
}

/// In single quotes, or in double ones where that saves escapes.
fn in_own_quotes(key: &str) -> String {
    let quote = if key.contains('\'') && !key.contains('"') { '"' } else { '\'' };
    let mut text = String::from(quote);
    for letter in key.chars() {
        if letter == quote || letter == '\\' {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push(quote);
    text
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Key(key) => format!("[{}]", in_quotes(key)),
        Step::Index(index) => format!("[{index}]"),
        Step::FromEnd(back) => format!("[-{back}]"),
    }
}

/// As a double-quoted string of JSONPath, which is one of JSON.
fn in_quotes(key: &str) -> String {
    serde_json::Value::from(key).to_string()
}
