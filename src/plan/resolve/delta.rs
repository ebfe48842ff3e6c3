//! What a Delta table cannot hold.
//!
//! Types: the Delta protocol's "Primitive Types" (no time of day, no unsigned integers). Names: without column mapping, the
//! characters ` ,;{}()\n\t=` are refused in columns and in the fields of structs by every writer.

use super::schema::Declared;
use crate::{
    config::Findings,
    schema::{Column, ColumnType},
};

const REFUSED: [char; 10] = [' ', ',', ';', '{', '}', '(', ')', '=', '\t', '\n'];

/// Whether the name of a column of a Delta table can have this in it.
pub fn is_letter(letter: char) -> bool {
    !REFUSED.contains(&letter)
}

fn is_name(name: &str) -> bool {
    !name.contains(REFUSED)
}

/// Reports every column that a Delta table cannot have, where it is declared.
pub fn check(declared: &Declared, findings: &mut Findings) {
    for (column, place) in declared.schema.columns.iter().zip(&declared.places) {
        if let Some((message, help)) = problem(column) {
            findings.error(place, message, Some(help));
        }
    }
}

fn problem(column: &Column) -> Option<(String, String)> {
    if let Some(name) = odd_name(&column.name, &column.data_type) {
        let message =
            format!("Delta tables cannot have the name `{name}`: none of ` ,;{{}}()=` may be in one, nor a tab");
        return Some((message, "give it another name, or use `table_format: parquet`".to_owned()));
    }
    let lacking = lacking(&column.data_type)?;
    let instead = match lacking {
        ColumnType::Time => "string",
        ColumnType::UInt8 => "int16",
        ColumnType::UInt16 => "int32",
        ColumnType::UInt32 => "int64",
        _ => "decimal(20,0)",
    };
    let message = format!("`{}` holds {lacking}, a type that Delta tables lack", column.name);
    Some((message, format!("use {instead}, or `table_format: parquet`")))
}

/// The first type in it that Delta has no type for.
fn lacking(data_type: &ColumnType) -> Option<&ColumnType> {
    match data_type {
        ColumnType::Time | ColumnType::UInt8 | ColumnType::UInt16 | ColumnType::UInt32 | ColumnType::UInt64 => {
            Some(data_type)
        }
        ColumnType::List(inner) | ColumnType::Map(inner) => lacking(inner),
        ColumnType::Struct(fields) => fields.iter().find_map(|field| lacking(&field.data_type)),
        _ => None,
    }
}

/// The first name in it that Delta refuses: the column's own or a field's.
fn odd_name<'a>(name: &'a str, data_type: &'a ColumnType) -> Option<&'a str> {
    if !is_name(name) {
        return Some(name);
    }
    match data_type.leaf() {
        ColumnType::Struct(fields) => fields.iter().find_map(|field| odd_name(&field.name, &field.data_type)),
        _ => None,
    }
}
