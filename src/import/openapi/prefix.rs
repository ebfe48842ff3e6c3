//! The word before a credential in a header: `Token` of `Authorization: Token 0a1b…`.
//!
//! OpenAPI has no key for it, so that descriptions say it in words:
//!
//! ```text
//! Token-based authentication with required prefix "Token"      (Django REST framework)
//! Example: "Authorization: Bearer {token}"                     (ASP.NET)
//! x-token-prefix: JWT                                          (extensions)
//! ```

use serde_json::{Map, Value};

/// Words that are prefixes wherever a placeholder follows them.
const SCHEMES: [&str; 10] =
    ["bearer", "token", "jwt", "apikey", "api-key", "api_key", "key", "sso-key", "oauth", "apitoken"];

/// Words between `prefix` and the word itself: `prefixed with the word "Token"`.
const FILLERS: [&str; 16] = [
    "with", "by", "the", "word", "is", "of", "string", "keyword", "a", "an", "must", "be", "should", "required", "as",
    "scheme",
];

/// Words before `prefix` that deny it.
const DENIALS: [&str; 5] = ["no", "without", "not", "omit", "don't"];

/// Words between `prefix` and the quoted word that it is.
const FAR: usize = 8;

const LONGEST: usize = 40;

/// Returns the prefix that a security scheme describes for this header.
pub(super) fn prefix(scheme: &Map<String, Value>, header: &str) -> Option<String> {
    let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
    let of_text = |text: &str| of_text(text, header);
    let is_bearer = text("type") == "http";
    of_extensions(scheme)
        .or_else(|| of_text(text("description")))
        .or_else(|| of_text(text("bearerFormat")))
        // Beside the scheme `bearer`, the format is that of the token: many write `bearerFormat: token`.
        .or_else(|| fitting(text("bearerFormat")).filter(|word| !is_bearer && is_scheme(word)))
}

