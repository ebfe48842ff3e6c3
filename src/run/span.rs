//! How far the sources above a resource have been read: which records of a parent a child has asked for its own by.
//!
//! ```text
//! parent's run   X0 ──rows──► X1      its table says X1
//! child's run    X0 ──rows──► X1      its table says: parents at X1      the next run: X1 = X1, the rows of X1…X2 are all it needs
//!                X0 ──✗ failed        its table says: parents at X0      the next run: X0 ≠ X1, the list is read from X0 again
//! ```
//!
//! Each table is committed for itself, and a child may fail, or be left out, where its parent's cursor moves on. Since the
//! child's own commit says which of the parent's records it knows of, none is lost and none is asked for twice.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    commit::TableSnapshot,
    plan::{ResourcePlan, WriteDisposition},
};

/// Where the cursors of some resources stand, by name, as the tables' states have them; none where nothing has been read.
pub(super) type Marks = BTreeMap<String, Value>;

/// From where to where the lists were read that records are from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) from: Marks,
    pub(super) to: Marks,
}

impl Span {
    /// That of nothing, at one place.
    pub(super) fn at(marks: Marks) -> Self {
        Self { from: marks.clone(), to: marks }
    }
}

/// What a table's state says of the resources above its own; `None` where that does not matter.
pub(super) fn known(child: &ResourcePlan, base: &TableSnapshot) -> Option<Marks> {
    // A table that is written anew holds what belongs to the records that its parent has in this run.
    if child.write_disposition == WriteDisposition::Replace {
        return None;
    }
    // An interval is one of all lists.
    let is_interval = child.incremental.as_ref().is_some_and(|plan| plan.is_interval);
    Some(if is_interval { Marks::new() } else { base.state.parents.clone() })
}

/// Those of some resources alone.
pub(super) fn of(marks: &Marks, names: &[&str]) -> Marks {
    marks
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, mark)| (name.clone(), mark.clone()))
        .collect()
}
