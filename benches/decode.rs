//! Bytes of a page to typed columns: the tape and our decoder, against arrow-json's decoder over the same bytes.
//!
//! The records are those of a test-management API, about 960 bytes each, from a fixed seed. Throughput is in bytes of JSON.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::{fmt::Write, hint::black_box, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restlake::{
    decode::Decoder,
    json::Document,
    model::{Batch, Page},
    schema::{Column, Contract, Source, TableSchema},
};

const RECORDS: u64 = 1_000;

const WORDS: &[&str] = &[
    "verify",
    "login",
    "expired",
    "token",
    "returns",
    "error",
    "user",
    "checkout",
    "payment",
    "retry",
    "page",
    "loads",
    "within",
    "two",
    "seconds",
    "admin",
    "export",
    "report",
    "naïve",
    "résumé",
    "upload",
    "download",
    "search",
    "filter",
    "sorted",
    "order",
    "empty",
    "list",
    "null",
    "boundary",
    "timeout",
    "\\\"quoted\\\"",
    "日本語",
];

const COLUMNS: &[(&str, &str)] = &[
    ("id", "int64"),
    ("name", "string"),
    ("description", "string"),
    ("suite_id", "int64"),
    ("status", "string"),
    ("priority", "string"),
    ("type", "string"),
    ("is_automated", "bool"),
    ("estimate_minutes", "float64"),
    ("pass_rate", "float64"),
    ("owner", "struct<id: int64, email: string, name: string>"),
    ("tags", "list<string>"),
    ("steps", "list<struct<position: int32, action: string, expected: string>>"),
    ("custom_fields", "struct<component: string, risk: int32, reviewed: string>"),
    ("created_at", "timestamp"),
    ("updated_at", "timestamp"),
    ("deleted_at", "timestamp"),
];

struct Generator(fastrand::Rng);

impl Generator {
    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.0.usize(..of.len())]
    }

    fn words(&mut self, count: u64) -> String {
        (0..count).map(|_| self.pick(WORDS)).collect::<Vec<_>>().join(" ")
    }

    fn record(&mut self, id: u64) -> String {
        let mut text = format!("{{\"id\":{id},\"name\":\"{}\",", self.words(6));
        self.scalars(&mut text);
        self.nested(&mut text);
        self.times(&mut text);
        text
    }

    fn scalars(&mut self, text: &mut String) {
        let count = 18 + self.0.u64(..20);
        let words = self.words(count);
        let description = if self.0.u8(..10) > 0 { format!("\"{words}\"") } else { "null".into() };
        let status = self.pick(&["active", "draft", "deprecated", "in_review"]);
        let priority = self.pick(&["low", "medium", "high", "critical"]);
        let kind = self.pick(&["functional", "regression", "smoke", "performance", "security"]);
        let estimate = self.pick(&["null", "12.5", "3", "45.25"]);
        let (suite, automated, rate) = (self.0.u32(..5_000), self.0.bool(), f64::from(self.0.u32(..10_000)) / 10_000.0);
        write!(text, "\"description\":{description},\"suite_id\":{suite},\"status\":\"{status}\",").unwrap();
        write!(text, "\"priority\":\"{priority}\",\"type\":\"{kind}\",\"is_automated\":{automated},").unwrap();
        write!(text, "\"estimate_minutes\":{estimate},\"pass_rate\":{rate:.4},").unwrap();
    }

    fn nested(&mut self, text: &mut String) {
        let (owner, name, component, risk) = (self.0.u32(..900), self.words(2), self.words(1), self.0.u8(..6));
        let tags = self.0.u64(..4);
        let tags: Vec<_> = (0..tags).map(|_| format!("\"{}\"", self.pick(&["smoke", "auth", "ui", "api"]))).collect();
        let steps = 1 + self.0.u64(..4);
        let steps: Vec<_> = (1..=steps).map(|position| self.step(position)).collect();
        write!(text, "\"owner\":{{\"id\":{owner},\"email\":\"user{owner}@example.com\",\"name\":\"User {name}\"}},")
            .unwrap();
        write!(text, "\"tags\":[{}],\"steps\":[{}],", tags.join(","), steps.join(",")).unwrap();
        write!(text, "\"custom_fields\":{{\"component\":\"{component}\",\"risk\":{risk},\"reviewed\":null}},").unwrap();
    }

    fn step(&mut self, position: u64) -> String {
        let (action, expected) = (self.words(7), self.words(5));
        format!("{{\"position\":{position},\"action\":\"{action}\",\"expected\":\"{expected}\"}}")
    }

    fn times(&mut self, text: &mut String) {
        let (day, hour, minute) = (1 + self.0.u8(..28), self.0.u8(..24), self.0.u8(..60));
        let (month, millis) = (1 + self.0.u8(..6), self.0.u16(..1_000));
        write!(text, "\"created_at\":\"2025-{month:02}-{day:02}T{hour:02}:{minute:02}:56Z\",").unwrap();
        write!(text, "\"updated_at\":\"2025-{:02}-{day:02}T{hour:02}:{minute:02}:56.{millis:03}Z\",", month + 6)
            .unwrap();
        text.push_str("\"deleted_at\":null}");
    }
}

