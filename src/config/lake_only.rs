//! The config for commands that look at tables and send no request: what only requests need may lack its variables and files.
//!
//! ```text
//! client: {base_url: "${API}", auth: …}                          ─► client: {base_url: "http://unset.invalid"}
//! endpoint: {path: "v1/${TENANT}/a", params: {since: "${S}"}}    ─► endpoint: {path: "v1/unset/a", params: {}}
//! ```
//!
//! Only where something cannot be filled in: else all of the config is checked, as for a run. Whatever tells which tables there are
//! and where (`destination`, names, schemas) needs its variables as ever.

use super::{
    interpolate::Interpolation,
    tree::{Entry, Kind, Value},
};

/// Placeholder of a variable in a path.
const UNSET: &str = "unset";

/// No host by RFC 6761, should anybody send a request all the same.
const NO_URL: &str = "http://unset.invalid";

const STEPS: &str = "processing_steps";

/// Objects whose keys have a meaning together, so that one of them cannot be left out.
const WHOLE: [&str; 2] = ["paginator", "auth"];

/// Leaves out what cannot be filled in and is not needed.
pub fn leave_out(root: &mut Value, interpolation: &mut Interpolation<'_>) {
    if let Some(client) = root.get_mut("client").filter(|client| !can_fill(client, interpolation)) {
        let span = client.place.span;
        let base_url = Value::new(Kind::Text(NO_URL.to_owned()), span);
        client.kind = Kind::Object(vec![Entry { key: "base_url".to_owned(), key_span: span, value: base_url }]);
        client.set_paths("client".to_owned());
    }
    if let Some(defaults) = root.get_mut("resource_defaults") {
        resource(defaults, interpolation);
    }
    if let Some(Kind::List(resources)) = root.get_mut("resources").map(|resources| &mut resources.kind) {
        resources.iter_mut().for_each(|item| resource(item, interpolation));
    }
}

fn resource(resource: &mut Value, interpolation: &mut Interpolation<'_>) {
    // Steps change records, and no table's name or place.
    if let Kind::Object(entries) = &mut resource.kind {
        entries.retain(|entry| entry.key != STEPS || can_fill(&entry.value, interpolation));
    }
    let Some(endpoint) = resource.get_mut("endpoint") else { return };
    // A bare text is the path.
    path(endpoint, interpolation);
    let Kind::Object(entries) = &mut endpoint.kind else { return };
    entries.retain_mut(|entry| match entry.key.as_str() {
        "path" => {
            path(&mut entry.value, interpolation);
            true
        }
        key if WHOLE.contains(&key) => can_fill(&entry.value, interpolation),
        _ => {
            if let Kind::Object(inner) = &mut entry.value.kind {
                inner.retain(|entry| can_fill(&entry.value, interpolation));
            }
            can_fill(&entry.value, interpolation)
        }
    });
}

/// A path keeps its placeholders, by which a resource has a parent.
fn path(value: &mut Value, interpolation: &mut Interpolation<'_>) {
    let Kind::Text(text) = &mut value.kind else { return };
    if interpolation.can_fill(text) {
        return;
    }
    let mut pieces = text.split("${");
    let first = pieces.next().unwrap_or_default().to_owned();
    let filled = pieces.fold(first, |path, piece| match piece.split_once('}') {
        Some((expression, rest)) => {
            let written = format!("${{{expression}}}");
            let kept = if interpolation.can_fill(&written) { written } else { UNSET.to_owned() };
            format!("{path}{kept}{rest}")
        }
        None => path + piece,
    });
    *text = filled;
}

fn can_fill(value: &Value, interpolation: &mut Interpolation<'_>) -> bool {
    match &value.kind {
        Kind::Text(text) => !text.contains("${") || interpolation.can_fill(text),
        Kind::List(items) => items.iter().all(|item| can_fill(item, interpolation)),
        Kind::Object(entries) => entries.iter().all(|entry| can_fill(&entry.value, interpolation)),
        _ => true,
    }
}
