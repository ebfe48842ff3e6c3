//! A commit that another run has won is done again on the winner's version.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use restlake::{
    commit::{Attempt, CommitOutcome, TableFormat},
    model::{Operation, StagedFile},
};

use super::{
    decorators::Mortal,
    fixture::{Lake, World, assert_whole, commit, committed, end, files, stage_all, write},
};
use crate::support::store::in_front;

/// An append of two files that has lost against another run's.
async fn lost(lake: &Lake, world: &World) -> (Box<dyn TableFormat>, Attempt, Vec<StagedFile>) {
    let table = lake.open(world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "loser")).await.unwrap();
    let winner = lake.open(&world.another_process()).await;
    let _ = write(&*winner, Operation::Append, 1, "winner").await.unwrap();
    let outcome = table.commit(0, commit(Operation::Append, adds.clone(), vec![], "loser")).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Conflict { version: 1, run_id: "winner".into() });
    for staged in &adds {
        assert_eq!(attempt.read(staged).await.unwrap().len() as u64, staged.file.bytes);
    }
    (table, attempt, adds)
}

pub async fn a_lost_append_is_redone_on_the_winners_version(lake: Lake) {
    let world = World::new();
    let (table, attempt, adds) = lost(&lake, &world).await;
    let (attempt, mut moved) = table.workspace().rebase(attempt, adds.clone(), 1).await.unwrap();
    assert_eq!(attempt.version(), 2);
    for (old, new) in adds.iter().zip(&moved) {
        assert_eq!(new.file.path, old.file.path.replace("part-0000000001-", "part-0000000002-"));
        assert_eq!(
            (&new.file.sha256, new.file.rows, new.file.bytes),
            (&old.file.sha256, old.file.rows, old.file.bytes)
        );
        assert_eq!(attempt.read(new).await.unwrap().len() as u64, old.file.bytes);
    }
    assert_eq!(lake.staging().await.len(), 3, "nothing is left of the old attempt");
    // What it holds has its names; others are free.
    let taken = files(2, 3, "loser").remove(0);
    assert_eq!(attempt.stage(taken).await.unwrap_err().code(), "commit_invalid");
    moved.push(attempt.stage(files(2, 3, "loser").remove(2)).await.unwrap());
    let outcome = table.commit(1, commit(Operation::Append, moved, vec![], "loser")).await.unwrap();
    assert_eq!(committed(&outcome), Some((2, 10 + 10 + 11 + 12)));
    end(&*table).await.unwrap();
    assert_whole(&lake, &*table).await;
    let data = lake.data().await;
    assert_eq!(data["status=active/part-0000000002-00000-000.parquet"], "loser 1 0");
    assert_eq!(data["status=active/part-0000000001-00000-000.parquet"], "winner 1 0");
}

pub async fn a_rebase_that_cannot_be_done_gives_both_attempts_up(lake: Lake) {
    let world = World::new();
    let (table, attempt, mut adds) = lost(&lake, &world).await;
    lake.delete(&adds[1].staged).await;
    let error = table.workspace().rebase(attempt, adds.clone(), 1).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("attempt_lost", true));
    assert_whole(&lake, &*table).await;

    let attempt = table.attempt(1).await.unwrap();
    adds = stage_all(&attempt, files(2, 1, "loser")).await.unwrap();
    adds[0].file.path = "status=active/part.parquet".into();
    let error = table.workspace().rebase(attempt, adds, 5).await.unwrap_err();
    assert_eq!(error.code(), "commit_invalid");
    assert_whole(&lake, &*table).await;
}

pub async fn a_run_that_rebases_is_not_in_its_own_way(lake: Lake) {
    let world = World::new();
    let (table, attempt, adds) = lost(&lake, &world).await;
    assert_eq!(table.workspace().living(&attempt).await.unwrap(), None);
    world.clock.advance(std::time::Duration::from_secs(30));
    // Younger than the rebased run, older than its new attempt.
    let other = lake.open(&world.another_process()).await;
    let theirs = other.attempt(1).await.unwrap();
    let (attempt, _) = table.workspace().rebase(attempt, adds, 1).await.unwrap();
    let owner = other.workspace().living(&theirs).await.unwrap().unwrap();
    assert_eq!((owner.pid, owner.since.as_str()), (1, "2023-11-14T22:13:20Z"));
    theirs.abandon().await.unwrap();
    assert_eq!(table.workspace().living(&attempt).await.unwrap(), None);
    attempt.abandon().await.unwrap();
    assert_whole(&lake, &*table).await;
}

/// Loses against another run's commit, rebases, and commits; killed before each of its operations.
pub async fn a_process_killed_while_it_rebases_leaves_the_winners_table_or_its_own(lake: Lake) {
    let mut versions = Vec::new();
    for budget in 0.. {
        lake.clear().await;
        let world = World::new();
        let mortal = Arc::new(Mortal { inner: Arc::clone(&lake.store.store), budget: AtomicI64::new(i64::MAX) });
        let seen = lake.decorated(|_| in_front(Arc::clone(&mortal)));
        let (table, attempt, adds) = lost(&seen, &world).await;
        mortal.budget.store(budget, Ordering::SeqCst);
        let redone = async {
            let (_attempt, moved) = table.workspace().rebase(attempt, adds, 1).await?;
            let _ = table.commit(1, commit(Operation::Append, moved, vec![], "loser")).await?;
            end(&*table).await
        };
        let done = redone.await.is_ok();
        let table = lake.open(&world.after_death()).await;
        table.workspace().forget_died().await.unwrap();
        assert_whole(&lake, &*table).await;
        let snapshot = table.snapshot().await.unwrap();
        assert_eq!(snapshot.files.len(), if snapshot.version == 2 { 3 } else { 1 });
        versions.push(snapshot.version);
        if done {
            break;
        }
    }
    assert!(versions.is_sorted() && versions.len() > 20 && versions.contains(&1), "{versions:?}");
}
