//! Whether a strftime pattern can read values of a column's type at all.
//!
//! A pattern that leaves out the minute, or the year, parses no value ever: chrono takes the pattern apart without complaint,
//! and every row would fail. So one moment is written in the pattern and read back, as the values of a page will be.

use chrono::{
    DateTime, NaiveTime,
    format::{Fixed, Item, Numeric, Pad, Parsed},
};

use crate::{
    plan::CursorValue,
    schema::{ColumnType, Strftime, strftime::is_fraction},
};

/// 2004-03-02T00:00:00Z: a midnight, since a date is read from no other time of day.
const MOMENT: i64 = 1_078_185_600;

/// What keeps the pattern from reading a date, a time or a timestamp.
pub fn problem(pattern: &str, data_type: &ColumnType) -> Option<String> {
    if !pattern.contains('%') {
        return Some(format!("the format `{pattern}` has no field such as `%Y` in it"));
    }
    let Some(format) = Strftime::new(pattern) else { return Some(format!("`{pattern}` is no strftime format")) };
    if format.items().contains(&Item::Fixed(Fixed::TimezoneName)) {
        return Some("`%Z`, a zone's name, cannot be read; `%z`, an offset, can".to_owned());
    }
    let text = written(pattern)?;
    let Ok(parsed) = format.parse(&text) else {
        return Some(format!("what is written as `{pattern}` cannot be read back"));
    };
    let is_naive = matches!(data_type, ColumnType::Time | ColumnType::TimestampNaive);
    if is_naive && parsed.offset().is_some() {
        return Some(format!("the format has an offset, and values of the type {data_type} have none"));
    }
    let missing = missing(&parsed, data_type)?;
    Some(format!("the format leaves out {missing}, so that no value could be read"))
}

/// Fields as other tools write them, the longer ones first.
const FIELDS: [(&str, &str); 11] = [
    ("YYYY", "%Y"),
    ("yyyy", "%Y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("dd", "%d"),
    ("HH", "%H"),
    ("hh", "%H"),
    ("mm", "%M"),
    ("SS", "%S"),
    ("ss", "%S"),
    ("Z", "%z"),
];

/// The format that was meant by one in another tool's words, such as `YYYY-MM-DD`, or examples.
pub fn hint(pattern: &str) -> String {
    let meant = FIELDS.iter().fold(pattern.to_owned(), |text, (field, meant)| text.replace(field, meant));
    let is_meant = !pattern.contains('%') && meant.contains("%Y") && Strftime::new(&meant).is_some();
    match is_meant {
        true => format!("write it in strftime's words: `{meant}`"),
        false => "such as `%d/%m/%Y %H:%M`, or `epoch_s`, `epoch_ms`, `epoch_us`".to_owned(),
    }
}

/// Returns true if the pattern has a time of day. A date can be read by such a pattern too, but of midnights alone.
pub fn has_clock(pattern: &str) -> bool {
    let text_and_format = written(pattern).zip(Strftime::new(pattern));
    let parsed = text_and_format.and_then(|(text, format)| format.parse(&text).ok());
    parsed.is_some_and(|parsed| parsed.hour_mod_12().is_some() || parsed.timestamp().is_some())
}

/// Whether texts in this pattern sort by time: from the year down to smaller units, all of a fixed width.
pub fn sorts_by_time(pattern: &str) -> bool {
    const YEAR: u8 = 1;
    const DAY: u8 = 3;
    const SECOND: u8 = 6;
    // Offsets are taken into account in ISO 8601 only.
    let is_iso = || written(pattern).is_some_and(|text| CursorValue::of_text(&text).is_moment());
    let mut last = 0;
    let Some(format) = Strftime::new(pattern) else { return false };
    let mut sorts = format.items().iter().all(|item| {
        let unit = match item {
            item if is_fraction(item) && last == SECOND => SECOND + 1,
            Item::Literal(_) | Item::OwnedLiteral(_) | Item::Space(_) | Item::OwnedSpace(_) => return true,
            Item::Numeric(Numeric::Timestamp, _) | Item::Fixed(Fixed::RFC3339) => SECOND,
            Item::Numeric(_, Pad::None) => return false,
            Item::Numeric(Numeric::Year, _) => YEAR,
            Item::Numeric(Numeric::Month, _) => 2,
            Item::Numeric(Numeric::Day, _) => DAY,
            Item::Numeric(Numeric::Ordinal, _) if last == YEAR => DAY,
            Item::Numeric(Numeric::Hour, _) => 4,
            Item::Numeric(Numeric::Minute, _) => 5,
            Item::Numeric(Numeric::Second, _) => SECOND,
            Item::Fixed(
                Fixed::Nanosecond | Fixed::Nanosecond3 | Fixed::Nanosecond6 | Fixed::Nanosecond9 | Fixed::Internal(_),
            ) if last == SECOND => SECOND + 1,
            Item::Fixed(
                Fixed::TimezoneOffset
                | Fixed::TimezoneOffsetColon
                | Fixed::TimezoneOffsetColonZ
                | Fixed::TimezoneOffsetZ
                | Fixed::Internal(_),
            ) => return is_iso(),
            _ => return false,
        };
        let follows = unit == last + 1 || last == 0 && unit == SECOND || last == YEAR && unit == DAY;
        last = unit;
        follows
    });
    sorts &= last > 0;
    sorts
}

/// The moment as the pattern writes it; `None` if chrono can only read the pattern.
fn written(pattern: &str) -> Option<String> {
    let moment = DateTime::from_timestamp(MOMENT, 0)?;
    let write = |pattern: &str| Strftime::new(pattern)?.write(&moment);
    // `%#z` is `%z` whose minutes may be left out, and can only be read.
    write(pattern).or_else(|| write(&pattern.replace("%#z", "%z")))
}

/// What a value would need besides; `None` if nothing. A timestamp without a time of day is its midnight.
fn missing(parsed: &Parsed, data_type: &ColumnType) -> Option<&'static str> {
    let has_clock = parsed.hour_mod_12().is_some() || parsed.timestamp().is_some();
    match data_type {
        ColumnType::Time => missing_time(parsed),
        _ if !has_clock => missing_date(parsed),
        _ => {
            let whole = parsed.to_naive_datetime_with_offset(parsed.offset().unwrap_or(0)).is_ok();
            let part =
                missing_date(parsed).or_else(|| missing_time(parsed)).unwrap_or("a part of the date or the time");
            (!whole).then_some(part)
        }
    }
}

