//! Values of a cursor: what is compared, stepped back from, and put into requests.
//!
//! ```text
//! 7, 7.0, 1e30           numbers, compared exactly          steps are numbers
//! 2026-01-31[T10:00[…]]  moments, compared as instants      steps are durations
//! anything else          texts, compared by their bytes     no steps   (of digits alone: as numbers)
//! 12/31/2025, 1.9        texts that do not sort by bytes    no order
//! ```
//!
//! A value keeps the form in which it was written, and so do values made from it. Values of two of these kinds have no order.

mod moment;
mod number;
mod text;

use std::{cmp::Ordering, fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use self::{moment::Moment, number::Number};
use crate::json::{Kind, Node};

/// The key of a number that is too long for JSON libraries.
const NUMBER: &str = "number";

/// A value of a cursor. Serialises as a scalar; as `{"number": "…"}` where JSON libraries would round it.
#[derive(Clone, Debug)]
pub struct CursorValue(Form);

#[derive(Clone, Debug)]
enum Form {
    Number(Number),
    Moment(Moment),
    Text(String),
}

/// How far something lies before or behind a value.
#[derive(Clone, Debug)]
pub enum Step {
    /// A plain number: of a number so much, of a timestamp so many seconds, of a date so many days.
    Plain(f64),
    Time(Duration),
}

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    Lower,
    Higher,
}

impl CursorValue {
    /// `None` for what has no order: bools, lists, objects, and texts that are no UTF-8.
    pub fn of(node: Node<'_>) -> Option<Self> {
        match node.kind() {
            Kind::Number => Number::parse(node.raw_text().ok()?).map(|number| Self(Form::Number(number))),
            Kind::String => Some(Self::of_text(&node.string().ok()?)),
            _ => None,
        }
    }

    pub fn of_text(text: &str) -> Self {
        Self(Moment::parse(text).map_or_else(|| Form::Text(text.to_owned()), Form::Moment))
    }

    /// `None` if the text is not a number as JSON writes numbers.
    pub fn of_number(text: &str) -> Option<Self> {
        Number::parse(text).map(|number| Self(Form::Number(number)))
    }

    pub fn of_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::of_number(&number.to_string()),
            Value::String(text) => Some(Self::of_text(text)),
            _ => None,
        }
    }

    /// A moment in the form of `like`, whose smaller units it is cut to: a date of it, or a second. `None` if that is no moment.
    pub fn of_moment(moment: DateTime<Utc>, like: &Self) -> Option<Self> {
        match &like.0 {
            Form::Moment(like) => Some(Self(Form::Moment(like.at(moment)?))),
            _ => None,
        }
    }

    /// `None` if the two have no order.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (&self.0, &other.0) {
            (Form::Number(a), Form::Number(b)) => Some(a.compare(b)),
            (Form::Moment(a), Form::Moment(b)) => Some(a.compare(b)),
            (Form::Text(a), Form::Text(b)) => text::compare(a, b),
            _ => None,
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self.0, Form::Number(_))
    }

    /// A date or a timestamp.
    pub fn is_moment(&self) -> bool {
        matches!(self.0, Form::Moment(_))
    }

    /// A date or a time that is neither a number nor ISO 8601, and whose text does not sort by time.
    pub fn is_unsorted_date(&self) -> bool {
        matches!(&self.0, Form::Text(text) if text::is_unsorted_date(text))
    }

    pub fn is_text(&self) -> bool {
        matches!(self.0, Form::Text(_))
    }

    pub fn is_date(&self) -> bool {
        matches!(&self.0, Form::Moment(moment) if moment.is_date())
    }

    /// What it is, in words for messages.
    pub fn kind(&self) -> &'static str {
        match &self.0 {
            Form::Number(_) => "a number",
            Form::Moment(moment) if moment.is_date() => "a date",
            Form::Moment(_) => "a timestamp",
            Form::Text(text) if text::is_unsorted_date(text) => "a date whose text does not sort by time",
            Form::Text(_) => "a text",
        }
    }

    /// The value so far away. `in_days`: a plain number counts days, of a timestamp too, which then goes to the edge of its day.
    /// `None` if the step is none for such a value, or leads out of all calendars.
    pub fn stepped(&self, step: &Step, towards: Towards, in_days: bool) -> Option<Self> {
        let form = match (&self.0, step) {
            (Form::Number(number), Step::Plain(step)) => Form::Number(number.stepped(*step, towards)?),
            (Form::Moment(moment), Step::Plain(days)) if in_days || moment.is_date() => {
                Form::Moment(moment.days_away(*days, towards)?)
            }
            (Form::Moment(moment), Step::Plain(seconds)) => Form::Moment(moment.seconds_away(*seconds, towards)?),
            (Form::Moment(moment), Step::Time(time)) => Form::Moment(moment.time_away(*time, towards)?),
            _ => return None,
        };
        Some(Self(form))
    }

    /// The instant of a moment, without what a nanosecond does not hold.
    pub fn moment(&self) -> Option<DateTime<Utc>> {
        match &self.0 {
            Form::Moment(moment) => moment.instant(),
            _ => None,
        }
    }

    /// Seconds since 1970 of a moment, or of a number that counts so many units in a second.
    pub fn seconds(&self, per_second: Option<u32>) -> Option<f64> {
        match &self.0 {
            Form::Moment(moment) => Some(moment.instant()?.timestamp() as f64),
            _ => per_second.and_then(|units| Some(self.to_string().parse::<f64>().ok()? / f64::from(units))),
        }
    }

    /// An instant in the form of `like`, cut to its units; `None` if that is no time.
    pub fn of_instant(instant: DateTime<Utc>, like: &Self, per_second: Option<u32>) -> Option<Self> {
        let units = || Some((instant.timestamp() * i64::from(per_second?)).to_string());
        match &like.0 {
            Form::Moment(_) => Self::of_moment(instant, like),
            Form::Number(_) => Self::of_number(&units()?),
            Form::Text(_) => Some(Self::of_text(&units()?)),
        }
    }

    /// As a scalar; a number that JSON libraries would round is its text.
    pub fn to_json(&self) -> Value {
        match &self.0 {
            Form::Number(number) => number.to_json(),
            _ => Value::String(self.to_string()),
        }
    }
}

