//! Lists over a real socket: which requests each paginator sends, and that no row is lost, whatever the server does.

use std::sync::Arc;

use restlake::{
    ErrorKind,
    environment::FaultPoint,
    error::Failure,
    fetch::{Client, FetchError, PageSource, Pages, Verdict},
    plan::{ClientPlan, OffsetPlan, PageNumberPlan, PaginatorPlan, ResourcePlan, Slot, Template},
    secret::Redactor,
};
use serde_json::json;

use crate::support::{
    environment::{Recorder, TestEnvironment},
    plans,
    server::{Gate, Received, Reply, Server, list_by_offset, numbered_rows},
};

/// A whole list, and all that it left behind.
pub struct List {
    pub ids: Vec<u64>,
    pub error: Option<FetchError>,
    events: Vec<String>,
    pub warnings: Vec<String>,
    pub notes: Vec<String>,
    /// Records that came twice, and were taken out.
    pub duplicates: u64,
    pub shortfall: Option<String>,
    pub verdict: Verdict,
}

pub async fn read_with(client: ClientPlan, resource: &ResourcePlan, memory_limit: u64, test: &TestEnvironment) -> List {
    let recorder = Arc::new(Recorder::default());
    let client = Client::new(&client, Redactor::default(), test.environment(), recorder.clone()).unwrap();
    let mut pages = Pages::new(Arc::new(client), resource, &plans::bound(resource), memory_limit).unwrap();
    let (mut ids, mut error, mut duplicates) = (Vec::new(), None, 0);
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => {
                duplicates += page.duplicates;
                let records = page.records.map(|index| page.document.node(index));
                let rows = records.into_iter().flat_map(restlake::json::Node::items);
                ids.extend(rows.map(|row| plans::selector("id").find_count(row).unwrap()));
            }
            Err(problem) => error = Some(problem),
        }
    }
    let (shortfall, verdict) = (pages.findings().shortfall.clone(), pages.findings().verdict.clone());
    let (events, warnings) = (recorder.events(), pages.findings().warnings.clone());
    let notes =
        events.iter().filter(|event| event.starts_with("Note")).map(|note| note.replace("\\\"", "\"")).collect();
    List { ids, error, warnings, notes, events, duplicates, shortfall, verdict }
}

/// Reads the whole list at `/rows`.
async fn read(server: &Server, paginator: PaginatorPlan) -> List {
    let resource = plans::resource(&server.url(), "rows", paginator);
    read_with(plans::client(&server.url()), &resource, 1 << 20, &TestEnvironment::new()).await
}

/// The same, one request at a time: the log is then in page order.
async fn read_in_turn(server: &Server, paginator: PaginatorPlan) -> List {
    let resource = plans::resource(&server.url(), "rows", paginator);
    let client = ClientPlan { max_concurrency: 1, ..plans::client(&server.url()) };
    read_with(client, &resource, 1 << 20, &TestEnvironment::new()).await
}

pub fn ids(count: u64) -> Vec<u64> {
    (1..=count).collect()
}

/// 25 rows, at most 10 a page, by `page` from `base` on, with whatever `adorn` adds to each answer.
fn numbered_pages(base: u64, adorn: impl Fn(u64, Reply) -> Reply) -> impl Fn(&Received) -> Reply {
    move |request| {
        let page = request.number_param("page").unwrap();
        let rows: Vec<_> = numbered_rows(25).into_iter().skip(((page - base) * 10) as usize).take(10).collect();
        adorn(page, Reply::json(json!({ "data": rows, "pages": 3, "more": page - base < 2 }).to_string()))
    }
}

fn adjusted(mut plan: PaginatorPlan, adjust: impl FnOnce(&mut PaginatorPlan)) -> PaginatorPlan {
    adjust(&mut plan);
    plan
}

#[tokio::test]
async fn offset_asks_for_the_whole_range_that_a_total_tells_and_no_more() {
    let server = Server::start(list_by_offset(numbered_rows(25), 10, true)).await;
    let list = read_in_turn(&server, plans::offset_with_total(10)).await;
    assert_eq!((list.ids, list.warnings.len()), (ids(25), 0));
    assert_eq!(server.targets(), ["/rows?offset=0&limit=10", "/rows?offset=10&limit=10", "/rows?offset=20&limit=10"]);
    assert!(list.events[0].starts_with("TotalKnown") && list.events[0].contains("rows: Some(25)"), "{:?}", list.events);
}

