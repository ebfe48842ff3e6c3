//! One request over a real socket: what is sent, when it is sent again, and what is said when it fails.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use restlake::{
    ErrorKind,
    environment::{Clock, Environment},
    error::Failure,
    fetch::{Client, FetchError, PageSource, Pages},
    model::Page,
    plan::{ApiKeyLocation, AuthPlan, ClientPlan, PaginatorPlan, RateLimit, RequestPlan, ResourcePlan},
    secret::{Redactor, Secret},
};

use crate::support::{
    environment::{Recorder, TestEnvironment},
    plans,
    server::{Gate, Reply, Server},
};

const ROWS: &str = r#"{"data":[{"id":1},{"id":2}]}"#;
const KEY: &str = "s3cr3t-value";

/// One fetch of one page, and all that it left behind.
struct Outcome {
    page: Result<Page, FetchError>,
    slept: Vec<f64>,
    events: Vec<String>,
    requests: u64,
    retries: u64,
}

impl Outcome {
    fn error(&self) -> &FetchError {
        self.page.as_ref().expect_err("the fetch was to fail")
    }

    fn count(&self) -> u64 {
        self.page.as_ref().expect("the fetch was to succeed").count
    }

    fn kind(&self) -> ErrorKind {
        self.error().kind()
    }
}

async fn fetch_with(client: ClientPlan, resource: &ResourcePlan, test: &TestEnvironment) -> Outcome {
    let recorder = Arc::new(Recorder::default());
    let redactor = Redactor::new([KEY.to_owned()]);
    let client = Client::new(&client, redactor, test.environment(), recorder.clone()).unwrap();
    let mut pages = Pages::new(Arc::new(client), resource, &plans::bound(resource), 1 << 20).unwrap();
    let page = pages.next().await.expect("a list has a first page");
    let counters = pages.counters();
    Outcome {
        page,
        slept: test.clock.slept().iter().map(Duration::as_secs_f64).collect(),
        events: recorder.events(),
        requests: counters.requests,
        retries: counters.retries,
    }
}

/// Fetches `/v1/rows` from `server` as `adjust` has it.
async fn fetch(server: &Server, adjust: impl FnOnce(&mut ClientPlan, &mut ResourcePlan)) -> Outcome {
    let mut client = plans::client(&server.url());
    let mut resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
    adjust(&mut client, &mut resource);
    fetch_with(client, &resource, &TestEnvironment::new()).await
}

async fn fetch_plainly(replies: impl IntoIterator<Item = Reply>) -> (Server, Outcome) {
    let server = Server::scripted(replies).await;
    let outcome = fetch(&server, |_, _| {}).await;
    (server, outcome)
}

mod credentials {
    use super::*;

    async fn first_request(auth: AuthPlan, headers: &[(&str, &str)]) -> crate::support::server::Received {
        let server = Server::scripted([Reply::json(ROWS)]).await;
        let outcome = fetch(&server, |client, _| {
            client.auth = auth;
            client.headers =
                headers.iter().map(|&(name, value)| (name.to_owned(), Secret::new(value.to_owned()))).collect();
        })
        .await;
        assert_eq!(outcome.count(), 2);
        assert_eq!(server.requests()[0].method, "GET");
        server.requests().remove(0)
    }

    fn api_key(location: ApiKeyLocation) -> AuthPlan {
        AuthPlan::ApiKey { name: "x-key".to_owned(), api_key: Secret::new(KEY.to_owned()), location }
    }

    #[tokio::test]
    async fn an_api_key_goes_where_its_location_says() {
        assert_eq!(first_request(api_key(ApiKeyLocation::Query), &[]).await.param("x-key").as_deref(), Some(KEY));
        let request = first_request(api_key(ApiKeyLocation::Header), &[]).await;
        assert_eq!((request.header("x-key"), request.query.as_str()), (Some(KEY), ""));
        let request = first_request(api_key(ApiKeyLocation::Cookie), &[("Cookie", "lang=en")]).await;
        assert_eq!(request.header("cookie"), Some("lang=en; x-key=s3cr3t-value"));
    }

