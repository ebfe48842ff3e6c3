//! What the integration tests stand on: a scripted API, S3 in process, Azure where it is given, readers of tables.

pub mod azure;
pub mod environment;
pub mod pipeline;
pub mod plans;
pub mod project;
pub mod s3;
pub mod server;
pub mod store;
pub mod tables;
pub mod tls;
