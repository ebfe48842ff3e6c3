//! Who we are to the API: the `auth` of a client or of an endpoint.

use std::{path::Path, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value as Json;
use url::Url;

use super::body;
use crate::{
    config::{
        Findings, Located, Section,
        notation::is_token,
        tree::{Entry, Kind, Value},
    },
    plan::{
        ApiKeyLocation, AuthPlan, ClientAuth, ClientCredentialsPlan, JwtBearerPlan, LoginBody, Method, Placement,
        RefreshTokenPlan, SessionPlan, SigningAlgorithm, SigningKey, TokenClient, TokenSource, request,
    },
    secret::{Secret, is_secret_name},
};

/// Resolves one `auth`, and gathers its secrets on the way.
pub struct Resolver<'a> {
    /// `None` if it is wrong.
    pub base_url: Option<&'a Url>,
    /// Of the config file.
    pub directory: &'a Path,
    pub secrets: &'a mut Vec<Secret<String>>,
    pub findings: &'a mut Findings,
}

impl Resolver<'_> {
    /// The `auth` of this object; none if it is not written.
    pub fn resolve(&mut self, holder: &Section<'_>) -> Option<AuthPlan> {
        if !holder.is_written("auth") {
            return Some(AuthPlan::None);
        }
        let (kind, auth) = holder.tagged("auth")?;
        match kind {
            "api_key" => self.api_key(&auth),
            "bearer" => Some(AuthPlan::Bearer { token: self.secret(&auth, "token")? }),
            "http_basic" => self.http_basic(&auth),
            "oauth2_client_credentials" => self.client_credentials(&auth),
            "oauth2_refresh_token" => self.refresh_token(&auth),
            "jwt_bearer" => self.jwt_bearer(&auth),
            "session" => self.session(&auth),
            _ => None,
        }
    }

    fn api_key(&mut self, auth: &Section<'_>) -> Option<AuthPlan> {
        let name = auth.text("name")?;
        let location = match auth.text("location")?.value.as_str() {
            "query" | "param" => ApiKeyLocation::Query,
            "cookie" => ApiKeyLocation::Cookie,
            _ => ApiKeyLocation::Header,
        };
        let api_key = self.secret(auth, "api_key")?;
        let name = if location == ApiKeyLocation::Query { name.value } else { self.wire_name(name)? };
        Some(AuthPlan::ApiKey { name, api_key, location })
    }

    fn http_basic(&mut self, auth: &Section<'_>) -> Option<AuthPlan> {
        let username = auth.text("username")?;
        if username.value.contains(':') {
            let help = "what stands behind the first colon would be read as the password (RFC 7617)".to_owned();
            self.findings.error(&username.place, "a user has no colon in it", Some(help));
            return None;
        }
        let username = username.value;
        let password = self.secret(auth, "password")?;
        // Some APIs take their key for the user, with an empty password.
        if password.expose().is_empty() {
            self.secrets.push(Secret::new(username.clone()));
        }
        // What goes over the wire is as secret as what it is made of.
        let sent = BASE64_STANDARD.encode(format!("{username}:{}", password.expose()));
        self.secrets.push(Secret::new(sent));
        Some(AuthPlan::HttpBasic { username, password })
    }

    fn client_credentials(&mut self, auth: &Section<'_>) -> Option<AuthPlan> {
        let client = self.token_client(auth);
        let access_token = self.optional_secret(auth, "access_token");
        let audience = auth.text("audience").map(|text| text.value);
        Some(AuthPlan::ClientCredentials(ClientCredentialsPlan {
            client: client?,
            audience,
            access_token: access_token?,
        }))
    }

    fn refresh_token(&mut self, auth: &Section<'_>) -> Option<AuthPlan> {
        let client = self.token_client(auth);
        let refresh_token = self.secret(auth, "refresh_token");
        if auth.is_written("client_secret") && !auth.is_written("client_id") {
            let help = "the secret says nothing without the id".to_owned();
            self.findings.error(auth.place(), "`client_id` is missing", Some(help));
            return None;
        }
        let token_file = auth.text("token_file");
        if let Some(path) = token_file.as_ref().filter(|path| path.value.trim().is_empty()) {
            self.findings.error(&path.place, "`token_file` is empty", None);
            return None;
        }
        let token_file = token_file.map(|path| self.directory.join(path.value));
        Some(AuthPlan::RefreshToken(RefreshTokenPlan { client: client?, refresh_token: refresh_token?, token_file }))
    }

    fn jwt_bearer(&mut self, auth: &Section<'_>) -> Option<AuthPlan> {
        let client = self.token_client(auth);
        let key = self.signing_key(auth);
        let expires_in = auth.duration("expires_in");
        if expires_in.is_some_and(|length| length < Duration::from_secs(1)) {
            self.findings.error(auth.place_of("expires_in"), "`expires_in` has to be a second or longer", None);
            return None;
        }
        let issuer = auth.text("issuer");
        let text = |key: &str| auth.text(key).map(|text| text.value);
        let (client, issuer) = (client?, issuer?.value);
        Some(AuthPlan::JwtBearer(JwtBearerPlan {
            subject: text("subject").unwrap_or_else(|| issuer.clone()),
            audience: text("audience").unwrap_or_else(|| client.access_token_url.to_string()),
            key: key?,
            key_id: text("key_id"),
            expires_in: expires_in?,
            issuer,
            client,
        }))
    }

    fn signing_key(&mut self, auth: &Section<'_>) -> Option<SigningKey> {
        let algorithm = match auth.text("algorithm")?.value.as_str() {
            "ES256" => SigningAlgorithm::Es256,
            "HS256" => SigningAlgorithm::Hs256,
            _ => SigningAlgorithm::Rs256,
        };
        let key = match self.one_of(auth, &["key", "key_file"])? {
            "key" => auth.text("key")?,
            // A text file ends with a line break that is none of the secret's.
            _ => auth.text("key_file").map(|text| Located { value: text.value.trim_end().to_owned(), ..text })?,
        };
        self.secrets.push(Secret::new(key.value.clone()));
        match SigningKey::new(&key.value, algorithm) {
            Ok(key) => Some(key),
            Err(error) => {
                let help = "a PEM file begins with `-----BEGIN PRIVATE KEY-----`; write `key_file: key.pem`".to_owned();
                let help = (algorithm != SigningAlgorithm::Hs256).then_some(help);
                self.findings.error(&key.place, error.to_string(), help);
                None
            }
        }
    }

    fn token_client(&mut self, auth: &Section<'_>) -> Option<TokenClient> {
        let access_token_url = auth.text("access_token_url").and_then(|url| self.address(&url));
        let client_secret = self.optional_secret(auth, "client_secret");
        let scope: Vec<_> = auth.texts("scope").into_iter().map(|scope| scope.value).collect();
        let request_data = self.pairs(auth, "access_token_request_data");
        let client_auth = match auth.text("client_auth").map(|word| word.value).as_deref() {
            Some("basic") => ClientAuth::Basic,
            _ => ClientAuth::Body,
        };
        Some(TokenClient {
            access_token_url: access_token_url?,
            client_id: auth.text("client_id").map(|id| id.value),
            client_secret: client_secret?,
            client_auth,
            scope: (!scope.is_empty()).then(|| scope.join(" ")),
            request_data,
            default_expiration: Duration::from_secs(auth.count("default_token_expiration")?),
        })
    }

    fn session(&mut self, auth: &Section<'_>) -> Option<AuthPlan> {
        let login = auth.section("login");
        if login.is_broken() {
            return None;
        }
        let url = self.login_url(&login);
        let body = self.login_body(&login);
        let headers = self.login_headers(&login);
        let token = self.token_source(auth);
        let placement = self.placement(auth, token.as_ref());
        let method = match login.text("method")?.value.to_ascii_uppercase().as_str() {
            "GET" => Method::Get,
            _ => Method::Post,
        };
        let expiration = auth.count("default_token_expiration").map(Duration::from_secs);
        Some(AuthPlan::Session(SessionPlan {
            method,
            url: url?,
            headers,
            body: body?,
            token: token?,
            placement: placement?,
            expiration,
        }))
    }

    fn login_url(&mut self, login: &Section<'_>) -> Option<Url> {
        if self.one_of(login, &["path", "url"])? == "url" {
            return login.text("url").and_then(|url| self.address(&url));
        }
        let path = login.text("path")?;
        if path.value.contains("://") {
            let help = "write `url` in place of `path`".to_owned();
            self.findings.error(&path.place, "a path is below `client.base_url`", Some(help));
            return None;
        }
        let joined = request::join(self.base_url?, &path.value);
        joined.map_err(|error| self.findings.error(&path.place, error.to_string(), None)).ok()
    }

    fn login_body(&mut self, login: &Section<'_>) -> Option<LoginBody> {
        match (login.is_written("json"), login.is_written("data")) {
            (true, true) => {
                let help = "`json` sends a JSON object, `data` a form".to_owned();
                self.findings.error(login.place_of("data"), "`json` and `data` exclude each other", Some(help));
                None
            }
            (true, false) => {
                let json = login.get("json")?;
                self.keep_within(json);
                Some(LoginBody::Json(Secret::new(json_of(json))))
            }
            (false, true) => self.login_form(login.get("data")?),
            (false, false) => Some(LoginBody::None),
        }
    }

    fn login_form(&mut self, data: &Value) -> Option<LoginBody> {
        self.keep_within(data);
        let fields = match &data.kind {
            Kind::Object(entries) => entries.iter().flat_map(fields_of).collect(),
            Kind::List(pairs) => pairs.iter().map(|pair| self.login_pair(pair)).collect::<Option<Vec<_>>>()?,
            _ => return data.scalar().map(|text| LoginBody::Raw(Secret::new(text))),
        };
        Some(LoginBody::Form(fields))
    }

    fn login_pair(&mut self, pair: &Value) -> Option<(String, Secret<String>)> {
        let (name, value) = body::parts(pair, self.findings)?;
        let (name, value) = (name.scalar()?, value.scalar()?);
        if is_secret_name(&name) {
            self.secrets.push(Secret::new(value.clone()));
        }
        Some((name, Secret::new(value)))
    }

    fn login_headers(&mut self, login: &Section<'_>) -> Vec<(String, Secret<String>)> {
        let headers = self.pairs(login, "headers");
        for entry in login.map("headers") {
            let is_line = entry.value.scalar().is_some_and(|value| !value.chars().any(char::is_control));
            if !is_token(&entry.key) || !is_line {
                let message = format!("`{}` is no name of a header, or its value is not one line of text", entry.key);
                self.findings.error(&entry.value.place, message, None);
            }
        }
        headers
    }

    fn token_source(&mut self, auth: &Section<'_>) -> Option<TokenSource> {
        match self.one_of(auth, &["token_path", "token_header", "token_cookie"])? {
            "token_path" => Some(TokenSource::Body(auth.text("token_path")?.value.parse().ok()?)),
            "token_header" => Some(TokenSource::Header(self.wire_name(auth.text("token_header")?)?)),
            _ => Some(TokenSource::Cookie(self.wire_name(auth.text("token_cookie")?)?)),
        }
    }

    fn placement(&mut self, auth: &Section<'_>, token: Option<&TokenSource>) -> Option<Placement> {
        match (auth.is_written("header"), auth.is_written("cookie"), token?) {
            (true, true, _) => {
                self.findings.error(auth.place_of("cookie"), "`header` and `cookie` exclude each other", None);
                None
            }
            (true, false, _) => Some(Placement::Header(self.wire_name(auth.text("header")?)?)),
            (false, true, _) => Some(Placement::Cookie(self.wire_name(auth.text("cookie")?)?)),
            (false, false, TokenSource::Cookie(name)) => Some(Placement::Cookie(name.clone())),
            (false, false, _) => Some(Placement::Bearer),
        }
    }

    /// Which of these keys is written: one of them has to be, and no more.
    fn one_of<'k>(&mut self, section: &Section<'_>, keys: &[&'k str]) -> Option<&'k str> {
        let written: Vec<_> = keys.iter().copied().filter(|key| section.is_written(key)).collect();
        let list = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        match written[..] {
            [only] => return Some(only),
            [] => self.findings.error(section.place(), format!("one of {list} is missing"), None),
            [_, second, ..] => {
                self.findings.error(section.place_of(second), format!("{list} exclude each other"), None);
            }
        }
        None
    }

    /// An address that credentials are sent to: in the clear only where it says so itself.
    fn address(&mut self, written: &Located<String>) -> Option<Url> {
        let wrong = match Url::parse(&written.value) {
            Err(error) => format!("this is no URL: {error}"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                format!("the address is http or https, not `{}`", url.scheme())
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "credentials do not belong in the URL".to_owned()
            }
            Ok(url) => return Some(url),
        };
        self.findings.error(&written.place, wrong, Some("write it whole: `https://login.example.com/token`".into()));
        None
    }

    /// Name of a header or a cookie.
    fn wire_name(&mut self, name: Located<String>) -> Option<String> {
        if is_token(&name.value) {
            return Some(name.value);
        }
        self.findings.error(&name.place, format!("`{}` is no name of a header or cookie", name.value), None);
        None
    }

    fn pairs(&mut self, section: &Section<'_>, key: &str) -> Vec<(String, Secret<String>)> {
        let entries = section.map(key);
        entries.iter().for_each(|entry| self.keep(entry));
        let pair = |entry: &&Entry| Some((entry.key.clone(), Secret::new(entry.value.scalar()?)));
        entries.iter().filter_map(pair).collect()
    }

    /// A value under a telling name is a secret.
    fn keep(&mut self, entry: &Entry) {
        if is_secret_name(&entry.key) {
            self.secrets.extend(entry.value.scalar().map(Secret::new));
        }
    }

    /// The same, however deep it lies.
    fn keep_within(&mut self, value: &Value) {
        for entry in value.entries() {
            self.keep(entry);
            self.keep_within(&entry.value);
        }
        value.items().iter().for_each(|item| self.keep_within(item));
    }

    /// `None` only if it is wrong.
    #[expect(clippy::option_option, reason = "left out and wrong are not the same")]
    fn optional_secret(&mut self, auth: &Section<'_>, key: &str) -> Option<Option<Secret<String>>> {
        if auth.is_written(key) { self.secret(auth, key).map(Some) } else { Some(None) }
    }

    /// An empty credential is a variable that was set to nothing: better said now than by a 401.
    fn secret(&mut self, auth: &Section<'_>, key: &str) -> Option<Secret<String>> {
        let text = auth.text(key)?;
        let wrong = match text.value.as_str() {
            "" if key != "password" => Some("is empty"),
            value if value.chars().any(char::is_control) => Some("has a line break or another control character in it"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.findings.error(&text.place, format!("`{key}` {wrong}"), None);
            return None;
        }
        let secret = Secret::new(text.value);
        self.secrets.push(secret.clone());
        Some(secret)
    }
}

/// Numbers and bools stay what they are, as far as JSON has them.
fn json_of(value: &Value) -> Json {
    let text = || value.scalar().unwrap_or_default();
    match &value.kind {
        Kind::Null => Json::Null,
        Kind::Number(_) | Kind::Bool(_) => serde_json::from_str(&text()).unwrap_or_else(|_| Json::String(text())),
        Kind::List(items) => items.iter().map(json_of).collect(),
        Kind::Object(entries) => {
            let fields = entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.value)));
            Json::Object(fields.collect())
        }
        _ => Json::String(text()),
    }
}

/// A list is a name that is repeated, and null is left out.
fn fields_of(entry: &Entry) -> Vec<(String, Secret<String>)> {
    let values = match &entry.value.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![&entry.value],
    };
    let texts = values.into_iter().filter_map(Value::scalar);
    texts.map(|text| (entry.key.clone(), Secret::new(text))).collect()
}
