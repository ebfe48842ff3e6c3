//! A description whose references are followed.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    parameters::{Parameter, of_body, parameters},
    post::reads,
};
use crate::import::ImportError;

/// References that lead to references.
const MOST_HOPS: usize = 32;

/// The whole description.
pub(super) struct Document {
    root: Value,
}

/// One operation of a path: its GET, or its POST.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    pub(super) method: Method,
    pub(super) item: &'a Value,
    /// The operation's own object.
    pub(super) details: &'a Map<String, Value>,
    /// The body that it takes; `None` if none is described.
    pub(super) body: Option<Body<'a>>,
    /// Parameters of the path and of the operation, and the fields of its body.
    pub(super) parameters: Vec<Parameter<'a>>,
}

/// Methods that can read records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

/// The body of a request.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    /// A JSON body of this schema.
    Json(&'a Value),
    /// A body of this media type alone.
    Other(&'a str),
}

impl<'a> Operation<'a> {
    /// A key that the operation has, or its path for all of its operations.
    pub(super) fn own(&self, key: &str) -> Option<&'a Value> {
        self.details.get(key).or_else(|| self.item.get(key))
    }

    pub(super) fn is_post(&self) -> bool {
        self.method == Method::Post
    }

    /// Returns the path, with the method before it unless that is GET.
    pub(super) fn title(&self) -> String {
        let method = if self.is_post() { "POST " } else { "" };
        format!("{method}{}", self.path)
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

    /// The GETs and POSTs, in the order of the file; of one path the GET first.
    pub(super) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.paths().flat_map(|(path, item)| {
            let methods = [("get", Method::Get), ("post", Method::Post)];
            methods.into_iter().filter_map(|(key, method)| self.operation(path, item, key, method))
        })
    }

    fn operation<'a>(&'a self, path: &'a str, item: &'a Value, key: &str, method: Method) -> Option<Operation<'a>> {
        let item = self.follow(item)?;
        let details = self.follow(item.get(key)?)?.as_object()?;
        let mut parameters = parameters(self, [item.get("parameters"), details.get("parameters")]);
        let body = match method {
            Method::Get => None,
            Method::Post => self.body(details, &parameters),
        };
        if let Some(Body::Json(schema)) = body {
            parameters.extend(of_body(self, schema));
        }
        Some(Operation { path, method, item, details, body, parameters })
    }

    /// Swagger 2 describes the body among the parameters.
    fn body<'a>(&'a self, details: &'a Map<String, Value>, parameters: &[Parameter<'a>]) -> Option<Body<'a>> {
        if let Some(body) = parameters.iter().find(|parameter| parameter.place == "body") {
            return Some(Body::Json(self.follow(body.get("schema")?)?));
        }
        if parameters.iter().any(|parameter| parameter.place == "formData") {
            return Some(Body::Other("application/x-www-form-urlencoded"));
        }
        let content = self.follow(details.get("requestBody")?)?.get("content")?.as_object()?;
        match json_of(content).and_then(|media| self.follow(media.get("schema")?)) {
            Some(schema) => Some(Body::Json(schema)),
            None => content.keys().next().map(|media| Body::Other(media)),
        }
    }

    /// Returns the successful response. Status 201 of a POST is the created object, unless the POST reads.
    pub(super) fn response<'a>(&'a self, operation: &Operation<'a>) -> Option<&'a Value> {
        let responses = operation.details.get("responses")?.as_object()?;
        let statuses = ["200", "2XX", "2xx", "201", "default"];
        let creates = operation.is_post() && !reads(operation);
        let mut statuses = statuses.into_iter().filter(|status| !creates || *status != "201");
        statuses.find_map(|status| responses.get(status))
    }

    /// The schema of a good answer in JSON.
    pub(super) fn answer<'a>(&'a self, operation: &Operation<'a>) -> Option<&'a Value> {
        let response = self.follow(self.response(operation)?)?;
        // Swagger 2 has it right there.
        if let Some(schema) = response.get("schema") {
            return self.follow(schema);
        }
        let content = response.get("content")?.as_object()?;
        self.follow(json_of(content)?.get("schema")?)
    }
}

/// Returns the entry of JSON among media types.
fn json_of(content: &Map<String, Value>) -> Option<&Value> {
    let json = content.iter().find(|(media, _)| media.starts_with("application/json"));
    let json = json.or_else(|| content.iter().find(|(media, _)| media.contains("json")));
    // What Springdoc writes of any answer.
    let json = json.or_else(|| content.iter().find(|(media, _)| media.starts_with("*/*")));
    json.map(|(_, media)| media)
}
