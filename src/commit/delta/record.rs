//! What restlake writes into the Delta log besides Delta's own: a record per commit, and one per file.
//!
//! The commit's [`Record`] is the configuration of the domain `restlake.state`; each commit replaces it, checkpoints keep
//! it, other writers pass it on. A file's [`FileRecord`] is the tag `restlake.file` of its `add`. The kernel writes neither
//! tags nor, for files that it has not written, statistics: [`complete`] puts both into the lines it makes.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::schema::KeyColumn;
use crate::{
    model::{Commit, DataFile, KeyRange, Operation, PartitionKey, State, TableIdentity, Version},
    schema::TableSchema,
};

/// The domain of our record.
pub(super) const DOMAIN: &str = "restlake.state";

/// The tag of our record of a file.
pub(super) const TAG: &str = "restlake.file";

/// The newest format of records that this version of restlake writes and reads.
pub(super) const FORMAT: u64 = 1;

/// Our part of a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub format: u64,
    /// Ours: the log's own counts from 0.
    pub version: Version,
    /// The staging directory the files come from.
    pub attempt: String,
    pub run_id: String,
    /// RFC 3339; the log's own time is the kernel's.
    pub committed_at: String,
    pub operation: Operation,
    pub identity: TableIdentity,
    pub schema: TableSchema,
    pub partition_by: Vec<String>,
    pub state: State,
}

/// Just enough to tell whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

impl Record {
    /// # Errors
    /// One of a later format, and what is none.
    pub fn read(text: &str) -> Result<Self, Unread> {
        let head: Head = serde_json::from_str(text)?;
        if head.format > FORMAT {
            return Err(Unread::Newer(head.format));
        }
        Ok(serde_json::from_str(text)?)
    }

    pub fn new(version: Version, attempt: &str, commit: &Commit, now: DateTime<Utc>) -> Self {
        Self {
            format: FORMAT,
            version,
            attempt: attempt.to_owned(),
            run_id: commit.run_id.clone(),
            committed_at: now.to_rfc3339_opts(SecondsFormat::Millis, true),
            operation: commit.operation,
            identity: commit.identity.clone(),
            schema: commit.schema.clone(),
            partition_by: commit.partition_by.clone(),
            state: commit.state.clone(),
        }
    }
}

/// What of a [`DataFile`] Delta's `add` does not say, or not in our form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    /// The version that added it, and the file's place among those of that commit: the order of a table's files.
    pub version: Version,
    pub index: usize,
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition: PartitionKey,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyRange>,
}

impl FileRecord {
    pub fn new(version: Version, index: usize, file: &DataFile) -> Self {
        let DataFile { sha256, partition, keys, .. } = file.clone();
        Self { version, index, sha256, partition, keys }
    }
}

/// What is added to the kernel's `add` of a path.
#[derive(Clone, Debug)]
pub(super) struct Completion {
    pub record: FileRecord,
    /// JSON.
    pub stats: String,
}

/// The feature of a table with columns of the type `timestamp_naive`. The kernel names it for a table that is made with one,
/// and adds it to none that is there.
const TIMESTAMP_NAIVE: &str = "timestampNtz";

/// The kernel's lines, with statistics and our tag in each `add`; `adds` is by the path in the log. A new table can get
/// columns of any type of ours later.
///
/// # Errors
/// Lines that are not JSON.
pub(super) fn complete(lines: &[u8], adds: &BTreeMap<String, Completion>) -> serde_json::Result<Vec<u8>> {
    let mut completed = Vec::with_capacity(lines.len() * 2);
    for line in serde_json::Deserializer::from_slice(lines).into_iter::<Value>() {
        let mut line = line?;
        if let Some(add) = line.get_mut("add").and_then(Value::as_object_mut) {
            let path = add.get("path").and_then(Value::as_str).unwrap_or_default();
            if let Some(completion) = adds.get(path) {
                add.insert("stats".to_owned(), completion.stats.clone().into());
                add.insert("tags".to_owned(), json!({ TAG: serde_json::to_string(&completion.record)? }));
            }
        }
        if let Some(protocol) = line.get_mut("protocol") {
            for features in ["readerFeatures", "writerFeatures"] {
                add_feature(protocol, features);
            }
        }
        serde_json::to_writer(&mut completed, &line)?;
        completed.push(b'\n');
    }
    Ok(completed)
}

fn add_feature(protocol: &mut Value, list: &str) {
    let features = protocol.get_mut(list).and_then(Value::as_array_mut);
    if let Some(features) = features.filter(|features| !features.iter().any(|feature| feature == TIMESTAMP_NAIVE)) {
        features.push(TIMESTAMP_NAIVE.into());
    }
}

