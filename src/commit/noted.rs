//! A note of the newest version, stored beside the commit log in `_restlake/newest/`.
//!
//! The log is the only record of which versions exist, so it cannot show that its newest object was lost. Without the note the
//! table would silently return to an earlier version, and the next commit would overwrite data files of the lost one.
//!
//! The note is written after each commit. It is older than the log if a run died between the two writes, and never newer.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::CommitError;
use crate::{error::chain, model::Version, store::TableStore};

/// A directory of its own, so that leftovers of interrupted writes can be deleted by name.
const DIRECTORY: &str = "_restlake/newest";

/// The note of one commit log, with its file name, e.g. `commits.json`.
#[derive(Debug)]
pub(super) struct Note(pub &'static str);

#[derive(Serialize, Deserialize)]
struct Content {
    version: Version,
}

impl Note {
    /// Returns the noted version, or 0 if there is no note or it is invalid.
    pub async fn read(&self, table: &TableStore) -> Version {
        // If the store fails here, it fails for the log too, and that error is the one to report.
        let bytes = table.get(&self.path()).await.unwrap_or_default();
        let content = bytes.and_then(|bytes| serde_json::from_slice::<Content>(&bytes).ok());
        content.map_or(0, |content| content.version)
    }

    /// Stores a committed version. A failure is logged only, since the commit stands without the note.
    pub async fn write(&self, table: &TableStore, version: Version) {
        let content = serde_json::to_vec(&Content { version }).unwrap_or_default();
        if let Err(error) = table.put(&self.path(), Bytes::from(content)).await {
            tracing::warn!(version, error = %chain(&error), "cannot write the note of the newest version");
        }
    }

    fn path(&self) -> String {
        format!("{DIRECTORY}/{}", self.0)
    }
}

/// Deletes leftovers of interrupted writes of notes on local disk that were last modified before a moment.
pub(super) async fn sweep(table: &TableStore, before: DateTime<Utc>) -> Result<(), CommitError> {
    Ok(table.sweep(DIRECTORY, Some(before), |name| name.ends_with(".json")).await?)
}
