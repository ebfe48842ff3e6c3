//! Requests held back before the server has to refuse them, by what it says of its quota.
//!
//! Where a server tells of several quotas, each of them is kept, and the one that asks for the longest wait counts.
//!
//! Nothing is slowed down while plenty remains. The last tenth of a quota is spread evenly over the time until the reset, and
//! where nothing remains, all wait for the reset: the quota is used up by then in any case, but none of it is asked for in vain.

use std::time::Duration;

use super::quota::Quota;

/// How few requests are few, where the server does not tell its limit.
const FEW: u64 = 5;

/// Quotas that are kept: a server that calls them otherwise each time has not so many.
const MOST: usize = 16;

/// Pure: time comes in as an argument.
#[derive(Debug)]
pub(super) struct Pacer {
    known: Vec<Known>,
    /// A reset that is farther away is not waited for: it is nonsense, or the run would not outlive it.
    longest: Duration,
    /// When the last request went out.
    last: Duration,
}

#[derive(Debug)]
struct Known {
    name: String,
    /// Requests that still go through before the reset.
    left: u64,
    /// What is left is spread from here on down.
    few: u64,
    reset: Duration,
    /// Of the newest request whose answer told of this.
    ticket: u64,
}

impl Pacer {
    pub(super) fn new(longest: Duration) -> Self {
        Self { known: Vec::new(), longest, last: Duration::ZERO }
    }

    /// How long a request has to wait at `now`.
    pub(super) fn wait(&mut self, now: Duration) -> Result<(), Duration> {
        self.known.retain(|known| now < known.reset);
        let due = self.known.iter().filter_map(|known| known.due(self.last)).max().unwrap_or_default();
        if now < due { Err(due - now) } else { Ok(()) }
    }

    /// A request goes out.
    pub(super) fn spend(&mut self, now: Duration) {
        self.last = now;
        for known in &mut self.known {
            known.left = known.left.saturating_sub(1);
        }
    }

    /// The answer to the request of `ticket` came; `later` requests went out after it and are not answered yet, so the server
    /// has not counted them.
    pub(super) fn learn(&mut self, quota: &Quota, ticket: u64, later: u64, now: Duration) {
        let (Some(remaining), Some(reset)) = (quota.remaining, quota.reset) else { return };
        let before = self.known.iter().position(|known| known.name == quota.name);
        if before.and_then(|at| self.known.get(at)).is_some_and(|known| now < known.reset && ticket < known.ticket) {
            return;
        }
        if let Some(at) = before {
            self.known.swap_remove(at);
        }
        let left = remaining.saturating_sub(later);
        let few = quota.limit.map_or(FEW, |limit| limit / 10);
        if reset <= self.longest && self.known.len() < MOST {
            let (name, reset) = (quota.name.clone(), now.saturating_add(reset));
            self.known.push(Known { name, left, few, reset, ticket });
        }
    }
}

impl Known {
    /// When the next request may go out, if the one before it went out at `last`; `None`: at once.
    fn due(&self, last: Duration) -> Option<Duration> {
        match self.left {
            0 => Some(self.reset),
            left if left <= self.few => Some(last + self.reset.saturating_sub(last).div_f64(left as f64 + 1.0)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn quota(remaining: u64, reset: u64, limit: Option<u64>) -> Quota {
        Quota { name: String::new(), remaining: Some(remaining), reset: Some(seconds(reset)), limit }
    }

    fn pacer() -> Pacer {
        Pacer::new(seconds(1800))
    }

    #[test]
    fn nothing_waits_while_plenty_remains_or_nothing_is_known() {
        let mut pacer = pacer();
        assert_eq!(pacer.wait(seconds(0)), Ok(()));
        pacer.learn(&quota(11, 60, Some(100)), 1, 0, seconds(0));
        assert_eq!(pacer.wait(seconds(0)), Ok(()));
    }

    #[test]
    fn what_is_left_is_spread_evenly_until_the_reset() {
        let mut pacer = pacer();
        let mut now = seconds(100);
        pacer.spend(now);
        pacer.learn(&quota(3, 40, Some(100)), 1, 0, now);
        for _ in 0..3 {
            assert_eq!(pacer.wait(now), Err(seconds(10)));
            now += seconds(10);
            assert_eq!(pacer.wait(now), Ok(()));
            pacer.spend(now);
        }
        assert_eq!(pacer.wait(now), Err(seconds(10)));
        assert_eq!(pacer.wait(seconds(140)), Ok(()));
    }

    #[test]
    fn nothing_left_waits_for_the_reset_until_an_answer_tells_otherwise() {
        let mut pacer = pacer();
        pacer.learn(&quota(0, 30, None), 1, 0, seconds(10));
        assert_eq!(pacer.wait(seconds(15)), Err(seconds(25)));
        pacer.learn(&quota(90, 30, None), 2, 0, seconds(15));
        assert_eq!(pacer.wait(seconds(15)), Ok(()));
    }

    #[test]
    fn requests_under_way_are_counted_and_answers_that_were_overtaken_are_not_heard() {
        let mut pacer = pacer();
        pacer.learn(&quota(8, 30, Some(9)), 4, 8, seconds(0));
        assert_eq!(pacer.wait(seconds(0)), Err(seconds(30)));
        pacer.learn(&quota(9, 30, Some(9)), 3, 0, seconds(0));
        assert_eq!(pacer.wait(seconds(0)), Err(seconds(30)));
        pacer.learn(&quota(1, 30, Some(9)), 12, 0, seconds(0));
        assert_eq!(pacer.wait(seconds(0)), Ok(()));
    }

    #[test]
    fn of_several_quotas_each_is_obeyed() {
        let mut pacer = pacer();
        let named = |name: &str, quota: Quota| Quota { name: name.to_owned(), ..quota };
        pacer.learn(&named("hour", quota(4000, 1700, Some(5000))), 1, 0, seconds(0));
        pacer.learn(&named("burst", quota(0, 2, Some(5))), 1, 0, seconds(0));
        assert_eq!(pacer.wait(seconds(0)), Err(seconds(2)));
        assert_eq!(pacer.wait(seconds(2)), Ok(()));
        pacer.learn(&named("hour", quota(0, 1000, Some(5000))), 2, 0, seconds(2));
        pacer.learn(&named("burst", quota(4, 2, Some(5))), 2, 0, seconds(2));
        assert_eq!(pacer.wait(seconds(2)), Err(seconds(1000)));
    }

    #[test]
    fn a_reset_that_a_run_would_not_outlive_holds_nobody_back() {
        let mut pacer = pacer();
        pacer.learn(&quota(0, 1801, None), 1, 0, seconds(0));
        assert_eq!(pacer.wait(seconds(0)), Ok(()));
        pacer.learn(&quota(0, 1800, None), 2, 0, seconds(0));
        assert_eq!(pacer.wait(seconds(0)), Err(seconds(1800)));
    }
}
