//! Names of Hive partition directories: `key=value`, escaped as Spark's `ExternalCatalogUtils.escapePathName` escapes.
//!
//! Invariant: a name is one path segment, never `.` or `..`, and every reader decodes it to the key and value it was made of.

use crate::plan::hive::{escape, escape_char};

/// Directory name of a null.
pub(super) const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The longest name that local file systems take, in bytes.
const MAX_NAME: usize = 255;

/// The reason why a value has no directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameError {
    /// An empty text, which readers take for a null.
    Empty,
    /// The text reserved for nulls.
    Reserved,
    /// The length of the escaped name, in bytes.
    TooLong(usize),
}

/// The name of the directory for `value`; `None` is null.
pub(super) fn directory(key: &str, value: Option<&str>) -> Result<String, NameError> {
    let mut name = String::with_capacity(key.len() + value.map_or(NULL_VALUE.len(), str::len) + 1);
    escape(key, &mut name);
    name.push('=');
    match value {
        None => name.push_str(NULL_VALUE),
        Some("") => return Err(NameError::Empty),
        Some(NULL_VALUE) => return Err(NameError::Reserved),
        Some(value) => escape_value(value, &mut name),
    }
    if name.len() > MAX_NAME { Err(NameError::TooLong(name.len())) } else { Ok(name) }
}

/// DuckDB reads the text `NULL`, in any case, as a null; with its first letter escaped it is a text everywhere.
fn escape_value(value: &str, name: &mut String) {
    match value.chars().next() {
        Some(first) if value.eq_ignore_ascii_case("null") => {
            escape_char(first, name);
            escape(&value[first.len_utf8()..], name);
        }
        _ => escape(value, name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes a name like Spark, DuckDB, pyarrow and Polars.
    fn decode(name: &str) -> (String, Option<String>) {
        let (key, value) = name.split_once('=').unwrap();
        let plain = |text: &str| {
            let mut bytes = Vec::new();
            let mut rest = text.as_bytes();
            while let Some((&first, tail)) = rest.split_first() {
                let code =
                    (first == b'%').then(|| u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
                bytes.push(code.unwrap_or(first));
                rest = if code.is_some() { &tail[2..] } else { tail };
            }
            String::from_utf8(bytes).unwrap()
        };
        (plain(key), (value != NULL_VALUE).then(|| plain(value)))
    }

    #[test]
    fn values_are_escaped_as_spark_escapes_them() {
        let name = |value| directory("k", Some(value)).unwrap();
        assert_eq!(name("a:b c/d"), "k=a%3Ab c%2Fd");
        assert_eq!(name("100%"), "k=100%25");
        assert_eq!(name("\"#%'*/:=?\\{[]^"), "k=%22%23%25%27%2A%2F%3A%3D%3F%5C%7B%5B%5D%5E");
        assert_eq!(name("\u{1}\t\n\u{1f}\u{7f}"), "k=%01%09%0A%1F%7F");
        assert_eq!(name("} <>|~`&;,+@$!()äß漢"), "k=} <>|~`&;,+@$!()äß漢");
        assert_eq!(name("a\0b"), "k=a%00b");
    }

    #[test]
    fn keys_are_escaped_too() {
        assert_eq!(directory("a=b/c", Some("x")).unwrap(), "a%3Db%2Fc=x");
    }

    #[test]
    fn the_text_null_is_kept_apart_from_a_null() {
        let name = |value| directory("k", value).unwrap();
        assert_eq!(name(None), "k=__HIVE_DEFAULT_PARTITION__");
        assert_eq!([name(Some("NULL")), name(Some("null")), name(Some("Null"))], ["k=%4EULL", "k=%6Eull", "k=%4Eull"]);
        assert_eq!(name(Some("NULLS")), "k=NULLS");
    }

    #[test]
    fn values_without_a_directory_of_their_own_are_told() {
        assert_eq!(directory("k", Some("")), Err(NameError::Empty));
        assert_eq!(directory("k", Some("__HIVE_DEFAULT_PARTITION__")), Err(NameError::Reserved));
        assert!(directory("k", Some(&"a".repeat(253))).is_ok());
        assert_eq!(directory("k", Some(&"a".repeat(254))), Err(NameError::TooLong(256)));
        // What counts is the escaped name.
        assert_eq!(directory("k", Some(&":".repeat(100))), Err(NameError::TooLong(302)));
    }

    #[test]
    fn dots_do_not_lead_out_of_the_table() {
        assert_eq!(directory("k", Some("..")).unwrap(), "k=..");
        assert_eq!(directory("k", Some("../../x")).unwrap(), "k=..%2F..%2Fx");
    }

    proptest! {
        #[test]
        fn every_value_comes_back_from_its_directory(key in "[\\PC]{1,8}", value in prop::option::of(".{0,40}")) {
            match directory(&key, value.as_deref()) {
                Ok(name) => {
                    prop_assert_eq!(decode(&name), (key, value));
                    prop_assert!(name != "." && name != ".." && !name.contains(['/', '\\', '\0']));
                    // One segment, and one that the store takes as it is.
                    let path = object_store::path::Path::parse(&name).unwrap();
                    prop_assert_eq!(path.as_ref(), name.as_str());
                    prop_assert_eq!(path.parts().count(), 1);
                }
                Err(NameError::Empty) => prop_assert_eq!(value.as_deref(), Some("")),
                Err(NameError::Reserved) => prop_assert_eq!(value.as_deref(), Some(NULL_VALUE)),
                Err(NameError::TooLong(length)) => prop_assert!(length > 255),
            }
        }
    }
}
