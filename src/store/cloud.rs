//! The clouds: options and environment variables become a client of S3, Google Cloud Storage or Azure.
//!
//! Credentials come from the options, else from the provider's environment variables, else from what object_store's builders
//! look for themselves: web identity, container and instance metadata. An option outranks its environment variable.

use std::{str::FromStr, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path,
};
use url::Url;

use super::{Context, Destination, Kind, SCHEMES, Store, StoreError, redactor};

/// object_store's own 30 s would cut off a part of a large upload on a slow line.
const REQUEST_TIMEOUT: &str = "300s";
const CONNECT_TIMEOUT: &str = "10s";

/// A provider and the names of its options, which are its environment variables without their prefix.
struct Provider {
    name: &'static str,
    /// Prefix of its environment variables, e.g. `AWS_`.
    prefix: &'static str,
    options: &'static [&'static str],
    /// Options any of which is a credential, or says where one is.
    credentials: &'static [&'static str],
}

const S3: Provider = Provider {
    name: "S3",
    prefix: "AWS_",
    options: &[
        "access_key_id",
        "secret_access_key",
        "session_token",
        "region",
        "default_region",
        "endpoint",
        "endpoint_url",
        "endpoint_url_s3",
        "endpoint_url_sts",
        "allow_http",
        "virtual_hosted_style_request",
        "s3_express",
        "imdsv1_fallback",
        "metadata_endpoint",
        "unsigned_payload",
        "checksum_algorithm",
        "container_credentials_relative_uri",
        "container_credentials_full_uri",
        "container_authorization_token_file",
        "web_identity_token_file",
        "role_arn",
        "role_session_name",
        "skip_signature",
        "copy_if_not_exists",
        "conditional_put",
        "disable_tagging",
        "disable_bulk_delete",
        "request_payer",
        "server_side_encryption",
        "sse_kms_key_id",
        "sse_bucket_key_enabled",
        "sse_customer_key_base64",
    ],
    credentials: &[
        "access_key_id",
        "secret_access_key",
        "session_token",
        "token",
        "web_identity_token_file",
        "container_credentials_relative_uri",
        "container_credentials_full_uri",
        "skip_signature",
    ],
};

const GCS: Provider = Provider {
    name: "Google Cloud Storage",
    prefix: "GOOGLE_",
    options: &[
        "service_account",
        "service_account_path",
        "service_account_key",
        "application_credentials",
        "bearer_token",
        "base_url",
        "skip_signature",
    ],
    credentials: &[
        "service_account",
        "service_account_path",
        "service_account_key",
        "application_credentials",
        "bearer_token",
        "skip_signature",
    ],
};

const AZURE: Provider = Provider {
    name: "Azure",
    prefix: "AZURE_",
    options: &[
        "storage_account_name",
        "storage_account_key",
        "storage_access_key",
        "account_name",
        "account_key",
        "access_key",
        "storage_client_id",
        "client_id",
        "storage_client_secret",
        "client_secret",
        "storage_tenant_id",
        "tenant_id",
        "storage_authority_host",
        "authority_host",
        "storage_sas_key",
        "storage_sas_token",
        "sas_key",
        "sas_token",
        "storage_token",
        "bearer_token",
        "storage_use_emulator",
        "use_emulator",
        "storage_endpoint",
        "endpoint",
        "msi_endpoint",
        "object_id",
        "msi_resource_id",
        "federated_token_file",
        "use_fabric_endpoint",
        "use_azure_cli",
        "skip_signature",
        "disable_tagging",
        "fabric_token_service_url",
        "fabric_workload_host",
        "fabric_session_token",
        "fabric_cluster_identifier",
        "credential_type",
        "storage_encryption_key",
        "allow_http",
    ],
    credentials: &[
        "storage_account_key",
        "storage_access_key",
        "account_key",
        "access_key",
        "storage_client_id",
        "client_id",
        "storage_client_secret",
        "client_secret",
        "storage_sas_key",
        "storage_sas_token",
        "sas_key",
        "sas_token",
        "storage_token",
        "bearer_token",
        "token",
        "federated_token_file",
        "use_azure_cli",
        "use_emulator",
        "skip_signature",
    ],
};

/// Options of the HTTP client, which all providers share.
const CLIENT: [&str; 15] = [
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "disable_system_certificates",
    "http1_only",
    "http2_only",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "randomize_addresses",
    "read_timeout",
    "timeout",
    "user_agent",
];

/// A setting, and whether it came from the environment.
struct Setting {
    name: String,
    value: String,
}

