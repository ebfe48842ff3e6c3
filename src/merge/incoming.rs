//! The rows of a run for a merge: keys to look up, and the verdict on rows of the table with these keys.

use crate::{
    keys::{KeyColumn, KeySet},
    model::KeyRange,
    plan::{MergePlan, MergeStrategy},
    schema::TableSchema,
};

use super::MergeError;

/// All keys of a run, shared by all who look for them.
pub struct Incoming {
    pub(super) schema: TableSchema,
    pub(super) plan: MergePlan,
    pub(super) primary: Option<PrimaryKeys>,
    pub(super) merge: Option<Indexed>,
    /// Rows written by merge key, by slot; empty unless they are counted.
    pub(super) written: Vec<u64>,
    pub(super) contents: Option<Contents>,
    /// Ids of rows that lost to a later one of their key, ascending.
    pub(super) superseded: Vec<u64>,
    pub(super) filtered: u64,
}

/// A set of keys, and the values of its columns in order.
pub(super) struct Indexed {
    pub(super) keys: KeySet,
    pub(super) columns: Vec<KeyColumn>,
}

pub(super) struct PrimaryKeys {
    pub(super) indexed: Indexed,
    /// By slot: whether the row of this key deletes.
    pub(super) deletes: Vec<bool>,
    /// Slot and id of each row that is written; empty unless the table may know some of them.
    rows: Vec<(u32, u64)>,
}

/// The contents of the rows that are written, under `scd2`.
pub(super) struct Contents {
    pub(super) keys: KeySet,
    /// By slot: whether a row of this content is written, and not superseded.
    pub(super) lives: Vec<bool>,
    rows: Vec<(u32, u64)>,
}

impl Incoming {
    /// Records that were not written because they delete; duplicates not included.
    pub fn filtered(&self) -> u64 {
        self.filtered
    }

    /// Ids of the rows that are not to stay in the run's own files, ascending: those that lost to a later one of their key,
    /// and those that the table knows. `known` are slots from [`Found`](super::Found).
    pub fn dropped(&self, known: &[u32]) -> Dropped {
        let rows = match (&self.plan.strategy, &self.primary, &self.contents) {
            (MergeStrategy::InsertOnly, Some(primary), _) => primary.rows.as_slice(),
            (MergeStrategy::Scd2(_), _, Some(contents)) => contents.rows.as_slice(),
            _ => &[],
        };
        let is_known = |slot: &u32| known.binary_search(slot).is_ok();
        let unchanged = rows.iter().filter(|(slot, _)| is_known(slot)).map(|(_, id)| *id);
        let mut ids: Vec<u64> = unchanged.collect();
        let unchanged = ids.len() as u64;
        ids.extend_from_slice(&self.superseded);
        ids.sort_unstable();
        ids.dedup();
        Dropped { ids, unchanged }
    }
}

/// Rows of the run that are not to stay in its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Ascending.
    pub ids: Vec<u64>,
    /// Number of them that the table has already.
    pub unchanged: u64,
}

impl Indexed {
    pub(super) fn new(keys: KeySet) -> Result<Self, MergeError> {
        Ok(Self { columns: keys.values()?, keys })
    }

    /// Returns true if rows with key columns in these ranges may have one of the keys. A column without a range may hold any value.
    pub(super) fn may_meet(&self, ranges: &[KeyRange]) -> bool {
        let meets = |column: &KeyColumn| {
            ranges.iter().find(|range| range.column == column.name).is_none_or(|range| column.may_meet(range))
        };
        !self.keys.is_empty() && self.columns.iter().all(meets)
    }
}

impl PrimaryKeys {
    /// `winners` are the ids of the rows by slot, `deleting` those of the ones that delete, ascending.
    pub(super) fn new(
        keys: KeySet,
        winners: Vec<u64>,
        deleting: &[u64],
        strategy: &MergeStrategy,
    ) -> Result<Self, MergeError> {
        let deletes: Vec<bool> = winners.iter().map(|id| deleting.binary_search(id).is_ok()).collect();
        let written = (0_u32..).zip(winners).zip(&deletes).filter_map(|(row, deletes)| (!deletes).then_some(row));
        let rows = if *strategy == MergeStrategy::InsertOnly { written.collect() } else { Vec::new() };
        Ok(Self { indexed: Indexed::new(keys)?, deletes, rows })
    }

    pub(super) fn deletes(&self, slot: u32) -> bool {
        self.deletes.get(slot as usize).copied().unwrap_or(false)
    }
}

impl Contents {
    pub(super) fn new(keys: KeySet, rows: Vec<(u32, u64)>) -> Self {
        let mut lives = vec![false; keys.len()];
        for (slot, _) in &rows {
            lives.get_mut(*slot as usize).into_iter().for_each(|lives| *lives = true);
        }
        Self { keys, lives, rows }
    }

    pub(super) fn lives(&self, slot: u32) -> bool {
        self.lives.get(slot as usize).copied().unwrap_or(false)
    }
}
