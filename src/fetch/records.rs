//! Where a page's records are: `data_selector` applied to a document that has come.
//!
//! Records that lie together stay where they are. Those that a query found here and there, and scalars that become records,
//! are brought together into a document of their own, in the bytes that the API wrote. Rows that are arrays become records by
//! the names that the answer has for their columns.

mod tabular;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

pub(super) use self::tabular::{has_names, holds_arrays, is_place_of_names};
use crate::{
    json::{Document, Kind, Node, ScanError, Selector, SyntaxError},
    plan::{PaginatorPlan, ResourcePlan},
    schema::{ColumnsContract, Source, TableSchema},
    secret::{self, Redactor},
};

/// The field that a record has which was a scalar, as in dlt.
const VALUE: &str = "value";

/// How records are told in every page of a resource.
#[derive(Clone, Debug)]
pub(super) struct Locator {
    pub(super) objects: Objects,
    /// Whether a scalar becomes a record; where no column would read it, it stays what does not fit.
    wraps_scalars: bool,
    /// A column takes the whole record, which may be an array.
    takes_arrays: bool,
}

/// What an object is that is the whole answer, where no selector leads below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objects {
    /// The record.
    Records,
    /// The record, unless it has lists of objects and no key: then it wraps the records.
    RecordsOrWrappers,
    /// A wrapper whose selector is missing: the list has positions, which one record has not.
    Wrappers,
}

/// What was found, and where.
pub(super) struct Placed {
    /// An error counts only if the page's turn comes.
    pub(super) located: Result<Located, RecordsError>,
    /// The document that the records stand in, if it is not the answer.
    pub(super) gathered: Option<Document>,
}

/// What `data_selector` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Located {
    /// Nothing stands there. An error, but an empty page behind the end of a list.
    Missing,
    /// Null, or an answer without a body.
    Nothing,
    Records {
        /// The tape index of the array, or of the one object.
        index: u32,
        count: u64,
        /// False for one object, which is the record.
        is_list: bool,
    },
}

/// Why a page's records cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    #[error("`data_selector: {selector}` finds nothing; the answer {}", holds(.keys))]
    Missing { selector: String, keys: Vec<String> },
    /// A `[*]` selects the values of one record, not a list of records.
    #[error(
        "`data_selector: {selector}` finds an object, whose values are no records; it {}", holds(.keys)
    )]
    Values { selector: String, keys: Vec<String> },
    #[error("`data_selector: {selector}` finds {found}, where an array of records or one object was expected")]
    Scalar { selector: String, found: String },
    /// Without a selector the whole answer would be one record, and every page the same kind of record.
    #[error("the answer is an object, not an array of records; it {}", holds(.keys))]
    Wrapped { keys: Vec<String>, arrays: Vec<String> },
    #[error("row {row} has {values} values, and `{place}` names {names} columns")]
    Width { row: u64, values: usize, names: usize, place: String },
    #[error("`{place}` names two columns `{name}`")]
    SameName { name: String, place: String },
    #[error(
        "the rows that `data_selector: {selector}` finds are arrays, and the answer has no names for their columns"
    )]
    NoNames { selector: String },
    #[error(
        "`data_selector: {selector}` {what}, for which the memory of one page, a third of `memory_limit`, is too small"
    )]
    TooLarge { selector: String, what: String },
    #[error("the records that `data_selector: {selector}` finds cannot be brought together: {problem}")]
    Gathered { selector: String, problem: SyntaxError },
}

impl RecordsError {
    /// The same, with all that the API wrote stripped of known secrets.
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        let all = |keys: Vec<String>| keys.iter().map(|key| redactor.text(key)).collect();
        match self {
            Self::Missing { selector, keys } => Self::Missing { selector, keys: all(keys) },
            Self::Scalar { selector, found } => Self::Scalar { selector, found: shortened(&redactor.text(&found)) },
            Self::Values { selector, keys } => Self::Values { selector, keys: all(keys) },
            Self::Wrapped { keys, arrays } => Self::Wrapped { keys: all(keys), arrays: all(arrays) },
            Self::SameName { name, place } => Self::SameName { name: shortened(&redactor.text(&name)), place },
            Self::Width { .. } | Self::NoNames { .. } | Self::TooLarge { .. } | Self::Gathered { .. } => self,
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some(
                "set `endpoint.data_selector` to the path of the records, or `allow_missing_data: true` if answers without records \
                 lack it"
                    .to_owned(),
            ),
            Self::NoNames { .. } => Some(
                "request objects in place of arrays, or declare a column with `source: $` and `type: json`, which takes the row \
                 as it is; names are read from `columns`, `fields`, `cols` or `headers` beside the rows of each page"
                    .to_owned(),
            ),
            Self::Width { .. } | Self::SameName { .. } => Some(
                "declare a column with `source: $` and `type: json`, which takes the row as it is".to_owned(),
            ),
            Self::TooLarge { .. } => Some(
                "name the place of the records by its keys, ask for smaller pages, or raise `memory_limit`".to_owned(),
            ),
            Self::Values { selector, .. } => selector.strip_suffix("[*]").map(|path| {
                let path = if path.is_empty() { "$" } else { path };
                format!("set `data_selector: {path}`, which takes the elements of an array, and an object as one record")
            }),
            Self::Scalar { .. } | Self::Gathered { .. } => None,
            Self::Wrapped { arrays, .. } => match arrays.as_slice() {
                [] => Some("use the paginator `single_page` if the answer is the record".to_owned()),
                [only] => Some(format!("set `data_selector: {only}`")),
                several => Some(format!("set `data_selector` to the one that holds the records: {}", quoted(several))),
            },
        }
    }
}

