//! Answers in another charset than UTF-8. The config's `encoding` is checked elsewhere.
//!
//! A charset that the answer declares is believed, but for one: many a framework writes `iso-8859-1` beside whatever it sends,
//! so what is UTF-8 all the same stays what it is.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, WINDOWS_1252};

use super::{Room, Unreadable};

/// Bytes that are decoded at a time.
const PIECE: usize = 64 << 10;

/// The body as UTF-8. One whose charset nobody knows stays as it is.
///
/// `encoding` is what the config says of it, which counts before what the answer declares.
pub(super) fn decoded(
    body: Vec<u8>,
    content_type: &str,
    encoding: Option<&'static str>,
    room: &Room<'_>,
) -> Result<Vec<u8>, Unreadable> {
    if let Some(encoding) = encoding.and_then(|label| Encoding::for_label(label.as_bytes())) {
        return if encoding == UTF_8 { Ok(body) } else { decode(&body, encoding, room) };
    }
    match encoding_of(content_type) {
        None => Ok(body),
        Some(encoding) if encoding == UTF_8 => Ok(body),
        Some(encoding) if encoding == WINDOWS_1252 && std::str::from_utf8(&body).is_ok() => Ok(body),
        Some(encoding) => decode(&body, encoding, room),
    }
}

fn encoding_of(content_type: &str) -> Option<&'static Encoding> {
    parameter(content_type).and_then(|label| Encoding::for_label(label.as_bytes()))
}

/// For fuzzing: the name of the charset that a content type declares.
#[cfg(any(test, fuzzing))]
pub(super) fn declared(content_type: &str) -> Option<&'static str> {
    encoding_of(content_type).map(Encoding::name)
}

/// `charset=…` of a content type.
fn parameter(content_type: &str) -> Option<Cow<'_, str>> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset = parameters.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.map(|(_, label)| label.trim().trim_matches('"').into())
}

fn decode(body: &[u8], encoding: &'static Encoding, room: &Room<'_>) -> Result<Vec<u8>, Unreadable> {
    // A mark at the beginning outranks what is declared: Java's `utf-16` is big-endian.
    let mut decoder = encoding.new_decoder();
    let mut text = String::with_capacity(body.len());
    let mut pieces = body.chunks(PIECE).peekable();
    while let Some(mut piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        loop {
            text.reserve(PIECE);
            let (result, read) = decoder.decode_to_string_without_replacement(piece, &mut text, is_last);
            piece = piece.get(read..).unwrap_or_default();
            room.take_text(body.len(), text.len())?;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let cause = format!("no text in the charset {}", encoding.name());
                    let is_cut = is_last && piece.is_empty();
                    return Err(if is_cut { Unreadable::Cut(cause) } else { Unreadable::Syntax(cause) });
                }
            }
        }
    }
    Ok(text.into_bytes())
}
