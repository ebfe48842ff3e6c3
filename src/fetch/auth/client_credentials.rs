//! The grant of a program that speaks for itself (RFC 6749, section 4.4).

use async_trait::async_trait;

use super::{
    Wire, endpoint,
    error::AuthError,
    token::{Grant, Granted, Renewing},
};
use crate::plan::{ClientCredentialsPlan, Placement};

pub(super) struct ClientCredentials {
    plan: ClientCredentialsPlan,
}

impl ClientCredentials {
    pub(super) fn authenticator(plan: &ClientCredentialsPlan, wire: &Wire) -> Renewing {
        let renewing = Renewing::new(Self { plan: plan.clone() }, wire);
        match &plan.access_token {
            Some(token) => {
                let lifetime = Some(plan.client.default_expiration);
                renewing.with(Granted { token: token.clone(), lifetime })
            }
            None => renewing,
        }
    }
}

#[async_trait]
impl Grant for ClientCredentials {
    async fn obtain(&self, wire: &Wire) -> Result<Granted, AuthError> {
        let mut grant = vec![("grant_type", "client_credentials")];
        grant.extend(self.plan.audience.as_deref().map(|audience| ("audience", audience)));
        Ok(endpoint::ask(&self.plan.client, &grant, wire).await?.granted)
    }

    fn placement(&self) -> &Placement {
        &Placement::Bearer
    }

    fn secrets(&self) -> Vec<String> {
        endpoint::secrets(&self.plan.client)
    }
}
