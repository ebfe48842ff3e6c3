//! Values that must not be seen, and the redaction of texts that might hold them.
//!
//! [`Secret`] cannot be printed; [`Redactor`] knows every secret value of a plan and strips them, and query parameters of
//! telling names, from URLs and from text that a server sent back, however they are spelled there.

mod decoding;
mod matcher;
mod name;
mod needles;
mod shorten;

use std::{
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use serde::{Serialize, Serializer};
use serde_json::Value;
use url::{Url, form_urlencoded};

use self::matcher::Matcher;
pub use self::{
    name::{is_secret_name, is_secret_variable},
    shorten::shortened,
};

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

/// Shorter lines of a secret are not looked for on their own.
const SHORTEST_LINE: usize = 16;

/// The shortest credential that is stripped without the scheme before it.
const SHORTEST_BARE: usize = 8;

/// Shorter values are not looked for across the whitespace of a text.
const SHORTEST_UNSPACED: usize = 8;

/// Strips known secret values from text and URLs. Clones share what they know: a value that one of them learns while a run goes
/// on, such as an access token, is stripped by all of them from then on.
///
/// Values are found in every spelling: percent-encoded, escaped as in JSON, HTML or a program, any of these within another, in
/// hex, as a list of bytes, in base64 alone or with other text, in upper or lower case, broken into lines, or in the wrong
/// character set. A text that was cut off loses the beginning of a secret at its end.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Arc<Knowledge>>>,
}

/// Values of a redactor; replaced as a whole.
#[derive(Default)]
struct Knowledge {
    values: Vec<Known>,
    /// Made when a text is looked at: a run learns several values before it comes across one.
    matcher: OnceLock<Matcher>,
}

impl Knowledge {
    fn matcher(&self) -> &Matcher {
        self.matcher.get_or_init(|| Matcher::new(&self.values))
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Known {
    value: Secret<String>,
    kind: Kind,
}

/// Confidentiality of a value. Where one value is of several kinds, the first counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Opens something, and goes to nobody who was not given it.
    Credential,
    /// Says who asks, such as a client's id: not shown. It may be part of the addresses that a server makes.
    Identity,
    /// Not shown where it is a whole word. It may be any word, so that others may have the same by chance.
    Private,
    /// Shown, and sent to the API alone.
    Confined,
}

impl Kind {
    /// Returns true if it is looked for in base64 and hex too.
    fn is_deep(self) -> bool {
        self <= Self::Identity
    }
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
        // A key in PEM is quoted in part, and with other line breaks; a credential without its scheme.
        let parts = |value: String| {
            let lines =
                value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("--"));
            let parts = lines.chain(after_scheme(&value)).chain([value.as_str()]);
            parts.map(str::to_owned).collect::<Vec<_>>()
        };
        self.add(values.into_iter().flat_map(parts), Kind::Credential);
    }

    /// Values that say who asks, and open nothing alone.
    pub fn learn_identities(&self, values: impl IntoIterator<Item = String>) {
        self.add(values.into_iter().filter(|value| !is_word_of_config(value)), Kind::Identity);
    }

    /// Values that are not shown, and may be no credentials. Numbers that are short, dates and bools are known to everybody.
    pub fn hide(&self, values: impl IntoIterator<Item = String>) {
        self.add(values.into_iter().filter(|value| is_private(value)), Kind::Private);
    }

    /// Values that may be seen, and are sent to the API alone.
    pub fn confine(&self, values: impl IntoIterator<Item = String>) {
        self.add(values.into_iter().filter(|value| is_private(value)), Kind::Confined);
    }

    fn add(&self, values: impl Iterator<Item = String>, kind: Kind) {
        // A header and a form lose the spaces around a value on their way.
        let added = values.flat_map(|value| [value.trim().to_owned(), value]).filter(|value| value.len() >= SHORTEST);
        let added = added.map(|value| Known { value: Secret::new(value), kind });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut values: Vec<Known> = known.values.iter().cloned().chain(added).collect();
        values.sort_by_cached_key(|known| (known.value.expose().clone(), known.kind));
        values.dedup_by(|b, a| a.value == b.value);
        if values != known.values {
            *known = Arc::new(Knowledge { values, matcher: OnceLock::new() });
        }
    }

    pub fn text(&self, text: &str) -> String {
        self.without(text, |_| true)
    }

    /// Without credentials and identities; what is merely private stays, as names and addresses are made of it.
    pub fn credentials(&self, text: &str) -> String {
        self.without(text, Kind::is_deep)
    }

    /// A document with all its texts stripped; its keys stay, as readers know it by them.
    pub fn json(&self, document: Value) -> Value {
        each_text(document, &|text| self.text(text))
    }

    /// Returns a document with [`Redactor::credentials`] applied to its texts.
    pub fn json_credentials(&self, document: Value) -> Value {
        each_text(document, &|text| self.credentials(text))
    }

    /// Returns true if a text holds what is not to be shown, or not to be sent to others.
    pub fn knows(&self, text: &str) -> bool {
        let known = self.known();
        let is_confined = |known: &Known| known.kind == Kind::Confined && text.contains(known.value.expose());
        known.values.iter().any(is_confined) || !known.matcher().find(text, |_| true).is_empty()
    }

    /// Returns `true` if a document quotes a credential, so that it cannot be kept where others than the API read it.
    pub fn is_credential_in(&self, document: &impl Serialize) -> bool {
        let is_credential = |kind| kind == Kind::Credential;
        let quotes = |text: String| !self.known().matcher().find(&text, is_credential).is_empty();
        serde_json::to_string(document).map_or(true, quotes)
    }

    /// Returns true if one `name=value` of a query holds a credential in any spelling, or has for its value what others are not sent.
    pub fn is_secret_pair(&self, pair: &str) -> bool {
        let value = form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value).unwrap_or_default();
        let known = self.known();
        let is_whole = |known: &Known| known.kind > Kind::Identity && *known.value.expose() == value;
        known.values.iter().any(is_whole) || !known.matcher().find(pair, |kind| kind == Kind::Credential).is_empty()
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

    fn without(&self, text: &str, is_wanted: impl Fn(Kind) -> bool) -> String {
        let known = self.known();
        let places = known.matcher().find_with_users(text, is_wanted);
        let (mut stripped, mut kept) = (String::with_capacity(text.len()), 0);
        for place in places {
            stripped += text.get(kept..place.start).unwrap_or_default();
            stripped += REDACTED;
            kept = place.end;
        }
        stripped + text.get(kept..).unwrap_or_default()
    }

    /// The list is replaced as a whole: a panic elsewhere leaves the old one or the new one.
    fn known(&self) -> Arc<Knowledge> {
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

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.known().values.len())
    }
}

