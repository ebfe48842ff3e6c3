//! Whether what a run will write belongs into the table as it is: asked before the first request.

use super::{RunError, merging, resource::Export};
use crate::{
    commit::TableSnapshot,
    error::{Error, Result},
    plan::{ResourcePlan, WriteDisposition},
    schema::TableSchema,
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
        let adds = matches!(disposition, WriteDisposition::Append | WriteDisposition::Merge);
        if adds && base.rows > 0 { self.check_shape(base) } else { Ok(()) }
    }

    fn check_shape(&self, base: &TableSnapshot) -> Result<()> {
        let changed = |what, before: String, now: String| {
            Error::from(RunError::ShapeChanged { table: self.resource.table.clone(), what, before, now })
        };
        let now = &self.resource.schema;
        match &base.schema {
            Some(before) if before.to_arrow() != now.to_arrow() => {
                return Err(changed("the schema", columns_apart(before, now), columns_apart(now, before)));
            }
            _ => {}
        }
        let spec = partition_spec(self.resource);
        if base.partition_by != spec {
            return Err(changed("the partition spec", base.partition_by.join(", "), spec.join(", ")));
        }
        Ok(())
    }
}

/// The partition spec as a user writes it.
pub(super) fn partition_spec(resource: &ResourcePlan) -> Vec<String> {
    resource.partition_by.iter().map(|field| field.spec(&resource.schema)).collect()
}

/// The columns in which two schemas differ, as a user declares them.
fn columns_apart(schema: &TableSchema, other: &TableSchema) -> String {
    let (fields, others) = (schema.to_arrow(), other.to_arrow());
    let apart = schema.columns.iter().enumerate().filter(|(index, _)| {
        let field = fields.fields().get(*index);
        field != others.fields().get(*index)
    });
    let columns = apart.map(|(_, column)| format!("{}: {}", column.name, column.data_type)).collect::<Vec<_>>();
    if columns.is_empty() { "(no such columns)".to_owned() } else { columns.join(", ") }
}
