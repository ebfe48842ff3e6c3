//! A text as readers of JSON, URLs and HTML would read it, again and again until nothing is left to decode.
//!
//! ```text
//! k=a%252Fb\u0026c  ──►  k=a%2Fb&c  ──►  k=a/b&c
//! ```
//!
//! Every layer knows which bytes of the text each of its own bytes was written with.

use std::{borrow::Cow, ops::Range};

/// Decodings of one text. A server that quotes a request in JSON, in a log line, in JSON again needs three.
const DEPTH: usize = 6;

/// Characters that begin an escape.
const MARKS: [u8; 3] = *b"%\\&";

/// The names that HTML has for ASCII characters.
const ASCII: [(&str, u8); 38] = [
    ("amp", b'&'),
    ("lt", b'<'),
    ("gt", b'>'),
    ("quot", b'"'),
    ("apos", b'\''),
    ("sol", b'/'),
    ("bsol", b'\\'),
    ("plus", b'+'),
    ("equals", b'='),
    ("colon", b':'),
    ("semi", b';'),
    ("comma", b','),
    ("period", b'.'),
    ("num", b'#'),
    ("percnt", b'%'),
    ("dollar", b'$'),
    ("excl", b'!'),
    ("quest", b'?'),
    ("commat", b'@'),
    ("lpar", b'('),
    ("rpar", b')'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("lcub", b'{'),
    ("lbrace", b'{'),
    ("rcub", b'}'),
    ("rbrace", b'}'),
    ("vert", b'|'),
    ("verbar", b'|'),
    ("lowbar", b'_'),
    ("grave", b'`'),
    ("hat", b'^'),
    ("ast", b'*'),
    ("dash", b'-'),
    ("tab", b'\t'),
    ("newline", b'\n'),
];

/// The names of U+00A0 to U+00FF, in order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 \
    acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig \
    Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave \
    Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave \
    iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// One reading of a text.
pub(super) struct Layer<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// For each byte its range in the original text; `None` for the text itself.
    origins: Option<Vec<Range<usize>>>,
}

impl Layer<'_> {
    /// The bytes of the text that a range of this layer was written with.
    pub fn origin(&self, range: Range<usize>) -> Range<usize> {
        let Some(origins) = &self.origins else { return range };
        let of = |at: usize| origins.get(at).cloned().unwrap_or_default();
        match range.is_empty() {
            true => of(range.start).start..of(range.start).start,
            false => of(range.start).start..of(range.end - 1).end,
        }
    }

    /// The layer without its whitespace, or `None` if it has none: base64, PEM and hex are broken into lines of any length.
    pub fn unspaced<'b>(&self) -> Option<Layer<'b>> {
        let text = &*self.bytes;
        let kept: Vec<usize> = (0..text.len()).filter(|at| !text[*at].is_ascii_whitespace()).collect();
        let origins = || kept.iter().map(|at| self.origin(*at..at + 1)).collect();
        (kept.len() < text.len())
            .then(|| Layer { bytes: kept.iter().map(|at| text[*at]).collect(), origins: Some(origins()) })
    }

    /// Decodes the escapes that begin with one of these marks; `None` if there are none.
    fn decoded<'b>(&self, marks: &[u8]) -> Option<Layer<'b>> {
        let text = &*self.bytes;
        memchr::memchr3(b'%', b'\\', b'&', text)?;
        let (mut bytes, mut origins, mut at) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()), 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let escape = Some(rest).filter(|rest| marks.contains(&rest[0])).and_then(escaped);
            let (meant, length) = escape.unwrap_or_else(|| (Meant::Byte(rest[0]), 1));
            let origin = self.origin(at..at + length);
            let before = bytes.len();
            meant.push(&mut bytes);
            origins.extend(std::iter::repeat_n(origin, bytes.len() - before));
            at += length;
        }
        (bytes != text).then_some(Layer { bytes: bytes.into(), origins: Some(origins) })
    }
}

