//! The way from a config's text to a finished run, in process.

use std::sync::Arc;

use restlake::{
    config::{self, Source},
    environment::Environment,
    plan::{self, Overrides, Plan},
    report::{ResourceSummary, Silent},
    run::{Outcome, run},
};

/// The plan of a YAML config; variables are `API_KEY`, `KEY` and `SECRET`.
pub fn plan_of(text: &str) -> Plan {
    plan_with(text, &Overrides::default())
}

pub fn plan_with(text: &str, overrides: &Overrides) -> Plan {
    let source = Source::Stdin { text: text.to_owned() };
    let loaded = config::load(source, &variables).unwrap_or_else(|problems| panic!("{problems:#?}"));
    plan::resolve(&loaded, overrides).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

pub fn variables(name: &str) -> Option<String> {
    match name {
        "API_KEY" => Some(API_KEY.to_owned()),
        "KEY" => Some(super::s3::ACCESS_KEY.to_owned()),
        "SECRET" => Some(super::s3::SECRET_KEY.to_owned()),
        _ => None,
    }
}

pub const API_KEY: &str = "api-key-that-nobody-sees";

/// Runs to the end, in real time, without faults.
pub async fn run_plan(plan: Plan) -> Outcome {
    run(plan, Environment::real(), Arc::new(Silent)).await
}

/// The one resource of a run that went well.
pub fn only(outcome: Outcome) -> ResourceSummary {
    assert!(outcome.kinds.is_empty(), "{outcome:#?}");
    let [resource] = <[ResourceSummary; 1]>::try_from(outcome.summary.resources).unwrap();
    resource
}
