//! How DuckDB opens a table: plain Parquet with the types of its partition columns, which a reader would guess from text
//! otherwise; a Delta table through its log, which has them.

use super::{PartitionField, ResourcePlan, TableFormatKind, Transform, hive};
use crate::{
    schema::{ColumnType, types::MAX_DECIMAL_PRECISION},
    store::Destination,
};

/// The query with which DuckDB reads the table; `None` if only this process can (`memory://`).
pub fn duckdb(destination: &Destination, format: TableFormatKind, resource: &ResourcePlan) -> Option<String> {
    let table = format!("{}/{}", location(&destination.url)?, resource.table);
    Some(match format {
        TableFormatKind::Parquet => parquet(&table, resource),
        // The log has the columns' types, those of the partitions too.
        TableFormatKind::Delta => format!("SELECT * FROM delta_scan({})", quoted(&table)),
    })
}

fn parquet(table: &str, resource: &ResourcePlan) -> String {
    let files = quoted(&format!("{table}/**/*.parquet"));
    let types: Vec<_> = resource.partition_by.iter().map(|field| hive_type(field, resource)).collect();
    match types.is_empty() {
        true => format!("SELECT * FROM read_parquet({files})"),
        false => {
            let (columns, types) = (columns(resource), types.join(", "));
            format!("SELECT {columns} FROM read_parquet({files}, hive_partitioning = true, hive_types = {{{types}}})")
        }
    }
}

/// DuckDB names a partition's column as its directories are named: those that are escaped get their own name back.
fn columns(resource: &ResourcePlan) -> String {
    let escaped = resource.partition_by.iter().map(|field| (directory_key(field), &field.key));
    let renamed = escaped.filter(|(escaped, key)| escaped != *key);
    let renamed: Vec<_> = renamed.map(|(escaped, key)| format!("{} AS {}", name(&escaped), name(key))).collect();
    if renamed.is_empty() { "*".to_owned() } else { format!("* RENAME ({})", renamed.join(", ")) }
}

/// Note on partition columns whose directories have another name; `None` if there are none.
pub fn renamed_partitions(format: TableFormatKind, resource: &ResourcePlan) -> Option<String> {
    let fields = resource.partition_by.iter().filter(|_| format == TableFormatKind::Parquet);
    let renamed = fields.map(|field| (directory_key(field), &field.key)).filter(|(escaped, key)| escaped != *key);
    let renamed: Vec<_> = renamed.map(|(escaped, key)| format!("`{escaped}=…` for `{key}`")).collect();
    (!renamed.is_empty()).then(|| {
        let renamed = renamed.join(", ");
        format!("the name of the directory is escaped ({renamed}), and DuckDB names the column so: the line for DuckDB renames it")
    })
}

fn directory_key(field: &PartitionField) -> String {
    let mut key = String::new();
    hive::escape(&field.key, &mut key);
    key
}

/// The destination as DuckDB writes it: a path without `file://` and without a leading `./`, or a URL of its own.
fn location(url: &str) -> Option<&str> {
    let url = url.strip_prefix("file://").unwrap_or(url);
    let url = url.strip_prefix("./").unwrap_or(url);
    let url = if url.len() > 1 { url.trim_end_matches('/') } else { url };
    (!url.starts_with("memory:")).then_some(url)
}

fn hive_type(field: &PartitionField, resource: &ResourcePlan) -> String {
    let column = resource.schema.columns.get(field.column).map(|column| &column.data_type);
    format!("{}: {}", quoted(&directory_key(field)), duckdb_type(field.transform, column))
}

/// The type of a directory's value: text wherever its form is not DuckDB's own for that type.
fn duckdb_type(transform: Transform, column: Option<&ColumnType>) -> String {
    match (transform, column) {
        (Transform::Year | Transform::Bucket(_), _) => "INTEGER".to_owned(),
        (Transform::Day, _) => "DATE".to_owned(),
        (Transform::Month | Transform::Hour, _) | (_, None) => "VARCHAR".to_owned(),
        (Transform::Identity, Some(column)) => scalar_type(column),
        (Transform::Truncate(_), Some(column)) => truncated_type(column),
    }
}

/// Truncating rounds down, to what the column's own type may not hold: an int8 of -128 by tens is -130.
fn truncated_type(column: &ColumnType) -> String {
    match column {
        ColumnType::Decimal { scale, .. } => format!("DECIMAL({MAX_DECIMAL_PRECISION},{scale})"),
        ColumnType::String => "VARCHAR".to_owned(),
        _ => "HUGEINT".to_owned(),
    }
}

fn scalar_type(column: &ColumnType) -> String {
    let name = match column {
        ColumnType::Bool => "BOOLEAN",
        ColumnType::Int8 => "TINYINT",
        ColumnType::Int16 => "SMALLINT",
        ColumnType::Int32 => "INTEGER",
        ColumnType::Int64 => "BIGINT",
        ColumnType::UInt8 => "UTINYINT",
        ColumnType::UInt16 => "USMALLINT",
        ColumnType::UInt32 => "UINTEGER",
        ColumnType::UInt64 => "UBIGINT",
        ColumnType::Decimal { precision, scale } => return format!("DECIMAL({precision},{scale})"),
        ColumnType::Date => "DATE",
        // The text is UTC and has no zone; DuckDB would read one with a zone in the session's.
        ColumnType::Timestamp | ColumnType::TimestampNaive => "TIMESTAMP",
        _ => "VARCHAR",
    };
    name.to_owned()
}

