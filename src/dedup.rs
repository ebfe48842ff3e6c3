//! One row per primary key: which rows of a batch stay, and which rows of earlier batches have to go.
//!
//! ```text
//! batches in page order ──► Dedup ──► the rows that stay (numbered) ──► write
//!                             └─────► ids of rows that were handed on before something superseded them
//! ```
//!
//! Rows are numbered from 0 in order of arrival, dropped ones included, so that an id means the same to every stage.
//! Invariant: of the rows of one key, all but the winner are either left out of the batch that brought them or told by
//! [`Dedup::finish`]. Only the key set grows with the rows: a hash finds the candidate, the whole key decides.

mod ranks;
mod segment;
#[cfg(test)]
mod tests;

use arrow::{array::BooleanArray, compute::filter_record_batch, datatypes::SchemaRef, record_batch::RecordBatch};

pub use self::segment::Segment;
use self::{ranks::Ranks, segment::Saved};
use crate::{
    keys::{KeyError, KeySet},
    plan::DedupSort,
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
            saved: Saved::default(),
            slots: Vec::new(),
        })
    }

    /// Numbers the rows and returns those that no other row of this batch or of an earlier one outdoes.
    ///
    /// # Errors
    /// [`KeyError::TooManyKeys`]; [`KeyError::Arrow`] if the batch is not of the schema. The value is unusable then.
    pub fn push(&mut self, rows: &RecordBatch) -> Result<Deduped, KeyError> {
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

    /// The rows handed on that have to be taken out again, and the keys with their winners.
    pub fn finish(mut self) -> Deduplicated {
        self.superseded.sort_unstable();
        Deduplicated { superseded: self.superseded, keys: self.keys, winners: self.winners }
    }

    /// How many rows have lost so far, to an earlier row or to a later one.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Bytes held: about 30 a key, and what the keys themselves take where they are no integers.
    pub fn memory(&self) -> usize {
        self.keys.memory()
            + self.winners.capacity() * size_of::<u64>()
            + self.superseded.capacity() * size_of::<u64>()
            + self.slots.capacity() * size_of::<u32>()
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
            let wins = self.ranks.as_mut().is_none_or(|ranks| ranks.improve(known, rank));
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
