//! The objects of the Delta log, one by one: which there are, what one says, and the put that makes a version.
//!
//! The kernel reads the log as a whole and makes the lines of a commit. The object is put here, so that an answer that does
//! not come, or comes for a request that was sent twice, is resolved by reading it.

use bytes::Bytes;
use futures::{TryStreamExt, future::BoxFuture};

use super::{
    CommitError,
    error::LOG,
    record::{FORMAT, LoggedCommit, Unread},
};
use crate::{
    commit::{landing::Landing, noted::Note},
    model::{Operation, Version},
    store::{Created, TableStore},
};

/// How often an unclear put is tried again.
const PUTS: usize = 4;

/// The note of the newest version.
pub(super) const NOTE: Note = Note("delta_log.json");

/// What became of a put.
#[derive(Debug)]
pub(super) enum Put {
    Done,
    /// Somebody else's is there.
    Lost(Box<LoggedCommit>),
}

/// The log's own version of one of ours: it counts from 0.
pub(super) fn logged(version: Version) -> Option<u64> {
    version.checked_sub(1)
}

/// The path of a version's object, relative to the table.
pub(super) fn path_of(version: Version) -> String {
    format!("{LOG}/{:020}.json", version.saturating_sub(1))
}

/// The version whose object has this name.
pub(super) fn version_of(name: &str) -> Option<Version> {
    let digits = name.strip_suffix(".json").filter(|digits| digits.len() == 20)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().ok())??.checked_add(1)
}

/// The versions that have an object, in order. Others may have deleted the oldest.
pub(super) async fn versions(table: &TableStore) -> Result<Vec<Version>, CommitError> {
    Ok(objects(table).await?.into_iter().map(|(version, _)| version).collect())
}

/// Returns the newest version, or 0 if there is none.
///
/// # Errors
/// The store's, and [`CommitError::Corrupt`] for an empty object, which the kernel would read as a commit without changes.
pub(super) async fn newest(table: &TableStore) -> Result<Version, CommitError> {
    let objects = objects(table).await?;
    match objects.iter().find(|(_, bytes)| *bytes == 0) {
        Some((empty, _)) => Err(unreadable(table, *empty, Unread::Empty)),
        None => Ok(objects.last().map_or(0, |(version, _)| *version)),
    }
}

/// Lists the versions and the sizes of their objects in bytes, sorted by version.
async fn objects(table: &TableStore) -> Result<Vec<(Version, u64)>, CommitError> {
    let mut listed = table.list(LOG)?;
    let mut objects = Vec::new();
    while let Some(object) = listed.try_next().await? {
        let is_direct = table.path_of(&object.location).is_some_and(|path| path.matches('/').count() == 1);
        let version = object.location.filename().and_then(version_of).filter(|_| is_direct);
        objects.extend(version.map(|version| (version, object.size)));
    }
    objects.sort_unstable();
    Ok(objects)
}

/// One version's commit, `None` if it has no object.
pub(super) async fn read(table: &TableStore, version: Version) -> Result<Option<LoggedCommit>, CommitError> {
    match table.get(&path_of(version)).await? {
        Some(content) => Ok(Some(parse(table, version, &content)?)),
        None => Ok(None),
    }
}

fn parse(table: &TableStore, version: Version, content: &[u8]) -> Result<LoggedCommit, CommitError> {
    LoggedCommit::read(content).map_err(|unread| unreadable(table, version, unread))
}

/// The error for a record of ours, or a whole object, that cannot be read.
pub(super) fn unreadable(table: &TableStore, version: Version, unread: Unread) -> CommitError {
    let object = table.shown(&path_of(version));
    match unread {
        Unread::Newer(format) => CommitError::NewerFormat { object, format, known: FORMAT },
        Unread::Empty => CommitError::Corrupt { object, reason: "it is empty".to_owned() },
        Unread::Corrupt(error) => CommitError::Corrupt { object, reason: error.to_string() },
    }
}

/// Writes a version if there is none yet, and finds out what an unclear answer meant: our own lines are ours
/// (they hold an id that no other commit has), others are lost, and none are to be written again.
///
/// `check` says before each put whether the lines still hold: that of a moment ago may be long ago.
///
/// # Errors
/// [`CommitError::Store`], and what `check` says, if the version was certainly not written, [`CommitError::Unclear`] if
/// nobody can tell.
pub(super) async fn put<'a>(
    table: &TableStore,
    version: Version,
    operation: Operation,
    content: &Bytes,
    landing: &Landing<'_>,
    check: &(dyn Fn() -> BoxFuture<'a, Result<(), CommitError>> + Sync),
) -> Result<Put, CommitError> {
    let path = path_of(version);
    let mut unanswered = None;
    for turn in 0..PUTS {
        if turn > 0 && !landing.may_be_tried_again().await {
            break;
        }
        match check().await {
            Ok(()) => {}
            Err(error) if unanswered.is_none() => return Err(error),
            Err(CommitError::Store(error)) => {
                unanswered = Some(error);
                continue;
            }
            // An earlier put may yet arrive; another one would be wrong.
            Err(_) => break,
        }
        let mut refusal = None;
        match landing.put(&path, content.clone()).await {
            Ok(Created::Yes) => return Ok(Put::Done),
            Ok(Created::AlreadyThere) => {}
            Err(error) if error.is_refusal() => refusal = Some(error),
            Err(error) => unanswered = Some(error),
        }
        match (table.get(&path).await, refusal) {
            (Ok(Some(found)), _) if found == *content => return Ok(Put::Done),
            (Ok(Some(found)), _) => return Ok(Put::Lost(Box::new(parse(table, version, &found)?))),
            // A store that says no, and has nothing, leaves nothing in doubt, unless an earlier put may yet arrive.
            (Ok(None), Some(refusal)) if unanswered.is_none() => return Err(CommitError::Store(refusal)),
            (Ok(None), refusal) => unanswered = refusal.or(unanswered),
            (Err(error), _) => unanswered = Some(error),
        }
    }
    let shown = |path| table.shown(path);
    Err(match unanswered {
        Some(source) => CommitError::Unclear { table: shown(""), version, object: shown(&path), operation, source },
        None => CommitError::NotConditional { store: shown("") },
    })
}