/// A name as a SQL identifier.
fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text as a SQL literal.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    fn destination(url: &str) -> Destination {
        Destination { url: url.into(), options: Vec::new() }
    }

    fn resource(partition_by: &str) -> ResourcePlan {
        let text = format!(
            "client: {{base_url: 'https://api.example.com', paginator: single_page}}\nresources:\n  - name: cases\n    partition_by: \
             {partition_by}\n    schema: {{columns: [{{name: id, type: int64}}, {{name: zip, type: string}}, {{name: day, \
             type: date}}, {{name: at, type: timestamp}}, {{name: tiny, type: int8}}, {{name: price, type: \"decimal(2,0)\"}}]}}\n"
        );
        let source =
            crate::config::Source::Embedded { name: "a.yaml".into(), text, syntax: crate::config::Syntax::Yaml };
        let loaded = crate::config::load(source, &|_| None).unwrap();
        let Plan { mut resources, .. } = crate::plan::resolve(&loaded, &crate::plan::Overrides::default()).unwrap();
        resources.remove(0)
    }

    #[test]
    fn a_destination_is_written_as_duckdb_wants_it_and_memory_is_nowhere() {
        let line = |url: &str| duckdb(&destination(url), TableFormatKind::Parquet, &resource("[]"));
        let read = |path: &str| Some(format!("SELECT * FROM read_parquet('{path}/cases/**/*.parquet')"));
        assert_eq!(line("./lake"), read("lake"));
        assert_eq!(line("s3://bucket/prefix/"), read("s3://bucket/prefix"));
        assert_eq!(line("file:///srv/lake"), read("/srv/lake"));
        assert_eq!(line("/srv/it's"), read("/srv/it''s"));
        assert_eq!(line("memory://"), None);
    }

    #[test]
    fn a_delta_table_is_read_by_its_log_whatever_its_partitions_are() {
        let line = |url: &str| duckdb(&destination(url), TableFormatKind::Delta, &resource("[zip, day]"));
        let read = |path: &str| Some(format!("SELECT * FROM delta_scan('{path}/cases')"));
        assert_eq!(line("./lake"), read("lake"));
        assert_eq!(line("s3://bucket/prefix/"), read("s3://bucket/prefix"));
        assert_eq!(line("/srv/it's"), read("/srv/it''s"));
        assert_eq!(line("memory://"), None);
    }

    #[test]
    fn partition_columns_get_the_types_that_text_does_not_tell() {
        let fields = "[zip, id, day, {column: at, transform: year}, {column: at, transform: month}, {column: at, transform: \
                      day}, {column: at, transform: hour}, {column: id, transform: 'bucket[4]'}, {column: zip, transform: \
                      'truncate[2]'}]";
        let line = duckdb(&destination("lake"), TableFormatKind::Parquet, &resource(fields)).unwrap();
        assert!(
            line.ends_with(
                "hive_types = {'zip': VARCHAR, 'id': BIGINT, 'day': DATE, 'at_year': INTEGER, 'at_month': VARCHAR, \
                 'at_day': DATE, 'at_hour': VARCHAR, 'id_bucket': INTEGER, 'zip_truncate': VARCHAR})"
            ),
            "{line}"
        );
    }

    #[test]
    fn a_partition_column_whose_directories_are_escaped_gets_its_name_back() {
        let mut resource = resource("[zip]");
        resource.partition_by[0].key = "a:b".to_owned();
        let line = duckdb(&destination("lake"), TableFormatKind::Parquet, &resource).unwrap();
        assert_eq!(
            line,
            "SELECT * RENAME (\"a%3Ab\" AS \"a:b\") FROM read_parquet('lake/cases/**/*.parquet', hive_partitioning = true, \
             hive_types = {'a%3Ab': VARCHAR})"
        );
        let note = renamed_partitions(TableFormatKind::Parquet, &resource).unwrap();
        assert!(note.contains("(`a%3Ab=…` for `a:b`)"), "{note}");
        assert_eq!(renamed_partitions(TableFormatKind::Delta, &resource), None);
    }

    #[test]
    fn a_truncated_number_gets_a_type_that_holds_what_lies_below_its_columns_lowest() {
        let fields = "[{column: tiny, transform: 'truncate[10]'}, {column: price, transform: 'truncate[50]'}]";
        let line = duckdb(&destination("lake"), TableFormatKind::Parquet, &resource(fields)).unwrap();
        assert!(line.ends_with("hive_types = {'tiny_truncate': HUGEINT, 'price_truncate': DECIMAL(38,0)})"), "{line}");
    }
}