/// One version's object in the log, as far as restlake looks at it.
#[derive(Clone, Debug, Default)]
pub(super) struct LoggedCommit {
    /// Ours, if the commit is restlake's.
    pub record: Option<Record>,
    /// Who says to have made it, such as `Apache-Spark/4.0`.
    pub engine: Option<String>,
    /// Milliseconds since 1970, if it says.
    pub timestamp: Option<i64>,
    pub adds: Vec<LoggedFile>,
    pub removes: Vec<Removed>,
}

/// A `remove` of the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Removed {
    pub path: String,
    /// Milliseconds since 1970.
    pub deletion_timestamp: Option<i64>,
}

/// Why a version's object cannot be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The object is empty.
    Empty,
    /// A record of ours, of a later format.
    Newer(u64),
    Corrupt(serde_json::Error),
}

impl From<serde_json::Error> for Unread {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(error)
    }
}

/// An `add` of the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoggedFile {
    pub path: String,
    #[serde(default)]
    pub partition_values: BTreeMap<String, Option<String>>,
    pub size: u64,
    /// JSON.
    pub stats: Option<String>,
    #[serde(default)]
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

/// A file's place among those of its table: the version that added it, and its number there. Other writers' come last.
pub(super) type Place = (Version, usize);

impl LoggedFile {
    /// The file as restlake knows it, at this path of the table.
    ///
    /// `keys` are the table's partition columns, in the order of its spec.
    ///
    /// # Errors
    /// A file without a number of rows.
    pub fn into_file(mut self, path: String, keys: &[KeyColumn]) -> Result<(Place, DataFile), String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Stats {
            num_records: u64,
        }
        let stats = self.stats.and_then(|stats| serde_json::from_str(&stats).ok());
        let Some(Stats { num_records: rows }) = stats else {
            return Err(format!("the log does not say how many rows `{path}` has"));
        };
        let bytes = self.size;
        let tag = self.tags.unwrap_or_default().remove(TAG).flatten();
        Ok(match tag.and_then(|tag| serde_json::from_str(&tag).ok()) {
            Some(FileRecord { version, index, sha256, partition, keys }) => {
                ((version, index), DataFile { path, rows, bytes, sha256, partition, keys })
            }
            None => {
                let mut value = |key: &KeyColumn| {
                    let value = self.partition_values.remove(&key.name).flatten();
                    (key.name.clone(), value.map(|value| key.literal(value)))
                };
                let partition = keys.iter().map(&mut value).collect();
                let (sha256, keys) = (String::new(), Vec::new());
                ((Version::MAX, 0), DataFile { path, rows, bytes, sha256, partition, keys })
            }
        })
    }
}

