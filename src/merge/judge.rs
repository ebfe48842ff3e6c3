//! The rules: what becomes of a row of the table, given what the run brought.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, BooleanBufferBuilder},
    compute::cast,
    datatypes::{DataType, Int64Type},
    record_batch::RecordBatch,
};

use super::{
    Brought, Incoming, MergeError,
    content::{ContentHasher, content_columns},
    incoming::Indexed,
};
use crate::{
    keys::{KeyError, KeySet},
    model::{KeyRange, KeyValue},
    plan::{MergeStrategy, Scd2Plan},
    write::{Change, Patch},
};

/// Judges rows of the table. Shared by all files.
pub(super) struct Judge {
    pub(super) incoming: Arc<Incoming>,
    brought: Brought,
    /// Indexes of the table's columns that rows are judged by, ascending.
    pub(super) columns: Vec<usize>,
    /// Columns whose ranges exclude files and row groups.
    pub(super) ranged: Vec<usize>,
    hasher: Option<ContentHasher>,
}

/// The decision on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    /// It stays, and the run's row of this slot is not needed.
    Known(u32),
    /// It goes, as the run brought its successor.
    Replaced,
    /// It goes, and nothing comes in its place.
    Deleted,
    /// It goes with all rows of its merge key, of this slot; what comes in its place is known by number alone.
    Removed(u32),
    /// Its version ends.
    Retired,
}

/// The decisions on the rows of one file.
pub(super) struct Findings {
    keep: BooleanBufferBuilder,
    retire: BooleanBufferBuilder,
    pub(super) gone: u64,
    retired: u64,
    pub(super) deleted: u64,
    pub(super) known: Vec<u32>,
    /// Rows that went by their merge key, by its slot.
    pub(super) removed: HashMap<u32, u64>,
}

impl Judge {
    pub(super) fn new(incoming: Arc<Incoming>, brought: Brought) -> Result<Self, MergeError> {
        let schema = &incoming.schema;
        let mut columns: Vec<usize> = [incoming.primary.as_ref().map(|p| &p.indexed), incoming.merge.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|indexed| indexed.keys.columns().iter().copied())
            .collect();
        let mut hasher = None;
        let mut ranged = columns.clone();
        if let MergeStrategy::Scd2(plan) = &incoming.plan.strategy {
            let contents = content_columns(schema);
            hasher = Some(ContentHasher::new(schema, &contents)?);
            ranged.push(plan.valid_to);
            columns.extend(contents.into_iter().chain([plan.valid_to]));
        }
        for columns in [&mut columns, &mut ranged] {
            columns.sort_unstable();
            columns.dedup();
        }
        Ok(Self { incoming, brought, columns, ranged, hasher })
    }

    /// Returns true if rows that the run did not bring are deleted.
    fn deletes_missing(&self) -> bool {
        self.incoming.plan.delete_missing && self.brought == Brought::Everything
    }

    fn scd2(&self) -> Option<&Scd2Plan> {
        match &self.incoming.plan.strategy {
            MergeStrategy::Scd2(plan) => Some(plan),
            _ => None,
        }
    }

    /// Returns true if a row with columns in these ranges may need a decision. A column without a range may hold any value.
    pub(super) fn may_concern(&self, ranges: &[KeyRange]) -> bool {
        match self.scd2() {
            Some(plan) => self.may_be_active(plan, ranges) && self.scope().is_none_or(|keys| keys.may_meet(ranges)),
            None if self.deletes_missing() => true,
            None => self.sets().any(|set| set.may_meet(ranges)),
        }
    }

    /// The sets of which a row has to have a key to be concerned.
    fn sets(&self) -> impl Iterator<Item = &Indexed> {
        let merge = self.incoming.merge.as_ref();
        let merge = merge.filter(|_| self.incoming.plan.strategy == MergeStrategy::DeleteInsert);
        self.incoming.primary.iter().map(|primary| &primary.indexed).chain(merge)
    }

