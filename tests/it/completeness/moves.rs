//! Rows that move while pages are read: what is only suspected, how far the cursor moves, and when a result set is read again.

use super::*;

/// The list changes from `before` to `after` once its first page has been read; `has_total` adds the number of its rows.
async fn moving(before: Vec<Value>, after: Vec<Value>, has_total: bool, endpoint: Value, resource: Value) -> Case {
    let answer = move |request: &Received| {
        let since = request.number_param("since").unwrap_or(0);
        let list = if request.number == 1 { &before } else { &after };
        let rows: Vec<_> = list.iter().filter(|row| row["at"].as_u64().unwrap() >= since).collect();
        let offset = request.number_param("offset").unwrap() as usize;
        let mut answer = json!({"data": rows.iter().skip(offset).take(4).collect::<Vec<_>>()});
        if has_total {
            answer["total"] = rows.len().into();
        }
        reply(&answer)
    };
    let mut paged = json!({"data_selector": "data", "paginator": {"type": "offset", "limit": 4}});
    add(&mut paged, &endpoint);
    let columns = json!({"columns": [{"name": "id", "type": "int64"}, {"name": "at", "type": "int64"}]});
    let mut keys = json!({ "schema": columns });
    add(&mut keys, &resource);
    Case::new(answer, paged, keys).await
}

fn at(id: u64, at: u64) -> Value {
    json!({"id": id, "at": at})
}

fn incremental() -> Value {
    json!({"incremental": {"cursor_path": "at", "start_param": "since"}})
}

/// Rows 1 to 12 in the order of `at`; and the same after 1 to 4 were updated, which are the last ones then.
fn updated() -> (Vec<Value>, Vec<Value>) {
    let old: Vec<_> = (1..=12).map(|id| at(id, id)).collect();
    let new = (5..=12).map(|id| at(id, id)).chain((1..=4).map(|id| at(id, 100 + id))).collect();
    (old, new)
}

#[tokio::test]
async fn a_key_that_comes_twice_holds_the_cursor_at_the_end_of_the_page_before() {
    for has_total in [true, false] {
        for disposition in ["merge", "append"] {
            let (before, after) = updated();
            let resource = json!({"write_disposition": disposition});
            let case = moving(before, after, has_total, incremental(), resource).await;
            let first = case.run().await;
            assert_eq!((first.exit, first.summary.complete), (0, None), "{disposition}: {first:#?}");
            assert_eq!(first.summary.cursor, Some(json!(4)), "{disposition}: {first:#?}");
            assert!(first.warns("came twice"), "{first:#?}");
            let second = case.run().await;
            assert_eq!((second.exit, second.summary.complete), (0, Some(true)), "{disposition}: {second:#?}");
            let mut ids = case.ids();
            let rows = rows(&case.table(), &["id", "at"]);
            let distinct: std::collections::BTreeSet<_> = rows.iter().collect();
            assert_eq!(distinct.len(), rows.len(), "{disposition}: {rows:?}");
            ids.dedup();
            assert_eq!(ids, up_to(12), "{disposition}: {rows:?}");
            if disposition == "merge" {
                assert_eq!(rows.len(), 12);
            }
        }
    }
}

#[tokio::test]
async fn a_total_that_shrinks_holds_the_cursor_and_the_next_run_brings_what_slipped_past() {
    for disposition in ["merge", "append"] {
        let before = (1..=12).map(|id| at(id, id)).collect();
        // 1 and 2 are deleted: 5 and 6 are on page 1 now, which was read already.
        let after = (3..=12).map(|id| at(id, id)).collect();
        let case = moving(before, after, true, incremental(), json!({"write_disposition": disposition})).await;
        let first = case.run().await;
        assert_eq!(
            (first.exit, first.summary.complete, &first.summary.cursor),
            (0, None, &Some(json!(4))),
            "{first:#?}"
        );
        assert!(first.warns("the total went from 12 to 10"), "{first:#?}");
        let second = case.run().await;
        assert_eq!((second.exit, second.summary.complete, case.ids()), (0, Some(true), up_to(12)), "{second:#?}");
    }
}

