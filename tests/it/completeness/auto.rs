//! What a config without paginator and selector makes of answers that are easily taken for something else.

use super::*;

/// Records with these ids.
fn records(ids: impl IntoIterator<Item = u64>) -> Value {
    data(ids)["data"].take()
}

/// The first run gets `first`, every later one `later`.
async fn two_runs(first: Value, later: Value, resource: Value) -> (Ran, Ran, Case) {
    let is_first = Arc::new(Mutex::new(true));
    let state = Arc::clone(&is_first);
    let answer = move |_: &Received| reply(if *state.lock().unwrap() { &first } else { &later });
    let case = Case::new(answer, json!({}), resource).await;
    let one = case.run().await;
    *is_first.lock().unwrap() = false;
    (one, case.run().await, case)
}

#[tokio::test]
async fn an_id_beside_a_list_makes_no_record_of_an_answer_that_is_paged() {
    let answer = |request: &Received| {
        let next = request.number_param("offset").unwrap_or(0) + 10;
        let next = (next < 23).then(|| format!("/items?offset={next}"));
        reply(&json!({"id": "bundle", "people": records(ids_at(request, 23)), "next": next}))
    };
    let case = Case::new(answer, json!({}), json!({})).await;
    assert_eq!(case.run().await.ended(), (0, Some(true), 23));
    let answer =
        |request: &Received| reply(&json!({"id": "bundle", "people": records(ids_at(request, 23)), "total": 23}));
    let case = Case::new(answer, json!({}), json!({})).await;
    assert_eq!(case.run().await.ended(), (0, Some(true), 23));
}

#[tokio::test]
async fn an_empty_list_without_the_place_of_its_records_is_no_row() {
    let scim = |count: u64| {
        let mut answer =
            json!({"schemas": ["urn:ListResponse"], "totalResults": count, "startIndex": 1, "itemsPerPage": count});
        if count > 0 {
            answer["Resources"] = records(1..=count);
        }
        answer
    };
    let google = json!({"kind": "calendar#events", "etag": "x"});
    for (empty, is_told) in [(scim(0), true), (google.clone(), false), (json!({"meta": {"result_count": 0}}), true)] {
        let case = Case::new(move |_| reply(&empty), json!({}), json!({})).await;
        let ran = case.run().await;
        assert_eq!(ran.ended(), (0, is_told.then_some(true), 0), "{ran:#?}");
    }
    let mut filled = google.clone();
    filled["items"] = records(1..=5);
    for (filled, empty) in [(scim(5), scim(0)), (filled, google)] {
        let (first, second, case) = two_runs(filled, empty, json!({"write_disposition": "replace"})).await;
        assert_eq!((first.exit, first.summary.table_rows), (0, 5), "{first:#?}");
        assert_eq!((second.exit, case.ids()), (0, Vec::new()), "{second:#?}");
    }
}

#[tokio::test]
async fn pages_without_the_place_of_records_lead_on_to_pages_that_have_it() {
    let answer = |request: &Received| match request.param("pageToken").as_deref() {
        None => reply(&json!({"kind": "drive#list", "nextPageToken": "a"})),
        Some("a") => reply(&json!({"kind": "drive#list", "nextPageToken": "b", "files": records(1..=3)})),
        Some("b") => reply(&json!({"kind": "drive#list", "nextPageToken": "c"})),
        _ => reply(&json!({"kind": "drive#list", "files": records(4..=5)})),
    };
    let case = Case::new(answer, json!({}), json!({})).await;
    let ran = case.run().await;
    assert_eq!((ran.ended(), case.ids()), ((0, Some(true), 5), vec![1, 2, 3, 4, 5]), "{ran:#?}");
}

#[tokio::test]
async fn an_object_in_place_of_the_list_that_was_there_is_an_error_and_leaves_the_table() {
    let later = json!({"id": 7, "v": "notice"});
    let (first, second, case) = two_runs(data(1..=5), later, json!({"write_disposition": "replace"})).await;
    assert_eq!((first.exit, second.exit, case.ids()), (0, 1, vec![1, 2, 3, 4, 5]), "{second:#?}");
}

/// The records that an API gives at `offset`, ten at a time, with whether more follow.
fn flagged(start: u64, rows: u64) -> Reply {
    let mut answer = data(start + 1..=rows.min(start + 10));
    answer["has_more"] = json!(start + 10 < rows);
    reply(&answer)
}

