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
//! not stop the others. `pipeline.rs` is the part in brackets.

mod error;
mod evolving;
mod load_columns;
mod merging;
mod outcome;
mod pipeline;
mod resource;
mod superseded;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};

use crate::{
    environment::Environment,
    error::Result,
    fetch::Client,
    plan::{Plan, ResourcePlan},
    report::{Event, Reporter},
    secret::Redactor,
    store::{self, Store},
};

pub use self::{error::RunError, outcome::Outcome};
use self::{
    outcome::{Counters, Ended},
    resource::Export,
};

/// Resources that are exported at the same time. Each has this part of the memory, also where it is alone: where a file ends
/// depends on the memory that its writer has, and must not depend on what else is exported.
const RESOURCES_AT_ONCE: usize = 2;

/// Runs all resources of `plan`. Failures are in the outcome, resource by resource.
pub async fn run(plan: Plan, environment: Environment, reporter: Arc<dyn Reporter>) -> Outcome {
    let run = Run::new(plan, environment, reporter);
    let started = run.environment.clock.elapsed();
    let connections = run.connect();
    let jobs = run.plan.resources.iter().map(|resource| run.resource(resource, &connections));
    let ended: Vec<Ended> = stream::iter(jobs).buffered(RESOURCES_AT_ONCE).collect().await;
    let elapsed = run.environment.clock.elapsed().saturating_sub(started);
    Outcome::new(run.plan.pipeline.clone(), run.run_id.clone(), elapsed, ended)
}

/// What all resources of a run share.
struct Run {
    plan: Plan,
    run_id: String,
    began: DateTime<Utc>,
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
        let run_id = run_id(&environment, began);
        Self { plan, run_id, began, environment, reporter }
    }

    fn connect(&self) -> Result<Connections> {
        let redactor = Redactor::new(self.plan.secrets.iter().map(|secret| secret.expose().clone()));
        let store = store::open(&self.plan.destination, &|name| std::env::var(name).ok())?;
        let client = Client::new(&self.plan.client, redactor, self.environment.clone(), Arc::clone(&self.reporter))?;
        Ok(Connections { client: Arc::new(client), store })
    }

    async fn resource(&self, resource: &ResourcePlan, connections: &Result<Connections>) -> Ended {
        let ended = match connections {
            Err(error) => Ended::failed(resource, &Counters::default(), error),
            Ok(_) if self.environment.shutdown.is_cancelled() => Ended::skipped(resource),
            Ok(connections) => self.export(resource, connections).run().await,
        };
        self.reporter.on_event(&Event::ResourceFinished { summary: &ended.summary });
        ended
    }

    fn export<'a>(&'a self, resource: &'a ResourcePlan, connections: &'a Connections) -> Export<'a> {
        Export {
            pipeline: &self.plan.pipeline,
            run_id: &self.run_id,
            began: self.began,
            resource,
            destination: &self.plan.destination,
            table_format: self.plan.table_format,
            partial_replace_allowed: self.plan.partial_replace_allowed,
            memory: self.plan.memory_limit / RESOURCES_AT_ONCE as u64,
            client: &connections.client,
            store: &connections.store,
            environment: &self.environment,
            reporter: self.reporter.as_ref(),
        }
    }
}

/// When the run began, to the millisecond, and something that two runs of one moment do not share.
fn run_id(environment: &Environment, began: DateTime<Utc>) -> String {
    let began = began.format("%Y%m%dT%H%M%S%3fZ");
    let salt = (environment.random.next() * f64::from(u32::MAX)) as u32;
    format!("{began}-{salt:08x}")
}
