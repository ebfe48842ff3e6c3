//! What an answer says about itself and about the pages after it: headers, and the fields around the records.
//!
//! ```text
//! Link: </?p=2>; rel="next"        headers, one a line; a line that is no header is left out
//! Retry-After: 120
//!                                  an empty line
//! {"total": 3, "items": [{}]}      the body, if there is one
//! ```
//!
//! | compared | with | where |
//! |---|---|---|
//! | `Link` | the same links written again | the target is a word without `<>` and the relation has no quotes |
//! | `Link` | a split at `, ` | every link is `<target>; rel="relation"` |
//! | `Retry-After` | digits as `u64`, dates as chrono reads RFC 2822 | both take the text |
//! | `RateLimit-Remaining` and `-Limit` | digits as `u64` | all headers of a family have one value |
//! | `Content-Range` | the digits after `/` | the unit is not bytes |
//! | `Content-Type` | the same in capital letters, the charset in quotes | there is no quote in it |
//! | paths that were found | the keys that lead there | always |

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER};
use url::Url;

use crate::{
    fetch::{
        completeness::totals::{self, TotalPlace},
        envelope, format,
        paginate::{Asked, Extent, PageToken, PageView, detect, from_plan, links},
        quota, retry,
    },
    json::{Document, Kind, Node, Selector},
};

/// 2026-11-22T10:00:00Z.
const NOW: i64 = 1_795_341_600;

const PAGE: &str = "https://api.example.com/v1/rows?page=1";

/// Checks an answer.
pub fn headers(data: &[u8]) {
    let (head, body) = split(data);
    let headers: HeaderMap = head.split(|byte| *byte == b'\n').filter_map(header).collect();
    let now = DateTime::from_timestamp(NOW, 0).unwrap_or_default();
    check_links(&headers);
    check_retry_after(&headers, now);
    check_quotas(&headers, now);
    check_content_range(&headers);
    check_content_type(&headers);
    if let Ok(document) = Document::parse(body.to_vec()) {
        check_page(&document, &headers);
    }
}

/// The headers, and what is behind the first empty line.
fn split(data: &[u8]) -> (&[u8], &[u8]) {
    memchr::memmem::find(data, b"\n\n")
        .and_then(|at| Some((data.get(..at)?, data.get(at + 2..)?)))
        .unwrap_or((data, b""))
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = memchr::memchr(b':', line)?;
    let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
    Some((name, HeaderValue::from_bytes(line.get(colon + 1..)?.trim_ascii()).ok()?))
}

fn text(headers: &HeaderMap, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

// ---- Link

fn check_links(headers: &HeaderMap) {
    for value in headers.get_all(LINK) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let read = links(&text);
        let is_plain = |text: &str| !text.is_empty() && !text.contains(['<', '>', '"', '\\', '\'']);
        for (target, relation) in &read {
            if let Some(relation) = relation.as_ref().filter(|relation| is_plain(relation) && is_plain(target)) {
                let again = links(&format!("<{target}>; rel=\"{relation}\""));
                assert_eq!(again, [(target.clone(), Some(relation.clone()))]);
            }
        }
        if let Some(strict) = strict_links(&text) {
            assert_eq!(read, strict, "{text}");
        }
        let from = Url::parse(PAGE);
        for (target, _) in read {
            let _ = from.as_ref().map(|from| follow(&target, from));
        }
    }
}

/// The links of a header that has nothing but links of one form: `<target>; rel="relation"`, joined by `, `.
fn strict_links(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let is_word = |text: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/?=&.:_-".contains(&byte);
        !text.is_empty() && text.bytes().all(is_letter)
    };
    let link = |link: &str| {
        let (target, relation) = link.strip_prefix('<')?.strip_suffix('"')?.split_once(">; rel=\"")?;
        (is_word(target) && is_word(relation)).then(|| (target.to_owned(), Some(relation.to_owned())))
    };
    text.split(", ").map(link).collect()
}

/// A link leads to a URL without a fragment and without credentials, which reads back as itself.
fn follow(link: &str, from: &Url) {
    let Ok(Some(PageToken::Link(to))) = crate::fetch::paginate::follow(link, from) else { return };
    assert_eq!(Url::parse(to.as_str()).as_ref(), Ok(&to));
    assert!(to.fragment().is_none() && to.username().is_empty() && to.password().is_none(), "{to}");
    assert_eq!(to.scheme(), "https", "{to}");
}

// ---- Retry-After, RateLimit

fn check_retry_after(headers: &HeaderMap, now: DateTime<Utc>) {
    let Some(value) = text(headers, RETRY_AFTER) else { return };
    let read = retry::retry_after(headers, now);
    assert!(read.is_none_or(|wait| !wait.is_zero()));
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
        assert_eq!(read.map(|wait| wait.as_secs()), seconds, "{value}");
    } else if let (Some(read), Ok(date)) = (read, DateTime::parse_from_rfc2822(value)) {
        assert_eq!((date.to_utc() - now).to_std(), Ok(read), "{value}");
    }
}

