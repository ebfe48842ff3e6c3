//! A written table as its readers find it: directories decoded, columns of all files put together.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    compute::concat_batches,
};
use restlake::{
    dedup::{Dedup, Origin},
    model::EncodedFile,
    plan::{Compression, ParquetPlan, PartitionField, Transform},
    schema::{Column, Source, TableSchema},
    write::{TableWriter, WriteOptions, rewrite},
};

use crate::support::tables::{all_rows, data_files, read_table, sorted_texts, walk};

const STATUSES: [Option<&str>; 5] = [Some("a/b"), Some("NULL"), None, Some("100 %"), Some("été: ../x")];

fn options() -> WriteOptions {
    let column = |(name, data_type): (&str, &str)| Column {
        name: name.to_owned(),
        source: Source::Path(vec![name.to_owned()]),
        data_type: data_type.parse().unwrap(),
        nullable: true,
        format: None,
    };
    let columns = [("id", "int64"), ("status", "string"), ("created_at", "timestamp")];
    let partition = |column, transform, key: &str| PartitionField { column, transform, key: key.to_owned() };
    WriteOptions {
        schema: TableSchema { columns: columns.map(column).to_vec() },
        partition_by: vec![
            partition(1, Transform::Identity, "status"),
            partition(2, Transform::Month, "created_at_month"),
        ],
        parquet: ParquetPlan {
            compression: Compression::Zstd(3),
            target_file_size: 1_000_000,
            row_group_rows: 1_000,
            bloom_filter: vec![0],
            sort_by: Vec::new(),
        },
        version: 1,
        position: 0,
        memory: 64 << 20,
        index: true,
        keys: Vec::new(),
        pipeline: "shop".to_owned(),
        resource: "orders".to_owned(),
    }
}

/// The status follows from the id; the time from the id and the revision.
fn rows(ids: &[i64], revision: i64) -> RecordBatch {
    let status: StringArray = ids.iter().map(|id| STATUSES[(id % 5) as usize]).collect();
    let created = ids.iter().map(|id| (id % 3) * 2_678_400_000_000 + revision).collect::<Vec<_>>();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(status),
        Arc::new(TimestampMicrosecondArray::from(created).with_timezone("+00:00")),
    ];
    RecordBatch::try_new(options().schema.to_arrow(), columns).unwrap()
}

fn put(root: &Path, files: &[EncodedFile]) {
    for file in files {
        let path = root.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.content).unwrap();
    }
}

#[test]
fn a_reader_of_the_directory_finds_every_row_and_its_partition_values() {
    let root = tempfile::tempdir().unwrap();
    let expected = rows(&(0..3000).collect::<Vec<_>>(), 7);
    let mut writer = TableWriter::new(options()).unwrap();
    let mut files = writer.write(&expected, &(0..3000).collect::<Vec<_>>()).unwrap();
    files.extend(writer.finish().unwrap().files);
    put(root.path(), &files);
    let table = read_table(root.path());
    assert_eq!(table.len(), 15, "five statuses in three months");
    assert_eq!(walk(root.path()).len(), 15, "nothing else lies there");
    for file in &table {
        let written = files.iter().find(|written| written.path == file.path).unwrap();
        assert_eq!(file.partition, written.partition);
    }
    let columns = ["id", "status", "created_at"];
    assert_eq!(sorted_texts(&all_rows(&table), &columns), sorted_texts(&expected, &columns));
    let months: Vec<_> = sorted_texts(&all_rows(&table), &["created_at_month"]).concat();
    assert_eq!(months.iter().flatten().map(String::as_str).collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn an_empty_table_is_readable_and_has_all_columns() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), &TableWriter::new(options()).unwrap().finish().unwrap().files);
    let rows = all_rows(&read_table(root.path()));
    assert_eq!((rows.num_rows(), rows.num_columns()), (0, 3));
    assert_eq!(data_files(root.path()).keys().collect::<Vec<_>>(), ["part-0000000001-00000-00000.parquet"]);
}

#[test]
fn rows_superseded_after_they_were_written_are_gone_from_the_table() {
    let root = tempfile::tempdir().unwrap();
    let ids: Vec<i64> = (0..2000).collect();
    let pages = [rows(&ids, 1), rows(&[3, 1999, 3], 2), rows(&[3], 3)];
    let mut dedup = Dedup::new(&options().schema.to_arrow(), &[0], None).unwrap();
    let mut writer = TableWriter::new(options()).unwrap();
    let mut files = Vec::new();
    for page in &pages {
        let deduped = dedup.push(page, Origin::default()).unwrap();
        files.extend(writer.write(&deduped.rows, &deduped.ids).unwrap());
    }
    assert_eq!(dedup.duplicates(), 4);
    let finished = writer.finish().unwrap();
    files.extend(finished.files);
    for stale in finished.index.stale(&dedup.finish().superseded) {
        let at = files.iter().position(|file| file.path == stale.path).unwrap();
        let file = files.swap_remove(at);
        files.extend(rewrite(file, &stale.keep, &options()).unwrap());
    }
    put(root.path(), &files);
    let unchanged: Vec<i64> = ids.iter().copied().filter(|id| ![3, 1999].contains(id)).collect();
    let expected = [rows(&unchanged, 1), rows(&[1999], 2), rows(&[3], 3)];
    let expected = concat_batches(&options().schema.to_arrow(), &expected).unwrap();
    let columns = ["id", "status", "created_at"];
    assert_eq!(sorted_texts(&all_rows(&read_table(root.path())), &columns), sorted_texts(&expected, &columns));
}
