//! Commits, attempts and rejects, where nobody dies and nobody races but for the commit itself.

use std::sync::Arc;

use object_store::ObjectStoreExt;
use restlake::{
    ErrorKind,
    commit::{CommitOutcome, TableSnapshot},
    model::{Commit, Operation, Reject, TableIdentity},
};
use tokio::task::JoinSet;

use super::fixture::{Lake, TABLE, World, assert_whole, commit, committed, end, files, identity, stage_all, write};

pub async fn of_32_tasks_that_commit_the_same_version_exactly_one_wins(lake: Lake) {
    let world = World::new();
    let mut tasks = JoinSet::new();
    let start = Arc::new(tokio::sync::Barrier::new(32));
    for number in 0..32 {
        let table = lake.open(&world).await;
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            let run_id = format!("run-{number}");
            let attempt = table.attempt(0).await.unwrap();
            let adds = stage_all(&attempt, files(1, 2, &run_id)).await.unwrap();
            start.wait().await;
            let outcome = table.commit(0, commit(Operation::Append, adds, vec![], &run_id)).await.unwrap();
            // What won is not given up; the loser is as it was, until somebody decides.
            attempt.abandon().await.unwrap();
            end(&*table).await.unwrap();
            (run_id, outcome)
        });
    }
    let outcomes = tasks.join_all().await;
    let winners: Vec<_> =
        outcomes.iter().filter(|(_, outcome)| matches!(outcome, CommitOutcome::Committed { .. })).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    let (winner, _) = winners[0];
    for (run_id, outcome) in outcomes.iter().filter(|(run_id, _)| run_id != winner) {
        let lost = CommitOutcome::Conflict { version: 1, run_id: winner.clone() };
        assert_eq!(*outcome, lost, "{run_id}");
    }
    assert_whole(&lake, &*lake.open(&world).await).await;
    for content in lake.data().await.values() {
        assert!(content.starts_with(format!("{winner} 1 ").as_bytes()), "{content:?}");
    }
}

pub async fn an_append_adds_and_a_replace_leaves_only_its_own(lake: Lake) {
    let table = lake.open(&World::new()).await;
    assert_eq!(table.snapshot().await.unwrap(), TableSnapshot::default());
    for (version, operation) in [(1, Operation::Merge), (2, Operation::Append), (3, Operation::Replace)] {
        let outcome = write(&*table, operation, 3, "a run").await.unwrap();
        let rows = if version == 2 { 66 } else { 33 };
        assert_eq!(committed(&outcome), Some((version, rows)));
        let CommitOutcome::Committed { files, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(files, table.commit_at(version).await.unwrap().unwrap().adds);
        assert_whole(&lake, &*table).await;
    }
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!((snapshot.version, snapshot.files.len(), snapshot.rows), (3, 3, 33));
    assert_eq!(snapshot.identity, Some(identity()));
    assert_eq!(snapshot.partition_by, ["status"]);
    assert_eq!(snapshot.files[1].partition, [("status".to_owned(), Some("a/b".to_owned()))]);
    assert_eq!(snapshot.schema.unwrap().columns[0].name, "test_case_id");
    // The name as it is, not encoded a second time.
    assert!(lake.data().await.contains_key("status=a%2Fb/part-0000000003-00000-001.parquet"));
}

pub async fn an_empty_commit_moves_the_state_on_and_leaves_the_files(lake: Lake) {
    let table = lake.open(&World::new()).await;
    let _ = write(&*table, Operation::Append, 2, "first").await.unwrap();
    let before = table.snapshot().await.unwrap();
    let outcome = table.commit(1, commit(Operation::Append, vec![], vec![], "second")).await.unwrap();
    assert_eq!(committed(&outcome), Some((2, 21)));
    end(&*table).await.unwrap();
    let after = table.snapshot().await.unwrap();
    assert_eq!(after.files, before.files);
    assert_eq!(after.state.cursor, Some("second".into()));
    assert_whole(&lake, &*table).await;
}

pub async fn more_commits_than_a_full_list_covers_give_the_same_table(lake: Lake) {
    let table = lake.open(&World::new()).await;
    for version in 1..=53_u64 {
        let operation = if version == 30 { Operation::Replace } else { Operation::Append };
        let _ = write(&*table, operation, 1, &format!("run {version}")).await.unwrap();
    }
    // Nobody reads what lies before the last full list.
    for version in 1..=49 {
        let commit = lake.path(&format!("_restlake/commits/{version:020}.json"));
        lake.store.store.delete(&commit).await.unwrap();
    }
    let snapshot = table.snapshot().await.unwrap();
    assert_eq!((snapshot.version, snapshot.files.len()), (53, 24));
    assert_whole(&lake, &*table).await;
}

pub async fn files_of_others_are_refused_and_left_alone(lake: Lake) {
    lake.put("status=active/data.csv", "theirs").await;
    let error = lake.try_open(&World::new()).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), ("foreign_files", ErrorKind::User));
    assert!(error.to_string().contains("status=active/data.csv"), "{error}");
    assert_eq!(lake.objects().await.len(), 1);
}

