//! Pages: JSON to typed batches.
//!
//! ```text
//! byte 0: which column   the rest: a page, an array of records or one record
//! ```
//!
//! | compared | with | where |
//! |---|---|---|
//! | document | `serde_json::Value` | all of what serde_json takes; the other way round where every name and scalar alone is JSON |
//! | row of a column | arrow-json's row | both take the record, and it has none of what arrow-json reads otherwise: [`compare_with_arrow`] |
//! | row of a column | the value as serde_json and chrono read it | [`agrees`] |
//! | rejects | values that are of the column's type beyond doubt | [`has_to_fit`]: such a record is a row |
//! | inferred columns | the page that they were inferred from | names and scalars are JSON: all records are rows, values are [`agrees`] |

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        SchemaRef, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use chrono::{DateTime, NaiveDate};
use serde_json::Value;

use crate::{
    decode::Decoder,
    json::{Document, Kind, Node},
    model::{Batch, Page},
    plan::{TableFormatKind, inference::limits},
    schema::{Column, ColumnType, Contract, DataTypeContract, Format, Naming, Observed, Source, TableSchema},
};

/// Types of the column `v`, by the first byte of the input.
const TYPES: [&str; 26] = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "decimal(10,2)",
    "decimal(38,9)",
    "string",
    "date",
    "time",
    "timestamp",
    "timestamp_naive",
    "json",
    "uuid",
    "list<int32>",
    "list<list<string>>",
    "struct<a: int8, b: list<bool>, v: struct<a: string>>",
    "map<string, float64>",
    "list<struct<a: timestamp, v: map<string, int64>>>",
    "decimal(38,0)",
];

/// serde_json's limit.
const DEEPEST: usize = 127;

/// Records that are compared; the others are decoded.
const MOST_RECORDS: usize = 8;

struct Case {
    column: Column,
    decoder: Decoder,
    /// Whether arrow-json reads the type as text of the same form.
    is_known_to_arrow: bool,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let plain = TYPES.iter().filter_map(|text| case(text, None));
    let formats = [
        ("timestamp", Format::EpochSeconds),
        ("timestamp", Format::EpochMillis),
        ("timestamp", Format::Strftime("%F %T%.f %z".into())),
        ("date", Format::Strftime("%d/%m/%Y".into())),
        ("binary", Format::Hex),
    ];
    let formatted = formats.into_iter().filter_map(|(text, format)| case(text, Some(format)));
    plain.chain(case("binary", None)).chain(formatted).collect()
});

fn case(data_type: &str, format: Option<Format>) -> Option<Case> {
    let has_format = format.is_some();
    let column = Column {
        name: "v".to_owned(),
        source: Source::Path(vec!["v".to_owned()]),
        data_type: data_type.parse().ok()?,
        nullable: true,
        format,
    };
    let contract = Contract { data_type: DataTypeContract::DiscardRow, ..Contract::default() };
    let decoder = Decoder::new("r", &TableSchema { columns: vec![column.clone()] }, contract, &[]).ok()?;
    let is_binary = column.data_type == ColumnType::Binary;
    let is_text = matches!(column.data_type, ColumnType::Json | ColumnType::Uuid);
    Some(Case { column, decoder, is_known_to_arrow: is_binary == has_format && !is_text })
}

/// Checks a page.
pub fn page(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let document = Document::parse(body.to_vec());
    compare_with_serde(body, document.as_ref().ok());
    let Ok(document) = document else { return };
    let page = page_of(document);
    let root = page.document.root();
    let records: Vec<_> = if root.kind() == Kind::Array { root.items().collect() } else { vec![root] };
    let Some(case) = CASES.get(usize::from(first) % CASES.len()) else { return };
    check_case(case, &page, &records);
    check_inferred(&page, &records);
}

fn page_of(document: Document) -> Page {
    let root = document.root();
    let count = if root.kind() == Kind::Array { root.items().count() as u64 } else { 1 };
    let records = Some(root.index());
    Page::new(1, Arc::new(document), records, count)
}

