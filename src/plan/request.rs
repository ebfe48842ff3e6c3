//! What a resource asks for, before the values of a parent's record, of the cursor and of the paginator are in it.
//!
//! ```text
//! RequestPlan ──bind(values of a parent's record and of the cursor)──► BoundRequest ──► fetch: page by page
//! ```

use std::{cell::Cell, collections::BTreeMap};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use url::Url;

use super::template::{IncrementalValue, Reference, Template};
use crate::secret::Secret;

/// A request with places that are still to be filled.
#[derive(Clone, Debug, Serialize)]
pub struct RequestPlan {
    pub method: Method,
    /// The API; a path that is a whole URL stands for itself.
    pub base_url: Url,
    pub path: Template,
    /// In the order of the config; a list stands here as repeated names. One that is null is left out.
    pub params: Vec<(Template, Template)>,
    /// Of this resource alone, in place of the client's of the same name.
    pub headers: Vec<(Template, Secret<Template>)>,
    /// Headers of the client that are not sent.
    pub without_headers: Vec<String>,
    pub body: BodyPlan,
}

/// What a request does. All of them read: they are repeated like a GET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Get,
    Post,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyPlan {
    #[default]
    None,
    Json(JsonTemplate),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(Template, Template)>),
    /// As it is.
    Raw(Template),
}

/// JSON whose texts and keys have places; a text that is nothing but a place takes its value as it is.
///
/// Serialises as the JSON that it stands for, its places as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonTemplate {
    Value(Value),
    Text(Template),
    List(Vec<JsonTemplate>),
    Object(Vec<(Template, JsonTemplate)>),
}

/// The values of the places of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bindings {
    /// By the selector that a [`Reference::Parent`] names.
    pub parent: BTreeMap<String, Value>,
    pub incremental: BTreeMap<IncrementalValue, Value>,
}

/// A request of which only the page is open.
#[derive(Clone, Debug)]
pub struct BoundRequest {
    pub method: Method,
    /// Absolute, without the parameters below.
    pub url: Url,
    pub params: Vec<(String, String)>,
    pub headers: Vec<(String, Secret<String>)>,
    /// Headers of the client that are not sent.
    pub without_headers: Vec<String>,
    pub body: BoundBody,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum BoundBody {
    #[default]
    None,
    Json(Value),
    Form(Vec<(String, String)>),
    Raw(String),
}

/// Why a request cannot be made of these values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    #[error("{what} is not there")]
    Unbound { what: String },
    #[error("{what} is null, and stands inside a text")]
    Null { what: String },
    #[error("{what} is a list or an object, and stands where a text is wanted")]
    Nested { what: String },
    #[error("{what} is no value that JSON knows")]
    Unreadable { what: String },
    #[error("a value of the path `{path}` is `{value}`, which would make it another path")]
    UnfitForPath { path: String, value: String },
    #[error("the cursor's value `{value}` is {kind}, and `convert: {convert}` is for dates and timestamps")]
    Unconvertible { value: String, kind: &'static str, convert: String },
    #[error("`{path}` is no path of a URL: {cause}")]
    Url { path: String, cause: String },
}

/// What stays itself in a segment of a path (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Method {
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

impl Bindings {
    pub(super) fn value(&self, reference: &Reference) -> Result<&Value, BindError> {
        let found = match reference {
            Reference::Parent(field) => self.parent.get(field),
            Reference::Incremental(value) => self.incremental.get(value),
        };
        found.ok_or_else(|| BindError::Unbound { what: reference.to_string() })
    }
}

impl RequestPlan {
    /// A GET of one address, with nothing to fill in.
    pub fn get(base_url: Url, path: &str) -> Self {
        Self {
            method: Method::Get,
            base_url,
            path: Template::literal(path),
            params: Vec::new(),
            headers: Vec::new(),
            without_headers: Vec::new(),
            body: BodyPlan::None,
        }
    }

    /// Where it goes, its places as they were written.
    pub fn address(&self) -> String {
        let path = self.path.to_string();
        if is_absolute(&path) {
            return path;
        }
        if path.is_empty() {
            return self.base_url.to_string();
        }
        format!("{}/{}", self.base_url.as_str().trim_end_matches('/'), path.trim_start_matches('/'))
    }

