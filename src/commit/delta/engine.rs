//! The kernel's engine on our object store, and how its synchronous calls are made from async code.

use std::{cell::Cell, fmt, panic::resume_unwind, sync::Arc, sync::mpsc};

use delta_kernel::{Engine, KernelError, KernelResult, Snapshot, SnapshotRef};
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder, executor::TaskExecutor};
use futures::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::{EnterGuard, Handle},
    task::spawn_blocking,
};
use url::Url;

use super::{CommitError, DeltaError};
use crate::store::TableStore;

/// What the kernel takes for the place of our store: it sees URLs, the engine reads their paths alone. The kernel goes by
/// the scheme and the host to know whether a listing comes in order; this is the form of a host where it does not, as on
/// local disk.
const STORE: &str = "lake://unordered--x-s3/";

/// The kernel, bound to one table's directory. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Kernel {
    engine: Arc<DefaultEngine<Executor>>,
    root: Url,
    table: TableStore,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({})", self.root)
    }
}

impl Kernel {
    /// Must be called within a tokio runtime: the kernel's I/O is done there.
    ///
    /// # Errors
    /// A path that the kernel cannot tell from another one.
    pub fn new(table: &TableStore) -> Result<Self, CommitError> {
        let location = table.location("")?;
        // The kernel builds URLs of what it lists without encoding a `%`, and decodes them when it reads.
        if location.as_ref().contains('%') {
            let reason = "its path contains a `%`, which the Delta kernel would decode".to_owned();
            return Err(DeltaError::Unsupported { table: table.shown(""), reason, hint: None }.into());
        }
        let root = directory(location.as_ref()).map_err(|error| DeltaError::kernel(table, "open", error.into()))?;
        let handle = Handle::try_current()
            .map_err(|error| DeltaError::kernel(table, "open", KernelError::Generic(error.to_string())))?;
        let executor = Arc::new(Executor { handle });
        let builder = DefaultEngineBuilder::new(Arc::clone(table.object_store()));
        let engine = Arc::new(builder.with_task_executor(executor).build());
        Ok(Self { engine, root, table: table.clone() })
    }

    /// The table's directory as the kernel knows it, with a slash at its end.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// Runs the kernel on a thread that may block; `action` is what it is for, in messages.
    pub async fn call<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&dyn Engine) -> KernelResult<T> + Send + 'static,
    ) -> Result<T, CommitError> {
        let engine = Arc::clone(&self.engine);
        let done = spawn_blocking(move || work(engine.as_ref())).await;
        let done = done.unwrap_or_else(|error| Err(KernelError::JoinFailure(error.to_string())));
        done.map_err(|error| DeltaError::kernel(&self.table, action, error))
    }

    /// The table at a version of the Delta log, the newest one if none is given. There must be one: the kernel logs an
    /// error otherwise.
    pub async fn snapshot(&self, version: Option<u64>) -> Result<SnapshotRef, CommitError> {
        let root = self.root.clone();
        self.call("read", move |engine| {
            let builder = Snapshot::builder_for(root);
            match version {
                Some(version) => builder.at_version(version).build(engine),
                None => builder.build(engine),
            }
        })
        .await
    }

    /// Where a path of the table lies for the kernel, each segment encoded once.
    pub fn url_of(&self, path: &str) -> KernelResult<Url> {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        Ok(url)
    }

    /// The table's path of what an `add` or `remove` names; `None` if it lies outside the table.
    pub fn path_of(&self, logged: &str) -> Option<String> {
        let url = self.root.join(logged).ok()?;
        if (url.scheme(), url.host_str()) != (self.root.scheme(), self.root.host_str()) {
            return None;
        }
        let location = object_store::path::Path::from_url_path(url.path()).ok()?;
        self.table.path_of(&location)
    }
}

fn directory(path: &str) -> Result<Url, url::ParseError> {
    let mut url = Url::parse(STORE)?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/')).push("");
    }
    Ok(url)
}

/// Does the kernel's I/O on the runtime of the program, whatever its flavour.
///
/// The kernel's own executors want a runtime with several threads, or a thread each. Here the thread that calls the kernel,
/// which may block, drives the kernel's futures itself. Only where a future calls back into the executor (the writing of a
/// checkpoint reads the log), another thread that may block drives the inner one.
#[derive(Debug)]
struct Executor {
    handle: Handle,
}

thread_local! {
    /// Whether this thread drives a future of the kernel.
    static DRIVING: Cell<bool> = const { Cell::new(false) };
}

/// Says that this thread drives a future, until it is dropped.
struct Driving;

impl Driving {
    fn start() -> Option<Self> {
        if DRIVING.replace(true) { None } else { Some(Self) }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        DRIVING.set(false);
    }
}

impl TaskExecutor for Executor {
    type Guard<'a> = EnterGuard<'a>;

    fn block_on<T>(&self, task: T) -> T::Output
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        if let Some(_driving) = Driving::start() {
            return self.handle.block_on(task);
        }
        let (sender, receiver) = mpsc::channel();
        let handle = self.handle.clone();
        self.handle.spawn_blocking(move || {
            let _driving = Driving::start();
            sender.send(handle.block_on(task))
        });
        // Nothing is sent only if the task panicked or its runtime has ended: the kernel's call ends with it.
        receiver.recv().unwrap_or_else(|error| resume_unwind(Box::new(error)))
    }

    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.handle.spawn(task);
    }

    fn spawn_blocking<T, R>(&self, task: T) -> BoxFuture<'_, KernelResult<R>>
    where
        T: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let spawned = self.handle.spawn_blocking(task);
        spawned.map(|done| done.map_err(|error| KernelError::JoinFailure(error.to_string()))).boxed()
    }

    fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}
