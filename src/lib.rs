pub mod dedup;
pub mod environment;
pub mod error;
pub mod json;
pub mod model;
pub mod plan;
pub mod report;
pub mod schema;
pub mod secret;
pub mod write;

pub use error::{Error, ErrorKind, Result};
