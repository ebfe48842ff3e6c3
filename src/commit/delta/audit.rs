//! Whether the log can be read: what [`verify`](crate::maintain::verify) tells of it is a finding, and no error.

use futures::{StreamExt, stream};

use super::{CommitError, DeltaError, DeltaTable, error::LOG, log, vacuum::READS};
use crate::{
    commit::Flaw,
    error::{Failure, chain},
};

impl DeltaTable {
    /// What is wrong with the log: objects that are missing or cannot be read, and a table that does not come out of them.
    pub(super) async fn flaws(&self) -> Result<Vec<Flaw>, CommitError> {
        let noted = log::NOTE.read(self.table()).await;
        let versions = log::versions(self.table()).await?;
        let mut flaws = Vec::new();
        for (before, version) in versions.iter().zip(versions.iter().skip(1)) {
            if before + 1 < *version {
                flaws.push(flaw(log::path_of(before + 1), "commit_missing", "no such object".to_owned()));
            }
        }
        if versions.last().is_none_or(|newest| *newest < noted) && noted > 0 {
            flaws.push(flaw(log::path_of(noted), "commit_missing", "no such object".to_owned()));
        }
        let read = |version| async move { (version, log::read(self.table(), version).await.map(drop)) };
        let mut reads = stream::iter(versions.clone()).map(read).buffered(READS);
        while let Some((version, read)) = reads.next().await {
            flaws.extend(wrong(log::path_of(version), read)?);
        }
        if let (true, Some(newest)) = (flaws.is_empty(), versions.last()) {
            flaws.extend(wrong(LOG.to_owned(), self.base(*newest).await.map(drop))?);
        }
        Ok(flaws)
    }
}

fn flaw(object: String, code: &'static str, found: String) -> Flaw {
    Flaw { object, code, found, expected: "a log that can be read".to_owned() }
}

/// What cannot be read is a flaw of the log; what the store refuses, or another program has made of the table, is none.
fn wrong(object: String, read: Result<(), CommitError>) -> Result<Option<Flaw>, CommitError> {
    match read {
        Ok(()) => Ok(None),
        Err(
            error @ (CommitError::Corrupt { .. }
            | CommitError::Gap { .. }
            | CommitError::Delta(DeltaError::Kernel { .. })),
        ) => Ok(Some(flaw(object, error.code(), chain(&error)))),
        Err(error) => Err(error),
    }
}
