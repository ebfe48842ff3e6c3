//! Checks that keys are unique: hashes of all keys find candidates, the keys themselves decide.
//!
//! A key takes 16 bytes of memory. Where that is more than there is, the keys are looked at in several passes, each at those
//! whose hash leaves the same remainder.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::BuildHasher,
};

use arrow::{
    array::ArrayRef,
    compute::{filter_record_batch, kernels::cmp::distinct},
    record_batch::RecordBatch,
    row::{RowConverter, SortField},
    util::display::{ArrayFormatter, FormatOptions},
};
use bytes::Bytes;
use hashbrown::DefaultHashBuilder;

use super::content::{ReadError, for_each_batch};
use crate::{
    keys::normal,
    model::{DataFile, Version},
    plan::{PartitionField, Transform},
    schema::{ColumnType, TableSchema},
    write::FileShape,
};

/// Bytes that an entry takes.
const ENTRY: u64 = size_of::<Entry>() as u64;

/// Keys that are named one by one; of a table that is wrong throughout, the rest is counted.
pub(super) const MAX_NAMED: usize = 1000;

/// A key's hash and the number of its file.
pub(super) type Entry = (u64, u32);

/// Rows among which a key may be only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All rows of the table.
    Table,
    /// The rows that each of these versions added.
    Versions(BTreeSet<Version>),
}

/// The columns of a key, and the scope of its uniqueness.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Columns of the key that are in the files.
    columns: Vec<String>,
    /// Their types.
    types: Vec<ColumnType>,
    /// Columns that exist in directory names only.
    told: Vec<String>,
    scope: Scope,
    hasher: DefaultHashBuilder,
    passes: u64,
    /// Rows of which these two columns are equal have no key.
    except: Option<(String, String)>,
}

/// One key that is there more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    /// `id=5`
    pub(super) key: String,
    /// Numbers of the files it is in, one for each time.
    pub(super) files: Vec<u32>,
}

impl Keys {
    /// `None` if there is no such column in the schema: then there is nothing to compare.
    pub(super) fn new(
        names: &[String],
        schema: &TableSchema,
        partition_by: &[PartitionField],
        scope: Scope,
    ) -> Option<Self> {
        let is_told = |name: &String| {
            let index = schema.index_of(name);
            partition_by.iter().any(|field| Some(field.column) == index && field.transform == Transform::Identity)
        };
        if names.is_empty() || names.iter().any(|name| schema.index_of(name).is_none()) {
            return None;
        }
        let (told, columns): (Vec<_>, Vec<String>) = names.iter().cloned().partition(is_told);
        let column = |name: &String| schema.index_of(name).and_then(|index| schema.columns.get(index));
        let types = columns.iter().filter_map(column).map(|column| column.data_type.clone()).collect();
        Some(Self { columns, types, told, scope, hasher: DefaultHashBuilder::default(), passes: 1, except: None })
    }

    /// As many passes as it takes to keep the entries of so many rows within this memory.
    pub(super) fn within(self, rows: u64, memory: u64) -> Self {
        let bytes = rows.saturating_mul(ENTRY);
        Self { passes: bytes.div_ceil(memory.max(ENTRY)).max(1), ..self }
    }

    /// The rows of which these two columns are equal are left out.
    pub(super) fn without(self, except: Option<(String, String)>) -> Self {
        Self { except, ..self }
    }

    pub(super) fn passes(&self) -> u64 {
        self.passes
    }

    /// The hashes of a file's keys that belong to a pass.
    pub(super) fn hashes(
        &self,
        pass: u64,
        content: &Bytes,
        file: &DataFile,
        shape: &FileShape,
    ) -> Result<Vec<u64>, ReadError> {
        let mut hashes = Vec::new();
        self.for_each(content, file, shape, |hash, _, _, _| {
            if hash % self.passes == pass {
                hashes.push(hash);
            }
        })?;
        Ok(hashes)
    }

    /// The rows of a file whose key has one of these hashes: the key's bytes, and its text.
    pub(super) fn matching(
        &self,
        wanted: &HashSet<u64>,
        content: &Bytes,
        file: &DataFile,
        shape: &FileShape,
    ) -> Result<Vec<(Vec<u8>, String)>, ReadError> {
        let mut matching = Vec::new();
        self.for_each(content, file, shape, |hash, key, rows, row| {
            if wanted.contains(&hash) {
                matching.push((self.identity(file, key), self.text(file, rows, row)));
            }
        })?;
        Ok(matching)
    }

