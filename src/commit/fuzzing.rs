//! The check of the fuzz target for documents of tables, see [`crate::fuzzing`].

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Checkpoint, RunRecord,
    checkpoint::Envelope,
    log::{CommitObject, Totals, apply},
    owner::Owner,
};

/// Checks a text as each of the documents that lie beside a table's data.
pub(crate) fn documents(text: &[u8]) {
    round_trip::<Owner>(text);
    round_trip::<RunRecord>(text);
    round_trip::<Envelope<Checkpoint>>(text);
    if let Some(object) = round_trip::<CommitObject>(text) {
        let files = apply(object.files.clone().unwrap_or_default(), &object.commit);
        let totals = Totals::of(&files);
        assert!(totals.files == files.len() as u64, "{totals:?}");
    }
}

/// What can be read can be written, and is the same when it is read again.
pub(crate) fn round_trip<T: Serialize + DeserializeOwned>(text: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(text).ok()?;
    let written = serde_json::to_vec(&read);
    assert!(written.is_ok(), "{written:?}");
    let written = written.ok()?;
    let again = serde_json::from_slice::<T>(&written);
    assert!(again.is_ok(), "{} became {}", String::from_utf8_lossy(text), String::from_utf8_lossy(&written));
    let again = serde_json::to_vec(&again.ok()?).ok();
    assert_eq!(again.map(String::from_utf8), Some(String::from_utf8(written)));
    Some(read)
}
