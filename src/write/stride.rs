//! Cuts arriving rows into strides, the unit in which everything after this works.
//!
//! Invariant: where a stride ends depends on the rows alone, never on the batches they came in. So does all that is decided
//! once a stride: what is written, which file is closed, and with it every byte of the table.

use arrow::{
    array::{Array, ArrayRef, AsArray, UInt32Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};

/// A stride ends with this row, or with the one that brings it to `MAX_WEIGHT`, whichever comes first.
pub(super) const MAX_ROWS: usize = 8192;

/// In bytes: bounds what is held and copied at once where single rows are large.
pub(super) const MAX_WEIGHT: usize = 16 << 20;

/// Rows with their ids, in order of arrival.
#[derive(Clone, Debug)]
pub(super) struct Stride {
    pub(super) rows: RecordBatch,
    pub(super) ids: Vec<u64>,
}

/// Rows that do not make a stride yet.
pub(super) struct Strides {
    schema: SchemaRef,
    parts: Vec<RecordBatch>,
    ids: Vec<u64>,
    weight: usize,
}

impl Strides {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, parts: Vec::new(), ids: Vec::new(), weight: 0 }
    }

    /// Bytes of the rows that wait.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Takes as many of the batch's rows from `start` on as the stride at hand has room for.
    /// Returns how many that were, and the stride if they complete it.
    pub(super) fn fill(
        &mut self,
        rows: &RecordBatch,
        ids: &[u64],
        start: usize,
    ) -> Result<(usize, Option<Stride>), ArrowError> {
        let available = (rows.num_rows() - start).min(MAX_ROWS - self.ids.len());
        let weigh = |length| batch_weight(rows, start, length);
        let full = |length| self.weight + weigh(length) >= MAX_WEIGHT;
        let taken = if full(available) { first_true(available, full) } else { available };
        self.weight += weigh(taken);
        self.parts.push(part(rows, start, taken, weigh(taken))?);
        self.ids.extend_from_slice(ids.get(start..start + taken).unwrap_or_default());
        let complete = self.ids.len() >= MAX_ROWS || self.weight >= MAX_WEIGHT;
        Ok((taken, if complete { self.finish()? } else { None }))
    }

    /// The rows that are left, if there are any.
    pub(super) fn finish(&mut self) -> Result<Option<Stride>, ArrowError> {
        self.weight = 0;
        let parts = std::mem::take(&mut self.parts);
        let ids = std::mem::take(&mut self.ids);
        if ids.is_empty() {
            return Ok(None);
        }
        // A batch that is a stride already is not copied.
        let rows = match parts.as_slice() {
            [single] => single.clone(),
            parts => concat_batches(&self.schema, parts)?,
        };
        Ok(Some(Stride { rows, ids }))
    }
}

/// Some rows of a batch. A slice keeps the whole batch in memory: of a large one, a small part is a copy.
fn part(rows: &RecordBatch, start: usize, length: usize, weight: usize) -> Result<RecordBatch, ArrowError> {
    let slice = rows.slice(start, length);
    let is_small_part = weight < MAX_WEIGHT && rows.get_array_memory_size() / 2 > weight.max(MAX_WEIGHT / 4);
    if !is_small_part {
        return Ok(slice);
    }
    let all = UInt32Array::from_iter_values((0..length).map_while(|row| u32::try_from(row).ok()));
    take_record_batch(&slice, &all)
}

/// The least length from 1 to `length` at which the condition holds; it holds at `length`, and from where it first holds on.
fn first_true(length: usize, condition: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (1, length.max(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if condition(middle) { high = middle } else { low = middle + 1 }
    }
    high
}

/// Bytes of the values of some rows. The weights of adjoining stretches add up to the weight of both, wherever they are cut,
/// which Arrow's own sizes (bitmaps, padding, capacity) do not.
pub(super) fn batch_weight(rows: &RecordBatch, start: usize, length: usize) -> usize {
    rows.columns().iter().map(|column| weight(column, start, length)).sum()
}

fn weight(array: &ArrayRef, start: usize, length: usize) -> usize {
    match array.data_type() {
        DataType::Utf8 => offsets_weight(array.as_string::<i32>().value_offsets(), start, length, |_, bytes| bytes),
        DataType::Binary => offsets_weight(array.as_binary::<i32>().value_offsets(), start, length, |_, bytes| bytes),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            offsets_weight(list.value_offsets(), start, length, |first, items| weight(list.values(), first, items))
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let entries: &dyn Array = map.entries();
            offsets_weight(map.value_offsets(), start, length, |first, items| {
                entries.as_struct().columns().iter().map(|column| weight(column, first, items)).sum()
            })
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| weight(column, start, length)).sum(),
        scalar => length * scalar.primitive_width().unwrap_or(1),
    }
}

