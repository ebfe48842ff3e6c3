//! Partition transforms: a column of values to a column of partition values. Iceberg's, from its table spec
//! (<https://iceberg.apache.org/spec/#partition-transforms>; hashes: Appendix B).
//!
//! Nulls stay nulls. Times before 1970 round towards the past, as all others do.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Int32Array, PrimitiveArray, StringArray},
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
        UInt64Type,
    },
    error::ArrowError,
};

use crate::{
    plan::Transform,
    schema::{ColumnType, types::MAX_DECIMAL_PRECISION},
};

pub(super) const MICROS_PER_HOUR: i64 = 3_600_000_000;
pub(super) const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// Returns true if the transform supports this type.
pub(super) fn applies(transform: Transform, data_type: &ColumnType) -> bool {
    use ColumnType::{Binary, Bool, Date, Decimal, Float32, Float64, Json, String, Timestamp, TimestampNaive};
    match transform {
        Transform::Identity => !data_type.is_nested() && *data_type != Binary,
        Transform::Year | Transform::Month | Transform::Day => matches!(data_type, Date | Timestamp | TimestampNaive),
        Transform::Hour => matches!(data_type, Timestamp | TimestampNaive),
        Transform::Bucket(buckets) => {
            let scalar = !data_type.is_nested() && !matches!(data_type, Bool | Float32 | Float64);
            scalar && i32::try_from(buckets).is_ok_and(|buckets| buckets > 0)
        }
        Transform::Truncate(width) => {
            width > 0 && (is_integer(data_type) || matches!(data_type, Decimal { .. } | String | Json))
        }
    }
}

fn is_integer(data_type: &ColumnType) -> bool {
    use ColumnType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64)
}

/// The partition values of a column, one a row: the column itself under `identity`; years, months, days or hours since
/// 1970 as int64; buckets as int32; truncated text as text and truncated numbers as decimals.
pub(super) fn apply(transform: Transform, data_type: &ColumnType, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match transform {
        Transform::Identity => Arc::clone(column),
        Transform::Year => by_day(column, years),
        Transform::Month => by_day(column, months),
        Transform::Day => by_day(column, |day| day),
        Transform::Hour => by_micros(column, |micros| micros.div_euclid(MICROS_PER_HOUR)),
        Transform::Bucket(buckets) => Arc::new(bucket(buckets, data_type, column)?),
        Transform::Truncate(width) => match column.data_type() {
            DataType::Utf8 => Arc::new(truncate_text(width, column.as_string())),
            _ => Arc::new(truncate_number(width, column)?),
        },
    })
}

fn by_day(column: &ArrayRef, ordinal: impl Fn(i64) -> i64) -> ArrayRef {
    match column.data_type() {
        DataType::Date32 => {
            let days: &PrimitiveArray<Date32Type> = column.as_primitive();
            Arc::new(days.unary::<_, Int64Type>(|day| ordinal(i64::from(day))))
        }
        _ => by_micros(column, |micros| ordinal(micros.div_euclid(MICROS_PER_DAY))),
    }
}

fn by_micros(column: &ArrayRef, ordinal: impl Fn(i64) -> i64) -> ArrayRef {
    let moments: &PrimitiveArray<TimestampMicrosecondType> = column.as_primitive();
    Arc::new(moments.unary::<_, Int64Type>(ordinal))
}

fn years(day: i64) -> i64 {
    civil(day).0 - 1970
}

