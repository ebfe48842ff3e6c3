//! What a run that died leaves to the next: found by its checkpoints, taken over by one run alone, or deleted.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Attempt, Checkpoint, CommitError, Workspace,
    attempts::{Found, Ownership, SUFFIX, clear, delete_all},
    checkpoint::{self, Envelope},
    owner::{Lease, Predecessor, STAGING, Standing, age},
    staging::{data_file_name, is_staged_in},
};
use crate::{
    error::{Result, chain},
    model::{StagedFile, Version},
};

/// Checkpoints read at a time.
const READS: usize = 8;

/// A dead run's attempt that another run can go on with. At least one checkpoint; all files that they name are there.
#[derive(Clone, Debug)]
pub struct Resumable {
    predecessor: Predecessor,
    checkpoints: Vec<Checkpoint>,
}

impl Resumable {
    /// In the order in which they were written.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// The version that the attempt wants to make.
    pub fn version(&self) -> Version {
        self.predecessor.version
    }

    /// When the last checkpoint was written, `None` if it does not say.
    pub fn written_at(&self) -> Option<DateTime<Utc>> {
        let text = &self.checkpoints.last()?.written_at;
        DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.with_timezone(&Utc))
    }

    /// What tells how far it came: its rows, then its checkpoints, which a run without a row has too.
    fn progress(&self) -> (u64, usize) {
        let files = self.checkpoints.iter().flat_map(|checkpoint| &checkpoint.files);
        (files.map(|file| file.staged.file.rows).sum(), self.checkpoints.len())
    }
}

impl Workspace {
    /// The attempt at version `base + 1` that a dead run left with the most progress. Who does not want it discards it and
    /// asks again.
    pub async fn resumable(&self, base: Version) -> Result<Option<Resumable>> {
        let mut best: Option<Resumable> = None;
        for found in self.left_at(base + 1).await? {
            let Some(resumable) = self.load(&found, usize::MAX).await? else { continue };
            if best.as_ref().is_none_or(|best| resumable.progress() > best.progress()) {
                best = Some(resumable);
            }
        }
        Ok(best)
    }

    /// Takes a dead run's attempt over; `None` if another run did, or if its owner lives after all. What it staged after
    /// its last checkpoint is deleted; the next commit through this workspace publishes it.
    pub async fn adopt(&self, resumable: Resumable) -> Result<Option<Attempt>> {
        let Resumable { predecessor, checkpoints } = resumable;
        let owner = self.owner().await;
        let Some(lease) = Lease::adopt(&self.table, &predecessor, owner, &self.environment).await? else {
            return Ok(None);
        };
        if let Err(error) = self.delete_unnamed(&lease.name, &checkpoints).await {
            // It can be resumed still, by whoever comes next.
            if let Err(error) = lease.stand(Standing::Left).await {
                tracing::warn!(attempt = lease.name, error = %chain(&error), "the attempt stays claimed");
            }
            return Err(error.into());
        }
        let lease = Arc::new(lease);
        self.make_current(&lease).await;
        Ok(Some(Attempt::resumed(self.table.clone(), lease, self.environment.clone(), &checkpoints)))
    }

    /// Deletes an attempt that nobody shall resume, unless another run has taken it over.
    pub async fn discard(&self, resumable: Resumable) -> Result<()> {
        Ok(self.take_and_clear(&resumable.predecessor).await?)
    }

    /// Deletes the attempts of dead runs at version `base + 1` whose last checkpoint is older than this, or says no time;
    /// returns how many.
    pub async fn discard_stale(&self, base: Version, resume_within: Duration) -> Result<usize> {
        let now = self.environment.clock.now();
        let mut discarded = 0;
        for found in self.left_at(base + 1).await? {
            let Some(resumable) = self.load(&found, usize::MAX).await? else { continue };
            let age = resumable.written_at().and_then(|moment| age(moment, now));
            if age.is_none_or(|age| age > resume_within) {
                self.take_and_clear(&resumable.predecessor).await?;
                discarded += 1;
            }
        }
        Ok(discarded)
    }

