//! A lake on each kind of store, processes that a test can kill, and what a reader of the table sees.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{TryStreamExt, future::BoxFuture};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use restlake::{
    commit::{Attempt, CommitOutcome, ParquetTable, Process, Processes, RENEWAL, TableFormat},
    environment::{Clock, Environment, FaultPoint, Faults},
    model::{Commit, EncodedFile, Operation, StagedFile, State, TableIdentity, Version},
    schema::{Column, ColumnType, Source, TableSchema},
    store::Destination,
    store::{self, Store},
};

use crate::support::{azure, s3::S3};

pub const TABLE: &str = "test_cases";

/// Opens a table as a process that sees these others.
pub type Open = for<'a> fn(
    &'a Store,
    TableIdentity,
    Environment,
    Arc<dyn Processes>,
) -> BoxFuture<'a, restlake::Result<Box<dyn TableFormat>>>;

/// What the suite has to know of a table format.
#[derive(Clone, Copy)]
pub struct Format {
    pub open: Open,
    /// Whether readers take whatever lies in the table's directory, so that nothing may lie there that is not the table's.
    pub is_globbed: bool,
    /// A data file's path as it is where no run died before its commit.
    pub plain_name: fn(&str) -> String,
}

/// Plain Parquet.
pub const PARQUET: Format = Format {
    open: |store, identity, environment, processes| {
        Box::pin(async move {
            let table = ParquetTable::open_with(store, TABLE, identity, environment, processes).await?;
            Ok(Box::new(table) as Box<dyn TableFormat>)
        })
    },
    is_globbed: true,
    plain_name: str::to_owned,
};

/// A destination on one kind of store, whose table is of one format.
pub struct Lake {
    pub store: Store,
    pub directory: Option<tempfile::TempDir>,
    pub format: Format,
    _server: Option<S3>,
}

impl Lake {
    pub async fn memory(format: Format) -> Self {
        Self { store: open(&plan("memory:///lake")), directory: None, format, _server: None }
    }

    pub async fn local(format: Format) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // A directory that is not there yet.
        let store = open(&plan(directory.path().join("data/lake").to_str().unwrap()));
        Self { store, directory: Some(directory), format, _server: None }
    }

    pub async fn s3(format: Format) -> Self {
        let server = S3::start().await;
        Self { store: open(&server.plan("some/prefix")), directory: None, format, _server: Some(server) }
    }

    /// On a destination that is open already.
    pub fn on(store: Store, format: Format) -> Self {
        Self { store, directory: None, format, _server: None }
    }

    /// A server given by the environment, such as moto.
    pub async fn given_s3(format: Format) -> Self {
        let endpoint = std::env::var("RESTLAKE_TEST_S3_ENDPOINT").expect("RESTLAKE_TEST_S3_ENDPOINT is set");
        let server = S3::at(endpoint).await;
        Self { store: open(&server.plan(&fresh_prefix())), directory: None, format, _server: Some(server) }
    }

    /// A server of Azure's protocol given by the environment, such as azurite with its well-known account.
    pub async fn given_azure(format: Format) -> Self {
        let endpoint = std::env::var("RESTLAKE_TEST_AZURE_ENDPOINT").expect("RESTLAKE_TEST_AZURE_ENDPOINT is set");
        let store = open(&azure::plan(&endpoint, &fresh_prefix()).await);
        Self { store, directory: None, format, _server: None }
    }

    /// All objects of the table, by their path in it.
    pub async fn objects(&self) -> BTreeMap<String, Bytes> {
        let root = self.path("");
        let listed: Vec<_> = self.store.store.list(Some(&root)).try_collect().await.unwrap();
        let mut objects = BTreeMap::new();
        for meta in listed {
            let content = match self.store.store.get(&meta.location).await {
                // The last operation of a process that is dead to the test may still be under way on local disk.
                Err(object_store::Error::NotFound { .. }) => continue,
                content => content.unwrap().bytes().await.unwrap(),
            };
            let path = meta.location.as_ref().strip_prefix(root.as_ref()).unwrap().trim_start_matches('/');
            objects.insert(path.to_owned(), content);
        }
        objects
    }

    /// What a reader that opens every file sees: path and content of all that is not below `_restlake/`.
    pub async fn data(&self) -> BTreeMap<String, Bytes> {
        let mut objects = self.objects().await;
        objects.retain(|path, _| !path.starts_with(['_', '.']));
        objects
    }

    /// Takes all of it away.
    pub async fn clear(&self) {
        for path in self.objects().await.into_keys() {
            self.delete(&path).await;
        }
    }

    pub async fn delete(&self, path: &str) {
        self.store.store.delete(&self.path(path)).await.unwrap();
    }

    pub async fn staging(&self) -> Vec<String> {
        self.objects().await.into_keys().filter(|path| path.starts_with("_restlake/staging/")).collect()
    }

    pub fn path(&self, path: &str) -> Path {
        Path::parse(format!("{}/{TABLE}/{path}", self.store.root)).unwrap()
    }

    pub async fn put(&self, path: &str, content: &str) {
        self.store.store.put(&self.path(path), content.to_owned().into()).await.unwrap();
    }

    /// The same lake through a decorator of its object store.
    pub fn decorated(&self, decorate: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self { store: self.store.decorate(decorate), directory: None, format: self.format, _server: None }
    }

    pub async fn open(&self, world: &World) -> Box<dyn TableFormat> {
        self.try_open(world).await.unwrap()
    }

    pub async fn try_open(&self, world: &World) -> restlake::Result<Box<dyn TableFormat>> {
        self.try_open_as(world, identity()).await
    }

    pub async fn try_open_as(&self, world: &World, identity: TableIdentity) -> restlake::Result<Box<dyn TableFormat>> {
        (self.format.open)(&self.store, identity, world.environment(), Arc::new(world.clone())).await
    }
}

