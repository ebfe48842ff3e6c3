//! Names whose values are not known, in texts: a variable of the environment stands for each, which the user has to set.

use serde_json::Value;
use tree_sitter::Node;

use super::{
    call, children,
    expression::{Reader, in_text as written},
    reference::{self, reference},
    scope::Binding,
};
use crate::secret::is_secret_name;

/// Keys of texts, wherever they stand.
const TEXTS: [&str; 5] = ["base_url", "path", "name", "initial_value", "end_value"];

/// Keys below which texts stand, and what becomes one.
const HOLD_TEXTS: [&str; 4] = ["params", "headers", "auth", "paginator"];

/// Keys of what a request sends, and no credential stands under by their own meaning.
const SENT: [&str; 6] = ["base_url", "path", "headers", "params", "json", "data"];

/// Variables that are set on many machines, for something else.
const OF_MACHINES: [&str; 31] = [
    "PATH",
    "HOME",
    "USER",
    "USERNAME",
    "LOGNAME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "HOST",
    "HOSTNAME",
    "LANG",
    "LANGUAGE",
    "TERM",
    "TZ",
    "TMP",
    "TEMP",
    "TMPDIR",
    "EDITOR",
    "DISPLAY",
    "MAIL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "DSN",
    "DATABASE_URL",
    "DB_URL",
    "REDIS_URL",
    "MONGO_URL",
    "MONGO_URI",
    "CONNECTION_STRING",
];

/// What the names of variables of well-known tools begin with.
const OF_TOOLS: [&str; 16] = [
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "GCP_",
    "GITHUB_",
    "GITLAB_",
    "CI_",
    "SSH_",
    "LC_",
    "XDG_",
    "DOCKER_",
    "KUBE",
    "PYTHON",
    "CARGO_",
    "RESTLAKE_",
    "DLT_",
];

/// What stands in a text in place of an expression without a value; `None` if it has no name to go by.
pub(super) fn in_text<'t>(reader: &mut Reader<'t>, node: Node<'t>, path: &str) -> Option<String> {
    let name = name(reader, node)?;
    if reader.is_fixed() {
        return None;
    }
    let variable = variable(name, path);
    let message = format!("`{name}` has no single value in the file: set the environment variable {variable}");
    reader.tell(node, path, message);
    Some(reference(&variable))
}

/// The same for a value that is no text in Python's syntax, where it is one in the config.
pub(super) fn whole<'t>(reader: &mut Reader<'t>, node: Node<'t>, path: &str) -> Option<String> {
    let steps: Vec<_> = path.split('.').collect();
    let (last, before) = steps.split_last()?;
    let is_in = |keys: &[&str]| before.iter().any(|step| keys.contains(step));
    let is_text = TEXTS.contains(last) || is_in(&HOLD_TEXTS) && *last != "session";
    let is_of_column = is_in(&["columns", "json", "data", "processing_steps"]);
    (is_text && !is_of_column).then(|| in_text(reader, node, path)).flatten()
}

/// What stands in place of a credential that a name of the file holds, where a request would carry it openly. Under keys of
/// credentials it is taken out later.
pub(super) fn credential<'t>(
    reader: &mut Reader<'t>,
    node: Node<'t>,
    name: &str,
    value: &Value,
    path: &str,
) -> Option<Value> {
    let is_sent = path.split('.').any(|step| SENT.contains(&step));
    let text = written(value).filter(|text| !text.is_empty() && !value.is_boolean() && !reference::is_in(text))?;
    if !is_sent || !is_secret_name(name) || reader.is_fixed() {
        return None;
    }
    let variable = reader.variable_of(variable(name, path), text);
    let message = format!("the credential in the file was not copied: set the environment variable {variable}");
    reader.tell(node, path, message);
    Some(Value::String(reference(&variable)))
}

/// What an expression goes by: its own name, or that of what it is made of.
fn name<'t>(reader: &Reader<'t>, node: Node<'t>) -> Option<&'t str> {
    match node.kind() {
        "identifier" => {
            let is_code = matches!(reader.binding(node), Some(Binding::Definition(_)));
            (!is_code).then(|| reader.text(node))
        }
        "attribute" => {
            let object = node.child_by_field_name("object").filter(|object| object.kind() == "identifier")?;
            let name = reader.text(node.child_by_field_name("attribute")?);
            let is_cursor = ["last_value", "start_value", "end_value"].contains(&name);
            let is_foreign = matches!(reader.text(object), "self" | "cls")
                || matches!(reader.binding(object), None | Some(Binding::Definition(_)));
            (is_foreign && !is_cursor).then_some(name)
        }
        "parenthesized_expression" => name(reader, children(node).into_iter().next()?),
        "call" if call::name(reader, node) == "str" => name(reader, call::argument(reader, node, "object", 0)?),
        "conditional_expression" => name(reader, reader.but_for_none(node)?),
        _ => None,
    }
}

