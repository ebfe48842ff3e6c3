//! Paths into a document, in the forms users write them: `data.items`, `$.data['odd.key']`, `$.results[?@.open].rows[*]`.
//!
//! ```text
//! data.items[*].rows[?@.id > 3]
//! └── steps ┘└───── query ─────┘   followed on the tape; asked of the part that the steps lead to
//! ```
//!
//! A path of keys and indexes has no query, and costs no more than its steps. Wildcards, slices, filters, unions and `..` are
//! JSONPath's, and may match several values.

mod parse;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use self::parse::{Parsed, parse};
use super::{Kind, Node, query::Query};

/// A path from a document's root to one value or to several. Serialises as its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    text: String,
    steps: Vec<Step>,
    /// A `[*]` at the end: a list there stays whole, to whoever takes its elements; an object is its values.
    takes_elements: bool,
    query: Option<Query>,
}

/// Bytes that each key and value takes which a query looks at, beside its text: a query works on a copy of them.
const SEARCHED: usize = 72;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    /// 1 is the last element.
    FromEnd(usize),
}

/// The reason why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    pub message: String,
    /// Byte offset into the selector's text.
    pub offset: usize,
}

impl Selector {
    /// `$`, the document itself.
    pub fn root() -> Self {
        Self { text: "$".into(), steps: Vec::new(), takes_elements: false, query: None }
    }

    /// The path of these keys, outermost first; a key that a path would read as something else is quoted.
    pub fn from_keys(keys: &[String]) -> Self {
        let steps: Vec<_> = keys.iter().cloned().map(Step::Key).collect();
        let text = if keys.is_empty() { "$".to_owned() } else { parse::text_of(keys) };
        Self { text, steps, takes_elements: false, query: None }
    }

    pub fn is_root(&self) -> bool {
        self.steps.is_empty() && self.query.is_none()
    }

    /// Returns true if it may match several values.
    pub fn is_query(&self) -> bool {
        self.query.is_some()
    }

    /// Returns true if its matches are elements, even a single one.
    pub fn takes_elements(&self) -> bool {
        self.takes_elements || self.is_query()
    }

    /// The keys of the path, outermost first; `None` if there is anything else in it.
    pub fn keys(&self) -> Option<Vec<String>> {
        let key = |step: &Step| match step {
            Step::Key(key) => Some(key.clone()),
            Step::Index(_) | Step::FromEnd(_) => None,
        };
        self.steps.iter().map(key).collect::<Option<_>>().filter(|_| self.query.is_none())
    }

    /// The value at this path below `node`; of several the first in document order.
    pub fn find<'a>(&self, node: Node<'a>) -> Option<Node<'a>> {
        let found = self.follow(node)?;
        match &self.query {
            None if self.takes_values_of(found) => found.fields().next().map(|(_, value)| value),
            None => Some(found),
            Some(query) => query.find_all(found).into_iter().next(),
        }
    }

    /// All values at this path below `node`, in document order.
    pub fn find_all<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        match (self.follow(node), &self.query) {
            (Some(found), Some(query)) => query.find_all(found),
            (Some(found), None) if self.takes_values_of(found) => found.fields().map(|(_, value)| value).collect(),
            (found, _) => found.into_iter().collect(),
        }
    }

    /// The values that [`find_all`](Self::find_all) has to look at below `node`, and the bytes of memory that this takes. Of a
    /// path without a query that is nothing.
    pub fn search_cost(&self, node: Node<'_>) -> (usize, usize) {
        match self.follow(node).filter(|_| self.query.is_some()) {
            Some(part) => (part.entries(), part.raw().len().saturating_add(part.entries().saturating_mul(SEARCHED))),
            None => (0, 0),
        }
    }

    /// Returns true if the place of the records exists and is empty. A path that does not exist is an error instead.
    pub fn may_find_nothing(&self, node: Node<'_>) -> bool {
        let Some(found) = self.follow(node) else { return false };
        self.query.as_ref().map_or_else(|| self.takes_values_of(found), |query| query.may_find_nothing(found))
    }

    /// The first object that a `[*]` at the end takes apart although not all of its values are objects.
    pub fn object_taken_apart<'a>(&self, node: Node<'a>) -> Option<Node<'a>> {
        let found = self.follow(node)?;
        let holders = match &self.query {
            None if self.takes_elements => vec![found],
            None => Vec::new(),
            Some(query) => query.holders(found),
        };
        let has_others = |node: &Node<'_>| node.fields().any(|(_, value)| value.kind() != Kind::Object);
        holders.into_iter().find(has_others)
    }

    fn takes_values_of(&self, found: Node<'_>) -> bool {
        self.takes_elements && found.kind() == Kind::Object
    }

    fn follow<'a>(&self, node: Node<'a>) -> Option<Node<'a>> {
        self.steps.iter().try_fold(node, |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.items().nth(*index),
            Step::FromEnd(back) => node.items().nth(node.items().count().checked_sub(*back)?),
        })
    }

    /// Returns the whole number at this path, written as a number or as text; `None` if there is no such number.
    pub fn find_count(&self, node: Node<'_>) -> Option<u64> {
        let found = self.find(node)?;
        match found.kind() {
            Kind::Number | Kind::String => whole(found.string().ok()?.trim()),
            _ => None,
        }
    }
}

