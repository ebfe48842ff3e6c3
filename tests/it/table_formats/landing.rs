//! A commit on its way: it never names files that somebody else was free to delete.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use object_store::{ObjectStore, PutOptions, PutPayload, PutResult, Result, path::Path};
use restlake::{
    commit::{LEASE, RENEWAL},
    model::{Operation, StagedFile},
};

use super::{
    decorators::{Lost, Unclear, meanwhile},
    fixture::{Lake, World, assert_whole, commit, end, files, stage_all},
};
use crate::support::store::{Decorator, in_front};

/// Far more than any machine needs: a test fails where it would hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts at some paths are sent, and never answered.
#[derive(Debug)]
struct Silent {
    inner: Arc<dyn ObjectStore>,
    paths: [&'static str; 2],
    /// How many are still to be lost; negative before the first.
    times: AtomicI64,
    /// How many were.
    lost: AtomicUsize,
    /// The last one, as it is on the wire.
    sent: Mutex<Option<(Path, PutPayload, PutOptions)>>,
}

impl Silent {
    fn over(lake: &Lake, paths: [&'static str; 2]) -> (Arc<Self>, Lake) {
        let inner = Arc::clone(&lake.store.store);
        let silent = Self { inner, paths, times: AtomicI64::new(0), lost: AtomicUsize::new(0), sent: Mutex::default() };
        let silent = Arc::new(silent);
        let seen = lake.decorated(|_| in_front(Arc::clone(&silent)));
        (silent, seen)
    }

    fn lose(&self, times: i64) {
        self.times.store(times, Ordering::SeqCst);
    }

    /// Returns when so many puts were lost.
    async fn has_lost(&self, count: usize) {
        let lost = async {
            while self.lost.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, lost).await.expect("nothing was sent");
    }

    /// What was on the wire arrives; whether it was done.
    async fn arrive(&self) -> bool {
        let (path, content, options) = self.sent.lock().unwrap().take().unwrap();
        self.inner.put_opts(&path, content, options).await.is_ok()
    }
}

#[async_trait]
impl Decorator for Silent {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let is_one = self.paths.iter().any(|path| location.as_ref().contains(path));
        if !is_one || self.times.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return self.inner.put_opts(location, payload, options).await;
        }
        *self.sent.lock().unwrap() = Some((location.clone(), payload, options));
        self.lost.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

const COMMITS: [&str; 2] = ["/commits/", "/_delta_log/"];
const RECORDS: [&str; 2] = ["/owner.json", "/owner.json"];

/// Where an attempt lies, as the end of a path.
fn directory(adds: &[StagedFile]) -> &'static str {
    adds[0].staged.rsplit_once('/').unwrap().0.to_owned().leak()
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it hangs")
}

pub async fn a_writer_whose_attempt_is_being_deleted_finds_out_before_it_commits(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "slow")).await.unwrap();
    let next = world.after_death();
    // It was only slow: it comes back when somebody has begun to delete what it staged.
    let store = meanwhile(&lake, directory(&adds), async move {
        let error = table.commit(0, commit(Operation::Append, adds, vec![], "slow")).await.unwrap_err();
        assert_eq!(error.code(), "attempt_lost");
        drop(attempt);
    });
    let opened = store.open(&next).await;
    assert_eq!(opened.newest().await.unwrap(), 0);
    assert!(lake.staging().await.is_empty(), "{:?}", lake.staging().await);
}

pub async fn a_commit_is_not_sent_again_once_another_run_has_taken_the_attempt(lake: Lake) {
    let world = World::new();
    let (seen, next) = (lake.decorated(|inner| inner), world.clone());
    // What is read first after the put that got lost.
    let taken = meanwhile(&lake, "/commits/00000000000000000001.json", async move {
        seen.open(&next.after_death()).await;
    });
    let (times, lost) = (AtomicI64::new(1), Lost::NotWritten);
    let store = taken.decorated(|inner| in_front(Arc::new(Unclear { inner, lost, times })));
    let table = store.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "slow")).await.unwrap();
    let error = table.commit(0, commit(Operation::Replace, adds, vec![], "slow")).await.unwrap_err();
    assert_eq!(error.code(), "commit_unclear", "{error:?}");
    let opened = lake.open(&world.another_process()).await;
    assert_eq!(opened.newest().await.unwrap(), 0);
    assert_whole(&lake, &*opened).await;
}

