//! The state of deduplication as a sequence of segments. Each segment holds the changes since the previous one, and all segments in
//! order restore a [`Dedup`].

use serde::{Deserialize, Serialize};

use super::{Dedup, SequenceState};
use crate::{
    keys::{KeyError, KeySegment},
    model::Sequence,
};

/// One piece. Serialises; readable by the same version of restlake only.
#[derive(Debug, Serialize, Deserialize)]
pub struct Segment {
    keys: KeySegment,
    /// Winning rows of the new keys, by slot.
    winners: Vec<u64>,
    /// Ranks of the new keys, by slot; empty without `dedup_sort`.
    ranks: Vec<Vec<u8>>,
    /// Older keys that another row won since.
    changed: Vec<Changed>,
    superseded: Vec<u64>,
    next_id: u64,
    duplicates: u64,
    /// The page sequence at hand; its pages are those since the piece before, if `goes_on`.
    sequence: SequenceState,
    goes_on: bool,
    /// The new ones, see [`ListStarts`](super::lists::ListStarts).
    list_starts: Vec<(u64, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Changed {
    slot: u32,
    winner: u64,
    rank: Vec<u8>,
}

/// The part of a `Dedup` that earlier segments hold.
#[derive(Debug, Default)]
pub(super) struct Saved {
    pub(super) slots: usize,
    superseded: usize,
    /// The page sequence by its first row, and its pages.
    sequence: (Sequence, u64, usize),
    list_starts: usize,
    /// Slots below `slots` that were won again since; may repeat.
    pub(super) changed: Vec<u32>,
}

impl Dedup {
    /// Returns the changes since the last segment.
    pub fn segment(&mut self) -> Segment {
        let first = self.saved.slots;
        let rank = |slot: usize| self.ranks.as_ref().map(|ranks| ranks.get(slot).to_vec()).unwrap_or_default();
        let mut slots = std::mem::take(&mut self.saved.changed);
        slots.sort_unstable();
        slots.dedup();
        let changed = slots.into_iter().filter_map(|slot| {
            let winner = *self.winners.get(slot as usize)?;
            Some(Changed { slot, winner, rank: rank(slot as usize) })
        });
        let (sequence, start, pages) = self.saved.sequence;
        let goes_on =
            (sequence, start) == (self.sequence.current, self.sequence.start) && pages <= self.sequence.pages.len();
        let pages = self.sequence.pages.get(if goes_on { pages } else { 0 }..).unwrap_or_default().to_vec();
        let ranked = if self.ranks.is_some() { first..self.winners.len() } else { 0..0 };
        let segment = Segment {
            keys: self.keys.segment(first),
            winners: self.winners.get(first..).unwrap_or_default().to_vec(),
            ranks: ranked.map(rank).collect(),
            changed: changed.collect(),
            superseded: self.superseded.get(self.saved.superseded..).unwrap_or_default().to_vec(),
            next_id: self.next_id,
            duplicates: self.duplicates,
            sequence: SequenceState { pages, ..self.sequence.clone() },
            goes_on,
            list_starts: self.lists.starts.get(self.saved.list_starts..).unwrap_or_default().to_vec(),
        };
        self.saved = Saved::of(self);
        segment
    }

    /// Applies a segment. Apply the first one to a new `Dedup` of the same schema, key and sort, and the others in order.
    ///
    /// # Errors
    /// [`KeyError::Segment`] if it is not the next one of the same deduplication.
    pub fn restore(&mut self, segment: Segment) -> Result<(), KeyError> {
        let is_ranked = self.ranks.is_some();
        let fits = !is_ranked && segment.ranks.is_empty() || is_ranked && segment.ranks.len() == segment.winners.len();
        if !fits {
            return Err(KeyError::Segment);
        }
        self.keys.restore(segment.keys)?;
        self.winners.extend(segment.winners);
        for Changed { slot, winner, rank } in segment.changed {
            let known = self.winners.get_mut(slot as usize).ok_or(KeyError::Segment)?;
            *known = winner;
            self.ranks.iter_mut().for_each(|ranks| ranks.set(slot as usize, &rank));
        }
        for rank in segment.ranks {
            self.ranks.iter_mut().for_each(|ranks| ranks.push(&rank));
        }
        self.superseded.extend(segment.superseded);
        (self.next_id, self.duplicates) = (segment.next_id, segment.duplicates);
        let known = std::mem::replace(&mut self.sequence, segment.sequence);
        if segment.goes_on {
            let further = std::mem::replace(&mut self.sequence.pages, known.pages);
            self.sequence.pages.extend(further);
        }
        self.lists.restore(segment.list_starts);
        self.saved = Saved::of(self);
        if self.winners.len() == self.keys.len() { Ok(()) } else { Err(KeyError::Segment) }
    }
}

impl Saved {
    fn of(dedup: &Dedup) -> Self {
        let SequenceState { current, start, pages, .. } = &dedup.sequence;
        Self {
            slots: dedup.winners.len(),
            superseded: dedup.superseded.len(),
            sequence: (*current, *start, pages.len()),
            list_starts: dedup.lists.starts.len(),
            changed: Vec::new(),
        }
    }
}
