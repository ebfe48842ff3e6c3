//! Checkpoints: how far a run has come, so that the next one can go on from there.
//!
//! `checkpoint-00001.json`, `checkpoint-00002.json`, … lie in the attempt's directory; each names only what came since the
//! one before it, so that their cost follows the rows and not their number. They hold as far as they are unbroken: one
//! that cannot be read, or that names a file which is not there with its size, ends the sequence before it.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{CommitError, owner::STAGING};
use crate::{
    model::{Reject, StagedFile},
    store::{Created, TableStore},
};

/// The newest format of checkpoints that this version of restlake writes; it reads no other, and starts over instead.
const FORMAT: u64 = 1;

/// One segment of a run: what came since the checkpoint before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Of the config and the schema that the run was made with: another one can't go on from here.
    pub fingerprint: String,
    pub run_id: String,
    /// RFC 3339.
    pub written_at: String,
    /// Where the source goes on: the run's own.
    pub position: Value,
    /// What was staged since the checkpoint before.
    pub files: Vec<CheckpointedFile>,
    /// What was rejected since the checkpoint before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<Reject>,
    /// Whatever else the run needs to go on, counters among it: the run's own.
    #[serde(default)]
    pub payload: Value,
}

/// A staged file, and what the run knows about its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointedFile {
    #[serde(flatten)]
    pub staged: StagedFile,
    /// The run's own, such as a few bits a row; base64 in JSON.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "to_base64",
        deserialize_with = "from_base64"
    )]
    pub index: Vec<u8>,
}

/// A checkpoint as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope<T> {
    format: u64,
    /// Of the owner that wrote it.
    pub generation: u32,
    pub checkpoint: T,
}

/// Writes the checkpoint of a number; over an earlier one only if it is of this owner or one before.
///
/// # Errors
/// The store's, and [`CommitError::AttemptLost`] if a later owner has written it.
pub(super) async fn write(
    table: &TableStore,
    attempt: &str,
    number: u32,
    generation: u32,
    checkpoint: &Checkpoint,
) -> Result<(), CommitError> {
    let path = path_of(attempt, number);
    let lost = || CommitError::AttemptLost { attempt: table.shown(&format!("{STAGING}/{attempt}")) };
    let envelope = Envelope { format: FORMAT, generation, checkpoint };
    let content =
        serde_json::to_vec(&envelope).map_err(|error| CommitError::Store(table.error("write", &path, &error)))?;
    let content = Bytes::from(content);
    if table.put_if_absent(&path, content.clone()).await? == Created::Yes {
        return Ok(());
    }
    // An answer that got lost, or an owner who was taken for dead and was not.
    match read(table, attempt, number).await? {
        Some(found) if found.generation > generation => Err(lost()),
        _ => Ok(table.put(&path, content).await?),
    }
}

/// The checkpoint of a number, `None` if there is none that can be used.
pub(super) async fn read(
    table: &TableStore,
    attempt: &str,
    number: u32,
) -> Result<Option<Envelope<Checkpoint>>, CommitError> {
    let Some(content) = table.get(&path_of(attempt, number)).await? else { return Ok(None) };
    let envelope: Option<Envelope<Checkpoint>> = serde_json::from_slice(&content).ok();
    Ok(envelope.filter(|envelope| envelope.format == FORMAT))
}

pub(super) fn path_of(attempt: &str, number: u32) -> String {
    format!("{STAGING}/{attempt}/{}", name_of(number))
}

pub(super) fn name_of(number: u32) -> String {
    format!("checkpoint-{number:05}.json")
}

/// Which checkpoint a file of an attempt is, `None` if it is something else.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("checkpoint-")?.strip_suffix(".json")?;
    let number = digits.parse().ok().filter(|number| *number > 0)?;
    (name_of(number) == name).then_some(number)
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::DataFile;

    fn file(index: Vec<u8>) -> CheckpointedFile {
        let file = DataFile {
            path: "status=a%2Fb/part-0000000001-00000-000.parquet".into(),
            rows: 3,
            bytes: 4,
            sha256: "ab".into(),
            partition: vec![("status".into(), None)],
            keys: Vec::new(),
        };
        CheckpointedFile { staged: StagedFile { file, staged: "_restlake/staging/x/y.staged".into() }, index }
    }

    proptest! {
        #[test]
        fn any_checkpoint_reads_back_as_it_was_written(
            index in proptest::collection::vec(any::<u8>(), 0..300),
            fingerprint in ".*",
            position in any::<i64>(),
        ) {
            let written = Checkpoint {
                fingerprint,
                position: serde_json::json!({"offset": position, "seen": ["a", null]}),
                files: vec![file(index), file(Vec::new())],
                ..Checkpoint::default()
            };
            let text = serde_json::to_vec(&written).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Checkpoint>(&text).unwrap(), written);
        }
    }

    #[test]
    fn a_checkpoint_has_the_number_in_its_name() {
        for number in [1, 99_999, 100_000] {
            assert_eq!(number_of(&name_of(number)), Some(number));
        }
        for other in ["checkpoint-0.json", "checkpoint-00000.json", "checkpoint-+0001.json", "checkpoint-00001.json#1"]
        {
            assert_eq!(number_of(other), None, "{other}");
        }
    }

    #[test]
    fn an_index_that_is_no_base64_is_no_checkpoint() {
        let mut value = serde_json::to_value(file(vec![1, 2, 3])).unwrap();
        value["index"] = "?".into();
        assert!(serde_json::from_value::<CheckpointedFile>(value).is_err());
    }
}
