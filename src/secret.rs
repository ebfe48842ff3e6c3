//! Values that must not be seen, and the redaction of texts that might hold them.
//!
//! [`Secret`] cannot be printed; [`Redactor`] knows every secret value of a plan and strips them, and query parameters of
//! telling names, from URLs and from text that a server sent back, however they are spelled there.

mod name;
mod spelling;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Serialize, Serializer};
use url::{Url, form_urlencoded};

pub use self::name::is_secret_name;

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

/// Shorter values are not looked for: stripping every `a` from a message hides the message, not the `a`.
const SHORTEST: usize = 4;

/// The shortest credential that is stripped without the scheme before it.
const SHORTEST_BARE: usize = 8;

/// Strips known secret values from text and URLs. Clones share what they know: a value that one of them learns while a run goes
/// on, such as an access token, is stripped by all of them from then on.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The longest first: a value that contains another must not leave its tail behind.
    known: Arc<RwLock<Arc<Vec<Known>>>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Known {
    value: Secret<String>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Opens something, and goes to nobody who was not given it.
    Credential,
    /// Is not shown. It may be any text, so that others may have the same by chance.
    Private,
}

impl Redactor {
    /// Values shorter than four bytes are not looked for.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let redactor = Self::default();
        redactor.learn(values);
        redactor
    }

    /// Strips these values too, here and in all clones. To be told before anybody can come across them.
    pub fn learn(&self, values: impl IntoIterator<Item = String>) {
        let parts = |value: String| [after_scheme(&value).map(str::to_owned), Some(value)].into_iter().flatten();
        self.add(values.into_iter().flat_map(parts).filter(|value| value.len() >= SHORTEST), Kind::Credential);
    }

    /// Values that are not to be shown, and may be no credentials: those that variables filled in. Numbers that are short, dates
    /// and bools are known to everybody.
    pub fn hide(&self, values: impl IntoIterator<Item = String>) {
        self.add(values.into_iter().filter(|value| is_private(value)), Kind::Private);
    }

    fn add(&self, values: impl Iterator<Item = String>, kind: Kind) {
        let added = values.map(|value| Known { value: Secret::new(value), kind });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Known> = known.iter().cloned().chain(added).collect();
        let value = |known: &Known| known.value.expose().clone();
        all.sort_by_cached_key(|known| (std::cmp::Reverse(known.value.expose().len()), value(known), known.kind));
        // What is a credential as well is one.
        all.dedup_by(|b, a| a.value == b.value);
        *known = Arc::new(all);
    }

    pub fn text(&self, text: &str) -> String {
        self.known().iter().fold(Cow::Borrowed(text), |text, known| known.stripped(text)).into_owned()
    }

    /// Without credentials; what is merely private stays, as names and addresses are made of it.
    pub fn credentials(&self, text: &str) -> String {
        let known = self.known();
        let credentials = known.iter().filter(|known| known.kind == Kind::Credential);
        credentials.fold(Cow::Borrowed(text), |text, known| known.stripped(text)).into_owned()
    }

    /// Whether a text holds what is not to be shown.
    pub fn knows(&self, text: &str) -> bool {
        self.text(text) != text
    }

    /// Whether one `name=value` of a query holds a credential in any spelling, or has for its value what is not to be shown.
    pub fn is_secret_pair(&self, pair: &str) -> bool {
        let value = form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value).unwrap_or_default();
        self.known().iter().any(|known| match known.kind {
            Kind::Credential => spelling::find(pair, known.value.expose(), 0).is_some(),
            Kind::Private => *known.value.expose() == value,
        })
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
    fn known(&self) -> Arc<Vec<Known>> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn query(&self, url: &Url) -> String {
        let pairs = url.query().unwrap_or_default().split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret_name(&name_of(pair)) => format!("{name}={REDACTED}"),
            _ => self.text(pair),
        });
        pairs.collect::<Vec<_>>().join("&")
    }
}

