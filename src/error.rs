//! The crate's root error: what a caller can act on, whatever stage it came from.
//!
//! Each stage has an enum of its own beside it and implements [`Failure`] for it; the root holds any of them, so that this
//! module, at the bottom of the layers, knows none. Decisions are made by [`Error::kind`], never by a message's text.
//! `Display` prints one layer only: who renders an error walks [`std::error::Error::source`] once.

use std::fmt;

/// Who has to act on an error, and so the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The user's to mend: the config, credentials, a 4xx, a value that does not fit under `freeze`.
    User,
    /// Passing: the same command may succeed later.
    Transient,
    /// More rejects than `max_rejects` allows.
    TooManyRejects,
    /// More records are known to exist than were received.
    Incomplete,
    /// Another writer won the commit.
    Conflict,
    /// Stopped on request, cleanly.
    Interrupted,
    /// An invariant of this crate does not hold.
    Bug,
}

/// What every stage's error says about itself.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    fn kind(&self) -> ErrorKind;

    /// A stable `snake_case` word for scripts, such as `http_status` or `commit_conflict`.
    fn code(&self) -> &'static str;

    /// What to do about it, where the message does not say it already.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Any stage's error.
pub struct Error(Box<dyn Failure>);

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    pub fn code(&self) -> &'static str {
        self.0.code()
    }

    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    /// Whether the same call may succeed later without anybody mending anything.
    pub fn is_retryable(&self) -> bool {
        self.kind() == ErrorKind::Transient
    }
}

impl<F: Failure> From<F> for Error {
    fn from(failure: F) -> Self {
        Self(Box::new(failure))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// An error and all its causes in one line, for places that have one line: `a: b: c`.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let message = next.to_string();
        // Some crates print their source inside their own message; said once is enough.
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    impl Failure for Outer {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Transient
        }
        fn code(&self) -> &'static str {
            "outer"
        }
    }

    #[test]
    fn the_root_error_tells_kind_code_and_the_chain_of_the_stage_error_it_holds() {
        let error = Error::from(Outer(std::io::Error::other("inner")));
        assert!(error.is_retryable());
        assert_eq!(error.code(), "outer");
        assert_eq!(error.to_string(), "outer");
        assert_eq!(chain(&error), "outer: inner");
    }
}
