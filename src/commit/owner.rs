//! Who works in a staging directory, and whether they still live.
//!
//! A writer claims `_restlake/staging/<attempt>/owner.json` by put-if-absent and writes it again every minute. Its owner is
//! dead if it ran on this machine and its process is gone, or if it has not been renewed for five minutes; one of this very
//! process, if its lease is no longer held. Clocks of machines that share a table are taken to agree within a minute or two: a
//! lease that is ahead of the clock by more than its length is dead, too.
//!
//! What a dead owner left can be taken over: `owner-00002.json`, put if absent, is the record of the second owner, and so
//! on. The highest number owns the attempt; of several who want it, one wins. A record says, too, how far its owner has come
//! ([`Standing`]), for those who find it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{CommitError, Process, Processes, renewal::Renewal};
use crate::{
    environment::Environment,
    error::{ErrorKind, Failure},
    model::Version,
    store::{Created, StoreError, TableStore},
};

/// An owner that has not renewed its lease for this long is dead.
pub const LEASE: Duration = Duration::from_secs(300);
/// How often a living owner renews it.
pub const RENEWAL: Duration = Duration::from_secs(60);

/// Where attempts lie, relative to the table.
pub(super) const STAGING: &str = "_restlake/staging";
/// The record of an attempt's first owner.
const OWNER: &str = "owner.json";

/// How many names are tried for an attempt.
const CLAIMS: u64 = 64;

/// The time from `moment`, which another machine may have written, until `now`. A moment that is ahead by less than a lease is
/// now, as clocks differ; one further ahead is of a clock that was wrong, and has no age (`None`): it would stay new until that
/// time has come.
pub fn age(moment: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    let passed = now.signed_duration_since(moment);
    let is_ahead = (-passed).to_std().is_ok_and(|ahead| ahead > LEASE);
    (!is_ahead).then(|| passed.to_std().unwrap_or_default())
}

/// How far an owner has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// It has yet to find out whether another one lives.
    #[default]
    Claimed,
    /// It goes on to its commit.
    Working,
    /// It sends its commit to a store behind a network. If it dies, the request may arrive after that.
    Committing,
    /// Its commit is published; the record stays until its run is over.
    Published,
    /// Its commit is published, and its run has ended without all that it was to do: the same command again must not do that
    /// part twice.
    Unfinished,
    /// Its run has ended and told so; the record is one that could not be deleted, or of a commit that may yet turn out to
    /// stand.
    Over,
    /// It has given up, and leaves checkpoints to whoever resumes them.
    Left,
    /// It deletes what an earlier owner left.
    Clearing,
}

/// The contents of an owner's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    #[serde(flatten)]
    pub process: Process,
    pub started_at: String,
    pub renewed_at: String,
    /// What tells this owner from others of its process, and of others: the same in all its attempts.
    #[serde(default)]
    pub claim: String,
    /// Which claim of its process this is: an answer that got lost is told from another's claim by it.
    #[serde(default)]
    serial: u64,
    #[serde(default)]
    pub standing: Standing,
    /// The run whose claim this is, as long as it waits for another table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}

impl Owner {
    /// One that begins now; `random` is in `[0, 1)`.
    pub fn new(process: Process, now: DateTime<Utc>, random: f64) -> Self {
        // To the microsecond: of two that begin in one second, the earlier one goes on.
        let started_at = now.to_rfc3339_opts(SecondsFormat::Micros, true);
        let renewed_at = timestamp(now);
        let serial = next_serial();
        let claim = format!("{:08x}-{serial}", seed(random));
        Self { process, started_at, renewed_at, claim, serial, standing: Standing::Claimed, waiting: None }
    }

    /// Whether nobody will come back to the attempt.
    pub fn is_dead(&self, processes: &dyn Processes, now: DateTime<Utc>) -> bool {
        if matches!(self.standing, Standing::Left | Standing::Unfinished) {
            return true;
        }
        if self.process == processes.this() {
            return !is_held_here(self.serial);
        }
        if let Some(running) = processes.is_running(&self.process) {
            return !running;
        }
        // A time that cannot be read was not written by us, and nobody can renew it; one far ahead would lock the table for ever.
        self.age(now).is_none_or(|age| age > LEASE)
    }

