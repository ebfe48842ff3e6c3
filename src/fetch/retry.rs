//! When to try again: intervals, jitter, and what `Retry-After` says. The only file that knows the `backoff` crate.

use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff};
use chrono::{DateTime, Utc};
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use crate::plan::RetryPlan;

/// The waits of one request.
pub(super) struct Schedule {
    intervals: ExponentialBackoff,
    plan: RetryPlan,
}

/// What to do after a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    RetryIn(Duration),
    /// No further attempt: `max_attempts` is used up.
    Exhausted,
    /// No further attempt, for this reason.
    GiveUp(String),
}

impl Schedule {
    pub(super) fn new(plan: RetryPlan) -> Self {
        // The crate's own randomness cannot be injected, so it gets no say; nor does its clock.
        let mut intervals = ExponentialBackoff {
            initial_interval: plan.initial_backoff,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: plan.max_backoff,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        intervals.reset();
        Self { intervals, plan }
    }

    /// `attempts` were made, the first of them `elapsed` ago; `random` is uniform in `[0, 1)`.
    pub(super) fn after(&mut self, attempts: u32, elapsed: Duration, asked: Option<Duration>, random: f64) -> Verdict {
        if attempts >= self.plan.max_attempts {
            return Verdict::Exhausted;
        }
        let delay = asked.unwrap_or_else(|| self.interval(random));
        let left = self.plan.max_elapsed.saturating_sub(elapsed);
        if delay <= left {
            return Verdict::RetryIn(delay);
        }
        let who = if asked.is_some() { "the server asks to wait" } else { "the next attempt would be in" };
        Verdict::GiveUp(format!("{who} {:.1} s, `max_elapsed` leaves {:.1} s", delay.as_secs_f64(), left.as_secs_f64()))
    }

    /// Equal jitter: half of the interval is certain, so that a struggling server gets rest; half is random, so that
    /// clients do not come back at once together.
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
    fn interval(&mut self, random: f64) -> Duration {
        let interval = self.intervals.next_backoff().unwrap_or(self.plan.max_backoff).min(self.plan.max_backoff);
        interval.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

/// How long `Retry-After` asks to wait: seconds or an HTTP date (RFC 9110, 10.2.3); of decimal seconds, which some servers
/// send, the whole ones above them. `None` for what is absent, nonsense, in the past or zero: some servers send 0 with every
/// 429, and taking it at its word would be a busy loop.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match seconds(text) {
        Some(seconds) => Duration::from_secs(seconds),
        None => (DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?) - now).to_std().ok()?,
    };
    (!wait.is_zero()).then_some(wait)
}

/// Digits, with or without decimals.
fn seconds(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = [whole, decimals].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let whole: u64 = whole.parse().ok().filter(|_| are_digits)?;
    whole.checked_add(u64::from(decimals.bytes().any(|digit| digit != b'0')))
}

/// Whether a refusal is for the rate of requests: some servers say so by a 403, and name a time.
pub(super) fn limits(status: StatusCode, names_time: bool) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::FORBIDDEN && names_time
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: RetryPlan = RetryPlan {
        max_attempts: 6,
        initial_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(5),
        max_elapsed: Duration::from_secs(60),
    };

    fn delays(random: f64) -> Vec<f64> {
        let mut schedule = Schedule::new(PLAN);
        let verdicts = (1..6).map(|attempts| schedule.after(attempts, Duration::ZERO, None, random));
        let seconds = verdicts.map(|verdict| match verdict {
            Verdict::RetryIn(delay) => delay.as_secs_f64(),
            other => panic!("{other:?}"),
        });
        seconds.collect()
    }

    #[test]
    fn intervals_double_up_to_the_maximum_and_jitter_takes_at_most_half() {
        assert_eq!(delays(0.0), [0.5, 1.0, 2.0, 2.5, 2.5]);
        assert_eq!(delays(0.5), [0.75, 1.5, 3.0, 3.75, 3.75]);
    }

    #[test]
    fn the_first_attempt_counts() {
        assert_eq!(Schedule::new(PLAN).after(6, Duration::ZERO, None, 0.0), Verdict::Exhausted);
        let once = RetryPlan { max_attempts: 1, ..PLAN };
        assert_eq!(Schedule::new(once).after(1, Duration::ZERO, Some(Duration::from_secs(1)), 0.0), Verdict::Exhausted);
    }

    #[test]
    fn an_initial_interval_above_the_maximum_is_the_maximum() {
        let plan = RetryPlan { initial_backoff: Duration::from_secs(9), ..PLAN };
        let verdict = Schedule::new(plan).after(1, Duration::ZERO, None, 0.0);
        assert_eq!(verdict, Verdict::RetryIn(Duration::from_millis(2500)));
    }

    #[test]
    fn what_the_server_asks_for_outranks_the_interval_and_is_bounded_by_the_time_left() {
        let mut schedule = Schedule::new(PLAN);
        let asked = Some(Duration::from_secs(20));
        assert_eq!(schedule.after(1, Duration::from_secs(40), asked, 0.9), Verdict::RetryIn(Duration::from_secs(20)));
        let Verdict::GiveUp(reason) = schedule.after(2, Duration::from_secs(41), asked, 0.9) else { panic!() };
        assert_eq!(reason, "the server asks to wait 20.0 s, `max_elapsed` leaves 19.0 s");
    }

    #[test]
    fn no_attempt_starts_after_max_elapsed() {
        let Verdict::GiveUp(reason) = Schedule::new(PLAN).after(1, Duration::from_secs(61), None, 0.0) else {
            panic!()
        };
        assert_eq!(reason, "the next attempt would be in 0.5 s, `max_elapsed` leaves 0.0 s");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_nonsense_is_none() {
        let now: DateTime<Utc> = "2026-11-22T10:00:00Z".parse().unwrap();
        let read = |text: &str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 22 Nov 2026 10:01:30 GMT"), Some(90));
        assert_eq!((read("0.5"), read("1.5"), read("2.0"), read("0.001")), (Some(1), Some(2), Some(2), Some(1)));
        for nonsense in [
            "0",
            "0.0",
            "-5",
            "-0.5",
            ".5",
            "1.",
            "1.5s",
            "1e3",
            "inf",
            "soon",
            "",
            "Sun, 22 Nov 2026 09:59:59 GMT",
            "99999999999999999999999",
        ] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
