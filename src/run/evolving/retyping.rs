//! Inferred columns whose type changes while pages come.
//!
//! ```text
//! null in all rows so far   first values 7, 8     ─► int64
//! int64                     2.5                   ─► float64, if all values so far are at most 2^53
//! int64                     18446744073709551615  ─► decimal(38,0)
//! date                      2026-11-22T07:00:00Z  ─► timestamp
//! struct<a: int64>          {"a": 0.5, "b": true} ─► struct<a: float64, b: bool>
//! ```
//!
//! No value is altered by it. A column keeps its type if it is a key, sorts or partitions rows, under `scd2`, which
//! compares rows by the content of all columns, and if a Delta table has it, whose log keeps types.

use arrow::array::ArrayRef;

use super::Evolving;
use crate::{
    error::Result,
    merge,
    model::Batch,
    plan::{MergeStrategy, ResourcePlan, TableFormatKind, inference::limits},
    run::RunError,
    schema::{
        Column, ColumnType, ColumnsContract, DataTypeContract, Source, TableSchema,
        change::{self, floated},
    },
    write::has_large_integers,
};

/// Reason why a column keeps its type.
pub(super) enum Fixed {
    /// A Delta table has it.
    Delta,
    /// Some of its whole numbers are no doubles, or may be none.
    Large,
    /// Names of its fields collide, or the table cannot have them.
    Fields,
}

impl Fixed {
    fn reason(&self) -> &'static str {
        match self {
            Self::Delta => "a Delta table keeps the types of its columns",
            Self::Large => "it holds, or may hold, whole numbers beyond 2^53, which no float64 equals",
            Self::Fields => "names of its fields collide",
        }
    }

    /// A line for the config that would let the values in.
    fn hint(&self, column: &str, wanted: &ColumnType) -> String {
        let quote = |data_type: &str| if data_type.contains(['(', '<']) { "\"" } else { "" };
        let pinned = |data_type: &str| {
            let quote = quote(data_type);
            format!("set `columns: {{{column}: {{data_type: {quote}{data_type}{quote}}}}}` on the resource")
        };
        match self {
            Self::Delta => format!(
                "{} and give it another `table_name`, or delete the table's directory and export it anew",
                pinned(&wanted.to_string())
            ),
            Self::Large => format!("{}, which keeps every digit, and run with --full-refresh", pinned("string")),
            Self::Fields => format!("{} and run with --full-refresh", pinned("json")),
        }
    }

    pub(super) fn error(&self, resource: &ResourcePlan, page: u64, column: &Column, wanted: &ColumnType) -> RunError {
        RunError::FixedType {
            resource: resource.name.clone(),
            page,
            column: column.name.clone(),
            data_type: column.data_type.to_string(),
            wanted: wanted.to_string(),
            reason: self.reason(),
            hint: self.hint(&column.name, wanted),
        }
    }
}

/// Columns that are keys, or sort or partition rows: hashes, orders and paths were made of their values in the present type.
pub(super) fn places(resource: &ResourcePlan) -> Vec<usize> {
    let keys = resource.primary_key.iter().chain(&resource.merge.merge_key).copied();
    let sorts = resource.dedup_sort.iter().map(|sort| sort.column);
    keys.chain(sorts).chain(resource.partition_by.iter().map(|field| field.column)).collect()
}

impl Evolving {
    /// Returns true if a value that does not fit the column may widen its type.
    pub(super) fn is_open(&self, column: &Column) -> bool {
        // Where a mismatch rejects a row or a value, nothing is gained by an error that says more.
        let says_why = self.resource.contract.data_type == DataTypeContract::Freeze;
        matches!(column.source, Source::Evolved(_))
            && !self.keeps_type(column)
            && !self.closed.contains(&column.name)
            && (says_why || !self.is_logged(column))
    }

    fn keeps_type(&self, column: &Column) -> bool {
        let is_scd2 = matches!(self.resource.merge.strategy, MergeStrategy::Scd2(_));
        let is_placed = self.placed.iter().filter_map(|&index| self.resource.schema.columns.get(index));
        is_scd2 || is_placed.into_iter().any(|placed| placed.name == column.name)
    }

    /// Returns true if the column is in a Delta log, where no commit changes its type.
    fn is_logged(&self, column: &Column) -> bool {
        self.format == TableFormatKind::Delta && self.logged.contains(&column.name)
    }

    /// Gives a column that held no value yet the type of its first ones, where it can have another than text.
    pub(super) fn type_unseen(&mut self, column: &mut Column, source: Source, seen: Option<ColumnType>) {
        let limits = limits(self.resource.naming, self.format);
        column.source = source;
        let Some(seen) = seen.filter(|seen| limits.allow(seen)) else { return };
        let is_text = seen.to_arrow() == column.data_type.to_arrow();
        if self.keeps_type(column) {
            return;
        }
        if !is_text && self.is_logged(column) {
            let hint = Fixed::Delta.hint(&column.name, &seen);
            self.said.push(format!(
                "the column `{}` held no value before and stays text, although its values are {seen}: {}; {hint}",
                column.name,
                Fixed::Delta.reason()
            ));
            return;
        }
        column.data_type = seen;
    }

    /// Gives a column the type that holds what came as well.
    pub(super) fn widen(&self, column: &mut Column, seen: &ColumnType) -> Result<(), Fixed> {
        let limits = limits(self.resource.naming, self.format);
        let wider = match self.resource.contract.columns {
            ColumnsContract::Evolve => change::extended(&column.data_type, seen),
            _ => Some(change::widened(&column.data_type, seen)),
        };
        // What is left as it was would lose fields.
        let wider = wider.filter(|wider| *wider != column.data_type && limits.allow(wider)).ok_or(Fixed::Fields)?;
        if self.is_logged(column) {
            return Err(Fixed::Delta);
        }
        column.data_type = wider;
        Ok(())
    }

    /// The first column that would become a float and holds whole numbers that are none, in the table or in this run.
    pub(super) async fn inexact<'s>(&self, schema: &'s TableSchema) -> Result<Option<(Column, &'s ColumnType)>> {
        for (column, now) in self.resource.schema.columns.iter().zip(&schema.columns) {
            let leaves = floated(&column.name, &column.data_type, &now.data_type);
            if leaves.is_empty() {
                continue;
            }
            let is_exact = !self.large.contains(&column.name)
                && merge::are_doubles(&self.kept.table, &self.kept.files, &leaves).await?;
            if !is_exact {
                return Ok(Some((column.clone(), &now.data_type)));
            }
        }
        Ok(None)
    }

    /// Remembers which inferred columns of the rows have whole numbers that are no doubles.
    pub(super) fn note_large(&mut self, batch: &Batch) {
        let columns = self.resource.schema.columns.iter().zip(batch.rows.columns());
        let inferred = columns.filter(|(column, _)| matches!(column.source, Source::Evolved(_)));
        let large = inferred.filter(|(column, values): &(&Column, &ArrayRef)| {
            !self.large.contains(&column.name) && has_large_integers(values)
        });
        let large: Vec<String> = large.map(|(column, _)| column.name.clone()).collect();
        self.large.extend(large);
    }
}
