//! Whole files: what a table writer makes, read back with the Parquet reader.

mod changes;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int64Array, ListBuilder, RecordBatch, RecordBatchReader, StringArray, StringBuilder,
        TimestampMicrosecondArray,
    },
    compute::concat_batches,
    datatypes::Int64Type,
};
use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    basic::{LogicalType, Type as PhysicalType},
    file::{
        metadata::ParquetMetaData,
        properties::ReaderProperties,
        reader::{FileReader, SerializedFileReader},
        serialized_reader::ReadOptionsBuilder,
    },
    schema::types::Type,
};
use proptest::prelude::*;

use super::*;
use crate::{
    model::EncodedFile,
    plan::{Compression, Transform},
    schema::{Column, Source},
};

const ID: usize = 0;
const STATUS: usize = 1;
const NAME: usize = 2;
const CREATED: usize = 3;
const TAGS: usize = 4;

fn schema() -> TableSchema {
    let column = |name: &str, data_type: &str| Column {
        name: name.to_owned(),
        source: Source::Path(vec![name.to_owned()]),
        data_type: data_type.parse().unwrap(),
        nullable: name != "id",
        format: None,
    };
    TableSchema {
        columns: vec![
            column("id", "int64"),
            column("status", "string"),
            column("name", "string"),
            column("created_at", "timestamp"),
            column("tags", "list<string>"),
        ],
    }
}

fn options() -> WriteOptions {
    WriteOptions {
        schema: schema(),
        partition_by: Vec::new(),
        parquet: ParquetPlan {
            compression: Compression::Zstd(1),
            target_file_size: 256_000_000,
            row_group_rows: 250_000,
            bloom_filter: Vec::new(),
            sort_by: Vec::new(),
        },
        version: 7,
        position: 0,
        memory: 256 << 20,
        index: true,
        keys: Vec::new(),
        pipeline: "shop".to_owned(),
        resource: "orders".to_owned(),
    }
}

fn by(column: usize, transform: Transform, key: &str) -> PartitionField {
    PartitionField { column, transform, key: key.to_owned() }
}

fn by_status() -> WriteOptions {
    WriteOptions { partition_by: vec![by(STATUS, Transform::Identity, "status")], ..options() }
}

/// Rows with these statuses; everything else follows from the row's number.
fn rows_with<'a>(statuses: impl IntoIterator<Item = Option<&'a str>>) -> RecordBatch {
    let status: StringArray = statuses.into_iter().collect();
    let count = status.len() as i64;
    let mut tags =
        ListBuilder::new(StringBuilder::new()).with_field(match schema().to_arrow().field(TAGS).data_type() {
            arrow::datatypes::DataType::List(item) => Arc::clone(item),
            other => panic!("{other}"),
        });
    (0..count)
        .for_each(|id| tags.append_option((id % 5 != 0).then(|| (0..id % 3).map(|tag| Some(format!("tag {tag}"))))));
    let names = (0..count).map(|id| (id % 7 != 0).then(|| format!("name {}", id * 7_919 % 10_007)));
    let created = (0..count).map(|id| 1_700_000_000_000_000 + id * 61_000_000_000).collect::<Vec<_>>();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..count)),
        Arc::new(status),
        Arc::new(names.collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from(created).with_timezone("+00:00")),
        Arc::new(tags.finish()),
    ];
    RecordBatch::try_new(schema().to_arrow(), columns).unwrap()
}

fn rows(count: usize) -> RecordBatch {
    rows_with((0..count).map(|id| [Some("active"), Some("draft"), None][id % 3]))
}

/// Writes the rows in batches of these lengths, repeated; ids are row numbers.
fn write_cut(options: WriteOptions, rows: &RecordBatch, lengths: &[usize]) -> (Vec<EncodedFile>, FileIndex) {
    let mut writer = TableWriter::new(options).unwrap();
    let ids: Vec<u64> = (0..rows.num_rows() as u64).collect();
    let mut files = Vec::new();
    let (mut start, mut lengths) = (0, lengths.iter().cycle());
    while start < rows.num_rows() {
        let length = (*lengths.next().unwrap()).clamp(1, rows.num_rows() - start);
        files.extend(writer.write(&rows.slice(start, length), &ids[start..start + length]).unwrap());
        start += length;
    }
    let finished = writer.finish().unwrap();
    files.extend(finished.files);
    (files, finished.index)
}