impl Known {
    /// A text without this value.
    fn stripped<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        let value = self.value.expose();
        let (mut stripped, mut from, mut kept) = (String::new(), 0, 0);
        while let Some(found) = spelling::find(&text, value, from) {
            let (before, behind) = text.split_at_checked(found.start).unwrap_or_default();
            let behind = behind.get(found.len()..).unwrap_or_default();
            from = found.start + text.get(found.start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            if self.kind == Kind::Private && is_word(value) && is_within_word(before, behind) {
                continue;
            }
            stripped += before.get(kept..).unwrap_or_default();
            stripped += REDACTED;
            (from, kept) = (found.end, found.end);
        }
        match kept {
            0 => text,
            _ => Cow::Owned(stripped + text.get(kept..).unwrap_or_default()),
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.known().len())
    }
}

/// The decoded name of one `name=value` of a query.
pub fn name_of(pair: &str) -> String {
    form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// Whether a value that a variable filled in is worth hiding.
fn is_private(value: &str) -> bool {
    let is_number = value.parse::<f64>().is_ok() && value.len() < 8;
    let is_date = value.parse::<chrono::NaiveDate>().is_ok()
        || value.parse::<chrono::NaiveDateTime>().is_ok()
        || chrono::DateTime::parse_from_rfc3339(value).is_ok();
    value.len() >= SHORTEST && !is_number && !is_date && !["true", "false", "null", "none"].contains(&value)
}

/// Letters and digits alone: such a value may stand within a longer word, and mean nothing there.
fn is_word(value: &str) -> bool {
    value.chars().all(char::is_alphabetic) || value.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_within_word(before: &str, behind: &str) -> bool {
    before.chars().next_back().is_some_and(char::is_alphanumeric)
        || behind.chars().next().is_some_and(char::is_alphanumeric)
}

/// Returns the credential after its scheme, e.g. `0a1b2c3d` of `Token 0a1b2c3d`: a server may quote it alone. A short one may be
/// a word of a passphrase that is in other texts by chance.
fn after_scheme(value: &str) -> Option<&str> {
    let (scheme, credential) = value.split_once(' ')?;
    let is_scheme = scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    (is_scheme && credential.len() >= SHORTEST_BARE && !credential.contains(' ')).then_some(credential)
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
    fn a_value_is_stripped_however_it_is_spelled() {
        let redactor = Redactor::new(["sek/ret+one=".to_owned()]);
        let text = r#"sek\/ret+one= sek/ret\u002Bone= sek%2fret%2bone%3d sek%252Fret%252Bone%253D"#;
        assert_eq!(redactor.text(text), "*** *** *** ***");
        assert!(redactor.is_secret_pair("next=%2Fitems%3Fk%3Dsek%252fret%252Bone%253D"));
        let url = Url::parse("https://a.example/?api%5Fkey=abc&k=sek/ret%2bone=").unwrap();
        assert_eq!(redactor.url(&url), "https://a.example/?api%5Fkey=***&k=***");
    }

    #[test]
    fn what_a_variable_filled_in_is_not_shown_where_it_stands_alone_and_may_be_no_credential() {
        let redactor = Redactor::default();
        redactor.hide(["open", "k3y9", "7", "true", "2024-01-31", "123456", "abc"].map(str::to_owned));
        assert_eq!(
            redactor.text("open, opened: state=open&k=ak3y9b&n=7&x=true&since=2024-01-31&p=123456&y=abc"),
            "***, opened: state=***&k=a***b&n=7&x=true&since=2024-01-31&p=123456&y=abc"
        );
        assert!(redactor.is_secret_pair("q=k3y9") && !redactor.is_secret_pair("cursor=k3y9-2"));
    }

    #[test]
    fn a_credential_after_its_scheme_is_stripped_alone_too() {
        let redactor = Redactor::new(["Token 0a1b2c3d4e".to_owned(), "open data".to_owned()]);
        assert_eq!(redactor.text("bad key 0a1b2c3d4e"), "bad key ***");
        assert_eq!(redactor.text("Token 0a1b2c3d4e; all data"), "***; all data");
    }

    #[test]
    fn neither_debug_nor_json_shows_a_secret() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }
}
