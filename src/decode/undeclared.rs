//! Fields without a column under the contract `evolve`, and their observed values.

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::{
    json::{Key, Kind, Node},
    model::UndeclaredField,
    schema::Inferred,
};

/// The undeclared fields of one page.
pub(super) struct Undeclared<'a> {
    /// Maximum number of fields to report.
    most: usize,
    /// Fields of the current record, which count only if its row stays.
    record: Vec<(Cow<'a, str>, Node<'a>)>,
    fields: Vec<UndeclaredField>,
    /// By name, which of the fields.
    known: HashMap<String, usize>,
}

impl<'a> Undeclared<'a> {
    /// Reports at most `most` fields.
    pub fn within(most: usize) -> Self {
        Self { most, record: Vec::new(), fields: Vec::new(), known: HashMap::new() }
    }

    /// A field of the record at hand. A field that is null is as good as none.
    pub fn push(&mut self, key: Key<'a>, value: Node<'a>) {
        // A name that is no text can be no column's.
        if let (false, Ok(name)) = (value.kind() == Kind::Null, key.text()) {
            self.record.push((name, value));
        }
    }

    /// A field that has a column, whose type lacks fields that are within.
    pub fn push_within(&mut self, key: &'a str, value: Node<'a>) {
        self.record.push((Cow::Borrowed(key), value));
    }

    /// Ends a record. The fields of a rejected record are dropped.
    pub fn end_record(&mut self, is_kept: bool) {
        let record = std::mem::take(&mut self.record);
        for (name, value) in record.iter().filter(|_| is_kept) {
            let index = match self.known.get(name.as_ref()) {
                Some(index) => *index,
                None if self.fields.len() >= self.most => continue,
                None => {
                    self.known.insert(name.to_string(), self.fields.len());
                    self.fields.push(UndeclaredField { name: name.to_string(), seen: Inferred::default() });
                    self.fields.len() - 1
                }
            };
            if let Some(field) = self.fields.get_mut(index) {
                field.seen = std::mem::take(&mut field.seen).and(Inferred::of(*value));
            }
        }
        // Kept for its allocation.
        self.record = record;
        self.record.clear();
    }

    /// In order of appearance.
    pub fn finish(self) -> Vec<UndeclaredField> {
        self.fields
    }
}
