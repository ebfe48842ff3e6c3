//! Changes of a table's columns.
//!
//! ```text
//! the table's schema ─┐
//!                     ├─ wanted ─► the schema from now on ─ compare ─► Same | Compatible | Refused, with the reasons
//! the declared one ───┘
//! ```
//!
//! Compatible is what rewrites older files without a guess: a column more, a wider type, null where there was none before.

use std::fmt::Write;

use super::{
    model::{Column, Source, TableSchema},
    types::{ColumnType, Field},
};

/// The consequence of a schema change for existing files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum SchemaChange {
    /// Nothing.
    Same,
    /// They are written anew: columns are added or widened.
    Compatible,
    /// Their rows do not fit; why, column by column.
    Refused(Vec<String>),
}

/// The columns that a table has from now on: those that are declared, then those that it got by `evolve` and nobody declares.
pub fn wanted(table: Option<&TableSchema>, declared: &TableSchema) -> TableSchema {
    let evolved = table.into_iter().flat_map(|table| &table.columns).filter(|column| {
        let name = column.name.to_lowercase();
        let is_declared = declared.columns.iter().any(|declared| declared.name.to_lowercase() == name);
        column.source.inferred().is_some() && !is_declared
    });
    TableSchema { columns: declared.columns.iter().chain(evolved).cloned().collect() }
}

/// Compares the schema of a table with the wanted one. `partition_by` are indexes of wanted columns whose values are in directory
/// names.
pub fn compare(table: &TableSchema, wanted: &TableSchema, partition_by: &[usize]) -> SchemaChange {
    let mut reasons = Vec::new();
    for column in &table.columns {
        let index = wanted.index_of(&column.name);
        match index.and_then(|index| wanted.columns.get(index)) {
            None => reasons.push(format!("the column `{}` is gone", column.name)),
            Some(now) => {
                let in_directory = index.is_some_and(|index| partition_by.contains(&index));
                reasons.extend(column_refused(column, now, in_directory));
            }
        }
    }
    for column in wanted.columns.iter().filter(|column| table.index_of(&column.name).is_none()) {
        if !column.nullable {
            reasons.push(format!("the new column `{}` cannot be null, and older rows have nothing else", column.name));
        }
    }
    match reasons.is_empty() {
        // Types that are stored alike need no new files.
        true if table.to_arrow() == wanted.to_arrow() => SchemaChange::Same,
        true => SchemaChange::Compatible,
        false => SchemaChange::Refused(reasons),
    }
}

fn column_refused(before: &Column, now: &Column, in_directory: bool) -> Option<String> {
    let name = &before.name;
    if before.nullable && !now.nullable {
        return Some(format!("`{name}` may be null in the table, and not any more"));
    }
    // All of its values are null.
    if matches!(before.source, Source::Unseen(_)) {
        return None;
    }
    let is_inferred = before.source.inferred().is_some() && !in_directory;
    if is_inferred && widened(&before.data_type, &now.data_type) == now.data_type {
        return None;
    }
    if !widens(&before.data_type, &now.data_type) {
        return Some(format!("`{name}` is {} in the table, which {} cannot hold", before.data_type, now.data_type));
    }
    // 1.5 is written `1.50` with two digits and `1.500` with three: the rows would belong into other directories.
    let scale = |data_type: &ColumnType| match data_type {
        ColumnType::Decimal { scale, .. } => Some(*scale),
        _ => None,
    };
    let moves = in_directory && scale(&before.data_type) != scale(&now.data_type);
    moves.then(|| format!("`{name}` partitions the table, and its directories have {}", before.data_type))
}

