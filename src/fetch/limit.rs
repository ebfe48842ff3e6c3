//! How many requests go out: a token bucket bounds their rate, an adaptive window how many are in flight, a pacer keeps within
//! the quota that the server tells of, and a pause that it asked for holds back all of them.
//!
//! [`Bucket`], [`Window`] and [`Pacer`] are pure: time comes in as an argument. [`Limiter`] is the shell that waits. Requests pass it
//! in the order in which they asked, so that the page whose turn is next is never overtaken by one asked for ahead.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{pace::Pacer, quota::Quota};
use crate::{environment::Clock, plan::RateLimit};

/// Requests in flight at first: enough to learn from, too few to harm.
const INITIAL_WINDOW: usize = 4;

/// Waits of this length and longer are told: who watches would take them for a standstill.
const LONG: Duration = Duration::from_secs(5);

/// Hears of a long wait, and what it is for.
pub(super) type Told<'a> = &'a (dyn Fn(Duration, &'static str) + Send + Sync);

/// A token bucket as a *virtual schedule* (GCRA, ITU-T I.371): one number instead of a count and a timer.
#[derive(Debug)]
struct Bucket {
    /// Between two tokens.
    interval: Duration,
    /// How far the schedule may run ahead of the clock: one bucket full.
    tolerance: Duration,
    /// When the next token would come if none had been saved up.
    next: Duration,
}

impl Bucket {
    fn new(rate: RateLimit) -> Self {
        let interval = rate.per / rate.requests.max(1);
        Self { interval, tolerance: interval * (rate.requests.max(1) - 1), next: Duration::ZERO }
    }

    /// Takes a token at `now`, or tells how long it takes until there is one.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let due = self.next.saturating_sub(self.tolerance);
        if now < due {
            return Err(due - now);
        }
        self.next = self.next.max(now).saturating_add(self.interval);
        Ok(())
    }
}

/// The adaptive number of requests in flight: doubles each round while all goes well, grows by one a round after the first
/// trouble, and halves at each trouble, once a round (TCP's slow start and additive increase, RFC 5681).
///
/// A window that nobody fills has not shown that it is too small. Whether it is full shows when a request starts; when the
/// answers come, often together, it empties. So a full window earns credit, and each success spends one on growth.
#[derive(Debug)]
struct Window {
    limit: usize,
    max: usize,
    in_flight: usize,
    slow_start: bool,
    /// Successes that still count towards growth: one full window of them, from when it was last full.
    credit: usize,
    /// Successes that counted since the limit last changed.
    successes: usize,
    /// Number of requests started.
    started: u64,
    /// `started` when the window was last cut.
    cut_at: u64,
}

impl Window {
    fn new(max: usize) -> Self {
        let max = max.max(1);
        let limit = max.min(INITIAL_WINDOW);
        Self { limit, max, in_flight: 0, slow_start: true, credit: 0, successes: 0, started: 0, cut_at: 0 }
    }

    /// Starts a request if the window has room; the ticket tells when it started.
    fn start(&mut self) -> Option<u64> {
        if self.in_flight >= self.limit {
            return None;
        }
        self.in_flight += 1;
        self.started += 1;
        if self.in_flight == self.limit {
            self.credit = self.limit;
        }
        Some(self.started)
    }

    fn succeeded(&mut self) {
        if self.credit == 0 || self.limit == self.max {
            return;
        }
        self.credit -= 1;
        self.successes += 1;
        if self.slow_start || self.successes >= self.limit {
            self.limit += 1;
            self.successes = 0;
        }
    }

    /// Requests that were under way when the window was cut tell of the time before: they do not cut it again.
    fn troubled(&mut self, ticket: u64) {
        self.slow_start = false;
        (self.credit, self.successes) = (0, 0);
        if ticket > self.cut_at {
            self.limit = (self.limit / 2).max(1);
            self.cut_at = self.started;
        }
    }
}

/// All requests of a client pass here.
#[derive(Debug)]
pub(super) struct Limiter {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Fair: who waits longest is next.
    turn: tokio::sync::Mutex<()>,
    room: Notify,
    /// The server told of its quota: who waits for it may not have to any longer.
    news: Notify,
}

#[derive(Debug)]
struct State {
    window: Window,
    bucket: Option<Bucket>,
    pacer: Pacer,
    paused_until: Duration,
    /// Tickets of requests that went out and are not answered yet.
    sent: BTreeSet<u64>,
}

impl Limiter {
    /// `longest`: no quota's reset is waited for that is farther away.
    pub(super) fn new(
        max_concurrency: usize,
        rate: Option<RateLimit>,
        longest: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let state = State {
            window: Window::new(max_concurrency),
            bucket: rate.map(Bucket::new),
            pacer: Pacer::new(longest),
            paused_until: Duration::ZERO,
            sent: BTreeSet::new(),
        };
        let (turn, room, news) = (tokio::sync::Mutex::new(()), Notify::new(), Notify::new());
        Self { clock, state: Mutex::new(state), turn, room, news }
    }

    /// How many requests may be in flight at this moment.
    pub(super) fn window(&self) -> usize {
        self.state().window.limit
    }

    /// Waits for room in the window, for the end of a pause and for a token.
    pub(super) async fn acquire(&self, told: Told<'_>) -> Permit<'_> {
        let _turn = self.turn.lock().await;
        let permit = loop {
            let room = self.room.notified();
            let ticket = self.state().window.start();
            match ticket {
                Some(ticket) => break Permit { limiter: self, ticket },
                None => room.await,
            }
        };
        self.clear(told).await;
        self.state().sent.insert(permit.ticket);
        permit
    }

    /// Waits for the end of a pause, for the quota and for a token: what a further request under the same permit, a
    /// redirect's, needs.
    pub(super) async fn clear(&self, told: Told<'_>) {
        let mut is_told = false;
        loop {
            let news = self.news.notified();
            let Err((wait, reason)) = self.try_clear(self.clock.elapsed()) else { return };
            if wait >= LONG && !is_told {
                told(wait, reason);
                is_told = true;
            }
            tokio::select! {
                biased;
                () = news => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    fn try_clear(&self, now: Duration) -> Result<(), (Duration, &'static str)> {
        let mut state = self.state();
        if now < state.paused_until {
            return Err((state.paused_until - now, "the server asked to wait"));
        }
        state.pacer.wait(now).map_err(|wait| (wait, "the server's quota is nearly used up"))?;
        let taken = state.bucket.as_mut().map_or(Ok(()), |bucket| bucket.take(now));
        taken.map_err(|wait| (wait, "`rate_limit`"))?;
        state.pacer.spend(now);
        Ok(())
    }

    /// Holds all requests back for `wait` from now on; a pause that is longer already stays.
    pub(super) fn pause(&self, wait: Duration) {
        let until = self.clock.elapsed().saturating_add(wait);
        let mut state = self.state();
        state.paused_until = state.paused_until.max(until);
    }

    /// The state is numbers that are valid at every moment: a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request's place in the window, given back on drop.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    limiter: &'a Limiter,
    ticket: u64,
}

impl Permit<'_> {
    /// Holds all requests back. Said while the place is still held: who waits for it starts after the pause.
    pub(super) fn pause(&self, wait: Duration) {
        self.limiter.pause(wait);
    }

    /// The answer told of the quotas that are left. Said while the place is still held, for the same reason.
    pub(super) fn learn(&self, quotas: &[Quota]) {
        let now = self.limiter.clock.elapsed();
        let mut state = self.limiter.state();
        let later = state.sent.range(self.ticket + 1..).count() as u64;
        quotas.iter().for_each(|quota| state.pacer.learn(quota, self.ticket, later, now));
        drop(state);
        self.limiter.news.notify_waiters();
    }

    pub(super) fn succeeded(self) {
        self.limiter.state().window.succeeded();
    }

    /// The answer was that of an overloaded server.
    pub(super) fn troubled(self) {
        self.limiter.state().window.troubled(self.ticket);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.window.in_flight -= 1;
        state.sent.remove(&self.ticket);
        drop(state);
        self.limiter.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn silent(_: Duration, _: &'static str) {}

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn bucket(requests: u32, per: f64) -> Bucket {
        Bucket::new(RateLimit { requests, per: seconds(per) })
    }

    #[test]
    fn a_full_bucket_lets_its_tokens_through_at_once_and_then_one_per_interval() {
        let mut bucket = bucket(3, 1.5);
        assert_eq!([(); 3].map(|()| bucket.take(seconds(10.0))), [Ok(()), Ok(()), Ok(())]);
        assert_eq!(bucket.take(seconds(10.0)), Err(seconds(0.5)));
        assert_eq!(bucket.take(seconds(10.2)), Err(seconds(0.3)));
        assert_eq!(bucket.take(seconds(10.5)), Ok(()));
        assert_eq!(bucket.take(seconds(10.5)), Err(seconds(0.5)));
        assert_eq!([(); 3].map(|()| bucket.take(seconds(99.0))), [Ok(()), Ok(()), Ok(())]);
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_more_than_a_full_bucket_and_what_flows_in_meanwhile(
            requests in 1u32..20, gaps in prop::collection::vec(0u64..400, 1..200),
        ) {
            let mut bucket = bucket(requests, 1.0);
            let (mut now, mut taken) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.take(now).is_ok() {
                    taken.push(now);
                }
            }
            for (first, start) in taken.iter().enumerate() {
                for (count, end) in taken[first..].iter().enumerate() {
                    let allowed = f64::from(requests) * (1.0 + (*end - *start).as_secs_f64());
                    prop_assert!((count + 1) as f64 <= allowed + 1e-6);
                }
            }
        }

        #[test]
        fn the_window_stays_within_its_bounds_whatever_happens(
            max in 0usize..40, events in prop::collection::vec(0u8..3, 0..300),
        ) {
            let mut window = Window::new(max);
            let mut tickets = Vec::new();
            for event in events {
                match event {
                    0 => tickets.extend(window.start()),
                    _ => if let Some(ticket) = tickets.pop() {
                        if event == 1 { window.succeeded() } else { window.troubled(ticket) }
                        window.in_flight -= 1;
                    },
                }
                prop_assert!((1..=max.max(1)).contains(&window.limit));
            }
        }
    }

    /// Fills the window.
    fn fill(window: &mut Window) -> Vec<u64> {
        std::iter::from_fn(|| window.start()).collect()
    }

    /// Ends so many requests well, all at once: none starts in between.
    fn succeed(window: &mut Window, count: usize) {
        for _ in 0..count {
            window.succeeded();
            window.in_flight -= 1;
        }
    }

    #[test]
    fn answers_that_come_together_double_a_full_window_up_to_its_maximum() {
        let mut window = Window::new(50);
        let mut limits = Vec::new();
        for _ in 0..6 {
            let count = fill(&mut window).len();
            assert_eq!(count, window.limit);
            limits.push(count);
            succeed(&mut window, count);
        }
        assert_eq!(limits, [4, 8, 16, 32, 50, 50]);
    }

    #[test]
    fn answers_that_come_one_by_one_double_a_full_window_as_well() {
        let mut window = Window::new(50);
        fill(&mut window);
        for _ in 0..4 {
            succeed(&mut window, 1);
            fill(&mut window);
        }
        assert_eq!((window.limit, window.in_flight), (8, 8));
    }

    #[test]
    fn a_window_grows_by_one_a_round_after_the_first_trouble() {
        let mut window = Window::new(50);
        let tickets = fill(&mut window);
        window.troubled(tickets[0]);
        window.in_flight -= 1;
        assert_eq!(window.limit, 2);
        // Those that were under way tell of the window before the cut.
        succeed(&mut window, tickets.len() - 1);
        for expected in [3, 4, 5] {
            let count = fill(&mut window).len();
            succeed(&mut window, count);
            assert_eq!(window.limit, expected);
        }
    }

    #[test]
    fn a_window_that_is_not_full_does_not_grow() {
        let mut window = Window::new(16);
        for _ in 0..50 {
            window.start();
            window.succeeded();
            window.in_flight -= 1;
        }
        assert_eq!(window.limit, 4);
    }

    #[test]
    fn troubles_of_one_round_cut_the_window_once_and_never_below_one() {
        let mut window = Window::new(4);
        let tickets: Vec<u64> = std::iter::from_fn(|| window.start()).collect();
        tickets.iter().for_each(|&ticket| window.troubled(ticket));
        assert_eq!(window.limit, 2);
        window.in_flight = 0;
        for expected in [1, 1] {
            let ticket = window.start().unwrap();
            window.troubled(ticket);
            window.in_flight = 0;
            assert_eq!(window.limit, expected);
        }
    }

    #[tokio::test]
    async fn a_request_waits_for_room_and_the_one_that_waits_longest_is_next() {
        let limiter = Limiter::new(1, None, seconds(60.0), crate::environment::Environment::real().clock);
        let first = limiter.acquire(&silent).await;
        let order = Mutex::new(Vec::new());
        let (limiter, order) = (&limiter, &order);
        let wait = |name: &'static str| async move {
            let permit = limiter.acquire(&silent).await;
            order.lock().unwrap().push(name);
            drop(permit);
        };
        let release = async {
            tokio::task::yield_now().await;
            assert!(order.lock().unwrap().is_empty());
            drop(first);
        };
        tokio::join!(wait("a"), wait("b"), wait("c"), release);
        assert_eq!(*order.lock().unwrap(), ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_neither_its_turn_nor_its_place_behind() {
        let limiter = Limiter::new(1, None, seconds(60.0), crate::environment::Environment::real().clock);
        let first = limiter.acquire(&silent).await;
        tokio::select! {
            biased;
            _ = limiter.acquire(&silent) => panic!("there is no room"),
            () = tokio::task::yield_now() => {}
        }
        drop(first);
        limiter.acquire(&silent).await.succeeded();
    }

    /// A clock that a sleep moves on at once.
    #[derive(Debug, Default)]
    struct Leaping(Mutex<Duration>);

    #[async_trait::async_trait]
    impl Clock for Leaping {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::DateTime::UNIX_EPOCH + self.elapsed()
        }

        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        async fn sleep(&self, duration: Duration) {
            *self.0.lock().unwrap() += duration;
        }
    }

    #[tokio::test]
    async fn a_long_wait_is_told_once_with_its_reason_and_a_short_one_is_not() {
        let clock = Arc::new(Leaping::default());
        let rate = RateLimit { requests: 1, per: seconds(4.0) };
        let limiter = Limiter::new(4, Some(rate), seconds(60.0), clock.clone());
        let waits = Mutex::new(Vec::new());
        let told = |wait: Duration, reason| waits.lock().unwrap().push((wait, reason));
        let first = limiter.acquire(&told).await;
        limiter.acquire(&told).await.succeeded();
        assert_eq!(*waits.lock().unwrap(), []);
        let quota = Quota { remaining: Some(0), reset: Some(seconds(8.0)), ..Quota::default() };
        first.learn(&[quota]);
        limiter.acquire(&told).await.succeeded();
        assert_eq!(*waits.lock().unwrap(), [(seconds(8.0), "the server's quota is nearly used up")]);
    }

    #[tokio::test]
    async fn the_longest_pause_holds_back_who_waits_for_the_place_of_the_one_that_was_told() {
        let clock = Arc::new(Leaping::default());
        let limiter = Limiter::new(1, None, seconds(60.0), clock.clone());
        let first = limiter.acquire(&silent).await;
        let release = async {
            tokio::task::yield_now().await;
            first.pause(seconds(9.0));
            first.pause(seconds(2.0));
            first.troubled();
        };
        let (_permit, ()) = tokio::join!(limiter.acquire(&silent), release);
        assert_eq!(clock.elapsed(), seconds(9.0));
    }
}
