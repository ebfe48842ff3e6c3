//! The declared schema of a table: columns, where they come from, what they hold, what happens to a value that does not fit.
//!
//! [`types`] is the type grammar (`list<struct<position: int32>>`) and its Arrow types, [`model`] the table.

pub mod model;
pub mod types;

pub use model::{Column, ColumnsContract, Contract, DataTypeContract, Format, LoadColumn, Source, TableSchema};
pub use types::{ColumnType, Field, TypeError};
