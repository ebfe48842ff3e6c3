//! A text with its tape, and the views over it.

use std::{borrow::Cow, fmt};

use super::{
    names::{self, BrokenName},
    scan::{ESCAPED, Entry, ScanError, Scanner, SyntaxError},
    string::{StringError, unescape},
};

/// The largest body that can be scanned: offsets have 31 bits.
pub const MAX_BODY: usize = (1 << 31) - 1;

/// Elements of unused capacity that a document may keep.
const MOST_UNUSED: usize = 1 << 12;

const NULL: &str = "null";

/// A JSON text and its tape.
pub struct Document {
    body: Body,
    tape: Vec<Entry>,
    /// Set if a field name contains an escape.
    has_escaped_names: bool,
    /// Set if the values were cells of a table of text.
    has_cells: bool,
}

/// A body that is UTF-8 as a whole (the usual case) needs no check of any of its strings.
enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

/// The kind of a value by its first byte; words are compared in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Null,
    Bool(bool),
    /// A digit or a sign comes first; the rest may still not be a number.
    Number,
    String,
    Array,
    Object,
    /// A bare word that JSON does not know, such as `NaN`.
    Word,
}

impl Document {
    /// Scans `body`. Fails where the structure breaks: an unclosed container, a missing comma, text after the value.
    pub fn parse(body: Vec<u8>) -> Result<Self, SyntaxError> {
        Self::parse_or_return(body).map_err(|(error, _)| error)
    }

    /// Scans `body` like [`parse`](Self::parse), and returns a body that is not JSON to the caller.
    pub fn parse_or_return(body: Vec<u8>) -> Result<Self, (SyntaxError, Vec<u8>)> {
        Self::parse_within(body, &mut |_| true).map_err(|(error, body)| (error.into(), body))
    }

    /// Scans `body` like [`parse_or_return`](Self::parse_or_return). `room` is asked before the tape grows to so many bytes:
    /// a text such as `[1,1,…]` has a tape of four times its size.
    pub fn parse_within(mut body: Vec<u8>, room: &mut dyn FnMut(usize) -> bool) -> Result<Self, (ScanError, Vec<u8>)> {
        if body.len() > MAX_BODY {
            let error = SyntaxError { offset: MAX_BODY, message: "the text is longer than 2 GiB", is_cut: false };
            return Err((error.into(), body));
        }
        let (mut tape, has_escaped_names) = match Scanner::new(&body, room).scan() {
            Ok(scanned) => scanned,
            Err(error) => return Err((error, body)),
        };
        give_back(&mut tape);
        give_back(&mut body);
        let body = String::from_utf8(body).map_or_else(|error| Body::Bytes(error.into_bytes()), Body::Text);
        Ok(Self { body, tape, has_escaped_names, has_cells: false })
    }

    /// Says that the values were cells of a table of text, such as CSV: their texts may be numbers or bools.
    #[must_use]
    pub fn with_cells(self) -> Self {
        Self { has_cells: true, ..self }
    }

    /// Marks the values as cells of CSV if those of `other` are.
    #[must_use]
    pub fn with_cells_of(self, other: &Self) -> Self {
        Self { has_cells: other.has_cells, ..self }
    }

    /// The first field name that is not valid text. Names are examined only if the body is not UTF-8 or a name has an escape:
    /// otherwise none can be broken.
    pub fn broken_name(&self) -> Option<BrokenName> {
        let may_be_broken = self.has_escaped_names || matches!(self.body, Body::Bytes(_));
        may_be_broken.then(|| names::first_broken(self.root())).flatten()
    }

    /// The document `null`.
    pub fn null() -> Self {
        let end = NULL.len() as u32;
        Self {
            body: Body::Text(NULL.to_owned()),
            tape: vec![Entry { start: 0, end }],
            has_escaped_names: false,
            has_cells: false,
        }
    }

