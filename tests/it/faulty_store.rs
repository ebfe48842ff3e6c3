//! Stores that fail now and then, before or after they did what they were asked, and disks that are full or locked: a run
//! ends well or with a clear error, and the table is never wrong.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use restlake::{
    ErrorKind,
    commit::{CommitOutcome, TableFormat},
    model::Operation,
};

#[cfg(feature = "delta")]
use crate::table_formats::DELTA;
use crate::{
    support::{
        s3::{Faults, S3},
        store::{Decorator, in_front},
    },
    table_formats::fixture::{
        Lake, PARQUET, World, assert_readable, assert_whole, commit, end, files, open, stage_all, write,
    },
};

/// What became of a run that somebody runs again until it is done.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    /// Done by a run that told of an error.
    found_done: usize,
    failed: usize,
}

/// Appends so many times, each time again until it is done, as a schedule does. A run that failed is asked for at the next
/// start: if it has committed, it is done.
async fn append_until_done(lake: &Lake, times: usize) -> Tally {
    let mut world = World::new();
    let mut tally = Tally::default();
    for number in 0..times {
        let run_id = format!("run-{number}");
        for round in 0.. {
            assert!(round < 100, "{run_id} is never done");
            let appended = append(lake, &world, &run_id).await;
            world = world.after_death();
            match appended {
                Ok(true) => tally.done += 1,
                Ok(false) => tally.found_done += 1,
                Err(error) => {
                    assert_is_clear(&error);
                    tally.failed += 1;
                    continue;
                }
            }
            break;
        }
    }
    tally
}

/// Whether this run appended, `false` if one before it had.
async fn append(lake: &Lake, world: &World, run_id: &str) -> restlake::Result<bool> {
    let table = lake.try_open(world).await?;
    if table.workspace().died_after_commit().is_some_and(|died| died.run_id == run_id) {
        return Ok(false);
    }
    let base = table.newest().await?;
    let attempt = table.attempt(base).await?;
    let adds = stage_all(&attempt, files(base + 1, 2, run_id)).await?;
    let outcome = table.commit(base, commit(Operation::Append, adds, vec![], run_id)).await?;
    assert!(matches!(outcome, CommitOutcome::Committed { .. }), "{outcome:?}: nobody else writes");
    // What is committed has not failed for the sake of its record.
    let _ = end(&*table).await;
    Ok(true)
}

fn assert_is_clear(error: &restlake::Error) {
    let is_told = matches!(error.code(), "commit_unpublished" | "commit_unclear" | "attempt_lost");
    assert!(is_told || error.is_retryable(), "{}: {error}", error.code());
}

/// Every run's rows are there, once.
async fn assert_each_once(lake: &Lake, table: &dyn TableFormat, times: usize) {
    assert_readable(lake, table).await;
    let files = table.snapshot().await.unwrap().files;
    let data = lake.data().await;
    let content = |file: &restlake::model::DataFile| String::from_utf8(data[&file.path].to_vec()).unwrap();
    let mut writers: Vec<String> = files.iter().map(content).collect();
    for writer in &mut writers {
        writer.truncate(writer.find(' ').unwrap());
    }
    writers.sort();
    let mut expected: Vec<String> = (0..times * 2).map(|number| format!("run-{}", number / 2)).collect();
    expected.sort();
    assert_eq!(writers, expected);
}

async fn never_wrong(lake: Lake, times: usize, seed: u64, share: f64) -> Tally {
    let flaky = lake.decorated(|inner| {
        in_front(Arc::new(Flaky { inner, share, dice: Mutex::new(fastrand::Rng::with_seed(seed)) }))
    });
    let tally = append_until_done(&flaky, times).await;
    // A run on a store that is well again takes away what is left.
    let world = World { pid: 9999, ..World::new() };
    world.dead.lock().unwrap().extend(1..9999);
    let table = lake.open(&world).await;
    assert_each_once(&lake, &*table, times).await;
    table.workspace().forget_died().await.unwrap();
    assert_whole(&lake, &*table).await;
    tally
}

/// More runs on one table than it takes for the log to have a checkpoint, which is read otherwise than its objects.
#[cfg(feature = "delta")]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_now_and_then_never_makes_a_wrong_delta_table() {
    let mut failed = 0;
    for seed in 0..8 {
        failed += never_wrong(Lake::memory(DELTA).await, 13, seed, 0.01).await.failed;
    }
    assert!(failed > 20, "the faults did not hit: {failed} failed");
}

