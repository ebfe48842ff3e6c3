//! Limits of the size and nesting of a program's text. Lexer, parser and compiler of jaq recurse over it, and a stack
//! overflow would abort the process.
//!
//! ```text
//! [ "a\( {b: (1 + 2)} )" ]
//! 1 2 3  4   5               nesting: brackets, texts and the programs within them
//! ```

use jaq_core::load::lex::{StrPart, Tok, Token};

use super::ProgramError;

/// Brackets and texts that may be open at once.
pub(super) const DEEPEST: usize = 256;

/// Tokens of a program. Operators nest without brackets, such as `.a | .b | .c`, one level each.
pub(super) const MOST_TOKENS: usize = 10_000;

/// Checks a text before it is lexed.
pub(super) fn check_nesting(text: &str) -> Result<(), ProgramError> {
    let bytes = text.as_bytes();
    let (mut open, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let is_text = open.last() == Some(&b'"');
        match (byte, is_text) {
            // Of an escape only `\(` opens something, which is the bracket that follows.
            (b'\\', true) if bytes.get(at + 1) == Some(&b'(') => {
                open.push(b'(');
                at += 1;
            }
            (b'\\', true) => at += 1,
            (b'"', true) | (b')' | b']' | b'}', false) => {
                open.pop();
            }
            (b'"' | b'(' | b'[' | b'{', false) => open.push(*byte),
            (b'#', false) => at = comment_end(bytes, at),
            _ => {}
        }
        if open.len() > DEEPEST {
            let message = format!("jq program nested more than {DEEPEST} levels deep");
            return Err(ProgramError { message, offset: text.floor_char_boundary(at) });
        }
        at += 1;
    }
    Ok(())
}

/// The last byte of the comment that begins at `start`. A line that ends with an odd number of backslashes continues it.
fn comment_end(bytes: &[u8], start: usize) -> usize {
    let mut backslashes = 0;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'\n' if backslashes % 2 == 0 => return at,
            b'\\' => backslashes += 1,
            b'\r' => {}
            _ => backslashes = 0,
        }
    }
    bytes.len()
}

/// Checks the tokens of a text that [`check_nesting`] has passed, before they are parsed.
pub(super) fn check_tokens(text: &str, tokens: &[Token<&str>]) -> Result<(), ProgramError> {
    let mut left = MOST_TOKENS;
    first_beyond(tokens, &mut left).map_or(Ok(()), |token| {
        let message = format!("jq program with more than {MOST_TOKENS} tokens");
        Err(ProgramError { message, offset: super::compile::offset(text, token) })
    })
}

/// The first token for which nothing is left.
fn first_beyond<'a>(tokens: &[Token<&'a str>], left: &mut usize) -> Option<&'a str> {
    tokens.iter().find_map(|token| token_beyond(token, left))
}

fn token_beyond<'a>(Token(text, kind): &Token<&'a str>, left: &mut usize) -> Option<&'a str> {
    if *left == 0 {
        return Some(text);
    }
    *left -= 1;
    match kind {
        Tok::Block(tokens) => first_beyond(tokens, left),
        Tok::Str(parts) => parts.iter().find_map(|part| match part {
            StrPart::Term(term) => token_beyond(term, left),
            StrPart::Str(_) | StrPart::Char(_) => None,
        }),
        Tok::Word | Tok::Var | Tok::Fmt | Tok::Num | Tok::Sym => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jq::Program;

    /// Nested constructs: opening, innermost and closing text.
    const NESTED: [(&str, &str, &str); 12] = [
        ("(", ".", ")"),
        ("[", ".", "]"),
        ("{a:", ".", "}"),
        ("\"\\(", ".", ")\""),
        (".[", "0", "]"),
        ("map(", ".", ")"),
        ("-", "1", ""),
        (".a | ", ".b", ""),
        ("1 + ", "1", ""),
        ("try ", ".", ""),
        ("if . then ", ".", " end"),
        (". as [$x] | ", "$x", ""),
    ];

    fn nested((open, inner, close): (&str, &str, &str), levels: usize) -> Result<Program, ProgramError> {
        format!("{}{inner}{}", open.repeat(levels), close.repeat(levels)).parse()
    }

    #[test]
    fn a_program_nested_too_deep_is_an_error_with_the_limit_and_the_place() {
        for form in NESTED {
            for levels in [10_001, 20_000] {
                let error = nested(form, levels).unwrap_err();
                assert!(error.message.contains("256") || error.message.contains("10000"), "{form:?}: {error}");
                assert!(error.offset > 0, "{form:?}");
            }
        }
        let error = nested(NESTED[0], 3_000).unwrap_err();
        assert_eq!((error.message.as_str(), error.offset), ("jq program nested more than 256 levels deep", 256));
    }

    #[test]
    fn a_program_within_the_limits_compiles() {
        for form in NESTED {
            nested(form, 120).unwrap();
        }
        for form in [(".a | ", ".b", ""), ("-", "1", ""), ("try ", ".", ""), ("1 + ", "1", "")] {
            nested(form, 3_000).unwrap();
        }
    }

    #[test]
    fn brackets_in_texts_and_comments_are_no_nesting() {
        let text = format!("\"{0}\\\"{0}\" # {0} \\\n {0}\n | .", "(".repeat(300));
        text.parse::<Program>().unwrap();
    }
}