    /// The time since its last renewal, `None` if the record does not say.
    fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        age(DateTime::parse_from_rfc3339(&self.renewed_at).ok()?.with_timezone(&Utc), now)
    }

    /// Whether a commit that it sent before it died may yet arrive, and name what it has staged.
    pub fn may_still_commit(&self, now: DateTime<Utc>) -> bool {
        self.standing == Standing::Committing && self.age(now).is_some_and(|age| age <= LEASE)
    }

    /// Whether its commit is known to be published.
    pub fn is_published(&self) -> bool {
        matches!(self.standing, Standing::Published | Standing::Unfinished)
    }

    /// Whether its run, if its commit stands, owes nobody a word of it.
    pub fn has_told(&self) -> bool {
        matches!(self.standing, Standing::Over | Standing::Left | Standing::Clearing)
    }

    /// Whether both are one run's.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.process, &self.claim) == (&other.process, &other.claim)
    }

    /// Whether it was there before another one; of two, exactly one was.
    pub fn is_before(&self, other: &Self) -> bool {
        (self.started_at.as_str(), self.claim.as_str()) < (other.started_at.as_str(), other.claim.as_str())
    }
}

/// A claimed attempt, whose lease is renewed until it is released or dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub name: String,
    /// The version that the attempt wants to make.
    pub version: Version,
    /// How many owners the attempt has had, this one included.
    pub generation: u32,
    table: TableStore,
    renewal: Arc<Renewal>,
    /// Whether a commit of this attempt may stand. Then only the log may say whether its files can go.
    in_doubt: AtomicBool,
    _held: HeldHere,
}

impl Lease {
    /// Claims a new attempt at a version.
    pub async fn claim(
        table: &TableStore,
        version: Version,
        mut owner: Owner,
        environment: &Environment,
    ) -> Result<Self, CommitError> {
        let seed = seed(environment.random.next());
        let held = HeldHere::begin(&mut owner);
        for number in 0..CLAIMS {
            // Random, so that a name never returns: a cleaner that is late would delete the files of its next owner.
            let name = format!("{version:020}-{:08x}", seed.wrapping_add(number as u32));
            if claim(table, &name, 1, &owner).await? {
                return Ok(Self::start(table, name, (version, 1), owner, held, environment));
            }
        }
        Err(CommitError::NotConditional { store: table.shown("") })
    }

    /// Becomes an attempt's owner after another; `None` if somebody else did.
    pub async fn adopt(
        table: &TableStore,
        predecessor: &Predecessor,
        mut owner: Owner,
        environment: &Environment,
    ) -> Result<Option<Self>, CommitError> {
        let Predecessor { name, version, .. } = predecessor;
        let held = HeldHere::begin(&mut owner);
        let Some(generation) = predecessor.succeed(table, &owner).await? else { return Ok(None) };
        Ok(Some(Self::start(table, name.clone(), (*version, generation), owner, held, environment)))
    }

    fn start(
        table: &TableStore,
        name: String,
        (version, generation): (Version, u32),
        owner: Owner,
        held: HeldHere,
        environment: &Environment,
    ) -> Self {
        let clock = Arc::clone(&environment.clock);
        let renewal = Arc::new(Renewal::new(table.clone(), name.clone(), generation, owner, clock));
        tokio::spawn(Arc::clone(&renewal).keep());
        let in_doubt = AtomicBool::new(false);
        Self { name, version, generation, table: table.clone(), renewal, in_doubt, _held: held }
    }

    /// What stands in the record, `None` once it is released.
    pub fn owner(&self) -> Option<Owner> {
        self.renewal.owner()
    }

    /// How long others have had to think that its owner may be dead.
    pub fn age(&self) -> Duration {
        self.renewal.age()
    }

    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Acquire)
    }

    pub fn set_in_doubt(&self, in_doubt: bool) {
        self.in_doubt.store(in_doubt, Ordering::Release);
    }

    /// Renews the lease now; a released one stays released.
    pub async fn renew(&self) -> Result<(), CommitError> {
        self.renewal.renew().await
    }

    /// [`renew`](Self::renew) for who is about to commit: a renewal that hangs is not waited for.
    pub async fn renew_at_once(&self) -> Result<(), CommitError> {
        self.renewal.renew_at_once().await
    }

    /// Tells others how far this owner has come.
    pub async fn stand(&self, standing: Standing) -> Result<(), CommitError> {
        self.renewal.update(|owner| owner.standing = standing).await
    }

    /// Tells others that the run of this claim waits for another table, or does no more.
    pub async fn wait(&self, run: Option<String>) -> Result<(), CommitError> {
        self.renewal.update(|owner| owner.waiting = run).await
    }

    /// Stops renewing; returns when no renewal is under way any more, with what stands in the record.
    pub async fn release(&self) -> Option<Owner> {
        self.renewal.release().await
    }

    /// Tells others that the run has ended, in a record that is not renewed any more.
    pub async fn end(&self, mut owner: Owner) -> Result<(), CommitError> {
        owner.standing = Standing::Over;
        Ok(self.table.put(&self.renewal.path(), encode(&owner)).await?)
    }

    /// Tries to claim the attempt a second time, which a store with a working put-if-absent refuses.
    pub async fn prove_put_if_absent(&self) -> Result<(), CommitError> {
        match self.table.put_if_absent(&self.renewal.path(), Bytes::from_static(b"{}")).await? {
            Created::AlreadyThere => Ok(()),
            Created::Yes => Err(CommitError::NotConditional { store: self.table.shown("") }),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.stop();
    }
}

