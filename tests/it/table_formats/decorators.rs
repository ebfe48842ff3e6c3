//! Object stores around another one: they die, lose answers, or let something happen in between.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

use super::fixture::Lake;
use crate::support::store::{Decorator, in_front};

/// Serves so many operations; from then on its process is dead, and none of its requests arrives.
#[derive(Debug)]
pub struct Mortal {
    pub inner: Arc<dyn ObjectStore>,
    pub budget: AtomicI64,
}

impl Mortal {
    fn spend(&self) -> Result<()> {
        match self.budget.fetch_sub(1, Ordering::SeqCst) > 0 {
            true => Ok(()),
            false => Err(killed()),
        }
    }
}

fn killed() -> Error {
    Error::Generic { store: "Mortal", source: "the process was killed".into() }
}

#[async_trait]
impl Decorator for Mortal {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.spend()?;
        self.inner.put_opts(location, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.spend()?;
        self.inner.put_multipart_opts(location, options).await
    }
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.spend()?;
        self.inner.get_opts(location, options).await
    }
    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.spend() {
            Ok(()) => self.inner.delete_stream(locations),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.spend() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.spend()?;
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.spend()?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lost {
    WrittenButError,
    WrittenButAlreadyExists,
    NotWritten,
    /// The first one is lost, the others are a clear no.
    NotWrittenThenRefused,
    /// Not lost, but a clear no.
    Refused,
}

/// Loses the answer to the first puts of a commit object.
#[derive(Debug)]
pub struct Unclear {
    pub inner: Arc<dyn ObjectStore>,
    pub lost: Lost,
    pub times: AtomicI64,
}

#[async_trait]
impl Decorator for Unclear {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let first = self.times.load(Ordering::SeqCst) == i64::MAX;
        if !(location.as_ref().contains("/commits/") || location.as_ref().contains("/_delta_log/"))
            || self.times.fetch_sub(1, Ordering::SeqCst) <= 0
        {
            return self.inner.put_opts(location, payload, options).await;
        }
        if matches!(self.lost, Lost::WrittenButError | Lost::WrittenButAlreadyExists) {
            self.inner.put_opts(location, payload, options).await?;
        }
        let source = "connection reset by peer".into();
        Err(match self.lost {
            Lost::WrittenButAlreadyExists => Error::AlreadyExists { path: location.to_string(), source },
            Lost::NotWrittenThenRefused if !first => Error::PermissionDenied { path: location.to_string(), source },
            Lost::Refused => Error::PermissionDenied { path: location.to_string(), source },
            _ => Error::Generic { store: "Unclear", source },
        })
    }
}

/// The lake as somebody sees it for whom `action` happens right before the first get or list at a path that ends so.
pub fn meanwhile(lake: &Lake, moment: &'static str, action: impl Future<Output = ()> + Send + 'static) -> Lake {
    let is_moment = Box::new(move |path: &str| path.ends_with(moment));
    let action = Mutex::new(Some(action.boxed()));
    lake.decorated(|inner| in_front(Arc::new(Meanwhile { inner, moment, is_moment, action })))
}

/// And for whom it happens before the second one of anything right below this directory.
pub fn meanwhile_again(lake: &Lake, moment: &'static str, action: impl Future<Output = ()> + Send + 'static) -> Lake {
    let times = AtomicI64::new(0);
    let is_moment = Box::new(move |path: &str| {
        let is_below = path.split_once(moment).is_some_and(|(_, name)| !name.contains('/'));
        is_below && times.fetch_add(1, Ordering::SeqCst) == 1
    });
    let action = Mutex::new(Some(action.boxed()));
    lake.decorated(|inner| in_front(Arc::new(Meanwhile { inner, moment, is_moment, action })))
}

struct Meanwhile {
    inner: Arc<dyn ObjectStore>,
    moment: &'static str,
    is_moment: Box<dyn Fn(&str) -> bool + Send + Sync>,
    action: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Meanwhile {
    fn action_at(&self, path: &Path) -> BoxFuture<'static, ()> {
        let action = if (self.is_moment)(path.as_ref()) { self.action.lock().unwrap().take() } else { None };
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
        f.write_str("Meanwhile")
    }
}

#[async_trait]
impl Decorator for Meanwhile {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.action_at(location).await;
        self.inner.get_opts(location, options).await
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
}
