//! Numbers of any size and precision, in their order.

use std::{cmp::Ordering, fmt};

use serde_json::Value;

use super::Towards;

/// No significand that a page holds brings an exponent beyond this back.
const FAR: i64 = 1 << 40;

/// Nearly all cursors are whole numbers of 64 bits.
#[derive(Clone, Debug)]
pub(super) enum Number {
    Whole(i64),
    Exact(String),
}

/// `(-1)^negative × 0.digits × 10^point`, without zeros at either end of the digits; zero has none.
struct Parts {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Number {
    /// `None` if `text` is not a number as RFC 8259, section 6, writes it.
    pub fn parse(text: &str) -> Option<Self> {
        // `parse` alone would take `+7` and `007`.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain && (digits == "0" || !digits.starts_with('0')) {
            return Some(text.parse().map_or_else(|_| Self::Exact(text.to_owned()), Self::Whole));
        }
        Parts::parse(text).map(|_| Self::Exact(text.to_owned()))
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            _ => self.parts().compare(&other.parts()),
        }
    }

    /// A whole number stays whole: where the step is not, the result is the next one on its far side.
    pub fn stepped(&self, step: f64, towards: Towards) -> Option<Self> {
        let step = if towards == Towards::Lower { -step } else { step };
        if let Self::Whole(number) = self
            && let Some(whole) = number.checked_add(if step < 0.0 { step.floor() as i64 } else { step.ceil() as i64 })
        {
            return Some(Self::Whole(whole));
        }
        let sum = self.to_string().parse::<f64>().ok()? + step;
        let text = serde_json::Number::from_f64(sum)?.to_string();
        Self::parse(&text)
    }

    /// The number, or its text where a double would be another one.
    pub fn to_json(&self) -> Value {
        let text = match self {
            Self::Whole(number) => return (*number).into(),
            Self::Exact(text) => text,
        };
        if let Ok(number) = text.parse::<u64>() {
            return number.into();
        }
        let double = text.parse().ok().and_then(serde_json::Number::from_f64);
        match double.filter(|double| Self::parse(&double.to_string()).is_some_and(|back| back.compare(self).is_eq())) {
            Some(double) => Value::Number(double),
            None => Value::String(text.clone()),
        }
    }

    fn parts(&self) -> Parts {
        let parts = Parts::parse(&self.to_string());
        parts.unwrap_or(Parts { negative: false, digits: Vec::new(), point: 0 })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Exact(text) => f.write_str(text),
        }
    }
}

impl Parts {
    fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_whole = !whole.is_empty() && (whole == "0" || !whole.starts_with('0'));
        if !is_whole || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0');
        let point = whole.len() as i64 - (all.len() - digits.len()) as i64 + exponent;
        let digits = digits.trim_end_matches('0').as_bytes().to_vec();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, point: 0 });
        }
        Some(Self { negative, digits, point })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let magnitude = |parts: &Self| (!parts.digits.is_empty(), parts.point);
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (negative, _) => {
                let order = magnitude(self).cmp(&magnitude(other)).then_with(|| self.digits.cmp(&other.digits));
                if negative { order.reverse() } else { order }
            }
        }
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.bytes().fold(0, |value, digit| (value * 10 + i64::from(digit - b'0')).min(FAR));
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        for (a, b) in [("1", "1.0"), ("100", "1e2"), ("0.5", "5E-1"), ("0", "-0.0"), ("12300", "1.23e+4")] {
            assert_eq!(number(a).compare(&number(b)), Ordering::Equal, "{a} {b}");
        }
        for (less, greater) in
            [("-2", "-1"), ("-1", "0"), ("0", "1e-9"), ("9.99", "10"), ("99e28", "1e30"), ("-0.5", "0")]
        {
            assert_eq!(number(less).compare(&number(greater)), Ordering::Less, "{less} {greater}");
        }
        for wrong in ["", "-", "01", "1.", ".5", "+1", "1e", "0x1", "1 ", "NaN"] {
            assert!(Number::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_a_double_would_round_is_kept_as_text() {
        assert_eq!(number("18446744073709551615").to_json(), 18_446_744_073_709_551_615_u64);
        assert_eq!(number("0.1").to_json(), 0.1);
        assert_eq!(number("123456789012345678901234567891").to_json(), "123456789012345678901234567891");
    }

    proptest! {
        #[test]
        fn whole_numbers_and_their_long_forms_have_one_order(a: i64, b: i64, zeros in 0..4_usize) {
            let long = |value: i64| number(&format!("{value}.{}", "0".repeat(zeros + 1)));
            prop_assert_eq!(long(a).compare(&number(&b.to_string())), a.cmp(&b));
            prop_assert_eq!(long(a).compare(&long(b)), a.cmp(&b));
        }
    }
}
