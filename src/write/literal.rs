//! Partition values as text: what stands in a directory's name before it is escaped. Iceberg's human-readable forms.

use arrow::{
    array::{Array, ArrayRef, AsArray},
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

/// Of months since 1970.
fn month(months: i64) -> String {
    format!("{}-{:02}", year(1970 + months.div_euclid(12)), months.rem_euclid(12) + 1)
}

/// Of days since 1970.
fn date(days: i64) -> String {
    let (y, month, day) = civil(days);
    format!("{}-{month:02}-{day:02}", year(y))
}

/// Of hours since 1970.
fn hour(hours: i64) -> String {
    format!("{}-{:02}", date(hours.div_euclid(24)), hours.rem_euclid(24))
}

/// Of microseconds since midnight; the fraction only where there is one.
fn time(micros: i64) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let fraction = micros.rem_euclid(1_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { whole } else { format!("{whole}.{fraction:06}") }
}

/// Of microseconds since 1970, UTC.
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