/// The text, then what it says when it is decoded once, twice and so on.
pub(super) fn layers(text: &[u8]) -> impl Iterator<Item = Layer<'_>> {
    let mut next = Some(Layer { bytes: text.into(), origins: None });
    let mut left = DEPTH;
    std::iter::from_fn(move || {
        let layer = next.take()?;
        next = if left > 0 { layer.decoded(&MARKS) } else { None };
        left = left.saturating_sub(1);
        Some(layer)
    })
}

/// Returns the text with the escapes of one mark, or of two, decoded once. Where a value that looks escaped already was escaped
/// once more in the way of one mark, a decoding of the text takes this one back and decodes the value's own of the others.
pub(super) fn partly_decoded(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let layer = Layer { bytes: text.into(), origins: None };
    let pairs = MARKS.map(|left| MARKS.into_iter().filter(|mark| *mark != left).collect());
    MARKS
        .map(|mark| vec![mark])
        .into_iter()
        .chain(pairs)
        .filter_map(move |marks| Some(layer.decoded(&marks)?.bytes.into_owned()))
}

enum Meant {
    Byte(u8),
    Char(char),
}

impl Meant {
    fn push(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => bytes.push(*byte),
            Self::Char(letter) => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Decodes an escape at the start of a text, and returns its length there.
fn escaped(rest: &[u8]) -> Option<(Meant, usize)> {
    match rest.first()? {
        b'%' => percent(rest),
        b'\\' => backslash(rest),
        b'&' => entity(rest),
        _ => None,
    }
}

/// `%2F`; `%u20AC`, of JavaScript's `escape`.
fn percent(rest: &[u8]) -> Option<(Meant, usize)> {
    match rest.get(1)? {
        b'u' | b'U' => Some((Meant::Char(char::from_u32(hex(rest.get(2..6)?)?)?), 6)),
        _ => Some((Meant::Byte(hex(rest.get(1..3)?)? as u8), 3)),
    }
}

/// `\"`, `\n`, `\u002F`, `\ud83d\ude00` of JSON; `\x2f`, `\u{2f}` and `\057` of programming languages.
fn backslash(rest: &[u8]) -> Option<(Meant, usize)> {
    let letter = *rest.get(1)?;
    let meant = match letter {
        b'u' | b'U' if rest.get(2) == Some(&b'{') => return braced(rest),
        b'u' | b'U' => return unicode(rest),
        b'x' | b'X' => return Some((Meant::Char(char::from_u32(hex(rest.get(2..4)?)?)?), 4)),
        b'0'..=b'3' => octal(rest.get(1..4)?)?,
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        _ if letter.is_ascii_punctuation() => letter,
        _ => return None,
    };
    Some((Meant::Byte(meant), if letter.is_ascii_digit() { 4 } else { 2 }))
}

fn unicode(rest: &[u8]) -> Option<(Meant, usize)> {
    let first = hex(rest.get(2..6)?)?;
    if let Some(letter) = char::from_u32(first) {
        return Some((Meant::Char(letter), 6));
    }
    let low = rest.get(6..12).filter(|pair| pair.first() == Some(&b'\\'))?;
    let units = [u16::try_from(first).ok()?, u16::try_from(hex(low.get(2..)?)?).ok()?];
    let letter = char::decode_utf16(units).next()?.ok()?;
    Some((Meant::Char(letter), 12))
}

fn braced(rest: &[u8]) -> Option<(Meant, usize)> {
    let digits = rest.get(3..)?;
    let length = digits.iter().take(7).position(|byte| *byte == b'}')?;
    Some((Meant::Char(char::from_u32(hex(digits.get(..length)?)?)?), length + 4))
}

/// `&amp;`, `&eacute;`, `&#43;`, `&#x2B;`; numbers also without the semicolon, as browsers read them.
fn entity(rest: &[u8]) -> Option<(Meant, usize)> {
    let inside = rest.get(1..)?;
    if let Some(number) = inside.strip_prefix(b"#") {
        return numbered(number).map(|(letter, length)| (Meant::Char(letter), length + 2));
    }
    let length = inside.iter().take(LONGEST_NAME).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(inside.get(..length)?).ok()?;
    Some((Meant::Char(named(name)?), length + 2))
}

/// The longest name or number of an entity.
const LONGEST_NAME: usize = 12;

/// The letter that `43;` or `x2B;` numbers, and its length.
fn numbered(number: &[u8]) -> Option<(char, usize)> {
    let (mark, radix) = if matches!(number.first()?, b'x' | b'X') { (1, 16) } else { (0, 10) };
    let digits = number.get(mark..)?;
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let length = digits.iter().take(LONGEST_NAME).take_while(|byte| is_digit(byte)).count();
    let letter = u32::from_str_radix(std::str::from_utf8(digits.get(..length)?).ok()?, radix).ok()?;
    let letter = char::from_u32(letter)?;
    let has_end = digits.get(length) == Some(&b';');
    // Without its end, `&#1` is rather the rest of a number that was cut off, unless the text goes on in the same way.
    let is_whole = has_end || !letter.is_control() || digits.get(length) == Some(&b'&');
    is_whole.then_some((letter, mark + length + usize::from(has_end)))
}

fn named(name: &str) -> Option<char> {
    let ascii = ASCII.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, byte)| char::from(*byte));
    let latin = || {
        let at = LATIN.split(' ').position(|known| known == name)?;
        char::from_u32(0xA0 + u32::try_from(at).ok()?)
    };
    ascii.or_else(latin)
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

fn hex(digits: &[u8]) -> Option<u32> {
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        String::from_utf8(layers(text.as_bytes()).last().unwrap().bytes.into_owned()).unwrap()
    }

