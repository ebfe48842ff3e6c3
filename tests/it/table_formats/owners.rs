//! Attempts of others: the living are left alone, the dead are cleaned up, and only what restlake named goes.

use std::time::Duration;

use restlake::{
    commit::{CommitOutcome, LEASE, RENEWAL},
    environment::Clock,
    model::Operation,
};

use super::fixture::{Lake, PARQUET, TABLE, World, assert_whole, commit, files, stage_all, write};

pub async fn an_attempt_of_a_living_process_is_left_alone(lake: Lake) {
    let world = World::new();
    let slow = lake.open(&world).await;
    let attempt = slow.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "slow")).await.unwrap();

    let quick = lake.open(&world.another_process()).await;
    let _ = write(&*quick, Operation::Append, 1, "quick").await.unwrap();
    assert_eq!(lake.staging().await.len(), 3);

    let outcome = slow.commit(0, commit(Operation::Append, adds, vec![], "slow")).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Conflict { version: 1, run_id: "quick".into() });
    assert_eq!(lake.staging().await.len(), 3, "whether to redo it is not the commit's to decide");
    attempt.abandon().await.unwrap();
    assert_whole(&lake, &*quick).await;
}

pub async fn an_attempt_on_another_host_lives_as_long_as_its_lease(lake: Lake) {
    let world = World::new();
    let far = lake.open(&world.on_host("there")).await;
    let attempt = far.attempt(0).await.unwrap();
    let _ = stage_all(&attempt, files(1, 1, "far")).await.unwrap();
    // It renews for ten minutes, and is alive all the while.
    for _ in 0..10 {
        let before = owner(&lake).await;
        world.clock.somebody_sleeps().await;
        world.clock.advance(RENEWAL);
        while owner(&lake).await == before {
            tokio::task::yield_now().await;
        }
        lake.open(&world).await;
        assert_eq!(lake.staging().await.len(), 2);
    }
    // Then its machine is cut off.
    drop(attempt);
    drop(far);
    world.clock.advance(LEASE);
    lake.open(&world).await;
    assert_eq!(lake.staging().await.len(), 2, "exactly five minutes is not more than five minutes");
    world.clock.advance(Duration::from_secs(1));
    lake.open(&world).await;
    assert!(lake.objects().await.is_empty());
}

async fn owner(lake: &Lake) -> String {
    let objects = lake.objects().await;
    let (_, content) = objects.iter().find(|(path, _)| path.ends_with("/owner.json")).unwrap();
    String::from_utf8(content.to_vec()).unwrap()
}

pub async fn only_names_of_restlake_are_cleaned_up(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let staged = stage_all(&attempt, files(1, 1, "run")).await.unwrap();
    let directory = staged[0].staged.rsplit_once('/').unwrap().0;
    lake.put(&format!("{directory}/notes.txt"), "theirs").await;
    lake.put("_restlake/staging/archive/old.staged", "theirs").await;
    lake.put("_restlake/notes.txt", "theirs").await;
    lake.open(&world.after_death()).await;
    let left: Vec<_> = lake.objects().await.into_keys().collect();
    let notes = format!("{directory}/notes.txt");
    assert_eq!(left, ["_restlake/notes.txt", &notes, "_restlake/staging/archive/old.staged"]);
}

pub async fn an_attempt_that_lost_a_file_is_abandoned_with_all_its_others(lake: Lake) {
    let table = lake.open(&World::new()).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 3, "run")).await.unwrap();
    object_store::ObjectStoreExt::delete(&lake.store.store, &lake.path(&adds[1].staged)).await.unwrap();
    let error = table.commit(0, commit(Operation::Append, adds, vec![], "run")).await.unwrap_err();
    assert_eq!(error.code(), "attempt_lost");
    assert_eq!(lake.staging().await.len(), 3);
    attempt.abandon().await.unwrap();
    assert!(lake.objects().await.is_empty());
}

/// Where an object of the table lies on local disk.
fn on_disk(lake: &Lake, path: &str) -> std::path::PathBuf {
    lake.directory.as_ref().unwrap().path().join("data/lake").join(TABLE).join(path)
}

/// What a write leaves that is killed before its rename, last written to so long before the world's clock.
fn cut_off(lake: &Lake, world: &World, path: &str, age: Duration) {
    let path = on_disk(lake, path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "half").unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified((world.clock.now() - age).into()).unwrap();
}

#[tokio::test]
async fn what_a_dead_attempt_was_writing_on_local_disk_goes_with_it() {
    let lake = Lake::local(PARQUET).await;
    let world = World::new();
    let table = lake.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let staged = stage_all(&attempt, files(1, 1, "run")).await.unwrap();
    let directory = staged[0].staged.rsplit_once('/').unwrap().0;
    for name in ["part-0000000001-00000-001.parquet.staged#1", "owner.json#12"] {
        cut_off(&lake, &world, &format!("{directory}/{name}"), Duration::ZERO);
    }
    lake.open(&world.another_process()).await;
    assert!(on_disk(&lake, &format!("{directory}/owner.json#12")).is_file(), "its process lives");
    lake.open(&world.after_death()).await;
    let left = std::fs::read_dir(lake.directory.as_ref().unwrap().path()).unwrap().count();
    assert_eq!(left, 0, "all of it is gone, and the directories with it");
}

#[tokio::test]
async fn cut_off_writes_that_show_in_no_listing_go_when_they_are_older_than_the_lease() {
    let lake = Lake::local(PARQUET).await;
    let world = World::new();
    let table = lake.open(&world).await;
    let _ = write(&*table, Operation::Append, 1, "run").await.unwrap();
    let ours = [
        "_restlake/staging/00000000000000000002-0badcafe/owner.json#1",
        "_restlake/commits/00000000000000000002.json#1",
        "_restlake/runs/20231114T221320000Z-0badcafe.json#1",
    ];
    let theirs = [
        "_restlake/staging/archive/owner.json#1",
        "_restlake/commits/notes#1",
        "_restlake/commits/00000000000000000002.json#x",
        "_restlake/runs/notes.json#1",
        "_restlake/rejects/notes.jsonl#1",
    ];
    // A run that rejects little may be at it still.
    let rejects = "_restlake/rejects/20231114T221320000Z-0badcafe.jsonl#1";
    cut_off(&lake, &world, rejects, LEASE);
    for path in ours.iter().chain(&theirs) {
        cut_off(&lake, &world, path, LEASE);
    }
    let left = || ours.iter().chain(&theirs).filter(|path| on_disk(&lake, path).exists()).copied().collect::<Vec<_>>();
    lake.open(&world).await;
    assert_eq!(left().len(), 8, "somebody may be writing them");
    world.clock.advance(Duration::from_secs(1));
    lake.open(&world).await;
    assert_eq!(left(), theirs);
    assert!(on_disk(&lake, rejects).exists());
    world.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
    lake.open(&world).await;
    assert!(!on_disk(&lake, rejects).exists());
    assert_eq!(left(), theirs);
    assert!(!on_disk(&lake, "_restlake/staging/00000000000000000002-0badcafe").exists());
    assert_eq!(table.snapshot().await.unwrap().version, 1);
}

pub async fn staged_files_that_were_taken_away_are_not_committed(lake: Lake) {
    let world = World::new();
    let sleeper = lake.open(&world).await;
    let attempt = sleeper.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "sleeper")).await.unwrap();
    lake.open(&world.after_death()).await;
    let error = sleeper.commit(0, commit(Operation::Append, adds, vec![], "sleeper")).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("attempt_lost", true));
    attempt.abandon().await.unwrap();
    assert!(lake.objects().await.is_empty());
}
