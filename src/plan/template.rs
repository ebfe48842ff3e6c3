//! Texts of the config with places that a parent's record or the cursor fills: `/posts/{resources.posts.id}/comments`.
//!
//! The form is Python's `str.format`, as dlt has it: `{name}` is a place, `{{` and `}}` are braces. Neither conversions
//! (`!r`) nor format specs (`:03d`) are understood; both are refused.

use std::{fmt, ops::Range};

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::request::{BindError, Bindings};

/// A text with places in it. Serialises as its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Reference),
    /// A place that the config itself fills.
    Filled(String),
}

/// What stands in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is filled for each request.
    Place(Reference),
    /// It is filled once and for all; by a text that has places of its own, maybe.
    Filled(Template),
}

impl From<Template> for Meaning {
    fn from(template: Template) -> Self {
        Self::Filled(template)
    }
}

impl From<Reference> for Meaning {
    fn from(reference: Reference) -> Self {
        Self::Place(reference)
    }
}

/// What fills a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// A field of the parent's record, as a selector.
    Parent(String),
    Incremental(IncrementalValue),
}

/// dlt's words for the values of a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IncrementalValue {
    InitialValue,
    /// Where this run begins: the last value less the lag, or the initial value.
    StartValue,
    /// As `start_value`: dlt's word for it in parameters.
    LastValue,
    EndValue,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    pub message: String,
    /// Byte offset into the text.
    pub offset: usize,
}

impl IncrementalValue {
    pub const ALL: [Self; 4] = [Self::InitialValue, Self::StartValue, Self::LastValue, Self::EndValue];

    /// As a template calls it, behind `incremental.`.
    pub fn word(self) -> &'static str {
        match self {
            Self::InitialValue => "initial_value",
            Self::StartValue => "start_value",
            Self::LastValue => "last_value",
            Self::EndValue => "end_value",
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parent(field) => write!(f, "the parent's `{field}`"),
            Self::Incremental(value) => write!(f, "`incremental.{}`", value.word()),
        }
    }
}

impl Template {
    /// Text that is taken as it is, braces included.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { parts: if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] } }
    }

    /// Reads a template. `meaning` says what stands in a place of this name, or what is wrong with the name. What stands in
    /// the ranges `inserted` is text, braces included.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse<M: Into<Meaning>>(
        text: &str,
        inserted: &[Range<usize>],
        mut meaning: impl FnMut(&str) -> Result<M, String>,
    ) -> Result<Self, TemplateError> {
        let mut parser = Parser { text, inserted, parts: Vec::new(), literal: String::new(), at: 0 };
        while let Some(brace) = parser.next_brace()? {
            let name = parser.name(brace)?;
            let meaning = meaning(name.trim()).map_err(|message| TemplateError { message, offset: brace })?;
            parser.push(meaning.into());
        }
        Ok(parser.finish())
    }

    /// What fills it, in order of appearance.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(reference) => Some(reference),
            Part::Text(_) | Part::Filled(_) => None,
        })
    }

    /// Whether nothing has to be filled in.
    pub fn is_literal(&self) -> bool {
        self.references().next().is_none()
    }

    /// Returns true if the last segment of the path, slashes at its end aside, has a place for something else than the
    /// cursor. The query is not part of the path.
    pub fn ends_in_place(&self) -> bool {
        // A path has no control characters.
        const PLACE: char = '\0';
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Place(Reference::Incremental(_)) => path.push('_'),
                Part::Place(Reference::Parent(_)) | Part::Filled(_) => path.push(PLACE),
                Part::Text(text) => match text.split_once(['?', '#']) {
                    Some((text, _)) => {
                        path.push_str(text);
                        break;
                    }
                    None => path.push_str(text),
                },
            }
        }
        path.trim_end_matches('/').rsplit('/').next().is_some_and(|segment| segment.contains(PLACE))
    }

    /// The place that it begins with.
    pub fn first_place(&self) -> Option<&Reference> {
        match self.parts.first() {
            Some(Part::Place(reference)) => Some(reference),
            _ => None,
        }
    }

    /// The only place, where the template is nothing else.
    pub fn lone_place(&self) -> Option<&Reference> {
        match self.parts.as_slice() {
            [Part::Place(reference)] => Some(reference),
            _ => None,
        }
    }

    /// The same with another text between its places.
    #[must_use]
    pub fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        let part = |part: &Part| match part {
            Part::Text(text) => Part::Text(change(text)),
            Part::Filled(text) => Part::Filled(change(text)),
            Part::Place(reference) => Part::Place(reference.clone()),
        };
        Self { parts: self.parts.iter().map(part).collect() }
    }

    /// The text, where nothing has to be filled in.
    pub fn as_literal(&self) -> Option<String> {
        let text = |part: &Part| match part {
            Part::Text(text) | Part::Filled(text) => Some(text.clone()),
            Part::Place(_) => None,
        };
        self.parts.iter().map(text).collect()
    }

    /// The text with its places filled, each value through `escape`; `None` if it is a lone place whose value is null.
    ///
    /// # Errors
    /// [`BindError`] if a value is not there, or is one that has no text.
    pub fn fill(
        &self,
        bindings: &Bindings,
        escape: impl Fn(String) -> Result<String, BindError>,
    ) -> Result<Option<String>, BindError> {
        if let Some(reference) = self.lone_place()
            && bindings.value(reference)?.is_null()
        {
            return Ok(None);
        }
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) | Part::Filled(text) => filled.push_str(text),
                Part::Place(reference) => filled.push_str(&escape(text_of(reference, bindings.value(reference)?)?)?),
            }
        }
        Ok(Some(filled))
    }
}

