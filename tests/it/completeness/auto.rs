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
    let (first, second, case) =
        two_runs(data(1..=5), later, json!({"write_disposition": "replace"})).await;
    assert_eq!((first.exit, second.exit, case.ids()), (0, 1, vec![1, 2, 3, 4, 5]), "{second:#?}");
}