#[tokio::test]
async fn where_cursor_values_do_not_ascend_a_suspicion_leaves_the_cursor_where_it_was() {
    let before: Vec<_> = (1..=12).rev().map(|id| at(id, id)).collect();
    let after = before[2..].to_vec();
    let case = moving(before, after, true, incremental(), json!({"write_disposition": "merge"})).await;
    let first = case.run().await;
    assert_eq!((first.exit, first.summary.complete, first.summary.cursor.clone()), (0, None, None), "{first:#?}");
}

#[tokio::test]
async fn keys_may_come_twice_under_dedup_sort_without_dedup_and_within_one_page() {
    let twice = vec![at(1, 1), at(2, 2), at(3, 3), at(4, 4), at(5, 5), at(6, 6), at(7, 7), at(8, 8), at(1, 9)];
    let sorted = json!({"schema": {"columns": [{"name": "id", "type": "int64"}, {"name": "at", "type": "int64"}]},
        "columns": {"at": {"dedup_sort": "desc"}}});
    let kept = json!({"dedup": false});
    for resource in [sorted, kept] {
        let case = moving(twice.clone(), twice.clone(), false, json!({}), resource.clone()).await;
        let ran = case.run().await;
        assert_eq!((ran.exit, ran.summary.complete), (0, Some(true)), "{resource}: {ran:#?}");
    }
    let on_one_page = vec![at(1, 1), at(1, 2), at(2, 3), at(3, 4), at(4, 5)];
    let ran = moving(on_one_page.clone(), on_one_page, false, json!({}), json!({})).await.run().await;
    assert_eq!(ran.ended(), (0, Some(true), 4), "{ran:#?}");
    let ran = moving(twice.clone(), twice, false, json!({}), json!({})).await.run().await;
    assert_eq!(ran.ended(), (0, None, 8), "{ran:#?}");
    assert!(ran.warns("1 key came twice"), "{ran:#?}");
}

#[tokio::test]
async fn a_total_that_grew_and_was_reached_is_a_note() {
    let before: Vec<_> = (1..=8).map(|id| at(id, id)).collect();
    let after = (1..=10).map(|id| at(id, id)).collect();
    let ran = moving(before, after, true, json!({}), json!({})).await.run().await;
    assert_eq!((ran.ended(), ran.summary.warnings.clone()), ((0, Some(true), 10), Vec::new()), "{ran:#?}");
    assert!(ran.notes("grew from 8 to 10"), "{ran:#?}");
}

#[tokio::test]
async fn a_page_that_begins_with_the_end_of_the_page_before_loses_nothing() {
    let before: Vec<_> = (1..=10).map(|id| at(id, id)).collect();
    // A row came in before them.
    let after: Vec<_> = std::iter::once(at(0, 0)).chain(before.iter().cloned()).collect();
    for has_total in [true, false] {
        let ran = moving(before.clone(), after.clone(), has_total, json!({}), json!({})).await.run().await;
        assert_eq!((ran.exit, ran.summary.table_rows), (0, 10), "{ran:#?}");
        assert!(ran.notes("rows came in before them") && !ran.warns("moved"), "{ran:#?}");
    }
}

#[tokio::test]
async fn a_total_that_is_larger_by_one_after_a_complete_walk_is_a_warning() {
    for disposition in ["append", "merge", "replace"] {
        let answer = |request: &Received| page(request, 20, &json!({"total": 21}));
        let ran = Case::new(answer, tens(), json!({"write_disposition": disposition})).await.run().await;
        // Under `replace` both passes agree.
        assert_eq!(ran.ended(), (0, None, 20), "{disposition}: {ran:#?}");
        assert!(ran.warns("21 records"), "{disposition}: {ran:#?}");
    }
}

