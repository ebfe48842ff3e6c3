//! Calls that stand for values: dlt's classes, secrets, and the environment.

use serde_json::{Map, Value};
use tree_sitter::Node;

use super::{
    IS_CONFIG, children,
    expression::{Found, Reader},
};
use crate::{config::is_reference, import::below};

/// A class of dlt's that a config has as an object: its name, its `type` in a config, its parameters in their order.
struct Class(&'static str, &'static str, &'static [&'static str]);

const CLASSES: [Class; 12] = [
    Class("SinglePagePaginator", "single_page", &[]),
    Class("JSONLinkPaginator", "json_link", &["next_url_path"]),
    Class("JSONResponsePaginator", "json_link", &["next_url_path"]),
    Class("HeaderLinkPaginator", "header_link", &["links_next_key"]),
    Class("HeaderCursorPaginator", "header_cursor", &["cursor_key", "cursor_param"]),
    Class("JSONResponseCursorPaginator", "cursor", &["cursor_path", "cursor_param", "cursor_body_path"]),
    Class(
        "OffsetPaginator",
        "offset",
        &["limit", "offset", "offset_param", "limit_param", "total_path", "maximum_offset"],
    ),
    Class("PageNumberPaginator", "page_number", &["base_page", "page", "page_param", "total_path", "maximum_page"]),
    Class("BearerTokenAuth", "bearer", &["token"]),
    Class("APIKeyAuth", "api_key", &["name", "api_key", "location"]),
    Class("HttpBasicAuth", "http_basic", &["username", "password"]),
    Class(
        "OAuth2ClientCredentials",
        "oauth2_client_credentials",
        &["access_token_url", "client_id", "client_secret", "access_token_request_data"],
    ),
];

const INCREMENTAL: Class = Class(
    "incremental",
    "incremental",
    &["cursor_path", "initial_value", "last_value_func", "primary_key", "end_value"],
);

/// A reference to an environment variable: dlt joins the parts of a name by two underscores.
pub(super) fn variable(parts: &[&str]) -> Value {
    let name = parts.join("__").to_uppercase();
    let name: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    Value::String(format!("${{{name}}}"))
}

/// What a call calls, without what stands before it.
pub(super) fn name<'t>(reader: &Reader<'t>, call: Node<'t>) -> &'t str {
    let function = call.child_by_field_name("function").map(|function| reader.text(function)).unwrap_or_default();
    let function = function.split('[').next().unwrap_or_default();
    function.rsplit('.').next().unwrap_or_default()
}

/// Whether a default says that dlt fills the parameter in.
pub(super) fn is_injected(text: &str) -> bool {
    matches!(text, "dlt.secrets.value" | "dlt.config.value")
}

/// The argument of a call, by its name or its place.
pub(super) fn argument<'t>(reader: &Reader<'t>, call: Node<'t>, name: &str, place: usize) -> Option<Node<'t>> {
    let (positional, named) = arguments(reader, call);
    let by_name = named.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    by_name.or_else(|| positional.get(place).copied())
}

type Named<'t> = Vec<(&'t str, Node<'t>)>;

/// The arguments of a call that have names.
pub(super) fn named<'t>(reader: &Reader<'t>, call: Node<'t>) -> Named<'t> {
    arguments(reader, call).1
}

fn arguments<'t>(reader: &Reader<'t>, call: Node<'t>) -> (Vec<Node<'t>>, Named<'t>) {
    let (mut positional, mut named) = (Vec::new(), Vec::new());
    for argument in call.child_by_field_name("arguments").map(children).unwrap_or_default() {
        let parts = ["name", "value"].map(|part| argument.child_by_field_name(part));
        match (argument.kind(), parts) {
            ("keyword_argument", [Some(name), Some(value)]) => named.push((reader.text(name), value)),
            _ => positional.push(argument),
        }
    }
    (positional, named)
}

