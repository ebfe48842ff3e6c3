//! Column builders: JSON values in, one Arrow array out, one builder for each type of value.
//!
//! A builder appends exactly one row for each call, whatever it is given: a value that does not fit becomes null and a
//! finding. So all builders of a page stay in step, and what a finding means for the row is decided above them.

mod nested;
mod scalar;

use arrow::{array::ArrayRef, error::ArrowError};

use super::{finding::Findings, layout::Layout};
use crate::{json::Node, schema::ColumnType};

/// One column, or one level of a nested one.
pub(super) trait Builder<'a> {
    /// Appends the value, or null where it is null or does not fit.
    fn append(&mut self, node: Node<'a>, findings: &mut Findings<'a>);

    fn append_null(&mut self);

    /// Bytes of all that was appended, about.
    fn memory(&self) -> usize;

    /// The array of all that was appended.
    fn finish(self: Box<Self>) -> Result<ArrayRef, ArrowError>;
}

pub(super) type BoxedBuilder<'a> = Box<dyn Builder<'a> + 'a>;

/// A builder for `data_type`, with room for `rows` values.
pub(super) fn build<'a>(data_type: &'a ColumnType, layout: &'a Layout, rows: usize) -> BoxedBuilder<'a> {
    match data_type {
        ColumnType::List(item) => Box::new(nested::List::new(data_type, item, layout, rows)),
        ColumnType::Map(value) => Box::new(nested::Map::new(data_type, value, layout, rows)),
        ColumnType::Struct(fields) => Box::new(nested::Struct::new(data_type, fields, layout, rows)),
        _ => scalar::build(data_type, layout, rows),
    }
}
