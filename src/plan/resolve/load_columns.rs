//! Columns that no record fills: what the run knows of a row, and under `scd2` when a version of a row holds. They come behind
//! the declared ones.

use super::{disposition::Disposition, schema::Declared};
use crate::{
    config::{Findings, Located, Section},
    schema::{Column, ColumnType, LoadColumn, Source},
};

/// The indexes of the two columns of `scd2`.
pub struct Validity {
    pub from: usize,
    pub to: usize,
}

const METADATA: [LoadColumn; 3] = [LoadColumn::RunId, LoadColumn::ExtractedAt, LoadColumn::Page];

/// Appends the columns of `metadata_columns`, in the order in which they are written.
pub fn append_metadata(resource: &Section<'_>, declared: &mut Declared, findings: &mut Findings) {
    let Some(written) = resource.get("metadata_columns") else { return };
    let of_word = |word: &str| METADATA.into_iter().find(|column| column.name() == word);
    let named = resource.section("metadata_columns");
    for entry in written.entries() {
        if let (Some(column), Some(name)) = (of_word(&entry.key), named.text(&entry.key)) {
            append(column, name, declared, findings);
        }
    }
    if written.entries().is_empty() {
        for word in resource.texts("metadata_columns") {
            of_word(&word.value).and_then(|column| append(column, word, declared, findings));
        }
    }
}

/// Appends the two columns of `scd2`; `None` if their names are wrong.
pub fn append_validity(
    disposition: &Disposition<'_>,
    declared: &mut Declared,
    findings: &mut Findings,
) -> Option<Validity> {
    let key = "validity_column_names";
    let place = disposition.options.place_of(key).clone();
    let names = match disposition.options.is_written(key) {
        true => disposition.options.texts(key),
        false => {
            let default = |column: LoadColumn| Located { value: column.name().to_owned(), place: place.clone() };
            [LoadColumn::ValidFrom, LoadColumn::ValidTo].map(default).to_vec()
        }
    };
    let count = names.len();
    let Ok([from, to]) = <[_; 2]>::try_from(names) else {
        if disposition.options.get(key).is_some_and(|list| list.items().len() == count) {
            let message = format!("expected two names, the second for until when a version holds; found {count}");
            findings.error(&place, message, None);
        }
        return None;
    };
    let from = append(LoadColumn::ValidFrom, from, declared, findings);
    let to = append(LoadColumn::ValidTo, to, declared, findings);
    Some(Validity { from: from?, to: to? })
}

/// The new column's index.
fn append(
    column: LoadColumn,
    name: Located<String>,
    declared: &mut Declared,
    findings: &mut Findings,
) -> Option<usize> {
    if name.value.is_empty() || name.value.chars().any(char::is_control) {
        findings.error(&name.place, "a column's name is a line of text", None);
        return None;
    }
    // A table that has recorded its columns has this one among them.
    let is_it = |other: &Column| other.source == Source::Load(column) && other.name == name.value;
    if let Some(index) = declared.schema.columns.iter().take(declared.recorded).position(is_it) {
        return Some(index);
    }
    let lower = name.value.to_lowercase();
    if let Some(other) = declared.schema.columns.iter().find(|other| other.name.to_lowercase() == lower) {
        let message =
            format!("the column `{}` of the run's own would clash with the column `{}`", name.value, other.name);
        findings.error(&name.place, message, Some(help(column)));
        return None;
    }
    let data_type = match column {
        LoadColumn::RunId => ColumnType::String,
        LoadColumn::Page => ColumnType::Int64,
        LoadColumn::ExtractedAt | LoadColumn::ValidFrom | LoadColumn::ValidTo => ColumnType::Timestamp,
    };
    // Nullable, so that a table that is there already can get them.
    let added = Column { name: name.value, source: Source::Load(column), data_type, nullable: true, format: None };
    declared.schema.columns.push(added);
    declared.places.push(name.place);
    Some(declared.schema.columns.len() - 1)
}

fn help(column: LoadColumn) -> String {
    match column {
        LoadColumn::ValidFrom | LoadColumn::ValidTo => "set `validity_column_names`".to_owned(),
        other => format!("give it another name: `metadata_columns: {{{}: _{}}}`", other.name(), other.name()),
    }
}
