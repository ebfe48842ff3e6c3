//! The integration tests, in ONE binary: arrow is linked once.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod auth;
mod bodies;
mod cli;
mod completeness;
mod config_errors;
mod cursors;
mod dependents;
mod edges;
mod error_answers;
mod export;
mod families;
mod faulty_store;
mod hosts;
mod http;
mod import;
mod imported_apis;
mod incremental;
mod inferred;
mod layers;
mod maintain;
mod memory;
mod merge;
mod moving;
mod odd_lists;
mod pagination;
mod paginators;
mod pause;
mod requests;
mod resume;
mod retyping;
mod schema_drift;
mod secrets;
mod stores;
mod table_formats;
mod two_runs;
mod value_formats;
mod write;
