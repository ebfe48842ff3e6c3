//! What is wrong with a config, all of it, and where.

use std::{fmt, ops::Range};

use memchr::memchr2;
use serde::Serialize;

use super::{
    interpolate::is_reference,
    tree::{Kind, Place, Span, Value},
};
use crate::{
    error::{ErrorKind, Failure},
    secret::Redactor,
};

/// A text that was read: a config or schema file, or what came on stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// As the user named it; `<stdin>` for standard input.
    pub name: String,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    /// Accepted, but without effect.
    Note,
}

/// One thing that is wrong (or without effect), its place, and a way to mend it. Serialises as the items of
/// `check --output json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(skip)]
    pub severity: Severity,
    /// Index into [`Problems::sources`]; `None` for what stood on the command line.
    #[serde(skip)]
    pub source: Option<usize>,
    /// The source's name; `<command line>` for what stood there.
    pub file: String,
    /// 1 for the first line; 0 on the command line.
    pub line: usize,
    /// In characters, 1 for the first; 0 on the command line.
    pub column: usize,
    /// Bytes of the source's text, never beyond the line's end.
    #[serde(skip)]
    pub span: Range<usize>,
    /// Dotted, such as `resources[0].endpoint.paginator.limit`.
    pub path: String,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    /// Something wrong with what was asked for on the command line: a usage error.
    pub fn usage(option: &str, message: impl Into<String>, help: Option<String>) -> Self {
        Self {
            severity: Severity::Error,
            source: None,
            file: "<command line>".to_owned(),
            line: 0,
            column: 0,
            span: 0..0,
            path: option.to_owned(),
            message: message.into(),
            help,
        }
    }
}

/// `file:line:column: path: message (help)`, in one line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Some(_) => write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?,
            None => write!(f, "{}: ", self.file)?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// All problems of a config, in the order of their places; at least one of them is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    pub problems: Vec<Problem>,
    pub sources: Vec<SourceText>,
}

impl Problems {
    /// Whether nothing is wrong but what was asked for on the command line.
    pub fn is_usage(&self) -> bool {
        self.errors().all(|problem| problem.source.is_none())
    }

    /// Returns the problem with credentials stripped from its texts.
    pub(crate) fn redacted(mut self, redactor: &Redactor) -> Self {
        for problem in &mut self.problems {
            problem.message = redactor.credentials(&problem.message);
            problem.help = problem.help.as_ref().map(|help| redactor.credentials(help));
        }
        self
    }

    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self.errors();
        match (errors.next(), errors.count()) {
            (Some(only), 0) => only.fmt(f),
            (first, more) => {
                let file = first.map_or("the config", |problem| problem.file.as_str());
                write!(f, "{} problems in {file}", more + usize::from(first.is_some()))
            }
        }
    }
}

impl std::error::Error for Problems {}

impl Failure for Problems {
    fn kind(&self) -> ErrorKind {
        ErrorKind::User
    }

    /// `usage` where only the command line is wrong, so that the process can exit as it does for any wrong option.
    fn code(&self) -> &'static str {
        if self.is_usage() { "usage" } else { "config" }
    }
}

/// Collects problems while a config is read.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub sources: Vec<SourceText>,
    pub problems: Vec<Problem>,
    /// Where secrets stand in the sources, letter by letter.
    hidden: Vec<Span>,
    /// Errors and notes beyond [`MOST_PROBLEMS`] of each.
    unlisted: Unlisted,
}

/// Errors, and notes, that are listed. A file of a hundred thousand unknown keys is not a config with as many mistakes.
const MOST_PROBLEMS: usize = 1_000;

#[derive(Clone, Debug, Default)]
struct Unlisted {
    errors: usize,
    notes: usize,
}

impl Findings {
    /// Goes on from what was found before.
    pub fn new(sources: Vec<SourceText>, problems: Vec<Problem>) -> Self {
        Self { sources, problems, ..Self::default() }
    }

