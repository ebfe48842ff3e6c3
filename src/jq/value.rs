//! The values that programs work on.

use jaq_core::ValT;
use jaq_json::{Num, Val, read, write};

use super::RunError;

/// One JSON value, as jaq has it: digits of numbers are kept until somebody calculates with them.
#[derive(Clone, Debug)]
pub struct Value(pub(super) Val);

impl Value {
    /// Reads JSON; fails with what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        read::parse_single(json).map(Self).map_err(|error| error.to_string())
    }

    /// Everything but null and false.
    pub fn is_true(&self) -> bool {
        self.0.as_bool()
    }

    pub fn is_null(&self) -> bool {
        matches!(self.0, Val::Null)
    }

    /// Appends the value as JSON.
    ///
    /// # Errors
    /// [`RunError::NoJson`] for what jq has and JSON has not: numbers that are none, bytes, keys that are no strings.
    pub fn write(&self, text: &mut Vec<u8>) -> Result<(), RunError> {
        if let Some(foreign) = foreign(&self.0) {
            return Err(RunError::NoJson(shortened(&foreign.to_string())));
        }
        // A vector takes whatever is written.
        write::write(text, &write::Pp::default(), 0, &self.0).map_err(|error| RunError::Failed(error.to_string()))
    }
}

/// The part of a value that JSON cannot say.
fn foreign(value: &Val) -> Option<&Val> {
    match value {
        Val::Num(Num::Float(number)) if !number.is_finite() => Some(value),
        Val::BStr(_) => Some(value),
        Val::Arr(items) => items.iter().find_map(foreign),
        Val::Obj(fields) => {
            let wrong_key = |key| if matches!(key, &Val::TStr(_)) { None } else { Some(key) };
            fields.iter().find_map(|(key, value)| wrong_key(key).or_else(|| foreign(value)))
        }
        _ => None,
    }
}

/// Something like the bytes of its JSON.
pub(super) fn weight(value: &Val) -> u64 {
    match value {
        Val::TStr(text) | Val::BStr(text) => text.len() as u64 + 2,
        Val::Arr(items) => items.iter().map(|item| weight(item) + 1).sum(),
        Val::Obj(fields) => fields.iter().map(|(key, value)| weight(key) + weight(value) + 2).sum(),
        _ => 4,
    }
}

/// A message of jq's holds whole values.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    let line: String = text.chars().take(SHOWN).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.chars().count() > SHOWN { line + "…" } else { line }
}
