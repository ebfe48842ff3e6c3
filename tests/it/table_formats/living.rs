//! One run at a time: who finds whom, who goes on, and who waits.

use std::sync::Arc;

use restlake::{
    ErrorKind,
    commit::{LEASE, LivingOwner},
    model::Operation,
};
use tokio::{sync::Barrier, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::fixture::{Lake, World, assert_whole, commit, end, files, stage_all};

/// Noon, so to say: when the tests' clock begins.
const SINCE: &str = "2023-11-14T22:13:20Z";

pub async fn a_run_finds_who_works_on_the_table_and_since_when(lake: Lake) {
    let world = World::new();
    let first = lake.open(&world).await;
    let ours = first.attempt(0).await.unwrap();
    assert_eq!(first.workspace().living(&ours).await.unwrap(), None);
    world.clock.advance(LEASE * 3);

    let second = lake.open(&world.another_process()).await;
    let theirs = second.attempt(0).await.unwrap();
    let owner = second.workspace().living(&theirs).await.unwrap().unwrap();
    let record = owner.record.clone();
    assert_eq!(
        owner,
        LivingOwner { host: "here".into(), pid: 1, since: SINCE.into(), waiting: None, record: record.clone() }
    );
    let error = restlake::Error::from(second.workspace().busy(owner));
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "table_busy"));
    let message = error.to_string();
    let named = format!("is being written by the process 1 on here since {SINCE}, whose lease is ");
    assert!(message.contains(&named) && message.ends_with(&record), "{message}");
    assert!(record.starts_with("_restlake/staging/") && record.ends_with("/owner.json"), "{record}");
    assert!(error.hint().unwrap().contains("`--wait`"));
    theirs.abandon().await.unwrap();

    // The one who was first is not disturbed, and a dead one disturbs nobody.
    assert_eq!(first.workspace().living(&ours).await.unwrap(), None);
    let third = lake.open(&world.after_death()).await;
    let attempt = third.attempt(0).await.unwrap();
    assert_eq!(third.workspace().living(&attempt).await.unwrap(), None);
    attempt.abandon().await.unwrap();
    assert!(lake.objects().await.is_empty());
}

pub async fn of_two_runs_that_begin_at_once_exactly_one_goes_on(lake: Lake) {
    for round in 0..10_u32 {
        let world = World::new();
        let start = Arc::new(Barrier::new(2));
        let mut runs = JoinSet::new();
        for pid in [1, 2] {
            let table = lake.open(&World { pid, ..world.clone() }).await;
            let start = Arc::clone(&start);
            runs.spawn(async move {
                start.wait().await;
                // One of them is a little late, more so in each round.
                for _ in 0..round * (pid - 1) {
                    tokio::task::yield_now().await;
                }
                let attempt = table.attempt(0).await.unwrap();
                let is_first = table.workspace().living(&attempt).await.unwrap().is_none();
                if is_first {
                    // It works while the other one makes up its mind.
                    return Some(attempt);
                }
                attempt.abandon().await.unwrap();
                None
            });
        }
        let mut going_on: Vec<_> = runs.join_all().await.into_iter().flatten().collect();
        assert_eq!(going_on.len(), 1, "round {round}");
        going_on.remove(0).abandon().await.unwrap();
        assert!(lake.objects().await.is_empty());
    }
}

pub async fn an_owner_on_another_host_is_living_as_long_as_its_lease_is_fresh(lake: Lake) {
    let world = World::new();
    let far = lake.open(&world.on_host("there")).await;
    let attempt = far.attempt(0).await.unwrap();
    assert_eq!(far.workspace().living(&attempt).await.unwrap(), None);
    // Its machine is cut off, and nobody here can look at its processes.
    drop((attempt, far));
    let table = lake.open(&world).await;
    let ours = table.attempt(0).await.unwrap();
    let mut elapsed = std::time::Duration::ZERO;
    while let Some(owner) = table.workspace().living(&ours).await.unwrap() {
        assert_eq!((owner.host.as_str(), owner.pid), ("there", 1001));
        world.clock.advance(LEASE / 5);
        elapsed += LEASE / 5;
        assert!(elapsed <= LEASE * 2, "it lives for ever");
    }
    assert_eq!(elapsed, LEASE + LEASE / 5);
    ours.abandon().await.unwrap();
}

