//! The values of one key column that a run brought, in order: what files are ruled out with.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    compute::{concat, sort},
    datatypes::Int64Type,
};

use super::range::{Kind, integers, kind};
use crate::model::{KeyRange, KeyValue};

/// One column of all keys of a set.
#[derive(Clone, Debug)]
pub struct KeyColumn {
    pub name: String,
    pub values: Values,
    /// Whether some key is null in this column.
    pub has_null: bool,
}

/// Ascending; a value may come more than once.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Integers(Vec<i64>),
    Texts(StringArray),
    /// Values of a type that a [`KeyRange`] cannot order: any file may hold them.
    Unknown,
}

impl KeyColumn {
    /// Returns true if a file with values in this range may hold one of these values.
    pub fn may_meet(&self, range: &KeyRange) -> bool {
        let nulls_meet = self.has_null && range.has_null;
        nulls_meet || range.values.as_ref().is_some_and(|(low, high)| self.any_between(low, high))
    }

    /// Returns true if one of the values lies in the closed interval from `low` to `high`.
    pub fn any_between(&self, low: &KeyValue, high: &KeyValue) -> bool {
        matches!(self.values, Values::Unknown) || !self.between(low, high).is_empty()
    }

    /// The values between these two, by position; all of them if these are of another type.
    pub fn between(&self, low: &KeyValue, high: &KeyValue) -> std::ops::Range<usize> {
        match (&self.values, low, high) {
            (Values::Integers(values), KeyValue::Integer(low), KeyValue::Integer(high)) => {
                values.partition_point(|value| value < low)..values.partition_point(|value| value <= high)
            }
            (Values::Texts(values), KeyValue::Text(low), KeyValue::Text(high)) => {
                first_text(values, |text| text >= low.as_str())..first_text(values, |text| text > high.as_str())
            }
            _ => 0..self.len(),
        }
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Integers(values) => values.len(),
            Values::Texts(values) => values.len(),
            Values::Unknown => 0,
        }
    }
}

/// The first position from which on the condition holds, in ascending texts.
fn first_text(texts: &StringArray, condition: impl Fn(&str) -> bool) -> usize {
    let (mut low, mut high) = (0, texts.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if condition(texts.value(middle)) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Makes a [`KeyColumn`] of arrays.
pub(super) struct Gatherer {
    name: String,
    integers: Vec<i64>,
    texts: Vec<ArrayRef>,
    has_null: bool,
    is_unknown: bool,
}

impl Gatherer {
    /// `is_unknown` if the order of the values says nothing of those in files.
    pub(super) fn new(name: &str, is_unknown: bool) -> Self {
        let name = name.to_owned();
        Self { name, integers: Vec::new(), texts: Vec::new(), has_null: false, is_unknown }
    }

    pub(super) fn add(&mut self, values: &ArrayRef) {
        self.has_null |= values.null_count() > 0;
        match kind(values.data_type()) {
            Some(Kind::Integer) => match integers(values) {
                Some(values) => self.integers.extend(values.as_primitive::<Int64Type>().iter().flatten()),
                None => self.is_unknown = true,
            },
            Some(Kind::Text) => self.texts.push(Arc::clone(values)),
            None => self.is_unknown = true,
        }
    }

    pub(super) fn finish(mut self) -> KeyColumn {
        let values = match (self.is_unknown, self.texts.is_empty()) {
            (true, _) => Values::Unknown,
            (false, true) => {
                self.integers.sort_unstable();
                Values::Integers(self.integers)
            }
            // More text than one array holds is left alone: such keys rule no file out.
            (false, false) => sorted_texts(self.texts).map_or(Values::Unknown, Values::Texts),
        };
        KeyColumn { name: self.name, values, has_null: self.has_null }
    }
}

/// Nulls, which are sorted to the front, are left out.
fn sorted_texts(parts: Vec<ArrayRef>) -> Option<StringArray> {
    let joined = concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>()).ok()?;
    // They may be as large as all keys together.
    drop(parts);
    let sorted = sort(&joined, None).ok()?;
    let nulls = sorted.null_count();
    Some(sorted.slice(nulls, sorted.len() - nulls).as_string::<i32>().clone())
}
