//! The token endpoint of OAuth 2 (RFC 6749): the form that it takes, and the JSON that it answers with.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{
    Wire,
    error::AuthError,
    token::Granted,
    wire::{Ask, KEYS_SHOWN},
};
use crate::{
    plan::{ClientAuth, Method, TokenClient},
    secret::Secret,
};

const WHAT: &str = "an access token";

/// What the endpoint answered.
pub(super) struct TokenAnswer {
    pub granted: Granted,
    /// The token that is to be used in place of the one that was sent.
    pub refresh_token: Option<Secret<String>>,
}

/// Asks for a token by a grant with these fields of its own.
pub(super) async fn ask(client: &TokenClient, grant: &[(&str, &str)], wire: &Wire) -> Result<TokenAnswer, AuthError> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form(client, grant)).finish();
    let ask = Ask {
        what: WHAT,
        method: Method::Post,
        url: client.access_token_url.clone(),
        headers: basic(client),
        body: Some((body.into(), HeaderValue::from_static("application/x-www-form-urlencoded"))),
        takes_redirect: false,
    };
    let answer = wire.send(&ask).await?;
    let Ok(Value::Object(fields)) = serde_json::from_slice(&answer.body) else {
        return Err(wire.no_token(&ask, "is no JSON object"));
    };
    let Some(token) = text(&fields, "access_token") else {
        return Err(wire.no_token(&ask, without_token(&fields)));
    };
    let lifetime = Some(lifetime(&fields).unwrap_or(client.default_expiration));
    Ok(TokenAnswer { granted: Granted { token, lifetime }, refresh_token: text(&fields, "refresh_token") })
}

/// Values of the client's that nobody may see, in the forms in which they are sent.
pub(super) fn secrets(client: &TokenClient) -> Vec<String> {
    let mut secrets: Vec<_> = client.client_secret.iter().map(|secret| secret.expose().clone()).collect();
    secrets.extend(pair(client));
    secrets
}

/// The fields of the form. The user's own take the place of ours, as in dlt.
fn form(client: &TokenClient, grant: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> =
        grant.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut add = |name: &str, value: Option<&str>| {
        fields.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    };
    if pair(client).is_none() {
        add("client_id", client.client_id.as_deref());
        add("client_secret", client.client_secret.as_ref().map(|secret| secret.expose().as_str()));
    }
    add("scope", client.scope.as_deref());
    fields.retain(|(name, _)| client.request_data.iter().all(|(own, _)| own != name));
    fields.extend(client.request_data.iter().map(|(name, value)| (name.clone(), value.expose().clone())));
    fields
}

fn basic(client: &TokenClient) -> HeaderMap {
    let value = pair(client).and_then(|pair| HeaderValue::from_str(&format!("Basic {pair}")).ok());
    let header = value.map(|mut value| {
        value.set_sensitive(true);
        (AUTHORIZATION, value)
    });
    header.into_iter().collect()
}

/// Id and secret as `client_auth: basic` sends them: encoded each, since either may hold a colon.
fn pair(client: &TokenClient) -> Option<String> {
    let (Some(id), Some(secret)) = (&client.client_id, &client.client_secret) else { return None };
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = || BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.expose())));
    (client.client_auth == ClientAuth::Basic).then(pair)
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<Secret<String>> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty()).map(|text| Secret::new(text.to_owned()))
}

/// What is wrong with an answer that bears no token; of its values, nothing is told.
fn without_token(fields: &Map<String, Value>) -> String {
    match fields.get("access_token") {
        Some(Value::String(_)) => "its `access_token` is empty".to_owned(),
        Some(_) => "its `access_token` is no text".to_owned(),
        None => {
            let keys: Vec<_> = fields.keys().take(KEYS_SHOWN).map(|key| format!("`{key}`")).collect();
            format!("has no `access_token`; its keys are {}", keys.join(", "))
        }
    }
}

/// Seconds, which some servers write as text.
fn lifetime(fields: &Map<String, Value>) -> Option<Duration> {
    let seconds = match fields.get("expires_in")? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}
