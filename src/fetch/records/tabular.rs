//! Rows that are arrays, and the names of their columns.
//!
//! ```text
//! {"columns": ["id", "v"], "rows": [[1, "a"], [2, 0.10]]}
//!  └─ names, beside ─────┘  └─ rows ────────────────────┘ ─► [{"id":1,"v":"a"},{"id":2,"v":0.10}]
//! ```
//!
//! Names and values keep the bytes that the API wrote. A row takes its names from its own answer alone: pages are read in any
//! order, and an API that changes its columns between two pages would give every later row wrong names.

use std::{borrow::Cow, collections::HashSet};

use super::RecordsError;
use crate::json::{Kind, Node};

/// Paths to the names of columns, in an object that holds the rows or is directly above it.
///
/// `meta.view.columns` is Socrata's, `resultSetMetaData.rowType` Snowflake's, `manifest.schema.columns` Databricks', and a
/// list at `meta` is ClickHouse's.
const PLACES: [&[&str]; 16] = [
    &["columns"],
    &["column_names"],
    &["columnNames"],
    &["fields"],
    &["cols"],
    &["headers"],
    &["header"],
    &["schema", "fields"],
    &["schema", "columns"],
    &["meta", "columns"],
    &["meta", "fields"],
    &["meta", "view", "columns"],
    &["metadata", "columns"],
    &["resultSetMetaData", "rowType"],
    &["manifest", "schema", "columns"],
    &["meta"],
];

/// The fields of a column's description that may hold its name; `name` is text for people where there is a `fieldName`.
const NAMES: [&str; 4] = ["fieldName", "name", "id", "label"];

/// The names of the columns of a list of rows.
pub(super) struct Names<'a> {
    /// The place of the names, e.g. `schema.fields`.
    place: String,
    /// Strings, in the order of the columns.
    names: Vec<Node<'a>>,
}

/// Returns true for a list whose first element is an array.
pub(in crate::fetch) fn holds_arrays(list: Node<'_>) -> bool {
    list.items().next().is_some_and(|row| row.kind() == Kind::Array)
}

/// Returns true for rows that are arrays and whose columns have names.
pub(in crate::fetch) fn has_names(root: Node<'_>, rows: Node<'_>) -> bool {
    holds_arrays(rows) && find(root, rows).is_some()
}

/// Returns true for a key under which the columns of rows have their names.
pub(in crate::fetch) fn is_place_of_names(key: &str) -> bool {
    PLACES.iter().any(|place| place.len() == 1 && *place != ["meta"] && place.contains(&key))
}

/// Returns the names of the columns of `rows`: those of as many columns as the first row has values, else the first ones.
pub(super) fn find<'a>(root: Node<'a>, rows: Node<'a>) -> Option<Names<'a>> {
    let width = rows.items().next().map_or(0, |row| row.items().count());
    let holders = holders(root, rows);
    let all =
        || holders.iter().rev().take(2).flat_map(|holder| PLACES.iter().filter_map(|place| names(*holder, place)));
    all().find(|names| names.names.len() == width).or_else(|| all().next())
}

/// Returns the objects that hold `node`, the outermost first. The tape has the values in document order.
fn holders<'a>(root: Node<'a>, node: Node<'a>) -> Vec<Node<'a>> {
    let (mut holders, mut at) = (Vec::new(), root);
    while at.index() != node.index() {
        if at.kind() == Kind::Object {
            holders.push(at);
        }
        let children = at.fields().map(|(_, value)| value).chain(at.items());
        let Some(child) = children.take_while(|child| child.index() <= node.index()).last() else { break };
        at = child;
    }
    holders
}

fn names<'a>(holder: Node<'a>, place: &[&str]) -> Option<Names<'a>> {
    let list = place.iter().try_fold(holder, |node, key| node.get(key))?;
    let names: Vec<_> = list.items().map(name).collect::<Option<_>>()?;
    (!names.is_empty()).then(|| Names { place: place.join("."), names })
}

fn name(column: Node<'_>) -> Option<Node<'_>> {
    let is_name = |node: &Node<'_>| node.kind() == Kind::String && node.string().is_ok_and(|name| !name.is_empty());
    let described = || NAMES.iter().filter_map(|name| column.get(name)).find(is_name);
    Some(column).filter(is_name).or_else(described)
}

impl Names<'_> {
    /// Returns a row as the text of an object. `number`: 1 for the first row of the page.
    pub(super) fn record(&self, row: Node<'_>, number: u64, text: &mut Vec<u8>) -> Result<(), RecordsError> {
        let values = row.items().count();
        if values != self.names.len() {
            let (names, place) = (self.names.len(), self.place.clone());
            return Err(RecordsError::Width { row: number, values, names, place });
        }
        text.push(b'{');
        for (index, (name, value)) in self.names.iter().zip(row.items()).enumerate() {
            if index > 0 {
                text.push(b',');
            }
            text.extend_from_slice(name.raw());
            text.push(b':');
            text.extend_from_slice(value.raw());
        }
        text.push(b'}');
        Ok(())
    }

    /// Fails if two columns have one name: of an object's fields with one name the last would be all that is read.
    pub(super) fn check(&self) -> Result<(), RecordsError> {
        let mut seen = HashSet::new();
        let names = self.names.iter().filter_map(|name| name.string().ok());
        match names.map(Cow::into_owned).find(|name| !seen.insert(name.clone())) {
            Some(name) => Err(RecordsError::SameName { name, place: self.place.clone() }),
            None => Ok(()),
        }
    }
}
