//! `partition_by`: which columns, by which of Iceberg's transforms, into which directories.

use super::columns::Columns;
use crate::{
    config::{Findings, Located, Place, Section, notation, tree::Value},
    plan::{PartitionField, Transform},
    schema::{Column, ColumnType, LoadColumn, Source, TableSchema},
};

/// The partition spec: what `partition_by` says, then the columns that dlt's hints name. `None` if any of it is wrong.
pub fn resolve(
    resource: &Section<'_>,
    hinted: &[Located<usize>],
    columns: &Columns<'_>,
    findings: &mut Findings,
) -> Option<Vec<PartitionField>> {
    let written = resource.one_or_many("partition_by");
    let mut fields: Vec<_> = written.into_iter().map(|value| field(resource, value, columns, findings)).collect();
    let listed: Vec<_> = fields.iter().flatten().map(|field| (field.value.column, field.value.transform)).collect();
    for hint in hinted.iter().filter(|hint| !listed.contains(&(hint.value, Transform::Identity))) {
        let at = Located { value: (), place: hint.place.clone() };
        fields.push(checked(hint.value, Transform::Identity, at, columns, findings));
    }
    let fields: Vec<_> = fields.into_iter().collect::<Option<_>>()?;
    let distinct = distinct(&fields, columns, findings);
    let fields: Vec<_> = fields.into_iter().map(|field| field.value).collect();
    let left = something_is_left(resource, &fields, columns.schema, findings);
    (distinct && left).then_some(fields)
}

/// The columns that are named, each with a type that suits its transform.
pub fn named(resource: &Section<'_>) -> Vec<(String, ColumnType)> {
    let named = |value: &Value| match value.as_text() {
        Some(text) => Some((text.to_owned(), ColumnType::String)),
        None => {
            let field = resource.item("partition_by", value);
            let transform = transform(&field.text("transform")?.value)?;
            let data_type = [ColumnType::String, ColumnType::Timestamp].into_iter().find(|it| suits(transform, it))?;
            Some((field.text("column")?.value, data_type))
        }
    };
    resource.one_or_many("partition_by").into_iter().filter_map(named).collect()
}

fn field(
    resource: &Section<'_>,
    value: &Value,
    columns: &Columns<'_>,
    findings: &mut Findings,
) -> Option<Located<PartitionField>> {
    let name = match value.as_text() {
        Some(text) => Located { value: text.to_owned(), place: value.place.clone() },
        None => resource.item("partition_by", value).text("column")?,
    };
    let transform = match value.as_text() {
        Some(_) => Transform::Identity,
        None => transform(&resource.item("partition_by", value).text("transform")?.value)?,
    };
    let column = columns.find(&name, findings)?;
    checked(column, transform, Located { value: (), place: name.place }, columns, findings)
}

/// The field, unless its transform does not suit the column's type.
fn checked(
    index: usize,
    transform: Transform,
    at: Located<()>,
    columns: &Columns<'_>,
    findings: &mut Findings,
) -> Option<Located<PartitionField>> {
    let column = columns.get(index)?;
    if column.source == Source::Load(LoadColumn::ValidTo) {
        let message = format!("`{}` changes when a version of a row ends, and cannot tell its directory", column.name);
        findings.error(&at.place, message, None);
        return None;
    }
    let key = key(column, transform);
    if key.starts_with(['_', '.']) {
        let message = format!("the directories would be named `{key}=…`, and readers skip what begins with `_` or `.`");
        findings.error(&at.place, message, Some("give the column another name".to_owned()));
        return None;
    }
    if !suits(transform, &column.data_type) {
        let message = format!("a column of the type {} cannot be partitioned by {}", column.data_type, word(transform));
        findings.error(&at.place, message, Some(help(&column.data_type)));
        return None;
    }
    let field = PartitionField { column: index, transform, key };
    Some(Located { value: field, place: at.place })
}

fn transform(text: &str) -> Option<Transform> {
    Some(match notation::transform(text)? {
        ("identity", _) => Transform::Identity,
        ("year", _) => Transform::Year,
        ("month", _) => Transform::Month,
        ("day", _) => Transform::Day,
        ("hour", _) => Transform::Hour,
        ("bucket", buckets) => Transform::Bucket(buckets),
        ("truncate", width) => Transform::Truncate(width),
        _ => return None,
    })
}

