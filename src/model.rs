//! The data that travels between stages. No behaviour: what a stage does with it stands in the stage.

use std::{collections::BTreeMap, sync::Arc};

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    json::Document,
    memory::Hold,
    schema::{Inferred, TableSchema},
};

/// One answered page, in page order: what `fetch` gives to `decode`.
#[derive(Clone, Debug)]
pub struct Page {
    /// 1 for the first page of the resource.
    pub number: u64,
    /// Which of the resource's lists it is of, 0 for the first: it has one for each record of its parent.
    pub list: u64,
    pub document: Arc<Document>,
    /// The tape index of the value that `data_selector` found; `None` if it found nothing or null, which is a page without
    /// records. An array holds the page's records, an object is the one record.
    pub records: Option<u32>,
    /// How many records that are.
    pub count: u64,
    /// Records that were there too, and were taken out since: they count as fetched and as filtered.
    pub filtered: u64,
    /// Records that were there too, and had come before: they count as fetched and as duplicates.
    pub duplicates: u64,
    /// Records that were there too, and that no step could process: they count as fetched and as rejected.
    pub rejects: Vec<Reject>,
    /// Records at its beginning that are known to have come on the page before: they were asked for again, or rows that came in
    /// have shifted them.
    pub repeats: u64,
    /// How often the result set was read before this pass.
    pub pass: u32,
    /// Where records were taken out, the number of each one that is left, 1 for the first of the page as it came.
    pub numbers: Option<Arc<[u64]>>,
    /// The memory that it takes, where that is counted.
    pub hold: Option<Arc<Hold>>,
}

impl Page {
    /// Bytes that each of its forms may take: records that steps make of it, its rows, its rejects.
    pub fn most(&self) -> usize {
        self.hold.as_ref().map_or(usize::MAX, |hold| usize::try_from(hold.most()).unwrap_or(usize::MAX))
    }

    /// As it came, of the first list.
    pub fn new(number: u64, document: Arc<Document>, records: Option<u32>, count: u64) -> Self {
        let (rejects, numbers) = (Vec::new(), None);
        Self {
            number,
            list: 0,
            document,
            records,
            count,
            filtered: 0,
            duplicates: 0,
            rejects,
            repeats: 0,
            pass: 0,
            numbers,
            hold: None,
        }
    }
}

impl Page {
    /// Whether the record with this number is among the [`repeats`](Self::repeats).
    pub fn is_repeated(&self, number: u64) -> bool {
        let repeats = usize::try_from(self.repeats).unwrap_or(usize::MAX);
        match &self.numbers {
            _ if repeats == 0 => false,
            None => number <= self.repeats,
            Some(numbers) => numbers.iter().take(repeats).any(|known| *known == number),
        }
    }
}

/// The rows of one page: what `decode` gives to `dedup`.
#[derive(Debug)]
pub struct Batch {
    pub page: u64,
    /// The page sequence that it is of.
    pub sequence: Sequence,
    /// Rows at its beginning that may have come on the page before, see [`Page::repeats`].
    pub repeats: usize,
    /// The rows that fit, in record order.
    pub rows: RecordBatch,
    /// In record order. One that rejects a row stands for a record that `rows` lacks; one that discards a value does not.
    pub rejects: Vec<Reject>,
    /// Under `schema_contract.columns: evolve`, the fields of `rows` that no column is declared for, in order of appearance.
    pub undeclared: Vec<UndeclaredField>,
    /// Records of the page: `rows.num_rows()` + `rows_rejected` + `rows_filtered` + `rows_duplicate`.
    pub rows_fetched: u64,
    /// Records that were taken out before they were decoded.
    pub rows_filtered: u64,
    /// Records that had come before, and were taken out for that.
    pub rows_duplicate: u64,
    pub rows_rejected: u64,
    pub values_discarded: u64,
}

/// A page sequence of a resource: one of its lists, in one pass over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    pub list: u64,
    pub pass: u32,
}

/// A top-level field that no column is declared for, and is not null everywhere; or one whose column came without being
/// declared, and lacks fields that are within it or is of a narrower type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndeclaredField {
    pub name: String,
    /// What its values on the page tell.
    pub seen: Inferred,
}

