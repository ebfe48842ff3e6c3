//! Properties: no input makes the decoder panic, and it agrees with arrow-json wherever both take a value.
//!
//! arrow-json takes values that our rules refuse or read otherwise. Those known are listed, and shown to be so, in
//! [`arrow_json_takes_what_our_rules_do_not_call_exact`]: 12.5 into an integer, large integers with an
//! exponent, decimals with digits too many, times finer
//! than microseconds, and binary as hexadecimal digits.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use proptest::prelude::*;

use super::*;
use crate::schema::ColumnType;

/// One column of each type, and of nested ones; `binary` in hexadecimal digits, as arrow-json reads it.
fn all_types() -> Vec<Column> {
    let scalars = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 decimal(10,2) decimal(38,9) string \
                   date time timestamp timestamp_naive";
    let nested = "list<int32>; list<list<string>>; struct<a: int8, b: list<bool>>; map<string, float64>; \
                  list<struct<a: timestamp, m: map<string, int64>>>";
    let types = scalars.split(' ').chain(nested.split("; "));
    let columns = types.enumerate().map(|(index, data_type)| column(&format!("c{index}: {data_type}")));
    columns.chain([formatted("hex: binary", Format::Hex)]).collect()
}

static ALL: LazyLock<Vec<Column>> = LazyLock::new(all_types);

/// These types, and those without a counterpart in arrow-json.
fn all_and_more() -> Vec<Column> {
    let more = ["j @ c0: json", "u @ c13: uuid", "b @ c13: binary", "p @ c20.b: string", "raw @ $: json"].map(column);
    let epoch = formatted("e @ c10: timestamp", Format::EpochMillis);
    let pattern = formatted("s @ c13: timestamp", Format::Strftime("%F %T%.f %z".into()));
    all_types().into_iter().chain(more).chain([epoch, pattern]).collect()
}

fn arrow_json(schema: &SchemaRef, record: &str) -> Option<RecordBatch> {
    let mut decoder = arrow_json::ReaderBuilder::new(Arc::clone(schema)).build_decoder().unwrap();
    let read = decoder.decode(record.as_bytes()).ok()?;
    assert_eq!(read, record.len());
    decoder.flush().ok()?
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        (-200..300).prop_map(|value: i32| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_filter("no JSON", |value| value.is_finite()).prop_map(|value| value.to_string()),
        any::<f32>().prop_filter("no JSON", |value| value.is_finite()).prop_map(|value| format!("{value:e}")),
        "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
    ]
}

fn moment() -> impl Strategy<Value = String> {
    prop_oneof![
        "(0001|19[0-9]{2}|20[0-9]{2}|9999)-[01][0-9]-[0-3][0-9]",
        "(19|20)[0-9]{2}-0[1-9]-[0-2][1-8][T ][012][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:?[03]0)?",
        "[012][0-9]:[0-5][0-9](:[0-5][0-9])?(\\.[0-9]{1,8})?",
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just("null".to_owned()),
        2 => any::<bool>().prop_map(|value| value.to_string()),
        4 => number(),
        2 => text(number()),
        3 => text(moment()),
        2 => text(any::<String>()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        let object = prop::collection::btree_map("[abm]|.{0,3}", inner.clone(), 0..4).prop_map(object);
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(", "))), object]
    })
}

fn text(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    value.prop_map(|text| serde_json::to_string(&text).unwrap())
}

fn object(fields: impl IntoIterator<Item = (String, String)>) -> String {
    let field = |(name, value)| format!("{}:{value}", serde_json::to_string(&name).unwrap());
    format!("{{{}}}", fields.into_iter().map(field).collect::<Vec<_>>().join(","))
}