    /// Attempts with checkpoints that nobody comes back to.
    async fn left_at(&self, version: Version) -> Result<Vec<Found>, CommitError> {
        let mut left = Vec::new();
        for found in self.attempts().await? {
            if found.version != version || !found.has_checkpoints() {
                continue;
            }
            let ownership = found.ownership(&self.table).await?;
            // What comes after the last checkpoint goes when it is resumed, and a commit that may yet arrive names that, too.
            if self.is_dead(&ownership) && !self.may_still_commit(&found, &ownership, version.saturating_sub(1)) {
                left.push(found);
            }
        }
        Ok(left)
    }

    /// Whether a dead attempt is one that a run can go on with.
    pub(super) async fn is_resumable(&self, found: &Found) -> Result<bool, CommitError> {
        Ok(found.has_checkpoints() && self.load(found, 1).await?.is_some())
    }

    /// The checkpoints of a dead attempt as far as they hold, at most so many; `None` if not one does.
    async fn load(&self, found: &Found, most: usize) -> Result<Option<Resumable>, CommitError> {
        let Ownership::Record(record, Some(owner)) = found.ownership(&self.table).await? else { return Ok(None) };
        // Of an attempt that somebody has begun to delete, nothing can be relied on.
        if owner.standing == Standing::Clearing {
            return Ok(None);
        }
        let numbers = (1..).take_while(|number| found.objects.contains_key(&checkpoint::name_of(*number))).take(most);
        let reads = stream::iter(numbers).map(|number| checkpoint::read(&self.table, &found.name, number));
        let mut reads = std::pin::pin!(reads.buffered(READS));
        let (mut checkpoints, mut generation, mut names) = (Vec::new(), 0, BTreeSet::new());
        while let Some(Some(read)) = reads.try_next().await? {
            if read.generation < generation || !self.holds(found, &read, &mut names) {
                break;
            }
            generation = read.generation;
            checkpoints.push(read.checkpoint);
        }
        let predecessor = found.predecessor(record);
        Ok((!checkpoints.is_empty()).then_some(Resumable { predecessor, checkpoints }))
    }

    /// Whether all files of a checkpoint are there, whole, and named by no other.
    fn holds(&self, found: &Found, read: &Envelope<Checkpoint>, names: &mut BTreeSet<String>) -> bool {
        read.checkpoint.files.iter().all(|file| {
            let StagedFile { file, staged } = &file.staged;
            let name = staged.rsplit('/').next().unwrap_or_default();
            is_staged_in(staged, &found.name)
                && data_file_name(&self.table, &file.path, found.version).is_ok()
                && found.objects.get(name) == Some(&file.bytes)
                && names.insert(file.path.clone())
        })
    }

    /// Deletes what came after the last of these checkpoints.
    async fn delete_unnamed(&self, attempt: &str, checkpoints: &[Checkpoint]) -> Result<(), CommitError> {
        let files = checkpoints.iter().flat_map(|checkpoint| &checkpoint.files);
        let named: BTreeSet<&str> = files.map(|file| file.staged.staged.as_str()).collect();
        let directory = format!("{STAGING}/{attempt}");
        let listed: Vec<_> = self.table.list(&directory)?.try_collect().await?;
        let paths = listed.into_iter().filter_map(|object| self.table.path_of(&object.location));
        let surplus = paths.filter(|path| {
            let Some(name) = path.strip_prefix(&directory).and_then(|rest| rest.strip_prefix('/')) else {
                return false;
            };
            let is_later = checkpoint::number_of(name).is_some_and(|number| number as usize > checkpoints.len());
            is_later || name.ends_with(SUFFIX) && !name.contains('/') && !named.contains(path.as_str())
        });
        delete_all(&self.table, surplus.collect::<Vec<_>>()).await
    }

    /// Deletes a dead attempt that others may want to resume: by becoming its owner, so that nobody else does.
    pub(super) async fn take_and_clear(&self, predecessor: &Predecessor) -> Result<(), CommitError> {
        let mut owner = self.owner().await;
        owner.standing = Standing::Clearing;
        let Some(lease) = Lease::adopt(&self.table, predecessor, owner, &self.environment).await? else {
            return Ok(());
        };
        // No renewal may write the record again once it is deleted.
        lease.release().await;
        clear(&self.table, &lease.name).await
    }
}