    #[tokio::test]
    async fn bearer_and_basic_are_authorization_headers() {
        let request = first_request(AuthPlan::Bearer { token: Secret::new("abc".to_owned()) }, &[]).await;
        assert_eq!(request.header("authorization"), Some("Bearer abc"));
        let basic =
            AuthPlan::HttpBasic { username: "Aladdin".to_owned(), password: Secret::new("open sesame".to_owned()) };
        // RFC 7617's own example.
        let request = first_request(basic, &[]).await;
        assert_eq!(request.header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    }

    #[tokio::test]
    async fn headers_of_the_config_are_sent_and_say_more_than_ours() {
        let request = first_request(AuthPlan::None, &[("X-Team", "qa"), ("Accept", "application/hal+json")]).await;
        assert_eq!(request.header("x-team"), Some("qa"));
        assert_eq!(request.header("accept"), Some("application/hal+json"));
        assert!(request.header("user-agent").unwrap().starts_with("restlake/"));
        assert!(request.header("referer").is_none() && request.header("authorization").is_none());
        assert_eq!(first_request(AuthPlan::None, &[]).await.header("accept"), Some("application/json, */*;q=0.5"));
    }

    #[tokio::test]
    async fn a_redirect_to_another_origin_loses_every_credential_and_keeps_the_rest() {
        let other = Server::scripted([Reply::json(ROWS)]).await;
        let copied = other.url().join(&format!("/landed?x-key={KEY}&again={KEY}&page=1")).unwrap();
        let server = Server::scripted([Reply::status(302).header("location", copied.as_str())]).await;
        let outcome = fetch(&server, |client, _| {
            client.auth = api_key(ApiKeyLocation::Query);
            client.headers = [("Authorization", "Basic abc"), ("X-Auth-Token", "def"), ("X-Team", "qa")]
                .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
                .into();
        })
        .await;
        assert_eq!((outcome.count(), outcome.requests), (2, 2));
        let landed = other.requests().remove(0);
        assert_eq!(landed.target(), "/landed?page=1");
        assert!(
            ["authorization", "x-auth-token", "cookie", "referer"].iter().all(|name| landed.header(name).is_none())
        );
        assert_eq!(landed.header("x-team"), Some("qa"));
    }

    #[tokio::test]
    async fn a_redirect_within_the_origin_keeps_credentials() {
        let server = Server::scripted([Reply::status(307).header("location", "/v2/rows?a=b"), Reply::json(ROWS)]).await;
        let outcome = fetch(&server, |client, _| client.auth = api_key(ApiKeyLocation::Query)).await;
        assert_eq!(outcome.count(), 2);
        assert_eq!(server.targets(), ["/v1/rows?x-key=s3cr3t-value", "/v2/rows?a=b&x-key=s3cr3t-value"]);
    }

    #[tokio::test]
    async fn a_resource_at_another_origin_gets_no_credentials_and_its_401_says_so() {
        let other = Server::scripted([Reply::status(401)]).await;
        let server = Server::scripted([]).await;
        let outcome = fetch(&server, |client, resource| {
            client.auth = api_key(ApiKeyLocation::Header);
            resource.request = RequestPlan::get(other.url(), "rows");
        })
        .await;
        assert!(other.requests()[0].header("x-key").is_none());
        assert!(outcome.error().hint().unwrap().starts_with("no credentials were sent here"));
    }

    #[tokio::test]
    async fn secrets_stay_out_of_errors_and_events_even_if_the_server_repeats_them() {
        let echo = format!("{}bad key {KEY} in ?x-key={KEY}, Basic {}", "x".repeat(480), "dTpzM2NyM3QtdmFsdWU=");
        let basic = AuthPlan::HttpBasic { username: "u".to_owned(), password: Secret::new(KEY.to_owned()) };
        for auth in [api_key(ApiKeyLocation::Query), basic] {
            let server = Server::start({
                let echo = echo.clone();
                move |request| Reply::status(if request.number == 1 { 500 } else { 403 }).body(echo.clone())
            })
            .await;
            let outcome = fetch(&server, |client, _| client.auth = auth).await;
            let error = outcome.error();
            let said = format!("{error} {error:?} {:?} {:?}", error.hint(), outcome.events);
            assert!(said.contains("bad key ***") && outcome.retries == 1, "{said}");
            assert!(!said.contains("s3cr3t") && !said.contains("dTpzM2NyM3"), "{said}");
        }
    }
}

mod redirects {
    use super::*;

    #[tokio::test]
    async fn ten_hops_are_followed_and_eleven_are_not() {
        for (hops, works) in [(10, true), (11, false)] {
            let server = Server::start(move |request| {
                if request.number > hops { Reply::json(ROWS) } else { Reply::status(302).header("location", "/again") }
            })
            .await;
            let outcome = fetch(&server, |_, _| {}).await;
            assert_eq!(outcome.page.is_ok(), works, "{hops}");
            assert_eq!(outcome.requests, 11);
        }
    }

    #[tokio::test]
    async fn a_3xx_that_leads_nowhere_is_the_users_to_mend() {
        let (server, outcome) = fetch_plainly([Reply::status(304)]).await;
        assert_eq!((outcome.kind(), outcome.error().code()), (ErrorKind::User, "http_redirect"));
        assert_eq!(server.requests().len(), 1);
    }
}

mod retries {
    use super::*;

    fn overloaded(status: u16, retry_after: &str) -> Reply {
        Reply::status(status).header("retry-after", retry_after)
    }

    #[tokio::test]
    async fn what_passes_is_retried_until_it_has_passed() {
        let passing: [(&str, Reply); 9] = [
            ("429", Reply::status(429)),
            ("408", Reply::status(408)),
            ("500", Reply::status(500)),
            ("503", Reply::status(503)),
            ("599", Reply::status(599)),
            ("closed", Reply::reset()),
            ("broke off", Reply::json(ROWS).truncated()),
            ("broke off", Reply::json(ROWS).header("content-length", "1000")),
            ("not JSON", Reply::json(&ROWS[..20])),
        ];
        for (name, reply) in passing {
            let (_server, outcome) = fetch_plainly([reply.clone(), reply, Reply::json(ROWS)]).await;
            assert_eq!((outcome.count(), outcome.requests, outcome.retries), (2, 3, 2), "{name}");
            // Equal jitter with dice at 0.5: three quarters of 1 s and of 2 s.
            assert_eq!(outcome.slept, [0.75, 1.5], "{name}");
            let told: Vec<_> = outcome.events.iter().filter(|event| event.starts_with("RequestRetried")).collect();
            assert!(told.len() == 2 && (told[0].contains(name) || name == "closed"), "{told:?}");
        }
    }

