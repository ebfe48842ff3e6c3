//! The declared schema of a table: columns, where they come from, what they hold, what happens to a value that does not fit.
//!
//! [`change`] says what becomes of a table whose columns are to be others, [`infer`] what type undeclared values have,
//! [`observed`] which columns a table's records make, [`naming`] what they are called, [`file`](mod@file) how a schema is written down.
//! [`strftime`] reads and writes the patterns of a column's format,
//! [`types`] is the type grammar (`list<struct<position: int32>>`) and its Arrow types, [`model`] the table.

pub mod change;
pub mod file;
pub mod infer;
pub mod model;
pub mod naming;
pub mod observed;
pub mod strftime;
pub mod types;

pub use change::SchemaChange;
pub use infer::Inferred;
pub use model::{Column, ColumnsContract, Contract, DataTypeContract, Format, LoadColumn, Source, TableSchema};
pub use naming::Naming;
pub use observed::{Limits, NameClash, Observed};
pub use strftime::{Strftime, StrftimeMismatch};
pub use types::{ColumnType, Field, TypeError};