/// Under the name that dlt gives it. One that may be set already for something else, and be secret, is no part of a request: such
/// a name gets a word before it, but where the place is a credential's.
fn variable(name: &str, path: &str) -> String {
    let variable = call::variable_name(&[name]);
    let is_others = OF_MACHINES.contains(&variable.as_str()) || OF_TOOLS.iter().any(|tool| variable.starts_with(tool));
    let is_for_credential = path.split('.').any(|step| step == "auth" || is_secret_name(step));
    if is_others || is_secret_name(&variable) && !is_for_credential { format!("IMPORTED_{variable}") } else { variable }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::import::{Note, python::read};

    /// Of a resource in a function with the parameters `org`, `path`, `token` and `since`.
    fn resource(entries: &str) -> (Value, Vec<Note>) {
        let text = format!(
            "def f(org, path, token, since):\n    def code(): pass\n    return {{'client': {{}}, 'resources': [{{{entries}}}]}}"
        );
        let (mut value, notes) = read("f.py", &text, None).unwrap();
        (value["resources"][0].take(), notes)
    }

    #[test]
    fn a_name_without_a_value_in_a_text_is_a_variable_that_is_told() {
        for (written, expected) in [
            ("f'orgs/{org}/b'", "orgs/${ORG}/b"),
            ("'orgs/' + org + '/b'", "orgs/${ORG}/b"),
            ("'orgs/' + str(org)", "orgs/${ORG}"),
            ("f'orgs/{self.org_id}'", "orgs/${ORG_ID}"),
            ("org", "${ORG}"),
            ("org if org else None", "${ORG}"),
            ("imported", "${IMPORTED}"),
        ] {
            let (resource, notes) = resource(&format!("'endpoint': {{'path': {written}}}"));
            assert_eq!(resource, json!({"endpoint": {"path": expected}}), "{written}");
            assert!(matches!(notes.as_slice(), [note] if note.line == Some(3) && !note.is_to_mend), "{notes:?}");
            assert!(notes[0].message.contains("set the environment variable"), "{notes:?}");
        }
    }

    #[test]
    fn a_variable_that_is_set_for_something_else_is_not_read() {
        let (resource, _) = resource(
            "'name': f'{home}', 'endpoint': {'path': f'{path}/{token}/{aws_region}', 'headers': {'Authorization': f'Bearer {token}'}, \
             'auth': {'token': token, 'username': user}}",
        );
        let endpoint = &resource["endpoint"];
        assert_eq!(resource["name"], "${IMPORTED_HOME}");
        assert_eq!(endpoint["path"], "${IMPORTED_PATH}/${IMPORTED_TOKEN}/${IMPORTED_AWS_REGION}");
        assert_eq!(endpoint["headers"]["Authorization"], "Bearer ${TOKEN}");
        assert_eq!(endpoint["auth"], json!({"token": "${TOKEN}", "username": "${IMPORTED_USER}"}));
    }

    #[test]
    fn a_name_that_may_be_imported_has_no_value_but_its_variable() {
        for (import, expected) in [
            ("from conf import ORG", "a/${ORG}"),
            ("from conf import THE_ORG as ORG", "a/${ORG}"),
            ("import ORG", "a/${ORG}"),
            ("from conf import OTHER", "a/demo"),
        ] {
            let text = format!(
                "try:\n    {import}\nexcept ImportError:\n    ORG = 'demo'\nc = {{'client': {{}}, 'resources': [{{'endpoint': {{'path': f'a/{{ORG}}'}}}}]}}"
            );
            let (value, notes) = read("f.py", &text, None).unwrap();
            assert_eq!(value["resources"][0]["endpoint"]["path"], expected, "{import}");
            assert_eq!(notes.len(), usize::from(expected.contains("${")), "{import}");
        }
    }

    #[test]
    fn what_is_no_text_or_has_no_name_is_no_variable() {
        for (entries, expected) in [
            ("'columns': org", json!({})),
            ("'endpoint': {'json': {'a': org}}", json!({"endpoint": {"json": {}}})),
            ("'endpoint': {'params': {f'{org}_id': 1}}", json!({"endpoint": {"params": {}}})),
            ("'endpoint': {'params': {'a': os.getenv(f'X{org}')}}", json!({"endpoint": {"params": {}}})),
            ("'endpoint': {'params': {'a': since.last_value}}", json!({"endpoint": {"params": {}}})),
            ("'endpoint': {'paginator': org}", json!({"endpoint": {}})),
        ] {
            let (resource, notes) = resource(entries);
            assert_eq!((&resource, notes.len()), (&expected, 1), "{entries}: {notes:?}");
        }
        let (resource, notes) = resource("'endpoint': {'path': f'{org}/{get()}'}");
        assert_eq!((resource, notes.len()), (json!({"endpoint": {}}), 1));
    }

    #[test]
    fn a_credential_that_a_name_holds_is_a_variable_wherever_it_is_sent() {
        for (written, expected) in [
            (
                "'base_url': f'https://a.example/bot{API_TOKEN}/'",
                json!({"base_url": "https://a.example/bot${IMPORTED_API_TOKEN}/"}),
            ),
            (
                "'headers': {'X-Custom': f'Bearer {API_TOKEN}'}",
                json!({"headers": {"X-Custom": "Bearer ${IMPORTED_API_TOKEN}"}}),
            ),
            ("'headers': {'X': 'a' + Keys.PASSWORD}", json!({"headers": {"X": "a${IMPORTED_PASSWORD}"}})),
            ("'params': {'q': D['secret']}", json!({"params": {"q": "${IMPORTED_SECRET}"}})),
            ("'params': {'q': '%s' % pin_token}", json!({"params": {"q": "${IMPORTED_PIN_TOKEN}"}})),
            ("'params': {'q': api_key}", json!({"params": {"q": "${IMPORTED_API_KEY}"}})),
            ("'params': {'p': f'{API_TOKEN}', 'q': f()}", json!({"params": {"p": "${IMPORTED_API_TOKEN}"}})),
            (
                "'params': {'p': API_TOKEN, 'q': Keys.API_TOKEN}",
                json!({"params": {"p": "${IMPORTED_API_TOKEN}", "q": "${IMPORTED_API_TOKEN_2}"}}),
            ),
            (
                "'headers': {'Authorization': f'Bearer {API_TOKEN}', 'X': API_TOKEN}",
                json!({"headers": {"Authorization": "Bearer ${API_TOKEN}", "X": "${API_TOKEN}"}}),
            ),
            ("'params': {'q': PRIMARY_KEY}", json!({"params": {"q": "hunt"}})),
            ("'paginator': {'cursor_path': API_TOKEN_PATH}", json!({"paginator": {"cursor_path": "a.b"}})),
        ] {
            let text = format!(
                "API_TOKEN = '123:hunter'\nAPI_TOKEN_PATH = 'a.b'\nPRIMARY_KEY = 'hunt'\nD = {{'secret': 'hunter2'}}\npin_token = 9\n\
                 class Keys:\n    PASSWORD = 'hunter3'\n    API_TOKEN = 'hunter4'\n\
                 def f(api_key='hunter5'):\n    return {{'client': {{{written}}}, 'resources': []}}"
            );
            let (value, notes) = read("f.py", &text, None).unwrap();
            assert_eq!(value["client"], expected, "{written}");
            assert!(notes.iter().all(|note| !note.message.contains("hunter")), "{notes:?}");
            let is_told = notes.iter().any(|note| note.message.contains("set the environment variable"));
            assert_eq!(is_told, expected.to_string().contains("${"), "{written}: {notes:?}");
        }
    }

    #[test]
    fn a_function_of_the_file_is_told_as_one() {
        let (resource, notes) = resource("'endpoint': {'path': code}");
        assert_eq!(resource, json!({"endpoint": {}}));
        assert!(notes[0].message.starts_with("`code` is a Python function (line 2)"), "{notes:?}");
    }

    #[test]
    fn what_a_request_needs_is_to_be_mended_where_it_was_left_out() {
        for (entries, is_to_mend) in [
            ("'endpoint': {'path': get()}", true),
            ("'endpoint': get()", true),
            ("'endpoint': {'incremental': {'initial_value': pendulum.today()}}", true),
            ("'endpoint': {'params': {'a': {'type': 'incremental', 'initial_value': get()}}}", true),
            ("'endpoint': {'params': {'path': get()}}", false),
            ("'columns': get()", false),
        ] {
            let (_, notes) = resource(entries);
            assert_eq!(notes.iter().map(|note| note.is_to_mend).collect::<Vec<_>>(), [is_to_mend], "{entries}");
        }
    }
}
