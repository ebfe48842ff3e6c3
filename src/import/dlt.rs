//! A config of dlt's `rest_api`, which restlake reads as it is, but for what only Python can mean.

use serde_json::{Map, Value, json};

use super::{ImportError, Imported, Note, below, secrets};

/// Keys that hold Python objects in dlt, with what stands for them here.
const PYTHON_ONLY: [(&str, &str); 2] = [
    (
        "session",
        "a requests session of one's own has no place here: `timeout`, `retry` and `tls` of the client say what it was for",
    ),
    (
        "data_from",
        "the records of another dlt resource: a placeholder `{resources.…}` reads those of a resource of this config",
    ),
];

/// The paginators and auths that are known by a word.
const PAGINATORS: [&str; 9] = [
    "auto",
    "single_page",
    "json_link",
    "json_response",
    "header_link",
    "header_cursor",
    "cursor",
    "offset",
    "page_number",
];
const AUTHS: [&str; 4] = ["bearer", "api_key", "http_basic", "oauth2_client_credentials"];

/// A config for restlake of one for dlt. `notes` are those that reading it gave.
///
/// # Errors
/// [`ImportError::NoDltConfig`] if it is none.
pub fn adapt(file: &str, name: &str, config: Value, mut notes: Vec<Note>) -> Result<Imported, ImportError> {
    let wrong = |reason: &str| ImportError::NoDltConfig { file: file.to_owned(), reason: reason.to_owned() };
    let Value::Object(mut config) = config else { return Err(wrong("it is no object")) };
    for key in ["client", "resources"] {
        if !config.contains_key(key) {
            let missing = format!("the key `{key}` is missing");
            let told = notes.iter().find(|note| note.path == key);
            return Err(wrong(&told.map_or(missing.clone(), |note| format!("{missing}: {}", note.with_line()))));
        }
    }
    let mut made = Map::new();
    made.insert("name".to_owned(), config.remove("name").unwrap_or_else(|| json!(name)));
    made.append(&mut config);
    made.entry("destination").or_insert_with(|| json!({"url": "./lake"}));
    let mut config = Value::Object(made);
    clean(&mut config, "", &mut notes);
    secrets::hide(&mut config, &mut notes);
    Ok(Imported { config, schemas: Vec::new(), notes })
}

/// Takes out what cannot be said here, at every depth where dlt has it.
fn clean(value: &mut Value, path: &str, notes: &mut Vec<Note>) {
    match value {
        Value::Object(entries) => {
            for (key, why) in PYTHON_ONLY {
                if entries.remove(key).is_some() {
                    notes.push(Note::new(below(path, key), why));
                }
            }
            for (key, known) in [("paginator", &PAGINATORS[..]), ("auth", &AUTHS[..])] {
                check_kind(entries, path, key, known, notes);
            }
            for (key, entry) in entries.iter_mut().filter(|(key, _)| !holds_data(key)) {
                clean(entry, &below(path, key), notes);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                clean(item, &below(path, &index.to_string()), notes);
            }
        }
        _ => {}
    }
}

/// What is sent, and not read: any key may stand there.
fn holds_data(key: &str) -> bool {
    secrets::FREE.contains(&key) || key == "columns"
}

/// A paginator or auth that somebody registered in Python is not known here.
fn check_kind(entries: &mut Map<String, Value>, path: &str, key: &str, known: &[&str], notes: &mut Vec<Note>) {
    let word = match entries.get(key) {
        Some(Value::String(word)) => word.clone(),
        Some(Value::Object(object)) => match object.get("type") {
            Some(Value::String(word)) => word.clone(),
            _ => return,
        },
        _ => return,
    };
    if !known.contains(&word.as_str()) {
        entries.remove(key);
        // The word may be a credential that somebody took for an auth.
        let word = if key == "auth" { "this auth".to_owned() } else { format!("`{word}`") };
        let message = format!("{word} is a class of somebody's own: choose one of {}", known.join(", "));
        notes.push(Note::new(below(path, key), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(config: Value) -> Imported {
        adapt("f.json", "f", config, Vec::new()).unwrap()
    }

    #[test]
    fn a_config_stays_as_it_is_and_gets_a_name_and_a_destination() {
        let config = json!({
            "client": {"base_url": "https://a.example"}, "resource_defaults": {"primary_key": "id"},
            "resources": ["posts", {"name": "comments", "endpoint": {"path": "posts/{resources.posts.id}/comments"}}],
        });
        let imported = adapted(config.clone());
        assert_eq!(imported.config["name"], "f");
        assert_eq!(imported.config["destination"], json!({"url": "./lake"}));
        for key in ["client", "resource_defaults", "resources"] {
            assert_eq!(imported.config[key], config[key]);
        }
        assert_eq!(imported.notes, []);
    }

    #[test]
    fn what_only_python_can_mean_is_left_out_and_told() {
        let imported = adapted(json!({
            "client": {"base_url": "https://a.example", "session": "<Session>", "auth": {"type": "mine"}},
            "resources": [{"name": "a", "endpoint": {"paginator": "mine", "params": {"session": 1, "paginator": "x"}}}],
        }));
        assert_eq!(imported.config["client"], json!({"base_url": "https://a.example"}));
        let params = json!({"session": "${SESSION}", "paginator": "x"});
        assert_eq!(imported.config["resources"][0]["endpoint"], json!({ "params": params }));
        let paths: Vec<_> = imported.notes.iter().map(|note| note.path.as_str()).collect();
        let left_out = ["client.session", "client.auth", "resources.0.endpoint.paginator"];
        assert_eq!(paths, [&left_out[..], &["resources.0.endpoint.params.session"]].concat());
    }

    #[test]
    fn what_is_no_config_is_refused_with_what_is_missing() {
        let refused = |config| adapt("f.json", "f", config, Vec::new()).unwrap_err().to_string();
        assert!(refused(json!([])).contains("no object"));
        assert!(refused(json!({"client": {}})).contains("`resources`"));
    }
}
