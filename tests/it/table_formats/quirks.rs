//! Stores that break their word, or fail for a while.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use object_store::{Error, ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload, PutResult, Result, path::Path};
use restlake::{ErrorKind, model::Operation};
use tokio_util::sync::CancellationToken;

use super::fixture::{Lake, World, assert_whole, end, write};
use crate::support::store::{Decorator, in_front};

/// Overwrites where it was told not to, or fails to list so often.
#[derive(Debug)]
struct Quirky {
    inner: Arc<dyn ObjectStore>,
    overwrites: bool,
    failing_lists: AtomicI64,
}

impl Quirky {
    fn over(lake: &Lake, overwrites: bool) -> (Arc<Self>, Lake) {
        let inner = Arc::clone(&lake.store.store);
        let quirky = Arc::new(Self { inner, overwrites, failing_lists: AtomicI64::new(0) });
        let seen = lake.decorated(|_| in_front(Arc::clone(&quirky)));
        (quirky, seen)
    }
}

#[async_trait]
impl Decorator for Quirky {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        if self.overwrites {
            options.mode = PutMode::Overwrite;
        }
        self.inner.put_opts(location, payload, options).await
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.failing_lists.fetch_sub(1, Ordering::SeqCst) > 0 {
            let source = "connection reset by peer".into();
            return stream::once(async { Err(Error::Generic { store: "Quirky", source }) }).boxed();
        }
        self.inner.list(prefix)
    }
}

pub async fn a_store_that_overwrites_is_refused_before_anything_is_staged(lake: Lake) {
    let world = World::new();
    for base in 0..2 {
        let (_, seen) = Quirky::over(&lake, true);
        let table = seen.open(&world).await;
        let error = table.attempt(base).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::User, "store_not_conditional"), "{base}");
        assert!(error.to_string().contains("lets a second writer overwrite the first"), "{error}");
        assert!(error.hint().unwrap().contains("conditional puts"), "{error:?}");
        assert_eq!(lake.staging().await, Vec::<String>::new(), "{base}");
        let table = lake.open(&world).await;
        let _ = write(&*table, Operation::Append, 1, "run").await.unwrap();
        end(&*table).await.unwrap();
    }
    assert_whole(&lake, &*lake.open(&world).await).await;
}

pub async fn a_run_that_waits_is_not_sent_home_by_a_store_that_fails_for_a_while(lake: Lake) {
    let world = World::new();
    let first = lake.open(&world).await;
    let theirs = first.attempt(0).await.unwrap();
    assert_eq!(first.workspace().living(&theirs).await.unwrap(), None);
    let (quirky, seen) = Quirky::over(&lake, false);
    let second = seen.open(&world.another_process()).await;
    let ours = second.attempt(0).await.unwrap();
    quirky.failing_lists.store(3, Ordering::SeqCst);
    let over = async {
        while quirky.failing_lists.load(Ordering::SeqCst) > -3 {
            tokio::task::yield_now().await;
        }
        theirs.abandon().await.unwrap();
    };
    let shutdown = CancellationToken::new();
    let (waited, ()) = tokio::join!(second.workspace().wait_until_free(&ours, &shutdown, &|_| false), over);
    assert_eq!(waited.unwrap(), None);
    ours.abandon().await.unwrap();
    assert!(lake.objects().await.is_empty());
}
