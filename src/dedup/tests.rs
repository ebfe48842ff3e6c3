use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, UInt64Array},
    compute::cast,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use proptest::prelude::*;

use super::*;
use crate::error::{ErrorKind, Failure};

/// A row of the model: an integer key, a text key, a value to sort by.
type Row = (Option<i64>, Option<String>, Option<i64>);

fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("id", DataType::Int64),
        field("name", DataType::Utf8),
        field("updated", DataType::Int64),
        field("tags", DataType::new_list(DataType::Utf8, true)),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let id: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let name: ArrayRef = Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringArray>());
    let updated: ArrayRef = Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>());
    let tags = arrow::array::new_null_array(&DataType::new_list(DataType::Utf8, true), rows.len());
    RecordBatch::try_new(schema(), vec![id, name, updated, tags]).unwrap()
}

fn row(id: i64, name: &str, updated: i64) -> Row {
    (Some(id), Some(name.to_owned()), Some(updated))
}

fn dedup(key: &[usize], sort: Option<DedupSort>) -> Dedup {
    Dedup::new(&schema(), key, sort).unwrap()
}

/// All that `Dedup` says about batches: the ids that stay in the end, ascending, and how many rows lost.
fn run(batches: &[Vec<Row>], key: &[usize], sort: Option<DedupSort>) -> (Vec<u64>, u64) {
    let mut dedup = dedup(key, sort);
    let mut kept = Vec::new();
    for rows in batches {
        let deduped = dedup.push(&batch(rows), Origin::default()).unwrap();
        assert_eq!(deduped.rows.num_rows(), deduped.ids.len());
        kept.extend(deduped.ids);
    }
    let duplicates = dedup.duplicates();
    let superseded = dedup.finish().superseded;
    assert!(superseded.iter().all(|id| kept.contains(id)), "only rows that were handed on are taken back");
    assert!(superseded.is_sorted());
    kept.retain(|id| superseded.binary_search(id).is_err());
    (kept, duplicates)
}

/// The rule, said plainly: for each key, the best row, and of equally good ones the last.
fn model(rows: &[Row], key: &[usize], sort: Option<DedupSort>) -> Vec<u64> {
    let mut winners: HashMap<Vec<Option<String>>, (u64, Option<i64>)> = HashMap::new();
    for (id, row) in rows.iter().enumerate() {
        let columns = [row.0.map(|id| id.to_string()), row.1.clone(), row.2.map(|value| value.to_string())];
        let values = key.iter().map(|&index| columns[index].clone()).collect();
        let goodness = sort.and_then(|sort| row.2.map(|value| if sort.descending { value } else { -value }));
        let winner = winners.entry(values).or_insert((id as u64, goodness));
        if goodness >= winner.1 {
            *winner = (id as u64, goodness);
        }
    }
    let mut kept: Vec<u64> = winners.into_values().map(|(id, _)| id).collect();
    kept.sort_unstable();
    kept
}

#[test]
fn the_last_row_of_a_key_wins_within_a_batch() {
    let deduped =
        dedup(&[0], None).push(&batch(&[row(1, "a", 0), row(2, "b", 0), row(1, "c", 0)]), Origin::default()).unwrap();
    assert_eq!(deduped.ids, [1, 2]);
    let names: Vec<_> = deduped.rows.column(1).as_string::<i32>().iter().flatten().collect();
    assert_eq!(names, ["b", "c"]);
}

#[test]
fn a_row_that_was_handed_on_is_taken_back_when_its_key_comes_again() {
    let mut dedup = dedup(&[0], None);
    assert_eq!(dedup.push(&batch(&[row(1, "a", 0), row(2, "b", 0)]), Origin::default()).unwrap().ids, [0, 1]);
    assert_eq!(dedup.push(&batch(&[row(1, "c", 0)]), Origin::default()).unwrap().ids, [2]);
    assert_eq!(dedup.push(&batch(&[row(1, "d", 0)]), Origin::default()).unwrap().ids, [3]);
    assert_eq!(dedup.duplicates(), 2);
    let done = dedup.finish();
    assert_eq!(done.superseded, [0, 2]);
    assert_eq!(done.winners, [3, 1], "by the slot of the key");
    let mut slots = Vec::new();
    done.keys.find(&batch(&[row(2, "x", 0), row(3, "x", 0)]), &[0], &mut slots).unwrap();
    assert_eq!(slots, [Some(1), None]);
}

