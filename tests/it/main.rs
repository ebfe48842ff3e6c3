//! The integration tests, in ONE binary: arrow is linked once.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod auth;
mod cli;
mod config_errors;
mod dependents;
mod edges;
mod export;
mod families;
mod faulty_store;
mod http;
mod import;
mod incremental;
mod inferred;
mod layers;
mod maintain;
mod merge;
mod odd_lists;
mod pagination;
mod paginators;
mod pause;
mod resume;
mod schema_drift;
mod stores;
mod table_formats;
mod two_runs;
mod write;
