//! How to read a table: the line for DuckDB, with the types of its partition columns.
//!
//! Readers guess a partition column's type from its text, so that `001` becomes the number 1; `hive_types` says what it is.

use super::{PartitionField, ResourcePlan, Transform};
use crate::schema::{ColumnType, TableSchema};

/// The query that reads the table of `resource` below `destination` (a path or URL).
pub fn duckdb_query(destination: &str, resource: &ResourcePlan) -> String {
    let pattern = format!("{}/{}/**/*.parquet", destination.trim_end_matches('/'), resource.table);
    let options = if resource.partition_by.is_empty() { String::new() } else { hive_options(resource) };
    format!("SELECT * FROM read_parquet({}{options})", quoted(&pattern))
}

fn hive_options(resource: &ResourcePlan) -> String {
    let types = resource.partition_by.iter().map(|field| {
        let data_type = hive_type(field, &resource.schema);
        format!("{}: {}", quoted(&field.key), quoted(&data_type))
    });
    format!(", hive_partitioning = true, hive_types = {{{}}}", types.collect::<Vec<_>>().join(", "))
}

fn hive_type(field: &PartitionField, schema: &TableSchema) -> String {
    let data_type = schema.columns.get(field.column).map(|column| &column.data_type);
    match field.transform {
        Transform::Year | Transform::Bucket(_) => "INTEGER".into(),
        Transform::Day => "DATE".into(),
        Transform::Month | Transform::Hour => "VARCHAR".into(),
        Transform::Identity | Transform::Truncate(_) => data_type.map_or_else(|| "VARCHAR".into(), duckdb_type),
    }
}

/// DuckDB's name of the type of a partition value, as it stands in the directory's name.
fn duckdb_type(data_type: &ColumnType) -> String {
    match data_type {
        ColumnType::Bool => "BOOLEAN".into(),
        ColumnType::Int8 => "TINYINT".into(),
        ColumnType::Int16 => "SMALLINT".into(),
        ColumnType::Int32 => "INTEGER".into(),
        ColumnType::Int64 => "BIGINT".into(),
        ColumnType::UInt8 => "UTINYINT".into(),
        ColumnType::UInt16 => "USMALLINT".into(),
        ColumnType::UInt32 => "UINTEGER".into(),
        ColumnType::UInt64 => "UBIGINT".into(),
        ColumnType::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        ColumnType::Date => "DATE".into(),
        ColumnType::Time => "TIME".into(),
        // The text has no zone, and DuckDB would read it in the session's: the reader who wants one says `AT TIME ZONE`.
        ColumnType::Timestamp | ColumnType::TimestampNaive => "TIMESTAMP".into(),
        _ => "VARCHAR".into(),
    }
}

/// An SQL string literal.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_a_partition_value_has_a_name_in_duckdb() {
        let names = ["bool", "int8", "uint64", "decimal(10,2)", "date", "timestamp", "string", "uuid"]
            .map(|text| duckdb_type(&text.parse().unwrap()));
        let wanted = ["BOOLEAN", "TINYINT", "UBIGINT", "DECIMAL(10,2)", "DATE", "TIMESTAMP", "VARCHAR", "VARCHAR"];
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_quote_in_a_path_does_not_end_the_literal() {
        assert_eq!(quoted("it's"), "'it''s'");
    }
}