fn check_quotas(headers: &HeaderMap, now: DateTime<Utc>) {
    let quotas = quota::read(headers, now);
    let resets: Vec<_> = quotas.iter().filter_map(|quota| quota.reset).collect();
    assert!(quota::reset(&quotas).is_none_or(|reset| resets.contains(&reset)), "{quotas:?}");
    assert!(resets.is_empty() || quota::reset(&quotas).is_some(), "{quotas:?}");
    for prefix in ["ratelimit", "x-ratelimit", "x-rate-limit"] {
        let number = |part: &str| {
            let name = format!("{prefix}-{part}");
            let text = text(headers, name.as_str())?;
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?
        };
        let found = quotas.iter().find(|quota| quota.name == prefix);
        if let Some(remaining) = number("remaining") {
            assert!(found.is_some_and(|quota| quota.remaining == Some(remaining)), "{quotas:?}");
        }
        if let Some(limit) = number("limit") {
            assert!(found.is_some_and(|quota| quota.limit == Some(limit)), "{quotas:?}");
        }
    }
}

// ---- Content-Range, Content-Type

fn check_content_range(headers: &HeaderMap) {
    // Of several the first that has a total counts.
    if headers.get_all(CONTENT_RANGE).iter().count() > 1 {
        return;
    }
    let place = TotalPlace::Header(CONTENT_RANGE.as_str().to_owned());
    let read = place.read(Document::null().root(), headers);
    let Some((range, total)) = text(headers, CONTENT_RANGE).and_then(|text| text.split_once('/')) else {
        assert_eq!(read, None);
        return;
    };
    let is_of_bytes = range.to_ascii_lowercase().trim_start().starts_with("bytes");
    if total.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(read, total.parse().ok().filter(|_| !is_of_bytes), "{range}/{total}");
    }
}

fn check_content_type(headers: &HeaderMap) {
    let Some(value) = text(headers, CONTENT_TYPE).filter(|value| !value.contains(['"', '\''])) else { return };
    let read = format::declared(value);
    assert_eq!(read, format::declared(&value.to_ascii_uppercase()), "{value}");
    if let Some((essence, label)) = value.split_once("; charset=").filter(|(_, label)| !label.contains(';')) {
        assert!(essence.contains(';') || read == format::declared(&format!("{essence}; CharSet = \"{label}\"")));
    }
}

// ---- the page

fn check_page(document: &Document, headers: &HeaderMap) {
    let root = document.root();
    let names = ["rows".to_owned(), "row".to_owned()];
    for is_paged in [false, true] {
        let found = envelope::find(document, &names, is_paged);
        assert!(found.is_nothing || found.selector.is_root() || found.selector.find(root).is_some(), "{found:?}");
    }
    let found = envelope::find_beside_paging(document, &names).selector;
    let keys = found.keys().unwrap_or_default();
    for total in totals::find(root, headers, &keys) {
        assert_eq!(total.place.read(root, headers), Some(total.records), "{total:?}");
    }
    let records = found.find(root).map_or(0, |list| list.items().count()) as u64;
    check_detected(document, headers, &keys, records);
    check_paths(document);
}

fn check_detected(document: &Document, headers: &HeaderMap, keys: &[String], count: u64) {
    let Ok(url) = Url::parse(PAGE) else { return };
    let view = PageView {
        root: document.root(),
        url: &url,
        headers,
        count,
        received: count,
        known: Extent::default(),
        total: None,
        is_short: false,
    };
    let detected = detect(&view, Asked { records: Some(keys), is_get: true, has_body: false, has_no_total: false });
    for candidate in &detected.candidates {
        let driver = from_plan(&candidate.paginator);
        assert!(driver.advance(&driver.start(), &view).is_ok() || candidate.next.is_some(), "{candidate:?}");
    }
}

/// The path of every key of the first levels reads back, and leads to the key's value.
fn check_paths(document: &Document) {
    let root = document.root();
    for (key, value) in root.fields() {
        let Ok(key) = key.text() else { continue };
        let below = value.fields().filter_map(|(key, _)| key.text().ok());
        let paths = below.map(|inner| vec![key.to_string(), inner.into_owned()]).chain([vec![key.to_string()]]);
        for keys in paths {
            let path = Selector::from_keys(&keys);
            assert_eq!(path.to_string().parse().as_ref(), Ok(&path));
            assert_eq!(path.keys().as_ref(), Some(&keys));
            let expected = keys.iter().try_fold(root, |node, key| node.get(key));
            assert_eq!(path.find(root).map(Node::index), expected.map(Node::index));
            assert!(root.kind() == Kind::Object);
        }
    }
}