/// What holds of every batch. Returns, for each record, whether it is a row.
fn check_batch(batch: &Batch, records: usize, schema: &SchemaRef) -> Vec<bool> {
    assert_eq!(batch.rows.schema_ref(), schema);
    assert_eq!(batch.rows_fetched, records as u64);
    assert_eq!(batch.rows.num_rows() as u64 + batch.rows_rejected, batch.rows_fetched);
    assert_eq!(batch.rejects.len() as u64, batch.rows_rejected + batch.values_discarded);
    let mut is_row = vec![true; records];
    for reject in &batch.rejects {
        let place = usize::try_from(reject.record).ok().and_then(|number| is_row.get_mut(number.checked_sub(1)?));
        assert!(place.is_some_and(std::mem::take), "{reject:?}");
    }
    is_row
}

fn check_case(case: &Case, page: &Page, records: &[Node<'_>]) {
    let decoded = case.decoder.decode(page);
    assert!(decoded.is_ok(), "{decoded:?}");
    let Ok(batch) = decoded else { return };
    let is_row = check_batch(&batch, records.len(), &case.decoder.schema());
    let mut row = 0;
    for (record, is_row) in records.iter().zip(is_row).take(MOST_RECORDS) {
        let value = record.get("v");
        if is_row {
            let rows = batch.rows.slice(row, 1);
            row += 1;
            let shown = || format!("{}: {record:?} became {rows:?}", case.column.data_type);
            assert!(record.kind() == Kind::Object, "{}", shown());
            let is_plain = case.column.format.is_none();
            assert!(!is_plain || agrees(rows.column(0), 0, value, &case.column.data_type), "{}", shown());
            compare_with_arrow(case, *record, &rows);
        } else {
            let fits = record.kind() == Kind::Object && case.column.format.is_none();
            let fits = fits && value.is_none_or(|value| has_to_fit(value, &case.column.data_type));
            assert!(!fits, "{}: {record:?}", case.column.data_type);
        }
    }
}

/// Every column of a page that is inferred from it holds what is in the page.
fn check_inferred(page: &Page, records: &[Node<'_>]) {
    let mut observed = Observed::default();
    records.iter().for_each(|record| observed.add(*record));
    let Ok(schema) = observed.columns(&limits(Naming::default(), TableFormatKind::Parquet)) else { return };
    let decoder = Decoder::new("r", &schema, Contract::default(), &[]);
    assert!(decoder.is_ok(), "{decoder:?}");
    let Ok(decoder) = decoder else { return };
    let decoded = decoder.decode(page);
    let is_sound = records.iter().all(|record| record.kind() == Kind::Object) && is_sound(page.document.root());
    assert!(decoded.is_ok() || !is_sound, "{schema:?} {decoded:?}");
    let Ok(batch) = decoded else { return };
    check_batch(&batch, records.len(), &decoder.schema());
    for (row, record) in records.iter().enumerate().take(MOST_RECORDS) {
        for (column, array) in schema.columns.iter().zip(batch.rows.columns()) {
            let (Source::Evolved(key) | Source::Unseen(key)) = &column.source else { continue };
            let is_same = agrees(array, row, record.get(key), &column.data_type);
            assert!(is_same, "{key}: {}: {record:?} became {:?}", column.data_type, array.slice(row, 1));
        }
    }
}

// ---- serde_json

/// serde_json and the scan take the same text, but for what the scan leaves to the decoder: scalars and names.
fn compare_with_serde(body: &[u8], document: Option<&Document>) {
    let value = serde_json::from_slice::<Value>(body);
    if let Ok(value) = &value {
        assert!(document.is_some_and(|document| is_same(document.root(), value)), "{value}");
        assert!(document.is_none_or(|document| document.broken_name().is_none()));
    } else if let Some(document) = document {
        let has_mark = body.starts_with(b"\xef\xbb\xbf");
        assert!(has_mark || !is_sound(document.root()) || depth(body) > DEEPEST, "{value:?}");
    }
}

/// Whether all names and scalars below a value, taken alone, are JSON.
fn is_sound(node: Node<'_>) -> bool {
    node.scalars().all(|scalar| serde_json::from_slice::<Value>(scalar.raw()).is_ok())
}

/// An upper bound.
fn depth(body: &[u8]) -> usize {
    body.iter().filter(|byte| b"[{".contains(byte)).count()
}

fn is_same(node: Node<'_>, value: &Value) -> bool {
    match value {
        Value::Null => node.kind() == Kind::Null,
        Value::Bool(value) => node.kind() == Kind::Bool(*value),
        Value::Number(number) => node.kind() == Kind::Number && is_same_number(node.raw(), number),
        Value::String(text) => node.kind() == Kind::String && node.string().is_ok_and(|ours| ours == text.as_str()),
        Value::Array(items) => {
            node.kind() == Kind::Array
                && node.items().count() == items.len()
                && node.items().zip(items).all(|(node, value)| is_same(node, value))
        }
        Value::Object(fields) => {
            node.kind() == Kind::Object
                && node.fields().all(|(key, _)| key.text().is_ok_and(|key| fields.contains_key(&*key)))
                && fields.iter().all(|(key, value)| node.get(key).is_some_and(|node| is_same(node, value)))
        }
    }
}

fn is_same_number(raw: &[u8], number: &serde_json::Number) -> bool {
    let Ok(text) = std::str::from_utf8(raw) else { return false };
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(value), ..) => text.parse() == Ok(value),
        (_, Some(value), _) => text.parse() == Ok(value),
        (.., value) => text.parse().is_ok_and(|ours| value.is_some_and(|value| is_near(ours, value))),
    }
}

