//! Dates, times and timestamps. Common forms are read by hand, other ones through the column's `format`.
//!
//! ```text
//! date       YYYY-MM-DD
//! time       HH:MM [ :SS [ . digits ] ]
//! timestamp  date [ (T | blank) time [ [ blank ] zone ] ]      a date alone is its midnight
//! zone       Z | ±HH | ±HHMM | ±HH:MM                          none is UTC
//! ```
//!
//! Years are 1 to 9999, which every reader has. All arithmetic is on `i64` microseconds, which that range does not exceed.

use chrono::{NaiveTime, Timelike, format::Parsed};

use super::{
    number::{digits, units},
    text::text,
};
use crate::{
    decode::finding::{Misfit, wrong_kind},
    json::{Document, Kind, Node},
    schema::{Strftime, StrftimeMismatch},
};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The year 1 begins so many microseconds before the epoch, and the year 10,000 so many after it.
const FIRST: i64 = -62_135_596_800 * SECOND;
const BEHIND_LAST: i64 = 253_402_300_800 * SECOND;

/// The notation of a column's values.
#[derive(Clone, Debug)]
pub(in crate::decode) enum Notation {
    /// The forms above.
    Iso,
    /// A count of seconds (0), milliseconds (3) or microseconds (6) since the epoch: of `10^-digits` seconds.
    Epoch {
        digits: u8,
    },
    Pattern(Strftime),
    /// One of these, whose digits beyond microseconds are cut off.
    Truncating(Box<Self>),
}

/// A reading of calendar and clock, in microseconds since 1970-01-01T00:00:00 of the same zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    wall: i64,
    /// Microseconds east of UTC; `None` if the text has no zone.
    offset: Option<i64>,
}

impl Reading {
    fn utc(self) -> i64 {
        self.wall - self.offset.unwrap_or(0)
    }
}

impl Notation {
    fn read(&self, node: Node<'_>, kind: Kind) -> Result<Reading, Misfit> {
        match (self, kind) {
            (Self::Epoch { digits }, Kind::Number | Kind::String) => epoch(node, kind, *digits),
            (Self::Truncating(notation), _) => {
                truncated(node, kind, notation, |node, kind, notation| notation.read(node, kind))
            }
            (Self::Iso | Self::Pattern(_), Kind::Number) => Err(Misfit::NumberWithoutFormat),
            (Self::Iso, _) => timestamp_text(text(node, kind)?.as_bytes()),
            (Self::Pattern(pattern), _) => pattern_reading(&text(node, kind)?, pattern),
            (Self::Epoch { .. }, _) => Err(wrong_kind(kind)),
        }
    }
}

/// Microseconds since the epoch.
#[inline]
pub(in crate::decode) fn timestamp(node: Node<'_>, kind: Kind, notation: &Notation) -> Result<i64, Misfit> {
    within_years(notation.read(node, kind)?.utc())
}

/// Microseconds since 1970-01-01T00:00:00 by the clock on the wall; of an epoch, by the clock in UTC.
pub(in crate::decode) fn timestamp_naive(node: Node<'_>, kind: Kind, notation: &Notation) -> Result<i64, Misfit> {
    let reading = notation.read(node, kind)?;
    if reading.offset.is_some() { Err(Misfit::Zone) } else { within_years(reading.wall) }
}

/// Days since the epoch.
pub(in crate::decode) fn date(node: Node<'_>, kind: Kind, notation: &Notation) -> Result<i32, Misfit> {
    let reading = notation.read(node, kind).map_err(|misfit| match misfit {
        Misfit::Timestamp => Misfit::Date,
        other => other,
    })?;
    let micros = within_years(reading.utc())?;
    if micros % DAY != 0 {
        return Err(Misfit::NotMidnight);
    }
    i32::try_from(micros / DAY).map_err(|_| Misfit::Year)
}

/// Microseconds since midnight.
pub(in crate::decode) fn time(node: Node<'_>, kind: Kind, notation: &Notation) -> Result<i64, Misfit> {
    if let Notation::Truncating(notation) = notation {
        return truncated(node, kind, notation, time);
    }
    let text = match kind {
        Kind::Number => return Err(Misfit::NumberWithoutFormat),
        _ => text(node, kind)?,
    };
    match notation {
        Notation::Pattern(pattern) => clock_of(&parse_pattern(&text, pattern)?),
        _ => match clock(text.as_bytes())? {
            (micros, []) => Ok(micros),
            (_, behind) if zone(behind).is_some() => Err(Misfit::Zone),
            _ => Err(Misfit::Time),
        },
    }
}

