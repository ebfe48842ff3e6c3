//! Which column a name means: the column of that name or, where one was renamed, the API's field.

use crate::{
    config::{Findings, Located, Severity, notation},
    schema::{Column, Source, TableSchema},
    suggestion::suggestion,
};

/// The columns of one table, for looking names up.
pub struct Columns<'a> {
    pub schema: &'a TableSchema,
}

/// What a name turned out to mean.
enum Meaning {
    Column(usize),
    Nothing,
    /// Both of these.
    Ambiguous(usize, usize),
}

/// Returns what to write in place of a text that looks like several columns, or like a transform of one.
pub fn expression(text: &str) -> Option<String> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.len() > 1 && parts.iter().all(|part| is_name(part)) {
        return Some(format!("several columns are a list: `[{}]`", parts.join(", ")));
    }
    let (call, argument) = text.strip_suffix(')')?.split_once('(')?;
    let (column, transform) = match argument.split_once(',') {
        Some((column, width)) => (column.trim(), format!("{}[{}]", call.trim(), width.trim())),
        None => (argument.trim(), call.trim().trim_end_matches('s').to_owned()),
    };
    (is_name(column) && notation::transform(&transform).is_some())
        .then(|| format!("a transform has a key of its own: `{{column: {column}, transform: {transform}}}`"))
}

impl<'a> Columns<'a> {
    pub fn new(schema: &'a TableSchema) -> Self {
        Self { schema }
    }

    pub fn get(&self, index: usize) -> Option<&'a Column> {
        self.schema.columns.get(index)
    }

    /// The column of a name; if there is none, or more than one, that is reported.
    pub fn find(&self, name: &Located<String>, findings: &mut Findings) -> Option<usize> {
        match self.meaning(&name.value) {
            Meaning::Column(index) => Some(index),
            Meaning::Nothing => {
                let known = self.schema.columns.iter().map(|column| column.name.as_str());
                let help = || expression(&name.value).unwrap_or_else(|| suggestion(&name.value, known, "columns"));
                let help = findings.has_room(Severity::Error).then(help);
                findings.error(&name.place, format!("there is no column `{}`", name.value), help);
                None
            }
            Meaning::Ambiguous(first, second) => {
                let names = [first, second].map(|index| self.get(index).map_or("", |column| column.name.as_str()));
                let message =
                    format!("`{}` could mean the column `{}` or the column `{}`", name.value, names[0], names[1]);
                findings.error(&name.place, message, Some("use a column's name that is no other's source".into()));
                None
            }
        }
    }

    /// Whether a name means a column, or could mean more than one.
    pub fn is_known(&self, name: &str) -> bool {
        !matches!(self.meaning(name), Meaning::Nothing)
    }

    /// The column that a name means, if it means one: for keys that count only in tables that have the column.
    pub fn find_if_there(&self, name: &Located<String>, findings: &mut Findings) -> Option<usize> {
        match self.meaning(&name.value) {
            Meaning::Nothing => None,
            _ => self.find(name, findings),
        }
    }

    /// The columns of `names` and `hinted`, each once. Nested columns are reported: `what` says what they cannot be.
    pub fn all(
        &self,
        names: Vec<Located<String>>,
        hinted: &[Located<usize>],
        what: &str,
        findings: &mut Findings,
    ) -> Vec<usize> {
        let named: Vec<_> = names
            .into_iter()
            .filter_map(|name| self.find(&name, findings).map(|value| Located { value, place: name.place }))
            .collect();
        let mut found = Vec::new();
        for column in named.iter().chain(hinted) {
            if self.of_the_record(column, what, findings)
                && self.scalar(column, what, findings)
                && !found.contains(&column.value)
            {
                found.push(column.value);
            }
        }
        found
    }

    /// Whether a column holds single values; if not, that is reported.
    pub fn scalar(&self, column: &Located<usize>, what: &str, findings: &mut Findings) -> bool {
        let nested = self.get(column.value).filter(|column| column.data_type.is_nested());
        if let Some(nested) = nested {
            let message = format!("`{}` is {}, which cannot be {what}", nested.name, nested.data_type);
            findings.error(&column.place, message, Some("declare the field inside it as a column of its own".into()));
        }
        nested.is_none()
    }

    /// Whether a column comes with the records; one that the run fills in is reported.
    fn of_the_record(&self, column: &Located<usize>, what: &str, findings: &mut Findings) -> bool {
        let filled_in = self.get(column.value).filter(|column| matches!(column.source, Source::Load(_)));
        if let Some(column_of_run) = filled_in {
            let message = format!("`{}` is filled in by the run, and cannot be {what}", column_of_run.name);
            findings.error(&column.place, message, None);
        }
        filled_in.is_none()
    }

    fn meaning(&self, name: &str) -> Meaning {
        let named = self.schema.index_of(name);
        let is_source = |(index, column): &(usize, &Column)| {
            Some(*index) != named && !matches!(column.source, Source::Load(_)) && column.source.to_path() == name
        };
        let mut sourced = self.schema.columns.iter().enumerate().filter(is_source).map(|(index, _)| index);
        match (named, sourced.next(), sourced.next()) {
            // Named as its own field is: then the others are copies of it, and the name means this one.
            (Some(index), _, _) if self.get(index).is_some_and(|column| column.source.to_path() == name) => {
                Meaning::Column(index)
            }
            (Some(first), Some(second), _) | (None, Some(first), Some(second)) => Meaning::Ambiguous(first, second),
            (Some(index), None, _) | (None, Some(index), None) => Meaning::Column(index),
            (None, None, _) => Meaning::Nothing,
        }
    }
}
