//! Columns that no record has: what the run knows of a row, filled in when its page is handed on.
//!
//! The decoder leaves them null. This is the one place where a clock enters data, and only for those who ask for it.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};

use super::RunError;
use crate::{
    environment::Clock,
    plan::{MergePlan, MergeStrategy, ResourcePlan, Scd2Plan},
    schema::{LoadColumn, Source},
};

/// Fills load columns.
#[derive(Debug)]
pub(super) struct LoadColumns {
    resource: String,
    run_id: String,
    clock: Arc<dyn Clock>,
    /// By index in the schema.
    columns: Vec<(usize, LoadColumn)>,
    validity: Scd2Plan,
}

impl LoadColumns {
    /// `merge` is the resource's own, with the boundary of its versions known.
    pub(super) fn new(resource: &ResourcePlan, merge: &MergePlan, run_id: &str, clock: Arc<dyn Clock>) -> Self {
        let load = |source: &Source| match source {
            Source::Load(column) => Some(*column),
            Source::Path(_) | Source::Evolved(_) | Source::Unseen(_) | Source::Record => None,
        };
        let columns = resource.schema.columns.iter().map(|column| load(&column.source));
        let validity = match &merge.strategy {
            MergeStrategy::Scd2(plan) => plan.clone(),
            _ => Scd2Plan::default(),
        };
        Self {
            resource: resource.name.clone(),
            run_id: run_id.to_owned(),
            clock,
            columns: columns.enumerate().filter_map(|(index, column)| Some((index, column?))).collect(),
            validity,
        }
    }

    /// The rows of a page with their load columns.
    pub(super) fn fill(&self, rows: RecordBatch, page: u64) -> Result<RecordBatch, RunError> {
        if self.columns.is_empty() {
            return Ok(rows);
        }
        self.filled(&rows, page).map_err(|source| RunError::LoadColumns { resource: self.resource.clone(), source })
    }

    fn filled(&self, rows: &RecordBatch, page: u64) -> Result<RecordBatch, ArrowError> {
        let mut columns = rows.columns().to_vec();
        for (index, load) in &self.columns {
            let missing = || ArrowError::SchemaError(format!("there is no column {index}"));
            let column = columns.get_mut(*index).ok_or_else(missing)?;
            *column = self.column(*load, column.data_type(), rows.num_rows(), page)?;
        }
        RecordBatch::try_new(rows.schema(), columns)
    }

    fn column(&self, load: LoadColumn, data_type: &DataType, rows: usize, page: u64) -> Result<ArrayRef, ArrowError> {
        let number = match load {
            LoadColumn::RunId => {
                let texts: ArrayRef = Arc::new(StringArray::from(vec![self.run_id.as_str(); rows]));
                return cast(&texts, data_type);
            }
            LoadColumn::ExtractedAt => Some(self.clock.now().timestamp_micros()),
            LoadColumn::Page => i64::try_from(page).ok(),
            LoadColumn::ValidFrom => self.validity.boundary,
            LoadColumn::ValidTo => self.validity.active,
        };
        let Some(number) = number else { return Ok(new_null_array(data_type, rows)) };
        let numbers: ArrayRef = Arc::new(Int64Array::from_value(number, rows));
        cast(&numbers, data_type)
    }
}
