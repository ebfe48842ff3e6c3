//! Turns a paginated REST API into a table of typed, deduplicated, partitioned Parquet that DuckDB and Spark query.
//!
//! One config file says where the API is, how it is paged, what its records look like and where the table lies; the
//! vocabulary is that of dlt's `rest_api` source. The program is `restlake run CONFIG`; this library is the same without the
//! terminal.
//!
//! ```text
//!  config ─► plan ─► fetch ─► decode ─► dedup ─► write ─► commit ─► report
//!  what the   what    pages    typed     one row   staged   one       progress,
//!  user wrote happens (bytes)  batches   per key   files    version   summary
//! ```
//!
//! Each stage is a small core with one public type and knows no other stage; [`run`](mod@run) joins them. A run's data files
//! and its position in the API become one atomic version of the table, together or not at all.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use restlake::{config, environment::Environment, plan, report::Silent, run};
//!
//! # #[tokio::main]
//! # async fn main() -> restlake::Result<()> {
//! let source = config::Source::File("export.yaml".into());
//! let loaded = config::load(source, &|name| std::env::var(name).ok())?;
//! let plan = plan::resolve(&loaded, &plan::Overrides::default())?;
//! let outcome = run::run(plan, Environment::real(), Arc::new(Silent)).await;
//! for resource in &outcome.summary.resources {
//!     println!("{}: {} rows, version {}", resource.table, resource.rows_written, resource.table_version);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | what the user wrote, with its places; all problems of a file at once |
//! | [`plan`] | what will happen: resolved, immutable, serialisable |
//! | [`fetch`] | requests to pages: client, auth, retries, limits, paginators |
//! | [`process`] | what the config does with records before they are decoded |
//! | [`decode`] | a page to a typed batch and its rejects |
//! | [`dedup`] | one row a primary key |
//! | [`write`](mod@write) | batches to Parquet files: partitions, sizes, names |
//! | [`merge`] | what a run brought against what the table holds: which rows of which files go |
//! | [`commit`] | staged files and state to one version of the table |
//! | [`run`](mod@run) | the one module that joins the stages |
//! | [`import`] | configs of other tools to configs of this one |
//! | [`maintain`] | keeping tables: status, verify, files, compact, vacuum, moving a pipeline |
//! | [`schema`], [`json`], [`jq`], [`keys`], [`digest`], [`store`], [`text_file`], [`model`] | what stages share: types, documents, programs over records, keys of rows, checksums, object stores, files of limited size, the data between stages |
//! | [`report`], [`environment`], [`memory`], [`allocation`], [`secret`], [`error`] | events, injected services, memory limits, redaction, errors |
//! | [`cli`] | the terminal (feature `cli`): the only module that prints |

#![forbid(unsafe_code)]

pub mod allocation;
#[cfg(feature = "cli")]
pub mod cli;
pub mod commit;
pub mod config;
pub mod decode;
pub mod dedup;
pub mod digest;
pub mod environment;
pub mod error;
pub mod fetch;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod import;
pub mod jq;
pub mod json;
pub mod keys;
pub mod maintain;
pub mod memory;
pub mod merge;
pub mod model;
pub mod plan;
pub mod process;
pub mod report;
pub mod run;
pub mod schema;
pub mod secret;
pub mod store;
pub mod suggestion;
pub mod text_file;
pub mod write;

pub use error::{Error, ErrorKind, Result};