/// serde_json's doubles may be beside the nearest one.
fn is_near(ours: f64, theirs: f64) -> bool {
    ours.to_bits().abs_diff(theirs.to_bits()) <= 2
}

// ---- arrow-json

fn compare_with_arrow(case: &Case, record: Node<'_>, ours: &RecordBatch) {
    let is_read_otherwise = |value| is_rounded_by_arrow(value) || has_repeated_names(value) || has_far_escapes(value);
    if !case.is_known_to_arrow || record.get("v").is_some_and(is_read_otherwise) {
        return;
    }
    let Some(theirs) = read_with_arrow(&case.decoder.schema(), record.raw()) else { return };
    assert_eq!(*ours, theirs, "{}: {record:?}", case.column.data_type);
}

/// One record, if arrow-json takes it.
fn read_with_arrow(schema: &SchemaRef, record: &[u8]) -> Option<RecordBatch> {
    let mut decoder = arrow_json::ReaderBuilder::new(Arc::clone(schema)).build_decoder().ok()?;
    let read = decoder.decode(record).ok()?;
    if read < record.len() { None } else { decoder.flush().ok()? }
}

/// Whether an object in the value has a name twice: arrow-json's maps then have it twice, too.
fn has_repeated_names(value: Node<'_>) -> bool {
    let mut names: Vec<_> = value.fields().filter_map(|(key, _)| key.text().ok()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() < count || value.fields().map(|(_, value)| value).chain(value.items()).any(has_repeated_names)
}

/// Whether a text has a pair of escapes for a character from U+20000 on, which arrow-json takes for another one.
fn has_far_escapes(value: Node<'_>) -> bool {
    value.scalars().any(|scalar| {
        scalar.raw().contains(&b'\\') && scalar.string().is_ok_and(|text| text.chars().any(|c| c >= '\u{20000}'))
    })
}

/// Whether arrow-json reads a number in the value as a double on its way to an integer, and a double does not hold it.
fn is_rounded_by_arrow(value: Node<'_>) -> bool {
    let is_rounded = |text: &str| {
        text.contains(['.', 'e', 'E']) && text.parse().is_ok_and(|number: f64| number.abs() >= 2_f64.powi(53))
    };
    value.scalars().any(|scalar| scalar.string().is_ok_and(|text| is_rounded(&text)))
}

// ---- the value itself

/// Whether a value is of a type beyond doubt: written as most APIs write it.
fn has_to_fit(value: Node<'_>, data_type: &ColumnType) -> bool {
    if value.kind() == Kind::Null {
        return true;
    }
    let json = serde_json::from_slice::<Value>(value.raw()).unwrap_or_default();
    let int = || json.as_i64();
    match (data_type, &json) {
        (_, Value::Null) => false,
        (ColumnType::Bool, Value::Bool(_)) | (ColumnType::String, Value::String(_) | Value::Bool(_)) => true,
        (ColumnType::String | ColumnType::Json, Value::Number(_)) => true,
        (ColumnType::Json, _) => is_sound(value),
        (ColumnType::Int8, _) => int().is_some_and(|value| i8::try_from(value).is_ok()),
        (ColumnType::Int16, _) => int().is_some_and(|value| i16::try_from(value).is_ok()),
        (ColumnType::Int32, _) => int().is_some_and(|value| i32::try_from(value).is_ok()),
        (ColumnType::Int64, _) => int().is_some(),
        (ColumnType::UInt8, _) => int().is_some_and(|value| u8::try_from(value).is_ok()),
        (ColumnType::UInt16, _) => int().is_some_and(|value| u16::try_from(value).is_ok()),
        (ColumnType::UInt32, _) => int().is_some_and(|value| u32::try_from(value).is_ok()),
        (ColumnType::UInt64, _) => json.as_u64().is_some(),
        // Integers beyond 64 bits are doubles to serde_json.
        (ColumnType::Float64, Value::Number(_)) => {
            memchr::memchr3(b'.', b'e', b'E', value.raw()).is_some() || int().is_some_and(is_exact)
        }
        (ColumnType::Date, Value::String(text)) => is_padded(text) && naive_date(text).is_some(),
        (ColumnType::Timestamp, Value::String(text)) => {
            has_four_digits(text) && has_nanoseconds(text) && micros(text).is_some()
        }
        (ColumnType::List(item), Value::Array(_)) => value.items().all(|value| has_to_fit(value, item)),
        (ColumnType::Map(item), Value::Object(_)) => value.fields().all(|(_, value)| has_to_fit(value, item)),
        (ColumnType::Struct(fields), Value::Object(_)) => fields.iter().all(|field| {
            let value = value.get(&field.name);
            value.is_none_or(|value| has_to_fit(value, &field.data_type))
        }),
        _ => false,
    }
}

fn is_exact(value: i64) -> bool {
    value.unsigned_abs() <= 1 << 53
}

/// chrono takes years with a sign and more digits, and the year 0.
fn has_four_digits(text: &str) -> bool {
    text.get(..5).is_some_and(|year| year != "0000-" && year.bytes().take(4).all(|byte| byte.is_ascii_digit()))
}

/// chrono reads the first nine digits of a fraction.
fn has_nanoseconds(text: &str) -> bool {
    let digits = text.split_once('.').map_or("", |(_, fraction)| fraction);
    digits.bytes().take_while(u8::is_ascii_digit).count() <= 9
}

/// chrono takes `2025-3-4` and `2025- 3- 4` too.
fn is_padded(text: &str) -> bool {
    text.len() == 10 && has_four_digits(text) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn naive_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// The microseconds of a moment of RFC 3339 that is no leap second and is within the years that Parquet's readers have.
fn micros(text: &str) -> Option<i64> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    let nanos = moment.timestamp_subsec_nanos();
    let has_year = (1..=9999).contains(&chrono::Datelike::year(&moment));
    (has_year && nanos < 1_000_000_000 && nanos.is_multiple_of(1_000)).then(|| moment.timestamp_micros())
}

/// Whether what was decoded is the value, as far as serde_json and chrono can tell.
fn agrees(array: &ArrayRef, row: usize, value: Option<Node<'_>>, data_type: &ColumnType) -> bool {
    let Some(value) = value.filter(|value| value.kind() != Kind::Null) else { return array.is_null(row) };
    if array.is_null(row) {
        return false;
    }
    let text = || value.string().unwrap_or_default();
    match data_type {
        ColumnType::Bool => value.kind() == Kind::Bool(array.as_boolean().value(row)),
        ColumnType::String => array.as_string::<i32>().value(row) == text(),
        ColumnType::Uuid => same_digits(array.as_string::<i32>().value(row), &text()),
        ColumnType::Json => is_same_json(array.as_string::<i32>().value(row), value),
        ColumnType::Float64 => {
            text().parse().is_ok_and(|value: f64| is_same_double(value, array.as_primitive::<Float64Type>().value(row)))
        }
        ColumnType::Float32 => text().parse().is_ok_and(|value: f32| {
            is_same_double(value.into(), array.as_primitive::<Float32Type>().value(row).into())
        }),
        ColumnType::Decimal { scale, .. } => {
            is_decimal(&text(), array.as_primitive::<Decimal128Type>().value(row), *scale)
        }
        ColumnType::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            naive_date(&text()).is_none_or(|date| {
                i64::from(days) * 86_400 == date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()
            })
        }
        ColumnType::Timestamp => {
            let read = array.as_primitive::<TimestampMicrosecondType>().value(row);
            value.kind() == Kind::String && micros(&text()).is_none_or(|micros| micros == read)
        }
        ColumnType::TimestampNaive | ColumnType::Time | ColumnType::Binary => value.kind() == Kind::String,
        ColumnType::List(item) => {
            let items = array.as_list::<i32>().value(row);
            value.kind() == Kind::Array
                && value.items().count() == items.len()
                && value.items().enumerate().all(|(row, value)| agrees(&items, row, Some(value), item))
        }
        ColumnType::Struct(fields) => {
            let columns = array.as_struct().columns();
            value.kind() == Kind::Object
                && fields
                    .iter()
                    .zip(columns)
                    .all(|(field, array)| agrees(array, row, value.get(&field.name), &field.data_type))
        }
        ColumnType::Map(item) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
            value.kind() == Kind::Object
                && keys.iter().flatten().enumerate().all(|(row, key)| agrees(values, row, value.get(key), item))
                && value
                    .fields()
                    .all(|(key, _)| key.text().is_ok_and(|key| keys.iter().flatten().any(|known| known == key)))
        }
        _ => whole(array, row).is_some_and(|whole| is_decimal(&text(), whole, 0)),
    }
}