fn holds(keys: &[String]) -> String {
    if keys.is_empty() { "has no keys".to_owned() } else { format!("has the keys {}", quoted(keys)) }
}

pub(super) fn quoted(keys: &[String]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

impl Locator {
    pub(super) fn new(resource: &ResourcePlan) -> Self {
        let wraps_scalars = reads_scalars(&resource.schema, resource.contract.columns);
        let objects = match &resource.paginator {
            PaginatorPlan::SinglePage | PaginatorPlan::Auto | PaginatorPlan::SingleEntity { .. } => Objects::Records,
            PaginatorPlan::Offset(_) | PaginatorPlan::PageNumber(_) => Objects::Wrappers,
            _ => Objects::RecordsOrWrappers,
        };
        let takes_record = |source: &Source| match source {
            Source::Path(keys) => keys.is_empty(),
            source => *source == Source::Record,
        };
        let takes_arrays = resource.schema.columns.iter().any(|column| takes_record(&column.source));
        Self { objects, wraps_scalars, takes_arrays }
    }

    /// Whether this object, which is the whole answer, is no record.
    fn is_wrapper(&self, object: Node<'_>) -> bool {
        let holds_objects = |list: Node<'_>| list.items().next().is_some_and(|item| item.kind() == Kind::Object);
        match self.objects {
            Objects::Records => false,
            Objects::RecordsOrWrappers => {
                !has_identity(object) && object.fields().any(|(_, value)| holds_objects(value))
            }
            Objects::Wrappers => true,
        }
    }

    /// Looks for the records. `room` is asked before so many bytes are taken beside the document; where there are none, that
    /// is [`RecordsError::TooLarge`].
    pub(super) fn locate(
        &self,
        document: &Document,
        selector: &Selector,
        room: &mut dyn FnMut(usize) -> bool,
    ) -> Placed {
        let root = document.root();
        if root.kind() == Kind::Null {
            return Placed::at(Ok(Located::Nothing));
        }
        let (values, bytes) = selector.search_cost(root);
        if !room(bytes) {
            return Placed::too_large(selector, format!("searches {values} values"));
        }
        if let Some(object) = selector.object_taken_apart(root) {
            let keys = keys(object, |_| true);
            return Placed::at(Err(RecordsError::Values { selector: selector.to_string(), keys }));
        }
        let found = selector.find_all(root);
        if found.iter().any(|list| self.is_tabular(root, *list)) {
            return self.named(selector, root, &found, room);
        }
        match found.as_slice() {
            [] if selector.may_find_nothing(root) => Placed::at(Ok(Located::Nothing)),
            [] => Placed::at(Ok(Located::Missing)),
            [array] if array.kind() == Kind::Array && !self.wraps(array.items()) => Placed::at(Ok(Located::Records {
                index: array.index(),
                count: array.items().count() as u64,
                is_list: true,
            })),
            [array] if array.kind() == Kind::Array => self.gather(selector, array.items(), room),
            // Several scalars would become records, and so does one, where there may be several.
            [one] if selector.is_query() && self.wraps(std::iter::once(*one)) => {
                self.gather(selector, std::iter::once(*one), room)
            }
            [one] => Placed::at(self.locate_one(selector, root, *one)),
            several => self.gather(selector, several.iter().flat_map(|found| elements(*found)), room),
        }
    }

    fn locate_one(&self, selector: &Selector, root: Node<'_>, found: Node<'_>) -> Result<Located, RecordsError> {
        match found.kind() {
            Kind::Object if selector.is_root() && !selector.takes_elements() && self.is_wrapper(root) => {
                Err(RecordsError::Wrapped {
                    keys: keys(root, |_| true),
                    arrays: keys(root, |kind| kind == Kind::Array),
                })
            }
            Kind::Object => Ok(Located::Records { index: found.index(), count: 1, is_list: false }),
            Kind::Null => Ok(Located::Nothing),
            _ => Err(RecordsError::Scalar {
                selector: selector.to_string(),
                found: String::from_utf8_lossy(found.raw()).into_owned(),
            }),
        }
    }

    /// Whether these are an array of scalars that become records. One among objects stays what it is: a mistake.
    fn wraps<'a>(&self, mut items: impl Iterator<Item = Node<'a>> + Clone) -> bool {
        let is_scalar = |node: Node<'_>| !matches!(node.kind(), Kind::Object | Kind::Array);
        self.wraps_scalars && items.clone().any(|node| node.kind() != Kind::Null) && items.all(is_scalar)
    }

    fn gather<'a>(
        &self,
        selector: &Selector,
        records: impl Iterator<Item = Node<'a>> + Clone,
        room: &mut dyn FnMut(usize) -> bool,
    ) -> Placed {
        let (before, after) =
            if self.wraps(records.clone()) { (format!("{{\"{VALUE}\":"), "}") } else { (String::new(), "") };
        // Records may lie within each other, so that the copies of all are many times the page.
        let around = before.len() + after.len() + 1;
        let elements = records.clone().count();
        let bytes = records.clone().fold(2, |bytes: usize, record| bytes.saturating_add(record.raw().len() + around));
        if !room(bytes) {
            return Placed::too_large(selector, format!("finds {elements} elements of {bytes} bytes"));
        }
        let (mut text, mut count) = (Vec::with_capacity(bytes), 0);
        text.push(b'[');
        for record in records {
            if count > 0 {
                text.push(b',');
            }
            text.extend_from_slice(before.as_bytes());
            text.extend_from_slice(record.raw());
            text.extend_from_slice(after.as_bytes());
            count += 1;
        }
        text.push(b']');
        Placed::gathered(selector, text, count, room)
    }

    /// Returns true for rows that are arrays, which no column takes as they are. Among records an array is a mistake.
    fn is_tabular(&self, root: Node<'_>, list: Node<'_>) -> bool {
        let is_array = |row: Node<'_>| row.kind() == Kind::Array;
        !self.takes_arrays && holds_arrays(list) && (list.items().all(is_array) || has_names(root, list))
    }

    /// Makes records of the rows of these lists, each by the names of its own list.
    fn named(
        &self,
        selector: &Selector,
        root: Node<'_>,
        lists: &[Node<'_>],
        room: &mut dyn FnMut(usize) -> bool,
    ) -> Placed {
        let (mut text, mut count) = (vec![b'['], 0);
        for list in lists {
            if let Err(problem) = self.add_named(selector, root, *list, (&mut text, &mut count), room) {
                return Placed::at(Err(problem));
            }
        }
        text.push(b']');
        Placed::gathered(selector, text, count, room)
    }

    fn add_named(
        &self,
        selector: &Selector,
        root: Node<'_>,
        list: Node<'_>,
        (text, count): (&mut Vec<u8>, &mut u64),
        room: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), RecordsError> {
        let names = if self.is_tabular(root, list) { tabular::find(root, list) } else { None };
        match &names {
            Some(names) => names.check()?,
            None if self.is_tabular(root, list) => {
                return Err(RecordsError::NoNames { selector: selector.to_string() });
            }
            None => {}
        }
        for row in elements(list) {
            if *count > 0 {
                text.push(b',');
            }
            *count += 1;
            match names.as_ref().filter(|_| row.kind() == Kind::Array) {
                Some(names) => names.record(row, *count, text)?,
                None => text.extend_from_slice(row.raw()),
            }
            // Each row repeats the names.
            if !room(text.len()) {
                let what = format!("finds {count} rows of {} bytes with their names", text.len());
                return Err(RecordsError::TooLarge { selector: selector.to_string(), what });
            }
        }
        Ok(())
    }
}

