//! The record of a commit's run stays until the run is over: what that tells the next one.

use std::time::Duration;

use restlake::{
    commit::{DiedAfterCommit, LEASE, RENEWAL, TableFormat},
    environment::FaultPoint,
    model::Operation,
};

use super::fixture::{Lake, PARQUET, World, assert_readable, assert_whole, commit, end, files, stage_all, write};

/// Commits, and does not end.
async fn commit_and_hold(table: &dyn TableFormat, run_id: &str) {
    let base = table.newest().await.unwrap();
    let attempt = table.attempt(base).await.unwrap();
    let adds = stage_all(&attempt, files(base + 1, 2, run_id)).await.unwrap();
    let mut commit = commit(Operation::Append, adds, vec![], run_id);
    commit.state.counters.insert("rows_fetched".into(), 21);
    let _ = table.commit(base, commit).await.unwrap();
}

pub async fn a_run_that_died_after_its_commit_is_found_until_the_next_commit(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world).await;
    commit_and_hold(&*table, "first").await;
    let world = world.after_death();
    // Whoever opens the table finds it, and dies before it has decided.
    let expected = DiedAfterCommit {
        version: 1,
        run_id: "first".into(),
        committed_at: "2023-11-14T22:13:20.000Z".into(),
        operation: Operation::Append,
        counters: [("rows_fetched".to_owned(), 21)].into(),
        fingerprint: None,
    };
    for _ in 0..2 {
        let opened = lake.open(&world).await;
        assert_eq!(opened.workspace().died_after_commit(), Some(expected.clone()));
        assert_readable(&lake, &*opened).await;
    }
    // An attempt that is given up changes nothing.
    let opened = lake.open(&world).await;
    let attempt = opened.attempt(1).await.unwrap();
    assert_eq!(opened.workspace().living(&attempt).await.unwrap(), None, "what is dead is in nobody's way");
    attempt.abandon().await.unwrap();
    assert_eq!(lake.open(&world).await.workspace().died_after_commit(), Some(expected));

    let _ = write(&*opened, Operation::Append, 1, "second").await.unwrap();
    assert_eq!(opened.workspace().died_after_commit(), None);
    assert_whole(&lake, &*opened).await;
    assert_eq!(lake.open(&world).await.workspace().died_after_commit(), None);
}

pub async fn a_run_that_ended_leaves_no_record(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world).await;
    commit_and_hold(&*table, "first").await;
    assert_eq!(lake.staging().await.len(), 1, "the owner's record");
    assert!(table.workspace().held().await.is_some());
    assert!(table.workspace().held().await.is_none(), "there is one, for one caller");
    // It was dropped: as if the process had died.
    let opened = lake.open(&world.after_death()).await;
    assert!(opened.workspace().died_after_commit().is_some());
    opened.workspace().forget_died().await.unwrap();
    assert_eq!(opened.workspace().died_after_commit(), None);
    assert_whole(&lake, &*opened).await;

    commit_and_hold(&*opened, "second").await;
    end(&*opened).await.unwrap();
    assert_whole(&lake, &*opened).await;
}

pub async fn a_run_that_commits_twice_is_found_by_its_last_commit(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world).await;
    commit_and_hold(&*table, "run").await;
    commit_and_hold(&*table, "run").await;
    assert_eq!(lake.staging().await.len(), 1);
    let opened = lake.open(&world.after_death()).await;
    assert_eq!(opened.workspace().died_after_commit().unwrap().version, 2);
    opened.workspace().forget_died().await.unwrap();
    assert_whole(&lake, &*opened).await;
}

pub async fn a_later_commit_left_in_doubt_is_not_one_of_a_run_that_died(lake: Lake) {
    let world = World::new().failing_at(FaultPoint::AfterCommit, 1);
    let table = lake.open(&world).await;
    commit_and_hold(&*table, "run").await;
    let attempt = table.attempt(1).await.unwrap();
    let adds = stage_all(&attempt, files(2, 2, "run")).await.unwrap();
    let error = table.commit(1, commit(Operation::Append, adds, vec![], "run")).await.unwrap_err();
    assert_eq!(error.code(), "commit_unpublished");
    attempt.abandon().await.unwrap();
    end(&*table).await.unwrap();
    let opened = lake.open(&world.after_death()).await;
    assert_eq!(opened.workspace().died_after_commit(), None, "it has told of its end");
    assert_eq!(opened.newest().await.unwrap(), 2);
    assert_whole(&lake, &*opened).await;
}

pub async fn what_a_run_leaves_that_did_not_end_well_is_found_while_its_process_lives(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world).await;
    commit_and_hold(&*table, "first").await;
    table.workspace().held().await.unwrap().leave().await.unwrap();
    for other in [world.another_process(), world.on_host("there")] {
        let opened = lake.open(&other).await;
        assert_eq!(opened.workspace().died_after_commit().unwrap().run_id, "first");
        let attempt = opened.attempt(1).await.unwrap();
        assert_eq!(opened.workspace().living(&attempt).await.unwrap(), None, "it is in nobody's way");
        opened.workspace().take_died().await.unwrap();
        attempt.abandon().await.unwrap();
        assert_eq!(lake.open(&world).await.workspace().died_after_commit(), None, "somebody has taken it over");
        opened.workspace().held().await.unwrap().leave().await.unwrap();
    }
    let opened = lake.open(&world).await;
    opened.workspace().take_died().await.unwrap();
    end(&*opened).await.unwrap();
    assert_whole(&lake, &*opened).await;
}

#[tokio::test]
async fn a_claim_that_was_cleared_away_is_not_put_back() {
    let lake = Lake::memory(PARQUET).await;
    let world = World::new();
    let table = lake.open(&world).await;
    let _attempt = table.attempt(0).await.unwrap();
    world.clock.somebody_sleeps().await;
    lake.clear().await;
    world.clock.advance(RENEWAL);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(lake.objects().await.is_empty());
}

pub async fn a_held_claim_is_renewed_until_it_is_released(lake: Lake) {
    let world = World::new();
    let far = world.on_host("there");
    let table = lake.open(&far).await;
    commit_and_hold(&*table, "far").await;
    let held = table.workspace().held().await.unwrap();
    drop(table);
    for _ in 0..10 {
        let before = lake.objects().await;
        world.clock.somebody_sleeps().await;
        world.clock.advance(RENEWAL);
        while lake.objects().await == before {
            tokio::task::yield_now().await;
        }
        assert_eq!(lake.open(&world).await.workspace().died_after_commit(), None);
    }
    // Nobody renews it any more: the process is gone, and this machine cannot see it.
    drop(held);
    world.clock.advance(LEASE + Duration::from_secs(1));
    let opened = lake.open(&world).await;
    assert_eq!(opened.workspace().died_after_commit().unwrap().run_id, "far");
    opened.workspace().forget_died().await.unwrap();
    assert_whole(&lake, &*opened).await;
}
