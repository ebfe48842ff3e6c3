//! One structural scan of a page, made once, shared by fetch (totals, record counts) and decode (records).
//!
//! ```text
//! body (bytes) ──scan──► tape: one entry per value and key, in document order
//!                        string, number, word: where it starts and ends
//!                        object, array:        its start, and the entry after its last one
//! ```
//!
//! The tape makes skipping a value one addition, and gives every string its end without looking at its bytes again.
//! The scan checks the structure, so that a truncated body is found at once; what a *value* means is left to who reads it:
//! a bad escape, broken UTF-8 or a `NaN` is a mismatch of that value and never takes its page down. The *name* of a field is
//! different: no column could be named after a broken one, and its field would be lost. [`Document::broken_name`] finds it.

mod canonical;
mod document;
mod names;
mod query;
mod scan;
mod selector;
mod string;

pub use document::{Document, Fields, Items, Key, Kind, MAX_BODY, Node};
pub use names::BrokenName;
pub use scan::{MAX_DEPTH, ScanError, SyntaxError};
pub use selector::{Selector, SelectorError};
pub use string::StringError;
