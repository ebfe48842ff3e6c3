//! The driver against lists in memory: no HTTP, no time, every order of answers.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use proptest::prelude::*;
use reqwest::{StatusCode, header::HeaderMap};
use url::Url;

use super::*;
use crate::{
    environment::Environment,
    error::{ErrorKind, Failure},
    fetch::{
        error::{RequestError, Trouble},
        request::Request,
        transport::{Response, Scope},
    },
    json::{Document, Kind},
    plan::{
        AnswerPlan, Bindings, CheckpointPlan, Compression, MergePlan, OffsetPlan, OnDrift, OnIncomplete,
        PageNumberPlan, ParquetPlan, RequestPlan, TotalsPlan, WriteDisposition,
    },
    report::Silent,
    schema::{Contract, Naming, TableSchema},
    secret::Redactor,
};

/// What a list answers beyond its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beyond {
    Empty,
    NotFound,
}

/// A list of the records 0 to `records` - 1 behind an API.
#[derive(Clone, Debug)]
struct Api {
    records: u64,
    /// The most that one page holds.
    cap: u64,
    /// Records that a page lacks, by page in turn: `[0]` for none. A page never lacks all of them.
    uneven: Vec<u64>,
    tells_total: bool,
    /// At `more`.
    tells_more: bool,
    beyond: Beyond,
    ignores_position: bool,
    window: usize,
    /// How often each answer yields to others before it comes, by request in turn.
    delays: Vec<usize>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            records: 1000,
            cap: 100,
            uneven: vec![0],
            tells_total: false,
            tells_more: false,
            beyond: Beyond::Empty,
            ignores_position: false,
            window: 4,
            delays: vec![0],
        }
    }
}

