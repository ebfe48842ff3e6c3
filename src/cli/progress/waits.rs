//! Retries and waits, where no other progress is shown: without them, a log does not distinguish a run that waits from one that
//! hangs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::super::{console::Console, visible::foreign};
use crate::{
    environment::Clock,
    report::{Event, Reporter},
};

/// The least time between two lines.
const INTERVAL: Duration = Duration::from_secs(30);

pub struct Waits {
    console: Console,
    clock: Arc<dyn Clock>,
    /// The time of the last line, and the number of events without one since.
    last: Mutex<(Option<Duration>, u64)>,
}

impl Waits {
    pub fn new(console: Console, clock: Arc<dyn Clock>) -> Self {
        Self { console, clock, last: Mutex::new((None, 0)) }
    }

    /// Returns the number of events without a line since the last one; `None` if this event gets none either.
    fn is_due(&self) -> Option<u64> {
        let now = self.clock.elapsed();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (last_line, suppressed) = &mut *last;
        if last_line.is_some_and(|last_line| now.saturating_sub(last_line) < INTERVAL) {
            *suppressed += 1;
            return None;
        }
        *last_line = Some(now);
        Some(std::mem::take(suppressed))
    }
}

impl Reporter for Waits {
    fn on_event(&self, event: &Event<'_>) {
        let line = match event {
            Event::RequestRetried { resource, attempt, delay, reason, .. } => {
                format!("{resource}: attempt {attempt} failed ({reason}), next in {:.1} s", delay.as_secs_f64())
            }
            Event::RequestDelayed { resource, delay, reason } => {
                format!("{resource}: waiting for {:.0} s ({reason})", delay.as_secs_f64())
            }
            _ => return,
        };
        let line = foreign(&line);
        match self.is_due() {
            None => {}
            Some(0) => self.console.line(&line),
            Some(more) => self.console.line(&format!("{line}; {more} more retries and waits since the last line")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::tests::Written;

    /// A clock that a test sets.
    #[derive(Debug, Default)]
    struct Hands(Mutex<Duration>);

    #[async_trait::async_trait]
    impl Clock for Hands {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::DateTime::UNIX_EPOCH
        }

        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn retries_and_waits_have_a_line_at_most_every_thirty_seconds() {
        let (written, clock) = (Written::default(), Arc::new(Hands::default()));
        let waits = Waits::new(written.console(), clock.clone());
        let retry = Event::RequestRetried {
            resource: "cases",
            url: "u",
            attempt: 1,
            delay: Duration::from_millis(1500),
            reason: "503",
        };
        let wait = Event::RequestDelayed { resource: "cases", delay: Duration::from_secs(40), reason: "`rate_limit`" };
        for (seconds, event) in [(0, &retry), (1, &retry), (29, &wait), (30, &wait), (59, &retry)] {
            *clock.0.lock().unwrap() = Duration::from_secs(seconds);
            waits.on_event(event);
        }
        waits.on_event(&Event::ResourceStarted { resource: "cases" });
        assert_eq!(
            written.text(),
            "cases: attempt 1 failed (503), next in 1.5 s\ncases: waiting for 40 s (`rate_limit`); 2 more retries and waits \
             since the last line\n"
        );
    }
}
