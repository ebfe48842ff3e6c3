//! What a run has brought so far, written down in pieces: each holds what is new since the one before, and all of them in
//! order make a [`Collector`] that goes on where the first one stopped.

use serde::{Deserialize, Serialize};

use super::{Collector, MergeError};
use crate::keys::{KeyError, KeySegment};

/// One piece. Serialises; readable by the same version of restlake only.
#[derive(Debug, Serialize, Deserialize)]
pub struct Segment {
    merge_keys: Option<KeySegment>,
    /// Of all merge keys, as the counts of earlier ones go on growing; empty where they are not counted.
    written: Vec<u64>,
    contents: Option<(KeySegment, Vec<(u32, u64)>)>,
    deleting: Vec<u64>,
    repeated: u64,
}

/// How much of a `Collector` has been written down.
#[derive(Debug, Default)]
pub(super) struct Saved {
    merge_keys: usize,
    contents: usize,
    rows: usize,
    deleting: usize,
}

impl Collector {
    /// What is new since the last segment.
    pub fn segment(&mut self) -> Segment {
        let saved = &self.saved;
        let new_rows = |rows: &[(u32, u64)]| rows.get(saved.rows..).unwrap_or_default().to_vec();
        let segment = Segment {
            merge_keys: self.merge.as_ref().map(|merge| merge.keys.segment(saved.merge_keys)),
            written: self.merge.as_ref().map(|merge| merge.written.clone()).unwrap_or_default(),
            contents: self.contents.as_ref().map(|all| (all.keys.segment(saved.contents), new_rows(&all.rows))),
            deleting: self.deleting.get(saved.deleting..).unwrap_or_default().to_vec(),
            repeated: self.repeated,
        };
        self.saved = Saved::of(self);
        segment
    }

    /// Goes on behind a segment; the first one is taken in by a new `Collector` of the same schema, plan and key, the others
    /// by what that made of it.
    ///
    /// # Errors
    /// Kind `Bug` if it is not the next one of the same run.
    pub fn restore(&mut self, segment: Segment) -> Result<(), MergeError> {
        match (&mut self.merge, segment.merge_keys) {
            (Some(merge), Some(keys)) => {
                merge.keys.restore(keys)?;
                merge.written = segment.written;
            }
            (None, None) => {}
            _ => return Err(KeyError::Segment.into()),
        }
        match (&mut self.contents, segment.contents) {
            (Some(contents), Some((keys, rows))) => {
                contents.keys.restore(keys)?;
                contents.rows.extend(rows);
            }
            (None, None) => {}
            _ => return Err(KeyError::Segment.into()),
        }
        self.deleting.extend(segment.deleting);
        self.repeated = segment.repeated;
        self.saved = Saved::of(self);
        Ok(())
    }
}

impl Saved {
    fn of(collector: &Collector) -> Self {
        Self {
            merge_keys: collector.merge.as_ref().map_or(0, |merge| merge.keys.len()),
            contents: collector.contents.as_ref().map_or(0, |contents| contents.keys.len()),
            rows: collector.contents.as_ref().map_or(0, |contents| contents.rows.len()),
            deleting: collector.deleting.len(),
        }
    }
}
