//! Characters that a terminal obeys, or does not show: written out before a text is printed, so that no server and no record can
//! move the cursor, turn the reading direction or hide a part of a line.
//!
//! `U+202E` becomes `\u{202e}`, in JSON `\u202e`.

use std::borrow::Cow;

/// A text of ours, which may hold lines and colours.
pub fn visible(text: &str) -> Cow<'_, str> {
    written_out(text, colour)
}

/// A text of somebody else's, as a part of one of ours: colours are none of its business.
pub fn foreign(text: &str) -> Cow<'_, str> {
    written_out(text, |_| None)
}

/// A JSON document, which stays one.
pub fn visible_json(document: &str) -> Cow<'_, str> {
    if !document.contains(is_hidden) {
        return document.into();
    }
    let mut units = [0; 2];
    let mut shown = String::with_capacity(document.len());
    for letter in document.chars() {
        match is_hidden(letter) {
            true => shown.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"))),
            false => shown.push(letter),
        }
    }
    shown.into()
}

fn written_out<'a>(text: &'a str, colour: impl Fn(&str) -> Option<usize>) -> Cow<'a, str> {
    if !text.contains(is_hidden) {
        return text.into();
    }
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(letter) = rest.chars().next() {
        let length = match is_hidden(letter) {
            false => push(&mut shown, rest, letter.len_utf8()),
            true => match colour(rest) {
                Some(length) => push(&mut shown, rest, length),
                None => {
                    shown.extend(letter.escape_unicode());
                    letter.len_utf8()
                }
            },
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    shown.into()
}

fn push(shown: &mut String, rest: &str, length: usize) -> usize {
    shown.push_str(rest.get(..length).unwrap_or_default());
    length
}

/// The length of `ESC [ 1 ; 31 m` and the like at the start of a text.
fn colour(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("\x1b[")?;
    let length = inside.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    (inside.as_bytes().get(length) == Some(&b'm')).then_some(length + 3)
}

/// Controls but for tab and newline; what has no width; what changes the direction of its neighbours.
fn is_hidden(letter: char) -> bool {
    let is_format = matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    is_format || letter.is_control() && !['\n', '\t'].contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out_and_all_else_stays() {
        for letter in "\u{202a}\u{202e}\u{2066}\u{2069}\u{200b}\u{200f}\u{61c}\u{feff}\u{1b}\u{7}\r\u{7f}\u{9b}".chars()
        {
            let expected = format!("a\\u{{{:x}}}b", u32::from(letter));
            assert_eq!(
                (visible(&format!("a{letter}b")), foreign(&format!("a{letter}b"))),
                (expected.as_str().into(), expected.as_str().into())
            );
        }
        let plain = "ä 日本語 שלום\tx\n";
        assert_eq!((visible(plain), foreign(plain), visible_json(plain)), (plain.into(), plain.into(), plain.into()));
    }

    #[test]
    fn our_own_colours_stay_and_those_of_others_do_not() {
        let text = "\x1b[1;31merror\x1b[0m \x1b[2J\x1b]0;title\x07";
        assert_eq!(visible(text), "\x1b[1;31merror\x1b[0m \\u{1b}[2J\\u{1b}]0;title\\u{7}");
        assert_eq!(foreign("\x1b[31mred"), "\\u{1b}[31mred");
    }

    #[test]
    fn a_document_stays_one_and_says_the_same() {
        let document = serde_json::json!({"a\u{202e}": "\u{feff}\u{7f}\u{e0001} é"});
        let shown = visible_json(&document.to_string()).into_owned();
        assert!(!shown.contains(is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), document);
    }
}
