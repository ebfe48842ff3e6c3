//! Who works in a staging directory, and whether they still live.
//!
//! A writer claims `_restlake/staging/<attempt>/owner.json` by put-if-absent and writes it again every minute. Its owner is
//! dead if it ran on this machine and its process is gone, or if it has not been renewed for five minutes. Clocks of
//! machines that share a table are taken to agree within a minute or two.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::CommitError;
use crate::{
    environment::{Clock, Environment},
    model::Version,
    store::{Created, TableStore},
};

/// An owner that has not renewed its lease for this long is dead.
pub const LEASE: Duration = Duration::from_secs(300);
/// How often a living owner renews it.
pub const RENEWAL: Duration = Duration::from_secs(60);

/// Where attempts lie, relative to the table.
pub(super) const STAGING: &str = "_restlake/staging";
pub(super) const OWNER: &str = "owner.json";

/// How many names are tried for an attempt.
const CLAIMS: u64 = 64;

/// A process, named so that no other one in time or space has the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The machine's name, for people.
    pub host: String,
    /// What else tells its process numbers from those of other machines, boots and containers.
    pub machine: String,
    pub pid: u32,
    /// When it started, in a unit of the machine's own; 0 where that is not known.
    pub started: u64,
}

/// The processes of this machine; injected, so that a test can kill an owner without a process.
pub trait Processes: fmt::Debug + Send + Sync {
    fn this(&self) -> Process;

    /// `None`: it runs on another machine, which can't be seen from here.
    fn is_running(&self, process: &Process) -> Option<bool>;
}

/// The contents of `owner.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    #[serde(flatten)]
    pub process: Process,
    pub started_at: String,
    pub renewed_at: String,
}

impl Owner {
    /// Whether nobody will come back to the attempt.
    pub fn is_dead(&self, processes: &dyn Processes, now: DateTime<Utc>) -> bool {
        if let Some(running) = processes.is_running(&self.process) {
            return !running;
        }
        let renewed = DateTime::parse_from_rfc3339(&self.renewed_at).map(|moment| moment.with_timezone(&Utc));
        let age = renewed.map(|renewed| now.signed_duration_since(renewed).to_std().unwrap_or_default());
        // A time that cannot be read was not written by us; nobody can renew it.
        age.map_or(true, |age| age > LEASE)
    }
}

/// A claimed attempt, whose lease is renewed until it is released or dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub name: String,
    /// The version that the attempt wants to make.
    pub version: Version,
    table: TableStore,
    clock: Arc<dyn Clock>,
    /// `None` once released; the lock keeps a renewal from writing the record again after its deletion.
    owner: Arc<Mutex<Option<Owner>>>,
    stop: CancellationToken,
    /// Whether a commit of this attempt may stand. Then only the log may say whether its files can go.
    in_doubt: AtomicBool,
}

impl Lease {
    /// Claims a new attempt at a version.
    pub async fn claim(
        table: &TableStore,
        version: Version,
        environment: &Environment,
        processes: &dyn Processes,
    ) -> Result<Self, CommitError> {
        let now = timestamp(environment.clock.now());
        let owner = Owner { process: processes.this(), started_at: now.clone(), renewed_at: now };
        let seed = seed(environment.random.next());
        for number in 0..CLAIMS {
            // Random, so that a name never returns: a cleaner that is late would delete the files of its next owner.
            let name = format!("{version:020}-{:08x}", seed.wrapping_add(number as u32));
            if claim(table, &name, &owner).await? {
                return Ok(Self::start(table, name, version, owner, environment));
            }
        }
        Err(CommitError::NotConditional { store: table.shown("") })
    }

    fn start(table: &TableStore, name: String, version: Version, owner: Owner, environment: &Environment) -> Self {
        let lease = Self {
            name,
            version,
            table: table.clone(),
            clock: Arc::clone(&environment.clock),
            owner: Arc::new(Mutex::new(Some(owner))),
            stop: CancellationToken::new(),
            in_doubt: AtomicBool::new(false),
        };
        let (owner, stop) = (Arc::clone(&lease.owner), lease.stop.clone());
        tokio::spawn(keep(table.clone(), lease.owner_path(), owner, stop, Arc::clone(&lease.clock)));
        lease
    }

