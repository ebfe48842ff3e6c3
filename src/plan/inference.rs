//! A table whose columns nobody declared: what is known before they are, and how the plan is completed once they are known.
//!
//! ```text
//! config without `schema` ─► ResourcePlan { inference: Some } ──complete(columns)──► ResourcePlan { inference: None }
//!                                                                 │
//!         columns: those that the table has recorded, or those of the first pages
//! ```
//!
//! Keys, partitions and hints name columns, so they are resolved when the plan is completed, by the code and with the places
//! that they have under a declared schema. A plan that is open has no columns at all.

use std::{fmt, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use super::{Overrides, ResourcePlan, TableFormatKind, resolve};
use crate::{
    config::{Loaded, Problems},
    schema::{Limits, Naming, TableSchema},
};

/// How the columns are found, and what the config says of them already.
#[derive(Clone, Debug, Serialize)]
pub struct Inference {
    /// So many records are looked at, in whole pages, if there are as many.
    pub rows: u64,
    /// Whether the columns that the table has recorded do not count (`--full-refresh`).
    pub anew: bool,
    /// Fields that are the key, by the keys that lead to each, where rows of one key are one row; else empty.
    pub key: Vec<Vec<String>>,
    /// The keys of the config that name columns, as they are written.
    pub written: Value,
    #[serde(skip)]
    pub(super) deferred: Deferred,
}

/// What completing a plan needs of the config.
#[derive(Clone)]
pub struct Deferred {
    pub(super) loaded: Arc<Loaded>,
    pub(super) overrides: Overrides,
    pub(super) table_format: TableFormatKind,
}

/// The config may hold secrets.
impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferred")
    }
}

impl ResourcePlan {
    /// The plan with its columns; itself if it has them. Those of the run's own among them keep their places.
    ///
    /// # Errors
    /// What the config says of columns and does not fit these, with its places.
    pub fn complete(&self, columns: &TableSchema) -> Result<Self, Problems> {
        match &self.inference {
            Some(inference) => resolve::complete(self, &inference.deferred, columns),
            None => Ok(self.clone()),
        }
    }
}

/// What the columns of a table can be called and can hold.
pub fn limits(naming: Naming, format: TableFormatKind) -> Limits {
    let is_allowed = match format {
        TableFormatKind::Parquet => |_| true,
        TableFormatKind::Delta => resolve::letter_of_delta,
    };
    Limits { naming, is_allowed }
}
