//! A value in one form only, so that equal values have equal bytes.
//!
//! ```text
//! {"b": 1.50, "a":"\u00e9"}   ─►   {"a":"é","b":1.50,}
//! ```
//!
//! Keys are in order, and of duplicate keys the last counts; texts have no needless escapes. Numbers stay as the API wrote
//! them, whatever a double would make of them. The form is for comparing: it is no JSON, since every element ends in a comma.

use std::borrow::Cow;

use super::{Kind, Node};

impl Node<'_> {
    /// Appends the value's one form.
    pub fn write_canonical(self, out: &mut Vec<u8>) {
        match self.kind() {
            Kind::Array => {
                out.push(b'[');
                for item in self.items() {
                    item.write_canonical(out);
                    out.push(b',');
                }
                out.push(b']');
            }
            Kind::Object => {
                out.push(b'{');
                for (key, value) in ordered_fields(self) {
                    out.extend_from_slice(&key);
                    out.push(b':');
                    value.write_canonical(out);
                    out.push(b',');
                }
                out.push(b'}');
            }
            Kind::String => out.extend_from_slice(&text(self.string(), self.raw())),
            _ => out.extend_from_slice(self.raw()),
        }
    }
}

fn ordered_fields<'a>(object: Node<'a>) -> Vec<(Vec<u8>, Node<'a>)> {
    let mut fields: Vec<_> = object.fields().map(|(key, value)| (text(key.text(), key.raw()), value)).collect();
    // The last of equal keys is the first one here, and the one that stays.
    fields.reverse();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    fields.dedup_by(|(later, _), (earlier, _)| later == earlier);
    fields
}

/// A text as JSON writes it, or as the API did where it cannot be read.
fn text<E>(text: Result<Cow<'_, str>, E>, raw: &[u8]) -> Vec<u8> {
    text.ok().and_then(|text| serde_json::to_vec(&text).ok()).unwrap_or_else(|| raw.to_vec())
}

#[cfg(test)]
mod tests {
    use crate::json::Document;

    fn canonical(text: &str) -> String {
        let mut bytes = Vec::new();
        Document::parse(text.into()).unwrap().root().write_canonical(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn values_of_the_same_content_have_one_form_and_others_do_not() {
        let one = r#"{"b":[1,{"y":1.50,"x":null}],"a":"é"}"#;
        for same in [
            r#"{ "a" : "\u00e9", "b" : [ 1, {"x":null, "y":1.50} ] }"#,
            r#"{"a":1,"b":[1,{"x":null,"y":1.50}],"a":"é"}"#,
        ] {
            assert_eq!(canonical(same), canonical(one), "{same}");
        }
        for other in
            [r#"{"b":[{"y":1.50,"x":null},1],"a":"é"}"#, r#"{"b":[1,{"y":1.51,"x":null}],"a":"é"}"#, "[]", "{}"]
        {
            assert_ne!(canonical(other), canonical(one), "{other}");
        }
    }
}
