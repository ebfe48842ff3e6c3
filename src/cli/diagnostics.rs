//! How problems look: those of a config with the lines they stand in, all others as `error:`, `caused by:` and `hint:`.

use std::fmt::{self, Write};

use anstyle::{AnsiColor, Style};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, ThemeCharacters,
    ThemeStyles,
};
use serde::Serialize;

use super::mask;
use crate::config::{Problem, Severity, SourceText};

/// Longer lines are wrapped at this width.
const WIDTH: usize = 120;

pub const RED: Style = AnsiColor::Red.on_default().bold();
pub const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub const GREEN: Style = AnsiColor::Green.on_default().bold();
pub const CYAN: Style = AnsiColor::Cyan.on_default();

/// A problem with its file's name in place of an index: an entry of `check --output json`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PlacedProblem {
    pub file: Option<String>,
    /// From 1, like `column`; null where the problem is the file as a whole.
    pub line: Option<u32>,
    pub column: Option<u32>,
    /// The dotted path of the key or value.
    pub path: String,
    pub message: String,
    pub help: Option<String>,
}

/// Problems as scripts get them, in the order given.
pub fn placed<'a>(problems: impl IntoIterator<Item = &'a Problem>, sources: &[SourceText]) -> Vec<PlacedProblem> {
    problems.into_iter().map(|problem| place(problem, sources)).collect()
}

/// A problem as scripts get it.
pub fn place(problem: &Problem, sources: &[SourceText]) -> PlacedProblem {
    let is_placed = problem.line > 0;
    PlacedProblem {
        file: sources.get(problem.source).map(|source| source.name.clone()),
        line: is_placed.then_some(problem.line),
        column: is_placed.then_some(problem.column),
        path: problem.path.clone(),
        message: problem.message.clone(),
        help: problem.help.clone(),
    }
}

/// A problem in one line, for places where its source need not be shown: `export.yaml:3:5: client.foo: …`.
pub fn one_line(problem: &PlacedProblem) -> String {
    let mut text = String::new();
    if let Some(file) = &problem.file {
        text.push_str(file);
    }
    if let (Some(line), Some(column)) = (problem.line, problem.column) {
        text.push_str(&format!(":{line}:{column}"));
    }
    for part in [&problem.path, &problem.message] {
        match (text.is_empty(), part.is_empty()) {
            (_, true) => {}
            (true, false) => text.push_str(part),
            (false, false) => text.push_str(&format!(": {part}")),
        }
    }
    text
}

/// The problems with the lines of the config they are about. Holds colours.
pub fn problems<'a>(problems: impl IntoIterator<Item = &'a Problem>, sources: &[SourceText]) -> String {
    let masked: Vec<_> = sources.iter().map(|s| NamedSource::new(&s.name, mask::secrets(&s.text))).collect();
    let mut text = String::new();
    for problem in problems {
        let source = masked.get(problem.source).filter(|source| problem.span.end <= source.inner().len());
        let shown = Shown { problem, place: place(problem, sources), source: source.filter(|_| problem.line > 0) };
        // Only a source that cannot be read fails to render; the one-line form needs none.
        if handler().render_report(&mut text, &shown).is_err() {
            let _ = writeln!(text, "{}", one_line(&shown.place));
        }
    }
    text
}

fn handler() -> GraphicalReportHandler {
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles: ThemeStyles::ansi() };
    // One line of source, and no context: the neighbours may hold what `mask` does not recognise as a secret.
    GraphicalReportHandler::new_themed(theme).with_links(false).with_width(WIDTH).with_context_lines(0)
}