    /// Calls `visit` with each key of a file: hash, bytes, and position.
    fn for_each(
        &self,
        content: &Bytes,
        file: &DataFile,
        shape: &FileShape,
        mut visit: impl FnMut(u64, &[u8], &RecordBatch, usize),
    ) -> Result<(), ReadError> {
        if self.group(file).is_none() || file.rows == 0 {
            return Ok(());
        }
        let names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let fields = names.iter().filter_map(|name| shape.arrow(false).field_with_name(name).ok());
        let types = fields.map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(types.collect())?;
        let beside = self.except.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]);
        let wanted: Vec<&str> = names.iter().copied().chain(beside).collect();
        for_each_batch(content, shape, &wanted, |rows| {
            let rows = &self.filtered(rows)?;
            let columns: Vec<ArrayRef> = names.iter().filter_map(|name| rows.column_by_name(name).cloned()).collect();
            if columns.is_empty() {
                // The whole key is told by the directory: each row has the same.
                (0..rows.num_rows()).for_each(|row| visit(self.hash(file, &[]), &[], rows, row));
                return Ok(());
            }
            let columns = columns.iter().zip(&self.types).map(|(values, data_type)| normal(values, data_type));
            let keys = converter.convert_columns(&columns.collect::<Result<Vec<_>, _>>()?)?;
            keys.iter().enumerate().for_each(|(row, key)| visit(self.hash(file, key.data()), key.data(), rows, row));
            Ok(())
        })
    }

    /// Returns the rows with a key. Columns that exist in directory names only are not checked.
    fn filtered(&self, rows: &RecordBatch) -> Result<RecordBatch, ReadError> {
        let column = |name: &String| rows.column_by_name(name);
        let pair = self.except.as_ref().and_then(|(from, to)| column(from).zip(column(to)));
        let Some((from, to)) = pair else { return Ok(rows.clone()) };
        Ok(filter_record_batch(rows, &distinct(from, to)?)?)
    }

    /// Keys of different groups are never the same; `None` for a file whose keys nobody promises to be different.
    fn group(&self, file: &DataFile) -> Option<Version> {
        match &self.scope {
            Scope::Table => Some(0),
            Scope::Versions(versions) => {
                super::super::version_in_log(&file.path).filter(|version| versions.contains(version))
            }
        }
    }

    fn told_values<'a>(&'a self, file: &'a DataFile) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let value =
            |key: &str| file.partition.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_deref());
        self.told.iter().map(move |key| (key.as_str(), value(key)))
    }

    fn hash(&self, file: &DataFile, key: &[u8]) -> u64 {
        let told: Vec<_> = self.told_values(file).collect();
        self.hasher.hash_one((self.group(file), told, key))
    }

    /// Returns bytes that identify a key.
    fn identity(&self, file: &DataFile, key: &[u8]) -> Vec<u8> {
        let told: Vec<_> = self.told_values(file).collect();
        let mut identity = format!("{:?}{told:?}", self.group(file)).into_bytes();
        identity.extend_from_slice(key);
        identity
    }

    fn text(&self, file: &DataFile, rows: &RecordBatch, row: usize) -> String {
        let options = FormatOptions::new().with_null("null");
        let value = |name: &str| {
            let formatter = ArrayFormatter::try_new(rows.column_by_name(name)?, &options).ok()?;
            Some(format!("{name}={}", formatter.value(row)))
        };
        let told = self.told_values(file).map(|(name, value)| format!("{name}={}", value.unwrap_or("null")));
        told.chain(self.columns.iter().filter_map(|name| value(name))).collect::<Vec<_>>().join(", ")
    }
}

/// The hashes that occur more than once, at most [`MAX_NAMED`] of them; the files they are in; and how many more there are.
pub(super) fn candidates(mut entries: Vec<Entry>) -> (HashSet<u64>, BTreeSet<u32>, usize) {
    entries.sort_unstable();
    let (mut hashes, mut files, mut more) = (HashSet::new(), BTreeSet::new(), 0);
    for equal in entries.chunk_by(|(a, _), (b, _)| a == b).filter(|equal| equal.len() > 1) {
        if hashes.len() == MAX_NAMED {
            more += 1;
            continue;
        }
        hashes.extend(equal.first().map(|(hash, _)| *hash));
        files.extend(equal.iter().map(|(_, file)| *file));
    }
    (hashes, files, more)
}

/// Keys found in files, by what makes them equal.
#[derive(Debug, Default)]
pub(super) struct Confirmed(BTreeMap<Vec<u8>, Duplicate>);

