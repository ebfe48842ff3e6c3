//! The order of texts that are neither ISO 8601 dates nor JSON numbers.
//!
//! ```text
//! "9", "10"                       digits alone       by number
//! "9.5", "10.5"                   decimals           by number, unless they read as versions in another order
//! "01J8…", "a1b2…", "evt_0007"    anything else      by bytes
//! "12/31/2025", "Tue, 15 Nov …"   dates              none: their bytes do not sort by time
//! "1.9" and "1.10", "v9", "v10"   unpadded numbers   none: their bytes sort in another order than their numbers
//! ```
//!
//! A cursor that is compared in a wrong order passes over newer records, so a text in doubt has no order.

use std::cmp::Ordering;

use super::number::Number;

/// Digits of a whole number that no version has: an epoch time with a fraction.
const LONGER_THAN_VERSIONS: usize = 6;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// `None` if the bytes of the texts are in another order than what the texts mean.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    if a == b {
        return Some(Ordering::Equal);
    }
    if is_digits(a) && is_digits(b) {
        return Some(compare_digits(a, b));
    }
    if let (Some(first), Some(second)) = (decimal(a), decimal(b)) {
        let order = first.compare(&second);
        let is_long = |text: &str| text.split('.').next().is_some_and(|whole| whole.len() > LONGER_THAN_VERSIONS);
        let is_number = [a, b].iter().any(|text| text.starts_with('-') || is_long(text));
        return (is_number || compare_parts(a, b).is_none_or(|parts| parts == order)).then_some(order);
    }
    if is_unsorted_date(a) && is_unsorted_date(b) {
        return None;
    }
    let order = a.cmp(b);
    compare_parts(a, b).is_none_or(|parts| parts == order).then_some(order)
}

/// Whether the text is a date or a time in a form whose bytes do not sort by time: the year is not first, the month is a name,
/// or the clock has twelve hours.
pub(super) fn is_unsorted_date(text: &str) -> bool {
    let words = || text.split([' ', ',', 'T', '_']).filter(|word| !word.is_empty());
    words().any(ends_with_year) || names_month(text) || has_half_day(text)
}

/// `12/31/2025`, `31.12.2025`, `1-2-2026`, `31/12/25`.
fn ends_with_year(word: &str) -> bool {
    ['/', '.', '-'].into_iter().any(|separator| {
        let parts: Vec<_> = word.split(separator).collect();
        let [first, second, year] = parts[..] else { return false };
        let numbers = [first, second].map(|part| small(part).unwrap_or(0));
        let is_padded = first.len() == 2 && second.len() == 2;
        let is_year = match year.len() {
            4 => true,
            // `1.9.10` is a version, `10-11-12` may be anything.
            2 => separator == '/' || separator == '.' && is_padded,
            _ => false,
        };
        is_digits(year)
            && is_year
            && numbers.iter().all(|part| (1..=31).contains(part))
            && numbers.iter().any(|part| *part <= 12)
    })
}

fn small(part: &str) -> Option<u8> {
    (is_digits(part) && part.len() <= 2).then(|| part.parse().ok()).flatten()
}

/// `Tue, 15 Nov 1994 12:45:26 GMT`, `15-Nov-94`, `15Nov2025`, `Nov 2025`.
fn names_month(text: &str) -> bool {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let numbers: Vec<_> = text.split(|letter: char| !letter.is_ascii_digit()).filter(|run| !run.is_empty()).collect();
    let is_year = |run: &&str| run.len() == 4 && (run.starts_with("19") || run.starts_with("20"));
    let is_day = |run: &&str| small(run).is_some_and(|day| (1..=31).contains(&day));
    let is_dated = numbers.iter().any(is_year) || numbers.len() >= 2 && numbers.iter().any(is_day);
    is_dated && words.into_iter().any(|word| is_month(word) || is_month_between(word))
}

fn is_month(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word == "sept" || MONTHS.iter().any(|month| *month == word || month.get(..3) == Some(word.as_str()))
}

/// `15Nov94`. Not `65dec1f3`, which is an id.
fn is_month_between(word: &str) -> bool {
    let runs: Vec<_> = runs(word).collect();
    let [day, month, year] = runs[..] else { return false };
    small(day).is_some() && is_month(month) && matches!(year.len(), 2 | 4)
}

/// `11:00 PM`, `11:00:30pm`, `11 p.m.`
fn has_half_day(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace("a.m.", "am").replace("p.m.", "pm");
    let is_clock = |word: &str| word.ends_with(|last: char| last.is_ascii_digit()) && word.contains(':');
    let mut before = "";
    text.split([' ', 't', ',']).filter(|word| !word.is_empty()).any(|word| {
        let half = word.strip_suffix("am").or_else(|| word.strip_suffix("pm"));
        let is_half = half.is_some_and(|clock| match clock {
            "" => is_clock(before) || small(before).is_some(),
            clock => is_clock(clock),
        });
        before = word;
        is_half
    })
}

/// The order of texts that differ in numbers alone, by their numbers from left to right: versions, dates without padding,
/// counters behind a prefix. `None` for all others, random ids among them.
fn compare_parts(a: &str, b: &str) -> Option<Ordering> {
    let (mut first, mut second) = (runs(a), runs(b));
    let (mut number, mut is_clock, mut is_fraction) = (0, false, false);
    loop {
        let (a, b) = match (first.next(), second.next()) {
            (None, None) => return Some(Ordering::Equal),
            (a, b) if number == 0 => (a?, b?),
            (None, Some(_)) => return Some(Ordering::Less),
            (Some(_), None) => return Some(Ordering::Greater),
            (Some(a), Some(b)) => (a, b),
        };
        if !is_digits(a) || !is_digits(b) {
            if a != b || number > 0 && !is_separator(a) {
                return None;
            }
            is_fraction = is_clock && matches!(a, "." | ",");
            is_clock |= a.contains(':') && number > 0;
            continue;
        }
        number += 1;
        let order = if is_fraction { a.cmp(b) } else { compare_digits(a, b) };
        if order.is_ne() {
            return rest_agrees(&mut first, &mut second).then_some(order);
        }
    }
}

