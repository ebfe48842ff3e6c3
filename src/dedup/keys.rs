//! The set of keys seen: each gets a slot, numbered from 0 in order of first arrival.
//!
//! The hash table holds slots only, 4 bytes each; keys lie in arrival order beside it. A new key, the usual case, touches
//! the table once and the keys not at all.

use std::hash::BuildHasher;

use arrow::{
    array::{ArrayRef, AsArray, PrimitiveArray},
    compute::cast,
    datatypes::{DataType, Int64Type, SchemaRef},
    record_batch::RecordBatch,
    row::{RowConverter, Rows, SortField},
};
use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use serde::{Deserialize, Serialize};

use super::{DedupError, comparable};

const ROLE: &str = "a key";

pub(super) struct KeySet {
    columns: Vec<usize>,
    keys: Keys,
}

enum Keys {
    /// One column of whole numbers.
    Integer(IntegerKeys),
    /// Anything else, as order-preserving bytes.
    Bytes(ByteKeys),
}

impl KeySet {
    pub(super) fn new(schema: &SchemaRef, columns: &[usize]) -> Result<Self, DedupError> {
        let types = columns.iter().map(|&index| comparable(schema, index, ROLE)).collect::<Result<Vec<_>, _>>()?;
        let keys = match types.as_slice() {
            [single] if fits_int64(single) => Keys::Integer(IntegerKeys::default()),
            _ => Keys::Bytes(ByteKeys::new(types)?),
        };
        Ok(Self { columns: columns.to_vec(), keys })
    }

    /// Replaces `slots` by the slot of each row.
    pub(super) fn slots(&mut self, rows: &RecordBatch, slots: &mut Vec<u32>) -> Result<(), DedupError> {
        slots.clear();
        slots.reserve(rows.num_rows());
        let columns = self.columns.iter().map(|&index| column(rows, index)).collect::<Result<Vec<_>, _>>()?;
        match (&mut self.keys, columns.as_slice()) {
            (Keys::Integer(keys), [single]) => keys.slots(cast(single, &DataType::Int64)?.as_primitive(), slots),
            (Keys::Integer(_), _) => Err(DedupError::NoColumn { index: columns.len() }),
            (Keys::Bytes(keys), columns) => keys.slots(columns, slots),
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        match &self.keys {
            Keys::Integer(keys) => keys.slots.count,
            Keys::Bytes(keys) => keys.slots.count,
        }
    }

    /// The keys of the slots from `first` on.
    pub(super) fn segment(&self, first: usize) -> KeySegment {
        match &self.keys {
            Keys::Integer(keys) => {
                let null = keys.null.filter(|&slot| slot as usize >= first);
                KeySegment::Integers { values: keys.values.get(first..).unwrap_or_default().to_vec(), null }
            }
            Keys::Bytes(keys) => {
                let stored = (first..keys.ends.len()).map(|slot| stored(&keys.values, &keys.ends, slot).to_vec());
                KeySegment::Bytes(stored.collect())
            }
        }
    }

    /// Gives the keys of a segment the slots that follow; `false` if they are not new, or of other columns.
    pub(super) fn restore(&mut self, segment: KeySegment) -> Result<bool, DedupError> {
        let (before, added) = (self.len(), segment.len());
        match (&mut self.keys, segment) {
            (Keys::Integer(keys), KeySegment::Integers { values, null }) => keys.restore(&values, null)?,
            (Keys::Bytes(keys), KeySegment::Bytes(values)) => {
                for key in values {
                    byte_slot(&mut keys.slots, &mut keys.values, &mut keys.ends, &key)?;
                }
            }
            _ => return Ok(false),
        }
        Ok(self.len() == before + added)
    }

    pub(super) fn memory(&self) -> usize {
        match &self.keys {
            Keys::Integer(keys) => keys.slots.memory() + keys.values.capacity() * size_of::<i64>(),
            Keys::Bytes(keys) => {
                keys.slots.memory() + keys.values.capacity() + keys.ends.capacity() * size_of::<usize>()
            }
        }
    }
}

/// Keys in the order of their slots.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum KeySegment {
    /// The null key has a value here that means nothing.
    Integers { values: Vec<i64>, null: Option<u32> },
    /// As arrow's row format has them, which is that of one version of arrow.
    Bytes(Vec<Vec<u8>>),
}

impl KeySegment {
    fn len(&self) -> usize {
        match self {
            Self::Integers { values, .. } => values.len(),
            Self::Bytes(keys) => keys.len(),
        }
    }
}

