//! Columns that no record fills: what the run knows of a row, and under `scd2` when a version of a row holds. They come behind
//! the declared ones.

use super::{
    Overrides,
    disposition::{self, Disposition},
    schema::Declared,
};
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

/// What the columns of the run's own will be called.
pub fn names(resource: &Section<'_>, overrides: &Overrides) -> Vec<String> {
    let section = resource.section("metadata_columns");
    let written = resource.get("metadata_columns");
    let renamed =
        written.into_iter().flat_map(|written| written.entries().iter().filter_map(|it| section.text(&it.key)));
    let listed = written.filter(|written| written.entries().is_empty()).map(|_| resource.texts("metadata_columns"));
    let metadata = renamed.chain(listed.into_iter().flatten()).map(|name| name.value);
    let scd2 = disposition::resolve(resource, overrides).filter(Disposition::is_scd2);
    metadata.chain(scd2.iter().flat_map(validity_names).map(|name| name.value)).collect()
}

fn validity_names(disposition: &Disposition<'_>) -> Vec<Located<String>> {
    let key = "validity_column_names";
    if disposition.options.is_written(key) {
        return disposition.options.texts(key);
    }
    let place = disposition.options.place_of(key);
    let default = |column: LoadColumn| Located { value: column.name().to_owned(), place: place.clone() };
    [LoadColumn::ValidFrom, LoadColumn::ValidTo].map(default).to_vec()
}

/// Appends the two columns of `scd2`; `None` if their names are wrong.
pub fn append_validity(
    disposition: &Disposition<'_>,
    declared: &mut Declared,
    findings: &mut Findings,
) -> Option<Validity> {
    let key = "validity_column_names";
    let place = disposition.options.place_of(key).clone();
    let names = validity_names(disposition);
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
