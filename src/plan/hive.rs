//! Escaping of keys and values in the names of Hive partition directories, as in Spark's `ExternalCatalogUtils.escapePathName` does.

use std::fmt::Write;

/// Appends a key or a value with what no name of a directory may hold as `%` and two upper-case hexadecimal digits. Only ASCII is
/// ever escaped.
pub fn escape(text: &str, name: &mut String) {
    for c in text.chars() {
        if needs_escape(c) { escape_char(c, name) } else { name.push(c) }
    }
}

/// Spark's set. Spark leaves NUL alone, which no file name can hold: it is escaped here with the other control characters.
fn needs_escape(c: char) -> bool {
    c.is_ascii_control() || r##""#%'*/:=?\{[]^"##.contains(c)
}

pub fn escape_char(c: char, name: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(name, "%{:02X}", u32::from(c));
}
