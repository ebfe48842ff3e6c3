//! Whether what a run will write belongs into the table as it is: asked before the first request.

use super::{RunError, evolving, merging, outcome::Counters, resource::Export};
use crate::{
    commit::TableSnapshot,
    error::Result,
    plan::{ResourcePlan, WriteDisposition},
};

impl Export<'_> {
    /// # Errors
    /// The first pages in place of a whole table, and a table of another shape.
    pub(super) fn check_fits(&self, base: &TableSnapshot) -> Result<()> {
        let disposition = self.resource.write_disposition;
        let is_partial = self.resource.max_pages.is_some() && !self.partial_replace_allowed;
        if disposition == WriteDisposition::Replace && is_partial && base.rows > 0 {
            return Err(RunError::PartialReplace { table: self.resource.table.clone(), rows: base.rows }.into());
        }
        if disposition == WriteDisposition::Merge {
            merging::check(self.resource, base)?;
        }
        evolving::in_table(self.resource, self.table_format, base)?;
        Ok(())
    }

    /// # Errors
    /// Nothing in place of a whole table, where what came is not all there was to come.
    pub(super) fn check_replaces(&self, base: &TableSnapshot, rows: u64, counters: &Counters) -> Result<()> {
        let disposition = self.resource.write_disposition;
        if disposition == WriteDisposition::Replace && rows == 0 && counters.has_ignored && base.rows > 0 {
            return Err(RunError::EmptyReplace { table: self.resource.table.clone(), rows: base.rows }.into());
        }
        Ok(())
    }
}

/// The partition spec as a user writes it.
pub(super) fn partition_spec(resource: &ResourcePlan) -> Vec<String> {
    resource.partition_by.iter().map(|field| field.spec(&resource.schema)).collect()
}
