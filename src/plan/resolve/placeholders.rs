//! The places `{…}` in the texts of an endpoint: what may stand in them, and which resource they make the parent.

use std::ops::Range;

use crate::{
    config::{
        Findings, Located, Place, Section, suggestion,
        tree::{Entry, Value},
    },
    json::Selector,
    plan::{IncrementalValue, Meaning, Reference, Template, TemplateError},
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