/// The owner that an attempt had when somebody looked.
#[derive(Clone, Debug)]
pub(super) struct Predecessor {
    pub name: String,
    pub version: Version,
    pub generation: u32,
    /// The record as it was read: another one since then means that its owner lives.
    pub record: Bytes,
}

impl Predecessor {
    /// Puts the next owner's record; returns its generation, `None` if somebody else was faster or the predecessor lives.
    ///
    /// A predecessor that was only slow renews its lease and then looks for a successor, before it commits. It is looked
    /// at here after the new record is there: at least one of the two sees the other.
    pub async fn succeed(&self, table: &TableStore, owner: &Owner) -> Result<Option<u32>, CommitError> {
        let generation = self.generation + 1;
        if !claim(table, &self.name, generation, owner).await? {
            return Ok(None);
        }
        if table.get(&owner_path(&self.name, self.generation)).await?.as_ref() == Some(&self.record) {
            return Ok(Some(generation));
        }
        table.delete(&owner_path(&self.name, generation)).await?;
        Ok(None)
    }
}

/// Where the record of an attempt's owner of a generation lies.
pub(super) fn owner_path(attempt: &str, generation: u32) -> String {
    match generation {
        0 | 1 => format!("{STAGING}/{attempt}/{OWNER}"),
        _ => format!("{STAGING}/{attempt}/owner-{generation:05}.json"),
    }
}

/// Which owner's record a file of an attempt is, `None` if it is something else.
pub(super) fn generation_of(name: &str) -> Option<u32> {
    if name == OWNER {
        return Some(1);
    }
    let digits = name.strip_prefix("owner-")?.strip_suffix(".json")?;
    let is_number = digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?.filter(|generation| *generation > 1)
}

/// Puts the owner's record; `false` if somebody else has. What is there already may be our own, by a request that was sent
/// twice or whose answer was lost: no two claims write the same record, so that a look tells. A put that was lost itself is
/// sent once more, as the store's client does not repeat one that is not idempotent.
async fn claim(table: &TableStore, name: &str, generation: u32, owner: &Owner) -> Result<bool, CommitError> {
    let (path, record) = (owner_path(name, generation), encode(owner));
    match put_record(table, &path, &record).await {
        Err(error) if error.kind() == ErrorKind::Transient => match table.get(&path).await? {
            Some(found) => Ok(found == record),
            None => Ok(put_record(table, &path, &record).await?),
        },
        put => Ok(put?),
    }
}

async fn put_record(table: &TableStore, path: &str, record: &Bytes) -> Result<bool, StoreError> {
    let is_created = table.put_if_absent(path, record.clone()).await? == Created::Yes;
    Ok(is_created || table.get(path).await?.as_ref() == Some(record))
}

pub(super) fn encode(owner: &Owner) -> Bytes {
    // A struct of strings and numbers always has a JSON form.
    serde_json::to_vec(owner).unwrap_or_default().into()
}

pub(super) fn timestamp(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A number that no other claim of this process has.
fn next_serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// The claims of this process that somebody still holds, by their serials: a process lives on when a run of it is dropped.
static HELD_HERE: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// A claim of this process, until it is dropped.
#[derive(Debug)]
struct HeldHere(u64);

impl HeldHere {
    /// Before the record is written: whoever reads it finds the claim held.
    fn begin(owner: &mut Owner) -> Self {
        owner.serial = next_serial();
        HELD_HERE.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.serial);
        Self(owner.serial)
    }
}

