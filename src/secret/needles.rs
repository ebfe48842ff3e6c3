//! The spellings of a secret that no decoding of a text leads back to: encoded as a whole, alone or with the text around it.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use url::form_urlencoded;

use super::{
    SHORTEST, SHORTEST_UNSPACED,
    decoding::{layers, partly_decoded},
};

/// Byte strings to search for, in any case of letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Needle {
    pub bytes: Vec<u8>,
    /// The letter before it holds a part of the secret too, as base64 has it.
    pub has_head: bool,
    /// The letter after it does.
    pub has_tail: bool,
}

/// Everything that gives the value away; `is_deep` takes in what it is encoded as.
pub(super) fn needles(value: &str, is_deep: bool) -> Vec<Needle> {
    let mut plain: Vec<Vec<u8>> = layers(value.as_bytes()).map(|layer| layer.bytes.into_owned()).collect();
    // A value that looks escaped already: where it was escaped once more, a decoder cannot know where to stop.
    if value.contains(['%', '\\', '&']) {
        plain.extend(partly_decoded(value.as_bytes()));
        plain.extend(forms(value).into_iter().map(String::into_bytes));
    }
    // Of other scripts, only these know the case.
    plain.extend([value.to_lowercase(), value.to_uppercase()].map(String::into_bytes));
    plain.extend(unspaced(value).map(String::into_bytes));
    plain.extend(misread(value));
    plain.push(quoted_printable(value).into_bytes());
    let spaces = plain.iter().filter(|text| text.contains(&b' '));
    let in_forms: Vec<Vec<u8>> =
        spaces.map(|text| text.iter().map(|b| if *b == b' ' { b'+' } else { *b }).collect()).collect();
    plain.extend(in_forms);
    let mut needles: Vec<_> = plain.into_iter().map(whole).collect();
    if is_deep {
        needles.extend(["", ":", "-"].map(|between| whole(bytes(value, between, |byte| format!("{byte:02x}")))));
        needles.push(whole(bytes(value, ",", |byte| byte.to_string())));
        for form in forms(value) {
            needles.extend((0..3).flat_map(|shift| base64(form.as_bytes(), shift)));
        }
    }
    needles.retain(|needle| needle.bytes.len() >= SHORTEST);
    needles.iter_mut().for_each(|needle| needle.bytes.make_ascii_lowercase());
    needles.sort_unstable();
    needles.dedup_by(|a, b| a.bytes == b.bytes);
    needles
}

fn whole(bytes: Vec<u8>) -> Needle {
    Needle { bytes, has_head: false, has_tail: false }
}

/// Each byte in hex or as a number, as dumps and lists of bytes have them. What separates them beside whitespace is `between`.
fn bytes(value: &str, between: &str, write: impl Fn(u8) -> String) -> Vec<u8> {
    value.bytes().map(write).collect::<Vec<_>>().join(between).into_bytes()
}

/// The value as it is in a text without whitespace.
fn unspaced(value: &str) -> Option<String> {
    let kept: String = value.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    (kept.len() < value.len() && kept.len() >= SHORTEST_UNSPACED).then_some(kept)
}

/// The value after a program has taken one character set for another: `Ã©`, or one byte, or a mark for `é`.
fn misread(value: &str) -> Vec<Vec<u8>> {
    if value.is_ascii() {
        return Vec::new();
    }
    let latin: String = value.bytes().map(char::from).collect();
    let single = value.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect::<Option<Vec<u8>>>();
    let marked =
        |mark: &str| value.chars().map(|c| if c.is_ascii() { c.to_string() } else { mark.to_owned() }).collect();
    let is_recognised = value.bytes().filter(u8::is_ascii_alphanumeric).count() >= SHORTEST;
    let marked = ["?", "\u{FFFD}"].map(marked).into_iter().filter(|_| is_recognised).map(String::into_bytes);
    marked.chain([latin.into_bytes()]).chain(single).collect()
}

/// As mails have it: `=3D` for `=` and for each byte that is no ASCII.
fn quoted_printable(value: &str) -> String {
    let is_plain = |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && byte != b'=';
    value
        .bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("={byte:02X}") })
        .collect()
}

/// Texts that may be encoded in base64: the value, also as in JSON, in a form, or in base64 already.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let json = json.get(1..json.len() - 1).unwrap_or_default().to_owned();
    let form: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let mut forms = vec![
        json.replace('/', r"\/"),
        json,
        form.replace('+', "%20"),
        form,
        BASE64_STANDARD.encode(value),
        value.to_owned(),
    ];
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// The letters of base64 that a value alone decides when `shift` bytes precede it in a group of three. It shares the
/// letter before them with its neighbour where there is one, and the letter after them where it does not end with a group.
fn base64(value: &[u8], shift: usize) -> impl Iterator<Item = Needle> + use<> {
    let shifted: Vec<u8> = std::iter::repeat_n(0, shift).chain(value.iter().copied()).collect();
    let own = (shift * 8).div_ceil(6)..shifted.len() * 8 / 6;
    let (has_head, has_tail) = (shift > 0, !shifted.len().is_multiple_of(3));
    [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD].into_iter().filter_map(move |alphabet| {
        let bytes = alphabet.encode(&shifted).into_bytes().get(own.clone())?.to_vec();
        Some(Needle { bytes, has_head, has_tail })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_is_found_in_base64_whatever_stands_before_and_after_it(
            before in "[ -~]{0,4}", value in "[ -~\u{e9}]{4,12}", after in "[ -~]{0,4}"
        ) {
            let text = BASE64_STANDARD.encode(format!("{before}{value}{after}"));
            let text = text.to_ascii_lowercase();
            let found = needles(&value, true).iter().any(|needle| text.contains(&*String::from_utf8_lossy(&needle.bytes)));
            prop_assert!(found);
        }
    }

    #[test]
    fn a_value_of_letters_has_few_spellings_and_a_shallow_one_fewer() {
        assert!(needles("hunter2hunter2", true).len() <= 12, "{:?}", needles("hunter2hunter2", true).len());
        assert_eq!(needles("hunter2", false).len(), 1);
    }
}
