//! Rows that a later row of the same key replaced after their file was staged: the file is rewritten without them.
//!
//! This is rare (a source that repeats keys far apart), so it costs a second pass over the files that are hit and nothing
//! otherwise.

use std::{collections::HashMap, sync::Arc};

use arrow::buffer::BooleanBuffer;
use tokio::task::spawn_blocking;

use super::{RunError, pipeline::Staged};
use crate::{
    commit::Attempt,
    error::Result,
    model::{DataFile, EncodedFile, StagedFile},
    plan::ResourcePlan,
    write::{WriteOptions, rewrite},
};

/// The staged files without superseded rows, in the same order; a file of which no row is left is gone.
pub(super) async fn drop_superseded(
    resource: &ResourcePlan,
    attempt: &Attempt,
    staged: &mut Staged,
    options: &Arc<WriteOptions>,
) -> Result<Vec<StagedFile>> {
    let stale = staged.index.stale(&staged.superseded);
    let mut stale: HashMap<_, _> = stale.into_iter().map(|stale| (stale.path, stale.keep)).collect();
    let mut files = Vec::with_capacity(staged.files.len());
    for file in std::mem::take(&mut staged.files) {
        match stale.remove(&file.file.path) {
            None => files.push(file),
            Some(keep) => files.extend(replace(resource, attempt, file, keep, options).await?),
        }
    }
    Ok(files)
}

async fn replace(
    resource: &ResourcePlan,
    attempt: &Attempt,
    old: StagedFile,
    keep: BooleanBuffer,
    options: &Arc<WriteOptions>,
) -> Result<Option<StagedFile>> {
    let DataFile { path, partition, rows, keys, .. } = old.file.clone();
    let file = EncodedFile { path, partition, rows, keys, content: attempt.read(&old).await? };
    let options = Arc::clone(options);
    let rewritten = spawn_blocking(move || rewrite(file, &keep, &options))
        .await
        .map_err(|_| RunError::Worker { resource: resource.name.clone() })??;
    attempt.discard(&old).await?;
    match rewritten {
        None => Ok(None),
        Some(file) => Ok(Some(attempt.stage(file).await?)),
    }
}
