//! Calls that stand for values: dlt's classes, secrets, and the environment.

use serde_json::{Map, Value};
use tree_sitter::Node;

use super::{
    IS_CONFIG, children, date,
    expression::{Found, Reader, in_text},
    format, reference, text,
};
use crate::{config::is_variable_name, import::below, secret::is_secret_name};

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
        &["limit", "offset", "offset_param", "limit_param", "total_path", "maximum_offset", "stop_after_empty_page"],
    ),
    Class(
        "PageNumberPaginator",
        "page_number",
        &["base_page", "page", "page_param", "total_path", "maximum_page", "stop_after_empty_page"],
    ),
    Class("BearerTokenAuth", "bearer", &["token"]),
    Class("APIKeyAuth", "api_key", &["name", "api_key", "location"]),
    Class("HttpBasicAuth", "http_basic", &["username", "password"]),
    Class(
        "OAuth2ClientCredentials",
        "oauth2_client_credentials",
        &[
            "access_token",
            "access_token_url",
            "client_id",
            "client_secret",
            "access_token_request_data",
            "default_token_expiration",
        ],
    ),
];

/// The types of dlt's that are dicts.
const TYPED_DICTS: [&str; 14] = [
    "ClientConfig",
    "EndpointResourceBase",
    "EndpointResource",
    "ResourceBase",
    "Endpoint",
    "IncrementalConfig",
    "IncrementalRESTArgs",
    "IncrementalArgs",
    "IncrementalParamConfig",
    "ResolveParamConfig",
    "ParamBindConfig",
    "ResponseActionDict",
    "ResponseAction",
    "ProcessingSteps",
];

/// What the names of the dicts of paginators and auths end with.
const ENDS_OF_TYPED_DICTS: [&str; 4] = ["PaginatorConfig", "PaginatorTypeConfig", "AuthConfig", "AuthTypeConfig"];

const INCREMENTAL: Class = Class(
    "incremental",
    "incremental",
    &[
        "cursor_path",
        "initial_value",
        "last_value_func",
        "primary_key",
        "end_value",
        "row_order",
        "allow_external_schedulers",
        "on_cursor_value_missing",
        "lag",
        "range_start",
        "range_end",
    ],
);

/// A reference to an environment variable.
pub(super) fn variable(parts: &[&str]) -> Value {
    Value::String(reference::reference(&variable_name(parts)))
}

/// dlt joins the parts of a name by two underscores. A name without a letter of ASCII is told by its characters' codes: every
/// shell sets `_`.
pub(super) fn variable_name(parts: &[&str]) -> String {
    let name = parts.join("__").to_uppercase();
    if !name.contains(|letter: char| letter.is_ascii_alphanumeric()) {
        let codes: Vec<_> = name.chars().map(|letter| format!("{:X}", u32::from(letter))).collect();
        return format!("IMPORTED_{}", codes.join("_"));
    }
    let name: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
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
    let (positional, named) = arguments(reader.source(), call);
    let by_name = named.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    by_name.or_else(|| positional.get(place).copied())
}

type Named<'t> = Vec<(&'t str, Node<'t>)>;

/// The arguments of a call that have names.
pub(super) fn named<'t>(reader: &Reader<'t>, call: Node<'t>) -> Named<'t> {
    arguments(reader.source(), call).1
}

/// The arguments of a call without and with names. What is unpacked counts as one without.
pub(super) fn arguments<'t>(source: &'t str, call: Node<'t>) -> (Vec<Node<'t>>, Named<'t>) {
    let (mut positional, mut named) = (Vec::new(), Vec::new());
    for argument in call.child_by_field_name("arguments").map(children).unwrap_or_default() {
        let parts = ["name", "value"].map(|part| argument.child_by_field_name(part));
        match (argument.kind(), parts) {
            ("keyword_argument", [Some(name), Some(value)]) => {
                named.push((source.get(name.byte_range()).unwrap_or_default(), value));
            }
            _ => positional.push(argument),
        }
    }
    (positional, named)
}

