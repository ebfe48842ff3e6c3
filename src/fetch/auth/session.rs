//! A login by a request of the API's own kind, whose answer bears a token or a cookie.

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::form_urlencoded;

use super::{
    Wire,
    error::AuthError,
    token::{Grant, Granted},
    wire::{Answer, Ask, KEYS_SHOWN},
};
use crate::{
    fetch::request::header,
    json::{Document, Kind, Node, Selector},
    plan::{LoginBody, Placement, SessionPlan, TokenSource},
    secret::{Secret, is_secret_name},
};

pub(super) struct Session {
    plan: SessionPlan,
}

impl Session {
    pub(super) fn new(plan: &SessionPlan) -> Self {
        Self { plan: plan.clone() }
    }

    fn ask(&self) -> Result<Ask, AuthError> {
        let plan = &self.plan;
        let mut headers = HeaderMap::new();
        for (name, value) in &plan.headers {
            let parsed = header(name, value.expose(), is_secret_name(name));
            let (name, value) = parsed.map_err(|_| AuthError::Header { name: name.clone() })?;
            headers.append(name, value);
        }
        let takes_redirect = !matches!(plan.token, TokenSource::Body(_));
        let (method, url, body) = (plan.method, plan.url.clone(), encoded(&plan.body));
        Ok(Ask { what: "a login", method, url, headers, body, takes_redirect })
    }
}

#[async_trait]
impl Grant for Session {
    async fn obtain(&self, wire: &Wire) -> Result<Granted, AuthError> {
        let ask = self.ask()?;
        let answer = wire.send(&ask).await?;
        match found(&self.plan.token, answer) {
            Ok(token) => Ok(Granted { token: Secret::new(token), lifetime: self.plan.expiration }),
            Err(problem) => Err(wire.no_token(&ask, problem)),
        }
    }

    fn placement(&self) -> &Placement {
        &self.plan.placement
    }

    /// What the login's body and headers hold, the plan has told the redactor.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

fn encoded(body: &LoginBody) -> Option<(Bytes, HeaderValue)> {
    let (text, content_type) = match body {
        LoginBody::None => return None,
        LoginBody::Json(json) => (json.expose().to_string(), "application/json"),
        LoginBody::Form(fields) => {
            let pairs = fields.iter().map(|(name, value)| (name.as_str(), value.expose().as_str()));
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            (text, "application/x-www-form-urlencoded")
        }
        LoginBody::Raw(text) => (text.expose().clone(), "text/plain; charset=utf-8"),
    };
    Some((text.into(), HeaderValue::from_static(content_type)))
}

/// The token, or what is wrong; of the answer's values, nothing is told.
fn found(source: &TokenSource, answer: Answer) -> Result<String, String> {
    let token = match source {
        TokenSource::Body(selector) => in_body(selector, answer.body)?,
        TokenSource::Header(name) => {
            let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
            value.ok_or_else(|| format!("has no header `{name}`"))?.trim().to_owned()
        }
        TokenSource::Cookie(name) => cookie(name, &answer.headers).ok_or_else(|| format!("sets no cookie `{name}`"))?,
    };
    if token.is_empty() { Err("its token is empty".to_owned()) } else { Ok(token) }
}

fn in_body(selector: &Selector, body: Vec<u8>) -> Result<String, String> {
    let document = Document::parse(body).map_err(|_| "is no JSON".to_owned())?;
    let node = selector.find(document.root()).ok_or_else(|| missing(selector, document.root()))?;
    match node.kind() {
        Kind::String => node.string().map(std::borrow::Cow::into_owned).map_err(|error| error.to_string()),
        Kind::Number => Ok(String::from_utf8_lossy(node.raw()).into_owned()),
        _ => Err(format!("`token_path: {selector}` finds neither text nor a number")),
    }
}

fn missing(selector: &Selector, root: Node<'_>) -> String {
    let keys = root.fields().filter_map(|(key, _)| Some(format!("`{}`", key.text().ok()?)));
    let keys: Vec<_> = keys.take(KEYS_SHOWN).collect();
    format!("`token_path: {selector}` finds nothing; its keys are {}", keys.join(", "))
}

/// The last one of this name counts.
fn cookie(name: &str, headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(SET_COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.filter_map(|text| text.split(';').next()?.split_once('='));
    pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next_back()
}
