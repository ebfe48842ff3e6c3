//! Errors of destinations. Each message names the store, the path and what to do.

use std::{error::Error as StdError, fmt, io};

use object_store::client::HttpError;
use rustix::io::Errno;

use super::{Context, Kind};
use crate::{
    error::{ErrorKind, Failure, chain},
    secret::{Redactor, shortened},
};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("the destination `{url}` cannot be used: {reason}")]
    Url { url: String, reason: String },
    #[error("the destination `{url}` is neither a URL that restlake knows nor a local path")]
    NearUrl { url: String, advice: String },
    #[error("`{name}` is no option of {store}")]
    UnknownOption { name: String, store: String, suggestion: Option<String> },
    #[error("the options of {store} do not make a client: {reason}")]
    Configuration { store: &'static str, reason: String },
    #[error("`{option}` is a http:// URL, and plain HTTP is not allowed")]
    PlainHttp { option: String },
    #[error("`{path}` is {what}")]
    NotADirectory {
        path: String,
        /// The kind of the existing object, e.g. `a link that leads in a circle`.
        what: &'static str,
    },
    #[error("`{name}` cannot be a path in the store: {reason}")]
    Name { name: String, reason: String },
    #[error("cannot {action} {path}: {cause}")]
    Access {
        action: &'static str,
        /// The store's URL and the path in it.
        path: String,
        cause: Cause,
        /// True if the store answered with a refusal, so that nothing was done.
        refused: bool,
        /// Further advice, known when the store was opened.
        advice: Option<String>,
        source: Detail,
    },
}

/// The reason for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    Unauthenticated,
    /// The store knows who asks, and says no; on local disk, the file's permissions do.
    PermissionDenied,
    /// On a write or a list: the bucket does not exist.
    NotFound,
    ReadOnly,
    Full,
    /// On local disk: links that lead in a circle, a directory in the place of a file.
    BadPath,
    /// Another 4xx: the request cannot succeed as it is.
    Refused,
    /// The store cannot do what is needed.
    Unsupported,
    /// No answer, a 5xx, a broken connection.
    Unreachable,
    /// An error of the local disk or of the client itself.
    Other,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthenticated => "the credentials are missing or wrong",
            Self::PermissionDenied => "permission denied",
            Self::NotFound => "the bucket or the object does not exist",
            Self::ReadOnly => "the file system is read-only",
            Self::Full => "no space is left",
            Self::BadPath => "the path cannot be followed",
            Self::Refused => "the store refused the request",
            Self::Unsupported => "the store does not support it",
            Self::Unreachable => "the store could not be reached, or failed",
            Self::Other => "it failed",
        })
    }
}

/// The store's own words, shortened and without secrets.
#[derive(Debug)]
pub struct Detail(String);

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Detail {}

/// The most characters of the store's own words that a message shows.
const DETAIL: usize = 500;

impl StoreError {
    pub(super) fn url(url: &str, reason: impl fmt::Display) -> Self {
        Self::Url { url: url.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn access(
        context: &Context,
        action: &'static str,
        path: String,
        error: &(dyn StdError + 'static),
    ) -> Self {
        let answer = cause(error, context.kind);
        let is_passing = matches!(answer, Cause::Unreachable | Cause::Other);
        // Where nothing was given, object_store asks the machine's metadata service, which most machines don't have. Once
        // an access has succeeded, this one has.
        let lacks_credentials = is_passing && !context.has_credentials && !context.has_answered();
        let cause = if lacks_credentials { Cause::Unauthenticated } else { answer };
        // On the way to a cloud, an error of the operating system tells of the connection, not of the request.
        let is_answer =
            context.kind != Kind::Cloud || links(error).all(|link| link.downcast_ref::<io::Error>().is_none());
        let advice = context
            .credentials_hint
            .clone()
            .filter(|_| matches!(cause, Cause::Unauthenticated | Cause::PermissionDenied | Cause::Refused));
        let refused = is_answer && !is_passing;
        Self::Access { action, path, cause, refused, advice, source: Detail(words(error, &context.redactor)) }
    }

    /// An access that failed because the store lacks what it takes.
    pub(super) fn unsupported(
        context: &Context,
        action: &'static str,
        path: String,
        error: &(dyn StdError + 'static),
    ) -> Self {
        let source = Detail(words(error, &context.redactor));
        Self::Access { action, path, cause: Cause::Unsupported, refused: true, advice: None, source }
    }

    /// Returns true if the request was certainly not carried out: the store or the operating system refused it, or it was not sent.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Access { refused, .. } => *refused,
            _ => true,
        }
    }

    /// Returns the reason for the refusal, if a request was sent.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Access { cause, .. } => Some(*cause),
            _ => None,
        }
    }
}