impl Placed {
    fn gathered(selector: &Selector, text: Vec<u8>, count: u64, room: &mut dyn FnMut(usize) -> bool) -> Self {
        let bytes = text.len();
        match Document::parse_within(text, &mut |tape| room(bytes.saturating_add(tape))) {
            Ok(gathered) => Placed {
                located: Ok(Located::Records { index: gathered.root().index(), count, is_list: true }),
                gathered: Some(gathered),
            },
            Err((ScanError::NoRoom, _)) => {
                Placed::too_large(selector, format!("finds {count} elements of {bytes} bytes"))
            }
            Err((ScanError::Syntax(problem), _)) => {
                Placed::at(Err(RecordsError::Gathered { selector: selector.to_string(), problem }))
            }
        }
    }

    fn too_large(selector: &Selector, what: String) -> Self {
        Self::at(Err(RecordsError::TooLarge { selector: selector.to_string(), what }))
    }

    fn at(located: Result<Located, RecordsError>) -> Self {
        Self { located, gathered: None }
    }
}

/// Whether an object looks like one record of many.
pub(super) fn has_identity(object: Node<'_>) -> bool {
    ["id", "_id", "uuid"].iter().any(|key| object.get(key).is_some())
}

/// Whether a column reads the field that a scalar becomes, or may.
fn reads_scalars(schema: &TableSchema, contract: ColumnsContract) -> bool {
    let reads = |source: &Source| match source {
        Source::Path(keys) => keys.first().is_some_and(|key| key == VALUE),
        Source::Evolved(key) | Source::Unseen(key) => key == VALUE,
        _ => false,
    };
    let is_open = schema.columns.is_empty() || contract == ColumnsContract::Evolve;
    is_open || schema.columns.iter().any(|column| reads(&column.source))
}