fn each_text(document: Value, change: &dyn Fn(&str) -> String) -> Value {
    match document {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(items) => items.into_iter().map(|item| each_text(item, change)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, each_text(value, change))).collect(),
        other => other,
    }
}

/// The decoded name of one `name=value` of a query.
pub fn name_of(pair: &str) -> String {
    form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// Returns true if a value that may be no credential is worth hiding.
fn is_private(value: &str) -> bool {
    let is_number = value.parse::<f64>().is_ok() && value.len() < 8;
    let is_date = value.parse::<chrono::NaiveDate>().is_ok()
        || value.parse::<chrono::NaiveDateTime>().is_ok()
        || chrono::DateTime::parse_from_rfc3339(value).is_ok();
    !is_number && !is_date && !is_word_of_config(value)
}

fn is_word_of_config(value: &str) -> bool {
    ["true", "false", "null", "none"].contains(&value)
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
    use base64::{
        Engine,
        prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
    };

    use super::*;

    #[test]
    fn where_there_are_more_secrets_than_can_be_looked_for_no_text_is_shown() {
        let redactor = Redactor::new(["x".repeat(1_000_000)]);
        assert_eq!(redactor.text("any text"), "***");
        assert!(redactor.knows("any text"));
    }

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

    /// Every way in which a server, a proxy or a log may write a value.
    fn spellings(value: &str) -> Vec<String> {
        let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let json = |text: &str| Value::from(text).to_string().trim_matches('"').to_owned();
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let unicode = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
        let entities = |text: &str| text.chars().map(|c| format!("&#{};", u32::from(c))).collect::<String>();
        let html = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('é', "&eacute;");
        let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let mut all = vec![
            value.to_owned(),
            value.to_uppercase(),
            value.to_lowercase(),
            percent(value),
            percent(value).to_lowercase(),
            percent(&percent(value)),
            form(value),
            form(&form(value)),
            form(&form(&form(value))),
            json(value),
            json(&json(value)),
            json(&json(&json(value))),
            json(value).replace('/', "\\/"),
            unicode(value),
            unicode(value).to_uppercase(),
            json(&unicode(value)),
            entities(value),
            html(value),
            html(&html(value)),
            json(&html(value)),
            form(&json(value)),
            json(&form(value)),
            hex(value),
            hex(value).to_uppercase(),
            BASE64_STANDARD.encode(json(value)),
            BASE64_STANDARD.encode(form(value)),
            form(&BASE64_STANDARD.encode(value)),
        ];
        for around in ["", "u:", "id:", "user:", "Bearer "] {
            for text in [format!("{around}{value}"), format!("{around}{value}:x"), format!("{around}{value} more")] {
                all.extend([BASE64_STANDARD.encode(&text), BASE64_STANDARD_NO_PAD.encode(&text)]);
                all.extend([BASE64_URL_SAFE.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)]);
            }
        }
        all
    }

    #[test]
    fn a_secret_is_found_in_every_spelling_and_nothing_of_it_is_left() {
        for value in ["sk_live_51H8xQ2eZv", "p@ss \"w/ö+rd&é=", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi?>~~", r"a%41\n<b>"] {
            let redactor = Redactor::new([value.to_owned()]);
            for spelled in spellings(value) {
                let shown = redactor.text(&format!("invalid key [{spelled}] given"));
                let (start, end) = ("invalid key [", "] given");
                let inner = shown
                    .strip_prefix(start)
                    .and_then(|rest| rest.strip_suffix(end))
                    .unwrap_or_else(|| panic!("{spelled} in {value}: {shown}"));
                // Text around a secret within base64 is not secret.
                assert!(inner.contains("***") && inner.len() <= 3 + 17, "{spelled} in {value}: {shown}");
            }
        }
    }

    #[test]
    fn a_secret_that_a_cut_left_the_beginning_of_is_not_shown_in_any_spelling() {
        let value = "sek/ret+one=two\"three";
        let redactor = Redactor::new([value.to_owned()]);
        for spelled in spellings(value).iter().filter(|spelled| spelled.is_ascii()) {
            for (from, after) in [(spelled.len() / 2, "… is wrong"), (spelled.len() * 3 / 4, "")] {
                for cut in (from..spelled.len()).filter_map(|length| spelled.get(..length)) {
                    let shown = redactor.text(&format!("key: {cut}{after}"));
                    assert!(shown.contains("***"), "{cut}: {shown}");
                }
            }
        }
        assert_eq!(redactor.text("sek… and sek/re, sek/... of sek/ret"), "sek… and sek/re, ***... of sek/ret");
    }

    #[test]
    fn a_secret_is_found_across_whitespace_and_its_words_alone_are_shown() {
        let redactor = Redactor::new([" correct Horse battery-staple ".to_owned(), "73029184650218".to_owned()]);
        for text in
            ["correct\n  Horse\tbattery-\nstaple", "7302918\r\n4650218", "37 33 30 32 39 31 38 34 36 35 30 32 31 38"]
        {
            assert_eq!(redactor.text(&format!("key {text} is wrong")), "key *** is wrong");
        }
        let plain = "a correct answer: the Horse has a battery of 730291 to 4650218 staples";
        assert_eq!(redactor.text(plain), plain);
    }

    #[test]
    fn user_information_of_urls_in_a_text_is_not_shown() {
        let redactor = Redactor::default();
        assert_eq!(
            redactor.text(
                "proxy http://u:p@127.0.0.1:8080/x?to=http%3A%2F%2Fk%3A%40h and a@b.example, https://a.example/@b"
            ),
            "proxy http://***@127.0.0.1:8080/x?to=http%3A%2F%2F***%40h and a@b.example, https://a.example/@b"
        );
    }

    #[test]
    fn who_asks_is_not_shown_and_stays_in_links_and_other_variables_are_shown() {
        let redactor = Redactor::default();
        redactor.learn_identities(["client-7".to_owned(), "true".to_owned()]);
        redactor.confine(["api.example.com".to_owned()]);
        assert_eq!(redactor.text("true: client-7 at api.example.com"), "true: *** at api.example.com");
        assert!(!redactor.is_secret_pair("owner=client-7") && redactor.is_secret_pair("host=api.example.com"));
        assert!(redactor.knows("x-api.example.com"));
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
