//! Runs that die and are gone on with: nothing twice, nothing lost, nothing of the living touched.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use restlake::{
    commit::{Attempt, Checkpoint, CheckpointedFile, LEASE, TableFormat},
    environment::{Clock, FaultPoint},
    model::{Operation, StagedFile},
};
use tokio::{sync::Barrier, task::JoinSet};

use super::{
    decorators::Mortal,
    fixture::{Lake, World, assert_whole, commit, end, files, write},
};
use crate::support::store::in_front;

/// A run stages so many files, and writes a checkpoint after every second one.
const FILES: usize = 7;

fn checkpoint(world: &World, next: usize, files: &[StagedFile]) -> Checkpoint {
    let file = |staged: &StagedFile| CheckpointedFile { staged: staged.clone(), index: vec![0, 255, next as u8] };
    Checkpoint {
        fingerprint: "f".into(),
        run_id: "run".into(),
        written_at: world.clock.now().to_rfc3339(),
        position: next.into(),
        files: files.iter().map(file).collect(),
        rejects: Vec::new(),
        payload: serde_json::json!({"counters": {"rows_fetched": next}}),
    }
}

/// Stages files from `start` on, up to `end`; returns them.
async fn go_on(world: &World, attempt: &Attempt, start: usize, end: usize) -> restlake::Result<Vec<StagedFile>> {
    let mut staged = Vec::new();
    let mut since = 0;
    for (index, file) in files(attempt.version(), FILES, "run").into_iter().enumerate().take(end).skip(start) {
        staged.push(attempt.stage(file).await?);
        if index % 2 == 1 {
            attempt.write_checkpoint(&checkpoint(world, index + 1, &staged[since..])).await?;
            since = staged.len();
        }
    }
    Ok(staged)
}

/// A whole run as the command makes it; returns from where it went on, `None` if all was done already.
async fn run(lake: &Lake, world: &World) -> restlake::Result<Option<usize>> {
    let table = lake.try_open(world).await?;
    if table.workspace().died_after_commit().is_some() {
        table.workspace().forget_died().await?;
        return Ok(None);
    }
    let base = table.newest().await?;
    let (attempt, start, mut adds) = begin(&*table, base).await?;
    adds.extend(go_on(world, &attempt, start, FILES).await?);
    let _ = table.commit(base, commit(Operation::Append, adds, vec![], "run")).await?;
    end(&*table).await?;
    Ok(Some(start))
}

async fn begin(table: &dyn TableFormat, base: u64) -> restlake::Result<(Attempt, usize, Vec<StagedFile>)> {
    let Some(resumable) = table.workspace().resumable(base).await? else {
        return Ok((table.attempt(base).await?, 0, Vec::new()));
    };
    let (start, files) = progress(resumable.checkpoints());
    let attempt = table.workspace().adopt(resumable).await?.unwrap();
    Ok((attempt, start, files))
}

fn progress(checkpoints: &[Checkpoint]) -> (usize, Vec<StagedFile>) {
    let start = checkpoints.last().unwrap().position.as_u64().unwrap();
    let files = checkpoints.iter().flat_map(|checkpoint| &checkpoint.files).map(|file| file.staged.clone());
    (start as usize, files.collect())
}

/// Dies at a point as often as it is reached after a start, and at last lives.
pub async fn a_dead_run_is_resumed_from_its_checkpoints_and_nothing_is_lost_or_doubled(lake: Lake) {
    let points = [
        FaultPoint::FileStaged,
        FaultPoint::CheckpointWritten,
        FaultPoint::BeforeCommit,
        FaultPoint::AfterCommit,
        FaultPoint::BetweenMoves,
    ];
    let mut resumed = Vec::new();
    for point in points {
        for skip in [0, 1, 2, 5] {
            lake.clear().await;
            let mut world = World::new();
            let _ = write(&*lake.open(&world).await, Operation::Append, 1, "before").await.unwrap();
            for _ in 0..3 {
                let _ = run(&lake, &world.failing_at(point, skip)).await;
                world = world.after_death();
                if lake.open(&world).await.newest().await.unwrap() == 2 {
                    break;
                }
            }
            if lake.open(&world).await.newest().await.unwrap() == 1 || !lake.staging().await.is_empty() {
                resumed.extend(run(&lake, &world).await.unwrap());
            }
            let table = lake.open(&world).await;
            assert_whole(&lake, &*table).await;
            assert_eq!(table.newest().await.unwrap(), 2, "{point:?} {skip}");
            assert_once(&lake).await;
        }
    }
    assert!(resumed.contains(&6) && resumed.contains(&0), "{resumed:?}");
}

