//! The values that programs work on.

use jaq_core::ValT;
use jaq_json::{Num, Val, read, write};

use super::RunError;
use crate::secret;

/// Bytes that one record may have when it is written.
const LARGEST_WRITTEN: u64 = 256 << 20;

/// Whole numbers are read digit by digit, which takes the square of their number: a second for so many.
const LONGEST_NUMBER: u64 = 300_000;

/// Deepest nesting of values that are written or weighed. Each level takes stack space.
const DEEPEST: usize = 10_000;

/// One JSON value, as jaq has it: digits of numbers with a point are kept until somebody calculates with them, whole numbers
/// have all of theirs.
#[derive(Clone, Debug)]
pub struct Value(pub(super) Val);

impl Value {
    /// Reads JSON; fails with what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let digits = longest_number(json);
        if digits > LONGEST_NUMBER {
            return Err(format!("a number of {digits} digits is too long for a program"));
        }
        read::parse_single(json).map(Self).map_err(|error| error.to_string())
    }

    /// Everything but null and false.
    pub fn is_true(&self) -> bool {
        self.0.as_bool()
    }

    pub fn is_null(&self) -> bool {
        matches!(self.0, Val::Null)
    }

    /// Something like the bytes of its JSON.
    pub fn weight(&self) -> usize {
        usize::try_from(weight(&self.0)).unwrap_or(usize::MAX)
    }

    /// Appends the value as JSON.
    ///
    /// # Errors
    /// [`RunError::NoJson`] for what jq has and JSON has not: numbers that are none, bytes, keys that are no strings; and
    /// [`RunError::Size`] for what no page can hold: a small value may hold another one many times.
    pub fn write(&self, text: &mut Vec<u8>) -> Result<(), RunError> {
        if weight_within(&self.0, LARGEST_WRITTEN + 1) > LARGEST_WRITTEN {
            return Err(RunError::Size(LARGEST_WRITTEN >> 20));
        }
        if let Some(foreign) = foreign(&self.0) {
            return Err(RunError::NoJson(shortened(&foreign.to_string())));
        }
        let value = if has_loose_number(&self.0) { &with_json_numbers(&self.0) } else { &self.0 };
        // A vector takes whatever is written.
        write::write(text, &write::Pp::default(), 0, value).map_err(|error| RunError::Failed(error.to_string()))
    }
}

/// The digits of the longest number in a text, or of what looks like one.
pub(super) fn longest_number(text: &[u8]) -> u64 {
    text.split(|byte| !byte.is_ascii_digit()).map(|digits| digits.len() as u64).max().unwrap_or(0)
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

/// jaq keeps the digits of a number with a point as they were read, and `tonumber` reads more than JSON has: `+0.5`, `007.50`.
fn has_loose_number(value: &Val) -> bool {
    match value {
        Val::Num(Num::Dec(digits)) => json_number(digits) != **digits,
        Val::Arr(items) => items.iter().any(has_loose_number),
        Val::Obj(fields) => fields.values().any(has_loose_number),
        _ => false,
    }
}

/// The value with its numbers as JSON writes them.
fn with_json_numbers(value: &Val) -> Val {
    match value {
        Val::Num(Num::Dec(digits)) => Val::Num(Num::Dec(json_number(digits).into())),
        Val::Arr(items) => Val::Arr(items.iter().map(with_json_numbers).collect::<Vec<_>>().into()),
        Val::Obj(fields) => {
            Val::obj(fields.iter().map(|(key, value)| (key.clone(), with_json_numbers(value))).collect())
        }
        other => other.clone(),
    }
}

/// Returns the number without plus and leading zeros, with digits on both sides of its point.
fn json_number(digits: &str) -> String {
    let (sign, unsigned) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let unsigned = unsigned.strip_prefix('+').unwrap_or(unsigned);
    let (number, exponent) = unsigned.split_at(unsigned.find(['e', 'E']).unwrap_or(unsigned.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = Some(whole.trim_start_matches('0')).filter(|whole| !whole.is_empty()).unwrap_or("0");
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}{exponent}")
}

/// Something like the bytes of its JSON.
pub(super) fn weight(value: &Val) -> u64 {
    weight_within(value, LARGEST_WRITTEN)
}

/// Like [`weight`], but stops at `limit`. A value that is nested too deep to be written weighs `limit`.
pub(super) fn weight_within(value: &Val, limit: u64) -> u64 {
    let mut weight = 0;
    weigh(value, DEEPEST, limit, &mut weight);
    weight.min(limit)
}

/// `depth`: how deep values may still be nested.
fn weigh(value: &Val, depth: usize, limit: u64, weight: &mut u64) {
    let Some(depth) = depth.checked_sub(1) else {
        *weight = limit;
        return;
    };
    match value {
        Val::TStr(text) | Val::BStr(text) => *weight += text.len() as u64 + 2,
        Val::Arr(items) => {
            *weight += 2;
            for item in items.iter() {
                if !within(item, depth, limit, weight) {
                    return;
                }
            }
        }
        Val::Obj(fields) => {
            *weight += 2;
            for (key, value) in fields.iter() {
                if !within(key, depth, limit, weight) || !within(value, depth, limit, weight) {
                    return;
                }
            }
        }
        _ => *weight += 4,
    }
}

/// Adds the weight of a value; returns true if the total is below the limit.
fn within(value: &Val, depth: usize, limit: u64, weight: &mut u64) -> bool {
    *weight += 1;
    weigh(value, depth, limit, weight);
    *weight < limit
}

/// A message of jq's holds whole values.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    secret::shortened(&text.replace(char::is_control, " "), SHOWN)
}