pub(super) fn open(
    plan: &Destination,
    url: &Url,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Store, StoreError> {
    let (provider, build, root) = provider(plan, url)?;
    let settings = settings(provider, plan, variables)?;
    let redactor = redactor(settings.iter().map(|setting| (setting.name.as_str(), setting.value.as_str())));
    let redacted = redactor.url(url);
    refuse_plain_http(&settings)?;
    let store = build(url, &settings).map_err(|error| StoreError::Configuration {
        store: provider.name,
        reason: redactor.text(&error.to_string()),
    })?;
    let has_credentials = settings.iter().any(|setting| provider.credentials.contains(&setting.name.as_str()));
    let context = Context {
        redactor,
        credentials_hint: (!has_credentials).then(|| credentials_hint(provider, variables)),
        has_credentials,
        ..Context::plain(redacted, Kind::Cloud)
    };
    Ok(Store::with_context(store, root, context))
}

/// Checks that the URL belongs to a known provider and that the provider has all options.
pub(super) fn check(plan: &Destination, url: &Url) -> Result<(), StoreError> {
    let (provider, _, _) = provider(plan, url)?;
    options(provider, plan).map(|_| ())
}

fn provider(plan: &Destination, url: &Url) -> Result<(&'static Provider, Build, Path), StoreError> {
    let (scheme, root) = ObjectStoreScheme::parse(url).map_err(|_| unknown_scheme(plan, url))?;
    if has_more_than_a_place(url) {
        let reason = "it has a user, a password, a query or a fragment in it, which the store would not see: credentials \
                      and settings go into `destination.options` or the environment";
        return Err(StoreError::url(&super::hidden(plan), reason));
    }
    Ok(match (&scheme, url.scheme()) {
        (ObjectStoreScheme::AmazonS3, "s3" | "s3a") => (&S3, build_s3, root),
        (ObjectStoreScheme::GoogleCloudStorage, "gs") => (&GCS, build_gcs, root),
        (ObjectStoreScheme::MicrosoftAzure, "az" | "azure" | "adl" | "abfs" | "abfss") => (&AZURE, build_azure, root),
        _ => return Err(unknown_scheme(plan, url)),
    })
}

/// Returns true if a URL contains more than a bucket and a path.
fn has_more_than_a_place(url: &Url) -> bool {
    // `abfss://container@account.dfs.core.windows.net/path` names the container where others have a user.
    let is_container =
        matches!(url.scheme(), "az" | "abfs" | "abfss") && url.host_str().is_some_and(|host| host.contains('.'));
    let has_user = !url.username().is_empty() && !is_container;
    has_user || url.password().is_some() || url.query().is_some() || url.fragment().is_some()
}

fn unknown_scheme(plan: &Destination, url: &Url) -> StoreError {
    let reason = format!("a destination is one of {SCHEMES}, and `{}://` none of them", url.scheme());
    StoreError::url(&super::hidden(plan), reason)
}

/// Environment first, options after it: the later one counts.
fn settings(
    provider: &Provider,
    plan: &Destination,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Setting>, StoreError> {
    let options = options(provider, plan)?;
    let mut settings = provider.environment_settings(variables);
    settings.retain(|setting| !provider.replaced(setting, &options));
    settings.extend(options);
    Ok(settings)
}

/// The config's options, by their names without the provider's prefix.
fn options(provider: &Provider, plan: &Destination) -> Result<Vec<Setting>, StoreError> {
    let mut options = Vec::with_capacity(plan.options.len());
    for (name, value) in &plan.options {
        let plain = name.to_ascii_lowercase();
        let plain = plain.strip_prefix(&provider.prefix.to_ascii_lowercase()).unwrap_or(&plain).to_owned();
        if !provider.knows(&plain) {
            return Err(provider.unknown_option(name));
        }
        options.push(Setting { name: plain, value: value.expose().clone() });
    }
    Ok(options)
}

pub(super) fn is_option(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [S3, GCS, AZURE].iter().any(|provider| {
        let prefix = provider.prefix.to_ascii_lowercase();
        let bare = name.strip_prefix(&prefix).unwrap_or(&name);
        provider.names().any(|known| known == bare)
    })
}

impl Provider {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.options.iter().chain(&CLIENT).copied()
    }

    fn knows(&self, name: &str) -> bool {
        let name = format!("{}{name}", self.prefix.to_ascii_lowercase());
        match self.prefix {
            // The bucket is the URL's; a second one would be ignored.
            _ if name.contains("bucket") && !name.contains("bucket_key") || name.contains("container_name") => false,
            "AWS_" => AmazonS3ConfigKey::from_str(&name).is_ok(),
            "GOOGLE_" => GoogleConfigKey::from_str(&name).is_ok(),
            _ => azure_key(&name).is_some(),
        }
    }

    fn unknown_option(&self, name: &str) -> StoreError {
        let similar = self.names().map(|known| (strsim::jaro_winkler(known, &name.to_ascii_lowercase()), known));
        let nearest = similar.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(similarity, _)| *similarity > 0.8);
        let suggestion = nearest.map(|(_, known)| known.to_owned());
        StoreError::UnknownOption { name: name.to_owned(), store: self.name.to_owned(), suggestion }
    }

    fn environment_settings(&self, variables: &dyn Fn(&str) -> Option<String>) -> Vec<Setting> {
        let read = self.names().filter_map(|name| {
            let variable = format!("{}{}", self.prefix, name.to_ascii_uppercase());
            let value = variables(&variable).filter(|value| !value.is_empty())?;
            self.knows(name).then(|| Setting { name: name.to_owned(), value })
        });
        read.collect()
    }

    /// Returns true if the options replace this variable. Credentials come from one place only, since stores reject a session token of
    /// the environment together with an access key of the options.
    fn replaced(&self, variable: &Setting, options: &[Setting]) -> bool {
        let is_credential = |name: &str| self.credentials.contains(&name);
        let is_endpoint = |name: &str| name.starts_with("endpoint") && name != "endpoint_url_sts";
        let name = variable.name.as_str();
        options.iter().any(|option| {
            (is_credential(name) && is_credential(&option.name)) || (is_endpoint(name) && is_endpoint(&option.name))
        })
    }
}

