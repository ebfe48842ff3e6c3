//! References to the environment, told from what a file's texts say.
//!
//! While a file is read, a reference begins with [`MARK`], which no text of the file may hold: so texts can be joined, and
//! `"$" + "{HOME}"` stays what it says. Only when all is joined, [`finished`] writes `${` for the references, and `$${` for what is none.

use serde_json::Value;

use crate::import::literal_text;

/// What a reference begins with until all is joined: no character.
pub(super) const MARK: char = '\u{FDD0}';

/// Why a text cannot be written: `$${` would stand for `${`.
pub(super) const BEHIND_DOLLAR: &str = "a `$` right before a value from the environment cannot be written";

/// A reference to what stands in the braces.
pub(super) fn reference(inside: &str) -> String {
    format!("{MARK}{{{inside}}}")
}

pub(super) fn is_in(text: &str) -> bool {
    text.contains(MARK)
}

/// Whether a `$` stands right before a reference.
pub(super) fn is_behind_dollar(text: &str) -> bool {
    text.split_inclusive(MARK).any(|part| part.strip_suffix(MARK).is_some_and(|before| before.ends_with('$')))
}

/// Every text as a config has it. Keys stand for themselves there.
pub(super) fn finished(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal_text(&text).replace(MARK, "$")),
        Value::Array(items) => items.into_iter().map(finished).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, finished(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::import::python::read;

    #[test]
    fn only_what_is_read_from_the_environment_is_a_reference() {
        for (text, expected) in [
            ("'${HOME}'", Some("$${HOME}")),
            ("'$' + '{HOME}'", Some("$${HOME}")),
            ("'$' '{HOME}'", Some("$${HOME}")),
            ("'$%s' % '{HOME}'", Some("$${HOME}")),
            ("'{}{}'.format('$', B)", Some("$${HOME}")),
            ("f'${B}'", Some("$${HOME}")),
            ("f'{D}{B}'", Some("$${HOME}")),
            ("'$$' + '{file:/etc/hosts}'", Some("$$${file:/etc/hosts}")),
            ("'$' + os.getenv('X', 'a')", None),
            ("f'${amount}'", None),
            ("'$' + amount", None),
            ("'${}'.format(amount)", None),
            ("'$%s' % amount", None),
            ("f'$ {amount}'", Some("$ ${AMOUNT}")),
            ("f'{amount}$'", Some("${AMOUNT}$")),
            ("amount + '{HOME}'", Some("${AMOUNT}{HOME}")),
            ("os.environ['file:/etc/hosts']", None),
            ("os.getenv('file:/etc/hosts')", None),
            (r"'\ufdd0{HOME}'", None),
            ("'\u{fdd0}{HOME}'", None),
        ] {
            let text =
                format!("D = '$'\nB = '{{HOME}}'\nc = {{'client': {{'headers': {{'x': {text}}}}}, 'resources': []}}");
            let (value, notes) = read("f.py", &text, None).unwrap();
            assert_eq!(value["client"]["headers"].get("x"), expected.map(|text| json!(text)).as_ref(), "{text}");
            let is_of_dollar = |note: &&crate::import::Note| note.message.starts_with(super::BEHIND_DOLLAR);
            assert!(notes.iter().filter(is_of_dollar).all(|note| note.is_to_mend), "{notes:?}");
            assert!(expected.is_some() || !notes.is_empty(), "{text}");
        }
    }

    #[test]
    fn keys_stand_for_themselves() {
        let text = "c = {'client': {'headers': {'${A}': 'b', os.environ['X']: 'c'}}, 'resources': []}";
        let (value, notes) = read("f.py", text, None).unwrap();
        assert_eq!((value["client"]["headers"].clone(), notes.len()), (json!({"${A}": "b"}), 1));
    }
}
