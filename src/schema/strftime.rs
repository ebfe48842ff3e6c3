//! strftime patterns: chrono's, with `%f` as Python has it.
//!
//! ```text
//! %H:%M:%S.%f   reads    07:00:01.5  07:00:01.500  07:00:01.500000000     1 to 9 digits of a second
//!               writes   07:00:01.500000                                  6 digits
//! ```
//!
//! chrono's own `%f` counts nanoseconds: it would read `.500000` as half a millisecond, without an error. So chrono parses the
//! text up to each `%f`, and the digits there are read here.

use std::fmt::{self, Write};

use chrono::{
    DateTime, TimeZone,
    format::{Item, Numeric, Parsed, StrftimeItems, parse_and_remainder},
};

/// Digits of a second that chrono holds.
const NANO_DIGITS: usize = 9;

/// A pattern, parsed once for all values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strftime {
    pattern: String,
    items: Vec<Item<'static>>,
}

/// Reason why a text does not match a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrftimeMismatch {
    /// The text has another form.
    Form,
    /// A second has more than nine digits that are not zeros.
    TooManyDigits,
}

impl Strftime {
    /// `None` if chrono does not know the pattern.
    pub fn new(pattern: &str) -> Option<Self> {
        let items = StrftimeItems::new(pattern).parse_to_owned().ok()?;
        Some(Self { pattern: pattern.to_owned(), items })
    }

    /// The pattern as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    pub fn items(&self) -> &[Item<'static>] {
        &self.items
    }

    /// The fields of a date and time that `text` has.
    ///
    /// # Errors
    /// [`StrftimeMismatch`] if the text is not of this pattern, all of it.
    pub fn parse(&self, text: &str) -> Result<Parsed, StrftimeMismatch> {
        let mut parsed = Parsed::new();
        let mut rest = text;
        for (place, items) in self.items.split(is_fraction).enumerate() {
            if place > 0 {
                rest = read_fraction(rest, &mut parsed)?;
            }
            rest = parse_and_remainder(&mut parsed, rest, items.iter()).map_err(|_| StrftimeMismatch::Form)?;
        }
        match rest {
            "" if has_digits_beyond_nanoseconds(text) => Err(StrftimeMismatch::TooManyDigits),
            "" => Ok(parsed),
            _ => Err(StrftimeMismatch::Form),
        }
    }

    /// The moment in this pattern; `None` if chrono can only read it.
    pub fn write<Z: TimeZone>(&self, moment: &DateTime<Z>) -> Option<String>
    where
        Z::Offset: fmt::Display,
    {
        // chrono makes this item of its pattern only.
        let micros = StrftimeItems::new("%6f").next().unwrap_or(Item::Error);
        let items = self.items.iter().map(|item| if is_fraction(item) { &micros } else { item });
        let mut text = String::new();
        write!(text, "{}", moment.format_with_items(items)).ok()?;
        Some(text)
    }
}

/// Returns true if the item is `%f`, with or without a padding modifier.
pub fn is_fraction(item: &Item<'_>) -> bool {
    matches!(item, Item::Numeric(Numeric::Nanosecond, _))
}

/// Reads all digits that `text` begins with, as those of a second; returns the rest.
fn read_fraction<'a>(text: &'a str, parsed: &mut Parsed) -> Result<&'a str, StrftimeMismatch> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(count);
    let (held, beyond) = digits.split_at(count.min(NANO_DIGITS));
    if beyond.bytes().any(|digit| digit != b'0') {
        return Err(StrftimeMismatch::TooManyDigits);
    }
    // No digit at all would otherwise be a zero.
    let nanos = if held.is_empty() { None } else { format!("{held:0<NANO_DIGITS$}").parse().ok() };
    parsed.set_nanosecond(nanos.ok_or(StrftimeMismatch::Form)?).map_err(|_| StrftimeMismatch::Form)?;
    Ok(rest)
}

/// chrono drops those of `%.f` without an error.
fn has_digits_beyond_nanoseconds(text: &str) -> bool {
    let digits =
        |part: &'_ str| part.bytes().take_while(u8::is_ascii_digit).skip(NANO_DIGITS).any(|digit| digit != b'0');
    text.split('.').skip(1).any(digits)
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDateTime, Utc};

    use super::*;

    fn read(pattern: &str, text: &str) -> Result<NaiveDateTime, StrftimeMismatch> {
        let parsed = Strftime::new(pattern).unwrap().parse(text)?;
        parsed.to_naive_datetime_with_offset(0).map_err(|_| StrftimeMismatch::Form)
    }

    #[test]
    fn f_is_a_fraction_of_a_second_wherever_it_is_in_the_pattern() {
        for (pattern, text, nanos) in [
            ("%FT%T.%fZ", "2024-01-01T00:00:00.5Z", 500_000_000),
            ("%FT%T.%fZ", "2024-01-01T00:00:00.500000Z", 500_000_000),
            ("%FT%T.%fZ", "2024-01-01T00:00:00.000001Z", 1_000),
            ("%FT%T.%f%z", "2024-01-01T01:00:00.123456789+0100", 123_456_789),
            ("%FT%T,%f", "2024-01-01T00:00:00,25", 250_000_000),
            ("%Y%m%d%H%M%S%f", "20240101000000123", 123_000_000),
            ("%f after %F %T", "75 after 2024-01-01 00:00:00", 750_000_000),
            ("%F %T.%f", "2024-01-01 00:00:00.12345678900", 123_456_789),
        ] {
            let moment = read(pattern, text).map(|moment| moment.and_utc().timestamp_subsec_nanos());
            assert_eq!(moment, Ok(nanos), "{pattern}: {text}");
        }
        assert_eq!(read("%F %T.%f", "2024-01-01 00:00:00."), Err(StrftimeMismatch::Form));
        assert_eq!(read("%F %T.%f", "2024-01-01 00:00:00.5x"), Err(StrftimeMismatch::Form));
        assert_eq!(read("%F %T.%f", "2024-01-01 00:00:00.0000000001"), Err(StrftimeMismatch::TooManyDigits));
        assert_eq!(read("%F %T%.f", "2024-01-01 00:00:00.0000000001"), Err(StrftimeMismatch::TooManyDigits));
    }

    #[test]
    fn f_is_written_with_six_digits_and_a_percent_sign_before_it_is_one() {
        let moment = DateTime::<Utc>::from_timestamp(0, 1_500_000).unwrap();
        for (pattern, text) in
            [("%T.%f", "00:00:00.001500"), ("%%f", "%f"), ("%f%f", "001500001500"), ("%T%.f", "00:00:00.001500")]
        {
            assert_eq!(Strftime::new(pattern).unwrap().write(&moment).as_deref(), Some(text), "{pattern}");
        }
        assert_eq!(Strftime::new("%Q"), None);
        assert_eq!(Strftime::new("%FT%T%#z").unwrap().write(&moment), None);
    }
}
