//! Partition values as text, as in directory names before escaping. Iceberg's human-readable forms.

use std::{str::FromStr, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, StringArray,
        UInt64Array,
    },
    compute::{CastOptions, cast_with_options},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    error::ArrowError,
};

use super::transform::{MICROS_PER_DAY, civil};
use crate::plan::Transform;

/// The text of one value that [`apply`](super::transform::apply) made; `None` is null. `row` is below the column's length.
pub(super) fn text(transform: Transform, values: &ArrayRef, row: usize) -> Result<Option<String>, ArrowError> {
    if values.is_null(row) {
        return Ok(None);
    }
    let ordinal = || values.as_primitive::<Int64Type>().value(row);
    Ok(Some(match transform {
        Transform::Year => year(ordinal() + 1970),
        Transform::Month => month(ordinal()),
        Transform::Day => date(ordinal()),
        Transform::Hour => hour(ordinal()),
        Transform::Identity | Transform::Bucket(_) | Transform::Truncate(_) => plain(values, row)?,
    }))
}

fn plain(values: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    Ok(match values.data_type() {
        DataType::Boolean => values.as_boolean().value(row).to_string(),
        DataType::Int8 => values.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => values.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => values.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => values.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt8 => values.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => values.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => values.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => values.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Float32 => format!("{:?}", values.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => format!("{:?}", values.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => decimal(values.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Utf8 => values.as_string::<i32>().value(row).to_owned(),
        DataType::Date32 => date(i64::from(values.as_primitive::<Date32Type>().value(row))),
        DataType::Time64(_) => time(values.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Timestamp(_, _) => timestamp(values.as_primitive::<TimestampMicrosecondType>().value(row)),
        other => return Err(ArrowError::NotYetImplemented(format!("a partition value of type {other}"))),
    })
}

/// At least four digits, and a sign where it is before year 0.
fn year(year: i64) -> String {
    if year < 0 { format!("-{:04}", year.unsigned_abs()) } else { format!("{year:04}") }
}

/// Formats months since 1970.
fn month(months: i64) -> String {
    format!("{}-{:02}", year(1970 + months.div_euclid(12)), months.rem_euclid(12) + 1)
}

/// Formats days since 1970.
fn date(days: i64) -> String {
    let (y, month, day) = civil(days);
    format!("{}-{month:02}-{day:02}", year(y))
}

/// Formats hours since 1970.
fn hour(hours: i64) -> String {
    format!("{}-{:02}", date(hours.div_euclid(24)), hours.rem_euclid(24))
}

/// Formats microseconds since midnight, without a zero fraction.
fn time(micros: i64) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let fraction = micros.rem_euclid(1_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { whole } else { format!("{whole}.{fraction:06}") }
}

/// Formats microseconds since 1970, UTC.
fn timestamp(micros: i64) -> String {
    format!("{} {}", date(micros.div_euclid(MICROS_PER_DAY)), time(micros.rem_euclid(MICROS_PER_DAY)))
}

/// All digits of the scale, no exponent.
fn decimal(unscaled: i128, scale: i8) -> String {
    let Ok(scale @ 1..) = usize::try_from(scale) else { return unscaled.to_string() };
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// One value of this type, from the text that [`text`] makes of it under `identity`; `None` if it is no such text.
pub(super) fn parse(data_type: &DataType, text: &str) -> Option<ArrayRef> {
    let array: ArrayRef = match data_type {
        DataType::Utf8 => Arc::new(StringArray::from(vec![text])),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![bool::from_str(text).ok()?])),
        DataType::Float32 => Arc::new(Float32Array::from(vec![f32::from_str(text).ok()?])),
        DataType::Float64 => Arc::new(Float64Array::from(vec![f64::from_str(text).ok()?])),
        DataType::UInt64 => Arc::new(UInt64Array::from(vec![u64::from_str(text).ok()?])),
        DataType::Decimal128(precision, scale) => {
            let unscaled = Decimal128Array::from(vec![parse_decimal(text, *scale)?]);
            Arc::new(unscaled.with_precision_and_scale(*precision, *scale).ok()?)
        }
        DataType::Date32 => integer(parse_date(text)?, &DataType::Int32)?,
        DataType::Time64(_) => integer(parse_time(text)?, data_type)?,
        DataType::Timestamp(_, _) => integer(parse_timestamp(text)?, data_type)?,
        whole => integer(i64::from_str(text).ok()?, whole)?,
    };
    cast(&array, data_type)
}

fn integer(value: i64, data_type: &DataType) -> Option<ArrayRef> {
    let value: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    cast(&value, data_type)
}

/// `None` if the value does not fit.
fn cast(value: &ArrayRef, data_type: &DataType) -> Option<ArrayRef> {
    cast_with_options(value, data_type, &CastOptions { safe: false, ..CastOptions::default() }).ok()
}

/// Days since 1970.
fn parse_date(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let mut parts = digits.splitn(3, '-').map(i64::from_str);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(days_from_civil(sign * year, month, day))
}

/// Microseconds since midnight.
fn parse_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.splitn(3, ':').map(i64::from_str);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + i64::from_str(fraction).ok()?)
}

/// Microseconds since 1970, UTC.
fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    parse_date(date)?.checked_mul(MICROS_PER_DAY)?.checked_add(parse_time(time)?)
}

