//! One row per primary key: which rows of a batch stay, and which rows of earlier batches have to go.
//!
//! ```text
//! batches in page order ──► Dedup ──► the rows that stay (numbered) ──► write
//!                             └─────► ids of rows that were handed on before something superseded them
//! ```
//!
//! Lists come in the order of their numbers, and the last row of a key wins. A list that is read again after later ones keeps its
//! place in that order: its rows replace those of earlier lists only.
//!
//! Rows are numbered from 0 in order of arrival, dropped ones included, so that an id means the same to every stage.
//! Invariant: of the rows of one key, all but the winner are either left out of the batch that brought them or told by
//! [`Dedup::finish`]. Only the key set grows with the rows: a hash finds the candidate, the whole key decides.

mod lists;
mod ranks;
mod segment;
#[cfg(test)]
mod tests;

use arrow::{array::BooleanArray, compute::filter_record_batch, datatypes::SchemaRef, record_batch::RecordBatch};

use serde::{Deserialize, Serialize};

pub use self::segment::Segment;
use self::{lists::ListStarts, ranks::Ranks, segment::Saved};
use crate::{
    keys::{KeyError, KeySet},
    model::Sequence,
    plan::DedupSort,
    schema::TableSchema,
};

/// What stays of one batch.
#[derive(Clone, Debug)]
pub struct Deduped {
    /// In order of arrival.
    pub rows: RecordBatch,
    /// The ids of `rows`, ascending.
    pub ids: Vec<u64>,
}

/// What is known when all rows are in.
pub struct Deduplicated {
    /// Ids of rows that were handed on and lost to a later row of their key: ascending, without repeats.
    pub superseded: Vec<u64>,
    /// All keys.
    pub keys: KeySet,
    /// The id of the row that stays, by the slot of its key.
    pub winners: Vec<u64>,
}

/// Where the rows of a batch come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    pub page: u64,
    pub sequence: Sequence,
    /// Rows at the batch's beginning that are expected to have come before.
    pub repeats: usize,
}

/// Keys that came twice in one page sequence, though nothing was asked for twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// Rows whose key had come before in the last sequence, on whatever page.
    pub rows: u64,
    /// Of those on another page: how many in all sequences, and the earliest page that a key was on before.
    pub first: Option<(u64, u64)>,
}

/// The page sequence at hand, and what its keys show.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct SequenceState {
    current: Sequence,
    /// The id of its first row.
    start: u64,
    repeats: usize,
    /// The first id of each page's rows, and the page.
    pages: Vec<(u64, u64)>,
    rows: u64,
    first: Option<(u64, u64)>,
}

impl SequenceState {
    fn begin(&mut self, origin: Origin, next_id: u64) {
        if origin.sequence != self.current || self.pages.is_empty() {
            // A further pass over the same list counts anew; another list does not take back what was seen, nor does a run that
            // resumes.
            let is_same_list = origin.sequence.list == self.current.list && !self.pages.is_empty();
            let first = self.first.filter(|_| !is_same_list);
            *self = Self { current: origin.sequence, start: next_id, first, ..Self::default() };
        }
        self.repeats = origin.repeats;
        self.pages.push((next_id, origin.page));
    }

    /// A row of this batch, which begins with the id `batch`, has the key of an earlier one.
    fn repeated(&mut self, earlier: u64, batch: u64) {
        if earlier < self.start {
            return;
        }
        self.rows += 1;
        if earlier >= batch {
            // One answer holds both: nothing moved between two requests.
            return;
        }
        let before = self.pages.partition_point(|(first, _)| *first <= earlier);
        let page = before.checked_sub(1).and_then(|index| self.pages.get(index)).map_or(0, |(_, page)| *page);
        self.first = Some(self.first.map_or((1, page), |(rows, known)| (rows + 1, known.min(page))));
    }

    fn again(&self) -> Again {
        Again { rows: self.rows, first: self.first }
    }
}

/// Finds the one row of each key that stays. See the module.
pub struct Dedup {
    keys: KeySet,
    /// The id of the row that stays, by key slot.
    winners: Vec<u64>,
    /// How good the winner is, by key slot; `None` if the last row wins whatever it holds.
    ranks: Option<Ranks>,
    next_id: u64,
    duplicates: u64,
    superseded: Vec<u64>,
    sequence: SequenceState,
    lists: ListStarts,
    saved: Saved,
    /// Key slots of the batch at hand; kept for its allocation.
    slots: Vec<u32>,
}

