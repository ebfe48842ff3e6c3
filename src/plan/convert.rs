//! `convert`: the form in which a cursor's value is put into requests.
//!
//! A local time without an offset may mean two instants: when clocks go back, one hour comes twice. An edge of an interval is
//! sent so that neither reading of it leaves out a record: a lower edge in a repeated hour as a time before that hour, an
//! upper one as a time after it. The records that come in addition are filtered later.
//!
//! ```text
//! Europe/Berlin, 27 October 2024   02:30 +02:00 ─► lower edge 01:30   upper edge 02:30
//!                                  02:30 +01:00 ─► lower edge 02:30   upper edge 03:30
//! ```

use std::fmt;

use chrono::{
    DateTime, FixedOffset, LocalResult, Offset, TimeDelta, TimeZone, Utc,
    format::{Fixed, Item, Numeric},
};
use chrono_tz::Tz;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::cursor::{CursorValue, Towards};
use crate::schema::Strftime;

/// Makes a text or a number of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convert {
    form: Form,
    zone: Zone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Pattern(Strftime),
    /// So many of these units since 1970.
    Epoch {
        word: &'static str,
        per_second: i64,
    },
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
            None => Form::Pattern(pattern(format).ok_or(ConvertError::Format)?),
        };
        Ok(Self { form, zone })
    }

    /// `None` if the value is neither a date nor a timestamp. Where the form has no place for all of it, it is what lies
    /// `towards` there: the end of an interval is not to become an earlier one.
    pub fn apply(&self, value: &CursorValue, towards: Towards) -> Option<Value> {
        let moment = value.moment()?;
        Some(self.form_of(match towards {
            Towards::Lower => self.before_repeated(moment),
            Towards::Higher => self.after_repeated(self.up(moment)),
        }))
    }

    /// The moment itself, or an earlier one if its local time comes again later.
    fn before_repeated(&self, moment: DateTime<Utc>) -> DateTime<Utc> {
        match self.readings(moment) {
            Some((first, second)) if moment == first => moment - (second - first),
            _ => moment,
        }
    }

    /// The moment itself, or a later one if its local time came before, or if its form begins within a skipped hour.
    fn after_repeated(&self, moment: DateTime<Utc>) -> DateTime<Utc> {
        match self.readings(moment) {
            Some((first, second)) if moment == second => self.up(moment + (second - first)),
            _ if self.begins_in_gap(moment) => self.up(moment + TimeDelta::nanoseconds(1)),
            _ => moment,
        }
    }

    /// Both instants that the local time of `moment` means; `None` if it means one, or if the form says which.
    fn readings(&self, moment: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let zone = self.local_zone()?;
        match zone.from_local_datetime(&moment.with_timezone(&zone).naive_local()) {
            LocalResult::Ambiguous(a, b) => Some((a.min(b).to_utc(), a.max(b).to_utc())),
            LocalResult::Single(_) | LocalResult::None => None,
        }
    }

    /// Whether clocks go forward at this moment, and the form is too coarse to show to where: `2024-10-06 02` in Lord Howe,
    /// where that day goes from 02:00 to 02:30, may be read as an earlier instant.
    fn begins_in_gap(&self, moment: DateTime<Utc>) -> bool {
        let second = TimeDelta::seconds(1);
        let Some(zone) = self.local_zone() else { return false };
        let local = |moment: DateTime<Utc>| moment.with_timezone(&zone).naive_local();
        local(moment) - local(moment - second) > second && self.form_of(moment) == self.form_of(moment + second)
    }

    /// The zone of a pattern that does not write the offset.
    fn local_zone(&self) -> Option<Tz> {
        match (&self.form, self.zone) {
            (Form::Pattern(pattern), Zone::Named(zone)) if !writes_offset(pattern) => Some(zone),
            _ => None,
        }
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

fn written<Z: TimeZone>(moment: DateTime<Utc>, zone: Z, pattern: &Strftime) -> String
where
    Z::Offset: fmt::Display,
{
    pattern.write(&moment.with_timezone(&zone)).unwrap_or_default()
}

/// A text without a `%` would be the same for every value, and a pattern that can only be read makes no text.
fn pattern(format: &str) -> Option<Strftime> {
    let pattern = Strftime::new(format).filter(|_| format.contains('%'))?;
    pattern.write(&DateTime::UNIX_EPOCH).map(|_| pattern)
}

fn writes_offset(pattern: &Strftime) -> bool {
    pattern.items().iter().any(|item| {
        matches!(
            item,
            Item::Numeric(Numeric::Timestamp, _)
                | Item::Fixed(
                    Fixed::TimezoneOffset
                        | Fixed::TimezoneOffsetColon
                        | Fixed::TimezoneOffsetDoubleColon
                        | Fixed::TimezoneOffsetTripleColon
                        | Fixed::TimezoneOffsetColonZ
                        | Fixed::TimezoneOffsetZ
                        | Fixed::RFC2822
                        | Fixed::RFC3339
                )
        )
    })
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
            Form::Pattern(pattern) => f.write_str(pattern.as_str()),
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

    fn edges(zone: &str, pattern: &str, value: &str) -> [String; 2] {
        let convert = Convert::new(pattern, Some(zone)).unwrap();
        let edge = |towards| convert.apply(&CursorValue::of_text(value), towards).unwrap();
        [Towards::Lower, Towards::Higher].map(|towards| edge(towards).as_str().unwrap().to_owned())
    }

    /// All instants that a server may take a local time for.
    fn readings_of(zone: Tz, pattern: &str, text: &str) -> Vec<DateTime<Utc>> {
        let local = chrono::NaiveDateTime::parse_from_str(text, pattern).unwrap();
        match zone.from_local_datetime(&local) {
            LocalResult::Single(one) => vec![one.to_utc()],
            LocalResult::Ambiguous(a, b) => vec![a.to_utc(), b.to_utc()],
            // By the offset before the gap, or by that after it.
            LocalResult::None => [-1, 1]
                .map(|days| zone.from_local_datetime(&(local + TimeDelta::days(days))).unwrap().to_utc())
                .into_iter()
                .zip([1, -1])
                .map(|(day, back)| day + TimeDelta::days(back))
                .collect(),
        }
    }

    #[test]
    fn every_reading_of_an_edge_takes_in_the_whole_interval_around_all_changes_of_clocks() {
        for (zone, changes) in [
            ("Europe/Berlin", ["2024-10-27T01:00:00Z", "2024-03-31T01:00:00Z"]),
            ("America/New_York", ["2024-11-03T06:00:00Z", "2024-03-10T07:00:00Z"]),
            ("Australia/Lord_Howe", ["2024-04-06T15:00:00Z", "2024-10-05T15:30:00Z"]),
            ("America/Havana", ["2024-11-03T05:00:00Z", "2024-03-10T05:00:00Z"]),
        ] {
            let tz: Tz = zone.parse().unwrap();
            for (change, pattern) in changes.iter().flat_map(|change| [(change, "%F %T"), (change, "%F %H:%M")]) {
                let change: DateTime<Utc> = change.parse().unwrap();
                for seconds in (-3 * 3600..3 * 3600).step_by(450) {
                    let moment = change + TimeDelta::seconds(seconds);
                    let [lower, upper] = edges(zone, pattern, &moment.to_rfc3339());
                    let (early, late) = (readings_of(tz, pattern, &lower), readings_of(tz, pattern, &upper));
                    assert!(early.iter().all(|early| *early <= moment), "{moment} in {zone}: {lower}");
                    assert!(late.iter().all(|late| *late >= moment), "{moment} in {zone}: {upper}");
                    assert!(lower <= upper, "{moment} in {zone}: {lower}..{upper}");
                }
            }
        }
    }

    #[test]
    fn an_edge_in_a_repeated_hour_is_sent_so_that_neither_reading_leaves_out_a_record() {
        const MINUTES: &str = "%d %H:%M";
        for (zone, value, lower, upper) in [
            ("Europe/Berlin", "2024-10-26T23:59:00Z", "27 01:59", "27 01:59"),
            ("Europe/Berlin", "2024-10-27T00:00:00Z", "27 01:00", "27 02:00"),
            ("Europe/Berlin", "2024-10-27T00:30:00Z", "27 01:30", "27 02:30"),
            ("Europe/Berlin", "2024-10-27T01:30:00Z", "27 02:30", "27 03:30"),
            ("Europe/Berlin", "2024-10-27T02:00:00Z", "27 03:00", "27 03:00"),
            ("America/New_York", "2024-11-03T05:30:00Z", "03 00:30", "03 01:30"),
            ("America/New_York", "2024-11-03T06:30:00Z", "03 01:30", "03 02:30"),
            ("Australia/Lord_Howe", "2024-04-06T14:45:00Z", "07 01:15", "07 01:45"),
            ("Australia/Lord_Howe", "2024-04-06T15:15:00Z", "07 01:45", "07 02:15"),
            // Clocks go forward.
            ("Europe/Berlin", "2024-03-31T00:59:00Z", "31 01:59", "31 01:59"),
            ("Europe/Berlin", "2024-03-31T01:00:00Z", "31 03:00", "31 03:01"),
        ] {
            assert_eq!(edges(zone, MINUTES, value), [lower, upper], "{value} in {zone}");
        }
        let coarse = edges("Australia/Lord_Howe", "%d %H", "2024-10-05T15:10:00Z");
        assert_eq!(coarse, ["06 01", "06 03"]);
        let written = "2024-10-27T02:30:00+0200";
        assert_eq!(edges("Europe/Berlin", "%FT%T%z", "2024-10-27T00:30:00Z"), [written; 2]);
    }

    #[test]
    fn f_is_a_fraction_of_six_digits() {
        let value = "2026-01-31T10:00:00.5Z";
        assert_eq!(converted("%T.%f", None, value), Some(json!("10:00:00.500000")));
    }

    #[test]
    fn what_is_no_pattern_and_no_zone_is_refused() {
        assert_eq!(Convert::new("%Q", None), Err(ConvertError::Format));
        assert_eq!(Convert::new("%FT%T%#z", None), Err(ConvertError::Format));
        assert_eq!(Convert::new("YYYY-MM-DD", None), Err(ConvertError::Format));
        assert_eq!(Convert::new("%Y", Some("Europe/Nowhere")), Err(ConvertError::Timezone));
    }
}