/// A place in a server's bucket that no other test has.
fn fresh_prefix() -> String {
    static PREFIX: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), PREFIX.fetch_add(1, Ordering::Relaxed))
}

pub fn plan(url: &str) -> Destination {
    Destination { url: url.to_owned(), options: Vec::new() }
}

pub fn open(plan: &Destination) -> Store {
    store::open(plan, &|_| None).unwrap()
}

/// One process's view: who it is, who is dead, what time it is, where it fails.
#[derive(Clone, Debug)]
pub struct World {
    pub pid: u32,
    pub host: &'static str,
    pub dead: Arc<Mutex<BTreeSet<u32>>>,
    pub clock: Arc<ManualClock>,
    pub fault: Arc<FaultAt>,
}

impl World {
    pub fn new() -> Self {
        Self {
            pid: 1,
            host: "here",
            dead: Arc::default(),
            clock: Arc::default(),
            fault: Arc::new(FaultAt { point: None, calls: 0..0, reached: AtomicU64::new(0) }),
        }
    }

    /// The next process on the same machine, after this one was killed.
    pub fn after_death(&self) -> Self {
        self.dead.lock().unwrap().insert(self.pid);
        Self { pid: self.pid + 1, fault: Self::new().fault, ..self.clone() }
    }

    pub fn another_process(&self) -> Self {
        Self { pid: self.pid + 1000, ..self.clone() }
    }

    pub fn on_host(&self, host: &'static str) -> Self {
        Self { host, ..self.another_process() }
    }

    /// Fails at a point, from the `skip + 1`th time on that it is reached.
    pub fn failing_at(&self, point: FaultPoint, skip: u64) -> Self {
        self.failing_within(point, skip..u64::MAX)
    }

    /// Fails at a point these times that it is reached.
    pub fn failing_within(&self, point: FaultPoint, calls: Range<u64>) -> Self {
        let fault = FaultAt { point: Some(point), calls, reached: AtomicU64::new(0) };
        Self { fault: Arc::new(fault), ..self.clone() }
    }

    pub fn environment(&self) -> Environment {
        Environment { clock: self.clock.clone(), faults: self.fault.clone(), ..Environment::real() }
    }
}

impl Processes for World {
    fn this(&self) -> Process {
        Process { host: self.host.to_owned(), machine: String::new(), pid: self.pid, started: 7 }
    }

    fn is_running(&self, process: &Process) -> Option<bool> {
        (process.host == self.host).then(|| !self.dead.lock().unwrap().contains(&process.pid))
    }
}

/// Stands still until moved; who waits for a lease's renewal or for an answer that is late wakes only then. Shorter pauses
/// are noted, and end at once.
#[derive(Debug, Default)]
pub struct ManualClock {
    seconds: AtomicU64,
    sleepers: AtomicU64,
    pauses: Mutex<Vec<Duration>>,
    moved: tokio::sync::Notify,
}

