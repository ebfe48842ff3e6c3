//! The checks of the fuzz targets in `tests/fuzz`: each takes any bytes, and panics where a promise does not hold.
//!
//! ```text
//! tests/fuzz/fuzz_targets/page.rs ─► page(bytes) ◄─ cargo test, with the bytes of each file of tests/fuzz/corpus/page
//! ```
//!
//! They stand here and not in `tests/fuzz` because what they check is private for the most part.

mod config;
mod documents;
mod page;
mod selectors;

pub use self::{config::config, documents::documents, page::page, selectors::selectors};
pub use crate::{
    fetch::fuzzing::{csv, headers},
    jq::fuzzing::jq,
};

#[cfg(test)]
mod corpora;