/// In the order of their places.
pub(super) fn in_order(mut files: Vec<(Place, DataFile)>) -> Vec<DataFile> {
    files.sort_by(|(a, first), (b, second)| (a, &first.path).cmp(&(b, &second.path)));
    files.into_iter().map(|(_, file)| file).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    add: Option<LoggedFile>,
    remove: Option<Removed>,
    commit_info: Option<CommitInfo>,
    domain_metadata: Option<DomainMetadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo {
    timestamp: Option<i64>,
    engine_info: Option<String>,
}

#[derive(Deserialize)]
struct DomainMetadata {
    domain: String,
    configuration: String,
    #[serde(default)]
    removed: bool,
}

impl LoggedCommit {
    /// # Errors
    /// No lines, lines that are not JSON, and a record of ours that cannot be read.
    pub fn read(lines: &[u8]) -> Result<Self, Unread> {
        if lines.trim_ascii().is_empty() {
            return Err(Unread::Empty);
        }
        let mut commit = Self::default();
        for line in serde_json::Deserializer::from_slice(lines).into_iter::<Line>() {
            let Line { add, remove, commit_info, domain_metadata } = line?;
            commit.adds.extend(add);
            commit.removes.extend(remove);
            if let Some(info) = commit_info {
                (commit.timestamp, commit.engine) = (info.timestamp, info.engine_info);
            }
            if let Some(ours) = domain_metadata.filter(|domain| domain.domain == DOMAIN && !domain.removed) {
                commit.record = Some(Record::read(&ours.configuration)?);
            }
        }
        Ok(commit)
    }

    /// When it was made, if it says.
    pub fn moment(&self) -> Option<DateTime<Utc>> {
        let ours = self.record.as_ref().and_then(|record| DateTime::parse_from_rfc3339(&record.committed_at).ok());
        let ours = ours.map(|moment| moment.with_timezone(&Utc));
        ours.or_else(|| DateTime::from_timestamp_millis(self.timestamp?))
    }

    /// When it removed a file, by our own clock where the commit is ours; `None` if nothing says.
    pub fn moment_of(&self, removed: &Removed) -> Option<DateTime<Utc>> {
        let told = removed.deletion_timestamp.and_then(DateTime::from_timestamp_millis);
        let ours = self.record.as_ref().and_then(|_| self.moment());
        ours.or(told).or_else(|| self.moment())
    }

    /// Who made it: the run, or the program if it was not restlake.
    pub fn author(&self) -> String {
        let run_id = self.record.as_ref().map(|record| &record.run_id);
        run_id.or(self.engine.as_ref()).map_or("an unknown writer", String::as_str).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "a=x/part-0000000002-00000-00000.parquet";

    fn file() -> DataFile {
        let partition = vec![("a".to_owned(), Some("x".to_owned())), ("b".to_owned(), None)];
        let keys = vec![KeyRange { column: "id".into(), values: None, has_null: true }];
        DataFile { path: PATH.into(), rows: 3, bytes: 9, sha256: "ab".into(), partition, keys }
    }

    /// What the kernel writes of a file, without what we know of it.
    fn kernels_line() -> String {
        let add = json!({"add": {"path": PATH, "partitionValues": {"a": "x", "b": null}, "size": 9, "modificationTime": 1,
            "dataChange": true, "stats": "{\"numRecords\":3}"}});
        format!("{}\n{add}\n", json!({"commitInfo": {"timestamp": 5, "engineInfo": "Somebody/1"}}))
    }

    #[test]
    fn a_file_comes_back_from_the_log_as_it_went_in() {
        let completion = Completion { record: FileRecord::new(2, 7, &file()), stats: r#"{"numRecords":3}"#.to_owned() };
        let adds = BTreeMap::from([(PATH.to_owned(), completion)]);
        let lines = complete(kernels_line().as_bytes(), &adds).unwrap();
        let LoggedCommit { adds, .. } = LoggedCommit::read(&lines).unwrap();
        let [add] = adds.try_into().unwrap();
        assert_eq!(LoggedFile::into_file(add, PATH.to_owned(), &[]), Ok(((2, 7), file())));
    }

    #[test]
    fn a_file_of_another_writer_has_its_partition_and_rows_and_comes_last() {
        let commit = LoggedCommit::read(kernels_line().as_bytes()).unwrap();
        assert_eq!((commit.author().as_str(), commit.moment().unwrap().timestamp_millis()), ("Somebody/1", 5));
        let [theirs] = commit.adds.try_into().unwrap();
        let key = |name: &str| KeyColumn { name: name.to_owned(), is_timestamp: false };
        let theirs = LoggedFile::into_file(theirs, PATH.to_owned(), &[key("b"), key("a")]).unwrap();
        let partition = vec![("b".to_owned(), None), ("a".to_owned(), Some("x".to_owned()))];
        assert_eq!((theirs.1.rows, &theirs.1.partition), (3, &partition), "in the order of the spec");
        let ours = |version, index| ((version, index), DataFile { path: format!("{version}-{index}"), ..file() });
        let ordered = in_order(vec![theirs, ours(10, 0), ours(2, 1), ours(2, 0)]);
        let paths: Vec<_> = ordered.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["2-0", "2-1", "10-0", PATH]);
    }

    #[test]
    fn a_file_without_a_number_of_rows_is_refused() {
        let line = kernels_line().replace("numRecords", "other");
        let [add] = LoggedCommit::read(line.as_bytes()).unwrap().adds.try_into().unwrap();
        assert!(LoggedFile::into_file(add, PATH.to_owned(), &[]).unwrap_err().contains(PATH));
    }

    #[test]
    fn a_record_that_was_taken_away_is_none_and_one_that_cannot_be_read_is_an_error() {
        let line = |removed: bool| {
            json!({"domainMetadata": {"domain": DOMAIN, "configuration": "{}", "removed": removed}}).to_string()
        };
        assert!(LoggedCommit::read(line(true).as_bytes()).unwrap().record.is_none());
        assert!(LoggedCommit::read(line(false).as_bytes()).is_err());
        assert!(LoggedCommit::read(b"not json").is_err());
        let newer = line(false).replace("{}", r#"{\"format\": 9, \"more\": 1}"#);
        assert!(matches!(LoggedCommit::read(newer.as_bytes()), Err(Unread::Newer(9))));
    }

    #[test]
    fn a_removal_was_when_its_own_action_says_or_the_commit_and_never_at_a_guess() {
        let moments = |info: Value, remove: Value| {
            let lines = format!("{}\n{}", json!({"commitInfo": info}), json!({"remove": remove}));
            let commit = LoggedCommit::read(lines.as_bytes()).unwrap();
            commit.moment_of(&commit.removes[0]).map(|moment| moment.timestamp_millis())
        };
        assert_eq!(moments(json!({}), json!({"path": "a", "deletionTimestamp": 7})), Some(7));
        assert_eq!(moments(json!({"timestamp": 5}), json!({"path": "a", "deletionTimestamp": 7})), Some(7));
        assert_eq!(moments(json!({"timestamp": 5}), json!({"path": "a"})), Some(5));
        assert_eq!(moments(json!({}), json!({"path": "a"})), None);
    }
}