pub async fn a_commit_that_is_never_answered_is_given_up(lake: Lake) {
    let world = World::new();
    let (silent, seen) = Silent::over(&lake, COMMITS);
    let table = seen.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    silent.lose(i64::MAX);
    let committing = async {
        let error = table.commit(0, commit(Operation::Replace, adds, vec![], "run")).await.unwrap_err();
        assert_eq!(error.code(), "commit_unclear");
    };
    let time = async {
        for count in 1.. {
            silent.has_lost(count).await;
            world.clock.advance(Duration::from_secs(60));
        }
    };
    within(async {
        tokio::select! { () = committing => (), () = time => () }
    })
    .await;
}

pub async fn a_renewal_that_hangs_holds_no_commit_up(lake: Lake) {
    let world = World::new();
    let (silent, seen) = Silent::over(&lake, RECORDS);
    let table = seen.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    world.clock.somebody_sleeps().await;
    silent.lose(1);
    world.clock.advance(RENEWAL);
    silent.has_lost(1).await;
    let _ = within(table.commit(0, commit(Operation::Append, adds, vec![], "run"))).await.unwrap();
    end(&*table).await.unwrap();
    assert_whole(&lake, &*table).await;
}

pub async fn a_renewal_that_hangs_is_given_up_and_tried_again(lake: Lake) {
    let world = World::new();
    let (silent, seen) = Silent::over(&lake, RECORDS);
    let table = seen.open(&world.on_host("there")).await;
    let attempt = table.attempt(0).await.unwrap();
    let _adds = stage_all(&attempt, files(1, 2, "run")).await.unwrap();
    world.clock.somebody_sleeps().await;
    silent.lose(1);
    world.clock.advance(RENEWAL);
    silent.has_lost(1).await;
    let before = renewed_at(&lake).await;
    // Given up, and then tried again: the lease is a new one, long before it would have run out.
    within(async {
        while renewed_at(&lake).await == before {
            world.clock.advance(Duration::from_secs(5));
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.clock.advance(LEASE - RENEWAL * 2);
    lake.open(&world).await;
    assert!(!lake.staging().await.is_empty(), "it lives");
}

async fn renewed_at(lake: &Lake) -> String {
    let objects = lake.objects().await;
    let (_, record) = objects.iter().find(|(path, _)| path.ends_with("/owner.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(record).unwrap();
    record["renewed_at"].as_str().unwrap().to_owned()
}

/// A run whose commit was on the wire when its process was killed.
async fn killed(lake: &Lake, world: &World) -> Arc<Silent> {
    let (silent, seen) = Silent::over(lake, COMMITS);
    let table = seen.open(world).await;
    let attempt = table.attempt(0).await.unwrap();
    let adds = stage_all(&attempt, files(1, 2, "killed")).await.unwrap();
    silent.lose(1);
    tokio::select! {
        _ = table.commit(0, commit(Operation::Append, adds, vec![], "killed")) => panic!("it was answered"),
        () = silent.has_lost(1) => (),
    }
    silent
}

pub async fn a_commit_that_arrives_after_its_sender_died_finds_its_files(lake: Lake) {
    let world = World::new();
    let silent = killed(&lake, &world).await;
    let next = world.after_death();
    for _ in 0..2 {
        assert_eq!(lake.open(&next).await.newest().await.unwrap(), 0);
    }
    assert!(silent.arrive().await);
    let opened = lake.open(&next).await;
    assert_eq!(opened.snapshot().await.unwrap().files.len(), 2);
    opened.workspace().forget_died().await.unwrap();
    assert_whole(&lake, &*opened).await;
}

pub async fn what_a_late_commit_would_name_goes_once_it_can_arrive_no_more(lake: Lake) {
    let world = World::new();
    let silent = killed(&lake, &world).await;
    let next = world.after_death();
    let opened = lake.open(&next).await;
    let attempt = opened.attempt(0).await.unwrap();
    assert_eq!(opened.workspace().living(&attempt).await.unwrap(), None, "it is in nobody's way");
    let adds = stage_all(&attempt, files(1, 1, "next")).await.unwrap();
    let _ = opened.commit(0, commit(Operation::Append, adds, vec![], "next")).await.unwrap();
    end(&*opened).await.unwrap();
    assert!(!silent.arrive().await, "its version is taken");
    assert_whole(&lake, &*opened).await;

    lake.clear().await;
    let killed = killed(&lake, &next).await;
    let last = next.after_death();
    lake.open(&last).await;
    assert!(!lake.staging().await.is_empty());
    world.clock.advance(LEASE + Duration::from_secs(1));
    lake.open(&last).await;
    assert!(lake.objects().await.is_empty());
    drop(killed);
}