/// Returns true if every value of `before` is exactly a value of `now`.
pub fn widens(before: &ColumnType, now: &ColumnType) -> bool {
    use ColumnType as T;
    let width = |data_type: &T| match data_type {
        T::Int8 => Some((0, 8)),
        T::Int16 => Some((0, 16)),
        T::Int32 => Some((0, 32)),
        T::Int64 => Some((0, 64)),
        T::UInt8 => Some((1, 8)),
        T::UInt16 => Some((1, 16)),
        T::UInt32 => Some((1, 32)),
        T::UInt64 => Some((1, 64)),
        T::Float32 => Some((2, 32)),
        T::Float64 => Some((2, 64)),
        _ => None,
    };
    match (before, now) {
        (T::Decimal { precision, scale }, T::Decimal { precision: wider, scale: finer }) => {
            scale <= finer && precision - scale <= wider - finer
        }
        (T::List(before), T::List(now)) | (T::Map(before), T::Map(now)) => widens(before, now),
        (T::Struct(before), T::Struct(now)) => before.iter().all(|field| {
            let now: Option<&Field> = now.iter().find(|candidate| candidate.name == field.name);
            now.is_some_and(|now| widens(&field.data_type, &now.data_type))
        }),
        // Texts of different meaning are stored alike; those of a uuid are all in one form.
        (T::String | T::Json | T::Uuid, T::String | T::Json) | (T::Uuid, T::Uuid) => true,
        _ => match (width(before), width(now)) {
            (Some((kind, bits)), Some((other, more))) => kind == other && bits <= more,
            _ => before == now,
        },
    }
}

/// Every whole number up to this magnitude is a float64.
pub const LARGEST_EXACT: i64 = 1 << 53;

/// The type that an inferred column of `before` takes when values of `seen` come, at any depth; `before` where none holds
/// both. A whole number beyond 2^53 is no float64, so what such a column holds is checked before it is widened.
pub fn widened(before: &ColumnType, seen: &ColumnType) -> ColumnType {
    match (before, seen) {
        (ColumnType::Int64, ColumnType::Float64 | ColumnType::Decimal { precision: 38, scale: 0 })
        | (ColumnType::Date, ColumnType::Timestamp) => seen.clone(),
        (ColumnType::List(before), ColumnType::List(seen)) => ColumnType::List(Box::new(widened(before, seen))),
        (ColumnType::Struct(before), ColumnType::Struct(seen)) => {
            let field = |field: &Field| {
                let seen = seen.iter().find(|seen| seen.name == field.name);
                let data_type =
                    seen.map_or_else(|| field.data_type.clone(), |seen| widened(&field.data_type, &seen.data_type));
                Field { name: field.name.clone(), data_type }
            };
            ColumnType::Struct(before.iter().map(field).collect())
        }
        _ => before.clone(),
    }
}

/// Paths, as Parquet files name them, of the whole numbers within a column that are floats from now on.
pub fn floated(name: &str, before: &ColumnType, now: &ColumnType) -> Vec<Vec<String>> {
    let below = |names: &[&str], paths: Vec<Vec<String>>| {
        let prefix: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        paths.into_iter().map(|path| [prefix.clone(), path].concat()).collect()
    };
    match (before, now) {
        (ColumnType::Int64, ColumnType::Float64) => vec![vec![name.to_owned()]],
        (ColumnType::List(before), ColumnType::List(now)) => below(&[name, "list"], floated("element", before, now)),
        (ColumnType::Struct(before), ColumnType::Struct(now)) => {
            let field = |field: &Field| {
                let now = now.iter().find(|now| now.name == field.name)?;
                Some(floated(&field.name, &field.data_type, &now.data_type))
            };
            below(&[name], before.iter().filter_map(field).flatten().collect())
        }
        _ => Vec::new(),
    }
}

/// Returns the type of [`widened`] with the further fields of structs in `seen`; `None` if names of fields collide.
pub fn extended(before: &ColumnType, seen: &ColumnType) -> Option<ColumnType> {
    match (before, seen) {
        (ColumnType::List(before), ColumnType::List(seen)) => Some(ColumnType::List(Box::new(extended(before, seen)?))),
        (ColumnType::Struct(before), ColumnType::Struct(seen)) => {
            seen.iter().try_fold(before.clone(), with_field).map(ColumnType::Struct)
        }
        // What else was seen fits, or is a mismatch of its value.
        _ => Some(widened(before, seen)),
    }
}

fn with_field(mut fields: Vec<Field>, seen: &Field) -> Option<Vec<Field>> {
    let name = seen.name.to_lowercase();
    match fields.iter_mut().find(|field| field.name.to_lowercase() == name) {
        Some(field) if field.name == seen.name => field.data_type = extended(&field.data_type, &seen.data_type)?,
        Some(_) => return None,
        None => fields.push(seen.clone()),
    }
    Some(fields)
}

