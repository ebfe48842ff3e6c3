//! `Authorization: Basic …` (RFC 7617).

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Authenticator, Generation};
use crate::{
    fetch::{error::FetchError, request::Request},
    secret::{Redactor, Secret},
};

/// User and password as they are sent.
pub(super) struct HttpBasic(Secret<String>);

impl HttpBasic {
    pub(super) fn new(username: &str, password: &Secret<String>, redactor: &Redactor) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose()));
        // A server may send any of them back in an error's text. With an empty password, the user is the key.
        let key = if password.expose().is_empty() { username } else { password.expose() };
        redactor.learn([key.to_owned(), pair.clone()]);
        Self(Secret::new(pair))
    }
}

#[async_trait]
impl Authenticator for HttpBasic {
    async fn authenticate(&self, request: &mut Request) -> Result<Generation, FetchError> {
        request.set_secret_header("authorization", &format!("Basic {}", self.0.expose()))?;
        Ok(0)
    }
}
