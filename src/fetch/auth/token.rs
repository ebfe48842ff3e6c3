//! Tokens that are obtained at run time: when a new one is asked for, and by whom.
//!
//! A token is renewed when little of its time is left, and when the server no longer takes it. Whoever finds out first asks;
//! all who find out meanwhile wait for the same answer, be it a token or an error.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{Authenticator, Generation, Wire, add_cookie, error::AuthError};
use crate::{
    fetch::{error::FetchError, request::Request},
    plan::Placement,
    secret::Secret,
};

/// The most of a token's time that is left unused: it may be under way, and clocks differ.
const LARGEST_MARGIN: Duration = Duration::from_secs(60);

/// The least of it: the way to the server takes a while. Of a token that hardly lives longer, half is used.
const LEAST_MARGIN: Duration = Duration::from_secs(1);

/// One way to obtain a token.
#[async_trait]
pub(super) trait Grant: Send + Sync {
    /// Asks for a token. Never called twice at a time.
    async fn obtain(&self, wire: &Wire) -> Result<Granted, AuthError>;

    fn placement(&self) -> &Placement;

    /// Values of its own that nobody may see.
    fn secrets(&self) -> Vec<String>;

    /// Whether an answer that is not waited for is lost for good.
    fn is_given_once(&self) -> bool {
        false
    }
}

/// What a grant gives.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub token: Secret<String>,
    /// From when it was asked for; `None`: until the server says otherwise.
    pub lifetime: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Token {
    value: Secret<String>,
    generation: Generation,
    /// When it is to be renewed, on the environment's clock.
    stale_at: Option<Duration>,
}

/// Signs with the token that a grant gave last.
pub(super) struct Renewing {
    shared: Arc<Shared>,
    /// Held by who asks for a token.
    flight: Arc<tokio::sync::Mutex<()>>,
}

struct Shared {
    grant: Box<dyn Grant>,
    wire: Wire,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// How often a token was asked for.
    flights: u64,
    /// What came of it the last time, if it was no token.
    failure: Option<AuthError>,
}

impl State {
    fn keep(&mut self, granted: Granted, asked_at: Duration) -> Token {
        let generation = self.token.as_ref().map_or(1, |token| token.generation + 1);
        let stale_at =
            granted.lifetime.map(|lifetime| asked_at.saturating_add(lifetime.saturating_sub(margin(lifetime))));
        let token = Token { value: granted.token, generation, stale_at };
        self.token = Some(token.clone());
        token
    }
}

impl Renewing {
    pub(super) fn new(grant: impl Grant + 'static, wire: &Wire) -> Self {
        wire.redactor().learn(grant.secrets());
        let shared = Shared { grant: Box::new(grant), wire: wire.clone(), state: Mutex::default() };
        Self { shared: Arc::new(shared), flight: Arc::default() }
    }

    /// Begins with a token that is there already.
    pub(super) fn with(self, granted: Granted) -> Self {
        self.shared.wire.redactor().learn([granted.token.expose().clone()]);
        let now = self.shared.now();
        self.shared.state().keep(granted, now);
        self
    }

    async fn token(&self) -> Result<Token, AuthError> {
        let now = self.shared.now();
        let (token, flights) = {
            let state = self.shared.state();
            (state.token.clone(), state.flights)
        };
        match token.filter(|token| token.stale_at.is_none_or(|stale_at| now < stale_at)) {
            Some(token) => Ok(token),
            None => self.renew(flights).await,
        }
    }

    /// A new token: by asking for it, or from who has asked since `flights` was read.
    async fn renew(&self, flights: u64) -> Result<Token, AuthError> {
        let flight = Arc::clone(&self.flight).lock_owned().await;
        if let Some(outcome) = self.shared.outcome_since(flights) {
            return outcome;
        }
        let shared = Arc::clone(&self.shared);
        // A task of its own: a worker that is no longer needed must not take with it an answer that others wait for, or that
        // would not come twice.
        let asking = tokio::spawn(async move {
            let outcome = shared.obtain().await;
            drop(flight);
            outcome
        });
        asking.await.unwrap_or(Err(AuthError::Interrupted))
    }
}