    /// Keeps a secret that stands in a file out of the text that is shown beside problems. A `${NAME}` alone gives nothing
    /// away; its default, or what stands beside it, does.
    pub fn hide(&mut self, value: &Value) {
        if matches!(value.kind, Kind::Object(_) | Kind::List(_)) {
            // What its span takes in is up to the format, and its keys are no secrets.
            let inner = value.entries().iter().map(|entry| &entry.value).chain(value.items());
            return inner.for_each(|inner| self.hide(inner));
        }
        let span = value.place.span;
        let written = self.text(span.source).get(span.start..span.end).unwrap_or_default();
        if !is_reference(written.trim().trim_matches(['"', '\''])) {
            self.hidden.push(span);
        }
    }

    /// Takes in a text; its index is what spans name it by.
    pub fn add_source(&mut self, name: String, text: String) -> usize {
        self.sources.push(SourceText { name, text });
        self.sources.len() - 1
    }

    pub fn text(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |source| source.text.as_str())
    }

    pub fn error(&mut self, place: &Place, message: impl Into<String>, help: Option<String>) {
        self.add(Severity::Error, place.span, &place.path, message.into(), help);
    }

    /// An error at an offset inside a text value, where the value stands in the file letter by letter; else at the value.
    pub fn error_inside(&mut self, place: &Place, text: &str, offset: usize, message: String, help: Option<String>) {
        // One text can contain hundreds of thousands of problems, and locating each takes a search of the text.
        let is_listed = self.has_room(Severity::Error);
        let span = if is_listed { self.inside(place.span, text, offset) } else { place.span };
        self.add(Severity::Error, span, &place.path, message, help);
    }

    pub fn add(&mut self, severity: Severity, span: Span, path: &str, message: String, help: Option<String>) {
        if !self.has_room(severity) {
            match severity {
                Severity::Error => self.unlisted.errors += 1,
                Severity::Note => self.unlisted.notes += 1,
            }
            return;
        }
        let text = self.text(span.source);
        let (line, column) = line_and_column(text, span.start);
        let problem = Problem {
            severity,
            source: Some(span.source),
            file: self.sources.get(span.source).map(|source| source.name.clone()).unwrap_or_default(),
            line,
            column,
            span: first_line(text, span),
            path: path.to_owned(),
            message,
            help,
        };
        self.problems.push(problem);
    }

    /// Returns false if the list of this severity is full. Further problems are counted only, so they need no hint.
    pub fn has_room(&self, severity: Severity) -> bool {
        let unlisted = match severity {
            Severity::Error => self.unlisted.errors,
            Severity::Note => self.unlisted.notes,
        };
        let listed = || self.problems.iter().filter(|problem| problem.severity == severity).count();
        unlisted == 0 && listed() < MOST_PROBLEMS
    }

    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Hides the secrets, too. Sorted by place, so that the order of the passes does not show.
    pub fn into_problems(mut self) -> Problems {
        self.problems.sort_by(|a, b| (a.source, a.span.start, &a.message).cmp(&(b.source, b.span.start, &b.message)));
        // A default that several resources take is wrong once.
        self.problems.dedup();
        let Unlisted { errors, notes } = self.unlisted;
        self.add_unlisted(Severity::Error, errors, "errors");
        self.add_unlisted(Severity::Note, notes, "notes");
        self.hidden.sort_unstable_by_key(|span| (span.start, span.end));
        for (index, source) in self.sources.iter_mut().enumerate() {
            let hidden = self.hidden.iter().filter(|span| span.source == index);
            source.text = covered(&source.text, hidden);
        }
        Problems { problems: self.problems, sources: self.sources }
    }

    fn add_unlisted(&mut self, severity: Severity, count: usize, what: &str) {
        let last = self.problems.iter().rfind(|problem| problem.severity == severity);
        if let Some(last) = last.filter(|_| count > 0) {
            let message = format!("{count} more {what}, of which only the first {MOST_PROBLEMS} are listed");
            self.problems.push(Problem { path: String::new(), message, help: None, ..last.clone() });
        }
    }

    fn inside(&self, span: Span, text: &str, offset: usize) -> Span {
        let written = self.text(span.source).get(span.start..span.end).unwrap_or_default();
        match written.find(text) {
            Some(at) if !text.is_empty() => Span { start: span.start + at + offset, ..span },
            _ => span,
        }
    }
}

