//! From one JSON value to one value of a type: exact, or a [`Misfit`] that says why not.
//!
//! Numbers are read from their digits and never through a float, so that nothing is rounded on the way. A string is read
//! as a number if it is one as JSON writes numbers: `"12"` and `"1.2e1"`, neither `" 12"` nor `"+12"` nor `"012"`.

pub(super) mod json;
pub(super) mod number;
pub(super) mod temporal;
pub(super) mod text;
