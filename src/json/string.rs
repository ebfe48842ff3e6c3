//! JSON string escapes.

/// The reason why a string has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StringError {
    #[error("it is not UTF-8")]
    Utf8,
    #[error("it has a lone surrogate, which is no character")]
    Surrogate,
    #[error("it has an escape that JSON does not know")]
    Escape,
}

/// The value of the text between the quotes of a JSON string.
pub fn unescape(text: &str) -> Result<String, StringError> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        value.push_str(&rest[..at]);
        let (character, behind) = escape(&rest[at + 1..])?;
        value.push(character);
        rest = behind;
    }
    value.push_str(rest);
    Ok(value)
}

/// Returns the character of an escape, and the text after it. `text` starts after the backslash.
fn escape(text: &str) -> Result<(char, &str), StringError> {
    let mut characters = text.chars();
    let character = match characters.next().ok_or(StringError::Escape)? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        same @ ('"' | '\\' | '/') => same,
        'u' => return code_point(characters.as_str()),
        _ => return Err(StringError::Escape),
    };
    Ok((character, characters.as_str()))
}

/// `\u` and four hexadecimal digits, or two of them where the first is a high surrogate.
fn code_point(text: &str) -> Result<(char, &str), StringError> {
    let (first, rest) = unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, rest));
    }
    let (second, rest) = unit(rest.strip_prefix("\\u").ok_or(StringError::Surrogate)?)?;
    let pair = char::decode_utf16([first as u16, second as u16]).next();
    pair.and_then(Result::ok).map(|character| (character, rest)).ok_or(StringError::Surrogate)
}

fn unit(text: &str) -> Result<(u32, &str), StringError> {
    let (digits, rest) = text.split_at_checked(4).ok_or(StringError::Escape)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(StringError::Escape);
    }
    u32::from_str_radix(digits, 16).map(|unit| (unit, rest)).map_err(|_| StringError::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_their_characters_and_pairs_for_one() {
        assert_eq!(unescape(r#"a\n\t\"\\\/é😀z"#).unwrap(), "a\n\t\"\\/é😀z");
        assert_eq!(unescape(r"\u00e9\ud83d\ude00").unwrap(), "é😀");
    }

    #[test]
    fn half_a_pair_and_unknown_escapes_are_told_apart() {
        for lone in [r"\ud83d", r"\ud83dx", r"\ude00", r"\ud83dA", r"\ud83d\ud83d"] {
            assert_eq!(unescape(lone), Err(StringError::Surrogate), "{lone}");
        }
        for unknown in [r"\x41", r"\u12", r"\u+123", r"\", r"\uéé"] {
            assert_eq!(unescape(unknown), Err(StringError::Escape), "{unknown}");
        }
    }
}