/// `x-prefix: Token`, `x-header: {prefix: "Token "}`.
fn of_extensions(scheme: &Map<String, Value>) -> Option<String> {
    let extensions = scheme.iter().filter(|(key, _)| key.starts_with("x-"));
    let mut texts = extensions.filter_map(|(key, value)| match value {
        Value::String(text) if key.contains("prefix") => Some(text),
        Value::Object(entries) => match entries.get("prefix") {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    });
    texts.find_map(|text| fitting(text))
}

/// Returns the scheme of the header `Authorization` as its prefix (RFC 9110, 11.1).
pub(super) fn token_of_http(scheme: &str) -> Option<String> {
    fitting(scheme)
}

fn of_text(text: &str, header: &str) -> Option<String> {
    let words = words(text);
    let is_authorization = header.eq_ignore_ascii_case("authorization");
    let named = || words.iter().find(|word| is_authorization && word.text.eq_ignore_ascii_case("bearer"));
    after_prefix(&words)
        .or_else(|| after_header(&words, header))
        .or_else(|| before_placeholder(&words))
        .or_else(|| named().filter(|_| !is_denied(&words)).and_then(|word| fitting(&word.text)))
}

/// A word of a text, and the signs around it.
struct Word {
    text: String,
    /// It follows a quote.
    is_quoted: bool,
    /// It is a placeholder: `<token>`, `{token}`.
    is_placeholder: bool,
    /// A colon ends it: `Authorization:`.
    is_label: bool,
}

/// Quotes of all kinds, and what Markdown has for them.
const QUOTES: [char; 9] = ['"', '\'', '`', '“', '”', '‘', '’', '«', '»'];

fn words(text: &str) -> Vec<Word> {
    let is_edge = |letter: char| QUOTES.contains(&letter) || ".,;()*=".contains(letter);
    text.split_whitespace()
        .map(|raw| {
            let unquoted = raw.trim_matches(is_edge);
            let text = unquoted.trim_end_matches(':').trim_matches(is_edge);
            Word {
                is_quoted: raw.trim_start_matches(['(', '*']).starts_with(QUOTES),
                is_placeholder: unquoted.starts_with(['<', '{', '[', '$']) || is_shouted(text),
                is_label: unquoted.ends_with(':'),
                text: text.to_owned(),
            }
        })
        .filter(|word| !word.text.is_empty())
        .collect()
}

/// `YOUR_API_KEY`, `your-token`.
fn is_shouted(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_yours = lower.starts_with("your") && lower.len() > "your".len();
    is_yours || text.contains('_') && text.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
}

/// `required prefix "Token"`, `prefixed with Token`, `the "Token" prefix`.
fn after_prefix(words: &[Word]) -> Option<String> {
    let at = words.iter().position(is_about_prefix)?;
    if is_denied(words) {
        return None;
    }
    let behind = words.get(at + 1..)?;
    let mut after = behind.iter().skip_while(|word| FILLERS.contains(&word.text.to_lowercase().as_str()));
    let fits = |word: &&Word| word.is_quoted || is_scheme(&word.text);
    let before = || at.checked_sub(1).and_then(|before| words.get(before));
    let found = after.next().filter(fits).or_else(|| before().filter(fits)).or_else(|| with_quoted(behind));
    found.and_then(|word| fitting(&word.text))
}

/// `prefix your key with "Key "`.
fn with_quoted(behind: &[Word]) -> Option<&Word> {
    let pairs = behind.get(..behind.len().min(FAR))?.windows(2);
    let mut found = pairs.filter_map(|pair| match pair {
        [with, word] if word.is_quoted && ["with", "by"].contains(&with.text.to_lowercase().as_str()) => Some(word),
        _ => None,
    });
    found.next()
}

fn is_about_prefix(word: &Word) -> bool {
    let lower = word.text.to_lowercase();
    ["prefix", "präfix", "préfixe", "prefijo", "prefisso", "prefixo"].iter().any(|prefix| lower.starts_with(prefix))
}

/// `without the Bearer prefix`, `no prefix`.
fn is_denied(words: &[Word]) -> bool {
    let about = |word: &Word| is_about_prefix(word) || word.text.eq_ignore_ascii_case("bearer");
    words.iter().enumerate().filter(|(_, word)| about(word)).any(|(at, _)| {
        let before = words.get(at.saturating_sub(3)..at).unwrap_or_default();
        before.iter().any(|word| DENIALS.contains(&word.text.to_lowercase().as_str()))
    })
}

/// `Authorization: Token 0a1b…`.
fn after_header(words: &[Word], header: &str) -> Option<String> {
    words.windows(3).find_map(|window| match window {
        [name, word, credential] if name.is_label && name.text.eq_ignore_ascii_case(header) => {
            let is_known = is_scheme(&word.text) || credential.is_placeholder;
            fitting(&word.text).filter(|_| is_known && !word.is_placeholder)
        }
        _ => None,
    })
}

/// `Bearer <token>`, `'JWT {token}'`.
fn before_placeholder(words: &[Word]) -> Option<String> {
    words.windows(2).find_map(|window| match window {
        [word, placeholder] => {
            let is_prefix = placeholder.is_placeholder && !word.is_label && !word.is_placeholder;
            fitting(&word.text).filter(|_| is_prefix && (word.is_quoted || is_scheme(&word.text)))
        }
        _ => None,
    })
}

fn is_scheme(word: &str) -> bool {
    SCHEMES.contains(&word.to_ascii_lowercase().as_str())
}

/// A token of HTTP (RFC 9110, 5.6.2) that is no reference of a config.
fn fitting(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches(':');
    let is_sign = |letter: char| "!#%&+-.^_~".contains(letter);
    let fits = text.chars().all(|letter| letter.is_ascii_alphanumeric() || is_sign(letter));
    (fits && !text.is_empty() && text.len() <= LONGEST).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_prefix_is_found_in_what_descriptions_say_of_it() {
        for (description, expected) in [
            ("Token-based authentication with required prefix \"Token\"", Some("Token")),
            ("Token-based authentication with required prefix \"Bearer \"", Some("Bearer")),
            ("Tokenbasierte Authentifizierung mit dem benötigten Präfix \"Token\"", Some("Token")),
            ("Token authentication: the key prefixed by the string 'Token ', e.g. \"Token 401f7ac8\"", Some("Token")),
            ("Enter only your token value (prefix \"Token \" will be added automatically)", Some("Token")),
            ("Use the `JWT` prefix.", Some("JWT")),
            (
                "JWT Authorization header using the Bearer scheme. Example: \"Authorization: Bearer {token}\"",
                Some("Bearer"),
            ),
            ("`Authorization: Token 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b`", Some("Token")),
            ("Authorization: Klaviyo-API-Key <key>", Some("Klaviyo-API-Key")),
            ("Value should be formatted: `Token <key>`", Some("Token")),
            ("Format: token <insert-token>", Some("token")),
            ("Please prefix your key with `Key `", Some("Key")),
            ("Apikey <key>", Some("Apikey")),
            ("Use the header as: Apikey <key>", Some("Apikey")),
            ("The key is prefixed with nothing; ask `support` for it", None),
            ("'GenieKey YOUR_API_KEY'", Some("GenieKey")),
            ("Bearer token, as from the login", Some("Bearer")),
            ("The key, without the Bearer prefix", None),
            ("Send the key with no prefix", None),
            ("Your API key. Get a token in the settings.", None),
            ("Enter <token>", None),
            ("Authorization: <token>", None),
            ("Authorization: the header", None),
            ("required prefix \"${HOME}\"", None),
            ("", None),
        ] {
            let scheme = json!({"type": "apiKey", "in": "header", "name": "Authorization", "description": description});
            let found = prefix(scheme.as_object().unwrap(), "Authorization");
            assert_eq!(found.as_deref(), expected, "{description}");
        }
    }

    #[test]
    fn extensions_and_formats_name_a_prefix_and_a_format_beside_bearer_is_the_tokens() {
        for (scheme, expected) in [
            (json!({"type": "apiKey", "x-token-prefix": "Token"}), Some("Token")),
            (json!({"type": "apiKey", "x-fern-header": {"name": "key", "prefix": "Token "}}), Some("Token")),
            (json!({"type": "apiKey", "bearerFormat": "Token"}), Some("Token")),
            (json!({"type": "http", "scheme": "bearer", "bearerFormat": "Token <key>"}), Some("Token")),
            (json!({"type": "http", "scheme": "bearer", "bearerFormat": "token"}), None),
            (json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}), None),
            (json!({"type": "apiKey", "x-prefix": 1}), None),
        ] {
            let found = prefix(scheme.as_object().unwrap(), "Authorization");
            assert_eq!(found.as_deref(), expected, "{scheme}");
        }
    }
}
