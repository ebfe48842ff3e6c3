//! Hints to slips of the hand that leave a text which is no document of its format, or another one than it looks like.

use super::fields::Table;

/// Characters that begin an alias, an anchor or a tag in YAML, or are reserved.
const RESERVED: [char; 6] = ['*', '&', '!', '@', '`', '%'];

const TYPOGRAPHIC: [char; 8] = ['“', '”', '„', '‘', '’', '‚', '«', '»'];

/// Characters that look like a space, or like nothing.
const INVISIBLE: [char; 6] = ['\u{a0}', '\u{2007}', '\u{202f}', '\u{3000}', '\u{200b}', '\u{feff}'];

/// A hint to a comment in another language.
pub const COMMENTS: &str = "comments begin with `#`, also in a .json file";

/// Returns a hint to the place where a parser of YAML or JSON gave up.
pub fn of_syntax(text: &str, at: usize, message: &str) -> Option<String> {
    let (before, rest) = text.split_at_checked(at)?;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line_start..)?.lines().next().unwrap_or_default();
    let previous = text.get(..line_start)?.lines().next_back().unwrap_or_default();
    if message.contains("multiple YAML documents") {
        return Some(
            "a config is one document: `---` begins another one, which belongs into a file of its own".to_owned(),
        );
    }
    if let Some(first) = rest.chars().next().filter(|first| RESERVED.contains(first)) {
        return Some(format!("a text that begins with `{first}` needs quotes"));
    }
    if let Some(key) = [line, previous].iter().find_map(|line| glued(line)) {
        return Some(format!("a space is missing after `{key}:`"));
    }
    let is_braced = value_of(line).starts_with('{') && line.contains('}') && !line.trim_end().ends_with('}');
    if is_braced {
        return Some("a text that begins with `{` needs quotes".to_owned());
    }
    let is_comment = |line: &&str| line.trim_start().starts_with("//") || line.contains(" // ");
    if [line, previous].iter().any(is_comment) {
        return Some(COMMENTS.to_owned());
    }
    typographic(line).or_else(|| invisible(line))
}

/// Returns the text after the key of a line, or after the mark of an item.
fn value_of(line: &str) -> &str {
    let line = line.trim_start().trim_start_matches("- ");
    line.split_once(": ").map_or(line, |(_, value)| value).trim_start()
}

/// The key of `key:value`, which is a text and no key.
fn glued(line: &str) -> Option<&str> {
    let (key, value) = line.trim_start().trim_start_matches("- ").split_once(':')?;
    let is_name = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // `https://…` is no key.
    (is_name && !value.is_empty() && !value.starts_with([' ', '\t', '/'])).then_some(key)
}

/// Returns a hint if a text that should be an object begins with a key of the table and has no space after the colon.
pub fn glued_key(text: &str, table: &Table) -> Option<String> {
    let key = glued(text).filter(|key| table.field(key).is_some())?;
    Some(format!("a space is missing after `{key}:`"))
}

/// Returns a hint to quotes that quote nothing.
pub fn typographic(text: &str) -> Option<String> {
    let quote = text.chars().find(|letter| TYPOGRAPHIC.contains(letter))?;
    Some(format!("`{quote}` is a letter like others and quotes nothing: write `\"`"))
}

/// Returns a hint to what looks like a space and is none.
pub fn invisible(text: &str) -> Option<String> {
    let letter = text.chars().find(|letter| INVISIBLE.contains(letter))?;
    let code = u32::from(letter);
    Some(format!("there is a U+{code:04X} in it, which only looks like a space or like nothing: replace it"))
}

/// Returns what is odd about the text of a credential at this path, which itself is not shown.
pub fn of_credential(text: &str, path: &str, is_filled: bool) -> Option<&'static str> {
    if path.ends_with(".token") && text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        return Some("it begins with `Bearer `, which `type: bearer` sends before it: leave the word out");
    }
    if is_filled {
        return None;
    }
    let is_name = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    if text.strip_prefix('$').is_some_and(is_name) {
        return Some("it is sent as it is written, with the `$`: a variable is written `${NAME}`");
    }
    let is_within = |open: &str, close: &str| text.starts_with(open) && text.ends_with(close);
    if is_within("{{", "}}") || is_within("%", "%") && is_name(text.trim_matches('%')) {
        return Some("it is sent as it is written: a variable is written `${NAME}`");
    }
    is_within("<", ">").then_some("it looks like a place that is to be filled in")
}

/// Returns a hint to a text that is a file of another format.
pub fn other_format(text: &str) -> Option<&'static str> {
    let line = text.trim_start();
    let is_pair = line.split_once('=').is_some_and(|(key, _)| glued(&format!("{}:x", key.trim())).is_some());
    (is_pair || line.starts_with('[')).then_some("it looks like TOML: name the file .toml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fields::ROOT;

    #[test]
    fn a_slip_is_told_at_the_place_where_the_parser_gave_up() {
        for (text, at, hint) in [
            ("a: *.items", 3, "a text that begins with `*` needs quotes"),
            ("client:\n  base_url:https://x\n  timeout: 5s", 31, "a space is missing after `base_url:`"),
            ("path: {id}/x", 10, "a text that begins with `{` needs quotes"),
            ("{\n  // no\n  \"a\": 1}", 4, "comments begin with `#`, also in a .json file"),
            ("a: [“x”, “y]", 8, "`“` is a letter like others and quotes nothing: write `\"`"),
        ] {
            assert_eq!(of_syntax(text, at, "").as_deref(), Some(hint), "{text}");
        }
        assert_eq!(of_syntax("{\n  \"a\": 1\n", 0, ""), None);
        assert_eq!(of_syntax("url: https://x.y/z\nb: [", 21, ""), None);
    }

    #[test]
    fn a_key_of_the_table_without_a_space_is_told() {
        assert_eq!(glued_key("name:x", &ROOT).as_deref(), Some("a space is missing after `name:`"));
        assert_eq!(glued_key("other:x", &ROOT), None);
    }

    #[test]
    fn a_credential_that_was_not_filled_in_is_told_and_others_are_not() {
        for text in ["$API_TOKEN", "{{ token }}", "%API_TOKEN%", "<your token>"] {
            assert!(of_credential(text, "client.auth.password", false).is_some(), "{text}");
        }
        assert!(of_credential("Bearer abc", "client.auth.token", true).is_some());
        for text in ["$2a$10$abc", "abc", "%41bc%", "{x}", "p<w>"] {
            assert_eq!(of_credential(text, "client.auth.token", false), None, "{text}");
        }
    }
}
