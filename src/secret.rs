//! Values that must not be seen, and the redaction of texts that might hold them.
//!
//! [`Secret`] cannot be printed; [`Redactor`] knows every secret value of a plan and strips them, and query parameters of
//! telling names, from URLs and from text that a server sent back.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Serialize, Serializer};
use url::Url;

/// What stands in place of a secret.
pub const REDACTED: &str = "***";

/// A value without `Display`, whose `Debug` and `Serialize` say nothing of it.
///
/// ```compile_fail
/// println!("{}", restlake::secret::Secret::new("hunter2"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; a call of this is where a reviewer looks.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// What a secret's name has in it somewhere.
const PARTS: [&str; 10] = [
    "secret",
    "token",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "customerkey",
    "credential",
    "authorization",
    "signature",
];

/// Keys that tell rows apart or sort them, and open nothing.
const KEYS_OF_DATA: [&str; 8] =
    ["primarykey", "mergekey", "rootkey", "parentkey", "rowkey", "partitionkey", "sortkey", "foreignkey"];

/// Whether a key, a header or a parameter of this name holds a secret by convention.
///
/// ```
/// use restlake::secret::is_secret_name;
/// assert!(is_secret_name("api_key") && is_secret_name("X-Auth-Token") && is_secret_name("AWS_SECRET_ACCESS_KEY"));
/// assert!(is_secret_name("account_key") && is_secret_name("Ocp-Apim-Subscription-Key"));
/// assert!(!is_secret_name("page") && !is_secret_name("primary_key"));
/// ```
pub fn is_secret_name(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    PARTS.iter().any(|part| name.contains(part))
        || ["sig", "pwd", "cookie", "sas"].contains(&name.as_str())
        || name.ends_with("auth")
        || name.ends_with("key") && !KEYS_OF_DATA.contains(&name.as_str())
}

/// Strips known secret values from text and URLs. Clones share what they know: a value that one of them learns while a run goes
/// on, such as an access token, is stripped by all of them from then on.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The longest first: a value that contains another must not leave its tail behind.
    known: Arc<RwLock<Arc<Vec<Secret<String>>>>>,
}

impl Redactor {
    /// Values shorter than four bytes are not looked for: stripping every `a` from a message hides the message, not the `a`.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let redactor = Self::default();
        redactor.learn(values);
        redactor
    }

    /// Strips these values too, here and in all clones. To be told before anybody can come across them.
    pub fn learn(&self, values: impl IntoIterator<Item = String>) {
        let added: Vec<_> = values.into_iter().flat_map(spellings).filter(|value| value.len() >= 4).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut values: Vec<String> = known.iter().map(|value| value.expose().clone()).chain(added).collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        *known = Arc::new(values.into_iter().map(Secret::new).collect());
    }

    pub fn text(&self, text: &str) -> String {
        self.known().iter().fold(text.to_owned(), |text, value| text.replace(value.expose(), REDACTED))
    }

    /// The URL without user information, without the values of secret parameters, and without known secret values.
    pub fn url(&self, url: &Url) -> String {
        let mut shown = url.clone();
        // Both fail only for URLs that cannot have a user, which then have none to hide.
        let _ = shown.set_password(None);
        let _ = shown.set_username("");
        shown.set_fragment(None);
        if url.query().is_some() {
            shown.set_query(Some(&self.query(url)));
        }
        self.text(shown.as_str())
    }

    /// The list is replaced as a whole: a panic elsewhere leaves the old one or the new one.
    fn known(&self) -> Arc<Vec<Secret<String>>> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn query(&self, url: &Url) -> String {
        let pairs = url.query().unwrap_or_default().split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret_name(name) => format!("{name}={REDACTED}"),
            _ => self.text(pair),
        });
        pairs.collect::<Vec<_>>().join("&")
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.known().len())
    }
}

/// A value as it may come back: as it is, and as it stands in a query string.
fn spellings(value: String) -> [String; 2] {
    let encoded = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    [value, encoded]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_loses_secret_parameters_by_name_and_known_values_anywhere() {
        let redactor = Redactor::new(["s3cr3t/+".to_owned()]);
        let url = Url::parse("https://user:pw@api.example.com/v1/s3cr3t%2F%2B?api_key=abc&q=s3cr3t%2F%2B&page=2#frag")
            .unwrap();
        assert_eq!(redactor.url(&url), "https://api.example.com/v1/***?api_key=***&q=***&page=2");
    }

    #[test]
    fn the_names_under_which_the_clouds_and_their_gateways_take_keys_are_secret() {
        for name in [
            "account_key",
            "storage_account_key",
            "sas_key",
            "storage_sas_key",
            "AZURE_STORAGE_ENCRYPTION_KEY",
            "service_account_key",
            "sse_customer_key_base64",
            "Ocp-Apim-Subscription-Key",
            "subscription-key",
            "DD-APPLICATION-KEY",
            "x-functions-key",
            "app_key",
            "private_key",
            "key",
            "auth",
            "X-Auth",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn keys_of_data_and_words_with_a_key_in_them_are_no_secrets() {
        for name in [
            "primary_key",
            "merge_key",
            "root_key",
            "parent_key",
            "row_key",
            "partition-key",
            "sortKey",
            "foreign_key",
            "keyword",
            "keys",
            "sse_kms_key_id",
            "sse_bucket_key_enabled",
            "author",
            "design",
            "region",
            "endpoint",
            "account_name",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn text_loses_a_value_that_contains_another_whole() {
        let redactor = Redactor::new(["abcd".to_owned(), "abcd-efgh".to_owned()]);
        assert_eq!(redactor.text("it was abcd-efgh and abcd"), "it was *** and ***");
    }

    #[test]
    fn values_that_come_later_are_stripped_like_the_first_by_every_clone() {
        let redactor = Redactor::new(["abcd".to_owned()]);
        redactor.clone().learn(["abcd-efgh".to_owned()]);
        assert_eq!(redactor.text("it was abcd-efgh and abcd"), "it was *** and ***");
    }

    #[test]
    fn neither_debug_nor_json_shows_a_secret() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }
}