/// A run is killed, and the one that resumes it is killed before each of its operations; the third one finishes.
pub async fn a_resuming_run_killed_before_any_operation_is_resumed_in_turn(lake: Lake) {
    let mut starts = BTreeSet::new();
    for budget in 0.. {
        lake.clear().await;
        let world = World::new();
        let _ = write(&*lake.open(&world).await, Operation::Append, 1, "before").await.unwrap();
        let (_, world) = dead(&lake, &world, 5).await;
        let seen = lake.decorated(|inner| in_front(Arc::new(Mortal { inner, budget: AtomicI64::new(budget) })));
        let done = run(&seen, &world).await.is_ok();
        let world = world.after_death();
        if !done {
            starts.insert(run(&lake, &world).await.unwrap());
        }
        let table = lake.open(&world).await;
        assert_whole(&lake, &*table).await;
        assert_eq!(table.newest().await.unwrap(), 2);
        assert_once(&lake).await;
        if done {
            break;
        }
    }
    // From the first one's checkpoint, from the second one's, and not at all, as all was committed.
    assert_eq!(starts, BTreeSet::from([Some(4), Some(6), None]));
}

/// The rows of the run are in the table, each file once.
async fn assert_once(lake: &Lake) {
    let data = lake.data().await;
    let ours = data.iter().filter(|(path, _)| path.contains("part-0000000002-"));
    let ours: Vec<_> = ours.map(|(path, content)| ((lake.format.plain_name)(path), content)).collect();
    let mut expected = files(2, FILES, "run");
    expected.sort_by(|a, b| a.path.cmp(&b.path));
    let expected: Vec<_> = expected.iter().map(|file| (file.path.clone(), &file.content)).collect();
    assert_eq!(ours, expected);
}

/// Leaves a dead run with `count` files; returns what was staged, and the world after it.
async fn dead(lake: &Lake, world: &World, count: usize) -> (Vec<StagedFile>, World) {
    let table = lake.open(world).await;
    let attempt = table.attempt(table.newest().await.unwrap()).await.unwrap();
    let staged = go_on(world, &attempt, 0, count).await.unwrap();
    (staged, world.after_death())
}

fn directory(staged: &StagedFile) -> &str {
    staged.staged.rsplit_once('/').unwrap().0
}

pub async fn checkpoints_hold_as_far_as_they_are_unbroken(lake: Lake) {
    // What is spoiled of a run with checkpoints after 2, 4 and 6 files, and how many files can be relied on.
    type Spoil = (&'static str, fn(&[StagedFile]) -> String, Option<&'static str>, Option<usize>);
    let spoils: [Spoil; 9] = [
        ("nothing", |_| "_restlake/nothing".into(), Some(""), Some(6)),
        ("an uncheckpointed file", |staged| staged[6].staged.clone(), None, Some(6)),
        ("a cut-off uncheckpointed file", |staged| staged[6].staged.clone(), Some("r"), Some(6)),
        ("a missing file", |staged| staged[3].staged.clone(), None, Some(2)),
        ("a cut-off file", |staged| staged[5].staged.clone(), Some("r"), Some(4)),
        ("a file longer than it was", |staged| staged[0].staged.clone(), Some("rather longer"), None),
        ("a missing checkpoint", |staged| format!("{}/checkpoint-00002.json", directory(&staged[0])), None, Some(2)),
        ("a cut-off one", |staged| format!("{}/checkpoint-00003.json", directory(&staged[0])), Some("{"), Some(4)),
        (
            "a first one of another format",
            |staged| format!("{}/checkpoint-00001.json", directory(&staged[0])),
            Some("{\"format\":2}"),
            None,
        ),
    ];
    for (what, path, content, expected) in spoils {
        lake.clear().await;
        let world = World::new();
        let _ = write(&*lake.open(&world).await, Operation::Append, 1, "before").await.unwrap();
        let (staged, world) = dead(&lake, &world, FILES).await;
        match content {
            Some(content) => lake.put(&path(&staged), content).await,
            None => lake.delete(&path(&staged)).await,
        }
        let table = lake.open(&world).await;
        let resumable = table.workspace().resumable(1).await.unwrap();
        let reliable = resumable.map(|resumable| progress(resumable.checkpoints()));
        assert_eq!(reliable, expected.map(|count| (count, staged[..count].to_vec())), "{what}");
        if expected.is_none() {
            assert_eq!(lake.staging().await, Vec::<String>::new(), "{what}: nobody can resume it");
        }
        assert_eq!(run(&lake, &world).await.unwrap(), Some(expected.unwrap_or(0)), "{what}");
        assert_whole(&lake, &*table).await;
        assert_once(&lake).await;
    }
}