    /// For Bloom filters: the sets without one of whose keys a row group is not concerned; `None` if there are none such.
    pub(super) fn decisive(&self) -> Option<Vec<&Indexed>> {
        match self.scd2() {
            Some(_) => self.scope().map(|keys| vec![keys]),
            None if self.deletes_missing() => None,
            None => Some(self.sets().collect()),
        }
    }

    /// Under `scd2`, the keys of which a row has to have one to be retired; `None`: any row may be.
    fn scope(&self) -> Option<&Indexed> {
        let incoming = &self.incoming;
        match (&incoming.merge, &incoming.primary) {
            (Some(merge), _) if !self.deletes_missing() => Some(merge),
            // Of a run that lacks rows, only what it did bring is known to have changed.
            (None, Some(primary)) if self.brought != Brought::Everything => Some(&primary.indexed),
            _ => None,
        }
    }

    fn may_be_active(&self, plan: &Scd2Plan, ranges: &[KeyRange]) -> bool {
        let name = self.incoming.schema.columns.get(plan.valid_to).map(|column| &column.name);
        let Some(range) = ranges.iter().find(|range| Some(&range.column) == name) else { return true };
        match (plan.active, &range.values) {
            (None, _) => range.has_null,
            (Some(active), Some((low, high))) => range.has_null || (low..=high).contains(&&KeyValue::Integer(active)),
            (Some(_), None) => range.has_null,
        }
    }

    /// Judges rows that have [`columns`](Self::columns), in that order.
    pub(super) fn judge(&self, rows: &RecordBatch, findings: &mut Findings) -> Result<(), MergeError> {
        let primary = self.look_up(self.incoming.primary.as_ref().map(|primary| &primary.indexed.keys), rows)?;
        let merge = self.look_up(self.incoming.merge.as_ref().map(|merge| &merge.keys), rows)?;
        let slot = |slots: &[Option<u32>], row: usize| slots.get(row).copied().flatten();
        let Some(plan) = self.scd2() else {
            (0..rows.num_rows()).for_each(|row| findings.add(self.verdict(slot(&primary, row), slot(&merge, row))));
            return Ok(());
        };
        let active = self.active(plan, rows)?;
        let contents = self.contents(rows)?;
        for row in 0..rows.num_rows() {
            let is_active = active.get(row).copied().unwrap_or(false);
            let verdict = if is_active {
                self.version_verdict(slot(&contents, row), slot(&primary, row), slot(&merge, row))
            } else {
                Verdict::Keep
            };
            findings.add(verdict);
        }
        Ok(())
    }

    fn verdict(&self, primary: Option<u32>, merge: Option<u32>) -> Verdict {
        let incoming = &self.incoming;
        let deletes = |slot| incoming.primary.as_ref().is_some_and(|primary| primary.deletes(slot));
        match (&incoming.plan.strategy, primary, merge) {
            (MergeStrategy::InsertOnly, Some(slot), _) => Verdict::Known(slot),
            (_, Some(slot), _) if deletes(slot) => Verdict::Deleted,
            (_, Some(_), _) => Verdict::Replaced,
            // Its key may have been among what did not come.
            (MergeStrategy::DeleteInsert, None, Some(_)) if incoming.primary.is_some() => match self.brought {
                Brought::Part => Verdict::Keep,
                Brought::Everything | Brought::Selection => Verdict::Deleted,
            },
            (MergeStrategy::DeleteInsert, None, Some(slot)) => Verdict::Removed(slot),
            (_, None, _) if self.deletes_missing() => Verdict::Deleted,
            (_, None, _) => Verdict::Keep,
        }
    }

