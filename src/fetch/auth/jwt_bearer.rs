//! The grant by an assertion that we sign (RFC 7523, section 2.1): a JSON Web Token, new for each request.

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    Wire, endpoint,
    error::AuthError,
    token::{Grant, Granted},
};
use crate::plan::{JwtBearerPlan, Placement};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) struct JwtBearer {
    plan: JwtBearerPlan,
}

impl JwtBearer {
    pub(super) fn new(plan: &JwtBearerPlan) -> Self {
        Self { plan: plan.clone() }
    }

    /// `random` in `[0, 1)` makes the assertion one of its kind: some servers take each one once.
    fn assertion(&self, now: DateTime<Utc>, random: f64) -> Result<String, AuthError> {
        let plan = &self.plan;
        let mut header = json!({"alg": plan.key.algorithm().word(), "typ": "JWT"});
        if let Some(key_id) = &plan.key_id {
            header["kid"] = key_id.as_str().into();
        }
        let issued = now.timestamp();
        let expires = issued.saturating_add_unsigned(plan.expires_in.as_secs());
        let id = format!("{issued:x}-{:013x}", (random * (1u64 << 52) as f64) as u64);
        let mut claims = json!({
            "iss": plan.issuer, "sub": plan.subject, "aud": plan.audience, "iat": issued, "exp": expires, "jti": id,
        });
        if let Some(scope) = &plan.client.scope {
            // Google reads it here, others in the form.
            claims["scope"] = scope.as_str().into();
        }
        let encoded = |text: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()));
        let signature = plan.key.sign(signed.as_bytes()).map_err(|error| AuthError::Sign(error.to_string()))?;
        Ok(format!("{signed}.{}", encoded(&signature)))
    }
}

#[async_trait]
impl Grant for JwtBearer {
    async fn obtain(&self, wire: &Wire) -> Result<Granted, AuthError> {
        let environment = &wire.surroundings.environment;
        let assertion = self.assertion(environment.clock.now(), environment.random.next())?;
        wire.redactor().learn([assertion.clone()]);
        let grant = [("grant_type", GRANT_TYPE), ("assertion", assertion.as_str())];
        Ok(endpoint::ask(&self.plan.client, &grant, wire).await?.granted)
    }

    fn placement(&self) -> &Placement {
        &Placement::Bearer
    }

    fn secrets(&self) -> Vec<String> {
        endpoint::secrets(&self.plan.client)
    }
}
