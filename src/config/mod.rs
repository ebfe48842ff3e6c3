//! What the user wrote: one spanned tree, checked against tables in dlt's words, all problems at once.
//!
//! ```text
//! text ──parse──► tree ──interpolate──► tree ──check──► tree of what the tables allow ──defaults──► Config
//!                                                │                                                     │
//!                                                └── schema files: parsed and checked the same way     └─► plan::resolve
//! ```
//!
//! [`load`] fails only where there is no tree to go on with. Everything else that is wrong travels inside [`Loaded`] to
//! [`crate::plan::resolve`], which adds what it finds itself, so that a user sees all of it in one go.

mod advice;
mod check;
mod defaults;
pub(crate) mod fields;
mod files;
mod interpolate;
mod json_schema;
mod lake_only;
mod load;
pub(crate) mod notation;
mod parse;
mod problem;
pub(crate) mod quantity;
pub(crate) mod slips;
pub(crate) mod tree;
mod view;

pub use json_schema::config_schema;
pub use load::{Config, Loaded, Source, load, load_lake};
pub use parse::Syntax;
pub(crate) use parse::parse_other;
pub use problem::{Problem, Problems, Severity, SourceText};

pub use interpolate::{is_reference, is_variable_name};
pub(crate) use problem::Findings;
pub(crate) use tree::Place;
pub(crate) use view::{Located, Section};
