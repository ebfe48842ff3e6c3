//! The pause at a fault point, by which tests kill the program exactly there.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::tables::{data_files, walk};

/// A paused demo, killed at the latest when the test is over.
struct Paused(Child);

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restlake"));
    command.current_dir(folder).args(["demo", "--rows", "300", "--destination", "lake"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Returns when the program says that it pauses.
fn paused_at(folder: &Path, point: &str) -> Paused {
    let file = folder.join("paused");
    let child = demo(folder).env("RESTLAKE_PAUSE_AT", format!("{point}:1")).env("RESTLAKE_PAUSE_FILE", &file).spawn();
    let mut paused = Paused(child.unwrap());
    let patience = Instant::now();
    while std::fs::read_to_string(&file).unwrap_or_default() != format!("paused at {point}") {
        assert_eq!(paused.0.try_wait().unwrap(), None, "it ended before it was at {point}");
        assert!(patience.elapsed() < Duration::from_secs(60), "it is never at {point}");
        thread::sleep(Duration::from_millis(10));
    }
    paused
}

#[test]
fn the_program_can_be_killed_exactly_before_and_exactly_after_its_commit() {
    for (point, is_committed) in [("before_commit", false), ("after_commit", true)] {
        let folder = TempDir::new().unwrap();
        let mut paused = paused_at(folder.path(), point);
        assert_eq!(paused.0.try_wait().unwrap(), None, "it waits to be killed");
        drop(paused);
        let lake = folder.path().join("lake");
        assert!(data_files(&lake).is_empty(), "{point}: nothing is published");
        let commits = walk(&lake).keys().filter(|path| path.contains("/_restlake/commits/")).count();
        assert_eq!(commits, usize::from(is_committed), "{point}");
    }
}

#[test]
fn a_pause_that_cannot_be_understood_is_an_error() {
    let folder = TempDir::new().unwrap();
    let ended = demo(folder.path()).env("RESTLAKE_PAUSE_AT", "lunch:1").status().unwrap();
    assert!(!ended.success());
    assert!(demo(folder.path()).status().unwrap().success());
}