/// Whether what follows has the same form too, as far as both have it, and else begins with a separator.
fn rest_agrees<'a>(first: &mut impl Iterator<Item = &'a str>, second: &mut impl Iterator<Item = &'a str>) -> bool {
    loop {
        match (first.next(), second.next()) {
            (None, None) => return true,
            (Some(rest), None) | (None, Some(rest)) => return is_digits(rest) || is_separator(rest),
            (Some(a), Some(b)) if is_digits(a) && is_digits(b) => {}
            (Some(a), Some(b)) if a == b && is_separator(a) => {}
            (Some(_), Some(_)) => return false,
        }
    }
}

/// Letters alone between digits are those of a hexadecimal or a random id.
fn is_separator(run: &str) -> bool {
    run.bytes().any(|byte| byte.is_ascii_punctuation() || byte == b' ')
}

/// Runs of digits, and what is between them.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|letter: char| letter.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

/// A JSON number without an exponent, which a hexadecimal id may look like.
fn decimal(text: &str) -> Option<Number> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    is_plain.then(|| Number::parse(text)).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// As numbers: the longer one without its leading zeros is the larger.
fn compare_digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_whose_bytes_do_not_sort_by_time_has_no_order() {
        for (a, b) in [
            ("12/31/2025", "01/02/2026"),
            ("12/30/2025", "12/31/2025"),
            ("31.12.2025", "01.01.2026"),
            ("1-2-2026", "12-31-2025"),
            ("31.12.25 10:00", "01.01.26 10:00"),
            ("12/31/25", "01/01/26"),
            ("31/12/2025T10:00:00", "01/01/2026T10:00:00"),
            ("10:00:00 31/12/2025", "11:00:00 01/01/2026"),
            ("Tue, 15 Nov 1994 12:45:26 GMT", "Wed, 16 Nov 1994 12:45:26 GMT"),
            ("Sunday, 06-Nov-94 08:49:37 GMT", "Monday, 07-Nov-94 08:49:37 GMT"),
            ("Sun Nov  6 08:49:37 1994", "Mon Dec  7 08:49:37 1994"),
            ("Nov 15, 1994", "December 1, 1994"),
            ("2025-Nov-15", "2025-Dec-15"),
            ("2026-01-01 01:00 PM", "2026-01-01 11:00 AM"),
            ("2026-01-01 1:00:00pm", "2026-01-01 11:00:00am"),
            ("2026-01-01 01:00 p.m.", "2026-01-01 11:00 a.m."),
            ("01 Jan 2026 1 PM EST", "01 Jan 2026 11 AM EST"),
            ("15Nov2025", "15Dec2025"),
        ] {
            assert_eq!((compare(a, b), compare(b, a)), (None, None), "{a} {b}");
            assert_eq!(compare(a, a), Some(Ordering::Equal));
        }
    }

    #[test]
    fn numbers_without_padding_have_no_order_where_bytes_give_another_one() {
        for (a, b) in [
            ("1.9", "1.10"),
            ("1.9.3", "1.10.0"),
            ("v1.9", "v1.10"),
            ("INV-9", "INV-10"),
            ("2025-9-1", "2025-10-1"),
            ("2025/9/30 7:05", "2025/10/1 7:05"),
            ("2026-01-01 9:00", "2026-01-01 10:00"),
            ("2024-W9", "2024-W10"),
        ] {
            assert_eq!((compare(a, b), compare(b, a)), (None, None), "{a} {b}");
        }
        assert_eq!(compare("1.8", "1.9"), Some(Ordering::Less));
        assert_eq!(compare("2025/09/30", "2025/10/01"), Some(Ordering::Less));
    }

    #[test]
    fn texts_that_sort_as_they_are_keep_their_order() {
        for (less, greater) in [
            ("9", "10"),
            ("9.5", "10.5"),
            ("-10", "-9.5"),
            ("1733000000.49", "1733000000.5"),
            ("1512085950.000216", "1512085950.000300"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FB0"),
            ("507f1f77bcf86cd799439011", "507f1f77bcf86cd79943a011"),
            ("0190163d-8694-739b-aea5-966c26f8ad91", "0190163d-8695-739b-aea5-966c26f8ad90"),
            ("65dec1f3bcf86cd799439011", "65dec1f4bcf86cd799439010"),
            ("1a10", "1a9"),
            ("10x", "9"),
            ("12e3", "1e5"),
            ("evt_0007", "evt_0010"),
            ("20260101T100000.49Z", "20260101T100000.5Z"),
            ("2026/01/01 10:00:00.49", "2026/01/01 10:00:00.5"),
            ("2026-01-01T10:00:00 UTC", "2026-01-02T10:00:00 UTC"),
            ("2025_W09", "2025_W10"),
            ("2025-Q1", "2025-Q2"),
            ("1x", "9"),
            ("mary", "may"),
            ("June", "May day"),
            ("program", "tram"),
            ("", "a"),
        ] {
            assert_eq!(compare(less, greater), Some(Ordering::Less), "{less} {greater}");
            assert_eq!(compare(greater, less), Some(Ordering::Greater), "{less} {greater}");
        }
        assert_eq!(compare("010", "10"), Some(Ordering::Equal));
    }
}