    /// Returns true if the path is that of one record of many, as in dlt: its last segment has a place. A place in the query
    /// and one for the cursor filter a list.
    pub fn is_single_entity(&self) -> bool {
        self.path.ends_in_place()
    }

    /// What fills its places, each once, in order.
    pub fn references(&self) -> Vec<Reference> {
        let mut references: Vec<Reference> = self.path.references().cloned().collect();
        let params = self.params.iter().flat_map(|(name, value)| name.references().chain(value.references()));
        references.extend(params.cloned());
        for (name, value) in &self.headers {
            references.extend(name.references().chain(value.expose().references()).cloned());
        }
        match &self.body {
            BodyPlan::None => {}
            BodyPlan::Json(json) => json.collect(&mut references),
            BodyPlan::Form(pairs) => {
                let both = pairs.iter().flat_map(|(name, value)| name.references().chain(value.references()));
                references.extend(both.cloned());
            }
            BodyPlan::Raw(text) => references.extend(text.references().cloned()),
        }
        references.sort();
        references.dedup();
        references
    }

    /// What must not be null: it stands in the path, or inside a text.
    pub fn required(&self) -> Vec<Reference> {
        let headers = self.headers.iter().flat_map(|(name, value)| [name, value.expose()]);
        let params = self.params.iter().flat_map(|(name, value)| [name, value]);
        let mut texts: Vec<&Template> = params.chain(headers).collect();
        match &self.body {
            BodyPlan::None => {}
            BodyPlan::Json(json) => json.texts(&mut texts),
            BodyPlan::Form(pairs) => texts.extend(pairs.iter().flat_map(|(name, value)| [name, value])),
            BodyPlan::Raw(text) => texts.push(text),
        }
        let inside = texts.into_iter().filter(|text| text.lone_place().is_none());
        let mut required: Vec<_> = inside.chain([&self.path]).flat_map(Template::references).cloned().collect();
        required.sort();
        required.dedup();
        required
    }

    /// The request with its places filled.
    ///
    /// # Errors
    /// [`BindError`] if a value is not there or does not fit its place.
    pub fn bind(&self, bindings: &Bindings) -> Result<BoundRequest, BindError> {
        Ok(BoundRequest {
            method: self.method,
            url: self.url(bindings)?,
            params: pairs(&self.params, bindings)?,
            headers: self.bound_headers(bindings)?,
            without_headers: self.without_headers.clone(),
            body: self.body.bind(bindings)?,
        })
    }

    fn url(&self, bindings: &Bindings) -> Result<Url, BindError> {
        // dlt follows a parent's field that is a whole URL, with what stands behind it.
        let leads = match self.path.first_place() {
            Some(reference) => bindings.value(reference)?.as_str().is_some_and(is_absolute),
            None => false,
        };
        let leads = Cell::new(leads);
        let path = self.path.fill(bindings, |value| {
            if leads.take() {
                return Ok(value);
            }
            // Dots are resolved as steps even where they are escaped, and nothing at all would name the list above.
            match value.as_str() {
                "" | "." | ".." => Err(BindError::UnfitForPath { path: self.path.to_string(), value }),
                _ => Ok(utf8_percent_encode(&value, SEGMENT).to_string()),
            }
        })?;
        let null = || BindError::UnfitForPath { path: self.path.to_string(), value: "null".to_owned() };
        join(&self.base_url, &path.ok_or_else(null)?)
    }

    fn bound_headers(&self, bindings: &Bindings) -> Result<Vec<(String, Secret<String>)>, BindError> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let (Some(name), Some(value)) = (plain(name, bindings)?, plain(value.expose(), bindings)?) else {
                continue;
            };
            headers.push((name, Secret::new(value)));
        }
        Ok(headers)
    }
}

impl BodyPlan {
    fn bind(&self, bindings: &Bindings) -> Result<BoundBody, BindError> {
        Ok(match self {
            Self::None => BoundBody::None,
            Self::Json(json) => BoundBody::Json(json.bind(bindings)?),
            Self::Raw(text) => BoundBody::Raw(plain(text, bindings)?.unwrap_or_default()),
            Self::Form(fields) => BoundBody::Form(pairs(fields, bindings)?),
        })
    }
}