#[tokio::test]
async fn windows_after_a_suspicion_do_not_commit() {
    let moves = Arc::new(Mutex::new(true));
    let moving = Arc::clone(&moves);
    let answer = move |request: &Received| {
        let (since, until) = (request.number_param("since").unwrap(), request.number_param("until").unwrap());
        let offset = request.number_param("offset").unwrap();
        let is_moved = *moving.lock().unwrap() && since < 10 && offset > 0;
        let all: Vec<_> = (since.max(1)..until).collect();
        // Two rows of the first window are gone from its beginning once page 1 has been read.
        let list = if is_moved { &all[2..] } else { &all[..] };
        let page: Vec<_> = list.iter().skip(offset as usize).take(4).map(|id| at(*id, *id)).collect();
        reply(&json!({"data": page, "total": list.len()}))
    };
    let endpoint = json!({
        "data_selector": "data", "paginator": {"type": "offset", "limit": 4},
        "incremental": {"cursor_path": "at", "initial_value": 0, "end_value": 30, "start_param": "since",
            "end_param": "until", "window": {"step": 10}},
    });
    let columns = json!({"columns": [{"name": "id", "type": "int64"}, {"name": "at", "type": "int64"}]});
    let case = Case::new(answer, endpoint, json!({"write_disposition": "append", "schema": columns})).await;
    let first = case.run().await;
    assert_eq!((first.exit, first.summary.complete), (0, None), "{first:#?}");
    assert_eq!(case.ids(), Vec::<u64>::new(), "{first:#?}");
    assert!(first.warns("2 later windows were not committed"), "{first:#?}");
    *moves.lock().unwrap() = false;
    let second = case.run().await;
    assert_eq!((second.exit, case.ids()), (0, up_to(29)), "{second:#?}");
}

/// A list from whose beginning a row goes after each of the first `moves` requests.
async fn draining(moves: usize, endpoint: Value, resource: Value) -> Case {
    let answer = move |request: &Received| {
        let gone = (request.number - 1).min(moves);
        let list: Vec<_> = (1 + gone as u64..=20).collect();
        let offset = request.number_param("offset").unwrap() as usize;
        let mut answer = data(list.iter().skip(offset).take(3).copied());
        answer["total"] = list.len().into();
        reply(&answer)
    };
    let mut paged = json!({"data_selector": "data", "paginator": {"type": "offset", "limit": 3}});
    add(&mut paged, &endpoint);
    Case::new(answer, paged, resource).await
}

#[tokio::test]
async fn replace_reads_a_moved_result_set_again_and_commits_a_clean_second_pass() {
    for resource in
        [json!({"write_disposition": "replace"}), json!({"write_disposition": "merge", "on_missing": "delete"})]
    {
        let case = draining(2, json!({}), resource.clone()).await;
        let ran = case.run().await;
        assert_eq!((ran.exit, ran.summary.complete), (0, Some(true)), "{resource}: {ran:#?}");
        // What pass 1 brought of rows that have gone since is not taken back.
        assert!((3..=20).all(|id| case.ids().contains(&id)), "{resource}: {:?}", case.ids());
        assert!(ran.notes("read 2 times") || ran.warns("read 2 times"), "{ran:#?}");
    }
}

#[tokio::test]
async fn replace_leaves_the_table_where_rows_move_in_both_passes() {
    let case = draining(1_000, json!({}), json!({"write_disposition": "replace"})).await;
    let ran = case.run().await;
    assert_eq!((ran.exit, ran.summary.complete, case.ids()), (3, None, Vec::new()), "{ran:#?}");
    assert_eq!(ran.summary.error.as_ref().map(|error| error.code.as_str()), Some("list_moved"));
}

#[tokio::test]
async fn on_drift_warn_replaces_by_one_pass() {
    for at_paginator in [true, false] {
        let endpoint = match at_paginator {
            true => json!({"paginator": {"type": "offset", "limit": 3, "on_drift": "warn"}}),
            false => json!({"on_drift": "warn"}),
        };
        let case = draining(1_000, endpoint, json!({"write_disposition": "replace"})).await;
        let ran = case.run().await;
        assert_eq!((ran.exit, ran.summary.complete, ran.summary.table_version), (0, None, 1), "{ran:#?}");
        assert!(ran.warns("the total went from"), "{ran:#?}");
    }
}

#[tokio::test]
async fn replace_commits_what_two_passes_agree_on() {
    // The API has the key 1 on its first page and on its third one, always.
    let twice = vec![at(1, 1), at(2, 2), at(3, 3), at(4, 4), at(5, 5), at(6, 6), at(7, 7), at(8, 8), at(1, 9)];
    for has_total in [true, false] {
        let case =
            moving(twice.clone(), twice.clone(), has_total, json!({}), json!({"write_disposition": "replace"})).await;
        let ran = case.run().await;
        assert_eq!((ran.ended(), case.ids()), ((0, None, 8), up_to(8)), "{ran:#?}");
        // Three pages each, and the empty one where no total ends the walk.
        assert_eq!(case.server.requests().len(), if has_total { 6 } else { 8 });
    }
}
