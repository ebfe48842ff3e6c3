//! Lists in memory: no HTTP, no time, every order of answers.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;
use reqwest::header::HeaderMap;
use url::Url;

use super::*;
use crate::{
    environment::Environment,
    fetch::{
        request::Request,
        transport::{Response, Ruled},
    },
    json::Document,
    plan::{
        AnswerPlan, Bindings, CheckpointPlan, Compression, MergePlan, OffsetPlan, OnDrift, OnIncomplete, PaginatorPlan,
        ParquetPlan, RequestPlan, TotalsPlan, WriteDisposition,
    },
    schema::{Contract, Naming, TableSchema},
    secret::Redactor,
};

/// Lists of so many records each, two on a page, at `/0`, `/1` and so on.
struct Api {
    lists: Vec<u64>,
    /// The list that is not there.
    missing: Option<usize>,
    /// Lists whose total is larger by two pages than what comes.
    incomplete: Mutex<Vec<usize>>,
    /// What `response_actions` makes of every second list.
    ruled: Option<Ruled>,
    window: usize,
    /// How often each answer yields to others before it comes, by request in turn.
    delays: Vec<usize>,
    surroundings: Surroundings,
    asked: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

const PAGE: u64 = 2;

impl Api {
    fn new(lists: &[u64], window: usize, delays: &[usize]) -> Self {
        let (environment, reporter) = (Environment::real(), Arc::new(Silent));
        let surroundings = Surroundings { redactor: Redactor::default(), environment, reporter };
        let (in_flight, most_in_flight) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (lists, delays, asked) = (lists.to_vec(), delays.to_vec(), Mutex::default());
        let incomplete = Mutex::default();
        Self {
            lists,
            missing: None,
            incomplete,
            ruled: None,
            window,
            delays,
            surroundings,
            asked,
            in_flight,
            most_in_flight,
        }
    }

    fn answer(&self, request: &Request) -> Result<Response, FetchError> {
        let list: usize = request.url.path().trim_start_matches('/').parse().unwrap();
        if self.missing == Some(list) {
            return Err(FetchError::Setup { cause: format!("no list {list}") });
        }
        if self.ruled.is_some() && list % 2 == 1 {
            return Ok(Response::nothing(HeaderMap::new(), 0, self.ruled.clone()));
        }
        let offset = request.url.query_pairs().find(|(key, _)| key == "offset").unwrap().1.parse::<u64>().unwrap();
        let ids = (offset..self.lists[list]).take(PAGE as usize);
        let records: Vec<_> = ids.map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        let missed = if self.incomplete.lock().unwrap().contains(&list) { 2 * PAGE } else { 0 };
        let body = format!(r#"{{"data":[{}],"total":{}}}"#, records.join(","), self.lists[list] + missed);
        let bytes = body.len() as u64;
        let document = Document::parse(body.into()).unwrap();
        Ok(Response { document, headers: HeaderMap::new(), bytes, ruled: None, is_accepted: false })
    }
}

#[async_trait]
impl Transport for Api {
    async fn fetch(&self, request: Request, _: &Scope) -> Result<Response, FetchError> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.url.path().to_owned());
            asked.len()
        };
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        for _ in 0..self.delays[number % self.delays.len()] {
            tokio::task::yield_now().await;
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.answer(&request)
    }

    fn window(&self) -> usize {
        self.window
    }

    fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }
}

fn resource(max_pages: Option<u64>) -> ResourcePlan {
    let total_path = Some("total".parse().unwrap());
    let paginator = PaginatorPlan::Offset(OffsetPlan { limit_param: None, total_path, ..OffsetPlan::new(PAGE) });
    ResourcePlan {
        answers: AnswerPlan::default(),
        incremental: None,
        processing_steps: Vec::new(),
        name: "children".to_owned(),
        table: "children".to_owned(),
        request: RequestPlan::get(base(), ""),
        auth: None,
        parent: None,
        paginator,
        data_selector: Some("data".parse().unwrap()),
        allow_missing_data: false,
        on_drift: OnDrift::Warn,
        totals: TotalsPlan::default(),
        on_incomplete: OnIncomplete::default(),
        learned: None,
        detects_anew: false,
        max_pages,
        schema: TableSchema { columns: Vec::new() },
        inference: None,
        naming: Naming::Direct,
        contract: Contract::default(),
        max_rejects: None,
        write_disposition: WriteDisposition::Append,
        merge: MergePlan::default(),
        primary_key: Vec::new(),
        dedup: false,
        dedup_sort: None,
        partition_by: Vec::new(),
        parquet: ParquetPlan {
            compression: Compression::Snappy,
            target_file_size: 1,
            row_group_rows: 1,
            bloom_filter: Vec::new(),
            sort_by: Vec::new(),
        },
        checkpoint: CheckpointPlan::default(),
        rewrite_limit: 0,
        compact_above: None,
        warnings: Vec::new(),
    }
}