impl Shared {
    async fn obtain(&self) -> Result<Token, AuthError> {
        let asked_at = self.now();
        let granted = self.asked().await;
        if let Ok(granted) = &granted {
            self.wire.redactor().learn([granted.token.expose().clone()]);
        }
        let mut state = self.state();
        state.flights += 1;
        match granted {
            Ok(granted) => {
                state.failure = None;
                Ok(state.keep(granted, asked_at))
            }
            Err(error) => {
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn asked(&self) -> Result<Granted, AuthError> {
        if self.grant.is_given_once() {
            return self.grant.obtain(&self.wire).await;
        }
        tokio::select! {
            biased;
            () = self.wire.surroundings.environment.shutdown.cancelled() => Err(AuthError::Interrupted),
            granted = self.grant.obtain(&self.wire) => granted,
        }
    }

    /// What came of a flight that ended after `flights` was read.
    fn outcome_since(&self, flights: u64) -> Option<Result<Token, AuthError>> {
        let state = self.state();
        if state.flights == flights {
            return None;
        }
        match (&state.failure, &state.token) {
            (Some(error), _) => Some(Err(error.clone())),
            (None, token) => token.clone().map(Ok),
        }
    }

    fn now(&self) -> Duration {
        self.wire.surroundings.environment.clock.elapsed()
    }

    /// Valid at every moment: a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long before its end a token is renewed.
fn margin(lifetime: Duration) -> Duration {
    (lifetime / 10).clamp(LEAST_MARGIN, LARGEST_MARGIN).min(lifetime / 2)
}

#[async_trait]
impl Authenticator for Renewing {
    async fn authenticate(&self, request: &mut Request) -> Result<Generation, FetchError> {
        let Token { value, generation, .. } = self.token().await?;
        match self.shared.grant.placement() {
            Placement::Bearer => request.set_secret_header("authorization", &format!("Bearer {}", value.expose()))?,
            Placement::Header(name) => request.set_secret_header(name, value.expose())?,
            Placement::Cookie(name) => add_cookie(request, name, value.expose())?,
        }
        Ok(generation)
    }

    async fn refresh(&self, used: Generation) -> Result<bool, FetchError> {
        let (current, flights) = {
            let state = self.shared.state();
            (state.token.as_ref().map(|token| token.generation), state.flights)
        };
        if current == Some(used) {
            self.renew(flights).await?;
        }
        Ok(true)
    }

    fn is_renewable(&self) -> bool {
        true
    }

    async fn settle(&self) {
        if self.shared.grant.is_given_once() {
            drop(self.flight.lock().await);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::future::join_all;
    use url::Url;

    use super::*;
    use crate::{
        environment::Environment,
        fetch::{
            limit::Limiter,
            transport::{Notices, Surroundings},
        },
        plan::{BoundBody, BoundRequest, Method, RetryPlan},
        report::Silent,
        secret::Redactor,
    };

    /// Gives `token-1`, `token-2`, … after a while; fails where it is to.
    #[derive(Default)]
    struct Numbered {
        asked: Arc<AtomicU64>,
        fails: bool,
        lifetime: Option<Duration>,
    }

    #[async_trait]
    impl Grant for Numbered {
        async fn obtain(&self, _: &Wire) -> Result<Granted, AuthError> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            if self.fails {
                return Err(AuthError::Sign("no".to_owned()));
            }
            Ok(Granted { token: Secret::new(format!("token-{number}")), lifetime: self.lifetime })
        }

        fn placement(&self) -> &Placement {
            &Placement::Bearer
        }

        fn secrets(&self) -> Vec<String> {
            Vec::new()
        }
    }

    fn wire() -> Wire {
        let (second, environment) = (Duration::from_secs(1), Environment::real());
        let limiter = Limiter::new(1, None, second, environment.clock.clone());
        Wire {
            http: reqwest::Client::new(),
            limiter: Arc::new(limiter),
            origin: Url::parse("https://a.example").unwrap().origin(),
            timeout: second,
            retry: RetryPlan { max_attempts: 1, initial_backoff: second, max_backoff: second, max_elapsed: second },
            surroundings: Surroundings { redactor: Redactor::default(), environment, reporter: Arc::new(Silent) },
            notices: Notices::default(),
        }
    }

    async fn sign(renewing: &Renewing) -> Result<(String, Generation), FetchError> {
        let url = Url::parse("https://a.example").unwrap();
        let (params, headers, without_headers, body) = (Vec::new(), Vec::new(), Vec::new(), BoundBody::None);
        let bound = BoundRequest { method: Method::Get, url, params, headers, without_headers, body };
        let mut request = Request::new(&bound)?;
        let generation = renewing.authenticate(&mut request).await?;
        Ok((request.headers["authorization"].to_str().unwrap().to_owned(), generation))
    }

    #[tokio::test]
    async fn sixteen_workers_ask_for_one_token_and_for_one_more_when_it_is_refused() {
        let grant = Numbered::default();
        let asked = Arc::clone(&grant.asked);
        let renewing = Renewing::new(grant, &wire());
        let signed = join_all((0..16).map(|_| sign(&renewing))).await;
        assert!(signed.iter().all(|signed| *signed.as_ref().unwrap() == ("Bearer token-1".to_owned(), 1)));
        let renewed = join_all((0..16).map(|_| renewing.refresh(1))).await;
        assert!(renewed.into_iter().all(Result::unwrap));
        assert_eq!((sign(&renewing).await.unwrap().1, asked.load(Ordering::SeqCst)), (2, 2));
        assert!(renewing.refresh(1).await.unwrap());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failure_is_that_of_all_who_waited_and_of_nobody_who_comes_later() {
        let grant = Numbered { fails: true, ..Numbered::default() };
        let asked = Arc::clone(&grant.asked);
        let renewing = Renewing::new(grant, &wire());
        let signed = join_all((0..16).map(|_| sign(&renewing))).await;
        assert!(signed.iter().all(Result::is_err) && asked.load(Ordering::SeqCst) == 1);
        assert!(sign(&renewing).await.is_err() && asked.load(Ordering::SeqCst) == 2);
    }

    #[tokio::test]
    async fn a_worker_that_is_no_longer_needed_leaves_the_token_to_the_others() {
        let grant = Numbered::default();
        let asked = Arc::clone(&grant.asked);
        let renewing = Renewing::new(grant, &wire());
        tokio::select! {
            biased;
            _ = sign(&renewing) => panic!("the token takes a while"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(sign(&renewing).await.unwrap().0, "Bearer token-1");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_token_without_a_life_serves_those_who_asked_for_it_and_is_known_to_the_redactor() {
        let wire = wire();
        let renewing = Renewing::new(Numbered { lifetime: Some(Duration::ZERO), ..Numbered::default() }, &wire);
        assert_eq!(sign(&renewing).await.unwrap().0, "Bearer token-1");
        assert_eq!(sign(&renewing).await.unwrap().0, "Bearer token-2");
        assert_eq!(wire.redactor().text("token-1 token-2"), "*** ***");
    }

    #[test]
    fn a_tenth_of_a_life_is_left_unused_and_a_minute_at_most() {
        let margins = [0, 10, 600, 86_400].map(|seconds| margin(Duration::from_secs(seconds)).as_secs());
        assert_eq!(margins, [0, 1, 60, 60]);
    }

    #[test]
    fn a_token_of_a_short_life_is_left_a_second_before_its_end_or_half_of_its_life() {
        let margins = [5, 3, 1].map(|seconds| margin(Duration::from_secs(seconds)).as_millis());
        assert_eq!(margins, [1000, 1000, 500]);
    }
}