fn write(options: WriteOptions, rows: &RecordBatch) -> Vec<EncodedFile> {
    write_cut(options, rows, &[rows.num_rows().max(1)]).0
}

fn read(content: &Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(content.clone()).unwrap().build().unwrap();
    let schema = reader.schema();
    concat_batches(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

fn read_ids(file: &EncodedFile) -> Vec<i64> {
    read(&file.content).column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn reader(file: &EncodedFile) -> SerializedFileReader<Bytes> {
    let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
    let options = ReadOptionsBuilder::new().with_reader_properties(properties).build();
    SerializedFileReader::new_with_options(file.content.clone(), options).unwrap()
}

fn metadata(file: &EncodedFile) -> ParquetMetaData {
    reader(file).metadata().clone()
}

fn group_rows(file: &EncodedFile) -> Vec<i64> {
    metadata(file).row_groups().iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).collect()
}

fn paths(files: &[EncodedFile]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

fn parquet_field<'a>(root: &'a Type, path: &[&str]) -> &'a Type {
    path.iter().fold(root, |node, name| node.get_fields().iter().find(|field| field.name() == *name).unwrap())
}

#[test]
fn rows_come_back_as_they_were_written() {
    let rows = rows(20_000);
    let files = write(options(), &rows);
    assert_eq!(paths(&files), ["part-0000000007-00000-00000.parquet"]);
    assert_eq!(files[0].rows, 20_000);
    let back = read(&files[0].content);
    for column in [ID, STATUS, NAME, TAGS] {
        assert_eq!(back.column(column), rows.column(column));
    }
    let micros =
        |rows: &RecordBatch| arrow::compute::cast(rows.column(CREATED), &arrow::datatypes::DataType::Int64).unwrap();
    assert_eq!(&micros(&back), &micros(&rows));
}

#[test]
fn partitions_lie_in_directories_and_their_columns_not_in_the_files() {
    let files = write(by_status(), &rows(9));
    assert_eq!(
        paths(&files),
        [
            "status=__HIVE_DEFAULT_PARTITION__/part-0000000007-00000-00000.parquet",
            "status=active/part-0000000007-00000-00001.parquet",
            "status=draft/part-0000000007-00000-00002.parquet",
        ]
    );
    assert_eq!(files[0].partition, [("status".to_owned(), None)]);
    assert_eq!(files[1].partition, [("status".to_owned(), Some("active".to_owned()))]);
    assert_eq!(read_ids(&files[1]), [0, 3, 6], "in order of arrival");
    let names: Vec<_> = read(&files[1].content).schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "name", "created_at", "tags"]);
}

#[test]
fn the_source_column_of_a_transform_stays_in_the_files() {
    let partition_by = vec![
        by(CREATED, Transform::Day, "created_at_day"),
        by(ID, Transform::Bucket(2), "id_bucket"),
        by(STATUS, Transform::Identity, "status"),
    ];
    let files = write(WriteOptions { partition_by, ..options() }, &rows(3));
    assert!(files[0].path.starts_with("created_at_day=2023-11-14/id_bucket="), "{}", files[0].path);
    let read = read(&files[0].content);
    assert!(read.column_by_name("created_at").is_some() && read.column_by_name("status").is_none());
}

#[test]
fn an_empty_table_is_one_file_in_the_root_with_all_columns() {
    let files = write(by_status(), &rows(0));
    assert_eq!(paths(&files), ["part-0000000007-00000-00000.parquet"]);
    assert!(files[0].partition.is_empty() && files[0].rows == 0);
    assert_eq!(read(&files[0].content).num_columns(), schema().columns.len());
    assert_eq!(files[0].content, empty_file(&by_status(), 0).unwrap().content);
}

