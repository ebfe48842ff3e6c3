//! Exactly what no kept version needs goes, and states move.

use std::{fs, time::Duration};

use restlake::maintain::{PipelineState, Vacuumed};

use super::*;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

async fn vacuum(kept: &Kept, retain: Duration, dry_run: bool) -> Vacuumed {
    let lake = kept.keeper();
    lake.vacuum(&lake.plan().resources[0], retain, dry_run).await.unwrap()
}

fn paths(vacuumed: &Vacuumed) -> Vec<&str> {
    vacuumed.objects.iter().map(|object| object.path.as_str()).collect()
}

fn put(kept: &Kept, path: &str, content: &str) {
    let path = kept.table().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn what_dead_runs_left_goes_and_what_is_somebody_elses_or_young_stays() {
    let kept = Kept::partitioned("replace");
    kept.run(items(1, 20)).await;
    kept.run(items(1, 20)).await;
    let whole = everything(&kept.table());
    let goes = [
        "_restlake/rejects/20200101T000000000Z-0badcafe.jsonl",
        "_restlake/runs/20200101T000000000Z-0badcafe.json",
        "_restlake/staging/00000000000000000003-0badcafe/part-0000000003-00000-00000.parquet.staged",
        "status=done/created_at_month=2025-01/part-0000000001-00000-00000.parquet",
    ];
    let stays = [
        "_restlake/rejects/29990101T000000000Z-0badcafe.jsonl",
        "_restlake/runs/notes.json",
        "_restlake/notes.txt",
        "status=done/data.parquet",
        "part-1.parquet",
    ];
    for path in goes.iter().chain(&stays) {
        put(&kept, path, "12345");
    }
    let before = everything(&kept.table());
    let planned = vacuum(&kept, WEEK, true).await;
    assert_eq!((paths(&planned), planned.bytes), (goes.to_vec(), 20), "in order of the paths");
    assert_eq!(everything(&kept.table()), before, "a dry run changes nothing");
    assert_eq!(vacuum(&kept, WEEK, false).await, planned);
    let mut left = everything(&kept.table());
    for path in stays {
        assert!(left.remove(path).is_some(), "{path}");
    }
    assert_eq!(left, whole);
    assert_eq!(vacuum(&kept, WEEK, false).await, Vacuumed::default(), "a second time there is nothing");
}

#[tokio::test]
async fn rejects_stay_while_a_run_is_at_work_on_the_table() {
    let kept = Kept::partitioned("replace");
    kept.run(items(1, 20)).await;
    let rejects = "_restlake/rejects/20200101T000000000Z-0badcafe.jsonl";
    let now = chrono::Utc::now().to_rfc3339();
    let owner =
        json!({"host": "elsewhere", "machine": "m", "pid": 1, "started": 1, "started_at": now, "renewed_at": now});
    put(&kept, rejects, "{}");
    put(&kept, "_restlake/staging/00000000000000000002-0badcafe/owner.json", &owner.to_string());
    assert_eq!(vacuum(&kept, WEEK, false).await, Vacuumed::default());
    fs::remove_dir_all(kept.table().join("_restlake/staging")).unwrap();
    assert_eq!(paths(&vacuum(&kept, WEEK, false).await), [rejects]);
}

#[tokio::test]
async fn a_vacuum_stops_when_it_is_asked_to() {
    let kept = Kept::partitioned("replace");
    kept.run(items(1, 20)).await;
    put(&kept, "_restlake/runs/20200101T000000000Z-0badcafe.json", "{}");
    let before = everything(&kept.table());
    let environment = Environment::real();
    environment.shutdown.cancel();
    let lake = kept.keeper_in(environment);
    let error = lake.vacuum(&lake.plan().resources[0], WEEK, false).await.unwrap_err();
    assert_eq!((error.code(), everything(&kept.table()) == before), ("interrupted", true));
}

#[tokio::test]
async fn the_newest_fifty_commits_and_the_full_list_that_they_build_on_stay() {
    let kept = Kept::new(json!({"write_disposition": "append"}));
    for id in 1..=103 {
        kept.run(items(id, id)).await;
    }
    assert_eq!(vacuum(&kept, WEEK, true).await, Vacuumed::default(), "they are young");
    let vacuumed = vacuum(&kept, Duration::ZERO, false).await;
    let commits: Vec<_> = paths(&vacuumed).into_iter().filter(|path| path.starts_with("_restlake/commits/")).collect();
    assert_eq!(commits.len(), 49, "versions 1 to 49; 54 to 103 build on 50: {commits:?}");
    assert!(kept.data_files().len() == 103 && kept.problems().await.is_empty());
    kept.run(items(200, 200)).await;
    assert_eq!(kept.verify(false).await.unwrap().rows, 104);
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_not_made() {
    let kept = Kept::partitioned("replace");
    assert_eq!(vacuum(&kept, WEEK, false).await, Vacuumed::default());
    assert!(!kept.lake().exists());
}

async fn export(kept: &Kept) -> PipelineState {
    let lake = kept.keeper();
    let resource = &lake.plan().resources[0];
    let table = lake.look(resource).unwrap();
    let state = maintain::export_state(table.as_ref(), &lake.identity(resource), resource).await.unwrap();
    PipelineState::new(lake.plan().pipeline.clone(), state.into_iter().collect())
}

#[tokio::test]
async fn a_state_moves_into_a_table_that_does_not_exist_yet() {
    let from = Kept::partitioned("append");
    from.run(items(1, 20)).await;
    from.change_commit(1, |commit| commit["state"]["cursor"] = json!("2025-06-01"));
    let state = export(&from).await;
    let text = serde_json::to_vec(&state).unwrap();
    assert_eq!(PipelineState::parse(&text, "state.json").unwrap(), state);

    let to = Kept::partitioned("append");
    let lake = to.keeper();
    let resource = &lake.plan().resources[0];
    let imported = lake.import(resource, state.for_table("p", resource, true, false).unwrap()).await.unwrap();
    assert_eq!((imported.version, imported.is_new), (1, true));
    assert_eq!(export(&to).await.tables[0].state, state.tables[0].state);
    assert_eq!(to.problems().await, []);
    to.run(items(21, 30)).await;
    let verified = to.verify(false).await.unwrap();
    assert_eq!((verified.rows, verified.findings), (10, Vec::new()), "the empty file went with the first rows");
}

#[tokio::test]
async fn a_state_moves_into_a_table_with_rows_and_leaves_them() {
    let from = Kept::partitioned("append");
    from.run(items(1, 20)).await;
    from.change_commit(1, |commit| commit["state"]["cursor"] = json!(7));
    let state = export(&from).await;
    let to = Kept::partitioned("append");
    to.run(items(1, 5)).await;
    let before = to.data_files();
    let lake = to.keeper();
    let resource = &lake.plan().resources[0];
    let imported = lake.import(resource, &state.tables[0]).await.unwrap();
    assert_eq!((imported.version, imported.is_new), (2, false));
    assert_eq!((to.data_files(), export(&to).await.tables[0].state.cursor.clone()), (before, Some(json!(7))));
    assert_eq!(to.problems().await, []);
}

#[tokio::test]
async fn other_names_are_refused_unless_they_are_forced() {
    let kept = Kept::partitioned("append");
    kept.run(items(1, 5)).await;
    let mut state = export(&kept).await;
    let lake = kept.keeper();
    let resource = &lake.plan().resources[0];
    let code = |state: &PipelineState, force| {
        state.for_table("p", resource, true, force).map(|table| table.version).map_err(|error| error.code())
    };
    state.pipeline = "other".into();
    assert_eq!(code(&state, false).unwrap_err(), "another_pipeline");
    assert!(code(&state, true).is_ok());
    state.pipeline = "p".into();
    state.tables[0].resource = "other".into();
    assert_eq!(code(&state, false).unwrap_err(), "no_state");
    assert!(code(&state, true).is_ok());
    let newer = br#"{"format": 9}"#;
    assert_eq!(PipelineState::parse(newer, "f").unwrap_err().code(), "state_newer_format");
    assert_eq!(PipelineState::parse(b"{}", "f").unwrap_err().code(), "state_file");
}
