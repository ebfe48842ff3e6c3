//! What a test injects instead of the outside world: time that jumps, dice that are loaded, a reporter that remembers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use restlake::{
    environment::{Clock, Environment, FaultPoint, Faults, Random},
    report::{Event, Reporter},
};
use tokio_util::sync::CancellationToken;

/// An [`Environment`] under the test's control, and the handles to its parts.
#[derive(Clone, Debug)]
pub struct TestEnvironment {
    pub clock: Arc<VirtualClock>,
    pub dice: Arc<LoadedDice>,
    pub shutdown: CancellationToken,
    pub faults: Arc<ScriptedFaults>,
}

impl TestEnvironment {
    /// 2026-01-01T00:00:00Z, dice that always give 0.5, no faults.
    pub fn new() -> Self {
        Self {
            clock: Arc::new(VirtualClock::new("2026-01-01T00:00:00Z")),
            dice: Arc::new(LoadedDice::new([0.5])),
            shutdown: CancellationToken::new(),
            faults: Arc::default(),
        }
    }

    /// Dice that give these numbers, then the last one for ever.
    pub fn with_dice(mut self, numbers: impl IntoIterator<Item = f64>) -> Self {
        self.dice = Arc::new(LoadedDice::new(numbers));
        self
    }

    /// A fault at the `nth` time (from 1) that `point` is reached.
    pub fn with_fault(mut self, point: FaultPoint, nth: usize) -> Self {
        self.faults = Arc::new(ScriptedFaults { planned: Some((point, nth)), reached: AtomicUsize::new(0) });
        self
    }

    /// What the code under test takes.
    pub fn environment(&self) -> Environment {
        Environment {
            clock: self.clock.clone(),
            random: self.dice.clone(),
            shutdown: self.shutdown.clone(),
            faults: self.faults.clone(),
        }
    }
}

/// A clock that stands still until somebody sleeps: the sleep returns at once, and its time has passed.
#[derive(Debug)]
pub struct VirtualClock {
    start: DateTime<Utc>,
    slept: Mutex<Vec<Duration>>,
}

impl VirtualClock {
    /// `start` is RFC 3339.
    pub fn new(start: &str) -> Self {
        Self { start: start.parse().expect("an RFC 3339 time"), slept: Mutex::default() }
    }

    /// All sleeps so far, in the order in which they began.
    pub fn slept(&self) -> Vec<Duration> {
        self.slept.lock().expect("no test panics under this lock").clone()
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        self.start + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.slept().iter().sum()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().expect("no test panics under this lock").push(duration);
        // Others get their turn, as they would in a real sleep.
        tokio::task::yield_now().await;
    }

    /// Nothing is ever late.
    async fn patience(&self, _: Duration) {
        std::future::pending::<()>().await;
    }
}

/// A scripted source of randomness.
#[derive(Debug)]
pub struct LoadedDice {
    numbers: Vec<f64>,
    thrown: AtomicUsize,
}

impl LoadedDice {
    /// At least one number, each in `[0, 1)`.
    pub fn new(numbers: impl IntoIterator<Item = f64>) -> Self {
        Self { numbers: numbers.into_iter().collect(), thrown: AtomicUsize::new(0) }
    }
}

impl Random for LoadedDice {
    fn next(&self) -> f64 {
        let throw = self.thrown.fetch_add(1, Ordering::SeqCst);
        self.numbers[throw.min(self.numbers.len() - 1)]
    }
}

/// At most one fault, at a given point, at a given time.
#[derive(Debug, Default)]
pub struct ScriptedFaults {
    planned: Option<(FaultPoint, usize)>,
    reached: AtomicUsize,
}

impl Faults for ScriptedFaults {
    fn reach(&self, point: FaultPoint) -> std::io::Result<()> {
        let Some((planned, nth)) = self.planned.filter(|(planned, _)| *planned == point) else { return Ok(()) };
        if self.reached.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            return Err(std::io::Error::other(format!("scripted fault at {planned:?}")));
        }
        Ok(())
    }
}

/// A [`Reporter`] that keeps the text of every event.
#[derive(Debug, Default)]
pub struct Recorder {
    events: Mutex<Vec<String>>,
}

impl Recorder {
    /// The `Debug` text of all events so far.
    pub fn events(&self) -> Vec<String> {
        self.events.lock().expect("no test panics under this lock").clone()
    }
}

impl Reporter for Recorder {
    fn on_event(&self, event: &Event<'_>) {
        self.events.lock().expect("no test panics under this lock").push(format!("{event:?}"));
    }
}
