//! What keeps long runs and old tables going: checkpoints, the rewriting of older files, the joining of small ones.
//!
//! Each key may stand in several places; the nearest to the resource counts.

use crate::{config::Section, plan::CheckpointPlan};

/// `compact: auto`: more small files than this in one partition.
const AUTO_SMALL_FILES: u64 = 20;

const REWRITE_LIMIT: u64 = 10_000_000_000;

/// Where the keys may stand.
pub struct Places<'a> {
    pub resource: &'a Section<'a>,
    pub destination: &'a Section<'a>,
    pub root: &'a Section<'a>,
}

impl<'a> Places<'a> {
    pub fn checkpoint(&self) -> Option<CheckpointPlan> {
        let default = CheckpointPlan::default();
        let duration = |key: &str, default| match self.nearest(key, [self.resource, self.root]) {
            Some(section) => section.duration(key),
            None => Some(default),
        };
        Some(CheckpointPlan {
            interval: duration("checkpoint_interval", default.interval)?,
            resume_within: duration("resume_within", default.resume_within)?,
        })
    }

    /// Bytes.
    pub fn rewrite_limit(&self) -> Option<u64> {
        let key = "rewrite_limit";
        self.nearest(key, [self.resource, self.destination, self.root])
            .map_or(Some(REWRITE_LIMIT), |section| section.size(key))
    }

    /// Small files that a partition may have; the inner `None`: as many as there are. The outer `None` if it is wrong.
    #[expect(clippy::option_option, reason = "wrong and switched off are two things")]
    pub fn compact_above(&self) -> Option<Option<u64>> {
        let key = "compact";
        let Some(section) = self.nearest(key, [self.resource, self.destination]) else { return Some(None) };
        match section.get(key)?.as_text() {
            Some("auto") => Some(Some(AUTO_SMALL_FILES)),
            Some(_) => Some(None),
            None => section.section(key).count("small_files").map(Some),
        }
    }

    fn nearest<const N: usize>(&self, key: &str, places: [&'a Section<'a>; N]) -> Option<&'a Section<'a>> {
        places.into_iter().find(|section| section.is_written(key))
    }
}
