use reqwest::header::HeaderValue;

use super::*;
use crate::{
    json::{Kind, StringError},
    plan::CsvPlan,
    schema::Naming,
};

fn read(body: Vec<u8>, headers: &HeaderMap, plan: &AnswerPlan, max_body: u64) -> Result<Document, Unreadable> {
    super::read(body, headers, plan, &Room::new(max_body, None))
}

fn typed(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
}

fn plan(format: Option<ResponseFormat>) -> AnswerPlan {
    AnswerPlan { format, ..AnswerPlan::default() }
}

fn csv_plan(csv: CsvPlan) -> AnswerPlan {
    AnswerPlan { format: Some(ResponseFormat::Csv), csv, ..AnswerPlan::default() }
}

/// The document's text.
fn text(body: &[u8], content_type: &'static str, plan: &AnswerPlan) -> String {
    let document = read(body.to_vec(), &typed(content_type), plan, 1_000).unwrap();
    String::from_utf8_lossy(document.root().raw()).into_owned()
}

fn wrong(body: &[u8], plan: &AnswerPlan) -> String {
    match read(body.to_vec(), &HeaderMap::new(), plan, 200).unwrap_err() {
        Unreadable::Syntax(cause) | Unreadable::Cut(cause) => cause,
        other => format!("{other:?}"),
    }
}

/// The error of a body of a content type.
fn unread(body: &[u8], content_type: &'static str, format: Option<ResponseFormat>) -> Unreadable {
    read(body.to_vec(), &typed(content_type), &plan(format), 1_000).unwrap_err()
}

const NDJSON: Option<ResponseFormat> = Some(ResponseFormat::Ndjson);
const CSV: Option<ResponseFormat> = Some(ResponseFormat::Csv);

