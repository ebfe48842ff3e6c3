//! Runs that die, and answers that get lost: the table is the old one or the new one, and the next open leaves nothing over.

use std::sync::{Arc, atomic::AtomicI64};

use restlake::{
    commit::LEASE,
    environment::FaultPoint,
    error::{ErrorKind, chain},
    model::{Operation, Version},
};

use super::{
    decorators::{Lost, Mortal, Unclear},
    fixture::{
        Lake, PARQUET, World, assert_readable, assert_whole, commit, committed, files, open, plan, stage_all, write,
    },
};
use crate::support::store::in_front;

/// Three files, then a replace by three others that dies, in the lake as it sees it. Returns whether it did not, and the
/// version that the next open finds.
async fn crash_and_reopen(lake: &Lake, crashing: &World, seen: &Lake) -> (bool, Version) {
    let healthy = World::new();
    let _ = write(&*lake.open(&healthy).await, Operation::Append, 3, "old").await.unwrap();
    let done = match seen.try_open(crashing).await {
        Ok(table) => write(&*table, Operation::Replace, 3, "new").await.is_ok(),
        Err(_) => false,
    };
    assert_nothing_uncommitted(lake).await;
    let table = lake.open(&crashing.after_death()).await;
    assert_readable(lake, &*table).await;
    let version = table.snapshot().await.unwrap().version;
    let died = table.workspace().died_after_commit().map(|died| (died.version, died.run_id, died.operation));
    assert_eq!(died, (version == 2 && !done).then(|| (2, "new".to_owned(), Operation::Replace)));
    assert_eq!(lake.staging().await.len(), usize::from(died.is_some()), "{:?}", lake.staging().await);
    let writer = if version == 1 { "old 1" } else { "new 2" };
    let live = table.snapshot().await.unwrap().files;
    let data = lake.data().await;
    assert_eq!(live.len(), 3);
    assert!(live.iter().all(|file| data[&file.path].starts_with(writer.as_bytes())), "{data:?}");
    // The table can be written again, and then nothing is left of anybody.
    let _ = write(&*table, Operation::Append, 1, "next").await.unwrap();
    assert_whole(lake, &*table).await;
    (done, version)
}

/// Even before the next open, a reader never finds a file that no commit names.
async fn assert_nothing_uncommitted(lake: &Lake) {
    let objects = lake.objects().await;
    let log: Vec<_> = objects.iter().filter(|(path, _)| path.starts_with("_restlake/commits/")).collect();
    for path in objects.keys().filter(|path| lake.format.is_globbed && !path.starts_with("_restlake/")) {
        let quoted = format!("\"{path}\"");
        assert!(log.iter().any(|(_, commit)| std::str::from_utf8(commit).unwrap().contains(&quoted)), "{path}");
    }
}

pub async fn a_crash_at_any_fault_point_leaves_the_old_or_the_new_table(lake: Lake) {
    let points = [
        FaultPoint::FileStaged,
        FaultPoint::BeforeCommit,
        FaultPoint::AfterCommit,
        FaultPoint::BetweenMoves,
        FaultPoint::BetweenRemovals,
    ];
    for point in points {
        for skip in 0.. {
            lake.clear().await;
            let (done, _) = crash_and_reopen(&lake, &World::new().failing_at(point, skip), &lake).await;
            if done {
                assert!(skip > 0 || !lake.format.is_globbed, "{point:?} was never reached");
                break;
            }
        }
    }
}

pub async fn every_fault_point_before_the_commit_gives_the_old_table_and_every_other_the_new_one(lake: Lake) {
    let cases = [
        (FaultPoint::FileStaged, 2, 1),
        (FaultPoint::BeforeCommit, 0, 1),
        (FaultPoint::AfterCommit, 0, 2),
        (FaultPoint::BetweenMoves, 1, 2),
        (FaultPoint::BetweenRemovals, 1, 2),
    ];
    for (point, skip, expected) in cases {
        lake.clear().await;
        let found = crash_and_reopen(&lake, &World::new().failing_at(point, skip), &lake).await;
        assert_eq!(found, (false, expected), "{point:?} {skip}");
    }
}

pub async fn a_process_killed_before_any_operation_leaves_the_old_or_the_new_table(lake: Lake) {
    let mut versions = Vec::new();
    for budget in 0.. {
        lake.clear().await;
        let seen = lake.decorated(|inner| in_front(Arc::new(Mortal { inner, budget: AtomicI64::new(budget) })));
        let (done, version) = crash_and_reopen(&lake, &World::new(), &seen).await;
        versions.push(version);
        if done {
            break;
        }
    }
    let first_new = versions.iter().position(|version| *version == 2).unwrap();
    assert!(versions[first_new..].iter().all(|version| *version == 2), "{versions:?}");
    assert!(first_new > 5 && versions.len() - first_new > 5, "{versions:?}");
}

