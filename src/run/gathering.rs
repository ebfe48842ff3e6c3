//! Reads a parent's list for what its children need of it, and for nothing else.

use std::sync::Arc;

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{RunError, cursor::Tracker, evolving::prepared, outcome::Counters, rows::Rows, source::Sources};
use crate::{
    error::Result,
    fetch::{PageSource, Verdict},
    plan::{OnIncomplete, ResourcePlan},
    process::Processor,
};

/// Adds what children need of all pages in the resource's range to `rows`; returns where its cursor stands behind them.
/// `state` is where it stood before.
pub(super) async fn gather(
    resource: &ResourcePlan,
    above: Option<&Arc<Rows>>,
    state: Option<Value>,
    sources: Sources<'_>,
    counters: &mut Counters,
    rows: &mut Rows,
) -> Result<Option<Value>> {
    let mut source = sources.silent().open(resource, above, None)?;
    let mut tracker = Tracker::new(resource, state.as_ref(), above.map(Arc::as_ref));
    let processor = Arc::new(Processor::new(resource, sources.client.environment()));
    let ended = take_all(resource, &processor, source.as_mut(), tracker.as_mut(), rows).await;
    counters.add_earlier(source.as_ref());
    ended?;
    // Children of a part of the records would look complete.
    if let Verdict::Incomplete(incomplete) = &source.findings().verdict
        && resource.on_incomplete != OnIncomplete::Warn
    {
        return Err(RunError::Incomplete {
            resource: resource.name.clone(),
            reason: incomplete.reason.clone(),
            received: incomplete.received,
            expected: incomplete.expected,
            kept: false,
            retries_lists: false,
            is_single: false,
            pin: String::new(),
        }
        .into());
    }
    rows.shortfall = rows.shortfall.take().or_else(|| source.findings().shortfall.clone());
    Ok(tracker.map(Tracker::state).transpose()?.flatten())
}

/// The pages as the resource's steps make them, without the records that its cursor leaves out.
async fn take_all(
    resource: &ResourcePlan,
    processor: &Arc<Processor>,
    source: &mut dyn PageSource,
    mut tracker: Option<&mut Tracker>,
    rows: &mut Rows,
) -> Result<()> {
    let sieve = tracker.as_ref().map(|tracker| tracker.sieve());
    while let Some(page) = source.next().await {
        let (page, processor, sieve) = (page?, Arc::clone(processor), sieve.clone());
        let prepared = spawn_blocking(move || prepared(page, &processor, sieve.as_deref())).await;
        let (page, seen) = prepared.map_err(|_| RunError::Worker { resource: resource.name.clone() })??;
        rows.take(&page);
        let is_last = match (&mut tracker, &seen) {
            (Some(tracker), Some(seen)) => tracker.observe(seen)? && tracker.may_end_early(),
            _ => false,
        };
        if is_last {
            break;
        }
    }
    Ok(())
}

/// Why the records of the resource's pages may not be all there are.
pub(super) fn shortfall(resource: &ResourcePlan, pages: &dyn PageSource) -> Option<String> {
    pages.findings().shortfall.clone().or_else(|| by_cursor(resource))
}

/// Why the records of a resource that is read by a cursor may not be all there are.
pub(super) fn by_cursor(resource: &ResourcePlan) -> Option<String> {
    resource.incremental.as_ref().map(|_| format!("`{}` was read by a cursor, and not all of it", resource.name))
}
