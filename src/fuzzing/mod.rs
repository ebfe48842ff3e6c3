//! The checks of the fuzz targets in `tests/fuzz`: each takes any bytes, and panics where a promise does not hold.
//!
//! ```text
//! tests/fuzz/fuzz_targets/page.rs ─► page(bytes) ◄─ cargo test, with the bytes of each file of tests/fuzz/corpus/page
//! ```
//!
//! They stand here and not in `tests/fuzz` because what they check is private for the most part.

mod page;

pub use self::page::page;
pub use crate::fetch::fuzzing::{csv, headers};

pub fn config(_data: &[u8]) {}
pub fn selectors(_data: &[u8]) {}
pub fn documents(_data: &[u8]) {}

#[cfg(test)]
mod corpora;
