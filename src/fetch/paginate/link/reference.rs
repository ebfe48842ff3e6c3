//! References to the next page: the forms in which bodies and headers write them.
//!
//! ```text
//! {"href": "items?page=2{&sort}"} ─target─► items?page=2{&sort} ─without_expressions─► items?page=2 ─resolve─► URL
//! ```

use std::borrow::Cow;

use url::Url;

use crate::json::{Kind, Node};

/// The names under which a link's object has its URL.
const TARGETS: [&str; 4] = ["href", "url", "uri", "link"];

/// The names under which a link has its relation; `relation` is FHIR's.
const RELATIONS: [&str; 2] = ["rel", "relation"];

/// What a place for a link holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    Link(Node<'a>),
    /// A list of links without one to the next page.
    None,
    /// A value that is no link.
    Other,
}

/// Returns the link in `{href: …}`, in `[{rel: next, href: …}]` or in a list of one.
pub(super) fn target(node: Node<'_>) -> Target<'_> {
    match node.kind() {
        Kind::Object => in_object(node),
        Kind::Array => in_list(node),
        _ => Target::Link(node),
    }
}

fn in_object(object: Node<'_>) -> Target<'_> {
    let found = TARGETS.iter().find_map(|name| object.get(name));
    found.filter(|found| !matches!(found.kind(), Kind::Object | Kind::Array)).map_or(Target::Other, Target::Link)
}

/// HAL writes a relation of several links as a list, whose links have no relation of their own.
fn in_list(list: Node<'_>) -> Target<'_> {
    if let Some(next) = list.items().find(|item| leads_to_next(*item)) {
        return in_object(next);
    }
    let mut items = list.items();
    match (items.next(), items.next()) {
        (Some(first), _) if relation(first).is_some() => Target::None,
        (Some(first), None) if first.kind() == Kind::Object => in_object(first),
        (Some(first), None) if first.kind() == Kind::String => Target::Link(first),
        _ => Target::Other,
    }
}

fn relation(link: Node<'_>) -> Option<Node<'_>> {
    RELATIONS.iter().find_map(|name| link.get(name))
}

/// Returns true for a link whose relation is `next`, alone or among others: `rel: next`, `rel: [next]`.
pub(in crate::fetch) fn leads_to_next(link: Node<'_>) -> bool {
    let is_next = |node: Node<'_>| {
        let text = if node.kind() == Kind::String { node.string().ok() } else { None };
        text.is_some_and(|text| text.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next")))
    };
    relation(link).is_some_and(|relation| is_next(relation) || relation.items().any(is_next))
}

/// Returns true for text that is a URL or a reference to one, and false for a cursor.
///
/// Tokens are opaque, and base64 has `/`, `+` and `=`: a relative path counts only with a query, or where it consists of words
/// and ends with a number.
pub(in crate::fetch) fn looks_like_link(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return false;
    }
    let starts = |start: &str| text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    if ["http://", "https://", "?", "./", "../"].into_iter().any(starts) {
        return true;
    }
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    match query {
        Some(query) => query.contains('=') && is_relative_path(path),
        None if path.starts_with('/') => !path.ends_with('=') && !path.contains('+'),
        None => is_path_of_words(path),
    }
}

/// A colon in the first segment would end a scheme.
fn is_relative_path(path: &str) -> bool {
    let is_of_path = |c: char| c.is_alphanumeric() || "/-._~!$&'()*+,;=:@%{}".contains(c);
    path.chars().all(is_of_path) && !path.split('/').next().is_some_and(|first| first.contains(':'))
}

/// `items/page/2`
fn is_path_of_words(path: &str) -> bool {
    let is_number = |segment: &str| !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |segment: &str| {
        let small = segment.trim_start_matches('v').trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = if small.is_empty() { "" } else { segment.get(1..).unwrap_or_default() };
        segment.starts_with(|c: char| c.is_ascii_alphabetic())
            && rest.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '_'))
    };
    path.rsplit_once('/').is_some_and(|(above, last)| is_number(last) && above.split('/').all(is_word))
}

/// Removes the expressions of a URI template (RFC 6570): without values each of them expands to nothing.
///
/// Other braces stay: `?filter={"a":1}` is a query that a server left unescaped.
pub(super) fn without_expressions(link: &str) -> Cow<'_, str> {
    let mut found = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(open) = link.get(at..).and_then(|rest| rest.find('{')).map(|open| at + open) {
        at = open + 1;
        let inside = link.get(at..).and_then(|rest| rest.split_once('}')).map(|(inside, _)| inside);
        if let Some(inside) = inside.filter(|inside| is_expression(inside)) {
            found.push_str(link.get(kept..open).unwrap_or_default());
            at += inside.len() + 1;
            kept = at;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(link);
    }
    Cow::Owned(found + link.get(kept..).unwrap_or_default())
}

/// `&sort`, `?page,size`, `/path*`, `id:3`: an operator and names with their modifiers.
fn is_expression(inside: &str) -> bool {
    let names = inside.strip_prefix(['+', '#', '.', '/', ';', '?', '&']).unwrap_or(inside);
    names.split(',').all(|name| {
        let name = name.strip_suffix('*').unwrap_or(name);
        let name = name.split_once(':').map_or(name, |(name, length)| match length.parse::<u16>() {
            Ok(_) => name,
            Err(_) => "",
        });
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '%' | '-' | '[' | ']' | '$'))
    })
}

