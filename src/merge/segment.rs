//! The state of a [`Collector`] as a sequence of segments. Each segment holds the changes since the previous one, and all segments
//! in order restore the collector.

use serde::{Deserialize, Serialize};

use super::{Collector, MergeError};
use crate::keys::{KeyError, KeySegment};

/// One piece. Serialises; readable by the same version of restlake only.
#[derive(Debug, Serialize, Deserialize)]
pub struct Segment {
    merge_keys: Option<KeySegment>,
    /// Rows written per merge key, for all keys, since earlier counts keep growing; empty if they are not counted.
    written: Vec<u64>,
    contents: Option<(KeySegment, Vec<(u32, u64)>)>,
    deleting: Vec<u64>,
    repeated: u64,
}

/// The part of a `Collector` that earlier segments hold.
#[derive(Debug, Default)]
pub(super) struct Saved {
    merge_keys: usize,
    contents: usize,
    rows: usize,
    deleting: usize,
}

impl Collector {
    /// Returns the changes since the last segment.
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

    /// Applies a segment. Apply the first one to a new `Collector` of the same schema, plan and key, and the others in order.
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
