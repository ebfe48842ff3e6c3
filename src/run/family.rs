//! Parents and children: who has to wait for whom, and how the records of the one come to the other.
//!
//! ```text
//! parent is exported ──pages──► its table          parent is not, or not all its pages came by
//!                      └─fields─► rows ─► child                  ─► its list is fetched for the child ─► rows ─► child
//! ```

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use futures::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{OnceCell, watch},
    task::spawn_blocking,
};

use super::{
    RunError,
    outcome::Counters,
    rows::{Rows, Wanted},
    source::Sources,
};
use crate::{
    error::{ErrorKind, Result},
    fetch::PageSource,
    plan::{Plan, ResourcePlan},
    process::Processor,
};

/// All resources of a run whose records others are asked for by.
pub(super) struct Family<'a> {
    parents: BTreeMap<&'a str, Parent<'a>>,
}

struct Parent<'a> {
    plan: &'a ResourcePlan,
    /// What all its children need.
    wanted: Arc<[Wanted]>,
    /// `None` until its export has ended.
    ended: watch::Sender<Option<End>>,
    /// What was kept of the pages of its export.
    kept: OnceLock<Arc<Rows>>,
    /// What was fetched where that is not there.
    fetched: OnceCell<Arc<Rows>>,
}

/// How a parent's export ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Well, or there was none.
    Well,
    Failed(ErrorKind),
}

impl<'a> Family<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self::over(plan, None)
    }

    /// The family where nothing is exported, and all lists are read for the children alone.
    pub(super) fn of_lists(plan: &'a Plan) -> Self {
        Self::over(plan, Some(End::Well))
    }

    /// `end` is that of the exported ones.
    fn over(plan: &'a Plan, end: Option<End>) -> Self {
        let exported = plan.resources.iter().map(|resource| (resource, end));
        let others = plan.parents.iter().map(|resource| (resource, Some(End::Well)));
        let children: Vec<_> = plan.resources.iter().chain(&plan.parents).collect();
        let parent = |(resource, end): (&'a ResourcePlan, Option<End>)| {
            let wanted = wanted(resource, &children)?;
            let (ended, kept, fetched) = (watch::Sender::new(end), OnceLock::new(), OnceCell::new());
            Some((resource.name.as_str(), Parent { plan: resource, wanted, ended, kept, fetched }))
        };
        Self { parents: exported.chain(others).filter_map(parent).collect() }
    }

    /// Where what its children need is gathered, if the resource has some.
    pub(super) fn rows_for(&self, resource: &str) -> Option<Rows> {
        self.parents.get(resource).map(|parent| Rows::new(resource, Arc::clone(&parent.wanted)))
    }

    /// All pages of the resource went by.
    pub(super) fn keep(&self, resource: &str, rows: Rows) {
        if let Some(parent) = self.parents.get(resource) {
            // Each resource is exported once.
            let _ = parent.kept.set(Arc::new(rows));
        }
    }

    /// The export of a resource has ended; with this kind of error, if it failed.
    pub(super) fn end(&self, resource: &str, failure: Option<ErrorKind>) {
        if let Some(parent) = self.parents.get(resource) {
            parent.ended.send_replace(Some(failure.map_or(End::Well, End::Failed)));
        }
    }

    /// Waits for the export of those whose records the resource needs.
    ///
    /// # Errors
    /// [`RunError::ParentFailed`] if that failed.
    pub(super) async fn ready(&self, resource: &ResourcePlan) -> Result<(), RunError> {
        let mut at = resource;
        while let Some(parent) = at.parent.as_ref().and_then(|plan| self.parents.get(plan.resource.as_str())) {
            if let End::Failed(kind) = parent.ended().await {
                let (resource, parent) = (resource.name.clone(), parent.plan.name.clone());
                return Err(RunError::ParentFailed { resource, parent, kind });
            }
            at = parent.plan;
        }
        Ok(())
    }

    /// What a child needs of its parent's records; `None` if it has no parent. Where that was not kept, the parent's list is
    /// fetched, and counted with the child.
    ///
    /// # Errors
    /// Why the parent's list cannot be had, and [`RunError::ParentField`] if a record of it lacks something.
    pub(super) async fn rows_of_parent(
        &self,
        child: &ResourcePlan,
        sources: Sources<'_>,
        counters: &mut Counters,
    ) -> Result<Option<Arc<Rows>>> {
        let Some(plan) = &child.parent else { return Ok(None) };
        let rows = self.rows(child, &plan.resource, sources, counters).await?;
        rows.check(&child.name, plan)?;
        Ok(Some(rows))
    }

    /// Boxed, since parents have parents.
    fn rows<'b>(
        &'b self,
        child: &'b ResourcePlan,
        name: &'b str,
        sources: Sources<'b>,
        counters: &'b mut Counters,
    ) -> BoxFuture<'b, Result<Arc<Rows>>> {
        async move {
            self.ready(child).await?;
            let unknown = || RunError::NoParent { resource: child.name.clone(), parent: name.to_owned() };
            let parent = self.parents.get(name).ok_or_else(unknown)?;
            if let Some(kept) = parent.kept.get() {
                return Ok(Arc::clone(kept));
            }
            parent.fetched.get_or_try_init(|| self.fetch(parent, sources, counters)).await.cloned()
        }
        .boxed()
    }

    async fn fetch(&self, parent: &Parent<'_>, sources: Sources<'_>, counters: &mut Counters) -> Result<Arc<Rows>> {
        let above = self.rows_of_parent(parent.plan, sources, counters).await?;
        let mut source = sources.silent().open(parent.plan, above.as_ref(), None)?;
        let mut rows = Rows::new(&parent.plan.name, Arc::clone(&parent.wanted));
        let ended = gather(parent.plan, source.as_mut(), &mut rows).await;
        counters.add_earlier(source.as_ref());
        ended?;
        Ok(Arc::new(rows.short(source.shortfall().map(str::to_owned))))
    }
}