/// Returns the URL of a link on the page at `from`.
///
/// A relative path may be relative to the root of the service in place of the page: OData's to the URL of `context`, others
/// begin with a segment that the page's path has too.
///
/// ```text
/// /odata/Books(1)/Authors + Books(1)/Authors?$skiptoken=2 ─► /odata/Books(1)/Authors?$skiptoken=2
/// ```
pub(super) fn resolve(link: &str, from: &Url, context: Option<&str>) -> Result<Url, url::ParseError> {
    let is_path =
        !link.starts_with(['/', '?', '.', '#']) && Url::parse(link) == Err(url::ParseError::RelativeUrlWithoutBase);
    if !is_path {
        return from.join(link);
    }
    // A context of another host is an address from behind a proxy.
    let context = context.and_then(|context| from.join(context).ok()).filter(|root| root.origin() == from.origin());
    context.or_else(|| service_root(link, from)).as_ref().unwrap_or(from).join(link)
}

/// Returns the page's URL up to the segment that the link begins with.
fn service_root(link: &str, from: &Url) -> Option<Url> {
    let first = link.split(['/', '?', '#']).next().filter(|first| !first.is_empty())?;
    let segments: Vec<&str> = from.path_segments()?.collect();
    let shared = segments.iter().rposition(|segment| *segment == first)?;
    let mut root = from.clone();
    root.set_path(&format!("{}/", segments.get(..shared)?.join("/")));
    Some(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    #[test]
    fn links_are_told_from_cursors() {
        for text in [
            "https://a/x",
            "HTTP://a/x",
            "//a/x?page=2",
            "/x",
            "/v1/items/",
            "?page=2",
            "./x",
            "../x?y=1",
            " /x?page=2 ",
            "Books?$skiptoken=1",
            "Books(1)/Authors?$skiptoken='a,b'",
            "items?page=2{&sort}",
            "v1/items?cursor=a+b/c==",
            "items/page/2",
            "v2/Books/3",
            "data-sets/page/10",
        ] {
            assert!(looks_like_link(text), "{text}");
        }
        for text in [
            "",
            " ",
            "2",
            "abc123==",
            "2024-01-01T00:00:00Z",
            "eyJpZCI6MX0",
            "eyJpZCI6MX0=",
            "a/b+c==",
            "/w==",
            "/a+b/c",
            "//8=",
            "a/b",
            "aB3/x9/2",
            "2024/01/02",
            "what next?",
            "mailto:x?subject=y",
            "urn:x",
            "next?",
            "a?b",
            "12345:67890",
            "x y?z=1",
        ] {
            assert!(!looks_like_link(text), "{text}");
        }
    }

    #[test]
    fn expressions_of_a_template_expand_to_nothing() {
        for (link, expanded) in [
            ("/items?page=2{&sort}", "/items?page=2"),
            ("/items{?page,size,sort}", "/items"),
            ("/items{/id}{?q*}", "/items"),
            ("/items?a={a:3}&b=2{&c[],d}{#f}", "/items?a=&b=2"),
            ("/items?page=2", "/items?page=2"),
            ("/items?page=2%7B&sort%7D", "/items?page=2%7B&sort%7D"),
            (r#"/items?f={"a":{"b":1}}&page=2{&sort}"#, r#"/items?f={"a":{"b":1}}&page=2"#),
            ("/items?{", "/items?{"),
            ("/items?{}", "/items?{}"),
            ("/é{x}é", "/éé"),
        ] {
            assert_eq!(without_expressions(link), expanded, "{link}");
        }
    }

    #[test]
    fn a_relative_path_may_be_relative_to_the_root_of_the_service() {
        for (from, link, context, to) in [
            ("https://a/odata/items", "items?t=1", None, "https://a/odata/items?t=1"),
            ("https://a/odata/items/", "items?t=1", None, "https://a/odata/items?t=1"),
            ("https://a/odata/B(1)/C", "B(1)/C?t=1", None, "https://a/odata/B(1)/C?t=1"),
            ("https://a/odata/B(1)/C", "D?t=1", None, "https://a/odata/B(1)/D?t=1"),
            ("https://a/odata/B(1)/C", "D?t=1", Some("../$metadata#D"), "https://a/odata/D?t=1"),
            ("https://a/odata/B(1)/C", "C?t=1", Some("https://a/odata/$metadata#C"), "https://a/odata/C?t=1"),
            ("https://a/odata/items", "items?t=1", Some("$metadata#items"), "https://a/odata/items?t=1"),
            ("https://a/odata/B(1)/C", "C?t=1", Some("http://inner/$metadata#C"), "https://a/odata/B(1)/C?t=1"),
            ("https://a/odata/B(1)/C", "/x?t=1", Some("https://a/odata/$metadata#C"), "https://a/x?t=1"),
            ("https://a/items/page/1", "items/page/2", None, "https://a/items/page/2"),
            ("https://a/items/page/1", "page/2", None, "https://a/items/page/2"),
            ("https://a/v1/items?x=1", "?page=2", None, "https://a/v1/items?page=2"),
            ("https://a/v1/items", "//b/items", None, "https://b/items"),
            ("https://a/v1/items", "../v2/items", None, "https://a/v2/items"),
            ("https://a/v1/items", "./items?page=2", None, "https://a/v1/items?page=2"),
        ] {
            let found = resolve(link, &Url::parse(from).unwrap(), context).unwrap();
            assert_eq!(found.as_str(), to, "{from} {link} {context:?}");
        }
    }

    #[test]
    fn a_link_may_be_in_an_object_or_in_a_list_of_links() {
        for (text, found) in [
            (r#"{"href":"/a"}"#, r#""/a""#),
            (r#"{"url":"/a","x":1}"#, r#""/a""#),
            (r#"{"href":null}"#, "null"),
            (r#"[{"rel":"self","href":"/s"},{"rel":"next","href":"/a"}]"#, r#""/a""#),
            (r#"[{"rel":["Next"],"uri":"/a"}]"#, r#""/a""#),
            (r#"[{"relation":"next","url":"/a"}]"#, r#""/a""#),
            (r#"[{"rel":"self","href":"/s"},{"rel":"prev","href":"/p"}]"#, "none"),
            (r#"[{"href":"/a"}]"#, r#""/a""#),
            (r#"["/a"]"#, r#""/a""#),
            (r#"["/a","/b"]"#, "other"),
            (r#"{"next":"/a"}"#, "other"),
            (r#"{"href":{"x":1}}"#, "other"),
        ] {
            let document = Document::parse(text.into()).unwrap();
            let shown = match target(document.root()) {
                Target::Link(node) => String::from_utf8_lossy(node.raw()).into_owned(),
                Target::None => "none".to_owned(),
                Target::Other => "other".to_owned(),
            };
            assert_eq!(shown, found, "{text}");
        }
    }
}
