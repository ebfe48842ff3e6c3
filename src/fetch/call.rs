//! One request, attempted until it is answered or not worth another attempt.

use std::time::Duration;

use reqwest::StatusCode;

use super::{
    auth::Generation,
    client::Client,
    error::{FetchError, RequestError, Trouble},
    exchange::{Exchange, Failed},
    limit::Permit,
    request::Request,
    retry::{Schedule, Verdict},
    transport::{Response, Scope, Transport},
};
use crate::report::Event;

pub(super) struct Call<'a> {
    client: &'a Client,
    scope: &'a Scope,
    request: Request,
    schedule: Schedule,
    attempts: u32,
    /// When the first attempt was let through, on the environment's clock.
    started: Option<Duration>,
    refreshed: bool,
    /// What was wrong with the attempt before this one.
    last: Option<Report>,
}

/// A failed attempt: where it ended, and how.
struct Report {
    url: String,
    credentials_sent: bool,
    signed: Option<Generation>,
    trouble: Trouble,
}

impl<'a> Call<'a> {
    pub(super) fn new(client: &'a Client, request: Request, scope: &'a Scope) -> Self {
        let schedule = Schedule::new(client.retry);
        Self { client, scope, request, schedule, attempts: 0, started: None, refreshed: false, last: None }
    }

    pub(super) async fn run(mut self) -> Result<Response, FetchError> {
        loop {
            let told = |wait, reason| self.scope.tell_wait(self.client.surroundings(), wait, reason);
            let permit = self.client.limiter.acquire(&told).await;
            self.check_time()?;
            let exchange = Exchange::new(self.client, self.scope, self.request.clone());
            let mut exchange = exchange.renewing(!self.refreshed);
            self.attempts += 1;
            let outcome = exchange.run().await;
            permit.learn(exchange.quotas());
            let (trouble, asked) = match outcome {
                Ok(response) => {
                    permit.succeeded();
                    return Ok(response);
                }
                Err(Failed::Fatal(error)) => return Err(error),
                Err(Failed::NoRoom { bytes }) => {
                    drop(permit);
                    self.put_off(bytes).await;
                    continue;
                }
                Err(Failed::Attempt { trouble, retry_after }) => (trouble, retry_after),
            };
            self.settle(permit, &trouble, asked);
            let report = Report {
                url: exchange.shown_url(),
                credentials_sent: exchange.sent_credentials(),
                signed: exchange.signed(),
                trouble,
            };
            self.failed(report, asked).await?;
        }
    }

    /// Waits until there is memory for an answer of so many bytes, without a request in flight: the pages that take the memory
    /// may need its permit.
    async fn put_off(&mut self, bytes: u64) {
        let Some(hold) = &self.scope.hold else { return };
        tracing::debug!(resource = %self.scope.resource, bytes, "put off for lack of memory");
        hold.set(0);
        // How large a coded body becomes, or an index, is not known: with no more than it has come to, each attempt would get a
        // little further. A page that can never fit is reported by the attempt.
        _ = hold.wait(bytes.saturating_mul(2).min(hold.most())).await;
        // It was an answer, and no failed attempt.
        self.attempts -= 1;
        self.started = None;
    }

    /// Waiting for a permit may take longer than a request is worth: no attempt starts after `max_elapsed`.
    fn check_time(&mut self) -> Result<(), FetchError> {
        let now = self.client.surroundings().environment.clock.elapsed();
        let elapsed = now.saturating_sub(*self.started.get_or_insert(now));
        match self.last.take() {
            Some(report) if elapsed > self.client.retry.max_elapsed => {
                Err(self.error(report, Some("`max_elapsed` is over".to_owned())))
            }
            _ => Ok(()),
        }
    }

    /// Tells the limits what came of an attempt that failed.
    fn settle(&self, permit: Permit<'_>, trouble: &Trouble, asked: Option<Duration>) {
        // A pause that no request would outlive is not kept: each of them fails on its own answer at once.
        if let Some(wait) = asked.filter(|wait| trouble.is_passing() && *wait <= self.client.retry.max_elapsed) {
            permit.pause(wait);
        }
        if trouble.is_overload() {
            permit.troubled();
        }
    }

    /// Waits until the next attempt; an error if there is none.
    async fn failed(&mut self, report: Report, asked: Option<Duration>) -> Result<(), FetchError> {
        if self.refresh(&report).await? {
            return Ok(());
        }
        if !report.trouble.is_passing() {
            return Err(self.error(report, None));
        }
        let environment = &self.client.surroundings().environment;
        match self.schedule.after(self.attempts, self.elapsed(), asked, environment.random.next()) {
            Verdict::RetryIn(delay) => {
                self.tell_retry(&report, delay);
                self.last = Some(report);
                environment.clock.sleep(delay).await;
                Ok(())
            }
            Verdict::Exhausted => Err(self.error(report, None)),
            Verdict::GiveUp(reason) => Err(self.error(report, Some(reason))),
        }
    }

