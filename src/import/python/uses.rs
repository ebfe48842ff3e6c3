//! What a file does with its config, and with the source made of it, beyond the literal: it is told with its line, since a
//! config that lacks it reads other data. `write_disposition` of `pipeline.run` is taken over: it counts for all resources.

use serde_json::Value;
use tree_sitter::Node;

use super::{
    TAKES_CONFIG, call, config_of_call,
    expression::{Found, Reader},
};

/// Steps from a method's call down to the source that it is of.
const DEEPEST: usize = 64;

/// Methods that change a dict or a list.
const CHANGES: [&str; 11] =
    ["append", "extend", "insert", "update", "setdefault", "pop", "popitem", "remove", "clear", "sort", "reverse"];

/// Methods of dlt's sources and resources that change what they give, with what does so here.
const OF_DLT: [(&str, &str); 8] = [
    ("apply_hints", "write the hints into the resource"),
    ("add_filter", "write it as `processing_steps: [{filter: JQ}]`"),
    ("add_map", "write it as `processing_steps: [{map: JQ}]`"),
    ("add_yield_map", "write it as `processing_steps: [{yield_map: JQ}]`"),
    ("add_step", "write it as `processing_steps`"),
    ("add_limit", "`restlake run --max-pages N` reads so many pages"),
    ("with_resources", "`restlake run --resource NAME` exports single ones, `selected: false` leaves one out"),
    ("pipe_data_from", "a placeholder `{resources.…}` reads the records of another resource"),
];

/// Arguments of `run` and of `rest_api_source` that say what becomes of the data.
const ABOUT_DATA: [&str; 8] =
    ["primary_key", "merge_key", "columns", "schema", "schema_contract", "table_name", "table_format", "refresh"];

/// What is done in `nodes` with the config, whose value this is. `is_only`: no other config is in the file.
pub(super) fn tell<'t>(
    reader: &mut Reader<'t>,
    nodes: &[Node<'t>],
    config: Node<'t>,
    is_only: bool,
    value: &mut Value,
) {
    let names = reader.names_of(config);
    let is_part =
        |reader: &Reader<'t>, node: Node<'t>| base(node).is_some_and(|base| names.contains(reader.text(base)));
    let mut runs = Vec::new();
    for &node in nodes {
        match node.kind() {
            "assignment" | "augmented_assignment" => {
                let left = node.child_by_field_name("left");
                let is_part_of = |left: &Node<'t>| matches!(left.kind(), "subscript" | "attribute");
                let changes = |left: &Node<'t>| node.kind() == "augmented_assignment" || is_part_of(left);
                if let Some((source, name)) = left.and_then(|left| of_source(reader, left)) {
                    if !is_of_others(reader, source, config) {
                        reader.tell(node, "source", left_out(name, "the source"));
                    }
                } else if left.filter(changes).is_some_and(|left| is_part(reader, left)) {
                    changed(reader, node);
                }
            }
            "delete_statement" if super::children(node).iter().any(|target| is_part(reader, *target)) => {
                changed(reader, node);
            }
            "call" => match method(reader, node) {
                Some((holder, name)) if CHANGES.contains(&name) && is_part(reader, holder) => changed(reader, node),
                Some((holder, name)) if OF_DLT.iter().any(|(known, _)| *known == name) => {
                    if !is_of_others(reader, holder, config) {
                        of_dlt(reader, node, name);
                    }
                }
                Some((_, "run")) => {
                    let data = call::argument(reader, node, "data", 0);
                    if !data.is_some_and(|data| is_of_others(reader, data, config)) {
                        runs.push(node);
                    }
                }
                _ => arguments(reader, node, config, is_only),
            },
            _ => {}
        }
    }
    run_arguments(reader, &runs, is_only, value);
}

/// Whether a source, or what is made of it, is known to be of another config of the file.
fn is_of_others<'t>(reader: &Reader<'t>, source: Node<'t>, config: Node<'t>) -> bool {
    let mut node = source;
    for _ in 0..DEEPEST {
        let below = match node.kind() {
            "identifier" => reader.resolve(node).filter(|value| value.kind() != "identifier"),
            "subscript" => node.child_by_field_name("value"),
            "attribute" => node.child_by_field_name("object"),
            "call" => match config_of_call(reader, node) {
                Some(other) => return other != config,
                None => node.child_by_field_name("function"),
            },
            _ => None,
        };
        match below {
            Some(below) => node = below,
            None => return false,
        }
    }
    false
}

