//! Progress for logs and pipes: a line a resource at its start, every few seconds, and at its end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::HumanCount;

use super::{
    super::{console::Console, visible::foreign},
    tally::{Tally, finished, out_of, resource},
};
use crate::{
    environment::Clock,
    report::{Event, Reporter},
};

/// The least time between two lines of one resource.
const INTERVAL: Duration = Duration::from_secs(5);

pub struct Plain {
    console: Console,
    clock: Arc<dyn Clock>,
    resources: Mutex<HashMap<String, Line>>,
}

/// What a resource's next line needs to know.
struct Line {
    tally: Tally,
    started: Duration,
    told: Duration,
}

impl Plain {
    pub fn new(console: Console, clock: Arc<dyn Clock>) -> Self {
        Self { console, clock, resources: Mutex::new(HashMap::new()) }
    }

    /// The line that is due now, if one is.
    fn line(&self, name: &str, event: &Event<'_>) -> Option<String> {
        let now = self.clock.elapsed();
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || Line { tally: Tally::default(), started: now, told: now };
        let line = resources.entry(name.to_owned()).or_insert_with(start);
        line.tally.count(event);
        match event {
            Event::ResourceStarted { .. } => Some("started".to_owned()),
            Event::Warning { message, .. } => Some(format!("warning: {}", foreign(message))),
            Event::Note { message, .. } => Some(format!("note: {}", foreign(message))),
            Event::ResourceFinished { summary } => Some(finished(summary)),
            // Nothing else is told while it waits.
            Event::RequestDelayed { .. } => {
                line.told = now;
                Some(line.text(now))
            }
            _ if now.saturating_sub(line.told) < INTERVAL => None,
            _ => {
                line.told = now;
                Some(line.text(now))
            }
        }
    }
}

impl Line {
    fn text(&self, now: Duration) -> String {
        let seconds = now.saturating_sub(self.started).as_secs_f64().max(f64::EPSILON);
        let rate = HumanCount((self.tally.rows as f64 / seconds) as u64);
        let mut text =
            format!("{} rows, {rate}/s, {}", out_of(self.tally.rows, self.tally.total_rows), self.tally.text());
        if let Some(left) = self.left(seconds) {
            text += &format!(", about {left} s left");
        }
        text
    }

    /// Seconds that the rest takes at the rate so far; `None` without a total or a first row.
    fn left(&self, seconds: f64) -> Option<u64> {
        let rest = self.tally.total_rows?.checked_sub(self.tally.rows)?;
        (self.tally.rows > 0).then(|| (rest as f64 * seconds / self.tally.rows as f64).ceil() as u64)
    }
}

impl Reporter for Plain {
    fn on_event(&self, event: &Event<'_>) {
        if let Some(name) = resource(event)
            && let Some(line) = self.line(name, event)
        {
            self.console.line(&format!("{name}: {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::cli::{console::tests::Written, summary::tests::resource_summary};

    /// A clock that stands still until it is set, in seconds.
    #[derive(Debug, Default)]
    struct Dial(AtomicU64);

    #[async_trait]
    impl Clock for Dial {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }
        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
        async fn sleep(&self, _: Duration) {}
    }

    fn page() -> Event<'static> {
        Event::PageFetched { resource: "cases", page: 1, rows: 1000, bytes: 500_000 }
    }

    #[test]
    fn a_line_comes_at_the_start_every_few_seconds_and_at_the_end() {
        let (written, clock) = (Written::default(), Arc::new(Dial::default()));
        let plain = Plain::new(written.console(), clock.clone());
        let at = |seconds: u64, event: &Event<'_>| {
            clock.0.store(seconds, Ordering::Relaxed);
            plain.on_event(event);
        };
        at(0, &Event::ResourceStarted { resource: "cases" });
        at(1, &page());
        at(4, &page());
        at(5, &page());
        at(9, &Event::TotalKnown { resource: "cases", rows: Some(10_000), pages: None });
        at(10, &page());
        at(11, &Event::Warning { resource: "cases", message: "odd" });
        at(12, &Event::ResourceFinished { summary: &resource_summary("cases") });
        insta::assert_snapshot!(written.text(), @r"
        cases: started
        cases: 3,000 rows, 600/s, 3 pages, 1.50 MB
        cases: 4,000/10,000 rows, 400/s, 4 pages, 2.00 MB, about 15 s left
        cases: warning: odd
        cases: 2,988 rows in 1 file, version 1
        ");
    }

    #[test]
    fn two_resources_do_not_silence_each_other() {
        let (written, clock) = (Written::default(), Arc::new(Dial::default()));
        let plain = Plain::new(written.console(), clock.clone());
        plain.on_event(&page());
        plain.on_event(&Event::PageFetched { resource: "suites", page: 1, rows: 7, bytes: 1 });
        clock.0.store(5, Ordering::Relaxed);
        plain.on_event(&page());
        plain.on_event(&Event::PageFetched { resource: "suites", page: 2, rows: 7, bytes: 1 });
        let lines: Vec<_> = written.text().lines().map(|line| line.split(',').next().unwrap().to_owned()).collect();
        assert_eq!(lines, ["cases: 2", "suites: 14 rows"]);
    }
}