impl Confirmed {
    pub(super) fn add(&mut self, file: u32, keys: Vec<(Vec<u8>, String)>) {
        for (identity, key) in keys {
            self.0.entry(identity).or_insert_with(|| Duplicate { key, files: Vec::new() }).files.push(file);
        }
    }

    /// Returns the keys that occur more than once. Two different keys may share a hash.
    pub(super) fn duplicates(self) -> impl Iterator<Item = Duplicate> {
        self.0.into_values().filter(|duplicate| duplicate.files.len() > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, ColumnType, Source};

    fn schema() -> TableSchema {
        let column = |name: &str, data_type| Column {
            name: name.into(),
            source: Source::Path(vec![name.into()]),
            data_type,
            nullable: true,
            format: None,
        };
        TableSchema { columns: vec![column("id", ColumnType::Int64), column("kind", ColumnType::String)] }
    }

    fn by_kind() -> Vec<PartitionField> {
        vec![PartitionField { column: 1, transform: Transform::Identity, key: "kind".into() }]
    }

    fn keys(names: &[&str], scope: Scope) -> Keys {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Keys::new(&names, &schema(), &by_kind(), scope).unwrap()
    }

    fn file(path: &str, kind: &str) -> DataFile {
        let partition = vec![("kind".to_owned(), Some(kind.to_owned()))];
        DataFile { path: path.into(), rows: 1, bytes: 1, sha256: String::new(), partition, keys: Vec::new() }
    }

    const FIRST: &str = "part-0000000001-00000-00000.parquet";
    const SECOND: &str = "part-0000000002-00000-00000.parquet";

    #[test]
    fn hashes_that_occur_twice_are_candidates_with_the_files_they_are_in() {
        let (hashes, files, more) = candidates(vec![(7, 0), (8, 1), (7, 2), (9, 3), (9, 3)]);
        assert_eq!((hashes, files, more), ([7, 9].into(), [0, 2, 3].into(), 0));
    }

    #[test]
    fn of_a_table_that_is_wrong_throughout_a_thousand_keys_are_named_and_the_rest_counted() {
        let entries = (0..1500).flat_map(|hash| [(hash, 0), (hash, 1)]).collect();
        let (hashes, _, more) = candidates(entries);
        assert_eq!((hashes.len(), more), (MAX_NAMED, 500));
    }

    #[test]
    fn two_keys_of_one_hash_are_no_duplicate() {
        let mut confirmed = Confirmed::default();
        confirmed.add(0, vec![(vec![1], "id=1".into())]);
        confirmed.add(1, vec![(vec![2], "id=2".into()), (vec![1], "id=1".into())]);
        let duplicates: Vec<_> = confirmed.duplicates().collect();
        assert_eq!(duplicates, [Duplicate { key: "id=1".into(), files: vec![0, 1] }]);
    }

    #[test]
    fn what_a_directory_tells_is_part_of_the_key() {
        let keys = keys(&["id", "kind"], Scope::Table);
        assert_ne!(keys.hash(&file(FIRST, "a"), b"1"), keys.hash(&file(FIRST, "b"), b"1"));
        assert_eq!(keys.hash(&file(FIRST, "a"), b"1"), keys.hash(&file(SECOND, "a"), b"1"));
        assert_ne!(keys.identity(&file(FIRST, "a"), b"1"), keys.identity(&file(FIRST, "b"), b"1"));
    }

    #[test]
    fn keys_of_different_runs_are_different_where_each_looked_at_its_own() {
        let keys = keys(&["id"], Scope::Versions([1, 2].into()));
        assert_ne!(keys.hash(&file(FIRST, "a"), b"1"), keys.hash(&file(SECOND, "a"), b"1"));
        assert_eq!(keys.group(&file("part-0000000003-00000-00000.parquet", "a")), None);
    }

    #[test]
    fn the_passes_keep_the_keys_within_the_memory() {
        let passes = |rows, memory| keys(&["id"], Scope::Table).within(rows, memory).passes();
        assert_eq!((passes(0, 1000), passes(10, 160), passes(11, 160), passes(100, 0)), (1, 1, 2, 100));
    }

    #[test]
    fn a_key_of_columns_that_the_table_has_not_is_none() {
        assert!(Keys::new(&["nope".into()], &schema(), &[], Scope::Table).is_none());
        assert!(Keys::new(&[], &schema(), &[], Scope::Table).is_none());
    }
}