    pub fn root(&self) -> Node<'_> {
        Node { document: self, index: 0 }
    }

    /// Returns the node at an index from [`Node::index`].
    pub fn node(&self, index: u32) -> Node<'_> {
        Node { document: self, index }
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Text(text) => text.as_bytes(),
            Body::Bytes(bytes) => bytes,
        }
    }

    /// Bytes of memory held: body and tape.
    pub fn memory(&self) -> usize {
        let body = match &self.body {
            Body::Text(text) => text.capacity(),
            Body::Bytes(bytes) => bytes.capacity(),
        };
        body + self.tape.capacity() * size_of::<Entry>()
    }

    fn text(&self, start: usize, end: usize) -> Result<&str, StringError> {
        match &self.body {
            Body::Text(text) => Ok(&text[start..end]),
            Body::Bytes(bytes) => std::str::from_utf8(&bytes[start..end]).map_err(|_| StringError::Utf8),
        }
    }

    fn entry(&self, index: u32) -> Entry {
        self.tape[index as usize]
    }

    /// Returns the tape index after the value at `index`.
    fn after(&self, index: u32) -> u32 {
        let entry = self.entry(index);
        match self.bytes()[entry.start as usize] {
            b'{' | b'[' => entry.end + 1,
            _ => index + 1,
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes, {} entries)", self.bytes().len(), self.tape.len())
    }
}

/// One value of a document.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    document: &'a Document,
    index: u32,
}

impl<'a> Node<'a> {
    /// Returns true if the value was a cell of a table of text.
    pub fn is_cell(self) -> bool {
        self.document.has_cells
    }

    /// The place in the tape, for keeping: [`Document::node`] gives the node again.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Entries of the tape that the value takes: one for each key and scalar in it, two for each container.
    pub fn entries(self) -> usize {
        (self.document.after(self.index) - self.index) as usize
    }

    /// Returns the offset of the value in the bytes of the document.
    pub fn offset(self) -> usize {
        self.span().0
    }

    pub fn kind(self) -> Kind {
        match self.first_byte() {
            b'"' => Kind::String,
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'-' | b'0'..=b'9' => Kind::Number,
            _ => match self.raw() {
                b"null" => Kind::Null,
                b"true" => Kind::Bool(true),
                b"false" => Kind::Bool(false),
                _ => Kind::Word,
            },
        }
    }

    /// The value's own bytes, quotes and brackets included, as the API wrote them.
    pub fn raw(self) -> &'a [u8] {
        let (start, end) = self.span();
        &self.document.bytes()[start..end]
    }

    /// [`raw`](Self::raw) as text; fails if it is not UTF-8.
    pub fn raw_text(self) -> Result<&'a str, StringError> {
        let (start, end) = self.span();
        self.document.text(start, end)
    }

    /// A string's value, unescaped; of any other value, its text.
    pub fn string(self) -> Result<Cow<'a, str>, StringError> {
        match self.first_byte() {
            b'"' => self.document.string_at(self.document.entry(self.index)),
            _ => self.raw_text().map(Cow::Borrowed),
        }
    }

    /// Returns the fields of an object in document order; other values have none.
    pub fn fields(self) -> Fields<'a> {
        let (next, end) = self.inside(b'{');
        Fields { document: self.document, next, end }
    }

    /// The elements of an array; none of anything else.
    pub fn items(self) -> Items<'a> {
        let (next, end) = self.inside(b'[');
        Items { document: self.document, next, end }
    }

    /// Returns the value itself if it is a scalar, else all scalars within it, including keys (as strings), in document order. Does
    /// not recurse.
    pub fn scalars(self) -> impl Iterator<Item = Node<'a>> {
        let end = self.document.after(self.index);
        let nodes = (self.index..end).map(move |index| self.document.node(index));
        nodes.filter(|node| !b"{}[]".contains(&node.first_byte()))
    }

    /// The value of a key; of duplicate keys the last counts.
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        self.fields().filter(|(name, _)| name.is(key)).last().map(|(_, value)| value)
    }

    fn first_byte(self) -> u8 {
        self.document.bytes()[self.document.entry(self.index).start as usize]
    }

    fn inside(self, bracket: u8) -> (u32, u32) {
        if self.first_byte() == bracket { (self.index + 1, self.document.entry(self.index).end) } else { (0, 0) }
    }

    /// Returns the offsets of the first byte and of the byte after the last.
    fn span(self) -> (usize, usize) {
        let entry = self.document.entry(self.index);
        let start = entry.start as usize;
        match self.document.bytes()[start] {
            b'"' => (start, (entry.end & !ESCAPED) as usize + 1),
            b'{' | b'[' => (start, self.document.entry(entry.end).start as usize + 1),
            _ => (start, entry.end as usize),
        }
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.raw()))
    }
}

