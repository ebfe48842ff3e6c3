//! Whole runs that fail wherever they can: the same command, run again, makes the table of a run that nothing disturbed.

use std::sync::atomic::AtomicU64;

use super::*;

/// [`StillClock`], in which pauses are over at once.
#[derive(Debug)]
struct HastyClock(StillClock);

#[async_trait]
impl Clock for HastyClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        let hasty = if duration < restlake::commit::RENEWAL { Duration::from_millis(1) } else { duration };
        self.0.sleep(hasty).await;
    }

    async fn patience(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// From the `nth` time on that it comes by a point, nothing works there.
#[derive(Debug)]
struct BrokenAt {
    point: FaultPoint,
    nth: u64,
    reached: AtomicU64,
}

impl Faults for BrokenAt {
    fn reach(&self, point: FaultPoint) -> std::io::Result<()> {
        if point == self.point && self.reached.fetch_add(1, Ordering::SeqCst) + 1 >= self.nth {
            return Err(std::io::Error::other("the power went out"));
        }
        Ok(())
    }
}

pub const POINTS: [FaultPoint; 7] = [
    FaultPoint::PageFetched,
    FaultPoint::FileStaged,
    FaultPoint::CheckpointWritten,
    FaultPoint::BeforeCommit,
    FaultPoint::AfterCommit,
    FaultPoint::BetweenMoves,
    FaultPoint::BetweenRemovals,
];

/// Runs until the `nth` time that it comes by a point; `None` if it does not come by that often.
pub async fn broken_at(point: FaultPoint, nth: u64, plan: Plan) -> Option<Outcome> {
    let faults = Arc::new(BrokenAt { point, nth, reached: AtomicU64::new(0) });
    let clock = Arc::new(HastyClock(StillClock { ahead: Duration::ZERO }));
    let environment = Environment { clock, faults: faults.clone(), ..Environment::real() };
    let outcome = run(plan, environment, Arc::new(Recorder::default())).await;
    (faults.reached.load(Ordering::SeqCst) >= nth).then_some(outcome)
}

/// Keys that come again, and one that does not fit; over three partitions.
fn rows_of_a_run() -> Vec<Value> {
    let mut rows: Vec<Value> = (0..16).map(|id| row(id, "new")).collect();
    rows[7]["id"] = json!("no number");
    rows.extend([row(3, "again"), row(12, "again")]);
    rows
}

async fn recovers_from_every_fault(disposition: &str) {
    let mut resource = discarding(json!(disposition));
    resource["partition_by"] = json!("part");
    let first = Api::start((8..20).map(|id| row(id, "old")).collect()).await;
    let api = Api::start(rows_of_a_run()).await;
    let undisturbed = TempDir::new().unwrap();
    for api in [&first, &api] {
        only(run_still(plan(api, &undisturbed, &resource)).await);
    }
    let mut broken = 0;
    for point in POINTS {
        for nth in 1.. {
            let lake = TempDir::new().unwrap();
            only(run_still(plan(&first, &lake, &resource)).await);
            let Some(failed) = broken_at(point, nth, plan(&api, &lake, &resource)).await else { break };
            assert!(!failed.kinds.is_empty(), "{point:?} {nth}: {failed:#?}");
            only(run_still(plan(&api, &lake, &resource)).await);
            assert_eq!(rows(&lake), rows(&undisturbed), "{point:?} {nth}");
            assert_eq!(left_over(&lake), Vec::<String>::new(), "{point:?} {nth}");
            broken += 1;
        }
    }
    assert!(broken > 15, "{broken} faults");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_recovers_from_every_fault() {
    recovers_from_every_fault("append").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replace_recovers_from_every_fault() {
    recovers_from_every_fault("replace").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_recovers_from_every_fault() {
    recovers_from_every_fault("merge").await;
}

/// A clock that what is done moves on: a page takes 1 ms, a file 200 ms, a checkpoint 50 ms.
#[derive(Debug, Default)]
struct Work {
    millis: AtomicU64,
    files: AtomicU64,
    checkpoints: AtomicU64,
}

#[async_trait]
impl Clock for Work {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Faults for Work {
    fn reach(&self, point: FaultPoint) -> std::io::Result<()> {
        let millis = match point {
            FaultPoint::PageFetched => 1,
            FaultPoint::FileStaged => {
                self.files.fetch_add(1, Ordering::SeqCst);
                200
            }
            FaultPoint::CheckpointWritten => {
                self.checkpoints.fetch_add(1, Ordering::SeqCst);
                50
            }
            _ => 0,
        };
        self.millis.fetch_add(millis, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_with_the_files_that_they_close_cost_two_percent_of_a_run_at_most() {
    let api = api_of(2_000).await;
    let lake = TempDir::new().unwrap();
    let mut plan = plan(&api, &lake, &json!({"write_disposition": "append"}));
    plan.resources[0].checkpoint.interval = Duration::from_millis(1);
    let work = Arc::new(Work::default());
    let environment = Environment { clock: work.clone(), faults: work.clone(), ..Environment::real() };
    only(run(plan, environment, Arc::new(Recorder::default())).await);
    let (files, checkpoints) = (work.files.load(Ordering::SeqCst), work.checkpoints.load(Ordering::SeqCst));
    assert!(checkpoints > 0 && files <= checkpoints + 1, "{checkpoints} checkpoints, {files} files");
    // Nobody knows what the first one costs before it is written.
    let cost = Duration::from_millis((checkpoints - 1) * 250);
    assert!(cost * 50 <= work.elapsed(), "{checkpoints} checkpoints cost {cost:?} of {:?}", work.elapsed());
}
