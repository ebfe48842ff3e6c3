//! What a page sequence costs: exact numbers of requests at one request at a time, upper bounds where pages are requested
//! ahead, and all records in every case.

use restlake::report::ResourceSummary;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    pipeline::{only, plan_of, run_plan},
    server::{Gate, Received, Reply, Server, list_by_offset, numbered_rows},
};

/// Sizes of the result sets, for pages of 10.
const SIZES: [u64; 6] = [0, 1, 9, 10, 11, 100];

/// Where the API states how many records it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TotalIn {
    Nothing,
    /// `total` beside the records.
    Body,
    /// `X-Total-Count`.
    Header,
    /// `pages`, the number of pages.
    Pages,
}

/// What the API answers after its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    EmptyPage,
    NotFound,
    InvalidPage,
    RangeNotSatisfiable,
    LastPageAgain,
}

/// An API with records from 1 to `rows`, by `offset` and `limit` or by `page` and `per_page`, at most `cap` a page.
#[derive(Clone, Copy, Debug)]
struct Api {
    rows: u64,
    cap: u64,
    total: TotalIn,
    after: After,
}

impl Api {
    const fn of(rows: u64) -> Self {
        Self { rows, cap: 10, total: TotalIn::Nothing, after: After::EmptyPage }
    }

    fn answer(&self, request: &Received) -> Reply {
        let asked = request.number_param("limit").or_else(|| request.number_param("per_page"));
        let size = asked.map_or(self.cap, |asked| asked.min(self.cap));
        let page = request.number_param("page").unwrap_or(1);
        let start = request.number_param("offset").unwrap_or((page - 1) * size);
        if start < self.rows || start == 0 {
            return self.page(start, size);
        }
        match self.after {
            After::EmptyPage => self.page(start, size),
            After::NotFound => Reply::json(r#"{"detail": "Invalid page."}"#).with_status(404),
            After::InvalidPage => Reply::json(r#"{"error": "invalid page"}"#).with_status(400),
            After::RangeNotSatisfiable => Reply::status(416),
            After::LastPageAgain => self.page((self.rows - 1) / size * size, size),
        }
    }

    fn page(&self, start: u64, size: u64) -> Reply {
        let rows: Vec<_> = (start + 1..=self.rows).take(size as usize).map(|id| json!({ "id": id })).collect();
        let mut answer = json!({ "data": rows });
        match self.total {
            TotalIn::Body => answer["total"] = self.rows.into(),
            TotalIn::Pages => answer["pages"] = self.rows.div_ceil(size).into(),
            TotalIn::Nothing | TotalIn::Header => {}
        }
        let reply = Reply::json(answer.to_string());
        if self.total == TotalIn::Header { reply.header("X-Total-Count", &self.rows.to_string()) } else { reply }
    }

    /// The summary of a run, and the requests that the server has seen.
    async fn run(self, concurrency: u64, paginator: Value, params: Value) -> (ResourceSummary, u64) {
        let server = Server::start(move |request| self.answer(request)).await;
        let lake = TempDir::new().unwrap();
        let config = config(&server, &lake, concurrency, paginator, params);
        let summary = only(run_plan(plan_of(&config.to_string())).await);
        let requests = server.requests().len() as u64;
        // A request that was under way when the sequence ended may have been cancelled before it was counted.
        assert!(concurrency > 1 || summary.requests == requests, "{} {requests}", summary.requests);
        (summary, requests)
    }
}

fn config(server: &Server, lake: &TempDir, concurrency: u64, paginator: Value, params: Value) -> Value {
    json!({
        "client": {"base_url": server.url(), "max_concurrency": concurrency},
        "resources": [{
            "name": "items", "primary_key": "id", "schema": {"columns": [{"name": "id", "type": "int64"}]},
            "endpoint": {"path": "items", "data_selector": "data", "params": params, "paginator": paginator},
        }],
        "destination": {"url": lake.path()},
    })
}

/// A paginator with further keys.
fn with(mut paginator: Value, further: Value) -> Value {
    for (key, value) in further.as_object().unwrap() {
        paginator[key] = value.clone();
    }
    paginator
}

fn offset(further: Value) -> Value {
    with(json!({"type": "offset", "limit": 10, "total_path": null}), further)
}

fn page_number(further: Value) -> Value {
    with(json!({"type": "page_number", "base_page": 1, "total_path": null}), further)
}

/// Asserts the requests for each of [`SIZES`] at one request at a time, that pages ahead cost at most so many more as may be in
/// flight, and that all records come.
async fn assert_costs(what: &str, of: impl Fn(u64) -> Api, paginator: Value, params: Value, expected: [u64; 6]) {
    for (rows, expected) in SIZES.into_iter().zip(expected) {
        let rows = if of(0).cap == 30 { capped(rows) } else { rows };
        let (summary, requests) = of(rows).run(1, paginator.clone(), params.clone()).await;
        assert_eq!((summary.table_rows, requests), (rows, expected), "{what}, {rows} rows: {summary:#?}");
        let (summary, requests) = of(rows).run(16, paginator.clone(), params.clone()).await;
        // Nothing is requested ahead of a page that is not full.
        let ahead = if rows < of(0).cap { 0 } else { 16 };
        assert_eq!(summary.table_rows, rows, "{what}, {rows} rows at 16: {summary:#?}");
        assert!(requests <= expected + ahead, "{what}, {rows} rows at 16: {requests} requests, {expected} at 1");
    }
}

/// The size that relates to pages of 30 as the given one does to pages of 10.
fn capped(rows: u64) -> u64 {
    match rows {
        0 | 1 => rows,
        9..=11 => rows + 20,
        rows => rows * 3,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offset_costs_one_request_beyond_the_records_without_a_total() {
    for (stop, expected) in
        [("auto", [1, 2, 2, 2, 3, 11]), ("true", [1, 1, 1, 2, 2, 11]), ("false", [1, 2, 2, 2, 3, 11])]
    {
        let stop_value = serde_json::from_str::<bool>(stop).map_or(json!(stop), Value::from);
        let paginator = with(json!({"type": "offset", "limit": 10}), json!({"stop_after_short_page": stop_value}));
        assert_costs(stop, Api::of, paginator, json!({}), expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offset_ends_at_a_total_wherever_it_is_stated() {
    let body = |rows| Api { total: TotalIn::Body, ..Api::of(rows) };
    let header = |rows| Api { total: TotalIn::Header, ..Api::of(rows) };
    // A total of 10 beside a full first page of 10 may be that of the page: one request confirms it.
    let expected = [1, 1, 1, 2, 2, 10];
    for stop in [json!("auto"), json!(true), json!(false)] {
        let by_name = json!({"type": "offset", "limit": 10, "stop_after_short_page": stop});
        assert_costs("total by name", body, by_name.clone(), json!({}), expected).await;
        assert_costs("X-Total-Count", header, by_name, json!({}), expected).await;
    }
    assert_costs("total_path", body, offset(json!({"total_path": "total"})), json!({}), expected).await;
    let by_header = json!({"type": "offset", "limit": 10, "total_header": "X-Total-Count"});
    assert_costs("total_header", header, by_header, json!({}), expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn total_path_null_takes_no_number_for_the_end() {
    let body = |rows| Api { total: TotalIn::Body, ..Api::of(rows) };
    assert_costs("offset", body, offset(json!({})), json!({}), [1, 2, 2, 2, 3, 11]).await;
    let by_page = page_number(json!({}));
    assert_costs("page_number", body, by_page, json!({"per_page": 10}), [1, 2, 2, 2, 3, 11]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_number_knows_a_short_page_by_the_limit_among_the_params() {
    for name in ["per_page", "limit"] {
        for (stop, expected) in [
            (json!("auto"), [1, 2, 2, 2, 3, 11]),
            (json!(true), [1, 1, 1, 2, 2, 11]),
            (json!(false), [1, 2, 2, 2, 3, 11]),
        ] {
            let paginator = page_number(json!({"stop_after_short_page": stop}));
            assert_costs(&format!("{name} {stop}"), Api::of, paginator, json!({name: 10}), expected).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_number_without_a_limit_knows_a_short_page_from_the_second_one_on() {
    for (stop, expected) in
        [(json!("auto"), [1, 2, 2, 2, 3, 11]), (json!(true), [1, 2, 2, 2, 2, 11]), (json!(false), [1, 2, 2, 2, 3, 11])]
    {
        let paginator = page_number(json!({"stop_after_short_page": stop}));
        assert_costs(&stop.to_string(), Api::of, paginator, json!({}), expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_number_ends_at_a_total_of_records_or_of_pages() {
    let header = |rows| Api { total: TotalIn::Header, ..Api::of(rows) };
    let body = |rows| Api { total: TotalIn::Body, ..Api::of(rows) };
    let pages = |rows| Api { total: TotalIn::Pages, ..Api::of(rows) };
    let limit = json!({"per_page": 10});
    let by_name = json!({"type": "page_number", "base_page": 1});
    assert_costs("X-Total-Count", header, by_name.clone(), limit.clone(), [1, 1, 1, 2, 2, 10]).await;
    assert_costs("X-Total-Count", header, by_name.clone(), json!({}), [1, 1, 1, 2, 2, 10]).await;
    let by_pages = page_number(json!({"total_path": "pages"}));
    assert_costs("pages", pages, by_pages, limit.clone(), [1, 1, 1, 1, 2, 10]).await;
    // `total` may count pages: a full page at exactly so many records is followed by one more request.
    assert_costs("total", body, by_name, limit, [1, 1, 1, 2, 2, 11]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_30_where_100_are_asked_for_costs_as_much_as_one_that_keeps_the_limit() {
    let api = |total| move |rows| Api { cap: 30, total, ..Api::of(rows) };
    let by_hundred = |further| with(json!({"type": "offset", "limit": 100}), further);
    let (none, body, header) = (api(TotalIn::Nothing), api(TotalIn::Body), api(TotalIn::Header));
    assert_costs("auto", none, by_hundred(json!({})), json!({}), [1, 2, 2, 2, 3, 11]).await;
    let to_empty = by_hundred(json!({"stop_after_short_page": false}));
    assert_costs("false", none, to_empty, json!({}), [1, 2, 2, 2, 3, 11]).await;
    // The limit asked for is 100: a first page of 30 is short, and a total of 30 is confirmed by that.
    for paginator in [by_hundred(json!({})), by_hundred(json!({"stop_after_short_page": true}))] {
        assert_costs("total", body, paginator.clone(), json!({}), [1, 1, 1, 1, 2, 10]).await;
        assert_costs("X-Total-Count", header, paginator, json!({}), [1, 1, 1, 1, 2, 10]).await;
    }
    let by_page = page_number(json!({}));
    assert_costs("page_number", none, by_page, json!({"per_page": 100}), [1, 2, 2, 2, 3, 11]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_api_answers_after_the_last_record_costs_no_more_than_an_empty_page() {
    for after in [After::NotFound, After::InvalidPage, After::RangeNotSatisfiable] {
        let api = |rows| Api { after, ..Api::of(rows) };
        let expected = [1, 2, 2, 2, 3, 11];
        assert_costs(&format!("{after:?}"), api, offset(json!({})), json!({}), expected).await;
        let by_page = page_number(json!({}));
        assert_costs(&format!("{after:?}"), api, by_page.clone(), json!({"per_page": 10}), expected).await;
        assert_costs(&format!("{after:?}"), api, by_page, json!({}), expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_page_again_is_the_end_after_pages_that_differ() {
    for (paginator, params) in [(offset(json!({})), json!({})), (page_number(json!({})), json!({"per_page": 10}))] {
        // A full page that comes again may have been shifted by rows that came in: the page after it decides.
        for (rows, expected) in [(11, 3), (100, 12)] {
            let api = Api { after: After::LastPageAgain, ..Api::of(rows) };
            let (summary, requests) = api.run(1, paginator.clone(), params.clone()).await;
            assert_eq!((summary.table_rows, requests, summary.complete), (rows, expected, None), "{summary:#?}");
            let (summary, requests) = api.run(16, paginator.clone(), params.clone()).await;
            assert_eq!(summary.table_rows, rows);
            assert!(requests <= expected + 32, "{requests}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_first_page_that_comes_again_is_the_end() {
    for (paginator, params) in [(offset(json!({})), json!({})), (page_number(json!({})), json!({"per_page": 10}))] {
        for rows in [1, 9] {
            let api = Api { after: After::LastPageAgain, ..Api::of(rows) };
            let (summary, requests) = api.run(1, paginator.clone(), params.clone()).await;
            assert_eq!((summary.table_rows, requests, summary.complete), (rows, 2, None), "{summary:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_requested_ahead_once_a_full_page_has_come() {
    for (total, paginator) in [
        (TotalIn::Nothing, offset(json!({}))),
        (TotalIn::Body, json!({"type": "offset", "limit": 10})),
        (TotalIn::Header, json!({"type": "page_number", "base_page": 1})),
    ] {
        let gate = Gate::default();
        let held = gate.clone();
        let api = Api { total, ..Api::of(100) };
        let server = Server::start(move |request| match api.answer(request) {
            first if request.number == 1 => first,
            later => later.after(&held),
        })
        .await;
        let lake = TempDir::new().unwrap();
        let plan = plan_of(&config(&server, &lake, 16, paginator, json!({})).to_string());
        let watch = async {
            // The first window: four requests at the server, and none of them is answered.
            server.requested(5).await;
            gate.open();
        };
        let (outcome, ()) = tokio::join!(run_plan(plan), watch);
        assert_eq!(only(outcome).table_rows, 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_lists_of_ten_rows_cost_two_requests_each_at_most_and_one_where_that_is_enough() {
    for (has_total, stop, most) in
        [(false, json!("auto"), 600), (true, json!("auto"), 300), (false, json!(true), 300), (false, json!(false), 600)]
    {
        let server = Server::start(move |request| match request.path.as_str() {
            "/orders" => list_by_offset(numbered_rows(300), 100, true)(request),
            path => {
                let order: u64 = path.split('/').nth(2).and_then(|id| id.parse().ok()).unwrap();
                let rows = (1..=10).map(|line| json!({"id": order * 100 + line})).collect();
                list_by_offset(rows, 100, has_total)(request)
            }
        })
        .await;
        let lake = TempDir::new().unwrap();
        let columns = json!({"columns": [{"name": "id", "type": "int64"}]});
        let paginator = json!({"type": "offset", "limit": 100, "stop_after_short_page": stop});
        let config = json!({
            "client": {"base_url": server.url(), "max_concurrency": 16},
            "resource_defaults": {"primary_key": "id", "schema": columns},
            "resources": [
                {"name": "orders", "endpoint": {"path": "orders", "data_selector": "data",
                    "paginator": {"type": "offset", "limit": 100}}},
                {"name": "lines", "endpoint": {"path": "orders/{resources.orders.id}/lines", "data_selector": "data",
                    "paginator": paginator}},
            ],
            "destination": {"url": lake.path()},
        });
        let outcome = run_plan(plan_of(&config.to_string())).await;
        assert!(outcome.kinds.is_empty(), "{outcome:#?}");
        let [orders, lines] = &outcome.summary.resources[..] else { panic!("{outcome:#?}") };
        assert_eq!((orders.table_rows, orders.requests, lines.table_rows), (300, 3, 3_000));
        assert_eq!(lines.requests, most, "total {has_total}, stop {stop}");
        // A sequence of one short page is proved to be whole by a total or an empty page alone.
        let is_proved = stop != json!(true);
        assert_eq!(lines.complete, is_proved.then_some(true), "{lines:#?}");
    }
}