#[tokio::test]
async fn offset_without_a_total_ends_at_the_empty_page() {
    let server = Server::start(list_by_offset(numbered_rows(20), 10, false)).await;
    let list = read_in_turn(&server, plans::offset(10)).await;
    assert_eq!(list.ids, ids(20));
    assert_eq!(server.targets().last().unwrap(), "/rows?offset=20&limit=10");
}

#[tokio::test]
async fn offset_names_its_parameters_as_the_config_says_and_may_leave_the_limit_out() {
    let plan = adjusted(plans::offset(10), |plan| {
        if let PaginatorPlan::Offset(OffsetPlan { offset, offset_param, limit_param, maximum_offset, .. }) = plan {
            (*offset, *offset_param, *limit_param, *maximum_offset) = (5, Slot::param("skip"), None, Some(15));
        }
    });
    let rows = numbered_rows(25);
    let server = Server::start(move |request| {
        let page: Vec<_> = rows.iter().skip(request.number_param("skip").unwrap() as usize).take(10).collect();
        Reply::json(json!({ "data": page }).to_string())
    })
    .await;
    let list = read_in_turn(&server, plan).await;
    assert_eq!((list.ids, server.targets()), ((6..=15).collect(), vec!["/rows?skip=5".to_owned()]));
}

#[tokio::test]
async fn a_total_in_a_header_ends_offsets_and_page_numbers() {
    let header = Some("X-Total-Count".to_owned());
    let server = Server::start(|request| {
        let list = list_by_offset(numbered_rows(25), 10, false);
        list(request).header("x-total-count", "25")
    })
    .await;
    let plan = adjusted(plans::offset(10), |plan| {
        if let PaginatorPlan::Offset(OffsetPlan { total_header, .. }) = plan {
            total_header.clone_from(&header);
        }
    });
    assert_eq!((read_in_turn(&server, plan).await.ids, server.requests().len()), (ids(25), 3));
    let server = Server::start(numbered_pages(1, |_, reply| reply.header("x-total-count", "25"))).await;
    let plan = adjusted(plans::page_number(), |plan| {
        if let PaginatorPlan::PageNumber(PageNumberPlan { total_header, .. }) = plan {
            *total_header = header;
        }
    });
    assert_eq!(read_in_turn(&server, plan).await.ids, ids(25));
    assert_eq!(server.targets(), ["/rows?page=1", "/rows?page=2", "/rows?page=3"]);
}

#[tokio::test]
async fn page_numbers_end_by_the_empty_page_the_total_the_maximum_or_has_more() {
    let none: fn(&mut PaginatorPlan) = |_| {};
    let total: fn(&mut PaginatorPlan) = |plan| {
        if let PaginatorPlan::PageNumber(PageNumberPlan { total_path, .. }) = plan {
            *total_path = Some(plans::selector("pages"));
        }
    };
    let maximum: fn(&mut PaginatorPlan) = |plan| {
        if let PaginatorPlan::PageNumber(PageNumberPlan { maximum_page, .. }) = plan {
            *maximum_page = Some(3);
        }
    };
    let has_more: fn(&mut PaginatorPlan) = |plan| {
        if let PaginatorPlan::PageNumber(PageNumberPlan { has_more_path, .. }) = plan {
            *has_more_path = Some(plans::selector("more"));
        }
    };
    // Pages asked for may be one more than pages needed only where nothing tells the end ahead.
    for (adjust, rows, most) in [(none, 25, 4), (total, 25, 3), (maximum, 20, 2), (has_more, 25, 4)] {
        let server = Server::start(numbered_pages(1, |_, reply| reply)).await;
        let list = read_in_turn(&server, adjusted(plans::page_number(), adjust)).await;
        assert_eq!(list.ids, ids(rows));
        assert!(server.requests().len() <= most, "{:?}", server.targets());
    }
}

