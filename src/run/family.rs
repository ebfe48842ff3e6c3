//! Parents and children: who has to wait for whom, and how the records of the one come to the other.
//!
//! ```text
//! parent is exported ──pages──► its table          parent is not, or not all its pages came by, or not all that are needed
//!                      └─fields─► rows ─► child                  ─► its list is fetched for the child ─► rows ─► child
//! ```
//!
//! A parent that is read by a cursor gives its new records alone. Those that the child knows of already are told by the
//! child's own table, see [`span`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use chrono::{DateTime, Utc};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::{OnceCell, watch};

use super::{
    RunError, cursor,
    gathering::{by_cursor, gather},
    outcome::Counters,
    rows::{Rows, Wanted},
    source::Sources,
    span::{self, Marks, Span},
};
use crate::{
    error::{ErrorKind, Result},
    plan::{Plan, ResourcePlan},
};

/// All resources of a run whose records others are asked for by.
pub(super) struct Family<'a> {
    parents: BTreeMap<&'a str, Parent<'a>>,
    /// Bytes of a parent's records that may be kept.
    memory: u64,
    /// When the run began.
    began: DateTime<Utc>,
}

/// One part in so many of the memory is for the fields of a parent's records that its children need.
const KEPT_PART: u64 = 4;

struct Parent<'a> {
    plan: &'a ResourcePlan,
    /// What all its children need.
    wanted: Arc<[Wanted]>,
    /// Those whose cursors tell which records it has: itself and those above it, as far as they have one.
    marked: Vec<&'a str>,
    /// `None` until its export has ended.
    ended: watch::Sender<Option<End>>,
    /// What was kept of the pages of its export so far.
    gathered: Mutex<Gathered>,
    /// What its export has left.
    came: OnceLock<Came>,
    /// What was fetched where that does not do, by the marks that it begins at.
    fetched: Mutex<BTreeMap<String, Fetched>>,
}

type Fetched = Arc<OnceCell<Arc<Rows>>>;

#[derive(Debug)]
enum Gathered {
    Nothing,
    Rows(Box<Rows>),
    /// Some pages went by unseen.
    Lost,
}

/// What an export that ended well has left for the children.
#[derive(Debug)]
struct Came {
    /// `None` if not all of its pages were seen.
    rows: Option<Arc<Rows>>,
    span: Span,
}

/// How a parent's export ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Well, or there was none.
    Well,
    Failed(ErrorKind),
}

impl<'a> Family<'a> {
    pub(super) fn new(plan: &'a Plan, began: DateTime<Utc>) -> Self {
        Self::over(plan, None, began)
    }

    /// The family where nothing is exported, and all lists are read for the children alone.
    pub(super) fn of_lists(plan: &'a Plan, began: DateTime<Utc>) -> Self {
        Self::over(plan, Some(End::Well), began)
    }

    /// `end` is that of the exported ones.
    fn over(plan: &'a Plan, end: Option<End>, began: DateTime<Utc>) -> Self {
        let exported = plan.resources.iter().map(|resource| (resource, end));
        let others = plan.parents.iter().map(|resource| (resource, Some(End::Well)));
        let children: Vec<_> = plan.resources.iter().chain(&plan.parents).collect();
        let parent = |(resource, end): (&'a ResourcePlan, Option<End>)| {
            let wanted = wanted(resource, &children)?;
            let marked = marked(resource, &children);
            let (gathered, fetched) = (Mutex::new(Gathered::Nothing), Mutex::default());
            let (ended, came) = (watch::Sender::new(end), OnceLock::new());
            Some((resource.name.as_str(), Parent { plan: resource, wanted, marked, ended, gathered, came, fetched }))
        };
        Self {
            parents: exported.chain(others).filter_map(parent).collect(),
            memory: plan.memory_limit / KEPT_PART,
            began,
        }
    }

    /// Where what its children need is gathered, if the resource has some.
    pub(super) fn rows_for(&self, resource: &str) -> Option<Rows> {
        self.parents.get(resource).map(|parent| Rows::new(resource, Arc::clone(&parent.wanted), self.memory))
    }

    /// All pages of the resource, or of one of its windows, went by; `None` if they were not all seen.
    pub(super) fn keep(&self, resource: &str, rows: Option<Rows>) {
        let Some(parent) = self.parents.get(resource) else { return };
        let mut gathered = parent.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        *gathered = match (std::mem::replace(&mut *gathered, Gathered::Lost), rows) {
            (Gathered::Nothing, Some(rows)) => Gathered::Rows(Box::new(rows)),
            (Gathered::Rows(mut before), Some(rows)) => {
                before.append(rows);
                Gathered::Rows(before)
            }
            (Gathered::Lost, _) | (_, None) => Gathered::Lost,
        };
    }

    /// The resource has been read over this span, with all that is committed.
    pub(super) fn settle(&self, resource: &str, span: Span) {
        let Some(parent) = self.parents.get(resource) else { return };
        let mut gathered = parent.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = match std::mem::replace(&mut *gathered, Gathered::Lost) {
            Gathered::Rows(rows) => Some(*rows),
            Gathered::Nothing => {
                Some(Rows::new(resource, Arc::clone(&parent.wanted), self.memory).short(by_cursor(parent.plan)))
            }
            Gathered::Lost => None,
        };
        let rows = rows.map(|rows| Arc::new(rows.of(span.clone())));
        // Each resource is exported once.
        let _ = parent.came.set(Came { rows, span });
    }