impl ManualClock {
    pub fn advance(&self, duration: Duration) {
        self.seconds.fetch_add(duration.as_secs(), Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    pub fn pauses(&self) -> Vec<Duration> {
        self.pauses.lock().unwrap().clone()
    }

    async fn reached(&self, moment: Duration) {
        loop {
            let moved = self.moved.notified();
            if self.elapsed() >= moment {
                return;
            }
            moved.await;
        }
    }

    /// Returns when somebody sleeps: what sleeps later does not notice an earlier `advance`.
    pub async fn somebody_sleeps(&self) {
        while self.sleepers.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        if duration < RENEWAL {
            self.pauses.lock().unwrap().push(duration);
            // Others get their turn, as they would in a real pause: their files are written by threads of the pool, for which
            // a yield alone does not wait.
            return tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let until = self.elapsed() + duration;
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        self.reached(until).await;
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    async fn patience(&self, duration: Duration) {
        self.reached(self.elapsed() + duration).await;
    }
}

#[derive(Debug)]
pub struct FaultAt {
    point: Option<FaultPoint>,
    calls: Range<u64>,
    reached: AtomicU64,
}

impl Faults for FaultAt {
    fn reach(&self, point: FaultPoint) -> std::io::Result<()> {
        if self.point != Some(point) || !self.calls.contains(&self.reached.fetch_add(1, Ordering::SeqCst)) {
            return Ok(());
        }
        Err(std::io::Error::other("the power went out"))
    }
}

pub fn identity() -> TableIdentity {
    TableIdentity { pipeline: "test_management".into(), resource: TABLE.into() }
}

/// `count` files of a version, in two partitions, with names and contents of that version and writer.
pub fn files(version: Version, count: usize, writer: &str) -> Vec<EncodedFile> {
    let file = |index: usize| {
        let status = if index.is_multiple_of(2) { "active" } else { "a%2Fb" };
        EncodedFile {
            path: format!("status={status}/part-{version:010}-00000-{index:03}.parquet"),
            partition: vec![("status".into(), Some(status.replace("%2F", "/")))],
            rows: 10 + index as u64,
            keys: Vec::new(),
            content: Bytes::from(format!("{writer} {version} {index}")),
        }
    };
    (0..count).map(file).collect()
}

pub fn commit(operation: Operation, adds: Vec<StagedFile>, removes: Vec<String>, run_id: &str) -> Commit {
    let column = Column {
        name: "test_case_id".into(),
        source: Source::Path(vec!["id".into()]),
        data_type: ColumnType::Int64,
        nullable: false,
        format: None,
    };
    let state = State { cursor: Some(run_id.into()), ..State::default() };
    let schema = TableSchema { columns: vec![column] };
    let partition_by = vec!["status".into()];
    let run_id = run_id.to_owned();
    Commit { identity: identity(), run_id, operation, schema, partition_by, adds, removes, state }
}

pub async fn stage_all(attempt: &Attempt, files: Vec<EncodedFile>) -> restlake::Result<Vec<StagedFile>> {
    let mut staged = Vec::new();
    for file in files {
        staged.push(attempt.stage(file).await?);
    }
    Ok(staged)
}

/// A whole run: stages `count` files on the newest version and commits them.
pub async fn write(
    table: &dyn TableFormat,
    operation: Operation,
    count: usize,
    run_id: &str,
) -> restlake::Result<CommitOutcome> {
    let base = table.snapshot().await?;
    let attempt = table.attempt(base.version).await?;
    let adds = stage_all(&attempt, files(attempt.version(), count, run_id)).await?;
    let removes = match operation {
        Operation::Replace => base.files.into_iter().map(|file| file.path).collect(),
        _ => Vec::new(),
    };
    let outcome = table.commit(base.version, commit(operation, adds, removes, run_id)).await;
    end(table).await?;
    outcome
}

/// The version that a commit made and the rows of the table then, `None` if another writer was first.
pub fn committed(outcome: &CommitOutcome) -> Option<(Version, u64)> {
    match outcome {
        CommitOutcome::Committed { version, rows, .. } => Some((*version, *rows)),
        CommitOutcome::Conflict { .. } => None,
    }
}

/// The end of a run.
pub async fn end(table: &dyn TableFormat) -> restlake::Result<()> {
    match table.workspace().held().await {
        Some(held) => held.release().await,
        None => Ok(()),
    }
}

/// The table is what its newest commit says, to the byte, and nothing else lies there; nothing is left of any run.
pub async fn assert_whole(lake: &Lake, table: &dyn TableFormat) {
    assert_readable(lake, table).await;
    assert_eq!(lake.staging().await, Vec::<String>::new());
}

/// The table is what its newest commit says, to the byte, and nothing else lies there, whatever is under way beside it.
pub async fn assert_readable(lake: &Lake, table: &dyn TableFormat) {
    let snapshot = table.snapshot().await.unwrap();
    let mut data = lake.data().await;
    let named: BTreeSet<_> = snapshot.files.iter().map(|file| file.path.clone()).collect();
    if !lake.format.is_globbed {
        data.retain(|path, _| named.contains(path));
    }
    assert_eq!(data.keys().cloned().collect::<BTreeSet<_>>(), named);
    for file in &snapshot.files {
        assert_eq!(data[&file.path].len() as u64, file.bytes, "{}", file.path);
    }
    assert_eq!(snapshot.rows, snapshot.files.iter().map(|file| file.rows).sum::<u64>());
}
