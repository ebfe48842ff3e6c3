//! The same value in other letters: as it stands in a URL, in JSON or in HTML, whoever wrote it there.
//!
//! Each letter is looked for in every form that it may have, so that a server which escapes more or less than we do, or in
//! lower case, or twice, does not get a secret past the redactor.

use std::ops::Range;

/// The longest form of one letter that is looked for, in bytes: `&#1114111;`.
const LONGEST_ENTITY: usize = 10;

/// The first place at or after `from` where `text` has `value` in any spelling.
pub(super) fn find(text: &str, value: &str, from: usize) -> Option<Range<usize>> {
    let first = value.chars().next()?;
    let mut starts = text.get(from..)?.char_indices().map(|(at, letter)| (from + at, letter));
    starts.find_map(|(at, letter)| {
        let may_begin = letter == first || matches!(letter, '%' | '\\' | '&' | '+');
        Some(at..end(text.as_bytes(), at, value).filter(|_| may_begin)?)
    })
}

/// Where `value` ends, if it stands at `at`.
fn end(text: &[u8], at: usize, value: &str) -> Option<usize> {
    // A letter may be read in two ways, as `%` in `%25` may: all places are gone on from.
    let mut places = vec![at];
    for letter in value.chars() {
        let mut next: Vec<usize> = places.iter().flat_map(|&at| ends(text, at, letter)).collect();
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return None;
        }
        places = next;
    }
    places.pop()
}

/// Where one letter ends that stands at `at`, in each of the forms that are there.
fn ends(text: &[u8], at: usize, letter: char) -> impl Iterator<Item = usize> {
    let rest = text.get(at..).unwrap_or_default();
    // A `%` that was encoded twice begins as one that was encoded once.
    let twice = (letter == '%' && rest.starts_with(b"%2525")).then_some(5);
    let lengths = [plain(rest, letter), percent(rest, letter), twice, escape(rest, letter), entity(rest, letter)];
    lengths.into_iter().flatten().map(move |length| at + length)
}

fn plain(rest: &[u8], letter: char) -> Option<usize> {
    if letter == ' ' && rest.first() == Some(&b'+') {
        return Some(1);
    }
    rest.starts_with(letter.encode_utf8(&mut [0; 4]).as_bytes()).then(|| letter.len_utf8())
}

/// `%2F`, `%2f`, and `%252F` where a URL stands within a URL.
fn percent(rest: &[u8], letter: char) -> Option<usize> {
    let mut buffer = [0; 4];
    let mut length = 0;
    for byte in letter.encode_utf8(&mut buffer).bytes() {
        let mut digits = rest.get(length..)?.strip_prefix(b"%")?;
        while let (Some(deeper), true) = (digits.strip_prefix(b"25"), byte != b'%') {
            digits = deeper;
        }
        if hex(digits.get(..2)?)? != u32::from(byte) {
            return None;
        }
        length = rest.len() - digits.len() + 2;
    }
    Some(length)
}

/// `\/`, `\"`, `\n`, `\u002F`: of JSON.
fn escape(rest: &[u8], letter: char) -> Option<usize> {
    let escaped = rest.strip_prefix(b"\\")?;
    if let Some(digits) = escaped.strip_prefix(b"u") {
        return (hex(digits.get(..4)?)? == u32::from(letter)).then_some(6);
    }
    let meant = match escaped.first()? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        byte @ (b'/' | b'"' | b'\\' | b'\'') => char::from(*byte),
        _ => return None,
    };
    (meant == letter).then_some(2)
}

/// `&#43;`, `&#x2B;`, `&amp;`: of HTML.
fn entity(rest: &[u8], letter: char) -> Option<usize> {
    let inside = rest.strip_prefix(b"&")?;
    let length = inside.iter().take(LONGEST_ENTITY).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(inside.get(..length)?).ok()?;
    let meant = match (name, name.strip_prefix('#')) {
        ("amp", _) => '&',
        ("lt", _) => '<',
        ("gt", _) => '>',
        ("quot", _) => '"',
        ("apos", _) => '\'',
        (_, Some(number)) => char::from_u32(match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        })?,
        _ => return None,
    };
    (meant == letter).then_some(length + 2)
}

fn hex(digits: &[u8]) -> Option<u32> {
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_found_in_every_spelling() {
        let value = "sek/ret+o \"n\u{e9}\"=%2";
        for spelled in [
            value,
            "sek%2Fret%2Bo+%22n%C3%A9%22%3D%252",
            "sek/ret%2bo%20%22n%c3%a9%22=%252",
            "%73ek%252Fret%252Bo%2520%2522n%25C3%25A9%2522%253D%252",
            r#"sek\/ret\u002Bo \"n\u00e9\"=%2"#,
            r"sek\u002fret+o \u0022n\u00E9\u0022\u003d%2",
            "sek&#47;ret&#x2b;o &quot;n&#233;&quot;&#X3D;%2",
        ] {
            let text = format!("a {spelled} b");
            assert_eq!(find(&text, value, 0), Some(2..2 + spelled.len()), "{spelled}");
        }
    }

    #[test]
    fn a_percent_sign_that_was_encoded_twice_is_found() {
        assert_eq!(find("ab%2525cd", "ab%cd", 0), Some(0..9));
    }

    #[test]
    fn what_only_looks_like_it_is_not_found() {
        for text in ["sek/re", "sek%2", "sek%2Gret", r"sek\u002", "sek&#47", "sek&#4294967343;ret", "", "%", "\\", "&"]
        {
            assert_eq!(find(text, "sek/ret", 0), None, "{text}");
        }
        assert_eq!(find("sek/ret", "sek/ret", 1), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_what_is_found_lies_between_letters(text in "[%a\u{e9}&#;\\\\u2F0-3+/]*", value in "[%a\u{e9}&/+2]{1,4}") {
            if let Some(found) = find(&text, &value, 0) {
                prop_assert!(text.get(found).is_some());
            }
        }

        #[test]
        fn a_value_that_is_there_is_found(value in "[ -~\u{e9}]{4,12}") {
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            prop_assert_eq!(find(&encoded, &value, 0), Some(0..encoded.len()));
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(find(&json, &value, 1), Some(1..json.len() - 1));
        }
    }
}
