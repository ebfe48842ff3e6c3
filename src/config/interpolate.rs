//! Fills `${…}` in the text values of a tree.
//!
//! `${NAME}` is a variable, `${NAME:-default}` has a default (used where the variable is unset or empty, as a shell does),
//! `${file:path}` is a file's content without its last newline, `$${` stands for `${`. Every other `$` is itself, and what is
//! filled in is not read again. Keys are left alone.

use std::{ops::Range, path::Path};

use super::{
    problem::Findings,
    tree::{Kind, Place, Value},
};
use crate::{
    secret::{Secret, is_secret_variable},
    text_file,
};

/// What texts are filled from, and the secrets that came out.
pub struct Interpolation<'a> {
    pub variables: &'a dyn Fn(&str) -> Option<String>,
    /// Relative paths resolve against it.
    pub directory: &'a Path,
    /// Contents of `${file:}`, and of variables whose names say that they are secret, such as `API_TOKEN`; each once.
    pub secrets: Vec<Secret<String>>,
    /// Bytes left of [`MOST_FILLED`] and of [`MOST_SECRET`].
    room: usize,
    room_of_secrets: usize,
    /// Whether the current text received a secret.
    has_filled_secret: bool,
}

/// Largest total size of all values that a config interpolates, in bytes. Each reference may name the same large file.
const MOST_FILLED: usize = 64_000_000;

const FILLED: &str = "the values that `${…}` inserts";

/// Largest total size of all distinct secrets, in bytes. The redactor needs about a kilobyte of memory per byte, since it searches
/// for every spelling.
const MOST_SECRET: usize = 64_000;

impl<'a> Interpolation<'a> {
    pub fn new(variables: &'a dyn Fn(&str) -> Option<String>, directory: &'a Path) -> Self {
        Self {
            variables,
            directory,
            secrets: Vec::new(),
            room: MOST_FILLED,
            room_of_secrets: MOST_SECRET,
            has_filled_secret: false,
        }
    }

    /// Fills every text below `value`; one that cannot be filled is reported and becomes broken.
    pub fn fill(&mut self, value: &mut Value, findings: &mut Findings) {
        match &mut value.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.fill(item, findings)),
            Kind::Object(entries) => entries.iter_mut().for_each(|entry| self.fill(&mut entry.value, findings)),
            Kind::Text(text) if text.contains("${") => {
                let text = std::mem::take(text);
                self.has_filled_secret = false;
                match self.text(&text, &value.place, findings) {
                    Some((filled, inserted)) => {
                        value.kind = Kind::Text(filled);
                        value.filled = true;
                        value.secret = self.has_filled_secret;
                        value.inserted = inserted;
                    }
                    None => value.kind = Kind::Broken,
                }
            }
            _ => {}
        }
    }

    /// Returns true if a text can be filled in.
    pub fn can_fill(&mut self, text: &str) -> bool {
        self.text(text, &Place::default(), &mut Findings::default()).is_some()
    }

    /// The text, and which bytes of it were filled in; `None` if something in it cannot be filled: all that cannot has been
    /// reported.
    fn text(&mut self, text: &str, place: &Place, findings: &mut Findings) -> Option<(String, Vec<Range<usize>>)> {
        let mut filled = String::with_capacity(text.len());
        let (mut inserted, mut whole) = (Vec::new(), true);
        let mut rest = text;
        while let Some((before, inside)) = rest.split_once("${") {
            if let Some(escaped) = before.strip_suffix('$') {
                filled.push_str(escaped);
                filled.push_str("${");
                rest = inside;
                continue;
            }
            filled.push_str(before);
            let Some((expression, behind)) = inside.split_once('}') else {
                let at = text.len() - inside.len() - 2;
                let help = "write `$${` for a literal `${`".to_owned();
                findings.error_inside(place, text, at, "this `${` is never closed".into(), Some(help));
                return None;
            };
            match self.expression(expression) {
                Ok(value) => {
                    inserted.push(filled.len()..filled.len() + value.len());
                    filled.push_str(&value);
                }
                Err((message, help)) => {
                    let at = text.len() - inside.len() - 2;
                    findings.error_inside(place, text, at, message, Some(help));
                    whole = false;
                }
            }
            rest = behind;
        }
        filled.push_str(rest);
        whole.then_some((filled, inserted))
    }

    fn expression(&mut self, expression: &str) -> Result<String, (String, String)> {
        if let Some(path) = expression.strip_prefix("file:") {
            return self.file(path);
        }
        let (name, default) = match expression.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (expression, None),
        };
        if !is_variable_name(name) {
            let message = format!("`{name}` is no name of an environment variable");
            return Err((
                message,
                "write `${NAME}`, `${NAME:-default}`, `${file:path}`, or `$${` for a literal `${`".into(),
            ));
        }
        let value = match ((self.variables)(name), default) {
            (Some(value), None) => value,
            (Some(value), Some(_)) if !value.is_empty() => value,
            (_, Some(default)) => default.to_owned(),
            (None, None) => {
                let help = format!("set it (`export {name}=…`), or give it a default: `${{{name}:-…}}`");
                return Err((format!("the environment variable `{name}` is not set"), help));
            }
        };
        take(&mut self.room, &value, FILLED, &format!("{} MB", MOST_FILLED / 1_000_000))?;
        if is_secret_variable(name) {
            self.keep_secret(&value)?;
        }
        Ok(value)
    }

    /// Records a secret for redaction.
    ///
    /// # Errors
    /// If all secrets together are too large to redact.
    fn keep_secret(&mut self, value: &str) -> Result<(), (String, String)> {
        self.has_filled_secret = true;
        if self.secrets.iter().any(|known| known.expose() == value) {
            return Ok(());
        }
        let what = "the secrets that `${…}` inserts";
        take(&mut self.room_of_secrets, value, what, &format!("{} kB", MOST_SECRET / 1_000))?;
        self.secrets.push(Secret::new(value.to_owned()));
        Ok(())
    }

    fn file(&mut self, path: &str) -> Result<String, (String, String)> {
        let content = text_file::read(&self.directory.join(path), text_file::LARGEST_CONFIG).map_err(|error| {
            let help = "the path is relative to the config file; the file has to be UTF-8 text".to_owned();
            (format!("the file `{path}` cannot be read: {error}"), help)
        })?;
        let content =
            content.strip_suffix('\n').map_or(content.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        self.keep_secret(content)?;
        take(&mut self.room, content, FILLED, &format!("{} MB", MOST_FILLED / 1_000_000))?;
        Ok(content.to_owned())
    }
}