/// Reads a template from its beginning to its end.
struct Parser<'a> {
    text: &'a str,
    inserted: &'a [Range<usize>],
    parts: Vec<Part>,
    /// Since the last part.
    literal: String,
    at: usize,
}

impl<'a> Parser<'a> {
    /// The offset of the next `{` that opens a place; what stands before it becomes text.
    fn next_brace(&mut self) -> Result<Option<usize>, TemplateError> {
        while let Some(brace) = self.find(self.at, &['{', '}']) {
            self.literal.push_str(self.text.get(self.at..brace).unwrap_or_default());
            let rest = self.text.get(brace..).unwrap_or_default();
            let is_doubled = (rest.starts_with("{{") || rest.starts_with("}}")) && !self.is_inserted(brace + 1);
            match is_doubled {
                true => {
                    self.literal.push_str(rest.get(..1).unwrap_or_default());
                    self.at = brace + 2;
                }
                false if rest.starts_with('{') => return Ok(Some(brace)),
                false => {
                    let message = "this `}` closes nothing; a brace that is meant is doubled: `}}`";
                    return Err(TemplateError { message: message.to_owned(), offset: brace });
                }
            }
        }
        self.literal.push_str(self.text.get(self.at..).unwrap_or_default());
        Ok(None)
    }

    /// The name of the place that opens at `brace`, and steps behind it.
    fn name(&mut self, brace: usize) -> Result<&'a str, TemplateError> {
        let error = |message: &str, offset| TemplateError { message: message.to_owned(), offset };
        let end = self.find(brace + 1, &['}']);
        let end =
            end.ok_or_else(|| error("this `{` is never closed; a brace that is meant is doubled: `{{`", brace))?;
        let name = self.text.get(brace + 1..end).unwrap_or_default();
        if self.inserted.iter().any(|range| range.start < end && range.end > brace + 1) {
            return Err(error(
                "the name of a placeholder cannot be filled in: what is filled in is not read again",
                brace,
            ));
        }
        if let Some(odd) = name.find(['{', '!', ':']) {
            return Err(error("conversions and formats inside of placeholders are not supported", brace + 1 + odd));
        }
        self.at = end + 1;
        Ok(name)
    }

    fn push(&mut self, meaning: Meaning) {
        self.end_literal();
        match meaning {
            Meaning::Place(reference) => self.parts.push(Part::Place(reference)),
            Meaning::Filled(Template { parts }) => self.parts.extend(parts.into_iter().map(|part| match part {
                Part::Text(text) => Part::Filled(text),
                part => part,
            })),
        }
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.literal)));
        }
    }

    fn finish(mut self) -> Template {
        self.end_literal();
        Template { parts: self.parts }
    }

    /// The first of these characters at or behind `from` that was not filled in.
    fn find(&self, from: usize, wanted: &[char]) -> Option<usize> {
        let rest = self.text.get(from..)?;
        rest.match_indices(wanted).map(|(at, _)| from + at).find(|at| !self.is_inserted(*at))
    }

    fn is_inserted(&self, at: usize) -> bool {
        self.inserted.iter().any(|range| range.contains(&at))
    }
}

