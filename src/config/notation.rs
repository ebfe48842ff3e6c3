//! Forms of text: words with a number (`zstd(3)`, `bucket[16]`), and moments.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// The number of `word(n)`, where it is within bounds, or the one that the bare word stands for.
struct Form {
    word: &'static str,
    min: u32,
    max: u32,
    /// Of the bare word; `None` where a number has to be there.
    default: Option<u32>,
}

const fn bare(word: &'static str) -> Form {
    Form { word, min: 0, max: 0, default: Some(0) }
}

const COMPRESSIONS: [Form; 5] = [
    bare("none"),
    bare("snappy"),
    bare("lz4"),
    Form { word: "gzip", min: 0, max: 9, default: Some(6) },
    Form { word: "zstd", min: 1, max: 22, default: Some(3) },
];

const TRANSFORMS: [Form; 7] = [
    bare("identity"),
    bare("year"),
    bare("month"),
    bare("day"),
    bare("hour"),
    Form { word: "bucket", min: 1, max: i32::MAX.cast_unsigned(), default: None },
    Form { word: "truncate", min: 1, max: i32::MAX.cast_unsigned(), default: None },
];

/// `GET` or `POST`, in either case; else the reason, and where it stands.
pub fn method(text: &str) -> Result<(), (String, usize)> {
    let reason = match text.to_uppercase().as_str() {
        "GET" | "POST" => return Ok(()),
        "PUT" | "PATCH" | "DELETE" => "it changes what is there, and restlake only reads",
        "HEAD" | "OPTIONS" => "its answer has no records",
        _ => "",
    };
    Err((reason.to_owned(), 0))
}

/// A Parquet compression and its level: `none`, `snappy`, `lz4` (level 0), `gzip(0…9)`, `zstd(1…22)`.
pub fn compression(text: &str) -> Option<(&'static str, u32)> {
    form(text, &COMPRESSIONS, ['(', ')'])
}

/// An Iceberg partition transform and its number: `identity`, `year`, `month`, `day`, `hour` (0), `bucket[n]`, `truncate[n]`.
pub fn transform(text: &str) -> Option<(&'static str, u32)> {
    form(text, &TRANSFORMS, ['[', ']'])
}

/// A date or timestamp of ISO 8601, exact to the microsecond, of the years 0 to 9999, in microseconds since 1970. Without a zone
/// it is UTC.
pub fn moment(text: &str) -> Option<i64> {
    // `chrono` alone would take signs and years of any length.
    if !text.get(..4)?.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let naive = |pattern: &str| NaiveDateTime::parse_from_str(text, pattern).ok();
    let date = || Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN));
    let moment = match DateTime::parse_from_rfc3339(text) {
        Ok(moment) => moment.to_utc(),
        Err(_) => naive("%Y-%m-%dT%H:%M:%S%.f").or_else(|| naive("%Y-%m-%d %H:%M:%S%.f")).or_else(date)?.and_utc(),
    };
    (moment.timestamp_subsec_nanos() % 1000 == 0).then(|| moment.timestamp_micros())
}

/// A rate as people write it, `5/s`, `10/5s`, `100 per minute` or `600 requests/hour`: the number, and the duration in the
/// config's words.
pub fn rate(text: &str) -> Option<(u64, String)> {
    let (requests, per) = text.split_once('/').or_else(|| text.split_once(" per "))?;
    let requests = requests.trim().split(' ').next()?.parse().ok().filter(|requests| *requests > 0)?;
    let per = per.trim().to_ascii_lowercase();
    let digits = per.len() - per.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = per.split_at(digits);
    let unit = match unit.trim() {
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    Some((requests, format!("{}{unit}", if number.is_empty() { "1" } else { number })))
}

fn form(text: &str, forms: &'static [Form], [open, close]: [char; 2]) -> Option<(&'static str, u32)> {
    let Some((word, rest)) = text.split_once(open) else {
        let form = forms.iter().find(|form| form.word == text)?;
        return Some((form.word, form.default?));
    };
    let form = forms.iter().find(|form| form.word == word && form.max > 0)?;
    let digits = rest.strip_suffix(close).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = digits.parse().ok().filter(|number| (form.min..=form.max).contains(number))?;
    Some((form.word, number))
}

/// The `token` of RFC 9110, section 5.6.2: what names of headers and cookies are made of.
pub fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

pub fn header_name(text: &str) -> Result<(), (String, usize)> {
    if is_token(text) { Ok(()) } else { Err((String::new(), 0)) }
}

/// The byte that a text of one ASCII character stands for; `\\t` is a tab.
pub fn letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        b"\\t" => Some(b'\t'),
        [byte] if byte.is_ascii() && !b"\r\n".contains(byte) => Some(*byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_have_a_level_within_their_bounds_or_none() {
        assert_eq!(compression("zstd(3)"), Some(("zstd", 3)));
        assert_eq!(compression("zstd"), Some(("zstd", 3)));
        assert_eq!(compression("gzip(0)"), Some(("gzip", 0)));
        assert_eq!(compression("none"), Some(("none", 0)));
        for wrong in
            ["zstd(0)", "zstd(23)", "gzip(10)", "snappy(1)", "zstd[3]", "zstd(3", "zstd(+3)", "brotli", "", "zstd()"]
        {
            assert_eq!(compression(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_bucket_and_truncate_have_a_number_and_must() {
        assert_eq!(transform("bucket[16]"), Some(("bucket", 16)));
        assert_eq!(transform("truncate[2147483647]"), Some(("truncate", 2_147_483_647)));
        assert_eq!(transform("month"), Some(("month", 0)));
        for wrong in ["bucket", "bucket[0]", "truncate[2147483648]", "month[1]", "bucket(16)", "week", "Month"] {
            assert_eq!(transform(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_read_as_people_write_it() {
        for (text, meant) in [
            ("5/s", Some("5 per 1s")),
            ("10/5s", Some("10 per 5s")),
            ("100 per minute", Some("100 per 1m")),
            ("600 requests/hour", Some("600 per 1h")),
            ("2/day", Some("2 per 1d")),
            ("30 per 15 minutes", Some("30 per 15m")),
            ("fast", None),
            ("5", None),
            ("0/s", None),
            ("5/fortnight", None),
        ] {
            let read = rate(text).map(|(requests, per)| format!("{requests} per {per}"));
            assert_eq!(read.as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_date_or_a_timestamp_and_without_a_zone_utc() {
        for (text, seconds) in [
            ("1970-01-02", 86_400),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01T00:00:01", 1),
            ("1970-01-01 00:00:01.000000Z", 1),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(moment(text), Some(seconds * 1_000_000), "{text}");
        }
        assert_eq!(moment("1970-01-01T00:00:00.000001"), Some(1));
        for wrong in
            ["", "1970", "1970-13-01", "1970-01-01T00:00:00.0000001Z", "+1970-01-01", "01.01.1970", "12970-01-01"]
        {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
