//! The whole way, over loopback: pages of a list API to a partitioned table on local disk.
//!
//! The API serves the same few pages again and again from memory, so that what is measured is the exporter. Throughput is in
//! records.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![expect(clippy::print_stdout, reason = "what a bench found is its output")]

use std::{
    convert::Infallible,
    hint::black_box,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use restlake::{
    config::{self, Source, Syntax},
    environment::Environment,
    plan::{self, Overrides, Plan},
    report::{Silent, Status},
    run,
};
use tokio::{net::TcpListener, runtime::Runtime};

const RECORDS: u64 = 50_000;
const PAGE: u64 = 1_000;

fn record(id: u64) -> String {
    let status = ["active", "draft", "deprecated", "in_review"][(id % 4) as usize];
    format!(
        r#"{{"id":{id},"name":"case {id} of many","description":"opens the page, waits, looks at what is there","status":"{status}","is_automated":{},"estimate_minutes":{}.25,"owner":{{"id":{},"email":"user{}@example.com"}},"tags":["smoke","api"],"created_at":"2025-03-04T05:06:07Z"}}"#,
        id.is_multiple_of(2),
        id % 90,
        id % 900,
        id % 900,
    )
}

fn page(offset: u64) -> Bytes {
    let records: Vec<_> = (offset..RECORDS.min(offset + PAGE)).map(record).collect();
    format!(r#"{{"data":[{}],"total":{RECORDS}}}"#, records.join(",")).into()
}

async fn serve() -> SocketAddr {
    let pages: Arc<Vec<Bytes>> = Arc::new((0..RECORDS).step_by(PAGE as usize).map(page).collect());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let pages = Arc::clone(&pages);
            let service = service_fn(move |request: Request<Incoming>| {
                let body = pages.get(offset(&request) / PAGE as usize).cloned().unwrap_or_default();
                async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

fn offset(request: &Request<Incoming>) -> usize {
    let query = request.uri().query().unwrap_or_default();
    let offset = query.split('&').find_map(|pair| pair.strip_prefix("offset="));
    offset.and_then(|offset| offset.parse().ok()).unwrap_or(0)
}

fn plan(api: SocketAddr, lake: &str) -> Plan {
    let text = format!(
        r#"{{"name": "bench", "client": {{"base_url": "http://{api}"}}, "destination": {{"url": "{lake}", "parquet": {{"compression": "zstd(1)"}}}},
        "resources": [{{"name": "cases", "primary_key": "id", "write_disposition": "replace", "partition_by": ["status"],
            "endpoint": {{"path": "cases", "data_selector": "data", "paginator": {{"type": "offset", "limit": {PAGE}}}}},
            "schema": {{"columns": [
                {{"name": "id", "type": "int64"}}, {{"name": "name", "type": "string"}}, {{"name": "description", "type": "string"}},
                {{"name": "status", "type": "string"}}, {{"name": "is_automated", "type": "bool"}},
                {{"name": "estimate_minutes", "type": "decimal(10,2)"}},
                {{"name": "owner", "type": "struct<id: int64, email: string>"}}, {{"name": "tags", "type": "list<string>"}},
                {{"name": "created_at", "type": "timestamp"}}]}}}}]}}"#
    );
    let source = Source::Embedded { name: "bench.yaml".into(), text, syntax: Syntax::Yaml };
    let loaded = config::load(source, &|_| None).expect("the config reads");
    plan::resolve(&loaded, &Overrides::default()).expect("the config resolves")
}

fn export(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let api = runtime.block_on(serve());
    let lake = tempfile::tempdir().expect("a folder");
    let plan = plan(api, lake.path().to_str().expect("a path in UTF-8"));
    let mut group = criterion.benchmark_group("export");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(10);
    group.bench_function("loopback to four partitions", |bencher| {
        bencher.iter(|| {
            let outcome = runtime.block_on(run::run(plan.clone(), Environment::real(), Arc::new(Silent)));
            assert_eq!(outcome.summary.status, Status::Ok);
            black_box(outcome)
        });
    });
    group.finish();
}

/// The same export with a checkpoint as often as their bound allows, and without any: what one costs. Of a run as short as this
/// the bound, 2 %, is less than the first one takes, which comes whatever it takes: there is no second.
fn checkpoints(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let api = runtime.block_on(serve());
    let lake = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("export with checkpoints");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(10);
    let mut fastest = Vec::new();
    for (name, interval) in [("none", Duration::MAX), ("every millisecond", Duration::from_millis(1))] {
        let mut plan = plan(api, lake.path().to_str().expect("a path in UTF-8"));
        plan.resources[0].checkpoint.interval = interval;
        let mut best = Duration::MAX;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let began = Instant::now();
                let outcome = runtime.block_on(run::run(plan.clone(), Environment::real(), Arc::new(Silent)));
                assert_eq!(outcome.summary.status, Status::Ok);
                best = best.min(began.elapsed());
                black_box(outcome)
            });
        });
        fastest.push(best.as_secs_f64());
    }
    group.finish();
    if let [without, with] = fastest.as_slice() {
        let millis = (with - without).max(0.0) * 1000.0;
        println!("a checkpoint takes {millis:.1} ms, which is {:.3} % of the 30 s between two", millis / 300.0);
    }
}

criterion_group!(benches, export, checkpoints);
criterion_main!(benches);
