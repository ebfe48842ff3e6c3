//! Collects the keys and contents of the rows of a run for the merge.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    buffer::{BooleanBuffer, NullBuffer},
    compute::{filter_record_batch, not},
    datatypes::DataType,
    record_batch::RecordBatch,
};

use super::{
    Incoming, MergeError,
    content::{ContentHasher, content_columns, digest_schema},
    incoming::{Contents, Indexed, PrimaryKeys},
    segment::Saved,
};
use crate::{
    keys::{KeyError, KeySet},
    plan::{MergePlan, MergeStrategy},
    schema::TableSchema,
};

/// Sees all rows of a run, in order. See the module above.
pub struct Collector {
    schema: TableSchema,
    plan: MergePlan,
    pub(super) merge: Option<MergeKeys>,
    counts_merge_keys: bool,
    pub(super) contents: Option<Versions>,
    /// Ids of the records that delete, ascending.
    pub(super) deleting: Vec<u64>,
    pub(super) repeated: u64,
    slots: Vec<u32>,
    pub(super) saved: Saved,
}

/// The rows of a batch to write.
#[derive(Clone, Debug)]
pub struct Sifted {
    pub rows: RecordBatch,
    pub ids: Vec<u64>,
}

pub(super) struct MergeKeys {
    pub(super) keys: KeySet,
    /// Rows written, by slot; empty unless they are counted.
    pub(super) written: Vec<u64>,
}

/// Contents of rows, and which row has which: under `scd2`.
pub(super) struct Versions {
    columns: Vec<usize>,
    hasher: ContentHasher,
    /// Digests of contents.
    pub(super) keys: KeySet,
    /// Slot and id of each row that is written.
    pub(super) rows: Vec<(u32, u64)>,
    /// True if a row with known content is a duplicate. Rows with a key are compared by key instead.
    drops_repeats: bool,
}

impl Collector {
    /// For rows of `schema`, deduplicated by the primary key if there is one.
    ///
    /// # Errors
    /// Kind `User` if a column of a key holds values that cannot be compared.
    pub fn new(schema: &TableSchema, plan: &MergePlan, primary_key: &[usize]) -> Result<Self, MergeError> {
        let merge = (!plan.merge_key.is_empty()).then(|| KeySet::of_table(schema, &plan.merge_key));
        let contents = matches!(plan.strategy, MergeStrategy::Scd2(_)).then(|| Versions::new(schema, primary_key));
        Ok(Self {
            schema: schema.clone(),
            merge: merge.transpose()?.map(|keys| MergeKeys { keys, written: Vec::new() }),
            counts_merge_keys: plan.strategy == MergeStrategy::DeleteInsert && primary_key.is_empty(),
            contents: contents.transpose()?,
            plan: plan.clone(),
            deleting: Vec::new(),
            repeated: 0,
            slots: Vec::new(),
            saved: Saved::default(),
        })
    }

    /// Takes a batch as it came, before anything is left out of it: a record that is a duplicate or deletes names its
    /// merge key all the same.
    pub fn arrive(&mut self, rows: &RecordBatch) -> Result<(), MergeError> {
        if let Some(merge) = &mut self.merge {
            merge.keys.slots(&naming(rows, &self.plan)?, &mut self.slots)?;
        }
        Ok(())
    }

    /// Takes the rows that deduplication left, and leaves out what is not to be written.
    pub fn sift(&mut self, rows: RecordBatch, ids: Vec<u64>) -> Result<Sifted, MergeError> {
        let deletes = self.plan.hard_delete.map(|column| deleting(&rows, column)).transpose()?;
        let mut sifted = Sifted { rows, ids };
        if let Some(deletes) = deletes.filter(|deletes| deletes.true_count() > 0) {
            self.deleting.extend(marked(&sifted.ids, deletes.values()));
            sifted = sifted.filter(&not(&deletes)?)?;
        }
        if let Some(versions) = &mut self.contents {
            let before = sifted.ids.len();
            sifted = versions.sift(sifted)?;
            self.repeated += (before - sifted.ids.len()) as u64;
        }
        self.count(&sifted)?;
        Ok(sifted)
    }

    /// Rows left out because the same content came before.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The number of keys held, contents of rows among them.
    pub fn keys(&self) -> usize {
        self.sets().map(KeySet::len).sum()
    }

    /// Bytes of memory, about.
    pub fn memory(&self) -> usize {
        let written = self.merge.as_ref().map_or(0, |merge| merge.written.capacity() * size_of::<u64>());
        let rows = self.contents.as_ref().map_or(0, |versions| versions.rows.capacity() * size_of::<(u32, u64)>());
        self.sets().map(KeySet::memory).sum::<usize>() + written + rows + self.deleting.capacity() * size_of::<u64>()
    }

    fn sets(&self) -> impl Iterator<Item = &KeySet> {
        let merge = self.merge.iter().map(|merge| &merge.keys);
        merge.chain(self.contents.iter().map(|versions| &versions.keys))
    }

    fn count(&mut self, sifted: &Sifted) -> Result<(), MergeError> {
        let Some(merge) = self.merge.as_mut().filter(|_| self.counts_merge_keys) else { return Ok(()) };
        merge.keys.slots(&naming(&sifted.rows, &self.plan)?, &mut self.slots)?;
        merge.written.resize(merge.keys.len(), 0);
        for slot in &self.slots {
            merge.written.get_mut(*slot as usize).into_iter().for_each(|count| *count += 1);
        }
        Ok(())
    }