#[test]
fn parquet_types_are_those_that_readers_agree_on() {
    let files = write(options(), &rows(10));
    let metadata = metadata(&files[0]);
    let root = metadata.file_metadata().schema();
    let created = parquet_field(root, &["created_at"]);
    assert_eq!(created.get_physical_type(), PhysicalType::INT64);
    let Some(LogicalType::Timestamp(timestamp)) = created.get_basic_info().logical_type_ref() else {
        panic!("{created:?}")
    };
    assert!(timestamp.is_adjusted_to_u_t_c && format!("{:?}", timestamp.unit).contains("MICROS"), "{timestamp:?}");
    let tag = parquet_field(root, &["tags", "list", "element"]);
    assert_eq!(tag.get_physical_type(), PhysicalType::BYTE_ARRAY);
    assert!(!parquet_field(root, &["id"]).is_optional() && parquet_field(root, &["name"]).is_optional());
}

#[test]
fn maps_have_the_formats_own_names() {
    let mut options = options();
    options.schema.columns[NAME].data_type = "map<string, int64>".parse().unwrap();
    let file = empty_file(&options, 0).unwrap();
    let metadata = metadata(&file);
    let value = parquet_field(metadata.file_metadata().schema(), &["name", "key_value", "value"]);
    assert_eq!(value.get_physical_type(), PhysicalType::INT64);
}

#[test]
fn the_footer_tells_whose_file_it_is_and_nothing_of_the_run() {
    let files = write(options(), &rows(10));
    let metadata = metadata(&files[0]);
    let footer = metadata.file_metadata();
    let entries: BTreeMap<_, _> = footer
        .key_value_metadata()
        .unwrap()
        .iter()
        .map(|entry| (entry.key.as_str(), entry.value.clone().unwrap()))
        .collect();
    assert_eq!(
        entries.keys().copied().collect::<Vec<_>>(),
        ["restlake.pipeline", "restlake.resource", "restlake.schema_fingerprint"]
    );
    assert_eq!((entries["restlake.pipeline"].as_str(), entries["restlake.resource"].as_str()), ("shop", "orders"));
    assert_eq!(entries["restlake.schema_fingerprint"], schema().fingerprint().unwrap());
    assert_eq!(footer.created_by(), Some(concat!("restlake version ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_fingerprint_changes_with_the_schema_only() {
    let mut other = schema();
    assert_eq!(other.fingerprint().unwrap(), schema().fingerprint().unwrap());
    assert_eq!(other.fingerprint().unwrap().len(), 64);
    other.columns[NAME].nullable = false;
    assert_ne!(other.fingerprint().unwrap(), schema().fingerprint().unwrap());
}

#[test]
fn a_row_group_has_no_more_rows_than_the_plan_says() {
    let mut options = options();
    options.parquet.row_group_rows = 3000;
    assert_eq!(group_rows(&write(options, &rows(10_000))[0]), [3000, 3000, 3000, 1000]);
}

#[test]
fn a_file_is_closed_when_it_is_large_enough() {
    let mut options = options();
    options.parquet.target_file_size = 100_000;
    let files = write(options, &rows(60_000));
    assert!(files.len() > 2, "{}", files.len());
    let sizes: Vec<_> = files.iter().map(|file| file.content.len()).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|size| (50_000..250_000).contains(size)), "{sizes:?}");
    let ids: Vec<i64> = files.iter().flat_map(read_ids).collect();
    assert_eq!(ids, (0..60_000).collect::<Vec<_>>());
    assert!(paths(&files).is_sorted(), "numbered in the order in which they were closed");
}

#[test]
fn sort_by_sorts_within_each_row_group_and_says_so() {
    let mut options = options();
    options.parquet.row_group_rows = 4000;
    options.parquet.sort_by = vec![NAME, CREATED];
    let files = write(options, &rows(10_000));
    assert_eq!(group_rows(&files[0]), [4000, 4000, 2000]);
    let back = read(&files[0].content);
    let keys: Vec<_> = back.column(NAME).as_string::<i32>().iter().zip(read_ids(&files[0])).collect();
    for group in keys.chunks(4000) {
        assert!(group.is_sorted(), "by name, nulls first, then by time, which the id follows");
    }
    assert_eq!(keys[0].0, None);
    for group in metadata(&files[0]).row_groups() {
        let sorting: Vec<_> =
            group.sorting_columns().unwrap().iter().map(|s| (s.column_idx, s.descending, s.nulls_first)).collect();
        assert_eq!(sorting, [(2, false, true), (3, false, true)]);
    }
}

#[test]
fn sorting_columns_are_counted_among_the_files_leaves() {
    let mut options = by_status();
    // A struct of two leaves stands before it, the partition column is gone.
    options.schema.columns[NAME].data_type = "struct<a: int64, b: int64>".parse().unwrap();
    options.parquet.sort_by = vec![STATUS, CREATED];
    let columns = file_columns(&options.schema, &options.partition_by);
    let encoding = encode::Encoding::new(&options, &columns).unwrap();
    let mut encoder = encoding.start().unwrap();
    let rows = RecordBatch::try_new(
        Arc::clone(encoding.schema()),
        encoding
            .schema()
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "id" => Arc::new(Int64Array::from(vec![1])),
                _ => arrow::array::new_null_array(field.data_type(), 1),
            })
            .collect(),
    );
    encoder.write(&encoding, &rows.unwrap(), &[]).unwrap();
    let content = encoder.finish().unwrap().content;
    let file = EncodedFile { path: String::new(), partition: Vec::new(), rows: 1, keys: Vec::new(), content };
    let metadata = metadata(&file);
    let sorting = metadata.row_group(0).sorting_columns().unwrap();
    assert_eq!(sorting.len(), 1);
    assert_eq!(metadata.row_group(0).column(sorting[0].column_idx as usize).column_path().string(), "created_at");
}

