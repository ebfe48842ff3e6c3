//! Who we are to the API and whom we trust, in words: where credentials come from, and never what they are.

use super::Line;
use crate::{
    plan::{AuthPlan, ClientPlan, TlsPlan, TokenClient},
    secret::Redactor,
};

pub fn auth(auth: &AuthPlan) -> String {
    match auth {
        AuthPlan::None => "none".into(),
        AuthPlan::ApiKey { name, location, .. } => {
            format!("api_key `{name}` in the {}", format!("{location:?}").to_lowercase())
        }
        AuthPlan::Bearer { .. } => "bearer".into(),
        AuthPlan::HttpBasic { username, .. } => format!("http_basic as {username}"),
        AuthPlan::ClientCredentials(plan) => format!("oauth2_client_credentials by {}", token_url(&plan.client)),
        AuthPlan::RefreshToken(plan) => match &plan.token_file {
            Some(path) => format!("oauth2_refresh_token by {}, kept in {}", token_url(&plan.client), path.display()),
            None => format!("oauth2_refresh_token by {}", token_url(&plan.client)),
        },
        AuthPlan::JwtBearer(plan) => {
            format!("jwt_bearer by {} as {}, {}", token_url(&plan.client), plan.issuer, plan.key.algorithm())
        }
        AuthPlan::Session(plan) => {
            format!("session by {} {}", plan.method.word(), Redactor::default().url(&plan.url))
        }
    }
}

/// The hosts that may see credentials besides the API, and certificates; nothing where there are none.
pub fn trust(client: &ClientPlan) -> Vec<Line> {
    let hosts: Vec<_> = client.allowed_hosts.iter().map(ToString::to_string).collect();
    let TlsPlan { authorities, identity } = &client.tls;
    let tls = [(authorities.is_some(), "private authorities"), (identity.is_some(), "a certificate of ours")];
    let tls: Vec<_> = tls.into_iter().filter(|(is_there, _)| *is_there).map(|(_, what)| what).collect();
    let lines = [("allowed", hosts.join(", ")), ("tls", tls.join(", "))];
    lines.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn token_url(client: &TokenClient) -> String {
    Redactor::default().url(&client.access_token_url)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        plan::{ClientAuth, ClientCredentialsPlan, JwtBearerPlan, RefreshTokenPlan, SigningAlgorithm, SigningKey},
        secret::Secret,
    };

    fn client() -> TokenClient {
        TokenClient {
            access_token_url: "https://login.example.com/token?key=hunter2".parse().unwrap(),
            client_id: Some("c".into()),
            client_secret: Some(Secret::new("hunter2".into())),
            client_auth: ClientAuth::Body,
            scope: None,
            request_data: Vec::new(),
            default_expiration: Duration::from_secs(3600),
        }
    }

    #[test]
    fn every_way_to_a_token_says_where_it_comes_from_and_no_secret() {
        let key = SigningKey::new("hunter2-hunter2-hunter2-hunter2-hunter2", SigningAlgorithm::Hs256).unwrap();
        let plans = [
            AuthPlan::ClientCredentials(ClientCredentialsPlan { client: client(), audience: None, access_token: None }),
            AuthPlan::RefreshToken(RefreshTokenPlan {
                client: client(),
                refresh_token: Secret::new("hunter2".into()),
                token_file: Some("token.json".into()),
            }),
            AuthPlan::JwtBearer(JwtBearerPlan {
                client: client(),
                issuer: "i".into(),
                subject: "s".into(),
                audience: "a".into(),
                key,
                key_id: None,
                expires_in: Duration::from_secs(60),
            }),
        ];
        let words = plans.map(|plan| auth(&plan)).join("\n");
        insta::assert_snapshot!(words, @r"
        oauth2_client_credentials by https://login.example.com/token?key=***
        oauth2_refresh_token by https://login.example.com/token?key=***, kept in token.json
        jwt_bearer by https://login.example.com/token?key=*** as i, HS256
        ");
    }
}