#[test]
fn an_answer_is_what_its_type_says_unless_the_config_says_it() {
    let lines = b"{\"id\":1}\n{\"id\":2}\n";
    for content_type in ["application/x-ndjson", "application/jsonl", "Application/X-NDJSON; charset=utf-8"] {
        assert_eq!(text(lines, content_type, &plan(None)), r#"[{"id":1},{"id":2}]"#, "{content_type}");
    }
    assert_eq!(text(b"id,n\n1,a\n", "text/csv; header=present", &plan(None)), r#"[{"id":"1","n":"a"}]"#);
    assert_eq!(text(b" [1] ", "text/csv", &plan(Some(ResponseFormat::Json))), "[1]");
    assert_eq!(text(b"id\n1\n", "text/plain", &plan(CSV)), r#"[{"id":"1"}]"#);
    assert_eq!(text(lines, "application/json", &plan(NDJSON)), r#"[{"id":1},{"id":2}]"#);
    assert_eq!(text(br#"{"a": 1}"#, "", &plan(None)), r#"{"a": 1}"#);
}

#[test]
fn ndjson_takes_lines_as_they_are_and_skips_empty_ones() {
    let body = b"\xEF\xBB\xBF{\"n\": 0.10000000000000000001}\r\n\r\n  \n[1,2]\n\"x\"";
    assert_eq!(text(body, "", &plan(NDJSON)), r#"[{"n": 0.10000000000000000001},[1,2],"x"]"#);
    assert_eq!(text(b"", "", &plan(NDJSON)), "[]");
    let broken = read(b"{\"s\":\"\xff\"}\n{\"s\":\"b\"}".to_vec(), &HeaderMap::new(), &plan(NDJSON), 1_000).unwrap();
    let strings: Vec<_> = broken.root().items().map(|item| item.get("s").unwrap().string()).collect();
    assert_eq!(strings, [Err(StringError::Utf8), Ok("b".into())]);
}

#[test]
fn a_bad_line_is_named() {
    let line = |body: &[u8]| wrong(body, &plan(NDJSON));
    assert_eq!(line(b"{\"a\":1}\n\n{\"a\":\n"), "not NDJSON, line 3: a value was expected");
    assert_eq!(line(b"{\"a\":1}\noops\n{\"a\":2}"), "not NDJSON, line 2: a value was expected");
    assert_eq!(line(b"{\"a\":1\n\"b\":2}"), "not NDJSON, line 2: it goes on with the value of the line before");
    assert_eq!(line(b"1,2\n3"), "not NDJSON, line 1: there is more than one value");
    assert_eq!(line(b"1\n2,3"), "not NDJSON, line 2: there is more than one value");
}

#[test]
fn every_cell_of_csv_is_text_and_an_empty_one_is_null_unless_the_config_says_otherwise() {
    let body = b"id,name,\"note, long\"\r\n1,\"a \"\"b\"\"\nc\",\r\n\r\n2,NA,\\\t\r\n";
    let expected =
        r#"[{"id":"1","name":"a \"b\"\u000ac","note, long":null},{"id":"2","name":"NA","note, long":"\\\u0009"}]"#;
    assert_eq!(text(body, "", &plan(CSV)), expected);
    let nulls = |null_values: &[&str]| {
        let null_values = null_values.iter().map(|&null| null.to_owned()).collect();
        text(b"a,b\n,NA\n", "", &csv_plan(CsvPlan { null_values, ..CsvPlan::default() }))
    };
    assert_eq!(nulls(&["NA"]), r#"[{"a":"","b":null}]"#);
    assert_eq!(nulls(&["NA", ""]), r#"[{"a":null,"b":null}]"#);
    assert_eq!(nulls(&[]), r#"[{"a":"","b":"NA"}]"#);
    assert_eq!(text(b"a,b\n", "", &plan(CSV)), "[]");
}

#[test]
fn delimiter_quote_header_and_columns_are_those_of_the_config() {
    let read = |body: &[u8], change: fn(&mut CsvPlan)| {
        let mut csv = CsvPlan::default();
        change(&mut csv);
        text(body, "", &csv_plan(csv))
    };
    assert_eq!(read(b"a\tb\n1\t2,3\n", |csv| csv.delimiter = Some(b'\t')), r#"[{"a":"1","b":"2,3"}]"#);
    assert_eq!(read(b"a,b\n'1,2',3\n", |csv| csv.quote = Some(b'\'')), r#"[{"a":"1,2","b":"3"}]"#);
    assert_eq!(read(b"a\n\"1\n", |csv| csv.quote = None), r#"[{"a":"\"1"}]"#);
    let named: fn(&mut CsvPlan) = |csv| csv.columns = vec!["x".into(), "y".into()];
    assert_eq!(read(b"a,b\n1,2\n", named), r#"[{"x":"1","y":"2"}]"#);
    assert_eq!(
        read(b"1,2\n", |csv| (csv.header, csv.columns) = (false, vec!["x".into(), "y".into()])),
        r#"[{"x":"1","y":"2"}]"#
    );
}

#[test]
fn csv_that_is_none_is_told_with_its_line() {
    assert_eq!(wrong(b"a,b\n1,2\n3\n", &plan(CSV)), "not CSV, line 3: the number of cells is 1, and that of columns 2");
    assert_eq!(wrong(&[b"a\n".repeat(200), b"1\n".repeat(100)].concat(), &plan(CSV)), "TooLarge");
    let json = read(br#"{"error": "no"}"#.to_vec(), &typed("application/problem+json"), &plan(CSV), 100);
    assert!(matches!(json, Err(Unreadable::Other(cause, _)) if cause == "not CSV but JSON"));
    for content_type in ["text/csv", "text/plain"] {
        let json = unread(br#"{"error": "no"}"#, content_type, CSV);
        assert!(matches!(json, Unreadable::Other(_, ResponseFormat::Json)), "{json:?}");
    }
}

#[test]
fn a_page_for_browsers_is_never_taken_for_records() {
    for format in [None, NDJSON, CSV] {
        assert_eq!(wrong(b"<!DOCTYPE html><p>log in</p>", &plan(format)), "Markup");
        let told = read(b"log in".to_vec(), &typed("text/html; charset=utf-8"), &plan(format), 100);
        assert!(matches!(told, Err(Unreadable::Markup)), "{format:?}");
    }
}

#[test]
fn broken_utf8_in_a_cell_is_a_matter_of_its_value() {
    let document = read(b"a,b\n\xff,ok\n".to_vec(), &HeaderMap::new(), &plan(CSV), 100).unwrap();
    let row = document.root().items().next().unwrap();
    assert_eq!(row.kind(), Kind::Object);
    assert_eq!(row.get("a").unwrap().string(), Err(StringError::Utf8));
    assert_eq!(row.get("b").unwrap().string().unwrap(), "ok");
}

#[test]
fn a_header_that_names_a_column_twice_is_refused_and_the_config_may_name_them() {
    let told = read(b"id,n,id\n1,a,2\n".to_vec(), &HeaderMap::new(), &plan(CSV), 200).unwrap_err();
    assert!(matches!(&told, Unreadable::Ambiguous(cause) if cause.contains("the column `id` twice")), "{told:?}");
    let columns = ["a", "b", "c"].map(str::to_owned).to_vec();
    let named = csv_plan(CsvPlan { columns, ..CsvPlan::default() });
    assert_eq!(text(b"id,n,id\n1,a,2\n", "text/csv", &named), r#"[{"a":"1","b":"a","c":"2"}]"#);
}

#[test]
fn a_bool_of_csv_is_one_in_a_column_of_bools_and_a_text_elsewhere() {
    let plan = csv_plan(CsvPlan { bools: vec!["b".into()], ..CsvPlan::default() });
    let read = text(b"b,t\ntrue,true\nFALSE,False\n,\nyes,no\n", "text/csv", &plan);
    let rows = r#"[{"b":true,"t":"true"},{"b":false,"t":"False"},{"b":null,"t":null},{"b":"yes","t":"no"}]"#;
    assert_eq!(read, rows);
    let plan = csv_plan(CsvPlan { bools: vec!["is_on".into()], naming: Naming::SnakeCase, ..CsvPlan::default() });
    assert_eq!(text(b"isOn\ntrue\n", "text/csv", &plan), r#"[{"isOn":true}]"#);
}

#[test]
fn an_answer_is_read_in_the_charset_that_it_declares() {
    let latin = b"[{\"n\":\"caf\xE9\"}]";
    for content_type in ["application/json; charset=iso-8859-1", "application/json;Charset=\"windows-1252\""] {
        assert_eq!(text(latin, content_type, &plan(None)), r#"[{"n":"café"}]"#);
    }
    assert_eq!(text(b"n\ncaf\xE9\n", "text/csv; charset=latin1", &plan(None)), r#"[{"n":"café"}]"#);
    let wide: Vec<u8> = "[{\"n\":\"é\"}]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text(&wide, "application/json; charset=utf-16le", &plan(None)), r#"[{"n":"é"}]"#);
    // A mark tells the order of bytes, whatever `utf-16` stands for where it is declared.
    let marked: Vec<u8> = "\u{feff}[{\"n\":\"é\"}]".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(text(&marked, "application/json; charset=utf-16", &plan(None)), r#"[{"n":"é"}]"#);
    // What is UTF-8 whatever is declared, and what nobody knows, stays.
    for content_type in ["application/json; charset=iso-8859-1", "application/json; charset=x-own", "application/json"]
    {
        assert_eq!(text("[\"é\"]".as_bytes(), content_type, &plan(None)), r#"["é"]"#, "{content_type}");
    }
}

#[test]
fn what_is_not_in_its_charset_is_refused_and_so_is_what_would_be_too_large() {
    let read = |body: &[u8], limit| {
        read(body.to_vec(), &typed("application/json; charset=shift_jis"), &plan(None), limit).unwrap_err()
    };
    assert!(matches!(read(b"[\"\x81\"]", 1_000), Unreadable::Syntax(cause) if cause.contains("Shift_JIS")));
    // Each of these bytes is a letter of three in UTF-8.
    let half_width = [&b"[\""[..], &[0xB1; 200_000], b"\"]"].concat();
    assert!(matches!(read(&half_width, 300_000), Unreadable::TooLarge));
}

/// The error of truncated CSV.
fn cut(body: &[u8], csv: CsvPlan) -> Option<String> {
    match read(body.to_vec(), &HeaderMap::new(), &csv_plan(csv), 10_000_000) {
        Err(Unreadable::Cut(cause)) => Some(cause),
        _ => None,
    }
}

#[test]
fn csv_that_ends_within_quotes_is_cut_wherever_it_ends() {
    let whole = b"id,s\r\n1,\"a\"\"b\nc\"\n2,plain\n3,\"\"\n4,\"x, \"\"y\"\"\"";
    let rows = r#"[{"id":"1","s":"a\"b\u000ac"},{"id":"2","s":"plain"},{"id":"3","s":null},{"id":"4","s":"x, \"y\""}]"#;
    assert_eq!(text(whole, "text/csv", &plan(CSV)), rows);
    let mut is_open = false;
    for (end, byte) in whole.iter().enumerate() {
        let told = cut(&whole[..end], CsvPlan::default());
        assert!(!is_open || told.as_ref().is_some_and(|told| told.contains("ends within quotes")), "{end}: {told:?}");
        is_open ^= *byte == b'"';
    }
    let many = [b"id,s\n".to_vec(), b"1,\"a\"\n".repeat(50_000), b"2,\"X".to_vec()].concat();
    let told = cut(&many, CsvPlan::default()).unwrap();
    assert_eq!(told, "cut off: the CSV ends within quotes, in the row that starts on line 50002");
}

#[test]
fn quotes_are_those_of_the_config_and_none_are_open_where_cells_are_never_quoted() {
    let quoted = |quote| CsvPlan { quote, ..CsvPlan::default() };
    assert!(cut(b"a,b\n1,'x", quoted(Some(b'\''))).is_some());
    assert!(cut(b"a\n\"", quoted(Some(b'"'))).is_some());
    assert_eq!(text(b"a,b\n1,\"x", "", &csv_plan(quoted(None))), r#"[{"a":"1","b":"\"x"}]"#);
    assert_eq!(text(b"a,b\n1,5\" pipe", "", &plan(CSV)), r#"[{"a":"1","b":"5\" pipe"}]"#);
    for letter in [b'X', b'Y', b'Z'] {
        let csv = CsvPlan { quote: Some(letter), delimiter: Some(b','), ..CsvPlan::default() };
        let body = [b"a,b\n1,", &[letter][..], b"q,q", &[letter], b"\n"].concat();
        assert_eq!(text(&body, "", &csv_plan(csv.clone())), r#"[{"a":"1","b":"q,q"}]"#);
        assert!(cut(&[b"a\n", &[letter][..]].concat(), csv).is_some());
    }
    assert_eq!(text(b"X\nX", "", &plan(CSV)), r#"[{"X":"X"}]"#);
}

#[test]
fn a_last_row_without_its_end_may_be_cut_and_another_one_of_too_few_cells_is_wrong() {
    assert!(cut(b"a,b\n1,2\n\n3", CsvPlan::default()).is_some());
    for whole in [&b"a,b\n1,2\n3\n"[..], b"a,b\n1\n2,3", b"a,b\n1,2,3"] {
        let told = unread(whole, "", CSV);
        assert!(matches!(&told, Unreadable::Syntax(cause) if cause.contains("the number of cells")), "{told:?}");
    }
}

#[test]
fn a_file_that_is_no_text_is_named_under_every_format() {
    for format in [None, NDJSON, CSV, Some(ResponseFormat::Json)] {
        for content_type in ["application/zip", "text/csv", "text/csv; charset=iso-8859-1", "application/json"] {
            let told = unread(b"PK\x03\x04\x14\0id,s\n1,a\n", content_type, format);
            assert!(matches!(told, Unreadable::Binary("a ZIP archive") | Unreadable::Cut(_)), "{told:?}");
            let told = unread(b"\x1f\x8b\x08\0\0", content_type, format);
            assert!(matches!(told, Unreadable::Cut(_)), "{told:?}");
            let told = unread(b"id\0,\x01\n\0\x02\n", content_type, format);
            assert!(matches!(told, Unreadable::Binary("binary data")), "{told:?}");
        }
    }
    let wide: Vec<u8> = "\u{feff}id,n\n1,a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(unread(&wide, "text/csv", None), Unreadable::Binary(what) if what.contains("UTF-16")));
    assert_eq!(text(&wide, "text/csv; charset=utf-16", &plan(None)), r#"[{"id":"1","n":"a"}]"#);
}

#[test]
fn byte_order_marks_before_csv_are_no_part_of_it() {
    for marks in ["", "\u{feff}", "\u{feff}\u{feff}", "\u{feff}\u{feff}\u{feff}"] {
        assert_eq!(text(format!("{marks}id\n1\n").as_bytes(), "text/csv", &plan(None)), r#"[{"id":"1"}]"#, "{marks:?}");
    }
    assert_eq!(text("\u{feff}\u{feff}".as_bytes(), "text/csv", &plan(None)), "[]");
}

#[test]
fn a_body_without_anything_is_empty_unless_no_line_has_to_come_before_the_records() {
    for body in [&b""[..], b" \r\n\t", b"\xEF\xBB\xBF"] {
        for (content_type, format) in [("application/json", None), ("", None), ("text/csv", None), ("text/plain", CSV)]
        {
            assert!(matches!(unread(body, content_type, format), Unreadable::Empty), "{body:?} {content_type}");
        }
        assert_eq!(text(body, "application/x-ndjson", &plan(None)), "[]");
    }
    let columns = vec!["a".to_owned()];
    assert_eq!(text(b"", "", &csv_plan(CsvPlan { header: false, columns, ..CsvPlan::default() })), "[]");
    assert_eq!(text(b"id,n\n", "text/csv", &plan(None)), "[]");
}

#[test]
fn a_field_name_that_is_not_valid_text_is_an_error_with_its_place() {
    let name = |body: &[u8], content_type| match unread(body, content_type, None) {
        Unreadable::Name(cause) => cause,
        other => format!("{other:?}"),
    };
    let told = name(b"{\"d\":[{\"a\":1},{\"n\xff\":2}]}", "application/json");
    assert_eq!(told, "the name `n\u{fffd}` of a field in `d[1]` (byte 15) cannot be read: it is not UTF-8");
    let told = name(b"{\"a\":1}\n\n{\"\\ud800\":1}\n", "application/x-ndjson");
    assert!(told.starts_with("line 3: the name `\\ud800` of a field in `[1]`"), "{told}");
    assert!(told.ends_with("it has a lone surrogate, which is no character"), "{told}");
    let told = name(b"id,n\xe9m\n1,2\n", "text/csv");
    assert_eq!(told, "line 1: the name `n\u{fffd}m` of column 2 of the CSV header cannot be read: it is not UTF-8");
    let columns = ["a", "b"].map(str::to_owned).to_vec();
    let named = csv_plan(CsvPlan { columns, ..CsvPlan::default() });
    assert_eq!(text(b"id,n\xe9m\n1,2\n", "text/csv", &named), r#"[{"a":"1","b":"2"}]"#);
}

#[test]
fn a_text_that_nothing_calls_a_format_is_known_by_its_first_lines() {
    for content_type in ["text/plain", "text/plain; charset=utf-8", "application/octet-stream", ""] {
        let read = |body: &[u8]| text(body, content_type, &plan(None));
        assert_eq!(read(b"{\"id\":1}\r\n{\"id\":2}\r\n"), r#"[{"id":1},{"id":2}]"#);
        assert_eq!(read(b"id,n\n1,a\n"), r#"[{"id":"1","n":"a"}]"#);
        assert_eq!(read(b"id;n\n1;a,b\n2;c\n"), r#"[{"id":"1","n":"a,b"},{"id":"2","n":"c"}]"#);
        assert_eq!(read(b"\n{\"id\":1}\n"), r#"{"id":1}"#);
        assert_eq!(read(b"[\n{\"id\":1},\n{\"id\":2}\n]"), "[\n{\"id\":1},\n{\"id\":2}\n]");
        assert_eq!(read(b"{\n\"a,b\": 1,\n\"c\": 2\n}"), "{\n\"a,b\": 1,\n\"c\": 2\n}");
    }
    for body in ["id\n1\n2\n", "Sorry, no\nagain, please\n", "gateway", "callback({})", "data: {}\n\n"] {
        assert!(matches!(unread(body.as_bytes(), "text/plain", None), Unreadable::Syntax(_)), "{body}");
    }
}

#[test]
fn what_is_not_json_may_pass_if_it_began_as_json_and_is_named_if_it_is_another_format() {
    let json = "application/json";
    for body in ["{\"a\":[1,2", "[{\"id\":1},{\"id", "[{\"id\":1},oops", "{"] {
        assert!(matches!(unread(body.as_bytes(), json, None), Unreadable::Cut(_)), "{body}");
    }
    let lines = unread(b"{\"id\":1}\n{\"id\":2}\n", json, None);
    assert!(matches!(lines, Unreadable::Other(_, ResponseFormat::Ndjson)), "{lines:?}");
    let rows = unread(b"id,n\n1,a\n", json, None);
    assert!(matches!(rows, Unreadable::Other(_, ResponseFormat::Csv)), "{rows:?}");
    assert!(matches!(unread(b"oops", json, None), Unreadable::Syntax(_)));
    assert!(matches!(unread(b"oops\n{}", json, NDJSON), Unreadable::Syntax(_)));
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut packed, content).unwrap();
        let packed = packed.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let place = archive.len() as u32;
        let mut common = [20, 0, 0, 0, 8, 0, 0, 0, 0, 0].to_vec();
        for number in [crc.sum(), packed.len() as u32, content.len() as u32] {
            common.extend(number.to_le_bytes());
        }
        common.extend([name.len() as u8, 0, 0, 0]);
        archive.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), &packed].concat());
        let rest = [&[0; 10][..], &place.to_le_bytes(), name.as_bytes()].concat();
        directory.extend([b"PK\x01\x02\x14\0", common.as_slice(), &rest].concat());
    }
    let (count, place, size) = (members.len() as u16, archive.len() as u32, directory.len() as u32);
    archive.extend(directory);
    archive.extend([&b"PK\x05\x06\0\0\0\0"[..], &count.to_le_bytes(), &count.to_le_bytes()].concat());
    archive.extend([&size.to_le_bytes()[..], &place.to_le_bytes(), &[0, 0]].concat());
    archive
}

#[test]
fn compressed_files_are_read_and_of_an_archive_the_member_that_is_chosen() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, b"id,n\n1,a\n").unwrap();
    let packed = packed.finish().unwrap();
    let records = r#"[{"id":"1","n":"a"}]"#;
    assert_eq!(text(&packed, "application/gzip", &plan(None)), records);
    assert_eq!(text(&packed, "application/x-gzip", &plan(CSV)), records);
    assert!(matches!(unread(&packed[..packed.len() - 9], "application/gzip", None), Unreadable::Cut(_)));
    let one = zip(&[("readme.md", b"# x"), ("data/", b""), ("data/a.TSV", b"id\tn\n1\ta\n")]);
    assert_eq!(text(&one, "application/zip", &plan(None)), records);
    let json = zip(&[("a.json", br#"[{"id":"1","n":"a"}]"#)]);
    assert_eq!(text(&json, "application/octet-stream", &plan(None)), records);
    let two = zip(&[("a.csv", b"id,n\n1,a\n"), ("b.csv", b"id\n2\n")]);
    for (format, wanted) in [(None, "2 files: `a.csv`, `b.csv`; set `endpoint.member`"), (CSV, "set `endpoint.member`")]
    {
        let told = unread(&two, "application/zip", format);
        assert!(matches!(&told, Unreadable::Syntax(cause) if cause.contains(wanted)), "{told:?}");
    }
    let member = |name: &str| AnswerPlan { member: Some(name.to_owned()), ..plan(CSV) };
    assert_eq!(text(&two, "", &member("a.csv")), records);
    assert!(wrong(&two, &member("c.csv")).contains("without `c.csv`"));
    let mut damaged = two.clone();
    damaged[40] ^= 1;
    let told = read(damaged, &HeaderMap::new(), &member("a.csv"), 1_000).unwrap_err();
    assert!(matches!(told, Unreadable::Cut(_)), "{told:?}");
    assert!(matches!(read(two, &HeaderMap::new(), &member("a.csv"), 5), Err(Unreadable::TooLarge)));
}

#[test]
fn the_encoding_of_the_config_counts_before_what_an_answer_declares() {
    let encoded = |label: &str| AnswerPlan {
        encoding: encoding_rs::Encoding::for_label(label.as_bytes()).map(encoding_rs::Encoding::name),
        ..plan(None)
    };
    let cafe = r#"{"a":"café"}"#;
    let latin: Vec<u8> = cafe.chars().map(|letter| u32::from(letter) as u8).collect();
    assert_eq!(text(&latin, "application/json", &encoded("latin1")), cafe);
    assert_eq!(text(&latin, "application/json; charset=utf-8", &encoded("windows-1252")), cafe);
    assert_eq!(text(b"id,n\n1,\x83\x65\n", "text/csv", &encoded("shift_jis")), r#"[{"id":"1","n":"テ"}]"#);
    let wide: Vec<u8> = "id,n\n1,a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text(&wide, "text/csv", &encoded("utf-16le")), r#"[{"id":"1","n":"a"}]"#);
}
