//! Warnings about declared columns whose fields no record has: most are misspelt, and nothing else would report them.
//!
//! A column counts as empty if it is null in all rows of the run and its field is not among those of the first page. A table
//! that has the column already is not spoken of again: fields may be rare, and runs that bring few rows many.

use std::collections::BTreeSet;

use arrow::{array::Array, record_batch::RecordBatch};

use crate::{
    commit::TableSnapshot,
    json::{Kind, Node},
    model::Page,
    plan::ResourcePlan,
    report::counted,
    schema::{Column, Source},
    suggestion::{MOST_FIELDS, add_fields, suggestion},
};

/// Records of the first page that are looked at.
const RECORDS: usize = 100;

#[derive(Debug, Default)]
pub(super) struct EmptyColumns {
    /// Columns without a value so far.
    columns: Vec<Column>,
    fields: Option<BTreeSet<String>>,
    rows: u64,
}

impl EmptyColumns {
    pub(super) fn new(resource: &ResourcePlan, base: &TableSnapshot) -> Self {
        let known = base.schema.as_ref().map_or(&[][..], |schema| &schema.columns);
        let is_new = |column: &&Column| !known.iter().any(|known| known.name == column.name);
        let is_declared = |column: &&Column| matches!(&column.source, Source::Path(keys) if !keys.is_empty());
        let columns = match resource.inference {
            Some(_) => Vec::new(),
            None => resource.schema.columns.iter().filter(is_declared).filter(is_new).cloned().collect(),
        };
        Self { columns, ..Self::default() }
    }

    pub(super) fn observe(&mut self, rows: &RecordBatch, fields: Option<BTreeSet<String>>) {
        self.rows += rows.num_rows() as u64;
        self.fields = self.fields.take().or(fields);
        let is_empty = |column: &Column| {
            rows.column_by_name(&column.name).is_none_or(|values| values.logical_null_count() == values.len())
        };
        self.columns.retain(is_empty);
    }

    pub(super) fn warnings(self) -> Vec<String> {
        let Some(fields) = self.fields.filter(|fields| fields.len() < MOST_FIELDS) else { return Vec::new() };
        let extent = if self.rows > 0 { format!(" in {}", counted(self.rows, "row")) } else { String::new() };
        let missing = |column: &Column| {
            let Source::Path(keys) = &column.source else { return None };
            let field = keys.join(".");
            if fields.contains(&field) {
                return None;
            }
            let near = suggestion(&field, fields.iter().map(String::as_str), "fields");
            let name = &column.name;
            Some(format!("the column `{name}` has no value{extent}: no record of the first page has `{field}`; {near}"))
        };
        self.columns.iter().filter_map(missing).collect()
    }
}

/// The dotted paths of the fields that the page's first records have; `None` if it has no records, or is not the first one.
pub(super) fn fields_of(page: &Page) -> Option<BTreeSet<String>> {
    let records = page.document.node(page.records.filter(|_| page.number == 1 && page.count > 0)?);
    let mut fields = BTreeSet::new();
    let mut add = |record: Node<'_>| add_fields(record, &mut fields);
    match records.kind() {
        Kind::Array => records.items().take(RECORDS).for_each(add),
        _ => add(records),
    }
    Some(fields)
}
