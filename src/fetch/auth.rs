//! Who we are: credentials put into a request that goes to the API's own origin.

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::{COOKIE, HeaderValue};

use super::{error::FetchError, request::Request};
use crate::{
    plan::{ApiKeyLocation, AuthPlan},
    secret::Secret,
};

/// Signs requests. Called for every hop that goes to the origin of `base_url`, and for no other.
#[async_trait]
pub trait Authenticator: Send + Sync {
    async fn authenticate(&self, request: &mut Request) -> Result<(), FetchError>;

    /// Called once when the server answers 401; `true` if there are new credentials to try.
    async fn refresh(&self) -> Result<bool, FetchError>;
}

/// Credentials that stand in the config: they never change during a run.
pub(super) struct Static {
    plan: AuthPlan,
}

impl Static {
    pub(super) fn new(plan: &AuthPlan) -> Self {
        Self { plan: plan.clone() }
    }

    /// The query parameter that is a credential.
    pub(super) fn param(&self) -> Option<&str> {
        match &self.plan {
            AuthPlan::ApiKey { name, location: ApiKeyLocation::Query, .. } => Some(name),
            _ => None,
        }
    }
}

#[async_trait]
impl Authenticator for Static {
    async fn authenticate(&self, request: &mut Request) -> Result<(), FetchError> {
        match &self.plan {
            AuthPlan::None => Ok(()),
            AuthPlan::ApiKey { name, api_key, location } => add_key(request, name, api_key, *location),
            AuthPlan::Bearer { token } => {
                request.set_secret_header("authorization", &format!("Bearer {}", token.expose()))
            }
            AuthPlan::HttpBasic { username, password } => {
                let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose()));
                request.set_secret_header("authorization", &format!("Basic {pair}"))
            }
        }
    }

    async fn refresh(&self) -> Result<bool, FetchError> {
        Ok(false)
    }
}

fn add_key(request: &mut Request, name: &str, key: &Secret<String>, place: ApiKeyLocation) -> Result<(), FetchError> {
    match place {
        ApiKeyLocation::Query => {
            request.set_param(name, key.expose());
            Ok(())
        }
        ApiKeyLocation::Header => request.set_secret_header(name, key.expose()),
        ApiKeyLocation::Cookie => {
            // One `Cookie` header, as RFC 6265 wants it: what the config put there comes first.
            let own = request.headers.get(COOKIE).and_then(|value: &HeaderValue| value.to_str().ok());
            let before = own.map(|own| format!("{own}; ")).unwrap_or_default();
            let cookies = format!("{before}{name}={}", key.expose());
            request.set_secret_header("cookie", &cookies)
        }
    }
}