/// Azure's keys have no common prefix that all of them take.
fn azure_key(name: &str) -> Option<AzureConfigKey> {
    let bare = name.strip_prefix("azure_").unwrap_or(name);
    AzureConfigKey::from_str(name).or_else(|_| AzureConfigKey::from_str(bare)).ok()
}

/// Without `allow_http`, the client refuses such an endpoint with words that name neither.
fn refuse_plain_http(settings: &[Setting]) -> Result<(), StoreError> {
    let allowed = settings.iter().any(|setting| setting.name == "allow_http" && setting.value.trim() == "true");
    let plain = |setting: &&Setting| setting.name.starts_with("endpoint") && setting.value.starts_with("http://");
    match settings.iter().find(plain) {
        Some(setting) if !allowed => Err(StoreError::PlainHttp { option: setting.name.clone() }),
        _ => Ok(()),
    }
}

type Build = fn(&Url, &[Setting]) -> object_store::Result<Arc<dyn ObjectStore>>;

fn build_s3(url: &Url, settings: &[Setting]) -> object_store::Result<Arc<dyn ObjectStore>> {
    let builder = AmazonS3Builder::new().with_client_options(client()).with_retry(retry()).with_url(url.as_str());
    let store = settings.iter().try_fold(builder, |builder, setting| {
        Ok::<_, object_store::Error>(builder.with_config(format!("aws_{}", setting.name).parse()?, &setting.value))
    })?;
    Ok(Arc::new(store.build()?))
}

fn build_gcs(url: &Url, settings: &[Setting]) -> object_store::Result<Arc<dyn ObjectStore>> {
    let builder =
        GoogleCloudStorageBuilder::new().with_client_options(client()).with_retry(retry()).with_url(url.as_str());
    let store = settings.iter().try_fold(builder, |builder, setting| {
        Ok::<_, object_store::Error>(builder.with_config(format!("google_{}", setting.name).parse()?, &setting.value))
    })?;
    Ok(Arc::new(store.build()?))
}

fn build_azure(url: &Url, settings: &[Setting]) -> object_store::Result<Arc<dyn ObjectStore>> {
    let builder = MicrosoftAzureBuilder::new().with_client_options(client()).with_retry(retry()).with_url(url.as_str());
    let keys = settings.iter().filter_map(|setting| Some((azure_key(&format!("azure_{}", setting.name))?, setting)));
    let store = keys.fold(builder, |builder, (key, setting)| builder.with_config(key, &setting.value));
    Ok(Arc::new(store.build()?))
}

fn client() -> ClientOptions {
    ClientOptions::new()
        .with_config(ClientConfigKey::Timeout, REQUEST_TIMEOUT)
        .with_config(ClientConfigKey::ConnectTimeout, CONNECT_TIMEOUT)
}

/// Retries for about ten seconds, so that a wrong endpoint is reported soon.
fn retry() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(5), base: 2.0 };
    RetryConfig { backoff, max_retries: 6, retry_timeout: Duration::from_secs(180) }
}

fn credentials_hint(provider: &Provider, variables: &dyn Fn(&str) -> Option<String>) -> String {
    if provider.prefix == "AWS_" && has_profiles(variables) {
        return "restlake does not read the profiles of ~/.aws: put their credentials into the environment with \
                `eval \"$(aws configure export-credentials --format env)\"`"
            .to_owned();
    }
    format!(
        "no credentials were given: set them under `destination.options` or in the environment ({}…)",
        provider.prefix
    )
}

fn has_profiles(variables: &dyn Fn(&str) -> Option<String>) -> bool {
    if variables("AWS_PROFILE").is_some() {
        return true;
    }
    let file = variables("AWS_SHARED_CREDENTIALS_FILE").map(std::path::PathBuf::from);
    let home = || variables("HOME").map(|home| std::path::Path::new(&home).join(".aws/credentials"));
    file.or_else(home).is_some_and(|file| file.is_file())
}

/// The names of what a client of S3 would be configured with.
#[cfg(test)]
pub(super) fn settings_for_test(url: &str, options: &[(&str, &str)], variables: &[(&str, &str)]) -> Vec<String> {
    let options =
        options.iter().map(|(name, value)| ((*name).to_owned(), crate::secret::Secret::new((*value).to_owned())));
    let plan = Destination { url: url.to_owned(), options: options.collect() };
    let lookup = |name: &str| variables.iter().find(|known| known.0 == name).map(|known| known.1.to_owned());
    settings(&S3, &plan, &lookup).into_iter().flatten().map(|setting| setting.name).collect()
}
