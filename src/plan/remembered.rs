//! Records that a run has loaded and that the next one gets again: what they are remembered by, and where the cursor stood.
//!
//! A record is the one that was loaded if both are the same: one of a known key whose cursor has moved is a change. Several
//! records may have one key, so each is remembered with all the values that came with it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
    slice,
};

use serde::{Deserialize, Serialize, Serializer};

use super::cursor::CursorValue;

/// Digests of records, each with the cursor's values of those that have it. Serialises as a map.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "BTreeMap<String, Values>")]
pub struct Remembered {
    records: BTreeMap<String, Values>,
    /// Of all digests together.
    values: usize,
}

/// Nearly always one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Values {
    Several(Vec<CursorValue>),
    One(CursorValue),
}

impl Values {
    fn as_slice(&self) -> &[CursorValue] {
        match self {
            Self::Several(values) => values,
            Self::One(value) => slice::from_ref(value),
        }
    }
}

impl Values {
    /// The latest first: they come in the order of the API, and what comes again is among the last as a rule.
    fn has(&self, value: &CursorValue) -> bool {
        self.as_slice().iter().rev().any(|known| known.compare(value) == Some(Ordering::Equal))
    }

    fn push(&mut self, value: CursorValue) {
        match self {
            Self::Several(values) => values.push(value),
            Self::One(first) => *self = Self::Several(vec![first.clone(), value]),
        }
    }
}

impl Remembered {
    pub fn insert(&mut self, record: String, value: CursorValue) {
        match self.records.entry(record) {
            Entry::Vacant(entry) => drop(entry.insert(Values::One(value))),
            Entry::Occupied(entry) if entry.get().has(&value) => return,
            Entry::Occupied(mut entry) => entry.get_mut().push(value),
        }
        self.values += 1;
    }

    /// Whether a record of this digest was loaded with this value.
    pub fn has(&self, record: &str, value: &CursorValue) -> bool {
        self.records.get(record).is_some_and(|values| values.has(value))
    }

    pub fn retain(&mut self, is_wanted: impl Fn(&CursorValue) -> bool) {
        self.records.retain(|_, values| match values {
            Values::One(value) => is_wanted(value),
            Values::Several(values) => {
                values.retain(&is_wanted);
                !values.is_empty()
            }
        });
        self.values = self.records.values().map(|values| values.as_slice().len()).sum();
    }

    pub fn len(&self) -> usize {
        self.values
    }

    pub fn is_empty(&self) -> bool {
        self.values == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &CursorValue)> {
        self.records.iter().flat_map(|(record, values)| values.as_slice().iter().map(move |value| (record, value)))
    }
}

impl IntoIterator for Remembered {
    type Item = (String, CursorValue);
    type IntoIter = Box<dyn Iterator<Item = Self::Item>>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.records.into_iter().flat_map(|(record, values)| {
            let values = match values {
                Values::Several(values) => values,
                Values::One(value) => vec![value],
            };
            values.into_iter().map(move |value| (record.clone(), value))
        }))
    }
}

impl FromIterator<(String, CursorValue)> for Remembered {
    fn from_iter<T: IntoIterator<Item = (String, CursorValue)>>(records: T) -> Self {
        let mut remembered = Self::default();
        records.into_iter().for_each(|(record, value)| remembered.insert(record, value));
        remembered
    }
}

impl From<BTreeMap<String, Values>> for Remembered {
    fn from(records: BTreeMap<String, Values>) -> Self {
        let values = records.values().map(|values| values.as_slice().len()).sum();
        Self { records, values }
    }
}

impl Serialize for Remembered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.records.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(json: Value) -> CursorValue {
        CursorValue::of_json(&json).unwrap()
    }

    #[test]
    fn a_record_is_known_by_its_value_too_however_that_is_written() {
        let remembered: Remembered = [("a".to_owned(), value(json!("2026-01-01T00:00:00Z")))].into_iter().collect();
        assert!(remembered.has("a", &value(json!("2026-01-01T00:00:00.000Z"))));
        assert!(!remembered.has("a", &value(json!("2026-01-02"))) && !remembered.has("b", &value(json!("2026-01-01"))));
    }

    #[test]
    fn it_is_read_back_as_it_was_and_so_is_one_with_one_value_a_record() {
        let records = [("a", json!(1)), ("a", json!(2)), ("a", json!(2)), ("b", json!("x"))];
        let records = records.map(|(record, at)| (record.to_owned(), value(at)));
        let mut remembered: Remembered = records.into_iter().collect();
        let stored = serde_json::to_value(&remembered).unwrap();
        assert_eq!((remembered.len(), &stored), (3, &json!({"a": [1, 2], "b": "x"})));
        let read: Remembered = serde_json::from_value(stored).unwrap();
        assert!(read.len() == 3 && read.has("a", &value(json!(1))) && read.has("a", &value(json!(2))));
        remembered.retain(CursorValue::is_number);
        assert_eq!((remembered.len(), remembered.iter().count(), remembered.is_empty()), (2, 2, false));
    }
}