impl JsonTemplate {
    fn bind(&self, bindings: &Bindings) -> Result<Value, BindError> {
        Ok(match self {
            Self::Value(value) => value.clone(),
            Self::Text(text) => match text.lone_place() {
                Some(reference) => bindings.value(reference)?.clone(),
                None => Value::String(plain(text, bindings)?.unwrap_or_default()),
            },
            Self::List(items) => items.iter().map(|item| item.bind(bindings)).collect::<Result<_, _>>()?,
            Self::Object(entries) => {
                let mut object = Map::new();
                for (key, value) in entries {
                    object.insert(plain(key, bindings)?.unwrap_or_default(), value.bind(bindings)?);
                }
                Value::Object(object)
            }
        })
    }

    fn texts<'a>(&'a self, texts: &mut Vec<&'a Template>) {
        match self {
            Self::Value(_) => {}
            Self::Text(text) => texts.push(text),
            Self::List(items) => items.iter().for_each(|item| item.texts(texts)),
            Self::Object(entries) => {
                for (key, value) in entries {
                    texts.push(key);
                    value.texts(texts);
                }
            }
        }
    }

    fn collect(&self, references: &mut Vec<Reference>) {
        match self {
            Self::Value(_) => {}
            Self::Text(text) => references.extend(text.references().cloned()),
            Self::List(items) => items.iter().for_each(|item| item.collect(references)),
            Self::Object(entries) => {
                for (key, value) in entries {
                    references.extend(key.references().cloned());
                    value.collect(references);
                }
            }
        }
    }
}

impl Serialize for JsonTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

fn plain(template: &Template, bindings: &Bindings) -> Result<Option<String>, BindError> {
    template.fill(bindings, Ok)
}

/// Those whose name and value are not null.
fn pairs(pairs: &[(Template, Template)], bindings: &Bindings) -> Result<Vec<(String, String)>, BindError> {
    let filled = pairs.iter().map(|(name, value)| Ok(plain(name, bindings)?.zip(plain(value, bindings)?)));
    filled.filter_map(Result::transpose).collect()
}

