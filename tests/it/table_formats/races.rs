//! What happens to a table between two looks of somebody who opens it.

use std::sync::Arc;

use object_store::ObjectStoreExt;
use restlake::{environment::FaultPoint, model::Operation};

use super::{
    decorators::meanwhile,
    fixture::{Lake, TABLE, World, assert_whole, commit, end, files, stage_all, write},
};

pub async fn an_attempt_that_commits_and_dies_while_it_is_judged_is_published(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world.failing_at(FaultPoint::AfterCommit, 0)).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let dying = world.clone();
    // The opener has found no commit, and is about to look whether the owner lives.
    let store = meanwhile(&lake, "/owner.json", async move {
        let error = table.commit(0, commit(Operation::Append, adds, vec![], "run")).await.unwrap_err();
        assert_eq!(error.code(), "commit_unpublished");
        dying.after_death();
    });
    let opened = store.open(&world.another_process()).await;
    assert_eq!(opened.snapshot().await.unwrap().version, 1);
    assert_eq!(lake.data().await.len(), 2);
    assert_eq!(opened.workspace().died_after_commit().unwrap().version, 1);
    opened.workspace().forget_died().await.unwrap();
    assert_whole(&lake, &*opened).await;
}

pub async fn an_attempt_whose_record_comes_back_is_left_alone(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let directory = adds[0].staged.rsplit_once('/').unwrap().0;
    let record = lake.path(&format!("{directory}/owner.json"));
    let content = lake.objects().await[&format!("{directory}/owner.json")].clone();
    lake.store.store.delete(&record).await.unwrap();
    let inner = Arc::clone(&lake.store.store);
    let store = meanwhile(&lake, "/owner.json", async move {
        inner.put(&record, content.into()).await.unwrap();
    });
    store.open(&world.another_process()).await;
    assert_eq!(lake.staging().await.len(), 3);
    let _ = table.commit(0, commit(Operation::Append, adds, vec![], "run")).await.unwrap();
    end(&*table).await.unwrap();
    assert_whole(&lake, &*table).await;
}

pub async fn an_attempt_without_a_record_is_cleaned_up(lake: Lake) {
    lake.put("_restlake/staging/00000000000000000001-0badcafe/part.parquet.staged", "half").await;
    lake.open(&World::new()).await;
    assert!(lake.objects().await.is_empty());
}

pub async fn the_first_files_of_another_first_run_are_not_foreign(lake: Lake) {
    let world = World::new();
    let first = lake.open(&world).await;
    // The second one has found no commit, and is about to look for files.
    let store = meanwhile(&lake, TABLE, async move {
        let _ = write(&*first, Operation::Append, 2, "first").await.unwrap();
    });
    let second = store.open(&world.another_process()).await;
    assert_eq!(second.snapshot().await.unwrap().version, 1);
    assert_whole(&lake, &*second).await;
}