/// Reads a value, and once more without its digits beyond microseconds where they are what does not fit.
fn truncated<T>(
    node: Node<'_>,
    kind: Kind,
    notation: &Notation,
    read: impl Fn(Node<'_>, Kind, &Notation) -> Result<T, Misfit>,
) -> Result<T, Misfit> {
    let places = match notation {
        Notation::Epoch { digits } => 6_u8.saturating_sub(*digits),
        _ => 6,
    };
    match read(node, kind, notation) {
        Err(Misfit::SubMicrosecond) => {
            let cut = Document::parse(without_digits(node.raw(), places.into())).map_err(|_| Misfit::SubMicrosecond)?;
            read(cut.root(), kind, notation)
        }
        read => read,
    }
}

/// Cuts the fraction digits after each point or comma to `places`.
fn without_digits(raw: &[u8], places: usize) -> Vec<u8> {
    let mut cut = Vec::with_capacity(raw.len());
    // Digits since the last point; `None` elsewhere.
    let mut behind: Option<usize> = None;
    for &byte in raw {
        behind = match behind {
            _ if byte == b'.' || byte == b',' => Some(0),
            Some(digits) if byte.is_ascii_digit() => Some(digits + 1),
            _ => None,
        };
        let is_point = behind == Some(0);
        if behind.is_none_or(|digits| digits <= places) && !(is_point && places == 0) {
            cut.push(byte);
        }
    }
    cut
}

fn within_years(micros: i64) -> Result<i64, Misfit> {
    if (FIRST..BEHIND_LAST).contains(&micros) { Ok(micros) } else { Err(Misfit::Year) }
}

fn epoch(node: Node<'_>, kind: Kind, digits: u8) -> Result<Reading, Misfit> {
    let micros = units(node, kind, 6_u8.saturating_sub(digits)).map_err(|misfit| match misfit {
        Misfit::Scale(_) | Misfit::NotWhole => Misfit::SubMicrosecond,
        Misfit::NotANumber => Misfit::NotEpoch,
        Misfit::OutOfRange => Misfit::Year,
        other => other,
    })?;
    Ok(Reading { wall: i64::try_from(micros).map_err(|_| Misfit::Year)?, offset: None })
}

fn timestamp_text(text: &[u8]) -> Result<Reading, Misfit> {
    let (days, rest) = calendar(text).ok_or(Misfit::Timestamp)?;
    let midnight = days? * DAY;
    let rest = match rest {
        [] => return Ok(Reading { wall: midnight, offset: None }),
        [b'T' | b't' | b' ', rest @ ..] => rest,
        _ => return Err(Misfit::Timestamp),
    };
    let (time, rest) = clock(rest).map_err(|misfit| if misfit == Misfit::Time { Misfit::Timestamp } else { misfit })?;
    let offset = match rest {
        [] => None,
        [b' ', rest @ ..] => Some(zone(rest).ok_or(Misfit::Timestamp)?),
        rest => Some(zone(rest).ok_or(Misfit::Timestamp)?),
    };
    Ok(Reading { wall: midnight + time, offset })
}

#[inline]
fn pair(high: u8, low: u8) -> Option<i64> {
    let (high, low) = (high.wrapping_sub(b'0'), low.wrapping_sub(b'0'));
    (high <= 9 && low <= 9).then(|| i64::from(high) * 10 + i64::from(low))
}

/// The days since the epoch of the `YYYY-MM-DD` that `text` begins with, and the rest; `None` if it has not that form.
#[inline]
fn calendar(text: &[u8]) -> Option<(Result<i64, Misfit>, &[u8])> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, rest @ ..] = text else { return None };
    let year = pair(*y0, *y1)? * 100 + pair(*y2, *y3)?;
    let (month, day) = (pair(*m0, *m1)?, pair(*d0, *d1)?);
    let days = match year {
        0 => Err(Misfit::Year),
        _ if (1..=days_in(year, month)).contains(&day) => Ok(days_from_civil(year, month, day)),
        _ => Err(Misfit::Date),
    };
    Some((days, rest))
}

