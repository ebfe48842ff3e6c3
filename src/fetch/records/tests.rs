use super::*;
use crate::schema::{Column, ColumnType};

fn locator(selector: &str, wraps_scalars: bool) -> (Locator, Selector) {
    (Locator { objects: Objects::Wrappers, wraps_scalars, takes_arrays: false }, selector.parse().unwrap())
}

/// The records as texts, and whether they stand in a document of their own.
fn records(text: &str, (locator, selector): &(Locator, Selector)) -> (Vec<String>, bool) {
    let document = Document::parse(text.into()).unwrap();
    let found = locator.locate(&document, selector, &mut |_| true);
    let Located::Records { index, count, .. } = found.located.unwrap() else { return (Vec::new(), false) };
    let is_gathered = found.gathered.is_some();
    let holder = found.gathered.unwrap_or(document);
    let node = holder.node(index);
    let texts = |node: Node<'_>| String::from_utf8_lossy(node.raw()).into_owned();
    let records: Vec<_> =
        if node.kind() == Kind::Array { node.items().map(texts).collect() } else { vec![texts(node)] };
    assert_eq!(records.len() as u64, count);
    (records, is_gathered)
}

#[test]
fn records_that_lie_together_stay_where_they_are() {
    let text = r#"{"data": [{"id": 1}, {"id": 2}], "one": {"id": 3}}"#;
    for selector in ["data", "data[*]", "$['data'][*]"] {
        assert_eq!(
            records(text, &locator(selector, true)),
            (vec![r#"{"id": 1}"#.into(), r#"{"id": 2}"#.into()], false)
        );
    }
    assert_eq!(records(text, &locator("one", true)), (vec![r#"{"id": 3}"#.into()], false));
}

#[test]
fn several_matches_are_brought_together_as_the_api_wrote_them_arrays_by_their_elements() {
    let text = r#"{"g": [{"r": [{"n": 0.10000000000000000001}]}, {"r": null}, {"r": [{"n":  2}, {"n": NaN}]}, {"r": {"n": 3}}]}"#;
    let expected = ["{\"n\": 0.10000000000000000001}", "{\"n\":  2}", "{\"n\": NaN}", "{\"n\": 3}"].map(str::to_owned);
    assert_eq!(records(text, &locator("g[*].r", true)), (expected.to_vec(), true));
    let one = r#"{"g": [{"r": [{"n": 1}, {"n": 2}]}]}"#;
    assert_eq!(records(one, &locator("g[*].r", true)), (vec![r#"{"n": 1}"#.into(), r#"{"n": 2}"#.into()], false));
}

#[test]
fn the_values_of_an_object_are_records_only_if_all_are_objects() {
    let taken = |text: &str, selector: &str| {
        let (locator, selector) = locator(selector, true);
        locator.locate(&Document::parse(text.into()).unwrap(), &selector, &mut |_| true).located
    };
    for (text, selector) in [
        (r#"{"data": {"id": 20, "v": "v20"}}"#, "data[*]"),
        (r#"{"data": {"id": {"$oid": "x"}, "v": 1}}"#, "$.data[*]"),
        (r#"{"USD": 1.5}"#, "$[*]"),
        (r#"{"groups": [{"rows": [{"id": 1}]}, {"rows": {"id": 2}}]}"#, "groups[*].rows[*]"),
    ] {
        let Err(problem @ RecordsError::Values { .. }) = taken(text, selector) else { panic!("{text}") };
        let (message, hint) = (problem.to_string(), problem.hint().unwrap());
        assert!(message.contains("`id`") || message.contains("`USD`"), "{message}");
        assert!(hint.contains("as one record") && !hint.contains("[*]`"), "{hint}");
    }
    let by_name = r#"{"data": {"a": {"id": 1}, "b": {"id": 2}}}"#;
    assert_eq!(records(by_name, &locator("data[*]", true)).0, [r#"{"id": 1}"#, r#"{"id": 2}"#]);
    assert_eq!(taken(r#"{"data": {}}"#, "data[*]"), Ok(Located::Nothing));
}

#[test]
fn scalars_become_records_of_one_field_where_a_column_reads_it() {
    let text = r#"["a", 2.50, true, null]"#;
    let wrapped = [r#"{"value":"a"}"#, r#"{"value":2.50}"#, r#"{"value":true}"#, r#"{"value":null}"#];
    assert_eq!(records(text, &locator("$", true)), (wrapped.map(str::to_owned).to_vec(), true));
    assert_eq!(records(text, &locator("$", false)).0, ["\"a\"", "2.50", "true", "null"]);
    // One scalar among objects is a mistake of the API's, and nulls alone are nothing to go by.
    assert_eq!(records(r#"[{"id": 1}, 2]"#, &locator("$", true)).0, [r#"{"id": 1}"#, "2"]);
    assert_eq!(records("[null]", &locator("$", true)).0, ["null"]);
    assert_eq!(
        records(r#"{"a": [{"id": 5}, {"id": 6}]}"#, &locator("a[*].id", true)).0,
        [r#"{"value":5}"#, r#"{"value":6}"#]
    );
    // One that a query finds is one of as many as there may be.
    assert_eq!(records(r#"{"a": [{"id": 5}]}"#, &locator("a[*].id", true)).0, [r#"{"value":5}"#]);
}

#[test]
fn which_column_reads_scalars_is_told_by_the_schema() {
    let column = |key: &str| Column {
        name: "v".into(),
        source: Source::Path(vec![key.into()]),
        data_type: ColumnType::String,
        nullable: true,
        format: None,
    };
    let reads = |keys: &[&str], contract| {
        let columns = keys.iter().map(|key| column(key)).collect();
        reads_scalars(&TableSchema { columns }, contract)
    };
    assert!(reads(&["id", "value"], ColumnsContract::Freeze));
    assert!(!reads(&["id"], ColumnsContract::Freeze));
    assert!(reads(&["id"], ColumnsContract::Evolve));
    assert!(reads(&[], ColumnsContract::DiscardValue));
}

#[test]
fn a_query_that_finds_nothing_is_an_empty_page_and_one_that_leads_nowhere_is_missing() {
    let located = |text: &str, selector: &str| {
        let (locator, selector) = locator(selector, true);
        locator.locate(&Document::parse(text.into()).unwrap(), &selector, &mut |_| true).located.unwrap()
    };
    assert_eq!(located(r#"{"rows": [{"t": 1}]}"#, "rows[?@.t == 2]"), Located::Nothing);
    assert_eq!(located(r#"{"rows": []}"#, "rows[*].inner[*]"), Located::Nothing);
    assert_eq!(located(r#"{"rows": [{"inner": []}]}"#, "rows[*].inner[*]"), Located::Nothing);
    assert_eq!(located(r#"{"rows": [{"t": 1}]}"#, "rows[*].inner[*]"), Located::Missing);
    assert_eq!(located("{}", "rows[*].inner[*]"), Located::Missing);
}

#[test]
fn rows_that_are_arrays_become_records_by_the_names_of_their_columns_as_the_api_wrote_them() {
    let expected = [r#"{"id":1,"v":"\u00e9"}"#, r#"{"id":0.10000000000000000001,"v":null}"#].map(str::to_owned);
    for (text, selector) in [
        (r#"{"rows": [[1, "\u00e9"], [0.10000000000000000001, null]], "columns": ["id", "v"]}"#, "rows"),
        (
            r#"{"rows": [[1, "\u00e9"], [0.10000000000000000001, null]], "fields": ["x"], "cols": [{"id": "id"}, {"label": "v"}]}"#,
            "rows[*]",
        ),
        (
            r#"{"schema": {"fields": [{"name": "id"}, {"name": "v"}]}, "data": [[1, "\u00e9"], [0.10000000000000000001, null]]}"#,
            "data",
        ),
        (r#"{"headers": ["id", "v"], "t": {"values": [[1, "\u00e9"], [0.10000000000000000001, null]]}}"#, "t.values"),
        (
            r#"{"r": [{"s": [{"columns": ["id", "v"], "values": [[1, "\u00e9"], [0.10000000000000000001, null]]}]}]}"#,
            "r[0].s[0].values",
        ),
        (
            r#"{"r": [{"columns": ["id", "v"], "values": [[1, "\u00e9"]]}, {"header": ["id", "v"], "values": [[0.10000000000000000001, null]]}]}"#,
            "r[*].values",
        ),
        (
            r#"{"meta": {"view": {"columns": [{"id": -1, "name": "The id", "fieldName": "id"}, {"name": "v"}]}}, "data": [[1, "\u00e9"], [0.10000000000000000001, null]]}"#,
            "data",
        ),
    ] {
        assert_eq!(records(text, &locator(selector, true)), (expected.to_vec(), true), "{text}");
    }
}

#[test]
fn rows_whose_columns_cannot_be_named_are_errors_that_say_where() {
    for (text, message) in [
        (r#"{"rows": [[1, 2], [1]], "columns": ["a", "b"]}"#, "row 2 has 1 values, and `columns` names 2 columns"),
        (r#"{"rows": [[1, 2], [1, 2, 3]], "cols": ["a", "b"]}"#, "row 2 has 3 values, and `cols` names 2 columns"),
        (r#"{"rows": [[1, 2]], "columns": ["a", "\u0061"]}"#, "`columns` names two columns `a`"),
        (
            r#"{"rows": [[1, 2]], "columns": ["a", null]}"#,
            "the rows that `data_selector: rows` finds are arrays, and the answer has no names for their columns",
        ),
        (
            r#"{"rows": [[1, 2]], "a": {"columns": ["a", "b"]}}"#,
            "the rows that `data_selector: rows` finds are arrays, and the answer has no names for their columns",
        ),
    ] {
        let (locator, selector) = locator("rows", true);
        let error =
            locator.locate(&Document::parse(text.into()).unwrap(), &selector, &mut |_| true).located.unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(error.hint().is_some());
    }
}

#[test]
fn arrays_stay_arrays_among_records_and_where_a_column_takes_them() {
    let among = r#"{"rows": [{"a": 1}, [2]], "columns": ["a"]}"#;
    assert_eq!(records(among, &locator("rows", true)), (vec![r#"{"a": 1}"#.into(), "[2]".into()], false));
    let (mut whole, selector) = locator("rows", true);
    whole.takes_arrays = true;
    let text = r#"{"rows": [[1], [2]], "columns": ["a"]}"#;
    assert_eq!(records(text, &(whole, selector)), (vec!["[1]".into(), "[2]".into()], false));
    let among = r#"{"rows": [[1], {"a": 2}], "columns": ["a"]}"#;
    assert_eq!(records(among, &locator("rows", true)).0, [r#"{"a":1}"#, r#"{"a": 2}"#]);
}
