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

mod check;
mod defaults;
pub mod fields;
mod interpolate;
mod json_schema;
mod load;
pub mod notation;
mod parse;
mod problem;
pub mod quantity;
pub mod tree;
mod view;

pub use json_schema::config_schema;
pub use load::{Config, Loaded, Source, load};
pub use parse::Syntax;
pub use problem::{Findings, Problem, Problems, Severity, SourceText, nearest, suggestion};
pub use tree::Place;
pub use view::{Located, Section};