/// 0 for a month that does not exist.
fn days_in(year: i64, month: i64) -> i64 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`, for years from 1 on.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The microseconds since midnight of the time that `text` begins with, and the rest.
#[inline]
fn clock(text: &[u8]) -> Result<(i64, &[u8]), Misfit> {
    let [h0, h1, b':', m0, m1, rest @ ..] = text else { return Err(Misfit::Time) };
    let (Some(hour @ 0..24), Some(minute @ 0..60)) = (pair(*h0, *h1), pair(*m0, *m1)) else { return Err(Misfit::Time) };
    let (second, rest) = match rest {
        [b':', s0, s1, rest @ ..] => (pair(*s0, *s1).ok_or(Misfit::Time)?, rest),
        [b':', ..] => return Err(Misfit::Time),
        rest => return Ok(((hour * 60 + minute) * 60 * SECOND, rest)),
    };
    match second {
        0..60 => {}
        60 => return Err(Misfit::LeapSecond),
        _ => return Err(Misfit::Time),
    }
    let (fraction, rest) = fraction(rest)?;
    Ok((((hour * 60 + minute) * 60 + second) * SECOND + fraction, rest))
}

/// The microseconds of a `.` and its digits, if `text` begins with that, and the rest.
#[inline]
fn fraction(text: &[u8]) -> Result<(i64, &[u8]), Misfit> {
    let [b'.', text @ ..] = text else { return Ok((0, text)) };
    let (digits, rest) = digits(text);
    if digits.is_empty() {
        return Err(Misfit::Time);
    }
    if digits.iter().skip(6).any(|digit| *digit != b'0') {
        return Err(Misfit::SubMicrosecond);
    }
    let six = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Ok((six.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), rest))
}

/// Parses a whole text as an offset in microseconds east of UTC.
fn zone(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [h0, h1] => (pair(*h0, *h1)?, 0),
        [h0, h1, m0, m1] | [h0, h1, b':', m0, m1] => (pair(*h0, *h1)?, pair(*m0, *m1)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60 * SECOND)
}

fn parse_pattern(text: &str, pattern: &Strftime) -> Result<Parsed, Misfit> {
    pattern.parse(text).map_err(|mismatch| match mismatch {
        StrftimeMismatch::Form => Misfit::Pattern,
        StrftimeMismatch::TooManyDigits => Misfit::SubMicrosecond,
    })
}

fn pattern_reading(text: &str, pattern: &Strftime) -> Result<Reading, Misfit> {
    let parsed = parse_pattern(text, pattern)?;
    let offset = parsed.offset().map(|seconds| i64::from(seconds) * SECOND);
    let has_clock = parsed.hour_mod_12().is_some() || parsed.timestamp().is_some();
    if !has_clock {
        let date = parsed.to_naive_date().map_err(|_| Misfit::Pattern)?;
        return Ok(Reading { wall: date.and_time(NaiveTime::MIN).and_utc().timestamp_micros(), offset });
    }
    let moment = parsed.to_naive_datetime_with_offset(parsed.offset().unwrap_or(0)).map_err(|_| Misfit::Pattern)?;
    whole_micros(moment.nanosecond())?;
    Ok(Reading { wall: moment.and_utc().timestamp_micros(), offset })
}

fn clock_of(parsed: &Parsed) -> Result<i64, Misfit> {
    if parsed.offset().is_some() {
        return Err(Misfit::Zone);
    }
    let time = parsed.to_naive_time().map_err(|_| Misfit::Pattern)?;
    let micros = whole_micros(time.nanosecond())?;
    Ok(i64::from(time.num_seconds_from_midnight()) * SECOND + micros)
}

/// chrono keeps a leap second as a second of more than 10^9 nanoseconds.
fn whole_micros(nanoseconds: u32) -> Result<i64, Misfit> {
    match nanoseconds {
        1_000_000_000.. => Err(Misfit::LeapSecond),
        _ if !nanoseconds.is_multiple_of(1_000) => Err(Misfit::SubMicrosecond),
        _ => Ok(i64::from(nanoseconds / 1_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    type Reader<T> = fn(Node<'_>, Kind, &Notation) -> Result<T, Misfit>;

    fn read<T>(reader: Reader<T>, json: &str, notation: &Notation) -> Result<T, Misfit> {
        let document = Document::parse(json.into()).unwrap();
        reader(document.root(), document.root().kind(), notation)
    }

    fn quoted<T>(reader: Reader<T>, text: &str) -> Result<T, Misfit> {
        read(reader, &format!("\"{text}\""), &Notation::Iso)
    }

    fn of_pattern(pattern: &str) -> Notation {
        Notation::Pattern(Strftime::new(pattern).unwrap())
    }

    /// 2025-03-04T05:06:07Z.
    const MOMENT: i64 = 1_741_064_767 * SECOND;

    #[test]
    fn a_timestamp_is_read_in_every_usual_form() {
        for text in [
            "2025-03-04T05:06:07Z",
            "2025-03-04t05:06:07z",
            "2025-03-04 05:06:07",
            "2025-03-04T05:06:07.000000000000",
            "2025-03-04T07:06:07+02:00",
            "2025-03-04T07:06:07+0200",
            "2025-03-04 07:06:07 +02",
            "2025-03-03T23:36:07-05:30",
            "2025-03-04T05:06:07-00:00",
        ] {
            assert_eq!(quoted(timestamp, text), Ok(MOMENT), "{text}");
        }
        assert_eq!(quoted(timestamp, "2025-03-04T05:06:07.1Z"), Ok(MOMENT + 100_000));
        assert_eq!(quoted(timestamp, "2025-03-04T05:06:07.123456000Z"), Ok(MOMENT + 123_456));
        assert_eq!(quoted(timestamp, "2025-03-04T05:06Z"), Ok(MOMENT - 7 * SECOND));
        assert_eq!(quoted(timestamp, "1970-01-01"), Ok(0));
        assert_eq!(quoted(timestamp, "1969-12-31T23:59:59.999999Z"), Ok(-1));
        assert_eq!(read(timestamp, r#""2025-03-04\u005405:06:07Z""#, &Notation::Iso), Ok(MOMENT));
    }

    #[test]
    fn what_is_no_timestamp_does_not_fit_and_says_why() {
        for text in [
            "",
            "today",
            "2025-3-4T05:06:07Z",
            "2025-03-04T",
            "2025-03-04T05",
            "2025-03-04T05:06:",
            "2025-03-04T24:00:00Z",
            "2025-03-04T05:60:00Z",
            "2025-03-04T05:06:61Z",
            "2025-03-04T05:06:07.Z",
            "2025-03-04T05:06:07+24:00",
            "2025-03-04T05:06:07+2",
            "2025-03-04T05:06:07 ",
            "2025-03-04X05:06:07",
            " 2025-03-04T05:06:07",
            "20250304T050607Z",
            "2025-03-04T05:06:07ZZ",
            "2025-03-04Z",
            "+2025-03-04T05:06:07Z",
        ] {
            assert_eq!(quoted(timestamp, text), Err(Misfit::Timestamp), "{text}");
        }
        assert_eq!(quoted(timestamp, "2025-02-29T00:00:00Z"), Err(Misfit::Date));
        assert_eq!(quoted(timestamp, "2025-13-01T00:00:00Z"), Err(Misfit::Date));
        assert_eq!(quoted(timestamp, "2016-12-31T23:59:60Z"), Err(Misfit::LeapSecond));
        assert_eq!(quoted(timestamp, "2025-03-04T05:06:07.1234567Z"), Err(Misfit::SubMicrosecond));
        assert_eq!(quoted(timestamp, "0000-01-01T00:00:00Z"), Err(Misfit::Year));
        assert_eq!(quoted(timestamp, "0001-01-01T00:00:00+01:00"), Err(Misfit::Year));
        assert_eq!(quoted(timestamp, "9999-12-31T23:59:59-01:00"), Err(Misfit::Year));
        assert_eq!(read(timestamp, "1741064767", &Notation::Iso), Err(Misfit::NumberWithoutFormat));
        assert_eq!(read(timestamp, "[]", &Notation::Iso), Err(Misfit::Kind(Kind::Array)));
    }

    #[test]
    fn the_first_and_the_last_microsecond_fit() {
        assert_eq!(quoted(timestamp, "0001-01-01T00:00:00Z"), Ok(FIRST));
        assert_eq!(quoted(timestamp, "9999-12-31T23:59:59.999999Z"), Ok(BEHIND_LAST - 1));
    }

    #[test]
    fn a_naive_timestamp_is_the_wall_reading_and_has_no_zone() {
        assert_eq!(quoted(timestamp_naive, "2025-03-04T05:06:07"), Ok(MOMENT));
        assert_eq!(quoted(timestamp_naive, "2025-03-04T05:06:07Z"), Err(Misfit::Zone));
        assert_eq!(quoted(timestamp_naive, "2025-03-04T05:06:07+00:00"), Err(Misfit::Zone));
        assert_eq!(read(timestamp_naive, "1741064767", &Notation::Epoch { digits: 0 }), Ok(MOMENT));
    }

    #[test]
    fn digits_beyond_microseconds_are_cut_where_that_is_asked_for() {
        let cut = |json: &str, notation: Notation| read(timestamp, json, &Notation::Truncating(Box::new(notation)));
        assert_eq!(cut(r#""2025-03-04T05:06:07.123456789Z""#, Notation::Iso), Ok(MOMENT + 123_456));
        assert_eq!(cut(r#""2025-03-04T05:06:07.1Z""#, Notation::Iso), Ok(MOMENT + 100_000));
        assert_eq!(cut(r#""2025-03-04T05:06:07.x""#, Notation::Iso), Err(Misfit::Timestamp));
        assert_eq!(cut(r#""2025-03-04 05:06:07.1234567""#, of_pattern("%F %T.%f")), Ok(MOMENT + 123_456));
        for (json, digits) in [("1741064767.1234567", 0), ("\"1741064767123.4567\"", 3), ("1741064767123456.7", 6)] {
            assert_eq!(cut(json, Notation::Epoch { digits }), Ok(MOMENT + 123_456), "{json}");
        }
        let cutting = Notation::Truncating(Box::new(Notation::Iso));
        assert_eq!(read(time, "\"00:00:01.0000019\"", &cutting), Ok(SECOND + 1));
    }

    #[test]
    fn a_date_may_come_from_a_timestamp_at_midnight_utc_only() {
        let day = i32::try_from(MOMENT / DAY).unwrap();
        for text in ["2025-03-04", "2025-03-04T00:00:00Z", "2025-03-04 00:00", "2025-03-04T02:00:00+02:00"] {
            assert_eq!(quoted(date, text), Ok(day), "{text}");
        }
        assert_eq!(quoted(date, "2025-03-04T05:06:07Z"), Err(Misfit::NotMidnight));
        assert_eq!(quoted(date, "2025-03-04T00:00:00+02:00"), Err(Misfit::NotMidnight));
        assert_eq!(quoted(date, "2000-02-29"), Ok(11_016));
        assert_eq!(quoted(date, "1900-02-29"), Err(Misfit::Date));
        assert_eq!(quoted(date, "04.03.2025"), Err(Misfit::Date));
        assert_eq!(read(date, "20151", &Notation::Iso), Err(Misfit::NumberWithoutFormat));
        assert_eq!(read(date, "1741046400", &Notation::Epoch { digits: 0 }), Ok(day));
        assert_eq!(read(date, "1741046401", &Notation::Epoch { digits: 0 }), Err(Misfit::NotMidnight));
    }

    #[test]
    fn a_time_is_of_one_day_and_has_no_zone() {
        assert_eq!(quoted(time, "05:06:07.25"), Ok((5 * 3600 + 6 * 60 + 7) * SECOND + 250_000));
        assert_eq!(quoted(time, "23:59:59.9999990"), Ok(DAY - 1));
        assert_eq!(quoted(time, "05:06"), Ok((5 * 60 + 6) * 60 * SECOND));
        assert_eq!(quoted(time, "05:06:07Z"), Err(Misfit::Zone));
        assert_eq!(quoted(time, "05:06:07 am"), Err(Misfit::Time));
        assert_eq!(quoted(time, "24:00:00"), Err(Misfit::Time));
        assert_eq!(quoted(time, "23:59:60"), Err(Misfit::LeapSecond));
        assert_eq!(read(time, "5", &Notation::Iso), Err(Misfit::NumberWithoutFormat));
        let pattern = of_pattern("%I:%M %p");
        assert_eq!(read(time, "\"05:06 PM\"", &pattern), Ok((17 * 60 + 6) * 60 * SECOND));
    }

    #[test]
    fn an_epoch_is_exact_to_the_microsecond() {
        let epoch = |json, digits| read(timestamp, json, &Notation::Epoch { digits });
        assert_eq!(epoch("1741064767", 0), Ok(MOMENT));
        assert_eq!(epoch("\"1741064767\"", 0), Ok(MOMENT));
        assert_eq!(epoch("1741064767.123456", 0), Ok(MOMENT + 123_456));
        assert_eq!(epoch("1.741064767e9", 0), Ok(MOMENT));
        assert_eq!(epoch("1741064767001.5", 3), Ok(MOMENT + 1_500));
        assert_eq!(epoch("-1", 6), Ok(-1));
        assert_eq!(epoch("1741064767.1234567", 0), Err(Misfit::SubMicrosecond));
        assert_eq!(epoch("0.5", 6), Err(Misfit::SubMicrosecond));
        assert_eq!(epoch("1e30", 0), Err(Misfit::Year));
        assert_eq!(epoch("253402300800", 0), Err(Misfit::Year));
        assert_eq!(epoch("\"2025-03-04\"", 0), Err(Misfit::NotEpoch));
        assert_eq!(epoch("true", 0), Err(Misfit::Kind(Kind::Bool(true))));
    }

    #[test]
    fn a_pattern_reads_its_own_form_and_no_other() {
        let pattern = |text: &str, pattern: &str| read(timestamp, &format!("\"{text}\""), &of_pattern(pattern));
        assert_eq!(pattern("04/03/2025 05:06", "%d/%m/%Y %H:%M"), Ok(MOMENT - 7 * SECOND));
        assert_eq!(pattern("04.03.2025", "%d.%m.%Y"), Ok(MOMENT / DAY * DAY));
        assert_eq!(pattern("Tue, 04 Mar 2025 07:06:07 +0200", "%a, %d %b %Y %T %z"), Ok(MOMENT));
        assert_eq!(pattern("1741064767", "%s"), Ok(MOMENT));
        assert_eq!(pattern("04/03/2025 05:06:07.5", "%d/%m/%Y %H:%M:%S%.f"), Ok(MOMENT + 500_000));
        assert_eq!(pattern("04/03/2025 05:06:07.1234567", "%d/%m/%Y %H:%M:%S%.f"), Err(Misfit::SubMicrosecond));
        assert_eq!(pattern("04/03/2025 05:06:07.0000000001", "%d/%m/%Y %H:%M:%S%.f"), Err(Misfit::SubMicrosecond));
        assert_eq!(pattern("04/03/2025 05:06:07.500000", "%d/%m/%Y %H:%M:%S.%f"), Ok(MOMENT + 500_000));
        assert_eq!(pattern("04/03/2025 05:06:07.1234567", "%d/%m/%Y %H:%M:%S.%f"), Err(Misfit::SubMicrosecond));
        assert_eq!(read(time, "\"05:06:07.25\"", &of_pattern("%T.%f")), Ok((5 * 3600 + 6 * 60 + 7) * SECOND + 250_000));
        assert_eq!(pattern("31/12/2016 23:59:60", "%d/%m/%Y %T"), Err(Misfit::LeapSecond));
        assert_eq!(pattern("31/02/2025 05:06", "%d/%m/%Y %H:%M"), Err(Misfit::Pattern));
        assert_eq!(pattern("2025-03-04T05:06:07Z", "%d/%m/%Y %H:%M"), Err(Misfit::Pattern));
        assert_eq!(pattern("04/03/2025 05", "%d/%m/%Y %H"), Err(Misfit::Pattern));
        assert_eq!(read(timestamp, "12", &of_pattern("%s")), Err(Misfit::NumberWithoutFormat));
        let zoned = of_pattern("%F %T %z");
        assert_eq!(read(timestamp_naive, "\"2025-03-04 05:06:07 +0000\"", &zoned), Err(Misfit::Zone));
    }

    proptest! {
        #[test]
        fn every_moment_is_read_as_chrono_writes_it(micros in FIRST..BEHIND_LAST, hours in -23..24_i32) {
            let moment = DateTime::from_timestamp_micros(micros).unwrap();
            let naive = moment.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
            prop_assert_eq!(quoted(timestamp, &format!("{naive}Z")), Ok(micros));
            prop_assert_eq!(quoted(timestamp_naive, &naive), Ok(micros));
            let shifted = within_years(micros - i64::from(hours) * 3_600 * SECOND);
            prop_assert_eq!(quoted(timestamp, &format!("{naive}{hours:+03}:00")), shifted);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9TZ:. +-]{0,30}") {
            for reader in [timestamp, timestamp_naive, time] as [Reader<i64>; 3] {
                if let Ok(micros) = quoted(reader, &text) {
                    prop_assert!((FIRST..BEHIND_LAST).contains(&micros));
                }
            }
        }
    }
}
