//! Texts that are too long to be shown whole.

/// The first `most` characters of a text, with an ellipsis in place of the last of them where more are left out.
///
/// A text that may hold secrets is stripped of them first. Where that is for others to do, they recognise by the ellipsis that
/// a secret may be cut in two.
///
/// ```
/// use restlake::secret::shortened;
/// assert_eq!((shortened("abcde", 4), shortened("abcd", 4)), ("abc…".to_owned(), "abcd".to_owned()));
/// ```
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}
