//! A file of others as JSON: read by the rules of configs, so that what is imported is what a run of the file itself would send.

use serde_json::{Number, Value};

use super::{ImportError, Note};
use crate::config::{
    Syntax, parse_other,
    tree::{Kind, Value as Tree},
};

/// The values of a JSON, YAML or TOML text; and of which numbers only the digits could be kept.
///
/// # Errors
/// [`ImportError::Unreadable`] with the place.
pub fn document(file: &str, text: &str, syntax: Syntax) -> Result<(Value, Vec<Note>), ImportError> {
    let unreadable = |cause| ImportError::Unreadable { file: file.to_owned(), cause };
    let tree = parse_other(text, syntax).map_err(unreadable)?;
    let mut notes = Vec::new();
    let value = value(&tree, &mut notes);
    Ok((value, notes))
}

fn value(tree: &Tree, notes: &mut Vec<Note>) -> Value {
    match &tree.kind {
        Kind::Null | Kind::Broken => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Text(text) => Value::String(text.clone()),
        Kind::Number(digits) => number(digits, is_in_body(&tree.place.path)).unwrap_or_else(|| {
            let message = "the number was written as a text: it would lose digits otherwise";
            notes.push(Note::new(tree.place.path.as_str(), message));
            Value::String(digits.clone())
        }),
        Kind::List(items) => items.iter().map(|item| value(item, notes)).collect(),
        Kind::Object(entries) => entries.iter().map(|entry| (entry.key.clone(), value(&entry.value, notes))).collect(),
    }
}

/// The number, if it will be written with these digits. In a JSON body `1.10` is `1.1`; as a parameter it is another text.
fn number(digits: &str, is_in_body: bool) -> Option<Value> {
    let integer = digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from)).ok();
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let number = integer.or_else(|| digits.parse::<f64>().ok().filter(|_| !is_whole).and_then(Number::from_f64))?;
    (is_in_body && !is_whole || number.to_string() == digits).then_some(Value::Number(number))
}

fn is_in_body(path: &str) -> bool {
    path.split(['.', '[']).any(|step| step == "json")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, syntax: Syntax) -> Value {
        document("f", text, syntax).unwrap().0
    }

    #[test]
    fn values_are_those_that_a_config_has() {
        let yaml = "a: NO\nb: 007\nc: on\nd: yes\ne: true\nf: 12\ng: 2024-01-01\nh: 18446744073709551615\ni: 1.5\n";
        let expected = json!({
            "a": "NO", "b": "007", "c": "on", "d": "yes", "e": true, "f": 12, "g": "2024-01-01",
            "h": 18446744073709551615_u64, "i": 1.5,
        });
        assert_eq!(read(yaml, Syntax::Yaml), expected);
        assert_eq!(read("a = 2024-01-01\nb = 0x10\n", Syntax::Toml), json!({"a": "2024-01-01", "b": 16}));
        assert_eq!(read("\u{feff}{\"a\": null}", Syntax::Yaml), json!({"a": null}));
        assert!(document("f", "a: [", Syntax::Yaml).unwrap_err().to_string().contains("line "));
    }

    #[test]
    fn digits_are_kept_and_told_where_no_number_has_them() {
        let text = "params: {a: 12345678901234567890123, b: 1.10}\njson: {a: 12345678901234567890123, b: 1.10}\n";
        let (value, notes) = document("f", text, Syntax::Yaml).unwrap();
        let digits = "12345678901234567890123";
        assert_eq!(value, json!({"params": {"a": digits, "b": "1.10"}, "json": {"a": digits, "b": 1.1}}));
        assert_eq!(notes.iter().map(|note| note.path.as_str()).collect::<Vec<_>>(), ["params.a", "params.b", "json.a"]);
    }

    #[test]
    fn a_file_may_be_larger_than_a_config() {
        let text = format!("a: [{}]", "1, ".repeat(300_000));
        assert_eq!(read(&text, Syntax::Yaml)["a"].as_array().unwrap().len(), 300_000);
    }
}
