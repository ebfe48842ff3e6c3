//! Ranges of key columns, and files of which some rows go or change.

use arrow::buffer::BooleanBuffer;

use super::*;
use crate::model::{KeyRange, KeyValue};

fn keyed() -> WriteOptions {
    WriteOptions { keys: vec![ID, STATUS, NAME, CREATED], ..by_status() }
}

fn range<'a>(file: &'a EncodedFile, column: &str) -> Option<&'a KeyRange> {
    file.keys.iter().find(|range| range.column == column)
}

#[test]
fn a_file_tells_the_range_of_its_key_columns_and_not_of_its_partition() {
    for file in write(keyed(), &rows(1000)) {
        let ids = read_ids(&file);
        let expected = (KeyValue::Integer(*ids.iter().min().unwrap()), KeyValue::Integer(*ids.iter().max().unwrap()));
        assert_eq!(range(&file, "id").unwrap().values, Some(expected));
        let names = range(&file, "name").unwrap();
        assert!(matches!(names.values, Some((KeyValue::Text(_), KeyValue::Text(_)))) && names.has_null);
        assert!(range(&file, "status").is_none() && range(&file, "tags").is_none());
    }
    assert!(write(by_status(), &rows(10)).iter().all(|file| file.keys.is_empty()), "only for who asks");
}

#[test]
fn what_is_left_of_a_file_has_a_narrower_range() {
    let file = write(WriteOptions { partition_by: Vec::new(), ..keyed() }, &rows(100)).remove(0);
    let ids = read_ids(&file);
    let keep: BooleanBuffer = ids.iter().map(|id| (20..30).contains(id)).collect();
    let left = rewrite(file, &keep, &WriteOptions { partition_by: Vec::new(), ..keyed() }).unwrap().unwrap();
    assert_eq!(range(&left, "id").unwrap().values, Some((KeyValue::Integer(20), KeyValue::Integer(29))));
}

#[test]
fn what_is_left_of_a_file_stays_in_its_directory_under_a_name_of_the_new_version() {
    let options = WriteOptions { version: 12, ..options() };
    assert_eq!(
        renamed("a=1/b=2/part-0000000007-00000-00000.parquet", &options, 3),
        "a=1/b=2/part-0000000012-00000-00003.parquet"
    );
    assert_eq!(renamed("part-0000000007-00000-00000.parquet", &options, 0), "part-0000000012-00000-00000.parquet");
}

#[test]
fn a_writer_tells_the_number_that_comes_next() {
    let mut writer = TableWriter::new(by_status()).unwrap();
    let rows = rows(100);
    let early = writer.write(&rows, &(0..100).collect::<Vec<_>>()).unwrap().len();
    let finished = writer.finish().unwrap();
    assert_eq!(finished.next_sequence, (early + finished.files.len()) as u64);
    assert_eq!(TableWriter::new(options()).unwrap().finish().unwrap().next_sequence, 1, "after the file without rows");
}

fn patch(rows: BooleanBuffer) -> Change {
    let keep = BooleanBuffer::new_set(rows.len());
    Change { keep, patch: Some(Patch { column: CREATED, rows, micros: 42 }) }
}

fn moments(file: &EncodedFile) -> Vec<Option<i64>> {
    let rows = read(&file.content);
    let moments = arrow::compute::cast(rows.column_by_name("created_at").unwrap(), &arrow::datatypes::DataType::Int64);
    moments.unwrap().as_primitive::<Int64Type>().iter().collect()
}

#[test]
fn a_patch_sets_a_moment_in_some_rows_and_leaves_the_others() {
    let file = write(options(), &rows(20_000)).remove(0);
    let before = moments(&file);
    let wanted: BooleanBuffer = (0..20_000).map(|row| row % 7 == 0).collect();
    let patched = rewrite_with(file, &patch(wanted.clone()), &options()).unwrap().unwrap();
    let expected: Vec<_> = before.iter().zip(&wanted).map(|(old, set)| if set { Some(42) } else { *old }).collect();
    assert_eq!(moments(&patched), expected);
}

#[test]
fn rows_sorted_by_a_patched_moment_are_sorted_anew() {
    let mut options = options();
    options.parquet.sort_by = vec![CREATED];
    options.parquet.row_group_rows = 1000;
    let file = write(options.clone(), &rows(3000)).remove(0);
    let wanted: BooleanBuffer = (0..3000).map(|row| row % 2 == 0).collect();
    let patched = rewrite_with(file, &patch(wanted), &options).unwrap().unwrap();
    let moments = moments(&patched);
    assert_eq!(moments.iter().filter(|moment| **moment == Some(42)).count(), 1500);
    assert!(moments.chunks(1000).all(|group| group.is_sorted()));
}

#[test]
fn a_change_that_is_not_of_the_files_length_or_columns_is_refused() {
    let file = || write(by_status(), &rows(10)).remove(0);
    let rows = file().rows as usize;
    let short = patch(BooleanBuffer::new_set(rows - 1));
    assert!(matches!(rewrite_with(file(), &short, &by_status()), Err(WriteError::Mask { .. })));
    let mut elsewhere = patch(BooleanBuffer::new_set(rows));
    elsewhere.patch.as_mut().unwrap().column = STATUS;
    assert!(matches!(rewrite_with(file(), &elsewhere, &by_status()), Err(WriteError::NoColumn { index: STATUS })));
}

#[test]
fn a_partition_value_reads_back_as_its_column() {
    let field = by(STATUS, Transform::Identity, "status");
    let texts = partition_values(&schema(), &field, Some("open"), 2).unwrap();
    assert_eq!(texts.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("open"), Some("open")]);
    assert_eq!(partition_values(&schema(), &field, None, 3).unwrap().null_count(), 3);
    let id = by(ID, Transform::Identity, "id");
    let error = partition_values(&schema(), &id, Some("x"), 1).unwrap_err();
    assert!(error.to_string().contains("`id`"), "{error}");
}