pub async fn of_several_dead_runs_the_one_that_came_furthest_is_resumed(lake: Lake) {
    let mut world = World::new();
    let _ = write(&*lake.open(&world).await, Operation::Append, 1, "before").await.unwrap();
    // They did not know of one another: their owners all live while they work.
    let mut attempts = Vec::new();
    for count in [3, 7, 5] {
        let table = lake.open(&world).await;
        let attempt = table.attempt(1).await.unwrap();
        let staged = go_on(&world, &attempt, 0, count).await.unwrap();
        attempts.push((attempt, table, staged));
        world = world.another_process();
    }
    let world = attempts.iter().fold(World { pid: 1, ..world }, |world, _| {
        world.after_death();
        World { pid: world.pid + 1000, ..world }
    });
    let table = lake.open(&world).await;
    let resumable = table.workspace().resumable(1).await.unwrap().unwrap();
    assert_eq!(progress(resumable.checkpoints()).0, 6);
    // Who does not want it asks for the next best.
    table.workspace().discard(resumable).await.unwrap();
    let resumable = table.workspace().resumable(1).await.unwrap().unwrap();
    assert_eq!(progress(resumable.checkpoints()).0, 4);
    assert_eq!(run(&lake, &world).await.unwrap(), Some(4));
    assert_once(&lake).await;
    lake.open(&world).await;
    assert_whole(&lake, &*table).await;
}

pub async fn of_many_that_want_to_resume_one_does(lake: Lake) {
    let world = World::new();
    let _ = write(&*lake.open(&world).await, Operation::Append, 1, "before").await.unwrap();
    let (_, world) = dead(&lake, &world, FILES).await;
    let start = Arc::new(Barrier::new(8));
    let mut tasks = JoinSet::new();
    for pid in 10..18 {
        // Some want to resume it, some to delete it.
        let table = lake.open(&World { pid, ..world.clone() }).await;
        let resumable = table.workspace().resumable(1).await.unwrap().unwrap();
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            start.wait().await;
            match pid % 4 {
                3 => table.workspace().discard(resumable).await.map(|()| None).unwrap(),
                _ => table.workspace().adopt(resumable).await.unwrap().map(|attempt| (table, attempt)),
            }
        });
    }
    let mut adopted: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(adopted.len() <= 1, "{} have it", adopted.len());
    let world = World { pid: 30, ..world };
    let table = lake.open(&world).await;
    match adopted.pop() {
        // Who has it, has all of it.
        Some((winner, attempt)) => {
            let staged = lake.staging().await.into_iter().filter(|path| path.ends_with(".staged"));
            assert_eq!(staged.count(), 6);
            attempt.abandon().await.unwrap();
            drop(winner);
        }
        None => assert!(table.workspace().resumable(1).await.unwrap().is_none()),
    }
    assert_whole(&lake, &*table).await;
}

pub async fn a_run_that_lives_is_not_resumed(lake: Lake) {
    let world = World::new();
    let table = lake.open(&world).await;
    let attempt = table.attempt(0).await.unwrap();
    let staged = go_on(&world, &attempt, 0, 6).await.unwrap();
    let other = lake.open(&world.another_process()).await;
    assert!(other.workspace().resumable(0).await.unwrap().is_none());
    assert_eq!(other.workspace().discard_stale(0, Duration::ZERO).await.unwrap(), 0);
    assert_eq!(lake.staging().await.len(), 6 + 3 + 1);
    let _ = table.commit(0, commit(Operation::Append, staged, vec![], "run")).await.unwrap();
    end(&*table).await.unwrap();
    assert_whole(&lake, &*table).await;
}

pub async fn a_run_that_was_taken_for_dead_commits_nothing_once_another_resumes_it(lake: Lake) {
    let world = World::new();
    let _ = write(&*lake.open(&world).await, Operation::Append, 1, "before").await.unwrap();
    let far = world.on_host("there");
    let sleeper = lake.open(&far).await;
    let attempt = sleeper.attempt(1).await.unwrap();
    let staged = go_on(&world, &attempt, 0, 6).await.unwrap();
    // Its machine stands still for longer than its lease. No time passes for its renewal, as it is no part of this clock.
    let judge = World { clock: Arc::default(), ..world.another_process() };
    judge.clock.advance(LEASE + Duration::from_secs(1));
    let table = lake.open(&judge).await;
    let resumable = table.workspace().resumable(1).await.unwrap().unwrap();
    let second = resumable.clone();
    let (start, mut adds) = progress(resumable.checkpoints());
    let adopted = table.workspace().adopt(resumable).await.unwrap().unwrap();

    // It wakes up, and goes on where it was.
    let late = files(2, FILES, "late").remove(6);
    let late = attempt.stage(late).await.unwrap();
    attempt.write_checkpoint(&checkpoint(&world, 7, std::slice::from_ref(&late))).await.unwrap();
    adds.extend(go_on(&judge, &adopted, start, FILES).await.unwrap());
    assert_ne!(late.staged, adds[6].staged, "neither overwrites the other");
    let lost = [staged, vec![late]].concat();
    let error = sleeper.commit(1, commit(Operation::Append, lost, vec![], "late")).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("attempt_lost", true));
    // What it gives up is not its own any more.
    attempt.abandon().await.unwrap();

    let _ = table.commit(1, commit(Operation::Append, adds, vec![], "run")).await.unwrap();
    end(&*table).await.unwrap();
    assert_once(&lake).await;
    // A third one that has looked before the second one came is too late as well.
    assert!(lake.open(&judge).await.workspace().adopt(second).await.unwrap().is_none());
    assert_whole(&lake, &*table).await;
}

