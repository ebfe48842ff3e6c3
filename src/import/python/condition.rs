//! `a if condition else b`: which of the two it is, where the file says so.

use serde_json::Value;
use tree_sitter::Node;

use super::{
    children,
    expression::{Found, Reader},
    reference,
};

/// What it is; a condition that is not known leaves what is not `None`, and is told.
pub(super) fn read<'t>(reader: &mut Reader<'t>, node: Node<'t>, path: &str) -> Found {
    let parts = children(node);
    let &[value, condition, other] = parts.as_slice() else { return reader.hole(node) };
    if let Some(holds) = truth(reader, condition, path) {
        return reader.read(if holds { value } else { other }, path);
    }
    let Some(likely) = reader.but_for_none(node) else { return reader.hole(node) };
    // `a if a else None` says nothing more than `a`.
    if reader.text(likely) != reader.text(condition) && !reader.is_fixed() {
        let message = format!(
            "`{}` is not known: the value was taken that is not None: look which counts",
            reader.shown(condition)
        );
        reader.tell(condition, path, message);
    }
    reader.read(likely, path)
}

/// Whether a condition holds; `None` if the file does not say so.
fn truth<'t>(reader: &mut Reader<'t>, node: Node<'t>, path: &str) -> Option<bool> {
    match node.kind() {
        "parenthesized_expression" => truth(reader, children(node).into_iter().next()?, path),
        "not_operator" => Some(!truth(reader, node.child_by_field_name("argument")?, path)?),
        "comparison_operator" => compared(reader, node, path),
        _ => match reader.if_known(|reader| reader.read(node, path))? {
            Value::Null => Some(false),
            Value::Bool(holds) => Some(holds),
            Value::Number(number) => Some(number.as_f64()? != 0.0),
            // A variable has to be set, but for a default that is empty.
            Value::String(text) => (!reference::is_in(&text) || !text.contains(":-}")).then_some(!text.is_empty()),
            // What could not be read is missing in them.
            Value::Array(items) => (!items.is_empty()).then_some(true),
            Value::Object(entries) => (!entries.is_empty()).then_some(true),
        },
    }
}

/// `x is None` and `x is not None`.
fn compared<'t>(reader: &mut Reader<'t>, node: Node<'t>, path: &str) -> Option<bool> {
    let &[left, right] = children(node).as_slice() else { return None };
    let operator = reader.between(left, right).split_whitespace().collect::<Vec<_>>().join(" ");
    let is_none = reader.if_known(|reader| reader.read(left, path))?.is_null();
    match (operator.as_str(), right.kind()) {
        ("is", "none") => Some(is_none),
        ("is not", "none") => Some(!is_none),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::import::python::read;

    /// In a function whose only call gives `given` for true.
    fn value(text: &str) -> (Option<Value>, usize) {
        let text = format!(
            "ON = True\nOFF = 0\ndef f(none=None, given=False, token=dlt.secrets.value):\n    \
             return {{'client': {{'x': {text}}}, 'resources': []}}\nf(given=True)"
        );
        let (value, notes) = read("f.py", &text, None).unwrap();
        (value["client"].get("x").cloned(), notes.len())
    }

    #[test]
    fn the_side_is_taken_that_a_known_condition_says() {
        for (text, expected) in [
            ("'a' if ON else None", json!("a")),
            ("'a' if OFF else None", json!(null)),
            ("'a' if not OFF else 'b'", json!("a")),
            ("None if OFF else 'b'", json!("b")),
            ("'a' if none else 'b'", json!("b")),
            ("'a' if none is None else 'b'", json!("a")),
            ("'a' if (none is not None) else 'b'", json!("b")),
            ("'a' if given else None", json!("a")),
            ("'a' if token else None", json!("a")),
            ("'a' if '' else 'b'", json!("b")),
            ("'a' if [1] else 'b'", json!("a")),
        ] {
            assert_eq!(value(text), (Some(expected), 0), "{text}");
        }
    }

    #[test]
    fn a_condition_that_is_not_known_is_told_or_leaves_the_value_out() {
        for (text, expected) in [
            ("'a' if flag() else None", Some(json!("a"))),
            ("None if os.getenv('X', '') else 'a'", Some(json!("a"))),
            ("'a' if ON == 2 else None", Some(json!("a"))),
            ("'a' if flag() else 'b'", None),
        ] {
            assert_eq!(value(text), (expected, 1), "{text}");
        }
        let text = "def f(a=False):\n    return {'client': {'x': 1 if a else None}, 'resources': []}\nf(True)\nf()";
        let (config, notes) = read("f.py", text, None).unwrap();
        assert_eq!((config["client"]["x"].clone(), notes[0].line, notes.len()), (json!(1), Some(2), 1));
    }
}
