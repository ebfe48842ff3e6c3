//! What `on_incomplete` commits under each disposition, where the API stops at a depth.

use super::*;

/// Records of `/items` by `offset` and `limit` from `since` on, refused from an offset on.
#[derive(Clone, Default)]
struct Deep(Arc<Mutex<DeepState>>);

#[derive(Default)]
struct DeepState {
    rows: Vec<Value>,
    /// Offsets from here on are refused.
    depth: Option<u64>,
}

impl Deep {
    fn set(&self, rows: Vec<Value>, depth: Option<u64>) {
        *self.0.lock().unwrap() = DeepState { rows, depth };
    }

    fn answer(&self, request: &Received) -> Reply {
        let state = self.0.lock().unwrap();
        let offset = request.number_param("offset").unwrap_or(0);
        if state.depth.is_some_and(|depth| offset >= depth) {
            return Reply::json(r#"{"error": "Result window is too large"}"#).with_status(400);
        }
        let since = request.number_param("since").unwrap_or(0);
        let rows = state.rows.iter().filter(|row| row["at"].as_u64().is_none_or(|at| at >= since));
        let page: Vec<_> = rows.skip(offset as usize).take(2).collect();
        reply(&json!({ "data": page }))
    }

    async fn case(&self, endpoint: Value, resource: Value) -> Case {
        let api = self.clone();
        let mut paged =
            json!({"data_selector": "data", "paginator": {"type": "offset", "limit": 2, "total_path": null}});
        add(&mut paged, &endpoint);
        let case = Case::new(move |request| api.answer(request), paged, resource).await;
        case.with(|config| {
            let columns = [("id", "int64"), ("v", "string"), ("at", "int64"), ("part", "string")];
            let columns = columns.map(|(name, data_type)| json!({"name": name, "type": data_type}));
            config["resources"][0]["schema"] = json!({ "columns": columns });
        })
    }
}

fn row(id: u64, v: &str) -> Value {
    json!({"id": id, "v": v, "at": id, "part": if id <= 3 { "a" } else { "b" }})
}

fn all(ids: impl IntoIterator<Item = u64>, v: &str) -> Vec<Value> {
    ids.into_iter().map(|id| row(id, v)).collect()
}

impl Case {
    /// `id v` of all rows.
    fn rows(&self) -> Vec<String> {
        rows(&self.table(), &["id", "v"])
    }

