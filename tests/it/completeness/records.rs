//! Where completeness is kept and shown: exit codes of the program, `restlake status`, run records, and what `auto` has found.

use super::*;

/// Runs the program in the lake's directory with the config as a file.
fn restlake(case: &Case, arguments: &[&str]) -> (Option<i32>, Value) {
    let path = case.lake.path().join("p.yaml");
    std::fs::write(&path, case.config.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    let arguments =
        arguments.iter().map(|argument| if *argument == "CONFIG" { path.to_str().unwrap() } else { argument });
    let output = command.args(arguments).args(["--output", "json", "--progress", "none"]).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_exits_with_6_and_status_and_run_records_show_the_completeness_of_runs() {
    let total = Arc::new(Mutex::new(25));
    let stated = Arc::clone(&total);
    let answer = move |request: &Received| match request.number_param("offset") {
        Some(30..) => Reply::status(404),
        _ => page(request, 30, &json!({"total": *stated.lock().unwrap()})),
    };
    let case = Case::new(answer, tens(), json!({"write_disposition": "merge"})).await;
    for (known, code, complete) in [(30, 0, json!(true)), (95, 6, json!(false)), (31, 6, json!(false))] {
        *total.lock().unwrap() = known;
        let (exit, document) = restlake(&case, &["run", "CONFIG"]);
        let resource = &document["resources"][0];
        assert_eq!((exit, &resource["complete"]), (Some(code), &complete), "{document:#}");
        assert_eq!(document["status"], if code == 6 { "incomplete" } else { "ok" });
        assert_eq!(resource["status"], if code == 6 { "incomplete" } else { "ok" });
        if code == 6 {
            assert_eq!(
                (&resource["incomplete"]["received"], &resource["incomplete"]["expected"]),
                (&json!(30), &json!(known))
            );
            assert_eq!((&resource["table_version"], &resource["table_rows"]), (&json!(1), &json!(30)));
        }
    }
    let (exit, document) = restlake(&case, &["status", "CONFIG"]);
    let shown = document.to_string();
    assert_eq!(exit, Some(0), "{shown}");
    let runs = &document["tables"][0]["runs"];
    let completes: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["complete"].clone()).collect();
    assert_eq!(completes, [json!(false), json!(false), json!(true)], "{shown}");
    assert_eq!(runs[1]["incomplete"]["expected"], 95, "{shown}");
    assert_eq!(runs[1]["status"], "incomplete");
    let records = crate::support::tables::walk(&case.table());
    let records: Vec<Value> = records
        .iter()
        .filter(|(path, _)| path.starts_with("_restlake/runs/"))
        .map(|(_, content)| serde_json::from_slice(content).unwrap())
        .collect();
    let with = |complete: Value| records.iter().filter(|record| record["complete"] == complete).count();
    assert_eq!((records.len(), with(json!(true)), with(json!(false))), (3, 1, 2), "{records:#?}");
}

/// 25 records by `skip` and `limit`, which nothing in the answers leads to: `offset` and `page` are ignored.
fn by_skip(request: &Received) -> Reply {
    let start = request.number_param("skip").unwrap_or(0);
    let mut answer = data(start + 1..=25.min(start + 10));
    answer["total"] = json!(25);
    reply(&answer)
}

#[tokio::test]
async fn auto_keeps_the_paginator_that_it_found_and_looks_again_only_where_it_has_to() {
    let mut case = Case::new(by_skip, json!({}), json!({"write_disposition": "merge"})).await;
    let mut seen = 0;
    let mut asked = |case: &Case| {
        let all = case.server.requests().len();
        std::mem::replace(&mut seen, all).abs_diff(all)
    };
    let first = case.run().await;
    assert_eq!(first.ended(), (0, Some(true), 25), "{first:#?}");
    let probed = asked(&case);
    assert!((4..=11).contains(&probed), "{:?}", case.server.targets());
    let paging = first.summary.paging.clone().unwrap();
    assert_eq!((paging.records.as_deref(), paging.detected), (Some("data"), true));
    assert_eq!(paging.paginator.as_ref().unwrap()["type"], "offset");

    let second = case.run().await;
    assert_eq!((second.ended(), asked(&case)), ((0, Some(true), 25), 3), "{:?}", case.server.targets());
    assert_eq!(second.summary.paging.clone().map(|paging| paging.detected), Some(true), "{second:#?}");

    let refreshed = case.run_with(&Overrides { full_refresh: true, ..Overrides::default() }).await;
    assert_eq!((refreshed.ended(), asked(&case)), ((0, Some(true), 25), probed), "{refreshed:#?}");
    assert_eq!((case.run().await.ended(), asked(&case)), ((0, Some(true), 25), 3));

    case.config["resources"][0]["endpoint"]["params"] = json!({"archived": false});
    assert_eq!((case.run().await.ended(), asked(&case)), ((0, Some(true), 25), probed));
}

#[tokio::test]
async fn auto_never_keeps_that_one_page_is_all() {
    let count = Arc::new(Mutex::new(7_u64));
    let now = Arc::clone(&count);
    let answer = move |request: &Received| {
        let (count, start) = (*now.lock().unwrap(), request.number_param("offset").unwrap_or(0));
        let mut answer = data(start + 1..=count.min(start + 10));
        answer["total"] = count.into();
        reply(&answer)
    };
    let case = Case::new(answer, json!({}), json!({"write_disposition": "merge"})).await;
    assert_eq!(case.run().await.ended(), (0, Some(true), 7));
    *count.lock().unwrap() = 25;
    let second = case.run().await;
    assert_eq!(second.ended(), (0, Some(true), 25), "{second:#?}");
}

#[tokio::test]
async fn probes_are_at_most_eight_get_requests_and_never_of_children() {
    let stuck = |request: &Received| {
        let mut answer = data(1..=10);
        answer["total"] = json!(95);
        assert_eq!(request.method, "GET");
        reply(&answer)
    };
    let case = Case::new(stuck, json!({}), json!({})).await;
    assert_eq!(case.run().await.ended(), (6, Some(false), 0));
    assert!(case.server.requests().len() <= 9, "{:?}", case.server.targets());

    let family = |request: &Received| match request.path.as_str() {
        "/parents" => reply(&data(1..=3)),
        _ => {
            let mut answer = data(1..=10);
            answer["total"] = json!(95);
            reply(&answer)
        }
    };
    let case = Case::new(family, json!({}), json!({})).await.with(|config| {
        let columns = json!({"columns": [{"name": "id", "type": "int64"}]});
        config["resources"] = json!([
            {"name": "parents", "selected": false, "schema": columns, "endpoint": {"path": "parents"}},
            {"name": "items", "schema": columns, "endpoint": {"path": "parents/{resources.parents.id}/items"}},
        ]);
    });
    let outcome = run_plan(plan_with(&case.config.to_string(), &Overrides::default())).await;
    assert_eq!(Exit::of(&outcome.kinds) as u8, 6, "{outcome:#?}");
    let targets = case.server.targets();
    assert!(
        targets.iter().filter(|target| target.contains("items")).all(|target| !target.contains('?')),
        "{targets:?}"
    );
}
