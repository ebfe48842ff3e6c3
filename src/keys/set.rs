//! The set of keys seen: each gets a slot, numbered from 0 in order of first arrival.
//!
//! The hash table holds slots only, 4 bytes each; keys lie in arrival order beside it. A new key, the usual case, touches
//! the table once and the keys not at all.

use std::hash::BuildHasher;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, PrimitiveArray},
    compute::cast,
    datatypes::{DataType, Int64Type, SchemaRef},
    record_batch::RecordBatch,
    row::{RowConverter, Rows, SortField},
};
use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use serde::{Deserialize, Serialize};

use super::{
    KeyColumn, KeyError,
    column::Gatherer,
    comparable,
    normal::{has_forms, normal},
};
use crate::schema::{ColumnType, TableSchema};

/// One part in so many is what keys grow by at a time.
const GROWTH: usize = 4;

const ROLE: &str = "a key";

/// Keys decoded at a time.
const DECODED: usize = 8192;

/// Distinct keys of rows. Filled by one thread, then shared by as many as look keys up.
pub struct KeySet {
    columns: Vec<usize>,
    names: Vec<String>,
    /// For each column its type, if equal values may be stored in more than one form.
    forms: Vec<Option<ColumnType>>,
    keys: Keys,
}

enum Keys {
    /// One column of whole numbers.
    Integer(IntegerKeys),
    /// Anything else, as order-preserving bytes.
    Bytes(ByteKeys),
}

impl KeySet {
    /// For batches of `schema`; `columns` are indexes of its columns. A null is a value like any other: keys that are null in
    /// the same columns and equal in the others are one key.
    ///
    /// # Errors
    /// [`KeyError::Type`] if a column holds values that have no order or no equality, such as maps.
    pub fn new(schema: &SchemaRef, columns: &[usize]) -> Result<Self, KeyError> {
        let types = columns.iter().map(|&index| comparable(schema, index, ROLE)).collect::<Result<Vec<_>, _>>()?;
        let names = columns.iter().filter_map(|&index| schema.fields().get(index)).map(|field| field.name().clone());
        let forms = types.iter().map(|data_type| match data_type {
            DataType::Float32 => Some(ColumnType::Float32),
            DataType::Float64 => Some(ColumnType::Float64),
            _ => None,
        });
        let forms = forms.collect();
        let keys = match types.as_slice() {
            [single] if fits_int64(single) => Keys::Integer(IntegerKeys::default()),
            _ => Keys::Bytes(ByteKeys::new(types)?),
        };
        Ok(Self { columns: columns.to_vec(), names: names.collect(), forms, keys })
    }

