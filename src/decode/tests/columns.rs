//! The values of columns of each type.

use arrow::array::{Array, AsArray};
use serde_json::json;

use super::*;

/// The values of one column, each from one record's field `v`.
fn values(column: Column, values: &str) -> serde_json::Value {
    let records: Vec<_> = values.split(" | ").map(|value| format!("{{\"v\":{value}}}")).collect();
    let batch = decode(&decoder([column], Contract::default()), format!("[{}]", records.join(","))).unwrap();
    rows(&batch.rows).as_array().unwrap().iter().map(|row| row["v"].clone()).collect()
}

#[test]
fn every_scalar_type_reads_its_values_and_null() {
    for (data_type, given, expected) in [
        ("bool", "true | false | null", json!([true, false, null])),
        ("int8", "1 | \"2\" | 3.0 | null", json!([1, 2, 3, null])),
        ("int64", "9223372036854775807", json!([i64::MAX])),
        ("uint64", "18446744073709551615", json!([u64::MAX])),
        ("float32", "0.5 | 1 | \"2.5e0\"", json!([0.5, 1.0, 2.5])),
        ("float64", "0.1 | null", json!([0.1, null])),
        (
            "decimal(10,2)",
            "12.5 | \"0.10\" | -3",
            json!(["12.50", "0.10", "-3.00"].map(|text| text.parse::<f64>().unwrap())),
        ),
        ("wei", "99999999999999999999 | null", json!([1e20 - 1.0, null])),
        ("string", r#""a" | 1.50 | true | null | """#, json!(["a", "1.50", "true", null, ""])),
        ("binary", r#""aGk/" | null"#, json!(["68693f", null])),
        ("date", r#""2025-03-04" | null"#, json!(["2025-03-04", null])),
        ("time", r#""05:06:07.5" | null"#, json!(["05:06:07.500", null])),
        ("timestamp", r#""2025-03-04T05:06:07+01:00" | null"#, json!(["2025-03-04T04:06:07Z", null])),
        ("timestamp_naive", r#""2025-03-04 05:06:07""#, json!(["2025-03-04T05:06:07"])),
        ("json", r#"{"a": [1.0]} | "x" | 1.50 | null"#, json!([r#"{"a": [1.0]}"#, "\"x\"", "1.50", null])),
        ("uuid", r#""0190163D8694739BAEA5966C26F8AD91""#, json!(["0190163d-8694-739b-aea5-966c26f8ad91"])),
    ] {
        assert_eq!(values(column(&format!("v: {data_type}")), given), expected, "{data_type}");
    }
}

#[test]
fn a_format_says_how_values_are_written_in_lists_and_maps_too() {
    let day = Format::Strftime("%d/%m/%Y".into());
    assert_eq!(values(formatted("v: date", day.clone()), r#""04/03/2025""#), json!(["2025-03-04"]));
    let dates = values(formatted("v: list<date>", day.clone()), r#"["04/03/2025", null]"#);
    assert_eq!(dates, json!([["2025-03-04", null]]));
    let dates = values(formatted("v: map<string, date>", day), r#"{"a": "04/03/2025"}"#);
    assert_eq!(dates, json!([{"a": "2025-03-04"}]));
    assert_eq!(values(formatted("v: binary", Format::Hex), r#""00FF""#), json!(["00ff"]));
    let moment = json!(["2025-03-04T05:06:07Z"]);
    assert_eq!(values(formatted("v: timestamp", Format::EpochSeconds), "1741064767"), moment);
    assert_eq!(values(formatted("v: timestamp", Format::EpochMillis), "1741064767000"), moment);
    assert_eq!(values(formatted("v: timestamp", Format::EpochMicros), "1741064767000000"), moment);
}

#[test]
fn lists_structs_and_maps_nest_in_each_other_with_nulls_at_every_level() {
    let given = r#"[{"a":{"k":[1,null],"l":null}},null,{}] | [] | null | [{"a":{}}]"#;
    let expected = json!([[{"a": {"k": [1, null], "l": null}}, null, {"a": null}], [], null, [{"a": {}}]]);
    assert_eq!(values(column("v: list<struct<a: map<string, list<int8>>>>"), given), expected);
}

#[test]
fn a_struct_takes_the_fields_it_names_in_any_order_and_of_duplicates_the_last() {
    let given = r#"{"b":"x","a":1} | {"a":2,"z":0} | {"a":3,"b":"y","a":4} | null"#;
    let expected = json!([{"a": 1, "b": "x"}, {"a": 2, "b": null}, {"a": 4, "b": "y"}, null]);
    assert_eq!(values(column("v: struct<a: int8, b: string>"), given), expected);
}

#[test]
fn a_map_keeps_the_order_of_its_keys_and_of_duplicates_the_last() {
    let batch = |body: &str| decode(&decoder([column("v: map<string, int32>")], Contract::default()), body).unwrap();
    let keys = |batch: &Batch| -> Vec<String> {
        let map = batch.rows.column(0).as_map();
        map.keys().as_string::<i32>().iter().map(|key| key.unwrap().to_owned()).collect()
    };
    let few = batch(r#"[{"v":{"b":1,"a":2,"\u0062":3}}]"#);
    assert_eq!((keys(&few), rows(&few.rows)), (vec!["a".into(), "b".into()], json!([{"v": {"a": 2, "b": 3}}])));
    let entries: Vec<_> = (0..100).map(|index| format!("\"k{}\":{index}", index % 50)).collect();
    let many = batch(&format!("[{{\"v\":{{{}}}}}]", entries.join(",")));
    assert_eq!(keys(&many), (0..50).map(|index| format!("k{index}")).collect::<Vec<_>>());
    assert_eq!(rows(&many.rows)[0]["v"]["k7"], json!(57));
}

#[test]
fn a_map_with_a_key_that_is_no_text_does_not_fit_as_a_whole() {
    let decoder = decoder([column("v: map<string, int8>")], DISCARD_VALUE);
    let batch = decode(&decoder, r#"[{"v":{"a":1,"\ud800":2}},{"v":{"b":3}}]"#).unwrap();
    assert_eq!(rows(&batch.rows), json!([{"v": null}, {"v": {"b": 3}}]));
    assert_eq!(batch.rejects[0].reason, "it has a lone surrogate, which is no character");
}

#[test]
fn nested_types_refuse_values_of_another_shape() {
    for (data_type, value) in [("list<int8>", "{}"), ("struct<a: int8>", "[]"), ("map<string, int8>", "\"x\"")] {
        let decoder = decoder([column(&format!("v: {data_type}"))], DISCARD_VALUE);
        let batch = decode(&decoder, format!("[{{\"v\":{value}}},{{}}]")).unwrap();
        assert_eq!(rows(&batch.rows), json!([{"v": null}, {"v": null}]), "{data_type}");
        assert_eq!(batch.values_discarded, 1);
    }
}

#[test]
fn a_struct_without_fields_counts_its_rows() {
    let data_type = crate::schema::ColumnType::Struct(Vec::new());
    let decoder = decoder([Column { data_type, ..column("v: json") }], Contract::default());
    let batch = decode(&decoder, r#"[{"v":{"a":1}},{"v":null}]"#).unwrap();
    assert_eq!((batch.rows.num_rows(), batch.rows.column(0).null_count()), (2, 1));
}

#[test]
fn a_table_without_columns_counts_its_rows() {
    let batch = decode(&decoder([], DISCARD_ROW), r#"[{"a":1},{},7]"#).unwrap();
    assert_eq!((batch.rows.num_rows(), batch.rows_rejected), (2, 1));
}

#[test]
fn one_field_may_fill_several_columns_and_the_record_one_more() {
    let columns = [
        column("id: int64"),
        column("id_text @ id: string"),
        column("owner: struct<id: int64>"),
        column("email @ owner.email: string"),
        column("raw @ $: json"),
    ];
    let record = r#"{ "owner": {"email":"e","id":2}, "id":1 }"#;
    let batch = decode(&decoder(columns, Contract::default()), format!("[{record}]")).unwrap();
    let expected = json!([{"id": 1, "id_text": "1", "owner": {"id": 2}, "email": "e", "raw": record}]);
    assert_eq!(rows(&batch.rows), expected);
}

#[test]
fn a_key_with_a_dot_in_it_is_one_field() {
    let source = Source::Path(vec!["a.b".into()]);
    let batch = decode(&decoder([Column { source, ..column("v: int8") }], DISCARD_VALUE), r#"[{"a.b":1},{"a.b":"x"}]"#);
    let batch = batch.unwrap();
    assert_eq!((rows(&batch.rows), batch.rejects[0].path.as_str()), (json!([{"v": 1}, {"v": null}]), "$['a.b']"));
}

#[test]
fn a_value_in_another_charset_is_told_with_the_key_that_names_it() {
    let strict = contract(ColumnsContract::DiscardValue, DataTypeContract::Freeze);
    let error = decode(&decoder([column("a: string")], strict), b"[{\"a\":\"\xff\"}]".to_vec()).unwrap_err();
    assert!(crate::error::Failure::hint(&error).unwrap().contains("`encoding: windows-1252`"), "{error}");
}

#[test]
fn broken_utf8_is_a_mismatch_of_its_value_and_not_of_the_page() {
    let decoder = decoder([column("a: string"), column("b: string")], DISCARD_VALUE);
    let batch = decode(&decoder, b"[{\"a\":\"\xff\",\"b\":\"x\"},{\"a\":\"\xc3\xa9\",\"\xfe\":1}]".to_vec()).unwrap();
    assert_eq!(rows(&batch.rows), json!([{"a": null, "b": "x"}, {"a": "é", "b": null}]));
    assert_eq!(batch.rejects[0].found, "\"\u{fffd}\"");
    assert_eq!(batch.rejects[0].row, json!("{\"a\":\"\u{fffd}\",\"b\":\"x\"}"));
}