fn missing_date(parsed: &Parsed) -> Option<&'static str> {
    if parsed.to_naive_date().is_ok() {
        return None;
    }
    let has_year = [parsed.year(), parsed.year_mod_100(), parsed.isoyear(), parsed.isoyear_mod_100()];
    Some(match (has_year.iter().any(Option::is_some), parsed.month(), parsed.day()) {
        (false, _, _) => "the year",
        (true, None, Some(_)) => "the month",
        (true, _, _) => "the day",
    })
}

fn missing_time(parsed: &Parsed) -> Option<&'static str> {
    let time: Result<NaiveTime, _> = parsed.to_naive_time();
    if time.is_ok() {
        return None;
    }
    Some(match (parsed.hour_mod_12(), parsed.hour_div_12(), parsed.minute()) {
        (None, _, _) => "the hour",
        (_, None, _) => "whether it is morning or afternoon (`%p`)",
        (_, _, None) => "the minute",
        _ => "the second",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(data_type: &str, pattern: &str) -> Option<String> {
        problem(pattern, &data_type.parse().unwrap())
    }

    #[test]
    fn a_format_that_can_read_values_is_accepted() {
        for pattern in
            ["%Y-%m-%d", "%d/%m/%y", "%e %B %Y", "%Y%m%d", "%j %Y", "%G-W%V-%u", "%F", "%D", "%d.%m.%Y %H:%M"]
        {
            assert_eq!(told("date", pattern), None, "{pattern}");
        }
        for pattern in [
            "%d/%m/%Y %H:%M",
            "%Y-%m-%d",
            "%s",
            "%F %T%.f",
            "%F %T%.3f",
            "%F %T.%f",
            "%FT%T%z",
            "%FT%T%:z",
            "%FT%T%#z",
            "%+",
            "%a, %d %b %Y %H:%M:%S %z",
            "%m/%d/%Y %I:%M %p",
            "%Y%m%d%H%M%S",
            "%c",
            "%s%.3f",
            "%F %R %P",
        ] {
            assert_eq!(told("timestamp", pattern), None, "{pattern}");
        }
        for pattern in ["%H:%M", "%H:%M:%S", "%I:%M %p", "%T%.f", "%R"] {
            assert_eq!(told("time", pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_format_that_leaves_out_what_a_value_needs_is_told_what_that_is() {
        for (data_type, pattern, missing) in [
            ("date", "%Y-%m", "the day"),
            ("date", "%d/%m", "the year"),
            ("date", "%d %Y", "the month"),
            ("date", "%H:%M", "the year"),
            ("timestamp", "%d/%m/%Y %H", "the minute"),
            ("timestamp", "%d/%m/%Y %I:%M", "morning or afternoon"),
            ("timestamp_naive", "%H:%M", "the year"),
            ("time", "%I:%M", "morning or afternoon"),
            ("time", "%H", "the minute"),
            ("time", "%M", "the hour"),
        ] {
            let told = told(data_type, pattern).unwrap_or_default();
            assert!(told.contains("leaves out") && told.contains(missing), "{pattern}: {told}");
        }
    }

    #[test]
    fn zones_by_name_and_offsets_where_there_is_no_zone_are_refused() {
        assert!(told("timestamp", "%F %T %Z").unwrap().contains("`%z`"));
        assert!(told("timestamp_naive", "%FT%T%z").unwrap().contains("have none"));
        assert!(told("time", "%T%:z").unwrap().contains("have none"));
        assert!(told("date", "%Q").unwrap().contains("no strftime format"));
        assert!(told("date", "iso").unwrap().contains("no field"));
    }
}
