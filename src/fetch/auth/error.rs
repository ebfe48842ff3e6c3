//! What can go wrong on the way to an access token.

use std::time::Duration;

use crate::{
    error::{ErrorKind, Failure},
    fetch::error::{CERTIFICATE, PLAIN, REFUSED, Trouble},
};

/// Why there is no token. All texts in it are redacted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token endpoint, or the login, did not answer as it should, after all the attempts that it was worth.
    #[error("{0}")]
    Request(Box<TokenRequestError>),
    #[error("{method} {url} for {what}: the answer is a success, and {problem}")]
    NoToken { method: &'static str, url: String, what: &'static str, problem: String },
    #[error("the token file {path} {problem}")]
    TokenFile { path: String, problem: String },
    #[error("another run has held the token file {path} for longer than {seconds} s")]
    TokenFileHeld { path: String, seconds: u64 },
    #[error("the assertion cannot be signed: {0}")]
    Sign(String),
    /// The name of a header or a cookie, or a value, that cannot be sent.
    #[error("`{name}` of the login cannot be sent as a header")]
    Header { name: String },
    #[error("stopped on request while a token was asked for")]
    Interrupted,
}

/// A request for a token that failed for good.
#[derive(Clone, Debug)]
pub struct TokenRequestError {
    pub method: &'static str,
    pub url: String,
    /// `an access token`, `a login`.
    pub what: &'static str,
    pub attempts: u32,
    pub elapsed: Duration,
    pub trouble: Trouble,
    /// Why no further attempt was made, where another reason than `max_attempts` ended it.
    pub gave_up: Option<String>,
}

impl std::fmt::Display for TokenRequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { method, url, what, attempts, elapsed, trouble, gave_up } = self;
        let plural = if *attempts == 1 { "" } else { "s" };
        write!(
            f,
            "{method} {url} for {what}: {trouble} ({attempts} attempt{plural} in {:.1} s",
            elapsed.as_secs_f64()
        )?;
        match gave_up {
            Some(reason) => write!(f, "; {reason})"),
            None => f.write_str(")"),
        }
    }
}

impl AuthError {
    fn request_hint(error: &TokenRequestError) -> Option<String> {
        let hint = match &error.trouble {
            Trouble::Status { status, is_limit, .. } => match status.as_u16() {
                300..=399 => "it leads elsewhere, and credentials are not sent on: name the address that it leads to",
                _ if *is_limit => "the server limits how often tokens are asked for: try again later",
                400 | 401 | 403 => {
                    "the server does not accept the credentials: check `auth` and the variables that it reads"
                }
                404 | 405 => "check the address under `auth`",
                500..=599 => "the server is at fault: try again later",
                _ => return None,
            },
            Trouble::Connection { .. } => "is the address under `auth` right, and can this machine reach it?",
            Trouble::Certificate { .. } => CERTIFICATE,
            Trouble::Refused { .. } => REFUSED,
            Trouble::Plain { .. } => PLAIN,
            Trouble::Timeout { .. } => "raise `client.timeout`, if the server needs longer",
            _ => "does the address under `auth` name the token endpoint?",
        };
        Some(hint.to_owned())
    }
}

impl Failure for AuthError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Request(error) if error.trouble.is_passing() => ErrorKind::Transient,
            Self::TokenFileHeld { .. } => ErrorKind::Transient,
            Self::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::User,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Request(_) => "auth_request",
            Self::NoToken { .. } => "auth_no_token",
            Self::TokenFile { .. } | Self::TokenFileHeld { .. } => "auth_token_file",
            Self::Sign(_) => "auth_sign",
            Self::Header { .. } => "auth_header",
            Self::Interrupted => "interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Request(error) => Self::request_hint(error),
            Self::NoToken { .. } => {
                Some("does the address under `auth` name the token endpoint, and is the token where `auth` says?".to_owned())
            }
            Self::TokenFile { .. } => Some(
                "`auth.token_file` must be a place that restlake can write to and lock: the server gives each refresh token once"
                    .to_owned(),
            ),
            Self::TokenFileHeld { .. } => Some(
                "two runs must not renew one token at once: is one of them waiting for the server? Run it again afterwards"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
