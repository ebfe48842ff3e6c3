//! A value as its own JSON text, checked: what the tape's scan left open (numbers, words, escapes, UTF-8) is looked at here.

use std::borrow::Cow;

use super::number::Number;
use crate::{
    decode::finding::Misfit,
    json::{Kind, Node},
};

/// The value as the API wrote it, spaces included. Raw control characters in strings, which JSON forbids and readers refuse,
/// are escaped; whatever else is no JSON does not fit.
pub(in crate::decode) fn json(node: Node<'_>, _: Kind) -> Result<Cow<'_, str>, Misfit> {
    let text = node.raw_text()?;
    let mut has_controls = false;
    for scalar in node.scalars() {
        check(scalar)?;
        has_controls |= is_raw_control(scalar);
    }
    Ok(if has_controls { Cow::Owned(escape_controls(text)) } else { Cow::Borrowed(text) })
}

fn check(scalar: Node<'_>) -> Result<(), Misfit> {
    match scalar.kind() {
        Kind::String => scalar.string().map(drop).map_err(Misfit::from),
        Kind::Number => Number::parse(scalar.raw()).map(drop).ok_or(Misfit::NotANumber),
        Kind::Word => Err(Misfit::NotJson),
        _ => Ok(()),
    }
}

fn is_raw_control(scalar: Node<'_>) -> bool {
    scalar.raw().iter().any(|byte| *byte < b' ')
}

/// `text` is JSON but for control characters in its strings; those between values are space and stay.
fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let (mut in_string, mut behind_backslash) = (false, false);
    for character in text.chars() {
        if in_string && character < ' ' {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
        in_string ^= character == '"' && !behind_backslash;
        behind_backslash = character == '\\' && !behind_backslash;
    }
    escaped
}

/// Returns true if doubles can represent all numbers in `node` exactly.
pub(in crate::decode) fn survives_doubles(node: Node<'_>) -> bool {
    node.scalars().filter(|scalar| scalar.kind() == Kind::Number).all(|scalar| {
        let kept = serde_json::from_slice::<serde_json::Number>(scalar.raw()).map(|number| number.to_string());
        let kept = kept.unwrap_or_default();
        match (Number::parse(scalar.raw()), Number::parse(kept.as_bytes())) {
            (Some(written), Some(kept)) => written.equals(kept),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, StringError};

    fn read(text: impl Into<Vec<u8>>) -> Result<String, Misfit> {
        let document = Document::parse(text.into()).unwrap();
        json(document.root(), document.root().kind()).map(Cow::into_owned)
    }

    #[test]
    fn a_value_is_kept_as_the_api_wrote_it() {
        for text in [r#"{"b" : 1.50, "a":[ 1e3,"x\/é\n" ], "a":null}"#, "\"text\"", "12.0", "true", "[\n\t1\n]"] {
            assert_eq!(read(text).unwrap(), text);
        }
    }

    #[test]
    fn raw_control_characters_in_strings_are_escaped_so_that_the_text_is_json() {
        let text = read("{\"a\nb\": \"\\\"\tc\\\\\",\n\"d\": \"\u{1}\"}").unwrap();
        assert_eq!(text, "{\"a\\u000ab\": \"\\\"\\u0009c\\\\\",\n\"d\": \"\\u0001\"}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, serde_json::json!({"a\nb": "\"\tc\\", "d": "\u{1}"}));
    }

    #[test]
    fn what_is_no_json_in_the_depth_of_a_value_does_not_fit() {
        assert_eq!(read("[{\"a\":[NaN]}]"), Err(Misfit::NotJson));
        assert_eq!(read("[1.]"), Err(Misfit::NotANumber));
        assert_eq!(read(r#"["\x"]"#), Err(Misfit::Text(StringError::Escape)));
        assert_eq!(read(r#"{"\ud800":1}"#), Err(Misfit::Text(StringError::Surrogate)));
        assert_eq!(read(b"[\"\xff\"]".to_vec()), Err(Misfit::Text(StringError::Utf8)));
    }

    #[test]
    fn numbers_that_a_double_would_change_are_told() {
        let survives = |text: &str| survives_doubles(Document::parse(text.into()).unwrap().root());
        assert!(survives(r#"{"a":[1, 12.50, -3e2, 18446744073709551615, "0.10000000000000000001"]}"#));
        assert!(!survives("[18446744073709551617]"));
        assert!(!survives("[0.10000000000000000001]"));
        assert!(!survives("[1e400]"));
    }
}