    /// As [`new`](Self::new), for batches of a table: values of `json` columns are equal if their contents are.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn of_table(schema: &TableSchema, columns: &[usize]) -> Result<Self, KeyError> {
        let mut set = Self::new(&schema.to_arrow(), columns)?;
        let types = columns.iter().map(|&index| schema.columns.get(index).map(|column| &column.data_type));
        set.forms = types.map(|data_type| data_type.filter(|data_type| has_forms(data_type)).cloned()).collect();
        Ok(set)
    }

    /// The key's columns of a batch, in the form in which equal values have equal bytes.
    fn key_columns(&self, rows: &RecordBatch, columns: &[usize]) -> Result<Vec<ArrayRef>, KeyError> {
        let columns = project(rows, columns)?.into_iter().zip(&self.forms);
        let normal = columns.map(|(values, form)| match form {
            Some(data_type) => normal(&values, data_type),
            None => Ok(values),
        });
        Ok(normal.collect::<Result<_, _>>()?)
    }

    /// Indexes of the key's columns in the schema that the set was made for.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Returns the number of assigned slots.
    pub fn len(&self) -> usize {
        match &self.keys {
            Keys::Integer(keys) => keys.slots.count,
            Keys::Bytes(keys) => keys.slots.count,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces `slots` by the slot of each row; keys that are new get the next ones.
    ///
    /// # Errors
    /// [`KeyError::TooManyKeys`], and rows that are not of the schema.
    pub fn slots(&mut self, rows: &RecordBatch, slots: &mut Vec<u32>) -> Result<(), KeyError> {
        slots.clear();
        slots.reserve(rows.num_rows());
        let columns = self.key_columns(rows, &self.columns)?;
        match (&mut self.keys, columns.as_slice()) {
            (Keys::Integer(keys), [single]) => keys.slots(cast(single, &DataType::Int64)?.as_primitive(), slots),
            (Keys::Integer(_), _) => Err(KeyError::NoColumn { index: columns.len() }),
            (Keys::Bytes(keys), columns) => keys.slots(columns, slots),
        }
    }

    /// Replaces `found` by the slot of each row's key, `None` where it is not in the set. `columns` says which of the batch's
    /// columns are the key's, in the key's order.
    ///
    /// # Errors
    /// Rows whose columns are not of the key's types.
    pub fn find(&self, rows: &RecordBatch, columns: &[usize], found: &mut Vec<Option<u32>>) -> Result<(), KeyError> {
        found.clear();
        found.reserve(rows.num_rows());
        let columns = self.key_columns(rows, columns)?;
        match (&self.keys, columns.as_slice()) {
            (Keys::Integer(keys), [single]) => {
                let keys_of_rows = cast(single, &DataType::Int64)?;
                found.extend(keys_of_rows.as_primitive::<Int64Type>().iter().map(|key| keys.find(key)));
            }
            (Keys::Integer(_), _) => return Err(KeyError::NoColumn { index: columns.len() }),
            (Keys::Bytes(keys), columns) => {
                let rows = keys.converter.convert_columns(columns)?;
                found.extend(rows.iter().map(|row| keys.find(row.data())));
            }
        }
        Ok(())
    }

    /// The values of each key column, in the order of [`columns`](Self::columns).
    ///
    /// # Errors
    /// Only if Arrow cannot read back what it encoded.
    pub fn values(&self) -> Result<Vec<KeyColumn>, KeyError> {
        // Files hold the values as they came, in whatever form: no range of them rules one out.
        let names = self.names.iter().zip(&self.forms);
        let mut gatherers: Vec<_> = names.map(|(name, form)| Gatherer::new(name, form.is_some())).collect();
        match &self.keys {
            Keys::Integer(keys) => gatherers.iter_mut().for_each(|column| column.add(&keys.array())),
            Keys::Bytes(keys) => keys.decode(&mut gatherers)?,
        }
        Ok(gatherers.into_iter().map(Gatherer::finish).collect())
    }

    /// The keys of the slots from `first` on.
    pub fn segment(&self, first: usize) -> KeySegment {
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

    /// Gives the keys of a segment the slots that follow.
    ///
    /// # Errors
    /// [`KeyError::Segment`] if they are not new, or of other columns.
    pub fn restore(&mut self, segment: KeySegment) -> Result<(), KeyError> {
        let expected = self.len() + segment.len();
        match (&mut self.keys, segment) {
            (Keys::Integer(keys), KeySegment::Integers { values, null }) => keys.restore(&values, null)?,
            (Keys::Bytes(keys), KeySegment::Bytes(values)) => {
                for key in values {
                    byte_slot(&mut keys.slots, &mut keys.values, &mut keys.ends, &key)?;
                }
            }
            _ => return Err(KeyError::Segment),
        }
        if self.len() == expected { Ok(()) } else { Err(KeyError::Segment) }
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
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
pub enum KeySegment {
    /// `null` is the slot of the null key, whose entry in `values` has no meaning.
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

fn project(rows: &RecordBatch, columns: &[usize]) -> Result<Vec<ArrayRef>, KeyError> {
    let column = |&index: &usize| rows.columns().get(index).cloned().ok_or(KeyError::NoColumn { index });
    columns.iter().map(column).collect()
}

/// Returns true for types that arrow casts to 64-bit integers without loss.
fn fits_int64(data_type: &DataType) -> bool {
    use DataType::{Date32, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32};
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | Date32 | Timestamp(_, _))
}

/// Slots by hash.
#[derive(Default)]
struct Slots {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Number of assigned slots; with a null key it is one more than the table holds.
    count: usize,
}

impl Slots {
    fn memory(&self) -> usize {
        self.table.allocation_size()
    }
}

fn next_slot(count: &mut usize) -> Result<u32, KeyError> {
    let slot = u32::try_from(*count).map_err(|_| KeyError::TooManyKeys)?;
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
    fn slots(&mut self, column: &PrimitiveArray<Int64Type>, slots: &mut Vec<u32>) -> Result<(), KeyError> {
        for key in column {
            slots.push(match key {
                Some(key) => self.slot(key)?,
                None => self.null_slot()?,
            });
        }
        Ok(())
    }

    fn slot(&mut self, key: i64) -> Result<u32, KeyError> {
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

    fn restore(&mut self, values: &[i64], null: Option<u32>) -> Result<(), KeyError> {
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

    fn null_slot(&mut self) -> Result<u32, KeyError> {
        if let Some(slot) = self.null {
            return Ok(slot);
        }
        let slot = next_slot(&mut self.slots.count)?;
        self.values.push(0);
        self.null = Some(slot);
        Ok(slot)
    }

    fn find(&self, key: Option<i64>) -> Option<u32> {
        let Some(key) = key else { return self.null };
        let Slots { table, hasher, .. } = &self.slots;
        table.find(hasher.hash_one(key), |slot| self.values.get(*slot as usize) == Some(&key)).copied()
    }

    /// By slot.
    fn array(&self) -> ArrayRef {
        let key = |(slot, &value): (usize, &i64)| (self.null != u32::try_from(slot).ok()).then_some(value);
        std::sync::Arc::new(self.values.iter().enumerate().map(key).collect::<Int64Array>())
    }
}

struct ByteKeys {
    converter: RowConverter,
    /// The keys of the batch at hand; kept for its allocation.
    rows: Rows,
    slots: Slots,
    /// All keys, one after another.
    values: Vec<u8>,
    /// The end of each slot's key in `values`.
    ends: Vec<usize>,
}

impl ByteKeys {
    fn new(types: Vec<DataType>) -> Result<Self, KeyError> {
        let converter = RowConverter::new(types.into_iter().map(SortField::new).collect())?;
        let rows = converter.empty_rows(0, 0);
        Ok(Self { converter, rows, slots: Slots::default(), values: Vec::new(), ends: Vec::new() })
    }

    fn slots(&mut self, columns: &[ArrayRef], slots: &mut Vec<u32>) -> Result<(), KeyError> {
        let Self { converter, rows, slots: known, values, ends } = self;
        rows.clear();
        converter.append(rows, columns)?;
        for key in rows.iter() {
            slots.push(byte_slot(known, values, ends, key.data())?);
        }
        Ok(())
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        let Slots { table, hasher, .. } = &self.slots;
        let equals = |slot: &u32| stored(&self.values, &self.ends, *slot as usize) == key;
        table.find(hasher.hash_one(key), equals).copied()
    }

    fn decode(&self, columns: &mut [Gatherer]) -> Result<(), KeyError> {
        let parser = self.converter.parser();
        for start in (0..self.ends.len()).step_by(DECODED) {
            let slots = start..self.ends.len().min(start + DECODED);
            let rows = slots.map(|slot| parser.parse(stored(&self.values, &self.ends, slot)));
            let arrays = self.converter.convert_rows(rows)?;
            columns.iter_mut().zip(&arrays).for_each(|(column, array)| column.add(array));
        }
        Ok(())
    }
}

fn byte_slot(slots: &mut Slots, values: &mut Vec<u8>, ends: &mut Vec<usize>, key: &[u8]) -> Result<u32, KeyError> {
    let hash = slots.hasher.hash_one(key);
    let Slots { table, hasher, count } = slots;
    let at = |slot: &u32| stored(values, ends, *slot as usize);
    match table.entry(hash, |slot| at(slot) == key, |slot| hasher.hash_one(at(slot))) {
        Entry::Occupied(known) => Ok(*known.get()),
        Entry::Vacant(free) => {
            let slot = next_slot(count)?;
            free.insert(slot);
            // Keys of a long run are the largest part of the memory: doubling would take as much again.
            if values.capacity() - values.len() < key.len() {
                values.reserve_exact((values.len() / GROWTH).max(key.len()));
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{StringArray, UInt64Array},
        datatypes::{Field, Schema},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{keys::Values, model::KeyValue};

    type Row = (Option<i64>, Option<String>);

    fn schema() -> SchemaRef {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        Arc::new(Schema::new(vec![field("id", DataType::Int64), field("name", DataType::Utf8)]))
    }

    fn batch(rows: &[Row]) -> RecordBatch {
        let id: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
        let name: ArrayRef = Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringArray>());
        RecordBatch::try_new(schema(), vec![id, name]).unwrap()
    }

    fn filled(columns: &[usize], rows: &[Row]) -> (KeySet, Vec<u32>) {
        let mut set = KeySet::new(&schema(), columns).unwrap();
        let mut slots = Vec::new();
        set.slots(&batch(rows), &mut slots).unwrap();
        (set, slots)
    }

    fn found(set: &KeySet, rows: &RecordBatch, columns: &[usize]) -> Vec<Option<u32>> {
        let mut found = vec![Some(7)];
        set.find(rows, columns, &mut found).unwrap();
        found
    }

    fn row(id: i64, name: &str) -> Row {
        (Some(id), Some(name.to_owned()))
    }

    #[test]
    fn a_key_is_found_by_its_slot_and_an_unknown_one_is_not() {
        for columns in [&[0][..], &[1], &[1, 0]] {
            let (set, slots) = filled(columns, &[row(1, "a"), row(2, "b"), row(1, "a"), (None, None)]);
            assert_eq!(slots, [0, 1, 0, 2]);
            let probe = batch(&[(None, None), row(2, "b"), row(3, "c")]);
            assert_eq!(found(&set, &probe, columns), [Some(2), Some(1), None], "{columns:?}");
            assert_eq!(set.len(), 3, "looking up adds nothing");
        }
    }

    #[test]
    fn a_batch_with_another_column_order_is_probed_by_its_own_positions() {
        let (set, _) = filled(&[0, 1], &[row(1, "a"), row(2, "b")]);
        let swapped = batch(&[row(2, "b"), row(2, "a")]).project(&[1, 0]).unwrap();
        assert_eq!(found(&set, &swapped, &[1, 0]), [Some(1), None]);
    }

    #[test]
    fn a_batch_that_lacks_a_key_column_is_refused() {
        let (set, _) = filled(&[0, 1], &[row(1, "a")]);
        let error = set.find(&batch(&[row(1, "a")]), &[0, 2], &mut Vec::new()).unwrap_err();
        assert!(matches!(error, KeyError::NoColumn { index: 2 }));
    }

    #[test]
    fn the_values_of_each_key_column_come_in_order() {
        let (set, _) = filled(&[1, 0], &[row(5, "b"), row(-3, "a"), (None, Some("c".into()))]);
        let values = set.values().unwrap();
        assert_eq!((values[0].name.as_str(), values[0].has_null), ("name", false));
        assert_eq!((values[1].name.as_str(), values[1].has_null), ("id", true));
        assert_eq!(values[1].values, Values::Integers(vec![-3, 5]));
        let between =
            |low: &str, high: &str| values[0].any_between(&KeyValue::Text(low.into()), &KeyValue::Text(high.into()));
        assert!(between("b", "bb") && !between("aa", "az") && !between("d", "z"));
    }

    #[test]
    fn the_null_of_a_single_integer_key_is_no_value() {
        let (set, _) = filled(&[0], &[row(0, ""), (None, None), row(9, "")]);
        let column = &set.values().unwrap()[0];
        assert_eq!((&column.values, column.has_null), (&Values::Integers(vec![0, 9]), true));
    }

    #[test]
    fn unsigned_values_beyond_the_signed_range_rule_nothing_out() {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::UInt64, true)]));
        let values: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX]));
        let mut set = KeySet::new(&schema, &[0]).unwrap();
        set.slots(&RecordBatch::try_new(schema, vec![values]).unwrap(), &mut Vec::new()).unwrap();
        assert_eq!(set.values().unwrap()[0].values, Values::Unknown);
    }

    proptest! {
        #[test]
        fn a_lookup_agrees_with_an_insertion(
            known in prop::collection::vec((prop::option::of(-3_i64..3), prop::option::of("[ab]{0,2}")), 0..20),
            probe in prop::collection::vec((prop::option::of(-3_i64..3), prop::option::of("[ab]{0,2}")), 0..20),
            columns in prop::sample::select(vec![vec![0], vec![1], vec![0, 1]]),
        ) {
            let (mut set, _) = filled(&columns, &known);
            let before = set.len();
            let answers = found(&set, &batch(&probe), &columns);
            let mut slots = Vec::new();
            set.slots(&batch(&probe), &mut slots).unwrap();
            for (answer, slot) in answers.into_iter().zip(slots) {
                prop_assert_eq!(answer, ((slot as usize) < before).then_some(slot));
            }
        }
    }
}
