//! Bools, strings, bytes and UUIDs.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::number::Number;
use crate::{
    decode::finding::{Misfit, wrong_kind},
    json::{Kind, Node},
};

/// RFC 4648, section 4, with or without padding: what APIs write as base64.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `true` or `false`, and no number in their place; a text only where it was a cell of CSV.
#[inline]
pub(in crate::decode) fn bool(node: Node<'_>, kind: Kind) -> Result<bool, Misfit> {
    match kind {
        Kind::Bool(value) => Ok(value),
        // A table of text has no other form for it.
        Kind::String if node.is_cell() => match node.string()?.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong_kind(kind)),
        },
        _ => Err(wrong_kind(kind)),
    }
}

/// A string's value; a number or bool as its JSON text.
#[inline]
pub(in crate::decode) fn string(node: Node<'_>, kind: Kind) -> Result<Cow<'_, str>, Misfit> {
    match kind {
        Kind::String | Kind::Bool(_) => Ok(node.string()?),
        Kind::Number => match Number::parse(node.raw()) {
            Some(_) => Ok(node.string()?),
            None => Err(Misfit::NotANumber),
        },
        _ => Err(wrong_kind(kind)),
    }
}

/// The value of a string; of nothing else.
#[inline]
pub(in crate::decode) fn text(node: Node<'_>, kind: Kind) -> Result<Cow<'_, str>, Misfit> {
    match kind {
        Kind::String => Ok(node.string()?),
        _ => Err(wrong_kind(kind)),
    }
}

pub(in crate::decode) fn base64(node: Node<'_>, kind: Kind) -> Result<Cow<'_, [u8]>, Misfit> {
    BASE64.decode(text(node, kind)?.as_bytes()).map(Cow::Owned).map_err(|_| Misfit::Base64)
}

/// RFC 4648, section 5, with or without padding: what tokens are written in.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(in crate::decode) fn base64url(node: Node<'_>, kind: Kind) -> Result<Cow<'_, [u8]>, Misfit> {
    BASE64_URL.decode(text(node, kind)?.as_bytes()).map(Cow::Owned).map_err(|_| Misfit::Base64)
}

/// Hexadecimal digits of either case, two a byte.
pub(in crate::decode) fn hex(node: Node<'_>, kind: Kind) -> Result<Cow<'_, [u8]>, Misfit> {
    let text = text(node, kind)?;
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty()).map(Cow::Owned).ok_or(Misfit::Hex)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// A UUID of either case, hyphenated or 32 digits, as lower-case hyphenated text (RFC 9562, section 4).
pub(in crate::decode) fn uuid(node: Node<'_>, kind: Kind) -> Result<Cow<'_, str>, Misfit> {
    let text = text(node, kind)?;
    let is_hyphen = |place: usize| matches!(place, 8 | 13 | 18 | 23);
    let fits = |(place, byte): (usize, u8)| if is_hyphen(place) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Cow::Owned(hyphenated(&text)));
    }
    if text.len() != 36 || !text.bytes().enumerate().all(fits) {
        return Err(Misfit::Uuid);
    }
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    Ok(if is_lower { text } else { Cow::Owned(text.to_ascii_lowercase()) })
}

fn hyphenated(digits: &str) -> String {
    let mut uuid = String::with_capacity(36);
    for (place, digit) in digits.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(digit.to_ascii_lowercase());
    }
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, StringError};

    type Reader<T> = fn(Node<'_>, Kind) -> Result<Cow<'_, T>, Misfit>;

    fn read_text(json: &str, reader: Reader<str>) -> Result<String, Misfit> {
        let document = Document::parse(json.into()).unwrap();
        reader(document.root(), document.root().kind()).map(Cow::into_owned)
    }

    fn read_bytes(json: &str, reader: Reader<[u8]>) -> Result<Vec<u8>, Misfit> {
        let document = Document::parse(json.into()).unwrap();
        reader(document.root(), document.root().kind()).map(Cow::into_owned)
    }

    #[test]
    fn a_bool_is_true_or_false_and_nothing_that_means_it() {
        let document = Document::parse(br#"[true, false, 1, 0, "true", "yes", nope, []]"#.to_vec()).unwrap();
        let bools: Vec<_> = document.root().items().map(|node| bool(node, node.kind()).ok()).collect();
        assert_eq!(bools, [Some(true), Some(false), None, None, None, None, None, None]);
    }

    #[test]
    fn a_scalar_fits_a_string_as_its_json_text() {
        let string = |json| read_text(json, string);
        assert_eq!(string(r#""a\n\u00e9""#).unwrap(), "a\né");
        assert_eq!(string("12.50").unwrap(), "12.50");
        assert_eq!(string("1E3").unwrap(), "1E3");
        assert_eq!(string("true").unwrap(), "true");
        assert_eq!(string("{}"), Err(Misfit::Kind(Kind::Object)));
        assert_eq!(string("[\"a\"]"), Err(Misfit::Kind(Kind::Array)));
        assert_eq!(string("NaN"), Err(Misfit::NotJson));
        assert_eq!(string("1.2.3"), Err(Misfit::NotANumber));
        assert_eq!(string(r#""\ud800""#), Err(Misfit::Text(StringError::Surrogate)));
    }

    #[test]
    fn text_that_is_not_utf8_does_not_fit_a_string() {
        let document = Document::parse(b"\"\xff\"".to_vec()).unwrap();
        assert_eq!(string(document.root(), Kind::String), Err(Misfit::Text(StringError::Utf8)));
    }

    #[test]
    fn base64_is_of_the_standard_alphabet_with_or_without_padding() {
        for text in [r#""aGk/""#, r#""aGk\/""#] {
            assert_eq!(read_bytes(text, base64).unwrap(), b"hi?", "{text}");
        }
        for text in [r#""aA==""#, r#""aA""#] {
            assert_eq!(read_bytes(text, base64).unwrap(), b"h", "{text}");
        }
        assert_eq!(read_bytes("\"\"", base64).unwrap(), b"");
        for other in [r#""aGk_""#, r#""a""#, r#""aB==""#, r#""a Gk/""#] {
            assert_eq!(read_bytes(other, base64), Err(Misfit::Base64), "{other}");
        }
        assert_eq!(read_bytes("12", base64), Err(Misfit::Kind(Kind::Number)));
    }

    #[test]
    fn base64url_is_of_the_alphabet_for_urls() {
        for text in [r#""-_8=""#, r#""-_8""#] {
            assert_eq!(read_bytes(text, base64url).unwrap(), [0xfb, 0xff], "{text}");
        }
        assert_eq!(read_bytes(r#""+/8=""#, base64url), Err(Misfit::Base64));
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs_of_either_case() {
        assert_eq!(read_bytes(r#""00fFA1""#, hex).unwrap(), [0x00, 0xff, 0xa1]);
        for other in [r#""0""#, r#""0x00""#, r#""g0""#, r#""é""#] {
            assert_eq!(read_bytes(other, hex), Err(Misfit::Hex), "{other}");
        }
    }

    #[test]
    fn a_uuid_becomes_lower_case_hyphenated_text() {
        let lower = "\"0190163d-8694-739b-aea5-966c26f8ad91\"";
        for text in [lower, &lower.to_uppercase(), &lower.replace('-', ""), &lower.to_uppercase().replace('-', "")] {
            assert_eq!(read_text(text, uuid).unwrap(), lower.trim_matches('"'), "{text}");
        }
        for other in
            [lower.replace("0190", "019g"), lower.replace("d-", "-d"), lower.replace("91\"", "\""), "\"\"".into()]
        {
            assert_eq!(read_text(&other, uuid), Err(Misfit::Uuid), "{other}");
        }
    }
}