#[test]
fn a_bloom_filter_is_sized_by_the_rows_and_finds_its_values() {
    let mut options = options();
    options.parquet.bloom_filter = vec![ID];
    let files = write(options, &rows(10_000));
    let reader = reader(&files[0]);
    let group = reader.get_row_group(0).unwrap();
    let filter = group.get_column_bloom_filter(ID).unwrap();
    assert!((0..10_000_i64).all(|id| filter.check(&id)));
    let wrong = (10_000..20_000_i64).filter(|id| filter.check(id)).count();
    assert!(wrong < 500, "{wrong} of 10,000 absent values seem to be there");
    let bytes = metadata(&files[0]).row_group(0).column(ID).bloom_filter_length().unwrap();
    assert!((8_000..40_000).contains(&bytes), "10 to 20 bits a value: {bytes} bytes");
    assert!(group.get_column_bloom_filter(NAME).is_none());
}

#[test]
fn every_compression_is_written_and_read() {
    let rows = rows(5000);
    let expected = read(&write(options(), &rows)[0].content);
    let mut sizes = Vec::new();
    for compression in [
        Compression::Uncompressed,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Gzip(6),
        Compression::Zstd(1),
        Compression::Zstd(19),
    ] {
        let mut options = options();
        options.parquet.compression = compression;
        let files = write(options, &rows);
        assert_eq!(read(&files[0].content), expected, "{compression:?}");
        sizes.push(files[0].content.len());
    }
    assert!(sizes[1..].iter().all(|size| *size < sizes[0]), "{sizes:?}");
}