fn word(transform: Transform) -> &'static str {
    match transform {
        Transform::Identity => "identity",
        Transform::Year => "year",
        Transform::Month => "month",
        Transform::Day => "day",
        Transform::Hour => "hour",
        Transform::Bucket(_) => "bucket",
        Transform::Truncate(_) => "truncate",
    }
}

fn key(column: &Column, transform: Transform) -> String {
    match transform {
        Transform::Identity => column.name.clone(),
        _ => format!("{}_{}", column.name, word(transform)),
    }
}

/// Iceberg's table of transforms and types (spec, "Partition Transforms"). Narrower under identity: a directory's name is text
/// that readers parse, so floats (which have no one text form, nor one NaN), binary and json are refused. Binary is refused
/// under truncate too: its bytes are no text.
fn suits(transform: Transform, data_type: &ColumnType) -> bool {
    use ColumnType as T;
    let integer = matches!(
        data_type,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 | T::Decimal { .. }
    );
    let timestamp = matches!(data_type, T::Timestamp | T::TimestampNaive);
    match transform {
        Transform::Identity => {
            integer || timestamp || matches!(data_type, T::Bool | T::String | T::Uuid | T::Date | T::Time)
        }
        Transform::Year | Transform::Month | Transform::Day => timestamp || *data_type == T::Date,
        Transform::Hour => timestamp,
        Transform::Bucket(_) => {
            integer || timestamp || matches!(data_type, T::Date | T::Time | T::String | T::Binary | T::Uuid)
        }
        Transform::Truncate(_) => integer || *data_type == T::String,
    }
}

fn help(data_type: &ColumnType) -> String {
    let transforms = [
        Transform::Identity,
        Transform::Year,
        Transform::Month,
        Transform::Day,
        Transform::Hour,
        Transform::Bucket(1),
        Transform::Truncate(1),
    ];
    let suitable: Vec<_> = transforms.into_iter().filter(|transform| suits(*transform, data_type)).map(word).collect();
    match suitable.as_slice() {
        [] => "partition by another column".to_owned(),
        words => format!("it can be by {}", words.join(", ")),
    }
}

/// Whether every directory level has a name of its own, that is also no other column's: readers add it as a column.
fn distinct(fields: &[Located<PartitionField>], columns: &Columns<'_>, findings: &mut Findings) -> bool {
    let mut distinct = true;
    for (index, field) in fields.iter().enumerate() {
        let key = field.value.key.to_lowercase();
        let twice = fields.iter().take(index).any(|other| other.value.key.to_lowercase() == key);
        let is_column = field.value.transform != Transform::Identity
            && columns.schema.columns.iter().any(|column| column.name.to_lowercase() == key);
        let message = match (twice, is_column) {
            (true, _) => format!("the table is partitioned by `{}` already", field.value.key),
            (_, true) => format!("the partition key `{}` is the name of a column too", field.value.key),
            _ => continue,
        };
        findings.error(&field.place, message, None);
        distinct = false;
    }
    distinct
}

/// Whether a column is left for the files: values of identity partitions stand in the directories alone.
fn something_is_left(
    resource: &Section<'_>,
    fields: &[PartitionField],
    schema: &TableSchema,
    findings: &mut Findings,
) -> bool {
    let in_directory =
        |index: usize| fields.iter().any(|field| field.column == index && field.transform == Transform::Identity);
    let left = (0..schema.columns.len()).any(|index| !in_directory(index));
    if !left {
        let place: &Place = resource.place_of("partition_by");
        let help = "declare another column, or leave one out of `partition_by`".to_owned();
        findings.error(place, "every column is a partition column, and the files would have none", Some(help));
    }
    left
}

/// Partition columns that readers take for another type, if their values look like it.
pub fn warnings(schema: &TableSchema, fields: &[PartitionField]) -> Vec<String> {
    let guessed = fields.iter().filter(|field| {
        let data_type = schema.columns.get(field.column).map(|column| &column.data_type);
        let text = matches!(data_type, Some(ColumnType::String | ColumnType::Uuid));
        text && matches!(field.transform, Transform::Identity | Transform::Truncate(_))
    });
    let warning = |field: &PartitionField| {
        format!(
            "readers guess the type of the partition column `{0}` from its values (`001` is read as 1): in DuckDB give it \
             as hive_types={{'{0}': VARCHAR}}, in Spark as a schema",
            field.key
        )
    };
    guessed.map(warning).collect()
}
