//! Two runs of the same tables: who gives up, who waits, and that no two wait for each other.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use restlake::{
    ErrorKind,
    commit::RENEWAL,
    environment::{Clock, Environment},
    plan::Plan,
    run::{Outcome, run},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::support::{
    environment::Recorder,
    pipeline::{only, plan_of},
    server::{Gate, Reply, Server},
    tables::{all_rows, read_table},
};

/// Far more than any machine needs: a test fails where it would hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Real time, but for pauses, which are short.
#[derive(Debug)]
struct QuickClock(Arc<dyn Clock>);

#[async_trait]
impl Clock for QuickClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        let quick = if duration < RENEWAL { Duration::from_millis(2) } else { duration };
        self.0.sleep(quick).await;
    }

    async fn patience(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// An API whose paths answer when their gates open; `/free` answers at once.
async fn api(gates: &[(&'static str, &Gate)]) -> Server {
    let gates: Vec<_> = gates.iter().map(|(path, gate)| (*path, (*gate).clone())).collect();
    Server::start(move |request| {
        let reply = Reply::json(r#"{"data": [{"id": 1}, {"id": 2}]}"#);
        match gates.iter().find(|(path, _)| request.path.ends_with(path)) {
            Some((_, gate)) => reply.after(gate),
            None => reply,
        }
    })
    .await
}

/// Tables, each asked for at a path of its own.
fn plan(server: &Server, lake: &TempDir, disposition: &str, tables: &[(&str, &str)]) -> Plan {
    let resources: Vec<_> = tables
        .iter()
        .map(|(table, path)| {
            json!({
                "name": table, "write_disposition": disposition, "primary_key": "id",
                "endpoint": {"path": path, "data_selector": "data", "paginator": "single_page"},
                "schema": {"columns": [{"name": "id", "type": "int64"}]},
            })
        })
        .collect();
    let config = json!({
        "name": "p", "client": {"base_url": server.url()}, "resources": resources,
        "destination": {"url": lake.path().to_str().unwrap()},
    });
    let mut plan = plan_of(&config.to_string());
    plan.wait = true;
    plan
}

fn environment() -> Environment {
    let real = Environment::real();
    Environment { clock: Arc::new(QuickClock(Arc::clone(&real.clock))), ..real }
}

fn start(plan: Plan) -> JoinHandle<Outcome> {
    let runtime = tokio::runtime::Handle::current();
    spawn_blocking(move || runtime.block_on(run(plan, environment(), Arc::new(Recorder::default()))))
}

async fn ended(run: JoinHandle<Outcome>) -> Outcome {
    tokio::time::timeout(PATIENCE, run).await.expect("it hangs").unwrap()
}

fn rows(lake: &TempDir, table: &str) -> usize {
    all_rows(&read_table(&lake.path().join(table))).num_rows()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_finds_another_one_at_work_gives_up_or_waits_as_it_is_told() {
    for disposition in ["append", "replace", "merge"] {
        let (gate, lake) = (Gate::default(), TempDir::new().unwrap());
        let server = api(&[("slow", &gate)]).await;
        let first = start(plan(&server, &lake, disposition, &[("a", "slow")]));
        server.requested(1).await;

        let impatient = Plan { wait: false, ..plan(&server, &lake, disposition, &[("a", "free")]) };
        let refused = ended(start(impatient)).await;
        assert_eq!(refused.kinds, [ErrorKind::Conflict], "{refused:#?}");
        let error = refused.summary.resources[0].error.as_ref().unwrap();
        assert_eq!(error.code, "table_busy");
        assert!(error.hint.as_ref().unwrap().contains("--wait"), "{error:?}");

        let waiting = start(plan(&server, &lake, disposition, &[("a", "free")]));
        gate.open();
        only(ended(first).await);
        assert_eq!(only(ended(waiting).await).table_version, 2);
        assert_eq!(rows(&lake, "a"), if disposition == "append" { 4 } else { 2 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_replaced_or_merged_into_is_free_before_the_run_is_over() {
    for disposition in ["replace", "merge"] {
        let (gate, lake) = (Gate::default(), TempDir::new().unwrap());
        let server = api(&[("slow", &gate)]).await;
        let first = start(plan(&server, &lake, disposition, &[("a", "free"), ("b", "slow")]));
        server.requested(2).await;
        let second = ended(start(plan(&server, &lake, disposition, &[("a", "free")]))).await;
        assert_eq!(only(second).table_version, 2);
        gate.open();
        assert!(ended(first).await.kinds.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_that_wait_for_each_others_appends_the_younger_one_gives_up() {
    let (lake, x, y, p, q) =
        (TempDir::new().unwrap(), Gate::default(), Gate::default(), Gate::default(), Gate::default());
    let server = api(&[("first", &x), ("second", &y), ("p", &p), ("q", &q)]).await;
    // What comes third waits until what comes first is done.
    let older = start(plan(&server, &lake, "append", &[("x", "first"), ("p", "p"), ("y", "free")]));
    server.requested(2).await;
    let younger = start(plan(&server, &lake, "append", &[("y", "second"), ("q", "q"), ("x", "free")]));
    server.requested(4).await;
    x.open();
    y.open();
    p.open();
    q.open();
    let younger = ended(younger).await;
    assert_eq!(younger.kinds, [ErrorKind::Conflict], "{younger:#?}");
    let error = younger.summary.resources[2].error.as_ref().unwrap();
    assert!(error.code == "table_busy" && error.message.contains("this run has appended to"), "{error:?}");
    let older = ended(older).await;
    assert!(older.kinds.is_empty(), "{older:#?}");
    // What the younger one has left as a run that did not end well is not taken for the older one's own.
    assert_eq!((rows(&lake, "x"), rows(&lake, "y")), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_a_neighbour_that_waits_too_goes_on_when_it_holds_nothing_itself() {
    let (lake, p, q) = (TempDir::new().unwrap(), Gate::default(), Gate::default());
    let server = api(&[("p", &p), ("q", &q)]).await;
    let first = start(plan(&server, &lake, "append", &[("p", "p")]));
    server.requested(1).await;
    // It holds `x`, and waits for `p`.
    let second = start(plan(&server, &lake, "append", &[("x", "free"), ("p", "free")]));
    server.requested(2).await;
    let third = start(plan(&server, &lake, "append", &[("x", "free")]));
    p.open();
    q.open();
    for run in [first, second, third] {
        let outcome = ended(run).await;
        assert!(outcome.kinds.is_empty(), "{outcome:#?}");
    }
    assert_eq!((rows(&lake, "x"), rows(&lake, "p")), (4, 4));
}
