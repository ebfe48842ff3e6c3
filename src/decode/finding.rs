//! Mismatches: found in the depth of a value, located while the builders unwind, judged per row.

use std::{borrow::Cow, fmt};

use crate::{
    json::{Key, Kind, Node, StringError},
    schema::ColumnType,
    secret::shortened,
};

/// The most characters of a value that a reject shows.
const SHOWN: usize = 200;

/// The reason why a value does not fit its type. Its `Display` is the reason of the reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    #[error("found {}", describe(*.0))]
    Kind(Kind),
    #[error("it is no JSON value")]
    NotJson,
    #[error("it is not a number as JSON writes numbers")]
    NotANumber,
    #[error("it is not a whole number")]
    NotWhole,
    #[error("it is outside the range of the type")]
    OutOfRange,
    #[error("it has non-zero digits beyond {0} after the point")]
    Scale(u8),
    #[error("it has more than {0} digits")]
    Precision(u8),
    #[error("no number of the type equals this integer")]
    InexactInteger,
    #[error("it is empty, and as the name of a partition's directory readers would take it for a null")]
    EmptyPartition,
    #[error("{0}")]
    Text(#[from] StringError),
    #[error("it is not base64")]
    Base64,
    #[error("it is not an even number of hexadecimal digits")]
    Hex,
    #[error("it is not a UUID")]
    Uuid,
    #[error("it is not a date, YYYY-MM-DD")]
    Date,
    #[error("it is not a time of day, HH:MM:SS")]
    Time,
    #[error("it is not a timestamp, such as 2026-11-22T13:30:00Z")]
    Timestamp,
    #[error("it does not have the form that the column's format describes")]
    Pattern,
    #[error("it has a zone, and the column has none")]
    Zone,
    #[error("it has non-zero digits beyond microseconds")]
    SubMicrosecond,
    #[error("it is a leap second, which has no place among microseconds since the epoch")]
    LeapSecond,
    #[error("its year is not within 1 to 9999")]
    Year,
    #[error("it is a timestamp, and not at midnight UTC")]
    NotMidnight,
    #[error("it is a number; only a format of epoch_s, epoch_ms or epoch_us makes it a time")]
    NumberWithoutFormat,
    #[error("it is text; with an epoch format a number is expected")]
    NotEpoch,
    #[error("the column is a key or not nullable")]
    Null,
    #[error("expected an object with this field")]
    NotAnObject,
    #[error("a record is an object")]
    NotARecord,
    #[error("the schema does not declare the field")]
    Undeclared,
    #[error("the column's texts in this page are longer than 2 GiB together")]
    TooLong,
}

fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool(_) => "a bool",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
        Kind::Word => "no JSON value",
    }
}

/// Returns the mismatch of a value of the wrong kind. A bare word is not a value at all.
pub(super) fn wrong_kind(kind: Kind) -> Misfit {
    if kind == Kind::Word { Misfit::NotJson } else { Misfit::Kind(kind) }
}

/// The subject of a mismatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The record itself, which is no object.
    Record,
    /// A field that no column has as its source.
    Undeclared,
    /// The column of this index.
    Column(usize),
}

/// One step of a path from a column's value into its depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

/// The expectation that a value did not meet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected<'a> {
    Type(&'a ColumnType),
    Object,
    NoColumn,
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(data_type) => data_type.fmt(f),
            Self::Object => f.write_str("object"),
            Self::NoColumn => f.write_str("no such column"),
        }
    }
}

/// One value that did not fit.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub subject: Subject,
    /// From the subject's own place into its depth, innermost first.
    pub steps: Vec<Step<'a>>,
    /// Number of keys of the column's source that lead to the value; all of them unless an object is missing on the way.
    pub depth: usize,
    pub expected: Expected<'a>,
    /// `None` where a field is missing.
    pub found: Option<Node<'a>>,
    pub misfit: Misfit,
}

/// The findings of one record.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    list: Vec<Finding<'a>>,
    /// Bytes that the values of a column may take.
    most: usize,
    /// Set if values were left out for lack of memory: the page cannot be decoded.
    is_full: bool,
}

impl Default for Findings<'_> {
    fn default() -> Self {
        Self::within(usize::MAX)
    }
}

impl<'a> Findings<'a> {
    /// Findings about values that may take `most` bytes.
    pub fn within(most: usize) -> Self {
        Self { list: Vec::new(), most, is_full: false }
    }

    /// Returns true if so many bytes are too many, or some before were.
    pub fn is_full(&mut self, bytes: usize) -> bool {
        self.is_full |= bytes > self.most;
        self.is_full
    }