pub async fn a_run_that_gives_up_leaves_its_checkpoints(lake: Lake) {
    let world = World::new();
    let _ = write(&*lake.open(&world).await, Operation::Append, 1, "before").await.unwrap();
    let table = lake.open(&world).await;
    let attempt = table.attempt(1).await.unwrap();
    let _ = go_on(&world, &attempt, 0, 1).await.unwrap();
    attempt.leave().await.unwrap();
    assert_eq!(lake.staging().await, Vec::<String>::new(), "without a checkpoint there is nothing to leave");

    let attempt = table.attempt(1).await.unwrap();
    let _ = go_on(&world, &attempt, 0, 5).await.unwrap();
    attempt.leave().await.unwrap();
    // Its process lives; the next run in it goes on all the same.
    assert_eq!(run(&lake, &world).await.unwrap(), Some(4));
    assert_once(&lake).await;
    assert_whole(&lake, &*table).await;
}

pub async fn what_nobody_wants_to_resume_is_discarded(lake: Lake) {
    let world = World::new();
    let (_, world) = dead(&lake, &world, 4).await;
    world.clock.advance(Duration::from_secs(3600));
    let table = lake.open(&world).await;
    let workspace = table.workspace();
    assert_eq!(workspace.discard_stale(0, Duration::from_secs(3600)).await.unwrap(), 0);
    assert!(workspace.resumable(0).await.unwrap().is_some());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(workspace.discard_stale(0, Duration::from_secs(3600)).await.unwrap(), 1);
    assert!(lake.objects().await.is_empty());

    let (_, world) = dead(&lake, &world, 4).await;
    let table = lake.open(&world).await;
    let resumable = table.workspace().resumable(0).await.unwrap().unwrap();
    assert_eq!((resumable.version(), resumable.written_at()), (1, Some(world.clock.now())));
    table.workspace().discard(resumable).await.unwrap();
    assert!(lake.objects().await.is_empty());
}

pub async fn checkpoints_of_another_version_are_deleted(lake: Lake) {
    let world = World::new();
    let (_, world) = dead(&lake, &world, 4).await;
    let table = lake.open(&world).await;
    assert_eq!(lake.staging().await.len(), 4 + 2 + 1, "who opens the table may want to resume it");
    let _ = write(&*table, Operation::Append, 1, "other").await.unwrap();
    assert!(table.workspace().resumable(1).await.unwrap().is_none());
    lake.open(&world).await;
    assert_whole(&lake, &*table).await;
}

pub async fn a_discarded_file_that_a_checkpoint_names_is_there_for_who_resumes(lake: Lake) {
    let world = World::new();
    let _ = write(&*lake.open(&world).await, Operation::Append, 1, "before").await.unwrap();
    let table = lake.open(&world).await;
    let attempt = table.attempt(1).await.unwrap();
    let staged = go_on(&world, &attempt, 0, FILES).await.unwrap();
    // Two files are written again without some of their rows, one of them after its checkpoint.
    for index in [1, 6] {
        attempt.discard(&staged[index]).await.unwrap();
        let again = attempt.stage(files(2, FILES, "without").remove(index)).await.unwrap();
        assert_eq!(attempt.read(&again).await.unwrap(), format!("without 2 {index}"));
    }
    assert_eq!(attempt.read(&staged[1]).await.unwrap(), "run 2 1");
    assert_eq!(attempt.read(&staged[6]).await.unwrap_err().code(), "attempt_lost");
    drop((attempt, table));
    let world = world.after_death();
    assert_eq!(run(&lake, &world).await.unwrap(), Some(6));
    assert_once(&lake).await;
    assert_whole(&lake, &*lake.open(&world).await).await;
}
