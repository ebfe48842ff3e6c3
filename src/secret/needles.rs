//! The spellings of a secret that no decoding of a text leads back to: encoded as a whole, alone or with the text around it.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use url::form_urlencoded;

use super::{SHORTEST, decoding::layers};

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
    // Of other scripts, only these know the case; and a form has its own space.
    plain.extend([value.to_lowercase(), value.to_uppercase(), value.replace(' ', "+")].map(String::into_bytes));
    let mut needles: Vec<_> = plain.into_iter().map(whole).collect();
    if is_deep {
        needles.push(whole(hex(value.as_bytes())));
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

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
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
        assert!(needles("hunter2hunter2", true).len() <= 9, "{:?}", needles("hunter2hunter2", true).len());
        assert_eq!(needles("hunter2", false).len(), 1);
    }
}
