//! Texts of the config with places that a parent's record or the cursor fills: `/posts/{resources.posts.id}/comments`.
//!
//! The form is Python's `str.format`, as dlt has it: `{name}` is a place, `{{` and `}}` are braces. Neither conversions
//! (`!r`) nor format specs (`:03d`) are understood; both are refused.

use std::fmt;

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

    /// Reads a template. `meaning` says what fills a place of this name, or what is wrong with the name.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(
        text: &str,
        mut meaning: impl FnMut(&str) -> Result<Reference, String>,
    ) -> Result<Self, TemplateError> {
        let error = |message: &str, offset| TemplateError { message: message.to_owned(), offset };
        let (mut parts, mut literal, mut at) = (Vec::new(), String::new(), 0);
        while let Some(found) = text.get(at..).and_then(|rest| rest.find(['{', '}'])) {
            let brace = at + found;
            literal.push_str(text.get(at..brace).unwrap_or_default());
            let rest = text.get(brace..).unwrap_or_default();
            if let Some(doubled) = ["{{", "}}"].iter().find(|doubled| rest.starts_with(**doubled)) {
                literal.push_str(doubled.get(..1).unwrap_or_default());
                at = brace + 2;
                continue;
            }
            if rest.starts_with('}') {
                return Err(error("this `}` closes nothing; a brace that is meant is doubled: `}}`", brace));
            }
            let name = rest.find('}').and_then(|end| rest.get(1..end));
            let name =
                name.ok_or_else(|| error("this `{` is never closed; a brace that is meant is doubled: `{{`", brace))?;
            if let Some(odd) = name.find(['{', '!', ':']) {
                let message = "conversions and formats inside of placeholders are not supported";
                return Err(error(message, brace + 1 + odd));
            }
            let reference = meaning(name.trim()).map_err(|message| TemplateError { message, offset: brace })?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Place(reference));
            at = brace + name.len() + 2;
        }
        literal.push_str(text.get(at..).unwrap_or_default());
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// What fills it, in order of appearance.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(reference) => Some(reference),
            Part::Text(_) => None,
        })
    }

    /// Whether nothing has to be filled in.
    pub fn is_literal(&self) -> bool {
        self.references().next().is_none()
    }

    /// Whether there is a place behind its last slash; slashes at the very end aside.
    pub fn ends_in_place(&self) -> bool {
        let mut is_end = true;
        for part in self.parts.iter().rev() {
            let Part::Text(text) = part else { return true };
            let text = if is_end { text.trim_end_matches('/') } else { text };
            if text.contains('/') {
                return false;
            }
            is_end &= text.is_empty();
        }
        false
    }

    /// The only place, where the template is nothing else.
    pub fn lone_place(&self) -> Option<&Reference> {
        match self.parts.as_slice() {
            [Part::Place(reference)] => Some(reference),
            _ => None,
        }
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
                Part::Text(text) => filled.push_str(text),
                Part::Place(reference) => filled.push_str(&escape(text_of(reference, bindings.value(reference)?)?)?),
            }
        }
        Ok(Some(filled))
    }
}

/// As it was written, but for the name of the parent.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
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
        Template::parse(text, parent).unwrap().fill(&bindings, |value| Ok(value.replace('/', "%2F")))
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
        let wrong = |text: &str| Template::parse(text, parent).unwrap_err().offset;
        assert_eq!(["é{p.id", "}", "a}b", "{p.id!r}", "{x}", "{p.a:2}"].map(wrong), [2, 0, 1, 5, 0, 4]);
    }
}
