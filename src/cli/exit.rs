//! The exit codes: what a script may rely on.

use std::process::ExitCode;

use crate::error::ErrorKind;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// All that was asked for is done.
    Done = 0,
    /// Somebody has to mend something first: the config, credentials, a 4xx, a value that does not fit under `freeze`; a
    /// bug of restlake's own too.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A passing fault: the same command may succeed later.
    Transient = 3,
    /// More rejects than `max_rejects` allows.
    TooManyRejects = 4,
    /// Another writer won the commit.
    Conflict = 5,
    /// More records are known to exist than were received.
    Incomplete = 6,
    /// Stopped on request, cleanly: 128 + SIGINT, as shells count.
    Interrupted = 130,
}

impl Exit {
    /// What outranks what where several resources failed: what a human must mend before what a retry mends.
    const PRECEDENCE: [Self; 6] =
        [Self::Interrupted, Self::Failed, Self::TooManyRejects, Self::Incomplete, Self::Conflict, Self::Transient];

    /// The code for everything that failed; [`Exit::Done`] if nothing did.
    pub fn of(kinds: &[ErrorKind]) -> Self {
        let occurred = |exit: &Self| kinds.iter().any(|kind| Self::from(*kind) == *exit);
        Self::PRECEDENCE.into_iter().find(occurred).unwrap_or(Self::Done)
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::User | ErrorKind::Bug => Self::Failed,
            ErrorKind::Transient => Self::Transient,
            ErrorKind::TooManyRejects => Self::TooManyRejects,
            ErrorKind::Incomplete => Self::Incomplete,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Interrupted => Self::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_its_documented_code() {
        let codes = [
            (ErrorKind::User, 1),
            (ErrorKind::Bug, 1),
            (ErrorKind::Transient, 3),
            (ErrorKind::TooManyRejects, 4),
            (ErrorKind::Conflict, 5),
            (ErrorKind::Incomplete, 6),
            (ErrorKind::Interrupted, 130),
        ];
        for (kind, code) in codes {
            assert_eq!(Exit::of(&[kind]) as u8, code, "{kind:?}");
        }
        assert_eq!((Exit::of(&[]) as u8, Exit::Usage as u8), (0, 2));
    }

    #[test]
    fn of_several_failures_the_first_of_130_1_4_6_5_3_decides_in_whatever_order_they_came() {
        let mut kinds = vec![
            ErrorKind::Transient,
            ErrorKind::Conflict,
            ErrorKind::Incomplete,
            ErrorKind::TooManyRejects,
            ErrorKind::User,
            ErrorKind::Interrupted,
        ];
        let mut codes = Vec::new();
        while !kinds.is_empty() {
            let reversed: Vec<_> = kinds.iter().rev().copied().collect();
            assert_eq!(Exit::of(&kinds), Exit::of(&reversed));
            codes.push(Exit::of(&kinds) as u8);
            kinds.pop();
        }
        assert_eq!(codes, [130, 1, 4, 6, 5, 3]);
    }
}