/// What a call is, where that is known without running it.
pub(super) fn read<'t>(reader: &mut Reader<'t>, call: Node<'t>, path: &str) -> Found {
    let Some(function) = call.child_by_field_name("function") else { return reader.hole(call) };
    let function = reader.text(function).split('[').next().unwrap_or_default();
    let name = name(reader, call);
    if let Some(class) = CLASSES.iter().find(|class| class.0 == name) {
        return Found::Value(object(reader, call, class, path));
    }
    match function {
        // `settings.dict()` says nothing of what is in it.
        _ if IS_CONFIG.contains(&name) && (name != "dict" || function == "dict") => {
            Found::Value(object(reader, call, &Class("dict", "", &[]), path))
        }
        "os.getenv" | "os.environ.get" | "getenv" | "environ.get" => environment(reader, call, path),
        "dlt.secrets.get" | "dlt.config.get" => injected(reader, call, path),
        _ if name == INCREMENTAL.0 || name == "Incremental" => Found::Value(object(reader, call, &INCREMENTAL, path)),
        _ => reader.hole(call),
    }
}

/// The arguments as the keys of an object.
fn object<'t>(reader: &mut Reader<'t>, call: Node<'t>, class: &Class, path: &str) -> Value {
    let mut object = Map::new();
    if !class.1.is_empty() {
        object.insert("type".to_owned(), Value::String(class.1.to_owned()));
    }
    let (positional, named) = arguments(reader, call);
    for extra in positional.iter().skip(class.2.len()) {
        reader.note(*extra, path, "this argument has no name");
    }
    let by_place = class.2.iter().copied().zip(positional);
    for (key, value) in by_place.chain(named) {
        let path = below(path, key);
        match reader.read(value, &path) {
            Found::Value(value) => {
                object.insert(key.to_owned(), value);
            }
            Found::Hole(reason) => reader.note(value, &path, reason),
        }
    }
    Value::Object(object)
}

/// `os.getenv("X", "default")`.
fn environment<'t>(reader: &mut Reader<'t>, call: Node<'t>, path: &str) -> Found {
    let mut texts = [("key", 0), ("default", 1)].map(|(name, place)| {
        let argument = argument(reader, call, name, place)?;
        match reader.read(argument, path) {
            Found::Value(Value::String(text)) => Some(text),
            _ => None,
        }
    });
    let [name, default] = texts.each_mut().map(Option::take);
    let Some(name) = name.filter(|name| is_reference(&format!("${{{name}}}"))) else { return reader.hole(call) };
    match default {
        // A default ends at the first brace.
        Some(default) if default.contains(['{', '}']) => reader.hole(call),
        Some(default) => Found::Value(Value::String(format!("${{{name}:-{default}}}"))),
        None => Found::Value(Value::String(format!("${{{name}}}"))),
    }
}

/// `dlt.secrets.get("github.token")`.
fn injected<'t>(reader: &mut Reader<'t>, call: Node<'t>, path: &str) -> Found {
    let Some(argument) = argument(reader, call, "field", 0) else { return reader.hole(call) };
    match reader.read(argument, path) {
        Found::Value(Value::String(name)) => Found::Value(variable(&name.split('.').collect::<Vec<_>>())),
        _ => reader.hole(call),
    }
}

/// `dlt.secrets["github.token"]`, `os.environ["X"]`.
pub(super) fn reference(reader: &mut Reader<'_>, node: Node<'_>) -> Option<Value> {
    let holder = reader.text(node.child_by_field_name("value")?);
    let name = super::text::plain(reader.text(node.child_by_field_name("subscript")?))?;
    match holder {
        "dlt.secrets" | "dlt.config" => Some(variable(&name.split('.').collect::<Vec<_>>())),
        "os.environ" | "environ" => {
            Some(format!("${{{name}}}")).filter(|reference| is_reference(reference)).map(Value::String)
        }
        _ => None,
    }
}