/// A second crash, in the middle of finishing the first one's publication.
#[tokio::test]
async fn a_crash_while_recovering_is_recovered_from_as_well() {
    for budget in 0..40 {
        let lake = Lake::memory(PARQUET).await;
        let world = World::new();
        let _ = write(&*lake.open(&world).await, Operation::Append, 3, "old").await.unwrap();
        let crashing = world.failing_at(FaultPoint::AfterCommit, 0);
        let error = write(&*lake.open(&crashing).await, Operation::Replace, 3, "new").await.unwrap_err();
        assert_eq!(error.code(), "commit_unpublished");
        let second = crashing.after_death();
        let store = lake.decorated(|inner| in_front(Arc::new(Mortal { inner, budget: AtomicI64::new(budget) })));
        let _ = store.try_open(&second).await;
        let table = lake.open(&second.after_death()).await;
        assert_eq!(table.workspace().died_after_commit().unwrap().version, 2);
        table.workspace().forget_died().await.unwrap();
        assert_whole(&lake, &*table).await;
        assert_eq!(table.snapshot().await.unwrap().version, 2);
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_by_reading_it() {
    for lost in [Lost::WrittenButError, Lost::WrittenButAlreadyExists, Lost::NotWritten] {
        let lake = Lake::memory(PARQUET).await;
        let store = lake.decorated(|inner| in_front(Arc::new(Unclear { inner, lost, times: AtomicI64::new(1) })));
        let table = store.open(&World::new()).await;
        let outcome = write(&*table, Operation::Append, 2, "run").await.unwrap();
        assert_eq!(committed(&outcome), Some((1, 21)), "{lost:?}");
        assert_whole(&lake, &*table).await;
    }
}

/// Commits where every answer to the commit gets lost, abandons the attempt, and looks after the process's death.
async fn unclear(lake: &Lake, lost: Lost, operation: Operation) -> restlake::Error {
    let world = World::new();
    let store = lake.decorated(|inner| in_front(Arc::new(Unclear { inner, lost, times: AtomicI64::new(i64::MAX) })));
    let table = store.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let error = table.commit(0, commit(operation, adds, vec![], "run")).await.unwrap_err();
    assert_eq!(error.code(), "commit_unclear");
    attempt.abandon().await.unwrap();
    assert_eq!(lake.staging().await.len(), 3, "what may be the table's is not deleted");
    let next = world.after_death();
    // Behind a network it may yet arrive until then.
    world.clock.advance(LEASE * 2);
    lake.open(&next).await;
    assert!(lake.objects().await.is_empty());
    error
}

#[tokio::test]
async fn a_commit_that_stays_unclear_keeps_its_files_until_the_next_open() {
    for operation in [Operation::Replace, Operation::Merge] {
        let error = unclear(&Lake::memory(PARQUET).await, Lost::NotWritten, operation).await;
        assert!(error.is_retryable(), "{operation:?}");
    }
}

#[tokio::test]
async fn an_append_that_stays_unclear_says_where_to_look_before_running_again() {
    let error = unclear(&Lake::memory(PARQUET).await, Lost::NotWritten, Operation::Append).await;
    assert_eq!(error.kind(), ErrorKind::User);
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("if memory:///lake/test_cases/_restlake/commits/00000000000000000001.json is there"),
        "{hint}"
    );
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_the_commit_in_doubt() {
    let error = unclear(&Lake::memory(PARQUET).await, Lost::NotWrittenThenRefused, Operation::Replace).await;
    assert!(error.is_retryable());
}

/// No credentials were given: the store is asked with those of the machine, and answers.
#[tokio::test]
async fn a_lost_answer_is_no_refusal_where_the_machine_has_credentials_of_its_own() {
    let mut lake = Lake::memory(PARQUET).await;
    lake.store = open(&plan("s3://bucket/lake")).decorate(|_| Arc::clone(&lake.store.store));
    let error = unclear(&lake, Lost::NotWritten, Operation::Replace).await;
    assert!(error.is_retryable());
    assert!(chain(&error).contains("could not be reached"), "{}", chain(&error));
}

pub async fn a_publication_that_fails_in_passing_is_tried_again(lake: Lake) {
    let world = World::new().failing_within(FaultPoint::BetweenMoves, 0..3);
    let table = lake.open(&world).await;
    let outcome = write(&*table, Operation::Append, 2, "run").await.unwrap();
    assert_eq!(committed(&outcome), Some((1, 21)));
    assert_whole(&lake, &*table).await;
    let pauses = world.clock.pauses();
    assert!(pauses.len() == 3 && pauses.is_sorted_by(|a, b| a < b), "{pauses:?}");
}

/// Commits two files that cannot all be moved, abandons the attempt, and lets the next process finish.
async fn unpublished(lake: &Lake, operation: Operation) -> restlake::Error {
    let world = World::new().failing_at(FaultPoint::BetweenMoves, 0);
    let table = lake.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let error = table.commit(0, commit(operation, adds, vec![], "run")).await.unwrap_err();
    assert_eq!(error.code(), "commit_unpublished");
    assert_eq!(world.clock.pauses().len(), 3);
    attempt.abandon().await.unwrap();
    assert!(lake.staging().await.len() >= 2, "the file that was not moved, and the owner's record");
    let table = lake.open(&world.after_death()).await;
    assert_readable(lake, &*table).await;
    assert_eq!(table.snapshot().await.unwrap().version, 1);
    let died = table.workspace().died_after_commit().unwrap();
    assert_eq!((died.version, died.run_id.as_str(), died.operation), (1, "run", operation));
    table.workspace().forget_died().await.unwrap();
    assert_whole(lake, &*table).await;
    error
}

pub async fn an_append_that_is_not_published_says_what_the_same_command_does_and_keeps_its_files(lake: Lake) {
    let error = unpublished(&lake, Operation::Append).await;
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(error.hint().unwrap().contains("finishes the move and appends nothing"));
}

pub async fn a_replace_that_is_not_published_may_run_again(lake: Lake) {
    assert!(unpublished(&lake, Operation::Replace).await.is_retryable());
}

#[tokio::test]
async fn a_commit_that_the_store_refuses_is_the_users_to_mend_and_leaves_nothing_in_doubt() {
    let lake = Lake::memory(PARQUET).await;
    let store = lake
        .decorated(|inner| in_front(Arc::new(Unclear { inner, lost: Lost::Refused, times: AtomicI64::new(i64::MAX) })));
    let table = store.open(&World::new()).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let error = table.commit(0, commit(Operation::Append, adds, vec![], "run")).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("store_permission", ErrorKind::User));
    attempt.abandon().await.unwrap();
    assert!(lake.objects().await.is_empty());
}
