//! The columns of a table that nobody declared, from its first records.
//!
//! ```text
//! records, in page order ─► Observed: the fields, in order of appearance, and their values ─► columns
//! ```
//!
//! It depends on the records and their order alone. A field whose values have no known type, such as empty lists, becomes `json`;
//! one without any value is `json` until it has values. Every column may be null, since no number of records proves that a field is always there.

use hashbrown::HashMap;

use super::{
    infer::Inferred,
    model::{Column, Source, TableSchema},
    naming::Naming,
    types::ColumnType,
};
use crate::json::{Kind, Node};

/// The observed fields of a table's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Fields that are looked at; further ones are not counted.
    most: usize,
    records: u64,
    /// Records that were taken out before anybody looked at them.
    filtered: u64,
    /// And those that no step could process.
    rejected: u64,
    fields: Vec<(String, Inferred)>,
    /// By name, which of the fields.
    known: HashMap<String, usize>,
}

/// Two fields with column names that differ in case only, which readers treat as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameClash {
    pub first: String,
    pub second: String,
    pub column: String,
}

/// The limits of a table format for names and types.
pub struct Limits {
    pub naming: Naming,
    /// Returns true if names of columns and struct fields may contain a character.
    pub is_allowed: fn(char) -> bool,
}

impl Default for Observed {
    fn default() -> Self {
        Self::within(usize::MAX)
    }
}

impl Observed {
    /// Looks at no more than `most` fields.
    pub fn within(most: usize) -> Self {
        Self { most, records: 0, filtered: 0, rejected: 0, fields: Vec::new(), known: HashMap::new() }
    }

    /// Returns the number of records.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Returns the numbers of filtered and of rejected records, which are not observed.
    pub fn left_out(&self) -> (u64, u64) {
        (self.filtered, self.rejected)
    }

    /// So many records were taken out.
    pub fn leave_out(&mut self, filtered: u64, rejected: u64) {
        self.filtered += filtered;
        self.rejected += rejected;
    }

    /// One record more. What is no object has no fields; of duplicate keys the last counts.
    pub fn add(&mut self, record: Node<'_>) {
        self.records += 1;
        if record.kind() != Kind::Object {
            return;
        }
        let mut values: Vec<Option<Node<'_>>> = vec![None; self.fields.len()];
        for (key, value) in record.fields() {
            // A name that is no text can be no column's.
            let Ok(name) = key.text() else { continue };
            let Some(field) = self.field(&name) else { continue };
            match values.get_mut(field) {
                Some(last) => *last = Some(value),
                // A new field is the last one.
                None => values.push(Some(value)),
            }
        }
        for ((_, seen), value) in self.fields.iter_mut().zip(values) {
            if let Some(value) = value {
                *seen = std::mem::take(seen).and(Inferred::of(value));
            }
        }
    }

    fn field(&mut self, name: &str) -> Option<usize> {
        match self.known.get(name) {
            Some(field) => Some(*field),
            None if self.fields.len() >= self.most => None,
            None => {
                let field = self.fields.len();
                self.known.insert(name.to_owned(), field);
                self.fields.push((name.to_owned(), Inferred::default()));
                Some(field)
            }
        }
    }

    /// A column for each field, in order of appearance.
    ///
    /// # Errors
    /// [`NameClash`] if two of them would have one name.
    pub fn columns(&self, limits: &Limits) -> Result<TableSchema, NameClash> {
        let mut columns: Vec<Column> = Vec::with_capacity(self.fields.len());
        let mut names: HashMap<String, &str> = HashMap::with_capacity(self.fields.len());
        for (field, seen) in &self.fields {
            let name = limits.naming.column(field, limits.is_allowed);
            if let Some(first) = names.insert(name.to_lowercase(), field) {
                return Err(NameClash { first: first.to_owned(), second: field.clone(), column: name });
            }
            let data_type = seen.column_type().filter(|data_type| limits.allow(data_type)).unwrap_or(ColumnType::Json);
            columns.push(Column {
                name,
                source: if seen.is_nothing() { Source::Unseen(field.clone()) } else { Source::Evolved(field.clone()) },
                data_type,
                nullable: true,
                format: None,
            });
        }
        Ok(TableSchema { columns })
    }
}

impl Limits {
    /// A struct's fields have no source beside their name, so they cannot be renamed.
    pub fn allow(&self, data_type: &ColumnType) -> bool {
        match data_type {
            ColumnType::List(inner) | ColumnType::Map(inner) => self.allow(inner),
            ColumnType::Struct(fields) => {
                fields.iter().all(|field| field.name.chars().all(self.is_allowed) && self.allow(&field.data_type))
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    const PLAIN: Limits = Limits { naming: Naming::Direct, is_allowed: |_| true };

    fn observed(records: &str) -> Observed {
        let document = Document::parse(records.into()).unwrap();
        let mut observed = Observed::default();
        document.root().items().for_each(|record| observed.add(record));
        observed
    }

    /// `name: type` of each column, with `<- field` where that is called otherwise.
    fn columns(records: &str, limits: &Limits) -> Vec<String> {
        let shown = |column: &Column| {
            let source = column.source.to_path();
            let renamed = if source == column.name { String::new() } else { format!(" <- {source}") };
            format!("{}: {}{renamed}", column.name, column.data_type)
        };
        observed(records).columns(limits).unwrap().columns.iter().map(shown).collect()
    }

    #[test]
    fn fields_become_columns_in_order_of_appearance_over_all_records() {
        let records = r#"[{"b": 1, "a": null, "e": []}, {"c": "x", "b": 2.5, "a": {"k": 1}}, 7, {"d": {}}]"#;
        assert_eq!(columns(records, &PLAIN), ["b: float64", "a: struct<k: int64>", "e: json", "c: string", "d: json"]);
        assert_eq!(observed(records).records(), 4);
    }

    #[test]
    fn of_duplicate_keys_the_last_counts() {
        assert_eq!(columns(r#"[{"a": "x", "a": 1}]"#, &PLAIN), ["a: int64"]);
    }

    #[test]
    fn names_are_made_by_the_convention_and_the_source_keeps_the_fields_own() {
        let snake = Limits { naming: Naming::SnakeCase, ..PLAIN };
        assert_eq!(columns(r#"[{"createdAt": 1, "id": 2}]"#, &snake), ["created_at: int64 <- createdAt", "id: int64"]);
        assert_eq!(columns(r#"[{"": 1, "a.b": 2}]"#, &PLAIN), ["_: int64 <- ", "a.b: int64"]);
        let delta = Limits { naming: Naming::Direct, is_allowed: |letter| letter != ' ' };
        let records = r#"[{"a b": 1, "o": {"c d": 1}, "l": [{"e": {"f g": 1}}], "p": {"q": "r s"}}]"#;
        let found = ["a_b: int64 <- a b", "o: json", "l: json", "p: struct<q: string>"];
        assert_eq!(columns(records, &delta), found);
    }

    #[test]
    fn fields_that_readers_would_take_for_one_are_named_both() {
        let clash = observed(r#"[{"id": 1}, {"x": 1, "ID": 2}]"#).columns(&PLAIN).unwrap_err();
        assert_eq!((clash.first.as_str(), clash.second.as_str()), ("id", "ID"));
        let snake = Limits { naming: Naming::SnakeCase, ..PLAIN };
        let clash = observed(r#"[{"userId": 1, "user_id": 2}]"#).columns(&snake).unwrap_err();
        assert_eq!(clash.column, "user_id");
    }
}