fn is_typed_dict(name: &str) -> bool {
    let is_any = |names: &[&str]| names.contains(&name);
    name != "dict" && is_any(&IS_CONFIG)
        || is_any(&TYPED_DICTS)
        || name == "OAuth2ClientCredentialsConfig"
        || ENDS_OF_TYPED_DICTS.iter().any(|end| name.ends_with(end) && name.len() > end.len())
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
        "dict" => Found::Value(dict(reader, call, path)),
        _ if is_typed_dict(name) => Found::Value(dict(reader, call, path)),
        "os.getenv" | "os.environ.get" | "getenv" | "environ.get" => environment(reader, call, path),
        "dlt.secrets.get" | "dlt.config.get" => injected(reader, call, path),
        _ if name == INCREMENTAL.0 || name == "Incremental" => Found::Value(object(reader, call, &INCREMENTAL, path)),
        "str" => text_of(reader, call, path),
        // A date has a method of this name, too.
        _ if name == "format" => {
            if let Some(text) = date::read(reader, call, path) {
                return Found::Value(text.into());
            }
            reader.all_of(|reader| format::call(reader, call, path).unwrap_or_else(|| reader.hole(call)))
        }
        _ => match date::read(reader, call, path) {
            Some(text) => Found::Value(text.into()),
            None => reader.hole(call),
        },
    }
}

/// `dict(DEFAULTS, path="a", **more)`.
fn dict<'t>(reader: &mut Reader<'t>, call: Node<'t>, path: &str) -> Value {
    let mut object = Map::new();
    let (positional, named) = arguments(reader.source(), call);
    for argument in positional {
        let inner = if argument.kind() == "dictionary_splat" { children(argument).into_iter().next() } else { None };
        match reader.read(inner.unwrap_or(argument), path) {
            Found::Value(Value::Object(more)) => object.extend(more),
            Found::Value(_) => reader.note(argument, path, "what is merged here is no dict"),
            Found::Hole(reason) => reader.note(argument, path, reason),
        }
    }
    entries(reader, named, path, &mut object);
    Value::Object(object)
}

/// `str(50)`.
fn text_of<'t>(reader: &mut Reader<'t>, call: Node<'t>, path: &str) -> Found {
    match argument(reader, call, "object", 0).map(|argument| reader.as_text(|reader| reader.read(argument, path))) {
        Some(Found::Value(value)) => match in_text(&value) {
            Some(text) => Found::Value(text.into()),
            None => reader.hole(call),
        },
        Some(hole) => hole,
        None => reader.hole(call),
    }
}

fn entries<'t>(reader: &mut Reader<'t>, named: Named<'t>, path: &str, object: &mut Map<String, Value>) {
    for (key, value) in named {
        if let Some(value) = reader.value(value, &below(path, key)) {
            object.insert(key.to_owned(), value);
        }
    }
}

/// The arguments as the keys of an object.
fn object<'t>(reader: &mut Reader<'t>, call: Node<'t>, class: &Class, path: &str) -> Value {
    let mut object = Map::new();
    if !class.1.is_empty() {
        object.insert("type".to_owned(), Value::String(class.1.to_owned()));
    }
    let (positional, named) = arguments(reader.source(), call);
    for extra in positional.iter().skip(class.2.len()) {
        reader.note(*extra, path, "this argument has no name");
    }
    let by_place = class.2.iter().copied().zip(positional);
    entries(reader, by_place.chain(named).collect(), path, &mut object);
    Value::Object(object)
}

