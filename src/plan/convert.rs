//! `convert`: the form in which a cursor's value is put into requests.

use std::fmt;

use chrono::{DateTime, FixedOffset, Offset, TimeDelta, TimeZone, Utc, format::StrftimeItems};
use chrono_tz::Tz;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::cursor::{CursorValue, Towards};

/// Makes a text or a number of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convert {
    form: Form,
    zone: Zone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// A strftime pattern.
    Pattern(String),
    /// So many of these units since 1970.
    Epoch { word: &'static str, per_second: i64 },
}

/// By which clock a pattern is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

/// No form stands for more nanoseconds: `%Y` does for a year.
const LONGEST_FORM: i64 = 400 * 86_400 * 1_000_000_000;

const EPOCHS: [(&str, i64); 3] = [("epoch_s", 1), ("epoch_ms", 1_000), ("epoch_us", 1_000_000)];

impl Convert {
    /// `format` is a strftime pattern or one of `epoch_s`, `epoch_ms`, `epoch_us`; without a `timezone` it is written in UTC.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn new(format: &str, timezone: Option<&str>) -> Result<Self, ConvertError> {
        let zone = match timezone {
            Some(name) => zone(name).ok_or(ConvertError::Timezone)?,
            None => Zone::Named(Tz::UTC),
        };
        let epoch = EPOCHS.iter().find(|(word, _)| *word == format);
        let form = match epoch {
            Some((word, per_second)) => Form::Epoch { word, per_second: *per_second },
            None if is_pattern(format) => Form::Pattern(format.to_owned()),
            None => return Err(ConvertError::Format),
        };
        Ok(Self { form, zone })
    }

    /// `None` if the value is neither a date nor a timestamp. Where the form has no place for all of it, it is what lies
    /// `towards` there: the end of an interval is not to become an earlier one.
    pub fn apply(&self, value: &CursorValue, towards: Towards) -> Option<Value> {
        let moment = value.moment()?;
        Some(match towards {
            Towards::Lower => self.form_of(moment),
            Towards::Higher => self.form_of(self.up(moment)),
        })
    }

    /// The first moment from this one on at which another form begins: forms are of a second, a day, a year.
    fn up(&self, moment: DateTime<Utc>) -> DateTime<Utc> {
        let form = self.form_of(moment);
        let after = |nanos: i64| moment.checked_add_signed(TimeDelta::nanoseconds(nanos));
        let differs = |nanos: i64| after(nanos).is_some_and(|later| self.form_of(later) != form);
        if differs(-1) {
            return moment;
        }
        let mut beyond = 1;
        while !differs(beyond) {
            if beyond > LONGEST_FORM {
                return moment;
            }
            beyond *= 2;
        }
        let mut within = beyond / 2;
        while beyond - within > 1 {
            let middle = within + (beyond - within) / 2;
            if differs(middle) { beyond = middle } else { within = middle }
        }
        after(beyond).unwrap_or(moment)
    }

    fn form_of(&self, moment: DateTime<Utc>) -> Value {
        match (&self.form, self.zone) {
            (Form::Epoch { per_second, .. }, _) => {
                (moment.timestamp_micros().div_euclid(1_000_000 / per_second)).into()
            }
            (Form::Pattern(pattern), Zone::Named(zone)) => written(moment, zone, pattern).into(),
            (Form::Pattern(pattern), Zone::Fixed(zone)) => written(moment, zone, pattern).into(),
        }
    }
}

/// What is wrong with a `convert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvertError {
    Format,
    Timezone,
}

fn written<Z: TimeZone>(moment: DateTime<Utc>, zone: Z, pattern: &str) -> String
where
    Z::Offset: fmt::Display,
{
    moment.with_timezone(&zone).format(pattern).to_string()
}

/// A text without a `%` would be the same for every value.
fn is_pattern(format: &str) -> bool {
    format.contains('%') && StrftimeItems::new(format).parse().is_ok()
}

