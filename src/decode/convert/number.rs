//! Integers, decimals and floats, from JSON numbers and from strings that hold one.

use std::{borrow::Cow, str::FromStr};

use crate::{
    decode::finding::{Misfit, wrong_kind},
    json::{Kind, Node},
};

/// `10^38` is the largest power of ten in 128 bits.
const MAX_POWER: u32 = 38;

/// An exponent beyond this is as good as this: no significand that fits a page (2^31 digits) brings it back into a range.
const FAR: i64 = 1 << 40;

/// A number taken apart: `(-1)^negative × whole.fraction × 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
    /// Written with neither point nor exponent.
    integer: bool,
}

impl<'a> Number<'a> {
    /// `None` if `text` is not a number as RFC 8259, section 6, writes it.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        let (whole, rest) = digits(rest);
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
            return None;
        }
        let (fraction, exponent) = match rest.strip_prefix(b".") {
            None => (&[][..], rest),
            Some(rest) => Some(digits(rest)).filter(|(fraction, _)| !fraction.is_empty())?,
        };
        let integer = rest.is_empty();
        Some(Self { negative, whole, fraction, exponent: parse_exponent(exponent)?, integer })
    }

    /// The value times `10^scale`; the error says whether digits would be lost (`Scale`) or the range left.
    pub fn scaled(self, scale: u8) -> Result<i128, Misfit> {
        let fraction = trim_end_zeros(self.fraction);
        let whole = if fraction.is_empty() { trim_end_zeros(self.whole) } else { self.whole };
        let trimmed = (self.whole.len() - whole.len()) as i64;
        if whole.is_empty() || (whole == b"0" && fraction.is_empty()) {
            return Ok(0);
        }
        let power = self.exponent + trimmed - fraction.len() as i64 + i64::from(scale);
        if power < 0 {
            return Err(Misfit::Scale(scale));
        }
        let power = u32::try_from(power).ok().filter(|power| *power <= MAX_POWER).ok_or(Misfit::OutOfRange)?;
        let magnitude = significand(whole, fraction).and_then(|digits| digits.checked_mul(10_i128.pow(power)));
        magnitude.map(|value| if self.negative { -value } else { value }).ok_or(Misfit::OutOfRange)
    }

    /// Returns true if both have the same value, in any notation.
    pub fn equals(self, other: Self) -> bool {
        self.canonical() == other.canonical()
    }

    /// Sign, digits without zeros at either end, and the power of ten of the last of them.
    fn canonical(self) -> (bool, Vec<u8>, i64) {
        let digits = [self.whole, self.fraction].concat();
        let significant = trim_end_zeros(&digits);
        let dropped = (digits.len() - significant.len()) as i64;
        let start = significant.iter().position(|digit| *digit != b'0');
        match start.and_then(|start| significant.get(start..)) {
            None => (false, Vec::new(), 0),
            Some(digits) => (self.negative, digits.to_vec(), self.exponent + dropped - self.fraction.len() as i64),
        }
    }
}

/// The decimal digits that `text` begins with, and the rest.
pub(super) fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(length)
}

fn trim_end_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    digits.split_at(digits.len() - zeros).0
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let Some((letter, rest)) = text.split_first() else { return Some(0) };
    if !matches!(letter, b'e' | b'E') {
        return None;
    }
    let (negative, rest) = match rest.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, rest),
    };
    let (exponent, behind) = digits(rest);
    if exponent.is_empty() || !behind.is_empty() {
        return None;
    }
    let value = exponent.iter().fold(0, |value, digit| (value * 10 + i64::from(digit - b'0')).min(FAR));
    Some(if negative { -value } else { value })
}

/// The digits of both as one integer; `None` beyond 127 bits.
fn significand(whole: &[u8], fraction: &[u8]) -> Option<i128> {
    let mut digits = whole.iter().chain(fraction);
    digits.try_fold(0_i128, |value, digit| value.checked_mul(10)?.checked_add(i128::from(digit - b'0')))
}

