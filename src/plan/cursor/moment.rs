//! Dates and timestamps of ISO 8601, as instants that keep the form in which they were written.
//!
//! ```text
//! YYYY-MM-DD [ (T | blank) HH:MM [ :SS [ . digits ] ] [ [ blank ] ( Z | ±HH[[:]MM] ) ] ]
//! ```
//!
//! Without a zone it is UTC; a date is its first instant. Instants are whole numbers of 10^-18 seconds since 1970.

use std::{cmp::Ordering, fmt, time::Duration};

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::Towards;

const SECOND: i128 = 1_000_000_000_000_000_000;
const DAY: i128 = 86_400 * SECOND;
const NANO: i128 = 1_000_000_000;
const DIGITS: usize = 18;

#[derive(Clone, Debug)]
pub(super) struct Moment {
    instant: i128,
    style: Style,
}

/// What a text looks like besides its instant.
#[derive(Clone, Debug)]
struct Style {
    /// Between date and time; `None` for a date alone.
    separator: Option<char>,
    seconds: bool,
    /// How many digits of a second.
    digits: usize,
    /// As it is written, a blank before it included.
    zone: String,
    /// East of UTC.
    offset: i128,
}

impl Moment {
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = (text.get(..10)?, text.get(10..)?);
        let midnight = days(date)? * DAY;
        let Some(separator) = rest.chars().next() else {
            let style = Style { separator: None, seconds: false, digits: 0, zone: String::new(), offset: 0 };
            return Some(Self { instant: midnight, style });
        };
        if !matches!(separator, 'T' | 't' | ' ') {
            return None;
        }
        let (clock, rest) = (rest.get(1..6)?, rest.get(6..)?);
        let (hour, minute) = clock.split_once(':')?;
        let minutes = two(hour).filter(|hour| *hour < 24)? * 60 + two(minute).filter(|minute| *minute < 60)?;
        let (second, rest) = match rest.strip_prefix(':') {
            // 60 is a leap second.
            Some(rest) => (Some(two(rest.get(..2)?).filter(|second| *second <= 60)?), rest.get(2..)?),
            None => (None, rest),
        };
        let (fraction, digits, zone) = match rest.strip_prefix('.').filter(|_| second.is_some()) {
            Some(rest) => fraction(rest)?,
            None => (0, 0, rest),
        };
        let offset = offset(zone)?;
        let seconds = second.is_some();
        let wall = midnight + (minutes * 60 + second.unwrap_or(0)) * SECOND + fraction;
        let style = Style { separator: Some(separator), seconds, digits, zone: zone.to_owned(), offset };
        Some(Self { instant: wall - offset, style })
    }

    /// Another moment in this one's form, cut to a second, or to the day where this is a date.
    pub fn at(&self, moment: DateTime<Utc>) -> Option<Self> {
        let unit = if self.is_date() { DAY } else { SECOND };
        let instant = (i128::from(moment.timestamp()) * SECOND).div_euclid(unit) * unit;
        self.moved(instant)
    }

    pub fn is_date(&self) -> bool {
        self.style.separator.is_none()
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        self.instant.cmp(&other.instant)
    }

    pub fn instant(&self) -> Option<DateTime<Utc>> {
        let seconds = i64::try_from(self.instant.div_euclid(SECOND)).ok()?;
        let nanos = u32::try_from(self.instant.rem_euclid(SECOND) / NANO).ok()?;
        DateTime::from_timestamp(seconds, nanos)
    }

    pub fn seconds_away(&self, seconds: f64, towards: Towards) -> Option<Self> {
        // To the nanosecond, which is more than a double has of any seconds that matter.
        self.away((seconds * 1e9).round() as i128 * NANO, towards)
    }

    /// A date so many days away; of a timestamp, the first or the last microsecond of the day so far away in UTC.
    pub fn days_away(&self, days: f64, towards: Towards) -> Option<Self> {
        let day = self.instant.div_euclid(DAY) * DAY;
        let distance = (days * 86_400.0).round() as i128 * SECOND;
        match towards {
            Towards::Lower => self.moved((day - distance).div_euclid(DAY) * DAY),
            Towards::Higher => {
                let day = (day + distance).div_euclid(DAY) * DAY;
                self.moved(if self.is_date() { day } else { day + DAY - SECOND / 1_000_000 })
            }
        }
    }

    pub fn time_away(&self, time: Duration, towards: Towards) -> Option<Self> {
        self.away(i128::try_from(time.as_nanos()).ok()? * NANO, towards)
    }

    fn away(&self, distance: i128, towards: Towards) -> Option<Self> {
        let instant = if towards == Towards::Lower { self.instant - distance } else { self.instant + distance };
        if !self.is_date() {
            return self.moved(instant);
        }
        // What ends within a day takes all of it in.
        let day = instant.div_euclid(DAY);
        let is_within = instant.rem_euclid(DAY) != 0 && towards == Towards::Higher;
        self.moved((day + i128::from(is_within)) * DAY)
    }

    fn moved(&self, instant: i128) -> Option<Self> {
        let days = i32::try_from((instant + self.style.offset).div_euclid(DAY)).ok()?;
        let year = NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(days.into())?)?.year();
        (1..=9999).contains(&year).then(|| Self { instant, style: self.style.clone() })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = self.instant + self.style.offset;
        let days = i64::try_from(wall.div_euclid(DAY)).unwrap_or_default();
        let date = NaiveDate::default() + chrono::TimeDelta::days(days);
        write!(f, "{}", date.format("%Y-%m-%d"))?;
        let Some(separator) = self.style.separator else { return Ok(()) };
        let (of_day, fraction) = (wall.rem_euclid(DAY) / SECOND, wall.rem_euclid(SECOND));
        write!(f, "{separator}{:02}:{:02}", of_day / 3600, of_day / 60 % 60)?;
        if self.style.seconds || of_day % 60 != 0 || fraction != 0 {
            write!(f, ":{:02}", of_day % 60)?;
        }
        let digits = format!("{fraction:0DIGITS$}");
        let needed = digits.trim_end_matches('0').len().max(self.style.digits);
        match digits.get(..needed) {
            Some("") | None => {}
            Some(digits) => write!(f, ".{digits}")?,
        }
        f.write_str(&self.style.zone)
    }
}

