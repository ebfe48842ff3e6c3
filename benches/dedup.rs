//! Deduplication: rows a second by kind of key, with few duplicates, which is what overlap between pages makes.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::{hint::black_box, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restlake::{
    dedup::{Dedup, Origin},
    plan::DedupSort,
};

const ROWS: usize = 500_000;
const PAGE: usize = 1_000;

/// One row in a hundred repeats an earlier one; ids are in no order.
fn pages() -> Vec<RecordBatch> {
    let mut random = fastrand::Rng::with_seed(7);
    let ids: Vec<i64> =
        (0..ROWS as i64).map(|row| if row % 100 == 99 { row - random.i64(0..99) } else { row }).collect();
    let scattered: Vec<i64> =
        ids.iter().map(|id| id.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()) >> 8).collect();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("updated_at", DataType::Int64, true),
    ]));
    let page = |ids: &[i64]| {
        let updated = ids.iter().map(|id| (id % 10 != 0).then_some(id % 1000));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(ids.to_vec())),
            Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("case-{id:x}")))),
            Arc::new(updated.collect::<Int64Array>()),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    scattered.chunks(PAGE).map(page).collect()
}

fn run(pages: &[RecordBatch], key: &[usize], sort: Option<DedupSort>) -> u64 {
    let mut dedup = Dedup::new(pages[0].schema_ref(), key, sort).unwrap();
    for page in pages {
        black_box(dedup.push(page, Origin::default()).unwrap());
    }
    dedup.duplicates()
}

fn dedup(criterion: &mut Criterion) {
    let pages = pages();
    let sort = Some(DedupSort { column: 2, descending: true });
    let mut group = criterion.benchmark_group("dedup");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    group.bench_function("integer key", |bencher| bencher.iter(|| run(&pages, &[0], None)));
    group.bench_function("integer key, sorted", |bencher| bencher.iter(|| run(&pages, &[0], sort)));
    group.bench_function("text key", |bencher| bencher.iter(|| run(&pages, &[1], None)));
    group.bench_function("compound key", |bencher| bencher.iter(|| run(&pages, &[0, 1], None)));
    group.finish();
}

criterion_group!(benches, dedup);
criterion_main!(benches);
