//! Merging: 1,000 changed rows into a table of 5 million rows in 50 partitions on local disk, clustered and scattered.
//!
//! A timed main and not criterion: every merge changes the table, and a table of that size is not made for each sample. What
//! has to be seen beside the time is what was touched, which the run itself counts.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![expect(clippy::print_stdout, reason = "what a bench found is its output")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::SchemaRef,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use restlake::{
    commit::{self, CommitOutcome},
    config::{self, Source, Syntax},
    environment::Environment,
    model::{Commit, EncodedFile, Operation, State, TableIdentity},
    plan::{self, Overrides, Plan, ResourcePlan},
    report::{ResourceSummary, Silent, Status},
    run, store,
    write::{TableWriter, WriteOptions},
};
use tokio::net::TcpListener;

const ROWS: i64 = 5_000_000;
const PARTITIONS: i64 = 50;
const CHANGED: i64 = 1_000;
const ROUNDS: i64 = 3;
const BATCH: i64 = 50_000;

fn partition(id: i64) -> String {
    format!("p{:02}", id * PARTITIONS / ROWS)
}

/// What the API answers: any list of records, in one page.
type Page = Arc<Mutex<Bytes>>;

async fn serve(page: Page) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let page = Arc::clone(&page);
            let service = service_fn(move |_: Request<Incoming>| {
                let page = page.lock().expect("nobody panics under this lock").clone();
                async move { Ok::<_, Infallible>(Response::new(Full::new(page))) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

fn plan(api: SocketAddr, lake: &str) -> Plan {
    let text = format!(
        r#"{{"name": "bench", "client": {{"base_url": "http://{api}"}}, "destination": {{"url": "{lake}"}},
        "resources": [{{"name": "cases", "primary_key": "id", "write_disposition": "merge", "partition_by": ["part"],
            "endpoint": {{"path": "cases", "data_selector": "data", "paginator": "single_page"}},
            "schema": {{"columns": [
                {{"name": "id", "type": "int64"}}, {{"name": "name", "type": "string"}},
                {{"name": "part", "type": "string"}}, {{"name": "value", "type": "int64"}}]}}}}]}}"#
    );
    let source = Source::Embedded { name: "bench.yaml".into(), text, syntax: Syntax::Yaml };
    let loaded = config::load(source, &|_| None).expect("the config reads");
    plan::resolve(&loaded, &Overrides::default()).expect("the config resolves")
}

/// Rows in order of their id, a hundred thousand a partition.
fn rows(schema: &SchemaRef, from: i64) -> RecordBatch {
    let ids = from..from + BATCH;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.clone().collect::<Int64Array>()),
        Arc::new(ids.clone().map(|id| Some(format!("case {id} of many"))).collect::<StringArray>()),
        Arc::new(ids.clone().map(|id| Some(partition(id))).collect::<StringArray>()),
        Arc::new(ids.map(|id| id * 7919 % 1000).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(SchemaRef::clone(schema), columns).expect("columns of one length")
}

fn options(resource: &ResourcePlan) -> WriteOptions {
    WriteOptions {
        schema: resource.schema.clone(),
        partition_by: resource.partition_by.clone(),
        parquet: resource.parquet.clone(),
        version: 1,
        position: 0,
        memory: 512 << 20,
        index: false,
        keys: resource.primary_key.clone(),
        pipeline: "bench".to_owned(),
        resource: resource.name.clone(),
    }
}

/// The table's files, in memory.
fn encode(resource: &ResourcePlan) -> Vec<EncodedFile> {
    let schema = resource.schema.to_arrow();
    let mut writer = TableWriter::new(options(resource)).expect("a writer");
    let mut files = Vec::new();
    for from in (0..ROWS).step_by(BATCH as usize) {
        let ids: Vec<u64> = (from..from + BATCH).map(i64::cast_unsigned).collect();
        files.extend(writer.write(&rows(&schema, from), &ids).expect("rows are written"));
    }
    files.extend(writer.finish().expect("files are closed").files);
    files
}

async fn build(plan: &Plan) {
    let resource = plan.resources.first().expect("a resource");
    let store = store::open(&plan.destination, &|_| None).expect("a destination");
    let identity = TableIdentity { pipeline: "bench".to_owned(), resource: resource.name.clone() };
    let environment = Environment::real();
    let table = commit::open(&store, &resource.table, identity.clone(), environment, plan.table_format).await;
    let table = table.expect("a table");
    let attempt = table.attempt(0).await.expect("an attempt");
    let mut adds = Vec::new();
    for file in encode(resource) {
        adds.push(attempt.stage(file).await.expect("a staged file"));
    }
    let commit = Commit {
        identity,
        run_id: "built".to_owned(),
        operation: Operation::Append,
        schema: resource.schema.clone(),
        partition_by: vec!["part".to_owned()],
        adds,
        removes: Vec::new(),
        state: State::default(),
    };
    let outcome = table.commit(0, commit).await.expect("a commit");
    assert!(matches!(outcome, CommitOutcome::Committed { rows, .. } if rows == ROWS.cast_unsigned()));
}

fn changed(ids: impl Iterator<Item = i64>) -> Bytes {
    let record = |id| format!(r#"{{"id":{id},"name":"changed {id}","part":"{}","value":-1}}"#, partition(id));
    format!(r#"{{"data":[{}]}}"#, ids.map(record).collect::<Vec<_>>().join(",")).into()
}

async fn merge(plan: &Plan, page: &Page, ids: impl Iterator<Item = i64>) -> (Duration, ResourceSummary) {
    *page.lock().expect("nobody panics under this lock") = changed(ids);
    let started = Instant::now();
    let outcome = run::run(plan.clone(), Environment::real(), Arc::new(Silent)).await;
    let elapsed = started.elapsed();
    assert_eq!(outcome.summary.status, Status::Ok, "{:?}", outcome.summary);
    let summary = outcome.summary.resources.into_iter().next().expect("a resource");
    assert_eq!((summary.rows_written, summary.table_rows), (CHANGED.cast_unsigned(), ROWS.cast_unsigned()));
    (elapsed, summary)
}

fn show(name: &str, round: i64, (elapsed, summary): &(Duration, ResourceSummary)) {
    let ResourceSummary { files_considered, files_read, files_rewritten, bytes_written, .. } = summary;
    println!(
        "{name:<10} {round:>5} {:>9.3} s {files_considered:>16} {files_read:>10} {files_rewritten:>15} {bytes_written:>13}",
        elapsed.as_secs_f64()
    );
}

#[tokio::main]
async fn main() {
    let page = Page::default();
    let api = serve(Arc::clone(&page)).await;
    let lake = tempfile::tempdir().expect("a folder");
    let plan = plan(api, lake.path().to_str().expect("a path in UTF-8"));
    let started = Instant::now();
    build(&plan).await;
    println!("{ROWS} rows in {PARTITIONS} partitions, built in {:.1} s", started.elapsed().as_secs_f64());
    println!("merge      round        time files_considered files_read files_rewritten bytes_written");
    for round in 0..ROUNDS {
        let first = 1_234_567 + round * 900_000;
        let clustered = merge(&plan, &page, first..first + CHANGED).await;
        show("clustered", round + 1, &clustered);
        assert!(clustered.1.files_read <= 2, "the keys of {} files were read", clustered.1.files_read);
    }
    for round in 0..ROUNDS {
        let scattered = merge(&plan, &page, (0..CHANGED).map(|row| row * (ROWS / CHANGED) + round)).await;
        show("scattered", round + 1, &scattered);
    }
}