#[tokio::test]
async fn page_numbers_may_start_at_zero_and_under_another_name() {
    let server = Server::start(|request| {
        let zero = numbered_pages(0, |_, reply| reply);
        let query = format!("page={}", request.param("_page").unwrap());
        zero(&Received { query, ..request.clone() })
    })
    .await;
    let plan = adjusted(plans::page_number(), |plan| {
        if let PaginatorPlan::PageNumber(PageNumberPlan { base_page, page, page_param, total_path, .. }) = plan {
            (*base_page, *page, *page_param) = (0, 0, Slot::param("_page"));
            *total_path = Some(plans::selector("pages"));
        }
    });
    assert_eq!(read_in_turn(&server, plan).await.ids, ids(25));
    assert_eq!(server.targets(), ["/rows?_page=0", "/rows?_page=1", "/rows?_page=2"]);
}

#[tokio::test]
async fn a_single_page_is_one_request_with_the_parameters_of_the_config() {
    let server = Server::start(list_by_offset(numbered_rows(3), 10, false)).await;
    let mut resource = plans::resource(&server.url(), "rows", PaginatorPlan::SinglePage);
    resource.request.params = [("archived", "false"), ("tag", "a"), ("tag", "b c")]
        .map(|(k, v)| (Template::literal(k), Template::literal(v)))
        .into();
    let list = read_with(plans::client(&server.url()), &resource, 1 << 20, &TestEnvironment::new()).await;
    assert_eq!((list.ids, server.targets()), (ids(3), vec!["/rows?archived=false&tag=a&tag=b%20c".to_owned()]));
}

#[tokio::test]
async fn a_server_that_caps_the_page_size_in_silence_loses_no_row() {
    for tell_total in [true, false] {
        let server = Server::start(list_by_offset(numbered_rows(1234), 100, tell_total)).await;
        let list = read(&server, plans::offset_with_total(1000)).await;
        assert_eq!((list.ids, list.error.is_none()), (ids(1234), true));
        // Pages of 100 are learnt from the first one: nothing is asked for twice, whatever the order of arrival.
        let mut asked = server.targets();
        let all = asked.len();
        asked.sort();
        asked.dedup();
        assert!(all == asked.len() && (all == 13 || !tell_total), "{asked:?}");
    }
}

#[tokio::test]
async fn a_total_that_changes_on_the_way_is_taken_at_its_latest_word() {
    let server = Server::start(|request| {
        let rows = numbered_rows(if request.number == 1 { 25 } else { 45 });
        list_by_offset(rows, 10, true)(request)
    })
    .await;
    assert_eq!(read(&server, plans::offset_with_total(10)).await.ids, ids(45));
}

/// The page at `late` comes when `gate` opens.
fn with_late_page(late: u64, gate: &Gate, count: u64) -> impl Fn(&Received) -> Reply + use<> {
    let (gate, list) = (gate.clone(), list_by_offset(numbered_rows(count), 10, true));
    move |request| {
        let reply = list(request);
        if request.number_param("offset") == Some(late) { reply.after(&gate) } else { reply }
    }
}

#[tokio::test]
async fn a_page_that_answers_last_is_handed_on_in_its_turn() {
    let gate = Gate::default();
    let server = Server::start(with_late_page(10, &gate, 60)).await;
    let release = async {
        // All others have been asked for, and the late one is the head of the line.
        server.requested(6).await;
        gate.open();
    };
    let (list, ()) = tokio::join!(read(&server, plans::offset_with_total(10)), release);
    assert_eq!(list.ids, ids(60));
    let fetched: Vec<_> = list.events.iter().filter(|event| event.starts_with("PageFetched")).collect();
    assert!(fetched.iter().enumerate().all(|(at, event)| event.contains(&format!("page: {},", at + 1))), "{fetched:?}");
}

#[tokio::test]
async fn a_list_of_forty_pages_doubles_its_requests_in_flight_up_to_sixteen() {
    // Each round is held back until all of it is under way; then its answers come together.
    let rounds: [(usize, Gate); 3] = [(5, Gate::default()), (13, Gate::default()), (29, Gate::default())];
    let (list, gates) = (list_by_offset(numbered_rows(400), 10, true), rounds.clone());
    let server = Server::start(move |request| {
        let round = gates.iter().find(|(last, _)| request.number > 1 && request.number <= *last);
        let reply = list(request);
        match round {
            Some((_, gate)) => reply.after(gate),
            None => reply,
        }
    })
    .await;
    let release = async {
        for (last, gate) in &rounds {
            server.requested(*last).await;
            gate.open();
        }
    };
    let (list, ()) = tokio::join!(read(&server, plans::offset_with_total(10)), release);
    assert_eq!((list.ids, server.requests().len()), (ids(400), 40));
}