    /// Sets `on_incomplete` of the resource.
    fn on_incomplete(&mut self, word: &str) {
        self.config["resources"][0]["on_incomplete"] = word.into();
    }
}

/// A table of the rows 1 to 6 in the version `old`, and a run that gets 1 to 4 in the version `new`, of more.
async fn second_run(resource: Value, endpoint: Value, word: Option<&str>) -> (Case, Ran) {
    let api = Deep::default();
    api.set(all(1..=6, "old"), None);
    let mut case = api.case(endpoint, resource).await;
    assert_eq!(case.run().await.ended(), (0, Some(true), 6));
    api.set(all(1..=8, "new"), Some(4));
    word.into_iter().for_each(|word| case.on_incomplete(word));
    let ran = case.run().await;
    assert_eq!((ran.summary.complete, ran.missing().map(|(received, _)| received)), (Some(false), Some(4)), "{ran:#?}");
    (case, ran)
}

const OLD: [&str; 6] = ["1 old", "2 old", "3 old", "4 old", "5 old", "6 old"];
const MIXED: [&str; 6] = ["1 new", "2 new", "3 new", "4 new", "5 old", "6 old"];

fn merge(further: Value) -> Value {
    let mut resource = json!({"write_disposition": "merge"});
    add(&mut resource, &further);
    resource
}

#[tokio::test]
async fn fail_commits_nothing_whatever_the_disposition() {
    for resource in [
        json!({"write_disposition": "append"}),
        json!({"write_disposition": "replace"}),
        merge(json!({})),
        merge(json!({"on_missing": "delete"})),
        json!({"write_disposition": {"disposition": "merge", "strategy": "scd2"}}),
    ] {
        let is_scd2 = resource["write_disposition"]["strategy"] == "scd2";
        for word in [None, Some("fail")] {
            let (case, ran) = second_run(resource.clone(), json!({}), word).await;
            assert_eq!((ran.exit, ran.summary.status), (6, Status::Incomplete), "{resource}");
            assert_eq!((ran.summary.table_version, ran.summary.table_rows), (1, 6), "{resource}");
            assert_eq!(case.rows(), OLD, "{resource}");
            assert!(ran.summary.error.as_ref().is_some_and(|error| error.code == "incomplete"), "{is_scd2}");
        }
    }
}

#[tokio::test]
async fn keep_commits_what_came_under_merge_and_deletes_nothing() {
    for resource in [
        merge(json!({})),
        merge(json!({"on_missing": "delete"})),
        json!({"write_disposition": {"disposition": "merge", "strategy": "delete-insert"}, "merge_key": "part"}),
    ] {
        let (case, ran) = second_run(resource.clone(), json!({}), Some("keep")).await;
        assert_eq!((ran.exit, ran.summary.status), (6, Status::Incomplete), "{resource}");
        assert_eq!((ran.summary.rows_deleted, ran.summary.table_version), (0, 2), "{resource}");
        assert_eq!(case.rows(), MIXED, "{resource}");
    }
}

#[tokio::test]
async fn keep_retires_no_version_that_is_missing_under_scd2() {
    let resource = json!({"write_disposition": {"disposition": "merge", "strategy": "scd2"}});
    for (word, exit) in [("keep", 6), ("warn", 0)] {
        let (case, ran) = second_run(resource.clone(), json!({}), Some(word)).await;
        assert_eq!(ran.exit, exit);
        let current = rows(&case.table(), &["id", "v", "_dlt_valid_to"]);
        let current: Vec<_> = current.iter().filter_map(|row| row.strip_suffix(" -")).collect();
        assert_eq!(current, MIXED, "{word}");
    }
}

#[tokio::test]
async fn keep_leaves_the_table_under_replace_and_under_append_without_a_cursor() {
    for disposition in ["replace", "append"] {
        let (case, ran) = second_run(json!({"write_disposition": disposition}), json!({}), Some("keep")).await;
        assert_eq!((ran.exit, ran.summary.table_version), (6, 1), "{disposition}");
        assert_eq!(case.rows(), OLD, "{disposition}");
    }
}

#[tokio::test]
async fn keep_appends_up_to_the_cursor_and_the_next_run_brings_the_rest_without_doubles() {
    for disposition in ["append", "merge"] {
        let api = Deep::default();
        let incremental = json!({"incremental": {"cursor_path": "at", "start_param": "since"}});
        let resource = json!({"write_disposition": disposition, "on_incomplete": "keep"});
        let case = api.case(incremental, resource).await;
        api.set(all(1..=8, "a"), Some(4));
        let ran = case.run().await;
        assert_eq!((ran.exit, ran.summary.cursor.clone(), case.ids()), (6, Some(json!(4)), up_to(4)), "{ran:#?}");
        api.set(all(1..=9, "a"), None);
        let ran = case.run().await;
        assert_eq!((ran.exit, ran.summary.complete, case.ids()), (0, Some(true), up_to(9)), "{ran:#?}");
    }
}

#[tokio::test]
async fn warn_commits_all_that_came_with_a_warning_and_deletes_nothing() {
    for (resource, expected) in [
        (json!({"write_disposition": "replace"}), MIXED[..4].to_vec()),
        (merge(json!({})), MIXED.to_vec()),
        (merge(json!({"on_missing": "delete"})), MIXED.to_vec()),
        (
            json!({"write_disposition": {"disposition": "merge", "strategy": "delete-insert"}, "merge_key": "part"}),
            MIXED.to_vec(),
        ),
    ] {
        let (case, ran) = second_run(resource.clone(), json!({}), Some("warn")).await;
        assert_eq!((ran.exit, ran.summary.status), (0, Status::Ok), "{resource}: {ran:#?}");
        assert!(ran.warns("incomplete"), "{ran:#?}");
        assert_eq!(
            (case.rows(), ran.summary.rows_deleted),
            (expected.iter().map(|row| (*row).to_owned()).collect(), 0)
        );
    }
    let (case, ran) = second_run(json!({"write_disposition": "append"}), json!({}), Some("warn")).await;
    assert_eq!((ran.exit, case.rows().len()), (0, 10));
}

#[tokio::test]
async fn the_resources_on_incomplete_goes_before_that_of_the_top_level() {
    for (top, own, exit) in [
        (Some("warn"), None, 0),
        (Some("warn"), Some("fail"), 6),
        (Some("fail"), Some("warn"), 0),
        (None, Some("warn"), 0),
        (None, None, 6),
    ] {
        let api = Deep::default();
        api.set(all(1..=8, "a"), Some(4));
        let mut case = api.case(json!({}), json!({})).await;
        top.into_iter().for_each(|word| case.config["on_incomplete"] = word.into());
        own.into_iter().for_each(|word| case.on_incomplete(word));
        assert_eq!(case.run().await.exit, exit, "{top:?} {own:?}");
    }
}

#[tokio::test]
async fn a_depth_that_the_api_refuses_is_incomplete_at_any_concurrency() {
    for (status, text) in [
        (400, "Result window is too large, from + size must be less than or equal to: [10000]"),
        (422, "Only the first 1000 search results are available"),
        (404, "maximum page depth reached"),
        (400, "offset must be less than 20"),
    ] {
        for concurrency in [1, 16] {
            let answer = move |request: &Received| match request.number_param("offset") {
                Some(20..) => Reply::json(json!({"message": text}).to_string()).with_status(status),
                _ => page(request, 95, &json!({})),
            };
            let case = Case::new(answer, tens(), json!({})).await;
            let case = case.with(|config| config["client"]["max_concurrency"] = concurrency.into());
            let ran = case.run().await;
            assert_eq!((ran.ended(), ran.missing()), ((6, Some(false), 0), Some((20, None))), "{text}: {ran:#?}");
        }
    }
}

#[tokio::test]
async fn an_empty_page_at_a_multiple_of_1000_under_a_larger_total_is_a_depth_limit() {
    for (total, exit) in [(1_001, 6), (5_000, 6), (1_000, 0)] {
        let answer = move |request: &Received| {
            let start = request.number_param("offset").unwrap();
            let mut answer = data(start + 1..=(start + 100).min(1_000));
            answer["total"] = total.into();
            reply(&answer)
        };
        let endpoint = json!({"data_selector": "data", "paginator": {"type": "offset", "limit": 100}});
        let ran = Case::new(answer, endpoint, json!({})).await.run().await;
        assert_eq!(ran.exit, exit, "{total}: {ran:#?}");
        assert_eq!(ran.missing(), (exit == 6).then_some((1_000, Some(total))));
    }
}

#[tokio::test]
async fn a_page_that_is_refused_while_a_later_one_has_records_or_a_total_says_more_is_incomplete() {
    // Page 3 is not there; pages 4 to 9 are. At 16 they are on their way when page 3 has its turn.
    let holed = |request: &Received| match request.number_param("offset") {
        Some(20) => Reply::status(404),
        _ => page(request, 95, &json!({})),
    };
    let gate = crate::support::server::Gate::default();
    let held = gate.clone();
    let case = Case::new(
        move |request| match request.number_param("offset") {
            Some(20) => Reply::status(404).after(&held),
            _ => holed(request),
        },
        tens(),
        json!({}),
    )
    .await
    .with(|config| config["client"]["max_concurrency"] = 16.into());
    let watch = async {
        // The pages after it have come when it is answered.
        case.server.requested(6).await;
        gate.open();
    };
    let (ran, ()) = tokio::join!(case.run(), watch);
    assert_eq!((ran.exit, ran.summary.complete, ran.missing()), (6, Some(false), Some((20, None))), "{ran:#?}");
    let under_total = |request: &Received| match request.number_param("offset") {
        Some(20) => Reply::status(404),
        _ => page(request, 95, &json!({"total": 95})),
    };
    let ran = Case::new(under_total, tens(), json!({})).await.run().await;
    assert_eq!((ran.exit, ran.missing()), (6, Some((20, Some(95)))), "{ran:#?}");
}

#[tokio::test]
async fn errors_of_access_and_of_the_server_never_end_a_sequence() {
    for (status, exit) in [(401, 1), (403, 1), (500, 3), (502, 3), (503, 3), (400, 1), (409, 1)] {
        let answer = move |request: &Received| match request.number_param("offset") {
            Some(20) => Reply::json(r#"{"message": "go away"}"#).with_status(status),
            _ => page(request, 25, &json!({})),
        };
        let case = Case::new(answer, tens(), json!({})).await;
        let ran = case.run().await;
        assert_eq!((ran.exit, case.ids()), (exit, Vec::new()), "{status}: {ran:#?}");
    }
}

/// Three parents; the list of the second one is refused at a depth while `is_broken`.
async fn family(word: &str) -> (Case, Arc<Mutex<bool>>) {
    let is_broken = Arc::new(Mutex::new(true));
    let broken = Arc::clone(&is_broken);
    let answer = move |request: &Received| match request.path.as_str() {
        "/parents" => page(request, 3, &json!({})),
        "/parents/2/items" if *broken.lock().unwrap() && request.number_param("offset") == Some(10) => {
            Reply::json(r#"{"error": "Result window is too large"}"#).with_status(400)
        }
        path => {
            let parent: u64 = path.split('/').nth(2).and_then(|id| id.parse().ok()).unwrap();
            let start = request.number_param("offset").unwrap();
            reply(&data((start + 1..=12.min(start + 10)).map(|id| parent * 100 + id)))
        }
    };
    let case = Case::new(answer, json!({}), json!({"on_incomplete": word, "write_disposition": "merge"})).await;
    let case = case.with(|config| {
        let columns = json!({"columns": [{"name": "id", "type": "int64"}]});
        config["resources"] = json!([
            {"name": "parents", "selected": false, "primary_key": "id", "schema": columns, "endpoint": {
                "path": "parents", "data_selector": "data", "paginator": {"type": "offset", "limit": 10}}},
            {"name": "items", "primary_key": "id", "schema": columns, "on_incomplete": word, "write_disposition": "merge",
             "endpoint": {"path": "parents/{resources.parents.id}/items", "data_selector": "data",
                "paginator": {"type": "offset", "limit": 10}}},
        ]);
    });
    (case, is_broken)
}

impl Case {
    async fn run_child(&self) -> Ran {
        let outcome = run_plan(plan_with(&self.config.to_string(), &Overrides::default())).await;
        let exit = Exit::of(&outcome.kinds) as u8;
        let summary = outcome.summary.resources.into_iter().find(|resource| resource.name == "items").unwrap();
        Ran { exit, summary }
    }
}

#[tokio::test]
async fn one_incomplete_list_of_three_makes_the_resource_incomplete_and_is_named() {
    for (word, exit, rows) in [("fail", 6, 0), ("keep", 6, 34), ("warn", 0, 34)] {
        let (case, _) = family(word).await;
        let ran = case.run_child().await;
        assert_eq!((ran.exit, ran.summary.complete, ran.summary.table_rows), (exit, Some(false), rows), "{ran:#?}");
        let incomplete = ran.summary.incomplete.clone().unwrap();
        assert!(incomplete.reason.contains("list 2"), "{incomplete:?}");
        assert_eq!(incomplete.received, 10, "of that list: {incomplete:?}");
    }
}

#[tokio::test]
async fn the_next_run_reads_only_the_lists_that_were_incomplete() {
    let (case, is_broken) = family("fail").await;
    assert_eq!(case.run_child().await.exit, 6);
    *is_broken.lock().unwrap() = false;
    let before = case.server.requests().len();
    let ran = case.run_child().await;
    assert_eq!((ran.exit, ran.summary.complete, ran.summary.table_rows), (0, Some(true), 36), "{ran:#?}");
    let targets = case.server.targets()[before..].to_vec();
    assert!(
        targets.iter().all(|target| !target.contains("/parents/1/") && !target.contains("/parents/3/")),
        "{targets:?}"
    );
}