#[tokio::test]
async fn an_offset_that_counts_pages_is_not_walked_by_records_where_only_a_flag_leads_on() {
    for is_echoed in [false, true] {
        let answer = move |request: &Received| {
            let page = request.number_param("offset").unwrap_or(0);
            let mut answer = data(page * 10 + 1..=557.min(page * 10 + 10));
            answer["has_more"] = json!(page * 10 + 10 < 557);
            if is_echoed {
                add(&mut answer, &json!({"offset": page, "limit": 10}));
            }
            reply(&answer)
        };
        let ran = Case::new(answer, json!({}), json!({})).await.run().await;
        assert_eq!(ran.ended(), (6, Some(false), 0), "{ran:#?}");
    }
}

#[tokio::test]
async fn an_offset_that_counts_records_is_checked_once_and_walked() {
    let case = Case::new(
        |request: &Received| flagged(request.number_param("offset").unwrap_or(0), 57),
        json!({}),
        json!({"write_disposition": "merge"}),
    )
    .await;
    assert_eq!(case.run().await.ended(), (0, Some(true), 57));
    let targets = case.server.targets();
    assert_eq!(targets[..3], ["/items", "/items?offset=9&limit=10", "/items?offset=10&limit=10"]);
    assert_eq!(targets.len(), 7, "{targets:?}");
    assert_eq!(case.run().await.ended(), (0, Some(true), 57));
    assert_eq!(case.server.targets()[7], "/items?offset=0&limit=10", "what was found is kept");
}

#[tokio::test]
async fn probes_are_sent_one_by_one_and_eight_at_most() {
    let answer = |_: &Received| {
        let mut answer = data(1..=10);
        answer["meta"] = json!({"total": 2007});
        reply(&answer)
    };
    let case = Case::new(answer, json!({}), json!({})).await.with(|config| {
        config["client"]["max_concurrency"] = json!(20);
    });
    let ran = case.run().await;
    assert_eq!((ran.exit, ran.missing()), (6, Some((10, Some(2007)))), "{ran:#?}");
    assert!(case.server.targets().len() <= 9, "{:?}", case.server.targets());
    let paging = ran.summary.paging.unwrap();
    assert_eq!(paging.paginator.unwrap()["type"], "single_page", "a probe that failed is not what is reported");
}