    pub fn owner_path(&self) -> String {
        owner_path(&self.name)
    }

    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Acquire)
    }

    pub fn set_in_doubt(&self, in_doubt: bool) {
        self.in_doubt.store(in_doubt, Ordering::Release);
    }

    /// Renews the lease now; a released one stays released.
    pub async fn renew(&self) -> Result<(), CommitError> {
        let mut owner = self.owner.lock().await;
        match owner.as_mut() {
            Some(owner) => renew(&self.table, &self.owner_path(), owner, self.clock.as_ref()).await,
            None => Ok(()),
        }
    }

    /// Stops renewing; returns when no renewal is under way any more.
    pub async fn release(&self) {
        self.stop.cancel();
        self.owner.lock().await.take();
    }

    /// Tries to claim the attempt a second time, which a store with a working put-if-absent refuses.
    pub async fn prove_put_if_absent(&self) -> Result<(), CommitError> {
        match self.table.put_if_absent(&self.owner_path(), Bytes::from_static(b"{}")).await? {
            Created::AlreadyThere => Ok(()),
            Created::Yes => Err(CommitError::NotConditional { store: self.table.shown("") }),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) fn owner_path(attempt: &str) -> String {
    format!("{STAGING}/{attempt}/{OWNER}")
}

/// Puts the owner's record; `false` if the name is taken, be it by ourselves with a request that was sent twice: such a
/// claim holds no files and goes with its process.
async fn claim(table: &TableStore, name: &str, owner: &Owner) -> Result<bool, CommitError> {
    let path = owner_path(name);
    Ok(table.put_if_absent(&path, encode(owner)).await? == Created::Yes)
}

async fn renew(table: &TableStore, path: &str, owner: &mut Owner, clock: &dyn Clock) -> Result<(), CommitError> {
    owner.renewed_at = timestamp(clock.now());
    Ok(table.put(path, encode(owner)).await?)
}

/// Renews until stopped. A renewal that fails is tried again a minute later: the lease outlives four of them.
async fn keep(
    table: TableStore,
    path: String,
    owner: Arc<Mutex<Option<Owner>>>,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
) {
    while stop.run_until_cancelled(clock.sleep(RENEWAL)).await.is_some() {
        let mut owner = owner.lock().await;
        // A sleep that ends in the moment of the stop counts as ended.
        let Some(owner) = owner.as_mut().filter(|_| !stop.is_cancelled()) else { return };
        if let Err(error) = renew(&table, &path, owner, clock.as_ref()).await {
            tracing::warn!(path, error = %crate::error::chain(&error), "the lease of the attempt was not renewed");
        }
    }
}

fn encode(owner: &Owner) -> Bytes {
    // A struct of strings and numbers always has a JSON form.
    serde_json::to_vec(owner).unwrap_or_default().into()
}

fn timestamp(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// 32 bits of a number in `[0, 1)`.
fn seed(random: f64) -> u32 {
    (random * f64::from(u32::MAX)) as u32
}

/// What the operating system says.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemProcesses;

impl Processes for SystemProcesses {
    fn this(&self) -> Process {
        let pid = std::process::id();
        Process { host: host(), machine: machine(), pid, started: started(pid).unwrap_or_default() }
    }

    fn is_running(&self, process: &Process) -> Option<bool> {
        if (process.host.as_str(), process.machine.as_str()) != (host().as_str(), machine().as_str()) {
            return None;
        }
        Some(exists(process.pid) && started(process.pid).unwrap_or_default() == process.started)
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The boot and the process namespace: process numbers mean nothing across either. Empty where neither is known.
fn machine() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display()).trim().to_owned()
}

/// Whether there is such a process; one that may not be signalled exists too.
fn exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// The start time of a process in clock ticks since boot: the 22nd field of Linux's `/proc/<pid>/stat`.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses that may hold spaces; after it comes the third.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(process: Process, renewed_at: &str) -> Owner {
        Owner { process, started_at: renewed_at.to_owned(), renewed_at: renewed_at.to_owned() }
    }

    fn moment(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    #[test]
    fn this_process_runs_and_one_with_its_number_but_another_start_does_not() {
        let this = SystemProcesses.this();
        assert_eq!(SystemProcesses.is_running(&this), Some(true));
        let recycled = Process { started: this.started + 1, ..this.clone() };
        assert_eq!(SystemProcesses.is_running(&recycled), Some(false));
        let elsewhere = Process { host: "elsewhere".into(), ..this.clone() };
        assert_eq!(SystemProcesses.is_running(&elsewhere), None);
        let another_boot = Process { machine: "another boot".into(), ..this };
        assert_eq!(SystemProcesses.is_running(&another_boot), None);
    }

    #[test]
    fn a_process_that_has_ended_does_not_run() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = Process { pid: child.id(), ..SystemProcesses.this() };
        child.wait().unwrap();
        assert_eq!(SystemProcesses.is_running(&ended), Some(false));
    }

    #[test]
    fn a_process_that_cannot_be_seen_is_dead_when_its_lease_has_run_out() {
        let elsewhere = Process { host: "elsewhere".into(), ..SystemProcesses.this() };
        let owner = owner(elsewhere, "2026-11-22T12:00:00Z");
        assert!(!owner.is_dead(&SystemProcesses, moment("2026-11-22T12:05:00Z")));
        assert!(owner.is_dead(&SystemProcesses, moment("2026-11-22T12:05:01Z")));
        // A clock that is behind its.
        assert!(!owner.is_dead(&SystemProcesses, moment("2026-11-22T11:00:00Z")));
    }

    #[test]
    fn a_process_that_is_seen_alive_needs_no_lease() {
        let owner = owner(SystemProcesses.this(), "2020-01-01T00:00:00Z");
        assert!(!owner.is_dead(&SystemProcesses, moment("2026-11-22T12:00:00Z")));
    }

    #[test]
    fn a_lease_that_cannot_be_read_has_run_out() {
        let elsewhere = Process { host: "elsewhere".into(), ..SystemProcesses.this() };
        assert!(owner(elsewhere, "soon").is_dead(&SystemProcesses, moment("2026-11-22T12:00:00Z")));
    }
}
