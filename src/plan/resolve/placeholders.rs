//! The places `{…}` in the texts of an endpoint: what may stand in them, and which resource they make the parent.

use std::ops::Range;

use crate::{
    config::{
        Findings, Located, Place, Section,
        tree::{Entry, Value},
    },
    json::Selector,
    plan::{IncrementalValue, Meaning, Reference, Template, TemplateError},
    suggestion::suggestion,
};

const HELP: &str = "a place is `{resources.NAME.FIELD}`, or `{incremental.start_value}` where the endpoint has an \
    `incremental`; a brace that is meant is doubled: `{{`";

/// Reads the texts of one endpoint.
pub struct Placeholders<'a> {
    /// The names of all resources.
    resources: &'a [String],
    has_incremental: bool,
    /// The resources that were named so far, and where.
    pub parents: Vec<Located<String>>,
}

impl<'a> Placeholders<'a> {
    pub fn new(endpoint: &Section<'_>, resources: &'a [String]) -> Self {
        let params = endpoint.map("params");
        let mut kinds = params.iter().filter_map(|entry| endpoint.tagged_item("params", &entry.value));
        let has_incremental = endpoint.is_written("incremental") || kinds.any(|(kind, _)| kind == "incremental");
        Self { resources, has_incremental, parents: Vec::new() }
    }

    /// A text, number or bool; `None` if it is something else, or if what is wrong with it has been reported.
    pub fn scalar(&mut self, value: &Value, findings: &mut Findings) -> Option<Template> {
        match value.as_text() {
            Some(text) => self.text(text, &value.inserted, &value.place, findings),
            None => value.scalar().map(Template::literal),
        }
    }

    /// A text of a body, which may be in a language that has braces of its own.
    pub fn body(&mut self, value: &Value, findings: &mut Findings) -> Option<Template> {
        let Some(text) = value.as_text() else { return value.scalar().map(Template::literal) };
        match Template::parse(text, &value.inserted, |name| self.reference(name, &value.place)) {
            Ok(template) => Some(template),
            Err(error) => {
                match is_placeholder(opening(text, error.offset)) {
                    true => report(error, text, &value.place, findings),
                    false => report_braces(error, value, text, findings),
                }
                None
            }
        }
    }

    pub fn key(&mut self, entry: &Entry, findings: &mut Findings) -> Option<Template> {
        let place = Place { span: entry.key_span, path: entry.value.place.path.clone() };
        self.text(&entry.key, &[], &place, findings)
    }

    fn text(
        &mut self,
        text: &str,
        inserted: &[Range<usize>],
        place: &Place,
        findings: &mut Findings,
    ) -> Option<Template> {
        match Template::parse(text, inserted, |name| self.reference(name, place)) {
            Ok(template) => Some(template),
            Err(error) => {
                report(error, text, place, findings);
                None
            }
        }
    }

    /// What a place of this name stands for, if it is one of those that can stand anywhere.
    pub fn reference(&mut self, name: &str, place: &Place) -> Result<Meaning, String> {
        match name.split_once('.') {
            Some(("resources", rest)) => match rest.split_once('.') {
                Some((resource, field)) => self.field(resource, field, place).map(Meaning::Place),
                None => Err(format!("`{{{name}}}` names no field of a resource")),
            },
            Some(("incremental", word)) => self.incremental(word).map(Meaning::Place),
            _ => Err(format!("nothing fills the place `{{{name}}}`")),
        }
    }

    /// A field of another resource's records, which makes that one the parent.
    pub fn field(&mut self, resource: &str, field: &str, place: &Place) -> Result<Reference, String> {
        if !self.resources.iter().any(|known| known == resource) {
            let near = suggestion(resource, self.resources.iter().map(String::as_str), "resources");
            return Err(format!("there is no resource `{resource}`: {near}"));
        }
        if let Err(error) = field.parse::<Selector>() {
            return Err(format!("`{field}` is no field of a record: {error}"));
        }
        self.parents.push(Located { value: resource.to_owned(), place: place.clone() });
        Ok(Reference::Parent(field.to_owned()))
    }

    fn incremental(&self, word: &str) -> Result<Reference, String> {
        let Some(value) = IncrementalValue::ALL.into_iter().find(|value| value.word() == word) else {
            let words = IncrementalValue::ALL.map(|value| format!("`{}`", value.word()));
            return Err(format!("`incremental` has no `{word}`, but {}", words.join(", ")));
        };
        if !self.has_incremental {
            return Err(format!("`{{incremental.{word}}}` needs an `incremental` on the endpoint"));
        }
        Ok(Reference::Incremental(value))
    }
}

pub fn report(error: TemplateError, text: &str, place: &Place, findings: &mut Findings) {
    findings.error_inside(place, text, error.offset, error.message, Some(HELP.to_owned()));
}

/// Reports a text whose braces belong to another language, such as GraphQL, and shows how they are written.
fn report_braces(error: TemplateError, value: &Value, text: &str, findings: &mut Findings) {
    let doubled = doubled(text);
    let is_shown = !value.filled && !text.contains('\n') && doubled.chars().count() <= 120;
    let line = match is_shown {
        true => format!(": `{doubled}`"),
        false => format!(", e.g. `{{{{ {} }}}}`", first_name(opening(text, error.offset))),
    };
    let help =
        format!("braces that belong to the text, as in GraphQL, are doubled{line}; only placeholders have single ones");
    let message = format!("braces in this text are read as placeholders: {}", error.message);
    findings.error_inside(&value.place, text, error.offset, message, Some(help));
}

/// The text from the last `{` up to this byte.
fn opening(text: &str, offset: usize) -> &str {
    let begin = text.get(..offset + 1).or(text.get(..offset)).and_then(|before| before.rfind('{'));
    text.get(begin.unwrap_or(offset)..).unwrap_or_default()
}

/// Returns true if a placeholder begins here.
fn is_placeholder(text: &str) -> bool {
    ["{resources.", "{incremental."].iter().any(|begin| text.starts_with(begin))
}

/// The text with its braces doubled, placeholders aside.
fn doubled(text: &str) -> String {
    let mut doubled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        doubled += before;
        let end = brace.find('}').filter(|_| is_placeholder(brace)).map_or(1, |end| end + 1);
        let (brace, after) = brace.split_at(end);
        doubled += brace;
        if end == 1 {
            doubled += brace;
        }
        rest = after;
    }
    doubled + rest
}

/// The first word after a brace.
fn first_name(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}
