//! A description whose references are followed.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::parameters::{Parameter, parameters};
use crate::import::ImportError;

/// References that lead to references.
const MOST_HOPS: usize = 32;

/// The whole description.
pub(super) struct Document {
    root: Value,
}

/// The operation of one path.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    pub(super) item: &'a Value,
    pub(super) get: &'a Map<String, Value>,
    /// Of the path and of the operation.
    pub(super) parameters: Vec<Parameter<'a>>,
}

impl<'a> Operation<'a> {
    /// A key that the operation has, or its path for all of its operations.
    pub(super) fn own(&self, key: &str) -> Option<&'a Value> {
        self.get.get(key).or_else(|| self.item.get(key))
    }
}

impl Document {
    /// # Errors
    /// [`ImportError::NoOpenApi`] if no version or no path is in it.
    pub(super) fn new(file: &str, root: Value) -> Result<Self, ImportError> {
        let wrong = |reason: &str| ImportError::NoOpenApi { file: file.to_owned(), reason: reason.to_owned() };
        let version = root.get("openapi").or_else(|| root.get("swagger"));
        // Who wrote `swagger: 2.0` without quotes wrote a number.
        let version = version.map(|version| version.as_str().map_or_else(|| version.to_string(), str::to_owned));
        let version = version.unwrap_or_default();
        if !version.starts_with("3.") && version != "2.0" {
            return Err(wrong("it does not say `openapi: 3.…` or `swagger: \"2.0\"`"));
        }
        if !root.get("paths").is_some_and(Value::is_object) {
            return Err(wrong("it has no `paths`"));
        }
        Ok(Self { root })
    }

    pub(super) fn title(&self) -> Option<String> {
        Some(self.root.get("info")?.get("title")?.as_str()?.to_owned())
    }

    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    /// The value, or what it refers to within the file; `None` for what is elsewhere or leads to itself.
    pub(super) fn follow<'a>(&'a self, value: &'a Value) -> Option<&'a Value> {
        self.follow_by(value, |_| true)
    }

    /// The same, as long as `may_enter` allows the references on the way.
    pub(super) fn follow_by<'a>(
        &'a self,
        mut value: &'a Value,
        mut may_enter: impl FnMut(&'a str) -> bool,
    ) -> Option<&'a Value> {
        for _ in 0..MOST_HOPS {
            match value.get("$ref").and_then(Value::as_str) {
                None => return Some(value),
                Some(reference) if may_enter(reference) => value = self.at(reference)?,
                Some(_) => return None,
            }
        }
        None
    }

    /// What stands where a reference leads. It is part of a URL, so that any of its letters may be escaped (RFC 6901, 6).
    pub(super) fn at(&self, reference: &str) -> Option<&Value> {
        let written = reference.strip_prefix('#')?;
        let decoded = percent_decode_str(written).decode_utf8().unwrap_or(Cow::Borrowed(written));
        self.root.pointer(&decoded).or_else(|| self.root.pointer(written))
    }

    /// The paths, in the order of the file, as they stand there.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.root.get("paths").and_then(Value::as_object).into_iter().flatten()
    }

    /// The GETs, in the order of the file.
    pub(super) fn gets(&self) -> impl Iterator<Item = Operation<'_>> {
        self.paths().filter_map(|(path, item)| {
            let item = self.follow(item)?;
            let get = self.follow(item.get("get")?)?.as_object()?;
            let parameters = parameters(self, [item.get("parameters"), get.get("parameters")]);
            Some(Operation { path, item, get, parameters })
        })
    }

    /// A good answer.
    pub(super) fn response<'a>(&'a self, get: &'a Map<String, Value>) -> Option<&'a Value> {
        let responses = get.get("responses")?.as_object()?;
        ["200", "2XX", "2xx", "201", "default"].into_iter().find_map(|status| responses.get(status))
    }

    /// The schema of a good answer in JSON.
    pub(super) fn answer<'a>(&'a self, get: &'a Map<String, Value>) -> Option<&'a Value> {
        let response = self.follow(self.response(get)?)?;
        // Swagger 2 has it right there.
        if let Some(schema) = response.get("schema") {
            return self.follow(schema);
        }
        let content = response.get("content")?.as_object()?;
        let json = content.iter().find(|(media, _)| media.starts_with("application/json"));
        let json = json.or_else(|| content.iter().find(|(media, _)| media.contains("json")));
        // What Springdoc writes of any answer.
        let json = json.or_else(|| content.iter().find(|(media, _)| media.starts_with("*/*")));
        self.follow(json?.1.get("schema")?)
    }
}