/// What children need of all pages of a list, as its steps make them.
async fn gather(parent: &ResourcePlan, source: &mut dyn PageSource, rows: &mut Rows) -> Result<()> {
    let processor = Arc::new(Processor::new(&parent.name, &parent.processing_steps));
    while let Some(page) = source.next().await {
        let (page, processor) = (page?, Arc::clone(&processor));
        let processed = spawn_blocking(move || processor.process(page)).await;
        rows.take(&processed.map_err(|_| RunError::Worker { resource: parent.name.clone() })??);
    }
    Ok(())
}

impl Parent<'_> {
    async fn ended(&self) -> End {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as `self`: this cannot fail.
        ended.wait_for(Option::is_some).await.ok().and_then(|end| *end).unwrap_or(End::Well)
    }
}

/// What the children of a resource need of its records; `None` if it has none.
fn wanted(resource: &ResourcePlan, children: &[&ResourcePlan]) -> Option<Arc<[Wanted]>> {
    let plans = children.iter().filter_map(|child| child.parent.as_ref());
    let mut plans = plans.filter(|plan| plan.resource == resource.name).peekable();
    plans.peek()?;
    let mut all: Vec<Wanted> = Vec::new();
    for wanted in plans.flat_map(Wanted::of) {
        if !all.contains(&wanted) {
            all.push(wanted);
        }
    }
    Some(all.into())
}

/// The order in which resources are exported: those without parents first, then their children, then theirs.
pub(super) fn order(plan: &Plan) -> Vec<usize> {
    let all: BTreeMap<&str, &ResourcePlan> =
        plan.resources.iter().chain(&plan.parents).map(|resource| (resource.name.as_str(), resource)).collect();
    let depth = |index: &usize| {
        let parent = |resource: &&ResourcePlan| all.get(resource.parent.as_ref()?.resource.as_str()).copied();
        std::iter::successors(plan.resources.get(*index), parent).count()
    };
    let mut order: Vec<usize> = (0..plan.resources.len()).collect();
    order.sort_by_key(depth);
    order
}