fn column(rows: &RecordBatch, index: usize) -> Result<ArrayRef, DedupError> {
    rows.columns().get(index).cloned().ok_or(DedupError::NoColumn { index })
}

/// Types whose values are told apart by 64 bits, and which arrow casts to them without loss.
fn fits_int64(data_type: &DataType) -> bool {
    use DataType::{Date32, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32};
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | Date32 | Timestamp(_, _))
}

/// Slots by hash.
#[derive(Default)]
struct Slots {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// How many slots are given out; with a null key it is one more than the table holds.
    count: usize,
}

impl Slots {
    fn memory(&self) -> usize {
        self.table.allocation_size()
    }
}

fn next_slot(count: &mut usize) -> Result<u32, DedupError> {
    let slot = u32::try_from(*count).map_err(|_| DedupError::TooManyKeys)?;
    *count += 1;
    Ok(slot)
}

#[derive(Default)]
struct IntegerKeys {
    slots: Slots,
    /// By slot. The null key has a value here that is never looked at.
    values: Vec<i64>,
    null: Option<u32>,
}

impl IntegerKeys {
    fn slots(&mut self, column: &PrimitiveArray<Int64Type>, slots: &mut Vec<u32>) -> Result<(), DedupError> {
        for key in column {
            slots.push(match key {
                Some(key) => self.slot(key)?,
                None => self.null_slot()?,
            });
        }
        Ok(())
    }

    fn slot(&mut self, key: i64) -> Result<u32, DedupError> {
        let hash = self.slots.hasher.hash_one(key);
        let Self { slots, values, .. } = self;
        let Slots { table, hasher, count } = slots;
        let at = |slot: &u32| values.get(*slot as usize);
        match table.entry(hash, |slot| at(slot) == Some(&key), |slot| hasher.hash_one(at(slot).unwrap_or(&0))) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(free) => {
                let slot = next_slot(count)?;
                free.insert(slot);
                values.push(key);
                Ok(slot)
            }
        }
    }

    fn restore(&mut self, values: &[i64], null: Option<u32>) -> Result<(), DedupError> {
        for &key in values {
            let is_null = null.is_some_and(|null| null as usize == self.slots.count);
            if is_null {
                self.null_slot()?
            } else {
                self.slot(key)?
            };
        }
        Ok(())
    }

    fn null_slot(&mut self) -> Result<u32, DedupError> {
        if let Some(slot) = self.null {
            return Ok(slot);
        }
        let slot = next_slot(&mut self.slots.count)?;
        self.values.push(0);
        self.null = Some(slot);
        Ok(slot)
    }
}

struct ByteKeys {
    converter: RowConverter,
    /// The keys of the batch at hand; kept for its allocation.
    rows: Rows,
    slots: Slots,
    /// All keys, one after another.
    values: Vec<u8>,
    /// Where each slot's key ends in `values`.
    ends: Vec<usize>,
}

impl ByteKeys {
    fn new(types: Vec<DataType>) -> Result<Self, DedupError> {
        let converter = RowConverter::new(types.into_iter().map(SortField::new).collect())?;
        let rows = converter.empty_rows(0, 0);
        Ok(Self { converter, rows, slots: Slots::default(), values: Vec::new(), ends: Vec::new() })
    }

    fn slots(&mut self, columns: &[ArrayRef], slots: &mut Vec<u32>) -> Result<(), DedupError> {
        let Self { converter, rows, slots: known, values, ends } = self;
        rows.clear();
        converter.append(rows, columns)?;
        for key in rows.iter() {
            slots.push(byte_slot(known, values, ends, key.data())?);
        }
        Ok(())
    }
}

fn byte_slot(slots: &mut Slots, values: &mut Vec<u8>, ends: &mut Vec<usize>, key: &[u8]) -> Result<u32, DedupError> {
    let hash = slots.hasher.hash_one(key);
    let Slots { table, hasher, count } = slots;
    let at = |slot: &u32| stored(values, ends, *slot as usize);
    match table.entry(hash, |slot| at(slot) == key, |slot| hasher.hash_one(at(slot))) {
        Entry::Occupied(known) => Ok(*known.get()),
        Entry::Vacant(free) => {
            let slot = next_slot(count)?;
            free.insert(slot);
            values.extend_from_slice(key);
            ends.push(values.len());
            Ok(slot)
        }
    }
}

fn stored<'a>(values: &'a [u8], ends: &[usize], slot: usize) -> &'a [u8] {
    let start = slot.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(slot).copied().unwrap_or(start);
    values.get(start..end).unwrap_or_default()
}