/// Subtracts the size of a value from the bytes that are left.
fn take(room: &mut usize, value: &str, what: &str, most: &str) -> Result<(), (String, String)> {
    let Some(left) = room.checked_sub(value.len()) else {
        let help = "check that the references name the intended files and variables".to_owned();
        return Err((format!("{what} exceed {most} in total"), help));
    };
    *room = left;
    Ok(())
}

/// Whether a text is `${NAME}` or `${file:path}` and nothing else: then nothing of what it stands for is in it.
pub fn is_reference(text: &str) -> bool {
    let inside = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains('}'));
    inside.is_some_and(|inside| inside.starts_with("file:") || is_variable_name(inside))
}

/// Whether a variable may be named so in `${…}`: as a shell can set it.
pub fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::config::tree::Span;

    fn variables(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("k${KEY}".into()),
            "EMPTY" => Some(String::new()),
            "LARGE" => Some("x".repeat(2_000_000)),
            _ => None,
        }
    }

    fn fill_in(directory: &Path, text: &str) -> (Value, Findings, Vec<Secret<String>>) {
        let mut findings = Findings::default();
        findings.add_source("f".into(), text.into());
        let mut value = Value::new(Kind::Text(text.into()), Span { source: 0, start: 0, end: text.len() });
        value.place.path = "auth.token".into();
        let mut interpolation = Interpolation::new(&variables, directory);
        interpolation.fill(&mut value, &mut findings);
        (value, findings, interpolation.secrets)
    }

    fn filled(text: &str) -> String {
        let (value, findings, _) = fill_in(Path::new("."), text);
        assert_eq!(findings.problems, []);
        value.as_text().unwrap().to_owned()
    }

    #[test]
    fn variables_and_defaults_are_filled_in_and_not_read_again() {
        assert_eq!(filled("a ${KEY} b"), "a k${KEY} b");
        assert_eq!(filled("${NONE:-x y}${NONE:-}"), "x y");
        assert_eq!(filled("[${EMPTY}|${EMPTY:-x}]"), "[|x]");
    }

    #[test]
    fn what_was_filled_in_is_told_from_what_stands_beside_it() {
        let (value, ..) = fill_in(Path::new("."), "é$${x} ${KEY}/${NONE:-}");
        assert_eq!(value.as_text(), Some("é${x} k${KEY}/"));
        assert_eq!(value.inserted, [7..14, 15..15]);
    }

    #[test]
    fn every_other_dollar_is_itself() {
        assert_eq!(filled("$1 $KEY $$ cost$ $"), "$1 $KEY $$ cost$ $");
        assert_eq!(filled("$${KEY} and $${"), "${KEY} and ${");
        assert_eq!(filled("$.data['a']"), "$.data['a']");
    }

    #[test]
    fn a_file_loses_its_last_newline_and_becomes_a_secret() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("token"), "s3cret\n\n").unwrap();
        let (value, findings, secrets) = fill_in(directory.path(), "Token ${file:token}");
        assert!(!findings.has_errors());
        assert_eq!(value.as_text(), Some("Token s3cret\n"));
        assert_eq!(secrets, [Secret::new("s3cret\n".to_owned())]);
    }

    #[test]
    fn all_that_is_filled_in_together_is_of_limited_size() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d"] {
            fs::write(directory.path().join(name), name.repeat(20_000)).unwrap();
        }
        assert!(!fill_in(directory.path(), &"${file:a}".repeat(10)).0.is_broken());
        let (value, findings, secrets) = fill_in(directory.path(), "${file:a}${file:b}${file:c}${file:d}");
        assert!(value.is_broken() && secrets.len() == 3);
        assert!(findings.problems[0].message.contains("exceed 64 kB in total"), "{:?}", findings.problems);
        let (value, findings, _) = fill_in(directory.path(), &"${LARGE}".repeat(33));
        assert!(value.is_broken() && findings.problems[0].message.contains("exceed 64 MB in total"));
        assert!(!fill_in(directory.path(), &"${LARGE}".repeat(31)).0.is_broken());
    }

    #[test]
    fn what_a_variable_of_a_telling_name_holds_is_a_secret_and_what_others_hold_is_none() {
        let variables = |name: &str| Some(format!("in {name}"));
        for (text, secrets) in [("${HOST} ${PROJECT_KEY}", vec![]), ("bot${BOT_TOKEN}/x", vec!["in BOT_TOKEN"])] {
            let mut value = Value::new(Kind::Text(text.into()), Span::default());
            let mut interpolation = Interpolation::new(&variables, Path::new("."));
            interpolation.fill(&mut value, &mut Findings::default());
            let found: Vec<_> = interpolation.secrets.iter().map(|secret| secret.expose().as_str()).collect();
            assert_eq!((found, value.secret), (secrets.clone(), !secrets.is_empty()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_named_with_its_place_and_its_key() {
        let (value, findings, _) = fill_in(Path::new("."), "x${A}${B}");
        assert!(value.is_broken());
        let texts: Vec<_> = findings.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "f:1:2: auth.token: the environment variable `A` is not set (set it (`export A=…`), or give it a default: `${A:-…}`)",
                "f:1:6: auth.token: the environment variable `B` is not set (set it (`export B=…`), or give it a default: `${B:-…}`)",
            ]
        );
        for (text, message) in
            [("${A", "never closed"), ("${A B}", "no name"), ("${}", "no name"), ("${file:no/such}", "cannot be read")]
        {
            let (_, findings, _) = fill_in(Path::new("."), text);
            assert!(findings.problems[0].message.contains(message), "{text}: {}", findings.problems[0]);
        }
    }

    #[test]
    fn a_reference_is_one_variable_or_file_without_a_default_and_without_text_beside_it() {
        for text in ["${KEY}", "${file:secrets/key}"] {
            assert!(is_reference(text), "{text}");
        }
        for text in ["${KEY:-hunter2}", "prefix-${KEY}", "${KEY}x", "${A}${B}", "${A}b}", "$${KEY}", "KEY", "${}", ""] {
            assert!(!is_reference(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_without_braces_stays_as_it_is(text in "[^{}]*") {
            prop_assert_eq!(filled(&text), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[${}A-B:\\-é]*") {
            fill_in(Path::new("/nowhere"), &text);
        }
    }
}