    /// Whether the server refused credentials, for the first time, and there are others to try.
    async fn refresh(&mut self, report: &Report) -> Result<bool, FetchError> {
        let is_refused = report.trouble.status() == Some(StatusCode::UNAUTHORIZED) || report.trouble.wants_new_token();
        let (Some(used), Some(auth)) = (report.signed, self.client.auth(self.scope)) else { return Ok(false) };
        if !is_refused || self.refreshed {
            return Ok(false);
        }
        self.refreshed = true;
        auth.refresh(used).await
    }

    fn tell_retry(&self, report: &Report, delay: Duration) {
        self.scope.counters.add_retry();
        let reason = report.trouble.to_string();
        tracing::debug!(resource = %self.scope.resource, url = %report.url, attempt = self.attempts, ?delay, %reason, "retry");
        self.client.surroundings().reporter.on_event(&Event::RequestRetried {
            resource: &self.scope.resource,
            url: &report.url,
            attempt: self.attempts,
            delay,
            reason: &reason,
        });
    }

    fn elapsed(&self) -> Duration {
        let now = self.client.surroundings().environment.clock.elapsed();
        now.saturating_sub(self.started.unwrap_or(now))
    }

    fn error(&self, report: Report, gave_up: Option<String>) -> FetchError {
        let Report { url, credentials_sent, trouble, .. } = report;
        let (attempts, elapsed) = (self.attempts, self.elapsed());
        let method = self.request.method;
        RequestError {
            method,
            url,
            page: None,
            attempts,
            elapsed,
            trouble,
            gave_up,
            credentials_sent,
            credentials: self.client.credentials(self.scope),
            has_body: self.request.has_body(),
            position: None,
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use async_trait::async_trait;
    use url::Url;

    use super::*;
    use crate::{
        environment::Environment,
        fetch::auth::Authenticator,
        plan::{AuthPlan, Bindings, ClientPlan, ForeignHosts, RequestPlan, RetryPlan, TlsPlan},
        report::Silent,
        secret::Redactor,
    };

    /// Credentials that are renewed `renewals` times; each generation is a number.
    struct Renewing {
        generation: AtomicUsize,
        renewals: usize,
    }

    #[async_trait]
    impl Authenticator for Renewing {
        async fn authenticate(&self, request: &mut Request) -> Result<Generation, FetchError> {
            let generation = self.generation.load(Ordering::SeqCst);
            request.set_secret_header("x-key", &generation.to_string())?;
            Ok(generation as Generation)
        }

        async fn refresh(&self, _: Generation) -> Result<bool, FetchError> {
            Ok(self.generation.fetch_add(1, Ordering::SeqCst) < self.renewals)
        }
    }

    /// Answers 401 to every key but `accepted`.
    fn server(accepted: usize) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (mut socket, mut head) = (socket.unwrap(), [0; 4096]);
                let length = socket.read(&mut head).unwrap();
                let is_good = String::from_utf8_lossy(&head[..length]).contains(&format!("x-key: {accepted}\r\n"));
                let status = if is_good { "200 OK" } else { "401 Unauthorized" };
                write!(socket, "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]").unwrap();
            }
        });
        url
    }

    async fn fetch(accepted: usize, renewals: usize) -> (Result<Response, FetchError>, usize) {
        let url = server(accepted);
        let second = Duration::from_secs(1);
        let plan = ClientPlan {
            base_url: url.clone(),
            headers: Vec::new(),
            auth: AuthPlan::None,
            allowed_hosts: Vec::new(),
            foreign_hosts: ForeignHosts::Warn,
            tls: TlsPlan::default(),
            max_concurrency: 1,
            rate_limit: None,
            timeout: 60 * second,
            connect_timeout: 60 * second,
            retry: RetryPlan { max_attempts: 1, initial_backoff: second, max_backoff: second, max_elapsed: second },
            max_body: 100,
        };
        let mut client = Client::new(&plan, Redactor::default(), Environment::real(), Arc::new(Silent)).unwrap();
        client.auth = Some(Arc::new(Renewing { generation: AtomicUsize::new(0), renewals }));
        let scope = Scope {
            resource: "rows".into(),
            counters: Arc::default(),
            answers: Arc::default(),
            expected: Arc::default(),
            hold: None,
        };
        let bound = RequestPlan::get(url, "").bind(&Bindings::default()).unwrap();
        let response = client.fetch(Request::new(&bound).unwrap(), &scope).await;
        (response, scope.counters.read().0 as usize)
    }

    #[tokio::test]
    async fn credentials_are_renewed_once_after_a_401_and_only_if_they_can_be() {
        let (response, requests) = fetch(1, 9).await;
        assert!(response.is_ok() && requests == 2);
        let (response, requests) = fetch(5, 9).await;
        assert!(response.is_err() && requests == 2);
        let (response, requests) = fetch(1, 0).await;
        assert!(response.is_err() && requests == 1);
    }
}