fn months(day: i64) -> i64 {
    let (year, month, _) = civil(day);
    (year - 1970) * 12 + i64::from(month) - 1
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar
/// (`civil_from_days` of <https://howardhinnant.github.io/date_algorithms.html>). `chrono` has not the range of an int64.
pub(super) fn civil(day: i64) -> (i64, u8, u8) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u8;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn bucket(buckets: u32, data_type: &ColumnType, column: &ArrayRef) -> Result<Int32Array, ArrowError> {
    let place = |hash: i32| (hash & i32::MAX) % buckets as i32;
    Ok(match column.data_type() {
        DataType::Decimal128(_, _) => hashed::<Decimal128Type>(column, |value| place(hash_decimal(value))),
        DataType::UInt64 => hashed::<UInt64Type>(column, |value| place(hash_unsigned(value))),
        DataType::Time64(_) => hashed::<Time64MicrosecondType>(column, |value| place(hash_long(value))),
        DataType::Timestamp(_, _) => hashed::<TimestampMicrosecondType>(column, |value| place(hash_long(value))),
        DataType::Binary => {
            column.as_binary::<i32>().iter().map(|value| value.map(|value| place(hash(value)))).collect()
        }
        DataType::Utf8 => {
            let uuid = *data_type == ColumnType::Uuid;
            let hash_text = |text: &str| if uuid { hash_uuid(text) } else { hash(text.as_bytes()) };
            column.as_string::<i32>().iter().map(|text| text.map(|text| place(hash_text(text)))).collect()
        }
        _ => hashed::<Int64Type>(&cast(column, &DataType::Int64)?, |value| place(hash_long(value))),
    })
}

fn hashed<T: ArrowPrimitiveType>(column: &ArrayRef, place: impl Fn(T::Native) -> i32) -> Int32Array {
    column.as_primitive::<T>().unary::<_, Int32Type>(place)
}

/// Murmur3, x86, 32 bits, seed 0.
fn hash(bytes: &[u8]) -> i32 {
    // Reading from memory does not fail; the crate reads from anything.
    murmur3::murmur3_32(&mut &*bytes, 0).unwrap_or_default().cast_signed()
}

/// Integers, dates, times and timestamps of all widths hash as int64.
fn hash_long(value: i64) -> i32 {
    hash(&value.to_le_bytes())
}

/// Iceberg has no unsigned integers: what fits an int64 hashes as one, the rest as a decimal.
fn hash_unsigned(value: u64) -> i32 {
    i64::try_from(value).map_or_else(|_| hash_decimal(i128::from(value)), hash_long)
}

/// The unscaled value in as few big-endian two's complement bytes as hold it.
fn hash_decimal(unscaled: i128) -> i32 {
    let sign_bits = if unscaled < 0 { unscaled.leading_ones() } else { unscaled.leading_zeros() };
    // One bit of sign has to stay.
    let surplus = (sign_bits as usize - 1) / 8;
    hash(unscaled.to_be_bytes().get(surplus..).unwrap_or_default())
}

/// Hashes a UUID as its 16 bytes, big-endian.
fn hash_uuid(text: &str) -> i32 {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    match u128::from_str_radix(&digits, 16) {
        Ok(uuid) => hash(&uuid.to_be_bytes()),
        Err(_) => hash(text.as_bytes()),
    }
}

/// The first `width` code points.
fn truncate_text(width: u32, column: &StringArray) -> StringArray {
    column
        .iter()
        .map(|text| text.map(|text| text.char_indices().nth(width as usize).map_or(text, |(end, _)| &text[..end])))
        .collect()
}

/// The greatest multiple of `width` (of the last digit, for decimals) that is not above the value.
fn truncate_number(width: u32, column: &ArrayRef) -> Result<Decimal128Array, ArrowError> {
    let scale = match column.data_type() {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    let wide = cast(column, &DataType::Decimal128(MAX_DECIMAL_PRECISION, scale))?;
    let values: &Decimal128Array = wide.as_primitive();
    let floored = values.unary::<_, Decimal128Type>(|value| value - value.rem_euclid(i128::from(width)));
    floored.with_precision_and_scale(MAX_DECIMAL_PRECISION, scale)
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{BinaryArray, Date32Array, Int64Array, Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array},
        datatypes::TimeUnit,
    };

    use super::{super::literal, *};

    const TIMESTAMP: i64 = 1_510_871_468_000_000;

    fn texts(transform: Transform, data_type: &str, column: ArrayRef) -> Vec<Option<String>> {
        let data_type: ColumnType = data_type.parse().unwrap();
        assert!(applies(transform, &data_type), "{transform:?} of {data_type}");
        let values = apply(transform, &data_type, &column).unwrap();
        (0..values.len()).map(|row| literal::text(transform, &values, row).unwrap()).collect()
    }

    fn text(transform: Transform, data_type: &str, column: impl Array + 'static) -> String {
        texts(transform, data_type, Arc::new(column)).remove(0).unwrap()
    }

    fn moment(micros: i64) -> TimestampMicrosecondArray {
        TimestampMicrosecondArray::from(vec![micros]).with_timezone("+00:00")
    }

    fn decimals(unscaled: Vec<i128>, precision: u8, scale: i8) -> Decimal128Array {
        Decimal128Array::from(unscaled).with_precision_and_scale(precision, scale).unwrap()
    }

    #[test]
    fn hashes_are_those_of_icebergs_appendix_b() {
        assert_eq!(hash_long(34), 2_017_239_379);
        assert_eq!(hash_decimal(1420), -500_754_589);
        assert_eq!(hash_long(17_486), -653_330_422, "date 2017-11-16");
        assert_eq!(hash_long(81_068_000_000), -662_762_989, "time 22:31:08");
        assert_eq!(hash_long(TIMESTAMP), -2_047_944_441, "timestamp 2017-11-16T22:31:08");
        assert_eq!(hash_long(1_510_871_468_000_001), -1_207_196_810, "timestamp 2017-11-16T22:31:08.000001");
        assert_eq!(hash(b"iceberg"), 1_210_000_089);
        assert_eq!(hash_uuid("f79c3e09-677c-4bbd-a479-3f349cb785e7"), 1_488_055_340);
        assert_eq!(hash(&[0, 1, 2, 3]), -188_683_207);
        assert_eq!(hash(&[]), 0);
        assert_eq!(hash(b"hello, world"), 345_750_399, "the reference program's");
    }

    #[test]
    fn a_bucket_is_the_hash_without_its_sign_modulo_the_buckets() {
        let bucket = |hash: i32| ((hash & i32::MAX) % 1000).to_string();
        let by = Transform::Bucket(1000);
        assert_eq!(text(by, "int64", Int64Array::from(vec![34])), bucket(2_017_239_379));
        assert_eq!(text(by, "int32", Int32Array::from(vec![34])), bucket(2_017_239_379));
        assert_eq!(text(by, "uint64", UInt64Array::from(vec![34])), bucket(2_017_239_379));
        assert_eq!(text(by, "decimal(4,2)", decimals(vec![1420], 4, 2)), bucket(-500_754_589));
        assert_eq!(text(by, "date", Date32Array::from(vec![17_486])), bucket(-653_330_422));
        assert_eq!(text(by, "time", Time64MicrosecondArray::from(vec![81_068_000_000])), bucket(-662_762_989));
        assert_eq!(text(by, "timestamp", moment(TIMESTAMP)), bucket(-2_047_944_441));
        assert_eq!(text(by, "string", StringArray::from(vec!["iceberg"])), bucket(1_210_000_089));
        let uuid = StringArray::from(vec!["f79c3e09-677c-4bbd-a479-3f349cb785e7"]);
        assert_eq!(text(by, "uuid", uuid), bucket(1_488_055_340));
        assert_eq!(text(by, "binary", BinaryArray::from(vec![&[0, 1, 2, 3][..]])), bucket(-188_683_207));
        assert_eq!(texts(by, "int64", Arc::new(Int64Array::from(vec![None]))), [None]);
    }

    #[test]
    fn decimals_hash_in_as_few_bytes_as_hold_them() {
        assert_eq!(hash_decimal(0), hash(&[0]));
        assert_eq!(hash_decimal(-1), hash(&[0xff]));
        assert_eq!(hash_decimal(127), hash(&[0x7f]));
        assert_eq!(hash_decimal(128), hash(&[0, 0x80]));
        assert_eq!(hash_decimal(-128), hash(&[0x80]));
        assert_eq!(hash_decimal(-129), hash(&[0xff, 0x7f]));
        assert_eq!(hash_decimal(i128::MIN), hash(&i128::MIN.to_be_bytes()));
        assert_eq!(hash_unsigned(u64::MAX), hash(&[0, 255, 255, 255, 255, 255, 255, 255, 255]));
    }

    #[test]
    fn times_are_cut_to_year_month_day_and_hour() {
        let cut = |transform| text(transform, "timestamp", moment(TIMESTAMP));
        let all = [Transform::Year, Transform::Month, Transform::Day, Transform::Hour].map(cut);
        assert_eq!(all, ["2017", "2017-11", "2017-11-16", "2017-11-16-22"]);
        assert_eq!(text(Transform::Month, "date", Date32Array::from(vec![17_486])), "2017-11");
    }

    #[test]
    fn times_before_1970_are_cut_towards_the_past() {
        let cut = |transform| text(transform, "timestamp", moment(-1));
        let all = [Transform::Year, Transform::Month, Transform::Day, Transform::Hour].map(cut);
        assert_eq!(all, ["1969", "1969-12", "1969-12-31", "1969-12-31-23"]);
        assert_eq!(text(Transform::Day, "date", Date32Array::from(vec![-719_529])), "-0001-12-31");
        assert_eq!(text(Transform::Day, "timestamp", moment(i64::MIN)), "-290308-12-21");
        assert_eq!(text(Transform::Day, "timestamp", moment(i64::MAX)), "294247-01-10");
    }

    #[test]
    fn civil_days_agree_with_chrono() {
        let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for day in (-1_000_000..1_000_000).step_by(97) {
            use chrono::Datelike;
            let date = epoch + chrono::TimeDelta::days(day);
            assert_eq!(civil(day), (i64::from(date.year()), date.month() as u8, date.day() as u8));
        }
    }

    #[test]
    fn numbers_are_truncated_downwards() {
        let cut = |values: Vec<i64>| texts(Transform::Truncate(10), "int64", Arc::new(Int64Array::from(values)));
        let expected = ["0", "-10", "0", "10", "-9223372036854775810"].map(|text| Some(text.to_owned()));
        assert_eq!(cut(vec![1, -1, 9, 10, i64::MIN]), expected);
        let cut = texts(Transform::Truncate(50), "decimal(10,2)", Arc::new(decimals(vec![1065, -5], 10, 2)));
        assert_eq!(cut, [Some("10.50".to_owned()), Some("-0.50".to_owned())]);
        assert_eq!(
            text(Transform::Truncate(7), "uint64", UInt64Array::from(vec![u64::MAX])),
            (u64::MAX / 7 * 7).to_string()
        );
    }

    #[test]
    fn text_is_truncated_by_code_points() {
        let words = StringArray::from(vec![Some("iceberg"), Some("äöü"), Some("a"), Some(""), None]);
        let expected = [Some("ic"), Some("äö"), Some("a"), Some(""), None].map(|text| text.map(str::to_owned));
        assert_eq!(texts(Transform::Truncate(2), "string", Arc::new(words)), expected);
    }

    #[test]
    fn values_of_every_type_have_a_plain_text() {
        let plain =
            |data_type: &str, column: ArrayRef| texts(Transform::Identity, data_type, column).remove(0).unwrap();
        let integer = |to: &DataType| cast(&(Arc::new(Int64Array::from(vec![7])) as ArrayRef), to).unwrap();
        for data_type in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] {
            assert_eq!(plain(data_type, integer(&data_type.parse::<ColumnType>().unwrap().to_arrow())), "7");
        }
        assert_eq!(plain("bool", integer(&DataType::Boolean)), "true");
        assert_eq!(plain("float64", integer(&DataType::Float64)), "7.0");
        assert_eq!(plain("float32", integer(&DataType::Float32)), "7.0");
        assert_eq!(plain("date", Arc::new(Date32Array::from(vec![0]))), "1970-01-01");
        assert_eq!(plain("time", Arc::new(Time64MicrosecondArray::from(vec![1]))), "00:00:00.000001");
        assert_eq!(plain("timestamp", Arc::new(moment(TIMESTAMP))), "2017-11-16 22:31:08");
        assert_eq!(plain("timestamp", Arc::new(moment(-1))), "1969-12-31 23:59:59.999999");
        let naive =
            cast(&(Arc::new(moment(0)) as ArrayRef), &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap();
        assert_eq!(plain("timestamp_naive", naive), "1970-01-01 00:00:00");
        assert_eq!(plain("decimal(3,2)", Arc::new(decimals(vec![-5], 3, 2))), "-0.05");
        assert_eq!(plain("decimal(3,0)", Arc::new(decimals(vec![120], 3, 0))), "120");
        assert_eq!(plain("string", Arc::new(StringArray::from(vec!["a b"]))), "a b");
    }

    #[test]
    fn transforms_that_make_no_sense_do_not_apply() {
        let no = |transform, data_type: &str| assert!(!applies(transform, &data_type.parse().unwrap()), "{data_type}");
        no(Transform::Identity, "list<string>");
        no(Transform::Identity, "binary");
        no(Transform::Year, "string");
        no(Transform::Hour, "date");
        no(Transform::Bucket(8), "float64");
        no(Transform::Bucket(8), "bool");
        no(Transform::Bucket(0), "int64");
        no(Transform::Bucket(u32::MAX), "int64");
        no(Transform::Truncate(4), "uuid");
        no(Transform::Truncate(4), "timestamp");
        no(Transform::Truncate(0), "string");
    }
}