fn offsets_weight(offsets: &[i32], start: usize, length: usize, inner: impl Fn(usize, usize) -> usize) -> usize {
    let at = |index: usize| offsets.get(index).map_or(0, |offset| usize::try_from(*offset).unwrap_or(0));
    let (first, last) = (at(start), at(start + length));
    length * size_of::<i32>() + inner(first, last.saturating_sub(first))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Int64Array, ListBuilder, MapBuilder, StringArray, StringBuilder, StructArray},
        datatypes::{Field, Schema},
    };
    use proptest::prelude::*;

    use super::*;

    fn batch(texts: &[String]) -> RecordBatch {
        let (mut lists, mut maps) =
            (ListBuilder::new(StringBuilder::new()), MapBuilder::new(None, StringBuilder::new(), StringBuilder::new()));
        for text in texts {
            lists.append_value(text.chars().take(4).map(|c| Some(c.to_string())));
            maps.keys().append_value(text);
            maps.values().append_option((text.len() > 2).then_some(text));
            maps.append(true).unwrap();
        }
        let text: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let number: ArrayRef = Arc::new(Int64Array::from_iter_values(0..texts.len() as i64));
        let inner = Arc::new(Field::new("text", DataType::Utf8, true));
        let nested: ArrayRef = Arc::new(StructArray::from(vec![(inner, Arc::clone(&text))]));
        let columns = [number, text, nested, Arc::new(lists.finish()) as ArrayRef, Arc::new(maps.finish())];
        let field =
            |(index, column): (usize, &ArrayRef)| Field::new(format!("c{index}"), column.data_type().clone(), true);
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns.to_vec()).unwrap()
    }

    /// The strides' lengths of rows that come in batches of `cut` rows.
    fn strides(rows: &RecordBatch, cut: usize) -> Vec<usize> {
        let mut strides = Strides::new(rows.schema());
        let ids: Vec<u64> = (0..rows.num_rows() as u64).collect();
        let mut all = Vec::new();
        for first in (0..rows.num_rows()).step_by(cut) {
            let length = cut.min(rows.num_rows() - first);
            let (part, part_ids) = (rows.slice(first, length), &ids[first..first + length]);
            let mut start = 0;
            while start < length {
                let (taken, stride) = strides.fill(&part, part_ids, start).unwrap();
                start += taken;
                all.extend(stride);
            }
        }
        all.extend(strides.finish().unwrap());
        let arrived: Vec<u64> = all.iter().flat_map(|stride| stride.ids.clone()).collect();
        assert_eq!(arrived, ids, "every row, once, in order");
        all.iter().map(|stride| stride.rows.num_rows()).collect()
    }

    #[test]
    fn small_rows_are_cut_by_their_number() {
        let rows = batch(&vec!["x".to_owned(); 20_000]);
        for cut in [1000, 8192, 20_000] {
            assert_eq!(strides(&rows, cut), [8192, 8192, 3616]);
        }
    }

    #[test]
    fn large_rows_are_cut_by_their_bytes_wherever_batches_end() {
        let rows = batch(&vec!["x".repeat(200_000); 70]);
        let expected = strides(&rows, 70);
        assert!(expected.len() > 2 && expected[0] < 70, "{expected:?}");
        for cut in [1, 7, 64] {
            assert_eq!(strides(&rows, cut), expected);
        }
    }

    #[test]
    fn a_row_larger_than_a_stride_is_a_stride() {
        assert_eq!(strides(&batch(&vec!["x".repeat(MAX_WEIGHT / 4); 2]), 2), [1, 1]);
    }

    proptest! {
        #[test]
        fn weights_add_up_wherever_rows_are_cut(
            texts in prop::collection::vec("[a-zä]{0,5}", 1..30),
            cuts in (0_usize..30, 0_usize..30),
        ) {
            let rows = batch(&texts);
            let (a, b) = (cuts.0.min(texts.len()), cuts.1.min(texts.len()));
            let (a, b) = (a.min(b), a.max(b));
            // A slice weighs what it weighs in place.
            let sliced = rows.slice(a, b - a);
            prop_assert_eq!(batch_weight(&sliced, 0, b - a), batch_weight(&rows, a, b - a));
            let parts = [(0, a), (a, b), (b, texts.len())].map(|(from, to)| batch_weight(&rows, from, to - from));
            prop_assert_eq!(parts.iter().sum::<usize>(), batch_weight(&rows, 0, texts.len()));
        }
    }
}