#[tokio::test]
async fn a_store_that_fails_now_and_then_never_makes_a_wrong_table() {
    let (mut failed, mut found_done) = (0, 0);
    for seed in 0..150 {
        let share = if seed % 3 == 0 { 0.1 } else { 0.05 };
        let tally = never_wrong(Lake::memory(PARQUET).await, 4, seed, share).await;
        failed += tally.failed;
        found_done += tally.found_done;
    }
    assert!(failed > 50 && found_done > 5, "the faults did not hit: {failed} failed, {found_done} done all the same");
}

#[tokio::test]
async fn a_disk_that_fails_now_and_then_never_makes_a_wrong_table() {
    for seed in 0..15 {
        never_wrong(Lake::local(PARQUET).await, 4, seed, 0.1).await;
    }
}

/// Over HTTP: 500, 503, slow answers and connections that break, before and after the request took effect, on every kind of
/// request. The client tries again by itself, so that nearly all runs go well.
#[tokio::test]
async fn an_s3_that_fails_now_and_then_never_makes_a_wrong_table() {
    const TIMES: usize = 12;
    let server = S3::start_faulty(Faults { share: 0.05, seed: 7 }).await;
    let lake = Lake::on(open(&server.plan("some/prefix")), PARQUET);
    let tally = append_until_done(&lake, TIMES).await;
    assert_eq!(tally.done + tally.found_done, TIMES);
    assert!(server.faults() > 5, "{} faults", server.faults());
    server.heal();
    let world = World { pid: 9999, ..World::new() };
    world.dead.lock().unwrap().extend(1..9999);
    let table = lake.open(&world).await;
    assert_each_once(&lake, &*table, TIMES).await;
    table.workspace().forget_died().await.unwrap();
    assert_whole(&lake, &*table).await;
}

#[tokio::test]
async fn a_disk_that_fills_up_is_told_and_leaves_the_old_or_the_new_table() {
    let mut told = 0;
    for space in 0.. {
        let lake = Lake::memory(PARQUET).await;
        let world = World::new();
        let _ = write(&*lake.open(&world).await, Operation::Append, 2, "run-0").await.unwrap();
        let full = lake.decorated(|inner| in_front(Arc::new(Full { inner, space: AtomicI64::new(space) })));
        let done = match full.try_open(&world).await {
            Ok(table) => match write(&*table, Operation::Append, 2, "run-1").await {
                Ok(_) => true,
                Err(error) => {
                    assert!(matches!(error.code(), "store_full" | "commit_unpublished"), "{}", error.code());
                    assert_eq!(error.kind(), ErrorKind::User);
                    told += 1;
                    false
                }
            },
            Err(error) => panic!("looking needs no space: {error}"),
        };
        let table = lake.open(&world.after_death()).await;
        let version = table.newest().await.unwrap();
        assert!(version == 2 || !done);
        assert_each_once(&lake, &*table, version as usize).await;
        table.workspace().forget_died().await.unwrap();
        assert_whole(&lake, &*table).await;
        if done {
            break;
        }
    }
    assert!(told > 3, "{told}");
}

/// Root may do everything, so there is nothing to see.
#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_may_not_be_written_is_told_and_nothing_changes() {
    use std::{fs, os::unix::fs::PermissionsExt};

    if rustix::process::geteuid().is_root() {
        return;
    }
    let lake = Lake::local(PARQUET).await;
    let world = World::new();
    let _ = write(&*lake.open(&world).await, Operation::Append, 2, "run-0").await.unwrap();
    let staging = lake.directory.as_ref().unwrap().path().join("data/lake/test_cases/_restlake");
    fs::set_permissions(&staging, fs::Permissions::from_mode(0o555)).unwrap();
    let table = lake.open(&world).await;
    let error = write(&*table, Operation::Append, 2, "run-1").await.unwrap_err();
    fs::set_permissions(&staging, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((error.code(), error.kind()), ("store_permission", ErrorKind::User));
    assert_each_once(&lake, &*table, 1).await;
    end(&*table).await.unwrap();
    assert_whole(&lake, &*lake.open(&world.after_death()).await).await;
}

