//! The ways in which servers, proxies and logs write a secret, and a search for all of them.

use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::form_urlencoded;

/// A secret, written in one way.
#[derive(Clone, Debug)]
pub struct Spelling {
    pub name: &'static str,
    pub text: String,
    /// The part of the text that the secret alone decides.
    own: std::ops::Range<usize>,
}

pub fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub fn form(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn component(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn hex(text: &str, between: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
}

fn html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&#39;").replace('é', "&eacute;").replace('ü', "&uuml;")
}

fn letters(text: &str, write: impl Fn(char) -> String) -> String {
    text.chars().map(write).collect()
}

fn bytes(text: &str, write: impl Fn(u8) -> String) -> String {
    text.bytes().map(write).collect()
}

fn unicode(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Lines as MIME and PEM have them.
fn wrapped(text: &str, width: usize, newline: &str) -> String {
    text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join(newline)
}

/// Octal escapes of shells and of C.
fn octal(text: &str) -> String {
    bytes(text, |byte| format!("\\{byte:03o}"))
}

fn quoted_printable(text: &str) -> String {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    bytes(text, |byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("={byte:02X}") })
}

/// Where in base64 of `before`, the value and more the value's own letters are.
fn own_base64(before: usize, length: usize) -> std::ops::Range<usize> {
    (before * 8).div_ceil(6)..(before + length) * 8 / 6
}

/// The secret by itself, in each way.
#[rustfmt::skip]
pub fn alone(value: &str) -> Vec<Spelling> {
    let encoded = BASE64_STANDARD.encode(value);
    let all = [
        ("plain", value.to_owned()),
        ("upper case", value.to_uppercase()),
        ("lower case", value.to_lowercase()),
        ("percent", percent(value)),
        ("percent in lower case", percent(value).to_lowercase()),
        ("percent twice", percent(&percent(value))),
        ("component", component(value)),
        ("component in lower case", component(value).to_lowercase()),
        ("component twice", component(&component(value))),
        ("form", form(value)),
        ("form in lower case", form(value).to_lowercase()),
        ("form twice", form(&form(value))),
        ("form of JSON", form(&in_json(value))),
        ("JSON", in_json(value)),
        ("JSON in JSON", in_json(&in_json(value))),
        ("JSON with slashes", in_json(value).replace('/', "\\/")),
        ("JSON of HTML", in_json(&html(value))),
        ("\\u", unicode(value)),
        ("\\u in upper case", unicode(value).to_uppercase().replace("\\U", "\\u")),
        ("\\U", unicode(value).to_uppercase()),
        ("\\u in JSON", in_json(&unicode(value))),
        ("\\u{}", value.escape_unicode().to_string()),
        ("debug", value.escape_debug().to_string()),
        ("debug of debug", value.escape_debug().to_string().escape_debug().to_string()),
        ("quoted in upper case", value.to_uppercase().replace('\\', "\\\\").replace('\'', "\\'")),
        ("\\x", bytes(value, |byte| format!("\\x{byte:02x}"))),
        ("octal", octal(value)),
        ("quoted printable", quoted_printable(value)),
        ("HTML", html(value)),
        ("HTML twice", html(&html(value))),
        ("entities", letters(value, |letter| format!("&#{};", u32::from(letter)))),
        ("entities with zeros", letters(value, |letter| format!("&#{:07};", u32::from(letter)))),
        ("entities in hex", letters(value, |letter| format!("&#x{:x};", u32::from(letter)))),
        ("entities in HEX", letters(value, |letter| format!("&#X{:04X};", u32::from(letter)))),
        ("entities without an end", letters(value, |letter| format!("&#{}", u32::from(letter)))),
        ("hex", hex(value, "")),
        ("hex in upper case", hex(value, "").to_uppercase()),
        ("hex with colons", hex(value, ":")),
        ("hex with spaces", hex(value, " ").to_uppercase()),
        ("bytes", value.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ")),
        ("Latin-1", value.bytes().map(char::from).collect()),
        ("base64", encoded.clone()),
        ("base64 without padding", BASE64_STANDARD_NO_PAD.encode(value)),
        ("base64 of URLs", BASE64_URL_SAFE.encode(value)),
        ("base64 of URLs without padding", BASE64_URL_SAFE_NO_PAD.encode(value)),
        ("base64 in a form", form(&encoded)),
        ("base64 in lines", wrapped(&encoded, 20, "\n")),
        ("base64 in lines of JSON", wrapped(&encoded, 20, "\\r\\n")),
        ("base64 twice", BASE64_STANDARD.encode(&encoded)),
        ("base64 of JSON", BASE64_STANDARD.encode(in_json(value))),
        ("base64 of a form", BASE64_URL_SAFE.encode(form(value))),
    ];
    let spelled = |(name, text): (&'static str, String)| Spelling { name, own: 0..text.len(), text };
    all.into_iter().map(spelled).collect()
}

/// The secret with other text: as servers quote a request, and in base64 in each of its alignments.
pub fn mixed(value: &str) -> Vec<Spelling> {
    let quoted = [
        ("with a scheme", "Bearer ", value.to_owned(), ""),
        ("in quotes", "\"", value.escape_debug().to_string(), "\""),
        ("user of a URL", "https://u:", component(value), "@example.com/"),
        ("in a query", "/v1/rows?page=2&k=", form(value), "&to=1"),
    ];
    let quoted = quoted.map(|(name, before, text, after)| Spelling {
        name,
        own: before.len()..before.len() + text.len(),
        text: format!("{before}{text}{after}"),
    });
    let around =
        [("", ":"), (":", ""), ("u:", ""), ("id:", ""), ("Bearer ", ""), ("{\"key\":\"", "\"}"), ("a=b&k=", "&c=d")];
    let spelled = |(before, after): (&str, &str)| {
        let (text, own) = (format!("{before}{value}{after}"), own_base64(before.len(), value.len()));
        let of = move |text: String| Spelling { name: "base64 with more", text, own: own.clone() };
        [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)].map(of)
    };
    quoted.into_iter().chain(around.into_iter().flat_map(spelled)).collect()
}

pub fn all(value: &str) -> Vec<Spelling> {
    [alone(value), mixed(value)].concat()
}

/// The letters of a secret that a text may show: so many are no use to anybody.
const LETTERS: usize = 8;

/// Finds parts of secrets.
pub struct Finder {
    automaton: AhoCorasick,
    parts: Vec<String>,
}

impl Finder {
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut parts: Vec<String> = values.into_iter().flat_map(parts_of).collect();
        parts.sort_unstable();
        parts.dedup();
        let automaton = AhoCorasick::builder().build(&parts).unwrap();
        Self { automaton, parts }
    }

    /// A part of a secret in a text, if there is one.
    pub fn find(&self, text: &str) -> Option<&str> {
        // Where a text is wrapped for a terminal, its words are apart.
        let found = self.automaton.find(&text.to_lowercase())?;
        Some(&self.parts[found.pattern().as_usize()])
    }
}

/// As many letters of each spelling as [`LETTERS`] of the secret have there, from anywhere in it.
fn parts_of(value: &str) -> Vec<String> {
    let count = value.chars().count();
    let windows = all(value).into_iter().flat_map(|spelled| {
        let own: Vec<char> = spelled.text[spelled.own].to_lowercase().chars().collect();
        let length = (own.len() * LETTERS.min(count)).div_ceil(count).clamp(1, own.len());
        let windows = own.windows(length).step_by((length / 3).max(1));
        windows.map(|window| window.iter().collect::<String>()).collect::<Vec<_>>()
    });
    // Four letters are met by chance, and so are zeros with nothing between them.
    windows.filter(|part| part.len() >= 4 && part.trim_matches(['=', ' ']).len() >= 4).collect()
}