pub async fn a_newest_commit_that_is_lost_or_emptied_is_an_error_and_no_step_back(lake: Lake) {
    let world = World::new();
    for run in ["first", "second"] {
        let _ = write(&*lake.open(&world).await, Operation::Append, 2, run).await.unwrap();
    }
    let is_commit = |path: &&String| path.starts_with("_restlake/commits/") || path.starts_with("_delta_log/");
    let newest = lake.objects().await.keys().rfind(is_commit).unwrap().clone();
    let table = lake.open(&world).await;
    let content = lake.objects().await[&newest].clone();
    let data = lake.data().await;
    for (change, code) in [("", "commit_corrupt"), ("gone", "commit_missing")] {
        match change {
            "" => lake.put(&newest, "").await,
            _ => lake.store.store.delete(&lake.path(&newest)).await.unwrap(),
        }
        let error = lake.try_open(&world).await.err().unwrap();
        assert_eq!((error.code(), error.kind()), (code, ErrorKind::User), "{error}");
        assert!(error.to_string().contains(&newest), "{error}");
        let flaws = table.audit().await.unwrap();
        assert_eq!(flaws.iter().map(|flaw| (&flaw.object, flaw.code)).collect::<Vec<_>>(), [(&newest, code)]);
        assert_eq!(lake.data().await, data);
    }
    lake.store.store.put(&lake.path(&newest), content.into()).await.unwrap();
    assert_whole(&lake, &*lake.open(&world).await).await;
}

pub async fn a_table_of_another_pipeline_or_resource_is_refused(lake: Lake) {
    let world = World::new();
    let _ = write(&*lake.open(&world).await, Operation::Append, 1, "run").await.unwrap();
    let other_pipeline = TableIdentity { pipeline: "other".into(), ..identity() };
    let other_resource = TableIdentity { resource: "other".into(), ..identity() };
    for other in [other_pipeline, other_resource] {
        let error = lake.try_open_as(&world, other).await.err().unwrap();
        assert_eq!((error.code(), error.kind()), ("another_table", ErrorKind::User));
        assert!(error.to_string().contains("`test_management`"), "{error}");
    }
}

pub async fn an_abandoned_attempt_leaves_nothing(lake: Lake) {
    let table = lake.open(&World::new()).await;
    let attempt = table.attempt(0).await.unwrap();
    let _ = stage_all(&attempt, files(1, 3, "run")).await.unwrap();
    assert_eq!(lake.data().await.len(), 0);
    attempt.abandon().await.unwrap();
    assert!(lake.objects().await.is_empty());
    if let Some(directory) = &lake.directory {
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "empty directories are left");
    }
}