/// The name that a chain of subscripts and attributes begins with.
fn base(node: Node<'_>) -> Option<Node<'_>> {
    let mut node = node;
    loop {
        node = match node.kind() {
            "identifier" => return Some(node),
            "subscript" => node.child_by_field_name("value")?,
            "attribute" => node.child_by_field_name("object")?,
            _ => return None,
        }
    }
}

/// The object of a method's call, and the method.
fn method<'t>(reader: &Reader<'t>, call: Node<'t>) -> Option<(Node<'t>, &'t str)> {
    let function = call.child_by_field_name("function").filter(|function| function.kind() == "attribute")?;
    Some((function.child_by_field_name("object")?, reader.text(function.child_by_field_name("attribute")?)))
}

fn changed(reader: &mut Reader<'_>, node: Node<'_>) {
    let message = format!("`{}` changes it after it was written: that was left out", reader.shown(node));
    reader.tell(node, "config", message);
}

fn of_dlt(reader: &mut Reader<'_>, call: Node<'_>, name: &str) {
    let instead = OF_DLT.iter().find(|(known, _)| *known == name).map_or("", |(_, instead)| instead);
    reader.tell(call, "source", format!("`{name}` was left out; {instead}"));
}

/// `rest_api_source(config, schema_contract=…)`.
fn arguments<'t>(reader: &mut Reader<'t>, node: Node<'t>, config: Node<'t>, is_only: bool) {
    let takes = TAKES_CONFIG.contains(&call::name(reader, node)) || call::name(reader, node) == "source";
    let of_others = config_of_call(reader, node).is_some_and(|other| other != config);
    if takes && !of_others && (is_only || config_of_call(reader, node).is_some()) {
        about_data(reader, node);
    }
}

fn about_data<'t>(reader: &mut Reader<'t>, node: Node<'t>) {
    for (name, value) in call::named(reader, node) {
        if ABOUT_DATA.contains(&name) {
            let message = left_out(name, &format!("`{}`", call::name(reader, node)));
            reader.tell(value, "source", message);
        }
    }
}

fn left_out(name: &str, of: &str) -> String {
    let instead = if name == "refresh" {
        "`restlake run --full-refresh` begins anew"
    } else {
        "write it into `resource_defaults`, or into a resource"
    };
    format!("`{name}` of {of} was left out; {instead}")
}

/// `source.schema_contract`: the source, and what is said of its data.
fn of_source<'t>(reader: &Reader<'t>, target: Node<'t>) -> Option<(Node<'t>, &'t str)> {
    let name = reader.text(target.child_by_field_name("attribute")?);
    let source = target.child_by_field_name("object").filter(|object| reader.text(*object) != "self")?;
    (ABOUT_DATA.contains(&name) || name == "write_disposition").then_some((source, name))
}

/// `pipeline.run(source, write_disposition="replace")`.
fn run_arguments<'t>(reader: &mut Reader<'t>, runs: &[Node<'t>], is_only: bool, config: &mut Value) {
    let mut given = Vec::new();
    for &run in runs {
        about_data(reader, run);
        let disposition = call::named(reader, run).into_iter().find(|(name, _)| *name == "write_disposition");
        given.extend(disposition.map(|(_, value)| value));
    }
    let read: Vec<_> = given.iter().map(|node| reader.read(*node, "write_disposition")).collect();
    // None leaves each resource its own.
    let is_given = |found: &Found| !matches!(found, Found::Value(Value::Null));
    let (given, read): (Vec<_>, Vec<_>) = given.into_iter().zip(read).filter(|(_, found)| is_given(found)).unzip();
    let [first, others @ ..] = given.as_slice() else { return };
    match read.as_slice() {
        [Found::Value(value), rest @ ..]
            if is_only && rest.iter().all(|other| matches!(other, Found::Value(other) if other == value)) =>
        {
            override_disposition(config, value);
            let message =
                "`write_disposition` of `run` counts for all resources: it was written into `resource_defaults`";
            reader.tell(*first, "resource_defaults.write_disposition", message);
        }
        _ => {
            for node in [first].into_iter().chain(others) {
                let message = "`write_disposition` of `run` was left out; write it into `resource_defaults`";
                reader.tell(*node, "resource_defaults.write_disposition", message);
            }
        }
    }
}

