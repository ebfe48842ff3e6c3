//! Names of columns without a declared name: the name of the field, or the name that dlt would give it.
//!
//! A name that no column can have is changed as little as it takes; the column's source keeps the field's own.

use serde::{Deserialize, Serialize};

/// The naming convention from fields to columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// As in the API.
    #[default]
    Direct,
    /// dlt's `snake_case`.
    SnakeCase,
}

impl Naming {
    /// The name of the column for a field. An underscore replaces characters that `is_allowed` rejects.
    pub fn column(self, field: &str, is_allowed: impl Fn(char) -> bool) -> String {
        let name = match self {
            Self::Direct => field.to_owned(),
            Self::SnakeCase => snake_case(field.trim()),
        };
        let keep = |letter: char| if letter.is_control() || !is_allowed(letter) { '_' } else { letter };
        let name: String = name.chars().map(keep).collect();
        if name.is_empty() { "_".to_owned() } else { name }
    }
}

/// dlt 1.31's convention `snake_case`, step by step.
fn snake_case(field: &str) -> String {
    let reduced = reduced(field);
    let broken = break_before_lower(&break_before_words(&reduced)).to_ascii_lowercase();
    let prefix = if broken.starts_with(|letter: char| letter.is_ascii_digit()) { "_" } else { "" };
    let stem = broken.trim_end_matches('_');
    let ending = "x".repeat(broken.len() - stem.len());
    one_underscore(&format!("{prefix}{stem}{ending}"))
}

/// Reduces a name to ASCII letters, digits and underscores. Some characters map to a letter, runs of others to an underscore.
fn reduced(field: &str) -> String {
    let mut reduced = String::with_capacity(field.len());
    let mut in_run = false;
    for letter in field.chars() {
        let kept = match letter {
            '+' | '*' => 'x',
            '-' => '_',
            '@' => 'a',
            '|' => 'l',
            letter if letter.is_ascii_alphanumeric() || letter == '_' => letter,
            _ if in_run => continue,
            _ => {
                in_run = true;
                reduced.push('_');
                continue;
            }
        };
        in_run = false;
        reduced.push(kept);
    }
    reduced
}

/// `XMLFile` → `XML_File`: a break where a capital and small letters follow a letter, which is not part of another break.
fn break_before_words(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let is_small = |at: usize| letters.get(at).is_some_and(char::is_ascii_lowercase);
    let mut broken = String::with_capacity(name.len() + 4);
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        broken.push(letter);
        at += 1;
        let Some(capital) = letters.get(at).filter(|capital| capital.is_ascii_uppercase()) else { continue };
        if letter == '_' || !is_small(at + 1) {
            continue;
        }
        broken.extend(['_', *capital]);
        at += 1;
        while is_small(at) {
            broken.extend(letters.get(at));
            at += 1;
        }
    }
    broken
}

/// `userID` → `user_ID`: a break where a capital follows a small letter or a digit.
fn break_before_lower(name: &str) -> String {
    let mut broken = String::with_capacity(name.len() + 4);
    let mut before = '_';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            broken.push('_');
        }
        broken.push(letter);
        before = letter;
    }
    broken
}

/// Replaces `__`, which dlt uses between a parent and its child.
fn one_underscore(name: &str) -> String {
    let mut single = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter != '_' || !single.ends_with('_') {
            single.push(letter);
        }
    }
    single
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_get_the_names_that_dlt_gives_them() {
        for (field, name) in [
            ("id", "id"),
            ("createdAt", "created_at"),
            ("CreatedAt", "created_at"),
            ("XMLFile", "xml_file"),
            ("userID", "user_id"),
            ("IDs", "i_ds"),
            ("HTTPSConnection2Host", "https_connection2_host"),
            ("aBcDe", "a_bc_de"),
            ("Start date", "start_date"),
            ("  padded ", "padded"),
            ("total (EUR)", "total_eurx"),
            ("a--b", "a_b"),
            ("a+b*c@d|e", "axbxcadle"),
            ("2fa", "_2fa"),
            ("trailing_", "trailingx"),
            ("trailing__", "trailingxx"),
            ("__dunder__", "_dunderxx"),
            ("a__b", "a_b"),
            ("größe", "gr_e"),
            ("...", "x"),
            ("@type", "atype"),
            ("_ID", "_id"),
        ] {
            assert_eq!(Naming::SnakeCase.column(field, |_| true), name, "{field}");
        }
    }

    #[test]
    fn a_direct_name_is_the_fields_own_but_for_what_no_name_can_have() {
        for (field, name) in [("createdAt", "createdAt"), ("a b/c", "a b/c"), ("", "_"), ("a\nb", "a_b")] {
            assert_eq!(Naming::Direct.column(field, |_| true), name, "{field:?}");
        }
        assert_eq!(Naming::Direct.column("a b(c)", |letter| !" ()".contains(letter)), "a_b_c_");
        assert_eq!(Naming::SnakeCase.column("", |_| true), "_");
    }
}