fn parse_decimal(text: &str, scale: i8) -> Option<i128> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    (decimals == usize::try_from(scale).unwrap_or(0)).then(|| i128::from_str(&digits).ok()).flatten()
}

/// The inverse of [`civil`]: `days_from_civil` of <https://howardhinnant.github.io/date_algorithms.html>.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn comes_back(values: &ArrayRef) -> Result<(), TestCaseError> {
        for row in 0..values.len() {
            let literal = text(Transform::Identity, values, row).unwrap().unwrap();
            let parsed = parse(values.data_type(), &literal);
            prop_assert_eq!(parsed.as_ref(), Some(&values.slice(row, 1)), "{}", literal);
        }
        Ok(())
    }

    #[test]
    fn a_text_that_is_no_value_of_its_type_is_none() {
        for (data_type, text) in [(DataType::Int8, "128"), (DataType::Date32, "2026-01"), (DataType::Boolean, "yes")] {
            assert_eq!(parse(&data_type, text), None);
        }
        assert_eq!(parse(&DataType::Decimal128(10, 2), "1.5"), None);
    }

    proptest! {
        #[test]
        fn every_value_is_read_back_from_its_text(
            micros in -60_000_000_000_000_000_i64..60_000_000_000_000_000,
            days in -1_000_000_i32..5_000_000,
            number in any::<i64>(),
            float in any::<f64>().prop_filter("a NaN is no key", |float| !float.is_nan()),
            flag in any::<bool>(),
            word in "[ -~ä]{0,9}",
        ) {
            let whole: ArrayRef = Arc::new(Int64Array::from(vec![number]));
            comes_back(&whole)?;
            comes_back(&(Arc::new(UInt64Array::from(vec![number.cast_unsigned()])) as ArrayRef))?;
            comes_back(&(Arc::new(Float64Array::from(vec![float])) as ArrayRef))?;
            comes_back(&(Arc::new(BooleanArray::from(vec![flag])) as ArrayRef))?;
            comes_back(&(Arc::new(StringArray::from(vec![word])) as ArrayRef))?;
            comes_back(&(Arc::new(arrow::array::Date32Array::from(vec![days])) as ArrayRef))?;
            let unit = arrow::datatypes::TimeUnit::Microsecond;
            comes_back(&integer(micros, &DataType::Timestamp(unit, Some("+00:00".into()))).unwrap())?;
            comes_back(&integer(micros.rem_euclid(MICROS_PER_DAY), &DataType::Time64(unit)).unwrap())?;
            let decimal = Decimal128Array::from(vec![i128::from(number)]).with_precision_and_scale(38, 4).unwrap();
            comes_back(&(Arc::new(decimal) as ArrayRef))?;
        }
    }
}