    #[test]
    fn every_way_to_write_a_letter_is_read_and_all_else_stays() {
        for (written, meant) in [
            ("a%2Fb%2fc", "a/b/c"),
            ("%252525", "%"),
            ("%u20AC%C3%A9", "€é"),
            (r#"\/\"\\n\u002F\u00e9\ud83d\ude00"#, "/\"\n/é\u{1F600}"),
            (r"\x2f\u{2f}\u{1F600}\057\303\251", "//\u{1F600}/é"),
            ("&#47&#0047;&#x2f&#X002F; a", "//// a"),
            ("&amp;&AMP;&#43;&#x2b;&#X2B;&eacute;&Eacute;&yuml;&nbsp;", "&&+++éÉÿ\u{a0}"),
            (r"%5C%22%26quot%3B", "\"\""),
            (
                r"%2G %2 % \u00 \q \18 \408 &# &#x; &nothing; &#4294967343; & \ud83d",
                r"%2G %2 % \u00 \q \18 \408 &# &#x; &nothing; &#4294967343; & \ud83d",
            ),
        ] {
            assert_eq!(read(written), meant, "{written}");
        }
    }

    #[test]
    fn a_range_of_a_layer_is_that_of_the_text_that_it_was_written_with() {
        let text = "k=a%252Fb";
        let origins: Vec<_> = layers(text.as_bytes()).map(|layer| layer.origin(3..4)).collect();
        assert_eq!(origins, [3..4, 3..6, 3..8]);
    }

    #[test]
    fn a_layer_without_whitespace_knows_where_its_bytes_were() {
        let layer = layers(b"ab\r\n c d").next().unwrap().unspaced().unwrap();
        assert_eq!((&*layer.bytes, layer.origin(1..3)), (&b"abcd"[..], 1..6));
        assert!(layers(b"abcd").next().unwrap().unspaced().is_none());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_every_layer_covers_the_text(text in "[%a\u{e9}&#;\\\\u2F0-3+/{}x]*") {
            for layer in layers(text.as_bytes()) {
                prop_assert_eq!(layer.origin(0..layer.bytes.len()), 0..text.len());
            }
        }
    }
}