/// `os.getenv("X", "default")`.
fn environment<'t>(reader: &mut Reader<'t>, call: Node<'t>, path: &str) -> Found {
    let mut texts = [("key", 0), ("default", 1)].map(|(name, place)| {
        let argument = argument(reader, call, name, place)?;
        match reader.fixed(|reader| reader.read(argument, path)) {
            Found::Value(value) => in_text(&value),
            Found::Hole(_) => None,
        }
    });
    let [name, default] = texts.each_mut().map(Option::take);
    let Some(name) = name.filter(|name| is_variable_name(name)) else { return reader.hole(call) };
    let written = argument(reader, call, "default", 1).filter(|default| default.kind() != "none");
    match default.filter(|_| !written.is_some_and(|written| is_credential(reader, &name, written))) {
        // A default ends at the first brace.
        Some(default) if default.contains(['{', '}']) => reader.hole(call),
        Some(default) => Found::Value(Value::String(reference::reference(&format!("{name}:-{default}")))),
        None => {
            if let Some(written) = written.filter(|_| !reader.is_fixed()) {
                let message = format!("the default of {name} was left out: set the environment variable {name}");
                reader.tell(written, path, message);
            }
            Found::Value(Value::String(reference::reference(&name)))
        }
    }
}

/// Whether the default of a variable is one, by the name of either.
fn is_credential<'t>(reader: &Reader<'t>, variable: &str, default: Node<'t>) -> bool {
    let is_empty = default.kind() == "string" && text::plain(reader.text(default)) == Some("");
    !is_empty && (is_secret_name(variable) || default.kind() != "string" && is_secret_name(reader.text(default)))
}

/// `dlt.secrets.get("github.token")`.
fn injected<'t>(reader: &mut Reader<'t>, call: Node<'t>, path: &str) -> Found {
    let Some(argument) = argument(reader, call, "field", 0) else { return reader.hole(call) };
    match reader.fixed(|reader| reader.read(argument, path)) {
        Found::Value(Value::String(name)) => Found::Value(variable(&name.split('.').collect::<Vec<_>>())),
        _ => reader.hole(call),
    }
}