/// Nobody but the claim itself can know whether its record was written.
#[tokio::test]
async fn a_claim_whose_put_or_its_answer_is_lost_is_made_all_the_same() {
    for moment in [Moment::Before, Moment::After] {
        let lake = Lake::memory(PARQUET).await;
        let lost = AtomicI64::new(1);
        let deaf = lake.decorated(|inner| in_front(Arc::new(Deaf { inner, moment, lost })));
        let world = World::new();
        let _ = write(&*deaf.open(&world).await, Operation::Append, 2, "run-0").await.unwrap();
        let table = lake.open(&world.after_death()).await;
        assert_each_once(&lake, &*table, 1).await;
        table.workspace().forget_died().await.unwrap();
        assert_whole(&lake, &*table).await;
    }
}

#[tokio::test]
async fn a_claim_that_is_lost_again_and_again_is_told() {
    let lake = Lake::memory(PARQUET).await;
    let deaf =
        lake.decorated(|inner| in_front(Arc::new(Deaf { inner, moment: Moment::Before, lost: AtomicI64::new(2) })));
    let error = write(&*deaf.open(&World::new()).await, Operation::Append, 2, "run-0").await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("store_failed", ErrorKind::Transient));
    assert!(lake.objects().await.is_empty());
}

/// Fails this share of all requests, half of them after they took effect.
#[derive(Debug)]
struct Flaky {
    inner: Arc<dyn ObjectStore>,
    share: f64,
    dice: Mutex<fastrand::Rng>,
}

/// When a request fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Before,
    After,
    Never,
}

impl Flaky {
    fn throw(&self) -> Moment {
        let number = self.dice.lock().unwrap().f64();
        match number {
            _ if number < self.share / 2.0 => Moment::Before,
            _ if number < self.share => Moment::After,
            _ => Moment::Never,
        }
    }

    async fn around<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        match self.throw() {
            Moment::Never => request.await,
            Moment::Before => Err(reset()),
            Moment::After => request.await.and(Err(reset())),
        }
    }
}

fn reset() -> Error {
    Error::Generic { store: "Flaky", source: "connection reset by peer".into() }
}

#[async_trait]
impl Decorator for Flaky {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.around(self.inner.put_opts(location, payload, options)).await
    }
    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.around(self.inner.put_multipart_opts(location, options)).await
    }
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.around(self.inner.get_opts(location, options)).await
    }
    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.throw() {
            Moment::Never => self.inner.delete_stream(locations),
            Moment::Before => futures::stream::once(async { Err(reset()) }).boxed(),
            Moment::After => {
                let deleted = self.inner.delete_stream(locations);
                futures::stream::once(async { deleted.try_for_each(async |_| Ok(())).await.and(Err(reset())) }).boxed()
            }
        }
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.throw() {
            Moment::Never => self.inner.list(prefix),
            // The second page of a listing may fail after the first came.
            Moment::After => {
                let first = self.inner.list(prefix).take(1);
                first.chain(futures::stream::once(async { Err(reset()) })).boxed()
            }
            Moment::Before => futures::stream::once(async { Err(reset()) }).boxed(),
        }
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.around(self.inner.list_with_delimiter(prefix)).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.around(self.inner.copy_opts(from, to, options)).await
    }
}

/// Has space for so many objects more.
#[derive(Debug)]
struct Full {
    inner: Arc<dyn ObjectStore>,
    space: AtomicI64,
}

impl Full {
    fn take(&self) -> Result<()> {
        if self.space.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Err(Error::Generic { store: "Full", source: source.into() })
    }
}

#[async_trait]
impl Decorator for Full {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.take()?;
        self.inner.put_opts(location, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.take()?;
        self.inner.put_multipart_opts(location, options).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.take()?;
        self.inner.copy_opts(from, to, options).await
    }
}

/// Loses so many puts of an attempt's first record, or their answers.
#[derive(Debug)]
struct Deaf {
    inner: Arc<dyn ObjectStore>,
    moment: Moment,
    lost: AtomicI64,
}

#[async_trait]
impl Decorator for Deaf {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !location.as_ref().ends_with("/owner.json") || self.lost.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return self.inner.put_opts(location, payload, options).await;
        }
        if self.moment == Moment::After {
            self.inner.put_opts(location, payload, options).await?;
        }
        Err(reset())
    }
}