fn override_disposition(config: &mut Value, value: &Value) {
    for resource in config.get_mut("resources").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(resource) = resource.as_object_mut() {
            resource.shift_remove("write_disposition");
        }
    }
    let Some(config) = config.as_object_mut() else { return };
    let defaults = config.entry("resource_defaults").or_insert_with(|| Value::Object(serde_json::Map::new()));
    if let Some(defaults) = defaults.as_object_mut() {
        defaults.insert("write_disposition".to_owned(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::import::python::read;

    const CONFIG: &str = r#"
extra = [{"name": "b", "write_disposition": "append"}]
config = {"client": {"base_url": "https://a.example"}, "resources": extra}
"#;

    fn told(rest: &str) -> (serde_json::Value, Vec<(usize, String)>) {
        let (value, notes) = read("f.py", &format!("{CONFIG}{rest}"), None).unwrap();
        (value, notes.into_iter().map(|note| (note.line.unwrap(), note.message)).collect())
    }

    #[test]
    fn what_changes_the_config_or_the_source_afterwards_is_told_with_its_line() {
        for line in [
            r#"config["resources"].append({"name": "a"})"#,
            r#"extra += ["c"]"#,
            r#"config["client"]["headers"] = {"A": "b"}"#,
            r#"config["client"].update(headers={})"#,
            r#"del config["resources"]"#,
            "source.b.apply_hints(primary_key='id')",
            "source.b.add_filter(lambda row: row['x'])",
            "run(source.with_resources('a'))",
            "source = rest_api_source(config, schema_contract='freeze')",
            "pipeline.run(source, primary_key='id')",
            "source.schema_contract = 'freeze'",
            "source.items.write_disposition = 'append'",
        ] {
            let (_, notes) = told(line);
            assert_eq!(notes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4], "{line}: {notes:?}");
            assert!(notes[0].1.contains("left out"), "{notes:?}");
        }
        for line in
            ["other['x'] = 1", "others.append(1)", "source = rest_api_source(config, name='x', parallelized=True)"]
        {
            assert_eq!(told(line).1, [], "{line}");
        }
    }

    #[test]
    fn what_changes_a_part_that_was_read_is_told_with_its_line() {
        for (line, is_told) in [
            ("SETTINGS['org'] = 'prod'", true),
            ("SETTINGS.update(org='prod')", true),
            ("ALL['settings']['org'] = 'prod'", true),
            ("Config.ORG = 'prod'", true),
            ("OTHERS['org'] = 'prod'", false),
            ("Other.ORG = 'prod'", false),
        ] {
            let text = format!(
                "ALL = {{'settings': {{'org': 'dev'}}}}\nSETTINGS = ALL['settings']\nclass Config:\n    ORG = 'dev'\n{line}\n\
                 c = {{'client': {{'a': SETTINGS['org'], 'b': Config.ORG}}, 'resources': []}}"
            );
            let (value, notes) = read("f.py", &text, None).unwrap();
            assert_eq!(value["client"], json!({"a": "dev", "b": "dev"}), "{line}");
            let lines: Vec<_> = notes.iter().filter_map(|note| note.line).collect();
            assert_eq!(lines, if is_told { vec![5] } else { vec![] }, "{line}: {notes:?}");
        }
    }

    #[test]
    fn what_is_done_with_the_source_of_another_config_is_not_told() {
        let text = |rest: &str| {
            format!(
                "{CONFIG}source = rest_api_source(config)\nother = {{'client': {{}}, 'resources': []}}\ns = rest_api_source(other)\n{rest}\n"
            )
        };
        for (rest, told) in [
            ("s.items.add_limit(5)", 0),
            ("s.with_resources('a').add_limit(5)", 0),
            ("s.resources['a'].apply_hints(primary_key='id')", 0),
            ("pipeline.run(s, write_disposition='replace', primary_key='id')", 0),
            ("rest_api_source(other).a.add_limit(5)", 0),
            ("source.items.add_limit(5)", 1),
            ("unknown.add_limit(5)", 1),
            ("pipeline.run(source, primary_key='id')", 1),
        ] {
            let (_, notes) = read("f.py", &text(rest), Some(3)).unwrap();
            assert_eq!(notes.len(), told, "{rest}: {notes:?}");
        }
    }

    #[test]
    fn the_disposition_of_a_run_counts_for_all_resources() {
        let (config, notes) = told("pipeline.run(source, write_disposition='replace')");
        assert_eq!(config["resource_defaults"], json!({"write_disposition": "replace"}));
        assert_eq!(config["resources"], json!([{"name": "b"}]));
        assert_eq!(notes.len(), 1);
        let (config, notes) = told("p.run(s, write_disposition='replace')\np.run(s, write_disposition='merge')");
        assert_eq!((config.get("resource_defaults"), notes.len()), (None, 2));
        let (config, notes) = told("p.run(s, write_disposition=None)");
        assert_eq!((&config["resources"][0]["write_disposition"], notes.len()), (&json!("append"), 0));
    }
}