/// A row or a value that did not fit: one line of `_restlake/rejects/<run_id>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reject {
    pub resource: String,
    /// 1 for the first page.
    pub page: u64,
    /// 1 for the first record of the page.
    pub record: u64,
    /// Where in the record the value stands, such as `steps[2].position`.
    pub path: String,
    pub column: String,
    /// The type that was expected; for an undeclared field, `no such column`.
    pub expected: String,
    /// The value as the API wrote it, shortened to 200 characters.
    pub found: String,
    pub reason: String,
    /// The whole record as the API wrote it (as text where it is not JSON that can be read back).
    pub row: serde_json::Value,
}

/// Bytes of a key of an object, beside its text.
const KEY_BYTES: usize = 72;

impl Reject {
    /// Bytes of memory, about.
    pub fn memory(&self) -> usize {
        let texts = [&self.resource, &self.path, &self.column, &self.expected, &self.found, &self.reason];
        size_of::<Self>() + texts.iter().map(|text| text.len()).sum::<usize>() + weight(&self.row)
    }
}

/// Bytes of memory beside the value itself, about.
fn weight(value: &serde_json::Value) -> usize {
    let own = size_of::<serde_json::Value>();
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(items) => items.iter().map(|item| own + weight(item)).sum(),
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(key, value)| KEY_BYTES + own + key.len() + weight(value)).sum()
        }
        _ => 0,
    }
}

/// Values of a row's partition columns, in the order of the partition spec: the key as it stands in the directory name
/// (`created_at_month`), and the value before escaping; `None` is null.
pub type PartitionKey = Vec<(String, Option<String>)>;

/// A finished Parquet file that is not in the store yet: what `write` gives to `commit`.
#[derive(Clone, Debug)]
pub struct EncodedFile {
    /// Relative to the table's root: `status=active/part-0000000001-00000-000.parquet`.
    pub path: String,
    pub partition: PartitionKey,
    pub rows: u64,
    /// Of the key columns, as far as they are known.
    pub keys: Vec<KeyRange>,
    pub content: Bytes,
}

/// The least and the greatest value of a key column in one file: what a merge looks at before it opens the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    pub column: String,
    /// `None` if all values are null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<(KeyValue, KeyValue)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_null: bool,
}

/// A value of a key column, in the order of its column. Two values of one column are of one variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyValue {
    /// Whole numbers, bools, dates, times and timestamps, in the unit of the Arrow column.
    Integer(i64),
    /// Texts, in the order of their bytes.
    Text(String),
}

/// A data file of a table version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Relative to the table's root.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition: PartitionKey,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyRange>,
}

/// A file that a commit adds, and where it lies until the commit is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    #[serde(flatten)]
    pub file: DataFile,
    /// Relative to the table's root: `_restlake/staging/<attempt>/<name>.staged`.
    pub staged: String,
}

/// A table's version; the first commit makes 1, a table without commits is at 0.
pub type Version = u64;

/// How far the source has been read, and with which schema: committed with the data, never beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<serde_json::Value>,
    /// Counters of the run that made the commit, by the names of the run's summary.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// Under `scd2`, what tells that a version of a row still holds, where that is not null: in microseconds since 1970. With
    /// another one, the versions that are there could not be told from those that have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_record_timestamp: Option<i64>,
    /// What `auto` has detected of the endpoint, for later runs; of the endpoint with this fingerprint only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected: Option<serde_json::Value>,
    /// Of the config that the run went by: the same command again is told from another one by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Of a resource that is asked for by the records of another one: how far those above it had been read when all their
    /// records were asked for, as their own `cursor` has it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parents: BTreeMap<String, serde_json::Value>,
}

/// What a commit does to the files that were there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Append,
    Replace,
    Merge,
    /// The same rows in fewer files, or under the schema of now.
    Compact,
    /// The same rows, with a state that came from elsewhere.
    Import,
}

/// Who a table belongs to, and what its rows look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableIdentity {
    pub pipeline: String,
    pub resource: String,
}

/// One version's change, as a run hands it to a `TableFormat`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    pub identity: TableIdentity,
    pub run_id: String,
    pub operation: Operation,
    pub schema: TableSchema,
    /// The partition spec as the user writes it, such as `month(created_at)`.
    pub partition_by: Vec<String>,
    pub adds: Vec<StagedFile>,
    /// Paths of the files that leave the table.
    pub removes: Vec<String>,
    pub state: State,
}
