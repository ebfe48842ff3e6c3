//! The least and the greatest value of a key column, as far as a [`KeyValue`] can hold them.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::{CastOptions, cast_with_options, max, max_string, min, min_string},
    datatypes::{DataType, Int64Type},
};

use crate::model::{KeyRange, KeyValue};

/// Longer texts are cut in a range, in bytes: a bound need not be a value.
const MAX_TEXT: usize = 64;

/// The kind of values in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
}

/// `None` for types whose values no range holds: floats, decimals, binary, nested ones.
pub(super) fn kind(data_type: &DataType) -> Option<Kind> {
    use DataType::{
        Boolean, Date32, Int8, Int16, Int32, Int64, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8,
    };
    match data_type {
        Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Some(Kind::Integer),
        Date32 | Time64(_) | Timestamp(_, _) => Some(Kind::Integer),
        Utf8 => Some(Kind::Text),
        _ => None,
    }
}

/// The values as 64-bit integers, in the unit of their column; `None` if one does not fit.
pub(super) fn integers(values: &ArrayRef) -> Option<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, &DataType::Int64, &options).ok()
}

/// Gathers the range of a column, batch by batch.
#[derive(Clone, Debug)]
pub struct RangeBuilder {
    column: String,
    values: Option<(KeyValue, KeyValue)>,
    has_null: bool,
    /// A value came that no range holds.
    is_unknown: bool,
}

impl RangeBuilder {
    pub fn new(column: &str) -> Self {
        Self { column: column.to_owned(), values: None, has_null: false, is_unknown: false }
    }

    pub fn add(&mut self, values: &ArrayRef) {
        self.has_null |= values.null_count() > 0;
        if values.null_count() == values.len() {
            self.is_unknown |= kind(values.data_type()).is_none();
            return;
        }
        let Some((low, high)) = extremes(values) else {
            self.is_unknown = true;
            return;
        };
        self.values = Some(match self.values.take() {
            Some((least, greatest)) => (least.min(low), greatest.max(high)),
            None => (low, high),
        });
    }

    /// `None` if the column's values have no range.
    pub fn finish(self) -> Option<KeyRange> {
        let Self { column, values, has_null, is_unknown } = self;
        if is_unknown {
            return None;
        }
        let values = match values {
            Some((KeyValue::Text(low), KeyValue::Text(high))) => {
                Some((KeyValue::Text(below(low)), KeyValue::Text(above(high)?)))
            }
            values => values,
        };
        Some(KeyRange { column, values, has_null })
    }
}

/// The least and the greatest value; `None` if there is none, or none that a range holds.
fn extremes(values: &ArrayRef) -> Option<(KeyValue, KeyValue)> {
    match kind(values.data_type())? {
        Kind::Integer => {
            let integers = integers(values)?;
            let integers = integers.as_primitive::<Int64Type>();
            Some((KeyValue::Integer(min(integers)?), KeyValue::Integer(max(integers)?)))
        }
        Kind::Text => {
            let texts = values.as_string::<i32>();
            Some((KeyValue::Text(min_string(texts)?.to_owned()), KeyValue::Text(max_string(texts)?.to_owned())))
        }
    }
}

/// The range of values that are all there are: what a partition's value says of a key column.
pub fn exact_range(column: &str, values: &ArrayRef) -> Option<KeyRange> {
    let mut range = RangeBuilder::new(column);
    range.add(values);
    range.finish()
}

/// The range between bounds that somebody else found, such as a Parquet footer. Each is an array of one value.
pub fn range_between(column: &str, low: &ArrayRef, high: &ArrayRef, has_null: bool) -> Option<KeyRange> {
    let values = (extremes(low)?.0, extremes(high)?.1);
    Some(KeyRange { column: column.to_owned(), values: Some(values), has_null })
}

/// A text at or before `text`, not longer than a bound may be.
fn below(mut text: String) -> String {
    text.truncate(boundary(&text));
    text
}

