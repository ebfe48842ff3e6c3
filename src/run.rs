//! The one module that joins the stages: a plan goes in, tables are committed, a summary comes out.
//!
//! ```text
//!            ┌─ per resource ────────────────────────────────────────────────────────────────────────────┐
//!  plan ───► │ open table ─► claim attempt ─► [fetch ─► decode ─► dedup + write ─► stage] ─► commit ─► … │ ───► Outcome
//!            └───────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The table is opened, and so the destination tried, before the first request. Nothing is visible to a reader until the
//! commit; whatever fails before it leaves the table as it was and takes its staged files away. One failing resource does
//! not stop the others, but its children. `pipeline.rs` is the part in brackets, `family.rs` says who waits for whom.

mod begin;
mod boundary;
mod change;
mod checkpoint;
mod claims;
mod compacting;
mod cursor;
mod detected;
mod empty_columns;
mod error;
mod evolving;
mod family;
mod fill;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gathering;
mod inferring;
mod list_reads;
mod load_columns;
mod masked;
mod merging;
mod outcome;
mod pipeline;
mod resource;
mod rows;
mod shape;
mod source;
mod span;
mod superseded;
mod verdict;
mod windows;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};

use crate::{
    commit,
    environment::Environment,
    error::{ErrorKind, Result},
    fetch::Client,
    model::TableIdentity,
    plan::{Plan, ResourcePlan, WriteDisposition},
    report::{Event, Reporter, Status},
    store::{self, Destination, Store},
};

use self::{
    claims::Claims,
    family::Family,
    outcome::{Counters, Ended},
    resource::Export,
};
pub use self::{error::RunError, inferring::Inferred, outcome::Outcome};

/// Resources that are exported at the same time. Each has this part of the memory, also where it is alone: where a file ends
/// depends on the memory that its writer has, and must not depend on what else is exported.
const RESOURCES_AT_ONCE: usize = 2;

/// One part in so many of the memory is what a single page may take, with the index of its values: its rows take as much
/// again, and so does what the writer makes of them.
const LARGEST_PAGE: u64 = 3;

/// Runs all resources of `plan`. Failures are in the outcome, resource by resource.
pub async fn run(plan: Plan, environment: Environment, reporter: Arc<dyn Reporter>) -> Outcome {
    run_held(plan, environment, reporter).await.release().await
}

/// A run that is over but for its word: other runs of its tables find it alive until it is released.
///
/// That goes for tables it has appended to alone: to merge or to replace once more changes nothing, so that the others are
/// free as soon as they are done. Whoever tells of the outcome does so before the release: a process that dies before it has
/// told is found to have committed, so that an `append` that is run again does not append twice. Of a run some of whose
/// resources failed, the appends that were committed stay on record beyond its end, as it is run again for the others.
/// Dropped without [`release`](Self::release), all its commits do.
#[derive(Debug)]
#[must_use = "other runs find it alive until it is released"]
pub struct Held {
    pub outcome: Outcome,
    claims: Claims,
}

impl Held {
    pub async fn release(self) -> Outcome {
        self.claims.end(self.outcome.kinds.is_empty()).await;
        self.outcome
    }
}

/// [`run`], with the claims on the tables held until the caller releases them.
pub async fn run_held(plan: Plan, environment: Environment, reporter: Arc<dyn Reporter>) -> Held {
    let run = Run::new(plan, environment, reporter);
    let started = run.environment.clock.elapsed();
    let connections = run.connect();
    let family = Family::new(&run.plan, run.began);
    let order = family::order(&run.plan);
    let jobs = order.iter().filter_map(|&index| run.plan.resources.get(index));
    let jobs = jobs.map(|resource| run.resource(resource, &connections, &family));
    let ended: Vec<Ended> = stream::iter(jobs).buffered(RESOURCES_AT_ONCE).collect().await;
    if let Ok(connections) = &connections {
        connections.client.settle().await;
    }
    let mut ended: Vec<_> = order.into_iter().zip(ended).collect();
    ended.sort_by_key(|(index, _)| *index);
    let ended: Vec<Ended> = ended.into_iter().map(|(_, ended)| ended).collect();
    let elapsed = run.environment.clock.elapsed().saturating_sub(started);
    Held { outcome: Outcome::new(run.plan.pipeline.clone(), run.run_id.clone(), elapsed, ended), claims: run.claims }
}

/// What a run would take for the columns of each resource that declares none: from its first pages, whatever its table has.
/// Nothing is written, and the destination is not looked at.
///
/// # Errors
/// A client that cannot be made. Whatever else fails is in the result, resource by resource.
pub async fn infer(mut plan: Plan, environment: Environment, reporter: Arc<dyn Reporter>) -> Result<Vec<Inferred>> {
    plan.destination = Destination { url: "memory://".to_owned(), options: Vec::new() };
    let run = Run::new(plan, environment, reporter);
    let connections = run.connect()?;
    let open = run.plan.resources.iter().filter(|resource| resource.inference.is_some());
    let family = Family::of_lists(&run.plan, run.began);
    let jobs = open.map(async |resource| {
        let Inferred { resource, result } = run.export(resource, &connections, &family).infer_alone().await;
        Inferred { resource, result: result.map_err(|error| masked::masked(&error, connections.client.redactor())) }
    });
    Ok(stream::iter(jobs).buffered(RESOURCES_AT_ONCE).collect().await)
}

