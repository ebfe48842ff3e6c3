//! Processes: how one is named, and whether it still runs.
//!
//! A number alone names nobody: it is used again, and means something else on another machine, after another boot, or in
//! another container. Of processes that can't be seen from here nothing is said.

use std::fmt;

use serde::{Deserialize, Serialize};

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

    /// `None`: nobody can tell, as it runs on another machine, or may be another process of the same number.
    fn is_running(&self, process: &Process) -> Option<bool>;
}

/// What the operating system says.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemProcesses;

impl Processes for SystemProcesses {
    fn this(&self) -> Process {
        let pid = std::process::id();
        Process {
            host: host(),
            machine: machine(),
            pid,
            started: stat(pid).and_then(|stat| stat.started).unwrap_or_default(),
        }
    }

    fn is_running(&self, process: &Process) -> Option<bool> {
        if (process.host.as_str(), process.machine.as_str()) != (host().as_str(), machine().as_str()) {
            return None;
        }
        if !exists(process.pid) {
            return Some(false);
        }
        let found = stat(process.pid);
        // It was killed, and nobody has asked what became of it: it does nothing any more.
        if found.as_ref().is_some_and(|found| found.has_ended) {
            return Some(false);
        }
        // Where it is not known when processes started, another one may have the number by now.
        let started = found.and_then(|found| found.started).filter(|_| process.started > 0)?;
        Some(started == process.started)
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

/// What Linux tells of a process.
struct Stat {
    /// Whether it is a zombie, or about to be gone.
    has_ended: bool,
    /// In clock ticks since boot.
    started: Option<u64>,
}

/// The third and the 22nd field of Linux's `/proc/<pid>/stat`.
fn stat(pid: u32) -> Option<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses that may hold spaces; after it comes the third.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
    Some(Stat { has_ended, started: fields.nth(18).and_then(|field| field.parse().ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn of_a_process_that_may_have_another_ones_number_nothing_is_said() {
        let unknown = Process { started: 0, ..SystemProcesses.this() };
        assert_eq!(SystemProcesses.is_running(&unknown), None);
    }

    #[test]
    fn a_process_that_has_ended_does_not_run() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = Process { pid: child.id(), ..SystemProcesses.this() };
        child.wait().unwrap();
        assert_eq!(SystemProcesses.is_running(&ended), Some(false));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_was_killed_and_not_yet_waited_for_does_not_run() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let killed =
            Process { pid: child.id(), started: stat(child.id()).unwrap().started.unwrap(), ..SystemProcesses.this() };
        assert_eq!(SystemProcesses.is_running(&killed), Some(true));
        child.kill().unwrap();
        // Returns when it has ended, and leaves it a zombie.
        let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap();
        assert_eq!(SystemProcesses.is_running(&killed), Some(false));
        child.wait().unwrap();
    }
}