/// The fields of an object.
#[derive(Debug)]
pub struct Fields<'a> {
    document: &'a Document,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Key<'a>, Node<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let key = Key { document: self.document, entry: self.document.entry(self.next) };
        let value = Node { document: self.document, index: self.next + 1 };
        self.next = self.document.after(value.index);
        Some((key, value))
    }
}

/// The elements of an array.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    document: &'a Document,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let item = Node { document: self.document, index: self.next };
        self.next = self.document.after(item.index);
        Some(item)
    }
}

/// The name of a field.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    document: &'a Document,
    entry: Entry,
}

impl<'a> Key<'a> {
    /// The byte offset of the name's opening quote in the document.
    pub fn offset(self) -> usize {
        self.entry.start as usize
    }

    /// Returns the bytes between the quotes, with escapes as written.
    #[inline]
    pub fn raw(self) -> &'a [u8] {
        &self.document.bytes()[self.entry.start as usize + 1..(self.entry.end & !ESCAPED) as usize]
    }

    /// Returns true if it contains a backslash, so that [`raw`](Self::raw) differs from the name.
    #[inline]
    pub fn is_escaped(self) -> bool {
        self.entry.end & ESCAPED != 0
    }

    pub fn text(self) -> Result<Cow<'a, str>, StringError> {
        self.document.string_at(self.entry)
    }

    pub fn is(self, name: &str) -> bool {
        if self.is_escaped() { self.text().is_ok_and(|text| text == name) } else { self.raw() == name.as_bytes() }
    }
}

impl Document {
    fn string_at(&self, entry: Entry) -> Result<Cow<'_, str>, StringError> {
        let text = self.text(entry.start as usize + 1, (entry.end & !ESCAPED) as usize)?;
        if entry.end & ESCAPED == 0 { Ok(Cow::Borrowed(text)) } else { unescape(text).map(Cow::Owned) }
    }
}