impl Dedup {
    /// For batches of `schema`; `key` and `sort` are indexes of its columns. A null is a value like any other: rows whose
    /// keys are null in the same columns and equal in the others are duplicates.
    ///
    /// # Errors
    /// [`KeyError::Type`] if a column holds values that have no order or no equality, such as maps.
    pub fn new(schema: &SchemaRef, key: &[usize], sort: Option<DedupSort>) -> Result<Self, KeyError> {
        Ok(Self {
            keys: KeySet::new(schema, key)?,
            winners: Vec::new(),
            ranks: sort.map(|sort| Ranks::new(schema, sort)).transpose()?,
            next_id: 0,
            duplicates: 0,
            superseded: Vec::new(),
            sequence: SequenceState::default(),
            lists: ListStarts::default(),
            saved: Saved::default(),
            slots: Vec::new(),
        })
    }

    /// As [`new`](Self::new), for rows of a table: values of `json` columns are equal if their contents are.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn of_table(schema: &TableSchema, key: &[usize], sort: Option<DedupSort>) -> Result<Self, KeyError> {
        let keys = KeySet::of_table(schema, key)?;
        Ok(Self { keys, ..Self::new(&schema.to_arrow(), key, sort)? })
    }

    /// Numbers the rows and returns those that no other row of this batch or of an earlier one outdoes.
    ///
    /// # Errors
    /// [`KeyError::TooManyKeys`]; [`KeyError::Arrow`] if the batch is not of the schema. The value is unusable then.
    pub fn push(&mut self, rows: &RecordBatch, origin: Origin) -> Result<Deduped, KeyError> {
        self.sequence.begin(origin, self.next_id);
        self.lists.begin(self.next_id, origin.sequence.list);
        let mut slots = std::mem::take(&mut self.slots);
        self.keys.slots(rows, &mut slots)?;
        let kept = self.judge(rows, &slots)?;
        self.slots = slots;
        let first = self.next_id;
        self.next_id += rows.num_rows() as u64;
        let ids = kept.iter().zip(first..).filter_map(|(&kept, id)| kept.then_some(id)).collect();
        // A page without duplicates, the usual one, is handed on without a copy.
        let rows =
            if kept.contains(&false) { filter_record_batch(rows, &BooleanArray::from(kept))? } else { rows.clone() };
        Ok(Deduped { rows, ids })
    }

    /// Ends the page sequence at hand. The next page begins one, also of the same list.
    pub fn end_sequence(&mut self) {
        self.sequence.pages.clear();
    }

    /// The rows handed on that have to be taken out again, and the keys with their winners.
    pub fn finish(mut self) -> Deduplicated {
        self.superseded.sort_unstable();
        Deduplicated { superseded: self.superseded, keys: self.keys, winners: self.winners }
    }

    /// What the rows of the page sequence at hand show of keys that came twice in it; nothing under `dedup_sort`, where several
    /// versions of a row are expected.
    pub fn again(&self) -> Option<Again> {
        self.ranks.is_none().then(|| self.sequence.again())
    }

    /// How many rows have lost so far, to an earlier row or to a later one.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// The number of keys.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Bytes held: about 30 a key, and what the keys themselves take where they are no integers.
    pub fn memory(&self) -> usize {
        self.keys.memory()
            + self.winners.capacity() * size_of::<u64>()
            + self.superseded.capacity() * size_of::<u64>()
            + self.slots.capacity() * size_of::<u32>()
            + self.lists.memory()
            + self.ranks.as_ref().map_or(0, Ranks::memory)
    }

    /// Which rows of the batch stay.
    fn judge(&mut self, rows: &RecordBatch, slots: &[u32]) -> Result<Vec<bool>, KeyError> {
        let mut kept = vec![true; slots.len()];
        let candidates = self.ranks.as_ref().map(|ranks| ranks.candidates(rows)).transpose()?;
        for (row, &slot) in slots.iter().enumerate() {
            let known = slot as usize;
            let rank = candidates.as_ref().map(|candidates| candidates.row(row));
            let rank = rank.as_ref().map_or(&[][..], |rank| rank.data());
            let id = self.next_id + row as u64;
            let Some(winner) = self.winners.get_mut(known) else {
                self.winners.push(id);
                self.ranks.iter_mut().for_each(|ranks| ranks.push(rank));
                continue;
            };
            self.duplicates += 1;
            if row >= self.sequence.repeats {
                self.sequence.repeated(*winner, self.next_id);
            }
            let is_equal = self.ranks.as_ref().is_none_or(|ranks| ranks.get(known) == rank);
            let wins = match is_equal {
                true => !self.lists.is_of_later_list(*winner),
                false => self.ranks.as_mut().is_none_or(|ranks| ranks.improve(known, rank)),
            };
            let loser = if wins { std::mem::replace(winner, id) } else { id };
            if wins && known < self.saved.slots {
                self.saved.changed.push(slot);
            }
            match loser.checked_sub(self.next_id).and_then(|row| kept.get_mut(row as usize)) {
                Some(kept) => *kept = false,
                None => self.superseded.push(loser),
            }
        }
        Ok(kept)
    }
}
