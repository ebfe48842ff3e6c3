//! Texts that are filled in: `"a/{}".format(x)` and `"a/%s" % x`.

use serde_json::Value;
use tree_sitter::Node;

use super::{
    call, children,
    expression::{Found, Reader, in_text},
    reference,
};

enum Part<'t> {
    Text(String),
    Argument(Node<'t>),
}

/// `template.format(…)`; `None` if it is no text that is known, or has more in its braces than a name.
pub(super) fn call<'t>(reader: &mut Reader<'t>, call: Node<'t>, path: &str) -> Option<Found> {
    let object = call.child_by_field_name("function")?.child_by_field_name("object")?;
    // What has no place to fill in may be no text, but a date.
    let template = template(reader, object, path).filter(|template| template.contains(['{', '}']))?;
    let (positional, named) = call::arguments(reader.source(), call);
    let (mut parts, mut next) = (Vec::new(), 0);
    let mut rest = template.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at_checked(at)?;
        parts.push(Part::Text(before.to_owned()));
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            parts.push(Part::Text(from.chars().take(1).collect()));
            rest = after;
            continue;
        }
        let (name, after) = from.strip_prefix('{')?.split_once('}')?;
        let place = if name.is_empty() { Some(next) } else { name.parse().ok() };
        next += usize::from(name.is_empty());
        let by_name = || named.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        parts.push(Part::Argument(place.map_or_else(by_name, |place| positional.get(place).copied())?));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    filled(reader, parts, path)
}

/// `template % (…)`.
pub(super) fn percent<'t>(reader: &mut Reader<'t>, template: Node<'t>, values: Node<'t>, path: &str) -> Option<Found> {
    let template = self::template(reader, template, path)?;
    let mut values = if values.kind() == "tuple" { children(values) } else { vec![values] }.into_iter();
    let mut parts = Vec::new();
    let mut rest = template.as_str();
    while let Some((before, from)) = rest.split_once('%') {
        parts.push(Part::Text(before.to_owned()));
        parts.push(match from.chars().next()? {
            's' => Part::Argument(values.next()?),
            '%' => Part::Text("%".to_owned()),
            _ => return None,
        });
        rest = from.get(1..)?;
    }
    parts.push(Part::Text(rest.to_owned()));
    values.next().is_none().then(|| filled(reader, parts, path)).flatten()
}

/// A reference within it would be taken for a place that is to be filled in.
fn template<'t>(reader: &mut Reader<'t>, node: Node<'t>, path: &str) -> Option<String> {
    match reader.fixed(|reader| reader.read(node, path)) {
        Found::Value(Value::String(text)) if !reference::is_in(&text) => Some(text),
        _ => None,
    }
}

fn filled<'t>(reader: &mut Reader<'t>, parts: Vec<Part<'t>>, path: &str) -> Option<Found> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(part) => text += &part,
            Part::Argument(node) => match reader.in_text(node, path) {
                Found::Value(value) => text += &in_text(&value)?,
                hole @ Found::Hole(_) => return Some(hole),
            },
        }
    }
    Some(reader.joined_text(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::import::python::read;

    #[test]
    fn texts_are_filled_in_as_python_does() {
        for (text, expected) in [
            ("'a/{}/{}'.format('b', 5)", Some("a/b/5")),
            ("'a/{1}/{0}/{{resources.x.id}}'.format('b', 'c')", Some("a/c/b/{resources.x.id}")),
            ("T.format(org=unknown)", Some("a/${UNKNOWN}")),
            ("'a/%s/%s%%' % ('b', 5)", Some("a/b/5%")),
            ("'a/%s' % unknown", Some("a/${UNKNOWN}")),
            ("'a/{:03d}'.format(5)", None),
            ("'a/{}'.format()", None),
            ("'a/{}{}'.format(unknown, get())", None),
            ("'a/{x}'.format(**y)", None),
            ("'a/%(x)s' % y", None),
            ("'a/%d' % 5", None),
            ("'a/%s' % ('b', 'c')", None),
            ("'${a}{}'.format('b')", None),
            ("get().format('b')", None),
        ] {
            let text =
                format!("T = 'a/{{org}}'\nc = {{'client': {{}}, 'resources': [{{'endpoint': {{'path': {text}}}}}]}}");
            let (value, notes) = read("f.py", &text, None).unwrap();
            let found = value["resources"][0]["endpoint"].get("path");
            assert_eq!(found, expected.map(|text| json!(text)).as_ref(), "{text}");
            let is_told = expected.is_none_or(|text| text.contains("${"));
            assert_eq!(notes.len(), usize::from(is_told), "{text}: {notes:?}");
        }
    }
}