/// A name of the IANA database, or a fixed offset such as `+02:00`.
fn zone(name: &str) -> Option<Zone> {
    if let Ok(zone) = name.parse() {
        return Some(Zone::Named(zone));
    }
    let fixed = DateTime::parse_from_rfc3339(&format!("2000-01-01T00:00:00{name}")).ok()?;
    Some(Zone::Fixed(fixed.offset().fix()))
}

impl fmt::Display for Convert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            Form::Pattern(pattern) => f.write_str(pattern),
            Form::Epoch { word, .. } => f.write_str(word),
        }
    }
}

impl Serialize for Convert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.zone {
            Zone::Named(zone) => serializer.collect_str(&format_args!("{self} in {zone}")),
            Zone::Fixed(zone) => serializer.collect_str(&format_args!("{self} in {zone}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn converted(format: &str, timezone: Option<&str>, value: &str) -> Option<Value> {
        Convert::new(format, timezone).unwrap().apply(&CursorValue::of_text(value), Towards::Lower)
    }

    #[test]
    fn an_end_that_the_form_has_no_place_for_becomes_a_later_one() {
        let end = |format: &str, timezone: Option<&str>, value: &str| {
            Convert::new(format, timezone).unwrap().apply(&CursorValue::of_text(value), Towards::Higher)
        };
        assert_eq!(end("%Y-%m-%d", None, "2026-07-01T22:30:00.5Z"), Some(json!("2026-07-02")));
        assert_eq!(end("%Y-%m-%d", None, "2026-07-01"), Some(json!("2026-07-01")));
        assert_eq!(end("%Y-%m-%d", Some("Europe/Berlin"), "2026-07-01T22:00:00Z"), Some(json!("2026-07-02")));
        assert_eq!(end("%Y-%m-%d", Some("Europe/Berlin"), "2026-10-25T21:59:59Z"), Some(json!("2026-10-26")));
        assert_eq!(end("%Y", None, "2024-01-01T00:00:00.000000001Z"), Some(json!("2025")));
        assert_eq!(end("%Y-%m-%dT%H:%M", Some("+05:30"), "2026-07-01T00:00:01Z"), Some(json!("2026-07-01T05:31")));
        assert_eq!(end("epoch_s", None, "1970-01-01T00:00:01.5Z"), Some(json!(2)));
        assert_eq!(end("epoch_ms", None, "1970-01-01T00:00:01.5Z"), Some(json!(1500)));
        assert_eq!(end("epoch_s", None, "1969-12-31T23:59:58.5Z"), Some(json!(-1)));
    }

    #[test]
    fn a_moment_is_written_as_the_api_wants_it() {
        let moment = "2026-07-01T22:30:00.123456Z";
        assert_eq!(converted("%Y-%m-%d", None, moment), Some(json!("2026-07-01")));
        assert_eq!(converted("%d/%m/%Y %H:%M", Some("Europe/Berlin"), moment), Some(json!("02/07/2026 00:30")));
        assert_eq!(converted("%H:%M%z", Some("-05:30"), moment), Some(json!("17:00-0530")));
        assert_eq!(converted("epoch_s", None, moment), Some(json!(1_782_945_000)));
        assert_eq!(converted("epoch_ms", None, moment), Some(json!(1_782_945_000_123_i64)));
        assert_eq!(converted("epoch_us", None, moment), Some(json!(1_782_945_000_123_456_i64)));
        assert_eq!(converted("epoch_s", None, "1969-12-31T23:59:59.5Z"), Some(json!(-1)));
        assert_eq!(converted("%Y", None, "x"), None);
    }

    #[test]
    fn what_is_no_pattern_and_no_zone_is_refused() {
        assert_eq!(Convert::new("%Q", None), Err(ConvertError::Format));
        assert_eq!(Convert::new("YYYY-MM-DD", None), Err(ConvertError::Format));
        assert_eq!(Convert::new("%Y", Some("Europe/Nowhere")), Err(ConvertError::Timezone));
    }
}
