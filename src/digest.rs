//! SHA-256 as it stands in commits, footers and checkpoints: lower-case hex.

use std::fmt::Write;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// Bytes of a digest that are kept where there are many of them: among millions, two never share them.
const KEY: usize = 12;

/// The digest of some bytes: 32 of them.
pub fn sha256_bytes(content: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, content).as_ref().to_vec()
}

/// The digest of some bytes: 64 digits.
pub fn sha256(content: &[u8]) -> String {
    sha256_bytes(content).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A digest of 16 letters, for what is told apart by the thousands.
pub fn key(content: &[u8]) -> String {
    STANDARD_NO_PAD.encode(sha256_bytes(content).get(..KEY).unwrap_or_default())
}

/// Whether a file's content is what its commit says. Files that other programs added to a Delta table have no digest there:
/// nothing contradicts them.
pub fn is_as_committed(content: &[u8], sha256: &str) -> bool {
    sha256.is_empty() || self::sha256(content) == sha256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_one_that_everybody_knows() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn content_without_a_digest_is_not_contradicted_and_any_other_must_agree() {
        assert!(is_as_committed(b"x", "") && is_as_committed(b"x", &sha256(b"x")));
        assert!(!is_as_committed(b"x", &sha256(b"y")));
    }
}
