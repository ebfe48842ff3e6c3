//! What is injected, so that no test sleeps, rolls dice or kills a process: time, randomness, shutdown and fault points.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

/// Wall time, and waiting.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    fn now(&self) -> DateTime<Utc>;

    /// Time since an arbitrary fixed moment; never goes back.
    fn elapsed(&self) -> Duration;

    async fn sleep(&self, duration: Duration);

    /// Waits until something that has not happened yet counts as late: a sleep, apart from [`sleep`](Self::sleep) so that
    /// where time only seems to pass, nothing is late unless it is meant to be.
    async fn patience(&self, duration: Duration) {
        self.sleep(duration).await;
    }
}

/// A source of uniform numbers in `[0, 1)`.
pub trait Random: fmt::Debug + Send + Sync {
    fn next(&self) -> f64;
}

/// The places at which a test may stop, fail or kill a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultPoint {
    PageFetched,
    FileStaged,
    CheckpointWritten,
    BeforeCommit,
    AfterCommit,
    BetweenMoves,
    BetweenRemovals,
}

/// Called at each [`FaultPoint`]; an error there is treated as the store's own.
pub trait Faults: fmt::Debug + Send + Sync {
    fn reach(&self, point: FaultPoint) -> std::io::Result<()>;
}

/// All that a run takes from outside itself.
#[derive(Clone, Debug)]
pub struct Environment {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// Cancelled when the user asks the run to stop.
    pub shutdown: CancellationToken,
    pub faults: Arc<dyn Faults>,
}

impl Environment {
    /// Real time and randomness, no faults.
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock { started: std::time::Instant::now() }),
            random: Arc::new(SystemRandom),
            shutdown: CancellationToken::new(),
            faults: Arc::new(NoFaults),
        }
    }

    /// What a run is called: when it began, to the millisecond, and something that two runs of one moment do not share.
    pub fn run_id(&self, began: DateTime<Utc>) -> String {
        let salt = (self.random.next() * f64::from(u32::MAX)) as u32;
        format!("{}-{salt:08x}", began.format("%Y%m%dT%H%M%S%3fZ"))
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::real()
    }
}

#[derive(Debug)]
struct SystemClock {
    started: std::time::Instant,
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        std::time::SystemTime::now().into()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[derive(Debug)]
struct SystemRandom;

impl Random for SystemRandom {
    fn next(&self) -> f64 {
        fastrand::f64()
    }
}

#[derive(Debug)]
struct NoFaults;

impl Faults for NoFaults {
    fn reach(&self, _: FaultPoint) -> std::io::Result<()> {
        Ok(())
    }
}