/// Values of the shape of a type; most of them fit it.
fn fitting(data_type: &ColumnType) -> BoxedStrategy<String> {
    match data_type {
        ColumnType::Bool => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        ColumnType::String => text(any::<String>()).boxed(),
        ColumnType::Binary => text("([0-9a-fA-F]{2}){0,4}").boxed(),
        ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampNaive => {
            text(moment()).boxed()
        }
        ColumnType::List(item) => {
            prop::collection::vec(fitting(item), 0..4).prop_map(|items| format!("[{}]", items.join(", "))).boxed()
        }
        ColumnType::Map(value) => prop::collection::btree_map(".{0,3}", fitting(value), 0..4).prop_map(object).boxed(),
        ColumnType::Struct(fields) => {
            let values: Vec<_> = fields.iter().map(|field| prop::option::of(fitting(&field.data_type))).collect();
            let names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
            let name = move |(index, value): (usize, Option<String>)| Some((names[index].clone(), value?));
            values.prop_map(move |values| object(values.into_iter().enumerate().filter_map(&name))).boxed()
        }
        _ => prop_oneof![4 => number(), 1 => text(number()), 1 => Just("null".to_owned())].boxed(),
    }
}

/// A value for one of the columns of [`all_types`], and which.
fn column_value() -> impl Strategy<Value = (usize, String)> {
    let value = |index: usize| prop_oneof![6 => fitting(&ALL[index].data_type), 1 => value()];
    (0..ALL.len()).prop_flat_map(move |index| (Just(index), value(index)))
}

/// A record of some of the columns of [`all_types`].
fn record() -> impl Strategy<Value = String> {
    prop::collection::vec(column_value(), 0..8)
        .prop_map(|fields| object(fields.into_iter().map(|(index, value)| (ALL[index].name.clone(), value))))
}

/// One of every contract that differs in what it does.
static DECODERS: LazyLock<[Decoder; 4]> = LazyLock::new(|| {
    use ColumnsContract as Columns;
    use DataTypeContract as Types;
    [
        Contract::default(),
        contract(Columns::DiscardRow, Types::DiscardRow),
        contract(Columns::DiscardValue, Types::DiscardValue),
        contract(Columns::Freeze, Types::DiscardValue),
    ]
    .map(|contract| decoder(all_and_more(), contract))
});

/// Decodes under every contract, which checks what holds of every batch.
fn decode_anyhow(body: &[u8]) {
    if Document::parse(body.to_vec()).is_err() {
        return;
    }
    for decoder in DECODERS.iter() {
        let _ = decode(decoder, body);
    }
}

/// Returns true if the value contains a number that arrow-json reads as a double on its way to an integer, and is beyond what doubles
/// hold exactly.
fn goes_through_a_double(value: &str) -> bool {
    let document = Document::parse(value.into()).unwrap();
    let is_rounded = |text: &str| {
        text.contains(['.', 'e', 'E']) && text.parse().is_ok_and(|number: f64| number.abs() >= 2_f64.powi(53))
    };
    document.root().scalars().any(|scalar| scalar.string().is_ok_and(|text| is_rounded(&text)))
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        decode_anyhow(&bytes);
        decode_anyhow(&[b"[{\"c13\":\"".as_slice(), &bytes, b"\"}]"].concat());
        decode_anyhow(&[b"[{\"c2\":".as_slice(), &bytes, b"}]"].concat());
    }

    #[test]
    fn mutated_json_never_panics_and_every_record_is_a_row_or_a_reject(
        records in prop::collection::vec(record(), 0..5),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut body = format!("[{}]", records.join(",")).into_bytes();
        decode_anyhow(&body);
        for (place, byte) in mutations {
            let place = place.index(body.len());
            body[place] = byte;
        }
        decode_anyhow(&body);
    }

    #[test]
    fn where_arrow_json_takes_a_value_that_fits_we_build_the_same_array((index, value) in column_value()) {
        let name = &ALL[index].name;
        let record = format!("{{\"{name}\":{value}}}");
        let ours = decoder([ALL[index].clone()], DISCARD_ROW);
        let batch = decode(&ours, format!("[{record}]")).unwrap();
        let theirs = arrow_json(&ours.schema(), &record).filter(|_| !goes_through_a_double(&value));
        if let Some(theirs) = theirs && batch.rows_rejected == 0 {
            prop_assert_eq!(batch.rows, theirs, "{}", record);
        }
    }

    #[test]
    fn a_value_is_decoded_alike_whatever_stands_around_it(records in prop::collection::vec(record(), 1..6)) {
        let [.., decoder, _] = &*DECODERS;
        let together = decode(decoder, format!("[{}]", records.join(","))).unwrap();
        prop_assert_eq!(together.rows.num_rows(), records.len());
        for (place, record) in records.iter().enumerate() {
            let alone = decode(decoder, record.as_str()).unwrap();
            prop_assert_eq!(alone.rows, together.rows.slice(place, 1));
        }
    }
}

