//! An answer that refuses a page after others have come: the end of the result set, or a limit of the API.

/// Words of limits: an API that has more gives no more of it in this way. They go before [`ENDS`], since losing records is
/// worse than failing.
const LIMITS: [&str; 18] = [
    "maximum",
    "max_",
    "max ",
    "window",
    "depth",
    "too deep",
    "deep pagination",
    "only the first",
    "limited to",
    "limit of",
    "too large",
    "too high",
    "must be less than",
    "less than or equal",
    "cannot exceed",
    "can not exceed",
    "not be greater than",
    "use cursor",
];

/// Words for a page that does not exist.
const ENDS: [&str; 22] = [
    "invalid page",
    "invalid_page",
    "page_number",
    "no such page",
    "page not found",
    "page does not exist",
    "page doesn't exist",
    "page is out of range",
    "page out of range",
    "out of range",
    "out of bounds",
    "that page contains no results",
    "contains no results",
    "no results",
    "no more",
    "beyond the",
    "last page",
    "number of pages",
    "does not exist",
    "doesn't exist",
    "there are only",
    "not satisfiable",
];

/// What the refusal of a page means that follows others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fetch) enum Refusal {
    /// The page does not exist: the sequence has ended.
    End,
    /// The API goes no further, and more may exist.
    Limit,
}

/// Returns what an answer with this status and text means; `None` if it is an error like any other.
pub(in crate::fetch) fn meaning(status: u16, text: &str) -> Option<Refusal> {
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match status {
        // Of a page of HTML, markup and scripts say nothing of the API.
        400 | 404 | 410 | 416 | 422 if !text.trim_start().starts_with('<') && has(&LIMITS) => Some(Refusal::Limit),
        404 | 410 | 416 => Some(Refusal::End),
        400 | 422 if has(&ENDS) => Some(Refusal::End),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_well_known_apis_mean_what_they_say() {
        for (status, text, expected) in [
            (404, r#"{"detail":"Invalid page."}"#, Some(Refusal::End)),
            (404, "", Some(Refusal::End)),
            (
                400,
                r#"{"code":"rest_post_invalid_page_number","message":"The page number requested is larger than the number of pages available."}"#,
                Some(Refusal::End),
            ),
            (
                416,
                r#"{"message":"Requested range not satisfiable","details":"An offset of 100 was requested, but there are only 95 rows."}"#,
                Some(Refusal::End),
            ),
            (
                400,
                r#"{"error":{"reason":"Result window is too large, from + size must be less than or equal to: [10000]"}}"#,
                Some(Refusal::Limit),
            ),
            (422, r#"{"message":"Only the first 1000 search results are available"}"#, Some(Refusal::Limit)),
            (400, r#"{"error":"Offset pagination has a maximum allowed offset of 50000"}"#, Some(Refusal::Limit)),
            (404, r#"{"error":"page depth exceeded"}"#, Some(Refusal::Limit)),
            (404, r#"<!doctype html><meta name="viewport" content="maximum-scale=1">"#, Some(Refusal::End)),
            (400, r#"{"error":"the parameter `fields` is unknown"}"#, None),
            (401, "", None),
            (403, "invalid page", None),
            (500, "invalid page", None),
        ] {
            assert_eq!(meaning(status, text), expected, "{status} {text}");
        }
    }
}