#[test]
fn five_thousand_partitions_fit_into_a_small_budget() {
    let names: Vec<String> = (0..5000).map(|partition| format!("p{partition:04}")).collect();
    let rows = rows_with((0..20_000).map(|row| Some(names[row * 7 % 5000].as_str())));
    let memory = 32 << 20;
    let mut writer = TableWriter::new(WriteOptions { memory, ..by_status() }).unwrap();
    let ids: Vec<u64> = (0..20_000).collect();
    let mut files = Vec::new();
    for start in (0..20_000).step_by(1000) {
        files.extend(writer.write(&rows.slice(start, 1000), &ids[start..start + 1000]).unwrap());
        assert!(writer.memory() < memory, "{} bytes", writer.memory());
    }
    files.extend(writer.finish().unwrap().files);
    assert_eq!(files.len(), 5000);
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 20_000);
    assert!(files.iter().all(|file| file.rows == 4));
    assert_eq!(paths(&files).into_iter().collect::<HashSet<_>>().len(), 5000);
}

#[test]
fn a_budget_that_is_too_small_makes_more_files_and_loses_nothing() {
    let names: Vec<String> = (0..40).map(|partition| format!("p{partition}")).collect();
    let rows = rows_with((0..50_000).map(|row| Some(names[row % 40].as_str())));
    let memory = 2 << 20;
    let mut writer = TableWriter::new(WriteOptions { memory, ..by_status() }).unwrap();
    let ids: Vec<u64> = (0..50_000).collect();
    let mut files = Vec::new();
    for start in (0..50_000).step_by(5000) {
        files.extend(writer.write(&rows.slice(start, 5000), &ids[start..start + 5000]).unwrap());
        assert!(writer.memory() < 2 * memory, "{} bytes", writer.memory());
    }
    files.extend(writer.finish().unwrap().files);
    assert!(files.len() > 40, "{}", files.len());
    let mut ids: Vec<i64> = files.iter().flat_map(read_ids).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..50_000).collect::<Vec<_>>());
    for file in &files {
        assert!(read_ids(file).is_sorted(), "in order of arrival");
    }
}

#[test]
fn superseded_rows_are_taken_out_of_the_files_that_hold_them() {
    let mut options = by_status();
    options.parquet.row_group_rows = 1000;
    options.parquet.sort_by = vec![NAME];
    let (files, index) = write_cut(options.clone(), &rows(9000), &[500]);
    let superseded = [0, 3, 4, 8997];
    let stale = index.stale(&superseded);
    assert_eq!(stale.len(), 2, "`active` holds 0, 3 and 8997, `draft` holds 4");
    for file in files {
        let Some(stale) = stale.iter().find(|stale| stale.path == file.path) else { continue };
        let before = read_ids(&file);
        let groups = group_rows(&file).len();
        let (path, partition) = (file.path.clone(), file.partition.clone());
        let after = rewrite(file, &stale.keep, &options).unwrap().unwrap();
        let expected: Vec<i64> = before.into_iter().filter(|id| !superseded.contains(&(*id as u64))).collect();
        assert_eq!(read_ids(&after), expected);
        assert_eq!((after.path.clone(), after.partition.clone(), after.rows), (path, partition, expected.len() as u64));
        assert_eq!(group_rows(&after).len(), groups, "so that each is still sorted");
        assert!(metadata(&after).row_group(0).sorting_columns().is_some());
    }
}

#[test]
fn a_file_of_which_nothing_stays_is_no_file() {
    let (mut files, index) = write_cut(by_status(), &rows(6), &[6]);
    let stale = index.stale(&[0, 3]);
    let file = files.remove(1);
    assert_eq!(file.path, stale[0].path);
    assert!(rewrite(file, &stale[0].keep, &by_status()).unwrap().is_none());
}

#[test]
fn a_mask_of_another_length_is_refused() {
    let file = write(options(), &rows(6)).remove(0);
    let error = rewrite(file, &arrow::buffer::BooleanBuffer::new_set(5), &options()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Bug, "write_internal"));
}

#[test]
fn a_file_rewritten_with_all_its_rows_is_the_same_rows() {
    let file = write(options(), &rows(100)).remove(0);
    let again = rewrite(file.clone(), &arrow::buffer::BooleanBuffer::new_set(100), &options()).unwrap().unwrap();
    assert_eq!(read(&again.content), read(&file.content));
}

