//! Puts the content of files in the place of their paths, where a key names a file that the plan needs to know.

use std::path::Path;

use super::{
    fields::{Shape, TYPE, Table},
    problem::Findings,
    tree::{Kind, Value},
};
use crate::{
    secret::{Secret, is_secret_name},
    text_file,
};

/// Reads every [`Shape::File`] below a checked object. A file that cannot be read is reported, and its value becomes broken.
pub struct Files<'a> {
    /// Relative paths resolve against it.
    pub directory: &'a Path,
    pub findings: &'a mut Findings,
    /// Contents under the names of secrets.
    pub secrets: Vec<Secret<String>>,
}

impl Files<'_> {
    pub fn insert(&mut self, value: &mut Value, table: &'static Table) {
        let Kind::Object(entries) = &mut value.kind else { return };
        for entry in entries {
            match table.field(&entry.key).map(|field| &field.shape) {
                Some(Shape::File) => self.read(&mut entry.value, is_secret_name(entry.key.trim_end_matches("_file"))),
                Some(shape) => self.below(&mut entry.value, shape),
                None => {}
            }
        }
    }

    fn below(&mut self, value: &mut Value, shape: &'static Shape) {
        if let Kind::List(items) = &mut value.kind {
            return items.iter_mut().for_each(|item| self.below(item, shape));
        }
        let tag = value.get(TYPE).and_then(Value::as_text);
        let variant = shape.union().and_then(|union| union.variant(tag.or(union.default)?));
        if let Some(table) = shape.table().or(variant.map(|variant| variant.table)) {
            self.insert(value, table);
        }
    }

    fn read(&mut self, value: &mut Value, is_secret: bool) {
        let Some(path) = value.as_text().map(str::to_owned) else { return };
        match text_file::read(&self.directory.join(&path), text_file::LARGEST_CONFIG) {
            Ok(content) => {
                if is_secret {
                    self.secrets.push(Secret::new(content.clone()));
                }
                value.kind = Kind::Text(content);
                value.filled = true;
                value.secret = is_secret;
            }
            Err(error) => {
                let help = "the path is relative to the config file; the file has to be UTF-8 text".to_owned();
                self.findings.error(&value.place, format!("the file `{path}` cannot be read: {error}"), Some(help));
                value.kind = Kind::Broken;
            }
        }
    }
}
