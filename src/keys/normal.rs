//! Values in a form in which equal ones have equal bytes, so that keys can be compared by them.
//!
//! ```text
//! -0.0, 0.0                      ─► 0.0
//! json   {"b":1,"a":2}           ─► {"a":2,"b":1,}
//! map    {b: 1, a: 2}            ─► {a: 2, b: 1}
//! ```
//!
//! Only comparisons see it: what is written stays as the API sent it.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, StringArray, StructArray, UInt32Array},
    buffer::OffsetBuffer,
    compute::take,
    datatypes::{Float32Type, Float64Type},
    error::ArrowError,
};

use crate::{
    json::Document,
    schema::{ColumnType, Field},
};

/// The values of a column of this type in their one form.
///
/// # Errors
/// An array that is not of the type.
pub fn normal(values: &ArrayRef, data_type: &ColumnType) -> Result<ArrayRef, ArrowError> {
    Ok(match data_type {
        _ if !has_forms(data_type) => Arc::clone(values),
        ColumnType::Float32 => {
            let floats = values.as_primitive_opt::<Float32Type>().ok_or_else(unlike)?;
            Arc::new(floats.unary::<_, Float32Type>(|value| value + 0.0)) as ArrayRef
        }
        ColumnType::Float64 => {
            let floats = values.as_primitive_opt::<Float64Type>().ok_or_else(unlike)?;
            Arc::new(floats.unary::<_, Float64Type>(|value| value + 0.0))
        }
        ColumnType::Json => {
            let texts = values.as_string_opt::<i32>().ok_or_else(unlike)?;
            Arc::new(texts.iter().map(|text| text.map(canonical)).collect::<StringArray>())
        }
        ColumnType::List(item) => {
            let list = values.as_list_opt::<i32>().ok_or_else(unlike)?;
            let (field, offsets, items, nulls) = list.clone().into_parts();
            Arc::new(ListArray::try_new(field, offsets, normal(&items, item)?, nulls)?)
        }
        ColumnType::Map(value) => Arc::new(normal_map(values.as_map_opt().ok_or_else(unlike)?, value)?),
        ColumnType::Struct(fields) => Arc::new(normal_struct(values.as_struct_opt().ok_or_else(unlike)?, fields)?),
        _ => Arc::clone(values),
    })
}

/// Returns true if equal values of the type may be stored in more than one form.
pub fn has_forms(data_type: &ColumnType) -> bool {
    match data_type {
        ColumnType::Float32 | ColumnType::Float64 | ColumnType::Json | ColumnType::Map(_) => true,
        ColumnType::List(inner) => has_forms(inner),
        ColumnType::Struct(fields) => fields.iter().any(|field| has_forms(&field.data_type)),
        _ => false,
    }
}

fn canonical(text: &str) -> String {
    let Ok(document) = Document::parse(text.as_bytes().to_vec()) else { return text.to_owned() };
    let mut bytes = Vec::with_capacity(text.len());
    document.root().write_canonical(&mut bytes);
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn normal_struct(object: &StructArray, fields: &[Field]) -> Result<StructArray, ArrowError> {
    let columns = object.columns().iter().zip(fields).map(|(values, field)| normal(values, &field.data_type));
    let columns = columns.collect::<Result<_, _>>()?;
    StructArray::try_new_with_length(object.fields().clone(), columns, object.nulls().cloned(), object.len())
}

/// The entries of each map in the order of their keys.
fn normal_map(map: &MapArray, value: &ColumnType) -> Result<MapArray, ArrowError> {
    let keys = map.keys().as_string_opt::<i32>().ok_or_else(unlike)?;
    let mut order: Vec<u32> = Vec::new();
    let mut lengths = Vec::with_capacity(map.len());
    for (row, span) in map.value_offsets().windows(2).enumerate() {
        let &[start, end] = span else { continue };
        let mut entries: Vec<u32> = if map.is_null(row) { Vec::new() } else { (start as u32..end as u32).collect() };
        entries.sort_by_key(|&entry| keys.value(entry as usize));
        lengths.push(entries.len());
        order.extend(entries);
    }
    let order = UInt32Array::from(order);
    let columns = vec![take(map.keys(), &order, None)?, normal(&take(map.values(), &order, None)?, value)?];
    let entries = StructArray::try_new(map.entries().fields().clone(), columns, None)?;
    let (field, _, _, nulls, is_sorted) = map.clone().into_parts();
    MapArray::try_new(field, OffsetBuffer::from_lengths(lengths), entries, nulls, is_sorted)
}

fn unlike() -> ArrowError {
    ArrowError::SchemaError("a column is not of the type that its schema says".to_owned())
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Float64Array, Int64Builder, MapBuilder, StringBuilder},
        util::display::array_value_to_string,
    };

    use super::*;

    fn shown(values: &ArrayRef, data_type: &str) -> Vec<String> {
        let normal = normal(values, &data_type.parse().unwrap()).unwrap();
        assert_eq!((normal.len(), normal.null_count()), (values.len(), values.null_count()));
        (0..normal.len()).map(|row| array_value_to_string(&normal, row).unwrap()).collect()
    }

    #[test]
    fn equal_values_have_one_form_at_any_depth() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(-0.0), Some(0.0), None, Some(-1.5)]));
        assert_eq!(shown(&floats, "float64"), ["0.0", "0.0", "", "-1.5"]);
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec![Some(r#"{"b":1,"a":2}"#), None, Some(r#"{"a":2, "b":1}"#)]));
        let found = shown(&texts, "json");
        assert!(found[0] == found[2] && shown(&texts, "string")[0] != shown(&texts, "string")[2], "{found:?}");
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        for keys in [&["b", "a"][..], &[], &["a", "b"]] {
            for key in keys {
                map.keys().append_value(key);
                map.values().append_value(i64::from(*key == "a"));
            }
            map.append(!keys.is_empty()).unwrap();
        }
        let map: ArrayRef = Arc::new(map.finish());
        assert_eq!(shown(&map, "map<string, int64>"), ["{a: 1, b: 0}", "", "{a: 1, b: 0}"]);
    }
}