#[test]
fn we_and_arrow_json_take_the_usual_values_alike() {
    for (data_type, value) in [
        ("bool", "true"),
        ("int8", "-128"),
        ("int64", "\"12\""),
        ("uint64", "18446744073709551615"),
        ("float32", "0.1"),
        ("float64", "1e-5"),
        ("float64", "\"12\""),
        ("decimal(10,2)", "12.3"),
        ("decimal(10,2)", "\"-0.10\""),
        ("decimal(38,9)", "1.5e3"),
        ("string", "\"é\\n\""),
        ("date", "\"2025-03-04\""),
        ("time", "\"05:06:07.5\""),
        ("timestamp", "\"2025-03-04T05:06:07.123Z\""),
        ("timestamp", "\"2025-03-04 05:06:07+02:00\""),
        ("timestamp_naive", "\"2025-03-04T05:06:07\""),
        ("list<int32>", "[1, null]"),
        ("map<string, float64>", "{\"a\":1}"),
        ("struct<a: int8, b: list<bool>>", "{\"b\":[true],\"z\":1}"),
    ] {
        let decoder = decoder([column(&format!("v: {data_type}"))], Contract::default());
        let record = format!("{{\"v\":{value}}}");
        let theirs = arrow_json(&decoder.schema(), &record).unwrap_or_else(|| panic!("arrow-json refuses {record}"));
        assert_eq!(decode(&decoder, record.as_str()).unwrap().rows, theirs, "{data_type}: {value}");
    }
}

#[test]
fn arrow_json_takes_what_our_rules_do_not_call_exact() {
    for (data_type, value) in [
        ("int64", "12.5"),
        ("decimal(10,2)", "12.345"),
        ("timestamp", "\"2025-03-04T05:06:07.1234567Z\""),
        ("time", "\"05:06:07.1234567\""),
        ("float64", "9007199254740993"),
        ("timestamp", "1741064767"),
        ("date", "20151"),
    ] {
        let decoder = decoder([column(&format!("v: {data_type}"))], DISCARD_ROW);
        let record = format!("{{\"v\":{value}}}");
        assert!(arrow_json(&decoder.schema(), &record).is_some(), "{data_type}: {value}");
        assert_eq!(decode(&decoder, record.as_str()).unwrap().rows_rejected, 1, "{data_type}: {value}");
    }
    let exponent = decoder([column("v: int64")], DISCARD_ROW);
    let record = r#"{"v":100000000000.1E7}"#;
    let ours = decode(&exponent, record).unwrap().rows;
    assert_eq!(rows(&ours), serde_json::json!([{"v": 1_000_000_000_001_000_000_i64}]));
    assert_ne!(arrow_json(&exponent.schema(), record).unwrap(), ours, "read as a double");
    let decoder = decoder([column("v: binary")], DISCARD_ROW);
    let theirs = arrow_json(&decoder.schema(), r#"{"v":"abcd"}"#).unwrap();
    assert_ne!(decode(&decoder, r#"{"v":"abcd"}"#).unwrap().rows, theirs);
}
