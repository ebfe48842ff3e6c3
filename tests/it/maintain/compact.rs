//! Small files become large ones, and nothing else changes, wherever it is cut off.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arrow::array::Array;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use restlake::{
    environment::{FaultPoint, Faults},
    maintain::{CompactOptions, Compacted},
};

use super::*;
use crate::support::{
    environment::TestEnvironment,
    tables::{all_rows, data_files, read_table, sorted_texts},
};

type Rows = Vec<Vec<Option<String>>>;

fn rows(kept: &Kept) -> Rows {
    sorted_texts(&all_rows(&read_table(&kept.table())), &COLUMNS)
}

/// A table of four partitions with three small files each.
async fn fragmented() -> Kept {
    let kept = Kept::partitioned("append");
    for (first, last) in [(1, 40), (41, 80), (81, 140)] {
        kept.run(items(first, last)).await;
    }
    assert_eq!(kept.data_files().len(), 12);
    kept
}

async fn compact_in(kept: &Kept, environment: Environment) -> restlake::Result<Compacted> {
    let lake = kept.keeper_in(environment);
    let resource = &lake.plan().resources[0];
    lake.compact(resource, &lake.compact_options(resource)).await
}

async fn compact(kept: &Kept) -> Compacted {
    compact_in(kept, Environment::real()).await.unwrap()
}

#[tokio::test]
async fn each_partition_gets_one_file_with_the_same_rows_in_one_version() {
    let kept = fragmented().await;
    let before = rows(&kept);
    let compacted = compact(&kept).await;
    assert_eq!((compacted.version, compacted.partitions), (4, 4));
    assert_eq!((compacted.files_removed, compacted.files_added, compacted.rows), (12, 4, 140));
    assert_eq!(rows(&kept), before);
    let files = kept.data_files();
    assert_eq!(files.len(), 4);
    assert!(files.iter().all(|file| file.contains("part-0000000004-00000-0000")), "{files:?}");
    assert_eq!(kept.problems().await, []);
    assert!(!kept.table().join("_restlake/staging").exists(), "nothing is left over");
}

#[tokio::test]
async fn a_table_without_small_files_gets_no_commit() {
    let kept = fragmented().await;
    compact(&kept).await;
    let before = everything(kept.folder.path());
    let again = compact(&kept).await;
    assert_eq!(again, Compacted { version: 4, ..Compacted::default() });
    assert_eq!(everything(kept.folder.path()), before);
    let none = Kept::partitioned("append");
    assert_eq!(compact(&none).await, Compacted::default());
    assert!(!none.lake().exists());
}

#[tokio::test]
async fn the_rows_of_a_sorted_table_are_sorted_within_each_row_group() {
    let mut kept = Kept::new(json!({"write_disposition": "append"}));
    kept.parquet = json!({"sort_by": ["name"], "row_group_rows": 50});
    for (first, last) in [(1, 40), (41, 80), (81, 140)] {
        kept.run(items(first, last)).await;
    }
    let before = rows(&kept);
    assert_eq!(compact(&kept).await.files_added, 1);
    assert_eq!(rows(&kept), before);
    let content = data_files(&kept.table()).into_values().next().unwrap();
    let groups = ParquetRecordBatchReaderBuilder::try_new(content.clone()).unwrap().metadata().num_row_groups();
    assert_eq!(groups, 3);
    for group in 0..groups {
        let builder = ParquetRecordBatchReaderBuilder::try_new(content.clone()).unwrap();
        let batch = builder.with_row_groups(vec![group]).build().unwrap().next().unwrap().unwrap();
        let names = batch.column_by_name("name").unwrap();
        let names: Vec<_> = arrow::array::AsArray::as_string::<i32>(names).iter().collect();
        assert!(names.is_sorted(), "row group {group}: {names:?}");
    }
    assert_eq!(kept.problems().await, []);
}

#[tokio::test]
async fn the_state_and_the_schema_of_the_table_stay() {
    let kept = fragmented().await;
    let commit = |version: u64| {
        let path = kept.table().join(format!("_restlake/commits/{version:020}.json"));
        serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap()
    };
    compact(&kept).await;
    for key in ["state", "schema", "partition_by", "identity"] {
        assert_eq!(commit(4)[key], commit(3)[key], "{key}");
    }
    assert_eq!(commit(4)["operation"], "compact");
}

#[tokio::test]
async fn rows_can_be_appended_and_compacted_again() {
    let kept = fragmented().await;
    compact(&kept).await;
    kept.run(items(141, 150)).await;
    let before = rows(&kept);
    assert_eq!(compact(&kept).await.version, 6);
    assert_eq!((rows(&kept), kept.data_files().len()), (before, 4));
}

