//! `Authorization: Bearer …` (RFC 6750), with a token that stands in the config.

use async_trait::async_trait;

use super::{Authenticator, Generation};
use crate::{
    fetch::{error::FetchError, request::Request},
    secret::{Redactor, Secret},
};

pub(super) struct Bearer(Secret<String>);

impl Bearer {
    pub(super) fn new(token: &Secret<String>, redactor: &Redactor) -> Self {
        redactor.learn([token.expose().clone()]);
        Self(token.clone())
    }
}

#[async_trait]
impl Authenticator for Bearer {
    async fn authenticate(&self, request: &mut Request) -> Result<Generation, FetchError> {
        request.set_secret_header("authorization", &format!("Bearer {}", self.0.expose()))?;
        Ok(0)
    }
}