/// Since 1970.
fn days(date: &str) -> Option<i128> {
    let [year, month, day] = [date.get(..4)?, date.get(5..7)?, date.get(8..10)?];
    if date.get(4..5)? != "-" || date.get(7..8)? != "-" {
        return None;
    }
    let year = i32::try_from(two(year.get(..2)?)? * 100 + two(year.get(2..)?)?).ok().filter(|year| *year > 0)?;
    let date = NaiveDate::from_ymd_opt(year, u32::try_from(two(month)?).ok()?, u32::try_from(two(day)?).ok()?)?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days().into())
}

fn two(text: &str) -> Option<i128> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The part of a second, how many digits it has, and what follows it.
fn fraction(text: &str) -> Option<(i128, usize, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(count);
    let significant = digits.trim_end_matches('0');
    if digits.is_empty() || significant.len() > DIGITS {
        return None;
    }
    let value = format!("{significant:0<DIGITS$}").parse().ok()?;
    Some((value, count.min(DIGITS), rest))
}

fn offset(zone: &str) -> Option<i128> {
    let zone = zone.strip_prefix(' ').unwrap_or(zone);
    let (sign, rest) = match zone.chars().next() {
        None => return Some(0),
        Some('Z' | 'z') if zone.len() == 1 => return Some(0),
        Some('+') => (1, zone.get(1..)?),
        Some('-') => (-1, zone.get(1..)?),
        _ => return None,
    };
    let minutes = match rest.get(2..)? {
        "" => 0,
        minutes => two(minutes.strip_prefix(':').unwrap_or(minutes)).filter(|minutes| *minutes < 60)?,
    };
    let hours = two(rest.get(..2)?).filter(|hours| *hours < 24)?;
    Some(sign * (hours * 60 + minutes) * 60 * SECOND)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_usual_form_is_read_and_written_as_it_was() {
        for text in [
            "2026-01-31",
            "2026-01-31T10:20",
            "2026-01-31T10:20:30",
            "2026-01-31 10:20:30.5",
            "2026-01-31t10:20:30.123456789Z",
            "2026-01-31T10:20:30.000+02:00",
            "2026-01-31T10:20:30 -0530",
            "0001-01-01T00:00:00+14",
        ] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_moment_is_told_from_one() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-1-31",
            "20260131",
            "2026-01-31T",
            "2026-01-31T10",
            "2026-01-31T24:00",
            "2026-01-31T10:20:30.",
            "2026-01-31T10:20:30+25",
            "2026-01-31X10:20",
            "2026-01-31T10:20.5",
            "2026-01-31é",
            "0000-01-01",
        ] {
            assert!(Moment::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_instant_is_that_of_rfc_3339(seconds in -62_000_000_000_i64..253_000_000_000, nanos in 0..1_000_000_000_u32, hours in -12..13_i32) {
            let moment = DateTime::from_timestamp(seconds, nanos).unwrap();
            let zoned = moment.with_timezone(&chrono::FixedOffset::east_opt(hours * 3600).unwrap());
            let text = zoned.to_rfc3339_opts(chrono::SecondsFormat::Nanos, false);
            let parsed = Moment::parse(&text).unwrap();
            prop_assert_eq!(parsed.instant().unwrap(), moment);
            prop_assert_eq!(parsed.to_string(), text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9TZ:. +é-]{0,30}") {
            if let Some(moment) = Moment::parse(&text) {
                prop_assert_eq!(Moment::parse(&moment.to_string()).unwrap().instant, moment.instant);
            }
        }
    }
}
