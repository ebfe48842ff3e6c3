//! Who we are to the API: credentials that stand in the config, and ways to obtain them at run time.

use std::{path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};
use serde_json::Value;
use url::Url;

use super::{Method, SigningKey};
use crate::{
    json::Selector,
    secret::{Redactor, Secret},
};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AuthPlan {
    None,
    ApiKey {
        name: String,
        api_key: Secret<String>,
        location: ApiKeyLocation,
    },
    Bearer {
        token: Secret<String>,
    },
    HttpBasic {
        username: String,
        password: Secret<String>,
    },
    #[serde(rename = "oauth2_client_credentials")]
    ClientCredentials(ClientCredentialsPlan),
    #[serde(rename = "oauth2_refresh_token")]
    RefreshToken(RefreshTokenPlan),
    JwtBearer(JwtBearerPlan),
    Session(SessionPlan),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyLocation {
    Header,
    Query,
    Cookie,
}

/// What all requests for an access token have (RFC 6749).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenClient {
    #[serde(serialize_with = "shown")]
    pub access_token_url: Url,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret<String>>,
    pub client_auth: ClientAuth,
    pub scope: Option<String>,
    /// Further fields of the form; they take the place of ours of the same name.
    pub request_data: Vec<(String, Secret<String>)>,
    /// How long a token is good whose answer does not say it.
    pub default_expiration: Duration,
}

/// How a client shows its secret to the token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    Body,
    Basic,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientCredentialsPlan {
    #[serde(flatten)]
    pub client: TokenClient,
    pub audience: Option<String>,
    /// Used first, until it is refused or has expired.
    pub access_token: Option<Secret<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefreshTokenPlan {
    #[serde(flatten)]
    pub client: TokenClient,
    pub refresh_token: Secret<String>,
    /// Where the token is kept that the server gives in place of `refresh_token`.
    pub token_file: Option<PathBuf>,
}

/// A grant by an assertion that we sign (RFC 7523).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JwtBearerPlan {
    #[serde(flatten)]
    pub client: TokenClient,
    pub issuer: String,
    pub subject: String,
    pub audience: String,
    pub key: SigningKey,
    pub key_id: Option<String>,
    /// How long an assertion is good.
    pub expires_in: Duration,
}

/// A request that logs in, and what of its answer shows that we have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionPlan {
    pub method: Method,
    #[serde(serialize_with = "shown")]
    pub url: Url,
    pub headers: Vec<(String, Secret<String>)>,
    pub body: LoginBody,
    pub token: TokenSource,
    pub placement: Placement,
    /// How long a login is good; `None`: until the API says that it is not.
    pub expiration: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginBody {
    None,
    Json(Secret<Value>),
    Form(Vec<(String, Secret<String>)>),
    /// A text as it is.
    Raw(Secret<String>),
}

/// Where in an answer a token stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    Body(Selector),
    Header(String),
    Cookie(String),
}

/// How a token is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// `Authorization: Bearer …`.
    Bearer,
    Header(String),
    Cookie(String),
}

/// A URL may hold a key in its query.
fn shown<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Redactor::default().url(url))
}
