//! A note of the newest version, beside the record of the versions: `_restlake/newest/`.
//!
//! The record alone says which versions there are, and so cannot tell that its newest object was lost: the table would go
//! back to an earlier version in silence, and the next commit would reuse the names of files that are still there. The
//! note is written after each commit. It may lag behind, as after a run that died in between, and then proves less; it
//! never runs ahead.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::CommitError;
use crate::{error::chain, model::Version, store::TableStore};

/// Of its own, so that what a write that was cut off left there is swept.
const DIRECTORY: &str = "_restlake/newest";

/// The note of one record of versions, by its name.
#[derive(Debug)]
pub(super) struct Note(pub &'static str);

#[derive(Serialize, Deserialize)]
struct Content {
    version: Version,
}

impl Note {
    /// The version that is noted, 0 if none is, or the note cannot be read.
    pub async fn read(&self, table: &TableStore) -> Version {
        // A store that fails here fails at the record of the versions as well, and says so of that.
        let bytes = table.get(&self.path()).await.unwrap_or_default();
        let content = bytes.and_then(|bytes| serde_json::from_slice::<Content>(&bytes).ok());
        content.map_or(0, |content| content.version)
    }

    /// Notes a version that was committed. A failure to do so is told and changes nothing.
    pub async fn write(&self, table: &TableStore, version: Version) {
        let content = serde_json::to_vec(&Content { version }).unwrap_or_default();
        if let Err(error) = table.put(&self.path(), Bytes::from(content)).await {
            tracing::warn!(version, error = %chain(&error), "the note of the newest version was not written");
        }
    }

    fn path(&self) -> String {
        format!("{DIRECTORY}/{}", self.0)
    }
}

/// Deletes what writes of notes that were cut off left on local disk, if nobody has written to it since a moment.
pub(super) async fn sweep(table: &TableStore, before: DateTime<Utc>) -> Result<(), CommitError> {
    Ok(table.sweep(DIRECTORY, Some(before), |name| name.ends_with(".json")).await?)
}
