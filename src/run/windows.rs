//! A resource whose range is cut into windows: each is a commit of its own, in order, while the pages of later ones are fetched.
//!
//! ```text
//! window 1   pages ─► stages ─► commit, cursor at its end
//! window 2   pages ───────────────────────────► stages ─► commit …
//! window 3   pages …                                                as many ahead as there may be requests
//! ```
//!
//! A run that fails leaves the windows before as they are: the next one begins where they end. What a later window's pages
//! cost in memory comes out of the resource's part for pages.

use std::{collections::VecDeque, sync::Arc};

use super::{
    begin::{Beginning, Begun},
    fill::PAGES_PART,
    outcome::{Committed, Counters},
    resource::Export,
    rows::Rows,
};
use crate::{
    commit::TableFormat,
    error::Result,
    fetch::{PageSource, PagesAhead},
    plan::{IncrementalPlan, ListStart, Range, ResourcePlan, Window},
};

/// Windows whose pages are fetched at the same time, at most: more would leave too little memory to each.
const MOST_AHEAD: usize = 16;

/// Windows that have their turn later, the first few with their pages on the way.
struct Ahead {
    under_way: VecDeque<(ResourcePlan, PagesAhead)>,
    waiting: VecDeque<Range>,
    /// Of the parent, if there is one.
    rows: Option<Arc<Rows>>,
    /// Where each list is read from, if there are many.
    lists: Option<Arc<[Arc<ListStart>]>>,
}

impl Export<'_> {
    /// The window that was begun, and those behind it. What has been committed by then stands in `counters` after a failure.
    pub(super) async fn work_in_windows(
        &self,
        table: &dyn TableFormat,
        first: Begun,
        later: Vec<Range>,
        counters: &mut Counters,
    ) -> Result<Committed> {
        let mut ahead = Ahead {
            under_way: VecDeque::new(),
            waiting: later.into(),
            rows: first.asked.rows.clone(),
            lists: first.asked.resource.incremental.as_ref().and_then(|plan| plan.lists.clone()),
        };
        // A run that died may have left pages of the first window: they are gone on with.
        let mut next = Some((first, None));
        let mut part = std::mem::take(counters);
        loop {
            let Some((begun, pages)) = next.take() else { break };
            self.fetch_ahead(&mut ahead)?;
            let committed = self.work(table, begun, pages, &mut part).await;
            counters.add(std::mem::take(&mut part));
            let committed = self.sum(table, counters.committed.as_deref(), committed?).await?;
            counters.committed = Some(Box::new(committed));
            let Some((resource, pages)) = ahead.under_way.pop_front() else { break };
            let export = Export { resource: &resource, ..*self };
            match export.begin(table, &mut part).await {
                Ok(Beginning::Work(begun)) => next = Some((*begun, Some(Box::new(pages) as Box<dyn PageSource>))),
                // Neither is one that a run before has committed, nor one that is cut into more.
                Ok(Beginning::Done(_) | Beginning::Nothing(..)) => next = None,
                Err(error) => {
                    counters.add(part);
                    return Err(error);
                }
            }
        }
        Ok(counters.committed.take().map(|committed| *committed).unwrap_or_default())
    }

    fn fetch_ahead(&self, ahead: &mut Ahead) -> Result<()> {
        let most = self.source.max_concurrency.clamp(1, MOST_AHEAD);
        let memory = self.memory / PAGES_PART / (most as u64 + 1) / 2;
        while ahead.under_way.len() < most
            && let Some(range) = ahead.waiting.pop_front()
        {
            let resource = in_range(self.resource, range, ahead.lists.clone());
            // Half of it holds pages that came before their turn, half those that wait to be taken.
            let pages = PagesAhead::new(
                Export { resource: &resource, rows: ahead.rows.as_ref(), ..*self }.pages_within(memory)?,
                memory,
            );
            ahead.under_way.push_back((resource, pages));
        }
        Ok(())
    }

    /// What the windows so far come to.
    async fn sum(&self, table: &dyn TableFormat, before: Option<&Committed>, last: Committed) -> Result<Committed> {
        let Some(before) = before else { return Ok(last) };
        // A merge may have rewritten what an earlier window has added.
        let current = table.snapshot().await?.files;
        let files = before.files.iter().cloned().chain(last.files).filter(|file| current.contains(file)).collect();
        Ok(Committed { rows_written: before.rows_written + last.rows_written, files, ..last })
    }
}

/// A window behind the first: a table is replaced once, by the first one.
fn in_range(resource: &ResourcePlan, range: Range, starts: Option<Arc<[Arc<ListStart>]>>) -> ResourcePlan {
    let mut resource = resource.clone();
    if let Some(IncrementalPlan { range: own, lists, window: Some(Window { then, .. }), .. }) =
        &mut resource.incremental
    {
        resource.write_disposition = *then;
        (*own, *lists) = (Some(range), starts);
    }
    if let Some(inference) = &mut resource.inference {
        inference.anew = false;
    }
    resource
}
