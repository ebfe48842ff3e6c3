//! Runs that die, and answers that get lost: the table is the old one or the new one, and the next open leaves nothing over.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use restlake::{
    commit::{CommitOutcome, TableFormat},
    environment::FaultPoint,
    error::{ErrorKind, chain},
    model::{Operation, Version},
};

use super::fixture::{Lake, World, assert_whole, commit, files, open, plan, stage_all, write};

/// Three files, then a replace by three others that dies. Returns the version that the next open finds.
async fn crash_and_reopen(lake: &Lake, crashing: &World, store: &restlake::store::Store) -> (bool, Version) {
    let healthy = World::new();
    let _ = write(&lake.open(&healthy).await, Operation::Append, 3, "old").await.unwrap();
    let done = match crashing.open(store).await {
        Ok(table) => write(&table, Operation::Replace, 3, "new").await.is_ok(),
        Err(_) => false,
    };
    assert_nothing_uncommitted(lake).await;
    let table = lake.open(&crashing.after_death()).await;
    assert_whole(lake, &table).await;
    let snapshot = table.snapshot().await.unwrap();
    let writer = if snapshot.version == 1 { "old 1" } else { "new 2" };
    let data = lake.data().await;
    assert!(data.len() == 3 && data.values().all(|content| content.starts_with(writer.as_bytes())), "{data:?}");
    // The table can be written again.
    let _ = write(&table, Operation::Append, 1, "next").await.unwrap();
    assert_whole(lake, &table).await;
    (done, snapshot.version)
}

/// Even before the next open, a reader never finds a file that no commit names.
async fn assert_nothing_uncommitted(lake: &Lake) {
    let objects = lake.objects().await;
    let log: Vec<_> = objects.iter().filter(|(path, _)| path.starts_with("_restlake/commits/")).collect();
    for path in objects.keys().filter(|path| !path.starts_with("_restlake/")) {
        let quoted = format!("\"{path}\"");
        assert!(log.iter().any(|(_, commit)| std::str::from_utf8(commit).unwrap().contains(&quoted)), "{path}");
    }
}

pub async fn a_crash_at_any_fault_point_leaves_the_old_or_the_new_table(lake: Lake) {
    let cases = [
        (FaultPoint::FileStaged, 0, 1),
        (FaultPoint::FileStaged, 2, 1),
        (FaultPoint::BeforeCommit, 0, 1),
        (FaultPoint::AfterCommit, 0, 2),
        (FaultPoint::BetweenMoves, 0, 2),
        (FaultPoint::BetweenMoves, 1, 2),
        (FaultPoint::BetweenRemovals, 0, 2),
        (FaultPoint::BetweenRemovals, 1, 2),
    ];
    for (point, skip, expected) in cases {
        clear(&lake).await;
        let world = World::new().failing_at(point, skip);
        let (done, version) = crash_and_reopen(&lake, &world, &lake.store).await;
        assert!(!done, "the fault at {point:?} was not reached");
        assert_eq!(version, expected, "{point:?} {skip}");
    }
}