#[test]
fn without_an_index_no_row_is_remembered() {
    let (_, index) = write_cut(WriteOptions { index: false, ..by_status() }, &rows(100), &[10]);
    assert!(index.stale(&(0..100).collect::<Vec<_>>()).is_empty());
    assert_eq!(index.memory(), 0);
}

#[test]
fn a_partition_value_without_a_directory_is_told_with_its_row() {
    let error = |value: &str| {
        let mut writer = TableWriter::new(by_status()).unwrap();
        writer.write(&rows_with([Some("a"), Some(value)]), &[40, 41]).unwrap();
        writer.finish().unwrap_err()
    };
    let long = "x".repeat(300);
    for value in ["", "__HIVE_DEFAULT_PARTITION__", &long] {
        let error = error(value);
        assert_eq!((error.kind(), error.code()), (ErrorKind::User, "partition_value"));
        assert!(error.to_string().contains("row 41") && error.to_string().contains("`status`"), "{error}");
        assert!(error.hint().is_some());
    }
    assert!(error(&long).hint().unwrap().contains("truncate"));
    assert!(matches!(error(""), WriteError::EmptyPartition { .. }));
}

#[test]
fn columns_that_cannot_play_their_role_are_refused() {
    let code = |options: WriteOptions| {
        let error = TableWriter::new(options).err().unwrap();
        (error.kind(), error.code())
    };
    let partitioned = |partition_by| WriteOptions { partition_by, ..options() };
    assert_eq!(
        code(partitioned(vec![by(TAGS, Transform::Identity, "tags")])),
        (ErrorKind::User, "partition_transform")
    );
    assert_eq!(code(partitioned(vec![by(99, Transform::Identity, "x")])), (ErrorKind::Bug, "write_internal"));
    let all = |index: usize| by(index, Transform::Identity, "x");
    let mut bare = partitioned((0..TAGS).map(all).collect());
    bare.schema.columns.truncate(TAGS);
    assert_eq!(code(bare), (ErrorKind::User, "no_data_column"));
    let mut nested = options();
    nested.parquet.sort_by = vec![TAGS];
    assert_eq!(code(nested), (ErrorKind::User, "nested_column"));
    let mut nested = options();
    nested.parquet.bloom_filter = vec![TAGS];
    assert_eq!(code(nested), (ErrorKind::User, "nested_column"));
}

#[test]
fn rows_without_ids_are_refused() {
    let mut writer = TableWriter::new(options()).unwrap();
    assert_eq!(writer.write(&rows(2), &[1]).unwrap_err().code(), "write_internal");
}

#[test]
fn the_position_keeps_names_of_slices_apart() {
    let files = write(WriteOptions { position: 3, ..options() }, &rows(1));
    assert_eq!(paths(&files), ["part-0000000007-00003-00000.parquet"]);
}

/// Small budgets, files and row groups, so that everything that decides about files happens.
fn busy_options() -> impl Strategy<Value = WriteOptions> {
    let sort_by = prop::sample::select(vec![vec![], vec![NAME]]);
    let partition_by = prop::sample::select(vec![
        vec![],
        vec![by(STATUS, Transform::Identity, "status")],
        vec![by(CREATED, Transform::Month, "created_at_month"), by(ID, Transform::Bucket(4), "id_bucket")],
    ]);
    (sort_by, partition_by, 1_000_usize..6_000, 20_000_u64..200_000, 1_usize..8).prop_map(
        |(sort_by, partition_by, row_group_rows, target_file_size, megabytes)| {
            let mut options = WriteOptions { partition_by, memory: megabytes << 20, ..options() };
            options.parquet = ParquetPlan { sort_by, row_group_rows, target_file_size, ..options.parquet };
            options
        },
    )
}