/// A text at or after `text`, not longer than a bound may be; `None` if there is none.
fn above(mut text: String) -> Option<String> {
    if text.len() <= MAX_TEXT {
        return Some(text);
    }
    text.truncate(boundary(&text));
    // The bytes of UTF-8 order texts as their characters do: with a greater last character it is beyond all that begin so.
    while let Some(last) = text.pop() {
        if let Some(next) = successor(last) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

fn successor(c: char) -> Option<char> {
    match u32::from(c) + 1 {
        // Surrogates are no characters.
        0xD800 => Some('\u{E000}'),
        next => char::from_u32(next),
    }
}

/// The last character boundary at or before the longest length of a bound.
fn boundary(text: &str) -> usize {
    text.floor_char_boundary(MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Date32Array, Float64Array, Int32Array, StringArray, UInt64Array};
    use proptest::prelude::*;

    use super::*;

    fn range(batches: &[ArrayRef]) -> Option<KeyRange> {
        let mut range = RangeBuilder::new("k");
        batches.iter().for_each(|batch| range.add(batch));
        range.finish()
    }

    fn integers_between(low: i64, high: i64) -> Option<(KeyValue, KeyValue)> {
        Some((KeyValue::Integer(low), KeyValue::Integer(high)))
    }

    #[test]
    fn a_range_spans_all_batches_and_knows_of_nulls() {
        let first: ArrayRef = Arc::new(Int32Array::from(vec![Some(5), None, Some(-7)]));
        let second: ArrayRef = Arc::new(Int32Array::from(vec![6]));
        let known = range(&[first, second]).unwrap();
        assert_eq!((known.column.as_str(), known.has_null), ("k", true));
        assert_eq!(known.values, integers_between(-7, 6));
    }

    #[test]
    fn bools_and_days_are_whole_numbers() {
        assert_eq!(range(&[Arc::new(BooleanArray::from(vec![true, false]))]).unwrap().values, integers_between(0, 1));
        assert_eq!(
            range(&[Arc::new(Date32Array::from(vec![20_000]))]).unwrap().values,
            integers_between(20_000, 20_000)
        );
    }

    #[test]
    fn only_nulls_are_a_range_without_values() {
        let known = range(&[Arc::new(Int32Array::from(vec![None, None]))]).unwrap();
        assert_eq!((known.values, known.has_null), (None, true));
    }

    #[test]
    fn values_that_no_range_holds_have_none() {
        assert_eq!(range(&[Arc::new(Float64Array::from(vec![1.0]))]), None);
        assert_eq!(range(&[Arc::new(Float64Array::from(vec![None]))]), None);
        assert_eq!(range(&[Arc::new(UInt64Array::from(vec![1, u64::MAX]))]), None);
        assert_eq!(range(&[Arc::new(StringArray::from(vec!["\u{10FFFF}".repeat(40)]))]), None);
    }

    #[test]
    fn the_bounds_of_long_texts_are_short() {
        let text = format!("{}é", "a".repeat(80));
        let (low, high) = range(&[Arc::new(StringArray::from(vec![text]))]).unwrap().values.unwrap();
        assert_eq!(low, KeyValue::Text("a".repeat(64)));
        assert_eq!(high, KeyValue::Text(format!("{}b", "a".repeat(63))));
    }

    proptest! {
        #[test]
        fn every_text_lies_within_its_range(texts in prop::collection::vec("[a\u{D7FF}\u{10FFFF}ß]{0,30}", 1..8)) {
            let array: ArrayRef = Arc::new(StringArray::from(texts.clone()));
            if let Some((KeyValue::Text(low), KeyValue::Text(high))) = range(&[array]).and_then(|range| range.values) {
                prop_assert!(low.len() <= MAX_TEXT && high.len() <= MAX_TEXT);
                for text in texts {
                    prop_assert!(low <= text && text <= high);
                }
            }
        }
    }
}