fn base() -> Url {
    Url::parse("http://api.example").unwrap()
}

fn feed(lists: usize) -> Feed {
    Box::new((0..lists).map(|list| {
        let request = RequestPlan::get(base(), &list.to_string()).bind(&Bindings::default()).unwrap();
        Ok(ListRequest { number: list as u64, request, fields: format!(r#""l":{list}"#).into_bytes(), ends: None })
    }))
}

fn lists(api: &Arc<Api>, max_pages: Option<u64>, memory: u64) -> Lists {
    Lists::over(Arc::clone(api) as Arc<dyn Transport>, &resource(max_pages), feed(api.lists.len()), memory)
}

/// Page numbers and records, the position behind each page, and the error at the end.
async fn read(mut lists: Lists) -> (Vec<String>, Vec<Position>, Option<String>) {
    let (mut pages, mut positions) = (Vec::new(), Vec::new());
    while let Some(page) = lists.next().await {
        match page {
            Ok(page) => {
                let records = page.records.map(|index| page.document.node(index).raw().to_vec()).unwrap_or_default();
                pages.push(format!("{} {}", page.number, String::from_utf8(records).unwrap()));
                positions.push(lists.position());
            }
            Err(error) => return (pages, positions, Some(error.to_string())),
        }
    }
    (pages, positions, None)
}

/// What has to come, computed here.
fn expected(sizes: &[u64]) -> Vec<String> {
    let pages = sizes.iter().enumerate().flat_map(|(list, &size)| {
        // A total that equals a full first page is confirmed by one more request.
        let confirmed = u64::from(size == PAGE);
        let pages = 0..size.div_ceil(PAGE).max(1) + confirmed;
        pages.map(move |page| (list, size.min(page * PAGE)..size.min((page + 1) * PAGE)))
    });
    let text = |(number, (list, ids)): (usize, (usize, std::ops::Range<u64>))| {
        let records: Vec<_> = ids.map(|id| format!(r#"{{"id":{id},"l":{list}}}"#)).collect();
        format!("{} [{}]", number + 1, records.join(","))
    };
    pages.enumerate().map(text).collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #[test]
    fn pages_come_in_order_of_the_lists_whatever_the_timing_the_window_and_the_memory(
        sizes in prop::collection::vec(0u64..9, 0..12),
        window in 1usize..6,
        delays in prop::collection::vec(0usize..5, 1..6),
        memory in prop::sample::select(vec![0u64, 2_000, 1 << 20]),
        cut in any::<prop::sample::Index>(),
    ) {
        let api = Arc::new(Api::new(&sizes, window, &delays));
        let (pages, positions, error) = block_on(read(lists(&api, None, memory)));
        prop_assert_eq!(&pages, &expected(&sizes));
        prop_assert_eq!(error, None);
        // Gone on with behind any page, the rest comes, and nothing else; a position is read back as it was written.
        if !pages.is_empty() {
            let at = cut.index(pages.len());
            let stored = serde_json::to_string(&positions[at]).unwrap();
            prop_assert_eq!(positions[at].pages(), at as u64 + 1);
            let rest = lists(&api, None, memory).resume(serde_json::from_str(&stored).unwrap());
            prop_assert_eq!(&block_on(read(rest)).0[..], &pages[at + 1..]);
        }
    }
}

proptest! {
    #[test]
    fn lists_that_ended_incomplete_come_again_and_no_others_whatever_the_timing_and_wherever_the_run_broke_off(
        sizes in prop::collection::vec(1u64..5, 2..12),
        incomplete in prop::collection::btree_set(0usize..12, 1..5),
        window in 1usize..6,
        delays in prop::collection::vec(0usize..5, 1..6),
        cuts in any::<[prop::sample::Index; 2]>(),
    ) {
        // Of full pages: a total that says more is then no count that lags behind.
        let sizes: Vec<u64> = sizes.iter().map(|pages| pages * PAGE).collect();
        let incomplete: Vec<usize> = incomplete.into_iter().filter(|list| *list < sizes.len()).collect();
        let api = Arc::new(Api::new(&sizes, window, &delays));
        api.incomplete.lock().unwrap().clone_from(&incomplete);
        let stored = |position: &Position| -> Position {
            serde_json::from_str(&serde_json::to_string(position).unwrap()).unwrap()
        };
        // As if it had broken off after any page.
        let ended = |mut lists: Lists, cut: prop::sample::Index| block_on(async {
            let (mut pages, mut positions) = (Vec::new(), Vec::new());
            while let Some(page) = lists.next().await {
                pages.push(page.unwrap());
                positions.push(lists.position());
            }
            let Some(position) = positions.get(cut.index(positions.len().max(1))) else { return (pages, lists) };
            let mut lists = self::lists(&api, None, 1 << 20).resume(stored(position));
            while let Some(page) = lists.next().await {
                page.unwrap();
            }
            (pages, lists)
        });
        let (_, first) = ended(lists(&api, None, 1 << 20), cuts[0]);
        let is_incomplete = matches!(first.findings().verdict, Verdict::Incomplete(_));
        prop_assert_eq!(is_incomplete, !incomplete.is_empty());
        let Some(position) = first.retry_position() else {
            prop_assert!(incomplete.is_empty() || incomplete.len() == sizes.len());
            return Ok(());
        };
        let last = incomplete.len() - 1;
        for broken in [&incomplete[last..], &[]] {
            api.incomplete.lock().unwrap().clear();
            api.incomplete.lock().unwrap().extend(broken);
            let (pages, again) = ended(lists(&api, None, 1 << 20).resume(stored(&position)), cuts[1]);
            let mut came: Vec<usize> = pages.iter().map(|page| page.list as usize).collect();
            came.dedup();
            prop_assert_eq!(&came, &incomplete);
            prop_assert!(pages.iter().zip(position.pages() + 1..).all(|(page, number)| page.number == number));
            let retried = again.retry_position().and_then(|position| position.retries());
            prop_assert_eq!(retried, Some(broken.len()).filter(|lists| *lists > 0));
            prop_assert_eq!(again.findings().verdict == Verdict::Complete, broken.is_empty());
        }
    }
}

#[tokio::test]
async fn lists_are_fetched_side_by_side_as_far_as_the_window_goes() {
    let api = Arc::new(Api::new(&[1; 40], 4, &[3]));
    assert_eq!(read(lists(&api, None, 1 << 20)).await.0.len(), 40);
    assert_eq!(api.most_in_flight.load(Ordering::SeqCst), 4);
    // Once it is known how large pages are, those without a place wait for their turn.
    let api = Arc::new(Api::new(&[1; 40], 4, &[3]));
    let mut lists = lists(&api, None, 0);
    lists.next().await.unwrap().unwrap();
    while api.in_flight.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
    api.most_in_flight.store(0, Ordering::SeqCst);
    assert_eq!(read(lists).await.0.len(), 39);
    assert_eq!(api.most_in_flight.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_error_waits_for_its_turn_and_ends_all_lists() {
    let api = Arc::new(Api { missing: Some(2), ..Api::new(&[3, 1, 1, 1], 4, &[4, 0]) });
    let (pages, _, error) = read(lists(&api, None, 1 << 20)).await;
    assert_eq!(pages, expected(&[3, 1]));
    assert!(error.unwrap().contains("no list 2"));
}

#[tokio::test]
async fn a_maximum_of_pages_is_one_of_all_lists_together() {
    let api = Arc::new(Api::new(&[3, 3, 3, 3], 8, &[0]));
    assert_eq!(read(lists(&api, Some(3), 1 << 20)).await.0, expected(&[3, 3])[..3]);
    assert!(api.asked.lock().unwrap().iter().all(|path| path != "/3"), "{:?}", api.asked);
}

#[tokio::test]
async fn what_is_left_out_of_many_lists_is_counted_and_told_once_also_by_a_run_that_goes_on() {
    let told = async |ruled: Ruled, from: Option<Position>| {
        let api = Arc::new(Api { ruled: Some(ruled), ..Api::new(&[1; 40], 4, &[1]) });
        let mut lists = lists(&api, None, 1 << 20);
        lists = if let Some(position) = from { lists.resume(position) } else { lists };
        let mut middle = None;
        while let Some(page) = lists.next().await {
            if page.unwrap().number == 30 {
                middle = Some(lists.position());
            }
        }
        (lists.findings().warnings.clone(), middle)
    };
    let ignored = Ruled::Ignored(reqwest::StatusCode::NOT_FOUND);
    let all = ["20 pages of 20 lists were ignored (404)"];
    let (warnings, middle) = told(ignored.clone(), None).await;
    assert_eq!(warnings, all);
    let stored = serde_json::to_string(&middle.unwrap()).unwrap();
    assert_eq!(told(ignored, Some(serde_json::from_str(&stored).unwrap())).await.0, all);
    let stopped = Ruled::Stopped(Some("nothing to see".to_owned()));
    assert_eq!(told(stopped, None).await.0, ["20 lists were ended: nothing to see"]);
    assert_eq!(told(Ruled::Stopped(None), None).await.0, [""; 0]);
}
