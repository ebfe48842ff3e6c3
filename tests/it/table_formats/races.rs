//! What happens to a table between two looks of somebody who opens it.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use restlake::{commit::TableFormat, environment::FaultPoint, model::Operation, store::Store};

use super::fixture::{Lake, TABLE, World, assert_whole, commit, files, stage_all, write};

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
    let opened = world.another_process().open(&store).await.unwrap();
    assert_eq!(opened.snapshot().await.unwrap().version, 1);
    assert_eq!(lake.data().await.len(), 2);
    assert_whole(&lake, &opened).await;
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
    world.another_process().open(&store).await.unwrap();
    assert_eq!(lake.staging().await.len(), 3);
    let _ = table.commit(0, commit(Operation::Append, adds, vec![], "run")).await.unwrap();
    assert_whole(&lake, &table).await;
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
        let _ = write(&first, Operation::Append, 2, "first").await.unwrap();
    });
    let second = world.another_process().open(&store).await.unwrap();
    assert_eq!(second.snapshot().await.unwrap().version, 1);
    assert_whole(&lake, &second).await;
}

/// The lake as somebody sees it for whom `action` happens right before the first get or list at a path that ends so.
fn meanwhile(lake: &Lake, moment: &'static str, action: impl Future<Output = ()> + Send + 'static) -> Store {
    let action = Mutex::new(Some(action.boxed()));
    lake.decorated(|inner| Arc::new(Meanwhile { inner, moment, action }))
}

struct Meanwhile {
    inner: Arc<dyn ObjectStore>,
    moment: &'static str,
    action: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Meanwhile {
    fn action_at(&self, path: &Path) -> BoxFuture<'static, ()> {
        let is_now = path.as_ref().ends_with(self.moment);
        let action = if is_now { self.action.lock().unwrap().take() } else { None };
        action.unwrap_or_else(|| std::future::ready(()).boxed())
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        let missed = self.action.get_mut().is_ok_and(|action| action.is_some());
        assert!(!missed || std::thread::panicking(), "nobody came by {}", self.moment);
    }
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile")
    }
}

#[async_trait]
impl ObjectStore for Meanwhile {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.action_at(location).await;
        self.inner.get_opts(location, options).await
    }
    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        let action = prefix.as_ref().map(|prefix| self.action_at(prefix));
        let inner = Arc::clone(&self.inner);
        let ready = async move {
            if let Some(action) = action {
                action.await;
            }
            inner.list(prefix.as_ref())
        };
        stream::once(ready).flatten().boxed()
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
