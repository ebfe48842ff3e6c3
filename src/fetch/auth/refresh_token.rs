//! The grant by a refresh token (RFC 6749, section 6), which the server may replace with every answer.
//!
//! A token that was replaced is worth nothing: the new one is kept in a file before the access token that came with it is used,
//! and the file is shown to be writable before the old one is sent.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Wire, endpoint,
    error::AuthError,
    token::{Grant, Granted},
    token_file::{Lock, TokenFile},
};
use crate::{
    plan::{Placement, RefreshTokenPlan},
    secret::Secret,
};

/// How long another process is waited for that uses the token file, and how often it is looked at.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

pub(super) struct RefreshToken {
    plan: RefreshTokenPlan,
    file: Option<TokenFile>,
    /// What the server gave in place of the config's, as long as this process lives.
    replaced: Mutex<Option<Secret<String>>>,
}

impl RefreshToken {
    pub(super) fn new(plan: &RefreshTokenPlan) -> Self {
        let file = plan.token_file.as_ref().map(|path| TokenFile::new(path, &plan.refresh_token));
        Self { plan: plan.clone(), file, replaced: Mutex::default() }
    }

    /// Nobody else renews the token meanwhile.
    async fn hold(&self, wire: &Wire) -> Result<Option<Lock>, AuthError> {
        let Some(file) = &self.file else { return Ok(None) };
        let environment = &wire.surroundings.environment;
        let began = environment.clock.elapsed();
        loop {
            if let Some(lock) = file.try_lock()? {
                return Ok(Some(lock));
            }
            if environment.shutdown.is_cancelled() {
                return Err(AuthError::Interrupted);
            }
            if environment.clock.elapsed().saturating_sub(began) >= LONGEST_WAIT {
                return Err(file.held(LONGEST_WAIT.as_secs()));
            }
            environment.clock.sleep(LOOK).await;
        }
    }

    /// The newest there is: another run may have written one since this one began.
    fn current(&self) -> Result<Secret<String>, AuthError> {
        if let Some(kept) = self.file.as_ref().map(TokenFile::read).transpose()?.flatten() {
            return Ok(kept);
        }
        let replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(replaced.clone().unwrap_or_else(|| self.plan.refresh_token.clone()))
    }

    fn replace(&self, token: &Secret<String>, wire: &Wire) -> Result<(), AuthError> {
        wire.redactor().learn([token.expose().clone()]);
        let before = self.replaced.lock().unwrap_or_else(PoisonError::into_inner).replace(token.clone());
        match &self.file {
            Some(file) => file.write(token),
            None if before.is_none() => {
                wire.notices.add(
                    "the server has replaced the refresh token, and there is no `auth.token_file` to keep the new one \
                     in: the next run will be refused",
                );
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Grant for RefreshToken {
    async fn obtain(&self, wire: &Wire) -> Result<Granted, AuthError> {
        let _held = self.hold(wire).await?;
        let current = self.current()?;
        wire.redactor().learn([current.expose().clone()]);
        if let Some(file) = &self.file {
            file.prove_writable()?;
        }
        let grant = [("grant_type", "refresh_token"), ("refresh_token", current.expose().as_str())];
        let answer = endpoint::ask(&self.plan.client, &grant, wire).await?;
        if let Some(token) = answer.refresh_token.filter(|token| *token != current) {
            self.replace(&token, wire)?;
        }
        Ok(answer.granted)
    }

    fn placement(&self) -> &Placement {
        &Placement::Bearer
    }

    fn secrets(&self) -> Vec<String> {
        let own = self.plan.refresh_token.expose().clone();
        endpoint::secrets(&self.plan.client).into_iter().chain([own]).collect()
    }

    fn is_given_once(&self) -> bool {
        true
    }
}