    /// Whether the records of the resource's parent are read by a cursor, its own or one above it.
    pub(super) fn has_marks(&self, resource: &ResourcePlan) -> bool {
        let parent = resource.parent.as_ref().and_then(|plan| self.parents.get(plan.resource.as_str()));
        parent.is_some_and(|parent| !parent.marked.is_empty())
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

    /// What a child needs of its parent's records; `None` if it has no parent. `known` tells how far those above it had been
    /// read when all their records were asked for, `None` if those of this run are all that is wanted. Where they were not
    /// kept, the parent's list is fetched, and counted with the child.
    ///
    /// # Errors
    /// Why the parent's list cannot be had, and [`RunError::ParentField`] if a record of it lacks something.
    pub(super) async fn rows_of_parent(
        &self,
        child: &ResourcePlan,
        known: Option<&Marks>,
        sources: Sources<'_>,
        counters: &mut Counters,
    ) -> Result<Option<Arc<Rows>>> {
        let Some(plan) = &child.parent else { return Ok(None) };
        let rows = self.rows(child, &plan.resource, known, sources, counters).await?;
        rows.check(&child.name, plan)?;
        Ok(Some(rows))
    }

    /// Boxed, since parents have parents.
    fn rows<'b>(
        &'b self,
        child: &'b ResourcePlan,
        name: &'b str,
        known: Option<&'b Marks>,
        sources: Sources<'b>,
        counters: &'b mut Counters,
    ) -> BoxFuture<'b, Result<Arc<Rows>>> {
        async move {
            self.ready(child).await?;
            let unknown = || RunError::NoParent { resource: child.name.clone(), parent: name.to_owned() };
            let parent = self.parents.get(name).ok_or_else(unknown)?;
            let came = parent.came.get();
            let from = match (known, came) {
                (Some(known), _) => span::of(known, &parent.marked),
                (None, Some(came)) => came.span.from.clone(),
                (None, None) => Marks::new(),
            };
            if let Some(Came { rows: Some(rows), span }) = came.filter(|came| came.span.from == from) {
                debug_assert_eq!(span, &rows.span);
                return Ok(Arc::clone(rows));
            }
            let cell = parent.fetched(&from)?;
            cell.get_or_try_init(|| self.fetch(parent, from, sources, counters)).await.cloned()
        }
        .boxed()
    }

    /// Reads the parent's list from where the marks stand. It may be read further than its export has: then the child knows
    /// more than the parent's table, until both have read the same.
    async fn fetch(
        &self,
        parent: &Parent<'_>,
        from: Marks,
        sources: Sources<'_>,
        counters: &mut Counters,
    ) -> Result<Arc<Rows>> {
        let name = &parent.plan.name;
        let above = self.rows_of_parent(parent.plan, Some(&from), sources, counters).await?;
        let mut resource = parent.plan.clone();
        let mut state = from.get(name).cloned();
        let bound = cursor::bind(&mut resource, state.as_ref(), above.as_deref(), self.began)?;
        let mut rows = Rows::new(name, Arc::clone(&parent.wanted), self.memory);
        let first = match &mut resource.incremental {
            Some(plan) => plan.range.take().map(Some),
            None => Some(None),
        };
        for range in first.into_iter().chain(bound.later.into_iter().map(Some)) {
            if let Some(plan) = &mut resource.incremental {
                plan.range = range;
            }
            state = gather(&resource, above.as_ref(), state, sources, counters, &mut rows).await?;
        }
        let mut to = above.map(|rows| rows.span.to.clone()).unwrap_or_default();
        to.extend(state.filter(|_| resource.goes_on()).map(|mark| (name.clone(), mark)));
        let shortfall = rows.shortfall.take().or_else(|| by_cursor(&resource));
        Ok(Arc::new(rows.short(shortfall).of(Span { from, to })))
    }

    /// What the user should know where the parent's export does not begin where the child's knowledge ends.
    pub(super) fn behind(&self, child: &ResourcePlan, known: Option<&Marks>) -> Option<String> {
        let parent = self.parents.get(child.parent.as_ref()?.resource.as_str())?;
        let is_behind = parent.came.get()?.span.from != span::of(known?, &parent.marked);
        let (child, parent) = (&child.name, &parent.plan.name);
        is_behind.then(|| {
            format!(
                "`{child}` has not been asked for by the same records that `{parent}` has: the list of `{parent}` was read once \
                 more for it"
            )
        })
    }
}

impl Parent<'_> {
    /// Where the rows are, or will be, that are read from these marks on.
    ///
    /// # Errors
    /// [`RunError::Stored`] if the marks cannot be written down.
    fn fetched(&self, from: &Marks) -> Result<Fetched, RunError> {
        let key = serde_json::to_string(from).map_err(RunError::Stored)?;
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(fetched.entry(key).or_default()))
    }

    async fn ended(&self) -> End {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as `self`: this cannot fail.
        ended.wait_for(Option::is_some).await.ok().and_then(|end| *end).unwrap_or(End::Well)
    }
}

/// The resource and those above it, as far as a run of them goes on where the one before ended.
fn marked<'a>(resource: &'a ResourcePlan, all: &[&'a ResourcePlan]) -> Vec<&'a str> {
    let parent = |resource: &&'a ResourcePlan| {
        let name = &resource.parent.as_ref()?.resource;
        all.iter().find(|other| other.name == *name).copied()
    };
    let line = std::iter::successors(Some(resource), parent);
    line.filter(|resource| resource.goes_on()).map(|resource| resource.name.as_str()).collect()
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
