//! Decides from the answers if a page sequence holds all records of its result set.

pub(super) mod totals;