/// A problem in the terms of miette.
struct Shown<'a> {
    problem: &'a Problem,
    place: PlacedProblem,
    source: Option<&'a NamedSource<String>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            // The place stands above the source line.
            Some(_) => f.write_str(&self.problem.message),
            None => f.write_str(&one_line(&self.place)),
        }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let has_code = self.source.is_some() && !self.problem.path.is_empty();
        has_code.then(|| Box::new(&self.problem.path) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source?;
        let label = LabeledSpan::new_primary_with_span(None, self.problem.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// An error that has no place in a file: its own message, then its causes', then what to do. Holds colours.
pub fn error(chain: &[String], hint: Option<&str>) -> String {
    let mut text = String::new();
    let mut said = "";
    for (index, message) in chain.iter().enumerate() {
        // Some crates print their source inside their own message; said once is enough.
        if index > 0 && said.contains(message.as_str()) {
            continue;
        }
        let line = if index == 0 { labelled(RED, "error", message) } else { labelled(RED, "  caused by", message) };
        text.push_str(&line);
        said = message;
    }
    if let Some(hint) = hint {
        text.push_str(&labelled(CYAN, "  hint", hint));
    }
    text
}

/// `label: text`, the label coloured.
pub fn labelled(style: Style, label: &str, text: &str) -> String {
    format!("{style}{label}:{style:#} {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    const CONFIG: &str = "client:\n  base_ur: https://api.example.com\n  token: hunter2\n";

    fn sources() -> Vec<SourceText> {
        vec![SourceText { name: "export.yaml".into(), text: CONFIG.into() }]
    }

    fn unknown_key() -> Problem {
        Problem {
            severity: Severity::Error,
            source: 0,
            line: 2,
            column: 3,
            span: 10..17,
            path: "client.base_ur".into(),
            message: "unknown key `base_ur`".into(),
            help: Some("did you mean `base_url`?".into()),
        }
    }

    #[test]
    fn a_config_problem_shows_its_place_its_path_its_line_and_the_way_to_mend_it() {
        let text = plain(&problems([&unknown_key()], &sources()));
        insta::assert_snapshot!(text, @"");
    }

    #[test]
    fn a_problem_without_a_place_is_still_told_with_its_file() {
        let problem = Problem { line: 0, column: 0, span: 0..0, path: String::new(), ..unknown_key() };
        assert!(plain(&problems([&problem], &sources())).contains("export.yaml: unknown key `base_ur`"));
        let lost = Problem { source: 7, ..unknown_key() };
        assert!(plain(&problems([&lost], &sources())).contains("client.base_ur: unknown key `base_ur`"));
    }

    #[test]
    fn a_span_outside_the_text_loses_the_line_and_not_the_message() {
        let problem = Problem { span: 10..9999, ..unknown_key() };
        assert!(plain(&problems([&problem], &sources())).contains("export.yaml:2:3: client.base_ur: unknown key"));
    }

    #[test]
    fn a_literal_secret_in_the_shown_line_is_masked() {
        let problem = Problem { line: 3, column: 3, span: 41..46, path: "client.token".into(), ..unknown_key() };
        let text = plain(&problems([&problem], &sources()));
        assert!(text.contains("token: *******") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn scripts_get_the_file_by_name_and_null_where_there_is_no_place() {
        let placed = placed([&unknown_key(), &Problem { line: 0, column: 0, ..unknown_key() }], &sources());
        let json = serde_json::to_value(&placed).unwrap();
        assert_eq!(
            json[0],
            serde_json::json!({
                "file": "export.yaml", "line": 2, "column": 3, "path": "client.base_ur",
                "message": "unknown key `base_ur`", "help": "did you mean `base_url`?",
            })
        );
        assert!(json[1]["line"].is_null() && json[1]["column"].is_null());
    }

    #[test]
    fn a_cause_that_its_parent_said_already_is_not_said_again() {
        let chain = ["request failed: refused".to_owned(), "refused".to_owned(), "os error 111".to_owned()];
        assert_eq!(
            plain(&error(&chain, Some("is the server up?"))),
            "error: request failed: refused\n  caused by: os error 111\n  hint: is the server up?\n"
        );
    }
}