/// Line and column of a byte, both from 1, the column in characters.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Returns the text with the bytes of sorted spans replaced by stars, so that offsets stay valid.
fn covered<'a>(text: &str, spans: impl Iterator<Item = &'a Span>) -> String {
    let mut covered = String::with_capacity(text.len());
    for span in spans {
        // Spans may overlap.
        let start = span.start.max(covered.len());
        let (Some(before), Some(inside)) = (text.get(covered.len()..start), text.get(start..span.end)) else {
            continue;
        };
        covered.push_str(before);
        for letter in inside.chars() {
            match letter.is_whitespace() {
                true => covered.push(letter),
                false => covered.extend(std::iter::repeat_n('*', letter.len_utf8())),
            }
        }
    }
    covered.push_str(text.get(covered.len()..).unwrap_or_default());
    covered
}

/// A list or object of many lines is shown by its first.
fn first_line(text: &str, span: Span) -> Range<usize> {
    let end = span.end.clamp(span.start, text.len().max(span.start));
    let shown = text.get(span.start..end).unwrap_or_default();
    let length = memchr2(b'\n', b'\r', shown.as_bytes()).unwrap_or(shown.len());
    span.start..span.start + shown.get(..length).unwrap_or_default().trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        let mut findings = Findings::default();
        findings.add_source("a.yaml".into(), "é: [1,\n  2]\nb: \"list<intt>\"\n".into());
        findings
    }

    fn place(start: usize, end: usize) -> Place {
        Place { span: Span { source: 0, start, end }, path: "b".into() }
    }

    #[test]
    fn columns_count_characters_and_a_span_ends_with_its_line() {
        let mut findings = findings();
        findings.error(&place(4, 12), "wrong", Some("mend it".into()));
        let problem = &findings.problems[0];
        assert_eq!((problem.line, problem.column, problem.span.clone()), (1, 4, 4..7));
        assert_eq!(problem.to_string(), "a.yaml:1:4: b: wrong (mend it)");
    }

    #[test]
    fn an_error_inside_a_text_points_at_the_letter_where_the_file_has_it_as_it_is() {
        let mut findings = findings();
        findings.error_inside(&place(16, 28), "list<intt>", 5, "no such type".into(), None);
        findings.error_inside(&place(16, 28), "other", 3, "no such type".into(), None);
        let columns: Vec<_> = findings.problems.iter().map(|problem| (problem.line, problem.column)).collect();
        assert_eq!(columns, [(3, 10), (3, 4)]);
    }

    #[test]
    fn problems_are_told_once_and_in_the_order_of_their_places() {
        let mut findings = findings();
        findings.error(&place(16, 28), "second", None);
        findings.error(&place(4, 12), "first", None);
        findings.error(&place(16, 28), "second", None);
        let problems = findings.into_problems();
        let messages: Vec<_> = problems.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, ["first", "second"]);
        assert_eq!(problems.to_string(), "2 problems in a.yaml");
        assert_eq!((problems.kind(), problems.code()), (ErrorKind::User, "config"));
    }

    #[test]
    fn of_very_many_problems_the_first_are_listed_and_the_others_counted() {
        let mut findings = findings();
        (0..5_000).for_each(|key| findings.error(&place(16, 28), format!("unknown key `{key}`"), None));
        findings.add(Severity::Note, place(4, 12).span, "", "no effect".into(), None);
        let problems = findings.into_problems();
        assert_eq!((problems.errors().count(), problems.problems.len()), (1_001, 1_002));
        let last = problems.problems.last().unwrap();
        assert_eq!(last.message, "4000 more errors, of which only the first 1000 are listed");
    }

    #[test]
    fn a_wrong_option_alone_is_a_usage_error() {
        let problem = Problem::usage("--resource", "there is no resource `x`", None);
        let problems = Problems { problems: vec![problem], sources: Vec::new() };
        assert_eq!(problems.code(), "usage");
        assert_eq!(problems.to_string(), "<command line>: --resource: there is no resource `x`");
    }

    #[test]
    fn a_problem_serialises_as_the_interface_says() {
        let mut findings = findings();
        findings.error(&place(4, 12), "wrong", None);
        let json = serde_json::to_string(&findings.problems[0]).unwrap();
        assert_eq!(json, r#"{"file":"a.yaml","line":1,"column":4,"path":"b","message":"wrong","help":null}"#);
    }
}
