//! PAGE → TYPED BATCH: one pass over a page's tape, from bytes to column builders. Synchronous, no I/O.
//!
//! ```text
//! Page ─► record ─► Sources: one walk over its fields ─► a slot per column ─► Builder per column ─► arrays ─┐
//!                   (a trie of source paths)                    │                                           ▼
//!                                                               └─► Findings ─► verdict of the contract ─► Batch
//! ```
//!
//! No value is rounded, wrapped or guessed: it fits exactly, or it is a finding. A finding fails the run (`freeze`), takes
//! its row out (`discard_row`) or becomes null (`discard_value`), as the contract says, and is never lost: the rows of a
//! batch plus those rejected are the records of its page.
//!
//! What the interface leaves open is decided like this:
//! - A field is declared if a column's source begins with it; a column that takes the whole record (`$`) declares none.
//!   Fields inside a declared object are not judged: the contract for columns is about the top level, as in dlt.
//!   Those inside an object whose column nobody declared either are judged as the record's own, at any depth.
//! - An undeclared field that is null is not judged, since a field that is null and one that is missing are the same.
//! - A path through null is missing; through a text, number or array it is a mismatch.
//! - A record that is no object, and a mismatch in a key or in a column that is not nullable, can't become null: under
//!   `discard_value` their row is rejected.
//! - Under `evolve` an undeclared field is no finding: the batch reports it, and the owner of the schema decodes the page again
//!   with a decoder that has [`grown`](Decoder::grown) a column for it.
//! - A value that does not fit a column whose type was inferred is no finding where a wider type holds it with all values
//!   before it: the batch reports it in the same way, as it does the first values of a column that had none.
//! - A row that is rejected gives one reject, whatever else did not fit in it. Of a row with very many discarded values
//!   only the first rejects carry the record itself.

mod builder;
mod convert;
mod error;
mod finding;
mod keys;
mod layout;
mod page;
mod sieve;
mod source;
#[cfg(test)]
mod tests;
mod undeclared;

use arrow::{
    array::{ArrayRef, RecordBatch, new_null_array},
    datatypes::SchemaRef,
};

pub use error::{CursorProblem, DecodeError};
pub use sieve::{Seen, Side, Sieve, Turn};

use self::layout::Layout;
use crate::{
    model::{Batch, Page},
    schema::{Column, Contract, TableSchema},
};

/// Turns a resource's pages into batches. Holds nothing of a page: threads share one.
#[derive(Clone, Debug)]
pub struct Decoder {
    resource: String,
    columns: Vec<Column>,
    layouts: Vec<Layout>,
    /// For each column, true if a null is a mismatch.
    required: Vec<bool>,
    /// For each column, true if an empty text is a mismatch.
    filled: Vec<bool>,
    /// For each column, true if its type was inferred and may change.
    open: Vec<bool>,
    contract: Contract,
    schema: SchemaRef,
    /// Maximum number of fields without a column that a batch reports.
    most_undeclared: usize,
}

impl Decoder {
    /// `required` are indexes of columns in which a null is a mismatch although they are declared nullable: the key's.
    ///
    /// Fails if a column's `format` is none for its type, or if `required` names a column that does not exist.
    pub fn new(
        resource: &str,
        schema: &TableSchema,
        contract: Contract,
        required: &[usize],
    ) -> Result<Self, DecodeError> {
        let layouts = schema.columns.iter().map(|column| layout(resource, column)).collect::<Result<_, _>>()?;
        Ok(Self {
            resource: resource.to_owned(),
            columns: schema.columns.clone(),
            layouts,
            required: required_columns(resource, schema, required)?,
            filled: vec![false; schema.columns.len()],
            open: vec![false; schema.columns.len()],
            contract,
            schema: schema.to_arrow(),
            most_undeclared: usize::MAX,
        })
    }

