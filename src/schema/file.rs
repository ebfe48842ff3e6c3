//! Schema files: an inferred schema, for people to read, correct and declare.

use std::fmt::Write;

use serde_json::{Value, json};

use super::model::{Column, ColumnsContract, Contract, DataTypeContract, Format, Source, TableSchema};

/// The schema file, as JSON. Columns that the run fills in are not of the records, and are left out.
pub fn to_json(schema: &TableSchema, contract: Contract) -> Value {
    let columns: Vec<Value> =
        declared(schema).map(|column| Value::Object(keys(column).into_iter().collect())).collect();
    let mut file = json!({ "columns": columns });
    if contract != Contract::default() {
        file["schema_contract"] = json!(contract);
    }
    file
}

/// Returns the schema as YAML, a line per column; ends with a line break.
pub fn to_yaml(schema: &TableSchema, contract: Contract) -> String {
    let mut text = "columns:\n".to_owned();
    for column in declared(schema) {
        let entries: Vec<_> = keys(column).iter().map(|(key, value)| format!("{key}: {}", scalar(value))).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  - {{{}}}", entries.join(", "));
    }
    if contract != Contract::default() {
        let (columns, data_type) = words(contract);
        let _ = writeln!(text, "schema_contract: {{columns: {columns}, data_type: {data_type}}}");
    }
    text
}

fn declared(schema: &TableSchema) -> impl Iterator<Item = &Column> {
    schema.columns.iter().filter(|column| !matches!(column.source, Source::Load(_)))
}

/// Returns the keys of a column that differ from their defaults.
fn keys(column: &Column) -> Vec<(String, Value)> {
    let mut keys = vec![("name", json!(column.name))];
    keys.extend(source(column).map(|source| ("source", json!(source))));
    keys.push(("type", json!(column.data_type)));
    if !column.nullable {
        keys.push(("nullable", json!(false)));
    }
    let form = column.format.as_ref().and_then(Format::form);
    keys.extend(form.map(|format| ("format", json!(format_word(format)))));
    if matches!(column.format, Some(Format::Truncated(_))) {
        keys.push(("precision", json!("truncate")));
    }
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The path that a column is filled from; `None` if that is the field of its name.
fn source(column: &Column) -> Option<String> {
    let keys = match &column.source {
        Source::Record | Source::Load(_) => return Some("$".to_owned()),
        Source::Path(keys) => keys.as_slice(),
        Source::Evolved(key) | Source::Unseen(key) => std::slice::from_ref(key),
    };
    if keys == [column.name.as_str()] {
        return None;
    }
    Some(selector(keys))
}

/// A path of keys as a selector has it: dotted, or with every key in quotes where one is no word.
pub fn selector(keys: &[String]) -> String {
    let is_word = |key: &String| !key.is_empty() && key.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    match keys.iter().all(is_word) {
        true => keys.join("."),
        false => keys.iter().fold("$".to_owned(), |path, key| path + &quoted(key)),
    }
}

fn quoted(key: &str) -> String {
    format!("['{}']", key.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn format_word(format: &Format) -> &str {
    match format {
        Format::Strftime(pattern) => pattern,
        Format::EpochSeconds => "epoch_s",
        Format::EpochMillis => "epoch_ms",
        Format::EpochMicros => "epoch_us",
        Format::Hex => "hex",
        Format::Base64Url => "base64url",
        Format::NonFinite => "non_finite",
        Format::Truncated(form) => form.as_deref().map_or("", format_word),
    }
}

fn words(contract: Contract) -> (&'static str, &'static str) {
    let columns = match contract.columns {
        ColumnsContract::DiscardValue => "discard_value",
        ColumnsContract::DiscardRow => "discard_row",
        ColumnsContract::Freeze => "freeze",
        ColumnsContract::Evolve => "evolve",
    };
    let data_type = match contract.data_type {
        DataTypeContract::Freeze => "freeze",
        DataTypeContract::DiscardRow => "discard_row",
        DataTypeContract::DiscardValue => "discard_value",
    };
    (columns, data_type)
}

/// Formats a value within braces. A text that YAML could read as another type is quoted.
fn scalar(value: &Value) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = |text: &str| {
        let mut letters = text.chars();
        letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.')
            && !WORDS.contains(&text.to_ascii_lowercase().as_str())
    };
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, source: Source, data_type: &str) -> Column {
        Column { name: name.into(), source, data_type: data_type.parse().unwrap(), nullable: true, format: None }
    }

    fn schema() -> TableSchema {
        let path = |keys: &[&str]| Source::Path(keys.iter().map(|key| (*key).to_owned()).collect());
        let evolved = |key: &str| Source::Evolved(key.to_owned());
        let mut columns = vec![
            column("id", evolved("id"), "int64"),
            column("created_at", evolved("createdAt"), "timestamp"),
            column("a_b", evolved("a.b"), "decimal(38,0)"),
            column("start date", evolved("start date"), "struct<`a b`: list<string>>"),
            column("email", path(&["owner", "email"]), "string"),
            column("no", path(&["no"]), "bool"),
            column("raw", Source::Record, "json"),
            column("run_id", Source::Load(super::super::LoadColumn::RunId), "string"),
        ];
        columns[0].nullable = false;
        columns[1].format = Some(Format::Strftime("%d: %m".into()));
        TableSchema { columns }
    }

    const EVOLVING: Contract = Contract { columns: ColumnsContract::Evolve, data_type: DataTypeContract::Freeze };

    #[test]
    fn a_file_says_of_each_column_what_is_not_its_default() {
        insta::assert_snapshot!(to_yaml(&schema(), EVOLVING), @r#"
        columns:
          - {name: id, type: int64, nullable: false}
          - {name: created_at, source: createdAt, type: timestamp, format: "%d: %m"}
          - {name: a_b, source: "$['a.b']", type: "decimal(38,0)"}
          - {name: "start date", type: "struct<`a b`: list<string>>"}
          - {name: email, source: owner.email, type: string}
          - {name: "no", type: bool}
          - {name: raw, source: "$", type: json}
        schema_contract: {columns: evolve, data_type: freeze}
        "#);
        assert!(!to_yaml(&schema(), Contract::default()).contains("schema_contract"));
    }

    #[test]
    fn a_path_is_read_as_the_keys_that_it_was_written_from() {
        for keys in [vec!["a", "b"], vec!["it's.x"], vec!["a']b", "c\"d"], vec!["a\\"], vec![""], vec!["größe"]] {
            let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
            let written = selector(&keys);
            assert_eq!(written.parse::<crate::json::Selector>().unwrap().keys(), Some(keys), "{written}");
        }
    }

    #[test]
    fn the_json_file_says_the_same() {
        let file = to_json(&schema(), EVOLVING);
        assert_eq!(file["columns"][0], json!({"name": "id", "type": "int64", "nullable": false}));
        assert_eq!(file["columns"][2]["source"], "$['a.b']");
        assert_eq!(file["columns"].as_array().unwrap().len(), 7);
        assert_eq!(file["schema_contract"], json!({"columns": "evolve", "data_type": "freeze"}));
    }
}
