//! A hook for tests that kill the program: it stops where they say, for ever, and tells them that it is there.
//!
//! `RESTLAKE_PAUSE_AT=<point>:<n>` names a [`FaultPoint`] in snake case and the how manyth time it is reached, from 1.
//! There the process writes `paused at <point>` to the file that `RESTLAKE_PAUSE_FILE` names, and the thread sleeps until it
//! is killed. Without the variable nothing of this exists; it is no interface for users.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::environment::{Environment, FaultPoint, Faults};

const PAUSE_AT: &str = "RESTLAKE_PAUSE_AT";
const PAUSE_FILE: &str = "RESTLAKE_PAUSE_FILE";

const POINTS: [(&str, FaultPoint); 7] = [
    ("page_fetched", FaultPoint::PageFetched),
    ("file_staged", FaultPoint::FileStaged),
    ("checkpoint_written", FaultPoint::CheckpointWritten),
    ("before_commit", FaultPoint::BeforeCommit),
    ("after_commit", FaultPoint::AfterCommit),
    ("between_moves", FaultPoint::BetweenMoves),
    ("between_removals", FaultPoint::BetweenRemovals),
];

/// The real environment, with a pause if the variables ask for one. With one that cannot be understood, every point fails: a
/// test that asks for a pause must not run without.
pub fn environment() -> Environment {
    let environment = Environment::real();
    match Pause::from_variables(|name| std::env::var(name).ok()) {
        Ok(None) => environment,
        Ok(Some(pause)) => Environment { faults: Arc::new(pause), ..environment },
        Err(problem) => Environment { faults: Arc::new(Misunderstood(problem)), ..environment },
    }
}

#[derive(Debug)]
struct Misunderstood(String);

impl Faults for Misunderstood {
    fn reach(&self, _: FaultPoint) -> io::Result<()> {
        Err(io::Error::other(self.0.clone()))
    }
}

#[derive(Debug)]
struct Pause {
    name: &'static str,
    point: FaultPoint,
    /// 1 is the first time.
    nth: u64,
    reached: AtomicU64,
    file: Option<PathBuf>,
}

impl Pause {
    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let Some(text) = variable(PAUSE_AT) else { return Ok(None) };
        let parsed = text.split_once(':').and_then(|(name, nth)| {
            let (name, point) = POINTS.into_iter().find(|(known, _)| *known == name)?;
            Some((name, point, nth.parse().ok().filter(|nth| *nth > 0)?))
        });
        let (name, point, nth) = parsed.ok_or_else(|| format!("{PAUSE_AT}: `{text}` is no <point>:<n>"))?;
        let file = variable(PAUSE_FILE).map(PathBuf::from);
        Ok(Some(Self { name, point, nth, reached: AtomicU64::new(0), file }))
    }

    /// Whether this is the time at which to pause; says so in the file.
    fn is_due(&self, point: FaultPoint) -> io::Result<bool> {
        let is_due = point == self.point && self.reached.fetch_add(1, Ordering::SeqCst) + 1 == self.nth;
        match &self.file {
            Some(file) if is_due => fs::write(file, format!("paused at {}", self.name)).map(|()| true),
            _ => Ok(is_due),
        }
    }
}

impl Faults for Pause {
    fn reach(&self, point: FaultPoint) -> io::Result<()> {
        if self.is_due(point)? {
            loop {
                // A thread may wake up without a reason.
                thread::park();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(at: &str, file: Option<&str>) -> Result<Option<Pause>, String> {
        Pause::from_variables(|name| match name {
            PAUSE_AT => Some(at.to_owned()),
            PAUSE_FILE => file.map(str::to_owned),
            other => panic!("{other} is asked for"),
        })
    }

    #[test]
    fn without_the_variable_there_is_no_pause() {
        assert!(Pause::from_variables(|_| None).unwrap().is_none());
    }

    #[test]
    fn the_pause_is_due_once_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("paused");
        let pause = pause("between_moves:2", file.to_str()).unwrap().unwrap();
        assert!(!pause.is_due(FaultPoint::BetweenMoves).unwrap());
        assert!(!pause.is_due(FaultPoint::BeforeCommit).unwrap());
        assert!(!file.exists());
        assert!(pause.is_due(FaultPoint::BetweenMoves).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "paused at between_moves");
        assert!(!pause.is_due(FaultPoint::BetweenMoves).unwrap());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_a_fault() {
        let pause = pause("before_commit:1", Some("/no/such/directory/paused")).unwrap().unwrap();
        assert!(pause.reach(FaultPoint::BeforeCommit).is_err());
    }

    #[test]
    fn every_point_has_a_name_of_its_own() {
        for (name, point) in POINTS {
            let snake: String = format!("{point:?}")
                .chars()
                .enumerate()
                .flat_map(|(index, letter)| {
                    let separator = (index > 0 && letter.is_uppercase()).then_some('_');
                    separator.into_iter().chain(letter.to_lowercase())
                })
                .collect();
            assert_eq!(snake, name);
            assert_eq!(pause(&format!("{name}:1"), None).unwrap().unwrap().point, point);
        }
    }

    #[test]
    fn what_is_no_point_and_number_is_refused() {
        for text in ["", "before_commit", "before_commit:", "before_commit:0", "before_commit:-1", "commit:1"] {
            let error = pause(text, None).unwrap_err();
            assert!(error.contains(text) && error.starts_with(PAUSE_AT), "{error}");
            assert!(Misunderstood(error).reach(FaultPoint::PageFetched).is_err());
        }
    }
}