/// `{"data": [record, …]}`.
fn body() -> Vec<u8> {
    let mut generator = Generator(fastrand::Rng::with_seed(42));
    let records: Vec<_> = (0..RECORDS).map(|id| generator.record(id)).collect();
    format!("{{\"data\":[{}],\"total\":{RECORDS}}}", records.join(",")).into_bytes()
}

fn table() -> TableSchema {
    let column = |(name, data_type): &(&str, &str)| Column {
        name: (*name).to_owned(),
        source: Source::Path(vec![(*name).to_owned()]),
        data_type: data_type.parse().unwrap(),
        nullable: true,
        format: None,
    };
    TableSchema { columns: COLUMNS.iter().map(column).collect() }
}

fn page(body: Vec<u8>) -> Page {
    let document = Document::parse(body).unwrap();
    let records = document.root().get("data").map(restlake::json::Node::index);
    Page::new(1, Arc::new(document), records, RECORDS)
}

fn decode(decoder: &Decoder, body: Vec<u8>) -> Batch {
    decoder.decode(&page(body)).unwrap()
}

/// The page as one row of a list of records, as arrow-json can read it.
fn arrow_json(schema: &SchemaRef, body: &[u8]) -> RecordBatch {
    let mut decoder = arrow_json::ReaderBuilder::new(Arc::clone(schema)).with_batch_size(1).build_decoder().unwrap();
    let mut read = 0;
    while read < body.len() {
        match decoder.decode(&body[read..]).unwrap() {
            0 => break,
            bytes => read += bytes,
        }
    }
    decoder.flush().unwrap().unwrap().column(0).as_list::<i32>().values().as_struct().into()
}

fn page_schema(table: &TableSchema) -> SchemaRef {
    let record = DataType::Struct(table.to_arrow().fields().clone());
    Arc::new(Schema::new(vec![Field::new_list("data", Field::new("element", record, true), true)]))
}

fn benches(criterion: &mut Criterion) {
    let (body, table) = (body(), table());
    let decoder = Decoder::new("test_cases", &table, Contract::default(), &[0]).unwrap();
    let page_schema = page_schema(&table);
    assert_eq!(decode(&decoder, body.clone()).rows, arrow_json(&page_schema, &body), "both decode the same rows");

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("tape_and_columns", |bencher| {
        bencher.iter_batched(|| body.clone(), |body| decode(&decoder, body), criterion::BatchSize::LargeInput);
    });
    group.bench_function("tape", |bencher| {
        bencher.iter_batched(|| body.clone(), |body| Document::parse(body).unwrap(), criterion::BatchSize::LargeInput);
    });
    let scanned = page(body.clone());
    group.bench_function("columns", |bencher| bencher.iter(|| decoder.decode(black_box(&scanned)).unwrap()));
    group.bench_function("arrow_json", |bencher| bencher.iter(|| arrow_json(&page_schema, black_box(&body))));
    group.finish();
}

criterion_group!(decode_page, benches);
criterion_main!(decode_page);
