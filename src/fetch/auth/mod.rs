//! Who we are: credentials put into a request that goes where they may be seen.
//!
//! ```text
//! request ─► authenticate ─┬─ ApiKey, Bearer, HttpBasic: stand in the config
//!                          └─ Renewing ─► token, while it is good ─► placed
//!                               └─ one flight for all workers ─► Grant ─► Wire ─► token endpoint
//! ```
//!
//! A [`Grant`](token::Grant) knows how one kind of token is asked for; [`Renewing`](token::Renewing) knows when; [`Wire`] sends.
//! The invariants: a token is known to the redactor before anybody can see it, and however many workers need a new one, it is
//! asked for once.

mod api_key;
mod bearer;
mod client_credentials;
mod endpoint;
mod error;
mod http_basic;
mod jwt_bearer;
mod refresh_token;
mod session;
mod token;
mod token_file;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::error::AuthError;
pub(super) use self::wire::Wire;
use self::{
    api_key::ApiKey, bearer::Bearer, client_credentials::ClientCredentials, http_basic::HttpBasic,
    jwt_bearer::JwtBearer, refresh_token::RefreshToken, session::Session, token::Renewing,
};
use super::{error::FetchError, request::Request};
use crate::plan::AuthPlan;

/// Which credentials a request carried: a higher number for each that came after.
pub type Generation = u64;

/// Signs requests. Called for every hop that goes where credentials may be seen, and for no other.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Puts credentials into a request, and tells which.
    async fn authenticate(&self, request: &mut Request) -> Result<Generation, FetchError>;

    /// Called once per request, when the server answers 401 to credentials of generation `used`; `true` if there are other
    /// ones to try. Where another worker has renewed them meanwhile, they are not renewed again.
    async fn refresh(&self, _used: Generation) -> Result<bool, FetchError> {
        Ok(false)
    }

    /// Whether there may be other credentials to try than those that were refused.
    fn is_renewable(&self) -> bool {
        false
    }

    /// The query parameter that is a credential.
    fn param(&self) -> Option<&str> {
        None
    }

    /// Waits for an exchange of credentials under way whose answer would not come twice.
    async fn settle(&self) {}
}

/// The authenticator of a plan; `None` where there are no credentials. All that it keeps secret is known to the redactor.
pub(super) fn from_plan(plan: &AuthPlan, wire: &Wire) -> Option<Arc<dyn Authenticator>> {
    let redactor = wire.redactor();
    Some(match plan {
        AuthPlan::None => return None,
        AuthPlan::ApiKey { name, api_key, location } => Arc::new(ApiKey::new(name, api_key, *location, redactor)),
        AuthPlan::Bearer { token } => Arc::new(Bearer::new(token, redactor)),
        AuthPlan::HttpBasic { username, password } => Arc::new(HttpBasic::new(username, password, redactor)),
        AuthPlan::ClientCredentials(plan) => Arc::new(ClientCredentials::authenticator(plan, wire)),
        AuthPlan::RefreshToken(plan) => Arc::new(Renewing::new(RefreshToken::new(plan), wire)),
        AuthPlan::JwtBearer(plan) => Arc::new(Renewing::new(JwtBearer::new(plan), wire)),
        AuthPlan::Session(plan) => Arc::new(Renewing::new(Session::new(plan), wire)),
    })
}

/// Adds to the one `Cookie` header that RFC 6265 wants: what the config put there comes first.
fn add_cookie(request: &mut Request, name: &str, value: &str) -> Result<(), FetchError> {
    let own = request.headers.get(reqwest::header::COOKIE).and_then(|value| value.to_str().ok());
    let before = own.map(|own| format!("{own}; ")).unwrap_or_default();
    request.set_secret_header("cookie", &format!("{before}{name}={value}"))
}
