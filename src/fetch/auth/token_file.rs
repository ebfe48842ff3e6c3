//! The file in which a refresh token outlives the run: readable by its owner only, replaced as a whole or not at all.
//!
//! Whoever is about to use what it holds locks it, for another process may be about to do the same: the lock is one on a file
//! beside it, which stays, and ends with the process.
//!
//! It says which token of the config it came from: who puts a new one into the config has begun anew, and what the file holds
//! counts no longer.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::error::AuthError;
use crate::{digest::sha256, secret::Secret};

pub(super) struct TokenFile {
    path: PathBuf,
    /// Digest of the config's refresh token.
    origin: String,
}

/// Owned by this file alone: the one place where a secret is written down.
#[derive(Serialize, Deserialize)]
struct Content {
    refresh_token: String,
    /// Digest of the token in the config that this one goes back to.
    replaces: String,
}

impl TokenFile {
    pub(super) fn new(path: &Path, configured: &Secret<String>) -> Self {
        Self { path: path.to_owned(), origin: sha256(configured.expose().as_bytes()) }
    }

    /// The lock, unless another process has it. Where the file system knows no locks, nobody has it.
    pub(super) fn try_lock(&self) -> Result<Option<Lock>, AuthError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = private(options).open(self.beside(".lock")).map_err(|error| self.unwritable(&error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Some(Lock(file))),
            Err(TryLockError::Error(error)) => Err(self.failed(format!("cannot be locked: {error}"))),
        }
    }

    pub(super) fn held(&self, seconds: u64) -> AuthError {
        AuthError::TokenFileHeld { path: self.path.display().to_string(), seconds }
    }

    /// The token that is kept; `None` if there is none, or none that goes back to the config's.
    pub(super) fn read(&self) -> Result<Option<Secret<String>>, AuthError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(format!("cannot be read: {error}"))),
        };
        // The parser's own words could quote the token.
        let content: Content =
            serde_json::from_slice(&text).map_err(|_| self.failed("is not one that restlake wrote".to_owned()))?;
        Ok((content.replaces == self.origin).then(|| Secret::new(content.refresh_token)))
    }

    /// Fails where [`write`](Self::write) would, before there is something to lose.
    pub(super) fn prove_writable(&self) -> Result<(), AuthError> {
        self.open()
            .map(drop)
            .and_then(|()| fs::remove_file(self.beside(".new")))
            .map_err(|error| self.unwritable(&error))
    }

    pub(super) fn write(&self, token: &Secret<String>) -> Result<(), AuthError> {
        let content = Content { refresh_token: token.expose().clone(), replaces: self.origin.clone() };
        let written = serde_json::to_vec(&content).map_err(io::Error::other).and_then(|text| {
            let mut file = self.open()?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(self.beside(".new"), &self.path)?;
            sync_directory(&self.path)
        });
        written.map_err(|error| self.unwritable(&error))
    }

    /// What becomes the file. One that a process which died has left is begun anew.
    fn open(&self) -> io::Result<File> {
        let beside = self.beside(".new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        private(options).open(beside)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        self.path.with_file_name(name)
    }

    fn unwritable(&self, error: &io::Error) -> AuthError {
        self.failed(format!("cannot be written: {error}"))
    }

    fn failed(&self, problem: String) -> AuthError {
        AuthError::TokenFile { path: self.path.display().to_string(), problem }
    }
}

/// Held until it is dropped.
pub(super) struct Lock(#[expect(dead_code, reason = "what is open is locked")] File);

/// For the owner alone.
fn private(mut options: OpenOptions) -> OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A rename is on disk once its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_token_is_kept_for_its_owner_alone_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.json");
        let file = TokenFile::new(&path, &secret("first"));
        assert_eq!(file.read().unwrap(), None);
        file.prove_writable().unwrap();
        file.write(&secret("second")).unwrap();
        assert_eq!(file.read().unwrap(), Some(secret("second")));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn of_two_who_want_to_use_it_one_has_to_wait() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] =
            ["a", "a"].map(|token| TokenFile::new(&directory.path().join("token.json"), &secret(token)));
        let held = first.try_lock().unwrap();
        assert!(held.is_some() && second.try_lock().unwrap().is_none());
        drop(held);
        assert!(second.try_lock().unwrap().is_some());
    }

    #[test]
    fn a_new_token_in_the_config_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.json");
        TokenFile::new(&path, &secret("first")).write(&secret("second")).unwrap();
        assert_eq!(TokenFile::new(&path, &secret("other")).read().unwrap(), None);
    }

    #[test]
    fn what_a_process_that_died_left_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.json");
        fs::write(directory.path().join("token.json.new"), "half").unwrap();
        let file = TokenFile::new(&path, &secret("first"));
        file.prove_writable().unwrap();
        file.write(&secret("second")).unwrap();
        assert_eq!(file.read().unwrap(), Some(secret("second")));
    }

    #[test]
    fn a_file_of_another_kind_and_a_place_that_is_not_there_are_errors_that_do_not_quote_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.json");
        fs::write(&path, "hunter2-hunter2").unwrap();
        let error = TokenFile::new(&path, &secret("first")).read().unwrap_err();
        assert!(error.to_string().contains("is not one that restlake wrote") && !error.to_string().contains("hunter2"));
        let nowhere = TokenFile::new(&directory.path().join("nowhere/token.json"), &secret("first"));
        assert!(nowhere.prove_writable().unwrap_err().to_string().contains("cannot be written"));
    }
}