impl fmt::Display for CursorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Number(number) => number.fmt(f),
            Form::Moment(moment) => moment.fmt(f),
            Form::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for CursorValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.to_json();
        if self.is_number() && json.is_string() {
            return serde_json::json!({NUMBER: json}).serialize(serializer);
        }
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CursorValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        let value = match json.get(NUMBER).and_then(Value::as_str) {
            Some(number) => Self::of_number(number),
            None => Self::of_json(&json),
        };
        value.ok_or_else(|| D::Error::custom("a value that has an order was expected"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(number) => write!(f, "{number}"),
            Self::Time(time) => write!(f, "{time:?}"),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(json: Value) -> CursorValue {
        CursorValue::of_json(&json).unwrap()
    }

    fn compare(a: Value, b: Value) -> Option<Ordering> {
        value(a).compare(&value(b))
    }

    #[test]
    fn moments_are_compared_as_instants_whatever_their_zone_and_precision() {
        for (a, b, expected) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", Ordering::Equal),
            ("2026-01-01", "2026-01-01T00:00:00.000Z", Ordering::Equal),
            ("2026-01-01 10:00", "2026-01-01T10:00:00", Ordering::Equal),
            ("2026-01-01T10:00:00.5Z", "2026-01-01T10:00:00.49Z", Ordering::Greater),
            ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00.000000001Z", Ordering::Less),
            ("2026-01-01T23:00:00-05:00", "2026-01-02T03:59:59Z", Ordering::Greater),
        ] {
            assert_eq!(compare(json!(a), json!(b)), Some(expected), "{a} {b}");
        }
    }

    #[test]
    fn numbers_are_compared_exactly_and_texts_by_their_bytes() {
        assert_eq!(
            compare(json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)),
            Some(Ordering::Greater)
        );
        assert_eq!(compare(json!(-2), json!(1.5)), Some(Ordering::Less));
        assert_eq!(compare(json!("9"), json!("1x")), Some(Ordering::Greater));
        assert_eq!(compare(json!("9"), json!("10")), Some(Ordering::Less));
        assert_eq!(compare(json!("010"), json!("10")), Some(Ordering::Equal));
    }

    #[test]
    fn what_is_of_two_kinds_has_no_order() {
        assert_eq!(compare(json!(1), json!("1")), None);
        assert_eq!(compare(json!("2026-01-01"), json!("x")), None);
        assert!(CursorValue::of_json(&json!(true)).is_none() && CursorValue::of_json(&json!(null)).is_none());
    }

    #[test]
    fn a_step_keeps_the_form_of_the_value() {
        let stepped = |json, step: Step, in_days| {
            value(json).stepped(&step, Towards::Lower, in_days).map(|value| value.to_json())
        };
        assert_eq!(
            stepped(json!("2026-03-01T00:00:10.250+02:00"), Step::Plain(20.0), false).unwrap(),
            "2026-02-28T23:59:50.250+02:00"
        );
        assert_eq!(stepped(json!("2026-03-01"), Step::Plain(1.0), false).unwrap(), "2026-02-28");
        assert_eq!(stepped(json!("2026-03-01"), Step::Time(Duration::from_secs(3600)), false).unwrap(), "2026-02-28");
        assert_eq!(stepped(json!("2026-03-01 07:00Z"), Step::Plain(1.0), true).unwrap(), "2026-02-28 00:00Z");
        assert_eq!(stepped(json!("2026-03-01 07:00"), Step::Plain(1.5), false).unwrap(), "2026-03-01 06:59:58.5");
        assert_eq!(stepped(json!(10), Step::Plain(3.0), false).unwrap(), 7);
        assert_eq!(stepped(json!(1.5), Step::Plain(0.25), false).unwrap(), 1.25);
        assert_eq!(stepped(json!("x"), Step::Plain(1.0), false), None);
        assert_eq!(stepped(json!(1), Step::Time(Duration::from_secs(1)), false), None);
    }
}
