//! The handling of mismatches.

use serde_json::json;

use super::*;
use crate::error::{ErrorKind, Failure};

fn mismatch(columns: impl IntoIterator<Item = Column>, body: &str) -> DecodeError {
    decode(&decoder(columns, Contract::default()), body).unwrap_err()
}

fn paths(batch: &Batch) -> Vec<(&str, u64)> {
    batch.rejects.iter().map(|reject| (reject.path.as_str(), reject.record)).collect()
}

#[test]
fn freeze_names_resource_page_record_column_path_value_type_and_reason() {
    let columns = [column("id: int64"), column("estimate @ plan.minutes: decimal(10,2)")];
    let error = mismatch(columns, r#"[{"id":1},{"id":2,"plan":{"minutes":12.345}}]"#);
    assert_eq!(
        error.to_string(),
        "resource `cases`, page 3, record 2, column `estimate`: 12.345 at `plan.minutes` does not fit decimal(10,2): it has \
         non-zero digits beyond 2 after the point"
    );
    assert_eq!((error.kind(), error.code()), (ErrorKind::User, "data_mismatch"));
    assert!(error.hint().unwrap().contains("schema_contract"));
}

#[test]
fn discard_row_rejects_the_row_once_and_keeps_the_others() {
    let decoder = decoder([column("a: int8"), column("b: list<int8>")], DISCARD_ROW);
    let batch = decode(&decoder, r#"[{"a":1,"b":[1]},{"a":"x","b":["y","z"]},{"a":2,"b":null},{"b":[300]}]"#).unwrap();
    assert_eq!(rows(&batch.rows), json!([{"a": 1, "b": [1]}, {"a": 2, "b": null}]));
    assert_eq!(paths(&batch), [("a", 2), ("b[0]", 4)]);
    let first = &batch.rejects[0];
    assert_eq!((first.resource.as_str(), first.page, first.column.as_str()), ("cases", 3, "a"));
    assert_eq!((first.expected.as_str(), first.found.as_str()), ("int8", "\"x\""));
    assert_eq!(first.reason, "it is not a number as JSON writes numbers");
    assert_eq!(first.row, json!({"a": "x", "b": ["y", "z"]}));
    assert_eq!((batch.rows_rejected, batch.values_discarded), (2, 0));
}

#[test]
fn discard_value_makes_the_innermost_value_null_and_tells_each() {
    let steps = column("steps: list<struct<position: int32, tags: map<string, int8>>>");
    let body = r#"[{"steps":[{"position":1,"tags":{"a":1,"b.c":"x"}},7,{"position":"one"}]}]"#;
    let batch = decode(&decoder([steps], DISCARD_VALUE), body).unwrap();
    let expected = json!([{"steps": [
        {"position": 1, "tags": {"a": 1, "b.c": null}}, null, {"position": null, "tags": null},
    ]}]);
    assert_eq!(rows(&batch.rows), expected);
    assert_eq!(paths(&batch), [("steps[0].tags['b.c']", 1), ("steps[1]", 1), ("steps[2].position", 1)]);
    let types: Vec<_> = batch.rejects.iter().map(|reject| reject.expected.as_str()).collect();
    assert_eq!(types, ["int8", "struct<position: int32, tags: map<string, int8>>", "int32"]);
    assert_eq!((batch.rows_rejected, batch.values_discarded), (0, 3));
}

#[test]
fn records_that_were_taken_out_count_as_filtered_and_leave_the_others_their_numbers() {
    let numbers = Some([2, 5].into());
    let sifted = Page { filtered: 3, numbers, ..page(r#"[{"a":1},{"a":"x"}]"#) };
    let batch = decoder([column("a: int8")], DISCARD_ROW).decode(&sifted).unwrap();
    assert_eq!((batch.rows_fetched, batch.rows_filtered, batch.rows_rejected), (5, 3, 1));
    assert_eq!(paths(&batch), [("a", 5)]);
}

#[test]
fn a_null_in_a_required_column_is_a_mismatch_of_the_row() {
    for contract in [DISCARD_ROW, DISCARD_VALUE] {
        let decoder = decoder([required("id: int64"), column("n: int8")], contract);
        let batch = decode(&decoder, r#"[{"id":null},{"n":1},{"id":7,"n":null},{"id":"x","n":"y"}]"#).unwrap();
        assert_eq!(rows(&batch.rows), json!([{"id": 7, "n": null}]));
        assert_eq!(paths(&batch), [("id", 1), ("id", 2), ("id", 4)], "one reject a row, the one that rejects it");
        assert_eq!(batch.rejects[0].found, "null");
        assert_eq!(batch.rejects[1].reason, "the column is a key or not nullable");
        assert_eq!(batch.rejects[2].found, "\"x\"");
    }
    let error = mismatch([required("id: int64")], r#"[{"id":null}]"#);
    assert!(error.to_string().contains("record 1, column `id`: null at `id` does not fit int64"), "{error}");
}

#[test]
fn a_key_column_is_required_though_it_is_declared_nullable() {
    let schema = TableSchema { columns: vec![column("id: int64"), column("n: int64")] };
    let decoder = Decoder::new("cases", &schema, DISCARD_VALUE, &[0]).unwrap();
    assert!(decoder.schema().field(0).is_nullable());
    let batch = decode(&decoder, r#"[{"id":null,"n":1},{"id":1,"n":null}]"#).unwrap();
    assert_eq!(rows(&batch.rows), json!([{"id": 1, "n": null}]));
    let error = Decoder::new("cases", &schema, DISCARD_VALUE, &[2]).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Bug, "no_such_column"));
}

#[test]
fn a_bad_value_in_the_depth_of_a_required_column_can_become_null() {
    let decoder = decoder([required("n: list<int8>")], DISCARD_VALUE);
    let batch = decode(&decoder, r#"[{"n":[1,"x"]},{"n":"x"}]"#).unwrap();
    assert_eq!(rows(&batch.rows), json!([{"n": [1, null]}]));
    assert_eq!((batch.rows_rejected, batch.values_discarded), (1, 1));
}

#[test]
fn a_record_that_is_no_object_is_rejected_whatever_else_may_be_discarded() {
    for contract in [DISCARD_ROW, DISCARD_VALUE] {
        let batch = decode(&decoder([column("a: int8")], contract), r#"[1,{"a":1},null,[{"a":2}],"x",NaN]"#).unwrap();
        assert_eq!(rows(&batch.rows), json!([{"a": 1}]));
        assert_eq!(paths(&batch), [("$", 1), ("$", 3), ("$", 4), ("$", 5), ("$", 6)]);
        assert_eq!((batch.rejects[0].expected.as_str(), batch.rejects[0].column.as_str()), ("object", "$"));
        assert_eq!(batch.rejects[4].row, json!("NaN"));
    }
    let error = mismatch([column("a: int8")], "[[]]");
    assert!(error.to_string().ends_with("column `$`: [] at `$` does not fit object: a record is an object"), "{error}");
    assert!(error.hint().unwrap().contains("data_selector"));
}

#[test]
fn undeclared_fields_are_ignored_rejected_or_stop_the_run_as_the_contract_for_columns_says() {
    let decode_with = |columns| {
        let contract = contract(columns, DataTypeContract::Freeze);
        let columns = [column("a: int8"), column("b @ o.b: int8"), column("raw @ $: json")];
        decode(&decoder(columns, contract), r#"[{"a":1},{"a":2,"extra":[3]},{"o":{"b":3,"deep":4}},{"extra":null}]"#)
    };
    assert_eq!(decode_with(ColumnsContract::DiscardValue).unwrap().rows.num_rows(), 4);
    let batch = decode_with(ColumnsContract::DiscardRow).unwrap();
    assert_eq!((batch.rows.num_rows(), paths(&batch)), (3, vec![("extra", 2)]));
    let reject = &batch.rejects[0];
    assert_eq!((reject.expected.as_str(), reject.column.as_str()), ("no such column", "extra"));
    let error = decode_with(ColumnsContract::Freeze).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::User, "undeclared_field"));
    assert_eq!(
        error.to_string(),
        "resource `cases`, page 3, record 2: the schema declares no column for the field `extra`, which holds [3]"
    );
}

#[test]
fn the_contracts_for_columns_and_types_rule_side_by_side() {
    let body = r#"[{"a":"x","extra":1},{"a":"x"},{"a":1}]"#;
    let discard = contract(ColumnsContract::DiscardRow, DataTypeContract::DiscardValue);
    let batch = decode(&decoder([column("a: int8")], discard), body).unwrap();
    assert_eq!((rows(&batch.rows), paths(&batch)), (json!([{"a": null}, {"a": 1}]), vec![("extra", 1), ("a", 2)]));
    let freeze = contract(ColumnsContract::DiscardRow, DataTypeContract::Freeze);
    let error = decode(&decoder([column("a: int8")], freeze), body).unwrap_err();
    assert_eq!(error.code(), "data_mismatch", "what fails the run outranks what takes the row out");
}

#[test]
fn a_path_that_goes_through_no_object_is_a_mismatch_at_the_place_where_it_ends() {
    let columns = || [column("email @ owner.contact.email: string")];
    let body = r#"[{"owner":{"contact":"bob"}},{"owner":null},{"owner":[]},{"owner":{"contact":{"email":"e"}}}]"#;
    let batch = decode(&decoder(columns(), DISCARD_VALUE), body).unwrap();
    assert_eq!(rows(&batch.rows), json!([{"email": null}, {"email": null}, {"email": null}, {"email": "e"}]));
    assert_eq!(paths(&batch), [("owner.contact", 1), ("owner", 3)]);
    let row = &decode(&decoder(columns(), DISCARD_ROW), body).unwrap();
    assert_eq!((row.rows.num_rows(), row.rejects[0].column.as_str()), (2, "email"));
}

#[test]
fn a_reject_keeps_the_record_as_text_where_json_would_change_it() {
    let batch = decode(
        &decoder([column("a: int8")], DISCARD_VALUE),
        r#"[{"a":"x","n":18446744073709551617},{"a":"x","n":NaN},{"a":"x","n":1.50}]"#,
    );
    let found: Vec<_> = batch.unwrap().rejects.into_iter().map(|reject| reject.row).collect();
    let expected =
        [json!(r#"{"a":"x","n":18446744073709551617}"#), json!(r#"{"a":"x","n":NaN}"#), json!({"a": "x", "n": 1.5})];
    assert_eq!(found, expected);
}

#[test]
fn a_record_of_very_many_bad_values_is_not_kept_as_many_times() {
    let body = format!("[{{\"n\":[{}\"x\"]}}]", "\"x\",".repeat(999));
    let batch = decode(&decoder([column("n: list<int8>")], DISCARD_VALUE), body).unwrap();
    assert_eq!(batch.values_discarded, 1_000);
    assert_eq!(batch.rejects.iter().filter(|reject| !reject.row.is_null()).count(), 16);
    assert_eq!(batch.rejects[999].path, "n[999]");
}

#[test]
fn a_page_without_records_has_no_rows_and_an_object_is_one_record() {
    let decoder = decoder([column("a: int8")], Contract::default());
    let nothing = decoder.decode(&Page { records: None, ..page("{}") }).unwrap();
    assert_eq!((nothing.rows.num_rows(), nothing.rows_fetched), (0, 0));
    assert_eq!(nothing.rows.schema(), decoder.schema());
    assert_eq!(decode(&decoder, "[]").unwrap().rows.num_rows(), 0);
    assert_eq!(rows(&decode(&decoder, r#"{"a":1}"#).unwrap().rows), json!([{"a": 1}]));
}

#[test]
fn records_below_the_page_root_are_found_by_their_index() {
    let document = Document::parse(br#"{"data":{"items":[{"a":1},{"a":2}]},"total":2}"#.to_vec()).unwrap();
    let items = "data.items".parse::<Selector>().unwrap().find(document.root()).unwrap().index();
    let records = Some(items);
    let page = Page::new(1, Arc::new(document), records, 2);
    let batch = decoder([column("a: int8")], Contract::default()).decode(&page).unwrap();
    assert_eq!(rows(&batch.rows), json!([{"a": 1}, {"a": 2}]));
}

#[test]
fn a_wrong_count_of_records_changes_nothing() {
    let decoder = decoder([column("a: string")], Contract::default());
    for count in [0, 1, u64::MAX] {
        let batch = decoder.decode(&Page { count, ..page(r#"[{"a":"x"},{"a":"y"}]"#) }).unwrap();
        assert_eq!((batch.rows.num_rows(), batch.rows_fetched), (2, 2));
    }
}

#[test]
fn a_format_that_is_none_for_its_type_is_told_before_any_page() {
    let schema = TableSchema { columns: vec![formatted("n: int64", Format::Hex)] };
    let error = Decoder::new("cases", &schema, Contract::default(), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "resource `cases`, column `n` of type int64: `hex` and `base64url` are formats of `binary`"
    );
    assert_eq!((error.kind(), error.code()), (ErrorKind::User, "column_format"));
}

#[test]
fn threads_share_one_decoder() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    let decoder = shared(decoder([column("a: int8")], Contract::default()));
    let counts = std::thread::scope(|scope| {
        let decode = || decode(&decoder, r#"[{"a":1},{"a":2}]"#).unwrap().rows.num_rows();
        [scope.spawn(decode), scope.spawn(decode)].map(|thread| thread.join().unwrap())
    });
    assert_eq!(counts, [2, 2]);
}

#[test]
fn an_empty_text_is_a_mismatch_where_it_would_name_a_directory() {
    let decoder = decoder([column("name: string"), column("part: string")], DISCARD_VALUE).with_filled(&[1]);
    let batch = decode(&decoder, r#"[{"name":"","part":""},{"part":"x"},{"part":null}]"#).unwrap();
    assert_eq!(
        rows(&batch.rows),
        json!([{"name": "", "part": null}, {"name": null, "part": "x"}, {"name": null, "part": null}])
    );
    assert_eq!(paths(&batch), [("part", 1)]);
    assert!(batch.rejects[0].reason.contains("empty"), "{:?}", batch.rejects[0]);
}