struct Memory {
    api: Api,
    surroundings: Surroundings,
    asked: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Memory {
    fn new(api: Api) -> Arc<Self> {
        let surroundings = Surroundings {
            redactor: Redactor::default(),
            environment: Environment::real(),
            reporter: Arc::new(Silent),
        };
        let (in_flight, most_in_flight) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { api, surroundings, asked: Mutex::default(), in_flight, most_in_flight })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The records from `offset` on that one answer holds.
    fn answer(&self, request: &Request) -> Result<Response, FetchError> {
        let param = |name: &str| {
            let pair = request.url.query_pairs().find(|(key, _)| key == name);
            pair.and_then(|(_, value)| value.parse::<u64>().ok())
        };
        let cap = param("limit").map_or(self.api.cap, |limit| limit.min(self.api.cap));
        let offset = match (self.api.ignores_position, param("offset"), param("page")) {
            (false, Some(offset), _) => offset,
            (false, None, Some(page)) => (page - 1) * cap,
            _ => 0,
        };
        if offset >= self.api.records && offset > 0 && self.api.beyond == Beyond::NotFound {
            return Err(not_found(request));
        }
        let uneven = self.api.uneven[(offset % self.api.uneven.len() as u64) as usize];
        let size = cap.saturating_sub(uneven).max(1);
        let ids = (offset..self.api.records).take(size as usize);
        let data: Vec<_> = ids.map(|id| format!(r#"{{"id":"{id:06}"}}"#)).collect();
        let total = if self.api.tells_total { format!(r#","total":{}"#, self.api.records) } else { String::new() };
        let more = format!(r#","more":{}"#, offset + size < self.api.records);
        let more = if self.api.tells_more { more } else { String::new() };
        let body = format!(r#"{{"data":[{}]{more}{total}}}"#, data.join(","));
        let bytes = body.len() as u64;
        let document = Document::parse(body.into()).unwrap();
        Ok(Response { document, headers: HeaderMap::new(), bytes, ruled: None, is_accepted: false })
    }
}

fn not_found(request: &Request) -> FetchError {
    RequestError {
        method: request.method,
        url: request.url.to_string(),
        page: None,
        attempts: 1,
        elapsed: Duration::ZERO,
        trouble: Trouble::Status { status: StatusCode::NOT_FOUND, is_limit: false, body: String::new(), asks: None },
        gave_up: None,
        credentials_sent: true,
        credentials: Some("client.auth"),
        has_body: false,
        position: None,
    }
    .into()
}

/// One request less in flight when it ends, or is aborted.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Transport for Memory {
    async fn fetch(&self, request: Request, _: &Scope) -> Result<Response, FetchError> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.url.query().unwrap_or_default().to_owned());
            asked.len() - 1
        };
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let _under_way = UnderWay(&self.in_flight);
        for _ in 0..self.api.delays[number % self.api.delays.len()] {
            tokio::task::yield_now().await;
        }
        self.answer(&request)
    }

    fn window(&self) -> usize {
        self.api.window
    }

    fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }
}

fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

fn offset(limit: u64) -> PaginatorPlan {
    let (total_path, has_more_path) = (Some(selector("total")), Some(selector("more")));
    PaginatorPlan::Offset(OffsetPlan { total_path, has_more_path, ..OffsetPlan::new(limit) })
}

fn page_number(total_path: Option<&str>) -> PaginatorPlan {
    PaginatorPlan::PageNumber(PageNumberPlan { total_path: total_path.map(selector), ..PageNumberPlan::new(1) })
}

fn resource(paginator: PaginatorPlan) -> ResourcePlan {
    ResourcePlan {
        name: "rows".into(),
        table: "rows".into(),
        request: RequestPlan::get(Url::parse("http://api").unwrap(), "rows"),
        auth: None,
        parent: None,
        paginator,
        data_selector: Some(selector("data")),
        answers: AnswerPlan::default(),
        processing_steps: Vec::new(),
        allow_missing_data: false,
        on_drift: OnDrift::Warn,
        totals: TotalsPlan::default(),
        on_incomplete: OnIncomplete::default(),
        learned: None,
        detects_anew: false,
        max_pages: None,
        incremental: None,
        schema: TableSchema { columns: Vec::new() },
        inference: None,
        naming: Naming::Direct,
        contract: Contract::default(),
        max_rejects: None,
        write_disposition: WriteDisposition::Append,
        primary_key: Vec::new(),
        dedup: false,
        dedup_sort: None,
        partition_by: Vec::new(),
        parquet: ParquetPlan {
            compression: Compression::Uncompressed,
            target_file_size: 1,
            row_group_rows: 1,
            bloom_filter: Vec::new(),
            sort_by: Vec::new(),
        },
        merge: MergePlan::default(),
        checkpoint: CheckpointPlan::default(),
        rewrite_limit: 10_000_000_000,
        compact_above: None,
        warnings: Vec::new(),
    }
}

fn request(resource: &ResourcePlan) -> Request {
    Request::new(&resource.request.bind(&Bindings::default()).unwrap()).unwrap()
}

fn over(transport: Arc<dyn Transport>, resource: &ResourcePlan, memory_limit: u64) -> Result<Pages, FetchError> {
    Pages::over(transport, resource, request(resource), memory_limit)
}

/// All that comes, in the order in which it comes.
struct Run {
    ids: Vec<u64>,
    error: Option<FetchError>,
    warnings: Vec<String>,
    asked: Vec<String>,
    most_in_flight: usize,
}

fn run_resource(api: Api, resource: &ResourcePlan, memory_limit: u64) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let memory = Memory::new(api);
    let mut pages = over(memory.clone(), resource, memory_limit).unwrap();
    let (mut ids, mut error, mut number) = (Vec::new(), None, 0);
    runtime.block_on(async {
        while let Some(page) = pages.next().await {
            number += 1;
            match page {
                Ok(page) => {
                    assert_eq!(page.number, number);
                    let before = ids.len();
                    ids.extend(page.records.into_iter().flat_map(|index| ids_of(&page.document, index)));
                    assert_eq!((ids.len() - before) as u64, page.count);
                }
                Err(problem) => error = Some(problem),
            }
        }
        assert!(pages.next().await.is_none());
    });
    let most_in_flight = memory.most_in_flight.load(Ordering::SeqCst);
    Run { ids, error, warnings: pages.findings().warnings.clone(), asked: memory.asked(), most_in_flight }
}

fn run(api: Api, paginator: PaginatorPlan) -> Run {
    run_resource(api, &resource(paginator), u64::MAX)
}

fn ids_of(document: &Document, index: u32) -> Vec<u64> {
    let records = document.node(index);
    assert_eq!(records.kind(), Kind::Array);
    records.items().map(|record| selector("id").find_count(record).unwrap()).collect()
}

/// Nothing states the end of the result set: it is read to its end all the same.
fn is_about_silence(warning: &str) -> bool {
    warning.contains("which should state the end of the result set")
}

fn all(records: u64) -> Vec<u64> {
    (0..records).collect()
}

fn apis() -> impl Strategy<Value = Api> {
    let beyond = prop_oneof![Just(Beyond::Empty), Just(Beyond::NotFound)];
    let delays = prop::collection::vec(0usize..9, 1..6);
    let uneven = prop_oneof![3 => Just(vec![0]), 1 => prop::collection::vec(0u64..4, 1..5)];
    (0u64..120, 1u64..20, uneven, any::<(bool, bool)>(), beyond, 1usize..9, delays).prop_map(
        |(records, cap, uneven, (tells_total, tells_more), beyond, window, delays)| {
            // An API that answers 404 beyond its end, and tells nothing else, gives no way to know the end.
            let beyond = if tells_total || tells_more { beyond } else { Beyond::Empty };
            Api { records, cap, uneven, tells_total, tells_more, beyond, ignores_position: false, window, delays }
        },
    )
}

proptest! {
    #[test]
    fn offset_pages_end_and_tile_every_list_whatever_the_server_caps_and_whenever_it_answers(
        api in apis(), limit in 1u64..20, memory_limit in prop_oneof![Just(0), Just(u64::MAX)],
    ) {
        let (records, window) = (api.records, api.window);
        let run = run_resource(api, &resource(offset(limit)), memory_limit);
        prop_assert!(run.error.is_none(), "{:?}", run.error);
        prop_assert_eq!(run.ids, all(records));
        prop_assert!(run.warnings.iter().all(|warning| is_about_silence(warning)), "{:?}", run.warnings);
        prop_assert!(run.most_in_flight <= window);
    }

    #[test]
    fn numbered_pages_end_and_tile_every_list(api in apis(), misread_total: bool) {
        let api = Api { uneven: vec![0], beyond: Beyond::Empty, tells_more: false, ..api };
        let (records, window) = (api.records, api.window);
        // Many an API tells records where dlt reads pages: that must not lose any.
        let run = run(api, page_number(misread_total.then_some("total")));
        prop_assert!(run.error.is_none(), "{:?}", run.error);
        prop_assert_eq!(run.ids, all(records));
        prop_assert!(run.warnings.iter().all(|warning| is_about_silence(warning)), "{:?}", run.warnings);
        prop_assert!(run.most_in_flight <= window);
    }
}

/// Reads `most` pages and stops there: what came, and the position as it is stored.
fn read_some(api: &Api, resource: &ResourcePlan, from: Option<String>, most: usize) -> (Vec<u64>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut pages = over(Memory::new(api.clone()), resource, u64::MAX).unwrap();
    if let Some(position) = from {
        pages = pages.resume(serde_json::from_str(&position).unwrap());
    }
    let mut ids = Vec::new();
    runtime.block_on(async {
        for _ in 0..most {
            let Some(page) = pages.next().await else { break };
            let page = page.unwrap();
            ids.extend(page.records.into_iter().flat_map(|index| ids_of(&page.document, index)));
        }
    });
    (ids, serde_json::to_string(&pages.position()).unwrap())
}

proptest! {
    #[test]
    fn a_list_that_is_gone_on_with_behind_any_page_is_read_once(api in apis(), limit in 1u64..20, most in 0usize..20) {
        let resource = resource(offset(limit));
        let (mut ids, position) = read_some(&api, &resource, None, most);
        let (rest, _) = read_some(&api, &resource, Some(position), usize::MAX);
        ids.extend(rest);
        prop_assert_eq!(ids, all(api.records));
    }
}

#[test]
fn going_on_asks_for_no_page_twice_and_counts_on() {
    let api = Api { records: 450, tells_total: true, ..Api::default() };
    let (_, position) = read_some(&api, &resource(offset(100)), None, 3);
    let memory = Memory::new(api);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let pages = over(memory.clone(), &resource(offset(100)), u64::MAX).unwrap();
    let mut pages = pages.resume(serde_json::from_str(&position).unwrap());
    let page = runtime.block_on(pages.next()).unwrap().unwrap();
    assert_eq!((page.number, pages.counters().pages), (4, 4));
    runtime.block_on(pages.next()).unwrap().unwrap();
    assert!(runtime.block_on(pages.next()).is_none());
    assert_eq!(memory.asked(), ["offset=300&limit=100", "offset=400&limit=100"]);
}

#[test]
fn the_first_page_comes_alone_and_then_exactly_the_rest_is_asked_for() {
    let api = Api { records: 450, tells_total: true, ..Api::default() };
    let run = run(api, offset(100));
    let expected: Vec<_> = (0..5).map(|page| format!("offset={}&limit=100", page * 100)).collect();
    assert_eq!((run.asked, run.ids.len()), (expected, 450));
}

#[test]
fn a_silently_capped_page_size_is_learnt_and_pages_stay_concurrent() {
    let api = Api { records: 1000, cap: 100, tells_total: true, window: 4, delays: vec![5], ..Api::default() };
    let run = run(api, offset(1000));
    assert_eq!((run.ids, run.asked.len(), run.most_in_flight), (all(1000), 10, 4));
}

#[test]
fn without_a_total_no_more_than_a_window_is_asked_for_in_vain() {
    for window in [1, 2, 4, 8] {
        let run = run(Api { window, delays: vec![3, 1, 2], ..Api::default() }, offset(100));
        assert_eq!(run.ids, all(1000));
        // Ten pages and the empty one that ends the list.
        assert!(run.asked.len() <= 11 + window, "{window}: {:?}", run.asked);
    }
}

#[test]
fn an_error_that_was_requested_ahead_is_no_error_where_the_result_set_ends() {
    let api = Api { records: 350, beyond: Beyond::NotFound, window: 8, ..Api::default() };
    let ended = run(Api { tells_more: true, ..api.clone() }, offset(100));
    assert_eq!((ended.ids, ended.error.is_none()), (all(350), true));
    assert!(ended.asked.len() > 4, "{:?}", ended.asked);
    let failed = run(api, offset(100));
    assert_eq!(
        (failed.ids, failed.error.is_none()),
        (all(350), true),
        "a page after a short one that is not there is the end"
    );
}

#[test]
fn late_pages_are_held_within_the_memory_limit() {
    // Page 2 answers last: only when nothing else moves any more.
    let page = Memory::new(Api::default()).answer(&request(&resource(offset(100)))).unwrap();
    let size = page.document.memory() as u64;
    for pages_held in [1, 3, 6] {
        let mut delays = vec![0; 12];
        delays[1] = 10_000;
        let api = Api { tells_total: true, window: 5, delays, ..Api::default() };
        let memory = Memory::new(api);
        let mut pages = over(memory.clone(), &resource(offset(100)), size * pages_held + size / 2).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            pages.next().await.unwrap().unwrap();
            pages.next().await.unwrap().unwrap();
        });
        // The first, and the line: the late head, which is let through always, among them.
        assert_eq!(memory.asked().len() as u64, 1 + pages_held, "{pages_held}");
    }
}