#[test]
fn dedup_sort_keeps_the_highest_value_or_the_lowest() {
    let batches = [vec![row(1, "a", 5), row(1, "b", 9)], vec![row(1, "c", 7)]];
    let sort = |descending| Some(DedupSort { column: 2, descending });
    assert_eq!(run(&batches, &[0], sort(true)).0, [1]);
    assert_eq!(run(&batches, &[0], sort(false)).0, [0]);
}

#[test]
fn of_equal_sort_values_the_last_row_wins_and_nulls_lose() {
    let tied = [vec![row(1, "a", 5)], vec![row(1, "b", 5)]];
    let null = [vec![row(1, "a", 5)], vec![(Some(1), None, None)]];
    for descending in [true, false] {
        let sort = Some(DedupSort { column: 2, descending });
        assert_eq!(run(&tied, &[0], sort).0, [1]);
        assert_eq!(run(&null, &[0], sort).0, [0]);
    }
}

#[test]
fn sort_values_of_different_lengths_are_compared_as_text() {
    let long = "a text that takes more than one block of the row format, which is thirty-two bytes long";
    let batches = [vec![row(1, "b", 0), row(2, long, 0)], vec![row(1, long, 0), row(2, "b", 0), row(1, "c", 0)]];
    let sort = Some(DedupSort { column: 1, descending: true });
    assert_eq!(run(&batches, &[0], sort).0, [3, 4]);
}

#[test]
fn a_null_key_is_a_key_of_its_own() {
    let null = || (None, Some("x".to_owned()), None);
    let batches = [vec![null(), row(0, "x", 0)], vec![null(), row(0, "x", 0)]];
    assert_eq!(run(&batches, &[0], None).0, [2, 3]);
    assert_eq!(run(&batches, &[0, 1], None).0, [2, 3]);
}

#[test]
fn compound_keys_do_not_run_into_each_other() {
    let text = |a: &str, b: i64| (Some(b), Some(a.to_owned()), None);
    let batches = [vec![text("1", 12), text("11", 2), text("112", 0)]];
    assert_eq!(run(&batches, &[1, 0], None).0, [0, 1, 2]);
}

#[test]
fn a_batch_without_rows_changes_nothing() {
    let mut dedup = dedup(&[0], None);
    assert!(dedup.push(&batch(&[]), Origin::default()).unwrap().ids.is_empty());
    assert_eq!(dedup.push(&batch(&[row(1, "a", 0)]), Origin::default()).unwrap().ids, [0]);
}

#[test]
fn a_page_without_duplicates_is_handed_on_without_a_copy() {
    let rows = batch(&[row(1, "a", 0), row(2, "b", 0)]);
    let deduped = dedup(&[0], None).push(&rows, Origin::default()).unwrap();
    let address = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().as_ptr();
    assert_eq!(address(&deduped.rows), address(&rows));
}

#[test]
fn whole_numbers_of_every_width_are_keys() {
    let days: ArrayRef = Arc::new(Int32Array::from(vec![7, 8, 7]));
    for data_type in [DataType::Int8, DataType::UInt32, DataType::Date32, DataType::UInt64, DataType::Int64] {
        let schema = Arc::new(Schema::new(vec![Field::new("id", data_type.clone(), true)]));
        let rows = RecordBatch::try_new(schema.clone(), vec![cast(&days, &data_type).unwrap()]).unwrap();
        assert_eq!(
            Dedup::new(&schema, &[0], None).unwrap().push(&rows, Origin::default()).unwrap().ids,
            [1, 2],
            "{data_type}"
        );
    }
}

#[test]
fn unsigned_keys_beyond_the_signed_range_stay_apart() {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::UInt64, true)]));
    let values: ArrayRef = Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(u64::MAX - 1), None, Some(u64::MAX)]));
    let rows = RecordBatch::try_new(schema.clone(), vec![values]).unwrap();
    assert_eq!(Dedup::new(&schema, &[0], None).unwrap().push(&rows, Origin::default()).unwrap().ids, [1, 2, 3]);
}

