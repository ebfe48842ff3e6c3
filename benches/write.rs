//! Writing: rows a second into Parquet in memory, with the bare `ArrowWriter` at zstd(1) as the baseline.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::{hint::black_box, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, SchemaRef},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression as Codec, ZstdLevel},
    file::properties::WriterProperties,
};
use restlake::{
    plan::{Compression, ParquetPlan, PartitionField, Transform},
    schema::{Column, Source, TableSchema},
    write::{TableWriter, WriteOptions},
};

const ROWS: usize = 200_000;
const PAGE: usize = 1_000;
const WORDS: [&str; 12] =
    ["login", "fails", "after", "timeout", "when", "the", "session", "cookie", "expires", "on", "checkout", "page"];

fn schema() -> TableSchema {
    let columns = [
        ("id", "int64"),
        ("name", "string"),
        ("description", "string"),
        ("status", "string"),
        ("suite_id", "int64"),
        ("pass_rate", "float64"),
        ("is_automated", "bool"),
        ("tags", "list<string>"),
        ("created_at", "timestamp"),
    ];
    let column = |(name, data_type): (&str, &str)| Column {
        name: name.to_owned(),
        source: Source::Path(vec![name.to_owned()]),
        data_type: data_type.parse().unwrap(),
        nullable: true,
        format: None,
    };
    TableSchema { columns: columns.map(column).to_vec() }
}

fn sentence(random: &mut fastrand::Rng, words: usize) -> String {
    (0..words).map(|_| WORDS[random.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
}

fn tags(random: &mut fastrand::Rng) -> ArrayRef {
    let item = Arc::new(Field::new("element", DataType::Utf8, true));
    let mut tags = ListBuilder::new(StringBuilder::new()).with_field(item);
    (0..PAGE).for_each(|_| tags.append_value((0..random.usize(..4)).map(|_| Some(WORDS[random.usize(..WORDS.len())]))));
    Arc::new(tags.finish())
}

fn page(schema: &SchemaRef, first: usize, random: &mut fastrand::Rng) -> RecordBatch {
    let statuses = ["active", "draft", "archived", "review"];
    let ids = first as i64..(first + PAGE) as i64;
    let created: Vec<i64> =
        ids.clone().map(|id| 1_700_000_000_000_000 + id * 240_000_000 + random.i64(..1_000_000)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids)),
        Arc::new(StringArray::from_iter_values((0..PAGE).map(|_| sentence(random, 5)))),
        Arc::new(StringArray::from_iter_values((0..PAGE).map(|_| sentence(random, 25)))),
        Arc::new(StringArray::from_iter_values((0..PAGE).map(|_| statuses[random.usize(..4)]))),
        Arc::new(Int64Array::from_iter_values((0..PAGE).map(|_| random.i64(..500)))),
        Arc::new(Float64Array::from_iter_values((0..PAGE).map(|_| random.f64()))),
        Arc::new((0..PAGE).map(|_| Some(random.bool())).collect::<BooleanArray>()),
        tags(random),
        Arc::new(TimestampMicrosecondArray::from(created).with_timezone("+00:00")),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

fn pages() -> Vec<RecordBatch> {
    let (schema, mut random) = (schema().to_arrow(), fastrand::Rng::with_seed(7));
    (0..ROWS).step_by(PAGE).map(|first| page(&schema, first, &mut random)).collect()
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
        version: 1,
        position: 0,
        memory: 512 << 20,
        index: true,
        keys: Vec::new(),
        pipeline: "bench".to_owned(),
        resource: "bench".to_owned(),
    }
}

fn partitioned(column: &str, transform: Transform) -> WriteOptions {
    let schema = schema();
    let field = PartitionField { column: schema.index_of(column).unwrap(), transform, key: format!("{column}_part") };
    WriteOptions { partition_by: vec![field], ..options() }
}

fn sorted() -> WriteOptions {
    let mut options = options();
    options.parquet.sort_by = vec![options.schema.index_of("name").unwrap()];
    options
}

fn run(pages: &[RecordBatch], options: WriteOptions) -> usize {
    let mut writer = TableWriter::new(options).unwrap();
    let mut next = 0_u64;
    let mut files = 0;
    for page in pages {
        let ids: Vec<u64> = (next..next + page.num_rows() as u64).collect();
        next += page.num_rows() as u64;
        files += black_box(writer.write(page, &ids).unwrap()).len();
    }
    files + black_box(writer.finish().unwrap()).files.len()
}

fn baseline(pages: &[RecordBatch]) -> usize {
    let level = ZstdLevel::try_new(1).unwrap();
    let properties = WriterProperties::builder().set_compression(Codec::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), pages[0].schema(), Some(properties)).unwrap();
    pages.iter().for_each(|page| writer.write(page).unwrap());
    writer.into_inner().unwrap().len()
}

fn write(criterion: &mut Criterion) {
    let pages = pages();
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    group.bench_function("ArrowWriter, baseline", |bencher| bencher.iter(|| baseline(&pages)));
    group.bench_function("one file", |bencher| bencher.iter(|| run(&pages, options())));
    let by_status = partitioned("status", Transform::Identity);
    group.bench_function("4 partitions", |bencher| bencher.iter(|| run(&pages, by_status.clone())));
    let by_bucket = partitioned("id", Transform::Bucket(2000));
    group.bench_function("2000 partitions", |bencher| bencher.iter(|| run(&pages, by_bucket.clone())));
    group.bench_function("sorted", |bencher| bencher.iter(|| run(&pages, sorted())));
    group.finish();
}

criterion_group!(benches, write);
criterion_main!(benches);
