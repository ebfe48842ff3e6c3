//! String literals of Python: prefixes, escapes, and the expressions within f-strings.

use tree_sitter::Node;

use super::{children, reference};

/// A part of a string literal.
pub(super) enum Piece<'t> {
    Text(String),
    /// Of an f-string.
    Expression(Node<'t>),
    /// What only Python writes: `{x:03d}`, `{x!r}`, `{x=}`, `\N{BULLET}`; and what would be taken for a reference.
    Formatted,
}

/// A literal without prefix and escapes, as keys are written; `None` for any other.
pub(super) fn plain(literal: &str) -> Option<&str> {
    let quote = literal.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let inner = literal.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(['\\', quote])).then_some(inner)
}

/// What a literal says; `None` for any other, and for one that only Python can write.
pub(super) fn known(node: Node<'_>, source: &str) -> Option<String> {
    let pieces = if node.kind() == "string" { pieces(node, source) } else { return None };
    let texts = pieces.into_iter().map(|piece| if let Piece::Text(text) = piece { Some(text) } else { None });
    texts.collect()
}

/// The parts of a `string` node.
pub(super) fn pieces<'t>(node: Node<'t>, source: &str) -> Vec<Piece<'t>> {
    let text = |node: Node<'_>| source.get(node.byte_range()).unwrap_or_default();
    let mut pieces = Vec::new();
    let (mut raw, mut formatted) = (false, false);
    let mut cursor = node.walk();
    for part in node.children(&mut cursor) {
        match part.kind() {
            "string_start" => {
                let prefix = text(part).to_ascii_lowercase();
                (raw, formatted) = (prefix.contains('r'), prefix.contains('f'));
            }
            // Braces and an expression.
            "interpolation" if part.child_count() == 3 => {
                pieces.extend(children(part).into_iter().next().map(Piece::Expression));
            }
            "interpolation" => pieces.push(Piece::Formatted),
            "string_content" => {
                let content = text(part);
                let content =
                    if formatted { content.replace("{{", "{").replace("}}", "}") } else { content.to_owned() };
                let content = if raw { Some(content) } else { unescaped(&content) };
                let content = content.filter(|content| !reference::is_in(content));
                pieces.push(content.map_or(Piece::Formatted, Piece::Text));
            }
            _ => {}
        }
    }
    pieces
}

/// Python's escapes; an unknown one stays as it is, as in Python. `None` if a character is told by its name.
fn unescaped(text: &str) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        result.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.starts_with('N') {
            return None;
        }
        let (character, length) = escape(rest);
        match character {
            Some(character) => result.extend(character),
            None => result.push('\\'),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Some(result + rest)
}

/// What stands behind a backslash, and how many bytes it takes; `None` if it is no escape. A line break stands for nothing.
fn escape(rest: &str) -> (Option<Option<char>>, usize) {
    let hex = |digits: usize| {
        let code = rest.get(1..=digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        (code.and_then(char::from_u32).map(Some), code.map_or(0, |_| digits + 1))
    };
    let simple = |character: char| (Some(Some(character)), 1);
    match rest.chars().next() {
        Some('\n') => (Some(None), 1),
        Some('n') => simple('\n'),
        Some('t') => simple('\t'),
        Some('r') => simple('\r'),
        Some('0'..='7') => {
            let digits = rest.bytes().take(3).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
            let code = rest.get(..digits).and_then(|digits| u32::from_str_radix(digits, 8).ok());
            (code.and_then(char::from_u32).map(Some), digits)
        }
        Some('a') => simple('\u{7}'),
        Some('b') => simple('\u{8}'),
        Some(quoted @ ('\\' | '\'' | '"')) => simple(quoted),
        Some('x') => hex(2),
        Some('u') => hex(4),
        Some('U') => hex(8),
        _ => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_pythons_and_unknown_ones_stay() {
        assert_eq!(unescaped(r#"a\n\x41\u00e9\U0001F600\'\\d"#).unwrap(), "a\nAé😀'\\d");
        assert_eq!(unescaped(r"\d\xZZ\").unwrap(), r"\d\xZZ\");
        assert_eq!(unescaped("a\\\nb").unwrap(), "ab");
        assert_eq!(unescaped(r"\0\1018").unwrap(), "\0A8");
        assert_eq!(unescaped(r"\N{BULLET}"), None);
    }

    #[test]
    fn keys_are_plain_literals() {
        assert_eq!(
            (plain("'a'"), plain("\"b c\""), plain("r'a'"), plain("'a\\n'")),
            (Some("a"), Some("b c"), None, None)
        );
    }
}