#[tokio::test]
async fn the_first_page_is_waited_for_alone() {
    let gate = Gate::default();
    let server = Server::start(with_late_page(0, &gate, 60)).await;
    let release = async {
        server.requested(1).await;
        let alone = server.requests().len();
        gate.open();
        alone
    };
    let (list, alone) = tokio::join!(read(&server, plans::offset_with_total(10)), release);
    assert_eq!((list.ids, alone), (ids(60), 1));
}

#[tokio::test]
async fn without_memory_pages_come_one_at_a_time_and_all_of_them() {
    let server = Server::start(list_by_offset(numbered_rows(60), 10, true)).await;
    let resource = plans::resource(&server.url(), "rows", plans::offset_with_total(10));
    let list = read_with(plans::client(&server.url()), &resource, 0, &TestEnvironment::new()).await;
    assert_eq!(list.ids, ids(60));
    let offsets: Vec<_> = server.requests().iter().map(|request| request.number_param("offset").unwrap()).collect();
    assert_eq!(offsets, [0, 10, 20, 30, 40, 50]);
}

#[tokio::test]
async fn errors_beyond_the_end_are_dropped_if_the_list_ends_before_them() {
    for status in [400, 404, 500] {
        let list = list_by_offset(numbered_rows(25), 10, false);
        let server = Server::start(move |request| {
            let offset = request.number_param("offset").unwrap();
            let reply = list(request);
            if offset >= 25 {
                return Reply::status(status);
            }
            reply.with_json(|answer| answer["more"] = (offset < 20).into())
        })
        .await;
        let plan = adjusted(plans::offset(10), |plan| {
            if let PaginatorPlan::Offset(OffsetPlan { has_more_path, .. }) = plan {
                *has_more_path = Some(plans::selector("more"));
            }
        });
        let list = read(&server, plan).await;
        assert_eq!((list.ids, list.error.map(|error| error.to_string())), (ids(25), None), "{status}");
    }
}

/// 60 rows, ten a page, and `instead` from the offset 20 on.
fn with_answer_at_twenty(instead: &'static str) -> impl Fn(&Received) -> Reply {
    let list = list_by_offset(numbered_rows(60), 10, false);
    move |request| if request.number_param("offset") < Some(20) { list(request) } else { Reply::json(instead) }
}