    /// Takes out the findings of the record at hand.
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::within(self.most))
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn as_slice(&self) -> &[Finding<'a>] {
        &self.list
    }

    pub fn push(&mut self, finding: Finding<'a>) {
        self.list.push(finding);
    }

    /// Adds a value that does not fit; [`locate`](Self::locate) and [`attribute`](Self::attribute) add its place.
    #[cold]
    pub fn add(&mut self, found: Node<'a>, expected: &'a ColumnType, misfit: Misfit) {
        let expected = Expected::Type(expected);
        self.list.push(Finding {
            subject: Subject::Record,
            steps: Vec::new(),
            depth: usize::MAX,
            expected,
            found: Some(found),
            misfit,
        });
    }

    /// A field within a value that its type has no place for.
    #[cold]
    pub fn add_unknown(&mut self, key: Key<'a>, found: Node<'a>) {
        let name = key.text().unwrap_or_else(|_| String::from_utf8_lossy(key.raw()));
        self.list.push(Finding {
            subject: Subject::Undeclared,
            steps: vec![Step::Key(name)],
            depth: usize::MAX,
            expected: Expected::NoColumn,
            found: Some(found),
            misfit: Misfit::Undeclared,
        });
    }

    /// Forgets the findings from `first` on.
    pub fn truncate(&mut self, first: usize) {
        self.list.truncate(first);
    }

    /// Forgets unknown fields among the findings from `first` on; whether there were any.
    pub fn forget_unknown(&mut self, first: usize) -> bool {
        let mut behind = self.list.split_off(first);
        let before = behind.len();
        behind.retain(|finding| finding.misfit != Misfit::Undeclared);
        let forgot = behind.len() < before;
        self.list.append(&mut behind);
        forgot
    }

    /// Says of the unknown fields among the findings from `first` on that they lie below a field of the record.
    pub fn locate_unknown(&mut self, first: usize, key: &'a str) {
        for finding in self.list.iter_mut().skip(first).filter(|finding| finding.misfit == Misfit::Undeclared) {
            finding.subject = Subject::Undeclared;
            finding.steps.push(Step::Key(Cow::Borrowed(key)));
        }
    }

    /// Says of all findings from `first` on that they lie below `step`.
    #[inline]
    pub fn locate(&mut self, first: usize, step: impl Fn() -> Step<'a>) {
        for finding in self.list.iter_mut().skip(first) {
            finding.steps.push(step());
        }
    }

    /// Says of all findings from `first` on that they are the column's.
    #[inline]
    pub fn attribute(&mut self, first: usize, column: usize) {
        for finding in self.list.iter_mut().skip(first) {
            finding.subject = Subject::Column(column);
        }
    }
}

/// A path as users write it: `steps[2].position`, with keys that are no plain words as `['odd.key']`; `$` for the record.
pub(super) fn path<'s>(source: impl Iterator<Item = &'s str>, steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    source.for_each(|key| push_key(&mut path, key));
    for step in steps.iter().rev() {
        match step {
            Step::Key(key) => push_key(&mut path, key),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    match path.as_bytes().first() {
        None => "$".to_owned(),
        Some(b'[') => format!("${path}"),
        Some(_) => path,
    }
}

fn push_key(path: &mut String, key: &str) {
    if key.is_empty() || key.contains(['.', '[', ']', '\'', '"', '$', '*']) {
        path.push_str(&format!("['{key}']"));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// A value as the API wrote it, shortened; what is not UTF-8 in it as `�`.
pub(super) fn shown(found: Option<Node<'_>>) -> String {
    let Some(node) = found else { return "null".to_owned() };
    let raw = node.raw();
    // A character has at most 4 bytes: no need to look at all of a long value.
    let start = raw.get(..4 * (SHOWN + 1)).unwrap_or(raw);
    let text = String::from_utf8_lossy(start);
    shortened(&text, SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    #[test]
    fn a_path_reads_as_users_write_paths() {
        let key = |key: &'static str| Step::Key(key.into());
        assert_eq!(path(["steps"].into_iter(), &[key("position"), Step::Index(2)]), "steps[2].position");
        assert_eq!(path(["a.b", "c"].into_iter(), &[key("")]), "$['a.b'].c['']");
        assert_eq!(path([].into_iter(), &[]), "$");
        assert_eq!(path([].into_iter(), &[Step::Index(1)]), "$[1]");
    }

    #[test]
    fn a_long_value_is_shortened_to_200_characters_and_a_short_one_is_not() {
        let show = |text: &str| shown(Some(Document::parse(text.into()).unwrap().root()));
        assert_eq!(show(&"7".repeat(200)), "7".repeat(200));
        assert_eq!(show(&"7".repeat(201)).chars().count(), 200);
        assert_eq!(show(&format!("\"{}\"", "é".repeat(5_000))), format!("\"{}…", "é".repeat(198)));
        assert_eq!(shown(None), "null");
    }
}