/// Both schemas, a line for each column, the ones that differ marked; ends without a line break.
pub fn side_by_side(table: &TableSchema, config: &TableSchema) -> String {
    let mut names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let added = config.columns.iter().map(|column| column.name.as_str());
    names.extend(added.filter(|name| table.index_of(name).is_none()));
    let cell = |schema: &TableSchema, name: &str| {
        let column = schema.index_of(name).and_then(|index| schema.columns.get(index));
        column.map_or_else(|| "-".to_owned(), shown)
    };
    let rows: Vec<_> = names.iter().map(|name| ((*name).to_owned(), cell(table, name), cell(config, name))).collect();
    let width = |text: fn(&(String, String, String)) -> &String, title: &str| {
        rows.iter().map(|row| text(row).chars().count()).chain([title.len()]).max().unwrap_or_default()
    };
    let (first, second) = (width(|row| &row.0, "column"), width(|row| &row.1, "table"));
    let mut text = format!("    {:first$}  {:second$}  config", "column", "table");
    for (name, before, now) in &rows {
        let mark = if before == now { ' ' } else { '*' };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {mark} {name:first$}  {before:second$}  {now}");
    }
    text
}

fn shown(column: &Column) -> String {
    let null = if column.nullable { "" } else { " not null" };
    format!("{}{null}", column.data_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates columns from `name: type` lines; a `!` after the type means not null, a `+` before the name means added by `evolve`.
    fn schema(columns: &[&str]) -> TableSchema {
        let column = |text: &&str| {
            let (name, data_type) = text.split_once(": ").unwrap();
            let data_type_text = data_type.trim_end_matches('!');
            let (name, source) = match name.strip_prefix('+') {
                Some(name) => (name, Source::Evolved(name.to_owned())),
                None => (name, Source::Path(vec![name.to_owned()])),
            };
            Column {
                name: name.to_owned(),
                source,
                data_type: data_type_text.parse().unwrap(),
                nullable: data_type == data_type_text,
                format: None,
            }
        };
        TableSchema { columns: columns.iter().map(column).collect() }
    }

    fn change(table: &[&str], config: &[&str]) -> SchemaChange {
        let (table, config) = (schema(table), schema(config));
        compare(&table, &wanted(Some(&table), &config), &[])
    }

    #[test]
    fn every_safe_widening_is_compatible_and_its_inverse_refused() {
        for (before, now) in [
            ("int8", "int16"),
            ("int8", "int64"),
            ("int32", "int64"),
            ("uint8", "uint64"),
            ("uint16", "uint32"),
            ("float32", "float64"),
            ("decimal(10,2)", "decimal(12,2)"),
            ("decimal(10,2)", "decimal(12,4)"),
            ("list<int32>", "list<int64>"),
            ("map<string, float32>", "map<string, float64>"),
            ("struct<a: int32>", "struct<a: int64>"),
            ("struct<a: int32>", "struct<b: string, a: int32>"),
            ("list<struct<a: list<int8>>>", "list<struct<a: list<int16>, b: bool>>"),
            ("string!", "string"),
        ] {
            let (before, now) = (format!("x: {before}"), format!("x: {now}"));
            assert_eq!(change(&[&before], &[&now]), SchemaChange::Compatible, "{before} {now}");
            assert!(matches!(change(&[&now], &[&before]), SchemaChange::Refused(_)), "{now} {before}");
        }
    }

    #[test]
    fn other_types_are_refused_in_both_directions() {
        for (before, now) in [
            ("int32", "uint32"),
            ("uint8", "int16"),
            ("int32", "float64"),
            ("int64", "decimal(38,0)"),
            ("decimal(10,2)", "decimal(11,4)"),
            ("date", "timestamp"),
            ("timestamp", "timestamp_naive"),
            ("int64", "string"),
            ("list<int32>", "int32"),
            ("list<int32>", "list<string>"),
            ("struct<a: int32>", "struct<b: int32>"),
            ("struct<a: int32>", "map<string, int32>"),
        ] {
            let (before, now) = (format!("x: {before}"), format!("x: {now}"));
            for (table, config) in [(&before, &now), (&now, &before)] {
                assert!(matches!(change(&[table], &[config]), SchemaChange::Refused(_)), "{table} {config}");
            }
        }
    }

    #[test]
    fn columns_may_come_and_change_places_and_never_go() {
        assert_eq!(change(&["a: int64"], &["a: int64"]), SchemaChange::Same);
        assert_eq!(change(&["a: json"], &["a: string"]), SchemaChange::Same, "both are text");
        assert_eq!(change(&["a: int64"], &["b: string", "a: int64"]), SchemaChange::Compatible);
        assert_eq!(change(&["a: int64", "b: string"], &["b: string", "a: int64"]), SchemaChange::Compatible);
        let gone = change(&["a: int64", "b: string"], &["a: int64"]);
        assert_eq!(gone, SchemaChange::Refused(vec!["the column `b` is gone".into()]));
        let SchemaChange::Refused(reasons) = change(&["a: int64"], &["a: int64!", "b: string!"]) else { panic!() };
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(
            reasons[0].contains("may be null in the table") && reasons[1].contains("new column `b`"),
            "{reasons:?}"
        );
    }

    #[test]
    fn a_column_that_evolved_stays_until_it_is_declared() {
        let table = schema(&["id: int64", "+extra: string"]);
        let kept = wanted(Some(&table), &schema(&["id: int64", "new: bool"]));
        let names: Vec<_> = kept.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "new", "extra"]);
        assert_eq!(kept.columns[2].source, Source::Evolved("extra".into()));
        let declared = wanted(Some(&table), &schema(&["id: int64", "extra: string"]));
        assert_eq!(declared.columns[1].source, Source::Path(vec!["extra".into()]));
        assert_eq!(compare(&table, &declared, &[]), SchemaChange::Same);
        assert!(matches!(change(&["+extra: string"], &["Extra: string"]), SchemaChange::Refused(_)));
        assert_eq!(wanted(None, &table), table);
    }

    #[test]
    fn a_struct_takes_on_fields_that_readers_can_tell_apart() {
        let with = |before: &str, seen: &str| {
            let (before, seen) = (before.parse().unwrap(), seen.parse().unwrap());
            extended(&before, &seen).map(|now| now.to_string())
        };
        for (before, seen, now) in [
            ("struct<a: int64>", "struct<b: bool, a: string>", "struct<a: int64, b: bool>"),
            (
                "list<struct<a: struct<b: date>>>",
                "list<struct<a: struct<c: json>>>",
                "list<struct<a: struct<b: date, c: json>>>",
            ),
            ("int64", "string", "int64"),
            ("struct<a: json>", "json", "struct<a: json>"),
        ] {
            assert_eq!(with(before, seen).as_deref(), Some(now), "{before} {seen}");
        }
        assert_eq!(with("struct<a: int64>", "struct<A: int64>"), None);
    }

    #[test]
    fn a_partition_column_keeps_the_text_of_its_values() {
        let compare = |before: &str, now: &str| compare(&schema(&[before]), &schema(&[now]), &[0]);
        assert_eq!(compare("x: int32", "x: int64"), SchemaChange::Compatible);
        assert_eq!(compare("x: decimal(5,2)", "x: decimal(9,2)"), SchemaChange::Compatible);
        let SchemaChange::Refused(reasons) = compare("x: decimal(5,2)", "x: decimal(9,3)") else { panic!() };
        assert!(reasons[0].contains("its directories have decimal(5,2)"), "{reasons:?}");
    }

    #[test]
    fn two_schemas_are_shown_side_by_side_with_marks_where_they_differ() {
        let text = side_by_side(
            &schema(&["id: int64!", "n: int32", "old: date"]),
            &schema(&["id: int64!", "n: int8", "neu: json"]),
        );
        insta::assert_snapshot!(text, @r"
            column  table           config
            id      int64 not null  int64 not null
          * n       int32           int8
          * old     date            -
          * neu     -               json
        ");
    }
}