pub async fn a_run_that_waits_goes_on_when_the_other_is_over(lake: Lake) {
    let world = World::new();
    let first = lake.open(&world).await;
    let theirs = first.attempt(0).await.unwrap();
    assert_eq!(first.workspace().living(&theirs).await.unwrap(), None);
    let adds = stage_all(&theirs, files(1, 2, "first")).await.unwrap();

    let second = lake.open(&world.another_process()).await;
    let waiting = tokio::spawn(async move {
        let attempt = second.attempt(0).await.unwrap();
        second.workspace().wait_until_free(&attempt, &CancellationToken::new(), &|_| false).await.unwrap();
        // What it finds is the table that the other one has made.
        second.recover().await.unwrap();
        let base = second.newest().await.unwrap();
        let (attempt, _) = second.workspace().rebase(attempt, Vec::new(), base).await.unwrap();
        let adds = stage_all(&attempt, files(attempt.version(), 1, "second")).await.unwrap();
        let _ = second.commit(base, commit(Operation::Append, adds, vec![], "second")).await.unwrap();
        end(&*second).await.unwrap();
        second
    });
    while world.clock.pauses().len() < 5 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    let _ = first.commit(0, commit(Operation::Append, adds, vec![], "first")).await.unwrap();
    end(&*first).await.unwrap();
    let second = waiting.await.unwrap();
    let snapshot = second.snapshot().await.unwrap();
    assert_eq!((snapshot.version, snapshot.files.len()), (2, 3));
    assert_whole(&lake, &*second).await;
}

pub async fn a_run_that_waits_ends_when_it_is_asked_to_stop(lake: Lake) {
    let world = World::new();
    let first = lake.open(&world).await;
    let theirs = first.attempt(0).await.unwrap();
    assert_eq!(first.workspace().living(&theirs).await.unwrap(), None);
    let second = lake.open(&world.another_process()).await;
    let ours = second.attempt(0).await.unwrap();
    let shutdown = CancellationToken::new();
    let stop = async {
        while world.clock.pauses().len() < 3 {
            tokio::task::yield_now().await;
        }
        shutdown.cancel();
    };
    let (waited, ()) = tokio::join!(second.workspace().wait_until_free(&ours, &shutdown, &|_| false), stop);
    let error = waited.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Interrupted, "interrupted"));
    ours.abandon().await.unwrap();
    theirs.abandon().await.unwrap();
    assert!(lake.objects().await.is_empty());
}

pub async fn a_run_that_is_done_with_this_table_still_holds_it(lake: Lake) {
    let world = World::new();
    let first = lake.open(&world).await;
    let attempt = first.attempt(0).await.unwrap();
    assert_eq!(first.workspace().living(&attempt).await.unwrap(), None);
    let adds = stage_all(&attempt, files(1, 2, "first")).await.unwrap();
    let _ = first.commit(0, commit(Operation::Append, adds, vec![], "first")).await.unwrap();
    let held = first.workspace().held().await.unwrap();
    drop((attempt, first));

    let second = lake.open(&world.another_process()).await;
    assert_eq!(second.workspace().died_after_commit(), None, "it lives");
    let ours = second.attempt(1).await.unwrap();
    let owner = second.workspace().living(&ours).await.unwrap().unwrap();
    assert_eq!((owner.pid, owner.since.as_str()), (1, SINCE));
    held.release().await.unwrap();
    assert_eq!(second.workspace().living(&ours).await.unwrap(), None);
    ours.abandon().await.unwrap();
    assert_whole(&lake, &*second).await;
}