    #[tokio::test]
    async fn what_does_not_pass_fails_at_once() {
        for status in [400, 401, 402, 403, 404, 405, 409, 410, 422, 451] {
            let (server, outcome) = fetch_plainly([Reply::status(status).body("the server's own words")]).await;
            assert_eq!((outcome.kind(), outcome.error().code()), (ErrorKind::User, "http_status"), "{status}");
            let said = outcome.error().to_string();
            let expected = format!("GET {}v1/rows, page 1: the server answered {status}", server.url());
            assert!(said.starts_with(&expected) && said.contains("the server's own words"), "{said}");
            assert_eq!((outcome.requests, outcome.slept.len()), (1, 0));
        }
    }

    #[tokio::test]
    async fn attempts_are_bounded_and_the_last_answer_is_told() {
        let (server, outcome) = fetch_plainly(vec![Reply::status(502).body("bad\u{1b}[31m gateway"); 9]).await;
        assert_eq!((outcome.kind(), server.requests().len()), (ErrorKind::Transient, 5));
        let said = outcome.error().to_string();
        assert!(said.ends_with("502 Bad Gateway: bad [31m gateway (5 attempts in 11.2 s)"), "{said}");
    }

    #[tokio::test]
    async fn elapsed_time_is_bounded() {
        let server = Server::scripted(vec![Reply::status(500); 9]).await;
        let outcome = fetch(&server, |client, _| client.retry.max_elapsed = Duration::from_secs(5)).await;
        assert_eq!(outcome.slept, [0.75, 1.5]);
        let said = outcome.error().to_string();
        assert!(
            said.contains("3 attempts in 2.2 s; the next attempt would be in 3.0 s, `max_elapsed` leaves 2.8 s"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn retry_after_is_kept_to_the_second_as_seconds_and_as_a_date() {
        let replies = [overloaded(429, "7"), overloaded(503, "Thu, 01 Jan 2026 00:01:00 GMT"), Reply::json(ROWS)];
        let (_server, outcome) = fetch_plainly(replies).await;
        // The clock starts at midnight: seven seconds are over when the date is read.
        assert_eq!((outcome.count(), outcome.slept), (2, vec![7.0, 53.0]));
    }

    #[tokio::test]
    async fn zero_the_past_and_nonsense_fall_back_to_backoff() {
        for nonsense in ["0", "-1", "soon", "Wed, 31 Dec 2025 00:00:00 GMT"] {
            let (_server, outcome) = fetch_plainly([overloaded(429, nonsense), Reply::json(ROWS)]).await;
            assert_eq!(outcome.slept, [0.75], "{nonsense}");
        }
    }

    #[tokio::test]
    async fn a_wait_longer_than_max_elapsed_leaves_fails_now_and_says_so() {
        let (server, outcome) = fetch_plainly([overloaded(429, "3600")]).await;
        assert_eq!((outcome.kind(), server.requests().len(), outcome.slept.len()), (ErrorKind::Transient, 1, 0));
        let said = outcome.error().to_string();
        assert!(said.contains("the server asks to wait 3600.0 s, `max_elapsed` leaves 1800.0 s"), "{said}");
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_in_time_is_asked_again() {
        let never = Gate::default();
        for late in [Reply::json(ROWS).after(&never), Reply::json(ROWS).stalled()] {
            let server =
                Server::start(move |request| if request.number == 1 { late.clone() } else { Reply::json(ROWS) }).await;
            let outcome = fetch(&server, |client, _| {
                client.timeout = Duration::from_millis(200);
                // A machine under load may be late by itself.
                client.retry.max_attempts = 50;
            })
            .await;
            assert_eq!((outcome.count(), outcome.retries >= 1), (2, true));
            assert!(outcome.events[0].contains("no whole answer within 200ms"), "{:?}", outcome.events);
        }
    }

    #[tokio::test]
    async fn an_error_whose_body_never_ends_keeps_its_status_and_its_retry_after() {
        let test = TestEnvironment::new();
        let clock = test.clock.clone();
        let server = Server::start(move |_| {
            // A machine under load may be late by itself: asked until the answer's head was in time.
            let is_heard = clock.slept().contains(&Duration::from_secs(7));
            if is_heard { Reply::json(ROWS) } else { overloaded(429, "7").body("slow down, slow down").stalled() }
        })
        .await;
        let mut client = plans::client(&server.url());
        (client.timeout, client.retry.max_attempts) = (Duration::from_millis(200), 20);
        let resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        let outcome = fetch_with(client, &resource, &test).await;
        assert_eq!(outcome.count(), 2);
        let told = |event: &String| event.contains("the server answered 429 Too Many Requests: slow down");
        assert!(outcome.events.iter().any(told), "{:?}", outcome.events);
    }

    #[tokio::test]
    async fn nobody_there_is_a_passing_fault() {
        // Bound, so that nobody else gets the port, and not listening.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let gone = format!("http://{}/", socket.local_addr().unwrap()).parse().unwrap();
        let resource = plans::resource(&gone, "v1/rows", PaginatorPlan::SinglePage);
        let outcome = fetch_with(plans::client(&gone), &resource, &TestEnvironment::new()).await;
        assert_eq!(
            (outcome.kind(), outcome.error().code(), outcome.requests),
            (ErrorKind::Transient, "http_connection", 5)
        );
    }

    #[tokio::test]
    async fn jitter_comes_from_the_environment() {
        let server = Server::scripted([Reply::status(500), Reply::status(500), Reply::json(ROWS)]).await;
        let resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        let test = TestEnvironment::new().with_dice([0.0, 0.25]);
        let outcome = fetch_with(plans::client(&server.url()), &resource, &test).await;
        assert_eq!(outcome.slept, [0.5, 1.25]);
    }
}

mod bodies {
    use std::io::Write;

    use super::*;

    fn compressed(encoding: &str, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match encoding {
            "gzip" => flate2::write::GzEncoder::new(&mut out, flate2::Compression::fast()).write_all(text),
            "deflate" => flate2::write::ZlibEncoder::new(&mut out, flate2::Compression::fast()).write_all(text),
            "bare deflate" => flate2::write::DeflateEncoder::new(&mut out, flate2::Compression::fast()).write_all(text),
            "br" => brotli::CompressorWriter::new(&mut out, 4096, 4, 20).write_all(text),
            "zstd" => zstd::encode_all(text, 1).map(|encoded| out = encoded),
            other => panic!("{other}"),
        }
        .unwrap();
        out
    }

    #[tokio::test]
    async fn all_four_encodings_are_offered_and_read() {
        for encoding in ["gzip", "deflate", "br", "zstd"] {
            let body = compressed(encoding, ROWS.as_bytes());
            let reply = Reply::json("").body(body).header("content-encoding", encoding).in_pieces_of(7);
            let (server, outcome) = fetch_plainly([reply]).await;
            assert_eq!(outcome.count(), 2, "{encoding}");
            assert!(server.requests()[0].header("accept-encoding").unwrap().contains(encoding));
        }
    }

    #[tokio::test]
    async fn an_answer_in_several_members_of_gzip_is_read_to_its_end_and_one_that_is_cut_off_is_retried() {
        let half = ROWS.len() / 2;
        let members = [&ROWS.as_bytes()[..half], &ROWS.as_bytes()[half..]].map(|part| compressed("gzip", part));
        let whole = members.concat();
        let reply = |body: &[u8]| Reply::json("").body(body.to_vec()).header("content-encoding", "gzip");
        let cut = reply(&whole[..whole.len() - 3]);
        let (_server, outcome) = fetch_plainly([cut, reply(&whole)]).await;
        assert_eq!((outcome.count(), outcome.retries), (2, 1));
    }

    #[tokio::test]
    async fn deflate_is_read_without_its_wrapper_and_a_stream_that_is_cut_off_is_retried() {
        for form in ["deflate", "bare deflate"] {
            let body = compressed(form, ROWS.as_bytes());
            let reply = |body: &[u8]| Reply::json("").body(body.to_vec()).header("content-encoding", "deflate");
            let (_server, outcome) =
                fetch_plainly([reply(&body[..body.len() - 2]), reply(&body).in_pieces_of(3)]).await;
            assert_eq!((outcome.count(), outcome.retries), (2, 1), "{form}");
        }
    }

    #[tokio::test]
    async fn a_broken_encoding_is_retried() {
        let broken = Reply::json("this is no gzip").header("content-encoding", "gzip");
        let (_server, outcome) = fetch_plainly([broken, Reply::json(ROWS)]).await;
        assert_eq!((outcome.count(), outcome.retries), (2, 1));
    }

    #[tokio::test]
    async fn the_cap_is_on_the_decoded_body() {
        let rows = format!(r#"{{"data":[{{"text":"{}"}}]}}"#, "a".repeat(100_000));
        let bomb = || Reply::json("").body(compressed("gzip", rows.as_bytes())).header("content-encoding", "gzip");
        for (cap, works) in [(rows.len(), true), (rows.len() - 1, false)] {
            let server = Server::scripted([bomb(), bomb()]).await;
            let outcome = fetch(&server, |client, _| client.max_body = cap as u64).await;
            assert_eq!((outcome.page.is_ok(), outcome.requests), (works, 1), "{cap}");
            if let Err(error) = &outcome.page {
                assert_eq!((error.kind(), error.code()), (ErrorKind::User, "http_body_too_large"));
                assert!(error.hint().unwrap().contains("client.max_body_size"));
            }
        }
    }

    #[tokio::test]
    async fn no_content_is_a_page_without_records() {
        let (_server, outcome) = fetch_plainly([Reply::status(204)]).await;
        let page = outcome.page.unwrap();
        assert_eq!((page.count, page.records), (0, None));
    }

    #[tokio::test]
    async fn what_is_not_json_shows_its_type_and_its_beginning() {
        let text = format!("gate\nway {}", "x".repeat(600));
        let reply = Reply::status(200).body(text).header("content-type", "text/plain");
        let (_server, outcome) = fetch_plainly(vec![reply; 5]).await;
        let said = outcome.error().to_string();
        assert!(said.contains("the body (text/plain) is not JSON at byte 0"), "{said}");
        assert!(said.contains("it begins: gate way xxx") && said.contains("x… (1 attempt "), "{said}");
        assert_eq!((outcome.kind(), outcome.error().code()), (ErrorKind::User, "http_not_json"));
        assert!(outcome.error().hint().is_some_and(|hint| hint.contains("`format: csv`")));
    }

    #[tokio::test]
    async fn a_page_for_browsers_is_not_asked_for_again_and_is_the_users_to_mend() {
        let pages = [
            ("text/html", "Please log in"),
            ("Text/HTML; charset=utf-8", "<html>"),
            ("application/json", "\r\n <!DOCTYPE html>"),
            ("application/octet-stream", "\u{feff}<?xml version=\"1.0\"?>"),
        ];
        for (content_type, body) in pages {
            let reply = Reply::status(200).body(body).header("content-type", content_type);
            let (server, outcome) = fetch_plainly([reply, Reply::json(ROWS)]).await;
            let error = outcome.error();
            assert_eq!((outcome.kind(), error.code()), (ErrorKind::User, "http_not_json"), "{body}");
            assert_eq!((server.requests().len(), outcome.slept.len()), (1, 0), "{body}");
            assert!(error.to_string().contains(body.trim_start_matches("\r\n ")), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("login") && hint.contains("client.base_url")));
        }
    }

    #[tokio::test]
    async fn json_under_the_name_of_html_is_json() {
        let (_server, outcome) =
            fetch_plainly([Reply::status(200).body(ROWS).header("content-type", "text/html")]).await;
        assert_eq!(outcome.count(), 2);
    }
}

mod records {
    use super::*;

    async fn with_selector(selector: &str, paginator: PaginatorPlan, body: &str) -> Outcome {
        let server = Server::scripted([Reply::json(body)]).await;
        fetch(&server, |_, resource| {
            resource.data_selector = Some(plans::selector(selector));
            resource.paginator = paginator;
        })
        .await
    }

    #[tokio::test]
    async fn an_array_an_object_and_null_are_many_one_and_no_record() {
        let body = r#"{"many":[{},{},{}],"one":{"id":1},"none":null}"#;
        for (selector, count) in [("many", 3), ("many[*]", 3), ("one", 1), ("none", 0), ("many[0]", 1)] {
            let outcome = with_selector(selector, PaginatorPlan::SinglePage, body).await;
            assert_eq!(outcome.count(), count, "{selector}");
        }
        assert_eq!(with_selector("$", PaginatorPlan::SinglePage, body).await.count(), 1);
    }

    #[tokio::test]
    async fn a_selector_that_finds_nothing_on_the_first_page_lists_what_is_there() {
        let outcome = with_selector("items", plans::offset(10), r#"{"data":[],"total":3}"#).await;
        let said = outcome.error().to_string();
        assert!(
            said.ends_with("`data_selector: items` finds nothing; the answer has the keys `data`, `total`"),
            "{said}"
        );
        assert_eq!(outcome.kind(), ErrorKind::User);
    }

    #[tokio::test]
    async fn a_scalar_is_no_record_and_is_shown_redacted() {
        let outcome = with_selector("data", PaginatorPlan::SinglePage, &format!(r#"{{"data":"{KEY}"}}"#)).await;
        let said = format!("{} {:?}", outcome.error(), outcome.error());
        assert!(said.contains("finds \"***\"") && !said.contains(KEY), "{said}");
    }

    #[tokio::test]
    async fn a_wrapper_without_a_selector_proposes_the_key_that_holds_an_array() {
        let outcome = with_selector("$", plans::offset(10), r#"{"items":[{}],"total":1}"#).await;
        assert_eq!(outcome.error().hint().unwrap(), "set `data_selector: items`");
        let outcome = with_selector("$", plans::page_number(), r#"{"a":[],"b":[]}"#).await;
        assert!(outcome.error().hint().unwrap().ends_with("`a`, `b`"));
    }
}

/// What is proposed where the server refuses a request, which depends on what was sent.
mod refusals {
    use restlake::plan::{BodyPlan, CursorPlan, JsonTemplate, Method, OffsetPlan, PageNumberPlan, Slot, Template};

    use super::*;

    async fn hint(status: u16, adjust: impl FnOnce(&mut ClientPlan, &mut ResourcePlan)) -> String {
        hint_to(move || Reply::status(status).body("no"), adjust).await
    }

    async fn hint_to(
        reply: impl Fn() -> Reply + Send + Sync + 'static,
        adjust: impl FnOnce(&mut ClientPlan, &mut ResourcePlan),
    ) -> String {
        let server = Server::start(move |_| reply()).await;
        let outcome = fetch(&server, |client, resource| {
            client.retry.max_attempts = 1;
            adjust(client, resource);
        })
        .await;
        outcome.error().hint().unwrap()
    }

    fn with_param(resource: &mut ResourcePlan, name: &str) {
        resource.request.params.push((Template::literal(name), Template::literal("x")));
    }

    fn with_body(resource: &mut ResourcePlan) {
        resource.request.method = Method::Post;
        resource.request.body = BodyPlan::Json(JsonTemplate::Object(Vec::new()));
    }

    #[tokio::test]
    async fn a_404_proposes_a_slash_at_the_end_only_where_the_path_has_none() {
        let proposed = hint(404, |_, _| {}).await;
        assert!(proposed.contains("as Django's do") && proposed.ends_with("`/v1/rows/`"), "{proposed}");
        let at = async |path| hint(404, |_, resource| resource.request.path = Template::literal(path)).await;
        assert_eq!(at("v1/rows.json").await, "check `client.base_url` and `endpoint.path`");
        assert!(at("v1/rows/").await.ends_with("this one has one too many"));
    }

    #[tokio::test]
    async fn a_refusal_tells_what_the_server_asks_for_and_whose_credentials_it_does_not_accept() {
        let bearer = || AuthPlan::Bearer { token: Secret::new("abc".to_owned()) };
        let basic = || Reply::status(401).header("www-authenticate", "Basic realm=\"x\"");
        let nobody = hint_to(basic, |_, _| {}).await;
        assert!(
            nobody.ends_with(
                "`client: {auth: {type: http_basic, username: \"${API_USER}\", password: \"${API_PASSWORD}\"}}`"
            ),
            "{nobody}"
        );
        let wrong = hint_to(basic, |client, _| client.auth = bearer()).await;
        assert!(wrong.contains("check `client.auth`") && wrong.ends_with("(the server asks for `Basic`)"), "{wrong}");
        let method = hint_to(|| Reply::status(405).header("allow", "PUT, POST"), |_, _| {}).await;
        assert_eq!(method, "the API takes POST here: set `endpoint.method: POST`");
        let tls = "<h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port";
        let plain = hint_to(move || Reply::status(400).body(tls), |_, _| {}).await;
        assert!(plain.ends_with("let `client.base_url` begin with `https://`"), "{plain}");
        let missing = hint_to(|| Reply::status(400).body("missing required parameter: account_id"), |_, _| {}).await;
        assert!(missing.contains("what it names as missing belongs into `endpoint.params`"), "{missing}");
    }

    #[tokio::test]
    async fn without_credentials_in_the_config_a_401_shows_the_block_to_add() {
        for status in [401, 403] {
            let none = hint(status, |_, _| {}).await;
            assert!(none.contains(r#"`client: {auth: {type: bearer, token: "${API_TOKEN}"}}`"#), "{none}");
            let bearer = AuthPlan::Bearer { token: Secret::new("abc".to_owned()) };
            let some = hint(status, |client, _| client.auth = bearer).await;
            assert!(!some.contains("type: bearer"), "{some}");
        }
    }

    #[tokio::test]
    async fn a_refused_page_0_proposes_to_count_from_1() {
        for status in [400, 404, 422, 500] {
            let zero = hint(status, |_, resource| {
                resource.paginator = PaginatorPlan::PageNumber(PageNumberPlan::new(0));
            })
            .await;
            assert!(zero.contains("`base_page: 1`"), "{status}: {zero}");
            let one = hint(status, |_, resource| resource.paginator = plans::page_number()).await;
            assert!(!one.contains("base_page"), "{status}: {one}");
        }
    }

    #[tokio::test]
    async fn a_400_names_the_parameters_that_were_sent_and_no_others() {
        let nothing = hint(400, |_, _| {}).await;
        assert_eq!(nothing, "the request has no parameters: check `endpoint.path` and `client.headers`");
        let one = hint(400, |_, resource| with_param(resource, "archived")).await;
        assert_eq!(one, "the server does not accept the request: check its parameter `archived`");
        let paged = hint(400, |_, resource| resource.paginator = plans::offset(10)).await;
        assert_eq!(paged, "the server does not accept the request: check its parameters `offset`, `limit`");
        let unlimited = hint(422, |_, resource| {
            resource.paginator = PaginatorPlan::Offset(OffsetPlan { limit_param: None, ..OffsetPlan::new(10) });
        })
        .await;
        assert!(!unlimited.contains("limit"), "{unlimited}");
        let body = hint(400, |_, resource| with_body(resource)).await;
        assert!(body.ends_with("check its body (`endpoint.json` or `endpoint.data`)"), "{body}");
        let key = AuthPlan::ApiKey {
            name: "x-key".to_owned(),
            api_key: Secret::new(KEY.to_owned()),
            location: ApiKeyLocation::Query,
        };
        let credentials = hint(400, |client, _| client.auth = key).await;
        assert!(!credentials.contains("x-key"), "{credentials}");
    }

    #[tokio::test]
    async fn a_cursor_that_a_post_endpoint_ignores_is_led_into_the_body() {
        let server = Server::start(|_| Reply::json(r#"{"data":[{"id":1}],"next":"a"}"#)).await;
        let mut resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        let cursor = |cursor_param| {
            PaginatorPlan::Cursor(CursorPlan {
                cursor_path: plans::selector("next"),
                cursor_param,
                stop_after_empty_page: false,
                has_more_path: None,
                is_last_path: None,
            })
        };
        with_body(&mut resource);
        for (slot, is_led) in [(Slot::param("cursor"), true), (Slot::Body(vec!["after".to_owned()]), false)] {
            resource.paginator = cursor(slot);
            let test = TestEnvironment::new();
            let redactor = Redactor::new([]);
            let client = plans::client(&server.url());
            let client = Client::new(&client, redactor, test.environment(), Arc::new(Recorder::default())).unwrap();
            let mut pages = Pages::new(Arc::new(client), &resource, &plans::bound(&resource), 1 << 20).unwrap();
            let error = loop {
                if let Err(error) = pages.next().await.expect("the list is refused before it ends") {
                    break error;
                }
            };
            let hint = error.hint().unwrap();
            assert_eq!(hint.contains("`cursor_body_path: page.next`"), is_led, "{hint}");
        }
    }
}

mod limits {
    use super::*;

    #[tokio::test]
    async fn the_rate_limit_lets_a_full_bucket_through_and_then_waits() {
        let server = Server::scripted([500, 500, 500, 200].map(|status| Reply::json(ROWS).with_status(status))).await;
        let outcome = fetch(&server, |client, _| {
            client.rate_limit = Some(RateLimit { requests: 2, per: Duration::from_secs(60) });
            client.retry.initial_backoff = Duration::from_millis(1);
            client.retry.max_backoff = Duration::from_millis(1);
        })
        .await;
        assert_eq!(outcome.count(), 2);
        // Two at once but for the backoff between them, then one every 30 s.
        let total: f64 = outcome.slept.iter().sum();
        assert!((60.0..60.1).contains(&total), "{:?}", outcome.slept);
    }

    /// A clock on which a wait takes time that tokio's timeouts see pass, although nobody waits.
    #[derive(Debug)]
    struct Leaping(tokio::time::Instant);

    #[async_trait]
    impl Clock for Leaping {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH + self.elapsed()
        }

        fn elapsed(&self) -> Duration {
            self.0.elapsed()
        }

        async fn sleep(&self, duration: Duration) {
            tokio::time::pause();
            tokio::time::advance(duration).await;
            tokio::time::resume();
        }
    }

    #[tokio::test]
    async fn what_a_redirect_waits_for_the_rate_limit_is_not_the_servers_time() {
        let server = Server::scripted([Reply::status(302).header("location", "/again"), Reply::json(ROWS)]).await;
        let mut plan = plans::client(&server.url());
        plan.rate_limit = Some(RateLimit { requests: 1, per: 3 * plan.timeout });
        plan.retry.max_attempts = 1;
        let clock = Arc::new(Leaping(tokio::time::Instant::now()));
        let environment = Environment { clock: clock.clone(), ..TestEnvironment::new().environment() };
        let timeout = plan.timeout;
        let client = Client::new(&plan, Redactor::default(), environment, Arc::new(Recorder::default())).unwrap();
        let resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        let page = Pages::new(Arc::new(client), &resource, &plans::bound(&resource), 0).unwrap().next().await.unwrap();
        assert_eq!((page.unwrap().count, server.requests().len()), (2, 2));
        assert!(clock.elapsed() > 2 * timeout);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_waits_for_a_place_is_held_back_by_the_retry_after_that_frees_it() {
        let test = TestEnvironment::new();
        let (clock, gate) = (test.clock.clone(), Gate::default());
        let (late, times) = (gate.clone(), Arc::new(Mutex::new(Vec::new())));
        let log = Arc::clone(&times);
        let server = Server::start(move |request| {
            log.lock().unwrap().push(clock.elapsed());
            let overloaded = Reply::status(429).header("retry-after", "9").after(&late);
            if request.number == 1 { overloaded } else { Reply::json(ROWS) }
        })
        .await;
        let plan = ClientPlan { max_concurrency: 1, ..plans::client(&server.url()) };
        let client = Client::new(&plan, Redactor::default(), test.environment(), Arc::new(Recorder::default()));
        let client = Arc::new(client.unwrap());
        let resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        let read = || {
            let mut pages = Pages::new(Arc::clone(&client), &resource, &plans::bound(&resource), 0).unwrap();
            tokio::spawn(async move { pages.next().await.unwrap().unwrap().count })
        };
        let first = read();
        server.requested(1).await;
        let second = read();
        gate.open();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (2, 2));
        let times = times.lock().unwrap();
        assert!(times.len() == 3 && times[1..].iter().all(|time| *time >= Duration::from_secs(9)), "{times:?}");
    }

    /// Reads five pages of two rows, one after the other; what was slept, and what was asked.
    async fn paced(answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> (Vec<f64>, Vec<String>) {
        let server = Server::start(move |request| answer(request.number)).await;
        let test = TestEnvironment::new();
        let client = ClientPlan { max_concurrency: 1, ..plans::client(&server.url()) };
        let resource = plans::resource(&server.url(), "v1/rows", plans::offset(2));
        let client = Client::new(&client, Redactor::default(), test.environment(), Arc::new(Recorder::default()));
        let mut pages = Pages::new(Arc::new(client.unwrap()), &resource, &plans::bound(&resource), 1 << 20).unwrap();
        for _ in 0..5 {
            pages.next().await.unwrap().unwrap();
        }
        // What is asked for ahead of the fifth page is none of this.
        drop(pages);
        (test.clock.slept().iter().map(Duration::as_secs_f64).collect(), server.targets())
    }

    /// A page of rows that no other page has.
    fn rows(number: usize) -> Reply {
        Reply::json(format!(r#"{{"data":[{{"id":{number}}},{{"id":-{number}}}]}}"#))
    }

    #[tokio::test]
    async fn a_quota_that_is_used_up_holds_the_next_request_until_the_reset_in_every_form() {
        // The clock stands at 2026-01-01T00:00:00Z, which is 1767225600.
        let forms: [&[(&str, &str)]; 8] = [
            &[("RateLimit", r#""default";r=0;t=30"#), ("RateLimit-Policy", r#""default";q=100;w=60"#)],
            &[("RateLimit", "limit=100, remaining=0, reset=30")],
            &[("RateLimit-Limit", "100"), ("RateLimit-Remaining", "0"), ("RateLimit-Reset", "30")],
            &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1767225630")],
            &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1767225630000")],
            &[("X-Rate-Limit-Remaining", "0"), ("X-Rate-Limit-Reset", "30")],
            &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "Thu, 01 Jan 2026 00:00:30 GMT")],
            &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "2026-01-01T00:00:30Z")],
        ];
        for headers in forms {
            let (slept, _) = paced(move |number| match number {
                3 => headers.iter().fold(rows(number), |reply, (name, value)| reply.header(name, value)),
                _ => rows(number),
            })
            .await;
            assert_eq!(slept, [30.0], "{headers:?}");
        }
    }

    #[tokio::test]
    async fn the_last_of_a_quota_is_spread_over_the_time_until_the_reset() {
        let (slept, _) = paced(|number| match number {
            1 => rows(number)
                .header("x-ratelimit-limit", "100")
                .header("x-ratelimit-remaining", "10")
                .header("x-ratelimit-reset", "110"),
            _ => rows(number),
        })
        .await;
        assert!(slept.len() >= 4 && slept[..4].iter().all(|slept| (*slept - 10.0).abs() < 1e-9), "{slept:?}");
    }

    #[tokio::test]
    async fn plenty_nonsense_and_resets_beyond_a_requests_life_hold_nobody_back() {
        for (remaining, reset) in
            [("90", "60"), ("0", "soon"), ("0", "-1"), ("0", "99999999999999"), ("0", "1801"), ("-1", "60"), ("0", "0")]
        {
            let (slept, _) = paced(move |number| {
                rows(number)
                    .header("x-ratelimit-limit", "100")
                    .header("x-ratelimit-remaining", remaining)
                    .header("x-ratelimit-reset", reset)
            })
            .await;
            assert_eq!(slept, [0.0; 0], "{remaining} {reset}");
        }
    }

    #[tokio::test]
    async fn a_429_without_retry_after_waits_for_the_reset_and_not_for_one_that_makes_no_sense() {
        for (reset, retry_after, expected) in
            [("1767225620", None, 20.0), ("20", Some("3"), 3.0), ("1801", None, 0.75), ("soon", None, 0.75)]
        {
            let refused = Reply::status(429).header("x-ratelimit-reset", reset);
            let refused = retry_after.map_or(refused.clone(), |seconds| refused.header("retry-after", seconds));
            let (_server, outcome) = fetch_plainly([refused, Reply::json(ROWS)]).await;
            assert_eq!((outcome.count(), outcome.slept), (2, vec![expected]), "{reset}");
        }
    }

    #[tokio::test]
    async fn retry_after_outranks_a_quota_that_is_used_up() {
        let refused = Reply::status(429).header("retry-after", "1");
        let refused = refused.header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", "15");
        let (_server, outcome) = fetch_plainly([refused, Reply::json(ROWS)]).await;
        assert_eq!((outcome.count(), outcome.slept), (2, vec![1.0]));
    }

    #[tokio::test]
    async fn a_403_for_the_rate_is_waited_out_and_any_other_is_not() {
        let limited = [
            (Reply::status(403).header("retry-after", "3"), 3.0),
            (Reply::status(403).header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", "20"), 20.0),
        ];
        for (refused, expected) in limited {
            let (_server, outcome) = fetch_plainly([refused, Reply::json(ROWS)]).await;
            assert_eq!((outcome.count(), outcome.slept), (2, vec![expected]));
        }
        let refused = Reply::status(403).header("x-ratelimit-remaining", "7").header("x-ratelimit-reset", "20");
        let (_server, outcome) = fetch_plainly([refused, Reply::json(ROWS)]).await;
        assert_eq!((outcome.kind(), outcome.requests), (ErrorKind::User, 1));
    }

    #[tokio::test]
    async fn a_wait_for_the_quota_is_told() {
        let spent = Reply::json(ROWS).header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", "30");
        let server = Server::start(move |_| spent.clone()).await;
        let (test, recorder) = (TestEnvironment::new(), Arc::new(Recorder::default()));
        let client =
            Client::new(&plans::client(&server.url()), Redactor::default(), test.environment(), recorder.clone());
        let client = Arc::new(client.unwrap());
        let resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        for _ in 0..2 {
            let mut pages = Pages::new(Arc::clone(&client), &resource, &plans::bound(&resource), 0).unwrap();
            pages.next().await.unwrap().unwrap();
        }
        let told = recorder.events().into_iter().filter(|event| event.starts_with("RequestDelayed")).count();
        assert_eq!((told, test.clock.slept()), (1, vec![Duration::from_secs(30)]));
    }

    #[tokio::test]
    async fn the_quota_of_another_host_is_none_of_ours() {
        let spent = |reply: Reply| reply.header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", "60");
        let other = Server::start(move |_| spent(Reply::json(ROWS))).await;
        let to = other.url().to_string();
        let server = Server::start(move |_| Reply::status(302).header("location", &to)).await;
        let test = TestEnvironment::new();
        let client = plans::client(&server.url());
        let client = Client::new(&client, Redactor::default(), test.environment(), Arc::new(Recorder::default()));
        let client = Arc::new(client.unwrap());
        let resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        for _ in 0..2 {
            let mut pages = Pages::new(Arc::clone(&client), &resource, &plans::bound(&resource), 0).unwrap();
            pages.next().await.unwrap().unwrap();
        }
        assert!(test.clock.slept().is_empty());
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_for_an_answer() {
        let never = Gate::default();
        let server = Server::scripted([Reply::json(ROWS).after(&never)]).await;
        let test = TestEnvironment::new();
        let resource = plans::resource(&server.url(), "v1/rows", PaginatorPlan::SinglePage);
        let stop = async {
            server.requested(1).await;
            test.shutdown.cancel();
        };
        let (outcome, ()) = tokio::join!(fetch_with(plans::client(&server.url()), &resource, &test), stop);
        assert_eq!((outcome.kind(), outcome.error().code()), (ErrorKind::Interrupted, "interrupted"));
    }
}
