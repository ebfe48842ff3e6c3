//! The integration tests, in ONE binary: arrow is linked once.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod cli;
mod config_errors;
#[cfg(feature = "delta")]
mod delta;
mod export;
mod http;
mod layers;
mod pagination;
mod stores;
mod table_formats;
mod write;