    /// Returns the verdict on an active version.
    fn version_verdict(&self, content: Option<u32>, primary: Option<u32>, merge: Option<u32>) -> Verdict {
        let incoming = &self.incoming;
        let lives = |slot: &u32| incoming.contents.as_ref().is_some_and(|contents| contents.lives(*slot));
        if let Some(slot) = content.filter(lives) {
            return Verdict::Known(slot);
        }
        let in_scope = match &incoming.merge {
            Some(_) if self.brought == Brought::Part => merge.is_some() && primary.is_some(),
            Some(_) if !self.deletes_missing() => merge.is_some(),
            // A version that the run is silent about has ended, if the run is not silent about anything else.
            _ if self.brought == Brought::Everything => true,
            _ => primary.is_some(),
        };
        if in_scope { Verdict::Retired } else { Verdict::Keep }
    }

    /// The slot of each row's key; empty if there is no such key.
    fn look_up(&self, keys: Option<&KeySet>, rows: &RecordBatch) -> Result<Vec<Option<u32>>, MergeError> {
        let Some(keys) = keys else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        keys.find(rows, &self.positions(keys.columns())?, &mut found)?;
        Ok(found)
    }

    /// Returns the positions of these columns of the table in a batch.
    fn positions(&self, columns: &[usize]) -> Result<Vec<usize>, KeyError> {
        let position =
            |index: &usize| self.columns.binary_search(index).map_err(|_| KeyError::NoColumn { index: *index });
        columns.iter().map(position).collect()
    }

    fn column<'a>(&self, rows: &'a RecordBatch, index: usize) -> Result<&'a ArrayRef, KeyError> {
        let position = self.columns.binary_search(&index).ok();
        position.and_then(|position| rows.columns().get(position)).ok_or(KeyError::NoColumn { index })
    }

    fn active(&self, plan: &Scd2Plan, rows: &RecordBatch) -> Result<Vec<bool>, MergeError> {
        let until = cast(self.column(rows, plan.valid_to)?, &DataType::Int64)?;
        // Null where the table became one of versions after the row was written.
        Ok(until.as_primitive::<Int64Type>().iter().map(|until| until.is_none() || until == plan.active).collect())
    }

    fn contents(&self, rows: &RecordBatch) -> Result<Vec<Option<u32>>, MergeError> {
        let (Some(hasher), Some(contents)) = (&self.hasher, &self.incoming.contents) else { return Ok(Vec::new()) };
        let columns = self.positions(&content_columns(&self.incoming.schema))?;
        let digests = hasher.digests(rows.project(&columns)?.columns())?;
        let mut found = Vec::new();
        contents.keys.find(&digests, &[0], &mut found)?;
        Ok(found)
    }

    /// The change of a file, `None` if there is none.
    pub(super) fn change(&self, findings: &mut Findings) -> Option<Change> {
        if findings.gone == 0 && findings.retired == 0 {
            return None;
        }
        let (keep, rows) = (findings.keep.finish(), findings.retire.finish());
        let patch = self.scd2().filter(|_| findings.retired > 0).map(|plan| Patch {
            column: plan.valid_to,
            rows,
            micros: plan.boundary.unwrap_or_default(),
        });
        Some(Change { keep, patch })
    }
}

impl Findings {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            keep: BooleanBufferBuilder::new(rows),
            retire: BooleanBufferBuilder::new(rows),
            gone: 0,
            retired: 0,
            deleted: 0,
            known: Vec::new(),
            removed: HashMap::new(),
        }
    }

    /// Rows that nothing concerns.
    pub(super) fn skip(&mut self, rows: usize) {
        self.keep.append_n(rows, true);
        self.retire.append_n(rows, false);
    }

    fn add(&mut self, verdict: Verdict) {
        let stays = matches!(verdict, Verdict::Keep | Verdict::Known(_) | Verdict::Retired);
        self.keep.append(stays);
        self.retire.append(verdict == Verdict::Retired);
        self.gone += u64::from(!stays);
        match verdict {
            Verdict::Keep | Verdict::Replaced => {}
            Verdict::Known(slot) => self.known.push(slot),
            Verdict::Deleted => self.deleted += 1,
            Verdict::Removed(slot) => *self.removed.entry(slot).or_default() += 1,
            Verdict::Retired => self.retired += 1,
        }
    }
}