/// `7` and `7.0`.
fn whole(text: &str) -> Option<u64> {
    let (number, zeros) = text.split_once('.').unwrap_or((text, "0"));
    let is_whole = !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0');
    number.parse().ok().filter(|_| is_whole)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.text
    }
}

impl TryFrom<String> for Selector {
    type Error = SelectorError;

    fn try_from(text: String) -> Result<Self, SelectorError> {
        text.parse()
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let Parsed { steps, takes_elements, query } = parse(text)?;
        Ok(Self { text: text.to_owned(), steps, takes_elements, query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    const TEXT: &str = r#"{"data": {"items": [{"id": 7, "t": "a"}, {"id": 8, "t": "b"}, {"id": 9.10, "t": "a"}]},
        "a.b": {"@count": "12"}, "$x": 1, "odd key": {"y z": 2}, "@odata.nextLink": "next", "@odata.count": 3,
        "groups": {"x": {"rows": [{"id": 1}, {"id": 2}]}, "y": {"rows": []}, "z": {"rows": [{"id": 3}]}}}"#;

    fn find_in(text: &str, selector: &str) -> Option<String> {
        let document = Document::parse(text.into()).unwrap();
        let selector: Selector = selector.parse().unwrap_or_else(|error| panic!("{selector}: {error:?}"));
        selector.find(document.root()).map(|node| String::from_utf8_lossy(node.raw()).into_owned())
    }

    fn find(selector: &str) -> Option<String> {
        find_in(TEXT, selector)
    }

    fn all_in(text: &str, selector: &str) -> Vec<String> {
        let document = Document::parse(text.into()).unwrap();
        let selector: Selector = selector.parse().unwrap_or_else(|error| panic!("{selector}: {error:?}"));
        let found = selector.find_all(document.root());
        found.into_iter().map(|node| String::from_utf8_lossy(node.raw()).into_owned()).collect()
    }

    #[test]
    fn dotted_and_jsonpath_forms_find_the_same_value() {
        for selector in ["data.items[1].id", "$.data.items[1].id", "$['data'][\"items\"][1].id", "data.items.[1].id"] {
            assert_eq!(find(selector).unwrap(), "8", "{selector}");
        }
        assert_eq!(find("data.items[*]"), find("data.items"));
        assert_eq!(find("['a.b'].@count").unwrap(), "\"12\"");
        assert_eq!(find("$x").unwrap(), "1");
        assert_eq!(find("data.nothing.there"), None);
    }

    #[test]
    fn keys_may_be_quoted_in_a_dotted_path_and_an_annotation_of_odata_is_one_key() {
        for selector in ["'odd key'.'y z'", "$.'odd key'['y z']", "odd key.\"y z\"", "$[\"odd key\"].y z"] {
            assert_eq!(find(selector).unwrap(), "2", "{selector}");
        }
        for selector in ["@odata.nextLink", "$.@odata.nextLink", "'@odata.nextLink'", "$['@odata.nextLink']"] {
            assert_eq!(find(selector).unwrap(), "\"next\"", "{selector}");
        }
        assert_eq!(find("'a.b'.@count").unwrap(), "\"12\"");
        let escaped = Document::parse(br#"{"it's": {"a\\b": 1}}"#.to_vec()).unwrap();
        let selector: Selector = r"$['it\'s']['a\\b']".parse().unwrap();
        assert_eq!(selector.find(escaped.root()).unwrap().raw(), b"1");
    }

    #[test]
    fn an_index_may_count_from_the_end() {
        assert_eq!(find("data.items[-1].id").unwrap(), "9.10");
        assert_eq!(find("data.items[-3].id").unwrap(), "7");
        assert_eq!(find("data.items[-4].id"), None);
    }

    #[test]
    fn a_query_finds_all_that_match_in_document_order_as_the_api_wrote_them() {
        let table: [(&str, &[&str]); 12] = [
            ("data.items[*].id", &["7", "8", "9.10"]),
            ("$.data.items[?@.t == \"a\"].id", &["7", "9.10"]),
            ("data.items[?(@.id > 7 && @.t == 'a')].id", &["9.10"]),
            ("$..id", &["7", "8", "9.10", "1", "2", "3"]),
            ("groups.*.rows[*]", &[r#"{"id": 1}"#, r#"{"id": 2}"#, r#"{"id": 3}"#]),
            ("groups.*.rows", &[r#"[{"id": 1}, {"id": 2}]"#, "[]", r#"[{"id": 3}]"#]),
            ("data.items[1:].id", &["8", "9.10"]),
            ("data.items[-2:].id", &["8", "9.10"]),
            ("data.items[::2].id", &["7", "9.10"]),
            ("data.items[2,0,0].id", &["7", "9.10"]),
            ("groups['x','z'].rows[0].id", &["1", "3"]),
            ("nothing[*].id", &[]),
        ];
        for (selector, expected) in table {
            assert_eq!(all_in(TEXT, selector), expected, "{selector}");
        }
        assert_eq!(find("$..id").unwrap(), "7");
    }

    #[test]
    fn a_query_that_finds_nothing_is_told_from_one_that_leads_nowhere() {
        let text = r#"{"empty": [], "rows": [{"a": [], "t": 1}]}"#;
        let document = Document::parse(text.into()).unwrap();
        let may = |selector: &str| selector.parse::<Selector>().unwrap().may_find_nothing(document.root());
        assert!(["empty[*].x", "rows[*].a[*]", "rows[?@.t == 2]", "rows[1:].a"].map(may).iter().all(|may| *may));
        assert!(["nothing[*].x", "rows[*].b[*]", "rows[*].b", "$..b", "b"].map(may).iter().all(|may| !*may));
    }

    #[test]
    fn a_filter_may_look_at_the_root_and_call_the_functions_of_the_standard() {
        let text = r#"{"wanted": "b", "rows": [{"t": "a"}, {"t": "b"}, {"t": "cc"}]}"#;
        assert_eq!(all_in(text, "rows[?@.t == $.wanted]"), [r#"{"t": "b"}"#]);
        assert_eq!(all_in(text, "rows[?length(@.t) == 2]"), [r#"{"t": "cc"}"#]);
        assert_eq!(all_in(text, "rows[?match(@.t, '[ab]')].t"), ["\"a\"", "\"b\""]);
    }

    #[test]
    fn of_duplicate_keys_the_last_counts_for_a_query_too_and_digits_and_broken_values_stay() {
        assert_eq!(all_in(r#"{"r": {"a": [1], "b": [2], "a": [3]}}"#, "r.*"), ["[2]", "[3]"]);
        let text = r#"[{"n": 9007199254740993, "x": NaN}, {"n": 0.10000000000000000001, "x": "\ud800"}]"#;
        assert_eq!(all_in(text, "$[?@.n > 1]"), [r#"{"n": 9007199254740993, "x": NaN}"#]);
        assert_eq!(all_in(text, "$[1:2].n"), ["0.10000000000000000001"]);
    }

    #[test]
    fn a_selector_tells_what_it_is_and_reads_back_from_its_text() {
        let parse = |text: &str| text.parse::<Selector>().unwrap();
        assert!(parse("$").is_root() && !parse("$[*].a").is_root() && parse("$[*]").is_root());
        assert!(parse("a[*].b").is_query() && !parse("a[0].b[*]").is_query());
        assert_eq!(parse("a.'b.c'").keys(), Some(vec!["a".to_owned(), "b.c".to_owned()]));
        assert_eq!((parse("a[-1]").keys(), parse("a[*].b").keys()), (None, None));
        for text in ["a.b[0]", "$..a[?@.b == 'c']"] {
            let selector = parse(text);
            assert_eq!(String::from(selector.clone()).parse::<Selector>().unwrap(), selector);
        }
    }

    #[test]
    fn a_path_nested_too_deep_is_an_error_with_the_limit_and_the_place() {
        for (open, inner, close) in [("[?@.a", "", "]"), ("[?count(@", "", ")==1]"), ("[", "0", "]")] {
            for levels in [13, 30, 3_000, 20_000] {
                let text = format!("$.é{}{inner}{}", open.repeat(levels), close.repeat(levels));
                let error = text.parse::<Selector>().unwrap_err();
                assert_eq!(error.message, "JSONPath nested more than 12 levels deep", "{open} {levels}");
                assert!(text.is_char_boundary(error.offset) && error.offset > 12, "{open}: {}", error.offset);
            }
        }
        for (open, close) in [("(", ")"), ("!(", ")"), ("length(", ")"), ("(@.a && (", "))")] {
            let text = format!("$[?{}@.a == 1{}]", open.repeat(20_000), close.repeat(20_000));
            assert!(text.parse::<Selector>().unwrap_err().message.contains("12 levels"), "{open}");
        }
        assert!(format!("$[?{}@.a == 1{}]", "(".repeat(11), ")".repeat(11)).parse::<Selector>().is_ok());
        assert!(format!("$.a{}", "[*][0].b['c'][?@.d]".repeat(1_000)).parse::<Selector>().is_ok());
    }

    #[test]
    fn the_path_of_any_keys_reads_back_as_these_keys() {
        for (keys, text) in [
            (&["a", "b_1"][..], "a.b_1"),
            (&["a b-c", "x"], "a b-c.x"),
            (&["it's"], r#"$["it's"]"#),
            (&["a\"b"], r#"$['a"b']"#),
            (&[r#"a'b"c"#], r#"$['a\'b"c']"#),
            (&[r"a.b\"], r"$['a.b\\']"),
            (&["", "*", "@odata.count"], "$['']['*']['@odata.count']"),
            (&[], "$"),
        ] {
            let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
            let made = Selector::from_keys(&keys);
            assert_eq!(made.to_string(), text);
            assert_eq!(text.parse::<Selector>().unwrap(), made, "{text}");
            assert_eq!(made.keys(), Some(keys), "{text}");
        }
    }

    #[test]
    fn a_count_may_be_a_number_or_text() {
        let document =
            Document::parse(br#"{"n": 12, "s": " 13 ", "x": 1.5, "y": null, "f": 7.00, "d": "7."}"#.to_vec()).unwrap();
        let count = |text: &str| text.parse::<Selector>().unwrap().find_count(document.root());
        assert_eq!((count("n"), count("s"), count("x"), count("y")), (Some(12), Some(13), None, None));
        assert_eq!((count("f"), count("d")), (Some(7), None));
    }

    #[test]
    fn all_elements_of_an_object_are_its_values() {
        let text = r#"{"data": {"A": {"id": 1}, "B": {"id": 2}}, "none": {}, "list": []}"#;
        assert_eq!(all_in(text, "data[*]"), [r#"{"id": 1}"#, r#"{"id": 2}"#]);
        assert_eq!(find_in(text, "$.data[*]").unwrap(), r#"{"id": 1}"#);
        assert_eq!((all_in(text, "none[*]").len(), all_in(r#"{"A": 1}"#, "$[*]")), (0, vec!["1".to_owned()]));
        let document = Document::parse(text.into()).unwrap();
        let may = |selector: &str| selector.parse::<Selector>().unwrap().may_find_nothing(document.root());
        assert!(may("none[*]") && !may("nothing[*]") && !may("none"));
    }

    #[test]
    fn matches_are_in_document_order_where_keys_come_twice_too() {
        let text = r#"{"a": {"b": 1, "c": 2, "b": 3}}"#;
        assert_eq!(all_in(text, "$..*"), [r#"{"b": 1, "c": 2, "b": 3}"#, "2", "3"]);
    }

    #[test]
    fn what_is_no_path_is_told_with_its_offset() {
        let offset = |text: &str| text.parse::<Selector>().unwrap_err().offset;
        assert_eq!(["", "a.", "a..", "a[", "a['b", "$.a['b'", "'a"].map(offset), [0, 2, 3, 1, 1, 3, 0]);
        assert_eq!(["['a']]", "['a']é", "$['a']b", "'a'b"].map(offset), [5, 5, 6, 3]);
        assert_eq!(["ab[?@.x = 1]", "a[*].b[1:x]", "a[]", "$[?$.a[*] == 1]"].map(offset), [7, 8, 1, 9]);
    }
}