    /// Reports at most `most` fields without a column per page: beyond `max_columns`, the others are not needed.
    pub fn with_most_undeclared(self, most: usize) -> Self {
        Self { most_undeclared: most, ..self }
    }

    /// With columns in which an empty text is a mismatch: those whose text names a directory, where readers would take it
    /// for a null. Indexes beyond the last column have no effect.
    pub fn with_filled(mut self, columns: &[usize]) -> Self {
        for &index in columns {
            self.filled.get_mut(index).into_iter().for_each(|filled| *filled = true);
        }
        self
    }

    /// With columns that may take another type: a batch reports their values that do not fit as undeclared fields, and whoever
    /// owns the schema decodes the page again. The others' values are mismatches.
    pub fn with_open(mut self, open: impl Fn(&Column) -> bool) -> Self {
        self.open = self.columns.iter().map(open).collect();
        self
    }

    /// The schema of all batches: `TableSchema::to_arrow`.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Returns a decoder with these columns: its own, which may have become wider, and new ones after them.
    ///
    /// Fails as [`Decoder::new`] does.
    pub fn grown(&self, columns: &[Column]) -> Result<Self, DecodeError> {
        let layouts = columns.iter().map(|column| layout(&self.resource, column)).collect::<Result<_, _>>()?;
        let added = columns.get(self.columns.len()..).unwrap_or_default();
        let schema = TableSchema { columns: columns.to_vec() };
        Ok(Self {
            resource: self.resource.clone(),
            layouts,
            required: self.required.iter().copied().chain(added.iter().map(|column| !column.nullable)).collect(),
            filled: self.filled.iter().copied().chain(added.iter().map(|_| false)).collect(),
            open: self.open.iter().copied().chain(added.iter().map(|_| false)).collect(),
            contract: self.contract,
            schema: schema.to_arrow(),
            most_undeclared: self.most_undeclared,
            columns: schema.columns,
        })
    }

    /// A batch of a decoder that this one has [`grown`](Self::grown) out of, with nulls in the columns that it lacks.
    ///
    /// Fails if it is of another decoder, or if columns have become wider since.
    pub fn padded(&self, batch: Batch) -> Result<Batch, DecodeError> {
        if batch.rows.schema_ref().fields().len() == self.schema.fields().len() {
            return Ok(batch);
        }
        let rows = batch.rows.num_rows();
        let lacking = self.schema.fields().iter().skip(batch.rows.num_columns());
        let nulls = lacking.map(|field| new_null_array(field.data_type(), rows));
        let columns: Vec<ArrayRef> = batch.rows.columns().iter().cloned().chain(nulls).collect();
        let padded = RecordBatch::try_new(self.schema(), columns).map_err(|source| DecodeError::Batch {
            resource: self.resource.clone(),
            page: batch.page,
            source,
        })?;
        Ok(Batch { rows: padded, ..batch })
    }

    /// The rows of one page. Fails at the first value that does not fit, where the contract says `freeze`.
    pub fn decode(&self, page: &Page) -> Result<Batch, DecodeError> {
        page::decode(self, page)
    }
}

fn layout(resource: &str, column: &Column) -> Result<Layout, DecodeError> {
    let made = Layout::new(&column.data_type, column.format.as_ref());
    let whole = column.source.inferred().is_some();
    made.map(|layout| Layout { whole, ..layout }).map_err(|problem| DecodeError::Format {
        resource: resource.to_owned(),
        column: column.name.clone(),
        data_type: column.data_type.to_string(),
        problem,
    })
}

fn required_columns(resource: &str, schema: &TableSchema, keys: &[usize]) -> Result<Vec<bool>, DecodeError> {
    let mut required: Vec<bool> = schema.columns.iter().map(|column| !column.nullable).collect();
    let columns = required.len();
    for &index in keys {
        let no_such_column = || DecodeError::NoSuchColumn { resource: resource.to_owned(), index, columns };
        *required.get_mut(index).ok_or_else(no_such_column)? = true;
    }
    Ok(required)
}
