//! Hides literal secrets in a config's text before a diagnostic shows lines of it.
//!
//! Byte lengths stay, so that places in the text still hold. Variables (`${NAME}`) are no secrets and stay readable; their
//! defaults may be secrets.

use crate::{config::is_reference, secret::is_secret_name};

/// The text with every plain value of a secret-sounding key made of `*`, in YAML, TOML and JSON alike.
pub fn secrets(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(separator) = rest.find([':', '=']) {
        let (before, after) = rest.split_at(separator + 1);
        shown.push_str(before);
        rest = after;
        if is_secret_name(key(before)) {
            let (masked, unread) = value(after);
            shown.push_str(&masked);
            rest = unread;
        }
    }
    shown + rest
}

/// The word before a separator: `api_key` of `{name: a, "api_key":`.
fn key(before: &str) -> &str {
    let word = before.trim_end_matches([':', '=']).trim_end();
    let word = word.trim_end_matches(['"', '\'']);
    word.rsplit([' ', '\t', '{', '[', ',', '"', '\'', ':', '=', '.']).next().unwrap_or_default()
}

/// The value after a separator, masked, and what follows it.
fn value(after: &str) -> (String, &str) {
    let start = after.len() - after.trim_start_matches([' ', '\t']).len();
    let (blank, text) = after.split_at(start);
    let (quote, inner) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text.split_at(quote.len_utf8()),
        _ => ("", text),
    };
    let end = match quote {
        "" => plain_end(inner),
        quote => closing(inner, quote),
    };
    let (secret, unread) = inner.split_at(end);
    let is_plain = !is_reference(secret.trim_end()) && !secret.starts_with(['{', '[']);
    let secret = if is_plain { "*".repeat(secret.len()) } else { secret.to_owned() };
    (format!("{blank}{quote}{secret}"), unread)
}

/// Where a text without quotes ends; the brace behind `${NAME` does not end it.
fn plain_end(inner: &str) -> usize {
    let mut is_in_reference = false;
    let ends = |(at, c): &(usize, char)| {
        match c {
            '{' => is_in_reference |= inner.get(..*at).is_some_and(|text| text.ends_with('$')),
            '}' if is_in_reference => is_in_reference = false,
            ',' | '}' | ']' | '#' => return !is_in_reference,
            '\n' | '\r' => return true,
            _ => {}
        }
        false
    };
    inner.char_indices().find(ends).map_or(inner.len(), |(at, _)| at)
}

/// Where a quoted text ends; a quote behind a backslash does not end it.
fn closing(inner: &str, quote: &str) -> usize {
    let ends = |(at, _): &(usize, &str)| !inner.get(..*at).is_some_and(|text| text.ends_with('\\'));
    inner.match_indices(quote).find(ends).map_or(inner.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_secrets_disappear_in_every_format_and_lengths_stay() {
        for (text, shown) in [
            ("  api_key: hunter2\n", "  api_key: *******\n"),
            (
                "auth: {type: api_key, api_key: \"hun,ter\", location: query}",
                "auth: {type: api_key, api_key: \"*******\", location: query}",
            ),
            ("{\"token\":\"a\\\"b\",\"name\":\"x\"}", "{\"token\":\"****\",\"name\":\"x\"}"),
            ("secret_access_key = 'abc' # mine", "secret_access_key = '***' # mine"),
            ("options.password = \"käse\"", "options.password = \"*****\""),
            ("{token: ${TOKEN:-hunter2}, a: b}", "{token: *****************, a: b}"),
            ("token: \"prefix-${TOKEN}\"", "token: \"***************\""),
            ("headers: {Authorization: Bearer abc}", "headers: {Authorization: **********}"),
        ] {
            assert_eq!(secrets(text), shown);
            assert_eq!(secrets(text).len(), text.len());
        }
    }

    #[test]
    fn variables_structures_and_other_keys_stay_readable() {
        for text in [
            "api_key: \"${API_KEY}\"\nname: api_key\n",
            "auth: {token: ${TOKEN}, type: bearer}\ntoken: ${file:a/b} # mine\n",
            "auth: {type: api_key, name: key, location: query}\n",
            "primary_key: id\nbase_url: https://api.example.com\n",
            "auth:\n  type: bearer\n",
            "a = 1\r\nb: [x, y]\n",
        ] {
            assert_eq!(secrets(text), text);
        }
    }

    #[test]
    fn every_text_keeps_its_length_and_its_lines() {
        for text in ["", ":", "token", "token:", "token: \"", "token: '\\", "token=\u{1F600}\ntoken", "sig::::=x"] {
            let shown = secrets(text);
            assert_eq!((shown.len(), shown.lines().count()), (text.len(), text.lines().count()), "{text}");
        }
    }
}