pub async fn a_process_killed_before_any_operation_leaves_the_old_or_the_new_table(lake: Lake) {
    let mut versions = Vec::new();
    for budget in 0.. {
        clear(&lake).await;
        let store = lake.decorated(|inner| Arc::new(Mortal { inner, budget: AtomicI64::new(budget) }));
        let (done, version) = crash_and_reopen(&lake, &World::new(), &store).await;
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
        let lake = Lake::memory().await;
        let world = World::new();
        let _ = write(&lake.open(&world).await, Operation::Append, 3, "old").await.unwrap();
        let crashing = world.failing_at(FaultPoint::AfterCommit, 0);
        let error = write(&lake.open(&crashing).await, Operation::Replace, 3, "new").await.unwrap_err();
        assert_eq!(error.code(), "commit_unpublished");
        let second = crashing.after_death();
        let store = lake.decorated(|inner| Arc::new(Mortal { inner, budget: AtomicI64::new(budget) }));
        let _ = second.open(&store).await;
        let table = lake.open(&second.after_death()).await;
        assert_whole(&lake, &table).await;
        assert_eq!(table.snapshot().await.unwrap().version, 2);
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_by_reading_it() {
    for lost in [Lost::WrittenButError, Lost::WrittenButAlreadyExists, Lost::NotWritten] {
        let lake = Lake::memory().await;
        let store = lake.decorated(|inner| Arc::new(Unclear { inner, lost, times: AtomicI64::new(1) }));
        let table = World::new().open(&store).await.unwrap();
        let outcome = write(&table, Operation::Append, 2, "run").await.unwrap();
        assert_eq!(outcome, CommitOutcome::Committed { version: 1, rows: 21 }, "{lost:?}");
        assert_whole(&lake, &table).await;
    }
}

/// Commits where every answer to the commit gets lost, abandons the attempt, and looks after the process's death.
async fn unclear(lake: &Lake, lost: Lost, operation: Operation) -> restlake::Error {
    let world = World::new();
    let store = lake.decorated(|inner| Arc::new(Unclear { inner, lost, times: AtomicI64::new(i64::MAX) }));
    let table = world.open(&store).await.unwrap();
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let error = table.commit(0, commit(operation, adds, vec![], "run")).await.unwrap_err();
    assert_eq!(error.code(), "commit_unclear");
    attempt.abandon().await.unwrap();
    assert_eq!(lake.staging().await.len(), 3, "what may be the table's is not deleted");
    lake.open(&world.after_death()).await;
    assert!(lake.objects().await.is_empty());
    error
}

#[tokio::test]
async fn a_commit_that_stays_unclear_keeps_its_files_until_the_next_open() {
    for operation in [Operation::Replace, Operation::Merge] {
        let error = unclear(&Lake::memory().await, Lost::NotWritten, operation).await;
        assert!(error.is_retryable(), "{operation:?}");
    }
}

#[tokio::test]
async fn an_append_that_stays_unclear_says_where_to_look_before_running_again() {
    let error = unclear(&Lake::memory().await, Lost::NotWritten, Operation::Append).await;
    assert_eq!(error.kind(), ErrorKind::User);
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with("look for memory:///lake/test_cases/_restlake/commits/00000000000000000001.json: "),
        "{hint}"
    );
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_the_commit_in_doubt() {
    let error = unclear(&Lake::memory().await, Lost::NotWrittenThenRefused, Operation::Replace).await;
    assert!(error.is_retryable());
}

/// No credentials were given: the store is asked with those of the machine, and answers.
#[tokio::test]
async fn a_lost_answer_is_no_refusal_where_the_machine_has_credentials_of_its_own() {
    let mut lake = Lake::memory().await;
    lake.store = open(&plan("s3://bucket/lake")).decorate(|_| Arc::clone(&lake.store.store));
    let error = unclear(&lake, Lost::NotWritten, Operation::Replace).await;
    assert!(error.is_retryable());
    assert!(chain(&error).contains("could not be reached"), "{}", chain(&error));
}

#[tokio::test]
async fn a_lost_commit_is_told_as_such_though_its_files_cannot_be_deleted() {
    let lake = Lake::memory().await;
    let world = World::new();
    // Renewal, list, put and the read of the winner's commit are served, then nothing.
    for budget in 0..20 {
        clear(&lake).await;
        let mortal = Arc::new(Mortal { inner: Arc::clone(&lake.store.store), budget: AtomicI64::new(i64::MAX) });
        let table = world.open(&lake.decorated(|_| mortal.clone())).await.unwrap();
        let attempt = table.attempt(0).await.unwrap();
        let adds = stage_all(&attempt, files(1, 1, "loser")).await.unwrap();
        let _ = write(&lake.open(&world.another_process()).await, Operation::Append, 1, "winner").await.unwrap();
        mortal.budget.store(budget, Ordering::SeqCst);
        if let Ok(outcome) = table.commit(0, commit(Operation::Append, adds, vec![], "loser")).await {
            assert_eq!(outcome, CommitOutcome::Conflict { version: 1, run_id: "winner".into() });
            assert!(lake.staging().await.len() == 2, "nothing could be deleted any more");
            return;
        }
    }
    panic!("the commit was never told as lost");
}

pub async fn a_publication_that_fails_in_passing_is_tried_again(lake: Lake) {
    let world = World::new().failing_within(FaultPoint::BetweenMoves, 0..3);
    let table = lake.open(&world).await;
    let outcome = write(&table, Operation::Append, 2, "run").await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { version: 1, rows: 21 });
    assert_whole(&lake, &table).await;
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
    assert_whole(lake, &table).await;
    assert_eq!(table.snapshot().await.unwrap().version, 1);
    error
}

pub async fn an_append_that_is_not_published_asks_for_no_second_run_and_keeps_its_files(lake: Lake) {
    let error = unpublished(&lake, Operation::Append).await;
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(error.hint().unwrap().contains("do not run again for them"));
}

pub async fn a_replace_that_is_not_published_may_run_again(lake: Lake) {
    assert!(unpublished(&lake, Operation::Replace).await.is_retryable());
}

#[tokio::test]
async fn a_commit_that_the_store_refuses_is_the_users_to_mend_and_leaves_nothing_in_doubt() {
    let lake = Lake::memory().await;
    let store =
        lake.decorated(|inner| Arc::new(Unclear { inner, lost: Lost::Refused, times: AtomicI64::new(i64::MAX) }));
    let table = World::new().open(&store).await.unwrap();
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    let error = table.commit(0, commit(Operation::Append, adds, vec![], "run")).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("store_permission", ErrorKind::User));
    attempt.abandon().await.unwrap();
    assert!(lake.objects().await.is_empty());
}

async fn clear(lake: &Lake) {
    for path in lake.objects().await.into_keys() {
        object_store::ObjectStoreExt::delete(&lake.store.store, &lake.path(&path)).await.unwrap();
    }
}

/// Serves so many operations; from then on its process is dead, and none of its requests arrives.
#[derive(Debug)]
struct Mortal {
    inner: Arc<dyn ObjectStore>,
    budget: AtomicI64,
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

impl fmt::Display for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mortal")
    }
}

#[async_trait]
impl ObjectStore for Mortal {
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
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.spend() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.spend()?;
        self.inner.list_with_delimiter(prefix).await
    }
    // `rename` is left to the default, a copy and a delete, so that a death between the two is tried as well.
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.spend()?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
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
struct Unclear {
    inner: Arc<dyn ObjectStore>,
    lost: Lost,
    times: AtomicI64,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unclear")
    }
}

#[async_trait]
impl ObjectStore for Unclear {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let first = self.times.load(Ordering::SeqCst) == i64::MAX;
        if !location.as_ref().contains("/commits/") || self.times.fetch_sub(1, Ordering::SeqCst) <= 0 {
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
    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }
    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
