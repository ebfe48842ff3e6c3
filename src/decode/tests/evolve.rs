//! Undeclared fields under `evolve`: the report of a page, and the decoder with columns for them.

use proptest::prelude::*;
use serde_json::json;

use super::{column, contract, decode, decoder, page, rows};
use crate::{
    decode::Decoder,
    model::Batch,
    schema::{Column, ColumnsContract, DataTypeContract, Source},
};

fn evolving(columns: &[&str]) -> Decoder {
    decoder(columns.iter().map(|text| column(text)), contract(ColumnsContract::Evolve, DataTypeContract::DiscardRow))
}

/// Returns the decoder with these columns after its own.
fn grown(decoder: &Decoder, added: &[Column]) -> Decoder {
    decoder.grown(&[&decoder.columns[..], added].concat()).unwrap()
}

/// Returns the fields with their inferred types.
fn undeclared(batch: &Batch) -> Vec<String> {
    let shown = |name: &str, data_type: Option<String>| format!("{name}: {}", data_type.unwrap_or_else(|| "?".into()));
    let fields = batch.undeclared.iter();
    fields.map(|field| shown(&field.name, field.seen.column_type().map(|data_type| data_type.to_string()))).collect()
}

/// Returns columns for all fields with an inferred type.
fn added(batch: &Batch) -> Vec<Column> {
    let column = |name: &String, data_type| Column {
        name: name.clone(),
        source: Source::Evolved(name.clone()),
        data_type,
        nullable: true,
        format: None,
    };
    batch.undeclared.iter().filter_map(|field| Some(column(&field.name, field.seen.column_type()?))).collect()
}

#[test]
fn a_page_tells_its_undeclared_fields_in_order_and_what_they_hold() {
    let body = r#"[{"id":1,"x":1,"none":null},{"y":["a"],"x":2.5,"id":2},{"id":3,"empty":[],"y":[]}]"#;
    let batch = decode(&evolving(&["id: int64"]), body).unwrap();
    assert_eq!(undeclared(&batch), ["x: float64", "y: list<string>", "empty: ?"]);
    assert_eq!(batch.rows.num_rows(), 3);
}

#[test]
fn a_row_that_is_rejected_tells_nothing() {
    let batch = decode(&evolving(&["id: int64"]), r#"[{"id":"x","new":1},{"id":2,"other":true}, 5]"#).unwrap();
    assert_eq!(undeclared(&batch), ["other: bool"]);
    assert_eq!(batch.rows_rejected, 2);
}

#[test]
fn fields_are_told_under_evolve_alone_and_those_that_a_source_begins_with_never() {
    let body = r#"[{"id":1,"owner":{"a":1,"b":2},"x":3}]"#;
    let ignoring = decoder([column("id: int64")], contract(ColumnsContract::DiscardValue, DataTypeContract::Freeze));
    assert!(decode(&ignoring, body).unwrap().undeclared.is_empty());
    let batch = decode(&evolving(&["id: int64", "a @ owner.a: int64"]), body).unwrap();
    assert_eq!(undeclared(&batch), ["x: int64"]);
}

#[test]
fn a_decoder_that_has_grown_reads_the_fields_and_judges_what_does_not_fit() {
    let first = evolving(&["id: int64"]);
    let batch = decode(&first, r#"[{"id":1,"n":7,"a.b":"dotted"}]"#).unwrap();
    let grown = grown(&first, &added(&batch));
    let batch = decode(&grown, r#"[{"id":1,"n":7,"a.b":"dotted"},{"n":"x","id":2},{"id":3,"new":true}]"#).unwrap();
    assert_eq!(rows(&batch.rows), json!([{"id":1,"n":7,"a.b":"dotted"},{"id":3,"n":null,"a.b":null}]));
    assert_eq!((batch.rejects[0].column.as_str(), batch.rejects[0].path.as_str()), ("n", "n"));
    assert_eq!(undeclared(&batch), ["new: bool"]);
}

#[test]
fn a_decoder_that_has_grown_keeps_what_was_asked_of_its_columns() {
    let schema = crate::schema::TableSchema { columns: vec![column("id: int64"), column("place: string")] };
    let strict = contract(ColumnsContract::Evolve, DataTypeContract::DiscardRow);
    let first = Decoder::new("cases", &schema, strict, &[0]).unwrap().with_filled(&[1]);
    let grown = grown(&first, &[column("n: int64")]);
    let body = r#"[{"id":null,"place":"p"},{"id":1,"place":""},{"id":2,"place":"p","n":1}]"#;
    assert_eq!(decode(&grown, body).unwrap().rows_rejected, 2);
}

#[test]
fn rows_of_an_older_decoder_get_the_new_columns_as_nulls() {
    let first = evolving(&["id: int64"]);
    let grown = grown(&first, &[column("n: list<int64>")]);
    let padded = grown.padded(decode(&first, r#"[{"id":1}]"#).unwrap()).unwrap();
    assert_eq!(padded.rows, decode(&grown, r#"[{"id":1}]"#).unwrap().rows);
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_filter("JSON has no others", |value| value.is_finite()).prop_map(|value| format!("{value:e}")),
        "[ -~]{0,6}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        (0..10_000, 0..14, 0..33).prop_map(|(year, month, day)| format!("\"{year:04}-{month:02}-{day:02}\"")),
        ("[0-9]{4}-0[1-9]-[0-2][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\\.[0-9]{1,7})?)?(Z| ?[+-][0-2][0-9](:?[0-5][0-9])?)?")
            .prop_map(|text| format!("{text:?}")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(("[a-c]", inner), 0..3).prop_map(|fields| {
                let fields: Vec<_> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_fits_the_type_that_was_inferred_from_it_and_others(values in prop::collection::vec(value(), 1..6)) {
        let records: Vec<_> = values.iter().map(|value| format!("{{\"x\":{value}}}")).collect();
        let body = format!("[{}]", records.join(","));
        let strict = contract(ColumnsContract::Evolve, DataTypeContract::Freeze);
        let first = decoder([column("id: int64")], strict);
        let told = first.decode(&page(body.as_str())).unwrap();
        let grown = grown(&first, &added(&told));
        let batch = grown.decode(&page(body.as_str())).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(batch.rows.num_rows(), values.len());
    }
}