/// What all resources of a run share.
struct Run {
    plan: Plan,
    run_id: String,
    began: DateTime<Utc>,
    claims: Claims,
    environment: Environment,
    reporter: Arc<dyn Reporter>,
}

/// The two ends of the pipeline.
struct Connections {
    client: Arc<Client>,
    store: Store,
}

impl Run {
    fn new(plan: Plan, environment: Environment, reporter: Arc<dyn Reporter>) -> Self {
        let began = environment.clock.now();
        let run_id = environment.run_id(began);
        let claims = Claims::new(run_id.clone());
        Self { plan, run_id, began, claims, environment, reporter }
    }

    fn connect(&self) -> Result<Connections> {
        let redactor = self.plan.redactor();
        let store = self.open_store()?;
        let client = Client::new(&self.plan.client, redactor, self.environment.clone(), Arc::clone(&self.reporter))?;
        let client = client.with_largest_page(self.plan.memory_limit / LARGEST_PAGE);
        let resources = self.plan.resources.iter().chain(&self.plan.parents);
        let client = resources.fold(client, |client, resource| match &resource.auth {
            Some(auth) => client.with_auth(&resource.name, auth),
            None => client,
        });
        Ok(Connections { client: Arc::new(client), store })
    }

    async fn resource(&self, resource: &ResourcePlan, connections: &Result<Connections>, family: &Family<'_>) -> Ended {
        let ready = match resource.write_disposition {
            WriteDisposition::Skip => Ok(()),
            _ => family.ready(resource).await,
        };
        let ended = match connections {
            _ if resource.write_disposition == WriteDisposition::Skip => Ended::left_out(resource),
            Err(error) => Ended::failed(resource, &Counters::default(), error, &self.plan.redactor()),
            Ok(_) if self.environment.shutdown.is_cancelled() => Ended::skipped(resource),
            Ok(connections) => match ready {
                Ok(()) => self.export(resource, connections, family).run().await,
                Err(failed) => {
                    let redactor = connections.client.redactor();
                    Ended::failed(resource, &Counters::default(), &failed.into(), redactor)
                }
            },
        };
        let redactor =
            connections.as_ref().map_or_else(|_| self.plan.redactor(), |ends| ends.client.redactor().clone());
        let ended = self.with_table(ended, resource, connections).await.with_masked_cursor(&redactor);
        family.end(&resource.name, ended.kind);
        self.reporter.on_event(&Event::ResourceFinished { summary: &ended.summary });
        ended
    }

    /// Adds the rows and version of the table to a resource that ended before its table was opened, if it can be read. Not where its own open
    /// failed in passing: the store would be waited for a second time.
    async fn with_table(&self, ended: Ended, resource: &ResourcePlan, connections: &Result<Connections>) -> Ended {
        let is_unreachable = ended.is_unopened && ended.kind == Some(ErrorKind::Transient);
        let has_run = ended.kind.is_none() && ended.summary.status != Status::Skipped;
        if has_run || ended.summary.table_version > 0 || is_unreachable {
            return ended;
        }
        let store = match connections {
            Ok(connections) => Ok(connections.store.clone()),
            Err(_) => self.open_store(),
        };
        let identity = TableIdentity { pipeline: self.plan.pipeline.clone(), resource: resource.name.clone() };
        let looked = store.and_then(|store| {
            commit::look(&store, &resource.table, identity, self.environment.clone(), self.plan.table_format)
        });
        let Ok(table) = looked else { return ended };
        match table.snapshot().await {
            Ok(snapshot) => ended.of_table(&snapshot),
            Err(_) => ended,
        }
    }

    fn open_store(&self) -> Result<Store> {
        Ok(store::open(&self.plan.destination, &|name| std::env::var(name).ok())?)
    }

    fn export<'a>(
        &'a self,
        resource: &'a ResourcePlan,
        connections: &'a Connections,
        family: &'a Family<'a>,
    ) -> Export<'a> {
        Export {
            pipeline: &self.plan.pipeline,
            run_id: &self.run_id,
            began: self.began,
            resource,
            configured: resource,
            source: &self.plan.client,
            destination: &self.plan.destination,
            table_format: self.plan.table_format,
            partial_replace_allowed: self.plan.partial_replace_allowed,
            wait: self.plan.wait,
            resume: self.plan.resume,
            claims: &self.claims,
            memory: self.plan.memory_limit / RESOURCES_AT_ONCE as u64,
            max_columns: self.plan.max_columns,
            client: &connections.client,
            store: &connections.store,
            environment: &self.environment,
            reporter: self.reporter.as_ref(),
            family,
            rows: None,
        }
    }
}