#[test]
fn an_api_that_ignores_the_position_is_an_error_with_a_hint() {
    let api = Api { ignores_position: true, ..Api::default() };
    for plan in [offset(100), page_number(None)] {
        let run = run(api.clone(), plan);
        let error = run.error.unwrap();
        assert!(error.to_string().contains("holds the same 100 records as the page before it"), "{error}");
        assert_eq!((error.kind(), run.ids.len()), (ErrorKind::User, 100));
        assert!(error.hint().unwrap().contains("`offset_param` or `page_param`"));
    }
}

#[test]
fn max_pages_ends_the_list_and_bounds_what_is_asked_for() {
    for max in [0, 1, 3] {
        let plan = ResourcePlan { max_pages: Some(max), ..resource(offset(100)) };
        let run = run_resource(Api { tells_total: true, ..Api::default() }, &plan, u64::MAX);
        assert_eq!((run.ids, run.asked.len() as u64), (all(max * 100), max));
        assert!(run.warnings.is_empty() && run.error.is_none());
    }
}

#[test]
fn a_list_that_ends_short_of_its_total_is_warned_about() {
    // The server says 1000 and keeps the last 40 for itself.
    struct Short(Arc<Memory>);
    #[async_trait]
    impl Transport for Short {
        async fn fetch(&self, request: Request, scope: &Scope) -> Result<Response, FetchError> {
            let mut response = self.0.fetch(request, scope).await?;
            let text = String::from_utf8(response.document.bytes().to_vec()).unwrap().replace(r#":960}"#, r#":1000}"#);
            response.document = Document::parse(text.into()).unwrap();
            Ok(response)
        }
        fn window(&self) -> usize {
            self.0.window()
        }
        fn surroundings(&self) -> &Surroundings {
            self.0.surroundings()
        }
    }
    let memory = Memory::new(Api { records: 960, tells_total: true, ..Api::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut pages = over(Arc::new(Short(memory)), &resource(offset(100)), u64::MAX).unwrap();
    runtime.block_on(async { while pages.next().await.is_some() {} });
    assert_eq!(
        pages.findings().warnings,
        [
            "the API reports 1,000 records, and 960 came: the next page is empty; if that number is no total of these records, set `total_path: null` on the paginator"
        ]
    );
}

#[test]
fn a_link_from_https_to_its_own_host_in_the_clear_is_followed_over_https() {
    let pages = over(
        Memory::new(Api::default()),
        &resource(PaginatorPlan::HeaderLink {
            links_next_key: "next".into(),
            header: "Link".into(),
            stop_after_empty_page: false,
        }),
        0,
    );
    let source = pages.unwrap().source;
    for (from, to, followed) in [
        ("https://api/rows", "http://api/rows?page=2", "https://api/rows?page=2"),
        ("http://api/rows", "http://api/rows?page=2", "http://api/rows?page=2"),
        ("https://api/rows", "https://other/x", "https://other/x"),
    ] {
        let [from, to, followed] = [from, to, followed].map(|url| Url::parse(url).unwrap());
        assert_eq!(source.checked(PageToken::Link(to), &from), Ok(PageToken::Link(followed)));
    }
}

#[test]
fn a_limit_of_zero_is_refused() {
    let error = over(Memory::new(Api::default()), &resource(offset(0)), 0).err().unwrap();
    assert_eq!(error.code(), "pagination_limit");
}

#[tokio::test]
async fn pages_can_be_read_by_a_task_on_another_thread() {
    let mut pages = over(Memory::new(Api::default()), &resource(offset(100)), u64::MAX).unwrap();
    let first = tokio::spawn(async move { pages.next().await.unwrap().unwrap().count });
    assert_eq!(first.await.unwrap(), 100);
}

#[tokio::test]
async fn uneven_pages_are_followed_by_what_came_and_asked_for_one_by_one_after_some_wrong_guesses() {
    let api = Api { records: 400, cap: 20, uneven: (0..19).collect(), tells_total: true, ..Api::default() };
    let memory = Memory::new(api);
    let mut pages = over(memory.clone(), &resource(offset(20)), u64::MAX).unwrap();
    let (mut records, mut count) = (0, 0);
    while let Some(page) = pages.next().await {
        records += page.unwrap().count;
        count += 1;
    }
    let asked = memory.asked().len();
    assert_eq!(records, 400);
    assert!(asked < 2 * count, "{asked} requests for {count} pages");
}

#[tokio::test]
async fn a_stop_comes_before_the_next_page() {
    let memory = Memory::new(Api::default());
    let mut pages = over(memory.clone(), &resource(offset(100)), u64::MAX).unwrap();
    pages.next().await.unwrap().unwrap();
    memory.surroundings.environment.shutdown.cancel();
    assert!(matches!(pages.next().await, Some(Err(FetchError::Interrupted))));
    assert!(pages.next().await.is_none());
}