fn whole(array: &ArrayRef, row: usize) -> Option<i128> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        _ => return None,
    })
}

/// Infinity and NaN may come as texts.
fn is_same_double(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

/// Whether `units` of `10^-scale` are the number: exactly where it has no exponent, else as far as doubles go.
fn is_decimal(text: &str, units: i128, scale: u8) -> bool {
    if text.contains(['e', 'E']) {
        let number: f64 = text.parse().unwrap_or(f64::NAN);
        let ours = units as f64 / 10_f64.powi(scale.into());
        return (number - ours).abs() <= number.abs() * 1e-12;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.trim_end_matches('0');
    let scale = usize::from(scale);
    digits.len() <= scale && format!("{whole}{digits:0<scale$}").parse() == Ok(units)
}

/// Hyphens and case of a UUID may differ.
fn same_digits(a: &str, b: &str) -> bool {
    let digits = |text: &str| text.replace('-', "").to_ascii_lowercase();
    digits(a) == digits(b)
}

/// The text of a `json` column is JSON, and of the same value.
fn is_same_json(text: &str, value: Node<'_>) -> bool {
    match serde_json::from_str::<Value>(text) {
        Ok(text) => is_same(value, &text),
        // Numbers beyond doubles, and depth.
        Err(_) => Document::parse(text.into()).is_ok_and(|text| canonical(text.root()) == canonical(value)),
    }
}

fn canonical(node: Node<'_>) -> Vec<u8> {
    let mut form = Vec::new();
    node.write_canonical(&mut form);
    form
}