/// Gives back capacity that is of no more use, where it is a large part of the whole.
fn give_back<T>(elements: &mut Vec<T>) {
    if elements.capacity() - elements.len() > (elements.len() / 4).max(MOST_UNUSED) {
        elements.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes().to_vec()).unwrap()
    }

    fn fails(text: &str) -> (usize, &'static str) {
        let error = Document::parse(text.as_bytes().to_vec()).unwrap_err();
        (error.offset, error.message)
    }

    #[test]
    fn values_are_found_by_key_and_position_and_keep_their_own_text() {
        let document = parse(r#" {"a": [1, {"b": "x\"y"}, []], "c" : {} , "d":-1.5e3} "#);
        let root = document.root();
        assert_eq!(root.get("a").unwrap().raw(), br#"[1, {"b": "x\"y"}, []]"#.as_slice());
        let items: Vec<_> = root.get("a").unwrap().items().collect();
        assert_eq!(items[1].get("b").unwrap().string().unwrap(), "x\"y");
        assert_eq!(items[2].kind(), Kind::Array);
        assert_eq!(root.get("c").unwrap().raw(), b"{}");
        assert_eq!(root.get("d").unwrap().raw(), b"-1.5e3");
        assert!(root.get("e").is_none());
    }

    #[test]
    fn of_duplicate_keys_the_last_counts() {
        assert_eq!(parse(r#"{"a":1,"a":2}"#).root().get("a").unwrap().raw(), b"2");
    }

    #[test]
    fn the_scalars_of_a_value_are_its_own_with_its_keys_and_nothing_behind_it() {
        let document = parse(r#"[{"a":[1,{}],"{":null},"]",2]"#);
        let scalars = |node: Node<'_>| node.scalars().map(|node| format!("{node:?}")).collect::<Vec<_>>();
        assert_eq!(scalars(document.root()), ["\"a\"", "1", "\"{\"", "null", "\"]\"", "2"]);
        let items: Vec<_> = document.root().items().map(scalars).collect();
        assert_eq!(items[1..], [["\"]\""], ["2"]]);
        assert_eq!(scalars(document.root().items().next().unwrap()), ["\"a\"", "1", "\"{\"", "null"]);
    }

    #[test]
    fn a_key_is_found_by_its_name_however_it_is_escaped() {
        assert_eq!(parse(r#"{"n\u0061me":1}"#).root().get("name").unwrap().raw(), b"1");
    }

    #[test]
    fn broken_structure_is_told_with_its_place() {
        assert_eq!(fails(""), (0, "the text ends too early"));
        assert_eq!(fails("<html>"), (0, "a value was expected"));
        assert_eq!(fails(r#"{"a":[1,2"#), (9, "the text ends too early"));
        assert_eq!(fails(r#"{"a":"bc"#), (5, "this string is never closed"));
        assert_eq!(fails(r#"{"a":"b\"#), (5, "this string is never closed"));
        assert_eq!(fails("[1 2]"), (3, "a comma or a closing bracket was expected"));
        assert_eq!(fails("[1,]"), (3, "a value was expected"));
        assert_eq!(fails(r#"{"a":1,}"#), (7, "a key in quotes was expected"));
        assert_eq!(fails("[}"), (1, "a value was expected"));
        assert_eq!(fails("[1}"), (2, "this bracket closes nothing"));
        assert_eq!(fails("1 2"), (2, "there is text after the value"));
        assert_eq!(fails(&"[".repeat(5_000)).1, "containers are nested too deep");
    }

    #[test]
    fn a_value_that_json_does_not_know_is_left_to_its_reader() {
        let document = Document::parse(b"[NaN, 1.2.3, \"\xff\", \"\\ud800\", tru]".to_vec()).unwrap();
        let kinds: Vec<_> = document.root().items().map(Node::kind).collect();
        assert_eq!(kinds, [Kind::Word, Kind::Number, Kind::String, Kind::String, Kind::Word]);
        let strings: Vec<_> = document.root().items().map(Node::string).collect();
        assert_eq!(strings[2], Err(StringError::Utf8));
        assert_eq!(strings[3], Err(StringError::Surrogate));
    }

    /// The value read back through the tape, for comparison with serde_json's.
    fn read(node: Node<'_>) -> serde_json::Value {
        match node.kind() {
            Kind::Object => node.fields().map(|(key, value)| (key.text().unwrap().into_owned(), read(value))).collect(),
            Kind::Array => node.items().map(read).collect(),
            Kind::String => node.string().unwrap().into_owned().into(),
            _ => serde_json::from_slice(node.raw()).unwrap(),
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::hash_map(any::<String>(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_json_value_reads_back_as_serde_json_reads_it(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let document = parse(&text);
            prop_assert_eq!(document.root().raw(), text.as_bytes());
            prop_assert_eq!(read(document.root()), value);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(document) = Document::parse(bytes) {
                let _ = (document.root().kind(), document.root().string());
            }
        }

        #[test]
        fn a_truncated_container_is_always_an_error(value in json(), cut in 0.0..1.0f64) {
            let text = serde_json::to_string(&serde_json::json!([value])).unwrap();
            let length = (text.len() as f64 * cut) as usize;
            let error = Document::parse(text.as_bytes()[..length].to_vec()).unwrap_err();
            prop_assert!(error.is_cut, "{}", error);
        }
    }
}
