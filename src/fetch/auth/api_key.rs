//! A key in a header, a query parameter or a cookie.

use async_trait::async_trait;

use super::{Authenticator, Generation, add_cookie};
use crate::{
    fetch::{error::FetchError, request::Request},
    plan::ApiKeyLocation,
    secret::{Redactor, Secret},
};

pub(super) struct ApiKey {
    name: String,
    key: Secret<String>,
    location: ApiKeyLocation,
}

impl ApiKey {
    pub(super) fn new(name: &str, key: &Secret<String>, location: ApiKeyLocation, redactor: &Redactor) -> Self {
        redactor.learn([key.expose().clone()]);
        Self { name: name.to_owned(), key: key.clone(), location }
    }
}

#[async_trait]
impl Authenticator for ApiKey {
    async fn authenticate(&self, request: &mut Request) -> Result<Generation, FetchError> {
        let key = self.key.expose();
        match self.location {
            ApiKeyLocation::Query => request.set_param(&self.name, key),
            ApiKeyLocation::Header => request.set_secret_header(&self.name, key)?,
            ApiKeyLocation::Cookie => add_cookie(request, &self.name, key)?,
        }
        Ok(0)
    }

    fn param(&self) -> Option<&str> {
        matches!(self.location, ApiKeyLocation::Query).then_some(&self.name)
    }
}
