//! How problems look: those of a config with the lines they stand in, all others as `error:`, `caused by:` and `hint:`.

use std::{
    fmt::{self, Write},
    ops::Range,
};

use anstyle::{AnsiColor, Style};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use super::{mask, visible::foreign};
use crate::config::{Problem, Severity, SourceText};

/// Longer lines are wrapped at this width.
const WIDTH: usize = 120;

pub const RED: Style = AnsiColor::Red.on_default().bold();
pub const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub const GREEN: Style = AnsiColor::Green.on_default().bold();
pub const CYAN: Style = AnsiColor::Cyan.on_default();

/// A problem in one line, for places where its source need not be shown: `export.yaml:3:5: client.foo: …`.
pub fn one_line(problem: &Problem) -> String {
    let mut text = problem.file.clone();
    if problem.line > 0 {
        text += &format!(":{}:{}", problem.line, problem.column);
    }
    if !problem.path.is_empty() {
        text += &format!(": {}", problem.path);
    }
    text + ": " + &problem.message
}

/// The problems with the lines of the config they are about. Holds colours.
pub fn problems<'a>(problems: impl IntoIterator<Item = &'a Problem>, sources: &[SourceText]) -> String {
    let masked: Vec<_> = sources.iter().map(|source| mask::secrets(&source.text)).collect();
    let mut text = String::new();
    for problem in problems {
        let source = problem.source.and_then(|source| masked.get(source));
        let excerpt = source.and_then(|text| Excerpt::new(text, problem));
        // What cannot be rendered with its line is told without.
        if handler().render_report(&mut text, &Shown { problem, excerpt }).is_err() {
            let _ = writeln!(text, "{}", one_line(problem));
        }
        text.push('\n');
    }
    text
}

fn handler() -> GraphicalReportHandler {
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles: ThemeStyles::ansi() };
    GraphicalReportHandler::new_themed(theme).with_links(false).with_width(WIDTH).with_context_lines(CONTEXT)
}

/// How a call for the snippet differs from one for the place above it, which asks for no context. The snippet is one line all
/// the same: its neighbours may hold what [`mask`] does not recognise as a secret.
const CONTEXT: usize = 1;

/// A problem in the terms of miette.
struct Shown<'a> {
    problem: &'a Problem,
    excerpt: Option<Excerpt<'a>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.excerpt {
            // The place stands above the source line.
            Some(_) => f.write_str(&self.problem.message),
            None => f.write_str(&one_line(self.problem)),
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
        let has_code = self.excerpt.is_some() && !self.problem.path.is_empty();
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
        self.excerpt.as_ref().map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.excerpt.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, excerpt.span.clone()))))
    }
}

/// Bytes of a line that are shown before and after the beginning of a problem, at most.
const SHOWN_BEFORE: usize = 120;
const SHOWN_AFTER: usize = 240;

/// The line in which a problem begins, or the part of a long one around it.
struct Excerpt<'a> {
    name: &'a str,
    line: &'a str,
    /// Byte offset of the excerpt in the source.
    start: usize,
    /// The part of the problem's span in this line.
    span: Range<usize>,
    /// From 0, as miette counts; the problem's own, so that text and JSON name one place.
    row: usize,
    column: usize,
}

impl<'a> Excerpt<'a> {
    /// `None` if the problem has no place in this text, or is the file as a whole.
    fn new(text: &'a str, problem: &'a Problem) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let at = problem.span.start;
        let first = text.ceil_char_boundary(at.saturating_sub(SHOWN_BEFORE));
        let last = text.floor_char_boundary(at.saturating_add(SHOWN_AFTER));
        let (before, after) = (text.get(first..at)?, text.get(at..last)?);
        let start = before.rfind('\n').map_or(first, |newline| first + newline + 1);
        let end = after.find('\n').map_or(last, |newline| at + newline);
        Some(Self {
            name: &problem.file,
            line: text.get(start..end)?,
            start,
            span: problem.span.start..problem.span.end.clamp(problem.span.start, end),
            row: problem.line.checked_sub(1)?,
            column: problem.column.checked_sub(1)?,
        })
    }
}

impl SourceCode for Excerpt<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let (span, column) = match before {
            0 => (*span, self.column),
            _ => ((self.start, self.line.len()).into(), 0),
        };
        let name = self.name.to_owned();
        Ok(Box::new(MietteSpanContents::new_named(name, self.line.as_bytes(), span, self.row, column, 1)))
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
    format!("{style}{label}:{style:#} {}\n", foreign(text))
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
            source: Some(0),
            file: "export.yaml".into(),
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
        insta::assert_snapshot!(text, @r"
        client.base_ur

          × unknown key `base_ur`
           ╭─[export.yaml:2:3]
         2 │   base_ur: https://api.example.com
           ·   ───────
           ╰────
          help: did you mean `base_url`?
        ");
    }

    #[test]
    fn a_problem_of_the_command_line_or_of_a_whole_file_is_told_without_a_line() {
        let usage = Problem::usage("--resource", "no resource `a`", Some("there is `b`".into()));
        let text = plain(&problems([&usage], &sources()));
        assert!(
            text.contains("<command line>: --resource: no resource `a`") && text.contains("there is `b`"),
            "{text}"
        );
        let unread = Problem { line: 1, column: 1, span: 0..0, path: String::new(), ..unknown_key() };
        let empty = [SourceText { name: "export.yaml".into(), text: String::new() }];
        assert!(plain(&problems([&unread], &empty)).contains("export.yaml:1:1: unknown key `base_ur`"));
        let lost = Problem { source: Some(7), ..unknown_key() };
        assert!(plain(&problems([&lost], &sources())).contains("client.base_ur: unknown key `base_ur`"));
    }

    #[test]
    fn a_span_outside_the_text_loses_the_line_and_not_the_message() {
        let problem = Problem { span: 9998..9999, ..unknown_key() };
        assert!(plain(&problems([&problem], &sources())).contains("export.yaml:2:3: client.base_ur: unknown key"));
    }

    #[test]
    fn a_span_of_several_lines_shows_its_first() {
        let problem = Problem { line: 1, column: 1, span: 0..CONFIG.len(), ..unknown_key() };
        let text = plain(&problems([&problem], &sources()));
        assert!(text.contains("[export.yaml:1:1]") && text.contains("1 │ client:\n"), "{text}");
        assert!(!text.contains("api.example.com"), "{text}");
    }

    #[test]
    fn places_in_lines_with_wide_characters_are_those_of_the_problem() {
        let text = "näme: 日本語 # ö\n";
        let start = text.find('日').unwrap();
        let problem = Problem { file: "a.yaml".into(), line: 1, column: 7, span: start..start + 9, ..unknown_key() };
        let sources = vec![SourceText { name: "a.yaml".into(), text: text.into() }];
        let shown = plain(&problems([&problem], &sources));
        assert!(shown.contains("[a.yaml:1:7]") && shown.contains("näme: 日本語 # ö"), "{shown}");
        let inside = Problem { span: start + 1..start + 2, ..problem };
        assert!(plain(&problems([&inside], &sources)).contains("a.yaml:1:7: client.base_ur"));
    }

    #[test]
    fn a_literal_secret_in_the_shown_line_is_masked() {
        let start = CONFIG.find("token").unwrap();
        let problem = Problem { line: 3, column: 3, span: start..start + 5, ..unknown_key() };
        let text = plain(&problems([&problem], &sources()));
        assert!(text.contains("token: *******") && !text.contains("hunter2"), "{text}");
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