/// Whether a path is a whole URL.
pub fn is_absolute(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

/// `base_url` + `/` + path, however many slashes stand there, as dlt joins them; a whole URL is itself, and so is `base_url`
/// where the path is empty.
///
/// # Errors
/// [`BindError::Url`] if that is none.
pub fn join(base: &Url, path: &str) -> Result<Url, BindError> {
    let wrong = |error: url::ParseError| BindError::Url { path: path.to_owned(), cause: error.to_string() };
    if is_absolute(path) {
        return Url::parse(path).map_err(wrong);
    }
    let mut base = base.clone();
    if path.is_empty() {
        return Ok(base);
    }
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    // `./` keeps a first segment with a colon in it from being read as a scheme.
    base.join(&format!("./{}", path.trim_start_matches('/'))).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(text: &str) -> Template {
        let meaning = |name: &str| match name {
            "start" => Ok(Reference::Incremental(IncrementalValue::StartValue)),
            name => Ok(Reference::Parent(name.to_owned())),
        };
        Template::parse(text, &[], meaning).unwrap()
    }

    fn plan(path: &str) -> RequestPlan {
        let base = Url::parse("http://a/v1").unwrap();
        RequestPlan { path: template(path), ..RequestPlan::get(base, "") }
    }

    fn bindings() -> Bindings {
        let mut bindings = Bindings::default();
        let values =
            [("id", json!(7)), ("name", json!("a b/c?")), ("url", json!("https://b/x?y=1")), ("no", json!(null))];
        bindings.parent.extend(values.map(|(name, value)| (name.to_owned(), value)));
        bindings.parent.insert("whole".to_owned(), json!("https://b/x"));
        bindings.parent.insert("empty".to_owned(), json!(""));
        bindings.parent.insert("dots".to_owned(), json!(".."));
        bindings.incremental.insert(IncrementalValue::StartValue, json!(12));
        bindings
    }

    fn url(path: &str) -> Result<String, BindError> {
        plan(path).bind(&bindings()).map(|bound| bound.url.into())
    }

    #[test]
    fn values_in_a_path_are_escaped_and_never_leave_their_segment() {
        assert_eq!(url("/posts/{id}/{name}").unwrap(), "http://a/v1/posts/7/a%20b%2Fc%3F");
    }

    #[test]
    fn an_empty_path_is_the_base_url_as_it_is() {
        assert_eq!((url("").unwrap().as_str(), url("/").unwrap().as_str()), ("http://a/v1", "http://a/v1/"));
        assert_eq!(plan("").address(), "http://a/v1");
    }

    #[test]
    fn a_path_whose_last_segment_has_a_place_asks_for_one_record() {
        for path in
            ["/posts/{id}", "/posts/{id}/", "/posts/p-{id}.json", "{url}", "/posts/{id}?x=/a", "/posts/{id}-{start}"]
        {
            assert!(plan(path).is_single_entity(), "{path}");
        }
        for path in [
            "/posts/{id}/comments",
            "/posts",
            "/posts/{id}/comments/",
            "/",
            "/search?parent={id}",
            "/posts/{id}/comments?q={id}",
            "/items/{start}",
            "/items?since={start}",
            "/posts/{id}/{start}",
            "?q={id}",
        ] {
            assert!(!plan(path).is_single_entity(), "{path}");
        }
    }

    #[test]
    fn a_parents_field_that_is_a_whole_url_is_followed() {
        assert_eq!(url("{url}").unwrap(), "https://b/x?y=1");
        assert_eq!(url("https://c/{id}").unwrap(), "https://c/7");
        assert_eq!(url("{whole}/issues/{name}").unwrap(), "https://b/x/issues/a%20b%2Fc%3F");
        assert_eq!(url("{id}/{whole}").unwrap(), "http://a/v1/7/https%3A%2F%2Fb%2Fx");
    }

    #[test]
    fn values_that_would_make_it_another_path_are_refused() {
        for path in ["/posts/{empty}/x", "/posts/{dots}/x", "{no}"] {
            assert!(matches!(url(path), Err(BindError::UnfitForPath { .. })), "{path}");
        }
        assert!(matches!(url("/posts/{no}"), Err(BindError::Null { .. })));
        assert!(matches!(url("/posts/{nothing}"), Err(BindError::Unbound { .. })));
    }

    #[test]
    fn parameters_that_are_null_are_left_out_and_headers_too() {
        let params = [("a", "{no}"), ("b", "x{id}"), ("c", "{start}"), ("k{id}", "1"), ("{no}", "1")];
        let params = params.map(|(name, text)| (template(name), template(text))).to_vec();
        let headers = vec![
            (Template::literal("X-A"), Secret::new(template("{id}"))),
            (Template::literal("X-B"), Secret::new(template("{no}"))),
        ];
        let bound = RequestPlan { params, headers, ..plan("p") }.bind(&bindings()).unwrap();
        let expected = [("b", "x7"), ("c", "12"), ("k7", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(bound.params, expected);
        assert_eq!(bound.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["X-A"]);
    }

    #[test]
    fn a_lone_place_in_json_keeps_the_type_of_its_value() {
        let json = JsonTemplate::Object(vec![
            (template("id"), JsonTemplate::Text(template("{id}"))),
            (template("k{id}"), JsonTemplate::Text(template("x{id}"))),
            (
                template("l"),
                JsonTemplate::List(vec![JsonTemplate::Value(json!(1.5)), JsonTemplate::Text(template("{no}"))]),
            ),
        ]);
        let bound = RequestPlan { body: BodyPlan::Json(json), ..plan("p") };
        let expected = [Reference::Parent("id".to_owned()), Reference::Parent("no".to_owned())];
        // Keys of the object are templates, and so are texts: all of them are known to need the parent.
        assert!(expected.iter().all(|reference| bound.references().contains(reference)));
        let bound = bound.bind(&bindings()).unwrap();
        assert_eq!(bound.body, BoundBody::Json(json!({"id": 7, "k7": "x7", "l": [1.5, null]})));
    }
}