/// The text of a number or of a string.
#[inline]
fn number_text(node: Node<'_>, kind: Kind) -> Result<Cow<'_, str>, Misfit> {
    match kind {
        Kind::Number | Kind::String => Ok(node.string()?),
        _ => Err(wrong_kind(kind)),
    }
}

/// An integer of at most 18 digits, written plainly: what nearly all integers are.
#[inline]
fn plain(text: &[u8]) -> Option<i64> {
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    if digits.is_empty() || digits.len() > 18 || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    let mut value = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// A whole number within the range of `T`, however it is written: `12`, `12.0`, `1.2e1`, `"12"`.
#[inline]
pub(in crate::decode) fn integer<T: TryFrom<i64> + TryFrom<i128>>(node: Node<'_>, kind: Kind) -> Result<T, Misfit> {
    let text = number_text(node, kind)?;
    match plain(text.as_bytes()) {
        Some(value) => T::try_from(value).map_err(|_| Misfit::OutOfRange),
        None => T::try_from(scaled(&text, 0)?).map_err(|_| Misfit::OutOfRange),
    }
}

fn scaled(text: &str, scale: u8) -> Result<i128, Misfit> {
    let number = Number::parse(text.as_bytes()).ok_or(Misfit::NotANumber)?;
    number.scaled(scale).map_err(|misfit| if misfit == Misfit::Scale(0) { Misfit::NotWhole } else { misfit })
}

/// A number in units of `10^-scale`, exactly.
pub(in crate::decode) fn units(node: Node<'_>, kind: Kind, scale: u8) -> Result<i128, Misfit> {
    scaled(&number_text(node, kind)?, scale)
}

/// A decimal in units of its last digit: exact, surplus zeros allowed.
#[inline]
pub(in crate::decode) fn decimal(node: Node<'_>, kind: Kind, precision: u8, scale: u8) -> Result<i128, Misfit> {
    let too_long = Misfit::Precision(precision);
    let value = units(node, kind, scale).map_err(|misfit| match misfit {
        Misfit::OutOfRange => too_long,
        other => other,
    })?;
    let limit = 10_u128.checked_pow(u32::from(precision)).unwrap_or(u128::MAX);
    if value.unsigned_abs() < limit { Ok(value) } else { Err(too_long) }
}

/// The differences between the widths of floats.
pub(in crate::decode) trait Float: FromStr + Copy {
    /// Every integer of so many digits equals a float of this width.
    const EXACT_DIGITS: usize;

    fn is_finite(self) -> bool;

    /// All digits of the float's value, which is known to be an integer.
    fn integer_text(self) -> String;
}

impl Float for f64 {
    const EXACT_DIGITS: usize = 15;

    fn is_finite(self) -> bool {
        self.is_finite()
    }

    fn integer_text(self) -> String {
        format!("{self:.0}")
    }
}

impl Float for f32 {
    const EXACT_DIGITS: usize = 7;

    fn is_finite(self) -> bool {
        self.is_finite()
    }

    fn integer_text(self) -> String {
        format!("{self:.0}")
    }
}

/// The nearest float of a number with a point or an exponent; the equal float of one without.
#[inline]
pub(in crate::decode) fn float<T: Float>(node: Node<'_>, kind: Kind) -> Result<T, Misfit> {
    let text = number_text(node, kind)?;
    let number = Number::parse(text.as_bytes()).ok_or(Misfit::NotANumber)?;
    // The grammar above is narrower than the standard library's, which also knows `inf` and `1.`.
    let value = text.parse::<T>().map_err(|_| Misfit::NotANumber)?;
    if !value.is_finite() {
        return Err(Misfit::OutOfRange);
    }
    if number.integer && number.whole.len() > T::EXACT_DIGITS && value.integer_text() != *text {
        return Err(Misfit::InexactInteger);
    }
    Ok(value)
}

/// As [`float`], and the texts `NaN`, `Infinity` and `-Infinity`, which JSON has no numbers for.
pub(in crate::decode) fn any_float<T: Float>(node: Node<'_>, kind: Kind) -> Result<T, Misfit> {
    let word = match (kind, node.raw()) {
        (Kind::String, b"\"NaN\"") => "nan",
        (Kind::String, b"\"Infinity\"") => "inf",
        (Kind::String, b"\"-Infinity\"") => "-inf",
        _ => return float(node, kind),
    };
    word.parse().map_err(|_| Misfit::NotANumber)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;
    use proptest::prelude::*;

    fn read<T>(text: &str, read: impl Fn(Node<'_>, Kind) -> Result<T, Misfit>) -> Result<T, Misfit> {
        let document = Document::parse(text.into()).unwrap();
        read(document.root(), document.root().kind())
    }

    fn i64(text: &str) -> Result<i64, Misfit> {
        read(text, integer)
    }

    fn dec(text: &str, precision: u8, scale: u8) -> Result<i128, Misfit> {
        read(text, |node, kind| decimal(node, kind, precision, scale))
    }

    #[test]
    fn an_integer_is_read_however_it_is_written() {
        for twelve in ["12", "12.0", "1.2e1", "1200E-2", "0.12e+2", "\"12\"", "\"12.0\"", "\"1.2e1\"", "\"\\u00312\""] {
            assert_eq!(i64(twelve), Ok(12), "{twelve}");
        }
        for zero in ["0", "-0", "0.0", "-0.000", "0e999999999999999999999", "0e-9"] {
            assert_eq!(i64(zero), Ok(0), "{zero}");
        }
        assert_eq!(i64("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(i64("9223372036854775807.000"), Ok(i64::MAX));
    }

    #[test]
    fn what_is_no_whole_number_in_range_does_not_fit_an_integer() {
        for part in ["12.5", "1e-1", "\"12.5\"", "1e-99999999999999999999"] {
            assert_eq!(i64(part), Err(Misfit::NotWhole), "{part}");
        }
        for far in ["9223372036854775808", "-9223372036854775809", "1e19", "1e99999999999999999999", "\"9.3e18\""] {
            assert_eq!(i64(far), Err(Misfit::OutOfRange), "{far}");
        }
        for other in ["\"\"", "\" 12\"", "\"12 \"", "\"+12\"", "\"012\"", "\"0x1\"", "01", "1.", "-", "1e", "1.2.3"] {
            assert_eq!(i64(other), Err(Misfit::NotANumber), "{other}");
        }
        assert_eq!(i64("true"), Err(Misfit::Kind(Kind::Bool(true))));
        assert_eq!(i64("[1]"), Err(Misfit::Kind(Kind::Array)));
        assert_eq!(i64("NaN"), Err(Misfit::NotJson));
    }

    #[test]
    fn every_width_keeps_to_its_range() {
        assert_eq!((read::<i8>("127", integer), read::<i8>("-128", integer)), (Ok(127), Ok(-128)));
        assert_eq!(read::<i8>("128", integer), Err(Misfit::OutOfRange));
        assert_eq!(read::<u8>("255", integer), Ok(255));
        assert_eq!(read::<u8>("-1", integer), Err(Misfit::OutOfRange));
        assert_eq!(read::<i16>("32768", integer), Err(Misfit::OutOfRange));
        assert_eq!(read::<u32>("4294967296", integer), Err(Misfit::OutOfRange));
        assert_eq!(read::<u64>("18446744073709551615", integer), Ok(u64::MAX));
        assert_eq!(read::<u64>("18446744073709551616", integer), Err(Misfit::OutOfRange));
        assert_eq!(read::<u64>("-0.0", integer), Ok(0));
    }

    #[test]
    fn a_decimal_is_exact_and_surplus_zeros_are_no_digits() {
        for text in
            ["12.34", "12.340", "\"12.34\"", "1234e-2", "0.1234e2", "12.3400000000000000000000000000000000000000"]
        {
            assert_eq!(dec(text, 10, 2), Ok(1234), "{text}");
        }
        assert_eq!(dec("-0.1", 10, 2), Ok(-10));
        assert_eq!(dec("12.345", 10, 2), Err(Misfit::Scale(2)));
        assert_eq!(dec("\"12.345\"", 10, 2), Err(Misfit::Scale(2)));
        assert_eq!(dec("12.5", 10, 0), Err(Misfit::NotWhole));
        assert_eq!(dec("99999999.99", 10, 2), Ok(9_999_999_999));
        assert_eq!(dec("100000000", 10, 2), Err(Misfit::Precision(10)));
        assert_eq!(dec("1e50", 10, 2), Err(Misfit::Precision(10)));
        // A float would make 0.1 + 2^-55 of it.
        assert_eq!(dec("0.1", 38, 38), Ok(10_i128.pow(37)));
        assert_eq!(dec(&"9".repeat(38), 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(dec(&"9".repeat(39), 38, 0), Err(Misfit::Precision(38)));
        assert_eq!(dec("{}", 10, 2), Err(Misfit::Kind(Kind::Object)));
    }

    #[test]
    fn a_float_is_the_nearest_one_and_an_integer_must_equal_it() {
        let f64 = |text| read::<f64>(text, float);
        assert_eq!((f64("0.1"), f64("\"12\""), f64("1e-400")), (Ok(0.1), Ok(12.0), Ok(0.0)));
        assert_eq!(f64("1e400"), Err(Misfit::OutOfRange));
        assert_eq!(f64("9007199254740992"), Ok(9_007_199_254_740_992.0));
        assert_eq!(f64("9007199254740993"), Err(Misfit::InexactInteger));
        assert_eq!(f64("-9007199254740993"), Err(Misfit::InexactInteger));
        assert_eq!(f64("9007199254740993.0"), Ok(9_007_199_254_740_992.0));
        assert_eq!(f64("1361129467683753853853498429727072845824"), Ok(130_f64.exp2()));
        for word in ["NaN", "Infinity", "\"NaN\"", "\"inf\"", "-Infinity", "\"1.\"", "\".5\"", "true", "[]"] {
            assert!(f64(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_float32_is_nearest_to_the_text_and_not_to_a_double_of_it() {
        let f32 = |text| read::<f32>(text, float);
        // Halfway between two floats plus a digit that a double has no room for.
        assert_eq!(f32("1.000000059604644775390625000001"), Ok(1.000_000_1));
        assert_eq!((f32("16777216"), f32("16777217")), (Ok(16_777_216.0), Err(Misfit::InexactInteger)));
        assert_eq!((f32("3.4028235e38"), f32("3.5e38")), (Ok(f32::MAX), Err(Misfit::OutOfRange)));
    }

    #[test]
    fn numbers_are_equal_by_value_and_not_by_their_text() {
        let equal =
            |a: &str, b: &str| Number::parse(a.as_bytes()).unwrap().equals(Number::parse(b.as_bytes()).unwrap());
        assert!(equal("12.340", "1234e-2") && equal("0.0", "-0") && equal("1e3", "1000"));
        assert!(!equal("1", "-1") && !equal("1", "10") && !equal("18446744073709551617", "1.8446744073709552e19"));
    }

    proptest! {
        #[test]
        fn every_integer_is_read_as_itself(value: i64) {
            prop_assert_eq!(i64(&value.to_string()), Ok(value));
            prop_assert_eq!(i64(&format!("\"{value}.0\"")), Ok(value));
        }

        #[test]
        fn every_double_is_read_as_itself(value in any::<f64>().prop_filter("no JSON", |value| value.is_finite())) {
            let text = format!("{value:e}");
            prop_assert_eq!(read::<f64>(&text, float).map(f64::to_bits), Ok(value.to_bits()));
        }

        #[test]
        fn a_decimal_is_read_as_its_digits_wherever_the_exponent_puts_the_point(digits in -10_i128.pow(18)..10_i128.pow(18), shift in 0..9_u8) {
            prop_assert_eq!(dec(&format!("{digits}e-{shift}"), 38, shift), Ok(digits));
            prop_assert_eq!(dec(&format!("\"{digits}\""), 38, shift), Ok(digits * 10_i128.pow(u32::from(shift))));
        }

        #[test]
        fn a_text_is_a_number_exactly_where_serde_json_says_so(text in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,2})?") {
            let known = serde_json::from_str::<serde_json::Number>(&text).is_ok();
            prop_assert_eq!(Number::parse(text.as_bytes()).is_some(), known);
        }
    }
}