impl Drop for HeldHere {
    fn drop(&mut self) {
        HELD_HERE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

fn is_held_here(serial: u64) -> bool {
    HELD_HERE.lock().unwrap_or_else(PoisonError::into_inner).contains(&serial)
}

/// 32 bits of a number in `[0, 1)`.
fn seed(random: f64) -> u32 {
    (random * f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::SystemProcesses;

    fn owner(process: Process, renewed_at: &str) -> Owner {
        Owner { renewed_at: renewed_at.to_owned(), ..Owner::new(process, moment("2026-11-22T11:00:00Z"), 0.5) }
    }

    /// Sees every process, and whether it runs.
    #[derive(Debug)]
    struct Seen(bool);

    impl Processes for Seen {
        fn this(&self) -> Process {
            SystemProcesses.this()
        }

        fn is_running(&self, _process: &Process) -> Option<bool> {
            Some(self.0)
        }
    }

    fn moment(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    #[test]
    fn a_process_that_cannot_be_seen_is_dead_when_its_lease_has_run_out() {
        let elsewhere = Process { host: "elsewhere".into(), ..SystemProcesses.this() };
        let owner = owner(elsewhere, "2026-11-22T12:00:00Z");
        assert!(!owner.is_dead(&SystemProcesses, moment("2026-11-22T12:05:00Z")));
        assert!(owner.is_dead(&SystemProcesses, moment("2026-11-22T12:05:01Z")));
        // A clock that is behind its.
        assert!(!owner.is_dead(&SystemProcesses, moment("2026-11-22T11:56:00Z")));
    }

    #[test]
    fn a_process_that_is_seen_alive_needs_no_lease() {
        let this = SystemProcesses.this();
        let owner = owner(Process { pid: this.pid + 1, ..this }, "2020-01-01T00:00:00Z");
        assert!(!owner.is_dead(&Seen(true), moment("2026-11-22T12:00:00Z")));
        assert!(owner.is_dead(&Seen(false), moment("2026-11-22T12:00:00Z")));
    }

    #[test]
    fn a_claim_of_this_process_lives_until_it_is_dropped() {
        let mut owner = owner(SystemProcesses.this(), "2026-11-22T12:00:00Z");
        let held = HeldHere::begin(&mut owner);
        assert!(!owner.is_dead(&SystemProcesses, moment("2026-11-22T12:00:00Z")));
        drop(held);
        assert!(owner.is_dead(&SystemProcesses, moment("2026-11-22T12:00:00Z")));
    }

    #[test]
    fn a_lease_that_cannot_be_read_has_run_out() {
        let elsewhere = Process { host: "elsewhere".into(), ..SystemProcesses.this() };
        assert!(owner(elsewhere, "soon").is_dead(&SystemProcesses, moment("2026-11-22T12:00:00Z")));
    }

    #[test]
    fn a_lease_ahead_of_the_clock_by_more_than_its_length_is_dead_and_its_commit_is_not_waited_for() {
        let elsewhere = || Process { host: "elsewhere".into(), ..SystemProcesses.this() };
        let now = moment("2026-11-22T12:00:00Z");
        for (renewed, is_dead) in [
            ("2026-11-22T12:04:00Z", false),
            ("2026-11-22T12:06:00Z", true),
            ("2027-11-22T12:00:00Z", true),
            ("9999-12-31T23:59:59Z", true),
        ] {
            let owner = Owner { standing: Standing::Committing, ..owner(elsewhere(), renewed) };
            assert_eq!(
                (owner.is_dead(&SystemProcesses, now), owner.may_still_commit(now)),
                (is_dead, !is_dead),
                "{renewed}"
            );
        }
    }

    #[test]
    fn of_two_that_begin_in_one_moment_one_was_before_the_other() {
        let now = moment("2026-11-22T12:00:00Z");
        let (a, b) = (Owner::new(SystemProcesses.this(), now, 0.5), Owner::new(SystemProcesses.this(), now, 0.5));
        assert!(a.is_same(&a) && !a.is_same(&b));
        assert!(a.is_before(&b) != b.is_before(&a));
        let later = Owner::new(SystemProcesses.this(), now + Duration::from_micros(1), 0.0);
        assert!(a.is_before(&later) && !later.is_before(&a));
    }

    #[test]
    fn one_that_has_left_is_dead_though_its_process_runs() {
        let mut owner = owner(SystemProcesses.this(), "2026-11-22T12:00:00Z");
        owner.standing = Standing::Left;
        assert!(owner.is_dead(&SystemProcesses, moment("2026-11-22T12:00:00Z")));
    }

    #[test]
    fn the_record_of_an_earlier_version_of_restlake_is_one_of_a_run_that_has_yet_to_decide() {
        let text = r#"{"host":"h","machine":"m","pid":1,"started":2,"started_at":"s","renewed_at":"r"}"#;
        let owner: Owner = serde_json::from_str(text).unwrap();
        assert_eq!((owner.standing, owner.claim.as_str()), (Standing::Claimed, ""));
    }
}