/// One of several matches as records: an array is its elements, null is none.
pub(super) fn elements(found: Node<'_>) -> impl Iterator<Item = Node<'_>> + Clone {
    let itself = Some(found).filter(|found| !matches!(found.kind(), Kind::Array | Kind::Null));
    itself.into_iter().chain(found.items())
}

/// Nothing was found where records were due.
pub(super) fn missing(document: &Document, selector: &Selector) -> RecordsError {
    RecordsError::Missing { selector: selector.to_string(), keys: keys(document.root(), |_| true) }
}

/// `[]` as the whole answer: what a server writes for an empty wrapper whose language has one type for lists and objects.
pub(super) fn is_empty_array(document: &Document) -> bool {
    let root = document.root();
    root.kind() == Kind::Array && root.items().next().is_none()
}

/// A hash of each record: of its key where it has all of that, else of the record as the API wrote it. The same in every
/// process: a run goes on by what another one has stored.
pub(super) fn hashes(document: &Document, located: Located, key: &[Vec<String>]) -> Vec<u64> {
    let Located::Records { index, .. } = located else { return Vec::new() };
    let found = document.node(index);
    match found.kind() {
        Kind::Array => found.items().map(|record| hash(record, key)).collect(),
        _ => vec![hash(found, key)],
    }
}

fn hash(record: Node<'_>, key: &[Vec<String>]) -> u64 {
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    let field = |path: &Vec<String>| {
        let found = path.iter().try_fold(record, |node, key| node.get(key));
        found.filter(|node| node.kind() != Kind::Null).map(Node::raw)
    };
    match key.iter().map(field).collect::<Option<Vec<_>>>().filter(|values| !values.is_empty()) {
        Some(values) => hasher.hash_one(values),
        None => hasher.hash_one(record.raw()),
    }
}

/// The records of which `is_kept` is true as a document of their own, and the number of each, 1 for the first of the page.
pub(super) fn keep(document: &Document, index: u32, is_kept: &[bool]) -> Option<(Document, Vec<u64>)> {
    let found = document.node(index);
    let kept = found.items().zip(1_u64..).zip(is_kept).filter(|(_, is_kept)| **is_kept).map(|(record, _)| record);
    together(kept).map(|(kept, numbers)| (kept.with_cells_of(document), numbers))
}

/// Records, each with its number, as a document of their own and their numbers.
pub(super) fn together<'a>(records: impl Iterator<Item = (Node<'a>, u64)>) -> Option<(Document, Vec<u64>)> {
    let (mut body, mut numbers) = (vec![b'['], Vec::new());
    for (record, number) in records {
        if !numbers.is_empty() {
            body.push(b',');
        }
        body.extend_from_slice(record.raw());
        numbers.push(number);
    }
    body.push(b']');
    Some((Document::parse(body).ok()?, numbers))
}

/// The keys of an object whose values are of a kind, the first twenty of them.
pub(super) fn keys(node: Node<'_>, is_wanted: impl Fn(Kind) -> bool) -> Vec<String> {
    let wanted = node.fields().filter(|(_, value)| is_wanted(value.kind()));
    wanted.filter_map(|(key, _)| key.text().ok().map(std::borrow::Cow::into_owned)).take(20).collect()
}

/// As much of a value as an error shows.
pub(super) fn shortened(text: &str) -> String {
    secret::shortened(&text.replace(char::is_control, " "), 60)
}

#[cfg(test)]
mod tests;
