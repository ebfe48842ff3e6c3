//! Errors as people hear of them: a record may hold a credential, and what is said of the record does not show it.

use std::fmt;

use crate::{
    error::{Error, ErrorKind, Failure, chain},
    secret::Redactor,
};

/// An error and its causes without the credentials that are known.
#[derive(Debug)]
struct Masked {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

/// What stages say of data, which they cannot tell from credentials.
pub(super) fn masked(error: &Error, redactor: &Redactor) -> Error {
    let hint = error.hint().map(|hint| redactor.credentials(&hint));
    let message = redactor.credentials(&chain(error));
    Masked { kind: error.kind(), code: error.code(), message, hint }.into()
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Masked {}

impl Failure for Masked {
    fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn code(&self) -> &'static str {
        self.code
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}
