//! A committed table's partition spec, read back from the words in its commits: what the config says now may be another.

use super::MaintainError;
use crate::{
    config::notation,
    error::Result,
    plan::{PartitionField, Transform},
    schema::TableSchema,
};

/// The partition fields of `status`, `month(created_at)`, `bucket[16](id)`, which [`PartitionField::spec`] writes.
///
/// # Errors
/// A field that names no column of the schema or no transform.
pub(super) fn parse(table: &str, spec: &[String], schema: &TableSchema) -> Result<Vec<PartitionField>> {
    let parsed = spec.iter().map(|text| {
        let unknown = || MaintainError::Partition { table: table.to_owned(), spec: text.clone() };
        Ok(field(text, schema).ok_or_else(unknown)?)
    });
    parsed.collect()
}

fn field(text: &str, schema: &TableSchema) -> Option<PartitionField> {
    // A column may be called anything, also `month(x)`.
    if let Some(column) = schema.index_of(text) {
        return Some(PartitionField { column, transform: Transform::Identity, key: text.to_owned() });
    }
    let (name, column) = text.strip_suffix(')')?.split_once('(')?;
    let (word, transform) = transform(name)?;
    Some(PartitionField { column: schema.index_of(column)?, transform, key: format!("{column}_{word}") })
}

fn transform(text: &str) -> Option<(&str, Transform)> {
    let (word, number) = notation::transform(text)?;
    let transform = match word {
        "year" => Transform::Year,
        "month" => Transform::Month,
        "day" => Transform::Day,
        "hour" => Transform::Hour,
        "bucket" => Transform::Bucket(number),
        "truncate" => Transform::Truncate(number),
        _ => return None,
    };
    Some((word, transform))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, ColumnType, Source};

    fn schema(names: &[&str]) -> TableSchema {
        let column = |name: &&str| Column {
            name: (*name).into(),
            source: Source::Record,
            data_type: ColumnType::String,
            nullable: true,
            format: None,
        };
        TableSchema { columns: names.iter().map(column).collect() }
    }

    #[test]
    fn what_a_field_writes_is_read_back_as_the_same_field() {
        let schema = schema(&["a", "created_at"]);
        let word = |transform| match transform {
            Transform::Identity => "created_at",
            Transform::Year => "created_at_year",
            Transform::Month => "created_at_month",
            Transform::Day => "created_at_day",
            Transform::Hour => "created_at_hour",
            Transform::Bucket(_) => "created_at_bucket",
            Transform::Truncate(_) => "created_at_truncate",
        };
        for transform in [
            Transform::Identity,
            Transform::Year,
            Transform::Month,
            Transform::Day,
            Transform::Hour,
            Transform::Bucket(16),
            Transform::Truncate(3),
        ] {
            let field = PartitionField { column: 1, transform, key: word(transform).into() };
            assert_eq!(parse("t", &[field.spec(&schema)], &schema).unwrap(), [field]);
        }
    }

    #[test]
    fn a_column_that_is_called_like_a_transform_is_a_column() {
        let schema = schema(&["x", "month(x)"]);
        assert_eq!(parse("t", &["month(x)".into()], &schema).unwrap()[0].transform, Transform::Identity);
    }

    #[test]
    fn a_field_of_no_column_or_no_transform_is_an_error_that_names_it() {
        for text in ["y", "month(y)", "century(x)", "month(x", "(x)"] {
            let error = parse("cases", &[text.into()], &schema(&["x"])).unwrap_err();
            assert!(error.to_string().contains(text) && error.to_string().contains("cases"), "{error}");
        }
    }
}
