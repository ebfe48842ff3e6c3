//! All files of a table with the columns that the config has now: what a run does itself up to its `rewrite_limit`.

use std::{collections::BTreeSet, sync::Arc};

use tokio::task::spawn_blocking;

use super::{Change, Work, read_checked};
use crate::{
    commit::TableSnapshot,
    error::Result,
    maintain::{MaintainError, spec},
    model::{DataFile, EncodedFile},
    plan::ResourcePlan,
    schema::{
        SchemaChange, TableSchema,
        change::{self, side_by_side},
    },
    write::{WriteOptions, adapt, empty_file, renamed},
};

/// The schema that the table is to have; `None` if it has it already, or if the config declares none.
///
/// # Errors
/// [`MaintainError::Schema`] for a change that the rows that are there do not allow.
pub(super) fn wanted(
    resource: &ResourcePlan,
    snapshot: &TableSnapshot,
    table: &TableSchema,
) -> Result<Option<TableSchema>> {
    if resource.schema.columns.is_empty() {
        return Ok(None);
    }
    let wanted = change::wanted(Some(table), &resource.schema);
    let fields = spec::parse(&resource.table, &snapshot.partition_by, &wanted)?;
    let partition_by: Vec<usize> = fields.iter().map(|field| field.column).collect();
    match change::compare(table, &wanted, &partition_by) {
        SchemaChange::Same => Ok(None),
        SchemaChange::Compatible => Ok(Some(wanted)),
        SchemaChange::Refused(reasons) => Err(MaintainError::Schema {
            table: resource.table.clone(),
            reasons: reasons.join("; "),
            shapes: side_by_side(table, &wanted),
        }
        .into()),
    }
}

impl Work<'_> {
    /// Each file again, one for one, with the columns of `write`.
    pub(super) async fn adapted(&self, from: &TableSchema, write: &Arc<WriteOptions>) -> Result<Change<'_>> {
        let mut change = Change::default();
        for (file, sequence) in self.snapshot.files.iter().zip(0..) {
            self.check_stop()?;
            let adapted = self.adapt(file, from, write, sequence).await?;
            change.adds.push(self.attempt.stage(adapted).await?);
            change.removes.push(file);
        }
        self.check_rows(&change.removes, &change.adds)?;
        change.partitions = change.removes.iter().map(|file| &file.partition).collect::<BTreeSet<_>>().len() as u64;
        Ok(change)
    }

    async fn adapt(
        &self,
        file: &DataFile,
        from: &TableSchema,
        write: &Arc<WriteOptions>,
        sequence: u64,
    ) -> Result<EncodedFile> {
        // The file that stands for an empty table has other columns than the rest, and no rows.
        if file.rows == 0 && file.partition.is_empty() {
            return Ok(empty_file(write, sequence)?);
        }
        let content = read_checked(self.table, &self.resource.table, file).await?;
        let DataFile { partition, rows, keys, .. } = file.clone();
        let path = renamed(&file.path, write, sequence);
        let old = EncodedFile { path, partition, rows, keys, content };
        let (from, write) = (from.clone(), Arc::clone(write));
        let adapted = spawn_blocking(move || adapt(old, &from, &write)).await;
        let worker = || MaintainError::Worker { table: self.resource.table.clone(), file: file.path.clone() };
        Ok(adapted.map_err(|_| worker())??)
    }
}
