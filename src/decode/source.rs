//! From a record to its columns' values: all source paths in one trie, so that a record's fields are walked once.

use crate::{
    json::{Key, Kind, Node},
    schema::{Column, Source},
};

use super::keys::Keys;

/// The value of a record at a column's source.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot<'a> {
    Missing,
    Found(Node<'a>),
    /// A value on the path is not an object; the number of keys that lead to it.
    Blocked(Node<'a>, usize),
}

/// The sources of all columns.
pub(super) struct Sources<'a> {
    root: Level<'a>,
    /// Columns that take the whole record.
    whole: Vec<usize>,
}

/// The keys of one object that paths go through or end at.
#[derive(Default)]
struct Level<'a> {
    names: Vec<&'a str>,
    targets: Vec<Target<'a>>,
    keys: Option<Keys<'a>>,
}

/// The use of one key's value.
#[derive(Default)]
struct Target<'a> {
    columns: Vec<usize>,
    below: Option<Box<Level<'a>>>,
}

impl<'a> Sources<'a> {
    pub fn new(columns: &'a [Column]) -> Self {
        let mut sources = Self { root: Level::default(), whole: Vec::new() };
        for (index, column) in columns.iter().enumerate() {
            match &column.source {
                Source::Path(keys) if !keys.is_empty() => sources.root.insert(keys, index),
                Source::Evolved(key) | Source::Unseen(key) => sources.root.insert(std::slice::from_ref(key), index),
                Source::Path(_) | Source::Record => sources.whole.push(index),
                // Null until the run fills it in.
                Source::Load(_) => {}
            }
        }
        sources
    }

    /// Fills the slots of all columns from `record`, an object. `undeclared` gets the fields that no path begins with.
    pub fn fill(&mut self, record: Node<'a>, slots: &mut [Slot<'a>], undeclared: impl FnMut(Key<'a>, Node<'a>)) {
        slots.fill(Slot::Missing);
        set(slots, &self.whole, Slot::Found(record));
        self.root.fill(record, slots, 0, undeclared);
    }
}

impl<'a> Level<'a> {
    fn insert(&mut self, path: &'a [String], column: usize) {
        let Some((key, rest)) = path.split_first() else { return };
        let place = self.names.iter().position(|name| name == key).unwrap_or_else(|| {
            self.names.push(key);
            self.targets.push(Target::default());
            self.targets.len() - 1
        });
        let Some(target) = self.targets.get_mut(place) else { return };
        if rest.is_empty() {
            target.columns.push(column);
        } else {
            target.below.get_or_insert_default().insert(rest, column);
        }
    }

    fn fill(
        &mut self,
        object: Node<'a>,
        slots: &mut [Slot<'a>],
        depth: usize,
        undeclared: impl FnMut(Key<'a>, Node<'a>),
    ) {
        let names = &self.names;
        let keys = self.keys.get_or_insert_with(|| Keys::new(names.iter().copied()));
        keys.search(object, undeclared);
        for (target, found) in self.targets.iter_mut().zip(keys.found()) {
            if let Some(value) = *found {
                target.fill(value, slots, depth + 1);
            }
        }
    }

    /// The columns of all paths below.
    fn columns(&self) -> Vec<usize> {
        let below = |target: &Target<'a>| target.below.as_ref().map(|level| level.columns()).unwrap_or_default();
        self.targets.iter().flat_map(|target| target.columns.iter().copied().chain(below(target))).collect()
    }
}

impl<'a> Target<'a> {
    #[inline]
    fn fill(&mut self, value: Node<'a>, slots: &mut [Slot<'a>], depth: usize) {
        set(slots, &self.columns, Slot::Found(value));
        let Some(level) = &mut self.below else { return };
        match value.kind() {
            // A field below a null is as missing as one below nothing.
            Kind::Null => {}
            Kind::Object => level.fill(value, slots, depth, |_, _| {}),
            _ => set(slots, &level.columns(), Slot::Blocked(value, depth)),
        }
    }
}

#[inline]
fn set<'a>(slots: &mut [Slot<'a>], columns: &[usize], value: Slot<'a>) {
    for &column in columns {
        if let Some(slot) = slots.get_mut(column) {
            *slot = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json::Document, schema::ColumnType};

    fn column(path: &str) -> Column {
        let source = match path {
            "$" => Source::Record,
            path => Source::Path(path.split('.').map(str::to_owned).collect()),
        };
        Column { name: path.to_owned(), source, data_type: ColumnType::Json, nullable: true, format: None }
    }

    /// The slots of `paths` in each element of the array `text`, as text, and the names of undeclared fields.
    fn fill(paths: &[&str], text: &str) -> Vec<(Vec<String>, Vec<String>)> {
        let columns: Vec<_> = paths.iter().map(|path| column(path)).collect();
        let document = Document::parse(text.into()).unwrap();
        let mut sources = Sources::new(&columns);
        let mut slots = vec![Slot::Missing; columns.len()];
        let raw = |node: Node<'_>| String::from_utf8_lossy(node.raw()).into_owned();
        let show = |slot: &Slot<'_>| match slot {
            Slot::Missing => "-".to_owned(),
            Slot::Found(node) => raw(*node),
            Slot::Blocked(node, depth) => format!("{}@{depth}", raw(*node)),
        };
        let mut fill = |record| {
            let mut undeclared = Vec::new();
            sources.fill(record, &mut slots, |key, _| undeclared.push(key.text().unwrap().into_owned()));
            (slots.iter().map(show).collect(), undeclared)
        };
        document.root().items().map(&mut fill).collect()
    }

    #[test]
    fn one_field_feeds_every_column_whose_path_ends_there_or_goes_through() {
        let filled = fill(&["o", "o.e", "o", "o.x.y", "$"], r#"[{"o":{"e":1,"x":{"y":2}}}]"#);
        let object = r#"{"e":1,"x":{"y":2}}"#;
        assert_eq!(filled[0].0, [object, "1", object, "2", r#"{"o":{"e":1,"x":{"y":2}}}"#]);
    }

    #[test]
    fn a_path_through_null_or_nothing_is_missing_and_through_anything_else_blocked() {
        let filled = fill(&["a.b.c"], r#"[{"a":{"b":{"c":1}}},{},{"a":null},{"a":{"b":[]}},{"a":"x"},{"a":{}}]"#);
        let slots: Vec<_> = filled.iter().map(|(slots, _)| slots[0].as_str()).collect();
        assert_eq!(slots, ["1", "-", "-", "[]@2", "\"x\"@1", "-"]);
    }

    #[test]
    fn of_duplicate_keys_the_last_counts_for_the_paths_below_too() {
        assert_eq!(fill(&["o.e"], r#"[{"o":{"e":1},"o":{}}]"#)[0].0, ["-"]);
        assert_eq!(fill(&["o.e"], r#"[{"o":3,"o":{"e":1}}]"#)[0].0, ["1"]);
    }

    #[test]
    fn a_field_is_undeclared_if_no_path_begins_with_it_whatever_takes_the_whole_record() {
        let filled = fill(&["a.b", "$"], r#"[{"a":{"z":1},"b":2,"c":3}]"#);
        assert_eq!(filled[0].1, ["b", "c"]);
    }
}
