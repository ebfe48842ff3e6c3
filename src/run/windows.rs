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
    inferring::{Observing, Start, observe},
    outcome::{Committed, Counters},
    resource::Export,
    rows::Rows,
};
use crate::{
    commit::TableFormat,
    error::Result,
    fetch::{PagesAhead, PutBack},
    plan::{IncrementalPlan, ListStart, MaxRejects, Range, ResourcePlan, WriteDisposition},
};

/// Windows whose pages are fetched at the same time, at most: more would leave too little memory to each.
const MOST_AHEAD: usize = 16;

const SLICE_BY_SLICE: &str = "the table is replaced by its first window, and the others are added to that: until the last one is \
                              committed, it holds a part of the rows";

/// Windows that have their turn later, the first few with their pages on the way.
struct Ahead {
    under_way: VecDeque<(ResourcePlan, PutBack)>,
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
        if first.asked.resource.write_disposition == WriteDisposition::Replace {
            self.warn(counters, SLICE_BY_SLICE.to_owned());
        }
        let worked = Box::pin(self.work_one_by_one(table, first, &mut ahead, counters)).await;
        // What was asked for ahead was asked for, also where a failure has made it useless.
        ahead.under_way.iter().for_each(|(_, pages)| counters.add_vain(pages));
        worked
    }

    async fn work_one_by_one(
        &self,
        table: &dyn TableFormat,
        first: Begun,
        ahead: &mut Ahead,
        counters: &mut Counters,
    ) -> Result<Committed> {
        // A run that died may have left pages of the first window: they are gone on with.
        let start = match self.look_ahead(&first, ahead, counters).await {
            Ok(start) => start,
            Err(error) => {
                // What was claimed holds nothing yet; the next run takes away what can't be deleted now.
                let _ = first.attempt.abandon().await;
                return Err(error);
            }
        };
        let mut next = Some((first, start));
        let mut part = std::mem::take(counters);
        loop {
            let Some((begun, start)) = next.take() else { break };
            self.fetch_ahead(ahead, 0)?;
            let committed = Box::pin(self.work(table, begun, start, &mut part)).await;
            counters.add(std::mem::take(&mut part));
            let committed = self.sum(table, counters.committed.as_deref(), committed?).await?;
            counters.committed = Some(Box::new(committed));
            if !counters.is_trusted(self.resource) {
                // Later windows would move the cursor beyond records that may be missing.
                let later = ahead.under_way.len() + ahead.waiting.len();
                if later > 0 {
                    let name = &self.resource.name;
                    self.warn(
                        counters,
                        format!("{name}: {later} later windows were not committed, which the next run reads again"),
                    );
                }
                break;
            }
            let Some((resource, pages)) = self.after(counters, ahead)? else { break };
            let export = Export { resource: &resource, ..*self };
            match export.begin(table, &mut part).await {
                Ok(Beginning::Work(begun)) => next = Some((*begun, Some(Start::Taken(Box::new(pages))))),
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

    /// Where the columns are open, they are those of as many windows as it takes.
    async fn look_ahead(&self, first: &Begun, ahead: &mut Ahead, counters: &mut Counters) -> Result<Option<Start>> {
        let resource = &first.asked.resource;
        let (Some(inference), None) = (&resource.inference, &first.resumed) else { return Ok(None) };
        let export = Export { resource, rows: first.asked.rows.as_ref(), ..*self };
        let mut pages = PutBack::new(export.pages(None)?);
        let mut observing = Observing::new(inference, self.processor(), self.memory / PAGES_PART, self.max_columns);
        let observed = match observe(&mut pages, &mut observing).await {
            Ok(()) => self.observe_behind(&mut observing, ahead).await,
            Err(error) => Err(error),
        };
        if let Err(error) = observed {
            counters.take(&pages);
            return Err(error);
        }
        Ok(Some(Start::Observed(Box::new(pages), Box::new(observing.observed))))
    }

    /// An error of a later window waits for its turn, as its pages do.
    async fn observe_behind(&self, observing: &mut Observing, ahead: &mut Ahead) -> Result<()> {
        let mut looked_at = 0;
        while observing.wants_more() && self.resource.max_pages.is_none() {
            self.fetch_ahead(ahead, looked_at)?;
            let Some((_, pages)) = ahead.under_way.get_mut(looked_at) else { break };
            while observing.wants_more()
                && let Some(page) = pages.peek().await.cloned()
            {
                if let Some(empty) = observing.add(page).await? {
                    pages.replace(empty);
                }
            }
            looked_at += 1;
        }
        Ok(())
    }

    /// The next window, with what the limits of the run leave to it; `None` if there is none.
    fn after(&self, counters: &Counters, ahead: &mut Ahead) -> Result<Option<(ResourcePlan, PutBack)>> {
        if let Some(most) = self.resource.max_pages {
            let left = most.saturating_sub(counters.pages);
            if left == 0 {
                return Ok(None);
            }
            let resource = ResourcePlan { max_pages: Some(left), ..self.resource.clone() };
            Export { resource: &resource, ..*self }.fetch_next(ahead)?;
        }
        let Some((mut resource, pages)) = ahead.under_way.pop_front() else { return Ok(None) };
        if let Some(MaxRejects::Rows(most)) = &mut resource.max_rejects {
            *most = most.saturating_sub(counters.rows_rejected + counters.values_discarded);
        }
        Ok(Some((resource, pages)))
    }

    /// Beside those whose pages are held already. Not where a maximum of pages may end the run before their turn.
    fn fetch_ahead(&self, ahead: &mut Ahead, held: usize) -> Result<()> {
        let most = if self.resource.max_pages.is_some() { 0 } else { held + self.most_ahead() };
        while ahead.under_way.len() < most && self.fetch_next(ahead)? {}
        Ok(())
    }

    fn most_ahead(&self) -> usize {
        self.source.max_concurrency.clamp(1, MOST_AHEAD)
    }

    /// Begins to fetch one more window; false if there is none.
    fn fetch_next(&self, ahead: &mut Ahead) -> Result<bool> {
        let Some(range) = ahead.waiting.pop_front() else { return Ok(false) };
        let memory = self.memory / PAGES_PART / (self.most_ahead() as u64 + 1) / 2;
        let resource = in_range(self.resource, range, ahead.lists.clone());
        // Half of it holds pages that came before their turn, half those that wait to be taken.
        let pages = Export { resource: &resource, rows: ahead.rows.as_ref(), ..*self }.pages_within(memory)?;
        ahead.under_way.push_back((resource, PutBack::new(Box::new(PagesAhead::new(pages, memory)))));
        Ok(true)
    }

    /// What the windows so far come to.
    async fn sum(&self, table: &dyn TableFormat, before: Option<&Committed>, last: Committed) -> Result<Committed> {
        let Some(before) = before else { return Ok(last) };
        // A merge may have rewritten what an earlier window has added.
        let current = table.snapshot().await?.files;
        let files = before.files.iter().cloned().chain(last.files).filter(|file| current.contains(file)).collect();
        let (rows_written, rows_before) = (before.rows_written + last.rows_written, before.rows_before);
        Ok(Committed { rows_written, rows_before, files, ..last })
    }
}

/// A window behind the first: a table is replaced once, by the first one.
fn in_range(resource: &ResourcePlan, range: Range, starts: Option<Arc<[Arc<ListStart>]>>) -> ResourcePlan {
    let mut resource = resource.clone();
    if let Some(IncrementalPlan { range: own, lists, then, .. }) = &mut resource.incremental {
        resource.write_disposition = *then;
        (*own, *lists) = (Some(range), starts);
    }
    if let Some(inference) = &mut resource.inference {
        inference.anew = false;
    }
    resource
}
