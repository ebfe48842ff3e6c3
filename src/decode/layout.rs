//! A column's `format`, checked against its type and taken apart once for all pages.

use chrono::format::{Fixed, Item};

use super::convert::temporal::Notation;
use crate::schema::{ColumnType, Format, Strftime};

/// The notation of a column's scalars, where their type leaves a choice.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub notation: Notation,
    pub bytes: BytesText,
    /// Floats: `NaN`, `Infinity` and `-Infinity` are values.
    pub non_finite: bool,
    /// Requires that every field of an object belongs to the struct, since no schema declares which ones to ignore.
    pub whole: bool,
}

/// The text encoding of a binary column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BytesText {
    Base64,
    Base64Url,
    Hex,
}

/// The layout of values without a `format`.
pub(super) const PLAIN: Layout =
    Layout { notation: Notation::Iso, bytes: BytesText::Base64, non_finite: false, whole: false };

/// The layout within an inferred column.
pub(super) const WHOLE: Layout = Layout { whole: true, ..PLAIN };

impl Layout {
    /// The layout of a column; `format` rules the values at the end of its lists and maps. Fails with what is wrong.
    pub fn new(data_type: &ColumnType, format: Option<&Format>) -> Result<Self, String> {
        let Some(format) = format else { return Ok(PLAIN) };
        let leaf = data_type.leaf();
        let notation = match (format, leaf) {
            (Format::Hex, ColumnType::Binary) => return Ok(Self { bytes: BytesText::Hex, ..PLAIN }),
            (Format::Base64Url, ColumnType::Binary) => return Ok(Self { bytes: BytesText::Base64Url, ..PLAIN }),
            (Format::Hex | Format::Base64Url, _) => {
                return Err("`hex` and `base64url` are formats of `binary`".to_owned());
            }
            (Format::NonFinite, ColumnType::Float32 | ColumnType::Float64) => {
                return Ok(Self { non_finite: true, ..PLAIN });
            }
            (Format::NonFinite, _) => return Err("`non_finite` is a format of floats".to_owned()),
            (Format::Truncated(form), leaf) if is_temporal(leaf) => {
                let Self { notation, .. } = Self::new(data_type, form.as_deref())?;
                Notation::Truncating(Box::new(notation))
            }
            (Format::Truncated(_), _) => return Err("`precision: truncate` is for times and timestamps".to_owned()),
            (Format::Strftime(pattern), _) if is_temporal(leaf) => strftime(pattern)?,
            (Format::Strftime(_), _) => {
                return Err("a strftime pattern is a format of dates, times and timestamps".to_owned());
            }
            (_, ColumnType::Time) => return Err("an epoch is no time of day".to_owned()),
            (_, leaf) if !is_temporal(leaf) => return Err("an epoch is a format of dates and timestamps".to_owned()),
            (Format::EpochSeconds, _) => Notation::Epoch { digits: 0 },
            (Format::EpochMillis, _) => Notation::Epoch { digits: 3 },
            (Format::EpochMicros, _) => Notation::Epoch { digits: 6 },
        };
        Ok(Self { notation, ..PLAIN })
    }
}

fn is_temporal(data_type: &ColumnType) -> bool {
    use ColumnType::{Date, Time, Timestamp, TimestampNaive};
    matches!(data_type, Date | Time | Timestamp | TimestampNaive)
}

fn strftime(pattern: &str) -> Result<Notation, String> {
    let pattern = Strftime::new(pattern).ok_or_else(|| format!("`{pattern}` is no strftime pattern"))?;
    // chrono skips the name and would take `CET` for UTC.
    if pattern.items().contains(&Item::Fixed(Fixed::TimezoneName)) {
        return Err("`%Z`, a zone's name, can't be read; `%z`, an offset, can".to_owned());
    }
    Ok(Notation::Pattern(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(data_type: &str, format: Format) -> Option<String> {
        Layout::new(&data_type.parse().unwrap(), Some(&format)).err()
    }

    #[test]
    fn a_format_fits_its_types_and_those_at_the_end_of_lists_and_maps() {
        let pattern = || Format::Strftime("%d/%m/%Y".into());
        assert_eq!(problem("binary", Format::Hex), None);
        assert_eq!(problem("map<string, list<binary>>", Format::Hex), None);
        for data_type in ["date", "time", "timestamp", "timestamp_naive", "list<date>"] {
            assert_eq!(problem(data_type, pattern()), None, "{data_type}");
        }
        for format in [Format::EpochSeconds, Format::EpochMillis, Format::EpochMicros] {
            assert_eq!(problem("timestamp", format.clone()), None);
            assert!(problem("time", format.clone()).is_some());
            assert!(problem("int64", format).is_some());
        }
        assert!(problem("string", Format::Hex).is_some());
        assert!(problem("string", pattern()).is_some());
        assert!(problem("struct<a: date>", pattern()).is_some());
    }

    #[test]
    fn a_pattern_that_chrono_does_not_know_or_would_misread_is_refused() {
        assert!(problem("date", Format::Strftime("%Q".into())).unwrap().contains("`%Q`"));
        assert!(problem("timestamp", Format::Strftime("%F %T %Z".into())).unwrap().contains("`%z`"));
    }
}