#[tokio::test]
async fn a_probe_may_be_refused_in_any_way() {
    let refusals: [fn() -> Reply; 4] = [
        || Reply::json(r#"{"ok": false, "error": "unknown_parameter"}"#),
        || Reply::json(r#"{"message": "Forbidden"}"#).with_status(403),
        || Reply::json(r#"{"message": "Internal error"}"#).with_status(500),
        || Reply::json(r#"{"error": {"message": "Unknown argument"}}"#).with_status(422),
    ];
    for refuse in refusals {
        let answer = move |request: &Received| {
            if request.param("offset").or(request.param("page")).or(request.param("skip")).is_some() {
                return refuse();
            }
            let start = request.number_param("start").unwrap_or(0);
            let mut answer = data(start + 1..=57.min(start + 10));
            add(&mut answer, &json!({"ok": true, "total": 57}));
            reply(&answer)
        };
        let case = Case::new(answer, json!({}), json!({})).await;
        let ran = case.run().await;
        assert_eq!(ran.ended(), (0, Some(true), 57), "{ran:#?}");
    }
}

#[tokio::test]
async fn an_end_that_the_only_page_states_proves_it() {
    for beside in [
        json!({"has_more": false}),
        json!({"next": null}),
        json!({"isLast": true}),
        json!({"done": true}),
        json!({"meta": {"next_cursor": ""}}),
        json!({"startAt": 0, "maxResults": 100, "total": 10}),
    ] {
        let shown = beside.clone();
        let case = Case::new(move |request| page(request, 10, &beside), json!({}), json!({})).await;
        let ran = case.run().await;
        assert_eq!((ran.ended(), case.server.targets().len()), ((0, Some(true), 10), 1), "{shown}: {ran:#?}");
    }
    let case = Case::new(|request| page(request, 7, &json!({"incomplete_results": true})), json!({}), json!({})).await;
    let ran = case.run().await;
    assert_eq!((ran.ended(), ran.notes("`incomplete_results` is true")), ((0, None, 7), true), "{ran:#?}");
}

#[tokio::test]
async fn a_page_below_the_limit_that_it_names_is_all_there_is_to_see() {
    let answer = |request: &Received| {
        let mut answer = if request.number_param("offset").unwrap_or(0) > 0 { data([]) } else { data(1..=1) };
        add(&mut answer, &json!({"total": 4, "limit": 100, "offset": request.number_param("offset").unwrap_or(0)}));
        reply(&answer)
    };
    let ran = Case::new(answer, json!({}), json!({})).await.run().await;
    assert_eq!((ran.ended(), ran.warns("the API reports 4 records, and 1 came")), ((0, None, 1), true), "{ran:#?}");
}

#[tokio::test]
async fn a_slice_of_spring_a_table_of_datatables_and_a_count_of_pages_of_json_api_are_walked() {
    let spring = |request: &Received| {
        let page = request.number_param("page").unwrap_or(0);
        let start = page * 10;
        reply(&json!({
            "content": records(start + 1..=57.min(start + 10)), "size": 10, "number": page,
            "pageable": {"offset": start, "pageNumber": page, "pageSize": 10}, "last": start + 10 >= 57,
        }))
    };
    let table = |request: &Received| {
        let (start, length) =
            (request.number_param("start").unwrap_or(0), request.number_param("length").unwrap_or(10));
        let data = records(start + 1..=57.min(start + length));
        reply(&json!({"draw": 0, "recordsTotal": 57, "recordsFiltered": 57, "data": data}))
    };
    let json_api = |request: &Received| {
        let start = (request.number_param("page[number]").unwrap_or(1) - 1) * 10;
        let mut answer = data(start + 1..=57.min(start + 10));
        answer["meta"] = json!({"record-count": 57, "page-count": 6});
        reply(&answer)
    };
    type Answer = fn(&Received) -> Reply;
    let answers: [(&str, Answer, usize); 3] =
        [("spring", spring, 7), ("datatables", table, 6), ("json:api", json_api, 9)];
    for (api, answer, requests) in answers {
        let case = Case::new(answer, json!({}), json!({})).await;
        let ran = case.run().await;
        assert_eq!(ran.ended(), (0, Some(true), 57), "{api}: {ran:#?}");
        assert!(case.server.targets().len() <= requests, "{api}: {:?}", case.server.targets());
    }
}

#[tokio::test]
async fn where_the_end_is_not_known_few_pages_are_asked_for_behind_it() {
    for (pages, most) in [(2, 6), (4, 8), (10, 15), (30, 45)] {
        let rows = pages * 10 - 3;
        let answer = move |request: &Received| {
            let start = (request.number_param("page").unwrap_or(1) - 1) * 10;
            reply(&data(start + 1..=rows.min(start + 10).max(start)))
        };
        let endpoint =
            json!({"data_selector": "data", "paginator": {"type": "page_number", "base_page": 1, "total_path": null}});
        let case = Case::new(answer, endpoint, json!({})).await.with(|config| {
            config["client"]["max_concurrency"] = json!(20);
        });
        let ran = case.run().await;
        assert_eq!(ran.ended(), (0, Some(true), rows), "{ran:#?}");
        assert!(case.server.targets().len() <= most, "{pages} pages: {:?}", case.server.targets());
    }
}

#[tokio::test]
async fn a_total_that_equals_a_full_page_is_confirmed_by_one_request() {
    let honours = |request: &Received, rows: u64, total: u64| {
        let start = request.number_param("offset").unwrap_or(0);
        let mut answer = data(start + 1..=rows.min(start + 10).max(start));
        answer["total"] = json!(total);
        reply(&answer)
    };
    let case = Case::new(move |request| honours(request, 10, 10), json!({}), json!({})).await;
    assert_eq!((case.run().await.ended(), case.server.targets().len()), ((0, Some(true), 10), 2));
    // The number of the page's records under the name of a total.
    let case = Case::new(move |request| honours(request, 25, 10), json!({}), json!({})).await;
    let ran = case.run().await;
    assert_eq!((ran.exit, ran.summary.complete != Some(true) || ran.summary.table_rows == 25), (0, true), "{ran:#?}");
    // An API that ignores the parameter proves nothing.
    let case = Case::new(|_: &Received| page_of_ten(), json!({}), json!({})).await;
    let ran = case.run().await;
    assert_eq!((ran.ended(), ran.notes("exactly 10 records")), ((0, None, 10), true), "{ran:#?}");
    assert_eq!(case.server.targets().len(), 2);
}

fn page_of_ten() -> Reply {
    let mut answer = data(1..=10);
    answer["total"] = json!(10);
    reply(&answer)
}

#[tokio::test]
async fn an_empty_answer_at_a_position_that_the_page_repeats_proves_the_end() {
    let answer = |request: &Received| {
        let start = request.number_param("offset").unwrap_or(0);
        let mut answer = data(start + 1..=10.max(start));
        add(&mut answer, &json!({"offset": start, "limit": 10}));
        reply(&answer)
    };
    let case = Case::new(answer, json!({}), json!({})).await;
    assert_eq!((case.run().await.ended(), case.server.targets().len()), ((0, Some(true), 10), 2));
}