/// `dlt.secrets["github.token"]`, `os.environ["X"]`.
pub(super) fn reference(reader: &mut Reader<'_>, node: Node<'_>) -> Option<Value> {
    let holder = reader.text(node.child_by_field_name("value")?);
    let name = text::plain(reader.text(node.child_by_field_name("subscript")?))?;
    match holder {
        "dlt.secrets" | "dlt.config" => Some(variable(&name.split('.').collect::<Vec<_>>())),
        "os.environ" | "environ" => is_variable_name(name).then(|| Value::String(reference::reference(name))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::import::python::read;

    fn client(text: &str) -> (Value, usize) {
        let text = format!(
            "BASE = {{'a': 1, 'in': {{'b': 2}}}}\nPASSWORD = 'hunter3'\nclass Set:\n    LIMIT = 5\nc = {{'client': {text}, 'resources': []}}"
        );
        let (mut value, notes) = read("f.py", &text, None).unwrap();
        (value["client"].take(), notes.len())
    }

    #[test]
    fn dicts_of_all_kinds_are_dicts() {
        for (text, expected) in [
            (
                "ClientConfig(base_url='u', auth=BearerTokenAuthConfig(type='bearer', token='t'))",
                json!({"base_url": "u", "auth": {"type": "bearer", "token": "t"}}),
            ),
            (
                "{'paginator': PageNumberPaginatorConfig(type='page_number', base_page=1)}",
                json!({"paginator": {"type": "page_number", "base_page": 1}}),
            ),
            (
                "EndpointResource(name='a', endpoint=Endpoint(path='p', incremental=IncrementalConfig(cursor_path='c')))",
                json!({"name": "a", "endpoint": {"path": "p", "incremental": {"cursor_path": "c"}}}),
            ),
            (
                "typing.ResponseAction(status_code=404, action='ignore')",
                json!({"status_code": 404, "action": "ignore"}),
            ),
            ("ClientConfig({'a': 1}, b=2)", json!({"a": 1, "b": 2})),
            ("dict(BASE, a=3, **BASE['in'])", json!({"a": 3, "in": {"b": 2}, "b": 2})),
            ("BASE | {'a': 3}", json!({"a": 3, "in": {"b": 2}})),
            ("{'x': BASE['in']['b'], 'y': Set.LIMIT}", json!({"x": 2, "y": 5})),
            ("{'x': {'a': 'b', 1: 'c', None: 'd'}['a']}", json!({"x": "b"})),
            ("{'x': {f(): 'c', 'a': 'b'}['a']}", json!({"x": "b"})),
            ("{'x': {r'a': 'c', 'a': 'b', '''d''': 'e'}['a']}", json!({"x": "b"})),
            ("{'x': {'a': 'b', f'a': 'c'}['a']}", json!({"x": "c"})),
            ("{'x': {'a': 'b', '\\x61': 'c'}['a']}", json!({"x": "c"})),
            ("{'x': {'a': 'b', 'a': 'c'}['a']}", json!({"x": "c"})),
        ] {
            assert_eq!(client(text), (expected, 0), "{text}");
        }
        for text in [
            "settings.dict()",
            "MyConfig(a=1)",
            "BASE['none']",
            "Set.NONE",
            "AuthConfig(token='t')",
            "{'a': 1, f(): 2}['a']",
            "{'a': 1, **x}['a']",
            "{'a': 1, f'{x}': 2}['a']",
        ] {
            assert_eq!(client(text), (Value::Null, 1), "{text}");
        }
    }

    #[test]
    fn a_variable_has_its_default_whatever_it_is() {
        for (text, expected) in [
            ("os.getenv('L', 100)", json!("${L:-100}")),
            ("os.environ.get('L', default=1.5)", json!("${L:-1.5}")),
            ("os.getenv('L', 'a$')", json!("${L:-a$}")),
            ("os.getenv('L', None)", json!("${L}")),
        ] {
            assert_eq!(client(text), (expected, 0), "{text}");
        }
        for (text, expected) in [
            ("os.getenv('L', f())", json!("${L}")),
            ("os.getenv('API_TOKEN', 'hunter2')", json!("${API_TOKEN}")),
            ("os.getenv('L', PASSWORD)", json!("${L}")),
            ("'https://a/' + os.getenv('API_TOKEN', 'hunter2')", json!("https://a/${API_TOKEN}")),
        ] {
            assert_eq!(client(text), (expected, 1), "{text}");
        }
    }

    #[test]
    fn every_name_becomes_one_that_only_it_has_and_a_shell_can_set() {
        for (name, expected) in [
            ("org", "ORG"),
            ("schlüssel", "SCHL_SSEL"),
            ("2fa", "_2FA"),
            ("名", "IMPORTED_540D"),
            ("名前", "IMPORTED_540D_524D"),
            ("_", "IMPORTED_5F"),
        ] {
            assert_eq!(super::variable_name(&[name]), expected);
        }
    }

    #[test]
    fn arguments_of_classes_have_the_places_of_dlts() {
        for (text, expected) in [
            (
                "OffsetPaginator(100, 0, 'skip', 'take', None, 1000, False)",
                json!({
                    "type": "offset", "limit": 100, "offset": 0, "offset_param": "skip", "limit_param": "take", "total_path": null,
                    "maximum_offset": 1000, "stop_after_empty_page": false,
                }),
            ),
            (
                "PageNumberPaginator(1, None, 'p', None, 9, False)",
                json!({"type": "page_number", "base_page": 1, "page": null, "page_param": "p", "total_path": null, "maximum_page": 9, "stop_after_empty_page": false}),
            ),
            (
                "OAuth2ClientCredentials(None, 'u', 'i')",
                json!({"type": "oauth2_client_credentials", "access_token": null, "access_token_url": "u", "client_id": "i"}),
            ),
            (
                "incremental[str]('c', '1', max, None, None, 'asc')",
                json!({"type": "incremental", "cursor_path": "c", "initial_value": "1", "last_value_func": "max", "primary_key": null, "end_value": null, "row_order": "asc"}),
            ),
        ] {
            let (value, _) = client(text);
            assert_eq!(value, expected, "{text}");
        }
    }
}