/// The files of a writer, in order, and its index.
fn written_with_a_flush_after(strides: usize, options: &WriteOptions, batches: &[RecordBatch]) -> Vec<EncodedFile> {
    let mut writer = TableWriter::new(options.clone()).unwrap();
    let mut files = Vec::new();
    let mut first = 0;
    let mut push = |writer: &mut TableWriter, batch: &RecordBatch, files: &mut Vec<EncodedFile>| {
        let ids: Vec<u64> = (first..first + batch.num_rows() as u64).collect();
        first += ids.len() as u64;
        files.extend(writer.write(batch, &ids).unwrap());
    };
    batches.iter().take(strides).for_each(|batch| push(&mut writer, batch, &mut files));
    let flushed = writer.flush().unwrap();
    files.extend(flushed.files);
    assert_eq!(flushed.index.len(), files.len());
    let stored = postcard::to_stdvec(&flushed.index).unwrap();
    let mut writer = TableWriter::new(options.clone())
        .unwrap()
        .resume(postcard::from_bytes(&stored).unwrap(), flushed.next_sequence);
    batches.iter().skip(strides).for_each(|batch| push(&mut writer, batch, &mut files));
    let finished = writer.finish().unwrap();
    files.extend(finished.files);
    assert_eq!(finished.index.len(), files.len());
    assert_eq!(finished.index.stale(&[0]).len(), 1, "the index reaches back behind the flush");
    files
}

#[test]
fn a_writer_that_goes_on_behind_a_flush_loses_no_row_and_repeats_no_name() {
    let batches: Vec<_> =
        (0..6).map(|batch| rows_with((0..500).map(|row| ["a", "b", "c"].get((row + batch) % 4).copied()))).collect();
    for strides in [1, 3, 6] {
        let files = written_with_a_flush_after(strides, &by_status(), &batches);
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 3_000);
        let names: HashSet<_> = files.iter().map(|file| &file.path).collect();
        assert_eq!(names.len(), files.len());
    }
}

#[test]
fn a_flush_without_rows_makes_no_file() {
    let mut writer = TableWriter::new(options()).unwrap();
    let flushed = writer.flush().unwrap();
    assert!(flushed.files.is_empty() && flushed.index.is_empty());
    let finished = writer.finish().unwrap();
    assert_eq!(
        finished.files.iter().map(|file| file.rows).collect::<Vec<_>>(),
        [0],
        "the table's one file without rows"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn files_are_the_same_byte_for_byte_however_rows_are_cut_into_batches(
        options in busy_options(),
        count in 1_usize..20_000,
        lengths in prop::collection::vec(1_usize..9_000, 1..6),
    ) {
        let rows = rows(count);
        let whole = write(options.clone(), &rows);
        let (cut, index) = write_cut(options, &rows, &lengths);
        prop_assert_eq!(paths(&cut), paths(&whole));
        for (cut, whole) in cut.iter().zip(&whole) {
            prop_assert_eq!(&cut.content, &whole.content, "{}", whole.path);
        }
        // Every row once, and where the index says.
        let mut ids: Vec<i64> = cut.iter().flat_map(read_ids).collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, (0..count as i64).collect::<Vec<_>>());
        let one = count as u64 / 2;
        let stale = index.stale(&[one]);
        prop_assert_eq!(stale.len(), 1);
        let file = cut.iter().find(|file| file.path == stale[0].path).unwrap();
        let gone: Vec<_> = read_ids(file).into_iter().zip(stale[0].keep.iter()).filter(|(_, keep)| !keep).collect();
        prop_assert_eq!(gone, [(one as i64, false)]);
    }

    #[test]
    fn every_status_lands_in_a_directory_of_its_own_inside_the_table(
        statuses in prop::collection::vec(prop::option::of("\\PC{1,12}|[./\\\\%=nulNUL]{1,6}"), 1..40),
    ) {
        let rows = rows_with(statuses.iter().map(Option::as_deref));
        let files = write(by_status(), &rows);
        let distinct: HashSet<_> = statuses.iter().collect();
        prop_assert_eq!(files.len(), distinct.len());
        for file in files {
            prop_assert_eq!(file.path.split('/').count(), 2);
            let value = &file.partition[0].1;
            for id in read_ids(&file) {
                prop_assert_eq!(&statuses[id as usize], value);
            }
        }
    }
}
