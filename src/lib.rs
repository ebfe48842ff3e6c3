#[cfg(feature = "cli")]
pub mod cli;
pub mod commit;
pub mod config;
pub mod decode;
pub mod dedup;
pub mod environment;
pub mod error;
pub mod fetch;
pub mod json;
pub mod model;
pub mod plan;
pub mod report;
pub mod run;
pub mod schema;
pub mod secret;
pub mod store;
pub mod write;

pub use error::{Error, ErrorKind, Result};