#[tokio::test]
async fn a_damaged_file_is_never_written_on_as_if_it_were_right() {
    let kept = fragmented().await;
    kept.change(&kept.first_file(), |content| content[20] ^= 1);
    let before = everything(kept.folder.path());
    let error = compact_in(&kept, Environment::real()).await.unwrap_err();
    assert_eq!(error.code(), "file_damaged");
    assert_eq!(everything(kept.folder.path()), before, "nothing is changed and nothing left over");
}

/// From the `nth` time on that `point` is reached, nothing works there any more.
#[derive(Debug)]
struct Death {
    point: FaultPoint,
    nth: usize,
    reached: AtomicUsize,
}

impl Faults for Death {
    fn reach(&self, point: FaultPoint) -> std::io::Result<()> {
        if point != self.point || self.reached.fetch_add(1, Ordering::SeqCst) + 1 < self.nth {
            return Ok(());
        }
        Err(std::io::Error::other(format!("dead at {point:?}")))
    }
}

#[tokio::test]
async fn cut_off_anywhere_the_table_is_whole_when_it_is_opened_again() {
    let original = fragmented().await;
    let wanted = rows(&original);
    let points = [
        FaultPoint::FileStaged,
        FaultPoint::BeforeCommit,
        FaultPoint::AfterCommit,
        FaultPoint::BetweenMoves,
        FaultPoint::BetweenRemovals,
    ];
    for point in points {
        let mut nth = 1;
        loop {
            let kept = fragmented().await;
            let death = Arc::new(Death { point, nth, reached: AtomicUsize::new(0) });
            let environment = Environment { faults: death, ..TestEnvironment::new().environment() };
            if compact_in(&kept, environment).await.is_ok() {
                assert!(nth > 1, "{point:?} was never reached");
                break;
            }
            if point == FaultPoint::AfterCommit {
                assert_eq!(kept.problems().await, [Problem::UnpublishedCommit], "one finding that explains all");
            }
            // Opening it again finishes or takes back what was begun.
            let lake = kept.keeper();
            lake.table(&lake.plan().resources[0]).await.unwrap();
            assert_eq!(rows(&kept), wanted, "{point:?} {nth}");
            assert_eq!(kept.problems().await, [], "{point:?} {nth}");
            nth += 3;
        }
    }
}

#[tokio::test]
async fn a_stop_that_was_asked_for_leaves_the_table_as_it_was() {
    let kept = fragmented().await;
    let before = everything(kept.folder.path());
    let world = TestEnvironment::new();
    world.shutdown.cancel();
    let error = compact_in(&kept, world.environment()).await.unwrap_err();
    assert_eq!(error.kind(), restlake::ErrorKind::Interrupted);
    assert_eq!(everything(kept.folder.path()), before);
}

async fn rewrite_schema(kept: &Kept) -> restlake::Result<Compacted> {
    let lake = kept.keeper();
    let resource = &lake.plan().resources[0];
    let options = CompactOptions { rewrite_schema: true, ..lake.compact_options(resource) };
    lake.compact(resource, &options).await
}

fn columns(id: &str, more: Option<Value>) -> Value {
    let mut columns = vec![
        json!({"name": "id", "type": id, "nullable": false}),
        json!({"name": "name", "type": "string"}),
        json!({"name": "status", "type": "string"}),
        json!({"name": "created_at", "type": "timestamp"}),
    ];
    columns.extend(more);
    json!({"columns": columns})
}

#[tokio::test]
async fn all_files_get_the_columns_that_the_config_has_now() {
    let mut kept = Kept::partitioned("append");
    kept.resource["schema"] = columns("int32", None);
    kept.run(items(1, 40)).await;
    kept.run(items(41, 60)).await;
    let before = rows(&kept);
    assert_eq!(rewrite_schema(&kept).await.unwrap().version, 2, "nothing to do");
    kept.resource["schema"] = columns("int64", Some(json!({"name": "points", "type": "int64"})));
    let compacted = rewrite_schema(&kept).await.unwrap();
    assert_eq!((compacted.version, compacted.files_removed, compacted.files_added, compacted.rows), (3, 8, 8, 60));
    assert_eq!(rows(&kept), before);
    let files = read_table(&kept.table());
    assert!(files.iter().all(|file| file.rows.column_by_name("points").unwrap().null_count() == file.rows.num_rows()));
    assert_eq!(kept.problems().await, []);
    assert_eq!(rewrite_schema(&kept).await.unwrap().version, 3, "and nothing more");
}

#[tokio::test]
async fn a_schema_that_the_rows_cannot_have_is_refused_and_nothing_changes() {
    let mut kept = Kept::partitioned("append");
    kept.run(items(1, 40)).await;
    let before = everything(kept.folder.path());
    kept.resource["schema"] = columns("int32", None);
    let error = rewrite_schema(&kept).await.unwrap_err();
    assert_eq!(error.code(), "schema_changed");
    assert!(error.to_string().contains("int64") && error.to_string().contains("int32"), "{error}");
    assert_eq!(everything(kept.folder.path()), before);
}