impl Failure for StoreError {
    fn kind(&self) -> ErrorKind {
        match self.cause() {
            Some(Cause::Unreachable | Cause::Other) => ErrorKind::Transient,
            _ => ErrorKind::User,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } | Self::NearUrl { .. } | Self::Name { .. } => "destination_url",
            Self::UnknownOption { .. } | Self::Configuration { .. } | Self::PlainHttp { .. } => "destination_options",
            Self::NotADirectory { .. } => "destination_not_a_directory",
            Self::Access { cause, .. } => match cause {
                Cause::Unauthenticated => "store_credentials",
                Cause::PermissionDenied => "store_permission",
                Cause::NotFound => "store_not_found",
                Cause::ReadOnly => "store_read_only",
                Cause::Full => "store_full",
                Cause::BadPath => "store_path",
                Cause::Refused => "store_refused",
                Cause::Unsupported => "store_unsupported",
                Cause::Unreachable => "store_unreachable",
                Cause::Other => "store_failed",
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NearUrl { advice, .. } => Some(advice.clone()),
            Self::UnknownOption { suggestion, .. } => suggestion.as_ref().map(|name| format!("did you mean `{name}`?")),
            Self::PlainHttp { .. } => Some("add `allow_http: true` to `destination.options`, or use https://".into()),
            Self::Access { advice: Some(advice), .. } => Some(advice.clone()),
            Self::Access { cause, .. } => advice(*cause).map(str::to_owned),
            _ => None,
        }
    }
}

fn advice(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::Unauthenticated => "check the credentials under `destination.options` or in the environment",
        Cause::PermissionDenied => {
            "the credentials or the user must be allowed to list, read, write and delete below the destination"
        }
        Cause::NotFound => "create the bucket, or correct `destination.url`, `endpoint` or `region`",
        Cause::ReadOnly => "choose a `destination.url` that can be written",
        Cause::Full => "free some space and run again",
        Cause::BadPath => {
            "look for symbolic links that lead in a circle, and for directories in the place of files, and remove them"
        }
        Cause::Refused => "check `endpoint`, `region` and the credentials under `destination.options`",
        Cause::Unsupported => "restlake needs a store with conditional puts (on local disk: with hard links)",
        Cause::Unreachable => "check `endpoint` and the network, and run again",
        Cause::Other => return None,
    })
}

fn cause(error: &(dyn StdError + 'static), kind: Kind) -> Cause {
    use object_store::Error as E;
    match error.downcast_ref::<E>() {
        Some(E::Unauthenticated { .. }) => Cause::Unauthenticated,
        Some(E::PermissionDenied { .. }) => Cause::PermissionDenied,
        Some(E::NotFound { .. }) => Cause::NotFound,
        Some(E::NotSupported { .. } | E::NotImplemented { .. }) => Cause::Unsupported,
        Some(E::InvalidPath { .. } | E::UnknownConfigurationKey { .. }) => Cause::Refused,
        _ if kind == Kind::Local && is_circle(error) => Cause::BadPath,
        _ => links(error).find_map(io_cause).unwrap_or_else(|| remote_cause(error, kind)),
    }
}

/// An error and its sources.
fn links<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let link = next?;
        next = link.source();
        Some(link)
    })
}

/// The message of a directory walk about links to a directory above: it has no error of the operating system.
const WALKED_IN_A_CIRCLE: &str = "File system loop found";

fn is_circle(error: &(dyn StdError + 'static)) -> bool {
    let is_loop = |link: &(dyn StdError + 'static)| {
        let code = link.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        code == Some(Errno::LOOP.raw_os_error()) || link.to_string().contains(WALKED_IN_A_CIRCLE)
    };
    links(error).any(is_loop)
}

fn io_cause(error: &(dyn StdError + 'static)) -> Option<Cause> {
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::PermissionDenied => Some(Cause::PermissionDenied),
        io::ErrorKind::ReadOnlyFilesystem => Some(Cause::ReadOnly),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Cause::Full),
        io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => Some(Cause::Refused),
        io::ErrorKind::Unsupported => Some(Cause::Unsupported),
        io::ErrorKind::IsADirectory => Some(Cause::BadPath),
        _ => None,
    }
}

fn remote_cause(error: &(dyn StdError + 'static), kind: Kind) -> Cause {
    if kind != Kind::Cloud {
        return Cause::Other;
    }
    if links(error).any(|link| link.downcast_ref::<HttpError>().is_some()) {
        return Cause::Unreachable;
    }
    // Errors of a list, and those of other statuses than 401, 403 and 404, hold theirs in a type that object_store does
    // not export; what S3 calls them is part of its protocol.
    let text = error.to_string();
    let status = text.split("status code: ").nth(1).and_then(|rest| rest.get(..3));
    match (element(&text, "Code"), status) {
        // Too slow and too many: passing, and no word on what was done. S3 answers 400 to a body that came too slowly.
        (Some("RequestTimeout"), _) | (_, Some("408" | "429")) => Cause::Unreachable,
        (Some("NoSuchBucket"), _) | (_, Some("404")) => Cause::NotFound,
        (Some("SignatureDoesNotMatch" | "InvalidAccessKeyId" | "ExpiredToken" | "InvalidToken" | "NotSignedUp"), _) => {
            Cause::Unauthenticated
        }
        (_, Some("401")) => Cause::Unauthenticated,
        (_, Some("403")) => Cause::PermissionDenied,
        (_, Some(status)) if status.starts_with('4') => Cause::Refused,
        _ => Cause::Unreachable,
    }
}

/// The store's words: S3's code and message where there are any, else the whole chain.
fn words(error: &(dyn StdError + 'static), redactor: &Redactor) -> String {
    let text = chain(error);
    let text = match (element(&text, "Code"), element(&text, "Message")) {
        // The rest of such an answer repeats the request, its key and signature included.
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => text,
    };
    shortened(&redactor.text(&text), DETAIL)
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.trim())
}