#[test]
fn a_nested_column_is_refused_by_name() {
    let error = |key: &[usize], sort| Dedup::new(&schema(), key, sort).err().unwrap();
    let key = error(&[3], None);
    assert_eq!((key.kind(), key.code()), (ErrorKind::User, "key_type"));
    assert!(key.to_string().contains("`tags`"), "{key}");
    assert!(key.hint().is_some());
    assert_eq!(error(&[0], Some(DedupSort { column: 3, descending: true })).code(), "key_type");
    assert_eq!(error(&[9], None).kind(), ErrorKind::Bug);
}

#[test]
fn a_million_integer_keys_take_tens_of_bytes_each() {
    let mut dedup = dedup(&[0], None);
    for start in (0..1_000_000).step_by(100_000) {
        let rows: Vec<Row> = (start..start + 100_000).map(|id| (Some(id), None, None)).collect();
        dedup.push(&batch(&rows), Origin::default()).unwrap();
    }
    let per_key = dedup.memory() / 1_000_000;
    assert!((16..48).contains(&per_key), "{per_key} bytes a key");
}

fn rows() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let name = prop_oneof![Just(None), "[ab]{0,2}".prop_map(Some), "[a]{30,34}".prop_map(Some)];
    let row = (prop::option::of(-2_i64..3), name, prop::option::of(-3_i64..3));
    prop::collection::vec(prop::collection::vec(row, 0..12), 0..6)
}

proptest! {
    #[test]
    fn what_stays_is_what_a_plain_map_over_all_rows_keeps(
        batches in rows(),
        key in prop::sample::select(vec![vec![0], vec![1], vec![0, 1], vec![1, 0, 2]]),
        sort in prop::option::of(any::<bool>()),
    ) {
        let sort = sort.map(|descending| DedupSort { column: 2, descending });
        let all: Vec<Row> = batches.concat();
        let expected = model(&all, &key, sort);
        let (kept, duplicates) = run(&batches, &key, sort);
        prop_assert_eq!(&kept, &expected);
        prop_assert_eq!(duplicates, (all.len() - expected.len()) as u64);
        // However the rows are cut into batches, the same ones stay.
        prop_assert_eq!(run(&[all], &key, sort).0, expected);
    }
    #[test]
    fn written_down_after_every_batch_and_read_back_it_goes_on_as_if_nothing_had_happened(
        batches in rows(),
        key in prop::sample::select(vec![vec![0], vec![1, 0]]),
        sort in prop::option::of(any::<bool>()),
    ) {
        let sort = sort.map(|descending| DedupSort { column: 2, descending });
        let mut kept = Vec::new();
        let (mut current, mut whole) = (dedup(&key, sort), dedup(&key, sort));
        let mut stored: Vec<Vec<u8>> = Vec::new();
        for (page, rows) in (1..).zip(&batches) {
            // Three pages to a list.
            let sequence = Sequence { list: page / 3, pass: 0 };
            let origin = Origin { page, sequence, repeats: 0 };
            whole.push(&batch(rows), origin).unwrap();
            kept.extend(current.push(&batch(rows), origin).unwrap().ids);
            stored.push(postcard::to_stdvec(&current.segment()).unwrap());
            // Another process takes over at every second one.
            if stored.len().is_multiple_of(2) {
                current = dedup(&key, sort);
                for segment in &stored {
                    current.restore(postcard::from_bytes(segment).unwrap()).unwrap();
                }
            }
        }
        prop_assert_eq!(current.again(), whole.again());
        let duplicates = current.duplicates();
        let superseded = current.finish().superseded;
        kept.retain(|id| superseded.binary_search(id).is_err());
        prop_assert_eq!((kept, duplicates), run(&batches, &key, sort));
    }
}

#[test]
fn a_segment_that_is_not_the_next_one_is_refused() {
    let mut first = dedup(&[0], None);
    first.push(&batch(&[row(1, "a", 0)]), Origin::default()).unwrap();
    let stored = postcard::to_stdvec(&first.segment()).unwrap();
    let segment = || postcard::from_bytes(&stored).unwrap();
    let mut second = dedup(&[0], None);
    second.restore(segment()).unwrap();
    assert_eq!(second.restore(segment()).unwrap_err().code(), "key_segment");
    assert_eq!(dedup(&[1], None).restore(segment()).unwrap_err().code(), "key_segment");
    let sorted = dedup(&[0], Some(DedupSort { column: 2, descending: true })).restore(segment());
    assert_eq!(sorted.unwrap_err().code(), "key_segment");
}
