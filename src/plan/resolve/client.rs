//! How requests are sent.

use std::{path::Path, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use url::Url;

use super::{auth, body, trust};
use crate::{
    config::{Findings, Section, notation::is_token, slips::typographic},
    plan::{ClientPlan, RateLimit, RetryPlan},
    secret::{Redactor, Secret, is_secret_name},
};

/// `directory` is the config file's.
pub fn resolve(
    client: &Section<'_>,
    directory: &Path,
    secrets: &mut Vec<Secret<String>>,
    findings: &mut Findings,
) -> Option<ClientPlan> {
    let base_url = base_url(client, secrets, findings);
    let headers = headers(client, secrets, findings);
    let auth = auth::Resolver { base_url: base_url.as_ref(), directory, secrets, findings }.resolve(client);
    let allowed_hosts = trust::allowed_hosts(client, findings);
    let tls = trust::tls(client, findings);
    Some(ClientPlan {
        base_url: base_url?,
        headers,
        auth: auth?,
        allowed_hosts,
        foreign_hosts: trust::foreign_hosts(client)?,
        tls: tls?,
        max_concurrency: count(client, "max_concurrency")?,
        rate_limit: rate_limit(client, findings),
        timeout: positive(client, "timeout", findings)?,
        connect_timeout: positive(client, "connect_timeout", findings)?,
        retry: retry(&client.section("retry"))?,
        max_body: client.size("max_body_size")?,
    })
}

fn count<T: TryFrom<u64>>(section: &Section<'_>, key: &str) -> Option<T> {
    section.count(key).and_then(|count| count.try_into().ok())
}

/// A timeout of nothing would fail every request.
fn positive(section: &Section<'_>, key: &str, findings: &mut Findings) -> Option<Duration> {
    let duration = section.duration(key)?;
    if duration.is_zero() {
        findings.error(section.place_of(key), format!("`{key}` has to be longer than 0"), None);
        return None;
    }
    Some(duration)
}

fn base_url(client: &Section<'_>, secrets: &[Secret<String>], findings: &mut Findings) -> Option<Url> {
    let written = client.text("base_url")?;
    let shown = shown(&written.value, secrets);
    let name = shown.as_deref().unwrap_or("this");
    let wrong = match Url::parse(&written.value) {
        Err(_) | Ok(_) if !written.value.contains("://") => {
            Some((format!("{name} has no scheme"), whole(&written.value, shown.is_some())))
        }
        Err(error) => Some((format!("{name} is no URL: {error}"), WHOLE.to_owned())),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Some((format!("a base_url is http or https, not `{}`", url.scheme()), "write `https://…`".to_owned()))
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Some(("credentials do not belong in the URL".to_owned(), "use `auth: {type: http_basic, …}`".to_owned()))
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            let message = "a base_url has no query and no fragment".to_owned();
            Some((message, "use `endpoint.params`, in `resource_defaults` for all resources".to_owned()))
        }
        Ok(url) => return Some(url),
    };
    let (message, help) = wrong?;
    // The line that is shown beside the error would show the very password that it forbids.
    client.get("base_url").filter(|_| shown.is_none()).into_iter().for_each(|value| findings.hide(value));
    findings.error(&written.place, message, Some(typographic(&written.value).unwrap_or(help)));
    None
}

const WHOLE: &str = "write it whole: `https://api.example.com`";

/// The URL that was meant by one without its scheme.
fn whole(written: &str, is_plain: bool) -> String {
    let host = written.trim_start_matches('/').split(['/', ':']).next().unwrap_or_default();
    let is_local = host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok();
    let is_host = is_local || host.contains('.');
    match is_plain && is_host {
        true => format!(
            "write it whole: `{}://{}`",
            if is_local { "http" } else { "https" },
            written.trim_start_matches('/')
        ),
        false => WHOLE.to_owned(),
    }
}

/// A URL that is wrong, where it can hold no credential: the text before an `@`, after a `?` or in place of a port may be
/// one.
fn shown(url: &str, secrets: &[Secret<String>]) -> Option<String> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let has_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = !url.is_empty() && !url.contains(['@', '?', '#']);
    let is_open = is_plain && authority.split_once(':').is_none_or(|(_, port)| has_port(port));
    let redactor = Redactor::new(secrets.iter().map(|secret| secret.expose().clone()));
    is_open.then(|| format!("`{}`", redactor.text(url)))
}

fn headers(
    client: &Section<'_>,
    secrets: &mut Vec<Secret<String>>,
    findings: &mut Findings,
) -> Vec<(String, Secret<String>)> {
    let mut headers = Vec::new();
    for entry in client.map("headers") {
        if body::is_of_connection(entry, findings) {
            continue;
        }
        let Some(value) = entry.value.scalar() else { continue };
        if !is_token(&entry.key) {
            findings.error(&entry.value.place, format!("`{}` is no name of a header", entry.key), None);
        } else if value.chars().any(|c| c.is_control() && c != '\t') {
            findings.error(&entry.value.place, "a header's value is one line of text", None);
        } else {
            if is_secret_name(&entry.key) {
                secrets.extend(secrets_of(&entry.key, &value));
            }
            headers.push((entry.key.clone(), Secret::new(value)));
        }
    }
    headers
}

/// A telling header's value, and the credentials inside it, which a server may send back without the rest.
pub fn secrets_of(name: &str, value: &str) -> Vec<Secret<String>> {
    let mut secrets = vec![value.to_owned()];
    if name.eq_ignore_ascii_case("cookie") {
        secrets.extend(value.split(';').filter_map(|pair| Some(pair.split_once('=')?.1.trim().to_owned())));
    } else if let Some((scheme, credentials)) = value.split_once(' ') {
        let credentials = credentials.trim();
        secrets.push(credentials.to_owned());
        if scheme.eq_ignore_ascii_case("basic") {
            secrets.extend(basic_password(credentials));
        }
    }
    secrets.into_iter().map(Secret::new).collect()
}

/// The password in `base64(user:password)` (RFC 7617, section 2); the user where the password is empty, as it is the key then.
fn basic_password(credentials: &str) -> Option<String> {
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.to_owned())
}

fn rate_limit(client: &Section<'_>, findings: &mut Findings) -> Option<RateLimit> {
    if !client.is_written("rate_limit") {
        return None;
    }
    let limit = client.section("rate_limit");
    Some(RateLimit { requests: count(&limit, "requests")?, per: positive(&limit, "per", findings)? })
}

fn retry(retry: &Section<'_>) -> Option<RetryPlan> {
    Some(RetryPlan {
        max_attempts: count(retry, "max_attempts")?,
        initial_backoff: retry.duration("initial_backoff")?,
        max_backoff: retry.duration("max_backoff")?,
        max_elapsed: retry.duration("max_elapsed")?,
    })
}
