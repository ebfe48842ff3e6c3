//! References that lead out of the file, or nowhere: what they describe is not known, and told.

use std::collections::HashSet;

use serde_json::Value;

use super::document::{Document, Operation};
use crate::import::Note;

/// Tells each reference once, at the first path that comes by it.
pub(super) struct ExternalRefs<'a> {
    document: &'a Document,
    seen: HashSet<&'a str>,
}

impl<'a> ExternalRefs<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self { document, seen: HashSet::new() }
    }

    /// Those of paths that are references themselves.
    pub(super) fn of_paths(&self, notes: &mut Vec<Note>) {
        for (path, item) in self.document.paths() {
            let reference = item.get("$ref").and_then(Value::as_str).filter(|_| self.document.follow(item).is_none());
            notes.extend(reference.map(|reference| unread(path, reference)));
        }
    }

    /// Those in the parameters and the answer of one operation.
    pub(super) fn of_operation(&mut self, operation: &Operation<'a>, notes: &mut Vec<Note>) {
        let answer = self.document.response(operation);
        let parameters = [operation.item.get("parameters"), operation.details.get("parameters")];
        for value in parameters.into_iter().flatten().chain(answer) {
            self.of_value(operation.path, value, notes);
        }
    }

    /// Without recursion: references may be chained longer than a stack is deep.
    fn of_value(&mut self, path: &str, value: &'a Value, notes: &mut Vec<Note>) {
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                match self.document.at(reference) {
                    _ if !self.seen.insert(reference) => {}
                    Some(target) => open.push(target),
                    None => notes.push(unread(path, reference)),
                }
            } else if let Value::Object(entries) = value {
                open.extend(entries.values());
            } else if let Value::Array(items) = value {
                open.extend(items);
            }
        }
    }
}

fn unread(path: &str, reference: &str) -> Note {
    let why = match reference.starts_with('#') {
        true => "leads nowhere: what it stands for is not known",
        false => "leads out of the file, and nothing else is read: join the files into one description first",
    };
    Note::new("resources", format!("the path {path}: the reference `{reference}` {why}"))
}
