//! Resources that are asked for once for each record of another one.

use serde::Serialize;

use crate::json::Selector;

/// The resource each of whose records makes one list of this one's, and what is taken from the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParentPlan {
    pub resource: String,
    /// What fills the places of the request; the places name it by its text.
    pub fields: Vec<Selector>,
    pub include: Vec<IncludedField>,
}

/// A field of the parent's record that every record of its list gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IncludedField {
    /// A key of the record.
    pub field: String,
    /// What it is called there: `_posts_id`.
    pub name: String,
}

impl IncludedField {
    /// As dlt calls it.
    pub fn of(parent: &str, field: String) -> Self {
        Self { name: format!("_{parent}_{field}"), field }
    }
}