pub async fn a_staged_file_can_be_read_back_and_discarded(lake: Lake) {
    let table = lake.open(&World::new()).await;
    let attempt = table.attempt(0).await.unwrap();
    let staged = attempt.stage(files(1, 1, "run").remove(0)).await.unwrap();
    assert_eq!(attempt.read(&staged).await.unwrap(), "run 1 0");
    assert_eq!(staged.file.sha256, "652aaa27e2fa1a8db3d8fcad75298d3bbd8b71a4fe6d67a2398f3636128b20ca");
    assert_eq!(attempt.stage(files(1, 1, "run").remove(0)).await.unwrap_err().code(), "commit_invalid");
    attempt.discard(&staged).await.unwrap();
    assert_eq!(attempt.read(&staged).await.unwrap_err().code(), "attempt_lost");
    let again = attempt.stage(files(1, 1, "again").remove(0)).await.unwrap();
    let _ = table.commit(0, commit(Operation::Append, vec![again], vec![], "run")).await.unwrap();
    end(&*table).await.unwrap();
    assert_whole(&lake, &*table).await;
}

pub async fn rejects_are_one_line_each_and_no_file_without_them(lake: Lake) {
    let table = lake.open(&World::new()).await;
    assert_eq!(table.workspace().rejects("quiet").finish().await.unwrap(), None);
    let mut writer = table.workspace().rejects("loud");
    for record in 1..=1999 {
        writer.write(&reject(record)).await.unwrap();
    }
    let path = writer.finish().await.unwrap().unwrap();
    // A run that commits several times has several writers, one after the other.
    let mut another = table.workspace().rejects("loud");
    another.write(&reject(2000)).await.unwrap();
    assert_eq!(another.finish().await.unwrap().as_ref(), Some(&path));
    assert_eq!(path, "_restlake/rejects/loud.jsonl");
    let objects = lake.objects().await;
    assert_eq!(objects.keys().collect::<Vec<_>>(), [&path]);
    let lines = std::str::from_utf8(&objects[&path]).unwrap().lines();
    let records: Vec<Reject> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records, (1..=2000).map(reject).collect::<Vec<_>>());
}

fn reject(record: u64) -> Reject {
    Reject {
        resource: TABLE.into(),
        page: 3,
        record,
        path: "steps[2].position".into(),
        column: "steps".into(),
        expected: "int32".into(),
        found: "\"é\nx\"".into(),
        reason: "no number".into(),
        row: serde_json::json!({"id": record, "name": "x".repeat(50)}),
    }
}

pub async fn a_commit_that_does_not_fit_its_base_is_refused(lake: Lake) {
    let table = lake.open(&World::new()).await;
    let _ = write(&*table, Operation::Append, 1, "run").await.unwrap();
    let spoils: [fn(&mut Commit); 7] = [
        |commit| commit.removes.push("status=active/no-such.parquet".into()),
        |commit| commit.adds.push(commit.adds[0].clone()),
        |commit| commit.adds[0].file.path = files(1, 1, "run").remove(0).path,
        |commit| commit.adds[0].file.path = "../other_table/part.parquet".into(),
        |commit| commit.adds[0].file.path = "_restlake/commits/x.parquet".into(),
        |commit| commit.adds[0].staged = "status=active/part.parquet".into(),
        |commit| commit.identity.resource = "another".into(),
    ];
    for spoil in spoils {
        let attempt = table.attempt(1).await.unwrap();
        let adds = stage_all(&attempt, files(2, 1, "bad")).await.unwrap();
        let mut commit = commit(Operation::Append, adds, vec![], "bad");
        spoil(&mut commit);
        let error = table.commit(1, commit.clone()).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("commit_invalid", ErrorKind::Bug), "{commit:?}");
        attempt.abandon().await.unwrap();
    }
    assert_whole(&lake, &*table).await;
    assert_eq!(table.snapshot().await.unwrap().version, 1);
}

pub async fn a_log_that_cannot_be_read_is_told_with_the_object(lake: Lake) {
    let world = World::new();
    let name = "_restlake/commits/00000000000000000001.json";
    for (content, code) in
        [("{\"format\": 2}", "commit_newer_format"), ("{\"format\": 1}", "commit_corrupt"), ("{", "commit_corrupt")]
    {
        lake.put(name, content).await;
        let error = lake.try_open(&world).await.err().unwrap();
        assert_eq!((error.code(), error.kind()), (code, ErrorKind::User));
        assert!(error.to_string().contains(name), "{error}");
    }
}
