//! What happened to a table: its versions, and the runs on it.

use std::collections::BTreeMap;

use restlake::{
    commit::{RUNS_KEPT, RunRecord, TableSnapshot},
    model::Operation,
    report::Status,
};

use super::fixture::{Lake, TABLE, World, assert_whole, write};

pub async fn every_version_can_be_looked_at(lake: Lake) {
    let table = lake.open(&World::new()).await;
    assert_eq!((table.newest().await.unwrap(), table.history(10).await.unwrap()), (0, Vec::new()));
    let mut snapshots = vec![TableSnapshot::default()];
    for (operation, run_id) in [(Operation::Append, "a"), (Operation::Merge, "b"), (Operation::Replace, "c")] {
        let _ = write(&*table, operation, 2, run_id).await.unwrap();
        snapshots.push(table.snapshot().await.unwrap());
    }
    for (version, snapshot) in snapshots.iter().enumerate() {
        assert_eq!(table.snapshot_at(version as u64).await.unwrap(), *snapshot);
    }
    assert!(table.snapshot_at(4).await.is_err());

    let history = table.history(10).await.unwrap();
    let told: Vec<_> =
        history.iter().map(|record| (record.version, record.run_id.as_str(), record.operation)).collect();
    assert_eq!(told, [(3, "c", Operation::Replace), (2, "b", Operation::Merge), (1, "a", Operation::Append)]);
    assert_eq!(history[0].adds, snapshots[3].files);
    let removed: Vec<_> = snapshots[2].files.iter().map(|file| file.path.clone()).collect();
    assert_eq!((&history[0].removes, history[1].removes.len()), (&removed, 0));
    assert_eq!(Some(&history[0].schema), snapshots[3].schema.as_ref());
    assert_eq!(history[0].state, snapshots[3].state);
    assert_eq!(table.history(2).await.unwrap(), history[..2]);
    assert_eq!(table.commit_at(2).await.unwrap().as_ref(), Some(&history[1]));
    assert_eq!(table.commit_at(4).await.unwrap(), None);
}

fn record(number: usize) -> RunRecord {
    RunRecord {
        run_id: format!("20261122T{number:09}Z-0badcafe"),
        pipeline: "test_management".into(),
        resource: TABLE.into(),
        status: if number.is_multiple_of(2) { Status::Ok } else { Status::Failed },
        started_at: "2026-11-22T12:00:00Z".into(),
        finished_at: "2026-11-22T12:00:01Z".into(),
        version: number.is_multiple_of(2).then_some(number as u64),
        counters: BTreeMap::from([("rows_fetched".to_owned(), number as u64)]),
        complete: Some(true),
        incomplete: None,
        error: (!number.is_multiple_of(2)).then(|| "cannot read it: \"é\"".to_owned()),
    }
}

pub async fn the_last_hundred_runs_are_on_record(lake: Lake) {
    let table = lake.open(&World::new()).await;
    let workspace = table.workspace();
    assert_eq!(workspace.runs(5).await.unwrap(), Vec::new());
    for number in 0..RUNS_KEPT + 2 {
        workspace.record(&record(number)).await.unwrap();
    }
    // A resource's record may be written again.
    workspace.record(&RunRecord { version: Some(7), ..record(RUNS_KEPT) }).await.unwrap();
    let runs = workspace.runs(usize::MAX).await.unwrap();
    assert_eq!(runs.len(), RUNS_KEPT);
    assert_eq!((&runs[0], &runs[RUNS_KEPT - 1]), (&record(RUNS_KEPT + 1), &record(2)));
    assert_eq!(runs[1].version, Some(7));
    assert_eq!(workspace.runs(3).await.unwrap(), runs[..3]);
    // A table that has runs on record, and no commit, is a table.
    assert_whole(&lake, &*lake.open(&World::new()).await).await;
}

pub async fn records_of_others_are_left_alone(lake: Lake) {
    let table = lake.open(&World::new()).await;
    let theirs = ["_restlake/runs/00000000.json", "_restlake/runs/below/20261122T000000000Z-0badcafe.json"];
    for path in theirs {
        lake.put(path, "theirs").await;
    }
    lake.put("_restlake/runs/20261121T000000000Z-0badcafe.json", "cut off").await;
    for number in 0..2 {
        table.workspace().record(&record(number)).await.unwrap();
    }
    assert_eq!(table.workspace().runs(10).await.unwrap(), [record(1), record(0)], "what can't be read is left out");
    for number in 2..=RUNS_KEPT {
        table.workspace().record(&record(number)).await.unwrap();
    }
    let objects = lake.objects().await;
    assert!(theirs.iter().all(|path| objects.contains_key(*path)));
    assert!(!objects.contains_key("_restlake/runs/20261121T000000000Z-0badcafe.json"), "it has the name of a record");
    for run_id in ["../commits/1", "run", ""] {
        let error = table.workspace().record(&RunRecord { run_id: run_id.into(), ..record(0) }).await.unwrap_err();
        assert_eq!(error.code(), "run_id");
    }
}
