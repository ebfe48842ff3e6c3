//! The rows of each file, so that rows superseded after their file was closed can be removed from it.

use std::cmp::Ordering;

use arrow::buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};

/// The rows of all files of a table writer, by row id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIndex {
    files: Vec<(String, PackedIds)>,
}

/// A file that holds superseded rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Number of the file, in the order in which the writer closed them.
    pub position: usize,
    /// As in [`EncodedFile`](crate::model::EncodedFile).
    pub path: String,
    /// For each of the file's rows, in file order, whether it stays.
    pub keep: BooleanBuffer,
}

impl FileIndex {
    pub(super) fn add(&mut self, path: String, ids: PackedIds) {
        self.files.push((path, ids));
    }

    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// All but the first `files`.
    pub(super) fn since(&self, files: usize) -> Self {
        Self { files: self.files.get(files..).unwrap_or_default().to_vec() }
    }

    /// Adds the files of another index, which were closed after these.
    pub fn append(&mut self, mut other: Self) {
        self.files.append(&mut other.files);
    }

    /// The files that hold any of these rows, in the order in which they were closed. `superseded` ascends.
    pub fn stale(&self, superseded: &[u64]) -> Vec<Stale> {
        let stale = |(position, (path, ids)): (usize, &(String, PackedIds))| {
            let relevant = ids.within(superseded);
            if relevant.is_empty() {
                return None;
            }
            let keep: BooleanBuffer = ids.iter().map(|id| relevant.binary_search(&id).is_err()).collect();
            (keep.count_set_bits() < keep.len()).then(|| Stale { position, path: path.clone(), keep })
        };
        self.files.iter().enumerate().filter_map(stale).collect()
    }

    /// Bytes held: one or two a row where rows lie in order of arrival.
    pub fn memory(&self) -> usize {
        self.files.iter().map(|(path, ids)| path.capacity() + ids.bytes.capacity()).sum()
    }
}

/// Row ids in file order, each as the zigzag varint of its distance to the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackedIds {
    bytes: Vec<u8>,
    last: u64,
    /// The least and the greatest id.
    range: Option<(u64, u64)>,
}

impl PackedIds {
    pub(super) fn extend(&mut self, ids: impl IntoIterator<Item = u64>) {
        for id in ids {
            let distance = id.wrapping_sub(self.last).cast_signed();
            put_varint((distance << 1 ^ distance >> 63).cast_unsigned(), &mut self.bytes);
            self.last = id;
            let (least, greatest) = self.range.unwrap_or((id, id));
            self.range = Some((least.min(id), greatest.max(id)));
        }
    }

    /// Returns the ascending ids within the range of this file.
    fn within<'a>(&self, ascending: &'a [u64]) -> &'a [u64] {
        let Some((least, greatest)) = self.range else { return &[] };
        let start = ascending.partition_point(|id| *id < least);
        let end = ascending.partition_point(|id| id.cmp(&greatest) != Ordering::Greater);
        ascending.get(start..end).unwrap_or_default()
    }

    fn iter(&self) -> impl Iterator<Item = u64> {
        let mut bytes = self.bytes.iter();
        let mut last = 0_u64;
        std::iter::from_fn(move || {
            let zigzag = take_varint(&mut bytes)?;
            let distance = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
            last = last.wrapping_add(distance.cast_unsigned());
            Some(last)
        })
    }
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn put_varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint<'a>(bytes: &mut impl Iterator<Item = &'a u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.next()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(ids: &[u64]) -> PackedIds {
        let mut packed = PackedIds::default();
        packed.extend(ids.iter().copied());
        packed
    }

    fn index(files: &[(&str, &[u64])]) -> FileIndex {
        let mut index = FileIndex::default();
        files.iter().for_each(|(path, ids)| index.add((*path).to_owned(), packed(ids)));
        index
    }

    #[test]
    fn a_file_is_stale_if_it_holds_a_superseded_row() {
        let index = index(&[("a", &[0, 1, 4]), ("b", &[2, 3, 5]), ("c", &[])]);
        assert!(index.stale(&[]).is_empty());
        let stale = index.stale(&[1, 4]);
        assert_eq!(stale, [Stale { position: 0, path: "a".into(), keep: [true, false, false].into_iter().collect() }]);
        assert_eq!(index.stale(&[3, 4]).len(), 2);
        assert!(index.stale(&[6, 7]).is_empty());
    }

    #[test]
    fn a_row_that_is_in_a_files_range_but_not_in_the_file_leaves_it_alone() {
        assert!(index(&[("a", &[10, 30])]).stale(&[20]).is_empty());
    }

    #[test]
    fn the_order_of_the_file_is_the_order_of_the_answer() {
        let stale = index(&[("sorted", &[9, 2, 7])]).stale(&[2]);
        assert_eq!(stale[0].keep, [true, false, true].into_iter().collect::<BooleanBuffer>());
    }

    #[test]
    fn rows_in_order_take_a_byte_each() {
        assert_eq!(packed(&(0..10_000).collect::<Vec<_>>()).bytes.len(), 10_000);
    }

    proptest! {
        #[test]
        fn ids_come_back_as_they_went_in(ids in prop::collection::vec(any::<u64>(), 0..50)) {
            prop_assert_eq!(packed(&ids).iter().collect::<Vec<_>>(), ids);
        }
    }
}