/// As it was written, but for the name of the parent.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) | Part::Filled(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Place(Reference::Parent(field)) => write!(f, "{{{field}}}"),
            Part::Place(Reference::Incremental(value)) => write!(f, "{{incremental.{}}}", value.word()),
        })
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value as it stands in a URL: bools as JSON writes them.
fn text_of(reference: &Reference, value: &Value) -> Result<String, BindError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null => Err(BindError::Null { what: reference.to_string() }),
        Value::Array(_) | Value::Object(_) => Err(BindError::Nested { what: reference.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parent(name: &str) -> Result<Reference, String> {
        name.strip_prefix("p.").map(|field| Reference::Parent(field.to_owned())).ok_or_else(|| format!("no {name}"))
    }

    fn filled(text: &str) -> Result<Option<String>, BindError> {
        let mut bindings = Bindings::default();
        for (name, value) in [("id", json!(7)), ("s", json!("a/b")), ("no", json!(null)), ("o", json!({}))] {
            bindings.parent.insert(name.to_owned(), value);
        }
        Template::parse(text, &[], parent).unwrap().fill(&bindings, |value| Ok(value.replace('/', "%2F")))
    }

    #[test]
    fn places_are_filled_and_doubled_braces_are_braces() {
        let text = |text| filled(text).unwrap().unwrap();
        assert_eq!(text("/posts/{p.id}/{ p.s }?{{x}}"), "/posts/7/a%2Fb?{x}");
        assert_eq!(text("é{p.id}é"), "é7é");
        assert_eq!(text(""), "");
    }

    #[test]
    fn a_lone_null_is_nothing_and_one_inside_a_text_an_error() {
        assert_eq!(filled("{p.no}"), Ok(None));
        assert!(matches!(filled("a{p.no}"), Err(BindError::Null { .. })));
        assert!(matches!(filled("{p.o}"), Err(BindError::Nested { .. })));
        assert!(matches!(filled("{p.x}"), Err(BindError::Unbound { .. })));
    }

    #[test]
    fn what_is_no_template_is_told_with_its_offset() {
        let wrong = |text: &str| Template::parse(text, &[], parent).unwrap_err().offset;
        assert_eq!(["é{p.id", "}", "a}b", "{p.id!r}", "{x}", "{p.a:2}"].map(wrong), [2, 0, 1, 5, 0, 4]);
    }

    #[test]
    fn what_was_filled_in_is_text_and_places_beside_it_are_places() {
        let parse = |text: &str, inserted: Range<usize>| Template::parse(text, &[inserted], parent);
        assert_eq!(parse("{p.x}/{p.id}", 0..5).unwrap().to_string(), "{{p.x}}/{id}");
        assert_eq!(parse("{{p.id}", 0..1).unwrap().to_string(), "{{{id}");
        assert_eq!(parse("/{p.id}", 3..5).unwrap_err().offset, 1);
    }

    #[test]
    fn a_place_that_the_config_fills_may_have_places_itself() {
        let meaning = |name: &str| match name {
            "own" => Template::parse("x{p.id}", &[], parent).map(Meaning::Filled).map_err(|error| error.message),
            name => parent(name).map(Meaning::Place),
        };
        let template = Template::parse("/{own}/{p.s}", &[], meaning).unwrap();
        assert_eq!(template.to_string(), "/x{id}/{s}");
        assert_eq!((template.as_literal(), Template::literal("a{").as_literal()), (None, Some("a{".to_owned())));
    }
}