#[tokio::test]
async fn a_later_page_without_a_place_for_records_is_an_error_and_no_quiet_end() {
    for instead in [r#"{"total":21}"#, "{}", "[1]"] {
        let server = Server::start(with_answer_at_twenty(instead)).await;
        let list = read(&server, plans::offset_with_total(10)).await;
        let error = list.error.expect(instead);
        assert_eq!(
            (list.ids, error.code(), error.kind()),
            (ids(20), "records_not_found", ErrorKind::User),
            "{instead}"
        );
        assert!(error.to_string().contains("page 3 of ") && error.hint().unwrap().contains("total_path"), "{error}");
    }
    let server = Server::start(with_answer_at_twenty(r#"{"error":"overloaded"}"#)).await;
    let list = read(&server, plans::offset_with_total(10)).await;
    let error = list.error.unwrap();
    assert_eq!((list.ids, error.code(), error.kind()), (ids(20), "http_error_in_success", ErrorKind::User));
    assert!(error.to_string().contains("page 3: ") && error.to_string().contains("overloaded"), "{error}");
}

#[tokio::test]
async fn an_empty_answer_ends_the_list_and_so_does_one_without_a_place_for_records_if_a_total_agrees() {
    for instead in [r#"{"data":[]}"#, r#"{"data":null}"#, "null", "[]", r#"{"total":20}"#, r#"{"total":7}"#] {
        let server = Server::start(with_answer_at_twenty(instead)).await;
        let list = read(&server, plans::offset_with_total(10)).await;
        assert_eq!((list.ids, list.error.map(|error| error.to_string())), (ids(20), None), "{instead}");
    }
    let plan = adjusted(plans::page_number(), |plan| {
        if let PaginatorPlan::PageNumber(PageNumberPlan { total_path, .. }) = plan {
            *total_path = Some(plans::selector("pages"));
        }
    });
    for (pages, ends) in [(2, true), (3, false)] {
        let list = list_by_offset(numbered_rows(20), 10, false);
        let server = Server::start(move |request| {
            let page = request.number_param("page").unwrap();
            let query = format!("offset={}", (page - 1) * 10);
            let reply = if page > 2 { Reply::json("{}") } else { list(&Received { query, ..request.clone() }) };
            reply.with_json(|answer| answer["pages"] = if page > 2 { pages } else { 9 }.into())
        })
        .await;
        let list = read(&server, plan.clone()).await;
        assert_eq!((list.ids, list.error.is_none()), (ids(20), ends), "{pages}");
    }
}

#[tokio::test]
async fn pages_without_a_place_for_records_are_dropped_if_the_list_ends_before_their_turn() {
    let list = list_by_offset(numbered_rows(25), 10, false);
    let server = Server::start(move |request| {
        let offset = request.number_param("offset").unwrap();
        let reply = if offset < 25 { list(request) } else { Reply::json(r#"{"error":"no such page"}"#) };
        reply.with_json(|answer| answer["more"] = (offset < 20).into())
    })
    .await;
    let plan = adjusted(plans::offset(10), |plan| {
        if let PaginatorPlan::Offset(OffsetPlan { has_more_path, .. }) = plan {
            *has_more_path = Some(plans::selector("more"));
        }
    });
    let list = read(&server, plan).await;
    assert_eq!((list.ids, list.error.map(|error| error.to_string())), (ids(25), None));
}

#[tokio::test]
async fn an_error_whose_turn_comes_ends_the_list_and_names_its_page() {
    let list = list_by_offset(numbered_rows(60), 10, true);
    let server = Server::start(move |request| {
        if request.number_param("offset") == Some(30) { Reply::status(400).body("no") } else { list(request) }
    })
    .await;
    let list = read(&server, plans::offset_with_total(10)).await;
    let error = list.error.unwrap();
    assert_eq!((list.ids, error.kind()), (ids(30), ErrorKind::User));
    assert!(
        error.to_string().contains("offset=30&limit=10, page 4: the server answered 400 Bad Request: no"),
        "{error}"
    );
}

#[tokio::test]
async fn one_retry_after_holds_every_request_back() {
    let list = list_by_offset(numbered_rows(200), 10, true);
    let server =
        Server::start(
            move |request| {
                if request.number == 3 { Reply::status(429).header("retry-after", "9") } else { list(request) }
            },
        )
        .await;
    let test = TestEnvironment::new();
    let resource = plans::resource(&server.url(), "rows", plans::offset_with_total(10));
    let list = read_with(plans::client(&server.url()), &resource, 1 << 20, &test).await;
    assert_eq!(list.ids, ids(200));
    assert!(
        test.clock.slept().iter().any(|slept| *slept == std::time::Duration::from_secs(9)),
        "{:?}",
        test.clock.slept()
    );
}

#[tokio::test]
async fn a_short_list_is_warned_about_as_an_event_and_in_the_summary() {
    let server = Server::start(|request| {
        let reply = list_by_offset(numbered_rows(15), 10, false)(request);
        reply.with_json(|answer| answer["total"] = 40.into())
    })
    .await;
    let list = read(&server, plans::offset_with_total(10)).await;
    assert_eq!(
        list.warnings,
        [
            "the API reports 40 records, and 15 came: the next page is empty; if that number is no total of these records, set \
         `total_path: null` on the paginator"
        ]
    );
    assert!(list.events.iter().any(|event| event.starts_with("Warning")), "{:?}", list.events);
}

#[tokio::test]
async fn a_fault_at_a_page_loses_it_and_all_behind_it() {
    let server = Server::start(list_by_offset(numbered_rows(60), 10, true)).await;
    let test = TestEnvironment::new().with_fault(FaultPoint::PageFetched, 3);
    let resource = plans::resource(&server.url(), "rows", plans::offset_with_total(10));
    let list = read_with(plans::client(&server.url()), &resource, 1 << 20, &test).await;
    assert_eq!((list.ids, list.error.unwrap().code()), (ids(20), "fetch_fault"));
}
