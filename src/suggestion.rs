//! Hints to a name that was misspelt: the nearest of the names that there are.

use std::collections::BTreeSet;

use crate::json::{Kind, Node};

/// Likeness from which on a name is taken for the one that was meant.
const LIKELY: f64 = 0.8;

/// Names that are listed where none of them is near.
const LISTED: usize = 20;

/// Fields that are kept: with so many, others may be there too.
pub const MOST_FIELDS: usize = 1_000;

/// How deep fields are looked for.
const DEPTH: usize = 4;

/// Returns the known name nearest to what was written, if it is near: for "did you mean".
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let scored = known.into_iter().map(|word| (likeness(&lower, &word.to_lowercase()), word));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= LIKELY).then_some(best.1)
}

/// From 0 to 1. One slip of a short word, `ulr` for `url`, outweighs how little of it Jaro and Winkler find in place.
fn likeness(written: &str, known: &str) -> f64 {
    // The distance is slow; a large difference in length rules out one slip.
    let is_slip =
        written.len() > 2 && written.len().abs_diff(known.len()) <= 4 && strsim::osa_distance(written, known) == 1;
    if is_slip { 0.95_f64.max(strsim::jaro_winkler(written, known)) } else { strsim::jaro_winkler(written, known) }
}

/// "did you mean `x`?", or the list of what there is.
pub fn suggestion<'a>(written: &str, known: impl IntoIterator<Item = &'a str> + Clone, what: &str) -> String {
    if let Some(word) = nearest(written, known.clone()) {
        return format!("did you mean `{word}`?");
    }
    let mut known = known.into_iter();
    let words: Vec<_> = known.by_ref().take(LISTED).map(|word| format!("`{word}`")).collect();
    let more = if known.next().is_some() { ", …" } else { "" };
    if words.is_empty() { format!("there are no {what}") } else { format!("{what}: {}{more}", words.join(", ")) }
}

/// Adds the dotted paths of the fields that a record has.
pub fn add_fields(record: Node<'_>, fields: &mut BTreeSet<String>) {
    add(record, "", DEPTH, fields);
}

fn add(value: Node<'_>, path: &str, depth: usize, fields: &mut BTreeSet<String>) {
    for (key, value) in value.fields() {
        if fields.len() >= MOST_FIELDS {
            return;
        }
        let Ok(key) = key.text() else { continue };
        let path = if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") };
        if depth > 1 {
            add(value, &path, depth - 1, fields);
        }
        fields.insert(path);
    }
}

/// A hint to the field that was meant by a dotted path such as `steps[2].position`; `None` if the record has the field, or at
/// least the list in which it is.
pub fn missing_field(path: &str, record: Node<'_>) -> Option<String> {
    if record.kind() != Kind::Object {
        return None;
    }
    let path = path.split('[').next().filter(|path| !path.is_empty())?;
    let mut fields = BTreeSet::new();
    add_fields(record, &mut fields);
    if fields.contains(path) || fields.len() >= MOST_FIELDS {
        return None;
    }
    let near = nearest(path, fields.iter().map(String::as_str));
    // What is listed is not all that is in the depth of a record.
    let top = || suggestion(path, fields.iter().map(String::as_str).filter(|field| !field.contains('.')), "fields");
    Some(near.map_or_else(top, |near| format!("did you mean `{near}`?")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        assert_eq!(nearest("paginater", ["path", "paginator"]), Some("paginator"));
        assert_eq!(nearest("Primary_Key", ["primary_key"]), Some("primary_key"));
        assert_eq!(nearest("ulr", ["options", "url", "retain"]), Some("url"));
        assert_eq!(nearest("xyz", ["path", "paginator"]), None);
        assert_eq!(suggestion("xyz", ["a", "b"], "columns"), "columns: `a`, `b`");
        assert_eq!(suggestion("xyz", [], "columns"), "there are no columns");
    }

    #[test]
    fn a_missing_field_is_told_with_the_nearest_or_with_the_fields_of_the_record() {
        let hint = |path: &str, record: &str| missing_field(path, Document::parse(record.into()).unwrap().root());
        let record = r#"{"id": 1, "user": {"name": "x", "created_at": null}}"#;
        for (path, wanted) in [
            ("id", None),
            ("user.created_at", None),
            ("user[0].x", None),
            ("ID", Some("did you mean `id`?")),
            ("user.createdAt", Some("did you mean `user.created_at`?")),
            ("zzz", Some("fields: `id`, `user`")),
        ] {
            assert_eq!(hint(path, record).as_deref(), wanted, "{path}");
        }
        assert_eq!(hint("a", "{}").as_deref(), Some("there are no fields"));
        assert_eq!(hint("a", "1"), None);
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let names: Vec<String> = (0..30).map(|number| format!("name_{number}")).collect();
        let hint = suggestion("x", names.iter().map(String::as_str), "columns");
        assert!(hint.ends_with("`name_19`, …"), "{hint}");
    }
}