    /// Returns the rows of the run. `deduplicated` are the primary keys with the id of each one's winner by slot; `superseded` the
    /// ids, ascending, of the rows that lost after they were passed on.
    pub fn finish(
        self,
        deduplicated: Option<(KeySet, Vec<u64>)>,
        superseded: Vec<u64>,
    ) -> Result<Incoming, MergeError> {
        let deleting = self.deleting;
        let survives = |id: &u64| superseded.binary_search(id).is_err();
        let filtered = deleting.iter().filter(|id| survives(id)).count() as u64;
        let primary = deduplicated
            .map(|(keys, winners)| PrimaryKeys::new(keys, winners, &deleting, &self.plan.strategy))
            .transpose()?;
        let contents = self.contents.map(|versions| versions.finish(&superseded));
        let (merge, written) = self.merge.map_or((None, Vec::new()), |merge| (Some(merge.keys), merge.written));
        Ok(Incoming {
            schema: self.schema,
            plan: self.plan,
            primary,
            merge: merge.map(Indexed::new).transpose()?,
            written,
            contents,
            superseded,
            filtered,
        })
    }
}

impl Sifted {
    fn filter(&self, keep: &BooleanArray) -> Result<Self, MergeError> {
        let ids = marked(&self.ids, keep.values()).collect();
        Ok(Self { rows: filter_record_batch(&self.rows, keep)?, ids })
    }
}

/// The rows whose merge keys count. Where rows of the same key go, one without a key names none: in SQL no null equals
/// another. Versions of rows differ by their contents, and a null key is a key like any other.
fn naming(rows: &RecordBatch, plan: &MergePlan) -> Result<RecordBatch, MergeError> {
    if plan.strategy != MergeStrategy::DeleteInsert {
        return Ok(rows.clone());
    }
    let columns = plan.merge_key.iter().filter_map(|&index| rows.columns().get(index));
    let nulls: Vec<Option<NullBuffer>> = columns.map(Array::logical_nulls).collect();
    match NullBuffer::union_many(nulls.iter().map(Option::as_ref)).filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => Ok(filter_record_batch(rows, &BooleanArray::new(nulls.into_inner(), None))?),
        None => Ok(rows.clone()),
    }
}

fn marked<'a>(ids: &'a [u64], marks: &'a BooleanBuffer) -> impl Iterator<Item = u64> + 'a {
    ids.iter().zip(marks.iter()).filter_map(|(id, marked)| marked.then_some(*id))
}

/// Selects the records that delete: those with true in a bool column, with anything but null or `false` in another one. A text column
/// holds JSON's `false` as that text, and a `json` column whose first values were null may hold nothing but bools.
fn deleting(rows: &RecordBatch, column: usize) -> Result<BooleanArray, MergeError> {
    let values: &ArrayRef = rows.columns().get(column).ok_or(KeyError::NoColumn { index: column })?;
    Ok(match values.data_type() {
        DataType::Boolean => values.as_boolean().iter().map(|deletes| Some(deletes == Some(true))).collect(),
        DataType::Utf8 => {
            values.as_string::<i32>().iter().map(|text| Some(text.is_some_and(|text| !is_false(text)))).collect()
        }
        _ => (0..values.len()).map(|row| Some(!values.is_null(row))).collect(),
    })
}

fn is_false(text: &str) -> bool {
    text.trim_matches('"') == "false"
}

impl Versions {
    fn new(schema: &TableSchema, primary_key: &[usize]) -> Result<Self, MergeError> {
        let columns = content_columns(schema);
        let hasher = ContentHasher::new(schema, &columns)?;
        let keys = KeySet::new(&digest_schema(), &[0])?;
        Ok(Self { columns, hasher, keys, rows: Vec::new(), drops_repeats: primary_key.is_empty() })
    }

    fn sift(&mut self, sifted: Sifted) -> Result<Sifted, MergeError> {
        let known = self.keys.len();
        let digests = self.hasher.digests(sifted.rows.project(&self.columns)?.columns())?;
        let mut slots = Vec::new();
        self.keys.slots(&digests, &mut slots)?;
        let keep: BooleanArray = match self.drops_repeats {
            true => first_of_each(&slots, known),
            false => vec![true; slots.len()].into(),
        };
        let all = slots.into_iter().zip(sifted.ids.iter().copied()).zip(keep.values().iter());
        self.rows.extend(all.filter_map(|(row, kept)| kept.then_some(row)));
        if keep.false_count() == 0 { Ok(sifted) } else { sifted.filter(&keep) }
    }

    fn finish(mut self, superseded: &[u64]) -> Contents {
        self.rows.retain(|(_, id)| superseded.binary_search(id).is_err());
        Contents::new(self.keys, self.rows)
    }
}

/// True for each slot that is met for the first time; those below `known` were met before.
fn first_of_each(slots: &[u32], known: usize) -> BooleanArray {
    let mut next = known;
    let is_first = |slot: &u32| {
        let is_new = *slot as usize == next;
        next += usize::from(is_new);
        Some(is_new)
    };
    slots.iter().map(is_first).collect()
}
